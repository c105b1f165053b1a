/*
 * leak.c - 100,000 invocations of all kinds (10,000 in a virtual machine): the core's private
 * memory does not grow.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/core_tender.c host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "load.h"

#define RUNS 100000
#define WARM 50000
#define IN_FLIGHT                                                                                  \
    16 /* each has its own stack: the fewer, the sooner all have been used to the depth */

static struct core_child core;

/* Ring 0 of a machine may be interpreted: a run that maps memory anew then takes milliseconds. */
static unsigned fewer(unsigned runs)
{
    return core_child_of_tender() ? runs / 10 : runs;
}

static long private_kib(void)
{
    return core_test_memory_kib(&core, "Private_Dirty");
}

static void good_runs(void)
{
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("loops"));
    core_test_load(&core, 2, core_test_wasm("command_echo"));
    core_test_load(&core, 3,
                   core_test_js("module.exports = async (event, context) => "
                                "context.status(200).succeed({got: event.body});\n"));
    core_test_load(&core, 4, core_test_wasm("random"));
    core_test_load(&core, 5, core_test_wasm("grows"));
    CHECK(load_run(&core, 5, fewer(WARM), IN_FLIGHT, "s") == 0, "calls went wrong");
    long before = private_kib();
    CHECK(load_run(&core, 5, fewer(RUNS), IN_FLIGHT, "s") == 0, "calls went wrong");
    long after = private_kib();
    CHECK(after <= before + before / 100, "private memory: %ld KiB, then %ld KiB", before, after);
    (void)printf("       %ld KiB private after %u calls, %ld KiB after %u more\n", before,
                 fewer(WARM), after, fewer(RUNS));
    core_child_stop(&core);
}

/* Traps, refused growth, functions that fail: the ways out that are not the usual one. */
static void failing_runs(void)
{
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("loops"));
    core_test_load(&core, 2, core_test_js("module.exports = async () => { throw Error('x'); }"));
    unsigned answers = load_run(&core, 2, 2000, IN_FLIGHT, "r");
    CHECK(answers >= 1000, "%u of 1000 recursions failed", answers);
    long before = private_kib();
    (void)load_run(&core, 2, fewer(10000), IN_FLIGHT, "r");
    long after = private_kib();
    CHECK(after <= before + before / 100 + 64, "private memory: %ld KiB, then %ld KiB", before,
          after);
    core_child_stop(&core);
}

/* Loading and unloading gives everything back. What the allocator's caches keep settles slowly, so
 * the bound is what 10 KiB lost per load would make: a bundle, an image, or code would show. */
static void loads_and_unloads(void)
{
    enum { LOADS = 400, PADDING = 200000 };
    static uint8_t payload[TFAAS_PAYLOAD_MAX], padding[PADDING];
    memset(padding, 'x', sizeof padding);
    struct core_config wasm = core_test_wasm("loops");
    struct core_config js = core_test_js("module.exports = async (e, c) => c.succeed('x');\n");
    wasm.files[1] = js.files[1] = (struct core_file){"padding", padding, sizeof padding};
    core_child_start(&core);
    long before = 0;
    for (unsigned i = 0; i < LOADS; i++) {
        if (i == LOADS / 2)
            before = private_kib();
        core_test_load(&core, 1, i % 2 ? js : wasm);
        CHECK(load_run(&core, 1, 10, 5, "s") == 0, "calls went wrong");
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = 1}, NULL, 0);
        struct tfaas_slot slot;
        bool received = core_receive(&core, &slot, payload, CORE_PATIENCE_MS);
        CHECK(received && slot.kind == TFAAS_LOADED && slot.arg[0] == TFAAS_CANCELLED,
              "kind %u, %s", slot.kind, tfaas_status_name((unsigned)slot.arg[0]));
    }
    long after = private_kib();
    CHECK(after <= before + 10 * LOADS / 2, "private memory: %ld KiB, then %ld KiB", before, after);
    (void)printf("       %ld KiB private after %u loads, %ld KiB after %u\n", before, LOADS / 2,
                 after, LOADS);
    core_child_stop(&core);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    static const struct check_case cases[] = {
        {"good runs", good_runs},
        {"failing runs", failing_runs},
        {"loads and unloads", loads_and_unloads},
    };
    return CHECK_MAIN(cases, argc, argv);
}
