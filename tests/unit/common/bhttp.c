/* needs: common/bhttp.c */
/* bhttp.c - tests of common/bhttp.c: the example of RFC 9292, round trips, and malformed heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "bhttp.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static tfaas_status_t read_copy(const uint8_t *bytes, size_t size, struct bhttp_head *head,
                                const char **why)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    *why = NULL;
    tfaas_status_t status = bhttp_read_head(copy, size, head, why);
    free(copy);
    return status;
}

/* RFC 9292 section 5.1, the request of its first example in known-length form: head and section. */
static void test_rfc_example(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x00\x03GET\x05https\x0fwww.example.com\x0a/hello.txt\x40\x6c"
                                   "\x0auser-agent\x34"
                                   "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3"
                                   "\x04host\x0fwww.example.com"
                                   "\x0f"
                                   "accept-language\x06"
                                   "en, mi\x00\x00";
    struct bhttp_head head;
    const char *why = NULL;
    assert_int_equal(bhttp_read_head(bytes, sizeof(bytes) - 1, &head, &why), TFAAS_OK);
    assert_false(head.is_response);
    assert_true(span_is(head.method, "GET"));
    assert_true(span_is(head.scheme, "https"));
    assert_true(span_is(head.authority, "www.example.com"));
    assert_true(span_is(head.path, "/hello.txt"));
    assert_int_equal(head.size, sizeof(bytes) - 1 - 2);
    struct span name, value;
    size_t at = 0;
    assert_true(bhttp_next_field(head.fields, &at, &name, &value));
    assert_true(span_is(name, "user-agent"));
    assert_true(bhttp_next_field(head.fields, &at, &name, &value));
    assert_true(span_is(name, "host"));
    assert_true(bhttp_next_field(head.fields, &at, &name, &value));
    assert_true(span_is(name, "accept-language"));
    assert_true(span_is(value, "en, mi"));
    assert_false(bhttp_next_field(head.fields, &at, &name, &value));
    assert_false(bhttp_next_field(head.fields, &at, &name, &value));
}

static size_t write_request(uint8_t *out, size_t capacity, const char *method, const char *scheme,
                            const char *authority, const char *path, struct span name,
                            struct span value)
{
    static uint8_t scratch[BHTTP_HEAD_MAX * 2];
    struct bhttp_writer w;
    bhttp_begin_request(&w, out, capacity, scratch, sizeof(scratch), text(method), text(scheme),
                        text(authority), text(path));
    if (name.size)
        bhttp_field(&w, name, value);
    return bhttp_end(&w);
}

static void test_round_trip_and_every_cut(void **state)
{
    (void)state;
    uint8_t out[256];
    size_t size = write_request(out, sizeof(out), "POST", "http", "f.example:8080", "/a/b?c=d",
                                text("Content-Type"), text("text/plain"));
    assert_true(size > 0);
    memcpy(out + size, "content", 7);
    struct bhttp_head head;
    const char *why;
    assert_int_equal(bhttp_read_head(out, size + 7, &head, &why), TFAAS_OK);
    assert_int_equal(head.size, size);
    struct span name, value;
    size_t at = 0;
    assert_true(bhttp_next_field(head.fields, &at, &name, &value));
    assert_true(span_is(name, "content-type")); /* written in lower case */
    assert_true(span_is(value, "text/plain"));
    for (size_t cut = 0; cut < size; cut++) /* more may come: never an error, never a head */
        assert_int_equal(read_copy(out, cut, &head, &why), TFAAS_NOT_FOUND);
}

static void test_response(void **state)
{
    (void)state;
    uint8_t out[64], scratch[64];
    struct bhttp_head head;
    const char *why;
    for (unsigned code = 0; code < 1000; code++) {
        struct bhttp_writer w;
        bhttp_begin_response(&w, out, sizeof(out), scratch, sizeof(scratch), code);
        bhttp_field(&w, text("X-A"), text("b"));
        size_t size = bhttp_end(&w);
        tfaas_status_t status = read_copy(out, size, &head, &why);
        if (code >= 200 && code <= 599) {
            assert_int_equal(status, TFAAS_OK);
            assert_true(head.is_response);
            assert_int_equal(head.status, code);
            assert_int_equal(head.size, size);
        } else {
            assert_int_equal(status, TFAAS_BAD_REQUEST);
            assert_non_null(strstr(why, "status"));
        }
    }
}

static void expect(const char *method, const char *scheme, const char *authority, const char *path,
                   struct span name, struct span value, const char *part_of_why)
{
    uint8_t out[512];
    struct bhttp_head head;
    const char *why;
    size_t size = write_request(out, sizeof(out), method, scheme, authority, path, name, value);
    assert_true(size > 0);
    tfaas_status_t status = read_copy(out, size, &head, &why);
    assert_int_equal(status, part_of_why ? TFAAS_BAD_REQUEST : TFAAS_OK);
    if (part_of_why && !strstr(why, part_of_why))
        fail_msg("reason is '%s', not about '%s'", why, part_of_why);
}

