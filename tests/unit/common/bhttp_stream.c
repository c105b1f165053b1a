/* needs: common/bhttp_stream.c common/bhttp.c */
/*
 * bhttp_stream.c - tests of common/bhttp_stream.c: messages of both framings in pieces of every
 * size, truncation where RFC 9292 section 3.8 allows it and nowhere else, padding, bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "bhttp_stream.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* What was read, as text: a line for each event, content joined. */
struct seen {
    tfaas_status_t status;
    bool whole;
    char text[70000];
    size_t size;
    const char *why;
};

static void say(struct seen *s, const char *before, struct span what, const char *after)
{
    s->size += (size_t)snprintf(s->text + s->size, sizeof(s->text) - s->size, "%s%.*s%s", before,
                                (int)what.size, what.data ? (const char *)what.data : "", after);
    assert_true(s->size < sizeof(s->text));
}

static void say_fields(struct seen *s, struct span fields)
{
    struct span name, value;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);) {
        say(s, "", name, ": ");
        say(s, "", value, "\n");
    }
}

static void say_event(struct seen *s, const struct bhttp_event *e)
{
    char status[16];
    snprintf(status, sizeof(status), "%u\n", e->head.status);
    switch (e->kind) {
    case BHTTP_INFORMATIONAL:
        say(s, "info ", text(status), "");
        say_fields(s, e->head.fields);
        break;
    case BHTTP_HEAD:
        if (e->head.is_response) {
            say(s, "status ", text(status), "");
        } else {
            say(s, "", e->head.method, " ");
            say(s, "", e->head.scheme, " ");
            say(s, "", e->head.authority, " ");
            say(s, "", e->head.path, "\n");
        }
        say_fields(s, e->head.fields);
        say(s, "--\n", text(""), "");
        break;
    case BHTTP_CONTENT:
        assert_true(e->content.size > 0);
        say(s, "", e->content, "");
        break;
    case BHTTP_END:
        say(s, "\n--\n", text(""), "");
        assert_null(e->head.method.data); /* its bytes have been written over */
        say_fields(s, e->head.fields);
        s->whole = true;
        break;
    default:
        break;
    }
}

static struct seen seen;

static void read_pieces(const uint8_t *data, size_t size, size_t piece, size_t capacity)
{
    struct bhttp_reader r;
    uint8_t *buffer = malloc(capacity ? capacity : 1);
    seen.status = TFAAS_OK;
    seen.whole = false;
    seen.size = 0;
    seen.why = NULL;
    bhttp_reader_begin(&r, buffer, capacity);
    for (size_t at = 0; seen.status == TFAAS_OK && !seen.whole;) {
        size_t part = size - at < piece ? size - at : piece;
        bool last = at + part == size && (piece % 2 || part == 0); /* or the end comes alone */
        uint8_t *copy = malloc(part ? part : 1);
        if (part)
            memcpy(copy, data + at, part);
        struct cursor in = cursor_of(copy, part);
        struct bhttp_event event;
        do {
            seen.status = bhttp_reader_next(&r, &in, last, &event, &seen.why);
            if (seen.status != TFAAS_OK)
                break;
            say_event(&seen, &event);
        } while (event.kind != BHTTP_MORE && event.kind != BHTTP_END);
        if (seen.status == TFAAS_OK)
            assert_int_equal(cursor_left(&in), 0);
        free(copy);
        at += part;
    }
    if (seen.status != TFAAS_OK) {
        struct bhttp_event event;
        struct cursor in = cursor_of(data, size);
        const char *why;
        assert_non_null(seen.why);
        assert_int_equal(bhttp_reader_next(&r, &in, true, &event, &why), TFAAS_BAD_REQUEST);
    }
    free(buffer);
}

static void expect_in_pieces(const uint8_t *data, size_t size, const char *want)
{
    for (size_t piece = 1; piece <= size + 1; piece++) {
        read_pieces(data, size, piece, BHTTP_HEAD_MAX);
        if (seen.status != TFAAS_OK)
            fail_msg("piece %zu: %s", piece, seen.why);
        assert_string_equal(seen.text, want);
    }
}

static const char request_seen[] = "POST https www.example.com /hello.txt\nuser-agent: curl\n"
                                   "accept-language: en, mi\n--\nHello, world\n--\ntrailer: yes\n";
