/*
 * preempt.c - many runs at once in a core with one thread: long ones do not keep short ones
 * waiting, results stay exact, and whatever a function does, its deadline ends it.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/core_tender.c host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "core_test.h"

#include <dirent.h>
#include <stdlib.h>

#define MS          1000000u
#define LONG_COUNT  12
#define SHORT_COUNT 60
#define KILLS       10000
#define IN_FLIGHT   100

static struct core_child core;

static uint32_t begin(uint32_t function, const char *body, uint64_t deadline_ns, bool whole)
{
    return core_begin(&core, function, "POST", "/", NULL, body, strlen(body), whole, deadline_ns);
}

/* --- results --- */

static struct core_answer answers[LONG_COUNT + SHORT_COUNT];
static unsigned order[LONG_COUNT + SHORT_COUNT], ended;

/* Collects all answers of calls first..first+count-1; remembers the order of their ends. */
static void collect(uint32_t first, uint32_t count)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    memset(answers, 0, sizeof answers);
    ended = 0;
    while (ended < count) {
        if (!core_receive(&core, &slot, payload, CORE_PATIENCE_MS)) {
            CHECK(false, "only %u of %u ended", ended, count);
            return;
        }
        uint32_t i = slot.id - first;
        if (i >= count)
            continue;
        if (slot.kind == TFAAS_RESPONSE) {
            answers[i].bytes = malloc(slot.size);
            memcpy(answers[i].bytes, payload, slot.size);
            answers[i].size = slot.size;
        }
        if (slot.flags & TFAAS_END) {
            answers[i].status = (unsigned)slot.arg[0];
            answers[i].work = slot.arg[1];
            order[ended++] = i;
        }
    }
}

static bool content_is(const struct core_answer *answer, const struct core_answer *other)
{
    struct span a = core_content(answer), b = core_content(other);
    return a.size > 0 && a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static void long_and_short_together(void)
{
    struct core_answer alone[LONG_COUNT];
    char body[3] = "k";
    for (unsigned i = 0; i < LONG_COUNT; i++) {
        body[1] = (char)('a' + i);
        CHECK(core_test_call(&core, 1, body, 2, 20000u * MS, &alone[i]), "the core is gone");
    }
    uint32_t first = core.next_id + 1;
    core_pause(&core); /* they are all there before the first one runs */
    for (unsigned i = 0; i < LONG_COUNT; i++) {
        body[1] = (char)('a' + i);
        (void)begin(1, body, 60000ull * MS, true);
    }
    for (unsigned i = 0; i < SHORT_COUNT; i++)
        (void)begin(1, "s", 60000ull * MS, true);
    core_resume(&core);
    collect(first, LONG_COUNT + SHORT_COUNT);
    for (unsigned i = 0; i < LONG_COUNT; i++) {
        CHECK(answers[i].status == TFAAS_OK && content_is(&answers[i], &alone[i]),
              "long call %u: %s, other bits than alone", i, tfaas_status_name(answers[i].status));
        CHECK(answers[i].work == alone[i].work, "long call %u: %lu units, %lu alone", i,
              answers[i].work, alone[i].work);
        core_answer_free(&alone[i]);
    }
    for (unsigned i = 0; i < SHORT_COUNT && ended; i++) {
        CHECK(order[i] >= LONG_COUNT, "long call %u ended before short call %u", order[i], i);
        CHECK(core_content(&answers[LONG_COUNT + i]).size == 5, "short call %u went wrong", i);
    }
    for (unsigned i = 0; i < LONG_COUNT + SHORT_COUNT; i++)
        core_answer_free(&answers[i]);
}

/* --- each way not to end --- */

static void ends_at_the_deadline(const char *body)
{
    core_test_ends(&core, 1, body, 30u * MS, TFAAS_DEADLINE);
    core_test_expect(&core, 1, "s", "short");
}

static void endless_loop(void)
{
    ends_at_the_deadline("e");
}

static void endless_bulk_operations(void)
{
    ends_at_the_deadline("f");
    ends_at_the_deadline("c");
}

static void spinning_in_host_calls(void)
{
    struct core_config config = core_test_wasm("loops");
    config.hostcall_limit = UINT64_MAX >> 1;
    core_test_load(&core, 2, config);
    const char *kinds[] = {"h", "w", "y"};
    for (unsigned i = 0; i < 3; i++) {
        core_test_ends(&core, 2, kinds[i], 30u * MS, TFAAS_DEADLINE);
        core_test_expect(&core, 2, "s", "short");
    }
    /* While one spins in host calls, others are served. */
    uint32_t spinner = begin(2, "h", 20000ull * MS, true);
    for (unsigned i = 0; i < 20; i++)
        core_test_expect(&core, 1, "s", "short");
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = spinner}, NULL, 0);
    struct core_answer answer;
    CHECK(core_wait(&core, spinner, &answer) && answer.status == TFAAS_CANCELLED, "%s",
          tfaas_status_name(answer.status));
}

static void sleeping_for_ever(void)
{
    ends_at_the_deadline("z");
}

static void waiting_for_the_rest_of_the_body(void)
{
    struct core_answer answer;
    uint32_t id = begin(1, "i", 30u * MS, false);
    CHECK(core_wait(&core, id, &answer) && answer.status == TFAAS_DEADLINE, "%s",
          tfaas_status_name(answer.status));
    core_test_expect(&core, 1, "s", "short");
}

static void endless_recursion(void)
{
    struct core_answer answer;
    CHECK(core_test_call(&core, 1, "r", 1, 5000ull * MS, &answer), "the core is gone");
    CHECK(answer.status == TFAAS_FUNCTION_TRAPPED && strstr(answer.log, "call stack exhausted"),
          "%s: %s", tfaas_status_name(answer.status), answer.log);
    core_test_expect(&core, 1, "s", "short");
}

