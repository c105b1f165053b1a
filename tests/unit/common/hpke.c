/* needs: common/hpke.c common/hkdf.c common/aead.c libs: sodium jansson crypto */
/*
 * hpke.c - tests of common/hpke.c and common/aead.c: every vector of RFC 9180 for X25519,
 * HKDF-SHA256 and the base and PSK modes; whatever does not authenticate; bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include "aes128.h"
#include "hpke.h"
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

static void check_encryption(struct hpke_context *s, struct hpke_context *r, const json_t *e)
{
    struct span aad = hex(e, "aad"), ct = hex(e, "ct"), pt = hex(e, "pt");
    uint8_t *out = malloc(ct.size), *back = malloc(pt.size);
    size_t size = 0;
    s->sequence = r->sequence = (uint64_t)json_integer_value(json_object_get(e, "seq"));
    if (s->aead == AEAD_AES_128_GCM) {
        aes128_seal(s->key, hex(e, "nonce").data, aad, pt, out);
        assert_bytes(out, ct);
        assert_int_equal(hpke_seal(s, aad, pt, out, ct.size, &size), TFAAS_UNSUPPORTED);
        assert_int_equal(hpke_open(r, aad, ct, back, pt.size, &size), TFAAS_UNSUPPORTED);
    } else {
        assert_int_equal(hpke_seal(s, aad, pt, out, ct.size, &size), TFAAS_OK);
        assert_int_equal(size, ct.size);
        assert_bytes(out, ct);
        assert_int_equal(hpke_open(r, aad, ct, back, pt.size, &size), TFAAS_OK);
        assert_int_equal(size, pt.size);
        assert_bytes(back, pt);
    }
    free(out);
    free(back);
}

static void check_vector(const json_t *v)
{
    uint16_t aead = (uint16_t)json_integer_value(json_object_get(v, "aead_id"));
    bool with_psk = json_integer_value(json_object_get(v, "mode")) == 1;
    struct hpke_psk psk = {vectors_hex(v, "psk"), vectors_hex(v, "psk_id")};
    struct hpke_key_pair receiver, ephemeral, again;
    struct hpke_context c[2];
    assert_int_equal(hpke_derive_key_pair(&receiver, hex(v, "ikmR")), TFAAS_OK);
    assert_bytes(receiver.secret, hex(v, "skRm"));
    assert_bytes(receiver.public_key, hex(v, "pkRm"));
    assert_int_equal(hpke_derive_key_pair(&ephemeral, hex(v, "ikmE")), TFAAS_OK);
    assert_bytes(ephemeral.secret, hex(v, "skEm"));
    assert_bytes(ephemeral.public_key, hex(v, "enc"));
    hpke_key_pair_of(&again, hex(v, "skRm").data);
    assert_memory_equal(&again, &receiver, sizeof(again));
    assert_int_equal(hpke_setup_sender_with(&c[0], aead, receiver.public_key, hex(v, "info"),
                                            with_psk ? &psk : NULL, &ephemeral),
                     TFAAS_OK);
    assert_int_equal(hpke_setup_receiver(&c[1], aead, &receiver, hex(v, "enc").data, hex(v, "info"),
                                         with_psk ? &psk : NULL),
                     TFAAS_OK);
    assert_memory_equal(&c[0], &c[1], sizeof(c[0]));
    if (aead != AEAD_EXPORT_ONLY) {
        assert_int_equal(aead_key_size(aead), hex(v, "key").size);
        assert_bytes(c[0].key, hex(v, "key"));
        assert_bytes(c[0].base_nonce, hex(v, "base_nonce"));
    }
    assert_bytes(c[0].exporter_secret, hex(v, "exporter_secret"));
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(v, "exports"), i, item)
    {
        struct span want = hex(item, "exported_value");
        uint8_t *out = malloc(want.size);
        assert_int_equal(hpke_export(&c[1], hex(item, "exporter_context"), out, want.size),
                         TFAAS_OK);
        assert_bytes(out, want);
        free(out);
    }
    if (aead == AEAD_AES_256_GCM && !aead_available(aead)) {
        print_message("skipped: no AES-NI: AES-256-GCM ciphertexts\n");
        return;
    }
    json_array_foreach(json_object_get(v, "encryptions"), i, item)
        check_encryption(&c[0], &c[1], item);
}

static void test_rfc9180(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("tests/vectors/hpke/rfc9180.json"), *v;
    size_t i;
    assert_int_equal(json_array_size(vectors), 8);
    json_array_foreach(vectors, i, v) check_vector(v);
    json_decref(vectors);
}

/* --- what must fail --- */

struct pair {
    struct hpke_key_pair key;
    struct hpke_context s, r;
    uint8_t enc[HPKE_ENC_SIZE];
};

