/* needs: host/daemon/store*.c host/error.c common/sealed.c common/fields.c common/cbor.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/package.c libs: sqlite3 jansson sodium */
/*
 * store_corrupt.c (tests) - the database with a byte changed, or cut short, at many places: the
 * store either refuses to open with words that name the file, or what it serves is exactly what was
 * kept (the byte did not matter). Never is something else served, or something silently gone.
 */
#include "scratch.h"
#include "daemon/store.h"
#include <sodium.h>
#include <sqlite3.h>
#include <sys/wait.h>

#define NS STORE_DEFAULT_NAMESPACE

static char *good;
static size_t good_size;
static char expected[65536], found[65536];

/* --- a store as text --- */

static size_t at;

static void add(char *text, const char *a, const char *b, const void *data, size_t size)
{
    int n = snprintf(text + at, sizeof expected - at, "%s %s %.*s\n", a, b, (int)size,
                     (const char *)data);
    assert_true(n > 0 && (size_t)n < sizeof expected - at);
    at += (size_t)n;
}

static void add_function(void *env, struct store_function *function)
{
    char *spec = json_dumps(function->spec, JSON_COMPACT | JSON_SORT_KEYS);
    char numbers[64], hex[65];
    (void)snprintf(numbers, sizeof numbers, "%s %d %d %d", function->name, (int)function->replicas,
                   (int)function->created_at, (int)function->revision);
    sodium_bin2hex(hex, sizeof hex, function->digest, sizeof function->digest);
    add(env, numbers, spec, hex, 64);
    free(spec);
    store_function_free(function);
}

/* False: some call was refused (error tells). */
static bool describe(struct store *store, char *text, struct tfaas_error *error)
{
    json_t *list = NULL, *item = NULL;
    size_t i = 0;
    at = 0;
    if (store_list_namespaces(store, &list, error) != TFAAS_OK)
        return false;
    char *dump = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    add(text, "namespaces", dump, "", 0);
    free(dump);
    json_decref(list);
    if (store_each_function(store, add_function, text, error) != TFAAS_OK ||
        store_list_secrets(store, NS, &list, error) != TFAAS_OK)
        return false;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        uint8_t *value = NULL;
        size_t size = 0;
        if (store_get_secret(store, name, NS, &value, &size, error) != TFAAS_OK) {
            json_decref(list);
            return false;
        }
        add(text, "secret", name, value, size);
        free(value);
    }
    json_decref(list);
    for (i = 0; i < 20; i++) {
        char image[32];
        uint8_t digest[PACKAGE_DIGEST_SIZE], *bytes = NULL;
        size_t size = 0;
        (void)snprintf(image, sizeof image, "image-%zu", i);
        if (store_resolve_image(store, image, digest, error) != TFAAS_OK ||
            store_get_package(store, digest, &bytes, &size, error) != TFAAS_OK)
            return false;
        add(text, "image", image, bytes, size);
        free(bytes);
    }
    return true;
}

static int setup(void **state)
{
    struct store *store = NULL;
    struct tfaas_error error;
    if (scratch_setup(state) != 0)
        return -1;
    assert_int_equal(store_open(&store, scratch_path("state"), &error), TFAAS_OK);
    for (int i = 0; i < 20; i++) {
        char name[32], value[700];
        struct store_function f = {.name = name, .ns = (char *)NS, .replicas = 1, .created_at = i};
        memset(value, 'a' + i, sizeof value);
        value[i * 30 + 1] = 0;
        f.spec = json_pack("{s:s}", "envProcess", value);
        (void)snprintf(name, sizeof name, "image-%d", i);
        assert_int_equal(
            store_put_package(store, name, (const uint8_t *)name, strlen(name), f.digest, &error),
            TFAAS_OK);
        (void)snprintf(name, sizeof name, "function-%d", i);
        assert_int_equal(store_put_function(store, &f, true, &error), TFAAS_OK);
        json_decref(f.spec);
        assert_int_equal(store_put_secret(store, name, NS, (const uint8_t *)value, strlen(value),
                                          STORE_CREATE, &error),
                         TFAAS_OK);
        if (i > 15) /* freed pages and cells exist too */
            assert_int_equal(store_delete_secret(store, name, NS, &error), TFAAS_OK);
    }
    assert_true(describe(store, expected, &error));
    store_close(store);
    good = scratch_read(scratch_path("state/tfaas.db"), &good_size);
    return 0;
}

static int teardown(void **state)
{
    free(good);
    return scratch_teardown(state);
}

struct tally {
    unsigned refused, harmless;
};

/* The database file now holds something: judge what the store makes of it. */
static void judge(struct tally *tally, size_t where, const char *how)
{
    struct store *store = NULL;
    struct tfaas_error error = {.text = ""};
    tfaas_status_t status = store_open(&store, scratch_path("state"), &error);
    bool whole = status == TFAAS_OK && describe(store, found, &error);
    store_close(store);
    if (!whole) {
        if (!strstr(error.text, "/state"))
            fail_msg("byte %zu %s: refused without naming the file: %s", where, how, error.text);
        tally->refused++;
        return;
    }
    if (strcmp(found, expected) != 0)
        fail_msg("byte %zu %s: something else is served:\n%s", where, how, found);
    tally->harmless++;
}

