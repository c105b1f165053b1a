/* needs: common/statement.c common/fields.c common/cbor.c libs: sodium jansson */
/*
 * statement.c - tests of common/statement.c and common/fields.c: golden bytes that another program
 * wrote, a named reason for every field, every cut, every changed byte, envelopes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include "cbor.h"
#include "statement.h"
#include "vectors.h"

static json_t *vectors;
static uint8_t identity[32], identity_secret[64], signing_key[32], signing_secret[64];

static struct span get(const char *group, const char *name)
{
    struct span s = vectors_hex(json_object_get(vectors, group), name);
    assert_non_null(s.data);
    return s;
}

static void assert_span(struct span have, struct span want)
{
    assert_int_equal(have.size, want.size);
    assert_memory_equal(have.data, want.data, want.size);
}

/* Reads any of the four forms and writes it again. */
static tfaas_status_t again(unsigned form, struct span bytes, struct writer *w, const char **why)
{
    struct key_statement key;
    struct lease lease;
    struct domain_statement domain;
    struct lease_request request;
    tfaas_status_t status;
    *why = NULL;
    switch (form) {
    case 0:
        if ((status = key_statement_read(bytes, &key, why)) == TFAAS_OK)
            key_statement_write(w, &key);
        return status;
    case 1:
        if ((status = lease_read(bytes, &lease, why)) == TFAAS_OK)
            lease_write(w, &lease);
        return status;
    case 2:
        if ((status = domain_statement_read(bytes, &domain, why)) == TFAAS_OK)
            domain_statement_write(w, &domain);
        return status;
    default:
        if ((status = lease_request_read(bytes, &request, why)) == TFAAS_OK)
            lease_request_write(w, &request);
        return status;
    }
}

static const char *const forms[] = {"key_statement", "lease", "domain_statement", "lease_request"};

static void test_golden_bytes(void **state)
{
    (void)state;
    uint8_t out[2048];
    const char *why;
    for (unsigned form = 0; form < 4; form++) {
        struct span bytes = get(forms[form], "bytes");
        struct writer w = writer_of(out, sizeof out);
        assert_int_equal(again(form, bytes, &w, &why), TFAAS_OK);
        assert_false(w.failed);
        assert_span((struct span){out, w.at}, bytes);
    }
    struct span nonce = get("key_statement_with_nonce", "bytes");
    struct writer w = writer_of(out, sizeof out);
    assert_int_equal(again(0, nonce, &w, &why), TFAAS_OK);
    assert_span((struct span){out, w.at}, nonce);
}

static void test_content(void **state)
{
    (void)state;
    struct key_statement key;
    struct lease lease;
    struct domain_statement domain;
    struct lease_request request;
    const char *why;
    assert_int_equal(key_statement_read(get("key_statement_with_nonce", "bytes"), &key, &why), 0);
    assert_span(key.identity, (struct span){identity, 32});
    assert_span(key.nonce, get("key_statement_with_nonce", "nonce"));
    assert_true(key.epoch == 1 && key.not_before == 1800000000 && key.not_after == 1800004200);
    assert_true(span_is(key.version, "0.1.0") && key.measurement.size == 48);
    assert_true(key.key_life_s == 3600 && key.lease_life_s == 600 && key.replay_window_s == 120);
    assert_true(key.requests_per_key == 1u << 20);
    assert_int_equal(lease_read(get("lease", "bytes"), &lease, &why), TFAAS_OK);
    assert_true(span_is(lease.domain, "shop") && lease.number == 1);
    assert_span(lease.key_configuration, get("lease", "key_configuration"));
    assert_span(lease.receipt_key, (struct span){signing_key, 32});
    assert_span(lease.instance, get("lease", "instance"));
    assert_int_equal(domain_statement_read(get("domain_statement", "bytes"), &domain, &why), 0);
    assert_int_equal(domain.lease_count, 1);
    assert_span(domain.leases[0], get("lease", "envelope"));
    assert_span(domain.sealing_key, get("keys", "sealing_key"));
    assert_int_equal(lease_request_read(get("lease_request", "bytes"), &request, &why), TFAAS_OK);
    assert_span(request.kem_key, get("keys", "kem_key"));
    assert_span(request.request_key, get("keys", "request_key"));
    assert_span(request.previous, get("lease_request", "previous"));
    assert_true(request.number == 2);
}

