/*
 * syscalls.c - in the steady state an invocation makes no system call. A tracer counts all calls
 * of the core while a host that never sleeps keeps it busy; what is left is the pre-emption timer.
 */
/* needs: core tests/support/core_child.c tests/support/core_test.c */
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 5000
#define IN_FLIGHT 100
#define SYSCALLS_MAX 512

static struct core_child core;
static unsigned calls[SYSCALLS_MAX], call_count;

static void count_call(void)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, core.pid, NULL, &registers) != 0)
        return;
    call_count++;
    if (registers.orig_rax < SYSCALLS_MAX)
        calls[registers.orig_rax]++;
}

/* Counts system calls of the core until process `host` ends; returns its exit status. */
static int trace_until(pid_t host)
{
    int status, host_status;
    bool entering = true;
    for (;;) {
        if (waitpid(host, &host_status, WNOHANG) == host)
            return host_status;
        pid_t pid = waitpid(core.pid, &status, WNOHANG);
        if (pid == 0) {
            (void)usleep(20);
            continue;
        }
        if (pid < 0 || !WIFSTOPPED(status))
            return -1;
        int signal = WSTOPSIG(status), event = status >> 16;
        if (signal == (SIGTRAP | 0x80)) {
            if (entering)
                count_call();
            entering = !entering;
            signal = 0;
        } else if (event != 0) {
            signal = 0; /* the stop that was asked for */
        }
        if (ptrace(PTRACE_SYSCALL, core.pid, NULL, (void *)(long)signal) != 0)
            return -1;
    }
}

static void count(struct core_config config, const char *body)
{
    core_child_start(&core);
    core_test_load(&core, 1, config);
    CHECK(load_run(&core, 1, 2000, IN_FLIGHT, body) == 0, "warm-up went wrong");
    memset(calls, 0, sizeof calls);
    call_count = 0;
    long error = ptrace(PTRACE_SEIZE, core.pid, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD);
    CHECK(error == 0, "the core cannot be traced: %s", strerror(errno));
    if (error != 0)
        return;
    (void)ptrace(PTRACE_INTERRUPT, core.pid, NULL, NULL);
    /* The copy plays the host on; this process is the tracer. */
    uint64_t began = core_test_now_ns();
    pid_t host = fork();
    if (host == 0) {
        (void)usleep(20000);
        _exit(load_run(&core, 1, RUNS, IN_FLIGHT, body) == 0 ? 0 : 1);
    }
    int status = trace_until(host);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the host ended with %d", status);
    double each = (double)call_count / RUNS;
    /* The tick comes with time, not with invocations: two calls a millisecond, traced or not. */
    unsigned ticks = calls[SYS_setitimer] + calls[SYS_rt_sigreturn];
    double own = (double)(call_count - ticks) / RUNS, ms = (double)(core_test_now_ns() - began) / 1e6;
    CHECK(own <= 0.05, "%.3f system calls per invocation beside the tick", own);
    CHECK(ticks <= 10 + 2.2 * ms, "%u calls for the tick in %.0f ms", ticks, ms);
    (void)printf("       %.4f system calls per invocation, %.4f without the tick:", each, own);
    for (unsigned i = 0; i < SYSCALLS_MAX; i++)
        if (calls[i])
            (void)printf(" %u x number %u", calls[i], i);
    (void)printf("\n");
    core_child_stop(&core);
}

static void wasm(void)
{
    count(core_test_wasm("loops"), "s");
}

static void command(void)
{
    count(core_test_wasm("command_echo"), "hello");
}

static void javascript(void)
{
    count(core_test_js("module.exports = async (event, context) => "
                       "context.status(200).succeed({got: event.body});\n"),
          "s");
}

/* The test of the test: a function that grows its memory far makes system calls, and is noticed. */
static void growth_is_noticed(void)
{
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("grows"));
    CHECK(load_run(&core, 1, 100, IN_FLIGHT, "s") == 0, "warm-up went wrong");
    call_count = 0;
    CHECK(ptrace(PTRACE_SEIZE, core.pid, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD) == 0, "%s",
          strerror(errno));
    (void)ptrace(PTRACE_INTERRUPT, core.pid, NULL, NULL);
    pid_t host = fork();
    if (host == 0)
        _exit(load_run(&core, 1, 100, IN_FLIGHT, "s") == 0 ? 0 : 1);
    (void)trace_until(host);
    CHECK(call_count >= 200, "%u system calls in 100 invocations that each make two", call_count);
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
