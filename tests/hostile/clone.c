/*
 * clone.c - copies of cores: the same process twice, with all its memory, each with a window of its
 * own. A copied worker is found as soon as its copies ask for different things; what a host can do
 * with copies until then, and with a copied keeper, is shown too (THREAT-MODEL.md says it).
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c flags: -D_GNU_SOURCE -Wl,--wrap=message_handle,--wrap=filter_install */
/* clang-format on */
#include "core_test.h"

#include "cbor.h"
#include "plat/linux/filter.h"
#include "plat/linux/linux.h"
#include "sealed_client.h"
#include "statement.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW_NS (UINT64_C(1800000000) * 1000000000)

/* What this test and a core's process share beside the window. */
struct copier {
    _Atomic int wanted, made;
    uint8_t *window; /* for the copy: mapped in both */
    int ring_fd, bell_fd;
};
static struct copier *copier;

bool __wrap_filter_install(enum filter_who who);
unsigned __wrap_message_handle(unsigned most);
unsigned __real_message_handle(unsigned most);

bool __wrap_filter_install(enum filter_who who)
{
    (void)who; /* a copy is made with fork, which no worker could call */
    return true;
}

static void take_place_of_the_copy(void)
{
    void *at = plat_window();
    memcpy(copier->window, at, TFAAS_WINDOW_SIZE);
    if (mremap(copier->window, TFAAS_WINDOW_SIZE, TFAAS_WINDOW_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
               at) != at ||
        dup2(copier->ring_fd, WORKER_RING_FD) < 0 || dup2(copier->bell_fd, WORKER_BELL_FD) < 0)
        _exit(96);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    atomic_store(&copier->made, (int)getpid());
}

unsigned __wrap_message_handle(unsigned most)
{
    if (copier && atomic_exchange(&copier->wanted, 0) && fork() == 0)
        take_place_of_the_copy();
    return __real_message_handle(most);
}

/* --- the host's side --- */

struct said {
    unsigned status;
    size_t size;
    uint8_t bytes[TFAAS_PAYLOAD_MAX];
};

static enum plat_role next_role;

static void become(void *window)
{
    (void)window;
    plat_linux_domain(next_role, next_role == PLAT_KEEPER ? "" : "shop");
}

static void tell_time(struct core_child *core)
{
    core_send(core, (struct tfaas_slot){.kind = TFAAS_CLOCK, .arg = {NOW_NS}}, NULL, 0);
}

/* A core and what copies it. */
struct subject {
    struct core_child core;
    struct copier *copier;
};

static void start(struct subject *subject, enum plat_role role)
{
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    copier = mmap(NULL, sizeof *copier, prot, flags, -1, 0);
    copier->window = mmap(NULL, TFAAS_WINDOW_SIZE, prot, flags, -1, 0);
    /* High numbers: the core's own are 3 and 4. */
    copier->ring_fd = fcntl(eventfd(0, 0), F_DUPFD, 100);
    copier->bell_fd = fcntl(eventfd(0, EFD_NONBLOCK), F_DUPFD, 100);
    subject->copier = copier;
    next_role = role;
    core_child_start(&subject->core);
    tell_time(&subject->core);
}

/* The same core again, with the host's side of its own window. */
static void copy(const struct subject *of, struct core_child *to)
{
    struct core_child *core = (struct core_child *)(uintptr_t)&of->core;
    atomic_store(&of->copier->wanted, 1);
    tell_time(core); /* wakes it; the copy may find it in its window too */
    for (unsigned i = 0; i < CORE_PATIENCE_MS && atomic_load(&of->copier->made) == 0; i++)
        (void)usleep(1000);
    *to = *core;
    to->window = of->copier->window;
    to->ring_fd = of->copier->ring_fd;
    to->bell_fd = of->copier->bell_fd;
    to->pid = atomic_load(&of->copier->made);
    CHECK(to->pid > 0, "no copy was made");
    struct core_child fresh;
    ring_tx_init(&fresh.tx, to->window, true);
    ring_rx_init(&fresh.rx, to->window, true);
    to->tx.shared = fresh.tx.shared;
    to->tx.slots = fresh.tx.slots;
    to->tx.data = fresh.tx.data;
    to->rx.shared = fresh.rx.shared;
    to->rx.slots = fresh.rx.slots;
    to->rx.data = fresh.rx.data;
}

