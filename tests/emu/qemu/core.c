/*
 * core.c - the core's machine under QEMU, a processor by the manual: what the kvm tender launches
 * prepares, loads, answers, restores, gives way and ends as it must; every system call arrived in
 * ring 0 at LSTAR, and the way that only kvm-pvm takes into the shim was never taken.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/emu/qemu/emu.c host/tender/kvm/machine.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "emu.h"

#include "core_test.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS       UINT64_C(1000000)
#define CR4_SMAP (UINT64_C(1) << 21)
/* QEMU before 9.1 takes an iretq from ring 3 to ring 3 (guest_entry.S) for ring 0 reading ring 3's
 * stack, which SMAP forbids. What SMAP does under QEMU is in rings.c. */
#define WITHOUT CR4_SMAP

static const struct emu_options real = {
    .core = "build/tfaas-core", .shim = "build/tfaas-shim", .cr4_off = WITHOUT};

static struct emu emu;
static struct core_child core;

/* core_child.c plays the host of this machine, too. */
static void attach(void)
{
    core = (struct core_child){.window = emu.window,
                               .ring_fd = eventfd(0, EFD_NONBLOCK), /* nobody sleeps on it */
                               .bell_fd = emu.bell_fd,
                               .pid = emu.pid};
    ring_tx_init(&core.tx, core.window, true);
    ring_rx_init(&core.rx, core.window, true);
}

static void measured_as_tfaas_says(void)
{
    char said[2 * SHA384_SIZE + 2] = "", hex[2 * SHA384_SIZE + 1];
    FILE *tfaas = popen("build/tfaas core measure --tender kvm build/tfaas-core 2>/dev/null", "re");
    CHECK(tfaas && fgets(said, sizeof said, tfaas) && pclose(tfaas) == 0, "%s", said);
    (void)sodium_bin2hex(hex, sizeof hex, emu.measurement, sizeof emu.measurement);
    CHECK(strncmp(said, hex, strlen(hex)) == 0, "tfaas says %s, booted was %s", said, hex);
}

static void prepares_and_serves(void)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot = {0};
    CHECK(emu_ready(&emu), "it ended before READY: %d", emu_end(&emu));
    attach();
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    CHECK(core_receive(&core, &slot, payload, EMU_PATIENCE_S * 1000) && slot.kind == TFAAS_READY,
          "message %u", slot.kind);
    CHECK(slot.arg[0] == TFAAS_ABI_VERSION, "version %lu", slot.arg[0]);
}

static void javascript_answers(void)
{
    core_test_load(&core, 1,
                   core_test_js("let calls = 0;\n"
                                "export default async (request) => new Response(\n"
                                "  [...await request.text()].reverse().join('') + ++calls);"));
    core_test_expect(&core, 1, "abc", "cba1");
    core_test_expect(&core, 1, "manual", "launam1");
}

static void canary(uint8_t body[17], uint64_t *seed, char how)
{
    for (unsigned i = 0; i < 16; i++)
        body[i] = (uint8_t)(core_test_random(seed) >> 32 | 1);
    body[16] = (uint8_t)how;
}

/* Memory is written through write-protected pages, by all of it and by single pages. */
static void memory_is_pristine_in_every_run(void)
{
    struct core_answer first, now;
    uint64_t seed = 7;
    uint8_t body[17];
    core_test_load(&core, 2, core_test_wasm("globals"));
    canary(body, &seed, 'p');
    CHECK(core_test_call(&core, 2, body, sizeof body, 20000 * MS, &first) && first.size > 30,
          "no answer");
    for (unsigned i = 0; i < 6; i++) {
        canary(body, &seed, i % 2 == 0 ? 'r' : 'f');
        CHECK(core_test_call(&core, 2, body, sizeof body, 20000 * MS, &now) &&
                  now.status == TFAAS_OK && now.pages > 0,
              "fill %u: %s, %lu pages restored", i, tfaas_status_name(now.status), now.pages);
        core_answer_free(&now);
        canary(body, &seed, 'p');
        CHECK(core_test_call(&core, 2, body, sizeof body, 20000 * MS, &now) &&
                  now.size == first.size && memcmp(now.bytes, first.bytes, first.size) == 0,
              "run %u saw the state of the one before", i);
        core_answer_free(&now);
    }
    core_answer_free(&first);
}

/* --- ticks --- */

enum { LONGS = 2, CALLS };
static const char *const bodies[CALLS] = {"qa", "qb", "s"};

static uint32_t begin(const char *body, uint64_t deadline_ns)
{
    return core_begin(&core, 3, "POST", "/", NULL, body, strlen(body), true, deadline_ns);
}

