/*
 * vm.h - one virtual machine under /dev/kvm, driven by the process that is its cage (tfaas-vm).
 * No device is emulated: what leaves the machine are the ports of core/plat/shim/shim.h; whatever
 * else a guest does ends it.
 */
#ifndef TFAAS_HOST_TENDER_KVM_VM_H
#define TFAAS_HOST_TENDER_KVM_VM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "machine.h"

#include <linux/kvm.h>

/* The descriptors of a running machine's process. */
#define VM_RING_FD 3 /* eventfd: sleep until the host rings */
#define VM_CPU_FD  4

/* How the process of a machine ends, beside what the core says itself (control.h describes them).
 */
enum vm_exit {
    VM_EXIT_NO_MACHINE = 73, /* KVM refused to make it */
    VM_EXIT_PORT = 74,       /* a port or a width that is not there */
    VM_EXIT_MEMORY = 75,     /* an address without memory */
    VM_EXIT_SHUTDOWN = 76,   /* triple fault */
    VM_EXIT_HALT = 77,
    VM_EXIT_OTHER = 78, /* anything else KVM tells */
};

/* A processor that stopped at READY. */
struct vm_state {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_xsave xsave;
    struct kvm_xcrs xcrs;
};

struct vm {
    int vm_fd, cpu_fd;
    struct kvm_run *run;
    size_t run_size;
    uint8_t *memory; /* guest-physical 0 */
    uint64_t memory_size;
    uint32_t tsc_khz;
    uint64_t cr4;    /* what the guest starts with here */
    uint64_t *noted; /* vm_run_to_ready */
    const char *why; /* after a failure; errno too */
};

/* A machine with one processor over this memory. False: `why`. */
bool vm_open(struct vm *vm, int kvm_fd, uint8_t *memory, uint64_t memory_size);
void vm_close(struct vm *vm);
/* The registers of the first instruction. */
bool vm_boot(struct vm *vm, const struct machine *machine);
bool vm_save(struct vm *vm, struct vm_state *state);
bool vm_restore(struct vm *vm, const struct vm_state *state);
/* The memory both sides see; the eventfd that the guest rings without leaving the kernel. */
bool vm_attach(struct vm *vm, void *window, int bell_fd);
/* Until READY. False: `why` says how it ended instead. What the guest says that a copy of it will
 * write is in `noted`, a bit per page of the memory; malloc'ed, NULL where KVM keeps no log. */
bool vm_run_to_ready(struct vm *vm);
/* Serves the ports until the guest ends; returns the exit code. From the first call on only these
 * system calls are made: ioctl(VM_CPU_FD), ppoll, read(VM_RING_FD), setitimer, rt_sigreturn. */
int vm_run(struct vm *vm);
/* Once per process, before vm_run: takes SIGALRM. */
bool vm_take_timer(struct vm *vm);

/* vm_filter.c: `worker`: only what vm_run needs. */
bool vm_filter_install(bool worker);

#endif
