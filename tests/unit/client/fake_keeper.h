/*
 * fake_keeper.h - a host, its keeper and one worker made of the test's own keys, behind a transport
 * callback. It does everything right, but for the one thing that `wrong` names.
 */
#ifndef TFAAS_TESTS_FAKE_KEEPER_H
#define TFAAS_TESTS_FAKE_KEEPER_H

#include "base64url.h"
#include "bhttp_stream.h"
#include "http_date.h"
#include "receipt.h"
#include "sealed.h"
#include "session.h"
#include "simulated.h"
#include "statement.h"
#include "tfaas/client.h"
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define FAKE_NOW        1800000000ll
#define FAKE_KEY_LIFE   3600
#define FAKE_LEASE_LIFE 600
#define FAKE_DOMAIN     "openfaas-fn"

enum fake_wrong {
    FAKE_RIGHT,
    /* evidence */
    FAKE_TRANSPORT_FAILS,
    FAKE_BUSY,
    FAKE_NOT_FOUND,
    FAKE_EVIDENCE_NO_JSON,
    FAKE_EVIDENCE_OTHER_TYPE,
    FAKE_EVIDENCE_FLIPPED,
    FAKE_EVIDENCE_OF_OTHER_STATEMENT,
    FAKE_EVIDENCE_OF_OTHER_CORE,
    FAKE_STATEMENT_MALFORMED,
    FAKE_STATEMENT_OTHER_CORE,
    FAKE_STATEMENT_OTHER_NONCE,
    FAKE_STATEMENT_EARLY,
    FAKE_STATEMENT_LATE,
    /* domain and leases */
    FAKE_DOMAIN_MALFORMED,
    FAKE_DOMAIN_OTHER_SIGNER,
    FAKE_DOMAIN_OTHER_NAME,
    FAKE_DOMAIN_LATE,
    FAKE_LEASE_MALFORMED,
    FAKE_LEASE_OTHER_SIGNER,
    FAKE_LEASE_OTHER_DOMAIN,
    FAKE_LEASE_OTHER_CORE,
    FAKE_LEASE_LATE,
    FAKE_NO_LEASE,
    /* calls */
    FAKE_CALL_IN_CLEAR,
    FAKE_CALL_BUSY,
    FAKE_CALL_HOST_ERROR,
    FAKE_CALL_REPLAYED,
    FAKE_CALL_NOT_OPENED,
    FAKE_CALL_KEY_UNKNOWN,      /* always */
    FAKE_CALL_KEY_UNKNOWN_ONCE, /* until evidence is fetched again */
    FAKE_CALL_SESSION_UNKNOWN_ONCE,
    FAKE_CALL_SESSION_UNKNOWN, /* the session, and then anything else too */
    FAKE_RESPONSE_FLIPPED,
    FAKE_RESPONSE_OTHER_KEY,
    FAKE_RESPONSE_CUT,
    FAKE_RESPONSE_RUBBISH,
    FAKE_RESPONSE_LARGE,
    FAKE_DATE_REFUSED,       /* the core's clock is an hour ahead */
    FAKE_DATE_REFUSED_EVER,  /* whatever the date is */
    FAKE_FUNCTION_SAYS_DATE, /* the function answers what only a core may say */
    FAKE_FUNCTION_SAYS_MISDIRECTED,
    FAKE_MISDIRECTED,
    FAKE_PACKAGE_REFUSED,
    FAKE_PACKAGE_OTHER,
    FAKE_PACKAGE_UNNAMED,
    FAKE_RECEIPT_MISSING,
    FAKE_RECEIPT_MALFORMED,
    FAKE_RECEIPT_OTHER_LEASE_SIGNER,
    FAKE_RECEIPT_OTHER_INSTANCE,
    FAKE_RECEIPT_OTHER_SIGNER,
    FAKE_RECEIPT_OTHER_CLAIMS,
    FAKE_RECEIPT_OTHER_REQUEST,
    FAKE_RECEIPT_OTHER_RESPONSE,
    FAKE_RECEIPT_OTHER_FUNCTION,
    FAKE_RECEIPT_OTHER_PACKAGE,
    FAKE_RECEIPT_OTHER_WEIGHTS,
    FAKE_RECEIPT_OLD,
};

