/* needs: common/ohttp_chunked.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c libs: sodium jansson crypto */
/*
 * ohttp_chunked.c - tests of common/ohttp_chunked.c: the draft's example to the last byte, streams
 * in pieces of any size, and messages that are cut, changed, reordered or too large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include "aes128.h"
#include "ohttp_chunked.h"
#include "vectors.h"

static struct hpke_key_pair pair;
static struct ohttp_key_config config = {.id = 3};
static uint8_t *buffer; /* of exactly OHTTP_CHUNK_BUFFER_SIZE */

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t aead)
{
    (void)user;
    (void)aead;
    return key_id == config.id ? &pair : NULL;
}

static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return -1;
    buffer = malloc(OHTTP_CHUNK_BUFFER_SIZE);
    hpke_generate_key_pair(&pair);
    memcpy(config.public_key, pair.public_key, HPKE_PUBLIC_SIZE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    free(buffer);
    return 0;
}

/* --- the draft's example --- */

static void check_example_response(const json_t *v, struct ohttp_exchange *x)
{
    struct ohttp_chunks c;
    uint8_t out[128];
    struct span response = vectors_hex(v, "bhttp_response");
    struct span want = vectors_hex(v, "encapsulated_response");
    struct writer w = writer_of(out, sizeof(out));
    assert_int_equal(
        ohttp_chunks_begin_response_with(&c, x, vectors_hex(v, "response_nonce").data, &w),
        TFAAS_OK);
    assert_memory_equal(c.key.key, vectors_hex(v, "aead_key").data, 16);
    assert_memory_equal(c.key.nonce, vectors_hex(v, "aead_nonce").data, 12);
    const json_t *sizes = json_object_get(v, "response_chunks");
    for (size_t i = 0, at = 0; i < json_array_size(sizes); i++) {
        size_t size = (size_t)json_integer_value(json_array_get(sizes, i));
        struct span chunk = {response.data + at, size};
        uint8_t nonce[12];
        bool final = i + 1 == json_array_size(sizes);
        memcpy(nonce, c.key.nonce, 12);
        nonce[11] ^= (uint8_t)i;
        writer_varint(&w, final ? 0 : size + 16);
        aes128_seal(c.key.key, nonce, vectors_text(final ? "final" : ""), chunk, out + w.at);
        w.at += size + 16;
        at += size;
    }
    assert_int_equal(w.at, want.size);
    assert_memory_equal(out, want.data, want.size);
}

static void test_draft_example(void **state)
{
    (void)state;
    json_t *v = vectors_load("tests/vectors/hpke/chunked-ohttp.json");
    struct ohttp_key_config example;
    struct hpke_key_pair ephemeral;
    struct ohttp_exchange x;
    struct ohttp_chunks c;
    const char *why;
    uint8_t out[256];
    assert_int_equal(ohttp_read_key_config(vectors_hex(v, "key_config"), &example, &why), TFAAS_OK);
    hpke_key_pair_of(&ephemeral, vectors_hex(v, "skE").data);
    struct writer w = writer_of(out, sizeof(out));
    assert_int_equal(ohttp_chunks_begin_request_with(&c, &x, &example, AEAD_AES_128_GCM,
                                                     &ohttp_labels_chunked, &ephemeral, &w),
                     TFAAS_OK);
    struct span request = vectors_hex(v, "bhttp_request");
    struct span want = vectors_hex(v, "encapsulated_request");
    const json_t *sizes = json_object_get(v, "request_chunks");
    for (size_t i = 0, at = 0; i < json_array_size(sizes); i++) {
        size_t size = (size_t)json_integer_value(json_array_get(sizes, i));
        struct span chunk = {request.data + at, size};
        uint8_t nonce[12];
        bool final = i + 1 == json_array_size(sizes);
        memcpy(nonce, x.hpke.base_nonce, 12);
        nonce[11] ^= (uint8_t)i;
        writer_varint(&w, final ? 0 : size + 16);
        aes128_seal(x.hpke.key, nonce, vectors_text(final ? "final" : ""), chunk, out + w.at);
        w.at += size + 16;
        at += size;
    }
    assert_int_equal(w.at, want.size);
    assert_memory_equal(out, want.data, want.size);
    uint8_t secret[16];
    assert_int_equal(
        hpke_export(&x.hpke, vectors_text("message/bhttp chunked response"), secret, 16), TFAAS_OK);
    assert_memory_equal(secret, vectors_hex(v, "export_secret").data, 16);
    check_example_response(v, &x);
    json_decref(v);
}

