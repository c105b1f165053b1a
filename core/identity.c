/* identity.c - see identity.h. Keys come from the platform's entropy, never from what the host
 * sends; whatever is over is wiped before anything else is looked at. */
#include "identity.h"

#include "cbor.h"
#include "fields.h"
#include "ohttp.h"
#include "replay.h"
#include "sessions.h"
#include "statement.h"

#include <sodium.h>

enum { CURRENT, PREVIOUS, ASKED };

static uint8_t signing_secret[crypto_sign_SECRETKEYBYTES];
static struct hpke_key_pair kem;
static struct plat_report report;
static bool has_report;

static struct request_key keys[IDENTITY_KEYS_MAX];
static uint64_t current_born_ns;
static uint64_t lease_number; /* of the newest lease taken */
static uint8_t lease_bytes[STATEMENT_LEASE_SIZE_MAX];
static size_t lease_size;

/* What was asked for last and not answered yet. */
static struct {
    bool open, renews;
    uint64_t at_ns;
} asked;

static struct span signing_key(void)
{
    return (struct span){signing_secret + crypto_sign_SEEDBYTES, crypto_sign_PUBLICKEYBYTES};
}

void identity_enter(void)
{
    uint8_t seed[crypto_sign_SEEDBYTES], secret[HPKE_SECRET_SIZE], ignored[32], data[64];
    plat_entropy(seed, sizeof seed);
    plat_entropy(secret, sizeof secret);
    (void)crypto_sign_seed_keypair(ignored, signing_secret, seed);
    hpke_key_pair_of(&kem, secret);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    statement_digest(data, STATEMENT_WORKER_LABEL, signing_key(),
                     (struct span){kem.public_key, sizeof kem.public_key});
    has_report = plat_local_report(data, &report);
    plat_local_report_end();
}

/* --- request keys --- */

static void end_key(struct request_key *key)
{
    if (key->leased) {
        sessions_end_key(key->public_key);
        replay_free(key->replay);
    }
    sodium_memzero(key, sizeof *key);
}

int64_t identity_expire(uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = CURRENT; i <= PREVIOUS; i++) {
        if (!keys[i].leased)
            continue;
        if (now_ns >= keys[i].ends_ns)
            end_key(&keys[i]);
        else if (keys[i].ends_ns - now_ns < next)
            next = keys[i].ends_ns - now_ns;
    }
    return next > INT64_MAX ? -1 : (int64_t)next;
}

struct request_key *identity_key(uint8_t id, bool *any)
{
    (void)identity_expire(plat_now_ns());
    struct request_key *found = NULL;
    *any = false;
    for (size_t i = CURRENT; i <= PREVIOUS; i++) {
        *any |= keys[i].leased;
        if (keys[i].leased && keys[i].id == id)
            found = &keys[i];
    }
    return found;
}

const uint8_t *identity_signing_secret(void)
{
    return signing_secret;
}

struct span identity_lease(void)
{
    return (struct span){lease_bytes, keys[CURRENT].leased ? lease_size : 0};
}

const uint8_t *identity_instance(void)
{
    return report.instance;
}

const uint8_t *identity_kem_secret(void)
{
    return kem.secret;
}

const uint8_t *identity_kem_key(void)
{
    return kem.public_key;
}

/* --- HELLO --- */

static const struct field hello_fields[] = {
    {.key = 1, .type = FIELD_BOOL, .name = "HELLO: key 1 (a new key?) is missing or malformed"},
};

static void draw_key(struct request_key *key)
{
    struct hpke_key_pair pair;
    uint8_t secret[HPKE_SECRET_SIZE];
    plat_entropy(secret, sizeof secret);
    hpke_key_pair_of(&pair, secret);
    *key = (struct request_key){.leased = false};
    memcpy(key->secret, pair.secret, sizeof key->secret);
    memcpy(key->public_key, pair.public_key, sizeof key->public_key);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(&pair, sizeof pair);
}

static const struct request_key *asked_key(void)
{
    return asked.renews ? &keys[CURRENT] : &keys[ASKED];
}

static void put_hello(struct writer *w)
{
    uint8_t bytes[256], previous[32] = {0};
    if (lease_size > 0)
        crypto_hash_sha256(previous, lease_bytes, lease_size);
    const struct lease_request request = {
        .signing_key = signing_key(),
        .kem_key = {kem.public_key, sizeof kem.public_key},
        .request_key = {asked_key()->public_key, 32},
        .number = lease_number + 1,
        .previous = {previous, sizeof previous},
    };
    struct writer inner = writer_of(bytes, sizeof bytes), envelope;
    uint8_t sealed[sizeof bytes + 80];
    lease_request_write(&inner, &request);
    envelope = writer_of(sealed, sizeof sealed);
    envelope_write(&envelope, (struct span){bytes, inner.at}, signing_secret);
    w->failed |= inner.failed || envelope.failed;
    cbor_put_map(w, 2);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, &report, sizeof report);
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, sealed, envelope.at);
}

tfaas_status_t identity_hello(struct span request, struct writer *w, const char **why)
{
    bool fresh = false;
    tfaas_status_t status =
        fields_read(request, hello_fields, 1, "HELLO: not a map of its key", &fresh, why);
    if (status != TFAAS_OK)
        return status;
    if (!has_report) {
        *why = "this core has no local report";
        return TFAAS_UNAVAILABLE;
    }
    uint64_t now = plat_now_ns();
    (void)identity_expire(now);
    if (!fresh && !keys[CURRENT].leased) {
        *why = "HELLO: there is no key to renew";
        return TFAAS_CONFLICT;
    }
    if (!fresh && now - current_born_ns >= STATEMENT_KEY_LIFE_S * UINT64_C(1000000000)) {
        *why = "HELLO: the key in use has had its life: ask for a new one";
        return TFAAS_CONFLICT;
    }
    sodium_memzero(&keys[ASKED], sizeof keys[ASKED]);
    if (fresh)
        draw_key(&keys[ASKED]);
    asked.open = true;
    asked.renews = !fresh;
    asked.at_ns = now;
    put_hello(w);
    return TFAAS_OK;
}

