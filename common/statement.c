/*
 * statement.c - see statement.h. Signed bytes are read as they are and never encoded again: what a
 * signature is over is what was read.
 */
#include "statement.h"

#include "cbor.h"
#include "fields.h"

#include <sodium.h>

#define SIGNATURE_SIZE 64u

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

/* Times are Unix seconds that a double holds too: a client in JavaScript refuses others. */
#define TIME_MAX ((1ull << 53) - 1)

static tfaas_status_t times_ok(uint64_t not_before, uint64_t not_after, const char *order,
                               const char *range, const char **why)
{
    if (not_before >= not_after)
        return refuse(why, order);
    return not_after > TIME_MAX ? refuse(why, range) : TFAAS_OK;
}

#define TIMES_OK(of, noun, why)                                                                    \
    times_ok((of)->not_before, (of)->not_after, noun ": not_after is not after not_before",        \
             noun ": not_after is no time", why)

/* --- key statement --- */

#define AT(member)                                                                                 \
    .offset = offsetof(struct key_statement, member),                                              \
    .name = "key statement: " #member " is missing, malformed or of another size"
static const struct field key_fields[] = {
    {.key = 1, .type = FIELD_LABEL, .label = STATEMENT_KEY_LABEL, .name = "key statement: label"},
    {.key = 2, .type = FIELD_BYTES, .least = 32, .most = 32, AT(identity)},
    {.key = 3, .type = FIELD_UINT, AT(epoch)},
    {.key = 4, .type = FIELD_UINT, AT(not_before)},
    {.key = 5, .type = FIELD_UINT, AT(not_after)},
    {.key = 6, .type = FIELD_TEXT, .least = 1, .most = STATEMENT_VERSION_MAX, AT(version)},
    {.key = 7, .type = FIELD_BYTES, .least = 32, .most = 32, AT(weights)},
    {.key = 8, .type = FIELD_BYTES, .least = 48, .most = 48, AT(measurement)},
    {.key = 9, .type = FIELD_UINT, AT(key_life_s)},
    {.key = 10, .type = FIELD_UINT, AT(lease_life_s)},
    {.key = 11, .type = FIELD_UINT, AT(replay_window_s)},
    {.key = 12, .type = FIELD_UINT, AT(requests_per_key)},
    {.key = 13,
     .type = FIELD_BYTES,
     .optional = true,
     .least = STATEMENT_NONCE_MIN,
     .most = STATEMENT_NONCE_MAX,
     AT(nonce)},
};
#undef AT

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

tfaas_status_t key_statement_read(struct span bytes, struct key_statement *to, const char **why)
{
    *to = (struct key_statement){.epoch = 0};
    tfaas_status_t status =
        fields_read(bytes, key_fields, COUNT(key_fields),
                    "key statement: not a deterministic CBOR map of its keys", to, why);
    return status == TFAAS_OK ? TIMES_OK(to, "key statement", why) : status;
}

void key_statement_write(struct writer *w, const struct key_statement *from)
{
    const uint64_t times[] = {from->epoch, from->not_before, from->not_after};
    const uint64_t lives[] = {from->key_life_s, from->lease_life_s, from->replay_window_s,
                              from->requests_per_key};
    cbor_put_map(w, from->nonce.size > 0 ? 13 : 12);
    cbor_put_uint(w, 1);
    cbor_put_text(w, STATEMENT_KEY_LABEL, strlen(STATEMENT_KEY_LABEL));
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, from->identity.data, from->identity.size);
    for (size_t i = 0; i < COUNT(times); i++) {
        cbor_put_uint(w, 3 + i);
        cbor_put_uint(w, times[i]);
    }
    cbor_put_uint(w, 6);
    cbor_put_text(w, from->version.data, from->version.size);
    cbor_put_uint(w, 7);
    cbor_put_bytes(w, from->weights.data, from->weights.size);
    cbor_put_uint(w, 8);
    cbor_put_bytes(w, from->measurement.data, from->measurement.size);
    for (size_t i = 0; i < COUNT(lives); i++) {
        cbor_put_uint(w, 9 + i);
        cbor_put_uint(w, lives[i]);
    }
    if (from->nonce.size > 0) {
        cbor_put_uint(w, 13);
        cbor_put_bytes(w, from->nonce.data, from->nonce.size);
    }
}

/* --- lease --- */

#define AT(member)                                                                                 \
    .offset = offsetof(struct lease, member),                                                      \
    .name = "lease: " #member " is missing, malformed or of another size"
