/*
 * ring.c - one direction of the window: indices, slots and the payload area (common/ring.h).
 * Must never use a value of the shared memory twice, nor before it has been checked.
 */
#include "ring.h"
#include <string.h>

#define SLOT_WORDS (sizeof(struct tfaas_slot) / sizeof(uint64_t))

_Static_assert((TFAAS_SLOTS & (TFAAS_SLOTS - 1)) == 0, "index arithmetic wraps with 2^32");
_Static_assert(TFAAS_PAYLOAD_MAX <= TFAAS_DATA_SIZE / 2, "padding never blocks a payload");

typedef uint64_t __attribute__((may_alias)) shared_word;

/* --- window --- */

void window_format(void *window)
{
    memset(window, 0, TFAAS_H2C_SLOTS_OFFSET);
    struct tfaas_window *header = window;
    header->magic = TFAAS_ABI_MAGIC;
    header->abi_version = TFAAS_ABI_VERSION;
    header->window_size = TFAAS_WINDOW_SIZE;
}

bool window_check(const void *window)
{
    const volatile struct tfaas_window *header = window;
    return header->magic == TFAAS_ABI_MAGIC && header->abi_version == TFAAS_ABI_VERSION &&
           header->window_size == TFAAS_WINDOW_SIZE;
}

static struct tfaas_ring_shared *shared_of(void *window, bool host_to_core)
{
    struct tfaas_window *header = window;
    return host_to_core ? &header->h2c : &header->c2h;
}

static uint8_t *slots_of(void *window, bool host_to_core)
{
    return (uint8_t *)window + (host_to_core ? TFAAS_H2C_SLOTS_OFFSET : TFAAS_C2H_SLOTS_OFFSET);
}

static uint8_t *data_of(void *window, bool host_to_core)
{
    return (uint8_t *)window + (host_to_core ? TFAAS_H2C_DATA_OFFSET : TFAAS_C2H_DATA_OFFSET);
}

/* --- sender --- */

void ring_tx_init(struct ring_tx *tx, void *window, bool is_host)
{
    memset(tx, 0, sizeof(*tx));
    tx->shared = shared_of(window, is_host);
    tx->slots = (struct tfaas_slot *)(void *)slots_of(window, is_host);
    tx->data = data_of(window, is_host);
}

/* Takes over the peer's tail. False: it lies ahead of what was published, or went backwards. */
static bool take_tail(struct ring_tx *tx)
{
    uint32_t tail = atomic_load_explicit(&tx->shared->tail, memory_order_acquire);
    if (tail == tx->tail)
        return true;
    if (tail - tx->tail > tx->published - tx->tail) {
        tx->dead = true;
        return false;
    }
    tx->data_tail = tx->data_end[(tail - 1) % TFAAS_SLOTS];
    tx->tail = tail;
    if (tx->tail == tx->head) /* all free: start over, the first pages are warm */
        tx->data_head = tx->data_tail = 0;
    return true;
}

/* Where `size` contiguous bytes would start (free-running); false: no slot or no room. */
static bool find_room(const struct ring_tx *tx, uint32_t size, uint64_t *start)
{
    if (tx->head - tx->tail >= TFAAS_SLOTS)
        return false;
    uint64_t at = tx->data_head, rest = TFAAS_DATA_SIZE - at % TFAAS_DATA_SIZE;
    if (size > rest)
        at += rest;
    *start = at;
    return at + size - tx->data_tail <= TFAAS_DATA_SIZE;
}

tfaas_status_t ring_send2(struct ring_tx *tx, const struct tfaas_slot *slot, const void *a,
                          size_t a_size, const void *b, size_t b_size)
{
    if (tx->dead)
        return TFAAS_PEER_DEAD;
    if (a_size > TFAAS_PAYLOAD_MAX || b_size > TFAAS_PAYLOAD_MAX - a_size)
        return TFAAS_TOO_LARGE;
    uint32_t size = (uint32_t)(a_size + b_size);
    uint64_t start;
    if (!take_tail(tx))
        return TFAAS_PEER_DEAD;
    if (!find_room(tx, size, &start)) {
        /* The store must be visible before the second look: the receiver publishes its tail and
         * then looks at want_room, so one of the two sides sees the other. */
        atomic_store_explicit(&tx->shared->want_room, 1, memory_order_seq_cst);
        atomic_thread_fence(memory_order_seq_cst);
        if (!take_tail(tx))
            return TFAAS_PEER_DEAD;
        if (!find_room(tx, size, &start))
            return TFAAS_BUSY;
    }
    uint32_t offset = (uint32_t)(start % TFAAS_DATA_SIZE);
    if (a_size)
        memcpy(tx->data + offset, a, a_size);
    if (b_size)
        memcpy(tx->data + offset + a_size, b, b_size);
    struct tfaas_slot filled = *slot;
    filled.offset = offset;
    filled.size = size;
    memcpy(&tx->slots[tx->head % TFAAS_SLOTS], &filled, sizeof(filled));
    tx->data_head = start + size;
    tx->data_end[tx->head % TFAAS_SLOTS] = tx->data_head;
    tx->head++;
    return TFAAS_OK;
}

