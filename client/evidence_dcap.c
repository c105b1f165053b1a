/*
 * evidence_dcap.c - what SGX and TDX quotes have in common: the header, the signature data, the PCK
 * certificate, and the line of signatures from Intel's root down to the quoted body:
 * root > PCK CA > PCK certificate > QE report > attestation key > header and body.
 */
#include "evidence_internal.h"

#define HEADER_SIZE      48u
#define SGX_REPORT_SIZE  384u
#define KEY_TYPE_P256    2u
#define CERT_DATA_PEM    5u /* PCK certificate chain */
#define CERT_DATA_QE     6u /* QE report certification data, quotes 4 and 5 */
#define OID_SGX          "1.2.840.113741.1.13.1"
#define TEE_TYPE_SGX     0x00u
#define TEE_TYPE_TDX     0x81u
#define ATTRIBUTES_DEBUG 0x02u

static const uint8_t intel_qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                            0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* MRSIGNER of Intel's quoting enclaves: what QE identities have said since 2018 (SGX) and 2022
 * (TDX). Only consulted when there is no QE identity. */
static const uint8_t intel_qe_signer[32] = {
    0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f, 0x77, 0xc6, 0x8a, 0x82, 0x9a,
    0x00, 0x56, 0xac, 0x8d, 0xed, 0x70, 0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44, 0x90, 0xc5, 0x7b, 0xff};
static const uint8_t intel_td_qe_signer[32] = {
    0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
    0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5};

bool dcap_report_read(struct cursor *c, struct dcap_report *report)
{
    report->cpu_svn = cursor_take(c, 16);
    report->misc_select = cursor_take(c, 4);
    cursor_take(c, 12);
    report->isv_ext_prod_id = cursor_take(c, 16);
    report->attributes = cursor_take(c, 16);
    report->mr_enclave = cursor_take(c, 32);
    cursor_take(c, 32);
    report->mr_signer = cursor_take(c, 32);
    cursor_take(c, 32);
    report->config_id = cursor_take(c, 64);
    report->isv_prod_id = (uint16_t)evidence_le(c, 2);
    report->isv_svn = (uint16_t)evidence_le(c, 2);
    report->config_svn = (uint16_t)evidence_le(c, 2);
    cursor_take(c, 42);
    report->isv_family_id = cursor_take(c, 16);
    report->report_data = cursor_take(c, 64);
    return !c->failed;
}

/* Signature data: signature, key, then (from version 4 on inside certification data of type 6) the
 * QE report, its signature, QE authentication data, and the PCK chain. */
static bool signature_data(struct evidence_context *c, uint16_t version, struct cursor data,
                           struct dcap_quote *quote)
{
    quote->signature = cursor_take(&data, 64);
    quote->attestation_key = cursor_take(&data, 64);
    if (version >= 4) {
        uint64_t type = evidence_le(&data, 2), size = evidence_le(&data, 4);
        if (type != CERT_DATA_QE)
            return evidence_fail(c, "quote: certification data is not a QE report");
        struct span inner = cursor_take(&data, size);
        if (data.failed || cursor_left(&data) != 0)
            return evidence_fail(c, "quote: the signature data has the wrong length");
        data = cursor_of(inner.data, inner.size);
    }
    quote->qe_report_bytes = cursor_take(&data, SGX_REPORT_SIZE);
    quote->qe_signature = cursor_take(&data, 64);
    quote->qe_auth = cursor_take(&data, evidence_le(&data, 2));
    uint64_t type = evidence_le(&data, 2);
    quote->pck_chain = cursor_take(&data, evidence_le(&data, 4));
    if (data.failed || cursor_left(&data) != 0)
        return evidence_fail(c, "quote: the signature data has the wrong length");
    if (type != CERT_DATA_PEM)
        return evidence_fail(c, "quote: no PCK certificate chain inside (type %u)", (unsigned)type);
    struct cursor report = cursor_of(quote->qe_report_bytes.data, quote->qe_report_bytes.size);
    return dcap_report_read(&report, &quote->qe_report) ||
           evidence_fail(c, "quote: QE report is truncated");
}

