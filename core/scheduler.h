/*
 * scheduler.h - many invocations in flight on one thread. Each task has its own stack and thread
 * block; a tick that hits compiled Wasm diverts it here. Nothing in a task can keep the others
 * waiting for longer than a quantum; a task past its deadline inside Wasm is abandoned, never
 * resumed.
 */
#ifndef TFAAS_CORE_SCHEDULER_H
#define TFAAS_CORE_SCHEDULER_H

#include "engine/engine.h"
#include "invocation.h"
#include "loaded.h"
#include "plat/plat.h"

struct sealed_call; /* sealed_call.h */

#define QUANTUM_NS    1000000u
#define LOAD_TEXT_MAX 4096u /* what a load may say: log or error */

enum task_state {
    TASK_FREE,
    TASK_READY,
    TASK_RUNNING,
    TASK_WAIT_INPUT,
    TASK_WAIT_CREDIT,
    TASK_WAIT_ROOM, /* in the core-to-host ring */
    TASK_WAIT_FUNCTION,
    TASK_WAIT_RECEIPT, /* for its batch to be signed */
    TASK_SLEEP,
    TASK_WAIT_INNER, /* for a compartment */
    TASK_IDLE,       /* a compartment between two calls */
    TASK_ENDED,      /* its END message is still to be sent */
};

struct task {
    struct invocation run; /* first: an invocation is its task */
    enum task_state state;
    struct plat_context *context;
    struct loaded *function;
    struct engine_instance instance;
    struct memory_slot *slot;
    uintptr_t code_start, code_end;
    bool diverted; /* stopped inside Wasm by a tick */
    uint64_t deadline_ns, wake_ns, resumed_ns, cpu_ns;
    uint64_t restored_pages;
    tfaas_status_t status;
    tfaas_status_t outcome;     /* of the call inside; `status` but for sealed calls */
    struct sealed_call *sealed; /* NULL: a plain call */
    uint8_t *held;              /* last piece of the response, waits to travel with END */
    size_t held_size;
    bool held_borrowed; /* it lies in `sealed` */
    char text[LOAD_TEXT_MAX];
    size_t text_size;
    struct task *next;
};

/* None can take the others' places. */
enum task_pool { TASKS_CALLS, TASKS_LOADS, TASKS_INNER, TASK_POOLS };
/* A free task, or NULL when TFAAS_INFLIGHT_MAX of that pool are in use. */
struct task *sched_task_new(enum task_pool pool);
struct task *sched_task_find(uint32_t id);
/* Makes it runnable; `body` runs on the task's stack and returns when the task is over. */
void sched_start(struct task *task, void (*body)(struct task *));
void sched_ready(struct task *task);
/* From inside a task: give way until another part makes it ready. False: it must stop. */
bool sched_block(struct task *task, enum task_state state);
/* As sched_block, also when it must stop. */
void sched_wait(struct task *task, enum task_state state);
/* A task of TASKS_INNER that ended waits for more, or is free for others. */
void sched_idle(struct task *task);
void sched_free(struct task *task);
/* Ends a task from outside with `status`: it is woken, or abandoned when it sits inside Wasm. */
void sched_stop(struct task *task, tfaas_status_t status);
/* Runs what is ready, once round. True: something ran. */
bool sched_run(void);
/* Wakes sleepers, ends what is past its deadline; ns until the next such event, or -1. */
int64_t sched_timers(uint64_t now);
void sched_wake_all(enum task_state state);
void sched_setup(void);

#endif
