/*
 * filter.h - the seccomp filters made from syscalls.def.
 */
#ifndef TFAAS_CORE_PLAT_LINUX_FILTER_H
#define TFAAS_CORE_PLAT_LINUX_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

enum filter_who { ZYGOTE = 1, WORKER = 2 };

#define FILTER_MAX 512

/* Namespaces a worker gets of its own; what the zygote's filter lets clone do, exactly. */
#define WORKER_CLONE_FLAGS_FULL (CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD)
#define WORKER_CLONE_FLAGS_WEAK (CLONE_PIDFD | SIGCHLD)

struct filter_pin; /* filter.c */

struct filter_rule {
    int number;
    enum filter_who who;
    const struct filter_pin *pin;
    const char *name, *reason;
};

/* Fills `program`; returns the number of instructions. */
size_t filter_build(enum filter_who who, struct sock_filter program[FILTER_MAX]);
/* Installs it for this process; no_new_privs must be set. False: the kernel refused. */
bool filter_install(enum filter_who who);
/* The rows of syscalls.def, in order. */
const struct filter_rule *filter_rules(size_t *count);
/* The call is answered with ENOSYS and never reaches the kernel's code. */
bool filter_refuses(const struct filter_rule *rule);

#endif