static void stop(const struct core_child *core)
{
    if (core->pid > 0)
        (void)kill(core->pid, SIGKILL);
}

static unsigned ask(struct core_child *core, enum tfaas_op op, const void *request, size_t size,
                    struct said *to)
{
    struct tfaas_slot slot = {.kind = TFAAS_CALL, .id = 7, .arg = {op}};
    core_send(core, slot, request, size);
    to->status = TFAAS_PEER_DEAD;
    while (core_receive(core, &slot, to->bytes, CORE_PATIENCE_MS)) {
        if (slot.kind != TFAAS_ANSWER)
            continue;
        to->status = (unsigned)slot.arg[0];
        to->size = slot.size;
        break;
    }
    return to->status;
}

static unsigned hello(struct core_child *core, bool fresh, struct said *to)
{
    const uint8_t request[] = {0xa1, 0x01, fresh ? 0xf5 : 0xf4};
    return ask(core, TFAAS_OP_HELLO, request, sizeof request, to);
}

static void know_domain(struct core_child *keeper)
{
    static struct said said;
    static const uint8_t request[] = "\xa1\x01\x64shop";
    ask(keeper, TFAAS_OP_DOMAIN, request, sizeof request - 1, &said);
    CHECK(said.status == TFAAS_OK, "%s", (const char *)said.bytes);
}

#define CHECK_STATUS(have, want)                                                                   \
    do {                                                                                           \
        unsigned status_ = (have);                                                                 \
        CHECK(status_ == (want), "%s, expected %s", tfaas_status_name(status_),                    \
              tfaas_status_name(want));                                                            \
    } while (0)

static struct said a, b, c, d;

static bool same_words(const struct said *x, const struct said *y)
{
    return x->size == y->size && memcmp(x->bytes, y->bytes, x->size) == 0;
}

/* --- a copied worker --- */

/* Both ask for a key of their own: the second is found out, and neither gets a lease again. */
static void both_copies_lose_their_lease(void)
{
    struct subject keeper, worker;
    struct core_child clone;
    start(&keeper, PLAT_KEEPER);
    know_domain(&keeper.core);
    start(&worker, PLAT_WORKER);
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &b), TFAAS_OK);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, b.bytes, b.size, &c), TFAAS_OK);
    copy(&worker, &clone);
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(hello(&clone, true, &b), TFAAS_OK);
    CHECK(!same_words(&a, &b), "copies draw the same key");
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_LEASE, c.bytes, c.size, &d), TFAAS_UNAUTHORIZED);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, c.bytes, c.size, &d), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, b.bytes, b.size, &c), TFAAS_CONFLICT);
    for (unsigned fresh = 0; fresh < 2; fresh++) {
        CHECK_STATUS(hello(&worker.core, fresh, &a), TFAAS_OK);
        CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_CONFLICT);
        CHECK_STATUS(hello(&clone, fresh, &a), TFAAS_OK);
        CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_CONFLICT);
    }
    stop(&clone);
    core_child_stop(&worker.core);
    core_child_stop(&keeper.core);
}

/* A copy made before the first HELLO: nothing of the chain is there yet. */
static void copies_of_a_fresh_worker_too(void)
{
    struct subject keeper, worker;
    struct core_child clone;
    start(&keeper, PLAT_KEEPER);
    know_domain(&keeper.core);
    start(&worker, PLAT_WORKER);
    copy(&worker, &clone);
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(hello(&clone, true, &b), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, b.bytes, b.size, &d), TFAAS_CONFLICT);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, c.bytes, c.size, &d), TFAAS_OK);
    CHECK_STATUS(hello(&worker.core, false, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &d), TFAAS_CONFLICT);
    stop(&clone);
    core_child_stop(&worker.core);
    core_child_stop(&keeper.core);
}

