/* needs: host/daemon/build*.c host/daemon/store_names.c host/error.c common/cbor.c common/package.c common/sealed.c common/fields.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c libs: sodium jansson archive */
/*
 * build.c (tests) - signatures, hostile tars, the choice of runtime, and the C compiler in its
 * cage.
 */
#define _GNU_SOURCE
#include "scratch.h"
#include "tar.h"
#include "daemon/build.h"
#include "package.h"
#include <dirent.h>
#include <poll.h>
#include <sodium.h>

static struct tfaas_error error;

#define JS   "module.exports = async (event, context) => context.status(200).succeed('x')\n"
#define WASM "\0asm\1\0\0\0"

/* --- one build, to its end --- */

struct outcome {
    int calls;
    tfaas_status_t status;
    struct build_result result;
    struct package package;
    char text[512];
};

static void take(void *env, tfaas_status_t status, struct build_result *result,
                 const struct tfaas_error *told)
{
    struct outcome *outcome = env;
    const char *why = "";
    outcome->calls++;
    outcome->status = status;
    outcome->result = *result;
    memset(result, 0, sizeof *result);
    assert_true((status == TFAAS_OK) == (told == NULL));
    if (told)
        (void)snprintf(outcome->text, sizeof outcome->text, "%s", told->text);
    if (status == TFAAS_OK)
        assert_int_equal(package_read(outcome->result.package, outcome->result.package_size,
                                      &outcome->package, &why),
                         TFAAS_OK);
}

static void outcome_free(struct outcome *outcome)
{
    build_result_free(&outcome->result);
    package_free(&outcome->package);
}

static struct outcome build(const void *body, size_t size, bool builder)
{
    struct outcome outcome = {.calls = 0};
    struct build_job *job = NULL;
    error.text[0] = 0;
    /* a copy, freed at once: the body is not needed after the call, nor read past its end */
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, body, size);
    tfaas_status_t status =
        build_start(copy, size, builder, scratch_path("work"), take, &outcome, &job, &error);
    free(copy);
    if (status != TFAAS_OK) {
        assert_int_equal(outcome.calls, 0);
        assert_null(job);
        assert_int_equal(error.status, status);
        outcome.status = status;
        (void)snprintf(outcome.text, sizeof outcome.text, "%s", error.text);
        return outcome;
    }
    assert_true((job == NULL) == (outcome.calls == 1));
    for (int rounds = 0; job && !outcome.calls && rounds < 100000; rounds++) {
        struct pollfd watched = {.fd = build_fd(job), .events = POLLIN};
        assert_true(watched.fd >= 0);
        assert_int_equal(poll(&watched, 1, 70000), 1);
        build_step(job);
    }
    assert_int_equal(outcome.calls, 1);
    return outcome;
}

static struct outcome build_tar(struct tar *tar, bool builder)
{
    struct outcome outcome = build(tar->data, tar->size, builder);
    tar_free(tar);
    return outcome;
}

static void config(struct tar *tar)
{
    tar_text(tar, "com.openfaas.docker.config", "{\"image\":\"hello:latest\",\"buildArgs\":{}}");
    tar_end(tar);
}

static void is_ok(const struct outcome *outcome)
{
    if (outcome->status != TFAAS_OK)
        fail_msg("%s: %s\n%s", tfaas_status_name(outcome->status), outcome->text,
                 outcome->result.log ? outcome->result.log : "");
}

static void is_package(struct outcome outcome, const char *runtime, const char *entry, size_t files)
{
    is_ok(&outcome);
    assert_true(span_is(outcome.package.runtime, runtime));
    if (!span_is(outcome.package.entry, entry))
        fail_msg("entry %.*s, not %s", (int)outcome.package.entry.size, outcome.package.entry.data,
                 entry);
    assert_int_equal(outcome.package.file_count, files);
    assert_non_null(strstr(outcome.result.log, "package:"));
    outcome_free(&outcome);
}

static void is_refused(struct outcome outcome, tfaas_status_t status, const char *words)
{
    if (outcome.status != status || !strstr(outcome.text, words))
        fail_msg("%s \"%s\", not %s \"%s\"", tfaas_status_name(outcome.status), outcome.text,
                 tfaas_status_name(status), words);
    outcome_free(&outcome);
}

