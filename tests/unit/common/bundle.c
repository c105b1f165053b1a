/* needs: common/bundle.c common/package.c common/cbor.c */
/* bundle.c - tests of common/bundle.c: round trip, bounds, and a named reason for every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "bundle.h"
#include "cbor.h"
#include "tfaas/abi.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static struct bundle_pair env[2], secrets[2];

static struct bundle sample(void)
{
    env[0] = (struct bundle_pair){text("B"), text("2")};
    env[1] = (struct bundle_pair){text("A"), text("")};
    secrets[0] = (struct bundle_pair){text("key"), {(const uint8_t *)"\0\xff", 2}};
    secrets[1] = (struct bundle_pair){text("api-token.txt"), text("t")};
    return (struct bundle){.package = text("package bytes"),
                           .name = text("hello"),
                           .env = env,
                           .env_count = 2,
                           .secrets = secrets,
                           .secret_count = 2,
                           .memory_limit = 1u << 26,
                           .deadline_ns = 10000000000u,
                           .response_limit = UINT64_MAX,
                           .log_limit = 0,
                           .hostcall_limit = 100000};
}

static tfaas_status_t parse(const uint8_t *bytes, size_t size, const char **why)
{
    struct bundle bundle;
    *why = NULL;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    tfaas_status_t status = bundle_read(copy, size, &bundle, why);
    bundle_free(&bundle);
    free(copy);
    return status;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct bundle bundle = sample(), got;
    uint8_t *bytes;
    size_t size;
    const char *why = NULL;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_OK);
    assert_int_equal(bundle_read(bytes, size, &got, &why), TFAAS_OK);
    assert_true(span_is(got.package, "package bytes"));
    assert_true(span_is(got.name, "hello"));
    assert_int_equal(got.env_count, 2);
    assert_true(span_is(got.env[0].name, "B")); /* order is kept */
    assert_true(span_is(got.env[1].name, "A"));
    assert_int_equal(got.env[1].value.size, 0);
    assert_int_equal(got.secret_count, 2);
    assert_memory_equal(got.secrets[0].value.data, "\0\xff", 2);
    assert_true(got.memory_limit == bundle.memory_limit);
    assert_true(got.deadline_ns == bundle.deadline_ns);
    assert_true(got.response_limit == UINT64_MAX);
    assert_true(got.log_limit == 0);
    assert_true(got.hostcall_limit == 100000);
    bundle_free(&got);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(parse(bytes, cut, &why), TFAAS_BAD_REQUEST);
        assert_non_null(why);
    }
    free(bytes);
}

static void test_cache_round_trip(void **state)
{
    (void)state;
    struct bundle bundle = sample(), got;
    uint8_t *bytes, *plain;
    size_t size, plain_size;
    const char *why = NULL;
    assert_int_equal(bundle_write(&bundle, &plain, &plain_size), TFAAS_OK);
    bundle.cache = text("sealed code");
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_OK);
    assert_int_equal(size, plain_size + 1 + 1 + 11);
    assert_int_equal(bundle_read(bytes, size, &got, &why), TFAAS_OK);
    assert_true(span_is(got.cache, "sealed code"));
    assert_true(span_is(got.package, "package bytes"));
    for (size_t cut = plain_size; cut < size; cut++)
        assert_int_equal(parse(bytes, cut, &why), TFAAS_BAD_REQUEST);
    bundle_free(&got);
    assert_int_equal(bundle_read(plain, plain_size, &got, &why), TFAAS_OK);
    assert_int_equal(got.cache.size, 0);
    bundle_free(&got);
    bundle.cache.size = SIZE_MAX; /* refused by size alone */
    free(bytes);
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_TOO_LARGE);
    free(plain);
}

static void test_sealed_round_trip(void **state)
{
    (void)state;
    struct bundle bundle = sample(), got;
    uint8_t *bytes, one[BUNDLE_GRANT_SIZE], two[BUNDLE_GRANT_SIZE];
    struct span grants[2] = {{one, sizeof one}, {two, sizeof two}};
    size_t size, plain_size;
    const char *why = NULL;
    memset(one, 1, sizeof one);
    memset(two, 2, sizeof two);
    assert_int_equal(bundle_write(&bundle, &bytes, &plain_size), TFAAS_OK);
    free(bytes);
    bundle.cache = text("sealed code");
    bundle.encapsulated = true;
    bundle.grants = grants;
    bundle.grant_count = 2;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_OK);
    assert_int_equal(bundle_read(bytes, size, &got, &why), TFAAS_OK);
    assert_true(got.encapsulated);
    assert_int_equal(got.grant_count, 2);
    assert_memory_equal(got.grants[0].data, one, sizeof one);
    assert_memory_equal(got.grants[1].data, two, sizeof two);
    bundle_free(&got);
    for (size_t cut = plain_size; cut < size; cut++)
        assert_int_equal(parse(bytes, cut, &why), TFAAS_BAD_REQUEST);
    bytes[size - 1 - BUNDLE_GRANT_SIZE]--; /* 79 bytes, and one too many behind */
    assert_int_equal(parse(bytes, size, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "80 bytes"));
    free(bytes);
    bundle.cache.size = 0;
    bundle.grant_count = 0;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_OK);
    assert_int_equal(size, plain_size + 2);
    bytes[size - 1] = 0xf4; /* false */
    assert_int_equal(parse(bytes, size, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "not true"));
    free(bytes);
    bundle.grant_count = 1;
    grants[0].size = BUNDLE_GRANT_SIZE + 1;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_BAD_REQUEST);
    bundle.grant_count = BUNDLE_GRANTS_MAX + 1;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_TOO_LARGE);
}