/* Copies that only renew say the same words: a host that answers both with one lease keeps both,
 * until the key has had its life and they must draw another. */
static void copies_in_step_last_one_key_life(void)
{
    struct subject keeper, worker;
    struct core_child clone;
    start(&keeper, PLAT_KEEPER);
    know_domain(&keeper.core);
    start(&worker, PLAT_WORKER);
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &b), TFAAS_OK);
    copy(&worker, &clone);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, b.bytes, b.size, &c), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_LEASE, b.bytes, b.size, &c), TFAAS_OK);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_STATUS(hello(&worker.core, false, &a), TFAAS_OK);
        CHECK_STATUS(hello(&clone, false, &b), TFAAS_OK);
        CHECK(same_words(&a, &b), "copies that renew say different words");
        CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_OK);
        CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, c.bytes, c.size, &d), TFAAS_OK);
        CHECK_STATUS(ask(&clone, TFAAS_OP_LEASE, c.bytes, c.size, &d), TFAAS_OK);
    }
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(hello(&clone, true, &b), TFAAS_OK);
    CHECK(!same_words(&a, &b), "copies draw the same key");
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_LEASE, c.bytes, c.size, &d), TFAAS_UNAUTHORIZED);
    stop(&clone);
    core_child_stop(&worker.core);
    core_child_stop(&keeper.core);
}

static void config_of(const struct said *certified, struct ohttp_key_config *config)
{
    struct cursor cursor = cursor_of(certified->bytes, certified->size);
    struct span statement, signature;
    struct lease lease;
    const char *why = "";
    (void)cbor_map(&cursor);
    (void)cbor_uint(&cursor);
    CHECK(envelope_split(cbor_bytes(&cursor), &statement, &signature, &why) == TFAAS_OK &&
              lease_read(statement, &lease, &why) == TFAAS_OK &&
              ohttp_read_key_config(lease.key_configuration, config, &why) == TFAAS_OK,
          "%s", why);
}

/* The nonce of a sealed answer: the first bytes of it. */
static void nonce_of(struct core_child *core, struct client_call *call, uint8_t nonce[32])
{
    struct client_answer answer;
    CHECK(client_run(core, TFAAS_FUNCTION_ANY, call, 1000000000, &answer), "the core is gone");
    CHECK(answer.core.size > 32, "no sealed answer");
    memcpy(nonce, answer.core.bytes, 32);
    free(answer.core.bytes);
}

/* Both open one request and seal under one key: with one nonce, two answers that differ would give
 * away what they hold, and let the host forge. */
static void copies_answer_with_nonces_of_their_own(void)
{
    struct subject keeper, worker;
    struct core_child clone;
    struct ohttp_key_config config;
    start(&keeper, PLAT_KEEPER);
    know_domain(&keeper.core);
    start(&worker, PLAT_WORKER);
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &b), TFAAS_OK);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, b.bytes, b.size, &c), TFAAS_OK);
    config_of(&b, &config);
    copy(&worker, &clone);
    for (unsigned form = TFAAS_SEALING_OHTTP; form <= TFAAS_SEALING_CHUNKED; form++) {
        /* A method that is not served: the core's own sealed answer, no function needed. */
        struct client_call call = {.form = form, .method = "TRACE"};
        uint8_t first[32], second[32];
        client_seal(&call, &config);
        nonce_of(&worker.core, &call, first);
        nonce_of(&clone, &call, second);
        CHECK(memcmp(first, second, sizeof first) != 0, "form %u: one nonce for two answers", form);
        free(call.sealed);
    }
    stop(&clone);
    core_child_stop(&worker.core);
    core_child_stop(&keeper.core);
}

/* --- a copied keeper --- */

/* It has the identity, so it certifies like the first. It cannot take over a chain that went on
 * without it, and gets nothing handed over that it does not have. */
