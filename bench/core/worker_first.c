/*
 * worker_first.c - build/bench-first TENDER [LAUNCHES [CORE]]: what a start costs under a tender
 * (process, kvm). Cold boot: from nothing to a tender that can launch. From a worker's launch to
 * its READY, and to the first answer of a JavaScript function, which is loaded meanwhile; a call of
 * a worker that has served for a while, host and core in turn. Private
 * memory of a worker at rest. One JSON object on stdout; a worker that gives no or a wrong answer
 * ends the program, it is never left out of the median.
 */
#include "worker.h"

#include <stdlib.h>

#define LAUNCHES     31
#define LAUNCHES_MAX 1001
#define AT_REST      8 /* workers at once, for their memory */
#define WARM         200
#define STEADY       1000 /* calls of one worker, one after the other */

static struct bench_tender tender;
static struct core_config function;

static void load(struct bench_worker *worker)
{
    core_test_load(&worker->core, 1, function);
}

static void call(struct bench_worker *worker)
{
    char *content = bench_worker_call(worker, 1, "{\"name\":\"world\"}");
    if (strcmp(content, "{\"hello\":\"world\"}") != 0)
        bench_die("a worker gave another answer:", content);
    free(content);
}

/* Medians in MiB of workers that do nothing: before and after a function has run once. */
static void measure_memory(double *idle, double *served, double *served_pss)
{
    static struct bench_worker workers[AT_REST];
    double before[AT_REST], after[AT_REST], pss[AT_REST];
    for (unsigned i = 0; i < AT_REST; i++)
        bench_worker_start(&tender, &workers[i]);
    for (unsigned i = 0; i < AT_REST; i++)
        before[i] = (double)core_test_memory_kib(&workers[i].core, "Private_Dirty");
    for (unsigned i = 0; i < AT_REST; i++) {
        load(&workers[i]);
        call(&workers[i]);
    }
    for (unsigned i = 0; i < AT_REST; i++) {
        after[i] = (double)core_test_memory_kib(&workers[i].core, "Private_Dirty");
        pss[i] = (double)core_test_memory_kib(&workers[i].core, "Pss");
    }
    for (unsigned i = 0; i < AT_REST; i++)
        bench_worker_end(&workers[i]);
    *idle = bench_median(before, AT_REST) / 1024;
    *served = bench_median(after, AT_REST) / 1024;
    *served_pss = bench_median(pss, AT_REST) / 1024;
}

/* Median microseconds of a call, with the way there and back. */
static double measure_steady(void)
{
    static double us[STEADY];
    struct bench_worker worker;
    bench_worker_start(&tender, &worker);
    load(&worker);
    for (unsigned i = 0; i < WARM + STEADY; i++) {
        const double begin = bench_now_ms();
        call(&worker);
        if (i >= WARM)
            us[i - WARM] = (bench_now_ms() - begin) * 1e3;
    }
    bench_worker_end(&worker);
    return bench_median(us, STEADY);
}

int main(int argc, char **argv)
{
    static double ready[LAUNCHES_MAX], loaded[LAUNCHES_MAX], first[LAUNCHES_MAX],
        second[LAUNCHES_MAX];
    const char *name = argc > 1 ? argv[1] : "process";
    const unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : LAUNCHES;
    if (argc > 4 || count == 0 || count > LAUNCHES_MAX)
        bench_die("usage:", "bench-first process|kvm [LAUNCHES [CORE]]");
    const struct span source = core_test_file("bench/functions/hello-js/handler.js");
    function = core_test_js(strndup((const char *)source.data, source.size));
    double begin = bench_now_ms();
    bench_tender_start(&tender, name, argc > 3 ? argv[3] : "build/tfaas-core");
    double boot = bench_now_ms() - begin;
    for (unsigned i = 0; i < count; i++) {
        struct bench_worker worker;
        begin = bench_now_ms();
        bench_worker_start(&tender, &worker);
        ready[i] = bench_now_ms() - begin;
        load(&worker);
        loaded[i] = bench_now_ms() - begin;
        call(&worker);
        first[i] = bench_now_ms() - begin;
        begin = bench_now_ms();
        call(&worker);
        second[i] = bench_now_ms() - begin;
        bench_worker_end(&worker);
    }
    double idle, served, served_pss;
    measure_memory(&idle, &served, &served_pss);
    const double steady = measure_steady();
    bench_tender_stop(&tender);
    const double first_median = bench_median(first, count);
    (void)fprintf(stderr, "%s: first answer: %.3f ms at best, %.3f ms at worst of %u; walls: %s\n",
                  name, first[0], first[count - 1], count, tender.layers);
    (void)printf(
        "{\"cold_boot_ms\": %.3f, \"ready_ms\": %.3f, \"loaded_ms\": %.3f, "
        "\"first_answer_ms\": %.3f, \"first_answer_best_ms\": %.3f, "
        "\"second_answer_ms\": %.3f, \"steady_call_us\": %.1f, \"idle_private_mib\": %.3f, "
        "\"served_private_mib\": %.3f, \"served_pss_mib\": %.3f}\n",
        boot, bench_median(ready, count), bench_median(loaded, count), first_median, first[0],
        bench_median(second, count), steady, idle, served, served_pss);
    return 0;
}
