/*
 * bench_core.c - microseconds in the core: fresh and reused instances, system calls, metering,
 * pre-emption. One JSON object on stdout; where the time goes, on stderr. Every number is a median
 * of this very run.
 */
#include "bench.h"

#include "load.h"
#include "trace.h"

#include <stdlib.h>

#define RUNS        6000
#define ROUNDS      100
#define TICKS       1000
#define TRACED_RUNS 5000
#define SEALED_RUNS 4000
#define BATCHES     501

enum { JS = 1, WASM, SPIN, PLAIN, CAGED, PYTHON };

void bench_die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench-core: %s %s\n", what, why);
    exit(1);
}

void samples_add(struct samples *samples, double value)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity ? samples->capacity * 2 : 8192;
        samples->values = realloc(samples->values, samples->capacity * sizeof *samples->values);
        if (!samples->values)
            bench_die("no memory for", "samples");
    }
    samples->values[samples->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double samples_quantile(struct samples *samples, double q)
{
    if (samples->count == 0)
        return 0;
    qsort(samples->values, samples->count, sizeof *samples->values, by_value);
    return samples->values[(size_t)((double)(samples->count - 1) * q)];
}

double samples_median(struct samples *samples)
{
    return samples_quantile(samples, 0.5);
}

void samples_free(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples){0};
}

/* The same runs again with a clock around each section: slower, so not the figure. */
static void show_sections(const char *name, uint32_t id)
{
    wraps_time_sections = true;
    struct inside_result result = inside_measure(id, RUNS / 2, false);
    wraps_time_sections = false;
    (void)fprintf(stderr, "%s: %.2f us with clocks in between, of which\n", name, result.p50_us);
    for (unsigned i = 0; i < SECTION_COUNT; i++) {
        if (section_samples[i].count)
            (void)fprintf(stderr, "  %7.2f us  %s\n", samples_median(&section_samples[i]),
                          section_names[i]);
        samples_free(&section_samples[i]);
    }
}

static double group_overhead(const char *const *names, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double plain_ms, overhead = kernel_overhead(names[i], ROUNDS, &plain_ms);
        (void)fprintf(stderr, "metering: %-8s %6.2f ms plain, %+.1f %%\n", names[i], plain_ms,
                      overhead * 100);
        most = overhead > most ? overhead : most;
    }
    return most;
}

static struct core_child traced;

static bool play_host(void)
{
    return load_run(&traced, 1, TRACED_RUNS, 100, "{\"name\":\"world\"}") == 0;
}

static double syscalls_per_invocation(struct core_config config)
{
    struct trace_count count;
    core_child_start(&traced);
    core_test_load(&traced, 1, config);
    if (load_run(&traced, 1, 2000, 100, "{\"name\":\"world\"}") != 0 ||
        !trace_core(&traced, play_host, &count))
        bench_die("system calls", "could not be counted");
    core_child_stop(&traced);
    return (double)count.total / TRACED_RUNS;
}

static struct core_config wasm_file(const char *path)
{
    struct span module = core_test_file(path);
    return core_test_bytes(module.data, module.size);
}

/* A handler that calls a dependency, which package.json puts into a compartment or not. */
static struct core_config with_dependency(bool caged)
{
    static const char handler[] = "const greet = require('greet');\n"
                                  "module.exports = async (event) => greet(event.body.name);\n";
    struct core_config config = core_test_js(handler);
    config.files[1].path = "node_modules/greet/index.js";
    config.files[1].content = "module.exports = (name) => ({ hello: name });\n";
    config.files[2].path = "package.json";
    config.files[2].content =
        caged ? "{\"tfaas\":{\"compartments\":{\"greet\":{\"memory\":\"8MB\"}}}}" : "{}";
    return config;
}

/* What the compartment adds to a call, in pairs of this very run: instance, call, drop. */
static double compartment_us(unsigned runs)
{
    struct samples extra = {0};
    inside_load(PLAIN, with_dependency(false));
    inside_load(CAGED, with_dependency(true));
    (void)inside_measure(PLAIN, 1, false);
    (void)inside_measure(CAGED, 1, false);
    for (unsigned i = 0; i < runs; i++)
        samples_add(&extra, inside_pair_us(PLAIN, CAGED));
    double median = samples_median(&extra);
    samples_free(&extra);
    return median;
}

