/*
 * clone.c - see clone.h. What the engine's public interface cannot do (the time of a Date, pairs of
 * a Map, digits of a BigInt) is done by functions that bootstrap/85-isolation.js took from the
 * intrinsics before any user code ran. Must never trust the bytes beyond what wire_check has said.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "clone.h"
#include "wire.h"

#define STACK_NEEDED (32u * 1024) /* for WIRE_DEPTH_MAX levels; large buffers stay out of these */
#define SEEN_FIRST   64u

enum { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG };

/* internals.clone.NAME(a, b, c) */
static JSValue helper(JSContext *ctx, const char *name, int argc, JSValueConst *argv)
{
    JSValue helpers = JS_GetPropertyStr(ctx, guest_internals, "clone"), function, result;

    function = JS_GetPropertyStr(ctx, helpers, name);
    JS_FreeValue(ctx, helpers);
    result = JS_Call(ctx, function, JS_UNDEFINED, argc, argv);
    JS_FreeValue(ctx, function);
    return result;
}

/* --- values to bytes --- */

struct writer {
    JSContext *ctx;
    uint8_t *data;
    size_t size, capacity;
    JSValue *seen;   /* held, so that no other object gets its address meanwhile */
    uint32_t *table; /* number + 1 of an object, by its address; a power of two */
    uint32_t seen_count, table_size, items, depth;
};

static int refuse(JSContext *ctx, const char *what)
{
    JS_ThrowTypeError(ctx, CLONE_REFUSED "%s", what);
    return -1;
}

static int put(struct writer *w, const void *bytes, size_t size)
{
    if (size > w->capacity - w->size) {
        size_t capacity = w->capacity * 2 > w->size + size ? w->capacity * 2 : w->size + size + 64;
        uint8_t *data;

        if (w->size + size > WIRE_SIZE_MAX)
            return refuse(w->ctx, "more than 4 MiB");
        data = js_realloc(w->ctx, w->data, capacity);
        if (!data)
            return -1;
        w->data = data;
        w->capacity = capacity;
    }
    if (size)
        memcpy(w->data + w->size, bytes, size);
    w->size += size;
    return 0;
}

static int put_head(struct writer *w, unsigned major, uint64_t value)
{
    uint8_t head[9];

    return put(w, head, wire_head(head, major, value));
}

static int put_float(struct writer *w, double number)
{
    uint8_t bytes[9] = {0xfb};
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(bits >> (56 - 8 * i));
    return put(w, bytes, sizeof(bytes));
}

static int put_number(struct writer *w, double number)
{
    if (fabs(number) <= 9007199254740991.0 && number == floor(number) &&
        !(number == 0 && signbit(number)))
        return number >= 0 ? put_head(w, UNSIGNED, (uint64_t)number)
                           : put_head(w, NEGATIVE, (uint64_t)(-1 - number));
    return put_float(w, number);
}

/* Takes `text`. */
static int put_text(struct writer *w, const char *text, size_t size)
{
    size_t rest;
    int result = -1;

    if (text) {
        if (!text_is_utf8((const uint8_t *)text, size, &rest))
            result = refuse(w->ctx, "a string with half a surrogate pair");
        else
            result = put_head(w, TEXT, size) || put(w, text, size) ? -1 : 0;
        JS_FreeCString(w->ctx, text);
    }
    return result;
}

