/*
 * sealed_replay.c - what must not be served twice, late, damaged or to somebody else: replays under
 * every clock a host may tell, flipped bytes, cut and reordered chunks, sequences of sessions.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c tests/support/sealed_test.c tests/support/identity_double.c flags: -Wl,--wrap=identity_key,--wrap=identity_signing_secret,--wrap=identity_lease,--wrap=identity_instance */
/* clang-format on */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sealed_test.h"

#include <stdlib.h>
#include <time.h>

#define TEN_YEARS_S 315360000u

static const char *const with_canary[] = {"x-secret", CANARY, NULL};

static struct exchange request(enum tfaas_sealing form, uint64_t date_s)
{
    struct exchange x = {.call = {.form = form,
                                  .path = "/function/echo",
                                  .fields = with_canary,
                                  .body = CANARY,
                                  .body_size = sizeof CANARY - 1,
                                  .date_s = date_s}};
    sealed_prepare(&x);
    return x;
}

/* Sends it once more, as the host that kept it. */
static void again(const struct exchange *first, uint64_t told_s, tfaas_status_t status)
{
    struct exchange x = {.call = first->call};
    x.call.told_s = told_s;
    sealed_refused(&x, ECHO, status);
    core_answer_free(&x.answer.core);
    client_free(&(struct client_call){.sealed = NULL}, &x.reply);
}

static void serve(struct exchange *x)
{
    sealed_expect(x, ECHO, 200, CANARY);
}

/* --- replays --- */

static void same_bytes_twice(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = request(form, 0);
        serve(&x);
        for (unsigned i = 0; i < 3; i++)
            again(&x, 0, TFAAS_REPLAYED);
        sealed_done(&x);
    }
}

/* Another request under the same `enc`: whoever encapsulated it broke a rule. */
static void same_enc_twice(void)
{
    struct exchange x = request(TFAAS_SEALING_OHTTP, 0);
    serve(&x);
    struct hpke_key_pair ephemeral;
    uint8_t plain[200];
    for (unsigned i = 0; i < 2; i++) {
        struct exchange y = request(TFAAS_SEALING_OHTTP, 0);
        free(y.call.sealed);
        y.call.sealed = malloc(2048);
        struct writer out = writer_of(y.call.sealed, 2048);
        static const char head[] = "\0\3GET\5https\1a\016/function/echo";
        struct writer w = writer_of(plain, sizeof plain);
        writer_put(&w, head, sizeof head - 1);
        char date[30];
        time_t now = (time_t)client_now_s() + i; /* another content */
        (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
        writer_u8(&w, 1 + 4 + 1 + 29);
        writer_vector(&w, "date", 4);
        writer_vector(&w, date, 29);
        if (i == 0)
            hpke_generate_key_pair(&ephemeral);
        if (ohttp_begin_request_with(&y.call.exchange, &sealed_config, AEAD_CHACHA20_POLY1305,
                                     &ohttp_labels_standard, &ephemeral, &out) != TFAAS_OK ||
            ohttp_seal_request(&y.call.exchange, (struct span){plain, w.at}, &out) != TFAAS_OK)
            CHECK(false, "cannot seal");
        y.call.sealed_size = out.at;
        if (i == 0)
            sealed_expect(&y, ECHO, 200, NULL);
        else
            sealed_refused(&y, ECHO, TFAAS_REPLAYED);
        sealed_done(&y);
    }
    sealed_done(&x);
}

/* Each with a core of its own: its clock never goes back. */
static void clocks(void)
{
    uint64_t now = client_now_s();
    for (unsigned form = 1; form <= FORMS; form++) {
        sealed_test_stop();
        sealed_test_start("shop");
        struct exchange x = request(form, now);
        serve(&x);
        again(&x, now - TEN_YEARS_S, TFAAS_REPLAYED);
        again(&x, now, TFAAS_REPLAYED);
        again(&x, now + 119, TFAAS_REPLAYED);
        /* Too late for its date: refused in the open, to whoever sealed it; and never again. */
        const uint64_t later[] = {now + 10000, now, now - TEN_YEARS_S, now + TEN_YEARS_S};
        for (unsigned i = 0; i < 4; i++) {
            struct exchange late = {.call = x.call};
            late.call.told_s = later[i];
            sealed_expect(&late, ECHO, 400, "http-problem-types#date");
            CHECK(!strstr((char *)late.reply.content, CANARY), "%s", late.reply.content);
            core_answer_free(&late.answer.core);
            client_free(&(struct client_call){.sealed = NULL}, &late.reply);
        }
        sealed_done(&x);
    }
}

static void dates(void)
{
    uint64_t now = client_now_s();
    sealed_test_stop();
    sealed_test_start("shop");
    const struct {
        uint64_t date_s;
        unsigned http_status;
    } cases[] = {{now, 200},       {now - 110, 200}, {now + 110, 200}, {now - 125, 400},
                 {now + 135, 400}, {1, 400},         {DATE_NONE, 400}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned form = 1; form <= FORMS; form++) {
            struct exchange x = request(form, cases[i].date_s);
            sealed_expect(&x, ECHO, cases[i].http_status, NULL);
            CHECK(cases[i].http_status == 200 || strstr(x.reply.fields, "\ndate: "), "%s",
                  x.reply.fields);
            sealed_done(&x);
        }
    static const char *const bad[] = {"Sunday, 06-Nov-94 08:49:37 GMT", "", "yesterday",
                                      "Sun Nov  6 08:49:37 1994"};
    for (unsigned i = 0; i < 4; i++) {
        const char *const fields[] = {"date", bad[i], NULL};
        struct exchange x = {.call = {.form = TFAAS_SEALING_OHTTP,
                                      .path = "/function/echo",
                                      .fields = fields,
                                      .date_s = i % 2 ? DATE_NONE : 0}};
        sealed_expect(&x, ECHO, 400, "#date");
        sealed_done(&x);
    }
}

/* --- damage --- */

/* Every byte of a small request, one bit each. Nothing comes back but END, and none of the
 * forgeries takes the place of the genuine one. */
static void flipped_bytes(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = request(form, 0);
        size_t id_size = form == TFAAS_SEALING_SESSION ? SESSION_ID_SIZE : OHTTP_HEADER_SIZE;
        for (size_t at = 0; at < x.call.sealed_size; at++) {
            struct exchange forged = {.call = x.call};
            uint8_t bit = (uint8_t)(1u << at % 8);
            x.call.sealed[at] ^= bit;
            sealed_refused(&forged, ECHO,
                           at >= id_size                   ? TFAAS_NOT_OPENED
                           : form == TFAAS_SEALING_SESSION ? TFAAS_SESSION_UNKNOWN
                           : at == 6 && bit == 0x40        ? TFAAS_KEY_UNKNOWN
                                                           : TFAAS_KEY_UNKNOWN);
            x.call.sealed[at] ^= bit;
            core_answer_free(&forged.answer.core);
            client_free(&(struct client_call){.sealed = NULL}, &forged.reply);
        }
        serve(&x);
        sealed_done(&x);
    }
}

