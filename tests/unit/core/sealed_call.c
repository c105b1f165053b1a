/* clang-format off */
/* needs: core/sealed_call.c core/sealed_open.c core/sealed_request.c core/sealed_response.c core/sessions.c core/replay.c core/core_clock.c common/session.c common/receipt.c common/http_date.c common/ohttp_chunked.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/bhttp.c common/bhttp_stream.c common/cbor.c libs: sodium */
/* clang-format on */
/*
 * sealed_call.c - tests of core/sealed_*.c under the sanitizers, without an engine: pieces of every
 * size, credit one byte at a time, waits that never end, and that nothing stays behind in clear.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "fake_sealed.h"
#include "http_date.h"
#include "replay.h"

static struct ohttp_exchange exchange;
static struct core_session *session;
static uint8_t session_secret[32], session_id[SESSION_ID_SIZE], session_head[SESSION_REQUEST_HEAD];
static uint64_t sequence;

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* POST /function/f/x?y with `size` bytes of content. */
static size_t make_plain(uint8_t *to, size_t capacity, size_t size, const char *field)
{
    char date[HTTP_DATE_SIZE];
    struct writer w = writer_of(to, capacity);
    bhttp_put_framing(&w, BHTTP_STREAM_REQUEST);
    bhttp_put_request(&w, text("POST"), text("https"), text("a"), text("/function/f/x?y"));
    http_date_write(FAKE_NOW_S, date);
    bhttp_put_field(&w, text("date"), (struct span){(const uint8_t *)date, sizeof(date)});
    if (field)
        bhttp_put_field(&w, text(field), text("1"));
    bhttp_put_end(&w);
    for (size_t at = 0; at < size; at += 999) {
        uint8_t piece[999];
        memset(piece, 'c', sizeof(piece));
        bhttp_put_chunk(&w, (struct span){piece, size - at < 999 ? size - at : 999});
    }
    bhttp_put_end(&w);
    bhttp_put_end(&w);
    assert_false(w.failed);
    return w.at;
}

static void seal_chunks(struct ohttp_chunks *c, struct span plain, size_t chunk, struct writer *out)
{
    for (; plain.size > chunk; plain.data += chunk, plain.size -= chunk)
        assert_int_equal(ohttp_chunks_seal(c, (struct span){plain.data, chunk}, false, out),
                         TFAAS_OK);
    assert_int_equal(ohttp_chunks_seal(c, plain, true, out), TFAAS_OK);
}

static size_t seal(enum tfaas_sealing form, struct span plain, size_t chunk, uint8_t *to,
                   size_t capacity)
{
    struct ohttp_key_config config = fake_config();
    struct writer w = writer_of(to, capacity);
    struct ohttp_chunks c;
    uint8_t key[32];
    if (form == TFAAS_SEALING_OHTTP) {
        assert_int_equal(ohttp_encapsulate_request(&exchange, &config, AEAD_CHACHA20_POLY1305,
                                                   &ohttp_labels_standard, plain, to, capacity,
                                                   &w.at),
                         TFAAS_OK);
        return w.at;
    }
    if (form == TFAAS_SEALING_CHUNKED) {
        assert_int_equal(ohttp_chunks_begin_request(&c, &exchange, &config, AEAD_CHACHA20_POLY1305,
                                                    &ohttp_labels_chunked, &w),
                         TFAAS_OK);
    } else {
        struct writer head = writer_of(session_head, sizeof(session_head));
        writer_put(&head, session_id, SESSION_ID_SIZE);
        sequence++;
        for (unsigned i = 0; i < 8; i++)
            writer_u8(&head, (uint8_t)(sequence >> (56 - 8 * i)));
        randombytes_buf(session_head + SESSION_ID_SIZE + 8, SESSION_NONCE_SIZE);
        session_request_key(session_secret, session_head, key);
        session_begin(&c, AEAD_CHACHA20_POLY1305, key);
        writer_put(&w, session_head, sizeof(session_head));
    }
    seal_chunks(&c, plain, chunk, &w);
    assert_false(w.failed);
    return w.at;
}

