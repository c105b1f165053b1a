/* needs: common/ring.c common/status.c */
/*
 * ring.c - tests of common/ring.c: order, flow control, doorbell rules, and a peer that lies.
 * A hostile peer may cost service, never memory safety: run this under ASan and UBSan as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ring.h"

/* The window is an exact heap block, so that ASan sees the first byte outside of it. */
static void *new_window(void)
{
    void *window = aligned_alloc(4096, TFAAS_WINDOW_SIZE);
    assert_non_null(window);
    memset(window, 0xa5, TFAAS_WINDOW_SIZE);
    window_format(window);
    return window;
}

struct pair {
    void *window;
    struct tfaas_window *header;
    struct ring_tx tx; /* host */
    struct ring_rx rx; /* core */
    uint8_t *payload;
};

static struct pair new_pair(void)
{
    struct pair p = {.window = new_window(), .payload = malloc(TFAAS_PAYLOAD_MAX)};
    assert_non_null(p.payload);
    p.header = p.window;
    ring_tx_init(&p.tx, p.window, true);
    ring_rx_init(&p.rx, p.window, false);
    return p;
}

static void free_pair(struct pair *p)
{
    free(p->window);
    free(p->payload);
}

static uint32_t seed = 1;

static uint32_t random_u32(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static void test_window(void **state)
{
    (void)state;
    void *window = new_window();
    struct tfaas_window *header = window;
    assert_true(window_check(window));
    header->magic ^= 1;
    assert_false(window_check(window));
    window_format(window);
    header->abi_version++;
    assert_false(window_check(window));
    window_format(window);
    header->window_size--;
    assert_false(window_check(window));
    free(window);
}

static void test_directions_are_separate(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct ring_tx core_tx;
    struct ring_rx host_rx;
    ring_tx_init(&core_tx, p.window, false);
    ring_rx_init(&host_rx, p.window, true);
    struct tfaas_slot slot = {.kind = TFAAS_INVOKE, .id = 1}, got;
    assert_int_equal(ring_send(&p.tx, &slot, "to core", 7), TFAAS_OK);
    slot.id = 2;
    assert_int_equal(ring_send(&core_tx, &slot, "to host", 7), TFAAS_OK);
    ring_flush(&p.tx);
    ring_flush(&core_tx);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_int_equal(got.id, 1);
    assert_memory_equal(p.payload, "to core", 7);
    assert_int_equal(ring_receive(&host_rx, &got, p.payload), TFAAS_OK);
    assert_int_equal(got.id, 2);
    assert_memory_equal(p.payload, "to host", 7);
    assert_int_equal(ring_receive(&host_rx, &got, p.payload), TFAAS_NOT_FOUND);
    free_pair(&p);
}

static void test_nothing_before_flush(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct tfaas_slot slot = {.kind = TFAAS_CLOCK, .arg = {1, 2, 3, 4, 5, 6}}, got;
    assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_OK);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_NOT_FOUND);
    assert_false(ring_flush(&p.tx)); /* nobody sleeps */
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_memory_equal(got.arg, slot.arg, sizeof(got.arg));
    assert_int_equal(got.size, 0);
    free_pair(&p);
}

/* Fills `size` bytes with a pattern of its own per message. */
static void fill(uint8_t *bytes, size_t size, uint32_t message)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(message * 31 + i * 7);
}

static void test_many_sizes_keep_order_and_content(void **state)
{
    (void)state;
    struct pair p = new_pair();
    uint8_t *expected = malloc(TFAAS_PAYLOAD_MAX);
    uint32_t *sizes = calloc(200000, sizeof(*sizes));
    uint32_t sent = 0, received = 0;
    while (received < 20000) {
        for (uint32_t burst = random_u32() % 40; burst > 0; burst--) {
            uint32_t size =
                random_u32() % 4 ? random_u32() % 300 : random_u32() % (TFAAS_PAYLOAD_MAX + 1);
            uint32_t cut = size ? random_u32() % (size + 1) : 0;
            fill(expected, size, sent);
            struct tfaas_slot slot = {.kind = TFAAS_BODY, .id = sent, .offset = 77, .size = 99};
            tfaas_status_t status =
                ring_send2(&p.tx, &slot, expected, cut, expected + cut, size - cut);
            if (status == TFAAS_BUSY)
                break;
            assert_int_equal(status, TFAAS_OK);
            sizes[sent++] = size;
        }
        ring_flush(&p.tx);
        for (uint32_t burst = random_u32() % 40; burst > 0; burst--) {
            struct tfaas_slot got;
            tfaas_status_t status = ring_receive(&p.rx, &got, p.payload);
            if (status == TFAAS_NOT_FOUND)
                break;
            assert_int_equal(status, TFAAS_OK);
            assert_int_equal(got.id, received);
            assert_int_equal(got.size, sizes[received]);
            fill(expected, got.size, received);
            assert_memory_equal(p.payload, expected, got.size);
            received++;
        }
        ring_release(&p.rx);
    }
    assert_false(p.tx.dead);
    assert_false(p.rx.dead);
    free(sizes);
    free(expected);
    free_pair(&p);
}

