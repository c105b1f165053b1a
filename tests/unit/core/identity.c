/*
 * identity.c - a worker's keys and leases: with a keeper of this test's making, which may sign
 * anything, and a clock that it moves.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c flags: -D_GNU_SOURCE -Wl,--wrap=plat_now_ns,--wrap=plat_local_report_end */
/* clang-format on */
#include "core_test.h"

#include "cbor.h"
#include "identity.h"
#include "ohttp.h"
#include "plat/linux/linux.h"
#include "replay.h"
#include "sessions.h"
#include "statement.h"

#include <sodium.h>

#define SECOND UINT64_C(1000000000)
#define NOW_S  UINT64_C(1800000000)

static uint64_t now_ns = SECOND;
static bool own_clock; /* not while the core gets ready, which waits for a tick */
uint64_t __real_plat_now_ns(void);
uint64_t __wrap_plat_now_ns(void);
void __wrap_plat_local_report_end(void);
static unsigned ends;

uint64_t __wrap_plat_now_ns(void)
{
    return own_clock ? now_ns : __real_plat_now_ns();
}

/* This process plays the keeper too, so that it has to go on making reports. */
void __wrap_plat_local_report_end(void)
{
    ends++;
}

static uint8_t identity[32], identity_secret[64];
static struct lease_request asked; /* into said */
static uint8_t said[1024];
static uint8_t key_id;

static tfaas_status_t hello(bool fresh)
{
    const uint8_t request[] = {0xa1, 0x01, fresh ? 0xf5 : 0xf4};
    struct writer w = writer_of(said, sizeof said);
    const char *why = "";
    tfaas_status_t status = identity_hello((struct span){request, sizeof request}, &w, &why);
    if (status != TFAAS_OK)
        return status;
    struct cursor c = cursor_of(said, w.at);
    (void)cbor_map(&c);
    (void)cbor_uint(&c);
    (void)cbor_bytes(&c);
    (void)cbor_uint(&c);
    struct span envelope = cbor_bytes(&c), statement, signature;
    CHECK(!w.failed && !c.failed &&
              envelope_split(envelope, &statement, &signature, &why) == TFAAS_OK &&
              lease_request_read(statement, &asked, &why) == TFAAS_OK &&
              envelope_open(envelope, asked.signing_key.data, &statement, &why) == TFAAS_OK,
          "%s", why);
    return TFAAS_OK;
}

/* The lease that was asked for. */
static struct lease granted(void)
{
    static uint8_t config[64], measurement[PLAT_MEASUREMENT_SIZE];
    struct ohttp_key_config key = {
        .id = key_id, .aeads = {AEAD_CHACHA20_POLY1305}, .aead_count = 1};
    memcpy(key.public_key, asked.request_key.data, sizeof key.public_key);
    struct writer w = writer_of(config, sizeof config);
    ohttp_put_key_config(&w, &key);
    plat_measurement(measurement);
    return (struct lease){.domain = {(const uint8_t *)"shop", 4},
                          .instance = {identity_instance(), 16},
                          .number = asked.number,
                          .not_before = NOW_S,
                          .not_after = NOW_S + STATEMENT_LEASE_LIFE_S,
                          .key_configuration = {config, w.at},
                          .receipt_key = asked.signing_key,
                          .measurement = {measurement, sizeof measurement},
                          .requests_max = 1000};
}

