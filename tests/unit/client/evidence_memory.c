/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c libs: crypto jansson */
/*
 * evidence_memory.c - memory that runs out at any moment of an appraisal: no crash, no leak of it
 * (LeakSanitizer), and never a better verdict than the true one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include "client/evidence_internal.h"

#define VECTORS "tests/vectors/"
#define POINTS  250u /* failing allocations tried per kind of evidence */

static size_t allocations, fail_at;

static bool out_of_memory(void)
{
    return ++allocations == fail_at;
}

static void *limited_malloc(size_t size, const char *f, int line)
{
    (void)f, (void)line;
    return out_of_memory() ? NULL : malloc(size);
}

static void *limited_realloc(void *p, size_t size, const char *f, int line)
{
    (void)f, (void)line;
    return out_of_memory() ? NULL : realloc(p, size);
}

static void plain_free(void *p, const char *f, int line)
{
    (void)f, (void)line;
    free(p);
}

static void *json_malloc(size_t size)
{
    return limited_malloc(size, "", 0);
}

static struct tfaas_bytes file(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *data = malloc(1 << 16);
    struct tfaas_bytes bytes = {data, fread(data, 1, 1 << 16, f)};
    fclose(f);
    return bytes;
}

static struct tfaas_appraisal judged(const struct tfaas_evidence *e, size_t at)
{
    static struct tfaas_appraisal a;
    allocations = 0;
    fail_at = at;
    assert_int_equal(tfaas_evidence_appraise(e, &a), TFAAS_OK);
    fail_at = 0;
    return a;
}

/* Memory fails at POINTS moments spread over the whole appraisal. */
static void starve(const struct tfaas_evidence *e)
{
    judged(e, 0); /* what is made once and kept */
    struct tfaas_appraisal good = judged(e, 0);
    size_t all = allocations, step = all / POINTS + 1, refused = 0;
    assert_true(all > 100);
    for (size_t at = 1; at <= all; at += step) {
        struct tfaas_appraisal a = judged(e, at);
        assert_true(a.verdict == good.verdict || a.verdict == TFAAS_VERDICT_REJECT);
        assert_true((a.verdict == TFAAS_VERDICT_REJECT) == (a.error[0] != 0));
        if (a.verdict != TFAAS_VERDICT_REJECT) {
            assert_int_equal(a.tcb_status, good.tcb_status);
            assert_int_equal(a.advisory_count, good.advisory_count);
            assert_true(a.expires_unix == good.expires_unix);
        }
        refused += a.verdict == TFAAS_VERDICT_REJECT;
    }
    if (good.verdict != TFAAS_VERDICT_REJECT)
        assert_true(refused > 10); /* the failures did reach it */
}

static void quotes(void **state)
{
    (void)state;
    struct tfaas_evidence e = {.tee = TFAAS_TEE_SGX,
                               .at_unix = 1750334171,
                               .quote = file(VECTORS "sgx/sgx-v3-confighard/quote.bin"),
                               .collateral = file(VECTORS "sgx/sgx-v3-confighard/collateral.json")};
    starve(&e);
    ((uint8_t *)e.quote.data)[400] ^= 1;
    starve(&e);
    free((void *)e.quote.data);
    free((void *)e.collateral.data);
}

/* On a platform that is revoked or out of date a list that could not be read must not help. */
static void a_tdx_quote_without_level(void **state)
{
    (void)state;
    struct tfaas_evidence e = {.tee = TFAAS_TEE_TDX,
                               .at_unix = 1771415931,
                               .quote = file(VECTORS "tdx/tdx-v5-nomatch/quote.bin"),
                               .collateral = file(VECTORS "tdx/tdx-v5-nomatch/collateral.json")};
    starve(&e);
    free((void *)e.quote.data);
    free((void *)e.collateral.data);
}

static void reports(void **state)
{
    (void)state;
    struct tfaas_evidence e = {.tee = TFAAS_TEE_SNP,
                               .at_unix = 1737771708,
                               .quote = file(VECTORS "snp/genoa-v3-azure-hcl/report.bin"),
                               .vek = file(VECTORS "snp/genoa-v3-azure-hcl/vek.der"),
                               .ca = file(VECTORS "snp/ca/ask_ark_genoa.pem"),
                               .hcl = file(VECTORS "snp/genoa-v3-azure-hcl/hcl-report.bin")};
    starve(&e);
    free((void *)e.hcl.data);
    e.hcl = (struct tfaas_bytes){NULL, 0};
    ((uint8_t *)e.quote.data)[0x90] ^= 1;
    starve(&e);
    free((void *)e.quote.data);
    free((void *)e.vek.data);
    free((void *)e.ca.data);
}

int main(void)
{
    if (!CRYPTO_set_mem_functions(limited_malloc, limited_realloc, plain_free))
        return 1;
    json_set_alloc_funcs(json_malloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes),
        cmocka_unit_test(a_tdx_quote_without_level),
        cmocka_unit_test(reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
