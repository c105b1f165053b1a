/* identity_double.c - see identity_double.h. */
#include "identity_double.h"

#include <sodium.h>

static struct request_key key;
static uint8_t signing[64], receipt_key[32], instance[16] = "instance-of-test";
static uint8_t lease[200];
static bool leased;

struct request_key *__wrap_identity_key(uint8_t id, bool *any);
const uint8_t *__wrap_identity_signing_secret(void);
struct span __wrap_identity_lease(void);
const uint8_t *__wrap_identity_instance(void);

void identity_double_make(void)
{
    struct hpke_key_pair pair;
    hpke_generate_key_pair(&pair);
    key = (struct request_key){
        .leased = true, .id = DOUBLE_KEY_ID, .ends_ns = UINT64_MAX, .requests_left = 1u << 20};
    memcpy(key.secret, pair.secret, 32);
    memcpy(key.public_key, pair.public_key, 32);
    crypto_sign_keypair(receipt_key, signing);
    randombytes_buf(lease, sizeof lease);
    leased = true;
}

struct ohttp_key_config identity_double_config(void)
{
    struct ohttp_key_config config = {
        .id = key.id, .aeads = {AEAD_CHACHA20_POLY1305, AEAD_AES_256_GCM}, .aead_count = 2};
    memcpy(config.public_key, key.public_key, 32);
    return config;
}

const uint8_t *identity_double_receipt_key(void)
{
    return receipt_key;
}

struct span identity_double_lease(void)
{
    return (struct span){lease, sizeof lease};
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
    return (struct span){lease, leased ? sizeof lease : 0};
}

const uint8_t *__wrap_identity_instance(void)
{
    return instance;
}
