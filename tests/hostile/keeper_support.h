/*
 * keeper_support.h - for tests/hostile/keeper.c: real keepers and workers of the tender that
 * $TENDER names (process, or kvm), and the host's side of CALL and ANSWER.
 */
#ifndef TFAAS_TESTS_HOSTILE_KEEPER_SUPPORT_H
#define TFAAS_TESTS_HOSTILE_KEEPER_SUPPORT_H

#include "plat/plat.h"
#include "ring.h"
#include "statement.h"
#include "tender/tender.h"

#define NOW_S UINT64_C(1800000000)

struct core {
    struct tender *tender;
    struct tender_worker worker;
    struct ring_tx tx;
    struct ring_rx rx;
    uint64_t clock_s; /* told ahead of every CALL; 0: none is */
};

/* What a core answered. */
struct answer {
    unsigned status; /* PEER_DEAD: the core is gone */
    size_t size;
    uint8_t bytes[TFAAS_PAYLOAD_MAX + 1]; /* text is NUL-terminated */
};

/* The tender under test: `process` unless $TENDER says `kvm`; where that cannot be had the test
 * ends, skipped. */
const struct tender_ops *tender_ops(void);
/* One of build/tfaas-core, or of another file in that folder. Ends the test on failure. */
struct tender *tender_of(const char *core_path);
/* What identifies the cores that the tender makes of such a file, computed from the files. */
void measure_core(const char *core_path, uint8_t measurement[48]);
void core_launch(struct core *core, struct tender *tender, enum tender_role role,
                 const char *domain);
void core_end(struct core *core);
void core_put(struct core *core, struct tfaas_slot slot, const void *payload, size_t size);
/* For what must come: a bound so that a hang is a failure, not a measure of speed. */
#define ANSWER_MS 60000

/* Next message, within timeout_ms. False: none, or the core is gone. */
bool core_next(struct core *core, struct tfaas_slot *slot, uint8_t *payload, int timeout_ms);
bool core_gone(struct core *core, int timeout_ms);

/* CALL and its ANSWER; true: OK. `answer` is static, the caller copies what it keeps. */
struct answer *call(struct core *core, enum tfaas_op op, const void *request, size_t size);
/* The n-th (from 1) byte string of an answer that is a map of byte strings. */
struct span answer_field(const struct answer *answer, unsigned n);
/* HELLO, CERTIFY, LEASE in a row: the first status that is not OK. */
unsigned lease(struct core *keeper, struct core *worker, bool fresh);
unsigned hello(struct core *worker, bool fresh, struct answer *to);
unsigned certify(struct core *keeper, const struct answer *hello, struct answer *to);
unsigned domain_of(struct core *keeper, const char *name, struct answer *to);
unsigned revoke_instance(struct core *keeper, const uint8_t instance[16]);

#endif