bool dcap_parse(struct evidence_context *c, uint16_t version, size_t body_size,
                struct dcap_quote *quote)
{
    struct cursor all = cursor_of(c->evidence->quote.data, c->evidence->quote.size);
    *quote = (struct dcap_quote){0};
    uint64_t found = evidence_le(&all, 2), key_type = evidence_le(&all, 2);
    uint64_t tee_type = evidence_le(&all, 4);
    cursor_take(&all, 4); /* version 3: QE SVN, PCE SVN; later: reserved */
    struct span vendor = cursor_take(&all, 16);
    cursor_take(&all, 20); /* user data */
    quote->body = cursor_take(&all, body_size);
    quote->signed_part = (struct span){c->evidence->quote.data, HEADER_SIZE + body_size};
    struct span data = cursor_take(&all, evidence_le(&all, 4));
    if (all.failed)
        return evidence_fail(c, "quote: truncated");
    if (found != version)
        return evidence_fail(c, "quote: version %u", (unsigned)found);
    if (key_type != KEY_TYPE_P256)
        return evidence_fail(c, "quote: attestation key type %u", (unsigned)key_type);
    if (tee_type != (c->evidence->tee == TFAAS_TEE_SGX ? TEE_TYPE_SGX : TEE_TYPE_TDX))
        return evidence_fail(c, "quote: it is of another TEE (0x%x)", (unsigned)tee_type);
    if (memcmp(vendor.data, intel_qe_vendor, sizeof intel_qe_vendor) != 0)
        return evidence_fail(c, "quote: unknown QE vendor");
    quote->tail = cursor_take(&all, cursor_left(&all));
    return signature_data(c, version, cursor_of(data.data, data.size), quote);
}

/* --- the SGX extension of a PCK certificate (Intel PCK Certificate and CRL Profile, 1.3.5) --- */

/* One SEQUENCE { OID, value } of the extension: the last part of the OID below `prefix`, or 0. */
static bool entry(struct cursor *c, struct span prefix, uint8_t *last, struct der_item *value)
{
    struct der_item sequence, oid;
    if (!der_read(c, &sequence) || sequence.tag != 0x30)
        return false;
    struct cursor in = cursor_of(sequence.value.data, sequence.value.size);
    if (!der_read(&in, &oid) || oid.tag != 0x06 || !der_read(&in, value) || cursor_left(&in) != 0)
        return false;
    bool ours =
        oid.value.size == prefix.size + 1 && memcmp(oid.value.data, prefix.data, prefix.size) == 0;
    *last = ours ? oid.value.data[prefix.size] : 0;
    return true;
}

static bool octets(const struct der_item *item, uint8_t *out, size_t size)
{
    if (item->tag != 0x04 || item->value.size != size)
        return false;
    memcpy(out, item->value.data, size);
    return true;
}

/* 1.2.840.113741.1.13.1 */
static const uint8_t oid_sgx[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
static const uint8_t oid_tcb[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x02};

/* .2: sixteen component SVNs, PCE SVN (17), CPU SVN (18), each once */
static bool pck_tcb(struct evidence_context *c, const struct der_item *tcb, struct dcap_pck *pck)
{
    struct cursor in = cursor_of(tcb->value.data, tcb->value.size);
    struct span prefix = {oid_tcb, sizeof oid_tcb};
    uint32_t seen = 0, number;
    while (cursor_left(&in) > 0) {
        uint8_t last;
        struct der_item value;
        if (!entry(&in, prefix, &last, &value) || last < 1 || last > 18 || seen & 1u << last)
            return false;
        seen |= 1u << last;
        if (last == 18) {
            if (!octets(&value, c->appraisal->pck_cpu_svn, 16))
                return false;
            continue;
        }
        if (!der_uint(&value, &number) || number > (last == 17 ? 0xffffu : 0xffu))
            return false;
        if (last == 17)
            pck->pce_svn = (uint16_t)number;
        else
            pck->component_svn[last - 1] = (uint8_t)number;
    }
    /* Today each component is a byte of CPU SVN. Should they ever differ, the lower one counts. */
    for (size_t i = 0; i < sizeof pck->component_svn; i++)
        if (c->appraisal->pck_cpu_svn[i] < pck->component_svn[i])
            pck->component_svn[i] = c->appraisal->pck_cpu_svn[i];
    c->appraisal->pck_pce_svn = pck->pce_svn;
    return tcb->tag == 0x30 && seen == 0x7fffeu;
}

static bool pck_extension(struct evidence_context *c, X509 *certificate, struct dcap_pck *pck)
{
    struct span bytes, prefix = {oid_sgx, sizeof oid_sgx};
    struct der_item all;
    if (!evidence_extension(certificate, OID_SGX, &bytes))
        return false;
    struct cursor outer = cursor_of(bytes.data, bytes.size);
    if (!der_read(&outer, &all) || all.tag != 0x30 || cursor_left(&outer) != 0)
        return false;
    struct cursor in = cursor_of(all.value.data, all.value.size);
    struct tfaas_appraisal *a = c->appraisal;
    uint32_t seen = 0, type;
    while (cursor_left(&in) > 0) {
        uint8_t last;
        struct der_item value;
        if (!entry(&in, prefix, &last, &value) || last > 31 || (last && seen & 1u << last))
            return false;
        seen |= 1u << last;
        if ((last == 1 && !octets(&value, a->platform_id, 16)) ||
            (last == 2 && !pck_tcb(c, &value, pck)) ||
            (last == 3 && !octets(&value, a->pce_id, 2)) ||
            (last == 4 && !octets(&value, a->fmspc, 6)) ||
            (last == 5 && !der_uint(&value, &type)) ||
            (last == 6 && !octets(&value, a->platform_instance_id, 16)))
            return false;
    }
    if (!evidence_zero((struct span){a->platform_id, 16}))
        a->platform_id_size = 16;
    return (seen & 0x3eu) == 0x3eu; /* 1 to 5 */
}

/* The certificate with the SGX extension; a chain need not begin with it, but holds one only. */
static X509 *find_pck(struct evidence_context *c, certificates_t *chain)
{
    X509 *found = NULL;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct span value;
        if (!evidence_extension(sk_X509_value(chain, i), OID_SGX, &value))
            continue;
        if (found)
            found = (evidence_fail(c, "PCK chain: two PCK certificates"), NULL);
        else
            found = sk_X509_value(chain, i);
    }
    if (!found)
        evidence_fail(c, "PCK chain: no PCK certificate");
    return found;
}

