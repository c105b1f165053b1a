/*
 * call.c - one call: choose the form, seal, send, open, check; again when a key, a session or a
 * date was refused, once for each. Must never send anything in clear.
 */
#define _GNU_SOURCE
#include "base64url.h"
#include "internal.h"
#include "receipt.h"
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_BODY_MAX (CLIENT_WHOLE_MAX - BHTTP_HEAD_MAX - 1024u)

/* One attempt. */
struct attempt {
    struct tfaas_client *client;
    const struct tfaas_request *request;
    struct tfaas_failure *failure;
    struct sealing sealing;
    struct answering answering;
    struct message message;
    uint8_t *bytes; /* the sealed request, when it is whole in memory */
    size_t size;
    crypto_hash_sha256_state hash; /* of the request */
};

static enum tfaas_form choose(const struct tfaas_client *client,
                              const struct tfaas_request *request)
{
    bool session = client->session.alive && !(request->flags & TFAAS_CALL_NO_SESSION) &&
                   client_now(client) < client->session.ends_at;
    bool streams = request->read || request->on_body || request->body.size > WHOLE_BODY_MAX;
    if (request->form == TFAAS_FORM_WHOLE || request->form == TFAAS_FORM_CHUNKED)
        return request->form;
    if (session)
        return TFAAS_FORM_SESSION;
    return streams ? TFAAS_FORM_CHUNKED : TFAAS_FORM_WHOLE;
}

static bool transfer_head(struct tfaas_transfer *transfer, unsigned status,
                          const char *content_type, int64_t max_age_s)
{
    (void)max_age_s;
    return answering_head(transfer->user, status, content_type);
}

static bool transfer_body(struct tfaas_transfer *transfer, const void *data, size_t size)
{
    return answering_body(transfer->user, data, size);
}

static client_error_t seal(struct attempt *t, enum tfaas_form form,
                           const struct attested_lease *lease)
{
    struct tfaas_client *client = t->client;
    const struct message_options options = {
        .scheme = client->scheme,
        .authority = client->authority,
        .domain = client->domain,
        .date = client_now(client) + client->date_offset_s,
        .ask_session = form != TFAAS_FORM_SESSION && !(t->request->flags & TFAAS_CALL_NO_SESSION),
    };
    client_error_t error = message_make(t->request, &options, &t->message, t->failure);
    if (error)
        return error;
    crypto_hash_sha256_init(&t->hash);
    receipt_hash_head(&t->hash, &t->message.head);
    if (form == TFAAS_FORM_WHOLE) {
        if (t->request->read)
            return client_fail(t->failure, TFAAS_CLIENT_USAGE, "body: a stream cannot go whole");
        crypto_hash_sha256_update(&t->hash, t->request->body.data, t->request->body.size);
        return sealing_whole(&t->sealing, lease, &t->message, t->request->body, &t->bytes, &t->size,
                             t->failure);
    }
    if (form == TFAAS_FORM_CHUNKED)
        error = sealing_chunked(&t->sealing, lease, t->failure);
    else
        sealing_session(&t->sealing, &client->session);
    if (error)
        return error;
    sealing_source(&t->sealing, &t->message, t->request, &t->hash);
    return t->request->read ? TFAAS_CLIENT_OK
                            : sealing_drain(&t->sealing, &t->bytes, &t->size, t->failure);
}

static client_error_t send(struct attempt *t)
{
    struct tfaas_client *client = t->client;
    char *url = NULL;
    int made = t->request->flags & TFAAS_CALL_GATEWAY
                   ? asprintf(&url, "%s/.well-known/ohttp-gateway?namespace=%s", client->url,
                              client->domain)
                   : asprintf(&url, "%s/function/%s.%s", client->url, t->request->function,
                              client->domain);
    if (made < 0)
        return client_fail(t->failure, TFAAS_CLIENT_NO_MEMORY, "call");
    struct tfaas_transfer transfer = {
        .method = "POST",
        .url = url,
        .content_type = sealing_request_type(t->sealing.form),
        .body = {t->bytes, t->size},
        .read = t->request->read ? sealing_read : NULL,
        .read_user = &t->sealing,
        .on_head = transfer_head,
        .on_body = transfer_body,
        .user = &t->answering,
    };
    client_error_t error = client_transfer(client, &transfer, t->failure);
    free(url);
    if (error && t->answering.error) /* it was we who stopped the transport */
        return client_fail(t->failure, t->answering.error, "%s",
                           tfaas_client_error_text(t->answering.error));
    if (error && t->sealing.stopped)
        return client_fail(t->failure, TFAAS_CLIENT_STOPPED, "request");
    return error ? error : answering_finish(&t->answering);
}

/* --- what an answer brings --- */

/* "ID;max-age=SECONDS" */
static void take_session(struct attempt *t)
{
    struct client_session session = {.alive = true};
    const char *field = t->answering.session_field, *end = strchr(field, ';');
    static const char key[] = ";max-age=";
    size_t size = 0;
    if (!end || strncmp(end, key, sizeof(key) - 1) != 0 ||
        base64url_decode((struct span){(const uint8_t *)field, (size_t)(end - field)}, session.id,
                         sizeof(session.id), &size) != TFAAS_OK ||
        size != sizeof(session.id))
        return;
    char *rest;
    long long seconds = strtoll(end + sizeof(key) - 1, &rest, 10);
    session.aead = t->sealing.exchange.hpke.aead;
    if (*rest || seconds < 1 || seconds > 366 * 86400 ||
        hpke_export(
            &t->sealing.exchange.hpke,
            (struct span){(const uint8_t *)SESSION_EXPORT_LABEL, sizeof(SESSION_EXPORT_LABEL) - 1},
            session.secret, sizeof(session.secret)) != TFAAS_OK)
        return;
    session.ends_at = client_now(t->client) + seconds;
    t->client->session = session;
    sodium_memzero(&session, sizeof(session));
}

