/*
 * core_internal.h - what core_link.c (life of a link), core_calls.c (what goes to a core) and
 * core_messages.c (what a core says) share.
 */
#ifndef TFAAS_HOST_CORE_INTERNAL_H
#define TFAAS_HOST_CORE_INTERNAL_H

#include "core_link.h"
#include "ring.h"

#define CALL_INDEX_BITS 7u
_Static_assert(TFAAS_INFLIGHT_MAX == 1u << CALL_INDEX_BITS, "an id is generation and index");

/* An invocation in the core. It outlives its call when the caller goes away. */
struct core_slot {
    bool used, cancelled, cancel_due, credit_due;
    bool response_started, response_last;
    bool sealed, any; /* any: the core takes the function that the opened request names */
    uint32_t id;      /* generation << CALL_INDEX_BITS | index */
    struct core_call *call;
    struct core_load *load;
    uint64_t sent, allowed;               /* request stream */
    uint64_t received, granted, consumed; /* response stream */
    uint64_t backstop_ns;
};

enum core_load_state { LOAD_ASKING, LOAD_SENDING, LOAD_SENT, LOAD_READY, LOAD_FAILED };

struct core_load {
    enum core_load_state state;
    uint32_t id, running;
    struct core_link *link;
    struct core_function *function; /* NULL: forgotten, freed when nothing refers to it */
    uint8_t *bundle;                /* SENDING */
    size_t bundle_size, bundle_at;
    bool in_core; /* some of it was or will be sent */
    bool unload_due, unload_sent, wants_cache;
    uint8_t *cache; /* what came of CACHE so far */
    size_t cache_size, cache_at;
    uint64_t last_used_ns, failed_ns;
    tfaas_status_t status;         /* FAILED */
    char why[160];                 /* FAILED before it was sent; or empty */
    struct core_call_list waiting; /* ASKING, SENDING: INVOKE goes behind the bundle */
    TAILQ_ENTRY(core_load) entry;  /* link->loads, least recently used first */
};
TAILQ_HEAD(core_load_list, core_load);

enum core_link_state { LINK_DOWN, LINK_UP };

struct core_link {
    struct core_hub *hub;
    enum tender_role role;
    char domain[64];
    void *user;
    enum core_link_state state;
    struct tender_worker worker;
    struct ring_tx tx;
    struct ring_rx rx;
    struct watch bell, exit;
    bool ready, is_awake, closing, doomed, due;
    bool draining; /* nothing new is sent to this core */
    bool retiring; /* closed when nothing runs in it any more */
    uint64_t drain_until_ns;
    char doom[256];
    struct core_slot slots[TFAAS_INFLIGHT_MAX];
    uint8_t free_slots[TFAAS_INFLIGHT_MAX];
    uint32_t free_count, generation;
    struct core_call_list queue; /* waits for a place, a bundle or a core */
    struct core_call_list ended; /* `end` not called yet */
    uint32_t queued;             /* in queue and in all loads' waiting */
    struct core_load_list loads;
    uint32_t load_count, loading, last_load_id;
    bool load_id_used[TFAAS_FUNCTIONS_MAX]; /* 0 is never used */
    struct core_question_list questions;    /* waiting; `asked` is not among them */
    struct core_question_list lost;         /* `answered` not called yet: CORE_LOST */
    struct core_question *asked;            /* NULL: none, or nobody waits for its answer */
    bool asking;                            /* CALL was sent, ANSWER has not come */
    enum tfaas_op asked_op;
    uint32_t ask_id, question_count;
    uint64_t asked_ns;
    uint64_t launched_ns, progress_ns, idle_since_ns, backoff_ns, not_before_ns;
    TAILQ_ENTRY(core_link) entry, awake_entry;
};

/* core_link.c */
void link_awake(struct core_link *link);
void link_doom(struct core_link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void link_ring(struct core_link *link);
void link_flush(struct core_link *link);
tfaas_status_t link_up(struct core_link *link, struct tfaas_error *error) TFAAS_MUST_USE;

/* core_ask.c */
void questions_pump(struct core_link *link);
bool questions_answer(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload);
void questions_lose(struct core_link *link); /* the core ended */
void questions_deliver(struct core_link *link);

/* core_calls.c */
void link_pump(
    struct core_link *link); /* sends what is due and what waits, as far as there is room */
void slot_release(struct core_link *link, struct core_slot *slot);
void load_forget(struct core_load *load); /* UNLOAD follows when it can */
void load_free(struct core_load *load);
void queue_fail(struct core_link *link, struct core_call_list *list, struct core_call *call,
                tfaas_status_t status, const char *reason);

/* core_messages.c: a broken rule; false */
bool link_refuse(struct core_link *link, const char *what, const struct tfaas_slot *m);
/* core_messages.c: takes up to CORE_DRAIN_MESSAGES. A broken rule dooms the link. True: more. */
bool link_drain(struct core_link *link);
void load_drop_cache(struct core_load *load);

#endif