static const char response_seen[] =
    "info 102\nrunning: \"sleep 15\"\ninfo 103\nlink: </style.css>\n"
    "link: </script.js>\nstatus 200\ndate: Mon\n--\nHello, world"
    "\n--\nend: of it\n";

static void put_section(struct writer *w, bool known, const char *const *fields)
{
    uint8_t section[256];
    struct writer s = writer_of(section, sizeof(section));
    for (size_t i = 0; fields[i]; i += 2)
        bhttp_put_field(known ? &s : w, text(fields[i]), text(fields[i + 1]));
    if (known)
        bhttp_put_part(w, (struct span){section, s.at});
    else
        bhttp_put_end(w);
}

static void put_content(struct writer *w, bool known)
{
    if (known) {
        bhttp_put_part(w, text("Hello, world"));
    } else {
        bhttp_put_chunk(w, text("Hel"));
        bhttp_put_chunk(w, text(""));
        bhttp_put_chunk(w, text("lo, worl"));
        bhttp_put_chunk(w, text("d"));
        bhttp_put_end(w);
    }
}

struct marks {
    size_t head, content, trailers; /* where each part begins */
};

static size_t write_request(uint8_t *out, size_t capacity, bool known, struct marks *m)
{
    struct writer w = writer_of(out, capacity);
    bhttp_put_framing(&w, known ? BHTTP_KNOWN_REQUEST : BHTTP_STREAM_REQUEST);
    bhttp_put_request(&w, text("POST"), text("https"), text("www.example.com"), text("/hello.txt"));
    m->head = w.at;
    put_section(
        &w, known,
        (const char *const[]){"User-Agent", "curl", "accept-language", "en, mi", NULL, NULL});
    m->content = w.at;
    put_content(&w, known);
    m->trailers = w.at;
    put_section(&w, known, (const char *const[]){"Trailer", "yes", NULL, NULL});
    assert_false(w.failed);
    return w.at;
}

static size_t write_response(uint8_t *out, size_t capacity, bool known, struct marks *m)
{
    struct writer w = writer_of(out, capacity);
    bhttp_put_framing(&w, known ? BHTTP_KNOWN_RESPONSE : BHTTP_STREAM_RESPONSE);
    bhttp_put_status(&w, 102);
    put_section(&w, known, (const char *const[]){"running", "\"sleep 15\"", NULL, NULL});
    bhttp_put_status(&w, 103);
    put_section(&w, known,
                (const char *const[]){"link", "</style.css>", "link", "</script.js>", NULL, NULL});
    bhttp_put_status(&w, 200);
    m->head = w.at;
    put_section(&w, known, (const char *const[]){"date", "Mon", NULL, NULL});
    m->content = w.at;
    put_content(&w, known);
    m->trailers = w.at;
    put_section(&w, known, (const char *const[]){"end", "of it", NULL, NULL});
    assert_false(w.failed);
    return w.at;
}

static void test_round_trips(void **state)
{
    (void)state;
    uint8_t out[512];
    struct marks m;
    for (int known = 0; known < 2; known++) {
        expect_in_pieces(out, write_request(out, sizeof(out), known, &m), request_seen);
        expect_in_pieces(out, write_response(out, sizeof(out), known, &m), response_seen);
    }
}

/* The shortest messages of RFC 9458's example: not even a header section. */
static void test_minimal(void **state)
{
    (void)state;
    static const uint8_t request[] = "\x00\x03GET\x05https\x0b"
                                     "example.com\x01/";
    static const uint8_t response[] = "\x01\x40\xc8", stream[] = "\x03\x40\xc8";
    expect_in_pieces(request, sizeof(request) - 1, "GET https example.com /\n--\n\n--\n");
    expect_in_pieces(response, 3, "status 200\n--\n\n--\n");
    expect_in_pieces(stream, 3, "status 200\n--\n\n--\n");
    for (size_t cut = 0; cut < sizeof(request) - 1; cut++) {
        read_pieces(request, cut, 3, 100);
        assert_int_equal(seen.status, TFAAS_BAD_REQUEST);
    }
}

/* Cut anywhere: whole only where trailers (or content and trailers, or all sections) begin and are
 * then empty. */
static void check_cuts(const uint8_t *data, size_t size, const struct marks *m)
{
    for (size_t cut = 0; cut < size; cut++) {
        bool allowed = cut == m->head || cut == m->content || cut == m->trailers;
        for (size_t piece = 1; piece < 200; piece += 66) {
            read_pieces(data, cut, piece, 500);
            if (seen.status != (allowed ? TFAAS_OK : TFAAS_BAD_REQUEST))
                fail_msg("cut at %zu: %s", cut, seen.why);
            assert_int_equal(seen.whole, allowed);
        }
    }
}

