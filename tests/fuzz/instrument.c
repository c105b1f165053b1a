/*
 * instrument.c (fuzz) - any bytes go into the Wasm rewriter. It must answer with a whole result or
 * with a reason, and what it wrote must be refused when it comes again (the names are taken).
 * Before libFuzzer reads its corpus folder, whole modules are put there as seeds.
 */
/* needs: core/instrument*.c common/status.c libs: sodium */
#include "instrument.h"
#include "../unit/core/instrument_build.h"

static int write_seed(const char *folder, unsigned number, struct bytes b)
{
    char path[4096];
    int size = snprintf(path, sizeof path, "%s/seed%u", folder, number);
    if (size < 0 || (size_t)size >= sizeof path)
        return 1;
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return 1;
    size_t written = fwrite(b.data, 1, b.size, file);
    int failed = fclose(file) != 0 || written != b.size;
    free(b.data);
    return failed;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const codes[] = {
        "41 07 0b",
        "02 40 03 40 20 00 0d 01 20 00 04 7f 41 01 05 41 02 0b 1a 0c 00 0b 0b 41 07 0b",
        "20 00 41 00 20 00 fc 0a 00 00 20 00 40 00 0b",
        "20 00 0e 03 00 00 00 00 0b",
        "20 00 11 01 00 12 00 0b",
        "fd 0c 00010203040506070809 0a0b0c0d0e0f fd 15 03 0b",
        "d0 70 20 00 fc 0f 00 25 00 1a 23 01 24 01 00 0b",
    };
    for (int i = 1; i < *argc; i++) {
        const char *folder = (*argv)[i];
        if (folder[0] == '-')
            continue;
        int failed = write_seed(folder, 0, module_rich());
        for (unsigned j = 0; j < sizeof codes / sizeof *codes; j++)
            failed |= write_seed(folder, j + 1, module_with_code("01 01 7e", codes[j]));
        if (failed != 0)
            (void)fprintf(stderr, "seeds cannot be written to %s\n", folder);
        return failed; /* the first folder is the corpus; later ones are only read */
    }
    return 0;
}

static void require(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "violated: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct instrument_result result, again;
    char why[120];
    tfaas_status_t status = instrument(data, size, &result, why, sizeof why);
    require(memchr(why, '\0', sizeof why) != NULL, "the text ends inside its buffer");
    if (status != TFAAS_OK) {
        require(status == TFAAS_BAD_MODULE || status == TFAAS_NO_SPACE, "status of a refusal");
        require(why[0] != '\0', "a refusal has a reason");
        require(result.module == NULL && result.initial == NULL, "nothing is left behind");
        return 0;
    }
    require(result.module_size >= 8, "a module was written");
    require(result.initial_size == 0 || result.initial != NULL, "initial bytes exist");
    uint64_t end = (uint64_t)result.initial_offset + result.initial_size;
    require(end <= (uint64_t)result.memory_min_pages * 65536, "they lie in the memory");
    status = instrument(result.module, result.module_size, &again, why, sizeof why);
    require(status == TFAAS_BAD_MODULE && strstr(why, "reserved") != NULL,
            "the output is well-formed up to its own exports");
    instrument_free(&result);
    return 0;
}
