/* needs: common/ohttp.c common/hpke.c common/hkdf.c common/aead.c libs: sodium jansson crypto */
/*
 * ohttp.c - tests of common/ohttp.c: the example of RFC 9458 to the last byte, both roles, whatever
 * is cut, changed or meant for another exchange, key configurations, and our own vectors
 * (tests/vectors/protocol/ohttp.json; TFAAS_WRITE_VECTORS=1 writes them anew).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include "aes128.h"
#include "ohttp.h"
#include "vectors.h"

static const struct span none = {NULL, 0};

static void assert_bytes(const uint8_t *have, struct span want)
{
    assert_memory_equal(have, want.data, want.size);
}

static struct span hex(const json_t *v, const char *name)
{
    struct span s = vectors_hex(v, name);
    assert_non_null(s.data);
    return s;
}

/* --- RFC 9458 appendix A --- */

static void test_rfc9458(void **state)
{
    (void)state;
    json_t *v = vectors_load("tests/vectors/hpke/rfc9458-appendix-a.json");
    struct ohttp_key_config config;
    const char *why = NULL;
    struct hpke_key_pair server, ephemeral;
    assert_int_equal(ohttp_read_key_config(hex(v, "key_config"), &config, &why), TFAAS_OK);
    assert_int_equal(config.id, 1);
    assert_int_equal(config.aead_count, 2);
    assert_int_equal(config.aeads[0], AEAD_AES_128_GCM);
    assert_int_equal(config.aeads[1], AEAD_CHACHA20_POLY1305);
    uint8_t out[128];
    struct writer w = writer_of(out, sizeof(out));
    ohttp_put_key_config(&w, &config);
    assert_int_equal(w.at, hex(v, "key_config").size);
    assert_bytes(out, hex(v, "key_config"));
    hpke_key_pair_of(&server, hex(v, "skR").data);
    assert_memory_equal(server.public_key, config.public_key, HPKE_PUBLIC_SIZE);
    hpke_key_pair_of(&ephemeral, hex(v, "skE").data);
    assert_bytes(ephemeral.public_key, hex(v, "enc"));

    struct ohttp_exchange x;
    w = writer_of(out, sizeof(out));
    assert_int_equal(ohttp_begin_request_with(&x, &config, AEAD_AES_128_GCM, &ohttp_labels_standard,
                                              &ephemeral, &w),
                     TFAAS_OK);
    struct span request = hex(v, "bhttp_request"), want = hex(v, "encapsulated_request");
    aes128_seal(x.hpke.key, x.hpke.base_nonce, none, request, out + w.at);
    assert_int_equal(w.at + request.size + AEAD_TAG_SIZE, want.size);
    assert_bytes(out, want);

    uint8_t secret[16];
    assert_int_equal(hpke_export(&x.hpke, vectors_text("message/bhttp response"), secret, 16),
                     TFAAS_OK);
    assert_bytes(secret, hex(v, "export_secret"));
    struct ohttp_response_key key;
    assert_int_equal(ohttp_nonce_size(AEAD_AES_128_GCM), 16);
    assert_int_equal(ohttp_derive_response_key(&x, hex(v, "response_nonce").data, &key), TFAAS_OK);
    assert_bytes(key.key, hex(v, "aead_key"));
    assert_bytes(key.nonce, hex(v, "aead_nonce"));
    memcpy(out, hex(v, "response_nonce").data, 16);
    aes128_seal(key.key, key.nonce, none, hex(v, "bhttp_response"), out + 16);
    assert_bytes(out, hex(v, "encapsulated_response"));
    json_decref(v);
}

/* --- both roles --- */

struct server {
    struct hpke_key_pair pair;
    struct ohttp_key_config config;
    unsigned asked;
};

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t aead)
{
    struct server *s = user;
    assert_true(aead_available(aead));
    s->asked++;
    return key_id == s->config.id ? &s->pair : NULL;
}

static void start_server(struct server *s)
{
    *s = (struct server){
        .config = {.id = 7, .aeads = {AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305}, .aead_count = 2}};
    hpke_generate_key_pair(&s->pair);
    memcpy(s->config.public_key, s->pair.public_key, HPKE_PUBLIC_SIZE);
}

static const struct ohttp_labels tfaas = {.request = OHTTP_TFAAS_REQUEST_LABEL,
                                          .response = OHTTP_TFAAS_RESPONSE_LABEL,
                                          .extra = {(const uint8_t *)"bound", 5}};
