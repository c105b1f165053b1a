/*
 * report.c - errors to the log: name, message, the function's own stack, causes.
 * Must never reach the response. Works with little memory left: when text cannot be made it says
 * so instead of failing.
 */
#include <stdio.h>
#include <string.h>
#include "guest.h"
#include "host.h"

#define REPORT_SIZE 8192u
#define CAUSES_MAX  4

static struct {
    char text[REPORT_SIZE];
    size_t size;
} report;

static void put(const char *text, size_t size)
{
    size_t room = REPORT_SIZE - 1 - report.size; /* one for the newline */

    if (size > room)
        size = room;
    memcpy(report.text + report.size, text, size);
    report.size += size;
}

static void put_string(const char *text)
{
    put(text, strlen(text));
}

/* false: the property is absent, not a string, or there is no memory. */
static bool put_property(JSContext *ctx, JSValueConst object, const char *name)
{
    JSValue value = JS_GetPropertyStr(ctx, object, name);
    const char *text = NULL;
    size_t size = 0;

    if (JS_IsException(value))
        JS_FreeValue(ctx, JS_GetException(ctx));
    else if (JS_IsString(value))
        text = JS_ToCStringLen(ctx, &size, value);
    if (text)
        put(text, size);
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, value);
    return text && size;
}

static bool line_has(const char *line, size_t size, const char *part)
{
    return memmem(line, size, part, strlen(part)) != NULL;
}

/* Our own frames, and native ones that they called, mean nothing to the function's author. */
static void put_stack(const char *stack, size_t size)
{
    const char *end = stack + size;

    while (stack < end) {
        const char *stop = memchr(stack, '\n', (size_t)(end - stack));
        const char *next = stop ? stop + 1 : end;
        const char *next_stop = next < end ? memchr(next, '\n', (size_t)(end - next)) : NULL;
        size_t length = (size_t)((stop ? stop : end) - stack);
        bool ours = line_has(stack, length, "tfaas:");

        if (!ours && line_has(stack, length, "(native)"))
            ours = next == end ||
                   line_has(next, (size_t)((next_stop ? next_stop : end) - next), "tfaas:");
        if (!ours && length) {
            put_string("\n");
            put(stack, length);
        }
        stack = next;
    }
}

static void put_error(JSContext *ctx, JSValueConst error)
{
    size_t size = 0;
    const char *stack;
    JSValue value;

    if (!put_property(ctx, error, "name"))
        put_string("Error");
    put_string(": ");
    (void)put_property(ctx, error, "message");
    value = JS_GetPropertyStr(ctx, error, "stack");
    if (JS_IsException(value))
        JS_FreeValue(ctx, JS_GetException(ctx));
    if (JS_IsString(value)) {
        stack = JS_ToCStringLen(ctx, &size, value);
        if (stack)
            put_stack(stack, size);
        JS_FreeCString(ctx, stack);
    }
    JS_FreeValue(ctx, value);
}

static void put_other(JSContext *ctx, JSValueConst value)
{
    size_t size = 0;
    const char *text;
    JSValue json = JS_UNDEFINED;

    if (JS_IsObject(value) && !JS_IsFunction(ctx, value)) {
        json = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
        if (JS_IsException(json))
            JS_FreeValue(ctx, JS_GetException(ctx));
    }
    text = JS_ToCStringLen(ctx, &size, JS_IsString(json) ? json : value);
    if (!text) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        put_string("(a value that has no text)");
    } else {
        put(text, size);
    }
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, json);
}

void report_error(JSContext *ctx, const char *what, JSValueConst error)
{
    JSValue current = JS_DupValue(ctx, error), cause;

    report.size = 0;
    if (what) {
        put_string(what);
        put_string(": ");
    }
    for (int depth = 0; depth < CAUSES_MAX; depth++) {
        if (!JS_IsError(current)) {
            put_other(ctx, current);
            break;
        }
        put_error(ctx, current);
        cause = JS_GetPropertyStr(ctx, current, "cause");
        JS_FreeValue(ctx, current);
        current = cause;
        if (JS_IsException(current)) {
            JS_FreeValue(ctx, JS_GetException(ctx));
            current = JS_UNDEFINED;
        }
        if (JS_IsUndefined(current))
            break;
        put_string("\nCaused by: ");
    }
    JS_FreeValue(ctx, current);
    report.text[report.size++] = '\n';
    host_log(report.text, report.size);
}
