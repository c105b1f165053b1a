/*
 * proxy_sealed.c - calls whose content only a core can open (SPECIFICATION.md section 14): bytes go
 * through as they are, both ways. What fails before the request was opened is a plain problem
 * document, the host's word only; everything else is inside the sealed answer.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *request, *response;
} types[TFAAS_SEALING_COUNT] = {
    [TFAAS_SEALING_OHTTP] = {"message/ohttp-req", "message/ohttp-res"},
    [TFAAS_SEALING_CHUNKED] = {"message/ohttp-chunked-req", "message/ohttp-chunked-res"},
    [TFAAS_SEALING_SESSION] = {"application/vnd.tfaas.session-req",
                               "application/vnd.tfaas.session-res"},
};

const char *sealed_response_type(enum tfaas_sealing sealing)
{
    return types[sealing].response;
}

enum tfaas_sealing sealed_type(const struct call *call)
{
    const char *type = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Content-Type");
    if (!type || strcmp(call->method, "POST") != 0)
        return 0;
    size_t size = strcspn(type, "; \t");
    for (unsigned i = 1; i < TFAAS_SEALING_COUNT; i++)
        if (strlen(types[i].request) == size && strncasecmp(types[i].request, type, size) == 0)
            return (enum tfaas_sealing)i;
    return 0;
}

size_t sealed_limit(const struct call *call)
{
    size_t whole = TFAAS_SEALED_WHOLE_MAX + SEALED_OVERHEAD;
    size_t most = call->daemon->config.max_body;
    return call->sealing == TFAAS_SEALING_OHTTP && whole < most ? whole : most;
}

bool sealed_route(struct call *call, const char *ns)
{
    call->kind = CALL_FUNCTION;
    call->problems = true;
    call->sealing = sealed_type(call);
    if (!call->sealing) {
        call_problem(call, 415, NULL, "content of type %s, %s or %s is expected",
                     types[TFAAS_SEALING_OHTTP].request, types[TFAAS_SEALING_CHUNKED].request,
                     types[TFAAS_SEALING_SESSION].request);
        return false;
    }
    call->body_limit = sealed_limit(call);
    call->timeout_ns = call->daemon->config.exec_timeout_ns;
    (void)snprintf(call->sealed_ns, sizeof call->sealed_ns, "%s", ns);
    return true;
}

/* --- what was sent, in case the core names a function that is not loaded --- */

void sealed_forget(struct call *call)
{
    call->daemon->held_total -= call->kept_capacity;
    free(call->kept);
    call->kept = NULL;
    call->kept_size = call->kept_capacity = 0;
}

void sealed_keep(struct call *call, const uint8_t *bytes, size_t size)
{
    struct daemon *d = call->daemon;
    if (!call->sealing || call->function || call->kept_lost || size == 0 || call->out_size ||
        call->out_read)
        return;
    size_t need = call->kept_size + size, capacity = call->kept_capacity;
    while (capacity < need)
        capacity = capacity ? capacity * 2 : 4096;
    size_t more = capacity - call->kept_capacity;
    uint8_t *kept = call->kept;
    if (need > SEALED_KEEP_MAX || d->held_total + more > HTTP_HELD_TOTAL ||
        (more && !(kept = realloc(call->kept, capacity)))) {
        sealed_forget(call);
        call->kept_lost = true;
        return;
    }
    d->held_total += more;
    call->kept = kept;
    call->kept_capacity = capacity;
    memcpy(call->kept + call->kept_size, bytes, size);
    call->kept_size = need;
}

/* --- start --- */

static void count(struct call *call)
{
    struct daemon *d = call->daemon;
    tfaas_status_t inner = call->core.inner;
    d->sealed_outcomes[inner]++;
    if (call->function)
        metrics_function(&call->function->metrics, (unsigned)tfaas_status_http(inner),
                         loop_now_ns() - call->start_ns);
}

static void fail(struct call *call, tfaas_status_t status, const char *reason)
{
    call->ended = true;
    call->core.status = call->core.inner = status;
    (void)snprintf(call->core.reason, sizeof call->core.reason, "%.150s", reason);
    count(call);
}

bool sealed_start(struct call *call, bool last)
{
    struct function *f = call->function;
    struct namespace *ns = f ? f->ns : registry_namespace(call->daemon, call->sealed_ns);
    struct tfaas_error error = {.text = ""};
    call->started = true;
    if (!ns || (f && !f->deployed)) {
        fail(call, TFAAS_NOT_FOUND, "it was deleted");
        return false;
    }
    if (f) {
        function_wake(f);
        f->metrics.started++;
    }
    size_t first = call->body_size < TFAAS_PAYLOAD_MAX ? call->body_size : TFAAS_PAYLOAD_MAX;
    last = last && first == call->body_size;
    call->last_sent = last;
    call->core.sealing = call->sealing;
    call->core.deadline_ns = call->timeout_ns;
    tfaas_status_t status = core_call_start(ns->link, &call->core, f ? &f->core : NULL, NULL, 0,
                                            call->body, first, last, &error);
    if (status != TFAAS_OK) {
        fail(call, status, error.text);
        return false;
    }
    if (ns->tended->keeper && call->sealing != TFAAS_SEALING_SESSION)
        keeper_call_counted(ns->tended->keeper, ns->link);
    sealed_keep(call, call->body, first);
    if (first) {
        memmove(call->body, call->body + first, call->body_size - first);
        call->body_size -= first;
    }
    return true;
}

