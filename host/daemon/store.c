/*
 * store.c - see store.h: opening and closing STATE, and the namespaces.
 * Must never start on a folder that another tfaasd uses or that others can write to.
 */
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- namespaces --- */

static void namespace_fields(struct store_field fields[3], const char *name,
                             const char *annotations, const char *labels)
{
    fields[0] = (struct store_field){name, strlen(name)};
    fields[1] = (struct store_field){annotations, strlen(annotations)};
    fields[2] = (struct store_field){labels, strlen(labels)};
}

tfaas_status_t store_namespace_exists(struct store *store, const char *ns,
                                      struct tfaas_error *error)
{
    bool exists = false;
    tfaas_status_t status =
        store_exists(store, &exists, error, "SELECT 1 FROM namespaces WHERE name = ?1", ns, NULL);
    if (status == TFAAS_OK && !exists)
        status = error_set(error, TFAAS_NOT_FOUND, "namespace %s is not there", ns);
    return status;
}

static tfaas_status_t write_namespace(struct store *store, const char *ns, const char *annotations,
                                      const char *labels, bool create, struct tfaas_error *error)
{
    bool exists = false;
    tfaas_status_t status =
        store_exists(store, &exists, error, "SELECT 1 FROM namespaces WHERE name = ?1", ns, NULL);
    if (status != TFAAS_OK)
        return status;
    if (create && exists)
        return error_set(error, TFAAS_CONFLICT, "namespace %s is there already", ns);
    if (!create && !exists)
        return error_set(error, TFAAS_NOT_FOUND, "namespace %s is not there", ns);
    struct store_field fields[3];
    uint8_t seal[STORE_SEAL_SIZE];
    namespace_fields(fields, ns, annotations, labels);
    store_seal(store, "namespaces", fields, 3, seal);
    return STORE_RUN(store, error,
                     "INSERT INTO namespaces VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE "
                     "SET annotations = ?2, labels = ?3, seal = ?4",
                     "tttb", ns, annotations, labels, (const void *)seal, sizeof seal);
}

static char *object_text(json_t *object)
{
    return object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : strdup("{}");
}

tfaas_status_t store_put_namespace(struct store *store, const char *ns, json_t *annotations,
                                   json_t *labels, bool create, struct tfaas_error *error)
{
    if (!store_namespace_ok(ns))
        return error_set(error, TFAAS_BAD_REQUEST,
                         "a namespace name has 1 to 63 of a-z 0-9 -, no - at an end");
    if ((annotations && !json_is_object(annotations)) || (labels && !json_is_object(labels)))
        return error_set(error, TFAAS_BAD_REQUEST,
                         "annotations and labels of namespace %s must be objects", ns);
    char *annotations_text = object_text(annotations), *labels_text = object_text(labels);
    tfaas_status_t status = TFAAS_OK;
    if (!annotations_text || !labels_text)
        status = error_set(error, TFAAS_INTERNAL, "out of memory");
    else if (strlen(annotations_text) + strlen(labels_text) > STORE_SPEC_MAX)
        status = error_set(error, TFAAS_TOO_LARGE,
                           "annotations and labels of namespace %s exceed "
                           "%u bytes",
                           ns, STORE_SPEC_MAX);
    if (status == TFAAS_OK)
        status = store_begin(store, error);
    if (status == TFAAS_OK)
        status = store_end(
            store, write_namespace(store, ns, annotations_text, labels_text, create, error), error);
    free(annotations_text);
    free(labels_text);
    return status;
}

static tfaas_status_t remove_namespace(struct store *store, const char *ns,
                                       struct tfaas_error *error)
{
    bool used = false;
    tfaas_status_t status = store_namespace_exists(store, ns, error);
    if (status == TFAAS_OK)
        status = store_exists(store, &used, error,
                              "SELECT 1 FROM functions WHERE ns = ?1 UNION ALL "
                              "SELECT 1 FROM secrets WHERE ns = ?1",
                              ns, NULL);
    if (status != TFAAS_OK)
        return status;
    if (used)
        return error_set(error, TFAAS_CONFLICT, "namespace %s still has functions or secrets", ns);
    return STORE_RUN(store, error, "DELETE FROM namespaces WHERE name = ?1", "t", ns);
}

tfaas_status_t store_delete_namespace(struct store *store, const char *ns,
                                      struct tfaas_error *error)
{
    if (!store_namespace_ok(ns))
        return error_set(error, TFAAS_NOT_FOUND, "no such namespace: the name is malformed");
    if (strcmp(ns, STORE_DEFAULT_NAMESPACE) == 0)
        return error_set(error, TFAAS_CONFLICT, "the default namespace %s cannot be deleted", ns);
    tfaas_status_t status = store_begin(store, error);
    return status == TFAAS_OK ? store_end(store, remove_namespace(store, ns, error), error)
                              : status;
}