static void test_truncation(void **state)
{
    (void)state;
    uint8_t out[512];
    struct marks m;
    for (int known = 0; known < 2; known++) {
        size_t size = write_request(out, sizeof(out), known, &m);
        check_cuts(out, size, &m);
        size = write_response(out, sizeof(out), known, &m);
        check_cuts(out, size, &m);
    }
    /* within a length */
    static const char *const within[] = {"\x01\x40\xc8\x40", "\x03\x40\xc8\x80\x01",
                                         "\x01\x40\xc8\x01\x40"};
    for (size_t i = 0; i < 3; i++) {
        read_pieces((const uint8_t *)within[i], strlen(within[i]), 9, 500);
        assert_int_equal(seen.status, TFAAS_BAD_REQUEST);
    }
    /* an informational response is not the last word, whatever follows is missing */
    static const uint8_t info[] = "\x01\x40\x66\x00", info_stream[] = "\x03\x40\x66\x00";
    for (size_t cut = 0; cut <= 4; cut++) {
        read_pieces(info, cut, 9, 500);
        assert_int_equal(seen.status, TFAAS_BAD_REQUEST);
        read_pieces(info_stream, cut, 9, 500);
        assert_int_equal(seen.status, TFAAS_BAD_REQUEST);
    }
}

static void test_padding(void **state)
{
    (void)state;
    uint8_t out[1024];
    struct marks m;
    for (int known = 0; known < 2; known++) {
        size_t size = write_request(out, sizeof(out), known, &m);
        struct writer w = writer_of(out, sizeof(out));
        w.at = size;
        bhttp_put_padding(&w, 1000);
        assert_int_equal(w.at, 1000);
        for (size_t piece = 1; piece < 1100; piece += 99) {
            read_pieces(out, 1000, piece, 500);
            assert_int_equal(seen.status, TFAAS_OK);
            assert_string_equal(seen.text, request_seen);
        }
        for (size_t at = size; at < 1000; at += 97) {
            out[at] = 1;
            read_pieces(out, 1000, 1000, 500);
            assert_int_equal(seen.status, TFAAS_BAD_REQUEST);
            assert_false(seen.whole);
            out[at] = 0;
        }
        /* a message cut before its content, padded: the zeros are its empty parts */
        memset(out + m.content, 0, 300);
        read_pieces(out, m.content + 300, 50, 500);
        assert_int_equal(seen.status, TFAAS_OK);
        assert_non_null(strstr(seen.text, "en, mi\n--\n\n--\n"));
    }
    struct writer w = writer_of(out, 10);
    bhttp_put_padding(&w, 11);
    assert_true(w.failed);
}

static void expect_bad(const char *bytes, size_t size, tfaas_status_t want, const char *part)
{
    for (size_t piece = 1; piece <= size + 1; piece++) {
        read_pieces((const uint8_t *)bytes, size, piece, 500);
        assert_int_equal(seen.status, want);
        if (!strstr(seen.why, part))
            fail_msg("reason is '%s', not about '%s'", seen.why, part);
    }
}
#define BAD(bytes, part) expect_bad(bytes, sizeof(bytes) - 1, TFAAS_BAD_REQUEST, part)

static void test_malformed(void **state)
{
    (void)state;
    BAD("\x04\x00\x00\x00", "framing");
    BAD("\x40\x05\x00\x00\x00", "framing");
    BAD("\x01\x40\x63\x00\x00\x00", "status");
    BAD("\x01\x42\x58\x00\x00\x00", "status");
    BAD("\x00\x03G T\x04http\x00\x01/", "method");
    BAD("\x02\x03GET\x04h tp\x00\x01/", "scheme");
    BAD("\x00\x03GET\x04http\x02@@\x01/", "authority");
    BAD("\x02\x03GET\x04http\x00\x01*", "path");
    BAD("\x01\x40\xc8\x04\x01"
        "A\x01"
        "b",
        "lower-case");
    BAD("\x03\x40\xc8\x01"
        "A\x01"
        "b\x00\x00\x00",
        "lower-case");
    BAD("\x03\x40\xc8\x01"
        "a\x02"
        "\r\n\x00\x00\x00",
        "CR");
    BAD("\x01\x40\xc8\x03\x01"
        "a\x05"
        "b",
        "past the end");
    BAD("\x01\x40\xc8\x00\x00\x04\x01"
        "a\x01\n",
        "CR"); /* in trailers */
    BAD("\x03\x40\xc8\x00\x00\x00\x01", "padding");
}

