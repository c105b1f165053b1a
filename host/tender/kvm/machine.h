/*
 * machine.h - a core's virtual machine before its first instruction: memory, page tables and
 * registers, made from two files alone, and the measurement of it. tfaasd, the process that runs
 * machines, and `tfaas core measure` make the same bytes with this code.
 */
#ifndef TFAAS_HOST_TENDER_KVM_MACHINE_H
#define TFAAS_HOST_TENDER_KVM_MACHINE_H

#include "plat/shim/shim.h"
#include "sha384.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beside what a worker may have as private memory: the ELF, tables, and what lies below frames. */
#define MACHINE_BASE_SIZE (UINT64_C(96) << 20)

struct machine {
    uint8_t *memory; /* guest-physical 0; zeroed; at least MACHINE_BASE_SIZE */
    uint64_t page_tables_used, frames_used;
    uint64_t content_end; /* above it only zeros, page tables apart */
    uint64_t rip, rsp;
    const char *why; /* after a failure */
};

/* The registers every machine starts with; where the processor lacks a protection, the tender takes
 * its bit away. */
#define MACHINE_CR0  UINT64_C(0x80050033) /* PG AM WP NE ET MP PE */
#define MACHINE_CR4  UINT64_C(0x350620)   /* SMAP SMEP OSXSAVE FSGSBASE OSXMMEXCPT OSFXSR PAE */
#define MACHINE_UMIP UINT64_C(0x800)
#define MACHINE_EFER UINT64_C(0xd01) /* NXE LMA LME SCE */
#define MACHINE_STAR UINT64_C(0x0023001000000000)
/* Cleared at a system call: interrupts, direction, trap, nested task, alignment, I/O privilege. */
#define MACHINE_SFMASK UINT64_C(0x47700)

/* False: `why` says what is wrong with the files. */
bool machine_build(struct machine *machine, const uint8_t *core, size_t core_size,
                   const uint8_t *shim, size_t shim_size);
/* SHA-384 over every page that is not all zero, in ascending order, its guest-physical address (8
 * bytes, little-endian) ahead of its 4096 bytes; then the registers above and rip, rsp. The launch
 * page is left out. */
void machine_measure(const struct machine *machine, uint8_t measurement[SHA384_SIZE]);
/* Both, in memory of its own, which is given back. */
bool machine_measure_files(const uint8_t *core, size_t core_size, const uint8_t *shim,
                           size_t shim_size, uint8_t measurement[SHA384_SIZE], const char **why);

#endif
