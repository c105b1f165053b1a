/*
 * request.h - the request of this invocation: its Binary HTTP head (RFC 9292 3.1, known-length),
 * parsed in place, and its content.
 * The first bytes of the response are built behind the request's in the same buffer, so that a
 * small call touches one page for both.
 */
#ifndef TFAAS_JS_REQUEST_H
#define TFAAS_JS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_READ_MAX (32u * 1024) /* head plus the content that comes with it */
#define RESPONSE_ROOM    (32u * 1024)

struct slice {
    const uint8_t *data;
    uint32_t size;
};

struct request {
    struct slice method, scheme, authority, path, query, fields, content_type;
    uint32_t content_at;     /* first content byte in io */
    uint32_t read_size;      /* bytes of io that hold request */
    uint64_t content_length; /* valid when has_length */
    bool has_length;
    bool ended;      /* the stream has no further bytes */
    bool frozen;     /* the response uses the rest of the buffer: append no more request there */
    bool body_taken; /* streaming reads have begun */
    struct slice gathered; /* all content, once request_gather() has it */
};

/* Request, state and response share pages on purpose; see above. */
struct io {
    struct request request;
    uint8_t bytes[REQUEST_READ_MAX + RESPONSE_ROOM + 16];
};
extern struct io io;

enum request_result {
    REQUEST_OK,
    REQUEST_MALFORMED,
    REQUEST_HEAD_TOO_LARGE,
    REQUEST_CUT,
    REQUEST_NO_MEMORY
};

/* Reads and checks the head. */
enum request_result request_start(void);

/* Next field of the (checked) header section; `at` starts at 0. */
bool request_next_field(uint32_t *at, struct slice *name, struct slice *value);

/* Content that came with the head; ends the buffer with NUL where there is room (always). */
struct slice request_first_content(void);

/* All content, NUL-terminated, gathered on first use. REQUEST_CUT: the caller is gone;
 * REQUEST_NO_MEMORY: it does not fit. */
enum request_result request_gather(struct slice *content);

/* More content into `dst`: > 0 bytes, 0 end, < 0 the caller is gone. */
int32_t request_more(void *dst, uint32_t cap);

bool slice_equals(struct slice slice, const char *text); /* exact */
bool slice_has_prefix_ignoring_case(struct slice slice, const char *lower);

#endif
