/* invoke.c - see invoke.h. Bodies run on task stacks (scheduler.h); message handlers on the core's
 * first stack. A run's memory is always given back through loaded_give_slot, which makes it
 * pristine. */
#include "invoke.h"

#include "confidential.h"
#include "core_clock.h"
#include "inner.h"
#include "invoke_log.h"
#include "message.h"
#include "random.h"
#include "sealed_call.h"
#include "wasi.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_DEADLINE_NS 10000000000ull
#define HELD_MAX         (16u * 1024) /* a last piece up to this size travels with END */
#define WORK_BASE        100u         /* units charged for setting an instance up */

static uint64_t realtime_ns;

void invoke_clock(uint64_t now)
{
    realtime_ns = now;
    core_clock_told(now);
}

/* --- host calls of invocation.h --- */

static struct task *task_of(struct invocation *run)
{
    return (struct task *)run;
}

void invoke_send_credit(struct task *task, const struct inbox *in)
{
    struct tfaas_slot slot = {
        .kind = TFAAS_BODY, .flags = TFAAS_CREDIT, .id = task->run.id, .arg = {in->credited}};
    if (message_send(task, &slot, NULL, 0) == TFAAS_OK)
        message_flush();
}

void invoke_grant_credit(struct task *task, struct inbox *in)
{
    uint64_t consumed = in->received - in->size;
    if (in->ended || consumed + TFAAS_STREAM_WINDOW / 2 < in->credited)
        return;
    in->credited = consumed + TFAAS_STREAM_WINDOW;
    invoke_send_credit(task, in);
}

/* Waits for more of the request. False: the run must stop. */
static bool await_input(struct task *task)
{
    if (task->sealed) {
        tfaas_status_t status = sealed_pull(task);
        if (status != TFAAS_OK && task->run.stop == TFAAS_OK)
            task->run.stop = status;
        return status == TFAAS_OK;
    }
    invoke_release_held(task); /* the rest of the request may wait for the answer */
    return sched_block(task, TASK_WAIT_INPUT);
}

int64_t invocation_read(struct invocation *run, uint8_t *to, size_t capacity)
{
    struct inbox *in = &run->in;
    while (in->size == 0) {
        if (run->stop != TFAAS_OK)
            return -1;
        if (in->ended || capacity == 0)
            return 0;
        if (!await_input(task_of(run)))
            return -1;
    }
    size_t size = in->size < capacity ? in->size : capacity;
    memcpy(to, in->data + in->start, size);
    in->start += size;
    in->size -= size;
    if (in->size == 0)
        in->start = 0;
    if (!task_of(run)->sealed) /* whose credit counts what is sealed */
        invoke_grant_credit(task_of(run), in);
    return (int64_t)size;
}

int invoke_send(struct task *task, const uint8_t *from, size_t size, bool last)
{
    struct invocation *run = &task->run;
    while (run->response_sent + size > run->response_credit) {
        message_flush();
        if (!sched_block(task, TASK_WAIT_CREDIT))
            return -1;
    }
    struct tfaas_slot slot = {.kind = run->response_sent > 0 ? TFAAS_BODY : TFAAS_RESPONSE,
                              .flags = last ? TFAAS_LAST : 0,
                              .id = run->id};
    if (message_send(task, &slot, from, size) != TFAAS_OK)
        return -1;
    run->response_started = true;
    run->response_sent += size;
    run->response_ended |= last;
    return 0;
}

void invoke_release_held(struct task *task)
{
    if (task->sealed) {
        sealed_release(task);
        return;
    }
    uint8_t *held = task->held;
    if (!held)
        return;
    size_t size = task->held_size;
    task->held = NULL;
    task->held_size = 0;
    (void)invoke_send(task, held, size, true);
    free(held);
    message_flush();
}

