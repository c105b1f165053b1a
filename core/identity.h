/*
 * identity.h - a worker's own keys: made after the start, inside, never outside it; what the keeper
 * certifies with a lease. Answers the CALLs HELLO and LEASE. Nothing secret here is a function of
 * the measurement, and nothing of it exists before the fork.
 *
 * A lease is bounded in time (by the core's own monotonic clock, from the moment it was asked for)
 * and in requests. A key whose lease has ended is wiped with its replay window and its sessions.
 */
#ifndef TFAAS_CORE_IDENTITY_H
#define TFAAS_CORE_IDENTITY_H

#include "cursor.h"
#include "plat/plat.h"
#include "tfaas/status.h"

#define IDENTITY_KEYS_MAX                                                                          \
    3u /* request keys alive: the one in use, the one before, one asked for                        \
        */

struct replay; /* replay.h */

struct request_key {
    bool leased; /* a lease for it was taken; it is not over */
    uint8_t id;  /* of the key configuration */
    uint8_t secret[32], public_key[32];
    uint64_t ends_ns;       /* plat_now_ns */
    uint64_t requests_left; /* decapsulations */
    struct replay *replay;
};

/* First thing in a worker: draws the instance keys, takes the local report and ends reporting. */
void identity_enter(void);
/* Wipes the keys whose lease is over; ns until the next one is, or -1. */
int64_t identity_expire(uint64_t now_ns);
/* The live request key with this id, or NULL: KEY_UNKNOWN (or NO_LEASE when there is no lease at
 * all, *any false). Ends what is over. */
struct request_key *identity_key(uint8_t id, bool *any);
/* For receipts: Ed25519 secret (64), the envelope of the newest lease (size 0: none), the instance
 * (16). */
const uint8_t *identity_signing_secret(void);
struct span identity_lease(void);
const uint8_t *identity_instance(void);
/* For grants. */
const uint8_t *identity_kem_secret(void);
const uint8_t *identity_kem_key(void);

/* CALL: the request's CBOR, the answer into `w`. */
tfaas_status_t identity_hello(struct span request, struct writer *w,
                              const char **why) TFAAS_MUST_USE;
tfaas_status_t identity_lease_take(struct span request, const char **why) TFAAS_MUST_USE;

#endif
