/*
 * instrument_io.c - the bounded cursor, the output buffer and the error text of the rewriter.
 * It must never read past a cursor's end, whatever a length in the module says.
 */
#include "instrument_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void diag_refuse(struct diag *diag, size_t at, const char *format, ...)
{
    if (!diag_ok(diag))
        return;
    diag->status = TFAAS_BAD_MODULE;
    if (diag->why_size == 0)
        return;
    int head = snprintf(diag->why, diag->why_size, "byte %zu: ", at);
    if (head < 0 || (size_t)head >= diag->why_size)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->why + head, diag->why_size - (size_t)head, format, args);
    va_end(args);
}

void diag_no_space(struct diag *diag, size_t size)
{
    if (!diag_ok(diag))
        return;
    diag->status = TFAAS_NO_SPACE;
    if (diag->why_size > 0)
        (void)snprintf(diag->why, diag->why_size, "no memory for %zu bytes", size);
}

uint8_t cursor_u8(struct cursor *c)
{
    if (!cursor_ok(c))
        return 0;
    if (c->at >= c->end) {
        diag_refuse(c->diag, c->at, "unexpected end");
        return 0;
    }
    return c->base[c->at++];
}

uint32_t cursor_u32(struct cursor *c)
{
    size_t start = c->at;
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (shift == 28 && (byte & 0x70) != 0)
            break;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return cursor_ok(c) ? value : 0;
    }
    diag_refuse(c->diag, start, "integer is not a 32-bit LEB128 number");
    return 0;
}

int64_t cursor_signed(struct cursor *c, unsigned bit_count)
{
    size_t start = c->at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bit_count; shift += 7) {
        uint8_t byte = cursor_u8(c);
        value |= (uint64_t)(byte & 0x7f) << shift;
        unsigned left = bit_count - shift; /* bits of this byte that belong to the number */
        if (left < 7) {
            unsigned sign = (unsigned)byte >> (left - 1) & 1u;
            unsigned rest = (unsigned)(byte & 0x7f) >> left;
            if (rest != (sign ? 0x7fu >> left : 0u))
                break;
        }
        if ((byte & 0x80) == 0) {
            if (shift + 7 < 64 && (byte & 0x40) != 0)
                value |= ~(uint64_t)0 << (shift + 7);
            return cursor_ok(c) ? (int64_t)value : 0;
        }
    }
    diag_refuse(c->diag, start, "integer is not a signed %u-bit LEB128 number", bit_count);
    return 0;
}

void cursor_skip(struct cursor *c, size_t size)
{
    if (!cursor_ok(c))
        return;
    if (size > cursor_left(c))
        diag_refuse(c->diag, c->at, "unexpected end");
    else
        c->at += size;
}

uint32_t cursor_count(struct cursor *c, const char *what)
{
    size_t start = c->at;
    uint32_t count = cursor_u32(c);
    if (cursor_ok(c) && count > cursor_left(c))
        diag_refuse(c->diag, start, "%u %s do not fit into the %zu bytes that are left", count,
                    what, cursor_left(c));
    return cursor_ok(c) ? count : 0;
}

struct cursor cursor_part(struct cursor *c, size_t size, const char *what)
{
    struct cursor part = {c->base, c->at, c->at, c->diag};
    if (!cursor_ok(c))
        return part;
    if (size > cursor_left(c)) {
        diag_refuse(c->diag, c->at, "%s of %zu bytes, but only %zu are left", what, size,
                    cursor_left(c));
        return part;
    }
    part.end = c->at + size;
    c->at = part.end;
    return part;
}

static bool output_reserve(struct output *o, size_t size)
{
    if (!diag_ok(o->diag))
        return false;
    if (size > o->limit - o->size) {
        o->diag->status = TFAAS_BAD_MODULE;
        if (o->diag->why_size > 0)
            (void)snprintf(o->diag->why, o->diag->why_size,
                           "the instrumented module is larger than %zu bytes", o->limit);
        return false;
    }
    if (size <= o->capacity - o->size)
        return true;
    size_t capacity = o->capacity < 4096 ? 4096 : o->capacity;
    while (capacity < o->size + size)
        capacity *= 2; /* cannot overflow: bounded by twice the limit */
    uint8_t *data = realloc(o->data, capacity);
    if (data == NULL) {
        diag_no_space(o->diag, capacity);
        return false;
    }
    o->data = data;
    o->capacity = capacity;
    return true;
}

void output_u8(struct output *o, unsigned byte)
{
    if (output_reserve(o, 1))
        o->data[o->size++] = (uint8_t)byte;
}

void output_u32(struct output *o, uint32_t value)
{
    while (value >= 0x80) {
        output_u8(o, (value & 0x7f) | 0x80);
        value >>= 7;
    }
    output_u8(o, value);
}

void output_i64(struct output *o, int64_t value)
{
    for (;;) {
        unsigned byte = (unsigned)(value & 0x7f);
        value >>= 7; /* arithmetic on every compiler we build with */
        if ((value == 0 && (byte & 0x40) == 0) || (value == -1 && (byte & 0x40) != 0)) {
            output_u8(o, byte);
            return;
        }
        output_u8(o, byte | 0x80);
    }
}

void output_bytes(struct output *o, const uint8_t *data, size_t size)
{
    if (size > 0 && output_reserve(o, size)) {
        memcpy(o->data + o->size, data, size);
        o->size += size;
    }
}
