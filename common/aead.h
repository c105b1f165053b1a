/*
 * aead.h - the two AEADs of TFaaS under their HPKE numbers (RFC 9180 section 7.3), from libsodium.
 * sodium_init() must have run: before it AES-256-GCM reads as unavailable.
 */
#ifndef TFAAS_COMMON_AEAD_H
#define TFAAS_COMMON_AEAD_H

#include "cursor.h"
#include "tfaas/status.h"

#define AEAD_AES_128_GCM       0x0001u /* sizes only: libsodium has no such cipher */
#define AEAD_AES_256_GCM       0x0002u
#define AEAD_CHACHA20_POLY1305 0x0003u
#define AEAD_EXPORT_ONLY       0xffffu

#define AEAD_KEY_MAX    32u /* Nk */
#define AEAD_NONCE_SIZE 12u /* Nn */
#define AEAD_TAG_SIZE   16u /* Nt */

/* True when seal and open work here: always for ChaCha20-Poly1305; for AES-256-GCM where the
 * processor has AES-NI and PCLMUL. */
bool aead_available(uint16_t aead);
/* Nk: 16 or 32; 0 for AEAD_EXPORT_ONLY and for unknown numbers. */
size_t aead_key_size(uint16_t aead);

/* `out` takes plain.size + AEAD_TAG_SIZE bytes, and may be the memory of `plain` itself but not
 * overlap it otherwise. UNSUPPORTED when not available, TOO_LARGE when `capacity` is too small. */
tfaas_status_t aead_seal(uint16_t aead, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct span aad, struct span plain, uint8_t *out, size_t capacity,
                         size_t *out_size) TFAAS_MUST_USE;
/* `out` takes sealed.size - AEAD_TAG_SIZE bytes; overlap as above. BAD_REQUEST when it does not
 * authenticate or is shorter than a tag: then *out_size is 0 and `out` holds no plaintext. */
tfaas_status_t aead_open(uint16_t aead, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct span aad, struct span sealed, uint8_t *out, size_t capacity,
                         size_t *out_size) TFAAS_MUST_USE;

#endif
