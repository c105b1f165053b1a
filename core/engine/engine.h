/*
 * engine.h - what the core needs of a WebAssembly engine. wasmtime.c is the only file that knows
 * which one it is.
 */
#ifndef TFAAS_CORE_ENGINE_H
#define TFAAS_CORE_ENGINE_H

#include "invocation.h"
#include "memory.h"

#define ENGINE_STACK_MAX     (1024u * 1024) /* native stack one invocation's Wasm may use */
#define ENGINE_TABLES_MAX    8u             /* tables of an instance */
#define ENGINE_TABLE_MAX     100000u        /* elements of one table */
#define ENGINE_ELEMENT_BYTES 8u

struct engine_module;

/* Once per process, before everything else. BAD_MODULE never; INTERNAL with *why. */
tfaas_status_t engine_start(char *why, size_t why_size) TFAAS_MUST_USE;

/* Validates and compiles an instrumented module and links it against wasi_imports. BAD_MODULE names
 * what is wrong (unknown imports by name). */
tfaas_status_t engine_compile(const uint8_t *module, size_t size, struct engine_module **out,
                              char *why, size_t why_size) TFAAS_MUST_USE;
/* From engine_save's bytes. ONLY for bytes that are part of the measured core or authenticated. */
tfaas_status_t engine_load(const uint8_t *saved, size_t size, struct engine_module **out, char *why,
                           size_t why_size) TFAAS_MUST_USE;
tfaas_status_t engine_save(const struct engine_module *module, uint8_t **saved,
                           size_t *size) TFAAS_MUST_USE;
void engine_module_free(struct engine_module *module);

/* The exports the core calls. Each, where present, must be () -> () or () -> i32. */
#define ENGINE_ENTRY_LIST(X)                                                                       \
    X(COMMAND, "_start")                                                                           \
    X(INITIALIZE, "_initialize")                                                                   \
    X(START, "tfaas:start")                                                                        \
    X(INIT, "tfaas_init")                                                                          \
    X(LOAD, "tfaas_load")                                                                          \
    X(HANDLE, "tfaas_handle")
enum engine_entry {
#define X(name, text) ENTRY_##name,
    ENGINE_ENTRY_LIST(X)
#undef X
        ENTRY_COUNT
};
bool engine_has(const struct engine_module *module, enum engine_entry entry);
/* Compiled code lies in [*start, *end): the only place where a run may be diverted. */
void engine_code(const struct engine_module *module, uintptr_t *start, uintptr_t *end);

/* A saved mutable global: the image's value, set in every fresh instance. */
struct engine_global {
    uint32_t index;
    uint8_t kind;
    uint8_t value[16];
};

struct engine_instance {
    void *store, *context;
    uint64_t instance[4]; /* the engine's own handle */
    const struct engine_module *module;
    struct memory_slot *slot;
    struct invocation *run;
};

/* A fresh store and instance over `slot`'s memory. `run` is what host calls get. */
tfaas_status_t engine_instantiate(struct engine_module *module, struct memory_slot *slot,
                                  struct invocation *run, struct engine_instance *out, char *why,
                                  size_t why_size) TFAAS_MUST_USE;
void engine_instance_free(struct engine_instance *instance);

/* *result is what it returned, 0 for () -> (). NOT_FOUND: no such export; FUNCTION_TRAPPED: *why
 * says how (when run->exited or run->stop is set, that is the reason). */
tfaas_status_t engine_call(struct engine_instance *instance, enum engine_entry entry,
                           int32_t *result, char *why, size_t why_size) TFAAS_MUST_USE;
/* The metering counter (tfaas:work) as flushed so far. */
uint64_t engine_work(struct engine_instance *instance);
/* Mutable globals that differ between two instances of one module: those that `from` must give to
 * every later instance. Returns false when one has a type that cannot be kept. */
bool engine_globals_changed(struct engine_instance *fresh, struct engine_instance *from,
                            const uint32_t *index, uint32_t index_count,
                            struct engine_global *changed, uint32_t *changed_count);
bool engine_globals_set(struct engine_instance *instance, const struct engine_global *globals,
                        uint32_t count);

#endif
