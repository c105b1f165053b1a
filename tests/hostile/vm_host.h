/*
 * vm_host.h - the two halves of vm_host.c: a machine with the real core, copied per case, whose
 * processor the hostile host drives (vm_host_run.c).
 */
#ifndef TFAAS_TESTS_HOSTILE_VM_HOST_H
#define TFAAS_TESTS_HOSTILE_VM_HOST_H

#include "tender/kvm/vm.h"

/* What a host forges beside messages. */
enum forgery {
    FORGE_NOTHING,    /* sleeps and bells at will, ticks as armed or never */
    FORGE_TICKS,      /* ticks that nobody armed, at any rate; the time stamp counter jumps */
    FORGE_INTERRUPTS, /* every vector from 0 to 255, as an external interrupt */
    FORGE_EXCEPTIONS, /* every exception with any error code and address; NMI */
    FORGE_ALL,
    FORGE_KINDS
};

struct run {
    struct vm vm;
    uint8_t *window;
    enum forgery forgery;
    uint64_t random;
    unsigned exits_left;
    unsigned forged; /* how many things were */
    uint64_t bad_address;
    /* The host's turn; false: it has nothing more to do. */
    bool (*turn)(void);
};

#define RUN_STOPPED 1000 /* by the host: the core lives */
#define RUN_STRAY   1001 /* the core wrote where only its host may: bad_address */

uint64_t run_draw(struct run *run, uint64_t below);
/* A copy of `state` over `memory`; what only the host writes in the window is read-only. */
bool run_open(struct run *run, int kvm_fd, uint8_t *memory, uint64_t memory_size,
              const struct vm_state *state);
/* Until the core ends, the host has no more to do, or it left the machine too often; the exit
 * code, as vm_run, or one of the above. */
int run_hostile(struct run *run);

#endif
