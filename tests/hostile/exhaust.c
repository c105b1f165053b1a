/*
 * exhaust.c - functions that use up what all functions of a core share: the processor, the memory,
 * the ring, the places for runs, the kernel's mappings. The core and everybody else's calls go on.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/core_tender.c host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "core_test.h"

#include <stdlib.h>
#include <unistd.h>

#define MS         1000000u
#define MEMORY_MAX (512ull << 20) /* of the core's process, as the tender limits it */

static struct core_child core;
static uint8_t payload[TFAAS_PAYLOAD_MAX];

static uint32_t begin(uint32_t function, const char *body, uint64_t deadline_ns, bool whole)
{
    return core_begin(&core, function, "POST", "/", NULL, body, strlen(body), whole, deadline_ns);
}

/* Every case has a core of its own, so that one that dies fails one case. */
static void fresh_core_of(uint64_t memory_max)
{
    static bool started;
    core_child_memory(memory_max);
    if (started)
        core_child_stop(&core);
    started = true;
    core_child_start(&core);
    struct core_config config = core_test_wasm("bombs");
    config.memory_limit = 300u << 20;
    core_test_load(&core, 1, config);
}

static void fresh_core(void)
{
    fresh_core_of(MEMORY_MAX);
}

/* The processor: the one tick fell into the start of the run. */
static void slow_start_then_endless(void)
{
    fresh_core();
    core_test_load(&core, 2, core_test_wasm("slow_start"));
    for (unsigned i = 0; i < 20; i++)
        core_test_ends(&core, 2, "", 30u * MS, TFAAS_DEADLINE);
    core_test_expect(&core, 1, "s", "short");
}

/* The invocation that ends next; 0: none does. */
static uint32_t next_end(void)
{
    struct tfaas_slot slot;
    while (core_receive(&core, &slot, payload, CORE_PATIENCE_MS))
        if (slot.flags & TFAAS_END)
            return slot.id;
    return 0;
}

/* A host call is not pre-empted. One of a size that the function chose gives way by itself: what
 * was begun behind it ends before it. tests/unit/core/wasi.c counts how often. */
static void long_random(void)
{
    fresh_core();
    core_pause(&core); /* both are there before one runs */
    uint32_t slow = begin(1, "r", 60000ull * MS, true);
    uint32_t quick = begin(1, "s", 60000ull * MS, true);
    core_resume(&core);
    uint32_t first = next_end();
    CHECK(first == quick && first != 0, "call %u of %u and %u ended first", first, slow, quick);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = slow}, NULL, 0);
    CHECK(next_end() == slow, "the long call does not end");
    core_test_expect(&core, 1, "s", "short");
}

/* Another ends early: a GiB for the log, of which all but the first KiB would be dropped. How
 * little of it is looked at is counted in tests/unit/core/wasi.c. */
static void long_log(void)
{
    fresh_core();
    struct core_answer answer;
    CHECK(core_test_call(&core, 1, "w", 1, 20000ull * MS, &answer) && answer.status == TFAAS_OK,
          "%s", tfaas_status_name(answer.status));
    core_answer_free(&answer);
}

/* The host is slow to read, the ring is full of log lines: UNLOAD is answered later. */
static void unload_while_the_ring_is_full(void)
{
    fresh_core();
    core_test_load(&core, 3, core_test_wasm("bombs"));
    uint32_t writer = begin(1, "l", 20000ull * MS, true);
    (void)usleep(100000);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = 3}, NULL, 0);
    core_send(&core,
              (struct tfaas_slot){.kind = TFAAS_INVOKE, .id = 0x7000, .arg = {3, 60000ull * MS}},
              NULL, 0);
    (void)usleep(100000);
    struct tfaas_slot slot;
    bool unloaded = false, refused = false, ended = false;
    while (!(unloaded && refused && ended) &&
           core_receive(&core, &slot, payload, CORE_PATIENCE_MS)) {
        CHECK(slot.kind != TFAAS_FAULT, "%.*s", (int)slot.size, payload);
        if (slot.kind == TFAAS_FAULT)
            return;
        unloaded |= slot.kind == TFAAS_LOADED && slot.id == 3 && slot.arg[0] == TFAAS_CANCELLED;
        refused |= slot.kind == TFAAS_METER && slot.id == 0x7000 && slot.arg[0] == TFAAS_NOT_FOUND;
        ended |= (slot.flags & TFAAS_END) && slot.id == writer;
    }
    CHECK(unloaded && refused && ended, "unloaded %d, refused %d, ended %d", unloaded, refused,
          ended);
    core_test_load(&core, 3, core_test_wasm("bombs")); /* its number is free again */
    core_test_expect(&core, 3, "s", "short");
}

/* As many runs as there may be: a function can still be loaded, and then called. */
static void load_while_all_places_are_taken(void)
{
    fresh_core_of(4 * MEMORY_MAX);
    uint32_t waiting[TFAAS_INFLIGHT_MAX];
    for (unsigned i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        waiting[i] = begin(1, "s", 20000ull * MS, false);
    core_test_load(&core, 4, core_test_wasm("bombs"));
    core_test_ends(&core, 1, "s", 20000ull * MS, TFAAS_BUSY);
    for (unsigned i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = waiting[i]}, NULL, 0);
    struct tfaas_slot slot;
    unsigned ended = 0;
    while (ended < TFAAS_INFLIGHT_MAX && core_receive(&core, &slot, payload, CORE_PATIENCE_MS))
        ended += (slot.flags & TFAAS_END) != 0;
    CHECK(ended == TFAAS_INFLIGHT_MAX, "%u ended", ended);
    core_test_expect(&core, 4, "s", "short");
}

