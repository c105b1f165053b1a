/* clang-format off */
/* needs: common/sealed.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/fields.c common/cbor.c libs: sodium jansson */
/* clang-format on */
/*
 * sealed.c - tests of common/sealed.c: objects that another program sealed open, every changed byte
 * keeps them closed, policies, grants of others, log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include "sealed.h"
#include "vectors.h"

static json_t *vectors;

static struct span get(const char *group, const char *name)
{
    struct span s = vectors_hex(json_object_get(vectors, group), name);
    assert_non_null(s.data);
    return s;
}

static const uint8_t *key(const char *name)
{
    return get("keys", name).data;
}

static const char *const objects[] = {"sealed_secret", "sealed_package"};

/* Keeper and worker in a row; the content in `to`. */
static tfaas_status_t pass(struct span object, uint8_t *to, size_t *size)
{
    struct sealed sealed;
    const char *why;
    uint8_t content_key[32], grant[SEALED_GRANT_SIZE];
    tfaas_status_t status = sealed_read(object, &sealed, &why);
    if (status == TFAAS_OK)
        status = sealed_unwrap(&sealed, key("sealing_secret"), key("sealing_key"), content_key);
    if (status == TFAAS_OK)
        status = sealed_grant(&sealed, content_key, key("kem_key"), grant);
    if (status != TFAAS_OK)
        return status;
    *size = sealed.ciphertext.size - 16;
    return sealed_open(&sealed, (struct span){grant, sizeof grant}, key("kem_secret"),
                       key("kem_key"), to);
}

static void test_vectors_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct span object = get(objects[i], "object"), header = get(objects[i], "header");
        struct span content = get("sealed_content", "content");
        struct sealed sealed, short_form;
        const char *why;
        uint8_t out[256], content_key[32];
        assert_true(sealed_is(object));
        assert_int_equal(sealed_read(object, &sealed, &why), TFAAS_OK);
        uint8_t made[SEALED_HEADER_MAX];
        assert_int_equal(sealed_header(&sealed, made), header.size);
        assert_memory_equal(made, header.data, header.size);
        assert_int_equal(sealed_read_header(header, &short_form, &why), TFAAS_OK);
        assert_int_equal(short_form.ciphertext.size, 0);
        assert_int_equal(
            sealed_unwrap(&short_form, key("sealing_secret"), key("sealing_key"), content_key), 0);
        assert_memory_equal(content_key, get("sealed_content", "content_key").data, 32);
        assert_int_equal(
            sealed_open(&sealed, get(objects[i], "grant"), key("kem_secret"), key("kem_key"), out),
            TFAAS_OK);
        assert_memory_equal(out, content.data, content.size);
        assert_int_equal(sealed.ciphertext.size, content.size + 16);
    }
}

static void test_content(void **state)
{
    (void)state;
    struct sealed sealed;
    const char *why;
    uint8_t other[32] = {0};
    assert_int_equal(sealed_read(get("sealed_secret", "object"), &sealed, &why), TFAAS_OK);
    assert_true(span_is(sealed.kind, "secret") && span_is(sealed.name, "token"));
    assert_true(span_is(sealed.domain, "shop") && !sealed.any_package);
    assert_int_equal(sealed.package_count, 1);
    assert_true(sealed_allows(&sealed, get("sealed_content", "package").data));
    assert_false(sealed_allows(&sealed, other));
    assert_int_equal(sealed_read(get("sealed_package", "object"), &sealed, &why), TFAAS_OK);
    assert_memory_equal(sealed.log_key.data, key("log_key"), 32);
    assert_false(sealed_allows(&sealed, other));
    assert_false(sealed_is((struct span){(const uint8_t *)"\xa4\x01\x01", 3}));
}

static void test_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct span object = get(objects[i], "object"), grant = get(objects[i], "grant");
        struct sealed sealed;
        const char *why = NULL;
        for (size_t at = 0; at < object.size; at++) {
            uint8_t *copy = vectors_copy((struct span){object.data, at});
            assert_int_equal(sealed_read((struct span){copy, at}, &sealed, &why),
                             TFAAS_BAD_PACKAGE);
            assert_non_null(why);
            free(copy);
            copy = vectors_copy(object);
            copy[at] ^= (uint8_t)(1u << at % 8);
            tfaas_status_t status = sealed_read((struct span){copy, object.size}, &sealed, &why);
            uint8_t out[256];
            size_t size;
            if (status == TFAAS_OK) {
                assert_int_equal(
                    sealed_open(&sealed, grant, key("kem_secret"), key("kem_key"), out),
                    TFAAS_NOT_GRANTED);
                /* Nor does a keeper that is shown the changed object help. */
                status = pass((struct span){copy, object.size}, out, &size);
            }
            assert_true(status == TFAAS_BAD_PACKAGE || status == TFAAS_NOT_GRANTED);
            free(copy);
        }
        assert_int_equal(sealed_read(object, &sealed, &why), TFAAS_OK);
        for (size_t at = 0; at < grant.size; at++) {
            uint8_t *copy = vectors_copy(grant), out[256];
            copy[at] ^= 1;
            assert_int_equal(sealed_open(&sealed, (struct span){copy, grant.size},
                                         key("kem_secret"), key("kem_key"), out),
                             TFAAS_NOT_GRANTED);
            assert_int_equal(sealed_open(&sealed, (struct span){grant.data, at}, key("kem_secret"),
                                         key("kem_key"), out),
                             TFAAS_NOT_GRANTED);
            free(copy);
        }
    }
}

