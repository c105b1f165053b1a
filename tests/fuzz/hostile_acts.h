/*
 * hostile_acts.h - a host whose every act is a byte of the input: honest messages, honest ones with
 * some bytes wrong, slots and indices that make no sense, old ones again, no answer for long, a
 * clock that jumps. Against the core in the fuzzer (hostile_host.c) and in a real virtual machine
 * (tests/hostile/vm_host.c). Wants `hp` (hostile_plat.h, or one with the same fields), make_report,
 * core_is_over, core_free and CANARY. Include it once.
 */
#ifndef TFAAS_TESTS_FUZZ_HOSTILE_ACTS_H
#define TFAAS_TESTS_FUZZ_HOSTILE_ACTS_H

#include "bhttp_stream.h"
#include "bundle.h"
#include "cbor.h"
#include "hpke.h"
#include "http_date.h"
#include "ohttp.h"
#include "package.h"
#include "ring.h"
#include "session.h"
#include "statement.h"

#define OPS_PER_TURN 12u
#define IDLE_TURNS   6u
#define KEPT_MAX     4u
#define FAULT_CODE   70

static struct host {
    struct cursor in;
    struct ring_tx tx;
    struct ring_rx rx;
    unsigned idle, acts;
    uint32_t id;
    uint64_t realtime_s;
    bool started, stopped, faulted;
    uint32_t high; /* c2h payload bytes that may hold something */
    /* of a worker */
    struct ohttp_key_config config;
    bool leased;
    struct {
        uint8_t bytes[1024];
        size_t size;
    } hello, certified, kept[KEPT_MAX]; /* kept: sealed requests, to be sent again */
    unsigned kept_count;
    uint8_t session_id[SESSION_ID_SIZE];
} host;

static uint8_t *bundle_plain, *bundle_js;
static size_t bundle_plain_size, bundle_js_size;
static uint8_t identity[32], identity_secret[64], worker_key[32], worker_secret[64];
static struct hpke_key_pair worker_kem, worker_request;
static unsigned long cases; /* acts of hosts, over all inputs */

/* --- what the core says --- */

static void look_for_secrets(const uint8_t *bytes, size_t size, const char *where)
{
    const uint8_t *at = memmem(bytes, size, CANARY, sizeof CANARY - 1);
    int which = -1;
    for (unsigned i = 0; i < hp.secret_count && !at; i++) {
        at = memmem(bytes, size, hp.secrets[i], SECRET_PART);
        which = (int)i;
    }
    if (at) {
        (void)fprintf(stderr, "secret %d (-1: the canary) at %zu of the %s\n", which,
                      (size_t)(at - bytes), where);
        abort();
    }
}

/* As a client would that the core has given a session. False: there is no key for one. */
static bool seal_session(struct span request, struct writer *w);
static void take_config(void);

static bool blames_the_host(const uint8_t *reason, size_t size)
{
    static const char *const fair[] = {"the host ", "no room for READY",
                                       "out of memory for a load bundle"};
    for (size_t i = 0; i < sizeof fair / sizeof *fair; i++)
        if (size >= strlen(fair[i]) && memcmp(reason, fair[i], strlen(fair[i])) == 0)
            return true;
    (void)fprintf(stderr, "FAULT \"%.*s\"\n", (int)size, (const char *)reason);
    return false;
}

/* Up to `most` messages. A host that broke the rings itself stops reading. */
static void drain(unsigned most)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    for (unsigned i = 0; i < most && ring_receive(&host.rx, &slot, payload) == TFAAS_OK; i++) {
        look_for_secrets(payload, slot.size, "payload of a message");
        if (slot.kind == TFAAS_FAULT) {
            host.faulted = true;
            if (!hp.forges && !blames_the_host(payload, slot.size))
                abort();
        }
        const bool kept = slot.id == TFAAS_OP_HELLO || slot.id == TFAAS_OP_HANDOVER_ASK ||
                          slot.id == TFAAS_OP_HANDOVER_GIVE;
        if (slot.kind == TFAAS_ANSWER && slot.arg[0] == TFAAS_OK && kept &&
            slot.size <= sizeof host.hello.bytes) {
            memcpy(host.hello.bytes, payload, slot.size);
            host.hello.size = slot.size;
        }
        if (slot.kind == TFAAS_ANSWER && slot.id == TFAAS_OP_LEASE && slot.arg[0] == TFAAS_OK)
            take_config();
        (void)ring_release(&host.rx);
    }
}

