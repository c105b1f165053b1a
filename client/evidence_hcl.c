/*
 * evidence_hcl.c - the report that Azure's paravisor (OpenHCL) keeps in the vTPM: a hardware report
 * and JSON runtime data whose hash is the first half of report_data.
 *   0 "HCLA", u32 version, u32 size, u32 request type 2, u32 status 0, 12 reserved
 *   32 hardware report (SNP report; TDX: TDREPORT in the same 1184 bytes)
 *   1216 u32 size with these five words, u32 version 1, u32 report type (2 SNP, 4 TDX),
 *        u32 hash type (1 SHA-256, 2 SHA-384, 3 SHA-512), u32 size of the JSON, JSON
 * Zeros may follow. Layout: OpenHCL, openhcl_attestation_protocol (igvm_attest.rs).
 */
#include "evidence_internal.h"
#include <jansson.h>

#define REPORT_SIZE  1184u
#define REQUEST_TYPE 2u
#define WORDS_SIZE   20u

struct hcl {
    struct span report, json;
    uint64_t report_type, hash_type;
};

static bool parse(struct evidence_context *c, struct hcl *hcl)
{
    struct tfaas_bytes bytes = c->evidence->hcl;
    if (bytes.size > EVIDENCE_HCL_MAX)
        return evidence_fail(c, "HCL report: larger than %u bytes", EVIDENCE_HCL_MAX);
    struct cursor in = cursor_of(bytes.data, bytes.size);
    struct span magic = cursor_take(&in, 4);
    uint64_t version = evidence_le(&in, 4), size = evidence_le(&in, 4);
    uint64_t request = evidence_le(&in, 4), status = evidence_le(&in, 4);
    cursor_take(&in, 12);
    hcl->report = cursor_take(&in, REPORT_SIZE);
    uint64_t data_size = evidence_le(&in, 4), data_version = evidence_le(&in, 4);
    hcl->report_type = evidence_le(&in, 4);
    hcl->hash_type = evidence_le(&in, 4);
    uint64_t json_size = evidence_le(&in, 4);
    hcl->json = cursor_take(&in, json_size);
    if (in.failed || !span_is(magic, "HCLA"))
        return evidence_fail(c, "HCL report: truncated, or no HCL report");
    if ((version != 1 && version != 2) || request != REQUEST_TYPE || status != 0 ||
        data_version != 1)
        return evidence_fail(c, "HCL report: unknown version or request");
    if (data_size != WORDS_SIZE + json_size || size != in.at)
        return evidence_fail(c, "HCL report: its lengths contradict each other");
    return evidence_zero(cursor_take(&in, cursor_left(&in))) ||
           evidence_fail(c, "HCL report: bytes behind its data");
}

/* Its hash, then zeros, is the whole report_data. */
static bool bound(struct evidence_context *c, const struct hcl *hcl)
{
    const EVP_MD *const digests[] = {NULL, EVP_sha256(), EVP_sha384(), EVP_sha512()};
    struct tfaas_appraisal *a = c->appraisal;
    unsigned size = 0;
    if (hcl->hash_type < 1 || hcl->hash_type > 3)
        return evidence_fail(c, "HCL report: hash type %u", (unsigned)hcl->hash_type);
    if (EVP_Digest(hcl->json.data, hcl->json.size, a->hcl_hash, &size, digests[hcl->hash_type],
                   NULL) != 1)
        return evidence_fail(c, "HCL report: cannot hash");
    a->hcl_hash_size = size;
    a->hcl_runtime_data = (struct tfaas_bytes){hcl->json.data, hcl->json.size};
    a->hcl_bound =
        memcmp(a->hcl_hash, a->report_data, size) == 0 &&
        evidence_zero((struct span){a->report_data + size, sizeof a->report_data - size});
    return a->hcl_bound || evidence_fail(c, "HCL runtime data is not what report_data names");
}

bool hcl_check(struct evidence_context *c, struct span report)
{
    struct hcl hcl = {0};
    c->appraisal->hcl_present = true;
    if (!parse(c, &hcl))
        return false;
    if (hcl.report_type != (c->evidence->tee == TFAAS_TEE_SNP ? 2u : 4u))
        return evidence_fail(c, "HCL report: of another TEE (%u)", (unsigned)hcl.report_type);
    if (report.size &&
        (report.size != hcl.report.size || memcmp(report.data, hcl.report.data, report.size) != 0))
        return evidence_fail(c, "HCL report: holds another hardware report");
    if (!bound(c, &hcl))
        return false;
    json_t *json =
        json_loadb((const char *)hcl.json.data, hcl.json.size, JSON_REJECT_DUPLICATES, NULL);
    bool object = json_is_object(json);
    json_decref(json);
    return object || evidence_fail(c, "HCL runtime data is not a JSON object");
}
