/*
 * worker_lease.c - build/bench-lease: how long a new worker takes from its launch by the process
 * tender until it holds a lease of the keeper, and could so answer a sealed call: keys made, local
 * report, CERTIFY by a keeper that runs, LEASE. One JSON object on stdout; a worker that gets no
 * lease ends the program.
 */
#include "keeper_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LAUNCHES    101
#define KEEPER_LIFE 16 /* workers; a keeper remembers those that ended */

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

static void need(unsigned status, const char *what)
{
    if (status == TFAAS_OK)
        return;
    (void)fprintf(stderr, "bench-lease: %s: %s\n", what, tfaas_status_name(status));
    exit(1);
}

int main(int argc, char **argv)
{
    static double ready[LAUNCHES], leased[LAUNCHES];
    static struct answer answer;
    struct tender *tender = tender_of(argc > 1 ? argv[1] : "build/tfaas-core");
    struct core keeper, worker;
    for (unsigned i = 0; i < LAUNCHES; i++) {
        if (i % KEEPER_LIFE == 0) {
            if (i > 0)
                core_end(&keeper);
            core_launch(&keeper, tender, TENDER_KEEPER, "");
            need(domain_of(&keeper, "bench", &answer), "the keeper knows no domain");
        }
        double begin = now_ms();
        core_launch(&worker, tender, TENDER_WORKER, "bench");
        ready[i] = now_ms() - begin;
        need(lease(&keeper, &worker, true), "a worker gets no lease");
        leased[i] = now_ms() - begin;
        core_end(&worker);
    }
    core_end(&keeper);
    tender_ops()->stop(tender);
    qsort(ready, LAUNCHES, sizeof *ready, by_value);
    qsort(leased, LAUNCHES, sizeof *leased, by_value);
    (void)fprintf(
        stderr, "worker with lease: %.3f ms at best, %.3f ms at worst of %d; ready after %.3f ms\n",
        leased[0], leased[LAUNCHES - 1], LAUNCHES, ready[LAUNCHES / 2]);
    (void)printf("{\"worker_lease_ms\": %.3f}\n", leased[LAUNCHES / 2]);
    return 0;
}
