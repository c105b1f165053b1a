/*
 * native.c - what the bootstrap scripts cannot do in JS: files, log, entropy, clocks, text
 * encodings, compiling. The object holding these never becomes visible to user code.
 * Must never keep a seed that was drawn before the invocation began.
 */
#include <stdlib.h>
#include <string.h>
#include "guest.h"
#include "host.h"
#include "response.h"

static struct {
    uint64_t state[4]; /* xoshiro256** by Blackman and Vigna (public domain) */
    bool seeded;
    uint64_t start_ns;
} invocation;

void native_start_invocation(void)
{
    invocation.seeded = false;
    invocation.start_ns = 0;
}

JSValue native_latin1(JSContext *ctx, const uint8_t *data, size_t size)
{
    return engine_latin1_string(ctx, (const char *)data, size);
}

JSValue native_buffer(JSContext *ctx, const uint8_t *data, size_t size)
{
    JSValue bytes = JS_NewUint8ArrayCopy(ctx, data, size), prototype;

    if (JS_IsException(bytes))
        return bytes;
    prototype = JS_GetPropertyStr(ctx, guest_internals, "bufferPrototype");
    if (JS_IsException(prototype) || JS_SetPrototype(ctx, bytes, prototype) < 0) {
        JS_FreeValues(ctx, bytes, prototype);
        return JS_EXCEPTION;
    }
    JS_FreeValue(ctx, prototype);
    return bytes;
}

/* --- numbers that must be fresh in every instance --- */

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t next_random(void)
{
    uint64_t *s = invocation.state, result, mixed;

    if (!invocation.seeded) {
        do
            host_random(s, sizeof(invocation.state));
        while (!(s[0] | s[1] | s[2] | s[3]));
        invocation.seeded = true;
    }
    result = rotate(s[1] * 5, 7) * 9;
    mixed = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= mixed;
    s[3] = rotate(s[3], 45);
    return result;
}

static JSValue math_random(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value, (void)argc, (void)argv;
    return JS_NewFloat64(ctx, (double)(next_random() >> 11) * 0x1p-53);
}

bool native_view(JSContext *ctx, JSValueConst value, uint8_t **data, size_t *size)
{
    size_t at = 0, length = 0, unit, whole;
    JSValue buffer;

    if (JS_IsArrayBuffer(value)) {
        *data = JS_GetArrayBuffer(ctx, size, value);
        return *data || *size == 0;
    }
    if (JS_GetTypedArrayType(value) < 0) {
        JS_ThrowTypeError(ctx, "an ArrayBuffer or a typed array is expected");
        return false;
    }
    buffer = JS_GetTypedArrayBuffer(ctx, value, &at, &length, &unit);
    if (JS_IsException(buffer))
        return false;
    *data = JS_GetArrayBuffer(ctx, &whole, buffer);
    JS_FreeValue(ctx, buffer); /* `value` keeps it */
    if (!*data && length)
        return false;
    *data += at;
    *size = length;
    return true;
}

static JSValue random_fill(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *data;
    size_t size;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &data, &size))
        return JS_EXCEPTION;
    if (size)
        host_random(data, size);
    return JS_DupValue(ctx, argv[0]);
}

static JSValue random_uuid(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    char text[36];
    size_t at = 0;

    (void)this_value, (void)argc, (void)argv;
    host_random(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = digits[bytes[i] >> 4];
        text[at++] = digits[bytes[i] & 15];
    }
    return JS_NewStringLen(ctx, text, sizeof(text));
}

/* Milliseconds since the invocation first asked. */
static JSValue performance_now(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv)
{
    uint64_t now = host_monotonic_ns();

    (void)this_value, (void)argc, (void)argv;
    if (!invocation.start_ns)
        invocation.start_ns = now;
    return JS_NewFloat64(ctx, (double)(now - invocation.start_ns) / 1e6);
}

static JSValue monotonic(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    (void)this_value, (void)argc, (void)argv;
    return JS_NewBigUint64(ctx, host_monotonic_ns());
}

/* --- log and files --- */

