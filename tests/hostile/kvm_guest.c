/*
 * kvm_guest.c - the attacker inside a virtual machine: an ELF without a C library that says READY
 * and then does what the host's side of the test (kvm.c) puts into the window. Rings 3 and, over
 * kvm_shim.S, 0.
 */
#include "kvm_guest.h"

#include "plat/shim/shim.h"
#include "tfaas/abi.h"
#include <stdbool.h>

static void out(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}

/* Where calls return to that give out used memory: zeroes r11 bytes at rax and goes on at rcx. */
void clear(void);
__asm__("clear: leaq -128(%rsp), %rsp; pushq %rcx; pushq %rdi; pushq %rax\n"
        "movq %rax, %rdi; movq %r11, %rcx; xorl %eax, %eax; rep stosb\n"
        "popq %rax; popq %rdi; popq %rcx; leaq 128(%rsp), %rsp; jmp *%rcx");

static uint64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t r10 __asm__("r10") = d, r8 __asm__("r8") = (uint64_t)clear;
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return number;
}

/* Numbers a fuzzer likes; xorshift64*. */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static uint64_t odd(uint64_t *state)
{
    static const uint64_t places[] = {0,
                                      0x1000,
                                      SHIM_ELF_VA,
                                      SHIM_HEAP_VA,
                                      SHIM_MAPS_VA,
                                      UINT64_C(0x10000000000),
                                      SHIM_WINDOW_VA,
                                      SHIM_LAUNCH_VA,
                                      SHIM_BASE,
                                      UINT64_MAX,
                                      UINT64_C(1) << 47};
    const uint64_t r = draw(state);
    const uint64_t at = places[r % (sizeof(places) / sizeof(*places))];
    return (r >> 8 & 1) != 0 ? at + (r >> 16) % 64 * 4096 : draw(state) >> (r >> 32) % 64;
}

/* Random calls into the shim. It may refuse, end us, or do it; ring 0 must never fault. */
static uint64_t fuzz_calls(uint64_t seed, uint64_t count, bool upcall)
{
    static const uint16_t numbers[] = {9, 10, 11, 12, 158, SHIM_CALL_UPCALL, 186, 1, 60000};
    uint64_t state = seed * 2 + 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = numbers[draw(&state) % (sizeof(numbers) / sizeof(*numbers))];
        if (number == SHIM_CALL_UPCALL && !upcall)
            continue;
        uint64_t at = odd(&state), size = odd(&state) % (1u << 22);
        /* Never our own code, stack or data: the point is the shim. */
        if (at < SHIM_HEAP_VA && number != 12)
            at = SHIM_MAPS_VA + at % (1u << 24);
        if (number == SHIM_CALL_UPCALL || number == 158)
            at = SHIM_ELF_VA;
        call(number, at, size, draw(&state) % 10, (draw(&state) & 0x36) | 0x22);
    }
    return count;
}

/* Each has a right of ring 0, or of nobody. */
static void privileged(uint64_t which)
{
    static uint64_t table[2];
    uint64_t value = 0;
    switch (which % KVM_PRIVILEGED) {
#define CASE(n, text)                                                                              \
    case n:                                                                                        \
        __asm__ volatile(text : "+a"(value) : "c"(0x1b), "d"(0), "D"(table) : "memory");           \
        return
        CASE(0, "hlt");
        CASE(1, "cli");
        CASE(2, "sti");
        CASE(3, "rdmsr");
        CASE(4, "wrmsr");
        CASE(5, "movq %%cr3, %0");
        CASE(6, "movq %0, %%cr3");
        CASE(7, "movq %%cr8, %0");
        CASE(8, "lgdt (%%rdi)");
        CASE(9, "lidt (%%rdi)");
        CASE(10, "ltr %%ax");
        CASE(11, "wbinvd");
        CASE(12, "vmcall");
        CASE(13, "vmmcall");
        CASE(14, "swapgs");
        CASE(15, "clts");
        CASE(16, "xsetbv");
        CASE(17, "movq %0, %%dr7");
        CASE(18, "sysretq");
        CASE(19, "invlpg (%%rdi)");
#undef CASE
    default:
        break;
    }
}

#define INT_SIZE 3 /* int n; ret */
__asm__(".pushsection .text\n"
        "interrupts: .set n, 0\n"
        ".rept 256\n .byte 0xcd, n\n ret\n .set n, n + 1\n .endr\n"
        ".popsection");
extern const char interrupts[] __attribute__((visibility("hidden")));

static uint64_t scribble(uint64_t seed, uint64_t count)
{
    uint64_t state = seed * 2 + 1;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t at = draw(&state) % TFAAS_WINDOW_SIZE & ~UINT64_C(7);
        /* The page of this conversation apart. */
        if (at < 4096 || at >= 8192)
            *(volatile uint64_t *)(SHIM_WINDOW_VA + at) = draw(&state);
        if (i % 64 == 0)
            out(SHIM_PORT_BELL, 1);
    }
    return count;
}