static void copied_keeper(void)
{
    struct subject keeper, worker, second;
    struct core_child clone;
    start(&keeper, PLAT_KEEPER);
    know_domain(&keeper.core);
    start(&worker, PLAT_WORKER);
    start(&second, PLAT_WORKER);
    copy(&keeper, &clone);
    CHECK_STATUS(hello(&second.core, true, &a), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_CERTIFY, a.bytes, a.size, &b), TFAAS_OK);
    CHECK_STATUS(ask(&second.core, TFAAS_OP_LEASE, b.bytes, b.size, &c), TFAAS_OK);
    /* One worker, one request, both keepers: both certify it. */
    CHECK_STATUS(hello(&worker.core, true, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &b), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_OK);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, b.bytes, b.size, &d), TFAAS_OK);
    /* From here it goes on with the first; the copy is out of step for ever. */
    CHECK_STATUS(hello(&worker.core, false, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_CERTIFY, a.bytes, a.size, &b), TFAAS_OK);
    CHECK_STATUS(ask(&worker.core, TFAAS_OP_LEASE, b.bytes, b.size, &d), TFAAS_OK);
    CHECK_STATUS(hello(&worker.core, false, &a), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_CERTIFY, a.bytes, a.size, &c), TFAAS_CONFLICT);
    CHECK_STATUS(ask(&clone, TFAAS_OP_HANDOVER_ASK, "\xa0", 1, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_HANDOVER_GIVE, a.bytes, a.size, &b), TFAAS_CONFLICT);
    stop(&clone);
    core_child_stop(&worker.core);
    core_child_stop(&second.core);
    core_child_stop(&keeper.core);
}

/* { 1: report, 2: enc, ... } */
static struct span enc_of(const struct said *given)
{
    struct cursor cursor = cursor_of(given->bytes, given->size);
    (void)cbor_map(&cursor);
    (void)cbor_uint(&cursor);
    (void)cbor_bytes(&cursor);
    (void)cbor_uint(&cursor);
    return cbor_bytes(&cursor);
}

/* Two states sealed with one ephemeral key would be one key stream over two texts: a domain more in
 * one of them moves all sealing keys, and names that the host chose give them away. */
static void copied_keepers_seal_with_keys_of_their_own(void)
{
    static const uint8_t other[] = "\xa1\x01\x65other";
    struct subject keeper, peer;
    struct core_child clone;
    start(&keeper, PLAT_KEEPER);
    know_domain(&keeper.core);
    copy(&keeper, &clone);
    CHECK_STATUS(ask(&clone, TFAAS_OP_DOMAIN, other, sizeof other - 1, &a), TFAAS_OK);
    start(&peer, PLAT_KEEPER);
    CHECK_STATUS(ask(&peer.core, TFAAS_OP_HANDOVER_ASK, "\xa0", 1, &a), TFAAS_OK);
    CHECK_STATUS(ask(&keeper.core, TFAAS_OP_HANDOVER_GIVE, a.bytes, a.size, &b), TFAAS_OK);
    CHECK_STATUS(ask(&clone, TFAAS_OP_HANDOVER_GIVE, a.bytes, a.size, &c), TFAAS_OK);
    struct span first = enc_of(&b), second = enc_of(&c);
    CHECK(first.size == 32 && second.size == 32 && memcmp(first.data, second.data, 32) != 0,
          "copies hand over under one key");
    stop(&clone);
    core_child_stop(&peer.core);
    core_child_stop(&keeper.core);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    core_child_hook = become;
    static const struct check_case cases[] = {
        {"both copies lose their lease", both_copies_lose_their_lease},
        {"copies of a fresh worker too", copies_of_a_fresh_worker_too},
        {"copies in step last one key life", copies_in_step_last_one_key_life},
        {"copies answer with nonces of their own", copies_answer_with_nonces_of_their_own},
        {"copied keeper", copied_keeper},
        {"copied keepers seal with keys of their own", copied_keepers_seal_with_keys_of_their_own},
    };
    return CHECK_MAIN(cases, argc, argv);
}
