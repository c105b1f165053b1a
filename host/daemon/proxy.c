/*
 * proxy.c - /function/NAME[.NAMESPACE][/path][?query]: from an HTTP request to an invocation and
 * back. A function's own error text never reaches the caller; what a function sends back is
 * checked.
 */
#include "daemon.h"

#include "bhttp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint8_t head_bytes[TFAAS_PAYLOAD_MAX], head_scratch[HTTP_HEAD_MAX];

/* --- identifiers --- */

static void make_uuid(char *to)
{
    static uint8_t pool[4096]; /* drawn at once: one system call per 256 identifiers */
    static size_t left;
    if (left < 16) {
        randombytes_buf(pool, sizeof pool);
        left = sizeof pool;
    }
    uint8_t *b = pool + sizeof pool - left;
    left -= 16;
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[b[i] >> 4];
        *to++ = digits[b[i] & 15];
    }
    *to = 0;
}

static void take_call_id(struct call *call)
{
    const char *given = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "X-Call-Id");
    size_t size = given ? strlen(given) : 0;
    bool good = size > 0 && size <= HTTP_CALL_ID_MAX;
    for (size_t i = 0; i < size && good; i++)
        good = given[i] > 0x20 && given[i] < 0x7f;
    if (good)
        memcpy(call->call_id, given, size + 1);
    else
        make_uuid(call->call_id);
}

/* --- routing --- */

static bool method_ok(const char *method)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return false;
}

static struct function *find(struct daemon *d, const char *name, size_t size)
{
    struct function *f = NULL;
    if (memchr(name, '.', size))
        f = registry_find(d, name, size);
    else if (size < 64) {
        char key[64 + sizeof STORE_DEFAULT_NAMESPACE + 1];
        int full = snprintf(key, sizeof key, "%.*s.%s", (int)size, name, STORE_DEFAULT_NAMESPACE);
        f = registry_find(d, key, (size_t)full);
    }
    return f;
}

bool proxy_route(struct call *call, const char *after)
{
    struct daemon *d = call->daemon;
    size_t size = strcspn(after, "/");
    call->kind = CALL_FUNCTION;
    call->body_limit = d->config.max_body;
    struct function *f = find(d, after, size);
    call->sealing = sealed_type(call);
    call->problems = call->sealing != 0;
    if (!f) {
        char name[128];
        (void)text_clean(name, sizeof name, (const uint8_t *)after, size);
        call_error(call, 404, "function not found: %s", name);
        return false;
    }
    if (!method_ok(call->method)) {
        call_error(call, 405, "method %.20s is not allowed", call->method);
        return false;
    }
    if (call->sealing)
        call->body_limit = sealed_limit(call);
    function_ref(f);
    call->function = f;
    call->path = after[size] ? after + size : "/";
    call->timeout_ns = f->deadline_ns;
    take_call_id(call);
    return true;
}

/* --- request head --- */

static bool is_hop(const char *name, size_t size)
{
    static const char *const hops[] = {"connection",         "keep-alive",          "te",
                                       "proxy-authenticate", "proxy-authorization", "trailer",
                                       "proxy-connection",   "transfer-encoding",   "upgrade"};
    for (size_t i = 0; i < sizeof hops / sizeof *hops; i++)
        if (strlen(hops[i]) == size && strncasecmp(hops[i], name, size) == 0)
            return true;
    return false;
}

static bool is_name(const char *name, size_t size, const char *lower)
{
    return strlen(lower) == size && strncasecmp(name, lower, size) == 0;
}

/* Is `name` one of the tokens of a Connection header (RFC 9110 section 7.6.1)? */
static bool is_listed(const char *list, const char *name, size_t size)
{
    while (list && *list) {
        list += strspn(list, ", \t");
        size_t token = strcspn(list, ", \t");
        if (token == size && size && strncasecmp(list, name, size) == 0)
            return true;
        list += token;
    }
    return false;
}

struct head_builder {
    struct call *call;
    struct bhttp_writer writer;
    const char *connection; /* its tokens, NULL when they are only keep-alive or close */
    const char *host;
    bool forwarded_for, forwarded_host;
    unsigned fields;
};

