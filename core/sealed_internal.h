/* sealed_internal.h - what the files of sealed calls share (sealed_call.h). */
#ifndef TFAAS_CORE_SEALED_INTERNAL_H
#define TFAAS_CORE_SEALED_INTERNAL_H

#include "base64url.h"
#include "bhttp_stream.h"
#include "identity.h"
#include "invoke.h"
#include "receipts.h"
#include "sealed_call.h"
#include "session.h"

#define PACKAGE_TEXT_SIZE (sizeof("sha256:") - 1 + 2 * PACKAGE_DIGEST_SIZE)
#define PROBLEM_MAX       1024u
#define TRAILER_ROOM      (RECEIPT_SIZE_MAX + 64u) /* what follows the content at most */
#define SEALED_PIECE_SIZE (OHTTP_NONCE_MAX + OHTTP_CHUNK_MAX + OHTTP_CHUNK_OVERHEAD)
#define FINISH_NS         1000000000ull /* after the deadline, to say so and to sign */

struct sealed_call {
    struct sealed_call *next; /* free ones */
    enum tfaas_sealing kind;
    bool opened;   /* something of the request has authenticated: failures are sealed */
    bool accepted; /* it will not be accepted again */
    bool refused; /* opened, but the answer is the host's to make: replayed, no room, misdirected */
    bool wants_receipt, wants_session;
    bool no_content; /* HEAD, or a status that has none */
    bool finished;   /* the final chunk was made */

    /* request */
    struct inbox wire;
    struct ohttp_exchange exchange;
    struct ohttp_chunks in, out;
    uint16_t aead;
    uint8_t key_id, key_public[32];
    bool any_key; /* of the look-up: there was a lease at all */
    uint8_t session_head[SESSION_REQUEST_HEAD];
    bool session_found;
    uint8_t nonce[OHTTP_NONCE_MAX]; /* of the response */
    size_t nonce_size;
    struct cursor plain; /* opened, not read yet */
    bool plain_last;     /* nothing comes behind it */
    bool head_seen;
    struct bhttp_reader reader;
    struct bhttp_head head; /* spans in head_bytes, until the request's trailers */
    bool demands_package;
    char wanted_package[PACKAGE_TEXT_SIZE]; /* zeros: no package has such a name */
    uint64_t date_s;
    crypto_hash_sha256_state req, res;
    const char *why; /* of a failure; constant text */

    /* response */
    uint64_t plain_sent; /* bytes the run wrote, for its limit */
    unsigned http_status;
    size_t pending_size; /* of `pending` */
    uint8_t *whole;      /* message/ohttp-res: room for the nonce, then the message; malloc'ed */
    size_t whole_size, whole_capacity;
    char session_field[BASE64URL_SIZE(SESSION_ID_SIZE) + 32];
    struct receipt_entry receipt;

    size_t opened_used, head_used, pending_used; /* bytes to wipe */
    /* From here on nothing is cleared for a new call. */
    uint8_t opened_bytes[OHTTP_CHUNK_BUFFER_SIZE];
    uint8_t pending[OHTTP_CHUNK_MAX]; /* plaintext of the next chunk */
    uint8_t piece[SEALED_PIECE_SIZE]; /* it, sealed */
    uint8_t head_bytes[BHTTP_HEAD_MAX];
};

/* --- sealed_open.c: from the wire to plaintext --- */
/* The next opened bytes into sealed->plain; waits for them. */
tfaas_status_t sealed_open_more(struct task *task) TFAAS_MUST_USE;

/* --- sealed_request.c --- */
/* The identity of the function's package, as fields name it. */
void sealed_package_text(const struct task *task, char to[PACKAGE_TEXT_SIZE + 1]);
/* Reads the request to its end, for its hash. */
tfaas_status_t sealed_drain(struct task *task) TFAAS_MUST_USE;

#endif
