/*
 * cursor.h - how every parser here reads and every encoder writes: a cursor that cannot run past
 * its end. After one failure it stays failed and returns zeros, so that code checks `failed` once
 * at the end.
 */
#ifndef TFAAS_COMMON_CURSOR_H
#define TFAAS_COMMON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *data;
    size_t size, at;
    bool failed;
};

struct span {
    const uint8_t *data;
    size_t size;
};

static inline struct cursor cursor_of(const void *data, size_t size)
{
    return (struct cursor){.data = data, .size = size};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return c->failed ? 0 : c->size - c->at;
}

/* `size` bytes in place, or {NULL, 0} and failed. */
static inline struct span cursor_take(struct cursor *c, uint64_t size)
{
    if (c->failed || size > c->size - c->at) {
        c->failed = true;
        return (struct span){NULL, 0};
    }
    struct span s = {c->data + c->at, (size_t)size};
    c->at += (size_t)size;
    return s;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    struct span s = cursor_take(c, 1);
    return s.data ? s.data[0] : 0;
}

/* QUIC variable-length integer, RFC 9000 section 16. */
static inline uint64_t cursor_varint(struct cursor *c)
{
    uint8_t first = cursor_u8(c);
    uint64_t value = first & 0x3fu;
    for (unsigned more = (1u << (first >> 6)) - 1; more > 0; more--)
        value = (value << 8) | cursor_u8(c);
    return c->failed ? 0 : value;
}

/* varint length, then that many bytes */
static inline struct span cursor_vector(struct cursor *c)
{
    return cursor_take(c, cursor_varint(c));
}

/* The bytes of a C string, without its NUL. */
static inline struct span span_of_text(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* Not for secrets: it takes as long as they are alike. */
static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool span_is(struct span s, const char *text)
{
    return s.size == strlen(text) && (s.size == 0 || memcmp(s.data, text, s.size) == 0);
}

/* A writer into a caller's buffer. Past the end it fails and writes nothing more; `at` goes on
 * counting, so a first pass with capacity 0 measures. */
struct writer {
    uint8_t *data;
    size_t capacity, at;
    bool failed;
};

static inline struct writer writer_of(void *data, size_t capacity)
{
    return (struct writer){.data = data, .capacity = capacity};
}

static inline void writer_put(struct writer *w, const void *data, size_t size)
{
    if (w->at > w->capacity || size > w->capacity - w->at)
        w->failed = true;
    else if (size)
        memcpy(w->data + w->at, data, size);
    w->at += size;
}

static inline void writer_u8(struct writer *w, uint8_t value)
{
    writer_put(w, &value, 1);
}

static inline void writer_varint(struct writer *w, uint64_t value)
{
    unsigned log = value < 64 ? 0 : value < 16384 ? 1 : value < (1u << 30) ? 2 : 3;
    unsigned size = 1u << log;
    uint8_t bytes[8];
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    bytes[0] |= (uint8_t)(log << 6);
    writer_put(w, bytes, size);
}

static inline void writer_vector(struct writer *w, const void *data, size_t size)
{
    writer_varint(w, size);
    writer_put(w, data, size);
}

#endif
