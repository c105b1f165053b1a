/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c libs: crypto jansson */
/*
 * evidence.c - the evidence verifiers: every bit of a signed region matters, the pinned roots are
 * the published ones, the fields that a policy reads, and the small readers below it all.
 * All 13,888 bits are flipped with TFAAS_ALL_BITS=1; else two of every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "client/evidence_internal.h"

#define VECTORS "tests/vectors/"

static struct tfaas_bytes file(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *data = malloc(1 << 20);
    assert_non_null(data);
    struct tfaas_bytes bytes = {data, fread(data, 1, 1 << 20, f)};
    fclose(f);
    return bytes;
}

static struct tfaas_evidence load(enum tfaas_tee tee, int64_t at, const char *quote)
{
    return (struct tfaas_evidence){.tee = tee, .at_unix = at, .quote = file(quote)};
}

static struct tfaas_evidence load_snp(int64_t at, const char *name, const char *ca)
{
    char path[256];
    snprintf(path, sizeof path, VECTORS "snp/%s/report.bin", name);
    struct tfaas_evidence e = load(TFAAS_TEE_SNP, at, path);
    snprintf(path, sizeof path, VECTORS "snp/%s/vek.der", name);
    e.vek = file(path);
    snprintf(path, sizeof path, VECTORS "snp/ca/%s", ca);
    e.ca = file(path);
    return e;
}

static void drop(struct tfaas_evidence *e)
{
    free((void *)e->quote.data);
    free((void *)e->collateral.data);
    free((void *)e->vek.data);
    free((void *)e->ca.data);
    free((void *)e->hcl.data);
}

static struct tfaas_appraisal appraise(const struct tfaas_evidence *e)
{
    static struct tfaas_appraisal a;
    memset(&a, 0xff, sizeof a); /* it is written in full */
    assert_int_equal(tfaas_evidence_appraise(e, &a), TFAAS_OK);
    return a;
}

/* Every (or every fourth) bit of the first `size` bytes, each alone. */
static void flip_all(struct tfaas_evidence *e, size_t size, enum tfaas_verdict good)
{
    uint8_t *bytes = (uint8_t *)e->quote.data;
    size_t flipped = 0, step = getenv("TFAAS_ALL_BITS") ? 1 : 4;
    assert_int_equal(appraise(e).verdict, good);
    for (size_t bit = 0; bit < size * 8; bit += step) {
        size_t one = bit + (step > 1 ? bit / 8 % 4 : 0);
        bytes[one / 8] ^= (uint8_t)(1u << one % 8);
        struct tfaas_appraisal a = appraise(e);
        bytes[one / 8] ^= (uint8_t)(1u << one % 8);
        if (a.verdict != TFAAS_VERDICT_REJECT)
            fail_msg("bit %zu of byte %zu does not matter", one % 8, one / 8);
        assert_true(a.error[0] != 0 && a.tcb_status == TFAAS_TCB_NONE && a.advisory_count == 0);
        flipped++;
    }
    assert_int_equal(flipped, size * 8 / step);
    assert_int_equal(appraise(e).verdict, good);
}

/* Without collateral: nothing but the signatures may notice. */
static void every_signed_bit_of_a_quote(void **state)
{
    (void)state;
    struct tfaas_evidence sgx =
        load(TFAAS_TEE_SGX, 1750334171, VECTORS "sgx/sgx-v3-confighard/quote.bin");
    flip_all(&sgx, 432, TFAAS_VERDICT_POLICY);
    drop(&sgx);
    struct tfaas_evidence tdx =
        load(TFAAS_TEE_TDX, 1750334171, VECTORS "tdx/tdx-v4-uptodate/quote.bin");
    flip_all(&tdx, 632, TFAAS_VERDICT_POLICY);
    drop(&tdx);
}

static void every_signed_bit_of_a_report(void **state)
{
    (void)state;
    struct tfaas_evidence e = load_snp(1680636223, "milan-v2-virtee", "ask_ark_milan.pem");
    flip_all(&e, 0x2a0, TFAAS_VERDICT_ACCEPT);
    drop(&e);
}

