/* needs: common/session.c common/ohttp_chunked.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c libs: sodium jansson */
/*
 * session.c - tests of common/session.c: keys depend on every byte of what they are made of, both
 * directions through the chunks, the replay window against a list, and our own vectors
 * (tests/vectors/protocol/session.json; TFAAS_WRITE_VECTORS=1 writes them anew).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include "session.h"
#include "vectors.h"

static void test_keys_bind_everything(void **state)
{
    (void)state;
    uint8_t secret[32], head[SESSION_REQUEST_HEAD], nonce[SESSION_NONCE_SIZE];
    uint8_t request[32], response[32], other[32];
    randombytes_buf(secret, sizeof(secret));
    randombytes_buf(head, sizeof(head));
    randombytes_buf(nonce, sizeof(nonce));
    session_request_key(secret, head, request);
    session_response_key(secret, head, nonce, response);
    assert_memory_not_equal(request, response, 32);
    for (size_t i = 0; i < sizeof(head); i++) {
        head[i] ^= 1;
        session_request_key(secret, head, other);
        assert_memory_not_equal(request, other, 32);
        session_response_key(secret, head, nonce, other);
        assert_memory_not_equal(response, other, 32);
        head[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof(nonce); i++) {
        nonce[i] ^= 1;
        session_response_key(secret, head, nonce, other);
        assert_memory_not_equal(response, other, 32);
        nonce[i] ^= 1;
    }
    secret[31] ^= 0x80;
    session_request_key(secret, head, other);
    assert_memory_not_equal(request, other, 32);
}

static void test_chunks(void **state)
{
    (void)state;
    static const uint16_t aeads[] = {AEAD_CHACHA20_POLY1305, AEAD_AES_256_GCM};
    for (size_t n = 0; n < 2; n++) {
        if (!aead_available(aeads[n]))
            continue;
        struct ohttp_chunks out, in;
        uint8_t key[32], buffer[OHTTP_CHUNK_BUFFER_SIZE], message[256];
        const char *why = "";
        struct writer w = writer_of(message, sizeof(message));
        randombytes_buf(key, sizeof(key));
        session_begin(&out, aeads[n], key);
        assert_int_equal(ohttp_chunks_seal(&out, vectors_text("first"), false, &w), TFAAS_OK);
        assert_int_equal(ohttp_chunks_seal(&out, vectors_text("second"), true, &w), TFAAS_OK);
        for (size_t flip = 0; flip <= w.at; flip++) { /* the last one flips nothing */
            enum ohttp_chunk_event event = OHTTP_CHUNK_MORE;
            struct span plain;
            struct cursor c = cursor_of(message, w.at);
            tfaas_status_t status = TFAAS_OK;
            message[flip] ^= 1;
            session_await(&in, aeads[n], key, buffer);
            while (status == TFAAS_OK && event != OHTTP_CHUNK_FINAL)
                status = ohttp_chunks_open(&in, &c, true, &event, &plain, &why);
            message[flip] ^= 1;
            assert_int_equal(status == TFAAS_OK, flip == w.at);
            if (flip == w.at)
                assert_memory_equal(plain.data, "second", plain.size);
        }
    }
}

/* What a list of all sequences ever seen would answer. */
static void test_window_against_a_list(void **state)
{
    (void)state;
    static uint8_t seen[20000];
    struct session_window window = {0};
    uint64_t highest = 0, seed = 1;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t near = highest + (seed >> 33) % 6;
        uint64_t back = (seed >> 40) % 1100;
        uint64_t n = (seed & 1) ? near : near > back ? near - back : 0;
        if ((seed >> 20) % 5000 == 0)
            n += 900 + (seed >> 50) % 300;
        if (n >= sizeof(seen))
            break;
        bool expected = n > 0 && !seen[n] && n + SESSION_WINDOW > highest;
        assert_int_equal(session_window_accept(&window, n), expected);
        if (expected) {
            seen[n] = 1;
            highest = n > highest ? n : highest;
        }
    }
    assert_true(highest > 5000);
}

