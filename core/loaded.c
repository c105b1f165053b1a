/* loaded.c - see loaded.h. Turns a load bundle into something that can run: checks it, compiles it
 * here, and has its image taken. Never accepts native code from outside. */
#include "loaded.h"

#include "cache.h"
#include "confidential.h"
#include "inner.h"
#include "instrument.h"
#include "invoke.h"
#include "message.h"
#include "sha256.h"
#include "plat/plat.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct loaded *table[TFAAS_FUNCTIONS_MAX];
static uint32_t answers_due; /* functions with answer_due */

struct loaded *loaded_find(uint32_t id)
{
    struct loaded *loaded = id < TFAAS_FUNCTIONS_MAX ? table[id] : NULL;
    return loaded && loaded->state != LOADED_EMPTY ? loaded : NULL;
}

struct loaded *loaded_find_name(struct span name)
{
    struct loaded *found = NULL;
    for (uint32_t id = 0; id < TFAAS_FUNCTIONS_MAX; id++) {
        struct loaded *loaded = table[id];
        if (!loaded || loaded->function.unloading ||
            (loaded->state != LOADED_LOADING && loaded->state != LOADED_READY))
            continue;
        struct span own = loaded->function.bundle.name;
        if (own.size == name.size && memcmp(own.data, name.data, name.size) == 0 &&
            (!found || loaded->load_started_ns > found->load_started_ns))
            found = loaded;
    }
    return found;
}

/* Idle slots of all functions, unused for longest first. */
static struct memory_slot_list idle_all = TAILQ_HEAD_INITIALIZER(idle_all);
static uint32_t idle_all_count;

static struct memory_slot *unlink_idle(struct memory_slot *slot)
{
    struct loaded *loaded = slot->owner;
    TAILQ_REMOVE(&loaded->idle, slot, of_owner);
    TAILQ_REMOVE(&idle_all, slot, of_all);
    loaded->idle_count--;
    idle_all_count--;
    return slot;
}

static void link_idle(struct loaded *loaded, struct memory_slot *slot)
{
    if (idle_all_count == IDLE_SLOTS_ALL)
        memory_slot_free(unlink_idle(TAILQ_FIRST(&idle_all)));
    slot->owner = loaded;
    TAILQ_INSERT_HEAD(&loaded->idle, slot, of_owner);
    TAILQ_INSERT_TAIL(&idle_all, slot, of_all);
    loaded->idle_count++;
    idle_all_count++;
}

static void drop_bundle(struct function *function)
{
    package_free(&function->package);
    bundle_free(&function->bundle);
    if (function->bundle_bytes) {
        sodium_memzero(function->bundle_bytes, function->bundle_size); /* it holds secrets */
        free(function->bundle_bytes);
    }
    function->bundle_bytes = NULL;
}

void loaded_destroy(struct loaded *loaded)
{
    inner_free(loaded);
    while (loaded->idle_count > 0)
        memory_slot_free(unlink_idle(TAILQ_FIRST(&loaded->idle)));
    memory_image_destroy(&loaded->image);
    if (loaded->owns_module) {
        engine_module_free(loaded->module);
        free(loaded->mutable_globals);
    }
    free(loaded->why);
    free(loaded->cache);
    vfs_free(&loaded->function.vfs);
    drop_bundle(&loaded->function);
    free(loaded);
}

/* An answer that finds no room in the ring is given by loaded_retry, in order. */
static void answer_later(struct loaded *loaded)
{
    answers_due += !loaded->answer_due;
    loaded->answer_due = true;
}

static void say_failed(struct loaded *loaded)
{
    if (!invoke_say_loaded(loaded, loaded->failure, loaded->why)) {
        answer_later(loaded);
        return;
    }
    free(loaded->why);
    loaded->why = NULL;
}

void loaded_release(struct loaded *loaded)
{
    if (!loaded->function.unloading || loaded->function.running > 0 || loaded->why)
        return;
    if (!invoke_say_loaded(loaded, TFAAS_CANCELLED, NULL)) {
        answer_later(loaded);
        return;
    }
    table[loaded->function.id] = NULL;
    loaded_destroy(loaded);
}

