/*
 * isolation.c - compartments as JavaScript sees them: the natives under bootstrap/85-isolation.js,
 * and the other side, where the runtime itself runs in a compartment. Must never let what a
 * compartment answers be anything but data.
 */
#include <stdlib.h>
#include <string.h>
#include "clone.h"
#include "host.h"
#include "wire.h"

/* internals.compartmentError(number, text) is thrown. */
static JSValue throw_error(JSContext *ctx, int32_t number, const char *text, size_t size)
{
    JSValue make = JS_GetPropertyStr(ctx, guest_internals, "compartmentError");
    JSValue arguments[2] = {JS_NewInt32(ctx, -number),
                            text_from_utf8(ctx, (const uint8_t *)text, size)};
    JSValue error = JS_Call(ctx, make, JS_UNDEFINED, 2, (JSValueConst *)arguments);

    JS_FreeValues(ctx, make, arguments[1]);
    return JS_IsException(error) ? error : JS_Throw(ctx, error);
}

static JSValue throw_last(JSContext *ctx, int32_t number)
{
    char text[1024];
    int32_t size = host_compartment_read(text, sizeof(text));

    return throw_error(ctx, number, text, size > 0 ? (size_t)size : 0);
}

/* compartmentOpen(text) -> handle */
static JSValue open_compartment(JSContext *ctx, JSValueConst this_value, int argc,
                                JSValueConst *argv)
{
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, argv[0]);
    int32_t handle;

    (void)this_value, (void)argc;
    if (!text)
        return JS_EXCEPTION;
    handle = host_compartment_open(text, (uint32_t)size);
    JS_FreeCString(ctx, text);
    return handle < 0 ? throw_last(ctx, handle) : JS_NewInt32(ctx, handle);
}

/* The answer of a call that gave `size`, in js_malloc'ed memory. NULL: exception pending. */
static uint8_t *read_answer(JSContext *ctx, int32_t size)
{
    uint8_t *answer;

    if (size < 0) {
        throw_last(ctx, size);
        return NULL;
    }
    answer = js_malloc(ctx, (size_t)size + 1);
    if (answer && host_compartment_read(answer, (uint32_t)size) != size) {
        js_free(ctx, answer);
        JS_ThrowPlainError(ctx, "the answer of a compartment is gone");
        return NULL;
    }
    return answer;
}

/* compartmentCall(handle, value) -> value */
static JSValue call_compartment(JSContext *ctx, JSValueConst this_value, int argc,
                                JSValueConst *argv)
{
    int32_t handle, result;
    size_t size;
    uint8_t *request, *answer;
    JSValue value;

    (void)this_value, (void)argc;
    if (JS_ToInt32(ctx, &handle, argv[0]))
        return JS_EXCEPTION;
    request = clone_encode(ctx, argv[1], &size);
    if (!request)
        return JS_EXCEPTION;
    result = host_compartment_call(handle, request, (uint32_t)size);
    js_free(ctx, request);
    answer = read_answer(ctx, result);
    if (!answer)
        return JS_EXCEPTION;
    value = clone_decode(ctx, answer, (size_t)result);
    js_free(ctx, answer);
    return value;
}

/* compartmentBytes(handle, Uint8Array) -> Uint8Array */
static JSValue call_with_bytes(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv)
{
    int32_t handle, result;
    size_t size;
    uint8_t *request, *answer;
    JSValue value;

    (void)this_value, (void)argc;
    if (JS_ToInt32(ctx, &handle, argv[0]))
        return JS_EXCEPTION;
    request = JS_GetUint8Array(ctx, &size, argv[1]);
    if (!request && size)
        return JS_EXCEPTION;
    result = host_compartment_call(handle, request, (uint32_t)size);
    answer = read_answer(ctx, result);
    if (!answer)
        return JS_EXCEPTION;
    value = JS_NewUint8ArrayCopy(ctx, answer, (size_t)result);
    js_free(ctx, answer);
    return value;
}

static JSValue close_compartment(JSContext *ctx, JSValueConst this_value, int argc,
                                 JSValueConst *argv)
{
    int32_t handle, result;

    (void)this_value, (void)argc;
    if (JS_ToInt32(ctx, &handle, argv[0]))
        return JS_EXCEPTION;
    result = host_compartment_close(handle);
    return result < 0 ? throw_last(ctx, result) : JS_UNDEFINED;
}

int isolation_add_natives(JSContext *ctx, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("compartmentOpen", 1, open_compartment),
        JS_CFUNC_DEF("compartmentCall", 2, call_compartment),
        JS_CFUNC_DEF("compartmentBytes", 2, call_with_bytes),
        JS_CFUNC_DEF("compartmentClose", 1, close_compartment),
    };

    return JS_SetPropertyFunctionList(ctx, native, functions,
                                      (int)(sizeof(functions) / sizeof(*functions)));
}

/* --- inside --- */

/* The whole request in js_malloc'ed memory. NULL: exception pending. */
static uint8_t *read_request(JSContext *ctx, size_t *size)
{
    size_t room = 4096;
    uint8_t *data = js_malloc(ctx, room), *larger;
    int32_t got;

    *size = 0;
    while (data && (got = host_request_read(data + *size, (uint32_t)(room - *size))) > 0) {
        *size += (size_t)got;
        if (*size < room)
            continue;
        room *= 2;
        larger = js_realloc(ctx, data, room);
        if (!larger)
            js_free(ctx, data);
        data = larger;
    }
    return data;
}

JSValue isolation_serve(JSContext *ctx)
{
    size_t size;
    uint8_t *data = read_request(ctx, &size);
    JSValue request, serve, answer;

    if (!data)
        return JS_EXCEPTION;
    request = clone_decode(ctx, data, size);
    js_free(ctx, data);
    if (JS_IsException(request))
        return request;
    serve = JS_GetPropertyStr(ctx, guest_internals, "serve");
    answer = JS_Call(ctx, serve, JS_UNDEFINED, 1, (JSValueConst *)&request);
    JS_FreeValues(ctx, serve, request);
    return answer;
}

/* What cannot cross is said in an answer of its own: [2, why]. */
static uint8_t *encode_refusal(JSContext *ctx, size_t *size)
{
    JSValue error = JS_GetException(ctx), make, answer;
    uint8_t *data;

    if (engine_is_out_of_memory(ctx, error) || JS_IsNull(error)) {
        JS_Throw(ctx, error);
        return NULL;
    }
    make = JS_GetPropertyStr(ctx, guest_internals, "refusal");
    answer = JS_Call(ctx, make, JS_UNDEFINED, 1, (JSValueConst *)&error);
    JS_FreeValues(ctx, make, error);
    if (JS_IsException(answer))
        return NULL;
    data = clone_encode(ctx, answer, size);
    JS_FreeValue(ctx, answer);
    return data;
}

bool isolation_answer(JSContext *ctx, JSValueConst answer)
{
    size_t size;
    uint8_t *data = clone_encode(ctx, answer, &size);
    int32_t sent;

    if (!data)
        data = encode_refusal(ctx, &size);
    if (!data)
        return false;
    sent = host_response_write(data, (uint32_t)size, 1);
    js_free(ctx, data);
    if (sent < 0)
        JS_ThrowPlainError(ctx, "the answer was not taken");
    return sent >= 0;
}
