/*
 * ohttp.c - Oblivious HTTP messages and key configurations (common/ohttp.h, RFC 9458).
 * Must never use a length from the wire before it is checked.
 */
#include "ohttp.h"
#include <sodium.h>

const struct ohttp_labels ohttp_labels_standard = {.request = "message/bhttp request",
                                                   .response = "message/bhttp response"};
const struct ohttp_labels ohttp_labels_chunked = {.request = "message/bhttp chunked request",
                                                  .response = "message/bhttp chunked response"};

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

static tfaas_status_t unsupported(const char **why, const char *text)
{
    *why = text;
    return TFAAS_UNSUPPORTED;
}

/* --- key configurations --- */

static uint16_t take_u16(struct cursor *c)
{
    uint16_t high = cursor_u8(c);
    return (uint16_t)(high << 8 | cursor_u8(c));
}

static void put_u16(struct writer *w, size_t value)
{
    writer_u8(w, (uint8_t)(value >> 8));
    writer_u8(w, (uint8_t)value);
}

void ohttp_put_key_config(struct writer *w, const struct ohttp_key_config *config)
{
    writer_u8(w, config->id);
    put_u16(w, HPKE_KEM_X25519_HKDF_SHA256);
    writer_put(w, config->public_key, sizeof(config->public_key));
    put_u16(w, config->aead_count * 4);
    for (size_t i = 0; i < config->aead_count && i < OHTTP_SUITES_MAX; i++) {
        put_u16(w, HPKE_KDF_HKDF_SHA256);
        put_u16(w, config->aeads[i]);
    }
}

void ohttp_put_key_list_entry(struct writer *w, const struct ohttp_key_config *config)
{
    put_u16(w, 1 + 2 + HPKE_PUBLIC_SIZE + 2 + config->aead_count * 4);
    ohttp_put_key_config(w, config);
}

tfaas_status_t ohttp_read_key_config(struct span data, struct ohttp_key_config *config,
                                     const char **why)
{
    *config = (struct ohttp_key_config){.aead_count = 0};
    struct cursor c = cursor_of(data.data, data.size);
    config->id = cursor_u8(&c);
    uint16_t kem = take_u16(&c);
    if (c.failed)
        return refuse(why, "key configuration: too short");
    if (kem != HPKE_KEM_X25519_HKDF_SHA256)
        return unsupported(why, "key configuration: the KEM is not X25519 with HKDF-SHA256");
    struct span key = cursor_take(&c, HPKE_PUBLIC_SIZE);
    size_t suites_size = take_u16(&c);
    if (c.failed || suites_size != cursor_left(&c))
        return refuse(why, "key configuration: the suites do not end where it ends");
    if (suites_size < 4 || suites_size % 4 != 0)
        return refuse(why, "key configuration: the suites are not a row of four-byte pairs");
    memcpy(config->public_key, key.data, HPKE_PUBLIC_SIZE);
    while (cursor_left(&c) > 0) {
        uint16_t kdf = take_u16(&c), aead = take_u16(&c);
        if (kdf == HPKE_KDF_HKDF_SHA256 && config->aead_count < OHTTP_SUITES_MAX)
            config->aeads[config->aead_count++] = aead;
    }
    if (config->aead_count == 0)
        return unsupported(why, "key configuration: no suite with HKDF-SHA256");
    return TFAAS_OK;
}

tfaas_status_t ohttp_read_key_list(struct span data, struct ohttp_key_config *configs,
                                   size_t capacity, size_t *count, const char **why)
{
    *count = 0;
    if (data.size > OHTTP_KEY_LIST_MAX) {
        *why = "key list: larger than 4 KiB";
        return TFAAS_TOO_LARGE;
    }
    struct cursor c = cursor_of(data.data, data.size);
    while (cursor_left(&c) > 0) {
        struct ohttp_key_config config;
        struct span entry = cursor_take(&c, take_u16(&c));
        if (c.failed)
            return refuse(why, "key list: an entry runs past the end");
        tfaas_status_t status = ohttp_read_key_config(entry, &config, why);
        if (status == TFAAS_OK && *count < capacity)
            configs[(*count)++] = config;
        else if (status != TFAAS_OK && status != TFAAS_UNSUPPORTED)
            return status;
    }
    if (c.failed)
        return refuse(why, "key list: an entry runs past the end");
    return *count ? TFAAS_OK : unsupported(why, "key list: no key configuration that can be used");
}

