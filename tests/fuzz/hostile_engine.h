/*
 * hostile_engine.h - functions without WebAssembly for hostile_host.c: they read, answer, log,
 * sleep and spin as the input's generator says, through the same calls that compiled code makes,
 * and keep a canary in their memory. Include it once, after hostile_plat.h.
 */
#ifndef TFAAS_TESTS_FUZZ_HOSTILE_ENGINE_H
#define TFAAS_TESTS_FUZZ_HOSTILE_ENGINE_H

#include "bhttp.h"
#include "engine/engine.h"
#include "runtime_image.h"
#include "warm.h"

#define CANARY     "canary-3c9e51d07"
#define CODE_START 0x1000u
#define CODE_END   0x2000u
#define SPIN_MAX   20u /* ticks */

/* (module (memory (export "memory") 1) (func (export "tfaas_handle") (result i32) i32.const 0)) */
#define MODULE                                                                                     \
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7,   \
        25, 2, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0, 12, 't', 'f', 'a', 'a', 's', '_', 'h', 'a',  \
        'n', 'd', 'l', 'e', 0, 0, 10, 6, 1, 4, 0, 0x41, 0, 0x0b
static const uint8_t module_bytes[] = {MODULE};
const uint8_t runtime_js_wasm[] = {MODULE};
__asm__(".globl runtime_js_wasm_end, runtime_js_code, runtime_js_code_end\n"
        ".set runtime_js_wasm_end, runtime_js_wasm + 59\n"
        ".set runtime_js_code, runtime_js_wasm\n"
        ".set runtime_js_code_end, runtime_js_wasm\n"
        ".globl runtime_js_heat, runtime_js_heat_end\n"
        ".set runtime_js_heat, runtime_js_wasm\n"
        ".set runtime_js_heat_end, runtime_js_wasm\n");
_Static_assert(sizeof module_bytes == 59, "runtime_js_wasm_end");

/* There is no JavaScript here to warm up with. */
bool core_warm(const char **why)
{
    (void)why;
    return true;
}

struct engine_module {
    uint32_t number;
};

tfaas_status_t engine_start(char *why, size_t why_size)
{
    (void)why, (void)why_size;
    return TFAAS_OK;
}

tfaas_status_t engine_compile(const uint8_t *module, size_t size, struct engine_module **out,
                              char *why, size_t why_size)
{
    (void)module, (void)size;
    *out = core_calloc(1, sizeof **out);
    if (!*out)
        (void)snprintf(why, why_size, "no memory");
    return *out ? TFAAS_OK : TFAAS_NO_SPACE;
}

tfaas_status_t engine_load(const uint8_t *saved, size_t size, struct engine_module **out, char *why,
                           size_t why_size)
{
    if (size != sizeof CANARY || memcmp(saved, CANARY, size) != 0)
        abort(); /* only what this core saved may ever come here */
    return engine_compile(saved, size, out, why, why_size);
}

tfaas_status_t engine_save(const struct engine_module *module, uint8_t **saved, size_t *size)
{
    (void)module;
    *saved = core_malloc(sizeof CANARY);
    *size = sizeof CANARY;
    if (*saved)
        memcpy(*saved, CANARY, sizeof CANARY);
    return *saved ? TFAAS_OK : TFAAS_NO_SPACE;
}

void engine_module_free(struct engine_module *module)
{
    core_free(module);
}

bool engine_has(const struct engine_module *module, enum engine_entry entry)
{
    (void)module;
    return entry == ENTRY_HANDLE || entry == ENTRY_LOAD;
}

void engine_code(const struct engine_module *module, uintptr_t *start, uintptr_t *end)
{
    (void)module;
    *start = CODE_START;
    *end = CODE_END;
}

tfaas_status_t engine_instantiate(struct engine_module *module, struct memory_slot *slot,
                                  struct invocation *run, struct engine_instance *out, char *why,
                                  size_t why_size)
{
    *out = (struct engine_instance){.module = module, .slot = slot, .run = run};
    out->store = core_malloc(1);
    if (!out->store)
        (void)snprintf(why, why_size, "no memory");
    return out->store ? TFAAS_OK : TFAAS_BAD_MODULE;
}

void engine_instance_free(struct engine_instance *instance)
{
    core_free(instance->store);
    memset(instance, 0, sizeof *instance);
}