static void every_prefix_is_rejected(void **state)
{
    (void)state;
    struct tfaas_evidence e =
        load(TFAAS_TEE_TDX, 1771415931, VECTORS "tdx/tdx-v5-uptodate/quote.bin");
    size_t size = e.quote.size;
    for (e.quote.size = 0; e.quote.size < size; e.quote.size += e.quote.size < 1400 ? 1 : 7) {
        uint8_t *exact = malloc(e.quote.size + 1); /* so that a byte too far is seen */
        memcpy(exact + 1, e.quote.data, e.quote.size);
        struct tfaas_evidence cut = e;
        cut.quote.data = exact + 1;
        assert_int_equal(appraise(&cut).verdict, TFAAS_VERDICT_REJECT);
        free(exact);
    }
    drop(&e);
}

static void a_report_has_one_size(void **state)
{
    (void)state;
    struct tfaas_evidence e = load_snp(1680636223, "milan-v2-virtee", "ask_ark_milan.pem");
    size_t size = e.quote.size;
    ((uint8_t *)e.quote.data)[size] = 0;
    for (e.quote.size = 0; e.quote.size < size + 2; e.quote.size += e.quote.size < size - 9 ? 9 : 1)
        assert_int_equal(appraise(&e).verdict,
                         e.quote.size == size ? TFAAS_VERDICT_ACCEPT : TFAAS_VERDICT_REJECT);
    drop(&e);
}

static void roots_are_the_published_ones(void **state)
{
    (void)state;
    /* docs/evidence.md says where each fingerprint is published */
    static const char *const sha256[] = {
        "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"};
    struct evidence_roots roots = evidence_pinned_roots();
    for (int i = 0; i < 4; i++) {
        uint8_t expected[32], got[32];
        assert_true(evidence_hex(sha256[i], expected, sizeof expected));
        assert_true(evidence_sha256(i ? roots.ark[i] : roots.intel, got));
        assert_memory_equal(got, expected, sizeof got);
    }
}

static void fields_for_a_policy(void **state)
{
    (void)state;
    struct tfaas_evidence e =
        load(TFAAS_TEE_SGX, 1750334171, VECTORS "sgx/sgx-v3-confighard/quote.bin");
    e.collateral = file(VECTORS "sgx/sgx-v3-confighard/collateral.json");
    struct tfaas_appraisal a = appraise(&e);
    static const uint8_t fmspc[] = {0x00, 0xa0, 0x67, 0x11, 0, 0};
    assert_int_equal(a.tcb_status, TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED);
    assert_int_equal(a.measurement_size, 32);
    assert_memory_equal(a.measurement, a.u.sgx.mr_enclave, 32);
    assert_int_equal(a.platform_id_size, 16);
    assert_memory_equal(a.fmspc, fmspc, sizeof fmspc);
    assert_false(a.debug);
    assert_false(a.pck_platform_ca);
    assert_int_equal(a.tcb_evaluation_data_number, 17);
    /* the earliest end of all: QE identity 2025-07-19T10:01:18Z */
    assert_int_equal(a.expires_unix, 1752919278);
    assert_int_equal(a.format_version, 3);
    e.at_unix = a.expires_unix;
    assert_int_equal(appraise(&e).verdict, TFAAS_VERDICT_POLICY);
    e.at_unix++;
    assert_int_equal(appraise(&e).verdict, TFAAS_VERDICT_REJECT);
    drop(&e);
}

static void fields_of_an_snp_report(void **state)
{
    (void)state;
    struct tfaas_evidence e = load_snp(1737771708, "genoa-v3-azure-hcl", "ask_ark_genoa.pem");
    e.hcl = file(VECTORS "snp/genoa-v3-azure-hcl/hcl-report.bin");
    struct tfaas_appraisal a = appraise(&e);
    assert_int_equal(a.verdict, TFAAS_VERDICT_ACCEPT);
    assert_int_equal(a.u.snp.generation, TFAAS_SNP_GENOA);
    assert_int_equal(a.u.snp.signer, TFAAS_SNP_VCEK);
    assert_int_equal(a.platform_id_size, 64);
    assert_int_equal(a.u.snp.reported.boot_loader, 0x0a);
    assert_int_equal(a.u.snp.reported.snp, 0x17);
    assert_int_equal(a.u.snp.reported.microcode, 0x54);
    assert_int_equal(a.svn, 65547);
    assert_true(a.hcl_bound && a.hcl_runtime_data.size > 1000);
    drop(&e);
    e = load_snp(1733955261, "milan-v3-vlek", "ask_ark_milan_vlek.pem");
    a = appraise(&e);
    assert_int_equal(a.verdict, TFAAS_VERDICT_ACCEPT);
    assert_int_equal(a.u.snp.signer, TFAAS_SNP_VLEK);
    assert_int_equal(a.platform_id_size, 0);
    assert_string_equal(a.u.snp.csp_id, "CN=cc-us-east-2.amazonaws.com");
    drop(&e);
    e = load_snp(1664067328, "milan-v2-gce", "ask_ark_milan.pem");
    a = appraise(&e);
    assert_int_equal(a.verdict, TFAAS_VERDICT_ACCEPT);
    assert_true(a.debug);
    drop(&e);
}

