/* needs: host/daemon/sample.c host/error.c common/cbor.c common/package.c */
/*
 * sample.c (tests) - which image names the built-in sample answers to, and that its package is one.
 * The module's bytes stand in for those of host/daemon/sample_blob.S.
 */
#include "scratch.h"
#include "daemon/sample.h"
#include "package.h"

__asm__(".section .rodata\n"
        ".globl tfaas_sample_start, tfaas_sample_end\n"
        "tfaas_sample_start: .ascii \"\\0asm\\1\\0\\0\\0\"\n"
        "tfaas_sample_end: .byte 7\n"
        ".text\n");

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {"functions/alpine:latest", "functions/alpine",
                                       "r.example.com/functions/alpine:latest",
                                       "r.example.com:5000/x/functions/alpine"};
    static const char *const bad[] = {"",
                                      "alpine:latest",
                                      "functions/alpine:3",
                                      "x/alpine",
                                      "myfunctions/alpine:latest",
                                      "functions/alpine2",
                                      "functions/alpine:latest:latest",
                                      ":latest",
                                      "functions/alpine/x",
                                      "functions/alpine:"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!sample_image(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sample_image(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    assert_false(sample_image(NULL));
}

static void package(void **state)
{
    (void)state;
    struct tfaas_error error;
    struct package read;
    const char *why = "";
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(sample_package(&bytes, &size, &error), TFAAS_OK);
    assert_int_equal(package_read(bytes, size, &read, &why), TFAAS_OK);
    assert_true(span_is(read.runtime, "wasm"));
    assert_int_equal(read.file_count, 1);
    assert_int_equal(read.files[0].content.size, 8);
    assert_memory_equal(read.files[0].content.data, "\0asm\1\0\0\0", 8);
    package_free(&read);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(package)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