static JSValue log_line(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t size;
    const char *text;
    char *line;

    (void)this_value, (void)argc;
    text = JS_ToCStringLen(ctx, &size, argv[0]);
    if (!text)
        return JS_EXCEPTION;
    line = js_malloc(ctx, size + 1); /* one write for the line and its end */
    if (line) {
        memcpy(line, text, size);
        line[size] = '\n';
        host_log(line, size + 1);
    }
    js_free(ctx, line);
    JS_FreeCString(ctx, text);
    return line ? JS_UNDEFINED : JS_EXCEPTION;
}

static JSValue file_kind(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const char *path = JS_ToCString(ctx, argv[0]);
    uint64_t size;
    enum host_kind kind;

    (void)this_value, (void)argc;
    if (!path)
        return JS_EXCEPTION;
    kind = host_stat(path, &size);
    JS_FreeCString(ctx, path);
    return JS_NewInt32(ctx, (int32_t)kind);
}

static JSValue file_size(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const char *path = JS_ToCString(ctx, argv[0]);
    uint64_t size = 0;

    (void)this_value, (void)argc;
    if (!path)
        return JS_EXCEPTION;
    (void)host_stat(path, &size);
    JS_FreeCString(ctx, path);
    return JS_NewInt64(ctx, (int64_t)size);
}

enum read_as { READ_TEXT, READ_BYTES, READ_NAMES };

static JSValue names_array(JSContext *ctx, const char *names, size_t size)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;

    for (size_t at = 0; at < size && !JS_IsException(list); at += strlen(names + at) + 1)
        if (JS_DefinePropertyValueUint32(ctx, list, count++, JS_NewString(ctx, names + at),
                                         JS_PROP_C_W_E) < 0) {
            JS_FreeValue(ctx, list);
            list = JS_EXCEPTION;
        }
    return list;
}

/* Text, Buffer or names; a number is the WASI errno of a failure. */
static JSValue file_read(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv,
                         int as)
{
    const char *path = JS_ToCString(ctx, argv[0]);
    size_t size = 0;
    int error = 0;
    char *data;
    JSValue result;

    (void)this_value, (void)argc;
    if (!path)
        return JS_EXCEPTION;
    data = as == READ_NAMES ? host_list_directory(path, &size, &error)
                            : host_read_file(path, &size, &error);
    JS_FreeCString(ctx, path);
    if (!data)
        return JS_NewInt32(ctx, error);
    if (as == READ_NAMES)
        result = names_array(ctx, data, size);
    else if (as == READ_TEXT)
        result = JS_NewStringLen(ctx, data, size);
    else
        result = native_buffer(ctx, (const uint8_t *)data, size);
    free(data);
    return result;
}

/* { NAME: value } of the environment, which is the function's own at load time. */
static JSValue environment(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t count, at = 0;
    char *block = host_environment(&count);
    JSValue object = JS_NewObject(ctx);

    (void)this_value, (void)argc, (void)argv;
    for (size_t i = 0; i < count && !JS_IsException(object); i++) {
        char *entry = block + at, *equals = strchr(entry, '=');

        at += strlen(entry) + 1;
        if (!equals)
            continue;
        *equals = '\0';
        if (JS_DefinePropertyValueStr(ctx, object, entry, JS_NewString(ctx, equals + 1),
                                      JS_PROP_C_W_E) < 0)
            object = JS_EXCEPTION;
    }
    free(block);
    return object;
}

/* --- text --- */

static JSValue encode_utf8(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t size;
    const char *text;
    JSValue bytes, well_formed = JS_UNDEFINED;
    JSAtom atom = JS_NewAtom(ctx, "toWellFormed");

    (void)this_value, (void)argc;
    /* a lone surrogate must become U+FFFD, which ToCString leaves as it is */
    if (atom != JS_ATOM_NULL)
        well_formed = JS_Invoke(ctx, argv[0], atom, 0, NULL);
    JS_FreeAtom(ctx, atom);
    text = JS_IsException(well_formed) ? NULL : JS_ToCStringLen(ctx, &size, well_formed);
    JS_FreeValue(ctx, well_formed);
    if (!text)
        return JS_EXCEPTION;
    bytes = JS_NewUint8ArrayCopy(ctx, (const uint8_t *)text, size);
    JS_FreeCString(ctx, text);
    return bytes;
}