struct fake {
    enum fake_wrong wrong;
    int64_t now;
    uint8_t identity_key[32], identity_secret[64], other_key[32], other_secret[64];
    uint8_t root_key[32], root_secret[64], receipt_key[32], receipt_secret[64];
    uint8_t measurement[48], weights[32], instance[16], package[32];
    struct hpke_key_pair request_key, sealing_key;
    uint8_t key_id;
    int64_t statement_at; /* not before; 0: now */
    uint8_t session_id[16], session_secret[32];
    bool session_made;
    struct session_window window;
    uint16_t session_aead;
    uint64_t sequence;
    int64_t max_age_s;
    /* what was seen */
    unsigned evidence_fetches, domain_fetches, calls, sessions_used, wholes, chunked, keys_refused;
    char last_url[512], last_body[256], last_path[256], last_header[128];
    size_t last_body_size;
    size_t answer_size; /* content of that many bytes instead of the echo */
};

static inline void fake_keys(struct fake *f)
{
    crypto_sign_keypair(f->identity_key, f->identity_secret);
    crypto_sign_keypair(f->receipt_key, f->receipt_secret);
    hpke_generate_key_pair(&f->request_key);
    hpke_generate_key_pair(&f->sealing_key);
    randombytes_buf(f->instance, sizeof(f->instance));
    f->key_id++;
    f->session_made = false;
}

static inline void fake_init(struct fake *f)
{
    *f = (struct fake){.now = FAKE_NOW, .max_age_s = 60};
    if (sodium_init() < 0)
        abort();
    fake_keys(f);
    crypto_sign_keypair(f->other_key, f->other_secret);
    crypto_sign_keypair(f->root_key, f->root_secret);
    memset(f->measurement, 0xc0, sizeof(f->measurement));
    memset(f->weights, 0x3e, sizeof(f->weights));
    memset(f->package, 0xab, sizeof(f->package));
}

static inline int64_t fake_clock(void *user)
{
    return ((struct fake *)user)->now;
}

static inline struct span fake_span(const void *data, size_t size)
{
    return (struct span){data, size};
}

static inline struct span fake_text(const char *text)
{
    return fake_span(text, strlen(text));
}

static inline char *fake_base64(const void *data, size_t size)
{
    char *text = malloc(BASE64URL_SIZE(size) + 1);
    if (base64url_encode(fake_span(data, size), text, BASE64URL_SIZE(size) + 1) != TFAAS_OK)
        abort();
    return text;
}

static inline const char *fake_hex(const uint8_t *data, size_t size)
{
    static char text[4][200];
    static unsigned at;
    at = (at + 1) % 4;
    sodium_bin2hex(text[at], sizeof(text[at]), data, size);
    return text[at];
}

/* --- statements --- */

static inline size_t fake_key_statement(struct fake *f, struct span nonce, uint8_t *to, size_t size)
{
    uint8_t other[48], other_nonce[32] = {1};
    memset(other, 0x77, sizeof(other));
    int64_t from = f->statement_at ? f->statement_at : f->now - 10;
    if (f->wrong == FAKE_STATEMENT_EARLY)
        from = f->now + 1000;
    if (f->wrong == FAKE_STATEMENT_LATE)
        from = f->now - 2 * FAKE_KEY_LIFE;
    struct key_statement s = {
        .identity = fake_span(f->identity_key, 32),
        .epoch = 1,
        .not_before = (uint64_t)from,
        .not_after = (uint64_t)from + FAKE_KEY_LIFE + FAKE_LEASE_LIFE,
        .version = fake_text("0.1.0"),
        .weights = fake_span(f->weights, 32),
        .measurement =
            fake_span(f->wrong == FAKE_STATEMENT_OTHER_CORE ? other : f->measurement, 48),
        .key_life_s = FAKE_KEY_LIFE,
        .lease_life_s = FAKE_LEASE_LIFE,
        .replay_window_s = 120,
        .requests_per_key = 1u << 20,
        .nonce = f->wrong == FAKE_STATEMENT_OTHER_NONCE ? fake_span(other_nonce, 32) : nonce,
    };
    struct writer w = writer_of(to, size);
    key_statement_write(&w, &s);
    if (w.failed)
        abort();
    return w.at;
}