static const struct ohttp_labels tfaas_other = {.request = OHTTP_TFAAS_REQUEST_LABEL,
                                                .response = OHTTP_TFAAS_RESPONSE_LABEL,
                                                .extra = {(const uint8_t *)"bounc", 5}};

/* Buffers are of exactly the promised sizes. */
static void check_exchange(struct server *s, uint16_t aead, const struct ohttp_labels *labels,
                           size_t request_size, size_t response_size)
{
    struct ohttp_exchange client, server;
    const char *why = NULL;
    size_t size, plain_size;
    uint8_t *request = malloc(request_size + 1), *response = malloc(response_size + 1);
    uint8_t *sealed = malloc(request_size + OHTTP_REQUEST_OVERHEAD);
    uint8_t *plain = malloc(request_size + 1);
    randombytes_buf(request, request_size);
    randombytes_buf(response, response_size);
    const struct span q = {request, request_size}, a = {response, response_size};
    assert_int_equal(ohttp_encapsulate_request(&client, &s->config, aead, labels, q, sealed,
                                               request_size + OHTTP_REQUEST_OVERHEAD - 1, &size),
                     TFAAS_TOO_LARGE);
    assert_int_equal(ohttp_encapsulate_request(&client, &s->config, aead, labels, q, sealed,
                                               request_size + OHTTP_REQUEST_OVERHEAD, &size),
                     TFAAS_OK);
    assert_int_equal(size, request_size + OHTTP_REQUEST_OVERHEAD);
    assert_int_equal(ohttp_decapsulate_request(&server, (struct span){sealed, size}, labels, find,
                                               s, plain, request_size, &plain_size, &why),
                     TFAAS_OK);
    assert_int_equal(plain_size, request_size);
    assert_memory_equal(plain, request, request_size);
    assert_int_equal(server.key_id, s->config.id);

    uint8_t *answer = malloc(response_size + OHTTP_RESPONSE_OVERHEAD);
    uint8_t *back = malloc(response_size + 1);
    assert_int_equal(ohttp_encapsulate_response(&server, a, answer,
                                                response_size + OHTTP_RESPONSE_OVERHEAD - 1, &size),
                     TFAAS_TOO_LARGE);
    assert_int_equal(ohttp_encapsulate_response(&server, a, answer,
                                                response_size + OHTTP_RESPONSE_OVERHEAD, &size),
                     TFAAS_OK);
    assert_int_equal(ohttp_decapsulate_response(&client, (struct span){answer, size}, back,
                                                response_size, &plain_size, &why),
                     TFAAS_OK);
    assert_int_equal(plain_size, response_size);
    assert_memory_equal(back, response, response_size);
    ohttp_wipe(&client);
    ohttp_wipe(&server);
    assert_true(sodium_is_zero((uint8_t *)&client, sizeof(client)));
    free(request);
    free(response);
    free(sealed);
    free(plain);
    free(answer);
    free(back);
}

static void test_exchanges(void **state)
{
    (void)state;
    struct server s;
    start_server(&s);
    const struct ohttp_labels *labels[] = {&ohttp_labels_standard, &ohttp_labels_chunked, &tfaas};
    const size_t sizes[] = {0, 1, 15, 16, 17, 1024, 70000};
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++)
        for (size_t l = 0; aead_available(aead) && l < 3; l++)
            for (size_t i = 0; i < 7; i++)
                check_exchange(&s, aead, labels[l], sizes[i], sizes[(i + 3) % 7]);
}

/* --- what must fail --- */

static tfaas_status_t open_request(struct server *s, struct span message,
                                   const struct ohttp_labels *labels, const char **why)
{
    struct ohttp_exchange x;
    size_t size = 1;
    uint8_t *copy = vectors_copy(message), out[64];
    *why = NULL;
    tfaas_status_t status = ohttp_decapsulate_request(&x, (struct span){copy, message.size}, labels,
                                                      find, s, out, sizeof(out), &size, why);
    if (status != TFAAS_OK) {
        assert_int_equal(size, 0);
        assert_non_null(*why);
        assert_true(sodium_is_zero((uint8_t *)&x.hpke, sizeof(x.hpke)));
    }
    ohttp_wipe(&x);
    free(copy);
    return status;
}

