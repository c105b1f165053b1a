/* runtime.c - see runtime.h. Runs code outside the scheduler: only the runtimes' own, which is part
 * of the core. */
#include "runtime.h"

#include "function.h"
#include "instrument.h"
#include "invoke.h"
#include "runtime_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNTIME_MEMORY_LIMIT (64u << 20)
#define SPARE_LIMIT          (512u << 20) /* a function with a larger limit gets another memory */

static struct runtime javascript = {.name = "js", .title = "JavaScript"};
static struct runtime python = {.name = "python", .title = "Python"};

/* A saved image: this, then the memory. */
struct saved_image {
    uint64_t memory_size;
    uint32_t global_count, mutable_global_count;
    struct engine_global globals[GLOBALS_KEPT_MAX];
    uint32_t mutable_globals[GLOBALS_KEPT_MAX];
};
#define SAVED_MEMORY_AT 4096u
_Static_assert(sizeof(struct saved_image) <= SAVED_MEMORY_AT, "the memory lies behind it");

struct runtime *runtime_find(struct span name)
{
    return span_is(name, javascript.name) ? &javascript
           : span_is(name, python.name)   ? &python
                                          : NULL;
}

tfaas_status_t runtime_first_image(struct memory_image *image,
                                   const struct instrument_result *result, size_t limit, char *why,
                                   size_t why_size)
{
    size_t size = (size_t)result->memory_min_pages * WASM_PAGE;
    size_t module_limit = (size_t)result->memory_max_pages * WASM_PAGE;
    if (size > limit) {
        (void)snprintf(why, why_size,
                       "the module asks for %zu bytes of memory, the function's limit is %zu", size,
                       limit);
        return TFAAS_MEMORY_LIMIT;
    }
    if (module_limit < limit)
        limit = module_limit;
    uint8_t *bytes = NULL;
    if (result->initial_size > 0) {
        bytes = calloc(1, size);
        if (!bytes) {
            (void)snprintf(why, why_size, "no memory for the image");
            return TFAAS_NO_SPACE;
        }
        memcpy(bytes + result->initial_offset, result->initial, result->initial_size);
    }
    tfaas_status_t status = memory_image_create(image, bytes, size, limit);
    if (status == TFAAS_NO_SPACE)
        (void)snprintf(why, why_size, "no memory for the image");
    free(bytes);
    return status;
}

/* Runs the entries that initialise it in a fresh instance, and keeps the memory after them. */
static tfaas_status_t initialise(struct runtime *runtime, struct memory_slot *slot, char *why,
                                 size_t why_size)
{
    static const enum engine_entry order[] = {ENTRY_START, ENTRY_INITIALIZE, ENTRY_INIT};
    static struct vfs_node root = {.is_directory = true};
    static struct function nothing = {.vfs = {&root, 1}};
    static struct task task; /* host calls expect an invocation to be a task */
    struct invocation *run = &task.run;
    run->function = &nothing;
    run->loading = true;
    run->hostcall_limit = UINT64_MAX;
    struct engine_instance instance = {0}, fresh = {0};
    memory_set_current(slot);
    tfaas_status_t status =
        engine_instantiate(runtime->module, slot, run, &instance, why, why_size);
    for (size_t i = 0; i < sizeof order / sizeof *order && status == TFAAS_OK; i++) {
        int32_t result = 0;
        status = engine_call(&instance, order[i], &result, why, why_size);
        if (status == TFAAS_NOT_FOUND)
            status = TFAAS_OK;
        if (status == TFAAS_OK && result != 0) {
            (void)snprintf(why, why_size, "the runtime's initialisation returned %d", result);
            status = TFAAS_INTERNAL;
        }
    }
    struct memory_image image = {0};
    if (status == TFAAS_OK)
        status = memory_image_create(&image, slot->base, slot->size, RUNTIME_MEMORY_LIMIT);
    /* It runs nothing and has no data segments: it leaves the memory as it is. */
    if (status == TFAAS_OK)
        status = engine_instantiate(runtime->module, slot, run, &fresh, why, why_size);
    if (status == TFAAS_OK && !engine_globals_changed(&fresh, &instance, runtime->mutable_globals,
                                                      runtime->mutable_global_count,
                                                      runtime->globals, &runtime->global_count))
        status = TFAAS_INTERNAL;
    memory_set_current(NULL);
    engine_instance_free(&fresh);
    engine_instance_free(&instance);
    free(run->log);
    run->log = NULL;
    if (status == TFAAS_OK)
        runtime->image = image;
    else
        memory_image_destroy(&image);
    return status;
}

/* From the instrumented module, which is compiled where `code` is empty or does not fit the
 * processor. */
static tfaas_status_t make(struct runtime *runtime, struct instrument_result *result,
                           struct span code, char *why, size_t why_size)
{
    tfaas_status_t status = code.size
                                ? engine_load(code.data, code.size, &runtime->module, why, why_size)
                                : TFAAS_NOT_FOUND;
    if (status != TFAAS_OK) /* another processor than the build's baseline: compile here */
        status =
            engine_compile(result->module, result->module_size, &runtime->module, why, why_size);
    struct memory_image first = {0};
    if (status == TFAAS_OK)
        status = runtime_first_image(&first, result, RUNTIME_MEMORY_LIMIT, why, why_size);
    runtime->mutable_globals = result->mutable_global_index;
    runtime->mutable_global_count = result->mutable_global_count;
    result->mutable_global_index = NULL;
    struct memory_slot *slot = status == TFAAS_OK ? memory_slot_new(&first) : NULL;
    if (slot) {
        memory_slot_open(slot);
        status = initialise(runtime, slot, why, why_size);
        memory_slot_free(slot);
    } else if (status == TFAAS_OK) {
        status = TFAAS_NO_SPACE;
    }
    memory_image_destroy(&first);
    return status;
}

