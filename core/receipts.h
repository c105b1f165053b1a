/*
 * receipts.h - what the core states about finished calls (SPECIFICATION.md section 14.6): calls
 * that want a receipt wait here until the core has nothing else to do, a batch is full or the first
 * has waited for long enough; then one signature serves all of them.
 */
#ifndef TFAAS_CORE_RECEIPTS_H
#define TFAAS_CORE_RECEIPTS_H

#include "receipt.h"
#include "scheduler.h"

#define RECEIPTS_WAIT_NS 1000000u /* in a core that is busy */

struct receipt_entry {
    /* given */
    struct task *task;
    struct span function; /* its name */
    const uint8_t *package;
    uint8_t req[32], res[32];
    unsigned http_status;
    tfaas_status_t outcome;
    uint64_t work, peak, cpu_ns;
    bool exact;
    /* made */
    bool waiting, done;
    char text[RECEIPT_SIZE_MAX];
    size_t text_size; /* 0: there is no lease to sign under */
    struct receipt_entry *next;
};

/* Waits for the signature, on the task's stack. False: the task must stop; it is out of the queue.
 */
bool receipts_wait(struct receipt_entry *entry) TFAAS_MUST_USE;
/* Once in every turn of the core: signs what waits if it is due, or if the core is `idle`. True:
 * something became ready. */
bool receipts_turn(uint64_t now_ns, bool idle);

#endif
