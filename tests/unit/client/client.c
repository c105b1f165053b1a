/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium flags: -Wl,--wrap=malloc,--wrap=calloc */
/*
 * client.c - tests of libtfaas against a keeper made here: for every error code of
 * include/tfaas/client.h one thing that is wrong and must be called by that code.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client_test.h"

/* --- verification: one thing wrong each --- */

static const struct {
    enum fake_wrong wrong;
    enum tfaas_client_error wanted;
    unsigned flags;
} verify_cases[] = {
    {FAKE_RIGHT, TFAAS_CLIENT_OK, 0},
    {FAKE_RIGHT, TFAAS_CLIENT_OK, TFAAS_CLIENT_FRESH},
    {FAKE_TRANSPORT_FAILS, TFAAS_CLIENT_TRANSPORT, 0},
    {FAKE_BUSY, TFAAS_CLIENT_UNAVAILABLE, 0},
    {FAKE_NOT_FOUND, TFAAS_CLIENT_HOST_REFUSED, 0},
    {FAKE_EVIDENCE_NO_JSON, TFAAS_CLIENT_EVIDENCE_FORM, 0},
    {FAKE_EVIDENCE_OTHER_TYPE, TFAAS_CLIENT_EVIDENCE_UNKNOWN, 0},
    {FAKE_EVIDENCE_FLIPPED, TFAAS_CLIENT_EVIDENCE_SIGNATURE, 0},
    {FAKE_EVIDENCE_OF_OTHER_STATEMENT, TFAAS_CLIENT_STATEMENT_MISMATCH, 0},
    {FAKE_EVIDENCE_OF_OTHER_CORE, TFAAS_CLIENT_STATEMENT_MISMATCH, 0},
    {FAKE_STATEMENT_MALFORMED, TFAAS_CLIENT_EVIDENCE_FORM, 0},
    {FAKE_STATEMENT_OTHER_CORE, TFAAS_CLIENT_MEASUREMENT_NOT_ALLOWED, 0},
    {FAKE_STATEMENT_OTHER_NONCE, TFAAS_CLIENT_EVIDENCE_NONCE, TFAAS_CLIENT_FRESH},
    {FAKE_STATEMENT_EARLY, TFAAS_CLIENT_EVIDENCE_NOT_YET_VALID, 0},
    {FAKE_STATEMENT_LATE, TFAAS_CLIENT_EVIDENCE_EXPIRED, 0},
    {FAKE_DOMAIN_MALFORMED, TFAAS_CLIENT_DOMAIN_FORM, 0},
    {FAKE_DOMAIN_OTHER_SIGNER, TFAAS_CLIENT_DOMAIN_SIGNATURE, 0},
    {FAKE_DOMAIN_OTHER_NAME, TFAAS_CLIENT_DOMAIN_MISMATCH, 0},
    {FAKE_DOMAIN_LATE, TFAAS_CLIENT_DOMAIN_EXPIRED, 0},
    {FAKE_LEASE_MALFORMED, TFAAS_CLIENT_LEASE_FORM, 0},
    {FAKE_LEASE_OTHER_SIGNER, TFAAS_CLIENT_LEASE_SIGNATURE, 0},
    {FAKE_LEASE_OTHER_DOMAIN, TFAAS_CLIENT_LEASE_MISMATCH, 0},
    {FAKE_LEASE_OTHER_CORE, TFAAS_CLIENT_LEASE_MISMATCH, 0},
    {FAKE_LEASE_LATE, TFAAS_CLIENT_LEASE_EXPIRED, 0},
};

static void test_verification(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(verify_cases) / sizeof(verify_cases[0]); i++) {
        struct fake f;
        struct tfaas_failure failure = {.text = ""};
        fake_init(&f);
        f.wrong = verify_cases[i].wrong;
        struct tfaas_client *client = open_client(&f, verify_cases[i].flags);
        enum tfaas_client_error wanted = verify_cases[i].wanted;
        seen(tfaas_client_verify(client, 0, &failure), wanted, &failure);
        const struct tfaas_verification *v = tfaas_client_verification(client);
        if (wanted != TFAAS_CLIENT_TRANSPORT && wanted != TFAAS_CLIENT_UNAVAILABLE &&
            wanted != TFAAS_CLIENT_HOST_REFUSED) {
            assert_non_null(v);
            assert_int_equal(v->error, wanted);
            unsigned failed = 0;
            for (size_t k = 0; k < v->check_count; k++)
                failed += v->checks[k].result == TFAAS_CHECK_FAILED;
            assert_int_equal(failed, wanted ? 1 : 0);
        }
        /* And nothing is sent to what was not verified. */
        struct tfaas_response *response;
        if (wanted) {
            assert_int_equal(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure),
                             wanted);
            assert_int_equal(f.calls, 0);
        } else {
            assert_true(v->simulated);
            assert_string_equal(v->tee, "simulated");
            assert_memory_equal(v->identity, f.identity_key, 32);
            assert_memory_equal(v->sealing_key, f.sealing_key.public_key, 32);
            assert_int_equal(v->lease_count, 1);
        }
        tfaas_client_close(client);
    }
}

