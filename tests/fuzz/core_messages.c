/* needs: host/daemon/core_link.c host/daemon/core_calls.c host/daemon/core_messages.c host/daemon/loop.c host/error.c common/ring.c common/status.c libs: sodium */
/* core_messages.c - fuzzes what a core may say to the daemon: every message is made of the input, in a
 * sequence that nobody checked. Whatever comes, the daemon's bookkeeping holds and what it hands on is
 * within bounds. */
#include "../../host/daemon/core_internal.h"

#include "cursor.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUNCTIONS 3

static struct loop loop;
static struct core_hub hub;
static uint8_t *window;
static struct core_function functions[FUNCTIONS];
static struct core_call calls[4];
static uint32_t loaded[FUNCTIONS];
static uint64_t cache_total, cache_at;

static void must(bool ok)
{
    if (!ok)
        abort();
}

static tfaas_status_t fake_launch(struct tender *tender, const char *domain,
                                  struct tender_worker *worker, struct tfaas_error *error)
{
    (void)tender;
    (void)domain;
    (void)error;
    memset(window, 0, TFAAS_H2C_DATA_OFFSET);
    window_format(window);
    *worker = (struct tender_worker){.window = window,
                                     .bell_fd = eventfd(0, EFD_NONBLOCK),
                                     .ring_fd = eventfd(0, EFD_NONBLOCK),
                                     .exit_fd = eventfd(0, EFD_NONBLOCK),
                                     .pid = -1};
    return TFAAS_OK;
}

static void fake_destroy(struct tender *tender, struct tender_worker *worker)
{
    (void)tender;
    close(worker->bell_fd);
    close(worker->ring_fd);
    close(worker->exit_fd);
}

static const struct tender_ops ops = {
    .name = "fuzz", .launch = fake_launch, .destroy = fake_destroy};

static tfaas_status_t make_bundle(struct core_function *function, uint8_t **bytes, size_t *size,
                                  struct tfaas_error *error)
{
    (void)function;
    (void)error;
    *size = 100;
    *bytes = calloc(1, *size);
    return TFAAS_OK;
}

static void on_log(struct core_function *function, const char *text, size_t size)
{
    must(function >= functions && function < functions + FUNCTIONS && strlen(text) == size);
}

static void on_loaded(struct core_function *function, tfaas_status_t status, const char *text)
{
    must((unsigned)status < TFAAS_STATUS_COUNT && strlen(text) < CORE_TEXT_MAX);
    must(++loaded[function - functions] <= 3); /* first load, and once more per failure */
}

static void on_cache(struct core_function *function, const uint8_t *bytes, size_t size)
{
    must(function->wants_cache && size > 0 && size <= TFAAS_CACHE_MAX);
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum ^= bytes[i]; /* all of it can be read */
    must(sum == 0);      /* and is what the core wrote: zeros only */
}

static void on_data(struct core_call *call, const uint8_t *bytes, size_t size)
{
    must(call->state == CORE_CALL_RUNNING && bytes && size > 0 && size <= TFAAS_PAYLOAD_MAX);
    core_call_consumed(call, size);
}

static void on_end(struct core_call *call)
{
    must(call->state == CORE_CALL_ENDED && (unsigned)call->status < TFAAS_STATUS_COUNT);
}

static void on_room(struct core_call *call)
{
    (void)call;
}

static void on_event(const char *domain, const char *text)
{
    must(domain && strlen(text) < 256);
}

static const struct core_owner owner = {.bundle = make_bundle,
                                        .log = on_log,
                                        .loaded = on_loaded,
                                        .cache = on_cache,
                                        .data = on_data,
                                        .end = on_end,
                                        .room = on_room,
                                        .event = on_event};

static uint32_t u32(struct cursor *c)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | cursor_u8(c);
    return value;
}