static void check_changed_requests(struct server *s, uint16_t aead)
{
    struct ohttp_exchange x;
    uint8_t m[128];
    size_t size;
    const char *why;
    assert_int_equal(ohttp_encapsulate_request(&x, &s->config, aead, &ohttp_labels_standard,
                                               vectors_text("a request"), m, sizeof(m), &size),
                     TFAAS_OK);
    const struct span whole = {m, size};
    assert_int_equal(open_request(s, whole, &ohttp_labels_standard, &why), TFAAS_OK);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(open_request(s, (struct span){m, cut}, &ohttp_labels_standard, &why),
                         TFAAS_BAD_REQUEST);
        assert_int_equal(strstr(why, "too short") != NULL, cut < OHTTP_REQUEST_OVERHEAD);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        m[bit / 8] ^= (uint8_t)(1 << bit % 8);
        tfaas_status_t status = open_request(s, whole, &ohttp_labels_standard, &why);
        if (bit < 8)
            assert_int_equal(status, TFAAS_NOT_FOUND); /* key id */
        else if (bit < 40)
            assert_int_equal(status, TFAAS_UNSUPPORTED); /* KEM, KDF */
        else if (bit < 56) /* the other AEAD is offered too, but not what was sealed with */
            assert_true(status == TFAAS_UNSUPPORTED || status == TFAAS_BAD_REQUEST);
        else
            assert_int_equal(status, TFAAS_BAD_REQUEST);
        m[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(open_request(s, whole, &ohttp_labels_chunked, &why), TFAAS_BAD_REQUEST);
    assert_int_equal(open_request(s, whole, &tfaas, &why), TFAAS_BAD_REQUEST);
    memset(m + OHTTP_HEADER_SIZE, 0, HPKE_ENC_SIZE);
    assert_int_equal(open_request(s, whole, &ohttp_labels_standard, &why), TFAAS_BAD_REQUEST);
    assert_non_null(strstr(why, "low order"));
}

static void test_changed_requests(void **state)
{
    (void)state;
    struct server s;
    const char *why;
    start_server(&s);
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++)
        if (aead_available(aead))
            check_changed_requests(&s, aead);
    uint8_t m[128];
    size_t size;
    struct ohttp_exchange x; /* what TFaaS binds a request to, is bound */
    assert_int_equal(ohttp_encapsulate_request(&x, &s.config, AEAD_CHACHA20_POLY1305, &tfaas,
                                               vectors_text("q"), m, sizeof(m), &size),
                     TFAAS_OK);
    assert_int_equal(open_request(&s, (struct span){m, size}, &tfaas, &why), TFAAS_OK);
    assert_int_equal(open_request(&s, (struct span){m, size}, &tfaas_other, &why),
                     TFAAS_BAD_REQUEST);
    assert_int_equal(ohttp_encapsulate_request(&x, &s.config, AEAD_AES_128_GCM, &tfaas, none, m,
                                               sizeof(m), &size),
                     TFAAS_UNSUPPORTED);
    static uint8_t big[300];
    const struct ohttp_labels long_labels = {"a", "b", {big, sizeof(big)}};
    assert_int_equal(ohttp_encapsulate_request(&x, &s.config, AEAD_CHACHA20_POLY1305, &long_labels,
                                               none, m, sizeof(m), &size),
                     TFAAS_TOO_LARGE);
}

static tfaas_status_t open_response(const struct ohttp_exchange *x, struct span message)
{
    uint8_t *copy = vectors_copy(message), out[64];
    size_t size = 1;
    const char *why = NULL;
    tfaas_status_t status = ohttp_decapsulate_response(x, (struct span){copy, message.size}, out,
                                                       sizeof(out), &size, &why);
    if (status != TFAAS_OK) {
        assert_int_equal(size, 0);
        assert_non_null(why);
    }
    free(copy);
    return status;
}

