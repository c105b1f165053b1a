/* sha512.h - SHA-512 (FIPS 180-4) for the sample package's sha512sum. */
#ifndef TFAAS_RUNTIME_SAMPLE_SHA512_H
#define TFAAS_RUNTIME_SAMPLE_SHA512_H

#include <stddef.h>
#include <stdint.h>

#define SHA512_SIZE  64u
#define SHA512_BLOCK 128u

struct sha512 {
    uint64_t state[8];
    uint64_t size; /* bytes so far; 2^64 bits are enough for a request */
    uint8_t block[SHA512_BLOCK];
};

void sha512_begin(struct sha512 *hash);
void sha512_add(struct sha512 *hash, const void *data, size_t size);
void sha512_end(struct sha512 *hash, uint8_t digest[SHA512_SIZE]);

#endif
