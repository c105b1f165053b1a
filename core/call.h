/*
 * call.h - CALL and ANSWER: what the host asks of this core's own keys (include/tfaas/abi.h, enum
 * tfaas_op; bytes in common/statement.h). A keeper answers keepers' calls only, a worker workers'.
 */
#ifndef TFAAS_CORE_CALL_H
#define TFAAS_CORE_CALL_H

#include "tfaas/abi.h"
#include "tfaas/status.h"

/* Before the first message: this core's own keys, by its role. */
void call_enter(void);
/* OK, or PEER_DEAD: a second CALL before the ANSWER to the first was given. */
tfaas_status_t call_receive(const struct tfaas_slot *slot, const uint8_t *payload) TFAAS_MUST_USE;
/* Gives the ANSWER that found no room. */
void call_retry(void);

#endif
