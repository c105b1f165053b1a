/* needs: core/wasi.c core/wasi_fs.c core/wasi_command.c core/primitives.c core/primitives_curve.c core/vfs.c common/bhttp.c common/sha256.c libs: sodium bearssl crypto */
/*
 * primitives.c - tests of core/primitives*.c: equal to OpenSSL for every algorithm, size and piece;
 * sizes and addresses that are wrong; charges. The published vectors are in
 * tests/runtime/js/test_crypto.mjs, which runs through the same calls.
 */
#include "fake_invocation.h"
#include "primitives.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>

#define A 1024u /* places in the guest's memory */
#define B 8192u
#define C 16384u
#define D 32768u

static void fill(uint32_t at, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245u + 12345u;
        fake.memory[at + i] = (uint8_t)(seed >> 16);
    }
}

/* --- hashes: the guest's padding, written down once more --- */

static const struct {
    uint32_t hash;
    const char *name;
    unsigned state, block, length, digest, word;
} kinds[] = {{HASH_MD5, "MD5", 16, 64, 8, 16, 4},
             {HASH_SHA1, "SHA1", 20, 64, 8, 20, 4},
             {HASH_SHA256, "SHA256", 32, 64, 8, 32, 4},
             {HASH_SHA384, "SHA384", 64, 128, 16, 48, 8},
             {HASH_SHA512, "SHA512", 64, 128, 16, 64, 8}};
static const uint64_t start[5][8] = {
    {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476},
    {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0},
    {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
     0x5be0cd19},
    {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
     0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4},
    {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
     0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}};

static void put_start(uint32_t at, unsigned k)
{
    for (unsigned i = 0; i * kinds[k].word < kinds[k].state; i++)
        poke_number(at + i * kinds[k].word, start[k][i], kinds[k].word);
}

static void digest_bytes(uint32_t at, unsigned k, uint8_t *to)
{
    for (unsigned i = 0; i < kinds[k].digest; i++) {
        unsigned in = i % kinds[k].word, word = i - in;
        to[i] = fake.memory[at + word + (k == 0 ? in : kinds[k].word - 1 - in)];
    }
}

static void test_hashes(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 5; k++)
        for (size_t size = 0; size < 600000; size = size < 300 ? size + 1 : size * 2 + 7) {
            uint8_t want[64], got[64];
            size_t padded =
                (size + 1 + kinds[k].length + kinds[k].block - 1) / kinds[k].block * kinds[k].block;
            set_up(FUNCTION_REACTOR);
            fill(C, size, (unsigned)size);
            assert_true(EVP_Digest(fake.memory + C, size, want, NULL,
                                   EVP_get_digestbyname(kinds[k].name), NULL));
            fake.memory[C + size] = 0x80;
            for (unsigned i = 0; i < 8; i++)
                fake.memory[C + padded - 8 + i] =
                    (uint8_t)((uint64_t)size * 8 >> (k == 0 ? 8 * i : 56 - 8 * i));
            put_start(A, k);
            uint64_t before = run.work;
            assert_int_equal(CALL("hash_blocks", kinds[k].hash, A, C, padded / kinds[k].block), 0);
            assert_int_equal(run.work - before,
                             HOSTCALL_WORK + padded / kinds[k].block * HASH_BLOCK_WORK);
            assert_int_equal(fake.sleeps, (padded - 1) / PRIMITIVE_PIECE);
            digest_bytes(A, k, got);
            assert_memory_equal(got, want, kinds[k].digest);
            tear_down();
        }
}

static void test_hmac_rounds(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 5; k++) {
        uint8_t want[64], u[64], key[32] = "a key of thirty-two bytes, yes.";
        unsigned size = kinds[k].digest;
        set_up(FUNCTION_REACTOR);
        put_start(A, k);
        put_start(A + kinds[k].state, k);
        for (unsigned i = 0; i < kinds[k].block; i++) {
            fake.memory[C + i] = (uint8_t)((i < 32 ? key[i] : 0) ^ 0x36);
            fake.memory[C + 128 + i] = (uint8_t)((i < 32 ? key[i] : 0) ^ 0x5c);
        }
        assert_int_equal(CALL("hash_blocks", kinds[k].hash, A, C, 1), 0);
        assert_int_equal(CALL("hash_blocks", kinds[k].hash, A + kinds[k].state, C + 128, 1), 0);
        fill(B, 2 * size, k);
        memcpy(u, fake.memory + B, size);
        memcpy(want, fake.memory + B + size, size);
        for (unsigned round = 0; round < 2024; round++) {
            assert_non_null(HMAC(EVP_get_digestbyname(kinds[k].name), key, 32, u, size, u, NULL));
            for (unsigned i = 0; i < size; i++)
                want[i] ^= u[i];
        }
        assert_int_equal(CALL("hmac_rounds", kinds[k].hash, A, B, 1024), 0);
        assert_int_equal(CALL("hmac_rounds", kinds[k].hash, A, B, 1000), 0);
        assert_int_equal(CALL("hmac_rounds", kinds[k].hash, A, B, 0), 0);
        assert_memory_equal(fake.memory + B, u, size);
        assert_memory_equal(fake.memory + B + size, want, size);
        tear_down();
    }
}

