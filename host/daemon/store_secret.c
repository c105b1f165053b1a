/*
 * store_secret.c - secrets, sealed with XChaCha20-Poly1305 under a random nonce. Namespace and name
 * are associated data: a value moved to another row does not open. Must never log or keep
 * plaintext.
 */
#include "store_internal.h"

#include "sealed.h"

#include <stdlib.h>
#include <string.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES

struct associated {
    uint8_t data[16 + 64 + 256];
    size_t size;
};

/* "tfaas-secret-1" 0 ns 0 name: neither part can hold a 0. */
static struct associated associate(const char *ns, const char *name)
{
    struct associated a = {.size = 0};
    const char *parts[] = {"tfaas-secret-1", ns, name};
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(parts[i]) + 1;
        memcpy(a.data + a.size, parts[i], size); /* names were checked: 63 and 253 at most */
        a.size += size;
    }
    return a;
}

static tfaas_status_t check_names(const char *name, const char *ns, tfaas_status_t refusal,
                                  struct tfaas_error *error)
{
    if (!store_secret_name_ok(name))
        return error_set(error, refusal,
                         "a secret name has 1 to 253 of a-z A-Z 0-9 - _ . and is not . or ..");
    if (!store_namespace_ok(ns))
        return error_set(error, refusal,
                         "a namespace name has 1 to 63 of a-z 0-9 -, no - at an end");
    return TFAAS_OK;
}

static tfaas_status_t write_secret(struct store *store, const char *name, const char *ns,
                                   const uint8_t *sealed, size_t size, enum store_secret_mode mode,
                                   struct tfaas_error *error)
{
    bool exists = false;
    tfaas_status_t status = store_namespace_exists(store, ns, error);
    if (status == TFAAS_OK)
        status = store_exists(store, &exists, error,
                              "SELECT 1 FROM secrets WHERE ns = ?1 AND name = ?2", ns, name);
    if (status != TFAAS_OK)
        return status;
    if (mode == STORE_CREATE && exists)
        return error_set(error, TFAAS_CONFLICT, "secret %s of %s is there already", name, ns);
    if (mode == STORE_UPDATE && !exists)
        return error_set(error, TFAAS_NOT_FOUND, "secret %s of %s is not there", name, ns);
    return STORE_RUN(store, error, "INSERT OR REPLACE INTO secrets VALUES (?1, ?2, ?3)", "ttb", ns,
                     name, (const void *)sealed, size);
}

tfaas_status_t store_put_secret(struct store *store, const char *name, const char *ns,
                                const uint8_t *value, size_t size, enum store_secret_mode mode,
                                struct tfaas_error *error)
{
    tfaas_status_t status = check_names(name, ns, TFAAS_BAD_REQUEST, error);
    if (status != TFAAS_OK)
        return status;
    if (size > STORE_SECRET_MAX)
        return error_set(error, TFAAS_TOO_LARGE, "secret %s of %zu bytes exceeds %u", name, size,
                         STORE_SECRET_MAX);
    uint8_t *sealed = malloc(NONCE + size + TAG);
    if (!sealed)
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    struct associated a = associate(ns, name);
    unsigned long long sealed_size = 0;
    randombytes_buf(sealed, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, &sealed_size, value, size, a.data,
                                               a.size, NULL, sealed, store->secret_key);
    status = store_begin(store, error);
    if (status == TFAAS_OK)
        status = store_end(
            store, write_secret(store, name, ns, sealed, NONCE + (size_t)sealed_size, mode, error),
            error);
    free(sealed);
    return status;
}

static tfaas_status_t remove_secret(struct store *store, const char *name, const char *ns,
                                    struct tfaas_error *error)
{
    bool exists = false;
    tfaas_status_t status = store_exists(
        store, &exists, error, "SELECT 1 FROM secrets WHERE ns = ?1 AND name = ?2", ns, name);
    if (status == TFAAS_OK && !exists)
        status = error_set(error, TFAAS_NOT_FOUND, "secret %s of %s is not there", name, ns);
    if (status == TFAAS_OK)
        status = STORE_RUN(store, error, "DELETE FROM secrets WHERE ns = ?1 AND name = ?2", "tt",
                           ns, name);
    return status;
}

tfaas_status_t store_delete_secret(struct store *store, const char *name, const char *ns,
                                   struct tfaas_error *error)
{
    tfaas_status_t status = check_names(name, ns, TFAAS_NOT_FOUND, error);
    if (status == TFAAS_OK)
        status = store_begin(store, error);
    return status == TFAAS_OK ? store_end(store, remove_secret(store, name, ns, error), error)
                              : status;
}