/* Every cut is refused; every changed byte is refused or reads as exactly that other content. */
static void test_every_byte(void **state)
{
    (void)state;
    uint8_t out[2048];
    const char *why;
    for (unsigned form = 0; form < 4; form++) {
        struct span bytes = get(forms[form], "bytes");
        for (size_t cut = 0; cut < bytes.size; cut++) {
            uint8_t *copy = vectors_copy((struct span){bytes.data, cut});
            struct writer w = writer_of(out, sizeof out);
            assert_int_equal(again(form, (struct span){copy, cut}, &w, &why), TFAAS_BAD_REQUEST);
            assert_non_null(why);
            free(copy);
        }
        for (size_t at = 0; at < bytes.size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                uint8_t *copy = vectors_copy(bytes);
                copy[at] ^= (uint8_t)(1u << bit);
                struct writer w = writer_of(out, sizeof out);
                tfaas_status_t status = again(form, (struct span){copy, bytes.size}, &w, &why);
                assert_true(status == TFAAS_OK || (status == TFAAS_BAD_REQUEST && why));
                if (status == TFAAS_OK) {
                    assert_int_equal(w.at, bytes.size);
                    assert_memory_equal(out, copy, bytes.size);
                }
                free(copy);
            }
        }
        uint8_t *longer = malloc(bytes.size + 1);
        memcpy(longer, bytes.data, bytes.size);
        longer[bytes.size] = 0;
        struct writer w = writer_of(out, sizeof out);
        assert_int_equal(again(form, (struct span){longer, bytes.size + 1}, &w, &why),
                         TFAAS_BAD_REQUEST);
        free(longer);
    }
}

/* The pairs of a map one by one: what is missing or of another type is named. */
static void test_each_field_is_named(void **state)
{
    (void)state;
    static const char *const names[4][13] = {
        {"label", "identity", "epoch", "not_before", "not_after", "version", "weights",
         "measurement", "key_life_s", "lease_life_s", "replay_window_s", "requests_per_key", NULL},
        {"label", "domain", "instance", "number", "not_before", "not_after", "key_configuration",
         "receipt_key", "measurement", "requests_max", NULL},
        {"label", "domain", "serial", "not_before", "not_after", "sealing_key", "leases", NULL},
        {"label", "signing_key", "kem_key", "request_key", "number", "previous", NULL}};
    uint8_t bad[2048], out[2048];
    const char *why;
    for (unsigned form = 0; form < 4; form++) {
        struct span bytes = get(forms[form], "bytes");
        struct cursor c = cursor_of(bytes.data, bytes.size);
        uint64_t pairs = cbor_map(&c);
        for (unsigned field = 0; field < pairs; field++) {
            assert_non_null(names[form][field]);
            /* A value of a type that no field has. */
            struct cursor key = c;
            (void)cbor_uint(&key);
            memcpy(bad, bytes.data, bytes.size);
            bad[key.at] = 0xf6; /* null */
            struct writer w = writer_of(out, sizeof out);
            assert_int_equal(again(form, (struct span){bad, bytes.size}, &w, &why),
                             TFAAS_BAD_REQUEST);
            if (!strstr(why, names[form][field]))
                fail_msg("%s: \"%s\" does not name %s", forms[form], why, names[form][field]);
            /* Without the field: the map ends before it. */
            memcpy(bad, bytes.data, c.at);
            bad[0] = (uint8_t)(0xa0 | field);
            w = writer_of(out, sizeof out);
            assert_int_equal(again(form, (struct span){bad, c.at}, &w, &why), TFAAS_BAD_REQUEST);
            assert_non_null(strstr(why, names[form][field]));
            c = key;
            uint8_t major = bytes.data[c.at] >> 5;
            if (major == CBOR_UINT)
                (void)cbor_uint(&c);
            else if (major == CBOR_BYTES)
                (void)cbor_bytes(&c);
            else if (major == CBOR_TEXT)
                (void)cbor_text(&c);
            else
                for (uint64_t left = cbor_array(&c); left > 0; left--)
                    (void)cbor_bytes(&c);
        }
        assert_false(c.failed);
        assert_int_equal(cursor_left(&c), 0);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct key_statement key;
    struct lease lease;
    struct domain_statement domain;
    struct lease_request request;
    const char *why;
    uint8_t out[4096], nonce[65] = {0};
    assert_int_equal(key_statement_read(get("key_statement", "bytes"), &key, &why), TFAAS_OK);
    for (size_t size = 0; size <= 65; size++) {
        struct key_statement other = key, got;
        other.nonce = (struct span){nonce, size};
        struct writer w = writer_of(out, sizeof out);
        key_statement_write(&w, &other);
        bool good = size == 0 || (size >= STATEMENT_NONCE_MIN && size <= STATEMENT_NONCE_MAX);
        assert_int_equal(key_statement_read((struct span){out, w.at}, &got, &why),
                         good ? TFAAS_OK : TFAAS_BAD_REQUEST);
        if (!good)
            assert_non_null(strstr(why, "nonce"));
    }
    key.not_after = key.not_before;
    struct writer w = writer_of(out, sizeof out);
    key_statement_write(&w, &key);
    assert_int_equal(key_statement_read((struct span){out, w.at}, &key, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "not_after"));
    assert_int_equal(lease_read(get("lease", "bytes"), &lease, &why), TFAAS_OK);
    lease.number = 0;
    w = writer_of(out, sizeof out);
    lease_write(&w, &lease);
    assert_int_equal(lease_read((struct span){out, w.at}, &lease, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "number"));
    assert_int_equal(lease_request_read(get("lease_request", "bytes"), &request, &why), TFAAS_OK);
    request.number = 0;
    w = writer_of(out, sizeof out);
    lease_request_write(&w, &request);
    assert_int_equal(lease_request_read((struct span){out, w.at}, &request, &why),
                     TFAAS_BAD_REQUEST);
    assert_int_equal(domain_statement_read(get("domain_statement", "bytes"), &domain, &why), 0);
    for (size_t count = 0; count <= STATEMENT_LEASES_MAX; count++) {
        struct domain_statement got;
        domain.lease_count = count;
        for (size_t i = 0; i < count; i++)
            domain.leases[i] = (struct span){nonce, 1 + i % 60};
        w = writer_of(out, sizeof out);
        domain_statement_write(&w, &domain);
        assert_int_equal(domain_statement_read((struct span){out, w.at}, &got, &why), TFAAS_OK);
        assert_int_equal(got.lease_count, count);
    }
    /* One lease more than there may be: the count in the array's head, then one byte more. */
    uint8_t *more = malloc(w.at + 2);
    size_t at = w.at;
    for (size_t i = 0; i < STATEMENT_LEASES_MAX; i++)
        at -= domain.leases[i].size + (domain.leases[i].size < 24 ? 1 : 2);
    memcpy(more, out, w.at);
    more[at - 1] = STATEMENT_LEASES_MAX + 1;
    more[w.at] = 0x41;
    more[w.at + 1] = 0;
    assert_int_equal(domain_statement_read((struct span){more, w.at + 2}, &domain, &why),
                     TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "leases"));
    free(more);
}

