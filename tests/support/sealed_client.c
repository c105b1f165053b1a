/* sealed_client.c - see sealed_client.h. Test code: any surprise ends the test with a message. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sealed_client.h"

#include "base64url.h"
#include "bhttp_stream.h"
#include "http_date.h"
#include "receipt.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PLAIN_MAX (32u << 20)

void (*client_tap)(const struct tfaas_slot *slot, const uint8_t *payload);

static void die(const char *what)
{
    (void)fprintf(stderr, "sealed_client: %s\n", what);
    exit(99);
}

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* Not through the C library: the core's own clock_gettime() is linked in its place. */
uint64_t client_now_s(void)
{
    struct timespec now = {0};
    (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

/* --- requests --- */

static void put_fields(struct writer *w, const struct client_call *call)
{
    char date[HTTP_DATE_SIZE];
    if (call->date_s != DATE_NONE) {
        http_date_write(call->date_s ? call->date_s : client_now_s(), date);
        bhttp_put_field(w, text("date"), (struct span){(const uint8_t *)date, sizeof date});
    }
    for (const char *const *f = call->fields; f && *f; f += 2)
        bhttp_put_field(w, text(f[0]), text(f[1]));
}

static void hash_request(struct client_call *call, struct span fields, const char *method,
                         const char *path)
{
    crypto_hash_sha256_state state;
    struct bhttp_head head = {.method = text(method),
                              .scheme = text("https"),
                              .authority = text("example.com"),
                              .path = text(path),
                              .fields = fields};
    crypto_hash_sha256_init(&state);
    receipt_hash_head(&state, &head);
    crypto_hash_sha256_update(&state, call->body, call->body_size);
    crypto_hash_sha256_final(&state, call->req_hash);
}

/* The Binary HTTP message; malloc'ed. */
static struct writer make_plain(struct client_call *call)
{
    static uint8_t scratch[256u << 10];
    const char *method = call->method ? call->method : call->body_size ? "POST" : "GET";
    const char *path = call->path ? call->path : "/function/test";
    size_t capacity = call->body_size + call->body_size / 64 + sizeof scratch + call->padding;
    struct writer w = writer_of(malloc(capacity), capacity);
    struct writer fields = writer_of(scratch, sizeof scratch);
    put_fields(&fields, call);
    hash_request(call, (struct span){scratch, fields.at}, method, path);
    bhttp_put_framing(&w, call->known_length ? BHTTP_KNOWN_REQUEST : BHTTP_STREAM_REQUEST);
    bhttp_put_request(&w, text(method), text("https"), text("example.com"), text(path));
    if (call->known_length) {
        bhttp_put_part(&w, (struct span){scratch, fields.at});
        bhttp_put_part(&w, (struct span){call->body, call->body_size});
    } else {
        writer_put(&w, scratch,
                   fields.at); /* those that were hashed: a second later the date differs */
        bhttp_put_end(&w);
        for (size_t at = 0; at < call->body_size; at += 10000)
            bhttp_put_chunk(
                &w, (struct span){(const uint8_t *)call->body + at,
                                  call->body_size - at < 10000 ? call->body_size - at : 10000});
        bhttp_put_end(&w);
        if (call->trailer)
            bhttp_put_field(&w, text("x-trailer"), text("ignored"));
        bhttp_put_end(&w);
    }
    if (call->padding)
        bhttp_put_padding(&w, w.at + call->padding);
    if (w.failed || fields.failed)
        die("a request that does not fit");
    return w;
}

static void seal_chunks(struct client_call *call, struct ohttp_chunks *c, struct writer plain,
                        struct writer *out)
{
    size_t piece = call->chunk_size ? call->chunk_size : OHTTP_CHUNK_MAX, at = 0;
    for (; plain.at - at > piece; at += piece)
        if (ohttp_chunks_seal(c, (struct span){plain.data + at, piece}, false, out) != TFAAS_OK)
            die("seal");
    if (ohttp_chunks_seal(c, (struct span){plain.data + at, plain.at - at}, true, out) != TFAAS_OK)
        die("seal the last");
}

static struct writer begin(struct client_call *call, const struct writer *plain)
{
    size_t piece = call->chunk_size ? call->chunk_size : OHTTP_CHUNK_MAX;
    size_t capacity = plain->at + (plain->at / piece + 2) * OHTTP_CHUNK_OVERHEAD + 128;
    call->sealed = malloc(capacity);
    return writer_of(call->sealed, capacity);
}

static uint16_t aead_of(const struct client_call *call)
{
    return call->other_aead ? AEAD_AES_256_GCM : AEAD_CHACHA20_POLY1305;
}

void client_seal(struct client_call *call, const struct ohttp_key_config *config)
{
    struct writer plain = make_plain(call), out = begin(call, &plain);
    tfaas_status_t status;
    call->aead = aead_of(call);
    if (call->form == TFAAS_SEALING_OHTTP) {
        status = ohttp_encapsulate_request(
            &call->exchange, config, call->aead, &ohttp_labels_standard,
            (struct span){plain.data, plain.at}, out.data, out.capacity, &out.at);
    } else {
        struct ohttp_chunks c;
        status = ohttp_chunks_begin_request(&c, &call->exchange, config, call->aead,
                                            &ohttp_labels_chunked, &out);
        if (status == TFAAS_OK)
            seal_chunks(call, &c, plain, &out);
    }
    if (status != TFAAS_OK)
        die("encapsulate");
    call->sealed_size = out.at;
    free(plain.data);
}

void client_seal_session(struct client_call *call, struct client_session *session,
                         uint64_t sequence)
{
    struct writer plain = make_plain(call), out = begin(call, &plain);
    struct writer head = writer_of(call->session_head, sizeof call->session_head);
    struct ohttp_chunks c;
    uint8_t nonce[SESSION_NONCE_SIZE], key[32];
    uint64_t number = sequence ? sequence : ++session->sequence;
    randombytes_buf(nonce, sizeof nonce);
    writer_put(&head, session->id, sizeof session->id);
    for (unsigned i = 0; i < 8; i++)
        writer_u8(&head, (uint8_t)(number >> (56 - 8 * i)));
    writer_put(&head, nonce, sizeof nonce);
    session_request_key(session->secret, call->session_head, key);
    session_begin(&c, session->aead, key);
    writer_put(&out, call->session_head, sizeof call->session_head);
    seal_chunks(call, &c, plain, &out);
    call->session = session;
    call->sealed_size = out.at;
    free(plain.data);
}

/* --- replies --- */

/* Opens as much as there is. True: the message is whole. */
static bool open_chunks(struct client_call *call, struct cursor *in, struct client_reply *reply)
{
    static uint8_t buffer[OHTTP_CHUNK_BUFFER_SIZE];
    struct ohttp_chunks c;
    uint8_t key[32];
    if (call->form == TFAAS_SEALING_SESSION) {
        struct span nonce = cursor_take(in, SESSION_NONCE_SIZE);
        if (in->failed)
            return false;
        session_response_key(call->session->secret, call->session_head, nonce.data, key);
        session_await(&c, call->session->aead, key, buffer);
    } else {
        ohttp_chunks_await_response(&c, &call->exchange, buffer);
    }
    for (;;) {
        enum ohttp_chunk_event event;
        struct span plain;
        if (ohttp_chunks_open(&c, in, true, &event, &plain, &reply->why) != TFAAS_OK)
            return false;
        memcpy(reply->plain + reply->plain_size, plain.data, plain.size);
        reply->plain_size += plain.size;
        if (event == OHTTP_CHUNK_FINAL)
            return true;
    }
}

static void keep_field(struct client_reply *reply, struct span name, struct span value)
{
    static const char *const kept[] = {"tfaas-package", "tfaas-session", "tfaas-receipt"};
    char *const to[] = {reply->package, reply->session, reply->receipt};
    const size_t room[] = {sizeof reply->package, sizeof reply->session, sizeof reply->receipt};
    for (size_t i = 0; i < 3; i++)
        if (span_is(name, kept[i]) && value.size < room[i])
            (void)snprintf(to[i], room[i], "%.*s", (int)value.size, (const char *)value.data);
    size_t at = strlen(reply->fields);
    (void)snprintf(reply->fields + at, sizeof reply->fields - at, "%.*s: %.*s\n", (int)name.size,
                   (const char *)name.data, (int)value.size, (const char *)value.data);
}

static void keep_fields(struct client_reply *reply, struct span fields)
{
    struct span name, value;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);)
        keep_field(reply, name, value);
}

