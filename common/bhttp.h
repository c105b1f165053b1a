/*
 * bhttp.h - Binary HTTP (RFC 9292), the known-length head of a request or a response, as the
 * streams of include/tfaas/abi.h carry it. Zero copy: spans point into the caller's buffer.
 */
#ifndef TFAAS_COMMON_BHTTP_H
#define TFAAS_COMMON_BHTTP_H

#include "cursor.h"
#include "tfaas/status.h"

#define BHTTP_HEAD_MAX   (48u * 1024) /* bytes of one head */
#define BHTTP_FIELDS_MAX 256u

struct bhttp_head {
    bool is_response;
    unsigned status;                             /* response: 200..599 */
    struct span method, scheme, authority, path; /* request; path holds the query */
    struct span fields;                          /* the header section, checked */
    size_t size;                                 /* bytes of the head; content follows */
};

/* Reads and checks a head at the start of `data`: framing, lengths, bounds, method token, path
 * starts with '/', field names are lower-case tokens, field values hold no CR, LF or NUL
 * (RFC 9110 5.5), status range. BAD_REQUEST, and *why names what was wrong. TOO_LARGE over the
 * bounds. NOT_FOUND when `data` ends before the head does (more bytes may complete it). */
tfaas_status_t bhttp_read_head(const uint8_t *data, size_t size, struct bhttp_head *head,
                               const char **why) TFAAS_MUST_USE;

/* The checks of the parts on their own (bhttp_stream.h). BAD_REQUEST, or TOO_LARGE for too many
 * fields. */
enum bhttp_part { BHTTP_METHOD, BHTTP_SCHEME, BHTTP_AUTHORITY, BHTTP_PATH, BHTTP_PARTS };
tfaas_status_t bhttp_check_part(enum bhttp_part part, struct span text,
                                const char **why) TFAAS_MUST_USE;
tfaas_status_t bhttp_check_fields(struct span fields, const char **why) TFAAS_MUST_USE;

/* Steps through `fields`. False at the end. *at starts at 0. */
bool bhttp_next_field(struct span fields, size_t *at, struct span *name, struct span *value);
/* Fields that core and client say things to each other with: no function sees or sets them. */
static inline bool bhttp_field_reserved(struct span name)
{
    return name.size >= 6 && memcmp(name.data, "tfaas-", 6) == 0;
}

/* Writers: call begin, then field any number of times, then end. `scratch` holds the header
 * section while it grows (its length comes first on the wire). */
struct bhttp_writer {
    struct writer out, fields;
};
void bhttp_begin_request(struct bhttp_writer *w, void *out, size_t capacity, void *scratch,
                         size_t scratch_capacity, struct span method, struct span scheme,
                         struct span authority, struct span path);
void bhttp_begin_response(struct bhttp_writer *w, void *out, size_t capacity, void *scratch,
                          size_t scratch_capacity, unsigned status);
/* The name is written in lower case. */
void bhttp_field(struct bhttp_writer *w, struct span name, struct span value);
/* Bytes of the head, 0 when something did not fit. */
size_t bhttp_end(struct bhttp_writer *w);

#endif
