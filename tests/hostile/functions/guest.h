/*
 * guest.h - what the test functions in C share: the whole request in memory, an answer in one call.
 * A function defines handle(body, size), whose result tfaas_handle returns.
 */
#ifndef TFAAS_TESTS_GUEST_H
#define TFAAS_TESTS_GUEST_H

#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("tfaas"), import_name(name)))

IMPORT("request_read") int32_t request_read(void *to, int32_t capacity);
IMPORT("response_write") int32_t response_write(const void *from, int32_t size, int32_t last);
IMPORT("sleep") int32_t tfaas_sleep(int64_t ns);

#define REQUEST_MAX 65536

static uint8_t guest_request[REQUEST_MAX], guest_response[REQUEST_MAX];

static int handle(const uint8_t *body, int size);

/* One-byte varints are all that the tests' request heads need, but for the header section. */
static int guest_varint(const uint8_t *from, int *at)
{
    int value = from[*at] & 0x3f, more = (1 << (from[*at] >> 6)) - 1;
    for ((*at)++; more > 0; more--)
        value = value << 8 | from[(*at)++];
    return value;
}

__attribute__((export_name("tfaas_handle"))) int tfaas_handle(void)
{
    int size = 0, got, at = 1; /* framing indicator 0 */
    while ((got = request_read(guest_request + size, REQUEST_MAX - size)) > 0)
        size += got;
    if (got < 0)
        return 1;
    for (int i = 0; i < 5; i++) { /* method, scheme, authority, path, header section */
        int length = guest_varint(guest_request, &at);
        at += length;
    }
    return handle(guest_request + at, size - at);
}

/* 200 without fields, then these bytes. */
static inline int answer(const void *bytes, int size)
{
    static const uint8_t head[4] = {1, 0x40, 200, 0};
    __builtin_memcpy(guest_response, head, sizeof head);
    __builtin_memcpy(guest_response + sizeof head, bytes, (unsigned)size);
    return response_write(guest_response, size + (int)sizeof head, 1) < 0;
}

static inline int answer_number(uint64_t value)
{
    char text[24];
    int at = 24;
    do
        text[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return answer(text + at, 24 - at);
}

#endif
