/*
 * keeper_state.c - what outlives a keeper: its domains' sealing keys, sealed to the platform (SAVE,
 * KEEPER_START), or handed to another keeper of the same measurement on the same platform
 * (HANDOVER). Its identity, leases and instances never leave it.
 *
 *   clear   the CBOR map { 1: "tfaas-keeper-state-v1", 2: [ domain's name (as bytes) || 0x00 ||
 *           sealing secret (32), ... ] }
 *   sealed  nonce (24, random) || XChaCha20-Poly1305(clear) under the seal key, associated data =
 *           "tfaas-keeper-state-v1"
 */
#include "keeper_internal.h"

#include "cbor.h"
#include "fields.h"
#include "tfaas/abi.h"

#include <sodium.h>
#include <stdlib.h>

#define STATE_LABEL "tfaas-keeper-state-v1"
#define STATE_MAX   (TFAAS_PAYLOAD_MAX - 1024u) /* fits an answer, with a report beside it */
#define NONCE_SIZE  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ITEM_MAX    (STATEMENT_DOMAIN_MAX + 1u + 32u)

_Static_assert(KEEPER_DOMAINS_MAX *(ITEM_MAX + 2u) + 64u <= STATE_MAX, "all domains fit a message");

static uint8_t seal_key[32];
static bool has_seal_key, has_started;
static struct hpke_key_pair asked; /* of the HANDOVER that was asked for */
static bool has_asked;
static uint8_t given[8][32]; /* KEM keys that were answered, newest over oldest */
static unsigned given_at;

/* --- the clear state --- */

static void put_state(struct writer *w)
{
    cbor_put_map(w, 2);
    cbor_put_uint(w, 1);
    cbor_put_text(w, STATE_LABEL, strlen(STATE_LABEL));
    cbor_put_uint(w, 2);
    cbor_put_array(w, keeper.domain_count);
    for (size_t i = 0; i < keeper.domain_count; i++) {
        const struct keeper_domain *domain = &keeper.domains[i];
        uint8_t item[ITEM_MAX];
        size_t name = strlen(domain->name) + 1;
        memcpy(item, domain->name, name);
        memcpy(item + name, domain->sealing.secret, 32);
        cbor_put_bytes(w, item, name + 32);
        sodium_memzero(item, sizeof item);
    }
}

static const struct field state_fields[] = {
    {.key = 1, .type = FIELD_LABEL, .label = STATE_LABEL, .name = "saved state: label"},
    {.key = 2,
     .type = FIELD_LIST,
     .least = 34,
     .most = ITEM_MAX,
     .items = KEEPER_DOMAINS_MAX,
     .name = "saved state: key 2 (domains) is missing or malformed"},
};

/* Adds the domains that this keeper does not have; those it has keep their keys. All or none. */
static tfaas_status_t take_state(struct span clear, const char **why)
{
    struct field_list list;
    tfaas_status_t status =
        fields_read(clear, state_fields, 2, "saved state: not a map of its keys", &list, why);
    if (status != TFAAS_OK)
        return status;
    struct field_list check = list;
    size_t fresh = 0;
    while (check.count > 0) {
        struct span item = fields_next(&check), name = {item.data, item.size - 33};
        if (item.data[name.size] != 0 || !cbor_text_ok(name))
            return keeper_refuse(why, TFAAS_BAD_REQUEST, "saved state: a domain is malformed");
        fresh += keeper_domain_find(name) == NULL;
    }
    if (fresh > KEEPER_DOMAINS_MAX - keeper.domain_count)
        return keeper_refuse(why, TFAAS_BUSY, "the keeper holds as many domains as it can");
    while (list.count > 0) {
        struct span item = fields_next(&list), name = {item.data, item.size - 33};
        if (!keeper_domain_find(name))
            (void)keeper_domain_add(name, item.data + item.size - 32);
    }
    return TFAAS_OK;
}

/* The clear state, malloc'ed: the caller wipes and frees it. */
static uint8_t *state_bytes(size_t *size)
{
    uint8_t *clear = malloc(STATE_MAX);
    struct writer w = writer_of(clear, STATE_MAX);
    if (clear)
        put_state(&w);
    if (clear && w.failed) {
        sodium_memzero(clear, STATE_MAX);
        free(clear);
        return NULL;
    }
    *size = w.at;
    return clear;
}

