/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium flags: nosan */
/*
 * cli.c - tests of build/tfaas without a network: help and usage of every command, exit codes,
 * saved evidence of a keeper made here, sealing, packages, keys, logs; and which names the
 * libraries show.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client_test.h"
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static struct fake keeper;
static char output[65536];
static size_t output_size;

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static unsigned at;
    at = (at + 1) % 8;
    snprintf(paths[at], sizeof(paths[at]), "%s/%s", folder, name);
    return paths[at];
}

static void write_file(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

/* Runs a line of shell; its standard output, and error, go to `output`. The exit code. */
static int shell(const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    output_size = fread(output, 1, sizeof(output) - 1, pipe);
    output[output_size] = 0;
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void holds(const char *part)
{
    if (!strstr(output, part))
        print_error("%s\nhas no %s\n", output, part);
    assert_non_null(strstr(output, part));
}

static int set_up(void **state)
{
    (void)state;
    struct tfaas_failure failure;
    char *bundle = NULL;
    snprintf(folder, sizeof(folder), "%s/tfaas-cli-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    fake_init(&keeper);
    struct tfaas_client *client = open_client(&keeper, TFAAS_CLIENT_FRESH);
    if (tfaas_client_verify(client, 0, &failure) || tfaas_client_bundle(client, &bundle, &failure))
        return -1;
    write_file("bundle", bundle, strlen(bundle));
    free(bundle);
    char *policy = fake_policy(&keeper, "");
    write_file("policy", policy, strlen(policy));
    free(policy);
    for (unsigned i = 0; i < 3; i++) {
        struct tfaas_response *response;
        char name[16];
        if (call(client, "x", TFAAS_FORM_AUTO, TFAAS_CALL_RECEIPT, NULL, &response, &failure))
            return -1;
        snprintf(name, sizeof(name), "receipt%u", i);
        write_file(name, response->receipt, strlen(response->receipt));
        tfaas_response_free(response);
    }
    tfaas_client_close(client);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return shell("rm -r %s", folder);
}

/* --- the table --- */

static const char *const commands[] = {
    "verify",         "policy default", "policy explain", "core measure",   "invoke",
    "receipt verify", "secret seal",    "package make",   "package digest", "package seal",
    "package push",   "keygen",         "logs open",      "bench",          "evidence appraise"};

static void test_help_and_usage_of_every_command(void **state)
{
    (void)state;
    assert_int_equal(shell("build/tfaas --help"), 0);
    char all[sizeof(output)];
    memcpy(all, output, sizeof(all));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "  tfaas %s ", commands[i]);
        assert_non_null(strstr(all, line));
        assert_int_equal(shell("build/tfaas %s --help 2>&1", commands[i]), 0);
        holds("usage: tfaas ");
        assert_int_equal(shell("build/tfaas %s --no-such-option 2>&1 </dev/null", commands[i]), 64);
        holds("unknown argument: --no-such-option");
        assert_int_equal(shell("grep -q 'B %s' packaging/tfaas.1", commands[i]), 0);
    }
    assert_int_equal(shell("build/tfaas 2>/dev/null"), 64);
    assert_int_equal(shell("build/tfaas no-such-command 2>/dev/null"), 64);
    assert_int_equal(shell("build/tfaas verify 2>/dev/null"), 64);
    assert_int_equal(shell("build/tfaas --version"), 0);
}

/* Every error code is in the manual, with its exit code. */
static void test_every_error_is_in_the_manual(void **state)
{
    (void)state;
    for (unsigned i = 1; i < TFAAS_CLIENT_ERROR_COUNT; i++)
        if (shell("grep -qF '| `%s` | %d |' docs/client.md", tfaas_client_error_name(i),
                  tfaas_client_error_exit(i)) != 0) {
            print_error("docs/client.md: | `%s` | %d | %s |\n", tfaas_client_error_name(i),
                        tfaas_client_error_exit(i), tfaas_client_error_text(i));
            fail();
        }
}

static void test_policies(void **state)
{
    (void)state;
    assert_int_equal(shell("build/tfaas policy default"), 0);
    assert_string_equal(output, tfaas_policy_default());
    assert_int_equal(shell("build/tfaas policy default > %s; build/tfaas policy explain %s",
                           in_folder("default"), in_folder("default")),
                     0);
    holds("No core is accepted");
    write_file("bad", "{\n \"version\": 1,\n \"corse\": []}", 32);
    assert_int_equal(shell("build/tfaas policy explain %s 2>&1", in_folder("bad")), 64);
    holds("bad:3:2: \"corse\" is no member here; the nearest is \"cores\"");
}

