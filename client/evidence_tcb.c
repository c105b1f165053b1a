/*
 * evidence_tcb.c - how patched a platform is: quoting enclave against QE identity, platform SVNs
 * against TCB info, TDX module against its identity, and one status out of the three. The rules are
 * Intel's (PCS API v4 "TCB info", QVL); statements that are malformed anywhere are refused whole.
 */
#include "evidence_internal.h"
#include <jansson.h>
#include <strings.h>

#define COMPONENTS       16u
#define ATTRIBUTES_DEBUG 0x02u

struct level {
    uint8_t sgx[COMPONENTS], tdx[COMPONENTS];
    uint16_t svn; /* PCE SVN, or ISV SVN of a QE or module */
    enum tfaas_tcb_status status;
    int64_t date_unix;
    const json_t *advisories; /* array or NULL */
};

/* Which words may stand where (QVL refuses others). */
enum { FOR_PLATFORM = 1, FOR_QE = 2, FOR_MODULE = 4 };

static bool status_of(const json_t *word, unsigned place, enum tfaas_tcb_status *status)
{
    static const struct {
        enum tfaas_tcb_status status;
        unsigned places;
    } all[] = {
        {TFAAS_TCB_UP_TO_DATE, FOR_PLATFORM | FOR_QE | FOR_MODULE},
        {TFAAS_TCB_SW_HARDENING_NEEDED, FOR_PLATFORM},
        {TFAAS_TCB_CONFIGURATION_NEEDED, FOR_PLATFORM | FOR_QE},
        {TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, FOR_PLATFORM},
        {TFAAS_TCB_OUT_OF_DATE, FOR_PLATFORM | FOR_QE | FOR_MODULE},
        {TFAAS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, FOR_PLATFORM | FOR_QE},
        {TFAAS_TCB_REVOKED, FOR_PLATFORM | FOR_QE | FOR_MODULE},
    };
    const char *text = json_string_value(word);
    for (size_t i = 0; text && i < sizeof all / sizeof all[0]; i++) {
        if (all[i].places & place && strcmp(text, tfaas_tcb_status_name(all[i].status)) == 0) {
            *status = all[i].status;
            return true;
        }
    }
    return false;
}

static bool integer(const json_t *value, json_int_t max, json_int_t *out)
{
    if (!json_is_integer(value))
        return false;
    *out = json_integer_value(value);
    return *out >= 0 && *out <= max;
}

static bool components(const json_t *array, uint8_t out[COMPONENTS])
{
    if (json_array_size(array) != COMPONENTS)
        return false;
    for (size_t i = 0; i < COMPONENTS; i++) {
        json_int_t svn;
        if (!integer(json_object_get(json_array_get(array, i), "svn"), 255, &svn))
            return false;
        out[i] = (uint8_t)svn;
    }
    return true;
}

static bool advisories_well_formed(const json_t *list)
{
    if (!list)
        return true;
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id) || json_string_length(id) == 0 ||
            json_string_length(id) >= TFAAS_ADVISORY_SIZE)
            return false;
    }
    return true;
}

static bool read_level(const json_t *json, unsigned place, bool tdx, struct level *level)
{
    const json_t *tcb = json_object_get(json, "tcb");
    bool platform = place == FOR_PLATFORM;
    json_int_t svn;
    memset(level, 0, sizeof *level);
    level->advisories = json_object_get(json, "advisoryIDs");
    if (!integer(json_object_get(tcb, platform ? "pcesvn" : "isvsvn"), 0xffff, &svn))
        return false;
    level->svn = (uint16_t)svn;
    return (!platform || components(json_object_get(tcb, "sgxtcbcomponents"), level->sgx)) &&
           (!platform || !tdx ||
            components(json_object_get(tcb, "tdxtcbcomponents"), level->tdx)) &&
           status_of(json_object_get(json, "tcbStatus"), place, &level->status) &&
           evidence_date(json_string_value(json_object_get(json, "tcbDate")), &level->date_unix) &&
           advisories_well_formed(level->advisories);
}

static bool at_least(const uint8_t *have, const uint8_t *need, size_t from)
{
    for (size_t i = from; i < COMPONENTS; i++)
        if (have[i] < need[i])
            return false;
    return true;
}

static bool better(const struct level *a, const struct level *b)
{
    int by = memcmp(a->sgx, b->sgx, COMPONENTS);
    if (by == 0)
        by = (int)a->svn - (int)b->svn;
    if (by == 0)
        by = memcmp(a->tdx, b->tdx, COMPONENTS);
    return by > 0;
}

