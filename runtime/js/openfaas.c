/*
 * openfaas.c - the OpenFaaS node handler form: (event, context, callback).
 * event and context are made once, at load, and lie in the image; their values are read from the
 * request only when the handler asks. Must never show one request's values to another: all state
 * here is written after the image was taken, and a new instance starts from the image.
 */
#include <stdlib.h>
#include <string.h>
#include "guest.h"
#include "host.h"
#include "response.h"

#define TYPE_TEXT  "text/plain; charset=utf-8"
#define TYPE_JSON  "application/json"
#define TYPE_BYTES "application/octet-stream"

enum event_part { EVENT_BODY, EVENT_HEADERS, EVENT_METHOD, EVENT_QUERY, EVENT_PATH, EVENT_PARTS };

static struct {
    JSValue part[EVENT_PARTS];
    uint32_t known;        /* bit per part */
    JSValue models[2];     /* of event and context: own their functions */
    JSValue arguments[3];  /* of the handler: event, context, callback */
    JSValue header_values; /* what context.headers() was given */
    JSValue status;
    bool status_set;
    bool raw_body;
} faas;

/* --- event --- */

static bool type_is(struct slice type, const char *lower)
{
    size_t size = strlen(lower);

    return slice_has_prefix_ignoring_case(type, lower) &&
           (type.size == size || type.data[size] == ';' || type.data[size] == ' ');
}

static struct slice media_type(void)
{
    struct slice type = io.request.content_type;
    const uint8_t *stop = type.size ? memchr(type.data, ';', type.size) : NULL;

    if (stop)
        type.size = (uint32_t)(stop - type.data);
    while (type.size && type.data[type.size - 1] == ' ')
        type.size--;
    return type;
}

static bool has_suffix(struct slice type, const char *suffix)
{
    size_t size = strlen(suffix);

    return type.size > size &&
           slice_has_prefix_ignoring_case(
               (struct slice){type.data + type.size - size, (uint32_t)size}, suffix);
}

static bool is_json(struct slice type)
{
    if (type.size == sizeof(TYPE_JSON) - 1 && !memcmp(type.data, TYPE_JSON, type.size))
        return true; /* as nearly all write it */
    return type_is(type, TYPE_JSON) || has_suffix(type, "+json");
}

static bool is_text(struct slice type)
{
    return type.size == 0 || slice_has_prefix_ignoring_case(type, "text/") ||
           type_is(type, "application/xml") || has_suffix(type, "+xml") ||
           type_is(type, "application/javascript") || type_is(type, "application/graphql");
}

static JSValue gather(JSContext *ctx, struct slice *content)
{
    switch (request_gather(content)) {
    case REQUEST_OK:
        return JS_UNDEFINED;
    case REQUEST_NO_MEMORY:
        return JS_ThrowOutOfMemory(ctx);
    default:
        return JS_ThrowPlainError(ctx, "the request ended before its body was complete");
    }
}

static JSValue make_body(JSContext *ctx)
{
    struct slice type = media_type(), content;

    if (JS_IsException(gather(ctx, &content)))
        return JS_EXCEPTION;
    if (faas.raw_body)
        return native_buffer(ctx, content.data, content.size);
    if (is_json(type)) {
        if (content.size == 0)
            return JS_NewObject(ctx);
        if (engine_json_too_deep(content.data, content.size))
            return JS_ThrowRangeError(ctx, "the JSON body is nested too deeply");
        return JS_ParseJSON(ctx, (const char *)content.data, content.size, "<request body>");
    }
    if (type_is(type, "application/x-www-form-urlencoded"))
        return form_parse(ctx, content);
    if (is_text(type))
        return text_from_utf8(ctx, content.data, content.size);
    return native_buffer(ctx, content.data, content.size);
}

static JSValue join(JSContext *ctx, JSValueConst first, const char *comma, JSValueConst second)
{
    JSValue result;
    size_t first_size, second_size, comma_size = strlen(comma);
    const char *a = JS_ToCStringLen(ctx, &first_size, first);
    const char *b = JS_ToCStringLen(ctx, &second_size, second);
    char *both = a && b ? js_malloc(ctx, first_size + comma_size + second_size) : NULL;

    if (both) {
        memcpy(both, a, first_size);
        memcpy(both + first_size, comma, comma_size);
        memcpy(both + first_size + comma_size, b, second_size);
        result = JS_NewStringLen(ctx, both, first_size + comma_size + second_size);
    } else {
        result = JS_EXCEPTION;
    }
    JS_FreeCString(ctx, a);
    JS_FreeCString(ctx, b);
    js_free(ctx, both);
    return result;
}

