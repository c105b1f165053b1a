/*
 * compartments.c - a function calls hostile modules of its own package through the core: what they
 * do ends in an error that the function sees, and it goes on; they reach nothing of it; all they
 * use is in its count; nothing of one call is there in the next.
 */
/* needs: core tests/support/core_child.c tests/support/core_test.c */
#include "core_test.h"

#include <stdlib.h>

#define SECOND 1000000000ull

static struct core_child core;

static struct core_config package(void)
{
    struct core_config config = core_test_wasm("caller");
    struct span caged = core_test_file("build/tests/functions/caged.wasm");
    config.entry = "caller.wasm";
    config.files[0].path = "caller.wasm";
    config.files[1] = (struct core_file){"caged.wasm", caged.data, caged.size};
    config.files[2] = (struct core_file){"owner.txt", "owner's", 7};
    config.files[3] = (struct core_file){"seen/a.txt", "seen", 4};
    config.files[4] = (struct core_file){"broken.wasm", "\0asm", 4};
    config.env[0] = (struct bundle_pair){{(const uint8_t *)"HIDDEN", 6}, {(const uint8_t *)"h", 1}};
    config.env[1] = (struct bundle_pair){{(const uint8_t *)"SHOWN", 5}, {(const uint8_t *)"s", 1}};
    config.env_count = 2;
    config.secrets[0] =
        (struct bundle_pair){{(const uint8_t *)"key", 3}, {(const uint8_t *)"k", 1}};
    config.secret_count = 1;
    config.memory_limit = 16u << 20;
    return config;
}

static void call(const char *body, uint64_t deadline_ns, struct core_answer *answer)
{
    bool alive = core_test_call(&core, 1, body, strlen(body), deadline_ns, answer);
    CHECK(alive, "the core is gone");
}

/* The answer begins with this, and the next call is as the first. */
static void begins(const char *body, const char *expected)
{
    struct core_answer answer;
    call(body, 60 * SECOND, &answer);
    CHECK(answer.status == TFAAS_OK && answer.size >= 4 + strlen(expected) &&
              memcmp(answer.bytes + 4, expected, strlen(expected)) == 0,
          "%s: %s, \"%.*s\" instead of \"%s\" (%s)", body, tfaas_status_name(answer.status),
          (int)(answer.size > 4 ? answer.size - 4 : 0),
          answer.bytes ? (char *)answer.bytes + 4 : "", expected, answer.log);
    core_answer_free(&answer);
    core_test_expect(&core, 1, "0n;", "1 1;");
}

static void bytes_cross(void)
{
    core_test_expect(&core, 1, "0ehello;1e;0e;n;", "5 hello;0 ;0 ;0 ;");
}

/* Within an outer call its memory stays; after it, and after an error, it is as the image. */
static void state_lasts_for_one_call(void)
{
    core_test_expect(&core, 1, "0n;0n;1n;0n;", "1 1;1 2;1 1;1 3;");
    core_test_expect(&core, 1, "0n;1n;", "1 1;1 1;");
    begins("0n;0n;0t;", "1 1;1 2;-1 ");
    struct core_answer answer;
    call("0n;0t;0n;", 60 * SECOND, &answer);
    CHECK(answer.status == TFAAS_OK && answer.bytes[answer.size - 2] == '1', "not pristine: %.*s",
          (int)answer.size - 4, (char *)answer.bytes + 4);
    core_answer_free(&answer);
}

static void errors_are_the_callers_to_handle(void)
{
    begins("0t;", "-1 function trapped: ");
    begins("0d;", "-1 function trapped: ");
    begins("0z;", "-1 function failed: it gave no answer;");
    begins("0x;", "-1 function failed: exit code 3;");
    begins("0;", "-1 ");
    begins("0G;", "-2 memory limit reached");
    begins("0l;", "-3 work limit reached;");
    begins("0l;0n;", "-3 work limit reached;-3 work limit reached;");
    begins("0s;", "-3 work limit reached;");
    begins("0h;", "-3 work limit reached;");
    begins("2w;", "-4 deadline exceeded");
    begins("2s;", "-4 deadline exceeded");
    core_test_expect(&core, 1, "2s;2n;2n;2w;2n;",
                     "-4 deadline exceeded;1 1;1 2;-4 deadline exceeded;1 1;");
    begins("0b;", "-5 ");
    begins("3n;", "-8 ");
    begins("9n;", "-8 ");
    begins("x0;0n;x0;1n;", "0 ;-8 the compartment is closed;-8 the compartment is closed;1 1;");
    begins("o;", "-9 a compartment is opened while the modules load;");
}

static void what_is_refused_at_the_load(void)
{
    /* fetch, no such module, path out of the package, none at all, too much and too little memory,
     * a module that is none */
    core_test_expect(&core, 1, "N0;N1;N2;N3;N4;N5;N6;N7;",
                     "-11 ;-11 ;-11 ;-11 ;-11 ;-11 ;-11 ;0 ;");
}