/* --- what the host sends --- */

static uint64_t take(unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | cursor_u8(&host.in);
    return value;
}

static uint64_t odd_number(void)
{
    static const uint64_t odd[] = {0,         1,          2,          255,        256,
                                   4095,      4096,       65535,      65536,      1u << 20,
                                   64u << 20, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX};
    const uint8_t which = cursor_u8(&host.in);
    return which & 0x80 ? take(which & 7u) : odd[which % (sizeof odd / sizeof *odd)];
}

static void send_slot(struct tfaas_slot slot, const void *bytes, size_t size)
{
    if (ring_send(&host.tx, &slot, bytes, size) == TFAAS_OK)
        (void)ring_flush(&host.tx);
}

/* Sends it as it is, or with some bytes wrong, shorter, or longer. */
static void send_mutated(struct tfaas_slot slot, const void *bytes, size_t size)
{
    static uint8_t copy[TFAAS_PAYLOAD_MAX];
    uint8_t how = cursor_u8(&host.in);
    if (size > sizeof copy)
        size = sizeof copy;
    if (size)
        memcpy(copy, bytes, size);
    if (how < 128) {
        send_slot(slot, copy, size);
        return;
    }
    for (unsigned i = 0; i < (how & 7u) && size > 0; i++)
        copy[take(2) % size] ^= (uint8_t)take(1);
    if (how & 8)
        size = take(2) % (size + 1);
    if (how & 16)
        size = size + 64 < sizeof copy ? size + take(1) % 64 : size;
    if (how & 32)
        slot.arg[take(1) % 6] = odd_number();
    send_slot(slot, copy, size);
}

static void send_call(enum tfaas_op op, const void *bytes, size_t size)
{
    send_slot(
        (struct tfaas_slot){.kind = TFAAS_CLOCK, .arg = {host.realtime_s * UINT64_C(1000000000)}},
        NULL, 0);
    send_mutated((struct tfaas_slot){.kind = TFAAS_CALL, .id = (uint32_t)op, .arg = {op}}, bytes,
                 size);
}

static void act_load(void)
{
    const uint8_t how = cursor_u8(&host.in);
    const uint8_t *bytes = how & 64 ? bundle_js : bundle_plain;
    const size_t size = how & 64 ? bundle_js_size : bundle_plain_size;
    const size_t first = how & 8 ? size : take(1) % (size + 1);
    const struct tfaas_slot slot = {.kind = TFAAS_LOAD,
                                    .id = how & 7u,
                                    .flags = how & 128 ? TFAAS_WANT_CACHE : 0,
                                    .arg = {size, 0}};
    send_mutated(slot, bytes, first);
    if (first < size && how & 16) {
        struct tfaas_slot rest = slot;
        rest.arg[1] = first;
        send_mutated(rest, bytes + first, size - first);
    }
}

static void act_invoke(void)
{
    static const char request[] = "\0\4POST\4http\4test\1/\0body";
    const uint8_t how = cursor_u8(&host.in);
    send_mutated((struct tfaas_slot){.kind = TFAAS_INVOKE,
                                     .flags = how & 1 ? TFAAS_LAST : 0,
                                     .id = how & 2 ? ++host.id % 300 : host.id % 300,
                                     .arg = {(how >> 2) & 7u, (uint64_t)(how >> 5) * 4000000,
                                             host.realtime_s * UINT64_C(1000000000)}},
                 request, sizeof request - 1);
}

static void act_stream(void)
{
    static const uint8_t content[3000] = "more";
    const uint8_t how = cursor_u8(&host.in);
    const uint32_t id = (host.id - (how >> 6)) % 300;
    if (how & 1)
        send_mutated((struct tfaas_slot){.kind = TFAAS_BODY,
                                         .flags = TFAAS_CREDIT,
                                         .id = id,
                                         .arg = {how & 2 ? 1u << 20 : odd_number()}},
                     NULL, 0);
    else if (how & 2)
        send_slot((struct tfaas_slot){.kind = TFAAS_CANCEL, .id = id}, NULL, 0);
    else
        send_mutated(
            (struct tfaas_slot){.kind = TFAAS_BODY, .flags = how & 4 ? TFAAS_LAST : 0, .id = id},
            content, how & 8 ? sizeof content : 4);
}

