/*
 * sha256.c - SHA-256 with the SHA extensions of x86-64 (Intel SDM volume 2, SHA256RNDS2,
 * SHA256MSG1, SHA256MSG2), or libsodium's (common/sha256.h).
 * Must never give another hash than libsodium does: tests/unit/common/sha256.c compares them.
 */
#include "sha256.h"

#include <stdbool.h>
#include <string.h>

#define BLOCK_SIZE 64u

_Static_assert(crypto_hash_sha256_BYTES == SHA256_SIZE, "SHA-256");
_Static_assert(sizeof(((crypto_hash_sha256_state *)0)->buf) == BLOCK_SIZE, "libsodium's state");

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define LEAF1_SSSE3 (1u << 9)
#define LEAF1_SSE41 (1u << 19)
#define LEAF7_SHA   (1u << 29)

/* Asked once: under a hypervisor the question costs as much as many hashes. */
static int has_sha(void)
{
    static _Atomic int known; /* 0: not asked, 1: no, 2: yes */
    int answer = known;
    if (answer == 0) {
        unsigned a, b, c, d, a7, b7, c7, d7;
        bool yes = __get_cpuid(1, &a, &b, &c, &d) && (c & LEAF1_SSSE3) && (c & LEAF1_SSE41) &&
                   __get_cpuid_count(7, 0, &a7, &b7, &c7, &d7) && (b7 & LEAF7_SHA);
        known = answer = yes ? 2 : 1;
    }
    return answer == 2;
}

static const uint32_t round_keys[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The instructions keep the eight words as (a,b,e,f) and (c,d,g,h), the first one highest. A group
 * of four rounds takes four words of the schedule; w[] holds the last sixteen. */
__attribute__((target("sha,sse4.1,ssse3"))) static void blocks(uint32_t words[8],
                                                               const uint8_t *data, size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(words + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
    for (; count > 0; count--, data += BLOCK_SIZE) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (unsigned i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), swap);
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++) {
            if (i >= 4) {
                __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                            _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
                w[i % 4] = _mm_sha256msg2_epu32(sum, w[(i + 3) % 4]);
            }
            __m128i k = _mm_load_si128((const __m128i *)(round_keys + i * 4));
            __m128i sum = _mm_add_epi32(w[i % 4], k);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(words + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* state->count is in bits, as libsodium keeps it. */
static void update(crypto_hash_sha256_state *state, const uint8_t *data, size_t size)
{
    size_t held = (size_t)(state->count / 8 % BLOCK_SIZE);
    state->count += (uint64_t)size * 8;
    if (held > 0) {
        size_t part = size < BLOCK_SIZE - held ? size : BLOCK_SIZE - held;
        memcpy(state->buf + held, data, part);
        if (held + part < BLOCK_SIZE)
            return;
        blocks(state->state, state->buf, 1);
        data += part;
        size -= part;
    }
    if (size >= BLOCK_SIZE)
        blocks(state->state, data, size / BLOCK_SIZE);
    memcpy(state->buf, data + size / BLOCK_SIZE * BLOCK_SIZE, size % BLOCK_SIZE);
}

static void final(crypto_hash_sha256_state *state, uint8_t hash[SHA256_SIZE])
{
    uint8_t end[2 * BLOCK_SIZE];
    size_t held = (size_t)(state->count / 8 % BLOCK_SIZE);
    size_t size = held < BLOCK_SIZE - 8 ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    memcpy(end, state->buf, held);
    memset(end + held, 0, size - held);
    end[held] = 0x80;
    uint64_t bits = __builtin_bswap64(state->count);
    memcpy(end + size - 8, &bits, sizeof(bits));
    blocks(state->state, end, size / BLOCK_SIZE);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(state->state[i]);
        memcpy(hash + 4 * i, &word, sizeof(word));
    }
    sodium_memzero(end, size);
    sodium_memzero(state, sizeof(*state));
}
#else
#define has_sha()                 0
#define update(state, data, size) (void)(state)
#define final(state, hash)        (void)(state)
#endif

void sha256_init(crypto_hash_sha256_state *state)
{
    crypto_hash_sha256_init(state);
}

void sha256_update(crypto_hash_sha256_state *state, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (has_sha())
        update(state, data, size);
    else
        crypto_hash_sha256_update(state, data, size);
}

void sha256_final(crypto_hash_sha256_state *state, uint8_t hash[SHA256_SIZE])
{
    if (has_sha())
        final(state, hash);
    else
        crypto_hash_sha256_final(state, hash);
}

void sha256(uint8_t hash[SHA256_SIZE], const void *data, size_t size)
{
    crypto_hash_sha256_state state;
    sha256_init(&state);
    sha256_update(&state, data, size);
    sha256_final(&state, hash);
}

/* --- HMAC --- */

void hmac_sha256_init(struct hmac_sha256 *state, const void *key, size_t key_size)
{
    uint8_t hashed[SHA256_SIZE], pad[BLOCK_SIZE];
    const uint8_t *bytes = key;
    if (key_size > BLOCK_SIZE) {
        sha256(hashed, key, key_size);
        bytes = hashed;
        key_size = sizeof(hashed);
    }
    memset(pad, 0x36, sizeof(pad));
    for (size_t i = 0; i < key_size; i++)
        pad[i] ^= bytes[i];
    sha256_init(&state->inner);
    sha256_update(&state->inner, pad, sizeof(pad));
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sha256_init(&state->outer);
    sha256_update(&state->outer, pad, sizeof(pad));
    sodium_memzero(pad, sizeof(pad));
    sodium_memzero(hashed, sizeof(hashed));
}

void hmac_sha256_update(struct hmac_sha256 *state, const void *data, size_t size)
{
    sha256_update(&state->inner, data, size);
}

void hmac_sha256_final(struct hmac_sha256 *state, uint8_t hash[SHA256_SIZE])
{
    uint8_t inner[SHA256_SIZE];
    sha256_final(&state->inner, inner);
    sha256_update(&state->outer, inner, sizeof(inner));
    sha256_final(&state->outer, hash);
    sodium_memzero(inner, sizeof(inner));
}
