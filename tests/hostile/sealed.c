/*
 * sealed.c - sealed calls against a real core: every form, what is refused and how, and that no
 * byte of plaintext is in anything the core says to its host.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c tests/support/identity_double.c flags: -Wl,--wrap=identity_key,--wrap=identity_signing_secret,--wrap=identity_lease,--wrap=identity_instance */
/* clang-format on */
#include "core_test.h"

#include "identity_double.h"
#include "plat/linux/linux.h"
#include "sealed_client.h"

#include <stdlib.h>

#define ECHO   1u
#define SECOND 1000000000ull

static struct core_child core;
static struct ohttp_key_config config;

static void whole_echo(void)
{
    struct client_call call = {
        .form = TFAAS_SEALING_OHTTP, .body = "hello", .body_size = 5, .path = "/function/test/a?b=c"};
    struct client_answer answer;
    struct client_reply reply;
    client_seal(&call, &config);
    CHECK(client_run(&core, ECHO, &call, 20 * SECOND, &answer), "the core is gone");
    CHECK(answer.core.status == TFAAS_OK, "%s", tfaas_status_name(answer.core.status));
    client_open(&call, answer.core.bytes, answer.core.size, &reply);
    CHECK(reply.opened && reply.http_status == 200, "%s %u %s", reply.why, reply.http_status, reply.content);
    CHECK(reply.content_size == 5 && memcmp(reply.content, "hello", 5) == 0, "%s", reply.content);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    plat_linux_domain(PLAT_WORKER, "shop");
    identity_double_make();
    config = identity_double_config();
    core_child_start(&core);
    core_test_load(&core, ECHO, core_test_wasm("command_echo"));
    static const struct check_case cases[] = {
        {"whole echo", whole_echo},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&core);
    return status;
}