/* The plain response, or 0 when it does not open to its end. */
static size_t open_response(enum tfaas_sealing form, uint8_t *to, size_t capacity)
{
    const char *why = "";
    size_t size = 0;
    if (form == TFAAS_SEALING_OHTTP) {
        (void)!ohttp_decapsulate_response(&exchange, (struct span){fake.out, fake.out_size}, to,
                                          capacity, &size, &why);
        return size;
    }
    static uint8_t buffer[OHTTP_CHUNK_BUFFER_SIZE];
    struct ohttp_chunks c;
    struct cursor in = cursor_of(fake.out, fake.out_size);
    uint8_t key[32];
    enum ohttp_chunk_event event = OHTTP_CHUNK_MORE;
    if (form == TFAAS_SEALING_SESSION) {
        struct span nonce = cursor_take(&in, SESSION_NONCE_SIZE);
        if (in.failed)
            return 0;
        session_response_key(session_secret, session_head, nonce.data, key);
        session_await(&c, AEAD_CHACHA20_POLY1305, key, buffer);
    } else {
        ohttp_chunks_await_response(&c, &exchange, buffer);
    }
    while (event != OHTTP_CHUNK_FINAL) {
        struct span plain;
        if (ohttp_chunks_open(&c, &in, true, &event, &plain, &why) != TFAAS_OK)
            return 0;
        assert_true(plain.size <= capacity - size);
        memcpy(to + size, plain.data, plain.size);
        size += plain.size;
    }
    return size;
}

/* Reads the request as a function does, answers with `size` bytes in pieces. */
static tfaas_status_t function(struct task *task, size_t size, size_t piece, size_t *content)
{
    static const uint8_t head[] = "\x01\x40\xc8\x10\x03own\x01y\x08tfaas-no\x00";
    static uint8_t bytes[70000];
    struct inbox *in = &task->run.in;
    struct bhttp_head request;
    const char *why = "";
    assert_int_equal(bhttp_read_head(in->data + in->start, in->size, &request, &why), TFAAS_OK);
    assert_true(span_is(request.path, "/x?y") && span_is(request.method, "POST"));
    *content = in->size - request.size;
    in->size = 0;
    while (!in->ended) {
        tfaas_status_t status = sealed_pull(task);
        if (status != TFAAS_OK)
            return status;
        *content += in->size;
        in->size = 0;
    }
    memcpy(bytes, head, sizeof(head) - 1);
    memset(bytes + sizeof(head) - 1, 'r', sizeof(bytes) - sizeof(head) + 1);
    size_t first = size < 500 ? size : 500;
    if (sealed_write(task, bytes, sizeof(head) - 1 + first, first == size) != 0)
        return task->run.stop;
    for (size_t at = first; at < size; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        if (sealed_write(task, bytes + 100, part, at + part == size) != 0)
            return task->run.stop;
    }
    return TFAAS_OK;
}

static tfaas_status_t run(struct task *task, size_t answer, size_t piece, size_t *content)
{
    tfaas_status_t status = sealed_begin(task);
    if (status == TFAAS_OK)
        status = sealed_check_package(task);
    if (status == TFAAS_OK)
        status = function(task, answer, piece, content);
    sealed_finish(task, status);
    return task->status;
}

static uint8_t plain[600000], sealed[700000], response[700000];

