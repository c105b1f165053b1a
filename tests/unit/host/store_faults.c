/* needs: host/daemon/store*.c host/error.c common/sealed.c common/fields.c common/cbor.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/package.c libs: sqlite3 jansson sodium flags: nosan */
/*
 * store_faults.c (tests) - every state-changing call of the store, disturbed at each of its file
 * operations: killed before and after, disk full, input/output error, interrupted, written in part.
 * After each, a reopened store holds the state from before or from after, never a third; an
 * acknowledged change is there; a refused one left the running store as it was. And nothing is
 * acknowledged before it is synced.
 */
#include "scratch.h"
#include "tracer.h"
#include "daemon/store.h"
#include <sodium.h>

#define NS STORE_DEFAULT_NAMESPACE

static struct trace_result result; /* large */

/* --- a store as text: everything that can be seen of it --- */

struct text {
    char data[16384];
    size_t size;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->data + text->size, sizeof text->data - text->size, format, args);
    va_end(args);
    if (n > 0)
        text->size += (size_t)n < sizeof text->data - text->size ? (size_t)n : 0;
}

struct describing {
    struct store *store;
    struct text *text;
};

static void add_function(void *env, struct store_function *function)
{
    struct describing *d = env;
    struct tfaas_error error;
    uint8_t *bytes = NULL;
    size_t size = 0;
    char *spec = json_dumps(function->spec, JSON_COMPACT | JSON_SORT_KEYS);
    tfaas_status_t status = store_get_package(d->store, function->digest, &bytes, &size, &error);
    add(d->text, "function %s.%s %s replicas %d revision %d package %s %.*s\n", function->name,
        function->ns, spec, (int)function->replicas, (int)function->revision,
        tfaas_status_name(status), bytes ? (int)size : 0, bytes ? (char *)bytes : "");
    free(bytes);
    free(spec);
    store_function_free(function);
}

static void describe(struct store *store, struct text *text)
{
    static const char *const images[] = {"one", "two", "three"};
    static const char *const secrets[] = {"kept", "fresh"};
    struct tfaas_error error = {.text = ""};
    struct describing d = {store, text};
    json_t *list = NULL;
    text->size = 0;
    if (store_list_namespaces(store, &list, &error) != TFAAS_OK)
        add(text, "namespaces: %s\n", error.text);
    char *dump = list ? json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    add(text, "%s\n", dump ? dump : "");
    free(dump);
    json_decref(list);
    for (size_t i = 0; i < 3; i++) {
        uint8_t digest[PACKAGE_DIGEST_SIZE], *bytes = NULL;
        size_t size = 0;
        tfaas_status_t status = store_resolve_image(store, images[i], digest, &error);
        if (status == TFAAS_OK)
            status = store_get_package(store, digest, &bytes, &size, &error);
        add(text, "image %s %s %.*s\n", images[i], tfaas_status_name(status), bytes ? (int)size : 0,
            bytes ? (char *)bytes : "");
        free(bytes);
    }
    if (store_each_function(store, add_function, &d, &error) != TFAAS_OK)
        add(text, "functions: %s\n", error.text);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *value = NULL;
        size_t size = 0;
        tfaas_status_t status = store_get_secret(store, secrets[i], NS, &value, &size, &error);
        add(text, "secret %s %s %.*s\n", secrets[i], tfaas_status_name(status),
            value ? (int)size : 0, value ? (char *)value : "");
        free(value);
    }
}

/* --- the changes --- */

static tfaas_status_t put_package(struct store *s, const char *image, const char *content,
                                  uint8_t digest[PACKAGE_DIGEST_SIZE], struct tfaas_error *error)
{
    return store_put_package(s, image, (const uint8_t *)content, strlen(content), digest, error);
}

static tfaas_status_t put_function(struct store *s, const char *name, const char *image,
                                   bool create, struct tfaas_error *error)
{
    struct store_function f = {.name = (char *)name,
                               .ns = (char *)NS,
                               .replicas = 1,
                               .spec = json_pack("{s:s}", "image", image)};
    tfaas_status_t status = store_resolve_image(s, image, f.digest, error);
    if (status == TFAAS_OK)
        status = store_put_function(s, &f, create, error);
    json_decref(f.spec);
    return status;
}

static tfaas_status_t new_image(struct store *s, struct tfaas_error *e)
{
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    return put_package(s, "three", "content three", digest, e);
}

static tfaas_status_t replaced_image(struct store *s, struct tfaas_error *e)
{
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    return put_package(s, "two", "content two, again", digest, e);
}

