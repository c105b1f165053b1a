/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_hcl.c client/evidence_json.c common/status.c libs: crypto jansson */
/*
 * evidence_certs.c - fuzzes lists of certificates in PEM, and the extensions of Intel's and AMD's
 * key certificates. The first byte says which. The two verifiers are included for their readers.
 */
#include "evidence_common.h"
#include "client/evidence_dcap.c"
#define parse     snp_parse
#define signature snp_signature
#define provider  snp_provider
#include "client/evidence_snp.c"

/* A certificate with nothing in it but one extension. */
static X509 *with_extension(const char *oid, const uint8_t *data, size_t size)
{
    X509 *certificate = X509_new();
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    check(certificate && object && value && ASN1_OCTET_STRING_set(value, data, (int)size));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, value);
    check(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    return certificate;
}

static void intel(struct evidence_context *c, const uint8_t *data, size_t size)
{
    struct dcap_pck pck = {0};
    AUTO(x509) X509 *certificate = with_extension(OID_SGX, data, size);
    if (pck_extension(c, certificate, &pck))
        check(c->appraisal->platform_id_size <= 16);
}

static void amd(struct evidence_context *c, const uint8_t *data, size_t size)
{
    struct tfaas_snp_fields *f = &c->appraisal->u.snp;
    struct report report = {0};
    uint32_t svn;
    f->generation = TFAAS_SNP_MILAN;
    f->signer = TFAAS_SNP_VLEK;
    for (unsigned i = 1; i < 6; i++) {
        char oid[] = OID_AMD "0";
        oid[sizeof oid - 2] = (char)('0' + i);
        AUTO(x509) X509 *certificate = with_extension(oid, data, size);
        if (svn_extension(certificate, "1", &svn))
            check(svn < 256);
        (void)!product_matches(c, certificate);
        (void)!tcb_matches(c, certificate, &report);
        (void)!chip_matches(c, certificate);
        (void)!snp_provider(c, certificate);
        check(strlen(f->csp_id) < sizeof f->csp_id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tfaas_appraisal a;
    struct tfaas_evidence e = {.tee = TFAAS_TEE_SNP};
    struct evidence_context c = {.evidence = &e, .appraisal = &a};
    memset(&a, 0, sizeof a);
    if (size < 2)
        return 0;
    if (data[0] % 3 == 0) {
        AUTO(lists) revocation_lists_t *lists = sk_X509_CRL_new_null();
        AUTO(certs)
        certificates_t *all =
            evidence_pem_bundle(&c, (struct span){data + 1, size - 1}, lists, "x");
        check((all != NULL) == (a.error[0] == 0));
        check(!all || (sk_X509_num(all) >= 1 && sk_X509_num(all) <= (int)EVIDENCE_CERTS_MAX));
    } else if (data[0] % 3 == 1) {
        intel(&c, data + 1, size - 1);
    } else {
        amd(&c, data + 1, size - 1);
    }
    return 0;
}