/* --- a worker's keys --- */

static void put_bytes(struct writer *w, unsigned key, const void *bytes, size_t size)
{
    cbor_put_uint(w, key);
    cbor_put_bytes(w, bytes, size);
}

/* What a keeper answers to the HELLO that came. */
static bool certify(void)
{
    uint8_t config[128], inner[STATEMENT_LEASE_SIZE_MAX], outer[STATEMENT_LEASE_SIZE_MAX], data[64];
    struct cursor c = cursor_of(host.hello.bytes, host.hello.size);
    struct plat_report report;
    struct span statement, signature, parts[2];
    struct lease_request asked;
    const char *why = "";
    (void)cbor_map(&c);
    for (unsigned i = 0; i < 2; i++) {
        (void)cbor_uint(&c);
        parts[i] = cbor_bytes(&c);
    }
    if (c.failed || parts[0].size != sizeof report ||
        envelope_split(parts[1], &statement, &signature, &why) != TFAAS_OK ||
        lease_request_read(statement, &asked, &why) != TFAAS_OK)
        return false;
    memcpy(&report, parts[0].data, sizeof report);
    host.config = (struct ohttp_key_config){
        .id = (uint8_t)asked.number, .aeads = {AEAD_CHACHA20_POLY1305}, .aead_count = 1};
    memcpy(host.config.public_key, asked.request_key.data, 32);
    struct writer cw = writer_of(config, sizeof config), iw = writer_of(inner, sizeof inner);
    struct writer ow = writer_of(outer, sizeof outer);
    ohttp_put_key_config(&cw, &host.config);
    const struct lease lease = {.domain = {(const uint8_t *)"shop", 4},
                                .instance = {report.instance, sizeof report.instance},
                                .number = asked.number,
                                .not_before = host.realtime_s,
                                .not_after = host.realtime_s + STATEMENT_LEASE_LIFE_S,
                                .key_configuration = {config, cw.at},
                                .receipt_key = asked.signing_key,
                                .measurement = {report.measurement, sizeof report.measurement},
                                .requests_max = STATEMENT_REQUESTS_PER_KEY};
    lease_write(&iw, &lease);
    envelope_write(&ow, (struct span){inner, iw.at}, identity_secret);
    statement_digest(data, STATEMENT_KEEPER_LABEL, (struct span){identity, 32},
                     (struct span){NULL, 0});
    make_report(&report, PLAT_KEEPER, "", data);
    struct writer w = writer_of(host.certified.bytes, sizeof host.certified.bytes);
    cbor_put_map(&w, 3);
    put_bytes(&w, 1, outer, ow.at);
    put_bytes(&w, 2, identity, 32);
    put_bytes(&w, 3, &report, sizeof report);
    host.certified.size = w.failed || iw.failed || ow.failed ? 0 : w.at;
    return host.certified.size > 0;
}

static void take_config(void)
{
    host.leased = true;
}

static void act_worker_call(void)
{
    static const uint8_t fresh[] = {0xa1, 0x01, 0xf5}, renew[] = {0xa1, 0x01, 0xf4};
    const uint8_t how = cursor_u8(&host.in);
    drain(how & 32 ? 64 : 0);
    if (how & 1)
        send_call(TFAAS_OP_HELLO, how & 2 ? fresh : renew, sizeof fresh);
    else if (host.hello.size > 0 && certify())
        send_call(TFAAS_OP_LEASE, host.certified.bytes, host.certified.size);
    else
        send_call((enum tfaas_op)(how >> 2), fresh, sizeof fresh);
}

