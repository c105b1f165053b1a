/*
 * keeper.c - keepers and workers as real processes of real zygotes, and a host that copies, swaps,
 * alters, replays and forges what they say to each other. Nobody but a live worker of the same
 * zygote, measurement and domain gets a lease, and a copied one loses it.
 */
/* clang-format off */
/* needs: host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c common/ring.c common/sha384.c common/status.c common/statement.c common/fields.c common/cbor.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c common/sealed.c common/base64url.c tests/hostile/keeper_support.c libs: sodium flags: nosan -D_GNU_SOURCE -Ihost */
/* clang-format on */
#include "check.h"
#include "keeper_support.h"

#include "cbor.h"
#include "ohttp.h"

#include <elf.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tender *tender;
static struct core keeper;
static struct answer a, b, c;

#define CHECK_STATUS(have, want)                                                                   \
    do {                                                                                           \
        unsigned status_ = (have);                                                                 \
        CHECK(status_ == (want), "%s, expected %s", tfaas_status_name(status_),                    \
              tfaas_status_name(want));                                                            \
    } while (0)

static const struct plat_report *report_of(const struct answer *answer)
{
    static struct plat_report reports[4];
    static unsigned turn;
    struct plat_report *report = &reports[turn++ % 4];
    memcpy(report, answer_field(answer, 1).data, sizeof *report);
    return report;
}

/* The lease in an answer to CERTIFY. */
static struct lease lease_of(const struct answer *certified)
{
    static uint8_t kept[2][STATEMENT_LEASE_SIZE_MAX];
    static unsigned turn;
    struct lease lease = {.number = 0};
    struct span envelope = answer_field(certified, 1), statement;
    const char *why = "";
    uint8_t *bytes = kept[turn++ % 2];
    memcpy(bytes, envelope.data, envelope.size);
    CHECK(envelope_open((struct span){bytes, envelope.size}, answer_field(certified, 2).data,
                        &statement, &why) == TFAAS_OK &&
              lease_read(statement, &lease, &why) == TFAAS_OK,
          "%s", why);
    return lease;
}

static void lease_is_given_and_renewed(void)
{
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    uint64_t from = NOW_S;
    for (uint64_t n = 1; n <= 4; n++) {
        CHECK_STATUS(hello(&worker, n == 1 || n == 3, &a), TFAAS_OK);
        CHECK_STATUS(certify(&keeper, &a, &b), TFAAS_OK);
        struct lease lease = lease_of(&b);
        CHECK(lease.number == n && lease.not_before == from &&
                  lease.not_after == from + STATEMENT_LEASE_LIFE_S,
              "number %llu", (unsigned long long)lease.number);
        CHECK(span_is(lease.domain, "blue"), "domain");
        CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, b.bytes, b.size)->status, TFAAS_OK);
    }
    CHECK_STATUS(domain_of(&keeper, "blue", &c), TFAAS_OK);
    struct domain_statement statement;
    struct span inner;
    const char *why = "";
    CHECK(envelope_open(answer_field(&c, 1), answer_field(&b, 2).data, &inner, &why) == TFAAS_OK &&
              domain_statement_read(inner, &statement, &why) == TFAAS_OK,
          "%s", why);
    CHECK(statement.lease_count == 2, "%zu leases: the key in use and the one before",
          statement.lease_count);
    core_end(&worker);
}

/* --- who gets a lease --- */

