/*
 * statement.h - what keepers, workers, hosts and clients say to each other about keys
 * (SPECIFICATION.md section 14): key statement, domain statement, lease, lease request, and the
 * payloads of CALL and ANSWER (include/tfaas/abi.h). Deterministic CBOR maps (cbor.h) with
 * ascending integer keys; one form each, so that a digest or signature of the bytes is one of the
 * content. Times are Unix seconds.
 *
 * ENVELOPE: a signed statement is the CBOR array [ statement (bytes), Ed25519 signature (bytes, 64)
 * ], the signature over the statement's bytes. Every statement begins with its own name (key 1), so
 * none passes for another.
 *
 *   key statement      { 1: "tfaas-key-v1", 2: identity (32), 3: epoch, 4: not before, 5: not
 *                      after, 6: core version (text), 7: metering weights' hash (32), 8: core
 *                      measurement (48), 9: key life, s, 10: lease life, s, 11: replay window, s,
 *                      12: requests per key, 13: client's nonce (8..64; or no such key) }
 *                      evidence's report_data = SHA-512("tfaas-key-v1" || statement)
 *   lease              { 1: "tfaas-lease-v1", 2: domain (text), 3: instance (16), 4: number,
 *                      5: not before, 6: not after, 7: OHTTP key configuration (RFC 9458 3.1),
 *                      8: receipt key (Ed25519, 32), 9: measurement (48), 10: requests per key }
 *                      enveloped, signed by the identity
 *   domain statement   { 1: "tfaas-domain-v1", 2: domain, 3: serial, 4: not before, 5: not after,
 *                      6: sealing key (X25519, 32), 7: [ lease envelope (bytes), ... ] }
 *                      enveloped, signed by the identity
 *   lease request      { 1: "tfaas-lease-request-v1", 2: instance signing key (Ed25519, 32; it is
 *                      the receipt key), 3: instance KEM key (X25519, 32), 4: request key (X25519,
 *                      32), 5: lease number asked for (1, 2, ...), 6: SHA-256 of the lease
 *                      envelope before (32; zeros for the first) }
 *                      enveloped, signed by the instance signing key; the worker's local report
 *                      binds SHA-512("tfaas-worker-v1" || signing key || KEM key)
 *
 * CALL and ANSWER (errors: ANSWER's payload is text)
 *   KEEPER_START    { 1: seal key (32; or no such key), 2: saved state (or no such key) } -> {}
 *                   NOT_GRANTED: the state does not open (the keeper goes on without it)
 *   STATEMENT       { 1: nonce (8..64; or no such key) } -> { 1: key statement, 2: local report
 *                   (PLAT_REPORT_SIZE; data = the report_data above) }
 *   DOMAIN          { 1: domain } -> { 1: envelope }
 *   CERTIFY         { 1: worker's local report, 2: lease request envelope } -> { 1: lease envelope,
 *                   2: identity (32), 3: keeper's local report (binds SHA-512("tfaas-keeper-v1" ||
 *                   identity)) }
 *   GRANT           { 1: worker's local report, 2: lease request envelope (any of it: it names the
 *                   KEM key), 3: [ sealed header (sealed.h), ... ] } -> { 1: [ grant, ... ] }
 *   REVOKE          { 1: instance (16) } -> {}
 *   SAVE            {} -> { 1: state }          UNAVAILABLE: there is no seal key
 *   HANDOVER_ASK    {} -> { 1: local report, 2: KEM key (32) }   binds SHA-512("tfaas-handover-v1"
 *                   || KEM key)
 *   HANDOVER_GIVE   the answer to HANDOVER_ASK -> { 1: local report of the giver, 2: enc (32),
 *                   3: ciphertext }             binds SHA-512("tfaas-handover-v1" || KEM key ||
 *                   enc || ciphertext)
 *   HANDOVER_TAKE   the answer to HANDOVER_GIVE -> {}
 *   Of CERTIFY and GRANT: UNAUTHORIZED: the report or the request is not a worker's of this
 * platform and measurement; NOT_FOUND: of a domain that DOMAIN has not made; CONFLICT: the request
 * continues no lease (the instance is revoked by that, for good: a request is sent once), or the
 * instance has ended; BUSY: a table is full; NOT_GRANTED: names the sealed item. UNAVAILABLE: no
 * CLOCK came yet. HANDOVER_TAKE adds domains; one that the taker has already keeps its own key.
 *   HELLO           { 1: true: a new request key; false: renew the one in use } -> { 1: local
 *                   report, 2: lease request envelope }
 *                   CONFLICT: nothing to renew, or its key has had its life: ask for a new one
 *   LEASE           the answer to CERTIFY -> {}   UNAUTHORIZED, NOT_OPENED: it is not what was
 * asked for; CONFLICT: nothing was
 */