static void test_index_wraps_at_32_bits(void **state)
{
    (void)state;
    struct pair p = new_pair();
    uint32_t start = UINT32_MAX - 3;
    p.tx.head = p.tx.tail = p.tx.published = start;
    p.rx.tail = p.rx.head = p.rx.released = start;
    atomic_store(&p.header->h2c.head, start);
    atomic_store(&p.header->h2c.tail, start);
    for (uint32_t i = 0; i < 1000; i++) {
        struct tfaas_slot slot = {.kind = TFAAS_CLOCK, .id = i}, got;
        assert_int_equal(ring_send(&p.tx, &slot, &i, sizeof(i)), TFAAS_OK);
        ring_flush(&p.tx);
        assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
        assert_int_equal(got.id, i);
        ring_release(&p.rx);
    }
    free_pair(&p);
}

static void test_slots_run_out(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct tfaas_slot slot = {.kind = TFAAS_CLOCK}, got;
    for (uint32_t i = 0; i < TFAAS_SLOTS; i++)
        assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_OK);
    assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_BUSY);
    assert_int_equal(atomic_load(&p.header->h2c.want_room), 1);
    ring_flush(&p.tx);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_true(ring_release(&p.rx)); /* the sender waits: ring */
    assert_int_equal(atomic_load(&p.header->h2c.want_room), 0);
    assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_OK);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_false(ring_release(&p.rx)); /* nobody waits any more */
    free_pair(&p);
}

static void test_payload_area_runs_out(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct tfaas_slot slot = {.kind = TFAAS_BODY}, got;
    uint8_t *big = calloc(1, TFAAS_PAYLOAD_MAX + 1);
    assert_int_equal(ring_send(&p.tx, &slot, big, TFAAS_PAYLOAD_MAX + 1), TFAAS_TOO_LARGE);
    assert_int_equal(ring_send2(&p.tx, &slot, big, TFAAS_PAYLOAD_MAX, big, 1), TFAAS_TOO_LARGE);
    assert_int_equal(ring_send2(&p.tx, &slot, big, 1, big, SIZE_MAX), TFAAS_TOO_LARGE);
    uint32_t fit = TFAAS_DATA_SIZE / TFAAS_PAYLOAD_MAX;
    for (uint32_t i = 0; i < fit; i++)
        assert_int_equal(ring_send(&p.tx, &slot, big, TFAAS_PAYLOAD_MAX), TFAAS_OK);
    assert_int_equal(ring_send(&p.tx, &slot, big, 1), TFAAS_BUSY);
    assert_int_equal(ring_send(&p.tx, &slot, big, 0), TFAAS_OK); /* needs no bytes */
    ring_flush(&p.tx);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    ring_release(&p.rx);
    assert_int_equal(ring_send(&p.tx, &slot, big, TFAAS_PAYLOAD_MAX), TFAAS_OK);
    assert_int_equal(ring_send(&p.tx, &slot, big, 1), TFAAS_BUSY);
    free(big);
    free_pair(&p);
}

/* A payload that does not fit the rest of the area starts over: never split, never over the end. */
static void test_payload_never_wraps(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct tfaas_slot slot = {.kind = TFAAS_BODY}, got;
    uint8_t *bytes = calloc(1, TFAAS_PAYLOAD_MAX);
    uint32_t wraps = 0, end = 0;
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t size = 40000 + random_u32() % 20000;
        assert_int_equal(ring_send(&p.tx, &slot, bytes, size), TFAAS_OK);
        ring_flush(&p.tx);
        if (i == 0)
            continue; /* one stays in flight, so that the area is never empty */
        assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
        assert_true(got.offset + got.size <= TFAAS_DATA_SIZE);
        wraps += got.offset < end;
        end = got.offset;
        ring_release(&p.rx);
    }
    assert_true(wraps > 10);
    free(bytes);
    free_pair(&p);
}

