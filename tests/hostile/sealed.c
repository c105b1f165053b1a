/*
 * sealed.c - sealed calls against a real core: every form in both framings, streams larger than any
 * buffer, routing, problems, limits, deadlines; and that no plaintext is in anything the core says.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c tests/support/sealed_test.c tests/support/identity_double.c flags: -Wl,--wrap=identity_key,--wrap=identity_signing_secret,--wrap=identity_lease,--wrap=identity_instance */
/* clang-format on */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sealed_test.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const with_canary[] = {
    "x-secret", CANARY, "content-type", "text/x-test", "tfaas-anything", CANARY, NULL};

/* --- what works --- */

static void every_form(void)
{
    for (unsigned n = 0; n < FORMS * 8; n++) {
        struct exchange x = {.call = {.form = 1 + n % FORMS,
                                      .path = "/function/js/sub?q=" CANARY,
                                      .fields = with_canary,
                                      .body = n & 4 ? CANARY " body" : NULL,
                                      .body_size = n & 4 ? sizeof CANARY " body" - 1 : 0,
                                      .known_length = n & 8,
                                      .other_aead = n & 16,
                                      .trailer = n % 5 == 0,
                                      .padding = n % 7 * 11,
                                      .chunk_size = n % 2 ? 1 + n : 0}};
        sealed_expect(&x, JS, 201, n & 4 ? "\"body\":\"" CANARY " body\"" : "\"method\":\"GET\"");
        CHECK(strstr((char *)x.reply.content, "\"path\":\"/sub\"") &&
                  strstr((char *)x.reply.content, "\"q\":\"" CANARY "\"") &&
                  strstr((char *)x.reply.content, "\"x-secret\":\"" CANARY "\""),
              "%s", x.reply.content);
        CHECK(!strstr((char *)x.reply.content, "tfaas-"), "%s", x.reply.content);
        CHECK(strstr(x.reply.fields, "x-own: yes\n") && !strstr(x.reply.fields, "forged"), "%s",
              x.reply.fields);
        CHECK(strncmp(x.reply.package, "sha256:", 7) == 0 && strlen(x.reply.package) == 71, "%s",
              x.reply.package);
        CHECK(x.answer.messages == 1 && x.answer.outcome == TFAAS_OK && x.answer.core.work > 0,
              "%u messages, %s", x.answer.messages, tfaas_status_name(x.answer.outcome));
        sealed_done(&x);
    }
}

/* What a function sees of the path, as for plain calls. */
static void paths(void)
{
    static const char *const cases[][2] = {{"/function/js", "\"path\":\"/\""},
                                           {"/function/js.shop", "\"path\":\"/\""},
                                           {"/function/js/", "\"path\":\"/\""},
                                           {"/function/js?a=1", "\"a\":\"1\""},
                                           {"/function/js.shop/x/y%20z?a=1", "\"path\":\"/x/y"}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct exchange x = {.call = {.form = 1 + i % FORMS, .path = cases[i][0]}};
        sealed_expect(&x, JS, 201, cases[i][1]);
        sealed_done(&x);
    }
}

static uint8_t *numbers(size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    uint64_t seed = size + 7;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(core_test_random(&seed) >> 32);
    return bytes;
}

static void echo(enum tfaas_sealing form, size_t size, size_t chunk, bool known)
{
    uint8_t *body = numbers(size);
    struct exchange x = {.call = {.form = form,
                                  .path = "/function/echo",
                                  .body = body,
                                  .body_size = size,
                                  .chunk_size = chunk,
                                  .known_length = known}};
    sealed_expect(&x, ECHO, 200, NULL);
    CHECK(x.reply.content_size == size && memcmp(x.reply.content, body, size) == 0,
          "%s: %zu of %zu bytes came back", sealed_form_name(form), x.reply.content_size, size);
    sealed_done(&x);
    free(body);
}

static void large_streams(void)
{
    static const size_t sizes[] = {1, 4096, 16383, 16384, 16385, 65536, 300000, 1000000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            echo(form, sizes[i], 0, false);
            echo(form, sizes[i], 1000 + i, true);
        }
    echo(TFAAS_SEALING_CHUNKED, 5000000, 0, false);
    echo(TFAAS_SEALING_SESSION, 5000000, 7777, true);
    echo(TFAAS_SEALING_SESSION, 3000, 1, false);
}

