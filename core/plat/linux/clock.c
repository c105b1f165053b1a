/*
 * clock.c - monotonic time from the processor's counter, compared with the kernel's clock before
 * the fork. Must never make a system call once the core serves.
 */
#include "linux.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define FIRST_LOOK_NS 2000000u /* long enough for 0.01 % */

struct reading {
    uint64_t counter, ns;
};

static struct reading start; /* of the comparison */
static struct reading base;  /* times are counted from here */
static uint64_t rate;        /* ns per 2^32 counts */
static uint64_t last_ns;
static uint64_t realtime_ns;

/* The kernel's clock between two looks at the counter; the tightest of a few. */
static struct reading read_both(void)
{
    struct reading best = {0};
    uint64_t best_width = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        struct timespec now;
        const uint64_t before = __rdtsc();
        if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) != 0) {
            plat_abort("the kernel's clock cannot be read");
        }
        const uint64_t width = __rdtsc() - before;
        if (width < best_width) {
            best_width = width;
            best.counter = before + width / 2;
            best.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        }
    }
    return best;
}

void plat_clock_refine(void)
{
    const struct reading now = read_both();
    if (now.counter > start.counter && now.ns > start.ns) {
        rate = (uint64_t)(((unsigned __int128)(now.ns - start.ns) << 32) /
                          (now.counter - start.counter));
        base = now;
    }
}

const char *plat_clock_prepare(void)
{
    start = read_both();
    struct reading now;
    do {
        now = read_both();
        if (now.counter <= start.counter) {
            return "the processor's time stamp counter stands still";
        }
    } while (now.ns - start.ns < FIRST_LOOK_NS);
    plat_clock_refine();
    return NULL;
}

void plat_clock_machine(uint64_t tsc_khz)
{
    if (tsc_khz == 0) {
        plat_abort("the rate of the time stamp counter is not known");
    }
    base = (struct reading){__rdtsc(), last_ns};
    rate = (UINT64_C(1000000) << 32) / tsc_khz;
}

uint64_t plat_now_ns(void)
{
    const uint64_t counter = __rdtsc();
    const uint64_t passed = counter > base.counter ? counter - base.counter : 0;
    const uint64_t now = base.ns + (uint64_t)(((unsigned __int128)passed * rate) >> 32);
    /* Counters of two processors may differ by a few counts: time never goes back. */
    if (now > last_ns) {
        last_ns = now;
    }
    return last_ns;
}

void plat_set_realtime(uint64_t ns)
{
    realtime_ns = ns;
}

uint64_t plat_realtime_ns(void)
{
    return realtime_ns;
}
