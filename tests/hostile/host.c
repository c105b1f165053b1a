/*
 * host.c - a malicious host: messages with every field at random, in every order, slots and
 * indices that make no sense, a thread that rewrites the window while the core reads it. The core
 * goes on or ends with a FAULT that blames the host; it never crashes and never writes where only
 * the host may.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c flags: -Wl,--wrap=plat_abort */
/* clang-format on */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core_test.h"

#include "plat/plat.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASES    20000
#define FUNCTION 1u

static uint64_t seed = 0x2545f4914f6cdd1d;
static struct core_child core;
static uint8_t *bundle;
static size_t bundle_size;
/* Shared with the core: why it fell, if it did. */
static char *abort_reason;
static unsigned cases_done, cores_started, faults_seen;

void __real_plat_abort(const char *reason) __attribute__((noreturn));
void __wrap_plat_abort(const char *reason) __attribute__((noreturn));

void __wrap_plat_abort(const char *reason)
{
    (void)snprintf(abort_reason, PLAT_PAGE, "%s", reason);
    __real_plat_abort(reason);
}

/* A secret of the function that every core holds: the host gave it, the core must not say it. */
#define CANARY "canary-8d03b6f1"

static uint64_t draw(uint64_t below)
{
    return (core_test_random(&seed) >> 11) % below;
}

/* In the core: what only the host writes is read-only, so that a stray write faults. */
static void close_window(void *window)
{
    uint8_t *at = window;
    if (mprotect(at + TFAAS_H2C_SLOTS_OFFSET, TFAAS_SLOTS * 64, PROT_READ) != 0 ||
        mprotect(at + TFAAS_H2C_DATA_OFFSET, TFAAS_DATA_SIZE, PROT_READ) != 0)
        _exit(97);
}

static void start(void)
{
    core_child_start(&core);
    cores_started++;
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_LOAD, .id = FUNCTION, .arg = {bundle_size}},
              bundle, bundle_size);
}

/* Waits until the core has taken everything, or is gone. False: it hangs. */
static bool settle(int *status, bool *gone)
{
    struct tfaas_window *window = core.window;
    uint64_t one = 1, end = core_test_now_ns() + CORE_PATIENCE_MS * 1000000ull;
    (void)!write(core.ring_fd, &one, sizeof one);
    while (core_test_now_ns() < end) {
        if (waitpid(core.pid, status, WNOHANG) == core.pid) {
            *gone = true;
            return true;
        }
        if (atomic_load(&window->h2c.tail) == atomic_load(&window->h2c.head))
            return true;
        (void)sched_yield();
    }
    return false;
}

static bool blames_the_host(const char *reason)
{
    static const char *const fair[] = {"the host ", "no room for READY",
                                       "out of memory for a load bundle"};
    for (size_t i = 0; i < sizeof fair / sizeof *fair; i++)
        if (strncmp(reason, fair[i], strlen(fair[i])) == 0)
            return true;
    return false;
}

/* Reads what the core says; false when it broke the ring itself. */
static bool drain(char *reason, size_t reason_size)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    tfaas_status_t status;
    while ((status = ring_receive(&core.rx, &slot, payload)) == TFAAS_OK) {
        if (slot.kind == TFAAS_FAULT)
            (void)snprintf(reason, reason_size, "%.*s", (int)slot.size, (const char *)payload);
        (void)ring_release(&core.rx);
    }
    return status == TFAAS_NOT_FOUND;
}

/* Ends the core if it lives; whatever happened must be one of the allowed ends. */
static void finish(const char *what, bool ring_is_ours)
{
    int status = 0;
    bool gone = false;
    char reason[256] = "";
    bool settled = settle(&status, &gone);
    CHECK(settled || !ring_is_ours, "%s: the core hangs (case %u)", what, cases_done);
    if (!gone) {
        (void)kill(core.pid, SIGKILL);
        (void)waitpid(core.pid, &status, 0);
    } else {
        CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 70 || WEXITSTATUS(status) == 0),
              "%s: the core ended with wait status %#x (case %u)", what, status, cases_done);
        faults_seen++;
    }
    bool ring_ok = drain(reason, sizeof reason);
    CHECK(!ring_is_ours || ring_ok, "%s: the core broke its ring (case %u)", what, cases_done);
    CHECK(abort_reason[0] == '\0', "%s: the core fell: %s (case %u)", what, abort_reason,
          cases_done);
    CHECK(!ring_is_ours || reason[0] == '\0' || blames_the_host(reason),
          "%s: FAULT \"%s\" (case %u)", what, reason, cases_done);
    CHECK(!memmem((uint8_t *)core.window + TFAAS_C2H_SLOTS_OFFSET, TFAAS_SLOTS * 64, CANARY,
                  sizeof CANARY - 1) &&
              !memmem((uint8_t *)core.window + TFAAS_C2H_DATA_OFFSET, TFAAS_DATA_SIZE, CANARY,
                      sizeof CANARY - 1),
          "%s: a secret in what the core wrote (case %u)", what, cases_done);
    abort_reason[0] = '\0';
    (void)munmap((uint8_t *)core.window - PLAT_PAGE, TFAAS_WINDOW_SIZE + 2 * PLAT_PAGE);
    (void)close(core.ring_fd);
    (void)close(core.bell_fd);
}

