/*
 * invoke.h - the life of an invocation in the core: from INVOKE to END, and the run that loads a
 * function.
 */
#ifndef TFAAS_CORE_INVOKE_H
#define TFAAS_CORE_INVOKE_H

#include "scheduler.h"

/* Messages. PEER_DEAD: the host broke a rule. */
tfaas_status_t invoke_start(const struct tfaas_slot *slot, const uint8_t *payload) TFAAS_MUST_USE;
tfaas_status_t invoke_body(const struct tfaas_slot *slot, const uint8_t *payload) TFAAS_MUST_USE;
void invoke_cancel(uint32_t id);
void invoke_clock(uint64_t realtime_ns);

/* Runs what must run before the image is taken (start function, _initialize, tfaas_load). */
tfaas_status_t invoke_load(struct loaded *loaded) TFAAS_MUST_USE;
tfaas_status_t invoke_end_load(struct task *task) TFAAS_MUST_USE;
/* LOADED without a run: `loaded` failed before one, or was unloaded. False: no room, try later. */
bool invoke_say_loaded(struct loaded *loaded, tfaas_status_t status,
                       const char *text) TFAAS_MUST_USE;
/* Sends the refusals that found no room. */
void invoke_retry(void);
/* Sends a held last piece: the run goes on for a while after it has answered. From inside the task.
 */
void invoke_release_held(struct task *task);
/* --- for sealed calls, from inside the task --- */
/* Sends a piece of the response stream as it is, waiting for credit. 0, or negative: must stop. */
int invoke_send(struct task *task, const uint8_t *from, size_t size, bool last);
/* CREDIT for the request stream, when enough of it was consumed; or at once. */
void invoke_grant_credit(struct task *task, struct inbox *in);
void invoke_send_credit(struct task *task, const struct inbox *in);
bool invoke_append(struct inbox *in, const uint8_t *bytes, size_t size);
/* For a call whose function the host left open. */
void invoke_set_function(struct task *task, struct loaded *loaded);
/* Waits until the function is ready; not OK: it failed to load, or the task must stop. */
tfaas_status_t invoke_wait_loaded(struct task *task) TFAAS_MUST_USE;
/* A sealed call's run was abandoned: goes on, on a new stack, to say so. False: no memory. */
bool invoke_resume_finish(struct task *task);

/* --- for inner.c --- */
/* One call of a compartment, in an instance that is made first where there is none. Not OK: it is
 * gone again, and *why says more. */
tfaas_status_t invoke_inner(struct task *task, struct memory_share *share, char *why,
                            size_t why_size) TFAAS_MUST_USE;
void invoke_load_body(struct task *task);
void invoke_tear_down(struct task *task);

/* Releases what an ended task holds. */
void invoke_finish(struct task *task);

#endif
