/*
 * evidence_x509.c - certificate chains to a pinned root at a given moment, and the signatures of
 * evidence. Uses OpenSSL's own path validation (RFC 5280) and adds what it does not demand: the
 * exact root, the exact length, the vendor's algorithms.
 */
#include "evidence_internal.h"
#include <openssl/core_names.h>
#include <time.h>

bool der_read(struct cursor *c, struct der_item *item)
{
    item->tag = cursor_u8(c);
    size_t size = cursor_u8(c);
    if (size >= 0x80) {
        unsigned more = (unsigned)size & 0x7f;
        size = 0;
        if (more == 0 || more > 3)
            return false;
        for (unsigned i = 0; i < more; i++)
            size = size << 8 | cursor_u8(c);
        if (size < 0x80 || (more > 1 && size >> (8 * (more - 1)) == 0))
            return false;
    }
    item->value = cursor_take(c, size);
    return !c->failed && (item->tag & 0x1f) != 0x1f;
}

bool der_uint(const struct der_item *item, uint32_t *value)
{
    struct span v = item->value;
    if ((item->tag != 0x02 && item->tag != 0x0a) || v.size == 0 || v.size > 5 || v.data[0] & 0x80)
        return false;
    if (v.size > 1 && v.data[0] == 0 && !(v.data[1] & 0x80))
        return false;
    if (v.size == 5 && v.data[0] != 0)
        return false;
    *value = 0;
    for (size_t i = 0; i < v.size; i++)
        *value = *value << 8 | v.data[i];
    return true;
}

X509 *evidence_certificate(struct evidence_context *c, struct span der, const char *what)
{
    const uint8_t *at = der.data;
    X509 *certificate = NULL;
    if (der.data && der.size && der.size <= EVIDENCE_CERTS_SIZE_MAX)
        certificate = d2i_X509(NULL, &at, (long)der.size);
    if (certificate && at == der.data + der.size)
        return certificate;
    X509_free(certificate);
    evidence_fail(c, "%s: not a certificate", what);
    return NULL;
}

X509_CRL *evidence_revocation_list(struct evidence_context *c, struct span der, const char *what)
{
    const uint8_t *at = der.data;
    X509_CRL *list = NULL;
    if (der.data && der.size && der.size <= EVIDENCE_COLLATERAL_MAX)
        list = d2i_X509_CRL(NULL, &at, (long)der.size);
    if (list && at == der.data + der.size)
        return list;
    X509_CRL_free(list);
    evidence_fail(c, "%s: not a revocation list", what);
    return NULL;
}

static bool time_of(const ASN1_TIME *t, int64_t *unix_time)
{
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *unix_time = (int64_t)timegm(&tm);
    return true;
}

/* The signature algorithm and key that the vendor uses, in every certificate. */
static bool algorithms(enum evidence_vendor vendor, X509 *certificate, bool leaf)
{
    int digest, key, bits;
    uint32_t flags;
    EVP_PKEY *public_key = X509_get0_pubkey(certificate);
    if (!public_key || X509_get_signature_info(certificate, &digest, &key, &bits, &flags) != 1)
        return false;
    if (vendor == EVIDENCE_AMD && (digest != NID_sha384 || key != NID_rsassaPss))
        return false;
    if (vendor == EVIDENCE_INTEL && (digest != NID_sha256 || key != NID_X9_62_id_ecPublicKey))
        return false;
    if (vendor == EVIDENCE_AMD && !leaf)
        return EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA &&
               EVP_PKEY_get_bits(public_key) == 4096;
    char group[32] = "";
    int explicit_parameters = 1;
    return EVP_PKEY_get_base_id(public_key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(public_key, group, sizeof group, NULL) == 1 &&
           strcmp(group, vendor == EVIDENCE_AMD ? "secp384r1" : "prime256v1") == 0 &&
           EVP_PKEY_get_int_param(public_key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                  &explicit_parameters) == 1 &&
           explicit_parameters == 0;
}

static bool chain_holds(struct evidence_context *c, enum evidence_vendor vendor,
                        X509_STORE_CTX *verifier, X509 *root, revocation_lists_t *crls, int length,
                        const char *what)
{
    if (X509_verify_cert(verifier) != 1)
        return evidence_fail(c, "%s: %s", what,
                             X509_verify_cert_error_string(X509_STORE_CTX_get_error(verifier)));
    certificates_t *chain = X509_STORE_CTX_get0_chain(verifier);
    if (sk_X509_num(chain) != length || X509_cmp(sk_X509_value(chain, length - 1), root) != 0)
        return evidence_fail(c, "%s: not a chain of %d to the pinned root", what, length);
    int64_t end;
    for (int i = 0; i < length; i++) {
        X509 *certificate = sk_X509_value(chain, i);
        if (!algorithms(vendor, certificate, i == 0))
            return evidence_fail(c, "%s: not the vendor's algorithms", what);
        if (!time_of(X509_get0_notAfter(certificate), &end))
            return evidence_fail(c, "%s: no end of validity", what);
        evidence_ends(c, end);
    }
    for (int i = 0; crls && i < sk_X509_CRL_num(crls); i++) {
        if (!time_of(X509_CRL_get0_nextUpdate(sk_X509_CRL_value(crls, i)), &end))
            return evidence_fail(c, "%s: a revocation list without an end", what);
        evidence_ends(c, end);
    }
    return true;
}

bool evidence_chain(struct evidence_context *c, enum evidence_vendor vendor, X509 *leaf,
                    certificates_t *others, X509 *root, revocation_lists_t *crls, int length,
                    const char *what)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *verifier = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *parameters = X509_VERIFY_PARAM_new();
    unsigned long flags = X509_V_FLAG_USE_CHECK_TIME;
    if (vendor == EVIDENCE_INTEL)
        flags |= X509_V_FLAG_X509_STRICT; /* AMD's leaves have no key identifiers */
    if (crls)
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    bool good = store && verifier && parameters && X509_STORE_add_cert(store, root) == 1 &&
                X509_STORE_CTX_init(verifier, store, leaf, others) == 1 &&
                X509_VERIFY_PARAM_set_flags(parameters, flags) == 1;
    if (good) {
        X509_VERIFY_PARAM_set_time(parameters, (time_t)c->evidence->at_unix);
        X509_VERIFY_PARAM_set_depth(parameters, length);
        X509_VERIFY_PARAM_set_auth_level(parameters, 3); /* 128 bits */
        X509_STORE_CTX_set0_param(verifier, parameters);
        parameters = NULL;
        if (crls)
            X509_STORE_CTX_set0_crls(verifier, crls);
        good = chain_holds(c, vendor, verifier, root, crls, length, what);
    } else {
        evidence_fail(c, "%s: out of memory", what);
    }
    X509_VERIFY_PARAM_free(parameters);
    X509_STORE_CTX_free(verifier);
    X509_STORE_free(store);
    return good;
}