static inline char *fake_evidence(struct fake *f, struct span nonce)
{
    uint8_t statement[1024], simulated[SIMULATED_SIZE_MAX], digest[64], other[48];
    size_t size = fake_key_statement(f, nonce, statement, sizeof(statement));
    memset(other, 0x77, sizeof(other));
    statement_digest(digest, STATEMENT_KEY_LABEL, fake_span(statement, size), fake_span(NULL, 0));
    if (f->wrong == FAKE_EVIDENCE_OF_OTHER_STATEMENT)
        digest[7] ^= 1;
    /* The evidence measures what the statement says, but where the two are to differ. */
    const uint8_t *measured =
        f->wrong == FAKE_EVIDENCE_OF_OTHER_CORE || f->wrong == FAKE_STATEMENT_OTHER_CORE
            ? other
            : f->measurement;
    size_t simulated_size =
        simulated_write(measured, digest, (uint64_t)f->now, f->root_secret, simulated);
    if (f->wrong == FAKE_EVIDENCE_FLIPPED)
        simulated[simulated_size - 1] ^= 1;
    if (f->wrong == FAKE_STATEMENT_MALFORMED)
        statement[0] ^= 1;
    char *evidence = fake_base64(simulated, simulated_size), *key = fake_base64(statement, size);
    char *json = NULL;
    if (asprintf(&json,
                 "{\"__cmwc_t\":\"tag:tfaas,2026:evidence\",\"evidence\":[\"%s\",\"%s\",4],"
                 "\"key-statement\":[\"application/vnd.tfaas.key-statement+cbor\",\"%s\",4]}",
                 f->wrong == FAKE_EVIDENCE_OTHER_TYPE ? "application/vnd.example.quote"
                                                      : "application/vnd.tfaas.simulated+cbor",
                 evidence, key) < 0)
        abort();
    free(evidence);
    free(key);
    if (f->wrong == FAKE_EVIDENCE_NO_JSON)
        json[0] = '[';
    return json;
}

static inline size_t fake_lease(struct fake *f, uint8_t *to, size_t size, enum fake_wrong wrong)
{
    uint8_t statement[512], config[64], other[48];
    struct ohttp_key_config key = {
        .id = f->key_id, .aeads = {AEAD_CHACHA20_POLY1305, AEAD_AES_256_GCM}, .aead_count = 2};
    struct writer c = writer_of(config, sizeof(config)),
                  s = writer_of(statement, sizeof(statement)), w = writer_of(to, size);
    memcpy(key.public_key, f->request_key.public_key, 32);
    memset(other, 0x77, sizeof(other));
    ohttp_put_key_config(&c, &key);
    int64_t from = f->now - 5 - (wrong == FAKE_LEASE_LATE ? 2 * FAKE_LEASE_LIFE : 0);
    struct lease lease = {
        .domain = fake_text(wrong == FAKE_LEASE_OTHER_DOMAIN ? "staging" : FAKE_DOMAIN),
        .instance = fake_span(f->instance, 16),
        .number = 1,
        .not_before = (uint64_t)from,
        .not_after = (uint64_t)from + FAKE_LEASE_LIFE,
        .key_configuration = fake_span(config, c.at),
        .receipt_key = fake_span(f->receipt_key, 32),
        .measurement = fake_span(wrong == FAKE_LEASE_OTHER_CORE ? other : f->measurement, 48),
        .requests_max = 1u << 20,
    };
    lease_write(&s, &lease);
    if (wrong == FAKE_LEASE_MALFORMED)
        statement[0] ^= 1;
    envelope_write(&w, fake_span(statement, s.at),
                   wrong == FAKE_LEASE_OTHER_SIGNER ? f->other_secret : f->identity_secret);
    if (s.failed || w.failed || c.failed)
        abort();
    return w.at;
}

static inline size_t fake_domain(struct fake *f, uint8_t *to, size_t size)
{
    uint8_t statement[4096], lease[STATEMENT_LEASE_SIZE_MAX];
    struct writer s = writer_of(statement, sizeof(statement)), w = writer_of(to, size);
    size_t lease_size = fake_lease(f, lease, sizeof(lease), f->wrong);
    int64_t from = f->now - 5 - (f->wrong == FAKE_DOMAIN_LATE ? 3 * FAKE_LEASE_LIFE : 0);
    struct domain_statement d = {
        .domain = fake_text(f->wrong == FAKE_DOMAIN_OTHER_NAME ? "staging" : FAKE_DOMAIN),
        .serial = 1,
        .not_before = (uint64_t)from,
        .not_after = (uint64_t)from + FAKE_LEASE_LIFE,
        .sealing_key = fake_span(f->sealing_key.public_key, 32),
        .lease_count = f->wrong == FAKE_NO_LEASE ? 0 : 1,
    };
    d.leases[0] = fake_span(lease, lease_size);
    domain_statement_write(&s, &d);
    if (f->wrong == FAKE_DOMAIN_MALFORMED)
        statement[0] ^= 1;
    envelope_write(&w, fake_span(statement, s.at),
                   f->wrong == FAKE_DOMAIN_OTHER_SIGNER ? f->other_secret : f->identity_secret);
    if (s.failed || w.failed)
        abort();
    return w.at;
}

/* --- the worker: what it opened, and what it answers --- */

