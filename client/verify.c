/*
 * verify.c - the checks of SPECIFICATION.md 14.2, in its order, each named, until one fails.
 * Must never hand out a key that no checked lease holds.
 */
#include "internal.h"
#include <sodium.h>
#include <stdio.h>
#include <time.h>

struct verifying {
    const struct verify_input *input;
    struct tfaas_verification *report;
    struct tfaas_failure *failure;
    struct collection collection;
    struct appraised appraised;
    struct key_statement statement;
    struct domain_statement domain;
};

static client_error_t note(struct verifying *v, const char *name, client_error_t error,
                           const char *expected, const char *got)
{
    return check_note(v->report, name, error, v->failure, expected, got);
}

static void copy_text(char *to, size_t size, struct span from)
{
    snprintf(to, size, "%.*s", (int)from.size, (const char *)from.data);
}

static const char *time_text(uint64_t unix_time, char to[32])
{
    time_t seconds = (time_t)unix_time;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(to, 32, "?");
    return to;
}

/* From `from` to `to`, with the skew: -1 too early, 1 too late. */
static int outside(int64_t now, uint64_t from, uint64_t to)
{
    if (now < 0 || (uint64_t)now + CLIENT_SKEW_S < from)
        return -1;
    return (uint64_t)now > to && (uint64_t)now - to > CLIENT_SKEW_S ? 1 : 0;
}

static void times_text(uint64_t from, uint64_t to, char text[128])
{
    char first[32], second[32];
    snprintf(text, 128, "%s to %s", time_text(from, first), time_text(to, second));
}

/* --- evidence and key statement --- */

static client_error_t check_form(struct verifying *v)
{
    const char *why = "", *text = v->input->file->evidence;
    client_error_t error = collection_read(text, strlen(text), &v->collection, v->failure);
    if (!error && key_statement_read(v->collection.statement, &v->statement, &why) != TFAAS_OK)
        error = client_fail(v->failure, TFAAS_CLIENT_EVIDENCE_FORM, "key statement: %s", why);
    char got[200] = "it is";
    if (error && v->failure)
        snprintf(got, sizeof(got), "%.199s", v->failure->text);
    return note(v, "form", error, "evidence and a key statement", got);
}

static client_error_t check_report_data(struct verifying *v)
{
    uint8_t digest[64];
    char expected[129], got[129];
    statement_digest(digest, STATEMENT_KEY_LABEL, v->collection.statement, (struct span){NULL, 0});
    hex_write(digest, 64, expected);
    hex_write(v->appraised.report_data, 64, got);
    return note(v, "report-data",
                sodium_memcmp(digest, v->appraised.report_data, 64) == 0
                    ? TFAAS_CLIENT_OK
                    : TFAAS_CLIENT_STATEMENT_MISMATCH,
                expected, got);
}

static client_error_t check_nonce(struct verifying *v)
{
    const struct bundle_file *file = v->input->file;
    struct span nonce = v->statement.nonce;
    char expected[129], got[129] = "none";
    if (file->nonce_size == 0)
        return note(v, "nonce", TFAAS_CLIENT_OK, "none was sent", nonce.size ? "one" : "none");
    hex_write(file->nonce, file->nonce_size, expected);
    if (nonce.size && nonce.size <= 64)
        hex_write(nonce.data, nonce.size, got);
    bool same = nonce.size == file->nonce_size && memcmp(nonce.data, file->nonce, nonce.size) == 0;
    return note(v, "nonce", same ? TFAAS_CLIENT_OK : TFAAS_CLIENT_EVIDENCE_NONCE, expected, got);
}

static client_error_t check_measurement(struct verifying *v)
{
    const struct policy *policy = v->input->policy;
    char expected[64], got[97];
    bool good = false;
    hex_write(v->statement.measurement.data, 48, got);
    snprintf(expected, sizeof(expected), "one of %zu cores of the policy", policy->core_count);
    if (v->appraised.measurement_is_core &&
        memcmp(v->appraised.measurement, v->statement.measurement.data, 48) != 0)
        return note(v, "measurement", TFAAS_CLIENT_STATEMENT_MISMATCH,
                    "the core that the evidence measures", got);
    for (size_t i = 0; i < policy->core_count && !good; i++)
        good = memcmp(policy->cores[i], v->statement.measurement.data, 48) == 0;
    return note(v, "measurement", good ? TFAAS_CLIENT_OK : TFAAS_CLIENT_MEASUREMENT_NOT_ALLOWED,
                expected, got);
}

