/*
 * boot.h - what emu.c tells the boot ROM (boot.S): in the machine's memory below 1 MiB, where the
 * machine's own page tables map nothing. Zeroed once the machine runs. Also read by assembly.
 */
#ifndef TFAAS_TESTS_EMU_BOOT_H
#define TFAAS_TESTS_EMU_BOOT_H

#define BOOT_ROM_SIZE 0x10000
#define BOOT_ROM_GPA  0xffff0000 /* its end is the reset vector's page */

#define BOOT_GPA      0x20000 /* the page tables of the ROM, the root first */
#define BOOT_TABLES   7
#define BOOT_STEP_GPA 0x27000 /* the page with the step into the machine's page tables */
#define BOOT_GDT_GPA  0x28000 /* the machine's, with a TSS that may still be loaded */
#define BOOT_WORD_GPA 0x29000 /* struct boot_words */
#define BOOT_END_GPA  0x2a000

/* Offsets in struct boot_words. */
#define BOOT_CR0       0
#define BOOT_CR3       8
#define BOOT_CR4       16
#define BOOT_EFER      24
#define BOOT_STAR      32
#define BOOT_LSTAR     40
#define BOOT_SFMASK    48
#define BOOT_XCR0      56
#define BOOT_STEP      64
#define BOOT_STACK     72
#define BOOT_TIMER     80
#define BOOT_FIRST_GDT 88 /* limit and base as lgdt wants them, 16 bytes each */
#define BOOT_GDT       104
#define BOOT_IDT       120

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct boot_table {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed, aligned(2)));

struct boot_words {
    uint64_t cr0, cr3, cr4, efer, star, lstar, sfmask, xcr0;
    uint64_t step;  /* va of `mov %rax, %cr3`; the next instruction is the shim's iretq */
    uint64_t stack; /* va of what that iretq takes */
    uint64_t timer; /* counts of 1193182 Hz from tick to tick */
    struct boot_table first_gdt;
    uint8_t fill1[6];
    struct boot_table gdt;
    uint8_t fill2[6];
    struct boot_table idt;
};
_Static_assert(offsetof(struct boot_words, xcr0) == BOOT_XCR0, "boot.S");
_Static_assert(offsetof(struct boot_words, timer) == BOOT_TIMER, "boot.S");
_Static_assert(offsetof(struct boot_words, first_gdt) == BOOT_FIRST_GDT, "boot.S");
_Static_assert(offsetof(struct boot_words, gdt) == BOOT_GDT, "boot.S");
_Static_assert(offsetof(struct boot_words, idt) == BOOT_IDT, "boot.S");
#endif

#endif
