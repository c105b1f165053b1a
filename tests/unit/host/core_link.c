/* needs: host/daemon/core_link.c host/daemon/core_ask.c host/daemon/core_calls.c host/daemon/core_messages.c host/daemon/loop.c host/error.c common/ring.c common/bhttp.c common/bundle.c common/package.c common/cbor.c common/status.c tests/tools/fake_core.c libs: sodium pthread */
/*
 * core_link.c - the daemon's side of the window against a core that obeys, and one that does not.
 */
#include "core_link_fixture.h"

static void test_answers(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function hello = {.name = "hello"}, log = {.name = "log-1"};
    struct test_call a = {0}, b = {0}, c = {0};
    assert_int_equal(call_path(link, &a, &hello, "/", "", true), TFAAS_OK);
    assert_int_equal(call_path(link, &b, &log, "/", "", true), TFAAS_OK);
    UNTIL(a.ended && b.ended);
    assert_answer(&a, 200, "hello\n");
    assert_answer(&b, 200, "hello\n");
    assert_string_equal(log.log, "[one][tw?o ?]");
    assert_int_equal(call_path(link, &c, &hello, "/", "", true), TFAAS_OK);
    UNTIL(c.ended);
    assert_answer(&c, 200, "hello\n");
    assert_int_equal(hello.loaded_count, 1);
    assert_int_equal(hub.launches, 1);
    free(a.got);
    free(b.got);
    free(c.got);
}

/* A package far larger than the ring: the load is sent piece by piece, calls wait behind it. */
static void test_large_package_and_many_calls(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function big = {.name = "hello-big", .package_size = 9u << 20};
    static struct test_call calls[400];
    memset(calls, 0, sizeof calls);
    for (size_t i = 0; i < 400; i++)
        assert_int_equal(call_path(link, &calls[i], &big, "/", "", true), TFAAS_OK);
    for (size_t i = 0; i < 400; i++) {
        UNTIL(calls[i].ended);
        assert_answer(&calls[i], 200, "hello\n");
        free(calls[i].got);
    }
    assert_int_equal(core_link_calls(link), 0);
}

/* A load without a call, in a core of its own, as a deploy is tried. */
static void try_load(struct test_function *f)
{
    struct tfaas_error error;
    struct core_link *link = core_link_open(&hub, "probe");
    assert_int_equal(core_function_load(link, &f->core, &error), TFAAS_OK);
    UNTIL(f->loaded_count);
    core_function_forget(link, &f->core, true);
    core_link_close(link);
    turn();
}

static void test_cache_is_taken_from_who_was_asked(void **state)
{
    (void)state;
    struct test_function asked = {.name = "cache", .core.wants_cache = true};
    try_load(&asked);
    assert_int_equal(asked.loaded_status, TFAAS_OK);
    assert_int_equal(asked.cache_count, 1);
    assert_int_equal(asked.cache_size, 30 * TFAAS_PAYLOAD_MAX);
    struct test_function silent = {.name = "cache"};
    try_load(&silent);
    assert_int_equal(silent.loaded_status, TFAAS_OK);
    assert_int_equal(silent.cache_count, 0);
    assert_int_equal(hub.lost, 0);
}

