/*
 * traitor.c - the real core, but in a namespace `hostile...` a WASI command never runs: what
 * follows
 * `#` in the call's body says what is done to the machine or process around and to tfaasd, as
 * native code that has escaped from Wasm would (linked with --wrap=engine_call).
 */
#include "plat/linux/linux.h"

#include "engine/engine.h"
#include "invocation.h"
#include "plat/shim/guest.h"
#include "tfaas/abi.h"

#include "traitor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RING3_ATTACKS = 10 };

tfaas_status_t __real_engine_call(struct engine_instance *instance, enum engine_entry entry,
                                  int32_t *result, char *why, size_t why_size);
tfaas_status_t __wrap_engine_call(struct engine_instance *instance, enum engine_entry entry,
                                  int32_t *result, char *why, size_t why_size);

static long call(uint64_t number, uint64_t a)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(0), "d"(0)
                     : "rcx", "r11", "memory");
    return result;
}

static uint64_t draw(void)
{
    uint64_t value;
    plat_entropy((uint8_t *)&value, sizeof(value));
    return value;
}

/* Every part of the window, indices and slots before all, with the doorbell. */
static void scribble(size_t from, size_t to, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        const uint64_t value = draw();
        volatile uint8_t *at = (volatile uint8_t *)plat_window() + from + value % (to - from);
        *at = (uint8_t)(value >> 56);
        if (i % 16 == 0) {
            plat_doorbell_ring();
            plat_doorbell_settle(true);
        }
    }
}

static void ring3(unsigned which)
{
    switch (which) {
    case 0:
        scribble(0, TFAAS_WINDOW_SIZE, 200000);
        break;
    case 1:
        scribble(0, TFAAS_H2C_DATA_OFFSET, 20000);
        break;
    case 2:
        scribble(TFAAS_C2H_SLOTS_OFFSET, TFAAS_H2C_DATA_OFFSET, 5000);
        break;
    case 3:
        for (volatile uint64_t i = 0;; i++) {
        }
    case 4:
        for (unsigned i = 0; i < 20000; i++) {
            plat_doorbell_ring();
            plat_doorbell_settle(true);
        }
        break;
    case 5:
        *(volatile uint64_t *)(uintptr_t)(draw() & 0xff8) = 1;
        break;
    case 6:
        for (uint64_t i = 0; i < 1000; i++) {
            (void)call(draw() % 500, draw());
        }
        break;
    case 7:
        if (plat_machine) {
            __asm__ volatile("outl %%eax, %%dx" : : "a"(0), "d"(SHIM_PORT_READY));
        }
        break;
    case 8:
        for (unsigned i = 0; i < 3000 && plat_machine; i++) {
            guest_tick(i % 3);
        }
        break;
    default:
        plat_exit((int)(draw() & 255));
    }
}

tfaas_status_t __wrap_engine_call(struct engine_instance *instance, enum engine_entry entry,
                                  int32_t *result, char *why, size_t why_size)
{
    if (entry != ENTRY_COMMAND || strncmp(plat_domain(), "hostile", 7) != 0) {
        return __real_engine_call(instance, entry, result, why, why_size);
    }
    uint8_t stream[2000], *mark = NULL;
    size_t size = 0;
    for (int64_t n = 1; n > 0 && size<sizeof(stream) - 1; size += n> 0 ? (size_t)n : 0) {
        n = invocation_read(instance->run, stream + size, sizeof(stream) - 1 - size);
    }
    stream[size] = '\0';
    mark = memrchr(stream, '#', size);
    const unsigned which = mark != NULL ? (unsigned)atoi((const char *)mark + 1) : 0;
    if (which < RING3_ATTACKS) {
        ring3(which);
    } else if (plat_machine) {
        (void)call(TRAITOR_CALL, which - RING3_ATTACKS);
    }
    return TFAAS_FUNCTION_TRAPPED;
}
