/*
 * fake_core.h - a tender whose cores are threads of this process that speak the window protocol
 * and do what the function's NAME says. Test code only: it is no wall.
 *
 *   hello    200 "hello\n"                    echo     the content, streamed
 *   head     the request head as text         stream   ?N: N bytes of 'x', within credit
 *   slow     ?N: "slow\n" after N ms          hang     nothing, not even at the deadline
 *   wait     DEADLINE at the deadline         crash    the core is gone
 *   fault    FAULT                            fail     ?N: END with status N, no response
 *   cut      some content, then FUNCTION_TRAPPED       log      two log lines, then "hello\n"
 *   redirect 302, location: ?...              garbage  random slots
 *   flood    more response than credit        bad      LOADED with BAD_SCRIPT
 *   secret   content of the first secret      never    LOADED never comes
 *   cache    sends CACHE when it is asked to  steal    sends it unasked
 *   early    LOADED before CACHE is complete  order    CACHE out of order
 *   large    CACHE over the bound             grow     CACHE that changes its size
 *   empty    a CACHE piece of nothing         more     more CACHE than it said
 * CALL: by fake_core_call when it is set, else by the op's number, which no real core has:
 *   100 the request back        101 CONFLICT with a text of controls   102 another id
 *   103 two answers             104 never                              105 a status that is none
 *   106 flags on it             107 the core is gone
 * Sealed INVOKE: echoes its bytes as they are; of FUNCTION_ANY: the first byte tells: 'm'
 * MISDIRECTED to the name that follows up to a blank, 'M' a payload that is too long, 'k'
 * KEY_UNKNOWN, 'i' OK with inner status 12, 'I' an inner status that is none, else an echo. A name
 * is matched up to the first '-'; anything else is "hello".
 */
#ifndef TFAAS_TESTS_FAKE_CORE_H
#define TFAAS_TESTS_FAKE_CORE_H

#include <stddef.h>

#include "../../host/tender/tender.h"
#include "cursor.h"

extern const struct tender_ops tender_fake;

/* Set before launch: every core sends `count` slots with random fields instead of speaking. */
extern unsigned fake_core_hostile_seed;

/* Answers CALLs, in the core's thread: the answer (CBOR or text) into `answer`, its status
 * returned. `number` counts the cores that were launched. False in *go_on: the core is gone. */
extern unsigned (*fake_core_call)(enum tender_role role, const char *domain, unsigned number,
                                  unsigned op, struct span request, struct writer *answer,
                                  bool *go_on);

#endif
