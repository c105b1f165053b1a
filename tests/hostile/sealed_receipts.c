/*
 * sealed_receipts.c - receipts of a real core: they verify with the lease's key and with what was
 * sent and got, for one call or many at once; what ends early says so; no number comes twice.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c tests/support/sealed_test.c tests/support/identity_double.c flags: -Wl,--wrap=plat_now_ns,--wrap=identity_key,--wrap=identity_signing_secret,--wrap=identity_lease,--wrap=identity_instance */
/* clang-format on */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sealed_test.h"

#include "base64url.h"
#include "receipt.h"
#include "statement.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The core's clock, which stands still where this says so. */
static _Atomic uint64_t *stopped_at;
uint64_t __real_plat_now_ns(void);
uint64_t __wrap_plat_now_ns(void);

uint64_t __wrap_plat_now_ns(void)
{
    const uint64_t stopped = stopped_at ? atomic_load(stopped_at) : 0;
    return stopped ? stopped : __real_plat_now_ns();
}

static const char *const wants[] = {"tfaas-receipt", "1", "x-secret", CANARY, NULL};

static struct exchange request(unsigned form, const char *path, const char *body)
{
    return (struct exchange){.call = {.form = form,
                                      .path = path,
                                      .fields = wants,
                                      .body = body,
                                      .body_size = body ? strlen(body) : 0}};
}

/* --- what a client checks --- */

struct claims {
    char text[RECEIPT_CLAIMS_MAX + 1];
    uint64_t sequence, index, work, mem, cpu_ns;
    unsigned status;
    bool exact;
    char outcome[40];
};

static uint64_t number_of(const char *claims, const char *name)
{
    char key[40];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(claims, key);
    CHECK(at, "no %s in %s", name, claims);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void check_text(const char *claims, const char *name, const char *value)
{
    char pair[300];
    (void)snprintf(pair, sizeof pair, "\"%s\":\"%s\"", name, value);
    CHECK(strstr(claims, pair), "%s is not in %s", pair, claims);
}

static void check_hash(const char *claims, const char *name, const uint8_t hash[32])
{
    char text[64];
    CHECK(base64url_encode((struct span){hash, 32}, text, sizeof text) == TFAAS_OK, "no room");
    check_text(claims, name, text);
}

/* Signature, lease, batch and hashes. False: there is none that verifies. */
static bool verify(const struct exchange *x, const char *function, struct claims *to)
{
    uint8_t buffer[RECEIPT_SIZE_MAX];
    struct receipt receipt;
    struct span statement;
    struct lease lease;
    const char *why = "";
    struct span text = {(const uint8_t *)x->reply.receipt, strlen(x->reply.receipt)};
    tfaas_status_t status = receipt_read(text, buffer, &receipt, &why);
    if (status == TFAAS_OK)
        status = envelope_open(receipt.lease, identity_double_identity(), &statement, &why);
    if (status == TFAAS_OK)
        status = lease_read(statement, &lease, &why);
    if (status == TFAAS_OK)
        status = receipt_check(&receipt, lease.receipt_key.data, &why);
    CHECK(status == TFAAS_OK, "%s (%zu bytes)", why, text.size);
    if (status != TFAAS_OK)
        return false;
    (void)snprintf(to->text, sizeof to->text, "%.*s", (int)receipt.claims.size,
                   (const char *)receipt.claims.data);
    to->index = receipt.index;
    to->sequence = number_of(to->text, "seq");
    to->work = number_of(to->text, "work");
    to->mem = number_of(to->text, "mem");
    to->cpu_ns = number_of(to->text, "cpu_ns");
    to->status = (unsigned)number_of(to->text, "status");
    to->exact = strstr(to->text, "\"exact\":true") != NULL;
    check_hash(to->text, "req", x->call.req_hash);
    check_hash(to->text, "res", x->reply.res_hash);
    check_text(to->text, "fn", function);
    check_text(to->text, "pkg", x->reply.package + strlen("sha256:"));
    CHECK(to->status == x->reply.http_status, "status %u, the client got %u", to->status,
          x->reply.http_status);
    const char *outcome = strstr(to->text, "\"outcome\":\"");
    (void)sscanf(outcome ? outcome : "", "\"outcome\":\"%39[A-Z_]", to->outcome);
    return true;
}

/* --- one at a time --- */

static void every_form(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct claims claims, empty;
        struct exchange x = request(form, "/function/js/a?b=c", "some body");
        sealed_expect(&x, JS, 201, "some body");
        CHECK(verify(&x, "js.shop", &claims) && claims.exact && claims.work > 1000 &&
                  claims.mem > 65536 && claims.cpu_ns > 1000,
              "%s", claims.text);
        CHECK(claims.work == x.answer.core.work && claims.mem == x.answer.core.peak,
              "END says %lu and %lu: %s", x.answer.core.work, x.answer.core.peak, claims.text);
        check_text(claims.text, "outcome", "OK");
        struct exchange get = request(form, "/function/echo", NULL);
        sealed_expect(&get, ECHO, 200, NULL);
        CHECK(verify(&get, "echo.shop", &empty) && empty.sequence == claims.sequence + 1, "%s",
              empty.text);
        sealed_done(&x);
        sealed_done(&get);
    }
}

