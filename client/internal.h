/*
 * internal.h - what the files of libtfaas share: policies, collections of evidence, what was
 * attested, and one call's state. include/tfaas/client.h is the manual.
 */
#ifndef TFAAS_CLIENT_INTERNAL_H
#define TFAAS_CLIENT_INTERNAL_H

#include "bhttp_stream.h"
#include "ohttp_chunked.h"
#include "session.h"
#include "statement.h"
#include "tfaas/client.h"
#include <jansson.h>
#include <sodium.h>

#define CLIENT_SKEW_S           120        /* SPECIFICATION.md 14.2 */
#define CLIENT_EVIDENCE_MAX     (1u << 20) /* bytes of an answer with evidence */
#define CLIENT_DOMAIN_MAX       (64u << 10)
#define CLIENT_WHOLE_MAX        (1u << 20) /* 14.3 */
#define CLIENT_RESPONSE_DEFAULT (64u << 20)
#define CLIENT_NONCE_SIZE       32u
#define CLIENT_DOMAIN_DEFAULT   "openfaas-fn"
#define CLIENT_LEASE_MARGIN_S   5 /* a lease that ends sooner is not begun with */

typedef enum tfaas_client_error client_error_t;

/* Both return `error`. The second puts "context: " in front. */
client_error_t client_fail(struct tfaas_failure *failure, client_error_t error, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));

/* --- hex and names (text.c) --- */
void hex_write(const uint8_t *data, size_t size, char *to); /* 2 * size + 1 */
bool hex_read(const char *text, uint8_t *to, size_t size);  /* exactly size bytes, lower case */
bool function_name_ok(const char *name);
bool domain_name_ok(const char *name);

/* --- policy.c --- */
#define POLICY_SIZE_MAX     (256u << 10)
#define POLICY_LIST_MAX     64u
#define POLICY_PLATFORM_MAX 64u

struct policy_platform {
    uint8_t id[POLICY_PLATFORM_MAX];
    size_t size;
};
struct policy_td {
    uint8_t mr_td[48], rt_mr[4][48];
    bool rt_mr_any[4];
};
struct policy_snp_tcb {
    bool named;
    uint8_t fmc, boot_loader, tee, snp, microcode;
};
struct policy {
    uint8_t cores[POLICY_LIST_MAX][48];
    size_t core_count;
    bool allow_simulated;
    struct policy_platform platforms[POLICY_LIST_MAX];
    size_t platform_count; /* 0: any */
    int64_t maximum_age_s;
    bool tcb_accepted[16]; /* by enum tfaas_tcb_status */
    char advisories[POLICY_LIST_MAX][TFAAS_ADVISORY_SIZE];
    size_t advisory_count;
    bool sgx, tdx, snp;
    uint8_t enclaves[POLICY_LIST_MAX][32];
    size_t enclave_count;
    struct policy_td tds[POLICY_LIST_MAX];
    size_t td_count;
    uint8_t launches[POLICY_LIST_MAX][48];
    size_t launch_count;
    struct policy_snp_tcb snp_tcb[4]; /* by enum tfaas_snp_generation */
};
client_error_t policy_read(const char *text, struct policy *to, struct tfaas_failure *failure);

/* --- collection.c: the evidence answer (draft-ietf-rats-msg-wrap) and saved bundles --- */
struct collection {
    char evidence_type[64], endorsements_type[64];
    uint8_t *storage;                              /* malloc'ed; the spans point into it */
    struct span evidence, statement, endorsements; /* size 0: none */
};
client_error_t collection_read(const char *text, size_t size, struct collection *to,
                               struct tfaas_failure *failure);
void collection_free(struct collection *collection);

struct bundle_file { /* what was fetched: all malloc'ed */
    char *evidence;  /* JSON text */
    uint8_t *domain_statement;
    size_t domain_statement_size;
    int64_t fetched_at;
    uint8_t nonce[64];
    size_t nonce_size; /* 0: none was sent */
};
client_error_t bundle_file_read(const char *text, size_t size, struct bundle_file *to,
                                struct tfaas_failure *failure);
