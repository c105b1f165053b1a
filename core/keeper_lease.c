/*
 * keeper_lease.c - workers as the keeper knows them: their reports, the chain of their leases, what
 * is granted to them, and that those which ended never come back.
 */
#include "keeper_internal.h"

#include "cbor.h"
#include "fields.h"
#include "ohttp.h"
#include "sealed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define LEASES_EACH 2u /* of the key in use and of the one before */

struct keeper_lease {
    uint8_t id, request_key[32];
    uint64_t not_after;
    uint8_t envelope[STATEMENT_LEASE_SIZE_MAX];
    size_t size; /* 0: none */
};

struct keeper_instance {
    uint8_t instance[16], signing_key[32], kem_key[32];
    struct keeper_domain *domain;            /* NULL: the place is free */
    uint64_t number;                         /* of the last lease */
    uint8_t last[32];                        /* SHA-256 of its envelope */
    struct keeper_lease leases[LEASES_EACH]; /* newest first */
};

static struct keeper_instance *instances; /* KEEPER_INSTANCES_MAX */

/* Instances that ended, for good: the first 8 bytes of each number (they are random, and made by
 * cores of this measurement only), a hash set that grows. 0: a free place. */
static uint64_t *ended;
static size_t ended_count, ended_places;

static uint64_t ended_key(const uint8_t instance[16])
{
    uint64_t key;
    memcpy(&key, instance, sizeof key);
    return key ? key : 1;
}

static uint64_t *ended_place(uint64_t *set, size_t places, uint64_t key)
{
    size_t at = (size_t)key & (places - 1);
    while (set[at] != 0 && set[at] != key)
        at = (at + 1) & (places - 1);
    return &set[at];
}

static bool has_ended(const uint8_t instance[16])
{
    uint64_t key = ended_key(instance);
    return ended_places > 0 && *ended_place(ended, ended_places, key) == key;
}

static bool ended_grow(void)
{
    size_t places = ended_places ? ended_places * 2 : 1024;
    uint64_t *set = calloc(places, sizeof *set);
    if (!set)
        return false;
    for (size_t i = 0; i < ended_places; i++) {
        if (ended[i])
            *ended_place(set, places, ended[i]) = ended[i];
    }
    free(ended);
    ended = set;
    ended_places = places;
    return true;
}

/* True: there is room to end one more. Asked before an instance gets its first lease or grant, so
 * that ending it cannot fail. */
static bool ended_has_room(size_t live)
{
    size_t wanted = ended_count + live + 1;
    if (wanted > KEEPER_ENDED_MAX)
        return false;
    while (wanted * 2 > ended_places) {
        if (!ended_grow())
            return false;
    }
    return true;
}

static size_t instance_count(void)
{
    size_t count = 0;
    for (size_t i = 0; instances && i < KEEPER_INSTANCES_MAX; i++)
        count += instances[i].domain != NULL;
    return count;
}

static void end_instance(const uint8_t instance[16])
{
    for (size_t i = 0; instances && i < KEEPER_INSTANCES_MAX; i++) {
        struct keeper_instance *at = &instances[i];
        if (at->domain && memcmp(at->instance, instance, sizeof at->instance) == 0)
            sodium_memzero(at, sizeof *at);
    }
    if (has_ended(instance))
        return;
    if (!ended_has_room(0))
        plat_abort("a keeper cannot remember more instances that ended");
    uint64_t key = ended_key(instance);
    *ended_place(ended, ended_places, key) = key;
    ended_count++;
}

static struct keeper_instance *find_instance(const uint8_t instance[16])
{
    for (size_t i = 0; instances && i < KEEPER_INSTANCES_MAX; i++) {
        if (instances[i].domain && memcmp(instances[i].instance, instance, 16) == 0)
            return &instances[i];
    }
    return NULL;
}

static bool lives(const struct keeper_lease *lease, uint64_t now_s)
{
    return lease->size > 0 && now_s < lease->not_after;
}

/* A free place. When all are taken, one whose leases are over ends: it did not renew in time. */
static struct keeper_instance *new_instance(uint64_t now_s)
{
    if (!instances)
        instances = calloc(KEEPER_INSTANCES_MAX, sizeof *instances);
    struct keeper_instance *over = NULL;
    for (size_t i = 0; instances && i < KEEPER_INSTANCES_MAX; i++) {
        if (!instances[i].domain)
            return &instances[i];
        if (!lives(&instances[i].leases[0], now_s) && !lives(&instances[i].leases[1], now_s))
            over = &instances[i];
    }
    if (over)
        end_instance(over->instance);
    return over;
}

