/*
 * plat.h - everything the core asks from below: window, pages, entropy, tick, exit. One
 * implementation per tender family (linux/, later shim/ and sgx/). Nothing else in core/ makes a
 * system call.
 */
#ifndef TFAAS_CORE_PLAT_H
#define TFAAS_CORE_PLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PLAT_PAGE 4096u

/* --- window and doorbells --- */
void *plat_window(void);
/* The trust domain this core was started for; "" when there is none. */
const char *plat_domain(void);
/* A keeper holds the keys of the node and runs no function; fixed at the launch. */
enum plat_role { PLAT_WORKER = 1, PLAT_KEEPER = 2 };
enum plat_role plat_role(void);
void plat_doorbell_ring(void); /* wake the host */
/* Where ringing is dear it is put off, so that one ring tells of many messages: called between
 * pieces of work; `now`: before a sleep or the end. */
void plat_doorbell_settle(bool now);
/* Sleep until the host rings, the tick fires, or timeout_ns (negative: no timeout) is over. */
void plat_doorbell_wait(int64_t timeout_ns);

/* How long a core may look for its next message before it sleeps, because sleeping and waking cost
 * more here; 0: sleep at once. */
uint64_t plat_spin_ns(void);

/* --- time: monotonic, from the processor's counter; no system call --- */
uint64_t plat_now_ns(void);
/* The host's wall clock (untrusted), as last told. It does not advance by itself. */
void plat_set_realtime(uint64_t ns);
uint64_t plat_realtime_ns(void);

/* --- pages --- */
/* Address space without access; NULL when there is none. size is a multiple of PLAT_PAGE. */
void *plat_reserve(size_t size);
void plat_release(void *at, size_t size);
/* Zeroed read-write pages inside a reservation; false: out of memory. */
bool plat_commit(void *at, size_t size);
/* Back to no access, contents dropped. */
void plat_decommit(void *at, size_t size);
enum plat_access { PLAT_NONE, PLAT_READ, PLAT_READ_WRITE };
void plat_protect(void *at, size_t size, enum plat_access access);

/* Private memory the process may have, in bytes; 0: no bound is known. */
uint64_t plat_memory_max(void);

/* An immutable copy of memory that many places can map copy-on-write. */
struct plat_run; /* pages that are not all zero: pages.c's own */
struct plat_image {
    struct plat_run *runs;
    size_t run_count;
    const uint8_t *bytes; /* readable view */
    size_t size;
    size_t used; /* bytes of pages that are not all zero: what it takes of the machine's memory */
    int fd;
    bool is_private; /* those pages are part of plat_memory_max() */
};
/* `from` (size bytes; NULL: zeros) followed by zeros up to `total`. */
bool plat_image_create(struct plat_image *image, const void *from, size_t size, size_t total);
/* Of `count` pages: page number pages[i] of `from`, in this order. */
bool plat_image_gather(struct plat_image *image, const uint8_t *from, const uint32_t *pages,
                       size_t count);
void plat_image_destroy(struct plat_image *image);
/* Its pages are where mappings can share them, as far as that is possible here. */
bool plat_image_is_shared(const struct plat_image *image);
/* Maps it private at `at` (inside a reservation), dropping what was there: PLAT_READ, or
 * PLAT_READ_WRITE where some of it is to be changed first. */
bool plat_image_map(const struct plat_image *image, void *at, enum plat_access access);

/* Before the fork: memory that is written while this is on, a copy will write soon after its start.
 * A hint: where starting a copy is dear, it is made ready for that. */
void plat_note_writes(bool on);

/* --- write faults and pre-emption; handlers run on a signal stack: no allocation, no locks --- */
/* A write to a read-only page at `address`. True: made writable, go on. False: a fault of the core.
 */
typedef bool (*plat_write_fault_fn)(uintptr_t address);
/* May the code at `pc` be diverted? True: yes, continue in plat_diverted (below) when resumed.
 * The tick is over either way; the callback may arm the next one. Only code that runs in a context
 * is diverted; code with less than 24 KiB of stack left gets another tick soon instead. */
typedef bool (*plat_tick_fn)(uintptr_t pc);
void plat_handlers(plat_write_fault_fn on_write, plat_tick_fn on_tick);
/* Arms one tick `ns` from now if none is armed. */
void plat_tick_arm(uint64_t ns);
/* Only inside the tick hook: one more tick `ns` from now. */
void plat_tick_again(uint64_t ns);
/* Only inside the tick hook: takes the permission to execute [start, end) away, so that the code
 * running now (the engine, a host call) faults on its way back into it; that fault restores the
 * permission and diverts there. For runs that spend their time in bulk operations or host calls. */
void plat_trap_code(uintptr_t start, uintptr_t end);
/* Takes plat_trap_code back. Before code that may be trapped is released; a switch back does it
 * too. */
void plat_untrap_code(void);
/* Where diverted code lands, on its own stack with every register saved; returns to resume. */
extern void (*plat_diverted)(void);

/* --- a second flow of control: stack and thread block --- */
struct plat_context; /* opaque */
#define PLAT_STACK_SIZE (1280u * 1024)
struct plat_context *plat_context_new(void); /* NULL: out of memory */
/* `fn` starts on the context's stack at the next switch to it. It must never return. */
void plat_context_start(struct plat_context *context, void (*fn)(void *), void *argument);
/* From the scheduler to a context, and from the running context back. */
void plat_switch_to(struct plat_context *context);
void plat_switch_back(void);
void plat_context_free(struct plat_context *context);

/* --- local reports: what one core of this platform proves to another --- */
#define PLAT_MEASUREMENT_SIZE 48u
#define PLAT_REPORT_SIZE      264u
enum plat_tee { PLAT_SIMULATED = 1, PLAT_SGX, PLAT_SNP, PLAT_TDX };
/* Under the simulated root: signed (Ed25519) with a key that the zygote drew, whose public half
 * every core has. A report a verifier can check it cannot make. All bytes, no padding. */
struct plat_report {
    uint8_t magic[4]; /* "TFLR" */
    uint8_t version;  /* 1 */
    uint8_t tee, role, reserved;
    uint8_t measurement[PLAT_MEASUREMENT_SIZE]; /* SHA-384 of the core's ELF file */
    uint8_t instance[16];                       /* random, of this process only */
    uint8_t domain[64];                         /* SHA-512 of the trust domain's name */
    uint8_t data[64];                           /* what the core wants to bind */
    uint8_t signature[64];                      /* over all that is before it */
};
_Static_assert(sizeof(struct plat_report) == PLAT_REPORT_SIZE, "wire form");
/* False: no report can be made (any more). */
bool plat_local_report(const uint8_t data[64], struct plat_report *report);
/* Wipes what reports are made with: a worker calls it before its first message. */
void plat_local_report_end(void);
/* Made on this platform, by a core with this core's measurement? */
bool plat_local_verify(const struct plat_report *report);
void plat_measurement(uint8_t to[PLAT_MEASUREMENT_SIZE]);

/* --- entropy, logs of last resort, end --- */
void plat_entropy(uint8_t *to, size_t size);
/* Calls plat_on_abort (if set, once; it may run on a signal stack), then ends the process. */
void plat_abort(const char *reason) __attribute__((noreturn));
extern void (*plat_on_abort)(const char *reason);
void plat_exit(int code) __attribute__((noreturn));

#endif
