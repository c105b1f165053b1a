/* needs: host/daemon/core_link.c host/daemon/core_ask.c host/daemon/core_calls.c host/daemon/core_messages.c host/daemon/loop.c host/error.c common/ring.c common/status.c libs: sodium */
/*
 * core_messages.c (fuzz) - a hostile core against the daemon's side of its link. The input is a
 * script: messages of any kind with any ids, sizes and arguments, words written anywhere into the
 * window, exits, and between them what the daemon itself does. A call ends exactly once, gets no
 * more bytes than it granted, and nothing is left when the link is closed.
 */
#include "daemon/core_internal.h"

#include "cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CALLS     8u
#define FUNCTIONS 4u
#define QUESTIONS 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* Large allocations fail, as they do in a daemon that has little memory left. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=32";
}

struct fuzz_call {
    struct core_call core;
    bool open;          /* started, and neither ended nor cancelled */
    uint64_t got, used; /* response stream bytes; taken by the receiver */
};

struct fuzz_function {
    struct core_function core;
    size_t bundle_size;
};

static struct loop loop;
static struct core_hub hub;
static struct core_link *the_link;
static struct fuzz_call calls[CALLS];
static struct fuzz_function functions[FUNCTIONS];
static struct core_question questions[QUESTIONS];
static bool late; /* bundles come by core_bundle_ready */
static struct cursor script;

/* The peer: what the core's process would hold. */
static struct {
    void *window;
    struct ring_tx tx;
    struct ring_rx rx;
    bool up;
    int exit_fd, bell_fd;
} core;

static uint8_t payload[TFAAS_PAYLOAD_MAX], content[255 * 600];

static void check(bool ok)
{
    if (!ok)
        abort();
}

static uint32_t take_u32(void)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | cursor_u8(&script);
    return value;
}

/* --- what launches the core --- */

static tfaas_status_t launch(struct tender *tender, enum tender_role role, const char *domain,
                             struct tender_worker *worker, struct tfaas_error *error)
{
    (void)tender, (void)role, (void)domain;
    if (cursor_u8(&script) == 0xff)
        return error_set(error, TFAAS_UNAVAILABLE, "no core today");
    check(!core.up);
    memset(core.window, 0, TFAAS_H2C_DATA_OFFSET);
    window_format(core.window);
    *worker = (struct tender_worker){.window = core.window,
                                     .bell_fd = eventfd(0, EFD_NONBLOCK),
                                     .ring_fd = eventfd(0, EFD_NONBLOCK),
                                     .exit_fd = eventfd(0, EFD_NONBLOCK),
                                     .pid = -1};
    check(worker->bell_fd >= 0 && worker->ring_fd >= 0 && worker->exit_fd >= 0);
    ring_tx_init(&core.tx, core.window, false);
    ring_rx_init(&core.rx, core.window, false);
    core.up = true;
    core.exit_fd = worker->exit_fd;
    core.bell_fd = worker->bell_fd;
    return TFAAS_OK;
}

static void ended(struct tender *tender, struct tender_worker *worker, char *how, size_t how_size)
{
    (void)tender, (void)worker;
    (void)snprintf(how, how_size, "as scripted");
}

static void destroy(struct tender *tender, struct tender_worker *worker)
{
    (void)tender;
    close(worker->bell_fd);
    close(worker->ring_fd);
    close(worker->exit_fd);
    core.up = false;
}

static const struct tender_ops ops = {
    .name = "fuzz", .launch = launch, .ended = ended, .destroy = destroy};

/* --- what owns the link --- */

static tfaas_status_t make_bundle(struct core_function *function, uint8_t **bytes, size_t *size,
                                  struct tfaas_error *error)
{
    struct fuzz_function *f = (struct fuzz_function *)(void *)function;
    *bytes = NULL;
    if (late)
        return TFAAS_OK;
    *size = f->bundle_size;
    *bytes = *size ? calloc(1, *size) : NULL;
    return *bytes ? TFAAS_OK : error_set(error, TFAAS_NO_SPACE, "no bundle");
}

static void cancel_bundle(struct core_function *function)
{
    check(function != NULL && (!function->load || function->load->state == LOAD_ASKING));
}

