/*
 * evidence_collateral.c - Intel's signed statements about platforms: TCB info and QE identity
 * (exact signed bytes), their signer's chain, and the two revocation lists. Form: one JSON object
 * of nine strings, as DCAP's quote providers and dcap-qvl hand it out (docs/evidence.md).
 */
#include "evidence_internal.h"
#include <jansson.h>
#include <time.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool evidence_hex(const char *text, uint8_t *out, size_t size)
{
    if (!text || strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* `digits` decimal digits at `text`, or -1 */
static int number(const char *text, size_t digits)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool evidence_date(const char *text, int64_t *unix_time)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!text || strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    struct tm tm = {.tm_year = number(text, 4) - 1900,
                    .tm_mon = number(text + 5, 2) - 1,
                    .tm_mday = number(text + 8, 2),
                    .tm_hour = number(text + 11, 2),
                    .tm_min = number(text + 14, 2),
                    .tm_sec = number(text + 17, 2)};
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 59 || tm.tm_year < 70)
        return false;
    int year = tm.tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (tm.tm_mday > days[tm.tm_mon] + (tm.tm_mon == 1 && leap))
        return false;
    *unix_time = (int64_t)timegm(&tm);
    return true;
}

static struct span text_span(const json_t *value)
{
    const char *text = json_string_value(value);
    return (struct span){(const uint8_t *)text, text ? json_string_length(value) : 0};
}

static const json_t *wanted(struct evidence_context *c, const struct collateral *collateral,
                            const char *key)
{
    const json_t *value = json_object_get(collateral->json, key);
    if (json_is_string(value) && json_string_length(value) > 0)
        return value;
    evidence_fail(c, "collateral: no %s", key);
    return NULL;
}

/* The statement's own validity comes first: that is what grows old. */
static bool current(struct evidence_context *c, const json_t *statement, const char *name)
{
    int64_t from, until;
    if (!evidence_date(json_string_value(json_object_get(statement, "issueDate")), &from) ||
        !evidence_date(json_string_value(json_object_get(statement, "nextUpdate")), &until))
        return evidence_fail(c, "%s: malformed dates", name);
    if (c->evidence->at_unix < from)
        return evidence_fail(c, "%s issue date is in the future", name);
    if (c->evidence->at_unix > until)
        return evidence_fail(c, "%s expired", name);
    evidence_ends(c, until);
    return true;
}

/* Signer: "Intel SGX TCB Signing", straight under the root, covered by the root's list. */
static bool signed_by_intel(struct evidence_context *c, X509 *root, const struct collateral *l,
                            struct span pem, struct span statement, const char *signature_hex,
                            const char *name)
{
    uint8_t signature[64];
    AUTO(certs) certificates_t *chain = evidence_pem_certificates(c, pem, name);
    if (!chain)
        return false;
    X509 *signer = sk_X509_value(chain, 0);
    revocation_lists_t *crls = sk_X509_CRL_new_null();
    bool good = crls && sk_X509_CRL_push(crls, l->root_crl) > 0 &&
                evidence_chain(c, EVIDENCE_INTEL, signer, chain, root, crls, 2, name);
    sk_X509_CRL_free(crls);
    if (!good)
        return evidence_fail(c, "%s: chain", name);
    if (!evidence_common_name(X509_get_subject_name(signer), "Intel SGX TCB Signing") ||
        !(X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE) || X509_check_ca(signer))
        return evidence_fail(c, "%s: its signer is not Intel's TCB signing key", name);
    if (!evidence_hex(signature_hex, signature, sizeof signature) ||
        !evidence_ecdsa(X509_get0_pubkey(signer), statement, (struct span){signature, 64}))
        return evidence_fail(c, "%s: signature is invalid", name);
    return true;
}

static json_t *statement(struct evidence_context *c, X509 *root, const struct collateral *l,
                         const char *const keys[3], const char *name)
{
    const json_t *text = wanted(c, l, keys[0]), *signature = wanted(c, l, keys[1]);
    const json_t *chain = wanted(c, l, keys[2]);
    if (!text || !signature || !chain)
        return NULL;
    struct span bytes = text_span(text);
    json_t *parsed = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(parsed))
        evidence_fail(c, "%s: not a JSON object", name);
    else if (current(c, parsed, name) && signed_by_intel(c, root, l, text_span(chain), bytes,
                                                         json_string_value(signature), name))
        return parsed;
    json_decref(parsed);
    return NULL;
}

