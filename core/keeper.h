/*
 * keeper.h - the keeper role of a core (SPECIFICATION.md 14.1): holds the node's identity and the
 * sealing keys of its trust domains, and certifies workers. Runs no function, so that no tenant's
 * code is ever in the same process as these keys.
 *
 * Of a worker it believes the local report only: same platform, same measurement, role worker, a
 * domain. A copied worker cannot be seen in a report; it shows as soon as both copies ask for a
 * lease, because each lease asks for what the one before was: then the instance is ended for good.
 */
#ifndef TFAAS_CORE_KEEPER_H
#define TFAAS_CORE_KEEPER_H

#include "cursor.h"
#include "tfaas/status.h"

#define KEEPER_DOMAINS_MAX   512u       /* so that all of them fit one message (SAVE) */
#define KEEPER_INSTANCES_MAX 2048u      /* with a lease that is not over */
#define KEEPER_ENDED_MAX     (1u << 20) /* instances that get no lease any more */
#define KEEPER_GRANTS_MAX    400u       /* headers in one GRANT */

/* First thing in a keeper: draws its identity. */
void keeper_enter(void);
/* One CALL of a keeper (enum tfaas_op): the request's CBOR, the answer into `w`. UNSUPPORTED: not a
 * keeper's. */
tfaas_status_t keeper_call(uint64_t op, struct span request, struct writer *w,
                           const char **why) TFAAS_MUST_USE;

#endif