static void not_asked_for(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = request(form, "/function/echo", "b");
        x.call.fields = NULL;
        sealed_expect(&x, ECHO, 200, "b");
        CHECK(x.reply.receipt[0] == 0, "a receipt");
        sealed_done(&x);
    }
}

static void large_bodies(void)
{
    static uint8_t body[700000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    for (unsigned n = 0; n < FORMS * 2; n++) {
        struct claims claims;
        struct exchange x = request(1 + n % FORMS, "/function/echo", NULL);
        x.call.body = body;
        /* At and around what one chunk takes, with the trailer and without. */
        x.call.body_size = n < FORMS ? sizeof body : OHTTP_CHUNK_MAX - 100;
        sealed_expect(&x, ECHO, 200, NULL);
        CHECK(x.reply.content_size == x.call.body_size, "%zu bytes", x.reply.content_size);
        CHECK(verify(&x, "echo.shop", &claims), "no receipt");
        sealed_done(&x);
    }
}

/* The function answers at once and never reads the rest: the receipt still has all of it. */
static void unread_request(void)
{
    static uint8_t body[200000];
    for (unsigned form = 1; form <= FORMS; form++) {
        struct claims claims;
        struct exchange x = request(form, "/function/unread", NULL);
        memset(body, 's', sizeof body);
        x.call.body = body;
        x.call.body_size = sizeof body;
        sealed_expect(&x, UNREAD, 200, "early");
        CHECK(verify(&x, "unread.shop", &claims), "no receipt");
        sealed_done(&x);
    }
}

static void same_work_again(void)
{
    uint64_t date = client_now_s();
    for (unsigned n = 0; n < 3; n++) {
        static const struct {
            uint32_t function;
            const char *path, *name, *body;
        } cases[] = {{JS, "/function/js", "js.shop", "{\"a\":[1,2,3]}"},
                     {ECHO, "/function/echo", "echo.shop", "echo this"},
                     {LOOPS, "/function/loops", "loops.shop", "k3"}};
        uint64_t work[2 * FORMS], count = 0;
        for (unsigned form = 1; form <= FORMS; form++)
            for (unsigned again = 0; again < 2; again++) {
                struct claims claims = {.work = 0};
                struct exchange x = request(form, cases[n].path, cases[n].body);
                x.call.date_s = date;
                sealed_exchange(&x, cases[n].function);
                CHECK(verify(&x, cases[n].name, &claims) && claims.exact, "%s", claims.text);
                work[count++] = claims.work;
                sealed_done(&x);
            }
        for (unsigned i = 1; i < count; i++)
            CHECK(work[i] == work[0], "%s: %lu units, then %lu", cases[n].name, work[0], work[i]);
    }
}

/* --- what ends early --- */

static void ended_early(void)
{
    static const struct {
        uint32_t function;
        const char *path, *name, *body, *outcome;
        bool exact;
    } cases[] = {{LOOPS, "/function/loops", "loops.shop", "r", "FUNCTION_TRAPPED", false},
                 {LOOPS, "/function/loops", "loops.shop", "e", "DEADLINE", false},
                 {LOOPS, "/function/loops", "loops.shop", "z", "DEADLINE", false},
                 {LOOPS, "/function/loops", "loops.shop", "h", NULL, false},
                 {JS, "/function/js", "js.shop", "throw", NULL, true}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            struct claims claims = {.work = 0};
            struct exchange x = request(form, cases[i].path, cases[i].body);
            sealed_prepare(&x);
            CHECK(client_run(&sealed_core, cases[i].function, &x.call, SECOND / 10, &x.answer),
                  "gone");
            client_open(&x.call, x.answer.core.bytes, x.answer.core.size, &x.reply);
            CHECK(x.reply.opened && x.reply.http_status >= 500, "%s: %u", x.reply.why,
                  x.reply.http_status);
            CHECK(verify(&x, cases[i].name, &claims), "\"%s\": no receipt", cases[i].body);
            CHECK(claims.exact == cases[i].exact && claims.work > 0, "%s", claims.text);
            if (cases[i].outcome)
                check_text(claims.text, "outcome", cases[i].outcome);
            sealed_done(&x);
        }
}

/* A request that is refused before it ran has nothing to state. */
static void refused(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = request(form, "/function/echo", NULL);
        sealed_expect(&x, JS, 421, NULL);
        CHECK(x.reply.receipt[0] == 0, "a receipt of what did not run");
        sealed_done(&x);
    }
}

