/*
 * loop.h - the one epoll loop: descriptors and what to call when they are ready.
 */
#ifndef TFAAS_HOST_LOOP_H
#define TFAAS_HOST_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
    int fd; /* -1: not watched */
    void (*ready)(struct watch *watch);
};

struct loop {
    int epoll_fd;
    struct epoll_event batch[64];
    int batch_count, batch_at;
};

/* Return false with errno set. */
bool loop_open(struct loop *loop);
void loop_close(struct loop *loop);
/* `edge`: told once per change, so that an eventfd need not be read. */
bool loop_add(struct loop *loop, struct watch *watch, int fd, bool edge);
/* Told once per change to writable. */
bool loop_add_writer(struct loop *loop, struct watch *watch, int fd);
/* Also forgets what is in the batch being served, so that the watch may be freed at once. */
void loop_remove(struct loop *loop, struct watch *watch);
/* Waits (milliseconds, -1 for ever), then calls what is ready. False on an epoll failure. */
bool loop_turn(struct loop *loop, int timeout_ms);

/* Of two timeouts in milliseconds, -1: never. */
static inline int loop_earlier(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

uint64_t loop_now_ns(void);      /* CLOCK_MONOTONIC */
uint64_t loop_realtime_ns(void); /* CLOCK_REALTIME */

#endif
