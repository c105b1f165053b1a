/* needs: common/cbor.c */
/*
 * cbor.c - tests of common/cbor.c: round trips at every size boundary, and that each value has
 * exactly one accepted encoding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include "cbor.h"

static const uint64_t boundaries[] = {0,     1,     23,         24,         255,       256,
                                      65535, 65536, UINT32_MAX, 1ull << 32, INT64_MAX, UINT64_MAX};

static void test_uint_round_trip(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1, 1, 2, 2, 3, 3, 5, 5, 9, 9, 9};
    for (size_t i = 0; i < sizeof(boundaries) / sizeof(boundaries[0]); i++) {
        uint8_t bytes[9];
        struct writer w = writer_of(bytes, sizeof(bytes));
        cbor_put_uint(&w, boundaries[i]);
        assert_false(w.failed);
        assert_int_equal(w.at, sizes[i]);
        struct cursor c = cursor_of(bytes, w.at);
        assert_true(cbor_uint(&c) == boundaries[i]);
        assert_false(c.failed);
        assert_int_equal(cursor_left(&c), 0);
        for (size_t cut = 0; cut < w.at; cut++) { /* no prefix is a value */
            c = cursor_of(bytes, cut);
            assert_true(cbor_uint(&c) == 0);
            assert_true(c.failed);
        }
    }
}

static bool reads_uint(const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_of(bytes, size);
    cbor_uint(&c);
    return !c.failed;
}

static void test_longer_forms_are_refused(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        uint8_t one[] = {0x18, (uint8_t)value};
        uint8_t two[] = {0x19, 0, (uint8_t)value};
        uint8_t four[] = {0x1a, 0, 0, 0xff, (uint8_t)value};
        uint8_t eight[] = {0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, (uint8_t)value};
        assert_int_equal(reads_uint(one, sizeof(one)), value >= 24);
        assert_false(reads_uint(two, sizeof(two)));
        assert_false(reads_uint(four, sizeof(four)));
        assert_false(reads_uint(eight, sizeof(eight)));
    }
}

static void test_reserved_and_indefinite_are_refused(void **state)
{
    (void)state;
    for (unsigned info = 28; info < 32; info++) {
        for (unsigned major = 0; major < 8; major++) {
            uint8_t bytes[16] = {(uint8_t)(major << 5 | info)};
            struct cursor c = cursor_of(bytes, sizeof(bytes));
            if (major == CBOR_BYTES)
                cbor_bytes(&c);
            else if (major == CBOR_TEXT)
                cbor_text(&c);
            else if (major == CBOR_ARRAY)
                cbor_array(&c);
            else if (major == CBOR_MAP)
                cbor_map(&c);
            else
                cbor_uint(&c);
            assert_true(c.failed);
        }
    }
}

static void test_wrong_type_is_refused(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[64] = {(uint8_t)first, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30};
        memset(bytes + 1, '0', sizeof(bytes) - 1);
        struct cursor u = cursor_of(bytes, 64), b = u, t = u, a = u, m = u, f = u;
        cbor_uint(&u);
        cbor_bytes(&b);
        cbor_text(&t);
        cbor_array(&a);
        cbor_map(&m);
        cbor_bool(&f);
        unsigned major = first >> 5;
        assert_true(u.failed || major == 0);
        assert_true(b.failed || major == 2);
        assert_true(t.failed || major == 3);
        assert_true(a.failed || major == 4);
        assert_true(m.failed || major == 5);
        assert_int_equal(!f.failed, first == 0xf4 || first == 0xf5);
    }
}

