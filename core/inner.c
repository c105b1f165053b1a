/* inner.c - see inner.h. A call's task belongs to the run that opened it and lies idle between
 * calls. Must never let a compartment run on when its caller does not wait for it. */
#include "inner.h"

#include "inner_text.h"
#include "invoke.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct task *task_of(struct invocation *run)
{
    return (struct task *)run;
}

struct invocation *inner_outermost(struct invocation *run)
{
    while (run->caller)
        run = run->caller;
    return run;
}

static struct loaded *function_of(struct loaded *loaded)
{
    while (loaded->compartment)
        loaded = loaded->compartment->owner;
    return loaded;
}

static struct inner *inner_of(struct invocation *run)
{
    if (!run->inner)
        run->inner = calloc(1, sizeof *run->inner);
    return run->inner;
}

/* --- answers --- */

static bool append_answer(struct inner *inner, const void *from, size_t size)
{
    if (size > inner->answer_capacity - inner->answer_size) {
        size_t capacity = inner->answer_capacity * 2;
        if (capacity < inner->answer_size + size)
            capacity = inner->answer_size + size;
        uint8_t *larger = realloc(inner->answer, capacity);
        if (!larger)
            return false;
        inner->answer = larger;
        inner->answer_capacity = capacity;
    }
    if (size)
        memcpy(inner->answer + inner->answer_size, from, size);
    inner->answer_size += size;
    return true;
}

static void forget_answer(struct inner *inner)
{
    free(inner->answer);
    inner->answer = NULL;
    inner->answer_size = inner->answer_capacity = 0;
}

static int32_t fail(struct inner *inner, enum compartment_error error, const char *text)
{
    forget_answer(inner);
    (void)append_answer(inner, text, strlen(text)); /* without memory there is no text */
    return -(int32_t)error;
}

size_t inner_read(struct invocation *run, uint8_t *to, size_t capacity)
{
    struct inner *inner = run->inner;
    if (!inner)
        return 0;
    size_t size = inner->answer_size < capacity ? inner->answer_size : capacity;
    if (size)
        memcpy(to, inner->answer, size);
    forget_answer(inner);
    return size;
}

int inner_write(struct invocation *run, const uint8_t *from, size_t size, bool last)
{
    if (run->stop != TFAAS_OK)
        return -1;
    if (run->response_ended)
        run->stop = TFAAS_BAD_RESPONSE;
    else if (size > run->response_limit - run->response_sent)
        run->stop = TFAAS_OUTPUT_LIMIT;
    else if (!append_answer(run->caller->inner, from, size))
        run->stop = TFAAS_UNAVAILABLE;
    if (run->stop != TFAAS_OK)
        return -1;
    run->response_started = true;
    run->response_sent += size;
    run->response_ended = last;
    return 0;
}

size_t inner_log_prefix(const struct invocation *run, char *to, size_t room)
{
    const struct task *task = (const struct task *)run;
    if (!run->caller || !task->function || !task->function->compartment)
        return 0;
    int size = snprintf(to, room, "[compartment %s] ", task->function->compartment->name);
    return size > 0 && (size_t)size < room ? (size_t)size : 0;
}

/* --- work --- */

static uint64_t work_of(struct task *task)
{
    return task->run.work + (task->instance.store ? engine_work(&task->instance) : 0);
}

/* A loop that calls nothing is not counted until it does (docs/metering.md): time stops it. */
bool inner_count_work(struct invocation *run)
{
    struct task *task = task_of(run);
    uint64_t limit = run->work_limit;
    uint64_t ns = limit > (UINT64_MAX - COMPARTMENT_NS_OVER) / COMPARTMENT_NS_PER_WORK
                      ? UINT64_MAX
                      : limit * COMPARTMENT_NS_PER_WORK + COMPARTMENT_NS_OVER;
    if (work_of(task) - run->work_charged <= limit && task->cpu_ns <= ns)
        return false;
    run->over_work = true;
    if (run->stop == TFAAS_OK)
        run->stop = TFAAS_CANCELLED;
    return true;
}

/* What the compartment may use in its next call: its own limit, and what its caller has left. */
static uint64_t work_left(struct task *caller, const struct compartment *compartment,
                          uint64_t spent)
{
    uint64_t left = compartment->work > spent ? compartment->work - spent : 0;
    const struct invocation *run = &caller->run;
    if (run->work_limit > 0) {
        uint64_t used = work_of(caller) - run->work_charged;
        uint64_t own = run->work_limit > used ? run->work_limit - used : 0;
        left = own < left ? own : left;
    }
    return left;
}

/* --- one task in another --- */

