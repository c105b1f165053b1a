/*
 * hpke.c - HPKE base and PSK mode over X25519 and HKDF-SHA256 (common/hpke.h, RFC 9180).
 * Must never branch on a secret before it is public, and leaves no secret on the stack.
 */
#include "hpke.h"
#include <sodium.h>

#define MODE_BASE 0x00u
#define MODE_PSK  0x01u

_Static_assert(crypto_scalarmult_curve25519_BYTES == HPKE_PUBLIC_SIZE, "Npk");
_Static_assert(crypto_scalarmult_curve25519_SCALARBYTES == HPKE_SECRET_SIZE, "Nsk");

static const struct span none = {NULL, 0};

/* "KEM" || I2OSP(kem_id, 2), section 4.1 */
static const uint8_t kem_suite_bytes[] = {'K', 'E', 'M', 0x00, 0x20};
static const struct span kem_suite = {kem_suite_bytes, sizeof(kem_suite_bytes)};

static struct span bytes(const uint8_t *data, size_t size)
{
    return (struct span){data, size};
}

/* --- the KEM, sections 4.1 and 7.1 --- */

void hpke_key_pair_of(struct hpke_key_pair *pair, const uint8_t secret[HPKE_SECRET_SIZE])
{
    if (pair->secret != secret)
        memcpy(pair->secret, secret, HPKE_SECRET_SIZE);
    crypto_scalarmult_curve25519_base(pair->public_key, pair->secret);
}

void hpke_generate_key_pair(struct hpke_key_pair *pair)
{
    randombytes_buf(pair->secret, sizeof(pair->secret));
    hpke_key_pair_of(pair, pair->secret);
}

tfaas_status_t hpke_derive_key_pair(struct hpke_key_pair *pair, struct span ikm)
{
    if (ikm.size < HPKE_SECRET_SIZE)
        return TFAAS_BAD_REQUEST;
    uint8_t prk[HKDF_HASH_SIZE];
    hkdf_labeled_extract(prk, kem_suite, none, "dkp_prk", ikm);
    tfaas_status_t status =
        hkdf_labeled_expand(pair->secret, HPKE_SECRET_SIZE, prk, kem_suite, "sk", none);
    sodium_memzero(prk, sizeof(prk));
    if (status == TFAAS_OK)
        hpke_key_pair_of(pair, pair->secret);
    return status;
}

/* ExtractAndExpand(DH(secret, peer), enc || receiver). A point of low order gives an all-zero
 * secret: section 7.1.4 wants it refused (libsodium tells in constant time). */
static tfaas_status_t shared_secret_of(uint8_t shared[HKDF_HASH_SIZE],
                                       const uint8_t secret[HPKE_SECRET_SIZE],
                                       const uint8_t peer[HPKE_PUBLIC_SIZE],
                                       const uint8_t enc[HPKE_ENC_SIZE],
                                       const uint8_t receiver[HPKE_PUBLIC_SIZE])
{
    uint8_t dh[crypto_scalarmult_curve25519_BYTES], eae_prk[HKDF_HASH_SIZE];
    uint8_t kem_context[HPKE_ENC_SIZE + HPKE_PUBLIC_SIZE];
    tfaas_status_t status = TFAAS_BAD_REQUEST;
    if (crypto_scalarmult_curve25519(dh, secret, peer) != 0)
        goto out;
    memcpy(kem_context, enc, HPKE_ENC_SIZE);
    memcpy(kem_context + HPKE_ENC_SIZE, receiver, HPKE_PUBLIC_SIZE);
    hkdf_labeled_extract(eae_prk, kem_suite, none, "eae_prk", bytes(dh, sizeof(dh)));
    status = hkdf_labeled_expand(shared, HKDF_HASH_SIZE, eae_prk, kem_suite, "shared_secret",
                                 bytes(kem_context, sizeof(kem_context)));
    sodium_memzero(eae_prk, sizeof(eae_prk));
out:
    sodium_memzero(dh, sizeof(dh));
    return status;
}

/* --- the key schedule, section 5.1 --- */

static bool psk_ok(const struct hpke_psk *psk)
{
    return psk == NULL || (psk->key.size >= HPKE_PSK_SIZE_MIN && psk->id.size > 0);
}

static bool aead_known(uint16_t aead)
{
    return aead_key_size(aead) > 0 || aead == AEAD_EXPORT_ONLY;
}

/* "HPKE" || kem_id || kdf_id || aead_id */
static void suite_of(uint8_t suite[10], uint16_t aead)
{
    static const uint8_t head[] = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01};
    memcpy(suite, head, sizeof(head));
    suite[8] = (uint8_t)(aead >> 8);
    suite[9] = (uint8_t)aead;
}

