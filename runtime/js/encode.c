/*
 * encode.c - natives for Buffer, atob and relatives: bytes as base64, hex, latin1 and UTF-16 and
 * back, as node reads them (leniently), and searching. In JS they would take fifty times as long.
 */
#include <string.h>
#include "guest.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
static const char hex_digits[] = "0123456789abcdef";

enum encoding {
    ENCODING_BASE64,
    ENCODING_BASE64URL,
    ENCODING_HEX,
    ENCODING_LATIN1,
    ENCODING_ASCII,
    ENCODING_UTF16
};

/* Takes the digits of `out`, which holds `size` bytes. */
static JSValue text_of(JSContext *ctx, char *out, size_t size)
{
    JSValue text = engine_latin1_string(ctx, out, size);

    js_free(ctx, out);
    return text;
}

static size_t put_base64(const uint8_t *data, size_t size, bool is_url, char *out)
{
    const char *digits = base64_digits, *last = base64_digits + (is_url ? 64 : 62);
    size_t at = 0;

    for (size_t i = 0; i < size; i += 3) {
        uint32_t left = (uint32_t)(size - i < 3 ? size - i : 3);
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0);

        for (unsigned k = 0; k <= left; k++) {
            uint32_t digit = bits >> (18 - 6 * k) & 63;

            out[at++] = digit < 62 ? digits[digit] : last[digit - 62];
        }
        for (unsigned k = left; k < 3 && !is_url; k++)
            out[at++] = '=';
    }
    return at;
}

static JSValue decode_utf16(JSContext *ctx, const uint8_t *data, size_t size)
{
    uint16_t *units = js_malloc(ctx, size + 2);
    JSValue text;

    if (!units)
        return JS_EXCEPTION;
    memcpy(units, data, size & ~(size_t)1);
    text = JS_NewStringUTF16(ctx, units, size / 2);
    js_free(ctx, units);
    return text;
}

/* bytesToText(view, encoding) */
static JSValue bytes_to_text(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *data;
    size_t size, at = 0;
    int32_t encoding;
    char *out;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &data, &size) || JS_ToInt32(ctx, &encoding, argv[1]))
        return JS_EXCEPTION;
    if (encoding == ENCODING_UTF16)
        return decode_utf16(ctx, data, size);
    if (encoding == ENCODING_LATIN1)
        return native_latin1(ctx, data, size);
    out = js_malloc(ctx, 2 * size + 4);
    if (!out)
        return JS_EXCEPTION;
    if (encoding == ENCODING_ASCII)
        while (at < size)
            out[at] = (char)(data[at] & 0x7f), at++;
    else if (encoding == ENCODING_HEX)
        for (size_t i = 0; i < size; i++) {
            out[at++] = hex_digits[data[i] >> 4];
            out[at++] = hex_digits[data[i] & 15];
        }
    else
        at = put_base64(data, size, encoding == ENCODING_BASE64URL, out);
    return text_of(ctx, out, at);
}

static uint32_t unit_at(const struct engine_text *text, size_t i)
{
    return text->latin1 ? text->latin1[i] : text->utf16[i];
}

static int hex_value(uint32_t unit)
{
    if (unit >= '0' && unit <= '9')
        return (int)unit - '0';
    unit |= 0x20;
    return unit >= 'a' && unit <= 'f' ? (int)unit - 'a' + 10 : -1;
}

/* Up to the first pair that is none. */
static size_t take_hex(const struct engine_text *text, uint8_t *out)
{
    size_t size = 0;

    for (; 2 * size + 1 < text->length; size++) {
        int high = hex_value(unit_at(text, 2 * size)), low = hex_value(unit_at(text, 2 * size + 1));

        if (high < 0 || low < 0)
            break;
        out[size] = (uint8_t)(high << 4 | low);
    }
    return size;
}

/* 1 more than the value of a digit of either alphabet; 0: none */
static const uint8_t base64_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

static int base64_value(uint32_t unit)
{
    return unit < 256 ? base64_values[unit] - 1 : -1;
}

