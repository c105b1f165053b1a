/*
 * dishonest.c - what tests/honesty/check_calls.py must notice: a "core" that calls what no row of
 * syscalls.def fits, before its filter, behind it, and in a worker, and that has a page which is
 * writable and executable. `dishonest zygote`; anything else makes it the daemon above that.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_no_filter(void)
{
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {1, all};
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int zygote(void)
{
    struct utsname name;
    (void)uname(&name); /* no start-up of the core does */
    close_no_filter();
    (void)getppid(); /* no row */
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        close_no_filter();
        (void)syscall(SYS_recvmsg, 3, NULL, 0); /* a row of the zygote's only */
        _exit(0);
    }
    return waitpid((pid_t)pid, NULL, 0) != pid;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "zygote") == 0)
        return zygote();
    const pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/proc/self/exe", argv[0], "zygote", (char *)NULL);
        _exit(127);
    }
    int status = 1;
    (void)waitpid(pid, &status, 0);
    return status != 0;
}