static void test_doorbell_rules(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct tfaas_slot slot = {.kind = TFAAS_CLOCK}, got;
    assert_true(ring_sleep(&p.rx));
    assert_int_equal(atomic_load(&p.header->h2c.sleeping), 1);
    assert_false(ring_flush(&p.tx)); /* nothing new: no doorbell */
    assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_OK);
    assert_true(ring_flush(&p.tx));
    assert_int_equal(atomic_load(&p.header->h2c.sleeping), 0);
    assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_OK);
    assert_false(ring_flush(&p.tx)); /* one wake per sleep */
    assert_false(ring_sleep(&p.rx)); /* there is work */
    assert_int_equal(atomic_load(&p.header->h2c.sleeping), 0);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_false(ring_sleep(&p.rx)); /* still one */
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_false(ring_release(&p.rx));
    assert_true(ring_sleep(&p.rx));
    ring_awake(&p.rx);
    assert_int_equal(atomic_load(&p.header->h2c.sleeping), 0);
    atomic_store(&p.header->h2c.sleeping, 7); /* not a value of the protocol */
    assert_int_equal(ring_send(&p.tx, &slot, NULL, 0), TFAAS_OK);
    assert_false(ring_flush(&p.tx));
    free_pair(&p);
}

/* --- a peer that lies --- */

static void send_one(struct pair *p)
{
    struct tfaas_slot slot = {.kind = TFAAS_BODY};
    assert_int_equal(ring_send(&p->tx, &slot, "12345678", 8), TFAAS_OK);
    ring_flush(&p->tx);
}

static void expect_rx_dead(struct pair *p)
{
    struct tfaas_slot got;
    assert_int_equal(ring_receive(&p->rx, &got, p->payload), TFAAS_PEER_DEAD);
    window_format(p->window); /* and it stays dead */
    assert_int_equal(ring_receive(&p->rx, &got, p->payload), TFAAS_PEER_DEAD);
    assert_false(ring_release(&p->rx));
    assert_false(ring_sleep(&p->rx));
    free_pair(p);
}

static void test_head_lies(void **state)
{
    (void)state;
    const uint32_t lies[] = {TFAAS_SLOTS + 1, 1u << 31, UINT32_MAX, UINT32_MAX - TFAAS_SLOTS};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct pair p = new_pair();
        atomic_store(&p.header->h2c.head, lies[i]);
        expect_rx_dead(&p);
    }
    /* backwards after something was taken */
    struct pair p = new_pair();
    struct tfaas_slot got;
    send_one(&p);
    send_one(&p);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    atomic_store(&p.header->h2c.head, 1);
    expect_rx_dead(&p);
}

/* Slots that were taken but not released are not free: a sender that goes on has overrun them. */
static void test_head_overruns_unreleased(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct tfaas_slot got;
    memset(p.tx.slots, 0, TFAAS_SLOTS * sizeof(got)); /* honest looking slots all over */
    send_one(&p);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    atomic_store(&p.header->h2c.head, TFAAS_SLOTS + 1);
    expect_rx_dead(&p);
}

static void test_slot_lies(void **state)
{
    (void)state;
    const uint32_t lies[][2] = {{0, TFAAS_PAYLOAD_MAX + 1},
                                {TFAAS_DATA_SIZE, 1},
                                {TFAAS_DATA_SIZE + 1, 0},
                                {TFAAS_DATA_SIZE - 7, 8},
                                {UINT32_MAX, 1},
                                {UINT32_MAX - 7, 8},
                                {0, UINT32_MAX}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct pair p = new_pair();
        send_one(&p);
        p.tx.slots[0].offset = lies[i][0];
        p.tx.slots[0].size = lies[i][1];
        expect_rx_dead(&p);
    }
    struct pair p = new_pair(); /* the last byte of the area is fine */
    struct tfaas_slot got;
    send_one(&p);
    p.tx.slots[0].offset = TFAAS_DATA_SIZE - 8;
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    free_pair(&p);
}

static void expect_tx_dead(struct pair *p)
{
    struct tfaas_slot slot = {.kind = TFAAS_BODY};
    assert_int_equal(ring_send(&p->tx, &slot, "x", 1), TFAAS_PEER_DEAD);
    window_format(p->window);
    assert_int_equal(ring_send(&p->tx, &slot, "x", 1), TFAAS_PEER_DEAD);
    assert_false(ring_flush(&p->tx));
    free_pair(p);
}

