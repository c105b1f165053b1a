/*
 * fake_sealed.h - what stands around sealed calls (core/sealed_*.c) in a core, for a test that
 * drives one call without an engine: the host's bytes in pieces, its credit, one function "f" of
 * the domain "shop", one request key. Include it once.
 */
#ifndef TFAAS_TESTS_FAKE_SEALED_H
#define TFAAS_TESTS_FAKE_SEALED_H

#include "core_clock.h"
#include "sealed_internal.h"
#include "sessions.h"

#include <stdlib.h>

#define FAKE_NOW_S 1700000000u

static struct fake_sealed {
    /* the host */
    const uint8_t *sealed;
    size_t sealed_size, given, piece; /* bytes at once; 0: all */
    uint8_t *out;                     /* malloc'ed: the response */
    size_t out_size;
    bool never_ends;              /* the rest of the request does not come: the deadline does */
    uint64_t credit, credit_step; /* at first (0: a window), and what each wait adds */
    unsigned blocks, lasts;
    /* the core */
    struct task task;
    struct loaded loaded;
    struct request_key key;
    bool no_lease, cancel_receipt;
} fake;

bool sched_block(struct task *task, enum task_state state)
{
    struct inbox *wire = sealed_wire(task->sealed);
    fake.blocks++;
    if (task->run.stop != TFAAS_OK)
        return false;
    if (state == TASK_WAIT_CREDIT) {
        task->run.response_credit += fake.credit_step ? fake.credit_step : 1000;
        return true;
    }
    size_t left = fake.sealed_size - fake.given;
    if (state != TASK_WAIT_INPUT || wire->ended || (left == 0 && fake.never_ends)) {
        task->run.stop = TFAAS_DEADLINE;
        return false;
    }
    size_t size = fake.piece && fake.piece < left ? fake.piece : left;
    if (size > wire->credited - wire->received)
        size = (size_t)(wire->credited - wire->received);
    if (size == 0 && left > 0) { /* out of credit */
        task->run.stop = TFAAS_DEADLINE;
        return false;
    }
    if (!invoke_append(wire, fake.sealed + fake.given, size))
        abort();
    fake.given += size;
    wire->ended = fake.given == fake.sealed_size && !fake.never_ends;
    return true;
}

bool invoke_append(struct inbox *in, const uint8_t *bytes, size_t size)
{
    size_t capacity = in->size + size;
    uint8_t *data = malloc(capacity + 1); /* always anew, and no larger: ASan sees what is beyond */
    if (in->size)
        memcpy(data, in->data + in->start, in->size);
    if (size)
        memcpy(data + in->size, bytes, size);
    free(in->data);
    in->data = data;
    in->start = 0;
    in->size += size;
    in->received += size;
    in->capacity = capacity;
    return true;
}

int invoke_send(struct task *task, const uint8_t *from, size_t size, bool last)
{
    struct invocation *run = &task->run;
    while (run->response_sent + size > run->response_credit)
        if (!sched_block(task, TASK_WAIT_CREDIT))
            return -1;
    fake.out = realloc(fake.out, fake.out_size + size + 1);
    if (size)
        memcpy(fake.out + fake.out_size, from, size);
    fake.out_size += size;
    fake.lasts += last;
    run->response_started = true;
    run->response_sent += size;
    run->response_ended |= last;
    return 0;
}

void invoke_send_credit(struct task *task, const struct inbox *in)
{
    (void)task, (void)in;
}

void invoke_grant_credit(struct task *task, struct inbox *in)
{
    (void)task;
    in->credited = in->received - in->size + TFAAS_STREAM_WINDOW;
}

void invoke_release_held(struct task *task)
{
    sealed_release(task);
}

void invoke_set_function(struct task *task, struct loaded *loaded)
{
    task->function = loaded;
}

tfaas_status_t invoke_wait_loaded(struct task *task)
{
    return task->function->state == LOADED_READY ? TFAAS_OK : task->function->failure;
}

struct loaded *loaded_find_name(struct span name)
{
    return span_is(name, "f") ? &fake.loaded : NULL;
}

bool receipts_wait(struct receipt_entry *entry)
{
    entry->text_size = 7;
    memcpy(entry->text, "receipt", 7);
    return !fake.cancel_receipt;
}

void message_flush(void) {}

struct request_key *identity_key(uint8_t id, bool *any)
{
    *any = !fake.no_lease;
    return !fake.no_lease && id == fake.key.id ? &fake.key : NULL;
}

const char *plat_domain(void)
{
    return "shop";
}

uint64_t plat_now_ns(void)
{
    return 5000;
}

void random_bytes(uint8_t *to, size_t size)
{
    static uint32_t count; /* ids differ */
    memset(to, 0x77, size);
    count++;
    memcpy(to, &count, size < sizeof(count) ? size : sizeof(count));
}

void random_fresh(uint8_t *to, size_t size)
{
    random_bytes(to, size);
}

/* --- one call --- */

/* The key is derived, so that a run can be repeated. */
static inline void fake_start(void)
{
    static const uint8_t ikm[32] = "a key for tests of sealed calls";
    struct hpke_key_pair pair;
    if (sodium_init() < 0 ||
        hpke_derive_key_pair(&pair, (struct span){ikm, sizeof(ikm)}) != TFAAS_OK)
        abort();
    fake.key = (struct request_key){
        .leased = true, .id = 9, .ends_ns = UINT64_MAX, .requests_left = UINT64_MAX};
    memcpy(fake.key.secret, pair.secret, 32);
    memcpy(fake.key.public_key, pair.public_key, 32);
    fake.loaded.state = LOADED_READY;
    fake.loaded.function.bundle.name = (struct span){(const uint8_t *)"f", 1};
    memset(fake.loaded.function.digest, 0xd1, 32);
    core_clock_told(FAKE_NOW_S * 1000000000ull);
}

static inline struct ohttp_key_config fake_config(void)
{
    struct ohttp_key_config config = {.id = 9, .aeads = {AEAD_CHACHA20_POLY1305}, .aead_count = 1};
    memcpy(config.public_key, fake.key.public_key, 32);
    return config;
}

/* A call whose first bytes are there. */
static inline struct task *fake_begin(enum tfaas_sealing form, struct span sealed, size_t piece)
{
    struct task *task = &fake.task;
    memset(task, 0, offsetof(struct task, text));
    task->sealed = sealed_new(form);
    task->function = &fake.loaded;
    task->run.response_limit = 4u << 20;
    task->run.response_credit = fake.credit ? fake.credit : TFAAS_STREAM_WINDOW;
    sealed_wire(task->sealed)->credited = TFAAS_STREAM_WINDOW;
    fake.sealed = sealed.data;
    fake.sealed_size = sealed.size;
    fake.given = 0;
    fake.piece = piece;
    fake.out_size = 0;
    fake.blocks = fake.lasts = 0;
    return task;
}

/* Takes what was to travel with END, too. */
static inline void fake_end(struct task *task)
{
    if (task->held) {
        uint8_t *held = task->held;
        task->held = NULL;
        if (task->run.response_sent + task->held_size > task->run.response_credit)
            abort(); /* END does not wait for credit */
        if (invoke_send(task, held, task->held_size, true) != 0)
            abort();
    }
    free(task->run.in.data);
    sealed_free(task->sealed);
    task->sealed = NULL;
}

#endif
