/*
 * precompile.c - build tool: compiles a runtime with the engine it will run under, writes the
 * native code and, where asked, the memory after its initialisation. Same input, same output bytes;
 * never part of the core.
 */
#include "engine/engine.h"
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>

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
        free(bytes);
        return NULL;
    }
    *size = (size_t)end;
    return bytes;
}

static int write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *out = fopen(path, "wb");
    bool written = out && fwrite(bytes, 1, size, out) == size;
    if (out && fclose(out) == 0 && written)
        return 0;
    perror(path);
    return 74;
}

int main(int argc, char **argv)
{
    char why[512] = "";
    struct span wasm = {NULL, 0};
    uint8_t *code = NULL, *image = NULL;
    size_t code_size = 0, image_size = 0;
    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr, "usage: precompile WASM CODE [IMAGE]\n");
        return 64;
    }
    wasm.data = read_file(argv[1], &wasm.size);
    if (!wasm.data) {
        perror(argv[1]);
        return 66;
    }
    tfaas_status_t status = engine_start(why, sizeof why);
    if (status == TFAAS_OK)
        status = runtime_build(wasm, &code, &code_size, argc == 4 ? &image : NULL, &image_size, why,
                               sizeof why);
    if (status != TFAAS_OK) {
        (void)fprintf(stderr, "precompile: %s: %s\n", argv[1], why);
        return tfaas_status_exit(status);
    }
    int result = write_file(argv[2], code, code_size);
    if (result == 0 && argc == 4)
        result = write_file(argv[3], image, image_size);
    free(code);
    free(image);
    free((void *)wasm.data);
    return result;
}
