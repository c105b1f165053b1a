/*
 * appraise.c - the evidence itself: which kind, is it genuine, does the policy take what it says.
 * Must never call simulated evidence anything else.
 */
#include "internal.h"
#include "simulated.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define TYPE_SIMULATED  "application/vnd.tfaas.simulated+cbor"
#define TYPE_SGX        "application/vnd.intel.sgx-quote"
#define TYPE_TDX        "application/vnd.intel.tdx-quote"
#define TYPE_SNP        "application/vnd.amd.snp-report"
#define TYPE_COLLATERAL "application/vnd.tfaas.collateral+json"
#define TYPE_SNP_CERTS  "application/vnd.amd.snp-certificates"

client_error_t check_note(struct tfaas_verification *report, const char *name, client_error_t error,
                          struct tfaas_failure *failure, const char *expected, const char *got)
{
    if (report->check_count < TFAAS_CHECKS_MAX) {
        struct tfaas_check *check = &report->checks[report->check_count++];
        check->name = name;
        check->result = error ? TFAAS_CHECK_FAILED : TFAAS_CHECK_PASSED;
        snprintf(check->expected, sizeof(check->expected), "%s", expected);
        snprintf(check->got, sizeof(check->got), "%s", got);
    }
    if (error)
        return client_fail(failure, error, "%s: %s; expected: %s; got: %s", name,
                           tfaas_client_error_text(error), expected, got);
    return TFAAS_CLIENT_OK;
}

static client_error_t platform_check(const struct policy *policy, const struct appraised *found,
                                     struct tfaas_verification *report,
                                     struct tfaas_failure *failure)
{
    char got[129] = "none named", expected[40] = "any machine";
    bool good = policy->platform_count == 0;
    if (found->platform_id_size)
        hex_write(found->platform_id, found->platform_id_size, got);
    if (!good)
        snprintf(expected, sizeof(expected), "one of %zu machines", policy->platform_count);
    for (size_t i = 0; i < policy->platform_count && !good; i++)
        good = policy->platforms[i].size == found->platform_id_size &&
               memcmp(policy->platforms[i].id, found->platform_id, found->platform_id_size) == 0;
    return check_note(report, "platform",
                      good ? TFAAS_CLIENT_OK : TFAAS_CLIENT_PLATFORM_NOT_ALLOWED, failure, expected,
                      got);
}

/* --- the software root --- */

static client_error_t appraise_simulated(const struct verify_input *input, struct span evidence,
                                         struct appraised *to, struct tfaas_verification *report,
                                         struct tfaas_failure *failure)
{
    struct simulated simulated;
    const char *why = "";
    to->tee = "simulated";
    to->simulated = true;
    report->simulated = true;
    client_error_t error = check_note(
        report, "tee",
        input->policy->allow_simulated ? TFAAS_CLIENT_OK : TFAAS_CLIENT_SIMULATED_REFUSED, failure,
        input->policy->allow_simulated ? "simulated or hardware" : "hardware", "SIMULATED");
    if (error)
        return error;
    tfaas_status_t status = simulated_read(evidence, &simulated, &why);
    if (status != TFAAS_OK)
        return check_note(report, "genuine",
                          status == TFAAS_NOT_OPENED ? TFAAS_CLIENT_EVIDENCE_SIGNATURE
                                                     : TFAAS_CLIENT_EVIDENCE_FORM,
                          failure, "signed by the key that it names", why);
    memcpy(to->report_data, simulated.report_data.data, sizeof(to->report_data));
    memcpy(to->measurement, simulated.measurement.data, sizeof(to->measurement));
    to->measurement_is_core = true;
    crypto_hash_sha256(to->platform_id, simulated.root_key.data, simulated.root_key.size);
    to->platform_id_size = 32;
    error =
        check_note(report, "genuine", TFAAS_CLIENT_OK, failure, "signed by the key that it names",
                   "it is; whoever runs the host holds that key");
    return error ? error : platform_check(input->policy, to, report, failure);
}

/* --- hardware --- */

