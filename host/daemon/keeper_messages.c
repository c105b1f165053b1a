/*
 * keeper_messages.c - the forms of CALL and ANSWER, and of what clients get. Answers come from
 * cores, which are not trusted: what does not have the form is refused, and nothing is believed
 * that decides about anything but caching.
 */
#include "keeper_internal.h"

#include "cbor.h"
#include "sealed.h"
#include "tfaas/abi.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define REPORT_INSTANCE_AT 56u /* struct plat_report */

uint8_t *keeper_write(const struct keeper_item *items, size_t count, size_t *size)
{
    size_t capacity = 16;
    for (size_t i = 0; i < count; i++)
        capacity += items[i].bytes.size + 16;
    uint8_t *bytes = malloc(capacity);
    if (!bytes)
        return NULL;
    struct writer w = writer_of(bytes, capacity);
    cbor_put_map(&w, count);
    for (size_t i = 0; i < count; i++) {
        const struct keeper_item *item = &items[i];
        cbor_put_uint(&w, item->key);
        if (item->kind == 'a')
            cbor_put_array(&w, 1);
        if (item->kind == '?')
            cbor_put_bool(&w, item->flag);
        else if (item->kind == 't')
            cbor_put_text(&w, item->bytes.data, item->bytes.size);
        else
            cbor_put_bytes(&w, item->bytes.data, item->bytes.size);
    }
    *size = w.at;
    return bytes;
}

bool keeper_read(struct span answer, struct span *to, size_t count)
{
    struct cursor c = cursor_of(answer.data, answer.size);
    if (cbor_map(&c) != count || c.failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (cbor_uint(&c) != i + 1)
            return false;
        to[i] = cbor_bytes(&c);
    }
    return !c.failed && c.at == c.size;
}

bool keeper_read_grant(struct span answer, struct span *grant)
{
    struct cursor c = cursor_of(answer.data, answer.size);
    bool good = cbor_map(&c) == 1 && cbor_uint(&c) == 1 && cbor_array(&c) == 1;
    *grant = cbor_bytes(&c);
    return good && !c.failed && c.at == c.size && grant->size == SEALED_GRANT_SIZE;
}

bool keeper_read_hello(struct span answer, struct keeper_hello *hello)
{
    struct span parts[2];
    if (!keeper_read(answer, parts, 2) || parts[0].size != STATEMENT_REPORT_SIZE ||
        parts[1].size == 0 || parts[1].size > STATEMENT_LEASE_SIZE_MAX)
        return false;
    *hello = (struct keeper_hello){
        .report = parts[0],
        .request = parts[1],
        .instance = {parts[0].data + REPORT_INSTANCE_AT, 16},
    };
    return true;
}

static bool read_lease(struct span envelope, struct lease *lease)
{
    struct span statement, signature;
    const char *why;
    return envelope.size <= STATEMENT_LEASE_SIZE_MAX &&
           envelope_split(envelope, &statement, &signature, &why) == TFAAS_OK &&
           lease_read(statement, lease, &why) == TFAAS_OK;
}

bool keeper_read_certified(struct span answer, struct keeper_certified *certified)
{
    struct span parts[3];
    if (!keeper_read(answer, parts, 3) || parts[1].size != 32 ||
        parts[2].size != STATEMENT_REPORT_SIZE)
        return false;
    certified->envelope = parts[0];
    certified->identity = parts[1];
    certified->report = parts[2];
    return read_lease(parts[0], &certified->lease);
}

bool keeper_read_statement(struct span answer, struct span nonce, struct span *bytes,
                           struct key_statement *statement)
{
    struct span parts[2];
    const char *why;
    if (!keeper_read(answer, parts, 2) || parts[1].size != STATEMENT_REPORT_SIZE ||
        key_statement_read(parts[0], statement, &why) != TFAAS_OK)
        return false;
    *bytes = parts[0];
    return statement->nonce.size == nonce.size &&
           (nonce.size == 0 || memcmp(statement->nonce.data, nonce.data, nonce.size) == 0);
}

bool keeper_read_domain(struct span answer, const char *domain, struct span *envelope,
                        uint64_t *until_s)
{
    struct span statement, signature;
    struct domain_statement d;
    struct lease lease;
    const char *why;
    if (!keeper_read(answer, envelope, 1) ||
        envelope_split(*envelope, &statement, &signature, &why) != TFAAS_OK ||
        domain_statement_read(statement, &d, &why) != TFAAS_OK || !span_is(d.domain, domain))
        return false;
    *until_s = d.not_after;
    for (size_t i = 0; i < d.lease_count; i++) {
        if (!read_lease(d.leases[i], &lease))
            return false;
        if (lease.not_after < *until_s)
            *until_s = lease.not_after;
    }
    return true;
}

tfaas_status_t keeper_configurations(struct span envelope, uint64_t now_s, uint8_t **out,
                                     size_t *size)
{
    struct span statement, signature;
    struct domain_statement d;
    const char *why;
    if (envelope_split(envelope, &statement, &signature, &why) != TFAAS_OK ||
        domain_statement_read(statement, &d, &why) != TFAAS_OK)
        return TFAAS_BAD_RESPONSE;
    uint8_t *bytes = malloc(envelope.size + 1);
    if (!bytes)
        return TFAAS_NO_SPACE;
    struct writer w = writer_of(bytes, envelope.size);
    for (size_t i = 0; i < d.lease_count; i++) {
        struct lease lease;
        if (!read_lease(d.leases[i], &lease) || lease.not_after <= now_s)
            continue;
        size_t n = lease.key_configuration.size; /* RFC 9458 3.2: two bytes of length before each */
        writer_u8(&w, (uint8_t)(n >> 8));
        writer_u8(&w, (uint8_t)n);
        writer_put(&w, lease.key_configuration.data, n);
    }
    *out = bytes;
    *size = w.at;
    if (!w.failed && w.at > 0)
        return TFAAS_OK;
    free(bytes);
    *out = NULL;
    return TFAAS_NO_LEASE;
}

/* --- the collection --- */

static bool put_member(FILE *out, const char *name, const char *type, struct span bytes,
                       unsigned indicator)
{
    size_t capacity =
        sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = malloc(capacity);
    if (!text)
        return false;
    (void)sodium_bin2base64(text, capacity, bytes.data, bytes.size,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)fprintf(out, ",\"%s\":[\"%s\",\"%s\",%u]", name, type, text, indicator);
    free(text);
    return true;
}

char *keeper_collection(struct span key_statement, const struct evidence *evidence, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    (void)fputs("{\"__cmwc_t\":\"tag:tfaas,2026:evidence\"", out);
    bool good = put_member(out, "evidence", evidence->type,
                           (struct span){evidence->bytes, evidence->size}, 4) &&
                put_member(out, "key-statement", "application/vnd.tfaas.key-statement+cbor",
                           key_statement, 4);
    if (good && evidence->endorsements_type)
        good = put_member(out, "endorsements", evidence->endorsements_type,
                          (struct span){evidence->endorsements, evidence->endorsements_size}, 2);
    (void)fputc('}', out);
    bool failed = !good || ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
