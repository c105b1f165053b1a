/*
 * bhttp_stream.c - whole Binary HTTP messages in pieces (common/bhttp_stream.h, RFC 9292).
 * Must never take a message for whole that was cut anywhere but where section 3.8 allows it.
 */
#include "bhttp_stream.h"

enum state {
    FRAMING, /* these wait for a number ... */
    PART_SIZE,
    STATUS,
    SECTION_SIZE,
    NAME_SIZE,
    VALUE_SIZE,
    CONTENT_SIZE,
    PART, /* ... these for bytes */
    SECTION,
    NAME,
    VALUE,
    CONTENT,
    PADDING,
    DONE,
    FAILED,
};

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

static tfaas_status_t too_large(const char **why, const char *text)
{
    *why = text;
    return TFAAS_TOO_LARGE;
}

void bhttp_reader_begin(struct bhttp_reader *r, uint8_t *buffer, size_t capacity)
{
    *r = (struct bhttp_reader){.buffer = buffer, .capacity = capacity, .state = FRAMING};
}

/* --- steps --- */

/* Bytes that go into the buffer. */
static tfaas_status_t expect_bytes(struct bhttp_reader *r, enum state state, uint64_t size,
                                   const char **why)
{
    if (size > r->capacity - r->used)
        return too_large(why, "message: a head or its trailers are larger than the limit");
    r->state = state;
    r->left = size;
    return TFAAS_OK;
}

static void expect_fields(struct bhttp_reader *r)
{
    r->section_at = r->used;
    r->state = r->is_indeterminate ? NAME_SIZE : SECTION_SIZE;
}

static void expect_trailers(struct bhttp_reader *r)
{
    r->used = 0;
    r->is_trailer = true;
    expect_fields(r);
}

static bool is_informational(const struct bhttp_reader *r)
{
    return r->head.is_response && r->head.status < 200;
}

/* A field section is there; what comes next depends on whose it was. */
static tfaas_status_t end_of_fields(struct bhttp_reader *r, struct bhttp_event *event,
                                    const char **why)
{
    r->head.fields = (struct span){r->buffer + r->section_at, r->used - r->section_at};
    tfaas_status_t status = bhttp_check_fields(r->head.fields, why);
    if (status != TFAAS_OK)
        return status;
    r->head.size = r->used;
    if (r->is_trailer) {
        r->state = PADDING;
        return TFAAS_OK;
    }
    event->head = r->head;
    if (!is_informational(r)) {
        event->kind = BHTTP_HEAD;
        r->state = CONTENT_SIZE;
        return TFAAS_OK;
    }
    if (++r->informational_count > BHTTP_INFORMATIONAL_MAX)
        return too_large(why, "message: more than 16 informational responses");
    event->kind = BHTTP_INFORMATIONAL;
    r->used = 0;
    r->state = STATUS;
    return TFAAS_OK;
}

static tfaas_status_t on_framing(struct bhttp_reader *r, uint64_t framing, const char **why)
{
    if (framing > BHTTP_STREAM_RESPONSE)
        return refuse(why, "message: unknown framing indicator");
    r->is_indeterminate = framing >= BHTTP_STREAM_REQUEST;
    r->head.is_response = framing & 1;
    r->state = r->head.is_response ? STATUS : PART_SIZE;
    return TFAAS_OK;
}

static tfaas_status_t on_status(struct bhttp_reader *r, uint64_t status, const char **why)
{
    if (status < 100 || status > 599)
        return refuse(why, "message: status is not in 100..599");
    r->head.status = (unsigned)status;
    expect_fields(r);
    return TFAAS_OK;
}

/* The length of a name or a value goes into the buffer before it, as in a known-length section. */
static tfaas_status_t on_field_size(struct bhttp_reader *r, enum state state, uint64_t size,
                                    const char **why)
{
    struct writer w = writer_of(r->buffer, r->capacity);
    w.at = r->used;
    writer_varint(&w, size);
    if (w.failed)
        return too_large(why, "message: a head or its trailers are larger than the limit");
    r->used = w.at;
    return expect_bytes(r, state, size, why);
}

