/*
 * bench_inside.c - host and core in one process: an INVOKE is put into the ring, then the core's
 * loop runs until it has answered. Everything the core does for a call is in the time; the host's
 * part and the wake-up of another process are not.
 */
#include "bench.h"

#include "core.h"
#include "identity_double.h"
#include "message.h"
#include "plat/linux/linux.h"
#include "random.h"
#include "receipts.h"
#include "scheduler.h"
#include "sealed_client.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define BATCH_CALLS 32u
#define ANSWER_MAX  8192u

static struct core_child self; /* its host half only: nothing is forked */
static uint8_t payload[TFAAS_PAYLOAD_MAX];

void inside_start(void)
{
    self.window =
        mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    self.ring_fd = eventfd(0, EFD_NONBLOCK);
    int bell = eventfd(0, EFD_NONBLOCK);
    if (self.window == MAP_FAILED || dup2(self.ring_fd, WORKER_RING_FD) < 0 ||
        dup2(bell, WORKER_BELL_FD) < 0)
        bench_die("window", "no memory or descriptors");
    window_format(self.window);
    plat_linux_attach(self.window);
    random_reseed();
    message_setup(self.window);
    sched_setup();
    ring_tx_init(&self.tx, self.window, true);
    ring_rx_init(&self.rx, self.window, true);
}

/* As core_serve does in one turn. */
static void turn(void)
{
    unsigned handled = message_handle(64);
    (void)sched_timers(plat_now_ns());
    bool ran = sched_run();
    (void)receipts_turn(plat_now_ns(), !handled && !ran);
}

static bool receive(struct tfaas_slot *slot)
{
    if (ring_receive(&self.rx, slot, payload) != TFAAS_OK)
        return false;
    (void)ring_release(&self.rx);
    return true;
}

void inside_load(uint32_t id, struct core_config config)
{
    uint8_t *bytes;
    size_t size;
    core_bundle(&config, &bytes, &size);
    for (size_t at = 0; at < size; at += TFAAS_PAYLOAD_MAX) {
        size_t piece = size - at < TFAAS_PAYLOAD_MAX ? size - at : TFAAS_PAYLOAD_MAX;
        core_send(&self, (struct tfaas_slot){.kind = TFAAS_LOAD, .id = id, .arg = {size, at}},
                  bytes + at, piece);
        turn();
    }
    free(bytes);
    struct tfaas_slot slot;
    while (!receive(&slot))
        turn();
    if (slot.kind != TFAAS_LOADED || slot.arg[0] != TFAAS_OK)
        bench_die("a function was refused", (const char *)payload);
}

static const char body[] = "{\"name\":\"world\"}", expected[] = "{\"hello\":\"world\"}";

/* From the first turn of the core until it has said something. */
static double run_until_said(void)
{
    _Atomic uint32_t *head = &((struct tfaas_window *)self.window)->c2h.head;
    uint32_t before = atomic_load(head);
    uint64_t began = plat_now_ns();
    do
        turn();
    while (atomic_load(head) == before);
    return (double)(plat_now_ns() - began) / 1000;
}

/* One call, checked; returns microseconds. */
static double call(uint32_t id, double *pages)
{
    static const char *const headers[] = {"content-type", "application/json", NULL};

    uint32_t call =
        core_begin(&self, id, "POST", "/", headers, body, sizeof body - 1, true, 10000000000u);
    double us = run_until_said();
    struct tfaas_slot slot = {0};
    bool right = false;
    while (!(slot.flags & TFAAS_END)) {
        while (!receive(&slot))
            turn();
        if (slot.kind == TFAAS_RESPONSE)
            right = memmem(payload, slot.size, expected, sizeof expected - 1) != NULL;
    }
    if (!right || slot.id != call || slot.arg[0] != TFAAS_OK)
        bench_die("a call went wrong:", tfaas_status_name((unsigned)slot.arg[0]));
    *pages = (double)slot.arg[4];
    return us;
}

struct inside_result inside_measure(uint32_t id, unsigned runs, bool reuse)
{
    struct samples times = {0}, pages = {0};
    double restored;
    wraps_reuse = false;
    for (unsigned i = 0; i < 1000; i++)
        (void)call(id, &restored);
    wraps_reuse = reuse;
    for (unsigned i = 0; i < 200; i++)
        (void)call(id, &restored);
    for (unsigned i = 0; i < runs; i++) {
        samples_add(&times, call(id, &restored));
        samples_add(&pages, restored);
    }
    if (reuse)
        wraps_forget_instance();
    struct inside_result result = {samples_median(&times), samples_median(&pages)};
    samples_free(&times);
    samples_free(&pages);
    return result;
}

double inside_pair_us(uint32_t first, uint32_t second)
{
    double ignored, before = call(first, &ignored);
    return call(second, &ignored) - before;
}

/* --- sealed calls --- */

/* Sealing and opening are the client's, outside of the time. */
static double sealed_call_us(uint32_t id, struct client_call *call,
                             const struct ohttp_key_config *config, struct client_session *session,
                             struct client_reply *reply)
{
    static uint8_t answer[TFAAS_PAYLOAD_MAX];
    if (call->form == TFAAS_SEALING_SESSION)
        client_seal_session(call, session, 0);
    else
        client_seal(call, config);
    (void)client_invoke(&self, id, call, call->sealed_size, 10000000000u,
                        client_now_s() * 1000000000u);
    double us = run_until_said();
    struct tfaas_slot slot = {0};
    size_t size = 0;
    while (!(slot.flags & TFAAS_END)) {
        while (!receive(&slot))
            turn();
        memcpy(answer + size, payload, slot.size);
        size += slot.size;
    }
    client_open(call, answer, size, reply);
    if (slot.arg[0] != TFAAS_OK || !reply->opened || reply->http_status != 200 ||
        !memmem(reply->content, reply->content_size, expected, sizeof expected - 1))
        bench_die("a sealed call went wrong:", tfaas_status_name((unsigned)slot.arg[0]));
    return us;
}

