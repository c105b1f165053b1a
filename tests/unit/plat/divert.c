/*
 * divert.c - pre-emption: compute loops are interrupted thousands of times, other code runs in
 * between and ruins every register, and the results must be equal bit for bit.
 */
/* clang-format off */
/* needs: core/plat/linux/clock.c core/plat/linux/context.c core/plat/linux/host.c core/plat/linux/pages.c core/plat/linux/signals.c core/plat/linux/switch.S core/plat/shim/guest.c core/plat/shim/guest_entry.S core/plat/shim/guest_ports.c tests/unit/plat/loops.S libs: sodium flags: nosan /lib64/ld-linux-x86-64.so.2 */
/* clang-format on */
#include "plat/linux/linux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>
#include <cmocka.h>

#define CONTEXTS    2
#define STATE_WORDS 80
#define TICK_NS     20000u

extern const char divertible_start[], divertible_end[];
void loop_general(uint64_t *state, uint64_t rounds);
void loop_avx(uint64_t *state, uint64_t rounds);
void loop_avx512(uint64_t *state, uint64_t rounds);
void trash_registers(void);
void trash_registers_512(void);

typedef void (*loop_fn)(uint64_t *state, uint64_t rounds);

struct job {
    struct plat_context *context;
    loop_fn loop;
    uint64_t rounds;
    uint64_t state[STATE_WORDS];
    bool done;
    unsigned diverted;
};

static struct job jobs[CONTEXTS];
static struct job *running;
static bool refuse_all;
static unsigned ticks_elsewhere;

static bool on_tick(uintptr_t pc)
{
    if (!refuse_all && pc >= (uintptr_t)divertible_start && pc < (uintptr_t)divertible_end) {
        return true;
    }
    ticks_elsewhere++;
    return false;
}

static void on_diverted(void)
{
    running->diverted++;
    plat_switch_back();
}

static void job_main(void *argument)
{
    struct job *job = argument;
    job->loop(job->state, job->rounds);
    job->done = true;
    for (;;) {
        plat_switch_back();
    }
}

static void fill(uint64_t *state, loop_fn loop, unsigned seed)
{
    for (unsigned i = 0; i < STATE_WORDS; i++) {
        if (loop == loop_avx) {
            const double value = 1.0 + (i * 7 + seed) * 1e-12;
            memcpy(&state[i], &value, sizeof(value));
        } else {
            state[i] = (i + seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
        }
    }
}

static void interrupted_equals_plain(loop_fn loop, uint64_t rounds, unsigned wanted_diversions)
{
    unsigned diversions = 0;
    for (unsigned round = 0; diversions < wanted_diversions; round++) {
        assert_true(round < 1000);
        for (unsigned i = 0; i < CONTEXTS; i++) {
            jobs[i].loop = loop;
            jobs[i].rounds = rounds;
            jobs[i].done = false;
            jobs[i].diverted = 0;
            fill(jobs[i].state, loop, round * CONTEXTS + i);
            plat_context_start(jobs[i].context, job_main, &jobs[i]);
        }
        while (!jobs[0].done || !jobs[1].done) {
            for (unsigned i = 0; i < CONTEXTS; i++) {
                if (jobs[i].done) {
                    continue;
                }
                running = &jobs[i];
                plat_tick_arm(TICK_NS);
                plat_switch_to(jobs[i].context);
                const unsigned mxcsr = _mm_getcsr();
                assert_int_equal(mxcsr & 0xffc0u, 0x1f80u);
                trash_registers();
                if (loop == loop_avx512) {
                    trash_registers_512();
                }
            }
        }
        for (unsigned i = 0; i < CONTEXTS; i++) {
            uint64_t expected[STATE_WORDS];
            fill(expected, loop, round * CONTEXTS + i);
            loop(expected, rounds);
            assert_memory_equal(expected, jobs[i].state, sizeof(expected));
            diversions += jobs[i].diverted;
        }
    }
}

static void general_registers_flags_and_red_zone_survive(void **state)
{
    (void)state;
    interrupted_equals_plain(loop_general, 3000000, 10000);
}

static void avx_registers_survive(void **state)
{
    (void)state;
    if ((plat_xsave_mask & 4) == 0) {
        skip();
    }
    interrupted_equals_plain(loop_avx, 1000000, 2000);
}

static void avx512_registers_survive(void **state)
{
    (void)state;
    if ((plat_xsave_mask & 0xe0) != 0xe0) {
        skip();
    }
    interrupted_equals_plain(loop_avx512, 1000000, 2000);
}

static void code_that_may_not_be_diverted_is_left_alone(void **state)
{
    (void)state;
    refuse_all = true;
    const unsigned before = ticks_elsewhere;
    jobs[0].loop = loop_general;
    jobs[0].rounds = 3000000;
    jobs[0].done = false;
    jobs[0].diverted = 0;
    fill(jobs[0].state, loop_general, 1);
    plat_context_start(jobs[0].context, job_main, &jobs[0]);
    running = &jobs[0];
    plat_tick_arm(TICK_NS);
    plat_switch_to(jobs[0].context);
    refuse_all = false;
    assert_true(jobs[0].done);
    assert_int_equal(jobs[0].diverted, 0);
    assert_int_equal(ticks_elsewhere, before + 1); /* one armed, one fired */
}

/* A run that spends its time outside divertible code is caught on its way back into it. */
static bool trap_on_tick(uintptr_t pc)
{
    if (pc < (uintptr_t)divertible_start || pc >= (uintptr_t)divertible_end) {
        ticks_elsewhere++;
        plat_trap_code((uintptr_t)divertible_start, (uintptr_t)divertible_end);
    }
    return false;
}

static void call_between_loops(uint64_t *state, uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        const unsigned before = ticks_elsewhere;
        plat_tick_arm(TICK_NS);
        while (*(volatile unsigned *)&ticks_elsewhere == before) {
        }
        loop_general(state, 10);
    }
}