static bool read_reply(struct client_reply *reply)
{
    static uint8_t buffer[BHTTP_HEAD_MAX];
    struct bhttp_reader reader;
    struct bhttp_event event;
    crypto_hash_sha256_state state;
    struct cursor in = cursor_of(reply->plain, reply->plain_size);
    bhttp_reader_begin(&reader, buffer, sizeof buffer);
    reply->content = realloc(reply->content, reply->plain_size + 1);
    do {
        if (bhttp_reader_next(&reader, &in, true, &event, &reply->why) != TFAAS_OK)
            return false;
        if (event.kind == BHTTP_HEAD) {
            reply->http_status = event.head.status;
            keep_fields(reply, event.head.fields);
            crypto_hash_sha256_init(&state);
            receipt_hash_head(&state, &event.head);
        } else if (event.kind == BHTTP_CONTENT) {
            memcpy(reply->content + reply->content_size, event.content.data, event.content.size);
            reply->content_size += event.content.size;
            crypto_hash_sha256_update(&state, event.content.data, event.content.size);
        } else if (event.kind == BHTTP_END) {
            keep_fields(reply, event.head.fields);
        }
    } while (event.kind != BHTTP_END);
    reply->content[reply->content_size] = 0;
    crypto_hash_sha256_final(&state, reply->res_hash);
    return true;
}