/* What was to come later comes, or will never come. */
static void late_bundle(struct fuzz_function *f, bool good)
{
    if (!f->core.load || f->core.load->state != LOAD_ASKING)
        return;
    uint8_t *bytes = good && f->bundle_size ? calloc(1, f->bundle_size) : NULL;
    core_bundle_ready(&f->core, bytes ? TFAAS_OK : TFAAS_NOT_GRANTED, bytes,
                      bytes ? f->bundle_size : 0, "not granted");
}

static void on_answer(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                      size_t size)
{
    uint64_t sum = 0;
    check(question >= questions && question < questions + QUESTIONS && !question->link &&
          !question->request && status < TFAAS_STATUS_COUNT && size <= TFAAS_PAYLOAD_MAX);
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    check(sum <= 255u * size);
    if (size && status == TFAAS_OK && bytes[0] == 'k')
        core_link_kill(the_link, "answered nonsense");
}

static void ask(struct core_question *question)
{
    size_t size = (size_t)cursor_u8(&script) * 40;
    if (question->link) {
        core_ask_cancel(question);
        return;
    }
    question->answered = on_answer;
    (void)!core_ask(the_link, question, TFAAS_OP_HELLO, calloc(1, size + 1), size);
}

static void on_up(struct core_link *link)
{
    check(link == the_link && core_link_ready(link));
}

static void on_down(struct core_link *link)
{
    check(link == the_link && !core_link_up(link) && !core_link_ready(link));
}

static void check_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        check(((uint8_t)text[i] >= 0x20 || text[i] == '\t') && text[i] != 0x7f);
}

static void on_log(struct core_function *function, const char *text, size_t size)
{
    check(function != NULL && size < CORE_TEXT_MAX);
    check_text(text, size);
}

static void on_loaded(struct core_function *function, tfaas_status_t status, const char *text)
{
    check(function != NULL && status < TFAAS_STATUS_COUNT && strlen(text) < CORE_TEXT_MAX);
}

static void on_cache(struct core_function *function, const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;
    check(function && function->wants_cache && bytes && size > 0 && size <= TFAAS_CACHE_MAX);
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    check(sum <= 255u * size);
}

static struct fuzz_call *call_of(struct core_call *call)
{
    struct fuzz_call *c = (struct fuzz_call *)(void *)call;
    check(c >= calls && c < calls + CALLS && c->open);
    return c;
}

static void on_data(struct core_call *call, const uint8_t *bytes, size_t size)
{
    struct fuzz_call *c = call_of(call);
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    c->got += size;
    check(size > 0 && size <= TFAAS_PAYLOAD_MAX && sum <= 255u * size);
    check(c->got <= c->used + TFAAS_STREAM_WINDOW);
    if (bytes[0] == 'c') { /* as the proxy does: takes them at once, or gives up inside */
        c->used += size;
        core_call_consumed(call, size);
    } else if (bytes[0] == 'x') {
        c->open = false;
        core_call_cancel(call);
    }
}

static void on_end(struct core_call *call)
{
    struct fuzz_call *c = call_of(call);
    check(call->state == CORE_CALL_ENDED && call->status < TFAAS_STATUS_COUNT);
    c->open = false;
}

static void on_room(struct core_call *call)
{
    (void)call_of(call);
}

static void on_event(const char *domain, const char *text)
{
    check(domain && strlen(text) < 256);
    check_text(text, strlen(text));
}

static const struct core_owner owner = {.bundle = make_bundle,
                                        .bundle_cancel = cancel_bundle,
                                        .up = on_up,
                                        .down = on_down,
                                        .log = on_log,
                                        .loaded = on_loaded,
                                        .cache = on_cache,
                                        .data = on_data,
                                        .end = on_end,
                                        .room = on_room,
                                        .event = on_event};

/* --- what the hostile core does --- */

static void say(const struct tfaas_slot *m, size_t size)
{
    if (!core.up || core.tx.dead)
        return;
    uint64_t one = 1;
    (void)!ring_send(&core.tx, m, content, size);
    if (ring_flush(&core.tx))
        check(write(core.bell_fd, &one, sizeof one) == (ssize_t)sizeof one);
}

/* An id that means something now, or any. */
static uint32_t some_id(uint8_t choice)
{
    struct core_load *load = TAILQ_FIRST(&the_link->loads);
    if (choice < 128)
        return the_link->slots[TFAAS_INFLIGHT_MAX - 1 - choice % CALLS].id;
    if (choice < 160)
        return the_link->slots[choice % CALLS].id;
    if (choice < 240) {
        for (unsigned skip = choice % 4; load && skip > 0; skip--)
            load = TAILQ_NEXT(load, entry);
        return load ? load->id : 0;
    }
    return take_u32();
}