static void exchange_one(enum tfaas_sealing form, size_t size, size_t chunk, size_t piece,
                         size_t answer, size_t answer_piece, const char *field)
{
    size_t content = 0;
    size_t plain_size = make_plain(plain, sizeof(plain), size, field);
    size_t sealed_size =
        seal(form, (struct span){plain, plain_size}, chunk, sealed, sizeof(sealed));
    struct task *task = fake_begin(form, (struct span){sealed, sealed_size}, piece);
    assert_int_equal(run(task, answer, answer_piece, &content), TFAAS_OK);
    assert_true(content == size);
    fake_end(task);
    assert_int_equal(fake.lasts, 1);
    size_t got = open_response(form, response, sizeof(response));
    assert_true(got > answer);
    struct bhttp_reader reader;
    struct bhttp_event event = {.kind = BHTTP_MORE};
    static uint8_t head[BHTTP_HEAD_MAX];
    const char *why = "";
    size_t answered = 0;
    struct cursor in = cursor_of(response, got);
    bhttp_reader_begin(&reader, head, sizeof(head));
    while (event.kind != BHTTP_END) {
        assert_int_equal(bhttp_reader_next(&reader, &in, true, &event, &why), TFAAS_OK);
        if (event.kind == BHTTP_HEAD)
            assert_int_equal(event.head.status, 200);
        if (event.kind == BHTTP_CONTENT)
            answered += event.content.size;
    }
    assert_true(answered == answer);
    bool wants = field && strcmp(field, "tfaas-receipt") == 0;
    assert_int_equal(event.head.fields.size > 0, wants);
    assert_null(memmem(response, got, "tfaas-no", 8));
}

static void test_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 63, 1000, 0};
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++)
        for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
            for (size_t size = 0; size < 3000; size += 701) {
                exchange_one(form, size, 1 + size % 400, pieces[i], size, 300, NULL);
                exchange_one(form, size, 16384, pieces[i], 2 * size, 70, "tfaas-receipt");
            }
}

static void test_large(void **state)
{
    (void)state;
    static const size_t sizes[] = {16300, 16384, 16400, 70000, 400000};
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            fake.credit_step = i % 2 ? 20000 : 3000;
            exchange_one(form, sizes[i], 16384, 5000, sizes[i], 16384 + i, NULL);
            exchange_one(form, 10, 16384, 0, sizes[i], 60000, "tfaas-receipt");
            exchange_one(form, 10, 16384, 0, sizes[i] - 20, 60000, NULL);
        }
    fake.credit_step = 0;
}

/* The host grants little and late: no byte goes out before its credit is there. */
static void test_little_credit(void **state)
{
    (void)state;
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++)
        for (fake.credit = 1; fake.credit < 400; fake.credit += 13) {
            fake.credit_step = 1 + fake.credit % 50;
            exchange_one(form, 20, 16384, 0, 100, 60000, NULL);
            exchange_one(form, 20, 16384, 0, 3000, 700, "tfaas-receipt");
        }
    fake.credit = fake.credit_step = 0;
}

/* Where the last chunk's room ends, with every size of what follows the content. */
static void test_last_chunk(void **state)
{
    (void)state;
    for (unsigned form = 2; form < TFAAS_SEALING_COUNT; form++)
        for (size_t size = OHTTP_CHUNK_MAX - 160; size < OHTTP_CHUNK_MAX + 40; size++) {
            exchange_one(form, 0, 16384, 0, size, 60000, NULL);
            exchange_one(form, 0, 16384, 0, size, 60000, "tfaas-receipt");
        }
}

/* The request does not go on, wherever it stops: a deadline, told under the seal once it can be. */
static void test_never_ends(void **state)
{
    (void)state;
    fake.never_ends = true;
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++) {
        size_t plain_size = make_plain(plain, sizeof(plain), 300, NULL);
        size_t size = seal(form, (struct span){plain, plain_size}, 100, sealed, sizeof(sealed));
        unsigned told = 0;
        for (size_t cut = 0; cut <= size; cut += 3) {
            size_t content;
            /* Each is a new request, or all but the first that began are replays. */
            size = seal(form, (struct span){plain, plain_size}, 100, sealed, sizeof(sealed));
            struct task *task = fake_begin(form, (struct span){sealed, cut}, 11);
            tfaas_status_t status = run(task, 5, 5, &content);
            assert_int_equal(task->outcome, TFAAS_DEADLINE);
            fake_end(task);
            if (status == TFAAS_OK) {
                size_t got = open_response(form, response, sizeof(response));
                assert_non_null(memmem(response, got, "tag:tfaas,2026:deadline", 23));
                told++;
            } else {
                assert_true(status == TFAAS_DEADLINE && fake.out_size == 0);
            }
        }
        assert_int_equal(told > 0, form != TFAAS_SEALING_OHTTP);
    }
    fake.never_ends = false;
}