static void stop_child(struct task *child, tfaas_status_t status)
{
    if (child->diverted) { /* its stack is inside Wasm: the scheduler drops it */
        if (child->run.stop == TFAAS_OK)
            child->run.stop = status;
    } else {
        sched_stop(child, status);
    }
}

/* Until the child is idle, whatever happens to its caller: then it takes the child along. */
static void wait_for(struct task *caller, struct task *child)
{
    struct inner *inner = caller->run.inner;
    inner->child = child;
    while (child->state != TASK_IDLE) {
        if (caller->run.stop != TFAAS_OK)
            stop_child(child, caller->run.stop);
        sched_wait(caller, TASK_WAIT_INNER);
    }
    inner->child = NULL;
}

void inner_ended(struct task *child)
{
    struct task *caller = task_of(child->run.caller);
    sched_idle(child);
    if (caller->state == TASK_WAIT_INNER)
        sched_ready(caller);
}

static void drop_child(struct task *child)
{
    if (child->instance.store)
        invoke_tear_down(child);
    invoke_finish(child);
    sched_free(child);
}

static struct task *new_child(struct task *caller, struct compartment *compartment)
{
    struct task *child = sched_task_new(TASKS_INNER);
    if (!child)
        return NULL;
    child->run.id = inner_outermost(&caller->run)->id;
    child->run.caller = &caller->run;
    child->run.realtime_ns = caller->run.realtime_ns;
    child->deadline_ns = caller->deadline_ns;
    invoke_set_function(child, &compartment->loaded);
    return child;
}

/* --- opening --- */

static void load_body_run(struct task *child)
{
    if (child->run.stop != TFAAS_OK)
        child->status = child->run.stop;
    else
        invoke_load_body(child);
}

/* Compiling wants the first stack. A failure is in the compartment's state. */
static void prepare(struct task *caller, struct compartment *compartment)
{
    struct inner *inner = caller->run.inner;
    struct loaded *loaded = &compartment->loaded;
    char why[512] = "";
    struct task *child = NULL;
    tfaas_status_t status = loaded_attach(loaded, why, sizeof why);
    if (status == TFAAS_OK && loaded->function.kind != FUNCTION_REACTOR) {
        status = TFAAS_BAD_MODULE;
        (void)snprintf(why, sizeof why, "a compartment's module exports tfaas_handle");
    }
    if (status == TFAAS_OK && !(child = new_child(caller, compartment)))
        status = TFAAS_BUSY;
    if (status == TFAAS_OK) {
        loaded->state = LOADED_LOADING;
        child->run.loading = true;
        child->run.in.ended = true;
        inner->child = child;
        sched_start(child, load_body_run);
        return;
    }
    loaded->failure = status;
    loaded->why = strdup(why[0] ? why : tfaas_status_text(status));
    loaded->state = LOADED_FAILED;
    sched_ready(caller);
}

void inner_waiting(struct task *task)
{
    struct inner *inner = task->run.inner;
    struct compartment *opening = inner->opening;
    inner->opening = NULL;
    if (opening)
        prepare(task, opening);
}

static void free_compartment(struct compartment *compartment)
{
    free(compartment->text);
    loaded_destroy(&compartment->loaded);
}

void inner_free(struct loaded *loaded)
{
    while (loaded->inside_count > 0)
        free_compartment(loaded->inside[--loaded->inside_count]);
}

/* A failed one leaves no trace but its error. */
static int32_t open_failed(struct invocation *run, struct compartment *compartment, const char *why)
{
    char text[640];
    (void)snprintf(text, sizeof text, "compartment %s: %s", compartment->name, why);
    struct loaded *owner = compartment->owner;
    owner->inside_count--;
    function_of(owner)->inside_total--;
    free_compartment(compartment);
    return fail(run->inner, COMPARTMENT_REFUSED, text);
}

/* Its modules run; what they leave is the image. */
static int32_t load(struct invocation *run, struct compartment *compartment)
{
    struct task *task = task_of(run);
    struct inner *inner = run->inner;
    struct loaded *loaded = &compartment->loaded;
    inner->opening = compartment;
    sched_wait(task, TASK_WAIT_INNER);
    struct task *child = inner->child;
    if (child) {
        wait_for(task, child);
        tfaas_status_t status = child->status;
        run->work += loaded->load_work > 0 ? loaded->load_work : child->run.work;
        loaded->state = status == TFAAS_OK ? LOADED_READY : LOADED_FAILED;
        if (status != TFAAS_OK)
            loaded->why = strdup(tfaas_status_text(status));
        drop_child(child);
    }
    if (loaded->state == LOADED_READY)
        return 0;
    char *why = loaded->why;
    loaded->why = NULL;
    int32_t result = open_failed(run, compartment, why ? why : "no memory");
    free(why);
    return result;
}

