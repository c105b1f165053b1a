/*
 * sealed_response.c - sealed calls: what the function answers becomes a Binary HTTP response,
 * sealed piece by piece (sealed_internal.h). Must never hand plaintext to the ring, and never make
 * a final chunk for an answer that failed. Nonces are random_fresh: a copied worker has the
 * same keys and the same generator, and must not seal with the same nonce.
 */
#include "random.h"
#include "sealed_internal.h"

#include "core_clock.h"
#include "http_date.h"
#include "message.h"

#include <stdio.h>
#include <stdlib.h>

#define WHOLE_FIRST 4096u
/* Room for the nonce before the message and for the tag behind it. */
#define WHOLE_PLAIN_MAX (TFAAS_SEALED_WHOLE_MAX - OHTTP_NONCE_MAX - AEAD_TAG_SIZE)

static bool is_whole(const struct sealed_call *s)
{
    return s->kind == TFAAS_SEALING_OHTTP;
}

/* --- sealing --- */

/* The nonce that a chunked response begins with, once. */
static tfaas_status_t begin_out(struct sealed_call *s, struct writer *w)
{
    if (s->out.state == OHTTP_CHUNKS_BODY) { /* the session's key was made at its look-up */
        if (s->nonce_size > 0)
            writer_put(w, s->nonce, s->nonce_size);
        s->nonce_size = 0;
        return TFAAS_OK;
    }
    random_fresh(s->nonce, sizeof s->nonce);
    return ohttp_chunks_begin_response_with(&s->out, &s->exchange, s->nonce, w);
}

/* `pending`, as one chunk in `piece`; its size, 0: it failed. */
static size_t seal_pending(struct sealed_call *s, bool final)
{
    struct writer w = writer_of(s->piece, sizeof s->piece);
    tfaas_status_t status = begin_out(s, &w);
    if (status == TFAAS_OK)
        status = ohttp_chunks_seal(&s->out, (struct span){s->pending, s->pending_size}, final, &w);
    if (s->pending_size > s->pending_used)
        s->pending_used = s->pending_size;
    s->pending_size = 0;
    return status == TFAAS_OK && !w.failed ? w.at : 0;
}

static bool send_pending(struct task *task)
{
    struct sealed_call *s = task->sealed;
    if (s->pending_size == 0)
        return true;
    size_t size = seal_pending(s, false);
    if (size == 0) {
        task->run.stop = TFAAS_INTERNAL;
        return false;
    }
    return invoke_send(task, s->piece, size, false) == 0;
}

/* --- plaintext --- */

static bool put_whole(struct task *task, const void *bytes, size_t size)
{
    struct sealed_call *s = task->sealed;
    size_t room = task->run.response_ended ? 0 : TRAILER_ROOM;
    if (size > WHOLE_PLAIN_MAX - room || s->whole_size > WHOLE_PLAIN_MAX - room - size) {
        task->run.stop = TFAAS_OUTPUT_LIMIT;
        return false;
    }
    size_t need = OHTTP_NONCE_MAX + s->whole_size + size + AEAD_TAG_SIZE;
    if (need > s->whole_capacity) {
        size_t capacity = s->whole_capacity ? s->whole_capacity * 2 : WHOLE_FIRST;
        while (capacity < need)
            capacity *= 2;
        uint8_t *larger = malloc(capacity);
        if (!larger) {
            task->run.stop = TFAAS_UNAVAILABLE;
            return false;
        }
        if (s->whole) {
            memcpy(larger, s->whole, OHTTP_NONCE_MAX + s->whole_size);
            sodium_memzero(s->whole, OHTTP_NONCE_MAX + s->whole_size);
            free(s->whole);
        }
        s->whole = larger;
        s->whole_capacity = capacity;
    }
    memcpy(s->whole + OHTTP_NONCE_MAX + s->whole_size, bytes, size);
    s->whole_size += size;
    return true;
}

static bool put(struct task *task, const void *bytes, size_t size)
{
    struct sealed_call *s = task->sealed;
    const uint8_t *from = bytes;
    if (size == 0)
        return true;
    if (is_whole(s))
        return put_whole(task, bytes, size);
    while (size > 0) {
        size_t room = sizeof s->pending - s->pending_size;
        if (room == 0) {
            if (!send_pending(task))
                return false;
            continue;
        }
        size_t part = size < room ? size : room;
        memcpy(s->pending + s->pending_size, from, part);
        s->pending_size += part;
        from += part;
        size -= part;
    }
    return true;
}

