/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium */
/*
 * example.c - the example of include/tfaas/client.h: its lines stand here, are compared with the
 * header's, and run against a keeper made here.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client_test.h"

static struct fake keeper;

/* The example's options know no transport: this puts the keeper behind it. */
static enum tfaas_client_error open_fake(const struct tfaas_client_options *options,
                                         struct tfaas_client **out, struct tfaas_failure *failure)
{
    struct tfaas_client_options with = *options;
    with.transport = fake_transport;
    with.transport_user = &keeper;
    with.clock = fake_clock;
    with.clock_user = &keeper;
    return tfaas_client_open(&with, out, failure);
}
#define tfaas_client_open open_fake
static char output[256];
#define printf(...) snprintf(output, sizeof(output), __VA_ARGS__)

/* clang-format off */
static void example(const char *policy)
{
    struct tfaas_client_options options = {.url = "http://127.0.0.1:8080", .policy = policy};
    struct tfaas_request request = {.function = "hello", .body = {(const uint8_t *)"world", 5}};
    struct tfaas_client *client = NULL;
    struct tfaas_response *response = NULL;
    struct tfaas_failure failure;
    if (tfaas_client_open(&options, &client, &failure) == TFAAS_CLIENT_OK &&
        tfaas_client_call(client, &request, &response, &failure) == TFAAS_CLIENT_OK)
        printf("%u %.*s\n", response->status, (int)response->body.size, response->body.data);
    else
        fprintf(stderr, "%s: %s\n", tfaas_client_error_name(failure.error), failure.text);
    tfaas_response_free(response);
    tfaas_client_close(client);
}
/* clang-format on */
#undef printf

static void test_it_runs(void **state)
{
    (void)state;
    fake_init(&keeper);
    char *policy = fake_policy(&keeper, "");
    example(policy);
    assert_string_equal(output, "200 echo world\n");
    free(policy);
}

/* Line by line, but for the comment's frame. */
static void test_it_is_the_headers(void **state)
{
    (void)state;
    char *wanted = NULL, *line = NULL;
    size_t room = 0, compared = 0, wanted_room = 0;
    FILE *header = fopen("include/tfaas/client.h", "r"), *source = fopen(__FILE__, "r");
    assert_non_null(header);
    assert_non_null(source);
    do
        assert_true(getline(&wanted, &wanted_room, header) > 0);
    while (!strstr(wanted, "EXAMPLE"));
    do
        assert_true(getline(&line, &room, source) > 0);
    while (strncmp(line, "static void example", 19) != 0);
    assert_true(getline(&line, &room, source) > 0); /* { */
    assert_true(getline(&wanted, &wanted_room, header) > 0);
    while (getline(&wanted, &wanted_room, header) > 0 && strncmp(wanted, " *     ", 7) == 0) {
        assert_true(getline(&line, &room, source) > 0);
        assert_string_equal(wanted + 3, line);
        compared++;
    }
    assert_int_equal(compared, 12);
    free(line);
    free(wanted);
    fclose(header);
    fclose(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_runs),
        cmocka_unit_test(test_it_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
