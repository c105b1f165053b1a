/* needs: host/daemon/store*.c host/error.c common/sealed.c common/fields.c common/cbor.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/package.c libs: sqlite3 jansson sodium */
/*
 * store_keeper.c (tests) - what the store keeps for attested invocation, and the step from the
 * schema that did not have it.
 */
#define _GNU_SOURCE
#include "store_fixture.h"
#include "daemon/store_internal.h"
#include <sodium.h>
#include <sqlite3.h>

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(scratch_path("state/tfaas.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void keeper_state(void **state)
{
    (void)state;
    uint8_t *got = NULL, bytes[300];
    size_t size = 0;
    memset(bytes, 5, sizeof bytes);
    REFUSED(store_get_keeper_state(store, "process", &got, &size, &error), TFAAS_NOT_FOUND,
            "no keeper");
    OK(store_put_keeper_state(store, "process", bytes, 200, &error));
    bytes[0] = 6;
    OK(store_put_keeper_state(store, "process", bytes, sizeof bytes, &error));
    reopen();
    OK(store_get_keeper_state(store, "process", &got, &size, &error));
    assert_int_equal(size, sizeof bytes);
    assert_memory_equal(got, bytes, size);
    free(got);
    REFUSED(store_put_keeper_state(store, "process", bytes, 0, &error), TFAAS_TOO_LARGE, "0 bytes");
    REFUSED(store_put_keeper_state(store, "process", bytes, STORE_KEEPER_STATE_MAX + 1, &error),
            TFAAS_TOO_LARGE, "65537 bytes");
    store_close(store);
    store = NULL;
    sql("UPDATE keeper_states SET state = x'00'");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL,
            "does not match its checksum");
}

/* Each tender's keepers have their own; a row under another tender's name is damage. */
static void keeper_state_of_each_tender(void **state)
{
    (void)state;
    uint8_t *got = NULL;
    size_t size = 0;
    OK(store_put_keeper_state(store, "process", (const uint8_t *)"one", 3, &error));
    REFUSED(store_get_keeper_state(store, "kvm", &got, &size, &error), TFAAS_NOT_FOUND,
            "no keeper");
    OK(store_put_keeper_state(store, "kvm", (const uint8_t *)"other", 5, &error));
    reopen();
    OK(store_get_keeper_state(store, "process", &got, &size, &error));
    assert_int_equal(size, 3);
    assert_memory_equal(got, "one", 3);
    free(got);
    OK(store_get_keeper_state(store, "kvm", &got, &size, &error));
    assert_int_equal(size, 5);
    assert_memory_equal(got, "other", 5);
    free(got);
    store_close(store);
    store = NULL;
    sql("DELETE FROM keeper_states WHERE tender = 'kvm';"
        "UPDATE keeper_states SET tender = 'kvm'");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL,
            "state of the keeper of tender kvm does not match its checksum");
}

/* Makes of this schema's table what version 2 had, with the seal that version 2 wrote. */
static void go_back_to_two(const char *kept)
{
    const struct store_field field = {kept, strlen(kept)};
    uint8_t seal[STORE_SEAL_SIZE];
    char hex[2 * STORE_SEAL_SIZE + 1], text[512];
    store_seal(store, "keeper_state", &field, 1, seal);
    (void)sodium_bin2hex(hex, sizeof hex, seal, sizeof seal);
    (void)snprintf(text, sizeof text,
                   "DROP TABLE keeper_states;"
                   "CREATE TABLE keeper_state (id INTEGER PRIMARY KEY CHECK (id = 1),"
                   " state BLOB NOT NULL, seal BLOB NOT NULL) STRICT;"
                   "INSERT INTO keeper_state VALUES (1, CAST('%s' AS BLOB), x'%s');"
                   "PRAGMA user_version = 2",
                   kept, hex);
    store_close(store);
    store = NULL;
    sql(text);
}

static void schema_two_is_upgraded(void **state)
{
    (void)state;
    uint8_t *got = NULL;
    size_t size = 0;
    go_back_to_two("kept");
    OK(store_open(&store, scratch_path("state"), &error));
    for (unsigned round = 0; round < 2; round++) {
        OK(store_get_keeper_state(store, "process", &got, &size, &error));
        assert_int_equal(size, 4);
        assert_memory_equal(got, "kept", 4);
        free(got);
        REFUSED(store_get_keeper_state(store, "kvm", &got, &size, &error), TFAAS_NOT_FOUND,
                "no keeper");
        reopen();
    }
    go_back_to_two("kept");
    sql("UPDATE keeper_state SET state = x'00'");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL,
            "does not match its checksum");
}

static void root_seed(void **state)
{
    (void)state;
    uint8_t seed[32], again[32];
    OK(store_root_seed(store, seed, &error));
    assert_false(sodium_is_zero(seed, sizeof seed));
    reopen();
    OK(store_root_seed(store, again, &error));
    assert_memory_equal(seed, again, sizeof seed);
    assert_int_equal(chmod(scratch_path("state/simulated-root.key"), 0640), 0);
    REFUSED(store_root_seed(store, again, &error), TFAAS_INTERNAL, "mode 640");
    scratch_write(scratch_path("state/simulated-root.key"), "short", 5, 0600);
    REFUSED(store_root_seed(store, again, &error), TFAAS_INTERNAL, "holds 5 bytes");
}

/* What version 1 wrote opens, and is of this schema afterwards. */
static void schema_one_is_upgraded(void **state)
{
    (void)state;
    uint8_t *got = NULL;
    size_t size = 0;
    OK(store_put_secret(store, "old", STORE_DEFAULT_NAMESPACE, (const uint8_t *)"one", 3,
                        STORE_CREATE, &error));
    store_close(store);
    store = NULL;
    sql("DROP TABLE keeper_states; PRAGMA user_version = 1");
    OK(store_open(&store, scratch_path("state"), &error));
    OK(store_get_secret(store, "old", STORE_DEFAULT_NAMESPACE, &got, &size, &error));
    assert_int_equal(size, 3);
    assert_memory_equal(got, "one", 3);
    free(got);
    REFUSED(store_get_keeper_state(store, "process", &got, &size, &error), TFAAS_NOT_FOUND,
            "no keeper");
    OK(store_put_keeper_state(store, "process", (const uint8_t *)"state", 5, &error));
    reopen();
    OK(store_get_keeper_state(store, "process", &got, &size, &error));
    assert_int_equal(size, 5);
    free(got);
    store_close(store);
    store = NULL;
    sql("PRAGMA user_version = 0");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "schema");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeper_state),           TEST(keeper_state_of_each_tender), TEST(root_seed),
        TEST(schema_one_is_upgraded), TEST(schema_two_is_upgraded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
