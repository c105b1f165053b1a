/*
 * kvm_shim.S - a shim that has been taken over: every exception lands in ring 0 code that does what
 * rax says (kvm_guest.h). What it may not do to is the process around the machine.
 */
#include "kvm_guest.h"
#include "plat/shim/shim.h"

        .section .text.entry, "ax"
        .globl  shim_vectors
shim_vectors:
        .rept   SHIM_VECTORS
        .p2align 4
        jmp     attack
        .endr
        .p2align 4
        jmp     attack                  /* the system call's entry */
attack:
        cmpq    $RING0_HALT, %rax
        je      1f
        cmpq    $RING0_OUT, %rax
        je      2f
        cmpq    $RING0_IN, %rax
        je      3f
        cmpq    $RING0_WRMSR, %rax
        je      4f
        cmpq    $RING0_RDMSR, %rax
        je      5f
        cmpq    $RING0_LOOP, %rax
        je      6f
        cmpq    $RING0_TRIPLE_FAULT, %rax
        je      7f
        cmpq    $RING0_CR3, %rax
        je      8f
        cmpq    $RING0_READ, %rax
        je      9f
        cmpq    $RING0_WRITE, %rax
        je      10f
        cmpq    $RING0_XGETBV, %rax
        je      11f
        cmpq    $RING0_VMCALL, %rax
        je      12f
        cmpq    $RING0_CR0, %rax
        je      13f
        cmpq    $RING0_CR4, %rax
        je      14f
        cmpq    $RING0_STRING_OUT, %rax
        je      15f
        cmpq    $RING0_BAD_STACK, %rax
        je      16f
        jmp     back
1:      hlt
        jmp     back
2:      movl    %edi, %edx
        movl    %esi, %eax
        outl    %eax, %dx
        jmp     back
3:      movl    %edi, %edx
        inl     %dx, %eax
        jmp     back
4:      movl    %edi, %ecx
        movl    %esi, %eax
        movq    %rsi, %rdx
        shrq    $32, %rdx
        wrmsr
        jmp     back
5:      movl    %edi, %ecx
        rdmsr
        jmp     back
6:      cli
        jmp     6b
7:      lidt    nothing(%rip)
        ud2
8:      movq    %rdi, %cr3
        jmp     back
9:      call    map
        movq    (%rdx), %rax
        jmp     back
10:     call    map
        movq    %rdi, (%rdx)
        jmp     back
11:     xorl    %ecx, %ecx
        xgetbv
        jmp     back
12:     movq    %rdi, %rax
        vmcall
        jmp     back
13:     movq    %rdi, %cr0
        jmp     back
14:     movq    %rdi, %cr4
        jmp     back
15:     movl    %edi, %edx
        movl    %esi, %ecx
        leaq    shim_vectors(%rip), %rsi
        rep     outsb
        jmp     back
16:     movq    $0x123456789abc, %rsp
        pushq   %rax
        jmp     back
/* The exception pushed no error code here (#UD): rip, cs, rflags, rsp, ss. */
back:   addq    $2, (%rsp)              /* over the ud2 */
        iretq

/* The launch page's address in ring 0 now means the physical page of rdi; rdx = its address. */
map:    movq    $SHIM_BASE + SHIM_PAGE_TABLE_GPA, %rdx
        movq    511*8(%rdx), %rdx
        call    down
        movq    510*8(%rdx), %rdx
        call    down
        movq    0*8(%rdx), %rdx
        call    down
        movq    %rdi, %rcx
        andq    $-4096, %rcx
        orq     $0x63, %rcx
        movq    %rcx, 1*8(%rdx)
        movq    $SHIM_BASE + SHIM_LAUNCH_GPA, %rdx
        invlpg  (%rdx)
        ret
down:   movabsq $SHIM_PTE_FRAME, %rcx
        andq    %rcx, %rdx
        movq    $SHIM_BASE, %rcx
        addq    %rcx, %rdx
        ret
        .p2align 3
nothing: .quad  0, 0
        .section .note.GNU-stack, "", @progbits
