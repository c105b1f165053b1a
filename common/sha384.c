/* sha384.c - see sha384.h. */
#include "sha384.h"

#include <string.h>

void sha384_init(crypto_hash_sha512_state *state)
{
    static const uint64_t start[8] = {UINT64_C(0xcbbb9d5dc1059ed8), UINT64_C(0x629a292a367cd507),
                                      UINT64_C(0x9159015a3070dd17), UINT64_C(0x152fecd8f70e5939),
                                      UINT64_C(0x67332667ffc00b31), UINT64_C(0x8eb44a8768581511),
                                      UINT64_C(0xdb0c2e0d64f98fa7), UINT64_C(0x47b5481dbefa4fa4)};
    crypto_hash_sha512_init(state);
    memcpy(state->state, start, sizeof(start));
}

void sha384_final(crypto_hash_sha512_state *state, uint8_t to[SHA384_SIZE])
{
    uint8_t whole[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_final(state, whole);
    memcpy(to, whole, SHA384_SIZE);
}