void client_open(struct client_call *call, const uint8_t *bytes, size_t size,
                 struct client_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    reply->why = "";
    reply->plain = malloc(size + 1);
    reply->content = calloc(1, 1);
    struct cursor in = cursor_of(bytes, size);
    bool whole;
    if (call->form == TFAAS_SEALING_OHTTP)
        whole =
            ohttp_decapsulate_response(&call->exchange, (struct span){bytes, size}, reply->plain,
                                       size, &reply->plain_size, &reply->why) == TFAAS_OK;
    else
        whole = open_chunks(call, &in, reply);
    reply->opened_size = reply->plain_size;
    reply->opened = whole && read_reply(reply);
}

bool client_session_of(struct client_call *call, const struct client_reply *reply,
                       struct client_session *session)
{
    size_t size = 0, text_size = strcspn(reply->session, ";");
    *session = (struct client_session){.aead = call->aead};
    return base64url_decode((struct span){(const uint8_t *)reply->session, text_size}, session->id,
                            sizeof session->id, &size) == TFAAS_OK &&
           size == SESSION_ID_SIZE &&
           hpke_export(&call->exchange.hpke, text(SESSION_EXPORT_LABEL), session->secret,
                       sizeof session->secret) == TFAAS_OK;
}

void client_free(struct client_call *call, struct client_reply *reply)
{
    free(call->sealed);
    call->sealed = NULL;
    if (reply) {
        free(reply->plain);
        free(reply->content);
        reply->plain = reply->content = NULL;
    }
}

/* --- the host --- */

uint32_t client_invoke(struct core_child *core, uint32_t function, const struct client_call *call,
                       size_t first, uint64_t deadline_ns, uint64_t realtime_ns)
{
    uint32_t id = ++core->next_id;
    core_send(
        core,
        (struct tfaas_slot){.kind = TFAAS_INVOKE,
                            .flags = TFAAS_SEALED | (first == call->sealed_size ? TFAAS_LAST : 0),
                            .id = id,
                            .arg = {function, deadline_ns, realtime_ns, call->form}},
        call->sealed, first);
    return id;
}

