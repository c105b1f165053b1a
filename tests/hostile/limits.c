/*
 * limits.c - functions that ask for too much, and modules that must be refused: each gets its own
 * clear end, and the next call is right.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/core_tender.c host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "core_test.h"

#include <stdlib.h>

#define SECOND 1000000000ull

static struct core_child core;
static uint32_t next_id = 100;

/* The function under test goes on well after its bomb. */
static void still_well(uint32_t function)
{
    core_test_expect(&core, function, "x", "refused");
}

static uint32_t bomb(uint64_t memory, uint64_t response, uint64_t log, uint64_t hostcalls)
{
    struct core_config config = core_test_wasm("bomb");
    config.memory_limit = memory;
    config.response_limit = response;
    config.log_limit = log;
    config.hostcall_limit = hostcalls;
    core_test_load(&core, ++next_id, config);
    return next_id;
}

static void memory_bomb(void)
{
    uint32_t f = bomb(32u << 20, 0, 0, 0);
    struct core_answer answer;
    CHECK(core_test_call(&core, f, "m", 1, 20 * SECOND, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_MEMORY_LIMIT && strstr(answer.log, "33554432"), "%s: %s",
          tfaas_status_name(answer.status), answer.log);
    CHECK(answer.peak > 30u << 20 && answer.peak <= 32u << 20, "peak %lu", answer.peak);
    still_well(f);
    core_test_expect(&core, f, "n", "refused"); /* a function may live with the refusal */
    core_test_expect(&core, f, "g", "refused");
    still_well(f);
}

static void table_bomb(void)
{
    uint32_t f = bomb(0, 0, 0, 0);
    core_test_expect(&core, f, "t", "refused");
    still_well(f);
}

static void output_bomb(void)
{
    uint32_t f = bomb(0, 200000, 0, 0);
    struct core_answer answer;
    CHECK(core_test_call(&core, f, "o", 1, 20 * SECOND, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_OUTPUT_LIMIT && answer.size <= 200000, "%s after %zu bytes",
          tfaas_status_name(answer.status), answer.size);
    core_answer_free(&answer);
    still_well(f);
}

/* Without new credit the function waits; its deadline ends that too. */
static void reader_that_does_not_read(void)
{
    uint32_t f = bomb(0, 64u << 20, 0, 0);
    struct core_answer answer;
    CHECK(core_test_call(&core, f, "o", 1, SECOND / 10, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_DEADLINE && answer.size <= TFAAS_STREAM_WINDOW, "%s after %zu",
          tfaas_status_name(answer.status), answer.size);
    core_answer_free(&answer);
    still_well(f);
}

static void log_bomb(void)
{
    uint32_t f = bomb(0, 0, 3000, 0);
    struct core_answer answer;
    CHECK(core_test_call(&core, f, "l", 1, 20 * SECOND, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_OK, "%s", tfaas_status_name(answer.status));
    const char *notice = strstr(answer.log, "log limit reached");
    CHECK(notice && !strstr(notice + 1, "log limit reached"), "no notice, or two: %s", answer.log);
    CHECK(answer.log_size > 2000 && answer.log_size < 3100, "%zu bytes of log", answer.log_size);
    core_answer_free(&answer);
    still_well(f);
}

static void host_calls(void)
{
    uint32_t f = bomb(0, 0, 0, 1000);
    core_test_ends(&core, f, "h", 20 * SECOND, TFAAS_HOSTCALL_LIMIT);
    still_well(f);
}

static void bad_response(void)
{
    core_test_load(&core, ++next_id, core_test_wasm("bad_response"));
    core_test_ends(&core, next_id, "x", 20 * SECOND, TFAAS_BAD_RESPONSE);
}

/* --- modules that are refused --- */

static void refused_modules(void)
{
    static const struct {
        const char *name, *text;
        tfaas_status_t status;
    } modules[] = {
        {"unknown_imports", "env::open_socket", TFAAS_BAD_MODULE},
        {"wrong_import_type", "tfaas::sleep", TFAAS_BAD_MODULE},
        {"imported_memory", "import", TFAAS_BAD_MODULE},
        {"wrong_export", "tfaas_handle", TFAAS_BAD_MODULE},
        {"export_is_global", "tfaas_handle", TFAAS_BAD_MODULE},
        {"no_memory", "memory", TFAAS_BAD_MODULE},
        {"no_entry", "_start", TFAAS_BAD_MODULE},
        {"two_memories", "memor", TFAAS_BAD_MODULE},
        {"memory_4g", "4294967296", TFAAS_MEMORY_LIMIT},
        {"data_out_of_bounds", "segment", TFAAS_BAD_MODULE},
        {"table_4g", "table", TFAAS_BAD_MODULE},
        {"elements_out_of_bounds", "table", TFAAS_BAD_MODULE},
        {"start_traps", "unreachable", TFAAS_FUNCTION_TRAPPED},
    };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        (void)printf("       %s\n", modules[i].name);
        core_test_refused(&core, ++next_id, core_test_wasm(modules[i].name), modules[i].status,
                          modules[i].text);
        core_test_ends(&core, next_id, "x", 20 * SECOND, modules[i].status);
    }
}

static void truncated_modules(void)
{
    struct core_config whole = core_test_wasm("loops");
    struct span module = {whole.files[0].content, whole.files[0].size};
    unsigned count = 0;
    for (size_t size = 1; size < module.size; size += 97, count++)
        core_test_refused(&core, ++next_id, core_test_bytes(module.data, size), TFAAS_BAD_MODULE,
                          "");
    CHECK(count > 20, "only %u truncated modules", count);
}

struct bytes {
    uint8_t *data;
    size_t size;
};

static void put(struct bytes *to, const void *from, size_t size)
{
    memcpy(to->data + to->size, from, size);
    to->size += size;
}

static void put_leb(struct bytes *to, uint32_t value)
{
    do
        to->data[to->size++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    while (value >>= 7);
}

/* A module with `count` functions of this body (locals, code, end), one memory, one entry. */
static struct bytes many_functions(uint32_t count, const uint8_t *body, size_t body_size)
{
    struct bytes m = {malloc(200 + count * (body_size + 8)), 0}, part;
    part = (struct bytes){malloc(200 + count * (body_size + 8)), 0};
    put(&m, "\0asm\1\0\0\0\1\5\1\x60\0\1\x7f", 15);
    put_leb(&part, count);
    memset(part.data + part.size, 0, count);
    part.size += count;
    put(&m, "\3", 1);
    put_leb(&m, (uint32_t)part.size);
    put(&m, part.data, part.size);
    put(&m, "\5\3\1\0\1\7\x19\2\6memory\2\0\xctfaas_handle\0\0\xa", 5 + 28);
    part.size = 0;
    put_leb(&part, count);
    for (uint32_t i = 0; i < count; i++) {
        put_leb(&part, (uint32_t)body_size);
        put(&part, body, body_size);
    }
    put_leb(&m, (uint32_t)part.size);
    put(&m, part.data, part.size);
    free(part.data);
    return m;
}

static void million_functions(void)
{
    static const uint8_t body[] = {0, 0x41, 0, 0x0b};
    struct bytes m = many_functions(1, body, sizeof body);
    core_test_load(&core, ++next_id, core_test_bytes(m.data, m.size)); /* the form is right */
    free(m.data);
    m = many_functions(1000000, body, sizeof body);
    core_test_refused(&core, ++next_id, core_test_bytes(m.data, m.size), TFAAS_BAD_MODULE,
                      "more than 200000 functions");
    free(m.data);
    core_test_expect(&core, 1, "args", "tfaas /function/function.wasm");
}

static void nested(uint32_t depth, bool refused)
{
    size_t size = 1 + depth * 3 + 3;
    uint8_t *body = calloc(1, size);
    for (uint32_t i = 0; i < depth; i++) {
        body[1 + 2 * i] = 0x02; /* block without a result */
        body[2 + 2 * i] = 0x40;
        body[1 + 2 * depth + i] = 0x0b;
    }
    memcpy(body + size - 3, "\x41\0\x0b", 3);
    struct bytes m = many_functions(1, body, size);
    struct core_config config = core_test_bytes(m.data, m.size);
    if (refused) {
        core_test_refused(&core, ++next_id, config, TFAAS_BAD_MODULE, "nest");
    } else {
        core_test_load(&core, ++next_id, config);
        core_test_ends(&core, next_id, "x", 20 * SECOND, TFAAS_FUNCTION_FAILED); /* no response */
    }
    free(m.data);
    free(body);
}

static void deep_nesting(void)
{
    nested(100, false);
    nested(9000, false);
    nested(20000, true);
    nested(200000, true);
}

/* --- the queue --- */

static void busy(void)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    core_test_load(&core, ++next_id, core_test_wasm("sleeps"));
    uint32_t first = core.next_id + 1;
    for (unsigned i = 0; i < TFAAS_INFLIGHT_MAX + 3; i++)
        (void)core_begin(&core, next_id, "GET", "/", NULL, NULL, 0, true, 60 * SECOND);
    unsigned refused = 0, ended = 0;
    struct tfaas_slot slot;
    while (refused + ended < TFAAS_INFLIGHT_MAX + 3 &&
           core_receive(&core, &slot, payload, CORE_PATIENCE_MS)) {
        if (!(slot.flags & TFAAS_END))
            continue;
        if (slot.arg[0] == TFAAS_BUSY) {
            refused++;
            CHECK(slot.id >= first + TFAAS_INFLIGHT_MAX, "call %u was refused", slot.id - first);
            for (uint32_t id = first; refused == 3 && id < first + TFAAS_INFLIGHT_MAX; id++)
                core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = id}, NULL, 0);
        } else {
            ended++;
            CHECK(slot.arg[0] == TFAAS_CANCELLED, "%s", tfaas_status_name((unsigned)slot.arg[0]));
        }
        for (uint32_t i = 0; refused == 3 && ended == 0 && i < TFAAS_INFLIGHT_MAX; i++)
            core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = first + i}, NULL, 0);
    }
    CHECK(refused == 3 && ended == TFAAS_INFLIGHT_MAX, "%u refused, %u ended", refused, ended);
    core_test_expect(&core, 1, "args", "tfaas /function/function.wasm");
}