/* --- streams --- */

struct message {
    uint8_t *data;
    size_t size, chunk_at[8]; /* where the first chunks begin */
};

static void seal(struct ohttp_chunks *c, struct writer *w, struct message *m, struct span plain,
                 size_t chunk_size)
{
    size_t count = 0;
    for (size_t at = 0;;) {
        size_t part = plain.size - at < chunk_size ? plain.size - at : chunk_size;
        bool final = at + part == plain.size;
        if (count < 8)
            m->chunk_at[count++] = w->at;
        assert_int_equal(ohttp_chunks_seal(c, (struct span){plain.data + at, part}, final, w),
                         TFAAS_OK);
        at += part;
        if (final)
            break;
    }
    assert_int_equal(ohttp_chunks_seal(c, plain, true, w), TFAAS_BAD_REQUEST); /* it is over */
    m->size = w->at;
}

static struct message seal_request(struct ohttp_exchange *x, uint16_t aead, struct span plain,
                                   size_t chunk_size)
{
    struct ohttp_chunks c;
    size_t room =
        OHTTP_CHUNKED_HEAD_MAX + plain.size + (plain.size / chunk_size + 1) * OHTTP_CHUNK_OVERHEAD;
    struct message m = {.data = malloc(room)};
    struct writer w = writer_of(m.data, room);
    assert_int_equal(ohttp_chunks_begin_request(&c, x, &config, aead, &ohttp_labels_chunked, &w),
                     TFAAS_OK);
    seal(&c, &w, &m, plain, chunk_size);
    ohttp_chunks_wipe(&c);
    return m;
}

static struct message seal_response(struct ohttp_exchange *x, struct span plain, size_t chunk_size)
{
    struct ohttp_chunks c;
    size_t room =
        OHTTP_NONCE_MAX + plain.size + (plain.size / chunk_size + 1) * OHTTP_CHUNK_OVERHEAD;
    struct message m = {.data = malloc(room)};
    struct writer w = writer_of(m.data, room);
    assert_int_equal(ohttp_chunks_begin_response(&c, x, &w), TFAAS_OK);
    seal(&c, &w, &m, plain, chunk_size);
    ohttp_chunks_wipe(&c);
    return m;
}

struct opened {
    tfaas_status_t status;
    bool whole;
    size_t size;
    uint8_t data[100000];
    const char *why;
};

/* Feeds pieces of that size, each from memory of its own. The end is told with the last piece, or
 * on its own when `end_alone`. */
static void feed(struct ohttp_chunks *c, const uint8_t *data, size_t size, size_t piece,
                 bool end_alone, struct opened *o)
{
    *o = (struct opened){.status = TFAAS_OK};
    for (size_t at = 0; o->status == TFAAS_OK && !o->whole;) {
        size_t part = size - at < piece ? size - at : piece;
        bool last = at + part == size && !(end_alone && part > 0);
        uint8_t *copy = vectors_copy((struct span){data + at, part});
        struct cursor in = cursor_of(copy, part);
        enum ohttp_chunk_event event;
        do {
            struct span plain;
            o->status = ohttp_chunks_open(c, &in, last, &event, &plain, &o->why);
            if (o->status != TFAAS_OK)
                break;
            memcpy(o->data + o->size, plain.data ? plain.data : copy, plain.size);
            o->size += plain.size;
            o->whole = event == OHTTP_CHUNK_FINAL;
        } while (event == OHTTP_CHUNK_DATA);
        if (o->status == TFAAS_OK)
            assert_int_equal(cursor_left(&in), 0);
        free(copy);
        at += part;
    }
    assert_true(o->status == TFAAS_OK ? o->whole : o->why != NULL);
}