static bool pck_identity(struct evidence_context *c, X509 *pck)
{
    const X509_NAME *issuer = X509_get_issuer_name(pck);
    c->appraisal->pck_platform_ca = evidence_common_name(issuer, "Intel SGX PCK Platform CA");
    if (!c->appraisal->pck_platform_ca &&
        !evidence_common_name(issuer, "Intel SGX PCK Processor CA"))
        return evidence_fail(c, "PCK certificate: not of a PCK CA");
    if (!evidence_common_name(X509_get_subject_name(pck), "Intel SGX PCK Certificate"))
        return evidence_fail(c, "PCK certificate: another certificate's name");
    if (!(X509_get_key_usage(pck) & KU_DIGITAL_SIGNATURE) || X509_check_ca(pck))
        return evidence_fail(c, "PCK certificate: not for signing");
    return true;
}

/* PCK key > QE report > attestation key > body. */
static bool signatures(struct evidence_context *c, const struct dcap_quote *quote, X509 *pck)
{
    if (!evidence_ecdsa(X509_get0_pubkey(pck), quote->qe_report_bytes, quote->qe_signature))
        return evidence_fail(c, "Signature is invalid for qe_report in quote");
    uint8_t hash[64] = {0};
    unsigned size = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, quote->attestation_key.data, 64) == 1 &&
                EVP_DigestUpdate(digest, quote->qe_auth.data, quote->qe_auth.size) == 1 &&
                EVP_DigestFinal_ex(digest, hash, &size) == 1;
    EVP_MD_CTX_free(digest);
    if (!good || memcmp(hash, quote->qe_report.report_data.data, sizeof hash) != 0)
        return evidence_fail(c, "QE report hash mismatch");
    if (quote->qe_report.attributes.data[0] & ATTRIBUTES_DEBUG)
        return evidence_fail(c, "QE is a debug enclave");
    AUTO(key) EVP_PKEY *key = evidence_p256_key(quote->attestation_key);
    return evidence_ecdsa(key, quote->signed_part, quote->signature) ||
           evidence_fail(c, "Quote signature is invalid");
}

/* What can be said of the QE without its identity: that Intel signed it. */
static bool qe_without_identity(struct evidence_context *c, const struct dcap_quote *quote)
{
    bool sgx = c->evidence->tee == TFAAS_TEE_SGX;
    const uint8_t *signer = sgx ? intel_qe_signer : intel_td_qe_signer;
    if (memcmp(quote->qe_report.mr_signer.data, signer, 32) != 0 ||
        quote->qe_report.isv_prod_id != (sgx ? 1 : 2))
        return evidence_fail(c, "QE is not Intel's");
    c->appraisal->tcb_status = TFAAS_TCB_UNKNOWN;
    return true;
}

bool dcap_verify(struct evidence_context *c, struct dcap_quote *quote, const uint8_t *tee_tcb_svn,
                 const uint8_t *tee_tcb_svn2)
{
    __attribute__((cleanup(auto_collateral))) struct collateral collateral = {0};
    bool with = c->evidence->collateral.data != NULL;
    AUTO(x509) X509 *root = evidence_certificate(c, c->roots.intel, "Intel root");
    if (!root || (with && !collateral_load(c, root, &collateral)))
        return false;
    AUTO(certs)
    certificates_t *chain = evidence_pem_certificates(c, quote->pck_chain, "PCK chain");
    X509 *pck = chain ? find_pck(c, chain) : NULL;
    if (!pck)
        return false;
    if (!evidence_chain(c, EVIDENCE_INTEL, pck, chain, root, collateral.crls, 3, "PCK chain"))
        return false;
    if (with && !collateral_check_pck_crl(c, &collateral, root, pck))
        return false;
    if (!pck_identity(c, pck))
        return false;
    if (!pck_extension(c, pck, &quote->pck))
        return evidence_fail(c, "PCK certificate: malformed SGX extension");
    if (!signatures(c, quote, pck))
        return false;
    if (with)
        return tcb_judge(c, &collateral, quote, tee_tcb_svn, tee_tcb_svn2);
    return qe_without_identity(c, quote);
}