/* A domain without a worker can be verified and sealed to, not called. */
static void test_no_lease(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_response *response;
    fake_init(&f);
    f.wrong = FAKE_NO_LEASE;
    struct tfaas_client *client = open_client(&f, 0);
    seen(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK, &failure);
    assert_int_equal(tfaas_client_verification(client)->lease_count, 0);
    seen(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure),
         TFAAS_CLIENT_LEASE_MISSING, &failure);
    assert_int_equal(f.calls, 0);
    f.wrong = FAKE_RIGHT; /* a worker came */
    seen(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), TFAAS_CLIENT_OK,
         &failure);
    tfaas_response_free(response);
    tfaas_client_close(client);
}

/* The checks come in the order of SPECIFICATION.md 14.2. */
static void test_order_of_checks(void **state)
{
    (void)state;
    static const char *const order[] = {
        "form",  "tee", "genuine",          "platform", "report-data",  "nonce",  "measurement",
        "times", "age", "domain-signature", "domain",   "domain-times", "leases", "lease-times"};
    struct fake f;
    struct tfaas_failure failure;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    const struct tfaas_verification *v = tfaas_client_verification(client);
    assert_int_equal(v->check_count, sizeof(order) / sizeof(order[0]));
    for (size_t i = 0; i < v->check_count; i++)
        assert_string_equal(v->checks[i].name, order[i]);
    tfaas_client_close(client);
}

static void verify_under(struct fake *f, const char *policy, enum tfaas_client_error wanted)
{
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_client *client = open_with(f, policy, 0, NULL);
    seen(tfaas_client_verify(client, 0, &failure), wanted, &failure);
    tfaas_client_close(client);
}

static void test_policies(void **state)
{
    (void)state;
    struct fake f;
    uint8_t platform[32];
    char more[128];
    fake_init(&f);
    verify_under(&f, NULL, TFAAS_CLIENT_SIMULATED_REFUSED);
    verify_under(&f, "{\"version\":1,\"allow_simulated\":true}",
                 TFAAS_CLIENT_MEASUREMENT_NOT_ALLOWED);
    char *policy = fake_policy(&f, ",\"platforms\":[\"00112233445566778899aabbccddeeff\"]");
    verify_under(&f, policy, TFAAS_CLIENT_PLATFORM_NOT_ALLOWED);
    free(policy);
    crypto_hash_sha256(platform, f.root_key, 32);
    snprintf(more, sizeof(more), ",\"platforms\":[\"%s\"]", fake_hex(platform, 32));
    policy = fake_policy(&f, more);
    verify_under(&f, policy, TFAAS_CLIENT_OK);
    free(policy);
    policy = fake_policy(&f, ",\"maximum_age_s\":100");
    f.statement_at = f.now - 100;
    verify_under(&f, policy, TFAAS_CLIENT_OK);
    f.statement_at = f.now - 101;
    verify_under(&f, policy, TFAAS_CLIENT_EVIDENCE_TOO_OLD);
    free(policy);
}

/* 120 s of skew on either side, and not one more. */
static void test_skew(void **state)
{
    (void)state;
    const struct {
        int64_t from;
        enum tfaas_client_error wanted;
    } cases[] = {{120, TFAAS_CLIENT_OK},
                 {121, TFAAS_CLIENT_EVIDENCE_NOT_YET_VALID},
                 {-(FAKE_KEY_LIFE + FAKE_LEASE_LIFE) - 120, TFAAS_CLIENT_OK},
                 {-(FAKE_KEY_LIFE + FAKE_LEASE_LIFE) - 121, TFAAS_CLIENT_EVIDENCE_EXPIRED}};
    for (size_t i = 0; i < 4; i++) {
        struct fake f;
        fake_init(&f);
        f.statement_at = f.now + cases[i].from;
        char *policy = fake_policy(&f, ",\"maximum_age_s\":100000");
        verify_under(&f, policy, cases[i].wanted);
        free(policy);
    }
}