static void open_request(struct ohttp_exchange *x, const uint8_t *data, size_t size, size_t piece,
                         struct opened *o)
{
    struct ohttp_chunks c;
    ohttp_chunks_await_request(&c, x, &ohttp_labels_chunked, find, NULL, buffer);
    feed(&c, data, size, piece, piece % 2, o);
    ohttp_chunks_wipe(&c);
}

static void open_response(struct ohttp_exchange *x, const uint8_t *data, size_t size, size_t piece,
                          struct opened *o)
{
    struct ohttp_chunks c;
    ohttp_chunks_await_response(&c, x, buffer);
    feed(&c, data, size, piece, piece % 2, o);
    ohttp_chunks_wipe(&c);
}

static struct opened o;

static void check_stream(uint16_t aead, size_t size, size_t chunk_size, size_t piece)
{
    struct ohttp_exchange client, server;
    uint8_t *plain = malloc(size + 1);
    randombytes_buf(plain, size);
    struct message q = seal_request(&client, aead, (struct span){plain, size}, chunk_size);
    open_request(&server, q.data, q.size, piece, &o);
    assert_int_equal(o.status, TFAAS_OK);
    assert_int_equal(o.size, size);
    assert_memory_equal(o.data, plain, size);
    struct message a = seal_response(&server, (struct span){plain, size}, chunk_size);
    open_response(&client, a.data, a.size, piece, &o);
    assert_int_equal(o.status, TFAAS_OK);
    assert_int_equal(o.size, size);
    assert_memory_equal(o.data, plain, size);
    free(plain);
    free(q.data);
    free(a.data);
}

static void test_streams(void **state)
{
    (void)state;
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++) {
        if (!aead_available(aead))
            continue;
        for (size_t piece = 1; piece < 70; piece++)
            check_stream(aead, 100, 30, piece);
        check_stream(aead, 0, 30, 7);
        check_stream(aead, 40, 40, 1000);
        check_stream(aead, 50000, OHTTP_CHUNK_MAX, 4096);
        check_stream(aead, OHTTP_CHUNK_MAX, OHTTP_CHUNK_MAX, 100000);
        check_stream(aead, 90000, 5000, 100000);
    }
}

/* --- what must fail --- */

static void test_truncation(void **state)
{
    (void)state;
    struct ohttp_exchange client, server;
    struct message q = seal_request(&client, AEAD_CHACHA20_POLY1305, vectors_text("0123456789"), 4);
    open_request(&server, q.data, q.size, 5, &o);
    assert_true(o.whole);
    struct message a = seal_response(&server, vectors_text("0123456789"), 4);
    for (size_t cut = 0; cut < q.size; cut++)
        for (size_t piece = 1; piece < 100; piece += 33) {
            open_request(&server, q.data, cut, piece, &o);
            assert_int_equal(o.status, TFAAS_BAD_REQUEST);
            assert_false(o.whole);
        }
    for (size_t cut = 0; cut < a.size; cut++)
        for (size_t piece = 1; piece < 100; piece += 33) {
            open_response(&client, a.data, cut, piece, &o);
            assert_int_equal(o.status, TFAAS_BAD_REQUEST);
            assert_false(o.whole);
        }
    free(q.data);
    free(a.data);
}

