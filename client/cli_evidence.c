/*
 * cli_evidence.c - `tfaas evidence appraise`: reads files, appraises, prints. Exit code: 0 accept,
 * 1 policy, 2 reject, 64 usage.
 */
#include "cli.h"
#include "tfaas/evidence.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (4u << 20)

struct arguments {
    const char *tee, *quote, *collateral, *vek, *ca, *hcl, *at;
    int json;
};

static int fitting(const struct arguments *a, struct tfaas_evidence *evidence)
{
    if (!a->tee || !a->quote || !a->at) {
        fprintf(stderr, "tfaas: --tee, --quote and --at are needed\n");
        return 0;
    }
    for (int tee = TFAAS_TEE_SGX; tee <= TFAAS_TEE_SNP; tee++)
        if (strcmp(a->tee, tfaas_tee_name((enum tfaas_tee)tee)) == 0)
            evidence->tee = (enum tfaas_tee)tee;
    if (evidence->tee == TFAAS_TEE_NONE) {
        fprintf(stderr, "tfaas: --tee is sgx, tdx or snp\n");
        return 0;
    }
    int snp = evidence->tee == TFAAS_TEE_SNP;
    if (snp ? !a->vek || !a->ca || a->collateral : a->vek || a->ca) {
        fprintf(stderr, "tfaas: --vek and --ca go with snp, --collateral with sgx and tdx\n");
        return 0;
    }
    return cli_unix_time(a->at, &evidence->at_unix);
}

static int load(const char *path, struct tfaas_bytes *bytes)
{
    if (path)
        bytes->data = cli_read_file(path, FILE_MAX, &bytes->size);
    return !path || bytes->data;
}

static int print_json(const struct tfaas_appraisal *appraisal)
{
    char *text = tfaas_evidence_json(appraisal);
    int good = text && puts(text) >= 0 && fflush(stdout) == 0;
    free(text);
    return good;
}

static int print_text(const struct tfaas_appraisal *a)
{
    const char *status = tfaas_tcb_status_name(a->tcb_status);
    printf("%s: %s%s%s%s%s\n", tfaas_tee_name(a->tee), tfaas_verdict_name(a->verdict),
           status ? ", TCB " : "", status ? status : "", a->error[0] ? ": " : "", a->error);
    for (size_t i = 0; i < a->advisory_count; i++)
        printf("  %s\n", a->advisory_ids[i]);
    if (a->parsed) {
        printf("measurement ");
        for (size_t i = 0; i < a->measurement_size; i++)
            printf("%02x", a->measurement[i]);
        printf("%s\n", a->debug ? " (debug)" : "");
    }
    return fflush(stdout) == 0;
}

static int verdict_exit(enum tfaas_verdict verdict)
{
    return verdict == TFAAS_VERDICT_ACCEPT ? 0 : verdict == TFAAS_VERDICT_POLICY ? 1 : 2;
}

static int appraise(int argc, char **argv)
{
    struct arguments a = {0};
    const struct cli_option options[] = {
        {"--tee", &a.tee, NULL}, {"--quote", &a.quote, NULL},
        {"--at", &a.at, NULL},   {"--collateral", &a.collateral, NULL},
        {"--vek", &a.vek, NULL}, {"--ca", &a.ca, NULL},
        {"--hcl", &a.hcl, NULL}, {"--json", NULL, &a.json},
    };
    struct tfaas_evidence evidence = {0};
    struct tfaas_appraisal *appraisal = calloc(1, sizeof *appraisal);
    int code = CLI_USAGE;
    if (appraisal && cli_options(argc, argv, options, sizeof options / sizeof options[0]) &&
        fitting(&a, &evidence) && load(a.quote, &evidence.quote) &&
        load(a.collateral, &evidence.collateral) && load(a.vek, &evidence.vek) &&
        load(a.ca, &evidence.ca) && load(a.hcl, &evidence.hcl)) {
        code = tfaas_evidence_appraise(&evidence, appraisal) == TFAAS_OK
                   ? verdict_exit(appraisal->verdict)
                   : 2;
        if (!(a.json ? print_json(appraisal) : print_text(appraisal)))
            code = 2;
    }
    free((void *)(uintptr_t)evidence.quote.data);
    free((void *)(uintptr_t)evidence.collateral.data);
    free((void *)(uintptr_t)evidence.vek.data);
    free((void *)(uintptr_t)evidence.ca.data);
    free((void *)(uintptr_t)evidence.hcl.data);
    free(appraisal);
    return code;
}

const struct cli_command cli_evidence[] = {
    {"evidence appraise", appraise,
     "--tee sgx|tdx|snp --quote FILE [--collateral FILE]\n"
     "      [--vek FILE --ca FILE] [--hcl FILE] --at UNIX [--json]",
     NULL},
    {NULL, NULL, NULL, NULL},
};
