/* needs: common/receipt.c common/bhttp.c common/cbor.c common/base64url.c libs: sodium jansson */
/*
 * receipt.c - tests of common/receipt.c: batches of every size against the recursive definition of
 * RFC 9162, whatever is changed in a receipt, and our own vectors
 * (tests/vectors/protocol/receipt.json; TFAAS_WRITE_VECTORS=1 writes them anew).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "base64url.h"
#include "receipt.h"
#include "vectors.h"

static uint8_t public_key[32], secret[64];

/* MTH of RFC 9162 2.1.1 over leaf hashes. */
static void tree_hash(uint8_t to[32], const uint8_t (*leaves)[32], size_t count)
{
    uint8_t bytes[65] = {1};
    if (count == 1) {
        memcpy(to, leaves[0], 32);
        return;
    }
    size_t k = 1;
    while (k * 2 < count)
        k *= 2;
    tree_hash(bytes + 1, leaves, k);
    tree_hash(bytes + 33, leaves + k, count - k);
    crypto_hash_sha256(to, bytes, sizeof(bytes));
}

static struct batch {
    char claims[RECEIPT_BATCH_MAX][32], jws[RECEIPT_JWS_MAX];
    uint8_t leaves[RECEIPT_BATCH_MAX][32], path[RECEIPT_PATH_MAX][32];
    size_t jws_size, count;
} batch;

static void make_batch(size_t count)
{
    batch.count = count;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(batch.claims[i], sizeof(batch.claims[i]), "{\"seq\":%zu}", i + 1);
        receipt_leaf(vectors_text(batch.claims[i]), batch.leaves[i]);
    }
    batch.jws_size = receipt_sign((const uint8_t(*)[32])batch.leaves, count, secret, batch.jws);
    assert_true(batch.jws_size > 0 && batch.jws_size <= RECEIPT_JWS_MAX);
}

static struct receipt receipt_of(size_t index)
{
    struct receipt r = {.claims = vectors_text(batch.claims[index]),
                        .index = index,
                        .jws = {(const uint8_t *)batch.jws, batch.jws_size},
                        .lease = vectors_text("lease envelope")};
    r.path_count = receipt_path((const uint8_t(*)[32])batch.leaves, batch.count, index, batch.path);
    for (size_t i = 0; i < r.path_count; i++)
        r.path[i] = (struct span){batch.path[i], 32};
    return r;
}

static void test_every_batch(void **state)
{
    (void)state;
    for (size_t count = 1; count <= RECEIPT_BATCH_MAX; count++) {
        struct receipt_tree tree;
        uint8_t root[32];
        make_batch(count);
        tree_hash(root, (const uint8_t(*)[32])batch.leaves, count);
        receipt_tree_make(&tree, (const uint8_t(*)[32])batch.leaves, count);
        assert_memory_equal(receipt_tree_root(&tree), root, 32);
        for (size_t i = 0; i < count; i++) {
            const char *why = "";
            struct receipt r = receipt_of(i);
            assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_OK);
            r.index = (i + 1) % count;
            if (count > 1)
                assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
            r.index = i;
            r.claims = vectors_text("{\"seq\":0}");
            assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
        }
    }
}

static void test_check_refuses(void **state)
{
    (void)state;
    const char *why = "";
    make_batch(13);
    struct receipt right = receipt_of(5), r = right;
    uint8_t other_key[32], node[32] = {0};
    memcpy(other_key, public_key, 32);
    other_key[3] ^= 1;
    assert_int_equal(receipt_check(&r, other_key, &why), TFAAS_NOT_OPENED);
    r.path_count--;
    assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    r.path_count += 2;
    r.path[r.path_count - 1] = (struct span){node, 32};
    assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    for (size_t i = 0; i < right.path_count; i++) {
        r = right;
        r.path[i] = (struct span){node, 32};
        assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    }
    r = right;
    r.index = 13;
    assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    r.index = 5 + (1ull << 32);
    assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    r = right;
    char jws[RECEIPT_JWS_MAX];
    for (size_t i = 0; i < batch.jws_size; i++) {
        memcpy(jws, batch.jws, batch.jws_size);
        jws[i] = jws[i] == 'A' ? 'B' : 'A';
        r.jws.data = (const uint8_t *)jws;
        assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    }
    for (size_t size = 0; size < batch.jws_size; size++) {
        r.jws = (struct span){(const uint8_t *)batch.jws, size};
        assert_int_equal(receipt_check(&r, public_key, &why), TFAAS_NOT_OPENED);
    }
    assert_true(why[0]);
}

