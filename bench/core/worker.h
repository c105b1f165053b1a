/*
 * worker.h - for the bench programs that play tfaasd: real tenders, real workers, calls with
 * checked answers. Whatever goes wrong ends the program with a line that says what; nothing is left
 * out of a median.
 */
#ifndef TFAAS_BENCH_WORKER_H
#define TFAAS_BENCH_WORKER_H

#include "core_test.h"
#include "tender/tender.h"

struct bench_tender {
    const struct tender_ops *ops;
    struct tender *tender;
    char layers[512]; /* the walls that are up */
};

struct bench_worker {
    const struct bench_tender *of;
    struct tender_worker worker;
    struct core_child core; /* its host's side */
};

_Noreturn void bench_die(const char *what, const char *why);
double bench_now_ms(void);
/* Sorts. */
double bench_median(double *values, size_t count);

/* "process" or "kvm". A layer that this machine cannot put up costs nothing: see `layers`. */
void bench_tender_start(struct bench_tender *tender, const char *name, const char *core_path);
void bench_tender_stop(struct bench_tender *tender);
/* Without a message: window and doorbells only. */
void bench_worker_launch(const struct bench_tender *tender, struct bench_worker *worker);
/* The same, and CONFIGURE until READY. */
void bench_worker_start(const struct bench_tender *tender, struct bench_worker *worker);
void bench_worker_end(struct bench_worker *worker);
/* One call, POST, JSON; its content is malloc'ed, NUL-terminated text. */
char *bench_worker_call(struct bench_worker *worker, uint32_t id, const char *body);
/* Makes `count` such calls, `in_flight` at a time, so fast that the core finds the next one
 * whenever it looks; each must end well. */
void bench_worker_keep_busy(struct bench_worker *worker, uint32_t id, const char *body,
                            unsigned count, unsigned in_flight);
/* Time on a processor that its process has had; of a machine, with the guest's. */
double bench_worker_cpu_ms(const struct bench_worker *worker);

#endif