static client_error_t tcb_check_snp(const struct policy *policy,
                                    const struct tfaas_appraisal *found,
                                    struct tfaas_verification *report,
                                    struct tfaas_failure *failure)
{
    const struct tfaas_snp_fields *snp = &found->u.snp;
    const struct tfaas_snp_tcb *tcb = &snp->reported;
    const char *name = tfaas_snp_generation_name(snp->generation);
    const struct policy_snp_tcb *wanted =
        &policy->snp_tcb[snp->generation <= TFAAS_SNP_TURIN ? snp->generation : 0];
    char expected[128] = "a minimum for this generation in the policy", got[128];
    client_error_t error = TFAAS_CLIENT_OK;
    snprintf(got, sizeof(got), "%s fmc %u, boot_loader %u, tee %u, snp %u, microcode %u",
             name ? name : "?", tcb->fmc, tcb->boot_loader, tcb->tee, tcb->snp, tcb->microcode);
    if (wanted->named)
        snprintf(expected, sizeof(expected),
                 "at least fmc %u, boot_loader %u, tee %u, snp %u, microcode %u", wanted->fmc,
                 wanted->boot_loader, wanted->tee, wanted->snp, wanted->microcode);
    if (!wanted->named)
        error = snp->generation == TFAAS_SNP_MILAN ? TFAAS_CLIENT_MILAN_REFUSED
                                                   : TFAAS_CLIENT_TCB_REFUSED;
    else if (tcb->fmc < wanted->fmc || tcb->boot_loader < wanted->boot_loader ||
             tcb->tee < wanted->tee || tcb->snp < wanted->snp || tcb->microcode < wanted->microcode)
        error = TFAAS_CLIENT_TCB_REFUSED;
    return check_note(report, "tcb", error, failure, expected, got);
}

static client_error_t tcb_check_intel(const struct policy *policy,
                                      const struct tfaas_appraisal *found,
                                      struct tfaas_verification *report,
                                      struct tfaas_failure *failure)
{
    const char *status = tfaas_tcb_status_name(found->tcb_status), *open = NULL;
    char got[160];
    bool good = (unsigned)found->tcb_status < 16 && policy->tcb_accepted[found->tcb_status];
    for (size_t i = 0; i < found->advisory_count && !open; i++) {
        bool accepted = false;
        for (size_t k = 0; k < policy->advisory_count && !accepted; k++)
            accepted = strcmp(policy->advisories[k], found->advisory_ids[i]) == 0;
        open = accepted ? NULL : found->advisory_ids[i];
    }
    snprintf(got, sizeof(got), "%s%s%s", status ? status : "no statement",
             open ? ", open advisory " : "", open ? open : "");
    return check_note(report, "tcb", good && !open ? TFAAS_CLIENT_OK : TFAAS_CLIENT_TCB_REFUSED,
                      failure, "a status and advisories that the policy accepts", got);
}

static bool td_allowed(const struct policy *policy, const struct tfaas_tdx_fields *td)
{
    for (size_t i = 0; i < policy->td_count; i++) {
        const struct policy_td *allowed = &policy->tds[i];
        bool good = memcmp(allowed->mr_td, td->mr_td, 48) == 0;
        for (size_t k = 0; k < 4; k++)
            good =
                good && (allowed->rt_mr_any[k] || memcmp(allowed->rt_mr[k], td->rt_mr[k], 48) == 0);
        if (good)
            return true;
    }
    return false;
}

static client_error_t launch_check(const struct policy *policy, const struct tfaas_appraisal *found,
                                   struct tfaas_verification *report, struct tfaas_failure *failure)
{
    char got[97] = "";
    bool good = false;
    hex_write(found->measurement, found->measurement_size <= 48 ? found->measurement_size : 0, got);
    if (found->tee == TFAAS_TEE_TDX)
        good = td_allowed(policy, &found->u.tdx);
    for (size_t i = 0; found->tee == TFAAS_TEE_SGX && i < policy->enclave_count && !good; i++)
        good = found->measurement_size == 32 &&
               memcmp(policy->enclaves[i], found->measurement, 32) == 0;
    /* What runs below VMPL 0 was not the launch that is measured. */
    for (size_t i = 0; found->tee == TFAAS_TEE_SNP && i < policy->launch_count && !good; i++)
        good = found->measurement_size == 48 && found->u.snp.vmpl == 0 &&
               memcmp(policy->launches[i], found->measurement, 48) == 0;
    return check_note(report, "launch", good ? TFAAS_CLIENT_OK : TFAAS_CLIENT_LAUNCH_NOT_ALLOWED,
                      failure,
                      found->tee == TFAAS_TEE_SGX   ? "an MRENCLAVE of the policy"
                      : found->tee == TFAAS_TEE_TDX ? "MRTD and RTMRs of the policy"
                                                    : "a launch digest of the policy, at VMPL 0",
                      got);
}