/* Sizes and offsets that fit each other are found by chance only: offer the honest ones. */
static void say(struct cursor *c, struct ring_tx *tx, struct core_link *link)
{
    static uint8_t zeros[TFAAS_PAYLOAD_MAX];
    uint8_t what = cursor_u8(c);
    struct tfaas_slot m = {.kind = (uint16_t)(32 + what % 9),
                           .flags = (uint16_t)(cursor_u8(c) & 31),
                           .id = cursor_u8(c) % 6};
    size_t size = u32(c) % (TFAAS_PAYLOAD_MAX + 1);
    if (what & 0x80)
        size %= 9;
    if (what % 9 == 8)
        m.kind = TFAAS_BODY;
    if (what & 0x40)
        m.id = link->slots[m.id % TFAAS_INFLIGHT_MAX].id;
    for (unsigned i = 0; i < 5; i++)
        m.arg[i] = what & 0x20 ? u32(c) : cursor_u8(c) % 32;
    if (m.kind == TFAAS_CACHE && m.flags & 1) {
        m.flags = 0;
        if (cache_at >= cache_total) {
            cache_total = size + (cursor_u8(c) & 1 ? u32(c) % 300000 : 0);
            cache_at = 0;
        }
        if (size > cache_total - cache_at)
            size = (size_t)(cache_total - cache_at);
        m.arg[0] = cache_total;
        m.arg[1] = cache_at;
        cache_at += size;
    }
    if (m.kind == TFAAS_LOADED && m.flags & 1) {
        m.flags = 0;
        m.arg[0] = TFAAS_OK;
        m.arg[4] %= TFAAS_CODE_COUNT;
    }
    if (m.kind == TFAAS_READY && what & 0x10)
        m.arg[0] = TFAAS_ABI_VERSION;
    if (ring_send(tx, &m, zeros, size) == TFAAS_OK)
        (void)ring_flush(tx);
}

static void start_call(struct core_link *link, struct core_call *call,
                       struct core_function *function)
{
    struct tfaas_error error;
    if (call->state != CORE_CALL_NEW && call->state != CORE_CALL_ENDED)
        return;
    *call = (struct core_call){.deadline_ns = NS_PER_S};
    if (core_call_start(link, call, function, (const uint8_t *)"head", 4, NULL, 0, true, &error) !=
        TFAAS_OK)
        call->state = CORE_CALL_NEW;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tfaas_error error;
    if (!window)
        window = aligned_alloc(4096, TFAAS_WINDOW_SIZE);
    memset(functions, 0, sizeof functions);
    memset(calls, 0, sizeof calls);
    memset(loaded, 0, sizeof loaded);
    cache_total = cache_at = 0;
    must(window && loop_open(&loop));
    core_hub_init(&hub, &ops, NULL, &loop, &owner);
    struct core_link *link = core_link_open(&hub, "fuzz");
    must(link != NULL);
    functions[0].wants_cache = functions[1].wants_cache = true;
    struct ring_tx tx;
    for (size_t i = 0; i < FUNCTIONS; i++)
        must(core_function_load(link, &functions[i], &error) == TFAAS_OK);
    ring_tx_init(&tx, window, false);
    struct cursor c = cursor_of(data, size);
    struct tfaas_slot ready = {.kind = TFAAS_READY, .arg = {TFAAS_ABI_VERSION}};
    if (cursor_u8(&c) & 1 && ring_send(&tx, &ready, NULL, 0) == TFAAS_OK)
        (void)ring_flush(&tx);
    while (cursor_left(&c) > 0 && link->state == LINK_UP) {
        uint8_t action = cursor_u8(&c);
        if (action % 8 == 0)
            start_call(link, &calls[action / 8 % 4], &functions[action / 64 % FUNCTIONS]);
        else if (action % 8 == 1 && calls[action / 8 % 4].state == CORE_CALL_RUNNING)
            core_call_cancel(&calls[action / 8 % 4]);
        else
            say(&c, &tx, link);
        (void)core_hub_run(&hub);
        must(hub.links_up == (link->state == LINK_UP));
    }
    core_hub_close(&hub);
    must(hub.work == 0 && hub.links_up == 0);
    loop_close(&loop);
    return 0;
}
