/*
 * evidence_verify.c - build/bench-evidence: how long libtfaas takes to appraise the genuine
 * evidence of tests/vectors, with collateral and certificates where there are any. Medians, one
 * JSON object on stdout; evidence that is not genuine ends the program.
 */
#include "tfaas/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS     51
#define FILE_MAX (1u << 20)

static const struct vector {
    enum tfaas_tee tee;
    const char *folder, *ca;
    int64_t at_unix;
} vectors[] = {
    {TFAAS_TEE_SGX, "sgx/sgx-v3-confighard", NULL, 1750334171},
    {TFAAS_TEE_TDX, "tdx/tdx-v4-uptodate", NULL, 1750334171},
    {TFAAS_TEE_TDX, "tdx/tdx-v5-uptodate", NULL, 1771415931},
    {TFAAS_TEE_SNP, "snp/milan-v2-gce", "ask_ark_milan.pem", 1664067328},
    {TFAAS_TEE_SNP, "snp/milan-v3-vlek", "ask_ark_milan_vlek.pem", 1733955261},
    {TFAAS_TEE_SNP, "snp/genoa-v3-azure-hcl", "ask_ark_genoa.pem", 1737771708},
};

static struct tfaas_bytes file(const char *folder, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "tests/vectors/%s/%s", folder, name);
    FILE *from = fopen(path, "rb");
    uint8_t *data = from ? malloc(FILE_MAX) : NULL;
    if (!data) {
        (void)fprintf(stderr, "bench-evidence: %s cannot be read\n", path);
        exit(1);
    }
    struct tfaas_bytes bytes = {data, fread(data, 1, FILE_MAX, from)};
    (void)fclose(from);
    return bytes;
}

static struct tfaas_evidence load(const struct vector *v)
{
    bool snp = v->tee == TFAAS_TEE_SNP;
    struct tfaas_evidence e = {.tee = v->tee,
                               .at_unix = v->at_unix,
                               .quote = file(v->folder, snp ? "report.bin" : "quote.bin")};
    if (snp) {
        e.vek = file(v->folder, "vek.der");
        e.ca = file("snp/ca", v->ca);
    } else {
        e.collateral = file(v->folder, "collateral.json");
    }
    return e;
}

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ms(const struct vector *v)
{
    static struct tfaas_appraisal appraisal;
    double times[RUNS];
    struct tfaas_evidence evidence = load(v);
    for (unsigned i = 0; i < RUNS; i++) {
        double begin = now_ms();
        tfaas_status_t status = tfaas_evidence_appraise(&evidence, &appraisal);
        times[i] = now_ms() - begin;
        if (status != TFAAS_OK || appraisal.verdict == TFAAS_VERDICT_REJECT) {
            (void)fprintf(stderr, "bench-evidence: %s: %s\n", v->folder, appraisal.error);
            exit(1);
        }
    }
    qsort(times, RUNS, sizeof *times, by_value);
    (void)fprintf(stderr, "evidence: %-24s %.2f ms\n", v->folder, times[RUNS / 2]);
    return times[RUNS / 2];
}

int main(void)
{
    double worst[4] = {0}, all = 0;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        double ms = median_ms(&vectors[i]);
        if (ms > worst[vectors[i].tee])
            worst[vectors[i].tee] = ms;
        if (ms > all)
            all = ms;
    }
    (void)printf("{\"evidence_verify_ms\": %.3f, \"evidence_verify_sgx_ms\": %.3f, "
                 "\"evidence_verify_tdx_ms\": %.3f, \"evidence_verify_snp_ms\": %.3f}\n",
                 all, worst[TFAAS_TEE_SGX], worst[TFAAS_TEE_TDX], worst[TFAAS_TEE_SNP]);
    return 0;
}