/* --- signature --- */

static void signatures(void **state)
{
    (void)state;
    /* RFC 4231, test case 2 */
    static const uint8_t body[] = "what do ya want for nothing?";
    static const char good[] =
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    size_t size = sizeof body - 1;
    assert_int_equal(build_check_signature("Jefe", good, body, size, &error), TFAAS_OK);
    assert_int_equal(build_check_signature(" \tJefe\r\n", good, body, size, &error), TFAAS_OK);
    for (size_t i = 0; i < sizeof good - 1; i++) {
        char bad[sizeof good];
        memcpy(bad, good, sizeof good);
        bad[i] = bad[i] == '0' ? '1' : '0';
        assert_int_equal(build_check_signature("Jefe", bad, body, size, &error),
                         TFAAS_UNAUTHORIZED);
        memcpy(bad, good, sizeof good);
        bad[i] = 0;
        assert_int_equal(build_check_signature("Jefe", bad, body, size, &error),
                         TFAAS_UNAUTHORIZED);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        uint8_t changed[sizeof body];
        memcpy(changed, body, sizeof body);
        changed[bit / 8] = (uint8_t)(changed[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(build_check_signature("Jefe", good, changed, size, &error),
                         TFAAS_UNAUTHORIZED);
    }
    char longer[sizeof good + 2];
    (void)snprintf(longer, sizeof longer, "%s00", good);
    assert_int_equal(build_check_signature("Jefe", longer, body, size, &error), TFAAS_UNAUTHORIZED);
    assert_int_equal(build_check_signature("Jef", good, body, size, &error), TFAAS_UNAUTHORIZED);
    assert_non_null(strstr(error.text, "payload secret"));
    assert_int_equal(build_check_signature("Jefe", NULL, body, size, &error), TFAAS_UNAUTHORIZED);
    assert_non_null(strstr(error.text, "missing"));
    assert_int_equal(build_check_signature("Jefe", "", body, size, &error), TFAAS_UNAUTHORIZED);
    assert_int_equal(build_check_signature(" \n", good, body, size, &error), TFAAS_UNAUTHORIZED);
    assert_int_equal(build_check_signature(NULL, good, body, size, &error), TFAAS_UNAUTHORIZED);
}

/* --- what is taken --- */

static void builder_javascript(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_folder(&tar, "context");
    tar_text(&tar, "context/Dockerfile", "FROM scratch\n");
    tar_folder(&tar, "context/function/");
    tar_text(&tar, "context/function/handler.js", JS);
    tar_text(&tar, "context/function/lib/a.js", "1");
    tar_text(&tar, "context/function/node_modules/left-pad/index.js", "2");
    tar_text(&tar, "context/template.yml", "language: tfaas-js\n");
    config(&tar);
    struct outcome outcome = build_tar(&tar, true);
    is_ok(&outcome);
    assert_string_equal(outcome.result.image, "hello:latest");
    struct span handler =
        package_find(&outcome.package, (struct span){(const uint8_t *)"handler.js", 10});
    assert_true(span_is(handler, JS));
    is_package(outcome, "js", "handler.js", 3);
}

static struct outcome javascript(const char *language, const char *package_json, const char *one,
                                 const char *two)
{
    struct tar tar = {NULL, 0, 0};
    char text[128], name[128];
    (void)snprintf(text, sizeof text, "fprocess: x\nlanguage:  \"%s\"  # which\n", language);
    tar_text(&tar, "context/template.yml", text);
    if (package_json)
        tar_text(&tar, "context/function/package.json", package_json);
    (void)snprintf(name, sizeof name, "context/function/%s", one);
    tar_text(&tar, name, "1");
    (void)snprintf(name, sizeof name, "context/function/%s", two);
    tar_text(&tar, name, "2");
    config(&tar);
    return build_tar(&tar, true);
}

static void javascript_entries(void **state)
{
    (void)state;
    is_package(javascript("tfaas-js", NULL, "handler.js", "index.js"), "js", "handler.js", 2);
    is_package(javascript("tfaas-js", NULL, "index.js", "x.js"), "js", "index.js", 2);
    is_package(javascript("tfaas-js", NULL, "handler.mjs", "x.js"), "js", "handler.mjs", 2);
    is_package(javascript("tfaas-js", NULL, "handler.cjs", "index.cjs"), "js", "handler.cjs", 2);
    const char *main_file = "{\"main\":\"./src/app.js\"}";
    is_package(javascript("tfaas-js", main_file, "src/app.js", "handler.js"), "js", "src/app.js",
               3);
    is_package(javascript("node22", main_file, "src/app.js", "handler.js"), "js", "handler.js", 3);
    is_package(javascript("node22", main_file, "src/app.js", "x.js"), "js", "src/app.js", 3);
    is_package(javascript("tfaas-js", "{\"main\":\"src\"}", "src/index.js", "a.js"), "js",
               "src/index.js", 3);
    is_package(javascript("tfaas-js", "{\"main\":\"app\"}", "app.js", "a.js"), "js", "app.js", 3);
    struct outcome outcome = javascript("tfaas-js", "{\"main\":\"gone.js\"}", "handler.js", "a.js");
    assert_non_null(strstr(outcome.result.log, "gone.js"));
    is_package(outcome, "js", "handler.js", 3);
    outcome = javascript("tfaas-js", "{\"main\":", "handler.js", "a.js");
    assert_non_null(strstr(outcome.result.log, "not JSON"));
    is_package(outcome, "js", "handler.js", 3);
    is_package(javascript("tfaas-js", "{\"main\":5}", "handler.js", "a.js"), "js", "handler.js", 3);
    is_refused(javascript("tfaas-js", "{\"main\":\"../../etc/passwd\"}", "a", "b"),
               TFAAS_UNSUPPORTED, "JavaScript");
}

static void plain_tar_and_modules(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_folder(&tar, "./");
    tar_text(&tar, "./handler.js", JS);
    tar_text(&tar, "./empty", "");
    tar_end(&tar);
    is_package(build_tar(&tar, false), "js", "handler.js", 2);
    is_package(build(WASM, 8, false), "wasm", "function.wasm", 1);
    tar_data(&tar, "any.wasm", WASM, 8);
    tar_text(&tar, "data.txt", "x");
    tar_end(&tar);
    is_package(build_tar(&tar, false), "wasm", "any.wasm", 2);
    tar_data(&tar, "a.wasm", WASM, 8);
    tar_data(&tar, "b.wasm", WASM, 8);
    tar_data(&tar, "function.wasm", WASM, 8);
    tar_end(&tar);
    is_package(build_tar(&tar, false), "wasm", "function.wasm", 3);
    tar_data(&tar, "a.wasm", WASM, 8);
    tar_data(&tar, "b.wasm", WASM, 8);
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_UNSUPPORTED, "WebAssembly");
    tar_text(&tar, "function.wasm", "no module");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_BAD_MODULE, "function.wasm");
    tar_data(&tar, "function.wasm", "\0asm\2\0\0\0", 8);
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_BAD_MODULE, "version 1");
}

