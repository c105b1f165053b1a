/*
 * bundle.h - the load bundle: what the host hands to a core to make a function ready (message
 * LOAD).
 *
 *   deterministic CBOR map { 1: package (bytes, see package.h), 2: name (text),
 *     3: [ [env name (text), value (text)], ... ], 4: [ [secret name (text), content (bytes)], ...
 * ], 5: memory limit, bytes, 6: default deadline, ns, 7: response limit, bytes, 8: log limit,
 * bytes, 9: host calls per invocation, 10: compile cache (bytes, not empty; or no such key), 11:
 * true: plain calls are refused (or no such key), 12: [ grant (bytes, 80), ... ] (or no such key) }
 * env and secrets keep the order given, no name twice. The package and each secret's content may be
 * a sealed object (sealed.h); the grants are then theirs in order, the package's first. The cache
 * is what a core of the same trust domain sent as CACHE; one that does not open is ignored.
 */
#ifndef TFAAS_COMMON_BUNDLE_H
#define TFAAS_COMMON_BUNDLE_H

#include "cursor.h"
#include "tfaas/status.h"

#define BUNDLE_ENV_MAX     1000u
#define BUNDLE_SECRETS_MAX 200u
#define BUNDLE_NAME_MAX    253u
#define BUNDLE_GRANTS_MAX  (1u + BUNDLE_SECRETS_MAX)
#define BUNDLE_GRANT_SIZE  80u /* SEALED_GRANT_SIZE */

struct bundle_pair {
    struct span name, value;
};

struct bundle {
    struct span package, name;
    struct bundle_pair *env, *secrets; /* malloc'ed by bundle_read */
    size_t env_count, secret_count;
    uint64_t memory_limit, deadline_ns, response_limit, log_limit, hostcall_limit;
    struct span cache;   /* size 0: none */
    bool encapsulated;   /* plain calls are refused */
    struct span *grants; /* BUNDLE_GRANT_SIZE each; malloc'ed by bundle_read */
    size_t grant_count;
};

/* Spans point into `data`. BAD_REQUEST / TOO_LARGE / NO_SPACE with *why, which names the field. */
tfaas_status_t bundle_read(const uint8_t *data, size_t size, struct bundle *bundle,
                           const char **why) TFAAS_MUST_USE;
void bundle_free(struct bundle *bundle);
/* Refuses what bundle_read would refuse. *out is malloc'ed; the caller wipes it (secrets) and frees
 * it. */
tfaas_status_t bundle_write(const struct bundle *bundle, uint8_t **out,
                            size_t *out_size) TFAAS_MUST_USE;

#endif