int invocation_write(struct invocation *run, const uint8_t *from, size_t size, bool last)
{
    struct task *task = task_of(run);
    if (run->caller)
        return inner_write(run, from, size, last);
    if (task->sealed)
        return sealed_write(task, from, size, last);
    if (run->stop != TFAAS_OK)
        return -1;
    if (run->response_ended || task->held) {
        run->stop = TFAAS_BAD_RESPONSE;
        return -1;
    }
    if (size > run->response_limit - run->response_sent) {
        run->stop = TFAAS_OUTPUT_LIMIT;
        return -1;
    }
    if (last && size <= HELD_MAX && run->response_sent + size <= run->response_credit) {
        task->held = malloc(size ? size : 1);
        if (task->held) {
            run->response_started = true;
            if (size)
                memcpy(task->held, from, size);
            task->held_size = size;
            return 0;
        }
    }
    do {
        size_t piece = size < TFAAS_PAYLOAD_MAX ? size : TFAAS_PAYLOAD_MAX;
        if (invoke_send(task, from, piece, last && piece == size) != 0)
            return -1;
        from += piece;
        size -= piece;
    } while (size > 0);
    message_flush();
    return 0;
}

int invocation_sleep(struct invocation *run, int64_t ns)
{
    struct task *task = task_of(run);
    invoke_release_held(task);
    if (run->stop != TFAAS_OK)
        return -1;
    if (ns == 0)
        return sched_block(task, TASK_READY) ? 0 : -1;
    uint64_t from = plat_now_ns();
    task->wake_ns = ns < 0 || (uint64_t)ns > UINT64_MAX - from ? UINT64_MAX : from + (uint64_t)ns;
    if (!sched_block(task, TASK_SLEEP))
        return -1;
    run->realtime_ns += plat_now_ns() - from;
    return 0;
}

void invocation_random(struct invocation *run, uint8_t *to, size_t size)
{
    (void)run;
    random_bytes(to, size);
}

/* --- one run --- */

/* Calls `entry` where the function has it; a non-zero result is a failure of the function. */
static tfaas_status_t call_entry(struct task *task, enum engine_entry entry, char *why,
                                 size_t why_size)
{
    int32_t result = 0;
    why[0] = '\0';
    tfaas_status_t status = engine_call(&task->instance, entry, &result, why, why_size);
    if (status == TFAAS_NOT_FOUND)
        return TFAAS_OK;
    if (task->run.stop != TFAAS_OK) {
        (void)snprintf(why, why_size, "%s", tfaas_status_text(task->run.stop));
        return task->run.stop;
    }
    if (task->run.exited) {
        if (task->run.exit_code == 0)
            return TFAAS_OK;
        (void)snprintf(why, why_size, "exit code %u", task->run.exit_code);
        status = TFAAS_FUNCTION_FAILED;
    } else if (status == TFAAS_OK && result != 0) {
        (void)snprintf(why, why_size, "%d returned", result);
        status = TFAAS_FUNCTION_FAILED;
    }
    if (status != TFAAS_OK && task->slot->refused) {
        (void)snprintf(why, why_size, "memory limit reached (%zu bytes)", task->slot->image->limit);
        status = TFAAS_MEMORY_LIMIT;
    }
    return status;
}

static tfaas_status_t initialise(struct task *task, char *why, size_t why_size)
{
    static const enum engine_entry order[] = {ENTRY_START, ENTRY_INITIALIZE, ENTRY_INIT,
                                              ENTRY_LOAD};
    tfaas_status_t status = TFAAS_OK;
    const struct loaded *loaded = task->function;
    bool is_command = loaded->function.kind == FUNCTION_COMMAND;
    for (size_t i = 0; i < sizeof order / sizeof *order && status == TFAAS_OK; i++) {
        /* A runtime's own start is in its base image already. */
        bool wanted =
            loaded->owns_module ? !is_command || order[i] == ENTRY_START : order[i] == ENTRY_LOAD;
        if (wanted)
            status = call_entry(task, order[i], why, why_size);
    }
    return status;
}

