/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c common/status.c libs: crypto jansson */
/* evidence_collateral.c - fuzzes the collateral that comes with a genuine quote. */
#include "evidence_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tfaas_bytes quote;
    if (!quote.data)
        quote = fixed("tests/vectors/sgx/sgx-v3-confighard/quote.bin");
    struct tfaas_evidence e = {
        .tee = TFAAS_TEE_SGX, .at_unix = 1750334171, .quote = quote, .collateral = {data, size}};
    if (data)
        check(judged(&e) != TFAAS_VERDICT_ACCEPT); /* its platform is one to configure */
    return 0;
}
