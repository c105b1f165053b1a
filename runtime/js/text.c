/*
 * text.c - UTF-8 bytes as JS strings, as the WHATWG Encoding standard decodes them: each maximal
 * ill-formed part becomes one U+FFFD. The engine's own decoder counts such parts differently.
 */
#include "guest.h"

/* Bytes of the sequence at `data`; *good: it is well-formed. A cut-off end is *unfinished. */
static size_t sequence(const uint8_t *data, size_t size, bool *good, bool *unfinished)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t need;

    *good = data[0] < 0x80;
    *unfinished = false;
    if (data[0] < 0xc2 || data[0] > 0xf4)
        return 1;
    need = data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;
    if (data[0] == 0xe0)
        low = 0xa0;
    else if (data[0] == 0xed)
        high = 0x9f;
    else if (data[0] == 0xf0)
        low = 0x90;
    else if (data[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < need; i++) {
        *unfinished = i == size;
        if (i == size || data[i] < low || data[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *good = true;
    return need;
}

bool text_is_utf8(const uint8_t *data, size_t size, size_t *rest)
{
    bool all_good = true, good, unfinished;

    *rest = 0;
    for (size_t at = 0; at < size;) {
        size_t length = sequence(data + at, size - at, &good, &unfinished);

        if (unfinished && all_good)
            *rest = size - at;
        all_good = all_good && good;
        at += length;
    }
    return all_good;
}

static uint32_t code_point(const uint8_t *data, size_t length)
{
    uint32_t point = length == 1   ? data[0]
                     : length == 2 ? data[0] & 0x1fu
                     : length == 3 ? data[0] & 0x0fu
                                   : data[0] & 0x07u;

    for (size_t i = 1; i < length; i++)
        point = point << 6 | (data[i] & 0x3fu);
    return point;
}

JSValue text_from_utf8(JSContext *ctx, const uint8_t *data, size_t size)
{
    size_t rest, count = 0;
    uint16_t *units;
    bool good, unfinished;
    JSValue text;

    if (text_is_utf8(data, size, &rest))
        return JS_NewStringLen(ctx, (const char *)data, size);
    units = js_malloc(ctx, size * sizeof(*units)); /* no sequence gives more units than bytes */
    if (!units)
        return JS_EXCEPTION;
    for (size_t at = 0; at < size;) {
        size_t length = sequence(data + at, size - at, &good, &unfinished);
        uint32_t point = good ? code_point(data + at, length) : 0xfffd;

        if (point >= 0x10000) {
            units[count++] = (uint16_t)(0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        units[count++] = (uint16_t)point;
        at += length;
    }
    text = JS_NewStringUTF16(ctx, units, count);
    js_free(ctx, units);
    return text;
}