struct fake_inner {
    struct bhttp_head head;
    uint8_t head_buffer[BHTTP_HEAD_MAX];
    uint8_t *body;
    size_t body_size;
    crypto_hash_sha256_state hash;
    bool wants_receipt, wants_session, wants_package, good;
    uint8_t package[32];
    uint64_t date;
};

static inline void fake_inner_field(struct fake *f, struct fake_inner *in, struct span name,
                                    struct span value)
{
    if (span_is(name, "date") && http_date_read(value, &in->date) != TFAAS_OK)
        in->good = false;
    in->wants_receipt |= span_is(name, "tfaas-receipt") && span_is(value, "1");
    in->wants_session |= span_is(name, "tfaas-session") && span_is(value, "1");
    if (span_is(name, "tfaas-package")) {
        in->wants_package = true;
        if (value.size != 71 || sodium_hex2bin(in->package, 32, (const char *)value.data + 7, 64,
                                               NULL, NULL, NULL) != 0)
            in->good = false;
    }
    if (span_is(name, "x-test"))
        snprintf(f->last_header, sizeof(f->last_header), "%.*s", (int)value.size,
                 (const char *)value.data);
}

/* `plain` is the whole inner request. */
static inline bool fake_inner_read(struct fake *f, struct fake_inner *in, const uint8_t *plain,
                                   size_t size)
{
    struct bhttp_reader reader;
    struct bhttp_event event;
    struct cursor c = cursor_of(plain, size);
    const char *why;
    in->good = true;
    in->body = malloc(size + 1);
    bhttp_reader_begin(&reader, in->head_buffer, sizeof(in->head_buffer));
    crypto_hash_sha256_init(&in->hash);
    do {
        if (bhttp_reader_next(&reader, &c, true, &event, &why) != TFAAS_OK)
            return false;
        if (event.kind == BHTTP_HEAD) {
            struct span name, value;
            in->head = event.head;
            receipt_hash_head(&in->hash, &event.head);
            snprintf(f->last_path, sizeof(f->last_path), "%.*s", (int)event.head.path.size,
                     (const char *)event.head.path.data);
            for (size_t at = 0; bhttp_next_field(event.head.fields, &at, &name, &value);)
                fake_inner_field(f, in, name, value);
        } else if (event.kind == BHTTP_CONTENT) {
            memcpy(in->body + in->body_size, event.content.data, event.content.size);
            in->body_size += event.content.size;
        }
    } while (event.kind != BHTTP_END);
    crypto_hash_sha256_update(&in->hash, in->body, in->body_size);
    f->last_body_size = in->body_size;
    snprintf(f->last_body, sizeof(f->last_body), "%.*s", (int)in->body_size,
             (const char *)in->body);
    return in->good;
}

static inline size_t fake_receipt(struct fake *f, struct fake_inner *in, unsigned status,
                                  const uint8_t response_hash[32], char *to)
{
    static char claims[1024];
    char jws[RECEIPT_JWS_MAX], *req, *res;
    uint8_t request_hash[32], answer_hash[32], leaf[1][32], lease[STATEMENT_LEASE_SIZE_MAX];
    enum fake_wrong wrong = f->wrong;
    crypto_hash_sha256_final(&in->hash, request_hash);
    memcpy(answer_hash, response_hash, 32);
    request_hash[0] ^= wrong == FAKE_RECEIPT_OTHER_REQUEST;
    answer_hash[0] ^= wrong == FAKE_RECEIPT_OTHER_RESPONSE;
    req = fake_base64(request_hash, 32);
    res = fake_base64(answer_hash, 32);
    uint8_t package[32], weights[32], instance[16];
    memcpy(package, f->package, 32);
    memcpy(weights, f->weights, 32);
    memcpy(instance, f->instance, 16);
    package[0] ^= wrong == FAKE_RECEIPT_OTHER_PACKAGE;
    weights[0] ^= wrong == FAKE_RECEIPT_OTHER_WEIGHTS;
    instance[0] ^= wrong == FAKE_RECEIPT_OTHER_INSTANCE;
    int size = snprintf(
        claims, sizeof(claims),
        "{\"iss\":\"%s\",\"seq\":%llu,\"iat\":%lld,\"fn\":\"%s.%s\",\"pkg\":\"%s\",\"req\":\"%s\","
        "\"res\":\"%s\",\"status\":%u,\"outcome\":\"OK\",\"work\":42,\"exact\":true,\"mem\":65536,"
        "\"cpu_ns\":1000,\"weights\":\"%s\"}",
        fake_hex(instance, 16), (unsigned long long)++f->sequence,
        (long long)(wrong == FAKE_RECEIPT_OLD ? f->now - 10000 : f->now),
        wrong == FAKE_RECEIPT_OTHER_FUNCTION ? "other" : "hello", FAKE_DOMAIN,
        fake_hex(package, 32), req, res, status, fake_hex(weights, 32));
    free(req);
    free(res);
    receipt_leaf(fake_span(claims, (size_t)size), leaf[0]);
    size_t jws_size =
        receipt_sign((const uint8_t(*)[32])leaf, 1,
                     wrong == FAKE_RECEIPT_OTHER_SIGNER ? f->other_secret : f->receipt_secret, jws);
    if (wrong == FAKE_RECEIPT_OTHER_CLAIMS)
        strstr(claims, "\"work\":42")[8] = '9';
    size_t lease_size =
        fake_lease(f, lease, sizeof(lease),
                   wrong == FAKE_RECEIPT_OTHER_LEASE_SIGNER ? FAKE_LEASE_OTHER_SIGNER : FAKE_RIGHT);
    struct receipt receipt = {.claims = fake_span(claims, (size_t)size),
                              .jws = fake_span(jws, jws_size),
                              .lease = fake_span(lease, lease_size)};
    size_t text_size = receipt_write(&receipt, to);
    if (wrong == FAKE_RECEIPT_MALFORMED)
        to[0] = '!';
    return text_size;
}