static void put_back(const char *data, size_t size)
{
    (void)unlink(scratch_path("state/tfaas.db-wal"));
    scratch_write(scratch_path("state/tfaas.db"), data, size, 0600);
}

static void changed_bytes(void **state)
{
    (void)state;
    struct tally tally = {0, 0};
    unsigned long step = getenv("TFAAS_TEST_LONG") ? 1 : 23; /* prime: all residues of a page */
    for (size_t i = 0; i < good_size; i += i < 100 ? 1 : step) {
        static const uint8_t masks[] = {0x01, 0x80, 0xff};
        char kept = good[i];
        good[i] = (char)(kept ^ masks[i % 3]);
        put_back(good, good_size);
        judge(&tally, i, "changed");
        good[i] = kept;
    }
    print_message("%u changes: %u refused, %u harmless\n", tally.refused + tally.harmless,
                  tally.refused, tally.harmless);
    assert_true(tally.refused > 300);
    assert_true(tally.harmless > 0); /* free space inside pages */
}

static void cut_short(void **state)
{
    (void)state;
    struct tally tally = {0, 0};
    for (size_t size = 0; size < good_size; size += 509) {
        put_back(good, size);
        judge(&tally, size, "cut");
    }
    assert_true(tally.refused > 20);
    assert_int_equal(tally.harmless, 0); /* no cut is harmless */
}

static void zeroed_pages(void **state)
{
    (void)state;
    struct tally tally = {0, 0};
    char page[4096];
    for (size_t i = 0; i + sizeof page <= good_size; i += sizeof page) {
        memcpy(page, good + i, sizeof page);
        memset(good + i, 0, sizeof page);
        put_back(good, good_size);
        judge(&tally, i, "page zeroed");
        memcpy(good + i, page, sizeof page);
    }
    assert_true(tally.refused > 5);
}

/* A log left by a crash whose change is in the database already: its loss loses nothing. */
static void damaged_log(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct tfaas_error error;
    size_t log_size = 0, db_size = 0;
    struct tally tally = {0, 0};
    put_back(good, good_size);
    assert_int_equal(store_open(&store, scratch_path("state"), &error), TFAAS_OK);
    assert_int_equal(store_scale_function(store, "function-3", NS, 9, &error), TFAAS_OK);
    assert_true(describe(store, expected, &error));
    char *db = scratch_read(scratch_path("state/tfaas.db"), &db_size); /* as a crash leaves them */
    char *log = scratch_read(scratch_path("state/tfaas.db-wal"), &log_size);
    store_close(store);
    assert_true(log_size > 4096);
    for (size_t i = 0; i < log_size; i += i < 64 ? 1 : 61) {
        log[i] = (char)(log[i] ^ 0xff);
        scratch_write(scratch_path("state/tfaas.db"), db, db_size, 0600);
        scratch_write(scratch_path("state/tfaas.db-wal"), log, log_size, 0600);
        judge(&tally, i, "of the log changed");
        log[i] = (char)(log[i] ^ 0xff);
    }
    scratch_write(scratch_path("state/tfaas.db"), db, db_size, 0600);
    (void)unlink(scratch_path("state/tfaas.db-wal"));
    judge(&tally, 0, "of the log gone");
    assert_true(tally.harmless > 50);
    free(db);
    free(log);
}

/* Does, word for word, what the refusal tells the operator to do about a damaged index. */
static void recovery(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct tfaas_error error;
    char command[900];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    put_back(good, good_size);
    assert_int_equal(sqlite3_open(scratch_path("state/tfaas.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT rootpage FROM sqlite_schema WHERE name = "
                                        "'functions_digest'",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    size_t page = (size_t)sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    char *bad = malloc(good_size);
    assert_non_null(bad);
    memcpy(bad, good, good_size);
    memset(bad + (page - 1) * 4096, 0x5a, 4096);
    put_back(bad, good_size);
    free(bad);
    assert_int_not_equal(store_open(&store, scratch_path("state"), &error), TFAAS_OK);
    char *told = strstr(error.text, "or in it: "), *end = told ? strstr(told, "; or move") : NULL;
    assert_non_null(end);
    *end = 0;
    if (access("/usr/bin/sqlite3", X_OK) != 0) {
        print_message("the sqlite3 program is not here: only the refusal is checked\n");
        return;
    }
    (void)snprintf(command, sizeof command, "cd '%s' && %s", scratch_path("state"),
                   told + strlen("or in it: "));
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
    if (store_open(&store, scratch_path("state"), &error) != TFAAS_OK)
        fail_msg("after the recovery: %s", error.text);
    assert_true(describe(store, found, &error));
    store_close(store);
    assert_string_equal(found, expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(changed_bytes), TEST(cut_short), TEST(zeroed_pages),
                                       TEST(damaged_log), TEST(recovery)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
