/*
 * isolation.c - run N fills all state it can reach with a canary; no later run finds a byte of it.
 * The core's own side scans the memory that a run is about to get (a link wrap around
 * loaded_take_slot), so the test does not trust what the guest says. With the product's own core
 * (TENDER=kvm) there is what the guest says alone.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/core_tender.c host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c flags: -D_GNU_SOURCE -Wl,--wrap=loaded_take_slot */
/* clang-format on */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "core_test.h"

#include "loaded.h"
#include <stdlib.h>
#include <sys/mman.h>

#define CANARY_SIZE 16

/* Shared by the test and the core it forks. */
static struct {
    uint8_t canary[CANARY_SIZE];
    bool armed;
    uint64_t scans, bytes, found, differing;
} * scan;

struct memory_slot *__real_loaded_take_slot(struct loaded *loaded);
struct memory_slot *__wrap_loaded_take_slot(struct loaded *loaded);

/* Looks at all memory of the run that is about to start, beyond what the guest may see too. */
struct memory_slot *__wrap_loaded_take_slot(struct loaded *loaded)
{
    struct memory_slot *slot = __real_loaded_take_slot(loaded);
    if (!slot || !scan->armed)
        return slot;
    size_t size = slot->image->tracked + slot->grown;
    scan->scans++;
    scan->bytes += size;
    for (uint32_t page = 0; page < slot->image->tracked / PLAT_PAGE; page++) {
        if (memcmp(slot->base + (size_t)page * PLAT_PAGE, memory_image_page(slot->image, page),
                   PLAT_PAGE) != 0) {
            scan->differing++;
            break;
        }
    }
    if (memmem(slot->base, size, scan->canary, CANARY_SIZE / 2) ||
        memmem(slot->base, size, scan->canary + CANARY_SIZE / 2, CANARY_SIZE / 2))
        scan->found++;
    return slot;
}

static struct core_child core;
static bool inside; /* the core is this program's: what the wrap above sees is told */

static void begin(bool restore_off)
{
    memset(scan, 0, sizeof *scan);
    memory_restore_disabled = restore_off;
    core_child_start(&core);
    memory_restore_disabled = false;
}

static void call(uint32_t function, const void *body, size_t size, struct core_answer *answer)
{
    bool alive = core_test_call(&core, function, body, size, 20000000000u, answer);
    CHECK(alive, "the core is gone");
    CHECK(answer->status == TFAAS_OK, "function %u: %s %s", function,
          tfaas_status_name(answer->status), answer->log);
}

static bool same(const struct core_answer *a, const struct core_answer *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static void probe(uint32_t function, struct core_answer *answer)
{
    static const uint8_t body[CANARY_SIZE + 1] = {[CANARY_SIZE] = 'p'};
    call(function, body, sizeof body, answer);
}

static void fill(uint32_t function, uint64_t *seed, char how)
{
    uint8_t body[CANARY_SIZE + 1];
    for (size_t i = 0; i < CANARY_SIZE; i++)
        body[i] = (uint8_t)(core_test_random(seed) >> 32 | 1);
    body[CANARY_SIZE] = (uint8_t)how;
    struct core_answer answer;
    memcpy(scan->canary, body, CANARY_SIZE);
    call(function, body, sizeof body, &answer);
    core_answer_free(&answer);
    scan->armed = true;
}

/* Fills and probes in turn, `rounds` times; returns how many probes saw something else. */
static unsigned fill_and_probe(const char *name, unsigned rounds, uint64_t seed)
{
    core_test_load(&core, 1, core_test_wasm(name));
    core_test_load(&core, 2, core_test_wasm(name));
    struct core_answer first, other, now;
    probe(1, &first);
    probe(2, &other);
    CHECK(first.size > 30 && same(&first, &other), "two pristine instances differ");
    core_answer_free(&other);
    unsigned changed = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t function = 1 + (uint32_t)(core_test_random(&seed) >> 63);
        fill(function, &seed, core_test_random(&seed) >> 62 ? 'r' : 'f');
        probe(function, &now);
        changed += !same(&first, &now);
        core_answer_free(&now);
    }
    core_answer_free(&first);
    return changed;
}

static void memory_and_globals(void)
{
    begin(false);
    unsigned changed = fill_and_probe("globals", 150, 1);
    CHECK(changed == 0, "%u runs saw another run's state", changed);
    CHECK(!inside || scan->scans >= 299, "only %lu scans", scan->scans);
    CHECK(!inside || scan->bytes > scan->scans * (40u << 16), "only %lu bytes scanned",
          scan->bytes);
    CHECK(scan->found == 0 && scan->differing == 0, "canary found %lu times, %lu slots differ",
          scan->found, scan->differing);
    core_child_stop(&core);
}

static void tables_and_segments(void)
{
    begin(false);
    unsigned changed = fill_and_probe("tables", 200, 2);
    CHECK(changed == 0, "%u runs saw another run's tables", changed);
    CHECK(scan->found == 0 && scan->differing == 0, "canary found %lu times, %lu slots differ",
          scan->found, scan->differing);
    core_child_stop(&core);
}

