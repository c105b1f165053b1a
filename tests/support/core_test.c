/* core_test.c - see core_test.h. Test code: what cannot go on ends the test. */
#include "core_test.h"

#include "core.h"
#include "plat/linux/linux.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void give_up(const char *what, const char *name)
{
    (void)printf("cannot go on: %s %s\n", what, name);
    (void)printf("0 passed, 1 failed\n");
    exit(1);
}

void core_test_prepare(void)
{
    const char *why = plat_linux_prepare(); /* the clock of this program is the core's */
    static const uint8_t measurement[PLAT_MEASUREMENT_SIZE] = "a core of tests";
    if (!why && core_child_of_tender())
        return; /* the tender's cores make themselves ready */
    (void)plat_linux_report_prepare(measurement);
    if (why || !core_prepare(&why))
        give_up("the core is not ready:", why);
}

struct span core_test_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0)
        give_up("no file", path);
    long size = ftell(in);
    uint8_t *bytes = size > 0 ? malloc((size_t)size) : NULL;
    rewind(in);
    if (!bytes || fread(bytes, 1, (size_t)size, in) != (size_t)size)
        give_up("cannot read", path);
    (void)fclose(in);
    return (struct span){bytes, (size_t)size};
}

struct core_config core_test_bytes(const void *module, size_t size)
{
    return (struct core_config){
        .runtime = "wasm", .entry = "function.wasm", .files = {{"function.wasm", module, size}}};
}

struct core_config core_test_wasm(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "build/tests/functions/%s.wasm", name);
    struct span module = core_test_file(path);
    return core_test_bytes(module.data, module.size);
}

struct core_config core_test_js(const char *source)
{
    return (struct core_config){
        .runtime = "js", .entry = "handler.js", .files = {{"handler.js", source, strlen(source)}}};
}

void core_test_load(struct core_child *core, uint32_t id, struct core_config config)
{
    struct core_answer answer;
    core_load(core, id, &config, &answer);
    if (answer.status != TFAAS_OK)
        give_up("a function of the test was refused:", answer.fault);
}

void core_test_refused(struct core_child *core, uint32_t id, struct core_config config,
                       tfaas_status_t status, const char *text)
{
    struct core_answer answer;
    core_load(core, id, &config, &answer);
    CHECK(answer.status == status, "status %s, expected %s (%s)", tfaas_status_name(answer.status),
          tfaas_status_name(status), answer.fault);
    CHECK(strstr(answer.fault, text), "\"%s\" does not say \"%s\"", answer.fault, text);
}

bool core_test_call(struct core_child *core, uint32_t id, const void *body, size_t size,
                    uint64_t deadline_ns, struct core_answer *answer)
{
    uint32_t call = core_begin(core, id, "POST", "/", NULL, body, size, true, deadline_ns);
    return core_wait(core, call, answer);
}

void core_test_expect(struct core_child *core, uint32_t id, const char *body, const char *content)
{
    struct core_answer answer;
    bool alive = core_test_call(core, id, body, strlen(body), 20000000000u, &answer);
    CHECK(alive, "the core is gone");
    struct span got = core_content(&answer);
    CHECK(answer.status == TFAAS_OK && core_http_status(&answer) == 200,
          "function %u: %s, http %u: %s", id, tfaas_status_name(answer.status),
          core_http_status(&answer), answer.log);
    CHECK(got.size == strlen(content) && memcmp(got.data, content, got.size) == 0,
          "function %u said \"%.*s\", expected \"%s\"", id, (int)(got.size < 400 ? got.size : 400),
          (const char *)got.data, content);
    core_answer_free(&answer);
}

void core_test_ends(struct core_child *core, uint32_t id, const char *body, uint64_t deadline_ns,
                    tfaas_status_t status)
{
    struct core_answer answer;
    bool alive = core_test_call(core, id, body, strlen(body), deadline_ns, &answer);
    CHECK(alive, "the core is gone");
    CHECK(answer.status == status, "function %u, \"%s\": %s, expected %s: %s", id, body,
          tfaas_status_name(answer.status), tfaas_status_name(status), answer.log);
    core_answer_free(&answer);
}

bool core_test_alive(const struct core_child *core)
{
    return kill(core->pid, 0) == 0;
}

long core_test_memory_kib(const struct core_child *core, const char *field)
{
    const char *files[] = {"smaps_rollup", "status"};
    size_t size = strlen(field);
    for (size_t i = 0; i < 2; i++) {
        char path[64], line[256];
        (void)snprintf(path, sizeof path, "/proc/%d/%s", core->pid, files[i]);
        FILE *in = fopen(path, "r");
        long value = -1;
        while (in && value < 0 && fgets(line, sizeof line, in)) {
            if (strncmp(line, field, size) == 0 && line[size] == ':')
                value = atol(line + size + 1);
        }
        if (in)
            (void)fclose(in);
        if (value >= 0)
            return value;
    }
    give_up("no memory field", field);
    return 0;
}

uint64_t core_test_now_ns(void)
{
    return plat_now_ns();
}

uint64_t core_test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}
