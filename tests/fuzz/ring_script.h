/*
 * ring_script.h - runs one side of a window against a peer whose every action is a byte of the
 * input: it writes any index, any slot and any word of the header between our calls.
 */
#ifndef TFAAS_TESTS_FUZZ_RING_SCRIPT_H
#define TFAAS_TESTS_FUZZ_RING_SCRIPT_H

#include "cursor.h"
#include "ring.h"
#include <stdlib.h>

static inline uint32_t script_u32(struct cursor *c)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | cursor_u8(c);
    return value;
}

static inline void script_check(bool ok)
{
    if (!ok)
        abort();
}

/* One action of the peer. */
static inline void script_peer(struct cursor *c, uint8_t *window, bool is_host, uint8_t action)
{
    struct tfaas_window *header = (struct tfaas_window *)(void *)window;
    struct tfaas_ring_shared *to_us = is_host ? &header->c2h : &header->h2c;
    struct tfaas_ring_shared *from_us = is_host ? &header->h2c : &header->c2h;
    uint8_t *slots = window + (is_host ? TFAAS_C2H_SLOTS_OFFSET : TFAAS_H2C_SLOTS_OFFSET);
    struct tfaas_slot slot = {.kind = TFAAS_BODY};
    uint32_t value;
    switch (action % 6) {
    case 0: /* any word of header and slots */
        value = script_u32(c) % ((TFAAS_H2C_DATA_OFFSET) / 4);
        uint32_t word = script_u32(c);
        memcpy(window + (size_t)value * 4, &word, 4);
        break;
    case 1:
        atomic_fetch_add(&to_us->head, cursor_u8(c) % 4);
        break;
    case 2:
        atomic_fetch_add(&from_us->tail, cursor_u8(c) % 4);
        break;
    case 3: /* a slot that may be honest */
        slot.offset = script_u32(c) % (TFAAS_DATA_SIZE + 9);
        slot.size = script_u32(c) % (TFAAS_PAYLOAD_MAX + 2);
        memcpy(slots + (size_t)(cursor_u8(c) % TFAAS_SLOTS) * sizeof(slot), &slot, sizeof(slot));
        break;
    case 4:
        atomic_store(&to_us->head, script_u32(c));
        break;
    default:
        atomic_store(&from_us->tail, script_u32(c));
        break;
    }
}

static inline void script_run(const uint8_t *data, size_t size, bool is_host)
{
    static uint8_t *window, *payload;
    if (!window) {
        window = aligned_alloc(4096, TFAAS_WINDOW_SIZE);
        payload = malloc(TFAAS_PAYLOAD_MAX);
        script_check(window && payload);
        memset(window, 0, TFAAS_WINDOW_SIZE);
        memset(payload, 0, TFAAS_PAYLOAD_MAX);
    }
    window_format(window);
    memset(window + TFAAS_H2C_SLOTS_OFFSET, 0, 2 * TFAAS_SLOTS * sizeof(struct tfaas_slot));
    struct ring_tx tx;
    struct ring_rx rx;
    ring_tx_init(&tx, window, is_host);
    ring_rx_init(&rx, window, is_host);
    struct cursor c = cursor_of(data, size);
    while (cursor_left(&c) > 0 && !(tx.dead && rx.dead)) {
        uint8_t action = cursor_u8(&c);
        struct tfaas_slot slot = {.kind = TFAAS_BODY}, got;
        tfaas_status_t status;
        switch (action & 7) {
        case 0:
            status = ring_receive(&rx, &got, payload);
            if (status == TFAAS_OK)
                script_check(got.size <= TFAAS_PAYLOAD_MAX &&
                             got.offset <= TFAAS_DATA_SIZE - got.size);
            script_check((status == TFAAS_PEER_DEAD) == rx.dead);
            break;
        case 1:
            status = ring_send(&tx, &slot, payload, script_u32(&c) % (TFAAS_PAYLOAD_MAX + 1));
            script_check((status == TFAAS_PEER_DEAD) == tx.dead);
            break;
        case 2:
            ring_flush(&tx);
            break;
        case 3:
            ring_release(&rx);
            if (ring_sleep(&rx))
                ring_awake(&rx);
            break;
        default:
            script_peer(&c, window, is_host, action >> 3);
        }
        script_check(tx.head - tx.tail <= TFAAS_SLOTS);
        script_check(tx.data_head - tx.data_tail <= TFAAS_DATA_SIZE);
    }
}

#endif
