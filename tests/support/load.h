/*
 * load.h - keeps a core busy: many calls in flight, refilled at once, answers checked.
 */
#ifndef TFAAS_TESTS_LOAD_H
#define TFAAS_TESTS_LOAD_H

#include "core_test.h"

/* Makes `count` calls of functions 1..functions in turn with this body, `in_flight` at a time; each
 * must end with OK, and there is one RESPONSE for each. Busy-waits, so that the core never finds
 * its host asleep. Returns how many did not. */
static inline unsigned load_run(struct core_child *core, uint32_t functions, unsigned count,
                                unsigned in_flight, const char *body)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    unsigned begun = 0, done = 0, wrong = 0, responses = 0;
    uint64_t last = core_test_now_ns();
    while (done < count) {
        for (; begun < count && begun - done < in_flight; begun++)
            (void)core_begin(core, 1 + begun % functions, "POST", "/", NULL, body, strlen(body),
                             true, 60000000000u);
        struct tfaas_slot slot;
        if (ring_receive(&core->rx, &slot, payload) != TFAAS_OK) {
            if (core_test_now_ns() - last > CORE_PATIENCE_MS * 1000000ull)
                return count - done + wrong;
            continue;
        }
        (void)ring_release(&core->rx);
        last = core_test_now_ns();
        responses += slot.kind == TFAAS_RESPONSE;
        if (!(slot.flags & TFAAS_END))
            continue;
        done++;
        wrong += slot.arg[0] != TFAAS_OK;
    }
    return wrong + (responses > count ? responses - count : count - responses);
}

#endif
