/*
 * vm_filter.c - the system calls of the process that runs a virtual machine, one reason each. What
 * is not here kills it.
 */
#include "vm.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

struct rule {
    int number;
    bool worker;    /* also while the guest runs */
    int argument;   /* this argument (its low half)... */
    uint32_t value; /* ...is this; argument -1: any */
};

#define ANY -1, 0

static const struct rule rules[] = {
    {SYS_ioctl, true, 1, KVM_RUN},       /* run the guest */
    {SYS_ioctl, true, 1, KVM_INTERRUPT}, /* give it the tick */
    {SYS_ppoll, true, ANY},              /* sleep for it; the parent: wait for commands */
    {SYS_read, true, 0, VM_RING_FD},     /* the doorbell's counter */
    {SYS_setitimer, true, ANY},          /* its tick */
    {SYS_rt_sigreturn, true, ANY},       /* leave the timer's handler */
    {SYS_exit_group, true, ANY},         /* end */
    {SYS_ioctl, false, ANY},             /* make a machine: only KVM's descriptors are open */
    {SYS_mmap, false, ANY},              /* the window, KVM's page */
    {SYS_munmap, false, ANY},            /* the template's */
    {SYS_madvise, false, ANY},           /* drop what a copy must not have */
    {SYS_brk, false, ANY},               /* malloc */
    {SYS_close, false, ANY},             /* received descriptors */
    {SYS_fcntl, false, ANY},             /* move them */
    {SYS_dup3, false, ANY},              /* put them at their numbers */
    {SYS_close_range, false, ANY},       /* and close everything else */
    {SYS_recvmsg, false, ANY},           /* commands */
    {SYS_sendmsg, false, ANY},           /* answers */
    {SYS_clone, false, ANY},             /* fork a copy */
    {SYS_wait4, false, ANY},             /* learn how it ended */
    {SYS_capset, false, ANY},            /* a copy gives up its capabilities */
    {SYS_prctl, false, ANY},             /* ends with its parent */
    {SYS_prlimit64, false, ANY},         /* lowers its limits */
    {SYS_seccomp, false, ANY},           /* and installs the narrower filter */
    {SYS_rt_sigaction, false, ANY},      /* the timer's handler; the parent: SIGCHLD */
    {SYS_rt_sigprocmask, false, ANY},    /* wait for commands and ends without a race */
    {SYS_clock_gettime, false, ANY},     /* how long a copy took */
    {SYS_getrandom, false, ANY},         /* what a copy finds on its launch page */
    {SYS_arch_prctl, false, ANY},        /* the C library's start in the child */
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static size_t put(struct sock_filter *to, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    *to = (struct sock_filter){code, jt, jf, k};
    return 1;
}

bool vm_filter_install(bool worker)
{
    struct sock_filter program[8 + 5 * RULES];
    size_t n = 0;
    const uint16_t load = BPF_LD | BPF_W | BPF_ABS, equal = BPF_JMP | BPF_JEQ | BPF_K;
    n += put(&program[n], load, offsetof(struct seccomp_data, arch), 0, 0);
    n += put(&program[n], equal, AUDIT_ARCH_X86_64, 1, 0);
    n += put(&program[n], BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    n += put(&program[n], load, offsetof(struct seccomp_data, nr), 0, 0);
    for (size_t i = 0; i < RULES; i++) {
        const struct rule *rule = &rules[i];
        if (worker && !rule->worker) {
            continue;
        }
        if (rule->argument < 0) {
            n += put(&program[n], equal, (uint32_t)rule->number, 0, 1);
            n += put(&program[n], BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
            continue;
        }
        n += put(&program[n], equal, (uint32_t)rule->number, 0, 4);
        n +=
            put(&program[n], load,
                (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)rule->argument), 0, 0);
        n += put(&program[n], equal, rule->value, 0, 1);
        n += put(&program[n], BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
        n += put(&program[n], load, offsetof(struct seccomp_data, nr), 0, 0);
    }
    n += put(&program[n], BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    const struct sock_fprog compiled = {(unsigned short)n, program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &compiled) == 0;
}