/* --- verification and receipts, offline --- */

static void test_bundles(void **state)
{
    (void)state;
    const char *bundle = in_folder("bundle"), *policy = in_folder("policy");
    assert_int_equal(shell("build/tfaas verify --bundle %s --policy %s", bundle, policy), 0);
    assert_int_equal(strncmp(output, "SIMULATED: ", 11), 0);
    assert_int_equal(shell("build/tfaas verify --bundle %s 2>&1", bundle), 5);
    holds("FAILED (SIMULATED)");
    holds("simulated_refused");
    assert_int_equal(shell("build/tfaas verify --bundle %s --allow-simulated --core %s 2>/dev/null",
                           bundle, fake_hex(keeper.measurement, 48)),
                     0);
    assert_int_equal(
        shell("build/tfaas verify --bundle %s --policy %s --json 2>/dev/null", bundle, policy), 0);
    json_t *root = json_loads(output, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "verdict")), "ok");
    assert_true(json_is_true(json_object_get(root, "simulated")));
    assert_int_equal(json_array_size(json_object_get(root, "checks")), 14);
    json_decref(root);
    assert_int_equal(
        shell("build/tfaas verify --bundle %s --policy %s --at 1 2>/dev/null", bundle, policy), 5);
    assert_int_equal(shell("build/tfaas verify --bundle %s 2>/dev/null", in_folder("none")), 64);
    assert_int_equal(shell("build/tfaas verify --bundle %s 2>/dev/null", policy), 5);
}

static void test_receipts(void **state)
{
    (void)state;
    char with[700];
    snprintf(with, sizeof(with), "--evidence %s --policy %s 2>&1", in_folder("bundle"),
             in_folder("policy"));
    assert_int_equal(shell("cd %s && $OLDPWD/build/tfaas receipt verify receipt0 receipt1 receipt2 "
                           "%s",
                           folder, with),
                     0);
    holds("number 3");
    holds("judged as of "); /* the bundle's own time is not now */
    assert_int_equal(shell("build/tfaas receipt verify %s %s %s", in_folder("receipt0"),
                           in_folder("receipt2"), with),
                     5);
    holds("receipt_gap");
    assert_int_equal(shell("tr A B < %s > %s; build/tfaas receipt verify %s %s",
                           in_folder("receipt0"), in_folder("other"), in_folder("other"), with),
                     5);
    assert_int_equal(shell("build/tfaas receipt verify %s 2>&1", in_folder("receipt0")), 64);
}

/* --- sealing --- */

static void test_secret_by_stdin_only(void **state)
{
    (void)state;
    struct sealed sealed;
    const char *why;
    char with[700];
    snprintf(with, sizeof(with), "--evidence %s --policy %s", in_folder("bundle"),
             in_folder("policy"));
    assert_int_equal(shell("printf value | build/tfaas secret seal --name token --package "
                           "sha256:" PACKAGE " %s 2>/dev/null",
                           with),
                     0);
    assert_int_equal(sealed_read((struct span){(uint8_t *)output, output_size}, &sealed, &why),
                     TFAAS_OK);
    assert_true(span_is(sealed.name, "token"));
    assert_true(sealed_allows(&sealed, keeper.package));
    assert_null(memmem(output, output_size, "value", 5));
    assert_int_equal(shell("build/tfaas secret seal value --name token --any-package %s 2>&1 "
                           "</dev/null",
                           with),
                     64);
    /* Who may read it has to be said. */
    assert_int_equal(shell("printf v | build/tfaas secret seal --name token %s 2>&1", with), 64);
    holds("--any-package");
    assert_int_equal(shell("printf v | build/tfaas secret seal --name token --any-package --json "
                           "%s 2>/dev/null",
                           with),
                     0);
    json_t *root = json_loads(output, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "name")), "token");
    assert_string_equal(json_string_value(json_object_get(root, "namespace")), FAKE_DOMAIN);
    json_decref(root);
    assert_int_equal(shell("printf v | build/tfaas secret seal --name token --any-package "
                           "--evidence %s 2>/dev/null",
                           in_folder("bundle")),
                     5);
}

