/*
 * store_sql.c - the database of the store: opening and checking it, statements, row seals.
 * Must never report success before SQLite says the change is on disk, nor start on a damaged file.
 */
#define _GNU_SOURCE
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 3
#define APPLICATION_ID 0x54466153 /* "TFaS" */

/* Since version 3; version 2 had one row without a tender */
#define SCHEMA_KEEPER                                                                              \
    "CREATE TABLE keeper_states (tender TEXT PRIMARY KEY, state BLOB NOT NULL,"                    \
    " seal BLOB NOT NULL) STRICT, WITHOUT ROWID;"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL, seal BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE namespaces (name TEXT PRIMARY KEY, annotations TEXT NOT NULL,"
    " labels TEXT NOT NULL, seal BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE images (name TEXT PRIMARY KEY, digest BLOB NOT NULL, seal BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE functions (ns TEXT NOT NULL REFERENCES namespaces(name), name TEXT NOT NULL,"
    " spec TEXT NOT NULL, digest BLOB NOT NULL, replicas INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, revision INTEGER NOT NULL, seal BLOB NOT NULL,"
    " PRIMARY KEY (ns, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE secrets (ns TEXT NOT NULL REFERENCES namespaces(name), name TEXT NOT NULL,"
    " sealed BLOB NOT NULL, PRIMARY KEY (ns, name)) STRICT, WITHOUT ROWID;" SCHEMA_KEEPER
    "CREATE INDEX images_digest ON images (digest);"
    "CREATE INDEX functions_digest ON functions (digest);";

/* --- errors --- */

static tfaas_status_t damaged_file(const struct store *store, const char *what,
                                   struct tfaas_error *error)
{
    /* .dump, not .recover: Debian's sqlite3 is built without what .recover needs */
    return error_set(
        error, TFAAS_INTERNAL,
        "database %s/tfaas.db is damaged (%s). Recovery: stop tfaasd, copy the folder, "
        "then put back an older copy; or in it: (sqlite3 tfaas.db .dump | sed "
        "'s/^ROLLBACK.*/COMMIT;/'; echo 'PRAGMA user_version=%d; PRAGMA "
        "application_id=%d;') | sqlite3 new.db; rm -f tfaas.db-wal; mv new.db tfaas.db; "
        "or move tfaas.db away and deploy again",
        store->path, what, SCHEMA_VERSION, APPLICATION_ID);
}

tfaas_status_t store_damaged(const struct store *store, const char *kind, const char *name,
                             struct tfaas_error *error)
{
    return error_set(
        error, TFAAS_INTERNAL,
        "database %s/tfaas.db is damaged: %s %.200s does not match its checksum. "
        "Recovery: stop tfaasd, put back a copy of the folder, or delete that row with "
        "sqlite3 and deploy it again",
        store->path, kind, name);
}

/* The errno behind an I/O error: SQLite keeps it per file, of the database and of its log. */
static int io_errno(const struct store *store)
{
    int value = 0, other = 0;
    sqlite3_file *log = NULL;
    if (!store->db)
        return 0;
    (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_LAST_ERRNO, &value);
    (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods && log->pMethods->xFileControl) /* none: a journal in memory */
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &other);
    if (other != 0)
        return other;
    return value != 0 ? value : sqlite3_system_errno(store->db);
}