static void test_envelopes(void **state)
{
    (void)state;
    uint8_t out[2048];
    const char *why;
    struct span statement, signature;
    for (unsigned form = 1; form < 4; form++) {
        const uint8_t *secret = form == 3 ? signing_secret : identity_secret;
        const uint8_t *key = form == 3 ? signing_key : identity;
        struct span envelope = get(forms[form], "envelope"), bytes = get(forms[form], "bytes");
        struct writer w = writer_of(out, sizeof out);
        envelope_write(&w, bytes, secret);
        assert_span((struct span){out, w.at}, envelope); /* Ed25519 is deterministic */
        assert_int_equal(envelope_open(envelope, key, &statement, &why), TFAAS_OK);
        assert_span(statement, bytes);
        assert_int_equal(envelope_split(envelope, &statement, &signature, &why), TFAAS_OK);
        assert_span(statement, bytes);
        assert_int_equal(signature.size, 64);
        const uint8_t *wrong = form == 3 ? identity : signing_key;
        assert_int_equal(envelope_open(envelope, wrong, &statement, &why), TFAAS_NOT_OPENED);
        assert_null(statement.data);
        for (size_t at = 0; at < envelope.size; at++) {
            uint8_t *copy = vectors_copy(envelope);
            copy[at] ^= (uint8_t)(1u << at % 8);
            assert_int_not_equal(
                envelope_open((struct span){copy, envelope.size}, key, &statement, &why), TFAAS_OK);
            assert_null(statement.data);
            free(copy);
            copy = vectors_copy((struct span){envelope.data, at});
            assert_int_equal(envelope_open((struct span){copy, at}, key, &statement, &why),
                             TFAAS_BAD_REQUEST);
            free(copy);
        }
    }
}

static void test_digests(void **state)
{
    (void)state;
    uint8_t out[64];
    const struct span none = {NULL, 0};
    statement_digest(out, STATEMENT_KEY_LABEL, get("key_statement", "bytes"), none);
    assert_span((struct span){out, 64}, get("key_statement", "report_data"));
    statement_digest(out, STATEMENT_WORKER_LABEL, (struct span){signing_key, 32},
                     get("keys", "kem_key"));
    assert_span((struct span){out, 64}, get("lease_request", "worker_data"));
    statement_digest(out, STATEMENT_KEEPER_LABEL, (struct span){identity, 32}, none);
    assert_span((struct span){out, 64}, get("keeper_data", "bytes"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes), cmocka_unit_test(test_content),
        cmocka_unit_test(test_every_byte),   cmocka_unit_test(test_each_field_is_named),
        cmocka_unit_test(test_bounds),       cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_digests),
    };
    if (sodium_init() < 0)
        return 1;
    vectors = vectors_load("tests/vectors/protocol/statements.json");
    crypto_sign_seed_keypair(identity, identity_secret, get("keys", "identity_seed").data);
    crypto_sign_seed_keypair(signing_key, signing_secret, get("keys", "signing_seed").data);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
