/*
 * client.h - libtfaas: verify the core behind a URL, then call its functions so that nobody in
 * between can read or change the call (SPECIFICATION.md section 14).
 *
 * EXAMPLE (tests/unit/client/example.c compiles and runs these lines)
 *
 *     struct tfaas_client_options options = {.url = "http://127.0.0.1:8080", .policy = policy};
 *     struct tfaas_request request = {.function = "hello", .body = {(const uint8_t *)"world", 5}};
 *     struct tfaas_client *client = NULL;
 *     struct tfaas_response *response = NULL;
 *     struct tfaas_failure failure;
 *     if (tfaas_client_open(&options, &client, &failure) == TFAAS_CLIENT_OK &&
 *         tfaas_client_call(client, &request, &response, &failure) == TFAAS_CLIENT_OK)
 *         printf("%u %.*s\n", response->status, (int)response->body.size, response->body.data);
 *     else
 *         fprintf(stderr, "%s: %s\n", tfaas_client_error_name(failure.error), failure.text);
 *     tfaas_response_free(response);
 *     tfaas_client_close(client);
 *
 * OWNERSHIP. What a function takes is borrowed for the time of the call, options included (they are
 * copied). What it gives through `**out` is the caller's, to be freed as its comment says.
 * THREADS. One thread at a time may use a client; clients are independent of each other. The first
 * tfaas_client_open of a process comes before other threads use libcurl.
 * ERRORS. Every function that can fail returns one code of the list below; `failure` (or NULL)
 * gets the code and one line for people. No error text holds content of a call.
 * UNITS. Times are Unix seconds, durations say _s or _ms, sizes are bytes. Hex is lower case.
 * Link: -ltfaas (pkg-config tfaas).
 */
#ifndef TFAAS_CLIENT_H
#define TFAAS_CLIENT_H

#include "tfaas/evidence.h"
#include "tfaas/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- errors: name, exit code of `tfaas`, sentence --- */

/* Exit codes: 0 ok, 1 failed, 64 usage, 5 verification failed (never from the network alone),
 * 6 not available. */
