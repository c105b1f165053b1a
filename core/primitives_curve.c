/*
 * primitives_curve.c - public-key operations of primitives.h: Curve25519 by libsodium, P-256, P-384
 * and RSA by BearSSL. Each runs to its end without a pause: its input is bounded.
 */
#include "primitives.h"
#include <bearssl.h>
#include <sodium.h>
#include <string.h>

struct input {
    const uint8_t *key, *data;
    size_t key_size, data_size;
};

/* One row per operation. Sizes in bytes; ANY: checked by the function. Units are about the time of
 * the operation on the machine where the weights were set, an instruction taking half a nanosecond.
 */
#define ANY UINT16_MAX
struct operation {
    uint16_t key_size, data_size, out_size;
    uint32_t work;
    int32_t (*run)(const struct input *input, uint8_t *out);
};

static int32_t x25519(const struct input *in, uint8_t *out)
{
    return crypto_scalarmult(out, in->key, in->data) == 0 ? 0 : -E_INVAL;
}

static int32_t ed25519_public(const struct input *in, uint8_t *out)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(out, secret, in->key);
    sodium_memzero(secret, sizeof(secret));
    return 0;
}

static int32_t ed25519_sign(const struct input *in, uint8_t *out)
{
    return crypto_sign_detached(out, NULL, in->data, in->data_size, in->key) == 0 ? 0 : -E_INVAL;
}

static int32_t ed25519_verify(const struct input *in, uint8_t *out)
{
    (void)out;
    return crypto_sign_verify_detached(in->key + 32, in->data, in->data_size, in->key) == 0;
}

/* --- P-256, P-384 --- */

struct curve {
    const br_ec_impl *impl;
    int id;
    size_t size; /* of a coordinate and of a scalar */
};

static const struct curve p256 = {&br_ec_p256_m31, BR_EC_secp256r1, 32};
static const struct curve p384 = {&br_ec_prime_i31, BR_EC_secp384r1, 48};

/* BearSSL signs with what it is given: a scalar must be in [1, order). */
static bool scalar_ok(const struct curve *curve, const uint8_t *scalar)
{
    size_t size;
    const uint8_t *order = curve->impl->order(curve->id, &size);
    unsigned less = 0, bits = 0;
    for (size_t i = curve->size; i-- > 0;) { /* the borrow of scalar - order */
        less = ((unsigned)scalar[i] - order[i] - less) >> 8 & 1;
        bits |= scalar[i];
    }
    return size == curve->size && less && bits;
}

static int32_t ec_public(const struct curve *curve, const struct input *in, uint8_t *out)
{
    if (!scalar_ok(curve, in->key))
        return -E_INVAL;
    return curve->impl->mulgen(out, in->key, curve->size, curve->id) ? 0 : -E_INVAL;
}

static const br_hash_class *hash_of_size(size_t size)
{
    switch (size) {
    case br_sha1_SIZE:
        return &br_sha1_vtable;
    case br_sha256_SIZE:
        return &br_sha256_vtable;
    case br_sha384_SIZE:
        return &br_sha384_vtable;
    case br_sha512_SIZE:
        return &br_sha512_vtable;
    default:
        return NULL;
    }
}

static int32_t ec_sign(const struct curve *curve, const struct input *in, uint8_t *out)
{
    const br_hash_class *hash = hash_of_size(in->data_size);
    br_ec_private_key key = {curve->id, (unsigned char *)in->key, curve->size};
    if (!hash || !scalar_ok(curve, in->key))
        return -E_INVAL;
    size_t size = br_ecdsa_i31_sign_raw(curve->impl, hash, in->data, &key, out);
    return size == 2 * curve->size ? 0 : -E_INVAL;
}

static int32_t ec_verify(const struct curve *curve, const struct input *in, uint8_t *out)
{
    (void)out;
    size_t point = 1 + 2 * curve->size;
    br_ec_public_key key = {curve->id, (unsigned char *)in->key, point};
    if (!hash_of_size(in->data_size))
        return -E_INVAL;
    return br_ecdsa_i31_vrfy_raw(curve->impl, in->data, in->data_size, &key, in->key + point,
                                 2 * curve->size) == 1;
}

static int32_t ec_shared(const struct curve *curve, const struct input *in, uint8_t *out)
{
    uint8_t point[1 + 2 * 48];
    memcpy(point, in->data, in->data_size);
    if (!scalar_ok(curve, in->key))
        return -E_INVAL;
    uint32_t good = curve->impl->mul(point, in->data_size, in->key, curve->size, curve->id);
    if (good)
        memcpy(out, point + 1, curve->size);
    sodium_memzero(point, sizeof(point));
    return good ? 0 : -E_INVAL;
}

#define ON_CURVE(curve, action)                                                                    \
    static int32_t curve##_##action(const struct input *in, uint8_t *out)                          \
    {                                                                                              \
        return ec_##action(&curve, in, out);                                                       \
    }
