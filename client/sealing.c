/*
 * sealing.c - seals one inner request, whole, in chunks, or in a session, as bytes for the wire.
 * Must never use a session's sequence number twice.
 */
#include "internal.h"
#include <sodium.h>
#include <stdlib.h>

const char *sealing_request_type(enum tfaas_form form)
{
    return form == TFAAS_FORM_WHOLE     ? OHTTP_REQUEST_MEDIA_TYPE
           : form == TFAAS_FORM_CHUNKED ? OHTTP_CHUNKED_REQUEST_MEDIA_TYPE
                                        : SESSION_REQUEST_MEDIA_TYPE;
}

const char *sealing_response_type(enum tfaas_form form)
{
    return form == TFAAS_FORM_WHOLE     ? OHTTP_RESPONSE_MEDIA_TYPE
           : form == TFAAS_FORM_CHUNKED ? OHTTP_CHUNKED_RESPONSE_MEDIA_TYPE
                                        : SESSION_RESPONSE_MEDIA_TYPE;
}

/* --- whole --- */

client_error_t sealing_whole(struct sealing *s, const struct attested_lease *lease,
                             const struct message *message, struct tfaas_bytes body, uint8_t **out,
                             size_t *out_size, struct tfaas_failure *failure)
{
    uint16_t aead;
    size_t size = message->known.size + body.size + 16;
    s->form = TFAAS_FORM_WHOLE;
    if (size + OHTTP_REQUEST_OVERHEAD > CLIENT_WHOLE_MAX)
        return client_fail(failure, TFAAS_CLIENT_REQUEST_TOO_LARGE, "request: more than 1 MiB");
    uint8_t *plain = malloc(size), *sealed = malloc(size + OHTTP_REQUEST_OVERHEAD);
    struct writer w = writer_of(plain, plain ? size : 0);
    writer_put(&w, message->known.data, message->known.size);
    bhttp_put_part(&w, (struct span){body.data, body.size});
    writer_varint(&w, 0); /* no trailers */
    client_error_t error = TFAAS_CLIENT_OK;
    if (!plain || !sealed || w.failed)
        error = client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "request");
    else if (ohttp_choose_aead(&lease->config, &aead) != TFAAS_OK ||
             ohttp_encapsulate_request(&s->exchange, &lease->config, aead, &ohttp_labels_standard,
                                       (struct span){plain, w.at}, sealed,
                                       size + OHTTP_REQUEST_OVERHEAD, out_size) != TFAAS_OK)
        error = client_fail(failure, TFAAS_CLIENT_LEASE_FORM, "lease: its key cannot be used");
    if (plain)
        sodium_memzero(plain, size);
    free(plain);
    if (error) {
        free(sealed);
        sealed = NULL;
    }
    *out = sealed;
    return error;
}

/* --- chunks: a head, then chunks of a message of indeterminate length --- */

client_error_t sealing_chunked(struct sealing *s, const struct attested_lease *lease,
                               struct tfaas_failure *failure)
{
    uint16_t aead;
    s->form = TFAAS_FORM_CHUNKED;
    struct writer head = writer_of(s->piece, sizeof(s->piece));
    if (ohttp_choose_aead(&lease->config, &aead) != TFAAS_OK ||
        ohttp_chunks_begin_request(&s->out, &s->exchange, &lease->config, aead,
                                   &ohttp_labels_chunked, &head) != TFAAS_OK)
        return client_fail(failure, TFAAS_CLIENT_LEASE_FORM, "lease: its key cannot be used");
    s->piece_size = head.at;
    return TFAAS_CLIENT_OK;
}

void sealing_session(struct sealing *s, struct client_session *session)
{
    uint8_t key[32];
    s->form = TFAAS_FORM_SESSION;
    s->session = *session;
    session->sequence++;
    memcpy(s->session_head, session->id, SESSION_ID_SIZE);
    for (unsigned i = 0; i < 8; i++)
        s->session_head[SESSION_ID_SIZE + i] = (uint8_t)(session->sequence >> (56 - 8 * i));
    randombytes_buf(s->session_head + SESSION_ID_SIZE + 8, SESSION_NONCE_SIZE);
    session_request_key(session->secret, s->session_head, key);
    session_begin(&s->out, session->aead, key);
    sodium_memzero(key, sizeof(key));
    memcpy(s->piece, s->session_head, SESSION_REQUEST_HEAD);
    s->piece_size = SESSION_REQUEST_HEAD;
}