static bool put_number(struct task *task, uint64_t value)
{
    uint8_t bytes[8];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_varint(&w, value);
    return put(task, bytes, w.at);
}

static bool put_vector(struct task *task, struct span s)
{
    return put_number(task, s.size) && put(task, s.data, s.size);
}

static bool put_field(struct task *task, const char *name, struct span value)
{
    return put_vector(task, span_of_text(name)) && put_vector(task, value);
}

static bool put_content(struct task *task, const uint8_t *bytes, size_t size)
{
    struct sealed_call *s = task->sealed;
    if (size == 0 || s->no_content)
        return true;
    if (s->wants_receipt)
        sha256_update(&s->res, bytes, size);
    return put_vector(task, (struct span){bytes, size});
}

/* --- head --- */

/* The function's fields but those that only the core may set, and the core's own. */
static bool put_head(struct task *task, const struct bhttp_head *head)
{
    struct sealed_call *s = task->sealed;
    struct span name, value;
    char package[PACKAGE_TEXT_SIZE + 1];
    bool ok = put_number(task, BHTTP_STREAM_RESPONSE) && put_number(task, head->status);
    for (size_t at = 0; ok && bhttp_next_field(head->fields, &at, &name, &value);)
        if (!bhttp_field_reserved(name))
            ok = put_vector(task, name) && put_vector(task, value);
    if (ok && s->accepted) {
        sealed_package_text(task, package);
        ok = put_field(task, "tfaas-package", span_of_text(package));
    }
    if (ok && s->session_field[0])
        ok = put_field(task, "tfaas-session", span_of_text(s->session_field));
    return ok && put_number(task, 0);
}

static bool begin_response(struct task *task, const struct bhttp_head *head)
{
    struct sealed_call *s = task->sealed;
    s->http_status = head->status;
    s->no_content |= head->status == 204 || head->status == 304;
    if (s->wants_receipt) {
        sha256_init(&s->res);
        receipt_hash_head(&s->res, head);
    }
    return put_head(task, head);
}

int sealed_write(struct task *task, const uint8_t *from, size_t size, bool last)
{
    struct sealed_call *s = task->sealed;
    struct invocation *run = &task->run;
    struct bhttp_head head;
    const char *why;
    size_t head_size = 0;
    bool ok = true;
    if (run->stop != TFAAS_OK)
        return -1;
    if (run->response_ended) {
        run->stop = TFAAS_BAD_RESPONSE;
        return -1;
    }
    if (size > run->response_limit - s->plain_sent) {
        run->stop = TFAAS_OUTPUT_LIMIT;
        return -1;
    }
    if (!run->response_started) {
        if (bhttp_read_head(from, size, &head, &why) != TFAAS_OK || !head.is_response) {
            run->stop = TFAAS_BAD_RESPONSE;
            return -1;
        }
        head_size = head.size;
        run->response_started = true;
        ok = begin_response(task, &head);
    }
    ok = ok && put_content(task, from + head_size, size - head_size);
    s->plain_sent += size;
    if (ok && last)
        run->response_ended = true;
    else if (ok && !is_whole(s))
        ok = send_pending(task);
    if (ok && !last)
        message_flush();
    return ok ? 0 : -1;
}

/* --- problems --- */

/* "tag:tfaas,2026:" and the status in lower case, as words with dashes. */
static void type_of(tfaas_status_t status, char *to, size_t capacity)
{
    if (status == TFAAS_DATE_REFUSED) {
        (void)snprintf(to, capacity, "https://iana.org/assignments/http-problem-types#date");
        return;
    }
    (void)snprintf(to, capacity, "tag:tfaas,2026:%s", tfaas_status_name(status));
    for (char *c = to; *c; c++)
        *c = *c == '_' ? '-' : *c >= 'A' && *c <= 'Z' && c > to + 14 ? (char)(*c | 0x20) : *c;
}

