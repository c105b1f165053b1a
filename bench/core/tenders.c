/*
 * tenders.c - build/bench-tenders [ROUNDS [CORE]]: the kvm tender against the process tender, in
 * one run, by turns: fresh calls that keep a core busy, compute kernels as deployed functions, and
 * the way of a number to the core and back. One JSON object on stdout: medians over the rounds, of
 * ratios also the least and the most. A ratio is of two measurements that follow each other. But
 * for the doorbell, time is that on a processor, of the worker's process with its machine: what
 * else runs here weighs less on it.
 */
#include "worker.h"

#include "doorbell.h"

#include <stdlib.h>

#define ROUNDS     41
#define ROUNDS_MAX 1001
#define CALLS      4000 /* per round and function; some 30 ms */
#define IN_FLIGHT  100
#define DOORBELLS  20000 /* per round */
#define HANG_MS    20000
#define REQUEST    "{\"name\":\"world\"}"
#define DOORBELL   "build/bench-doorbell/tfaas-core"

enum { PROCESS, KVM, TENDERS };
enum { FUNCTION = 1 }; /* the id of what a worker has loaded first */

static const char *const tender_names[TENDERS] = {"process", "kvm"};
static const char *const kernels[] = {"sha256", "matmul", "nbody", "fib", "calls", "sort"};
#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

static struct bench_tender tenders[TENDERS];
static struct bench_worker workers[TENDERS];
static unsigned rounds = ROUNDS;

/* What each tender took in each round; `measure` is asked in an order that turns. */
struct pairs {
    double spent[TENDERS][ROUNDS_MAX], ratios[ROUNDS_MAX];
    double median[TENDERS], ratio, least, most;
};

static void measure_pairs(struct pairs *pairs, double (*measure)(struct bench_worker *, uint32_t),
                          uint32_t id)
{
    for (unsigned i = 0; i < rounds + 2; i++) {
        double spent[TENDERS];
        for (unsigned j = 0; j < TENDERS; j++) {
            const unsigned which = (i + j) % TENDERS;
            spent[which] = measure(&workers[which], id);
        }
        if (i < 2)
            continue; /* warm-up */
        for (unsigned j = 0; j < TENDERS; j++)
            pairs->spent[j][i - 2] = spent[j];
        pairs->ratios[i - 2] = spent[KVM] / spent[PROCESS];
    }
    for (unsigned j = 0; j < TENDERS; j++)
        pairs->median[j] = bench_median(pairs->spent[j], rounds);
    pairs->ratio = bench_median(pairs->ratios, rounds);
    pairs->least = pairs->ratios[0];
    pairs->most = pairs->ratios[rounds - 1];
}

/* A fresh instance per call, the core never without the next one: microseconds for each. */
static double fresh_us(struct bench_worker *worker, uint32_t id)
{
    const double begin = bench_worker_cpu_ms(worker);
    bench_worker_keep_busy(worker, id, REQUEST, CALLS, IN_FLIGHT);
    return (bench_worker_cpu_ms(worker) - begin) * 1e3 / CALLS;
}

static char *answers[FUNCTION + KERNELS];

/* One call of a kernel; every tender must give the same number. */
static double kernel_ms(struct bench_worker *worker, uint32_t id)
{
    const double begin = bench_worker_cpu_ms(worker);
    char *content = bench_worker_call(worker, id, "");
    const double spent = bench_worker_cpu_ms(worker) - begin;
    if (answers[id] && strcmp(answers[id], content) != 0)
        bench_die("a kernel gives another result under", worker->of->ops->name);
    if (answers[id])
        free(content);
    else
        answers[id] = content;
    return spent;
}

/* There and back, by polling on both sides: microseconds, the median of one round. */
static double doorbell_us(struct bench_worker *worker, uint32_t id)
{
    static double us[DOORBELLS];
    (void)id;
    struct doorbell *bell = doorbell_of(worker->worker.window);
    uint64_t number = atomic_load(&bell->to_core);
    for (unsigned i = 0; i < DOORBELLS; i++) {
        const double begin = bench_now_ms();
        atomic_store_explicit(&bell->to_core, ++number, memory_order_release);
        while (atomic_load_explicit(&bell->to_host, memory_order_acquire) != number) {
            __builtin_ia32_pause();
            if (bench_now_ms() - begin > HANG_MS)
                bench_die("the doorbell's core does not answer under", worker->of->ops->name);
        }
        us[i] = (bench_now_ms() - begin) * 1e3;
    }
    return bench_median(us, DOORBELLS);
}

static void start_tenders(const char *core_path)
{
    for (unsigned i = 0; i < TENDERS; i++) {
        bench_tender_start(&tenders[i], tender_names[i], core_path);
        (void)fprintf(stderr, "%s: walls: %s\n", tender_names[i], tenders[i].layers);
    }
}

static void stop_tenders(void)
{
    for (unsigned i = 0; i < TENDERS; i++)
        bench_tender_stop(&tenders[i]);
}

