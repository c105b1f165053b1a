/*
 * aes128.h - AES-128-GCM from OpenSSL: libsodium has none, but examples of RFC 9458 and of the
 * chunked draft use it. With it they are checked to the last byte.
 */
#ifndef TFAAS_TESTS_AES128_H
#define TFAAS_TESTS_AES128_H

#include <openssl/evp.h>
#include <stdlib.h>
#include "cursor.h"

/* out takes plain.size + 16 bytes */
static inline void aes128_seal(const uint8_t *key, const uint8_t *nonce, struct span aad,
                               struct span plain, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int size = 0;
    int ok = EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, nonce);
    if (aad.size)
        ok &= EVP_EncryptUpdate(c, NULL, &size, aad.data, (int)aad.size);
    if (plain.size)
        ok &= EVP_EncryptUpdate(c, out, &size, plain.data, (int)plain.size);
    ok &= EVP_EncryptFinal_ex(c, out + plain.size, &size);
    ok &= EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + plain.size);
    if (!ok)
        abort();
    EVP_CIPHER_CTX_free(c);
}

#endif