/* --- many at once --- */

#define AT_ONCE_MAX 128u
static struct exchange many[AT_ONCE_MAX];
static uint32_t first_id;

/* Sends `count` calls before it reads anything; `cancel` every n-th of them. */
static void run_many(unsigned count, unsigned cancel)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    first_id = sealed_core.next_id + 1;
    for (unsigned i = 0; i < count; i++) {
        many[i] = request(1 + i % FORMS, "/function/echo", CANARY);
        sealed_prepare(&many[i]);
    }
    for (unsigned i = 0; i < count; i++)
        (void)client_invoke(&sealed_core, ECHO, &many[i].call, many[i].call.sealed_size,
                            20 * SECOND, client_now_s() * SECOND);
    for (unsigned i = 0; cancel && i < count; i += cancel)
        core_send(&sealed_core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = first_id + i}, NULL,
                  0);
    for (unsigned ended = 0; ended < count;) {
        if (!core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS)) {
            CHECK(false, "%u of %u calls ended", ended, count);
            return;
        }
        client_tap(&slot, payload);
        if (slot.kind == TFAAS_BODY && slot.flags & TFAAS_CREDIT)
            continue;
        CHECK(slot.kind != TFAAS_FAULT, "%.*s", (int)slot.size, (const char *)payload);
        struct core_answer *answer = &many[slot.id - first_id].answer.core;
        if (slot.kind == TFAAS_RESPONSE || slot.kind == TFAAS_BODY) {
            answer->bytes = realloc(answer->bytes, answer->size + slot.size + 1);
            memcpy(answer->bytes + answer->size, payload, slot.size);
            answer->size += slot.size;
        }
        if (slot.flags & TFAAS_END) {
            answer->status = (unsigned)slot.arg[0];
            ended++;
        }
    }
}

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct claims *)a)->sequence, y = ((const struct claims *)b)->sequence;
    return (x > y) - (x < y);
}

/* All verify; the numbers of those that were not cancelled follow each other without a gap. */
static uint64_t check_many(unsigned count, uint64_t before, unsigned *batch_largest)
{
    static struct claims claims[AT_ONCE_MAX];
    unsigned served = 0;
    for (unsigned i = 0; i < count; i++) {
        struct exchange *x = &many[i];
        if (x->answer.core.status == TFAAS_OK) {
            client_open(&x->call, x->answer.core.bytes, x->answer.core.size, &x->reply);
            CHECK(x->reply.opened && x->reply.http_status == 200, "%s", x->reply.why);
            claims[served] = (struct claims){.work = 0};
            if (verify(x, "echo.shop", &claims[served])) {
                if (claims[served].index + 1 > *batch_largest)
                    *batch_largest = (unsigned)claims[served].index + 1;
                served++;
            }
        } else {
            CHECK(x->answer.core.status == TFAAS_CANCELLED && x->answer.core.size == 0, "%s",
                  tfaas_status_name(x->answer.core.status));
        }
        sealed_done(x);
    }
    qsort(claims, served, sizeof *claims, by_sequence);
    for (unsigned i = 0; i < served; i++)
        CHECK(claims[i].sequence == before + 1 + i, "number %lu where %lu was to come",
              claims[i].sequence, before + 1 + i);
    return before + served;
}

static uint64_t sequence_now(void)
{
    struct claims claims = {.sequence = 0};
    struct exchange x = request(1, "/function/echo", NULL);
    sealed_expect(&x, ECHO, 200, NULL);
    (void)verify(&x, "echo.shop", &claims);
    sealed_done(&x);
    return claims.sequence;
}

