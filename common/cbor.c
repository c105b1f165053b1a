/*
 * cbor.c - items of the deterministic CBOR subset (common/cbor.h).
 * Must never accept a second encoding of the same value.
 */
#include "cbor.h"

/* The argument of an item of this major type, RFC 8949 section 3; shortest form only. */
static uint64_t head(struct cursor *c, enum cbor_major major)
{
    uint8_t first = cursor_u8(c);
    uint8_t info = first & 0x1f;
    if (c->failed || first >> 5 != (uint8_t)major || info > 27) {
        c->failed = true;
        return 0;
    }
    if (info < 24)
        return info;
    unsigned size = 1u << (info - 24);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = (value << 8) | cursor_u8(c);
    /* A value that fits half the bytes (or, for one byte, the initial byte) had to be shorter. */
    uint64_t least = size == 1 ? 24 : (uint64_t)1 << (4 * size);
    if (c->failed || value < least) {
        c->failed = true;
        return 0;
    }
    return value;
}

/* Every item takes at least one byte, so no honest count exceeds what is left. */
static uint64_t count(struct cursor *c, enum cbor_major major, uint64_t items_each)
{
    uint64_t value = head(c, major);
    if (value > cursor_left(c) / items_each) {
        c->failed = true;
        return 0;
    }
    return value;
}

uint64_t cbor_uint(struct cursor *c)
{
    return head(c, CBOR_UINT);
}

struct span cbor_bytes(struct cursor *c)
{
    return cursor_take(c, head(c, CBOR_BYTES));
}

/* Length of the UTF-8 sequence at `at`, 0 when there is no valid one (RFC 3629 section 4). */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80)
        return lead != 0;
    size_t size = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || size > left)
        return 0;
    /* The second byte excludes overlong forms, surrogates and values above U+10FFFF. */
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool cbor_text_ok(struct span text)
{
    for (size_t at = 0; at < text.size;) {
        size_t size = utf8_sequence(text.data + at, text.size - at);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

struct span cbor_text(struct cursor *c)
{
    struct span text = cursor_take(c, head(c, CBOR_TEXT));
    if (!cbor_text_ok(text)) {
        c->failed = true;
        return (struct span){NULL, 0};
    }
    return text;
}

uint64_t cbor_array(struct cursor *c)
{
    return count(c, CBOR_ARRAY, 1);
}

uint64_t cbor_map(struct cursor *c)
{
    return count(c, CBOR_MAP, 2);
}

bool cbor_bool(struct cursor *c)
{
    uint8_t byte = cursor_u8(c);
    if (byte != 0xf4 && byte != 0xf5)
        c->failed = true;
    return !c->failed && byte == 0xf5;
}

static void put_head(struct writer *w, enum cbor_major major, uint64_t value)
{
    uint8_t bytes[9];
    unsigned log = value < 256 ? 0 : value < 65536 ? 1 : value <= UINT32_MAX ? 2 : 3;
    unsigned size = value < 24 ? 0 : 1u << log;
    bytes[0] = (uint8_t)((unsigned)major << 5 | (value < 24 ? (unsigned)value : 24 + log));
    for (unsigned i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    writer_put(w, bytes, 1 + size);
}

void cbor_put_uint(struct writer *w, uint64_t value)
{
    put_head(w, CBOR_UINT, value);
}

void cbor_put_bytes(struct writer *w, const void *data, size_t size)
{
    put_head(w, CBOR_BYTES, size);
    writer_put(w, data, size);
}

void cbor_put_text(struct writer *w, const void *text, size_t size)
{
    put_head(w, CBOR_TEXT, size);
    writer_put(w, text, size);
}

void cbor_put_array(struct writer *w, uint64_t item_count)
{
    put_head(w, CBOR_ARRAY, item_count);
}

void cbor_put_map(struct writer *w, uint64_t pair_count)
{
    put_head(w, CBOR_MAP, pair_count);
}

void cbor_put_bool(struct writer *w, bool value)
{
    writer_u8(w, value ? 0xf5 : 0xf4);
}
