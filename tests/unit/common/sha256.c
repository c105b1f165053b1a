/* needs: common/sha256.c libs: sodium crypto */
/* sha256.c - tests of common/sha256.c: FIPS 180-4 examples, RFC 4231, and libsodium's and OpenSSL's
 * hashes of every size around the blocks, in every division of the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <openssl/hmac.h>
#include <string.h>
#include "sha256.h"

static uint8_t text[1024];

static void expect_hex(const uint8_t hash[SHA256_SIZE], const char *want)
{
    char hex[2 * SHA256_SIZE + 1];
    sodium_bin2hex(hex, sizeof(hex), hash, SHA256_SIZE);
    assert_string_equal(hex, want);
}

static void test_examples(void **state)
{
    uint8_t hash[SHA256_SIZE];
    (void)state;
    sha256(hash, NULL, 0);
    expect_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(hash, "abc", 3);
    expect_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(hash, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    expect_hex(hash, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 4231: test cases 1, 2 and 6 (a key of more than a block). */
static void test_hmac(void **state)
{
    static const struct {
        uint8_t key_byte;
        size_t key_size;
        const char *key, *data, *want;
    } cases[] = {
        {0x0b, 20, NULL, "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {0, 4, "Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t key[131], hash[SHA256_SIZE];
        struct hmac_sha256 mac;
        memset(key, cases[i].key_byte, sizeof(key));
        hmac_sha256_init(&mac, cases[i].key ? (const void *)cases[i].key : key, cases[i].key_size);
        hmac_sha256_update(&mac, cases[i].data, strlen(cases[i].data));
        hmac_sha256_final(&mac, hash);
        expect_hex(hash, cases[i].want);
    }
}

static void test_sizes_and_divisions(void **state)
{
    (void)state;
    randombytes_buf_deterministic(text, sizeof(text), (const uint8_t[32]){7});
    for (size_t size = 0; size <= 300; size++) {
        uint8_t want[SHA256_SIZE], hash[SHA256_SIZE], theirs[EVP_MAX_MD_SIZE];
        crypto_hash_sha256(want, text, size);
        for (size_t first = 0; first <= size; first += 1 + size / 40) {
            crypto_hash_sha256_state own;
            sha256_init(&own);
            sha256_update(&own, text, first);
            sha256_update(&own, text + first, (size - first) / 2);
            /* libsodium goes on with a state of ours */
            crypto_hash_sha256_update(&own, text + first + (size - first) / 2,
                                      size - first - (size - first) / 2);
            sha256_final(&own, hash);
            assert_memory_equal(hash, want, sizeof(hash));
            static const crypto_hash_sha256_state wiped;
            assert_memory_equal(&own, &wiped, sizeof(own));
        }
        struct hmac_sha256 mac;
        unsigned theirs_size = 0;
        hmac_sha256_init(&mac, text, size / 2);
        hmac_sha256_update(&mac, text, size);
        hmac_sha256_final(&mac, hash);
        assert_non_null(
            HMAC(EVP_sha256(), text, (int)(size / 2), text, size, theirs, &theirs_size));
        assert_memory_equal(hash, theirs, sizeof(hash));
    }
}

static void test_many_blocks(void **state)
{
    uint8_t want[SHA256_SIZE], hash[SHA256_SIZE];
    (void)state;
    crypto_hash_sha256(want, text + 1, sizeof(text) - 1);
    sha256(hash, text + 1, sizeof(text) - 1);
    assert_memory_equal(hash, want, sizeof(hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_sizes_and_divisions),
        cmocka_unit_test(test_many_blocks),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
