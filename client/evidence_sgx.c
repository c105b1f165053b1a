/* evidence_sgx.c - SGX quotes of version 3: the enclave's report body, and what refuses it. */
#include "evidence_internal.h"

#define BODY_SIZE        384u
#define ATTRIBUTES_INIT  0x01u
#define ATTRIBUTES_DEBUG 0x02u

static bool fields(struct evidence_context *c, struct span body)
{
    struct tfaas_appraisal *a = c->appraisal;
    struct tfaas_sgx_fields *f = &a->u.sgx;
    struct cursor in = cursor_of(body.data, body.size);
    struct dcap_report r;
    if (!dcap_report_read(&in, &r))
        return evidence_fail(c, "quote: truncated report body");
    memcpy(f->cpu_svn, r.cpu_svn.data, sizeof f->cpu_svn);
    memcpy(f->misc_select, r.misc_select.data, sizeof f->misc_select);
    memcpy(f->attributes, r.attributes.data, sizeof f->attributes);
    memcpy(f->mr_enclave, r.mr_enclave.data, sizeof f->mr_enclave);
    memcpy(f->mr_signer, r.mr_signer.data, sizeof f->mr_signer);
    memcpy(f->config_id, r.config_id.data, sizeof f->config_id);
    memcpy(f->isv_ext_prod_id, r.isv_ext_prod_id.data, sizeof f->isv_ext_prod_id);
    memcpy(f->isv_family_id, r.isv_family_id.data, sizeof f->isv_family_id);
    f->isv_prod_id = r.isv_prod_id;
    f->isv_svn = r.isv_svn;
    f->config_svn = r.config_svn;
    memcpy(a->report_data, r.report_data.data, sizeof a->report_data);
    memcpy(a->measurement, f->mr_enclave, sizeof f->mr_enclave);
    a->measurement_size = sizeof f->mr_enclave;
    a->svn = r.isv_svn;
    a->debug = (f->attributes[0] & ATTRIBUTES_DEBUG) != 0;
    a->format_version = 3;
    a->parsed = true;
    return true;
}

bool sgx_appraise(struct evidence_context *c)
{
    struct dcap_quote quote = {0};
    if (c->evidence->hcl.data)
        return evidence_fail(c, "an HCL report does not go with SGX");
    if (!dcap_parse(c, 3, BODY_SIZE, &quote) || !fields(c, quote.body) ||
        !dcap_verify(c, &quote, NULL, NULL))
        return false;
    if (c->appraisal->debug)
        return evidence_fail(c, "Debug mode is enabled");
    if (!(c->appraisal->u.sgx.attributes[0] & ATTRIBUTES_INIT))
        return evidence_fail(c, "the enclave was not initialised");
    return evidence_zero(quote.tail) || evidence_fail(c, "quote: bytes behind the signature data");
}