static void same_bytes_same_package(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "b.js", "b");
    tar_text(&tar, "handler.js", "h");
    tar_end(&tar);
    struct outcome one = build_tar(&tar, false);
    tar_text(&tar, "handler.js", "h");
    tar_folder(&tar, "extra/");
    tar_text(&tar, "./b.js", "b");
    tar_end(&tar);
    struct outcome two = build_tar(&tar, false);
    is_ok(&one);
    is_ok(&two);
    assert_int_equal(one.result.package_size, two.result.package_size);
    assert_memory_equal(one.result.package, two.result.package, one.result.package_size);
    outcome_free(&one);
    outcome_free(&two);
}

static void not_ours(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "context/Dockerfile", "FROM ruby\n");
    tar_text(&tar, "context/template.yml", "language: ruby-http\n");
    tar_text(&tar, "context/function/handler.rb", "def handle(event, context) end\n");
    config(&tar);
    struct outcome outcome = build_tar(&tar, true);
    assert_non_null(strstr(outcome.text, "Dockerfile is not run"));
    is_refused(outcome, TFAAS_UNSUPPORTED, "template language ruby-http");
    tar_text(&tar, "context/Dockerfile", "FROM ruby\n");
    config(&tar);
    is_refused(build_tar(&tar, true), TFAAS_UNSUPPORTED, "holds no file");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_UNSUPPORTED, "holds no file");
    char text[512];
    build_explain_unknown_image("alpine:3", text, sizeof text);
    assert_non_null(strstr(text, "alpine:3"));
    assert_non_null(strstr(text, "no containers"));
    assert_non_null(strstr(text, "POST /build"));
}

