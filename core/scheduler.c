/* scheduler.c - see scheduler.h. The scheduler runs on the core's first stack; tasks come back to
 * it by plat_switch_back. Must never resume a task that was abandoned. */
#include "scheduler.h"

#include "inner.h"
#include "invoke.h"
#include "message.h"
#include "sealed_call.h"

#include <stdlib.h>
#include <string.h>

#define TASKS_MAX (TASK_POOLS * TFAAS_INFLIGHT_MAX)

/* Pool after pool. */
static struct task tasks[TASKS_MAX];
static struct task *ready_first, *ready_last;
static struct task *current;
static unsigned used[TASK_POOLS]; /* of each pool: places from here on were never taken */
static uint32_t in_state[TASK_ENDED + 1];
static uint64_t next_event = UINT64_MAX;
static unsigned skipped_ticks;

static void set_state(struct task *task, enum task_state state)
{
    in_state[task->state]--;
    in_state[state]++;
    task->state = state;
}

struct task *sched_task_new(enum task_pool pool)
{
    static unsigned hints[TASK_POOLS];
    unsigned *hint = &hints[pool];
    for (unsigned i = 0; i < TFAAS_INFLIGHT_MAX; i++) {
        unsigned place = (*hint + i) % TFAAS_INFLIGHT_MAX;
        struct task *task = &tasks[place + pool * TFAAS_INFLIGHT_MAX];
        if (task->state != TASK_FREE)
            continue;
        if (!task->context && !(task->context = plat_context_new()))
            return NULL;
        struct plat_context *context = task->context;
        memset(&task->run, 0, sizeof task->run);
        memset((char *)task + offsetof(struct task, state), 0,
               offsetof(struct task, text) - offsetof(struct task, state));
        task->context = context;
        task->text_size = 0;
        task->next = NULL;
        *hint = place;
        if (place >= used[pool])
            used[pool] = place + 1;
        return task;
    }
    return NULL;
}

struct task *sched_task_find(uint32_t id)
{
    for (unsigned i = 0; i < used[TASKS_CALLS]; i++) {
        if (tasks[i].state != TASK_FREE && tasks[i].run.id == id)
            return &tasks[i];
    }
    return NULL;
}

/* The next task behind `at` that was ever used; NULL: none. `at` NULL: the first. */
static struct task *next_used(const struct task *at)
{
    unsigned i = at ? (unsigned)(at - tasks) + 1 : 0;
    while (i < TASKS_MAX && i % TFAAS_INFLIGHT_MAX >= used[i / TFAAS_INFLIGHT_MAX])
        i = (i / TFAAS_INFLIGHT_MAX + 1) * TFAAS_INFLIGHT_MAX;
    return i < TASKS_MAX ? &tasks[i] : NULL;
}

void sched_ready(struct task *task)
{
    set_state(task, TASK_READY);
    task->next = NULL;
    if (ready_last)
        ready_last->next = task;
    else
        ready_first = task;
    ready_last = task;
}

static void unlink_ready(struct task *task)
{
    struct task **at = &ready_first, *before = NULL;
    while (*at && *at != task) {
        before = *at;
        at = &(*at)->next;
    }
    if (!*at)
        return;
    *at = task->next;
    if (ready_last == task)
        ready_last = before;
}

static void (*bodies[TASKS_MAX])(struct task *);

static void task_main(void *argument)
{
    struct task *task = argument;
    bodies[task - tasks](task);
    set_state(task, TASK_ENDED);
    plat_switch_back();
    message_fault("a finished task was resumed");
}

void sched_start(struct task *task, void (*body)(struct task *))
{
    bodies[task - tasks] = body;
    plat_context_start(task->context, task_main, task);
    if (task->deadline_ns < next_event)
        next_event = task->deadline_ns;
    sched_ready(task);
}

static void note_cpu(struct task *task)
{
    uint64_t now = plat_now_ns();
    task->cpu_ns += now - task->resumed_ns;
}

bool sched_block(struct task *task, enum task_state state)
{
    if (task->run.stop != TFAAS_OK)
        return false;
    if (state == TASK_READY)
        sched_ready(task);
    else
        set_state(task, state);
    if (state == TASK_SLEEP && task->wake_ns < next_event)
        next_event = task->wake_ns;
    plat_switch_back();
    return task->run.stop == TFAAS_OK;
}

void sched_wait(struct task *task, enum task_state state)
{
    set_state(task, state);
    plat_switch_back();
}

void sched_idle(struct task *task)
{
    set_state(task, TASK_IDLE);
}

void sched_free(struct task *task)
{
    set_state(task, TASK_FREE);
}

/* The tick hit compiled Wasm: this runs on the task's stack with every register saved. */
static void on_diverted(void)
{
    struct task *task = current;
    invoke_release_held(task);
    task->diverted = true;
    sched_ready(task);
    plat_switch_back();
    task->diverted = false;
}

