/*
 * receipt.h - what the core states about one call, verifiable offline by whoever has the evidence
 * (SPECIFICATION.md section 14.6).
 *
 * CLAIMS: JSON text, its bytes are what is hashed:
 *   {"iss":instance id (hex),"seq":N,"iat":Unix seconds (the host's clock),"fn":"name.namespace",
 *    "pkg":package digest (hex),"req":SHA-256 of the request (base64url),"res":of the response,
 *    "status":HTTP status,"outcome":tfaas_status_t's name,"work":N,"exact":true|false,"mem":peak
 *    bytes,"cpu_ns":N,"weights":hash of the metering table (hex)}
 * exact false: the run ended by a trap or a deadline, and `work` may miss the innermost frame's
 * last units. seq counts from 1 per instance: two receipts with one (iss, seq) and different bytes
 * show a copied core; a gap shows a dropped receipt.
 * REQUEST and RESPONSE are hashed as what the client sent and got: a known-length Binary HTTP head
 * with shortest integers (path as sent, with /function/NAME), without fields whose name begins with
 * "tfaas-", then the content bytes (no length before them, no trailers): receipt_hash_head().
 * BATCH: Merkle tree of RFC 9162 2.1.1 over the claims of the batch (leaf = SHA-256(0x00 ||
 * claims), node = SHA-256(0x01 || left || right)).
 * JWS (RFC 7515 compact, RFC 8037): header {"alg":"EdDSA","typ":"tfaas-receipt+jws"}, payload
 * {"count":N,"root":base64url}, signed with the lease's receipt key.
 * RECEIPT: base64url of the CBOR map { 1: "tfaas-receipt-v1", 2: claims (bytes), 3: index, 4: [
 * inclusion path node (32), ... ], 5: JWS (text), 6: lease envelope (bytes) }, in the response's
 * trailer field `tfaas-receipt`.
 */
#ifndef TFAAS_COMMON_RECEIPT_H
#define TFAAS_COMMON_RECEIPT_H

#include "bhttp.h"
#include "sha256.h"

#define RECEIPT_LABEL      "tfaas-receipt-v1"
#define RECEIPT_BATCH_MAX  64u
#define RECEIPT_PATH_MAX   6u /* log2 of it */
#define RECEIPT_CLAIMS_MAX 1024u
#define RECEIPT_JWS_MAX    320u
#define RECEIPT_SIZE_MAX   3072u /* as text */

struct receipt {
    struct span claims;
    uint64_t index;
    struct span path[RECEIPT_PATH_MAX];
    size_t path_count;
    struct span jws, lease; /* lease: envelope */
};

/* `text` is decoded into `buffer` (RECEIPT_SIZE_MAX); spans point into it. */
tfaas_status_t receipt_read(struct span text, uint8_t *buffer, struct receipt *to,
                            const char **why) TFAAS_MUST_USE;
/* As text, into `to` (RECEIPT_SIZE_MAX); its size, 0: no room. */
size_t receipt_write(const struct receipt *receipt, char *to);

/* What `req` and `res` begin with: the head as hashed; its content follows. */
void receipt_hash_head(crypto_hash_sha256_state *state, const struct bhttp_head *head);

/* The tree over a batch, all of its nodes: level after level, leaves first. */
struct receipt_tree {
    size_t count;
    uint8_t nodes[2 * RECEIPT_BATCH_MAX + RECEIPT_PATH_MAX][32];
};
void receipt_tree_make(struct receipt_tree *tree, const uint8_t (*leaves)[32], size_t count);
const uint8_t *receipt_tree_root(const struct receipt_tree *tree);
size_t receipt_tree_path(const struct receipt_tree *tree, size_t index,
                         uint8_t path[RECEIPT_PATH_MAX][32]);

/* Signs a batch: the JWS (text, its size returned) and each leaf's path.
 * count 1..RECEIPT_BATCH_MAX. `leaves` are hashes of claims. */
void receipt_leaf(struct span claims, uint8_t leaf[32]);
size_t receipt_sign(const uint8_t (*leaves)[32], size_t count, const uint8_t secret[64],
                    char jws[RECEIPT_JWS_MAX]);
size_t receipt_sign_root(const uint8_t root[32], size_t count, const uint8_t secret[64],
                         char jws[RECEIPT_JWS_MAX]);
/* The path of leaf `index`: nodes into `path`, how many returned. */
size_t receipt_path(const uint8_t (*leaves)[32], size_t count, size_t index,
                    uint8_t path[RECEIPT_PATH_MAX][32]);
/* Does the receipt's JWS, signed by `receipt_key`, hold its claims? NOT_OPENED with *why. */
tfaas_status_t receipt_check(const struct receipt *receipt, const uint8_t receipt_key[32],
                             const char **why) TFAAS_MUST_USE;

#endif
