/*
 * secrets.c - is our code that handles secrets free of secret-dependent branches and addresses?
 * Secrets are marked undefined for valgrind's memcheck, which reports every branch and every
 * address that depends on one (A. Langley's ctgrind). One case a run; the leak_ cases must be
 * reported.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>
#include "base64url.h"
#include "ohttp_chunked.h"

#define SECRET(data, size) VALGRIND_MAKE_MEM_UNDEFINED(data, size)
#define PUBLIC(data, size) VALGRIND_MAKE_MEM_DEFINED(data, size)

static const struct span none = {NULL, 0};
static struct hpke_key_pair receiver, ephemeral;
static uint8_t psk_key[32], enc[HPKE_ENC_SIZE];

static struct span span_of(const void *data, size_t size)
{
    return (struct span){data, size};
}

static void must(bool ok)
{
    if (!ok)
        exit(2);
}

/* That a shared secret is all zeros may be seen: the exchange is refused, which everybody sees
 * (RFC 9180 section 7.1.4). The linker puts this between our code and libsodium. */
int __real_crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
                                        const unsigned char *p);
int __wrap_crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
                                        const unsigned char *p);
int __wrap_crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
                                        const unsigned char *p)
{
    int result = __real_crypto_scalarmult_curve25519(q, n, p);
    PUBLIC(&result, sizeof(result));
    return result;
}

/* --- cases --- */

static void hkdf(void)
{
    uint8_t ikm[32], prk[HKDF_HASH_SIZE], out[100];
    randombytes_buf(ikm, sizeof(ikm));
    SECRET(ikm, sizeof(ikm));
    hkdf_extract(prk, span_of(ikm, 32), span_of(ikm, 32));
    must(hkdf_expand(out, sizeof(out), prk, none) == TFAAS_OK);
    hkdf_labeled_extract(prk, none, span_of(ikm, 32), "label", span_of(ikm, 32));
    must(hkdf_labeled_expand(out, sizeof(out), prk, none, "label", none) == TFAAS_OK);
}

static void derive_key_pair(void)
{
    uint8_t ikm[32];
    struct hpke_key_pair pair;
    randombytes_buf(ikm, sizeof(ikm));
    SECRET(ikm, sizeof(ikm));
    must(hpke_derive_key_pair(&pair, span_of(ikm, 32)) == TFAAS_OK);
}

static void use_context(struct hpke_context *c)
{
    uint8_t out[32], plain[100], sealed[116];
    size_t size;
    must(hpke_export(c, none, out, sizeof(out)) == TFAAS_OK);
    randombytes_buf(plain, sizeof(plain));
    SECRET(plain, sizeof(plain));
    must(hpke_seal(c, none, span_of(plain, sizeof(plain)), sealed, sizeof(sealed), &size) ==
         TFAAS_OK);
    hpke_wipe(c);
}

static void sender(void)
{
    struct hpke_context c;
    SECRET(ephemeral.secret, HPKE_SECRET_SIZE);
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++)
        if (aead_available(aead)) {
            must(hpke_setup_sender_with(&c, aead, receiver.public_key, none, NULL, &ephemeral) ==
                 TFAAS_OK);
            use_context(&c);
        }
}

static void receiver_with_psk(void)
{
    struct hpke_context c;
    struct hpke_psk psk = {span_of(psk_key, 32), span_of("id", 2)};
    SECRET(receiver.secret, HPKE_SECRET_SIZE);
    SECRET(psk_key, sizeof(psk_key));
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++)
        if (aead_available(aead)) {
            must(hpke_setup_receiver(&c, aead, &receiver, enc, none, &psk) == TFAAS_OK);
            use_context(&c);
        }
}

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t aead)
{
    (void)user;
    (void)key_id;
    (void)aead;
    return &receiver;
}

/* A server from the header of a request to sealed responses, plain and chunked. */
static void response(void)
{
    static const uint8_t header[OHTTP_HEADER_SIZE] = {1, 0, 0x20, 0, 1, 0, 3};
    struct ohttp_exchange x;
    struct ohttp_chunks c;
    uint8_t plain[100], out[400];
    size_t size;
    const char *why;
    SECRET(receiver.secret, HPKE_SECRET_SIZE);
    must(ohttp_accept_request(&x, span_of(header, sizeof(header)), span_of(enc, sizeof(enc)),
                              &ohttp_labels_standard, find, NULL, &why) == TFAAS_OK);
    randombytes_buf(plain, sizeof(plain));
    SECRET(plain, sizeof(plain));
    must(ohttp_encapsulate_response(&x, span_of(plain, sizeof(plain)), out, sizeof(out), &size) ==
         TFAAS_OK);
    struct writer w = writer_of(out, sizeof(out));
    must(ohttp_chunks_begin_response(&c, &x, &w) == TFAAS_OK);
    must(ohttp_chunks_seal(&c, span_of(plain, sizeof(plain)), false, &w) == TFAAS_OK);
    must(ohttp_chunks_seal(&c, none, true, &w) == TFAAS_OK);
    ohttp_chunks_wipe(&c);
    ohttp_wipe(&x);
}

static void encode(void)
{
    uint8_t secret[33];
    char out[64];
    randombytes_buf(secret, sizeof(secret));
    SECRET(secret, sizeof(secret));
    must(base64url_encode(span_of(secret, sizeof(secret)), out, sizeof(out)) == TFAAS_OK);
}

static void compare(void)
{
    uint8_t a[32], b[32];
    randombytes_buf(a, sizeof(a));
    memcpy(b, a, sizeof(b));
    SECRET(a, sizeof(a));
    int different = sodium_memcmp(a, b, sizeof(a));
    PUBLIC(&different, sizeof(different));
    must(different == 0);
}

/* --- cases that leak: the check must see each --- */

static volatile unsigned seen;

static void leak_branch(void)
{
    uint8_t prk[HKDF_HASH_SIZE], ikm[32];
    randombytes_buf(ikm, sizeof(ikm));
    SECRET(ikm, sizeof(ikm));
    hkdf_extract(prk, none, span_of(ikm, 32)); /* what is derived from a secret is one */
    if (prk[0] & 1)
        seen++;
}

static void leak_index(void)
{
    static const uint8_t table[256] = {1};
    struct hpke_context c;
    SECRET(receiver.secret, HPKE_SECRET_SIZE);
    must(hpke_setup_receiver(&c, AEAD_CHACHA20_POLY1305, &receiver, enc, none, NULL) == TFAAS_OK);
    seen += table[c.key[0]];
}

static void leak_compare(void)
{
    uint8_t a[32], b[32];
    randombytes_buf(a, sizeof(a));
    memcpy(b, a, sizeof(b));
    SECRET(a, sizeof(a));
    for (size_t i = 0; i < sizeof(a) && a[i] == b[i]; i++)
        seen++;
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"hkdf", hkdf},
    {"derive_key_pair", derive_key_pair},
    {"sender", sender},
    {"receiver_with_psk", receiver_with_psk},
    {"response", response},
    {"encode", encode},
    {"compare", compare},
    {"leak_branch", leak_branch},
    {"leak_index", leak_index},
    {"leak_compare", leak_compare},
};

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return 2;
    hpke_generate_key_pair(&receiver);
    hpke_generate_key_pair(&ephemeral);
    randombytes_buf(psk_key, sizeof(psk_key));
    memcpy(enc, ephemeral.public_key, sizeof(enc));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (argc == 1)
            puts(cases[i].name);
        else if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return argc == 1 ? 0 : 2;
}
