/*
 * sha384.h - SHA-384 (FIPS 180-4 5.3.4, 6.5), which libsodium lacks: its SHA-512 from another
 * start, cut to 48 bytes. What core files are measured with.
 */
#ifndef TFAAS_COMMON_SHA384_H
#define TFAAS_COMMON_SHA384_H

#include <sodium.h>

#define SHA384_SIZE 48u

void sha384_init(crypto_hash_sha512_state *state);
/* In between: crypto_hash_sha512_update. */
void sha384_final(crypto_hash_sha512_state *state, uint8_t to[SHA384_SIZE]);

#endif
