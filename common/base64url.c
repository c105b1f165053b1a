/* base64url.c - base64url without padding over libsodium (common/base64url.h). */
#include "base64url.h"
#include <sodium.h>

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

tfaas_status_t base64url_encode(struct span data, char *out, size_t capacity)
{
    /* sodium_bin2base64 ends the process when the buffer is too small, so look first. */
    if (data.size > SIZE_MAX / 2 || capacity < BASE64URL_SIZE(data.size) + 1)
        return TFAAS_TOO_LARGE;
    sodium_bin2base64(out, capacity, data.data, data.size, VARIANT);
    return TFAAS_OK;
}

/* libsodium 1.0.18 reads bytes above ASCII as negative characters and takes some for digits. */
static bool is_ascii(struct span text)
{
    uint8_t all = 0;
    for (size_t i = 0; i < text.size; i++)
        all |= text.data[i];
    return all < 0x80;
}

tfaas_status_t base64url_decode(struct span text, uint8_t *out, size_t capacity, size_t *out_size)
{
    *out_size = 0;
    if (text.size % 4 == 1 || !is_ascii(text))
        return TFAAS_BAD_REQUEST;
    if (text.size / 4 * 3 + (text.size % 4 ? text.size % 4 - 1 : 0) > capacity)
        return TFAAS_TOO_LARGE;
    uint8_t nothing[1];
    size_t size = 0;
    if (text.size == 0)
        return TFAAS_OK;
    if (sodium_base642bin(capacity ? out : nothing, capacity, (const char *)text.data, text.size,
                          NULL, &size, NULL, VARIANT) != 0)
        return TFAAS_BAD_REQUEST;
    *out_size = size;
    return TFAAS_OK;
}