static size_t plain_request(uint8_t *to, size_t capacity, uint8_t how)
{
    uint8_t fields[128], content[200];
    char date[HTTP_DATE_SIZE];
    struct writer w = writer_of(to, capacity), f = writer_of(fields, sizeof fields);
    static const struct span method = {(const uint8_t *)"POST", 4};
    static const struct span scheme = {(const uint8_t *)"https", 5};
    static const struct span authority = {(const uint8_t *)"example.com", 11};
    static const struct span path = {(const uint8_t *)"/function/f", 11};
    memset(content, '.', sizeof content);
    memcpy(content, CANARY, sizeof CANARY - 1);
    http_date_write(host.realtime_s + (how & 1 ? take(2) : 0), date);
    bhttp_put_field(&f, (struct span){(const uint8_t *)"date", 4},
                    (struct span){(const uint8_t *)date, sizeof date});
    if (how & 4)
        bhttp_put_field(&f, (struct span){(const uint8_t *)"tfaas-receipt", 13},
                        (struct span){(const uint8_t *)"1", 1});
    if (how & 8)
        bhttp_put_field(&f, (struct span){(const uint8_t *)"tfaas-session", 13},
                        (struct span){(const uint8_t *)"1", 1});
    bhttp_put_framing(&w, BHTTP_KNOWN_REQUEST);
    bhttp_put_request(&w, method, scheme, authority, path);
    bhttp_put_part(&w, (struct span){fields, f.at});
    bhttp_put_part(&w, (struct span){content, how & 2 ? sizeof content : sizeof CANARY - 1});
    return w.failed ? 0 : w.at;
}

static void act_sealed(void)
{
    static struct ohttp_exchange exchange;
    uint8_t plain[1024], sealed[1024];
    const uint8_t how = cursor_u8(&host.in);
    enum tfaas_sealing form = how & 4 ? TFAAS_SEALING_CHUNKED : TFAAS_SEALING_OHTTP;
    struct writer w = writer_of(sealed, sizeof sealed);
    if (how & 8 && host.kept_count > 0) { /* an old one again */
        const unsigned which = (how >> 4) % host.kept_count;
        memcpy(sealed, host.kept[which].bytes, w.at = host.kept[which].size);
    } else {
        const struct span request = {plain,
                                     plain_request(plain, sizeof plain, cursor_u8(&host.in))};
        struct ohttp_chunks chunks;
        if (how & 128 && seal_session(request, &w)) {
            form = TFAAS_SEALING_SESSION;
        } else if (form == TFAAS_SEALING_OHTTP) {
            if (ohttp_encapsulate_request(&exchange, &host.config, AEAD_CHACHA20_POLY1305,
                                          &ohttp_labels_standard, request, sealed, sizeof sealed,
                                          &w.at) != TFAAS_OK)
                return;
        } else if (ohttp_chunks_begin_request(&chunks, &exchange, &host.config,
                                              AEAD_CHACHA20_POLY1305, &ohttp_labels_chunked,
                                              &w) != TFAAS_OK ||
                   ohttp_chunks_seal(&chunks, request, true, &w) != TFAAS_OK) {
            return;
        }
        memcpy(host.kept[host.id % KEPT_MAX].bytes, sealed, w.at);
        host.kept[host.id % KEPT_MAX].size = w.at;
        host.kept_count = host.kept_count < KEPT_MAX ? host.id % KEPT_MAX + 1 : KEPT_MAX;
    }
    const size_t first = how & 64 ? w.at : take(1) % (w.at + 1);
    send_mutated((struct tfaas_slot){.kind = TFAAS_INVOKE,
                                     .flags = TFAAS_SEALED | (first == w.at ? TFAAS_LAST : 0),
                                     .id = ++host.id % 300,
                                     .arg = {how & 32 ? TFAAS_FUNCTION_ANY : how & 7u, 50000000,
                                             host.realtime_s * UINT64_C(1000000000), form}},
                 sealed, first);
    if (first < w.at)
        send_mutated(
            (struct tfaas_slot){.kind = TFAAS_BODY, .flags = TFAAS_LAST, .id = host.id % 300},
            sealed + first, w.at - first);
}

/* --- a keeper's --- */

static size_t worker_request_bytes(uint8_t *to, size_t capacity)
{
    uint8_t inner[256], outer[400], data[64];
    static const uint8_t zeros[32];
    struct plat_report report;
    const struct lease_request request = {.signing_key = {worker_key, 32},
                                          .kem_key = {worker_kem.public_key, 32},
                                          .request_key = {worker_request.public_key, 32},
                                          .number = 1,
                                          .previous = {zeros, 32}};
    struct writer iw = writer_of(inner, sizeof inner), ow = writer_of(outer, sizeof outer);
    struct writer w = writer_of(to, capacity);
    lease_request_write(&iw, &request);
    envelope_write(&ow, (struct span){inner, iw.at}, worker_secret);
    statement_digest(data, STATEMENT_WORKER_LABEL, request.signing_key, request.kem_key);
    make_report(&report, PLAT_WORKER, "shop", data);
    cbor_put_map(&w, 2);
    put_bytes(&w, 1, &report, sizeof report);
    put_bytes(&w, 2, outer, ow.at);
    return w.failed ? 0 : w.at;
}