static void nothing_that_is_not_granted(void)
{
    core_test_expect(&core, 1, "0r;", "0 ;");
    core_test_expect(&core, 1, "1r;", "28 function/seen/a.txt,SHOWN=s,;");
    core_test_expect(&core, 1, "2r;", "25 var/openfaas/secrets/key,;");
    core_test_expect(&core, 1, "0q;1q;2q;", "1 0;1 0;1 0;");
}

static void memory_counts_together(void)
{
    struct core_answer answer;
    call("0g;1g;", 60 * SECOND, &answer);
    CHECK(answer.status == TFAAS_OK && answer.peak > 4u << 20 && answer.peak <= 16u << 20,
          "%s, peak %lu", tfaas_status_name(answer.status), answer.peak);
    core_answer_free(&answer);
    struct core_config config = package();
    config.memory_limit = 4u << 20; /* together they may grow less than each for itself */
    core_test_load(&core, 2, config);
    CHECK(core_test_call(&core, 2, "0g;1g;2g;", 9, 20 * SECOND, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_OK && answer.peak <= 4u << 20, "%s, peak %lu: %s",
          tfaas_status_name(answer.status), answer.peak, answer.log);
    core_answer_free(&answer);
}

static void work_counts_for_the_caller(void)
{
    struct core_answer little, much;
    call("0n;", 60 * SECOND, &little);
    call("0l;", 60 * SECOND, &much);
    CHECK(much.work > little.work + 5000000 && much.work < little.work + 2000000000,
          "%lu after %lu", much.work, little.work);
    core_answer_free(&little);
    core_answer_free(&much);
}

static void lines_are_marked(void)
{
    struct core_answer answer;
    call("0p;1p;", 60 * SECOND, &answer);
    CHECK(strcmp(answer.log, "[compartment granted] one\n[compartment granted] two\n"
                             "[compartment granted] three without an end\n") == 0,
          "log: %s", answer.log);
    core_answer_free(&answer);
    call("1P;", 60 * SECOND, &answer);
    CHECK(answer.status == TFAAS_OK && strstr(answer.log, "[compartment granted] \n"), "%s",
          tfaas_status_name(answer.status));
    core_answer_free(&answer);
}

/* The deadline and the end of the caller reach inside. */
static void ends_with_its_caller(void)
{
    core_test_ends(&core, 1, "1w;", SECOND / 5, TFAAS_DEADLINE);
    core_test_ends(&core, 1, "0n;1s;", SECOND / 5, TFAAS_DEADLINE);
    uint32_t id = core_begin(&core, 1, "POST", "/", NULL, "1w;", 3, true, 60 * SECOND);
    core_test_expect(&core, 1, "0n;", "1 1;"); /* it waits by now */
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = id}, NULL, 0);
    struct core_answer answer;
    CHECK(core_wait(&core, id, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_CANCELLED, "%s", tfaas_status_name(answer.status));
    core_answer_free(&answer);
    core_test_expect(&core, 1, "0n;", "1 1;");
}

/* One that spins keeps neither other functions nor other calls waiting. */
static void many_at_once(void)
{
    enum { CALLS = 60 };
    for (int i = 0; i < CALLS; i++)
        (void)core_begin(&core, 1, "POST", "/", NULL, i % 3 ? "0n;1n;0n;" : "0l;1n;", i % 3 ? 9 : 6,
                         true, 60 * SECOND);
    unsigned ended = 0;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    while (ended < CALLS && core_receive(&core, &slot, payload, 60000)) {
        CHECK(!(slot.flags & TFAAS_END) || slot.arg[0] == TFAAS_OK, "call ended with %s",
              tfaas_status_name((unsigned)slot.arg[0]));
        ended += (slot.flags & TFAAS_END) != 0;
    }
    CHECK(ended == CALLS, "%u of %d ended", ended, CALLS);
    core_test_expect(&core, 1, "0n;", "1 1;");
}

static void unloads_whole(void)
{
    struct core_config config = package();
    for (uint32_t id = 10; id < 14; id++) {
        core_test_load(&core, id, config);
        core_test_expect(&core, id, "0n;", "1 1;");
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = id}, NULL, 0);
    }
    core_test_expect(&core, 1, "0n;", "1 1;");
}

int main(int argc, char **argv)
{
    core_test_prepare();
    core_child_start(&core);
    core_test_load(&core, 1, package());
    static const struct check_case cases[] = {
        {"bytes cross", bytes_cross},
        {"state lasts for one call", state_lasts_for_one_call},
        {"errors are the callers to handle", errors_are_the_callers_to_handle},
        {"what is refused at the load", what_is_refused_at_the_load},
        {"nothing that is not granted", nothing_that_is_not_granted},
        {"memory counts together", memory_counts_together},
        {"work counts for the caller", work_counts_for_the_caller},
        {"lines are marked", lines_are_marked},
        {"ends with its caller", ends_with_its_caller},
        {"many at once", many_at_once},
        {"unloads whole", unloads_whole},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&core);
    return status;
}