static void drop(uint8_t *clear, size_t size)
{
    if (clear)
        sodium_memzero(clear, size);
    free(clear);
}

/* --- KEEPER_START, SAVE --- */

struct start {
    struct span key, state;
};

static const struct field start_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .optional = true,
     .least = 32,
     .most = 32,
     .offset = offsetof(struct start, key),
     .name = "KEEPER_START: key 1 (seal key) is malformed or of another size"},
    {.key = 2,
     .type = FIELD_BYTES,
     .optional = true,
     .least = 1,
     .most = TFAAS_PAYLOAD_MAX,
     .offset = offsetof(struct start, state),
     .name = "KEEPER_START: key 2 (saved state) is malformed"},
};

static tfaas_status_t open_state(struct span sealed, const char **why)
{
    static const char does_not_open[] = "the saved state is of another seal key, or was altered: "
                                        "what was sealed must be provisioned again";
    if (!has_seal_key || sealed.size < NONCE_SIZE + TAG_SIZE)
        return keeper_refuse(why, TFAAS_NOT_GRANTED, does_not_open);
    size_t size = sealed.size - NONCE_SIZE - TAG_SIZE;
    uint8_t *clear = malloc(size ? size : 1);
    if (!clear)
        return keeper_refuse(why, TFAAS_NO_SPACE, "no memory for the saved state");
    tfaas_status_t status = TFAAS_NOT_GRANTED;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            clear, NULL, NULL, sealed.data + NONCE_SIZE, sealed.size - NONCE_SIZE,
            (const uint8_t *)STATE_LABEL, strlen(STATE_LABEL), sealed.data, seal_key) != 0)
        *why = does_not_open;
    else
        status = take_state((struct span){clear, size}, why);
    drop(clear, size);
    return status;
}

tfaas_status_t keeper_start(struct span request, struct writer *w, const char **why)
{
    struct start start = {.key = {NULL, 0}};
    tfaas_status_t status =
        fields_read(request, start_fields, 2, "KEEPER_START: not a map of its keys", &start, why);
    if (status != TFAAS_OK)
        return status;
    if (has_started || keeper.domain_count > 0)
        return keeper_refuse(why, TFAAS_CONFLICT, "KEEPER_START comes first, and once");
    has_started = true;
    if (start.key.size > 0)
        memcpy(seal_key, start.key.data, sizeof seal_key);
    has_seal_key = start.key.size > 0;
    if (start.state.size > 0)
        status = open_state(start.state, why);
    if (status == TFAAS_OK)
        cbor_put_map(w, 0);
    return status;
}

static const struct field no_fields[1];

tfaas_status_t keeper_save(struct span request, struct writer *w, const char **why)
{
    int nothing;
    tfaas_status_t status =
        fields_read(request, no_fields, 0, "SAVE: not an empty map", &nothing, why);
    if (status != TFAAS_OK)
        return status;
    if (!has_seal_key)
        return keeper_refuse(why, TFAAS_UNAVAILABLE, "this platform gave the keeper no seal key");
    size_t size;
    uint8_t *clear = state_bytes(&size);
    uint8_t *sealed = malloc(STATE_MAX + NONCE_SIZE + TAG_SIZE);
    if (clear && sealed) {
        plat_entropy(sealed, NONCE_SIZE);
        (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
            sealed + NONCE_SIZE, NULL, clear, size, (const uint8_t *)STATE_LABEL,
            strlen(STATE_LABEL), NULL, sealed, seal_key);
        cbor_put_map(w, 1);
        cbor_put_uint(w, 1);
        cbor_put_bytes(w, sealed, NONCE_SIZE + size + TAG_SIZE);
    } else {
        status = keeper_refuse(why, TFAAS_NO_SPACE, "no memory for the state");
    }
    if (clear)
        drop(clear, size);
    free(sealed);
    return status;
}

/* --- HANDOVER --- */

static const struct span handover_info = {(const uint8_t *)STATEMENT_HANDOVER_LABEL,
                                          sizeof(STATEMENT_HANDOVER_LABEL) - 1};

struct handover {
    struct span report, first, second;
};

