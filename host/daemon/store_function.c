/*
 * store_function.c - deployments: one sealed row per function.
 * Must never hand out a row whose bytes changed since they were acknowledged.
 */
#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

#define REPLICAS_MAX 1000000000u
#define COLUMNS      "ns, name, spec, digest, replicas, created_at, revision, seal"

/* One row, as the columns hold it; pointers are borrowed. */
struct function_row {
    const char *ns, *name, *spec;
    const uint8_t *digest;
    int64_t replicas, created_at, revision;
};

static void row_fields(struct store_field fields[7], const struct function_row *row)
{
    fields[0] = (struct store_field){row->ns, strlen(row->ns)};
    fields[1] = (struct store_field){row->name, strlen(row->name)};
    fields[2] = (struct store_field){row->spec, strlen(row->spec)};
    fields[3] = (struct store_field){row->digest, PACKAGE_DIGEST_SIZE};
    fields[4] = (struct store_field){&row->replicas, sizeof row->replicas};
    fields[5] = (struct store_field){&row->created_at, sizeof row->created_at};
    fields[6] = (struct store_field){&row->revision, sizeof row->revision};
}

/* Reads the columns COLUMNS and checks the seal. */
static tfaas_status_t row_read(struct store *store, sqlite3_stmt *statement,
                               struct function_row *row, struct tfaas_error *error)
{
    struct store_field fields[7];
    row->ns = store_column_text(statement, 0);
    row->name = store_column_text(statement, 1);
    row->spec = store_column_text(statement, 2);
    row->digest = store_column_blob(statement, 3, PACKAGE_DIGEST_SIZE);
    row->replicas = sqlite3_column_int64(statement, 4);
    row->created_at = sqlite3_column_int64(statement, 5);
    row->revision = sqlite3_column_int64(statement, 6);
    if (row->ns && row->name && row->spec && row->digest) {
        row_fields(fields, row);
        if (store_sealed(store, "functions", fields, 7,
                         store_column_blob(statement, 7, STORE_SEAL_SIZE)))
            return TFAAS_OK;
    }
    return store_damaged(store, "function", row->name ? row->name : "(unreadable)", error);
}

static tfaas_status_t row_write(struct store *store, const struct function_row *row,
                                struct tfaas_error *error)
{
    struct store_field fields[7];
    uint8_t seal[STORE_SEAL_SIZE];
    row_fields(fields, row);
    store_seal(store, "functions", fields, 7, seal);
    return STORE_RUN(store, error,
                     "INSERT OR REPLACE INTO functions (" COLUMNS
                     ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                     "tttbiiib", row->ns, row->name, row->spec, (const void *)row->digest,
                     (size_t)PACKAGE_DIGEST_SIZE, row->replicas, row->created_at, row->revision,
                     (const void *)seal, sizeof seal);
}

/* Runs the query for one function; the row is valid until the statement is finalized. NOT_FOUND. */
static tfaas_status_t row_find(struct store *store, const char *name, const char *ns,
                               sqlite3_stmt **statement, struct function_row *row,
                               struct tfaas_error *error)
{
    bool there = false;
    tfaas_status_t status = store_query(
        store, error, statement, "SELECT " COLUMNS " FROM functions WHERE ns = ?1 AND name = ?2",
        "tt", ns, name);
    if (status == TFAAS_OK)
        status = store_step(store, statement, &there, error);
    if (status == TFAAS_OK && !there)
        status = error_set(error, TFAAS_NOT_FOUND, "function %s of %s is not there", name, ns);
    return status == TFAAS_OK ? row_read(store, *statement, row, error) : status;
}

void store_function_free(struct store_function *function)
{
    if (!function)
        return;
    free(function->name);
    free(function->ns);
    json_decref(function->spec);
    memset(function, 0, sizeof *function);
}

static tfaas_status_t check_names(const char *name, const char *ns, tfaas_status_t refusal,
                                  struct tfaas_error *error)
{
    if (!store_function_name_ok(name))
        return error_set(error, refusal,
                         "a function name has 1 to 63 of a-z 0-9 -, no - at an end");
    if (!store_namespace_ok(ns))
        return error_set(error, refusal,
                         "a namespace name has 1 to 63 of a-z 0-9 -, no - at an end");
    return TFAAS_OK;
}

static tfaas_status_t put_row(struct store *store, struct function_row *row, bool create, bool *had,
                              uint8_t before[PACKAGE_DIGEST_SIZE], struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct function_row old;
    uint64_t revision = 0;
    tfaas_status_t status = store_namespace_exists(store, row->ns, error);
    if (status != TFAAS_OK)
        return status;
    status = row_find(store, row->name, row->ns, &statement, &old, error);
    *had = status == TFAAS_OK;
    if (*had)
        memcpy(before, old.digest, PACKAGE_DIGEST_SIZE);
    sqlite3_finalize(statement);
    if (*had && create)
        return error_set(error, TFAAS_CONFLICT, "function %s of %s is there already", row->name,
                         row->ns);
    if (status != TFAAS_OK && !(create && status == TFAAS_NOT_FOUND))
        return status;
    if (!store_has_package(store, row->digest))
        return error_set(error, TFAAS_NOT_FOUND, "the package of function %s is not in the store",
                         row->name);
    status = store_next_revision(store, &revision, error);
    row->revision = (int64_t)revision;
    return status == TFAAS_OK ? row_write(store, row, error) : status;
}

