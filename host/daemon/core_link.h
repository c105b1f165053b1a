/*
 * core_link.h - one core as the daemon sees it: its window, its functions, its calls. One link per
 * OpenFaaS namespace, plus short-lived ones that try a deploy, plus the keepers'. The core is not
 * trusted: every
 * message is checked (kind, id, state, credit, size), and a core that breaks a rule is killed.
 *
 * Nothing here blocks. The owner's callbacks (struct core_owner) are called from core_hub_run,
 * core_hub_tick and, for `end`, never from inside core_call_start, _send or _cancel. They must not
 * call back into the link except core_call_consumed, core_call_cancel, core_link_close, core_ask
 * and core_ask_cancel. `up` and `answered` may use any other link too.
 */
#ifndef TFAAS_HOST_CORE_LINK_H
#define TFAAS_HOST_CORE_LINK_H

#include <stddef.h>
#include <sys/queue.h>

#include "../error.h"
#include "../tender/tender.h"
#include "limits.h"
#include "loop.h"

struct core_link;
struct core_load;

/* A function that a link can load. Owned by the caller; zero it before use. */
struct core_function {
    struct core_load *load; /* what is or will be in the core, NULL: nothing */
    bool wants_cache;     /* ask the core for what it compiles: only where it loads nothing else */
    enum tfaas_code code; /* of the last load that came to an end */
};

enum core_call_state { CORE_CALL_NEW, CORE_CALL_WAITING, CORE_CALL_RUNNING, CORE_CALL_ENDED };

/* One call. Owned by the caller; zero it before use; must not move. */
struct core_call {
    enum core_call_state state;
    struct core_link *link;
    uint32_t slot; /* RUNNING */
    TAILQ_ENTRY(core_call) entry;
    struct core_function *function; /* NULL: a sealed call tells the core which (gateway) */
    enum tfaas_sealing sealing;     /* 0: a plain call */
    uint64_t deadline_ns;           /* how long it may run */
    uint64_t give_up_ns;            /* WAITING: when the wait is over */
    uint8_t *first;                 /* WAITING: first bytes of the request stream, malloc'ed */
    size_t first_size;
    bool first_last;
    bool wants_room;  /* core_call_send took less than it was given */
    bool load_failed; /* ENDED or not started: `status` is why the function could not be loaded */
    /* ENDED */
    tfaas_status_t status;
    tfaas_status_t inner; /* of a sealed call that ended OK: what the sealed response tells */
    uint64_t work, peak_memory, cpu_ns, restored_pages;
    char reason[160]; /* why, when it did not end by itself; MISDIRECTED: the function's name */
};
TAILQ_HEAD(core_call_list, core_call);

/* A question to a core's own keys: CALL, and the ANSWER to it. Owned by the caller; zero it before
 * use; must not move while `link` is set. One of a link is on its way at a time, the others wait.
 */
struct core_question {
    struct core_link *link; /* NULL: not asked, or answered */
    enum tfaas_op op;
    uint8_t *request; /* until it is sent; malloc'ed, wiped */
    size_t request_size;
    /* The last thing said about a question: the answer's CBOR with OK, else clean text (not
     * terminated). CORE_LOST: the core ended first. */
    void (*answered)(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                     size_t size);
    TAILQ_ENTRY(core_question) entry;
};
TAILQ_HEAD(core_question_list, core_question);

struct core_owner {
    /* Makes the load bundle (common/bundle.h); *bytes is malloc'ed and wiped by the link. OK with
     * *bytes NULL: it comes later, by core_bundle_ready. */
    tfaas_status_t (*bundle)(struct core_function *function, uint8_t **bytes, size_t *size,
                             struct tfaas_error *error);
    /* A bundle that was to come later is not wanted any more. */
    void (*bundle_cancel)(struct core_function *function);
    /* Whole lines from the function; cleaned text. */
    void (*log)(struct core_function *function, const char *text, size_t size);
    void (*loaded)(struct core_function *function, tfaas_status_t status, const char *text);
    /* Before `loaded` with OK, for a function that wants_cache: what the core compiled, sealed. */
    void (*cache)(struct core_function *function, const uint8_t *bytes, size_t size);
    /* Response stream bytes in order; the first ones hold the whole head. */
    void (*data)(struct core_call *call, const uint8_t *bytes, size_t size);
    /* The last thing said about a call. */
    void (*end)(struct core_call *call);
    /* After core_call_send took less than it was given: try again. */
    void (*room)(struct core_call *call);
    /* One line for the daemon's own log. */
    void (*event)(const char *domain, const char *text);
    /* The core said READY; the core has ended (also one that never was ready). Either may be NULL.
     */
    void (*up)(struct core_link *link);
    void (*down)(struct core_link *link);
};

TAILQ_HEAD(core_link_list, core_link);

