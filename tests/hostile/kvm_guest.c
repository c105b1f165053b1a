/*
 * kvm_guest.c - the attacker inside a virtual machine: an ELF without a C library that says READY
 * and then does what the host's side of the test (kvm.c) puts into the window. Rings 3 and, over
 * kvm_shim.S, 0.
 */
#include "kvm_guest.h"

#include "plat/shim/shim.h"

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
static uint64_t fuzz_calls(uint64_t seed, uint64_t count)
{
    static const uint16_t numbers[] = {9, 10, 11, 12, 158, SHIM_CALL_UPCALL, 186, 1, 60000};
    uint64_t state = seed * 2 + 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = numbers[draw(&state) % (sizeof(numbers) / sizeof(*numbers))];
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
        return fuzz_calls(a, b);
    case KVM_ATTACK_RING0: {
        uint64_t result = a;
        __asm__ volatile("ud2" : "+a"(result) : "D"(b), "S"(what->c) : "rcx", "rdx", "memory");
        return result;
    }
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