tfaas_status_t ohttp_choose_aead(const struct ohttp_key_config *config, uint16_t *aead)
{
    for (size_t i = 0; i < config->aead_count && i < OHTTP_SUITES_MAX; i++)
        if (aead_available(config->aeads[i])) {
            *aead = config->aeads[i];
            return TFAAS_OK;
        }
    return TFAAS_UNSUPPORTED;
}

/* --- exchanges --- */

void ohttp_wipe(struct ohttp_exchange *x)
{
    sodium_memzero(x, sizeof(*x));
}

/* False when it does not fit: labels are constants and `extra` is a hash or two. */
static bool info_of(struct writer *info, const struct ohttp_labels *labels, struct span header)
{
    writer_put(info, labels->request, strlen(labels->request));
    writer_u8(info, 0);
    writer_put(info, header.data, header.size);
    writer_put(info, labels->extra.data, labels->extra.size);
    return !info->failed;
}

tfaas_status_t ohttp_begin_request_with(struct ohttp_exchange *x,
                                        const struct ohttp_key_config *config, uint16_t aead,
                                        const struct ohttp_labels *labels,
                                        const struct hpke_key_pair *ephemeral, struct writer *out)
{
    uint8_t header[OHTTP_HEADER_SIZE], info_bytes[OHTTP_INFO_MAX];
    *x = (struct ohttp_exchange){.labels = labels, .key_id = config->id};
    struct writer head = writer_of(header, sizeof(header));
    struct writer info = writer_of(info_bytes, sizeof(info_bytes));
    writer_u8(&head, config->id);
    put_u16(&head, HPKE_KEM_X25519_HKDF_SHA256);
    put_u16(&head, HPKE_KDF_HKDF_SHA256);
    put_u16(&head, aead);
    if (!info_of(&info, labels, (struct span){header, sizeof(header)}))
        return TFAAS_TOO_LARGE;
    memcpy(x->enc, ephemeral->public_key, HPKE_ENC_SIZE);
    tfaas_status_t status = hpke_setup_sender_with(
        &x->hpke, aead, config->public_key, (struct span){info_bytes, info.at}, NULL, ephemeral);
    if (status != TFAAS_OK)
        return status;
    writer_put(out, header, sizeof(header));
    writer_put(out, x->enc, HPKE_ENC_SIZE);
    if (!out->failed)
        return TFAAS_OK;
    ohttp_wipe(x);
    return TFAAS_TOO_LARGE;
}

tfaas_status_t ohttp_begin_request(struct ohttp_exchange *x, const struct ohttp_key_config *config,
                                   uint16_t aead, const struct ohttp_labels *labels,
                                   struct writer *out)
{
    struct hpke_key_pair ephemeral;
    if (!aead_available(aead))
        return TFAAS_UNSUPPORTED;
    hpke_generate_key_pair(&ephemeral);
    tfaas_status_t status = ohttp_begin_request_with(x, config, aead, labels, &ephemeral, out);
    sodium_memzero(&ephemeral, sizeof(ephemeral));
    return status;
}

tfaas_status_t ohttp_seal_request(struct ohttp_exchange *x, struct span request, struct writer *out)
{
    size_t size = 0;
    if (out->failed || out->at > out->capacity)
        return TFAAS_TOO_LARGE;
    tfaas_status_t status = hpke_seal(&x->hpke, (struct span){NULL, 0}, request,
                                      out->data + out->at, out->capacity - out->at, &size);
    out->at += size;
    return status;
}