static tfaas_status_t run_command(struct task *task, char *why, size_t why_size)
{
    struct invocation *run = &task->run;
    tfaas_status_t status = wasi_command_begin(run);
    if (status != TFAAS_OK) {
        (void)snprintf(why, why_size, "the request head could not be read");
        return run->stop != TFAAS_OK ? run->stop : status;
    }
    status = call_entry(task, ENTRY_COMMAND, why, why_size);
    if (status == TFAAS_OK || (run->exited && status == TFAAS_FUNCTION_FAILED)) {
        run->exited = false;
        wasi_command_end(run);
        if (run->stop != TFAAS_OK)
            status = run->stop;
    }
    return status;
}

static tfaas_status_t run_reactor(struct task *task, char *why, size_t why_size)
{
    tfaas_status_t status = call_entry(task, ENTRY_HANDLE, why, why_size);
    if (status != TFAAS_OK || task->held || task->run.response_ended)
        return status;
    if (!task->run.response_started) {
        (void)snprintf(why, why_size, "the handler returned without a response");
        return TFAAS_FUNCTION_FAILED;
    }
    if (task->sealed) /* which ends when the run is over */
        return TFAAS_OK;
    return invoke_send(task, NULL, 0, true) == 0 ? TFAAS_OK : task->run.stop;
}

static tfaas_status_t set_up(struct task *task, struct memory_slot *slot, char *why,
                             size_t why_size)
{
    struct loaded *loaded = task->function;
    task->slot = slot;
    if (!memory_slot_claim(slot, loaded->table_bytes)) {
        (void)snprintf(why, why_size, "the core has no memory for another run now");
        return TFAAS_UNAVAILABLE;
    }
    memory_set_current(slot);
    tfaas_status_t status =
        engine_instantiate(loaded->module, slot, &task->run, &task->instance, why, why_size);
    if (status != TFAAS_OK)
        return status;
    engine_code(loaded->module, &task->code_start, &task->code_end);
    /* A tick that fell into what came before found no code to stop and was not repeated. */
    plat_tick_arm(QUANTUM_NS);
    if (!engine_globals_set(&task->instance, loaded->globals, loaded->global_count))
        return TFAAS_INTERNAL;
    return TFAAS_OK;
}

void invoke_tear_down(struct task *task)
{
    inner_end(&task->run);
    task->code_start = task->code_end = 0;
    if (task->instance.store) {
        task->run.work += engine_work(&task->instance);
        engine_instance_free(&task->instance);
    }
    if (task->slot) {
        if (task->slot->peak > task->run.peak)
            task->run.peak = task->slot->peak;
        struct memory_slot *slot = task->slot;
        task->slot = NULL;
        task->restored_pages = loaded_give_slot(task->function, slot);
        memory_set_current(NULL);
    }
}

tfaas_status_t invoke_wait_loaded(struct task *task)
{
    struct loaded *loaded = task->function;
    while (loaded->state == LOADED_RECEIVING || loaded->state == LOADED_LOADING) {
        if (!sched_block(task, TASK_WAIT_FUNCTION))
            return task->run.stop;
    }
    return loaded->state == LOADED_READY ? TFAAS_OK : loaded->failure;
}

void invoke_set_function(struct task *task, struct loaded *loaded)
{
    task->function = loaded;
    task->run.function = &loaded->function;
    loaded->function.running++;
}

/* From a free memory to a restored one. */
static tfaas_status_t run_function(struct task *task)
{
    struct invocation *run = &task->run;
    struct loaded *loaded = task->function;
    char why[256] = "";
    run->response_limit = loaded->function.bundle.response_limit;
    run->log_limit = loaded->function.bundle.log_limit;
    run->hostcall_limit = loaded->function.bundle.hostcall_limit;
    struct memory_slot *slot = loaded_take_slot(loaded);
    if (!slot)
        return TFAAS_UNAVAILABLE;
    tfaas_status_t status = set_up(task, slot, why, sizeof why);
    if (status == TFAAS_OK && loaded->init_each_run)
        status = initialise(task, why, sizeof why);
    if (status == TFAAS_OK)
        status = loaded->function.kind == FUNCTION_COMMAND ? run_command(task, why, sizeof why)
                                                           : run_reactor(task, why, sizeof why);
    invoke_tear_down(task);
    if (status != TFAAS_OK && status != TFAAS_CANCELLED)
        invoke_log_say(task, tfaas_status_text(status), why[0] ? why : "no further detail");
    invoke_log_flush(run);
    return status;
}

