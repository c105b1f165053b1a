/* evidence_common.h - what the fuzz targets of the evidence verifiers share. */
#ifndef TFAAS_TESTS_FUZZ_EVIDENCE_COMMON_H
#define TFAAS_TESTS_FUZZ_EVIDENCE_COMMON_H

#include "client/evidence_internal.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool ok)
{
    if (!ok)
        abort();
}

static inline struct tfaas_bytes fixed(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(1 << 16);
    check(f && data);
    struct tfaas_bytes bytes = {data, fread(data, 1, 1 << 16, f)};
    fclose(f);
    return bytes;
}

/* Judges, and holds the result to what the header promises. Returns the verdict. */
static inline enum tfaas_verdict judged(const struct tfaas_evidence *e)
{
    static struct tfaas_appraisal a;
    check(tfaas_evidence_appraise(e, &a) == TFAAS_OK);
    bool rejected = a.verdict == TFAAS_VERDICT_REJECT;
    check(rejected == (a.error[0] != 0) && rejected == (a.expires_unix == 0));
    check(!rejected || (a.tcb_status == TFAAS_TCB_NONE && a.advisory_count == 0));
    check(rejected || a.parsed);
    char *text = tfaas_evidence_json(&a);
    check(text != NULL);
    free(text);
    return a.verdict;
}

#endif