client_error_t appraise_hardware(const struct policy *policy, const struct tfaas_appraisal *found,
                                 struct appraised *to, struct tfaas_verification *report,
                                 struct tfaas_failure *failure)
{
    const char *name = tfaas_tee_name(found->tee);
    bool allowed = (found->tee == TFAAS_TEE_SGX && policy->sgx) ||
                   (found->tee == TFAAS_TEE_TDX && policy->tdx) ||
                   (found->tee == TFAAS_TEE_SNP && policy->snp);
    to->tee = name ? name : "";
    to->simulated = false;
    memcpy(to->report_data, found->report_data, sizeof(to->report_data));
    client_error_t error =
        check_note(report, "tee", allowed ? TFAAS_CLIENT_OK : TFAAS_CLIENT_TEE_NOT_ALLOWED, failure,
                   "hardware that the policy names", to->tee);
    bool genuine = found->verdict == TFAAS_VERDICT_ACCEPT || found->verdict == TFAAS_VERDICT_POLICY;
    if (!error)
        error = check_note(
            report, "genuine",
            genuine ? TFAAS_CLIENT_OK
                    : (found->debug ? TFAAS_CLIENT_DEBUG_REFUSED : TFAAS_CLIENT_EVIDENCE_SIGNATURE),
            failure, "signed by the maker's key, nothing revoked or expired",
            genuine ? "it is" : found->error);
    if (!error)
        error = found->tee == TFAAS_TEE_SNP ? tcb_check_snp(policy, found, report, failure)
                                            : tcb_check_intel(policy, found, report, failure);
    if (!error)
        error =
            check_note(report, "debug", found->debug ? TFAAS_CLIENT_DEBUG_REFUSED : TFAAS_CLIENT_OK,
                       failure, "off", found->debug ? "on" : "off");
    if (!error)
        error = launch_check(policy, found, report, failure);
    if (error)
        return error;
    memcpy(to->platform_id, found->platform_id, sizeof(to->platform_id));
    to->platform_id_size = found->platform_id_size;
    return platform_check(policy, to, report, failure);
}

/* GHCB specification, table of "certificates": { GUID (16), offset (4), size (4) }, GUID zero ends
 * it. VCEK 63da758d-e664-4564-adc5-f4b93be8accd, VLEK a8074bc2-a25a-483e-aae6-39c045a0b8a1, ASK
 * 4ab7b379-bbac-4fe4-a02f-05aef327c782, ARK c0b406a4-a803-4952-9743-3fb6014cd0ae. */
static const uint8_t guids[][16] = {
    {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
     0xcd},
    {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
     0xa1},
    {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
     0x82},
    {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
     0xae},
};

static uint32_t little32(struct cursor *c)
{
    struct span s = cursor_take(c, 4);
    return s.data ? (uint32_t)s.data[0] | (uint32_t)s.data[1] << 8 | (uint32_t)s.data[2] << 16 |
                        (uint32_t)s.data[3] << 24
                  : 0;
}