static void test_tail_lies(void **state)
{
    (void)state;
    struct pair p = new_pair(); /* ahead of everything */
    atomic_store(&p.header->h2c.tail, 1);
    expect_tx_dead(&p);

    p = new_pair(); /* ahead of what was published, though written */
    struct tfaas_slot slot = {.kind = TFAAS_BODY}, got;
    assert_int_equal(ring_send(&p.tx, &slot, "x", 1), TFAAS_OK);
    atomic_store(&p.header->h2c.tail, 1);
    expect_tx_dead(&p);

    p = new_pair(); /* backwards */
    send_one(&p);
    send_one(&p);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    assert_int_equal(ring_receive(&p.rx, &got, p.payload), TFAAS_OK);
    ring_release(&p.rx);
    send_one(&p);
    atomic_store(&p.header->h2c.tail, 1);
    expect_tx_dead(&p);
}

/* Every field random, indices jumping: each round ends with both sides dead. */
static void test_random_peer(void **state)
{
    (void)state;
    struct pair p = new_pair();
    for (uint32_t round = 0; round < 5000; round++) {
        window_format(p.window);
        ring_tx_init(&p.tx, p.window, true);
        ring_rx_init(&p.rx, p.window, false);
        uint32_t steps = 0;
        while (!(p.tx.dead && p.rx.dead)) {
            struct tfaas_slot slot = {.kind = TFAAS_BODY}, got;
            if (p.tx.dead || random_u32() % 2) {
                uint32_t near = p.rx.tail + random_u32() % 300;
                atomic_store(&p.header->h2c.head, random_u32() % 8 ? near : random_u32());
                for (uint32_t i = 0; i < 8; i++) {
                    struct tfaas_slot *at = &p.tx.slots[random_u32() % TFAAS_SLOTS];
                    for (uint32_t w = 0; w < 16; w++)
                        ((uint32_t *)at)[w] = random_u32();
                    if (random_u32() % 2) { /* often plausible, to get further */
                        at->size %= TFAAS_PAYLOAD_MAX + 2;
                        at->offset %= TFAAS_DATA_SIZE + 2;
                    }
                }
            }
            if (random_u32() % 2)
                atomic_store(&p.header->h2c.tail,
                             random_u32() % 8 ? p.tx.tail + random_u32() % 3 : random_u32());
            tfaas_status_t status = ring_receive(&p.rx, &got, p.payload);
            if (status == TFAAS_OK) {
                assert_true(got.size <= TFAAS_PAYLOAD_MAX);
                assert_true(got.offset <= TFAAS_DATA_SIZE - got.size);
            }
            ring_release(&p.rx);
            if (ring_sleep(&p.rx))
                ring_awake(&p.rx);
            status = ring_send(&p.tx, &slot, p.payload, random_u32() % TFAAS_PAYLOAD_MAX);
            ring_flush(&p.tx);
            assert_true(++steps < 100000);
        }
    }
    free_pair(&p);
}

/* --- a thread that rewrites the shared memory while this side works --- */

struct flipper {
    void *window;
    atomic_bool stop;
};

static void *flip(void *argument)
{
    struct flipper *f = argument;
    struct tfaas_window *header = f->window;
    volatile uint32_t *slots = (volatile uint32_t *)((uint8_t *)f->window + TFAAS_H2C_SLOTS_OFFSET);
    volatile uint8_t *data = (volatile uint8_t *)f->window + TFAAS_H2C_DATA_OFFSET;
    uint32_t r = 12345;
    while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
        r = r * 1664525 + 1013904223;
        uint32_t slot = (r >> 8) % TFAAS_SLOTS;
        /* offset and size flip between honest and far out of bounds */
        slots[slot * 16 + 2] = r & 1 ? 0 : UINT32_MAX - 4;
        slots[slot * 16 + 3] = r & 2 ? 4096 : UINT32_MAX;
        data[r % TFAAS_DATA_SIZE] = (uint8_t)r;
        atomic_store_explicit(&header->h2c.head,
                              atomic_load_explicit(&header->h2c.tail, memory_order_relaxed) +
                                  (r >> 4) % 4,
                              memory_order_relaxed);
    }
    return NULL;
}

