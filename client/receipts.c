/* receipts.c - receipts against what was attested and what was sent and got (SPECIFICATION 14.6).
 */
#include "base64url.h"
#include "internal.h"
#include "receipt.h"
#include <stdio.h>
#include <stdlib.h>

static bool text_of(json_t *root, const char *name, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(root, name));
    if (!text || strlen(text) >= size)
        return false;
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool hex_of(json_t *root, const char *name, char *to, size_t bytes)
{
    uint8_t check[32];
    return text_of(root, name, to, 2 * bytes + 1) && hex_read(to, check, bytes);
}

static bool number_of(json_t *root, const char *name, uint64_t *to)
{
    json_t *value = json_object_get(root, name);
    *to = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool hash_of(json_t *root, const char *name, uint8_t to[32])
{
    const char *text = json_string_value(json_object_get(root, name));
    size_t size = 0;
    return text &&
           base64url_decode((struct span){(const uint8_t *)text, strlen(text)}, to, 32, &size) ==
               TFAAS_OK &&
           size == 32;
}

static bool claims_read(struct span text, struct tfaas_receipt_claims *to)
{
    json_t *root = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    json_t *exact = json_object_get(root, "exact");
    bool good = hex_of(root, "iss", to->instance, 16) && number_of(root, "seq", &to->sequence) &&
                number_of(root, "iat", &to->issued_at) &&
                text_of(root, "fn", to->function, sizeof(to->function)) &&
                hex_of(root, "pkg", to->package, 32) && hash_of(root, "req", to->request_hash) &&
                hash_of(root, "res", to->response_hash) && number_of(root, "status", &to->status) &&
                text_of(root, "outcome", to->outcome, sizeof(to->outcome)) &&
                number_of(root, "work", &to->work) && json_is_boolean(exact) &&
                number_of(root, "mem", &to->memory) && number_of(root, "cpu_ns", &to->cpu_ns) &&
                hex_of(root, "weights", to->weights, 32);
    to->exact = json_is_true(exact);
    crypto_hash_sha256(to->digest, text.data, text.size);
    json_decref(root);
    return good && to->sequence > 0;
}

static client_error_t check_lease(const struct lease *lease, const struct tfaas_receipt_claims *c,
                                  const struct tfaas_verification *of,
                                  struct tfaas_failure *failure)
{
    char hex[65];
    hex_write(lease->instance.data, 16, hex);
    if (strcmp(hex, c->instance) != 0)
        return client_fail(failure, TFAAS_CLIENT_RECEIPT_LEASE,
                           "receipt: its lease is of another instance");
    if (c->issued_at + CLIENT_SKEW_S < lease->not_before ||
        c->issued_at > lease->not_after + CLIENT_SKEW_S)
        return client_fail(failure, TFAAS_CLIENT_RECEIPT_LEASE,
                           "receipt: issued outside its lease's times");
    hex_write(of->weights, sizeof(of->weights), hex);
    if (strcmp(hex, c->weights) != 0)
        return client_fail(failure, TFAAS_CLIENT_RECEIPT_INVALID,
                           "receipt: metered with other weights than the attested core's");
    return TFAAS_CLIENT_OK;
}

enum tfaas_client_error tfaas_receipt_verify(const char *text, const struct tfaas_verification *of,
                                             struct tfaas_receipt_claims *to,
                                             struct tfaas_failure *failure)
{
    static const struct tfaas_receipt_claims none;
    struct tfaas_failure inner;
    struct receipt receipt;
    struct lease lease;
    const char *why = "";
    client_error_t error = TFAAS_CLIENT_OK;
    *to = none;
    if (of->error)
        return client_fail(failure, of->error, "receipt: there is no evidence that holds");
    uint8_t *buffer = malloc(RECEIPT_SIZE_MAX);
    if (!buffer)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "receipt");
    if (receipt_read((struct span){(const uint8_t *)text, strlen(text)}, buffer, &receipt, &why) !=
        TFAAS_OK)
        error = client_fail(failure, TFAAS_CLIENT_RECEIPT_FORM, "%s", why);
    else if (!claims_read(receipt.claims, to))
        error = client_fail(failure, TFAAS_CLIENT_RECEIPT_FORM, "receipt: malformed claims");
    else if (verify_lease(receipt.lease, of, &lease, &inner))
        error = client_fail(failure, TFAAS_CLIENT_RECEIPT_LEASE, "receipt: %.400s", inner.text);
    else if (receipt_check(&receipt, lease.receipt_key.data, &why) != TFAAS_OK)
        error = client_fail(failure, TFAAS_CLIENT_RECEIPT_INVALID, "%s", why);
    else
        error = check_lease(&lease, to, of, failure);
    free(buffer);
    return error;
}

client_error_t receipt_expect(const char *text, const struct tfaas_verification *of,
                              const struct receipt_expected *expected,
                              struct tfaas_failure *failure)
{
    struct tfaas_receipt_claims claims;
    char function[256];
    client_error_t error = tfaas_receipt_verify(text, of, &claims, failure);
    if (error)
        return error;
    snprintf(function, sizeof(function), "%s.%s", expected->function, expected->domain);
    if (strcmp(function, claims.function) != 0)
        return client_fail(failure, TFAAS_CLIENT_FUNCTION_MISMATCH, "receipt: of \"%s\"",
                           claims.function);
    if (expected->package && strcmp(expected->package, claims.package) != 0)
        return client_fail(failure, TFAAS_CLIENT_PACKAGE_MISMATCH, "receipt: of package %s",
                           claims.package);
    if (memcmp(expected->request_hash, claims.request_hash, 32) != 0)
        return client_fail(failure, TFAAS_CLIENT_RECEIPT_MISMATCH, "receipt: of another request");
    if (memcmp(expected->response_hash, claims.response_hash, 32) != 0)
        return client_fail(failure, TFAAS_CLIENT_RECEIPT_MISMATCH, "receipt: of another response");
    return TFAAS_CLIENT_OK;
}

static int by_sequence(const void *left, const void *right)
{
    const struct tfaas_receipt_claims *a = left, *b = right;
    int order = strcmp(a->instance, b->instance);
    return order ? order : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

enum tfaas_client_error tfaas_receipt_sequences(struct tfaas_receipt_claims *claims, size_t count,
                                                struct tfaas_failure *failure)
{
    client_error_t error = TFAAS_CLIENT_OK;
    if (count)
        qsort(claims, count, sizeof(*claims), by_sequence);
    for (size_t i = 1; i < count; i++) {
        const struct tfaas_receipt_claims *a = &claims[i - 1], *b = &claims[i];
        if (strcmp(a->instance, b->instance) != 0)
            continue;
        if (a->sequence == b->sequence && memcmp(a->digest, b->digest, sizeof(a->digest)) != 0)
            return client_fail(failure, TFAAS_CLIENT_RECEIPT_DUPLICATE,
                               "instance %s has two receipts with number %llu", a->instance,
                               (unsigned long long)a->sequence);
        if (b->sequence > a->sequence + 1 && !error)
            error = client_fail(failure, TFAAS_CLIENT_RECEIPT_GAP,
                                "instance %s: nothing between %llu and %llu", a->instance,
                                (unsigned long long)a->sequence, (unsigned long long)b->sequence);
    }
    return error;
}
