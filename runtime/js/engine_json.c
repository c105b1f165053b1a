/*
 * engine_json.c - JSON text of plain data, written where it is wanted. Part of engine.c's
 * translation unit: it reads the engine's objects directly.
 * Must never run user code: whatever could (accessors, toJSON, proxies) or is rare (cycles, deep
 * nesting, keys that are array indexes) makes it give up, and the engine's own JSON.stringify
 * starts anew.
 */
#include "dtoa.h"

#define PLAIN_DEPTH_MAX 24 /* more is left to the engine, which checks the stack */

struct plain_json {
    JSContext *ctx;
    uint8_t *at, *end;
    JSShape *checked; /* objects of this shape have no toJSON */
};

static bool put_plain(struct plain_json *out, JSValueConst value, unsigned depth);

static inline bool put_plain_byte(struct plain_json *out, uint8_t byte)
{
    if (out->at == out->end)
        return false;
    *out->at++ = byte;
    return true;
}

static bool put_plain_text(struct plain_json *out, const char *text, size_t size)
{
    if ((size_t)(out->end - out->at) < size)
        return false;
    memcpy(out->at, text, size);
    out->at += size;
    return true;
}

static bool put_plain_escape(struct plain_json *out, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* for 8 to 13 */
    char text[6] = {'\\', (char)unit};

    if (unit == '"' || unit == '\\')
        return put_plain_text(out, text, 2);
    if (unit >= 8 && unit <= 13 && letters[unit - 8]) {
        text[1] = letters[unit - 8];
        return put_plain_text(out, text, 2);
    }
    text[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        text[2 + i] = digits[unit >> (12 - 4 * i) & 15];
    return put_plain_text(out, text, 6);
}

static bool put_plain_point(struct plain_json *out, uint32_t point)
{
    if (out->end - out->at < 4)
        return false;
    if (point < 0x800) {
        *out->at++ = (uint8_t)(0xc0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *out->at++ = (uint8_t)(0xe0 | point >> 12);
        } else {
            *out->at++ = (uint8_t)(0xf0 | point >> 18);
            *out->at++ = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        }
        *out->at++ = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    }
    *out->at++ = (uint8_t)(0x80 | (point & 0x3f));
    return true;
}

static bool put_plain_latin1(struct plain_json *out, const uint8_t *text, uint32_t length)
{
    uint8_t *at = out->at;
    const uint8_t *stop = text + length;

    if ((size_t)(out->end - at) < length)
        return false;
    /* most text needs no change */
    while (text < stop && *text >= 0x20 && *text < 0x7f && *text != '"' && *text != '\\')
        *at++ = *text++;
    out->at = at;
    for (; text < stop; text++) {
        bool good;

        if (*text < 0x20 || *text == '"' || *text == '\\')
            good = put_plain_escape(out, *text);
        else
            good = *text < 0x80 ? put_plain_byte(out, *text) : put_plain_point(out, *text);
        if (!good)
            return false;
    }
    return true;
}

static bool put_plain_utf16(struct plain_json *out, const uint16_t *units, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        uint32_t unit = units[i];
        bool good;

        if (is_hi_surrogate(unit) && i + 1 < length && is_lo_surrogate(units[i + 1]))
            good = put_plain_point(out, from_surrogate(unit, units[++i]));
        else if (unit < 0x20 || unit == '"' || unit == '\\' || is_surrogate(unit))
            good = put_plain_escape(out, unit);
        else
            good = unit < 0x80 ? put_plain_byte(out, (uint8_t)unit) : put_plain_point(out, unit);
        if (!good)
            return false;
    }
    return true;
}

static bool put_plain_string(struct plain_json *out, JSString *string)
{
    return put_plain_byte(out, '"') &&
           (string->is_wide_char ? put_plain_utf16(out, str16(string), string->len)
                                 : put_plain_latin1(out, str8(string), string->len)) &&
           put_plain_byte(out, '"');
}

static bool put_plain_number(struct plain_json *out, double number)
{
    char text[32]; /* the shortest form has at most 17 digits, a sign, a point and an exponent */
    JSDTOATempMem scratch;

    if (!isfinite(number))
        return put_plain_text(out, "null", 4);
    if (js_dtoa_max_len(number, 10, 0, JS_DTOA_FORMAT_FREE) >= (int)sizeof(text))
        return false;
    return put_plain_text(out, text,
                          (size_t)js_dtoa(text, number, 10, 0, JS_DTOA_FORMAT_FREE, &scratch));
}

