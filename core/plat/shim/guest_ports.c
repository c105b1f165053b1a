/* guest_ports.c - see guest.h: what leaves the machine, and entropy. */
#include "guest.h"

#include <cpuid.h>
#include <sodium.h>
#include <string.h>

bool plat_machine;

static uint8_t launch_entropy[32];
static uint64_t entropy_count;

static volatile struct shim_shared *shared(void)
{
    return (volatile struct shim_shared *)SHIM_SHARED_VA;
}

static void out(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}

void guest_bell(void)
{
    out(SHIM_PORT_BELL, 1);
}

/* `argument` has one writer at a time: a tick may come between the two lines of these functions,
 * and its handler may arm the next one, so it puts back what it found. */
static void out_with(uint16_t port, uint64_t argument)
{
    volatile struct shim_shared *to = shared();
    const uint64_t kept = to->argument;
    to->argument = argument;
    out(port, 0);
    to->argument = kept;
}

void guest_wait(int64_t timeout_ns)
{
    out_with(SHIM_PORT_WAIT, (uint64_t)timeout_ns);
}

void guest_tick(uint64_t ns)
{
    out_with(SHIM_PORT_TICK, ns);
}

void guest_exit(int code)
{
    for (;;) {
        out(SHIM_PORT_EXIT, (uint32_t)code);
    }
}

/* --- entropy --- */

static bool processor_word(unsigned long long *to)
{
    for (int tries = 0; tries < 32; tries++) {
        unsigned char ok;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*to), "=qm"(ok) : : "cc");
        if (ok) {
            return true;
        }
    }
    return false;
}

/* What a processor gives is believed only where it does not stand still (some have after sleep). */
static bool processor_entropy(unsigned long long to[8])
{
    static int known; /* 0: not asked, 1: no, 2: yes; asking leaves the machine */
    unsigned a, b, c, d;
    if (known == 0) {
        known = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND) != 0 ? 2 : 1;
    }
    if (known == 1) {
        return false;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (!processor_word(&to[i]) || (i > 0 && to[i] == to[i - 1])) {
            return false;
        }
    }
    return true;
}

void guest_entropy_mix(const uint8_t bytes[32])
{
    memcpy(launch_entropy, bytes, sizeof(launch_entropy));
}

void guest_ready(void)
{
    out(SHIM_PORT_READY, 0);
}

void guest_note_writes(bool on)
{
    out(SHIM_PORT_READY, on ? 1 : 2);
}

bool guest_entropy(uint8_t *to, size_t size)
{
    while (size > 0) {
        struct {
            unsigned long long processor[8];
            uint64_t count;
        } fresh = {.count = ++entropy_count};
        uint8_t block[64];
        if (!processor_entropy(fresh.processor) ||
            crypto_generichash(block, sizeof(block), (const uint8_t *)&fresh, sizeof(fresh),
                               launch_entropy, sizeof(launch_entropy)) != 0) {
            return false;
        }
        const size_t piece = size < sizeof(block) ? size : sizeof(block);
        memcpy(to, block, piece);
        sodium_memzero(block, sizeof(block));
        sodium_memzero(&fresh, sizeof(fresh));
        to += piece;
        size -= piece;
    }
    return true;
}
