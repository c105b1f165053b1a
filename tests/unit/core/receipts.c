/* needs: core/receipts.c core/core_clock.c common/receipt.c common/bhttp.c common/cbor.c common/base64url.c libs: sodium */
/*
 * receipts.c - tests of core/receipts.c: when a batch is signed, in which order numbers are given,
 * and what a task that is stopped while it waits leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "core_clock.h"
#include "identity.h"
#include "receipts.h"

static uint8_t secret[64], public_key[32];
static struct span lease = {(const uint8_t *)"lease", 5};
static uint64_t now = 1000;
static unsigned made_ready;

/* --- what stands around it --- */

/* Tasks wait in this test's own way: receipts_wait() returns at once, as if it was stopped, and
 * the entry stays in the queue only while `hold` says so. */
static bool (*on_block)(struct task *task);

bool sched_block(struct task *task, enum task_state state)
{
    assert_int_equal(state, TASK_WAIT_RECEIPT);
    task->state = state;
    return on_block(task);
}

void sched_ready(struct task *task)
{
    assert_int_equal(task->state, TASK_WAIT_RECEIPT);
    task->state = TASK_READY;
    made_ready++;
}

uint64_t plat_now_ns(void)
{
    return now;
}

const char *plat_domain(void)
{
    return "shop";
}

void plat_abort(const char *reason)
{
    fail_msg("%s", reason);
    abort();
}

const char *instrument_weights_hash(void)
{
    return "aa";
}

const uint8_t *identity_signing_secret(void)
{
    return secret;
}

struct span identity_lease(void)
{
    return lease;
}

const uint8_t *identity_instance(void)
{
    static const uint8_t instance[16] = "0123456789abcde";
    return instance;
}

/* --- entries --- */

static struct task tasks[100];
static struct receipt_entry entries[100];
static const uint8_t package[32] = {1};

static struct receipt_entry *entry(unsigned i)
{
    entries[i] = (struct receipt_entry){.task = &tasks[i],
                                        .function = {(const uint8_t *)"f", 1},
                                        .package = package,
                                        .http_status = 200,
                                        .work = i,
                                        .exact = true};
    return &entries[i];
}

static uint64_t sequence_of(const struct receipt_entry *e, uint64_t *index)
{
    uint8_t buffer[RECEIPT_SIZE_MAX];
    char claims[RECEIPT_CLAIMS_MAX + 1];
    struct receipt r;
    const char *why = "";
    assert_int_equal(
        receipt_read((struct span){(const uint8_t *)e->text, e->text_size}, buffer, &r, &why),
        TFAAS_OK);
    assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_OK);
    (void)snprintf(claims, sizeof(claims), "%.*s", (int)r.claims.size, (const char *)r.claims.data);
    char work[32];
    (void)snprintf(work, sizeof(work), "\"work\":%lu,", e->work);
    assert_non_null(strstr(claims, work));
    assert_non_null(strstr(claims, "\"fn\":\"f.shop\""));
    *index = r.index;
    return strtoull(strstr(claims, "\"seq\":") + 6, NULL, 10);
}

/* One task after the other comes in from inside the block of the one before: all of them wait. */
static unsigned waiting_now, wanted;
static int stopped; /* which one's block ends without a receipt */
static void (*all_wait)(void);

static bool block_deeper(struct task *task)
{
    unsigned i = (unsigned)(task - tasks);
    if (task->state == TASK_READY)
        return true;
    if (++waiting_now < wanted) {
        bool got = receipts_wait(entry(waiting_now));
        assert_int_equal(got, (int)i + 1 != stopped);
    } else {
        all_wait();
    }
    return (int)i != stopped;
}

static void wait_for(unsigned count, int stop, void (*then)(void))
{
    waiting_now = 0;
    wanted = count;
    stopped = stop;
    all_wait = then;
    on_block = block_deeper;
    made_ready = 0;
    assert_int_equal(receipts_wait(entry(0)), stop != 0);
    assert_false(receipts_turn(now + 10000000, true)); /* nothing is left in the queue */
}

static uint64_t expected;

static void sign_when_idle(void)
{
    assert_false(receipts_turn(now, false));
    assert_false(receipts_turn(now + RECEIPTS_WAIT_NS - 1, false));
    assert_true(receipts_turn(now, true));
    assert_false(receipts_turn(now, true));
}

static void sign_when_late(void)
{
    assert_false(receipts_turn(now + RECEIPTS_WAIT_NS - 1, false));
    assert_true(receipts_turn(now + RECEIPTS_WAIT_NS, false));
}

static void sign_when_full(void)
{
    assert_true(receipts_turn(now, false));
    while (receipts_turn(now, true)) {
    }
}

static void check(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t index;
        assert_true(entries[i].done);
        assert_true(sequence_of(&entries[i], &index) == ++expected);
        assert_true(index == i % RECEIPT_BATCH_MAX);
    }
}

static void test_when(void **state)
{
    (void)state;
    wait_for(1, -1, sign_when_idle);
    check(1);
    wait_for(5, -1, sign_when_late);
    check(5);
    wait_for(RECEIPT_BATCH_MAX, -1, sign_when_full);
    check(RECEIPT_BATCH_MAX);
    wait_for(100, -1, sign_when_full);
    check(100);
}

/* The innermost ones leave first, before anything was signed. */
static void sign_without_the_last(void)
{
    tasks[wanted - 1].state = TASK_READY; /* sched_stop() has made it so */
    assert_true(receipts_turn(now, true));
    assert_int_equal(made_ready, wanted - 1); /* a ready task is not made ready again */
}

static void test_stopped(void **state)
{
    (void)state;
    wait_for(7, -1, sign_without_the_last);
    check(7);
    on_block = NULL;
}

static bool block_stops(struct task *task)
{
    (void)task;
    return false;
}

static void test_no_gap(void **state)
{
    (void)state;
    on_block = block_stops;
    for (unsigned i = 0; i < 20; i++)
        assert_false(receipts_wait(entry(i)));
    assert_false(receipts_turn(now, true));
    wait_for(3, -1, sign_when_idle);
    check(3);
}

static void sign_without_lease(void)
{
    struct span held = lease;
    lease.size = 0;
    assert_true(receipts_turn(now, true));
    lease = held;
}

static void test_no_lease(void **state)
{
    (void)state;
    wait_for(4, -1, sign_without_lease);
    for (unsigned i = 0; i < 4; i++)
        assert_true(entries[i].done && entries[i].text_size == 0);
    wait_for(2, -1, sign_when_idle); /* no number was given to what was not signed */
    check(2);
}

static int start(void **state)
{
    (void)state;
    core_clock_told(1700000000u * 1000000000ull);
    return sodium_init() < 0 || crypto_sign_keypair(public_key, secret) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_no_gap),
        cmocka_unit_test(test_no_lease),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
