/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium */
/*
 * receipt.c - tests of receipts offline: every character of one changed, every length of one cut,
 * other evidence; and of sealing to what was verified.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client_test.h"

/* A keeper, a client that verified it, and one receipt. */
struct world {
    struct fake f;
    struct tfaas_client *client;
    const struct tfaas_verification *of;
    char receipt[RECEIPT_SIZE_MAX + 1];
};

static void make(struct world *w)
{
    struct tfaas_failure failure;
    struct tfaas_response *response = NULL;
    fake_init(&w->f);
    w->client = open_client(&w->f, 0);
    assert_int_equal(
        call(w->client, "body", TFAAS_FORM_AUTO, TFAAS_CALL_RECEIPT, NULL, &response, &failure),
        TFAAS_CLIENT_OK);
    snprintf(w->receipt, sizeof(w->receipt), "%s", response->receipt);
    tfaas_response_free(response);
    w->of = tfaas_client_verification(w->client);
}

static void test_claims(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof(*w));
    struct tfaas_receipt_claims claims;
    struct tfaas_failure failure = {.text = ""};
    make(w);
    seen(tfaas_receipt_verify(w->receipt, w->of, &claims, &failure), TFAAS_CLIENT_OK, &failure);
    assert_string_equal(claims.instance, fake_hex(w->f.instance, 16));
    assert_string_equal(claims.function, "hello.openfaas-fn");
    assert_string_equal(claims.package, PACKAGE);
    assert_string_equal(claims.outcome, "OK");
    assert_int_equal(claims.status, 200);
    assert_int_equal(claims.memory, 65536);
    assert_int_equal(claims.cpu_ns, 1000);
    assert_int_equal(claims.issued_at, FAKE_NOW);
    assert_true(claims.exact);
    tfaas_client_close(w->client);
    free(w);
}

static void test_every_character(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct world *w = calloc(1, sizeof(*w));
    struct tfaas_receipt_claims claims;
    struct tfaas_failure failure;
    make(w);
    size_t size = strlen(w->receipt);
    assert_true(size > 500);
    for (size_t i = 0; i < size; i++) {
        char was = w->receipt[i];
        size_t value = (size_t)(strchr(digits, was) - digits);
        w->receipt[i] = digits[value ^ 0x20];
        enum tfaas_client_error error = tfaas_receipt_verify(w->receipt, w->of, &claims, &failure);
        if (!error)
            print_error("character %zu of %zu may be changed\n", i, size);
        assert_true(error == TFAAS_CLIENT_RECEIPT_FORM || error == TFAAS_CLIENT_RECEIPT_LEASE ||
                    error == TFAAS_CLIENT_RECEIPT_INVALID);
        w->receipt[i] = was;
    }
    for (size_t i = 0; i < size; i++) {
        char *cut = strndup(w->receipt, i);
        assert_int_equal(tfaas_receipt_verify(cut, w->of, &claims, &failure),
                         TFAAS_CLIENT_RECEIPT_FORM);
        free(cut);
    }
    tfaas_client_close(w->client);
    free(w);
}

/* Another keeper's evidence, another domain's, another core's: none covers it. */
static void test_other_evidence(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof(*w));
    struct tfaas_verification *other = calloc(1, sizeof(*other));
    struct tfaas_receipt_claims claims;
    struct tfaas_failure failure = {.text = ""};
    make(w);
    *other = *w->of;
    other->identity[0] ^= 1;
    seen(tfaas_receipt_verify(w->receipt, other, &claims, &failure), TFAAS_CLIENT_RECEIPT_LEASE,
         &failure);
    *other = *w->of;
    other->domain[0] ^= 1;
    seen(tfaas_receipt_verify(w->receipt, other, &claims, &failure), TFAAS_CLIENT_RECEIPT_LEASE,
         &failure);
    *other = *w->of;
    other->measurement[47] ^= 1;
    seen(tfaas_receipt_verify(w->receipt, other, &claims, &failure), TFAAS_CLIENT_RECEIPT_LEASE,
         &failure);
    *other = *w->of;
    other->weights[3] ^= 1;
    seen(tfaas_receipt_verify(w->receipt, other, &claims, &failure), TFAAS_CLIENT_RECEIPT_INVALID,
         &failure);
    free(other);
    tfaas_client_close(w->client);
    free(w);
}

/* What an owner seals, the keeper opens. */
static void test_sealing(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure = {.text = ""};
    const uint8_t packages[1][32] = {{0xab}};
    uint8_t *out = NULL, key[32];
    size_t size = 0;
    const char *why;
    struct sealed sealed;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(tfaas_client_verify(client, 0, &failure), 0);
    const struct tfaas_verification *to = tfaas_client_verification(client);
    struct tfaas_seal_options options = {
        .kind = "secret", .name = "token", .packages = packages, .package_count = 1};
    const struct tfaas_bytes content = {(const uint8_t *)"value", 5};
    seen(tfaas_seal(to, &options, content, &out, &size, &failure), TFAAS_CLIENT_OK, &failure);
    assert_int_equal(sealed_read((struct span){out, size}, &sealed, &why), TFAAS_OK);
    assert_true(span_is(sealed.domain, FAKE_DOMAIN));
    assert_true(sealed_allows(&sealed, packages[0]));
    assert_int_equal(sealed_unwrap(&sealed, f.sealing_key.secret, f.sealing_key.public_key, key),
                     TFAAS_OK);
    assert_null(memmem(out, size, "value", 5));
    free(out);
    options.kind = "letter";
    seen(tfaas_seal(to, &options, content, &out, &size, &failure), TFAAS_CLIENT_USAGE, &failure);
    options.kind = "package";
    seen(tfaas_seal(to, &options, content, &out, &size, &failure), TFAAS_CLIENT_USAGE, &failure);
    tfaas_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_other_evidence),
        cmocka_unit_test(test_sealing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