/* --- hardware: the policy's part, from appraisals made here --- */

static struct tfaas_appraisal tdx_appraisal(void)
{
    struct tfaas_appraisal a = {.tee = TFAAS_TEE_TDX,
                                .verdict = TFAAS_VERDICT_ACCEPT,
                                .tcb_status = TFAAS_TCB_UP_TO_DATE,
                                .parsed = true,
                                .measurement_size = 48,
                                .platform_id_size = 16};
    memset(a.u.tdx.mr_td, 0x11, 48);
    memset(a.measurement, 0x11, 48);
    return a;
}

static struct tfaas_appraisal snp_appraisal(enum tfaas_snp_generation generation)
{
    struct tfaas_appraisal a = {.tee = TFAAS_TEE_SNP,
                                .verdict = TFAAS_VERDICT_ACCEPT,
                                .parsed = true,
                                .measurement_size = 48,
                                .platform_id_size = 64};
    memset(a.measurement, 0x22, 48);
    a.u.snp.generation = generation;
    a.u.snp.reported = (struct tfaas_snp_tcb){.boot_loader = 9, .snp = 20, .microcode = 70};
    return a;
}

static void judge_hardware(const struct policy *policy, const struct tfaas_appraisal *a,
                           enum tfaas_client_error wanted)
{
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_verification *report = calloc(1, sizeof(*report));
    struct appraised to;
    seen(appraise_hardware(policy, a, &to, report, &failure), wanted, &failure);
    free(report);
}

static void test_hardware(void **state)
{
    (void)state;
    static const char text[] =
        "{\"version\":1,\"cores\":[],"
        "\"intel_tcb\":{\"statuses\":[\"UpToDate\",\"SWHardeningNeeded\"],"
        "\"advisories\":[\"INTEL-SA-00615\"]},"
        "\"tdx\":{\"domains\":[{\"mrtd\":\"%s\",\"rtmrs\":[null,\"%s\",null,null]}]},"
        "\"snp\":{\"launches\":[\"%s\"],\"minimum_tcb\":{\"Genoa\":{\"boot_loader\":9,\"tee\":0,"
        "\"snp\":20,\"microcode\":70}}}}";
    uint8_t ones[48], zeros[48] = {0}, twos[48];
    char json[2048];
    struct policy *policy = calloc(1, sizeof(*policy));
    struct tfaas_failure failure;
    memset(ones, 0x11, 48);
    memset(twos, 0x22, 48);
    snprintf(json, sizeof(json), text, fake_hex(ones, 48), fake_hex(zeros, 48), fake_hex(twos, 48));
    seen(policy_read(json, policy, &failure), TFAAS_CLIENT_OK, &failure);

    struct tfaas_appraisal good = tdx_appraisal(), a = good;
    judge_hardware(policy, &a, TFAAS_CLIENT_OK);
    a.tee = TFAAS_TEE_SGX;
    judge_hardware(policy, &a, TFAAS_CLIENT_TEE_NOT_ALLOWED);
    a = good;
    a.verdict = TFAAS_VERDICT_REJECT;
    snprintf(a.error, sizeof(a.error), "signature");
    judge_hardware(policy, &a, TFAAS_CLIENT_EVIDENCE_SIGNATURE);
    a = good;
    a.debug = true;
    judge_hardware(policy, &a, TFAAS_CLIENT_DEBUG_REFUSED);
    a = good;
    a.tcb_status = TFAAS_TCB_OUT_OF_DATE;
    judge_hardware(policy, &a, TFAAS_CLIENT_TCB_REFUSED);
    a.tcb_status = TFAAS_TCB_UNKNOWN;
    judge_hardware(policy, &a, TFAAS_CLIENT_TCB_REFUSED);
    a.tcb_status = TFAAS_TCB_SW_HARDENING_NEEDED;
    a.verdict = TFAAS_VERDICT_POLICY;
    a.advisory_count = 1;
    snprintf(a.advisory_ids[0], sizeof(a.advisory_ids[0]), "INTEL-SA-00615");
    judge_hardware(policy, &a, TFAAS_CLIENT_OK);
    snprintf(a.advisory_ids[0], sizeof(a.advisory_ids[0]), "INTEL-SA-00614");
    judge_hardware(policy, &a, TFAAS_CLIENT_TCB_REFUSED);
    a = good;
    a.u.tdx.mr_td[3] ^= 1;
    judge_hardware(policy, &a, TFAAS_CLIENT_LAUNCH_NOT_ALLOWED);
    a = good;
    a.u.tdx.rt_mr[1][3] ^= 1;
    judge_hardware(policy, &a, TFAAS_CLIENT_LAUNCH_NOT_ALLOWED);
    a = good;
    a.u.tdx.rt_mr[0][3] ^= 1; /* null in the policy */
    judge_hardware(policy, &a, TFAAS_CLIENT_OK);

    good = a = snp_appraisal(TFAAS_SNP_GENOA);
    judge_hardware(policy, &a, TFAAS_CLIENT_OK);
    a.debug = true;
    judge_hardware(policy, &a, TFAAS_CLIENT_DEBUG_REFUSED);
    a = good;
    a.u.snp.reported.microcode = 69;
    judge_hardware(policy, &a, TFAAS_CLIENT_TCB_REFUSED);
    a = good;
    a.measurement[0] ^= 1;
    judge_hardware(policy, &a, TFAAS_CLIENT_LAUNCH_NOT_ALLOWED);
    a = good;
    a.u.snp.vmpl = 1;
    judge_hardware(policy, &a, TFAAS_CLIENT_LAUNCH_NOT_ALLOWED);
    a = good; /* it names no machine, and only some are accepted */
    a.platform_id_size = 0;
    judge_hardware(policy, &a, TFAAS_CLIENT_OK);
    policy->platform_count = 1;
    policy->platforms[0].size = 8;
    judge_hardware(policy, &a, TFAAS_CLIENT_PLATFORM_NOT_ALLOWED);
    policy->platform_count = 0;
    a = snp_appraisal(TFAAS_SNP_MILAN);
    judge_hardware(policy, &a, TFAAS_CLIENT_MILAN_REFUSED);
    a = snp_appraisal(TFAAS_SNP_TURIN);
    judge_hardware(policy, &a, TFAAS_CLIENT_TCB_REFUSED);
    free(policy);
}

