/* invoke_log.c - see invoke_log.h. Must never let a compartment write a line that looks like one of
 * its caller. */
#include "invoke_log.h"

#include "confidential.h"
#include "inner.h"
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_MAX (COMPARTMENT_NAME_MAX + 32u)

static struct task *task_of(struct invocation *run)
{
    return (struct task *)run;
}

static void to_load_text(struct task *task, const uint8_t *text, size_t size)
{
    size_t room = sizeof task->text - task->text_size;
    size_t take = size < room ? size : room;
    memcpy(task->text + task->text_size, text, take);
    task->text_size += take;
}

void invoke_log_send(struct invocation *run, const uint8_t *text, size_t size)
{
    struct invocation *outermost = inner_outermost(run);
    if (outermost->loading) {
        to_load_text(task_of(outermost), text, size);
        return;
    }
    struct tfaas_slot slot = {.kind = TFAAS_LOG, .id = outermost->id};
    char *sealed;
    struct span line = confidential_text(outermost->function, (struct span){text, size}, &sealed);
    if (line.size == 0)
        return;
    /* A stopped run may not wait any more; its last lines go out if there is room. */
    tfaas_status_t status =
        message_send(run->stop == TFAAS_OK ? task_of(run) : NULL, &slot, line.data, line.size);
    free(sealed);
    if (status != TFAAS_OK)
        run->log_sent = run->log_limit;
}

/* The caller's own line is ended before, the compartment's after. */
static void flush_marked(struct invocation *run)
{
    uint8_t line[PREFIX_MAX + LOG_LINE_MAX + 1];
    struct invocation *outside = run->caller;
    if (outside->log_size > 0) {
        if (outside->log_size == LOG_LINE_MAX)
            invoke_log_flush(outside);
        outside->log[outside->log_size++] = '\n';
        invoke_log_flush(outside);
    }
    size_t size = inner_log_prefix(run, (char *)line, PREFIX_MAX);
    run->log_sent += size;
    memcpy(line + size, run->log, run->log_size);
    size += run->log_size;
    run->log_size = 0;
    if (line[size - 1] != '\n')
        line[size++] = '\n';
    invoke_log_send(run, line, size);
}

void invoke_log_flush(struct invocation *run)
{
    if (run->log_size == 0)
        return;
    if (run->caller) {
        flush_marked(run);
        return;
    }
    invoke_log_send(run, run->log, run->log_size);
    run->log_size = 0;
}

void invocation_log(struct invocation *run, const uint8_t *text, size_t size)
{
    if (run->log_sent >= run->log_limit)
        return;
    if (!run->log && !(run->log = malloc(LOG_LINE_MAX)))
        return;
    if (size > run->log_limit - run->log_sent) {
        static const char notice[] = "\ntfaas: log limit reached, the rest is dropped\n";
        run->log_sent = run->log_limit;
        invoke_log_flush(run);
        invoke_log_send(run, (const uint8_t *)notice + 1, sizeof notice - 2);
        return;
    }
    run->log_sent += size;
    while (size > 0) {
        const uint8_t *end = memchr(text, '\n', size);
        size_t line = end ? (size_t)(end - text) + 1 : size;
        size_t room = LOG_LINE_MAX - run->log_size;
        size_t take = line < room ? line : room;
        memcpy(run->log + run->log_size, text, take);
        run->log_size += take;
        text += take;
        size -= take;
        if (run->log_size == LOG_LINE_MAX || run->log[run->log_size - 1] == '\n')
            invoke_log_flush(run);
    }
}

void invoke_log_say(struct task *task, const char *what, const char *why)
{
    char line[600];
    int size = snprintf(line, sizeof line, "tfaas: %s: %s\n", what, why);
    invoke_log_flush(&task->run);
    if (size > 0)
        invoke_log_send(&task->run, (const uint8_t *)line,
                        (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}
