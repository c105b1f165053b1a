/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium */
/*
 * calls.c - tests of libtfaas's calls against a keeper made here: every form, sizes around borders,
 * every byte of an answer changed, and what is tried again, how often.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client_test.h"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- calls --- */

static void test_every_form(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    seen(call(client, "one", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), TFAAS_CLIENT_OK,
         &failure);
    assert_int_equal(response->status, 200);
    assert_int_equal(response->form, TFAAS_FORM_WHOLE);
    assert_string_equal(response->package, PACKAGE);
    assert_int_equal(response->header_count, 1);
    assert_string_equal(response->headers[0].name, "content-type");
    assert_null(response->receipt);
    body_is(response, "echo one");
    tfaas_response_free(response);
    assert_string_equal(f.last_url, "http://gateway.example:8080/function/hello.openfaas-fn");
    assert_string_equal(f.last_path, "/function/hello.openfaas-fn");

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(call(client, "two", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), 0);
        assert_int_equal(response->form, TFAAS_FORM_SESSION);
        body_is(response, "echo two");
        tfaas_response_free(response);
    }
    assert_int_equal(f.sessions_used, 3);
    assert_int_equal(f.evidence_fetches, 1);

    assert_int_equal(call(client, "3", TFAAS_FORM_CHUNKED, 0, NULL, &response, &failure), 0);
    assert_int_equal(response->form, TFAAS_FORM_CHUNKED);
    body_is(response, "echo 3");
    tfaas_response_free(response);
    assert_int_equal(
        call(client, "4", TFAAS_FORM_AUTO, TFAAS_CALL_NO_SESSION, NULL, &response, &failure), 0);
    assert_int_equal(response->form, TFAAS_FORM_WHOLE);
    tfaas_response_free(response);
    assert_int_equal(
        call(client, "5", TFAAS_FORM_WHOLE, TFAAS_CALL_GATEWAY, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    assert_string_equal(
        f.last_url, "http://gateway.example:8080/.well-known/ohttp-gateway?namespace=openfaas-fn");
    tfaas_client_close(client);
}

static void test_path_headers_and_package(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    const struct tfaas_header headers[] = {{"X-Test", "value 1"}, {"accept", "*/*"}};
    struct tfaas_request request = {.function = "hello",
                                    .method = "PUT",
                                    .path = "/rest/a?b=c",
                                    .headers = headers,
                                    .header_count = 2,
                                    .package = PACKAGE};
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    for (unsigned form = TFAAS_FORM_AUTO; form <= TFAAS_FORM_SESSION; form++) {
        request.form = form;
        f.last_header[0] = f.last_path[0] = 0;
        seen(tfaas_client_call(client, &request, &response, &failure), TFAAS_CLIENT_OK, &failure);
        assert_string_equal(f.last_path, "/function/hello.openfaas-fn/rest/a?b=c");
        assert_string_equal(f.last_header, "value 1");
        tfaas_response_free(response);
    }
    tfaas_client_close(client);
}

/* Both directions larger than a chunk, in every form that takes it; sizes around the borders. */
static void test_large_bodies(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 16300, 16367, 16368, 16384, 40000, 900000, 3000000};
    struct fake f;
    struct tfaas_failure failure;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned form = TFAAS_FORM_AUTO; form <= TFAAS_FORM_SESSION; form++) {
            struct tfaas_response *response = NULL;
            uint8_t *body = malloc(sizes[i] + 1);
            memset(body, 'b', sizes[i]);
            const struct tfaas_request request = {.function = "hello",
                                                  .body = {body, sizes[i]},
                                                  .form = form,
                                                  .flags = TFAAS_CALL_RECEIPT};
            enum tfaas_client_error wanted = form == TFAAS_FORM_WHOLE && sizes[i] > 1000000
                                                 ? TFAAS_CLIENT_REQUEST_TOO_LARGE
                                                 : TFAAS_CLIENT_OK;
            f.last_body_size = 99;
            seen(tfaas_client_call(client, &request, &response, &failure), wanted, &failure);
            if (!wanted) {
                assert_int_equal(f.last_body_size, sizes[i]);
                assert_int_equal(response->body.size, sizes[i] + 5);
                for (size_t k = 5; k < response->body.size; k++)
                    assert_int_equal(response->body.data[k], 'b');
            }
            tfaas_response_free(response);
            free(body);
        }
    }
    tfaas_client_close(client);
}