static bool is_gone(void)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)core.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
}

/* --- messages --- */

static uint64_t odd_number(void)
{
    static const uint64_t odd[] = {0,         1,          2,          255,        256,
                                   4095,      4096,       65535,      65536,      1u << 20,
                                   64u << 20, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX};
    return draw(3) ? odd[draw(sizeof odd / sizeof *odd)] : core_test_random(&seed) >> draw(64);
}

static struct tfaas_slot odd_slot(void)
{
    struct tfaas_slot slot = {.kind = (uint16_t)(draw(12) ? 1 + draw(7) : odd_number()),
                              .flags = (uint16_t)(draw(4) ? draw(4) : odd_number()),
                              .id = (uint32_t)(draw(4) ? draw(6) : odd_number())};
    for (size_t i = 0; i < 6; i++)
        slot.arg[i] = odd_number();
    if (draw(3))
        slot.arg[0] = draw(4); /* a function that may be there */
    return slot;
}

/* Parts of what an honest host sends, so that the core gets beyond its first check. */
static void honest_part(void)
{
    static const char request[] = "\0\4POST\4http\4test\1/\0body";
    static uint32_t id;
    switch (draw(6)) {
    case 4: /* sealed streams, of nobody */
        core_send(
            &core,
            (struct tfaas_slot){.kind = TFAAS_INVOKE,
                                .flags = (uint16_t)(TFAAS_SEALED | draw(2)),
                                .id = ++id % 200,
                                .arg = {draw(2) ? FUNCTION : TFAAS_FUNCTION_ANY, 1000000 * draw(9),
                                        0, 1 + draw(TFAAS_SEALING_COUNT - 1)}},
            request, draw(sizeof request));
        break;
    case 0:
        (void)core_begin(&core, FUNCTION, "POST", "/", NULL, "x", 1, draw(2), odd_number());
        break;
    case 1:
        core_send(&core,
                  (struct tfaas_slot){.kind = TFAAS_INVOKE,
                                      .flags = (uint16_t)draw(2),
                                      .id = ++id % 200,
                                      .arg = {FUNCTION, 1000000 * draw(9)}},
                  request, draw(sizeof request));
        break;
    case 2:
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = id % 200}, NULL, 0);
        break;
    case 3:
        core_send(&core,
                  (struct tfaas_slot){.kind = TFAAS_BODY,
                                      .flags = (uint16_t)draw(4),
                                      .id = id % 200,
                                      .arg = {draw(1u << 20)}},
                  request, draw(sizeof request));
        break;
    default:
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = FUNCTION}, NULL, 0);
    }
}

static void send_odd(const void *bytes, size_t size)
{
    struct tfaas_slot slot = odd_slot();
    if (ring_send(&core.tx, &slot, bytes, size) != TFAAS_OK) /* full, or the core is gone */
        return;
    uint64_t one = 1;
    if (ring_flush(&core.tx))
        (void)!write(core.ring_fd, &one, sizeof one);
}

static void random_messages(void)
{
    static uint8_t bytes[TFAAS_PAYLOAD_MAX];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)draw(256);
    for (unsigned done = 0; done < CASES / 2;) {
        start();
        for (unsigned i = 0; i < 40 && !is_gone(); i++, done++, cases_done++) {
            if (draw(4))
                honest_part();
            else
                send_odd(bytes, draw(3) ? draw(200) : draw(sizeof bytes));
        }
        finish("random messages", true);
    }
}

