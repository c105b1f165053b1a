/*
 * evidence.c - the entry of the evidence verifiers: which verifier, which roots, which words.
 * What a verdict rests on is in the files beside it.
 */
#include "evidence_internal.h"
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

#define ROOT(name) extern const uint8_t evidence_root_##name[], evidence_root_##name##_end[]
ROOT(intel);
ROOT(milan);
ROOT(genoa);
ROOT(turin);

static struct span between(const uint8_t *begin, const uint8_t *end)
{
    return (struct span){begin, (size_t)((uintptr_t)end - (uintptr_t)begin)};
}

struct evidence_roots evidence_pinned_roots(void)
{
    struct evidence_roots roots = {.intel = between(evidence_root_intel, evidence_root_intel_end)};
    roots.ark[TFAAS_SNP_MILAN] = between(evidence_root_milan, evidence_root_milan_end);
    roots.ark[TFAAS_SNP_GENOA] = between(evidence_root_genoa, evidence_root_genoa_end);
    roots.ark[TFAAS_SNP_TURIN] = between(evidence_root_turin, evidence_root_turin_end);
    return roots;
}

bool evidence_fail(struct evidence_context *c, const char *format, ...)
{
    char *error = c->appraisal->error;
    if (error[0] == 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(error, sizeof c->appraisal->error, format, args);
        va_end(args);
    }
    return false;
}

void evidence_ends(struct evidence_context *c, int64_t unix_time)
{
    if (c->appraisal->expires_unix == 0 || unix_time < c->appraisal->expires_unix)
        c->appraisal->expires_unix = unix_time;
}

void evidence_copy(struct cursor *c, uint8_t *out, size_t size)
{
    struct span s = cursor_take(c, size);
    if (s.data)
        memcpy(out, s.data, size);
    else
        memset(out, 0, size);
}

bool evidence_zero(struct span s)
{
    uint8_t any = 0;
    for (size_t i = 0; i < s.size; i++)
        any |= s.data[i];
    return any == 0;
}

/* With `error` set nothing else in the appraisal may look like an approval. */
static void refuse(struct evidence_context *c)
{
    evidence_fail(c, "refused");
    c->appraisal->verdict = TFAAS_VERDICT_REJECT;
    c->appraisal->tcb_status = TFAAS_TCB_NONE;
    c->appraisal->advisory_count = 0;
    c->appraisal->tcb_date_unix = c->appraisal->expires_unix = 0;
    memset(c->appraisal->advisory_ids, 0, sizeof c->appraisal->advisory_ids);
}

tfaas_status_t evidence_appraise_under(const struct evidence_roots *roots,
                                       const struct tfaas_evidence *evidence,
                                       struct tfaas_appraisal *appraisal)
{
    struct evidence_context c = {.evidence = evidence, .roots = *roots, .appraisal = appraisal};
    memset(appraisal, 0, sizeof *appraisal);
    appraisal->tee = evidence->tee;
    tfaas_status_t status = TFAAS_OK;
    bool good = false;
    ERR_set_mark();
    if (!evidence->quote.data) {
        evidence_fail(&c, "no quote");
        status = TFAAS_BAD_REQUEST;
    } else if (evidence->quote.size > EVIDENCE_QUOTE_MAX) {
        evidence_fail(&c, "the quote is larger than %u bytes", EVIDENCE_QUOTE_MAX);
    } else if (evidence->tee == TFAAS_TEE_SGX) {
        good = sgx_appraise(&c);
    } else if (evidence->tee == TFAAS_TEE_TDX) {
        good = tdx_appraise(&c);
    } else if (evidence->tee == TFAAS_TEE_SNP) {
        good = snp_appraise(&c);
    } else {
        evidence_fail(&c, "no TEE named");
        status = TFAAS_BAD_REQUEST;
    }
    ERR_pop_to_mark();
    if (!good || appraisal->error[0] != 0)
        refuse(&c);
    else if (evidence->tee == TFAAS_TEE_SNP || appraisal->tcb_status == TFAAS_TCB_UP_TO_DATE)
        appraisal->verdict = TFAAS_VERDICT_ACCEPT;
    else
        appraisal->verdict = TFAAS_VERDICT_POLICY;
    return status;
}

tfaas_status_t tfaas_evidence_appraise(const struct tfaas_evidence *evidence,
                                       struct tfaas_appraisal *appraisal)
{
    struct evidence_roots roots = evidence_pinned_roots();
    return evidence_appraise_under(&roots, evidence, appraisal);
}

static const char *word(const char *const *words, size_t count, unsigned i)
{
    return i < count ? words[i] : NULL;
}
#define WORD(words, i) word(words, sizeof(words) / sizeof((words)[0]), (unsigned)(i))

const char *tfaas_tee_name(enum tfaas_tee tee)
{
    static const char *const words[] = {NULL, "sgx", "tdx", "snp"};
    return WORD(words, tee);
}

const char *tfaas_verdict_name(enum tfaas_verdict verdict)
{
    static const char *const words[] = {"reject", "policy", "accept"};
    return WORD(words, verdict);
}

const char *tfaas_tcb_status_name(enum tfaas_tcb_status status)
{
    static const char *const words[] = {
        [TFAAS_TCB_UNKNOWN] = "Unknown",
        [TFAAS_TCB_UP_TO_DATE] = "UpToDate",
        [TFAAS_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
        [TFAAS_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
        [TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
        [TFAAS_TCB_OUT_OF_DATE] = "OutOfDate",
        [TFAAS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
        [TFAAS_TCB_REVOKED] = "Revoked",
        [TFAAS_TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
        [TFAAS_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] =
            "TDRelaunchAdvisedConfigurationNeeded",
    };
    return WORD(words, status);
}

const char *tfaas_snp_generation_name(enum tfaas_snp_generation generation)
{
    static const char *const words[] = {NULL, "Milan", "Genoa", "Turin"};
    return WORD(words, generation);
}