uint64_t engine_work(struct engine_instance *instance)
{
    (void)instance;
    return 1;
}

bool engine_globals_changed(struct engine_instance *fresh, struct engine_instance *from,
                            const uint32_t *index, uint32_t index_count,
                            struct engine_global *changed, uint32_t *changed_count)
{
    (void)fresh, (void)from, (void)index, (void)index_count, (void)changed;
    *changed_count = 0;
    return true;
}

bool engine_globals_set(struct engine_instance *instance, const struct engine_global *globals,
                        uint32_t count)
{
    (void)instance, (void)globals, (void)count;
    return true;
}

/* --- what a function does --- */

/* As a tick that hits compiled code: may give way, and may never come back. */
static void spin_once(void)
{
    hp.now_ns += 1000000;
    if (hp.on_tick && hp.on_tick(CODE_START + 8))
        plat_diverted();
}

/* A function's own memory: pages are opened by the write fault that native code would take. */
static void plant(const struct memory_slot *slot, uint64_t at)
{
    if (slot->size < 2 * PLAT_PAGE)
        return;
    uint8_t *to = slot->base + at % (slot->size - sizeof CANARY);
    for (size_t i = 0; i < sizeof CANARY; i++) {
        const uintptr_t address = (uintptr_t)(to + i);
        if (i == 0 || address % PLAT_PAGE == 0)
            (void)hp.on_write(address);
    }
    memcpy(to, CANARY, sizeof CANARY);
}

static int respond(struct invocation *run, const uint8_t *body, size_t size, bool last)
{
    static uint8_t head[4096], scratch[2048];
    struct bhttp_writer w;
    static const struct span name = {(const uint8_t *)"x-of", 4}, value = {(const uint8_t *)"f", 1};
    bhttp_begin_response(&w, head, sizeof head, scratch, sizeof scratch, 200);
    bhttp_field(&w, name, value);
    const size_t head_size = bhttp_end(&w);
    if (invocation_write(run, head, head_size, size == 0 && last) < 0)
        return -1;
    return size ? invocation_write(run, body, size, last) : 0;
}

static tfaas_status_t handle(struct invocation *run)
{
    uint8_t piece[512];
    int64_t n = 0;
    const uint64_t wish = next_random();
    if (wish & 1)
        invocation_log(run, (const uint8_t *)"a line\nand a half", 17);
    if (wish & 2 && invocation_sleep(run, (int64_t)(wish >> 40)) < 0)
        return TFAAS_FUNCTION_TRAPPED;
    for (uint64_t i = 0; i < (wish >> 8) % SPIN_MAX && wish & 4; i++)
        spin_once();
    if (wish & 8 && respond(run, (const uint8_t *)"early", 5, false) < 0)
        return TFAAS_FUNCTION_TRAPPED;
    for (unsigned i = 0; i < 64 && (n = invocation_read(run, piece, sizeof piece)) > 0; i++) {
        spin_once();
        sodium_memzero(piece, sizeof piece);
    }
    if (n < 0)
        return TFAAS_FUNCTION_TRAPPED;
    if (!(wish & 8) && wish & 0x30 && respond(run, (const uint8_t *)"answer", 6, wish & 16) < 0)
        return TFAAS_FUNCTION_TRAPPED;
    for (uint64_t i = 0; i < (wish >> 16) % SPIN_MAX && wish & 64; i++)
        spin_once();
    invocation_random(run, piece, sizeof piece);
    return wish & 128 && wish & 256 && wish & 512 ? TFAAS_FUNCTION_TRAPPED : TFAAS_OK;
}

tfaas_status_t engine_call(struct engine_instance *instance, enum engine_entry entry,
                           int32_t *result, char *why, size_t why_size)
{
    *result = 0;
    if (entry != ENTRY_HANDLE && entry != ENTRY_LOAD)
        return TFAAS_NOT_FOUND;
    plant(instance->slot, next_random());
    tfaas_status_t status = TFAAS_OK;
    if (entry == ENTRY_HANDLE)
        status = handle(instance->run);
    else if (next_random() % 4 == 0)
        spin_once();
    if (status != TFAAS_OK)
        (void)snprintf(why, why_size, "the function trapped");
    return status;
}

#endif
