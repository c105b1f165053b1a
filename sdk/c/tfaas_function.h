/*
 * tfaas_function.h - what a WebAssembly function may call beside WASI preview 1, for C and C++.
 * Nothing to link: these are imports of module "tfaas" (SPECIFICATION.md).
 *
 * A reactor exports tfaas_handle, and tfaas_load if it wants to prepare something once: its memory
 * after tfaas_load is what every call starts from. Build with
 *   clang --target=wasm32-wasi -O2 -mexec-model=reactor function.c -o function.wasm
 */
#ifndef TFAAS_FUNCTION_H
#define TFAAS_FUNCTION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFAAS_FUNCTION_IMPORT(name) __attribute__((import_module("tfaas"), import_name(#name)))
#define TFAAS_FUNCTION_EXPORT(name) __attribute__((export_name(#name)))

/* --- streams of a reactor. Results: bytes, 0 at the end; negative: the run is being stopped --- */

/* The request: a Binary HTTP message (RFC 9292, known length); in a compartment, its caller's
 * bytes. */
TFAAS_FUNCTION_IMPORT(request_read) int32_t tfaas_request_read(void *to, uint32_t capacity);
/* The response, in the same form; the first piece holds the whole head. */
TFAAS_FUNCTION_IMPORT(response_write)
int32_t tfaas_response_write(const void *from, uint32_t size, uint32_t last);
TFAAS_FUNCTION_IMPORT(sleep) int32_t tfaas_sleep(int64_t ns);

/* --- compartments: another module of the same package, in an instance of its own ---
 * docs/isolation.md says what it can reach (nothing that is not granted) and what its limits mean.
 */

enum tfaas_compartment_error { /* results, negated */
                               TFAAS_COMPARTMENT_TRAPPED = 1,
                               TFAAS_COMPARTMENT_MEMORY = 2,
                               TFAAS_COMPARTMENT_WORK = 3,
                               TFAAS_COMPARTMENT_DEADLINE = 4,
                               TFAAS_COMPARTMENT_TOO_LARGE = 5,
                               TFAAS_COMPARTMENT_HOSTCALLS = 6,
                               TFAAS_COMPARTMENT_BUSY = 7,
                               TFAAS_COMPARTMENT_CLOSED = 8,
                               TFAAS_COMPARTMENT_LATE = 9,
                               TFAAS_COMPARTMENT_TOO_MANY = 10,
                               TFAAS_COMPARTMENT_REFUSED = 11,
                               TFAAS_COMPARTMENT_UNAVAILABLE = 12,
};

/* In tfaas_load. `text` is lines in any order:
 *   module PATH    of the package, a reactor ending in .wasm (must be there; all others may lack)
 *   folder PATH    whose files it sees     name TEXT       in the log
 *   memory BYTES   16777216 if not said    work UNITS      within one outer call; 1e9 if not said
 *   timeout NS     of one call             grant log | grant env NAME | grant secret NAME
 * A handle, or an error. The same text later gives the same handle. */
TFAAS_FUNCTION_IMPORT(compartment_open)
int32_t tfaas_compartment_open(const void *text, uint32_t size);
/* Runs its tfaas_handle over these bytes; the size of the answer, or an error. Its memory stays
 * from call to call until an error, or until the outer call ends. */
TFAAS_FUNCTION_IMPORT(compartment_call)
int32_t tfaas_compartment_call(int32_t handle, const void *request, uint32_t size);
/* The last answer, or text about the last error; its size. Only once. */
TFAAS_FUNCTION_IMPORT(compartment_read) int32_t tfaas_compartment_read(void *to, uint32_t capacity);
/* No more calls of it in this outer call. */
TFAAS_FUNCTION_IMPORT(compartment_close) int32_t tfaas_compartment_close(int32_t handle);

#ifdef __cplusplus
}
#endif

#endif