static tfaas_status_t new_function(struct store *s, struct tfaas_error *e)
{
    return put_function(s, "fresh", "two", true, e);
}

static tfaas_status_t updated_function(struct store *s, struct tfaas_error *e)
{
    return put_function(s, "kept", "two", false, e);
}

static tfaas_status_t scaled_function(struct store *s, struct tfaas_error *e)
{
    return store_scale_function(s, "kept", NS, 7, e);
}

static tfaas_status_t deleted_function(struct store *s, struct tfaas_error *e)
{
    return store_delete_function(s, "kept", NS, e);
}

static tfaas_status_t new_secret(struct store *s, struct tfaas_error *e)
{
    return store_put_secret(s, "fresh", NS, (const uint8_t *)"new", 3, STORE_CREATE, e);
}

static tfaas_status_t updated_secret(struct store *s, struct tfaas_error *e)
{
    return store_put_secret(s, "kept", NS, (const uint8_t *)"changed", 7, STORE_UPDATE, e);
}

static tfaas_status_t deleted_secret(struct store *s, struct tfaas_error *e)
{
    return store_delete_secret(s, "kept", NS, e);
}

static tfaas_status_t new_namespace(struct store *s, struct tfaas_error *e)
{
    return store_put_namespace(s, "fresh", NULL, NULL, true, e);
}

static tfaas_status_t deleted_namespace(struct store *s, struct tfaas_error *e)
{
    return store_delete_namespace(s, "empty", e);
}

typedef tfaas_status_t (*change_fn)(struct store *, struct tfaas_error *);

static const struct {
    const char *name;
    change_fn change;
} changes[] = {
    {"new image", new_image},
    {"replaced image", replaced_image},
    {"new function", new_function},
    {"updated function", updated_function},
    {"scaled function", scaled_function},
    {"deleted function", deleted_function},
    {"new secret", new_secret},
    {"updated secret", updated_secret},
    {"deleted secret", deleted_secret},
    {"new namespace", new_namespace},
    {"deleted namespace", deleted_namespace},
};

/* --- folders --- */

