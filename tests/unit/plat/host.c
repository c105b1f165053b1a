/*
 * host.c - clock and doorbells: time agrees with the kernel's and never goes back, a ring wakes, a
 * timeout and a tick end the sleep.
 */
/* clang-format off */
/* needs: core/plat/linux/clock.c core/plat/linux/context.c core/plat/linux/host.c core/plat/linux/pages.c core/plat/linux/signals.c core/plat/linux/switch.S core/plat/shim/guest.c core/plat/shim/guest_entry.S core/plat/shim/guest_ports.c libs: sodium flags: nosan /lib64/ld-linux-x86-64.so.2 */
/* clang-format on */
#include "plat/linux/linux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static volatile unsigned ticks;

static bool on_tick(uintptr_t pc)
{
    (void)pc;
    ticks++;
    return false;
}

static uint64_t kernel_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void time_agrees_with_the_kernel(void **state)
{
    (void)state;
    /* Ours is read between two of the kernel's, so that it does not matter who else runs. */
    const uint64_t k1 = kernel_ns(), o1 = plat_now_ns(), k2 = kernel_ns();
    const struct timespec nap = {.tv_nsec = 100000000};
    nanosleep(&nap, NULL);
    const uint64_t k3 = kernel_ns(), o2 = plat_now_ns(), k4 = kernel_ns();
    const uint64_t ours = o2 - o1;
    assert_true(ours >= (k3 - k2) / 200 * 199);
    assert_true(ours <= (k4 - k1) / 200 * 201);
    plat_clock_refine();
    uint64_t last = 0;
    for (int i = 0; i < 100000; i++) {
        const uint64_t now = plat_now_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void wall_clock_is_what_was_told(void **state)
{
    (void)state;
    plat_set_realtime(1234567890123456789u);
    assert_int_equal(plat_realtime_ns(), 1234567890123456789u);
    plat_set_realtime(5);
    assert_int_equal(plat_realtime_ns(), 5);
}

static void ring(int fd)
{
    const uint64_t one = 1;
    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void a_ring_wakes_once(void **state)
{
    (void)state;
    ring(WORKER_RING_FD);
    ring(WORKER_RING_FD);
    plat_doorbell_wait(-1); /* would hang without the ring; takes both */
    const uint64_t before = plat_now_ns();
    plat_doorbell_wait(20000000);
    assert_true(plat_now_ns() - before >= 19000000);
    ring(WORKER_RING_FD);
    const uint64_t again = plat_now_ns();
    plat_doorbell_wait(60000000000);
    assert_true(plat_now_ns() - again < 30000000000); /* the ring ended it */
    plat_doorbell_wait(0);
}

static void our_ring_reaches_the_host_and_never_blocks(void **state)
{
    (void)state;
    uint64_t count = 0;
    plat_doorbell_ring();
    plat_doorbell_ring();
    assert_int_equal(read(WORKER_BELL_FD, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 2);
    const uint64_t full = UINT64_MAX - 1;
    assert_int_equal(write(WORKER_BELL_FD, &full, sizeof(full)), sizeof(full));
    plat_doorbell_ring();
    assert_int_equal(read(WORKER_BELL_FD, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, full);
}

static void a_tick_ends_the_sleep(void **state)
{
    (void)state;
    /* On a busy machine the tick may come before the sleep has begun: then with more time. */
    uint64_t took = UINT64_MAX;
    for (uint32_t ns = 5000000; took >= 3000000000 && ns < 2000000000; ns *= 4) {
        const unsigned before = ticks;
        plat_tick_arm(ns);
        plat_tick_arm(1); /* one is armed already */
        const uint64_t start = plat_now_ns();
        plat_doorbell_wait(6000000000);
        took = plat_now_ns() - start;
        assert_int_equal(ticks, before + 1);
    }
    assert_true(took < 3000000000); /* the tick ended it */
}

static void entropy_differs(void **state)
{
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0}, zero[64] = {0};
    plat_entropy(a, sizeof(a));
    plat_entropy(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, zero, sizeof(a));
    plat_entropy(a, 0);
}

static int prepare(void **state)
{
    (void)state;
    const int ring_fd = eventfd(0, 0), bell_fd = eventfd(0, EFD_NONBLOCK);
    const int ring_parked = dup2(ring_fd, 20), bell_parked = dup2(bell_fd, 21);
    if (plat_linux_prepare() != NULL || dup2(ring_parked, WORKER_RING_FD) < 0 ||
        dup2(bell_parked, WORKER_BELL_FD) < 0) {
        return -1;
    }
    plat_handlers(NULL, on_tick);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_agrees_with_the_kernel),
        cmocka_unit_test(wall_clock_is_what_was_told),
        cmocka_unit_test(a_ring_wakes_once),
        cmocka_unit_test(our_ring_reaches_the_host_and_never_blocks),
        cmocka_unit_test(a_tick_ends_the_sleep),
        cmocka_unit_test(entropy_differs),
    };
    return cmocka_run_group_tests_name("plat/host", tests, prepare, NULL);
}
