/*
 * store.h - what tfaasd remembers: functions, packages (content-addressed), image names, secrets,
 * namespaces. SQLite in STATE/tfaas.db, WAL, synchronous=FULL: a call that returns OK is durable.
 * Secrets are encrypted at rest (XChaCha20-Poly1305, key file STATE/secret.key, 0600).
 * One process per state folder (STATE/lock). Used from one thread.
 */
#ifndef TFAAS_HOST_STORE_H
#define TFAAS_HOST_STORE_H

#include "../error.h"
#include "package.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_SECRET_MAX (1u << 20) /* bytes of one secret */
#define STORE_SPEC_MAX   (1u << 20) /* bytes of a deployment as JSON */
#define STORE_IMAGE_MAX  512u       /* bytes of an image reference */

struct store;

/* A database of an earlier schema is brought to this one. Makes STATE (0700) with secret.key,
 * payload-secret (0600) and the database when they are not there. Refuses: another tfaasd holds the
 * lock (CONFLICT), a database that is corrupt, of a newer schema or whose key is gone (INTERNAL,
 * text tells the recovery), key files others can read. */
tfaas_status_t store_open(struct store **store, const char *state_dir,
                          struct tfaas_error *error) TFAAS_MUST_USE;
void store_close(struct store *store);
const char *store_payload_secret(const struct store *store); /* trimmed text */

/* --- packages and image names --- */
/* Keeps the package bytes (already checked by package_read) and points `image` at it. A package
 * that no image name and no function points to any more is dropped. */
tfaas_status_t store_put_package(struct store *store, const char *image, const uint8_t *bytes,
                                 size_t size, uint8_t digest[PACKAGE_DIGEST_SIZE],
                                 struct tfaas_error *error) TFAAS_MUST_USE;
/* "name:tag", "name" (means :latest), "registry/name:tag", or "...@sha256:HEX". NOT_FOUND. */
tfaas_status_t store_resolve_image(struct store *store, const char *image,
                                   uint8_t digest[PACKAGE_DIGEST_SIZE],
                                   struct tfaas_error *error) TFAAS_MUST_USE;
/* *bytes is malloc'ed. The digest is checked again: a changed byte is INTERNAL, never served. */
tfaas_status_t store_get_package(struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE],
                                 uint8_t **bytes, size_t *size,
                                 struct tfaas_error *error) TFAAS_MUST_USE;
/* Sealed native code of a package for a namespace's cores. Losing it costs a compile, nothing else:
 * put may silently keep nothing, and everything is gone after a restart. */
void store_put_cache(struct store *store, const char *ns, const uint8_t digest[PACKAGE_DIGEST_SIZE],
                     const uint8_t *bytes, size_t size);
/* *bytes is malloc'ed. False: there is none. */
bool store_get_cache(struct store *store, const char *ns, const uint8_t digest[PACKAGE_DIGEST_SIZE],
                     uint8_t **bytes, size_t *size);
void store_drop_cache(struct store *store, const char *ns,
                      const uint8_t digest[PACKAGE_DIGEST_SIZE]);
bool store_image_name_ok(const char *image); /* [HOST[:PORT]/]path[:tag][@sha256:HEX] */

/* --- functions --- */
/* A deployment: the OpenFaaS FunctionDeployment fields worth keeping, as JSON, plus what we add. */
struct store_function {
    char *name, *ns;
    json_t *spec; /* FunctionDeployment as received (unknown fields dropped), "service" = name */
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    uint64_t replicas;
    int64_t created_at; /* unix seconds */
    uint64_t revision;  /* grows with every deploy of any function */
};
void store_function_free(struct store_function *function);
/* create: CONFLICT when it exists; else NOT_FOUND when it does not. Also NOT_FOUND: its namespace,
 * or its package. Gives it the next revision: function->revision is set, and kept, on OK. */
tfaas_status_t store_put_function(struct store *store, struct store_function *function, bool create,
                                  struct tfaas_error *error) TFAAS_MUST_USE;
tfaas_status_t store_delete_function(struct store *store, const char *name, const char *ns,
                                     struct tfaas_error *error) TFAAS_MUST_USE;
tfaas_status_t store_scale_function(struct store *store, const char *name, const char *ns,
                                    uint64_t replicas, struct tfaas_error *error) TFAAS_MUST_USE;
/* Calls `each` for every function of every namespace (at start). `each` takes what it points to. */
tfaas_status_t store_each_function(struct store *store,
                                   void (*each)(void *env, struct store_function *function),
                                   void *env, struct tfaas_error *error) TFAAS_MUST_USE;

/* --- secrets --- */
enum store_secret_mode { STORE_CREATE, STORE_UPDATE };
tfaas_status_t store_put_secret(struct store *store, const char *name, const char *ns,
                                const uint8_t *value, size_t size, enum store_secret_mode mode,
                                struct tfaas_error *error) TFAAS_MUST_USE;
tfaas_status_t store_delete_secret(struct store *store, const char *name, const char *ns,
                                   struct tfaas_error *error) TFAAS_MUST_USE;
/* *value is malloc'ed; wipe it (sodium_memzero) before free. NOT_FOUND. */
tfaas_status_t store_get_secret(struct store *store, const char *name, const char *ns,
                                uint8_t **value, size_t *size,
                                struct tfaas_error *error) TFAAS_MUST_USE;
/* JSON array of {"name","namespace"}, and "type":"sealed" of a sealed object; caller owns it. */
tfaas_status_t store_list_secrets(struct store *store, const char *ns, json_t **list,
                                  struct tfaas_error *error) TFAAS_MUST_USE;

/* --- attested invocation --- */
/* The seed of the simulated root, STATE/simulated-root.key (0600), made when it is not there. */
tfaas_status_t store_root_seed(struct store *store, uint8_t seed[32],
                               struct tfaas_error *error) TFAAS_MUST_USE;
#define STORE_KEEPER_STATE_MAX (64u * 1024)
/* What a keeper sealed to its platform: opaque. One for each tender, whose cores alone can open it.
 */
tfaas_status_t store_put_keeper_state(struct store *store, const char *tender, const uint8_t *state,
                                      size_t size, struct tfaas_error *error) TFAAS_MUST_USE;
/* *state is malloc'ed. NOT_FOUND: none was put. */
tfaas_status_t store_get_keeper_state(struct store *store, const char *tender, uint8_t **state,
                                      size_t *size, struct tfaas_error *error) TFAAS_MUST_USE;

/* --- namespaces; the default one (openfaas-fn) always exists --- */
#define STORE_DEFAULT_NAMESPACE "openfaas-fn"
/* annotations, labels: objects, borrowed; NULL means {}. */
tfaas_status_t store_put_namespace(struct store *store, const char *ns, json_t *annotations,
                                   json_t *labels, bool create,
                                   struct tfaas_error *error) TFAAS_MUST_USE;
tfaas_status_t
store_delete_namespace(struct store *store, const char *ns,
                       struct tfaas_error *error) TFAAS_MUST_USE; /* CONFLICT: not empty */
/* JSON array of {"name","annotations","labels"}; caller owns it. */
tfaas_status_t store_list_namespaces(struct store *store, json_t **list,
                                     struct tfaas_error *error) TFAAS_MUST_USE;

bool store_function_name_ok(const char *name); /* ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$, 1..63 */
bool store_namespace_ok(const char *ns);       /* the same form */
bool store_secret_name_ok(const char *name);   /* [-a-zA-Z0-9_.]+, 1..253, not "." or ".." */

#endif