tfaas_status_t invoke_inner(struct task *task, struct memory_share *share, char *why,
                            size_t why_size)
{
    struct loaded *loaded = task->function;
    tfaas_status_t status = TFAAS_OK;
    if (!task->instance.store) {
        struct memory_slot *slot = loaded_take_slot(loaded);
        if (!slot)
            return TFAAS_UNAVAILABLE;
        task->run.work += WORK_BASE;
        status = set_up(task, slot, why, why_size);
        if (status == TFAAS_OK && !memory_share_join(slot, share)) {
            (void)snprintf(why, why_size, "the function's limit leaves no memory for it");
            status = TFAAS_MEMORY_LIMIT;
        }
        if (status == TFAAS_OK && loaded->init_each_run)
            status = initialise(task, why, why_size);
    }
    if (status == TFAAS_OK)
        status = call_entry(task, ENTRY_HANDLE, why, why_size);
    if (status == TFAAS_OK && !task->run.response_started) {
        (void)snprintf(why, why_size, "it gave no answer");
        status = TFAAS_FUNCTION_FAILED;
    }
    invoke_log_flush(&task->run);
    if (status != TFAAS_OK)
        invoke_tear_down(task);
    return status;
}

static void invoke_body_run(struct task *task)
{
    tfaas_status_t status = invoke_wait_loaded(task);
    if (status == TFAAS_OK && task->function->function.encapsulated_only)
        status = TFAAS_ENCAPSULATION_REQUIRED;
    task->status = task->outcome = status == TFAAS_OK ? run_function(task) : status;
}

static void sealed_body_run(struct task *task)
{
    tfaas_status_t status = sealed_begin(task);
    if (status == TFAAS_OK)
        status = invoke_wait_loaded(task);
    if (status == TFAAS_OK)
        status = sealed_check_package(task);
    if (status == TFAAS_OK)
        status = run_function(task);
    sealed_finish(task, status);
}

static void finish_body_run(struct task *task)
{
    sealed_finish(task, task->status);
}

bool invoke_resume_finish(struct task *task)
{
    if (!task->context && !(task->context = plat_context_new()))
        return false;
    sched_start(task, finish_body_run);
    return true;
}

bool invoke_append(struct inbox *in, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return true;
    if (in->start + in->size + size > in->capacity) {
        size_t capacity = in->size + size;
        uint8_t *data = malloc(capacity);
        if (!data)
            return false;
        if (in->size)
            memcpy(data, in->data + in->start, in->size);
        free(in->data);
        in->data = data;
        in->start = 0;
        in->capacity = capacity;
    }
    memcpy(in->data + in->start + in->size, bytes, size);
    in->size += size;
    in->received += size;
    return true;
}

/* Refusals that found no room in the ring: the host may be busy elsewhere for a moment. */
static struct refusal {
    uint32_t id;
    tfaas_status_t status;
} refusals[TFAAS_INFLIGHT_MAX];
static unsigned refusal_count;

static bool send_refusal(const struct refusal *refusal)
{
    struct tfaas_slot slot = {
        .kind = TFAAS_METER, .flags = TFAAS_END, .id = refusal->id, .arg = {refusal->status}};
    return message_send(NULL, &slot, NULL, 0) == TFAAS_OK;
}

static void refuse(uint32_t id, tfaas_status_t status)
{
    struct refusal refusal = {id, status};
    if (refusal_count == 0 && send_refusal(&refusal)) {
        message_flush();
        return;
    }
    if (refusal_count == TFAAS_INFLIGHT_MAX)
        message_fault("the host sends more invocations than may be in flight, and reads nothing");
    refusals[refusal_count++] = refusal;
}

void invoke_retry(void)
{
    unsigned sent = 0;
    while (sent < refusal_count && send_refusal(&refusals[sent]))
        sent++;
    if (sent == 0)
        return;
    refusal_count -= sent;
    memmove(refusals, refusals + sent, refusal_count * sizeof *refusals);
    message_flush();
}

