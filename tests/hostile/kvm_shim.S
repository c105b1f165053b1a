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
        jmp     fault
        .endr
        .p2align 4
        jmp     attack                  /* the system call's entry */
/* In a sweep a fault of ring 0 is what the attempt came to: the next one. */
fault:  cmpq    $0, resume(%rip)
        je      attack
        movq    resume_stack(%rip), %rsp
        jmp     *resume(%rip)
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
        cmpq    $RING0_RDMSRS, %rax
        je      17f
        cmpq    $RING0_WRMSRS, %rax
        je      18f
        cmpq    $RING0_HYPERCALLS, %rax
        je      19f
        cmpq    $RING0_TABLES, %rax
        je      20f
        cmpq    $RING0_RUN, %rax
        je      21f
        cmpq    $RING0_OUT_WIDE, %rax
        je      22f
        cmpq    $RING0_INSTRUCTION, %rax
        je      23f
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

        .macro  each_of attempt:vararg  /* rdi = first, rsi = how many; rax: how many went well */
        movq    %rsp, resume_stack(%rip)
        xorl    %r8d, %r8d
        leaq    7f(%rip), %rax
        movq    %rax, resume(%rip)
6:      \attempt
        incq    %r8
7:      incq    %rdi
        decq    %rsi
        jnz     6b
        movq    $0, resume(%rip)
        movq    %r8, %rax
        jmp     back
        .endm
17:     each_of movl %edi, %ecx; rdmsr
18:     each_of movl %edi, %ecx; movl $-1, %eax; movl $-1, %edx; wrmsr
19:     each_of movq %rdi, %rax; xorl %ebx, %ebx; vmcall; movq %rdi, %rax; vmmcall
/* Any entry of any table becomes anything; then the processor looks at the tables anew. */
20:     movq    %rdi, %rax
        call    draw
        movq    %rax, %rdx
        andq    $0xffff8, %rdx          /* the first MiB of tables */
        call    draw
        movq    $SHIM_BASE + SHIM_PAGE_TABLE_GPA, %rcx
        movq    %rax, (%rcx,%rdx)
        movq    %rax, %rdi
        movq    %cr3, %rcx
        movq    %rcx, %cr3
        decq    %rsi
        jnz     20b
        jmp     back
draw:   movq    %rax, %rcx              /* xorshift64 */
        shlq    $13, %rcx
        xorq    %rcx, %rax
        movq    %rax, %rcx
        shrq    $7, %rcx
        xorq    %rcx, %rax
        movq    %rax, %rcx
        shlq    $17, %rcx
        xorq    %rcx, %rax
        ret
21:     call    map
        movq    $SHIM_BASE + SHIM_LAUNCH_GPA, %rdx
        call    *%rdx
        jmp     back
22:     movl    %edi, %edx
        movl    $65, %eax
        cmpl    $2, %esi
        jb      8f
        je      9f
        outl    %eax, %dx
        jmp     back
8:      outb    %al, %dx
        jmp     back
9:      outw    %ax, %dx
        jmp     back
23:     movq    %rsp, resume_stack(%rip)
        leaq    8f(%rip), %rax
        movq    %rax, resume(%rip)
        leaq    instructions(%rip), %rax
        shlq    $4, %rdi
        addq    %rdi, %rax
        xorl    %ecx, %ecx
        jmp     *%rax
8:      movq    $0, resume(%rip)
        jmp     back
        .p2align 4
        .macro  one text:vararg
        .p2align 4
        \text
        jmp     8b
        .endm
instructions:
        one     wbinvd
        one     invd
        one     clts
        one     ltr %ax
        one     lldt %ax
        one     lgdt nothing(%rip)
        one     lmsw %ax
        one     rdpmc
        one     xsetbv
        one     swapgs
        one     movq %rax, %dr7
        one     movq %rax, %cr8
        one     monitor
        one     mwait
        one     invlpg 0
        one     sysretq
        one     rsm
        one     int $2
        one     int $0x80
        one     .byte 0x0f, 0x01, 0xcf  /* encls */

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
        .bss
        .p2align 3
resume: .skip   8
resume_stack: .skip 8
        .section .note.GNU-stack, "", @progbits
