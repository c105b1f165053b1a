/*
 * report.c - local reports under the simulated root (plat.h): signed with a key that the zygote
 * drew, which a worker wipes before it takes its first message. Must never leave the key in a
 * process that runs a tenant's code.
 */
#include "linux.h"

#include <sodium.h>
#include <string.h>

static uint8_t root_secret[crypto_sign_SECRETKEYBYTES];
static uint8_t root_key[crypto_sign_PUBLICKEYBYTES];
static bool has_root, can_report;
static uint8_t measurement[PLAT_MEASUREMENT_SIZE];
static uint8_t instance[16], domain[crypto_hash_sha512_BYTES];
static bool has_instance;

static const uint8_t magic[4] = {'T', 'F', 'L', 'R'};

const uint8_t *plat_linux_report_prepare(const uint8_t of[PLAT_MEASUREMENT_SIZE])
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    if (sodium_init() < 0)
        plat_abort("libsodium did not start");
    plat_entropy(seed, sizeof(seed));
    plat_linux_report_take(of, seed);
    sodium_memzero(seed, sizeof(seed));
    return root_key;
}

void plat_linux_report_take(const uint8_t of[PLAT_MEASUREMENT_SIZE], const uint8_t seed[32])
{
    memcpy(measurement, of, sizeof(measurement));
    if (crypto_sign_seed_keypair(root_key, root_secret, seed) != 0)
        plat_abort("the report key cannot be made");
    has_root = can_report = true;
}

void plat_linux_report_enter(const char *domain_name)
{
    plat_entropy(instance, sizeof(instance));
    crypto_hash_sha512(domain, (const uint8_t *)domain_name, strlen(domain_name));
    has_instance = true;
}

bool plat_local_report(const uint8_t data[64], struct plat_report *report)
{
    if (!can_report || !has_instance)
        return false;
    *report =
        (struct plat_report){.version = 1, .tee = PLAT_SIMULATED, .role = (uint8_t)plat_role()};
    memcpy(report->magic, magic, sizeof(magic));
    memcpy(report->measurement, measurement, sizeof(measurement));
    memcpy(report->instance, instance, sizeof(instance));
    memcpy(report->domain, domain, sizeof(domain));
    memcpy(report->data, data, sizeof(report->data));
    return crypto_sign_detached(report->signature, NULL, (const uint8_t *)report,
                                offsetof(struct plat_report, signature), root_secret) == 0;
}

void plat_local_report_end(void)
{
    can_report = false;
    sodium_memzero(root_secret, sizeof(root_secret));
}

bool plat_local_verify(const struct plat_report *report)
{
    return has_root && memcmp(report->magic, magic, sizeof(magic)) == 0 && report->version == 1 &&
           report->tee == PLAT_SIMULATED && report->reserved == 0 &&
           (report->role == PLAT_WORKER || report->role == PLAT_KEEPER) &&
           memcmp(report->measurement, measurement, sizeof(measurement)) == 0 &&
           crypto_sign_verify_detached(report->signature, (const uint8_t *)report,
                                       offsetof(struct plat_report, signature), root_key) == 0;
}

void plat_measurement(uint8_t to[PLAT_MEASUREMENT_SIZE])
{
    memcpy(to, measurement, sizeof(measurement));
}