static tfaas_status_t take_as(const struct lease *lease, enum plat_role role, const char **why)
{
    uint8_t bytes[512], envelope[600], answer[1200], data[64];
    struct plat_report report;
    struct writer inner = writer_of(bytes, sizeof bytes);
    struct writer e = writer_of(envelope, sizeof envelope), w = writer_of(answer, sizeof answer);
    lease_write(&inner, lease);
    envelope_write(&e, (struct span){bytes, inner.at}, identity_secret);
    statement_digest(data, STATEMENT_KEEPER_LABEL, (struct span){identity, 32},
                     (struct span){NULL, 0});
    plat_linux_domain(role, "shop");
    CHECK(plat_local_report(data, &report), "no report");
    plat_linux_domain(PLAT_WORKER, "shop");
    cbor_put_map(&w, 3);
    cbor_put_uint(&w, 1);
    cbor_put_bytes(&w, envelope, e.at);
    cbor_put_uint(&w, 2);
    cbor_put_bytes(&w, identity, sizeof identity);
    cbor_put_uint(&w, 3);
    cbor_put_bytes(&w, &report, sizeof report);
    *why = "";
    return identity_lease_take((struct span){answer, w.at}, why);
}

static tfaas_status_t take(const struct lease *lease)
{
    const char *why;
    tfaas_status_t status = take_as(lease, PLAT_KEEPER, &why);
    CHECK(status == TFAAS_OK, "%s", why);
    return status;
}

static void lease_key(bool fresh, uint8_t id)
{
    CHECK(hello(fresh) == TFAAS_OK, "HELLO");
    key_id = id;
    struct lease lease = granted();
    (void)take(&lease);
}

static bool has(uint8_t id)
{
    bool any;
    return identity_key(id, &any) != NULL;
}

/* Makes all keys end. */
static void much_later(void)
{
    bool any;
    now_ns += 2 * STATEMENT_KEY_LIFE_S * SECOND;
    CHECK(!identity_key(0, &any) && !any, "a key outlives its lease");
    CHECK(identity_lease().size == 0, "a lease that is over is shown");
}

static void reporting_ended_first(void)
{
    CHECK(ends == 1, "identity_enter ends reporting %u times", ends);
    bool any = true;
    CHECK(!identity_key(0, &any) && !any, "a key without a lease");
    CHECK(hello(false) == TFAAS_CONFLICT, "renewed what is not there");
}

static void every_field_is_what_was_asked(void)
{
    uint8_t other[48] = {1};
    const char *why;
    CHECK(hello(true) == TFAAS_OK, "HELLO");
    key_id = 1;
    for (unsigned i = 0; i < 9; i++) {
        static const char *const names[] = {"domain",      "instance",    "number",
                                            "request key", "receipt key", "measurement",
                                            "too long",    "requests",    "requests"};
        struct lease lease = granted();
        uint8_t config[64];
        memcpy(config, lease.key_configuration.data, lease.key_configuration.size);
        config[5] ^= 1; /* of the public key */
        switch (i) {
        case 0:
            lease.domain = (struct span){(const uint8_t *)"shed", 4};
            break;
        case 1:
            lease.instance = (struct span){other, 16};
            break;
        case 2:
            lease.number++;
            break;
        case 3:
            lease.key_configuration.data = config;
            break;
        case 4:
            lease.receipt_key = (struct span){other, 32};
            break;
        case 5:
            lease.measurement = (struct span){other, 48};
            break;
        case 6:
            lease.not_after++;
            break;
        case 7:
            lease.requests_max = 0;
            break;
        default:
            lease.requests_max = STATEMENT_REQUESTS_PER_KEY + 1;
        }
        CHECK(take_as(&lease, PLAT_KEEPER, &why) == TFAAS_UNAUTHORIZED && strstr(why, names[i]),
              "%s: \"%s\"", names[i], why);
    }
    struct lease lease = granted();
    CHECK(take_as(&lease, PLAT_WORKER, &why) == TFAAS_UNAUTHORIZED && strstr(why, "keeper's"), "%s",
          why);
    CHECK(!has(1), "a key without a lease");
    (void)take(&lease);
    CHECK(has(1) && identity_lease().size > 0, "no key with a lease");
    much_later();
}