static void long_calls_give_way(void)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct core_answer alone[LONGS];
    struct tfaas_slot slot;
    uint32_t ids[CALLS];
    core_test_load(&core, 3, core_test_wasm("loops"));
    for (unsigned i = 0; i < LONGS; i++)
        CHECK(core_test_call(&core, 3, bodies[i], 2, 20000 * MS, &alone[i]) &&
                  alone[i].status == TFAAS_OK && alone[i].size > 0,
              "call %u", i);
    for (unsigned i = 0; i < CALLS; i++)
        ids[i] = begin(bodies[i], 20000 * MS);
    for (unsigned ended = 0; ended < CALLS;) {
        if (!core_receive(&core, &slot, payload, EMU_PATIENCE_S * 1000)) {
            CHECK(false, "%u calls ended", ended);
            break;
        }
        const uint32_t i = slot.id - ids[0];
        if (slot.kind == TFAAS_RESPONSE && i < LONGS)
            CHECK(slot.size == alone[i].size && memcmp(payload, alone[i].bytes, slot.size) == 0,
                  "long call %u: another result than alone", i);
        if (slot.flags & TFAAS_END && i < CALLS) {
            CHECK(slot.arg[0] == TFAAS_OK, "call %u: %lu", i, slot.arg[0]);
            CHECK(i >= LONGS || slot.arg[1] == alone[i].work, "call %u: %lu units", i, slot.arg[1]);
            CHECK(ended == 0 ? i >= LONGS : true, "long call %u ended first", i);
            ended++;
        }
    }
    for (unsigned i = 0; i < LONGS; i++)
        core_answer_free(&alone[i]);
}

static void deadlines_end_calls(void)
{
    core_test_ends(&core, 3, "e", 30 * MS, TFAAS_DEADLINE);
    core_test_ends(&core, 3, "z", 30 * MS, TFAAS_DEADLINE);
    core_test_expect(&core, 3, "s", "short");
}

/* --- ends --- */

static void ends_with_a_fault_report(const char *text)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot = {0};
    while (core_receive(&core, &slot, payload, EMU_PATIENCE_S * 1000) && slot.kind != TFAAS_FAULT) {
    }
    CHECK(slot.kind == TFAAS_FAULT && memmem(payload, slot.size, text, strlen(text)),
          "message %u: %.*s", slot.kind, (int)slot.size, (const char *)payload);
    while (!core.gone && core_receive(&core, &slot, payload, EMU_PATIENCE_S * 1000)) {
    }
    CHECK(core.gone && emu_code(core.status) == 70, "it ended with %d", emu_code(core.status));
    if (core.gone)
        emu.pid = -1;
}

static void a_broken_host_is_told(void)
{
    struct tfaas_window *window = emu.window;
    atomic_store(&window->h2c.head, core.tx.head + TFAAS_SLOTS + 1);
    ends_with_a_fault_report("ring");
}

static void calls_arrived_at_lstar_in_ring0(void)
{
    struct emu_log log;
    emu_log_read(&emu, &log);
    CHECK(log.calls >= 50 && log.calls_in_ring0 == log.calls, "%u of %u system calls in ring 0",
          log.calls_in_ring0, log.calls);
    CHECK(log.fetches_at_call == 0, "%u faults at the system call's entry", log.fetches_at_call);
    CHECK(log.ticks >= 20 && log.faults >= 20, "%u ticks, %u page faults", log.ticks, log.faults);
    CHECK(log.from_ring0 == 0, "%u exceptions or ticks in ring 0", log.from_ring0);
    (void)printf("       %u system calls, %u ticks, %u page faults\n", log.calls, log.ticks,
                 log.faults);
    emu_stop(&emu);
}

/* The host takes a page of the window away and sends a message that lies there: an exception in
 * the middle of the core's own code. */
static void an_exception_is_told(void)
{
    const uint32_t at = TFAAS_DATA_SIZE / 2; /* where nothing was yet */
    const uint64_t va = SHIM_WINDOW_VA + TFAAS_H2C_DATA_OFFSET + at;
    char text[64];
    emu_start(&emu, &real);
    prepares_and_serves();
    *emu_page(&emu, va) &= ~(uint64_t)SHIM_PTE_PRESENT;
    struct tfaas_slot *slots = (void *)((uint8_t *)emu.window + TFAAS_H2C_SLOTS_OFFSET);
    slots[core.tx.head % TFAAS_SLOTS] =
        (struct tfaas_slot){.kind = TFAAS_LOAD, .id = 1, .offset = at, .size = 64, .arg = {64, 0}};
    atomic_store(&((struct tfaas_window *)emu.window)->h2c.head, core.tx.head + 1);
    (void)snprintf(text, sizeof text, "read fault at address %#lx", va);
    ends_with_a_fault_report(text);
    emu_stop(&emu);
}

static const struct check_case cases[] = {
    {"measured_as_tfaas_says", measured_as_tfaas_says},
    {"prepares_and_serves", prepares_and_serves},
    {"javascript_answers", javascript_answers},
    {"memory_is_pristine_in_every_run", memory_is_pristine_in_every_run},
    {"long_calls_give_way", long_calls_give_way},
    {"deadlines_end_calls", deadlines_end_calls},
    {"a_broken_host_is_told", a_broken_host_is_told},
    {"calls_arrived_at_lstar_in_ring0", calls_arrived_at_lstar_in_ring0},
    {"an_exception_is_told", an_exception_is_told},
};

int main(void)
{
    if (emu_missing() != NULL) {
        (void)printf("skipped: %s\n0 passed, 0 failed, 1 skipped\n", emu_missing());
        return 0;
    }
    emu_start(&emu, &real);
    return check_run(cases, sizeof cases / sizeof *cases, NULL); /* one machine: all or nothing */
}