tfaas_status_t store_sql_error(struct store *store, int code, const char *doing,
                               struct tfaas_error *error)
{
    int primary = code & 0xff;
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return damaged_file(store, sqlite3_errstr(code), error);
    bool io = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    int errno_value = io ? io_errno(store) : 0;
    tfaas_status_t status = TFAAS_INTERNAL;
    if (primary == SQLITE_FULL || (io && (errno_value == ENOSPC || errno_value == EDQUOT)))
        status = TFAAS_NO_SPACE;
    if (io && errno_value != 0)
        return error_errno(error, status, errno_value, "%s in %s/tfaas.db: %s", doing, store->path,
                           sqlite3_errmsg(store->db));
    return error_set(error, status, "%s in %s/tfaas.db: %s", doing, store->path,
                     store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
}

/* --- statements --- */

tfaas_status_t store_query(struct store *store, struct tfaas_error *error, sqlite3_stmt **statement,
                           const char *sql, const char *format, ...)
{
    int code = sqlite3_prepare_v2(store->db, sql, -1, statement, NULL);
    va_list args;
    va_start(args, format);
    for (int i = 1; code == SQLITE_OK && *format; i++, format++) {
        if (*format == 't') {
            code = sqlite3_bind_text(*statement, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else if (*format == 'b') {
            const void *data = va_arg(args, const void *);
            code = sqlite3_bind_blob64(*statement, i, data, va_arg(args, size_t), SQLITE_STATIC);
        } else {
            code = sqlite3_bind_int64(*statement, i, va_arg(args, int64_t));
        }
    }
    va_end(args);
    if (code == SQLITE_OK)
        return TFAAS_OK;
    tfaas_status_t status = store_sql_error(store, code, "cannot prepare a statement", error);
    sqlite3_finalize(*statement);
    *statement = NULL;
    return status;
}

tfaas_status_t store_step(struct store *store, sqlite3_stmt **statement, bool *row,
                          struct tfaas_error *error)
{
    int code = sqlite3_step(*statement);
    *row = code == SQLITE_ROW;
    if (*row)
        return TFAAS_OK;
    tfaas_status_t status = TFAAS_OK;
    if (code != SQLITE_DONE)
        status = store_sql_error(store, code, "statement failed", error);
    sqlite3_finalize(*statement);
    *statement = NULL;
    return status;
}

tfaas_status_t store_exists(struct store *store, bool *exists, struct tfaas_error *error,
                            const char *sql, const char *one, const char *two)
{
    sqlite3_stmt *statement = NULL;
    tfaas_status_t status = store_query(store, error, &statement, sql, two ? "tt" : "t", one, two);
    if (status == TFAAS_OK)
        status = store_step(store, &statement, exists, error);
    sqlite3_finalize(statement);
    return status;
}

static tfaas_status_t execute(struct store *store, const char *sql, const char *doing,
                              struct tfaas_error *error)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? TFAAS_OK : store_sql_error(store, code, doing, error);
}

tfaas_status_t store_begin(struct store *store, struct tfaas_error *error)
{
    return execute(store, "BEGIN IMMEDIATE", "cannot begin a change", error);
}

tfaas_status_t store_end(struct store *store, tfaas_status_t status, struct tfaas_error *error)
{
    if (status == TFAAS_OK)
        status = execute(store, "COMMIT", "cannot keep a change", error);
    if (!sqlite3_get_autocommit(store->db)) /* the failure above is the one to tell */
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

const char *store_column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    int size = sqlite3_column_bytes(statement, column);
    return text && size >= 0 && strlen(text) == (size_t)size ? text : NULL;
}

const uint8_t *store_column_blob(sqlite3_stmt *statement, int column, size_t size)
{
    const uint8_t *data = sqlite3_column_blob(statement, column);
    int have = sqlite3_column_bytes(statement, column);
    return data && have >= 0 && (size_t)have == size ? data : NULL;
}

/* --- row seals --- */

void store_seal(const struct store *store, const char *table, const struct store_field *fields,
                size_t count, uint8_t seal[STORE_SEAL_SIZE])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, store->seal_key, sizeof store->seal_key, STORE_SEAL_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)table, strlen(table) + 1);
    for (size_t i = 0; i < count; i++) { /* lengths in front: fields cannot run into each other */
        uint64_t size = fields[i].size;
        crypto_generichash_update(&state, (const uint8_t *)&size, sizeof size);
        crypto_generichash_update(&state, fields[i].data, fields[i].size);
    }
    crypto_generichash_final(&state, seal, STORE_SEAL_SIZE);
}

bool store_sealed(const struct store *store, const char *table, const struct store_field *fields,
                  size_t count, const uint8_t *seal)
{
    uint8_t expected[STORE_SEAL_SIZE];
    store_seal(store, table, fields, count, expected);
    return seal && sodium_memcmp(seal, expected, sizeof expected) == 0;
}

/* --- the revision counter, and proof that key and database belong together --- */

static void revision_seal(const struct store *store, int64_t revision, uint8_t *seal)
{
    store_seal(store, "meta", &(struct store_field){&revision, sizeof revision}, 1, seal);
}

static tfaas_status_t revision_read(struct store *store, int64_t *revision,
                                    struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    uint8_t seal[STORE_SEAL_SIZE];
    tfaas_status_t status = store_query(
        store, error, &statement, "SELECT value, seal FROM meta WHERE key = ?1", "t", "revision");
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK) {
        const uint8_t *stored = row ? store_column_blob(statement, 1, sizeof seal) : NULL;
        *revision = row ? sqlite3_column_int64(statement, 0) : 0;
        revision_seal(store, *revision, seal);
        if (!stored || sodium_memcmp(stored, seal, sizeof seal) != 0)
            status =
                error_set(error, TFAAS_INTERNAL,
                          "%s/secret.key is not the key of %s/tfaas.db, or its revision row is "
                          "damaged: put back the key, or a copy of the whole folder",
                          store->path, store->path);
    }
    sqlite3_finalize(statement);
    return status;
}