/* Opens the sealed value in `column`. *value is malloc'ed. */
static tfaas_status_t open_sealed(struct store *store, sqlite3_stmt *statement, int column,
                                  const char *name, const char *ns, uint8_t **value, size_t *size,
                                  struct tfaas_error *error)
{
    const uint8_t *sealed = sqlite3_column_blob(statement, column);
    int bytes = sqlite3_column_bytes(statement, column);
    size_t sealed_size = bytes > 0 && sealed ? (size_t)bytes : 0;
    unsigned long long plain = 0;
    if (sealed_size < NONCE + TAG)
        goto damaged;
    *value = malloc(sealed_size);
    if (!*value)
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    struct associated a = associate(ns, name);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(*value, &plain, NULL, sealed + NONCE,
                                                   sealed_size - NONCE, a.data, a.size, sealed,
                                                   store->secret_key) == 0) {
        *size = (size_t)plain;
        return TFAAS_OK;
    }
    free(*value);
damaged:
    *value = NULL;
    return error_set(error, TFAAS_INTERNAL,
                     "database %s/tfaas.db is damaged: secret %.200s of %.64s does not open with "
                     "secret.key. Recovery: put back a copy of the folder, or delete that row with "
                     "sqlite3 and create the secret again",
                     store->path, name, ns);
}

tfaas_status_t store_get_secret(struct store *store, const char *name, const char *ns,
                                uint8_t **value, size_t *size, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *value = NULL;
    *size = 0;
    tfaas_status_t status = check_names(name, ns, TFAAS_NOT_FOUND, error);
    if (status == TFAAS_OK)
        status =
            store_query(store, error, &statement,
                        "SELECT sealed FROM secrets WHERE ns = ?1 AND name = ?2", "tt", ns, name);
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK && !row)
        status = error_set(error, TFAAS_NOT_FOUND, "secret %s of %s is not there", name, ns);
    if (status == TFAAS_OK)
        status = open_sealed(store, statement, 0, name, ns, value, size, error);
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_check_secrets(struct store *store, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status =
        store_query(store, error, &statement, "SELECT ns, name, sealed FROM secrets", "");
    while (status == TFAAS_OK && statement) {
        uint8_t *value = NULL;
        size_t size = 0;
        status = store_step(store, &statement, &row, error);
        if (status != TFAAS_OK || !row)
            break;
        const char *ns = store_column_text(statement, 0), *name = store_column_text(statement, 1);
        if (!store_namespace_ok(ns) || !store_secret_name_ok(name)) {
            status = store_damaged(store, "secret", name ? name : "(unreadable)", error);
            break;
        }
        status = open_sealed(store, statement, 2, name, ns, &value, &size, error);
        if (value)
            sodium_memzero(value, size);
        free(value);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_list_secrets(struct store *store, const char *ns, json_t **list,
                                  struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *list = NULL;
    if (!store_namespace_ok(ns))
        return error_set(error, TFAAS_BAD_REQUEST, "malformed namespace");
    tfaas_status_t status =
        store_query(store, error, &statement,
                    "SELECT name, sealed FROM secrets WHERE ns = ?1 ORDER BY name", "t", ns);
    json_t *names = json_array();
    if (!names && status == TFAAS_OK)
        status = error_set(error, TFAAS_INTERNAL, "out of memory");
    while (status == TFAAS_OK && statement) {
        status = store_step(store, &statement, &row, error);
        if (status != TFAAS_OK || !row)
            break;
        const char *name = store_column_text(statement, 0);
        uint8_t *value = NULL;
        size_t size = 0;
        status = open_sealed(store, statement, 1, name ? name : "", ns, &value, &size, error);
        if (status != TFAAS_OK)
            break;
        /* Whether an owner sealed it is no secret; what it holds stays inside. */
        bool is_sealed = sealed_is((struct span){value, size});
        sodium_memzero(value, size);
        free(value);
        json_t *item = json_pack("{s:s, s:s}", "name", name ? name : "", "namespace", ns);
        if (item && is_sealed)
            (void)json_object_set_new(item, "type", json_string("sealed"));
        if (json_array_append_new(names, item) != 0)
            status = error_set(error, TFAAS_INTERNAL, "out of memory");
    }
    sqlite3_finalize(statement);
    if (status == TFAAS_OK)
        *list = names;
    else
        json_decref(names);
    return status;
}