static void hostile_message(void)
{
    static const uint16_t kinds[] = {TFAAS_READY, TFAAS_LOADED, TFAAS_RESPONSE, TFAAS_BODY,
                                     TFAAS_LOG,   TFAAS_METER,  TFAAS_CACHE,    TFAAS_ANSWER};
    uint8_t kind = cursor_u8(&script), flags = cursor_u8(&script);
    struct tfaas_slot m = {.kind = kind < 250 ? kinds[kind % 8] : (uint16_t)take_u32(),
                           .flags = flags < 250 ? flags % 16 : (uint16_t)take_u32()};
    m.id = some_id(cursor_u8(&script));
    if (m.kind == TFAAS_ANSWER && flags % 4)
        m.id = the_link->ask_id;
    uint8_t arg = cursor_u8(&script);
    m.arg[0] = arg < 240 ? arg % (TFAAS_STATUS_COUNT + 2)
                         : (uint64_t)take_u32() << (arg % 2 ? 32 : 8) | take_u32();
    if (m.kind == TFAAS_READY)
        m.arg[0] = arg < 250 ? TFAAS_ABI_VERSION : arg;
    if (m.kind == TFAAS_CACHE) { /* half of them larger than malloc gives here */
        m.arg[0] = arg < 64 ? 48u << 20 : arg < 128 ? 600 : m.arg[0];
        m.arg[1] = cursor_u8(&script) * 16u;
    }
    m.arg[5] = kind; /* the inner status of a sealed call */
    uint8_t length = cursor_u8(&script);
    size_t size = length < 128 ? length % 32 : (size_t)(length - 127) * 512;
    struct span text = cursor_take(&script, size < 32 ? size : 32);
    if (text.size)
        memcpy(content, text.data, text.size);
    say(&m, size);
}

/* An honest answer to everything that has arrived, so that deep states are easy to reach. */
static void honest_answers(void)
{
    struct tfaas_slot got;
    while (core.up && ring_receive(&core.rx, &got, payload) == TFAAS_OK) {
        struct tfaas_slot m = {.id = got.id};
        (void)ring_release(&core.rx);
        if (got.kind == TFAAS_CONFIGURE) {
            m.kind = TFAAS_READY;
            m.arg[0] = TFAAS_ABI_VERSION;
            say(&m, 0);
        } else if (got.kind == TFAAS_LOAD && got.arg[1] + got.size == got.arg[0]) {
            if (got.flags & TFAAS_WANT_CACHE && cursor_u8(&script) < 128) {
                struct tfaas_slot cache = {.kind = TFAAS_CACHE, .id = got.id, .arg = {300}};
                say(&cache, 200);
                cache.arg[1] = 200;
                say(&cache, 100);
            }
            m.kind = TFAAS_LOADED;
            say(&m, 0);
        } else if (got.kind == TFAAS_UNLOAD) {
            m.kind = TFAAS_LOADED;
            m.arg[0] = TFAAS_CANCELLED;
            say(&m, 0);
        } else if (got.kind == TFAAS_INVOKE && got.flags & TFAAS_LAST) {
            m.kind = TFAAS_RESPONSE;
            say(&m, 100);
        } else if (got.kind == TFAAS_CALL) {
            m.kind = TFAAS_ANSWER;
            say(&m, got.size);
        } else if (got.kind == TFAAS_CANCEL) {
            m.kind = TFAAS_METER;
            m.flags = TFAAS_END;
            m.arg[0] = TFAAS_CANCELLED;
            say(&m, 0);
        }
    }
}

static void only_read(void)
{
    struct tfaas_slot got;
    while (core.up && ring_receive(&core.rx, &got, payload) == TFAAS_OK)
        (void)ring_release(&core.rx);
}

static void spoil_window(void)
{
    uint32_t at = take_u32() % (TFAAS_H2C_DATA_OFFSET / 4), word = take_u32();
    memcpy((uint8_t *)core.window + (size_t)at * 4, &word, sizeof word);
}

/* --- what the daemon does --- */

static void daemon_turn(void)
{
    while (core_hub_run(&hub))
        ;
    core_hub_tick(&hub);
    (void)core_hub_run(&hub);
    if (core_hub_sleep(&hub))
        check(loop_turn(&loop, 0));
    check(the_link->free_count <= TFAAS_INFLIGHT_MAX && hub.links_up <= 1);
}

