/* base64url.c - base64url without padding over libsodium (common/base64url.h). */
#include "base64url.h"
#include <sodium.h>

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/* 0xff in every byte of `v` (each below 64) that is at least `from`. */
static uint64_t at_least(uint64_t v, uint8_t from)
{
    return ((v + EACH(128 - from)) >> 7 & EACH(1)) * 255;
}

/* Six bytes to eight characters, all at once: receipts are long, and libsodium takes as long for
 * each of their characters. Neither branches nor looks up. No step carries into another byte. */
static void encode_six(const uint8_t *from, char *to)
{
    uint64_t high = (uint64_t)from[0] << 16 | (uint64_t)from[1] << 8 | from[2];
    uint64_t low = (uint64_t)from[3] << 16 | (uint64_t)from[4] << 8 | from[5];
    uint64_t v = high << 32 | low;
    v = (v & 0x00fff00000fff000u) << 4 | (v & 0x00000fff00000fffu);
    v = (v & 0x0fc00fc00fc00fc0u) << 2 | (v & 0x003f003f003f003fu);
    uint64_t lower = at_least(v, 26), digit = at_least(v, 52), dash = at_least(v, 62),
             line = at_least(v, 63);
    uint64_t text = v + (EACH('A') & ~lower) + (EACH('a' - 26) & lower & ~digit);
    text -= EACH(52 - '0') & digit & ~dash;
    text -= EACH(62 - '-') & dash & ~line;
    text += EACH('_' - 63) & line;
    text = __builtin_bswap64(text);
    memcpy(to, &text, sizeof(text));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "encode_six stores so");

tfaas_status_t base64url_encode(struct span data, char *out, size_t capacity)
{
    /* sodium_bin2base64 ends the process when the buffer is too small, so look first. */
    if (data.size > SIZE_MAX / 2 || capacity < BASE64URL_SIZE(data.size) + 1)
        return TFAAS_TOO_LARGE;
    size_t at = 0;
    for (; data.size - at >= 6; at += 6)
        encode_six(data.data + at, out + at / 3 * 4);
    size_t used = at / 3 * 4;
    sodium_bin2base64(out + used, capacity - used, data.data + at, data.size - at, VARIANT);
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