static void unknown_function(void)
{
    core_test_ends(&core, 4000, "x", 20 * SECOND, TFAAS_NOT_FOUND);
}

/* --- what a function may read --- */

static void files_and_secrets(void)
{
    core_test_expect(&core, 1, "cat /var/openfaas/secrets/token", "s3cret\n");
    core_test_expect(&core, 1, "cat /function/data/table.txt", "1 2 3");
    core_test_expect(&core, 1, "cat /function/../var/openfaas/secrets/token", "s3cret\n");
    core_test_expect(&core, 1, "cat /function/../../../../etc/passwd", "errno ENOENT");
    core_test_expect(&core, 1, "cat /etc/passwd", "errno ENOENT");
    core_test_expect(&core, 1, "cat /proc/self/environ", "errno ENOENT");
    core_test_expect(&core, 1, "cat /var/openfaas/secrets/other", "errno ENOENT");
    core_test_expect(&core, 1, "cat /var/openfaas/secrets/../secrets/./token", "s3cret\n");
    core_test_expect(&core, 1, "write /function/data/table.txt", "refused");
    core_test_expect(&core, 1, "write /tmp/new", "refused");
    core_test_expect(&core, 1, "env COLOUR", "blue");
    core_test_expect(&core, 1, "env PATH", "unset");
    core_test_expect(&core, 1, "env Http_Method", "POST");
    core_test_expect(&core, 1, "args", "tfaas /function/function.wasm");
    core_test_expect(&core, 2, "cat /var/openfaas/secrets/token", "errno ENOENT");
    core_test_expect(&core, 2, "env COLOUR", "unset");
}

