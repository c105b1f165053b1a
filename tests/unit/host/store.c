/* needs: host/daemon/store*.c host/error.c common/sealed.c common/fields.c common/cbor.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/package.c libs: sqlite3 jansson sodium */
/*
 * store.c (tests) - every call of the store: what it keeps, what it refuses and with which words,
 * that a reopened store knows the same, and that two cannot share a folder.
 */
#define _GNU_SOURCE
#include "store_fixture.h"
#include <sodium.h>
#include <sqlite3.h>
#include <sys/wait.h>

static tfaas_status_t put_package(const char *image, const char *content, uint8_t *digest)
{
    uint8_t ignored[PACKAGE_DIGEST_SIZE];
    return store_put_package(store, image, (const uint8_t *)content, strlen(content),
                             digest ? digest : ignored, &error);
}

static tfaas_status_t put_function(const char *name, const char *ns, const uint8_t *digest,
                                   bool create, const char *spec, uint64_t *revision)
{
    struct store_function f = {.name = (char *)name,
                               .ns = (char *)ns,
                               .replicas = 1,
                               .created_at = 1234,
                               .spec = json_loads(spec, 0, NULL)};
    memcpy(f.digest, digest, sizeof f.digest);
    tfaas_status_t status = store_put_function(store, &f, create, &error);
    if (revision)
        *revision = f.revision;
    json_decref(f.spec);
    return status;
}

struct found {
    size_t count;
    struct store_function last;
};

static void find(void *env, struct store_function *function)
{
    struct found *found = env;
    store_function_free(&found->last);
    found->last = *function;
    found->count++;
}

static struct found functions(void)
{
    struct found found = {.count = 0};
    OK(store_each_function(store, find, &found, &error));
    return found;
}

/* How many of "package-0" ... "package-9" are files of the store. */
static size_t package_files(void)
{
    size_t count = 0;
    for (int i = 0; i < 10; i++) {
        char content[32], hex[65], name[128];
        uint8_t digest[PACKAGE_DIGEST_SIZE];
        (void)snprintf(content, sizeof content, "package-%d", i);
        crypto_hash_sha256(digest, (const uint8_t *)content, strlen(content));
        sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
        (void)snprintf(name, sizeof name, "state/packages/%s", hex);
        count += access(scratch_path(name), F_OK) == 0;
    }
    return count;
}

/* --- the folder --- */

static unsigned mode_of(const char *name)
{
    struct stat st;
    assert_int_equal(stat(scratch_path(name), &st), 0);
    return st.st_mode & 0777;
}

static void makes_the_folder(void **state)
{
    (void)state;
    size_t size = 0;
    assert_int_equal(mode_of("state"), 0700);
    assert_int_equal(mode_of("state/secret.key"), 0600);
    assert_int_equal(mode_of("state/payload-secret"), 0600);
    assert_int_equal(mode_of("state/tfaas.db"), 0600);
    assert_int_equal(mode_of("state/packages"), 0700);
    char *text = scratch_read(scratch_path("state/payload-secret"), &size);
    assert_int_equal(size, 65);
    assert_int_equal(text[64], '\n');
    assert_int_equal(strspn(text, "0123456789abcdef"), 64);
    text[64] = 0;
    assert_string_equal(store_payload_secret(store), text);
    free(text);
    char *key = scratch_read(scratch_path("state/secret.key"), &size);
    assert_int_equal(size, 32);
    reopen(); /* keeps both */
    char *again = scratch_read(scratch_path("state/secret.key"), &size);
    assert_memory_equal(key, again, 32);
    free(key);
    free(again);
}

static void payload_secret_is_trimmed(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    scratch_write(scratch_path("state/payload-secret"), " \t my own long secret \r\n\n", 25, 0600);
    OK(store_open(&store, scratch_path("state"), &error));
    assert_string_equal(store_payload_secret(store), "my own long secret");
    store_close(store);
    store = NULL;
    scratch_write(scratch_path("state/payload-secret"), "short\n", 6, 0600);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "payload-secret");
    assert_null(store);
}

