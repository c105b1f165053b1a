/* needs: common/simulated.c common/sha384.c common/fields.c common/cbor.c libs: sodium jansson */
/* simulated.c - tests of common/simulated.c (golden bytes, every cut and changed byte) and of
 * common/sha384.c (FIPS 180-4's examples). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include "sha384.h"
#include "simulated.h"
#include "vectors.h"

static json_t *vectors;

static struct span get(const char *group, const char *name)
{
    struct span s = vectors_hex(json_object_get(vectors, group), name);
    assert_non_null(s.data);
    return s;
}

static void test_golden_bytes(void **state)
{
    (void)state;
    uint8_t key[32], secret[64], measurement[48], out[SIMULATED_SIZE_MAX];
    struct span bytes = get("simulated", "bytes");
    memset(measurement, 0x4d, sizeof measurement);
    crypto_sign_seed_keypair(key, secret, get("keys", "root_seed").data);
    size_t size = simulated_write(measurement, get("key_statement", "report_data").data, 1800000000,
                                  secret, out);
    assert_int_equal(size, bytes.size);
    assert_memory_equal(out, bytes.data, size);
    struct simulated got;
    const char *why;
    assert_int_equal(simulated_read(bytes, &got, &why), TFAAS_OK);
    assert_memory_equal(got.measurement.data, measurement, 48);
    assert_memory_equal(got.report_data.data, get("key_statement", "report_data").data, 64);
    assert_memory_equal(got.root_key.data, key, 32);
    assert_true(got.issued_at == 1800000000);
    assert_true(size < SIMULATED_SIZE_MAX);
    size = simulated_write(measurement, get("key_statement", "report_data").data, UINT64_MAX,
                           secret, out);
    assert_true(size > 0 && size <= SIMULATED_SIZE_MAX);
    assert_int_equal(simulated_read((struct span){out, size}, &got, &why), TFAAS_OK);
}

static void test_every_byte(void **state)
{
    (void)state;
    struct span bytes = get("simulated", "bytes");
    struct simulated got;
    const char *why;
    for (size_t at = 0; at < bytes.size; at++) {
        uint8_t *copy = vectors_copy((struct span){bytes.data, at});
        assert_int_equal(simulated_read((struct span){copy, at}, &got, &why), TFAAS_BAD_REQUEST);
        free(copy);
        for (unsigned bit = 0; bit < 8; bit++) {
            copy = vectors_copy(bytes);
            copy[at] ^= (uint8_t)(1u << bit);
            tfaas_status_t status = simulated_read((struct span){copy, bytes.size}, &got, &why);
            assert_true(status == TFAAS_BAD_REQUEST || status == TFAAS_NOT_OPENED);
            assert_null(got.measurement.data);
            free(copy);
        }
    }
}

static void test_each_field_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {"label",     "measurement", "report_data",
                                        "issued_at", "root_key",    "signature"};
    /* Where each value's head is: a map's head, then key and value. */
    struct span bytes = get("simulated", "bytes");
    struct simulated got;
    const char *why;
    size_t at[] = {2, 22, 73, 140, 146, 181};
    for (size_t i = 0; i < 6; i++) {
        uint8_t *copy = vectors_copy(bytes);
        copy[at[i]] = 0xf6; /* null */
        assert_int_equal(simulated_read((struct span){copy, bytes.size}, &got, &why),
                         TFAAS_BAD_REQUEST);
        if (!strstr(why, names[i]))
            fail_msg("\"%s\" does not name %s", why, names[i]);
        free(copy);
    }
}

static void test_sha384(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } examples[] = {
        {"abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                "8086072ba1e7cc2358baeca134c825a7"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712"
         "fcc7c71a557e2db966c3e9fa91746039"},
    };
    for (size_t i = 0; i < 2; i++) {
        crypto_hash_sha512_state s;
        uint8_t out[SHA384_SIZE];
        sha384_init(&s);
        crypto_hash_sha512_update(&s, (const uint8_t *)examples[i].text, strlen(examples[i].text));
        sha384_final(&s, out);
        assert_memory_equal(out, vectors_unhex(examples[i].hex).data, sizeof out);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_each_field_is_named),
        cmocka_unit_test(test_sha384),
    };
    if (sodium_init() < 0)
        return 1;
    vectors = vectors_load("tests/vectors/protocol/statements.json");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
