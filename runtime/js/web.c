/*
 * web.c - natives of the fetch handler form: the request as parts, the response as head and
 * pieces. bootstrap/fetch.js makes Request and Response out of them.
 */
#include <string.h>
#include "guest.h"
#include "host.h"
#include "response.h"

#define CHUNK_SIZE (64u * 1024)

static int push(JSContext *ctx, JSValueConst list, uint32_t *count, JSValue value)
{
    return JS_DefinePropertyValueUint32(ctx, list, (*count)++, value, JS_PROP_C_W_E);
}

/* requestHead() -> [method, scheme, authority, target] */
static JSValue request_head(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct request *request = &io.request;
    struct slice target = request->path;

    (void)this_value, (void)argc, (void)argv;
    if (request->query.size)
        target.size += 1 + request->query.size;
    return JS_NewArrayFrom(
        ctx, 4,
        (JSValue[]){native_latin1(ctx, request->method.data, request->method.size),
                    native_latin1(ctx, request->scheme.data, request->scheme.size),
                    native_latin1(ctx, request->authority.data, request->authority.size),
                    native_latin1(ctx, target.data, target.size)});
}

/* requestFields() -> [name, value, name, value...] */
static JSValue request_fields(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    JSValue list = JS_NewArray(ctx);
    struct slice name, value;
    uint32_t at = 0, count = 0;

    (void)this_value, (void)argc, (void)argv;
    while (!JS_IsException(list) && request_next_field(&at, &name, &value))
        if (push(ctx, list, &count, native_latin1(ctx, name.data, name.size)) < 0 ||
            push(ctx, list, &count, native_latin1(ctx, value.data, value.size)) < 0) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
    return list;
}

static JSValue throw_cut(JSContext *ctx)
{
    return JS_ThrowPlainError(ctx, "the request ended before its body was complete");
}

/* All content not yet taken; false: exception pending. */
static bool take_content(JSContext *ctx, struct slice *content)
{
    enum request_result result = request_gather(content);

    if (result == REQUEST_NO_MEMORY)
        (void)JS_ThrowOutOfMemory(ctx);
    else if (result != REQUEST_OK)
        (void)throw_cut(ctx);
    else
        io.request.body_taken = true;
    return result == REQUEST_OK;
}

static struct slice without_mark(struct slice content)
{
    if (content.size >= 3 && !memcmp(content.data, "\xef\xbb\xbf", 3))
        return (struct slice){content.data + 3, content.size - 3};
    return content;
}

/* requestContent(asText) -> all content not yet taken */
static JSValue request_content(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv)
{
    struct slice content;

    (void)this_value, (void)argc;
    if (!take_content(ctx, &content))
        return JS_EXCEPTION;
    if (JS_ToBool(ctx, argv[0]) == 1) {
        content = without_mark(content);
        return text_from_utf8(ctx, content.data, content.size);
    }
    return JS_NewUint8ArrayCopy(ctx, content.data, content.size);
}

static JSValue parse_content(JSContext *ctx, struct slice content)
{
    const char *bytes = (const char *)content.data;
    size_t rest, size = content.size;
    JSValue text, value;

    if (engine_json_too_deep(content.data, size))
        return JS_ThrowRangeError(ctx, "the JSON text is nested too deeply");
    if (text_is_utf8(content.data, size, &rest))
        return JS_ParseJSON(ctx, bytes, size, "<request body>");
    text = text_from_utf8(ctx, content.data, size); /* as text() and JSON.parse() would */
    bytes = JS_IsException(text) ? NULL : JS_ToCStringLen(ctx, &size, text);
    value = bytes ? JS_ParseJSON(ctx, bytes, size, "<request body>") : JS_EXCEPTION;
    JS_FreeCString(ctx, bytes);
    JS_FreeValue(ctx, text);
    return value;
}

enum { CONTENT_TEXT, CONTENT_JSON };

/* requestText() and requestJson() -> promise of all content */
static JSValue request_promise(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv, int as)
{
    struct slice content;
    JSValue value = JS_EXCEPTION;

    (void)this_value, (void)argc, (void)argv;
    if (take_content(ctx, &content)) {
        content = without_mark(content);
        value = as == CONTENT_JSON ? parse_content(ctx, content)
                                   : text_from_utf8(ctx, content.data, content.size);
    }
    return engine_settled_promise(ctx, value);
}

/* requestPiece() -> Uint8Array, or undefined at the end */
static JSValue request_piece(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct slice first = request_first_content();
    uint8_t *chunk;
    int32_t got;
    JSValue bytes;

    (void)this_value, (void)argc, (void)argv;
    if (!io.request.body_taken) {
        io.request.body_taken = true;
        if (first.size)
            return JS_NewUint8ArrayCopy(ctx, first.data, first.size);
    }
    if (io.request.ended)
        return JS_UNDEFINED;
    chunk = js_malloc(ctx, CHUNK_SIZE);
    if (!chunk)
        return JS_EXCEPTION;
    got = request_more(chunk, CHUNK_SIZE);
    if (got > (int32_t)CHUNK_SIZE)
        got = -1;
    if (got < 0)
        bytes = throw_cut(ctx);
    else if (got == 0)
        bytes = JS_UNDEFINED;
    else
        bytes = JS_NewUint8ArrayCopy(ctx, chunk, (size_t)got);
    js_free(ctx, chunk);
    return bytes;
}

