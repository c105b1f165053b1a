/*
 * answer.c - takes the answer to one sealed request, opens it, and says what it is.
 * Must never hand out content that did not open, nor call an answer whole before its end opened.
 */
#include "base64url.h"
#include "http_date.h"
#include "internal.h"
#include "receipt.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PLAIN_MAX     (64u << 10) /* of a host's own error document */
#define PROBLEM_MAX   (64u << 10) /* of a core's */
#define TYPE_KEY      "https://iana.org/assignments/http-problem-types#ohttp-key"
#define TYPE_DATE     "https://iana.org/assignments/http-problem-types#date"
#define TYPE_SESSION  "tag:tfaas,2026:session-unknown"
#define TYPE_FUNCTION "tag:tfaas,2026:misdirected"
#define TYPE_PACKAGE  "tag:tfaas,2026:package-mismatch"
#define CONTENT_SLACK (OHTTP_RESPONSE_OVERHEAD + 16u)

static bool fail(struct answering *a, client_error_t error, const char *text)
{
    if (!a->error)
        a->error = client_fail(a->failure, error, "%s", text);
    return false;
}

client_error_t answering_begin(struct answering *a, const struct tfaas_request *request,
                               struct sealing *sealing, struct tfaas_failure *failure)
{
    *a = (struct answering){.request = request, .sealing = sealing, .failure = failure};
    a->answer = calloc(1, sizeof(*a->answer));
    a->reader_buffer = malloc(BHTTP_HEAD_MAX);
    a->chunk_buffer = malloc(OHTTP_CHUNK_BUFFER_SIZE);
    if (!a->answer || !a->reader_buffer || !a->chunk_buffer)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "response");
    a->answer->public.form = sealing->form;
    bhttp_reader_begin(&a->reader, a->reader_buffer, BHTTP_HEAD_MAX);
    crypto_hash_sha256_init(&a->hash);
    if (sealing->form == TFAAS_FORM_CHUNKED)
        ohttp_chunks_await_response(&a->in, &sealing->exchange, a->chunk_buffer);
    return TFAAS_CLIENT_OK;
}

void answering_free(struct answering *a)
{
    if (a->answer)
        tfaas_response_free(&a->answer->public);
    if (a->chunk_buffer)
        sodium_memzero(a->chunk_buffer, OHTTP_CHUNK_BUFFER_SIZE);
    ohttp_chunks_wipe(&a->in);
    free(a->chunk_buffer);
    free(a->reader_buffer);
    free(a->raw);
    *a = (struct answering){.error = a->error};
}

void tfaas_response_free(struct tfaas_response *response)
{
    struct answer *answer = (struct answer *)response;
    if (!answer)
        return;
    if (answer->body)
        sodium_memzero(answer->body, answer->body_size);
    free(answer->body);
    free(answer->headers);
    free(answer->header_text);
    free(answer->receipt);
    free(answer);
}

/* --- the opened message --- */

static char *put_text(char **at, struct span from)
{
    char *text = *at;
    memcpy(text, from.data, from.size);
    text[from.size] = 0;
    *at += from.size + 1;
    return text;
}

static void take_own_field(struct answering *a, struct span name, struct span value)
{
    static const char prefix[] = "sha256:";
    struct tfaas_response *to = &a->answer->public;
    if (span_is(name, "tfaas-session") && value.size < sizeof(a->session_field))
        snprintf(a->session_field, sizeof(a->session_field), "%.*s", (int)value.size,
                 (const char *)value.data);
    if (span_is(name, "tfaas-package") && value.size == sizeof(prefix) - 1 + 64 &&
        memcmp(value.data, prefix, sizeof(prefix) - 1) == 0)
        snprintf(to->package, sizeof(to->package), "%.64s",
                 (const char *)value.data + sizeof(prefix) - 1);
}