/* --- streams --- */

struct stream {
    size_t given, most, taken;
    unsigned pieces;
    bool stop_reading, stop_taking;
    unsigned status;
};

static int64_t stream_read(void *user, void *to, size_t capacity)
{
    struct stream *s = user;
    size_t left = s->most - s->given, size = left < 3333 ? left : 3333;
    if (s->stop_reading && s->given > 5000)
        return -1;
    if (size > capacity)
        size = capacity;
    memset(to, 'r', size);
    s->given += size;
    return (int64_t)size;
}

static bool stream_take(void *user, const struct tfaas_response *head, const void *data,
                        size_t size)
{
    struct stream *s = user;
    (void)data;
    s->status = head->status;
    s->taken += size;
    s->pieces++;
    return !(s->stop_taking && s->taken > 6000);
}

static enum tfaas_client_error stream_call(struct fake *f, struct stream *s, bool session)
{
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_response *response = NULL;
    struct tfaas_client *client = open_client(f, 0);
    struct tfaas_request request = {.function = "hello",
                                    .read = stream_read,
                                    .read_user = s,
                                    .on_body = stream_take,
                                    .on_body_user = s,
                                    .flags = session ? 0 : TFAAS_CALL_NO_SESSION};
    enum tfaas_client_error error = TFAAS_CLIENT_OK;
    if (session)
        error = call(client, "first", TFAAS_FORM_AUTO, 0, NULL, &response, &failure);
    tfaas_response_free(response);
    response = NULL;
    if (!error)
        error = tfaas_client_call(client, &request, &response, &failure);
    code_seen[error] = true;
    if (!error) {
        assert_int_equal(response->body.size, 0);
        assert_int_equal(response->form, session ? TFAAS_FORM_SESSION : TFAAS_FORM_CHUNKED);
    }
    tfaas_response_free(response);
    tfaas_client_close(client);
    return error;
}

static void test_streams(void **state)
{
    (void)state;
    for (unsigned session = 0; session < 2; session++) {
        struct fake f;
        fake_init(&f);
        struct stream s = {.most = 100000};
        assert_int_equal(stream_call(&f, &s, session), TFAAS_CLIENT_OK);
        assert_int_equal(f.last_body_size, 100000);
        assert_int_equal(s.taken, 100005);
        assert_true(s.pieces > 10);
        assert_int_equal(s.status, 200);
        s = (struct stream){.most = 100000, .stop_reading = true};
        assert_int_equal(stream_call(&f, &s, session), TFAAS_CLIENT_STOPPED);
        s = (struct stream){.most = 100000, .stop_taking = true};
        assert_int_equal(stream_call(&f, &s, session), TFAAS_CLIENT_STOPPED);
        /* What came before the cut was handed over; the call still fails. */
        f.wrong = session ? FAKE_RIGHT : FAKE_RESPONSE_CUT;
        s = (struct stream){.most = 50000};
        assert_int_equal(stream_call(&f, &s, session),
                         session ? TFAAS_CLIENT_OK : TFAAS_CLIENT_RESPONSE_TRUNCATED);
        assert_true(s.taken > 40000);
    }
}

