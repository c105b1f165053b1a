/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c common/status.c libs: crypto jansson */
/*
 * evidence_tcb.c - fuzzes what stands behind the signatures of collateral: an array of TCB info and
 * QE identity, judged for an invented platform.
 */
#include "evidence_common.h"
#include <jansson.h>

static void judge(const struct collateral *collateral, bool tdx)
{
    static const uint8_t zeros[384], svn[16] = {5, 1, 7}, svn2[16] = {6, 1, 7};
    static struct tfaas_appraisal a;
    struct tfaas_evidence e = {.tee = tdx ? TFAAS_TEE_TDX : TFAAS_TEE_SGX};
    struct evidence_context c = {.evidence = &e, .appraisal = &a};
    struct dcap_quote quote = {.pck = {.component_svn = {7, 7, 7, 7}, .pce_svn = 13}};
    struct cursor in = cursor_of(zeros, sizeof zeros);
    memset(&a, 0, sizeof a);
    check(dcap_report_read(&in, &quote.qe_report));
    bool good = tcb_judge(&c, collateral, &quote, tdx ? svn : NULL, tdx ? svn2 : NULL);
    check(good == (a.error[0] == 0));
    check(!good || (a.tcb_status >= TFAAS_TCB_UP_TO_DATE && a.tcb_status != TFAAS_TCB_REVOKED));
    check(a.advisory_count <= TFAAS_ADVISORIES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *both = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct collateral collateral = {.tcb_info = json_array_get(both, 0),
                                    .qe_identity = json_array_get(both, 1)};
    judge(&collateral, false);
    judge(&collateral, true);
    json_decref(both);
    return 0;
}
