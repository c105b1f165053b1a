/*
 * evidence_pem.c - lists of certificates in PEM (RFC 7468, strict form: no headers, no encryption,
 * no text around). OpenSSL's own reader would skip what it does not know, and ask on the terminal
 * for a passphrase when the sender says so.
 */
#include "evidence_internal.h"
#include <stdlib.h>

static const char begin[] = "-----BEGIN CERTIFICATE-----";
static const char end[] = "-----END CERTIFICATE-----";

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

static X509 *one(struct evidence_context *c, struct cursor *in, uint8_t *buffer, size_t size,
                 const char *what)
{
    struct writer der = writer_of(buffer, size);
    if (!line(in, begin) || !decode(in, &der) || !line(in, end)) {
        evidence_fail(c, "%s: not a list of PEM certificates", what);
        return NULL;
    }
    return evidence_certificate(c, (struct span){buffer, der.at}, what);
}

certificates_t *evidence_pem_certificates(struct evidence_context *c, struct span pem,
                                          const char *what)
{
    certificates_t *all = sk_X509_new_null();
    uint8_t *buffer = pem.size && pem.size <= EVIDENCE_CERTS_SIZE_MAX ? malloc(pem.size) : NULL;
    bool good = all && buffer && pem.data;
    struct cursor in = cursor_of(pem.data, good ? pem.size : 0);
    for (skip_blanks(&in); good && cursor_left(&in) > 0; skip_blanks(&in)) {
        X509 *certificate = one(c, &in, buffer, pem.size, what);
        good = certificate && sk_X509_num(all) < (int)EVIDENCE_CERTS_MAX &&
               sk_X509_push(all, certificate) > 0;
        if (!good)
            X509_free(certificate);
    }
    free(buffer);
    if (good && sk_X509_num(all) > 0)
        return all;
    sk_X509_pop_free(all, X509_free);
    evidence_fail(c, "%s: no certificates, or too many", what);
    return NULL;
}
