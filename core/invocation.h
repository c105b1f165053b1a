/*
 * invocation.h - one run of a function: its limits, streams and counters, as the host calls
 * (guest.c, wasi.c) see it. Owned by the scheduler (scheduler.h); valid until its END message.
 */
#ifndef TFAAS_CORE_INVOCATION_H
#define TFAAS_CORE_INVOCATION_H

#include "bhttp.h"
#include "tfaas/abi.h"
#include "tfaas/status.h"
#include "vfs.h"

#define OPEN_FILES_MAX 64u
#define LOG_LINE_MAX   4096u /* longer lines are cut into several */
#define OUTPUT_CHUNK   (32u * 1024)

struct function; /* function.h */
struct inner;

struct open_file {
    bool used;
    uint32_t node;
    uint64_t at;
    uint64_t rights; /* WASI rights it was opened with */
};

/* Bytes of the request stream that have arrived and were not read yet. */
struct inbox {
    uint8_t *data; /* malloc'ed, capacity bytes */
    size_t capacity, start, size;
    uint64_t received, credited; /* stream totals */
    bool ended;
};

struct invocation {
    uint32_t id;
    const struct function *function;
    bool loading; /* runs tfaas_load / _initialize: log goes to the load error, no request */
    bool cancelled;
    tfaas_status_t stop; /* not OK: every host call traps; the run ends with this status */

    uint64_t realtime_ns;      /* untrusted host time at the start or the last blocking point */
    uint64_t deadline_tick_ns; /* core monotonic */
    uint64_t work; /* charged by host calls; the guest's own counter is added at the end */
    uint64_t hostcalls, hostcall_limit;
    uint64_t response_sent, response_limit, response_credit;
    uint64_t log_sent, log_limit;

    struct inbox in;
    struct bhttp_head head;   /* command: parsed from head_bytes */
    uint8_t *head_bytes;      /* malloc'ed */
    size_t head_at, head_end; /* command: content that came along with the head, not read yet */
    bool response_started;    /* the guest has written its head: invocation_write sets this */
    bool response_ended;      /* the last piece was written */
    uint8_t *out;             /* command: stdout not sent yet (wasi_command.c), malloc'ed */
    size_t out_size;
    uint8_t *log; /* a line not ended yet, LOG_LINE_MAX bytes, malloc'ed */
    size_t log_size;

    struct open_file files[OPEN_FILES_MAX]; /* index 0 is fd 4 */
    uint8_t closed;                         /* bit n: the guest closed fd n, 0..3 */
    uint32_t exit_code;
    bool exited;
    uint64_t peak; /* bytes of memory at most, once the run is over */

    struct inner *inner;       /* its compartments (inner.h); NULL: none was called */
    struct invocation *caller; /* that waits for this run of a compartment; NULL: the host */
    uint64_t work_limit;       /* of this call of a compartment; 0: none */
    uint64_t work_charged;     /* to the caller */
    bool over_work;
};

/* --- what the scheduler and the ring give to host calls (invoke.c, scheduler.c) --- */

/* Next bytes of the request stream: > 0 bytes copied, 0 end. Blocks the invocation. Negative:
 * the run must stop (invocation->stop says why). Large reads grant CREDIT by themselves. */
int64_t invocation_read(struct invocation *run, uint8_t *to, size_t capacity);
/* Sends response stream bytes, in pieces, waiting for credit; 0, or negative: must stop. Checks
 * response_limit. */
int invocation_write(struct invocation *run, const uint8_t *from, size_t size, bool last);
/* Blocks for `ns` (negative: until the deadline). 0, or negative: must stop. */
int invocation_sleep(struct invocation *run, int64_t ns);
/* Text for the log; whole lines are sent, the rest waits in run->log. Over log_limit: one line says
 * so, the rest is dropped (never an error for the function). */
void invocation_log(struct invocation *run, const uint8_t *text, size_t size);
/* Random bytes, drawn after the restore; never fails. */
void invocation_random(struct invocation *run, uint8_t *to, size_t size);

#endif