char *bundle_file_write(const struct bundle_file *from); /* malloc'ed, NULL: no memory */
void bundle_file_free(struct bundle_file *file);

/* --- verify.c --- */
struct attested_lease {
    struct ohttp_key_config config;
    uint8_t instance[16], receipt_key[32];
    int64_t not_before, not_after;
};
struct attested {
    struct attested_lease leases[STATEMENT_LEASES_MAX];
    size_t lease_count; /* only live ones */
};
struct verify_input {
    const struct policy *policy;
    const struct bundle_file *file;
    const char *domain;     /* NULL: whatever the statement says */
    const char *collateral; /* or NULL */
    int64_t now;
};
/* Every check of 14.2 in order; *report is written in full. */
client_error_t verify_all(const struct verify_input *input, struct tfaas_verification *report,
                          struct attested *attested, struct tfaas_failure *failure);
/* A lease envelope under an attested identity: signature, domain, measurement; not its times. */
client_error_t verify_lease(struct span envelope, const struct tfaas_verification *of,
                            struct lease *to, struct tfaas_failure *failure);

/* --- appraise.c: the evidence itself against the policy --- */
struct appraised {
    const char *tee;
    bool simulated;
    uint8_t report_data[64], measurement[48];
    bool measurement_is_core; /* the evidence measures the core's file itself */
    uint8_t platform_id[64];
    size_t platform_id_size;
};
/* Notes its checks in *report (check_begin, check_end). */
client_error_t appraise(const struct verify_input *input, const struct collection *collection,
                        struct appraised *to, struct tfaas_verification *report,
                        struct tfaas_failure *failure);
/* The policy's part of it for evidence of hardware, apart so that tests can give the appraisal. */
client_error_t appraise_hardware(const struct policy *policy, const struct tfaas_appraisal *found,
                                 struct appraised *to, struct tfaas_verification *report,
                                 struct tfaas_failure *failure);
/* Notes a check: passed when `error` is OK. Returns `error`. */
client_error_t check_note(struct tfaas_verification *report, const char *name, client_error_t error,
                          struct tfaas_failure *failure, const char *expected, const char *got);

/* --- transport.c --- */
struct transport_curl; /* one connection that is kept */
struct transport_curl *transport_curl_new(void);
void transport_curl_free(struct transport_curl *curl);
bool transport_curl_run(void *user, struct tfaas_transfer *transfer);

/* --- fetch.c --- */
struct client_session {
    bool alive;
    uint8_t id[SESSION_ID_SIZE], secret[SESSION_SECRET_SIZE];
    uint16_t aead;
    uint64_t sequence; /* the last one used */
    int64_t ends_at;
};
struct tfaas_client {
    char *url, *authority, *cache_path, *collateral;
    char domain[128];
    const char *scheme;
    struct policy policy;
    tfaas_transport_fn *transport;
    void *transport_user;
    struct transport_curl *curl;
    int64_t (*clock)(void *);
    void *clock_user;
    unsigned timeout_ms, flags;
    struct bundle_file file;
    struct tfaas_verification verification;
    struct attested attested;
    bool verified, has_verification;
    int64_t refetch_at;
    int64_t date_offset_s; /* the core's clock, as told inside sealed answers, minus ours */
    struct client_session session;
};
int64_t client_now(const struct tfaas_client *client);
/* Runs one transfer; TRANSPORT with the transport's words. */
client_error_t client_transfer(struct tfaas_client *client, struct tfaas_transfer *transfer,
                               struct tfaas_failure *failure);
/* A lease that lives: any of those that still have time. NULL: none. */
const struct attested_lease *client_lease(const struct tfaas_client *client);

/* --- message.c: the inner request --- */
struct message {
    uint8_t *storage;       /* malloc'ed */
    struct span known;      /* head of known length, from the framing on */
    struct span stream;     /* the same head, indeterminate length */
    struct bhttp_head head; /* of `known`: what receipts hash */
};
struct message_options {
    const char *scheme, *authority, *domain;
    int64_t date;
    bool ask_session;
};
client_error_t message_make(const struct tfaas_request *request,
                            const struct message_options *options, struct message *to,
                            struct tfaas_failure *failure);