struct fake_reply {
    unsigned status;
    const char *type;
    uint8_t *body;
    size_t body_size;
    bool session, receipt, package;
    int64_t date;
};

static inline void fake_problem(struct fake_reply *r, unsigned status, const char *type)
{
    r->status = status;
    r->type = "application/problem+json";
    r->package = r->receipt = false;
    free(r->body);
    r->body_size =
        (size_t)asprintf((char **)&r->body, "{\"type\":\"%s\",\"status\":%u}", type, status);
}

static inline void fake_run(struct fake *f, struct fake_inner *in, struct fake_reply *r)
{
    static const char date_type[] = "https://iana.org/assignments/http-problem-types#date";
    int64_t clock = f->now + (f->wrong == FAKE_DATE_REFUSED ? 3600 : 0);
    *r = (struct fake_reply){.status = 200,
                             .type = "text/plain",
                             .session = in->wants_session,
                             .receipt = in->wants_receipt && f->wrong != FAKE_RECEIPT_MISSING,
                             .package = f->wrong != FAKE_PACKAGE_UNNAMED};
    r->body_size = (size_t)asprintf((char **)&r->body, "echo %.*s", (int)in->body_size,
                                    (const char *)in->body);
    if (f->answer_size) {
        free(r->body);
        r->body = malloc(f->answer_size);
        r->body_size = f->answer_size;
        for (size_t i = 0; i < f->answer_size; i++)
            r->body[i] = (uint8_t)(i * 7);
    }
    if (f->wrong == FAKE_FUNCTION_SAYS_DATE) {
        fake_problem(r, 400, date_type);
        r->date = clock + 3600;
        r->package = true;
    } else if (f->wrong == FAKE_FUNCTION_SAYS_MISDIRECTED) {
        fake_problem(r, 421, "tag:tfaas,2026:misdirected");
        r->package = true;
    } else if (llabs((long long)in->date - clock) > 120 || f->wrong == FAKE_DATE_REFUSED_EVER) {
        fake_problem(r, 400, date_type);
        r->date = clock + (f->wrong == FAKE_DATE_REFUSED_EVER ? f->calls : 0);
    } else if (f->wrong == FAKE_MISDIRECTED) {
        fake_problem(r, 421, "tag:tfaas,2026:misdirected");
    } else if (f->wrong == FAKE_PACKAGE_REFUSED ||
               (in->wants_package && memcmp(in->package, f->package, 32) != 0)) {
        fake_problem(r, 412, "tag:tfaas,2026:package-mismatch");
    }
}