static void test_malformed_parts(void **state)
{
    (void)state;
    const struct span none = {NULL, 0};
    expect("PROPFIND", "http", "", "/", none, none, NULL);
    expect("", "http", "h", "/", none, none, "method");
    expect("GE T", "http", "h", "/", none, none, "method");
    expect("GET\r", "http", "h", "/", none, none, "method");
    expect("GET", "", "h", "/", none, none, "scheme");
    expect("GET", "1http", "h", "/", none, none, "scheme");
    expect("GET", "ht tp", "h", "/", none, none, "scheme");
    expect("GET", "http", "h\r\nx: y", "/", none, none, "authority");
    expect("GET", "http", "h/x", "/", none, none, "authority");
    expect("GET", "http", "user@h", "/", none, none, "authority");
    expect("GET", "http", "[::1]:80", "/", none, none, NULL);
    expect("GET", "http", "h", "", none, none, "path");
    expect("GET", "http", "h", "a", none, none, "path");
    expect("GET", "http", "h", "*", none, none, "path");
    expect("GET", "http", "h", "/a b", none, none, "path");
    expect("GET", "http", "h", "/a\r\n", none, none, "path");
    expect("GET", "http", "h", "/\xc3\xa9?x=%20", none, none, NULL);
    expect("GET", "http", "h", "/", text("na me"), text("v"), "field name");
    expect("GET", "http", "h", "/", text(":path"), text("v"), "field name");
    expect("GET", "http", "h", "/", text("a\n"), text("v"), "field name");
    expect("GET", "http", "h", "/", text("a"), text("v\r\nx: y"), "field value");
    expect("GET", "http", "h", "/", text("a"), text("v\n"), "field value");
    expect("GET", "http", "h", "/", text("a"), (struct span){(const uint8_t *)"v\0", 2},
           "field value");
    expect("GET", "http", "h", "/", text("a"), text("tab\tand \xe9"), NULL);
}

static void test_malformed_bytes(void **state)
{
    (void)state;
    struct bhttp_head head;
    const char *why;
    const uint8_t upper[] = "\x00\x03GET\x04http\x00\x01/\x04\x01"
                            "A\x01"
                            "b";
    assert_int_equal(read_copy(upper, sizeof(upper) - 1, &head, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "lower-case"));
    const uint8_t past[] = "\x00\x03GET\x04http\x00\x01/\x04\x01"
                           "a\x03"
                           "b";
    assert_int_equal(read_copy(past, sizeof(past) - 1, &head, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "past the end"));
    const uint8_t empty_name[] = "\x00\x03GET\x04http\x00\x01/\x03\x00\x01"
                                 "b";
    assert_int_equal(read_copy(empty_name, sizeof(empty_name) - 1, &head, &why), TFAAS_BAD_REQUEST);
    for (unsigned framing = 2; framing < 64; framing++) { /* indeterminate length and unknown */
        uint8_t bytes[] = {(uint8_t)framing, 0, 0};
        assert_int_equal(read_copy(bytes, sizeof(bytes), &head, &why), TFAAS_BAD_REQUEST);
        assert_non_null(strstr(why, "framing"));
    }
}

static void test_bounds(void **state)
{
    (void)state;
    static uint8_t out[BHTTP_HEAD_MAX * 2], big[BHTTP_HEAD_MAX * 2];
    memset(big, 'v', sizeof(big));
    struct bhttp_head head;
    const char *why;
    size_t overhead = write_request(out, sizeof(out), "GET", "http", "", "/", text("a"),
                                    (struct span){big, BHTTP_HEAD_MAX - 100}) -
                      (BHTTP_HEAD_MAX - 100);
    size_t size = write_request(out, sizeof(out), "GET", "http", "", "/", text("a"),
                                (struct span){big, BHTTP_HEAD_MAX - overhead});
    assert_int_equal(size, BHTTP_HEAD_MAX);
    assert_int_equal(read_copy(out, size, &head, &why), TFAAS_OK);
    size = write_request(out, sizeof(out), "GET", "http", "", "/", text("a"),
                         (struct span){big, BHTTP_HEAD_MAX - overhead + 1});
    assert_int_equal(read_copy(out, size, &head, &why), TFAAS_TOO_LARGE);
    /* the length alone says it: no waiting for bytes that can never be accepted */
    assert_int_equal(read_copy(out, 20, &head, &why), TFAAS_TOO_LARGE);
    const uint8_t huge[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(read_copy(huge, sizeof(huge), &head, &why), TFAAS_TOO_LARGE);

    for (unsigned fields = BHTTP_FIELDS_MAX; fields <= BHTTP_FIELDS_MAX + 1; fields++) {
        struct bhttp_writer w;
        bhttp_begin_response(&w, out, sizeof(out), big, sizeof(big), 200);
        for (unsigned i = 0; i < fields; i++)
            bhttp_field(&w, text("n"), text("v"));
        size = bhttp_end(&w);
        assert_int_equal(read_copy(out, size, &head, &why),
                         fields <= BHTTP_FIELDS_MAX ? TFAAS_OK : TFAAS_TOO_LARGE);
    }
}

static void test_writer_does_not_overrun(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity < 80; capacity++) {
        uint8_t *out = malloc(capacity ? capacity : 1), *scratch = malloc(capacity ? capacity : 1);
        struct bhttp_writer w;
        bhttp_begin_request(&w, out, capacity, scratch, capacity, text("GET"), text("http"),
                            text("host"), text("/path"));
        bhttp_field(&w, text("Name"), text("value value value value"));
        size_t size = bhttp_end(&w);
        assert_true(size == 0 || size <= capacity);
        assert_int_equal(size > 0, capacity >= 1 + 4 + 5 + 5 + 6 + 1 + 29);
        free(out);
        free(scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_example),
        cmocka_unit_test(test_round_trip_and_every_cut),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_malformed_parts),
        cmocka_unit_test(test_malformed_bytes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_writer_does_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
