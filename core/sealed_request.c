/*
 * sealed_request.c - sealed calls: the Binary HTTP request inside, which function it is for,
 * whether it may be served, and the plain stream that the function reads (sealed_internal.h). Must
 * never start a function for a request that has not been accepted.
 */
#include "sealed_internal.h"

#include "base64url.h"
#include "core_clock.h"
#include "http_date.h"
#include "replay.h"
#include "sessions.h"

#include <stdlib.h>

#define PARSED_AT_ONCE 16384u /* plaintext bytes, so that the run's inbox stays small */
#define NAME_MAX_SIZE  63u
#define ROUTE          "/function/"

/* Fields of a connection, as in plain calls (SPECIFICATION.md S103); what the host alone tells. */
static bool is_hidden(struct span name)
{
    /* clang-format off */
    static const char *const hidden[] = {
        "connection", "keep-alive", "te", "proxy-authenticate", "proxy-authorization", "trailer",
        "proxy-connection", "upgrade", "transfer-encoding", "host", "expect", "x-start-time"};
    /* clang-format on */
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (span_is(name, hidden[i]))
            return true;
    return bhttp_field_reserved(name);
}

/* --- Binary HTTP --- */

/* May another event be had without waiting? */
static bool has_more(const struct sealed_call *s)
{
    return cursor_left(&s->plain) > 0 || s->plain_last;
}

/* One event; opens more where that is needed. */
static tfaas_status_t next_event(struct task *task, struct bhttp_event *event)
{
    struct sealed_call *s = task->sealed;
    for (;;) {
        if (has_more(s)) {
            size_t left = cursor_left(&s->plain);
            size_t part = left < PARSED_AT_ONCE ? left : PARSED_AT_ONCE;
            struct cursor in = cursor_of(s->plain.data + s->plain.at, part);
            tfaas_status_t status =
                bhttp_reader_next(&s->reader, &in, s->plain_last && part == left, event, &s->why);
            s->plain.at += in.at;
            if (s->reader.used > s->head_used)
                s->head_used = s->reader.used;
            if (status != TFAAS_OK || event->kind != BHTTP_MORE)
                return status;
        }
        if (cursor_left(&s->plain) > 0)
            continue;
        tfaas_status_t status = sealed_open_more(task);
        if (status != TFAAS_OK)
            return status;
    }
}

/* --- the head's fields --- */

static tfaas_status_t refuse(struct sealed_call *s, tfaas_status_t status, const char *why)
{
    s->why = why;
    return status;
}

static tfaas_status_t take_fields(struct sealed_call *s)
{
    struct span name, value;
    unsigned dates = 0;
    for (size_t at = 0; bhttp_next_field(s->head.fields, &at, &name, &value);) {
        if (span_is(name, "date")) {
            if (dates++ || http_date_read(value, &s->date_s) != TFAAS_OK)
                return refuse(s, TFAAS_DATE_REFUSED, "the date field is no single IMF-fixdate");
        } else if (span_is(name, "tfaas-package")) {
            s->demands_package = true;
            memset(s->wanted_package, 0, sizeof s->wanted_package);
            if (value.size == sizeof s->wanted_package)
                memcpy(s->wanted_package, value.data, value.size);
        } else if (span_is(name, "tfaas-receipt")) {
            s->wants_receipt = span_is(value, "1");
        } else if (span_is(name, "tfaas-session")) {
            s->wants_session = span_is(value, "1") && s->kind != TFAAS_SEALING_SESSION;
        }
    }
    if (dates == 0)
        return refuse(s, TFAAS_DATE_REFUSED, "there is no date field");
    return TFAAS_OK;
}

static bool method_ok(struct span method)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_is(method, known[i]))
            return true;
    return false;
}

/* /function/NAME[.NS][/REST][?QUERY]: the name, without a namespace; and where the rest begins. A
 * namespace must be this core's domain. */