static bool take_fields(struct answering *a, struct span fields)
{
    struct answer *answer = a->answer;
    struct span name, value;
    size_t count = 0;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);)
        count++;
    answer->headers = calloc(count + 1, sizeof(*answer->headers));
    answer->header_text = malloc(fields.size + 2 * count + 1);
    if (!answer->headers || !answer->header_text)
        return fail(a, TFAAS_CLIENT_NO_MEMORY, "response");
    char *text = answer->header_text;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);) {
        if (bhttp_field_reserved(name)) {
            take_own_field(a, name, value);
            continue;
        }
        struct tfaas_header *header = &answer->headers[answer->public.header_count++];
        header->name = put_text(&text, name);
        header->value = put_text(&text, value);
        uint64_t date;
        if (span_is(name, "date") && http_date_read(value, &date) == TFAAS_OK)
            a->core_date = (int64_t)date;
        if (span_is(name, "content-type"))
            a->is_problem = strncasecmp(header->value, "application/problem+json", 24) == 0;
    }
    answer->public.headers = answer->headers;
    return true;
}

static bool take_head(struct answering *a, const struct bhttp_head *head)
{
    struct tfaas_response *to = &a->answer->public;
    if (!head->is_response)
        return fail(a, TFAAS_CLIENT_RESPONSE_FORM, "response: it is a request");
    to->status = head->status;
    receipt_hash_head(&a->hash, head);
    a->head_seen = true;
    if (!take_fields(a, head->fields))
        return false;
    a->is_problem = a->is_problem && head->status >= 400;
    return true;
}

static bool keep_content(struct answering *a, struct span content)
{
    struct answer *answer = a->answer;
    size_t most = a->request->response_max ? a->request->response_max : CLIENT_RESPONSE_DEFAULT;
    if (a->is_problem && a->request->on_body)
        most = PROBLEM_MAX;
    if (content.size > most || answer->body_size > most - content.size)
        return fail(a, TFAAS_CLIENT_RESPONSE_TOO_LARGE, "response: larger than the caller takes");
    size_t wanted = answer->body_size + content.size;
    if (wanted > answer->body_capacity) {
        size_t capacity = wanted < 4096 ? 4096 : wanted + wanted / 2;
        uint8_t *bigger = malloc(capacity); /* not realloc: what is left behind is wiped */
        if (!bigger)
            return fail(a, TFAAS_CLIENT_NO_MEMORY, "response");
        if (answer->body_size) {
            memcpy(bigger, answer->body, answer->body_size);
            sodium_memzero(answer->body, answer->body_size);
        }
        free(answer->body);
        answer->body = bigger;
        answer->body_capacity = capacity;
    }
    memcpy(answer->body + answer->body_size, content.data, content.size);
    answer->body_size = wanted;
    answer->public.body = (struct tfaas_bytes){answer->body, wanted};
    return true;
}

static bool take_content(struct answering *a, struct span content)
{
    crypto_hash_sha256_update(&a->hash, content.data, content.size);
    if (!a->request->on_body || a->is_problem)
        return keep_content(a, content);
    if (!a->request->on_body(a->request->on_body_user, &a->answer->public, content.data,
                             content.size))
        return fail(a, TFAAS_CLIENT_STOPPED, "response");
    return true;
}

static bool take_trailers(struct answering *a, struct span fields)
{
    struct span name, value;
    a->ended = true;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);) {
        if (!span_is(name, "tfaas-receipt") || a->answer->receipt)
            continue;
        a->answer->receipt = malloc(value.size + 1);
        if (!a->answer->receipt)
            return fail(a, TFAAS_CLIENT_NO_MEMORY, "response");
        memcpy(a->answer->receipt, value.data, value.size);
        a->answer->receipt[value.size] = 0;
    }
    return true;
}