static void exit_codes(void)
{
    struct core_answer answer;
    core_test_expect(&core, 1, "exit 0", "");
    CHECK(core_test_call(&core, 1, "exit 3", 6, 20 * SECOND, &answer), "the core is gone");
    CHECK(core_http_status(&answer) == 500, "http %u", core_http_status(&answer));
    CHECK(strstr(answer.log, "exit code 3"), "the log does not say it: %s", answer.log);
    core_answer_free(&answer);
}

static struct span text(const char *of)
{
    return (struct span){(const uint8_t *)of, strlen(of)};
}

int main(int argc, char **argv)
{
    core_test_prepare();
    core_child_start(&core);
    struct core_config config = core_test_wasm("command_files");
    core_test_load(&core, 2, config);
    config.files[1] = (struct core_file){"data/table.txt", "1 2 3", 5};
    config.secrets[0] = (struct bundle_pair){text("token"), text("s3cret\n")};
    config.env[0] = (struct bundle_pair){text("COLOUR"), text("blue")};
    config.secret_count = config.env_count = 1;
    core_test_load(&core, 1, config);
    static const struct check_case cases[] = {
        {"memory bomb", memory_bomb},
        {"table bomb", table_bomb},
        {"output bomb", output_bomb},
        {"reader that does not read", reader_that_does_not_read},
        {"log bomb", log_bomb},
        {"host calls", host_calls},
        {"bad response", bad_response},
        {"refused modules", refused_modules},
        {"truncated modules", truncated_modules},
        {"million functions", million_functions},
        {"deep nesting", deep_nesting},
        {"busy", busy},
        {"unknown function", unknown_function},
        {"files and secrets", files_and_secrets},
        {"exit codes", exit_codes},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&core);
    return status;
}