/* What a keeper and a daemon say to a worker's keys, with bytes wrong; a clock that jumps. */
static void odd_call(void)
{
    static const uint8_t valid[][80] = {
        {0xa1, 0x01, 0xf5},                         /* HELLO, a new key */
        {0xa1, 0x01, 0xf4},                         /* HELLO, renewed */
        {0xa3, 0x01, 0x44, 1, 2, 3, 4, 0x02, 0x58}, /* the beginning of a lease */
        {0xa0},
    };
    uint8_t bytes[400];
    const size_t which = draw(4);
    size_t size = which < 2 ? 3 : which == 2 ? 9 + draw(sizeof bytes - 9) : 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i < sizeof valid[0] && valid[which][i] ? valid[which][i] : (uint8_t)draw(256);
    if (draw(3) == 0)
        bytes[draw(size)] ^= (uint8_t)(1u << draw(8));
    if (draw(6) == 0)
        size = draw(sizeof bytes);
    struct tfaas_slot clock = {.kind = TFAAS_CLOCK, .arg = {odd_number()}};
    struct tfaas_slot slot = {.kind = TFAAS_CALL,
                              .id = (uint32_t)draw(9),
                              .arg = {draw(4) ? TFAAS_OP_HELLO + draw(2) : draw(40)}};
    if (ring_send(&core.tx, &clock, NULL, 0) != TFAAS_OK ||
        ring_send(&core.tx, &slot, bytes, size) != TFAAS_OK)
        return;
    uint64_t one = 1;
    if (draw(8) && ring_flush(&core.tx)) /* else a doorbell that does not come */
        (void)!write(core.ring_fd, &one, sizeof one);
}

static void odd_calls(void)
{
    for (unsigned done = 0; done < CASES / 8;) {
        start();
        for (unsigned i = 0; i < 40 && !is_gone(); i++, done++, cases_done++) {
            if (draw(4))
                odd_call();
            else
                honest_part();
            if (draw(3))
                (void)usleep((unsigned)draw(200)); /* or the next comes before the answer */
            static uint8_t payload[TFAAS_PAYLOAD_MAX];
            struct tfaas_slot slot;
            while (draw(4) && ring_receive(&core.rx, &slot, payload) == TFAAS_OK)
                (void)ring_release(&core.rx);
        }
        (void)ring_flush(&core.tx);
        finish("odd calls", true);
    }
}

/* Slots that were published before, again and in another order, over payloads that have changed. */
static void old_slots_again(void)
{
    for (unsigned done = 0; done < CASES / 8;) {
        start();
        for (unsigned i = 0; i < 20 && !is_gone(); i++)
            draw(3) ? honest_part() : odd_call();
        struct tfaas_window *window = core.window;
        struct tfaas_slot *slots =
            (struct tfaas_slot *)(void *)((uint8_t *)core.window + TFAAS_H2C_SLOTS_OFFSET);
        for (unsigned i = 0; i < 20 && !is_gone(); i++, done++, cases_done++) {
            const uint32_t head = atomic_load(&window->h2c.head);
            const uint64_t from = draw(24);
            slots[head % TFAAS_SLOTS] = slots[(head - 1 - from) % TFAAS_SLOTS];
            ((uint8_t *)core.window)[TFAAS_H2C_DATA_OFFSET + draw(8192)] ^= (uint8_t)draw(256);
            atomic_store(&window->h2c.head, head + 1);
            uint64_t one = 1;
            (void)!write(core.ring_fd, &one, sizeof one);
            (void)usleep((unsigned)draw(100));
        }
        finish("old slots again", true);
    }
}

/* --- rules of LOAD, one by one --- */

static void expect_fault(const char *what)
{
    char reason[256] = "";
    int status = 0;
    bool gone = false;
    for (int i = 0; i < 5000 && !gone; i++) {
        (void)settle(&status, &gone);
        (void)usleep(gone ? 0 : 1000);
    }
    (void)drain(reason, sizeof reason);
    CHECK(gone && WIFEXITED(status) && WEXITSTATUS(status) == 70 && strstr(reason, "the host"),
          "%s: status %#x, reason \"%s\"", what, status, reason);
    cases_done++;
    core_child_stop(&core);
}

static void send_load(uint32_t id, uint64_t total, uint64_t at, size_t size)
{
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_LOAD, .id = id, .arg = {total, at}}, bundle,
              size);
}

