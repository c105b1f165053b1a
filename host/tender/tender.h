/*
 * tender.h - what launches cores. One backend per kind of wall; tfaasd knows only this table.
 *
 * A tender makes cores ("workers"), each with its own window and doorbells. All calls are made
 * from one thread and return quickly (start, and a launch after the tender's own process died, take
 * as long as core_prepare). When worker->exit_fd becomes readable: ended, then destroy.
 */
#ifndef TFAAS_HOST_TENDER_H
#define TFAAS_HOST_TENDER_H

#include "../error.h"
#include "tfaas/abi.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tender_options {
    const char *core_path;      /* the core ELF */
    bool allow_weaker_sandbox;  /* start although a layer is missing */
    uint64_t worker_memory_max; /* private bytes of one worker, 0: default 1 GiB */
    uint64_t cores_memory_max;  /* all workers together, 0: three quarters of the machine; needs a
                                 * writable cgroup */
};

struct tender; /* backend's own */

enum tender_role { TENDER_WORKER = 1, TENDER_KEEPER = 2 };

struct tender_worker {
    void *window;  /* TFAAS_WINDOW_SIZE bytes, formatted */
    int bell_fd;   /* eventfd the core rings: poll it, read it (non-blocking) */
    int ring_fd;   /* eventfd to write to wake the core */
    int exit_fd;   /* readable once the worker is gone (pidfd) */
    int pid;       /* as seen from the host; -1 if the backend has none */
    void *backend; /* backend's own */
};

struct tender_ops {
    const char *name; /* "process" */
    /* Why it cannot be used here, in words, one missing layer per line, into `why`. True: usable.
     */
    bool (*probe)(char *why, size_t why_size);
    /* `layers`: the walls that are up, for /system/info, comma separated. */
    tfaas_status_t (*start)(const struct tender_options *options, struct tender **tender,
                            char *layers, size_t layers_size, struct tfaas_error *error);
    /* A keeper has trust domain "". */
    tfaas_status_t (*launch)(struct tender *tender, enum tender_role role, const char *trust_domain,
                             struct tender_worker *worker, struct tfaas_error *error);
    /* What identifies the cores it launches (plat.h), and the public key that signs their local
     * reports under the simulated root. */
    void (*identity)(struct tender *tender, uint8_t measurement[48], uint8_t report_root[32]);
    /* After exit_fd became readable: how it ended, in words ("killed by SIGKILL", "exit 70 ...").
     */
    void (*ended)(struct tender *tender, struct tender_worker *worker, char *how, size_t how_size);
    /* Kills the worker if it lives, waits for it, releases window and descriptors. */
    void (*destroy)(struct tender *tender, struct tender_worker *worker);
    void (*stop)(struct tender *tender);
};

extern const struct tender_ops tender_process;
/* The same core as a guest under /dev/kvm; tfaas-vm and tfaas-shim lie beside the core. */
extern const struct tender_ops tender_kvm;

#endif