/* --- AES, GHASH --- */

static void cipher(const char *name, bool encrypt, const uint8_t *key, const uint8_t *iv,
                   const uint8_t *in, size_t size, uint8_t *out)
{
    int done = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_true(EVP_CipherInit_ex(context, EVP_get_cipherbyname(name), NULL, key, iv, encrypt));
    EVP_CIPHER_CTX_set_padding(context, 0);
    assert_true(EVP_CipherUpdate(context, out, &done, in, (int)size));
    EVP_CIPHER_CTX_free(context);
}

static void test_aes(void **state)
{
    (void)state;
    static uint8_t want[400000];
    for (unsigned bits = 128; bits <= 256; bits += 64)
        for (size_t size = 0; size < 400000; size = size < 200 ? size + 1 : size * 3 + 16) {
            char ctr[16], cbc[16];
            (void)snprintf(ctr, sizeof(ctr), "AES-%u-CTR", bits);
            (void)snprintf(cbc, sizeof(cbc), "AES-%u-CBC", bits);
            set_up(FUNCTION_REACTOR);
            fill(A, 48, bits + (unsigned)size);
            fill(C, size, 7);
            cipher(ctr, true, fake.memory + A, fake.memory + A + 32, fake.memory + C, size, want);
            poke_number(B, peek(A + 32, 8), 8);
            poke_number(B + 8, peek(A + 40, 8), 8);
            assert_int_equal(CALL("aes_ctr", A, bits / 8, B, C, size), 0);
            assert_memory_equal(fake.memory + C, want, size);
            if (size % 16 == 0) {
                size_t half = size / 32 * 16; /* iv and data go on where they stopped */
                cipher(cbc, true, fake.memory + A, fake.memory + A + 32, fake.memory + C, size,
                       want);
                memcpy(fake.memory + B, fake.memory + A + 32, 16);
                assert_int_equal(CALL("aes_cbc", A, bits / 8, B, C, half, 0), 0);
                assert_int_equal(CALL("aes_cbc", A, bits / 8, B, C + half, size - half, 0), 0);
                assert_memory_equal(fake.memory + C, want, size);
                cipher(cbc, false, fake.memory + A, fake.memory + A + 32, fake.memory + C, size,
                       want);
                memcpy(fake.memory + B, fake.memory + A + 32, 16);
                assert_int_equal(CALL("aes_cbc", A, bits / 8, B, C, size, 1), 0);
                assert_memory_equal(fake.memory + C, want, size);
            }
            tear_down();
        }
    set_up(FUNCTION_REACTOR);
    assert_int_equal(CALL("aes_ctr", A, 20, B, C, 16), -INVAL);
    assert_int_equal(CALL("aes_cbc", A, 16, B, C, 17, 0), -INVAL);
    tear_down();
}

static void test_counter_goes_round(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    memset(fake.memory + B, 0xff, 16);
    assert_int_equal(CALL("aes_ctr", A, 16, B, C, 32), 0);
    assert_true(peek(B, 8) == UINT64_MAX &&
                peek(B + 8, 4) == UINT32_MAX); /* the guest's to carry */
    assert_int_equal(peek(B + 12, 4), 0x01000000);
    tear_down();
}