/* --- the config entry --- */

static struct outcome with_config(const char *text)
{
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "context/function/handler.js", JS);
    if (text)
        tar_text(&tar, "com.openfaas.docker.config", text);
    tar_end(&tar);
    return build_tar(&tar, true);
}

static void configs(void **state)
{
    (void)state;
    is_refused(with_config(NULL), TFAAS_BAD_REQUEST, "no com.openfaas.docker.config");
    is_refused(with_config(""), TFAAS_BAD_REQUEST, "not JSON");
    is_refused(with_config("{\"image\":"), TFAAS_BAD_REQUEST, "line 1");
    is_refused(with_config("[]"), TFAAS_BAD_REQUEST, "no \"image\"");
    is_refused(with_config("{\"image\":7}"), TFAAS_BAD_REQUEST, "no \"image\"");
    is_refused(with_config("{\"image\":\"\"}"), TFAAS_BAD_REQUEST, "malformed image");
    is_refused(with_config("{\"image\":\"a/../b\"}"), TFAAS_BAD_REQUEST, "a/../b");
    is_refused(with_config("{\"image\":\"a\",\"image\":\"b\"}"), TFAAS_BAD_REQUEST, "duplicate");
    is_package(with_config("{\"image\":\"a\",\"new\":{}}"), "js", "handler.js", 1);
    char *big = malloc(70000);
    assert_non_null(big);
    memset(big, ' ', 69999);
    big[69999] = 0;
    is_refused(with_config(big), TFAAS_TOO_LARGE, "com.openfaas.docker.config");
    free(big);
    struct tar tar = {NULL, 0, 0}; /* first, not last: taken too */
    tar_text(&tar, "com.openfaas.docker.config", "{\"image\":\"a\"}");
    tar_text(&tar, "context/function/handler.js", JS);
    tar_end(&tar);
    is_package(build_tar(&tar, true), "js", "handler.js", 1);
    tar_text(&tar, "com.openfaas.docker.config", "{\"image\":\"a\"}");
    tar_text(&tar, "context/function/handler.js", JS);
    config(&tar);
    is_refused(build_tar(&tar, true), TFAAS_BAD_PACKAGE, "comes twice");
}

/* --- hostile tars --- */

static struct outcome one_entry(const char *name, char type, const char *link)
{
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "handler.js", JS);
    tar_header(&tar, name, type, 0, link);
    tar_end(&tar);
    return build_tar(&tar, false);
}

static void links_and_devices(void **state)
{
    (void)state;
    is_refused(one_entry("evil", '1', "handler.js"), TFAAS_BAD_PACKAGE, "\"evil\" is a hard link");
    is_refused(one_entry("evil", '2', "/etc"), TFAAS_BAD_PACKAGE, "\"evil\" is a symbolic link");
    is_refused(one_entry("evil", '3', ""), TFAAS_BAD_PACKAGE, "\"evil\" is a device");
    is_refused(one_entry("evil", '4', ""), TFAAS_BAD_PACKAGE, "\"evil\" is a device");
    is_refused(one_entry("evil", '6', ""), TFAAS_BAD_PACKAGE, "\"evil\" is a fifo");
}