static enum MHD_Result add_field(void *env, enum MHD_ValueKind kind, const char *key,
                                 size_t key_size, const char *value, size_t value_size)
{
    struct head_builder *b = env;
    (void)kind;
    if (is_hop(key, key_size) || is_name(key, key_size, "host") ||
        is_name(key, key_size, "expect") || is_name(key, key_size, "x-call-id") ||
        is_name(key, key_size, "x-start-time"))
        return MHD_YES;
    if (b->connection && is_listed(b->connection, key, key_size))
        return MHD_YES;
    if (is_name(key, key_size, "x-forwarded-for"))
        b->forwarded_for = true;
    else if (is_name(key, key_size, "x-forwarded-host"))
        b->forwarded_host = true;
    else if (is_name(key, key_size, "x-timeout")) {
        uint64_t ns;
        if (value && config_duration(value, &ns) && ns && ns < b->call->timeout_ns)
            b->call->timeout_ns = ns < FUNCTION_TIMEOUT_MIN_NS ? FUNCTION_TIMEOUT_MIN_NS : ns;
    }
    bhttp_field(&b->writer, (struct span){(const uint8_t *)key, key_size},
                (struct span){(const uint8_t *)value, value ? value_size : 0});
    b->fields++;
    return MHD_YES;
}

static void add_forwarded(struct head_builder *b)
{
    char text[INET6_ADDRSTRLEN] = "";
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(b->call->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!b->forwarded_for && info && info->client_addr) {
        const struct sockaddr *a = info->client_addr;
        if (a->sa_family == AF_INET)
            (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text,
                            sizeof text);
        else if (a->sa_family == AF_INET6)
            (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                            text, sizeof text);
        bhttp_field(&b->writer, span_of_text("x-forwarded-for"), span_of_text(text));
    }
    if (!b->forwarded_host && b->host)
        bhttp_field(&b->writer, span_of_text("x-forwarded-host"), span_of_text(b->host));
}

/* Size of the head in head_bytes, or 0 after it has replied. */
static size_t make_head(struct call *call)
{
    struct head_builder b = {.call = call};
    char path[2 * HTTP_URI_MAX + 2], start[24];
    int path_size = snprintf(path, sizeof path, "%s%s%s", call->path, call->query ? "?" : "",
                             call->query ? call->query : "");
    b.host = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Host");
    b.connection = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Connection");
    if (b.connection &&
        (strcasecmp(b.connection, "keep-alive") == 0 || strcasecmp(b.connection, "close") == 0))
        b.connection = NULL;
    bhttp_begin_request(&b.writer, head_bytes, sizeof head_bytes, head_scratch, sizeof head_scratch,
                        span_of_text(call->method), span_of_text("http"),
                        span_of_text(b.host ? b.host : ""),
                        (struct span){(const uint8_t *)path, (size_t)path_size});
    (void)MHD_get_connection_values_n(call->mhd, MHD_HEADER_KIND, add_field, &b);
    (void)snprintf(start, sizeof start, "%llu", (unsigned long long)call->start_realtime_ns);
    bhttp_field(&b.writer, span_of_text("x-call-id"), span_of_text(call->call_id));
    bhttp_field(&b.writer, span_of_text("x-start-time"), span_of_text(start));
    add_forwarded(&b);
    size_t size = bhttp_end(&b.writer);
    struct bhttp_head head;
    const char *why = "";
    if (size == 0 || size > BHTTP_HEAD_MAX || b.fields > BHTTP_FIELDS_MAX - 4) {
        call_error(call, 431, "request head is larger than %llu bytes or %u fields", HTTP_HEAD_MAX,
                   BHTTP_FIELDS_MAX - 4);
        return 0;
    }
    /* The core checks the same; a head it would refuse is the client's error, told here. */
    if (bhttp_read_head(head_bytes, size, &head, &why) != TFAAS_OK) {
        call_error(call, 400, "malformed request: %s", why);
        return 0;
    }
    return size;
}

/* --- start, upload --- */

