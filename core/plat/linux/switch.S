/*
 * switch.S - the instructions C cannot say: switching stack and thread block, and the landing place
 * of pre-empted code. Must never be interrupted into the scheduler itself: no address in
 * this file is inside compiled Wasm, so the tick never diverts it.
 */
        .text

/* void plat_switch(void **save_sp, void *load_sp, uint64_t fs_base)
 * Saves what the System V ABI wants kept (rbx rbp r12-r15, MXCSR and x87 control words). */
        .globl  plat_switch
        .type   plat_switch, @function
        .p2align 4
plat_switch:
        .cfi_startproc
        endbr64
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $8, %rsp
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        movq    %rdx, %rdi
        call    plat_set_fs_base
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .cfi_endproc
        .size   plat_switch, . - plat_switch

/* void plat_set_fs_base(uint64_t fs_base) */
        .globl  plat_set_fs_base
        .type   plat_set_fs_base, @function
        .p2align 4
plat_set_fs_base:
        .cfi_startproc
        endbr64
        cmpq    $0, plat_use_wrfsbase(%rip)
        je      1f
        wrfsbase %rdi
        ret
1:      movq    %rdi, %rsi
        movl    $0x1002, %edi           /* ARCH_SET_FS */
        movl    $158, %eax              /* arch_prctl */
        syscall
        testq   %rax, %rax
        jnz     2f
        ret
2:      ud2
        .cfi_endproc
        .size   plat_set_fs_base, . - plat_set_fs_base

/* First instructions of a context: r12 = function, r13 = its argument. */
        .globl  plat_context_entry
        .type   plat_context_entry, @function
        .p2align 4
plat_context_entry:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        movq    %r13, %rdi
        call    *%r12
        ud2
        .cfi_endproc
        .size   plat_context_entry, . - plat_context_entry

/* Pre-empted code lands here. The tick handler left
 *      rsp -> rflags, rip, 128 bytes of red zone
 * Every register is saved, plat_diverted runs (and switches to the scheduler and back), every
 * register is restored. All state is on this stack, so that it may happen again and again. */
        .globl  plat_upcall
        .type   plat_upcall, @function
        .p2align 4
plat_upcall:
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
        cld
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
        fninit                          /* what C code may expect of a fresh call */
        ldmxcsr plat_default_mxcsr(%rip)
        testl   $4, plat_xsave_mask(%rip)
        jz      1f
        vzeroupper
1:      call    *plat_diverted(%rip)
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
        popfq
        ret     $128
        .cfi_endproc
        .size   plat_upcall, . - plat_upcall

        .section .rodata
        .p2align 2
plat_default_mxcsr:
        .long   0x1f80

        .section .note.GNU-stack, "", @progbits
