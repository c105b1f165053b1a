/*
 * syscalls.c - in the steady state an invocation makes no system call. A tracer counts all calls
 * of the core while a host that never sleeps keeps it busy; what is left is the pre-emption timer.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/trace.c */
/* clang-format on */
#include "load.h"
#include "trace.h"

#include <sys/syscall.h>

#define RUNS      5000
#define IN_FLIGHT 100

static struct core_child core;
static const char *body;
static struct trace_count count;

static bool play_host(void)
{
    return load_run(&core, 1, RUNS, IN_FLIGHT, body) == 0;
}

static void trace(struct core_config config, const char *with_body)
{
    body = with_body;
    core_child_start(&core);
    core_test_load(&core, 1, config);
    CHECK(load_run(&core, 1, 2000, IN_FLIGHT, body) == 0, "warm-up went wrong");
    unsigned ticks = 0;
    double each = 0, own = 1;
    /* A host that others keep from running lets the core fall asleep, which is no steady state. */
    for (unsigned round = 0; own > 0.05 && round < 10; round++) {
        bool ok = trace_core(&core, play_host, &count);
        CHECK(ok, "not traced, or the calls went wrong");
        /* The tick comes with time, not with invocations: two calls a millisecond, traced or not.
         */
        ticks = count.each[SYS_setitimer] + count.each[SYS_rt_sigreturn];
        each = (double)count.total / RUNS;
        own = (double)(count.total - ticks) / RUNS;
    }
    CHECK(own <= 0.05, "%.3f system calls per invocation beside the tick", own);
    CHECK(ticks <= 10 + 2.2e-6 * (double)count.ns, "%u calls for the tick in %.0f ms", ticks,
          (double)count.ns / 1e6);
    (void)printf("       %.4f system calls per invocation, %.4f without the tick:", each, own);
    for (unsigned i = 0; i < TRACE_CALLS_MAX; i++)
        if (count.each[i])
            (void)printf(" %u x number %u", count.each[i], i);
    (void)printf("\n");
    core_child_stop(&core);
}

static void wasm(void)
{
    trace(core_test_wasm("loops"), "s");
}

static void command(void)
{
    trace(core_test_wasm("command_echo"), "hello");
}

static void javascript(void)
{
    trace(core_test_js("module.exports = async (event, context) => "
                       "context.status(200).succeed({got: event.body});\n"),
          "s");
}

static bool play_a_little(void)
{
    return load_run(&core, 1, 100, IN_FLIGHT, "s") == 0;
}

/* The test of the test: a function that grows its memory far makes system calls, and is noticed. */
static void growth_is_noticed(void)
{
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("grows"));
    CHECK(trace_core(&core, play_a_little, &count), "not traced, or the calls went wrong");
    CHECK(count.total >= 200, "%u system calls in 100 invocations that each make two", count.total);
    core_child_stop(&core);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    static const struct check_case cases[] = {
        {"Wasm reactor", wasm},
        {"Wasm command", command},
        {"JavaScript", javascript},
        {"growth is noticed", growth_is_noticed},
    };
    return CHECK_MAIN(cases, argc, argv);
}
