/*
 * hkdf.c - HKDF-SHA256 over HMAC of common/sha256.h (common/hkdf.h).
 * Must never branch on, or index with, a byte of a key.
 */
#include "hkdf.h"
#include "sha256.h"

#define LABELED_VERSION "HPKE-v1"

_Static_assert(SHA256_SIZE == HKDF_HASH_SIZE, "SHA-256");

static void update(struct hmac_sha256 *state, const struct span *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].size)
            hmac_sha256_update(state, parts[i].data, parts[i].size);
}

/* An absent salt is HashLen zeros (RFC 5869 section 2.2): HMAC pads the empty key to the same. */
static void extract(uint8_t prk[HKDF_HASH_SIZE], struct span salt, const struct span *ikm,
                    size_t count)
{
    static const uint8_t none[1];
    struct hmac_sha256 state;
    hmac_sha256_init(&state, salt.size ? salt.data : none, salt.size);
    update(&state, ikm, count);
    hmac_sha256_final(&state, prk);
    sodium_memzero(&state, sizeof(state));
}

static tfaas_status_t expand(uint8_t *out, size_t out_size, const uint8_t prk[HKDF_HASH_SIZE],
                             const struct span *info, size_t count)
{
    if (out_size > HKDF_OUT_MAX)
        return TFAAS_TOO_LARGE;
    struct hmac_sha256 keyed, state;
    uint8_t block[HKDF_HASH_SIZE];
    hmac_sha256_init(&keyed, prk, HKDF_HASH_SIZE);
    uint8_t number = 0;
    for (size_t done = 0; done < out_size;) {
        state = keyed;
        if (number++ > 0)
            hmac_sha256_update(&state, block, sizeof(block));
        update(&state, info, count);
        hmac_sha256_update(&state, &number, 1);
        hmac_sha256_final(&state, block);
        size_t part = out_size - done < sizeof(block) ? out_size - done : sizeof(block);
        memcpy(out + done, block, part);
        done += part;
    }
    sodium_memzero(&keyed, sizeof(keyed));
    sodium_memzero(&state, sizeof(state));
    sodium_memzero(block, sizeof(block));
    return TFAAS_OK;
}

void hkdf_extract(uint8_t prk[HKDF_HASH_SIZE], struct span salt, struct span ikm)
{
    extract(prk, salt, &ikm, 1);
}

tfaas_status_t hkdf_expand(uint8_t *out, size_t out_size, const uint8_t prk[HKDF_HASH_SIZE],
                           struct span info)
{
    return expand(out, out_size, prk, &info, 1);
}

void hkdf_labeled_extract(uint8_t prk[HKDF_HASH_SIZE], struct span suite, struct span salt,
                          const char *label, struct span ikm)
{
    const struct span parts[] = {span_of_text(LABELED_VERSION), suite, span_of_text(label), ikm};
    extract(prk, salt, parts, sizeof(parts) / sizeof(parts[0]));
}

tfaas_status_t hkdf_labeled_expand(uint8_t *out, size_t out_size, const uint8_t prk[HKDF_HASH_SIZE],
                                   struct span suite, const char *label, struct span info)
{
    const uint8_t size[2] = {(uint8_t)(out_size >> 8), (uint8_t)out_size};
    const struct span parts[] = {
        {size, sizeof(size)}, span_of_text(LABELED_VERSION), suite, span_of_text(label), info};
    return expand(out, out_size, prk, parts, sizeof(parts) / sizeof(parts[0]));
}
