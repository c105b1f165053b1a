/*
 * ohttp_chunked.c - chunked Oblivious HTTP (common/ohttp_chunked.h).
 * Must never report a message as whole before its final chunk opened.
 */
#include "ohttp_chunked.h"
#include <sodium.h>

static const struct span no_aad = {NULL, 0};
static const struct span final_aad = {(const uint8_t *)"final", 5};

void ohttp_chunks_wipe(struct ohttp_chunks *c)
{
    sodium_memzero(c, sizeof(*c));
    c->state = OHTTP_CHUNKS_FAILED;
}

/* --- one chunk --- */

/* aead_nonce XOR encode(Nn, counter) */
static void chunk_nonce(const struct ohttp_chunks *c, uint8_t nonce[AEAD_NONCE_SIZE])
{
    memcpy(nonce, c->key.nonce, AEAD_NONCE_SIZE);
    for (unsigned i = 0; i < 8; i++)
        nonce[AEAD_NONCE_SIZE - 1 - i] ^= (uint8_t)(c->counter >> (8 * i));
}

static tfaas_status_t seal_chunk(struct ohttp_chunks *c, struct span aad, struct span plain,
                                 uint8_t *out, size_t capacity, size_t *size)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    if (!c->is_response)
        return hpke_seal(&c->exchange->hpke, aad, plain, out, capacity, size);
    if (c->counter == UINT64_MAX)
        return TFAAS_TOO_LARGE;
    chunk_nonce(c, nonce);
    tfaas_status_t status =
        aead_seal(c->key.aead, c->key.key, nonce, aad, plain, out, capacity, size);
    c->counter++;
    return status;
}

static tfaas_status_t open_chunk(struct ohttp_chunks *c, struct span aad, size_t *size)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    const struct span sealed = {c->buffer, c->held};
    if (!c->is_response)
        return hpke_open(&c->exchange->hpke, aad, sealed, c->buffer, OHTTP_CHUNK_MAX, size);
    if (c->counter == UINT64_MAX)
        return TFAAS_TOO_LARGE;
    chunk_nonce(c, nonce);
    c->counter++;
    return aead_open(c->key.aead, c->key.key, nonce, aad, sealed, c->buffer, OHTTP_CHUNK_MAX, size);
}

/* --- sealing --- */

static tfaas_status_t begun(struct ohttp_chunks *c, struct ohttp_exchange *x, bool is_response,
                            tfaas_status_t status)
{
    if (status != TFAAS_OK) {
        ohttp_chunks_wipe(c);
        return status;
    }
    c->exchange = x;
    c->is_response = is_response;
    c->state = OHTTP_CHUNKS_BODY;
    return TFAAS_OK;
}

tfaas_status_t ohttp_chunks_begin_request_with(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                               const struct ohttp_key_config *config, uint16_t aead,
                                               const struct ohttp_labels *labels,
                                               const struct hpke_key_pair *ephemeral,
                                               struct writer *out)
{
    *c = (struct ohttp_chunks){.counter = 0};
    return begun(c, x, false, ohttp_begin_request_with(x, config, aead, labels, ephemeral, out));
}

tfaas_status_t ohttp_chunks_begin_request(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                          const struct ohttp_key_config *config, uint16_t aead,
                                          const struct ohttp_labels *labels, struct writer *out)
{
    *c = (struct ohttp_chunks){.counter = 0};
    return begun(c, x, false, ohttp_begin_request(x, config, aead, labels, out));
}

tfaas_status_t ohttp_chunks_begin_response_with(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                                const uint8_t *nonce, struct writer *out)
{
    *c = (struct ohttp_chunks){.counter = 0};
    tfaas_status_t status = ohttp_derive_response_key(x, nonce, &c->key);
    if (status == TFAAS_OK)
        writer_put(out, nonce, ohttp_nonce_size(x->hpke.aead));
    if (status == TFAAS_OK && out->failed)
        status = TFAAS_TOO_LARGE;
    return begun(c, x, true, status);
}

tfaas_status_t ohttp_chunks_begin_response(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                           struct writer *out)
{
    uint8_t nonce[OHTTP_NONCE_MAX];
    randombytes_buf(nonce, sizeof(nonce));
    return ohttp_chunks_begin_response_with(c, x, nonce, out);
}

tfaas_status_t ohttp_chunks_seal(struct ohttp_chunks *c, struct span plain, bool final,
                                 struct writer *out)
{
    if (c->state != OHTTP_CHUNKS_BODY || (plain.size == 0 && !final))
        return TFAAS_BAD_REQUEST;
    size_t sealed_size = plain.size + AEAD_TAG_SIZE;
    if (plain.size > OHTTP_CHUNK_MAX || out->failed || out->at > out->capacity ||
        out->capacity - out->at < plain.size + OHTTP_CHUNK_OVERHEAD)
        return TFAAS_TOO_LARGE;
    writer_varint(out, final ? 0 : sealed_size);
    tfaas_status_t status = seal_chunk(c, final ? final_aad : no_aad, plain, out->data + out->at,
                                       out->capacity - out->at, &sealed_size);
    if (status != TFAAS_OK) {
        c->state = OHTTP_CHUNKS_FAILED;
        return status;
    }
    out->at += sealed_size;
    if (final)
        c->state = OHTTP_CHUNKS_DONE;
    return TFAAS_OK;
}

/* --- opening --- */

void ohttp_chunks_await_request(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                const struct ohttp_labels *labels, ohttp_find_key *find, void *user,
                                uint8_t *buffer)
{
    *c = (struct ohttp_chunks){.exchange = x,
                               .labels = labels,
                               .find = find,
                               .user = user,
                               .buffer = buffer,
                               .wanted = OHTTP_HEADER_SIZE + HPKE_ENC_SIZE};
}