/* GCM of OpenSSL: the tag is GHASH(aad, ciphertext, lengths) ^ AES(J0). */
static void test_ghash(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300000; size = size < 80 ? size + 1 : size * 5 + 3) {
        uint8_t key[16] = "0123456789abcdef", iv[12] = "nonce-nonce", zero[16] = {0}, j0[16];
        uint8_t h[16], tag[16], ectr[16];
        static uint8_t out[300000];
        int done;
        set_up(FUNCTION_REACTOR);
        fill(C, size, (unsigned)size);
        EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        assert_true(EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, iv));
        assert_true(EVP_EncryptUpdate(context, out, &done, fake.memory + C, (int)size));
        assert_true(EVP_EncryptFinal_ex(context, out, &done));
        assert_true(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, tag));
        EVP_CIPHER_CTX_free(context);
        cipher("AES-128-ECB", true, key, NULL, zero, 16, h);
        memcpy(j0, iv, 12);
        memcpy(j0 + 12, "\0\0\0\1", 4);
        cipher("AES-128-ECB", true, key, NULL, j0, 16, ectr);
        poke(B, h, 16);
        poke(C, out, size);
        for (unsigned i = 0; i < 8; i++)
            fake.memory[D - 8 + i] = (uint8_t)((uint64_t)size * 8 >> (56 - 8 * i));
        memset(fake.memory + D - 16, 0, 8);
        uint8_t lengths[16];
        memcpy(lengths, fake.memory + D - 16, 16);
        poke(C, out, size); /* D may lie in it */
        assert_int_equal(CALL("ghash", A, B, C, size), 0);
        poke(C, lengths, 16);
        assert_int_equal(CALL("ghash", A, B, C, 16), 0);
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(fake.memory[A + i] ^ ectr[i], tag[i]);
        tear_down();
    }
}

/* --- curves --- */

static EVP_PKEY *ec_key(const char *group, const uint8_t *scalar, size_t size, const uint8_t *point,
                        size_t point_size)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *number = BN_bin2bn(scalar, (int)size, NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, point_size);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    assert_true(EVP_PKEY_fromdata_init(context) > 0);
    assert_true(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) > 0);
    EVP_PKEY_CTX *check = EVP_PKEY_CTX_new(key, NULL);
    assert_true(EVP_PKEY_pairwise_check(check) > 0); /* point = scalar * G */
    EVP_PKEY_CTX_free(check);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(number);
    EVP_PKEY_CTX_free(context);
    return key;
}

static size_t signature_der(const uint8_t *raw, size_t half, uint8_t *der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    uint8_t *end = der;
    ECDSA_SIG_set0(signature, BN_bin2bn(raw, (int)half, NULL),
                   BN_bin2bn(raw + half, (int)half, NULL));
    int size = i2d_ECDSA_SIG(signature, &end);
    ECDSA_SIG_free(signature);
    return (size_t)size;
}

static void test_ec(void **state)
{
    (void)state;
    const struct {
        const char *name;
        size_t size;
        uint32_t first;
    } curves[] = {{"P-256", 32, CURVE_P256_PUBLIC}, {"P-384", 48, CURVE_P384_PUBLIC}};
    for (unsigned c = 0; c < 2; c++)
        for (unsigned round = 0; round < 8; round++) {
            size_t size = curves[c].size, point = 2 * size + 1, hash = round % 2 ? 32 : 64;
            uint32_t op = curves[c].first;
            uint8_t der[160];
            set_up(FUNCTION_REACTOR);
            fill(A, size, round + 1);
            fill(C, hash, round + 99);
            assert_int_equal(CALL("curve", op, A, size, C, 0, B), 0);
            EVP_PKEY *key = ec_key(curves[c].name, fake.memory + A, size, fake.memory + B, point);
            assert_int_equal(CALL("curve", op + 1, A, size, C, hash, B + point), 0);
            size_t der_size = signature_der(fake.memory + B + point, size, der);
            EVP_PKEY_CTX *verify = EVP_PKEY_CTX_new(key, NULL);
            assert_true(EVP_PKEY_verify_init(verify) > 0);
            assert_int_equal(EVP_PKEY_verify(verify, der, der_size, fake.memory + C, hash), 1);
            assert_int_equal(CALL("curve", op + 2, B, point + 2 * size, C, hash, D), 1);
            fake.memory[C + 3] ^= 1;
            assert_int_equal(CALL("curve", op + 2, B, point + 2 * size, C, hash, D), 0);
            fake.memory[C + 3] ^= 1;
            fake.memory[B + 5] ^= 1; /* not on the curve */
            assert_int_equal(CALL("curve", op + 2, B, point + 2 * size, C, hash, D), 0);
            assert_int_equal(CALL("curve", op + 3, A, size, B, point, D), -INVAL);
            fake.memory[B + 5] ^= 1;
            fill(A + 100, size, round + 7);
            assert_int_equal(CALL("curve", op, A + 100, size, C, 0, D), 0);
            assert_int_equal(CALL("curve", op + 3, A + 100, size, B, point, D + 200), 0);
            assert_int_equal(CALL("curve", op + 3, A, size, D, point, D + 300), 0);
            assert_memory_equal(fake.memory + D + 200, fake.memory + D + 300, size);
            EVP_PKEY *peer =
                ec_key(curves[c].name, fake.memory + A + 100, size, fake.memory + D, point);
            EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new(key, NULL);
            uint8_t shared[48];
            size_t shared_size = sizeof(shared);
            assert_true(EVP_PKEY_derive_init(derive) > 0 &&
                        EVP_PKEY_derive_set_peer(derive, peer) > 0 &&
                        EVP_PKEY_derive(derive, shared, &shared_size) > 0);
            assert_memory_equal(fake.memory + D + 200, shared, size);
            EVP_PKEY_CTX_free(derive);
            EVP_PKEY_CTX_free(verify);
            EVP_PKEY_free(peer);
            EVP_PKEY_free(key);
            /* a scalar of 0 or of at least the order */
            memset(fake.memory + A, round % 2 ? 0xff : 0, size);
            assert_int_equal(CALL("curve", op, A, size, C, 0, B), -INVAL);
            assert_int_equal(CALL("curve", op + 1, A, size, C, hash, B), -INVAL);
            assert_int_equal(CALL("curve", op + 3, A, size, D, point, B), -INVAL);
            tear_down();
        }
}