ON_CURVE(p256, public)
ON_CURVE(p256, sign)
ON_CURVE(p256, verify)
ON_CURVE(p256, shared)
ON_CURVE(p384, public)
ON_CURVE(p384, sign)
ON_CURVE(p384, verify)
ON_CURVE(p384, shared)

/* --- RSA: the number is in `out` already --- */

static int32_t rsa_public(const struct input *in, uint8_t *out)
{
    size_t size = in->data_size;
    if (in->key_size <= size || in->key_size - size > RSA_EXPONENT_MAX)
        return -E_INVAL;
    br_rsa_public_key key = {(unsigned char *)in->key, size, (unsigned char *)in->key + size,
                             in->key_size - size};
    br_rsa_public run = br_rsa_i62_public_get();
    return (run ? run : br_rsa_i31_public)(out, size, &key) ? 0 : -E_INVAL;
}

static int32_t rsa_private(const struct input *in, uint8_t *out)
{
    size_t part = in->key_size / 5;
    if (in->key_size % 5 || part < in->data_size / 2 || part > RSA_BYTES_MAX)
        return -E_INVAL;
    unsigned char *at = (unsigned char *)in->key;
    br_rsa_private_key key = {
        .n_bitlen = (uint32_t)in->data_size * 8,
        .p = at,
        .plen = part,
        .q = at + part,
        .qlen = part,
        .dp = at + 2 * part,
        .dplen = part,
        .dq = at + 3 * part,
        .dqlen = part,
        .iq = at + 4 * part,
        .iqlen = part,
    };
    br_rsa_private run = br_rsa_i62_private_get();
    return (run ? run : br_rsa_i31_private)(out, &key) ? 0 : -E_INVAL;
}

static const struct operation operations[CURVE_COUNT] = {
    [CURVE_X25519] = {32, 32, 32, 100000, x25519},
    [CURVE_ED25519_PUBLIC] = {32, 0, 32, 60000, ed25519_public},
    [CURVE_ED25519_SIGN] = {64, ANY, 64, 60000, ed25519_sign},
    [CURVE_ED25519_VERIFY] = {96, ANY, 0, 150000, ed25519_verify},
    [CURVE_P256_PUBLIC] = {32, 0, 65, 300000, p256_public},
    [CURVE_P256_SIGN] = {32, ANY, 64, 400000, p256_sign},
    [CURVE_P256_VERIFY] = {129, ANY, 0, 900000, p256_verify},
    [CURVE_P256_ECDH] = {32, 65, 32, 500000, p256_shared},
    [CURVE_P384_PUBLIC] = {48, 0, 97, 3000000, p384_public},
    [CURVE_P384_SIGN] = {48, ANY, 96, 3500000, p384_sign},
    [CURVE_P384_VERIFY] = {193, ANY, 0, 6000000, p384_verify},
    [CURVE_P384_ECDH] = {48, 97, 48, 3000000, p384_shared},
    [CURVE_RSA_PUBLIC] = {ANY, ANY, ANY, 2000000, rsa_public},
    [CURVE_RSA_PRIVATE] = {ANY, ANY, ANY, 30000000, rsa_private},
};

static bool size_ok(uint16_t wanted, uint32_t size)
{
    return wanted == ANY || wanted == size;
}

/* RSA's numbers have the modulus' size; a message may be long. */
static uint32_t data_limit(uint32_t number)
{
    return number >= CURVE_RSA_PUBLIC ? RSA_BYTES_MAX : CURVE_MESSAGE_MAX;
}

int32_t primitive_curve(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t number = arg32(args, 0), key_size = arg32(args, 2), data_size = arg32(args, 4);
    if (number >= CURVE_COUNT)
        return -E_INVAL;
    const struct operation *operation = &operations[number];
    if (!size_ok(operation->key_size, key_size) || !size_ok(operation->data_size, data_size) ||
        key_size > 5 * RSA_BYTES_MAX || data_size > data_limit(number) ||
        (number >= CURVE_RSA_PUBLIC && data_size < 64))
        return -E_INVAL;
    size_t out_size = operation->out_size == ANY ? data_size : operation->out_size;
    struct input input = {guest_at(memory, arg32(args, 1), key_size),
                          guest_at(memory, arg32(args, 3), data_size), key_size, data_size};
    uint8_t *to = guest_at(memory, arg32(args, 5), out_size), out[RSA_BYTES_MAX];
    if (!input.key || !input.data || !to)
        return -E_FAULT;
    run->work += operation->work;
    if (number < CURVE_RSA_PUBLIC)
        run->work += data_size / 128 * 2 * HASH_BLOCK_WORK;
    else
        memcpy(out, input.data, data_size);
    int32_t result = operation->run(&input, out);
    if (result >= 0)
        memcpy(to, out, out_size);
    sodium_memzero(out, sizeof(out));
    return result;
}
