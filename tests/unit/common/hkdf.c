/* needs: common/hkdf.c libs: sodium */
/* hkdf.c - tests of common/hkdf.c: RFC 5869 appendix A.1 to A.3 and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include "hkdf.h"

struct vector {
    const char *ikm, *salt, *info, *prk, *okm;
};

static const struct vector vectors[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d"
     "2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d"
     "8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdd"
     "dedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
     "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
     "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

static struct span unhex(const char *text, uint8_t *out)
{
    size_t size = 0;
    assert_int_equal(sodium_hex2bin(out, 256, text, strlen(text), NULL, &size, NULL), 0);
    return (struct span){out, size};
}

static void test_rfc5869(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t b[5][256], prk[HKDF_HASH_SIZE];
        struct span ikm = unhex(vectors[i].ikm, b[0]), salt = unhex(vectors[i].salt, b[1]);
        struct span info = unhex(vectors[i].info, b[2]), want = unhex(vectors[i].prk, b[3]);
        struct span okm = unhex(vectors[i].okm, b[4]);
        hkdf_extract(prk, salt, ikm);
        assert_memory_equal(prk, want.data, sizeof(prk));
        for (size_t size = 0; size <= okm.size; size++) {
            uint8_t *out = malloc(size ? size : 1);
            assert_int_equal(hkdf_expand(out, size, prk, info), TFAAS_OK);
            assert_memory_equal(out, okm.data, size);
            free(out);
        }
    }
}

/* The labeled forms are the plain ones over a row of bytes that section 4 of RFC 9180 gives. */
static void test_labeled(void **state)
{
    (void)state;
    const struct span suite = {(const uint8_t *)"KEM\x00\x20", 5}, salt = {(uint8_t *)"salt", 4};
    const struct span ikm = {(const uint8_t *)"secret", 6}, info = {(uint8_t *)"info", 4};
    static const uint8_t labeled_ikm[] = "HPKE-v1KEM\x00\x20labelsecret";
    static const uint8_t labeled_info[] = "\x00\x2aHPKE-v1KEM\x00\x20labelinfo";
    uint8_t a[HKDF_HASH_SIZE], b[HKDF_HASH_SIZE], c[42], d[42];
    hkdf_labeled_extract(a, suite, salt, "label", ikm);
    hkdf_extract(b, salt, (struct span){labeled_ikm, sizeof(labeled_ikm) - 1});
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(hkdf_labeled_expand(c, sizeof(c), a, suite, "label", info), TFAAS_OK);
    assert_int_equal(
        hkdf_expand(d, sizeof(d), a, (struct span){labeled_info, sizeof(labeled_info) - 1}),
        TFAAS_OK);
    assert_memory_equal(c, d, sizeof(c));
}

static void test_bounds(void **state)
{
    (void)state;
    static uint8_t out[HKDF_OUT_MAX + 1];
    const uint8_t prk[HKDF_HASH_SIZE] = {1};
    const struct span none = {NULL, 0};
    assert_int_equal(hkdf_expand(out, HKDF_OUT_MAX, prk, none), TFAAS_OK);
    assert_false(sodium_is_zero(out + HKDF_OUT_MAX - HKDF_HASH_SIZE, HKDF_HASH_SIZE));
    memset(out, 7, sizeof(out));
    assert_int_equal(hkdf_expand(out, HKDF_OUT_MAX + 1, prk, none), TFAAS_TOO_LARGE);
    assert_int_equal(hkdf_labeled_expand(out, HKDF_OUT_MAX + 1, prk, none, "l", none),
                     TFAAS_TOO_LARGE);
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 7);
}

/* The result may lie where an input does. */
static void test_in_place(void **state)
{
    (void)state;
    uint8_t salt[HKDF_HASH_SIZE] = {1, 2, 3}, ikm[HKDF_HASH_SIZE] = {4, 5, 6};
    uint8_t want[HKDF_HASH_SIZE];
    hkdf_extract(want, (struct span){salt, 32}, (struct span){ikm, 32});
    uint8_t a[HKDF_HASH_SIZE];
    memcpy(a, ikm, sizeof(a));
    hkdf_extract(a, (struct span){salt, 32}, (struct span){a, 32});
    assert_memory_equal(a, want, sizeof(want));
    hkdf_extract(salt, (struct span){salt, 32}, (struct span){ikm, 32});
    assert_memory_equal(salt, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc5869),
        cmocka_unit_test(test_labeled),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
