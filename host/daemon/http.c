/*
 * http.c - libmicrohttpd inside our loop: listening, the life of a request, upload and answer,
 * clients that are slow or gone. Must never wait for one client, and never hold more of its bytes
 * than limits.h says.
 */
#define _GNU_SOURCE /* POLLRDHUP, strchrnul */
#include "daemon.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- suspend, resume, cut --- */

void call_suspend(struct call *call)
{
    if (call->suspended)
        return;
    call->suspended = true;
    MHD_suspend_connection(call->mhd);
}

void call_resume(struct call *call)
{
    if (!call->suspended)
        return;
    call->suspended = false;
    call->daemon->mhd_due = true;
    MHD_resume_connection(call->mhd);
}

void call_abort(struct call *call)
{
    call->aborted = true;
    if (call->suspended)
        call_resume(call);
    else
        (void)shutdown(call->connection->fd, SHUT_RDWR); /* libmicrohttpd finds it closed */
}

/* libmicrohttpd closes a connection here unless the answer is chunked and whole. It only marks it
 * (with MHD_USE_TURBO not even the socket is shut down), and cleans up in a later run: when there
 * is an event, which there is none of, when the connection has been silent longer than every other,
 * or when it has a time limit of its own. So it gets one, or its client would wait for the end of
 * the answer until every older idle client is gone. */