static bool split_path(struct span path, struct span *name, size_t *rest)
{
    const size_t route = sizeof ROUTE - 1;
    if (path.size <= route || memcmp(path.data, ROUTE, route) != 0)
        return false;
    size_t end = route;
    while (end < path.size && path.data[end] != '/' && path.data[end] != '?')
        end++;
    *rest = end;
    *name = (struct span){path.data + route, end - route};
    const uint8_t *dot = memchr(name->data, '.', name->size);
    if (dot) {
        struct span space = {dot + 1, name->size - (size_t)(dot + 1 - name->data)};
        if (!span_is(space, plat_domain()))
            return false;
        name->size = (size_t)(dot - name->data);
    }
    for (size_t i = 0; i < name->size; i++) {
        uint8_t c = name->data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return name->size > 0 && name->size <= NAME_MAX_SIZE;
}

/* --- routing --- */

static tfaas_status_t route(struct task *task, struct span name)
{
    struct sealed_call *s = task->sealed;
    if (!task->function) {
        struct loaded *loaded = loaded_find_name(name);
        if (!loaded) { /* the host may load it and call again: nothing was consumed */
            s->refused = true;
            memcpy(task->text, name.data, name.size);
            task->text_size = name.size;
            return TFAAS_MISDIRECTED;
        }
        invoke_set_function(task, loaded);
        return TFAAS_OK;
    }
    tfaas_status_t status = invoke_wait_loaded(task);
    if (status != TFAAS_OK)
        return status;
    struct span own = task->function->function.bundle.name;
    if (own.size != name.size || memcmp(own.data, name.data, name.size) != 0)
        return refuse(s, TFAAS_MISDIRECTED, "the request is for another function than was called");
    return TFAAS_OK;
}

/* --- once only --- */

static tfaas_status_t accept_session(struct sealed_call *s)
{
    struct core_session *session = sessions_find(s->session_head);
    uint64_t sequence = 0;
    if (!session)
        return TFAAS_SESSION_UNKNOWN;
    for (unsigned i = 0; i < 8; i++)
        sequence = sequence << 8 | s->session_head[SESSION_ID_SIZE + i];
    return session_window_accept(&session->window, sequence) ? TFAAS_OK : TFAAS_REPLAYED;
}

/* The key may have ended since, and another may have its id. */
static struct request_key *same_key(struct sealed_call *s)
{
    struct request_key *key = identity_key(s->key_id, &s->any_key);
    if (key && memcmp(key->public_key, s->key_public, sizeof s->key_public) == 0)
        return key;
    return NULL;
}

static tfaas_status_t begin_new_session(struct sealed_call *s, const struct request_key *key)
{
    char id[BASE64URL_SIZE(SESSION_ID_SIZE) + 1];
    uint64_t now = plat_now_ns();
    uint64_t life_s = key->ends_ns > now ? (key->ends_ns - now) / 1000000000u : 0;
    struct core_session *session = sessions_new(key, s->aead);
    tfaas_status_t status = hpke_export(
        &s->exchange.hpke,
        (struct span){(const uint8_t *)SESSION_EXPORT_LABEL, sizeof SESSION_EXPORT_LABEL - 1},
        session->secret, sizeof session->secret);
    if (status == TFAAS_OK)
        status = base64url_encode((struct span){session->id, sizeof session->id}, id, sizeof id);
    if (status == TFAAS_OK)
        (void)snprintf(s->session_field, sizeof s->session_field, "%s;max-age=%llu", id,
                       (unsigned long long)life_s);
    return status;
}

static tfaas_status_t accept_encapsulated(struct sealed_call *s, uint64_t now_s)
{
    struct request_key *key = same_key(s);
    if (!key || key->requests_left == 0)
        return s->any_key ? TFAAS_KEY_UNKNOWN : TFAAS_NO_LEASE;
    if (!key->replay && !(key->replay = replay_new()))
        return TFAAS_BUSY;
    tfaas_status_t status = replay_accept(key->replay, s->exchange.enc, s->date_s, now_s);
    if (status != TFAAS_OK)
        return status;
    key->requests_left--;
    return s->wants_session ? begin_new_session(s, key) : TFAAS_OK;
}

/* No waiting in here: what is checked is still so when it is done. */
static tfaas_status_t accept(struct sealed_call *s)
{
    uint64_t now_s = core_clock() / 1000000000u;
    if (replay_date(s->date_s, now_s) != TFAAS_OK)
        return refuse(s, TFAAS_DATE_REFUSED, "the date is too far from the core's clock");
    tfaas_status_t status =
        s->kind == TFAAS_SEALING_SESSION ? accept_session(s) : accept_encapsulated(s, now_s);
    if (status == TFAAS_OK)
        s->accepted = true;
    else
        s->refused = status != TFAAS_INTERNAL;
    return status;
}

/* --- the plain stream --- */

static void put_fields(struct writer *w, struct span fields)
{
    struct span name, value;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);) {
        if (is_hidden(name))
            continue;
        writer_vector(w, name.data, name.size);
        writer_vector(w, value.data, value.size);
    }
}

static void put_head(struct writer *w, const struct bhttp_head *head, size_t rest,
                     size_t section_size)
{
    struct span tail = {head->path.data + rest, head->path.size - rest};
    bool slash = tail.size == 0 || tail.data[0] != '/';
    bhttp_put_framing(w, BHTTP_KNOWN_REQUEST);
    bhttp_put_part(w, head->method);
    bhttp_put_part(w, head->scheme);
    bhttp_put_part(w, head->authority);
    writer_varint(w, tail.size + slash);
    if (slash)
        writer_u8(w, '/');
    writer_put(w, tail.data, tail.size);
    writer_varint(w, section_size);
    put_fields(w, head->fields);
}