void message_free(struct message *message);
/* No name or value that could not stand in HTTP, none of ours. */
client_error_t message_check(const struct tfaas_request *request, struct tfaas_failure *failure);

/* --- sealing.c: the request as bytes for the wire --- */
struct sealing {
    enum tfaas_form form;
    struct ohttp_exchange exchange; /* whole, chunked */
    struct client_session session;  /* session: as it was */
    uint8_t session_head[SESSION_REQUEST_HEAD];
    struct ohttp_chunks out;
    struct span head;        /* what is left of the inner head */
    struct tfaas_bytes body; /* what is left of it */
    tfaas_read_fn *read;
    void *read_user;
    crypto_hash_sha256_state *hash; /* of the content, or NULL */
    uint8_t piece[OHTTP_CHUNKED_HEAD_MAX + SESSION_REQUEST_HEAD + OHTTP_CHUNK_MAX +
                  OHTTP_CHUNK_OVERHEAD];
    size_t piece_size, piece_at;
    bool begun, finished, stopped;
};
const char *sealing_request_type(enum tfaas_form form);
const char *sealing_response_type(enum tfaas_form form);
/* One message; *out is malloc'ed. */
client_error_t sealing_whole(struct sealing *s, const struct attested_lease *lease,
                             const struct message *message, struct tfaas_bytes body, uint8_t **out,
                             size_t *out_size, struct tfaas_failure *failure);
/* Or: one of these two, sealing_source, then sealing_read until 0, or sealing_drain. */
client_error_t sealing_chunked(struct sealing *s, const struct attested_lease *lease,
                               struct tfaas_failure *failure);
void sealing_session(struct sealing *s, struct client_session *session);
void sealing_source(struct sealing *s, const struct message *message,
                    const struct tfaas_request *request, crypto_hash_sha256_state *hash);
int64_t sealing_read(void *user, void *to, size_t capacity); /* a tfaas_read_fn */
client_error_t sealing_drain(struct sealing *s, uint8_t **out, size_t *out_size,
                             struct tfaas_failure *failure);
void sealing_wipe(struct sealing *s);

/* --- answer.c: the answer of one attempt --- */
struct answer {
    struct tfaas_response public; /* first: what the caller gets */
    struct tfaas_header *headers;
    char *header_text, *receipt;
    uint8_t *body;
    size_t body_size, body_capacity;
};
struct answering {
    const struct tfaas_request *request;
    struct sealing *sealing;
    struct answer *answer;
    struct tfaas_failure *failure;
    client_error_t error;
    bool sealed, plain_seen, head_seen, ended, is_problem;
    unsigned plain_status;
    struct ohttp_chunks in;
    uint8_t session_nonce[SESSION_NONCE_SIZE];
    size_t session_nonce_size;
    uint8_t *raw; /* an answer in clear, or a whole sealed one */
    size_t raw_size;
    struct bhttp_reader reader;
    uint8_t *reader_buffer, *chunk_buffer;
    crypto_hash_sha256_state hash; /* of the response */
    char session_field[128];
    int64_t core_date; /* of a problem document, 0: none */
};
client_error_t answering_begin(struct answering *a, const struct tfaas_request *request,
                               struct sealing *sealing, struct tfaas_failure *failure);
bool answering_head(struct answering *a, unsigned status, const char *content_type);
bool answering_body(struct answering *a, const void *data, size_t size);
/* All bytes came: is it whole, and what is it? */
client_error_t answering_finish(struct answering *a);
void answering_free(struct answering *a); /* the answer too, unless it was taken out */

/* --- receipts.c --- */
struct receipt_expected {
    const uint8_t *request_hash, *response_hash; /* 32 */
    const char *function, *domain, *package;     /* package NULL: any */
};
client_error_t receipt_expect(const char *text, const struct tfaas_verification *of,
                              const struct receipt_expected *expected,
                              struct tfaas_failure *failure);

#endif