static void head_has_no_content(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = {.call = {.form = form, .method = "HEAD", .path = "/function/js"}};
        sealed_expect(&x, JS, 201, NULL);
        CHECK(x.reply.content_size == 0, "%zu bytes", x.reply.content_size);
        sealed_done(&x);
    }
}

/* The response begins while the request still arrives. */
static void both_ways_at_once(void)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct exchange x = {.call = {.form = TFAAS_SEALING_CHUNKED,
                                  .path = "/function/early",
                                  .body = numbers(40000),
                                  .body_size = 40000}};
    sealed_prepare(&x);
    uint32_t id =
        client_invoke(&sealed_core, EARLY, &x.call, 20000, 20 * SECOND, client_now_s() * SECOND);
    struct tfaas_slot slot;
    bool came = core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS);
    CHECK(came && slot.kind == TFAAS_RESPONSE && slot.id == id && slot.flags & TFAAS_LAST,
          "kind %u, flags %u", slot.kind, slot.flags);
    client_open(&x.call, payload, slot.size, &x.reply);
    CHECK(x.reply.opened && x.reply.content_size == 5, "%s", x.reply.why);
    core_send(&sealed_core, (struct tfaas_slot){.kind = TFAAS_BODY, .flags = TFAAS_LAST, .id = id},
              x.call.sealed + 20000, x.call.sealed_size - 20000);
    came = core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS);
    CHECK(came && slot.flags & TFAAS_END && slot.arg[0] == TFAAS_OK, "kind %u %.*s, %s", slot.kind,
          slot.kind == TFAAS_FAULT ? (int)slot.size : 0, (char *)payload,
          tfaas_status_name((unsigned)slot.arg[0]));
    free((void *)x.call.body);
    sealed_done(&x);
}

/* --- routing --- */

static void any_function(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = {.call = {.form = form, .path = "/function/js.shop/any"}};
        sealed_expect(&x, TFAAS_FUNCTION_ANY, 201, "\"path\":\"/any\"");
        sealed_done(&x);
        /* Not loaded: the host learns the name and may come again with the same bytes. */
        struct exchange other = {.call = {.form = form, .path = "/function/late"}};
        sealed_refused(&other, TFAAS_FUNCTION_ANY, TFAAS_MISDIRECTED);
        CHECK(other.answer.end_size == 4 && memcmp(other.answer.end_text, "late", 4) == 0,
              "\"%.*s\"", (int)other.answer.end_size, other.answer.end_text);
        if (form == 1) {
            struct core_config late = core_test_wasm("command_echo");
            late.name = "late";
            core_test_load(&sealed_core, 40, late);
        }
        if (form == 1)
            sealed_expect(&other, TFAAS_FUNCTION_ANY, 200, NULL);
        sealed_done(&other);
        if (form == 1) {
            static uint8_t payload[TFAAS_PAYLOAD_MAX];
            struct tfaas_slot slot;
            core_send(&sealed_core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = 40}, NULL, 0);
            CHECK(core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS),
                  "no answer to UNLOAD");
        }
    }
}

static void other_functions(void)
{
    static const char *const paths[] = {
        "/function/echo", "/function/j", "/function/jss", "/function/js.other",    "/function/js.",
        "/function/",     "/other/js",   "/function/JS",  "/function/js.shop.shop"};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            struct exchange x = {.call = {.form = form, .path = paths[i]}};
            sealed_expect(&x, JS, 421, "tag:tfaas,2026:misdirected");
            CHECK(x.answer.outcome == TFAAS_MISDIRECTED, "%s", paths[i]);
            sealed_done(&x);
        }
    static const char *const no_names[] = {"/function/js.other", "/function/a_b", "/function/"};
    for (unsigned i = 0; i < 3; i++) {
        struct exchange x = {.call = {.form = TFAAS_SEALING_CHUNKED, .path = no_names[i]}};
        sealed_expect(&x, TFAAS_FUNCTION_ANY, 421, "misdirected");
        sealed_done(&x);
    }
}

static void packages(void)
{
    struct exchange first = {.call = {.form = TFAAS_SEALING_OHTTP, .path = "/function/js"}};
    sealed_expect(&first, JS, 201, NULL);
    char other[80], cut[80];
    (void)snprintf(other, sizeof other, "%s", first.reply.package);
    other[20] = other[20] == '0' ? '1' : '0';
    (void)snprintf(cut, sizeof cut, "%.70s", first.reply.package);
    const char *const values[] = {first.reply.package, other, cut, "", "sha256:"};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            const char *const fields[] = {"tfaas-package", values[i], NULL};
            struct exchange x = {.call = {.form = form, .path = "/function/js", .fields = fields}};
            sealed_expect(&x, JS, i == 0 ? 201 : 412, i == 0 ? NULL : "package-mismatch");
            sealed_done(&x);
        }
    sealed_done(&first);
}

