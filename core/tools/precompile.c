/*
 * precompile.c - build tool: compiles a runtime with the engine it will run under and writes the
 * native code and, where asked, its memory after its start; warms JavaScript up and writes which
 * pages of its memory are hot. Same input, same output bytes; never part of the core.
 */
#include "core.h"
#include "engine/engine.h"
#include "plat/linux/linux.h"
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *out = fopen(path, "wb");
    bool written = out && fwrite(bytes, 1, size, out) == size;
    if (!out || fclose(out) != 0 || !written) {
        perror(path);
        return 74;
    }
    return 0;
}

static int warm_up(const char *path)
{
    const char *why = plat_linux_prepare();
    if (why || !core_prepare(&why)) {
        (void)fprintf(stderr, "precompile: %s\n", why);
        return 70;
    }
    size_t size;
    const uint8_t *heat = runtime_heat(&size);
    return write_file(path, heat, size);
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    long end = in && fseek(in, 0, SEEK_END) == 0 ? ftell(in) : -1;
    uint8_t *bytes = end >= 0 ? malloc((size_t)end + 1) : NULL;
    bool whole =
        bytes && fseek(in, 0, SEEK_SET) == 0 && fread(bytes, 1, (size_t)end, in) == (size_t)end;
    if (in)
        (void)fclose(in);
    if (!whole) {
        perror(path);
        free(bytes);
        return NULL;
    }
    *size = (size_t)end;
    return bytes;
}

/* image_path: NULL, its start is not run. */
static int compile(const char *path, const char *code_path, const char *image_path)
{
    char why[512] = "";
    uint8_t *code = NULL, *image = NULL;
    size_t size = 0, code_size = 0, image_size = 0;
    uint8_t *wasm = read_file(path, &size);
    if (!wasm)
        return 66;
    tfaas_status_t status = engine_start(why, sizeof why);
    if (status == TFAAS_OK)
        status = runtime_build((struct span){wasm, size}, &code, &code_size,
                               image_path ? &image : NULL, &image_size, why, sizeof why);
    free(wasm);
    if (status != TFAAS_OK) {
        (void)fprintf(stderr, "precompile: %s: %s\n", path, why);
        return tfaas_status_exit(status);
    }
    int failed = write_file(code_path, code, code_size);
    if (!failed && image_path)
        failed = write_file(image_path, image, image_size);
    free(code);
    free(image);
    return failed;
}

int main(int argc, char **argv)
{
    if ((argc == 4 || argc == 5) && strcmp(argv[1], "code") == 0)
        return compile(argv[2], argv[3], argc == 5 ? argv[4] : NULL);
    if (argc == 3 && strcmp(argv[1], "heat") == 0)
        return warm_up(argv[2]);
    (void)fprintf(stderr, "usage: precompile code WASM CODE [IMAGE] | precompile heat OUT\n");
    return 64;
}
