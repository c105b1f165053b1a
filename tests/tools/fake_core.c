/*
 * fake_core.c - see fake_core.h. Never linked into tfaasd.
 */
#include "fake_core.h"

#include "bhttp.h"
#include "bundle.h"
#include "ring.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

unsigned fake_core_hostile_seed;
unsigned (*fake_core_call)(enum tender_role role, const char *domain, unsigned number, unsigned op,
                           struct span request, struct writer *answer, bool *go_on);

struct fake_function {
    uint32_t id;
    uint8_t *bytes;
    size_t size, got;
    struct bundle bundle;
    char mode[16];
    bool unloading;
};

struct fake_call {
    bool used, input_ended, output_done, started;
    uint32_t id, function;
    char mode[16];
    uint8_t *out;
    size_t out_size, out_at;
    uint64_t in_got, in_granted, out_sent, out_credit, due_ns, fill;
    unsigned end_status;
};

struct fake_core {
    struct tender_worker worker;
    struct ring_tx tx;
    struct ring_rx rx;
    pthread_t thread;
    atomic_bool stop;
    unsigned seed, number;
    enum tender_role role;
    char domain[64];
    struct fake_function functions[64];
    struct fake_call calls[TFAAS_INFLIGHT_MAX];
    uint8_t payload[TFAAS_PAYLOAD_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void bell(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
}

/* Waits for room the simple way: the host always makes some, or ends the core. */
static void say(struct fake_core *core, uint16_t kind, unsigned flags, uint32_t id, uint64_t arg0,
                const void *bytes, size_t size)
{
    struct tfaas_slot m = {.kind = kind, .flags = (uint16_t)flags, .id = id};
    m.arg[0] = arg0;
    while (!atomic_load(&core->stop)) {
        tfaas_status_t status = ring_send(&core->tx, &m, bytes, size);
        if (ring_flush(&core->tx))
            bell(core->worker.bell_fd);
        if (status != TFAAS_BUSY)
            return;
        usleep(200);
    }
}

static void say_cache(struct fake_core *core, uint32_t id, uint64_t total, uint64_t offset,
                      const void *bytes, size_t size)
{
    struct tfaas_slot m = {.kind = TFAAS_CACHE, .id = id, .arg = {total, offset}};
    while (!atomic_load(&core->stop)) {
        tfaas_status_t status = ring_send(&core->tx, &m, bytes, size);
        if (ring_flush(&core->tx))
            bell(core->worker.bell_fd);
        if (status != TFAAS_BUSY)
            return;
        usleep(200);
    }
}

/* CACHE as the function's name says, right or wrong. */
static void offer_cache(struct fake_core *core, const char *mode, uint32_t id, bool asked)
{
    static const uint8_t piece[TFAAS_PAYLOAD_MAX] = {7};
    const uint64_t total = 30 * sizeof piece; /* more than the ring holds */
    if (strcmp(mode, "cache") == 0 && asked) {
        for (uint64_t at = 0; at < total; at += sizeof piece)
            say_cache(core, id, total, at, piece, sizeof piece);
    } else if (strcmp(mode, "steal") == 0) {
        say_cache(core, id, 5, 0, piece, 5);
    } else if (strcmp(mode, "early") == 0) {
        say_cache(core, id, 10, 0, piece, 5);
    } else if (strcmp(mode, "order") == 0) {
        say_cache(core, id, 10, 5, piece, 5);
    } else if (strcmp(mode, "large") == 0) {
        say_cache(core, id, TFAAS_CACHE_MAX + 1ull, 0, piece, 5);
    } else if (strcmp(mode, "grow") == 0) {
        say_cache(core, id, 10, 0, piece, 5);
        say_cache(core, id, 11, 5, piece, 6);
    } else if (strcmp(mode, "empty") == 0) {
        say_cache(core, id, 10, 0, NULL, 0);
    } else if (strcmp(mode, "more") == 0) {
        say_cache(core, id, 10, 0, piece, 11);
    }
}

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void output(struct fake_call *call, const void *bytes, size_t size)
{
    if (call->out_at == call->out_size)
        call->out_at = call->out_size = 0;
    call->out = realloc(call->out, call->out_size + size + 1);
    if (size)
        memcpy(call->out + call->out_size, bytes, size);
    call->out_size += size;
}

static void output_head(struct fake_call *call, unsigned status, const char *name,
                        struct span value)
{
    uint8_t head[20000], scratch[16000];
    struct bhttp_writer w;
    bhttp_begin_response(&w, head, sizeof head, scratch, sizeof scratch, status);
    if (value.size)
        bhttp_field(&w, span_of(name), value);
    output(call, head, bhttp_end(&w));
}

static void call_end(struct fake_call *call)
{
    free(call->out);
    memset(call, 0, sizeof *call);
}

/* Sends what credit allows; END goes with the last piece. */
static void call_push(struct fake_core *core, struct fake_call *call)
{
    for (;;) {
        if (call->fill && call->out_at == call->out_size) {
            uint8_t block[16384];
            size_t size = call->fill < sizeof block ? (size_t)call->fill : sizeof block;
            memset(block, 'x', size);
            call->out_size = call->out_at = 0;
            output(call, block, size);
            call->fill -= size;
        }
        size_t left = call->out_size - call->out_at;
        uint64_t credit = call->out_credit - call->out_sent;
        size_t size = left < TFAAS_PAYLOAD_MAX ? left : TFAAS_PAYLOAD_MAX;
        if (size > credit)
            size = (size_t)credit;
        bool end = call->output_done && size == left && call->fill == 0;
        if (size == 0 && !end)
            return;
        uint16_t kind = call->started ? TFAAS_BODY : TFAAS_RESPONSE;
        if (!call->started && size == 0)
            kind = TFAAS_METER;
        unsigned flags = end ? TFAAS_END | (kind == TFAAS_METER ? 0u : TFAAS_LAST) : 0u;
        say(core, kind, flags, call->id, call->end_status, call->out + call->out_at, size);
        call->started = true;
        call->out_at += size;
        call->out_sent += size;
        if (end) {
            call_end(call);
            return;
        }
    }
}

static void input(struct fake_core *core, struct fake_call *call, const uint8_t *bytes, size_t size,
                  bool last)
{
    call->input_ended = last;
    if (strcmp(call->mode, "echo") == 0) {
        output(call, bytes, size);
        call->output_done = last;
    }
    if (call->in_granted - call->in_got < TFAAS_STREAM_WINDOW / 2 && !last &&
        call->out_size - call->out_at < TFAAS_STREAM_WINDOW) {
        call->in_granted = call->in_got + TFAAS_STREAM_WINDOW;
        say(core, TFAAS_BODY, TFAAS_CREDIT, call->id, call->in_granted, NULL, 0);
    }
    call_push(core, call);
}

static void garbage(struct fake_core *core)
{
    for (int i = 0; i < 64; i++) {
        struct tfaas_slot m;
        for (size_t k = 0; k < sizeof m; k++)
            ((uint8_t *)&m)[k] = (uint8_t)rand_r(&core->seed);
        m.kind = (uint16_t)(32 + m.kind % 8);
        if (ring_send(&core->tx, &m, core->payload, m.size % 600) != TFAAS_OK)
            break;
        if (ring_flush(&core->tx))
            bell(core->worker.bell_fd);
    }
}

static void start_call(struct fake_core *core, struct fake_call *call, struct fake_function *f,
                       const struct tfaas_slot *m)
{
    struct bhttp_head head;
    const char *why = "";
    if (bhttp_read_head(core->payload, m->size, &head, &why) != TFAAS_OK) {
        say(core, TFAAS_METER, TFAAS_END, m->id, TFAAS_BAD_REQUEST, NULL, 0);
        return;
    }
    memset(call, 0, sizeof *call);
    call->used = true;
    call->id = m->id;
    call->function = f->id;
    call->in_got = m->size;
    call->in_granted = call->out_credit = TFAAS_STREAM_WINDOW;
    memcpy(call->mode, f->mode, sizeof call->mode);
    const uint8_t *mark = memchr(head.path.data, '?', head.path.size);
    struct span query = {NULL, 0};
    if (mark)
        query = (struct span){mark + 1, (size_t)(head.path.data + head.path.size - mark - 1)};
    char number[32] = "";
    snprintf(number, sizeof number, "%.*s", (int)query.size,
             query.data ? (const char *)query.data : "");
    uint64_t n = strtoull(number, NULL, 10);
    const char *mode = call->mode;
    struct span text = span_of("text/plain");
    if (strcmp(mode, "crash") == 0 || strcmp(mode, "fault") == 0) {
        if (mode[0] == 'f')
            say(core, TFAAS_FAULT, 0, 0, 0, "asked to", 8);
        atomic_store(&core->stop, true);
    } else if (strcmp(mode, "garbage") == 0) {
        garbage(core);
    } else if (strcmp(mode, "hang") == 0) {
        return;
    } else if (strcmp(mode, "wait") == 0) {
        call->due_ns = now_ns() + m->arg[1];
        call->end_status = TFAAS_DEADLINE;
        call->output_done = true;
    } else if (strcmp(mode, "fail") == 0) {
        call->end_status = (unsigned)n % TFAAS_STATUS_COUNT;
        call->output_done = true;
    } else if (strcmp(mode, "echo") == 0) {
        output_head(call, 200, "content-type", (struct span){NULL, 0});
    } else if (strcmp(mode, "stream") == 0) {
        output_head(call, 200, "content-type", text);
        call->fill = n;
        call->output_done = true;
    } else if (strcmp(mode, "flood") == 0) {
        uint8_t block[60000] = {1};
        output_head(call, 200, "content-type", text);
        say(core, TFAAS_RESPONSE, 0, call->id, 0, call->out, call->out_size);
        for (int i = 0; i < 8; i++)
            say(core, TFAAS_BODY, 0, call->id, 0, block, sizeof block);
        return;
    } else if (strcmp(mode, "cut") == 0) {
        output_head(call, 200, "content-type", text);
        call->fill = 200000;
        call->end_status = TFAAS_FUNCTION_TRAPPED;
        call->output_done = true;
    } else if (strcmp(mode, "redirect") == 0) {
        output_head(call, 302, "location", query);
        call->output_done = true;
    } else if (strcmp(mode, "head") == 0) {
        output_head(call, 200, "x-probe", span_of("1"));
        output(call, head.method.data, head.method.size);
        output(call, " ", 1);
        output(call, head.path.data, head.path.size);
        output(call, "\n", 1);
        struct span name, value;
        size_t at = 0;
        while (bhttp_next_field(head.fields, &at, &name, &value)) {
            output(call, name.data, name.size);
            output(call, "=", 1);
            output(call, value.data, value.size);
            output(call, "\n", 1);
        }
        call->output_done = true;
    } else {
        if (strcmp(mode, "log") == 0)
            say(core, TFAAS_LOG, 0, call->id, 0, "one\ntw\x01o \xff\n", 11);
        if (strcmp(mode, "slow") == 0)
            call->due_ns = now_ns() + n * 1000000u;
        output_head(call, 200, "content-type", text);
        if (strcmp(mode, "secret") == 0 && f->bundle.secret_count)
            output(call, f->bundle.secrets[0].value.data, f->bundle.secrets[0].value.size);
        else
            output(call, mode[0] == 's' ? "slow\n" : "hello\n", mode[0] == 's' ? 5 : 6);
        call->output_done = true;
    }
    if (call->due_ns == 0)
        input(core, call, core->payload + head.size, m->size - head.size, m->flags & TFAAS_LAST);
}

static struct fake_function *function_of(struct fake_core *core, uint32_t id)
{
    for (size_t i = 0; i < 64; i++)
        if (core->functions[i].id == id)
            return &core->functions[i];
    return NULL;
}

static void function_free(struct fake_function *f)
{
    bundle_free(&f->bundle);
    free(f->bytes);
    memset(f, 0, sizeof *f);
}

static void on_load(struct fake_core *core, const struct tfaas_slot *m)
{
    struct fake_function *f = function_of(core, m->id);
    if (m->arg[1] == 0) {
        f = function_of(core, 0);
        if (!f)
            abort();
        f->id = m->id;
        f->size = (size_t)m->arg[0];
        f->bytes = malloc(f->size);
    }
    if (!f || m->arg[1] != f->got || m->size > f->size - f->got)
        abort(); /* the daemon broke the protocol: the test must see it */
    memcpy(f->bytes + f->got, core->payload, m->size);
    f->got += m->size;
    if (f->got < f->size)
        return;
    const char *why = "";
    if (bundle_read(f->bytes, f->size, &f->bundle, &why) != TFAAS_OK) {
        say(core, TFAAS_LOADED, 0, f->id, TFAAS_BAD_PACKAGE, why, strlen(why));
        return;
    }
    size_t at = 0;
    for (; at < f->bundle.name.size && at < sizeof f->mode - 1; at++) {
        char c = (char)f->bundle.name.data[at];
        if (c == '-' || c == '.')
            break;
        f->mode[at] = c;
    }
    offer_cache(core, f->mode, f->id, (m->flags & TFAAS_WANT_CACHE) != 0);
    if (strcmp(f->mode, "bad") == 0)
        say(core, TFAAS_LOADED, 0, f->id, TFAAS_BAD_SCRIPT, "handler.js:3:7: SyntaxError", 27);
    else if (strcmp(f->mode, "never") != 0)
        say(core, TFAAS_LOADED, 0, f->id, TFAAS_OK, NULL, 0);
}

static void finish_unloads(struct fake_core *core)
{
    for (size_t i = 0; i < 64; i++) {
        struct fake_function *f = &core->functions[i];
        bool running = false;
        for (size_t k = 0; k < TFAAS_INFLIGHT_MAX; k++)
            running |= core->calls[k].used && core->calls[k].function == f->id;
        if (!f->unloading || running)
            continue;
        uint32_t id = f->id;
        function_free(f);
        say(core, TFAAS_LOADED, 0, id, TFAAS_CANCELLED, NULL, 0);
    }
}

static void say_end(struct fake_core *core, uint16_t kind, uint32_t id, unsigned status,
                    unsigned inner, const void *bytes, size_t size)
{
    struct tfaas_slot m = {.kind = kind, .flags = TFAAS_END, .id = id};
    if (kind != TFAAS_METER)
        m.flags |= TFAAS_LAST;
    m.arg[0] = status;
    m.arg[5] = inner;
    while (!atomic_load(&core->stop) && ring_send(&core->tx, &m, bytes, size) == TFAAS_BUSY)
        usleep(200);
    if (ring_flush(&core->tx))
        bell(core->worker.bell_fd);
}

/* Sealed bytes mean nothing here. False: an echo is wanted. */
static bool sealed_any(struct fake_core *core, const struct tfaas_slot *m)
{
    static const char long_name[100] = "name";
    const char *text = (const char *)core->payload;
    size_t name = 1;
    switch (m->size ? text[0] : 0) {
    case 'm':
        while (name < m->size && text[name] != ' ')
            name++;
        say_end(core, TFAAS_METER, m->id, TFAAS_MISDIRECTED, 0, text + 1, name - 1);
        return true;
    case 'M':
        say_end(core, TFAAS_METER, m->id, TFAAS_MISDIRECTED, 0, long_name, sizeof long_name);
        return true;
    case 'k':
        say_end(core, TFAAS_METER, m->id, TFAAS_KEY_UNKNOWN, 0, NULL, 0);
        return true;
    case 'i':
    case 'I':
        say_end(core, TFAAS_RESPONSE, m->id, TFAAS_OK,
                text[0] == 'i' ? TFAAS_FUNCTION_FAILED : TFAAS_STATUS_COUNT, "sealed", 6);
        return true;
    default:
        return false;
    }
}

static void start_sealed(struct fake_core *core, struct fake_call *call, const struct tfaas_slot *m)
{
    if (m->arg[3] < 1 || m->arg[3] >= TFAAS_SEALING_COUNT)
        abort();
    if (m->arg[0] == TFAAS_FUNCTION_ANY && sealed_any(core, m))
        return;
    memset(call, 0, sizeof *call);
    call->used = true;
    call->id = m->id;
    call->function = (uint32_t)m->arg[0];
    call->in_got = m->size;
    call->in_granted = call->out_credit = TFAAS_STREAM_WINDOW;
    memcpy(call->mode, "echo", 5);
    input(core, call, core->payload, m->size, m->flags & TFAAS_LAST);
}

static void on_call(struct fake_core *core, const struct tfaas_slot *m)
{
    static _Thread_local uint8_t bytes[TFAAS_PAYLOAD_MAX];
    struct span request = {core->payload, m->size};
    unsigned op = (unsigned)m->arg[0];
    if (fake_core_call) {
        struct writer answer = writer_of(bytes, sizeof bytes);
        bool go_on = true;
        unsigned status =
            fake_core_call(core->role, core->domain, core->number, op, request, &answer, &go_on);
        if (go_on)
            say(core, TFAAS_ANSWER, 0, m->id, status, bytes, answer.at);
        else
            atomic_store(&core->stop, true);
        return;
    }
    if (op == 101)
        say(core, TFAAS_ANSWER, 0, m->id, TFAAS_CONFLICT, "no\x01way", 6);
    else if (op == 107)
        atomic_store(&core->stop, true);
    else if (op != 104)
        say(core, TFAAS_ANSWER, op == 106 ? TFAAS_END : 0, m->id + (op == 102),
            op == 105 ? TFAAS_STATUS_COUNT : TFAAS_OK, request.data, request.size);
    if (op == 103)
        say(core, TFAAS_ANSWER, 0, m->id, TFAAS_OK, NULL, 0);
}

static void on_message(struct fake_core *core, const struct tfaas_slot *m)
{
    struct fake_call *call = &core->calls[m->id % TFAAS_INFLIGHT_MAX];
    struct fake_function *f;
    switch (m->kind) {
    case TFAAS_CONFIGURE:
        say(core, TFAAS_READY, 0, 0, TFAAS_ABI_VERSION, "fake", 4);
        break;
    case TFAAS_LOAD:
        on_load(core, m);
        break;
    case TFAAS_UNLOAD:
        f = function_of(core, m->id);
        if (!f || f->unloading || f->got < f->size)
            abort();
        f->unloading = true;
        break;
    case TFAAS_CALL:
        on_call(core, m);
        break;
    case TFAAS_INVOKE:
        if (m->flags & TFAAS_SEALED) {
            if (call->used)
                abort();
            start_sealed(core, call, m);
            break;
        }
        f = function_of(core, (uint32_t)m->arg[0]);
        if (!f || call->used)
            abort();
        start_call(core, call, f, m);
        break;
    case TFAAS_BODY:
        if (!call->used || call->id != m->id)
            break;
        if (m->flags & TFAAS_CREDIT) {
            call->out_credit = m->arg[0];
            if (call->due_ns == 0 && strcmp(call->mode, "hang") != 0) {
                input(core, call, NULL, 0, call->input_ended);
            }
        } else {
            call->in_got += m->size;
            if (call->in_got > call->in_granted)
                abort();
            if (call->due_ns == 0)
                input(core, call, core->payload, m->size, m->flags & TFAAS_LAST);
        }
        break;
    case TFAAS_CANCEL:
        if (call->used && call->id == m->id) {
            call_end(call);
            say(core, TFAAS_METER, TFAAS_END, m->id, TFAAS_CANCELLED, NULL, 0);
        }
        break;
    case TFAAS_STOP:
        atomic_store(&core->stop, true);
        break;
    default:
        break;
    }
}

/* Random fields, random indices: what a core that has been taken over might do. */
static void hostile(struct fake_core *core)
{
    struct tfaas_window *window = core->worker.window;
    struct tfaas_slot *slots = (void *)((uint8_t *)core->worker.window + TFAAS_C2H_SLOTS_OFFSET);
    if (rand_r(&core->seed) % 2)
        say(core, TFAAS_READY, 0, 0, TFAAS_ABI_VERSION, NULL, 0);
    for (int round = 0; round < 40 && !atomic_load(&core->stop); round++) {
        if (rand_r(&core->seed) % 4) {
            garbage(core);
        } else {
            for (size_t k = 0; k < sizeof(struct tfaas_slot); k++)
                ((uint8_t *)&slots[(unsigned)rand_r(&core->seed) % TFAAS_SLOTS])[k] =
                    (uint8_t)rand_r(&core->seed);
            atomic_store(&window->c2h.head, (uint32_t)rand_r(&core->seed) % 600);
            atomic_store(&window->h2c.tail, (uint32_t)rand_r(&core->seed) % 600);
        }
        bell(core->worker.bell_fd);
        usleep(100);
    }
    while (!atomic_load(&core->stop))
        usleep(1000);
}

static void *core_main(void *env)
{
    struct fake_core *core = env;
    if (core->seed)
        hostile(core);
    while (!atomic_load(&core->stop)) {
        struct tfaas_slot m;
        tfaas_status_t status = ring_receive(&core->rx, &m, core->payload);
        if (status == TFAAS_OK) {
            on_message(core, &m);
            if (ring_release(&core->rx))
                bell(core->worker.bell_fd);
            continue;
        }
        if (status == TFAAS_PEER_DEAD)
            abort();
        finish_unloads(core);
        bool timers = false;
        for (size_t i = 0; i < TFAAS_INFLIGHT_MAX; i++) {
            struct fake_call *call = &core->calls[i];
            if (call->used && call->due_ns && now_ns() >= call->due_ns) {
                call->due_ns = 0;
                call_push(core, call);
            }
            timers |= call->used && call->due_ns;
        }
        if (!ring_sleep(&core->rx))
            continue;
        struct pollfd p = {.fd = core->worker.ring_fd, .events = POLLIN};
        poll(&p, 1, timers ? 1 : 100);
        uint64_t count;
        ssize_t n = p.revents ? read(core->worker.ring_fd, &count, sizeof count) : 0;
        (void)n;
        ring_awake(&core->rx);
    }
    bell(core->worker.exit_fd);
    return NULL;
}

static bool fake_probe(char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    return true;
}

static tfaas_status_t fake_start(const struct tender_options *options, struct tender **tender,
                                 char *layers, size_t layers_size, struct tfaas_error *error)
{
    (void)options;
    (void)error;
    *tender = NULL;
    snprintf(layers, layers_size, "none");
    return TFAAS_OK;
}

static tfaas_status_t fake_launch(struct tender *tender, enum tender_role role,
                                  const char *trust_domain, struct tender_worker *worker,
                                  struct tfaas_error *error)
{
    static unsigned launched;
    (void)tender;
    (void)error;
    struct fake_core *core = calloc(1, sizeof *core);
    core->role = role;
    core->number = launched++;
    snprintf(core->domain, sizeof core->domain, "%s", trust_domain);
    void *window =
        mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    window_format(window);
    worker->window = window;
    worker->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->ring_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->exit_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->pid = -1;
    worker->backend = core;
    core->worker = *worker;
    ring_tx_init(&core->tx, window, false);
    ring_rx_init(&core->rx, window, false);
    if (fake_core_hostile_seed)
        core->seed = fake_core_hostile_seed++;
    if (pthread_create(&core->thread, NULL, core_main, core) != 0)
        abort();
    return TFAAS_OK;
}

static void fake_ended(struct tender *tender, struct tender_worker *worker, char *how,
                       size_t how_size)
{
    (void)tender;
    (void)worker;
    snprintf(how, how_size, "fake core left");
}

static void fake_destroy(struct tender *tender, struct tender_worker *worker)
{
    (void)tender;
    struct fake_core *core = worker->backend;
    atomic_store(&core->stop, true);
    bell(worker->ring_fd);
    pthread_join(core->thread, NULL);
    for (size_t i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        call_end(&core->calls[i]);
    for (size_t i = 0; i < 64; i++)
        if (core->functions[i].id)
            function_free(&core->functions[i]);
    munmap(worker->window, TFAAS_WINDOW_SIZE);
    close(worker->bell_fd);
    close(worker->ring_fd);
    close(worker->exit_fd);
    free(core);
}

static void fake_stop(struct tender *tender)
{
    (void)tender;
}

const struct tender_ops tender_fake = {
    .name = "fake",
    .probe = fake_probe,
    .start = fake_start,
    .launch = fake_launch,
    .ended = fake_ended,
    .destroy = fake_destroy,
    .stop = fake_stop,
};