static void act_keeper_call(void)
{
    uint8_t bytes[1024];
    struct writer w = writer_of(bytes, sizeof bytes);
    const uint8_t how = cursor_u8(&host.in), which = how % 12;
    static const uint8_t seal[32] = "a key that the host has, and may";
    drain(how & 128 ? 64 : 0);
    switch (which) {
    case 0:
        cbor_put_map(&w, 1);
        put_bytes(&w, 1, seal, sizeof seal);
        send_call(TFAAS_OP_KEEPER_START, bytes, w.at);
        return;
    case 1:
        cbor_put_map(&w, 1);
        put_bytes(&w, 1, seal, 8 + (how >> 4));
        send_call(TFAAS_OP_STATEMENT, bytes, w.at);
        return;
    case 2:
    case 3:
        cbor_put_map(&w, 1);
        cbor_put_uint(&w, 1);
        cbor_put_text(&w, "shop", how & 64 ? 4 : 3);
        send_call(TFAAS_OP_DOMAIN, bytes, w.at);
        return;
    case 4:
    case 5:
        send_call(TFAAS_OP_CERTIFY, bytes, worker_request_bytes(bytes, sizeof bytes));
        return;
    case 6:
        cbor_put_map(&w, 1);
        put_bytes(&w, 1, "instance-of-test", 16);
        send_call(TFAAS_OP_REVOKE, bytes, w.at);
        return;
    case 7: { /* a request to grant a header of zeros */
        const size_t size = worker_request_bytes(bytes, sizeof bytes);
        bytes[0] = 0xa3;
        w.at = size;
        cbor_put_uint(&w, 3);
        cbor_put_array(&w, 1);
        cbor_put_bytes(&w, seal, 32);
        send_call(TFAAS_OP_GRANT, bytes, w.at);
        return;
    }
    case 8:
        cbor_put_map(&w, 0);
        send_call(TFAAS_OP_SAVE, bytes, w.at);
        return;
    case 9:
        cbor_put_map(&w, 0);
        send_call(TFAAS_OP_HANDOVER_ASK, bytes, w.at);
        return;
    case 10:
        send_call(how & 64 ? TFAAS_OP_HANDOVER_GIVE : TFAAS_OP_HANDOVER_TAKE, host.hello.bytes,
                  host.hello.size);
        return;
    default:
        send_call((enum tfaas_op)(how >> 4), host.hello.bytes, host.hello.size);
    }
}

/* --- what no honest host does --- */

static void act_raw_slot(void)
{
    struct tfaas_slot slot = {.kind = (uint16_t)take(1), .flags = (uint16_t)take(1)};
    slot.kind = slot.kind < 200 ? slot.kind % 11 : slot.kind;
    slot.id = (uint32_t)odd_number();
    slot.offset = (uint32_t)odd_number();
    slot.size = (uint32_t)odd_number();
    const uint8_t set = cursor_u8(&host.in);
    for (unsigned i = 0; i < 6; i++)
        if (set >> i & 1)
            slot.arg[i] = odd_number();
    struct tfaas_window *window = (struct tfaas_window *)(void *)hp.window;
    struct tfaas_slot *slots = (struct tfaas_slot *)(void *)(hp.window + TFAAS_H2C_SLOTS_OFFSET);
    const uint32_t head = atomic_load(&window->h2c.head);
    slots[head % TFAAS_SLOTS] = slot;
    atomic_store(&window->h2c.head, head + 1);
    host.tx.head = host.tx.published = head + 1;
}

static void act_index(void)
{
    struct tfaas_window *window = (struct tfaas_window *)(void *)hp.window;
    _Atomic uint32_t *const places[] = {
        &window->h2c.head, &window->h2c.tail, &window->h2c.sleeping, &window->h2c.want_room,
        &window->c2h.head, &window->c2h.tail, &window->c2h.sleeping, &window->c2h.want_room};
    const uint8_t how = cursor_u8(&host.in);
    _Atomic uint32_t *place = places[how & 7u];
    if (how & 8) /* old slots again, or a few forgotten */
        atomic_store(place, atomic_load(place) + (uint32_t)(how >> 4) - 4);
    else
        atomic_store(place, (uint32_t)odd_number());
}

