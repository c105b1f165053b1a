/*
 * unique.c - workers of one zygote are copies of one prepared process: nothing that identifies one
 * or opens what is sealed to it may be drawn before the fork. 200 of them, every value once.
 */
/* clang-format off */
/* needs: host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c common/ring.c common/sha384.c common/status.c common/statement.c common/fields.c common/cbor.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c common/sealed.c common/base64url.c tests/hostile/keeper_support.c libs: sodium flags: nosan -D_GNU_SOURCE -Ihost */
/* clang-format on */
#include "check.h"
#include "keeper_support.h"

#include <sodium.h>
#include <stdlib.h>

#define WORKERS    200u
#define EACH       5u /* values of one worker */
#define VALUE_SIZE 16u

static uint8_t values[WORKERS * EACH][VALUE_SIZE];
static size_t value_count;

static void keep(const void *bytes)
{
    if (value_count < WORKERS * EACH)
        memcpy(values[value_count++], bytes, VALUE_SIZE);
}

static struct lease_request request_of(const struct answer *said)
{
    struct lease_request request = {.number = 0};
    struct span statement, signature;
    const char *why = "";
    CHECK(envelope_split(answer_field(said, 2), &statement, &signature, &why) == TFAAS_OK &&
              lease_request_read(statement, &request, &why) == TFAAS_OK,
          "%s", why);
    return request;
}

/* Two request keys of one worker, and what it is. */
static void ask_worker(struct tender *tender)
{
    static struct answer said;
    struct plat_report report;
    struct core worker;
    core_launch(&worker, tender, TENDER_WORKER, "blue");
    CHECK(hello(&worker, true, &said) == TFAAS_OK, "%s", (const char *)said.bytes);
    struct lease_request request = request_of(&said);
    memcpy(&report, answer_field(&said, 1).data, sizeof report);
    if (request.signing_key.size && request.kem_key.size && request.request_key.size) {
        keep(report.instance);
        keep(request.signing_key.data);
        keep(request.kem_key.data);
        keep(request.request_key.data);
    }
    CHECK(hello(&worker, true, &said) == TFAAS_OK, "%s", (const char *)said.bytes);
    request = request_of(&said);
    if (request.request_key.size)
        keep(request.request_key.data);
    core_end(&worker);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, VALUE_SIZE);
}

static void two_hundred_workers_of_one_zygote(void)
{
    struct tender *tender = tender_of("build/tfaas-core");
    unsigned equal = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        ask_worker(tender);
    tender_ops()->stop(tender);
    qsort(values, value_count, VALUE_SIZE, compare);
    for (size_t i = 1; i < value_count; i++)
        equal += compare(values[i - 1], values[i]) == 0;
    CHECK(value_count == WORKERS * EACH, "%zu values", value_count);
    CHECK(equal == 0, "%u of %zu values are there twice", equal, value_count);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"two hundred workers of one zygote", two_hundred_workers_of_one_zygote},
    };
    return sodium_init() < 0 ? 1 : CHECK_MAIN(cases, argc, argv);
}