/* The highest level of `levels` that `meets` accepts. Reads all of them: one that is malformed
 * spoils the list. */
struct platform {
    const uint8_t *sgx, *tdx; /* tdx: NULL for SGX */
    uint16_t svn;
    unsigned place;
};

static bool meets(const struct platform *p, const struct level *level)
{
    if (p->svn < level->svn)
        return false;
    if (p->place != FOR_PLATFORM)
        return true;
    if (!at_least(p->sgx, level->sgx, 0))
        return false;
    /* A module version above 0 leaves the module's own two SVNs to its identity. */
    return !p->tdx || at_least(p->tdx, level->tdx, p->tdx[1] > 0 ? 2 : 0);
}

/* found->date_unix == 0 is not used for "none": *any says so. False: malformed. */
static bool find_level(const json_t *levels, const struct platform *p, struct level *found,
                       bool *any)
{
    *any = false;
    size_t count = json_array_size(levels);
    if (!json_is_array(levels) || count > EVIDENCE_TCB_LEVELS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct level level;
        if (!read_level(json_array_get(levels, i), p->place, p->tdx != NULL, &level))
            return false;
        if (meets(p, &level) && (!*any || better(&level, found))) {
            *found = level;
            *any = true;
        }
    }
    return true;
}

static bool add_advisories(struct evidence_context *c, const struct level *level)
{
    struct tfaas_appraisal *a = c->appraisal;
    for (size_t i = 0; level->advisories && i < json_array_size(level->advisories); i++) {
        const char *id = json_string_value(json_array_get(level->advisories, i));
        size_t k = 0;
        while (k < a->advisory_count && strcmp(a->advisory_ids[k], id) != 0)
            k++;
        if (k < a->advisory_count)
            continue;
        if (k == TFAAS_ADVISORIES_MAX)
            return evidence_fail(c, "more than %u advisories", TFAAS_ADVISORIES_MAX);
        memcpy(a->advisory_ids[a->advisory_count++], id, strlen(id) + 1);
    }
    return true;
}

/* QVL's convergence: a component (QE, module) can only pull a platform down by being out of date or
 * revoked. */
static enum tfaas_tcb_status converge(enum tfaas_tcb_status platform,
                                      enum tfaas_tcb_status component)
{
    if (component == TFAAS_TCB_REVOKED)
        return component;
    if (component != TFAAS_TCB_OUT_OF_DATE)
        return platform;
    switch (platform) {
    case TFAAS_TCB_UP_TO_DATE:
    case TFAAS_TCB_SW_HARDENING_NEEDED:
        return TFAAS_TCB_OUT_OF_DATE;
    case TFAAS_TCB_CONFIGURATION_NEEDED:
    case TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return TFAAS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    default:
        return platform;
    }
}