/* utf8State(view) -> -1 ill-formed, else how many bytes at the end are an unfinished sequence */
static JSValue utf8_state(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *data;
    size_t size, rest;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &data, &size))
        return JS_EXCEPTION;
    return text_is_utf8(data, size, &rest) ? JS_NewInt32(ctx, 0)
                                           : JS_NewInt32(ctx, rest ? (int32_t)rest : -1);
}

static JSValue decode_utf8(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *data;
    size_t size;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &data, &size))
        return JS_EXCEPTION;
    return text_from_utf8(ctx, data, size);
}

static JSValue decode_latin1(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *data;
    size_t size;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &data, &size))
        return JS_EXCEPTION;
    return native_latin1(ctx, data, size);
}

static JSValue parse_form(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, argv[0]);
    JSValue object;

    (void)this_value, (void)argc;
    if (!text)
        return JS_EXCEPTION;
    object = form_parse(ctx, (struct slice){(const uint8_t *)text, (uint32_t)size});
    JS_FreeCString(ctx, text);
    return object;
}

/* --- JSON --- */

static bool is_too_deep(JSContext *ctx, const struct engine_text *text, bool *deep)
{
    size_t size;
    const char *bytes;

    if (!text->utf16) {
        *deep = engine_json_too_deep(text->latin1, text->length);
        return true;
    }
    bytes = JS_ToCStringLen(ctx, &size, text->hold);
    if (!bytes)
        return false;
    *deep = engine_json_too_deep((const uint8_t *)bytes, size);
    JS_FreeCString(ctx, bytes);
    return true;
}

/* JSON.parse(text, reviver) that refuses what would run out of native stack. */
static JSValue json_parse(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct engine_text text;
    JSValue result = JS_EXCEPTION;
    bool deep;

    (void)argc;
    if (!engine_text(ctx, argv[0], &text))
        return JS_EXCEPTION;
    if (is_too_deep(ctx, &text, &deep))
        result = deep ? JS_ThrowRangeError(ctx, "the JSON text is nested too deeply")
                      : engine_json_parse(ctx, this_value, 2, (JSValueConst[]){text.hold, argv[1]});
    JS_FreeValue(ctx, text.hold);
    return result;
}

/* JSON.stringify(value, replacer, space) */
static JSValue json_stringify(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t room, size;
    uint8_t *dst = response_spare(&room);

    (void)this_value, (void)argc;
    size = JS_IsUndefined(argv[1]) && JS_IsUndefined(argv[2])
               ? engine_json_write(ctx, argv[0], dst, room)
               : 0;
    return size ? JS_NewStringLen(ctx, (const char *)dst, size)
                : JS_JSONStringify(ctx, argv[0], argv[1], argv[2]);
}

/* --- code --- */

/* compile(source, path) of a CommonJS module, already wrapped so that line 1 is the author's. */
static JSValue compile_wrapped(JSContext *ctx, JSValueConst this_value, int argc,
                               JSValueConst *argv)
{
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, argv[0]);
    const char *path = JS_ToCString(ctx, argv[1]);
    JSValue result = JS_EXCEPTION;

    (void)this_value, (void)argc;
    if (text && path)
        result = engine_eval_wrapped(ctx, text, size, path);
    JS_FreeCString(ctx, text);
    JS_FreeCString(ctx, path);
    return result;
}

static JSValue is_module_source(JSContext *ctx, JSValueConst this_value, int argc,
                                JSValueConst *argv)
{
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, argv[0]);
    bool module;

    (void)this_value, (void)argc;
    if (!text)
        return JS_EXCEPTION;
    module = JS_DetectModule(text, size);
    JS_FreeCString(ctx, text);
    return JS_NewBool(ctx, module);
}

