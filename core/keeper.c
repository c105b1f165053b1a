/* keeper.c - see keeper.h: identity, key statements, domains and their statements. */
#include "keeper_internal.h"

#include "cbor.h"
#include "fields.h"
#include "instrument.h"
#include "tfaas/abi.h"
#include "tfaas/version.h"
#include "core_clock.h"

#include <sodium.h>
#include <stdlib.h>

/* What the host passes on without a look inside has the size it expects. */
_Static_assert(STATEMENT_REPORT_SIZE == PLAT_REPORT_SIZE, "one size of a local report");

struct keeper keeper;

void keeper_enter(void)
{
    uint8_t seed[crypto_sign_SEEDBYTES], ignored[crypto_sign_PUBLICKEYBYTES];
    keeper.domains = calloc(KEEPER_DOMAINS_MAX, sizeof *keeper.domains);
    if (!keeper.domains)
        plat_abort("no memory for a keeper's domains");
    plat_entropy(seed, sizeof seed);
    (void)crypto_sign_seed_keypair(ignored, keeper.identity_secret, seed);
    sodium_memzero(seed, sizeof seed);
}

struct span keeper_identity(void)
{
    return (struct span){keeper.identity_secret + crypto_sign_SEEDBYTES,
                         crypto_sign_PUBLICKEYBYTES};
}

tfaas_status_t keeper_refuse(const char **why, tfaas_status_t status, const char *text)
{
    *why = text;
    return status;
}

tfaas_status_t keeper_now(uint64_t *now_s, const char **why)
{
    *now_s = core_clock() / 1000000000u;
    if (*now_s == 0)
        return keeper_refuse(why, TFAAS_UNAVAILABLE, "the keeper was told no time yet (CLOCK)");
    return TFAAS_OK;
}

tfaas_status_t keeper_report_read(struct span bytes, enum plat_role role,
                                  struct plat_report *report, const char **why)
{
    memcpy(report, bytes.data, sizeof *report);
    if (!plat_local_verify(report))
        return keeper_refuse(why, TFAAS_UNAUTHORIZED,
                             "the local report is not of a core of this platform and measurement");
    if (report->role != role)
        return keeper_refuse(why, TFAAS_UNAUTHORIZED, "the local report is of another role");
    return TFAAS_OK;
}

/* --- domains --- */

struct keeper_domain *keeper_domain_find(struct span name)
{
    for (size_t i = 0; i < keeper.domain_count; i++) {
        if (span_is(name, keeper.domains[i].name))
            return &keeper.domains[i];
    }
    return NULL;
}

struct keeper_domain *keeper_domain_of(const uint8_t digest[64])
{
    for (size_t i = 0; i < keeper.domain_count; i++) {
        if (memcmp(keeper.domains[i].digest, digest, sizeof keeper.domains[i].digest) == 0)
            return &keeper.domains[i];
    }
    return NULL;
}

struct keeper_domain *keeper_domain_add(struct span name, const uint8_t sealing_secret[32])
{
    if (keeper.domain_count == KEEPER_DOMAINS_MAX || name.size == 0 ||
        name.size > STATEMENT_DOMAIN_MAX)
        return NULL;
    struct keeper_domain *domain = &keeper.domains[keeper.domain_count++];
    memcpy(domain->name, name.data, name.size);
    domain->name[name.size] = '\0';
    crypto_hash_sha512(domain->digest, name.data, name.size);
    hpke_key_pair_of(&domain->sealing, sealing_secret);
    return domain;
}

static const struct field domain_fields[] = {
    {.key = 1,
     .type = FIELD_TEXT,
     .least = 1,
     .most = STATEMENT_DOMAIN_MAX,
     .name = "DOMAIN: key 1 (domain) is missing, malformed or too long"},
};

static void sign_domain(struct keeper_domain *domain, uint64_t now_s, struct writer *w)
{
    static uint8_t bytes[TFAAS_PAYLOAD_MAX]; /* one thread */
    struct domain_statement statement = {
        .domain = {(const uint8_t *)domain->name, strlen(domain->name)},
        /* Never below the clock: so it grows over the loss of a keeper's state too. */
        .serial = domain->serial < now_s ? now_s : domain->serial + 1,
        .not_before = now_s,
        .not_after = now_s + STATEMENT_LEASE_LIFE_S,
        .sealing_key = {domain->sealing.public_key, sizeof domain->sealing.public_key},
    };
    domain->serial = statement.serial;
    statement.lease_count = keeper_leases(domain, now_s, statement.leases);
    struct writer inner = writer_of(bytes, sizeof bytes);
    domain_statement_write(&inner, &statement);
    if (inner.failed) {
        w->failed = true;
        return;
    }
    /* 64 leases of 512 bytes and an envelope around them fit one message. */
    static uint8_t sealed[TFAAS_PAYLOAD_MAX];
    struct writer envelope = writer_of(sealed, sizeof sealed);
    envelope_write(&envelope, (struct span){bytes, inner.at}, keeper.identity_secret);
    w->failed |= envelope.failed;
    cbor_put_map(w, 1);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, sealed, envelope.failed ? 0 : envelope.at);
}