static bool take_plain(struct answering *a, struct span plain, bool last)
{
    struct cursor in = cursor_of(plain.data, plain.size);
    struct bhttp_event event;
    const char *why = "";
    bool good = true;
    do {
        if (bhttp_reader_next(&a->reader, &in, last, &event, &why) != TFAAS_OK)
            return fail(a, TFAAS_CLIENT_RESPONSE_FORM, why);
        if (event.kind == BHTTP_HEAD)
            good = take_head(a, &event.head);
        else if (event.kind == BHTTP_CONTENT)
            good = take_content(a, event.content);
        else if (event.kind == BHTTP_END)
            good = take_trailers(a, event.head.fields);
    } while (good && event.kind != BHTTP_MORE && event.kind != BHTTP_END);
    return good;
}

/* --- chunks --- */

static bool take_chunks(struct answering *a, struct cursor *in, bool last)
{
    enum ohttp_chunk_event event = OHTTP_CHUNK_MORE;
    struct span plain;
    const char *why = "";
    do {
        bool in_last = a->in.state == OHTTP_CHUNKS_LAST;
        tfaas_status_t status = ohttp_chunks_open(&a->in, in, last, &event, &plain, &why);
        if (status != TFAAS_OK)
            return fail(a,
                        last && !in_last && cursor_left(in) == 0
                            ? TFAAS_CLIENT_RESPONSE_TRUNCATED
                            : TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC,
                        why);
        if (event != OHTTP_CHUNK_MORE && !take_plain(a, plain, event == OHTTP_CHUNK_FINAL))
            return false;
    } while (event == OHTTP_CHUNK_DATA && (cursor_left(in) > 0 || last));
    return true;
}

/* The response's nonce comes first; with it the key is known. */
static bool take_session_nonce(struct answering *a, struct cursor *in)
{
    size_t missing = sizeof(a->session_nonce) - a->session_nonce_size, left = cursor_left(in);
    struct span part = cursor_take(in, missing < left ? missing : left);
    uint8_t key[32];
    if (part.size == 0)
        return a->session_nonce_size == sizeof(a->session_nonce);
    memcpy(a->session_nonce + a->session_nonce_size, part.data, part.size);
    a->session_nonce_size += part.size;
    if (a->session_nonce_size < sizeof(a->session_nonce))
        return false;
    session_response_key(a->sealing->session.secret, a->sealing->session_head, a->session_nonce,
                         key);
    session_await(&a->in, a->sealing->session.aead, key, a->chunk_buffer);
    sodium_memzero(key, sizeof(key));
    return true;
}

/* --- from the transport --- */

bool answering_head(struct answering *a, unsigned status, const char *content_type)
{
    a->plain_status = status;
    a->sealed = strcmp(content_type, sealing_response_type(a->sealing->form)) == 0;
    a->plain_seen = !a->sealed;
    return true;
}

static client_error_t classify(unsigned status, const char *type)
{
    if (strcmp(type, TYPE_KEY) == 0)
        return TFAAS_CLIENT_KEY_UNKNOWN;
    if (strcmp(type, TYPE_SESSION) == 0)
        return TFAAS_CLIENT_SESSION_UNKNOWN;
    if (status == 409)
        return TFAAS_CLIENT_REPLAY_REPORTED;
    if (status == 429 || status == 503)
        return TFAAS_CLIENT_UNAVAILABLE;
    if (status == 400)
        return TFAAS_CLIENT_REQUEST_NOT_OPENED;
    return status >= 400 ? TFAAS_CLIENT_HOST_REFUSED : TFAAS_CLIENT_DOWNGRADE;
}

