/*
 * tracer.h - runs a piece of code in a child under ptrace and does one bad thing at its k-th system
 * call that changes files: kills it before or after the call, makes the call fail, or cuts a write
 * short. Also keeps account of what was written and not yet synced. x86-64 Linux.
 */
#ifndef TFAAS_TEST_TRACER_H
#define TFAAS_TEST_TRACER_H

#include "scratch.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

enum trace_act {
    TRACE_COUNT,
    TRACE_KILL_BEFORE,
    TRACE_KILL_AFTER,
    TRACE_FAIL,
    TRACE_FAIL_ON,
    TRACE_SHORT
};

struct trace_plan {
    enum trace_act act;
    unsigned at; /* which call, from 1 */
    int error;   /* FAIL, FAIL_ON (that call and all later ones up to the answer) */
};

#define TRACE_DIRTY_MAX 32

struct trace_result {
    unsigned calls;     /* file-changing calls between the begin mark and the end */
    bool answered;      /* the answer mark was reached */
    bool killed;        /* by the plan */
    bool exited;        /* ended with exit status 0 */
    char answer[65536]; /* what the child said */
    /* paths written or changed, and not synced, when the answer came; renames of unsynced files */
    char dirty[TRACE_DIRTY_MAX][160];
    unsigned dirty_count;
    char unsynced_rename[160];
};

/* In the child: the begin mark, and the answer mark (both are writes to this descriptor). */
#define TRACE_FD 77

static inline void trace_begin(void)
{
    if (write(TRACE_FD, "B", 1) != 1)
        _exit(98);
}

static inline void trace_answer(const char *text)
{
    size_t size = strlen(text);
    if (write(TRACE_FD, text, size) != (ssize_t)size)
        _exit(98);
}

static inline void trace_link(pid_t pid, uint64_t fd, char path[160])
{
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)pid, (int)fd);
    ssize_t n = readlink(name, path, 159);
    path[n > 0 ? n : 0] = 0;
}

static inline void trace_text(pid_t pid, uint64_t address, char *text, size_t size)
{
    for (size_t i = 0; i + sizeof(long) < size; i += sizeof(long)) {
        long word = ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)(address + i), NULL);
        memcpy(text + i, &word, sizeof word);
        text[i + sizeof word] = 0;
        if (memchr(&word, 0, sizeof word))
            return;
    }
}

static inline int trace_find(const struct trace_result *r, const char *path)
{
    for (unsigned i = 0; i < r->dirty_count; i++)
        if (strcmp(r->dirty[i], path) == 0)
            return (int)i;
    return -1;
}

static inline void trace_soil(struct trace_result *r, const char *path)
{
    if (trace_find(r, path) < 0 && r->dirty_count < TRACE_DIRTY_MAX)
        (void)snprintf(r->dirty[r->dirty_count++], sizeof r->dirty[0], "%s", path);
}

static inline void trace_clean(struct trace_result *r, const char *path)
{
    int i = trace_find(r, path);
    if (i >= 0)
        memcpy(r->dirty[i], r->dirty[--r->dirty_count], sizeof r->dirty[0]);
}

/* Books one finished call. */
static inline void trace_account(pid_t pid, struct trace_result *r, uint64_t nr,
                                 const uint64_t args[6])
{
    char path[160], name[128] = "", whole[300];
    switch (nr) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_ftruncate:
        trace_link(pid, args[0], path);
        trace_soil(r, path);
        break;
    case SYS_fsync:
    case SYS_fdatasync:
        trace_link(pid, args[0], path);
        trace_clean(r, path);
        break;
    case SYS_renameat:
        trace_link(pid, args[0], path);
        trace_text(pid, args[1], name, sizeof name);
        (void)snprintf(whole, sizeof whole, "%s/%s", path, name);
        if (trace_find(r, whole) >= 0)
            (void)snprintf(r->unsynced_rename, sizeof r->unsynced_rename, "%.150s", whole);
        trace_link(pid, args[2], path);
        trace_soil(r, path);
        break;
    default:
        break;
    }
}

/* Would this open make a file? (One of an existing file changes nothing and needs no space.) */
static inline bool trace_makes(pid_t pid, uint64_t folder_fd, uint64_t address)
{
    char folder[160] = "", name[160] = "", whole[330];
    trace_text(pid, address, name, sizeof name);
    if ((int)folder_fd != AT_FDCWD)
        trace_link(pid, folder_fd, folder);
    (void)snprintf(whole, sizeof whole, "%s%s%s", name[0] == '/' ? "" : folder,
                   name[0] == '/' ? "" : "/", name);
    return access(whole, F_OK) != 0;
}