static void two_workers_share_no_key(void)
{
    struct core one, two;
    core_launch(&one, tender, TENDER_WORKER, "blue");
    core_launch(&two, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(hello(&one, true, &a), TFAAS_OK);
    CHECK_STATUS(hello(&two, true, &b), TFAAS_OK);
    CHECK(memcmp(report_of(&a)->data, report_of(&b)->data, 64) != 0, "the same keys");
    uint8_t first[16];
    memcpy(first, report_of(&a)->instance, sizeof first);
    CHECK(memcmp(first, report_of(&b)->instance, sizeof first) != 0, "the same instance");
    struct span request[2], signature;
    struct lease_request parsed[2];
    const char *why = "";
    for (size_t i = 0; i < 2; i++)
        CHECK(envelope_split(answer_field(i ? &b : &a, 2), &request[i], &signature, &why) ==
                      TFAAS_OK &&
                  lease_request_read(request[i], &parsed[i], &why) == TFAAS_OK,
              "%s", why);
    CHECK(memcmp(parsed[0].signing_key.data, parsed[1].signing_key.data, 32) != 0, "signing key");
    CHECK(memcmp(parsed[0].kem_key.data, parsed[1].kem_key.data, 32) != 0, "KEM key");
    CHECK(memcmp(parsed[0].request_key.data, parsed[1].request_key.data, 32) != 0, "request key");
    core_end(&one);
    core_end(&two);
}

static void unknown_domain_gets_none(void)
{
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "never-asked-for");
    CHECK_STATUS(lease(&keeper, &worker, true), TFAAS_NOT_FOUND);
    core_end(&worker);
    core_launch(&worker, tender, TENDER_WORKER, "");
    CHECK_STATUS(lease(&keeper, &worker, true), TFAAS_NOT_FOUND);
    core_end(&worker);
}

/* Two domains: what one worker got is nothing for the other, and the lease says which is which. */
static void another_domain_gets_none(void)
{
    struct core blue, green;
    core_launch(&blue, tender, TENDER_WORKER, "blue");
    core_launch(&green, tender, TENDER_WORKER, "green");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK_STATUS(domain_of(&keeper, "green", &a), TFAAS_OK);
    CHECK_STATUS(hello(&blue, true, &a), TFAAS_OK);
    CHECK_STATUS(hello(&green, true, &b), TFAAS_OK);
    /* green's report, blue's request */
    uint8_t mixed[1024];
    struct writer w = writer_of(mixed, sizeof mixed);
    cbor_put_map(&w, 2);
    cbor_put_uint(&w, 1);
    cbor_put_bytes(&w, answer_field(&b, 1).data, PLAT_REPORT_SIZE);
    cbor_put_uint(&w, 2);
    cbor_put_bytes(&w, answer_field(&a, 2).data, answer_field(&a, 2).size);
    CHECK_STATUS(call(&keeper, TFAAS_OP_CERTIFY, mixed, w.at)->status, TFAAS_UNAUTHORIZED);
    CHECK_STATUS(certify(&keeper, &a, &c), TFAAS_OK);
    CHECK(span_is(lease_of(&c).domain, "blue"), "the lease is of another domain");
    CHECK_STATUS(call(&green, TFAAS_OP_LEASE, c.bytes, c.size)->status, TFAAS_UNAUTHORIZED);
    CHECK_STATUS(call(&blue, TFAAS_OP_LEASE, c.bytes, c.size)->status, TFAAS_OK);
    core_end(&blue);
    core_end(&green);
}

/* A worker of another zygote (another report root), of another file (another measurement). */
static void another_platform_gets_none(const char *file, const char *what)
{
    struct tender *foreign = tender_of(file);
    struct core worker, far;
    core_launch(&worker, foreign, TENDER_WORKER, "blue");
    core_launch(&far, foreign, TENDER_KEEPER, "");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK(lease(&keeper, &worker, true) == TFAAS_UNAUTHORIZED, "%s gets a lease", what);
    CHECK_STATUS(domain_of(&far, "blue", &a), TFAAS_OK);
    /* And the other way: its keeper certifies it, ours takes no word from there. */
    CHECK_STATUS(lease(&far, &worker, true), TFAAS_OK);
    CHECK_STATUS(call(&far, TFAAS_OP_HANDOVER_ASK, "\xa0", 1)->status, TFAAS_OK);
    a = *call(&far, TFAAS_OP_HANDOVER_ASK, "\xa0", 1);
    CHECK_STATUS(call(&keeper, TFAAS_OP_HANDOVER_GIVE, a.bytes, a.size)->status,
                 TFAAS_UNAUTHORIZED);
    uint8_t ours[2][48], roots[2][32];
    tender_ops()->identity(tender, ours[0], roots[0]);
    tender_ops()->identity(foreign, ours[1], roots[1]);
    CHECK(memcmp(roots[0], roots[1], 32) != 0, "two zygotes have one report root");
    core_end(&worker);
    core_end(&far);
    tender_ops()->stop(foreign);
}

static void another_zygote_gets_none(void)
{
    another_platform_gets_none("build/tfaas-core", "a worker of another zygote");
}