/* AES for ChaCha20 in the header: known, but not what it was sealed with. */
static void other_suite(void)
{
    struct exchange x = request(TFAAS_SEALING_OHTTP, 0);
    x.call.sealed[6] = AEAD_AES_256_GCM;
    sealed_refused(&x, ECHO, TFAAS_NOT_OPENED);
    sealed_done(&x);
}

/* A request may not pass for one of another form. */
static void other_form(void)
{
    for (unsigned form = 1; form <= FORMS; form++)
        for (unsigned as = 1; as <= FORMS; as++) {
            if (as == form)
                continue;
            struct exchange x = request(form, 0);
            struct exchange other = {.call = x.call};
            other.call.form = as;
            other.call.session = &sealed_session;
            sealed_exchange(&other, ECHO);
            CHECK(other.answer.core.status == TFAAS_NOT_OPENED ||
                      other.answer.core.status == TFAAS_KEY_UNKNOWN ||
                      other.answer.core.status == TFAAS_SESSION_UNKNOWN,
                  "%s as %s: %s", sealed_form_name(form), sealed_form_name(as),
                  tfaas_status_name(other.answer.core.status));
            CHECK(other.answer.core.size == 0, "%zu bytes", other.answer.core.size);
            core_answer_free(&other.answer.core);
            client_free(&(struct client_call){.sealed = NULL}, &other.reply);
            sealed_done(&x);
        }
}