static void test_response_of_another_key(void **state)
{
    (void)state;
    for (unsigned form = TFAAS_FORM_WHOLE; form <= TFAAS_FORM_CHUNKED; form++) {
        struct fake f;
        struct tfaas_failure failure;
        struct tfaas_response *response;
        fake_init(&f);
        f.wrong = FAKE_RESPONSE_OTHER_KEY;
        struct tfaas_client *client = open_client(&f, 0);
        seen(call(client, "", form, 0, NULL, &response, &failure),
             TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC, &failure);
        tfaas_client_close(client);
    }
}

/* Every byte of an answer flipped, and every length cut: never an OK. */
struct mangler {
    struct fake *fake;
    size_t flip, cut, size;
    struct tfaas_transfer *to;
    uint8_t bytes[8192];
    unsigned status;
    char type[64];
};

static bool mangle_head(struct tfaas_transfer *t, unsigned status, const char *type, int64_t age)
{
    struct mangler *m = t->user;
    (void)age;
    m->status = status;
    snprintf(m->type, sizeof(m->type), "%s", type);
    return true;
}

static bool mangle_body(struct tfaas_transfer *t, const void *data, size_t size)
{
    struct mangler *m = t->user;
    assert_true(m->size + size <= sizeof(m->bytes));
    memcpy(m->bytes + m->size, data, size);
    m->size += size;
    return true;
}

static bool mangle(void *user, struct tfaas_transfer *t)
{
    struct mangler *m = user;
    struct tfaas_transfer inner = *t;
    if (!t->content_type)
        return fake_transport(m->fake, t);
    inner.on_head = mangle_head;
    inner.on_body = mangle_body;
    inner.user = m;
    m->size = 0;
    assert_true(fake_transport(m->fake, &inner));
    if (m->flip < m->size)
        m->bytes[m->flip] ^= 0x10;
    size_t size = m->cut < m->size ? m->cut : m->size;
    return fake_answer(t, m->status, m->type, -1, m->bytes, size);
}

static void test_every_byte_of_an_answer(void **state)
{
    (void)state;
    for (unsigned form = TFAAS_FORM_WHOLE; form <= TFAAS_FORM_SESSION; form++) {
        struct fake f;
        struct tfaas_failure failure;
        struct tfaas_response *response;
        fake_init(&f);
        struct mangler *m = calloc(1, sizeof(*m));
        *m = (struct mangler){.fake = &f, .flip = SIZE_MAX, .cut = SIZE_MAX};
        struct tfaas_client *client = open_client(&f, 0);
        client->transport = mangle;
        client->transport_user = m;
        for (unsigned warm = 0; warm < 2; warm++) {
            assert_int_equal(call(client, "b", form, 0, NULL, &response, &failure), 0);
            tfaas_response_free(response);
        }
        size_t size = m->size;
        assert_true(size > 100);
        for (size_t at = 0; at < 2 * size; at++) {
            m->flip = at < size ? at : SIZE_MAX;
            m->cut = at < size ? SIZE_MAX : at - size;
            enum tfaas_client_error error = call(client, "b", form, 0, NULL, &response, &failure);
            if (error != TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC &&
                error != TFAAS_CLIENT_RESPONSE_TRUNCATED)
                print_error("form %u, at %zu of %zu: %s\n", form, at, size, failure.text);
            assert_true(error == TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC ||
                        error == TFAAS_CLIENT_RESPONSE_TRUNCATED);
            assert_null(response);
        }
        free(m);
        tfaas_client_close(client);
    }
}

/* --- again, once --- */

