/* needs: host/daemon/keeper.c host/daemon/keeper_lease.c host/daemon/keeper_publish.c host/daemon/keeper_messages.c host/daemon/core_link.c host/daemon/core_ask.c host/daemon/core_calls.c host/daemon/core_messages.c host/daemon/loop.c host/evidence/evidence.c host/evidence/tsm.c host/evidence/sev.c host/evidence/tdx.c host/evidence/simulated.c host/error.c common/ring.c common/bhttp.c common/bundle.c common/package.c common/cbor.c common/fields.c common/statement.c common/simulated.c common/sealed.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c tests/tools/fake_core.c libs: sodium pthread */
/*
 * keeper.c - the host's side of attested invocation against keepers and workers that obey, that
 * refuse, that answer nonsense and that die. Their statements have the real forms; nothing is
 * checked by them, so that every order can be tried.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../host/daemon/core_internal.h"
#include "../../../host/daemon/keeper_internal.h"
#include "keeper_cores.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct loop loop;
static struct core_hub hub;
static struct keeper *keeper;
static struct evidence_env env;
static char logged[8192];

/* --- the owner --- */

static struct kept saved;
static unsigned saves;
static bool save_fails;

static tfaas_status_t load_state(void *owner, uint8_t **state, size_t *size,
                                 struct tfaas_error *error)
{
    (void)owner;
    if (!saved.bytes)
        return error_set(error, TFAAS_NOT_FOUND, "none");
    *state = malloc(saved.size);
    memcpy(*state, saved.bytes, saved.size);
    *size = saved.size;
    return TFAAS_OK;
}

static tfaas_status_t save_state(void *owner, const uint8_t *state, size_t size,
                                 struct tfaas_error *error)
{
    (void)owner;
    saves++;
    if (save_fails)
        return error_set(error, TFAAS_NO_SPACE, "the disk is full");
    assert_true(kept_set(&saved, (struct span){state, size}));
    return TFAAS_OK;
}

static void log_line(const char *format, ...)
{
    size_t used = strlen(logged);
    va_list args;
    va_start(args, format);
    vsnprintf(logged + used, sizeof logged - used, format, args);
    va_end(args);
    used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "\n");
}

static void on_event(const char *domain, const char *text)
{
    log_line("[%s] %s", domain, text);
}

static struct core_link *worker;
static bool worker_serves;

static void on_up(struct core_link *link)
{
    keeper_link_up(keeper, link, link == worker && worker_serves);
}

static void on_down(struct core_link *link)
{
    if (keeper)
        keeper_link_down(keeper, link);
}

static const struct core_owner owner = {.event = on_event, .up = on_up, .down = on_down};

