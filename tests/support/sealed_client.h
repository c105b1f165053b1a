/*
 * sealed_client.h - a client of sealed calls, for tests and bench-core: encapsulates requests in
 * all forms, plays the host that carries them, and opens what comes back.
 */
#ifndef TFAAS_TESTS_SEALED_CLIENT_H
#define TFAAS_TESTS_SEALED_CLIENT_H

#include "core_child.h"
#include "session.h"
#include "tfaas/abi.h"

#define DATE_NONE UINT64_MAX

struct client_session {
    uint8_t id[SESSION_ID_SIZE], secret[SESSION_SECRET_SIZE];
    uint16_t aead;
    uint64_t sequence; /* of the last request */
};

struct client_call {
    /* what to send; zeros have defaults */
    enum tfaas_sealing form;
    const char *method, *path; /* GET or POST by the body; /function/test */
    const char *const *fields; /* name, value, ..., NULL */
    const void *body;
    size_t body_size;
    uint64_t date_s; /* 0: now; DATE_NONE: no such field */
    uint64_t told_s; /* what the host says the time is; 0: now */
    bool known_length, trailer, other_aead;
    size_t chunk_size; /* plaintext bytes per chunk; 0: as large as may be */
    size_t padding;
    /* made */
    uint8_t *sealed; /* malloc'ed */
    size_t sealed_size;
    uint16_t aead;
    struct ohttp_exchange exchange;
    struct ohttp_chunks chunks;
    struct client_session *session;
    uint8_t session_head[SESSION_REQUEST_HEAD];
    uint8_t req_hash[32];
};

struct client_reply {
    bool opened; /* whole and genuine */
    const char *why;
    size_t opened_size; /* content bytes that opened, also of a cut reply */
    uint8_t *plain;     /* malloc'ed: the Binary HTTP message */
    size_t plain_size;
    unsigned http_status;
    uint8_t *content;
    size_t content_size;
    char package[80], session[80], receipt[4096];
    char fields[4096]; /* "name: value\n", all of them */
    uint8_t res_hash[32];
};

uint64_t client_now_s(void);
/* Binary HTTP, then sealed. */
void client_seal(struct client_call *call, const struct ohttp_key_config *config);
/* With a session: its next sequence, unless `sequence` is not 0. */
void client_seal_session(struct client_call *call, struct client_session *session,
                         uint64_t sequence);
void client_open(struct client_call *call, const uint8_t *bytes, size_t size,
                 struct client_reply *reply);
/* What `tfaas-session` of a reply gave. False: there was none. */
bool client_session_of(struct client_call *call, const struct client_reply *reply,
                       struct client_session *session);
void client_free(struct client_call *call, struct client_reply *reply);

/* --- the host --- */

/* Everything that a core said in one call. */
struct client_answer {
    struct core_answer core;
    unsigned outcome;      /* arg5 of END */
    uint8_t end_text[256]; /* payload of an END that is no part of the response */
    size_t end_size;
    unsigned messages;       /* of the response */
    uint64_t most_in_flight; /* sealed response bytes beyond the credit: 0 */
};

/* If set, sees every slot and payload that the core sends. */
extern void (*client_tap)(const struct tfaas_slot *slot, const uint8_t *payload);
/* First bytes only, with LAST when they are all. Returns the id. */
uint32_t client_invoke(struct core_child *core, uint32_t function, const struct client_call *call,
                       size_t first, uint64_t deadline_ns, uint64_t realtime_ns);
/* The whole call, with credit both ways. False: the core is gone. */
bool client_run(struct core_child *core, uint32_t function, struct client_call *call,
                uint64_t deadline_ns, struct client_answer *answer);

#endif