static void second_open_is_refused(void **state)
{
    (void)state;
    struct store *second = NULL;
    char words[64];
    (void)snprintf(words, sizeof words, "another tfaasd (pid %d) uses ", (int)getpid());
    REFUSED(store_open(&second, scratch_path("state"), &error), TFAAS_CONFLICT, words);
    assert_null(second);
    pid_t child = fork();
    if (child == 0) {
        struct store *third = NULL;
        _exit(store_open(&third, scratch_path("state"), &error) == TFAAS_CONFLICT ? 0 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    reopen(); /* the lock goes with its holder */
}

static void refuses_open_keys(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    static const char *const names[] = {"state/secret.key", "state/payload-secret"};
    for (size_t i = 0; i < 2; i++) {
        static const mode_t modes[] = {0640, 0604, 0620, 0666};
        for (size_t m = 0; m < 4; m++) {
            assert_int_equal(chmod(scratch_path(names[i]), modes[m]), 0);
            REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL,
                    strrchr(names[i], '/'));
        }
        assert_int_equal(chmod(scratch_path(names[i]), 0600), 0);
    }
    assert_int_equal(chmod(scratch_path("state"), 0770), 0);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "written by others");
    assert_int_equal(chmod(scratch_path("state"), 0700), 0);
    assert_int_equal(rename(scratch_path("state/secret.key"), scratch_path("kept")), 0);
    assert_int_equal(symlink(scratch_path("kept"), scratch_path("state/secret.key")), 0);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "plain file");
}

static void refuses_a_lost_or_foreign_key(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    assert_int_equal(rename(scratch_path("state/secret.key"), scratch_path("kept")), 0);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL,
            "secret.key is missing");
    assert_int_not_equal(access(scratch_path("state/secret.key"), F_OK), 0);
    scratch_write(scratch_path("state/secret.key"), "0123456789abcdef0123456789abcdef", 32, 0600);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "is not the key of");
    scratch_write(scratch_path("state/secret.key"), "0123", 4, 0600);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "holds 4 bytes");
    assert_int_equal(rename(scratch_path("kept"), scratch_path("state/secret.key")), 0);
    OK(store_open(&store, scratch_path("state"), &error));
}

static void refuses_bad_folders(void **state)
{
    (void)state;
    struct store *other = NULL;
    REFUSED(store_open(&other, "", &error), TFAAS_BAD_REQUEST, "no state folder");
    REFUSED(store_open(&other, scratch_path("no/such"), &error), TFAAS_INTERNAL, "cannot open");
    scratch_write(scratch_path("file"), "x", 1, 0600);
    REFUSED(store_open(&other, scratch_path("file"), &error), TFAAS_INTERNAL, "cannot open");
}

/* --- packages --- */