/* Cut anywhere: never an answer that says 200 and opens. */
static void truncated(void)
{
    for (unsigned form = 1; form <= FORMS; form++) {
        struct exchange x = {.call = {.form = form,
                                      .path = "/function/echo",
                                      .fields = with_canary,
                                      .body = CANARY CANARY CANARY,
                                      .body_size = 3 * (sizeof CANARY - 1),
                                      .chunk_size = 60}};
        sealed_prepare(&x);
        for (size_t size = 0; size < x.call.sealed_size; size++) {
            struct exchange cut = {.call = x.call};
            cut.call.sealed_size = size;
            sealed_exchange(&cut, ECHO);
            CHECK(!cut.reply.opened || cut.reply.http_status == 400, "%s, %zu of %zu bytes: %u",
                  sealed_form_name(form), size, x.call.sealed_size, cut.reply.http_status);
            CHECK(cut.reply.opened || cut.answer.core.status != TFAAS_OK,
                  "%zu of %zu bytes of %s: %s", size, x.call.sealed_size, sealed_form_name(form),
                  cut.reply.why);
            core_answer_free(&cut.answer.core);
            client_free(&(struct client_call){.sealed = NULL}, &cut.reply);
            if (form != TFAAS_SEALING_OHTTP && cut.reply.opened) {
                /* It was accepted and failed later: a new one, or all others are replays. */
                sealed_done(&x);
                sealed_prepare(&x);
            }
        }
        sealed_done(&x);
    }
}

struct chunk {
    size_t at, size;
};

static size_t find_chunks(const struct client_call *call, struct chunk *chunks, size_t most)
{
    size_t head = call->form == TFAAS_SEALING_SESSION ? SESSION_REQUEST_HEAD
                                                      : OHTTP_HEADER_SIZE + HPKE_ENC_SIZE;
    struct cursor c = cursor_of(call->sealed, call->sealed_size);
    (void)cursor_take(&c, head);
    size_t count = 0;
    while (count < most) {
        size_t at = c.at;
        uint64_t size = cursor_varint(&c);
        (void)cursor_take(&c, size ? size : cursor_left(&c));
        chunks[count++] = (struct chunk){at, c.at - at};
        if (size == 0)
            break;
    }
    return count;
}

/* Two chunks change places, one is left out, one comes twice, the last one is left out. */
static void reordered_chunks(void)
{
    static uint8_t body[900], bytes[8192];
    memset(body, 'b', sizeof body);
    for (unsigned n = 0; n < 2 * 4; n++) {
        struct exchange x = {.call = {.form = n % 2 ? TFAAS_SEALING_SESSION : TFAAS_SEALING_CHUNKED,
                                      .path = "/function/echo",
                                      .body = body,
                                      .body_size = sizeof body,
                                      .chunk_size = 300}};
        struct chunk chunks[8];
        sealed_prepare(&x);
        size_t count = find_chunks(&x.call, chunks, 8), at = chunks[0].at;
        CHECK(count == 4, "%zu chunks", count);
        static const unsigned orders[4][6] = {
            {0, 2, 1, 3, 9}, {0, 2, 3, 9}, {0, 1, 1, 2, 3, 9}, {0, 1, 2, 9}};
        memcpy(bytes, x.call.sealed, at);
        for (const unsigned *o = orders[n / 2]; *o != 9; o++) {
            memcpy(bytes + at, x.call.sealed + chunks[*o].at, chunks[*o].size);
            at += chunks[*o].size;
        }
        struct exchange other = {.call = x.call};
        other.call.sealed = bytes;
        other.call.sealed_size = at;
        sealed_exchange(&other, ECHO);
        CHECK(other.reply.opened ? other.reply.http_status == 400
                                 : other.answer.core.status == TFAAS_NOT_OPENED,
              "order %u: %u, %s", n / 2, other.reply.http_status,
              tfaas_status_name(other.answer.core.status));
        core_answer_free(&other.answer.core);
        client_free(&(struct client_call){.sealed = NULL}, &other.reply);
        sealed_done(&x);
    }
}

/* --- keys and leases --- */

static void wrong_key(void)
{
    struct exchange x = {.call = {.form = TFAAS_SEALING_OHTTP, .path = "/function/echo"}};
    struct ohttp_key_config other = sealed_config;
    struct hpke_key_pair pair;
    hpke_generate_key_pair(&pair);
    memcpy(other.public_key, pair.public_key, 32);
    client_seal(&x.call, &other);
    sealed_refused(&x, ECHO, TFAAS_NOT_OPENED);
    sealed_done(&x);
    other = sealed_config;
    other.id++;
    for (unsigned form = TFAAS_SEALING_OHTTP; form <= TFAAS_SEALING_CHUNKED; form++) {
        struct exchange y = {.call = {.form = form, .path = "/function/echo"}};
        client_seal(&y.call, &other);
        sealed_refused(&y, ECHO, TFAAS_KEY_UNKNOWN);
        sealed_done(&y);
    }
}

/* --- sessions --- */

static struct exchange numbered(uint64_t sequence)
{
    struct exchange x = {.call = {.form = TFAAS_SEALING_SESSION,
                                  .path = "/function/echo",
                                  .body = CANARY,
                                  .body_size = sizeof CANARY - 1}};
    client_seal_session(&x.call, &sealed_session, sequence);
    return x;
}