/* Surely no property `name`, neither own nor inherited, and no user code to find that out. */
static bool surely_lacks(JSObject *object, JSAtom name)
{
    for (; object; object = object->shape->proto)
        if ((object->is_exotic && object->class_id != JS_CLASS_ARRAY) ||
            find_own_property1(object, name))
            return false;
    return true;
}

/* true: this property is in the text, and *value is what it holds. */
static bool plain_property(JSObject *object, uint32_t index, JSValueConst *value, bool *giving_up)
{
    JSShapeProperty *slot = &get_shape_prop(object->shape)[index];

    if (slot->atom == JS_ATOM_NULL || !(slot->flags & JS_PROP_ENUMERABLE))
        return false;
    *giving_up = (slot->flags & JS_PROP_TMASK) != JS_PROP_NORMAL;
    *value = object->prop[index].u.value;
    return *giving_up || (!JS_IsUndefined(*value) && !JS_IsSymbol(*value));
}

static bool put_plain_object(struct plain_json *out, JSObject *object, unsigned depth)
{
    JSRuntime *rt = out->ctx->rt;
    uint32_t count = (uint32_t)object->shape->prop_count;
    uint8_t before = '{';

    for (uint32_t i = 0; i < count; i++) {
        JSAtom atom = get_shape_prop(object->shape)[i].atom;
        JSValueConst value;
        JSString *name;
        bool giving_up = false;

        if (__JS_AtomIsTaggedInt(atom))
            return false; /* an index: comes before all names, wherever it stands here */
        if (!plain_property(object, i, &value, &giving_up))
            continue;
        name = rt->atom_array[atom];
        if (giving_up || (name->len && !name->is_wide_char && is_digit(str8(name)[0])))
            return false; /* with a digit in front it may be a large index */
        if (name->atom_type != JS_ATOM_TYPE_STRING) {
            continue;
        }
        if (!put_plain_byte(out, before) || !put_plain_string(out, name) ||
            !put_plain_byte(out, ':') || !put_plain(out, value, depth))
            return false;
        before = ',';
    }
    return (before == ',' || put_plain_byte(out, '{')) && put_plain_byte(out, '}');
}

static bool put_plain_array(struct plain_json *out, JSObject *array, unsigned depth)
{
    uint32_t count = array->u.array.count;

    /* the first property of an array is its length */
    if (!array->fast_array || JS_VALUE_GET_TAG(array->prop[0].u.value) != JS_TAG_INT ||
        JS_VALUE_GET_INT(array->prop[0].u.value) != (int)count || !put_plain_byte(out, '['))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        JSValueConst value = array->u.array.u.values[i];

        if (JS_IsUndefined(value) || JS_IsSymbol(value))
            value = JS_NULL;
        if ((i && !put_plain_byte(out, ',')) || !put_plain(out, value, depth))
            return false;
    }
    return put_plain_byte(out, ']');
}

static bool put_plain(struct plain_json *out, JSValueConst value, unsigned depth)
{
    char text[16];
    JSObject *object;

    switch (JS_VALUE_GET_NORM_TAG(value)) {
    case JS_TAG_INT:
        return put_plain_text(out, text, i32toa(text, JS_VALUE_GET_INT(value)));
    case JS_TAG_BOOL:
        return JS_VALUE_GET_BOOL(value) ? put_plain_text(out, "true", 4)
                                        : put_plain_text(out, "false", 5);
    case JS_TAG_NULL:
        return put_plain_text(out, "null", 4);
    case JS_TAG_FLOAT64:
        return put_plain_number(out, JS_VALUE_GET_FLOAT64(value));
    case JS_TAG_STRING:
        return put_plain_string(out, JS_VALUE_GET_STRING(value));
    case JS_TAG_OBJECT:
        break;
    default:
        return false;
    }
    object = JS_VALUE_GET_OBJ(value);
    if (depth == PLAIN_DEPTH_MAX)
        return false;
    if (object->shape != out->checked) {
        if (!surely_lacks(object, JS_ATOM_toJSON))
            return false;
        out->checked = object->shape;
    }
    if (object->class_id == JS_CLASS_ARRAY)
        return put_plain_array(out, object, depth + 1);
    return object->class_id == JS_CLASS_OBJECT && !object->is_exotic &&
           put_plain_object(out, object, depth + 1);
}

size_t engine_json_write(JSContext *ctx, JSValueConst value, uint8_t *dst, size_t room)
{
    struct plain_json out = {.ctx = ctx, .at = dst, .end = dst + room};

    return put_plain(&out, value, 0) ? (size_t)(out.at - dst) : 0;
}
