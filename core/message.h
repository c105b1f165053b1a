/*
 * message.h - what the core says to the host: thin wrappers over the ring.
 */
#ifndef TFAAS_CORE_MESSAGE_H
#define TFAAS_CORE_MESSAGE_H

#include "scheduler.h"
#include "tfaas/abi.h"

void message_setup(void *window);
/* From inside a task: waits for room. From the scheduler (task NULL): BUSY when there is none. */
tfaas_status_t message_send(struct task *task, const struct tfaas_slot *slot, const void *payload,
                            size_t size) TFAAS_MUST_USE;
/* The END message of a task whose run is over. BUSY: try again later. */
tfaas_status_t message_end(struct task *task) TFAAS_MUST_USE;
/* Publishes; rings the host if it sleeps. */
void message_flush(void);
/* Takes and handles messages, at most `most`. Number handled. Never returns on a dead peer. */
unsigned message_handle(unsigned most);
/* True: nothing there, sleep now. */
bool message_sleep(void);
bool message_waits(void); /* without going to sleep */
void message_awake(void);
/* Last words; then the core is gone. */
void message_fault(const char *reason) __attribute__((noreturn));

#endif
