/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium */
/*
 * hardware.c - tests of client/appraise.c with quotes and reports of real machines (tests/vectors).
 * Nobody here can make one over our own key statement: where everything about the hardware holds,
 * what is left to fail, and must, is the report data.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client_test.h"

#define TDX_AT 1750334171
#define SGX_AT 1750334171
#define SNP_AT 1760000000
#define TDX    "application/vnd.intel.tdx-quote"
#define SGX    "application/vnd.intel.sgx-quote"
#define SNP    "application/vnd.amd.snp-report"
#define JSON   "application/vnd.tfaas.collateral+json"
#define CERTS  "application/vnd.amd.snp-certificates"

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes load(const char *path)
{
    char full[256];
    struct bytes b = {.data = malloc(65536)};
    snprintf(full, sizeof(full), "tests/vectors/%s", path);
    FILE *file = fopen(full, "rb");
    assert_non_null(file);
    b.size = fread(b.data, 1, 65535, file);
    b.data[b.size] = 0;
    fclose(file);
    return b;
}

/* Verifies `quote` with `endorsements` (type NULL: none) under a policy. */
static enum tfaas_client_error judge(const char *type, struct bytes quote, const char *more_type,
                                     struct bytes more, const char *collateral, int64_t at,
                                     const char *policy_text, struct tfaas_verification *report)
{
    struct fake f;
    struct policy *policy = calloc(1, sizeof(*policy));
    struct attested *attested = calloc(1, sizeof(*attested));
    struct tfaas_failure failure = {.text = ""};
    uint8_t statement[1024];
    char *endorsements = strdup(""), *text = NULL;
    fake_init(&f);
    f.now = at;
    char *a = fake_base64(quote.data, quote.size);
    char *b = fake_base64(
        statement, fake_key_statement(&f, (struct span){NULL, 0}, statement, sizeof(statement)));
    if (more_type) {
        char *c = fake_base64(more.data, more.size);
        free(endorsements);
        assert_true(asprintf(&endorsements, ",\"endorsements\":[\"%s\",\"%s\",2]", more_type, c) >
                    0);
        free(c);
    }
    assert_true(asprintf(&text,
                         "{\"__cmwc_t\":\"tag:tfaas,2026:evidence\",\"evidence\":[\"%s\",\"%s\",4],"
                         "\"key-statement\":[\"application/vnd.tfaas.key-statement+cbor\",\"%s\",4]"
                         "%s}",
                         type, a, b, endorsements) > 0);
    seen(policy_read(policy_text, policy, &failure), TFAAS_CLIENT_OK, &failure);
    struct bundle_file file = {.evidence = text};
    const struct verify_input input = {
        .policy = policy, .file = &file, .collateral = collateral, .now = at};
    enum tfaas_client_error error = verify_all(&input, report, attested, &failure);
    assert_int_equal(report->error, error);
    assert_false(report->simulated);
    free(a);
    free(b);
    free(endorsements);
    free(text);
    free(policy);
    free(attested);
    return error;
}

static void wanted(enum tfaas_client_error got, enum tfaas_client_error want,
                   const struct tfaas_verification *report)
{
    if (got != want)
        for (size_t i = 0; i < report->check_count; i++)
            print_error("%s %d: %s / %s\n", report->checks[i].name, report->checks[i].result,
                        report->checks[i].expected, report->checks[i].got);
    assert_string_equal(tfaas_client_error_name(got), tfaas_client_error_name(want));
}

/* Everything about the hardware passed, in this order. */
static void hardware_holds(const struct tfaas_verification *report)
{
    static const char *const names[] = {"form",  "tee",    "genuine",  "tcb",
                                        "debug", "launch", "platform", "report-data"};
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(report->checks[i].name, names[i]);
        assert_int_equal(report->checks[i].result,
                         i == 7 ? TFAAS_CHECK_FAILED : TFAAS_CHECK_PASSED);
    }
}

static char *tdx_policy(const struct bytes *quote, const char *status, unsigned flip)
{
    /* Intel TDX DCAP Quoting Library API, appendix A.3.2: the TD report body begins at 48. */
    const uint8_t *body = quote->data + 48;
    uint8_t mr_td[48], rt_mr[4][48];
    char *text = NULL;
    memcpy(mr_td, body + 136, 48);
    for (unsigned i = 0; i < 4; i++)
        memcpy(rt_mr[i], body + 328 + 48 * i, 48);
    if (flip < 4)
        rt_mr[flip][0] ^= 1;
    if (flip == 4)
        mr_td[0] ^= 1;
    char hex[5][97];
    hex_write(mr_td, 48, hex[0]);
    for (unsigned i = 0; i < 4; i++)
        hex_write(rt_mr[i], 48, hex[i + 1]);
    assert_true(
        asprintf(&text,
                 "{\"version\":1,\"intel_tcb\":{\"statuses\":[\"%s\"]},\"tdx\":{\"domains\":"
                 "[{\"mrtd\":\"%s\",\"rtmrs\":[\"%s\",\"%s\",\"%s\",\"%s\"]}]}}",
                 status, hex[0], hex[1], hex[2], hex[3], hex[4]) > 0);
    return text;
}