static void turn(void)
{
    hub.now_ns = loop_now_ns();
    while (core_hub_run(&hub))
        ;
    core_hub_tick(&hub);
    keeper_tick(keeper);
    (void)core_hub_run(&hub);
    assert_true(loop_turn(&loop, core_hub_sleep(&hub) ? 5 : 0));
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (uint64_t end_ = loop_now_ns() + 60 * NS_PER_S; !(condition) && loop_now_ns() < end_;) \
            turn();                                                                                \
        if (!(condition))                                                                          \
            fail_msg("%s did not come:\n%s", #condition, logged);                                  \
    } while (0)

static struct keeper_numbers numbers(void)
{
    struct keeper_numbers n;
    keeper_numbers(keeper, &n);
    return n;
}

static void open_with(unsigned count)
{
    const struct keeper_options options = {.hub = &hub,
                                           .source = &evidence_simulated,
                                           .env = &env,
                                           .keepers = count,
                                           .load = load_state,
                                           .save = save_state,
                                           .log = log_line};
    keeper = keeper_open(&options);
    assert_non_null(keeper);
    UNTIL(numbers().active);
}

static void close_all(void)
{
    keeper_stop(keeper);
    core_hub_close(&hub);
    keeper_free(keeper);
    keeper = NULL;
    assert_int_equal(hub.work, 0);
    assert_int_equal(hub.links_up, 0);
    worker = NULL;
}

static int setup(void **state)
{
    (void)state;
    memset(&cores, 0, sizeof cores);
    cores.key_life = 3600;
    cores.lease_life = 600;
    cores.state_opens = true;
    logged[0] = 0;
    saves = 0;
    save_fails = false;
    kept_free(&saved);
    worker_serves = true;
    fake_core_call = serve;
    evidence_env_init(&env);
    memset(env.root_seed, 3, sizeof env.root_seed);
    assert_true(loop_open(&loop));
    core_hub_init(&hub, &tender_fake, NULL, &loop, &owner);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (keeper)
        close_all();
    kept_free(&saved);
    loop_close(&loop);
    return 0;
}

static void start_worker(void)
{
    struct tfaas_error error;
    worker = core_link_open(&hub, "ns");
    assert_int_equal(core_function_load(worker, NULL, &error), TFAAS_OK);
}

/* --- who waits --- */

struct test_wait {
    struct keeper_wait wait;
    unsigned calls;
    tfaas_status_t status;
    uint64_t seconds;
    struct kept bytes;
    char text[200];
};

static void on_done(struct keeper_wait *wait, tfaas_status_t status, struct span bytes,
                    uint64_t good_for, const char *text)
{
    struct test_wait *w = (struct test_wait *)(void *)wait;
    w->calls++;
    w->status = status;
    w->seconds = good_for;
    assert_true(kept_set(&w->bytes, bytes));
    snprintf(w->text, sizeof w->text, "%s", text);
}

static void ask_evidence(struct test_wait *w, const char *nonce)
{
    kept_free(&w->bytes);
    *w = (struct test_wait){.wait = {.done = on_done}};
    keeper_evidence(keeper, (struct span){(const uint8_t *)nonce, strlen(nonce)}, &w->wait);
}

static void ask_domain(struct test_wait *w, bool wants_lease)
{
    kept_free(&w->bytes);
    *w = (struct test_wait){.wait = {.done = on_done}};
    keeper_domain(keeper, "ns", wants_lease, &w->wait);
}

/* --- tests --- */

static void test_one_quote_for_many(void **state)
{
    (void)state;
    static struct test_wait w[50];
    open_with(1);
    assert_true(cores.seal_key_seen);
    for (int i = 0; i < 50; i++)
        ask_evidence(&w[i], "");
    UNTIL(w[49].calls);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(w[i].calls, 1);
        assert_int_equal(w[i].status, TFAAS_OK);
        assert_true(w[i].seconds > 3500 && w[i].seconds <= 3600);
        kept_free(&w[i].bytes);
    }
    ask_evidence(&w[0], ""); /* at once */
    assert_int_equal(w[0].calls, 1);
    assert_non_null(memmem(w[0].bytes.bytes, w[0].bytes.size, "tag:tfaas,2026:evidence", 23));
    assert_int_equal(cores.asked[TFAAS_OP_STATEMENT], 1);
    assert_int_equal(numbers().fetched, 1);
    kept_free(&w[0].bytes);
}

static void test_statement_is_renewed(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0};
    cores.key_life = 1;
    cores.lease_life = 60;
    open_with(1);
    ask_evidence(&w, "");
    UNTIL(w.calls);
    UNTIL(numbers().fetched >= 2); /* ahead of the next client */
    ask_evidence(&w, "");
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.status, TFAAS_OK);
    kept_free(&w.bytes);
}

static void test_nonces_are_rationed(void **state)
{
    (void)state;
    static struct test_wait w[EVIDENCE_NONCE_BURST + 5];
    unsigned busy = 0, good = 0;
    open_with(1);
    UNTIL(numbers().fetched == 1);
    for (unsigned i = 0; i < EVIDENCE_NONCE_BURST + 5; i++)
        ask_evidence(&w[i], "nonce 16 bytes!!");
    keeper_wait_cancel(&w[0].wait); /* its client leaves, the others stay */
    UNTIL(w[EVIDENCE_NONCE_BURST - 1].calls);
    for (unsigned i = 1; i < EVIDENCE_NONCE_BURST + 5; i++) {
        assert_int_equal(w[i].calls, 1);
        busy += w[i].status == TFAAS_BUSY;
        good += w[i].status == TFAAS_OK && w[i].seconds == 0;
        kept_free(&w[i].bytes);
    }
    assert_int_equal(w[0].calls, 0);
    assert_int_equal(good, EVIDENCE_NONCE_BURST - 1);
    assert_int_equal(busy, 5);
    kept_free(&w[0].bytes);
}

