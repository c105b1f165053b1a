/*
 * wasmtime.c - the engine behind engine.h: Wasmtime through its C API. The only file that includes
 * wasmtime.h. No signals, no memory reservation, no engine threads, no clock: what the core asks
 * from below stays a handful of calls (research: see ARCHITECTURE.md, "The engine").
 */
#define _GNU_SOURCE /* memmem */
#include "engine/engine.h"
#include "plat/plat.h"
#include "wasi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasmtime.h>

struct engine_module {
    wasmtime_module_t *module;
    wasmtime_instance_pre_t *pre;
    bool has[ENTRY_COUNT];
    bool returns[ENTRY_COUNT]; /* () -> i32 */
};

static const char *const entry_names[] = {
#define X(name, text) text,
    ENGINE_ENTRY_LIST(X)
#undef X
};

static wasm_engine_t *engine;
static wasmtime_linker_t *linker;
/* The slot the next instantiation gets; set and cleared around it, the core has one thread. */
static struct memory_slot *next_slot;

static void say_error(char *why, size_t why_size, wasmtime_error_t *error)
{
    wasm_name_t text;
    wasmtime_error_message(error, &text);
    (void)snprintf(why, why_size, "%.*s", (int)text.size, text.data);
    wasm_byte_vec_delete(&text);
    wasmtime_error_delete(error);
}

static void say_trap(char *why, size_t why_size, wasm_trap_t *trap)
{
    wasm_message_t text;
    wasm_trap_message(trap, &text);
    /* The first line names the trap; what follows are addresses, of no use to an owner. */
    size_t size = strnlen(text.data, text.size);
    const char *wasm = memmem(text.data, size, "wasm trap: ", 11);
    if (wasm) {
        size -= (size_t)(wasm - text.data);
        const char *end = memchr(wasm, '\n', size);
        (void)snprintf(why, why_size, "%.*s", (int)(end ? end - wasm : (long)size), wasm);
    } else {
        (void)snprintf(why, why_size, "%.*s", (int)size, text.data);
    }
    wasm_byte_vec_delete(&text);
    wasm_trap_delete(trap);
}

/* --- linear memory: the slot of core/memory.c --- */

static uint8_t *slot_get(void *env, size_t *byte_size, size_t *byte_capacity)
{
    struct memory_slot *slot = env;
    *byte_size = slot->size;
    *byte_capacity = slot->size;
    return slot->base;
}

static wasmtime_error_t *slot_grow(void *env, size_t new_size)
{
    if (!memory_grow(env, new_size))
        return wasmtime_error_new("memory limit reached");
    return NULL;
}

static void slot_done(void *env)
{
    (void)env;
}

static wasmtime_error_t *new_memory(void *env, const wasm_memorytype_t *type, size_t minimum,
                                    size_t maximum, size_t reserved, size_t guard,
                                    wasmtime_linear_memory_t *out)
{
    (void)env;
    (void)type;
    (void)maximum;
    if (!next_slot || next_slot->size < minimum || reserved != 0 || guard != 0)
        return wasmtime_error_new("no memory slot of the size that the module asks for");
    out->env = next_slot;
    out->get_memory = slot_get;
    out->grow_memory = slot_grow;
    out->finalizer = slot_done;
    next_slot = NULL;
    return NULL;
}

/* --- imports --- */

static void refresh_memory(struct guest_memory *memory)
{
    const struct memory_slot *slot = memory->env;
    memory->base = slot->base;
    memory->size = slot->size;
}

static wasm_trap_t *on_import(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                              size_t value_count)
{
    const struct wasi_import *import = env;
    (void)value_count;
    struct engine_instance *self = wasmtime_context_get_data(wasmtime_caller_context(caller));
    struct invocation *run = self->run;
    uint64_t args[9];
    for (unsigned i = 0; i < import->arg_count; i++)
        args[i] =
            import->arg_types[i] == WASI_I32 ? (uint32_t)values[i].i32 : (uint64_t)values[i].i64;
    struct guest_memory memory = {.refresh = refresh_memory, .env = self->slot};
    refresh_memory(&memory);
    int32_t result = import->call(run, &memory, args);
    if (run->stop != TFAAS_OK || run->exited)
        return wasmtime_trap_new("stopped", 7);
    if (import->has_result)
        values[0].i32 = result;
    return NULL;
}