static void test_strings(void **state)
{
    (void)state;
    uint8_t bytes[32];
    struct writer w = writer_of(bytes, sizeof(bytes));
    cbor_put_bytes(&w, "\0\xff", 2);
    cbor_put_text(&w, "a\xc3\xa9", 3);
    cbor_put_text(&w, "", 0);
    struct cursor c = cursor_of(bytes, w.at);
    struct span b = cbor_bytes(&c), t = cbor_text(&c), e = cbor_text(&c);
    assert_false(c.failed);
    assert_int_equal(b.size, 2);
    assert_memory_equal(b.data, "\0\xff", 2);
    assert_true(span_is(t, "a\xc3\xa9"));
    assert_int_equal(e.size, 0);
    uint8_t longer_than_input[] = {0x58, 0xff, 1, 2};
    c = cursor_of(longer_than_input, sizeof(longer_than_input));
    assert_null(cbor_bytes(&c).data);
    assert_true(c.failed);
    uint8_t huge[] = {0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    c = cursor_of(huge, sizeof(huge));
    cbor_bytes(&c);
    assert_true(c.failed);
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool ok;
    } cases[] = {
        {"plain", 5, true},
        {"\0", 1, false},
        {"a\0b", 3, false},
        {"\x7f", 1, true},
        {"\x80", 1, false},
        {"\xc0\x80", 2, false}, /* overlong NUL */
        {"\xc1\xbf", 2, false}, /* overlong */
        {"\xc2\x80", 2, true},
        {"\xdf\xbf", 2, true},
        {"\xc2", 1, false},
        {"\xc2\x41", 2, false},
        {"\xe0\x9f\xbf", 3, false}, /* overlong */
        {"\xe0\xa0\x80", 3, true},
        {"\xed\x9f\xbf", 3, true},
        {"\xed\xa0\x80", 3, false}, /* surrogate */
        {"\xef\xbf\xbf", 3, true},
        {"\xe2\x82", 2, false},
        {"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
        {"\xf0\x90\x80\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 4, false},
        {"\xff", 1, false},
        {"\xf0\x90\x80", 3, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span s = {(const uint8_t *)cases[i].bytes, cases[i].size};
        assert_int_equal(cbor_text_ok(s), cases[i].ok);
    }
}

/* A count that cannot be true fails at once: nobody allocates for it. */
static void test_counts_are_bounded_by_the_input(void **state)
{
    (void)state;
    uint8_t array[] = {0x84, 0, 0, 0};
    struct cursor c = cursor_of(array, sizeof(array));
    assert_int_equal(cbor_array(&c), 0);
    assert_true(c.failed);
    uint8_t fits[] = {0x83, 0, 0, 0};
    c = cursor_of(fits, sizeof(fits));
    assert_int_equal(cbor_array(&c), 3);
    assert_false(c.failed);
    uint8_t map[] = {0xa2, 0, 0, 0};
    c = cursor_of(map, sizeof(map));
    cbor_map(&c);
    assert_true(c.failed);
    uint8_t map_max[] = {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    c = cursor_of(map_max, sizeof(map_max));
    cbor_map(&c);
    assert_true(c.failed);
}

static void test_bool_and_failure_sticks(void **state)
{
    (void)state;
    uint8_t bytes[4];
    struct writer w = writer_of(bytes, sizeof(bytes));
    cbor_put_bool(&w, true);
    cbor_put_bool(&w, false);
    cbor_put_uint(&w, 5);
    struct cursor c = cursor_of(bytes, w.at);
    assert_true(cbor_bool(&c));
    assert_false(cbor_bool(&c));
    assert_false(c.failed);
    assert_false(cbor_bool(&c));
    assert_true(c.failed);
    c.at = 2;
    assert_int_equal(cbor_uint(&c), 0);
    assert_true(c.failed);
}

static void test_writer_measures_and_stops(void **state)
{
    (void)state;
    struct writer measure = writer_of(NULL, 0);
    cbor_put_map(&measure, 300);
    cbor_put_array(&measure, 5);
    cbor_put_text(&measure, "hello", 5);
    assert_true(measure.failed);
    assert_int_equal(measure.at, 3 + 1 + 6);
    uint8_t small[4] = {0};
    struct writer w = writer_of(small, 2);
    cbor_put_text(&w, "hello", 5);
    assert_true(w.failed);
    assert_int_equal(small[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uint_round_trip),
        cmocka_unit_test(test_longer_forms_are_refused),
        cmocka_unit_test(test_reserved_and_indefinite_are_refused),
        cmocka_unit_test(test_wrong_type_is_refused),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_counts_are_bounded_by_the_input),
        cmocka_unit_test(test_bool_and_failure_sticks),
        cmocka_unit_test(test_writer_measures_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