static const struct field lease_fields[] = {
    {.key = 1, .type = FIELD_LABEL, .label = STATEMENT_LEASE_LABEL, .name = "lease: label"},
    {.key = 2, .type = FIELD_TEXT, .least = 1, .most = STATEMENT_DOMAIN_MAX, AT(domain)},
    {.key = 3, .type = FIELD_BYTES, .least = 16, .most = 16, AT(instance)},
    {.key = 4, .type = FIELD_UINT, AT(number)},
    {.key = 5, .type = FIELD_UINT, AT(not_before)},
    {.key = 6, .type = FIELD_UINT, AT(not_after)},
    {.key = 7,
     .type = FIELD_BYTES,
     .least = 1,
     .most = STATEMENT_CONFIGURATION_MAX,
     AT(key_configuration)},
    {.key = 8, .type = FIELD_BYTES, .least = 32, .most = 32, AT(receipt_key)},
    {.key = 9, .type = FIELD_BYTES, .least = 48, .most = 48, AT(measurement)},
    {.key = 10, .type = FIELD_UINT, AT(requests_max)},
};
#undef AT

tfaas_status_t lease_read(struct span bytes, struct lease *to, const char **why)
{
    *to = (struct lease){.number = 0};
    tfaas_status_t status = fields_read(bytes, lease_fields, COUNT(lease_fields),
                                        "lease: not a deterministic CBOR map of its keys", to, why);
    if (status != TFAAS_OK)
        return status;
    if (to->number == 0)
        return refuse(why, "lease: number is zero");
    return TIMES_OK(to, "lease", why);
}

void lease_write(struct writer *w, const struct lease *from)
{
    const uint64_t numbers[] = {from->number, from->not_before, from->not_after};
    cbor_put_map(w, 10);
    cbor_put_uint(w, 1);
    cbor_put_text(w, STATEMENT_LEASE_LABEL, strlen(STATEMENT_LEASE_LABEL));
    cbor_put_uint(w, 2);
    cbor_put_text(w, from->domain.data, from->domain.size);
    cbor_put_uint(w, 3);
    cbor_put_bytes(w, from->instance.data, from->instance.size);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        cbor_put_uint(w, 4 + i);
        cbor_put_uint(w, numbers[i]);
    }
    const struct span bytes[] = {from->key_configuration, from->receipt_key, from->measurement};
    for (size_t i = 0; i < COUNT(bytes); i++) {
        cbor_put_uint(w, 7 + i);
        cbor_put_bytes(w, bytes[i].data, bytes[i].size);
    }
    cbor_put_uint(w, 10);
    cbor_put_uint(w, from->requests_max);
}

/* --- domain statement --- */

struct domain_read {
    struct span domain, sealing_key;
    uint64_t serial, not_before, not_after;
    struct field_list leases;
};

#define AT(member)                                                                                 \
    .offset = offsetof(struct domain_read, member),                                                \
    .name = "domain statement: " #member " is missing, malformed or of another size"
static const struct field domain_fields[] = {
    {.key = 1,
     .type = FIELD_LABEL,
     .label = STATEMENT_DOMAIN_LABEL,
     .name = "domain statement: label"},
    {.key = 2, .type = FIELD_TEXT, .least = 1, .most = STATEMENT_DOMAIN_MAX, AT(domain)},
    {.key = 3, .type = FIELD_UINT, AT(serial)},
    {.key = 4, .type = FIELD_UINT, AT(not_before)},
    {.key = 5, .type = FIELD_UINT, AT(not_after)},
    {.key = 6, .type = FIELD_BYTES, .least = 32, .most = 32, AT(sealing_key)},
    {.key = 7,
     .type = FIELD_LIST,
     .least = 1,
     .most = STATEMENT_LEASE_SIZE_MAX,
     .items = STATEMENT_LEASES_MAX,
     AT(leases)},
};
#undef AT

tfaas_status_t domain_statement_read(struct span bytes, struct domain_statement *to,
                                     const char **why)
{
    struct domain_read got = {.serial = 0};
    *to = (struct domain_statement){.serial = 0};
    tfaas_status_t status =
        fields_read(bytes, domain_fields, COUNT(domain_fields),
                    "domain statement: not a deterministic CBOR map of its keys", &got, why);
    if (status != TFAAS_OK)
        return status;
    status = TIMES_OK(&got, "domain statement", why);
    if (status != TFAAS_OK)
        return status;
    to->domain = got.domain;
    to->serial = got.serial;
    to->not_before = got.not_before;
    to->not_after = got.not_after;
    to->sealing_key = got.sealing_key;
    for (to->lease_count = 0; got.leases.count > 0; to->lease_count++)
        to->leases[to->lease_count] = fields_next(&got.leases);
    return TFAAS_OK;
}

