/*
 * sha256.h - SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). The state is libsodium's, and its
 * functions may be mixed with these: these use the processor's SHA instructions where there are
 * any, and are libsodium's where not. Constant time in the data.
 */
#ifndef TFAAS_COMMON_SHA256_H
#define TFAAS_COMMON_SHA256_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32u

/* `data` may be NULL where `size` is 0. final() wipes the state. */
void sha256_init(crypto_hash_sha256_state *state);
void sha256_update(crypto_hash_sha256_state *state, const void *data, size_t size);
void sha256_final(crypto_hash_sha256_state *state, uint8_t hash[SHA256_SIZE]);
void sha256(uint8_t hash[SHA256_SIZE], const void *data, size_t size);

struct hmac_sha256 {
    crypto_hash_sha256_state inner, outer;
};

/* Any size of key. final() wipes the state; `hash` may be memory that was hashed. */
void hmac_sha256_init(struct hmac_sha256 *state, const void *key, size_t key_size);
void hmac_sha256_update(struct hmac_sha256 *state, const void *data, size_t size);
void hmac_sha256_final(struct hmac_sha256 *state, uint8_t hash[SHA256_SIZE]);

#endif