static tfaas_status_t revision_write(struct store *store, int64_t revision,
                                     struct tfaas_error *error)
{
    uint8_t seal[STORE_SEAL_SIZE];
    revision_seal(store, revision, seal);
    return STORE_RUN(store, error, "INSERT OR REPLACE INTO meta VALUES ('revision', ?1, ?2)", "ib",
                     revision, (const void *)seal, sizeof seal);
}

tfaas_status_t store_next_revision(struct store *store, uint64_t *revision,
                                   struct tfaas_error *error)
{
    int64_t last = 0;
    tfaas_status_t status = revision_read(store, &last, error);
    if (status == TFAAS_OK)
        status = revision_write(store, last + 1, error);
    *revision = (uint64_t)last + 1;
    return status;
}

/* --- opening --- */

static tfaas_status_t connect_to(struct store *store, const char *name, struct tfaas_error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", store->path, name) < 0)
        return error_set(error, TFAAS_INTERNAL, "out of memory");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &store->db, flags, NULL);
    free(path);
    if (code != SQLITE_OK)
        return store_sql_error(store, code, "cannot open the database", error);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* exclusive locking: one process, so no shared-memory file */
    return execute(store,
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;"
                   "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL;"
                   "PRAGMA foreign_keys = ON",
                   "cannot configure the database", error);
}

static void disconnect(struct store *store)
{
    sqlite3_close(store->db);
    store->db = NULL;
}

static tfaas_status_t fill_new_database(struct store *store, struct tfaas_error *error)
{
    char identity[96];
    (void)snprintf(identity, sizeof identity,
                   "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
                   SCHEMA_VERSION);
    /* no journal file: a crash leaves new.db, and that is thrown away */
    tfaas_status_t status =
        execute(store, "PRAGMA journal_mode = MEMORY", "cannot configure the database", error);
    if (status == TFAAS_OK)
        status = execute(store, schema, "cannot make the tables", error);
    if (status == TFAAS_OK)
        status = execute(store, identity, "cannot make the tables", error);
    if (status == TFAAS_OK)
        status = revision_write(store, 0, error);
    return store_end(store, status, error);
}

static tfaas_status_t start_log(struct store *store, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status = store_query(store, error, &statement, "PRAGMA journal_mode = WAL", "");
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    const char *mode = row ? store_column_text(statement, 0) : NULL;
    bool wal = mode && strcmp(mode, "wal") == 0;
    sqlite3_finalize(statement);
    if (status != TFAAS_OK)
        return status;
    if (!wal)
        return error_set(error, TFAAS_INTERNAL, "%s/tfaas.db cannot use a write-ahead log",
                         store->path);
    /* Copy each change into the database at once (not when 1000 pages wait): a log damaged after a
     * crash then takes nothing along that was acknowledged, but for the one change being copied. */
    return execute(store, "PRAGMA wal_autocheckpoint = 1", "cannot configure the database", error);
}

