/* kvm_guest.h - what kvm.c asks of its attacker, at 4096 in the window. */
#ifndef TFAAS_TESTS_HOSTILE_KVM_GUEST_H
#define TFAAS_TESTS_HOSTILE_KVM_GUEST_H

/* Ring 0 (kvm_shim.S): numbers in rax. */
#define RING0_HALT         1
#define RING0_OUT          2 /* port rdi, value rsi */
#define RING0_IN           3
#define RING0_WRMSR        4 /* number rdi, value rsi */
#define RING0_RDMSR        5
#define RING0_LOOP         6 /* interrupts off */
#define RING0_TRIPLE_FAULT 7
#define RING0_CR3          8 /* to rdi */
#define RING0_READ         9 /* physical rdi, over a page table entry of its own */
#define RING0_WRITE        10
#define RING0_XGETBV       11
#define RING0_VMCALL       12
#define RING0_CR0          13 /* to rdi */
#define RING0_CR4          14
#define RING0_STRING_OUT   15 /* port rdi, rsi bytes */
#define RING0_BAD_STACK    16
#define RING0_RDMSRS       17 /* rsi of them from rdi on; answers how many could be read */
#define RING0_WRMSRS       18
#define RING0_HYPERCALLS   19 /* vmcall and vmmcall, numbers rdi to rdi + rsi */
#define RING0_TABLES       20 /* rsi random entries of page tables, seed rdi */
#define RING0_RUN          21 /* code at physical rdi */
#define RING0_OUT_WIDE     22 /* port rdi, 1, 2 or 4 bytes by rsi */
#define RING0_INSTRUCTION  23 /* the rdi-th of RING0_INSTRUCTIONS */
#define RING0_INSTRUCTIONS 20

#ifndef __ASSEMBLER__
#include <stdint.h>

enum kvm_attack_kind {
    KVM_ATTACK_NOTHING = 1,
    KVM_ATTACK_PORT,       /* out to port a, value b */
    KVM_ATTACK_ARGUMENT,   /* port a with argument b */
    KVM_ATTACK_PORT_FLOOD, /* port a, b times */
    KVM_ATTACK_READ,       /* at a */
    KVM_ATTACK_WRITE,
    KVM_ATTACK_JUMP,
    KVM_ATTACK_LOOP,
    KVM_ATTACK_CALL,            /* system call a (b, c, d) */
    KVM_ATTACK_FUZZ_CALLS,      /* seed a, b calls; c: none that moves the upcall */
    KVM_ATTACK_RING0,           /* number a, b, c; flags d set */
    KVM_ATTACK_INSTRUCTION,     /* enum kvm_instruction a */
    KVM_ATTACK_CALL_WITH_FLAGS, /* system call a (b) with AC, NT and DF set */
    KVM_ATTACK_CALL_BY_JUMP,    /* system call a without arguments, by a jump to b, flags c in r11;
                                 * result: the flags after it, and half of rax */
    KVM_ATTACK_PRIVILEGED,      /* the a-th of more instructions that ring 3 has no right to */
    KVM_ATTACK_INTERRUPT,       /* int a */
    KVM_ATTACK_WINDOW,          /* rubbish all over it, seed a, b times, with bells */
};

/* Ring 0's own, and those that UMIP forbids. */
enum kvm_instruction {
    KVM_HLT,
    KVM_CLI,
    KVM_MOV_CR3,
    KVM_MOV_DR7,
    KVM_RDMSR,
    KVM_WRMSR,
    KVM_LGDT,
    KVM_INVLPG,
    KVM_XSETBV,
    KVM_SYSRET,
    KVM_IN,
    KVM_RING0_END,
    KVM_SGDT = KVM_RING0_END,
    KVM_SIDT,
    KVM_SLDT,
    KVM_STR,
    KVM_SMSW,
    KVM_INSTRUCTIONS
};

#define KVM_PRIVILEGED 20

struct kvm_attack {
    uint64_t kind, a, b, c, d;
    uint64_t asked, answered, result;
};
#endif

#endif
