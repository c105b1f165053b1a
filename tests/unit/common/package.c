/* needs: common/package.c common/cbor.c */
/*
 * package.c - tests of common/package.c: round trip, one encoding per package, and that every way
 * to break a package is refused with a reason that names the field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "cbor.h"
#include "package.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static struct package_file file(const char *path, const char *content)
{
    return (struct package_file){text(path), text(content)};
}

/* Parses and frees; returns the status and the reason. */
static tfaas_status_t parse(const uint8_t *bytes, size_t size, const char **why)
{
    struct package package;
    *why = NULL;
    /* an exact heap copy, so that ASan sees a read past the end */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    tfaas_status_t status = package_read(copy, size, &package, why);
    package_free(&package);
    free(copy);
    return status;
}

static void expect(const struct writer *w, tfaas_status_t status, const char *part_of_why)
{
    const char *why;
    assert_false(w->failed);
    assert_int_equal(parse(w->data, w->at, &why), status);
    assert_non_null(why);
    if (!strstr(why, part_of_why))
        fail_msg("reason is '%s', not about '%s'", why, part_of_why);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct package_file files[] = {file("lib/b.js", "bbb"), file("handler.js", "module"),
                                   file("lib/a.js", ""), file("lib-a.js", "x")};
    uint8_t *bytes;
    size_t size;
    const char *why = NULL;
    assert_int_equal(package_write("js", "handler.js", files, 4, &bytes, &size, &why), TFAAS_OK);
    struct package package;
    assert_int_equal(package_read(bytes, size, &package, &why), TFAAS_OK);
    assert_true(span_is(package.runtime, "js"));
    assert_true(span_is(package.entry, "handler.js"));
    assert_int_equal(package.file_count, 4);
    assert_true(span_is(package.files[0].path, "handler.js"));
    assert_true(span_is(package.files[1].path, "lib-a.js"));
    assert_true(span_is(package_find(&package, text("lib/b.js")), "bbb"));
    assert_non_null(package_find(&package, text("lib/a.js")).data); /* empty, but there */
    assert_int_equal(package_find(&package, text("lib/a.js")).size, 0);
    assert_null(package_find(&package, text("lib")).data);
    assert_null(package_find(&package, text("lib/a.jsx")).data);
    assert_null(package_find(&package, text("")).data);
    package_free(&package);

    /* the order given does not matter: one package, one encoding */
    struct package_file other[] = {file("lib-a.js", "x"), file("lib/a.js", ""),
                                   file("handler.js", "module"), file("lib/b.js", "bbb")};
    uint8_t *again;
    size_t again_size;
    assert_int_equal(package_write("js", "handler.js", other, 4, &again, &again_size, &why),
                     TFAAS_OK);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    free(bytes);
    free(again);
}

/* The exact bytes: identities must not change by accident. */
static void test_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t golden[] = {0xa4, 1,   1,   2,   0x62, 'j',  's',  3,
                                     0x64, 'a', '.', 'j', 's',  4,    0x81, 0x82,
                                     0x64, 'a', '.', 'j', 's',  0x42, 'h',  'i'};
    struct package_file files[] = {file("a.js", "hi")};
    uint8_t *bytes;
    size_t size;
    const char *why;
    assert_int_equal(package_write("js", "a.js", files, 1, &bytes, &size, &why), TFAAS_OK);
    assert_int_equal(size, sizeof(golden));
    assert_memory_equal(bytes, golden, size);
    for (size_t cut = 0; cut < size; cut++) /* every truncation is refused, with a reason */
        assert_int_equal(parse(bytes, cut, &why), TFAAS_BAD_PACKAGE);
    free(bytes);
}

