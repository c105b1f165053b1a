/*
 * engine.h - what the glue needs from QuickJS-ng beyond its public interface.
 * engine.c compiles quickjs.c as one translation unit with these few functions, because under WASI
 * the engine has no stack limit and no way to set its seeds from outside.
 */
#ifndef TFAAS_JS_ENGINE_H
#define TFAAS_JS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "quickjs.h"

/* Text of a JS string without a copy: 8-bit (Latin-1) or 16-bit units. */
struct engine_text {
    JSValue hold; /* release with JS_FreeValue when the text is no longer used */
    const uint8_t *latin1;
    const uint16_t *utf16;
    uint32_t length;
};

/* A context whose hash seed is a constant (the image must not depend on when it was made) and
 * whose engine generator is never used: Math.random is replaced by the glue. NULL: no memory. */
JSContext *engine_new_context(JSRuntime *runtime);

/* JS gets a RangeError when the linear stack would go below `lowest`. */
void engine_set_stack_limit(JSRuntime *runtime, uintptr_t lowest);

/* No collection before `bytes` more than what is allocated now. */
void engine_defer_gc(JSRuntime *runtime, size_t bytes);

/* View of ToString(value); false: exception pending. */
bool engine_text(JSContext *ctx, JSValueConst value, struct engine_text *text);

/* Evaluates NUL-terminated global code whose first line is ours: the next is the author's line 1.
 */
JSValue engine_eval_wrapped(JSContext *ctx, const char *text, size_t size, const char *file);

/* Does JSON text nest deeper than the native stack is sure to allow? The engine's parser recurses
 * on that stack, whose end is a trap, not an exception. */
bool engine_json_too_deep(const uint8_t *text, size_t size);

/* A string of Latin-1 bytes. */
JSValue engine_latin1_string(JSContext *ctx, const char *data, size_t size);

/* JSON text in UTF-8 of plain data at `dst`. 0: it is not plain, or there is no room; nothing has
 * happened then, and JS_JSONStringify() is to be asked. */
size_t engine_json_write(JSContext *ctx, JSValueConst value, uint8_t *dst, size_t room);

/* The engine's own JSON.parse. */
JSValue engine_json_parse(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv);

/* Makes the built-in functions that the engine would make on first use: in the image they cost
 * once, in a call each time. */
int engine_make_lazy(JSContext *ctx);

/* Less than `bytes` of stack left? Then a RangeError is pending. */
bool engine_stack_is_low(JSContext *ctx, size_t bytes);

/* An object of no class with a meaning of its own: all there is to it are properties. */
bool engine_is_plain_object(JSValueConst value);

bool engine_is_async_function(JSValueConst function);

/* Starts an async function of which nobody sees the promise: done[0] is called with what it
 * returns (which may be a thenable), or done[1] with what it throws. < 0: exception pending. */
int engine_run_async(JSContext *ctx, JSValueConst function, JSValueConst this_value, int argc,
                     JSValueConst *argv, JSValueConst *done);

/* Promise.resolve(value) */
JSValue engine_promise_of(JSContext *ctx, JSValueConst value);

/* A promise fulfilled with `value`, which it takes and which must be no thenable; rejected with the
 * pending exception when `value` is one. */
JSValue engine_settled_promise(JSContext *ctx, JSValue value);

/* Is this no object, or one that has no `then`, as far as can be told without running code? */
bool engine_is_surely_no_thenable(JSValueConst value);

/* Is this (pending or caught) value the engine's own out-of-memory error? */
bool engine_is_out_of_memory(JSContext *ctx, JSValueConst value);

#endif