/* Whatever keeps a function from loading, its caller did nothing wrong. */
static tfaas_status_t as_told(tfaas_status_t status)
{
    return status == TFAAS_BAD_PACKAGE || status == TFAAS_BAD_MODULE || status == TFAAS_BAD_SCRIPT
               ? TFAAS_FUNCTION_FAILED
               : status;
}

static void forget_response(struct sealed_call *s)
{
    if (s->pending_size > s->pending_used)
        s->pending_used = s->pending_size;
    s->pending_size = 0;
    if (s->whole)
        sodium_memzero(s->whole, OHTTP_NONCE_MAX + s->whole_size);
    s->whole_size = 0;
}

/* Constant texts only: they say nothing of the function or of what it holds. */
static size_t problem_text(const struct sealed_call *s, tfaas_status_t status, bool confidential,
                           char *to)
{
    char type[96];
    type_of(status, type, sizeof type);
    bool told = s->why && !confidential;
    int size = snprintf(to, PROBLEM_MAX, "{\"type\":\"%s\",\"title\":\"%s\",\"status\":%d%s%s%s}",
                        type, tfaas_status_text(status), tfaas_status_http(status),
                        told ? ",\"detail\":\"" : "", told ? s->why : "", told ? "\"" : "");
    return size > 0 && (size_t)size < PROBLEM_MAX ? (size_t)size : 0;
}

/* A problem document instead of whatever is pending. */
static bool put_problem(struct task *task, tfaas_status_t status)
{
    struct sealed_call *s = task->sealed;
    uint8_t fields[160];
    char body[PROBLEM_MAX], date[HTTP_DATE_SIZE];
    struct writer w = writer_of(fields, sizeof fields);
    status = as_told(status);
    bool confidential = task->function && task->function->function.confidential;
    size_t size = problem_text(s, status, confidential, body);
    bhttp_put_field(&w, span_of_text("content-type"), span_of_text("application/problem+json"));
    if (status == TFAAS_DATE_REFUSED) {
        http_date_write(core_clock() / 1000000000u, date);
        bhttp_put_field(&w, span_of_text("date"),
                        (struct span){(const uint8_t *)date, sizeof date});
    }
    struct bhttp_head head = {.is_response = true,
                              .status = (unsigned)tfaas_status_http(status),
                              .fields = {fields, w.at}};
    forget_response(s);
    if (size == 0 || !begin_response(task, &head) ||
        !put_content(task, (const uint8_t *)body, size))
        return false;
    task->run.response_ended = true;
    return true;
}

/* --- the end --- */

static bool put_end(struct task *task, struct span receipt)
{
    return put_number(task, 0) &&
           (receipt.size == 0 || put_field(task, "tfaas-receipt", receipt)) && put_number(task, 0);
}

/* The last bytes: with END where the credit allows it, on their own otherwise. */
static bool hold(struct task *task, uint8_t *bytes, size_t size)
{
    struct invocation *run = &task->run;
    if (run->response_sent + size > run->response_credit)
        return invoke_send(task, bytes, size, true) == 0;
    task->held = bytes;
    task->held_size = size;
    task->held_borrowed = true;
    return true;
}

static bool finish_whole(struct task *task)
{
    struct sealed_call *s = task->sealed;
    size_t nonce_size = ohttp_nonce_size(s->aead), size;
    uint8_t *to = s->whole + OHTTP_NONCE_MAX - nonce_size;
    random_fresh(s->nonce, sizeof s->nonce);
    if (ohttp_encapsulate_response_with(
            &s->exchange, s->nonce, (struct span){s->whole + OHTTP_NONCE_MAX, s->whole_size}, to,
            nonce_size + s->whole_size + AEAD_TAG_SIZE, &size) != TFAAS_OK)
        return false;
    for (; size > TFAAS_PAYLOAD_MAX; to += TFAAS_PAYLOAD_MAX, size -= TFAAS_PAYLOAD_MAX)
        if (invoke_send(task, to, TFAAS_PAYLOAD_MAX, false) != 0)
            return false;
    return hold(task, to, size);
}

static bool finish_response(struct task *task, struct span receipt)
{
    struct sealed_call *s = task->sealed;
    if (!put_end(task, receipt))
        return false;
    s->finished = true;
    if (is_whole(s))
        return finish_whole(task);
    size_t size = seal_pending(s, true);
    return size > 0 && hold(task, s->piece, size);
}