static void broken_rules(void)
{
    start();
    send_load(2, 1000, 10, 10);
    expect_fault("LOAD that starts in the middle");
    start();
    send_load(2, 1000, 0, 10);
    send_load(2, 1000, 20, 10);
    expect_fault("LOAD with a hole");
    start();
    send_load(2, 1000, 0, 10);
    send_load(2, 1001, 10, 10);
    expect_fault("LOAD whose size changes");
    start();
    send_load(2, 1000, 0, 10);
    send_load(2, 1000, 10, 991);
    expect_fault("LOAD longer than it says");
    start();
    send_load(FUNCTION, bundle_size, 0, bundle_size);
    expect_fault("LOAD of an id in use");
    start();
    send_load(TFAAS_FUNCTIONS_MAX, 1000, 0, 10);
    expect_fault("LOAD of an id too high");
    start();
    send_load(2, TFAAS_LOAD_MAX + 1ull, 0, 10);
    expect_fault("LOAD over the bound");
    start();
    send_load(2, 1000, 0, 0);
    expect_fault("empty LOAD piece");
    start();
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = 77}, NULL, 0);
    expect_fault("UNLOAD of nothing");
    start();
    send_load(2, 1000, 0, 10);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = 2}, NULL, 0);
    expect_fault("UNLOAD in the middle of LOAD");
    start();
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = FUNCTION}, NULL, 0);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = FUNCTION}, NULL, 0);
    expect_fault("UNLOAD twice");
    start();
    uint32_t id = core_begin(&core, FUNCTION, "GET", "/", NULL, NULL, 0, false, 60000000000u);
    core.next_id = id - 1;
    (void)core_begin(&core, FUNCTION, "GET", "/", NULL, NULL, 0, false, 60000000000u);
    expect_fault("INVOKE of an id in flight");
    start();
    id = core_begin(&core, FUNCTION, "GET", "/", NULL, NULL, 0, true, 60000000000u);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_BODY, .id = id}, "x", 1);
    finish("BODY after LAST", true); /* a FAULT, or too late: the run is over */
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t sealings[] = {0, TFAAS_SEALING_COUNT, UINT64_MAX, TFAAS_SEALING_OHTTP};
        start();
        core_send(
            &core,
            (struct tfaas_slot){.kind = TFAAS_INVOKE,
                                .flags = TFAAS_SEALED,
                                .id = 9,
                                .arg = {i < 3 ? FUNCTION : TFAAS_FUNCTIONS_MAX, 1, 0, sealings[i]}},
            NULL, 0);
        expect_fault("sealed INVOKE of no known form or function");
    }
    start();
    core_send(&core,
              (struct tfaas_slot){.kind = TFAAS_INVOKE, .id = 9, .arg = {TFAAS_FUNCTION_ANY, 1}},
              NULL, 0);
    expect_fault("plain INVOKE of any function");
    start();
    core_send(&core,
              (struct tfaas_slot){.kind = TFAAS_INVOKE, .id = 9, .arg = {TFAAS_FUNCTIONS_MAX, 1}},
              NULL, 0);
    expect_fault("INVOKE of a function id too high");
    for (uint16_t kind = 0; kind < 64; kind++) {
        if (kind >= TFAAS_CONFIGURE && kind <= TFAAS_CALL)
            continue;
        start();
        core_send(&core, (struct tfaas_slot){.kind = kind}, NULL, 0);
        expect_fault("a message of no known kind");
    }
}

/* More than the credit, to a run that does not read. */
static void body_beyond_credit(void)
{
    static uint8_t piece[TFAAS_PAYLOAD_MAX];
    core_child_start(&core);
    core_test_load(&core, 2, core_test_wasm("sleeps"));
    uint32_t id = core_begin(&core, 2, "POST", "/", NULL, NULL, 0, false, 60000000000u);
    for (unsigned i = 0; i < TFAAS_STREAM_WINDOW / TFAAS_PAYLOAD_MAX + 1; i++)
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_BODY, .id = id}, piece, sizeof piece);
    expect_fault("BODY beyond the credit");
}

/* --- the ring itself --- */

static void odd_slots(void)
{
    for (unsigned done = 0; done < CASES / 8; done++, cases_done++) {
        if (done % 8 == 0)
            start();
        struct tfaas_slot *slots =
            (struct tfaas_slot *)(void *)((uint8_t *)core.window + TFAAS_H2C_SLOTS_OFFSET);
        struct tfaas_window *window = core.window;
        struct tfaas_slot slot = odd_slot();
        slot.offset = (uint32_t)odd_number();
        slot.size = (uint32_t)odd_number();
        uint32_t head = atomic_load(&window->h2c.head);
        slots[head % TFAAS_SLOTS] = slot;
        atomic_store(&window->h2c.head, head + 1);
        if (done % 8 == 7)
            finish("odd slots", true);
    }
}

