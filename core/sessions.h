/*
 * sessions.h - the sessions of a worker (SPECIFICATION.md section 14.5): at most SESSIONS_MAX, the
 * longest unused goes first. A session belongs to the request key it began with: it is wiped with
 * it, and serves no longer than it.
 */
#ifndef TFAAS_CORE_SESSIONS_H
#define TFAAS_CORE_SESSIONS_H

#include "identity.h"
#include "session.h"

#define SESSIONS_MAX 8192u

struct core_session {
    uint8_t id[SESSION_ID_SIZE];
    uint8_t secret[SESSION_SECRET_SIZE];
    uint8_t key[32]; /* public part of its request key */
    uint16_t aead;
    struct session_window window;
    uint32_t chain, newer, older; /* places in the table */
};

/* Draws an id; the caller fills `secret`. Valid until the next call here. */
struct core_session *sessions_new(const struct request_key *key, uint16_t aead);
/* NULL: SESSION_UNKNOWN; also when its request key has ended. It counts as used now. */
struct core_session *sessions_find(const uint8_t id[SESSION_ID_SIZE]);
/* The request key with this public part has ended: all of its sessions are wiped. */
void sessions_end_key(const uint8_t public_key[32]);

#endif