/* Makes Python ready out of what the build saved. */
static tfaas_status_t open_python(char *why, size_t why_size)
{
    const struct saved_image *saved = (const void *)runtime_python_image;
    tfaas_status_t status =
        engine_load(runtime_python_code, (size_t)(runtime_python_code_end - runtime_python_code),
                    &python.module, why, why_size);
    if (status != TFAAS_OK) {
        python.module = NULL;
        return TFAAS_OK; /* the rest of the core serves on */
    }
    memcpy(python.globals, saved->globals, sizeof python.globals);
    python.global_count = saved->global_count;
    python.mutable_global_count = saved->mutable_global_count;
    python.mutable_globals = (uint32_t *)saved->mutable_globals; /* never freed, never written */
    return memory_image_create(&python.image, runtime_python_image + SAVED_MEMORY_AT,
                               (size_t)saved->memory_size, RUNTIME_MEMORY_LIMIT);
}

tfaas_status_t runtime_prepare(char *why, size_t why_size)
{
    struct instrument_result result;
    tfaas_status_t status = instrument(
        runtime_js_wasm, (size_t)(runtime_js_wasm_end - runtime_js_wasm), &result, why, why_size);
    if (status != TFAAS_OK)
        return status;
    struct span code = {runtime_js_code, (size_t)(runtime_js_code_end - runtime_js_code)};
    status = make(&javascript, &result, code, why, why_size);
    instrument_free(&result);
    if (status != TFAAS_OK)
        return status;
    /* A hint: another size is of another build. */
    size_t pages = javascript.image.tracked / PLAT_PAGE;
    javascript.learnt = (size_t)(runtime_js_heat_end - runtime_js_heat) == pages;
    if (javascript.learnt)
        memcpy(javascript.image.heat, runtime_js_heat, pages);
    return runtime_python_code ? open_python(why, why_size) : TFAAS_OK;
}

const uint8_t *runtime_heat(size_t *size)
{
    *size = javascript.image.tracked / PLAT_PAGE;
    return javascript.image.heat;
}

bool runtime_is_learnt(void)
{
    return javascript.learnt;
}

bool runtime_prepare_spare(void)
{
    javascript.spare = memory_slot_spare(&javascript.image, SPARE_LIMIT);
    return javascript.spare != NULL;
}

tfaas_status_t runtime_check(const struct runtime *runtime, char *why, size_t why_size)
{
    if (runtime->module)
        return TFAAS_OK;
    (void)snprintf(why, why_size, "%s",
                   runtime_python_code
                       ? "Python is compiled for x86-64-v3, which this processor is not"
                       : "this core has no Python: start tfaasd with --core tfaas-core-python");
    return TFAAS_UNSUPPORTED;
}

static tfaas_status_t save_image(const struct runtime *runtime, uint8_t **image, size_t *size,
                                 char *why, size_t why_size)
{
    const struct memory_image *from = &runtime->image;
    if (runtime->mutable_global_count > GLOBALS_KEPT_MAX) {
        (void)snprintf(why, why_size, "%u mutable globals, at most %u can be saved",
                       runtime->mutable_global_count, GLOBALS_KEPT_MAX);
        return TFAAS_TOO_LARGE;
    }
    *size = SAVED_MEMORY_AT + from->size;
    *image = calloc(1, *size);
    if (!*image)
        return TFAAS_NO_SPACE;
    struct saved_image *saved = (void *)*image;
    saved->memory_size = from->size;
    saved->global_count = runtime->global_count;
    saved->mutable_global_count = runtime->mutable_global_count;
    for (uint32_t i = 0; i < runtime->global_count;
         i++) { /* without what lies between the fields */
        saved->globals[i].index = runtime->globals[i].index;
        saved->globals[i].kind = runtime->globals[i].kind;
        memcpy(saved->globals[i].value, runtime->globals[i].value, sizeof saved->globals[i].value);
    }
    for (uint32_t i = 0; i < runtime->mutable_global_count; i++)
        saved->mutable_globals[i] = runtime->mutable_globals[i];
    memcpy(*image + SAVED_MEMORY_AT, from->own.bytes, from->size);
    return TFAAS_OK;
}

tfaas_status_t runtime_build(struct span wasm, uint8_t **code, size_t *code_size, uint8_t **image,
                             size_t *image_size, char *why, size_t why_size)
{
    static struct runtime runtime;
    struct instrument_result result;
    struct engine_module *module = NULL;
    tfaas_status_t status = instrument(wasm.data, wasm.size, &result, why, why_size);
    if (status != TFAAS_OK)
        return status;
    status = engine_compile(result.module, result.module_size, &module, why, why_size);
    if (status == TFAAS_OK)
        status = engine_save(module, code, code_size);
    if (status == TFAAS_OK && image) {
        status = make(&runtime, &result, (struct span){*code, *code_size}, why, why_size);
        if (status == TFAAS_OK)
            status = save_image(&runtime, image, image_size, why, why_size);
    }
    instrument_free(&result);
    return status;
}