static void test_25519(void **state)
{
    (void)state;
    uint8_t public[32], secret[64], signature[64], want[32];
    set_up(FUNCTION_REACTOR);
    fill(A, 32, 5);
    fill(C, 1000, 6);
    assert_int_equal(CALL("curve", CURVE_ED25519_PUBLIC, A, 32, C, 0, A + 32), 0);
    crypto_sign_seed_keypair(public, secret, fake.memory + A);
    assert_memory_equal(fake.memory + A, secret, 64);
    assert_int_equal(CALL("curve", CURVE_ED25519_SIGN, A, 64, C, 1000, B + 32), 0);
    crypto_sign_detached(signature, NULL, fake.memory + C, 1000, secret);
    assert_memory_equal(fake.memory + B + 32, signature, 64);
    poke(B, public, 32);
    assert_int_equal(CALL("curve", CURVE_ED25519_VERIFY, B, 96, C, 1000, D), 1);
    fake.memory[C] ^= 1;
    assert_int_equal(CALL("curve", CURVE_ED25519_VERIFY, B, 96, C, 1000, D), 0);
    poke_number(C, 9, 8);
    memset(fake.memory + C + 8, 0, 24);
    assert_int_equal(CALL("curve", CURVE_X25519, A, 32, C, 32, D), 0);
    crypto_scalarmult_base(want, fake.memory + A);
    assert_memory_equal(fake.memory + D, want, 32);
    fake.memory[C] = 0; /* the point at which every scalar gives zero */
    assert_int_equal(CALL("curve", CURVE_X25519, A, 32, C, 32, D), -INVAL);
    tear_down();
}

static void test_rsa(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    static const char *const parts[] = {"rsa-factor1", "rsa-factor2", "rsa-exponent1",
                                        "rsa-exponent2", "rsa-coefficient1"};
    BIGNUM *n = NULL, *e = NULL;
    uint8_t number[256];
    set_up(FUNCTION_REACTOR);
    for (unsigned i = 0; i < 5; i++) {
        BIGNUM *part = NULL;
        assert_true(EVP_PKEY_get_bn_param(key, parts[i], &part));
        BN_bn2binpad(part, fake.memory + A + 128 * i, 128);
        BN_free(part);
    }
    assert_true(EVP_PKEY_get_bn_param(key, "n", &n) && EVP_PKEY_get_bn_param(key, "e", &e));
    BN_bn2binpad(n, fake.memory + B, 256);
    BN_bn2binpad(e, fake.memory + B + 256, 3);
    fill(C, 256, 3);
    fake.memory[C] = 0;
    memcpy(number, fake.memory + C, 256);
    assert_int_equal(CALL("curve", CURVE_RSA_PRIVATE, A, 640, C, 256, D), 0);
    assert_int_equal(CALL("curve", CURVE_RSA_PUBLIC, B, 259, D, 256, D), 0);
    assert_memory_equal(fake.memory + D, number, 256);
    memset(fake.memory + C, 0xff, 256); /* more than the modulus */
    assert_int_equal(CALL("curve", CURVE_RSA_PUBLIC, B, 259, C, 256, D), -INVAL);
    assert_int_equal(CALL("curve", CURVE_RSA_PRIVATE, A, 639, C, 256, D), -INVAL);
    assert_int_equal(CALL("curve", CURVE_RSA_PUBLIC, B, 256, C, 256, D), -INVAL);
    assert_int_equal(CALL("curve", CURVE_RSA_PUBLIC, B, 700, C, 600, D), -INVAL);
    BN_free(n);
    BN_free(e);
    EVP_PKEY_free(key);
    tear_down();
}