static void climbing_paths(void **state)
{
    (void)state;
    static const char *const names[] = {"/etc/passwd", "../x",   "a/../x", "a/..",
                                        "..",          "./../x", "//x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        is_refused(one_entry(names[i], '0', ""), TFAAS_BAD_PACKAGE, names[i]);
        is_refused(one_entry(names[i], '5', ""), TFAAS_BAD_PACKAGE, names[i]);
    }
    is_refused(one_entry("a\\b", '0', ""), TFAAS_BAD_PACKAGE, "not clean");
    is_refused(one_entry("a//b", '0', ""), TFAAS_BAD_PACKAGE, "not clean");
    is_refused(one_entry("a/./b", '0', ""), TFAAS_BAD_PACKAGE, "not clean");
    is_refused(one_entry("a\nb", '0', ""), TFAAS_BAD_PACKAGE, "\"a?b\"");
    is_refused(one_entry("a\xff", '0', ""), TFAAS_BAD_PACKAGE, "tar entry");
    struct tar tar = {NULL, 0, 0}; /* in the builder's tar, outside of the function too */
    tar_text(&tar, "context/function/handler.js", JS);
    tar_text(&tar, "context/function/../../x", "x");
    config(&tar);
    is_refused(build_tar(&tar, true), TFAAS_BAD_PACKAGE, "climbs");
    tar_text(&tar, "context/function/handler.js", JS);
    tar_header(&tar, "context/other", '2', 0, "/etc/passwd");
    config(&tar);
    is_refused(build_tar(&tar, true), TFAAS_BAD_PACKAGE, "symbolic link");
    tar_pax(&tar, "path", "../../pax"); /* the pax name counts, not the one in the header */
    tar_text(&tar, "innocent", "x");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_BAD_PACKAGE, "../../pax");
    tar_pax(&tar, "linkpath", "/etc/passwd");
    tar_text(&tar, "innocent", "x");
    tar_text(&tar, "handler.js", JS);
    tar_end(&tar);
    is_package(build_tar(&tar, false), "js", "handler.js", 2); /* a file: there is no link */
}

static void clashes(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "handler.js", "1");
    tar_text(&tar, "./handler.js", "2");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_BAD_PACKAGE, "\"handler.js\" comes twice");
    tar_text(&tar, "handler.js", "1");
    tar_text(&tar, "a", "2");
    tar_text(&tar, "a-b", "2");
    tar_text(&tar, "a/b/c", "2");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_BAD_PACKAGE, "\"a\" is both a file and a folder");
}

static void long_names(void **state)
{
    (void)state;
    char name[3000];
    struct tar tar = {NULL, 0, 0};
    memset(name, 'n', sizeof name);
    for (size_t i = 100; i < sizeof name; i += 101)
        name[i] = '/';
    name[PACKAGE_PATH_MAX] = 0;
    tar_text(&tar, "handler.js", JS);
    tar_text(&tar, name, "long"); /* GNU long name */
    tar_end(&tar);
    is_package(build_tar(&tar, false), "js", "handler.js", 2);
    tar_text(&tar, "handler.js", JS);
    tar_pax(&tar, "path", name);
    tar_text(&tar, "short", "long");
    tar_end(&tar);
    is_package(build_tar(&tar, false), "js", "handler.js", 2);
    name[PACKAGE_PATH_MAX] = 'n';
    for (size_t size = PACKAGE_PATH_MAX + 1; size < sizeof name - 1; size += 61) {
        char last = name[size];
        name[size] = 0;
        if (name[size - 1] == '/')
            name[size - 1] = 'n';
        tar_text(&tar, "handler.js", JS);
        tar_text(&tar, name, "long");
        tar_end(&tar);
        is_refused(build_tar(&tar, false), TFAAS_TOO_LARGE, "bytes");
        name[size] = last;
    }
    tar_pax(&tar, "path", "caf\xc3\xa9.js"); /* names are UTF-8 whatever the locale */
    tar_text(&tar, "x", "1");
    tar_text(&tar, "na\xc3\xafve.js", "1");
    tar_text(&tar, "handler.js", JS);
    tar_end(&tar);
    struct outcome outcome = build_tar(&tar, false);
    is_ok(&outcome);
    assert_non_null(
        package_find(&outcome.package, (struct span){(const uint8_t *)"caf\xc3\xa9.js", 8}).data);
    assert_non_null(
        package_find(&outcome.package, (struct span){(const uint8_t *)"na\xc3\xafve.js", 9}).data);
    outcome_free(&outcome);
}

