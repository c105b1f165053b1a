/*
 * wire.h - the form in which values cross between a function and a compartment: CBOR (RFC 8949),
 * definite lengths, shortest heads, with registered tags for what JSON has not:
 *   1 date, 2 and 3 big integers, 28 and 29 shared objects, 64..86 typed arrays (RFC 8746, little
 *   endian), 258 set, 259 map; undefined is simple value 23; a key of an object is text.
 * Reading is in two steps: wire_check says whether bytes are such a value as a whole; wire_next
 * then gives item after item and needs to check nothing. No engine in here: tests/fuzz/wire.c runs
 * it.
 */
#ifndef TFAAS_JS_WIRE_H
#define TFAAS_JS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_SIZE_MAX   (4u << 20) /* as the core's COMPARTMENT_MESSAGE_MAX */
#define WIRE_DEPTH_MAX  64u
#define WIRE_ITEMS_MAX  200000u /* each may become an object: bounds the reader's memory */
#define WIRE_BIGINT_MAX 1024u   /* bytes */

enum wire_kind {
    WIRE_UNDEFINED,
    WIRE_NULL,
    WIRE_FALSE,
    WIRE_TRUE,
    WIRE_INT,    /* number, within +-(2^53 - 1) */
    WIRE_FLOAT,  /* number */
    WIRE_TEXT,   /* data, well-formed UTF-8 */
    WIRE_BYTES,  /* data */
    WIRE_BIGINT, /* data, big endian; is_negative: -1 - it */
    WIRE_DATE,   /* number: seconds; NaN: no date */
    WIRE_TYPED,  /* data; tag says of what */
    WIRE_ARRAY,  /* count values follow */
    WIRE_OBJECT, /* count pairs follow, keys are WIRE_TEXT */
    WIRE_SET,    /* count values follow */
    WIRE_MAP,    /* count pairs follow */
    WIRE_SHARED, /* count: the value with that number is meant once more */
};

struct wire_item {
    enum wire_kind kind;
    bool is_shared; /* it takes the next number, from 0 */
    bool is_negative;
    uint32_t tag, count;
    double number;
    const uint8_t *data;
    size_t size;
};

struct wire_reader {
    const uint8_t *at, *end;
};

/* One whole value with nothing behind? NULL: yes; else what is wrong with it. */
const char *wire_check(const uint8_t *data, size_t size);
/* Only over bytes that were checked, and not past their end. */
void wire_next(struct wire_reader *reader, struct wire_item *item);

/* Bytes per element of the typed array with this tag; 0: none has it. */
unsigned wire_element_size(uint32_t tag);
/* The head of an item at `to` (9 bytes are enough); its size. */
size_t wire_head(uint8_t *to, unsigned major, uint64_t value);

#endif