/* The function, or NULL where a sealed call leaves it open. False: refused. */
static bool find_function(const struct tfaas_slot *slot, struct loaded **loaded)
{
    *loaded = NULL;
    if (slot->arg[0] == TFAAS_FUNCTION_ANY)
        return true;
    *loaded = loaded_find((uint32_t)slot->arg[0]);
    if (*loaded && !(*loaded)->function.unloading)
        return true;
    refuse(slot->id, TFAAS_NOT_FOUND);
    return false;
}

tfaas_status_t invoke_start(const struct tfaas_slot *slot, const uint8_t *payload)
{
    uint64_t function_id = slot->arg[0], deadline_ns = slot->arg[1], sealing = slot->arg[3];
    bool is_sealed = (slot->flags & TFAAS_SEALED) != 0;
    if (sched_task_find(slot->id) ||
        (function_id >= TFAAS_FUNCTIONS_MAX && !(is_sealed && function_id == TFAAS_FUNCTION_ANY)) ||
        (is_sealed && (sealing < TFAAS_SEALING_OHTTP || sealing >= TFAAS_SEALING_COUNT)))
        return TFAAS_PEER_DEAD;
    invoke_clock(slot->arg[2]);
    struct loaded *loaded;
    if (!find_function(slot, &loaded))
        return TFAAS_OK;
    struct task *task = sched_task_new(TASKS_CALLS);
    if (!task) {
        refuse(slot->id, TFAAS_BUSY);
        return TFAAS_OK;
    }
    struct invocation *run = &task->run;
    struct inbox *in = &run->in;
    if (is_sealed) {
        if (!(task->sealed = sealed_new((enum tfaas_sealing)sealing))) {
            refuse(slot->id, TFAAS_UNAVAILABLE);
            return TFAAS_OK;
        }
        in = sealed_wire(task->sealed);
    }
    run->id = slot->id;
    run->realtime_ns = realtime_ns;
    run->work = WORK_BASE;
    run->response_credit = in->credited = TFAAS_STREAM_WINDOW;
    in->ended = (slot->flags & TFAAS_LAST) != 0;
    if (!invoke_append(in, payload, slot->size)) {
        sealed_free(task->sealed);
        refuse(slot->id, TFAAS_UNAVAILABLE);
        return TFAAS_OK;
    }
    if (loaded)
        invoke_set_function(task, loaded);
    uint64_t now = plat_now_ns();
    task->deadline_ns = deadline_ns > UINT64_MAX - now ? UINT64_MAX : now + deadline_ns;
    sched_start(task, is_sealed ? sealed_body_run : invoke_body_run);
    return TFAAS_OK;
}

tfaas_status_t invoke_body(const struct tfaas_slot *slot, const uint8_t *payload)
{
    struct task *task = sched_task_find(slot->id);
    if (!task || task->state == TASK_ENDED)
        return TFAAS_OK; /* it ended while this was on its way */
    struct invocation *run = &task->run;
    if (slot->flags & TFAAS_CREDIT) {
        if (slot->arg[0] > run->response_credit)
            run->response_credit = slot->arg[0];
        if (task->state == TASK_WAIT_CREDIT)
            sched_ready(task);
        return TFAAS_OK;
    }
    struct inbox *in = task->sealed ? sealed_wire(task->sealed) : &run->in;
    if (in->ended || in->received + slot->size > in->credited)
        return TFAAS_PEER_DEAD;
    if (!invoke_append(in, payload, slot->size)) {
        sched_stop(task, TFAAS_UNAVAILABLE);
        return TFAAS_OK;
    }
    in->ended = (slot->flags & TFAAS_LAST) != 0;
    if (task->state == TASK_WAIT_INPUT)
        sched_ready(task);
    return TFAAS_OK;
}