static void set_up(struct pair *p, uint16_t aead)
{
    hpke_generate_key_pair(&p->key);
    assert_int_equal(
        hpke_setup_sender(&p->s, aead, p->key.public_key, vectors_text("info"), NULL, p->enc),
        TFAAS_OK);
    assert_int_equal(hpke_setup_receiver(&p->r, aead, &p->key, p->enc, vectors_text("info"), NULL),
                     TFAAS_OK);
}

static void expect_closed(struct hpke_context *r, struct span aad, struct span sealed)
{
    size_t size = 99, plain_size = sealed.size < 16 ? 0 : sealed.size - 16;
    uint8_t *copy = vectors_copy(sealed), *out = malloc(plain_size ? plain_size : 1);
    memset(out, 0x55, plain_size);
    uint64_t before = r->sequence;
    assert_int_equal(hpke_open(r, aad, (struct span){copy, sealed.size}, out, plain_size, &size),
                     TFAAS_BAD_REQUEST);
    assert_int_equal(size, 0);
    assert_int_equal(r->sequence, before);
    for (size_t i = 0; i < plain_size; i++) /* no plaintext, nor a part of it */
        assert_true(out[i] == 0x55 || out[i] == 0);
    free(copy);
    free(out);
}

static void check_refusals(uint16_t aead)
{
    struct pair p;
    struct span aad = vectors_text("aad");
    uint8_t sealed[64], out[64];
    size_t size, plain_size;
    set_up(&p, aead);
    assert_int_equal(hpke_seal(&p.s, aad, vectors_text("a message"), sealed, 64, &size), TFAAS_OK);
    for (size_t cut = 0; cut < size; cut++)
        expect_closed(&p.r, aad, (struct span){sealed, cut});
    for (size_t bit = 0; bit < size * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_closed(&p.r, aad, (struct span){sealed, size});
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    expect_closed(&p.r, vectors_text("aae"), (struct span){sealed, size});
    expect_closed(&p.r, none, (struct span){sealed, size});
    for (unsigned i = 0; i < sizeof(p.r.base_nonce); i++) {
        struct hpke_context other = p.r;
        other.base_nonce[i] ^= 1;
        expect_closed(&other, aad, (struct span){sealed, size});
    }
    const struct span whole = {sealed, size};
    assert_int_equal(hpke_open(&p.r, aad, whole, out, 8, &plain_size), TFAAS_TOO_LARGE);
    assert_int_equal(hpke_open(&p.r, aad, whole, out, 9, &plain_size), TFAAS_OK);
    assert_int_equal(plain_size, 9);
    assert_memory_equal(out, "a message", 9);
    expect_closed(&p.r, aad, (struct span){sealed, size}); /* a second time: another number */
}

static void test_refusals(void **state)
{
    (void)state;
    check_refusals(AEAD_CHACHA20_POLY1305);
    if (aead_available(AEAD_AES_256_GCM))
        check_refusals(AEAD_AES_256_GCM);
}

/* Another enc, info, key or AEAD gives another context. */
static void test_other_contexts(void **state)
{
    (void)state;
    struct pair p;
    struct hpke_context other;
    uint8_t sealed[64];
    size_t size;
    set_up(&p, AEAD_CHACHA20_POLY1305);
    assert_int_equal(hpke_seal(&p.s, none, vectors_text("m"), sealed, 64, &size), TFAAS_OK);
    for (size_t bit = 0; bit < sizeof(p.enc) * 8; bit++) {
        uint8_t enc[HPKE_ENC_SIZE];
        memcpy(enc, p.enc, sizeof(enc));
        enc[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(
            hpke_setup_receiver(&other, p.r.aead, &p.key, enc, vectors_text("info"), NULL),
            TFAAS_OK);
        expect_closed(&other, none, (struct span){sealed, size});
    }
    assert_int_equal(
        hpke_setup_receiver(&other, p.r.aead, &p.key, p.enc, vectors_text("inf"), NULL), TFAAS_OK);
    expect_closed(&other, none, (struct span){sealed, size});
    uint8_t key[32] = {1};
    struct hpke_psk psk = {{key, 32}, vectors_text("id")}, psk2 = {{key, 32}, vectors_text("ie")};
    assert_int_equal(
        hpke_setup_receiver(&other, p.r.aead, &p.key, p.enc, vectors_text("info"), &psk), TFAAS_OK);
    expect_closed(&other, none, (struct span){sealed, size});
    struct hpke_context other2;
    assert_int_equal(
        hpke_setup_receiver(&other2, p.r.aead, &p.key, p.enc, vectors_text("info"), &psk2),
        TFAAS_OK);
    assert_memory_not_equal(other.key, other2.key, 32);
}

static void test_low_order_points(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct hpke_key_pair pair;
    hpke_generate_key_pair(&pair);
    for (size_t i = 0; i < 2 * sizeof(points) / sizeof(points[0]); i++) {
        struct span p = vectors_unhex(points[i / 2]);
        uint8_t point[32], enc[32];
        struct hpke_context c;
        memcpy(point, p.data, 32);
        point[31] |= i % 2 ? 0x80 : 0; /* the top bit is masked off, RFC 7748 section 5 */
        memset(&c, 0xff, sizeof(c));
        assert_int_equal(hpke_setup_sender(&c, AEAD_CHACHA20_POLY1305, point, none, NULL, enc),
                         TFAAS_BAD_REQUEST);
        assert_true(sodium_is_zero((uint8_t *)&c, sizeof(c)));
        memset(&c, 0xff, sizeof(c));
        assert_int_equal(hpke_setup_receiver(&c, AEAD_CHACHA20_POLY1305, &pair, point, none, NULL),
                         TFAAS_BAD_REQUEST);
        assert_true(sodium_is_zero((uint8_t *)&c, sizeof(c)));
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct pair p;
    static uint8_t big[HKDF_OUT_MAX + 1];
    uint8_t sealed[40], key[32] = {0};
    size_t size;
    set_up(&p, AEAD_CHACHA20_POLY1305);
    for (size_t capacity = 0; capacity < 17; capacity++) {
        assert_int_equal(hpke_seal(&p.s, none, vectors_text("m"), sealed, capacity, &size),
                         TFAAS_TOO_LARGE);
        assert_int_equal(p.s.sequence, 0);
    }
    p.s.sequence = UINT64_MAX - 1;
    assert_int_equal(hpke_seal(&p.s, none, none, sealed, 16, &size), TFAAS_OK);
    assert_int_equal(hpke_seal(&p.s, none, none, sealed, 16, &size), TFAAS_TOO_LARGE);
    p.r.sequence = UINT64_MAX;
    assert_int_equal(hpke_open(&p.r, none, (struct span){sealed, 16}, sealed, 0, &size),
                     TFAAS_TOO_LARGE);
    assert_int_equal(hpke_export(&p.s, none, big, HKDF_OUT_MAX), TFAAS_OK);
    assert_int_equal(hpke_export(&p.s, none, big, HKDF_OUT_MAX + 1), TFAAS_TOO_LARGE);
    assert_int_equal(hpke_derive_key_pair(&p.key, (struct span){key, 31}), TFAAS_BAD_REQUEST);
    const struct hpke_psk bad[] = {{{key, 31}, vectors_text("id")},
                                   {none, vectors_text("id")},
                                   {{key, 32}, none},
                                   {none, none}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(
            hpke_setup_sender(&p.s, AEAD_CHACHA20_POLY1305, p.key.public_key, none, &bad[i], p.enc),
            TFAAS_BAD_REQUEST);
    for (unsigned aead = 0; aead <= 0xffff; aead++)
        if ((aead < 1 || aead > 3) && aead != AEAD_EXPORT_ONLY)
            assert_int_equal(hpke_setup_receiver(&p.r, (uint16_t)aead, &p.key, p.enc, none, NULL),
                             TFAAS_UNSUPPORTED);
    assert_int_equal(hpke_setup_receiver(&p.r, AEAD_EXPORT_ONLY, &p.key, p.enc, none, NULL),
                     TFAAS_OK);
    assert_int_equal(hpke_seal(&p.r, none, none, sealed, 16, &size), TFAAS_UNSUPPORTED);
    hpke_wipe(&p.r);
    assert_true(sodium_is_zero((uint8_t *)&p.r, sizeof(p.r)));
}

/* Sealing and opening where the message stands, and of nothing. */
static void test_in_place(void **state)
{
    (void)state;
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++) {
        if (!aead_available(aead))
            continue;
        for (size_t size = 0; size < 300; size++) {
            struct pair p;
            uint8_t buffer[320], want[320];
            size_t sealed_size, plain_size;
            if (size % 64 == 0 || size < 3)
                set_up(&p, aead);
            randombytes_buf(want, size);
            memcpy(buffer, want, size);
            assert_int_equal(
                hpke_seal(&p.s, none, (struct span){buffer, size}, buffer, size + 16, &sealed_size),
                TFAAS_OK);
            assert_int_equal(sealed_size, size + 16);
            assert_int_equal(hpke_open(&p.r, none, (struct span){buffer, sealed_size}, buffer, size,
                                       &plain_size),
                             TFAAS_OK);
            assert_memory_equal(buffer, want, size);
        }
    }
}

static int start(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9180),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_other_contexts), cmocka_unit_test(test_low_order_points),
        cmocka_unit_test(test_bounds),         cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
