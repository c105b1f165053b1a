/*
 * instrument_weights.c - the weight table: what one executed instruction costs, its canonical text
 * and its SHA-256. A receipt names the hash, so a changed weight must never keep an old hash: the
 * text is made from the very arrays that weight_of() reads.
 */
#include "instrument_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define BULK_OPS 18u
#define SIMD_OPS 256u

/* Structure without an effect of its own costs nothing: nop, block, loop, else, end. */
static const uint8_t plain[256] = {
    [0x00] = 1,          [0x04] = 1,          [0x0c ... 0x13] = 1, [0x1a ... 0x1c] = 1,
    [0x20 ... 0x26] = 1, [0x28 ... 0xc4] = 1, [0xd0 ... 0xd2] = 1,
};
static const uint8_t bulk[BULK_OPS] = {[0x00 ... 0x11] = 1};
static const uint8_t simd[SIMD_OPS] = {[0x00 ... 0xff] = 1};

unsigned weight_of(unsigned op, uint32_t sub)
{
    if (op == OP_BULK)
        return sub < BULK_OPS ? bulk[sub] : 0;
    if (op == OP_SIMD)
        return sub < SIMD_OPS ? simd[sub] : 0;
    return op < 256 ? plain[op] : 0;
}

struct text {
    char data[20000];
    size_t size;
};

static void text_line(struct text *text, const char *name, unsigned number, unsigned weight)
{
    int size = snprintf(text->data + text->size, sizeof text->data - text->size, "%s %02x %u\n",
                        name, number, weight);
    if (size > 0 && (size_t)size < sizeof text->data - text->size)
        text->size += (size_t)size;
}

const char *instrument_weights_hash(void)
{
    static char hex[2 * crypto_hash_sha256_BYTES + 1];
    if (hex[0] != '\0')
        return hex;
    struct text text;
    text.size = 0;
    text_line(&text, "tfaas-weights", 1, 1); /* format, rules of docs/metering.md */
    for (unsigned op = 0; op < 256; op++)
        text_line(&text, "op", op, plain[op]);
    for (unsigned op = 0; op < BULK_OPS; op++)
        text_line(&text, "op fc", op, bulk[op]);
    for (unsigned op = 0; op < SIMD_OPS; op++)
        text_line(&text, "op fd", op, simd[op]);
    text_line(&text, "bytes-shift", 0, WEIGHT_BYTES_SHIFT);
    text_line(&text, "elements-shift", 0, WEIGHT_ELEMENTS_SHIFT);
    text_line(&text, "memory-page", 0, WEIGHT_PAGE);
    text_line(&text, "table-growth", 0, WEIGHT_TABLE_GROWTH);
    text_line(&text, "compile-code", 0, WEIGHT_COMPILE_CODE);
    text_line(&text, "compile-function", 0, WEIGHT_COMPILE_FUNCTION);
    text_line(&text, "compile-byte", 0, WEIGHT_COMPILE_BYTE);
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const uint8_t *)text.data, text.size);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return hex;
}
