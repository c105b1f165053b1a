/*
 * emu.h - a core's machine under QEMU without KVM: the bytes of host/tender/kvm/machine.c in an
 * emulated PC whose rings, paging and `syscall` follow the manual, with stock devices at the ports
 * of core/plat/shim/shim.h. For tests.
 *
 * Time in the machine is counted in instructions, so no outcome depends on how fast it runs. A tick
 * comes every millisecond of it, asked for or not, and SHIM_PORT_WAIT returns at once: a host may
 * do both.
 */
#ifndef TFAAS_TESTS_EMU_H
#define TFAAS_TESTS_EMU_H

#include "tender/kvm/machine.h"

#include <sys/types.h>

struct emu {
    struct machine machine; /* its memory: shared with QEMU, from guest-physical 0 */
    uint8_t measurement[SHA384_SIZE];
    uint64_t memory_size;
    void *window; /* formatted */
    pid_t pid;    /* QEMU */
    int bell_fd;  /* a byte per SHIM_PORT_BELL; non-blocking */
    int ready_fd; /* a byte per SHIM_PORT_READY */
    int log_fd;   /* what QEMU tells of interrupts and of the system call's entry */
};

struct emu_options {
    const char *core, *shim;               /* files */
    uint64_t cr0_off, cr4_off, sfmask_off; /* protections to go without: what they are good for */
};

/* NULL: there is a QEMU here; else why not, in words. */
const char *emu_missing(void);
/* Builds, measures and starts it. Whatever cannot be done ends the test. */
void emu_start(struct emu *emu, const struct emu_options *options);
/* False: the machine ended before its READY. */
bool emu_ready(struct emu *emu);
/* The entry of a page in the machine's page tables; it must have one. */
uint64_t *emu_page(const struct emu *emu, uint64_t va);
/* Kills QEMU where it still runs and gives everything back. */
void emu_stop(struct emu *emu);

/* How a machine ended: the code of SHIM_PORT_EXIT, or one of these. */
#define EMU_RESET      (-1) /* a triple fault */
#define EMU_ODD        (-2) /* something else ended QEMU */
#define EMU_LIVES      (-3) /* not within EMU_PATIENCE_S: killed */
#define EMU_PATIENCE_S 60
int emu_end(struct emu *emu);
/* Of what waitpid said. */
int emu_code(int status);

/* What the log holds. */
struct emu_log {
    unsigned calls;          /* times the system call's entry was executed... */
    unsigned calls_in_ring0; /* ...in ring 0 */
    unsigned ticks, faults;  /* ticks; page faults */
    unsigned from_ring0;     /* exceptions and ticks that did not interrupt ring 3 */
    unsigned
        fetches_at_call; /* exceptions at the system call's entry: kvm-pvm's way into the shim */
};
void emu_log_read(const struct emu *emu, struct emu_log *log);

#endif
