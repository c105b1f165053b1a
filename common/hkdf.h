/*
 * hkdf.h - HKDF with SHA-256 (RFC 5869) and the labeled forms of HPKE (RFC 9180 section 4).
 * Constant time in all secrets; what it holds of them is wiped before it returns.
 */
#ifndef TFAAS_COMMON_HKDF_H
#define TFAAS_COMMON_HKDF_H

#include "cursor.h"
#include "tfaas/status.h"

#define HKDF_HASH_SIZE 32u
#define HKDF_OUT_MAX   (255u * HKDF_HASH_SIZE) /* RFC 5869 section 2.3 */

/* `prk` may be the memory of `salt` or `ikm`. */
void hkdf_extract(uint8_t prk[HKDF_HASH_SIZE], struct span salt, struct span ikm);
/* TOO_LARGE above HKDF_OUT_MAX bytes; nothing is written then. */
tfaas_status_t hkdf_expand(uint8_t *out, size_t out_size, const uint8_t prk[HKDF_HASH_SIZE],
                           struct span info) TFAAS_MUST_USE;

/* The labeled forms. `suite` is "KEM" || kem_id or "HPKE" || kem_id || kdf_id || aead_id. */
void hkdf_labeled_extract(uint8_t prk[HKDF_HASH_SIZE], struct span suite, struct span salt,
                          const char *label, struct span ikm);
tfaas_status_t hkdf_labeled_expand(uint8_t *out, size_t out_size, const uint8_t prk[HKDF_HASH_SIZE],
                                   struct span suite, const char *label,
                                   struct span info) TFAAS_MUST_USE;

#endif