/* The test of the test: what must be seen when nothing is restored. */
static void restore_off_is_noticed(void)
{
    if (!inside) {
        check_skipped = "the product's core has no such switch";
        return;
    }
    begin(true);
    unsigned changed = fill_and_probe("globals", 20, 3);
    CHECK(changed > 10, "the guest noticed %u of 20", changed);
    CHECK(scan->found > 10 && scan->differing > 10, "canary found %lu times, %lu slots differ",
          scan->found, scan->differing);
    core_child_stop(&core);
}

/* Runs that are killed in the middle of writing, or trap, leave nothing either. */
static void killed_runs(void)
{
    begin(false);
    core_test_load(&core, 1, core_test_wasm("loops"));
    memcpy(scan->canary, "no such bytes in", CANARY_SIZE);
    scan->armed = true;
    static const char *const kinds[] = {"f", "c", "r", "e", "a"};
    unsigned killed = 0;
    unsigned rounds = 0;
    /* On a busy machine a deadline may be over before its run begins: then nothing is to be seen.
     */
    for (unsigned i = 0; i < 200 || (inside && scan->scans < 1000 && i < 20000); i++, rounds++) {
        static uint8_t payload[TFAAS_PAYLOAD_MAX];
        struct tfaas_slot slot;
        for (unsigned k = 0; k < 8; k++)
            (void)core_begin(&core, 1, "POST", "/", NULL, kinds[(i + k) % 5], 1, true, 1000000);
        for (unsigned ended = 0;
             ended < 8 && core_receive(&core, &slot, payload, CORE_PATIENCE_MS);) {
            ended += (slot.flags & TFAAS_END) != 0;
            killed += (slot.flags & TFAAS_END) &&
                      (slot.arg[0] == TFAAS_DEADLINE || slot.arg[0] == TFAAS_FUNCTION_TRAPPED);
        }
    }
    core_test_expect(&core, 1, "s", "short");
    CHECK(killed == 8 * rounds, "only %u of %u runs were killed", killed, 8 * rounds);
    CHECK((!inside || scan->scans >= 1000) && scan->found == 0 && scan->differing == 0,
          "%lu scans, %lu slots differ", scan->scans, scan->differing);
    core_child_stop(&core);
}

static const char js_source[] =
    "const kept = [], map = new Map(), weak = new WeakMap(), key = {};\n"
    "let text = '', re = /a/g, counter = 0; class Thing { static all = []; }\n"
    "function* gen() { let x = 'start'; for (;;) x = yield x; } const g = gen(); g.next();\n"
    "function fill(c) {\n"
    "  text = c; counter++; kept.push(c, c + c); map.set(c, {c}); weak.set(key, c); g.next(c);\n"
    "  Thing.all.push(c); Thing[c] = c; fill.mark = c; globalThis[c] = c;\n"
    "  globalThis.mark = c.repeat(10); Object.prototype[c] = c; Object.prototype.mark = c;\n"
    "  Array.prototype.push = function () { return c; }; String.prototype.trim = () => c;\n"
    "  JSON.stringify = () => c; Math.random = () => c; Symbol.for(c); re.lastIndex = 7;\n"
    "  Promise.prototype.then = Promise.prototype.then; Date.now = () => c;\n"
    "  console.log = () => c; process.env && (process.env.MARK = c); module.mark = c;\n"
    "  require('./other').mark = c; Error.prepareStackTrace = () => c;\n"
    "  const big = []; for (let i = 0; i < 20000; i++) big[i] = c + i; globalThis.big = big;\n"
    "  setTimeout(() => { globalThis.late = c; }, 1e9); crypto.getRandomValues(new "
    "Uint8Array(8));\n"
    "  new Uint8Array(1 << 20).fill(c.charCodeAt(0)); }\n"
    "const names = () => Object.getOwnPropertyNames(globalThis).sort().join();\n"
    "const stringify = JSON.stringify, own = Reflect.ownKeys;\n"
    "module.exports = async (event, context) => {\n"
    "  const c = String(event.body);\n"
    "  if (c.length > 4) { fill(c); return context.status(200).succeed('filled'); }\n"
    "  return context.status(200).succeed(stringify([names(), own(Object.prototype).length,\n"
    "    kept, [...map], weak.get(key), text, counter, Thing.all, own(Thing).map(String),\n"
    "    own(fill).map(String), globalThis.mark, re.lastIndex, g.next('x').value,\n"
    "    Array.prototype.push.toString(), ''.trim(), typeof Math.random(), "
    "own(module).map(String),\n"
    "    own(require('./other')).map(String), typeof Date.now(), String(globalThis.late)]));\n"
    "};\n";

static void load_js(uint32_t id)
{
    struct core_config config = core_test_js(js_source);
    config.files[1] = (struct core_file){"other.js", "exports.value = 1;\n", 0};
    core_test_load(&core, id, config);
}

