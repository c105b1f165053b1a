/*
 * bench.h - the parts of bench-core: the core in this very process (bench_inside.c), wraps around
 * its sections (bench_wraps.c), compute kernels (bench_kernels.c).
 */
#ifndef TFAAS_BENCH_CORE_H
#define TFAAS_BENCH_CORE_H

#include "core_test.h"

struct samples {
    double *values;
    size_t count, capacity;
};

void samples_add(struct samples *samples, double value);
double samples_quantile(struct samples *samples, double q); /* sorts */
double samples_median(struct samples *samples);
void samples_free(struct samples *samples);
void bench_die(const char *what, const char *why) __attribute__((noreturn));

/* --- bench_inside.c: host and core take turns in one process, so that a run can be timed alone ---
 */
struct inside_result {
    double p50_us, pages;
};
void inside_start(void);
void inside_load(uint32_t id, struct core_config config);
/* Runs function `id` `runs` times after a warm-up; checks every answer. */
struct inside_result inside_measure(uint32_t id, unsigned runs, bool reuse);
/* One call of each, right after each other: how much longer the second takes. */
double inside_pair_us(uint32_t first, uint32_t second);
/* Calls of function `id` ("hello"), plain and sealed in turns, medians of `runs`: what sealing
 * costs. */
enum sealed_mode { MODE_PLAIN, MODE_SESSION, MODE_SESSION_AES, MODE_RECEIPT, MODE_OHTTP, MODES };
void inside_sealed(uint32_t id, unsigned runs, double us[MODES]);
/* The same with 32 calls at once, in a session without and with receipts: microseconds for each. */
void inside_batches(uint32_t id, unsigned runs, double *session_us, double *receipt_us);
/* Time from the moment a tick is due to the scheduler, median of `ticks`. */
double inside_preempt_us(uint32_t id, unsigned ticks);

/* --- bench_wraps.c --- */
enum section {
    SECTION_MESSAGES,
    SECTION_SLOT,
    SECTION_INSTANTIATE,
    SECTION_GLOBALS,
    SECTION_CALL,
    SECTION_WORK,
    SECTION_FREE,
    SECTION_RESTORE,
    SECTION_END,
    SECTION_COUNT
};
extern const char *const section_names[SECTION_COUNT];
extern struct samples section_samples[SECTION_COUNT];
/* One instance is kept and called again, its memory never restored. */
extern bool wraps_reuse;
extern bool wraps_time_sections;
void wraps_forget_instance(void);
/* Collects pre-emption times when set. */
extern struct samples *wraps_preempt;

/* --- bench_kernels.c: the metered kernel's time over the plain one's, minus 1 --- */
double kernel_overhead(const char *name, unsigned rounds, double *plain_ms);

#endif
