/*
 * evidence_tdx.c - TDX quotes of version 4 (TD report body 1.0) and 5 (1.0 or 1.5): the body, and
 * the TD attributes that refuse it.
 */
#include "evidence_internal.h"

#define HEADER_SIZE       48u
#define BODY_1_0_SIZE     584u
#define BODY_1_5_SIZE     648u
#define BODY_TYPE_SIZE    6u /* version 5: u16 type, u32 size before the body */
#define BODY_TYPE_1_0     2u
#define BODY_TYPE_1_5     3u
#define BITS(first, last) ((~UINT64_C(0) << (first)) & (~UINT64_C(0) >> (63 - (last))))

/* TD ATTRIBUTES (Intel TDX Module ABI Specification, table "ATTRIBUTES"). */
#define TD_DEBUG           BITS(0, 0)
#define TD_PROFILED        BITS(4, 6)
#define TD_MUST_BE_ZERO    (BITS(1, 3) | BITS(7, 15) | BITS(23, 26) | BITS(32, 61))
#define TD_SERVTD_EXT      BITS(17, 17)
#define TD_SEPT_VE_DISABLE BITS(28, 28)
#define TD_MIGRATABLE      BITS(29, 29)

static uint64_t attributes(const struct tfaas_tdx_fields *f)
{
    struct cursor in = cursor_of(f->td_attributes, sizeof f->td_attributes);
    return evidence_le(&in, 8);
}

static void fields(struct evidence_context *c, struct cursor in, bool has_1_5)
{
    struct tfaas_appraisal *a = c->appraisal;
    struct tfaas_tdx_fields *f = &a->u.tdx;
    evidence_copy(&in, f->tee_tcb_svn, sizeof f->tee_tcb_svn);
    evidence_copy(&in, f->mr_seam, sizeof f->mr_seam);
    evidence_copy(&in, f->mr_signer_seam, sizeof f->mr_signer_seam);
    evidence_copy(&in, f->seam_attributes, sizeof f->seam_attributes);
    evidence_copy(&in, f->td_attributes, sizeof f->td_attributes);
    evidence_copy(&in, f->xfam, sizeof f->xfam);
    evidence_copy(&in, f->mr_td, sizeof f->mr_td);
    evidence_copy(&in, f->mr_config_id, sizeof f->mr_config_id);
    evidence_copy(&in, f->mr_owner, sizeof f->mr_owner);
    evidence_copy(&in, f->mr_owner_config, sizeof f->mr_owner_config);
    for (size_t i = 0; i < 4; i++)
        evidence_copy(&in, f->rt_mr[i], sizeof f->rt_mr[i]);
    evidence_copy(&in, a->report_data, sizeof a->report_data);
    f->has_1_5 = has_1_5;
    if (has_1_5) {
        evidence_copy(&in, f->tee_tcb_svn2, sizeof f->tee_tcb_svn2);
        evidence_copy(&in, f->mr_service_td, sizeof f->mr_service_td);
    }
    memcpy(a->measurement, f->mr_td, sizeof f->mr_td);
    a->measurement_size = sizeof f->mr_td;
    a->debug = (attributes(f) & TD_DEBUG) != 0;
    a->parsed = !in.failed;
}

/* Version, and for version 5 which body. */
static bool layout(struct evidence_context *c, uint16_t *version, size_t *skip, size_t *size)
{
    struct cursor in = cursor_of(c->evidence->quote.data, c->evidence->quote.size);
    *version = (uint16_t)evidence_le(&in, 2);
    cursor_take(&in, HEADER_SIZE - 2);
    *skip = 0;
    *size = BODY_1_0_SIZE;
    if (*version == 5) {
        uint64_t type = evidence_le(&in, 2), said = evidence_le(&in, 4);
        *skip = BODY_TYPE_SIZE;
        if (type == BODY_TYPE_1_5)
            *size = BODY_1_5_SIZE;
        if (!in.failed && ((type != BODY_TYPE_1_0 && type != BODY_TYPE_1_5) || said != *size))
            return evidence_fail(c, "quote: body type %u of %u bytes", (unsigned)type,
                                 (unsigned)said);
    }
    if (in.failed)
        return evidence_fail(c, "quote: truncated");
    return *version == 4 || *version == 5 ||
           evidence_fail(c, "quote: version %u", (unsigned)*version);
}

static bool attributes_allowed(struct evidence_context *c)
{
    const struct tfaas_tdx_fields *f = &c->appraisal->u.tdx;
    uint64_t bits = attributes(f);
    if (!evidence_zero((struct span){f->mr_service_td, sizeof f->mr_service_td}))
        return evidence_fail(c, "Invalid MR service TD");
    if (bits & TD_DEBUG)
        return evidence_fail(c, "Debug mode is enabled");
    if (bits & TD_PROFILED)
        return evidence_fail(c, "TD profiling is enabled");
    if (bits & TD_MUST_BE_ZERO)
        return evidence_fail(c, "Reserved bits in TD attributes are set");
    if (bits & TD_MIGRATABLE)
        return evidence_fail(c, "TD migration is enabled");
    if (bits & TD_SERVTD_EXT)
        return evidence_fail(c, "SERVTD_EXT is enabled");
    if (!(bits & TD_SEPT_VE_DISABLE))
        return evidence_fail(c, "SEPT_VE_DISABLE is not enabled");
    return true;
}

bool tdx_appraise(struct evidence_context *c)
{
    struct dcap_quote quote = {0};
    uint16_t version;
    size_t skip, size;
    if (!layout(c, &version, &skip, &size) || !dcap_parse(c, version, skip + size, &quote))
        return false;
    c->appraisal->format_version = version;
    fields(c, cursor_of(quote.body.data + skip, size), size == BODY_1_5_SIZE);
    if (c->evidence->hcl.data && !hcl_check(c, (struct span){NULL, 0}))
        return false;
    const struct tfaas_tdx_fields *f = &c->appraisal->u.tdx;
    if (!dcap_verify(c, &quote, f->tee_tcb_svn, f->has_1_5 ? f->tee_tcb_svn2 : NULL) ||
        !attributes_allowed(c))
        return false;
    return evidence_zero(quote.tail) || evidence_fail(c, "quote: bytes behind the signature data");
}
