/*
 * traitor_shim.c - the real shim, but a system call of its own lets the core do in ring 0 what a
 * shim that was taken over could (linked with --wrap=shim_enter).
 */
#include <stdint.h>

#include "plat/shim/shim.h"

#include "traitor.h"

struct frame {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
};

void __real_shim_enter(struct frame *frame);
void __wrap_shim_enter(struct frame *frame);

static void rewrite_tables(void)
{
    uint64_t state = SHIM_FREE_GPA + 1;
    volatile uint64_t *tables = (volatile uint64_t *)(SHIM_BASE + SHIM_PAGE_TABLE_GPA);
    for (;;) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        tables[state % 0x20000] = state;
        uint64_t root;
        __asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(root) : : "memory");
    }
}

static void attack(uint64_t which)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};
    switch (which) {
    case RING0_LOOP:
        for (;;) {
            __asm__ volatile("cli");
        }
    case RING0_HALT:
        __asm__ volatile("hlt");
        break;
    case RING0_TRIPLE_FAULT:
        __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
        break;
    case RING0_PORTS:
        for (uint32_t port = 0; port < 65536; port++) {
            __asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"(port));
        }
        break;
    case RING0_MSRS:
        for (uint32_t msr = 0xc0000080;; msr++) {
            __asm__ volatile("wrmsr" : : "c"(msr), "a"(-1), "d"(-1));
        }
    case RING0_TABLES:
        rewrite_tables();
        break;
    case RING0_NO_MEMORY:
        *(volatile uint64_t *)(SHIM_BASE + SHIM_FRAMES_GPA) = 1;
        break;
    case RING0_HYPERCALL:
        for (uint64_t number = 0;; number++) {
            __asm__ volatile("vmcall" : : "a"(number) : "memory");
        }
    default:
        break;
    }
}

void __wrap_shim_enter(struct frame *frame)
{
    if (frame->rax == TRAITOR_CALL) {
        attack(frame->rdi);
    }
    __real_shim_enter(frame);
}