static void batches(void)
{
    uint64_t sequence = sequence_now();
    unsigned largest = 0;
    for (unsigned count = 1; count <= 64; count++) {
        run_many(count, 0);
        sequence = check_many(count, sequence, &largest);
    }
    run_many(AT_ONCE_MAX - 1, 0);
    sequence = check_many(AT_ONCE_MAX - 1, sequence, &largest);
    CHECK(largest > 8 && largest <= RECEIPT_BATCH_MAX, "the largest batch had %u", largest);
    (void)printf("       largest batch: %u receipts\n", largest);
}

static void cancelled_while_waiting(void)
{
    uint64_t sequence = sequence_now();
    unsigned largest = 0;
    for (unsigned round = 0; round < 40; round++) {
        run_many(30 + round, 1 + round % 5);
        sequence = check_many(30 + round, sequence, &largest);
    }
    CHECK(sequence_now() == sequence + 1, "a gap");
}

/* Nothing of a call stays but its 16 bytes in the replay store: 256 bytes each would show, what the
 * allocator holds back (it swings by 3 MiB) does not. */
static void memory_does_not_grow(void)
{
    enum { WARM = 300, ROUNDS = 300, CALLS = 60 };
    uint64_t sequence = sequence_now();
    unsigned largest = 0;
    long before = 0;
    for (unsigned round = 0; round < WARM + ROUNDS; round++) {
        if (round == WARM)
            before = core_test_memory_kib(&sealed_core, "Private_Dirty");
        run_many(CALLS, round % 7);
        sequence = check_many(CALLS, sequence, &largest);
    }
    long after = core_test_memory_kib(&sealed_core, "Private_Dirty");
    CHECK(after <= before + ROUNDS * CALLS * 256 / 1024, "private memory: %ld KiB, then %ld KiB",
          before, after);
    (void)printf("       %ld KiB private after %d calls, %ld KiB after %d\n", before, WARM * CALLS,
                 after, (WARM + ROUNDS) * CALLS);
}

/* A client that waits alone gets its receipt at once: not when a millisecond is over. For the core
 * it never is. */
static void alone_is_quick(void)
{
    atomic_store(stopped_at, core_test_now_ns());
    for (unsigned i = 0; i < 200; i++) {
        struct claims claims;
        struct exchange x = request(TFAAS_SEALING_SESSION, "/function/echo", "q");
        sealed_expect(&x, ECHO, 200, "q");
        CHECK(verify(&x, "echo.shop", &claims), "call %u has no receipt", i);
        sealed_done(&x);
    }
    atomic_store(stopped_at, 0);
}

static void without_a_lease(void)
{
    sealed_test_stop();
    sealed_test_start("shop");
    struct exchange x = request(TFAAS_SEALING_OHTTP, "/function/echo", NULL);
    sealed_expect(&x, ECHO, 200, NULL);
    sealed_done(&x);
    sealed_test_stop();
    identity_double_unlease(); /* of the next core, which cannot even open */
    core_child_start(&sealed_core);
    core_test_load(&sealed_core, ECHO, core_test_wasm("command_echo"));
    struct exchange y = request(TFAAS_SEALING_OHTTP, "/function/test", NULL);
    sealed_refused(&y, ECHO, TFAAS_NO_LEASE);
    sealed_done(&y);
}

static void nothing_leaked(void)
{
    CHECK(sealed_leaks == 0, "%u payloads held plaintext", sealed_leaks);
}

int main(int argc, char **argv)
{
    sealed_test_prepare();
    stopped_at =
        mmap(NULL, sizeof *stopped_at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stopped_at == MAP_FAILED)
        return 1;
    sealed_test_start("shop");
    static const struct check_case cases[] = {
        {"every form", every_form},
        {"not asked for", not_asked_for},
        {"large bodies", large_bodies},
        {"unread request", unread_request},
        {"same work again", same_work_again},
        {"ended early", ended_early},
        {"refused", refused},
        {"batches", batches},
        {"cancelled while waiting", cancelled_while_waiting},
        {"alone is quick", alone_is_quick},
        {"memory does not grow", memory_does_not_grow},
        {"without a lease", without_a_lease},
        {"nothing leaked", nothing_leaked},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    sealed_test_stop();
    return status;
}