static uint64_t execute(uint64_t which)
{
    static volatile uint8_t table[16];
    const uint64_t nothing = 0;
    switch (which) {
    case KVM_HLT:
        __asm__ volatile("hlt");
        break;
    case KVM_CLI:
        __asm__ volatile("cli");
        break;
    case KVM_MOV_CR3:
        __asm__ volatile("movq %0, %%cr3" : : "r"(nothing) : "memory");
        break;
    case KVM_MOV_DR7:
        __asm__ volatile("movq %0, %%dr7" : : "r"(nothing) : "memory");
        break;
    case KVM_RDMSR:
        __asm__ volatile("rdmsr" : : "c"(0xc0000080) : "eax", "edx");
        break;
    case KVM_WRMSR:
        __asm__ volatile("wrmsr" : : "c"(0xc0000080), "a"(0), "d"(0) : "memory");
        break;
    case KVM_LGDT:
        __asm__ volatile("lgdt %0" : : "m"(table));
        break;
    case KVM_INVLPG:
        __asm__ volatile("invlpg %0" : : "m"(table));
        break;
    case KVM_XSETBV:
        __asm__ volatile("xsetbv" : : "c"(0), "a"(1), "d"(0));
        break;
    case KVM_SYSRET:
        __asm__ volatile("sysretq" : : "c"(0) : "r11");
        break;
    case KVM_IN:
        __asm__ volatile("inl %%dx, %%eax" : : "d"(0x60) : "eax");
        break;
    case KVM_SGDT:
        __asm__ volatile("sgdt %0" : "=m"(table));
        break;
    case KVM_SIDT:
        __asm__ volatile("sidt %0" : "=m"(table));
        break;
    case KVM_SLDT:
        __asm__ volatile("sldt %0" : "=m"(*(volatile uint16_t *)table));
        break;
    case KVM_STR:
        __asm__ volatile("str %0" : "=m"(*(volatile uint16_t *)table));
        break;
    case KVM_SMSW:
        __asm__ volatile("smsw %0" : "=m"(*(volatile uint16_t *)table));
        break;
    default:
        return 0;
    }
    return 7;
}

static uint64_t call_with_flags(uint64_t number, uint64_t a)
{
    __asm__ volatile("pushfq; orl $0x44400, (%%rsp); popfq; syscall; "
                     "pushfq; andl $~0x44400, (%%rsp); popfq"
                     : "+a"(number)
                     : "D"(a)
                     : "rcx", "r11", "memory", "cc");
    return number;
}

static uint64_t call_by_jump(uint64_t number, uint64_t entry, uint64_t flags)
{
    uint64_t after;
    register uint64_t r11 __asm__("r11") = flags;
    __asm__ volatile("leaq 1f(%%rip), %%rcx; jmp *%2; 1: pushfq; popq %1"
                     : "+a"(number), "=&r"(after)
                     : "r"(entry), "r"(r11)
                     : "rcx", "memory", "cc");
    return after << 32 | (uint32_t)number;
}

static uint64_t attack(const volatile struct kvm_attack *what)
{
    const uint64_t a = what->a, b = what->b;
    volatile struct shim_shared *shared = (volatile struct shim_shared *)SHIM_SHARED_VA;
    switch (what->kind) {
    case KVM_ATTACK_NOTHING:
        return 1;
    case KVM_ATTACK_PORT:
        out((uint16_t)a, (uint32_t)b);
        return 2;
    case KVM_ATTACK_ARGUMENT:
        shared->argument = b;
        out((uint16_t)a, 0);
        return 3;
    case KVM_ATTACK_PORT_FLOOD:
        for (uint64_t i = 0; i < b; i++) {
            shared->argument = i % 3;
            out((uint16_t)a, (uint32_t)i);
        }
        return 4;
    case KVM_ATTACK_READ:
        return *(volatile uint64_t *)a;
    case KVM_ATTACK_WRITE:
        *(volatile uint64_t *)a = b;
        return 5;
    case KVM_ATTACK_JUMP:
        ((void (*)(void))a)();
        return 6;
    case KVM_ATTACK_LOOP:
        for (;;) {
            __asm__ volatile("");
        }
    case KVM_ATTACK_CALL:
        return call(a, b, what->c, what->d, 0x22);
    case KVM_ATTACK_FUZZ_CALLS:
        return fuzz_calls(a, b, what->c == 0);
    case KVM_ATTACK_RING0: {
        uint64_t result = a;
        __asm__ volatile("pushfq; orq %3, (%%rsp); popfq; ud2; pushfq; andq %4, (%%rsp); popfq"
                         : "+a"(result)
                         : "D"(b), "S"(what->c), "r"(what->d), "r"(~what->d)
                         : "rcx", "rdx", "memory", "cc");
        return result;
    }
    case KVM_ATTACK_INSTRUCTION:
        return execute(a);
    case KVM_ATTACK_PRIVILEGED:
        privileged(a);
        return 9;
    case KVM_ATTACK_INTERRUPT:
        ((void (*)(void))(interrupts + INT_SIZE * (a & 255)))();
        return 8;
    case KVM_ATTACK_WINDOW:
        return scribble(a, b);
    case KVM_ATTACK_CALL_WITH_FLAGS:
        return call_with_flags(a, b);
    case KVM_ATTACK_CALL_BY_JUMP:
        return call_by_jump(a, b, what->c);
    default:
        return 0;
    }
}

void _start(void) __attribute__((noreturn));
void _start(void)
{
    out(SHIM_PORT_READY, 0);
    volatile struct shim_shared *shared = (volatile struct shim_shared *)SHIM_SHARED_VA;
    volatile struct kvm_attack *what = (volatile struct kvm_attack *)(SHIM_WINDOW_VA + 4096);
    for (;;) {
        shared->argument = UINT64_MAX;
        out(SHIM_PORT_WAIT, 0);
        if (what->asked != what->answered) {
            what->result = attack(what);
            what->answered = what->asked;
            out(SHIM_PORT_BELL, 1);
        }
    }
}
