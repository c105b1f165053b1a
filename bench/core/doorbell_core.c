/*
 * doorbell_core.c - a core that does nothing but look for a number in the window and write it back:
 * the product's ELF layout, zygote, shim and guest (all of core/plat) around another core_serve.
 * What bench-tenders measures with it is the way between two processors, and no message handling.
 */
#include "plat/linux/linux.h"

#include "core.h"
#include "doorbell.h"

void random_bytes(uint8_t *to, size_t size)
{
    plat_entropy(to, size);
}

/* What a core does before it may be copied: there is no secret in this one. */
void random_forget(void) {}
void cache_wipe(void) {}
void cache_take(const uint8_t seed[32])
{
    (void)seed;
}

int core_prepare(const char **why)
{
    (void)why;
    return 1;
}

void core_serve(void)
{
    plat_handlers(NULL, NULL);
    struct doorbell *bell = doorbell_of(plat_window());
    for (uint64_t seen = 0;;) {
        uint64_t now = atomic_load_explicit(&bell->to_core, memory_order_acquire);
        if (now != seen) {
            seen = now;
            atomic_store_explicit(&bell->to_host, now, memory_order_release);
        }
        __builtin_ia32_pause();
    }
}