/* On a machine that began a second ago the first client must not use them up for ever. */
static void test_nonces_right_after_the_start_of_the_machine(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0};
    open_with(1);
    UNTIL(numbers().fetched == 1);
    hub.now_ns = NS_PER_S;
    ask_evidence(&w, "nonce 16 bytes!!");
    assert_int_equal(w.status, w.calls ? TFAAS_OK : 0);
    keeper_wait_cancel(&w.wait);
    hub.now_ns = loop_now_ns();
    ask_evidence(&w, "nonce 16 bytes!!");
    UNTIL(w.calls);
    assert_int_equal(w.status, TFAAS_OK);
    kept_free(&w.bytes);
}

static void test_lease(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0};
    uint8_t *keys;
    size_t size;
    open_with(1);
    ask_domain(&w, true); /* before there is a worker */
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(w.calls, 0);
    start_worker();
    UNTIL(w.calls);
    assert_int_equal(w.status, TFAAS_OK);
    assert_true(w.seconds > 250 && w.seconds <= 300); /* until half the lease is over */
    assert_int_equal(numbers().leases, 1);
    assert_int_equal(cores.asked[TFAAS_OP_LEASE], 1);
    assert_int_equal(keeper_configurations(kept_span(&w.bytes), seconds(), &keys, &size), TFAAS_OK);
    assert_int_equal(size, 2 + 5);
    assert_memory_equal(keys, "\0\5\7", 3);
    free(keys);
    assert_int_equal(keeper_configurations(kept_span(&w.bytes), seconds() + 601, &keys, &size),
                     TFAAS_NO_LEASE);
    unsigned asked = cores.asked[TFAAS_OP_DOMAIN];
    ask_domain(&w, true); /* kept */
    UNTIL(w.calls);
    assert_int_equal(cores.asked[TFAAS_OP_DOMAIN], asked);
    core_link_kill(worker, "of the test");
    UNTIL(cores.asked[TFAAS_OP_REVOKE] == 1);
    kept_free(&w.bytes);
}

static void test_lease_is_renewed(void **state)
{
    (void)state;
    cores.lease_life = 2;
    cores.key_life = 3;
    open_with(1);
    UNTIL(numbers().fetched); /* the life of a key is known */
    start_worker();
    UNTIL(numbers().leases >= 2);
    assert_int_equal(cores.new_keys, 1); /* the same key */
    UNTIL(numbers().leases >= 5);
    assert_true(cores.new_keys >= 2); /* after its life another one */
    assert_true(cores.new_keys < cores.asked[TFAAS_OP_HELLO]);
}

static void test_sealing_keys_are_saved_before_they_are_told(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0};
    open_with(1);
    save_fails = true;
    ask_domain(&w, false);
    UNTIL(w.calls);
    assert_int_equal(w.status, TFAAS_NO_SPACE);
    assert_non_null(strstr(w.text, "the disk is full"));
    save_fails = false;
    ask_domain(&w, false);
    UNTIL(w.calls);
    assert_int_equal(w.status, TFAAS_OK);
    assert_true(saves >= 2);
    assert_memory_equal(saved.bytes, "saved state", saved.size);
    close_all();
    core_hub_init(&hub, &tender_fake, NULL, &loop, &owner);
    open_with(1);
    assert_int_equal(cores.restored, 1);
    kept_free(&w.bytes);
}

static void test_state_of_another_platform(void **state)
{
    (void)state;
    assert_true(kept_set(&saved, (struct span){(const uint8_t *)"old", 3}));
    cores.state_opens = false;
    open_with(1);
    assert_non_null(strstr(logged, "provisioned again"));
}

static void test_no_seal_key(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0};
    cores.fails = TFAAS_OP_SAVE;
    cores.fail_status = TFAAS_UNAVAILABLE;
    open_with(1);
    ask_domain(&w, false); /* told all the same: nothing better can be had */
    UNTIL(w.calls);
    assert_int_equal(w.status, TFAAS_OK);
    assert_int_equal(saves, 0);
    kept_free(&w.bytes);
}

/* A worker is started by its calls: here by hand. */
static void until_answered(const struct test_wait *w, const struct test_wait *e)
{
    for (int turns = 0; turns < 3000 && !(w->calls && e->calls); turns++) {
        struct tfaas_error error;
        turn();
        if (!core_link_up(worker))
            (void)!core_function_load(worker, NULL, &error);
    }
}