size_t keeper_leases(const struct keeper_domain *domain, uint64_t now_s,
                     struct span leases[STATEMENT_LEASES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; instances && i < KEEPER_INSTANCES_MAX; i++) {
        for (size_t k = 0; k < LEASES_EACH && count < STATEMENT_LEASES_MAX; k++) {
            const struct keeper_lease *lease = &instances[i].leases[k];
            if (instances[i].domain == domain && lives(lease, now_s))
                leases[count++] = (struct span){lease->envelope, lease->size};
        }
    }
    return count;
}

/* --- who asks --- */

struct worker {
    struct plat_report report;
    struct keeper_domain *domain;
    struct lease_request request;
};

static tfaas_status_t read_worker(struct span report, struct span envelope, struct worker *worker,
                                  const char **why)
{
    struct span statement, signature;
    uint8_t data[64];
    tfaas_status_t status = keeper_report_read(report, PLAT_WORKER, &worker->report, why);
    if (status != TFAAS_OK)
        return status;
    worker->domain = keeper_domain_of(worker->report.domain);
    if (!worker->domain)
        return keeper_refuse(why, TFAAS_NOT_FOUND,
                             "the worker is of a domain that this keeper does not know");
    status = envelope_split(envelope, &statement, &signature, why);
    if (status == TFAAS_OK)
        status = lease_request_read(statement, &worker->request, why);
    if (status != TFAAS_OK)
        return status;
    statement_digest(data, STATEMENT_WORKER_LABEL, worker->request.signing_key,
                     worker->request.kem_key);
    if (memcmp(worker->report.data, data, sizeof data) != 0)
        return keeper_refuse(why, TFAAS_UNAUTHORIZED, "the local report binds other keys");
    if (envelope_open(envelope, worker->request.signing_key.data, &statement, why) != TFAAS_OK)
        return keeper_refuse(why, TFAAS_UNAUTHORIZED,
                             "the lease request is not signed by the worker");
    if (has_ended(worker->report.instance))
        return keeper_refuse(why, TFAAS_CONFLICT, "the instance has ended, or was revoked");
    return TFAAS_OK;
}

/* --- leases --- */

static bool continues(const struct keeper_instance *known, const struct lease_request *request)
{
    return request->number == known->number + 1 &&
           sodium_memcmp(request->previous.data, known->last, sizeof known->last) == 0 &&
           memcmp(request->signing_key.data, known->signing_key, 32) == 0 &&
           memcmp(request->kem_key.data, known->kem_key, 32) == 0;
}

/* The chain of SPECIFICATION.md 14.1. *known: NULL for the first lease of an instance. */
static tfaas_status_t check_chain(const struct worker *worker, struct keeper_instance **known,
                                  const char **why)
{
    const struct lease_request *request = &worker->request;
    *known = find_instance(worker->report.instance);
    if (!*known) {
        if (request->number != 1 || !sodium_is_zero(request->previous.data, 32))
            return keeper_refuse(why, TFAAS_CONFLICT,
                                 "this keeper gave the instance no lease that it could continue");
        if (!ended_has_room(instance_count()))
            return keeper_refuse(why, TFAAS_BUSY,
                                 "the keeper has seen as many instances as it can remember");
        return TFAAS_OK;
    }
    if (continues(*known, request))
        return TFAAS_OK;
    end_instance(worker->report.instance);
    *known = NULL;
    return keeper_refuse(why, TFAAS_CONFLICT,
                         "the request does not continue the instance's leases: it was copied, or "
                         "its request was sent twice; the instance is revoked");
}

/* The key id for this request key: its own one if it has a lease, or the next that no live lease of
 * the domain has. They begin anywhere: a client that holds a key of the keeper before is told that
 * it is unknown, not that its request does not open. */
static tfaas_status_t choose_key_id(struct keeper_domain *domain, const struct worker *worker,
                                    uint64_t now_s, uint8_t *id, const char **why)
{
    bool taken[256] = {false};
    size_t count = 0;
    for (size_t i = 0; instances && i < KEEPER_INSTANCES_MAX; i++) {
        for (size_t k = 0; k < LEASES_EACH && instances[i].domain == domain; k++) {
            const struct keeper_lease *lease = &instances[i].leases[k];
            if (!lives(lease, now_s))
                continue;
            bool same = memcmp(lease->request_key, worker->request.request_key.data, 32) == 0;
            bool own = memcmp(instances[i].instance, worker->report.instance, 16) == 0;
            if (same && own && k == 0) {
                *id = lease->id;
                return TFAAS_OK;
            }
            if (same)
                return keeper_refuse(why, TFAAS_CONFLICT, "another lease has this request key");
            taken[lease->id] = true;
            count++;
        }
    }
    if (count >= STATEMENT_LEASES_MAX)
        return keeper_refuse(why, TFAAS_BUSY, "the domain has as many leases as its statement may");
    if (count == 0)
        plat_entropy(&domain->next_key_id, sizeof domain->next_key_id);
    while (taken[domain->next_key_id])
        domain->next_key_id++;
    *id = domain->next_key_id++;
    return TFAAS_OK;
}

