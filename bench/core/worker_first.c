/*
 * worker_first.c - build/bench-first TENDER [LAUNCHES [CORE]]: what a start costs under a tender
 * (process, kvm). Cold boot: from nothing to a tender that can launch. From a worker's launch to
 * its READY, and to the first answer of a JavaScript function, which is loaded meanwhile. Private
 * memory of a worker at rest. One JSON object on stdout; a worker that gives no or a wrong answer
 * ends the program, it is never left out of the median.
 */
#include "core_child.h"
#include "tender/tender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LAUNCHES     31
#define LAUNCHES_MAX 1001
#define AT_REST      8 /* workers at once, for their memory */
#define WARM         200
#define STEADY       1000 /* calls of one worker, one after the other */

static const char source[] =
    "module.exports = async (event, context) => context.status(200).succeed('hello ' + "
    "event.body.name)";

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench-first: %s %s\n", what, why);
    exit(1);
}

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static const struct tender_ops *ops;
static struct tender *tender;
static uint8_t *bundle;
static size_t bundle_size;

static void launch(struct core_child *core, struct tender_worker *worker)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_error error;
    struct tfaas_slot slot;
    if (ops->launch(tender, TENDER_WORKER, "bench", worker, &error) != TFAAS_OK)
        die("launch:", error.text);
    *core = (struct core_child){.window = worker->window,
                                .ring_fd = worker->ring_fd,
                                .bell_fd = worker->bell_fd,
                                .pid = worker->pid};
    ring_tx_init(&core->tx, core->window, true);
    ring_rx_init(&core->rx, core->window, true);
    core_send(core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    if (!core_receive(core, &slot, payload, 20000) || slot.kind != TFAAS_READY)
        die("a worker", "said something else than READY, or nothing");
}

static void load(struct core_child *core)
{
    struct core_answer answer;
    core_load_bundle(core, 1, bundle, bundle_size, false, &answer);
    if (answer.status != TFAAS_OK)
        die("LOAD:", answer.fault);
}

static void call(struct core_child *core)
{
    struct core_answer answer;
    if (!core_invoke(core, 1, "{\"name\":\"world\"}", 16, &answer))
        die("INVOKE:", "the worker is gone");
    struct span content = core_content(&answer);
    if (answer.status != TFAAS_OK || content.size != 11 ||
        memcmp(content.data, "hello world", 11) != 0)
        die("a worker", "gave another answer");
    core_answer_free(&answer);
}

/* One field of smaps_rollup, in KiB. */
static double memory_kib(int pid, const char *field)
{
    char path[64], line[256];
    double value = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *in = fopen(path, "r");
    while (in && value < 0 && fgets(line, sizeof line, in)) {
        if (strncmp(line, field, strlen(field)) == 0)
            value = atof(line + strlen(field));
    }
    if (in)
        (void)fclose(in);
    if (value < 0)
        die(path, "cannot be read");
    return value;
}

/* Medians in MiB of workers that do nothing: before and after a function has run once. */
static void measure_memory(double *idle, double *served, double *served_pss)
{
    static struct core_child cores[AT_REST];
    static struct tender_worker workers[AT_REST];
    double before[AT_REST], after[AT_REST], pss[AT_REST];
    for (unsigned i = 0; i < AT_REST; i++)
        launch(&cores[i], &workers[i]);
    for (unsigned i = 0; i < AT_REST; i++)
        before[i] = memory_kib(workers[i].pid, "Private_Dirty:");
    for (unsigned i = 0; i < AT_REST; i++) {
        load(&cores[i]);
        call(&cores[i]);
    }
    for (unsigned i = 0; i < AT_REST; i++) {
        after[i] = memory_kib(workers[i].pid, "Private_Dirty:");
        pss[i] = memory_kib(workers[i].pid, "Pss:");
    }
    for (unsigned i = 0; i < AT_REST; i++)
        ops->destroy(tender, &workers[i]);
    qsort(before, AT_REST, sizeof *before, by_value);
    qsort(after, AT_REST, sizeof *after, by_value);
    qsort(pss, AT_REST, sizeof *pss, by_value);
    *idle = before[AT_REST / 2] / 1024;
    *served = after[AT_REST / 2] / 1024;
    *served_pss = pss[AT_REST / 2] / 1024;
}