/* Answers that are none: the keeper is killed, and the next one serves. */
static void test_wrong_answers(void **state)
{
    (void)state;
    static const unsigned ops[] = {TFAAS_OP_STATEMENT, TFAAS_OP_DOMAIN, TFAAS_OP_SAVE,
                                   TFAAS_OP_CERTIFY, TFAAS_OP_HELLO};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct test_wait w = {.calls = 0}, e = {.calls = 0};
        logged[0] = 0;
        cores.wrong = ops[i];
        open_with(1);
        start_worker();
        ask_domain(&w, true);
        ask_evidence(&e, "");
        until_answered(&w, &e);
        if (!strstr(logged, "with something else"))
            fail_msg("op %u: %s", ops[i], logged);
        assert_int_equal(w.status, TFAAS_OK);
        kept_free(&w.bytes);
        kept_free(&e.bytes);
        close_all();
        core_hub_init(&hub, &tender_fake, NULL, &loop, &owner);
    }
}

static void test_keeper_that_dies_at_any_question(void **state)
{
    (void)state;
    static const unsigned ops[] = {TFAAS_OP_KEEPER_START, TFAAS_OP_STATEMENT, TFAAS_OP_DOMAIN,
                                   TFAAS_OP_SAVE,         TFAAS_OP_CERTIFY,   TFAAS_OP_HELLO,
                                   TFAAS_OP_LEASE};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct test_wait w = {.calls = 0}, e = {.calls = 0};
        uint64_t lost = hub.lost;
        cores.dies = ops[i];
        open_with(1);
        start_worker();
        ask_domain(&w, true);
        ask_evidence(&e, "");
        until_answered(&w, &e);
        assert_int_equal(w.status, TFAAS_OK);
        assert_int_equal(e.status, TFAAS_OK);
        assert_true(hub.lost > lost);
        kept_free(&w.bytes);
        kept_free(&e.bytes);
        close_all();
        core_hub_init(&hub, &tender_fake, NULL, &loop, &owner);
    }
}

static void test_second_keeper(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0};
    open_with(2);
    UNTIL(numbers().standby && numbers().handovers == 1);
    assert_int_equal(cores.asked[TFAAS_OP_HANDOVER_ASK], 1);
    assert_int_equal(cores.asked[TFAAS_OP_HANDOVER_GIVE], 1);
    assert_int_equal(cores.asked[TFAAS_OP_HANDOVER_TAKE], 1);
    ask_domain(&w, false); /* a new domain: given on */
    UNTIL(w.calls && numbers().handovers == 2);
    start_worker();
    UNTIL(numbers().leases == 1);
    unsigned starts = cores.asked[TFAAS_OP_KEEPER_START];
    core_link_kill(keeper_active(keeper), "of the test");
    (void)core_hub_run(&hub);
    assert_true(numbers().active); /* at once */
    assert_non_null(strstr(logged, "takes over"));
    UNTIL(numbers().leases == 2);
    UNTIL(numbers().standby && numbers().handovers == 3);
    assert_int_equal(cores.asked[TFAAS_OP_KEEPER_START], starts + 1);
    /* The second one dies: nothing changes but that there will be another. */
    uint64_t epoch = numbers().epoch;
    core_link_kill(keeper->cores[1 - keeper->active].link, "of the test");
    (void)core_hub_run(&hub);
    assert_int_equal(numbers().epoch, epoch);
    UNTIL(numbers().handovers == 4);
    kept_free(&w.bytes);
}

static void test_handover_refused(void **state)
{
    (void)state;
    cores.fails = TFAAS_OP_HANDOVER_GIVE;
    cores.fail_status = TFAAS_UNAUTHORIZED;
    open_with(2);
    UNTIL(cores.asked[TFAAS_OP_HANDOVER_GIVE] >= 2); /* tried again, later */
    assert_int_equal(numbers().handovers, 0);
    assert_non_null(strstr(logged, "did not get the domains' keys: because?"));
    cores.fails = 0;
    UNTIL(numbers().handovers == 1);
}

static void test_refused_worker_is_replaced(void **state)
{
    (void)state;
    open_with(1);
    start_worker();
    UNTIL(numbers().leases == 1);
    uint64_t launches = hub.launches;
    cores.fails = TFAAS_OP_CERTIFY; /* as a new keeper does: the chain is not its own */
    cores.fail_status = TFAAS_CONFLICT;
    core_link_kill(keeper_active(keeper), "of the test");
    UNTIL(hub.launches >= launches + 2); /* a keeper, and another worker */
    assert_non_null(strstr(logged, "is replaced"));
    cores.fails = 0;
    UNTIL(numbers().leases == 2);
}

/* --- grants --- */