static size_t sign_lease(const struct worker *worker, uint64_t now_s, uint8_t id,
                         uint8_t to[STATEMENT_LEASE_SIZE_MAX])
{
    uint8_t bytes[STATEMENT_LEASE_SIZE_MAX], config_bytes[STATEMENT_CONFIGURATION_MAX];
    struct ohttp_key_config config = {.id = id};
    memcpy(config.public_key, worker->request.request_key.data, sizeof config.public_key);
    if (aead_available(AEAD_AES_256_GCM))
        config.aeads[config.aead_count++] = AEAD_AES_256_GCM;
    config.aeads[config.aead_count++] = AEAD_CHACHA20_POLY1305;
    struct writer c = writer_of(config_bytes, sizeof config_bytes);
    ohttp_put_key_config(&c, &config);
    const struct lease lease = {
        .domain = {(const uint8_t *)worker->domain->name, strlen(worker->domain->name)},
        .instance = {worker->report.instance, sizeof worker->report.instance},
        .number = worker->request.number,
        .not_before = now_s,
        .not_after = now_s + STATEMENT_LEASE_LIFE_S,
        .key_configuration = {config_bytes, c.failed ? 0 : c.at},
        .receipt_key = worker->request.signing_key,
        .measurement = {worker->report.measurement, sizeof worker->report.measurement},
        .requests_max = STATEMENT_REQUESTS_PER_KEY,
    };
    struct writer inner = writer_of(bytes, sizeof bytes);
    lease_write(&inner, &lease);
    struct writer envelope = writer_of(to, STATEMENT_LEASE_SIZE_MAX);
    envelope_write(&envelope, (struct span){bytes, inner.failed ? 0 : inner.at},
                   keeper.identity_secret);
    return c.failed || inner.failed || envelope.failed ? 0 : envelope.at;
}

static void keep_lease(struct keeper_instance *known, const struct worker *worker,
                       const struct keeper_lease *lease)
{
    const struct lease_request *request = &worker->request;
    memcpy(known->instance, worker->report.instance, sizeof known->instance);
    memcpy(known->signing_key, request->signing_key.data, sizeof known->signing_key);
    memcpy(known->kem_key, request->kem_key.data, sizeof known->kem_key);
    known->domain = worker->domain;
    known->number = request->number;
    crypto_hash_sha256(known->last, lease->envelope, lease->size);
    if (memcmp(known->leases[0].request_key, lease->request_key, 32) != 0)
        known->leases[1] = known->leases[0];
    known->leases[0] = *lease;
}

struct certify {
    struct span report, envelope;
};

#define AT(member)                                                                                 \
    .offset = offsetof(struct certify, member),                                                    \
    .name = "CERTIFY: " #member " is missing, malformed or of another size"
static const struct field certify_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .least = PLAT_REPORT_SIZE,
     .most = PLAT_REPORT_SIZE,
     AT(report)},
    {.key = 2, .type = FIELD_BYTES, .least = 1, .most = 1024, AT(envelope)},
};
#undef AT

tfaas_status_t keeper_certify(struct span bytes, struct writer *w, const char **why)
{
    struct certify request = {.report = {NULL, 0}};
    struct worker worker;
    struct keeper_instance *known;
    struct keeper_lease lease = {.size = 0};
    struct plat_report own;
    uint8_t data[64];
    uint64_t now_s;
    tfaas_status_t status =
        fields_read(bytes, certify_fields, 2, "CERTIFY: not a map of its keys", &request, why);
    if (status == TFAAS_OK)
        status = keeper_now(&now_s, why);
    if (status == TFAAS_OK)
        status = read_worker(request.report, request.envelope, &worker, why);
    if (status == TFAAS_OK)
        status = check_chain(&worker, &known, why);
    if (status == TFAAS_OK)
        status = choose_key_id(worker.domain, &worker, now_s, &lease.id, why);
    if (status != TFAAS_OK)
        return status;
    statement_digest(data, STATEMENT_KEEPER_LABEL, keeper_identity(), (struct span){NULL, 0});
    if (!plat_local_report(data, &own))
        return keeper_refuse(why, TFAAS_UNAVAILABLE, "this core can make no local report");
    if (!known && !(known = new_instance(now_s)))
        return keeper_refuse(why, TFAAS_BUSY, "the keeper holds as many workers as it can");
    memcpy(lease.request_key, worker.request.request_key.data, sizeof lease.request_key);
    lease.not_after = now_s + STATEMENT_LEASE_LIFE_S;
    lease.size = sign_lease(&worker, now_s, lease.id, lease.envelope);
    if (lease.size == 0)
        return keeper_refuse(why, TFAAS_INTERNAL, "the lease does not fit");
    keep_lease(known, &worker, &lease);
    cbor_put_map(w, 3);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, lease.envelope, lease.size);
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, keeper_identity().data, keeper_identity().size);
    cbor_put_uint(w, 3);
    cbor_put_bytes(w, &own, sizeof own);
    return TFAAS_OK;
}

