/*
 * sealed.h - secrets and packages that an owner seals to a trust domain (SPECIFICATION.md section
 * 14.7): the host stores and lists them, and cannot read them.
 *
 * SEALED OBJECT: the deterministic CBOR map
 *   { 1: "tfaas-sealed-v1", 2: kind ("secret" | "package"), 3: domain (text), 4: name of the secret
 *     or function (text), 5: sealing key id (the first 8 bytes of the key's SHA-256), 6: policy
 *     (bytes, below), 7: enc (32), 8: wrapped content key (48), 9: ciphertext (bytes) }
 * Its HEADER is the map of keys 1 to 8 (a map of 8 pairs), its LABEL the map of keys 1 to 6.
 *   wrapped    = HPKE base seal (X25519, HKDF-SHA256, ChaCha20-Poly1305) of the 32-byte content
 *                key to the domain's sealing key; info = "tfaas-sealed-v1" || label, aad empty
 *   ciphertext = ChaCha20-Poly1305 (RFC 8439) under the content key, nonce zero (a content key
 *                seals once), aad = header
 * POLICY: the map { 1: [ package digest (32), ... ] of a secret: the packages that may read it; or
 * no such key in a package; 2: owner's log key (X25519, 32) of a package: what the function logs is
 * sealed to it; or no such key: it logs nothing }
 * GRANT, for one worker: HPKE base seal of the content key to its instance KEM key, as enc (32) ||
 * ciphertext (48); info = "tfaas-grant-v1" || SHA-256(header), aad empty.
 * LOG LINE of a confidential function: "tfaas-log-v1:" base64url(enc (32) || ciphertext), HPKE base
 * seal to the owner's log key; info = "tfaas-log-v1" || package digest (32), aad empty.
 */
#ifndef TFAAS_COMMON_SEALED_H
#define TFAAS_COMMON_SEALED_H

#include "cursor.h"
#include "package.h"
#include "tfaas/status.h"

#define SEALED_LABEL        "tfaas-sealed-v1"
#define SEALED_GRANT_LABEL  "tfaas-grant-v1"
#define SEALED_LOG_LABEL    "tfaas-log-v1"
#define SEALED_PACKAGES_MAX 64u   /* digests in one policy */
#define SEALED_NAME_MAX     253u  /* bytes of a name */
#define SEALED_HEADER_MAX   4096u /* bytes of one header */
#define SEALED_GRANT_SIZE   80u
#define SEALED_OVERHEAD_MAX 4200u /* an object is at most this much larger than its content */

struct sealed {
    struct span kind, domain, name, key_id, policy, enc, wrapped, ciphertext;
    const uint8_t *packages; /* package_count digests of 32 bytes with 2 bytes of CBOR before each:
                                use sealed_allows */
    size_t package_count;
    bool any_package;    /* a secret without key 1: whoever may read it was left to the host */
    struct span log_key; /* size 0: none */
    struct span bytes;   /* the object */
};

/* Is it a sealed object by its first bytes? (A package never is.) */
bool sealed_is(struct span bytes);
/* Spans point into `bytes`. BAD_PACKAGE / TOO_LARGE with *why. */
tfaas_status_t sealed_read(struct span bytes, struct sealed *to, const char **why) TFAAS_MUST_USE;
/* The same for a header alone (ciphertext stays empty). */
tfaas_status_t sealed_read_header(struct span header, struct sealed *to,
                                  const char **why) TFAAS_MUST_USE;
/* The header's bytes, into `to` (SEALED_HEADER_MAX); its size. */
size_t sealed_header(const struct sealed *sealed, uint8_t *to);
bool sealed_allows(const struct sealed *secret, const uint8_t package[PACKAGE_DIGEST_SIZE]);

/* The owner's side. `packages`: count digests; count 0: any package. *out is malloc'ed. */
struct sealed_options {
    const char *kind, *domain, *name;
    const uint8_t (*packages)[PACKAGE_DIGEST_SIZE];
    size_t package_count;
    const uint8_t *log_key; /* 32, or NULL */
};
tfaas_status_t sealed_make(const struct sealed_options *options, const uint8_t sealing_key[32],
                           struct span content, uint8_t **out, size_t *out_size) TFAAS_MUST_USE;
/* Keeper: the content key. NOT_GRANTED: not sealed to this key. */
tfaas_status_t sealed_unwrap(const struct sealed *sealed, const uint8_t sealing_secret[32],
                             const uint8_t sealing_key[32], uint8_t content_key[32]) TFAAS_MUST_USE;
/* Keeper: wraps it for one worker. */
tfaas_status_t sealed_grant(const struct sealed *sealed, const uint8_t content_key[32],
                            const uint8_t worker_key[32],
                            uint8_t grant[SEALED_GRANT_SIZE]) TFAAS_MUST_USE;
/* Worker: opens the grant, then the ciphertext into `to` (ciphertext.size - 16 bytes). */
tfaas_status_t sealed_open(const struct sealed *sealed, struct span grant,
                           const uint8_t worker_secret[32], const uint8_t worker_key[32],
                           uint8_t *to) TFAAS_MUST_USE;
/* `text`: whole lines, as the function wrote them. The line ends with a line feed (in
 * sealed_log_open it may be missing). BAD_REQUEST: no such line; NOT_OPENED: of another key or
 * package. *out is malloc'ed. */
tfaas_status_t sealed_log_make(const uint8_t log_key[32], const uint8_t package[32],
                               struct span text, char **out, size_t *out_size) TFAAS_MUST_USE;
tfaas_status_t sealed_log_open(const uint8_t log_secret[32], const uint8_t log_key[32],
                               const uint8_t package[32], struct span line, uint8_t **out,
                               size_t *out_size) TFAAS_MUST_USE;

#endif
