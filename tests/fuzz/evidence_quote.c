/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c common/status.c libs: crypto jansson */
/* evidence_quote.c - fuzzes quotes: the first byte says of which TEE, the rest is the quote. */
#include "evidence_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct tfaas_evidence e = {.tee = data[0] & 1 ? TFAAS_TEE_TDX : TFAAS_TEE_SGX,
                               .at_unix = 1750334171,
                               .quote = {data + 1, size - 1}};
    check(judged(&e) != TFAAS_VERDICT_ACCEPT); /* there is no collateral */
    return 0;
}