/* --- problems --- */

static void malformed_inside(void)
{
    static char large[60000];
    memset(large, 'a', sizeof large - 1);
    const char *const too_large[] = {"x-large", large, NULL};
    const char *const bad_name[] = {"x bad", "1", NULL};
    const char *const bad_value[] = {"x-bad", "a\r\nb", NULL};
    const struct client_call calls[] = {{.method = "TRACE"},        {.method = "G T"},
                                        {.path = "/function/js a"}, {.fields = bad_name},
                                        {.fields = bad_value},      {.fields = too_large}};
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            struct exchange x = {.call = calls[i]};
            x.call.form = form;
            x.call.path = x.call.path ? x.call.path : "/function/js";
            sealed_expect(&x, JS, calls[i].fields == too_large ? 413 : 400, "\"title\":\"");
            sealed_done(&x);
        }
}

static void failures_of_functions(void)
{
    static const struct {
        const char *body;
        uint32_t function;
        unsigned http_status;
        tfaas_status_t outcome;
    } cases[] = {{"throw", JS, 500, TFAAS_FUNCTION_FAILED},
                 {"r", LOOPS, 500, TFAAS_FUNCTION_TRAPPED},
                 {"k", LOOPS, 200, TFAAS_OK}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            struct exchange x = {
                .call = {.form = form,
                         .path = cases[i].function == JS ? "/function/js" : "/function/loops",
                         .body = cases[i].body,
                         .body_size = strlen(cases[i].body)}};
            sealed_exchange(&x, cases[i].function);
            CHECK(x.reply.opened && x.reply.http_status == cases[i].http_status, "%s: %u %s",
                  cases[i].body, x.reply.http_status, x.reply.why);
            CHECK(!x.reply.opened || !strstr((char *)x.reply.content, "not for callers"), "%s",
                  x.reply.content);
            sealed_done(&x);
        }
}

/* A call with this body and deadline. */
static struct exchange until_deadline(unsigned form, const char *body, uint64_t deadline_ns)
{
    struct exchange x = {
        .call = {.form = form, .path = "/function/loops", .body = body, .body_size = 1}};
    sealed_prepare(&x);
    CHECK(client_run(&sealed_core, LOOPS, &x.call, deadline_ns, &x.answer), "gone");
    client_open(&x.call, x.answer.core.bytes, x.answer.core.size, &x.reply);
    return x;
}

/* 'z' sleeps, 'e' never leaves Wasm, 'h' sits in host calls: woken, abandoned, stopped. */
static void deadlines(void)
{
    static const char *const bodies[] = {"z", "e", "h", "f", "y"};
    for (unsigned i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            struct exchange x = until_deadline(form, bodies[i], 50000000);
            /* A core that did not run for the second that it has to say so: once more. */
            for (unsigned again = 0; !x.reply.opened && again < 5; again++) {
                sealed_done(&x);
                x = until_deadline(form, bodies[i], 50000000);
            }
            CHECK(x.answer.core.status == TFAAS_OK && x.answer.outcome == TFAAS_DEADLINE, "%s: %s",
                  bodies[i], tfaas_status_name(x.answer.core.status));
            CHECK(x.reply.opened && x.reply.http_status == 504, "%s, %s: %u %s", bodies[i],
                  sealed_form_name(form), x.reply.http_status, x.reply.why);
            sealed_done(&x);
        }
}

/* It had answered, and then did not end: the answer stands, the stream is cut or whole. */
static void answer_then_spin(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        uint64_t deadline_ns = SECOND / 10;
        struct exchange x = until_deadline(form, "a", deadline_ns);
        /* Not even the answer before the deadline: a slow machine needs more time. */
        while (x.reply.opened && x.reply.http_status == 504 && deadline_ns < 60 * SECOND) {
            sealed_done(&x);
            deadline_ns *= 5;
            x = until_deadline(form, "a", deadline_ns);
        }
        CHECK(x.reply.opened && x.reply.http_status == 200 && x.reply.content_size == 5,
              "%s: %u %s", sealed_form_name(form), x.reply.http_status, x.reply.why);
        CHECK(x.answer.core.status == TFAAS_DEADLINE, "%s",
              tfaas_status_name(x.answer.core.status));
        sealed_done(&x);
    }
}