static JSValue report(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const char *what = JS_ToCString(ctx, argv[0]);

    (void)this_value, (void)argc;
    if (!what)
        return JS_EXCEPTION;
    report_error(ctx, what, argv[1]);
    JS_FreeCString(ctx, what);
    return JS_UNDEFINED;
}

/* settled(promise, text): its value; throws its reason, or an Error(text) while it is pending. */
static JSValue settled(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    JSPromiseStateEnum state = JS_PromiseState(ctx, argv[0]);
    const char *text;

    (void)this_value, (void)argc;
    if (state == JS_PROMISE_FULFILLED)
        return JS_PromiseResult(ctx, argv[0]);
    JS_PromiseMarkAsHandled(ctx, argv[0]);
    if (state == JS_PROMISE_REJECTED)
        return JS_Throw(ctx, JS_PromiseResult(ctx, argv[0]));
    text = JS_ToCString(ctx, argv[1]);
    if (text)
        JS_ThrowPlainError(ctx, "%s", text);
    JS_FreeCString(ctx, text);
    return JS_EXCEPTION;
}

static JSValue run_jobs(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    JSContext *unused;

    (void)this_value, (void)argc, (void)argv;
    while (JS_ExecutePendingJob(JS_GetRuntime(ctx), &unused) > 0) {
    }
    return JS_UNDEFINED;
}

JSValue native_object(JSContext *ctx)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("random", 0, math_random),
        JS_CFUNC_DEF("randomFill", 1, random_fill),
        JS_CFUNC_DEF("randomUUID", 0, random_uuid),
        JS_CFUNC_DEF("performanceNow", 0, performance_now),
        JS_CFUNC_DEF("monotonic", 0, monotonic),
        JS_CFUNC_DEF("log", 1, log_line),
        JS_CFUNC_DEF("fileKind", 1, file_kind),
        JS_CFUNC_DEF("fileSize", 1, file_size),
        JS_CFUNC_MAGIC_DEF("readText", 1, file_read, READ_TEXT),
        JS_CFUNC_MAGIC_DEF("readBytes", 1, file_read, READ_BYTES),
        JS_CFUNC_MAGIC_DEF("readNames", 1, file_read, READ_NAMES),
        JS_CFUNC_DEF("environment", 0, environment),
        JS_CFUNC_DEF("encodeUtf8", 1, encode_utf8),
        JS_CFUNC_DEF("decodeUtf8", 1, decode_utf8),
        JS_CFUNC_DEF("decodeLatin1", 1, decode_latin1),
        JS_CFUNC_DEF("utf8State", 1, utf8_state),
        JS_CFUNC_DEF("parseForm", 1, parse_form),
        JS_CFUNC_DEF("compile", 2, compile_wrapped),
        JS_CFUNC_DEF("isModuleSource", 1, is_module_source),
        JS_CFUNC_DEF("importModule", 2, module_import),
        JS_CFUNC_DEF("report", 2, report),
        JS_CFUNC_DEF("settled", 2, settled),
        JS_CFUNC_DEF("runJobs", 0, run_jobs),
    };
    static const JSCFunctionListEntry json[] = {
        JS_CFUNC_DEF("parse", 2, json_parse),
        JS_CFUNC_DEF("stringify", 3, json_stringify),
    };
    JSValue native = JS_NewObject(ctx), json_object = JS_NewObject(ctx);

    if (JS_IsException(native) || JS_IsException(json_object) ||
        JS_SetPropertyFunctionList(ctx, native, functions,
                                   (int)(sizeof(functions) / sizeof(*functions))) ||
        JS_SetPropertyFunctionList(ctx, json_object, json, 2) ||
        JS_DefinePropertyValueStr(ctx, native, "json", json_object, JS_PROP_C_W_E) < 0 ||
        timer_add_natives(ctx, native) || web_add_natives(ctx, native) ||
        crypto_add_natives(ctx, native) || encode_add_natives(ctx, native) ||
        isolation_add_natives(ctx, native))
        return JS_EXCEPTION;
    return native;
}