/* From the moment of asking, whatever the host's clock and the lease's times say. */
static void lease_ends_by_the_cores_clock(void)
{
    uint64_t from = now_ns;
    CHECK(hello(true) == TFAAS_OK, "HELLO");
    now_ns += 100 * SECOND; /* the answer comes late */
    key_id = 2;
    struct lease lease = granted();
    (void)take(&lease);
    now_ns = from + STATEMENT_LEASE_LIFE_S * SECOND - 1;
    bool any;
    struct request_key *key = identity_key(2, &any);
    CHECK(key && any && key->requests_left == 1000, "ended too early");
    CHECK(identity_expire(now_ns) == 1, "the end is not told");
    key->replay = replay_new();
    struct core_session *session = sessions_new(key, AEAD_CHACHA20_POLY1305);
    uint8_t session_id[SESSION_ID_SIZE];
    memcpy(session_id, session->id, sizeof session_id);
    CHECK(sessions_find(session_id), "no session");
    struct request_key *was = key;
    now_ns++;
    CHECK(!has(2) && sodium_is_zero((const uint8_t *)was, sizeof *was), "it is not wiped");
    CHECK(!sessions_find(session_id), "its session lives on");
    CHECK(identity_expire(now_ns) == -1, "something is left");
    /* What was asked for before can be taken no more, but the chain goes on. */
    CHECK(hello(false) == TFAAS_CONFLICT, "renewed what has ended");
    uint64_t number = asked.number;
    lease_key(true, 3);
    CHECK(asked.number == number + 1 && !sodium_is_zero(asked.previous.data, 32), "the chain");
    much_later();
}

static void old_key_serves_until_its_lease_ends(void)
{
    lease_key(true, 4);
    uint64_t first = now_ns;
    now_ns += 300 * SECOND;
    lease_key(true, 5);
    CHECK(has(4) && has(5), "one of both is gone");
    const char *why;
    CHECK(hello(true) == TFAAS_OK, "HELLO");
    key_id = 5; /* the id of the key in use, for another key */
    struct lease lease = granted();
    CHECK(take_as(&lease, PLAT_KEEPER, &why) == TFAAS_UNAUTHORIZED && strstr(why, "taken"), "%s",
          why);
    now_ns = first + STATEMENT_LEASE_LIFE_S * SECOND;
    CHECK(!has(4) && has(5), "the wrong one is gone");
    lease_key(false, 5); /* renewed */
    now_ns += 599 * SECOND;
    CHECK(has(5), "a renewed key ends with its first lease");
    much_later();
}

/* A host that always renews does not keep a key for ever, nor for more requests. */
static void key_has_one_life(void)
{
    uint64_t born = now_ns;
    bool any;
    lease_key(true, 6);
    struct request_key *key = identity_key(6, &any);
    CHECK(key && key->requests_left == 1000, "another number than the lease's");
    if (!key)
        return;
    key->requests_left = 7;
    while (now_ns + 500 * SECOND < born + STATEMENT_KEY_LIFE_S * SECOND) {
        now_ns += 500 * SECOND;
        lease_key(false, 6);
    }
    now_ns = born + STATEMENT_KEY_LIFE_S * SECOND;
    CHECK(has(6), "it is over before");
    CHECK(key->requests_left == 7, "a renewed key has %lu requests",
          (unsigned long)key->requests_left);
    CHECK(hello(false) == TFAAS_CONFLICT, "a key is renewed after its life");
    CHECK(hello(true) == TFAAS_OK, "no new key");
    much_later();
}

int main(int argc, char **argv)
{
    core_test_prepare();
    own_clock = true;
    plat_linux_domain(PLAT_WORKER, "shop");
    plat_linux_report_enter("shop");
    crypto_sign_keypair(identity, identity_secret);
    identity_enter();
    static const struct check_case cases[] = {
        {"reporting ended first", reporting_ended_first},
        {"every field is what was asked", every_field_is_what_was_asked},
        {"lease ends by the core's clock", lease_ends_by_the_cores_clock},
        {"old key serves until its lease ends", old_key_serves_until_its_lease_ends},
        {"key has one life", key_has_one_life},
    };
    return CHECK_MAIN(cases, argc, argv);
}
