/* cache.c - see cache.h. Nothing here looks at the code itself: it is what was sealed, or it is
 * not there. */
#include "cache.h"

#include "instrument.h"
#include "plat/plat.h"
#include "random.h"
#include "tfaas/version.h"

#include <sodium.h>
#include <stdlib.h>

#define NONCE_SIZE  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEADER_SIZE 8u
#define CODE_AT     (HEADER_SIZE + NONCE_SIZE)

static const uint8_t header[HEADER_SIZE] = {'t', 'f', 'a', 'a', 's', 'c', 'c', 1};

_Static_assert(CACHE_SEED_SIZE == crypto_generichash_KEYBYTES, "the master key");

static uint8_t master[crypto_generichash_KEYBYTES];
static bool has_master;
static uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
static bool has_key;

void cache_prepare(void)
{
    plat_entropy(master, sizeof master);
    has_master = true;
}

void cache_take(const uint8_t seed[CACHE_SEED_SIZE])
{
    memcpy(master, seed, sizeof master);
    has_master = true;
}

void cache_wipe(void)
{
    sodium_memzero(master, sizeof master);
    has_master = false;
}

void cache_enter(const char *domain)
{
    if (!has_master)
        return;
    if (crypto_generichash(key, sizeof key, (const uint8_t *)domain, strlen(domain), master,
                           sizeof master) != 0)
        plat_abort("the cache key cannot be derived");
    sodium_memzero(master, sizeof master);
    has_master = false;
    has_key = true;
}

void cache_forget(void)
{
    sodium_memzero(key, sizeof key);
    has_key = false;
}

/* What must be the same when the code is used as when it was made. */
struct binding {
    uint8_t bytes[HEADER_SIZE + PACKAGE_DIGEST_SIZE + 128];
    size_t size;
};

static void bind_text(struct binding *to, const char *text)
{
    size_t size = strlen(text) + 1; /* with its NUL: no text runs into the next */
    if (size > sizeof to->bytes - to->size)
        plat_abort("the cache's associated data is too long");
    memcpy(to->bytes + to->size, text, size);
    to->size += size;
}

static void bind_all(struct binding *to, const uint8_t package[PACKAGE_DIGEST_SIZE])
{
    memcpy(to->bytes, header, HEADER_SIZE);
    memcpy(to->bytes + HEADER_SIZE, package, PACKAGE_DIGEST_SIZE);
    to->size = HEADER_SIZE + PACKAGE_DIGEST_SIZE;
    bind_text(to, instrument_weights_hash());
    bind_text(to, TFAAS_VERSION);
}

tfaas_status_t cache_seal(struct span code, const uint8_t package[PACKAGE_DIGEST_SIZE],
                          uint8_t **out, size_t *out_size)
{
    if (!has_key)
        return TFAAS_UNAVAILABLE;
    if (code.size > SIZE_MAX / 2)
        return TFAAS_TOO_LARGE;
    struct binding binding;
    bind_all(&binding, package);
    uint8_t *sealed = malloc(CODE_AT + code.size + TAG_SIZE);
    if (!sealed)
        return TFAAS_NO_SPACE;
    memcpy(sealed, header, HEADER_SIZE);
    random_bytes(sealed + HEADER_SIZE, NONCE_SIZE);
    if (crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + CODE_AT, NULL, code.data, code.size,
                                                   binding.bytes, binding.size, NULL,
                                                   sealed + HEADER_SIZE, key) != 0) {
        free(sealed);
        return TFAAS_INTERNAL;
    }
    *out = sealed;
    *out_size = CODE_AT + code.size + TAG_SIZE;
    return TFAAS_OK;
}

bool cache_open(uint8_t *sealed, size_t size, const uint8_t package[PACKAGE_DIGEST_SIZE],
                struct span *code)
{
    if (!has_key || size < CODE_AT + TAG_SIZE || memcmp(sealed, header, HEADER_SIZE) != 0)
        return false;
    struct binding binding;
    bind_all(&binding, package);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(sealed + CODE_AT, NULL, NULL, sealed + CODE_AT,
                                                   size - CODE_AT, binding.bytes, binding.size,
                                                   sealed + HEADER_SIZE, key) != 0)
        return false;
    *code = (struct span){sealed + CODE_AT, size - CODE_AT - TAG_SIZE};
    return true;
}