/* Signed by the right key, but another kind of token. */
static void test_other_tokens(void **state)
{
    (void)state;
    static const char *const tokens[][2] = {
        {"{\"alg\":\"EdDSA\",\"typ\":\"other+jws\"}", "{\"count\":1,\"root\":\"%s\"}"},
        {"{\"alg\":\"none\",\"typ\":\"tfaas-receipt+jws\"}", "{\"count\":1,\"root\":\"%s\"}"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}", "{\"root\":\"%s\",\"count\":1}"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}", "{\"count\":01,\"root\":\"%s\"}"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}", "{\"count\":0,\"root\":\"%s\"}"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}", "{\"count\":65,\"root\":\"%s\"}"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}", "{\"count\":1,\"root\":\"%s\"} "},
        {"{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}", "{\"count\":1,\"root\":\"%s\"}"},
    };
    make_batch(1);
    struct receipt r = receipt_of(0);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
        char payload[128], root[64], jws[512];
        uint8_t signature[64];
        const char *why = "";
        assert_int_equal(base64url_encode((struct span){batch.leaves[0], 32}, root, sizeof(root)),
                         TFAAS_OK);
        (void)snprintf(payload, sizeof(payload), tokens[i][1], root);
        assert_int_equal(base64url_encode(vectors_text(tokens[i][0]), jws, sizeof(jws)), TFAAS_OK);
        strcat(jws, ".");
        assert_int_equal(
            base64url_encode(vectors_text(payload), jws + strlen(jws), sizeof(jws) - strlen(jws)),
            TFAAS_OK);
        crypto_sign_detached(signature, NULL, (const uint8_t *)jws, strlen(jws), secret);
        strcat(jws, ".");
        assert_int_equal(base64url_encode((struct span){signature, 64}, jws + strlen(jws),
                                          sizeof(jws) - strlen(jws)),
                         TFAAS_OK);
        r.jws = vectors_text(jws);
        bool last = i + 1 == sizeof(tokens) / sizeof(*tokens);
        assert_int_equal(receipt_check(&r, public_key, &why), last ? TFAAS_OK : TFAAS_NOT_OPENED);
    }
}

static void test_text(void **state)
{
    (void)state;
    char text[RECEIPT_SIZE_MAX], again[RECEIPT_SIZE_MAX];
    uint8_t buffer[RECEIPT_SIZE_MAX];
    const char *why = "";
    struct receipt back;
    make_batch(64);
    struct receipt r = receipt_of(63);
    size_t size = receipt_write(&r, text);
    assert_true(size > 0);
    assert_int_equal(receipt_read((struct span){(const uint8_t *)text, size}, buffer, &back, &why),
                     TFAAS_OK);
    assert_int_equal(receipt_check(&back, public_key, &why), TFAAS_OK);
    assert_true(back.index == 63 && back.path_count == 6);
    assert_true(span_is(back.lease, "lease envelope"));
    assert_int_equal(receipt_write(&back, again), size);
    assert_memory_equal(text, again, size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = vectors_copy((struct span){(const uint8_t *)text, cut});
        assert_int_equal(receipt_read((struct span){copy, cut}, buffer, &back, &why),
                         TFAAS_BAD_REQUEST);
        free(copy);
    }
    text[size] = 'A';
    assert_int_equal(
        receipt_read((struct span){(const uint8_t *)text, size + 1}, buffer, &back, &why),
        TFAAS_BAD_REQUEST);
    /* Too large for the text, by its lease. */
    static uint8_t large[3000];
    r.lease = (struct span){large, sizeof(large)};
    assert_int_equal(receipt_write(&r, text), 0);
}