static void test_changed_responses(void **state)
{
    (void)state;
    struct server s;
    struct ohttp_exchange client[2], server[2];
    uint8_t m[128], plain[64];
    size_t size, plain_size;
    const char *why;
    start_server(&s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ohttp_encapsulate_request(&client[i], &s.config, AEAD_CHACHA20_POLY1305,
                                                   &ohttp_labels_standard, vectors_text("q"), m,
                                                   sizeof(m), &size),
                         TFAAS_OK);
        assert_int_equal(ohttp_decapsulate_request(&server[i], (struct span){m, size},
                                                   &ohttp_labels_standard, find, &s, plain,
                                                   sizeof(plain), &plain_size, &why),
                         TFAAS_OK);
    }
    assert_int_equal(
        ohttp_encapsulate_response(&server[0], vectors_text("an answer"), m, sizeof(m), &size),
        TFAAS_OK);
    const struct span whole = {m, size};
    assert_int_equal(open_response(&client[0], whole), TFAAS_OK);
    assert_int_equal(open_response(&client[1], whole), TFAAS_BAD_REQUEST); /* another's */
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(open_response(&client[0], (struct span){m, cut}), TFAAS_BAD_REQUEST);
    for (size_t bit = 0; bit < size * 8; bit++) {
        m[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_response(&client[0], whole), TFAAS_BAD_REQUEST);
        m[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    uint8_t again[128]; /* the nonce is fresh each time */
    assert_int_equal(ohttp_encapsulate_response(&server[0], vectors_text("an answer"), again,
                                                sizeof(again), &size),
                     TFAAS_OK);
    assert_memory_not_equal(again, m, OHTTP_NONCE_MAX);
}

/* --- key configurations --- */

static tfaas_status_t read_config(const uint8_t *data, size_t size, const char **why)
{
    struct ohttp_key_config config;
    uint8_t *copy = vectors_copy((struct span){data, size});
    *why = NULL;
    tfaas_status_t status = ohttp_read_key_config((struct span){copy, size}, &config, why);
    assert_true(status == TFAAS_OK || *why != NULL);
    free(copy);
    return status;
}

static void test_key_config(void **state)
{
    (void)state;
    struct server s;
    uint8_t m[OHTTP_KEY_LIST_MAX];
    const char *why;
    start_server(&s);
    struct writer w = writer_of(m, sizeof(m));
    ohttp_put_key_config(&w, &s.config);
    assert_int_equal(read_config(m, w.at, &why), TFAAS_OK);
    for (size_t cut = 0; cut < w.at; cut++)
        assert_int_equal(read_config(m, cut, &why), TFAAS_BAD_REQUEST);
    assert_int_equal(read_config(m, w.at + 1, &why), TFAAS_BAD_REQUEST);
    m[2] = 0x10; /* P-256: its key has another size, so it cannot even be measured */
    assert_int_equal(read_config(m, w.at, &why), TFAAS_UNSUPPORTED);
    m[2] = 0x20;
    m[38] = m[42] = 2; /* HKDF-SHA384 */
    assert_int_equal(read_config(m, w.at, &why), TFAAS_UNSUPPORTED);
    m[38] = m[42] = 1;
    m[36] = 0; /* no suite at all */
    assert_int_equal(read_config(m, 37, &why), TFAAS_BAD_REQUEST);
    m[36] = 6;
    assert_int_equal(read_config(m, 43, &why), TFAAS_BAD_REQUEST);

    uint16_t aead = 0;
    struct ohttp_key_config choose = {.aeads = {AEAD_AES_128_GCM, 0x7777, AEAD_CHACHA20_POLY1305},
                                      .aead_count = 3};
    assert_int_equal(ohttp_choose_aead(&choose, &aead), TFAAS_OK);
    assert_int_equal(aead, AEAD_CHACHA20_POLY1305);
    choose.aead_count = 2;
    assert_int_equal(ohttp_choose_aead(&choose, &aead), TFAAS_UNSUPPORTED);
}

static void test_many_suites(void **state)
{
    (void)state;
    uint8_t m[1 + 2 + 32 + 2 + 4 * 40] = {5, 0, 0x20};
    m[36] = 160;
    for (uint8_t i = 0; i < 40; i++)
        memcpy(m + 37 + 4 * i, (uint8_t[]){0, 1, 1, i}, 4);
    struct ohttp_key_config config;
    const char *why;
    assert_int_equal(ohttp_read_key_config((struct span){m, sizeof(m)}, &config, &why), TFAAS_OK);
    assert_int_equal(config.aead_count, OHTTP_SUITES_MAX);
    assert_int_equal(config.aeads[OHTTP_SUITES_MAX - 1], 0x0100 + OHTTP_SUITES_MAX - 1);
}

static void test_key_list(void **state)
{
    (void)state;
    struct server s[2];
    static uint8_t m[OHTTP_KEY_LIST_MAX + 1];
    struct ohttp_key_config configs[2];
    size_t count;
    const char *why;
    start_server(&s[0]);
    start_server(&s[1]);
    s[1].config.id = 8;
    struct writer w = writer_of(m, sizeof(m));
    ohttp_put_key_list_entry(&w, &s[0].config);
    size_t first = w.at;
    writer_put(&w, "\x00\x05\x09\x7f\x7f??", 7); /* a KEM nobody knows: passed over */
    size_t second = w.at;
    ohttp_put_key_list_entry(&w, &s[1].config);
    assert_int_equal(ohttp_read_key_list((struct span){m, w.at}, configs, 2, &count, &why),
                     TFAAS_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(&configs[0], &s[0].config, sizeof(configs[0]));
    assert_memory_equal(&configs[1], &s[1].config, sizeof(configs[1]));
    assert_int_equal(ohttp_read_key_list((struct span){m, w.at}, configs, 1, &count, &why),
                     TFAAS_OK);
    assert_int_equal(count, 1);
    for (size_t cut = 0; cut < w.at; cut++) {
        uint8_t *copy = vectors_copy((struct span){m, cut});
        tfaas_status_t status =
            ohttp_read_key_list((struct span){copy, cut}, configs, 2, &count, &why);
        if (cut == first || cut == second)
            assert_int_equal(status, TFAAS_OK); /* between entries: a shorter list */
        else
            assert_int_equal(status, cut == 0 ? TFAAS_UNSUPPORTED : TFAAS_BAD_REQUEST);
        free(copy);
    }
    assert_int_equal(
        ohttp_read_key_list((struct span){m + first, second - first}, configs, 2, &count, &why),
        TFAAS_UNSUPPORTED);
    assert_int_equal(ohttp_read_key_list((struct span){m, sizeof(m)}, configs, 2, &count, &why),
                     TFAAS_TOO_LARGE);
}

/* --- our own vectors --- */

static void put(json_t *v, const char *name, const uint8_t *data, size_t size)
{
    char *text = malloc(2 * size + 1);
    sodium_bin2hex(text, 2 * size + 1, data, size);
    json_object_set_new(v, name, json_string(text));
    free(text);
}

static json_t *vector(uint16_t aead, const struct ohttp_labels *labels)
{
    static const uint8_t request[] = "\x00\x03GET\x05https\x0b"
                                     "example.com\x01/";
    static const uint8_t response[] = "\x01\x40\xc8";
    struct hpke_key_pair server, ephemeral;
    struct ohttp_key_config config = {
        .id = 0x2a, .aeads = {AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305}, .aead_count = 2};
    uint8_t ikm[32], nonce[OHTTP_NONCE_MAX], out[256];
    struct ohttp_exchange x;
    size_t size;
    json_t *v = json_object();
    memset(ikm, 'R', sizeof(ikm));
    assert_int_equal(hpke_derive_key_pair(&server, (struct span){ikm, 32}), TFAAS_OK);
    memset(ikm, 'E', sizeof(ikm));
    assert_int_equal(hpke_derive_key_pair(&ephemeral, (struct span){ikm, 32}), TFAAS_OK);
    memset(nonce, 'N', sizeof(nonce));
    memcpy(config.public_key, server.public_key, HPKE_PUBLIC_SIZE);
    json_object_set_new(v, "aead_id", json_integer(aead));
    json_object_set_new(v, "request_label", json_string(labels->request));
    json_object_set_new(v, "response_label", json_string(labels->response));
    put(v, "extra", labels->extra.data, labels->extra.size);
    put(v, "skR", server.secret, HPKE_SECRET_SIZE);
    put(v, "skE", ephemeral.secret, HPKE_SECRET_SIZE);
    struct writer w = writer_of(out, sizeof(out));
    ohttp_put_key_config(&w, &config);
    put(v, "key_config", out, w.at);
    put(v, "bhttp_request", request, sizeof(request) - 1);
    w = writer_of(out, sizeof(out));
    assert_int_equal(ohttp_begin_request_with(&x, &config, aead, labels, &ephemeral, &w), TFAAS_OK);
    assert_int_equal(ohttp_seal_request(&x, (struct span){request, sizeof(request) - 1}, &w),
                     TFAAS_OK);
    put(v, "encapsulated_request", out, w.at);
    put(v, "bhttp_response", response, sizeof(response) - 1);
    put(v, "response_nonce", nonce, sizeof(nonce));
    assert_int_equal(ohttp_encapsulate_response_with(&x, nonce,
                                                     (struct span){response, sizeof(response) - 1},
                                                     out, sizeof(out), &size),
                     TFAAS_OK);
    put(v, "encapsulated_response", out, size);
    return v;
}

static void test_own_vectors(void **state)
{
    (void)state;
    const char *path = "tests/vectors/protocol/ohttp.json";
    if (!aead_available(AEAD_AES_256_GCM))
        skip();
    json_t *have = json_array();
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++) {
        json_array_append_new(have, vector(aead, &ohttp_labels_standard));
        json_array_append_new(have, vector(aead, &tfaas));
    }
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
        cmocka_unit_test(test_rfc9458),          cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_changed_requests), cmocka_unit_test(test_changed_responses),
        cmocka_unit_test(test_key_config),       cmocka_unit_test(test_many_suites),
        cmocka_unit_test(test_key_list),         cmocka_unit_test(test_own_vectors),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