/* --- any argument --- */

static void test_addresses(void **state)
{
    (void)state;
    static const uint32_t bad[] = {MEMORY_SIZE - 8, MEMORY_SIZE, UINT32_MAX - 7, UINT32_MAX};
    for (unsigned i = 0; i < 4; i++) {
        set_up(FUNCTION_REACTOR);
        for (uint32_t hash = 0; hash < HASH_COUNT; hash++) {
            assert_int_equal(CALL("hash_blocks", hash, bad[i], C, 1), -FAULT);
            assert_int_equal(CALL("hash_blocks", hash, A, bad[i], 1), -FAULT);
            assert_int_equal(CALL("hash_blocks", hash, A, C, UINT32_MAX), -FAULT);
            assert_int_equal(CALL("hmac_rounds", hash, bad[i], C, 1), -FAULT);
            assert_int_equal(CALL("hmac_rounds", hash, A, bad[i], 1), -FAULT);
        }
        assert_int_equal(CALL("aes_ctr", bad[i], 32, B, C, 16), -FAULT);
        assert_int_equal(CALL("aes_ctr", A, 32, bad[i], C, 16), -FAULT);
        assert_int_equal(CALL("aes_ctr", A, 32, B, bad[i], 16), -FAULT);
        assert_int_equal(CALL("aes_cbc", A, 32, B, C, UINT32_MAX - 15, 0), -FAULT);
        assert_int_equal(CALL("ghash", bad[i], B, C, 16), -FAULT);
        assert_int_equal(CALL("ghash", A, bad[i], C, 16), -FAULT);
        assert_int_equal(CALL("ghash", A, B, bad[i], 16), -FAULT);
        assert_int_equal(CALL("curve", CURVE_X25519, bad[i], 32, C, 32, D), -FAULT);
        assert_int_equal(CALL("curve", CURVE_X25519, A, 32, bad[i], 32, D), -FAULT);
        assert_int_equal(CALL("curve", CURVE_X25519, A, 32, C, 32, bad[i]), -FAULT);
        tear_down();
    }
    set_up(FUNCTION_REACTOR);
    assert_int_equal(CALL("hash_blocks", HASH_COUNT, A, C, 1), -INVAL);
    assert_int_equal(CALL("hmac_rounds", HASH_COUNT, A, C, 1), -INVAL);
    assert_int_equal(CALL("hmac_rounds", HASH_SHA256, A, C, PRIMITIVE_ROUNDS + 1), -INVAL);
    assert_int_equal(CALL("curve", CURVE_COUNT, A, 32, C, 32, D), -INVAL);
    assert_int_equal(CALL("curve", CURVE_X25519, A, 31, C, 32, D), -INVAL);
    assert_int_equal(CALL("curve", CURVE_ED25519_SIGN, A, 64, C, CURVE_MESSAGE_MAX + 1, D), -INVAL);
    tear_down();
}

static void test_stop_between_pieces(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    fake.refuse = true;
    assert_int_equal(CALL("hash_blocks", HASH_SHA256, A, C, 8000), -CANCELED);
    run.stop = TFAAS_OK;
    assert_int_equal(CALL("aes_ctr", A, 16, B, C, 300000), -CANCELED);
    run.stop = TFAAS_OK;
    assert_int_equal(CALL("ghash", A, B, C, 300000), -CANCELED);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),    cmocka_unit_test(test_hmac_rounds),
        cmocka_unit_test(test_aes),       cmocka_unit_test(test_counter_goes_round),
        cmocka_unit_test(test_ghash),     cmocka_unit_test(test_ec),
        cmocka_unit_test(test_25519),     cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_stop_between_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
