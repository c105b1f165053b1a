/*
 * store_keeper.c - what a keeper saved, sealed by the core to its platform. One row; a newer state
 * replaces the older one and is durable when the call returns.
 */
#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

tfaas_status_t store_put_keeper_state(struct store *store, const uint8_t *state, size_t size,
                                      struct tfaas_error *error)
{
    uint8_t seal[STORE_SEAL_SIZE];
    if (size == 0 || size > STORE_KEEPER_STATE_MAX)
        return error_set(error, TFAAS_TOO_LARGE, "a keeper's state of %zu bytes", size);
    store_seal(store, "keeper_state", &(struct store_field){state, size}, 1, seal);
    return STORE_RUN(store, error, "INSERT OR REPLACE INTO keeper_state VALUES (1, ?1, ?2)", "bb",
                     (const void *)state, size, (const void *)seal, sizeof seal);
}

tfaas_status_t store_get_keeper_state(struct store *store, uint8_t **state, size_t *size,
                                      struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *state = NULL;
    *size = 0;
    tfaas_status_t status = store_query(store, error, &statement,
                                        "SELECT state, seal FROM keeper_state WHERE id = 1", "");
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK && !row)
        status = error_set(error, TFAAS_NOT_FOUND, "no keeper has saved a state");
    if (status == TFAAS_OK) {
        const uint8_t *bytes = sqlite3_column_blob(statement, 0);
        int have = sqlite3_column_bytes(statement, 0);
        *size = bytes && have > 0 ? (size_t)have : 0;
        if (!bytes || !store_sealed(store, "keeper_state", &(struct store_field){bytes, *size}, 1,
                                    store_column_blob(statement, 1, STORE_SEAL_SIZE)))
            status = store_damaged(store, "state of the", "keeper", error);
        else if (!(*state = malloc(*size)))
            status = error_set(error, TFAAS_NO_SPACE, "out of memory");
        else
            memcpy(*state, bytes, *size);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_check_keeper(struct store *store, struct tfaas_error *error)
{
    uint8_t *state;
    size_t size;
    tfaas_status_t status = store_get_keeper_state(store, &state, &size, error);
    free(state);
    return status == TFAAS_NOT_FOUND ? TFAAS_OK : status;
}
