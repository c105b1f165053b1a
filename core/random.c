/* random.c - see random.h. Each refill replaces the key first, so that a later leak of the state
 * says nothing about bytes already given out. */
#include "random.h"

#include "plat/plat.h"
#include <cpuid.h>
#include <immintrin.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

static uint8_t key[crypto_stream_chacha20_ietf_KEYBYTES];
static uint8_t pool[512];
static size_t pool_at = sizeof pool;
static bool seeded;

void random_reseed(void)
{
    plat_entropy(key, sizeof key);
    sodium_memzero(pool, sizeof pool);
    pool_at = sizeof pool;
    seeded = true;
}

void random_forget(void)
{
    sodium_memzero(key, sizeof key);
    sodium_memzero(pool, sizeof pool);
    pool_at = sizeof pool;
    seeded = false;
}

static void refill(void)
{
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    uint8_t block[sizeof key + sizeof pool];
    if (!seeded)
        random_reseed();
    crypto_stream_chacha20_ietf(block, sizeof block, nonce, key);
    memcpy(key, block, sizeof key);
    memcpy(pool, block + sizeof key, sizeof pool);
    sodium_memzero(block, sizeof block);
    pool_at = 0;
}

void random_bytes(uint8_t *to, size_t size)
{
    while (size > 0) {
        if (pool_at == sizeof pool)
            refill();
        size_t piece = sizeof pool - pool_at < size ? sizeof pool - pool_at : size;
        memcpy(to, pool + pool_at, piece);
        sodium_memzero(pool + pool_at, piece);
        pool_at += piece;
        to += piece;
        size -= piece;
    }
}

/* --- what copies do not share --- */

__attribute__((target("rdrnd"))) static bool draw(unsigned long long *value)
{
    for (unsigned tries = 0; tries < 10; tries++) {
        /* All ones is what a processor with a known defect says for ever; zero is taken as one. */
        if (_rdrand64_step(value) && *value != 0 && *value != UINT64_MAX)
            return true;
    }
    return false;
}

static bool processor_draws(void)
{
    static int known; /* 0: not asked, 1: no, 2: yes */
    if (known == 0) {
        unsigned a, b, c, d;
        unsigned long long first, second;
        known = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND) && draw(&first) &&
                        draw(&second) && first != second
                    ? 2
                    : 1;
    }
    return known == 2;
}

void random_fresh(uint8_t *to, size_t size)
{
    if (!processor_draws()) {
        plat_entropy(to, size);
        return;
    }
    random_bytes(to, size);
    for (size_t at = 0; at < size; at += sizeof(unsigned long long)) {
        unsigned long long value;
        if (!draw(&value)) {
            plat_entropy(to, size);
            return;
        }
        const uint8_t *bytes = (const uint8_t *)&value;
        for (size_t i = 0; i < sizeof value && at + i < size; i++)
            to[at + i] ^= bytes[i];
    }
}