static void dates(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2025-06-19",
                                      "2025-06-19T10:56:11",
                                      "2025-06-19T10:56:11z",
                                      "2025-06-19T10:56:11+00:00",
                                      "2025-06-19 10:56:11Z",
                                      "2025-13-19T10:56:11Z",
                                      "2025-00-19T10:56:11Z",
                                      "2025-02-29T10:56:11Z",
                                      "2100-02-29T10:56:11Z",
                                      "2025-06-00T10:56:11Z",
                                      "2025-04-31T10:56:11Z",
                                      "2025-06-19T24:00:00Z",
                                      "2025-06-19T10:60:11Z",
                                      "2025-06-19T10:56:60Z",
                                      "1969-06-19T10:56:11Z",
                                      "2025-06-19T10:56:11ZZ",
                                      "-025-06-19T10:56:11Z"};
    int64_t t;
    assert_true(evidence_date("1970-01-01T00:00:00Z", &t) && t == 0);
    assert_true(evidence_date("2000-02-29T23:59:59Z", &t) && t == 951868799);
    assert_true(evidence_date("2025-06-19T10:56:11Z", &t) && t == 1750330571);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(evidence_date(bad[i], &t));
    assert_false(evidence_date(NULL, &t));
}

static void der_items(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
        bool good;
    } all[] = {
        {{0x02, 0x01, 0x05}, 3, true},
        {{0x02, 0x81, 0x01, 0x05}, 4, false},
        {{0x02, 0x80, 0x00, 0x00}, 4, false},
        {{0x02, 0x82, 0x00, 0x01, 0x05}, 5, false},
        {{0x02, 0x02, 0x05}, 3, false},
        {{0x1f, 0x01, 0x05}, 3, false},
        {{0x02}, 1, false},
        {{0x02, 0x84, 0, 0, 0, 1, 5}, 7, false},
        {{0x02, 0x00}, 2, true},
        {{0x02, 0x82, 0x00, 0x80}, 4, false},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct cursor c = cursor_of(all[i].bytes, all[i].size);
        struct der_item item;
        assert_int_equal(der_read(&c, &item), all[i].good);
    }
    uint32_t value;
    static const uint8_t most[] = {0, 0xff, 0xff, 0xff, 0xff}, padded[] = {0, 5},
                         negative[] = {0x80};
    assert_true(der_uint(&(struct der_item){2, {most, 5}}, &value) && value == UINT32_MAX);
    assert_false(der_uint(&(struct der_item){2, {padded, 2}}, &value));
    assert_false(der_uint(&(struct der_item){2, {negative, 1}}, &value));
    assert_false(der_uint(&(struct der_item){4, {most + 1, 1}}, &value));
    assert_false(der_uint(&(struct der_item){2, {most, 0}}, &value));
}

static bool pem_reads(const char *text, int count)
{
    struct tfaas_appraisal a = {0};
    struct evidence_context c = {.appraisal = &a};
    certificates_t *all =
        evidence_pem_certificates(&c, (struct span){(const uint8_t *)text, strlen(text)}, "x");
    bool good = all && sk_X509_num(all) == count;
    sk_X509_pop_free(all, X509_free);
    return good && a.error[0] == 0;
}

