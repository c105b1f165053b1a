/*
 * loop.c - see loop.h. Never blocks anywhere but in epoll_wait.
 */
#include "loop.h"
#include "limits.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

bool loop_open(struct loop *loop)
{
    loop->batch_count = loop->batch_at = 0;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll_fd >= 0;
}

void loop_close(struct loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

static bool add(struct loop *loop, struct watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events};
    event.data.ptr = watch;
    watch->fd = fd;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    watch->fd = -1;
    return false;
}

bool loop_add(struct loop *loop, struct watch *watch, int fd, bool edge)
{
    return add(loop, watch, fd, EPOLLIN | (edge ? (uint32_t)EPOLLET : 0u));
}

bool loop_add_writer(struct loop *loop, struct watch *watch, int fd)
{
    return add(loop, watch, fd, EPOLLOUT | (uint32_t)EPOLLET);
}

void loop_remove(struct loop *loop, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    for (int i = loop->batch_at; i < loop->batch_count; i++) {
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
    }
}

bool loop_turn(struct loop *loop, int timeout_ms)
{
    int count = epoll_wait(loop->epoll_fd, loop->batch, 64, timeout_ms);
    if (count < 0)
        return errno == EINTR;
    loop->batch_count = count;
    for (int i = 0; i < count; i++) {
        struct watch *watch = loop->batch[i].data.ptr;
        loop->batch_at = i + 1;
        if (watch)
            watch->ready(watch);
    }
    loop->batch_count = loop->batch_at = 0;
    return true;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t loop_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t loop_realtime_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}