static wasm_functype_t *import_type(const struct wasi_import *import)
{
    wasm_valtype_t *params[9], *results[1];
    for (unsigned i = 0; i < import->arg_count; i++)
        params[i] = wasm_valtype_new(import->arg_types[i] == WASI_I32 ? WASM_I32 : WASM_I64);
    wasm_valtype_vec_t in, out;
    wasm_valtype_vec_new(&in, import->arg_count, params);
    if (import->has_result) {
        results[0] = wasm_valtype_new(WASM_I32);
        wasm_valtype_vec_new(&out, 1, results);
    } else {
        wasm_valtype_vec_new_empty(&out);
    }
    return wasm_functype_new(&in, &out);
}

static wasmtime_error_t *define_imports(void)
{
    for (size_t i = 0; i < wasi_import_count; i++) {
        const struct wasi_import *import = &wasi_imports[i];
        wasm_functype_t *type = import_type(import);
        wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(
            linker, import->module, strlen(import->module), import->name, strlen(import->name),
            type, on_import, (void *)import, NULL);
        wasm_functype_delete(type);
        if (error)
            return error;
    }
    return NULL;
}

/* --- start --- */

/* The processor features generated code may use: a fixed baseline (x86-64-v3), so that the
 * runtimes compiled at build time are the same bytes everywhere and become part of the measurement.
 */
static const char *const baseline[] = {"has_sse3",   "has_ssse3", "has_sse41", "has_sse42",
                                       "has_popcnt", "has_avx",   "has_avx2",  "has_bmi1",
                                       "has_bmi2",   "has_lzcnt", "has_fma"};

static wasm_config_t *make_config(char *why, size_t why_size)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_error_t *error = wasmtime_config_target_set(config, "x86_64-unknown-linux-gnu");
    if (error) {
        say_error(why, why_size, error);
        wasm_config_delete(config);
        return NULL;
    }
    for (size_t i = 0; i < sizeof baseline / sizeof *baseline; i++)
        wasmtime_config_cranelift_flag_enable(config, baseline[i]);
    wasmtime_config_strategy_set(config, WASMTIME_STRATEGY_CRANELIFT);
    wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
    wasmtime_config_cranelift_nan_canonicalization_set(config, true);
    wasmtime_config_signals_based_traps_set(config, false);
    wasmtime_config_memory_reservation_set(config, 0);
    wasmtime_config_memory_guard_size_set(config, 0);
    wasmtime_config_memory_reservation_for_growth_set(config, 0);
    wasmtime_config_memory_init_cow_set(config, false);
    wasmtime_config_native_unwind_info_set(config, false);
    wasmtime_config_max_wasm_stack_set(config, ENGINE_STACK_MAX);
    wasmtime_config_wasm_multi_memory_set(config, false);
    wasmtime_config_wasm_memory64_set(config, false);
    wasmtime_config_wasm_relaxed_simd_set(config, false);
    wasmtime_config_wasm_tail_call_set(config, true);
    wasmtime_memory_creator_t creator = {.new_memory = new_memory};
    wasmtime_config_host_memory_creator_set(config, &creator);
    return config;
}

tfaas_status_t engine_start(char *why, size_t why_size)
{
    wasm_config_t *config = make_config(why, why_size);
    if (!config)
        return TFAAS_INTERNAL;
    engine = wasm_engine_new_with_config(config);
    if (!engine) {
        (void)snprintf(why, why_size, "the engine refused its configuration");
        return TFAAS_INTERNAL;
    }
    linker = wasmtime_linker_new(engine);
    wasmtime_error_t *error = define_imports();
    if (error) {
        say_error(why, why_size, error);
        return TFAAS_INTERNAL;
    }
    return TFAAS_OK;
}

/* --- modules --- */

/* Entries are called unchecked, so their types are settled here, once. */
static tfaas_status_t find_entry(struct engine_module *module, const wasm_exporttype_t *export,
                                 char *why, size_t why_size)
{
    const wasm_name_t *name = wasm_exporttype_name(export);
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if (name->size != strlen(entry_names[i]) ||
            memcmp(name->data, entry_names[i], name->size) != 0)
            continue;
        const wasm_functype_t *type =
            wasm_externtype_as_functype_const(wasm_exporttype_type(export));
        const wasm_valtype_vec_t *results = type ? wasm_functype_results(type) : NULL;
        if (!type || wasm_functype_params(type)->size != 0 || results->size > 1 ||
            (results->size == 1 && wasm_valtype_kind(results->data[0]) != WASM_I32)) {
            (void)snprintf(why, why_size, "export %s must be a function () -> () or () -> i32",
                           entry_names[i]);
            return TFAAS_BAD_MODULE;
        }
        module->has[i] = true;
        module->returns[i] = results->size == 1;
    }
    return TFAAS_OK;
}