struct test_grants {
    struct keeper_grants grants;
    unsigned calls;
    tfaas_status_t status;
    size_t which;
    uint8_t first;
    char text[100];
};

static void on_grants(struct keeper_grants *grants, tfaas_status_t status, const uint8_t *bytes,
                      size_t which, const char *text)
{
    struct test_grants *g = (struct test_grants *)(void *)grants;
    g->calls++;
    g->status = status;
    g->which = which;
    g->first = bytes[0];
    snprintf(g->text, sizeof g->text, "%s", text);
}

static void ask_grants(struct test_grants *g, size_t count)
{
    static struct span headers[3] = {
        {(const uint8_t *)"one", 3}, {(const uint8_t *)"two", 3}, {(const uint8_t *)"three", 5}};
    *g = (struct test_grants){.grants = {.done = on_grants}};
    assert_int_equal(keeper_grant(keeper, worker, headers, count, &g->grants), TFAAS_OK);
}

static void test_grants(void **state)
{
    (void)state;
    struct test_grants g;
    worker_serves = false; /* a core that only tries: grants, and no lease */
    open_with(1);
    start_worker();
    UNTIL(core_link_ready(worker));
    ask_grants(&g, 3);
    assert_int_equal(g.calls, 0);
    UNTIL(g.calls);
    assert_int_equal(g.status, TFAAS_OK);
    assert_int_equal(g.first, 1);
    assert_int_equal(cores.asked[TFAAS_OP_GRANT], 3);
    assert_int_equal(cores.asked[TFAAS_OP_HELLO], 1);
    assert_int_equal(cores.asked[TFAAS_OP_CERTIFY], 0);
    cores.fails = TFAAS_OP_GRANT;
    cores.fail_status = TFAAS_NOT_GRANTED;
    ask_grants(&g, 2);
    UNTIL(g.calls);
    assert_int_equal(g.status, TFAAS_NOT_GRANTED);
    assert_int_equal(g.which, 0);
    assert_string_equal(g.text, "because?");
    cores.fails = 0;
    cores.dies = TFAAS_OP_GRANT; /* the next keeper is asked */
    ask_grants(&g, 2);
    UNTIL(g.calls);
    assert_int_equal(g.status, TFAAS_OK);
    cores.wrong = TFAAS_OP_GRANT;
    ask_grants(&g, 1);
    UNTIL(g.calls);
    assert_int_equal(g.status, TFAAS_OK);
    assert_non_null(strstr(logged, "answered GRANT with something else"));
    ask_grants(&g, 2);
    keeper_grant_cancel(&g.grants);
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(g.calls, 0);
    ask_grants(&g, 2);
    core_link_kill(worker, "of the test");
    UNTIL(g.calls);
    assert_int_equal(g.status, TFAAS_CORE_LOST);
}

static void test_those_who_wait_hear_of_the_end(void **state)
{
    (void)state;
    struct test_wait w = {.calls = 0}, e = {.calls = 0};
    cores.fails = TFAAS_OP_STATEMENT;
    cores.fail_status = TFAAS_INTERNAL;
    open_with(1);
    ask_domain(&w, true); /* no worker will come */
    ask_evidence(&e, "");
    UNTIL(e.calls);
    assert_int_equal(e.status, TFAAS_UNAVAILABLE);
    assert_string_equal(e.text, "because?");
    hub.now_ns += KEEPER_WAIT_NS + NS_PER_S;
    keeper_tick(keeper);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.status, TFAAS_UNAVAILABLE);
    assert_non_null(strstr(w.text, "no lease"));
    ask_domain(&w, true);
    keeper_stop(keeper);
    assert_int_equal(w.calls, 1);
    assert_non_null(strstr(w.text, "stopping"));
    kept_free(&w.bytes);
    kept_free(&e.bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_quote_for_many),
        TEST(test_statement_is_renewed),
        TEST(test_nonces_are_rationed),
        TEST(test_nonces_right_after_the_start_of_the_machine),
        TEST(test_lease),
        TEST(test_lease_is_renewed),
        TEST(test_sealing_keys_are_saved_before_they_are_told),
        TEST(test_state_of_another_platform),
        TEST(test_no_seal_key),
        TEST(test_wrong_answers),
        TEST(test_keeper_that_dies_at_any_question),
        TEST(test_second_keeper),
        TEST(test_handover_refused),
        TEST(test_refused_worker_is_replaced),
        TEST(test_grants),
        TEST(test_those_who_wait_hear_of_the_end),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