/* A copy of the core with another last byte of e_ident: nobody reads that, but it is among what is
 * loaded. So the copy runs the same, and is another core. */
static void another_measurement_gets_none(void)
{
    static const char path[] = "build/tfaas-core.other";
    uint8_t other[48], root[32], ours[48];
    FILE *from = fopen("build/tfaas-core", "rb"), *to = fopen(path, "wb");
    static uint8_t piece[1u << 16];
    size_t size;
    CHECK(from && to, "the core cannot be copied");
    while (from && to && (size = fread(piece, 1, sizeof piece, from)) > 0)
        CHECK(fwrite(piece, 1, size, to) == size, "the core cannot be copied");
    CHECK(to && fseek(to, EI_NIDENT - 1, SEEK_SET) == 0 && fputc(1, to) == 1 && fclose(to) == 0 &&
              chmod(path, 0755) == 0,
          "copy");
    if (from)
        (void)fclose(from);
    struct tender *foreign = tender_of(path);
    tender_ops()->identity(foreign, other, root);
    tender_ops()->identity(tender, ours, root);
    CHECK(memcmp(other, ours, sizeof ours) != 0, "another byte, the same measurement");
    tender_ops()->stop(foreign);
    another_platform_gets_none(path, "a worker of another measurement");
    (void)unlink(path);
}

/* The measurement is of the file, and what the core says is what the tender says. */
static void measurement_is_of_the_file(void)
{
    uint8_t told[48], root[32], computed[48];
    measure_core("build/tfaas-core", computed);
    tender_ops()->identity(tender, told, root);
    CHECK(memcmp(told, computed, sizeof told) == 0, "the tender measured something else");
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    CHECK(memcmp(report_of(&a)->measurement, computed, sizeof computed) == 0, "in the report");
    CHECK(crypto_sign_verify_detached(report_of(&a)->signature, (const uint8_t *)report_of(&a),
                                      offsetof(struct plat_report, signature), root) == 0,
          "the report is not signed by the root that the tender tells");
    core_end(&worker);
}

/* Each role answers its own calls only, and its reports are no good for the other's place. */
static void roles_do_not_mix(void)
{
    struct core worker, second;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    core_launch(&second, tender, TENDER_KEEPER, "");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    for (unsigned op = 0; op <= TFAAS_OP_END; op++) {
        bool of_worker = op == TFAAS_OP_HELLO || op == TFAAS_OP_LEASE;
        struct core *wrong = of_worker ? &second : &worker;
        CHECK_STATUS(call(wrong, op, "\xa0", 1)->status, TFAAS_BAD_REQUEST);
        CHECK_STATUS(call(&worker, of_worker ? 0 : op, "\xa0", 1)->status, TFAAS_BAD_REQUEST);
    }
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    /* A keeper's report in a worker's place, with a worker's request. */
    b = *call(&second, TFAAS_OP_HANDOVER_ASK, "\xa0", 1);
    uint8_t mixed[1024];
    struct writer w = writer_of(mixed, sizeof mixed);
    cbor_put_map(&w, 2);
    cbor_put_uint(&w, 1);
    cbor_put_bytes(&w, answer_field(&b, 1).data, PLAT_REPORT_SIZE);
    cbor_put_uint(&w, 2);
    cbor_put_bytes(&w, answer_field(&a, 2).data, answer_field(&a, 2).size);
    c = *call(&keeper, TFAAS_OP_CERTIFY, mixed, w.at);
    CHECK(c.status == TFAAS_UNAUTHORIZED && strstr((const char *)c.bytes, "another role"), "%s",
          (const char *)c.bytes);
    /* A worker's report in a keeper's place: HANDOVER. */
    w = writer_of(mixed, sizeof mixed);
    cbor_put_map(&w, 2);
    cbor_put_uint(&w, 1);
    cbor_put_bytes(&w, answer_field(&a, 1).data, PLAT_REPORT_SIZE);
    cbor_put_uint(&w, 2);
    cbor_put_bytes(&w, answer_field(&b, 2).data, 32);
    c = *call(&keeper, TFAAS_OP_HANDOVER_GIVE, mixed, w.at);
    CHECK(c.status == TFAAS_UNAUTHORIZED && strstr((const char *)c.bytes, "another role"), "%s",
          (const char *)c.bytes);
    core_end(&worker);
    core_end(&second);
}

