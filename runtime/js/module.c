/*
 * module.c - hooks of the ECMAScript module loader. Where a specifier leads and what a file is
 * gets decided in bootstrap/module.js; here the answers become engine modules.
 */
#include <string.h>
#include "guest.h"

/* internals.NAME(a, b) */
static JSValue call_internal(JSContext *ctx, const char *name, JSValue a, JSValue b)
{
    JSValue function = JS_GetPropertyStr(ctx, guest_internals, name);
    JSValue result = JS_IsException(function)
                         ? JS_EXCEPTION
                         : JS_Call(ctx, function, guest_internals, 2, (JSValue[]){a, b});

    JS_FreeValues(ctx, function, a, b);
    return result;
}

static char *normalize(JSContext *ctx, const char *base, const char *name, void *opaque)
{
    JSValue path =
        call_internal(ctx, "resolveImport", JS_NewString(ctx, base), JS_NewString(ctx, name));
    const char *text = JS_IsException(path) ? NULL : JS_ToCString(ctx, path);
    char *copy = text ? js_strdup(ctx, text) : NULL;

    (void)opaque;
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, path);
    return copy;
}

/* Exports of a CommonJS, JSON or built-in module: { name: value } kept as private value. */
static int fill_exports(JSContext *ctx, JSModuleDef *module)
{
    JSValue exports = JS_GetModulePrivateValue(ctx, module);
    JSPropertyEnum *names;
    uint32_t count;
    int result = 0;

    if (JS_GetOwnPropertyNames(ctx, &names, &count, exports, JS_GPN_STRING_MASK))
        result = -1;
    for (uint32_t i = 0; !result && i < count; i++) {
        const char *name = JS_AtomToCString(ctx, names[i].atom);
        JSValue value = name ? JS_GetProperty(ctx, exports, names[i].atom) : JS_EXCEPTION;

        result = JS_IsException(value) ? -1 : JS_SetModuleExport(ctx, module, name, value);
        JS_FreeCString(ctx, name);
    }
    if (result == 0)
        JS_FreePropertyEnum(ctx, names, count);
    JS_FreeValue(ctx, exports);
    return result;
}

/* Takes `exports`. */
static JSModuleDef *synthetic(JSContext *ctx, const char *name, JSValue exports)
{
    JSModuleDef *module = JS_NewCModule(ctx, name, fill_exports);
    JSPropertyEnum *names;
    uint32_t count;
    bool good;

    if (!module || JS_GetOwnPropertyNames(ctx, &names, &count, exports, JS_GPN_STRING_MASK)) {
        JS_FreeValue(ctx, exports);
        return NULL;
    }
    good = JS_SetModulePrivateValue(ctx, module, exports) == 0;
    for (uint32_t i = 0; good && i < count; i++) {
        const char *text = JS_AtomToCString(ctx, names[i].atom);

        good = text && JS_AddModuleExport(ctx, module, text) == 0;
        JS_FreeCString(ctx, text);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return good ? module : NULL;
}

static int set_meta(JSContext *ctx, JSModuleDef *module, const char *name)
{
    JSValue meta = JS_GetImportMeta(ctx, module), done;

    if (JS_IsException(meta))
        return -1;
    done = call_internal(ctx, "setImportMeta", meta, JS_NewString(ctx, name));
    if (JS_IsException(done))
        return -1;
    JS_FreeValue(ctx, done);
    return 0;
}

static JSModuleDef *compile(JSContext *ctx, const char *name, JSValueConst source)
{
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, source);
    JSModuleDef *module;
    JSValue value;

    if (!text)
        return NULL;
    value = JS_Eval(ctx, text, size, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    JS_FreeCString(ctx, text);
    if (JS_IsException(value))
        return NULL;
    module = JS_VALUE_GET_PTR(value);
    JS_FreeValue(ctx, value); /* the context keeps the module */
    return set_meta(ctx, module, name) ? NULL : module;
}

/* internals.loadImport answers with source text, or with an object of exports. */
static JSModuleDef *load(JSContext *ctx, const char *name, void *opaque)
{
    JSValue loaded = call_internal(ctx, "loadImport", JS_NewString(ctx, name), JS_UNDEFINED);
    JSModuleDef *module;

    (void)opaque;
    if (JS_IsException(loaded))
        return NULL;
    if (!JS_IsString(loaded))
        return synthetic(ctx, name, loaded);
    module = compile(ctx, name, loaded);
    JS_FreeValue(ctx, loaded);
    return module;
}

void module_set_loader(JSRuntime *runtime)
{
    JS_SetModuleLoaderFunc(runtime, normalize, load, NULL);
}

/* native.importModule(base, specifier) -> promise of the namespace */
JSValue module_import(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const char *base, *specifier;
    JSValue promise = JS_EXCEPTION;

    (void)this_value;
    if (argc < 2)
        return JS_ThrowTypeError(ctx, "importModule needs two arguments");
    base = JS_ToCString(ctx, argv[0]);
    specifier = JS_ToCString(ctx, argv[1]);
    if (base && specifier)
        promise = JS_LoadModule(ctx, base, specifier);
    JS_FreeCString(ctx, base);
    JS_FreeCString(ctx, specifier);
    return promise;
}