/* Lower-case names only, longest first, other integers: what is hashed has one form. */
static void test_hash_head(void **state)
{
    (void)state;
    static const uint8_t head_bytes[] = "\x00\x04POST\x05https\x01h\x09/function"
                                        "\x19\x01"
                                        "a\x01"
                                        "1\x0dtfaas-receipt\x01"
                                        "1\x01z\x02yy";
    static const uint8_t hashed[] = "\x00\x04POST\x05https\x01h\x09/function"
                                    "\x09\x01"
                                    "a\x01"
                                    "1\x01z\x02yy"
                                    "content";
    struct bhttp_head head;
    const char *why = "";
    uint8_t have[32], want[32], long_form[64];
    crypto_hash_sha256_state s;
    memcpy(long_form, head_bytes, sizeof(head_bytes));
    assert_int_equal(bhttp_read_head(long_form, sizeof(head_bytes) - 1, &head, &why), TFAAS_OK);
    crypto_hash_sha256_init(&s);
    receipt_hash_head(&s, &head);
    crypto_hash_sha256_update(&s, (const uint8_t *)"content", 7);
    crypto_hash_sha256_final(&s, have);
    crypto_hash_sha256(want, hashed, sizeof(hashed) - 1);
    assert_memory_equal(have, want, 32);
    head = (struct bhttp_head){.is_response = true, .status = 200};
    crypto_hash_sha256_init(&s);
    receipt_hash_head(&s, &head);
    crypto_hash_sha256_final(&s, have);
    crypto_hash_sha256(want, (const uint8_t *)"\x01\x40\xc8\x00", 4);
    assert_memory_equal(have, want, 32);
}

/* --- our own vectors --- */

static json_t *vector(size_t count, size_t index)
{
    char text[RECEIPT_SIZE_MAX + 1], hex[129];
    json_t *v = json_object();
    make_batch(count);
    struct receipt r = receipt_of(index);
    size_t size = receipt_write(&r, text);
    text[size] = 0;
    json_object_set_new(v, "receipt_key_seed", json_string(sodium_bin2hex(hex, 129, secret, 32)));
    json_object_set_new(v, "receipt_key", json_string(sodium_bin2hex(hex, 129, public_key, 32)));
    json_object_set_new(v, "count", json_integer((json_int_t)count));
    json_object_set_new(v, "index", json_integer((json_int_t)index));
    json_object_set_new(v, "claims", json_string(batch.claims[index]));
    json_object_set_new(v, "jws", json_stringn(batch.jws, batch.jws_size));
    json_object_set_new(v, "lease", json_string("lease envelope"));
    json_object_set_new(v, "receipt", json_string(text));
    return v;
}

static void test_own_vectors(void **state)
{
    (void)state;
    static const size_t cases[][2] = {{1, 0}, {2, 1}, {3, 2}, {7, 6}, {13, 5}, {64, 63}};
    const char *path = "tests/vectors/protocol/receipt.json";
    json_t *have = json_array();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        json_array_append_new(have, vector(cases[i][0], cases[i][1]));
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
    static const uint8_t seed[32] = "the seed of tests of receipts...";
    return sodium_init() < 0 || crypto_sign_seed_keypair(public_key, secret, seed) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_batch),  cmocka_unit_test(test_check_refuses),
        cmocka_unit_test(test_other_tokens), cmocka_unit_test(test_text),
        cmocka_unit_test(test_hash_head),    cmocka_unit_test(test_own_vectors),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
