/*
 * engine.c - QuickJS-ng as one translation unit, plus the accessors of engine.h.
 * Must never change the engine's behaviour towards JS programs beyond limits and seeds.
 */

/* Send every allocation to alloc.c instead of the engine's own per-size arenas: those touch one
 * page per size class, and a fresh instance pays for every page a request touches. */
#define __SANITIZE_ADDRESS__ 1

#include "quickjs.c"
#include "alloc.h"
#include "engine.h"
#include "engine_json.c"

#define HASH_SEED                                                                                  \
    0x9e3779b9u /* any constant: an instance serves one request, then is thrown away */

#define JSON_DEPTH_MAX 512

JSContext *engine_new_context(JSRuntime *runtime)
{
    JSContext *ctx = JS_NewContextRaw(runtime);

    if (!ctx)
        return NULL;
    ctx->hash_seed = HASH_SEED;
    ctx->random_state = 1;
    if (JS_AddIntrinsicBaseObjects(ctx) || JS_AddIntrinsicDate(ctx) || JS_AddIntrinsicEval(ctx) ||
        JS_AddIntrinsicRegExp(ctx) || JS_AddIntrinsicJSON(ctx) || JS_AddIntrinsicProxy(ctx) ||
        JS_AddIntrinsicMapSet(ctx) || JS_AddIntrinsicTypedArrays(ctx) ||
        JS_AddIntrinsicPromise(ctx) || JS_AddIntrinsicWeakRef(ctx) || JS_AddIntrinsicAToB(ctx) ||
        JS_AddIntrinsicDOMException(ctx))
        return NULL;
    return ctx;
}

void engine_set_stack_limit(JSRuntime *runtime, uintptr_t lowest)
{
    runtime->stack_limit = lowest;
}

void engine_defer_gc(JSRuntime *runtime, size_t bytes)
{
    runtime->malloc_gc_threshold = runtime->malloc_state.malloc_size + bytes;
}

bool engine_text(JSContext *ctx, JSValueConst value, struct engine_text *text)
{
    JSValue held = js_force_tostring(ctx, value);
    JSString *string;

    if (JS_IsException(held))
        return false;
    string = JS_VALUE_GET_STRING(held);
    text->hold = held;
    text->length = string->len;
    text->latin1 = string->is_wide_char ? NULL : str8(string);
    text->utf16 = string->is_wide_char ? str16(string) : NULL;
    return true;
}

JSValue engine_eval_wrapped(JSContext *ctx, const char *text, size_t size, const char *file)
{
    /* JS_Eval2 takes line 0 for "not given" */
    return JS_EvalInternal(ctx, ctx->global_obj, text, size, file, 0, JS_EVAL_TYPE_GLOBAL, -1);
}

bool engine_json_too_deep(const uint8_t *text, size_t size)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        uint8_t byte = text[i];

        if (quoted) {
            if (byte == '\\')
                i++;
            else if (byte == '"')
                quoted = false;
        } else if (byte == '"') {
            quoted = true;
        } else if (byte == '[' || byte == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((byte == ']' || byte == '}') && depth) {
            depth--;
        }
    }
    return false;
}

JSValue engine_latin1_string(JSContext *ctx, const char *data, size_t size)
{
    if (size > JS_STRING_LEN_MAX)
        return JS_ThrowRangeError(ctx, "invalid string length");
    return js_new_string8_len(ctx, data, (int)size);
}

static bool text_is(JSValueConst value, const char *expected)
{
    JSString *text;

    if (JS_VALUE_GET_TAG(value) != JS_TAG_STRING)
        return false;
    text = JS_VALUE_GET_STRING(value);
    return !text->is_wide_char && text->len == strlen(expected) &&
           !memcmp(str8(text), expected, text->len);
}

bool engine_is_out_of_memory(JSContext *ctx, JSValueConst value)
{
    JSValue message;
    bool same;

    if (!JS_IsError(value))
        return false;
    message = JS_GetPropertyStr(ctx, value, "message");
    /* the second is what the engine writes when there was no room for the first */
    same = text_is(message, "out of memory") ||
           (alloc_has_failed() && text_is(message, "Invalid error message"));
    JS_FreeValue(ctx, message);
    return same;
}

JSValue engine_json_parse(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    return js_json_parse(ctx, this_value, argc, argv);
}

