/*
 * hpke_cost.c - what HPKE, the AEADs and Oblivious HTTP cost, in microseconds: the best of many
 * short batches, so that neighbours on the machine count little. For docs/hpke-ohttp.md. Build and
 * run:
 *   gcc -std=gnu11 -O2 -static-pie -fPIE -Iinclude -Icommon tests/tools/hpke_cost.c common/ohttp.c
 * \ common/hpke.c common/hkdf.c common/aead.c common/status.c -lsodium -o build/hpke_cost
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "ohttp.h"

#define BATCHES 400

static const struct span none = {NULL, 0};
static struct hpke_key_pair pair;
static struct ohttp_key_config config = {.id = 1};
static struct hpke_context sender, receiver;
static struct ohttp_exchange client, server;
static uint16_t aead;
static uint8_t enc[HPKE_ENC_SIZE], plain[1024], sealed[1200], opened[1200];
static size_t sealed_size, opened_size;
static const char *why;

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t used)
{
    (void)user;
    (void)used;
    return key_id == config.id ? &pair : NULL;
}

static struct span message(void)
{
    return (struct span){plain, sizeof(plain)};
}

static struct span wire(void)
{
    return (struct span){sealed, sealed_size};
}

static tfaas_status_t send_one(void)
{
    tfaas_status_t status = hpke_setup_sender(&sender, aead, pair.public_key, none, NULL, enc);
    if (status == TFAAS_OK)
        status = hpke_seal(&sender, none, message(), sealed, sizeof(sealed), &sealed_size);
    return status;
}

static tfaas_status_t receive_one(void)
{
    tfaas_status_t status = hpke_setup_receiver(&receiver, aead, &pair, enc, none, NULL);
    if (status == TFAAS_OK)
        status = hpke_open(&receiver, none, wire(), opened, sizeof(opened), &opened_size);
    return status;
}

static tfaas_status_t seal(void)
{
    return aead_seal(aead, sender.key, sender.base_nonce, none, message(), sealed, sizeof(sealed),
                     &sealed_size);
}

static tfaas_status_t open(void)
{
    return aead_open(aead, sender.key, sender.base_nonce, none, wire(), opened, sizeof(opened),
                     &opened_size);
}

static tfaas_status_t request(void)
{
    return ohttp_encapsulate_request(&client, &config, aead, &ohttp_labels_standard, message(),
                                     sealed, sizeof(sealed), &sealed_size);
}

static tfaas_status_t open_request(void)
{
    return ohttp_decapsulate_request(&server, wire(), &ohttp_labels_standard, find, NULL, opened,
                                     sizeof(opened), &opened_size, &why);
}

static tfaas_status_t response(void)
{
    return ohttp_encapsulate_response(&server, message(), sealed, sizeof(sealed), &sealed_size);
}

static tfaas_status_t open_response(void)
{
    return ohttp_decapsulate_response(&client, wire(), opened, sizeof(opened), &opened_size, &why);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(const char *name, int count, tfaas_status_t (*run)(void))
{
    double best = 1e9;
    for (int batch = 0; batch < BATCHES; batch++) {
        double start = now_us();
        for (int i = 0; i < count; i++)
            if (run() != TFAAS_OK)
                exit(1);
        double each = (now_us() - start) / count;
        best = each < best ? each : best;
    }
    printf("aead %u  %-44s %7.2f us\n", aead, name, best);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    hpke_generate_key_pair(&pair);
    memcpy(config.public_key, pair.public_key, HPKE_PUBLIC_SIZE);
    for (aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++) {
        if (!aead_available(aead))
            continue;
        measure("HPKE sender: set up, seal 1 KiB", 5, send_one);
        measure("HPKE receiver: set up, open 1 KiB", 5, receive_one);
        measure("AEAD: seal 1 KiB", 50, seal);
        measure("AEAD: open 1 KiB", 50, open);
        measure("OHTTP client: request of 1 KiB", 5, request);
        measure("OHTTP server: open the request", 5, open_request);
        measure("OHTTP server: response of 1 KiB", 20, response);
        measure("OHTTP client: open the response", 20, open_response);
    }
    return 0;
}