static bool needs_configuration(enum tfaas_tcb_status s)
{
    return s == TFAAS_TCB_CONFIGURATION_NEEDED || s == TFAAS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED ||
           s == TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

/* TD report 1.5: launched out of date, the module patched since: a relaunch would do. */
static enum tfaas_tcb_status relaunch(enum tfaas_tcb_status launch, enum tfaas_tcb_status now)
{
    bool old =
        launch == TFAAS_TCB_OUT_OF_DATE || launch == TFAAS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    bool fresh = now == TFAAS_TCB_UP_TO_DATE || now == TFAAS_TCB_SW_HARDENING_NEEDED ||
                 now == TFAAS_TCB_CONFIGURATION_NEEDED ||
                 now == TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
    if (!old || !fresh)
        return launch;
    return needs_configuration(launch) || needs_configuration(now)
               ? TFAAS_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
               : TFAAS_TCB_TD_RELAUNCH_ADVISED;
}

static bool masked_equal(const uint8_t *actual, const uint8_t *expected, const uint8_t *mask,
                         size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((actual[i] & mask[i]) != (expected[i] & mask[i]))
            return false;
    return true;
}

static bool hex_member(const json_t *object, const char *key, uint8_t *out, size_t size)
{
    return evidence_hex(json_string_value(json_object_get(object, key)), out, size);
}

static bool evaluation_number(struct evidence_context *c, const json_t *statement)
{
    json_int_t value;
    uint32_t *least = &c->appraisal->tcb_evaluation_data_number;
    if (!integer(json_object_get(statement, "tcbEvaluationDataNumber"), 0xffffffff, &value))
        return false;
    if (*least == 0 || value < *least)
        *least = (uint32_t)value;
    return true;
}

static bool judge_qe(struct evidence_context *c, const json_t *identity,
                     const struct dcap_report *qe, struct level *level)
{
    bool tdx = c->evidence->tee == TFAAS_TEE_TDX, any;
    const char *id = json_string_value(json_object_get(identity, "id"));
    uint8_t misc[4], misc_mask[4], attributes[16], attributes_mask[16], signer[32];
    json_int_t version, product;
    if (!id || strcmp(id, tdx ? "TD_QE" : "QE") != 0 ||
        !integer(json_object_get(identity, "version"), 255, &version) ||
        !(version == 2 || (tdx && version == 3)))
        return evidence_fail(c, "QE Identity: of another kind of QE");
    if (!hex_member(identity, "miscselect", misc, 4) ||
        !hex_member(identity, "miscselectMask", misc_mask, 4) ||
        !hex_member(identity, "attributes", attributes, 16) ||
        !hex_member(identity, "attributesMask", attributes_mask, 16) ||
        !hex_member(identity, "mrsigner", signer, 32) ||
        !integer(json_object_get(identity, "isvprodid"), 0xffff, &product) ||
        !evaluation_number(c, identity))
        return evidence_fail(c, "QE Identity: malformed");
    if (memcmp(qe->mr_signer.data, signer, 32) != 0 || qe->isv_prod_id != product)
        return evidence_fail(c, "QE does not match its identity (MRSIGNER or ISVPRODID)");
    /* The masks are written as little-endian numbers' bytes, like the report's. */
    if (!masked_equal(qe->misc_select.data, misc, misc_mask, 4) ||
        !masked_equal(qe->attributes.data, attributes, attributes_mask, 16))
        return evidence_fail(c, "QE does not match its identity (MISCSELECT or ATTRIBUTES)");
    struct platform p = {.svn = qe->isv_svn, .place = FOR_QE};
    if (!find_level(json_object_get(identity, "tcbLevels"), &p, level, &any))
        return evidence_fail(c, "QE Identity: malformed TCB levels");
    return any || evidence_fail(c, "QE ISVSVN is below every level of its identity");
}

/* The identity of the module's major version ("TDX_01"), NULL for version 0. */
static bool module_identity(struct evidence_context *c, const json_t *tcb_info,
                            const uint8_t *tee_tcb_svn, const json_t **identity)
{
    *identity = NULL;
    if (tee_tcb_svn[1] == 0)
        return true;
    char id[] = "TDX_00";
    id[4] = "0123456789ABCDEF"[tee_tcb_svn[1] >> 4];
    id[5] = "0123456789ABCDEF"[tee_tcb_svn[1] & 15];
    const json_t *all = json_object_get(tcb_info, "tdxModuleIdentities");
    for (size_t i = 0; i < json_array_size(all) && !*identity; i++) {
        const json_t *one = json_array_get(all, i);
        const char *its = json_string_value(json_object_get(one, "id"));
        if (its && strcasecmp(its, id) == 0)
            *identity = one;
    }
    return *identity != NULL || evidence_fail(c, "No TDX module identity %s in TCB info", id);
}

/* Platform level, and the module's level merged into it. */
static bool judge_platform(struct evidence_context *c, const json_t *tcb_info,
                           const struct dcap_pck *pck, const uint8_t *tee_tcb_svn,
                           struct level *level, struct level *module, bool *has_module)
{
    bool any;
    struct platform p = {
        .sgx = pck->component_svn, .tdx = tee_tcb_svn, .svn = pck->pce_svn, .place = FOR_PLATFORM};
    *has_module = false;
    if (!find_level(json_object_get(tcb_info, "tcbLevels"), &p, level, &any))
        return evidence_fail(c, "TCBInfo: malformed TCB levels");
    if (!any)
        return evidence_fail(c, "No matching TCB level found");
    const json_t *identity = NULL;
    if (!tee_tcb_svn)
        return true;
    if (!module_identity(c, tcb_info, tee_tcb_svn, &identity))
        return false;
    if (!identity)
        return true;
    struct platform m = {.svn = tee_tcb_svn[0], .place = FOR_MODULE};
    if (!find_level(json_object_get(identity, "tcbLevels"), &m, module, &any))
        return evidence_fail(c, "TCBInfo: malformed TDX module levels");
    if (!any)
        return evidence_fail(c, "TDX module ISVSVN is below every level of its identity");
    *has_module = true;
    level->status = converge(level->status, module->status);
    if (module->date_unix < level->date_unix)
        level->date_unix = module->date_unix;
    return true;
}

/* Who signed the TDX module, and its attributes. */
static bool judge_module(struct evidence_context *c, const json_t *tcb_info,
                         const uint8_t *tee_tcb_svn)
{
    const struct tfaas_tdx_fields *td = &c->appraisal->u.tdx;
    uint8_t signer[48], attributes[8], mask[8];
    const json_t *identity, *base = json_object_get(tcb_info, "tdxModule");
    if (!json_is_object(base))
        return evidence_fail(c, "TCBInfo: no tdxModule");
    if (!module_identity(c, tcb_info, tee_tcb_svn, &identity))
        return false;
    if (!identity)
        identity = base;
    if (!hex_member(identity, "mrsigner", signer, 48) ||
        !hex_member(identity, "attributes", attributes, 8) ||
        !hex_member(identity, "attributesMask", mask, 8))
        return evidence_fail(c, "TCBInfo: malformed TDX module identity");
    if (memcmp(td->mr_signer_seam, signer, 48) != 0)
        return evidence_fail(c, "TDX module MRSIGNER mismatch");
    bool outside = false;
    for (size_t i = 0; i < 8; i++)
        outside |= (td->seam_attributes[i] & (uint8_t)~mask[i]) != 0;
    if (outside || !masked_equal(td->seam_attributes, attributes, mask, 8))
        return evidence_fail(c, "TDX module SEAMATTRIBUTES mismatch");
    return true;
}

static bool tcb_info_applies(struct evidence_context *c, const json_t *tcb_info)
{
    uint8_t fmspc[6], pce_id[2];
    json_int_t version, type;
    const char *id = json_string_value(json_object_get(tcb_info, "id"));
    if (!id || strcmp(id, c->evidence->tee == TFAAS_TEE_TDX ? "TDX" : "SGX") != 0 ||
        !integer(json_object_get(tcb_info, "version"), 255, &version) || version != 3 ||
        !integer(json_object_get(tcb_info, "tcbType"), 255, &type) || type != 0)
        return evidence_fail(c, "TCBInfo: of another TEE or version");
    if (!hex_member(tcb_info, "fmspc", fmspc, 6) || !hex_member(tcb_info, "pceId", pce_id, 2) ||
        !evaluation_number(c, tcb_info))
        return evidence_fail(c, "TCBInfo: malformed");
    if (memcmp(fmspc, c->appraisal->fmspc, 6) != 0)
        return evidence_fail(c, "Fmspc mismatch");
    if (memcmp(pce_id, c->appraisal->pce_id, 2) != 0)
        return evidence_fail(c, "PCE id mismatch");
    return true;
}

bool tcb_judge(struct evidence_context *c, const struct collateral *l,
               const struct dcap_quote *quote, const uint8_t *tee_tcb_svn,
               const uint8_t *tee_tcb_svn2)
{
    struct tfaas_appraisal *a = c->appraisal;
    struct level qe, launch, now, module, module_now;
    bool has_module, has_module_now;
    if (!tcb_info_applies(c, l->tcb_info) || !judge_qe(c, l->qe_identity, &quote->qe_report, &qe) ||
        !judge_platform(c, l->tcb_info, &quote->pck, tee_tcb_svn, &launch, &module, &has_module) ||
        (tee_tcb_svn && !judge_module(c, l->tcb_info, tee_tcb_svn)))
        return false;
    enum tfaas_tcb_status status = converge(launch.status, qe.status);
    if (status == TFAAS_TCB_REVOKED)
        return evidence_fail(c, "TCB status is invalid: Revoked");
    if (tee_tcb_svn2) {
        if (!judge_platform(c, l->tcb_info, &quote->pck, tee_tcb_svn2, &now, &module_now,
                            &has_module_now))
            return false;
        enum tfaas_tcb_status status_now = converge(now.status, qe.status);
        if (status_now == TFAAS_TCB_REVOKED)
            return evidence_fail(c, "TCB status is invalid: Revoked");
        status = relaunch(status, status_now);
    }
    a->tcb_status = status;
    a->tcb_date_unix = launch.date_unix < qe.date_unix ? launch.date_unix : qe.date_unix;
    return add_advisories(c, &launch) && (!has_module || add_advisories(c, &module)) &&
           add_advisories(c, &qe);
}