static void bombs(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_header(&tar, "bomb", '0', 077777777777, ""); /* 8 GiB */
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_TOO_LARGE, "\"bomb\" of 8589934591 bytes");
    tar_pax(&tar, "size", "9223372036854775807");
    tar_header(&tar, "bomb", '0', 0, "");
    tar_end(&tar);
    struct outcome outcome = build_tar(&tar, false);
    assert_true(outcome.status == TFAAS_TOO_LARGE || outcome.status == TFAAS_BAD_PACKAGE);
    outcome_free(&outcome);
    tar_pax(&tar, "size", "-1");
    tar_header(&tar, "bomb", '0', 0, "");
    tar_end(&tar);
    outcome = build_tar(&tar, false);
    assert_int_not_equal(outcome.status, TFAAS_OK);
    outcome_free(&outcome);
    /* a sparse file of 1 TiB in a few hundred bytes (GNU, pax 0.1) */
    tar_pax(&tar, "GNU.sparse.size", "1099511627776");
    tar_text(&tar, "sparse", "x");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_TOO_LARGE, "sparse");
    tar_text(&tar, "handler.js", JS); /* sizes add up */
    uint8_t *zeros = calloc(1, 20u << 20);
    assert_non_null(zeros);
    for (int i = 0; i < 3; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "part-%d", i);
        tar_data(&tar, name, zeros, (20u << 20) - 4096);
    }
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_TOO_LARGE, "\"part-2\"");
    free(zeros);
    zeros = calloc(1, BUILD_TAR_MAX + 1);
    assert_non_null(zeros);
    is_refused(build(zeros, BUILD_TAR_MAX + 1, false), TFAAS_TOO_LARGE, "exceeds");
    free(zeros);
    for (unsigned i = 0; i < PACKAGE_FILES_MAX + 1; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "f%u", i);
        tar_header(&tar, name, '0', 0, "");
    }
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_TOO_LARGE, "more than 20000 files");
    for (unsigned i = 0; i < 2 * PACKAGE_FILES_MAX + 1; i++)
        tar_folder(&tar, "same/");
    tar_end(&tar);
    is_refused(build_tar(&tar, false), TFAAS_TOO_LARGE, "more than 40000 entries");
}

static void not_a_tar(void **state)
{
    (void)state;
    is_refused(build("", 0, false), TFAAS_BAD_PACKAGE, "tar");
    is_refused(build("hello", 5, false), TFAAS_BAD_PACKAGE, "tar");
    is_refused(build("\x1f\x8b\x08\0\0\0\0\0", 8, false), TFAAS_UNSUPPORTED, "plain");
    is_refused(build("PK\3\4", 4, false), TFAAS_BAD_PACKAGE, "tar");
    is_refused(build(WASM, 8, true), TFAAS_BAD_PACKAGE, "tar");
}

static void cut_off(void **state)
{
    (void)state;
    for (int builder = 0; builder < 2; builder++) {
        struct tar tar = {NULL, 0, 0};
        char text[2000];
        memset(text, 'x', sizeof text);
        const char *prefix = builder ? "context/function/" : "";
        char name[64];
        (void)snprintf(name, sizeof name, "%shandler.js", prefix);
        tar_text(&tar, name, JS);
        (void)snprintf(name, sizeof name, "%sdata", prefix);
        tar_data(&tar, name, text, sizeof text);
        memset(text, 0, sizeof text); /* zeros at the end look most like an end */
        (void)snprintf(name, sizeof name, "%szeros", prefix);
        tar_data(&tar, name, text, sizeof text);
        if (builder)
            tar_text(&tar, "com.openfaas.docker.config", "{\"image\":\"a\"}");
        size_t end = tar.size;
        tar_end(&tar);
        for (size_t cut = 0; cut < end; cut += cut % 512 == 0 || cut % 512 == 511 ? 1 : 510) {
            struct outcome outcome = build(tar.data, cut, builder);
            if (outcome.status == TFAAS_OK)
                fail_msg("cut at %zu of %zu was taken", cut, end);
            outcome_free(&outcome);
        }
        struct outcome outcome = build(tar.data, tar.size, builder);
        is_package(outcome, "js", "handler.js", 3);
        tar_free(&tar);
    }
}

static void flipped_bytes(void **state)
{
    (void)state;
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "handler.js", JS);
    tar_pax(&tar, "path", "pax");
    tar_text(&tar, "x", "1");
    tar_text(&tar, "lib.js", "2");
    tar_end(&tar);
    for (size_t i = 0; i < tar.size; i++) {
        uint8_t kept = tar.data[i];
        tar.data[i] = (uint8_t)(kept ^ 0xff);
        struct outcome outcome = build(tar.data, tar.size, false);
        if (outcome.status != TFAAS_OK)
            assert_true(outcome.text[0] != 0);
        outcome_free(&outcome);
        tar.data[i] = kept;
    }
    tar_free(&tar);
}