#define TFAAS_CLIENT_ERROR_LIST(X)                                                                 \
    X(OK, 0, "ok")                                                                                 \
    X(USAGE, 64, "a parameter is missing or malformed")                                            \
    X(POLICY_INVALID, 64, "the policy is malformed")                                               \
    X(REQUEST_TOO_LARGE, 64, "the request is larger than its form takes")                          \
    X(NO_MEMORY, 1, "memory ran out")                                                              \
    X(STOPPED, 1, "the caller's own callback ended the call")                                      \
    X(TRANSPORT, 6, "no answer came through")                                                      \
    X(UNAVAILABLE, 6, "the host says that it cannot serve now")                                    \
    X(HOST_REFUSED, 1, "the host answered in clear with an error (its word only)")                 \
    X(EVIDENCE_FORM, 5, "the evidence is malformed")                                               \
    X(EVIDENCE_UNKNOWN, 5, "the evidence is of a kind that this client cannot appraise")           \
    X(SIMULATED_REFUSED, 5, "the evidence is SIMULATED: it proves nothing, the policy refuses it") \
    X(TEE_NOT_ALLOWED, 5, "the policy does not accept this kind of hardware")                      \
    X(EVIDENCE_SIGNATURE, 5, "the evidence is not genuine")                                        \
    X(TCB_REFUSED, 5, "the platform's firmware is not good enough for the policy")                 \
    X(MILAN_REFUSED, 5, "AMD Milan's keys have been extracted; the policy does not name it")       \
    X(DEBUG_REFUSED, 5, "the host may read what runs: a debug launch")                             \
    X(LAUNCH_NOT_ALLOWED, 5, "what was launched is not in the policy")                             \
    X(PLATFORM_NOT_ALLOWED, 5, "the machine is not in the policy")                                 \
    X(STATEMENT_MISMATCH, 5, "the evidence is not about this key statement")                       \
    X(EVIDENCE_NONCE, 5, "the key statement does not hold this client's nonce")                    \
    X(MEASUREMENT_NOT_ALLOWED, 5, "the core is not in the policy")                                 \
    X(EVIDENCE_NOT_YET_VALID, 5, "the key statement is not valid yet")                             \
    X(EVIDENCE_EXPIRED, 5, "the key statement has expired")                                        \
    X(EVIDENCE_TOO_OLD, 5, "the key statement is older than the policy's limit")                   \
    X(DOMAIN_FORM, 5, "the domain statement is malformed")                                         \
    X(DOMAIN_SIGNATURE, 5, "the domain statement is not signed by the attested identity")          \
    X(DOMAIN_MISMATCH, 5, "the domain statement is of another domain")                             \
    X(DOMAIN_EXPIRED, 5, "the domain statement is outside its times")                              \
    X(LEASE_FORM, 5, "a lease is malformed")                                                       \
    X(LEASE_SIGNATURE, 5, "a lease is not signed by the attested identity")                        \
    X(LEASE_MISMATCH, 5, "a lease is for another domain or measurement")                           \
    X(LEASE_EXPIRED, 5, "every lease is outside its times")                                        \
    X(LEASE_MISSING, 6, "no worker of the domain holds a lease")                                   \
    X(KEY_UNKNOWN, 6, "the host says that the core does not know the key, also after a new fetch") \
    X(SESSION_UNKNOWN, 6, "the host says that the core does not know the session")                 \
    X(REQUEST_NOT_OPENED, 1, "the host says that the request did not open")                        \
    X(REPLAY_REPORTED, 1, "the host says that the core has seen this request before")              \
    X(DOWNGRADE, 5, "the answer is not sealed")                                                    \
    X(RESPONSE_NOT_AUTHENTIC, 5, "the answer does not open")                                       \
    X(RESPONSE_TRUNCATED, 1, "the answer ends before its end")                                     \
    X(RESPONSE_FORM, 1, "the answer opens but is malformed")                                       \
    X(RESPONSE_TOO_LARGE, 1, "the answer is larger than the caller's limit")                       \
    X(DATE_REFUSED, 1, "the core refuses the request's date, also after a correction")             \
    X(FUNCTION_MISMATCH, 5, "another function than the one that was called")                       \
    X(PACKAGE_MISMATCH, 5, "the function has another package than was demanded")                   \
    X(RECEIPT_MISSING, 5, "the answer holds no receipt")                                           \
    X(RECEIPT_FORM, 5, "the receipt is malformed")                                                 \
    X(RECEIPT_LEASE, 5, "the receipt's lease is not of the attested identity and domain")          \
    X(RECEIPT_INVALID, 5, "the receipt's signature does not cover its claims")                     \
    X(RECEIPT_MISMATCH, 5, "the receipt is about another request or response")                     \
    X(RECEIPT_DUPLICATE, 5, "two different receipts have one number: a copied core")               \
    X(RECEIPT_GAP, 5, "numbers are missing between the receipts")

enum tfaas_client_error {
#define X(name, exit_code, text) TFAAS_CLIENT_##name,
    TFAAS_CLIENT_ERROR_LIST(X)
#undef X
        TFAAS_CLIENT_ERROR_COUNT
};

struct tfaas_failure {
    enum tfaas_client_error error;
    char text[512];
};

/* "evidence_expired", its sentence, its exit code. Values outside the list read as USAGE. */
const char *tfaas_client_error_name(enum tfaas_client_error error);
const char *tfaas_client_error_text(enum tfaas_client_error error);
int tfaas_client_error_exit(enum tfaas_client_error error);

/* --- transport: who carries bytes; libcurl unless the caller brings one --- */

/* Gives the next bytes of a body: how many (at most `capacity`), 0 at the end, -1 to stop. */
typedef int64_t tfaas_read_fn(void *user, void *to, size_t capacity);

struct tfaas_transfer {
    const char *method, *url;
    const char *content_type; /* of the body; NULL: there is none */
    struct tfaas_bytes body;  /* all of it, when `read` is NULL */
    tfaas_read_fn *read;
    void *read_user;
    unsigned timeout_ms;
    /* The transport calls these: once with the status, then with every piece of the body.
     * `content_type` without parameters in lower case, "" if none; `max_age_s` of Cache-Control,
     * -1 if none. False: stop at once. */
    bool (*on_head)(struct tfaas_transfer *transfer, unsigned status, const char *content_type,
                    int64_t max_age_s);
    bool (*on_body)(struct tfaas_transfer *transfer, const void *data, size_t size);
    void *user;        /* the library's */
    char failure[256]; /* why, in words, when the transport returns false */
};

/* True: the whole answer, whatever its status, was handed over. It follows no redirection. */
typedef bool tfaas_transport_fn(void *user, struct tfaas_transfer *transfer);

/* --- a client --- */

struct tfaas_client; /* opaque */