/* The core has named the function and forgotten the call: the same bytes, to that function. */
void sealed_again(struct call *call)
{
    struct tfaas_error error;
    call->again = false;
    struct function *f = registry_find2(call->daemon, call->core.reason, call->sealed_ns);
    if (!f) {
        fail(call, TFAAS_NOT_FOUND, "there is no such function in this namespace");
        return;
    }
    function_ref(f);
    call->function = f;
    call->timeout_ns = f->deadline_ns;
    if (call->kept_lost) { /* loaded by the time the client comes again */
        (void)!core_function_load(f->ns->link, &f->core, &error);
        fail(call, TFAAS_UNAVAILABLE, "its function is being loaded, send it again");
        return;
    }
    /* What was sent, before what was not. */
    uint8_t *all = malloc(call->kept_size + call->body_size + 1);
    if (!all) {
        fail(call, TFAAS_NO_SPACE, "out of memory");
        return;
    }
    memcpy(all, call->kept, call->kept_size);
    if (call->body_size)
        memcpy(all + call->kept_size, call->body, call->body_size);
    size_t size = call->kept_size + call->body_size;
    call->held += size;
    call->daemon->held_total += size;
    bool last = call->last_sent;
    sealed_forget(call);
    free(call->body);
    call->body = all;
    call->body_size = call->body_capacity = size;
    call->ended = false;
    call->core = (struct core_call){.sealing = call->sealing};
    (void)sealed_start(call, last);
}

/* --- end --- */

/* No part of an answer has come, and the core has said which function it is for. */
static bool may_start_again(const struct call *call)
{
    return call->core.status == TFAAS_MISDIRECTED && !call->function && call->core.reason[0] &&
           !call->aborted && !call->too_large;
}

void sealed_ended(struct call *call)
{
    call->again = may_start_again(call);
    if (!call->again)
        count(call);
}

static void reply_failure(struct call *call)
{
    tfaas_status_t status = call->core.status;
    const struct namespace *ns =
        call->function ? call->function->ns : registry_namespace(call->daemon, call->sealed_ns);
    /* A worker that has no lease yet knows no key: not this one either. The client fetches the
     * statements anew, and these wait for the lease. Nothing was opened, so it may send again: an
     * answer that only lacks its receipt comes sealed. */
    if (status == TFAAS_NO_LEASE && ns && ns->tended->keeper)
        status = TFAAS_KEY_UNKNOWN;
    const char *type = status == TFAAS_KEY_UNKNOWN
                           ? "https://iana.org/assignments/http-problem-types#ohttp-key"
                       : status == TFAAS_SESSION_UNKNOWN ? "tag:tfaas,2026:session-unknown"
                                                         : NULL;
    const char *reason = call->core.reason;
    if (status == TFAAS_CORE_LOST || status == TFAAS_PEER_DEAD)
        reason = ""; /* what a core says at its end is for the operator */
    if (call->core.load_failed && status != TFAAS_BUSY && status != TFAAS_UNAVAILABLE &&
        status != TFAAS_NO_SPACE && status != TFAAS_NOT_GRANTED) {
        status = TFAAS_INTERNAL;
        reason = "the function failed to load, its log tells why";
    }
    call_problem(call, (unsigned)tfaas_status_http(status), type, "%s%s%s",
                 tfaas_status_text(status), *reason ? ": " : "", reason);
}

void sealed_poll(struct call *call)
{
    struct MHD_Response *response;
    if (call->ended && call->core.status != TFAAS_OK && !call->out_size) {
        reply_failure(call);
        return;
    }
    if (!call->ended && !call->out_size)
        return;
    if (call->ended && call->core.status == TFAAS_OK) {
        response = MHD_create_response_from_buffer_with_free_callback_cls(call->out_size, call->out,
                                                                          free, call->out);
        if (response)
            call->out = NULL;
    } else {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK,
                                                     proxy_read_stream, call, NULL);
        call->chunked = call->http11;
    }
    if (!response) {
        call_abort(call);
        return;
    }
    (void)MHD_add_response_header(response, "Content-Type", types[call->sealing].response);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    call->status = 200;
    call->response = response;
}
