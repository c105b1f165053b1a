/*
 * keeper.c - the keeper's tables: what happens when they are full, that key ids of a domain are
 * unique, that what has ended is remembered, and that its own rules hold for well-formed requests
 * out of order. Workers are made here: their reports are genuine.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "core_test.h"

#include "cbor.h"
#include "core_clock.h"
#include "keeper.h"
#include "ohttp.h"
#include "plat/linux/linux.h"
#include "statement.h"
#include "tfaas/abi.h"

#include <sodium.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

static uint64_t now_s = UINT64_C(1800000000);
static uint8_t answer[TFAAS_PAYLOAD_MAX];
static size_t answer_size;
static const char *why;

static tfaas_status_t ask(enum tfaas_op op, const void *request, size_t size)
{
    struct writer w = writer_of(answer, sizeof answer);
    why = "";
    core_clock_told(now_s * SECOND);
    plat_linux_domain(PLAT_KEEPER, "");
    tfaas_status_t status = keeper_call(op, (struct span){request, size}, &w, &why);
    answer_size = w.at;
    return status;
}

static tfaas_status_t make_domain(const char *name)
{
    uint8_t request[128];
    struct writer w = writer_of(request, sizeof request);
    cbor_put_map(&w, 1);
    cbor_put_uint(&w, 1);
    cbor_put_text(&w, name, strlen(name));
    return ask(TFAAS_OP_DOMAIN, request, w.at);
}

struct worker {
    uint8_t signing_key[32], signing_secret[64], kem_key[32], request_key[32];
    struct plat_report report;
    uint64_t number;
    uint8_t previous[32];
    uint8_t key_id;
};

static void make_worker(struct worker *worker, const char *domain)
{
    uint8_t data[64];
    memset(worker, 0, sizeof *worker);
    crypto_sign_keypair(worker->signing_key, worker->signing_secret);
    randombytes_buf(worker->kem_key, sizeof worker->kem_key);
    randombytes_buf(worker->request_key, sizeof worker->request_key);
    plat_linux_domain(PLAT_WORKER, domain);
    plat_linux_report_enter(domain);
    statement_digest(data, STATEMENT_WORKER_LABEL, (struct span){worker->signing_key, 32},
                     (struct span){worker->kem_key, 32});
    CHECK(plat_local_report(data, &worker->report), "no report");
}

/* CERTIFY; takes the lease when there is one. */
static tfaas_status_t certify(struct worker *worker)
{
    uint8_t statement[256], envelope[400], request[1024];
    const struct lease_request lease_request = {.signing_key = {worker->signing_key, 32},
                                                .kem_key = {worker->kem_key, 32},
                                                .request_key = {worker->request_key, 32},
                                                .number = worker->number + 1,
                                                .previous = {worker->previous, 32}};
    struct writer s = writer_of(statement, sizeof statement);
    struct writer e = writer_of(envelope, sizeof envelope), w = writer_of(request, sizeof request);
    lease_request_write(&s, &lease_request);
    envelope_write(&e, (struct span){statement, s.at}, worker->signing_secret);
    cbor_put_map(&w, 2);
    cbor_put_uint(&w, 1);
    cbor_put_bytes(&w, &worker->report, sizeof worker->report);
    cbor_put_uint(&w, 2);
    cbor_put_bytes(&w, envelope, e.at);
    tfaas_status_t status = ask(TFAAS_OP_CERTIFY, request, w.at);
    if (status != TFAAS_OK)
        return status;
    struct cursor c = cursor_of(answer, answer_size);
    (void)cbor_map(&c);
    (void)cbor_uint(&c);
    struct span got = cbor_bytes(&c), inner, signature;
    struct lease lease;
    struct ohttp_key_config config = {.id = 0};
    CHECK(envelope_split(got, &inner, &signature, &why) == TFAAS_OK &&
              lease_read(inner, &lease, &why) == TFAAS_OK &&
              ohttp_read_key_config(lease.key_configuration, &config, &why) == TFAAS_OK,
          "%s", why);
    crypto_hash_sha256(worker->previous, got.data, got.size);
    worker->number++;
    worker->key_id = config.id;
    CHECK(config.aead_count == 1u + aead_available(AEAD_AES_256_GCM), "%zu AEADs",
          config.aead_count);
    return TFAAS_OK;
}

static size_t leases_told(const char *domain)
{
    struct domain_statement statement = {.lease_count = SIZE_MAX};
    CHECK(make_domain(domain) == TFAAS_OK, "%s", why);
    struct cursor c = cursor_of(answer, answer_size);
    (void)cbor_map(&c);
    (void)cbor_uint(&c);
    struct span inner, signature;
    CHECK(envelope_split(cbor_bytes(&c), &inner, &signature, &why) == TFAAS_OK &&
              domain_statement_read(inner, &statement, &why) == TFAAS_OK,
          "%s", why);
    return statement.lease_count;
}