static void test_key_unknown_is_fetched_anew_once(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    f.wrong = FAKE_CALL_KEY_UNKNOWN_ONCE;
    struct tfaas_client *client = open_client(&f, 0);
    seen(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), TFAAS_CLIENT_OK,
         &failure);
    tfaas_response_free(response);
    assert_int_equal(f.calls, 2);
    assert_int_equal(f.evidence_fetches, 2);
    tfaas_client_close(client);

    fake_init(&f);
    f.wrong = FAKE_CALL_KEY_UNKNOWN;
    client = open_client(&f, 0);
    seen(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), TFAAS_CLIENT_KEY_UNKNOWN,
         &failure);
    assert_int_equal(f.calls, 2);
    assert_int_equal(f.evidence_fetches, 2);
    assert_int_equal(call(client, "x", TFAAS_FORM_AUTO, TFAAS_CALL_ONCE, NULL, &response, &failure),
                     TFAAS_CLIENT_KEY_UNKNOWN);
    assert_int_equal(f.calls, 3);
    tfaas_client_close(client);
}

/* The same where the new key has the id of the old one. */
static void test_not_opened_is_fetched_anew_once(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    fake_keys(&f);
    f.key_id--;
    assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    assert_int_equal(f.calls, 3);
    assert_int_equal(f.evidence_fetches, 2);
    f.wrong = FAKE_CALL_NOT_OPENED;
    assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure),
                     TFAAS_CLIENT_REQUEST_NOT_OPENED);
    assert_int_equal(f.calls, 5);
    tfaas_client_close(client);
}