static tfaas_status_t keeper_domain_call(struct span request, struct writer *w, const char **why)
{
    struct span name = {NULL, 0};
    uint64_t now_s;
    tfaas_status_t status =
        fields_read(request, domain_fields, 1, "DOMAIN: not a map of its key", &name, why);
    if (status == TFAAS_OK)
        status = keeper_now(&now_s, why);
    if (status != TFAAS_OK)
        return status;
    struct keeper_domain *domain = keeper_domain_find(name);
    if (!domain) {
        uint8_t secret[HPKE_SECRET_SIZE];
        plat_entropy(secret, sizeof secret);
        domain = keeper_domain_add(name, secret);
        sodium_memzero(secret, sizeof secret);
    }
    if (!domain)
        return keeper_refuse(why, TFAAS_BUSY, "the keeper holds as many domains as it can");
    sign_domain(domain, now_s, w);
    return TFAAS_OK;
}

/* --- key statements --- */

static const struct field statement_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .optional = true,
     .least = STATEMENT_NONCE_MIN,
     .most = STATEMENT_NONCE_MAX,
     .name = "STATEMENT: key 1 (nonce) is malformed or of another size"},
};

/* One epoch per key life: within it every statement is the same, but for the nonce. */
static void turn_epoch(uint64_t now_s)
{
    if (keeper.epoch > 0 && now_s - keeper.epoch_began_s < STATEMENT_KEY_LIFE_S)
        return;
    keeper.epoch++;
    keeper.epoch_began_s = now_s;
}

static tfaas_status_t keeper_statement(struct span request, struct writer *w, const char **why)
{
    struct span nonce = {NULL, 0};
    uint64_t now_s;
    uint8_t weights[32], measurement[PLAT_MEASUREMENT_SIZE], bytes[512], data[64];
    struct plat_report report;
    tfaas_status_t status =
        fields_read(request, statement_fields, 1, "STATEMENT: not a map of its key", &nonce, why);
    if (status == TFAAS_OK)
        status = keeper_now(&now_s, why);
    if (status != TFAAS_OK)
        return status;
    turn_epoch(now_s);
    plat_measurement(measurement);
    const char *hex = instrument_weights_hash();
    if (sodium_hex2bin(weights, sizeof weights, hex, strlen(hex), NULL, NULL, NULL) != 0)
        return keeper_refuse(why, TFAAS_INTERNAL, "the weights have no hash");
    const struct key_statement statement = {
        .identity = keeper_identity(),
        .epoch = keeper.epoch,
        .not_before = keeper.epoch_began_s,
        .not_after = keeper.epoch_began_s + STATEMENT_KEY_LIFE_S + STATEMENT_LEASE_LIFE_S,
        .version = {(const uint8_t *)TFAAS_VERSION, strlen(TFAAS_VERSION)},
        .weights = {weights, sizeof weights},
        .measurement = {measurement, sizeof measurement},
        .key_life_s = STATEMENT_KEY_LIFE_S,
        .lease_life_s = STATEMENT_LEASE_LIFE_S,
        .replay_window_s = STATEMENT_REPLAY_WINDOW_S,
        .requests_per_key = STATEMENT_REQUESTS_PER_KEY,
        .nonce = nonce,
    };
    struct writer inner = writer_of(bytes, sizeof bytes);
    key_statement_write(&inner, &statement);
    statement_digest(data, STATEMENT_KEY_LABEL, (struct span){bytes, inner.failed ? 0 : inner.at},
                     (struct span){NULL, 0});
    if (inner.failed || !plat_local_report(data, &report))
        return keeper_refuse(why, TFAAS_UNAVAILABLE, "this core can make no local report");
    cbor_put_map(w, 2);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, bytes, inner.at);
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, &report, sizeof report);
    return TFAAS_OK;
}

tfaas_status_t keeper_call(uint64_t op, struct span request, struct writer *w, const char **why)
{
    switch (op) {
    case TFAAS_OP_KEEPER_START:
        return keeper_start(request, w, why);
    case TFAAS_OP_STATEMENT:
        return keeper_statement(request, w, why);
    case TFAAS_OP_DOMAIN:
        return keeper_domain_call(request, w, why);
    case TFAAS_OP_CERTIFY:
        return keeper_certify(request, w, why);
    case TFAAS_OP_GRANT:
        return keeper_grant(request, w, why);
    case TFAAS_OP_REVOKE:
        return keeper_revoke(request, w, why);
    case TFAAS_OP_SAVE:
        return keeper_save(request, w, why);
    case TFAAS_OP_HANDOVER_ASK:
        return keeper_handover_ask(request, w, why);
    case TFAAS_OP_HANDOVER_GIVE:
        return keeper_handover_give(request, w, why);
    case TFAAS_OP_HANDOVER_TAKE:
        return keeper_handover_take(request, w, why);
    default:
        return keeper_refuse(why, TFAAS_BAD_REQUEST, "a keeper does not know this operation");
    }
}