static int put_string(struct writer *w, JSValueConst value)
{
    size_t size;
    const char *text = JS_ToCStringLen(w->ctx, &size, value);

    return put_text(w, text, size);
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The helper answers with hexadecimal digits, an even number, '-' in front of -1 - value. */
__attribute__((noinline)) static int put_bigint(struct writer *w, JSValueConst value)
{
    JSValue digits = helper(w->ctx, "digits", 1, &value);
    uint8_t bytes[WIRE_BIGINT_MAX];
    size_t size = 0;
    const char *text = JS_IsException(digits) ? NULL : JS_ToCStringLen(w->ctx, &size, digits);
    const char *hex = text;
    int result = -1;

    JS_FreeValue(w->ctx, digits);
    if (!text)
        return -1;
    if (*hex == '-') {
        hex++;
        size--;
    }
    if (size > 2 * sizeof(bytes)) {
        result = refuse(w->ctx, "a BigInt of more than 1024 bytes");
    } else {
        for (size_t i = 0; i < size / 2; i++)
            bytes[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
        result = put_head(w, TAG, hex == text ? 2 : 3) || put_head(w, BYTES, size / 2) ||
                         put(w, bytes, size / 2)
                     ? -1
                     : 0;
    }
    JS_FreeCString(w->ctx, text);
    return result;
}

/* RFC 8746 number of an enum JSTypedArrayEnum value. */
static const uint8_t typed_tags[] = {
    [JS_TYPED_ARRAY_UINT8C] = 68,     [JS_TYPED_ARRAY_INT8] = 72,
    [JS_TYPED_ARRAY_UINT8] = 64,      [JS_TYPED_ARRAY_INT16] = 77,
    [JS_TYPED_ARRAY_UINT16] = 69,     [JS_TYPED_ARRAY_INT32] = 78,
    [JS_TYPED_ARRAY_UINT32] = 70,     [JS_TYPED_ARRAY_BIG_INT64] = 79,
    [JS_TYPED_ARRAY_BIG_UINT64] = 71, [JS_TYPED_ARRAY_FLOAT16] = 84,
    [JS_TYPED_ARRAY_FLOAT32] = 85,    [JS_TYPED_ARRAY_FLOAT64] = 86,
};

static int put_bytes(struct writer *w, JSValueConst value)
{
    size_t size = 0, at = 0, unit, whole;
    int type = JS_GetTypedArrayType(value);
    JSValue buffer = type < 0 ? JS_DupValue(w->ctx, value)
                              : JS_GetTypedArrayBuffer(w->ctx, value, &at, &size, &unit);
    uint8_t *data;
    int result;

    if (JS_IsException(buffer))
        return -1;
    data = JS_GetArrayBuffer(w->ctx, &whole, buffer);
    JS_FreeValue(w->ctx, buffer); /* `value` keeps it */
    if (type < 0)
        size = whole;
    if (!data && (size || whole))
        return -1;
    if (at > whole || size > whole - at)
        return refuse(w->ctx, "a view of a buffer that is gone");
    result = (type >= 0 && put_head(w, TAG, typed_tags[type])) || put_head(w, BYTES, size);
    return result || (size && put(w, data + at, size)) ? -1 : 0;
}

static uint32_t slot_of(const struct writer *w, const void *object)
{
    uint32_t slot = (uint32_t)((uintptr_t)object >> 3) * 2654435761u;

    for (slot &= w->table_size - 1; w->table[slot]; slot = (slot + 1) & (w->table_size - 1))
        if (JS_VALUE_GET_PTR(w->seen[w->table[slot] - 1]) == object)
            break;
    return slot;
}

static int grow_seen(struct writer *w)
{
    uint32_t size = w->table_size ? w->table_size * 2 : SEEN_FIRST;
    JSValue *seen = js_realloc(w->ctx, w->seen, size / 2 * sizeof(*seen));
    uint32_t *table = seen ? js_mallocz(w->ctx, size * sizeof(*table)) : NULL;

    if (seen)
        w->seen = seen;
    if (!table)
        return -1;
    js_free(w->ctx, w->table);
    w->table = table;
    w->table_size = size;
    for (uint32_t i = 0; i < w->seen_count; i++)
        w->table[slot_of(w, JS_VALUE_GET_PTR(w->seen[i]))] = i + 1;
    return 0;
}

/* 1: it was there, and a reference is written; 0: it is marked as the next; -1: exception. */
static int put_identity(struct writer *w, JSValueConst object)
{
    uint32_t slot;

    if (2 * (w->seen_count + 1) > w->table_size && grow_seen(w))
        return -1;
    slot = slot_of(w, JS_VALUE_GET_PTR(object));
    if (w->table[slot])
        return put_head(w, TAG, 29) || put_head(w, UNSIGNED, w->table[slot] - 1) ? -1 : 1;
    w->seen[w->seen_count] = JS_DupValue(w->ctx, object);
    w->table[slot] = ++w->seen_count;
    return put_head(w, TAG, 28);
}

static int put_value(struct writer *w, JSValueConst value);

/* Values of an array of the engine's own (of a Map's pairs, a Set's values) or of the user's. */
static int put_elements(struct writer *w, JSValueConst array, int64_t count)
{
    int result = 0;

    for (int64_t i = 0; !result && i < count; i++) {
        JSValue each = JS_GetPropertyInt64(w->ctx, array, i);

        result = JS_IsException(each) ? -1 : put_value(w, each);
        JS_FreeValue(w->ctx, each);
    }
    return result;
}

static int put_array(struct writer *w, JSValueConst array)
{
    int64_t count;

    if (JS_GetLength(w->ctx, array, &count))
        return -1;
    if (count > WIRE_ITEMS_MAX)
        return refuse(w->ctx, "an array that is too long");
    return put_head(w, ARRAY, (uint64_t)count) || put_elements(w, array, count) ? -1 : 0;
}

/* Map: keys and values in turn; Set: values. */
static int put_collection(struct writer *w, JSValueConst value, bool is_map)
{
    JSValue list = helper(w->ctx, is_map ? "pairs" : "members", 1, &value);
    int64_t count;
    int result = -1;

    if (!JS_IsException(list) && JS_GetLength(w->ctx, list, &count) == 0)
        result =
            put_head(w, TAG, is_map ? 259 : 258) ||
                    put_head(w, is_map ? MAP : ARRAY, (uint64_t)(is_map ? count / 2 : count)) ||
                    put_elements(w, list, count)
                ? -1
                : 0;
    JS_FreeValue(w->ctx, list);
    return result;
}

static int put_object(struct writer *w, JSValueConst object)
{
    JSPropertyEnum *names;
    uint32_t count;
    int result;

    if (JS_GetOwnPropertyNames(w->ctx, &names, &count, object,
                               JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        return -1;
    result = put_head(w, MAP, count);
    for (uint32_t i = 0; !result && i < count; i++) {
        size_t size;
        const char *name = JS_AtomToCStringLen(w->ctx, &size, names[i].atom);
        JSValue value;

        result = ++w->items > WIRE_ITEMS_MAX ? refuse(w->ctx, "too many values") : 0;
        if (result)
            JS_FreeCString(w->ctx, name);
        else
            result = put_text(w, name, size);
        if (result)
            break;
        value = JS_GetProperty(w->ctx, object, names[i].atom);
        result = JS_IsException(value) ? -1 : put_value(w, value);
        JS_FreeValue(w->ctx, value);
    }
    JS_FreePropertyEnum(w->ctx, names, count);
    return result;
}

/* As plain data. */
static int put_error(struct writer *w, JSValueConst error)
{
    static const char *const names[] = {"name", "message", "stack"};
    int result = put_head(w, MAP, sizeof(names) / sizeof(*names));

    for (size_t i = 0; !result && i < sizeof(names) / sizeof(*names); i++) {
        JSValue value = JS_GetPropertyStr(w->ctx, error, names[i]);

        w->items += 2;
        result = JS_IsException(value) || put_head(w, TEXT, strlen(names[i])) ||
                         put(w, names[i], strlen(names[i])) || put_string(w, value)
                     ? -1
                     : 0;
        JS_FreeValue(w->ctx, value);
    }
    return result;
}

static int put_date(struct writer *w, JSValueConst date)
{
    JSValue time = helper(w->ctx, "time", 1, &date);
    double ms;

    if (JS_IsException(time) || JS_ToFloat64(w->ctx, &ms, time))
        return -1;
    return put_head(w, TAG, 1) || put_number(w, ms / 1000) ? -1 : 0;
}

static int put_any_object(struct writer *w, JSValueConst object)
{
    int identity;

    if (JS_IsProxy(object) || JS_IsFunction(w->ctx, object))
        return refuse(w->ctx, JS_IsProxy(object) ? "a Proxy" : "a function");
    identity = put_identity(w, object);
    if (identity)
        return identity < 0 ? -1 : 0;
    if (JS_IsArray(object))
        return put_array(w, object);
    if (JS_IsMap(object) || JS_IsSet(object))
        return put_collection(w, object, JS_IsMap(object));
    if (JS_IsDate(object))
        return put_date(w, object);
    if (JS_IsError(object))
        return put_error(w, object);
    if (JS_IsArrayBuffer(object) || JS_GetTypedArrayType(object) >= 0)
        return put_bytes(w, object);
    if (engine_is_plain_object(object))
        return put_object(w, object);
    return refuse(w->ctx, "an object that is more than its properties");
}

static int put_value(struct writer *w, JSValueConst value)
{
    int result;
    double number;

    if (++w->items > WIRE_ITEMS_MAX)
        return refuse(w->ctx, "too many values");
    switch (JS_VALUE_GET_NORM_TAG(value)) {
    case JS_TAG_UNDEFINED:
        return put(w, "\xf7", 1);
    case JS_TAG_NULL:
        return put(w, "\xf6", 1);
    case JS_TAG_BOOL:
        return put(w, JS_VALUE_GET_BOOL(value) ? "\xf5" : "\xf4", 1);
    case JS_TAG_INT:
    case JS_TAG_FLOAT64:
        return JS_ToFloat64(w->ctx, &number, value) || put_number(w, number) ? -1 : 0;
    case JS_TAG_STRING:
    case JS_TAG_STRING_ROPE:
        return put_string(w, value);
    case JS_TAG_BIG_INT:
    case JS_TAG_SHORT_BIG_INT:
        return put_bigint(w, value);
    case JS_TAG_OBJECT:
        if (w->depth == WIRE_DEPTH_MAX - 1)
            return refuse(w->ctx, "values nested more than 64 deep");
        w->depth++;
        result = put_any_object(w, value);
        w->depth--;
        return result;
    default:
        return refuse(w->ctx, "a symbol");
    }
}

uint8_t *clone_encode(JSContext *ctx, JSValueConst value, size_t *size)
{
    struct writer w = {.ctx = ctx};
    int result = engine_stack_is_low(ctx, STACK_NEEDED) ? -1 : put_value(&w, value);

    for (uint32_t i = 0; i < w.seen_count; i++)
        JS_FreeValue(ctx, w.seen[i]);
    js_free(ctx, w.seen);
    js_free(ctx, w.table);
    *size = w.size;
    if (result == 0)
        return w.data;
    js_free(ctx, w.data);
    return NULL;
}

/* --- bytes to values --- */

struct reader {
    JSContext *ctx;
    struct wire_reader in;
    JSValue *shared;
    uint32_t shared_count, shared_room;
};

static JSValue get_value(struct reader *r);

/* Remembers an object under its number before what is in it is read: it may be in itself. */
static bool note_shared(struct reader *r, const struct wire_item *item, JSValueConst value)
{
    if (!item->is_shared || JS_IsException(value))
        return !JS_IsException(value);
    if (r->shared_count == r->shared_room) {
        uint32_t room = r->shared_room ? r->shared_room * 2 : 16;
        JSValue *shared = js_realloc(r->ctx, r->shared, room * sizeof(*shared));

        if (!shared)
            return false;
        r->shared = shared;
        r->shared_room = room;
    }
    r->shared[r->shared_count++] = JS_DupValue(r->ctx, value);
    return true;
}

__attribute__((noinline)) static JSValue get_bigint(struct reader *r, const struct wire_item *item)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * WIRE_BIGINT_MAX];
    JSValue arguments[2], result;

    for (size_t i = 0; i < item->size; i++) {
        hex[2 * i] = digits[item->data[i] >> 4];
        hex[2 * i + 1] = digits[item->data[i] & 15];
    }
    arguments[0] = JS_NewStringLen(r->ctx, hex, 2 * item->size);
    arguments[1] = JS_NewBool(r->ctx, item->is_negative);
    result = JS_IsException(arguments[0]) ? JS_EXCEPTION
                                          : helper(r->ctx, "number", 2, (JSValueConst *)arguments);
    JS_FreeValue(r->ctx, arguments[0]);
    return result;
}

static JSValue get_typed(struct reader *r, const struct wire_item *item)
{
    JSValue buffer = JS_NewArrayBufferCopy(r->ctx, item->data, item->size), array;
    int type = 0;

    if (JS_IsException(buffer) || item->kind == WIRE_BYTES)
        return buffer;
    while (typed_tags[type] != item->tag)
        type++;
    array = JS_NewTypedArray(r->ctx, 1, (JSValueConst *)&buffer, (JSTypedArrayEnum)type);
    JS_FreeValue(r->ctx, buffer);
    return array;
}

static JSValue new_date(JSContext *ctx, double ms)
{
    return JS_NewDate(ctx, fabs(ms) <= 8.64e15 ? ms : NAN); /* what a Date can hold */
}

static bool fill_array(struct reader *r, JSValueConst array, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        JSValue each = get_value(r);

        if (JS_IsException(each) ||
            JS_DefinePropertyValueUint32(r->ctx, array, i, each, JS_PROP_C_W_E) < 0)
            return false;
    }
    return true;
}

static bool fill_object(struct reader *r, JSValueConst object, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_item key;
        JSAtom name;
        JSValue value;
        int result;

        wire_next(&r->in, &key);
        name = JS_NewAtomLen(r->ctx, (const char *)key.data, key.size);
        if (name == JS_ATOM_NULL)
            return false;
        value = get_value(r);
        result = JS_IsException(value)
                     ? -1
                     : JS_DefinePropertyValue(r->ctx, object, name, value, JS_PROP_C_W_E);
        JS_FreeAtom(r->ctx, name);
        if (result < 0)
            return false;
    }
    return true;
}

