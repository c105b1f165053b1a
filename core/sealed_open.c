/*
 * sealed_open.c - sealed calls: from what arrived to plaintext, piece by piece (sealed_internal.h).
 * Must never give out bytes that did not authenticate.
 */
#include "random.h"
#include "sealed_internal.h"

#include "message.h"
#include "sessions.h"

#include <stdlib.h>

/* --- the wire --- */

static void consume(struct task *task, size_t size)
{
    struct inbox *wire = &task->sealed->wire;
    wire->start += size;
    wire->size -= size;
    if (wire->size == 0)
        wire->start = 0;
    invoke_grant_credit(task, wire);
}

static struct span on_wire(const struct sealed_call *s)
{
    static const uint8_t none[1];
    return s->wire.data ? (struct span){s->wire.data + s->wire.start, s->wire.size}
                        : (struct span){none, 0};
}

/* Waits until `size` bytes are there or the end. */
static tfaas_status_t await(struct task *task, size_t size)
{
    struct inbox *wire = &task->sealed->wire;
    while (wire->size < size && !wire->ended) {
        invoke_release_held(task); /* the rest of the request may wait for the answer */
        if (!sched_block(task, TASK_WAIT_INPUT))
            return task->run.stop;
    }
    return TFAAS_OK;
}

/* --- keys --- */

/* A copy, for one decapsulation: the key itself may end while the call goes on. */
static struct hpke_key_pair found_pair;

static const struct hpke_key_pair *find_key(void *user, uint8_t id, uint16_t aead)
{
    struct sealed_call *s = user;
    const struct request_key *key = identity_key(id, &s->any_key);
    if (!key || key->requests_left == 0)
        return NULL;
    s->key_id = id;
    s->aead = aead;
    memcpy(s->key_public, key->public_key, sizeof s->key_public);
    memcpy(found_pair.secret, key->secret, sizeof found_pair.secret);
    memcpy(found_pair.public_key, key->public_key, sizeof found_pair.public_key);
    return &found_pair;
}

/* What the formats say, as the host is told. */
static tfaas_status_t open_failed(const struct sealed_call *s, tfaas_status_t status)
{
    sodium_memzero(&found_pair, sizeof found_pair);
    if (status == TFAAS_NOT_FOUND)
        return s->any_key ? TFAAS_KEY_UNKNOWN : TFAAS_NO_LEASE;
    return status == TFAAS_UNSUPPORTED ? TFAAS_KEY_UNKNOWN : TFAAS_NOT_OPENED;
}

/* --- the forms --- */

/* The whole message, opened where it lies. */
static tfaas_status_t open_whole(struct task *task)
{
    struct sealed_call *s = task->sealed;
    size_t size;
    if (!s->wire.ended && s->wire.credited <= TFAAS_SEALED_WHOLE_MAX) {
        s->wire.credited = TFAAS_SEALED_WHOLE_MAX + 1; /* one more shows that it is too large */
        invoke_send_credit(task, &s->wire);
    }
    tfaas_status_t status = await(task, TFAAS_SEALED_WHOLE_MAX + 1);
    if (status != TFAAS_OK)
        return status;
    if (s->wire.received > TFAAS_SEALED_WHOLE_MAX)
        return TFAAS_TOO_LARGE;
    struct span message = on_wire(s);
    uint8_t *to = NULL; /* an empty request has no bytes at all: no buffer to be inside of */
    size_t room = 0;
    if (message.size >= OHTTP_REQUEST_OVERHEAD) {
        to = s->wire.data + s->wire.start + OHTTP_HEADER_SIZE + HPKE_ENC_SIZE;
        room = message.size - OHTTP_REQUEST_OVERHEAD;
    }
    status = ohttp_decapsulate_request(&s->exchange, message, &ohttp_labels_standard, find_key, s,
                                       to, room, &size, &s->why);
    if (status != TFAAS_OK)
        return open_failed(s, status);
    sodium_memzero(&found_pair, sizeof found_pair);
    s->opened = true;
    s->plain = cursor_of(to, size);
    s->plain_last = true;
    return TFAAS_OK;
}

/* Id, sequence and nonce: both directions' keys follow from them. */
static tfaas_status_t begin_session(struct task *task)
{
    struct sealed_call *s = task->sealed;
    uint8_t key[32];
    tfaas_status_t status = await(task, SESSION_REQUEST_HEAD);
    if (status != TFAAS_OK)
        return status;
    if (s->wire.size < SESSION_REQUEST_HEAD)
        return TFAAS_NOT_OPENED;
    memcpy(s->session_head, on_wire(s).data, SESSION_REQUEST_HEAD);
    const struct core_session *session = sessions_find(s->session_head);
    if (!session)
        return TFAAS_SESSION_UNKNOWN;
    s->session_found = true;
    s->aead = session->aead;
    s->nonce_size = SESSION_NONCE_SIZE;
    random_fresh(s->nonce, s->nonce_size); /* as in sealed_response.c */
    session_request_key(session->secret, s->session_head, key);
    session_await(&s->in, s->aead, key, s->opened_bytes);
    session_response_key(session->secret, s->session_head, s->nonce, key);
    session_begin(&s->out, s->aead, key);
    sodium_memzero(key, sizeof key);
    consume(task, SESSION_REQUEST_HEAD);
    return TFAAS_OK;
}

static tfaas_status_t begin_chunks(struct task *task)
{
    struct sealed_call *s = task->sealed;
    if (s->in.buffer)
        return TFAAS_OK;
    if (s->kind == TFAAS_SEALING_SESSION)
        return begin_session(task);
    ohttp_chunks_await_request(&s->in, &s->exchange, &ohttp_labels_chunked, find_key, s,
                               s->opened_bytes);
    return TFAAS_OK;
}

static tfaas_status_t open_chunk(struct task *task)
{
    struct sealed_call *s = task->sealed;
    tfaas_status_t status = begin_chunks(task);
    while (status == TFAAS_OK) {
        enum ohttp_chunk_event event;
        struct span plain;
        struct cursor in = cursor_of(on_wire(s).data, s->wire.size);
        status = ohttp_chunks_open(&s->in, &in, s->wire.ended, &event, &plain, &s->why);
        if (status != TFAAS_OK)
            return open_failed(s, status);
        sodium_memzero(&found_pair, sizeof found_pair);
        consume(task, in.at);
        if (event != OHTTP_CHUNK_MORE) {
            s->opened = true;
            s->plain = cursor_of(plain.data, plain.size);
            s->plain_last = event == OHTTP_CHUNK_FINAL;
            if (plain.size > s->opened_used)
                s->opened_used = plain.size;
            return TFAAS_OK;
        }
        status = await(task, 1);
    }
    return status;
}

tfaas_status_t sealed_open_more(struct task *task)
{
    return task->sealed->kind == TFAAS_SEALING_OHTTP ? open_whole(task) : open_chunk(task);
}