/* Starts the invocation with what has been kept back, `last` if that is all of the content. */
static void start(struct call *call, bool last)
{
    struct function *f = call->function;
    if (call->sealing) {
        (void)sealed_start(call, last);
        return;
    }
    if (!f->deployed) {
        call_error(call, 404, "function not found: %s", f->key);
        return;
    }
    size_t head_size = make_head(call);
    if (head_size == 0)
        return;
    function_wake(f);
    size_t first = TFAAS_PAYLOAD_MAX - head_size;
    if (first >= call->body_size)
        first = call->body_size;
    else
        last = false;
    struct tfaas_error error;
    call->started = true;
    call->last_sent = last;
    call->core.deadline_ns = call->timeout_ns;
    f->metrics.started++;
    tfaas_status_t status = core_call_start(f->ns->link, &call->core, &f->core, head_bytes,
                                            head_size, call->body, first, last, &error);
    if (status != TFAAS_OK) {
        call->ended = true;
        call->core.status = status;
        (void)snprintf(call->core.reason, sizeof call->core.reason, "%.150s", error.text);
        return;
    }
    /* What is left goes first when there is room; `body` holds it. */
    memmove(call->body ? call->body : head_bytes, call->body ? call->body + first : head_bytes,
            call->body_size - first);
    call->body_size -= first;
}

/* Sends what is kept back. True when nothing is left of it. */
static bool send_rest(struct call *call)
{
    if (call->body_size == 0 || call->ended)
        return true;
    size_t taken = core_call_send(&call->core, call->body, call->body_size, false);
    sealed_keep(call, call->body, taken);
    memmove(call->body, call->body + taken, call->body_size - taken);
    call->body_size -= taken;
    return call->body_size == 0;
}

static size_t keep_back(struct call *call, const uint8_t *bytes, size_t size)
{
    size_t room = HTTP_UPLOAD_HOLD - call->body_size;
    if (size > room)
        size = room;
    (void)call_body_append(call, bytes, size);
    return size;
}

size_t proxy_upload(struct call *call, const uint8_t *bytes, size_t size)
{
    if (call->uploaded + size > call->body_limit) {
        call->too_large = true;
        if (call->duplex) /* too late for a status */
            call_abort(call);
        proxy_cancel(call);
        return size;
    }
    size_t taken = 0;
    if (call->again)
        sealed_again(call);
    if (!call->started && !call->ended) {
        taken = keep_back(call, bytes, size);
        if (!call->response && call->body_size == HTTP_UPLOAD_HOLD)
            start(call, false);
    }
    if (call->started && !call->ended && taken < size && send_rest(call)) {
        size_t sent = core_call_send(&call->core, bytes + taken, size - taken, false);
        sealed_keep(call, bytes + taken, sent);
        taken += sent;
    }
    /* Over, perhaps since a moment ago (no place for it): read on, so that the client can read the
     * answer. Nothing would wake the call if it waited for room. */
    if (call->ended || call->response)
        taken = size;
    call->uploaded += taken;
    return taken;
}

void proxy_finish_upload(struct call *call)
{
    if (call->again)
        sealed_again(call);
    if (!call->started)
        start(call, true);
    if (call->response || call->ended || call->last_sent)
        return;
    if (send_rest(call) && core_call_send(&call->core, NULL, 0, true) == 1)
        call->last_sent = true;
}

/* --- answer --- */

static void limit_text(const struct call *call, char *to, size_t capacity)
{
    double s = (double)call->timeout_ns / 1e9;
    (void)snprintf(to, capacity, "%gs", s);
}

