/* needs: core/wasi.c core/wasi_fs.c core/wasi_command.c core/primitives.c core/primitives_curve.c core/vfs.c common/bhttp.c common/sha256.c libs: sodium bearssl */
/*
 * wasi_command.c - tests of core/wasi_command.c: the head out of a stream in any pieces, stdin and
 * stdout as content, the environment the watchdogs give, and how a command ends.
 */
#include "fake_invocation.h"

/* --- commands --- */

/* The strings of args or environ, joined by '|'. */
static void get_strings(const char *sizes, const char *get, char *out, size_t out_size)
{
    assert_int_equal(CALL(sizes, 0, 4), OK);
    uint32_t count = (uint32_t)peek(0, 4), size = (uint32_t)peek(4, 4);
    uint32_t bytes = MEMORY_SIZE - size, pointers = bytes - 4 * count; /* exactly fits */
    assert_int_equal(CALL(get, pointers, bytes), OK);
    out[0] = 0;
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)peek(pointers + 4 * i, 4);
        assert_int_equal(at, bytes + used);
        size_t had = strlen(out);
        used += strlen((char *)fake.memory + at) + 1;
        snprintf(out + had, out_size - had, "%s|", (char *)fake.memory + at);
    }
    assert_int_equal(used, size);
    if (size > 0) { /* one byte less is refused */
        assert_int_equal(CALL(get, pointers, bytes + 1), FAULT);
        assert_int_equal(CALL(get, MEMORY_SIZE - 4 * count + 1, 0), FAULT);
    }
}

static void test_command_environment(void **state)
{
    (void)state;
    char strings[2000];
    set_up(FUNCTION_COMMAND);
    set_request(
        "POST", "/a%20b%00%zz/c?x=1&y=%20",
        "content-type: text/plain\ncontent-length: 7\nx-forwarded-for: 1.2.3.4\n"
        "accept: a\naccept: b\nmethod: FORGED\nhost: forged\nx_forwarded_for: forged\nx--y: z\n",
        "content", 7);
    assert_int_equal(wasi_command_begin(&run), TFAAS_OK);
    get_strings("environ_sizes_get", "environ_get", strings, sizeof(strings));
    assert_string_equal(strings,
                        "GREETING=hello world|Http_Content_Type=text/plain|Http_Content_Length=7|"
                        "Http_X_Forwarded_For=1.2.3.4|Http_Accept=a|Http_X__Y=z|Http_Method=POST|"
                        "Http_Query=x=1&y=%20|Http_Path=/a b%00%zz/c|Http_Host=example.com|");
    get_strings("args_sizes_get", "args_get", strings, sizeof(strings));
    assert_string_equal(strings, "tfaas|/function/main.wasm|");
    env_pairs[1] = (struct bundle_pair){text("fprocess"), text("  cat  /var/x ")};
    function.bundle.env_count = 2;
    get_strings("args_sizes_get", "args_get", strings, sizeof(strings));
    assert_string_equal(strings, "cat|/var/x|");
    env_pairs[1].value = text("   ");
    get_strings("args_sizes_get", "args_get", strings, sizeof(strings));
    assert_string_equal(strings, "tfaas|/function/main.wasm|");
    tear_down();

    set_up(FUNCTION_REACTOR); /* a reactor reads its head itself */
    get_strings("environ_sizes_get", "environ_get", strings, sizeof(strings));
    assert_string_equal(strings, "GREETING=hello world|");
    tear_down();
}

static void expect_response(unsigned status, const char *type, const void *content, size_t size)
{
    struct bhttp_head head;
    const char *why;
    struct span name, value;
    size_t at = 0;
    assert_int_equal(bhttp_read_head(fake.response, fake.response_size, &head, &why), TFAAS_OK);
    assert_true(head.is_response);
    assert_int_equal(head.status, status);
    assert_true(bhttp_next_field(head.fields, &at, &name, &value));
    assert_true(span_is(name, "content-type"));
    assert_true(span_is(value, type));
    assert_int_equal(fake.response_size - head.size, size);
    assert_memory_equal(fake.response + head.size, content, size);
    assert_true(fake.response_last);
}

/* cat: stdin to stdout, whatever the pieces; the content comes back whole and in order. */
static void test_command_cat(void **state)
{
    (void)state;
    const size_t pieces[] = {0, 1, 7, 100, 20000};
    static uint8_t content[100000];
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 31 + i / 251);
    for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
        set_up(FUNCTION_COMMAND);
        size_t size = pieces[k] == 1 ? 500 : sizeof(content);
        set_request("POST", "/", "", content, size);
        fake.pieces = pieces[k];
        assert_int_equal(wasi_command_begin(&run), TFAAS_OK);
        for (;;) {
            poke_iovec(0, 1000, 0);
            poke_iovec(8, 4096, 30000);
            assert_int_equal(CALL("fd_read", 0, 0, 2, 604), OK);
            uint32_t got = (uint32_t)peek(604, 4);
            if (got == 0)
                break;
            poke_iovec(0, 4096, got / 3);
            poke_iovec(8, 4096 + got / 3, got - got / 3);
            assert_int_equal(CALL("fd_write", 1, 0, 2, 604), OK);
            assert_int_equal(peek(604, 4), got);
        }
        wasi_command_end(&run);
        assert_int_equal(run.stop, TFAAS_OK);
        expect_response(200, "text/plain", content, size);
        tear_down();
    }
}