/* Either alphabet; what is no digit is passed over; "=" ends it. */
static size_t take_base64(const struct engine_text *text, uint8_t *out)
{
    uint32_t bits = 0, count = 0;
    size_t size = 0, i = 0;

    for (; text->latin1 && i + 4 <= text->length; i += 4) { /* four digits, as nearly always */
        const uint8_t *from = text->latin1 + i;
        uint32_t a = base64_values[from[0]], b = base64_values[from[1]];
        uint32_t c = base64_values[from[2]], d = base64_values[from[3]];

        if (!a || !b || !c || !d)
            break;
        bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        out[size++] = (uint8_t)(bits >> 16);
        out[size++] = (uint8_t)(bits >> 8);
        out[size++] = (uint8_t)bits;
    }
    for (; i < text->length; i++) {
        uint32_t unit = unit_at(text, i);
        int value = base64_value(unit);

        if (unit == '=')
            break;
        if (value < 0)
            continue;
        bits = bits << 6 | (uint32_t)value;
        if (++count % 4 == 0) {
            out[size++] = (uint8_t)(bits >> 16);
            out[size++] = (uint8_t)(bits >> 8);
            out[size++] = (uint8_t)bits;
        }
    }
    if (count % 4 == 2)
        out[size++] = (uint8_t)(bits >> 4);
    if (count % 4 == 3) {
        out[size++] = (uint8_t)(bits >> 10);
        out[size++] = (uint8_t)(bits >> 2);
    }
    return size;
}

/* textToBytes(text, encoding) */
static JSValue text_to_bytes(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct engine_text text;
    int32_t encoding;
    uint8_t *out;
    size_t size = 0;
    JSValue bytes = JS_EXCEPTION;

    (void)this_value, (void)argc;
    if (JS_ToInt32(ctx, &encoding, argv[1]) || !engine_text(ctx, argv[0], &text))
        return JS_EXCEPTION;
    out = js_malloc(ctx, 2 * (size_t)text.length + 4);
    if (out) {
        switch ((enum encoding)encoding) {
        case ENCODING_HEX:
            size = take_hex(&text, out);
            break;
        case ENCODING_BASE64:
        case ENCODING_BASE64URL:
            size = take_base64(&text, out);
            break;
        case ENCODING_UTF16:
            for (size_t i = 0; i < text.length; i++) {
                out[size++] = (uint8_t)unit_at(&text, i);
                out[size++] = (uint8_t)(unit_at(&text, i) >> 8);
            }
            break;
        default:
            for (; size < text.length; size++)
                out[size] = (uint8_t)unit_at(&text, size);
        }
        bytes = JS_NewUint8ArrayCopy(ctx, out, size);
    }
    js_free(ctx, out);
    JS_FreeValue(ctx, text.hold);
    return bytes;
}

/* bytesCompare(a, b) -> -1, 0, 1 */
static JSValue bytes_compare(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *a, *b;
    size_t a_size, b_size;
    int order;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &a, &a_size) || !native_view(ctx, argv[1], &b, &b_size))
        return JS_EXCEPTION;
    order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    if (order == 0)
        order = a_size < b_size ? -1 : a_size > b_size;
    return JS_NewInt32(ctx, order < 0 ? -1 : order > 0);
}

/* bytesFind(view, needle, from, step) -> index or -1. step: only at multiples of it from the view's
 * start, forwards, or backwards when it is negative. */
static JSValue bytes_find(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *data, *needle;
    size_t size, needle_size;
    int64_t at;
    int32_t step;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &data, &size) ||
        !native_view(ctx, argv[1], &needle, &needle_size) || JS_ToInt64(ctx, &at, argv[2]) ||
        JS_ToInt32(ctx, &step, argv[3]))
        return JS_EXCEPTION;
    for (; at >= 0 && (uint64_t)at + needle_size <= size && step; at += step)
        if (needle_size == 0 || (data[at] == needle[0] && !memcmp(data + at, needle, needle_size)))
            return JS_NewInt64(ctx, at);
    return JS_NewInt32(ctx, -1);
}

int encode_add_natives(JSContext *ctx, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("bytesToText", 2, bytes_to_text),
        JS_CFUNC_DEF("textToBytes", 2, text_to_bytes),
        JS_CFUNC_DEF("bytesCompare", 2, bytes_compare),
        JS_CFUNC_DEF("bytesFind", 4, bytes_find),
    };

    return JS_SetPropertyFunctionList(ctx, native, functions,
                                      (int)(sizeof(functions) / sizeof(*functions)));
}
