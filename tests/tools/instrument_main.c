/*
 * instrument_main.c - runs the rewriter on a file, for tests: instrument IN.wasm OUT.wasm
 * [INITIAL.bin]. Prints the facts about the module as JSON. It is not installed.
 */
#include "instrument.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    size_t capacity = (size_t)INSTRUMENT_MODULE_MAX + 2;
    uint8_t *data = malloc(capacity);
    *size = data != NULL ? fread(data, 1, capacity, file) : 0;
    if (data != NULL && ferror(file)) {
        free(data);
        data = NULL;
    }
    (void)fclose(file);
    return data;
}

static int file_write(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return -1;
    int failed = fwrite(data, 1, size, file) != size;
    return fclose(file) != 0 || failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--weights-hash") == 0)
        return puts(instrument_weights_hash()) < 0;
    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr, "usage: instrument IN.wasm OUT.wasm [INITIAL.bin]\n");
        return 64;
    }
    size_t size = 0;
    uint8_t *module = file_read(argv[1], &size);
    if (module == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", argv[1]);
        return 66;
    }
    struct instrument_result result;
    char why[200];
    tfaas_status_t status = instrument(module, size, &result, why, sizeof why);
    free(module);
    if (status != TFAAS_OK) {
        (void)fprintf(stderr, "%s: %s\n", argv[1], why);
        return tfaas_status_exit(status);
    }
    int failed = file_write(argv[2], result.module, result.module_size);
    if (argc == 4 && failed == 0)
        failed = file_write(argv[3], result.initial, result.initial_size);
    (void)printf("{\"size\": %zu, \"initial_offset\": %" PRIu32 ", \"initial_size\": %zu, "
                 "\"has_start\": %s, \"mutates_tables\": %s, \"mutable_globals\": %" PRIu32
                 ", \"compile_work\": %" PRIu64 "}\n",
                 result.module_size, result.initial_offset, result.initial_size,
                 result.has_start ? "true" : "false", result.mutates_tables ? "true" : "false",
                 result.mutable_global_count, result.compile_work);
    instrument_free(&result);
    if (failed != 0)
        (void)fprintf(stderr, "%s: cannot be written\n", argv[2]);
    return failed != 0 ? 73 : 0;
}