void domain_statement_write(struct writer *w, const struct domain_statement *from)
{
    const uint64_t numbers[] = {from->serial, from->not_before, from->not_after};
    cbor_put_map(w, 7);
    cbor_put_uint(w, 1);
    cbor_put_text(w, STATEMENT_DOMAIN_LABEL, strlen(STATEMENT_DOMAIN_LABEL));
    cbor_put_uint(w, 2);
    cbor_put_text(w, from->domain.data, from->domain.size);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        cbor_put_uint(w, 3 + i);
        cbor_put_uint(w, numbers[i]);
    }
    cbor_put_uint(w, 6);
    cbor_put_bytes(w, from->sealing_key.data, from->sealing_key.size);
    cbor_put_uint(w, 7);
    cbor_put_array(w, from->lease_count);
    for (size_t i = 0; i < from->lease_count; i++)
        cbor_put_bytes(w, from->leases[i].data, from->leases[i].size);
}

/* --- lease request --- */

#define AT(member)                                                                                 \
    .offset = offsetof(struct lease_request, member),                                              \
    .name = "lease request: " #member " is missing, malformed or of another size"
static const struct field request_fields[] = {
    {.key = 1,
     .type = FIELD_LABEL,
     .label = STATEMENT_REQUEST_LABEL,
     .name = "lease request: label"},
    {.key = 2, .type = FIELD_BYTES, .least = 32, .most = 32, AT(signing_key)},
    {.key = 3, .type = FIELD_BYTES, .least = 32, .most = 32, AT(kem_key)},
    {.key = 4, .type = FIELD_BYTES, .least = 32, .most = 32, AT(request_key)},
    {.key = 5, .type = FIELD_UINT, AT(number)},
    {.key = 6, .type = FIELD_BYTES, .least = 32, .most = 32, AT(previous)},
};
#undef AT

tfaas_status_t lease_request_read(struct span bytes, struct lease_request *to, const char **why)
{
    *to = (struct lease_request){.number = 0};
    tfaas_status_t status =
        fields_read(bytes, request_fields, COUNT(request_fields),
                    "lease request: not a deterministic CBOR map of its keys", to, why);
    if (status == TFAAS_OK && to->number == 0)
        return refuse(why, "lease request: number is zero");
    return status;
}

void lease_request_write(struct writer *w, const struct lease_request *from)
{
    const struct span keys[] = {from->signing_key, from->kem_key, from->request_key};
    cbor_put_map(w, 6);
    cbor_put_uint(w, 1);
    cbor_put_text(w, STATEMENT_REQUEST_LABEL, strlen(STATEMENT_REQUEST_LABEL));
    for (size_t i = 0; i < COUNT(keys); i++) {
        cbor_put_uint(w, 2 + i);
        cbor_put_bytes(w, keys[i].data, keys[i].size);
    }
    cbor_put_uint(w, 5);
    cbor_put_uint(w, from->number);
    cbor_put_uint(w, 6);
    cbor_put_bytes(w, from->previous.data, from->previous.size);
}

/* --- envelopes --- */

tfaas_status_t envelope_split(struct span envelope, struct span *statement, struct span *signature,
                              const char **why)
{
    struct cursor c = cursor_of(envelope.data, envelope.size);
    *statement = *signature = (struct span){NULL, 0};
    if (cbor_array(&c) != 2 || c.failed)
        return refuse(why, "envelope: not a deterministic CBOR array of two");
    struct span inner = cbor_bytes(&c);
    if (c.failed)
        return refuse(why, "envelope: statement is missing or malformed");
    struct span of = cbor_bytes(&c);
    if (c.failed || of.size != SIGNATURE_SIZE)
        return refuse(why, "envelope: signature is missing, malformed or of another size");
    if (cursor_left(&c) != 0)
        return refuse(why, "envelope: bytes after the end");
    *statement = inner;
    *signature = of;
    return TFAAS_OK;
}

tfaas_status_t envelope_open(struct span envelope, const uint8_t key[32], struct span *statement,
                             const char **why)
{
    struct span inner, signature;
    *statement = (struct span){NULL, 0};
    tfaas_status_t status = envelope_split(envelope, &inner, &signature, why);
    if (status != TFAAS_OK)
        return status;
    if (crypto_sign_verify_detached(signature.data, inner.data, inner.size, key) != 0) {
        *why = "envelope: the signature is not of this key";
        return TFAAS_NOT_OPENED;
    }
    *statement = inner;
    return TFAAS_OK;
}

void envelope_write(struct writer *w, struct span statement, const uint8_t secret[64])
{
    uint8_t signature[SIGNATURE_SIZE] = {0};
    if (crypto_sign_detached(signature, NULL, statement.data, statement.size, secret) != 0)
        w->failed = true;
    cbor_put_array(w, 2);
    cbor_put_bytes(w, statement.data, statement.size);
    cbor_put_bytes(w, signature, sizeof(signature));
}

void statement_digest(uint8_t to[64], const char *label, struct span first, struct span second)
{
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, (const uint8_t *)label, strlen(label));
    if (first.size > 0)
        crypto_hash_sha512_update(&state, first.data, first.size);
    if (second.size > 0)
        crypto_hash_sha512_update(&state, second.data, second.size);
    crypto_hash_sha512_final(&state, to);
}
