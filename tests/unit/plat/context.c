/*
 * context.c - contexts: thousands of switches, each with its own stack, thread block, errno and
 * floating-point control state; free and reuse.
 */
/* clang-format off */
/* needs: core/plat/linux/clock.c core/plat/linux/context.c core/plat/linux/host.c core/plat/linux/pages.c core/plat/linux/signals.c core/plat/linux/switch.S core/plat/shim/guest.c core/plat/shim/guest_entry.S core/plat/shim/guest_ports.c libs: m sodium flags: nosan /lib64/ld-linux-x86-64.so.2 */
/* clang-format on */
#include "plat/linux/linux.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fenv.h>
#include <cmocka.h>

#define CONTEXTS 100
#define ROUNDS   100

static _Thread_local unsigned own_counter = 7;
static _Thread_local char own_zeroes[300];

struct worker {
    struct plat_context *context;
    unsigned index;
    unsigned turns;
    bool wrong;
};

static struct worker workers[CONTEXTS];

/* Keeps state in locals, thread-local variables, errno and the heap across switches. */
static void worker_main(void *argument)
{
    struct worker *self = argument;
    volatile unsigned local = self->index;
    if (own_counter != 7 || own_zeroes[299] != 0 || !isalpha('x') || isalpha('1')) {
        self->wrong = true;
    }
    own_zeroes[299] = 1;
    fesetround(self->index % 2 == 0 ? FE_UPWARD : FE_DOWNWARD);
    for (;;) {
        own_counter += self->index;
        errno = (int)self->index + 1;
        char *text = malloc(100 + self->index);
        if (text == NULL) {
            self->wrong = true;
        } else {
            snprintf(text, 100, "worker %u", self->index);
        }
        plat_switch_back();
        char expected[100];
        snprintf(expected, sizeof(expected), "worker %u", self->index);
        self->turns++;
        if (own_counter != 7 + self->index * self->turns || errno != (int)self->index + 1 ||
            local != self->index || text == NULL || strcmp(text, expected) != 0 ||
            fegetround() != (self->index % 2 == 0 ? FE_UPWARD : FE_DOWNWARD)) {
            self->wrong = true;
        }
        free(text);
    }
}

static void state_is_kept_over_thousands_of_switches(void **state)
{
    (void)state;
    own_counter = 99;
    errno = 1234;
    for (unsigned i = 0; i < CONTEXTS; i++) {
        workers[i] = (struct worker){.index = i, .context = plat_context_new()};
        assert_non_null(workers[i].context);
        plat_context_start(workers[i].context, worker_main, &workers[i]);
    }
    for (unsigned round = 0; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < CONTEXTS; i++) {
            plat_switch_to(workers[(i * 37) % CONTEXTS].context);
            assert_int_equal(own_counter, 99);
            assert_int_equal(errno, 1234);
            assert_int_equal(fegetround(), FE_TONEAREST);
        }
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        assert_int_equal(workers[i].turns, ROUNDS);
        assert_false(workers[i].wrong);
        plat_context_free(workers[i].context);
    }
}

static unsigned starts;

static void count_start(void *argument)
{
    starts += *(unsigned *)argument;
    own_counter++;
    plat_switch_back();
    starts = 1000000; /* an abandoned run must never get here */
    plat_switch_back();
}

static void a_context_can_be_started_again(void **state)
{
    (void)state;
    struct plat_context *context = plat_context_new();
    assert_non_null(context);
    unsigned one = 1;
    starts = 0;
    for (unsigned i = 0; i < 1000; i++) {
        plat_context_start(context, count_start, &one);
        plat_switch_to(context);
    }
    assert_int_equal(starts, 1000);
    plat_context_free(context);
    plat_context_free(NULL);
}

static unsigned deepest;

static void use_stack(unsigned depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    frame[4095] = (char)depth;
    if (depth < deepest) {
        use_stack(depth + 1);
    }
    assert_int_equal(frame[0], (char)depth);
}

static void use_whole_stack(void *argument)
{
    (void)argument;
    deepest = (PLAT_STACK_SIZE - 16384) / 4400;
    use_stack(0);
    for (;;) {
        plat_switch_back();
    }
}

static void the_stack_has_its_size(void **state)
{
    (void)state;
    struct plat_context *context = plat_context_new();
    assert_non_null(context);
    plat_context_start(context, use_whole_stack, NULL);
    plat_switch_to(context);
    plat_context_free(context);
}

static void one_context_over_many_switches(void **state)
{
    (void)state;
    struct plat_context *context = plat_context_new();
    assert_non_null(context);
    struct worker worker = {.context = context};
    plat_context_start(context, worker_main, &worker);
    for (unsigned i = 0; i <= 100000; i++) {
        plat_switch_to(context);
    }
    assert_int_equal(worker.turns, 100000);
    assert_false(worker.wrong);
    plat_context_free(context);
}

static int prepare(void **state)
{
    (void)state;
    return plat_linux_prepare() == NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_kept_over_thousands_of_switches),
        cmocka_unit_test(a_context_can_be_started_again),
        cmocka_unit_test(the_stack_has_its_size),
        cmocka_unit_test(one_context_over_many_switches),
    };
    return cmocka_run_group_tests_name("plat/context", tests, prepare, NULL);
}