static void test_window_edges(void **state)
{
    (void)state;
    struct session_window window = {0};
    assert_false(session_window_accept(&window, 0));
    assert_true(session_window_accept(&window, 1));
    assert_false(session_window_accept(&window, 1));
    assert_true(session_window_accept(&window, SESSION_WINDOW));
    assert_true(session_window_accept(&window, 2));
    assert_true(session_window_accept(&window, SESSION_WINDOW + 3)); /* 3 is the last too old one */
    assert_false(session_window_accept(&window, 3));
    assert_true(session_window_accept(&window, 4));
    assert_true(session_window_accept(&window, UINT64_MAX));
    assert_false(session_window_accept(&window, UINT64_MAX));
    assert_true(session_window_accept(&window, UINT64_MAX - SESSION_WINDOW + 1));
    assert_false(session_window_accept(&window, UINT64_MAX - SESSION_WINDOW));
    assert_false(session_window_accept(&window, 5));
}

/* --- our own vectors --- */

static void put(json_t *v, const char *name, const void *data, size_t size)
{
    char text[2048];
    sodium_bin2hex(text, sizeof(text), data, size);
    json_object_set_new(v, name, json_string(text));
}

static json_t *vector(uint16_t aead)
{
    static const uint8_t request[] = "\x02\x03GET\x05https\x0b"
                                     "example.com\x0d/function/foo\0\0\0";
    static const uint8_t response[] = "\x03\x40\xc8\0\5hello\0\0";
    uint8_t secret[32], head[SESSION_REQUEST_HEAD], nonce[SESSION_NONCE_SIZE], key[32], out[512];
    json_t *v = json_object();
    for (unsigned i = 0; i < 32; i++)
        secret[i] = (uint8_t)i;
    memset(head, 'I', SESSION_ID_SIZE);
    memcpy(head + SESSION_ID_SIZE, "\0\0\0\0\0\1\2\3", 8);
    memset(head + SESSION_ID_SIZE + 8, 'Q', SESSION_NONCE_SIZE);
    memset(nonce, 'R', sizeof(nonce));
    json_object_set_new(v, "aead_id", json_integer(aead));
    put(v, "secret", secret, sizeof(secret));
    put(v, "request_head", head, sizeof(head));
    session_request_key(secret, head, key);
    put(v, "request_key", key, sizeof(key));
    put(v, "bhttp_request", request, sizeof(request) - 1);
    struct ohttp_chunks c;
    struct writer w = writer_of(out, sizeof(out));
    writer_put(&w, head, sizeof(head));
    session_begin(&c, aead, key);
    assert_int_equal(ohttp_chunks_seal(&c, (struct span){request, 20}, false, &w), TFAAS_OK);
    assert_int_equal(
        ohttp_chunks_seal(&c, (struct span){request + 20, sizeof(request) - 21}, true, &w),
        TFAAS_OK);
    put(v, "request", out, w.at); /* two chunks: 20 bytes, the rest */
    put(v, "response_nonce", nonce, sizeof(nonce));
    session_response_key(secret, head, nonce, key);
    put(v, "response_key", key, sizeof(key));
    put(v, "bhttp_response", response, sizeof(response) - 1);
    w = writer_of(out, sizeof(out));
    writer_put(&w, nonce, sizeof(nonce));
    session_begin(&c, aead, key);
    assert_int_equal(ohttp_chunks_seal(&c, (struct span){response, sizeof(response) - 1}, true, &w),
                     TFAAS_OK);
    put(v, "response", out, w.at);
    return v;
}

static void test_own_vectors(void **state)
{
    (void)state;
    const char *path = "tests/vectors/protocol/session.json";
    if (!aead_available(AEAD_AES_256_GCM))
        skip();
    json_t *have = json_array();
    json_array_append_new(have, vector(AEAD_AES_256_GCM));
    json_array_append_new(have, vector(AEAD_CHACHA20_POLY1305));
    if (getenv("TFAAS_WRITE_VECTORS"))
        assert_int_equal(json_dump_file(have, path, JSON_INDENT(1)), 0);
    json_t *want = vectors_load(path);
    assert_true(json_equal(have, want));
    json_decref(have);
    json_decref(want);
}

static int start(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_bind_everything),  cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_window_against_a_list), cmocka_unit_test(test_window_edges),
        cmocka_unit_test(test_own_vectors),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