#define TFAAS_CLIENT_FRESH                                                                         \
    1u /* flags: ask for evidence with a nonce of ours, take none from a file */

/* All zeros but `url` is a safe start. */
struct tfaas_client_options {
    const char *url;    /* "http[s]://HOST[:PORT][/PREFIX]" */
    const char *domain; /* OpenFaaS namespace; NULL: "openfaas-fn" */
    const char
        *policy; /* JSON (docs/client.md); NULL: tfaas_policy_default(), which accepts none */
    const char *cache_folder; /* evidence that was verified is kept there and verified again when it
                                 is read; NULL: in memory only */
    const char *collateral;   /* JSON for SGX and TDX, where the evidence brings none; or NULL */
    tfaas_transport_fn *transport; /* NULL: libcurl */
    void *transport_user;
    int64_t (*clock)(void *user); /* Unix seconds; NULL: the system's */
    void *clock_user;
    unsigned timeout_ms; /* of one transfer; 0: 60000 */
    unsigned flags;
};

enum tfaas_client_error tfaas_client_open(const struct tfaas_client_options *options,
                                          struct tfaas_client **out,
                                          struct tfaas_failure *failure) TFAAS_MUST_USE;
/* Wipes the keys of its sessions. NULL does nothing. */
void tfaas_client_close(struct tfaas_client *client);

/* --- verification --- */

#define TFAAS_CHECKS_MAX      20u
#define TFAAS_NOT_COVERED_MAX 8u

enum tfaas_check_result { TFAAS_CHECK_NOT_MADE, TFAAS_CHECK_PASSED, TFAAS_CHECK_FAILED };

/* One step of SPECIFICATION.md 14.2, in its order. The first that fails ends the verification. */
struct tfaas_check {
    const char *name; /* "report-data" */
    enum tfaas_check_result result;
    char expected[200], got[200];
};

struct tfaas_verification {
    enum tfaas_client_error error; /* OK: everything was checked and holds */
    bool simulated;                /* then nothing is proved, whatever `error` says */
    const char *tee;               /* "simulated", "sgx", "tdx", "snp", "" */
    char domain[128], core_version[64];
    uint8_t identity[32], measurement[48], weights[32], sealing_key[32];
    uint8_t platform_id[64];
    size_t platform_id_size;
    uint64_t epoch;
    int64_t not_before, not_after, verified_at;
    size_t lease_count; /* live ones */
    struct tfaas_check checks[TFAAS_CHECKS_MAX];
    size_t check_count;
    const char *not_covered[TFAAS_NOT_COVERED_MAX]; /* sentences */
    size_t not_covered_count;
};

#define TFAAS_VERIFY_ANEW 1u /* flags: fetch although what is there is still good */

/* Fetches and checks. tfaas_client_call does it by itself when it has to. */
enum tfaas_client_error tfaas_client_verify(struct tfaas_client *client, unsigned flags,
                                            struct tfaas_failure *failure) TFAAS_MUST_USE;
/* What the last verification found; valid until the next call on the client. NULL: none yet. */
const struct tfaas_verification *tfaas_client_verification(const struct tfaas_client *client);
/* Everything that was verified, as JSON text to verify it again offline: malloc'ed, for free(). */
enum tfaas_client_error tfaas_client_bundle(const struct tfaas_client *client, char **out,
                                            struct tfaas_failure *failure) TFAAS_MUST_USE;
/* Verifies such a bundle without a network. `at`: the moment to judge for; 0: when it was made.
 * `domain` NULL: the one it is for. *to is written in full, also on failure. */
enum tfaas_client_error tfaas_bundle_verify(const char *bundle, size_t bundle_size,
                                            const char *policy, const char *domain,
                                            const char *collateral, int64_t at,
                                            struct tfaas_verification *to,
                                            struct tfaas_failure *failure) TFAAS_MUST_USE;

/* --- policies --- */

/* The policy without a policy: safe, so it accepts no core at all. Static text. */
const char *tfaas_policy_default(void);
/* What a policy accepts, in sentences: malloc'ed, for free(). POLICY_INVALID: failure->text is
 * "LINE:COLUMN: what is wrong". */
enum tfaas_client_error tfaas_policy_explain(const char *policy, char **out,
                                             struct tfaas_failure *failure) TFAAS_MUST_USE;

/* --- calls --- */

struct tfaas_header {
    const char *name, *value;
};

