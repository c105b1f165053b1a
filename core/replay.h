/*
 * replay.h - the requests that one request key has opened (SPECIFICATION.md section 14.3): an `enc`
 * is kept for as long as its date could still pass, so that no encapsulated request is served
 * twice. A store without room refuses; it never forgets what could come again.
 */
#ifndef TFAAS_CORE_REPLAY_H
#define TFAAS_CORE_REPLAY_H

#include "tfaas/status.h"

#include <stdint.h>

#define REPLAY_WINDOW_S    120u       /* each side of the core's clock */
#define REPLAY_ENTRIES_MAX (1u << 20) /* of one key; 17 MiB with what hashing leaves free */
#define REPLAY_ENC_SIZE    32u

struct replay;

/* NULL: out of memory. Memory grows with what is in it. */
struct replay *replay_new(void);
void replay_free(struct replay *replay); /* NULL is fine */
/* DATE_REFUSED: not within the window of `now_s`. Changes nothing. */
tfaas_status_t replay_date(uint64_t date_s, uint64_t now_s) TFAAS_MUST_USE;
/* Remembers `enc` of a request of this date. REPLAYED: it was there. BUSY: no room. DATE_REFUSED as
 * above. `now_s` must never go back. */
tfaas_status_t replay_accept(struct replay *replay, const uint8_t enc[REPLAY_ENC_SIZE],
                             uint64_t date_s, uint64_t now_s) TFAAS_MUST_USE;

#endif