#ifndef TFAAS_COMMON_STATEMENT_H
#define TFAAS_COMMON_STATEMENT_H

#include "cursor.h"
#include "tfaas/status.h"

#define STATEMENT_KEY_LABEL         "tfaas-key-v1"
#define STATEMENT_DOMAIN_LABEL      "tfaas-domain-v1"
#define STATEMENT_LEASE_LABEL       "tfaas-lease-v1"
#define STATEMENT_REQUEST_LABEL     "tfaas-lease-request-v1"
#define STATEMENT_WORKER_LABEL      "tfaas-worker-v1"
#define STATEMENT_KEEPER_LABEL      "tfaas-keeper-v1"
#define STATEMENT_HANDOVER_LABEL    "tfaas-handover-v1"
#define STATEMENT_REPORT_SIZE       264u /* a local report (core/plat/plat.h), opaque to the host */
#define STATEMENT_NONCE_MIN         8u
#define STATEMENT_NONCE_MAX         64u
#define STATEMENT_LEASES_MAX        64u  /* in one domain statement */
#define STATEMENT_LEASE_SIZE_MAX    512u /* one lease envelope */
#define STATEMENT_DOMAIN_MAX        63u  /* bytes of a domain's name: an OpenFaaS namespace */
#define STATEMENT_VERSION_MAX       64u  /* bytes of a core's version */
#define STATEMENT_CONFIGURATION_MAX 64u  /* bytes of one key configuration */
/* What keepers put into their statements. */
#define STATEMENT_KEY_LIFE_S       3600u
#define STATEMENT_LEASE_LIFE_S     600u
#define STATEMENT_REPLAY_WINDOW_S  120u
#define STATEMENT_REQUESTS_PER_KEY (1u << 20)

struct key_statement {
    struct span identity; /* 32 */
    uint64_t epoch, not_before, not_after;
    struct span version, weights, measurement;
    uint64_t key_life_s, lease_life_s, replay_window_s, requests_per_key;
    struct span nonce; /* size 0: none */
};

struct lease {
    struct span domain, instance;
    uint64_t number, not_before, not_after;
    struct span key_configuration, receipt_key, measurement;
    uint64_t requests_max;
};

struct domain_statement {
    struct span domain;
    uint64_t serial, not_before, not_after;
    struct span sealing_key;
    struct span leases[STATEMENT_LEASES_MAX]; /* envelopes */
    size_t lease_count;
};

struct lease_request {
    struct span signing_key, kem_key, request_key;
    uint64_t number;
    struct span previous;
};

/* Readers: the whole of `bytes`, nothing after it; BAD_REQUEST with *why, which names the field.
 * Spans point into `bytes`. Sizes of keys and order of times are checked. */
tfaas_status_t key_statement_read(struct span bytes, struct key_statement *to,
                                  const char **why) TFAAS_MUST_USE;
tfaas_status_t lease_read(struct span bytes, struct lease *to, const char **why) TFAAS_MUST_USE;
tfaas_status_t domain_statement_read(struct span bytes, struct domain_statement *to,
                                     const char **why) TFAAS_MUST_USE;
tfaas_status_t lease_request_read(struct span bytes, struct lease_request *to,
                                  const char **why) TFAAS_MUST_USE;
/* Writers: into `w`, which fails when there is no room. */
void key_statement_write(struct writer *w, const struct key_statement *from);
void lease_write(struct writer *w, const struct lease *from);
void domain_statement_write(struct writer *w, const struct domain_statement *from);
void lease_request_write(struct writer *w, const struct lease_request *from);

/* Splits an envelope and checks its signature with `key` (32). NOT_OPENED: the signature is not
 * of that key. */
tfaas_status_t envelope_open(struct span envelope, const uint8_t key[32], struct span *statement,
                             const char **why) TFAAS_MUST_USE;
/* Splits it without a check, to learn the key that signed. */
tfaas_status_t envelope_split(struct span envelope, struct span *statement, struct span *signature,
                              const char **why) TFAAS_MUST_USE;
/* `secret` is libsodium's 64-byte Ed25519 secret key. */
void envelope_write(struct writer *w, struct span statement, const uint8_t secret[64]);

/* SHA-512(label || first || second), for report_data; second may be empty. */
void statement_digest(uint8_t to[64], const char *label, struct span first, struct span second);

#endif