/* The inner response of indeterminate length: *out is malloc'ed. */
static inline size_t fake_compose(struct fake *f, struct fake_inner *in, struct fake_reply *r,
                                  uint8_t **out)
{
    size_t capacity = r->body_size + r->body_size / 1000 * 8 + 8192;
    uint8_t package[32], hash[32], fields[1024];
    char text[128], date[HTTP_DATE_SIZE], receipt[RECEIPT_SIZE_MAX];
    *out = malloc(capacity);
    struct writer w = writer_of(*out, capacity), section = writer_of(fields, sizeof(fields));
    memcpy(package, f->package, 32);
    package[0] ^= f->wrong == FAKE_PACKAGE_OTHER;
    bhttp_put_framing(&w, BHTTP_STREAM_RESPONSE);
    bhttp_put_status(&w, r->status);
    bhttp_put_field(&section, fake_text("content-type"), fake_text(r->type));
    if (r->date) {
        http_date_write((uint64_t)r->date, date);
        bhttp_put_field(&section, fake_text("date"), fake_span(date, sizeof(date)));
    }
    if (r->package) {
        snprintf(text, sizeof(text), "sha256:%s", fake_hex(package, 32));
        bhttp_put_field(&section, fake_text("tfaas-package"), fake_text(text));
    }
    if (r->session) {
        char *id = fake_base64(f->session_id, 16);
        snprintf(text, sizeof(text), "%s;max-age=3000", id);
        free(id);
        bhttp_put_field(&section, fake_text("tfaas-session"), fake_text(text));
    }
    writer_put(&w, fields, section.at);
    bhttp_put_end(&w);
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    struct bhttp_head head = {
        .is_response = true, .status = r->status, .fields = fake_span(fields, section.at)};
    receipt_hash_head(&state, &head);
    crypto_hash_sha256_update(&state, r->body, r->body_size);
    crypto_hash_sha256_final(&state, hash);
    for (size_t at = 0; at < r->body_size; at += 1000)
        bhttp_put_chunk(
            &w, fake_span(r->body + at, r->body_size - at < 1000 ? r->body_size - at : 1000));
    bhttp_put_end(&w);
    if (r->receipt) {
        size_t size = fake_receipt(f, in, r->status, hash, receipt);
        bhttp_put_field(&w, fake_text("tfaas-receipt"), fake_span(receipt, size));
    }
    bhttp_put_end(&w);
    if (f->wrong == FAKE_RESPONSE_RUBBISH)
        (*out)[0] = 9;
    if (w.failed || section.failed)
        abort();
    return w.at;
}

/* --- sealing of answers --- */

static inline const struct hpke_key_pair *fake_find(void *user, uint8_t id, uint16_t aead)
{
    struct fake *f = user;
    (void)aead;
    return id == f->key_id ? &f->request_key : NULL;
}

/* Chunks of at most 5000 bytes into `w`; cut: without the final one. */
static inline void fake_chunks(struct ohttp_chunks *c, const uint8_t *plain, size_t size, bool cut,
                               struct writer *w)
{
    size_t at = 0;
    for (; size - at > 5000; at += 5000)
        if (ohttp_chunks_seal(c, fake_span(plain + at, 5000), false, w) != TFAAS_OK)
            abort();
    if (cut) {
        if (ohttp_chunks_seal(c, fake_span(plain + at, size - at), false, w) != TFAAS_OK)
            abort();
    } else if (ohttp_chunks_seal(c, fake_span(plain + at, size - at), true, w) != TFAAS_OK) {
        abort();
    }
}

/* Opens all chunks in `in`; the plain text is malloc'ed. */
static inline bool fake_open_chunks(struct ohttp_chunks *c, struct cursor *in, uint8_t **plain,
                                    size_t *size)
{
    enum ohttp_chunk_event event;
    struct span part;
    const char *why;
    *plain = malloc(in->size + 1);
    *size = 0;
    do {
        if (ohttp_chunks_open(c, in, true, &event, &part, &why) != TFAAS_OK)
            return false;
        if (part.size)
            memcpy(*plain + *size, part.data, part.size);
        *size += part.size;
    } while (event == OHTTP_CHUNK_DATA);
    return event == OHTTP_CHUNK_FINAL;
}

struct fake_exchange {
    struct ohttp_exchange x;
    struct ohttp_chunks in, out;
    uint8_t buffer[OHTTP_CHUNK_BUFFER_SIZE], head[SESSION_REQUEST_HEAD];
    uint8_t *plain;
    size_t plain_size;
};