static void put_pem(FILE *to, struct span der)
{
    const size_t size = sodium_base64_ENCODED_LEN(der.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(size);
    if (!text)
        return;
    sodium_bin2base64(text, size, der.data, der.size, sodium_base64_VARIANT_ORIGINAL);
    fprintf(to, "-----BEGIN CERTIFICATE-----\n");
    for (size_t at = 0; at < strlen(text); at += 64)
        fprintf(to, "%.64s\n", text + at);
    fprintf(to, "-----END CERTIFICATE-----\n");
    free(text);
}

/* The table's entries: VCEK or VLEK in place, ASK and ARK as PEM (malloc'ed). */
static bool snp_certificates(struct span table, struct span *vek, char **ca)
{
    struct span found[4] = {{NULL, 0}};
    struct cursor c = cursor_of(table.data, table.size);
    for (unsigned count = 0; count < 16; count++) {
        struct span guid = cursor_take(&c, 16);
        uint32_t offset = little32(&c), size = little32(&c);
        if (c.failed || sodium_is_zero(guid.data, 16))
            break;
        struct cursor whole = cursor_of(table.data, table.size);
        (void)cursor_take(&whole, offset);
        struct span certificate = cursor_take(&whole, size);
        for (size_t i = 0; certificate.data && i < 4; i++)
            if (memcmp(guids[i], guid.data, 16) == 0)
                found[i] = certificate;
    }
    size_t ca_size;
    *vek = found[0].size ? found[0] : found[1];
    FILE *pem = found[2].size && found[3].size ? open_memstream(ca, &ca_size) : NULL;
    if (!pem)
        return false;
    put_pem(pem, found[2]);
    put_pem(pem, found[3]);
    return fclose(pem) == 0 && vek->size > 0;
}

static client_error_t appraise_bytes(const struct verify_input *input, enum tfaas_tee tee,
                                     const struct collection *collection,
                                     struct tfaas_appraisal *found, struct tfaas_failure *failure)
{
    struct tfaas_evidence evidence = {
        .tee = tee,
        .quote = {collection->evidence.data, collection->evidence.size},
        .at_unix = input->now,
    };
    char *ca = NULL;
    struct span vek = {NULL, 0};
    bool good = true;
    if (tee == TFAAS_TEE_SNP) {
        good = strcmp(collection->endorsements_type, TYPE_SNP_CERTS) == 0 &&
               snp_certificates(collection->endorsements, &vek, &ca);
        evidence.vek = (struct tfaas_bytes){vek.data, vek.size};
        evidence.ca = (struct tfaas_bytes){(const uint8_t *)ca, ca ? strlen(ca) : 0};
    } else if (input->collateral) {
        evidence.collateral =
            (struct tfaas_bytes){(const uint8_t *)input->collateral, strlen(input->collateral)};
    } else if (collection->endorsements.size) {
        good = strcmp(collection->endorsements_type, TYPE_COLLATERAL) == 0;
        evidence.collateral =
            (struct tfaas_bytes){collection->endorsements.data, collection->endorsements.size};
    }
    client_error_t error = TFAAS_CLIENT_OK;
    if (!good)
        error = client_fail(failure, TFAAS_CLIENT_EVIDENCE_FORM,
                            "endorsements do not fit the evidence, or certificates are missing");
    else if (tfaas_evidence_appraise(&evidence, found) != TFAAS_OK)
        error = client_fail(failure, TFAAS_CLIENT_EVIDENCE_FORM, "evidence: %s", found->error);
    free(ca);
    return error;
}

client_error_t appraise(const struct verify_input *input, const struct collection *collection,
                        struct appraised *to, struct tfaas_verification *report,
                        struct tfaas_failure *failure)
{
    static const struct {
        const char *type;
        enum tfaas_tee tee;
    } types[] = {{TYPE_SGX, TFAAS_TEE_SGX}, {TYPE_TDX, TFAAS_TEE_TDX}, {TYPE_SNP, TFAAS_TEE_SNP}};
    *to = (struct appraised){.tee = ""};
    if (strcmp(collection->evidence_type, TYPE_SIMULATED) == 0)
        return appraise_simulated(input, collection->evidence, to, report, failure);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(collection->evidence_type, types[i].type) != 0)
            continue;
        struct tfaas_appraisal *found = calloc(1, sizeof(*found));
        client_error_t error = found
                                   ? appraise_bytes(input, types[i].tee, collection, found, failure)
                                   : client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "evidence");
        if (!error)
            error = appraise_hardware(input->policy, found, to, report, failure);
        free(found);
        return error;
    }
    return check_note(report, "tee", TFAAS_CLIENT_EVIDENCE_UNKNOWN, failure,
                      "sgx, tdx, snp or simulated", collection->evidence_type);
}
