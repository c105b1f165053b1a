/*
 * evidence_pem.c - lists of certificates (and revocation lists) in PEM (RFC 7468, strict form: no
 * headers, no encryption, no text around). OpenSSL's own reader would skip what it does not know,
 * and ask on the terminal for a passphrase when the sender says so.
 */
#include "evidence_internal.h"
#include <stdlib.h>

static const char begin[] = "-----BEGIN CERTIFICATE-----";
static const char end[] = "-----END CERTIFICATE-----";
static const char begin_crl[] = "-----BEGIN X509 CRL-----";
static const char end_crl[] = "-----END X509 CRL-----";

/* Blank: also NUL, with which Intel's quotes end their list. */
static bool blank(uint8_t c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == 0;
}

static void skip_blanks(struct cursor *c)
{
    while (cursor_left(c) > 0 && blank(c->data[c->at]))
        c->at++;
}

static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 up to the first '-', with line breaks; canonical: right padding, no stray bits. */
static bool decode(struct cursor *c, struct writer *out)
{
    uint32_t bits = 0;
    unsigned count = 0, padding = 0;
    while (cursor_left(c) > 0 && c->data[c->at] != '-') {
        uint8_t symbol = cursor_u8(c);
        if (symbol == '\n' || symbol == '\r')
            continue;
        int value = symbol == '=' ? 0 : value_of(symbol);
        padding += symbol == '=';
        if (value < 0 || padding > 2 || (padding && symbol != '='))
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++count % 4 != 0)
            continue;
        uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        if ((padding >= 1 && bytes[2]) || (padding == 2 && bytes[1]))
            return false;
        writer_put(out, bytes, 3 - padding);
        bits = 0;
    }
    return count % 4 == 0 && out->at > 0 && !out->failed;
}

/* The text `expected`, then the end of the line or of everything. */
static bool line(struct cursor *c, const char *expected)
{
    if (!span_is(cursor_take(c, strlen(expected)), expected))
        return false;
    return cursor_left(c) == 0 || blank(c->data[c->at]);
}

/* The bytes of the block between `from` and `to`; {NULL, 0} and an error when it is malformed. */
static struct span block(struct evidence_context *c, struct cursor *in, const char *from,
                         const char *to, struct span buffer, const char *what)
{
    struct writer der = writer_of((uint8_t *)(uintptr_t)buffer.data, buffer.size);
    if (line(in, from) && decode(in, &der) && line(in, to))
        return (struct span){buffer.data, der.at};
    evidence_fail(c, "%s: not a list of PEM certificates", what);
    return (struct span){NULL, 0};
}

static bool add_certificate(struct evidence_context *c, certificates_t *all, struct span der,
                            const char *what)
{
    X509 *certificate = der.data ? evidence_certificate(c, der, what) : NULL;
    if (certificate && sk_X509_num(all) < (int)EVIDENCE_CERTS_MAX &&
        sk_X509_push(all, certificate) > 0)
        return true;
    X509_free(certificate);
    return false;
}

static bool add_list(struct evidence_context *c, revocation_lists_t *all, struct span der,
                     const char *what)
{
    X509_CRL *list = der.data ? evidence_revocation_list(c, der, what) : NULL;
    if (list && sk_X509_CRL_num(all) < (int)EVIDENCE_CERTS_MAX && sk_X509_CRL_push(all, list) > 0)
        return true;
    X509_CRL_free(list);
    return false;
}

static bool at(const struct cursor *c, const char *text)
{
    size_t size = strlen(text);
    return cursor_left(c) >= size && memcmp(c->data + c->at, text, size) == 0;
}

certificates_t *evidence_pem_bundle(struct evidence_context *c, struct span pem,
                                    revocation_lists_t *lists, const char *what)
{
    certificates_t *all = sk_X509_new_null();
    uint8_t *buffer = pem.size && pem.size <= EVIDENCE_CERTS_SIZE_MAX ? malloc(pem.size) : NULL;
    bool good = all && buffer && pem.data;
    struct cursor in = cursor_of(pem.data, good ? pem.size : 0);
    struct span room = {buffer, pem.size};
    for (skip_blanks(&in); good && cursor_left(&in) > 0; skip_blanks(&in)) {
        if (lists && at(&in, begin_crl))
            good = add_list(c, lists, block(c, &in, begin_crl, end_crl, room, what), what);
        else
            good = add_certificate(c, all, block(c, &in, begin, end, room, what), what);
    }
    free(buffer);
    if (good && sk_X509_num(all) > 0)
        return all;
    sk_X509_pop_free(all, X509_free);
    evidence_fail(c, "%s: no certificates, or too many", what);
    return NULL;
}

certificates_t *evidence_pem_certificates(struct evidence_context *c, struct span pem,
                                          const char *what)
{
    return evidence_pem_bundle(c, pem, NULL, what);
}