void invoke_cancel(uint32_t id)
{
    struct task *task = sched_task_find(id);
    if (!task || task->state == TASK_ENDED)
        return;
    task->run.cancelled = true;
    sched_stop(task, TFAAS_CANCELLED);
}

void invoke_finish(struct task *task)
{
    struct invocation *run = &task->run;
    inner_end(run);
    wasi_end(run);
    if (task->sealed && run->in.data)
        sodium_memzero(run->in.data, run->in.capacity);
    free(run->in.data);
    free(run->out);
    free(run->log);
    free(run->head_bytes);
    if (!task->held_borrowed)
        free(task->held);
    task->held = NULL;
    sealed_free(task->sealed);
    task->sealed = NULL;
    run->in.data = run->out = run->log = run->head_bytes = NULL;
    if (task->function) {
        task->function->function.running--;
        loaded_release(task->function);
        task->function = NULL;
    }
}

/* --- the run that makes the image --- */

/* Keeps what the run changed: memory becomes the image, changed globals are remembered. */
static tfaas_status_t take_image(struct task *task, char *why, size_t why_size)
{
    struct loaded *loaded = task->function;
    struct memory_image image;
    tfaas_status_t status = memory_image_take(&image, task->slot);
    if (status != TFAAS_OK) {
        (void)snprintf(why, why_size, "no memory for the image");
        return status;
    }
    /* A fresh instance runs nothing and has no data segments: it leaves the memory as it is. */
    struct engine_instance loaded_instance = task->instance, fresh = {0};
    bool ok = engine_instantiate(loaded->module, task->slot, &task->run, &fresh, why, why_size) ==
              TFAAS_OK;
    uint32_t count = loaded->mutable_global_count;
    if (ok && count > GLOBALS_KEPT_MAX) {
        (void)snprintf(why, why_size, "%u mutable globals, at most %u can be kept", count,
                       GLOBALS_KEPT_MAX);
        status = TFAAS_BAD_MODULE;
    } else if (!ok || !engine_globals_changed(&fresh, &loaded_instance, loaded->mutable_globals,
                                              count, loaded->globals, &loaded->global_count)) {
        status = TFAAS_INTERNAL;
    }
    engine_instance_free(&fresh);
    if (status != TFAAS_OK) {
        memory_image_destroy(&image);
        return status;
    }
    struct memory_slot *old = task->slot;
    engine_instance_free(&task->instance);
    task->slot = NULL;
    memory_set_current(NULL);
    loaded_keep_image(loaded, &image, old);
    return TFAAS_OK;
}

/* The sealed code the host asked for, in pieces, as the ring has room. */
static tfaas_status_t send_cache(struct task *task)
{
    struct loaded *loaded = task->function;
    for (size_t at = 0; at < loaded->cache_size;) {
        size_t left = loaded->cache_size - at;
        size_t piece = left < TFAAS_PAYLOAD_MAX ? left : TFAAS_PAYLOAD_MAX;
        struct tfaas_slot slot = {
            .kind = TFAAS_CACHE, .id = loaded->function.id, .arg = {loaded->cache_size, at}};
        if (message_send(task, &slot, loaded->cache + at, piece) != TFAAS_OK)
            return task->run.stop;
        at += piece;
    }
    free(loaded->cache);
    loaded->cache = NULL;
    loaded->cache_size = 0;
    message_flush();
    return TFAAS_OK;
}

