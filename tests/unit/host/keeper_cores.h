/*
 * keeper_cores.h - what the fake cores of tests/unit/host/keeper.c answer to CALL: real forms, and
 * whatever goes wrong on demand. Their threads read `cores`.
 */
#ifndef TFAAS_TEST_KEEPER_CORES_H
#define TFAAS_TEST_KEEPER_CORES_H

#include "../../../host/daemon/loop.h"
#include "../../../host/daemon/limits.h"
#include "../../tools/fake_core.h"

#include "cbor.h"
#include "sealed.h"
#include "statement.h"

#include <assert.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define REPORT 264u

static struct {
    _Atomic unsigned asked[TFAAS_OP_END]; /* how often each op came */
    _Atomic unsigned new_keys, restored;
    _Atomic unsigned wrong; /* this op gets an answer that is none */
    _Atomic unsigned fails, fail_status;
    _Atomic unsigned dies; /* the core is gone at this op, once */
    _Atomic unsigned key_life, lease_life;
    _Atomic bool seal_key_seen, state_opens;
} cores;

static uint64_t seconds(void)
{
    return loop_realtime_ns() / NS_PER_S;
}

static void key_pair(unsigned number, uint8_t public_key[32], uint8_t secret[64])
{
    uint8_t seed[32] = {(uint8_t)number, 1};
    (void)crypto_sign_seed_keypair(public_key, secret, seed);
}

static void put_envelope(struct writer *w, unsigned number, struct span statement)
{
    static _Thread_local uint8_t bytes[8192];
    uint8_t public_key[32], secret[64];
    struct writer envelope = writer_of(bytes, sizeof bytes);
    key_pair(number, public_key, secret);
    envelope_write(&envelope, statement, secret);
    assert(!envelope.failed);
    cbor_put_bytes(w, bytes, envelope.at);
}

static void put_report(struct writer *w, unsigned number)
{
    uint8_t report[REPORT] = {'T', 'F', 'L', 'R', 1};
    memset(report + 56, (int)number + 1, 16); /* the instance */
    cbor_put_bytes(w, report, sizeof report);
}

static void put_statement(struct writer *w, unsigned number, struct span request)
{
    uint8_t bytes[512], public_key[32], secret[64], filler[48] = {9};
    struct cursor c = cursor_of(request.data, request.size);
    struct span nonce = {NULL, 0};
    if (cbor_map(&c) == 1 && cbor_uint(&c) == 1)
        nonce = cbor_bytes(&c);
    key_pair(number, public_key, secret);
    const struct key_statement s = {.identity = {public_key, 32},
                                    .epoch = number,
                                    .not_before = seconds(),
                                    .not_after = seconds() + cores.key_life + cores.lease_life,
                                    .version = {(const uint8_t *)"fake", 4},
                                    .weights = {filler, 32},
                                    .measurement = {filler, 48},
                                    .key_life_s = cores.key_life,
                                    .lease_life_s = cores.lease_life,
                                    .replay_window_s = 120,
                                    .requests_per_key = 1000,
                                    .nonce = nonce};
    struct writer inner = writer_of(bytes, sizeof bytes);
    key_statement_write(&inner, &s);
    cbor_put_map(w, 2);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, bytes, inner.at);
    cbor_put_uint(w, 2);
    put_report(w, number);
}

static size_t make_lease(uint8_t *to, size_t capacity, unsigned number, const char *domain)
{
    uint8_t filler[48] = {9};
    static const uint8_t config[] = {7, 0, 0x20, 1, 2};
    const struct lease l = {.domain = {(const uint8_t *)domain, strlen(domain)},
                            .instance = {filler, 16},
                            .number = 1,
                            .not_before = seconds(),
                            .not_after = seconds() + cores.lease_life,
                            .key_configuration = {config, sizeof config},
                            .receipt_key = {filler, 32},
                            .measurement = {filler, 48},
                            .requests_max = 1000};
    uint8_t bytes[400], envelope[STATEMENT_LEASE_SIZE_MAX], public_key[32], secret[64];
    struct writer inner = writer_of(bytes, sizeof bytes),
                  outer = writer_of(envelope, sizeof envelope);
    lease_write(&inner, &l);
    key_pair(number, public_key, secret);
    envelope_write(&outer, (struct span){bytes, inner.at}, secret);
    assert(!inner.failed && !outer.failed && outer.at <= capacity);
    memcpy(to, envelope, outer.at);
    return outer.at;
}