/* A new keeper with new keys: the first refusal leads to its evidence. */
static void test_another_keeper(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    f.wrong = FAKE_CALL_KEY_UNKNOWN_ONCE;
    fake_keys(&f);
    assert_int_equal(call(client, "y", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    assert_memory_equal(tfaas_client_verification(client)->identity, f.identity_key, 32);
    /* And when only the time says that leases are over: one more fetch of the domain finds it. */
    f.wrong = FAKE_RIGHT;
    fake_keys(&f);
    f.now += FAKE_LEASE_LIFE;
    assert_int_equal(
        call(client, "z", TFAAS_FORM_WHOLE, TFAAS_CALL_ONCE, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    tfaas_client_close(client);
}

static void test_leases_are_renewed_with_the_same_evidence(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
        tfaas_response_free(response);
        f.now += FAKE_LEASE_LIFE - 6;
    }
    assert_int_equal(f.evidence_fetches, 1);
    assert_int_equal(f.domain_fetches, 5);
    f.now += FAKE_KEY_LIFE;
    assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    assert_int_equal(f.evidence_fetches, 2);
    tfaas_client_close(client);
}

/* What is fetched anew, at which second: leases that end, and evidence that grows too old. */
static void test_what_is_fetched_when(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    fake_init(&f);
    f.max_age_s = -1;
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    f.now += FAKE_LEASE_LIFE - 5 - CLIENT_LEASE_MARGIN_S - 1;
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    assert_int_equal(f.domain_fetches, 1);
    f.now += 1;
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    assert_int_equal(f.domain_fetches, 2);
    assert_int_equal(f.evidence_fetches, 1);
    tfaas_client_close(client);

    fake_init(&f);
    char *policy = fake_policy(&f, ",\"maximum_age_s\":100");
    client = open_with(&f, policy, 0, NULL);
    f.max_age_s = -1;
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    f.now += 90; /* the statement was 10 s old */
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    assert_int_equal(f.evidence_fetches, 1);
    f.now += 1;
    assert_int_equal(tfaas_client_verify(client, 0, &failure), TFAAS_CLIENT_OK);
    assert_int_equal(f.evidence_fetches, 2);
    free(policy);
    tfaas_client_close(client);
}

static void test_session_ends_by_time(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    struct tfaas_client *client = open_client(&f, 0);
    assert_int_equal(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    f.now += 3000;
    assert_int_equal(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), 0);
    assert_int_equal(response->form, TFAAS_FORM_WHOLE);
    tfaas_response_free(response);
    tfaas_client_close(client);
}

static void test_date_is_corrected_once(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    fake_init(&f);
    f.wrong = FAKE_DATE_REFUSED;
    struct tfaas_client *client = open_client(&f, 0);
    seen(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), TFAAS_CLIENT_OK,
         &failure);
    tfaas_response_free(response);
    assert_int_equal(f.calls, 2);
    assert_int_equal(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    assert_int_equal(f.calls, 3); /* it is remembered */
    f.wrong = FAKE_DATE_REFUSED_EVER;
    seen(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure),
         TFAAS_CLIENT_DATE_REFUSED, &failure);
    assert_int_equal(f.calls, 5);
    tfaas_client_close(client);
}

/* A function that could say it would have its calls made twice, and the client's dates moved. */
static void test_what_only_a_core_may_say(void **state)
{
    (void)state;
    static const struct {
        enum fake_wrong wrong;
        unsigned status;
    } rows[] = {{FAKE_FUNCTION_SAYS_DATE, 400}, {FAKE_FUNCTION_SAYS_MISDIRECTED, 421}};
    struct tfaas_failure failure;
    struct tfaas_response *response;
    for (size_t i = 0; i < 2; i++) {
        struct fake f;
        fake_init(&f);
        f.wrong = rows[i].wrong;
        struct tfaas_client *client = open_client(&f, 0);
        seen(call(client, "x", TFAAS_FORM_WHOLE, 0, NULL, &response, &failure), TFAAS_CLIENT_OK,
             &failure);
        assert_int_equal(response->status, rows[i].status);
        tfaas_response_free(response);
        assert_int_equal(f.calls, 1);
        tfaas_client_close(client);
    }
}

/* --- the cache folder --- */

static void test_cache_folder(void **state)
{
    (void)state;
    struct fake f;
    struct tfaas_failure failure;
    struct tfaas_response *response;
    char folder[] = "/tmp/tfaas-client-XXXXXX", path[600] = "";
    fake_init(&f);
    char *policy = fake_policy(&f, "");
    assert_non_null(mkdtemp(folder));
    struct tfaas_client *client = open_with(&f, policy, 0, folder);
    assert_int_equal(tfaas_client_verify(client, 0, &failure), 0);
    tfaas_client_close(client);
    DIR *dir = opendir(folder);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.') {
            assert_string_equal(path, ""); /* one file, no rest of a temporary one */
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        }
    closedir(dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    client = open_with(&f, policy, 0, folder);
    assert_int_equal(call(client, "x", TFAAS_FORM_AUTO, 0, NULL, &response, &failure), 0);
    tfaas_response_free(response);
    assert_int_equal(f.evidence_fetches, 1);
    tfaas_client_close(client);
    /* What was put there is not believed: a file of another policy's world, a changed one. */
    client = open_with(&f, NULL, 0, folder);
    assert_null(tfaas_client_verification(client));
    tfaas_client_close(client);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, -40, SEEK_END);
    fputs("AAAA", file);
    fclose(file);
    client = open_with(&f, policy, 0, folder);
    assert_null(tfaas_client_verification(client));
    assert_int_equal(tfaas_client_verify(client, 0, &failure), 0);
    assert_int_equal(f.evidence_fetches, 2);
    tfaas_client_close(client);
    unlink(path);
    rmdir(folder);
    free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_path_headers_and_package),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_response_of_another_key),
        cmocka_unit_test(test_every_byte_of_an_answer),
        cmocka_unit_test(test_key_unknown_is_fetched_anew_once),
        cmocka_unit_test(test_not_opened_is_fetched_anew_once),
        cmocka_unit_test(test_another_keeper),
        cmocka_unit_test(test_leases_are_renewed_with_the_same_evidence),
        cmocka_unit_test(test_what_is_fetched_when),
        cmocka_unit_test(test_session_ends_by_time),
        cmocka_unit_test(test_date_is_corrected_once),
        cmocka_unit_test(test_what_only_a_core_may_say),
        cmocka_unit_test(test_cache_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