static void keeper_runs_no_function(void)
{
    static const unsigned kinds[] = {TFAAS_LOAD, TFAAS_UNLOAD, TFAAS_INVOKE, TFAAS_BODY,
                                     TFAAS_CANCEL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct core victim;
        core_launch(&victim, tender, TENDER_KEEPER, "");
        core_put(&victim, (struct tfaas_slot){.kind = (uint16_t)kinds[i], .arg = {1, 0}}, "x", 1);
        CHECK(core_gone(&victim, ANSWER_MS), "a keeper takes a message of kind %u", kinds[i]);
        core_end(&victim);
    }
}

/* --- a host that alters --- */

/* Every byte of a worker's request, and of the keeper's answer, for each bit pattern of one flip.
 */
static void every_altered_request_is_refused(void)
{
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    for (size_t at = 0; at < a.size; at++) {
        b = a;
        b.bytes[at] ^= (uint8_t)(1u << at % 8);
        unsigned status = certify(&keeper, &b, &c);
        CHECK(status == TFAAS_UNAUTHORIZED || status == TFAAS_BAD_REQUEST ||
                  status == TFAAS_NOT_FOUND,
              "byte %zu: %s", at, tfaas_status_name(status));
    }
    for (size_t cut = 0; cut < a.size; cut++) {
        b = a;
        b.size = cut;
        CHECK_STATUS(certify(&keeper, &b, &c), TFAAS_BAD_REQUEST);
    }
    /* None of that has changed what the keeper thinks of the worker. */
    CHECK_STATUS(certify(&keeper, &a, &b), TFAAS_OK);
    for (size_t at = 0; at < b.size; at++) {
        c = b;
        c.bytes[at] ^= (uint8_t)(1u << at % 8);
        unsigned status = call(&worker, TFAAS_OP_LEASE, c.bytes, c.size)->status;
        CHECK(status == TFAAS_UNAUTHORIZED || status == TFAAS_BAD_REQUEST ||
                  status == TFAAS_NOT_OPENED,
              "byte %zu: %s", at, tfaas_status_name(status));
    }
    for (size_t cut = 0; cut < b.size; cut++)
        CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, b.bytes, cut)->status, TFAAS_BAD_REQUEST);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, b.bytes, b.size)->status, TFAAS_OK);
    core_end(&worker);
}

/* A keeper of the host's own making: keys like a real one, but no report of this platform. */
static void forged_keeper_is_refused(void)
{
    struct core worker;
    uint8_t identity[32], secret[64], root[64], ignored[32];
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    CHECK_STATUS(certify(&keeper, &a, &b), TFAAS_OK);
    struct span statement, signature;
    const char *why = "";
    CHECK(envelope_split(answer_field(&b, 1), &statement, &signature, &why) == TFAAS_OK, "%s", why);
    crypto_sign_keypair(identity, secret);
    crypto_sign_keypair(ignored, root);
    struct plat_report report;
    memcpy(&report, answer_field(&b, 3).data, sizeof report);
    for (unsigned forged = 0; forged < 2; forged++) {
        if (forged) { /* its own report, signed by its own root */
            statement_digest(report.data, STATEMENT_KEEPER_LABEL, (struct span){identity, 32},
                             (struct span){NULL, 0});
            crypto_sign_detached(report.signature, NULL, (const uint8_t *)&report,
                                 offsetof(struct plat_report, signature), root);
        }
        uint8_t answer[1024], envelope[600];
        struct writer e = writer_of(envelope, sizeof envelope),
                      w = writer_of(answer, sizeof answer);
        envelope_write(&e, statement, secret);
        cbor_put_map(&w, 3);
        cbor_put_uint(&w, 1);
        cbor_put_bytes(&w, envelope, e.at);
        cbor_put_uint(&w, 2);
        cbor_put_bytes(&w, identity, sizeof identity);
        cbor_put_uint(&w, 3);
        cbor_put_bytes(&w, &report, sizeof report);
        CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, answer, w.at)->status, TFAAS_UNAUTHORIZED);
    }
    core_end(&worker);
}

