/* identity_double.c - see identity_double.h. */
#include "identity_double.h"

#include "statement.h"

#include <sodium.h>

static struct request_key key;
static uint8_t signing[64], receipt_key[32], instance[16] = "instance-of-test";
static uint8_t identity[32], identity_secret[64];
static uint8_t lease[STATEMENT_LEASE_SIZE_MAX];
static size_t lease_size;
static bool leased;

static void make_lease(void);

struct request_key *__wrap_identity_key(uint8_t id, bool *any);
const uint8_t *__wrap_identity_signing_secret(void);
struct span __wrap_identity_lease(void);
const uint8_t *__wrap_identity_instance(void);

static void make_lease(void)
{
    static const uint8_t measurement[48] = {1};
    uint8_t configuration[128], bytes[STATEMENT_LEASE_SIZE_MAX];
    struct ohttp_key_config config = identity_double_config();
    struct writer key_config = writer_of(configuration, sizeof configuration);
    struct writer statement = writer_of(bytes, sizeof bytes);
    struct writer envelope = writer_of(lease, sizeof lease);
    ohttp_put_key_config(&key_config, &config);
    const struct lease from = {.domain = {(const uint8_t *)"shop", 4},
                               .instance = {instance, sizeof instance},
                               .number = 1,
                               .not_before = 1,
                               .not_after = 601,
                               .key_configuration = {configuration, key_config.at},
                               .receipt_key = {receipt_key, sizeof receipt_key},
                               .measurement = {measurement, sizeof measurement},
                               .requests_max = 1u << 20};
    lease_write(&statement, &from);
    envelope_write(&envelope, (struct span){bytes, statement.at}, identity_secret);
    lease_size = statement.failed || envelope.failed ? 0 : envelope.at;
}

void identity_double_make(void)
{
    struct hpke_key_pair pair;
    hpke_generate_key_pair(&pair);
    key = (struct request_key){
        .leased = true, .id = DOUBLE_KEY_ID, .ends_ns = UINT64_MAX, .requests_left = 1u << 20};
    memcpy(key.secret, pair.secret, 32);
    memcpy(key.public_key, pair.public_key, 32);
    crypto_sign_keypair(receipt_key, signing);
    crypto_sign_keypair(identity, identity_secret);
    leased = true;
    make_lease();
}

struct ohttp_key_config identity_double_config(void)
{
    struct ohttp_key_config config = {
        .id = key.id, .aeads = {AEAD_CHACHA20_POLY1305, AEAD_AES_256_GCM}, .aead_count = 2};
    memcpy(config.public_key, key.public_key, 32);
    return config;
}

const uint8_t *identity_double_identity(void)
{
    return identity;
}

struct span identity_double_lease(void)
{
    return (struct span){lease, lease_size};
}

void identity_double_unlease(void)
{
    leased = false;
}

struct request_key *identity_double_key(void)
{
    return &key;
}

struct request_key *__wrap_identity_key(uint8_t id, bool *any)
{
    *any = leased;
    return leased && id == key.id ? &key : NULL;
}

const uint8_t *__wrap_identity_signing_secret(void)
{
    return signing;
}

struct span __wrap_identity_lease(void)
{
    return (struct span){lease, leased ? lease_size : 0};
}

const uint8_t *__wrap_identity_instance(void)
{
    return instance;
}