static void test_changes(void **state)
{
    (void)state;
    struct ohttp_exchange client, server;
    struct message q = seal_request(&client, AEAD_CHACHA20_POLY1305, vectors_text("0123456789"), 4);
    open_request(&server, q.data, q.size, 5, &o);
    struct message a = seal_response(&server, vectors_text("0123456789"), 4);
    struct ohttp_exchange other = server;
    for (size_t bit = 0; bit < q.size * 8; bit++) {
        q.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        open_request(&other, q.data, q.size, 1000, &o);
        assert_int_not_equal(o.status, TFAAS_OK);
        assert_int_equal(o.status == TFAAS_NOT_FOUND, bit < 8);
        q.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < a.size * 8; bit++) {
        a.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        open_response(&client, a.data, a.size, 1000, &o);
        assert_int_not_equal(o.status, TFAAS_OK);
        a.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(q.data);
    free(a.data);
}

/* Chunks "0123", "4567" and the final "89": dropped, doubled, exchanged, or the wrong one last. */
static void test_order(void **state)
{
    (void)state;
    struct ohttp_exchange client, server;
    struct message q = seal_request(&client, AEAD_CHACHA20_POLY1305, vectors_text("0123456789"), 4);
    open_request(&server, q.data, q.size, 5, &o);
    struct message a = seal_response(&server, vectors_text("0123456789"), 4);
    for (int role = 0; role < 2; role++) {
        const struct message *m = role ? &a : &q;
        const size_t *at = m->chunk_at;
        const struct span one = {m->data + at[0], at[1] - at[0]};
        const struct span two = {m->data + at[1], at[2] - at[1]};
        const struct span last = {m->data + at[2], m->size - at[2]};
        const struct span empty = {NULL, 0};
        const struct {
            struct span parts[4];
            bool ok;
        } orders[] = {
            {{one, two, last}, true},  {{one, last}, false},
            {{two, last}, false},      {{two, one, last}, false},
            {{one, one, two}, false},  {{one, two, two, last}, false},
            {{last, one, two}, false}, {{last}, false},
            {{one, two}, false},       {{one, two, last, last}, false},
        };
        for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
            uint8_t bytes[512];
            struct writer w = writer_of(bytes, sizeof(bytes));
            struct ohttp_exchange other = server;
            writer_put(&w, m->data, at[0]);
            for (int p = 0; p < 4; p++)
                writer_put(&w, orders[i].parts[p].data ? orders[i].parts[p].data : bytes,
                           orders[i].parts[p].data ? orders[i].parts[p].size : empty.size);
            if (role)
                open_response(&client, bytes, w.at, 1000, &o);
            else
                open_request(&other, bytes, w.at, 1000, &o);
            assert_int_equal(o.status == TFAAS_OK, orders[i].ok);
        }
        uint8_t bytes[512]; /* the final chunk as if more followed */
        struct writer w = writer_of(bytes, sizeof(bytes));
        struct ohttp_exchange other = server;
        writer_put(&w, m->data, at[2]);
        writer_vector(&w, last.data + 1, last.size - 1);
        writer_put(&w, last.data, last.size);
        if (role)
            open_response(&client, bytes, w.at, 1000, &o);
        else
            open_request(&other, bytes, w.at, 1000, &o);
        assert_int_equal(o.status, TFAAS_BAD_REQUEST);
    }
    free(q.data);
    free(a.data);
}

/* Lengths may stand in longer forms than they need. */
static void test_long_lengths(void **state)
{
    (void)state;
    struct ohttp_exchange client, server;
    struct message q = seal_request(&client, AEAD_CHACHA20_POLY1305, vectors_text("0123456789"), 8);
    uint8_t bytes[512];
    const size_t *at = q.chunk_at;
    struct writer w = writer_of(bytes, sizeof(bytes));
    writer_put(&w, q.data, at[0]);
    writer_put(&w, (const uint8_t[]){0xc0, 0, 0, 0, 0, 0, 0, q.data[at[0]]}, 8);
    writer_put(&w, q.data + at[0] + 1, at[1] - at[0] - 1);
    writer_put(&w, "\x80\0\0\0", 4);
    writer_put(&w, q.data + at[1] + 1, q.size - at[1] - 1);
    for (size_t piece = 1; piece < w.at; piece++) {
        open_request(&server, bytes, w.at, piece, &o);
        assert_int_equal(o.status, TFAAS_OK);
        assert_int_equal(o.size, 10);
    }
    free(q.data);
}

/* A peer that breaks the rules with the right key: empty chunks, chunks that are too large. */
static void expect_refused(size_t plain_size, bool final, tfaas_status_t want)
{
    static uint8_t plain[OHTTP_CHUNK_MAX + 1], bytes[2 * OHTTP_CHUNK_MAX];
    struct ohttp_exchange client, server;
    struct ohttp_chunks c;
    size_t size;
    struct writer w = writer_of(bytes, sizeof(bytes));
    assert_int_equal(ohttp_chunks_begin_request(&c, &client, &config, AEAD_CHACHA20_POLY1305,
                                                &ohttp_labels_chunked, &w),
                     TFAAS_OK);
    writer_varint(&w, final ? 0 : plain_size + 16);
    assert_int_equal(hpke_seal(&client.hpke, vectors_text(final ? "final" : ""),
                               (struct span){plain, plain_size}, bytes + w.at, sizeof(bytes) - w.at,
                               &size),
                     TFAAS_OK);
    w.at += size;
    if (!final)
        assert_int_equal(ohttp_chunks_seal(&c, vectors_text(""), true, &w), TFAAS_OK);
    for (size_t piece = 1000; piece < 40000; piece += 13000) {
        open_request(&server, bytes, w.at, piece, &o);
        assert_int_equal(o.status, want);
    }
}