static client_error_t check(struct attempt *t)
{
    struct answer *answer = t->answering.answer;
    uint8_t request_hash[32], response_hash[32];
    if (t->request->package && strcmp(answer->public.package, t->request->package) != 0)
        return client_fail(t->failure, TFAAS_CLIENT_PACKAGE_MISMATCH,
                           "the response is of package %s",
                           answer->public.package[0] ? answer->public.package : "(none named)");
    if (!(t->request->flags & TFAAS_CALL_RECEIPT))
        return TFAAS_CLIENT_OK;
    if (!answer->receipt)
        return client_fail(t->failure, TFAAS_CLIENT_RECEIPT_MISSING, "%s",
                           tfaas_client_error_text(TFAAS_CLIENT_RECEIPT_MISSING));
    crypto_hash_sha256_final(&t->hash, request_hash);
    crypto_hash_sha256_final(&t->answering.hash, response_hash);
    const struct receipt_expected expected = {.request_hash = request_hash,
                                              .response_hash = response_hash,
                                              .function = t->request->function,
                                              .domain = t->client->domain,
                                              .package = t->request->package};
    client_error_t error =
        receipt_expect(answer->receipt, &t->client->verification, &expected, t->failure);
    if (!error)
        answer->public.receipt = answer->receipt;
    return error;
}

/* The core's own clock, told inside a sealed answer. */
static void take_date(struct attempt *t)
{
    if (t->answering.core_date)
        t->client->date_offset_s = t->answering.core_date - client_now(t->client);
}

static void attempt_free(struct attempt *t)
{
    answering_free(&t->answering);
    sealing_wipe(&t->sealing);
    message_free(&t->message);
    free(t->bytes);
    free(t);
}

static client_error_t attempt(struct tfaas_client *client, const struct tfaas_request *request,
                              struct tfaas_response **out, struct tfaas_failure *failure)
{
    enum tfaas_form form = choose(client, request);
    struct attempt *t = calloc(1, sizeof(*t));
    if (!t)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "call");
    *t = (struct attempt){.client = client, .request = request, .failure = failure};
    client_error_t error = TFAAS_CLIENT_OK;
    const struct attested_lease *lease = NULL;
    /* A session needs no lease, but a receipt needs an attested identity. */
    if (form != TFAAS_FORM_SESSION || !client->verified) {
        error = tfaas_client_verify(client, 0, failure);
        lease = error ? NULL : client_lease(client);
        if (!error && !lease && client->verification.lease_count == 0)
            error = client_fail(failure, TFAAS_CLIENT_LEASE_MISSING, "%s",
                                tfaas_client_error_text(TFAAS_CLIENT_LEASE_MISSING));
        else if (!error && !lease)
            error = client_fail(failure, TFAAS_CLIENT_LEASE_EXPIRED, "every lease ends now");
    }
    if (!error)
        error = seal(t, form, lease);
    if (!error)
        error = answering_begin(&t->answering, request, &t->sealing, failure);
    if (!error)
        error = send(t);
    if (error == TFAAS_CLIENT_DATE_REFUSED)
        take_date(t);
    if (!error && form != TFAAS_FORM_SESSION && t->answering.session_field[0] &&
        !(request->flags & TFAAS_CALL_NO_SESSION))
        take_session(t);
    if (!error)
        error = check(t);
    if (!error) {
        *out = &t->answering.answer->public;
        t->answering.answer = NULL;
    }
    attempt_free(t);
    return error;
}

enum tfaas_client_error tfaas_client_call(struct tfaas_client *client,
                                          const struct tfaas_request *request,
                                          struct tfaas_response **out,
                                          struct tfaas_failure *failure)
{
    bool key_tried = false, session_tried = false, date_tried = false;
    bool once = (request->flags & TFAAS_CALL_ONCE) || request->read;
    struct tfaas_failure own;
    *out = NULL;
    client_error_t error = message_check(request, failure);
    while (!error) {
        int64_t offset = client->date_offset_s;
        error = attempt(client, request, out, failure ? failure : &own);
        /* A key's id is one byte: under another key of the same id a request does not open. */
        bool key = error == TFAAS_CLIENT_KEY_UNKNOWN || error == TFAAS_CLIENT_REQUEST_NOT_OPENED;
        if (key || error == TFAAS_CLIENT_SESSION_UNKNOWN)
            sodium_memzero(&client->session, sizeof(client->session));
        if (once || !error)
            break;
        if (key && !key_tried) {
            key_tried = true;
            error = tfaas_client_verify(client, TFAAS_VERIFY_ANEW, failure);
        } else if (error == TFAAS_CLIENT_SESSION_UNKNOWN && !session_tried) {
            session_tried = true;
            error = TFAAS_CLIENT_OK;
        } else if (error == TFAAS_CLIENT_DATE_REFUSED && !date_tried &&
                   offset != client->date_offset_s) {
            date_tried = true;
            error = TFAAS_CLIENT_OK;
        } else {
            break;
        }
    }
    return error;
}
