/*
 * ohttp_chunked.h - chunked Oblivious HTTP (draft-ietf-ohai-chunked-ohttp-08), streaming, both
 * sides and both directions. After the head every chunk is: QUIC varint length, sealed chunk; the
 * last has length 0, runs to the end of the message and is sealed with the AAD "final". The end of
 * the outer message comes from the protocol that carries it; a message without a final chunk that
 * opens is truncated and never reported as complete.
 */
#ifndef TFAAS_COMMON_OHTTP_CHUNKED_H
#define TFAAS_COMMON_OHTTP_CHUNKED_H

#include "ohttp.h"

#define OHTTP_CHUNKED_REQUEST_MEDIA_TYPE  "message/ohttp-chunked-req"
#define OHTTP_CHUNKED_RESPONSE_MEDIA_TYPE "message/ohttp-chunked-res"

/* Plaintext bytes of one chunk, written or accepted: what every receiver must take (section 3). */
#define OHTTP_CHUNK_MAX      16384u
#define OHTTP_CHUNK_OVERHEAD (4u + AEAD_TAG_SIZE) /* length and tag, at most */
/* Bytes a message of either direction begins with, at most. */
#define OHTTP_CHUNKED_HEAD_MAX (OHTTP_HEADER_SIZE + HPKE_ENC_SIZE)
/* What a receiver's buffer must hold. */
#define OHTTP_CHUNK_BUFFER_SIZE (OHTTP_CHUNK_MAX + AEAD_TAG_SIZE)

enum ohttp_chunk_event {
    OHTTP_CHUNK_MORE,  /* `in` is used up */
    OHTTP_CHUNK_DATA,  /* a chunk opened; more follow */
    OHTTP_CHUNK_FINAL, /* the final chunk opened (it may be empty): the message is whole */
};

/* One direction of an exchange, sealing or opening. Holds secrets: ohttp_chunks_wipe() it. */
struct ohttp_chunks {
    struct ohttp_exchange *exchange; /* the caller's; outlives this */
    struct ohttp_response_key key;   /* response only */
    uint64_t counter;                /* response only: chunks so far */
    enum {
        OHTTP_CHUNKS_HEAD,
        OHTTP_CHUNKS_LENGTH,
        OHTTP_CHUNKS_BODY,
        OHTTP_CHUNKS_LAST,
        OHTTP_CHUNKS_DONE,
        OHTTP_CHUNKS_FAILED
    } state;
    bool is_response;
    /* receivers */
    const struct ohttp_labels *labels;
    ohttp_find_key *find;
    void *user;
    uint8_t *buffer;
    size_t wanted, held;
    uint8_t small[OHTTP_CHUNKED_HEAD_MAX]; /* header and enc, response nonce, or length */
};

/* Client: writes the head (OHTTP_CHUNKED_HEAD_MAX bytes); then ohttp_chunks_seal(). */
tfaas_status_t ohttp_chunks_begin_request(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                          const struct ohttp_key_config *config, uint16_t aead,
                                          const struct ohttp_labels *labels,
                                          struct writer *out) TFAAS_MUST_USE;
/* Server: writes the response nonce; then ohttp_chunks_seal(). Once for each exchange. */
tfaas_status_t ohttp_chunks_begin_response(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                           struct writer *out) TFAAS_MUST_USE;
/* The same two with a given ephemeral pair or nonce: for test vectors only. */
tfaas_status_t ohttp_chunks_begin_request_with(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                               const struct ohttp_key_config *config, uint16_t aead,
                                               const struct ohttp_labels *labels,
                                               const struct hpke_key_pair *ephemeral,
                                               struct writer *out) TFAAS_MUST_USE;
tfaas_status_t ohttp_chunks_begin_response_with(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                                const uint8_t *nonce,
                                                struct writer *out) TFAAS_MUST_USE;

/* Appends one chunk: plain.size + OHTTP_CHUNK_OVERHEAD bytes at most. TOO_LARGE: more than
 * OHTTP_CHUNK_MAX, or it does not fit `out` (nothing is sealed then). BAD_REQUEST: empty and not
 * final, or after the final one. */
tfaas_status_t ohttp_chunks_seal(struct ohttp_chunks *c, struct span plain, bool final,
                                 struct writer *out) TFAAS_MUST_USE;

/* Server: the exchange is set up while the head arrives. `buffer` has OHTTP_CHUNK_BUFFER_SIZE
 * bytes; it and all pointers live as long as *c. */
void ohttp_chunks_await_request(struct ohttp_chunks *c, struct ohttp_exchange *x,
                                const struct ohttp_labels *labels, ohttp_find_key *find, void *user,
                                uint8_t *buffer);
/* Client: for the exchange whose request was sent. */
void ohttp_chunks_await_response(struct ohttp_chunks *c, struct ohttp_exchange *x, uint8_t *buffer);
/* Takes bytes from `in` until a chunk opened or none are left; call again until MORE or FINAL.
 * `last`: no byte follows those in `in`. *plain lies in the buffer until the next call.
 * BAD_REQUEST: framing, authentication, an empty chunk that is not final, or the message ends too
 * early (with `last`); TOO_LARGE: a chunk above OHTTP_CHUNK_MAX; NOT_FOUND and UNSUPPORTED as
 * ohttp_accept_request(). After a failure every later call fails; the exchange is the caller's to
 * wipe. */
tfaas_status_t ohttp_chunks_open(struct ohttp_chunks *c, struct cursor *in, bool last,
                                 enum ohttp_chunk_event *event, struct span *plain,
                                 const char **why) TFAAS_MUST_USE;
void ohttp_chunks_wipe(struct ohttp_chunks *c);

#endif