static client_error_t check_times(struct verifying *v)
{
    const struct key_statement *s = &v->statement;
    char expected[128], got[32], age[64], limit[64];
    int where = outside(v->input->now, s->not_before, s->not_after);
    times_text(s->not_before, s->not_after, expected);
    client_error_t error = note(v, "times",
                                where == 0  ? TFAAS_CLIENT_OK
                                : where < 0 ? TFAAS_CLIENT_EVIDENCE_NOT_YET_VALID
                                            : TFAAS_CLIENT_EVIDENCE_EXPIRED,
                                expected, time_text((uint64_t)v->input->now, got));
    if (error)
        return error;
    int64_t seconds = v->input->now - (int64_t)s->not_before;
    snprintf(age, sizeof(age), "%lld s", (long long)(seconds > 0 ? seconds : 0));
    snprintf(limit, sizeof(limit), "at most %lld s", (long long)v->input->policy->maximum_age_s);
    return note(v, "age",
                seconds <= v->input->policy->maximum_age_s ? TFAAS_CLIENT_OK
                                                           : TFAAS_CLIENT_EVIDENCE_TOO_OLD,
                limit, age);
}

static void report_statement(struct verifying *v)
{
    struct tfaas_verification *r = v->report;
    const struct key_statement *s = &v->statement;
    copy_text(r->core_version, sizeof(r->core_version), s->version);
    memcpy(r->identity, s->identity.data, sizeof(r->identity));
    memcpy(r->measurement, s->measurement.data, sizeof(r->measurement));
    memcpy(r->weights, s->weights.data, sizeof(r->weights));
    memcpy(r->platform_id, v->appraised.platform_id, sizeof(r->platform_id));
    r->platform_id_size = v->appraised.platform_id_size;
    r->epoch = s->epoch;
    r->not_before = (int64_t)s->not_before;
    r->not_after = (int64_t)s->not_after;
}

/* --- the domain statement and its leases --- */

static client_error_t check_domain(struct verifying *v)
{
    const struct bundle_file *file = v->input->file;
    struct span statement, envelope = {file->domain_statement, file->domain_statement_size};
    const char *why = "", *wanted = v->input->domain;
    char expected[128], got[128];
    tfaas_status_t status = envelope_open(envelope, v->report->identity, &statement, &why);
    client_error_t error = note(v, "domain-signature",
                                status == TFAAS_OK           ? TFAAS_CLIENT_OK
                                : status == TFAAS_NOT_OPENED ? TFAAS_CLIENT_DOMAIN_SIGNATURE
                                                             : TFAAS_CLIENT_DOMAIN_FORM,
                                "signed by the attested identity", status ? why : "it is");
    if (error)
        return error;
    if (domain_statement_read(statement, &v->domain, &why) != TFAAS_OK)
        return note(v, "domain", TFAAS_CLIENT_DOMAIN_FORM, "a domain statement", why);
    copy_text(got, sizeof(got), v->domain.domain);
    error =
        note(v, "domain",
             !wanted || strcmp(got, wanted) == 0 ? TFAAS_CLIENT_OK : TFAAS_CLIENT_DOMAIN_MISMATCH,
             wanted ? wanted : "any", got);
    if (error)
        return error;
    copy_text(v->report->domain, sizeof(v->report->domain), v->domain.domain);
    memcpy(v->report->sealing_key, v->domain.sealing_key.data, sizeof(v->report->sealing_key));
    times_text(v->domain.not_before, v->domain.not_after, expected);
    return note(v, "domain-times",
                outside(v->input->now, v->domain.not_before, v->domain.not_after)
                    ? TFAAS_CLIENT_DOMAIN_EXPIRED
                    : TFAAS_CLIENT_OK,
                expected, time_text((uint64_t)v->input->now, got));
}

client_error_t verify_lease(struct span envelope, const struct tfaas_verification *of,
                            struct lease *to, struct tfaas_failure *failure)
{
    struct span statement;
    const char *why = "";
    tfaas_status_t status = envelope_open(envelope, of->identity, &statement, &why);
    if (status == TFAAS_NOT_OPENED)
        return client_fail(failure, TFAAS_CLIENT_LEASE_SIGNATURE, "lease: %s", why);
    if (status != TFAAS_OK || lease_read(statement, to, &why) != TFAAS_OK)
        return client_fail(failure, TFAAS_CLIENT_LEASE_FORM, "lease: %s", why);
    if (!span_is(to->domain, of->domain))
        return client_fail(failure, TFAAS_CLIENT_LEASE_MISMATCH, "lease: of the domain \"%.*s\"",
                           (int)to->domain.size, (const char *)to->domain.data);
    if (memcmp(to->measurement.data, of->measurement, sizeof(of->measurement)) != 0)
        return client_fail(failure, TFAAS_CLIENT_LEASE_MISMATCH, "lease: of another core");
    return TFAAS_CLIENT_OK;
}

static client_error_t take_lease(struct verifying *v, struct span envelope,
                                 struct attested *attested)
{
    struct lease lease;
    const char *why = "";
    struct attested_lease *to = &attested->leases[attested->lease_count];
    client_error_t error = verify_lease(envelope, v->report, &lease, v->failure);
    if (error)
        return error;
    if (ohttp_read_key_config(lease.key_configuration, &to->config, &why) != TFAAS_OK)
        return client_fail(v->failure, TFAAS_CLIENT_LEASE_FORM, "lease: %s", why);
    uint16_t aead;
    if (ohttp_choose_aead(&to->config, &aead) != TFAAS_OK)
        return client_fail(v->failure, TFAAS_CLIENT_LEASE_FORM, "lease: no AEAD that is here");
    memcpy(to->instance, lease.instance.data, sizeof(to->instance));
    memcpy(to->receipt_key, lease.receipt_key.data, sizeof(to->receipt_key));
    to->not_before = (int64_t)lease.not_before;
    to->not_after = (int64_t)lease.not_after;
    if (outside(v->input->now, lease.not_before, lease.not_after) == 0)
        attested->lease_count++;
    return TFAAS_CLIENT_OK;
}

