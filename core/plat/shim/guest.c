/*
 * guest.c - see guest.h: faults and ticks as the shim tells them. Must never run on another stack
 * than the one registered, nor twice at once: the shim sees to both.
 */
#include "guest.h"

#include <signal.h>
#include <stddef.h>

_Static_assert(offsetof(struct shim_shared, active) == 64, "guest_entry.S");

static volatile struct shim_shared *shared(void)
{
    return (volatile struct shim_shared *)SHIM_SHARED_VA;
}

const char *guest_upcall_prepare(void *stack_end)
{
    register uintptr_t leave_end __asm__("r10") = (uintptr_t)guest_leave_end;
    register uintptr_t clear __asm__("r8") = (uintptr_t)guest_clear;
    long result = SHIM_CALL_UPCALL;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(guest_upcall), "S"(stack_end), "d"(guest_leave), "r"(leave_end),
                       "r"(clear)
                     : "rcx", "r11", "memory");
    return result == 0 ? NULL : "the shim takes no upcall";
}

static int signal_of(uint64_t vector)
{
    switch (vector) {
    case 0:
    case 16:
    case 19:
        return SIGFPE;
    case 1:
    case 3:
        return SIGTRAP;
    case 6:
        return SIGILL;
    case 17:
        return SIGBUS;
    default:
        return SIGSEGV;
    }
}

void guest_on_upcall(void)
{
    volatile struct shim_shared *from = shared();
    const uint64_t vector = from->vector;
    struct plat_interrupted at = {.pc = from->rip,
                                  .sp = from->rsp,
                                  .flags = from->rflags,
                                  .address = from->address,
                                  .error = from->error,
                                  .page_fault = vector == SHIM_VECTOR_FAULT};
    if (vector == SHIM_VECTOR_TICK) {
        plat_on_tick(&at);
    } else {
        plat_on_fault(signal_of(vector), &at);
    }
    from->rip = at.pc;
    from->rsp = at.sp;
}
