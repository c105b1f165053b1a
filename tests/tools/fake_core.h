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
 * A name is matched up to the first '-'; anything else is "hello".
 */
#ifndef TFAAS_TESTS_FAKE_CORE_H
#define TFAAS_TESTS_FAKE_CORE_H

#include <stddef.h>

#include "../../host/tender/tender.h"

extern const struct tender_ops tender_fake;

/* Set before launch: every core sends `count` slots with random fields instead of speaking. */
extern unsigned fake_core_hostile_seed;

#endif