static void test_command_head_in_pieces(void **state)
{
    (void)state;
    static char fields[40000];
    size_t at = 0;
    for (int i = 0; i < 200; i++)
        at += (size_t)snprintf(fields + at, sizeof(fields) - at, "x-%d: %0150d\n", i, i);
    for (size_t pieces = 1; pieces < 50000; pieces = pieces * 3 + 1) {
        set_up(FUNCTION_COMMAND);
        set_request("PUT", "/long", fields, "tail", 4);
        fake.pieces = pieces;
        assert_int_equal(wasi_command_begin(&run), TFAAS_OK);
        assert_true(span_is(run.head.path, "/long"));
        poke_iovec(0, 4096, 100);
        size_t got = 0;
        do {
            assert_int_equal(CALL("fd_read", 0, 0, 1, 604), OK);
            got += peek(604, 4);
        } while (peek(604, 4) > 0);
        assert_int_equal(got, 4);
        tear_down();
    }
}

static void test_command_bad_heads(void **state)
{
    (void)state;
    set_up(FUNCTION_COMMAND);
    set_request("GET", "/", "", "", 0);
    fake.request_size--; /* ends inside the head */
    assert_int_equal(wasi_command_begin(&run), TFAAS_BAD_REQUEST);
    tear_down();
    set_up(FUNCTION_COMMAND);
    assert_int_equal(wasi_command_begin(&run), TFAAS_BAD_REQUEST); /* nothing at all */
    tear_down();
    set_up(FUNCTION_COMMAND);
    fake.request_size = response_head(fake.request, sizeof(fake.request), 200);
    assert_int_equal(wasi_command_begin(&run), TFAAS_BAD_REQUEST);
    tear_down();
    set_up(FUNCTION_COMMAND);
    memset(fake.request, 0xff, 1000);
    fake.request[0] = 0;
    fake.request_size = 1000;
    assert_int_equal(wasi_command_begin(&run), TFAAS_TOO_LARGE);
    tear_down();
    set_up(FUNCTION_COMMAND);
    set_request("GET", "/", "", "", 0);
    fake.refuse = true;
    assert_int_equal(wasi_command_begin(&run), TFAAS_CANCELLED);
    tear_down();
}

static void begin_command(const char *fields)
{
    set_up(FUNCTION_COMMAND);
    set_request("GET", "/", fields, "", 0);
    assert_int_equal(wasi_command_begin(&run), TFAAS_OK);
    poke(3000, "out", 3);
    poke_iovec(0, 3000, 3);
}

static void test_command_ends(void **state)
{
    (void)state;
    begin_command(""); /* nothing written */
    wasi_command_end(&run);
    expect_response(200, "text/plain", "", 0);
    assert_false(run.response_started); /* the sender's flag: it picks RESPONSE or BODY by it */
    wasi_command_end(&run);             /* once is enough */
    assert_int_equal(fake.writes, 1);
    tear_down();

    begin_command("content-type: application/json\n"); /* the caller's type, as the watchdog */
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), OK);
    wasi_command_end(&run);
    expect_response(200, "application/json", "out", 3);
    tear_down();

    begin_command("content-type: application/json\n"); /* the owner's type wins */
    env_pairs[1] = (struct bundle_pair){text("content_type"), text("text/html")};
    function.bundle.env_count = 2;
    wasi_command_end(&run);
    expect_response(200, "text/html", "", 0);
    tear_down();

    begin_command(""); /* but cannot split the head */
    env_pairs[1] = (struct bundle_pair){text("content_type"), text("a\r\nx: y")};
    function.bundle.env_count = 2;
    wasi_command_end(&run);
    expect_response(200, "text/plain", "", 0);
    tear_down();

    begin_command(""); /* failed, nothing sent: what it wrote is dropped */
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), OK);
    run.exit_code = 3;
    wasi_command_end(&run);
    expect_response(500, "text/plain", "function failed\n", 16);
    tear_down();

    begin_command(""); /* failed after 200 went out: the stream is cut */
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), OK);
    assert_int_equal(call_args("sched_yield", NULL, 0), OK); /* flushes before it blocks */
    assert_int_equal(fake.writes, 1);
    run.exit_code = 3;
    wasi_command_end(&run);
    assert_int_equal(run.stop, TFAAS_FUNCTION_FAILED);
    assert_false(fake.response_last);
    tear_down();

    begin_command(""); /* stopped: the host answers */
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), OK);
    run.stop = TFAAS_DEADLINE;
    wasi_command_end(&run);
    assert_int_equal(fake.writes, 0);
    tear_down();

    begin_command("");
    assert_int_equal(CALL("fd_write", 2, 0, 1, 604), OK);
    assert_string_equal(fake.log, "out");
    assert_int_equal(CALL("request_read", 0, 10), -NOTSUP);
    assert_int_equal(CALL("response_write", 0, 10, 1), -NOTSUP);
    assert_int_equal(CALL("fd_close", 1), OK);
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), BADF);
    tear_down();
}

static void test_command_output_refused(void **state)
{
    (void)state;
    begin_command("");
    fake.refuse = true;
    memset(fake.memory + 8192, 'x', 40000);
    poke_iovec(0, 8192, 40000);
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), CANCELED);
    assert_int_equal(run.stop, TFAAS_OUTPUT_LIMIT);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_environment),
        cmocka_unit_test(test_command_cat),
        cmocka_unit_test(test_command_head_in_pieces),
        cmocka_unit_test(test_command_bad_heads),
        cmocka_unit_test(test_command_ends),
        cmocka_unit_test(test_command_output_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
