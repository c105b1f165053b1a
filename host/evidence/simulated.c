/*
 * simulated.c - the software root: an Ed25519 key in the state folder. It proves nothing, since
 * whoever runs this host holds the key; every verifier refuses it that was not told otherwise.
 */
#include "evidence.h"

#include "simulated.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool probe(const struct evidence_env *env, char *why, size_t why_size)
{
    if (!sodium_is_zero(env->root_seed, sizeof env->root_seed))
        return true;
    (void)snprintf(why, why_size, "there is no root key");
    return false;
}

static tfaas_status_t get(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA_SIZE],
                          struct evidence *evidence, struct tfaas_error *error)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    uint8_t *bytes = malloc(SIMULATED_SIZE_MAX);
    if (!bytes)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    (void)crypto_sign_seed_keypair(public_key, secret, env->root_seed);
    size_t size = simulated_write(env->measurement, data, (uint64_t)time(NULL), secret, bytes);
    sodium_memzero(secret, sizeof secret);
    if (size == 0) {
        free(bytes);
        return error_set(error, TFAAS_INTERNAL, "simulated evidence does not fit");
    }
    *evidence = (struct evidence){.type = EVIDENCE_SIMULATED, .bytes = bytes, .size = size};
    return TFAAS_OK;
}

/* As hardware does: another core gets another key. */
static tfaas_status_t seal_key(const struct evidence_env *env, uint8_t key[32],
                               struct tfaas_error *error)
{
    static const char label[] = "tfaas-simulated-seal-v1";
    crypto_generichash_state state;
    (void)error;
    (void)crypto_generichash_init(&state, env->root_seed, sizeof env->root_seed, 32);
    (void)crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&state, env->measurement, sizeof env->measurement);
    (void)crypto_generichash_final(&state, key, 32);
    sodium_memzero(&state, sizeof state);
    return TFAAS_OK;
}

const struct evidence_source evidence_simulated = {
    .name = "simulated", .probe = probe, .get = get, .seal_key = seal_key};