static void test_wrong_cache_ends_the_core(void **state)
{
    (void)state;
    static const char *const names[] = {"early", "order", "large", "grow", "empty", "more"};
    struct test_function thief = {.name = "steal"};
    try_load(&thief);
    assert_int_equal(thief.loaded_status, TFAAS_CORE_LOST);
    assert_non_null(strstr(thief.loaded_text, "CACHE that was not asked for"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct test_function f = {.name = names[i], .core.wants_cache = true};
        try_load(&f);
        assert_int_equal(f.loaded_status, TFAAS_CORE_LOST);
        assert_int_equal(f.cache_count, 0);
        assert_non_null(strstr(f.loaded_text, "CACHE"));
        assert_int_equal(hub.lost, i + 2);
    }
}

static void test_queue_is_bounded(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function slow = {.name = "slow"};
    static struct test_call calls[TFAAS_INFLIGHT_MAX + 11];
    memset(calls, 0, sizeof calls);
    hub.queue_max = 10;
    size_t taken = 0;
    for (size_t i = 0; i < TFAAS_INFLIGHT_MAX + 11; i++) {
        tfaas_status_t status = call_path(link, &calls[i], &slow, "/?100", "", true);
        if (status == TFAAS_OK)
            taken++;
        else
            assert_int_equal(status, TFAAS_BUSY);
        /* The first call waits for the bundle; let it go, then fill. */
        if (i == 0)
            UNTIL(calls[0].core.state != CORE_CALL_WAITING);
    }
    assert_int_equal(taken, TFAAS_INFLIGHT_MAX + 10);
    for (size_t i = 0; i < taken; i++) {
        UNTIL(calls[i].ended);
        free(calls[i].got);
    }
}

static void test_streams_within_credit(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function stream = {.name = "stream"}, echo = {.name = "echo"};
    struct test_call a = {0}, b = {.consume = true};
    assert_int_equal(call_path(link, &a, &stream, "/?1000000", "", true), TFAAS_OK);
    for (int i = 0; i < 100; i++)
        turn();
    assert_false(a.ended); /* nobody consumed: it must stand still at the window */
    assert_int_equal(a.got_size, TFAAS_STREAM_WINDOW);
    a.consume = true;
    core_call_consumed(&a.core, a.got_size);
    UNTIL(a.ended);
    assert_true(a.got_size > 1000000);

    char *text = malloc(1u << 20);
    memset(text, 'e', 1u << 20);
    assert_int_equal(call_path(link, &b, &echo, "/", "first", false), TFAAS_OK);
    size_t sent = 0;
    bool last = false;
    for (int i = 0; i < 4000 && !last; i++) {
        if (sent < 1u << 20)
            sent += core_call_send(&b.core, (uint8_t *)text + sent, (1u << 20) - sent, false);
        else
            last = core_call_send(&b.core, NULL, 0, true) == 1;
        turn();
    }
    assert_true(last);
    UNTIL(b.ended);
    assert_int_equal(b.core.status, TFAAS_OK);
    assert_true(b.got_size > (1u << 20) && b.got_size < (1u << 20) + 64);
    free(text);
    free(a.got);
    free(b.got);
}

static void test_lost_core_answers_and_comes_back(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function crash = {.name = "crash"}, fault = {.name = "fault"},
                         hello = {.name = "hello"}, hang = {.name = "hang"};
    struct test_call a = {0}, b = {0}, c = {0}, d = {0};
    assert_int_equal(call_path(link, &b, &hang, "/", "", true), TFAAS_OK);
    assert_int_equal(call_path(link, &a, &crash, "/", "", true), TFAAS_OK);
    UNTIL(a.ended && b.ended);
    assert_int_equal(a.core.status, TFAAS_CORE_LOST);
    assert_int_equal(b.core.status, TFAAS_CORE_LOST);
    assert_string_equal(a.core.reason, "ended: fake core left");
    assert_int_equal(call_path(link, &c, &fault, "/", "", true), TFAAS_OK);
    UNTIL(c.ended);
    assert_int_equal(c.core.status, TFAAS_CORE_LOST);
    assert_non_null(strstr(c.core.reason, "gave up: asked to"));
    assert_int_equal(call_path(link, &d, &hello, "/", "", true), TFAAS_OK);
    UNTIL(d.ended);
    assert_answer(&d, 200, "hello\n");
    assert_int_equal(hub.lost, 2);
    free(d.got);
}

/* Looks at the cores so often, 100 ms apart. */
static void ticks(uint64_t count)
{
    while (count--) {
        hub.now_ns += 100 * NS_PER_MS;
        core_hub_tick(&hub);
    }
    (void)core_hub_run(&hub);
}

static void test_backstop_ends_a_stuck_core(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function hang = {.name = "hang"};
    struct test_call a = {.core.deadline_ns = 20 * NS_PER_MS};
    assert_int_equal(call_path(link, &a, &hang, "/", "", true), TFAAS_OK);
    UNTIL(hang.loaded_count == 1 && a.core.state == CORE_CALL_RUNNING);
    hub.now_ns += 100 * NS_PER_S; /* tfaasd was away: what the core said meanwhile comes first */
    ticks(1);
    assert_false(a.ended);
    ticks(30);
    assert_true(a.ended);
    assert_int_equal(a.core.status, TFAAS_CORE_LOST);
    assert_non_null(strstr(last_event, "stuck"));
}

static void test_broken_rules_end_the_core(void **state)
{
    (void)state;
    static const char *const names[] = {"garbage", "flood"};
    for (size_t i = 0; i < 2; i++) {
        struct core_link *link = core_link_open(&hub, names[i]);
        struct test_function f = {.name = names[i]};
        struct test_call a = {0};
        assert_int_equal(call_path(link, &a, &f, "/", "", true), TFAAS_OK);
        UNTIL(a.ended);
        assert_int_equal(a.core.status, TFAAS_CORE_LOST);
        assert_non_null(strstr(last_event, "broke the window protocol"));
        free(a.got);
    }
}

static void test_cancel_frees_the_place(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function hang = {.name = "hang"}, hello = {.name = "hello"};
    static struct test_call calls[200];
    struct test_call a = {0};
    memset(calls, 0, sizeof calls);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(call_path(link, &calls[i], &hang, "/", "", true), TFAAS_OK);
    turn();
    for (size_t i = 0; i < 200; i++)
        core_call_cancel(&calls[i].core);
    memset(calls, 0x5a, sizeof calls); /* the link must never touch them again */
    assert_int_equal(call_path(link, &a, &hello, "/", "", true), TFAAS_OK);
    UNTIL(a.ended);
    assert_answer(&a, 200, "hello\n");
    UNTIL(core_link_calls(link) == 0);
    assert_int_equal(hub.lost, 0);
    free(a.got);
}

static void test_failed_load(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function bad = {.name = "bad"};
    struct tfaas_error error;
    assert_int_equal(core_function_load(link, &bad.core, &error), TFAAS_OK);
    UNTIL(bad.loaded_count == 1);
    assert_int_equal(bad.loaded_status, TFAAS_BAD_SCRIPT);
    assert_string_equal(bad.loaded_text, "handler.js:3:7: SyntaxError");
    struct test_call a = {0};
    assert_int_equal(call_path(link, &a, &bad, "/", "", true), TFAAS_BAD_SCRIPT);
    assert_true(a.core.load_failed);
}

static void test_new_revision_while_calls_run(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function slow = {.name = "slow"};
    struct test_call a = {0}, b = {0};
    assert_int_equal(call_path(link, &a, &slow, "/?50", "", true), TFAAS_OK);
    UNTIL(slow.loaded_count == 1);
    core_function_forget(link, &slow.core, false);
    assert_int_equal(call_path(link, &b, &slow, "/?1", "", true), TFAAS_OK);
    UNTIL(a.ended && b.ended);
    assert_answer(&a, 200, "slow\n");
    assert_answer(&b, 200, "slow\n");
    assert_int_equal(slow.loaded_count, 2);
    UNTIL(core_link_functions(link) == 1);
    free(a.got);
    free(b.got);
}

/* Every field random, indices jumping, for many seeds: the core is ended, nothing else happens. */
/* --- questions to a core's keys --- */

struct test_question {
    struct core_question asked;
    unsigned answers;
    tfaas_status_t status;
    char text[64];
    size_t size;
};

static void on_answer(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                      size_t size)
{
    struct test_question *q = (struct test_question *)(void *)question;
    q->answers++;
    q->status = status;
    q->size = size;
    snprintf(q->text, sizeof q->text, "%.*s", (int)(size < 60 ? size : 60), (const char *)bytes);
}

static tfaas_status_t ask(struct core_link *link, struct test_question *q, unsigned op,
                          const char *text)
{
    q->asked.answered = on_answer;
    return core_ask(link, &q->asked, (enum tfaas_op)op, (uint8_t *)strdup(text), strlen(text));
}

static struct core_link *ready_link(void)
{
    struct core_link *link = core_link_open(&hub, "ns");
    struct tfaas_error error;
    assert_int_equal(core_function_load(link, NULL, &error), TFAAS_OK);
    UNTIL(core_link_ready(link));
    return link;
}

static void test_questions_in_order(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_question q[5] = {{.answers = 0}};
    char text[32];
    assert_int_equal(ask(link, &q[0], 100, "early"), TFAAS_UNAVAILABLE);
    assert_null(q[0].asked.link);
    core_link_close(link);
    link = ready_link();
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "question %d", i);
        assert_int_equal(ask(link, &q[i], i == 3 ? 101 : 100, text), TFAAS_OK);
    }
    core_ask_cancel(&q[1].asked);
    UNTIL(q[4].answers);
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "question %d", i);
        assert_int_equal(q[i].answers, i != 1);
        assert_int_equal(q[i].status, i == 3 ? TFAAS_CONFLICT : TFAAS_OK);
        if (i != 1)
            assert_string_equal(q[i].text, i == 3 ? "no?way" : text);
        assert_null(q[i].asked.request);
    }
    /* On its way, and nobody waits for the answer any more. */
    assert_int_equal(ask(link, &q[0], 100, "left"), TFAAS_OK);
    (void)core_hub_run(&hub);
    core_ask_cancel(&q[0].asked);
    assert_int_equal(ask(link, &q[1], 100, "after"), TFAAS_OK);
    UNTIL(q[1].answers == 1);
    assert_string_equal(q[1].text, "after");
    assert_int_equal(q[0].answers, 1);
    static uint8_t large[TFAAS_PAYLOAD_MAX + 1];
    uint8_t *copy = malloc(sizeof large);
    memcpy(copy, large, sizeof large);
    assert_int_equal(core_ask(link, &q[2].asked, 100, copy, sizeof large), TFAAS_TOO_LARGE);
    assert_int_equal(core_ask(link, &q[2].asked, 100, NULL, 0), TFAAS_NO_SPACE);
    core_link_close(link);
}

