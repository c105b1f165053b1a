/*
 * form.c - application/x-www-form-urlencoded text (a query string or a form body) as an object.
 * Names become own properties whatever they are, so "__proto__" cannot reach a prototype.
 */
#include <string.h>
#include "guest.h"

static int hex(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* `scratch` has room for text.size bytes. A "%" that starts no code stands for itself. */
static JSValue decode(JSContext *ctx, struct slice text, uint8_t *scratch)
{
    uint32_t size = 0;

    for (uint32_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];

        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%' && text.size - i > 2 && hex(text.data[i + 1]) >= 0 &&
                   hex(text.data[i + 2]) >= 0) {
            byte = (uint8_t)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
            i += 2;
        }
        scratch[size++] = byte;
    }
    return text_from_utf8(ctx, scratch, size);
}

/* Takes `value`. */
static int add(JSContext *ctx, JSValueConst object, JSAtom name, JSValue value)
{
    JSPropertyDescriptor property;
    JSValue list;
    int64_t length;
    int found = JS_GetOwnProperty(ctx, &property, object, name);

    if (found < 0) {
        JS_FreeValue(ctx, value);
        return -1;
    }
    if (!found)
        return JS_DefinePropertyValue(ctx, object, name, value, JS_PROP_C_W_E);
    list = property.value;
    JS_FreeValue(ctx, property.getter);
    JS_FreeValue(ctx, property.setter);
    if (!JS_IsArray(list)) {
        JSValue first = list;

        list = JS_NewArrayFrom(ctx, 2, (JSValue[]){first, value});
        return JS_IsException(list)
                   ? -1
                   : JS_DefinePropertyValue(ctx, object, name, list, JS_PROP_C_W_E);
    }
    found = JS_GetLength(ctx, list, &length);
    if (found < 0)
        JS_FreeValue(ctx, value);
    else
        found = JS_DefinePropertyValueUint32(ctx, list, (uint32_t)length, value, JS_PROP_C_W_E);
    JS_FreeValue(ctx, list);
    return found;
}

static int add_pair(JSContext *ctx, JSValueConst object, struct slice pair, uint8_t *scratch)
{
    const uint8_t *equals = memchr(pair.data, '=', pair.size);
    struct slice name = pair, value = {pair.data + pair.size, 0};
    JSValue text;
    JSAtom atom;
    int result;

    if (equals) {
        name.size = (uint32_t)(equals - pair.data);
        value.data = equals + 1;
        value.size = pair.size - name.size - 1;
    }
    text = decode(ctx, name, scratch);
    atom = JS_IsException(text) ? JS_ATOM_NULL : JS_ValueToAtom(ctx, text);
    JS_FreeValue(ctx, text);
    if (atom == JS_ATOM_NULL)
        return -1;
    text = decode(ctx, value, scratch);
    result = JS_IsException(text) ? -1 : add(ctx, object, atom, text);
    JS_FreeAtom(ctx, atom);
    return result < 0 ? -1 : 0;
}

JSValue form_parse(JSContext *ctx, struct slice text)
{
    JSValue object = JS_NewObject(ctx);
    uint8_t *scratch;
    uint32_t at = 0;

    if (JS_IsException(object) || text.size == 0)
        return object;
    scratch = js_malloc(ctx, text.size);
    if (!scratch)
        goto fail;
    while (at < text.size) {
        const uint8_t *stop = memchr(text.data + at, '&', text.size - at);
        uint32_t size = stop ? (uint32_t)(stop - text.data) - at : text.size - at;

        if (size && add_pair(ctx, object, (struct slice){text.data + at, size}, scratch))
            goto fail;
        at += size + 1;
    }
    js_free(ctx, scratch);
    return object;
fail:
    js_free(ctx, scratch);
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}
