/*
 * instrument_build.h - makes Wasm modules for the tests out of hex text, one section at a time.
 * Blanks in the text are ignored; counts and sizes of contents are put in by the builder.
 */
#ifndef TFAAS_TESTS_INSTRUMENT_BUILD_H
#define TFAAS_TESTS_INSTRUMENT_BUILD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

static inline void put(struct bytes *b, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (b->size + size > b->capacity) {
        b->capacity = 2 * (b->size + size);
        b->data = realloc(b->data, b->capacity);
        if (b->data == NULL)
            abort();
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void put_u8(struct bytes *b, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    put(b, &one, 1);
}

static inline void put_u32(struct bytes *b, size_t value)
{
    do {
        put_u8(b, (unsigned)(value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
}

static inline unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    (void)fprintf(stderr, "bad hex digit %c in a test\n", c);
    abort();
}

static inline void put_hex(struct bytes *b, const char *hex)
{
    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        put_u8(b, hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
        hex += 2;
    }
}

static inline void put_section(struct bytes *b, unsigned id, const struct bytes *content)
{
    put_u8(b, id);
    put_u32(b, content->size);
    put(b, content->data, content->size);
}

static inline void put_section_hex(struct bytes *b, unsigned id, const char *hex)
{
    struct bytes content = {0};
    put_hex(&content, hex);
    put_section(b, id, &content);
    free(content.data);
}

static inline void put_header(struct bytes *b)
{
    put_hex(b, "0061736d 01000000");
}

/* One code section with one body: local declarations and code as hex. */
static inline void put_code(struct bytes *b, const char *locals, const char *code)
{
    struct bytes body = {0}, content = {0};
    put_hex(&body, locals);
    put_hex(&body, code);
    put_u32(&content, 1);
    put_u32(&content, body.size);
    put(&content, body.data, body.size);
    put_section(b, 10, &content);
    free(body.data);
    free(content.data);
}

/* A module with memory, table, two globals (i32 const 5; mutable i32) and one exported function
 * of type (i32) -> (i32), index 0, whose code is given. Type 0: () -> (), 1: (i32) -> (i32). */
static inline struct bytes module_with_code(const char *locals, const char *code)
{
    struct bytes b = {0};
    put_header(&b);
    put_section_hex(&b, 1, "02 60 00 00 60 01 7f 01 7f");
    put_section_hex(&b, 3, "01 01");
    put_section_hex(&b, 4, "01 70 00 04");
    put_section_hex(&b, 5, "01 00 01");
    put_section_hex(&b, 6, "02 7f 00 41 05 0b 7f 01 41 00 0b");
    put_section_hex(&b, 7, "01 01 66 00 00");
    put_code(&b, locals, code);
    return b;
}

/* One of everything that the rewriter reads. */
static inline struct bytes module_rich(void)
{
    struct bytes b = {0};
    put_header(&b);
    put_section_hex(&b, 0, "04 74657374 0102");                             /* custom */
    put_section_hex(&b, 1, "03 60 00 00 60 01 7f 01 7f 60 01 7f 02 7f 7e"); /* types */
    put_section_hex(&b, 2, "01 03 656e76 01 68 00 00");                     /* env.h: () -> () */
    put_section_hex(&b, 3, "03 01 02 00");
    put_section_hex(&b, 4, "01 70 01 02 08");
    put_section_hex(&b, 5, "01 01 01 10");
    put_section_hex(&b, 6, "04 7f 00 41 80 08 0b 7f 01 41 00 0b 7e 01 42 7f 0b 70 00 d2 01 0b");
    put_section_hex(&b, 7, "02 01 66 00 02 06 6d656d6f7279 02 00");
    put_section_hex(&b, 8, "03");
    put_section_hex(&b, 9, "02 00 41 00 0b 01 01 05 70 02 d2 02 0b d0 70 0b");
    put_section_hex(&b, 12, "03");
    struct bytes code = {0};
    /* branches out of a loop, a call, br_table */
    static const char first[] =
        "01 01 7f 03 40 20 00 45 04 40 41 03 0f 0b 10 00 41 09 20 00 0e 01 01 01 0b 41 05 0b";
    /* two results, a wrapped body, bulk memory, growth */
    static const char second[] = "00 41 01 42 02 03 40 41 00 41 00 20 00 fc 0b 00 41 01 40 00 1a "
                                 "20 00 0d 00 0b 20 00 0d 00 0b";
    static const char third[] =
        "00 41 00 10 01 1a fd 0c 00010203040506070809 0a0b0c0d0e0f 1a 00 0b";
    const char *const bodies[] = {first, second, third};
    put_u32(&code, 3);
    for (size_t i = 0; i < 3; i++) {
        struct bytes body = {0};
        put_hex(&body, bodies[i]);
        put_u32(&code, body.size);
        put(&code, body.data, body.size);
        free(body.data);
    }
    put_section(&b, 10, &code);
    free(code.data);
    put_section_hex(&b, 11, "03 00 23 00 41 10 6a 0b 03 616263 01 02 7879 02 00 41 90 08 0b 01 7a");
    return b;
}

#endif