void sealed_release(struct task *task)
{
    struct sealed_call *s = task->sealed;
    if (!task->run.response_ended || s->wants_receipt || s->finished)
        return;
    if (!finish_response(task, (struct span){NULL, 0}))
        return;
    uint8_t *held = task->held;
    size_t size = task->held_size;
    task->held = NULL;
    task->held_size = 0;
    task->held_borrowed = false;
    if (held)
        (void)invoke_send(task, held, size, true);
    message_flush();
}

/* --- receipts --- */

/* False: there will be no answer that could be taken for one. */
static bool make_receipt(struct task *task, tfaas_status_t status, struct span *text)
{
    struct sealed_call *s = task->sealed;
    struct receipt_entry *e = &s->receipt;
    crypto_hash_sha256_state res = s->res;
    sha256_final(&s->req, e->req);
    sha256_final(&res, e->res);
    e->task = task;
    e->function = task->function->function.bundle.name;
    e->package = task->function->function.digest;
    e->http_status = s->http_status;
    e->outcome = status;
    if (!receipts_wait(e))
        return false;
    *text = (struct span){(const uint8_t *)e->text, e->text_size};
    return e->text_size > 0;
}

/* What the run took is known when it is over; signing and sealing are not the function's. */
static void note_facts(struct task *task, tfaas_status_t status)
{
    struct receipt_entry *e = &task->sealed->receipt;
    e->work = task->run.work;
    e->peak = task->run.peak;
    e->cpu_ns = task->cpu_ns + (plat_now_ns() - task->resumed_ns);
    e->exact =
        task->run.stop == TFAAS_OK && (status == TFAAS_OK || status == TFAAS_FUNCTION_FAILED);
}

bool sealed_owes_answer(const struct task *task)
{
    const struct sealed_call *s = task->sealed;
    return s && s->opened && !s->refused && !s->finished && !task->run.cancelled &&
           task->run.response_sent == 0;
}

/* Makes the answer whole; not OK: it could not be. */
static tfaas_status_t complete(struct task *task, tfaas_status_t status)
{
    struct sealed_call *s = task->sealed;
    struct span receipt = {NULL, 0};
    if (status != TFAAS_OK && !put_problem(task, status))
        return task->run.stop != TFAAS_OK ? task->run.stop : TFAAS_INTERNAL;
    if (s->wants_receipt && s->accepted) {
        tfaas_status_t drained = sealed_drain(task);
        if (drained != TFAAS_OK && status == TFAAS_OK)
            return drained; /* the request was not what it claimed to be */
        if (drained == TFAAS_OK && !make_receipt(task, status, &receipt))
            return task->run.stop != TFAAS_OK ? task->run.stop : TFAAS_NO_LEASE;
    }
    if (!finish_response(task, receipt))
        return task->run.stop != TFAAS_OK ? task->run.stop : TFAAS_INTERNAL;
    return TFAAS_OK;
}

void sealed_finish(struct task *task, tfaas_status_t status)
{
    struct sealed_call *s = task->sealed;
    struct invocation *run = &task->run;
    task->status = task->outcome = status;
    if (status == TFAAS_OK && s->finished)
        return;
    if (status != TFAAS_OK && !sealed_owes_answer(task))
        return;
    if (run->cancelled) {
        task->status = task->outcome = TFAAS_CANCELLED;
        return;
    }
    note_facts(task, status);
    run->stop = TFAAS_OK;
    run->response_ended = status == TFAAS_OK;
    uint64_t end_ns = plat_now_ns() + FINISH_NS;
    if (task->deadline_ns < end_ns)
        task->deadline_ns = end_ns;
    tfaas_status_t done = complete(task, status);
    if (done != TFAAS_OK && run->stop == TFAAS_OK && sealed_owes_answer(task)) {
        s->wants_receipt = false; /* a client that asked for one takes this as failed, as it is */
        task->outcome = done;
        run->response_ended = false;
        done = complete(task, done);
    }
    task->status = done;
    if (done != TFAAS_OK)
        task->outcome = done;
}
