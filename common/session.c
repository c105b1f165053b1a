/*
 * session.c - keys, chunks and replay window of sessions (common/session.h).
 * Must never let one pair of key and nonce seal two messages: the nonce of the head is in the key.
 */
#include "session.h"
#include <sodium.h>

#define LABEL_REQUEST  "tfaas session request"
#define LABEL_RESPONSE "tfaas session response"
#define INFO_MAX       (sizeof(LABEL_RESPONSE) + SESSION_REQUEST_HEAD + SESSION_NONCE_SIZE)

/* One block of HKDF-Expand is the whole key: it cannot fail. */
static void expand(const uint8_t secret[SESSION_SECRET_SIZE], const struct writer *info,
                   uint8_t key[32])
{
    if (hkdf_expand(key, 32, secret, (struct span){info->data, info->at}) != TFAAS_OK)
        sodium_misuse();
}

void session_request_key(const uint8_t secret[SESSION_SECRET_SIZE],
                         const uint8_t head[SESSION_REQUEST_HEAD], uint8_t key[32])
{
    uint8_t bytes[INFO_MAX];
    struct writer info = writer_of(bytes, sizeof(bytes));
    writer_put(&info, LABEL_REQUEST, sizeof(LABEL_REQUEST) - 1);
    writer_put(&info, head, SESSION_REQUEST_HEAD);
    expand(secret, &info, key);
}

void session_response_key(const uint8_t secret[SESSION_SECRET_SIZE],
                          const uint8_t head[SESSION_REQUEST_HEAD],
                          const uint8_t nonce[SESSION_NONCE_SIZE], uint8_t key[32])
{
    uint8_t bytes[INFO_MAX];
    struct writer info = writer_of(bytes, sizeof(bytes));
    writer_put(&info, LABEL_RESPONSE, sizeof(LABEL_RESPONSE) - 1);
    writer_put(&info, head, SESSION_REQUEST_HEAD);
    writer_put(&info, nonce, SESSION_NONCE_SIZE);
    expand(secret, &info, key);
}

/* The response side of chunked OHTTP, whose nonce is a base (here zeros) and a counter. */
static void keyed(struct ohttp_chunks *c, uint16_t aead, const uint8_t key[32])
{
    *c = (struct ohttp_chunks){.is_response = true, .key = {.aead = aead}};
    memcpy(c->key.key, key, 32);
}

void session_await(struct ohttp_chunks *c, uint16_t aead, const uint8_t key[32], uint8_t *buffer)
{
    keyed(c, aead, key);
    c->state = OHTTP_CHUNKS_LENGTH;
    c->wanted = 1;
    c->buffer = buffer;
}

void session_begin(struct ohttp_chunks *c, uint16_t aead, const uint8_t key[32])
{
    keyed(c, aead, key);
    c->state = OHTTP_CHUNKS_BODY;
}

/* Bit n of the ring stands for every sequence that is n modulo the window: those between the old
 * and the new highest one are cleared when it moves. */
bool session_window_accept(struct session_window *window, uint64_t sequence)
{
    if (sequence == 0)
        return false;
    if (sequence > window->highest) {
        uint64_t steps = sequence - window->highest;
        if (steps >= SESSION_WINDOW)
            memset(window->seen, 0, sizeof(window->seen));
        for (uint64_t n = window->highest + 1; steps < SESSION_WINDOW && n < sequence; n++)
            window->seen[n % SESSION_WINDOW / 64] &= ~(1ull << n % 64);
        window->highest = sequence;
    } else if (window->highest - sequence >= SESSION_WINDOW ||
               (window->seen[sequence % SESSION_WINDOW / 64] >> sequence % 64 & 1)) {
        return false;
    }
    window->seen[sequence % SESSION_WINDOW / 64] |= 1ull << sequence % 64;
    return true;
}