static int32_t find_open(const struct loaded *owner, const uint8_t *text, size_t size)
{
    for (uint32_t i = 0; i < owner->inside_count; i++) {
        const struct compartment *each = owner->inside[i];
        if (each->text_size == size && memcmp(each->text, text, size) == 0)
            return (int32_t)i;
    }
    return -1;
}

int32_t inner_open(struct invocation *run, const uint8_t *text, size_t size)
{
    struct loaded *owner = task_of(run)->function;
    struct inner *inner = inner_of(run);
    if (!inner)
        return -COMPARTMENT_UNAVAILABLE;
    int32_t handle = find_open(owner, text, size);
    if (handle >= 0)
        return handle;
    if (!run->loading)
        return fail(inner, COMPARTMENT_LATE, "a compartment is opened while the modules load");
    uint32_t depth = owner->compartment ? owner->compartment->depth + 1 : 1;
    struct loaded *function = function_of(owner);
    if (depth > COMPARTMENT_DEPTH_MAX || function->inside_total == COMPARTMENTS_MAX)
        return fail(inner, COMPARTMENT_TOO_MANY,
                    "a function has at most 8 compartments, at most 4 inside each other");
    struct compartment *compartment = calloc(1, sizeof *compartment);
    if (!compartment)
        return fail(inner, COMPARTMENT_UNAVAILABLE, "no memory");
    compartment->owner = owner;
    compartment->depth = depth;
    compartment->loaded.compartment = compartment;
    compartment->loaded.function.is_compartment = true;
    TAILQ_INIT(&compartment->loaded.idle);
    owner->inside[owner->inside_count++] = compartment;
    function->inside_total++;
    char why[256] = "";
    if (!inner_text_read(compartment, text, size, why, sizeof why))
        return open_failed(run, compartment, why);
    handle = (int32_t)owner->inside_count - 1;
    int32_t result = load(run, compartment);
    return result < 0 ? result : handle;
}

/* --- calling --- */

static void call_body_run(struct task *child)
{
    char why[256] = "";
    child->text_size = 0;
    if (child->run.stop != TFAAS_OK)
        child->status = child->run.stop;
    else
        child->status =
            invoke_inner(child, &inner_outermost(&child->run)->inner->share, why, sizeof why);
    if (child->status == TFAAS_OK && inner_over_work(&child->run))
        child->status = child->run.stop;
    if (child->status != TFAAS_OK) {
        const char *text = tfaas_status_text(child->status);
        bool says_more = why[0] && strcmp(why, text) != 0;
        int size = snprintf(child->text, sizeof child->text, "%s%s%s", text, says_more ? ": " : "",
                            says_more ? why : "");
        child->text_size = size > 0 ? (size_t)size : 0;
    }
}

static enum compartment_error error_of(const struct task *child)
{
    if (child->run.over_work)
        return COMPARTMENT_WORK;
    switch (child->status) {
    case TFAAS_MEMORY_LIMIT:
        return COMPARTMENT_MEMORY;
    case TFAAS_DEADLINE:
        return COMPARTMENT_DEADLINE;
    case TFAAS_OUTPUT_LIMIT:
        return COMPARTMENT_TOO_LARGE;
    case TFAAS_HOSTCALL_LIMIT:
        return COMPARTMENT_HOSTCALLS;
    case TFAAS_UNAVAILABLE:
    case TFAAS_NO_SPACE:
        return COMPARTMENT_UNAVAILABLE;
    default:
        return COMPARTMENT_TRAPPED;
    }
}

/* Everything about a call that is not left from the one before. */
static bool begin(struct task *child, struct task *caller, const struct compartment *compartment,
                  const uint8_t *request, size_t size, uint64_t work)
{
    struct invocation *run = &child->run, *outermost = inner_outermost(run);
    struct inbox *in = &run->in;
    free(in->data);
    *in = (struct inbox){.ended = true};
    if (!invoke_append(in, request, size))
        return false;
    run->stop = TFAAS_OK;
    run->exited = run->over_work = false;
    run->response_started = run->response_ended = false;
    run->response_sent = 0;
    run->response_limit = COMPARTMENT_MESSAGE_MAX;
    run->hostcalls = 0;
    run->hostcall_limit = (caller->run.hostcall_limit - caller->run.hostcalls) / 2;
    run->log_sent = outermost->log_sent;
    run->log_limit = compartment->may_log ? outermost->log_limit : 0;
    run->realtime_ns = caller->run.realtime_ns;
    run->work_limit = work;
    child->cpu_ns = 0;
    child->deadline_ns = caller->deadline_ns;
    uint64_t now = plat_now_ns();
    if (compartment->timeout_ns > 0 && now + compartment->timeout_ns < child->deadline_ns)
        child->deadline_ns = now + compartment->timeout_ns;
    return true;
}

