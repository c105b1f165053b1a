/*
 * loops.S - compute loops for tests/unit/plat/divert.c that hold their state in every place a
 * pre-emption could lose: all general registers, the carry flag across iterations, the red zone,
 * YMM, and ZMM with mask registers. divertible_start..divertible_end is what may be diverted.
 */
        .text
        .p2align 12                     /* whole pages, as compiled code has them */
        .globl  divertible_start
divertible_start:

/* void loop_general(uint64_t state[16], uint64_t rounds) */
        .globl  loop_general
        .type   loop_general, @function
loop_general:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rdi, -8(%rsp)          /* the red zone, both ends */
        movq    120(%rdi), %rax
        movq    %rax, -128(%rsp)
        movq    %rsi, %rcx
        movq    0(%rdi), %rax
        movq    8(%rdi), %rbx
        movq    16(%rdi), %rdx
        movq    24(%rdi), %rsi
        movq    32(%rdi), %rbp
        movq    40(%rdi), %r8
        movq    48(%rdi), %r9
        movq    56(%rdi), %r10
        movq    64(%rdi), %r11
        movq    72(%rdi), %r12
        movq    80(%rdi), %r13
        movq    88(%rdi), %r14
        movq    96(%rdi), %r15
        movq    104(%rdi), %rdi
        clc
1:      adcq    %rbx, %rax              /* the carry lives from round to round */
        adcq    %rdx, %rbx
        adcq    %rsi, %rdx
        adcq    %rbp, %rsi
        adcq    %r8, %rbp
        adcq    %r9, %r8
        adcq    %r10, %r9
        adcq    %r11, %r10
        adcq    %r12, %r11
        adcq    %r13, %r12
        adcq    %r14, %r13
        adcq    %r15, %r14
        adcq    %rdi, %r15
        adcq    %rax, %rdi
        adcq    %rax, -128(%rsp)
        decq    %rcx                    /* dec and jnz leave the carry alone */
        jnz     1b
        movq    -8(%rsp), %rcx
        movq    %rax, 0(%rcx)
        movq    %rbx, 8(%rcx)
        movq    %rdx, 16(%rcx)
        movq    %rsi, 24(%rcx)
        movq    %rbp, 32(%rcx)
        movq    %r8, 40(%rcx)
        movq    %r9, 48(%rcx)
        movq    %r10, 56(%rcx)
        movq    %r11, 64(%rcx)
        movq    %r12, 72(%rcx)
        movq    %r13, 80(%rcx)
        movq    %r14, 88(%rcx)
        movq    %r15, 96(%rcx)
        movq    %rdi, 104(%rcx)
        movq    -128(%rsp), %rax
        movq    %rax, 120(%rcx)
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        .size   loop_general, . - loop_general

        .macro  each_ymm instruction
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        \instruction \n
        .endr
        .endm
        .macro  load_ymm n
        vmovdqu \n*32(%rdi), %ymm\n
        .endm
        .macro  store_ymm n
        vmovdqu %ymm\n, \n*32(%rdi)
        .endm

/* void loop_avx(uint64_t state[64], uint64_t rounds) */
        .globl  loop_avx
        .type   loop_avx, @function
loop_avx:
        each_ymm load_ymm
1:      vaddpd  %ymm1, %ymm0, %ymm0
        vaddpd  %ymm2, %ymm1, %ymm1
        vaddpd  %ymm3, %ymm2, %ymm2
        vaddpd  %ymm4, %ymm3, %ymm3
        vaddpd  %ymm5, %ymm4, %ymm4
        vaddpd  %ymm6, %ymm5, %ymm5
        vaddpd  %ymm7, %ymm6, %ymm6
        vmulpd  %ymm8, %ymm7, %ymm7
        vaddpd  %ymm9, %ymm8, %ymm8
        vaddpd  %ymm10, %ymm9, %ymm9
        vaddpd  %ymm11, %ymm10, %ymm10
        vaddpd  %ymm12, %ymm11, %ymm11
        vaddpd  %ymm13, %ymm12, %ymm12
        vaddpd  %ymm14, %ymm13, %ymm13
        vaddpd  %ymm15, %ymm14, %ymm14
        vmulpd  %ymm0, %ymm15, %ymm15
        decq    %rsi
        jnz     1b
        each_ymm store_ymm
        vzeroupper
        ret
        .size   loop_avx, . - loop_avx

/* void loop_avx512(uint64_t state[72], uint64_t rounds): zmm16-23, k1, k2 */
        .globl  loop_avx512
        .type   loop_avx512, @function
loop_avx512:
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23
        vmovdqu64 (\n-16)*64(%rdi), %zmm\n
        .endr
        movl    512(%rdi), %eax
        kmovw   %eax, %k1
        kxnorw  %k2, %k2, %k2
1:      vpaddq  %zmm17, %zmm16, %zmm16{%k1}
        vpaddq  %zmm18, %zmm17, %zmm17
        vpxorq  %zmm19, %zmm18, %zmm18
        vpaddq  %zmm20, %zmm19, %zmm19{%k1}
        vpaddq  %zmm21, %zmm20, %zmm20
        vpxorq  %zmm22, %zmm21, %zmm21
        vpaddq  %zmm23, %zmm22, %zmm22
        vpaddq  %zmm16, %zmm23, %zmm23{%k2}
        kxorw   %k2, %k1, %k1
        decq    %rsi
        jnz     1b
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23
        vmovdqu64 %zmm\n, (\n-16)*64(%rdi)
        .endr
        kmovw   %k1, %eax
        movl    %eax, 512(%rdi)
        vzeroupper
        ret
        .size   loop_avx512, . - loop_avx512

        .p2align 12
        .globl  divertible_end
divertible_end:

/* void trash_registers(void): what the scheduler and other invocations do to the registers */
        .globl  trash_registers
        .type   trash_registers, @function
trash_registers:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vpcmpeqd %ymm\n, %ymm\n, %ymm\n
        .endr
        ret
        .size   trash_registers, . - trash_registers

        .globl  trash_registers_512
        .type   trash_registers_512, @function
trash_registers_512:
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        vpternlogd $0xff, %zmm\n, %zmm\n, %zmm\n
        .endr
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
        kxnorw  %k\n, %k\n, %k\n
        .endr
        ret
        .size   trash_registers_512, . - trash_registers_512

        .section .note.GNU-stack, "", @progbits