static bool on_tick(uintptr_t pc)
{
    struct task *task = current;
    if (!task)
        return false; /* the next switch arms a tick */
    if (pc >= task->code_start && pc < task->code_end) {
        skipped_ticks = 0;
        return true;
    }
    /* The engine or a host call runs, or the run is only being set up. When this goes on, catch it
     * on its way back into Wasm. A tick stays armed for as long as a task runs. */
    if (++skipped_ticks >= 2)
        plat_trap_code(task->code_start, task->code_end); /* nothing when there is no code yet */
    plat_tick_again(QUANTUM_NS);
    return false;
}

static void switch_to(struct task *task)
{
    set_state(task, TASK_RUNNING);
    current = task;
    memory_set_current(task->slot);
    task->resumed_ns = plat_now_ns();
    skipped_ticks = 0;
    plat_tick_arm(QUANTUM_NS);
    plat_switch_to(task->context);
    note_cpu(task);
    memory_set_current(NULL);
    current = NULL;
}

/* Its stack is inside Wasm and will never run again: everything it holds is taken away from here.
 */
static void abandon(struct task *task)
{
    plat_context_free(task->context);
    task->context = NULL;
    inner_end(&task->run);
    task->run.work += engine_work(&task->instance);
    engine_instance_free(&task->instance);
    if (task->slot && task->run.loading)
        memory_slot_free(task->slot);
    else if (task->slot) {
        if (task->slot->peak > task->run.peak)
            task->run.peak = task->slot->peak;
        task->restored_pages = loaded_give_slot(task->function, task->slot);
    }
    task->slot = NULL;
    task->code_start = task->code_end = 0;
    task->diverted = false;
    task->status = task->outcome = task->run.stop;
    if (!sealed_owes_answer(task) || !invoke_resume_finish(task))
        set_state(task, TASK_ENDED);
}

void sched_stop(struct task *task, tfaas_status_t status)
{
    if (task->run.stop == TFAAS_OK)
        task->run.stop = status;
    if (task->diverted) {
        unlink_ready(task);
        abandon(task);
    } else if (task->state != TASK_READY && task->state != TASK_RUNNING &&
               task->state != TASK_ENDED && task->state != TASK_IDLE) {
        sched_ready(task);
    }
}

static void end_task(struct task *task)
{
    if (task->run.caller) {
        inner_ended(task);
        return;
    }
    if (message_end(task) == TFAAS_BUSY)
        return;
    set_state(task, TASK_FREE);
}

bool sched_run(void)
{
    struct task *last = ready_last;
    bool ran = false;
    while (ready_first) {
        struct task *task = ready_first;
        ready_first = task->next;
        if (!ready_first)
            ready_last = NULL;
        if (task->diverted && (task->run.stop != TFAAS_OK || inner_over_work(&task->run)))
            abandon(task);
        else
            switch_to(task);
        if (task->state == TASK_WAIT_INNER)
            inner_waiting(task);
        if (task->state == TASK_ENDED)
            end_task(task);
        ran = true;
        message_flush();
        if (task == last)
            break;
    }
    return ran;
}

int64_t sched_timers(uint64_t now)
{
    if (in_state[TASK_FREE] == TASKS_MAX)
        next_event = UINT64_MAX;
    if (now >= next_event) {
        next_event = UINT64_MAX;
        for (struct task *task = next_used(NULL); task; task = next_used(task)) {
            if (task->state == TASK_FREE || task->state == TASK_ENDED || task->state == TASK_IDLE)
                continue;
            if (now >= task->deadline_ns) {
                sched_stop(task, TFAAS_DEADLINE);
                continue;
            }
            if (task->state == TASK_SLEEP && now >= task->wake_ns)
                sched_ready(task);
            if (task->deadline_ns < next_event)
                next_event = task->deadline_ns;
            if (task->state == TASK_SLEEP && task->wake_ns < next_event)
                next_event = task->wake_ns;
        }
    }
    /* After the deadlines: what they ended must be said before the core may sleep. */
    if (in_state[TASK_ENDED] > 0) {
        for (struct task *task = next_used(NULL); task; task = next_used(task)) {
            if (task->state == TASK_ENDED)
                end_task(task);
        }
        message_flush();
    }
    if (ready_first)
        return 0;
    return next_event == UINT64_MAX ? -1 : (int64_t)(next_event - now);
}

void sched_wake_all(enum task_state state)
{
    struct task *task = in_state[state] > 0 ? next_used(NULL) : NULL;
    for (; task && in_state[state] > 0; task = next_used(task)) {
        if (task->state == state)
            sched_ready(task);
    }
}

void sched_setup(void)
{
    memset(in_state, 0, sizeof in_state);
    in_state[TASK_FREE] = TASKS_MAX;
    plat_diverted = on_diverted;
    plat_handlers(memory_on_write, on_tick);
}