/* --- one thing wrong in a call --- */

#define R TFAAS_CALL_RECEIPT
static const struct {
    enum fake_wrong wrong;
    enum tfaas_client_error wanted;
    unsigned flags;
    const char *package;
    bool only_chunks; /* a whole message has no middle to be cut in */
} call_cases[] = {
    {FAKE_RIGHT, TFAAS_CLIENT_OK, R, PACKAGE, false},
    {FAKE_CALL_IN_CLEAR, TFAAS_CLIENT_DOWNGRADE, 0, NULL, false},
    {FAKE_CALL_BUSY, TFAAS_CLIENT_UNAVAILABLE, 0, NULL, false},
    {FAKE_CALL_HOST_ERROR, TFAAS_CLIENT_HOST_REFUSED, 0, NULL, false},
    {FAKE_CALL_REPLAYED, TFAAS_CLIENT_REPLAY_REPORTED, 0, NULL, false},
    {FAKE_CALL_NOT_OPENED, TFAAS_CLIENT_REQUEST_NOT_OPENED, 0, NULL, false},
    {FAKE_CALL_KEY_UNKNOWN, TFAAS_CLIENT_KEY_UNKNOWN, 0, NULL, false},
    {FAKE_RESPONSE_FLIPPED, TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC, 0, NULL, false},
    {FAKE_RESPONSE_CUT, TFAAS_CLIENT_RESPONSE_TRUNCATED, 0, NULL, true},
    {FAKE_RESPONSE_RUBBISH, TFAAS_CLIENT_RESPONSE_FORM, 0, NULL, false},
    {FAKE_MISDIRECTED, TFAAS_CLIENT_FUNCTION_MISMATCH, 0, NULL, false},
    {FAKE_PACKAGE_REFUSED, TFAAS_CLIENT_PACKAGE_MISMATCH, 0, PACKAGE, false},
    {FAKE_PACKAGE_OTHER, TFAAS_CLIENT_PACKAGE_MISMATCH, 0, PACKAGE, false},
    {FAKE_PACKAGE_UNNAMED, TFAAS_CLIENT_PACKAGE_MISMATCH, 0, PACKAGE, false},
    {FAKE_DATE_REFUSED_EVER, TFAAS_CLIENT_DATE_REFUSED, 0, NULL, false},
    {FAKE_RECEIPT_MISSING, TFAAS_CLIENT_RECEIPT_MISSING, R, NULL, false},
    {FAKE_RECEIPT_MALFORMED, TFAAS_CLIENT_RECEIPT_FORM, R, NULL, false},
    {FAKE_RECEIPT_OTHER_LEASE_SIGNER, TFAAS_CLIENT_RECEIPT_LEASE, R, NULL, false},
    {FAKE_RECEIPT_OTHER_INSTANCE, TFAAS_CLIENT_RECEIPT_LEASE, R, NULL, false},
    {FAKE_RECEIPT_OLD, TFAAS_CLIENT_RECEIPT_LEASE, R, NULL, false},
    {FAKE_RECEIPT_OTHER_SIGNER, TFAAS_CLIENT_RECEIPT_INVALID, R, NULL, false},
    {FAKE_RECEIPT_OTHER_CLAIMS, TFAAS_CLIENT_RECEIPT_INVALID, R, NULL, false},
    {FAKE_RECEIPT_OTHER_WEIGHTS, TFAAS_CLIENT_RECEIPT_INVALID, R, NULL, false},
    {FAKE_RECEIPT_OTHER_REQUEST, TFAAS_CLIENT_RECEIPT_MISMATCH, R, NULL, false},
    {FAKE_RECEIPT_OTHER_RESPONSE, TFAAS_CLIENT_RECEIPT_MISMATCH, R, NULL, false},
    {FAKE_RECEIPT_OTHER_FUNCTION, TFAAS_CLIENT_FUNCTION_MISMATCH, R, NULL, false},
    {FAKE_RECEIPT_OTHER_PACKAGE, TFAAS_CLIENT_PACKAGE_MISMATCH, R, PACKAGE, false},
};
#undef R