/* The head as the function sees it, in run.in, with room for content that came along. */
static tfaas_status_t make_head(struct task *task, size_t rest)
{
    struct sealed_call *s = task->sealed;
    struct inbox *in = &task->run.in;
    struct writer section = writer_of(s->head_bytes, 0), size = section; /* they measure */
    put_fields(&section, s->head.fields);
    put_head(&size, &s->head, rest, section.at);
    size_t along = cursor_left(&s->plain);
    in->capacity = size.at + (along < PARSED_AT_ONCE ? along : PARSED_AT_ONCE);
    if (!(in->data = malloc(in->capacity)))
        return TFAAS_UNAVAILABLE;
    struct writer w = writer_of(in->data, in->capacity);
    put_head(&w, &s->head, rest, section.at);
    if (w.failed)
        return TFAAS_INTERNAL;
    in->start = 0;
    in->size = w.at;
    return TFAAS_OK;
}

/* One piece of content: into the inbox, or only into the request's hash. */
static tfaas_status_t take_content(struct task *task, bool keep)
{
    struct sealed_call *s = task->sealed;
    struct inbox *in = &task->run.in;
    struct bhttp_event event;
    tfaas_status_t status = next_event(task, &event);
    if (status != TFAAS_OK)
        return status;
    if (event.kind == BHTTP_END) {
        in->ended = true;
        return TFAAS_OK;
    }
    if (event.kind != BHTTP_CONTENT)
        return refuse(s, TFAAS_BAD_REQUEST, "a second head");
    if (s->wants_receipt)
        sha256_update(&s->req, event.content.data, event.content.size);
    if (!keep)
        return TFAAS_OK;
    return invoke_append(in, event.content.data, event.content.size) ? TFAAS_OK : TFAAS_UNAVAILABLE;
}

/* What is opened already, up to the bound: a small request is whole at its first read. */
static tfaas_status_t take_opened(struct task *task)
{
    struct inbox *in = &task->run.in;
    tfaas_status_t status = TFAAS_OK;
    while (status == TFAAS_OK && !in->ended && has_more(task->sealed) && in->size < PARSED_AT_ONCE)
        status = take_content(task, true);
    return status;
}

tfaas_status_t sealed_pull(struct task *task)
{
    struct inbox *in = &task->run.in;
    if (in->ended)
        return TFAAS_OK;
    tfaas_status_t status = take_content(task, true);
    return status == TFAAS_OK ? take_opened(task) : status;
}

tfaas_status_t sealed_drain(struct task *task)
{
    tfaas_status_t status = TFAAS_OK;
    while (status == TFAAS_OK && !task->run.in.ended)
        status = take_content(task, false);
    return status;
}

/* --- begin --- */

static tfaas_status_t read_head(struct task *task)
{
    struct sealed_call *s = task->sealed;
    struct bhttp_event event;
    bhttp_reader_begin(&s->reader, s->head_bytes, sizeof s->head_bytes);
    tfaas_status_t status = next_event(task, &event);
    if (status != TFAAS_OK)
        return status;
    if (event.kind != BHTTP_HEAD || event.head.is_response)
        return refuse(s, TFAAS_BAD_REQUEST, "not a request");
    s->head = event.head;
    s->head_seen = true;
    s->no_content = span_is(s->head.method, "HEAD");
    if (!method_ok(s->head.method))
        return refuse(s, TFAAS_BAD_REQUEST, "this method is not served");
    return take_fields(s);
}

tfaas_status_t sealed_begin(struct task *task)
{
    struct sealed_call *s = task->sealed;
    struct span name;
    size_t rest;
    tfaas_status_t status = read_head(task);
    if (status != TFAAS_OK)
        return status;
    if (!split_path(s->head.path, &name, &rest))
        return refuse(s, TFAAS_MISDIRECTED, "the path names no function of this core");
    status = route(task, name);
    if (status == TFAAS_OK)
        status = accept(s);
    if (status != TFAAS_OK)
        return status;
    if (s->wants_receipt) {
        sha256_init(&s->req);
        receipt_hash_head(&s->req, &s->head);
    }
    status = make_head(task, rest);
    s->why = NULL;
    return status == TFAAS_OK ? take_opened(task) : status;
}

void sealed_package_text(const struct task *task, char to[PACKAGE_TEXT_SIZE + 1])
{
    memcpy(to, "sha256:", 7);
    sodium_bin2hex(to + 7, PACKAGE_TEXT_SIZE + 1 - 7, task->function->function.digest,
                   PACKAGE_DIGEST_SIZE);
}

tfaas_status_t sealed_check_package(struct task *task)
{
    struct sealed_call *s = task->sealed;
    char own[PACKAGE_TEXT_SIZE + 1];
    if (!s->demands_package)
        return TFAAS_OK;
    sealed_package_text(task, own);
    if (memcmp(s->wanted_package, own, sizeof s->wanted_package) != 0)
        return refuse(s, TFAAS_PACKAGE_MISMATCH, "the function has another package");
    return TFAAS_OK;
}