/* A function that answers and runs on: the caller gets the answer now, the run ends later. */
static void answering_and_running_on(void)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    uint32_t id = 0;
    bool received = false;
    slot.kind = 0;
    /* Not even the answer before the deadline: a slow machine needs more time. */
    for (uint64_t ms = 100; slot.kind != TFAAS_RESPONSE && ms <= 62500; ms *= 5) {
        id = begin(1, "a", ms * MS, true);
        received = core_receive(&core, &slot, payload, CORE_PATIENCE_MS);
    }
    CHECK(received && slot.id == id && slot.kind == TFAAS_RESPONSE && slot.flags == TFAAS_LAST &&
              slot.size == 9,
          "kind %u flags %u size %u", slot.kind, slot.flags, slot.size);
    struct core_answer answer;
    CHECK(core_wait(&core, id, &answer) && answer.status == TFAAS_DEADLINE, "%s",
          tfaas_status_name(answer.status));
    core_test_expect(&core, 1, "s", "short");
}

static void loads_that_never_end(void)
{
    static const char *const names[] = {"never_starts", "never_loads", "never_initialises"};
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    uint8_t *bytes;
    size_t size;
    for (uint32_t i = 0; i < 3; i++) {
        struct core_config config = core_test_wasm(names[i]);
        core_bundle(&config, &bytes, &size);
        core_send(&core, (struct tfaas_slot){.kind = TFAAS_LOAD, .id = 10 + i, .arg = {size, 0}},
                  bytes, size);
        free(bytes);
    }
    core_test_expect(&core, 1, "s", "short"); /* they load, others are served */
    uint32_t waiting = begin(10, "s", 30000ull * MS, true);
    struct tfaas_slot slot;
    unsigned loaded = 0, waited = 0;
    while (loaded + waited < 4 && core_receive(&core, &slot, payload, 4 * CORE_PATIENCE_MS)) {
        if (slot.kind == TFAAS_LOADED) {
            loaded++;
            CHECK(slot.arg[0] == TFAAS_DEADLINE, "%u: %s: %.*s", slot.id,
                  tfaas_status_name((unsigned)slot.arg[0]), (int)slot.size, payload);
        } else if (slot.flags & TFAAS_END && slot.id == waiting) {
            waited++;
            CHECK(slot.arg[0] == TFAAS_DEADLINE, "%s", tfaas_status_name((unsigned)slot.arg[0]));
        }
    }
    CHECK(loaded == 3 && waited == 1, "%u loads and %u calls ended", loaded, waited);
    core_test_expect(&core, 1, "s", "short");
}

/* --- nothing is leaked --- */

static unsigned count_lines(const char *file)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", core.pid, file);
    FILE *in = fopen(path, "r");
    unsigned lines = 0;
    for (int c; in && (c = getc(in)) != EOF;)
        lines += c == '\n';
    if (in)
        (void)fclose(in);
    return lines;
}

static unsigned count_files(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", core.pid);
    DIR *dir = opendir(path);
    unsigned count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        (void)closedir(dir);
    return count;
}

/* Kills `count` runs by deadline or CANCEL, IN_FLIGHT at a time, at every kind of place. */
static void kill_runs(unsigned count)
{
    static const char *const kinds[] = {"z", "i", "z", "i", "e", "z", "f", "i", "y", "a"};
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    unsigned begun = 0, done = 0;
    while (done < count) {
        for (; begun < count && begun - done < IN_FLIGHT; begun++) {
            const char *kind = kinds[begun % 10];
            uint32_t id = begin(1, kind, begun % 3 ? 1 : 60000ull * MS, kind[0] != 'i');
            if (begun % 3 == 0)
                core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = id}, NULL, 0);
        }
        struct tfaas_slot slot;
        if (!core_receive(&core, &slot, payload, CORE_PATIENCE_MS)) {
            CHECK(false, "only %u of %u ended", done, count);
            return;
        }
        if (!(slot.flags & TFAAS_END))
            continue;
        done++;
        CHECK(slot.arg[0] == TFAAS_DEADLINE || slot.arg[0] == TFAAS_CANCELLED, "%s",
              tfaas_status_name((unsigned)slot.arg[0]));
    }
}

static void kills_leak_nothing(void)
{
    kill_runs(KILLS / 10);
    core_test_expect(&core, 1, "s", "short");
    long before = core_test_memory_kib(&core, "VmRSS");
    unsigned files = count_files(), maps = count_lines("maps");
    kill_runs(KILLS - KILLS / 10);
    core_test_expect(&core, 1, "s", "short");
    long after = core_test_memory_kib(&core, "VmRSS");
    CHECK(after < before + 4096, "resident memory went from %ld to %ld KiB", before, after);
    CHECK(count_files() == files, "%u files, %u before", count_files(), files);
    CHECK(count_lines("maps") < maps + 100, "%u mappings, %u before", count_lines("maps"), maps);
    (void)printf("       %ld KiB resident before, %ld after %u kills\n", before, after, KILLS);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("loops"));
    static const struct check_case cases[] = {
        {"long and short together", long_and_short_together},
        {"endless loop", endless_loop},
        {"endless bulk operations", endless_bulk_operations},
        {"spinning in host calls", spinning_in_host_calls},
        {"sleeping for ever", sleeping_for_ever},
        {"waiting for the rest of the body", waiting_for_the_rest_of_the_body},
        {"endless recursion", endless_recursion},
        {"answering and running on", answering_and_running_on},
        {"loads that never end", loads_that_never_end},
        {"kills leak nothing", kills_leak_nothing},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&core);
    return status;
}