ssize_t call_end_stream(struct call *call, bool whole)
{
    if (!whole || !call->chunked) {
        call->daemon->mhd_due = true;
        (void)MHD_set_connection_option(call->mhd, MHD_CONNECTION_OPTION_TIMEOUT, HTTP_IDLE_S + 1);
    }
    return whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* --- answers --- */

static void set_response(struct call *call, unsigned status, struct MHD_Response *response)
{
    if (!response || call->response) {
        if (response)
            MHD_destroy_response(response);
        call_abort(call);
        return;
    }
    call->status = status;
    call->response = response;
    call_resume(call);
}

void call_reply(struct call *call, unsigned status, const char *type, void *data, size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(data);
    else if (type)
        (void)MHD_add_response_header(response, "Content-Type", type);
    set_response(call, status, response);
}

void call_reply_empty(struct call *call, unsigned status)
{
    set_response(call, status, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void call_reply_json(struct call *call, unsigned status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (text)
        call_reply(call, status, "application/json", text, strlen(text));
    else
        call_error(call, 500, "out of memory");
}

void call_error(struct call *call, unsigned status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    size_t used = size < 0 ? 0 : (size_t)size < sizeof text - 2 ? (size_t)size : sizeof text - 2;
    if (call->problems) {
        text[used] = 0;
        call_problem(call, status, NULL, "%s", text);
        return;
    }
    text[used++] = '\n';
    struct MHD_Response *response =
        MHD_create_response_from_buffer(used, text, MHD_RESPMEM_MUST_COPY);
    if (response) {
        (void)MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
        (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        if (call->must_close)
            (void)MHD_add_response_header(response, "Connection", "close");
        if (status == 401)
            (void)MHD_add_response_header(response, "WWW-Authenticate",
                                          "Basic realm=\"Restricted\"");
        if (status == 429 || status == 503)
            (void)MHD_add_response_header(response, "Retry-After", "1");
        if (call->call_id[0])
            (void)MHD_add_response_header(response, "X-Call-Id", call->call_id);
        if (call->kind == CALL_FUNCTION)
            (void)MHD_add_response_header(response, "X-OpenFaaS-Internal", "tfaasd");
    }
    set_response(call, status, response);
}

void call_reply_response(struct call *call, unsigned status, struct MHD_Response *response)
{
    set_response(call, status, response);
}

void call_problem(struct call *call, unsigned status, const char *type, const char *format, ...)
{
    char text[1024], clean[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)text_clean(clean, sizeof clean, (const uint8_t *)text, strlen(text));
    const char *title = MHD_get_reason_phrase_for(status);
    json_t *json = json_pack("{s:s,s:s,s:i,s:s}", "type", type ? type : "about:blank", "title",
                             title ? title : "", "status", (int)status, "detail", clean);
    char *body = json ? json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(json);
    struct MHD_Response *response =
        body ? MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE) : NULL;
    if (response) {
        (void)MHD_add_response_header(response, "Content-Type", "application/problem+json");
        (void)MHD_add_response_header(response, "Cache-Control", "no-store");
        if (call->must_close)
            (void)MHD_add_response_header(response, "Connection", "close");
        if (status == 429 || status == 503)
            (void)MHD_add_response_header(response, "Retry-After", "1");
        if (status == 426) /* RFC 9110 15.5.22 */
            (void)MHD_add_response_header(response, "Upgrade", "ohttp");
    } else {
        free(body);
    }
    set_response(call, status, response);
}

void call_fail(struct call *call, const struct tfaas_error *error)
{
    call_error(call, (unsigned)tfaas_status_http(error->status), "%s", error->text);
}

/* --- query parameters --- */

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

bool call_query(const struct call *call, const char *name, char *to, size_t capacity)
{
    size_t name_size = strlen(name);
    for (const char *at = call->query; at && *at;) {
        const char *end = strchrnul(at, '&');
        if (strncmp(at, name, name_size) == 0 && (at[name_size] == '=' || at + name_size == end)) {
            size_t out = 0;
            for (at += name_size + (at[name_size] == '='); at < end; at++) {
                char c = *at == '+' ? ' ' : *at;
                if (c == '%') {
                    if (end - at < 3 || hex(at[1]) < 0 || hex(at[2]) < 0)
                        return false;
                    c = (char)(hex(at[1]) << 4 | hex(at[2]));
                    at += 2;
                }
                if (c == 0 || out + 1 >= capacity)
                    return false;
                to[out++] = c;
            }
            to[out] = 0;
            return true;
        }
        at = *end ? end + 1 : end;
    }
    return false;
}

/* --- the life of a request --- */

/* More arguments than libmicrohttpd has room for, and it says nothing, nor calls anybody, before
 * the connection is idle for long. So it is answered here, where nothing else is under way on the
 * connection, which ends with it. */
static bool refuse_arguments(struct connection *c, const char *uri)
{
    static const char text[] = "the query has more than 384 arguments\n";
    _Static_assert(HTTP_ARGUMENTS_MAX == 384, "the number in the text");
    char answer[300];
    unsigned count = 0;
    for (const char *at = strchr(uri, '?'); at; at = strchr(at + 1, '&'))
        count++;
    if (count <= HTTP_ARGUMENTS_MAX)
        return false;
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 414 URI Too Long\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        sizeof text - 1, text);
    (void)send(c->fd, answer, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(c->fd, SHUT_WR);
    c->refused = true;
    return true;
}

static void *on_uri(void *env, const char *uri, struct MHD_Connection *mhd)
{
    struct daemon *d = env;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info ? info->socket_context : NULL;
    struct call *call = c && !refuse_arguments(c, uri) ? calloc(1, sizeof *call) : NULL;
    if (!call)
        return NULL;
    size_t size = strlen(uri);
    call->uri = size < sizeof call->uri_inline ? call->uri_inline : malloc(size + 1);
    if (!call->uri) {
        free(call);
        return NULL;
    }
    memcpy(call->uri, uri, size + 1);
    call->daemon = d;
    call->mhd = mhd;
    call->connection = c;
    c->call = call;
    call->start_ns = d->now_ns;
    d->calls++;
    return call;
}

static void on_completed(void *env, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode how)
{
    struct daemon *d = env;
    struct call *call = *request;
    (void)mhd;
    if (!call)
        return;
    *request = NULL;
    if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        d->mhd_due = true; /* it closes the socket in its next run only */
    if (call->job && call->job_cancel)
        call->job_cancel(call);
    logs_unfollow(&d->logs, &call->follower);
    proxy_close(call);
    if (call->response)
        MHD_destroy_response(call->response);
    call->connection->call = NULL;
    call->connection->since_ns = d->now_ns;
    d->calls--;
    free(call->body);
    if (call->uri != call->uri_inline)
        free(call->uri);
    free(call);
}

static void on_connection(void *env, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct daemon *d = env;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct connection *c = *context;
        if (c) {
            TAILQ_REMOVE(&d->connections, c, entry);
            d->connection_count--;
            free(c);
        }
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *c = info ? calloc(1, sizeof *c) : NULL;
    *context = c;
    if (!c)
        return; /* on_uri refuses its requests */
    c->fd = info->connect_fd;
    c->since_ns = d->now_ns;
    TAILQ_INSERT_TAIL(&d->connections, c, entry);
    d->connection_count++;
}

static enum MHD_Result queue_response(struct call *call)
{
    struct daemon *d = call->daemon;
    struct MHD_Response *response = call->response;
    uint64_t spent = loop_now_ns() - call->start_ns;
    call->response = NULL;
    call->replied = true;
    metrics_http(&d->metrics, call->method, call->status, spent);
    if (call->kind == CALL_FUNCTION && call->function && !call->sealing)
        metrics_function(&call->function->metrics, call->status, spent);
    enum MHD_Result result = MHD_queue_response(call->mhd, call->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Framing that two parsers could read differently is refused (RFC 9112 section 6.3). */
struct framing {
    unsigned lengths, codings;
    bool bad, expect;
    uint64_t length;
};

static enum MHD_Result read_framing(void *env, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct framing *f = env;
    (void)kind;
    if (strcasecmp(key, "Content-Length") == 0) {
        char *end = NULL;
        errno = 0;
        f->lengths++;
        f->length = value ? strtoull(value, &end, 10) : 0;
        f->bad |= !value || value[0] < '0' || value[0] > '9' || *end || errno;
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        f->codings++;
        f->bad |= !value || strcasecmp(value, "chunked") != 0;
    } else if (strcasecmp(key, "Expect") == 0) {
        f->expect = true;
    }
    return MHD_YES;
}

static enum MHD_Result first_call(struct call *call, const char *method)
{
    struct framing f = {0};
    call->method = method;
    call->start_realtime_ns = loop_realtime_ns();
    call->query = strchr(call->uri, '?');
    if (call->query)
        *call->query++ = 0;
    (void)MHD_get_connection_values(call->mhd, MHD_HEADER_KIND, read_framing, &f);
    call->must_close = f.bad || f.lengths + f.codings > 1;
    if (call->must_close) {
        call_error(call, 400, "malformed request: Content-Length and Transfer-Encoding disagree");
    } else if (strlen(call->uri) > HTTP_URI_MAX ||
               (call->query && strlen(call->query) > HTTP_URI_MAX)) {
        call_error(call, 414, "URI is longer than %llu bytes", HTTP_URI_MAX);
    } else if (call->daemon->stopping) {
        call_error(call, 503, "tfaasd is stopping");
    } else if (api_route(call) && f.length > call->body_limit) {
        call_error(call, 413, "content is larger than the limit of %zu bytes", call->body_limit);
    }
    if (call->aborted)
        return MHD_NO;
    /* A refusal waits for the end of the content, or the client might not read it. */
    if (call->response && (f.expect || f.length > HTTP_DISCARD_MAX || call->must_close))
        return queue_response(call);
    return MHD_YES;
}

bool call_body_append(struct call *call, const uint8_t *bytes, size_t size)
{
    struct daemon *d = call->daemon;
    size_t need = call->body_size + size, capacity = call->body_capacity;
    if (need > capacity) {
        for (capacity = capacity ? capacity : 4096; capacity < need;)
            capacity *= 2;
        size_t more = capacity - call->body_capacity;
        uint64_t most = call->kind == CALL_API ? HTTP_HELD_API : HTTP_HELD_TOTAL;
        uint8_t *body = d->held_total + more > most ? NULL : realloc(call->body, capacity);
        if (!body) {
            call_error(call, 503, "too many bytes of requests are held, try again");
            return false;
        }
        call->held += more;
        d->held_total += more;
        call->body = body;
        call->body_capacity = capacity;
    }
    if (size)
        memcpy(call->body + call->body_size, bytes, size);
    call->body_size = need;
    return true;
}

static size_t api_upload(struct call *call, const uint8_t *bytes, size_t size)
{
    if (size > call->body_limit - call->body_size)
        call->too_large = true;
    else
        (void)call_body_append(call, bytes, size);
    return size;
}

static enum MHD_Result on_upload(struct call *call, const char *data, size_t *size)
{
    const uint8_t *bytes = (const uint8_t *)data;
    if (call->response || call->too_large) {
        call->discarded += *size;
        *size = 0;
        return call->discarded > HTTP_DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    size_t taken = call->kind == CALL_FUNCTION ? proxy_upload(call, bytes, *size)
                                               : api_upload(call, bytes, *size);
    *size -= taken;
    if (call->aborted)
        return MHD_NO;
    if (*size)
        call_suspend(call);
    return MHD_YES;
}

static enum MHD_Result on_request(void *env, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request)
{
    struct call *call = *request;
    (void)env;
    (void)mhd;
    (void)url;
    if (!call || call->aborted)
        return MHD_NO;
    if (!call->method) {
        call->http11 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
        return first_call(call, method);
    }
    if (*size)
        return on_upload(call, data, size);
    if (!call->upload_done) {
        if (call->too_large && !call->response)
            call_error(call, 413, "content is larger than the limit of %zu bytes",
                       call->body_limit);
        call->upload_done = true;
        if (!call->response && call->kind == CALL_API)
            call->handler(call);
    }
    if (!call->response && call->kind == CALL_FUNCTION) {
        proxy_finish_upload(call);
        proxy_poll(call);
    }
    if (call->aborted || duplex_done(call))
        return MHD_NO;
    if (call->response)
        return queue_response(call);
    call_suspend(call);
    return MHD_YES;
}

/* --- slow and gone --- */

static void sweep_connection(struct daemon *d, struct connection *c, struct pollfd *poll_to)
{
    struct call *call = c->call;
    uint64_t now = d->now_ns;
    poll_to->fd = -1;
    if (!call) {
        if (c->refused || now - c->since_ns > d->config.read_timeout_ns + HTTP_IDLE_S * NS_PER_S)
            (void)shutdown(c->fd, SHUT_RDWR);
        return;
    }
    if (!call->method) { /* the head is still being sent */
        if (now - call->start_ns > d->config.read_timeout_ns)
            (void)shutdown(c->fd, SHUT_RDWR);
        return;
    }
    uint64_t age = now - call->start_ns;
    if (!call->upload_done && age > d->config.read_timeout_ns + call->timeout_ns) {
        call_abort(call);
    } else if (call->end_ns && now > call->end_ns &&
               now - call->end_ns > d->config.write_timeout_ns) {
        call_abort(call);
    } else if (call->follower.log && (d->stopping || age > d->config.write_timeout_ns)) {
        call_resume(call); /* its reader ends the stream */
    } else if (call->suspended && age > PEER_CHECK_NS) {
        *poll_to = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
    }
}

void http_sweep(struct daemon *d)
{
    struct pollfd *polls = calloc(d->connection_count + 1, sizeof *polls);
    struct connection **which = calloc(d->connection_count + 1, sizeof *which);
    nfds_t count = 0;
    struct connection *c;
    if (polls && which) {
        TAILQ_FOREACH(c, &d->connections, entry)
        {
            sweep_connection(d, c, &polls[count]);
            which[count] = c;
            count += polls[count].fd >= 0;
        }
        if (count && poll(polls, count, 0) > 0) {
            for (nfds_t i = 0; i < count; i++)
                if (polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR) && which[i]->call)
                    call_abort(which[i]->call);
        }
    }
    free(polls);
    free(which);
}

/* --- open, run, close --- */

static int listen_on(const struct config *config, struct tfaas_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    int failed = getaddrinfo(config->listen_host, config->listen_port, &hints, &list);
    if (failed) {
        (void)error_set(error, TFAAS_BAD_REQUEST, "cannot listen on %s:%s: %s", config->listen_host,
                        config->listen_port, gai_strerror(failed));
        return -1;
    }
    int one = 1;
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
        (void)error_errno(error, TFAAS_UNAVAILABLE, errno, "cannot listen on %s:%s",
                          config->listen_host, config->listen_port);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

/* As many connections as asked for, when the process may have that many descriptors. */
static unsigned connection_limit(const struct config *config)
{
    struct rlimit limit;
    unsigned most = (unsigned)config->max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return most;
    rlim_t want = config->max_connections + 1024;
    if (limit.rlim_cur < want && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < want) {
        most = limit.rlim_cur > 512 ? (unsigned)limit.rlim_cur - 256 : 64;
        daemon_log("open files are limited to %llu: at most %u connections",
                   (unsigned long long)limit.rlim_cur, most);
    }
    return most;
}

static void on_mhd_ready(struct watch *watch)
{
    struct daemon *d =
        (struct daemon *)(void *)((char *)watch - offsetof(struct daemon, mhd_watch));
    d->mhd_due = true;
}

tfaas_status_t http_open(struct daemon *d, struct tfaas_error *error)
{
    TAILQ_INIT(&d->connections);
    d->listen_fd = listen_on(&d->config, error);
    if (d->listen_fd < 0)
        return error->status;
    /* The second half of MHD_ALLOW_SUSPEND_RESUME wakes a loop in another thread with a system call
     * per resume; ours is this thread, and runs whenever something was resumed. */
    const unsigned flags =
        MHD_USE_EPOLL | MHD_USE_TURBO | (MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
    d->mhd = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, d, MHD_OPTION_LISTEN_SOCKET, d->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit(&d->config),
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)d->config.max_connections_per_ip,
        MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, d, MHD_OPTION_NOTIFY_COMPLETED, on_completed, d,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, d, MHD_OPTION_END);
    if (!d->mhd)
        return error_set(error, TFAAS_INTERNAL, "libmicrohttpd did not start");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    d->mhd_watch.ready = on_mhd_ready;
    if (!info || !loop_add(&d->loop, &d->mhd_watch, info->epoll_fd, false))
        return error_set(error, TFAAS_INTERNAL, "libmicrohttpd has no epoll descriptor");
    return TFAAS_OK;
}

void http_run(struct daemon *d)
{
    d->mhd_due = false;
    (void)MHD_run(d->mhd);
}

int http_timeout_ms(struct daemon *d)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    if (MHD_get_timeout(d->mhd, &timeout) != MHD_YES)
        return -1;
    return timeout > 60000 ? 60000 : (int)timeout;
}

void http_refuse_new(struct daemon *d)
{
    int fd = MHD_quiesce_daemon(d->mhd);
    if (fd >= 0)
        close(fd);
    d->listen_fd = -1;
}

void http_close(struct daemon *d)
{
    if (!d->mhd)
        return;
    /* Suspended connections must be resumed before libmicrohttpd may stop. */
    struct connection *c, *next;
    for (c = TAILQ_FIRST(&d->connections); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        if (c->call)
            call_abort(c->call);
    }
    (void)MHD_run(d->mhd);
    loop_remove(&d->loop, &d->mhd_watch);
    MHD_stop_daemon(d->mhd);
    d->mhd = NULL;
}