/* Does this call change files? Descriptor TRACE_FD is not one. */
static inline bool trace_changes(pid_t pid, uint64_t nr, const uint64_t args[6])
{
    switch (nr) {
    case SYS_openat:
        return (args[2] & O_CREAT) != 0 && trace_makes(pid, args[0], args[1]);
    case SYS_open:
        return (args[1] & O_CREAT) != 0 && trace_makes(pid, (uint64_t)AT_FDCWD, args[0]);
    case SYS_write:
    case SYS_pwrite64:
        return args[0] != TRACE_FD && args[0] > 2;
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_ftruncate:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_fchmod:
    case SYS_fallocate:
        return true;
    default:
        return false;
    }
}

static inline void trace_child(void (*code)(void *env), void *env, int pipe_fd)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)signal(signals[i], SIG_DFL); /* cmocka would catch them and go on */
    if (dup2(pipe_fd, TRACE_FD) != TRACE_FD || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(97);
    (void)raise(SIGSTOP);
    code(env);
    _exit(0);
}

/* At the entry of a call that the plan is about. */
static inline void trace_hit_entry(pid_t pid, const struct trace_plan *plan, uint64_t nr)
{
    struct user_regs_struct regs;
    if (plan->act == TRACE_KILL_BEFORE) {
        (void)kill(pid, SIGKILL);
        return;
    }
    if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0)
        return;
    if (plan->act == TRACE_FAIL || plan->act == TRACE_FAIL_ON)
        regs.orig_rax = (unsigned long long)-1;
    if (plan->act == TRACE_SHORT && (nr == SYS_write || nr == SYS_pwrite64) && regs.rdx > 1)
        regs.rdx /= 2;
    (void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static inline void trace_hit_exit(pid_t pid, const struct trace_plan *plan)
{
    struct user_regs_struct regs;
    if (plan->act == TRACE_KILL_AFTER)
        (void)kill(pid, SIGKILL);
    if ((plan->act == TRACE_FAIL || plan->act == TRACE_FAIL_ON) &&
        ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0) {
        regs.rax = (unsigned long long)(long long)-plan->error;
        (void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
    }
}

static inline void trace_loop(pid_t pid, const struct trace_plan *plan, struct trace_result *r)
{
    bool begun = false, counted = false, hit = false;
    uint64_t nr = 0, args[6] = {0};
    int how = 0;
    long signal_number = 0; /* its own signals reach it: a crash is a crash */
    while (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)signal_number) == 0 || errno == ESRCH) {
        struct __ptrace_syscall_info info;
        if (waitpid(pid, &how, 0) != pid || WIFEXITED(how) || WIFSIGNALED(how))
            break;
        signal_number = WIFSTOPPED(how) && WSTOPSIG(how) != (SIGTRAP | 0x80) ? WSTOPSIG(how) : 0;
        if (signal_number != 0)
            continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) <= 0)
            continue;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            nr = info.entry.nr;
            for (int i = 0; i < 6; i++)
                args[i] = info.entry.args[i];
            counted = begun && trace_changes(pid, nr, args);
            r->calls += counted;
            bool sticky = plan->act == TRACE_FAIL_ON && r->calls > plan->at;
            hit = counted && plan->act != TRACE_COUNT && (r->calls == plan->at || sticky) &&
                  !(r->answered && plan->act >= TRACE_FAIL);
            if (hit)
                trace_hit_entry(pid, plan, nr);
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
            if (nr == SYS_write && args[0] == TRACE_FD) {
                r->answered = begun;
                begun = true;
            } else if (counted && !r->answered && !hit) {
                trace_account(pid, r, nr, args);
            }
            if (hit)
                trace_hit_exit(pid, plan);
        }
    }
    r->killed = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
    r->exited = WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

static inline void trace_run(void (*code)(void *env), void *env, const struct trace_plan *plan,
                             struct trace_result *r)
{
    int fds[2], how = 0;
    memset(r, 0, sizeof *r);
    assert_int_equal(pipe(fds), 0);
    (void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 17);
    pid_t pid = fork();
    if (pid == 0)
        trace_child(code, env, fds[1]);
    assert_true(pid > 0);
    close(fds[1]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (!WIFSTOPPED(how))
        fail_msg("the child cannot be traced");
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
        0);
    trace_loop(pid, plan, r);
    char begin = 0;
    if (read(fds[0], &begin, 1) == 1) {
        ssize_t n = read(fds[0], r->answer, sizeof r->answer - 1);
        r->answer[n > 0 ? n : 0] = 0;
    }
    close(fds[0]);
}

#endif