struct core_hub {
    const struct tender_ops *ops;
    struct tender *tender;
    const char *unavailable; /* why no core can be launched; NULL: one can */
    struct loop *loop;
    const struct core_owner *owner;
    uint64_t function_idle_ns;
    uint32_t queue_max;
    uint64_t now_ns;    /* CLOCK_MONOTONIC, set by the loop once per turn */
    uint64_t ticked_ns; /* of the last core_hub_tick */
    struct core_link_list links;
    struct core_link_list awake; /* links that may have messages, see core_hub_run */
    uint32_t links_up, work;     /* cores alive; calls and loads under way in all of them */
    uint32_t keepers_up;         /* of links_up */
    uint64_t launches, lost;     /* totals, for metrics */
    uint64_t loads[TFAAS_CODE_COUNT];
};

void core_hub_init(struct core_hub *hub, const struct tender_ops *ops, struct tender *tender,
                   struct loop *loop, const struct core_owner *owner);
/* Takes what the cores sent. True: there may be more right now. */
bool core_hub_run(struct core_hub *hub);
/* Announces sleep to every core. False: something arrived meanwhile, run again. */
bool core_hub_sleep(struct core_hub *hub);
/* Deadlines, idle times, back-off; to be called every core_hub_timeout_ms. Where it comes much
 * later, this process was kept from running, and no core is judged by that time. */
void core_hub_tick(struct core_hub *hub);
int core_hub_timeout_ms(const struct core_hub *hub); /* -1: never */
void core_hub_close(struct core_hub *hub);

/* No process is started before the first use. NULL: out of memory. */
struct core_link *core_link_open(struct core_hub *hub, const char *domain);
/* The link of a keeper (SPECIFICATION.md section 14.1): it runs no function and is never idle. */
struct core_link *core_link_open_keeper(struct core_hub *hub);
bool core_link_is_keeper(const struct core_link *link);
const char *core_link_domain(const struct core_link *link);
struct core_hub *core_link_hub(struct core_link *link);
/* What the owner keeps for a link; NULL at first. */
void core_link_set_user(struct core_link *link, void *user);
void *core_link_user(const struct core_link *link);
/* Ends the core for a reason that the owner found; the link stays. */
void core_link_kill(struct core_link *link, const char *reason);
/* Replaces the core: what runs may finish (CORE_DRAIN_NS at most), what comes waits for the new
 * one.
 */
void core_link_restart(struct core_link *link, const char *reason);
/* Its domain is served by `successor` from now on, perhaps of another hub: what waits goes there,
 * what runs ends here, then the link is gone. Every function was forgotten before. */
void core_link_retire(struct core_link *link, struct core_link *successor);
/* Ends the core; calls still there get `end` with CORE_LOST first. Allowed in callbacks. */
void core_link_close(struct core_link *link);
bool core_link_up(const struct core_link *link);
bool core_link_ready(const struct core_link *link); /* up, and has said READY */
uint32_t core_link_calls(const struct core_link *link);
uint32_t core_link_functions(const struct core_link *link);

/* Starts loading without a call (a deploy that is tried). `loaded` tells the outcome. `function`
 * NULL: only starts the core, so that the first call finds it running. */
tfaas_status_t core_function_load(struct core_link *link, struct core_function *function,
                                  struct tfaas_error *error) TFAAS_MUST_USE;
/* The deployment or a secret changed, or the function goes away: what is in the core is forgotten,
 * running calls finish; waiting calls use the new bundle, or end NOT_FOUND when `gone`. */
void core_function_forget(struct core_link *link, struct core_function *function, bool gone);

/* The bundle that was to come later: taken (malloc'ed), or why there is none (`text`). Ends in
 * `loaded` when it failed. */
void core_bundle_ready(struct core_function *function, tfaas_status_t status, uint8_t *bytes,
                       size_t size, const char *text);

/* Asks; `request` (malloc'ed) is taken and wiped. UNAVAILABLE: the core is not ready; NO_SPACE;
 * TOO_LARGE: more than one message. Then `answered` is not called. */
tfaas_status_t core_ask(struct core_link *link, struct core_question *question, enum tfaas_op op,
                        uint8_t *request, size_t size) TFAAS_MUST_USE;
/* `answered` will not be called. */
void core_ask_cancel(struct core_question *question);

/* `head` + `body` are the first bytes of the request stream. OK: sent or waiting; it will `end`.
 * BUSY: the queue is full. UNAVAILABLE: no core now. Others: the function cannot be loaded. */
tfaas_status_t core_call_start(struct core_link *link, struct core_call *call,
                               struct core_function *function, const uint8_t *head,
                               size_t head_size, const uint8_t *body, size_t body_size, bool last,
                               struct tfaas_error *error) TFAAS_MUST_USE;
/* More of the request stream. Returns how much was taken; less than `size`: `room` follows. With
 * `last`, size may be 0; then 1 means taken. */
size_t core_call_send(struct core_call *call, const uint8_t *bytes, size_t size, bool last);
/* The receiver has done with `size` more bytes of the response stream. */
void core_call_consumed(struct core_call *call, size_t size);
/* The caller is gone. The link never touches the call again; `end` is not called. */
void core_call_cancel(struct core_call *call);

/* Text that came from elsewhere: UTF-8 without controls (a tab stays), the rest becomes '?'. At
 * most `capacity` - 1 bytes and a NUL. */
size_t text_clean(char *to, size_t capacity, const uint8_t *from, size_t size);

#endif