tfaas_status_t ring_send(struct ring_tx *tx, const struct tfaas_slot *slot, const void *payload,
                         size_t payload_size)
{
    return ring_send2(tx, slot, payload, payload_size, NULL, 0);
}

/* Swaps the flag from 1 to 0; the read alone is enough in the common case. */
static bool take_flag(_Atomic uint32_t *flag)
{
    uint32_t one = 1;
    return atomic_load_explicit(flag, memory_order_relaxed) == 1 &&
           atomic_compare_exchange_strong_explicit(flag, &one, 0, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

bool ring_flush(struct ring_tx *tx)
{
    if (tx->dead || tx->head == tx->published)
        return false;
    tx->published = tx->head;
    atomic_store_explicit(&tx->shared->head, tx->head, memory_order_release);
    /* head before `sleeping`: the receiver stores `sleeping` and then looks at head. */
    atomic_thread_fence(memory_order_seq_cst);
    return take_flag(&tx->shared->sleeping);
}

/* --- receiver --- */

void ring_rx_init(struct ring_rx *rx, void *window, bool is_host)
{
    memset(rx, 0, sizeof(*rx));
    rx->shared = shared_of(window, !is_host);
    rx->slots = (const struct tfaas_slot *)(const void *)slots_of(window, !is_host);
    rx->data = data_of(window, !is_host);
}

/* Word by word through volatile: each word of the shared slot is read exactly once. */
static void copy_slot(struct tfaas_slot *to, const struct tfaas_slot *from_untrusted)
{
    const volatile shared_word *from = (const volatile shared_word *)(const void *)from_untrusted;
    uint64_t words[SLOT_WORDS];
    for (size_t i = 0; i < SLOT_WORDS; i++)
        words[i] = from[i];
    memcpy(to, words, sizeof(*to));
}

static tfaas_status_t peer_is_dead(struct ring_rx *rx)
{
    rx->dead = true;
    return TFAAS_PEER_DEAD;
}

tfaas_status_t ring_receive(struct ring_rx *rx, struct tfaas_slot *slot, uint8_t *payload)
{
    if (rx->dead)
        return TFAAS_PEER_DEAD;
    if (rx->head == rx->tail) {
        uint32_t head = atomic_load_explicit(&rx->shared->head, memory_order_acquire);
        if (head == rx->tail)
            return TFAAS_NOT_FOUND;
        /* Slots taken but not released are still the sender's to keep: it has not seen that
         * they are free, so an honest one stays within SLOTS of the published tail. */
        if (head - rx->released > TFAAS_SLOTS || head - rx->tail > TFAAS_SLOTS)
            return peer_is_dead(rx);
        rx->head = head;
    }
    struct tfaas_slot copy;
    copy_slot(&copy, &rx->slots[rx->tail % TFAAS_SLOTS]);
    if (copy.size > TFAAS_PAYLOAD_MAX || copy.offset > TFAAS_DATA_SIZE - copy.size)
        return peer_is_dead(rx);
    if (copy.size)
        memcpy(payload, rx->data + copy.offset, copy.size);
    /* Without this the compiler might take the copy for equal to the area and read that again. */
    __asm__ volatile("" ::: "memory");
    *slot = copy;
    rx->tail++;
    return TFAAS_OK;
}

bool ring_release(struct ring_rx *rx)
{
    if (rx->dead || rx->tail == rx->released)
        return false;
    rx->released = rx->tail;
    atomic_store_explicit(&rx->shared->tail, rx->tail, memory_order_release);
    /* tail before want_room: the sender stores want_room and then looks at tail. */
    atomic_thread_fence(memory_order_seq_cst);
    return take_flag(&rx->shared->want_room);
}

bool ring_sleep(struct ring_rx *rx)
{
    if (rx->dead || rx->head != rx->tail)
        return false;
    atomic_store_explicit(&rx->shared->sleeping, 1, memory_order_seq_cst);
    /* `sleeping` before head: the sender publishes head and then looks at `sleeping`. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&rx->shared->head, memory_order_acquire) == rx->tail)
        return true;
    ring_awake(rx);
    return false;
}

bool ring_waits(const struct ring_rx *rx)
{
    return rx->dead || atomic_load_explicit(&rx->shared->head, memory_order_acquire) != rx->tail;
}

void ring_awake(struct ring_rx *rx)
{
    atomic_store_explicit(&rx->shared->sleeping, 0, memory_order_relaxed);
}