/* Old answers again, and answers out of place. */
static void replayed_answers_are_refused(void)
{
    static struct answer first, second;
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, "\xa0", 1)->status, TFAAS_BAD_REQUEST);
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    CHECK_STATUS(certify(&keeper, &a, &first), TFAAS_OK);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, first.bytes, first.size)->status, TFAAS_OK);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, first.bytes, first.size)->status, TFAAS_CONFLICT);
    CHECK_STATUS(hello(&worker, false, &a), TFAAS_OK);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, first.bytes, first.size)->status,
                 TFAAS_UNAUTHORIZED);
    CHECK_STATUS(certify(&keeper, &a, &second), TFAAS_OK);
    /* The host asks for another key meanwhile: the answer is for the one before. */
    CHECK_STATUS(hello(&worker, true, &b), TFAAS_OK);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, second.bytes, second.size)->status,
                 TFAAS_UNAUTHORIZED);
    core_end(&worker);
}

/* --- copies --- */

/* The host shows the keeper one request twice: that is what a copied worker looks like. */
static void request_sent_twice_ends_the_instance(void)
{
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK_STATUS(lease(&keeper, &worker, true), TFAAS_OK);
    CHECK_STATUS(hello(&worker, false, &a), TFAAS_OK);
    CHECK_STATUS(certify(&keeper, &a, &b), TFAAS_OK);
    CHECK_STATUS(certify(&keeper, &a, &c), TFAAS_CONFLICT);
    CHECK_STATUS(call(&worker, TFAAS_OP_LEASE, b.bytes, b.size)->status, TFAAS_OK);
    CHECK_STATUS(lease(&keeper, &worker, false), TFAAS_CONFLICT);
    CHECK_STATUS(lease(&keeper, &worker, true), TFAAS_CONFLICT);
    core_end(&worker);
}

static void revoked_worker_gets_none(void)
{
    struct core worker;
    uint8_t instance[16];
    core_launch(&worker, tender, TENDER_WORKER, "red");
    CHECK_STATUS(domain_of(&keeper, "red", &a), TFAAS_OK);
    CHECK_STATUS(lease(&keeper, &worker, true), TFAAS_OK);
    CHECK_STATUS(hello(&worker, false, &a), TFAAS_OK);
    memcpy(instance, report_of(&a)->instance, sizeof instance);
    CHECK_STATUS(revoke_instance(&keeper, instance), TFAAS_OK);
    CHECK_STATUS(certify(&keeper, &a, &b), TFAAS_CONFLICT);
    struct domain_statement statement;
    struct span inner, signature;
    const char *why = "";
    CHECK_STATUS(domain_of(&keeper, "red", &c), TFAAS_OK);
    CHECK(envelope_split(answer_field(&c, 1), &inner, &signature, &why) == TFAAS_OK &&
              domain_statement_read(inner, &statement, &why) == TFAAS_OK &&
              statement.lease_count == 0,
          "its lease is still told");
    core_end(&worker);
    /* One that never had a lease, the same. */
    core_launch(&worker, tender, TENDER_WORKER, "red");
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    memcpy(instance, report_of(&a)->instance, sizeof instance);
    CHECK_STATUS(revoke_instance(&keeper, instance), TFAAS_OK);
    CHECK_STATUS(certify(&keeper, &a, &b), TFAAS_CONFLICT);
    core_end(&worker);
}

/* --- times --- */