void ohttp_chunks_await_response(struct ohttp_chunks *c, struct ohttp_exchange *x, uint8_t *buffer)
{
    *c = (struct ohttp_chunks){.exchange = x,
                               .is_response = true,
                               .buffer = buffer,
                               .wanted = ohttp_nonce_size(x->hpke.aead)};
}

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

/* Moves bytes into `to` until `wanted` are held. True when they are. */
static bool collect(struct ohttp_chunks *c, struct cursor *in, uint8_t *to)
{
    size_t missing = c->wanted - c->held, left = cursor_left(in);
    struct span part = cursor_take(in, missing < left ? missing : left);
    if (part.size)
        memcpy(to + c->held, part.data, part.size);
    c->held += part.size;
    return c->held == c->wanted;
}

static void expect(struct ohttp_chunks *c, unsigned state, size_t wanted)
{
    c->state = state;
    c->wanted = wanted;
    c->held = 0;
}

static tfaas_status_t read_head(struct ohttp_chunks *c, const char **why)
{
    tfaas_status_t status;
    if (c->is_response) {
        status = ohttp_derive_response_key(c->exchange, c->small, &c->key);
        *why = "chunked response: no key";
    } else {
        status = ohttp_accept_request(c->exchange, (struct span){c->small, OHTTP_HEADER_SIZE},
                                      (struct span){c->small + OHTTP_HEADER_SIZE, HPKE_ENC_SIZE},
                                      c->labels, c->find, c->user, why);
    }
    expect(c, OHTTP_CHUNKS_LENGTH, 1);
    return status;
}

static tfaas_status_t read_length(struct ohttp_chunks *c, const char **why)
{
    size_t size = (size_t)1 << (c->small[0] >> 6);
    if (c->held < size) {
        c->wanted = size;
        return TFAAS_OK;
    }
    struct cursor length = cursor_of(c->small, size);
    uint64_t sealed_size = cursor_varint(&length);
    if (sealed_size > OHTTP_CHUNK_BUFFER_SIZE) {
        *why = "chunk: larger than 16 KiB";
        return TFAAS_TOO_LARGE;
    }
    if (sealed_size == 0)
        expect(c, OHTTP_CHUNKS_LAST, OHTTP_CHUNK_BUFFER_SIZE);
    else if (sealed_size <= AEAD_TAG_SIZE)
        return refuse(why, "chunk: it is empty and not the final one");
    else
        expect(c, OHTTP_CHUNKS_BODY, (size_t)sealed_size);
    return TFAAS_OK;
}

static tfaas_status_t finish_chunk(struct ohttp_chunks *c, bool final,
                                   enum ohttp_chunk_event *event, struct span *plain,
                                   const char **why)
{
    size_t size = 0;
    tfaas_status_t status = open_chunk(c, final ? final_aad : no_aad, &size);
    if (status != TFAAS_OK) {
        *why = "chunk: it does not open";
        return status;
    }
    *plain = (struct span){c->buffer, size};
    *event = final ? OHTTP_CHUNK_FINAL : OHTTP_CHUNK_DATA;
    expect(c, final ? OHTTP_CHUNKS_DONE : OHTTP_CHUNKS_LENGTH, 1);
    return TFAAS_OK;
}

/* The final chunk runs to the end of the message. */
static tfaas_status_t read_last(struct ohttp_chunks *c, struct cursor *in, bool last,
                                enum ohttp_chunk_event *event, struct span *plain, const char **why)
{
    (void)collect(c, in, c->buffer);
    if (cursor_left(in) > 0) {
        *why = "chunk: larger than 16 KiB";
        return TFAAS_TOO_LARGE;
    }
    return last ? finish_chunk(c, true, event, plain, why) : TFAAS_OK;
}

static tfaas_status_t step(struct ohttp_chunks *c, struct cursor *in, bool last,
                           enum ohttp_chunk_event *event, struct span *plain, const char **why)
{
    switch (c->state) {
    case OHTTP_CHUNKS_HEAD:
        return collect(c, in, c->small) ? read_head(c, why) : TFAAS_OK;
    case OHTTP_CHUNKS_LENGTH:
        return collect(c, in, c->small) ? read_length(c, why) : TFAAS_OK;
    case OHTTP_CHUNKS_BODY:
        return collect(c, in, c->buffer) ? finish_chunk(c, false, event, plain, why) : TFAAS_OK;
    case OHTTP_CHUNKS_LAST:
        return read_last(c, in, last, event, plain, why);
    default:
        return refuse(why, "chunk: after the end, or after a failure");
    }
}

tfaas_status_t ohttp_chunks_open(struct ohttp_chunks *c, struct cursor *in, bool last,
                                 enum ohttp_chunk_event *event, struct span *plain,
                                 const char **why)
{
    tfaas_status_t status;
    *event = OHTTP_CHUNK_MORE;
    *plain = (struct span){NULL, 0};
    do
        status = step(c, in, last, event, plain, why);
    while (status == TFAAS_OK && *event == OHTTP_CHUNK_MORE &&
           (cursor_left(in) > 0 || (last && c->state == OHTTP_CHUNKS_LAST)));
    if (status == TFAAS_OK && *event == OHTTP_CHUNK_MORE && last)
        status = refuse(why, "chunked message: it ends before its final chunk");
    if (status != TFAAS_OK) {
        sodium_memzero(&c->key, sizeof(c->key));
        c->state = OHTTP_CHUNKS_FAILED;
    }
    return status;
}
