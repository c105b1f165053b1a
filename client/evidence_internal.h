/*
 * evidence_internal.h - what the files of the evidence verifiers share. Not for callers: they have
 * include/tfaas/evidence.h. Every check returns whether it held; the first that does not leaves one
 * line in the appraisal, and nothing after it runs.
 */
#ifndef TFAAS_CLIENT_EVIDENCE_INTERNAL_H
#define TFAAS_CLIENT_EVIDENCE_INTERNAL_H

#include "cursor.h"
#include "tfaas/evidence.h"
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

typedef STACK_OF(X509) certificates_t;
typedef STACK_OF(X509_CRL) revocation_lists_t;

/* Bounds on what is looked at; larger input is rejected. */
#define EVIDENCE_QUOTE_MAX      (64u << 10)
#define EVIDENCE_COLLATERAL_MAX (1u << 20)
#define EVIDENCE_CERTS_SIZE_MAX (64u << 10)
#define EVIDENCE_CERTS_MAX      8u
#define EVIDENCE_HCL_MAX        (64u << 10)
#define EVIDENCE_TCB_LEVELS_MAX 128u

/* The trust anchors, DER. Tests bring their own; everyone else gets evidence_pinned_roots. */
struct evidence_roots {
    struct span intel;
    struct span ark[TFAAS_SNP_TURIN + 1]; /* by generation; [0] is unused */
};
struct evidence_roots evidence_pinned_roots(void);

struct evidence_context {
    const struct tfaas_evidence *evidence;
    struct evidence_roots roots;
    struct tfaas_appraisal *appraisal;
};

/* As tfaas_evidence_appraise, under other roots. */
tfaas_status_t evidence_appraise_under(const struct evidence_roots *roots,
                                       const struct tfaas_evidence *evidence,
                                       struct tfaas_appraisal *appraisal) TFAAS_MUST_USE;

