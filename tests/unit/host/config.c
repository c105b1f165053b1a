/* needs: host/daemon/config.c host/error.c common/status.c host/evidence/evidence.c host/evidence/tsm.c host/evidence/sev.c host/evidence/tdx.c host/evidence/simulated.c common/simulated.c common/fields.c common/cbor.c libs: sodium pthread */
/*
 * config.c - settings: durations, quantities, addresses, the file and what is wrong with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../host/daemon/config.h"
#include "../../../host/daemon/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"30", 30 * NS_PER_S},
                {"0", 0},
                {"500ms", 500 * NS_PER_MS},
                {"1m30s", 90 * NS_PER_S},
                {"1.5s", 1500 * NS_PER_MS},
                {"2h", 7200 * NS_PER_S},
                {"10us", 10000},
                {"7ns", 7},
                {"1h0m0.25s", 3600 * NS_PER_S + 250 * NS_PER_MS}};
    static const char *const bad[] = {"0h21", "",    "s",   "-1s", "1x",  "1 s",   "1e3s",
                                      "0x10", "inf", "1s2", "1ss", ".5s", "10ms3", "99999999999h",
                                      "1s ",  "1S"};
    uint64_t ns;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(config_duration(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(config_duration(bad[i], &ns));
}

static void test_quantities(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(config_quantity("128Mi", &n));
    assert_int_equal(n, 128u << 20);
    assert_true(config_quantity("128M", &n));
    assert_int_equal(n, 128000000);
    assert_true(config_quantity("7", &n));
    assert_int_equal(n, 7);
    static const char *const bad[] = {"0h21",
                                      "",
                                      "Mi",
                                      "-1",
                                      "1.5Gi",
                                      "1Ti",
                                      "1 Mi",
                                      "1e9",
                                      "99999999999999999999",
                                      "18446744073709551615Gi"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(config_quantity(bad[i], &n));
}

static void test_addresses(void **state)
{
    (void)state;
    struct config c;
    struct tfaas_error error;
    config_init(&c);
    assert_int_equal(config_set_listen(&c, "10.1.2.3:99", &error), TFAAS_OK);
    assert_string_equal(c.listen_host, "10.1.2.3");
    assert_string_equal(c.listen_port, "99");
    assert_int_equal(config_set_listen(&c, "[::1]:8", &error), TFAAS_OK);
    assert_string_equal(c.listen_host, "::1");
    assert_int_equal(config_set_listen(&c, ":7", &error), TFAAS_OK);
    assert_string_equal(c.listen_host, "0.0.0.0");
    config_init(&c);
    assert_int_equal(config_set_listen(&c, "9000", &error), TFAAS_OK);
    assert_string_equal(c.listen_host, "127.0.0.1");
    static const char *const bad[] = {"0h21", "", "a", "::1:8", "h:99999", "h:", "h:1x", "h:-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(config_set_listen(&c, bad[i], &error), TFAAS_BAD_REQUEST);
}

static tfaas_status_t read_text(struct config *c, const char *text, struct tfaas_error *error)
{
    char path[] = "/tmp/tfaas-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    config_init(c);
    tfaas_status_t status = config_read_file(c, path, error);
    unlink(path);
    return status;
}

static void test_file(void **state)
{
    (void)state;
    struct config c;
    struct tfaas_error error;
    assert_int_equal(read_text(&c,
                               "# a comment\n\n  listen = 127.0.0.1:81 \nread_timeout=5\n"
                               "max_body = 1Mi\nbasic_auth = true\nqueue_max = 0",
                               &error),
                     TFAAS_OK);
    assert_string_equal(c.listen_port, "81");
    assert_int_equal(c.read_timeout_ns, 5 * NS_PER_S);
    assert_int_equal(c.max_body, 1 << 20);
    assert_true(c.basic_auth);
    assert_int_equal(c.queue_max, 0);
    static const struct {
        const char *text, *part;
    } bad[] = {{"state = x\nnonsense = 1\n", ":2: unknown key \"nonsense\""},
               {"just words\n", ":1: no \"key = value\""},
               {"\n\nexec_timeout = soon\n", ":3: bad value \"soon\" for exec_timeout"},
               {"basic_auth = maybe", ":1: bad value"},
               {"queue_max = -1", ":1: bad value"},
               {"max_body = 100Gi", ":1: bad value"},
               {"function_namespace = other", ":1: bad value"},
               {"scale_from_zero = false", ":1: bad value"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_text(&c, bad[i].text, &error), TFAAS_BAD_REQUEST);
        assert_non_null(strstr(error.text, bad[i].part));
    }
    static char line[5000];
    memset(line, 'x', sizeof line - 1);
    assert_int_equal(read_text(&c, line, &error), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(error.text, "line too long"));
    assert_int_equal(config_read_file(&c, "/nonexistent/file", &error), TFAAS_NOT_FOUND);
}

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_credentials(void **state)
{
    (void)state;
    struct config c;
    struct tfaas_error error;
    char folder[] = "/tmp/tfaas-secrets-XXXXXX", path[200];
    assert_non_null(mkdtemp(folder));
    config_init(&c);
    snprintf(c.state_dir, sizeof c.state_dir, "x");
    snprintf(c.secret_dir, sizeof c.secret_dir, "%s", folder);
    c.basic_auth = true;
    assert_int_equal(config_finish(&c, &error), TFAAS_NOT_FOUND);
    assert_non_null(strstr(error.text, "basic-auth-user"));
    put_file(folder, "basic-auth-user", "admin\n");
    put_file(folder, "basic-auth-password", " \n");
    assert_int_equal(config_finish(&c, &error), TFAAS_BAD_REQUEST);
    config_free(&c);
    put_file(folder, "basic-auth-password", " pass word \n");
    assert_int_equal(config_finish(&c, &error), TFAAS_OK);
    assert_string_equal(c.user, "admin");
    assert_string_equal(c.password, "pass word");
    config_free(&c);
    snprintf(path, sizeof path, "%s/basic-auth-user", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/basic-auth-password", folder);
    unlink(path);
    rmdir(folder);
}

static void test_open_address_needs_credentials(void **state)
{
    (void)state;
    struct config c;
    struct tfaas_error error;
    static const struct {
        const char *host;
        tfaas_status_t status;
    } cases[] = {{"127.0.0.1:1", TFAAS_OK},
                 {"127.9.9.9:1", TFAAS_OK},
                 {"[::1]:1", TFAAS_OK},
                 {"localhost:1", TFAAS_OK},
                 {"0.0.0.0:1", TFAAS_UNAUTHORIZED},
                 {"[::]:1", TFAAS_UNAUTHORIZED},
                 {"192.0.2.1:1", TFAAS_UNAUTHORIZED},
                 {"example.invalid:1", TFAAS_UNAUTHORIZED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        config_init(&c);
        snprintf(c.state_dir, sizeof c.state_dir, "x");
        assert_int_equal(config_set_listen(&c, cases[i].host, &error), TFAAS_OK);
        assert_int_equal(config_finish(&c, &error), cases[i].status);
    }
    config_init(&c);
    assert_int_equal(config_finish(&c, &error), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(error.text, "--state"));
}

static void test_environment(void **state)
{
    (void)state;
    struct config c;
    struct tfaas_error error;
    config_init(&c);
    setenv("port", "8099", 1);
    setenv("write_timeout", "2m", 1);
    assert_int_equal(config_read_environment(&c, &error), TFAAS_OK);
    assert_string_equal(c.listen_port, "8099");
    assert_int_equal(c.write_timeout_ns, 120 * NS_PER_S);
    setenv("write_timeout", "never", 1);
    assert_int_equal(config_read_environment(&c, &error), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(error.text, "write_timeout"));
    unsetenv("port");
    unsetenv("write_timeout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),   cmocka_unit_test(test_quantities),
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_file),
        cmocka_unit_test(test_credentials), cmocka_unit_test(test_open_address_needs_credentials),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
