/*
 * guest_entry.S - ring 3's landing place for faults and ticks, and the way back. The shim has put
 * the interrupted state into the shared page and left every register but rsp as it was. Must never
 * be entered twice: the shim looks at `active` and at guest_leave.
 */
#include "plat/shim/shim.h"

#define SHARED_RIP    0
#define SHARED_ACTIVE 64

        .text
        .globl  guest_upcall
        .type   guest_upcall, @function
        .p2align 4
guest_upcall:
        .cfi_startproc
        .cfi_undefined rip
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rbx
        pushq   %rbp
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, %rbp
        subq    plat_xsave_size(%rip), %rsp
        andq    $-64, %rsp
        xorl    %eax, %eax              /* the XSAVE header must be zero for XRSTOR */
        movq    %rax, 512(%rsp)
        movq    %rax, 520(%rsp)
        movq    %rax, 528(%rsp)
        movq    %rax, 536(%rsp)
        movq    %rax, 544(%rsp)
        movq    %rax, 552(%rsp)
        movq    %rax, 560(%rsp)
        movq    %rax, 568(%rsp)
        movl    plat_xsave_mask(%rip), %eax
        movl    plat_xsave_mask+4(%rip), %edx
        xsave64 (%rsp)
        fninit
        ldmxcsr plat_default_mxcsr(%rip)
        testl   $4, plat_xsave_mask(%rip)
        jz      1f
        vzeroupper
1:      call    guest_on_upcall
        movl    plat_xsave_mask(%rip), %eax
        movl    plat_xsave_mask+4(%rip), %edx
        xrstor64 (%rsp)
        movq    %rbp, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rbp
        popq    %rbx
        popq    %rdx
        popq    %rcx
        popq    %rax
        movabsq $(SHIM_SHARED_VA + SHARED_RIP), %rsp
        .globl  guest_leave
guest_leave:
        movq    $0, SHARED_ACTIVE-SHARED_RIP(%rsp)
        iretq
        .globl  guest_leave_end
guest_leave_end:
        .cfi_endproc
        .size   guest_upcall, . - guest_upcall

/* rax = memory, r11 = bytes, rcx = where to go on. Every register but rcx, r11 and the flags is
 * kept, the red zone too. */
        .globl  guest_clear
        .type   guest_clear, @function
        .p2align 4
guest_clear:
        .cfi_startproc
        .cfi_undefined rip
        leaq    -128(%rsp), %rsp
        pushq   %rcx
        pushq   %rdi
        pushq   %rax
        movq    %rax, %rdi
        movq    %r11, %rcx
        xorl    %eax, %eax
        rep     stosb
        popq    %rax
        popq    %rdi
        popq    %rcx
        leaq    128(%rsp), %rsp
        jmp     *%rcx
        .cfi_endproc
        .size   guest_clear, . - guest_clear

        .section .rodata
        .p2align 2
plat_default_mxcsr:
        .long   0x1f80

        .section .note.GNU-stack, "", @progbits
