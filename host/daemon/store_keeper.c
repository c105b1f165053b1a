/*
 * store_keeper.c - what keepers saved, sealed by their core to its platform. A row for each tender;
 * a newer state replaces the older one and is durable when the call returns.
 */
#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

tfaas_status_t store_put_keeper_state(struct store *store, const char *tender, const uint8_t *state,
                                      size_t size, struct tfaas_error *error)
{
    const struct store_field fields[] = {{tender, strlen(tender)}, {state, size}};
    uint8_t seal[STORE_SEAL_SIZE];
    if (size == 0 || size > STORE_KEEPER_STATE_MAX)
        return error_set(error, TFAAS_TOO_LARGE, "a keeper's state of %zu bytes", size);
    store_seal(store, "keeper_states", fields, 2, seal);
    return STORE_RUN(store, error, "INSERT OR REPLACE INTO keeper_states VALUES (?1, ?2, ?3)",
                     "tbb", tender, (const void *)state, size, (const void *)seal, sizeof seal);
}

/* The row that `statement` stands on: state, seal. Without `tender` the seal is over the state
 * alone, as schema 2 had it. */
static tfaas_status_t take_row(struct store *store, sqlite3_stmt *statement, const char *table,
                               const char *tender, uint8_t **state, size_t *size,
                               struct tfaas_error *error)
{
    const uint8_t *bytes = sqlite3_column_blob(statement, 0);
    int have = sqlite3_column_bytes(statement, 0);
    *size = bytes && have > 0 ? (size_t)have : 0;
    const struct store_field fields[] = {{tender, tender ? strlen(tender) : 0}, {bytes, *size}};
    size_t first = tender ? 0 : 1;
    if (!bytes || !store_sealed(store, table, fields + first, 2 - first,
                                store_column_blob(statement, 1, STORE_SEAL_SIZE)))
        return store_damaged(store, "state of the keeper of tender", tender ? tender : "process",
                             error);
    if (!(*state = malloc(*size)))
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    memcpy(*state, bytes, *size);
    return TFAAS_OK;
}

tfaas_status_t store_get_keeper_state(struct store *store, const char *tender, uint8_t **state,
                                      size_t *size, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *state = NULL;
    *size = 0;
    tfaas_status_t status =
        store_query(store, error, &statement,
                    "SELECT state, seal FROM keeper_states WHERE tender = ?1", "t", tender);
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK && !row)
        status = error_set(error, TFAAS_NOT_FOUND, "no keeper has saved a state");
    if (status == TFAAS_OK)
        status = take_row(store, statement, "keeper_states", tender, state, size, error);
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_check_keeper(struct store *store, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = true;
    tfaas_status_t status =
        store_query(store, error, &statement, "SELECT state, seal, tender FROM keeper_states", "");
    while (status == TFAAS_OK && row) {
        uint8_t *state = NULL;
        size_t size;
        status = store_step(store, &statement, &row, error);
        if (status == TFAAS_OK && row) {
            const char *tender = store_column_text(statement, 2);
            status = take_row(store, statement, "keeper_states", tender ? tender : "", &state,
                              &size, error);
        }
        free(state);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_upgrade_keeper(struct store *store, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    uint8_t *state = NULL;
    size_t size = 0;
    tfaas_status_t status = store_query(store, error, &statement,
                                        "SELECT state, seal FROM keeper_state WHERE id = 1", "");
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK && row)
        status = take_row(store, statement, "keeper_state", NULL, &state, &size, error);
    sqlite3_finalize(statement);
    if (status == TFAAS_OK && row)
        status = store_put_keeper_state(store, "process", state, size, error);
    free(state);
    return status;
}
