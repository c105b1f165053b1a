/*
 * cage.h - the walls around a zygote, seen from outside: which ones this kernel gives, and the
 * child that puts them up and becomes the core. Process tender only.
 */
#ifndef TFAAS_HOST_TENDER_PROCESS_CAGE_H
#define TFAAS_HOST_TENDER_PROCESS_CAGE_H

/* Before any C library header: namespaces, pidfds, memfds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "../../error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CAGE_GIVEN_FDS 3
#define CAGE_CGROUPS   2 /* version 1 has memory and pids apart */

struct cage {
    int clone_flags;   /* the CLONE_NEW* that work here */
    bool landlock;     /* the kernel has it */
    bool seccomp;      /* never missing on a supported kernel: without it nothing starts */
    uid_t outside_uid; /* who the core is, seen from the host */
    gid_t outside_gid;
    uint64_t memory_max;            /* private memory of one process */
    uint64_t cores_memory_max;      /* all cores together, image files included; needs the cgroup */
    char cgroup[CAGE_CGROUPS][256]; /* folders the cores are put into; "" where none may be made */
    char measurement[97];           /* of the core's file, in hex: what the zygote is told */
    /* What is executed in it (NULL-terminated), and descriptors for it: at 5 and above; -1: none.
     */
    const char *arguments[4];
    int given_fds[CAGE_GIVEN_FDS];
    char missing[512]; /* one line per missing layer; "" when all are there */
};

/* Finds out, by trying, what this process may use. Puts up nothing. */
void cage_probe(struct cage *cage);
/* The walls that will be up, comma separated. */
void cage_layers(const struct cage *cage, char *text, size_t size);

/* Starts `core_fd` (an ELF, open for reading) inside the cage with one end of a control socket.
 * On success: *pidfd and *control belong to the caller. */
tfaas_status_t cage_start(const struct cage *cage, int core_fd, int *pidfd, int *control,
                          struct tfaas_error *error) TFAAS_MUST_USE;

/* cage_child.c: in the child; reports on `control` and ends when a wall cannot be put up. */
void cage_child(const struct cage *cage, int core_fd, int control, int go)
    __attribute__((noreturn));

/* cgroup.c: a folder for this daemon's cores, where one may be made. */
void cgroup_make(struct cage *cage);
bool cgroup_enter(const struct cage *cage, pid_t pid);
void cgroup_remove(const struct cage *cage);

#endif