/* What it used is its caller's. */
static void charge(struct task *caller, struct task *child, uint64_t *spent)
{
    uint64_t total = work_of(child), more = total - child->run.work_charged;
    child->run.work_charged = total;
    *spent += more;
    caller->run.work += more;
    caller->run.hostcalls += child->run.hostcalls;
    caller->run.realtime_ns = child->run.realtime_ns;
    caller->cpu_ns += child->cpu_ns;
    if (child->run.log_limit > 0)
        inner_outermost(&caller->run)->log_sent = child->run.log_sent;
}

static bool share_memory(struct task *caller)
{
    struct invocation *outermost = inner_outermost(&caller->run);
    struct task *task = task_of(outermost);
    struct inner *inner = inner_of(outermost);
    if (!inner)
        return false;
    if (!inner->share.limit) {
        inner->share.limit = outermost->function->bundle.memory_limit;
        return memory_share_join(task->slot, &inner->share);
    }
    return true;
}

int32_t inner_call(struct invocation *run, uint32_t handle, const uint8_t *request, size_t size)
{
    struct task *task = task_of(run);
    struct loaded *owner = task->function;
    struct inner *inner = inner_of(run);
    if (!inner || !share_memory(task))
        return -COMPARTMENT_UNAVAILABLE;
    if (handle >= owner->inside_count || inner->closed[handle] ||
        owner->inside[handle]->loaded.state != LOADED_READY)
        return fail(inner, COMPARTMENT_CLOSED, "the compartment is closed");
    if (size > COMPARTMENT_MESSAGE_MAX)
        return fail(inner, COMPARTMENT_TOO_LARGE, "the request is larger than a compartment takes");
    struct compartment *compartment = owner->inside[handle];
    uint64_t work = work_left(task, compartment, inner->spent[handle]);
    if (work == 0)
        return fail(inner, COMPARTMENT_WORK, "work limit reached");
    struct task *child = inner->task[handle];
    if (!child && !(child = new_child(task, compartment)))
        return fail(inner, COMPARTMENT_BUSY, "too many compartments run in this core");
    inner->task[handle] = child;
    if (!begin(child, task, compartment, request, size, work)) {
        sched_idle(child);
        return fail(inner, COMPARTMENT_UNAVAILABLE, "no memory");
    }
    forget_answer(inner);
    if (!run->caller)
        invoke_release_held(task); /* what went before shall not wait for this */
    sched_start(child, call_body_run);
    wait_for(task, child);
    charge(task, child, &inner->spent[handle]);
    if (child->status == TFAAS_OK)
        return (int32_t)inner->answer_size;
    enum compartment_error error = error_of(child);
    child->text[child->text_size < LOAD_TEXT_MAX ? child->text_size : LOAD_TEXT_MAX - 1] = '\0';
    const char *text = error == COMPARTMENT_WORK ? "work limit reached"
                       : child->text_size > 0    ? child->text
                                                 : tfaas_status_text(child->status);
    int32_t result = fail(inner, error, text);
    inner->task[handle] = NULL;
    drop_child(child);
    return result;
}

int32_t inner_close(struct invocation *run, uint32_t handle)
{
    struct inner *inner = inner_of(run);
    if (!inner)
        return -COMPARTMENT_UNAVAILABLE;
    if (handle >= task_of(run)->function->inside_count || inner->closed[handle])
        return fail(inner, COMPARTMENT_CLOSED, "the compartment is closed");
    inner->closed[handle] = true;
    if (inner->task[handle])
        drop_child(inner->task[handle]);
    inner->task[handle] = NULL;
    return 0;
}

void inner_end(struct invocation *run)
{
    struct inner *inner = run->inner;
    if (!inner)
        return;
    for (uint32_t i = 0; i < COMPARTMENTS_MAX; i++) {
        if (inner->task[i])
            drop_child(inner->task[i]);
    }
    if (inner->share.peak > run->peak)
        run->peak = inner->share.peak;
    struct memory_slot *slot = task_of(run)->slot;
    if (slot && slot->share == &inner->share)
        memory_share_leave(slot);
    forget_answer(inner);
    run->inner = NULL;
    free(inner);
}
