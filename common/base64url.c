/* base64url.c - base64url without padding over libsodium (common/base64url.h). */
#include "base64url.h"
#include <sodium.h>

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

#ifdef __x86_64__
#include <immintrin.h>

/* Twelve bytes to sixteen characters: receipts are long, and libsodium takes as long for each of
 * their characters. Neither branches on a byte nor looks one up in memory. */
__attribute__((target("ssse3"))) static void encode_twelve(const uint8_t *from, char *to)
{
    int32_t last;
    memcpy(&last, from + 8, sizeof(last));
    /* of each three bytes b0 b1 b2, as the number b1 b0 b2 b1, least first */
    const __m128i spread = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    __m128i in =
        _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)from), _mm_cvtsi32_si128(last));
    in = _mm_shuffle_epi8(in, spread);
    /* the products shift six bits to where a byte begins */
    __m128i even =
        _mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
    __m128i odd =
        _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
    __m128i v = _mm_or_si128(even, odd);
    /* 0 to 25: 13, 26 to 51: 0, 52 to 61: 1 to 10, 62: 11, 63: 12; and what each adds */
    const __m128i add =
        _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '-' - 62, '_' - 63, 'A', 0, 0);
    __m128i kind =
        _mm_or_si128(_mm_subs_epu8(v, _mm_set1_epi8(51)),
                     _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), v), _mm_set1_epi8(13)));
    _mm_storeu_si128((__m128i *)to, _mm_add_epi8(v, _mm_shuffle_epi8(add, kind)));
}

/* False: this processor lacks the instructions. */
static bool encode(struct span data, char *out)
{
    size_t at = 0;
    if (!__builtin_cpu_supports("ssse3"))
        return false;
    for (; data.size - at >= 12; at += 12)
        encode_twelve(data.data + at, out + at / 3 * 4);
    uint8_t rest[12] = {0};
    char text[16];
    size_t left = data.size - at;
    if (left)
        memcpy(rest, data.data + at, left);
    encode_twelve(rest, text);
    memcpy(out + at / 3 * 4, text, BASE64URL_SIZE(left));
    out[BASE64URL_SIZE(data.size)] = '\0';
    sodium_memzero(rest, sizeof(rest));
    sodium_memzero(text, sizeof(text));
    return true;
}
#else
static bool encode(struct span data, char *out)
{
    (void)data;
    (void)out;
    return false;
}
#endif

tfaas_status_t base64url_encode(struct span data, char *out, size_t capacity)
{
    /* sodium_bin2base64 ends the process when the buffer is too small, so look first. */
    if (data.size > SIZE_MAX / 2 || capacity < BASE64URL_SIZE(data.size) + 1)
        return TFAAS_TOO_LARGE;
    if (!encode(data, out))
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