/* Wiped: none of the memory that a call gives back holds what it had in clear. */
static void test_nothing_stays(void **state)
{
    (void)state;
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++) {
        exchange_one(form, 5000, 16384, 0, 5000, 5000, "tfaas-receipt");
        struct sealed_call *s = sealed_new(form);
        assert_null(memmem(s, sizeof(*s), "cccccccc", 8));
        assert_null(memmem(s, sizeof(*s), "rrrrrrrr", 8));
        assert_null(memmem(s, sizeof(*s), "/function/f", 11));
        assert_null(memmem(s, sizeof(*s), session_secret, 32));
        sealed_free(s);
    }
}

static void test_stopped_at_the_receipt(void **state)
{
    (void)state;
    fake.cancel_receipt = true;
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++) {
        size_t content;
        size_t plain_size = make_plain(plain, sizeof(plain), 30, "tfaas-receipt");
        size_t size = seal(form, (struct span){plain, plain_size}, 100, sealed, sizeof(sealed));
        struct task *task = fake_begin(form, (struct span){sealed, size}, 0);
        (void)run(task, 5, 5, &content);
        fake_end(task);
        size_t got = open_response(form, response, sizeof(response));
        assert_true(got > 0 && !memmem(response, got, "rrrrr", 5)); /* no answer without it */
    }
    fake.cancel_receipt = false;
}

/* A function that fails to load, a confidential one: the problem says no more than it should. */
static void test_confidential(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        size_t content;
        static const char bad[] = "\x02\x05TRACE\x05https\x01"
                                  "a\x0b/function/f\x00\x00\x00";
        size_t size =
            seal(TFAAS_SEALING_CHUNKED, (struct span){(const uint8_t *)bad, sizeof(bad) - 1}, 100,
                 sealed, sizeof(sealed));
        fake.loaded.function.confidential = n;
        struct task *task = fake_begin(TFAAS_SEALING_CHUNKED, (struct span){sealed, size}, 0);
        assert_int_equal(run(task, 5, 5, &content), TFAAS_OK);
        fake_end(task);
        size_t got = open_response(TFAAS_SEALING_CHUNKED, response, sizeof(response));
        assert_non_null(memmem(response, got, "\"title\":", 8));
        assert_int_equal(memmem(response, got, "\"detail\":", 9) != NULL, n == 0);
    }
    fake.loaded.function.confidential = false;
}

/* Not one byte: refused, without a look at a buffer that was never made. */
static void test_empty(void **state)
{
    (void)state;
    size_t content = 0;
    for (unsigned form = 1; form < TFAAS_SEALING_COUNT; form++) {
        struct task *task = fake_begin(form, (struct span){sealed, 0}, 0);
        sealed_wire(task->sealed)->ended = true;
        assert_int_equal(run(task, 5, 5, &content), TFAAS_NOT_OPENED);
        fake_end(task);
        assert_int_equal(fake.out_size, 0);
    }
}

static int start(void **state)
{
    (void)state;
    fake_start();
    session = sessions_new(&fake.key, AEAD_CHACHA20_POLY1305);
    randombytes_buf(session_secret, 32);
    memcpy(session->secret, session_secret, 32);
    memcpy(session_id, session->id, SESSION_ID_SIZE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    replay_free(fake.key.replay);
    free(fake.out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_last_chunk),
        cmocka_unit_test(test_little_credit),
        cmocka_unit_test(test_never_ends),
        cmocka_unit_test(test_nothing_stays),
        cmocka_unit_test(test_stopped_at_the_receipt),
        cmocka_unit_test(test_confidential),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
