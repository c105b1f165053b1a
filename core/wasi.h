/*
 * wasi.h - WASI preview 1 (the subset in SPECIFICATION.md) and the "tfaas" imports, as plain C over
 * a bounded view of the guest's memory. Knows nothing of the engine; core/engine/wasmtime.c binds
 * it.
 */
#ifndef TFAAS_CORE_WASI_H
#define TFAAS_CORE_WASI_H

#include "invocation.h"

/* What a host call is charged in work units: a constant, and more for the bytes it moves. */
#define HOSTCALL_WORK           64u
#define HOSTCALL_BYTES_PER_WORK 64u

/* The guest's linear memory during one host call. Host calls that block (read, write, sleep,
 * poll) may come back with the memory elsewhere: they call `memory->refresh` before they touch it
 * again. */
struct guest_memory {
    uint8_t *base;
    uint64_t size;
    void (*refresh)(struct guest_memory *memory);
    void *env;
};

enum wasi_type { WASI_I32 = 1, WASI_I64 };

/* One import. `args` holds the raw 64-bit arguments (i32 zero-extended); the i32 result is
 * returned. A call that must end the run (proc_exit, a limit) sets run->exited or run->stop; the
 * binder turns that into a trap right after the call. */
struct wasi_import {
    const char *module, *name;
    uint8_t arg_count;
    uint8_t arg_types[9];
    bool has_result;
    int32_t (*call)(struct invocation *run, struct guest_memory *memory, const uint64_t *args);
};

/* Every name of preview 1 is here (what is not served answers ENOSYS or ENOTCAPABLE), plus module
 * "tfaas". */
extern const struct wasi_import wasi_imports[];
extern const size_t wasi_import_count;

/* Command only: parses the head out of the request stream, prepares stdin/stdout. */
tfaas_status_t wasi_command_begin(struct invocation *run) TFAAS_MUST_USE;
/* Command only: sends what is left of stdout, with the response head if none went out yet.
 * status 200, or 500 with a generic text when exit_code != 0 and nothing was sent. */
void wasi_command_end(struct invocation *run);
/* Releases what the run holds (buffers); wipes nothing that the arena does not own. */
void wasi_end(struct invocation *run);

#endif