static void pem_is_read_strictly(void **state)
{
    (void)state;
    struct tfaas_bytes bytes = file(VECTORS "snp/ca/ask_ark_milan.pem");
    char *pem = calloc(1, 12 * bytes.size);
    memcpy(pem, bytes.data, bytes.size);
    assert_true(pem_reads(pem, 2));
    char *first_end = strstr(pem, "-----END") + strlen("-----END CERTIFICATE-----\n");
    char *one = strndup(pem, (size_t)(first_end - pem));
    assert_true(pem_reads(one, 1));
    static const char *const bad[][2] = {
        {"BEGIN CERT", "BEGIN cERT"},
        {"END CERT", "END cERT"},
        {"-----BEGIN", "----- EGIN"},
        {"MII", "MI-"},
        {"MII", "MI="},
        {"MII", "M I"},
        {"MII", "MI:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *copy = strdup(one);
        memcpy(strstr(copy, bad[i][0]), bad[i][1], strlen(bad[i][1]));
        assert_false(pem_reads(copy, 1));
        free(copy);
    }
    assert_false(pem_reads("", 0));
    assert_false(pem_reads("\n", 0));
    pem[0] = 0;
    for (int i = 0; i < 8; i++)
        strncat(pem, one, strlen(one));
    assert_true(pem_reads(pem, 8));
    strncat(pem, one, strlen(one));
    assert_false(pem_reads(pem, 9)); /* more than EVIDENCE_CERTS_MAX */
    free(one);
    free(pem);
    free((void *)bytes.data);
}

static void larger_than_the_bounds(void **state)
{
    (void)state;
    struct tfaas_evidence e =
        load(TFAAS_TEE_SGX, 1750334171, VECTORS "sgx/sgx-v3-confighard/quote.bin");
    struct tfaas_bytes real = file(VECTORS "sgx/sgx-v3-confighard/collateral.json");
    uint8_t *large = malloc(EVIDENCE_COLLATERAL_MAX + 1);
    memset(large, ' ', EVIDENCE_COLLATERAL_MAX + 1);
    memcpy(large, real.data, real.size);
    e.collateral = (struct tfaas_bytes){large, EVIDENCE_COLLATERAL_MAX};
    assert_int_equal(appraise(&e).verdict, TFAAS_VERDICT_POLICY);
    e.collateral.size++;
    assert_int_equal(appraise(&e).verdict, TFAAS_VERDICT_REJECT);
    e.collateral.size = real.size;
    uint8_t *quote = calloc(1, EVIDENCE_QUOTE_MAX + 1); /* zeros may follow a quote */
    memcpy(quote, e.quote.data, e.quote.size);
    free((void *)e.quote.data);
    e.quote = (struct tfaas_bytes){quote, EVIDENCE_QUOTE_MAX};
    assert_int_equal(appraise(&e).verdict, TFAAS_VERDICT_POLICY);
    e.quote.size++;
    assert_int_equal(appraise(&e).verdict, TFAAS_VERDICT_REJECT);
    free((void *)real.data);
    drop(&e);
}

static void nothing_to_judge(void **state)
{
    (void)state;
    struct tfaas_appraisal a;
    struct tfaas_evidence e = {.tee = TFAAS_TEE_SGX};
    assert_int_equal(tfaas_evidence_appraise(&e, &a), TFAAS_BAD_REQUEST);
    assert_int_equal(a.verdict, TFAAS_VERDICT_REJECT);
    e = (struct tfaas_evidence){.quote = {(const uint8_t *)"x", 1}};
    assert_int_equal(tfaas_evidence_appraise(&e, &a), TFAAS_BAD_REQUEST);
    assert_int_equal(a.verdict, TFAAS_VERDICT_REJECT);
    assert_null(tfaas_tee_name(TFAAS_TEE_NONE));
    assert_null(tfaas_tee_name((enum tfaas_tee)99));
    assert_null(tfaas_tcb_status_name(TFAAS_TCB_NONE));
    assert_string_equal(tfaas_snp_generation_name(TFAAS_SNP_TURIN), "Turin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_signed_bit_of_a_quote),
        cmocka_unit_test(every_signed_bit_of_a_report),
        cmocka_unit_test(every_prefix_is_rejected),
        cmocka_unit_test(a_report_has_one_size),
        cmocka_unit_test(roots_are_the_published_ones),
        cmocka_unit_test(fields_for_a_policy),
        cmocka_unit_test(fields_of_an_snp_report),
        cmocka_unit_test(dates),
        cmocka_unit_test(der_items),
        cmocka_unit_test(pem_is_read_strictly),
        cmocka_unit_test(larger_than_the_bounds),
        cmocka_unit_test(nothing_to_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
