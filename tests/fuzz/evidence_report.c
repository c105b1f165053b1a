/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c common/status.c libs: crypto jansson */
/*
 * evidence_report.c - fuzzes SNP reports, and HCL reports behind them, under a genuine chain. The
 * report of that chip is the only one that may pass.
 */
#include "evidence_common.h"

#define REPORT_SIZE 1184u
#define SIGNED_SIZE 0x2a0u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tfaas_bytes vek, ca, genuine;
    if (!vek.data) {
        vek = fixed("tests/vectors/snp/genoa-v3-azure-hcl/vek.der");
        ca = fixed("tests/vectors/snp/ca/ask_ark_genoa.pem");
        genuine = fixed("tests/vectors/snp/genoa-v3-azure-hcl/report.bin");
    }
    size_t report = size < REPORT_SIZE ? size : REPORT_SIZE;
    struct tfaas_evidence e = {
        .tee = TFAAS_TEE_SNP, .at_unix = 1737771708, .quote = {data, report}, .vek = vek, .ca = ca};
    if (size == 0)
        return 0;
    if (size > report)
        e.hcl = (struct tfaas_bytes){data + report, size - report};
    if (judged(&e) == TFAAS_VERDICT_ACCEPT)
        check(memcmp(data, genuine.data, SIGNED_SIZE) == 0);
    return 0;
}
