/* trace.c - see trace.h. Must let every signal through: the core lives on them. */
#include "trace.h"

#include "plat/plat.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void count_call(pid_t pid, struct trace_count *count)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) != 0)
        return;
    count->total++;
    if (registers.orig_rax < TRACE_CALLS_MAX)
        count->each[registers.orig_rax]++;
}

/* Until process `host` ends; returns its wait status, or -1 when the core is gone. */
static int trace_until(pid_t core, pid_t host, struct trace_count *count)
{
    int status, host_status;
    bool entering = true;
    for (;;) {
        if (waitpid(host, &host_status, WNOHANG) == host)
            return host_status;
        pid_t pid = waitpid(core, &status, WNOHANG);
        if (pid == 0) {
            (void)usleep(20);
            continue;
        }
        if (pid < 0 || !WIFSTOPPED(status))
            return -1;
        int signal = WSTOPSIG(status), event = status >> 16;
        if (signal == (SIGTRAP | 0x80)) {
            if (entering)
                count_call(core, count);
            entering = !entering;
            signal = 0;
        } else if (event != 0) {
            signal = 0; /* the stop that was asked for */
        }
        if (ptrace(PTRACE_SYSCALL, core, NULL, (void *)(long)signal) != 0)
            return -1;
    }
}

bool trace_core(struct core_child *core, bool (*host)(void), struct trace_count *count)
{
    memset(count, 0, sizeof *count);
    if (ptrace(PTRACE_SEIZE, core->pid, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD) != 0) {
        (void)fprintf(stderr, "the core cannot be traced: %s\n", strerror(errno));
        return false;
    }
    (void)ptrace(PTRACE_INTERRUPT, core->pid, NULL, NULL);
    uint64_t began = plat_now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        (void)usleep(20000); /* the tracer is on its way */
        _exit(host() ? 0 : 1);
    }
    int status = trace_until(core->pid, pid, count);
    count->ns = plat_now_ns() - began;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
