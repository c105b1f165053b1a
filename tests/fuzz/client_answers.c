/* needs: client/text.c client/policy.c client/policy_explain.c client/collection.c client/appraise.c client/verify.c client/receipts.c client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c common/status.c common/aead.c common/base64url.c common/bhttp.c common/cbor.c common/fields.c common/hkdf.c common/hpke.c common/ohttp.c common/receipt.c common/simulated.c common/statement.c libs: crypto jansson sodium */
/*
 * client_answers.c - fuzzes what a client takes from outside before anything is authentic: saved
 * bundles and evidence, policies, receipts. None may ever be accepted: no key here signed them.
 */
#include "client/internal.h"
#include <stdlib.h>

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char policy[] = "{\"version\":1,\"allow_simulated\":true,\"cores\":[],\"tdx\":"
                                 "{\"domains\":[]},\"sgx\":{\"enclaves\":[]},\"snp\":{\"launches\":"
                                 "[],\"minimum_tcb\":{}}}";
    static struct tfaas_verification report;
    struct tfaas_failure failure;
    struct tfaas_receipt_claims claims;
    if (size == 0)
        return 0;
    char *text = malloc(size), *words = NULL;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    switch (data[0] % 4) {
    case 0: /* a whole bundle */
        check(tfaas_bundle_verify(text, size - 1, policy, NULL, NULL, 1800000000, &report,
                                  &failure) != TFAAS_CLIENT_OK);
        break;
    case 1: { /* the domain statement of a bundle, or evidence, as it comes */
        struct collection collection;
        (void)collection_read(text, size - 1, &collection, &failure);
        collection_free(&collection);
        break;
    }
    case 2:
        if (tfaas_policy_explain(text, &words, &failure) == TFAAS_CLIENT_OK)
            check(strstr(words, "Debug launches are refused, always.") != NULL);
        free(words);
        break;
    default:
        report = (struct tfaas_verification){.error = TFAAS_CLIENT_OK};
        check(tfaas_receipt_verify(text, &report, &claims, &failure) != TFAAS_CLIENT_OK);
    }
    free(text);
    return 0;
}
