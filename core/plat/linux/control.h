/*
 * control.h - what the process tender (host/tender/process) and the zygote say to each other: one
 * SOCK_SEQPACKET, one message per packet, descriptors by SCM_RIGHTS. Only these two ends read it; a
 * worker never holds the socket.
 *
 *   zygote -> tender   READY      a = nanoseconds core_prepare took; text = public key of its
 *                                 local reports (CONTROL_ROOT_SIZE raw bytes), then its version
 *                      FAILED     text = why the zygote ends
 *                      LAUNCHED   request; a = pid in the zygote's namespace,
 *                                 b = nanoseconds clone took; descriptor: the worker's pidfd
 *                      REFUSED    request; a = errno of clone
 *                      EXITED     request; a = wait status
 *   tender -> zygote   LAUNCH     request; a = enum plat_role; text = trust domain; descriptors:
 * window, ring, bell
 *
 * The zygote is started as `tfaas-core zygote MEASUREMENT`: the SHA-384 of the file that is
 * executed, in hex, as the tender computed it.
 *
 * The zygote ends when the other end of the socket is closed.
 */
#ifndef TFAAS_CORE_PLAT_LINUX_CONTROL_H
#define TFAAS_CORE_PLAT_LINUX_CONTROL_H

#include <stdint.h>

#define CONTROL_FD          3 /* in the zygote */
#define CONTROL_FDS_MAX     3 /* descriptors in one message */
#define CONTROL_WORKERS_MAX 1024
#define CONTROL_ROOT_SIZE   32

/* How a worker ended before core_serve: its cage could not be closed. */
#define WORKER_EXIT_NO_CAGE 71

enum control_kind {
    CONTROL_READY = 1,
    CONTROL_FAILED,
    CONTROL_LAUNCHED,
    CONTROL_REFUSED,
    CONTROL_EXITED,
    CONTROL_LAUNCH,
};

struct control_message {
    uint32_t kind;
    uint32_t request;
    uint64_t a, b;
    char text[232]; /* NUL-terminated */
};
_Static_assert(sizeof(struct control_message) == 256, "one size for every message");

#endif
