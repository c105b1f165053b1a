/*
 * client_test.h - what tests of libtfaas share: a client of a fake keeper, and the notes of which
 * error codes were seen. Included after cmocka.h.
 */
#ifndef TFAAS_TESTS_CLIENT_TEST_H
#define TFAAS_TESTS_CLIENT_TEST_H

#include "fake_keeper.h"
#include "client/internal.h"

#define PACKAGE "abababababababababababababababababababababababababababababababab"

static bool __attribute__((unused)) code_seen[TFAAS_CLIENT_ERROR_COUNT];

static inline void seen(enum tfaas_client_error error, enum tfaas_client_error wanted,
                        const struct tfaas_failure *failure)
{
    if (error != wanted)
        print_error("wanted %s, got %s: %s\n", tfaas_client_error_name(wanted),
                    tfaas_client_error_name(error), failure->text);
    assert_int_equal(error, wanted);
    if (error) {
        assert_int_equal(failure->error, error);
        assert_true(failure->text[0] != 0);
    }
    code_seen[error] = true;
}

static inline struct tfaas_client *open_with(struct fake *f, const char *policy, unsigned flags,
                                             const char *folder)
{
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_client *client = NULL;
    struct tfaas_client_options options = {.url = "http://gateway.example:8080/",
                                           .policy = policy,
                                           .transport = fake_transport,
                                           .transport_user = f,
                                           .clock = fake_clock,
                                           .clock_user = f,
                                           .cache_folder = folder,
                                           .flags = flags};
    seen(tfaas_client_open(&options, &client, &failure), TFAAS_CLIENT_OK, &failure);
    return client;
}

static inline struct tfaas_client *open_client(struct fake *f, unsigned flags)
{
    char *policy = fake_policy(f, "");
    struct tfaas_client *client = open_with(f, policy, flags, NULL);
    free(policy);
    return client;
}

static inline enum tfaas_client_error call(struct tfaas_client *client, const char *body,
                                           enum tfaas_form form, unsigned flags,
                                           const char *package, struct tfaas_response **response,
                                           struct tfaas_failure *failure)
{
    const struct tfaas_request request = {.function = "hello",
                                          .body = {(const uint8_t *)body, strlen(body)},
                                          .form = form,
                                          .flags = flags,
                                          .package = package};
    return tfaas_client_call(client, &request, response, failure);
}

static inline void body_is(const struct tfaas_response *response, const char *text)
{
    assert_int_equal(response->body.size, strlen(text));
    assert_memory_equal(response->body.data, text, strlen(text));
}

#endif