static void on_content_size(struct bhttp_reader *r, uint64_t size)
{
    if (size == 0) {
        expect_trailers(r);
    } else {
        r->content_seen = true;
        r->left = size;
        r->state = CONTENT;
    }
}

static tfaas_status_t on_number(struct bhttp_reader *r, uint64_t value, struct bhttp_event *event,
                                const char **why)
{
    switch (r->state) {
    case FRAMING:
        return on_framing(r, value, why);
    case PART_SIZE:
        return expect_bytes(r, PART, value, why);
    case STATUS:
        return on_status(r, value, why);
    case SECTION_SIZE:
        return expect_bytes(r, SECTION, value, why);
    case NAME_SIZE:
        return value ? on_field_size(r, NAME, value, why) : end_of_fields(r, event, why);
    case VALUE_SIZE:
        return on_field_size(r, VALUE, value, why);
    default:
        on_content_size(r, value);
        return TFAAS_OK;
    }
}

static tfaas_status_t end_of_part(struct bhttp_reader *r, const char **why)
{
    struct span *parts[BHTTP_PARTS] = {&r->head.method, &r->head.scheme, &r->head.authority,
                                       &r->head.path};
    *parts[r->part] = (struct span){r->buffer + r->section_at, r->used - r->section_at};
    r->section_at = r->used; /* where the next part begins */
    tfaas_status_t status = bhttp_check_part(r->part, *parts[r->part], why);
    if (++r->part < BHTTP_PARTS)
        r->state = PART_SIZE;
    else
        expect_fields(r);
    return status;
}

/* --- input --- */

/* True when a whole number is there. */
static bool take_number(struct bhttp_reader *r, struct cursor *in, uint64_t *value)
{
    while (cursor_left(in) > 0) {
        r->varint[r->varint_held++] = cursor_u8(in);
        size_t size = (size_t)1 << (r->varint[0] >> 6);
        if (r->varint_held < size)
            continue;
        struct cursor c = cursor_of(r->varint, size);
        *value = cursor_varint(&c);
        r->varint_held = 0;
        return true;
    }
    return false;
}

/* Section 3.8: what is missing at the end counts as empty. A number, a field section or a content
 * that has begun is not missing; a status never may be, so an informational response is no end. */
static bool may_be_missing(const struct bhttp_reader *r)
{
    if (r->varint_held > 0)
        return false;
    switch (r->state) {
    case SECTION_SIZE:
        return true;
    case NAME_SIZE:
        return r->used == r->section_at;
    case CONTENT_SIZE:
        return !r->content_seen;
    default:
        return false;
    }
}

static tfaas_status_t step_number(struct bhttp_reader *r, struct cursor *in, bool last,
                                  struct bhttp_event *event, bool *starved, const char **why)
{
    uint64_t value = 0;
    if (!take_number(r, in, &value) && !(last && may_be_missing(r))) {
        *starved = true;
        return TFAAS_OK;
    }
    return on_number(r, value, event, why);
}

static tfaas_status_t step_bytes(struct bhttp_reader *r, struct cursor *in,
                                 struct bhttp_event *event, bool *starved, const char **why)
{
    size_t left = cursor_left(in);
    struct span piece = cursor_take(in, r->left < left ? r->left : left);
    if (piece.size)
        memcpy(r->buffer + r->used, piece.data, piece.size);
    r->used += piece.size;
    r->left -= piece.size;
    if (r->left > 0) {
        *starved = true;
        return TFAAS_OK;
    }
    switch (r->state) {
    case PART:
        return end_of_part(r, why);
    case SECTION:
        return end_of_fields(r, event, why);
    case NAME:
        r->state = VALUE_SIZE;
        return TFAAS_OK;
    default:
        r->state = NAME_SIZE;
        return TFAAS_OK;
    }
}

