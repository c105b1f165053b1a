/* worker.c - see worker.h. */
#include "worker.h"

#include "bhttp.h"
#include "plat/plat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 20000
#define CALL_MS  60000

_Noreturn void bench_die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s %s\n", program_invocation_short_name, what, why);
    exit(1);
}

/* The clock of core_test.c, where no core is linked. */
uint64_t plat_now_ns(void)
{
    return (uint64_t)(bench_now_ms() * 1e6);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

void bench_tender_start(struct bench_tender *tender, const char *name, const char *core_path)
{
    const struct tender_options options = {.core_path = core_path, .allow_weaker_sandbox = true};
    struct tfaas_error error = {0};
    *tender = (struct bench_tender){0};
    if (strcmp(name, "process") == 0)
        tender->ops = &tender_process;
    else if (strcmp(name, "kvm") == 0)
        tender->ops = &tender_kvm;
    else
        bench_die("there is no tender", name);
    if (tender->ops->start(&options, &tender->tender, tender->layers, sizeof tender->layers,
                           &error) != TFAAS_OK)
        bench_die("the tender does not start:", error.text);
}

void bench_tender_stop(struct bench_tender *tender)
{
    tender->ops->stop(tender->tender);
}

void bench_worker_launch(const struct bench_tender *tender, struct bench_worker *worker)
{
    struct tfaas_error error = {0};
    *worker = (struct bench_worker){.of = tender};
    if (tender->ops->launch(tender->tender, TENDER_WORKER, "bench", &worker->worker, &error) !=
        TFAAS_OK)
        bench_die("launch:", error.text);
    struct core_child *core = &worker->core;
    core->window = worker->worker.window;
    core->ring_fd = worker->worker.ring_fd;
    core->bell_fd = worker->worker.bell_fd;
    core->pid = worker->worker.pid;
    ring_tx_init(&core->tx, core->window, true);
    ring_rx_init(&core->rx, core->window, true);
}

void bench_worker_start(const struct bench_tender *tender, struct bench_worker *worker)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    bench_worker_launch(tender, worker);
    core_send(&worker->core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    if (!core_receive(&worker->core, &slot, payload, READY_MS) || slot.kind != TFAAS_READY)
        bench_die("a worker", "said something else than READY, or nothing");
}

void bench_worker_end(struct bench_worker *worker)
{
    worker->of->ops->destroy(worker->of->tender, &worker->worker);
}

char *bench_worker_call(struct bench_worker *worker, uint32_t id, const char *body)
{
    struct core_answer answer;
    if (!core_invoke(&worker->core, id, body, strlen(body), &answer))
        bench_die("a call:", "the worker is gone, or gives no answer");
    if (answer.status != TFAAS_OK || core_http_status(&answer) != 200)
        bench_die("a call ended with", tfaas_status_name(answer.status));
    struct span found = core_content(&answer);
    char *content = strndup((const char *)found.data, found.size);
    if (!content)
        bench_die("no memory for", "an answer");
    core_answer_free(&answer);
    return content;
}

/* One INVOKE, made once: sending it then costs less than serving it. */
static size_t write_request(uint8_t *to, size_t capacity, const char *body)
{
    static uint8_t scratch[BHTTP_HEAD_MAX];
    struct bhttp_writer writer;
#define TEXT(text) (struct span){(const uint8_t *)(text), sizeof(text) - 1}
    bhttp_begin_request(&writer, to, capacity, scratch, sizeof scratch, TEXT("POST"), TEXT("http"),
                        TEXT("bench"), TEXT("/"));
    bhttp_field(&writer, TEXT("content-type"), TEXT("application/json"));
#undef TEXT
    const size_t head = bhttp_end(&writer), size = strlen(body);
    if (head == 0 || head + size > capacity)
        bench_die("a request", "is too large");
    memcpy(to + head, body, size);
    return head + size;
}

static void ring_core(struct core_child *core)
{
    const uint64_t one = 1;
    if (write(core->ring_fd, &one, sizeof one) != sizeof one)
        bench_die("a worker", "cannot be woken");
}

void bench_worker_keep_busy(struct bench_worker *worker, uint32_t id, const char *body,
                            unsigned count, unsigned in_flight)
{
    static uint8_t request[4096], payload[TFAAS_PAYLOAD_MAX];
    struct core_child *core = &worker->core;
    const size_t size = write_request(request, sizeof request, body);
    const uint32_t first = core->next_id + 1;
    unsigned begun = 0, done = 0;
    double last = bench_now_ms();
    core->next_id += count;
    while (done < count) {
        for (; begun < count && begun - done < in_flight; begun++) {
            const struct tfaas_slot slot = {.kind = TFAAS_INVOKE,
                                            .flags = TFAAS_LAST,
                                            .id = first + begun,
                                            .arg = {id, UINT64_C(60000000000)}};
            if (ring_send(&core->tx, &slot, request, size) != TFAAS_OK)
                bench_die("a call", "finds no room in the ring");
        }
        if (ring_flush(&core->tx))
            ring_core(core);
        struct tfaas_slot slot;
        const tfaas_status_t status = ring_receive(&core->rx, &slot, payload);
        if (status == TFAAS_NOT_FOUND && bench_now_ms() - last < CALL_MS)
            continue;
        if (status != TFAAS_OK)
            bench_die("a core that is kept busy", "gives no answer");
        if (ring_release(&core->rx))
            ring_core(core);
        last = bench_now_ms();
        if (!(slot.flags & TFAAS_END))
            continue;
        if (slot.arg[0] != TFAAS_OK)
            bench_die("a call ended with", tfaas_status_name((unsigned)slot.arg[0]));
        done++;
    }
}

static double clock_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        bench_die("a clock cannot be read:", strerror(errno));
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double bench_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

double bench_worker_cpu_ms(const struct bench_worker *worker)
{
    clockid_t clock;
    if (clock_getcpuclockid(worker->worker.pid, &clock) != 0)
        bench_die("a worker", "has ended, or has no clock");
    return clock_ms(clock);
}