void invoke_load_body(struct task *task)
{
    struct loaded *loaded = task->function;
    char why[400] = "";
    task->run.log_limit = LOAD_TEXT_MAX;
    task->run.hostcall_limit = loaded->function.bundle.hostcall_limit;
    tfaas_status_t status = loaded->cache ? send_cache(task) : TFAAS_OK;
    struct memory_slot *slot = status == TFAAS_OK ? loaded_take_slot(loaded) : NULL;
    if (slot) {
        if (!loaded->image.lent) /* all of it is copied: nothing to track */
            memory_slot_open(slot);
        status = set_up(task, slot, why, sizeof why);
    } else if (status == TFAAS_OK) {
        (void)snprintf(why, sizeof why, "no memory for the image's first run");
        status = TFAAS_NO_SPACE;
    }
    if (status == TFAAS_OK)
        status = initialise(task, why, sizeof why);
    invoke_log_flush(&task->run);
    inner_end(&task->run);
    uint64_t work = task->instance.store ? engine_work(&task->instance) : 0;
    /* What is initialised in every run begins at the module's own memory: no image of this run. */
    if (status == TFAAS_OK && !loaded->init_each_run)
        status = take_image(task, why, sizeof why);
    if (status == TFAAS_FUNCTION_FAILED)
        status = TFAAS_BAD_SCRIPT;
    if (status != TFAAS_OK && task->text_size == 0)
        invoke_log_send(&task->run, (const uint8_t *)why, strlen(why));
    loaded->load_work += work + task->run.work;
    task->code_start = task->code_end = 0;
    engine_instance_free(&task->instance);
    if (task->slot) {
        memory_slot_free(task->slot);
        task->slot = NULL;
    }
    task->status = status;
}

tfaas_status_t invoke_load(struct loaded *loaded)
{
    struct task *task = sched_task_new(TASKS_LOADS);
    if (!task)
        return TFAAS_BUSY;
    task->run.id = loaded->function.id;
    task->run.loading = true;
    task->run.function = &loaded->function;
    task->run.realtime_ns = realtime_ns;
    task->run.in.ended = true;
    task->function = loaded;
    task->deadline_ns = plat_now_ns() + LOAD_DEADLINE_NS;
    loaded->function.running++;
    sched_start(task, invoke_load_body);
    return TFAAS_OK;
}

/* A message with text about a function: of a confidential one, sealed to its owner or empty. */
static tfaas_status_t send_text(const struct function *function, const struct tfaas_slot *slot,
                                const char *text, size_t size)
{
    char *sealed;
    struct span line =
        confidential_text(function, (struct span){(const uint8_t *)text, size}, &sealed);
    tfaas_status_t status = TFAAS_OK;
    if (line.size > 0 || slot->kind != TFAAS_LOG)
        status = message_send(NULL, slot, line.data, line.size);
    free(sealed);
    return status;
}

tfaas_status_t invoke_end_load(struct task *task)
{
    struct loaded *loaded = task->function;
    bool failed = task->status != TFAAS_OK;
    struct tfaas_slot log = {.kind = TFAAS_LOG, .flags = TFAAS_ON_LOAD, .id = loaded->function.id};
    if (!failed && task->text_size > 0) {
        if (send_text(&loaded->function, &log, task->text, task->text_size) == TFAAS_BUSY)
            return TFAAS_BUSY;
        task->text_size = 0;
    }
    struct tfaas_slot slot = {.kind = TFAAS_LOADED,
                              .id = loaded->function.id,
                              .arg = {task->status, loaded->image.size,
                                      plat_now_ns() - loaded->load_started_ns, loaded->load_work,
                                      loaded->code}};
    if (send_text(&loaded->function, &slot, task->text, failed ? task->text_size : 0) == TFAAS_BUSY)
        return TFAAS_BUSY;
    if (failed) /* it waits for its UNLOAD without the memory of its first image */
        memory_image_destroy(&loaded->image);
    loaded->state = failed ? LOADED_FAILED : LOADED_READY;
    loaded->failure = task->status;
    invoke_finish(task);
    sched_wake_all(TASK_WAIT_FUNCTION);
    return TFAAS_OK;
}

bool invoke_say_loaded(struct loaded *loaded, tfaas_status_t status, const char *text)
{
    struct tfaas_slot slot = {
        .kind = TFAAS_LOADED, .id = loaded->function.id, .arg = {status, 0, 0, loaded->load_work}};
    size_t size = text ? strlen(text) : 0;
    /* What was not granted names items that the host gave itself. */
    tfaas_status_t sent = status == TFAAS_NOT_GRANTED
                              ? message_send(NULL, &slot, text, size)
                              : send_text(&loaded->function, &slot, text, size);
    if (sent != TFAAS_OK)
        return false;
    message_flush();
    return true;
}