/* In each form. In a session the first call is right. */
static void test_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(call_cases) / sizeof(call_cases[0]); i++) {
        for (unsigned form = TFAAS_FORM_WHOLE; form <= TFAAS_FORM_SESSION; form++) {
            struct fake f;
            struct tfaas_failure failure = {.text = ""};
            struct tfaas_response *response = NULL;
            if (form == TFAAS_FORM_WHOLE && call_cases[i].only_chunks)
                continue;
            fake_init(&f);
            struct tfaas_client *client = open_client(&f, 0);
            if (form == TFAAS_FORM_SESSION) {
                assert_int_equal(call(client, "", form, 0, NULL, &response, &failure), 0);
                tfaas_response_free(response);
            }
            f.wrong = call_cases[i].wrong;
            seen(call(client, "body", form, call_cases[i].flags, call_cases[i].package, &response,
                      &failure),
                 call_cases[i].wanted, &failure);
            if (call_cases[i].wanted)
                assert_null(response);
            else
                assert_non_null(response->receipt);
            tfaas_response_free(response);
            tfaas_client_close(client);
        }
    }
}

static void test_response_too_large(void **state)
{
    (void)state;
    for (unsigned form = TFAAS_FORM_WHOLE; form <= TFAAS_FORM_CHUNKED; form++) {
        struct fake f;
        struct tfaas_failure failure;
        struct tfaas_response *response = NULL;
        struct tfaas_request request = {.function = "hello", .form = form, .response_max = 20000};
        fake_init(&f);
        f.answer_size = 20000;
        struct tfaas_client *client = open_client(&f, 0);
        seen(tfaas_client_call(client, &request, &response, &failure), TFAAS_CLIENT_OK, &failure);
        tfaas_response_free(response);
        f.answer_size = 20001;
        seen(tfaas_client_call(client, &request, &response, &failure),
             TFAAS_CLIENT_RESPONSE_TOO_LARGE, &failure);
        f.answer_size = 2000000; /* no whole message is that large */
        request.response_max = 0;
        seen(tfaas_client_call(client, &request, &response, &failure),
             form == TFAAS_FORM_WHOLE ? TFAAS_CLIENT_RESPONSE_TOO_LARGE : TFAAS_CLIENT_OK,
             &failure);
        tfaas_response_free(response);
        tfaas_client_close(client);
    }
}

/* --- again, once --- */

static void test_session_unknown_goes_back(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    f.wrong = FAKE_CALL_SESSION_UNKNOWN_ONCE;
    seen(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), TFAAS_CLIENT_OK,
         &failure);
    assert_int_equal(response->form, TFAAS_FORM_WHOLE);
    tfaas_response_free(response);
    assert_int_equal(f.calls, 3);
    seen(call(client, "x", TFAAS_FORM_AUTO, TFAAS_CALL_ONCE, NULL, &response, &failure),
         TFAAS_CLIENT_SESSION_UNKNOWN, &failure);
    assert_int_equal(f.calls, 4);
    f.wrong = FAKE_CALL_SESSION_UNKNOWN;
    seen(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure),
         TFAAS_CLIENT_SESSION_UNKNOWN, &failure);
    assert_int_equal(f.calls, 6);
    tfaas_client_close(client);
}

/* --- what callers do wrong --- */