static struct client_call sealed_call(enum sealed_mode mode)
{
    static const char *const plain[] = {"content-type", "application/json", NULL};
    static const char *const receipt[] = {"content-type", "application/json", "tfaas-receipt", "1",
                                          NULL};
    return (struct client_call){.form = mode == MODE_OHTTP ? TFAAS_SEALING_OHTTP
                                                           : TFAAS_SEALING_SESSION,
                                .fields = mode == MODE_RECEIPT ? receipt : plain,
                                .body = body,
                                .body_size = sizeof body - 1};
}

static void open_session(uint32_t id, bool aes, const struct ohttp_key_config *config,
                         struct client_session *session)
{
    static const char *const wanted[] = {"tfaas-session", "1", NULL};
    struct client_reply reply;
    struct client_call call = sealed_call(MODE_OHTTP);
    call.fields = wanted;
    call.other_aead = aes;
    (void)sealed_call_us(id, &call, config, NULL, &reply);
    if (!client_session_of(&call, &reply, session))
        bench_die("no session", "");
    client_free(&call, &reply);
}

void inside_sealed(uint32_t id, unsigned runs, double us[MODES])
{
    struct samples times[MODES] = {{0}};
    struct client_session chacha, aes;
    double ignored;
    identity_double_make();
    struct ohttp_key_config config = identity_double_config();
    open_session(id, false, &config, &chacha);
    open_session(id, true, &config, &aes);
    for (unsigned i = 0; i < runs + 500; i++)
        for (unsigned mode = 0; mode < MODES; mode++) {
            struct client_reply reply;
            struct client_call sealed = sealed_call(mode);
            double took = mode == MODE_PLAIN
                              ? call(id, &ignored)
                              : sealed_call_us(id, &sealed, &config,
                                               mode == MODE_SESSION_AES ? &aes : &chacha, &reply);
            if (mode != MODE_PLAIN)
                client_free(&sealed, &reply);
            if (i >= 500)
                samples_add(&times[mode], took);
        }
    for (unsigned mode = 0; mode < MODES; mode++) {
        us[mode] = samples_median(&times[mode]);
        samples_free(&times[mode]);
    }
}

/* --- many sealed calls at once, so that one signature serves all receipts --- */

struct batch {
    struct client_call calls[BATCH_CALLS];
    uint8_t answers[BATCH_CALLS][ANSWER_MAX];
    size_t sizes[BATCH_CALLS];
    uint32_t ids[BATCH_CALLS];
    unsigned ended;
};

static void batch_take(struct batch *b)
{
    struct tfaas_slot slot;
    while (receive(&slot)) {
        unsigned i = slot.id - b->ids[0];
        if (i >= BATCH_CALLS || slot.size > ANSWER_MAX - b->sizes[i])
            bench_die("a batch went wrong", "");
        memcpy(b->answers[i] + b->sizes[i], payload, slot.size);
        b->sizes[i] += slot.size;
        b->ended += (slot.flags & TFAAS_END) != 0;
    }
}

/* Microseconds for each call; sealing and opening are outside of the time. */
static double batch_us(uint32_t id, enum sealed_mode mode, struct client_session *session)
{
    static struct batch b;
    uint64_t spent = 0;
    b.ended = 0;
    for (unsigned i = 0; i < BATCH_CALLS; i++) {
        b.calls[i] = sealed_call(mode);
        b.sizes[i] = 0;
        client_seal_session(&b.calls[i], session, 0);
        b.ids[i] = client_invoke(&self, id, &b.calls[i], b.calls[i].sealed_size, 10000000000u,
                                 client_now_s() * 1000000000u);
    }
    while (b.ended < BATCH_CALLS) {
        uint64_t began = plat_now_ns();
        turn();
        spent += plat_now_ns() - began;
        batch_take(&b);
    }
    for (unsigned i = 0; i < BATCH_CALLS; i++) {
        struct client_reply reply;
        client_open(&b.calls[i], b.answers[i], b.sizes[i], &reply);
        if (!reply.opened || reply.http_status != 200)
            bench_die("a call of a batch went wrong", "");
        client_free(&b.calls[i], &reply);
    }
    return (double)spent / 1000 / BATCH_CALLS;
}

void inside_batches(uint32_t id, unsigned runs, double *session_us, double *receipt_us)
{
    struct samples times[2] = {{0}};
    struct client_session session;
    struct ohttp_key_config config = identity_double_config();
    open_session(id, true, &config, &session);
    for (unsigned i = 0; i < runs + 20; i++)
        for (unsigned receipt = 0; receipt < 2; receipt++) {
            double us = batch_us(id, receipt ? MODE_RECEIPT : MODE_SESSION, &session);
            if (i >= 20)
                samples_add(&times[receipt], us);
        }
    *session_us = samples_median(&times[0]);
    *receipt_us = samples_median(&times[1]);
    samples_free(&times[0]);
    samples_free(&times[1]);
}

double inside_preempt_us(uint32_t id, unsigned ticks)
{
    struct samples times = {0};
    uint32_t call = core_begin(&self, id, "POST", "/", NULL, NULL, 0, true, 600000000000u);
    turn();
    wraps_preempt = &times;
    while (times.count < ticks)
        turn();
    wraps_preempt = NULL;
    core_send(&self, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = call}, NULL, 0);
    struct tfaas_slot slot;
    while (!receive(&slot))
        turn();
    double median = samples_median(&times);
    samples_free(&times);
    return median;
}
