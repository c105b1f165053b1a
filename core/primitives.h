/*
 * primitives.h - native cryptography for functions: pure functions over guest memory, without a
 * state of their own. What is built from them (padding, HMAC, GCM, key formats) is the guest's
 * business. Results: 0 or more, or -errno. Constant time in keys and data.
 */
#ifndef TFAAS_CORE_PRIMITIVES_H
#define TFAAS_CORE_PRIMITIVES_H

#include "wasi_internal.h"

/* Which hash: the state is its chaining value, in words of the machine (32 or 64 bits, little
 * endian), without a count. SHA-224 is SHA-256 from another value, SHA-384 SHA-512. */
enum primitive_hash { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_COUNT };

/* What curve() computes: (key, data) -> out. A scalar or coordinate has the size of the curve's
 * field; a point is 04 | x | y. */
enum primitive_curve {
    CURVE_X25519,         /* scalar, point: 32 bytes */
    CURVE_ED25519_PUBLIC, /* seed: public key */
    CURVE_ED25519_SIGN,   /* seed | public key, message: signature */
    CURVE_ED25519_VERIFY, /* public key | signature, message: 1 or 0 */
    CURVE_P256_PUBLIC,    /* scalar: point */
    CURVE_P256_SIGN,      /* scalar, hash: r | s (RFC 6979) */
    CURVE_P256_VERIFY,    /* point | r | s, hash: 1 or 0 */
    CURVE_P256_ECDH,      /* scalar, point: x */
    CURVE_P384_PUBLIC,
    CURVE_P384_SIGN,
    CURVE_P384_VERIFY,
    CURVE_P384_ECDH,
    CURVE_RSA_PUBLIC,  /* modulus | exponent, number of the modulus' size: number ^ exponent */
    CURVE_RSA_PRIVATE, /* p | q | dp | dq | 1/q mod p of equal sizes, number: number ^ d */
    CURVE_COUNT
};

#define HASH_BLOCK_WORK   64u           /* per block of a hash function */
#define CIPHER_BYTES_WORK 4u            /* bytes of AES or GHASH per unit */
#define PRIMITIVE_PIECE   (256u * 1024) /* between two of them others get their turn */
#define PRIMITIVE_ROUNDS  1024u         /* of hmac_rounds at once */
#define CURVE_MESSAGE_MAX (1u << 20)
#define RSA_BYTES_MAX     512u
#define RSA_EXPONENT_MAX  8u

/* hash_blocks(hash, state, data, blocks) */
int32_t primitive_hash_blocks(run_t *run, memory_t *memory, const uint64_t *args);
/* hmac_rounds(hash, inner state | outer state, u | t, count): u = HMAC(u), t ^= u, count times,
 * PRIMITIVE_ROUNDS at most */
int32_t primitive_hmac_rounds(run_t *run, memory_t *memory, const uint64_t *args);
/* aes_ctr(key, key size, counter block, data, size): the last 32 bits count; both are changed */
int32_t primitive_aes_ctr(run_t *run, memory_t *memory, const uint64_t *args);
/* aes_cbc(key, key size, iv, data, size, decrypt): iv and data are changed */
int32_t primitive_aes_cbc(run_t *run, memory_t *memory, const uint64_t *args);
/* ghash(y, h, data, size): the last block is padded with zeros */
int32_t primitive_ghash(run_t *run, memory_t *memory, const uint64_t *args);
/* curve(operation, key, key size, data, data size, out) */
int32_t primitive_curve(run_t *run, memory_t *memory, const uint64_t *args);

#endif
