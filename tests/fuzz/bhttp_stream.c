/* needs: common/bhttp_stream.c common/bhttp.c */
/*
 * bhttp_stream.c - fuzzes the reader of whole Binary HTTP messages: the size of the pieces it is
 * fed with changes nothing; what it accepts can be written anew and reads the same; nothing is
 * whole before the end was told. The first byte is the size of a piece.
 */
#include "bhttp_stream.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (1u << 20)

static void check(bool ok)
{
    if (!ok)
        abort();
}

struct result {
    tfaas_status_t status;
    struct writer out; /* the message in known-length form */
};

static void put_head(struct writer *w, const struct bhttp_event *e)
{
    if (w->at == 0)
        bhttp_put_framing(w, e->head.is_response ? BHTTP_KNOWN_RESPONSE : BHTTP_KNOWN_REQUEST);
    if (e->head.is_response)
        bhttp_put_status(w, e->head.status);
    else
        bhttp_put_request(w, e->head.method, e->head.scheme, e->head.authority, e->head.path);
    bhttp_put_part(w, e->head.fields);
}

static struct result read_all(const uint8_t *data, size_t size, size_t piece, uint8_t *out,
                              uint8_t *content_bytes)
{
    static uint8_t buffer[BHTTP_HEAD_MAX];
    struct result r = {.out = writer_of(out, OUT_MAX)};
    struct writer content = writer_of(content_bytes, OUT_MAX);
    struct bhttp_reader reader;
    struct bhttp_event event = {.kind = BHTTP_MORE};
    const char *why = NULL;
    bhttp_reader_begin(&reader, buffer, sizeof(buffer));
    for (size_t at = 0; r.status == TFAAS_OK && event.kind != BHTTP_END;) {
        size_t part = size - at < piece ? size - at : piece;
        struct cursor in = cursor_of(data + at, part);
        at += part;
        do {
            r.status = bhttp_reader_next(&reader, &in, at == size, &event, &why);
            if (r.status != TFAAS_OK)
                break;
            if (event.kind == BHTTP_HEAD || event.kind == BHTTP_INFORMATIONAL)
                put_head(&r.out, &event);
            if (event.kind == BHTTP_CONTENT)
                writer_put(&content, event.content.data, event.content.size);
        } while (event.kind != BHTTP_MORE && event.kind != BHTTP_END);
        check(event.kind != BHTTP_END || at == size);
    }
    check(r.status == TFAAS_OK || why != NULL);
    if (r.status == TFAAS_OK) {
        bhttp_put_part(&r.out, (struct span){content.data, content.at});
        bhttp_put_part(&r.out, event.head.fields);
        check(!r.out.failed);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t a[OUT_MAX], b[OUT_MAX], content[OUT_MAX];
    if (size < 1 || size > OUT_MAX / 4)
        return 0;
    struct result whole = read_all(data + 1, size - 1, size, a, content);
    struct result pieces = read_all(data + 1, size - 1, data[0] % 16 + 1u, b, content);
    check(whole.status == pieces.status);
    if (whole.status != TFAAS_OK)
        return 0;
    check(whole.out.at == pieces.out.at && memcmp(a, b, whole.out.at) == 0);
    struct result again = read_all(a, whole.out.at, 1000, b, content);
    check(again.status == TFAAS_OK && again.out.at == whole.out.at);
    check(memcmp(a, b, again.out.at) == 0);
    return 0;
}