static JSAtom lower_case_atom(JSContext *ctx, struct slice name)
{
    char lower[256];

    if (name.size > sizeof(lower))
        return JS_NewAtomLen(ctx, (const char *)name.data, name.size);
    for (uint32_t i = 0; i < name.size; i++)
        lower[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32)
                                                              : (char)name.data[i];
    return JS_NewAtomLen(ctx, lower, name.size);
}

static int add_header(JSContext *ctx, JSValueConst headers, struct slice name, struct slice value)
{
    JSAtom atom = lower_case_atom(ctx, name);
    JSValue text = native_latin1(ctx, value.data, value.size);
    JSPropertyDescriptor earlier;
    int result;

    if (atom == JS_ATOM_NULL || JS_IsException(text)) {
        JS_FreeAtom(ctx, atom);
        JS_FreeValue(ctx, text);
        return -1;
    }
    result = JS_GetOwnProperty(ctx, &earlier, headers, atom);
    if (result > 0) {
        JSValue both = join(ctx, earlier.value, slice_equals(name, "cookie") ? "; " : ", ", text);

        JS_FreeValues(ctx, earlier.value, earlier.getter, earlier.setter, text);
        text = both;
    }
    if (result >= 0 && !JS_IsException(text))
        result = JS_DefinePropertyValue(ctx, headers, atom, text, JS_PROP_C_W_E);
    else
        result = -1;
    JS_FreeAtom(ctx, atom);
    return result;
}

static JSValue make_headers(JSContext *ctx)
{
    JSValue headers = JS_NewObject(ctx);
    struct slice name, value;
    uint32_t at = 0;

    if (JS_IsException(headers))
        return headers;
    while (request_next_field(&at, &name, &value))
        if (add_header(ctx, headers, name, value) < 0) {
            JS_FreeValue(ctx, headers);
            return JS_EXCEPTION;
        }
    return headers;
}

static JSValue make_part(JSContext *ctx, int part)
{
    switch (part) {
    case EVENT_BODY:
        return make_body(ctx);
    case EVENT_HEADERS:
        return make_headers(ctx);
    case EVENT_METHOD:
        return native_latin1(ctx, io.request.method.data, io.request.method.size);
    case EVENT_QUERY:
        return form_parse(ctx, io.request.query);
    default:
        return native_latin1(ctx, io.request.path.data, io.request.path.size);
    }
}

static JSValue event_get(JSContext *ctx, JSValueConst this_value, int part)
{
    (void)this_value;
    if (!(faas.known & 1u << part)) {
        JSValue value = make_part(ctx, part);

        if (JS_IsException(value))
            return value;
        faas.part[part] = value;
        faas.known |= 1u << part;
    }
    return JS_DupValue(ctx, faas.part[part]);
}

static JSValue event_set(JSContext *ctx, JSValueConst this_value, JSValueConst value, int part)
{
    (void)this_value;
    if (faas.known & 1u << part)
        JS_FreeValue(ctx, faas.part[part]);
    faas.part[part] = JS_DupValue(ctx, value);
    faas.known |= 1u << part;
    return JS_UNDEFINED;
}

/* --- context --- */

static bool put_field_values(JSContext *ctx, JSAtom name, JSValueConst value)
{
    JSValue name_text = JS_AtomToString(ctx, name), item;
    int64_t length = 1;
    bool list = JS_IsArray(value), good = !JS_IsException(name_text);

    if (good && list && JS_GetLength(ctx, value, &length) < 0)
        good = false;
    for (int64_t i = 0; good && i < length; i++) {
        item = list ? JS_GetPropertyInt64(ctx, value, i) : JS_DupValue(ctx, value);
        good = !JS_IsException(item) && response_field(ctx, name_text, item);
        JS_FreeValue(ctx, item);
    }
    JS_FreeValue(ctx, name_text);
    return good;
}

