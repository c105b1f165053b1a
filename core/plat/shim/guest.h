/*
 * guest.h - ring 3 of a core in a virtual machine: what core/plat/linux asks instead of the
 * kernel. Only those files include it.
 */
#ifndef TFAAS_CORE_PLAT_SHIM_GUEST_H
#define TFAAS_CORE_PLAT_SHIM_GUEST_H

#include "../linux/linux.h"
#include "shim.h"

/* `tfaas-core vm`: prepares the core, says READY (the point at which the machine may be copied),
 * reads the launch page and serves. */
void guest_main(void) __attribute__((noreturn));

/* Faults and ticks from now on land in guest_entry.S, on this stack. NULL, or what went wrong. */
const char *guest_upcall_prepare(void *stack_end);
void guest_bell(void);
void guest_wait(int64_t timeout_ns);
void guest_tick(uint64_t ns);
void guest_ready(void);
void guest_note_writes(bool on);
void guest_exit(int code) __attribute__((noreturn));
/* From the processor, mixed with what the launch page had. False: the processor gives none. */
void guest_entropy_mix(const uint8_t bytes[32]);
bool guest_entropy(uint8_t *to, size_t size);

/* guest_entry.S: where faults and ticks arrive, the code that returns from there, and what zeroes
 * memory on its way from the shim. */
void guest_upcall(void);
extern const char guest_leave[], guest_leave_end[];
void guest_clear(void);
/* guest.c, called by guest_upcall */
void guest_on_upcall(void);

#endif