static void test_flipper_thread(void **state)
{
    (void)state;
    struct pair p = new_pair();
    struct flipper f = {.window = p.window};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
    uint32_t deaths = 0, received = 0;
    /* On a busy machine the thread may start late: go on until enough of both was seen. */
    time_t end = time(NULL) + 600;
    while ((deaths < 2000 || received < 2000) && time(NULL) < end) {
        struct tfaas_slot got;
        tfaas_status_t status = ring_receive(&p.rx, &got, p.payload);
        if (status == TFAAS_NOT_FOUND)
            sched_yield();
        if (status == TFAAS_OK) {
            /* what was checked is what came back */
            assert_true(got.size <= TFAAS_PAYLOAD_MAX);
            assert_true(got.offset <= TFAAS_DATA_SIZE - got.size);
            received++;
            ring_release(&p.rx);
        } else if (status == TFAAS_PEER_DEAD) {
            deaths++;
            ring_rx_init(&p.rx, p.window, false);
            uint32_t tail = atomic_load(&p.header->h2c.tail);
            p.rx.tail = p.rx.head = p.rx.released = tail;
        }
    }
    atomic_store(&f.stop, true);
    pthread_join(thread, NULL);
    assert_true(deaths >= 2000);
    assert_true(received >= 2000);
    free_pair(&p);
}

/* --- two honest threads: no lost wake-up, no lost or torn message --- */

#define MESSAGES 50000u

struct honest {
    void *window;
    atomic_uint to_receiver, to_sender; /* doorbells: counters stand for eventfds */
    atomic_uint wrong;
};

static void wait_doorbell(atomic_uint *doorbell)
{
    time_t end = time(NULL) + 600;
    while (atomic_load(doorbell) == 0) {
        if (time(NULL) > end)
            abort(); /* a lost wake-up */
        sched_yield();
    }
    atomic_store(doorbell, 0);
}

static void *receive_all(void *argument)
{
    struct honest *h = argument;
    struct ring_rx rx;
    struct tfaas_slot slot;
    uint8_t *payload = malloc(TFAAS_PAYLOAD_MAX), *expected = malloc(TFAAS_PAYLOAD_MAX);
    ring_rx_init(&rx, h->window, false);
    for (uint32_t received = 0; received < MESSAGES;) {
        tfaas_status_t status = ring_receive(&rx, &slot, payload);
        if (status == TFAAS_OK) {
            fill(expected, slot.size, received);
            if (slot.id != received || memcmp(payload, expected, slot.size) != 0)
                atomic_fetch_add(&h->wrong, 1);
            received++;
            continue;
        }
        if (status != TFAAS_NOT_FOUND) {
            atomic_fetch_add(&h->wrong, 1);
            break;
        }
        if (ring_release(&rx))
            atomic_store(&h->to_sender, 1);
        if (ring_sleep(&rx)) {
            wait_doorbell(&h->to_receiver);
            ring_awake(&rx);
        }
    }
    free(payload);
    free(expected);
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    struct honest h = {.window = new_window()};
    struct ring_tx tx;
    ring_tx_init(&tx, h.window, true);
    uint8_t *bytes = malloc(TFAAS_PAYLOAD_MAX);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, receive_all, &h), 0);
    for (uint32_t sent = 0; sent < MESSAGES;) {
        uint32_t size = sent % 64 ? random_u32() % 100 : TFAAS_PAYLOAD_MAX;
        fill(bytes, size, sent);
        struct tfaas_slot slot = {.kind = TFAAS_BODY, .id = sent};
        tfaas_status_t status = ring_send(&tx, &slot, bytes, size);
        if (status == TFAAS_OK)
            sent++;
        else
            assert_int_equal(status, TFAAS_BUSY);
        if (status == TFAAS_BUSY || random_u32() % 8 == 0 || sent == MESSAGES)
            if (ring_flush(&tx))
                atomic_store(&h.to_receiver, 1);
        if (status == TFAAS_BUSY)
            wait_doorbell(&h.to_sender);
    }
    pthread_join(thread, NULL);
    assert_int_equal(h.wrong, 0);
    free(bytes);
    free(h.window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_directions_are_separate),
        cmocka_unit_test(test_nothing_before_flush),
        cmocka_unit_test(test_many_sizes_keep_order_and_content),
        cmocka_unit_test(test_index_wraps_at_32_bits),
        cmocka_unit_test(test_slots_run_out),
        cmocka_unit_test(test_payload_area_runs_out),
        cmocka_unit_test(test_payload_never_wraps),
        cmocka_unit_test(test_doorbell_rules),
        cmocka_unit_test(test_head_lies),
        cmocka_unit_test(test_head_overruns_unreleased),
        cmocka_unit_test(test_slot_lies),
        cmocka_unit_test(test_tail_lies),
        cmocka_unit_test(test_random_peer),
        cmocka_unit_test(test_flipper_thread),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