/* SQLite would make it, but loses the reason when it cannot. An empty one holds nothing. */
static tfaas_status_t make_log_file(struct store *store, const char *name,
                                    struct tfaas_error *error)
{
    int fd = openat(store->state_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_errno(error, store_errno_status(errno), errno, "cannot open %s/%s",
                           store->path, name);
    close(fd);
    return TFAAS_OK;
}

/* Under a temporary name, then renamed: an empty tfaas.db is therefore always damage, never new. */
static tfaas_status_t make_database(struct store *store, struct tfaas_error *error)
{
    static const char *const left[] = {"new.db", "new.db-journal", "new.db-wal", "tfaas.db-wal"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (unlinkat(store->state_fd, left[i], 0) != 0 && errno != ENOENT)
            return error_errno(error, store_errno_status(errno), errno, "cannot remove %s/%s",
                               store->path, left[i]);
    int fd = openat(store->state_fd, "new.db", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(error, store_errno_status(errno), errno, "cannot make %s/new.db",
                           store->path);
    close(fd);
    tfaas_status_t status = connect_to(store, "new.db", error);
    if (status == TFAAS_OK)
        status = fill_new_database(store, error);
    if (status == TFAAS_OK)
        status = make_log_file(store, "new.db-wal", error);
    if (status == TFAAS_OK)
        status = start_log(store, error);
    disconnect(store);
    if (status != TFAAS_OK)
        return status;
    if (renameat(store->state_fd, "new.db", store->state_fd, "tfaas.db") != 0 ||
        fsync(store->state_fd) != 0)
        return error_errno(error, store_errno_status(errno), errno, "cannot make %s/tfaas.db",
                           store->path);
    return TFAAS_OK;
}

static tfaas_status_t read_pragma(struct store *store, const char *sql, int64_t *value,
                                  struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status = store_query(store, error, &statement, sql, "");
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    *value = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status;
}

static tfaas_status_t check_identity(struct store *store, int64_t *schema_version,
                                     struct tfaas_error *error)
{
    int64_t application = 0, version = 0;
    tfaas_status_t status = read_pragma(store, "PRAGMA application_id", &application, error);
    if (status == TFAAS_OK)
        status = read_pragma(store, "PRAGMA user_version", &version, error);
    *schema_version = version;
    if (status != TFAAS_OK)
        return status;
    if (application != APPLICATION_ID)
        return damaged_file(store, "it is not a TFaaS database", error);
    if (version > SCHEMA_VERSION)
        return error_set(error, TFAAS_INTERNAL,
                         "database %s/tfaas.db has schema %lld, this tfaasd knows %d: start the "
                         "newer tfaasd that wrote it",
                         store->path, (long long)version, SCHEMA_VERSION);
    return version >= 1 ? TFAAS_OK : damaged_file(store, "it has no schema version", error);
}

/* From an earlier schema to this one, as one change. */
static tfaas_status_t upgrade(struct store *store, int64_t version, struct tfaas_error *error)
{
    if (version == SCHEMA_VERSION)
        return TFAAS_OK;
    tfaas_status_t status = store_begin(store, error);
    if (status != TFAAS_OK)
        return status;
    status =
        execute(store, SCHEMA_KEEPER "PRAGMA user_version = 3", "cannot upgrade the tables", error);
    if (status == TFAAS_OK && version == 2)
        status = store_upgrade_keeper(store, error);
    if (status == TFAAS_OK && version == 2)
        status = execute(store, "DROP TABLE keeper_state", "cannot upgrade the tables", error);
    return store_end(store, status, error);
}

static tfaas_status_t check_structure(struct store *store, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status = store_query(store, error, &statement, "PRAGMA integrity_check(1)", "");
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK) {
        const char *text = row ? store_column_text(statement, 0) : NULL;
        char line[128];
        if (!text || strcmp(text, "ok") != 0) {
            (void)snprintf(line, sizeof line, "%.*s", 100, text ? text : "no answer");
            for (char *c = line; *c; c++)
                if (*c == '\n')
                    *c = ' ';
            status = damaged_file(store, line, error);
        }
    }
    sqlite3_finalize(statement);
    if (status != TFAAS_OK)
        return status;
    int64_t broken = 0;
    status = read_pragma(store, "SELECT count(*) FROM pragma_foreign_key_check", &broken, error);
    if (status == TFAAS_OK && broken != 0)
        status = damaged_file(store, "rows of a namespace that is not there", error);
    return status;
}

static tfaas_status_t check_rows(struct store *store, struct tfaas_error *error)
{
    int64_t revision = 0;
    tfaas_status_t status = revision_read(store, &revision, error);
    if (status == TFAAS_OK)
        status = store_check_namespaces(store, error);
    if (status == TFAAS_OK)
        status = store_check_images(store, error);
    if (status == TFAAS_OK)
        status = store_check_functions(store, error);
    if (status == TFAAS_OK)
        status = store_check_secrets(store, error);
    return status;
}

tfaas_status_t store_db_open(struct store *store, struct tfaas_error *error)
{
    struct stat st;
    int64_t version = 0;
    tfaas_status_t status = TFAAS_OK;
    if (fstatat(store->state_fd, "tfaas.db", &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT)
            return error_errno(error, TFAAS_INTERNAL, errno, "cannot look at %s/tfaas.db",
                               store->path);
        status = make_database(store, error);
    } else if (!S_ISREG(st.st_mode)) {
        return error_set(error, TFAAS_INTERNAL, "%s/tfaas.db is not a plain file", store->path);
    } else if (st.st_size == 0) {
        return damaged_file(store, "it is empty", error);
    }
    if (status == TFAAS_OK)
        status = make_log_file(store, "tfaas.db-wal", error);
    if (status == TFAAS_OK)
        status = connect_to(store, "tfaas.db", error);
    if (status == TFAAS_OK)
        status = check_identity(store, &version, error);
    if (status == TFAAS_OK)
        status = check_structure(store, error);
    if (status == TFAAS_OK)
        status = check_rows(store, error);
    if (status == TFAAS_OK)
        status = start_log(store, error);
    if (status == TFAAS_OK)
        status = upgrade(store, version, error);
    if (status == TFAAS_OK)
        status = store_check_keeper(store, error);
    return status;
}