/* --- LEASE --- */

struct lease_answer {
    struct span envelope, identity, report;
};

#define AT(member)                                                                                 \
    .offset = offsetof(struct lease_answer, member),                                               \
    .name = "LEASE: " #member " is missing, malformed or of another size"
static const struct field lease_fields[] = {
    {.key = 1, .type = FIELD_BYTES, .least = 1, .most = STATEMENT_LEASE_SIZE_MAX, AT(envelope)},
    {.key = 2, .type = FIELD_BYTES, .least = 32, .most = 32, AT(identity)},
    {.key = 3,
     .type = FIELD_BYTES,
     .least = PLAT_REPORT_SIZE,
     .most = PLAT_REPORT_SIZE,
     AT(report)},
};
#undef AT

static tfaas_status_t refuse(const char **why, tfaas_status_t status, const char *text)
{
    *why = text;
    return status;
}

static bool equal(struct span a, const void *b, size_t size)
{
    return a.size == size && memcmp(a.data, b, size) == 0;
}

/* Is it a keeper of this platform and measurement, and is the identity its own? */
static tfaas_status_t check_keeper(const struct lease_answer *answer, const char **why)
{
    struct plat_report keeper;
    uint8_t data[64];
    memcpy(&keeper, answer->report.data, sizeof keeper);
    if (!plat_local_verify(&keeper))
        return refuse(why, TFAAS_UNAUTHORIZED,
                      "LEASE: the report is not of a core of this platform and measurement");
    if (keeper.role != PLAT_KEEPER)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: the report is not a keeper's");
    statement_digest(data, STATEMENT_KEEPER_LABEL, answer->identity, (struct span){NULL, 0});
    if (memcmp(keeper.data, data, sizeof data) != 0)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: the report binds another identity");
    return TFAAS_OK;
}

/* Every field is what was asked for, and the times are within a lease's life. */
static tfaas_status_t check_lease(const struct lease *lease, struct ohttp_key_config *config,
                                  const char **why)
{
    uint8_t measurement[PLAT_MEASUREMENT_SIZE];
    plat_measurement(measurement);
    const char *domain = plat_domain(), *ignored;
    if (!equal(lease->domain, domain, strlen(domain)))
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it is of another domain");
    if (!equal(lease->instance, report.instance, sizeof report.instance))
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it is of another instance");
    if (lease->number != lease_number + 1)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it has another number than was asked for");
    if (ohttp_read_key_config(lease->key_configuration, config, &ignored) != TFAAS_OK ||
        memcmp(config->public_key, asked_key()->public_key, sizeof config->public_key) != 0)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it is of another request key");
    if (!equal(lease->receipt_key, signing_key().data, signing_key().size))
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it is of another receipt key");
    if (!equal(lease->measurement, measurement, sizeof measurement))
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it is of another measurement");
    if (lease->not_after - lease->not_before > STATEMENT_LEASE_LIFE_S)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it lasts too long");
    if (lease->requests_max == 0 || lease->requests_max > STATEMENT_REQUESTS_PER_KEY)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: it allows another number of requests");
    const struct request_key *other = &keys[asked.renews ? PREVIOUS : CURRENT];
    if (other->leased && other->id == config->id)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: its key id is taken");
    if (asked.renews && keys[CURRENT].id != config->id)
        return refuse(why, TFAAS_UNAUTHORIZED, "LEASE: a renewal has another key id");
    return TFAAS_OK;
}

static void keep_lease(const struct lease *lease, uint8_t id, struct span envelope)
{
    if (!asked.renews) {
        end_key(&keys[PREVIOUS]);
        keys[PREVIOUS] = keys[CURRENT];
        keys[CURRENT] = keys[ASKED];
        sodium_memzero(&keys[ASKED], sizeof keys[ASKED]);
        current_born_ns = asked.at_ns;
    }
    keys[CURRENT].leased = true;
    keys[CURRENT].id = id;
    keys[CURRENT].ends_ns =
        asked.at_ns + (lease->not_after - lease->not_before) * UINT64_C(1000000000);
    /* A renewal gives a key more time, not more requests. */
    if (!asked.renews || lease->requests_max < keys[CURRENT].requests_left)
        keys[CURRENT].requests_left = lease->requests_max;
    lease_number = lease->number;
    memcpy(lease_bytes, envelope.data, envelope.size);
    lease_size = envelope.size;
    asked.open = false;
}

tfaas_status_t identity_lease_take(struct span request, const char **why)
{
    struct lease_answer answer = {.envelope = {NULL, 0}};
    struct span statement;
    struct lease lease;
    struct ohttp_key_config config;
    tfaas_status_t status =
        fields_read(request, lease_fields, 3, "LEASE: not a map of its keys", &answer, why);
    if (status != TFAAS_OK)
        return status;
    (void)identity_expire(plat_now_ns());
    if (!asked.open || (asked.renews && !keys[CURRENT].leased))
        return refuse(why, TFAAS_CONFLICT, "LEASE: none was asked for, or its key is over");
    status = check_keeper(&answer, why);
    if (status == TFAAS_OK)
        status = envelope_open(answer.envelope, answer.identity.data, &statement, why);
    if (status == TFAAS_OK)
        status = lease_read(statement, &lease, why);
    if (status == TFAAS_OK)
        status = check_lease(&lease, &config, why);
    if (status == TFAAS_OK)
        keep_lease(&lease, config.id, answer.envelope);
    return status;
}