static bool put_header_values(JSContext *ctx)
{
    JSPropertyEnum *names;
    uint32_t count;
    bool good = true;

    if (JS_IsUndefined(faas.header_values))
        return true;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, faas.header_values,
                               JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        return false;
    for (uint32_t i = 0; good && i < count; i++) {
        JSValue value = JS_GetProperty(ctx, faas.header_values, names[i].atom);

        good = !JS_IsException(value) &&
               (JS_IsUndefined(value) || put_field_values(ctx, names[i].atom, value));
        JS_FreeValue(ctx, value);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return good;
}

/* Sends `value` with the status and headers of the context. */
static bool respond(JSContext *ctx, JSValueConst value)
{
    if (!response_start(ctx, faas.status) || !put_header_values(ctx))
        return false;
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return response_send(ctx, JS_UNDEFINED);
    if (!JS_IsObject(value)) {
        response_content_type_default(TYPE_TEXT);
        return response_send(ctx, value);
    }
    if (JS_GetTypedArrayType(value) >= 0 || JS_IsArrayBuffer(value)) {
        response_content_type_default(TYPE_BYTES);
        return response_send(ctx, value);
    }
    response_content_type_default(TYPE_JSON);
    return response_send_json(ctx, value);
}

static bool already_answered(const char *what)
{
    static const char late[] = " after the response was sent is ignored\n";

    if (response_state() == RESPONSE_NONE)
        return false;
    host_log(what, strlen(what));
    host_log(late, sizeof(late) - 1);
    return true;
}

static JSValue succeed(JSContext *ctx, JSValueConst value)
{
    if (already_answered("context.succeed()"))
        return JS_UNDEFINED;
    return respond(ctx, value) ? JS_UNDEFINED : JS_EXCEPTION;
}

/* The function itself says that the call failed, and what the caller may read about it. */
static JSValue fail(JSContext *ctx, JSValueConst value)
{
    JSValue text = JS_UNDEFINED;
    bool sent;

    if (already_answered("context.fail()"))
        return JS_UNDEFINED;
    report_error(ctx, "The function failed", value);
    if (!faas.status_set)
        faas.status = JS_NewInt32(ctx, 500);
    if (JS_IsError(value))
        text = JS_ToString(ctx, value);
    if (JS_IsException(text))
        return text;
    sent = respond(ctx, JS_IsUndefined(text) ? value : text);
    JS_FreeValue(ctx, text);
    return sent ? JS_UNDEFINED : JS_EXCEPTION;
}

static JSValue context_status(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    int given = argc ? JS_ToBool(ctx, argv[0]) : 0;

    if (given < 0)
        return JS_EXCEPTION;
    if (!given)
        return JS_DupValue(ctx, faas.status);
    JS_FreeValue(ctx, faas.status);
    faas.status = JS_DupValue(ctx, argv[0]);
    faas.status_set = true;
    return JS_DupValue(ctx, this_value);
}

static JSValue context_headers(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv)
{
    if (!argc || JS_IsUndefined(argv[0]) || JS_IsNull(argv[0])) {
        if (JS_IsUndefined(faas.header_values))
            faas.header_values = JS_NewObject(ctx);
        return JS_DupValue(ctx, faas.header_values);
    }
    if (!JS_IsObject(argv[0]))
        return JS_ThrowTypeError(ctx, "context.headers() takes an object");
    JS_FreeValue(ctx, faas.header_values);
    faas.header_values = JS_DupValue(ctx, argv[0]);
    return JS_DupValue(ctx, this_value);
}

static JSValue context_succeed(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv)
{
    (void)this_value;
    return succeed(ctx, argc ? argv[0] : JS_UNDEFINED);
}

static JSValue context_fail(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value;
    return fail(ctx, argc ? argv[0] : JS_UNDEFINED);
}

static JSValue callback(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value;
    if (argc && !JS_IsUndefined(argv[0]) && !JS_IsNull(argv[0]))
        return fail(ctx, argv[0]);
    return succeed(ctx, argc > 1 ? argv[1] : JS_UNDEFINED);
}

/* --- life of a call --- */

#define EVENT_DEF(name, part)                                                                      \
    JS_CGETSET_MAGIC_DEF2(name, event_get, event_set, part,                                        \
                          JS_PROP_CONFIGURABLE | JS_PROP_ENUMERABLE)

int openfaas_prepare(JSContext *ctx)
{
    static const JSCFunctionListEntry event[] = {
        EVENT_DEF("body", EVENT_BODY),     EVENT_DEF("headers", EVENT_HEADERS),
        EVENT_DEF("method", EVENT_METHOD), EVENT_DEF("query", EVENT_QUERY),
        EVENT_DEF("path", EVENT_PATH),
    };
    static const JSCFunctionListEntry context[] = {
        JS_CFUNC_DEF("status", 1, context_status),
        JS_CFUNC_DEF("headers", 1, context_headers),
        JS_CFUNC_DEF("succeed", 1, context_succeed),
        JS_CFUNC_DEF("fail", 1, context_fail),
    };
    JSValue raw = JS_GetPropertyStr(ctx, guest_internals, "rawBody");

    faas.raw_body = JS_ToBool(ctx, raw) == 1;
    JS_FreeValue(ctx, raw);
    faas.status = JS_NewInt32(ctx, 200);
    faas.header_values = JS_UNDEFINED;
    faas.models[0] = JS_NewObject(ctx);
    faas.models[1] = JS_NewObject(ctx);
    faas.arguments[2] = JS_NewCFunction(ctx, callback, "callback", 2);
    if (JS_IsException(faas.models[0]) || JS_IsException(faas.models[1]) ||
        JS_IsException(faas.arguments[2]) ||
        JS_SetPropertyFunctionList(ctx, faas.models[0], event, EVENT_PARTS) ||
        JS_SetPropertyFunctionList(ctx, faas.models[1], context, 4))
        return -1;
    return engine_make_lazy(ctx);
}

static JSValue copy_of(JSContext *ctx, JSValueConst model)
{
    JSPropertyEnum *names;
    uint32_t count;
    JSValue copy = JS_NewObject(ctx);

    if (JS_IsException(copy) ||
        JS_GetOwnPropertyNames(ctx, &names, &count, model, JS_GPN_STRING_MASK))
        return JS_EXCEPTION;
    for (uint32_t i = 0; i < count; i++) {
        JSPropertyDescriptor from;
        int has_all = JS_PROP_HAS_CONFIGURABLE | JS_PROP_HAS_ENUMERABLE;

        if (JS_GetOwnProperty(ctx, &from, model, names[i].atom) != 1)
            return JS_EXCEPTION;
        has_all |= from.flags & JS_PROP_GETSET ? JS_PROP_HAS_GET | JS_PROP_HAS_SET
                                               : JS_PROP_HAS_VALUE | JS_PROP_HAS_WRITABLE;
        if (JS_DefineProperty(ctx, copy, names[i].atom, from.value, from.getter, from.setter,
                              from.flags | has_all) < 0)
            return JS_EXCEPTION;
        JS_FreeValues(ctx, from.value, from.getter, from.setter);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return copy;
}

int openfaas_make_arguments(JSContext *ctx)
{
    for (int i = 0; i < 2; i++) {
        faas.arguments[i] = copy_of(ctx, faas.models[i]);
        if (JS_IsException(faas.arguments[i]))
            return -1;
    }
    return 0;
}

void openfaas_forget(JSContext *ctx)
{
    for (unsigned part = 0; part < EVENT_PARTS; part++) {
        if (faas.known & 1u << part)
            JS_FreeValue(ctx, faas.part[part]);
    }
    faas.known = 0;
    JS_FreeValues(ctx, faas.status, faas.header_values);
    faas.status = JS_NewInt32(ctx, 200);
    faas.header_values = JS_UNDEFINED;
    faas.status_set = false;
}

/* A body that is not what its content type says is the caller's mistake, found before the
 * handler runs; node's body parser answers the same. */
static bool body_is_good(JSContext *ctx)
{
    JSValue body, error;

    if (faas.raw_body || !is_json(media_type()))
        return true;
    body = event_get(ctx, JS_UNDEFINED, EVENT_BODY);
    if (!JS_IsException(body)) {
        JS_FreeValue(ctx, body);
        return true;
    }
    error = JS_GetException(ctx);
    if (JS_IsNull(error) || engine_is_out_of_memory(ctx, error)) /* null: no room for an error */
        response_plain(413, "The request body does not fit into the function's memory.\n");
    else
        response_plain(400, "The request body is not valid JSON.\n");
    JS_FreeValue(ctx, error);
    return false;
}

int openfaas_arguments(JSContext *ctx, JSValue **arguments)
{
    if (io.request.content_type.size && !body_is_good(ctx))
        return -1;
    *arguments = faas.arguments;
    return 3;
}

bool openfaas_finish(JSContext *ctx, JSValueConst result)
{
    return response_state() != RESPONSE_NONE || respond(ctx, result);
}

bool openfaas_wants_callback(JSContext *ctx, JSValueConst handler)
{
    JSValue length = JS_GetPropertyStr(ctx, handler, "length");
    int32_t count = 0;

    if (JS_ToInt32(ctx, &count, length))
        JS_FreeValue(ctx, JS_GetException(ctx));
    JS_FreeValue(ctx, length);
    return count >= 3;
}
