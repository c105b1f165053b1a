/*
 * core_child.h - a core without its cage, for tests and bench-core: a forked child runs
 * core_serve() over a window that this process plays the host of. Same core objects as the product.
 * A test that also links core_tender.c runs with TENDER=kvm too: its cores are then the product's,
 * build/tfaas-core, in virtual machines; where there is no /dev/kvm it ends as skipped.
 */
#ifndef TFAAS_TESTS_CORE_CHILD_H
#define TFAAS_TESTS_CORE_CHILD_H

#include "bundle.h"
#include "ring.h"
#include <sys/types.h>

/* For what must come: a bound so that a hang is a failure, not a measure of speed. */
#define CORE_PATIENCE_MS 60000

struct core_child {
    void *window;
    int ring_fd, bell_fd;
    pid_t pid;
    struct ring_tx tx;
    struct ring_rx rx;
    uint32_t next_id;
    bool gone;                    /* seen to have ended by core_receive; then: */
    int status;                   /* its wait status; of a forked child only */
    struct tender_worker *worker; /* of the tender; NULL: a forked child */
};

struct core_file {
    const char *path;
    const void *content;
    size_t size; /* 0: strlen */
};

struct core_config {
    const char *runtime, *entry;
    const char *name; /* NULL: "test" */
    struct core_file files[8];
    struct bundle_pair env[8], secrets[8];
    size_t env_count, secret_count;
    uint64_t memory_limit, response_limit, log_limit, hostcall_limit;
    bool want_cache;
    struct span cache;
};

struct core_answer {
    unsigned status; /* tfaas_status_t of END or LOADED */
    uint64_t work, peak, cpu_ns, pages;
    uint8_t *bytes; /* response stream: head + content; malloc'ed */
    size_t size;
    char log[8192];
    size_t log_size;
    char fault[1024]; /* text of FAULT or LOADED */
    unsigned code;    /* enum tfaas_code of LOADED */
    uint8_t *cache;   /* what came as CACHE; malloc'ed */
    size_t cache_size;
};

/* If set, called in the child before it serves. */
extern void (*core_child_hook)(void *window);
/* Cores come from the kvm tender: nothing in this program is part of them. */
bool core_child_of_tender(void);

/* core_tender.c, for core_child.c; weak there. */
bool core_tender_wanted(void);
void core_tender_launch(struct core_child *core, uint64_t memory_max);
bool core_tender_gone(const struct core_child *core);
void core_tender_end(struct core_child *core);

/* For the next cores: bytes they may use for themselves; 0: as this process, as the tender's
 * default.
 */
void core_child_memory(uint64_t bytes);
/* core_prepare() must have run in this process. Exits the test on failure to start. */
void core_child_start(struct core_child *core);
void core_child_stop(struct core_child *core);
/* Between them the core does not run: what is sent is there as if sent at once. It must fit the
 * ring. */
void core_pause(const struct core_child *core);
void core_resume(const struct core_child *core);

/* The load bundle of this package and configuration; malloc'ed. */
void core_bundle(const struct core_config *config, uint8_t **out, size_t *out_size);
void core_load(struct core_child *core, uint32_t id, const struct core_config *config,
               struct core_answer *answer);
/* The same of a bundle that is there already. */
void core_load_bundle(struct core_child *core, uint32_t id, const uint8_t *bytes, size_t size,
                      bool want_cache, struct core_answer *answer);
/* Starts without waiting; returns the invocation id. `last`: the body is whole. */
uint32_t core_begin(struct core_child *core, uint32_t function, const char *method,
                    const char *path, const char *const *headers, const void *body, size_t size,
                    bool last, uint64_t deadline_ns);
void core_send(struct core_child *core, struct tfaas_slot slot, const void *payload, size_t size);
/* Waits for END of `id`; other messages of other ids are dropped. False: the core is gone. */
bool core_wait(struct core_child *core, uint32_t id, struct core_answer *answer);
/* begin + wait, POST; the deadline is for hangs. */
bool core_invoke(struct core_child *core, uint32_t function, const void *body, size_t size,
                 struct core_answer *answer);
/* Next message of any kind within timeout_ms. False: none. */
bool core_receive(struct core_child *core, struct tfaas_slot *slot, uint8_t *payload,
                  int timeout_ms);
/* Of an answer: HTTP status and content. */
unsigned core_http_status(const struct core_answer *answer);
struct span core_content(const struct core_answer *answer);
void core_answer_free(struct core_answer *answer);

#endif
