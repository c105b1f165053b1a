/*
 * store_internal.h - what the store_*.c files share: the open store, statements, row seals, durable
 * files. Nobody outside the store includes it.
 */
#ifndef TFAAS_HOST_STORE_INTERNAL_H
#define TFAAS_HOST_STORE_INTERNAL_H

#include "store.h"
#include <sodium.h>
#include <sqlite3.h>
#include <sys/queue.h>

#define STORE_KEY_SIZE            crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define STORE_SEAL_SIZE           32u
#define STORE_PAYLOAD_SECRET_SIZE 64u /* hex digits */
#define STORE_TEXT_MAX            (STORE_IMAGE_MAX + 128u)

struct store_cached; /* store_cache.c */
TAILQ_HEAD(store_cached_list, store_cached);

struct store {
    char *path; /* STATE, as given */
    int state_fd, packages_fd, cache_fd, lock_fd;
    struct store_cached_list cached; /* least recently used first */
    uint64_t cached_total;
    uint32_t cached_count;
    sqlite3 *db;
    uint8_t secret_key[STORE_KEY_SIZE]; /* AEAD of secrets */
    uint8_t seal_key[STORE_KEY_SIZE];   /* checksums of all other rows */
    char payload_secret[STORE_PAYLOAD_SECRET_SIZE * 4 + 1];
};

/* --- store_file.c: files that are durable when the call returns --- */
/* Opens (making it, 0700) a folder below `parent_fd`, or returns -1. */
int store_folder(int parent_fd, const char *name);
/* Writes NAME.tmp, syncs, renames, syncs the folder. Replaces a file of that name. 0 or -errno. */
int store_file_put(int folder_fd, const char *name, const uint8_t *data, size_t size);
/* All of it, or -errno. */
int store_write_all(int fd, const uint8_t *data, size_t size);
/* Reads at most `max` bytes of a regular file. *data is malloc'ed. 0 or -errno (EFBIG: larger). */
int store_file_get(int folder_fd, const char *name, size_t max, uint8_t **data, size_t *size);
/* Loads the two key files, or makes them. `must_exist`: the database is there, so its key must be.
 */
tfaas_status_t store_keys_load(struct store *store, bool must_exist, struct tfaas_error *error);
tfaas_status_t store_lock(struct store *store, struct tfaas_error *error);
/* --- store_cache.c --- */
tfaas_status_t store_cache_open(struct store *store, struct tfaas_error *error);
void store_cache_close(struct store *store);

/* NO_SPACE for ENOSPC and EDQUOT, else INTERNAL. */
tfaas_status_t store_errno_status(int errno_value);

/* --- store_sql.c: statements --- */
tfaas_status_t store_db_open(struct store *store, struct tfaas_error *error);
/* Names the failure of the last SQLite call. */
tfaas_status_t store_sql_error(struct store *store, int code, const char *doing,
                               struct tfaas_error *error);
/* Prepares and binds. format, one letter per parameter: t text (const char *), b blob (const void
 * *, size_t), i integer (int64_t). */
tfaas_status_t store_query(struct store *store, struct tfaas_error *error, sqlite3_stmt **statement,
                           const char *sql, const char *format, ...);
/* *row is false at the end. Finalizes the statement (and NULLs it) at the end and on failure. */
tfaas_status_t store_step(struct store *store, sqlite3_stmt **statement, bool *row,
                          struct tfaas_error *error);
/* A statement without rows, from preparation to end. */
#define STORE_RUN(store, error, sql, ...)                                                          \
    ({                                                                                             \
        sqlite3_stmt *statement_ = NULL;                                                           \
        bool row_ = false;                                                                         \
        tfaas_status_t status_ = store_query(store, error, &statement_, sql, __VA_ARGS__);         \
        if (status_ == TFAAS_OK)                                                                   \
            status_ = store_step(store, &statement_, &row_, error);                                \
        sqlite3_finalize(statement_);                                                              \
        status_;                                                                                   \
    })
/* Is there a row? */
tfaas_status_t store_exists(struct store *store, bool *exists, struct tfaas_error *error,
                            const char *sql, const char *one, const char *two);
tfaas_status_t store_begin(struct store *store, struct tfaas_error *error);
/* Commits when status is OK, else rolls back and returns it. */
tfaas_status_t store_end(struct store *store, tfaas_status_t status, struct tfaas_error *error);
/* Columns, bounded: text without NUL inside, or NULL. Valid until the next step. */
const char *store_column_text(sqlite3_stmt *statement, int column);
/* The blob when it has exactly that size, else NULL. */
const uint8_t *store_column_blob(sqlite3_stmt *statement, int column, size_t size);

/* --- row seals: a keyed hash over a row's fields, so that a changed byte is found --- */
struct store_field {
    const void *data;
    size_t size;
};
void store_seal(const struct store *store, const char *table, const struct store_field *fields,
                size_t count, uint8_t seal[STORE_SEAL_SIZE]);
bool store_sealed(const struct store *store, const char *table, const struct store_field *fields,
                  size_t count, const uint8_t *seal);
/* INTERNAL, names the item and what to do. */
tfaas_status_t store_damaged(const struct store *store, const char *kind, const char *name,
                             struct tfaas_error *error);

/* --- each part checks all its rows at open --- */
tfaas_status_t store_check_images(struct store *store, struct tfaas_error *error);
tfaas_status_t store_check_functions(struct store *store, struct tfaas_error *error);
tfaas_status_t store_check_secrets(struct store *store, struct tfaas_error *error);
tfaas_status_t store_check_namespaces(struct store *store, struct tfaas_error *error);
tfaas_status_t store_check_keeper(struct store *store, struct tfaas_error *error);
/* From schema 2, which kept one state: it was the process tender's. */
tfaas_status_t store_upgrade_keeper(struct store *store, struct tfaas_error *error);
/* Counts on; called inside a transaction. */
tfaas_status_t store_next_revision(struct store *store, uint64_t *revision,
                                   struct tfaas_error *error);
tfaas_status_t store_namespace_exists(struct store *store, const char *ns,
                                      struct tfaas_error *error);

/* --- store_package.c --- */
/* Drops the package when nothing points to it. Best effort: what stays is dropped at the next open.
 */
void store_drop_package(struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE]);
/* Drops files that no row points to, left by a crash between a file and its row. */
tfaas_status_t store_sweep_packages(struct store *store, struct tfaas_error *error);
bool store_has_package(const struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE]);

/* --- store_names.c --- */
struct store_image {
    char name[STORE_IMAGE_MAX + 8]; /* with its tag: "name:latest" */
    bool has_digest;
    uint8_t digest[PACKAGE_DIGEST_SIZE];
};
bool store_image_parse(const char *text, struct store_image *image);

#endif