static inline bool fake_open(struct fake *f, struct fake_exchange *e, const char *type,
                             const uint8_t *data, size_t size)
{
    struct cursor in = cursor_of(data, size);
    const char *why;
    uint8_t key[32];
    if (strcmp(type, OHTTP_REQUEST_MEDIA_TYPE) == 0) {
        f->wholes++;
        e->plain = malloc(size);
        return ohttp_decapsulate_request(&e->x, fake_span(data, size), &ohttp_labels_standard,
                                         fake_find, f, e->plain, size, &e->plain_size,
                                         &why) == TFAAS_OK;
    }
    if (strcmp(type, OHTTP_CHUNKED_REQUEST_MEDIA_TYPE) == 0) {
        f->chunked++;
        ohttp_chunks_await_request(&e->in, &e->x, &ohttp_labels_chunked, fake_find, f, e->buffer);
        return fake_open_chunks(&e->in, &in, &e->plain, &e->plain_size);
    }
    struct span head = cursor_take(&in, SESSION_REQUEST_HEAD);
    if (!head.data || !f->session_made || memcmp(head.data, f->session_id, 16) != 0)
        return false;
    uint64_t sequence = 0;
    for (unsigned i = 0; i < 8; i++)
        sequence = sequence << 8 | head.data[SESSION_ID_SIZE + i];
    if (!session_window_accept(&f->window, sequence))
        return false;
    f->sessions_used++;
    memcpy(e->head, head.data, sizeof(e->head));
    session_request_key(f->session_secret, e->head, key);
    session_await(&e->in, f->session_aead, key, e->buffer);
    return fake_open_chunks(&e->in, &in, &e->plain, &e->plain_size);
}

static inline void fake_session(struct fake *f, struct fake_exchange *e)
{
    randombytes_buf(f->session_id, 16);
    f->session_id[0] = f->key_id;
    f->session_aead = e->x.hpke.aead;
    f->session_made = true;
    f->window = (struct session_window){.highest = 0};
    if (hpke_export(&e->x.hpke, fake_text(SESSION_EXPORT_LABEL), f->session_secret, 32) != TFAAS_OK)
        abort();
}

static inline void fake_seal(struct fake *f, struct fake_exchange *e, const char *type,
                             const uint8_t *plain, size_t size, struct writer *w)
{
    uint8_t nonce[SESSION_NONCE_SIZE], key[32];
    bool cut = f->wrong == FAKE_RESPONSE_CUT;
    if (f->wrong == FAKE_RESPONSE_OTHER_KEY)
        memset(e->x.hpke.exporter_secret, 1, sizeof(e->x.hpke.exporter_secret));
    if (strcmp(type, OHTTP_REQUEST_MEDIA_TYPE) == 0) {
        size_t made = 0;
        if (ohttp_encapsulate_response(&e->x, fake_span(plain, size), w->data, w->capacity,
                                       &made) != TFAAS_OK)
            abort();
        w->at = made;
        return;
    }
    if (strcmp(type, OHTTP_CHUNKED_REQUEST_MEDIA_TYPE) == 0) {
        if (ohttp_chunks_begin_response(&e->out, &e->x, w) != TFAAS_OK)
            abort();
    } else {
        randombytes_buf(nonce, sizeof(nonce));
        writer_put(w, nonce, sizeof(nonce));
        session_response_key(f->session_secret, e->head, nonce, key);
        session_begin(&e->out, f->session_aead, key);
    }
    fake_chunks(&e->out, plain, size, cut, w);
}

/* --- the transport --- */

static inline bool fake_answer(struct tfaas_transfer *t, unsigned status, const char *type,
                               int64_t max_age, const void *body, size_t size)
{
    if (!t->on_head(t, status, type, max_age))
        return false;
    /* In pieces of odd sizes, as networks do. */
    for (size_t at = 0, piece = 1; at < size; at += piece, piece = piece * 3 + 1) {
        size_t part = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(part);
        memcpy(copy, (const uint8_t *)body + at, part);
        bool good = t->on_body(t, copy, part);
        free(copy);
        if (!good)
            return false;
    }
    return true;
}

static inline bool fake_refuse(struct tfaas_transfer *t, unsigned status, const char *type)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"type\":\"%s\",\"status\":%u}", type, status);
    return fake_answer(t, status, "application/problem+json", -1, body, strlen(body));
}

static inline size_t fake_collect(struct tfaas_transfer *t, uint8_t **data, bool *stopped)
{
    size_t size = t->body.size, capacity = size + 1;
    *stopped = false;
    *data = malloc(capacity);
    if (size)
        memcpy(*data, t->body.data, size);
    for (int64_t got = t->read ? 1 : 0; got > 0; size += (size_t)got) {
        *data = realloc(*data, size + 777);
        got = t->read(t->read_user, *data + size, 777);
        *stopped = got < 0;
        if (got < 0)
            break;
    }
    return size;
}

