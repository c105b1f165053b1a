/*
 * invoke_log.h - what a run says: whole lines to its owner's log, within a limit; while it loads,
 * into the text of the load. A compartment's lines go where those of the run outside go, marked.
 */
#ifndef TFAAS_CORE_INVOKE_LOG_H
#define TFAAS_CORE_INVOKE_LOG_H

#include "scheduler.h"

/* As it is, beyond every limit. */
void invoke_log_send(struct invocation *run, const uint8_t *text, size_t size);
/* The line that is not ended yet. */
void invoke_log_flush(struct invocation *run);
void invoke_log_say(struct task *task, const char *what, const char *why);

#endif
