/*
 * precompile.c - build tool: compiles the JavaScript runtime with the engine it will run under and
 * writes the native code; warms it up and writes which pages of its memory are hot. Same input,
 * same output bytes; never part of the core.
 */
#include "core.h"
#include "engine/engine.h"
#include "instrument.h"
#include "loaded.h"
#include "plat/linux/linux.h"
#include "runtime_image.h"

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
    const uint8_t *heat = loaded_heat(&size);
    return write_file(path, heat, size);
}

static int compile(const char *path)
{
    char why[512] = "";
    struct instrument_result result;
    struct engine_module *module = NULL;
    uint8_t *code = NULL;
    size_t size = 0;
    tfaas_status_t status = instrument(
        runtime_js_wasm, (size_t)(runtime_js_wasm_end - runtime_js_wasm), &result, why, sizeof why);
    if (status == TFAAS_OK)
        status = engine_start(why, sizeof why);
    if (status == TFAAS_OK)
        status = engine_compile(result.module, result.module_size, &module, why, sizeof why);
    if (status == TFAAS_OK)
        status = engine_save(module, &code, &size);
    if (status != TFAAS_OK) {
        (void)fprintf(stderr, "precompile: %s\n", why);
        return tfaas_status_exit(status);
    }
    int failed = write_file(path, code, size);
    free(code);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "code") == 0)
        return compile(argv[2]);
    if (argc == 3 && strcmp(argv[1], "heat") == 0)
        return warm_up(argv[2]);
    (void)fprintf(stderr, "usage: precompile code|heat OUT\n");
    return 64;
}
