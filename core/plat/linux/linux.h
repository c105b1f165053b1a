/*
 * linux.h - what the files of core/plat/linux share. Nothing outside this folder and its tests
 * may include it: the rest of the core sees plat.h only.
 */
#ifndef TFAAS_CORE_PLAT_LINUX_H
#define TFAAS_CORE_PLAT_LINUX_H

/* Before any C library header: memfd_create, ppoll, names of registers. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "../plat.h"

/* The descriptors of a worker. The system-call filter pins read and write to these numbers. */
#define WORKER_RING_FD 3 /* eventfd the host writes to; the core only reads it (blocking) */
#define WORKER_BELL_FD 4 /* eventfd the core writes to (non-blocking) */

/* Once, before anything else in plat.h: clock, register save area, thread blocks, allocator.
 * Returns NULL, or why this processor or C library cannot be used. */
const char *plat_linux_prepare(void);
/* Compares the time stamp counter with the kernel's clock over all the time since the last call
 * of plat_linux_prepare, so that the rate gets exact. */
void plat_clock_refine(void);
const char *plat_clock_prepare(void);
const char *plat_context_prepare(void);
const char *plat_signals_prepare(void);

/* In a worker: the window is mapped, the doorbells are at their numbers. From now on images are
 * kept in sealed memory files; before, in private memory (a worker shares no descriptor). */
void plat_linux_attach(void *window);
void plat_linux_domain(enum plat_role role, const char *name); /* at most PLAT_DOMAIN_MAX bytes */
#define PLAT_DOMAIN_MAX 231u
/* report.c. Zygote: draws the key of local reports; its public half (32 bytes). `measurement` is
 * what the tender measured. Worker: draws its instance number. */
const uint8_t *plat_linux_report_prepare(const uint8_t measurement[PLAT_MEASUREMENT_SIZE]);
void plat_linux_report_enter(const char *domain);
bool plat_linux_attached(void);

/* The core runs in a virtual machine over core/plat/shim: there is no Linux below, only the system
 * calls that the shim knows. */
extern bool plat_machine;
void plat_clock_machine(
    uint64_t tsc_khz); /* the rate, told by the tender; time goes on from here */
void plat_linux_memory_max(uint64_t bytes);
void plat_linux_report_take(const uint8_t measurement[PLAT_MEASUREMENT_SIZE],
                            const uint8_t seed[32]);

/* An interrupted state, whoever interrupted it: a signal of Linux or an exception of the shim. The
 * handlers change pc and sp to divert. */
struct plat_interrupted {
    uint64_t pc, sp, flags;
    uint64_t address, error; /* of a page fault */
    bool page_fault;
};
void plat_on_fault(int signal_number, struct plat_interrupted *at);
void plat_on_tick(struct plat_interrupted *at);
/* Where the handlers run. */
void plat_signal_stack(void **start, size_t *size);

/* Stores the thread's kernel id into the C library's thread block (after a raw clone). */
void plat_context_set_tid(int tid);

/* Stack and pointer guard anew, in a copy of a prepared core: what one copy's memory shows says
 * nothing of another's. No function that has begun may return afterwards, no context be live. */
void plat_context_new_guards(void);

/* What the signal handlers need to know of the running context: may `size` bytes below `sp` be
 * used? False when no context runs. */
bool plat_context_has_room(uintptr_t sp, size_t size);

/* switch.S */
extern uint64_t plat_xsave_mask;
extern uint64_t plat_xsave_size; /* bytes of the XSAVE area, multiple of 64 */
extern uint64_t plat_use_wrfsbase;
void plat_switch(void **save_sp, void *load_sp, uint64_t fs_base);
void plat_set_fs_base(uint64_t fs_base);
void plat_context_entry(void);
void plat_upcall(void);

#endif