static void odd_indices(void)
{
    for (unsigned done = 0; done < CASES / 8; done++, cases_done++) {
        if (done % 4 == 0)
            start();
        struct tfaas_window *window = core.window;
        _Atomic uint32_t *places[] = {
            &window->h2c.head, &window->h2c.tail, &window->h2c.sleeping, &window->h2c.want_room,
            &window->c2h.head, &window->c2h.tail, &window->c2h.sleeping, &window->c2h.want_room};
        _Atomic uint32_t *place = places[draw(8)];
        uint32_t value = atomic_load(place);
        atomic_store(place, draw(2) ? value + (uint32_t)draw(600) - 300 : (uint32_t)odd_number());
        if (done % 4 == 3) {
            struct tfaas_window *header = core.window;
            (void)usleep(200);
            atomic_store(&header->h2c.head, atomic_load(&header->h2c.tail)); /* settle ends */
            finish("odd indices", false);
        }
    }
}

static _Atomic bool flipping;

/* Rewrites slots, payloads and, rarely, indices, as fast as it can. */
static void *flipper(void *argument)
{
    (void)argument;
    uint64_t state = 99;
    volatile uint32_t *words = core.window;
    while (atomic_load(&flipping)) {
        uint64_t r = core_test_random(&state);
        size_t at = TFAAS_H2C_SLOTS_OFFSET + (r >> 20) % (TFAAS_SLOTS * 64);
        if ((r & 3) == 0)
            at = TFAAS_H2C_DATA_OFFSET + (r >> 20) % 4096;
        else if ((r & 0xfffff) == 1)
            at = (r >> 20) % sizeof(struct tfaas_window);
        words[at / 4] = (r & 4) ? (uint32_t)(r >> 32) : (uint32_t)(r >> 32) & 0xff;
    }
    return NULL;
}

static void double_fetch(void)
{
    for (unsigned done = 0; done < CASES / 4;) {
        start();
        pthread_t thread;
        atomic_store(&flipping, true);
        if (pthread_create(&thread, NULL, flipper, NULL) != 0) {
            CHECK(false, "no second thread: %s", strerror(errno));
            return;
        }
        for (unsigned i = 0; i < 200 && !is_gone(); i++, done++, cases_done++) {
            honest_part();
            static uint8_t payload[TFAAS_PAYLOAD_MAX];
            struct tfaas_slot slot;
            while (ring_receive(&core.rx, &slot, payload) == TFAAS_OK)
                (void)ring_release(&core.rx);
        }
        atomic_store(&flipping, false);
        (void)pthread_join(thread, NULL);
        struct tfaas_window *header = core.window;
        atomic_store(&header->h2c.head, atomic_load(&header->h2c.tail));
        finish("double fetch", false);
    }
}

/* Bundles with a few wrong bytes: everything between the window and the compiled function. */
static void damaged_bundles(void)
{
    uint8_t *bytes = malloc(bundle_size);
    core_child_start(&core);
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    unsigned answered = 0, good = 0;
    for (uint32_t id = 1; id <= 1500; id++, cases_done++) {
        memcpy(bytes, bundle, bundle_size);
        for (uint64_t i = draw(4) + 1; i > 0; i--)
            bytes[draw(bundle_size)] ^= (uint8_t)(1u << draw(8));
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_LOAD, .id = id, .arg = {bundle_size}},
                  bytes, bundle_size);
        struct tfaas_slot slot;
        if (!core_receive(&core, &slot, payload, CORE_PATIENCE_MS) || slot.kind != TFAAS_LOADED) {
            CHECK(false, "bundle %u: kind %u %.*s", id, slot.kind, (int)slot.size, payload);
            break;
        }
        answered++;
        good += slot.arg[0] == TFAAS_OK;
        CHECK(slot.arg[0] == TFAAS_OK || slot.size > 0, "bundle %u: refused without a word", id);
    }
    CHECK(answered == 1500 && good < answered, "%u answers, %u good", answered, good);
    finish("damaged bundles", true);
    free(bytes);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    abort_reason = mmap(NULL, PLAT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct core_config config = core_test_wasm("random");
    config.secrets[0] = (struct bundle_pair){{(const uint8_t *)"key", 3},
                                             {(const uint8_t *)CANARY, sizeof CANARY - 1}};
    config.secret_count = 1;
    core_bundle(&config, &bundle, &bundle_size);
    core_child_hook = close_window;
    static const struct check_case cases[] = {
        {"broken rules", broken_rules},       {"body beyond credit", body_beyond_credit},
        {"random messages", random_messages}, {"odd slots", odd_slots},
        {"odd indices", odd_indices},         {"double fetch", double_fetch},
        {"damaged bundles", damaged_bundles}, {"odd calls", odd_calls},
        {"old slots again", old_slots_again},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    (void)fprintf(stderr, "%u cases, %u cores, %u ended by themselves\n", cases_done, cores_started,
                  faults_seen);
    return status;
}