/* Every byte changed to every value: refused, or it is a package that encodes to these bytes. */
static void test_one_encoding_only(void **state)
{
    (void)state;
    struct package_file files[] = {file("a.js", "hi"), file("b/c.js", "there")};
    uint8_t *bytes;
    size_t size;
    const char *why;
    assert_int_equal(package_write("js", "a.js", files, 2, &bytes, &size, &why), TFAAS_OK);
    unsigned accepted = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t was = bytes[i];
        for (unsigned v = 0; v < 256; v++) {
            bytes[i] = (uint8_t)v;
            struct package package;
            if (package_read(bytes, size, &package, &why) != TFAAS_OK)
                continue;
            accepted++;
            char runtime[8] = {0}, entry[32] = {0};
            memcpy(runtime, package.runtime.data, package.runtime.size);
            memcpy(entry, package.entry.data, package.entry.size);
            uint8_t *again;
            size_t again_size;
            assert_int_equal(package_write(runtime, entry, package.files, package.file_count,
                                           &again, &again_size, &why),
                             TFAAS_OK);
            assert_int_equal(again_size, size);
            assert_memory_equal(again, bytes, size);
            free(again);
            package_free(&package);
        }
        bytes[i] = was;
    }
    assert_true(accepted > size); /* contents may hold any byte */
    free(bytes);
}

static void put_start(struct writer *w, uint64_t version, const char *runtime, const char *entry)
{
    cbor_put_map(w, 4);
    cbor_put_uint(w, 1);
    cbor_put_uint(w, version);
    cbor_put_uint(w, 2);
    cbor_put_text(w, runtime, strlen(runtime));
    cbor_put_uint(w, 3);
    cbor_put_text(w, entry, strlen(entry));
    cbor_put_uint(w, 4);
}

static void put_file(struct writer *w, const char *path)
{
    cbor_put_array(w, 2);
    cbor_put_text(w, path, strlen(path));
    cbor_put_bytes(w, "x", 1);
}

static struct writer start(uint8_t *bytes, size_t size, uint64_t file_count)
{
    struct writer w = writer_of(bytes, size);
    put_start(&w, 1, "js", "a");
    cbor_put_array(&w, file_count);
    return w;
}