/* --- C --- */

static struct outcome c_function(const char *handler, const char *name, const char *text)
{
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "context/template.yml", "language: tfaas-c\n");
    tar_text(&tar, "context/function/handler.c", handler);
    if (name)
        tar_text(&tar, name, text);
    config(&tar);
    return build_tar(&tar, true);
}

static bool have_compiler(void)
{
    return access("/usr/bin/clang", X_OK) == 0 && access("/usr/bin/wasm-ld", X_OK) == 0 &&
           access("/usr/lib/wasm32-wasi/libc.a", R_OK) == 0;
}

static size_t work_entries(void)
{
    DIR *folder = opendir(scratch_path("work"));
    size_t count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void without_compiler(void)
{
    is_refused(c_function("int main(void) { return 0; }", NULL, NULL), TFAAS_UNSUPPORTED,
               "apt install clang");
}

static void compiles_c(void **state)
{
    (void)state;
    if (!have_compiler()) {
        without_compiler();
        return;
    }
    is_package(c_function("#include <stdio.h>\n#include \"b.h\"\nint main(void) { puts(B); }",
                          "context/function/b.h", "#define B \"b\"\n"),
               "wasm", "function.wasm", 1);
    is_package(c_function("int main(void) { return 0; }", "context/function/data.txt", "kept"),
               "wasm", "function.wasm", 2);
}

static void compiles_many_c(void **state)
{
    (void)state;
    if (!have_compiler()) {
        without_compiler();
        return;
    }
    is_package(c_function("int x(void);\nint main(void) { return x(); }",
                          "context/function/-sub/-x.c", "int x(void) { return 0; }"),
               "wasm", "function.wasm", 1);
    struct outcome outcome = c_function(
        "int tfaas_handle(void) { return 0; }\nint tfaas_load(void) { return 0; }", NULL, NULL);
    is_ok(&outcome);
    struct span module =
        package_find(&outcome.package, (struct span){(const uint8_t *)"function.wasm", 13});
    assert_non_null(memmem(module.data, module.size, "tfaas_handle", 12));
    assert_non_null(memmem(module.data, module.size, "tfaas_load", 10));
    assert_non_null(memmem(module.data, module.size, "_initialize", 11));
    outcome_free(&outcome);
    assert_int_equal(work_entries(), 0);
}

static void c_errors(void **state)
{
    (void)state;
    if (!have_compiler()) {
        without_compiler();
        return;
    }
    struct outcome outcome = c_function("int main(void) {\n  return nonsense;\n}", NULL, NULL);
    assert_non_null(strstr(outcome.result.log, "handler.c:2:10"));
    assert_non_null(strstr(outcome.result.log, "nonsense"));
    is_refused(outcome, TFAAS_BAD_PACKAGE, "handler.c:2:10");
    is_refused(c_function("int main(void) { return missing(); }\nint missing(void);", NULL, NULL),
               TFAAS_BAD_PACKAGE, "missing");
    char *flood = malloc(200000); /* 20,000 warnings: the output is bounded */
    assert_non_null(flood);
    size_t at = 0;
    for (int i = 0; i < 6000; i++)
        at += (size_t)snprintf(flood + at, 200000 - at, "int f%d(void){int x;}\n", i);
    outcome = c_function(flood, NULL, NULL);
    assert_true(strlen(outcome.result.log) < (64u << 10));
    free(flood);
    is_refused(outcome, TFAAS_BAD_PACKAGE, "compiler failed");
    assert_int_equal(work_entries(), 0);
}

/* The compiler must not hand out the daemon's files: neither by #include nor by .incbin. */
static void compiler_is_caged(void **state)
{
    (void)state;
    if (!have_compiler()) {
        without_compiler();
        return;
    }
    char text[600];
    scratch_write(scratch_path("secret.key"), "CANARY", 6, 0600);
    static const char *const forms[] = {"#include \"%s\"\nint main(void) { return 0; }\n",
                                        "__asm__(\".section .rodata.x,\\\"\\\",@\\n.incbin "
                                        "\\\"%s\\\"\\n\");\nint main(void) { return "
                                        "0; }\n",
                                        "#define STR2 \"%s\"\n#if __has_include(STR2)\n#error "
                                        "FOUND\n#endif\nint main(void) { return 0; }\n"};
    const char *secret = scratch_path("secret.key");
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, forms[i], secret);
        struct outcome outcome = c_function(text, NULL, NULL);
        if (outcome.result.log)
            assert_null(strstr(outcome.result.log, "CANARY"));
        if (outcome.result.package)
            assert_null(memmem(outcome.result.package, outcome.result.package_size, "CANARY", 6));
        if (i < 2)
            assert_int_equal(outcome.status, TFAAS_BAD_PACKAGE);
        outcome_free(&outcome);
    }
    /* Nor what is no part of the compiler: a state folder may lie below /usr/local. */
    static const char *const strangers[] = {"/usr/share/common-licenses/BSD", "/etc/hostname",
                                            "/proc/self/status"};
    for (size_t i = 0; i < 3; i++) {
        if (access(strangers[i], R_OK) != 0)
            continue;
        (void)snprintf(text, sizeof text, forms[1], strangers[i]);
        struct outcome read = c_function(text, NULL, NULL);
        assert_int_equal(read.status, TFAAS_BAD_PACKAGE);
        outcome_free(&read);
    }
    /* the same forms do read a file of the function: the test would notice an open cage */
    (void)snprintf(text, sizeof text, forms[1], "near.txt");
    struct outcome outcome = c_function(text, "context/function/near.txt", "CANARY");
    is_ok(&outcome);
    assert_non_null(memmem(outcome.result.package, outcome.result.package_size, "CANARY", 6));
    outcome_free(&outcome);
}

