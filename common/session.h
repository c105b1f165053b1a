/*
 * session.h - symmetric requests after a first encapsulated one (SPECIFICATION.md section 14.5).
 *
 * The client of an encapsulated request that carried `tfaas-session: 1` gets the inner response
 * field `tfaas-session: ID;max-age=SECONDS`, ID = base64url of 16 bytes (the first is the key id of
 * the request). Secret = HPKE context's Export("tfaas session", 32).
 *
 *   request  (application/vnd.tfaas.session-req): id (16) || sequence (8, big-endian; a client
 *            never uses one twice) || nonce (16, random) || chunks
 *   response (application/vnd.tfaas.session-res): nonce (16, random) || chunks
 *   request key  = HKDF-Expand(secret, "tfaas session request" || id || sequence || nonce, Nk)
 *   response key = HKDF-Expand(secret, "tfaas session response" || id || sequence || request nonce
 *                  || response nonce, Nk)
 *   chunks: framed as in chunked OHTTP (varint length, 0 before the final one, which goes on to the
 *           end), sealed with the AEAD of the key configuration the session came from, nonce = the
 *           chunk's number as Nn bytes big-endian, aad empty, of the final chunk "final".
 * The plaintext is a Binary HTTP request or response.
 */
#ifndef TFAAS_COMMON_SESSION_H
#define TFAAS_COMMON_SESSION_H

#include "ohttp_chunked.h"

#define SESSION_REQUEST_MEDIA_TYPE  "application/vnd.tfaas.session-req"
#define SESSION_RESPONSE_MEDIA_TYPE "application/vnd.tfaas.session-res"

#define SESSION_ID_SIZE       16u
#define SESSION_NONCE_SIZE    16u
#define SESSION_SECRET_SIZE   32u
#define SESSION_EXPORT_LABEL  "tfaas session"
#define SESSION_REQUEST_HEAD  (SESSION_ID_SIZE + 8u + SESSION_NONCE_SIZE)
#define SESSION_RESPONSE_HEAD SESSION_NONCE_SIZE
#define SESSION_WINDOW        1024u /* sequences behind the highest one that are still told apart */

/* Both keys are 32 bytes (the AEADs used here have no other). */
void session_request_key(const uint8_t secret[SESSION_SECRET_SIZE],
                         const uint8_t head[SESSION_REQUEST_HEAD], uint8_t key[32]);
void session_response_key(const uint8_t secret[SESSION_SECRET_SIZE],
                          const uint8_t head[SESSION_REQUEST_HEAD],
                          const uint8_t nonce[SESSION_NONCE_SIZE], uint8_t key[32]);

/* The chunks after a head, with the coder of chunked OHTTP: then ohttp_chunks_open() with `buffer`
 * (OHTTP_CHUNK_BUFFER_SIZE bytes), or ohttp_chunks_seal(). Each direction has its own key. */
void session_await(struct ohttp_chunks *c, uint16_t aead, const uint8_t key[32], uint8_t *buffer);
void session_begin(struct ohttp_chunks *c, uint16_t aead, const uint8_t key[32]);

/* The replay window of one session (RFC 4303 3.4.3's way). False: seen, or too old to tell. The
 * caller has opened the request's first chunk before: only genuine sequences move the window. */
struct session_window {
    uint64_t highest; /* 0: none yet; sequences begin at 1 */
    uint64_t seen[SESSION_WINDOW / 64];
};
bool session_window_accept(struct session_window *window, uint64_t sequence);

#endif
