/*
 * logs.c - see logs.h. Must never hold more than LOG_FUNCTION_MAX of one function and
 * LOG_TOTAL_MAX of all.
 */
#include "logs.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

void logs_init(struct logs *logs)
{
    TAILQ_INIT(&logs->all);
    logs->size = 0;
    logs->followers = 0;
}

void function_log_init(struct function_log *log)
{
    TAILQ_INIT(&log->lines);
    TAILQ_INIT(&log->followers);
    log->next = 1;
    log->size = 0;
}

static size_t cost(const struct log_line *line)
{
    return sizeof *line + line->size;
}

static void drop(struct logs *logs, struct log_line *line)
{
    TAILQ_REMOVE(&line->owner->lines, line, in_function);
    TAILQ_REMOVE(&logs->all, line, in_all);
    line->owner->size -= cost(line);
    logs->size -= cost(line);
    free(line);
}

void function_log_clear(struct logs *logs, struct function_log *log)
{
    struct log_line *line;
    while ((line = TAILQ_FIRST(&log->lines)))
        drop(logs, line);
    struct log_follower *follower;
    while ((follower = TAILQ_FIRST(&log->followers))) {
        logs_unfollow(logs, follower);
        follower->wake(follower);
    }
}

void logs_add(struct logs *logs, struct function_log *log, uint64_t time_ns, const char *text,
              size_t size)
{
    if (size > CORE_TEXT_MAX)
        size = CORE_TEXT_MAX;
    struct log_line *line = malloc(sizeof *line + size);
    if (!line)
        return; /* a line of a log is not worth an error */
    line->owner = log;
    line->number = log->next++;
    line->time_ns = time_ns;
    line->size = size;
    memcpy(line->text, text, size);
    TAILQ_INSERT_TAIL(&log->lines, line, in_function);
    TAILQ_INSERT_TAIL(&logs->all, line, in_all);
    log->size += cost(line);
    logs->size += cost(line);
    while (log->size > LOG_FUNCTION_MAX)
        drop(logs, TAILQ_FIRST(&log->lines));
    while (logs->size > LOG_TOTAL_MAX)
        drop(logs, TAILQ_FIRST(&logs->all));
    struct log_follower *follower;
    TAILQ_FOREACH(follower, &log->followers, entry)
    follower->wake(follower);
}

const struct log_line *function_log_from(const struct function_log *log, uint64_t from)
{
    /* Readers are mostly at the end: look from there. */
    const struct log_line *line, *found = NULL;
    TAILQ_FOREACH_REVERSE(line, &log->lines, log_line_list, in_function)
    {
        if (line->number < from)
            break;
        found = line;
    }
    return found;
}

uint64_t function_log_start(const struct function_log *log, uint64_t since_ns, uint64_t tail)
{
    uint64_t start = log->next;
    const struct log_line *line;
    TAILQ_FOREACH_REVERSE(line, &log->lines, log_line_list, in_function)
    {
        if (tail-- == 0 || line->time_ns < since_ns)
            break;
        start = line->number;
    }
    return start;
}

bool logs_follow(struct logs *logs, struct function_log *log, struct log_follower *follower)
{
    if (logs->followers >= LOG_FOLLOWERS_MAX)
        return false;
    logs->followers++;
    follower->log = log;
    TAILQ_INSERT_TAIL(&log->followers, follower, entry);
    return true;
}

void logs_unfollow(struct logs *logs, struct log_follower *follower)
{
    if (!follower->log)
        return;
    TAILQ_REMOVE(&follower->log->followers, follower, entry);
    follower->log = NULL;
    logs->followers--;
}
