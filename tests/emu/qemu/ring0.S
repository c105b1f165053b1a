/*
 * ring0.S - a ring 0 that obeys ring 3: in the shim's place it loads from, stores to or calls the
 * address it is given (ring0.h), by a system call or by #UD. Every other exception ends the machine
 * and is told in the shared page, as the shim does it. The machine's protections are what stops it.
 */
#include "plat/shim/shim.h"
#include "ring0.h"

#define SHARED(offset) (SHIM_BASE + SHIM_SHARED_GPA + (offset))
#define SHARED_RIP     0
#define SHARED_CS      8
#define SHARED_ERROR   40
#define SHARED_ADDRESS 48
#define SHARED_VECTOR  56
#define VECTOR_UD      6
#define FLAGS          0x44400 /* AC, NT and DF, which ring 3 may have set */

        .section .text.entry, "ax"
        .globl  shim_vectors
shim_vectors:
        .set    v, 0
        .rept   SHIM_VECTORS
        .p2align 4
        .if v == VECTOR_UD
        jmp     undefined
        .elseif v == SHIM_VECTOR_TICK
        iretq
        .elseif (v == 8) || ((v >= 10) && (v <= 14)) || (v == 17) || (v == 21)
        pushq   $v
        jmp     tell
        .else
        pushq   $0
        pushq   $v
        jmp     tell
        .endif
        .set    v, v + 1
        .endr

        .p2align 4
        movq    %rsp, user_stack(%rip)
        movq    $(SHIM_BASE + SHIM_STACK_GPA_END), %rsp
        pushq   $SHIM_SS3
        pushq   user_stack(%rip)
        andl    $~FLAGS, %r11d
        pushq   %r11
        pushq   $SHIM_CS3
        pushq   %rcx
        jmp     obey
undefined:
        addq    $2, (%rsp)              /* over the ud2 */
obey:   cmpq    $RING0_LOAD, %rax
        je      1f
        cmpq    $RING0_STORE, %rax
        je      2f
        cmpq    $RING0_ENTER, %rax
        je      3f
        cmpq    $RING0_FLAGS, %rax
        jne     4f
        pushfq
        popq    %rax
        jmp     4f
1:      movb    (%rdi), %cl
        jmp     4f
2:      movb    $0x90, (%rdi)
        jmp     4f
3:      call    *%rdi
4:      subq    $16, %rsp
        addq    $16, %rsp               /* as the shim ends: emu.c looks for it */
        iretq

/* vector, error, rip, cs, ... */
tell:   popq    SHARED(SHARED_VECTOR)
        popq    SHARED(SHARED_ERROR)
        popq    SHARED(SHARED_RIP)
        popq    SHARED(SHARED_CS)
        movq    %cr2, %rax
        movq    %rax, SHARED(SHARED_ADDRESS)
        movl    $SHIM_EXIT_BROKEN, %eax
        movl    $SHIM_PORT_EXIT, %edx
        outl    %eax, %dx
        jmp     tell

        .bss
        .p2align 3
user_stack:
        .skip   8

        .section .note.GNU-stack, "", @progbits