static void test_bounds(void **state)
{
    (void)state;
    static uint8_t out[BHTTP_HEAD_MAX], value[BHTTP_HEAD_MAX];
    memset(value, 'v', sizeof(value));
    uint8_t huge[] = {3, 0x40, 0xc8, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    read_pieces(huge, sizeof(huge), 2, BHTTP_HEAD_MAX); /* the length alone tells */
    assert_int_equal(seen.status, TFAAS_TOO_LARGE);
    huge[3] = 0xff;
    huge[0] = 1;
    memset(huge + 3, 0xff, 8);
    read_pieces(huge, sizeof(huge), 2, BHTTP_HEAD_MAX);
    assert_int_equal(seen.status, TFAAS_TOO_LARGE);
    for (int framing = 0; framing < 2; framing++)
        for (size_t size = 90; size < 110; size++) { /* around a buffer of 100 */
            uint8_t section[200];
            struct writer w = writer_of(out, sizeof(out)), s = writer_of(section, sizeof(section));
            bhttp_put_framing(&w, framing ? BHTTP_STREAM_RESPONSE : BHTTP_KNOWN_RESPONSE);
            bhttp_put_status(&w, 200);
            bhttp_put_field(framing ? &w : &s, text("n"), (struct span){value, size});
            if (framing)
                bhttp_put_end(&w);
            else
                bhttp_put_part(&w, (struct span){section, s.at});
            read_pieces(out, w.at, 11, 100);
            assert_int_equal(seen.status, size <= 96 ? TFAAS_OK : TFAAS_TOO_LARGE);
        }
    for (unsigned count = BHTTP_FIELDS_MAX; count <= BHTTP_FIELDS_MAX + 1; count++) {
        struct writer w = writer_of(out, sizeof(out));
        bhttp_put_framing(&w, BHTTP_STREAM_RESPONSE);
        bhttp_put_status(&w, 200);
        for (unsigned i = 0; i < count; i++)
            bhttp_put_field(&w, text("n"), text("v"));
        bhttp_put_end(&w);
        read_pieces(out, w.at, 100, BHTTP_HEAD_MAX);
        assert_int_equal(seen.status, count <= BHTTP_FIELDS_MAX ? TFAAS_OK : TFAAS_TOO_LARGE);
    }
    for (unsigned count = BHTTP_INFORMATIONAL_MAX; count <= BHTTP_INFORMATIONAL_MAX + 1; count++) {
        struct writer w = writer_of(out, sizeof(out));
        bhttp_put_framing(&w, BHTTP_STREAM_RESPONSE);
        for (unsigned i = 0; i < count; i++) {
            bhttp_put_status(&w, 100);
            bhttp_put_end(&w);
        }
        bhttp_put_status(&w, 204);
        read_pieces(out, w.at, 5, 100);
        assert_int_equal(seen.status,
                         count <= BHTTP_INFORMATIONAL_MAX ? TFAAS_OK : TFAAS_TOO_LARGE);
    }
}

/* What the head reader of the windows' streams takes, this reader takes, with the same result. */
static void test_same_heads(void **state)
{
    (void)state;
    uint8_t out[512], buffer[512];
    struct marks m;
    struct bhttp_head head;
    struct bhttp_reader r;
    struct bhttp_event event;
    const char *why;
    size_t size = write_request(out, sizeof(out), true, &m);
    assert_int_equal(bhttp_read_head(out, size, &head, &why), TFAAS_OK);
    bhttp_reader_begin(&r, buffer, sizeof(buffer));
    struct cursor in = cursor_of(out, size);
    assert_int_equal(bhttp_reader_next(&r, &in, true, &event, &why), TFAAS_OK);
    assert_int_equal(event.kind, BHTTP_HEAD);
    assert_int_equal(in.at, head.size);
    assert_int_equal(event.head.fields.size, head.fields.size);
    assert_memory_equal(event.head.fields.data, head.fields.data, head.fields.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_minimal),
        cmocka_unit_test(test_truncation),  cmocka_unit_test(test_padding),
        cmocka_unit_test(test_malformed),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_same_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