static void times_are_what_was_told(void)
{
    struct core second, worker;
    struct span inner, signature;
    struct key_statement statement;
    const char *why = "";
    static const uint8_t nonce[] = "\xa1\x01\x48nonce 12";
    core_launch(&second, tender, TENDER_KEEPER, "");
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    second.clock_s = 0;
    CHECK_STATUS(call(&second, TFAAS_OP_STATEMENT, "\xa0", 1)->status, TFAAS_UNAVAILABLE);
    second.clock_s = NOW_S;
    a = *call(&second, TFAAS_OP_STATEMENT, "\xa0", 1);
    CHECK_STATUS(a.status, TFAAS_OK);
    second.clock_s = NOW_S - 1000; /* a clock that is set back */
    b = *call(&second, TFAAS_OP_STATEMENT, "\xa0", 1);
    CHECK(a.size == b.size && memcmp(answer_field(&a, 1).data, answer_field(&b, 1).data,
                                     answer_field(&a, 1).size) == 0,
          "another statement within one epoch");
    CHECK_STATUS(domain_of(&second, "blue", &a), TFAAS_OK);
    CHECK_STATUS(hello(&worker, true, &a), TFAAS_OK);
    CHECK_STATUS(certify(&second, &a, &b), TFAAS_OK);
    CHECK(lease_of(&b).not_before == NOW_S, "a lease of the past");
    c = *call(&second, TFAAS_OP_STATEMENT, nonce, sizeof nonce - 1);
    CHECK(key_statement_read(answer_field(&c, 1), &statement, &why) == TFAAS_OK, "%s", why);
    CHECK(span_is(statement.nonce, "nonce 12") && statement.epoch == 1, "nonce");
    uint8_t data[64];
    struct plat_report report;
    statement_digest(data, STATEMENT_KEY_LABEL, answer_field(&c, 1), (struct span){NULL, 0});
    memcpy(&report, answer_field(&c, 2).data, sizeof report);
    CHECK(memcmp(report.data, data, sizeof data) == 0 && report.role == PLAT_KEEPER, "report_data");
    second.clock_s = NOW_S + STATEMENT_KEY_LIFE_S;
    c = *call(&second, TFAAS_OP_STATEMENT, "\xa0", 1);
    CHECK(key_statement_read(answer_field(&c, 1), &statement, &why) == TFAAS_OK &&
              statement.epoch == 2 && statement.not_before == NOW_S + STATEMENT_KEY_LIFE_S,
          "the epoch does not turn");
    /* The lease of an hour ago is told no more. */
    struct domain_statement domain;
    CHECK_STATUS(domain_of(&second, "blue", &a), TFAAS_OK);
    CHECK(envelope_split(answer_field(&a, 1), &inner, &signature, &why) == TFAAS_OK &&
              domain_statement_read(inner, &domain, &why) == TFAAS_OK && domain.lease_count == 0,
          "a lease that is over is told");
    uint64_t serial = domain.serial;
    CHECK_STATUS(domain_of(&second, "blue", &a), TFAAS_OK);
    CHECK(envelope_split(answer_field(&a, 1), &inner, &signature, &why) == TFAAS_OK &&
              domain_statement_read(inner, &domain, &why) == TFAAS_OK && domain.serial > serial,
          "the serial does not grow");
    core_end(&worker);
    core_end(&second);
}

/* --- what outlives a keeper --- */

static struct span sealing_key_of(struct core *core, const char *name)
{
    static uint8_t kept[4][32];
    static unsigned turn;
    struct span inner, signature;
    struct domain_statement statement;
    const char *why = "";
    CHECK_STATUS(domain_of(core, name, &a), TFAAS_OK);
    CHECK(envelope_split(answer_field(&a, 1), &inner, &signature, &why) == TFAAS_OK &&
              domain_statement_read(inner, &statement, &why) == TFAAS_OK,
          "%s", why);
    uint8_t *to = kept[turn++ % 4];
    memcpy(to, statement.sealing_key.data, 32);
    return (struct span){to, 32};
}

static size_t start_request(uint8_t *to, size_t capacity, const uint8_t *key, struct span state)
{
    struct writer w = writer_of(to, capacity);
    cbor_put_map(&w, (key != NULL) + (state.size > 0 ? 1u : 0u));
    if (key) {
        cbor_put_uint(&w, 1);
        cbor_put_bytes(&w, key, 32);
    }
    if (state.size > 0) {
        cbor_put_uint(&w, 2);
        cbor_put_bytes(&w, state.data, state.size);
    }
    return w.at;
}