static const struct field ask_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .least = PLAT_REPORT_SIZE,
     .most = PLAT_REPORT_SIZE,
     .offset = offsetof(struct handover, report),
     .name = "HANDOVER_GIVE: key 1 (report) is missing, malformed or of another size"},
    {.key = 2,
     .type = FIELD_BYTES,
     .least = 32,
     .most = 32,
     .offset = offsetof(struct handover, first),
     .name = "HANDOVER_GIVE: key 2 (KEM key) is missing, malformed or of another size"},
};

static const struct field give_fields[] = {
    {.key = 1,
     .type = FIELD_BYTES,
     .least = PLAT_REPORT_SIZE,
     .most = PLAT_REPORT_SIZE,
     .offset = offsetof(struct handover, report),
     .name = "HANDOVER_TAKE: key 1 (report) is missing, malformed or of another size"},
    {.key = 2,
     .type = FIELD_BYTES,
     .least = HPKE_ENC_SIZE,
     .most = HPKE_ENC_SIZE,
     .offset = offsetof(struct handover, first),
     .name = "HANDOVER_TAKE: key 2 (enc) is missing, malformed or of another size"},
    {.key = 3,
     .type = FIELD_BYTES,
     .least = AEAD_TAG_SIZE,
     .most = TFAAS_PAYLOAD_MAX,
     .offset = offsetof(struct handover, second),
     .name = "HANDOVER_TAKE: key 3 (ciphertext) is missing or malformed"},
};

tfaas_status_t keeper_handover_ask(struct span request, struct writer *w, const char **why)
{
    int nothing;
    uint8_t data[64], secret[HPKE_SECRET_SIZE];
    struct plat_report report;
    tfaas_status_t status =
        fields_read(request, no_fields, 0, "HANDOVER_ASK: not an empty map", &nothing, why);
    if (status != TFAAS_OK)
        return status;
    plat_entropy(secret, sizeof secret);
    hpke_key_pair_of(&asked, secret);
    sodium_memzero(secret, sizeof secret);
    has_asked = true;
    statement_digest(data, STATEMENT_HANDOVER_LABEL, (struct span){asked.public_key, 32},
                     (struct span){NULL, 0});
    if (!plat_local_report(data, &report))
        return keeper_refuse(why, TFAAS_UNAVAILABLE, "this core can make no local report");
    cbor_put_map(w, 2);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, &report, sizeof report);
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, asked.public_key, sizeof asked.public_key);
    return TFAAS_OK;
}

/* A keeper like this one, but another, that binds `first || second`. */
static tfaas_status_t check_peer(struct span report_bytes, struct span first, struct span second,
                                 const char **why)
{
    struct plat_report peer, own;
    uint8_t data[64];
    tfaas_status_t status = keeper_report_read(report_bytes, PLAT_KEEPER, &peer, why);
    if (status != TFAAS_OK)
        return status;
    statement_digest(data, STATEMENT_HANDOVER_LABEL, first, second);
    if (memcmp(peer.data, data, sizeof data) != 0)
        return keeper_refuse(why, TFAAS_UNAUTHORIZED, "the local report binds something else");
    if (!plat_local_report(data, &own))
        return keeper_refuse(why, TFAAS_UNAVAILABLE, "this core can make no local report");
    if (memcmp(peer.instance, own.instance, sizeof own.instance) == 0)
        return keeper_refuse(why, TFAAS_CONFLICT, "a keeper hands nothing to itself");
    return TFAAS_OK;
}

/* What the giver's report binds after the taker's KEM key: enc || ciphertext, malloc'ed. */
static uint8_t *joined(struct span enc, struct span ciphertext)
{
    uint8_t *bytes = malloc(enc.size + ciphertext.size);
    if (bytes) {
        memcpy(bytes, enc.data, enc.size);
        memcpy(bytes + enc.size, ciphertext.data, ciphertext.size);
    }
    return bytes;
}

static tfaas_status_t give(struct span kem_key, uint8_t *sealed, size_t *sealed_size)
{
    struct hpke_context context;
    size_t size, body = 0;
    uint8_t *clear = state_bytes(&size);
    if (!clear)
        return TFAAS_NO_SPACE;
    tfaas_status_t status = hpke_setup_sender(&context, AEAD_CHACHA20_POLY1305, kem_key.data,
                                              handover_info, NULL, sealed);
    if (status == TFAAS_OK)
        status = hpke_seal(&context, (struct span){NULL, 0}, (struct span){clear, size},
                           sealed + HPKE_ENC_SIZE, STATE_MAX + AEAD_TAG_SIZE, &body);
    *sealed_size = HPKE_ENC_SIZE + body;
    hpke_wipe(&context);
    drop(clear, size);
    return status;
}