bool evidence_not_revoked(struct evidence_context *c, X509_CRL *list, X509 *issuer,
                          X509 *certificate, const char *what)
{
    X509_REVOKED *entry = NULL;
    int64_t from, until;
    if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(issuer)) != 0 ||
        X509_CRL_get_signature_nid(list) != X509_get_signature_nid(issuer) ||
        X509_CRL_verify(list, X509_get0_pubkey(issuer)) != 1)
        return evidence_fail(c, "%s: a revocation list of another CA", what);
    for (int i = 0; i < X509_CRL_get_ext_count(list); i++)
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(list, i)))
            return evidence_fail(c, "%s: a revocation list with a critical extension", what);
    if (!time_of(X509_CRL_get0_lastUpdate(list), &from) ||
        !time_of(X509_CRL_get0_nextUpdate(list), &until) || c->evidence->at_unix < from ||
        c->evidence->at_unix > until)
        return evidence_fail(c, "%s: a revocation list that is not current", what);
    evidence_ends(c, until);
    if (X509_CRL_get0_by_cert(list, &entry, certificate) != 0)
        return evidence_fail(c, "%s: certificate revoked", what);
    return true;
}

bool evidence_common_name(const X509_NAME *name, const char *expected)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return false;
    ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    struct span text = {ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
    return span_is(text, expected);
}

bool evidence_extension(X509 *certificate, const char *oid, struct span *value)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = object ? X509_get_ext_by_OBJ(certificate, object, -1) : -1;
    bool good = at >= 0 && X509_get_ext_by_OBJ(certificate, object, at) < 0;
    ASN1_OBJECT_free(object);
    if (!good)
        return false;
    ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
    *value = (struct span){ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data)};
    return true;
}

static bool verify_der(EVP_PKEY *key, const EVP_MD *digest, struct span data, const uint8_t *der,
                       size_t der_size)
{
    EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    bool good = verifier && EVP_DigestVerifyInit(verifier, NULL, digest, NULL, key) == 1 &&
                EVP_DigestVerify(verifier, der, der_size, data.data, data.size) == 1;
    EVP_MD_CTX_free(verifier);
    return good;
}

bool evidence_ecdsa(EVP_PKEY *key, struct span data, struct span signature)
{
    size_t half = signature.size / 2;
    if (!key || (signature.size != 64 && signature.size != 96) ||
        EVP_PKEY_get_bits(key) != (int)half * 8)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(signature.data + half, (int)half, NULL);
    uint8_t *der = NULL;
    bool good = false;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL;
        int der_size = i2d_ECDSA_SIG(pair, &der);
        good = der_size > 0 && verify_der(key, half == 32 ? EVP_sha256() : EVP_sha384(), data, der,
                                          (size_t)der_size);
    }
    OPENSSL_free(der);
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return good;
}

EVP_PKEY *evidence_p256_key(struct span xy)
{
    uint8_t point[65] = {4};
    if (xy.size != 64)
        return NULL;
    memcpy(point + 1, xy.data, 64);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"prime256v1"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end()};
    EVP_PKEY *key = NULL; /* decoding checks that the point is on the curve */
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (!maker || EVP_PKEY_fromdata_init(maker) != 1 ||
        EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(maker);
    return key;
}

bool evidence_sha256(struct span data, uint8_t out[32])
{
    unsigned size = 0;
    return EVP_Digest(data.data, data.size, out, &size, EVP_sha256(), NULL) == 1 && size == 32;
}
