/*
 * keeper_internal.h - what keeper.c (life of keepers), keeper_lease.c (workers) and
 * keeper_publish.c (clients) share, and keeper_messages.c: the forms of CALL and ANSWER.
 */
#ifndef TFAAS_HOST_KEEPER_INTERNAL_H
#define TFAAS_HOST_KEEPER_INTERNAL_H

#include "keeper.h"

#include "statement.h"

/* Bytes that are kept, malloc'ed. */
struct kept {
    uint8_t *bytes;
    size_t size;
};
bool kept_set(struct kept *kept, struct span from);
void kept_free(struct kept *kept);
static inline struct span kept_span(const struct kept *kept)
{
    return (struct span){kept->bytes, kept->size};
}

/* A time of the next try, farther away after each failure. */
struct retry {
    uint64_t at_ns, pause_ns;
};
void retry_later(struct retry *retry, uint64_t now_ns);
static inline void retry_reset(struct retry *retry)
{
    *retry = (struct retry){.at_ns = 0};
}

enum keeper_core_state { CORE_DOWN, CORE_STARTING, CORE_RUNNING };

struct keeper_core {
    struct keeper *keeper;
    struct core_link *link;
    enum keeper_core_state state;
    struct core_question start;
    bool was_given_state;
    bool is_second; /* it was started beside another one, to get the keys from that */
};

struct keeper_domain {
    struct keeper *keeper;
    char name[64];
    struct kept envelope;
    uint64_t until_s; /* how long the envelope may be given out */
    bool stale;       /* leases have changed since */
    bool kept;        /* its sealing key will survive this keeper, as far as that is possible */
    bool saving;
    struct core_question question;
    struct retry retry;
    struct keeper_wait_list waits;
    TAILQ_ENTRY(keeper_domain) entry;
};
TAILQ_HEAD(keeper_domain_list, keeper_domain);

enum keeper_step { STEP_IDLE, STEP_HELLO, STEP_DOMAIN, STEP_CERTIFY, STEP_LEASE };

struct keeper_worker {
    struct keeper *keeper;
    struct core_link *link;
    bool serves, leased, was_leased, has_hello, new_key, force_new;
    bool knows_domain; /* the keeper does: it certifies workers of domains it was asked about */
    uint8_t instance[16];
    enum keeper_step step;
    struct core_question question; /* of the step: to the worker, or to the keeper */
    struct kept report, request;   /* of the last HELLO */
    uint64_t began_ns, asked_ns, renew_ns, key_until_ns;
    uint64_t lease_until_s;
    uint32_t calls; /* encapsulated ones, with the newest key */
    struct retry retry;
    TAILQ_ENTRY(keeper_worker) entry;
};
TAILQ_HEAD(keeper_worker_list, keeper_worker);

enum keeper_attest_step { ATTEST_IDLE, ATTEST_STATEMENT, ATTEST_EVIDENCE };

struct keeper {
    struct keeper_options options;
    bool stopping;
    struct keeper_core cores[2];
    int active; /* index, -1: none */
    uint64_t lost, handovers, leases, fetched;

    /* the seal key */
    bool seal_known, has_seal_key;
    uint8_t seal_key[32];

    struct evidence_job *job;
    struct watch job_watch;
    bool job_is_seal;

    /* saving, handing over */
    struct core_question save, sync;
    bool save_due, sync_due;
    unsigned sync_step;
    struct retry save_retry, sync_retry;

    /* the statement, and evidence for it */
    enum keeper_attest_step attest;
    struct core_question statement;
    struct kept key_statement; /* being attested */
    bool attest_for_nonce;
    uint64_t attest_begin_s, attest_life_s, attest_until_s;
    struct kept collection; /* JSON, without a nonce */
    uint64_t collection_fresh_s, collection_until_s, epoch, key_life_s, lease_life_s;
    uint8_t measurement[48];
    bool has_statement;
    struct retry attest_retry;
    struct keeper_wait_list waits, nonce_waits;
    struct keeper_wait_list nonce_now; /* whose nonce is being attested; empty: it left */
    uint64_t tokens_ns; /* of the bucket for nonces: full when this is BURST pauses ago */

    struct keeper_domain_list domains;
    struct keeper_worker_list workers;
    struct keeper_grants_list grants;
};

/* keeper.c */
struct core_link *keeper_active(const struct keeper *k); /* NULL: none is running */
uint64_t keeper_now_s(void);
void keeper_save(struct keeper *k);
void keeper_sync(struct keeper *k);
tfaas_status_t keeper_job(struct keeper *k, enum evidence_want want, const uint8_t *data,
                          struct tfaas_error *error) TFAAS_MUST_USE;

/* keeper_lease.c */
void worker_begin(struct keeper *k, struct core_link *link, bool serves);
void worker_end(struct keeper *k, struct core_link *link);
void workers_changed_keeper(struct keeper *k); /* another identity: ask for leases anew */
void workers_tick(struct keeper *k);
struct keeper_worker *worker_of_domain(struct keeper *k, const char *domain);
void grants_tick(struct keeper *k);
void workers_stop(struct keeper *k);

/* keeper_publish.c */
void attest_reset(struct keeper *k); /* what was of the keeper before */
void attest_tick(struct keeper *k);
void attest_job_done(struct keeper *k);
void domains_reset(struct keeper *k);
void domains_tick(struct keeper *k);
void domain_stale(struct keeper *k, const char *name);
void domain_go(struct keeper_domain *domain);
void domains_saved(struct keeper *k, tfaas_status_t status, const char *text);
void publish_stop(struct keeper *k);

/* keeper_messages.c: forms */
struct keeper_item {
    uint8_t key;
    char kind; /* 'b' bytes, 't' text, '?' flag, 'a' array of one byte string */
    struct span bytes;
    bool flag;
};
/* A map of the items; malloc'ed, NULL: no memory. */
uint8_t *keeper_write(const struct keeper_item *items, size_t count, size_t *size);
/* A map of keys 1 to `count`, each bytes. False: it is something else. */
bool keeper_read(struct span answer, struct span *to, size_t count);
/* { 1: [ one byte string of SEALED_GRANT_SIZE ] } */
bool keeper_read_grant(struct span answer, struct span *grant);
/* What HELLO and CERTIFY answer, checked as far as the host can. */
struct keeper_hello {
    struct span report, request, instance;
};
bool keeper_read_hello(struct span answer, struct keeper_hello *hello);
struct keeper_certified {
    struct span envelope, identity, report;
    struct lease lease;
};
bool keeper_read_certified(struct span answer, struct keeper_certified *certified);
/* The statement alone is kept; its nonce must be the one asked for (size 0: none). */
bool keeper_read_statement(struct span answer, struct span nonce, struct span *bytes,
                           struct key_statement *statement);
/* The envelope; its domain must be `domain`. *until_s: the end of the first lease, or of the
 * statement. */
bool keeper_read_domain(struct span answer, const char *domain, struct span *envelope,
                        uint64_t *until_s);
/* The collection of section 14.2. malloc'ed, NULL: no memory. */
char *keeper_collection(struct span key_statement, const struct evidence *evidence, size_t *size);

#endif