static void test_tdx(void **state)
{
    (void)state;
    struct tfaas_verification *r = calloc(1, sizeof(*r));
    struct bytes quote = load("tdx/tdx-v4-uptodate/quote.bin"), none = {NULL, 0};
    struct bytes collateral = load("tdx/tdx-v4-uptodate/collateral.json");
    const char *given = (const char *)collateral.data;
    char *good = tdx_policy(&quote, "UpToDate", 9);
    wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT, good, r),
           TFAAS_CLIENT_STATEMENT_MISMATCH, r);
    hardware_holds(r);
    assert_string_equal(r->tee, "tdx");
    wanted(judge(TDX, quote, NULL, none, given, TDX_AT, good, r), TFAAS_CLIENT_STATEMENT_MISMATCH,
           r);
    for (unsigned flip = 0; flip < 5; flip++) {
        char *other = tdx_policy(&quote, "UpToDate", flip);
        wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT, other, r),
               TFAAS_CLIENT_LAUNCH_NOT_ALLOWED, r);
        free(other);
    }
    char *strict = tdx_policy(&quote, "SWHardeningNeeded", 9);
    wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT, strict, r), TFAAS_CLIENT_TCB_REFUSED,
           r);
    wanted(judge(TDX, quote, NULL, none, NULL, TDX_AT, good, r), TFAAS_CLIENT_TCB_REFUSED, r);
    wanted(judge(TDX, quote, CERTS, collateral, NULL, TDX_AT, good, r), TFAAS_CLIENT_EVIDENCE_FORM,
           r);
    wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT + 400 * 86400, good, r),
           TFAAS_CLIENT_EVIDENCE_SIGNATURE, r);
    wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT, tfaas_policy_default(), r),
           TFAAS_CLIENT_LAUNCH_NOT_ALLOWED, r);
    wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT, "{\"version\":1,\"sgx\":{}}", r),
           TFAAS_CLIENT_TEE_NOT_ALLOWED, r);
    quote.data[700] ^= 1; /* the signature */
    wanted(judge(TDX, quote, JSON, collateral, NULL, TDX_AT, good, r),
           TFAAS_CLIENT_EVIDENCE_SIGNATURE, r);
    struct bytes debug = load("tdx/tdx-v4-debug/quote.bin");
    wanted(judge(TDX, debug, NULL, none, NULL, TDX_AT, good, r), TFAAS_CLIENT_DEBUG_REFUSED, r);
    free(debug.data);
    free(quote.data);
    free(collateral.data);
    free(good);
    free(strict);
    free(r);
}

static void test_sgx(void **state)
{
    (void)state;
    struct tfaas_verification *r = calloc(1, sizeof(*r));
    struct bytes quote = load("sgx/sgx-v3-confighard/quote.bin");
    struct bytes collateral = load("sgx/sgx-v3-confighard/collateral.json");
    char mr_enclave[65], *policy = NULL;
    hex_write(quote.data + 48 + 64, 32, mr_enclave);
    wanted(judge(SGX, quote, JSON, collateral, NULL, SGX_AT, tfaas_policy_default(), r),
           TFAAS_CLIENT_TCB_REFUSED, r);
    /* The status alone is not enough: its advisories have to be named, every one. */
    static const char form[] = "{\"version\":1,\"intel_tcb\":{\"statuses\":["
                               "\"ConfigurationAndSWHardeningNeeded\"],\"advisories\":[%s]},"
                               "\"sgx\":{\"enclaves\":[\"%s\"]}}";
    assert_true(asprintf(&policy, form, "\"INTEL-SA-00289\"", mr_enclave) > 0);
    wanted(judge(SGX, quote, JSON, collateral, NULL, SGX_AT, policy, r), TFAAS_CLIENT_TCB_REFUSED,
           r);
    free(policy);
    assert_true(asprintf(&policy, form, "\"INTEL-SA-00289\",\"INTEL-SA-00615\"", mr_enclave) > 0);
    wanted(judge(SGX, quote, JSON, collateral, NULL, SGX_AT, policy, r),
           TFAAS_CLIENT_STATEMENT_MISMATCH, r);
    hardware_holds(r);
    free(policy);
    mr_enclave[0] ^= 1;
    assert_true(asprintf(&policy, form, "\"INTEL-SA-00289\",\"INTEL-SA-00615\"", mr_enclave) > 0);
    wanted(judge(SGX, quote, JSON, collateral, NULL, SGX_AT, policy, r),
           TFAAS_CLIENT_LAUNCH_NOT_ALLOWED, r);
    free(policy);
    free(quote.data);
    free(collateral.data);
    free(r);
}

/* --- AMD: certificates come in the table of the GHCB specification --- */

