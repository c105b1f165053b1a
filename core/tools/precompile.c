/*
 * precompile.c - build tool: compiles the JavaScript runtime with the engine it will run under and
 * writes the native code. Same input, same output bytes; never part of the core.
 */
#include "engine/engine.h"
#include "instrument.h"
#include "runtime_image.h"

#include <stdio.h>
#include <stdlib.h>

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
    FILE *out = fopen(path, "wb");
    bool written = out && fwrite(code, 1, size, out) == size;
    if (!out || fclose(out) != 0 || !written) {
        perror(path);
        return 74;
    }
    free(code);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: precompile OUT\n");
        return 64;
    }
    return compile(argv[1]);
}