static void test_empty_lists(void **state)
{
    (void)state;
    struct bundle bundle = sample(), got;
    uint8_t *bytes;
    size_t size;
    const char *why;
    bundle.env_count = bundle.secret_count = 0;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_OK);
    assert_int_equal(bundle_read(bytes, size, &got, &why), TFAAS_OK);
    assert_int_equal(got.env_count + got.secret_count, 0);
    bundle_free(&got);
    free(bytes);
}

static void test_one_encoding_only(void **state)
{
    (void)state;
    struct bundle bundle = sample();
    uint8_t *bytes;
    size_t size;
    const char *why;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_OK);
    for (size_t i = 0; i < size; i++) {
        uint8_t was = bytes[i];
        for (unsigned v = 0; v < 256; v++) {
            bytes[i] = (uint8_t)v;
            struct bundle got;
            if (bundle_read(bytes, size, &got, &why) != TFAAS_OK)
                continue;
            uint8_t *again;
            size_t again_size;
            assert_int_equal(bundle_write(&got, &again, &again_size), TFAAS_OK);
            assert_int_equal(again_size, size);
            assert_memory_equal(again, bytes, size);
            free(again);
            bundle_free(&got);
        }
        bytes[i] = was;
    }
    free(bytes);
}

/* One bundle with a defect; what to do is up to the caller's choices. */
struct recipe {
    uint64_t pairs, keys[11];
    const char *name;
    struct bundle_pair env[2], secrets[2];
    uint64_t env_count, secret_count, pair_items;
    bool env_as_bytes, secret_as_text, trailing, cache_as_text;
    const char *cache;
};

static struct recipe good_recipe(void)
{
    return (struct recipe){.pairs = 9,
                           .keys = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                           .name = "f",
                           .env = {{text("A"), text("1")}, {text("B"), text("2")}},
                           .secrets = {{text("s"), text("1")}, {text("t"), text("2")}},
                           .env_count = 2,
                           .secret_count = 2,
                           .pair_items = 2};
}

static void put_pair(struct writer *w, const struct recipe *r, struct bundle_pair pair,
                     bool as_bytes)
{
    cbor_put_array(w, r->pair_items);
    cbor_put_text(w, pair.name.data, pair.name.size);
    if (as_bytes)
        cbor_put_bytes(w, pair.value.data, pair.value.size);
    else
        cbor_put_text(w, pair.value.data, pair.value.size);
    for (uint64_t i = 2; i < r->pair_items; i++)
        cbor_put_uint(w, 0);
}

static void cook(const struct recipe *r, tfaas_status_t status, const char *part_of_why)
{
    uint8_t *bytes = malloc(65536);
    struct writer w = writer_of(bytes, 65536);
    cbor_put_map(&w, r->pairs);
    cbor_put_uint(&w, r->keys[1]);
    cbor_put_bytes(&w, "p", 1);
    cbor_put_uint(&w, r->keys[2]);
    cbor_put_text(&w, r->name, strlen(r->name));
    cbor_put_uint(&w, r->keys[3]);
    cbor_put_array(&w, r->env_count);
    for (uint64_t i = 0; i < r->env_count; i++)
        put_pair(&w, r, r->env[i % 2], r->env_as_bytes);
    cbor_put_uint(&w, r->keys[4]);
    cbor_put_array(&w, r->secret_count);
    for (uint64_t i = 0; i < r->secret_count; i++)
        put_pair(&w, r, r->secrets[i % 2], !r->secret_as_text);
    for (unsigned i = 5; i <= 9; i++) {
        cbor_put_uint(&w, r->keys[i]);
        cbor_put_uint(&w, 1);
    }
    if (r->cache) {
        cbor_put_uint(&w, r->keys[10]);
        if (r->cache_as_text)
            cbor_put_text(&w, r->cache, strlen(r->cache));
        else
            cbor_put_bytes(&w, r->cache, strlen(r->cache));
    }
    if (r->trailing)
        cbor_put_uint(&w, 0);
    assert_false(w.failed);
    const char *why;
    assert_int_equal(parse(bytes, w.at, &why), status);
    if (status != TFAAS_OK && !strstr(why, part_of_why))
        fail_msg("reason is '%s', not about '%s'", why, part_of_why);
    free(bytes);
}

