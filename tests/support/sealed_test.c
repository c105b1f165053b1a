/* sealed_test.c - see sealed_test.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sealed_test.h"

#include "plat/linux/linux.h"

#include <stdlib.h>

struct core_child sealed_core;
struct ohttp_key_config sealed_config;
struct client_session sealed_session;
unsigned sealed_leaks;

static struct watch {
    uint8_t bytes[64];
    size_t size;
} watches[8];
static unsigned watch_count;

static void look(const void *at, size_t size)
{
    for (unsigned i = 0; i < watch_count; i++)
        if (memmem(at, size, watches[i].bytes, watches[i].size))
            sealed_leaks++;
}

static void tap(const struct tfaas_slot *slot, const uint8_t *payload)
{
    look(slot, sizeof *slot);
    look(payload, slot->size);
}

void sealed_watch(const void *bytes, size_t size)
{
    struct watch *watch = &watches[watch_count++ % 8];
    memcpy(watch->bytes, bytes, size);
    watch->size = size;
}

void sealed_test_prepare(void)
{
    core_test_prepare();
    identity_double_make();
    sealed_config = identity_double_config();
    client_tap = tap;
    sealed_watch(CANARY, sizeof CANARY - 1);
}

static void load(uint32_t id, const char *name, struct core_config config)
{
    config.name = name;
    core_test_load(&sealed_core, id, config);
}

void sealed_test_start(const char *domain)
{
    static const char show[] =
        "module.exports = async (event, context) => {\n"
        "  if (event.body === 'throw') throw new Error('not for callers');\n"
        "  return context.status(201).headers({'tfaas-package': 'forged', 'x-own': 'yes',\n"
        "    'content-type': 'application/json'})\n"
        "    .succeed({method: event.method, path: event.path, query: event.query,\n"
        "      headers: event.headers, body: event.body});\n"
        "};\n";
    plat_linux_domain(PLAT_WORKER, domain);
    core_child_start(&sealed_core);
    load(ECHO, "echo", core_test_wasm("command_echo"));
    struct core_config loops = core_test_wasm("loops");
    loops.hostcall_limit = 1000000000; /* deadlines come first */
    load(LOOPS, "loops", loops);
    load(JS, "js", core_test_js(show));
    load(EARLY, "early", core_test_wasm("early"));
    load(UNREAD, "unread", core_test_wasm("unread"));
    static const char *const fields[] = {"tfaas-session", "1", NULL};
    struct exchange x = {
        .call = {.form = TFAAS_SEALING_OHTTP, .path = "/function/echo", .fields = fields}};
    sealed_exchange(&x, ECHO);
    if (!client_session_of(&x.call, &x.reply, &sealed_session)) {
        (void)printf("no session: %s\n0 passed, 1 failed\n", x.reply.why);
        exit(1);
    }
    sealed_done(&x);
}

void sealed_test_stop(void)
{
    look(sealed_core.window, TFAAS_WINDOW_SIZE);
    core_child_stop(&sealed_core);
}

void sealed_prepare(struct exchange *x)
{
    if (x->call.form == TFAAS_SEALING_SESSION)
        client_seal_session(&x->call, &sealed_session, 0);
    else
        client_seal(&x->call, &sealed_config);
}

void sealed_exchange(struct exchange *x, uint32_t function)
{
    if (!x->call.sealed)
        sealed_prepare(x);
    bool alive = client_run(&sealed_core, function, &x->call, 20 * SECOND, &x->answer);
    CHECK(alive, "the core is gone");
    if (!alive) {
        (void)printf("0 passed, 1 failed\n");
        exit(1);
    }
    CHECK(x->answer.most_in_flight == 0, "%lu bytes beyond the credit", x->answer.most_in_flight);
    client_open(&x->call, x->answer.core.bytes, x->answer.core.size, &x->reply);
}

void sealed_done(struct exchange *x)
{
    core_answer_free(&x->answer.core);
    client_free(&x->call, &x->reply);
}

const char *sealed_form_name(enum tfaas_sealing form)
{
    static const char *const names[] = {"", "whole", "chunked", "session"};
    return names[form];
}

void sealed_expect(struct exchange *x, uint32_t function, unsigned http_status, const char *content)
{
    sealed_exchange(x, function);
    const char *form = sealed_form_name(x->call.form);
    CHECK(x->answer.core.status == TFAAS_OK, "%s: END has %s", form,
          tfaas_status_name(x->answer.core.status));
    CHECK(x->reply.opened, "%s: %s", form, x->reply.why);
    CHECK(x->reply.http_status == http_status, "%s: HTTP %u, expected %u: %.300s %s", form,
          x->reply.http_status, http_status, x->reply.opened ? (char *)x->reply.content : "",
          x->reply.fields);
    CHECK(!content || (x->reply.opened && strstr((char *)x->reply.content, content)),
          "%s: \"%.300s\" does not hold \"%s\"", form,
          x->reply.opened ? (char *)x->reply.content : "", content);
}

void sealed_refused(struct exchange *x, uint32_t function, tfaas_status_t status)
{
    sealed_exchange(x, function);
    CHECK(x->answer.core.status == status, "%s: END has %s, expected %s",
          sealed_form_name(x->call.form), tfaas_status_name(x->answer.core.status),
          tfaas_status_name(status));
    CHECK(x->answer.core.size == 0 && x->answer.messages == 0, "%s: %zu bytes of a response",
          sealed_form_name(x->call.form), x->answer.core.size);
}