/* Any word but those of the core's own payloads, which it need not read. */
static void act_scribble(void)
{
    const size_t at = take(3) % (TFAAS_C2H_DATA_OFFSET / 4) * 4;
    const uint32_t word = (uint32_t)take(4);
    memcpy(hp.window + (at & 0x400 ? at : at % 8192), &word, sizeof word);
}

static void act_time(void)
{
    const uint8_t how = cursor_u8(&host.in);
    if (how & 1)
        hp.now_ns += how & 2 ? odd_number() >> 8 : take(4);
    if (how & 4)
        host.realtime_s = how & 8 ? odd_number() % (UINT64_C(1) << 34) : host.realtime_s + take(2);
    if (how & 16)
        send_slot((struct tfaas_slot){.kind = TFAAS_CLOCK, .arg = {odd_number()}}, NULL, 0);
}

static void act(void)
{
    cases++;
    const uint8_t what = cursor_u8(&host.in);
    switch (what % 20) {
    case 0:
    case 1:
    case 2:
        hp.role == PLAT_KEEPER ? act_keeper_call() : act_load();
        break;
    case 3:
    case 4:
    case 5:
        hp.role == PLAT_KEEPER ? act_keeper_call() : act_invoke();
        break;
    case 6:
    case 7:
        act_stream();
        break;
    case 8:
    case 9:
    case 10:
        hp.role == PLAT_KEEPER ? act_keeper_call() : act_worker_call();
        break;
    case 11:
    case 12:
    case 13:
        hp.role == PLAT_KEEPER ? act_keeper_call() : act_sealed();
        break;
    case 14:
        act_raw_slot();
        break;
    case 15:
        act_index();
        break;
    case 16:
        act_scribble();
        break;
    case 17:
        act_time();
        break;
    case 18:
        drain(what);
        break;
    default:
        if (what & 128)
            send_slot((struct tfaas_slot){.kind = TFAAS_UNLOAD, .id = what >> 4 & 7u}, NULL, 0);
        else
            hp.fail_in = 1 + cursor_u8(&host.in);
    }
}

static void host_turn(void)
{
    if (!host.started) {
        host.started = true;
        send_slot((struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
        return;
    }
    if (cursor_left(&host.in) == 0) {
        drain(512);
        hp.now_ns += 40000000;
        if (++host.idle > IDLE_TURNS) {
            hp.code = -1;
            core_is_over();
        }
        return;
    }
    const unsigned acts = 1 + cursor_u8(&host.in) % OPS_PER_TURN;
    for (unsigned i = 0; i < acts && cursor_left(&host.in) > 0; i++)
        act();
    hp.now_ns += 100000;
}

/* --- what it starts with --- */

static void make_bundle(const char *runtime, const char *entry, struct span content, uint8_t **out,
                        size_t *size)
{
    struct package_file file = {.path = {(const uint8_t *)entry, strlen(entry)},
                                .content = content};
    uint8_t *package;
    size_t package_size;
    const char *why = "";
    if (package_write(runtime, entry, &file, 1, &package, &package_size, &why) != TFAAS_OK)
        abort();
    const struct bundle bundle = {.package = {package, package_size},
                                  .name = {(const uint8_t *)"f", 1},
                                  .memory_limit = 4u << 20,
                                  .deadline_ns = 40000000,
                                  .response_limit = 1u << 20,
                                  .log_limit = 1000,
                                  .hostcall_limit = 1000};
    uint8_t *bytes;
    if (bundle_write(&bundle, &bytes, size) != TFAAS_OK)
        abort();
    *out = malloc(*size);
    memcpy(*out, bytes, *size);
    core_free(bytes);
    core_free(package);
}

static void make_keys(void)
{
    static const uint8_t seed[2][32] = {"identity of a keeper", "signing key of a worker"};
    (void)crypto_sign_seed_keypair(identity, identity_secret, seed[0]);
    (void)crypto_sign_seed_keypair(worker_key, worker_secret, seed[1]);
    hpke_key_pair_of(&worker_kem, seed[0]);
    hpke_key_pair_of(&worker_request, seed[1]);
}

#endif