/* An answer in clear is the host's word: an error, or no answer at all. */
static client_error_t plain_answer(struct answering *a)
{
    json_t *root = json_loadb((const char *)a->raw, a->raw_size, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    client_error_t error = classify(a->plain_status, type ? type : "");
    a->error = client_fail(a->failure, error, "%s (HTTP %u, in clear)",
                           tfaas_client_error_text(error), a->plain_status);
    json_decref(root);
    return a->error;
}

/* Nobody may make a caller read on and on: of an answer in clear enough is enough. */
static bool keep_raw(struct answering *a, const void *data, size_t size)
{
    size_t most = a->sealed ? CLIENT_WHOLE_MAX + CONTENT_SLACK : PLAIN_MAX;
    if (size > most || a->raw_size > most - size) {
        if (a->sealed)
            return fail(a, TFAAS_CLIENT_RESPONSE_TOO_LARGE,
                        "response: more than 1 MiB in one message");
        (void)plain_answer(a);
        return false;
    }
    uint8_t *bigger = realloc(a->raw, a->raw_size + size);
    if (!bigger)
        return fail(a, TFAAS_CLIENT_NO_MEMORY, "response");
    a->raw = bigger;
    memcpy(a->raw + a->raw_size, data, size);
    a->raw_size += size;
    return true;
}

bool answering_body(struct answering *a, const void *data, size_t size)
{
    struct cursor in = cursor_of(data, size);
    if (size == 0)
        return true;
    if (a->plain_seen || a->sealing->form == TFAAS_FORM_WHOLE)
        return keep_raw(a, data, size);
    if (a->sealing->form == TFAAS_FORM_SESSION && !take_session_nonce(a, &in))
        return !a->error;
    return cursor_left(&in) == 0 || take_chunks(a, &in, false);
}

/* --- what it is --- */

/* A problem that the core itself states, inside the sealed answer. One of before it took the call
 * names no package: a function cannot say such a thing, and so have itself called again. */
static client_error_t core_problem(struct answering *a)
{
    const struct tfaas_bytes *body = &a->answer->public.body;
    json_t *root = json_loadb((const char *)body->data, body->size, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    unsigned status = a->answer->public.status;
    bool taken = a->answer->public.package[0] != 0;
    client_error_t error = TFAAS_CLIENT_OK;
    if (status == 400 && !taken && type && strcmp(type, TYPE_DATE) == 0)
        error = TFAAS_CLIENT_DATE_REFUSED;
    else if (status == 421 && !taken && type && strcmp(type, TYPE_FUNCTION) == 0)
        error = TFAAS_CLIENT_FUNCTION_MISMATCH;
    else if (status == 412 && type && strcmp(type, TYPE_PACKAGE) == 0)
        error = TFAAS_CLIENT_PACKAGE_MISMATCH;
    json_decref(root);
    if (error)
        a->error = client_fail(a->failure, error, "the core says: %s (%u, sealed)",
                               tfaas_client_error_text(error), status);
    return a->error;
}

static bool open_whole(struct answering *a)
{
    uint8_t *plain = malloc(a->raw_size + 1);
    size_t size = 0;
    const char *why = "";
    if (!plain)
        return fail(a, TFAAS_CLIENT_NO_MEMORY, "response");
    if (ohttp_decapsulate_response(&a->sealing->exchange, (struct span){a->raw, a->raw_size}, plain,
                                   a->raw_size, &size, &why) != TFAAS_OK)
        fail(a, TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC, why);
    else
        (void)take_plain(a, (struct span){plain, size}, true);
    sodium_memzero(plain, a->raw_size + 1);
    free(plain);
    return !a->error;
}

client_error_t answering_finish(struct answering *a)
{
    struct cursor nothing = cursor_of("", 0);
    if (a->error)
        return a->error;
    if (!a->sealed)
        return plain_answer(a);
    if (a->sealing->form == TFAAS_FORM_WHOLE)
        (void)open_whole(a);
    else if (a->sealing->form == TFAAS_FORM_SESSION &&
             a->session_nonce_size < sizeof(a->session_nonce))
        fail(a, TFAAS_CLIENT_RESPONSE_TRUNCATED, "response: it ends before its nonce does");
    else
        (void)take_chunks(a, &nothing, true);
    if (!a->error && (!a->head_seen || !a->ended))
        fail(a, TFAAS_CLIENT_RESPONSE_TRUNCATED, "response: it has no end");
    if (!a->error && a->is_problem)
        return core_problem(a);
    return a->error;
}