static void trapped_code_is_diverted_where_it_is_entered(void **state)
{
    (void)state;
    plat_handlers(NULL, trap_on_tick);
    struct job *job = &jobs[0];
    *job = (struct job){.context = job->context, .loop = call_between_loops, .rounds = 500};
    uint64_t expected[STATE_WORDS];
    fill(job->state, loop_general, 5);
    fill(expected, loop_general, 5);
    plat_context_start(job->context, job_main, job);
    running = job;
    unsigned switches = 0;
    while (!job->done) {
        plat_switch_to(job->context);
        trash_registers();
        switches++;
    }
    assert_int_equal(job->diverted, 500);
    assert_int_equal(switches, 501);
    for (unsigned i = 0; i < 500; i++) {
        loop_general(expected, 10);
    }
    assert_memory_equal(expected, job->state, sizeof(expected));
    /* A context that lets go by itself leaves no trap behind. */
    plat_trap_code((uintptr_t)divertible_start, (uintptr_t)divertible_end);
    plat_untrap_code();
    loop_general(expected, 10);
    plat_handlers(NULL, on_tick);
}

static void the_scheduler_is_never_diverted(void **state)
{
    (void)state;
    uint64_t words[STATE_WORDS], expected[STATE_WORDS];
    fill(words, loop_general, 3);
    fill(expected, loop_general, 3);
    running = NULL; /* on_diverted would crash */
    plat_tick_arm(TICK_NS);
    loop_general(words, 3000000);
    plat_tick_arm(1000000000);
    refuse_all = true;
    loop_general(expected, 3000000);
    refuse_all = false;
    assert_memory_equal(words, expected, sizeof(words));
}

static int make_contexts(void **state)
{
    (void)state;
    const char *why = plat_linux_prepare();
    if (why != NULL) {
        fprintf(stderr, "%s\n", why);
        return -1;
    }
    plat_diverted = on_diverted;
    plat_handlers(NULL, on_tick);
    for (unsigned i = 0; i < CONTEXTS; i++) {
        jobs[i].context = plat_context_new();
        if (jobs[i].context == NULL) {
            return -1;
        }
    }
    return 0;
}

static int free_contexts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONTEXTS; i++) {
        plat_context_free(jobs[i].context);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(general_registers_flags_and_red_zone_survive),
        cmocka_unit_test(avx_registers_survive),
        cmocka_unit_test(avx512_registers_survive),
        cmocka_unit_test(code_that_may_not_be_diverted_is_left_alone),
        cmocka_unit_test(trapped_code_is_diverted_where_it_is_entered),
        cmocka_unit_test(the_scheduler_is_never_diverted),
    };
    return cmocka_run_group_tests_name("plat/divert", tests, make_contexts, free_contexts);
}
