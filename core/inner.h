/*
 * inner.h - compartments: untrusted code of a function's own package runs in an instance of its
 * own, called by the function through the core. A compartment is a hidden function, made while its
 * owner's modules load, with an image of its own: no memory, environment, secret or file of its
 * owner but what the owner granted. Bytes go in, bytes come out, both copied here. The caller waits
 * while the compartment runs as a task of its own; work, host calls and memory count for the caller
 * too. A compartment has no way to call whoever called it.
 */
#ifndef TFAAS_CORE_INNER_H
#define TFAAS_CORE_INNER_H

#include "scheduler.h"

#define COMPARTMENTS_MAX           LOADED_INSIDE_MAX /* of a function, with those inside others */
#define COMPARTMENT_DEPTH_MAX      4u
#define COMPARTMENT_TEXT_MAX       8192u       /* a description */
#define COMPARTMENT_FOLDERS_MAX    64u         /* of files it sees */
#define COMPARTMENT_GRANTS_MAX     64u         /* variables, and as many secrets */
#define COMPARTMENT_MESSAGE_MAX    (4u << 20)  /* bytes of a request, and of an answer */
#define COMPARTMENT_MEMORY_DEFAULT (16u << 20) /* unless it says otherwise */
#define COMPARTMENT_WORK_DEFAULT   1000000000u /* unless it says otherwise */
#define COMPARTMENT_NAME_MAX       64u
#define COMPARTMENT_NS_PER_WORK    100u /* processor time that stands for a unit, at most... */
#define COMPARTMENT_NS_OVER        100000000ull /* ... beyond this much */

/* What host calls answer, negated. The texts are `code` of JavaScript's errors, after
 * TFAAS_COMPARTMENT_. */
#define COMPARTMENT_ERROR_LIST(X)                                                                  \
    X(TRAPPED, 1)      /* it trapped, or gave no answer */                                         \
    X(MEMORY, 2)       /* its memory limit, or the function's */                                   \
    X(WORK, 3)         /* its work limit */                                                        \
    X(DEADLINE, 4)     /* its own timeout */                                                       \
    X(TOO_LARGE, 5)    /* request or answer over COMPARTMENT_MESSAGE_MAX */                        \
    X(HOSTCALLS, 6)    /* half of the host calls that its caller had left */                       \
    X(BUSY, 7)         /* too many compartments run in this core */                                \
    X(CLOSED, 8)       /* closed, or never opened */                                               \
    X(LATE, 9)         /* opened after the modules were loaded */                                  \
    X(TOO_MANY, 10)    /* COMPARTMENTS_MAX or COMPARTMENT_DEPTH_MAX */                             \
    X(REFUSED, 11)     /* the description, or the module it names, is wrong */                     \
    X(UNAVAILABLE, 12) /* the core has no memory for it now */
enum compartment_error {
#define X(name, number) COMPARTMENT_##name = number,
    COMPARTMENT_ERROR_LIST(X)
#undef X
};

/* A description: lines of UTF-8 text, in any order,
 *   module PATH      of the package: a reactor ending in .wasm, or what the JavaScript runtime
 * loads folder PATH      files it sees beside its module (any number) name TEXT        in the log;
 * else the path memory BYTES     memory limit        work UNITS   work limit, within one outer call
 *   timeout NS       of one call         grant log | grant env NAME | grant secret NAME
 */
struct compartment {
    struct loaded loaded; /* first */
    struct loaded *owner; /* whose modules opened it */
    char *text;           /* the description, malloc'ed */
    size_t text_size;
    char name[COMPARTMENT_NAME_MAX];
    uint32_t depth; /* 1: opened by a function */
    uint64_t work, timeout_ns;
    bool may_log;
};

/* What a run holds of compartments; made when it first calls one. */
struct inner {
    struct task *task[COMPARTMENTS_MAX]; /* idle while the run itself goes on */
    uint64_t spent[COMPARTMENTS_MAX];
    bool closed[COMPARTMENTS_MAX];
    struct compartment *opening; /* the first stack has to prepare it */
    struct task *child;          /* that the run waits for */
    uint8_t *answer;             /* the last one, or what went wrong; malloc'ed */
    size_t answer_size, answer_capacity;
    struct memory_share share; /* of the outermost run */
};

/* --- host calls, on the caller's stack; negative: -enum compartment_error --- */
int32_t inner_open(struct invocation *run, const uint8_t *text, size_t size);
int32_t inner_call(struct invocation *run, uint32_t handle, const uint8_t *request, size_t size);
/* The last answer, or the text of the last error; once. */
size_t inner_read(struct invocation *run, uint8_t *to, size_t capacity);
int32_t inner_close(struct invocation *run, uint32_t handle);

/* --- for invoke.c --- */
/* The run outside everything: whose log, limits and id count. */
struct invocation *inner_outermost(struct invocation *run);
int inner_write(struct invocation *run, const uint8_t *from, size_t size, bool last);
/* "[compartment NAME] ", or "" outside one. */
size_t inner_log_prefix(const struct invocation *run, char *to, size_t room);
/* Drops what the run holds of compartments. None of them may be running. */
void inner_end(struct invocation *run);
/* Of a function that is freed. */
void inner_free(struct loaded *loaded);

/* --- for scheduler.c, on the first stack --- */
void inner_waiting(struct task *task);
void inner_ended(struct task *task);
bool inner_count_work(struct invocation *run);

/* Is the run inside a compartment that used its work up? It is stopped then. */
static inline bool inner_over_work(struct invocation *run)
{
    return run->work_limit > 0 && inner_count_work(run);
}

#endif