/* Sends what the credit allows, without waiting for room. */
static void send_more(struct core_child *core, uint32_t id, const struct client_call *call,
                      size_t *sent, uint64_t credit)
{
    while (*sent < call->sealed_size && *sent < credit) {
        size_t size = call->sealed_size - *sent;
        if (size > TFAAS_PAYLOAD_MAX)
            size = TFAAS_PAYLOAD_MAX;
        if (size > credit - *sent)
            size = (size_t)(credit - *sent);
        core_send(core,
                  (struct tfaas_slot){.kind = TFAAS_BODY,
                                      .flags = *sent + size == call->sealed_size ? TFAAS_LAST : 0,
                                      .id = id},
                  call->sealed + *sent, size);
        *sent += size;
    }
}

static void keep(struct client_answer *answer, const struct tfaas_slot *slot,
                 const uint8_t *payload)
{
    struct core_answer *core = &answer->core;
    bool stream =
        slot->kind == TFAAS_RESPONSE || (slot->kind == TFAAS_BODY && !(slot->flags & TFAAS_CREDIT));
    if (stream) {
        core->bytes = realloc(core->bytes, core->size + slot->size + 1);
        memcpy(core->bytes + core->size, payload, slot->size);
        core->size += slot->size;
        answer->messages++;
    } else if (slot->kind == TFAAS_LOG) {
        size_t room = sizeof core->log - 1 - core->log_size;
        size_t size = slot->size < room ? slot->size : room;
        memcpy(core->log + core->log_size, payload, size);
        core->log_size += size;
    } else if (slot->flags & TFAAS_END) {
        answer->end_size = slot->size < sizeof answer->end_text ? slot->size : 0;
        memcpy(answer->end_text, payload, answer->end_size);
    }
    if (slot->flags & TFAAS_END) {
        core->status = (unsigned)slot->arg[0];
        core->work = slot->arg[1];
        core->peak = slot->arg[2];
        core->cpu_ns = slot->arg[3];
        core->pages = slot->arg[4];
        answer->outcome = (unsigned)slot->arg[5];
    }
}

bool client_run(struct core_child *core, uint32_t function, struct client_call *call,
                uint64_t deadline_ns, struct client_answer *answer)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot = {0};
    size_t sent = call->sealed_size < TFAAS_PAYLOAD_MAX ? call->sealed_size : TFAAS_PAYLOAD_MAX;
    uint64_t credit = TFAAS_STREAM_WINDOW, granted = TFAAS_STREAM_WINDOW;
    memset(answer, 0, sizeof *answer);
    uint64_t told_s = call->told_s ? call->told_s : client_now_s();
    uint32_t id = client_invoke(core, function, call, sent, deadline_ns, told_s * 1000000000u);
    while (!(slot.flags & TFAAS_END) || slot.id != id) {
        send_more(core, id, call, &sent, credit);
        if (!core_receive(core, &slot, payload, CORE_PATIENCE_MS))
            return false;
        if (client_tap)
            client_tap(&slot, payload);
        if (slot.kind == TFAAS_FAULT) {
            (void)fprintf(stderr, "FAULT: %.*s\n", (int)slot.size, (const char *)payload);
            return false;
        }
        if (slot.id != id)
            continue;
        if (slot.flags & TFAAS_CREDIT && slot.arg[0] > credit)
            credit = slot.arg[0];
        keep(answer, &slot, payload);
        if (answer->core.size > granted)
            answer->most_in_flight = answer->core.size - granted;
        if (answer->core.size + TFAAS_STREAM_WINDOW / 2 > granted && !(slot.flags & TFAAS_END)) {
            granted = answer->core.size + TFAAS_STREAM_WINDOW;
            core_send(core,
                      (struct tfaas_slot){
                          .kind = TFAAS_BODY, .flags = TFAAS_CREDIT, .id = id, .arg = {granted}},
                      NULL, 0);
        }
    }
    return true;
}