static tfaas_status_t key_schedule(struct hpke_context *c, const uint8_t shared[HKDF_HASH_SIZE],
                                   struct span info, const struct hpke_psk *psk)
{
    uint8_t suite_bytes[10], secret[HKDF_HASH_SIZE];
    uint8_t context[1 + 2 * HKDF_HASH_SIZE];
    suite_of(suite_bytes, c->aead);
    const struct span suite = bytes(suite_bytes, sizeof(suite_bytes));
    const struct span whole = bytes(context, sizeof(context));
    context[0] = psk ? MODE_PSK : MODE_BASE;
    hkdf_labeled_extract(context + 1, suite, none, "psk_id_hash", psk ? psk->id : none);
    hkdf_labeled_extract(context + 1 + HKDF_HASH_SIZE, suite, none, "info_hash", info);
    hkdf_labeled_extract(secret, suite, bytes(shared, HKDF_HASH_SIZE), "secret",
                         psk ? psk->key : none);
    tfaas_status_t status = TFAAS_OK;
    if (c->aead != AEAD_EXPORT_ONLY) {
        status = hkdf_labeled_expand(c->key, aead_key_size(c->aead), secret, suite, "key", whole);
        if (status == TFAAS_OK)
            status = hkdf_labeled_expand(c->base_nonce, AEAD_NONCE_SIZE, secret, suite,
                                         "base_nonce", whole);
    }
    if (status == TFAAS_OK)
        status =
            hkdf_labeled_expand(c->exporter_secret, HKDF_HASH_SIZE, secret, suite, "exp", whole);
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(context, sizeof(context)); /* hides which psk, and costs nothing */
    return status;
}

/* Both roles: `own` with `peer`; the receiver's public key is one of the two. */
static tfaas_status_t setup(struct hpke_context *c, uint16_t aead, const struct hpke_key_pair *own,
                            const uint8_t peer[HPKE_PUBLIC_SIZE], const uint8_t enc[HPKE_ENC_SIZE],
                            const uint8_t receiver[HPKE_PUBLIC_SIZE], struct span info,
                            const struct hpke_psk *psk)
{
    *c = (struct hpke_context){.aead = aead};
    if (!aead_known(aead))
        return TFAAS_UNSUPPORTED;
    if (!psk_ok(psk))
        return TFAAS_BAD_REQUEST;
    uint8_t shared[HKDF_HASH_SIZE];
    tfaas_status_t status = shared_secret_of(shared, own->secret, peer, enc, receiver);
    if (status == TFAAS_OK)
        status = key_schedule(c, shared, info, psk);
    sodium_memzero(shared, sizeof(shared));
    if (status != TFAAS_OK)
        hpke_wipe(c);
    return status;
}

tfaas_status_t hpke_setup_sender_with(struct hpke_context *c, uint16_t aead,
                                      const uint8_t receiver[HPKE_PUBLIC_SIZE], struct span info,
                                      const struct hpke_psk *psk,
                                      const struct hpke_key_pair *ephemeral)
{
    return setup(c, aead, ephemeral, receiver, ephemeral->public_key, receiver, info, psk);
}

tfaas_status_t hpke_setup_sender(struct hpke_context *c, uint16_t aead,
                                 const uint8_t receiver[HPKE_PUBLIC_SIZE], struct span info,
                                 const struct hpke_psk *psk, uint8_t enc[HPKE_ENC_SIZE])
{
    struct hpke_key_pair ephemeral;
    hpke_generate_key_pair(&ephemeral);
    tfaas_status_t status = hpke_setup_sender_with(c, aead, receiver, info, psk, &ephemeral);
    memcpy(enc, ephemeral.public_key, HPKE_ENC_SIZE);
    sodium_memzero(&ephemeral, sizeof(ephemeral));
    return status;
}

tfaas_status_t hpke_setup_receiver(struct hpke_context *c, uint16_t aead,
                                   const struct hpke_key_pair *receiver,
                                   const uint8_t enc[HPKE_ENC_SIZE], struct span info,
                                   const struct hpke_psk *psk)
{
    return setup(c, aead, receiver, enc, enc, receiver->public_key, info, psk);
}

/* --- messages, sections 5.2 and 5.3 --- */

/* base_nonce XOR I2OSP(sequence, Nn) */
static void nonce_of(const struct hpke_context *c, uint8_t nonce[AEAD_NONCE_SIZE])
{
    memcpy(nonce, c->base_nonce, AEAD_NONCE_SIZE);
    for (unsigned i = 0; i < 8; i++)
        nonce[AEAD_NONCE_SIZE - 1 - i] ^= (uint8_t)(c->sequence >> (8 * i));
}

tfaas_status_t hpke_seal(struct hpke_context *c, struct span aad, struct span plain, uint8_t *out,
                         size_t capacity, size_t *out_size)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    *out_size = 0;
    if (c->sequence == UINT64_MAX)
        return TFAAS_TOO_LARGE;
    nonce_of(c, nonce);
    tfaas_status_t status = aead_seal(c->aead, c->key, nonce, aad, plain, out, capacity, out_size);
    sodium_memzero(nonce, sizeof(nonce));
    if (status == TFAAS_OK)
        c->sequence++;
    return status;
}

tfaas_status_t hpke_open(struct hpke_context *c, struct span aad, struct span sealed, uint8_t *out,
                         size_t capacity, size_t *out_size)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    *out_size = 0;
    if (c->sequence == UINT64_MAX)
        return TFAAS_TOO_LARGE;
    nonce_of(c, nonce);
    tfaas_status_t status = aead_open(c->aead, c->key, nonce, aad, sealed, out, capacity, out_size);
    sodium_memzero(nonce, sizeof(nonce));
    if (status == TFAAS_OK)
        c->sequence++;
    return status;
}

tfaas_status_t hpke_export(const struct hpke_context *c, struct span context, uint8_t *out,
                           size_t out_size)
{
    uint8_t suite[10];
    suite_of(suite, c->aead);
    return hkdf_labeled_expand(out, out_size, c->exporter_secret, bytes(suite, sizeof(suite)),
                               "sec", context);
}

void hpke_wipe(struct hpke_context *c)
{
    sodium_memzero(c, sizeof(*c));
}