static void reply_failure(struct call *call)
{
    const struct function *f = call->function;
    char limit[32];
    unsigned code = (unsigned)tfaas_status_http(call->core.status);
    tfaas_status_t status = call->core.status;
    /* Whatever keeps a function from loading, its caller did nothing wrong, and the reason is its
     * owner's. Only "later" is told as such. */
    if (call->core.load_failed && status != TFAAS_BUSY && status != TFAAS_UNAVAILABLE &&
        status != TFAAS_NO_SPACE)
        status = TFAAS_BAD_PACKAGE;
    if (call->core.status == TFAAS_NOT_GRANTED) /* what its owner must do is no secret */
        status = TFAAS_NOT_GRANTED;
    switch (status) {
    case TFAAS_ENCAPSULATION_REQUIRED:
        call_problem(call, code, NULL,
                     "function %s takes encapsulated requests only (message/ohttp-req; see "
                     "/.well-known/ohttp-gateway)",
                     f->key);
        break;
    case TFAAS_NOT_GRANTED:
        call_problem(call, code, NULL, "function %s: %s", f->key, call->core.reason);
        break;
    case TFAAS_DEADLINE:
        limit_text(call, limit, sizeof limit);
        call_error(call, code, "function %s: deadline exceeded, its time limit is %s%s%s", f->key,
                   limit, call->core.reason[0] ? ": " : "", call->core.reason);
        break;
    case TFAAS_MEMORY_LIMIT:
        call_error(call, code, "function %s: memory limit of %llu MiB reached", f->key,
                   (unsigned long long)(f->memory_limit / MIB));
        break;
    case TFAAS_OUTPUT_LIMIT:
        call_error(call, code, "function %s: response limit of %llu MiB reached", f->key,
                   FUNCTION_RESPONSE_MAX / MIB);
        break;
    case TFAAS_BUSY:
        call_error(call, code, "function %s: queue is full, try again", f->key);
        break;
    case TFAAS_CORE_LOST:
    case TFAAS_PEER_DEAD:
        /* What a core says at its end holds addresses: it is for the operator (on_event). */
        call_error(call, code, "function %s: core stopped while serving the call: core %.*s",
                   f->key, (int)strcspn(call->core.reason, ":"), call->core.reason);
        break;
    case TFAAS_UNAVAILABLE:
    case TFAAS_NO_SPACE:
        call_error(call, code, "function %s: %s", f->key,
                   call->core.reason[0] ? call->core.reason : tfaas_status_text(call->core.status));
        break;
    case TFAAS_NOT_FOUND:
        call_error(call, code, "function not found: %s", f->key);
        break;
    case TFAAS_BAD_REQUEST:
    case TFAAS_BAD_RESPONSE:
    case TFAAS_HOSTCALL_LIMIT:
        call_error(call, code, "function %s: %s", f->key, tfaas_status_text(call->core.status));
        break;
    case TFAAS_BAD_PACKAGE:
    case TFAAS_BAD_MODULE:
    case TFAAS_BAD_SCRIPT:
        call_error(call, 500, "function %s failed to load, its log tells why", f->key);
        break;
    default:
        call_error(call, 500, "function %s failed, its log may tell why", f->key);
    }
}

static bool is_ours(const char *name, size_t size)
{
    return is_name(name, size, "content-length") || is_name(name, size, "x-call-id") ||
           is_name(name, size, "x-start-time") || is_name(name, size, "x-duration-seconds");
}

/* libmicrohttpd takes C strings, and refuses a value with a tab: that header is left out. */
static void add_header(void *env, const char *name, size_t name_size, const char *value,
                       size_t value_size)
{
    char buffer[1024], *text = buffer;
    size_t need = name_size + value_size + 2;
    if (need > sizeof buffer && !(text = malloc(need)))
        return;
    memcpy(text, name, name_size);
    text[name_size] = 0;
    if (value_size)
        memcpy(text + name_size + 1, value, value_size);
    text[need - 1] = 0;
    (void)MHD_add_response_header(env, text, text + name_size + 1);
    if (text != buffer)
        free(text);
}

static void add_text(header_fn add, void *env, const char *name, const char *value)
{
    add(env, name, strlen(name), value, strlen(value));
}

void proxy_headers(struct call *call, const struct bhttp_head *head, header_fn add, void *env)
{
    struct span name, value;
    bool has_type = false;
    size_t at = 0;
    char text[32], listed[256] = "";
    while (bhttp_next_field(head->fields, &at, &name, &value))
        if (span_is(name, "connection") && value.size < sizeof listed)
            (void)snprintf(listed, sizeof listed, "%.*s", (int)value.size,
                           (const char *)value.data);
    at = 0;
    while (bhttp_next_field(head->fields, &at, &name, &value)) {
        const char *key = (const char *)name.data;
        if (is_hop(key, name.size) || is_ours(key, name.size) || is_listed(listed, key, name.size))
            continue;
        has_type |= is_name(key, name.size, "content-type");
        add(env, key, name.size, (const char *)value.data, value.size);
    }
    if (!has_type) {
        const char *type = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Content-Type");
        add_text(add, env, "Content-Type", type ? type : "text/plain");
    }
    add_text(add, env, "X-Call-Id", call->call_id);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)call->start_realtime_ns);
    add_text(add, env, "X-Start-Time", text);
    (void)snprintf(text, sizeof text, "%f", (double)(loop_now_ns() - call->start_ns) / 1e9);
    add_text(add, env, "X-Duration-Seconds", text);
}