static int make_lazy_properties(JSContext *ctx, JSObject *object)
{
    for (int i = 0; i < object->shape->prop_count; i++) {
        JSShapeProperty *slot = &get_shape_prop(object->shape)[i];
        JSProperty *property = &object->prop[i];

        if (slot->atom != JS_ATOM_NULL && (slot->flags & JS_PROP_TMASK) == JS_PROP_AUTOINIT &&
            js_autoinit_get_id(property) == JS_AUTOINIT_ID_PROP &&
            JS_AutoInitProperty(ctx, object, slot->atom, property, slot))
            return -1;
    }
    return 0;
}

int engine_make_lazy(JSContext *ctx)
{
    struct list_head *each;

    /* what is made joins the list at its end, and is looked at as well */
    list_for_each(each, &ctx->rt->gc_obj_list)
    {
        JSGCObjectHeader *header = list_entry(each, JSGCObjectHeader, link);

        if (JS_GC_TYPE(header) == JS_GC_OBJ_TYPE_JS_OBJECT &&
            make_lazy_properties(ctx, (JSObject *)header))
            return -1;
    }
    return 0;
}

bool engine_stack_is_low(JSContext *ctx, size_t bytes)
{
    if (!js_check_stack_overflow(ctx->rt, bytes))
        return false;
    JS_ThrowStackOverflow(ctx);
    return true;
}

bool engine_is_plain_object(JSValueConst value)
{
    return JS_IsObject(value) && JS_VALUE_GET_OBJ(value)->class_id == JS_CLASS_OBJECT;
}

bool engine_is_async_function(JSValueConst function)
{
    return JS_IsObject(function) && JS_VALUE_GET_OBJ(function)->class_id == JS_CLASS_ASYNC_FUNCTION;
}

bool engine_is_surely_no_thenable(JSValueConst value)
{
    return !JS_IsObject(value) || surely_lacks(JS_VALUE_GET_OBJ(value), JS_ATOM_then);
}

JSValue engine_promise_of(JSContext *ctx, JSValueConst value)
{
    return js_promise_resolve(ctx, ctx->promise_ctor, 1, &value, 0);
}

static JSValue rejected_promise(JSContext *ctx)
{
    JSValue functions[2], error = JS_GetException(ctx), done;
    JSValue promise = JS_NewPromiseCapability(ctx, functions);

    if (JS_IsException(promise)) {
        JS_FreeValue(ctx, error);
        return promise;
    }
    done = JS_Call(ctx, functions[1], JS_UNDEFINED, 1, vc(&error));
    JS_FreeValues(ctx, error, functions[0], functions[1]);
    if (JS_IsException(done)) {
        JS_FreeValue(ctx, promise);
        return done;
    }
    JS_FreeValue(ctx, done);
    return promise;
}

JSValue engine_settled_promise(JSContext *ctx, JSValue value)
{
    JSPromiseData *data;
    JSValue promise;

    if (JS_IsException(value))
        return rejected_promise(ctx);
    promise = JS_NewObjectClass(ctx, JS_CLASS_PROMISE);
    data = JS_IsException(promise) ? NULL : js_mallocz(ctx, sizeof(*data));
    if (!data) {
        JS_FreeValues(ctx, value, promise);
        return JS_EXCEPTION;
    }
    data->promise_state = JS_PROMISE_FULFILLED;
    init_list_head(&data->promise_reactions[0]);
    init_list_head(&data->promise_reactions[1]);
    data->promise_result = value;
    JS_SetOpaqueInternal(promise, data);
    return promise;
}

int engine_run_async(JSContext *ctx, JSValueConst function, JSValueConst this_value, int argc,
                     JSValueConst *argv, JSValueConst *done)
{
    JSAsyncFunctionData *run;

    if (js_check_stack_overflow(ctx->rt, 0)) {
        JS_ThrowStackOverflow(ctx);
        return -1;
    }
    run = js_mallocz(ctx, sizeof(*run));
    if (!run)
        return -1;
    if (async_func_init(ctx, &run->func_state, function, this_value, argc, argv)) {
        js_free(ctx, run);
        return -1;
    }
    JS_REF_COUNT(run) = 1;
    add_gc_object(ctx->rt, &run->header, JS_GC_OBJ_TYPE_ASYNC_FUNCTION);
    run->resolving_funcs[0] = js_dup(done[0]);
    run->resolving_funcs[1] = js_dup(done[1]);
    run->is_active = true;
    run->func_state.frame.cur_gc_obj = &run->header;
    /* our reference stays: the instance ends with the call */
    return js_async_function_resume(ctx, run) ? 0 : -1;
}