/* Keeps the first error; always false. */
bool evidence_fail(struct evidence_context *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The verdict holds no longer than until `unix_time`. */
void evidence_ends(struct evidence_context *c, int64_t unix_time);

/* --- bytes --- */
static inline uint64_t evidence_le(struct cursor *c, unsigned size)
{
    struct span s = cursor_take(c, size);
    uint64_t value = 0;
    for (size_t i = s.size; i > 0; i--)
        value = (value << 8) | s.data[i - 1];
    return value;
}
void evidence_copy(struct cursor *c, uint8_t *out, size_t size); /* zeros when it ends before */
bool evidence_zero(struct span s) TFAAS_MUST_USE;

/* One DER item with a single-byte tag and a definite, minimal length (X.690 section 10.1). */
struct der_item {
    uint8_t tag;
    struct span value;
};
bool der_read(struct cursor *c, struct der_item *item) TFAAS_MUST_USE;
/* A non-negative INTEGER or ENUMERATED of at most 32 bits. */
bool der_uint(const struct der_item *item, uint32_t *value) TFAAS_MUST_USE;

/* --- certificates and signatures (evidence_x509.c); owners free what they get --- */
enum evidence_vendor { EVIDENCE_INTEL, EVIDENCE_AMD };

X509 *evidence_certificate(struct evidence_context *c, struct span der, const char *what);
/* Of every certificate in the list, in its order; at least one (evidence_pem.c). */
certificates_t *evidence_pem_certificates(struct evidence_context *c, struct span pem,
                                          const char *what);
/* The same, and revocation lists among them go to `lists`. */
certificates_t *evidence_pem_bundle(struct evidence_context *c, struct span pem,
                                    revocation_lists_t *lists, const char *what);
X509_CRL *evidence_revocation_list(struct evidence_context *c, struct span der, const char *what);
/* `list` is of `issuer` and current, and does not name `certificate`. */
bool evidence_not_revoked(struct evidence_context *c, X509_CRL *list, X509 *issuer,
                          X509 *certificate, const char *what) TFAAS_MUST_USE;
/* leaf up to exactly `root`, at the moment of the evidence, `length` certificates with both ends.
 * With `crls` every certificate of the chain, the root too, must be covered by one and not
 * revoked. */
bool evidence_chain(struct evidence_context *c, enum evidence_vendor vendor, X509 *leaf,
                    certificates_t *others, X509 *root, revocation_lists_t *crls, int length,
                    const char *what) TFAAS_MUST_USE;
bool evidence_common_name(const X509_NAME *name, const char *expected) TFAAS_MUST_USE;
/* The value of the extension `oid`, which must be there once. In place, owned by the certificate.
 */
bool evidence_extension(X509 *certificate, const char *oid, struct span *value) TFAAS_MUST_USE;
/* r and s big-endian, each half of `signature`; P-256 with SHA-256, P-384 with SHA-384. */
bool evidence_ecdsa(EVP_PKEY *key, struct span data, struct span signature) TFAAS_MUST_USE;
EVP_PKEY *evidence_p256_key(struct span xy);
bool evidence_sha256(struct span data, uint8_t out[32]) TFAAS_MUST_USE;

static inline void auto_x509(X509 **p)
{
    X509_free(*p);
}
static inline void auto_certs(certificates_t **p)
{
    sk_X509_pop_free(*p, X509_free);
}
static inline void auto_lists(revocation_lists_t **p)
{
    sk_X509_CRL_pop_free(*p, X509_CRL_free);
}
static inline void auto_key(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}
#define AUTO(how) __attribute__((cleanup(auto_##how)))

/* --- DCAP quotes, common to SGX and TDX (evidence_dcap.c) --- */
struct dcap_report { /* an SGX report body, the parts that are looked at */
    struct span cpu_svn, misc_select, attributes, mr_enclave, mr_signer, report_data, config_id;
    struct span isv_ext_prod_id, isv_family_id;
    uint16_t isv_prod_id, isv_svn, config_svn;
};
bool dcap_report_read(struct cursor *c, struct dcap_report *report) TFAAS_MUST_USE;

struct dcap_pck {
    uint8_t component_svn[16];
    uint16_t pce_svn;
};

struct dcap_quote {
    struct span signed_part, body; /* body: what follows the header, in version 5 also its type */
    struct span signature, attestation_key, qe_report_bytes, qe_signature, qe_auth, pck_chain;
    struct dcap_report qe_report;
    struct span tail; /* behind the signature data */
    struct dcap_pck pck;
};

/* Header, body and the layout of the signature data. */
bool dcap_parse(struct evidence_context *c, uint16_t version, size_t body_size,
                struct dcap_quote *quote) TFAAS_MUST_USE;
/* Collateral (where given), certificate chain, signatures, TCB. `tee_tcb_svn`: TDX, else NULL;
 * `tee_tcb_svn2` besides for a TD report 1.5. Sets tcb_status and advisory_ids. */
bool dcap_verify(struct evidence_context *c, struct dcap_quote *quote, const uint8_t *tee_tcb_svn,
                 const uint8_t *tee_tcb_svn2) TFAAS_MUST_USE;

/* --- Intel collateral (evidence_collateral.c, evidence_tcb.c) --- */
struct collateral {
    void *json, *tcb_info, *qe_identity; /* json_t, owned */
    X509_CRL *root_crl, *pck_crl;
    revocation_lists_t *crls; /* the two above, not owned by it */
};
/* Parses, checks validity and signatures of TCB info and QE identity. */
bool collateral_load(struct evidence_context *c, X509 *root,
                     struct collateral *collateral) TFAAS_MUST_USE;
bool collateral_check_pck_crl(struct evidence_context *c, const struct collateral *collateral,
                              X509 *root, X509 *pck) TFAAS_MUST_USE;
void collateral_free(struct collateral *collateral);
static inline void auto_collateral(struct collateral *p)
{
    collateral_free(p);
}

/* QE identity, TCB level, TDX module; converged. */
bool tcb_judge(struct evidence_context *c, const struct collateral *collateral,
               const struct dcap_quote *quote, const uint8_t *tee_tcb_svn,
               const uint8_t *tee_tcb_svn2) TFAAS_MUST_USE;
/* "2025-06-19T10:56:11Z" and nothing else */
bool evidence_date(const char *text, int64_t *unix_time) TFAAS_MUST_USE;
bool evidence_hex(const char *text, uint8_t *out, size_t size) TFAAS_MUST_USE;

/* --- one per kind of evidence; each fills the fields, then judges --- */
bool sgx_appraise(struct evidence_context *c) TFAAS_MUST_USE;
bool tdx_appraise(struct evidence_context *c) TFAAS_MUST_USE;
bool snp_appraise(struct evidence_context *c) TFAAS_MUST_USE;
/* The HCL report's runtime data against report_data; `report`: what must be embedded, or empty. */
bool hcl_check(struct evidence_context *c, struct span report) TFAAS_MUST_USE;

#endif