/* --- grants --- */

struct grant_call {
    struct span report, envelope;
    struct field_list headers;
};

#define AT(member)                                                                                 \
    .offset = offsetof(struct grant_call, member),                                                 \
    .name = "GRANT: " #member " is missing, malformed or of another size"
static const struct field grant_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .least = PLAT_REPORT_SIZE,
     .most = PLAT_REPORT_SIZE,
     AT(report)},
    {.key = 2, .type = FIELD_BYTES, .least = 1, .most = 1024, AT(envelope)},
    {.key = 3,
     .type = FIELD_LIST,
     .least = 1,
     .most = SEALED_HEADER_MAX,
     .items = KEEPER_GRANTS_MAX,
     AT(headers)},
};
#undef AT

static tfaas_status_t not_granted(const struct sealed *sealed, const char *reason, const char **why)
{
    static char text[512];
    (void)snprintf(text, sizeof text, "%.*s \"%.*s\": %s", (int)sealed->kind.size,
                   (const char *)sealed->kind.data, (int)sealed->name.size,
                   (const char *)sealed->name.data, reason);
    *why = text;
    return TFAAS_NOT_GRANTED;
}

static tfaas_status_t grant_one(const struct worker *worker, struct span header,
                                uint8_t grant[SEALED_GRANT_SIZE], const char **why)
{
    struct sealed sealed;
    uint8_t content_key[32], key_id[32];
    tfaas_status_t status = sealed_read_header(header, &sealed, why);
    if (status != TFAAS_OK)
        return status;
    if (!span_is(sealed.domain, worker->domain->name))
        return not_granted(&sealed, "it is sealed to another namespace", why);
    const struct hpke_key_pair *sealing = &worker->domain->sealing;
    crypto_hash_sha256(key_id, sealing->public_key, sizeof sealing->public_key);
    if (memcmp(sealed.key_id.data, key_id, sealed.key_id.size) != 0)
        return not_granted(&sealed,
                           "it is sealed to a key that this keeper does not have: "
                           "provision it again",
                           why);
    if (sealed_unwrap(&sealed, sealing->secret, sealing->public_key, content_key) != TFAAS_OK)
        return not_granted(&sealed, "it was altered: it does not open", why);
    status = sealed_grant(&sealed, content_key, worker->request.kem_key.data, grant);
    sodium_memzero(content_key, sizeof content_key);
    if (status != TFAAS_OK)
        return not_granted(&sealed, "the worker's key cannot be used", why);
    return TFAAS_OK;
}

tfaas_status_t keeper_grant(struct span bytes, struct writer *w, const char **why)
{
    struct grant_call request = {.report = {NULL, 0}};
    struct worker worker;
    tfaas_status_t status =
        fields_read(bytes, grant_fields, 3, "GRANT: not a map of its keys", &request, why);
    if (status == TFAAS_OK)
        status = read_worker(request.report, request.envelope, &worker, why);
    if (status != TFAAS_OK)
        return status;
    cbor_put_map(w, 1);
    cbor_put_uint(w, 1);
    cbor_put_array(w, request.headers.count);
    while (status == TFAAS_OK && request.headers.count > 0) {
        uint8_t grant[SEALED_GRANT_SIZE];
        status = grant_one(&worker, fields_next(&request.headers), grant, why);
        if (status == TFAAS_OK)
            cbor_put_bytes(w, grant, sizeof grant);
    }
    return status;
}

/* --- the end of a worker --- */

static const struct field revoke_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .least = 16,
     .most = 16,
     .name = "REVOKE: key 1 (instance) is missing, malformed or of another size"},
};

tfaas_status_t keeper_revoke(struct span bytes, struct writer *w, const char **why)
{
    struct span instance = {NULL, 0};
    tfaas_status_t status =
        fields_read(bytes, revoke_fields, 1, "REVOKE: not a map of its key", &instance, why);
    if (status != TFAAS_OK)
        return status;
    if (!find_instance(instance.data) && !ended_has_room(instance_count()))
        return keeper_refuse(why, TFAAS_BUSY,
                             "the keeper has seen as many instances as it can remember");
    end_instance(instance.data);
    cbor_put_map(w, 0);
    return TFAAS_OK;
}
