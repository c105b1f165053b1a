/*
 * core_link_fixture.h - functions, calls and a hub over the fake core, for core_link.c (tests).
 */
#ifndef TFAAS_TESTS_CORE_LINK_FIXTURE_H
#define TFAAS_TESTS_CORE_LINK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../host/daemon/core_internal.h"
#include "../../tools/fake_core.h"

#include "bhttp.h"
#include "bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_function {
    struct core_function core;
    const char *name;
    size_t package_size;
    unsigned loaded_count;
    tfaas_status_t loaded_status;
    char loaded_text[128];
    size_t cache_size;
    unsigned cache_count;
    char log[256];
};

struct test_call {
    struct core_call core;
    uint8_t *got;
    size_t got_size;
    bool ended, consume, has_room;
};

static struct loop loop;
static struct core_hub hub;
static char last_event[300];

static tfaas_status_t make_bundle(struct core_function *function, uint8_t **bytes, size_t *size,
                                  struct tfaas_error *error)
{
    struct test_function *f = (struct test_function *)(void *)function;
    uint8_t *package = calloc(1, f->package_size + 1);
    struct bundle bundle = {.package = {package, f->package_size + 1},
                            .name = {(const uint8_t *)f->name, strlen(f->name)},
                            .memory_limit = 1 << 20,
                            .deadline_ns = NS_PER_S,
                            .response_limit = 1 << 20,
                            .log_limit = 1000,
                            .hostcall_limit = 1000};
    tfaas_status_t status = bundle_write(&bundle, bytes, size);
    free(package);
    if (status != TFAAS_OK)
        return error_set(error, status, "bundle");
    return status;
}

static void on_log(struct core_function *function, const char *text, size_t size)
{
    struct test_function *f = (struct test_function *)(void *)function;
    size_t used = strlen(f->log);
    snprintf(f->log + used, sizeof f->log - used, "[%.*s]", (int)size, text);
}

static void on_loaded(struct core_function *function, tfaas_status_t status, const char *text)
{
    struct test_function *f = (struct test_function *)(void *)function;
    f->loaded_count++;
    f->loaded_status = status;
    snprintf(f->loaded_text, sizeof f->loaded_text, "%.120s", text);
}

static void on_cache(struct core_function *function, const uint8_t *bytes, size_t size)
{
    struct test_function *f = (struct test_function *)(void *)function;
    f->cache_count++;
    f->cache_size = size;
    for (size_t at = 0; at < size; at += TFAAS_PAYLOAD_MAX)
        assert_int_equal(bytes[at], 7);
}

static void on_data(struct core_call *call, const uint8_t *bytes, size_t size)
{
    struct test_call *c = (struct test_call *)(void *)call;
    c->got = realloc(c->got, c->got_size + size);
    memcpy(c->got + c->got_size, bytes, size);
    c->got_size += size;
    if (c->consume)
        core_call_consumed(call, size);
}

static void on_end(struct core_call *call)
{
    ((struct test_call *)(void *)call)->ended = true;
}

static void on_room(struct core_call *call)
{
    ((struct test_call *)(void *)call)->has_room = true;
}

static bool bundles_later;
static unsigned cancelled_bundles, ups, downs;

static tfaas_status_t late_bundle(struct core_function *function, uint8_t **bytes, size_t *size,
                                  struct tfaas_error *error)
{
    if (!bundles_later)
        return make_bundle(function, bytes, size, error);
    *bytes = NULL;
    return TFAAS_OK;
}

static void on_bundle_cancel(struct core_function *function)
{
    assert_non_null(function);
    cancelled_bundles++;
}

static void on_up(struct core_link *link)
{
    assert_true(core_link_ready(link));
    ups++;
}

static void on_down(struct core_link *link)
{
    assert_false(core_link_up(link));
    downs++;
}

static void on_event(const char *domain, const char *text)
{
    snprintf(last_event, sizeof last_event, "%s %s", domain, text);
}

static const struct core_owner owner = {.bundle = late_bundle,
                                        .bundle_cancel = on_bundle_cancel,
                                        .up = on_up,
                                        .down = on_down,
                                        .log = on_log,
                                        .loaded = on_loaded,
                                        .cache = on_cache,
                                        .data = on_data,
                                        .end = on_end,
                                        .room = on_room,
                                        .event = on_event};

static void turn(void)
{
    hub.now_ns = loop_now_ns();
    while (core_hub_run(&hub))
        ;
    core_hub_tick(&hub);
    (void)core_hub_run(&hub);
    assert_true(loop_turn(&loop, core_hub_sleep(&hub) ? 5 : 0));
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (uint64_t end_ = loop_now_ns() + 60 * NS_PER_S; !(condition) && loop_now_ns() < end_;) \
            turn();                                                                                \
        assert_true(condition);                                                                    \
    } while (0)

static int setup(void **state)
{
    (void)state;
    fake_core_hostile_seed = 0;
    last_event[0] = 0;
    assert_true(loop_open(&loop));
    core_hub_init(&hub, &tender_fake, NULL, &loop, &owner);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_hub_close(&hub);
    assert_int_equal(hub.work, 0);
    assert_int_equal(hub.links_up, 0);
    loop_close(&loop);
    return 0;
}

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static tfaas_status_t call_path(struct core_link *link, struct test_call *call,
                                struct test_function *f, const char *path, const char *body,
                                bool last)
{
    uint8_t head[1024], scratch[512];
    struct bhttp_writer w;
    struct tfaas_error error;
    bhttp_begin_request(&w, head, sizeof head, scratch, sizeof scratch, text_span("GET"),
                        text_span("http"), text_span("host"), text_span(path));
    size_t size = bhttp_end(&w);
    if (call->core.deadline_ns == 0)
        call->core.deadline_ns = 5 * NS_PER_S;
    return core_call_start(link, &call->core, &f->core, head, size, (const uint8_t *)body,
                           strlen(body), last, &error);
}

static void assert_answer(const struct test_call *call, unsigned status, const char *content)
{
    struct bhttp_head head;
    const char *why;
    assert_true(call->ended);
    assert_int_equal(call->core.status, TFAAS_OK);
    assert_int_equal(bhttp_read_head(call->got, call->got_size, &head, &why), TFAAS_OK);
    assert_int_equal(head.status, status);
    assert_int_equal(call->got_size - head.size, strlen(content));
    assert_memory_equal(call->got + head.size, content, strlen(content));
}

#endif
