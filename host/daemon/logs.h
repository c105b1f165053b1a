/*
 * logs.h - the last lines of every function, in memory, within a bound per function and one for
 * all. Lines are numbered, so that a reader that is slow misses lines instead of holding them.
 */
#ifndef TFAAS_HOST_LOGS_H
#define TFAAS_HOST_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct log_line {
    TAILQ_ENTRY(log_line) in_function, in_all;
    struct function_log *owner;
    uint64_t number, time_ns; /* CLOCK_REALTIME */
    size_t size;
    char text[];
};
TAILQ_HEAD(log_line_list, log_line);

struct log_follower {
    TAILQ_ENTRY(log_follower) entry;
    struct function_log *log; /* NULL: not following */
    uint64_t next;            /* number of the next line to be sent */
    void (*wake)(struct log_follower *follower);
};

struct function_log {
    struct log_line_list lines;
    TAILQ_HEAD(, log_follower) followers;
    uint64_t next; /* number of the line to come */
    size_t size;
};

struct logs {
    struct log_line_list all; /* oldest first */
    size_t size;
    uint32_t followers;
};

void logs_init(struct logs *logs);
void function_log_init(struct function_log *log);
/* Followers are woken: their log is NULL then. */
void function_log_clear(struct logs *logs, struct function_log *log);
void logs_add(struct logs *logs, struct function_log *log, uint64_t time_ns, const char *text,
              size_t size);
/* The first line with number >= `from` that is still there. */
const struct log_line *function_log_from(const struct function_log *log, uint64_t from);
/* Number of the first of the last `tail` lines not older than `since_ns`. */
uint64_t function_log_start(const struct function_log *log, uint64_t since_ns, uint64_t tail);
bool logs_follow(struct logs *logs, struct function_log *log, struct log_follower *follower);
void logs_unfollow(struct logs *logs, struct log_follower *follower);

#endif
