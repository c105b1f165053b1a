/*
 * bhttp_stream.h - whole Binary HTTP messages (RFC 9292): known and indeterminate length, requests
 * and responses, informational responses, trailers, padding, truncated messages. The reader takes
 * the message in pieces of any size and holds no more than one head at a time.
 */
#ifndef TFAAS_COMMON_BHTTP_STREAM_H
#define TFAAS_COMMON_BHTTP_STREAM_H

#include "bhttp.h"

#define BHTTP_INFORMATIONAL_MAX 16u /* informational responses before the final one */

enum bhttp_framing {
    BHTTP_KNOWN_REQUEST = 0,
    BHTTP_KNOWN_RESPONSE = 1,
    BHTTP_STREAM_REQUEST = 2, /* indeterminate length */
    BHTTP_STREAM_RESPONSE = 3,
};

/* --- reading --- */

enum bhttp_event_kind {
    BHTTP_MORE,          /* `in` is used up */
    BHTTP_INFORMATIONAL, /* head.status in 100..199 and head.fields */
    BHTTP_HEAD,          /* head */
    BHTTP_CONTENT,       /* content: a piece, never empty, in place of the caller's input */
    BHTTP_END,           /* the message is whole; head.fields are the trailers, usually none;
                          * the request's parts are gone */
};

struct bhttp_event {
    enum bhttp_event_kind kind;
    struct bhttp_head head; /* spans in the reader's buffer, until its next event but CONTENT */
    struct span content;    /* in the caller's input */
};

struct bhttp_reader {
    uint8_t *buffer;
    size_t capacity, used; /* of the head or trailers that are being read */
    struct bhttp_head head;
    uint64_t left;     /* bytes of the part, section or content that are still to come */
    size_t section_at; /* where the part or the field section begins in the buffer */
    uint8_t varint[8];
    unsigned varint_held, state, part, informational_count;
    bool is_indeterminate, is_trailer, content_seen;
};

/* `buffer` holds one head or trailer section (BHTTP_HEAD_MAX takes all that may come) and lives as
 * long as the reader. */
void bhttp_reader_begin(struct bhttp_reader *r, uint8_t *buffer, size_t capacity);
/* Takes bytes from `in` until something happened or none are left; call again until MORE or END.
 * `last`: no byte follows those in `in`. The checks are those of bhttp_read_head(); further:
 * BAD_REQUEST when the message ends where section 3.8 does not let it, or padding is not zero;
 * TOO_LARGE over the buffer or the bounds. After a failure every later call fails. */
tfaas_status_t bhttp_reader_next(struct bhttp_reader *r, struct cursor *in, bool last,
                                 struct bhttp_event *event, const char **why) TFAAS_MUST_USE;

/* --- writing: any writer, no state; call in the order of the wire --- */

void bhttp_put_framing(struct writer *w, enum bhttp_framing framing);
void bhttp_put_request(struct writer *w, struct span method, struct span scheme,
                       struct span authority, struct span path);
void bhttp_put_status(struct writer *w, unsigned status); /* informational ones first */
/* One field line, the name in lower case: directly in an indeterminate-length section, or into the
 * scratch that becomes a known-length one. */
void bhttp_put_field(struct writer *w, struct span name, struct span value);
/* Known length: a whole field section, or the whole content. */
void bhttp_put_part(struct writer *w, struct span part);
/* Indeterminate length: a piece of content (nothing is written for an empty one), and the end of a
 * field section or of the content. */
void bhttp_put_chunk(struct writer *w, struct span content);
void bhttp_put_end(struct writer *w);
/* Zeros up to `size` bytes in all, so that lengths tell less. */
void bhttp_put_padding(struct writer *w, size_t size);

#endif