/* Head from (status, [name, value, ...]); `type`: content type unless the fields have one. */
static bool put_head(JSContext *ctx, JSValueConst status, JSValueConst fields)
{
    int64_t count;

    if (!response_start(ctx, status) || JS_GetLength(ctx, fields, &count) < 0)
        return false;
    for (int64_t i = 0; i + 1 < count; i += 2) {
        JSValue name = JS_GetPropertyInt64(ctx, fields, i);
        JSValue value = JS_GetPropertyInt64(ctx, fields, i + 1);
        bool good = response_field(ctx, name, value);

        JS_FreeValues(ctx, name, value);
        if (!good)
            return false;
    }
    return true;
}

static JSValue throw_answered(JSContext *ctx)
{
    return JS_ThrowTypeError(ctx, "the response was already sent");
}

/* respond(status, fields, content): all at once */
static JSValue respond(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value, (void)argc;
    if (response_state() != RESPONSE_NONE)
        return throw_answered(ctx);
    if (!put_head(ctx, argv[0], argv[1]) || !response_send(ctx, argv[2]))
        return JS_EXCEPTION;
    return JS_UNDEFINED;
}

/* respondTyped(status, content type or null, content): all at once */
static JSValue respond_typed(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value, (void)argc;
    if (response_state() != RESPONSE_NONE)
        return throw_answered(ctx);
    if (!response_start(ctx, argv[0]) ||
        (!JS_IsNull(argv[1]) && !response_content_type(ctx, argv[1])) ||
        !response_send(ctx, argv[2]))
        return JS_EXCEPTION;
    return JS_UNDEFINED;
}

/* respondHead(status, fields) */
static JSValue respond_head(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value, (void)argc;
    if (response_state() != RESPONSE_NONE)
        return throw_answered(ctx);
    if (!put_head(ctx, argv[0], argv[1]))
        return JS_EXCEPTION;
    if (response_has_no_content()) {
        (void)response_send(ctx, JS_UNDEFINED);
        return JS_FALSE;
    }
    return JS_NewBool(ctx, response_send_head());
}

/* respondPiece(Uint8Array) -> false: the caller is gone */
static JSValue respond_piece(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t size = 0;
    const uint8_t *data = JS_GetUint8Array(ctx, &size, argv[0]);

    (void)this_value, (void)argc;
    if (!data && size)
        return JS_EXCEPTION;
    if (size == 0)
        return JS_NewBool(ctx, response_state() == RESPONSE_STREAMING);
    return JS_NewBool(ctx, response_send_piece(data, size));
}

static JSValue respond_end(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value, (void)argc, (void)argv;
    return JS_NewBool(ctx, response_end());
}

/* headerName(text) and headerValue(text): are they sendable? */
static JSValue valid_name(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct engine_text text;
    bool valid;

    (void)this_value, (void)argc;
    if (!engine_text(ctx, argv[0], &text))
        return JS_EXCEPTION;
    valid = response_valid_name(&text);
    JS_FreeValue(ctx, text.hold);
    return JS_NewBool(ctx, valid);
}

static JSValue valid_value(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct engine_text text;
    bool valid;

    (void)this_value, (void)argc;
    if (!engine_text(ctx, argv[0], &text))
        return JS_EXCEPTION;
    valid = response_valid_value(&text);
    JS_FreeValue(ctx, text.hold);
    return JS_NewBool(ctx, valid);
}

int web_add_natives(JSContext *ctx, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("requestHead", 0, request_head),
        JS_CFUNC_DEF("requestFields", 0, request_fields),
        JS_CFUNC_DEF("requestContent", 1, request_content),
        JS_CFUNC_MAGIC_DEF("requestText", 0, request_promise, CONTENT_TEXT),
        JS_CFUNC_MAGIC_DEF("requestJson", 0, request_promise, CONTENT_JSON),
        JS_CFUNC_DEF("requestPiece", 0, request_piece),
        JS_CFUNC_DEF("respond", 3, respond),
        JS_CFUNC_DEF("respondTyped", 3, respond_typed),
        JS_CFUNC_DEF("respondHead", 2, respond_head),
        JS_CFUNC_DEF("respondPiece", 1, respond_piece),
        JS_CFUNC_DEF("respondEnd", 0, respond_end),
        JS_CFUNC_DEF("validName", 1, valid_name),
        JS_CFUNC_DEF("validValue", 1, valid_value),
    };

    return JS_SetPropertyFunctionList(ctx, native, functions,
                                      (int)(sizeof(functions) / sizeof(*functions)));
}