void loaded_retry(void)
{
    for (uint32_t id = 0; id < TFAAS_FUNCTIONS_MAX && answers_due > 0; id++) {
        struct loaded *loaded = table[id];
        if (!loaded || !loaded->answer_due)
            continue;
        loaded->answer_due = false;
        answers_due--;
        if (loaded->why)
            say_failed(loaded);
        loaded_release(loaded);
        if (table[id] && table[id]->answer_due)
            return; /* still no room */
    }
}

tfaas_status_t loaded_unload(uint32_t id)
{
    struct loaded *loaded = loaded_find(id);
    if (!loaded || loaded->function.unloading || loaded->state == LOADED_RECEIVING)
        return TFAAS_PEER_DEAD;
    loaded->function.unloading = true;
    loaded_release(loaded);
    return TFAAS_OK;
}

/* --- memory slots --- */

struct memory_slot *loaded_take_slot(struct loaded *loaded)
{
    if (loaded->idle_count > 0)
        return unlink_idle(TAILQ_FIRST(&loaded->idle));
    struct runtime *runtime = loaded->runtime;
    struct memory_slot *spare = runtime ? runtime->spare : NULL;
    if (spare && memory_slot_assign(spare, &loaded->image)) {
        runtime->spare = NULL;
        return spare;
    }
    if (loaded->image.lent && memory_image_settle(&runtime->image) != TFAAS_OK)
        return NULL;
    return memory_slot_new(&loaded->image);
}

void loaded_keep_image(struct loaded *loaded, const struct memory_image *image,
                       struct memory_slot *slot)
{
    if (loaded->runtime)
        memory_learn_load(&loaded->runtime->image, slot, image);
    bool fits = memory_slot_fits(slot, image);
    if (!fits)
        memory_slot_free(slot);
    memory_image_destroy(&loaded->image);
    loaded->image = *image;
    if (!fits)
        return;
    memory_slot_adopt(slot, &loaded->image);
    link_idle(loaded, slot);
}

uint32_t loaded_give_slot(struct loaded *loaded, struct memory_slot *slot)
{
    bool ok;
    uint32_t pages = memory_restore(slot, &ok);
    if (!ok || loaded->idle_count >= IDLE_SLOTS_MAX || loaded->function.unloading ||
        memory_crowded()) {
        memory_slot_free(slot);
        return pages;
    }
    link_idle(loaded, slot);
    return pages;
}

/* --- modules --- */

/* Compiles, and seals the result when the host asked for it. */
static tfaas_status_t compile(struct loaded *loaded, const struct instrument_result *result,
                              char *why, size_t why_size)
{
    tfaas_status_t status =
        engine_compile(result->module, result->module_size, &loaded->module, why, why_size);
    if (status != TFAAS_OK)
        return status;
    loaded->owns_module = true;
    loaded->code = TFAAS_CODE_COMPILED;
    loaded->load_work = result->compile_work;
    if (!loaded->wants_cache || loaded->function.confidential) /* its code stays here */
        return TFAAS_OK;
    struct span code;
    uint8_t *saved = NULL;
    /* Without memory for it, or past its bound, there is no cache: the load is as good. */
    if (engine_save(loaded->module, &saved, &code.size) == TFAAS_OK) {
        code.data = saved;
        if (cache_seal(code, loaded->function.digest, &loaded->cache, &loaded->cache_size) !=
                TFAAS_OK ||
            loaded->cache_size > TFAAS_CACHE_MAX) {
            free(loaded->cache);
            loaded->cache = NULL;
        }
    }
    free(saved);
    return TFAAS_OK;
}

