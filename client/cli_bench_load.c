/* cli_bench_load.c - epoll over kept connections, one request in flight on each (cli_bench.h). */
#define _GNU_SOURCE
#include "cli_bench.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE   (64u << 10)
#define HEAD_SIZE   4096u
#define EVENT_COUNT 256

struct connection {
    int fd;
    struct load_request *request; /* in flight */
    size_t sent;
    uint64_t started_ns;
    struct load_answer answer;
    size_t head_used, body_seen;
    uint8_t head[HEAD_SIZE]; /* of the answer */
    uint8_t tail[5];         /* its last bytes, for the end of chunks */
    bool waits_to_write;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- the answer's head --- */

static bool field_is(const char *line, size_t size, const char *name, const char **value)
{
    size_t name_size = strlen(name);
    if (size <= name_size || strncasecmp(line, name, name_size) != 0)
        return false;
    *value = line + name_size;
    return true;
}

bool load_answer_read(const uint8_t *data, size_t size, struct load_answer *answer)
{
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    *answer = (struct load_answer){.head = false};
    if (!end)
        return true;
    if (size < 12 || memcmp(data, "HTTP/1.1 ", 9) != 0)
        return false;
    answer->head = true;
    answer->head_size = (size_t)(end - data) + 4;
    for (unsigned i = 9; i < 12; i++)
        answer->status = answer->status * 10 + (unsigned)(data[i] - '0');
    for (const char *line = (const char *)data; line < (const char *)end;) {
        const char *next = memmem(line, (size_t)((const char *)end + 2 - line), "\r\n", 2);
        const char *value;
        size_t line_size = (size_t)(next - line);
        if (field_is(line, line_size, "content-length:", &value))
            answer->body_size = strtoull(value, NULL, 10);
        else if (field_is(line, line_size, "transfer-encoding:", &value))
            answer->chunked = true;
        else if (field_is(line, line_size, "connection: close", &value))
            answer->close = true;
        line = next + 2;
    }
    answer->whole = answer->chunked ? size >= answer->head_size + 5 &&
                                          memcmp(data + size - 5, "0\r\n\r\n", 5) == 0
                                    : size >= answer->head_size + answer->body_size;
    return true;
}

/* --- connections --- */

static int connect_one(const struct load *load)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1, one = 1;
    if (getaddrinfo(load->host, load->port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
}

struct running {
    struct load *load;
    int epoll_fd;
    struct connection *connections;
    size_t next; /* request */
    unsigned alive;
    uint8_t buffer[READ_SIZE];
};

static bool watch(struct running *r, struct connection *c, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = c};
    if (c->waits_to_write == write)
        return true;
    c->waits_to_write = write;
    return epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

static bool send_more(struct running *r, struct connection *c)
{
    while (c->sent < c->request->size) {
        ssize_t sent =
            send(c->fd, c->request->data + c->sent, c->request->size - c->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return watch(r, c, true);
        if (sent <= 0)
            return false;
        c->sent += (size_t)sent;
    }
    return watch(r, c, false);
}

/* The next request, if there is one. */
static bool begin(struct running *r, struct connection *c)
{
    c->request = NULL;
    if (r->next == r->load->count)
        return true;
    c->request = &r->load->requests[r->next++];
    c->sent = c->head_used = c->body_seen = 0;
    c->answer.head = false;
    c->started_ns = now_ns();
    return send_more(r, c);
}

static void keep(struct load_request *request, const uint8_t *data, size_t size)
{
    size_t room = request->kept ? request->kept_max - request->kept_size : 0;
    size_t part = size < room ? size : room;
    if (part)
        memcpy(request->kept + request->kept_size, data, part);
    request->kept_size += part;
}

static void note_tail(struct connection *c, const uint8_t *data, size_t size)
{
    size_t keep_old = size >= sizeof(c->tail) ? 0 : sizeof(c->tail) - size;
    size_t take = size < sizeof(c->tail) ? size : sizeof(c->tail);
    memmove(c->tail, c->tail + sizeof(c->tail) - keep_old, keep_old);
    memcpy(c->tail + keep_old, data + size - take, take);
}

/* Bytes of an answer. False: the connection is of no more use. *done: it is whole. */
static bool take(struct connection *c, const uint8_t *data, size_t size, bool *done)
{
    *done = false;
    keep(c->request, data, size);
    if (!c->answer.head) {
        size_t room = sizeof(c->head) - c->head_used, part = size < room ? size : room;
        memcpy(c->head + c->head_used, data, part);
        size_t before = c->head_used;
        c->head_used += part;
        if (!load_answer_read(c->head, c->head_used, &c->answer) ||
            (!c->answer.head && c->head_used == sizeof(c->head)))
            return false;
        if (!c->answer.head)
            return true;
        memset(c->tail, 0, sizeof(c->tail));
        size_t used = c->answer.head_size - before; /* of this piece */
        data += used;
        size -= used;
    }
    c->body_seen += size;
    if (c->answer.chunked && size)
        note_tail(c, data, size);
    *done = c->answer.chunked ? memcmp(c->tail, "0\r\n\r\n", 5) == 0
                              : c->body_seen >= c->answer.body_size;
    return c->answer.chunked || c->body_seen <= c->answer.body_size;
}

static bool receive(struct running *r, struct connection *c)
{
    bool done = false;
    while (!done) {
        ssize_t got = recv(c->fd, r->buffer, sizeof(r->buffer), 0);
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0 || !c->request || !take(c, r->buffer, (size_t)got, &done))
            return false;
        r->load->bytes += (size_t)got;
        if (!done && (size_t)got < sizeof(r->buffer))
            return true;
    }
    c->request->latency_ns = now_ns() - c->started_ns;
    c->request->status = c->answer.status;
    r->load->answered++;
    return !c->answer.close && begin(r, c);
}

static void drop(struct running *r, struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    r->alive--;
}

static bool connect_all(struct running *r)
{
    struct load *load = r->load;
    for (unsigned i = 0; i < load->connections; i++) {
        struct connection *c = &r->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->fd = connect_one(load);
        if (c->fd < 0 || epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
            snprintf(load->failure, sizeof(load->failure), "%s:%s: %s", load->host, load->port,
                     strerror(errno));
            return false;
        }
        r->alive++;
    }
    return true;
}

static void run(struct running *r)
{
    struct load *load = r->load;
    struct epoll_event events[EVENT_COUNT];
    uint64_t start = now_ns(), cpu = cpu_ns();
    for (unsigned i = 0; i < load->connections; i++)
        if (!begin(r, &r->connections[i]))
            drop(r, &r->connections[i]);
    while (load->answered < load->count && r->alive > 0 && now_ns() - start < load->limit_ns) {
        int ready = epoll_wait(r->epoll_fd, events, EVENT_COUNT, 1000);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            bool good = true;
            if (events[i].events & EPOLLOUT)
                good = send_more(r, c);
            if (good && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                good = receive(r, c);
            if (!good)
                drop(r, c);
        }
    }
    load->elapsed_ns = now_ns() - start;
    load->cpu_ns = cpu_ns() - cpu;
}

bool load_run(struct load *load)
{
    struct running *r = calloc(1, sizeof(*r));
    load->answered = 0;
    load->failure[0] = 0;
    if (r)
        r->connections = calloc(load->connections, sizeof(*r->connections));
    if (!r || !r->connections) {
        free(r);
        snprintf(load->failure, sizeof(load->failure), "out of memory");
        return false;
    }
    for (unsigned i = 0; i < load->connections; i++)
        r->connections[i].fd = -1;
    r->load = load;
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bool good = r->epoll_fd >= 0 && connect_all(r);
    if (good)
        run(r);
    for (unsigned i = 0; i < load->connections; i++)
        if (r->connections[i].fd >= 0)
            close(r->connections[i].fd);
    if (r->epoll_fd >= 0)
        close(r->epoll_fd);
    free(r->connections);
    free(r);
    return good;
}
