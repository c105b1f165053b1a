/* needs: common/ohttp.c common/hpke.c common/hkdf.c common/aead.c libs: sodium */
/*
 * ohttp.c - fuzzes what Oblivious HTTP reads before anything authenticates: key configurations and
 * lists (what is accepted is written and read back the same), encapsulated requests and responses
 * (nothing a fuzzer makes up ever opens). The first byte chooses.
 */
#include "ohttp.h"
#include <sodium.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct hpke_key_pair pair;
static struct ohttp_exchange client;

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t aead)
{
    (void)user;
    (void)aead;
    return key_id == 1 ? &pair : NULL;
}

static void start(void)
{
    static bool started;
    struct ohttp_key_config config = {.id = 1};
    uint8_t message[OHTTP_REQUEST_OVERHEAD];
    size_t size;
    if (started)
        return;
    check(sodium_init() >= 0);
    hpke_generate_key_pair(&pair);
    memcpy(config.public_key, pair.public_key, HPKE_PUBLIC_SIZE);
    check(ohttp_encapsulate_request(&client, &config, AEAD_CHACHA20_POLY1305,
                                    &ohttp_labels_standard, (struct span){NULL, 0}, message,
                                    sizeof(message), &size) == TFAAS_OK);
    started = true;
}

static void key_config(struct span data)
{
    struct ohttp_key_config config, again;
    const char *why = NULL;
    uint8_t out[1 + 2 + HPKE_PUBLIC_SIZE + 2 + 4 * OHTTP_SUITES_MAX];
    tfaas_status_t status = ohttp_read_key_config(data, &config, &why);
    check(status == TFAAS_OK ? config.aead_count > 0 : why != NULL);
    if (status != TFAAS_OK)
        return;
    struct writer w = writer_of(out, sizeof(out));
    ohttp_put_key_config(&w, &config);
    check(!w.failed && w.at <= data.size);
    check(ohttp_read_key_config((struct span){out, w.at}, &again, &why) == TFAAS_OK);
    check(memcmp(&config, &again, sizeof(config)) == 0);
}

static void key_list(struct span data)
{
    struct ohttp_key_config configs[3];
    size_t count = 99;
    const char *why = NULL;
    tfaas_status_t status = ohttp_read_key_list(data, configs, 3, &count, &why);
    check(count <= 3 && (status == TFAAS_OK ? count > 0 : why != NULL));
}

static void request(struct span data)
{
    struct ohttp_exchange x;
    static uint8_t out[1 << 16];
    size_t size = 99;
    const char *why = NULL;
    tfaas_status_t status = ohttp_decapsulate_request(&x, data, &ohttp_labels_standard, find, NULL,
                                                      out, sizeof(out), &size, &why);
    check(status != TFAAS_OK && why != NULL && size == 0);
}

static void response(struct span data)
{
    static uint8_t out[1 << 16];
    size_t size = 99;
    const char *why = NULL;
    tfaas_status_t status =
        ohttp_decapsulate_response(&client, data, out, sizeof(out), &size, &why);
    check(status != TFAAS_OK && why != NULL && size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct span) = {key_config, key_list, request, response};
    start();
    if (size < 1)
        return 0;
    targets[data[0] % 4]((struct span){data + 1, size - 1});
    return 0;
}
