/*
 * bench_kernels.c - what metering costs: each kernel compiled as it is and as the core would, run
 * in turns in one process. The results must be equal.
 */
#include "bench.h"

#include "engine/engine.h"
#include "instrument.h"
#include "scheduler.h"

#include <stdlib.h>

struct kernel {
    struct engine_module *module;
    struct memory_image image;
    struct memory_slot *slot;
    struct engine_instance instance;
};

static struct task nobody; /* whom host calls would ask; kernels make none */

static void open_kernel(struct kernel *kernel, const uint8_t *module, size_t size,
                        const void *initial, size_t memory_size)
{
    char why[256] = "";
    if (engine_compile(module, size, &kernel->module, why, sizeof why) != TFAAS_OK ||
        memory_image_create(&kernel->image, initial, memory_size, 64u << 20) != TFAAS_OK)
        bench_die("a kernel was refused:", why);
    kernel->slot = memory_slot_new(&kernel->image);
    if (!kernel->slot)
        bench_die("no memory for a kernel", "");
    memory_slot_open(kernel->slot);
    if (engine_instantiate(kernel->module, kernel->slot, &nobody.run, &kernel->instance, why,
                           sizeof why) != TFAAS_OK)
        bench_die("a kernel does not start:", why);
}

static double run_kernel(struct kernel *kernel, int32_t *result)
{
    char why[256];
    uint64_t began = plat_now_ns();
    if (engine_call(&kernel->instance, ENTRY_HANDLE, result, why, sizeof why) != TFAAS_OK)
        bench_die("a kernel trapped:", why);
    return (double)(plat_now_ns() - began) / 1e6;
}

double kernel_overhead(const char *name, unsigned rounds, double *plain_ms)
{
    char path[128], why[256];
    (void)snprintf(path, sizeof path, "build/bench-core-wasm/%s.wasm", name);
    struct span module = core_test_file(path);
    struct instrument_result metered;
    if (instrument(module.data, module.size, &metered, why, sizeof why) != TFAAS_OK)
        bench_die("a kernel was refused:", why);
    size_t size = (size_t)metered.memory_min_pages * WASM_PAGE;
    uint8_t *initial = calloc(1, size);
    if (!initial)
        bench_die("no memory for a kernel", "");
    if (metered.initial_size)
        memcpy(initial + metered.initial_offset, metered.initial, metered.initial_size);
    struct kernel plain = {0}, counted = {0};
    open_kernel(&plain, module.data, module.size, NULL, size);
    open_kernel(&counted, metered.module, metered.module_size, initial, size);
    struct samples ratios = {0}, without = {0};
    for (unsigned i = 0; i < rounds + 2; i++) {
        int32_t a, b;
        double first = run_kernel(i % 2 ? &plain : &counted, i % 2 ? &a : &b);
        double second = run_kernel(i % 2 ? &counted : &plain, i % 2 ? &b : &a);
        if (a != b)
            bench_die("metering changed the result of", name);
        if (i < 2)
            continue; /* warm-up */
        /* Of each pair the ratio: what else the machine does weighs on both alike. */
        samples_add(&ratios, i % 2 ? second / first : first / second);
        samples_add(&without, i % 2 ? first : second);
    }
    *plain_ms = samples_median(&without);
    double overhead = samples_median(&ratios) - 1;
    samples_free(&ratios);
    samples_free(&without);
    engine_instance_free(&plain.instance);
    engine_instance_free(&counted.instance);
    instrument_free(&metered);
    free(initial);
    return overhead;
}