void sealing_source(struct sealing *s, const struct message *message,
                    const struct tfaas_request *request, crypto_hash_sha256_state *hash)
{
    s->head = message->stream;
    s->body = request->body;
    s->read = request->read;
    s->read_user = request->read_user;
    s->hash = hash;
}

/* Up to `capacity` bytes of content; 0: the end; -1: stop. */
static int64_t take_content(struct sealing *s, uint8_t *to, size_t capacity)
{
    if (s->read) {
        int64_t got = s->read(s->read_user, to, capacity);
        return got > (int64_t)capacity ? -1 : got;
    }
    size_t size = s->body.size < capacity ? s->body.size : capacity;
    if (size)
        memcpy(to, s->body.data, size);
    s->body.data += size;
    s->body.size -= size;
    return (int64_t)size;
}

/* Seals the next chunk into `piece`, behind what is there. */
static bool seal_piece(struct sealing *s)
{
    uint8_t plain[OHTTP_CHUNK_MAX], content[OHTTP_CHUNK_MAX];
    struct writer w = writer_of(plain, sizeof(plain));
    size_t part = s->head.size < sizeof(plain) ? s->head.size : sizeof(plain);
    bool final = false;
    writer_put(&w, s->head.data, part);
    s->head.data += part;
    s->head.size -= part;
    if (s->head.size == 0 && sizeof(plain) - w.at > 64) {
        int64_t got = take_content(s, content, sizeof(plain) - w.at - 16);
        if (got < 0)
            return false;
        bhttp_put_chunk(&w, (struct span){content, (size_t)got});
        if (s->hash && got)
            crypto_hash_sha256_update(s->hash, content, (size_t)got);
        final = got == 0 || (!s->read && s->body.size == 0);
        if (final) {
            bhttp_put_end(&w); /* of the content */
            bhttp_put_end(&w); /* of no trailers */
        }
    }
    struct writer out = writer_of(s->piece, sizeof(s->piece));
    out.at = s->piece_size;
    bool good = !w.failed &&
                ohttp_chunks_seal(&s->out, (struct span){plain, w.at}, final, &out) == TFAAS_OK;
    sodium_memzero(plain, sizeof(plain));
    sodium_memzero(content, sizeof(content));
    s->piece_size = out.at;
    s->finished = final;
    return good;
}

int64_t sealing_read(void *user, void *to, size_t capacity)
{
    struct sealing *s = user;
    if (s->piece_at == s->piece_size || !s->begun) {
        if (s->begun) /* all of it went out; before: the first chunk goes behind the head */
            s->piece_at = s->piece_size = 0;
        s->begun = true;
        if (!s->finished && !seal_piece(s)) {
            s->stopped = true;
            return -1;
        }
    }
    size_t left = s->piece_size - s->piece_at, size = left < capacity ? left : capacity;
    memcpy(to, s->piece + s->piece_at, size);
    s->piece_at += size;
    return (int64_t)size;
}

client_error_t sealing_drain(struct sealing *s, uint8_t **out, size_t *out_size,
                             struct tfaas_failure *failure)
{
    /* A chunk of 16 KiB grows by its length, its tag and the content's own length. */
    size_t plain = s->head.size + s->body.size;
    size_t capacity = s->piece_size + plain + (plain / 16000 + 2) * (OHTTP_CHUNK_OVERHEAD + 16);
    *out = malloc(capacity);
    *out_size = 0;
    if (!*out)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "request");
    for (int64_t got = 1; got > 0; *out_size += (size_t)got) {
        got = sealing_read(s, *out + *out_size, capacity - *out_size);
        if (got < 0) {
            free(*out);
            *out = NULL;
            return client_fail(failure, TFAAS_CLIENT_STOPPED, "request");
        }
    }
    return TFAAS_CLIENT_OK;
}

void sealing_wipe(struct sealing *s)
{
    ohttp_chunks_wipe(&s->out);
    ohttp_wipe(&s->exchange);
    sodium_memzero(s, sizeof(*s));
}