tfaas_status_t ohttp_encapsulate_request(struct ohttp_exchange *x,
                                         const struct ohttp_key_config *config, uint16_t aead,
                                         const struct ohttp_labels *labels, struct span request,
                                         uint8_t *out, size_t capacity, size_t *out_size)
{
    struct writer w = writer_of(out, capacity);
    *out_size = 0;
    tfaas_status_t status = ohttp_begin_request(x, config, aead, labels, &w);
    if (status == TFAAS_OK)
        status = ohttp_seal_request(x, request, &w);
    if (status == TFAAS_OK)
        *out_size = w.at;
    return status;
}

tfaas_status_t ohttp_read_request(struct span message, struct ohttp_request *request,
                                  const char **why)
{
    struct cursor c = cursor_of(message.data, message.size);
    request->header = cursor_take(&c, OHTTP_HEADER_SIZE);
    request->enc = cursor_take(&c, HPKE_ENC_SIZE);
    request->sealed = cursor_take(&c, cursor_left(&c));
    if (c.failed || request->sealed.size < AEAD_TAG_SIZE)
        return refuse(why, "encapsulated request: too short");
    struct cursor h = cursor_of(request->header.data, request->header.size);
    request->key_id = cursor_u8(&h);
    request->kem = take_u16(&h);
    request->kdf = take_u16(&h);
    request->aead = take_u16(&h);
    return TFAAS_OK;
}

tfaas_status_t ohttp_accept_request(struct ohttp_exchange *x, struct span header, struct span enc,
                                    const struct ohttp_labels *labels, ohttp_find_key *find,
                                    void *user, const char **why)
{
    struct cursor c = cursor_of(header.data, header.size);
    *x = (struct ohttp_exchange){.labels = labels, .key_id = cursor_u8(&c)};
    uint16_t kem = take_u16(&c), kdf = take_u16(&c), aead = take_u16(&c);
    if (c.failed || cursor_left(&c) > 0 || enc.size != HPKE_ENC_SIZE)
        return refuse(why, "encapsulated request: the header has a wrong size");
    if (kem != HPKE_KEM_X25519_HKDF_SHA256 || kdf != HPKE_KDF_HKDF_SHA256 || !aead_available(aead))
        return unsupported(why, "encapsulated request: a KEM, KDF or AEAD that is not offered");
    const struct hpke_key_pair *pair = find(user, x->key_id, aead);
    if (pair == NULL) {
        *why = "encapsulated request: no such key";
        return TFAAS_NOT_FOUND;
    }
    uint8_t info_bytes[OHTTP_INFO_MAX];
    struct writer info = writer_of(info_bytes, sizeof(info_bytes));
    if (!info_of(&info, labels, header)) {
        *why = "encapsulated request: what it is bound to is too long";
        return TFAAS_TOO_LARGE;
    }
    memcpy(x->enc, enc.data, HPKE_ENC_SIZE);
    tfaas_status_t status =
        hpke_setup_receiver(&x->hpke, aead, pair, x->enc, (struct span){info_bytes, info.at}, NULL);
    if (status != TFAAS_OK)
        *why = "encapsulated request: the public key is of low order";
    return status;
}

tfaas_status_t ohttp_decapsulate_request(struct ohttp_exchange *x, struct span message,
                                         const struct ohttp_labels *labels, ohttp_find_key *find,
                                         void *user, uint8_t *out, size_t capacity,
                                         size_t *out_size, const char **why)
{
    struct ohttp_request request;
    *out_size = 0;
    *x = (struct ohttp_exchange){.labels = labels};
    tfaas_status_t status = ohttp_read_request(message, &request, why);
    if (status == TFAAS_OK)
        status = ohttp_accept_request(x, request.header, request.enc, labels, find, user, why);
    if (status != TFAAS_OK)
        return status;
    status = hpke_open(&x->hpke, (struct span){NULL, 0}, request.sealed, out, capacity, out_size);
    if (status != TFAAS_OK) {
        *why = "encapsulated request: it does not open";
        ohttp_wipe(x);
    }
    return status;
}

/* --- responses --- */