static inline bool fake_call(struct fake *f, struct tfaas_transfer *t)
{
    static const char key_type[] = "https://iana.org/assignments/http-problem-types#ohttp-key";
    bool in_session = strcmp(t->content_type, SESSION_REQUEST_MEDIA_TYPE) == 0, stopped;
    uint8_t *data = NULL;
    size_t size = fake_collect(t, &data, &stopped);
    f->calls++;
    if (stopped) {
        free(data);
        return false;
    }
    bool refused = true, good = true;
    if (f->wrong == FAKE_CALL_IN_CLEAR)
        good = fake_answer(t, 200, "text/plain", -1, "echo", 4);
    else if (f->wrong == FAKE_CALL_BUSY)
        good = fake_refuse(t, 503, "about:blank");
    else if (f->wrong == FAKE_CALL_HOST_ERROR)
        good = fake_refuse(t, 404, "about:blank");
    else if (f->wrong == FAKE_CALL_REPLAYED)
        good = fake_refuse(t, 409, "about:blank");
    else if (f->wrong == FAKE_CALL_NOT_OPENED)
        good = fake_refuse(t, 400, "about:blank");
    else if (f->wrong == FAKE_CALL_KEY_UNKNOWN ||
             (f->wrong == FAKE_CALL_KEY_UNKNOWN_ONCE && f->evidence_fetches < 2)) {
        f->keys_refused++;
        good = fake_refuse(t, 400, key_type);
    } else if ((f->wrong == FAKE_CALL_SESSION_UNKNOWN && f->calls > 1) ||
               (f->wrong == FAKE_CALL_SESSION_UNKNOWN_ONCE && in_session))
        good = fake_refuse(t, 400, "tag:tfaas,2026:session-unknown");
    else
        refused = false;
    if (refused) {
        free(data);
        return good;
    }
    struct fake_exchange *e = calloc(1, sizeof(*e));
    struct fake_inner *in = calloc(1, sizeof(*in));
    struct fake_reply reply;
    char type[64];
    if (!fake_open(f, e, t->content_type, data, size) ||
        !fake_inner_read(f, in, e->plain, e->plain_size)) {
        good = fake_refuse(t, 400, "about:blank");
    } else {
        uint8_t *plain, *sealed;
        if (in->wants_session && !in_session)
            fake_session(f, e);
        fake_run(f, in, &reply);
        size_t plain_size = fake_compose(f, in, &reply, &plain);
        size_t capacity = plain_size + plain_size / 100 + 1024;
        sealed = malloc(capacity);
        struct writer w = writer_of(sealed, capacity);
        fake_seal(f, e, t->content_type, plain, plain_size, &w);
        if (f->wrong == FAKE_RESPONSE_FLIPPED)
            sealed[w.at / 2] ^= 1;
        snprintf(type, sizeof(type), "%s", t->content_type);
        memcpy(type + strlen(type) - 3, "res", 3);
        good = fake_answer(t, 200, type, -1, sealed, w.at);
        free(reply.body);
        free(plain);
        free(sealed);
    }
    free(in->body);
    free(in);
    free(e->plain);
    free(e);
    free(data);
    return good;
}

static inline bool fake_transport(void *user, struct tfaas_transfer *t)
{
    struct fake *f = user;
    const char *query = strstr(t->url, "nonce=");
    snprintf(f->last_url, sizeof(f->last_url), "%s", t->url);
    if (f->wrong == FAKE_TRANSPORT_FAILS) {
        snprintf(t->failure, sizeof(t->failure), "connection refused");
        return false;
    }
    if (f->wrong == FAKE_BUSY)
        return fake_refuse(t, 503, "about:blank");
    if (f->wrong == FAKE_NOT_FOUND)
        return fake_refuse(t, 404, "about:blank");
    if (strstr(t->url, "/.well-known/tfaas/evidence")) {
        uint8_t nonce[64];
        size_t nonce_size = 0;
        f->evidence_fetches++;
        if (query && base64url_decode(fake_text(query + strlen("nonce=")), nonce, sizeof(nonce),
                                      &nonce_size) != TFAAS_OK)
            return fake_refuse(t, 400, "about:blank");
        char *json = fake_evidence(f, fake_span(nonce, nonce_size));
        bool good = fake_answer(t, 200, "application/vnd.tfaas.evidence+json", f->max_age_s, json,
                                strlen(json));
        free(json);
        return good;
    }
    if (strstr(t->url, "/.well-known/tfaas/domain")) {
        uint8_t domain[8192];
        f->domain_fetches++;
        size_t size = fake_domain(f, domain, sizeof(domain));
        return fake_answer(t, 200, "application/vnd.tfaas.domain+cbor", f->max_age_s, domain, size);
    }
    return fake_call(f, t);
}

/* A policy that takes this keeper's core under the software root. */
static inline char *fake_policy(const struct fake *f, const char *more)
{
    char *text = NULL;
    if (asprintf(&text, "{\"version\":1,\"allow_simulated\":true,\"cores\":[\"%s\"]%s}",
                 fake_hex(f->measurement, 48), more) < 0)
        abort();
    return text;
}

#endif
