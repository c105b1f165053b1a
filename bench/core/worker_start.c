/*
 * worker_start.c - build/bench-worker: how long a new worker takes from its launch by the process
 * tender to its READY, the zygote being up, as tfaasd does it. One JSON object on stdout; a launch
 * that fails ends the program, it is never left out of the median.
 */
#include "ring.h"
#include "tender/tender.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LAUNCHES 201
#define WAIT_MS  10000

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench-worker: %s %s\n", what, why);
    exit(1);
}

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void wait_ready(struct tender_worker *worker)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct ring_tx tx;
    struct ring_rx rx;
    struct tfaas_slot slot = {.kind = TFAAS_CONFIGURE};
    uint64_t count = 1;
    ring_tx_init(&tx, worker->window, true);
    ring_rx_init(&rx, worker->window, true);
    if (ring_send(&tx, &slot, NULL, 0) != TFAAS_OK)
        die("CONFIGURE", "could not be sent");
    if (ring_flush(&tx) && write(worker->ring_fd, &count, sizeof count) != sizeof count)
        die("a worker", "could not be woken");
    for (;;) {
        tfaas_status_t status = ring_receive(&rx, &slot, payload);
        if (status == TFAAS_OK && slot.kind == TFAAS_READY)
            return;
        if (status != TFAAS_NOT_FOUND)
            die("a worker", "said something else than READY");
        if (!ring_sleep(&rx))
            continue;
        struct pollfd fds[] = {{.fd = worker->bell_fd, .events = POLLIN},
                               {.fd = worker->exit_fd, .events = POLLIN}};
        if (poll(fds, 2, WAIT_MS) <= 0 || fds[1].revents)
            die("a worker", "ended, or did not become ready");
        if (read(worker->bell_fd, &count, sizeof count) < 0)
            count = 0; /* another wake-up: the ring says what there is */
        ring_awake(&rx);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double ms[LAUNCHES];
    /* What this machine cannot wall off costs nothing: said with the figure. */
    struct tender_options options = {.core_path = argc > 1 ? argv[1] : "build/tfaas-core",
                                     .allow_weaker_sandbox = true};
    struct tender *tender;
    struct tfaas_error error;
    char layers[512];
    if (tender_process.start(&options, &tender, layers, sizeof layers, &error) != TFAAS_OK)
        die("the tender does not start:", error.text);
    for (unsigned i = 0; i < LAUNCHES; i++) {
        struct tender_worker worker;
        double begin = now_ms();
        if (tender_process.launch(tender, TENDER_WORKER, "bench", &worker, &error) != TFAAS_OK)
            die("launch:", error.text);
        wait_ready(&worker);
        ms[i] = now_ms() - begin;
        tender_process.destroy(tender, &worker);
    }
    tender_process.stop(tender);
    qsort(ms, LAUNCHES, sizeof *ms, by_value);
    (void)fprintf(stderr, "worker start: %.3f ms at best, %.3f ms at worst of %d; walls: %s\n",
                  ms[0], ms[LAUNCHES - 1], LAUNCHES, layers);
    (void)printf("{\"worker_start_ms\": %.3f}\n", ms[LAUNCHES / 2]);
    return 0;
}
