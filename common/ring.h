/*
 * ring.h - one direction of the window (include/tfaas/abi.h), from the sender's and the
 * receiver's side. Linked into the core and the daemon. Never trusts the shared memory: own indices
 * are private, everything read is copied once and then checked.
 */
#ifndef TFAAS_COMMON_RING_H
#define TFAAS_COMMON_RING_H

#include "tfaas/abi.h"
#include "tfaas/status.h"
#include <stdbool.h>
#include <stddef.h>

struct ring_tx {
    struct tfaas_ring_shared *shared;
    struct tfaas_slot *slots;
    uint8_t *data;
    uint32_t head, tail;            /* private; head counts what is written, published or not */
    uint32_t published;             /* the head the peer has been shown */
    uint64_t data_head, data_tail;  /* free-running payload positions */
    uint64_t data_end[TFAAS_SLOTS]; /* where each slot's payload ends */
    bool dead;
};

struct ring_rx {
    struct tfaas_ring_shared *shared;
    const struct tfaas_slot *slots;
    const uint8_t *data;
    uint32_t tail;
    uint32_t head;     /* the peer's head as last read: slots below it may be taken */
    uint32_t released; /* the tail the peer has been shown */
    bool dead;
};

/* The host makes the header; the core checks it. Return false when magic, version or size differ.
 */
void window_format(void *window);
bool window_check(const void *window);

/* `window` is TFAAS_WINDOW_SIZE bytes, mapped for as long as the ring lives. */
void ring_tx_init(struct ring_tx *tx, void *window, bool is_host);
void ring_rx_init(struct ring_rx *rx, void *window, bool is_host);

/* OK; BUSY when there is no room (want_room has been set; call ring_flush and try again after the
 * doorbell); TOO_LARGE for a payload over TFAAS_PAYLOAD_MAX; PEER_DEAD when the peer published
 * nonsense. offset and size of *slot are filled in here. */
tfaas_status_t ring_send(struct ring_tx *tx, const struct tfaas_slot *slot, const void *payload,
                         size_t payload_size) TFAAS_MUST_USE;
/* The same, but the payload is given in two parts (head, content) that are joined in the area. */
tfaas_status_t ring_send2(struct ring_tx *tx, const struct tfaas_slot *slot, const void *a,
                          size_t a_size, const void *b, size_t b_size) TFAAS_MUST_USE;
/* Publishes what ring_send wrote. True when the peer sleeps and its doorbell must be rung. */
bool ring_flush(struct ring_tx *tx);

/* OK: one message in *slot, its payload copied to `payload` (TFAAS_PAYLOAD_MAX bytes).
 * NOT_FOUND: empty. PEER_DEAD: the peer broke a rule. */
tfaas_status_t ring_receive(struct ring_rx *rx, struct tfaas_slot *slot,
                            uint8_t *payload) TFAAS_MUST_USE;
/* Publishes the tail. True when the sender waits for room and its doorbell must be rung. */
bool ring_release(struct ring_rx *rx);

/* Announce sleep; what was received must have been released. True: the ring is still empty, sleep
 * on the doorbell now. False: do not. */
bool ring_sleep(struct ring_rx *rx);
/* A message may be there: for a look without a promise to sleep. */
bool ring_waits(const struct ring_rx *rx);
void ring_awake(struct ring_rx *rx);

#endif