/* One bad lease and nothing of the statement is believed; one that has ended is passed over. */
static client_error_t check_leases(struct verifying *v, struct attested *attested)
{
    char got[200];
    client_error_t error = TFAAS_CLIENT_OK;
    for (size_t i = 0; i < v->domain.lease_count && !error; i++)
        error = take_lease(v, v->domain.leases[i], attested);
    snprintf(got, sizeof(got), "%.199s", error && v->failure ? v->failure->text : "they are");
    error = note(v, "leases", error, "signed by the identity, for this domain and core", got);
    if (error) {
        attested->lease_count = 0;
        return error;
    }
    v->report->lease_count = attested->lease_count;
    /* Where no worker runs there is nobody to call yet; evidence and sealing key hold all the same.
     */
    snprintf(got, sizeof(got), "%zu of %zu%s", attested->lease_count, v->domain.lease_count,
             v->domain.lease_count ? "" : ": no worker runs");
    bool good = attested->lease_count || v->domain.lease_count == 0;
    return note(v, "lease-times", good ? TFAAS_CLIENT_OK : TFAAS_CLIENT_LEASE_EXPIRED,
                "one that lives, if there are any", got);
}

/* --- all of it --- */

static void not_covered(struct tfaas_verification *report)
{
    static const char *const lines[] = {
        "availability: the host may refuse, delay or drop calls",
        "traffic: who calls which function, when, and how much",
        "what a function does with its data: only which package runs, if you name it",
        "the machine's owner taking it apart; side channels of the processor",
        "the build of the core: that its measurement is of the source you read",
    };
    if (report->simulated)
        report->not_covered[report->not_covered_count++] =
            "EVERYTHING: the evidence is SIMULATED, whoever runs the host can read and change all";
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        report->not_covered[report->not_covered_count++] = lines[i];
}

static void name_the_rest(struct tfaas_verification *report)
{
    static const char *const names[] = {
        "report-data",      "nonce",  "measurement",  "times",  "age",
        "domain-signature", "domain", "domain-times", "leases", "lease-times"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool made = false;
        for (size_t k = 0; k < report->check_count && !made; k++)
            made = strcmp(report->checks[k].name, names[i]) == 0;
        if (!made && report->check_count < TFAAS_CHECKS_MAX)
            report->checks[report->check_count++] = (struct tfaas_check){.name = names[i]};
    }
}

client_error_t verify_all(const struct verify_input *input, struct tfaas_verification *report,
                          struct attested *attested, struct tfaas_failure *failure)
{
    struct tfaas_failure own;
    struct verifying v = {.input = input, .report = report, .failure = failure ? failure : &own};
    *report = (struct tfaas_verification){.tee = "", .verified_at = input->now};
    attested->lease_count = 0;
    client_error_t error = check_form(&v);
    if (!error)
        error = appraise(input, &v.collection, &v.appraised, report, v.failure);
    report->tee = v.appraised.tee ? v.appraised.tee : "";
    if (!error)
        error = check_report_data(&v);
    if (!error)
        error = check_nonce(&v);
    if (!error)
        error = check_measurement(&v);
    if (!error)
        error = check_times(&v);
    if (!error) {
        report_statement(&v);
        error = check_domain(&v);
    }
    if (!error)
        error = check_leases(&v, attested);
    report->error = error;
    name_the_rest(report);
    not_covered(report);
    collection_free(&v.collection);
    return error;
}

enum tfaas_client_error tfaas_bundle_verify(const char *bundle, size_t bundle_size,
                                            const char *policy, const char *domain,
                                            const char *collateral, int64_t at,
                                            struct tfaas_verification *to,
                                            struct tfaas_failure *failure)
{
    static const struct tfaas_verification nothing = {.tee = ""};
    struct bundle_file file = {.evidence = NULL};
    struct attested attested;
    struct policy read;
    *to = nothing;
    to->error = policy_read(policy ? policy : tfaas_policy_default(), &read, failure);
    if (!to->error && sodium_init() < 0)
        to->error = client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "no random source");
    if (!to->error)
        to->error = bundle_file_read(bundle, bundle_size, &file, failure);
    if (to->error)
        return to->error;
    const struct verify_input input = {.policy = &read,
                                       .file = &file,
                                       .domain = domain,
                                       .collateral = collateral,
                                       .now = at ? at : file.fetched_at};
    client_error_t error = verify_all(&input, to, &attested, failure);
    bundle_file_free(&file);
    return error;
}
