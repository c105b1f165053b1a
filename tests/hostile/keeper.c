/*
 * keeper.c - keepers and workers as real processes of real zygotes, and a host that copies, swaps,
 * alters, replays and forges what they say to each other. Nobody but a live worker of the same
 * zygote, measurement and domain gets a lease, and a copied one loses it.
 */
/* needs: host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c common/ring.c common/sha384.c common/status.c common/statement.c common/fields.c common/cbor.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c common/sealed.c common/base64url.c tests/hostile/keeper_support.c libs: sodium flags: nosan -D_GNU_SOURCE -Ihost */
#include "check.h"
#include "keeper_support.h"

#include "cbor.h"
#include "ohttp.h"

#include <sodium.h>
#include <stdlib.h>

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
    static struct plat_report report;
    memcpy(&report, answer_field(answer, 1).data, sizeof report);
    return &report;
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

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"lease is given and renewed", lease_is_given_and_renewed},
    };
    if (sodium_init() < 0)
        return 1;
    tender = tender_of("build/tfaas-core");
    core_launch(&keeper, tender, TENDER_KEEPER, "");
    int failed = CHECK_MAIN(cases, argc, argv);
    core_end(&keeper);
    tender_process.stop(tender);
    return failed;
}