static void saved_state_opens_with_its_key_only(void)
{
    static uint8_t request[TFAAS_PAYLOAD_MAX], state[4096];
    static const uint8_t key[32] = {1}, wrong[32] = {2};
    struct core old, new;
    core_launch(&old, tender, TENDER_KEEPER, "");
    CHECK_STATUS(call(&old, TFAAS_OP_SAVE, "\xa0", 1)->status, TFAAS_UNAVAILABLE);
    size_t size = start_request(request, sizeof request, key, (struct span){NULL, 0});
    CHECK_STATUS(call(&old, TFAAS_OP_KEEPER_START, request, size)->status, TFAAS_OK);
    CHECK_STATUS(call(&old, TFAAS_OP_KEEPER_START, request, size)->status, TFAAS_CONFLICT);
    uint8_t sealing[32];
    memcpy(sealing, sealing_key_of(&old, "blue").data, sizeof sealing);
    b = *call(&old, TFAAS_OP_SAVE, "\xa0", 1);
    CHECK_STATUS(b.status, TFAAS_OK);
    struct span saved = answer_field(&b, 1);
    memcpy(state, saved.data, saved.size);
    size_t state_size = saved.size;
    core_end(&old);

    core_launch(&new, tender, TENDER_KEEPER, "");
    size = start_request(request, sizeof request, key, (struct span){state, state_size});
    CHECK_STATUS(call(&new, TFAAS_OP_KEEPER_START, request, size)->status, TFAAS_OK);
    CHECK(memcmp(sealing_key_of(&new, "blue").data, sealing, 32) == 0, "another sealing key");
    core_end(&new);

    for (size_t at = 0; at < state_size + 1; at += at < state_size - 1 ? 7 : 1) {
        const uint8_t *with = at < state_size ? key : wrong; /* a changed byte, or another key */
        core_launch(&new, tender, TENDER_KEEPER, "");
        if (at < state_size)
            state[at] ^= 1;
        size = start_request(request, sizeof request, with, (struct span){state, state_size});
        CHECK_STATUS(call(&new, TFAAS_OP_KEEPER_START, request, size)->status, TFAAS_NOT_GRANTED);
        if (at < state_size)
            state[at] ^= 1;
        CHECK(memcmp(sealing_key_of(&new, "blue").data, sealing, 32) != 0,
              "what does not open gives the same key");
        core_end(&new);
    }
}

static void handover_goes_to_one_keeper_once(void)
{
    static struct answer ask, give;
    struct core second, third;
    core_launch(&second, tender, TENDER_KEEPER, "");
    core_launch(&third, tender, TENDER_KEEPER, "");
    struct span sealing = sealing_key_of(&keeper, "blue");
    ask = *call(&second, TFAAS_OP_HANDOVER_ASK, "\xa0", 1);
    CHECK_STATUS(ask.status, TFAAS_OK);
    CHECK_STATUS(call(&second, TFAAS_OP_HANDOVER_GIVE, ask.bytes, ask.size)->status,
                 TFAAS_CONFLICT); /* its own */
    for (size_t at = 0; at < ask.size; at++) {
        ask.bytes[at] ^= 1;
        unsigned status = call(&keeper, TFAAS_OP_HANDOVER_GIVE, ask.bytes, ask.size)->status;
        CHECK(status == TFAAS_UNAUTHORIZED || status == TFAAS_BAD_REQUEST, "byte %zu: %s", at,
              tfaas_status_name(status));
        ask.bytes[at] ^= 1;
    }
    give = *call(&keeper, TFAAS_OP_HANDOVER_GIVE, ask.bytes, ask.size);
    CHECK_STATUS(give.status, TFAAS_OK);
    CHECK_STATUS(call(&keeper, TFAAS_OP_HANDOVER_GIVE, ask.bytes, ask.size)->status,
                 TFAAS_CONFLICT); /* again */
    CHECK_STATUS(call(&third, TFAAS_OP_HANDOVER_TAKE, give.bytes, give.size)->status,
                 TFAAS_CONFLICT); /* nothing was asked for */
    CHECK_STATUS(call(&third, TFAAS_OP_HANDOVER_ASK, "\xa0", 1)->status, TFAAS_OK);
    CHECK_STATUS(call(&third, TFAAS_OP_HANDOVER_TAKE, give.bytes, give.size)->status,
                 TFAAS_UNAUTHORIZED); /* it is for another */
    for (size_t at = 0; at < give.size; at++) {
        give.bytes[at] ^= 1;
        unsigned status = call(&second, TFAAS_OP_HANDOVER_TAKE, give.bytes, give.size)->status;
        CHECK(status == TFAAS_UNAUTHORIZED || status == TFAAS_BAD_REQUEST, "byte %zu: %s", at,
              tfaas_status_name(status));
        give.bytes[at] ^= 1;
    }
    CHECK_STATUS(call(&second, TFAAS_OP_HANDOVER_TAKE, give.bytes, give.size)->status, TFAAS_OK);
    CHECK_STATUS(call(&second, TFAAS_OP_HANDOVER_TAKE, give.bytes, give.size)->status,
                 TFAAS_CONFLICT);
    CHECK(memcmp(sealing_key_of(&second, "blue").data, sealing.data, 32) == 0,
          "another sealing key than was handed over");
    core_end(&second);
    core_end(&third);
}

