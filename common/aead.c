/*
 * aead.c - ChaCha20-Poly1305 and AES-256-GCM from libsodium (common/aead.h).
 * Must never hand out plaintext that did not authenticate.
 */
#include "aead.h"
#include <sodium.h>

_Static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == AEAD_KEY_MAX, "Nk");
_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == AEAD_NONCE_SIZE, "Nn");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == AEAD_TAG_SIZE, "Nt");
_Static_assert(crypto_aead_aes256gcm_KEYBYTES == AEAD_KEY_MAX, "Nk");
_Static_assert(crypto_aead_aes256gcm_NPUBBYTES == AEAD_NONCE_SIZE, "Nn");
_Static_assert(crypto_aead_aes256gcm_ABYTES == AEAD_TAG_SIZE, "Nt");

/* Below the bounds of both ciphers (64 GiB) and of every buffer here. */
#define MESSAGE_MAX ((size_t)1 << 32)

bool aead_available(uint16_t aead)
{
    if (aead == AEAD_CHACHA20_POLY1305)
        return true;
    return aead == AEAD_AES_256_GCM && crypto_aead_aes256gcm_is_available() == 1;
}

size_t aead_key_size(uint16_t aead)
{
    switch (aead) {
    case AEAD_AES_128_GCM:
        return 16;
    case AEAD_AES_256_GCM:
    case AEAD_CHACHA20_POLY1305:
        return 32;
    default:
        return 0;
    }
}

/* libsodium wants valid pointers for nothing, too. */
static const uint8_t *at_least(struct span s)
{
    static const uint8_t none[1];
    return s.size ? s.data : none;
}

tfaas_status_t aead_seal(uint16_t aead, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct span aad, struct span plain, uint8_t *out, size_t capacity,
                         size_t *out_size)
{
    *out_size = 0;
    if (!aead_available(aead))
        return TFAAS_UNSUPPORTED;
    if (plain.size > MESSAGE_MAX || capacity < AEAD_TAG_SIZE ||
        plain.size > capacity - AEAD_TAG_SIZE)
        return TFAAS_TOO_LARGE;
    unsigned long long size = 0;
    if (aead == AEAD_CHACHA20_POLY1305) {
        crypto_aead_chacha20poly1305_ietf_encrypt(out, &size, at_least(plain), plain.size,
                                                  at_least(aad), aad.size, NULL, nonce, key);
    } else {
        crypto_aead_aes256gcm_state state;
        crypto_aead_aes256gcm_beforenm(&state, key);
        crypto_aead_aes256gcm_encrypt_afternm(out, &size, at_least(plain), plain.size,
                                              at_least(aad), aad.size, NULL, nonce, &state);
        sodium_memzero(&state, sizeof(state));
    }
    *out_size = (size_t)size;
    return TFAAS_OK;
}

tfaas_status_t aead_open(uint16_t aead, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct span aad, struct span sealed, uint8_t *out, size_t capacity,
                         size_t *out_size)
{
    static uint8_t nothing[1];
    *out_size = 0;
    if (!aead_available(aead))
        return TFAAS_UNSUPPORTED;
    if (sealed.size < AEAD_TAG_SIZE)
        return TFAAS_BAD_REQUEST;
    size_t plain_size = sealed.size - AEAD_TAG_SIZE;
    if (plain_size > MESSAGE_MAX || plain_size > capacity)
        return TFAAS_TOO_LARGE;
    uint8_t *to = plain_size ? out : nothing; /* of size 0 nothing is written there */
    unsigned long long size = 0;
    int failed;
    if (aead == AEAD_CHACHA20_POLY1305) {
        failed = crypto_aead_chacha20poly1305_ietf_decrypt(
            to, &size, NULL, sealed.data, sealed.size, at_least(aad), aad.size, nonce, key);
    } else {
        crypto_aead_aes256gcm_state state;
        crypto_aead_aes256gcm_beforenm(&state, key);
        failed = crypto_aead_aes256gcm_decrypt_afternm(to, &size, NULL, sealed.data, sealed.size,
                                                       at_least(aad), aad.size, nonce, &state);
        sodium_memzero(&state, sizeof(state));
    }
    if (failed) {
        sodium_memzero(to, plain_size);
        return TFAAS_BAD_REQUEST;
    }
    *out_size = (size_t)size;
    return TFAAS_OK;
}