static void cancelled(void **state)
{
    (void)state;
    if (!have_compiler()) {
        without_compiler();
        return;
    }
    struct outcome outcome = {.calls = 0};
    struct build_job *job = NULL, *more[3];
    struct tar tar = {NULL, 0, 0};
    tar_text(&tar, "handler.c", "int main(void) { return 0; }");
    tar_end(&tar);
    assert_int_equal(
        build_start(tar.data, tar.size, false, scratch_path("work"), take, &outcome, &job, &error),
        TFAAS_OK);
    assert_non_null(job);
    assert_int_equal(work_entries(), 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(build_start(tar.data, tar.size, false, scratch_path("work"), take,
                                     &outcome, &more[i], &error),
                         TFAAS_OK);
    is_refused(build(tar.data, tar.size, false), TFAAS_BUSY, "4 C functions");
    for (size_t i = 0; i < 3; i++)
        build_cancel(more[i]);
    build_cancel(job);
    assert_int_equal(outcome.calls, 0);
    assert_int_equal(work_entries(), 0);
    build_cancel(NULL);
    assert_int_equal(build_fd(NULL), -1);
    tar_free(&tar);
}

static void prepares_its_folder(void **state)
{
    (void)state;
    assert_int_equal(build_prepare(scratch_path("work"), &error), TFAAS_OK);
    assert_int_equal(mkdir(scratch_path("work/job-1"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("work/job-1/src"), 0700), 0);
    scratch_write(scratch_path("work/job-1/src/x.c"), "x", 1, 0600);
    scratch_write(scratch_path("outside"), "x", 1, 0600);
    assert_int_equal(symlink(scratch_path("outside"), scratch_path("work/link")), 0);
    assert_int_equal(symlink(scratch, scratch_path("work/job-1/up")), 0);
    assert_int_equal(build_prepare(scratch_path("work"), &error), TFAAS_OK);
    assert_int_equal(work_entries(), 0);
    assert_int_equal(access(scratch_path("outside"), F_OK), 0);
    assert_int_equal(build_prepare(scratch_path("no/such"), &error), TFAAS_INTERNAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signatures),
        TEST(builder_javascript),
        TEST(javascript_entries),
        TEST(plain_tar_and_modules),
        TEST(same_bytes_same_package),
        TEST(not_ours),
        TEST(configs),
        TEST(links_and_devices),
        TEST(climbing_paths),
        TEST(clashes),
        TEST(long_names),
        TEST(bombs),
        TEST(not_a_tar),
        TEST(cut_off),
        TEST(flipped_bytes),
        TEST(compiles_c),
        TEST(compiles_many_c),
        TEST(c_errors),
        TEST(compiler_is_caged),
        TEST(cancelled),
        TEST(prepares_its_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
