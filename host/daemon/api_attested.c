/*
 * api_attested.c - what clients ask before they seal anything: evidence with the key statement, the
 * domain's statement, key configurations. No credentials: everything here is public and signed.
 * Errors are problem documents.
 */
#include "daemon.h"

#include "base64url.h"
#include "statement.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A call that waits for the keeper. */
struct asked {
    struct keeper_wait wait; /* first: the keeper gives it back */
    struct call *call;
    const char *type;
    bool keys; /* the configurations alone */
};

static void on_client_gone(struct call *call)
{
    struct asked *a = call->job;
    keeper_wait_cancel(&a->wait);
    free(a);
}

/* --- answers --- */

static void etag_of(struct span bytes, char text[40])
{
    uint8_t hash[16];
    char hex[33];
    (void)crypto_generichash(hash, sizeof hash, bytes.data, bytes.size, NULL, 0);
    (void)sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    (void)snprintf(text, 40, "\"%s\"", hex);
}

/* RFC 9110 13.1.2, weak comparison: lists, "*", W/ in front. */
static bool matches(const char *list, const char *etag)
{
    size_t size = strlen(etag);
    while (list && *list) {
        list += strspn(list, ", \t");
        if (*list == '*')
            return true;
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        size_t item = strcspn(list, ",");
        while (item && (list[item - 1] == ' ' || list[item - 1] == '\t'))
            item--;
        if (item == size && strncmp(list, etag, size) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

static void reply(struct call *call, const char *type, struct span bytes, uint64_t seconds)
{
    char etag[40], cache[64] = "no-store";
    union {
        const uint8_t *read;
        void *copy; /* libmicrohttpd copies, and takes no const */
    } data = {.read = bytes.data};
    etag_of(bytes, etag);
    if (seconds)
        (void)snprintf(cache, sizeof cache, "public, max-age=%llu", (unsigned long long)seconds);
    const char *known = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "If-None-Match");
    unsigned status = matches(known, etag) ? 304 : 200;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        status == 304 ? 0 : bytes.size, data.copy, MHD_RESPMEM_MUST_COPY);
    if (response) {
        (void)MHD_add_response_header(response, "Content-Type", type);
        (void)MHD_add_response_header(response, "Cache-Control", cache);
        (void)MHD_add_response_header(response, "ETag", etag);
        (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    }
    call_reply_response(call, status, response);
}

static void reply_keys(struct call *call, struct span envelope, uint64_t seconds)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    tfaas_status_t status =
        keeper_configurations(envelope, loop_realtime_ns() / NS_PER_S, &bytes, &size);
    if (status == TFAAS_OK)
        reply(call, "application/ohttp-keys", (struct span){bytes, size}, seconds);
    else
        call_problem(call, (unsigned)tfaas_status_http(status), NULL, "%s",
                     tfaas_status_text(status));
    free(bytes);
}

static void on_done(struct keeper_wait *wait, tfaas_status_t status, struct span bytes,
                    uint64_t seconds, const char *text)
{
    struct asked *a = (struct asked *)(void *)wait;
    struct call *call = a->call;
    if (status != TFAAS_OK)
        call_problem(call, (unsigned)tfaas_status_http(status), NULL, "%s", text);
    else if (a->keys)
        reply_keys(call, bytes, seconds);
    else
        reply(call, a->type, bytes, seconds);
    call->job = NULL;
    free(a);
}

/* NULL after it has replied. */
static struct asked *ask(struct call *call, const struct namespace *ns, const char *type, bool keys)
{
    if (!ns->tended->keeper) {
        const char *why = ns->tended->hub.unavailable;
        call_problem(call, 503, NULL, "%s",
                     why ? why : "this server has no source of evidence (evidence = none)");
        return NULL;
    }
    struct asked *a = calloc(1, sizeof *a);
    if (!a) {
        call_problem(call, 507, NULL, "out of memory");
        return NULL;
    }
    *a = (struct asked){.wait = {.done = on_done}, .call = call, .type = type, .keys = keys};
    call->job = a;
    call->job_cancel = on_client_gone;
    return a;
}

/* --- handlers --- */

/* ?nonce=BASE64URL of 8 to 64 bytes, or none. False after it has replied. */
static bool read_nonce(struct call *call, uint8_t nonce[STATEMENT_NONCE_MAX], size_t *size)
{
    char text[128];
    *size = 0;
    if (!call->query || !strstr(call->query, "nonce="))
        return true;
    if (call_query(call, "nonce", text, sizeof text) &&
        base64url_decode(span_of_text(text), nonce, STATEMENT_NONCE_MAX, size) == TFAAS_OK &&
        *size >= STATEMENT_NONCE_MIN)
        return true;
    call_problem(call, 400, NULL, "nonce: %u to %u bytes as base64url without padding are expected",
                 STATEMENT_NONCE_MIN, STATEMENT_NONCE_MAX);
    return false;
}

static struct namespace *read_namespace(struct call *call)
{
    char name[128] = "";
    bool given = call->query && strstr(call->query, "namespace=");
    if (given && !call_query(call, "namespace", name, sizeof name)) {
        call_problem(call, 400, NULL, "namespace: malformed");
        return NULL;
    }
    struct namespace *ns = registry_namespace(call->daemon, *name ? name : STORE_DEFAULT_NAMESPACE);
    if (!ns)
        call_problem(call, 404, NULL, "namespace not found: %s", name);
    return ns;
}

/* Of the keeper whose leases the namespace's workers have. */
void api_evidence(struct call *call)
{
    uint8_t nonce[STATEMENT_NONCE_MAX];
    size_t size;
    if (!read_nonce(call, nonce, &size))
        return;
    struct namespace *ns = read_namespace(call);
    struct asked *a = ns ? ask(call, ns, "application/vnd.tfaas.evidence+json", false) : NULL;
    if (a)
        keeper_evidence(ns->tended->keeper, (struct span){nonce, size}, &a->wait);
}

/* A namespace with functions has a worker, or gets one now. */
static void ask_domain(struct call *call, const char *type, bool keys)
{
    struct tfaas_error error = {.text = ""};
    struct namespace *ns = read_namespace(call);
    struct asked *a = ns ? ask(call, ns, type, keys) : NULL;
    if (!a)
        return;
    bool serves = ns->function_count > 0;
    if (serves && !core_link_up(ns->link) && core_function_load(ns->link, NULL, &error) != TFAAS_OK)
        daemon_log("core of %s: %s", ns->name, error.text);
    keeper_domain(ns->tended->keeper, ns->name, serves, &a->wait);
}

void api_domain(struct call *call)
{
    ask_domain(call, "application/vnd.tfaas.domain+cbor", false);
}

void api_ohttp_keys(struct call *call)
{
    ask_domain(call, "application/ohttp-keys", true);
}

bool api_gateway_route(struct call *call)
{
    struct namespace *ns = read_namespace(call);
    return ns && sealed_route(call, ns->name);
}

json_t *api_evidence_info(const struct tended *t)
{
    struct keeper_numbers n;
    char hex[2 * sizeof n.measurement + 1];
    if (!t->keeper)
        return json_pack("{s:s}", "source", "none");
    keeper_numbers(t->keeper, &n);
    (void)sodium_bin2hex(hex, sizeof hex, n.measurement, sizeof n.measurement);
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:b,s:b}", "source", keeper_source(t->keeper),
                     "measurement", hex, "epoch", (json_int_t)n.epoch, "quotes_fetched",
                     (json_int_t)n.fetched, "leases", (json_int_t)n.leases, "keeper", n.active,
                     "standby", n.standby);
}
