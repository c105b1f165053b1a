/* needs: core/replay.c libs: sodium */
/*
 * replay.c - tests of core/replay.c: against a plain list under clocks that jump, the bound, and
 * that memory comes and goes with what is in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "random.h"
#include "replay.h"

void random_bytes(uint8_t *to, size_t size)
{
    randombytes_buf(to, size);
}

static void enc_of(uint64_t number, uint8_t enc[32])
{
    memset(enc, 0x5a, 32);
    memcpy(enc, &number, sizeof(number));
}

static tfaas_status_t accept(struct replay *r, uint64_t number, uint64_t date, uint64_t now)
{
    uint8_t enc[32];
    enc_of(number, enc);
    return replay_accept(r, enc, date, now);
}

static void test_window(void **state)
{
    (void)state;
    struct replay *r = replay_new();
    assert_int_equal(accept(r, 1, 1000, 1120), TFAAS_OK);
    assert_int_equal(accept(r, 1, 1000, 1120), TFAAS_REPLAYED);
    assert_int_equal(accept(r, 2, 1000, 1121), TFAAS_DATE_REFUSED);
    assert_int_equal(accept(r, 2, 1241, 1121), TFAAS_OK);
    assert_int_equal(accept(r, 3, 1242, 1121), TFAAS_DATE_REFUSED);
    assert_int_equal(accept(r, 2, 1241, 1361), TFAAS_REPLAYED); /* its last second */
    assert_int_equal(accept(r, 2, 1241, 1362), TFAAS_DATE_REFUSED);
    assert_int_equal(replay_date(0, UINT64_MAX), TFAAS_DATE_REFUSED);
    assert_int_equal(replay_date(UINT64_MAX, 0), TFAAS_DATE_REFUSED);
    assert_int_equal(accept(r, 9, UINT64_MAX, UINT64_MAX), TFAAS_OK);
    assert_int_equal(accept(r, 9, UINT64_MAX, UINT64_MAX), TFAAS_REPLAYED);
    replay_free(r);
    replay_free(NULL);
}

/* A second request under one `enc` is refused whatever its date says, and zeros are a value. */
static void test_other_dates_and_zeros(void **state)
{
    (void)state;
    struct replay *r = replay_new();
    uint8_t zeros[32] = {0};
    for (uint64_t date = 5000 - 120; date <= 5000 + 120; date++)
        assert_int_equal(accept(r, 77, date, 5000), date == 5000 - 120 ? TFAAS_OK : TFAAS_REPLAYED);
    assert_int_equal(replay_accept(r, zeros, 5000, 5000), TFAAS_OK);
    assert_int_equal(replay_accept(r, zeros, 5000, 5000), TFAAS_REPLAYED);
    replay_free(r);
}

/* Nothing is ever answered OK twice, at whatever pace the clock goes on. */
static void test_against_a_list(void **state)
{
    (void)state;
    enum { NUMBERS = 4000 };
    static uint64_t dates[NUMBERS], round[NUMBERS];
    static bool served[NUMBERS];
    uint64_t seed = 3, now = 1000000, again = 0, refused = 0;
    struct replay *r = replay_new();
    memset(served, 0, sizeof(served));
    for (unsigned i = 0; i < 300000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t n = (seed >> 33) % NUMBERS;
        if ((seed >> 13) % 4000 == 0)
            now += (seed >> 40) % 200;
        if (!served[n] && dates[n] == 0)
            dates[n] = now - 130 + (seed >> 45) % 260;
        tfaas_status_t status = accept(r, n + round[n] * NUMBERS, dates[n], now);
        bool in_time = dates[n] + 120 >= now && dates[n] <= now + 120;
        assert_int_equal(status, !in_time    ? TFAAS_DATE_REFUSED
                                 : served[n] ? TFAAS_REPLAYED
                                             : TFAAS_OK);
        again += status == TFAAS_REPLAYED;
        refused += status == TFAAS_DATE_REFUSED;
        if (status == TFAAS_OK)
            served[n] = true;
        if (dates[n] + 120 < now) { /* it can never pass again: use the number for a new request */
            dates[n] = 0;
            round[n]++;
            served[n] = false;
        }
    }
    assert_true(again > 1000 && refused > 100);
    replay_free(r);
}

/* Full is BUSY, for as long as what fills it could come again; then there is room. */
static void test_full(void **state)
{
    (void)state;
    struct replay *r = replay_new();
    for (uint64_t n = 0; n < REPLAY_ENTRIES_MAX; n++)
        assert_int_equal(accept(r, n, 100000 - 120 + n % 240, 100000), TFAAS_OK);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(accept(r, REPLAY_ENTRIES_MAX + i, 100000, 100000), TFAAS_BUSY);
    for (uint64_t n = 0; n < REPLAY_ENTRIES_MAX; n += 997)
        assert_int_equal(accept(r, n, 100000 - 120 + n % 240, 100000), TFAAS_REPLAYED);
    assert_int_equal(accept(r, UINT64_MAX, 100200, 100200), TFAAS_OK);
    assert_int_equal(accept(r, 239, 100000 + 119, 100200), TFAAS_REPLAYED);
    replay_free(r);
}

static int start(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_other_dates_and_zeros),
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