size_t ohttp_nonce_size(uint16_t aead)
{
    size_t key_size = aead_key_size(aead);
    return key_size > AEAD_NONCE_SIZE ? key_size : AEAD_NONCE_SIZE;
}

tfaas_status_t ohttp_derive_response_key(const struct ohttp_exchange *x, const uint8_t *nonce,
                                         struct ohttp_response_key *key)
{
    uint8_t secret[OHTTP_NONCE_MAX], prk[HKDF_HASH_SIZE], salt[HPKE_ENC_SIZE + OHTTP_NONCE_MAX];
    size_t size = ohttp_nonce_size(x->hpke.aead);
    const char *label = x->labels->response;
    *key = (struct ohttp_response_key){.aead = x->hpke.aead};
    tfaas_status_t status =
        hpke_export(&x->hpke, (struct span){(const uint8_t *)label, strlen(label)}, secret, size);
    if (status != TFAAS_OK)
        return status;
    memcpy(salt, x->enc, HPKE_ENC_SIZE);
    memcpy(salt + HPKE_ENC_SIZE, nonce, size);
    hkdf_extract(prk, (struct span){salt, HPKE_ENC_SIZE + size}, (struct span){secret, size});
    status = hkdf_expand(key->key, aead_key_size(key->aead), prk,
                         (struct span){(const uint8_t *)"key", 3});
    if (status == TFAAS_OK)
        status = hkdf_expand(key->nonce, AEAD_NONCE_SIZE, prk,
                             (struct span){(const uint8_t *)"nonce", 5});
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(prk, sizeof(prk));
    return status;
}

tfaas_status_t ohttp_encapsulate_response_with(const struct ohttp_exchange *x, const uint8_t *nonce,
                                               struct span response, uint8_t *out, size_t capacity,
                                               size_t *out_size)
{
    struct ohttp_response_key key;
    size_t nonce_size = ohttp_nonce_size(x->hpke.aead), sealed_size = 0;
    *out_size = 0;
    if (capacity < nonce_size)
        return TFAAS_TOO_LARGE;
    tfaas_status_t status = ohttp_derive_response_key(x, nonce, &key);
    if (status == TFAAS_OK)
        status = aead_seal(key.aead, key.key, key.nonce, (struct span){NULL, 0}, response,
                           out + nonce_size, capacity - nonce_size, &sealed_size);
    sodium_memzero(&key, sizeof(key));
    if (status != TFAAS_OK)
        return status;
    memcpy(out, nonce, nonce_size);
    *out_size = nonce_size + sealed_size;
    return TFAAS_OK;
}

tfaas_status_t ohttp_encapsulate_response(const struct ohttp_exchange *x, struct span response,
                                          uint8_t *out, size_t capacity, size_t *out_size)
{
    uint8_t nonce[OHTTP_NONCE_MAX];
    randombytes_buf(nonce, sizeof(nonce));
    return ohttp_encapsulate_response_with(x, nonce, response, out, capacity, out_size);
}

tfaas_status_t ohttp_decapsulate_response(const struct ohttp_exchange *x, struct span response,
                                          uint8_t *out, size_t capacity, size_t *out_size,
                                          const char **why)
{
    struct ohttp_response_key key;
    *out_size = 0;
    struct cursor c = cursor_of(response.data, response.size);
    struct span nonce = cursor_take(&c, ohttp_nonce_size(x->hpke.aead));
    struct span sealed = cursor_take(&c, cursor_left(&c));
    if (c.failed || sealed.size < AEAD_TAG_SIZE)
        return refuse(why, "encapsulated response: too short");
    tfaas_status_t status = ohttp_derive_response_key(x, nonce.data, &key);
    if (status == TFAAS_OK)
        status = aead_open(key.aead, key.key, key.nonce, (struct span){NULL, 0}, sealed, out,
                           capacity, out_size);
    sodium_memzero(&key, sizeof(key));
    if (status != TFAAS_OK)
        *why = "encapsulated response: it does not open";
    return status;
}