static void copy_folder(const char *from, const char *to)
{
    int how = 0;
    scratch_remove(to);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execlp("cp", "cp", "-a", from, to, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
}

static struct store *open_or_fail(const char *folder, const char *where)
{
    struct store *store = NULL;
    struct tfaas_error error;
    if (store_open(&store, folder, &error) != TFAAS_OK)
        fail_msg("%s: the store does not open: %s", where, error.text);
    return store;
}

/* The state all changes begin with. */
static void make_base(void)
{
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    struct tfaas_error e = {.text = ""};
    struct store *s = open_or_fail(scratch_path("base"), "base");
    assert_int_equal(put_package(s, "one", "content one", digest, &e), TFAAS_OK);
    assert_int_equal(put_package(s, "two", "content two", digest, &e), TFAAS_OK);
    assert_int_equal(put_function(s, "kept", "one", true, &e), TFAAS_OK);
    assert_int_equal(store_put_namespace(s, "empty", NULL, NULL, true, &e), TFAAS_OK);
    assert_int_equal(store_put_secret(s, "kept", NS, (const uint8_t *)"value", 5, STORE_CREATE, &e),
                     TFAAS_OK);
    store_close(s);
}

/* --- one disturbed change --- */

/* The child: opens, changes, answers with status and what the running store then looks like. */
static void child_change(void *env)
{
    static struct text text, answer;
    change_fn change = *(change_fn *)env;
    struct tfaas_error error = {.text = ""};
    struct store *store = NULL;
    if (store_open(&store, scratch_path("state"), &error) != TFAAS_OK)
        _exit(96);
    trace_begin();
    tfaas_status_t status = change(store, &error);
    if (status != TFAAS_OK)
        describe(store, &text);
    add(&answer, "%s|%s|%s", tfaas_status_name(status), error.text, text.data);
    trace_answer(answer.data);
    store_close(store);
}

struct sweep {
    const char *name;
    change_fn change;
    struct text before, after;
    unsigned runs, old_found, new_found, refused;
};

static void judge_refusal(struct sweep *sweep, const struct trace_plan *plan, const char *where)
{
    char *words = strchr(result.answer, '|');
    char *seen = words ? strchr(words + 1, '|') : NULL;
    assert_non_null(seen);
    if (words + 1 == seen)
        fail_msg("%s: refused without a word", where);
    if (strcmp(seen + 1, sweep->before.data) != 0)
        fail_msg("%s: refused (%s), yet the running store changed:\n%s\nbefore:\n%s", where,
                 result.answer, seen + 1, sweep->before.data);
    if (plan->error == ENOSPC && strncmp(result.answer, "NO_SPACE|", 9) != 0)
        fail_msg("%s: a full disk is called %s", where, result.answer);
    sweep->refused++;
}

static void run_one(struct sweep *sweep, const struct trace_plan *plan)
{
    static const char *const acts[] = {"count", "kill before", "kill after",
                                       "fail",  "fail on",     "short"};
    static struct text found;
    char where[128];
    (void)snprintf(where, sizeof where, "%s, %s call %u, error %d", sweep->name, acts[plan->act],
                   plan->at, plan->error);
    copy_folder(scratch_path("base"), scratch_path("state"));
    trace_run(child_change, &sweep->change, plan, &result);
    bool kill_plan = plan->act == TRACE_KILL_BEFORE || plan->act == TRACE_KILL_AFTER;
    if (kill_plan != result.killed || (!kill_plan && !result.exited))
        fail_msg("%s: the child ended otherwise (answer: %s)", where, result.answer);
    bool acknowledged = result.answered && strncmp(result.answer, "OK|", 3) == 0;
    if (result.answered && !acknowledged)
        judge_refusal(sweep, plan, where);
    struct store *store = open_or_fail(scratch_path("state"), where);
    describe(store, &found);
    store_close(store);
    bool is_old = strcmp(found.data, sweep->before.data) == 0;
    bool is_new = strcmp(found.data, sweep->after.data) == 0;
    if (!is_old && !is_new)
        fail_msg("%s: a third state:\n%s", where, found.data);
    if (acknowledged && !is_new)
        fail_msg("%s: acknowledged and lost", where);
    sweep->runs++;
    sweep->old_found += is_old;
    sweep->new_found += is_new;
}

static void begin_sweep(struct sweep *sweep, size_t i)
{
    struct tfaas_error error = {.text = ""};
    memset(sweep, 0, sizeof *sweep);
    sweep->name = changes[i].name;
    sweep->change = changes[i].change;
    copy_folder(scratch_path("base"), scratch_path("state"));
    struct store *store = open_or_fail(scratch_path("state"), sweep->name);
    describe(store, &sweep->before);
    if (sweep->change(store, &error) != TFAAS_OK)
        fail_msg("%s: %s", sweep->name, error.text);
    describe(store, &sweep->after);
    store_close(store);
    assert_string_not_equal(sweep->before.data, sweep->after.data);
}

static unsigned count_calls(struct sweep *sweep)
{
    struct trace_plan plan = {TRACE_COUNT, 0, 0};
    run_one(sweep, &plan);
    assert_true(result.answered);
    assert_true(result.calls > 3);
    return result.calls;
}

static void sweep_with(enum trace_act act, int error_value, bool both_found)
{
    static struct sweep sweep;
    unsigned runs = 0, old_found = 0, new_found = 0, refused = 0;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        begin_sweep(&sweep, i);
        unsigned calls = count_calls(&sweep);
        for (unsigned at = 1; at <= calls; at++) {
            struct trace_plan plan = {act, at, error_value};
            run_one(&sweep, &plan);
        }
        runs += sweep.runs;
        old_found += sweep.old_found;
        new_found += sweep.new_found;
        refused += sweep.refused;
    }
    print_message("%u runs: %u old, %u new, %u refused\n", runs, old_found, new_found, refused);
    assert_true(!both_found || (old_found > 20 && new_found > 20)); /* the sweep reaches both */
    assert_true(act < TRACE_FAIL || act == TRACE_SHORT || error_value == EINTR || refused > 20);
}

static void killed_before(void **state)
{
    (void)state;
    sweep_with(TRACE_KILL_BEFORE, 0, true);
}

static void killed_after(void **state)
{
    (void)state;
    sweep_with(TRACE_KILL_AFTER, 0, true);
}

static void disk_full_once(void **state)
{
    (void)state;
    sweep_with(TRACE_FAIL, ENOSPC, true);
}

static void disk_full_from_then_on(void **state)
{
    (void)state;
    sweep_with(TRACE_FAIL_ON, ENOSPC, true);
}

static void input_output_error(void **state)
{
    (void)state;
    sweep_with(TRACE_FAIL, EIO, true);
}

static void interrupted(void **state)
{
    (void)state;
    sweep_with(TRACE_FAIL, EINTR, false);
}