static bool fill_collection(struct reader *r, JSValueConst collection, uint32_t count, bool is_map)
{
    for (uint32_t i = 0; i < count; i++) {
        JSValue arguments[3] = {JS_DupValue(r->ctx, collection), get_value(r), JS_UNDEFINED}, done;

        if (is_map && !JS_IsException(arguments[1]))
            arguments[2] = get_value(r);
        done =
            JS_IsException(arguments[1]) || JS_IsException(arguments[2])
                ? JS_EXCEPTION
                : helper(r->ctx, is_map ? "put" : "add", is_map ? 3 : 2, (JSValueConst *)arguments);
        JS_FreeValues(r->ctx, arguments[0], arguments[1], arguments[2]);
        if (JS_IsException(done))
            return false;
        JS_FreeValue(r->ctx, done);
    }
    return true;
}

static JSValue get_container(struct reader *r, const struct wire_item *item)
{
    bool is_map = item->kind == WIRE_MAP, filled;
    JSValue value = item->kind == WIRE_ARRAY    ? JS_NewArray(r->ctx)
                    : item->kind == WIRE_OBJECT ? JS_NewObject(r->ctx)
                                                : helper(r->ctx, is_map ? "map" : "set", 0, NULL);

    filled = note_shared(r, item, value) &&
             (item->kind == WIRE_ARRAY    ? fill_array(r, value, item->count)
              : item->kind == WIRE_OBJECT ? fill_object(r, value, item->count)
                                          : fill_collection(r, value, item->count, is_map));
    if (filled)
        return value;
    JS_FreeValue(r->ctx, value);
    return JS_EXCEPTION;
}

