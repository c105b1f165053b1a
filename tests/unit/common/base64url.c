/* needs: common/base64url.c libs: sodium */
/* base64url.c - tests of common/base64url.c: RFC 4648 vectors, round trips, everything not strict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include "base64url.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* Memory of exactly the sizes that are told. */
static tfaas_status_t decode(struct span s, size_t capacity, uint8_t *out, size_t *size)
{
    uint8_t *in = malloc(s.size ? s.size : 1), *to = malloc(capacity ? capacity : 1);
    if (s.size)
        memcpy(in, s.data, s.size);
    *size = 99;
    tfaas_status_t status = base64url_decode((struct span){in, s.size}, to, capacity, size);
    assert_true(*size <= capacity);
    assert_true(status == TFAAS_OK || *size == 0);
    memcpy(out, to, *size);
    free(in);
    free(to);
    return status;
}

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } vectors[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char out[16];
        uint8_t back[16];
        size_t size, coded = strlen(vectors[i].coded), plain = strlen(vectors[i].plain);
        assert_int_equal(BASE64URL_SIZE(plain), coded);
        assert_int_equal(base64url_encode(text(vectors[i].plain), out, coded), TFAAS_TOO_LARGE);
        assert_int_equal(base64url_encode(text(vectors[i].plain), out, coded + 1), TFAAS_OK);
        assert_string_equal(out, vectors[i].coded);
        assert_int_equal(decode(text(out), plain, back, &size), TFAAS_OK);
        assert_int_equal(size, plain);
        assert_memory_equal(back, vectors[i].plain, plain);
        if (plain > 0)
            assert_int_equal(decode(text(out), plain - 1, back, &size), TFAAS_TOO_LARGE);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    uint8_t data[300], back[300];
    char out[BASE64URL_SIZE(300) + 1];
    size_t size;
    for (size_t n = 0; n <= sizeof(data); n++) {
        randombytes_buf(data, n);
        assert_int_equal(base64url_encode((struct span){data, n}, out, sizeof(out)), TFAAS_OK);
        assert_int_equal(decode(text(out), n, back, &size), TFAAS_OK);
        assert_int_equal(size, n);
        assert_memory_equal(back, data, n);
    }
}

/* Of all texts of two and three characters exactly those that encoding gives are taken. */
static void test_strict(void **state)
{
    (void)state;
    unsigned taken[2] = {0, 0};
    uint8_t back[4];
    size_t size;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t two[] = {(uint8_t)a, (uint8_t)b}, three[] = {'A', (uint8_t)a, (uint8_t)b};
            if (decode((struct span){two, 2}, 4, back, &size) == TFAAS_OK) {
                char again[8];
                taken[0]++;
                assert_int_equal(base64url_encode((struct span){back, size}, again, 8), TFAAS_OK);
                assert_memory_equal(again, two, 2);
            }
            taken[1] += decode((struct span){three, 3}, 4, back, &size) == TFAAS_OK;
        }
    assert_int_equal(taken[0], 256);
    assert_int_equal(taken[1], 1024); /* 'A' leaves 10 of the 16 bits */
    static const char *const bad[] = {
        "Z",    "Zg==",  "Zg=", "Zm8=", "Zm9v=", "Zm9v ", " Zm9v",    "Zm\n9v",
        "+/+/", "Zm9vY", "Zh",  "Zm9",  "Zm.v",  "====",  "Zm9vYmFyZ"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t out[16];
        assert_int_equal(decode(text(bad[i]), 16, out, &size), TFAAS_BAD_REQUEST);
    }
    assert_int_equal(decode((struct span){(const uint8_t *)"Zm\0v", 4}, 4, back, &size),
                     TFAAS_BAD_REQUEST);
}

static int start(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_strict),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