static tfaas_status_t load_wasm(struct loaded *loaded, char *why, size_t why_size)
{
    struct function *function = &loaded->function;
    struct span module = package_find(&function->package, function->package.entry);
    struct instrument_result result;
    tfaas_status_t status = instrument(module.data, module.size, &result, why, why_size);
    if (status != TFAAS_OK)
        return status;
    if (!loaded->module)
        status = compile(loaded, &result, why, why_size);
    if (status != TFAAS_OK)
        goto out;
    if (engine_has(loaded->module, ENTRY_HANDLE)) {
        function->kind = FUNCTION_REACTOR;
    } else if (engine_has(loaded->module, ENTRY_COMMAND)) {
        function->kind = FUNCTION_COMMAND;
    } else {
        (void)snprintf(
            why, why_size,
            "the module exports neither _start (WASI command) nor tfaas_handle (reactor)");
        status = TFAAS_BAD_MODULE;
        goto out;
    }
    if (!result.has_memory) {
        (void)snprintf(why, why_size, "the module defines no memory");
        status = TFAAS_BAD_MODULE;
        goto out;
    }
    loaded->init_each_run = result.mutates_tables;
    uint64_t elements = result.mutates_tables ? (uint64_t)result.table_count * ENGINE_TABLE_MAX
                                              : result.table_elements;
    if (elements >
        (uint64_t)ENGINE_TABLES_MAX * ENGINE_TABLE_MAX) { /* not for want of memory now */
        (void)snprintf(why, why_size, "%llu table elements, at most %u tables of %u can be had",
                       (unsigned long long)elements, ENGINE_TABLES_MAX, ENGINE_TABLE_MAX);
        status = TFAAS_BAD_MODULE;
        goto out;
    }
    loaded->table_bytes = (size_t)elements * ENGINE_ELEMENT_BYTES;
    loaded->mutable_globals = result.mutable_global_index;
    loaded->mutable_global_count = result.mutable_global_count;
    result.mutable_global_index = NULL;
    status =
        runtime_first_image(&loaded->image, &result, function->bundle.memory_limit, why, why_size);
out:
    instrument_free(&result);
    return status;
}

static tfaas_status_t load_runtime(struct loaded *loaded, struct runtime *runtime, char *why,
                                   size_t why_size)
{
    struct function *function = &loaded->function;
    tfaas_status_t status = runtime_check(runtime, why, why_size);
    if (status != TFAAS_OK)
        return status;
    function->kind = FUNCTION_REACTOR;
    loaded->runtime = runtime;
    loaded->module = runtime->module;
    loaded->code = TFAAS_CODE_CORE;
    loaded->mutable_globals = runtime->mutable_globals;
    loaded->mutable_global_count = runtime->mutable_global_count;
    memcpy(loaded->globals, runtime->globals, sizeof runtime->globals);
    loaded->global_count = runtime->global_count;
    status = memory_image_borrow(&loaded->image, &runtime->image, function->bundle.memory_limit);
    if (status == TFAAS_MEMORY_LIMIT)
        (void)snprintf(why, why_size, "%s needs a memory limit of at least %zu bytes",
                       runtime->title, runtime->image.tracked);
    return status;
}

/* Takes the code out of the cache that came with the bundle; what does not open is ignored. The
 * bundle lives as long as the function, so it is made anew without the cache, which is several
 * times its size. */
static tfaas_status_t use_cache(struct loaded *loaded, const char **reason)
{
    struct function *function = &loaded->function;
    struct span cache = function->bundle.cache, code;
    char ignored[128];
    uint8_t *sealed = function->bundle_bytes + (cache.data - function->bundle_bytes);
    if (span_is(function->package.runtime, "wasm") &&
        cache_open(sealed, cache.size, function->digest, &code) &&
        engine_load(code.data, code.size, &loaded->module, ignored, sizeof ignored) == TFAAS_OK) {
        loaded->owns_module = true;
        loaded->code = TFAAS_CODE_CACHED;
    }
    uint8_t *bytes;
    size_t size;
    function->bundle.cache = (struct span){NULL, 0};
    tfaas_status_t status = bundle_write(&function->bundle, &bytes, &size);
    if (status != TFAAS_OK) {
        *reason = "load bundle: no memory";
        return status;
    }
    drop_bundle(function);
    function->bundle_bytes = bytes;
    function->bundle_size = size;
    status = bundle_read(bytes, size, &function->bundle, reason);
    struct span package = function->bundle.package;
    if (status == TFAAS_OK)
        status = package_read(package.data, package.size, &function->package, reason);
    return status;
}