static JSValue get_leaf(struct reader *r, const struct wire_item *item)
{
    switch (item->kind) {
    case WIRE_NULL:
        return JS_NULL;
    case WIRE_FALSE:
    case WIRE_TRUE:
        return JS_NewBool(r->ctx, item->kind == WIRE_TRUE);
    case WIRE_INT:
    case WIRE_FLOAT:
        return JS_NewNumber(r->ctx, item->number);
    case WIRE_TEXT:
        return JS_NewStringLen(r->ctx, (const char *)item->data, item->size);
    case WIRE_BIGINT:
        return get_bigint(r, item);
    case WIRE_SHARED:
        return JS_DupValue(r->ctx, r->shared[item->count]);
    default:
        return JS_UNDEFINED;
    }
}

static JSValue get_value(struct reader *r)
{
    struct wire_item item;
    JSValue value;

    wire_next(&r->in, &item);
    if (item.kind >= WIRE_ARRAY && item.kind != WIRE_SHARED)
        return get_container(r, &item);
    if (item.kind == WIRE_DATE)
        value = new_date(r->ctx, round(item.number * 1000));
    else if (item.kind == WIRE_BYTES || item.kind == WIRE_TYPED)
        value = get_typed(r, &item);
    else
        return get_leaf(r, &item);
    if (note_shared(r, &item, value))
        return value;
    JS_FreeValue(r->ctx, value);
    return JS_EXCEPTION;
}

JSValue clone_decode(JSContext *ctx, const uint8_t *data, size_t size)
{
    struct reader r = {.ctx = ctx, .in = {data, data + size}};
    const char *wrong = wire_check(data, size);
    JSValue value;

    if (wrong)
        return JS_ThrowTypeError(ctx, CLONE_REFUSED "%s", wrong);
    if (engine_stack_is_low(ctx, STACK_NEEDED))
        return JS_EXCEPTION;
    value = get_value(&r);
    for (uint32_t i = 0; i < r.shared_count; i++)
        JS_FreeValue(ctx, r.shared[i]);
    js_free(ctx, r.shared);
    return value;
}
