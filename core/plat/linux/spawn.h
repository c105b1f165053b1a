/*
 * spawn.h - the loop of a process that has something ready and forks a copy of itself per command
 * of the tender (control.h): the zygote of the process tender, and the template of the kvm tender.
 */
#ifndef TFAAS_CORE_PLAT_LINUX_SPAWN_H
#define TFAAS_CORE_PLAT_LINUX_SPAWN_H

#include "linux.h"

#include "control.h"
#include <sys/resource.h>

struct spawn_hooks {
    void (*before)(void); /* in the parent, ahead of each fork */
    /* In the child. fds: window, ring, bell, all at high numbers. */
    void (*worker)(enum plat_role role, const char *domain, const int fds[CONTROL_FDS_MAX],
                   bool own_pids) __attribute__((noreturn));
};

/* Before the parent's filter: what clone may do here. */
void spawn_prepare(void);
/* No new privileges, no core dumps, no files. */
void spawn_no_new_rights(void);
bool spawn_read_measurement(const char *hex, uint8_t to[PLAT_MEASUREMENT_SIZE]);
/* Tells the tender and ends. */
void spawn_fail(const char *why) __attribute__((noreturn));
void spawn_tell_failure(const char *why);
/* Says READY and serves commands until the tender is gone. */
void spawn_serve(const struct spawn_hooks *hooks, const uint8_t root[CONTROL_ROOT_SIZE],
                 const char *version, uint64_t ready_ns) __attribute__((noreturn));

/* In the child: these two at `first` and `first` + 1, nothing else open. */
bool spawn_close_child(const int fds[2], int first);
/* In the child, last before its filter: limits, capabilities, and the end with its parent. */
bool spawn_lower_rights(rlim_t files);

#endif