static void cancelled(void)
{
    static const char *const bodies[] = {"z", "e"};
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    for (unsigned n = 0; n < FORMS * 2; n++) {
        struct exchange x = {.call = {.form = 1 + n % FORMS,
                                      .path = "/function/loops",
                                      .body = bodies[n / FORMS],
                                      .body_size = 1}};
        sealed_prepare(&x);
        uint32_t id = client_invoke(&sealed_core, LOOPS, &x.call, x.call.sealed_size, 20 * SECOND,
                                    client_now_s() * SECOND);
        (void)usleep(20000);
        core_send(&sealed_core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = id}, NULL, 0);
        struct tfaas_slot slot;
        bool came = core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS);
        CHECK(came && slot.id == id && slot.flags & TFAAS_END && slot.size == 0 &&
                  slot.arg[0] == TFAAS_CANCELLED,
              "kind %u, %s", slot.kind, tfaas_status_name((unsigned)slot.arg[0]));
        sealed_done(&x);
    }
}

/* The request breaks when half of the answer is out: what follows is no end that opens. */
static void cut_after_it_began(void)
{
    uint8_t *body = numbers(400000);
    for (unsigned form = TFAAS_SEALING_CHUNKED; form <= FORMS; form++) {
        struct exchange x = {
            .call = {.form = form, .path = "/function/echo", .body = body, .body_size = 400000}};
        sealed_prepare(&x);
        x.call.sealed[x.call.sealed_size - 1] ^= 1;
        sealed_exchange(&x, ECHO);
        CHECK(!x.reply.opened && x.reply.opened_size > 100000 &&
                  x.answer.core.status == TFAAS_NOT_OPENED,
              "%s: %zu bytes opened, %s", sealed_form_name(form), x.reply.opened_size,
              tfaas_status_name(x.answer.core.status));
        sealed_done(&x);
    }
    free(body);
}

/* --- bounds --- */

static void too_large(void)
{
    uint8_t *body = numbers(2000000);
    struct exchange request = {.call = {.form = TFAAS_SEALING_OHTTP,
                                        .path = "/function/echo",
                                        .body = body,
                                        .body_size = 1100000}};
    sealed_refused(&request, ECHO, TFAAS_TOO_LARGE);
    sealed_done(&request);
    /* Just fits as a request; as a response it does not, with what the core adds. */
    struct exchange response = {.call = {.form = TFAAS_SEALING_OHTTP,
                                         .path = "/function/echo",
                                         .body = body,
                                         .body_size = (1u << 20) - 500}};
    sealed_expect(&response, ECHO, 507, "output-limit");
    sealed_done(&response);
    free(body);
}

static void not_loaded(void)
{
    struct exchange x = {.call = {.form = TFAAS_SEALING_OHTTP, .path = "/function/none"}};
    sealed_refused(&x, 99, TFAAS_NOT_FOUND);
    sealed_done(&x);
}

static void nothing_leaked(void)
{
    CHECK(sealed_leaks == 0, "%u payloads held plaintext", sealed_leaks);
    uint8_t *window = sealed_core.window;
    CHECK(!memmem(window, TFAAS_WINDOW_SIZE, CANARY, sizeof CANARY - 1), "it is in the window");
    /* The watch works: a plain call shows its content. */
    struct core_answer answer;
    CHECK(core_test_call(&sealed_core, ECHO, CANARY, sizeof CANARY - 1, 20 * SECOND, &answer),
          "gone");
    CHECK(memmem(window, TFAAS_WINDOW_SIZE, CANARY, sizeof CANARY - 1), "the watch is blind");
    core_answer_free(&answer);
}

int main(int argc, char **argv)
{
    sealed_test_prepare();
    sealed_test_start("shop");
    static const struct check_case cases[] = {
        {"every form", every_form},
        {"paths", paths},
        {"large streams", large_streams},
        {"HEAD has no content", head_has_no_content},
        {"both ways at once", both_ways_at_once},
        {"any function", any_function},
        {"other functions", other_functions},
        {"packages", packages},
        {"malformed inside", malformed_inside},
        {"failures of functions", failures_of_functions},
        {"deadlines", deadlines},
        {"answer, then spin", answer_then_spin},
        {"cancelled", cancelled},
        {"cut after it began", cut_after_it_began},
        {"too large", too_large},
        {"not loaded", not_loaded},
        {"nothing leaked", nothing_leaked},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    sealed_test_stop();
    return status;
}