/* Each measurement has workers of its own. */
static void start_workers(void (*start)(const struct bench_tender *, struct bench_worker *))
{
    for (unsigned i = 0; i < TENDERS; i++)
        start(&tenders[i], &workers[i]);
}

static void end_workers(void)
{
    for (unsigned i = 0; i < TENDERS; i++)
        bench_worker_end(&workers[i]);
}

static void load_everywhere(uint32_t id, struct core_config config)
{
    for (unsigned i = 0; i < TENDERS; i++)
        core_test_load(&workers[i].core, id, config);
}

static struct core_config wasm(const char *format, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, format, name);
    const struct span module = core_test_file(path);
    return core_test_bytes(module.data, module.size);
}

static void measure_fresh(const char *name, struct core_config config)
{
    static struct pairs pairs;
    start_workers(bench_worker_start);
    load_everywhere(FUNCTION, config);
    for (unsigned i = 0; i < TENDERS; i++) {
        char *content = bench_worker_call(&workers[i], FUNCTION, REQUEST);
        if (strcmp(content, "{\"hello\":\"world\"}") != 0)
            bench_die("a function answers", content);
        free(content);
    }
    measure_pairs(&pairs, fresh_us, FUNCTION);
    end_workers();
    (void)fprintf(stderr, "%s: %.2f us process, %.2f us kvm, ratio %.3f (%.3f to %.3f)\n", name,
                  pairs.median[PROCESS], pairs.median[KVM], pairs.ratio, pairs.least, pairs.most);
    (void)printf("\"process_core_%s_fresh_us\": %.3f, \"kvm_core_%s_fresh_us\": %.3f, "
                 "\"kvm_core_%s_fresh_vs_process\": %.4f, "
                 "\"kvm_core_%s_fresh_vs_process_min\": %.4f, "
                 "\"kvm_core_%s_fresh_vs_process_max\": %.4f, ",
                 name, pairs.median[PROCESS], name, pairs.median[KVM], name, pairs.ratio, name,
                 pairs.least, name, pairs.most);
}

/* Of the speeds, so that more is better; the worst kernel is the figure. */
static void measure_kernels(void)
{
    static struct pairs pairs;
    double worst = 0, worst_least = 0, worst_most = 0;
    start_workers(bench_worker_start);
    for (unsigned i = 0; i < KERNELS; i++) {
        const uint32_t id = FUNCTION + i;
        load_everywhere(id, wasm("build/bench-core-wasm/command-%s.wasm", kernels[i]));
        measure_pairs(&pairs, kernel_ms, id);
        (void)fprintf(stderr, "%-8s %7.2f ms process, %7.2f ms kvm, speed %.3f (%.3f to %.3f)\n",
                      kernels[i], pairs.median[PROCESS], pairs.median[KVM], 1 / pairs.ratio,
                      1 / pairs.most, 1 / pairs.least);
        (void)printf("\"kvm_wasm_%s_vs_process\": %.4f, ", kernels[i], 1 / pairs.ratio);
        if (worst == 0 || 1 / pairs.ratio < worst) {
            worst = 1 / pairs.ratio;
            worst_least = 1 / pairs.most;
            worst_most = 1 / pairs.least;
        }
    }
    end_workers();
    (void)printf("\"kvm_wasm_compute_vs_process\": %.4f, "
                 "\"kvm_wasm_compute_vs_process_min\": %.4f, "
                 "\"kvm_wasm_compute_vs_process_max\": %.4f, ",
                 worst, worst_least, worst_most);
}

static void measure_doorbell(void)
{
    static struct pairs pairs;
    start_workers(bench_worker_launch);
    measure_pairs(&pairs, doorbell_us, FUNCTION);
    end_workers();
    (void)fprintf(stderr, "doorbell: %.3f us process, %.3f us kvm (%.3f to %.3f)\n",
                  pairs.median[PROCESS], pairs.median[KVM], pairs.spent[KVM][0],
                  pairs.spent[KVM][rounds - 1]);
    (void)printf("\"process_doorbell_us\": %.4f, \"kvm_doorbell_us\": %.4f, "
                 "\"kvm_doorbell_us_min\": %.4f, \"kvm_doorbell_us_max\": %.4f}\n",
                 pairs.median[PROCESS], pairs.median[KVM], pairs.spent[KVM][0],
                 pairs.spent[KVM][rounds - 1]);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (unsigned)atoi(argv[1]);
    if (argc > 3 || rounds == 0 || rounds > ROUNDS_MAX)
        bench_die("usage:", "bench-tenders [ROUNDS [CORE]]");
    start_tenders(argc > 2 ? argv[2] : "build/tfaas-core");
    (void)printf("{");
    const struct span source = core_test_file("bench/functions/hello-js/handler.js");
    char *text = strndup((const char *)source.data, source.size);
    measure_fresh("js", core_test_js(text));
    measure_fresh("wasm", wasm("build/bench-core-wasm/%s.wasm", "hello"));
    measure_kernels();
    stop_tenders();
    start_tenders(DOORBELL);
    measure_doorbell();
    stop_tenders();
    free(text);
    return 0;
}