static unsigned js_rounds(unsigned rounds)
{
    load_js(1);
    load_js(2);
    struct core_answer first, now;
    call(1, "p", 1, &first);
    unsigned changed = 0;
    uint64_t seed = 77;
    for (unsigned i = 0; i < rounds; i++) {
        char canary[CANARY_SIZE + 1];
        for (size_t k = 0; k < CANARY_SIZE; k++)
            canary[k] = (char)('a' + (core_test_random(&seed) >> 40) % 26);
        memcpy(scan->canary, canary, CANARY_SIZE);
        call(1 + i % 2, canary, CANARY_SIZE, &now);
        core_answer_free(&now);
        scan->armed = true;
        call(1 + i % 2, "p", 1, &now);
        changed += !same(&first, &now);
        core_answer_free(&now);
        call(2 - i % 2, "p", 1, &now); /* another function over the same runtime image */
        changed += !same(&first, &now);
        core_answer_free(&now);
    }
    core_answer_free(&first);
    return changed;
}

static void javascript(void)
{
    begin(false);
    unsigned changed = js_rounds(60);
    CHECK(changed == 0, "%u runs saw another run's state", changed);
    CHECK((!inside || scan->scans >= 150) && scan->found == 0 && scan->differing == 0,
          "%lu scans, canary found %lu times, %lu slots differ", scan->scans, scan->found,
          scan->differing);
    core_child_stop(&core);
}

/* More functions than idle slots are kept: each over the same base with pages of its own, each slot
 * thrown away and made anew between two calls. */
static void many_functions_over_one_base(void)
{
    enum { MANY = IDLE_SLOTS_ALL + 12 };
    begin(false);
    struct core_answer first[MANY], now;
    for (uint32_t id = 0; id < MANY; id++) {
        char source[200];
        (void)snprintf(source, sizeof source,
                       "const name = 'function %u ' + 'x'.repeat(%u); let calls = 0;\n"
                       "module.exports = async (e, c) => c.succeed(name + ' ' + ++calls);\n",
                       id, id * 97);
        core_test_load(&core, id, core_test_js(source));
    }
    scan->armed = true;
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t id = 0; id < MANY; id++) {
            char expected[64];
            call(id, "p", 1, round == 0 ? &first[id] : &now);
            (void)snprintf(expected, sizeof expected, "function %u ", id);
            struct span content = core_content(round == 0 ? &first[id] : &now);
            CHECK(content.size > strlen(expected) &&
                      memcmp(content.data, expected, strlen(expected)) == 0,
                  "function %u said something else", id);
            if (round == 0)
                continue;
            CHECK(same(&first[id], &now), "function %u saw another run's state", id);
            core_answer_free(&now);
        }
    }
    for (uint32_t id = 0; id < MANY; id++)
        core_answer_free(&first[id]);
    CHECK((!inside || scan->scans == 3 * MANY) && scan->differing == 0,
          "%lu scans, %lu slots differ", scan->scans, scan->differing);
    core_child_stop(&core);
}

static void restore_off_is_noticed_in_javascript(void)
{
    if (!inside) {
        check_skipped = "the product's core has no such switch";
        return;
    }
    begin(true);
    load_js(1);
    struct core_answer first, now;
    call(1, "p", 1, &first);
    memcpy(scan->canary, "canarycanarycana", CANARY_SIZE);
    scan->armed = true;
    (void)core_test_call(&core, 1, "canarycanarycana", CANARY_SIZE, 5000000000u, &now);
    core_answer_free(&now);
    bool alive = core_test_call(&core, 1, "p", 1, 5000000000u, &now);
    CHECK(!alive || !same(&first, &now), "the function saw nothing of the run before");
    CHECK(scan->found > 0 && scan->differing > 0, "the scan saw nothing");
    core_answer_free(&now);
    core_answer_free(&first);
    core_child_stop(&core);
}

/* State outside linear memory is made anew in every run, on the memory the module begins with. */
static void initialised_once_in_every_run(void)
{
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("init_once"));
    for (unsigned i = 0; i < 5; i++)
        core_test_expect(&core, 1, "x", "once");
    core_child_stop(&core);
}

int main(int argc, char **argv)
{
    scan = mmap(NULL, sizeof *scan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (scan == MAP_FAILED)
        return 1;
    core_test_prepare();
    inside = !core_child_of_tender();
    static const struct check_case cases[] = {
        {"memory and globals", memory_and_globals},
        {"tables and segments", tables_and_segments},
        {"initialised once in every run", initialised_once_in_every_run},
        {"restore off is noticed", restore_off_is_noticed},
        {"killed runs", killed_runs},
        {"JavaScript state", javascript},
        {"many functions over one base", many_functions_over_one_base},
        {"restore off is noticed in JavaScript", restore_off_is_noticed_in_javascript},
    };
    return CHECK_MAIN(cases, argc, argv);
}