static void test_wrong_answers_end_the_core(void **state)
{
    (void)state;
    static const struct {
        unsigned op;
        const char *event;
    } wrong[] = {{102, "ANSWER to nothing"},
                 {103, "ANSWER to nothing"},
                 {105, "malformed ANSWER"},
                 {106, "malformed ANSWER"},
                 {107, "ended"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct core_link *link = ready_link();
        struct test_question q = {.answers = 0}, behind = {.answers = 0};
        unsigned before = downs;
        last_event[0] = 0;
        assert_int_equal(ask(link, &q, wrong[i].op, "x"), TFAAS_OK);
        UNTIL(downs > before);
        assert_non_null(strstr(last_event, wrong[i].event));
        assert_int_equal(q.answers, 1);
        assert_int_equal(q.status, wrong[i].op == 103 ? TFAAS_OK : TFAAS_CORE_LOST);
        assert_int_equal(ask(link, &behind, 100, "x"), TFAAS_UNAVAILABLE);
        core_link_close(link);
        (void)core_hub_run(&hub);
    }
}

static void test_no_answer_in_time(void **state)
{
    (void)state;
    struct core_link *link = ready_link();
    struct test_question q = {.answers = 0}, behind = {.answers = 0};
    assert_int_equal(ask(link, &q, 104, "x"), TFAAS_OK);
    assert_int_equal(ask(link, &behind, 100, "y"), TFAAS_OK);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(q.answers + behind.answers, 0);
    hub.now_ns += 2 * CORE_ANSWER_NS; /* tfaasd was away: that makes no core late */
    ticks(1);
    assert_null(strstr(last_event, "did not answer"));
    ticks(CORE_ANSWER_NS / (100 * NS_PER_MS) + 1);
    assert_non_null(strstr(last_event, "did not answer"));
    assert_int_equal(q.status, TFAAS_CORE_LOST);
    assert_int_equal(behind.status, TFAAS_CORE_LOST);
    assert_int_equal(hub.work, 0);
    core_link_close(link);
}

/* --- bundles that come later, cores that are replaced --- */

static void test_late_bundles(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function f = {.name = "hello"}, g = {.name = "hello-2"}, h = {.name = "hello-3"};
    struct test_call call = {.consume = true}, lost = {.consume = true};
    struct tfaas_error error;
    uint8_t *bytes;
    size_t size;
    bundles_later = true;
    cancelled_bundles = 0;
    assert_int_equal(call_path(link, &call, &f, "/", "", true), TFAAS_OK);
    for (int i = 0; i < 20; i++)
        turn();
    assert_false(call.ended);
    assert_int_equal(f.loaded_count, 0);
    assert_int_equal(make_bundle(&f.core, &bytes, &size, &error), TFAAS_OK);
    core_bundle_ready(&f.core, TFAAS_OK, bytes, size, "");
    UNTIL(call.ended);
    assert_int_equal(call.core.status, TFAAS_OK);
    /* Refused: the call hears why. */
    assert_int_equal(call_path(link, &lost, &g, "/", "", true), TFAAS_OK);
    turn();
    core_bundle_ready(&g.core, TFAAS_NOT_GRANTED, NULL, 0, "secret x must be provisioned again");
    assert_int_equal(g.loaded_status, TFAAS_NOT_GRANTED);
    assert_false(core_hub_sleep(&hub)); /* the call that it ended has not been told yet */
    UNTIL(lost.ended);
    assert_int_equal(lost.core.status, TFAAS_NOT_GRANTED);
    assert_true(lost.core.load_failed);
    assert_non_null(strstr(lost.core.reason, "provisioned again"));
    core_function_forget(link, &g.core, true);
    /* Forgotten while it is waited for, and lost with its core. */
    assert_int_equal(core_function_load(link, &h.core, &error), TFAAS_OK);
    core_function_forget(link, &h.core, false);
    assert_int_equal(cancelled_bundles, 1);
    assert_null(h.core.load);
    assert_int_equal(core_function_load(link, &h.core, &error), TFAAS_OK);
    core_link_kill(link, "of the test");
    (void)core_hub_run(&hub);
    assert_int_equal(cancelled_bundles, 2);
    assert_int_equal(h.loaded_status, TFAAS_CORE_LOST);
    bundles_later = false;
    free(call.got);
    free(lost.got);
    core_link_close(link);
    (void)core_hub_run(&hub);
}

static void test_replaced_core(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function f = {.name = "slow"}, g = {.name = "hello"};
    struct test_call running = {.consume = true}, waiting = {.consume = true};
    assert_int_equal(call_path(link, &running, &f, "/?300", "", true), TFAAS_OK);
    UNTIL(running.core.state == CORE_CALL_RUNNING);
    uint64_t launches = hub.launches, lost = hub.lost;
    core_link_restart(link, "is replaced");
    assert_int_equal(call_path(link, &waiting, &g, "/", "", true), TFAAS_OK);
    turn();
    assert_int_equal(waiting.core.state, CORE_CALL_WAITING);
    UNTIL(running.ended && waiting.ended);
    assert_int_equal(running.core.status, TFAAS_OK);
    assert_int_equal(waiting.core.status, TFAAS_OK);
    assert_int_equal(hub.launches, launches + 1);
    assert_int_equal(hub.lost, lost);
    free(running.got);
    free(waiting.got);
    core_link_close(link);
    (void)core_hub_run(&hub);
}

/* The domain moves to another hub: what runs ends where it began, what waits and what comes goes
 * to the successor, and one that cannot be launched there says so at once. */
static void test_retired_link(void **state)
{
    (void)state;
    struct core_hub other;
    core_hub_init(&other, hub.ops, hub.tender, &loop, &owner);
    struct core_link *link = core_link_open(&hub, "ns"), *next = core_link_open(&other, "ns");
    struct test_function f = {.name = "slow"}, g = {.name = "hello"};
    struct test_call running = {.consume = true}, waiting = {.consume = true};
    struct test_call fresh = {.consume = true}, refused = {.consume = true};
    assert_int_equal(call_path(link, &running, &f, "/?300", "", true), TFAAS_OK);
    UNTIL(running.core.state == CORE_CALL_RUNNING);
    core_link_restart(link, "is replaced"); /* so that the next one waits */
    assert_int_equal(call_path(link, &waiting, &g, "/", "", true), TFAAS_OK);
    assert_int_equal(waiting.core.state, CORE_CALL_WAITING);
    core_function_forget(link, &f.core, false);
    core_function_forget(link, &g.core, false);
    uint64_t launches = hub.launches, lost = hub.lost;
    core_link_retire(link, next);
    assert_ptr_equal(waiting.core.link, next);
    assert_int_equal(core_link_calls(link), 1);
    assert_int_equal(core_link_calls(next), 1);
    assert_int_equal(call_path(next, &fresh, &g, "/", "", true), TFAAS_OK);
    for (int i = 0; i < 100000 && !(running.ended && waiting.ended && fresh.ended); i++) {
        other.now_ns = loop_now_ns();
        core_hub_tick(&other);
        (void)core_hub_run(&other);
        turn();
    }
    assert_int_equal(running.core.status, TFAAS_OK);
    assert_int_equal(waiting.core.status, TFAAS_OK);
    assert_int_equal(fresh.core.status, TFAAS_OK);
    UNTIL(TAILQ_EMPTY(&hub.links)); /* it closed itself, and was not launched again */
    assert_int_equal(hub.launches, launches);
    assert_int_equal(hub.lost, lost);
    assert_int_equal(hub.links_up, 0);
    assert_int_equal(hub.work, 0);
    core_function_forget(next, &g.core, false);
    core_link_kill(next, "for the test");
    (void)core_hub_run(&other);
    other.unavailable = "tender x is not available here: no /dev/x";
    assert_int_equal(call_path(next, &refused, &g, "/", "", true), TFAAS_UNAVAILABLE);
    assert_int_equal(core_link_calls(next), 0);
    free(running.got);
    free(waiting.got);
    free(fresh.got);
    core_hub_close(&other);
}

/* --- sealed calls --- */

static tfaas_status_t sealed_call(struct core_link *link, struct test_call *call,
                                  struct test_function *f, const char *bytes)
{
    struct tfaas_error error;
    *call = (struct test_call){.consume = true};
    call->core.sealing = TFAAS_SEALING_CHUNKED;
    call->core.deadline_ns = NS_PER_S;
    return core_call_start(link, &call->core, f ? &f->core : NULL, NULL, 0, (const uint8_t *)bytes,
                           strlen(bytes), true, &error);
}

static void test_sealed_calls(void **state)
{
    (void)state;
    struct core_link *link = core_link_open(&hub, "ns");
    struct test_function f = {.name = "hello"};
    struct test_call call;
    static const struct {
        const char *bytes;
        tfaas_status_t status, inner;
        const char *got, *reason;
    } cases[] = {
        {"echo me", TFAAS_OK, TFAAS_OK, "echo me", ""},
        {"mname rest", TFAAS_MISDIRECTED, TFAAS_MISDIRECTED, "", "name"},
        {"k", TFAAS_KEY_UNKNOWN, TFAAS_KEY_UNKNOWN, "", ""},
        {"i", TFAAS_OK, TFAAS_FUNCTION_FAILED, "sealed", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(sealed_call(link, &call, NULL, cases[i].bytes), TFAAS_OK);
        UNTIL(call.ended);
        assert_int_equal(call.core.status, cases[i].status);
        assert_int_equal(call.core.inner, cases[i].inner);
        assert_int_equal(call.got_size, strlen(cases[i].got));
        if (call.got_size)
            assert_memory_equal(call.got, cases[i].got, call.got_size);
        assert_string_equal(call.core.reason, cases[i].reason);
        free(call.got);
    }
    assert_int_equal(f.loaded_count, 0);
    assert_int_equal(sealed_call(link, &call, &f, "for f"), TFAAS_OK);
    UNTIL(call.ended);
    assert_int_equal(f.loaded_count, 1);
    assert_memory_equal(call.got, "for f", 5);
    free(call.got);
    for (const char *bad = "MI"; *bad; bad++) {
        char bytes[2] = {*bad, 0};
        assert_int_equal(sealed_call(link, &call, NULL, bytes), TFAAS_OK);
        UNTIL(call.ended);
        assert_int_equal(call.core.status, TFAAS_CORE_LOST);
        assert_non_null(strstr(last_event, "broke the window protocol"));
        free(call.got);
    }
    core_link_close(link);
    (void)core_hub_run(&hub);
}

static void test_hostile_cores(void **state)
{
    (void)state;
    struct test_function hello = {.name = "hello"};
    for (unsigned seed = 1; seed <= 60; seed++) {
        fake_core_hostile_seed = seed;
        uint64_t lost = hub.lost;
        struct core_link *link = core_link_open(&hub, "hostile");
        struct test_call calls[8];
        memset(calls, 0, sizeof calls);
        for (size_t i = 0; i < 8; i++)
            (void)call_path(link, &calls[i], &hello, "/", "body", i % 2 == 0);
        UNTIL(hub.lost > lost);
        core_link_close(link);
        (void)core_hub_run(&hub);
        for (size_t i = 0; i < 8; i++) {
            assert_true(calls[i].ended);
            free(calls[i].got);
        }
        hello.core.load = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_package_and_many_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache_is_taken_from_who_was_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_cache_ends_the_core, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_within_credit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_core_answers_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backstop_ends_a_stuck_core, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_rules_end_the_core, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_frees_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_revision_while_calls_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_questions_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_answers_end_the_core, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_bundles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_core, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retired_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealed_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_cores, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
