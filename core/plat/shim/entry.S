/*
 * entry.S - the ways into ring 0: exceptions, the tick, the system call. Must never use an
 * instruction that a software KVM cannot interpret (no XSAVE, no XGETBV, no STAC), and never touch
 * memory of ring 3.
 */
#include "shim.h"

        .section .text.entry, "ax"
        .globl  shim_vectors
shim_vectors:
        .set    v, 0
        .rept   SHIM_VECTORS
        .p2align 4
        .if (v == 8) || ((v >= 10) && (v <= 14)) || (v == 17) || (v == 21) || (v == 29) || (v == 30)
        pushq   $v
        .else
        pushq   $0                      /* in place of the processor's error code */
        pushq   $v
        .endif
        jmp     enter
        .set    v, v + 1
        .endr

/* By the manual: ring 0, but still on ring 3's stack, return address in rcx, flags in r11. */
        .p2align 4
        .globl  shim_syscall
shim_syscall:
        movq    %rsp, user_stack(%rip)
        movq    $(SHIM_BASE + SHIM_STACK_GPA_END), %rsp
        pushq   $SHIM_SS3
        pushq   user_stack(%rip)
        pushq   %r11
        pushq   $SHIM_CS3
        pushq   %rcx
        pushq   $0
        pushq   $-1
enter:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        cld
        movq    %rsp, %rdi              /* C code keeps rbx, rbp, r12 to r15 */
        call    shim_enter
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $16, %rsp
        iretq

        .bss
        .p2align 3
user_stack:
        .skip   8

        .section .note.GNU-stack, "", @progbits