static tfaas_status_t find_entries(struct engine_module *module, char *why, size_t why_size)
{
    wasm_exporttype_vec_t exports;
    wasmtime_module_exports(module->module, &exports);
    tfaas_status_t status = TFAAS_OK;
    for (size_t i = 0; i < exports.size && status == TFAAS_OK; i++)
        status = find_entry(module, exports.data[i], why, why_size);
    wasm_exporttype_vec_delete(&exports);
    return status;
}

static tfaas_status_t link_module(wasmtime_module_t *module, struct engine_module **out, char *why,
                                  size_t why_size)
{
    struct engine_module *linked = calloc(1, sizeof *linked);
    if (!linked) {
        wasmtime_module_delete(module);
        return TFAAS_NO_SPACE;
    }
    linked->module = module;
    wasmtime_error_t *error = wasmtime_linker_instantiate_pre(linker, module, &linked->pre);
    if (error) {
        say_error(why, why_size, error);
        engine_module_free(linked);
        return TFAAS_BAD_MODULE;
    }
    tfaas_status_t status = find_entries(linked, why, why_size);
    if (status != TFAAS_OK) {
        engine_module_free(linked);
        return status;
    }
    *out = linked;
    return TFAAS_OK;
}

tfaas_status_t engine_compile(const uint8_t *bytes, size_t size, struct engine_module **out,
                              char *why, size_t why_size)
{
    wasmtime_module_t *module = NULL;
    wasmtime_error_t *error = wasmtime_module_new(engine, bytes, size, &module);
    if (error) {
        say_error(why, why_size, error);
        return TFAAS_BAD_MODULE;
    }
    return link_module(module, out, why, why_size);
}

tfaas_status_t engine_load(const uint8_t *saved, size_t size, struct engine_module **out, char *why,
                           size_t why_size)
{
    wasmtime_module_t *module = NULL;
    wasmtime_error_t *error = wasmtime_module_deserialize(engine, saved, size, &module);
    if (error) {
        say_error(why, why_size, error);
        return TFAAS_BAD_MODULE;
    }
    return link_module(module, out, why, why_size);
}

tfaas_status_t engine_save(const struct engine_module *module, uint8_t **saved, size_t *size)
{
    wasm_byte_vec_t bytes;
    wasmtime_error_t *error = wasmtime_module_serialize(module->module, &bytes);
    if (error) {
        wasmtime_error_delete(error);
        return TFAAS_INTERNAL;
    }
    *saved = malloc(bytes.size);
    if (*saved)
        memcpy(*saved, bytes.data, bytes.size);
    *size = bytes.size;
    wasm_byte_vec_delete(&bytes);
    return *saved ? TFAAS_OK : TFAAS_NO_SPACE;
}

void engine_module_free(struct engine_module *module)
{
    if (!module)
        return;
    plat_untrap_code(); /* a tick may have trapped it, and nothing ran into the trap since */
    if (module->pre)
        wasmtime_instance_pre_delete(module->pre);
    wasmtime_module_delete(module->module);
    free(module);
}

bool engine_has(const struct engine_module *module, enum engine_entry entry)
{
    return module->has[entry];
}

void engine_code(const struct engine_module *module, uintptr_t *start, uintptr_t *end)
{
    void *from = NULL, *to = NULL;
    wasmtime_module_image_range(module->module, &from, &to);
    *start = (uintptr_t)from;
    *end = (uintptr_t)to;
}

/* --- instances --- */

tfaas_status_t engine_instantiate(struct engine_module *module, struct memory_slot *slot,
                                  struct invocation *run, struct engine_instance *out, char *why,
                                  size_t why_size)
{
    _Static_assert(sizeof(wasmtime_instance_t) <= sizeof out->instance, "handle fits");
    out->module = module;
    out->slot = slot;
    out->run = run;
    wasmtime_store_t *store = wasmtime_store_new(engine, out, NULL);
    wasmtime_context_t *context = wasmtime_store_context(store);
    wasmtime_store_limiter(store, -1, ENGINE_TABLE_MAX, 1, ENGINE_TABLES_MAX, 1);
    out->store = store;
    out->context = context;
    next_slot = slot;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = wasmtime_instance_pre_instantiate(
        module->pre, context, (wasmtime_instance_t *)(void *)out->instance, &trap);
    next_slot = NULL;
    if (!error && !trap)
        return TFAAS_OK;
    if (error)
        say_error(why, why_size, error);
    else
        say_trap(why, why_size, trap);
    engine_instance_free(out);
    return TFAAS_BAD_MODULE;
}