static void written_in_part(void **state)
{
    (void)state;
    sweep_with(TRACE_SHORT, 0, false);
}

/* --- making the folder --- */

static void child_make(void *env)
{
    struct store *store = NULL;
    struct tfaas_error error = {.text = ""};
    static struct text answer;
    (void)env;
    trace_begin();
    tfaas_status_t status = store_open(&store, scratch_path("state"), &error);
    add(&answer, "%s|%s|", tfaas_status_name(status), error.text);
    trace_answer(answer.data);
    store_close(store);
}

static void first_start(void **state)
{
    (void)state;
    static const struct trace_plan acts[] = {{TRACE_KILL_BEFORE, 0, 0}, {TRACE_KILL_AFTER, 0, 0},
                                             {TRACE_FAIL, 0, ENOSPC},   {TRACE_FAIL_ON, 0, ENOSPC},
                                             {TRACE_FAIL, 0, EIO},      {TRACE_SHORT, 0, 0}};
    static struct text fresh, found;
    struct trace_plan count = {TRACE_COUNT, 0, 0};
    trace_run(child_make, NULL, &count, &result);
    assert_true(result.answered && strncmp(result.answer, "OK|", 3) == 0);
    unsigned calls = result.calls;
    struct store *store = open_or_fail(scratch_path("state"), "first start");
    describe(store, &fresh);
    store_close(store);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        for (unsigned at = 1; at <= calls; at++) {
            char where[64], secret[65] = "";
            (void)snprintf(where, sizeof where, "first start, act %zu, call %u", i, at);
            struct trace_plan plan = {acts[i].act, at, acts[i].error};
            scratch_remove(scratch_path("state"));
            trace_run(child_make, NULL, &plan, &result);
            bool killed = plan.act < TRACE_FAIL;
            if (killed != result.killed || (!killed && !result.exited))
                fail_msg("%s: the child ended otherwise", where);
            if (plan.error == ENOSPC && result.answered && strncmp(result.answer, "OK|", 3) != 0 &&
                strncmp(result.answer, "NO_SPACE|", 9) != 0)
                fail_msg("%s: a full disk is called %s", where, result.answer);
            store = open_or_fail(scratch_path("state"), where);
            describe(store, &found);
            (void)snprintf(secret, sizeof secret, "%s", store_payload_secret(store));
            store_close(store);
            assert_string_equal(found.data, fresh.data);
            assert_int_equal(strlen(secret), 64);
        }
}

/* --- nothing is acknowledged before it is synced --- */

static void synced_before_the_answer(void **state)
{
    (void)state;
    static struct sweep sweep;
    struct trace_plan count = {TRACE_COUNT, 0, 0};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        begin_sweep(&sweep, i);
        (void)count_calls(&sweep);
        if (result.dirty_count > 0)
            fail_msg("%s: acknowledged while %s was not synced", sweep.name, result.dirty[0]);
        if (result.unsynced_rename[0])
            fail_msg("%s: %s was renamed before it was synced", sweep.name, result.unsynced_rename);
    }
    scratch_remove(scratch_path("state"));
    trace_run(child_make, NULL, &count, &result);
    for (unsigned i = 0; i < result.dirty_count; i++)
        if (!strstr(result.dirty[i], "/lock"))
            fail_msg("first start: answered while %s was not synced", result.dirty[i]);
    assert_string_equal(result.unsynced_rename, "");
}

/* The account itself: a child that does not sync must be found. */
static void child_careless(void *env)
{
    (void)env;
    int folder = open(scratch, O_RDONLY | O_DIRECTORY);
    trace_begin();
    int fd = openat(folder, "careless", O_WRONLY | O_CREAT, 0600);
    if (write(fd, "x", 1) != 1 || renameat(folder, "careless", folder, "renamed") != 0)
        _exit(95);
    trace_answer("OK|");
}

static void the_account_notices(void **state)
{
    (void)state;
    struct trace_plan count = {TRACE_COUNT, 0, 0};
    trace_run(child_careless, NULL, &count, &result);
    assert_true(result.answered && result.exited);
    assert_int_equal(result.calls, 3);
    assert_int_equal(result.dirty_count, 2); /* the file, and its folder */
    assert_non_null(strstr(result.unsynced_rename, "careless"));
}

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    make_base();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_account_notices),
        TEST(synced_before_the_answer),
        TEST(first_start),
        TEST(killed_before),
        TEST(killed_after),
        TEST(disk_full_once),
        TEST(disk_full_from_then_on),
        TEST(input_output_error),
        TEST(interrupted),
        TEST(written_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