tfaas_status_t keeper_handover_give(struct span request, struct writer *w, const char **why)
{
    struct handover ask = {.report = {NULL, 0}};
    struct plat_report report;
    uint8_t data[64];
    tfaas_status_t status =
        fields_read(request, ask_fields, 2, "HANDOVER_GIVE: not a map of its keys", &ask, why);
    if (status == TFAAS_OK)
        status = check_peer(ask.report, ask.first, (struct span){NULL, 0}, why);
    if (status != TFAAS_OK)
        return status;
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (memcmp(given[i], ask.first.data, 32) == 0)
            return keeper_refuse(why, TFAAS_CONFLICT, "this handover was answered before");
    }
    size_t size = 0;
    uint8_t *sealed = malloc(HPKE_ENC_SIZE + STATE_MAX + AEAD_TAG_SIZE);
    status = sealed ? give(ask.first, sealed, &size) : TFAAS_NO_SPACE;
    if (status == TFAAS_OK) {
        statement_digest(data, STATEMENT_HANDOVER_LABEL, ask.first, (struct span){sealed, size});
        if (!plat_local_report(data, &report))
            status = TFAAS_UNAVAILABLE;
    }
    if (status == TFAAS_OK) {
        memcpy(given[given_at++ % (sizeof given / sizeof given[0])], ask.first.data, 32);
        cbor_put_map(w, 3);
        cbor_put_uint(w, 1);
        cbor_put_bytes(w, &report, sizeof report);
        cbor_put_uint(w, 2);
        cbor_put_bytes(w, sealed, HPKE_ENC_SIZE);
        cbor_put_uint(w, 3);
        cbor_put_bytes(w, sealed + HPKE_ENC_SIZE, size - HPKE_ENC_SIZE);
    } else {
        *why = "the state cannot be handed over";
    }
    free(sealed);
    return status;
}

static tfaas_status_t take(const struct handover *answer, const char **why)
{
    struct hpke_context context;
    size_t size = 0, capacity = answer->second.size;
    uint8_t *clear = malloc(capacity ? capacity : 1);
    if (!clear)
        return keeper_refuse(why, TFAAS_NO_SPACE, "no memory for the state");
    tfaas_status_t status = hpke_setup_receiver(&context, AEAD_CHACHA20_POLY1305, &asked,
                                                answer->first.data, handover_info, NULL);
    if (status == TFAAS_OK)
        status =
            hpke_open(&context, (struct span){NULL, 0}, answer->second, clear, capacity, &size);
    hpke_wipe(&context);
    if (status != TFAAS_OK)
        status = keeper_refuse(why, TFAAS_NOT_OPENED, "the handover does not open");
    else
        status = take_state((struct span){clear, size}, why);
    drop(clear, capacity);
    return status;
}

tfaas_status_t keeper_handover_take(struct span request, struct writer *w, const char **why)
{
    struct handover answer = {.report = {NULL, 0}};
    tfaas_status_t status =
        fields_read(request, give_fields, 3, "HANDOVER_TAKE: not a map of its keys", &answer, why);
    if (status != TFAAS_OK)
        return status;
    if (!has_asked)
        return keeper_refuse(why, TFAAS_CONFLICT, "no handover was asked for, or it is done");
    uint8_t *sealed = joined(answer.first, answer.second);
    if (!sealed)
        return keeper_refuse(why, TFAAS_NO_SPACE, "no memory for the state");
    status = check_peer(answer.report, (struct span){asked.public_key, 32},
                        (struct span){sealed, answer.first.size + answer.second.size}, why);
    free(sealed);
    if (status == TFAAS_OK)
        status = take(&answer, why);
    if (status != TFAAS_OK)
        return status;
    sodium_memzero(&asked, sizeof asked);
    has_asked = false;
    cbor_put_map(w, 0);
    return TFAAS_OK;
}