/* A DER revocation list in hex. */
static X509_CRL *revocation_list(struct evidence_context *c, const struct collateral *l,
                                 const char *key)
{
    const json_t *text = wanted(c, l, key);
    size_t size = text ? json_string_length(text) / 2 : 0;
    uint8_t *der = size ? OPENSSL_malloc(size) : NULL;
    X509_CRL *list = NULL;
    if (der && evidence_hex(json_string_value(text), der, size))
        list = evidence_revocation_list(c, (struct span){der, size}, key);
    OPENSSL_free(der);
    if (!list)
        evidence_fail(c, "collateral: %s is not a revocation list", key);
    return list;
}

bool collateral_load(struct evidence_context *c, X509 *root, struct collateral *l)
{
    static const char *const tcb_keys[] = {"tcb_info", "tcb_info_signature",
                                           "tcb_info_issuer_chain"};
    static const char *const qe_keys[] = {"qe_identity", "qe_identity_signature",
                                          "qe_identity_issuer_chain"};
    struct tfaas_bytes bytes = c->evidence->collateral;
    if (bytes.size > EVIDENCE_COLLATERAL_MAX)
        return evidence_fail(c, "collateral: larger than %u bytes", EVIDENCE_COLLATERAL_MAX);
    l->json = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object((json_t *)l->json))
        return evidence_fail(c, "collateral: not a JSON object");
    l->root_crl = revocation_list(c, l, "root_ca_crl");
    l->pck_crl = l->root_crl ? revocation_list(c, l, "pck_crl") : NULL;
    if (!l->pck_crl)
        return false;
    if (X509_NAME_cmp(X509_CRL_get_issuer(l->root_crl), X509_get_subject_name(root)) != 0)
        return evidence_fail(c, "collateral: root_ca_crl is not the root's");
    l->crls = sk_X509_CRL_new_null();
    if (!l->crls || sk_X509_CRL_push(l->crls, l->root_crl) <= 0 ||
        sk_X509_CRL_push(l->crls, l->pck_crl) <= 0)
        return evidence_fail(c, "out of memory");
    l->tcb_info = statement(c, root, l, tcb_keys, "TCBInfo");
    l->qe_identity = l->tcb_info ? statement(c, root, l, qe_keys, "QE Identity") : NULL;
    return l->qe_identity != NULL;
}

/* The chain was already checked against the list with the issuer from the quote; here its own
 * issuer chain, and that both are of the CA that made this PCK certificate. */
bool collateral_check_pck_crl(struct evidence_context *c, const struct collateral *l, X509 *root,
                              X509 *pck)
{
    const json_t *pem = wanted(c, l, "pck_crl_issuer_chain");
    if (!pem)
        return false;
    AUTO(certs)
    certificates_t *chain = evidence_pem_certificates(c, text_span(pem), "PCK CRL issuer");
    if (!chain)
        return false;
    X509 *issuer = sk_X509_value(chain, 0);
    revocation_lists_t *crls = sk_X509_CRL_new_null();
    bool good = crls && sk_X509_CRL_push(crls, l->root_crl) > 0 &&
                evidence_chain(c, EVIDENCE_INTEL, issuer, chain, root, crls, 2, "PCK CRL issuer");
    sk_X509_CRL_free(crls);
    if (!good)
        return evidence_fail(c, "PCK CRL issuer: chain");
    if (X509_NAME_cmp(X509_CRL_get_issuer(l->pck_crl), X509_get_issuer_name(pck)) != 0 ||
        X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(pck)) != 0)
        return evidence_fail(c, "PCK CRL: of another CA than the PCK certificate");
    if (X509_CRL_verify(l->pck_crl, X509_get0_pubkey(issuer)) != 1)
        return evidence_fail(c, "PCK CRL: signature is invalid");
    return true;
}

void collateral_free(struct collateral *l)
{
    json_decref(l->json);
    json_decref(l->tcb_info);
    json_decref(l->qe_identity);
    sk_X509_CRL_free(l->crls);
    X509_CRL_free(l->root_crl);
    X509_CRL_free(l->pck_crl);
}
