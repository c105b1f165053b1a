/* evidence_json.c - an appraisal as the JSON object that `tfaas evidence appraise --json` prints.
 */
#include "evidence_internal.h"
#include <jansson.h>
#include <stdio.h>

#define HEX_MAX 64u

static void put(json_t *object, const char *key, json_t *value)
{
    if (!value || json_object_set_new(object, key, value) != 0)
        json_object_set_new(object, "", json_null()); /* marks it as incomplete */
}

static void put_hex(json_t *object, const char *key, const uint8_t *data, size_t size)
{
    char text[2 * HEX_MAX + 1];
    if (size > HEX_MAX)
        size = HEX_MAX;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = "0123456789abcdef"[data[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[data[i] & 15];
    }
    text[2 * size] = 0;
    put(object, key, json_string(text));
}

static void put_number(json_t *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
    put(object, key, json_string(text));
}

static void put_tcb(json_t *object, const char *key, const struct tfaas_snp_tcb *tcb)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(tcb->raw >> (8 * i));
    put_hex(object, key, bytes, sizeof bytes);
}

#define HEX(object, fields, name) put_hex(object, #name, (fields)->name, sizeof(fields)->name)

static void sgx_fields(json_t *o, const struct tfaas_appraisal *a)
{
    const struct tfaas_sgx_fields *f = &a->u.sgx;
    HEX(o, f, mr_enclave);
    HEX(o, f, mr_signer);
    HEX(o, a, report_data);
    HEX(o, f, attributes);
    HEX(o, f, cpu_svn);
    put(o, "isv_prod_id", json_integer(f->isv_prod_id));
    put(o, "isv_svn", json_integer(f->isv_svn));
    HEX(o, f, misc_select);
    put(o, "debug", json_boolean(a->debug));
}

static void tdx_fields(json_t *o, const struct tfaas_appraisal *a)
{
    static const char *const registers[] = {"rt_mr0", "rt_mr1", "rt_mr2", "rt_mr3"};
    const struct tfaas_tdx_fields *f = &a->u.tdx;
    HEX(o, a, report_data);
    HEX(o, f, mr_td);
    HEX(o, f, mr_config_id);
    HEX(o, f, mr_owner);
    HEX(o, f, mr_owner_config);
    HEX(o, f, mr_seam);
    HEX(o, f, mr_signer_seam);
    for (size_t i = 0; i < 4; i++)
        put_hex(o, registers[i], f->rt_mr[i], sizeof f->rt_mr[i]);
    HEX(o, f, seam_attributes);
    HEX(o, f, td_attributes);
    HEX(o, f, tee_tcb_svn);
    HEX(o, f, xfam);
    if (f->has_1_5) {
        HEX(o, f, tee_tcb_svn2);
        HEX(o, f, mr_service_td);
    }
}

static void snp_fields(json_t *o, const struct tfaas_appraisal *a)
{
    static const char *const keys[] = {"VCEK", "VLEK"};
    const struct tfaas_snp_fields *f = &a->u.snp;
    const uint8_t cpuid[3] = {f->cpuid_family, f->cpuid_model, f->cpuid_stepping};
    unsigned signer = f->flags >> 2 & 7;
    put(o, "version", json_integer(f->version));
    put(o, "guest_svn", json_integer(f->guest_svn));
    put_number(o, "policy", f->policy);
    put(o, "debug_allowed", json_boolean(a->debug));
    put(o, "smt_allowed", json_boolean(f->smt_allowed));
    put(o, "migrate_ma", json_boolean(f->migrate_ma_allowed));
    put(o, "vmpl", json_integer(f->vmpl));
    put(o, "signature_algo", json_integer(f->signature_algo));
    put_tcb(o, "current_tcb", &f->current);
    put_number(o, "platform_info", f->platform_info);
    put_number(o, "flags", f->flags);
    put(o, "signing_key", json_string(signer < 2 ? keys[signer] : "none"));
    HEX(o, a, report_data);
    put_hex(o, "measurement", a->measurement, a->measurement_size);
    HEX(o, f, host_data);
    HEX(o, f, id_key_digest);
    HEX(o, f, author_key_digest);
    HEX(o, f, report_id);
    put_tcb(o, "reported_tcb", &f->reported);
    put_hex(o, "cpuid_fam_mod_step", cpuid, sizeof cpuid);
    HEX(o, f, chip_id);
    put_tcb(o, "committed_tcb", &f->committed);
    put_tcb(o, "launch_tcb", &f->launch);
}

static void hcl_fields(json_t *o, const struct tfaas_appraisal *a)
{
    const char *key = a->hcl_hash_size == 48   ? "hcl_runtime_data_sha384"
                      : a->hcl_hash_size == 64 ? "hcl_runtime_data_sha512"
                                               : "hcl_runtime_data_sha256";
    put_hex(o, key, a->hcl_hash, a->hcl_hash_size);
    put(o, "hcl_binding_ok", json_boolean(a->hcl_bound));
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* Errors carry the words of the oracle, dcap-qvl, with whose verdicts the vectors were made. */
static void put_error(json_t *object, const struct tfaas_appraisal *a)
{
    char text[TFAAS_EVIDENCE_ERROR_MAX + 32] = "";
    if (a->error[0])
        snprintf(text, sizeof text, "Verification failed: %s", a->error);
    put(object, "error", json_string(text));
}

char *tfaas_evidence_json(const struct tfaas_appraisal *a)
{
    json_t *object = json_object(), *ids = json_array(), *fields = json_object();
    put(object, "tee", text_or_null(tfaas_tee_name(a->tee)));
    put(object, "verdict", text_or_null(tfaas_verdict_name(a->verdict)));
    put(object, "tcb_status", text_or_null(tfaas_tcb_status_name(a->tcb_status)));
    for (size_t i = 0; i < a->advisory_count; i++)
        json_array_append_new(ids, json_string(a->advisory_ids[i]));
    bool complete = json_array_size(ids) == a->advisory_count;
    put(object, "advisory_ids", ids);
    put_error(object, a);
    if (a->parsed && a->tee == TFAAS_TEE_SGX)
        sgx_fields(fields, a);
    else if (a->parsed && a->tee == TFAAS_TEE_TDX)
        tdx_fields(fields, a);
    else if (a->parsed && a->tee == TFAAS_TEE_SNP)
        snp_fields(fields, a);
    if (a->parsed && a->hcl_present)
        hcl_fields(fields, a);
    complete = complete && fields && !json_object_get(fields, "");
    put(object, "fields", fields);
    char *text = NULL;
    if (object && complete && !json_object_get(object, ""))
        text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}
