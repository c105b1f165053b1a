/*
 * duplex.c - an answer that goes out while its request still comes in (see daemon.h). The answer is
 * chunked and ends the connection; one that failed is never ended as if it were whole.
 */
#include "daemon.h"

#include "bhttp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define WIRE_CHUNK (32u * 1024)

struct duplex {
    struct call *call;
    struct watch watch;
    bool ended, done; /* the last chunk is in the wire buffer; all of it is sent */
    size_t size, at;
    char wire[TFAAS_PAYLOAD_MAX];
};

static void put(struct duplex *x, const char *text, size_t size)
{
    if (size <= sizeof x->wire - x->size) {
        memcpy(x->wire + x->size, text, size);
        x->size += size;
    }
}

static void put_header(void *env, const char *name, size_t name_size, const char *value,
                       size_t value_size)
{
    struct duplex *x = env;
    if (name_size + value_size + 4 > sizeof x->wire - x->size - 128)
        return; /* heads are bounded by BHTTP_HEAD_MAX: there is room */
    put(x, name, name_size);
    put(x, ": ", 2);
    put(x, value, value_size);
    put(x, "\r\n", 2);
}

/* The next chunk, or the last one. False: nothing to send now. */
static bool next_chunk(struct duplex *x)
{
    struct call *call = x->call;
    size_t size = call->out_size - call->out_at;
    x->at = x->size = 0;
    if (size == 0) {
        call->out_at = call->out_size = 0;
        if (!call->ended || x->ended)
            return false;
        x->ended = true;
        if (call->core.status == TFAAS_OK)
            put(x, "0\r\n\r\n", 5);
        return true;
    }
    if (size > WIRE_CHUNK)
        size = WIRE_CHUNK;
    int head = snprintf(x->wire, 16, "%zx\r\n", size);
    x->size = (size_t)head;
    put(x, (const char *)call->out + call->out_at, size);
    put(x, "\r\n", 2);
    proxy_consumed(call, size);
    return true;
}

void duplex_push(struct call *call)
{
    struct duplex *x = call->duplex;
    int fd = call->connection->fd;
    while (!x->done) {
        if (x->at == x->size && !next_chunk(x))
            break;
        ssize_t sent = x->at < x->size
                           ? send(fd, x->wire + x->at, x->size - x->at, MSG_DONTWAIT | MSG_NOSIGNAL)
                           : 0;
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return; /* the watch tells when there is room */
        if (sent < 0) {
            call_abort(call);
            return;
        }
        x->at += (size_t)sent;
        x->done = x->ended && x->at == x->size;
    }
    if (x->done && !call->aborted) {
        (void)shutdown(fd, call->core.status == TFAAS_OK ? SHUT_WR : SHUT_RDWR);
        call_resume(call);
    }
}

static void on_writable(struct watch *watch)
{
    struct duplex *x = (struct duplex *)(void *)((char *)watch - offsetof(struct duplex, watch));
    duplex_push(x->call);
}

bool duplex_start(struct call *call, const struct bhttp_head *head)
{
    struct daemon *d = call->daemon;
    struct duplex *x = malloc(sizeof *x);
    if (!x)
        return false;
    x->call = call;
    x->watch = (struct watch){.fd = -1, .ready = on_writable};
    x->ended = x->done = false;
    x->at = 0;
    char date[40];
    time_t now = (time_t)(loop_realtime_ns() / NS_PER_S);
    struct tm tm;
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    unsigned status = head ? head->status : 200;
    const char *reason = MHD_get_reason_phrase_for(status);
    int size = snprintf(x->wire, sizeof x->wire, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status,
                        reason ? reason : "", date);
    x->size = (size_t)size;
    if (head) {
        proxy_headers(call, head, put_header, x);
    } else {
        const char *type = sealed_response_type(call->sealing);
        put_header(x, "Content-Type", 12, type, strlen(type));
        put_header(x, "Cache-Control", 13, "no-store", 8);
    }
    static const char last[] = "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    put(x, last, sizeof last - 1);
    if (!loop_add_writer(&d->loop, &x->watch, call->connection->fd)) {
        free(x);
        return false;
    }
    call->duplex = x;
    call->status = status;
    uint64_t spent = loop_now_ns() - call->start_ns;
    metrics_http(&d->metrics, call->method, status, spent);
    if (head) {
        metrics_function(&call->function->metrics, status, spent);
        proxy_consumed(call, head->size);
    }
    duplex_push(call);
    return true;
}

bool duplex_done(const struct call *call)
{
    return call->duplex && call->duplex->done;
}

void duplex_free(struct call *call)
{
    if (!call->duplex)
        return;
    loop_remove(&call->daemon->loop, &call->duplex->watch);
    free(call->duplex);
    call->duplex = NULL;
}