static void keeps_packages(void **state)
{
    (void)state;
    uint8_t one[PACKAGE_DIGEST_SIZE], two[PACKAGE_DIGEST_SIZE], got[PACKAGE_DIGEST_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    OK(put_package("hello", "package-1", one));
    OK(store_resolve_image(store, "hello:latest", got, &error));
    assert_memory_equal(one, got, sizeof one);
    reopen();
    OK(store_resolve_image(store, "hello", got, &error));
    assert_memory_equal(one, got, sizeof one);
    OK(store_get_package(store, one, &bytes, &size, &error));
    assert_int_equal(size, 9);
    assert_memory_equal(bytes, "package-1", 9);
    free(bytes);
    char reference[128] = "registry.example.com:5000/a/hello@sha256:";
    sodium_bin2hex(reference + strlen(reference), 65, one, sizeof one);
    OK(store_resolve_image(store, reference, got, &error)); /* the digest says it all */
    assert_memory_equal(one, got, sizeof one);
    OK(put_package("registry.example.com:5000/a/hello:v1", "package-1", two));
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(package_files(), 1);
    REFUSED(store_resolve_image(store, "hello:v1", got, &error), TFAAS_NOT_FOUND, "hello:v1");
    REFUSED(store_resolve_image(store, "UPPER", got, &error), TFAAS_BAD_REQUEST, "UPPER");
    reference[strlen(reference) - 1] ^= 1;
    REFUSED(store_resolve_image(store, reference, got, &error), TFAAS_NOT_FOUND,
            "not in the store");
    REFUSED(put_package(reference, "package-1", NULL), TFAAS_BAD_REQUEST, "digest");
    memset(two, 7, sizeof two);
    REFUSED(store_get_package(store, two, &bytes, &size, &error), TFAAS_NOT_FOUND, "0707");
    assert_null(bytes);
}

static void drops_what_nothing_names(void **state)
{
    (void)state;
    uint8_t one[PACKAGE_DIGEST_SIZE], two[PACKAGE_DIGEST_SIZE], three[PACKAGE_DIGEST_SIZE];
    OK(put_package("a", "package-1", one));
    OK(put_package("b", "package-1", one));
    OK(put_package("a", "package-2", two));
    assert_int_equal(package_files(), 2); /* b still names 1 */
    OK(put_package("b", "package-2", two));
    assert_int_equal(package_files(), 1);
    OK(put_function("f", STORE_DEFAULT_NAMESPACE, two, true, "{}", NULL));
    OK(put_package("a", "package-3", three));
    OK(put_package("b", "package-3", three));
    assert_int_equal(package_files(), 2); /* f still names 2 */
    OK(put_function("f", STORE_DEFAULT_NAMESPACE, three, false, "{}", NULL));
    assert_int_equal(package_files(), 1);
    OK(store_delete_function(store, "f", STORE_DEFAULT_NAMESPACE, &error));
    assert_int_equal(package_files(), 1); /* images a, b */
    REFUSED(put_function("f", STORE_DEFAULT_NAMESPACE, one, true, "{}", NULL), TFAAS_NOT_FOUND,
            "package of function f");
}

static void sweeps_after_a_crash(void **state)
{
    (void)state;
    uint8_t one[PACKAGE_DIGEST_SIZE], digest[PACKAGE_DIGEST_SIZE];
    char hex[65], name[128];
    OK(put_package("a", "package-1", one));
    crypto_hash_sha256(digest, (const uint8_t *)"package-2", 9);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    (void)snprintf(name, sizeof name, "state/packages/%s", hex);
    scratch_write(scratch_path(name), "package-2", 9, 0600);
    (void)snprintf(name, sizeof name, "state/packages/%s.tmp", hex);
    scratch_write(scratch_path(name), "pack", 4, 0600);
    scratch_write(scratch_path("state/packages/notes.txt"), "mine", 4, 0600);
    assert_int_equal(package_files(), 2);
    reopen();
    assert_int_equal(package_files(), 1);
    assert_int_not_equal(access(scratch_path(name), F_OK), 0);
    assert_int_equal(access(scratch_path("state/packages/notes.txt"), F_OK), 0);
}

static void names_a_damaged_package(void **state)
{
    (void)state;
    uint8_t one[PACKAGE_DIGEST_SIZE], *bytes = NULL;
    char hex[65], name[128];
    size_t size = 0;
    OK(put_package("a", "package-1", one));
    sodium_bin2hex(hex, sizeof hex, one, sizeof one);
    (void)snprintf(name, sizeof name, "state/packages/%s", hex);
    for (size_t bit = 0; bit < 9 * 8; bit++) {
        char content[] = "package-1";
        content[bit / 8] = (char)(content[bit / 8] ^ (1 << (bit % 8)));
        scratch_write(scratch_path(name), content, 9, 0600);
        REFUSED(store_get_package(store, one, &bytes, &size, &error), TFAAS_INTERNAL, hex);
    }
    for (size_t cut = 0; cut < 9; cut++) {
        scratch_write(scratch_path(name), "package-1", cut, 0600);
        REFUSED(store_get_package(store, one, &bytes, &size, &error), TFAAS_INTERNAL, hex);
    }
    OK(put_package("a", "package-1", one)); /* pushing again heals */
    OK(store_get_package(store, one, &bytes, &size, &error));
    free(bytes);
    assert_int_equal(unlink(scratch_path(name)), 0);
    REFUSED(store_get_package(store, one, &bytes, &size, &error), TFAAS_NOT_FOUND, hex);
}

static void large_package(void **state)
{
    (void)state;
    uint8_t digest[PACKAGE_DIGEST_SIZE], *got = NULL;
    size_t size = 0;
    uint8_t *bytes = calloc(1, PACKAGE_SIZE_MAX + 1);
    assert_non_null(bytes);
    REFUSED(store_put_package(store, "big", bytes, PACKAGE_SIZE_MAX + 1, digest, &error),
            TFAAS_TOO_LARGE, "exceeds");
    OK(store_put_package(store, "big", bytes, PACKAGE_SIZE_MAX, digest, &error));
    OK(store_get_package(store, digest, &got, &size, &error));
    assert_int_equal(size, PACKAGE_SIZE_MAX);
    assert_memory_equal(got, bytes, size);
    free(got);
    free(bytes);
}

/* --- functions --- */

static void keeps_functions(void **state)
{
    (void)state;
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    uint64_t first = 0, second = 0, third = 0;
    const char *spec = "{\"service\":\"f\",\"envVars\":{\"a\":\"\\u00e9\"},\"labels\":null}";
    OK(put_package("a", "package-1", digest));
    REFUSED(put_function("f", STORE_DEFAULT_NAMESPACE, digest, false, spec, NULL), TFAAS_NOT_FOUND,
            "function f of openfaas-fn");
    OK(put_function("f", STORE_DEFAULT_NAMESPACE, digest, true, spec, &first));
    REFUSED(put_function("f", STORE_DEFAULT_NAMESPACE, digest, true, spec, NULL), TFAAS_CONFLICT,
            "there already");
    REFUSED(put_function("f", "other", digest, true, spec, NULL), TFAAS_NOT_FOUND,
            "namespace other");
    OK(put_function("g", STORE_DEFAULT_NAMESPACE, digest, true, "{}", &second));
    assert_true(second > first);
    OK(store_scale_function(store, "f", STORE_DEFAULT_NAMESPACE, 5, &error));
    OK(store_delete_function(store, "g", STORE_DEFAULT_NAMESPACE, &error));
    reopen();
    struct found found = functions();
    assert_int_equal(found.count, 1);
    assert_string_equal(found.last.name, "f");
    assert_string_equal(found.last.ns, STORE_DEFAULT_NAMESPACE);
    assert_int_equal(found.last.replicas, 5);
    assert_int_equal(found.last.created_at, 1234);
    assert_int_equal(found.last.revision, first);
    assert_memory_equal(found.last.digest, digest, sizeof digest);
    json_t *expected = json_loads(spec, 0, NULL);
    assert_true(json_equal(found.last.spec, expected));
    json_decref(expected);
    store_function_free(&found.last);
    OK(put_function("f", STORE_DEFAULT_NAMESPACE, digest, false, spec, &third));
    assert_true(third > second); /* although the row that had `second` is gone */
    REFUSED(store_delete_function(store, "g", STORE_DEFAULT_NAMESPACE, &error), TFAAS_NOT_FOUND,
            "function g");
    REFUSED(store_scale_function(store, "g", STORE_DEFAULT_NAMESPACE, 1, &error), TFAAS_NOT_FOUND,
            "function g");
    REFUSED(store_scale_function(store, "f", STORE_DEFAULT_NAMESPACE, UINT64_MAX, &error),
            TFAAS_BAD_REQUEST, "replicas");
    REFUSED(store_delete_function(store, "../f", STORE_DEFAULT_NAMESPACE, &error), TFAAS_NOT_FOUND,
            "name");
    REFUSED(put_function("F", STORE_DEFAULT_NAMESPACE, digest, true, "{}", NULL), TFAAS_BAD_REQUEST,
            "name");
    REFUSED(put_function("f", STORE_DEFAULT_NAMESPACE, digest, false, "[]", NULL),
            TFAAS_BAD_REQUEST, "deployment");
    char *big = malloc(STORE_SPEC_MAX + 16);
    assert_non_null(big);
    memset(big, 'x', STORE_SPEC_MAX + 15);
    memcpy(big, "{\"a\":\"", 6);
    memcpy(big + STORE_SPEC_MAX + 13, "\"}", 3);
    REFUSED(put_function("f", STORE_DEFAULT_NAMESPACE, digest, false, big, NULL), TFAAS_TOO_LARGE,
            "exceeds");
    free(big);
    store_function_free(NULL);
}

/* --- secrets --- */

static tfaas_status_t put_secret(const char *name, const char *ns, const char *value,
                                 enum store_secret_mode mode)
{
    return store_put_secret(store, name, ns, (const uint8_t *)value, strlen(value), mode, &error);
}

static void secret_is(const char *name, const char *ns, const char *expected)
{
    uint8_t *value = NULL;
    size_t size = 0;
    OK(store_get_secret(store, name, ns, &value, &size, &error));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(value, expected, size);
    free(value);
}

static void keeps_secrets(void **state)
{
    (void)state;
    const char *ns = STORE_DEFAULT_NAMESPACE;
    uint8_t *value = NULL;
    size_t size = 0;
    json_t *list = NULL;
    OK(store_put_namespace(store, "two", NULL, NULL, true, &error));
    OK(put_secret("api.key", ns, "first value", STORE_CREATE));
    OK(put_secret("api.key", "two", "other value", STORE_CREATE));
    OK(put_secret("empty", ns, "", STORE_CREATE));
    REFUSED(put_secret("api.key", ns, "x", STORE_CREATE), TFAAS_CONFLICT, "there already");
    REFUSED(put_secret("none", ns, "x", STORE_UPDATE), TFAAS_NOT_FOUND, "secret none");
    REFUSED(put_secret("a", "nowhere", "x", STORE_CREATE), TFAAS_NOT_FOUND, "nowhere");
    REFUSED(put_secret("a/b", ns, "x", STORE_CREATE), TFAAS_BAD_REQUEST, "secret name");
    REFUSED(put_secret("a", "N", "x", STORE_CREATE), TFAAS_BAD_REQUEST, "namespace name");
    reopen();
    secret_is("api.key", ns, "first value");
    secret_is("api.key", "two", "other value");
    secret_is("empty", ns, "");
    OK(put_secret("api.key", ns, "second value", STORE_UPDATE));
    secret_is("api.key", ns, "second value");
    OK(store_list_secrets(store, ns, &list, &error));
    char *text = json_dumps(list, JSON_COMPACT);
    assert_string_equal(text, "[{\"name\":\"api.key\",\"namespace\":\"openfaas-fn\"},"
                              "{\"name\":\"empty\",\"namespace\":\"openfaas-fn\"}]");
    free(text);
    json_decref(list);
    OK(store_delete_secret(store, "api.key", ns, &error));
    REFUSED(store_delete_secret(store, "api.key", ns, &error), TFAAS_NOT_FOUND, "api.key");
    REFUSED(store_get_secret(store, "api.key", ns, &value, &size, &error), TFAAS_NOT_FOUND,
            "api.key");
    REFUSED(store_get_secret(store, "..", ns, &value, &size, &error), TFAAS_NOT_FOUND, "name");
    REFUSED(store_list_secrets(store, "", &list, &error), TFAAS_BAD_REQUEST, "namespace");
    uint8_t *big = calloc(1, STORE_SECRET_MAX + 1);
    assert_non_null(big);
    REFUSED(store_put_secret(store, "big", ns, big, STORE_SECRET_MAX + 1, STORE_CREATE, &error),
            TFAAS_TOO_LARGE, "exceeds");
    OK(store_put_secret(store, "big", ns, big, STORE_SECRET_MAX, STORE_CREATE, &error));
    free(big);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(scratch_path("state/tfaas.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void no_plaintext_on_disk(void **state)
{
    (void)state;
    static const char *const files[] = {"state/tfaas.db", "state/tfaas.db-wal"};
    OK(put_secret("s", STORE_DEFAULT_NAMESPACE, "CANARY-0123456789-CANARY", STORE_CREATE));
    for (int round = 0; round < 2; round++) { /* open (with its log), then closed */
        for (size_t i = 0; i < 2; i++) {
            size_t size = 0;
            if (access(scratch_path(files[i]), F_OK) != 0)
                continue;
            char *bytes = scratch_read(scratch_path(files[i]), &size);
            assert_null(memmem(bytes, size, "CANARY", 6));
            if (i == 0 && round == 1)
                assert_non_null(memmem(bytes, size, "openfaas-fn", 11)); /* the search works */
            free(bytes);
        }
        store_close(store);
        store = NULL;
    }
}

static void swapped_rows_are_named(void **state)
{
    (void)state;
    const char *ns = STORE_DEFAULT_NAMESPACE;
    static const char *const changes[] = {
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'b') WHERE name = "
        "'a'",
        "UPDATE secrets SET name = 'c' WHERE name = 'a'",
        "UPDATE secrets SET ns = 'two' WHERE name = 'a'",
        "UPDATE secrets SET sealed = x'00' WHERE name = 'a'",
        "UPDATE images SET digest = (SELECT digest FROM images WHERE name = 'y:latest')"
        " WHERE name = 'x:latest'",
        "UPDATE images SET name = 'z:latest' WHERE name = 'x:latest'",
        "UPDATE functions SET replicas = 9",
        "UPDATE functions SET created_at = 9",
        "UPDATE functions SET revision = 9",
        "UPDATE functions SET spec = '{\"service\":\"g\"}'",
        "UPDATE functions SET name = 'g'",
        "UPDATE functions SET digest = (SELECT digest FROM images WHERE name = 'y:latest')",
        "UPDATE namespaces SET labels = '{\"a\":\"b\"}' WHERE name = 'two'",
        "UPDATE meta SET value = 999",
        "DELETE FROM meta",
    };
    static const char *const words[] = {"secret a",       "secret c",   "secret a",   "secret a",
                                        "image x:latest", "image z",    "function f", "function f",
                                        "function f",     "function f", "function g", "function f",
                                        "namespace two",  "revision",   "revision"};
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    OK(store_put_namespace(store, "two", NULL, NULL, true, &error));
    OK(put_secret("a", ns, "value of a", STORE_CREATE));
    OK(put_secret("b", ns, "value of b", STORE_CREATE));
    OK(put_package("y", "package-2", digest));
    OK(put_package("x", "package-1", digest));
    OK(put_function("f", ns, digest, true, "{\"service\":\"f\"}", NULL));
    store_close(store);
    store = NULL;
    size_t size = 0;
    char *good = scratch_read(scratch_path("state/tfaas.db"), &size);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        sql(changes[i]);
        REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, words[i]);
        assert_null(store);
        scratch_write(scratch_path("state/tfaas.db"), good, size, 0600);
    }
    free(good);
    OK(store_open(&store, scratch_path("state"), &error));
    secret_is("a", ns, "value of a");
}

static void changed_while_open(void **state)
{
    (void)state;
    uint8_t *value = NULL;
    size_t size = 0;
    /* a second connection cannot even read: the lock is exclusive */
    OK(put_secret("a", STORE_DEFAULT_NAMESPACE, "value", STORE_CREATE));
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(scratch_path("state/tfaas.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM secrets", NULL, NULL, NULL), SQLITE_BUSY);
    sqlite3_close(db);
    OK(store_get_secret(store, "a", STORE_DEFAULT_NAMESPACE, &value, &size, &error));
    free(value);
}

static void foreign_databases(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    sql("PRAGMA user_version = 4");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "schema 4");
    sql("PRAGMA user_version = 0");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "schema");
    sql("PRAGMA user_version = 3; PRAGMA application_id = 5");
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "not a TFaaS");
    scratch_write(scratch_path("state/tfaas.db"), "", 0, 0600);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, "it is empty");
    scratch_write(scratch_path("state/tfaas.db"), "this is not a database at all", 29, 0600);
    REFUSED(store_open(&store, scratch_path("state"), &error), TFAAS_INTERNAL, ".dump");
    assert_int_equal(unlink(scratch_path("state/tfaas.db")), 0); /* moved away: starts anew */
    OK(store_open(&store, scratch_path("state"), &error));
}