enum tfaas_form {
    TFAAS_FORM_AUTO,    /* the first call whole (and it asks for a session), later ones in the
                           session; chunked for streams and what is larger than 1 MiB */
    TFAAS_FORM_WHOLE,   /* RFC 9458; at most 1 MiB either way */
    TFAAS_FORM_CHUNKED, /* chunked Oblivious HTTP */
    TFAAS_FORM_SESSION, /* makes one first if there is none */
};

#define TFAAS_CALL_RECEIPT    1u /* flags: ask for a receipt, fail without a valid one */
#define TFAAS_CALL_NO_SESSION 2u /* neither use nor ask for a session */
#define TFAAS_CALL_GATEWAY                                                                         \
    4u /* send it to /.well-known/ohttp-gateway: no name in the outer URL                          \
        */
/* A host that lies about a key or a session makes the client send a call twice, and could have
 * both run. With this a call is sent once, and fails instead. */
#define TFAAS_CALL_ONCE 8u

struct tfaas_response;

/* All zeros but `function` is a POST without body. */
struct tfaas_request {
    const char *function;               /* "NAME" */
    const char *method;                 /* NULL: POST */
    const char *path;                   /* what the function sees: "/REST?QUERY"; NULL: "/" */
    const struct tfaas_header *headers; /* no date, none that begins with "tfaas-" */
    size_t header_count;
    struct tfaas_bytes body;
    tfaas_read_fn *read; /* the body as a stream instead of `body`; such a call is sent once */
    void *read_user;
    enum tfaas_form form;
    unsigned flags;
    const char *package; /* hex SHA-256 of the package that must serve it; NULL: any */
    size_t response_max; /* bytes of content that are kept; 0: 64 MiB */
    /* Content in pieces as they open, instead of in the response: authentic, but whole only when
     * the call returns OK. False: stop. */
    bool (*on_body)(void *user, const struct tfaas_response *head, const void *data, size_t size);
    void *on_body_user;
};

/* tfaas_response_free frees all of it. */
struct tfaas_response {
    unsigned status;
    const struct tfaas_header *headers; /* without those of the prefix "tfaas-" */
    size_t header_count;
    struct tfaas_bytes body; /* empty with on_body */
    char package[65];        /* hex; "" when the core named none */
    const char *receipt;     /* text of a receipt that was checked; NULL: none was asked for */
    enum tfaas_form form;    /* how it went */
};

/* An error status of the function, or of the core inside the sealed answer, is an OK here. Failed
 * for a reason of the host alone, a call may still have run. */
enum tfaas_client_error tfaas_client_call(struct tfaas_client *client,
                                          const struct tfaas_request *request,
                                          struct tfaas_response **out,
                                          struct tfaas_failure *failure) TFAAS_MUST_USE;
void tfaas_response_free(struct tfaas_response *response);

/* --- receipts, offline --- */

struct tfaas_receipt_claims {
    char instance[33], function[256], package[65], outcome[32], weights[65];
    uint8_t request_hash[32], response_hash[32];
    uint64_t sequence, issued_at, status, work, memory, cpu_ns;
    bool exact;
    uint8_t digest[32]; /* SHA-256 of the claims' bytes */
};

/* Is it of a core that this verification covers? The lease's times are compared with the
 * receipt's own time only. */
enum tfaas_client_error tfaas_receipt_verify(const char *receipt,
                                             const struct tfaas_verification *of,
                                             struct tfaas_receipt_claims *to,
                                             struct tfaas_failure *failure) TFAAS_MUST_USE;
/* Sorts verified claims by instance and number. RECEIPT_DUPLICATE, RECEIPT_GAP (one that was never
 * handed out, or is not among these). */
enum tfaas_client_error tfaas_receipt_sequences(struct tfaas_receipt_claims *claims, size_t count,
                                                struct tfaas_failure *failure) TFAAS_MUST_USE;

/* --- sealing to a verified domain --- */

struct tfaas_seal_options {
    const char *kind;              /* "secret" or "package" */
    const char *name;              /* of the secret or the function */
    const uint8_t (*packages)[32]; /* secret: who may read it; none: any package of the domain */
    size_t package_count;
    const uint8_t *log_key; /* package: 32 bytes, or NULL: it logs nothing */
};
/* To the sealing key of `to`, which must be a verification that holds. *out is malloc'ed. */
enum tfaas_client_error tfaas_seal(const struct tfaas_verification *to,
                                   const struct tfaas_seal_options *options,
                                   struct tfaas_bytes content, uint8_t **out, size_t *out_size,
                                   struct tfaas_failure *failure) TFAAS_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