static void test_grants_are_of_one_object_and_worker(void **state)
{
    (void)state;
    struct sealed sealed;
    const char *why;
    uint8_t out[256], content_key[32];
    assert_int_equal(sealed_read(get("sealed_secret", "object"), &sealed, &why), TFAAS_OK);
    assert_int_equal(sealed_open(&sealed, get("sealed_package", "grant"), key("kem_secret"),
                                 key("kem_key"), out),
                     TFAAS_NOT_GRANTED);
    assert_int_equal(sealed_open(&sealed, get("sealed_secret", "grant"), key("request_secret"),
                                 key("request_key"), out),
                     TFAAS_NOT_GRANTED);
    assert_int_equal(sealed_unwrap(&sealed, key("request_secret"), key("request_key"), content_key),
                     TFAAS_NOT_GRANTED);
}

static void test_round_trip(void **state)
{
    (void)state;
    static uint8_t packages[SEALED_PACKAGES_MAX + 1][32], content[70000];
    char name[SEALED_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[SEALED_NAME_MAX] = '\0';
    struct sealed_options options = {.kind = "secret", .domain = "shop", .name = name};
    static const size_t sizes[] = {0, 1, 17, sizeof content};
    options.packages = (const uint8_t(*)[32])packages;
    for (size_t i = 0; i < 4; i++) {
        uint8_t *object, *out = malloc(sizeof content);
        size_t size, opened = 0;
        options.package_count = i == 0 ? 0 : SEALED_PACKAGES_MAX;
        assert_int_equal(sealed_make(&options, key("sealing_key"), (struct span){content, sizes[i]},
                                     &object, &size),
                         TFAAS_OK);
        assert_true(size <= sizes[i] + SEALED_OVERHEAD_MAX);
        assert_int_equal(pass((struct span){object, size}, out, &opened), TFAAS_OK);
        assert_int_equal(opened, sizes[i]);
        assert_memory_equal(out, content, opened);
        free(object);
        free(out);
    }
    uint8_t *object;
    size_t size;
    options.package_count = SEALED_PACKAGES_MAX + 1;
    assert_int_equal(
        sealed_make(&options, key("sealing_key"), (struct span){content, 1}, &object, &size),
        TFAAS_BAD_REQUEST);
    options.package_count = 0;
    name[SEALED_NAME_MAX] = 'n';
    name[SEALED_NAME_MAX + 1] = '\0';
    assert_int_equal(
        sealed_make(&options, key("sealing_key"), (struct span){content, 1}, &object, &size),
        TFAAS_BAD_REQUEST);
    options.name = "x";
    options.kind = "else";
    assert_int_equal(
        sealed_make(&options, key("sealing_key"), (struct span){content, 1}, &object, &size),
        TFAAS_BAD_REQUEST);
    options.kind = "secret";
    options.log_key = key("log_key");
    assert_int_equal(
        sealed_make(&options, key("sealing_key"), (struct span){content, 1}, &object, &size),
        TFAAS_BAD_REQUEST);
}

static void test_log_lines(void **state)
{
    (void)state;
    struct span line = get("log", "line"), text = get("log", "text");
    const uint8_t *package = get("sealed_content", "package").data;
    uint8_t *out, other[32] = {0};
    char *made;
    size_t size;
    assert_int_equal(sealed_log_open(key("log_secret"), key("log_key"), package, line, &out, &size),
                     TFAAS_OK);
    assert_int_equal(size, text.size);
    assert_memory_equal(out, text.data, size);
    free(out);
    assert_int_equal(sealed_log_open(key("log_secret"), key("log_key"), other, line, &out, &size),
                     TFAAS_NOT_OPENED);
    assert_int_equal(sealed_log_open(key("kem_secret"), key("kem_key"), package, line, &out, &size),
                     TFAAS_NOT_OPENED);
    for (size_t at = 0; at < line.size; at++) {
        uint8_t *copy = vectors_copy(line);
        copy[at] ^= 1;
        assert_int_not_equal(sealed_log_open(key("log_secret"), key("log_key"), package,
                                             (struct span){copy, line.size}, &out, &size),
                             TFAAS_OK);
        free(copy);
        copy = vectors_copy((struct span){line.data, at});
        assert_int_not_equal(sealed_log_open(key("log_secret"), key("log_key"), package,
                                             (struct span){copy, at}, &out, &size),
                             TFAAS_OK);
        free(copy);
    }
    assert_int_equal(sealed_log_make(key("log_key"), package, text, &made, &size), TFAAS_OK);
    assert_int_equal(made[size - 1], '\n');
    struct span back = {(const uint8_t *)made, size};
    assert_int_equal(sealed_log_open(key("log_secret"), key("log_key"), package, back, &out, &size),
                     TFAAS_OK);
    assert_memory_equal(out, text.data, text.size);
    free(out);
    free(made);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_open),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_grants_are_of_one_object_and_worker),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_log_lines),
    };
    if (sodium_init() < 0)
        return 1;
    vectors = vectors_load("tests/vectors/protocol/statements.json");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
