/*
 * bench_wraps.c - link wraps around the core's sections: they take the time, and they make the
 * mode in which one instance is used again and again (what TFaaS does not do, for comparison).
 */
#include "bench.h"

#include "engine/engine.h"
#include "loaded.h"
#include "scheduler.h"

#include <string.h>

const char *const section_names[SECTION_COUNT] = {
    "take messages",     "take memory slot", "new store and instance", "set globals", "call",
    "read work counter", "delete store",     "restore memory",         "send END"};
struct samples section_samples[SECTION_COUNT];
bool wraps_time_sections, wraps_reuse;
struct samples *wraps_preempt;

static struct engine_instance kept;
static struct memory_slot *kept_slot;

static void section_end(enum section section, uint64_t began)
{
    if (wraps_time_sections)
        samples_add(&section_samples[section], (double)(plat_now_ns() - began) / 1000);
}

void wraps_forget_instance(void)
{
    wraps_reuse = false;
    kept = (struct engine_instance){0}; /* the process ends soon: nothing to give back */
    kept_slot = NULL;
}

#define WRAP(result, name, ...)                                                                    \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

WRAP(struct memory_slot *, loaded_take_slot, struct loaded *loaded)
{
    uint64_t began = plat_now_ns();
    struct memory_slot *slot =
        wraps_reuse && kept_slot ? kept_slot : __real_loaded_take_slot(loaded);
    section_end(SECTION_SLOT, began);
    return slot;
}

WRAP(uint32_t, loaded_give_slot, struct loaded *loaded, struct memory_slot *slot)
{
    uint64_t began = plat_now_ns();
    uint32_t pages = 0;
    if (wraps_reuse)
        kept_slot = slot;
    else
        pages = __real_loaded_give_slot(loaded, slot);
    section_end(SECTION_RESTORE, began);
    return pages;
}

WRAP(tfaas_status_t, engine_instantiate, struct engine_module *module, struct memory_slot *slot,
     struct invocation *run, struct engine_instance *out, char *why, size_t why_size)
{
    uint64_t began = plat_now_ns();
    tfaas_status_t status = TFAAS_OK;
    if (wraps_reuse && kept.store) {
        *out = kept;
        out->run = run;
    } else {
        status = __real_engine_instantiate(module, slot, run, out, why, why_size);
    }
    section_end(SECTION_INSTANTIATE, began);
    return status;
}

WRAP(void, engine_instance_free, struct engine_instance *instance)
{
    uint64_t began = plat_now_ns();
    if (wraps_reuse && instance->store)
        kept = *instance;
    else
        __real_engine_instance_free(instance);
    section_end(SECTION_FREE, began);
}

WRAP(bool, engine_globals_set, struct engine_instance *instance,
     const struct engine_global *globals, uint32_t count)
{
    uint64_t began = plat_now_ns();
    bool ok = (wraps_reuse && kept.store) || __real_engine_globals_set(instance, globals, count);
    section_end(SECTION_GLOBALS, began);
    return ok;
}

WRAP(tfaas_status_t, engine_call, struct engine_instance *instance, enum engine_entry entry,
     int32_t *result, char *why, size_t why_size)
{
    uint64_t began = plat_now_ns();
    tfaas_status_t status = __real_engine_call(instance, entry, result, why, why_size);
    section_end(SECTION_CALL, began);
    return status;
}

WRAP(uint64_t, engine_work, struct engine_instance *instance)
{
    uint64_t began = plat_now_ns();
    uint64_t work = __real_engine_work(instance);
    section_end(SECTION_WORK, began);
    return work;
}

WRAP(unsigned, message_handle, unsigned most)
{
    uint64_t began = plat_now_ns();
    unsigned handled = __real_message_handle(most);
    section_end(SECTION_MESSAGES, began);
    return handled;
}

WRAP(tfaas_status_t, message_end, struct task *task)
{
    uint64_t began = plat_now_ns();
    tfaas_status_t status = __real_message_end(task);
    section_end(SECTION_END, began);
    return status;
}

/* --- pre-emption --- */

static plat_tick_fn core_tick;
static bool tick_is_armed, tick_diverts;
static uint64_t tick_due;

static bool on_tick(uintptr_t pc)
{
    tick_is_armed = false;
    tick_diverts = core_tick(pc);
    return tick_diverts;
}

WRAP(void, plat_handlers, plat_write_fault_fn on_write, plat_tick_fn tick)
{
    core_tick = tick;
    __real_plat_handlers(on_write, tick ? on_tick : NULL);
}

WRAP(void, plat_tick_arm, uint64_t ns)
{
    __real_plat_tick_arm(ns);
    if (!tick_is_armed)
        tick_due = plat_now_ns() + (ns / 1000 + 1) * 1000; /* as the timer is set */
    tick_is_armed = true;
}

WRAP(void, plat_switch_to, struct plat_context *context)
{
    __real_plat_switch_to(context);
    if (tick_diverts && wraps_preempt)
        samples_add(wraps_preempt, ((double)plat_now_ns() - (double)tick_due) / 1000);
    tick_diverts = false;
}