/* Everything but running code of the function. */
static tfaas_status_t load_bundle(struct loaded *loaded, char *why, size_t why_size)
{
    struct function *function = &loaded->function;
    const char *reason = "";
    tfaas_status_t status =
        bundle_read(function->bundle_bytes, function->bundle_size, &function->bundle, &reason);
    if (status == TFAAS_OK)
        status = confidential_open(function, &reason);
    struct span package = function->bundle.package;
    if (status == TFAAS_OK)
        status = package_read(package.data, package.size, &function->package, &reason);
    if (status == TFAAS_OK)
        sha256(function->digest, package.data, package.size);
    if (status == TFAAS_OK && function->bundle.cache.size > 0)
        status = use_cache(loaded, &reason);
    if (status == TFAAS_OK)
        status = vfs_build(&function->vfs, &function->package, &function->bundle, &reason);
    if (status != TFAAS_OK) {
        (void)snprintf(why, why_size, "%s", reason);
        return status;
    }
    return loaded_attach(loaded, why, why_size);
}

tfaas_status_t loaded_attach(struct loaded *loaded, char *why, size_t why_size)
{
    struct function *function = &loaded->function;
    struct span entry = function->package.entry;
    (void)snprintf(function->entry, sizeof function->entry, "/function/%.*s", (int)entry.size,
                   (const char *)entry.data);
    struct runtime *runtime = runtime_find(function->package.runtime);
    if (runtime)
        return load_runtime(loaded, runtime, why, why_size);
    if (span_is(function->package.runtime, "wasm"))
        return load_wasm(loaded, why, why_size);
    (void)snprintf(why, why_size, "runtime \"%.*s\" is not known: js, python, wasm",
                   (int)function->package.runtime.size,
                   (const char *)function->package.runtime.data);
    return TFAAS_UNSUPPORTED;
}

static void start_loading(struct loaded *loaded)
{
    char why[512] = "";
    loaded->load_started_ns = plat_now_ns();
    tfaas_status_t status = load_bundle(loaded, why, sizeof why);
    if (loaded->wants_cache) /* what runs from here on shall find no key to seal code of its own */
        cache_forget();
    loaded->state = LOADED_LOADING;
    if (status == TFAAS_OK)
        status = invoke_load(loaded);
    if (status == TFAAS_OK)
        return;
    memory_image_destroy(&loaded->image);
    loaded->state = LOADED_FAILED;
    loaded->failure = status;
    loaded->why = strdup(why);
    if (!loaded->why)
        message_fault("out of memory for the text of a load error");
    say_failed(loaded);
    sched_wake_all(TASK_WAIT_FUNCTION);
}

tfaas_status_t loaded_receive(const struct tfaas_slot *slot, const uint8_t *piece)
{
    uint32_t id = slot->id;
    uint64_t total = slot->arg[0], offset = slot->arg[1];
    size_t size = slot->size;
    if (id >= TFAAS_FUNCTIONS_MAX || total == 0 || total > TFAAS_LOAD_MAX || size == 0)
        return TFAAS_PEER_DEAD;
    struct loaded *loaded = table[id];
    if (offset == 0) {
        if (loaded)
            return TFAAS_PEER_DEAD;
        loaded = calloc(1, sizeof *loaded);
        uint8_t *bytes = loaded ? malloc((size_t)total) : NULL;
        if (!bytes)
            message_fault("out of memory for a load bundle");
        loaded->function.id = id;
        loaded->function.bundle_bytes = bytes;
        loaded->function.bundle_size = (size_t)total;
        loaded->state = LOADED_RECEIVING;
        TAILQ_INIT(&loaded->idle);
        table[id] = loaded;
    }
    if (!loaded || loaded->state != LOADED_RECEIVING || total != loaded->function.bundle_size ||
        offset != loaded->received || size > total - offset)
        return TFAAS_PEER_DEAD;
    memcpy(loaded->function.bundle_bytes + offset, piece, size);
    loaded->received += size;
    loaded->wants_cache = (slot->flags & TFAAS_WANT_CACHE) != 0;
    if (loaded->received == total)
        start_loading(loaded);
    return TFAAS_OK;
}

/* --- the warm-up before the fork --- */

void loaded_learn(uint32_t id)
{
    memory_learn_runs(&table[id]->runtime->image, &table[id]->image);
}

bool loaded_return_spare(uint32_t id)
{
    struct loaded *loaded = table[id];
    if (loaded->idle_count == 0)
        return false;
    struct memory_slot *slot = unlink_idle(TAILQ_FIRST(&loaded->idle));
    if (memory_slot_reset(slot, &loaded->runtime->image)) {
        loaded->runtime->spare = slot;
        return true;
    }
    memory_slot_free(slot);
    return false;
}