void engine_instance_free(struct engine_instance *instance)
{
    if (instance->store)
        wasmtime_store_delete(instance->store);
    memset(instance, 0, sizeof *instance);
}

static bool find_export(struct engine_instance *instance, const char *name, wasmtime_extern_t *item,
                        wasmtime_extern_kind_t kind)
{
    return wasmtime_instance_export_get(instance->context,
                                        (wasmtime_instance_t *)(void *)instance->instance, name,
                                        strlen(name), item) &&
           item->kind == kind;
}

tfaas_status_t engine_call(struct engine_instance *instance, enum engine_entry entry,
                           int32_t *result, char *why, size_t why_size)
{
    wasmtime_extern_t item;
    if (!instance->module->has[entry] ||
        !find_export(instance, entry_names[entry], &item, WASMTIME_EXTERN_FUNC))
        return TFAAS_NOT_FOUND;
    wasmtime_val_raw_t value = {.i64 = 0};
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(instance->context, &item.of.func, &value, 1, &trap);
    *result = 0;
    if (!error && !trap) {
        if (instance->module->returns[entry])
            *result = value.i32;
        return TFAAS_OK;
    }
    if (error)
        say_error(why, why_size, error);
    else
        say_trap(why, why_size, trap);
    return TFAAS_FUNCTION_TRAPPED;
}

uint64_t engine_work(struct engine_instance *instance)
{
    wasmtime_extern_t item;
    if (!find_export(instance, "tfaas:work", &item, WASMTIME_EXTERN_GLOBAL))
        return 0;
    wasmtime_val_t value;
    wasmtime_global_get(instance->context, &item.of.global, &value);
    return (uint64_t)value.of.i64;
}

static bool global_value(struct engine_instance *instance, uint32_t index, wasmtime_extern_t *item,
                         wasmtime_val_t *value)
{
    char name[24];
    (void)snprintf(name, sizeof name, "tfaas:g%u", index);
    if (!find_export(instance, name, item, WASMTIME_EXTERN_GLOBAL))
        return false;
    memset(value, 0, sizeof *value);
    wasmtime_global_get(instance->context, &item->of.global, value);
    return true;
}

static size_t value_size(wasmtime_valkind_t kind)
{
    switch (kind) {
    case WASMTIME_I32:
    case WASMTIME_F32:
        return 4;
    case WASMTIME_I64:
    case WASMTIME_F64:
        return 8;
    case WASMTIME_V128:
        return 16;
    default:
        return 0;
    }
}

bool engine_globals_changed(struct engine_instance *fresh, struct engine_instance *from,
                            const uint32_t *index, uint32_t index_count,
                            struct engine_global *changed, uint32_t *changed_count)
{
    *changed_count = 0;
    for (uint32_t i = 0; i < index_count; i++) {
        wasmtime_extern_t item;
        wasmtime_val_t a, b;
        if (!global_value(fresh, index[i], &item, &a) || !global_value(from, index[i], &item, &b))
            return false;
        size_t size = value_size(b.kind);
        if (size == 0)
            return false;
        if (memcmp(&a.of, &b.of, size) == 0)
            continue;
        struct engine_global *keep = &changed[(*changed_count)++];
        memset(keep, 0, sizeof *keep);
        keep->index = index[i];
        keep->kind = b.kind;
        memcpy(keep->value, &b.of, size);
    }
    return true;
}

bool engine_globals_set(struct engine_instance *instance, const struct engine_global *globals,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wasmtime_extern_t item;
        wasmtime_val_t value;
        if (!global_value(instance, globals[i].index, &item, &value))
            return false;
        value.kind = globals[i].kind;
        memcpy(&value.of, globals[i].value, sizeof globals[i].value);
        wasmtime_error_t *error = wasmtime_global_set(instance->context, &item.of.global, &value);
        if (error) {
            wasmtime_error_delete(error);
            return false;
        }
    }
    return true;
}
