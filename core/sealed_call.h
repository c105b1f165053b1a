/*
 * sealed_call.h - the sealed streams of one invocation (SPECIFICATION.md section 14): between the
 * messages, which carry what the client encrypted, and the run, which sees the plain streams of
 * include/tfaas/abi.h. It pulls: bytes are opened when the run reads, so that the stream credit
 * bounds what is held. All of it runs on the task's stack. Plaintext is in the core's own memory
 * only.
 */
#ifndef TFAAS_CORE_SEALED_CALL_H
#define TFAAS_CORE_SEALED_CALL_H

#include "scheduler.h"

struct sealed_call;

/* NULL: out of memory. */
struct sealed_call *sealed_new(enum tfaas_sealing kind);
/* Wipes it and keeps the memory for the next call. NULL is fine. */
void sealed_free(struct sealed_call *sealed);
/* What arrived of the request, sealed; invoke.c fills it. */
struct inbox *sealed_wire(struct sealed_call *sealed);

/* Opens the head, finds the function (task->function, set where the host left it open), checks
 * name, date and replay. After OK the plain head is in task->run.in and the request counts as
 * opened. On failure sealed_finish() knows what the host or the client is told. */
tfaas_status_t sealed_begin(struct task *task) TFAAS_MUST_USE;
/* Once the function is loaded: is its package the demanded one? */
tfaas_status_t sealed_check_package(struct task *task) TFAAS_MUST_USE;
/* More of the plain stream into the empty task->run.in; it may wait. OK also at the end, with
 * in.ended set. */
tfaas_status_t sealed_pull(struct task *task) TFAAS_MUST_USE;
/* invocation_write(): bytes of the plain response stream, the first piece with the whole head. */
int sealed_write(struct task *task, const uint8_t *from, size_t size, bool last);
/* The run goes on after it has answered: sends the answer, unless it waits for a receipt. */
void sealed_release(struct task *task);
/* The run is over with `status`: the rest of the response, a problem document where nothing of it
 * went out, the receipt. Sets task->status, task->outcome and what travels with END. */
void sealed_finish(struct task *task, tfaas_status_t status);
/* Would sealed_finish() of a stopped task still have something to say? */
bool sealed_owes_answer(const struct task *task);

#endif