static void sequences(void)
{
    sealed_test_stop();
    sealed_test_start("shop");
    static const struct {
        uint64_t sequence;
        bool served;
    } steps[] = {{5, true},     {5, false},    {3, true},    {4, true},     {4, false},
                 {1, true},     {1030, true},  {6, false},   {7, true},     {7, false},
                 {1029, true},  {1030, false}, {5000, true}, {3976, false}, {3977, true},
                 {5000, false}, {1, false},    {6000, true}, {5000, false}};
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct exchange x = numbered(steps[i].sequence);
        if (steps[i].served)
            sealed_expect(&x, ECHO, 200, CANARY);
        else
            sealed_refused(&x, ECHO, TFAAS_REPLAYED);
        sealed_done(&x);
    }
    struct exchange last = numbered(UINT64_MAX);
    sealed_expect(&last, ECHO, 200, CANARY);
    sealed_done(&last);
}

/* A session is of its core: the same key in another core, of another domain, knows nothing. */
static void session_of_another_core(void)
{
    struct client_session of_shop = sealed_session;
    sealed_test_stop();
    sealed_test_start("bank");
    struct client_session of_bank = sealed_session;
    sealed_session = of_shop;
    struct exchange x = numbered(0);
    sealed_refused(&x, ECHO, TFAAS_SESSION_UNKNOWN);
    sealed_done(&x);
    sealed_session = of_bank;
    struct exchange y = numbered(0);
    sealed_expect(&y, ECHO, 200, CANARY);
    sealed_done(&y);
    struct exchange wrong = {.call = {.form = TFAAS_SEALING_OHTTP, .path = "/function/echo.shop"}};
    sealed_expect(&wrong, ECHO, 421, NULL);
    sealed_done(&wrong);
    sealed_test_stop();
    sealed_test_start("shop");
}

static void session_with_a_wrong_secret(void)
{
    struct client_session right = sealed_session;
    sealed_session.secret[0] ^= 1;
    struct exchange x = numbered(77);
    sealed_refused(&x, ECHO, TFAAS_NOT_OPENED);
    sealed_done(&x);
    sealed_session = right;
    struct exchange y = numbered(77);
    sealed_expect(&y, ECHO, 200, CANARY);
    sealed_done(&y);
}

/* A key that has ended takes its sessions along; without any lease the status says so. */
static void ended_keys(void)
{
    sealed_test_stop();
    struct request_key *key = identity_double_key();
    struct exchange before = request(TFAAS_SEALING_OHTTP, 0);
    uint8_t id = key->id;
    key->id = (uint8_t)(id + 1); /* the fork has another id: the old one is unknown there */
    sealed_config.id = key->id;
    sealed_test_start("shop");
    sealed_refused(&before, ECHO, TFAAS_KEY_UNKNOWN);
    sealed_done(&before);
    key->id = sealed_config.id = id;
    sealed_test_stop();
    sealed_test_start("shop");
}

/* What is opened counts against the lease's number of requests. */
static void spent_key(void)
{
    struct request_key *key = identity_double_key();
    uint64_t left = key->requests_left;
    sealed_test_stop();
    key->requests_left = 3; /* one goes for the session at the start */
    sealed_test_start("shop");
    for (unsigned i = 0; i < 4; i++) {
        struct exchange x = request(1 + i % 2, 0);
        if (i < 2)
            serve(&x);
        else
            sealed_refused(&x, ECHO, TFAAS_KEY_UNKNOWN);
        sealed_done(&x);
    }
    key->requests_left = left;
    sealed_test_stop();
    sealed_test_start("shop");
}

static void nothing_leaked(void)
{
    CHECK(sealed_leaks == 0, "%u payloads held plaintext", sealed_leaks);
}

int main(int argc, char **argv)
{
    sealed_test_prepare();
    sealed_test_start("shop");
    static const struct check_case cases[] = {
        {"same bytes twice", same_bytes_twice},
        {"same enc twice", same_enc_twice},
        {"clocks", clocks},
        {"dates", dates},
        {"flipped bytes", flipped_bytes},
        {"other suite", other_suite},
        {"other form", other_form},
        {"truncated", truncated},
        {"reordered chunks", reordered_chunks},
        {"wrong key", wrong_key},
        {"sequences", sequences},
        {"session of another core", session_of_another_core},
        {"session with a wrong secret", session_with_a_wrong_secret},
        {"ended keys", ended_keys},
        {"spent key", spent_key},
        {"nothing leaked", nothing_leaked},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    sealed_test_stop();
    return status;
}