/* --- namespaces --- */

static void keeps_namespaces(void **state)
{
    (void)state;
    json_t *labels = json_pack("{s:s}", "openfaas", "1"), *list = NULL, *array = json_array();
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    OK(store_put_namespace(store, "two", NULL, labels, true, &error));
    REFUSED(store_put_namespace(store, "two", NULL, NULL, true, &error), TFAAS_CONFLICT, "two");
    REFUSED(store_put_namespace(store, "three", NULL, NULL, false, &error), TFAAS_NOT_FOUND,
            "three");
    REFUSED(store_put_namespace(store, "a.b", NULL, NULL, true, &error), TFAAS_BAD_REQUEST, "name");
    REFUSED(store_put_namespace(store, "x", array, NULL, true, &error), TFAAS_BAD_REQUEST,
            "objects");
    OK(store_put_namespace(store, "two", labels, labels, false, &error));
    reopen();
    OK(store_list_namespaces(store, &list, &error));
    char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "[{\"annotations\":{},\"labels\":{},\"name\":\"openfaas-fn\"},"
                              "{\"annotations\":{\"openfaas\":\"1\"},"
                              "\"labels\":{\"openfaas\":\"1\"},\"name\":\"two\"}]");
    free(text);
    json_decref(list);
    json_decref(labels);
    json_decref(array);
    OK(put_secret("s", "two", "x", STORE_CREATE));
    REFUSED(store_delete_namespace(store, "two", &error), TFAAS_CONFLICT, "still has");
    OK(store_delete_secret(store, "s", "two", &error));
    OK(put_package("a", "package-1", digest));
    OK(put_function("f", "two", digest, true, "{}", NULL));
    REFUSED(store_delete_namespace(store, "two", &error), TFAAS_CONFLICT, "still has");
    OK(store_delete_function(store, "f", "two", &error));
    OK(store_delete_namespace(store, "two", &error));
    REFUSED(store_delete_namespace(store, "two", &error), TFAAS_NOT_FOUND, "two");
    REFUSED(store_delete_namespace(store, "a b", &error), TFAAS_NOT_FOUND, "malformed");
    REFUSED(store_delete_namespace(store, STORE_DEFAULT_NAMESPACE, &error), TFAAS_CONFLICT,
            "default");
}

