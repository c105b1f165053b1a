/*
 * identity_double.h - a worker's identity without a keeper, for tests of sealed calls: keys are
 * made before the core is forked, so that both sides know them. Link with IDENTITY_WRAPS (build.mk)
 * or the same --wrap options in `needs:`.
 */
#ifndef TFAAS_TESTS_IDENTITY_DOUBLE_H
#define TFAAS_TESTS_IDENTITY_DOUBLE_H

#include "identity.h"
#include "ohttp.h"

#define DOUBLE_KEY_ID 7u

/* Draws the keys; call it before core_child_start(). */
void identity_double_make(void);
/* Of the one live request key. */
struct ohttp_key_config identity_double_config(void);
/* What signed the lease. */
const uint8_t *identity_double_identity(void);
struct span identity_double_lease(void);
/* In this process only, as all of the above: no lease from now on; a key that has ended. */
void identity_double_unlease(void);
struct request_key *identity_double_key(void);

#endif