tfaas_status_t store_put_function(struct store *store, struct store_function *function, bool create,
                                  struct tfaas_error *error)
{
    uint8_t before[PACKAGE_DIGEST_SIZE];
    bool had = false;
    tfaas_status_t status = check_names(function->name, function->ns, TFAAS_BAD_REQUEST, error);
    if (status != TFAAS_OK)
        return status;
    if (!json_is_object(function->spec))
        return error_set(error, TFAAS_BAD_REQUEST, "function %s has no deployment object",
                         function->name);
    if (function->replicas > REPLICAS_MAX)
        return error_set(error, TFAAS_BAD_REQUEST, "more than %u replicas", REPLICAS_MAX);
    char *spec = json_dumps(function->spec, JSON_COMPACT | JSON_SORT_KEYS);
    if (!spec)
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    struct function_row row = {function->ns,
                               function->name,
                               spec,
                               function->digest,
                               (int64_t)function->replicas,
                               function->created_at,
                               0};
    if (strlen(spec) > STORE_SPEC_MAX)
        status = error_set(error, TFAAS_TOO_LARGE, "deployment of function %s exceeds %u bytes",
                           function->name, STORE_SPEC_MAX);
    if (status == TFAAS_OK)
        status = store_begin(store, error);
    if (status == TFAAS_OK)
        status = store_end(store, put_row(store, &row, create, &had, before, error), error);
    free(spec);
    if (status != TFAAS_OK)
        return status;
    function->revision = (uint64_t)row.revision;
    if (had)
        store_drop_package(store, before);
    return TFAAS_OK;
}

static tfaas_status_t remove_row(struct store *store, const char *name, const char *ns,
                                 uint8_t before[PACKAGE_DIGEST_SIZE], struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct function_row old;
    tfaas_status_t status = row_find(store, name, ns, &statement, &old, error);
    if (status == TFAAS_OK)
        memcpy(before, old.digest, PACKAGE_DIGEST_SIZE);
    sqlite3_finalize(statement);
    return status == TFAAS_OK
               ? STORE_RUN(store, error, "DELETE FROM functions WHERE ns = ?1 AND name = ?2", "tt",
                           ns, name)
               : status;
}

tfaas_status_t store_delete_function(struct store *store, const char *name, const char *ns,
                                     struct tfaas_error *error)
{
    uint8_t before[PACKAGE_DIGEST_SIZE];
    tfaas_status_t status = check_names(name, ns, TFAAS_NOT_FOUND, error);
    if (status == TFAAS_OK)
        status = store_begin(store, error);
    if (status != TFAAS_OK)
        return status;
    status = store_end(store, remove_row(store, name, ns, before, error), error);
    if (status == TFAAS_OK)
        store_drop_package(store, before);
    return status;
}

static tfaas_status_t scale_row(struct store *store, const char *name, const char *ns,
                                uint64_t replicas, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct function_row row;
    tfaas_status_t status = row_find(store, name, ns, &statement, &row, error);
    if (status == TFAAS_OK) {
        row.replicas = (int64_t)replicas;
        status = row_write(store, &row, error);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_scale_function(struct store *store, const char *name, const char *ns,
                                    uint64_t replicas, struct tfaas_error *error)
{
    tfaas_status_t status = check_names(name, ns, TFAAS_NOT_FOUND, error);
    if (status == TFAAS_OK && replicas > REPLICAS_MAX)
        status = error_set(error, TFAAS_BAD_REQUEST, "more than %u replicas", REPLICAS_MAX);
    if (status == TFAAS_OK)
        status = store_begin(store, error);
    return status == TFAAS_OK ? store_end(store, scale_row(store, name, ns, replicas, error), error)
                              : status;
}

static tfaas_status_t hand_out(const struct function_row *row,
                               void (*each)(void *env, struct store_function *function), void *env,
                               struct tfaas_error *error)
{
    struct store_function function = {.name = strdup(row->name),
                                      .ns = strdup(row->ns),
                                      .spec = json_loads(row->spec, 0, NULL),
                                      .replicas = (uint64_t)row->replicas,
                                      .created_at = row->created_at,
                                      .revision = (uint64_t)row->revision};
    memcpy(function.digest, row->digest, PACKAGE_DIGEST_SIZE);
    if (!function.name || !function.ns || !function.spec) {
        store_function_free(&function);
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    }
    each(env, &function);
    return TFAAS_OK;
}

tfaas_status_t store_each_function(struct store *store,
                                   void (*each)(void *env, struct store_function *function),
                                   void *env, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool there = false;
    tfaas_status_t status = store_query(store, error, &statement,
                                        "SELECT " COLUMNS " FROM functions ORDER BY ns, name", "");
    while (status == TFAAS_OK && statement) {
        struct function_row row;
        status = store_step(store, &statement, &there, error);
        if (status != TFAAS_OK || !there)
            break;
        status = row_read(store, statement, &row, error);
        if (status == TFAAS_OK && each)
            status = hand_out(&row, each, env, error);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_check_functions(struct store *store, struct tfaas_error *error)
{
    return store_each_function(store, NULL, NULL, error);
}
