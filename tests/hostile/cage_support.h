/*
 * cage_support.h - for tests/hostile/cage.c: counting checks, starting workers of the attacker
 * core, giving it commands through the window.
 */
#ifndef TFAAS_TESTS_HOSTILE_CAGE_SUPPORT_H
#define TFAAS_TESTS_HOSTILE_CAGE_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "cage_attack.h"
#include "tender/tender.h"

void check(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints "N passed, N failed"; the exit code. */
int report(void);

/* A program in the folder of this test's binary. */
const char *sibling_path(const char *name);
struct tender *start_tender(const char *core, uint64_t memory_max); /* NULL: a check has failed */
bool start_worker(struct tender *tender, struct tender_worker *worker);
void stop_worker(struct tender *tender, struct tender_worker *worker);
/* False: the worker ended instead of answering. */
bool run_attack(struct tender_worker *worker, const struct attack_command *command,
                int64_t *result);
bool wait_exit(const struct tender_worker *worker);
const char *ending(struct tender *tender, struct tender_worker *worker);
const char *last_ending(void);
/* In a worker of its own. */
const char *attack_ending(struct tender *tender, const struct attack_command *command);
bool attack_kills(struct tender *tender, const struct attack_command *command); /* by SIGSYS */
int parent_of(int pid);

#endif
