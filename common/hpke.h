/*
 * hpke.h - Hybrid Public Key Encryption, RFC 9180: base and PSK mode, DHKEM(X25519, HKDF-SHA256)
 * (0x0020), HKDF-SHA256 (0x0001), and the AEADs of aead.h. No allocation; callers own every
 * buffer. sodium_init() must have run. A context holds secrets: hpke_wipe() it.
 */
#ifndef TFAAS_COMMON_HPKE_H
#define TFAAS_COMMON_HPKE_H

#include "aead.h"
#include "hkdf.h"

#define HPKE_KEM_X25519_HKDF_SHA256 0x0020u
#define HPKE_KDF_HKDF_SHA256        0x0001u

#define HPKE_SECRET_SIZE  32u /* Nsk */
#define HPKE_PUBLIC_SIZE  32u /* Npk */
#define HPKE_ENC_SIZE     32u /* Nenc */
#define HPKE_PSK_SIZE_MIN 32u /* RFC 9180 section 9.5 */

struct hpke_key_pair {
    uint8_t secret[HPKE_SECRET_SIZE], public_key[HPKE_PUBLIC_SIZE];
};

/* A pre-shared key and its name: both non-empty, the key at least HPKE_PSK_SIZE_MIN bytes. */
struct hpke_psk {
    struct span key, id;
};

struct hpke_context {
    uint16_t aead;
    uint8_t key[AEAD_KEY_MAX], base_nonce[AEAD_NONCE_SIZE], exporter_secret[HKDF_HASH_SIZE];
    uint64_t sequence; /* of the next message; the last number is never used */
};

/* A fresh pair from the system's random source. */
void hpke_generate_key_pair(struct hpke_key_pair *pair);
/* DeriveKeyPair, section 7.1.3. BAD_REQUEST when `ikm` has less than HPKE_SECRET_SIZE bytes. */
tfaas_status_t hpke_derive_key_pair(struct hpke_key_pair *pair, struct span ikm) TFAAS_MUST_USE;
/* The pair of a secret that is already there. */
void hpke_key_pair_of(struct hpke_key_pair *pair, const uint8_t secret[HPKE_SECRET_SIZE]);

/* SetupBaseS, or SetupPSKS when psk is not NULL. `enc` goes to the receiver. UNSUPPORTED: unknown
 * AEAD (AEAD_AES_128_GCM and AEAD_EXPORT_ONLY give a context for hpke_export() alone).
 * BAD_REQUEST: a public key of low order, or an unusable psk. On failure *c is wiped. */
tfaas_status_t hpke_setup_sender(struct hpke_context *c, uint16_t aead,
                                 const uint8_t receiver[HPKE_PUBLIC_SIZE], struct span info,
                                 const struct hpke_psk *psk,
                                 uint8_t enc[HPKE_ENC_SIZE]) TFAAS_MUST_USE;
/* The same with a given ephemeral pair: for test vectors only. Using a pair twice breaks the
 * encryption of both messages. */
tfaas_status_t hpke_setup_sender_with(struct hpke_context *c, uint16_t aead,
                                      const uint8_t receiver[HPKE_PUBLIC_SIZE], struct span info,
                                      const struct hpke_psk *psk,
                                      const struct hpke_key_pair *ephemeral) TFAAS_MUST_USE;
/* SetupBaseR, SetupPSKR. Results as for the sender. */
tfaas_status_t hpke_setup_receiver(struct hpke_context *c, uint16_t aead,
                                   const struct hpke_key_pair *receiver,
                                   const uint8_t enc[HPKE_ENC_SIZE], struct span info,
                                   const struct hpke_psk *psk) TFAAS_MUST_USE;

/* ContextS.Seal, ContextR.Open: buffers and results as aead_seal() and aead_open(). The sequence
 * steps only on success. TOO_LARGE also when the sequence is used up. */
tfaas_status_t hpke_seal(struct hpke_context *c, struct span aad, struct span plain, uint8_t *out,
                         size_t capacity, size_t *out_size) TFAAS_MUST_USE;
tfaas_status_t hpke_open(struct hpke_context *c, struct span aad, struct span sealed, uint8_t *out,
                         size_t capacity, size_t *out_size) TFAAS_MUST_USE;
/* Context.Export, section 5.3. TOO_LARGE above HKDF_OUT_MAX bytes. */
tfaas_status_t hpke_export(const struct hpke_context *c, struct span context, uint8_t *out,
                           size_t out_size) TFAAS_MUST_USE;
void hpke_wipe(struct hpke_context *c);

#endif