static void test_each_field_is_named(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));
    cbor_put_map(&w, 3);
    memset(bytes + 1, 0, 32);
    w.at += 32;
    expect(&w, TFAAS_BAD_PACKAGE, "map of 4");
    w = writer_of(bytes, sizeof(bytes));
    cbor_put_array(&w, 4);
    expect(&w, TFAAS_BAD_PACKAGE, "map of 4");

    w = writer_of(bytes, sizeof(bytes));
    put_start(&w, 2, "js", "a");
    expect(&w, TFAAS_BAD_PACKAGE, "version");
    w = writer_of(bytes, sizeof(bytes));
    put_start(&w, 1, "perl", "a");
    expect(&w, TFAAS_BAD_PACKAGE, "runtime");
    w = writer_of(bytes, sizeof(bytes));
    put_start(&w, 1, "js", "../a");
    expect(&w, TFAAS_BAD_PACKAGE, "entry");

    for (uint8_t key = 1; key <= 4; key++) { /* each key in turn is another */
        w = start(bytes, sizeof(bytes), 1);
        put_file(&w, "a");
        const size_t at[] = {1, 3, 7, 10};
        assert_int_equal(bytes[at[key - 1]], key);
        bytes[at[key - 1]] = (uint8_t)(key + 1);
        char expected[16];
        snprintf(expected, sizeof(expected), "key %d", key);
        expect(&w, TFAAS_BAD_PACKAGE, expected);
    }

    w = start(bytes, sizeof(bytes), 0);
    expect(&w, TFAAS_BAD_PACKAGE, "files is empty");
    w = start(bytes, sizeof(bytes), 2);
    put_file(&w, "a");
    put_file(&w, "a");
    expect(&w, TFAAS_BAD_PACKAGE, "twice");
    w = start(bytes, sizeof(bytes), 2);
    put_file(&w, "b");
    put_file(&w, "a");
    expect(&w, TFAAS_BAD_PACKAGE, "not sorted");
    w = start(bytes, sizeof(bytes), 2);
    put_file(&w, "ab");
    put_file(&w, "a");
    expect(&w, TFAAS_BAD_PACKAGE, "not sorted");
    w = start(bytes, sizeof(bytes), 1);
    put_file(&w, "b");
    expect(&w, TFAAS_BAD_PACKAGE, "entry names no file");
    w = start(bytes, sizeof(bytes), 1);
    put_file(&w, "a");
    writer_u8(&w, 0);
    expect(&w, TFAAS_BAD_PACKAGE, "after the end");
    w = start(bytes, sizeof(bytes), 1);
    cbor_put_array(&w, 3);
    writer_put(&w, "\0\0\0\0", 4);
    expect(&w, TFAAS_BAD_PACKAGE, "array of path and content");
    w = start(bytes, sizeof(bytes), 1);
    cbor_put_array(&w, 2);
    cbor_put_bytes(&w, "a", 1);
    cbor_put_bytes(&w, "x", 1);
    expect(&w, TFAAS_BAD_PACKAGE, "file path is not");
    w = start(bytes, sizeof(bytes), 1);
    cbor_put_array(&w, 2);
    cbor_put_text(&w, "a", 1);
    cbor_put_text(&w, "x", 1);
    expect(&w, TFAAS_BAD_PACKAGE, "content");
    w = start(bytes, sizeof(bytes), 1);
    put_file(&w, "a/../b");
    expect(&w, TFAAS_BAD_PACKAGE, "clean relative path");
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",          "a/b",         ".a",  "..a", "a..", "a/.b/c", "node_modules/@x/y",
        "with space", "\xc3\xa9.js", "...", "a:b"};
    static const char *const bad[] = {"",     "/",    "/a",    "a/",   "a//b",   ".",
                                      "..",   "./a",  "../a",  "a/..", "a/.",    "a/./b",
                                      "a\\b", "a\nb", "a\x1f", "\xff", "a/../b", "\xc0\xaf"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(package_path_ok(text(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(package_path_ok(text(bad[i])));
    assert_false(package_path_ok((struct span){(const uint8_t *)"a\0b", 3}));
    uint8_t longest[PACKAGE_PATH_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_true(package_path_ok((struct span){longest, PACKAGE_PATH_MAX}));
    assert_false(package_path_ok((struct span){longest, PACKAGE_PATH_MAX + 1}));
}

static void test_writer_refuses(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    const char *why = NULL;
    struct package_file twice[] = {file("a", "1"), file("b", "2"), file("a", "3")};
    assert_int_equal(package_write("js", "a", twice, 3, &bytes, &size, &why), TFAAS_BAD_PACKAGE);
    assert_non_null(strstr(why, "twice"));
    struct package_file bad[] = {file("a", "1"), file("../b", "2")};
    assert_int_equal(package_write("js", "a", bad, 2, &bytes, &size, &why), TFAAS_BAD_PACKAGE);
    struct package_file one[] = {file("a", "1")};
    assert_int_equal(package_write("js", "b", one, 1, &bytes, &size, &why), TFAAS_BAD_PACKAGE);
    assert_int_equal(package_write("elf", "a", one, 1, &bytes, &size, &why), TFAAS_BAD_PACKAGE);
    assert_int_equal(package_write("js", "a", one, 0, &bytes, &size, &why), TFAAS_BAD_PACKAGE);
    assert_null(bytes);
    one[0].content.size = PACKAGE_SIZE_MAX; /* refused by size alone, never read */
    assert_int_equal(package_write("js", "a", one, 1, &bytes, &size, &why), TFAAS_TOO_LARGE);
    one[0].content.size = SIZE_MAX;
    assert_int_equal(package_write("js", "a", one, 1, &bytes, &size, &why), TFAAS_TOO_LARGE);
    assert_int_equal(package_write("js", "a", one, PACKAGE_FILES_MAX + 1, &bytes, &size, &why),
                     TFAAS_TOO_LARGE);
}

static void test_bounds(void **state)
{
    (void)state;
    struct package package;
    const char *why = NULL;
    uint8_t byte = 0xa4;
    assert_int_equal(package_read(&byte, PACKAGE_SIZE_MAX + 1u, &package, &why), TFAAS_TOO_LARGE);
    size_t size = 16 + (PACKAGE_FILES_MAX + 1) * 16;
    uint8_t *bytes = malloc(size);
    struct writer w = writer_of(bytes, size);
    put_start(&w, 1, "js", "000000");
    cbor_put_array(&w, PACKAGE_FILES_MAX + 1);
    for (unsigned i = 0; i < PACKAGE_FILES_MAX + 1; i++) {
        char path[16];
        snprintf(path, sizeof(path), "%06u", i);
        put_file(&w, path);
    }
    expect(&w, TFAAS_TOO_LARGE, "too many files");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_one_encoding_only),
        cmocka_unit_test(test_each_field_is_named),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