/* The caller gets an answer that was given while the request still arrives. */
static void answer_before_the_request_ends(void)
{
    fresh_core();
    core_test_load(&core, 5, core_test_wasm("early"));
    uint32_t call = begin(5, "first", 60000ull * MS, false);
    struct tfaas_slot slot;
    bool received = core_receive(&core, &slot, payload, CORE_PATIENCE_MS);
    CHECK(received && slot.kind == TFAAS_RESPONSE && slot.id == call && slot.size == 9,
          "no answer (kind %u)", slot.kind);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_BODY, .flags = TFAAS_LAST, .id = call}, NULL,
              0);
    struct core_answer answer;
    CHECK(core_wait(&core, call, &answer) && answer.status == TFAAS_OK, "%s",
          tfaas_status_name(answer.status));
    core_answer_free(&answer);
}

/* Tables are outside the linear memory; together they have a bound too. */
static void tables_have_a_bound(void)
{
    fresh_core();
    struct core_answer answer;
    struct core_config config = core_test_wasm("many_tables");
    core_load(&core, 6, &config, &answer);
    CHECK(answer.status == TFAAS_BAD_MODULE && strstr(answer.fault, "table"), "%s: %s",
          tfaas_status_name(answer.status), answer.fault);
    core_test_expect(&core, 1, "s", "short");
}

/* Many runs that together want more memory than the core may have. */
static void memory_for_everybody_else(void)
{
    fresh_core();
    struct core_config config = core_test_wasm("bombs");
    config.memory_limit = 256u << 20;
    core_test_load(&core, 7, config);
    uint32_t holder[8];
    for (unsigned i = 0; i < 8; i++)
        holder[i] = begin(7, "m", 60000ull * MS, true);
    (void)usleep(300000);
    for (unsigned i = 0; i < 20; i++)
        core_test_expect(&core, 1, "s", "short");
    core_test_load(&core, 8, core_test_js("module.exports = async () => 'made of script'"));
    core_test_expect(&core, 8, "", "made of script");
    for (unsigned i = 0; i < 8; i++)
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = holder[i]}, NULL, 0);
    struct tfaas_slot slot;
    unsigned ended = 0;
    while (ended < 8 && core_receive(&core, &slot, payload, CORE_PATIENCE_MS))
        ended += (slot.flags & TFAAS_END) && slot.id - holder[0] < 8;
    CHECK(ended == 8, "%u of 8 ended", ended);
    core_test_expect(&core, 7, "s", "short");
}

/* Images are files in memory, which no limit of the process counts; in a machine they are part of
 * what the runs may have. */
static void large_images(void)
{
    fresh_core();
    struct core_config config = core_test_wasm("large_image");
    struct core_answer answer;
    unsigned loaded = 0;
    for (uint32_t id = 20; id < 36; id++) {
        core_load(&core, id, &config, &answer);
        loaded += answer.status == TFAAS_OK;
        CHECK(answer.status == TFAAS_OK || strstr(answer.fault, "no memory for"), "%s: %s",
              tfaas_status_name(answer.status), answer.fault);
    }
    CHECK(loaded >= 3 && loaded <= 8, "%u images of 64 MiB were kept", loaded);
    core_test_expect(&core, 1, "s", "short");
    struct tfaas_slot slot;
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = 20}, NULL, 0);
    CHECK(core_receive(&core, &slot, payload, CORE_PATIENCE_MS) && slot.kind == TFAAS_LOADED,
          "no answer");
    core_load(&core, 20, &config, &answer); /* in its place */
    CHECK(answer.status == TFAAS_OK, "%s: %s", tfaas_status_name(answer.status), answer.fault);
}

/* More separate mappings than the kernel gives to a process (65530). */
static void scattered_pages(void)
{
    if (core_child_of_tender()) {
        check_skipped = "a machine has page tables, and no kernel that counts mappings";
        return;
    }
    fresh_core_of(4 * MEMORY_MAX);
    struct tfaas_slot slot;
    core_test_load(&core, 9, core_test_wasm("bombs"));
    for (unsigned round = 0; round < 30; round++) {
        char body[3] = {'p', (char)('0' + round % 10), 0};
        for (unsigned i = 0; i < TFAAS_INFLIGHT_MAX; i++)
            (void)begin(9, body, 600000ull * MS, true);
        for (unsigned ended = 0; ended < TFAAS_INFLIGHT_MAX;) {
            if (!core_receive(&core, &slot, payload, CORE_PATIENCE_MS) ||
                slot.kind == TFAAS_FAULT || (slot.flags & TFAAS_END && slot.arg[0] != TFAAS_OK)) {
                CHECK(false, "round %u: %.*s", round, (int)slot.size, payload);
                return;
            }
            ended += (slot.flags & TFAAS_END) != 0;
        }
    }
    core_test_expect(&core, 9, "s", "short");
}

int main(int argc, char **argv)
{
    core_test_prepare();
    static const struct check_case cases[] = {
        {"answer before the request ends", answer_before_the_request_ends},
        {"unload while the ring is full", unload_while_the_ring_is_full},
        {"load while all places are taken", load_while_all_places_are_taken},
        {"long random", long_random},
        {"long log", long_log},
        {"tables have a bound", tables_have_a_bound},
        {"memory for everybody else", memory_for_everybody_else},
        {"large images", large_images},
        {"scattered pages", scattered_pages},
        {"slow start, then endless", slow_start_then_endless},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&core);
    return status;
}