/* A second keeper of the platform knows none of the first one's leases: it takes over no chain. */
static void another_keeper_continues_no_lease(void)
{
    struct core second, worker;
    core_launch(&second, tender, TENDER_KEEPER, "");
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK_STATUS(domain_of(&keeper, "blue", &a), TFAAS_OK);
    CHECK_STATUS(domain_of(&second, "blue", &a), TFAAS_OK);
    CHECK_STATUS(lease(&keeper, &worker, true), TFAAS_OK);
    CHECK_STATUS(lease(&second, &worker, false), TFAAS_CONFLICT);
    CHECK_STATUS(lease(&second, &worker, true), TFAAS_CONFLICT);
    CHECK_STATUS(lease(&keeper, &worker, false), TFAAS_OK);
    core_end(&worker);
    core_end(&second);
}

/* A second CALL before the ANSWER was given: the ring towards the host is full. */
static void one_call_at_a_time(void)
{
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    static const uint8_t fresh[] = {0xa1, 0x01, 0xf5};
    for (unsigned i = 0; i < TFAAS_SLOTS + 2; i++)
        core_put(&worker, (struct tfaas_slot){.kind = TFAAS_CALL, .id = i, .arg = {TFAAS_OP_HELLO}},
                 fresh, sizeof fresh);
    CHECK(core_gone(&worker, ANSWER_MS), "a host that reads no answers and asks on is served");
    core_end(&worker);
    /* With one that waits it is given as soon as there is room. */
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    for (unsigned i = 0; i < TFAAS_SLOTS + 1; i++)
        core_put(&worker, (struct tfaas_slot){.kind = TFAAS_CALL, .id = i, .arg = {TFAAS_OP_HELLO}},
                 fresh, sizeof fresh);
    unsigned answers = 0;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    while (answers < TFAAS_SLOTS + 1 && core_next(&worker, &slot, payload, ANSWER_MS))
        answers += slot.kind == TFAAS_ANSWER && slot.arg[0] == TFAAS_OK && slot.id == answers;
    CHECK(answers == TFAAS_SLOTS + 1, "%u answers", answers);
    core_end(&worker);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"lease is given and renewed", lease_is_given_and_renewed},
        {"two workers share no key", two_workers_share_no_key},
        {"unknown domain gets none", unknown_domain_gets_none},
        {"another domain gets none", another_domain_gets_none},
        {"another zygote gets none", another_zygote_gets_none},
        {"another measurement gets none", another_measurement_gets_none},
        {"measurement is of the file", measurement_is_of_the_file},
        {"roles do not mix", roles_do_not_mix},
        {"keeper runs no function", keeper_runs_no_function},
        {"every altered request is refused", every_altered_request_is_refused},
        {"forged keeper is refused", forged_keeper_is_refused},
        {"replayed answers are refused", replayed_answers_are_refused},
        {"request sent twice ends the instance", request_sent_twice_ends_the_instance},
        {"revoked worker gets none", revoked_worker_gets_none},
        {"times are what was told", times_are_what_was_told},
        {"saved state opens with its key only", saved_state_opens_with_its_key_only},
        {"handover goes to one keeper once", handover_goes_to_one_keeper_once},
        {"another keeper continues no lease", another_keeper_continues_no_lease},
        {"one call at a time", one_call_at_a_time},
    };
    if (sodium_init() < 0)
        return 1;
    tender = tender_of("build/tfaas-core");
    core_launch(&keeper, tender, TENDER_KEEPER, "");
    int failed = CHECK_MAIN(cases, argc, argv);
    core_end(&keeper);
    tender_ops()->stop(tender);
    return failed;
}