int main(void)
{
    core_test_prepare();
    struct span source = core_test_file("bench/functions/hello-js/handler.js");
    char *text = strndup((const char *)source.data, source.size);
    struct core_config js = core_test_js(text),
                       wasm = wasm_file("build/bench-core-wasm/hello.wasm");
    double syscalls = syscalls_per_invocation(js);

    static const char *const kernels[] = {"sha256", "matmul", "nbody"};
    static const char *const calls[] = {"fib", "calls", "sort"};
    double metering_kernels = group_overhead(kernels, 3), metering_calls = group_overhead(calls, 3);

    inside_start();
    inside_load(JS, js);
    inside_load(WASM, wasm);
    struct span script = core_test_file("bench/functions/hello-python/handler.py");
    struct core_config python = {.runtime = "python",
                                 .entry = "handler.py",
                                 .files = {{"handler.py", (const char *)script.data, script.size}}};
    inside_load(PYTHON, python);
    inside_load(SPIN, wasm_file("build/bench-core-wasm/spin.wasm"));
    struct inside_result js_fresh = inside_measure(JS, RUNS, false);
    struct inside_result wasm_fresh = inside_measure(WASM, RUNS, false);
    struct inside_result python_fresh = inside_measure(PYTHON, RUNS, false);
    show_sections("JavaScript", JS);
    show_sections("Python", PYTHON);
    show_sections("Wasm", WASM);
    struct inside_result js_reused = inside_measure(JS, RUNS, true);
    double sealed[MODES];
    inside_sealed(WASM, SEALED_RUNS, sealed);
    (void)fprintf(stderr,
                  "sealed calls: plain %.2f us; session %.2f (AES-256-GCM %.2f), with a receipt of "
                  "its own %.2f, OHTTP %.2f\n",
                  sealed[MODE_PLAIN], sealed[MODE_SESSION], sealed[MODE_SESSION_AES],
                  sealed[MODE_RECEIPT], sealed[MODE_OHTTP]);
    double session32, receipt32;
    inside_batches(WASM, BATCHES, &session32, &receipt32);
    (void)fprintf(stderr, "32 calls at once, each: session %.2f us, with receipts %.2f\n",
                  session32, receipt32);
    double preempt = inside_preempt_us(SPIN, TICKS);
    double compartment = compartment_us(RUNS);

    (void)printf("{\"core_js_fresh_us\": %.2f, \"core_js_reused_us\": %.2f, "
                 "\"core_wasm_fresh_us\": %.2f, \"syscalls_per_invocation\": %.4f, "
                 "\"metering_overhead_kernels\": %.4f, \"metering_overhead_calls\": %.4f, "
                 "\"preempt_us\": %.2f, \"restored_pages\": %.0f, "
                 "\"sealed_session_us\": %.2f, \"sealed_session_aes_us\": %.2f, "
                 "\"sealed_receipt_us\": %.2f, \"sealed_ohttp_us\": %.2f, "
                 "\"sealed_plain_us\": %.2f, \"sealed_session_c32_us\": %.2f, "
                 "\"sealed_receipt_c32_us\": %.2f, \"compartment_js_us\": %.2f, "
                 "\"python_core_fresh_us\": %.2f, \"python_restored_pages\": %.0f}\n",
                 js_fresh.p50_us, js_reused.p50_us, wasm_fresh.p50_us, syscalls, metering_kernels,
                 metering_calls, preempt, js_fresh.pages, sealed[MODE_SESSION],
                 sealed[MODE_SESSION_AES], sealed[MODE_RECEIPT], sealed[MODE_OHTTP],
                 sealed[MODE_PLAIN], session32, receipt32, compartment, python_fresh.p50_us,
                 python_fresh.pages);
    free(text);
    return 0;
}