static void put_domain(struct writer *w, unsigned number, struct span request)
{
    uint8_t bytes[2048], lease[STATEMENT_LEASE_SIZE_MAX], sealing[32] = {5};
    char domain[64];
    struct cursor c = cursor_of(request.data, request.size);
    (void)cbor_map(&c);
    (void)cbor_uint(&c);
    struct span name = cbor_text(&c);
    snprintf(domain, sizeof domain, "%.*s", (int)name.size, (const char *)name.data);
    struct domain_statement d = {.domain = name,
                                 .serial = 1,
                                 .not_before = seconds(),
                                 .not_after = seconds() + cores.key_life,
                                 .sealing_key = {sealing, 32}};
    if (cores.asked[TFAAS_OP_CERTIFY]) {
        d.leases[0] = (struct span){lease, make_lease(lease, sizeof lease, number, domain)};
        d.lease_count = 1;
    }
    struct writer inner = writer_of(bytes, sizeof bytes);
    domain_statement_write(&inner, &d);
    cbor_put_map(w, 1);
    cbor_put_uint(w, 1);
    put_envelope(w, number, (struct span){bytes, inner.at});
}

static void put_certified(struct writer *w, unsigned number)
{
    uint8_t lease[STATEMENT_LEASE_SIZE_MAX], public_key[32], secret[64];
    cbor_put_map(w, 3);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, lease, make_lease(lease, sizeof lease, number, "ns"));
    cbor_put_uint(w, 2);
    key_pair(number, public_key, secret);
    cbor_put_bytes(w, public_key, 32);
    cbor_put_uint(w, 3);
    put_report(w, number);
}

static void put_hello(struct writer *w, unsigned number, struct span request)
{
    struct cursor c = cursor_of(request.data, request.size);
    (void)cbor_map(&c);
    (void)cbor_uint(&c);
    cores.new_keys += cbor_bool(&c);
    cbor_put_map(w, 2);
    cbor_put_uint(w, 1);
    put_report(w, number);
    cbor_put_uint(w, 2);
    put_envelope(w, number, (struct span){(const uint8_t *)"request", 7});
}

static unsigned start_keeper(struct span request)
{
    struct cursor c = cursor_of(request.data, request.size);
    uint64_t pairs = cbor_map(&c);
    bool has_state = false;
    for (uint64_t i = 0; i < pairs; i++) {
        uint64_t key = cbor_uint(&c);
        struct span bytes = cbor_bytes(&c);
        cores.seal_key_seen |= key == 1 && bytes.size == 32;
        has_state |= key == 2;
    }
    cores.restored += has_state && cores.state_opens;
    return has_state && !cores.state_opens ? TFAAS_NOT_GRANTED : TFAAS_OK;
}

static void put_one(struct writer *w, const void *bytes, size_t size)
{
    cbor_put_map(w, 1);
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, bytes, size);
}

static unsigned serve(enum tender_role role, const char *domain, unsigned number, unsigned op,
                      struct span request, struct writer *w, bool *go_on)
{
    static const uint8_t some[SEALED_GRANT_SIZE] = {1, 2, 3};
    (void)domain;
    assert(op < TFAAS_OP_END && (role == TENDER_KEEPER) == (op < TFAAS_OP_HELLO));
    cores.asked[op]++;
    if (cores.dies == op) {
        cores.dies = 0;
        *go_on = false;
        return 0;
    }
    if (cores.wrong == op) {
        cores.wrong = 0;
        writer_put(w, "\xa1\x02\x40", 3);
        return TFAAS_OK;
    }
    if (cores.fails == op) {
        writer_put(w, "because\x02", 8);
        return cores.fail_status;
    }
    switch (op) {
    case TFAAS_OP_KEEPER_START:
        return start_keeper(request);
    case TFAAS_OP_STATEMENT:
        put_statement(w, number, request);
        break;
    case TFAAS_OP_DOMAIN:
        put_domain(w, number, request);
        break;
    case TFAAS_OP_CERTIFY:
        put_certified(w, number);
        break;
    case TFAAS_OP_GRANT:
        cbor_put_map(w, 1);
        cbor_put_uint(w, 1);
        cbor_put_array(w, 1);
        cbor_put_bytes(w, some, sizeof some);
        break;
    case TFAAS_OP_SAVE:
        put_one(w, "saved state", 11);
        break;
    case TFAAS_OP_HELLO:
        put_hello(w, number, request);
        break;
    default:
        cbor_put_map(w, 0);
    }
    return TFAAS_OK;
}

#endif