static void step_content(struct bhttp_reader *r, struct cursor *in, struct bhttp_event *event,
                         bool *starved)
{
    size_t left = cursor_left(in);
    if (left == 0) {
        *starved = true;
        return;
    }
    event->content = cursor_take(in, r->left < left ? r->left : left);
    event->kind = BHTTP_CONTENT;
    r->left -= event->content.size;
    if (r->left > 0)
        return;
    if (r->is_indeterminate)
        r->state = CONTENT_SIZE;
    else
        expect_trailers(r);
}

static tfaas_status_t step_padding(struct bhttp_reader *r, struct cursor *in, bool last,
                                   struct bhttp_event *event, bool *starved, const char **why)
{
    while (cursor_left(in) > 0)
        if (cursor_u8(in) != 0)
            return refuse(why, "message: padding is not zero");
    if (last) {
        event->kind = BHTTP_END;
        event->head = (struct bhttp_head){.is_response = r->head.is_response,
                                          .status = r->head.status,
                                          .fields = r->head.fields,
                                          .size = r->head.size};
        r->state = DONE;
    } else {
        *starved = true;
    }
    return TFAAS_OK;
}

static tfaas_status_t step(struct bhttp_reader *r, struct cursor *in, bool last,
                           struct bhttp_event *event, bool *starved, const char **why)
{
    switch (r->state) {
    case PART:
    case SECTION:
    case NAME:
    case VALUE:
        return step_bytes(r, in, event, starved, why);
    case CONTENT:
        step_content(r, in, event, starved);
        return TFAAS_OK;
    case PADDING:
        return step_padding(r, in, last, event, starved, why);
    case DONE:
    case FAILED:
        return refuse(why, "message: after the end, or after a failure");
    default:
        return step_number(r, in, last, event, starved, why);
    }
}

tfaas_status_t bhttp_reader_next(struct bhttp_reader *r, struct cursor *in, bool last,
                                 struct bhttp_event *event, const char **why)
{
    tfaas_status_t status = TFAAS_OK;
    bool starved = false;
    *event = (struct bhttp_event){.kind = BHTTP_MORE};
    while (status == TFAAS_OK && event->kind == BHTTP_MORE && !starved)
        status = step(r, in, last, event, &starved, why);
    if (status == TFAAS_OK && starved && last)
        status = refuse(why, "message: it ends too early");
    if (status != TFAAS_OK)
        r->state = FAILED;
    return status;
}

/* --- writing --- */

void bhttp_put_framing(struct writer *w, enum bhttp_framing framing)
{
    writer_varint(w, framing);
}

void bhttp_put_request(struct writer *w, struct span method, struct span scheme,
                       struct span authority, struct span path)
{
    bhttp_put_part(w, method);
    bhttp_put_part(w, scheme);
    bhttp_put_part(w, authority);
    bhttp_put_part(w, path);
}

void bhttp_put_status(struct writer *w, unsigned status)
{
    writer_varint(w, status);
}

void bhttp_put_field(struct writer *w, struct span name, struct span value)
{
    writer_varint(w, name.size);
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        writer_u8(w, c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    bhttp_put_part(w, value);
}

void bhttp_put_part(struct writer *w, struct span part)
{
    writer_vector(w, part.data, part.size);
}

void bhttp_put_chunk(struct writer *w, struct span content)
{
    if (content.size)
        bhttp_put_part(w, content);
}

void bhttp_put_end(struct writer *w)
{
    writer_u8(w, 0);
}

void bhttp_put_padding(struct writer *w, size_t size)
{
    static const uint8_t zeros[256];
    while (w->at < size && !w->failed) {
        size_t part = size - w->at < sizeof(zeros) ? size - w->at : sizeof(zeros);
        writer_put(w, zeros, part);
    }
}