/* Median microseconds of a call of a worker that has served for a while. */
static double measure_steady(void)
{
    static double us[STEADY];
    struct core_child core;
    struct tender_worker worker;
    launch(&core, &worker);
    load(&core);
    for (unsigned i = 0; i < WARM; i++)
        call(&core);
    for (unsigned i = 0; i < STEADY; i++) {
        double begin = now_ms();
        call(&core);
        us[i] = (now_ms() - begin) * 1e3;
    }
    ops->destroy(tender, &worker);
    qsort(us, STEADY, sizeof *us, by_value);
    return us[STEADY / 2];
}

int main(int argc, char **argv)
{
    static double ready[LAUNCHES_MAX], loaded[LAUNCHES_MAX], first[LAUNCHES_MAX],
        second[LAUNCHES_MAX];
    const char *name = argc > 1 ? argv[1] : "process";
    const unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : LAUNCHES;
    ops = strcmp(name, "kvm") == 0       ? &tender_kvm
          : strcmp(name, "process") == 0 ? &tender_process
                                         : NULL;
    if (!ops || count == 0 || count > LAUNCHES_MAX)
        die("usage:", "bench-first process|kvm [LAUNCHES [CORE]]");
    const struct core_config config = {
        .runtime = "js", .entry = "handler.js", .files = {{"handler.js", source, 0}}};
    core_bundle(&config, &bundle, &bundle_size);
    /* What this machine cannot wall off costs nothing: said with the figure. */
    struct tender_options options = {.core_path = argc > 3 ? argv[3] : "build/tfaas-core",
                                     .allow_weaker_sandbox = true};
    struct tfaas_error error;
    char layers[512];
    double begin = now_ms();
    if (ops->start(&options, &tender, layers, sizeof layers, &error) != TFAAS_OK)
        die("the tender does not start:", error.text);
    double boot = now_ms() - begin;
    for (unsigned i = 0; i < count; i++) {
        struct core_child core;
        struct tender_worker worker;
        begin = now_ms();
        launch(&core, &worker);
        ready[i] = now_ms() - begin;
        load(&core);
        loaded[i] = now_ms() - begin;
        call(&core);
        first[i] = now_ms() - begin;
        begin = now_ms();
        call(&core);
        second[i] = now_ms() - begin;
        ops->destroy(tender, &worker);
    }
    double idle, served, served_pss;
    measure_memory(&idle, &served, &served_pss);
    double steady = measure_steady();
    ops->stop(tender);
    qsort(ready, count, sizeof *ready, by_value);
    qsort(loaded, count, sizeof *loaded, by_value);
    qsort(first, count, sizeof *first, by_value);
    qsort(second, count, sizeof *second, by_value);
    (void)fprintf(stderr, "first answer: %.3f ms at best, %.3f ms at worst of %u; walls: %s\n",
                  first[0], first[count - 1], count, layers);
    (void)printf(
        "{\"tender\": \"%s\", \"cold_boot_ms\": %.3f, \"ready_ms\": %.3f, "
        "\"loaded_ms\": %.3f, \"first_answer_ms\": %.3f, \"first_answer_best_ms\": %.3f, "
        "\"second_answer_ms\": %.3f, \"steady_call_us\": %.1f, \"idle_private_mib\": %.3f, "
        "\"served_private_mib\": %.3f, \"served_pss_mib\": %.3f}\n",
        name, boot, ready[count / 2], loaded[count / 2], first[count / 2], first[0],
        second[count / 2], steady, idle, served, served_pss);
    return 0;
}