static void test_chunk_bounds(void **state)
{
    (void)state;
    static uint8_t plain[OHTTP_CHUNK_MAX + 1], out[2 * OHTTP_CHUNK_MAX];
    expect_refused(1, false, TFAAS_OK);
    expect_refused(0, false, TFAAS_BAD_REQUEST);
    expect_refused(OHTTP_CHUNK_MAX, false, TFAAS_OK);
    expect_refused(OHTTP_CHUNK_MAX + 1, false, TFAAS_TOO_LARGE);
    expect_refused(OHTTP_CHUNK_MAX, true, TFAAS_OK);
    expect_refused(OHTTP_CHUNK_MAX + 1, true, TFAAS_TOO_LARGE);
    struct ohttp_exchange x;
    struct ohttp_chunks c;
    struct writer w = writer_of(out, sizeof(out));
    assert_int_equal(ohttp_chunks_begin_request(&c, &x, &config, AEAD_CHACHA20_POLY1305,
                                                &ohttp_labels_chunked, &w),
                     TFAAS_OK);
    assert_int_equal(ohttp_chunks_seal(&c, (struct span){plain, OHTTP_CHUNK_MAX + 1}, false, &w),
                     TFAAS_TOO_LARGE);
    assert_int_equal(ohttp_chunks_seal(&c, (struct span){plain, 0}, false, &w), TFAAS_BAD_REQUEST);
    struct writer small = writer_of(out, 10 + OHTTP_CHUNK_OVERHEAD - 1);
    assert_int_equal(ohttp_chunks_seal(&c, (struct span){plain, 10}, false, &small),
                     TFAAS_TOO_LARGE);
    assert_int_equal(x.hpke.sequence, 0); /* none of these used a number */
    small = writer_of(out, OHTTP_CHUNKED_HEAD_MAX - 1);
    assert_int_equal(ohttp_chunks_begin_request(&c, &x, &config, AEAD_CHACHA20_POLY1305,
                                                &ohttp_labels_chunked, &small),
                     TFAAS_TOO_LARGE);
    assert_int_equal(ohttp_chunks_seal(&c, (struct span){plain, 1}, true, &w), TFAAS_BAD_REQUEST);
}

/* After a failure nothing opens any more. */
static void test_stays_failed(void **state)
{
    (void)state;
    struct ohttp_exchange client, server;
    struct message q = seal_request(&client, AEAD_CHACHA20_POLY1305, vectors_text("0123456789"), 4);
    struct ohttp_chunks c;
    enum ohttp_chunk_event event;
    struct span plain;
    const char *why;
    ohttp_chunks_await_request(&c, &server, &ohttp_labels_chunked, find, NULL, buffer);
    struct cursor in = cursor_of(q.data, q.chunk_at[1]);
    assert_int_equal(ohttp_chunks_open(&c, &in, false, &event, &plain, &why), TFAAS_OK);
    assert_int_equal(event, OHTTP_CHUNK_DATA);
    in = cursor_of(q.data, 0);
    assert_int_equal(ohttp_chunks_open(&c, &in, true, &event, &plain, &why), TFAAS_BAD_REQUEST);
    in = cursor_of(q.data + q.chunk_at[1], q.size - q.chunk_at[1]);
    assert_int_equal(ohttp_chunks_open(&c, &in, true, &event, &plain, &why), TFAAS_BAD_REQUEST);
    assert_int_equal(plain.size, 0);
    free(q.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draft_example), cmocka_unit_test(test_streams),
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_changes),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_long_lengths),
        cmocka_unit_test(test_chunk_bounds),  cmocka_unit_test(test_stays_failed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