/* Checks every row; adds it to `list` when there is one. */
static tfaas_status_t walk_namespaces(struct store *store, json_t *list, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status =
        store_query(store, error, &statement,
                    "SELECT name, annotations, labels, seal FROM namespaces ORDER BY name", "");
    while (status == TFAAS_OK && statement) {
        status = store_step(store, &statement, &row, error);
        if (status != TFAAS_OK || !row)
            break;
        const char *name = store_column_text(statement, 0);
        const char *annotations = store_column_text(statement, 1);
        const char *labels = store_column_text(statement, 2);
        struct store_field fields[3];
        namespace_fields(fields, name ? name : "", annotations ? annotations : "",
                         labels ? labels : "");
        if (!store_sealed(store, "namespaces", fields, 3,
                          store_column_blob(statement, 3, STORE_SEAL_SIZE)))
            status = store_damaged(store, "namespace", name ? name : "(unreadable)", error);
        if (status != TFAAS_OK || !list)
            continue;
        json_t *a = json_loads(annotations, 0, NULL), *l = json_loads(labels, 0, NULL);
        json_t *item = json_pack("{s:s, s:o*, s:o*}", "name", name, "annotations", a, "labels", l);
        if (!a || !l || json_array_append_new(list, item) != 0)
            status = error_set(error, TFAAS_INTERNAL, "out of memory");
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_check_namespaces(struct store *store, struct tfaas_error *error)
{
    return walk_namespaces(store, NULL, error);
}

tfaas_status_t store_list_namespaces(struct store *store, json_t **list, struct tfaas_error *error)
{
    *list = json_array();
    if (!*list)
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    tfaas_status_t status = walk_namespaces(store, *list, error);
    if (status != TFAAS_OK) {
        json_decref(*list);
        *list = NULL;
    }
    return status;
}

static tfaas_status_t ensure_default_namespace(struct store *store, struct tfaas_error *error)
{
    bool exists = false;
    tfaas_status_t status =
        store_exists(store, &exists, error, "SELECT 1 FROM namespaces WHERE name = ?1",
                     STORE_DEFAULT_NAMESPACE, NULL);
    if (status == TFAAS_OK && !exists)
        status = store_put_namespace(store, STORE_DEFAULT_NAMESPACE, NULL, NULL, true, error);
    return status;
}

/* --- opening --- */

static tfaas_status_t open_folder(struct store *store, struct tfaas_error *error)
{
    struct stat st;
    store->state_fd = store_folder(AT_FDCWD, store->path);
    if (store->state_fd < 0 || fstat(store->state_fd, &st) != 0)
        return error_errno(error, store_errno_status(errno), errno,
                           "cannot open the state folder "
                           "%s",
                           store->path);
    if (st.st_uid != geteuid() || (st.st_mode & 022))
        return error_set(error, TFAAS_INTERNAL,
                         "state folder %s can be written by others (owner %u, mode %03o): chown it "
                         "to the user of tfaasd and chmod 700 it",
                         store->path, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
    return TFAAS_OK;
}

static tfaas_status_t open_parts(struct store *store, struct tfaas_error *error)
{
    struct stat st;
    tfaas_status_t status = open_folder(store, error);
    if (status == TFAAS_OK)
        status = store_lock(store, error);
    if (status != TFAAS_OK)
        return status;
    store->packages_fd = store_folder(store->state_fd, "packages");
    if (store->packages_fd < 0)
        return error_errno(error, store_errno_status(errno), errno, "cannot open %s/packages",
                           store->path);
    bool database = fstatat(store->state_fd, "tfaas.db", &st, AT_SYMLINK_NOFOLLOW) == 0;
    status = store_keys_load(store, database, error);
    if (status == TFAAS_OK)
        status = store_db_open(store, error);
    if (status == TFAAS_OK)
        status = ensure_default_namespace(store, error);
    if (status == TFAAS_OK && database) /* a fresh database must not empty an old folder */
        status = store_sweep_packages(store, error);
    if (status == TFAAS_OK)
        status = store_cache_open(store, error);
    return status;
}

tfaas_status_t store_open(struct store **out, const char *state_dir, struct tfaas_error *error)
{
    *out = NULL;
    if (sodium_init() < 0)
        return error_set(error, TFAAS_INTERNAL, "cannot start libsodium");
    if (!state_dir || !*state_dir)
        return error_set(error, TFAAS_BAD_REQUEST, "no state folder given");
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    store->state_fd = store->packages_fd = store->cache_fd = store->lock_fd = -1;
    store->path = strdup(state_dir);
    tfaas_status_t status =
        store->path ? open_parts(store, error) : error_set(error, TFAAS_INTERNAL, "out of memory");
    if (status != TFAAS_OK) {
        store_close(store);
        return status;
    }
    *out = store;
    return TFAAS_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    store_cache_close(store);
    if (store->packages_fd >= 0)
        close(store->packages_fd);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    if (store->state_fd >= 0)
        close(store->state_fd);
    free(store->path);
    sodium_memzero(store, sizeof *store);
    free(store);
}

const char *store_payload_secret(const struct store *store)
{
    return store->payload_secret;
}