static uint64_t declared_length(const struct bhttp_head *head)
{
    struct span name, value;
    size_t at = 0;
    while (bhttp_next_field(head->fields, &at, &name, &value)) {
        if (!span_is(name, "content-length") || value.size == 0 || value.size > 15)
            continue;
        uint64_t n = 0;
        size_t i = 0;
        for (; i < value.size && value.data[i] >= '0' && value.data[i] <= '9'; i++)
            n = n * 10 + (uint64_t)(value.data[i] - '0');
        if (i == value.size)
            return n;
    }
    return MHD_SIZE_UNKNOWN;
}

void proxy_consumed(struct call *call, size_t size)
{
    call->out_at += size;
    call->out_read += size;
    uint64_t held = size < call->held ? size : call->held;
    call->held -= held;
    call->daemon->held_total -= held;
    if (call->out_read > call->out_credited) {
        core_call_consumed(&call->core, (size_t)(call->out_read - call->out_credited));
        call->out_credited = call->out_read;
    }
}

ssize_t proxy_read_stream(void *env, uint64_t position, char *to, size_t most)
{
    struct call *call = env;
    (void)position;
    size_t left = call->out_size - call->out_at;
    if (call->aborted)
        return call_end_stream(call, false);
    if (left == 0) {
        if (call->ended)
            return call_end_stream(call, call->core.status == TFAAS_OK);
        call->out_size = call->out_at = 0;
        call_suspend(call);
        return 0;
    }
    size_t size = left < most ? left : most;
    memcpy(to, call->out + call->out_at, size);
    proxy_consumed(call, size);
    return (ssize_t)size;
}

/* The answer is whole: libmicrohttpd takes the buffer as it is. */
static struct MHD_Response *whole_response(struct call *call, const struct bhttp_head *head)
{
    /* The buffer moves into the response, which frees it. */
    uint8_t *own = call->out;
    struct MHD_Response *response;
    uint64_t declared = declared_length(head);
    if (strcmp(call->method, "HEAD") == 0 && declared != MHD_SIZE_UNKNOWN)
        return MHD_create_response_from_callback(declared, HTTP_STREAM_BLOCK, proxy_read_stream,
                                                 call, NULL);
    response = MHD_create_response_from_buffer_with_free_callback_cls(call->out_size - head->size,
                                                                      own + head->size, free, own);
    if (response)
        call->out = NULL;
    return response;
}

static void reply_function(struct call *call)
{
    struct bhttp_head head;
    const char *why = "";
    if (bhttp_read_head(call->out, call->out_size, &head, &why) != TFAAS_OK || !head.is_response ||
        head.size > HTTP_RESPONSE_HEAD_MAX) {
        if (!call->ended)
            core_call_cancel(&call->core);
        call->ended = true;
        call->core.status = TFAAS_BAD_RESPONSE;
        reply_failure(call);
        return;
    }
    struct MHD_Response *response;
    if (call->ended) {
        response = whole_response(call, &head);
    } else {
        uint64_t declared = declared_length(&head);
        response = MHD_create_response_from_callback(declared, HTTP_STREAM_BLOCK, proxy_read_stream,
                                                     call, NULL);
        call->chunked = call->http11 && declared == MHD_SIZE_UNKNOWN;
        proxy_consumed(call, head.size);
    }
    if (!response) {
        call_abort(call);
        return;
    }
    /* The head's bytes live on: in the response or in the call. */
    proxy_headers(call, &head, add_header, response);
    call->status = head.status;
    call->response = response;
}

void proxy_poll(struct call *call)
{
    if (call->again)
        sealed_again(call);
    if (call->response || !call->started || call->duplex)
        return;
    if (call->sealing) {
        sealed_poll(call);
        return;
    }
    if (call->ended && call->core.status != TFAAS_OK)
        reply_failure(call);
    else if (call->ended || call->out_size)
        reply_function(call);
}

void proxy_cancel(struct call *call)
{
    if (call->started && !call->ended)
        core_call_cancel(&call->core);
    call->ended = true;
    duplex_free(call);
    call->daemon->held_total -= call->held;
    call->held = 0;
    free(call->out);
    call->out = NULL;
    call->out_size = call->out_at = call->out_capacity = 0;
    call->again = false;
    sealed_forget(call);
}

void proxy_close(struct call *call)
{
    proxy_cancel(call);
    if (call->function)
        function_unref(call->function);
    call->function = NULL;
}