static void test_usage(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_response *response;
    struct tfaas_client *client = NULL;
    const char *const urls[] = {NULL,         "",   "ftp://x", "http://", "http://user@x",
                                "http://x?y", "//x"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const struct tfaas_client_options options = {.url = urls[i]};
        seen(tfaas_client_open(&options, &client, &failure), TFAAS_CLIENT_USAGE, &failure);
        assert_null(client);
    }
    const struct tfaas_client_options options = {.url = "http://x", .domain = "No"};
    seen(tfaas_client_open(&options, &client, &failure), TFAAS_CLIENT_USAGE, &failure);
    const struct tfaas_client_options bad = {.url = "http://x", .policy = "{}"};
    seen(tfaas_client_open(&bad, &client, &failure), TFAAS_CLIENT_POLICY_INVALID, &failure);

    fake_init(&f);
    client = open_client(&f, 0);
    const struct tfaas_header date = {"Date", "x"}, ours = {"Tfaas-Receipt", "1"},
                              split = {"a", "b\r\nc: d"}, space = {"a b", "c"};
    struct stream s = {.most = 10};
    const struct tfaas_request requests[] = {
        {.function = NULL},
        {.function = "UPPER"},
        {.function = "a/b"},
        {.function = "a", .path = "rest"},
        {.function = "a", .path = "/re st"},
        {.function = "a", .method = "BAD METHOD"},
        {.function = "a", .package = "sha256:00"},
        {.function = "a", .headers = &date, .header_count = 1},
        {.function = "a", .headers = &ours, .header_count = 1},
        {.function = "a", .headers = &split, .header_count = 1},
        {.function = "a", .headers = &space, .header_count = 1},
        {.function = "a", .read = stream_read, .read_user = &s, .form = TFAAS_FORM_WHOLE},
        {.function = "a", .read = stream_read, .read_user = &s, .body = {(const uint8_t *)"x", 1}},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        seen(tfaas_client_call(client, &requests[i], &response, &failure), TFAAS_CLIENT_USAGE,
             &failure);
    char *large = calloc(1, 60000);
    memset(large, 'v', 59999);
    const struct tfaas_header wide = {"a", large};
    const struct tfaas_request too_large = {.function = "a", .headers = &wide, .header_count = 1};
    seen(tfaas_client_call(client, &too_large, &response, &failure), TFAAS_CLIENT_REQUEST_TOO_LARGE,
         &failure);
    free(large);
    assert_int_equal(f.calls, 0);
    tfaas_client_close(client);
    tfaas_client_close(NULL);
    tfaas_response_free(NULL);
}

/* --- bundles --- */

static void test_bundle(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_verification *v = calloc(1, sizeof(*v));
    char *bundle = NULL;
    fake_init(&f);
    char *policy = fake_policy(&f, "");
    struct tfaas_client *client = open_client(&f, TFAAS_CLIENT_FRESH);
    seen(tfaas_client_bundle(client, &bundle, &failure), TFAAS_CLIENT_USAGE, &failure);
    assert_int_equal(tfaas_client_verify(client, 0, &failure), 0);
    seen(tfaas_client_bundle(client, &bundle, &failure), TFAAS_CLIENT_OK, &failure);
    size_t size = strlen(bundle);
    seen(tfaas_bundle_verify(bundle, size, policy, FAKE_DOMAIN, NULL, 0, v, &failure),
         TFAAS_CLIENT_OK, &failure);
    assert_memory_equal(v->identity, f.identity_key, 32);
    seen(tfaas_bundle_verify(bundle, size, policy, "staging", NULL, 0, v, &failure),
         TFAAS_CLIENT_DOMAIN_MISMATCH, &failure);
    seen(tfaas_bundle_verify(bundle, size, policy, NULL, NULL, f.now + 100000, v, &failure),
         TFAAS_CLIENT_EVIDENCE_EXPIRED, &failure);
    seen(tfaas_bundle_verify(bundle, size, NULL, NULL, NULL, 0, v, &failure),
         TFAAS_CLIENT_SIMULATED_REFUSED, &failure);
    assert_true(v->simulated);
    seen(tfaas_bundle_verify(bundle, size - 5, policy, NULL, NULL, 0, v, &failure),
         TFAAS_CLIENT_EVIDENCE_FORM, &failure);
    free(bundle);
    free(policy);
    free(v);
    tfaas_client_close(client);
}

/* --- receipts in a row --- */

static void test_receipt_sequences(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_receipt_claims claims[4];
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    for (unsigned i = 0; i < 3; i++) {
        struct tfaas_response *response;
        assert_int_equal(
            call(client, "x", TFAAS_FORM_AUTO, TFAAS_CALL_RECEIPT, NULL, &response, &failure), 0);
        seen(tfaas_receipt_verify(response->receipt, tfaas_client_verification(client),
                                  &claims[2 - i], &failure),
             TFAAS_CLIENT_OK, &failure);
        assert_int_equal(claims[2 - i].sequence, i + 1);
        assert_int_equal(claims[2 - i].work, 42);
        assert_string_equal(claims[2 - i].function, "hello.openfaas-fn");
        tfaas_response_free(response);
    }
    seen(tfaas_receipt_sequences(claims, 3, &failure), TFAAS_CLIENT_OK, &failure);
    assert_int_equal(claims[0].sequence, 1);
    claims[3] = claims[1];
    seen(tfaas_receipt_sequences(claims, 4, &failure), TFAAS_CLIENT_OK, &failure);
    claims[1].digest[0] ^= 1;
    seen(tfaas_receipt_sequences(claims, 4, &failure), TFAAS_CLIENT_RECEIPT_DUPLICATE, &failure);
    claims[1] = claims[0];
    claims[2] = claims[0];
    seen(tfaas_receipt_sequences(claims, 4, &failure), TFAAS_CLIENT_RECEIPT_GAP, &failure);
    /* Without evidence that holds no receipt does. */
    struct tfaas_verification *none = calloc(1, sizeof(*none));
    none->error = TFAAS_CLIENT_EVIDENCE_EXPIRED;
    seen(tfaas_receipt_verify("x", none, &claims[0], &failure), TFAAS_CLIENT_EVIDENCE_EXPIRED,
         &failure);
    free(none);
    tfaas_client_close(client);
}

/* --- memory --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
static long fail_after = -1;

static bool fails(void)
{
    return fail_after >= 0 && fail_after-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

/* Only the library's own allocations fail: the fake's come through a transport that says so. */
static bool spared_transport(void *user, struct tfaas_transfer *t);
struct spared {
    struct fake *fake;
    struct tfaas_transfer *to;
    long left;
};

static bool spared_head(struct tfaas_transfer *t, unsigned status, const char *type, int64_t age)
{
    struct spared *s = t->user;
    fail_after = s->left;
    bool good = s->to->on_head(s->to, status, type, age);
    s->left = fail_after;
    fail_after = -1;
    return good;
}

static bool spared_body(struct tfaas_transfer *t, const void *data, size_t size)
{
    struct spared *s = t->user;
    fail_after = s->left;
    bool good = s->to->on_body(s->to, data, size);
    s->left = fail_after;
    fail_after = -1;
    return good;
}

static bool spared_transport(void *user, struct tfaas_transfer *t)
{
    struct spared s = {.fake = user, .to = t, .left = fail_after};
    struct tfaas_transfer inner = *t;
    inner.on_head = spared_head;
    inner.on_body = spared_body;
    inner.user = &s;
    fail_after = -1;
    bool good = fake_transport(user, &inner);
    fail_after = s.left;
    return good;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    bool whole = false;
    unsigned injected = 0;
    for (long k = 0; k < 400 && !whole; k++) {
        struct fake f;
        struct tfaas_failure failure = {.text = ""};
        struct tfaas_client *client = NULL;
        struct tfaas_response *response = NULL;
        fake_init(&f);
        char *policy = fake_policy(&f, "");
        struct tfaas_client_options options = {.url = "http://x",
                                               .policy = policy,
                                               .transport = spared_transport,
                                               .transport_user = &f,
                                               .clock = fake_clock,
                                               .clock_user = &f};
        fail_after = k;
        enum tfaas_client_error error = tfaas_client_open(&options, &client, &failure);
        for (unsigned i = 0; i < 2 && !error; i++) {
            error =
                call(client, "b", TFAAS_FORM_AUTO, TFAAS_CALL_RECEIPT, NULL, &response, &failure);
            tfaas_response_free(response);
        }
        whole = fail_after >= 0;
        fail_after = -1;
        if (whole) {
            assert_int_equal(error, TFAAS_CLIENT_OK);
        } else {
            injected++;
            seen(error, TFAAS_CLIENT_NO_MEMORY, &failure);
        }
        tfaas_client_close(client);
        free(policy);
    }
    assert_true(whole);
    assert_true(injected > 15);
}

/* --- the list --- */

static void test_list_of_errors(void **state)
{
    (void)state;
    assert_string_equal(tfaas_client_error_name(TFAAS_CLIENT_EVIDENCE_NOT_YET_VALID),
                        "evidence_not_yet_valid");
    assert_int_equal(tfaas_client_error_exit(TFAAS_CLIENT_OK), 0);
    for (unsigned i = 0; i < TFAAS_CLIENT_ERROR_COUNT; i++) {
        int code = tfaas_client_error_exit(i);
        assert_true(code == 0 || code == 1 || code == 5 || code == 6 || code == 64);
        assert_int_equal(code == 0, i == 0);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(tfaas_client_error_name(i), tfaas_client_error_name(k));
            assert_string_not_equal(tfaas_client_error_text(i), tfaas_client_error_text(k));
        }
    }
    assert_string_equal(tfaas_client_error_name(9999), "usage");
}

/* Last: every code of the list was produced by one of the tests above. */
static void test_every_code_was_seen(void **state)
{
    (void)state;
    unsigned missing = 0;
    for (unsigned i = 0; i < TFAAS_CLIENT_ERROR_COUNT; i++)
        if (!code_seen[i]) {
            print_error("no test for %s\n", tfaas_client_error_name(i));
            missing++;
        }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verification),
        cmocka_unit_test(test_no_lease),
        cmocka_unit_test(test_order_of_checks),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_hardware),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_response_too_large),
        cmocka_unit_test(test_session_unknown_goes_back),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_bundle),
        cmocka_unit_test(test_receipt_sequences),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_list_of_errors),
        cmocka_unit_test(test_every_code_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