static void test_each_field_is_named(void **state)
{
    (void)state;
    struct recipe r = good_recipe();
    cook(&r, TFAAS_OK, "");
    r.pairs = 8;
    cook(&r, TFAAS_BAD_REQUEST, "map of 9");
    r.pairs = 13;
    cook(&r, TFAAS_BAD_REQUEST, "map of 9");
    r.pairs = 10;
    cook(&r, TFAAS_BAD_REQUEST, "after 9");
    r.cache = "sealed";
    cook(&r, TFAAS_OK, "");
    r.cache_as_text = true;
    cook(&r, TFAAS_BAD_REQUEST, "compile cache");
    r.cache_as_text = false;
    r.keys[10] = 11;
    cook(&r, TFAAS_BAD_REQUEST, "key 11");
    r.keys[10] = 12;
    cook(&r, TFAAS_BAD_REQUEST, "grants are not");
    r.keys[10] = 13;
    cook(&r, TFAAS_BAD_REQUEST, "after 9");
    r.keys[10] = 9;
    cook(&r, TFAAS_BAD_REQUEST, "after 9");
    r.keys[10] = 10;
    r.cache = "";
    cook(&r, TFAAS_BAD_REQUEST, "compile cache");
    r.cache = "sealed";
    r.pairs = 9;
    cook(&r, TFAAS_BAD_REQUEST, "after the end");
    r = good_recipe();
    r.trailing = true;
    cook(&r, TFAAS_BAD_REQUEST, "after the end");
    for (unsigned key = 1; key <= 9; key++) {
        char expected[16];
        r = good_recipe();
        r.keys[key]++;
        snprintf(expected, sizeof(expected), "key %u", key);
        cook(&r, TFAAS_BAD_REQUEST, expected);
    }
    r = good_recipe();
    r.name = "";
    cook(&r, TFAAS_BAD_REQUEST, "name");
    r = good_recipe();
    r.env_as_bytes = true;
    cook(&r, TFAAS_BAD_REQUEST, "environment variable's value");
    r = good_recipe();
    r.secret_as_text = true;
    cook(&r, TFAAS_BAD_REQUEST, "secret's content");
    r = good_recipe();
    r.pair_items = 3;
    cook(&r, TFAAS_BAD_REQUEST, "array of name and value");
    r = good_recipe();
    r.env[1] = r.env[0];
    cook(&r, TFAAS_BAD_REQUEST, "environment variable is there twice");
    r = good_recipe();
    r.secrets[1] = r.secrets[0];
    cook(&r, TFAAS_BAD_REQUEST, "secret is there twice");
}

static void test_names(void **state)
{
    (void)state;
    char longest[BUNDLE_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[BUNDLE_NAME_MAX + 1] = 0;
    const char *const bad_env[] = {"", "A=B", "=", longest};
    const char *const bad_secret[] = {"", "a/b", "..", ".", "/", "a\nb", longest};
    for (size_t i = 0; i < sizeof(bad_env) / sizeof(bad_env[0]); i++) {
        struct recipe r = good_recipe();
        r.env[1].name = text(bad_env[i]);
        cook(&r, TFAAS_BAD_REQUEST, "environment variable has a bad name");
    }
    for (size_t i = 0; i < sizeof(bad_secret) / sizeof(bad_secret[0]); i++) {
        struct recipe r = good_recipe();
        r.secrets[1].name = text(bad_secret[i]);
        cook(&r, TFAAS_BAD_REQUEST, "secret has a bad name");
    }
    longest[BUNDLE_NAME_MAX] = 0;
    struct recipe r = good_recipe();
    r.env[1].name = r.secrets[1].name = text(longest);
    cook(&r, TFAAS_OK, "");
}

static void test_counts(void **state)
{
    (void)state;
    struct recipe r = good_recipe();
    r.env_count = BUNDLE_ENV_MAX + 1;
    cook(&r, TFAAS_TOO_LARGE, "too many environment variables");
    r = good_recipe();
    r.secret_count = BUNDLE_SECRETS_MAX + 1;
    cook(&r, TFAAS_TOO_LARGE, "too many secrets");
    const char *why;
    uint8_t byte = 0xa9;
    struct bundle bundle;
    assert_int_equal(bundle_read(&byte, (size_t)TFAAS_LOAD_MAX + 1, &bundle, &why),
                     TFAAS_TOO_LARGE);
    bundle_free(&bundle);
}

static void test_writer_refuses(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    struct bundle bundle = sample();
    env[1].name = text("B");
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_BAD_REQUEST);
    bundle = sample();
    env[1].value = (struct span){(const uint8_t *)"a\0b", 3};
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_BAD_REQUEST);
    bundle = sample();
    secrets[0].name = text("../x");
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_BAD_REQUEST);
    bundle = sample();
    secrets[0].value.size = SIZE_MAX; /* refused by size alone */
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_TOO_LARGE);
    bundle = sample();
    bundle.name.size = 0;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_BAD_REQUEST);
    bundle = sample();
    bundle.package.size = (48u << 20) + 1;
    assert_int_equal(bundle_write(&bundle, &bytes, &size), TFAAS_TOO_LARGE);
    assert_null(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cache_round_trip),
        cmocka_unit_test(test_sealed_round_trip),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_one_encoding_only),
        cmocka_unit_test(test_each_field_is_named),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_writer_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