static void domain_is_full_at_64_leases(void)
{
    static struct worker workers[STATEMENT_LEASES_MAX + 1];
    bool seen[256] = {false};
    CHECK(make_domain("full") == TFAAS_OK, "%s", why);
    for (size_t i = 0; i < STATEMENT_LEASES_MAX; i++) {
        make_worker(&workers[i], "full");
        CHECK(certify(&workers[i]) == TFAAS_OK, "%s", why);
        CHECK(!seen[workers[i].key_id], "key id %u twice", workers[i].key_id);
        seen[workers[i].key_id] = true;
    }
    CHECK(leases_told("full") == STATEMENT_LEASES_MAX, "not all are told");
    make_worker(&workers[STATEMENT_LEASES_MAX], "full");
    CHECK(certify(&workers[STATEMENT_LEASES_MAX]) == TFAAS_BUSY, "one lease too many");
    uint8_t id = workers[3].key_id;
    CHECK(certify(&workers[3]) == TFAAS_OK && workers[3].key_id == id, "a renewal: %s", why);
    CHECK(leases_told("full") == STATEMENT_LEASES_MAX, "a renewal is told twice");
    /* A refusal for want of room ended nothing; after a lease's life there is room. */
    now_s += STATEMENT_LEASE_LIFE_S;
    CHECK(leases_told("full") == 0, "leases that are over are told");
    CHECK(certify(&workers[STATEMENT_LEASES_MAX]) == TFAAS_OK, "%s", why);
    CHECK(certify(&workers[5]) == TFAAS_OK, "late, but it continues its chain: %s", why);
}

static void one_request_key_one_lease(void)
{
    struct worker one, two;
    CHECK(make_domain("keys") == TFAAS_OK, "%s", why);
    make_worker(&one, "keys");
    make_worker(&two, "keys");
    memcpy(two.request_key, one.request_key, sizeof two.request_key);
    CHECK(certify(&one) == TFAAS_OK, "%s", why);
    CHECK(certify(&two) == TFAAS_CONFLICT && strstr(why, "request key"), "%s", why);
}

static void chain_begins_at_one(void)
{
    struct worker worker;
    make_worker(&worker, "keys");
    worker.number = 1;
    CHECK(certify(&worker) == TFAAS_CONFLICT, "a chain that begins at 2");
    worker.number = 0;
    worker.previous[0] = 1;
    CHECK(certify(&worker) == TFAAS_CONFLICT, "a chain that continues nothing");
    worker.previous[0] = 0;
    CHECK(certify(&worker) == TFAAS_OK, "%s", why);
    worker.previous[31] ^= 1;
    CHECK(certify(&worker) == TFAAS_CONFLICT && strstr(why, "revoked"), "%s", why);
    worker.previous[31] ^= 1;
    CHECK(certify(&worker) == TFAAS_CONFLICT && strstr(why, "ended"), "%s", why);
}

/* What ended is remembered, however many there are. */
static void ended_instances_stay_ended(void)
{
    static struct worker workers[3000];
    const size_t count = sizeof workers / sizeof *workers;
    CHECK(make_domain("many") == TFAAS_OK, "%s", why);
    for (size_t i = 0; i < count; i++) {
        uint8_t request[32];
        struct writer w = writer_of(request, sizeof request);
        make_worker(&workers[i], "many");
        if (i % 50 == 0)
            CHECK(certify(&workers[i]) == TFAAS_OK, "%s", why);
        cbor_put_map(&w, 1);
        cbor_put_uint(&w, 1);
        cbor_put_bytes(&w, workers[i].report.instance, 16);
        CHECK(ask(TFAAS_OP_REVOKE, request, w.at) == TFAAS_OK, "%s", why);
    }
    for (size_t i = 0; i < count; i++)
        CHECK(certify(&workers[i]) == TFAAS_CONFLICT, "worker %zu came back", i);
    CHECK(leases_told("many") == 0, "leases of ended workers are told");
}

static void domains_are_bounded(void)
{
    char name[64];
    unsigned made = 0;
    while (made < 2 * KEEPER_DOMAINS_MAX) {
        (void)snprintf(name, sizeof name,
                       "a-domain-with-a-name-of-63-bytes-which-is-the-longest-%09u", made);
        if (make_domain(name) != TFAAS_OK)
            break;
        made++;
    }
    CHECK(made > KEEPER_DOMAINS_MAX - 20 && made <= KEEPER_DOMAINS_MAX, "%u domains", made);
    CHECK(make_domain("one-more") == TFAAS_BUSY, "%s", why);
    CHECK(make_domain("full") == TFAAS_OK, "an old one is lost: %s", why);
    CHECK(ask(TFAAS_OP_SAVE, "\xa0", 1) == TFAAS_OK && answer_size <= TFAAS_PAYLOAD_MAX,
          "all of them do not fit one message: %s", why);
}

int main(int argc, char **argv)
{
    static const uint8_t start[37] = {0xa1, 0x01, 0x58, 0x20};
    core_test_prepare();
    plat_linux_report_enter("");
    keeper_enter();
    core_clock_told(now_s * SECOND);
    if (ask(TFAAS_OP_KEEPER_START, start, 36) != TFAAS_OK)
        return 1;
    static const struct check_case cases[] = {
        {"domain is full at 64 leases", domain_is_full_at_64_leases},
        {"one request key one lease", one_request_key_one_lease},
        {"chain begins at one", chain_begins_at_one},
        {"ended instances stay ended", ended_instances_stay_ended},
        {"domains are bounded", domains_are_bounded},
    };
    return CHECK_MAIN(cases, argc, argv);
}