/* --- names --- */

static void names(void **state)
{
    (void)state;
    char long_name[256];
    memset(long_name, 'a', sizeof long_name);
    long_name[255] = 0;
    static const char *const good[] = {"a", "0", "a-b", "a--b", "hello-2"};
    static const char *const bad[] = {"",    "-a",  "a-",  "A",        "a.b",
                                      "a_b", "a/b", "a b", "\xc3\xa9", "a\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(store_function_name_ok(good[i]) && store_namespace_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(store_function_name_ok(bad[i]) || store_namespace_ok(bad[i]));
    assert_true(store_function_name_ok(long_name + 255 - 63));
    assert_false(store_function_name_ok(long_name + 255 - 64));
    assert_false(store_function_name_ok(NULL) || store_secret_name_ok(NULL) ||
                 store_image_name_ok(NULL));
    static const char *const secrets[] = {"a", "A.b_c-9", "...", "-"};
    static const char *const bad_secrets[] = {"", ".", "..", "a/b", "a b", "a\n", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        assert_true(store_secret_name_ok(secrets[i]));
    for (size_t i = 0; i < sizeof bad_secrets / sizeof *bad_secrets; i++)
        assert_false(store_secret_name_ok(bad_secrets[i]));
    assert_true(store_secret_name_ok(long_name + 2));
    assert_false(store_secret_name_ok(long_name + 1));
}

static void image_names(void **state)
{
    (void)state;
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const char *const good[] = {"a",
                                       "a:latest",
                                       "a/b",
                                       "a/b/c:V1.2_x-3",
                                       "localhost/a",
                                       "localhost:5000/a:1",
                                       "Registry.Example.com/a/b",
                                       "r.io:1/a__b",
                                       "a-b--c.d_e",
                                       "a@sha256:" HEX64,
                                       "r.io/a:t@sha256:" HEX64,
                                       "0"};
    static const char *const bad[] = {
        "",
        ":",
        "a:",
        ":a",
        "/a",
        "a/",
        "a//b",
        "a..b/c",
        "a.-b.c/d",
        "A",
        "a/B",
        "a___b",
        "a..b",
        "a-",
        "-a",
        ".a",
        "a:.b",
        "a:-b",
        "a b",
        "a:b:c",
        "a@",
        "a@sha256:12",
        "a@sha512:" HEX64,
        "@sha256:" HEX64,
        "a@sha256:" HEX64 "0",
        "r.io:/a",
        "r.io:123456/a",
        "r.io:x/a",
        "-r.io/a",
        "../a",
        "a/../b",
        "a._b",
        "a\n",
        "a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!store_image_name_ok(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (store_image_name_ok(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    char name[STORE_IMAGE_MAX + 2];
    memset(name, 'a', sizeof name);
    name[STORE_IMAGE_MAX + 1] = 0;
    assert_false(store_image_name_ok(name));
    name[STORE_IMAGE_MAX] = 0;
    assert_true(store_image_name_ok(name));
    memset(name, 'a', 200);
    name[1] = ':';
    name[130] = 0;
    assert_true(store_image_name_ok(name)); /* tag of 128 */
    name[130] = 'a';
    name[131] = 0;
    assert_false(store_image_name_ok(name));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_the_folder),
        TEST(payload_secret_is_trimmed),
        TEST(second_open_is_refused),
        TEST(refuses_open_keys),
        TEST(refuses_a_lost_or_foreign_key),
        TEST(refuses_bad_folders),
        TEST(keeps_packages),
        TEST(drops_what_nothing_names),
        TEST(sweeps_after_a_crash),
        TEST(names_a_damaged_package),
        TEST(large_package),
        TEST(keeps_functions),
        TEST(keeps_secrets),
        TEST(no_plaintext_on_disk),
        TEST(swapped_rows_are_named),
        TEST(changed_while_open),
        TEST(foreign_databases),
        TEST(keeps_namespaces),
        cmocka_unit_test(names),
        cmocka_unit_test(image_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