static void start_call(struct fuzz_call *c, struct fuzz_function *f)
{
    struct tfaas_error error = {.status = TFAAS_OK};
    uint8_t body = cursor_u8(&script);
    if (c->open)
        return;
    bool any = body % 16 == 9;
    *c = (struct fuzz_call){.core = {.deadline_ns = (1 + body % 4) * NS_PER_S,
                                     .sealing = any || body % 16 == 4 ? TFAAS_SEALING_OHTTP : 0},
                            .open = true};
    tfaas_status_t status =
        core_call_start(the_link, &c->core, any ? NULL : &f->core, content, 40, content,
                        body < 128 ? body : (size_t)(body - 127) * 500, body % 2, &error);
    check(status == TFAAS_OK || error.text[0]);
    if (status != TFAAS_OK)
        c->open = false;
}

static void act(uint8_t action)
{
    struct fuzz_call *c = &calls[(action >> 4) % CALLS];
    struct fuzz_function *f = &functions[(action >> 4) % FUNCTIONS];
    struct tfaas_error error;
    uint64_t one = 1;
    switch (action & 15) {
    case 0:
    case 1:
    case 2:
        hostile_message();
        break;
    case 3:
        honest_answers();
        break;
    case 4:
        only_read();
        break;
    case 5:
        start_call(c, f);
        break;
    case 6:
        if (c->open)
            (void)core_call_send(&c->core, content, (size_t)cursor_u8(&script) * 600, action >> 7);
        break;
    case 7:
        if (c->open && c->got > c->used) {
            uint64_t left = c->got - c->used, part = 1 + cursor_u8(&script) * left / 255;
            c->used += part < left ? part : left;
            core_call_consumed(&c->core, (size_t)(part < left ? part : left));
        }
        break;
    case 8:
        if (c->open)
            core_call_cancel(&c->core);
        c->open = false;
        break;
    case 9:
        (void)!core_function_load(the_link, &f->core, &error);
        break;
    case 10:
        core_function_forget(the_link, &f->core, action >> 7);
        break;
    case 11:
        hub.now_ns += (uint64_t)cursor_u8(&script) * 100 * NS_PER_MS;
        break;
    case 12:
        if (core.up)
            check(write(core.exit_fd, &one, sizeof one) == (ssize_t)sizeof one);
        break;
    case 13:
        if (action >> 7)
            ask(&questions[(action >> 4) % QUESTIONS]);
        else
            spoil_window();
        break;
    case 14:
        if (action >> 6 == 3)
            core_link_restart(the_link, "is replaced");
        else if (action >> 6 == 2)
            late = !late;
        else
            late_bundle(f, action >> 6);
        break;
    default:
        daemon_turn();
    }
}

static void set_up(void)
{
    if (!core.window) {
        core.window = aligned_alloc(4096, TFAAS_WINDOW_SIZE);
        check(core.window && loop_open(&loop));
        memset(core.window, 0, TFAAS_WINDOW_SIZE);
        memset(content, 'm', sizeof content);
    }
    memset(content, 'm', 32); /* what messages change */
    memset(calls, 0, sizeof calls);
    memset(functions, 0, sizeof functions);
    memset(questions, 0, sizeof questions);
    late = false;
    functions[0].bundle_size = 100;
    functions[0].core.wants_cache = functions[1].core.wants_cache = true;
    functions[1].bundle_size = 3 * TFAAS_PAYLOAD_MAX;
    functions[2].bundle_size = TFAAS_DATA_SIZE + TFAAS_PAYLOAD_MAX; /* more than the ring holds */
    core_hub_init(&hub, &ops, NULL, &loop, &owner);
    hub.now_ns = 1000 * NS_PER_S;
    hub.queue_max = 4;
    the_link = core_link_open(&hub, "fuzz");
    check(the_link != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script = cursor_of(data, size);
    set_up();
    while (cursor_left(&script) > 0)
        act(cursor_u8(&script));
    daemon_turn();
    core_link_close(the_link);
    (void)core_hub_run(&hub);
    for (unsigned i = 0; i < CALLS; i++)
        check(!calls[i].open);
    check(TAILQ_EMPTY(&hub.links) && hub.work == 0 && hub.links_up == 0 && !core.up);
    core_hub_close(&hub);
    return 0;
}
