/*
 * boot.S - the ROM of an emulated PC: from the reset vector to the first instruction of a machine
 * that is in memory already (emu.c), with the registers of boot.h, by the manual alone. The last
 * step, into the machine's own page tables, is a `mov %cr3` on a page that only the ROM's tables
 * have at that address; the instruction behind it is the shim's own iretq (Intel SDM 3, 4.10).
 */
#include "boot.h"
#include "plat/shim/shim.h"

#define AT(label)     (BOOT_ROM_GPA + ((label) - rom))
#define WORD(offset)  (BOOT_WORD_GPA + (offset))
#define MSR_EFER      0xc0000080
#define MSR_STAR      0xc0000081
#define MSR_LSTAR     0xc0000082
#define MSR_SFMASK    0xc0000084
#define EFER_LME      0x100
#define CR0_PE        0x1
#define CR0_PG        0x80000000
#define CR4_PAE       0x20
#define PIC_COMMAND   0x20
#define PIC_DATA      0x21
#define PIC2_DATA     0xa1
#define TIMER_DATA    0x40
#define TIMER_COMMAND 0x43

        .text
        .code16
rom:
start16:
        cli
        lgdtl   %cs:(gdt_pointer - rom)
        movl    $CR0_PE, %eax
        movl    %eax, %cr0
        ljmpl   $8, $AT(start32)

        .code32
start32:
        movl    $CR4_PAE, %eax
        movl    %eax, %cr4
        movl    $BOOT_GPA, %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        movl    $EFER_LME, %eax
        xorl    %edx, %edx
        wrmsr
        movl    $(CR0_PG | CR0_PE), %eax
        movl    %eax, %cr0
        ljmpl   $16, $AT(start64)

        .code64
        .macro  msr number, word
        movl    $\number, %ecx
        movl    WORD(\word), %eax
        movl    WORD(\word) + 4, %edx
        wrmsr
        .endm
start64:
        movq    WORD(BOOT_CR0), %rax
        movq    %rax, %cr0
        movq    WORD(BOOT_CR4), %rax
        movq    %rax, %cr4
        msr     MSR_EFER, BOOT_EFER
        msr     MSR_STAR, BOOT_STAR
        msr     MSR_LSTAR, BOOT_LSTAR
        msr     MSR_SFMASK, BOOT_SFMASK
        xorl    %ecx, %ecx
        movl    WORD(BOOT_XCR0), %eax
        movl    WORD(BOOT_XCR0) + 4, %edx
        xsetbv
        fninit

        /* The tick: interrupt controller without an end of interrupt, line 0 only; timer 0. */
        movb    $0x11, %al
        outb    %al, $PIC_COMMAND
        movb    $SHIM_VECTOR_TICK, %al
        outb    %al, $PIC_DATA
        movb    $0x04, %al
        outb    %al, $PIC_DATA
        movb    $0x03, %al
        outb    %al, $PIC_DATA
        movb    $0xfe, %al
        outb    %al, $PIC_DATA
        movb    $0xff, %al
        outb    %al, $PIC2_DATA
        movb    $0x34, %al
        outb    %al, $TIMER_COMMAND
        movl    WORD(BOOT_TIMER), %eax
        outb    %al, $TIMER_DATA
        movb    %ah, %al
        outb    %al, $TIMER_DATA

        lgdt    WORD(BOOT_FIRST_GDT)
        movl    $SHIM_TSS, %eax
        ltr     %ax
        movl    $SHIM_SS3, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movq    WORD(BOOT_STACK), %rsp
        movq    WORD(BOOT_CR3), %rax
        movq    WORD(BOOT_STEP), %rbx
        lgdt    WORD(BOOT_GDT)
        lidt    WORD(BOOT_IDT)
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        jmp     *%rbx

        .p2align 3
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* 8: 32-bit code */
        .quad   0x00af9b000000ffff      /* 16: 64-bit code */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   AT(gdt)

        .org    BOOT_ROM_SIZE - 16
        .code16
        jmp     start16
        .org    BOOT_ROM_SIZE
