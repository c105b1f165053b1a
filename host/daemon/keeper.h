/*
 * keeper.h - the host's side of attested invocation (SPECIFICATION.md section 14): keeps a keeper
 * core running (and a second one to take over), carries leases from it to the workers, grants to
 * workers that load sealed things, and statements with evidence to clients. It holds nothing secret
 * but the platform's seal key; what it carries is signed or sealed by cores and checked by clients.
 *
 * One thread, nothing blocks. Calls of functions never wait for anything here, but for grants
 * before a sealed thing is loaded.
 */
#ifndef TFAAS_HOST_KEEPER_H
#define TFAAS_HOST_KEEPER_H

#include "../evidence/evidence.h"
#include "core_link.h"
#include "cursor.h"

struct keeper;

struct keeper_options {
    struct core_hub *hub;
    const struct evidence_source *source;
    const struct evidence_env *env; /* stays there as long as the process */
    unsigned keepers;               /* 1, or 2: one that takes over */
    void *owner;
    /* *state is malloc'ed. NOT_FOUND: none was saved. */
    tfaas_status_t (*load)(void *owner, uint8_t **state, size_t *size, struct tfaas_error *error);
    /* Durable when it returns. */
    tfaas_status_t (*save)(void *owner, const uint8_t *state, size_t size,
                           struct tfaas_error *error);
    void (*log)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

/* NULL: out of memory. The first keeper is started by the first tick. */
struct keeper *keeper_open(const struct keeper_options *options);
void keeper_stop(struct keeper *keeper); /* before core_hub_close: nothing more is asked */
void keeper_free(struct keeper *keeper); /* after it */
void keeper_tick(struct keeper *keeper);
int keeper_timeout_ms(const struct keeper *keeper); /* until a tick has something to do */

/* A worker is given an encapsulated call: its lease is for a number of them. */
void keeper_call_counted(struct keeper *keeper, struct core_link *link);
/* What the links tell (struct core_owner). serves: false for a core that only tries a deployment:
 * it gets grants and no lease. */
void keeper_link_up(struct keeper *keeper, struct core_link *link, bool serves);
void keeper_link_down(struct keeper *keeper, struct core_link *link);

struct keeper_numbers {
    uint64_t fetched, leases, handovers, lost; /* evidence; totals */
    uint64_t epoch;
    bool active, standby;
    uint8_t measurement[48]; /* of the key statement; zeros: there is none yet */
};
void keeper_numbers(const struct keeper *keeper, struct keeper_numbers *numbers);
const char *keeper_source(const struct keeper *keeper);

/* --- for clients --- */
struct keeper_wait;
TAILQ_HEAD(keeper_wait_list, keeper_wait);
/* Owned by the caller; zero it before use; must not move while `waits`. */
struct keeper_wait {
    /* Once, from a later turn or from inside the call that asked. OK: `bytes` are good until it
     * returns, and for `seconds`; else `text`. */
    void (*done)(struct keeper_wait *wait, tfaas_status_t status, struct span bytes,
                 uint64_t seconds, const char *text);
    bool waits, wants_lease;
    struct keeper_wait_list *list;
    uint64_t give_up_ns;
    uint8_t nonce[64];
    size_t nonce_size;
    TAILQ_ENTRY(keeper_wait) entry;
};
/* The collection of section 14.2 as JSON. nonce: size 0, or 8 to 64. BUSY: too many asked for
 * their own evidence. */
void keeper_evidence(struct keeper *keeper, struct span nonce, struct keeper_wait *wait);
/* A domain's statement. wants_lease: there is a worker, or one is being started: wait for its
 * lease. */
void keeper_domain(struct keeper *keeper, const char *domain, bool wants_lease,
                   struct keeper_wait *wait);
void keeper_wait_cancel(struct keeper_wait *wait);
/* The key configurations of a domain statement's live leases as application/ohttp-keys. *out is
 * malloc'ed. NO_LEASE: there is none. */
tfaas_status_t keeper_configurations(struct span envelope, uint64_t now_s, uint8_t **out,
                                     size_t *size) TFAAS_MUST_USE;

/* --- for loads --- */
struct keeper_grants {
    /* Once, from a later turn: grants (count * SEALED_GRANT_SIZE bytes) in order, good until it
     * returns; else why, and which header (count: none of them). */
    void (*done)(struct keeper_grants *grants, tfaas_status_t status, const uint8_t *bytes,
                 size_t which, const char *text);
    struct keeper *keeper; /* the fields from here on are the keeper's */
    struct core_link *link;
    struct span *headers; /* the caller's: must stay there */
    size_t count, at;
    uint8_t *bytes;
    struct core_question question;
    uint64_t give_up_ns;
    TAILQ_ENTRY(keeper_grants) entry;
};
TAILQ_HEAD(keeper_grants_list, keeper_grants);
/* NO_SPACE, or OK: `done` follows. */
tfaas_status_t keeper_grant(struct keeper *keeper, struct core_link *worker, struct span *headers,
                            size_t count, struct keeper_grants *grants) TFAAS_MUST_USE;
void keeper_grant_cancel(struct keeper_grants *grants);

#endif