/* The `index`-th certificate of a PEM file. */
static size_t certificate(const struct bytes *pem, unsigned index, uint8_t *to, size_t room)
{
    const char *at = (const char *)pem->data;
    size_t size = 0;
    for (unsigned i = 0; i <= index; i++)
        at = strstr(at, "-----BEGIN CERTIFICATE-----") + 27;
    const char *end = strstr(at, "-----END");
    assert_int_equal(sodium_base642bin(to, room, at, (size_t)(end - at), "\r\n", &size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    return size;
}

static struct bytes table(const char *vek_path, const char *ca_path, unsigned entries)
{
    static const char *const guids[] = {"63da758de6644564adc5f4b93be8accd",
                                        "4ab7b379bbac4fe4a02f05aef327c782",
                                        "c0b406a4a80349529743 3fb6014cd0ae"};
    struct bytes b = {.data = calloc(1, 65536), .size = 24 * 4};
    struct bytes vek = load(vek_path), ca = load(ca_path);
    for (unsigned i = 0; i < entries; i++) {
        uint8_t *row = b.data + 24 * i;
        size_t size = vek.size;
        assert_int_equal(sodium_hex2bin(row, 16, guids[i], strlen(guids[i]), " ", NULL, NULL), 0);
        if (i == 0)
            memcpy(b.data + b.size, vek.data, vek.size);
        else
            size = certificate(&ca, i - 1, b.data + b.size, 65536 - b.size);
        for (unsigned k = 0; k < 4; k++) {
            row[16 + k] = (uint8_t)(b.size >> (8 * k));
            row[20 + k] = (uint8_t)(size >> (8 * k));
        }
        b.size += size;
    }
    free(vek.data);
    free(ca.data);
    return b;
}

static char *snp_policy(const char *generation, const uint8_t *report, unsigned raise)
{
    /* AMD 56860, table 23: measurement at 0x90, reported TCB at 0x180. */
    const uint8_t *tcb = report + 0x180;
    char hex[97], *text = NULL;
    hex_write(report + 0x90, 48, hex);
    assert_true(asprintf(&text,
                         "{\"version\":1,\"snp\":{\"launches\":[\"%s\"],\"minimum_tcb\":{\"%s\":"
                         "{\"boot_loader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u}}}}",
                         hex, generation, tcb[0], tcb[1], tcb[6], tcb[7] + raise) > 0);
    return text;
}

static void test_snp(void **state)
{
    (void)state;
    struct tfaas_verification *r = calloc(1, sizeof(*r));
    struct bytes report = load("snp/milan-v2-virtee/report.bin");
    struct bytes certs = table("snp/milan-v2-virtee/vek.der", "snp/ca/ask_ark_milan.pem", 3);
    struct bytes short_table = table("snp/milan-v2-virtee/vek.der", "snp/ca/ask_ark_milan.pem", 2);
    struct bytes other = table("snp/milan-v2-gce/vek.der", "snp/ca/ask_ark_milan.pem", 3);
    char *named = snp_policy("Milan", report.data, 0),
         *raised = snp_policy("Milan", report.data, 1);
    char *genoa = snp_policy("Genoa", report.data, 0);
    wanted(judge(SNP, report, CERTS, certs, NULL, SNP_AT, tfaas_policy_default(), r),
           TFAAS_CLIENT_MILAN_REFUSED, r);
    wanted(judge(SNP, report, CERTS, certs, NULL, SNP_AT, genoa, r), TFAAS_CLIENT_MILAN_REFUSED, r);
    wanted(judge(SNP, report, CERTS, certs, NULL, SNP_AT, raised, r), TFAAS_CLIENT_TCB_REFUSED, r);
    wanted(judge(SNP, report, CERTS, certs, NULL, SNP_AT, named, r),
           TFAAS_CLIENT_STATEMENT_MISMATCH, r);
    hardware_holds(r);
    wanted(judge(SNP, report, CERTS, other, NULL, SNP_AT, named, r),
           TFAAS_CLIENT_EVIDENCE_SIGNATURE, r);
    wanted(judge(SNP, report, CERTS, short_table, NULL, SNP_AT, named, r),
           TFAAS_CLIENT_EVIDENCE_FORM, r);
    wanted(judge(SNP, report, NULL, certs, NULL, SNP_AT, named, r), TFAAS_CLIENT_EVIDENCE_FORM, r);
    /* A table whose entries point outside of it is one without those. */
    certs.data[24 + 16 + 3] = 0x7f;
    wanted(judge(SNP, report, CERTS, certs, NULL, SNP_AT, named, r), TFAAS_CLIENT_EVIDENCE_FORM, r);
    report.data[0x90] ^= 1;
    certs.data[24 + 16 + 3] = 0;
    wanted(judge(SNP, report, CERTS, certs, NULL, SNP_AT, named, r),
           TFAAS_CLIENT_EVIDENCE_SIGNATURE, r);
    free(named);
    free(raised);
    free(genoa);
    free(report.data);
    free(certs.data);
    free(other.data);
    free(short_table.data);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tdx),
        cmocka_unit_test(test_sgx),
        cmocka_unit_test(test_snp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
