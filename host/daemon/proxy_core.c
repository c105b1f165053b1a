/*
 * proxy_core.c - what the links say about calls, functions and cores (struct core_owner): response
 * bytes on their way to clients, logs, outcomes, leases.
 */
#include "daemon.h"

#include "bhttp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what the link says --- */

static struct call *call_of(struct core_call *core)
{
    return (struct call *)(void *)((char *)core - offsetof(struct call, core));
}

static struct function *function_of(struct core_function *core)
{
    return (struct function *)(void *)((char *)core - offsetof(struct function, core));
}

void proxy_give_up(struct call *call, const char *reason)
{
    core_call_cancel(&call->core);
    call->ended = true;
    call->core.status = TFAAS_NO_SPACE;
    (void)snprintf(call->core.reason, sizeof call->core.reason, "%s", reason);
    if (call->duplex)
        duplex_push(call);
    call_resume(call);
}

static void on_data(struct core_call *core, const uint8_t *bytes, size_t size)
{
    struct call *call = call_of(core);
    struct daemon *d = call->daemon;
    sealed_forget(call);                                      /* it was opened: never sent again */
    if (call->out_at && call->out_at >= call->out_size / 2) { /* what was read makes room */
        call->out_size -= call->out_at;
        memmove(call->out, call->out + call->out_at, call->out_size);
        call->out_at = 0;
    }
    if (size > call->out_capacity - call->out_size) {
        size_t capacity = call->out_capacity ? call->out_capacity * 2 : size;
        while (capacity < call->out_size + size)
            capacity *= 2;
        uint8_t *out = realloc(call->out, capacity);
        if (!out) {
            proxy_give_up(call, "out of memory");
            return;
        }
        call->out = out;
        call->out_capacity = capacity;
    }
    memcpy(call->out + call->out_size, bytes, size);
    call->out_size += size;
    if (call->upload_done) {
        if (call->duplex)
            duplex_push(call);
        else
            call_resume(call);
        return;
    }
    /* libmicrohttpd cannot answer before it has read the request: hold what a function says
     * meanwhile, or a function that copies its input would wait for ever. */
    if (d->held_total + size > HTTP_HELD_TOTAL) {
        proxy_give_up(call, "too many bytes of answers wait for the end of their requests");
        return;
    }
    call->held += size;
    d->held_total += size;
    call->out_credited += size;
    core_call_consumed(core, size);
    struct bhttp_head head;
    const char *why;
    if (call->duplex)
        duplex_push(call);
    else if (call->http11 && call->out_size >= HTTP_DUPLEX_AFTER && call->sealing &&
             !duplex_start(call, NULL))
        proxy_give_up(call, "out of memory");
    else if (call->http11 && call->out_size >= HTTP_DUPLEX_AFTER && !call->sealing &&
             strcmp(call->method, "HEAD") != 0 &&
             bhttp_read_head(call->out, call->out_size, &head, &why) == TFAAS_OK &&
             !duplex_start(call, &head))
        proxy_give_up(call, "out of memory");
}

static void take_numbers(struct function_metrics *m, const struct core_call *core)
{
    m->work += core->work;
    m->cpu_ns += core->cpu_ns;
    if (core->peak_memory > m->peak_memory)
        m->peak_memory = core->peak_memory;
}

static void on_end(struct core_call *core)
{
    struct call *call = call_of(core);
    struct function *f = call->function;
    call->ended = true;
    call->end_ns = call->daemon->now_ns;
    if (call->sealing)
        sealed_ended(call);
    if (f)
        take_numbers(&f->metrics, core);
    if (call->duplex)
        duplex_push(call);
    call_resume(call);
}

static void on_room(struct core_call *core)
{
    call_resume(call_of(core));
}

static void on_log(struct core_function *core, const char *text, size_t size)
{
    struct function *f = function_of(core);
    logs_add(&f->daemon->logs, &f->log, loop_realtime_ns(), text, size);
}

static void on_loaded(struct core_function *core, tfaas_status_t status, const char *text)
{
    struct function *f = function_of(core);
    if (f->deploy) {
        deploy_loaded(f->deploy, status, text);
        return;
    }
    if (f->core.code == TFAAS_CODE_COMPILED) /* what was given along, if anything, did not open */
        store_drop_cache(f->daemon->store, f->stored.ns, f->stored.digest);
    if (status == TFAAS_OK)
        return;
    const char *what = tfaas_status_text(status);
    on_log(core, what, strlen(what));
    while (*text) {
        size_t size = strcspn(text, "\n");
        on_log(core, text, size);
        text += size + (text[size] == '\n');
    }
}

static void on_cache(struct core_function *core, const uint8_t *bytes, size_t size)
{
    struct function *f = function_of(core);
    store_put_cache(f->daemon->store, f->stored.ns, f->stored.digest, bytes, size);
}

static tfaas_status_t on_bundle(struct core_function *core, uint8_t **bytes, size_t *size,
                                struct tfaas_error *error)
{
    struct function *f = function_of(core);
    tfaas_status_t status = function_bundle(f, bytes, size, error);
    if (status != TFAAS_OK) {
        daemon_log("function %s: %s", f->key, error->text);
        on_log(core, error->text, strlen(error->text));
    }
    return status;
}

static void on_bundle_cancel(struct core_function *core)
{
    function_bundle_cancel(function_of(core));
}

static void on_event(const char *domain, const char *text)
{
    daemon_log("%s%s %s", *domain ? "core of " : "keeper", domain, text);
}

static void on_up(struct core_link *link)
{
    struct tended *t = tended_of(core_link_hub(link));
    struct namespace *ns = registry_namespace(t->daemon, core_link_domain(link));
    if (t->keeper)
        keeper_link_up(t->keeper, link, ns && ns->link == link);
}

static void on_down(struct core_link *link)
{
    struct tended *t = tended_of(core_link_hub(link));
    if (t->keeper)
        keeper_link_down(t->keeper, link);
}

const struct core_owner daemon_core_owner = {.bundle = on_bundle,
                                             .bundle_cancel = on_bundle_cancel,
                                             .up = on_up,
                                             .down = on_down,
                                             .log = on_log,
                                             .loaded = on_loaded,
                                             .cache = on_cache,
                                             .data = on_data,
                                             .end = on_end,
                                             .room = on_room,
                                             .event = on_event};