static void test_packages(void **state)
{
    (void)state;
    char digest[80];
    assert_int_equal(mkdir(in_folder("source"), 0755), 0);
    assert_int_equal(mkdir(in_folder("source/lib"), 0755), 0);
    write_file("source/handler.js", "module.exports = 1;", 19);
    write_file("source/lib/a.js", "1", 1);
    assert_int_equal(shell("build/tfaas package digest %s", in_folder("source")), 0);
    snprintf(digest, sizeof(digest), "%.79s", output);
    assert_int_equal(strlen(digest), 7 + 64 + 1);
    assert_int_equal(shell("build/tfaas package make %s --out %s && build/tfaas package digest %s",
                           in_folder("source"), in_folder("package"), in_folder("package")),
                     0);
    assert_string_equal(output, digest);
    assert_int_equal(shell("sha256sum < %s", in_folder("package")), 0);
    assert_int_equal(strncmp(output, digest + 7, 64), 0);
    assert_int_equal(shell("build/tfaas package digest %s --entry lib/a.js", in_folder("source")),
                     0);
    assert_string_not_equal(output, digest);
    assert_int_equal(
        shell("build/tfaas package digest %s --entry none.js 2>&1", in_folder("source")), 64);
    assert_int_equal(shell("ln -s handler.js %s; build/tfaas package digest %s 2>&1",
                           in_folder("source/link"), in_folder("source")),
                     64);
    holds("link: neither a file nor a folder");
    assert_int_equal(shell("rm %s; build/tfaas package seal %s --name hello --evidence %s "
                           "--policy %s 2>/dev/null",
                           in_folder("source/link"), in_folder("source"), in_folder("bundle"),
                           in_folder("policy")),
                     0);
    assert_true(sealed_is((struct span){(uint8_t *)output, output_size}));
}

static void test_keys_and_logs(void **state)
{
    (void)state;
    uint8_t key[32];
    char *line = NULL, public_hex[65];
    size_t size = 0;
    struct stat st;
    assert_int_equal(shell("build/tfaas keygen %s", in_folder("key")), 0);
    assert_int_equal(output_size, 65);
    snprintf(public_hex, sizeof(public_hex), "%.64s", output);
    assert_true(hex_read(public_hex, key, 32));
    assert_int_equal(stat(in_folder("key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(shell("build/tfaas keygen %s 2>&1", in_folder("key")), 1); /* not over it */
    assert_int_equal(
        sealed_log_make(key, keeper.package, fake_text("hello from inside\n"), &line, &size),
        TFAAS_OK);
    FILE *file = fopen(in_folder("log"), "wb");
    fprintf(file, "plain line\n{\"text\":\"%.*s\"}\n", (int)strcspn(line, "\n"), line);
    fclose(file);
    free(line);
    assert_int_equal(shell("build/tfaas logs open --key %s --package sha256:" PACKAGE " < %s",
                           in_folder("key"), in_folder("log")),
                     0);
    assert_string_equal(output, "plain line\n{\"text\":\"hello from inside\n\"}\n");
    assert_int_equal(shell("build/tfaas logs open --key %s --package "
                           "0000000000000000000000000000000000000000000000000000000000000000 "
                           "< %s 2>/dev/null",
                           in_folder("key"), in_folder("log")),
                     5);
}

static void test_core_measure(void **state)
{
    (void)state;
    write_file("core", "abc", 3); /* FIPS 180-4's example */
    assert_int_equal(shell("build/tfaas core measure %s 2>/dev/null", in_folder("core")), 0);
    assert_string_equal(output, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                                "8086072ba1e7cc2358baeca134c825a7\n");
    assert_int_equal(shell("build/tfaas core measure %s 2>&1", in_folder("none")), 64);
}

/* --- names --- */

static void test_libraries_show_public_names_only(void **state)
{
    (void)state;
    assert_int_equal(shell("nm -D --defined-only build/libtfaas.so | awk '{print $3}' | grep -v "
                           "'^tfaas_'"),
                     1); /* grep found none */
    assert_int_equal(shell("nm -g --defined-only build/libtfaas.a | awk 'NF==3 {print $3}' | grep "
                           "-v '^tfaas_'"),
                     1);
    assert_int_equal(shell("nm -D --defined-only build/libtfaas.so"), 0);
    static const char *const some[] = {"tfaas_client_open", "tfaas_client_call", "tfaas_seal",
                                       "tfaas_receipt_verify", "tfaas_evidence_appraise"};
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
        holds(some[i]);
    assert_int_equal(shell("readelf -d build/libtfaas.so"), 0);
    holds("libtfaas.so.0");
    assert_null(strstr(output, "TEXTREL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_and_usage_of_every_command),
        cmocka_unit_test(test_every_error_is_in_the_manual),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_secret_by_stdin_only),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_keys_and_logs),
        cmocka_unit_test(test_core_measure),
        cmocka_unit_test(test_libraries_show_public_names_only),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
