/*
 * timer.c - setTimeout and setInterval over tfaas.sleep.
 * Timers fire in order of due time, then of creation, as in a browser.
 */
#include <stdlib.h>
#include "guest.h"
#include "host.h"

#define NS_PER_MS    1000000.0
#define DELAY_MAX_MS 2147483647.0

struct timer {
    uint64_t due_ns;
    uint64_t interval_ns; /* 0: once */
    uint32_t id;
    bool repeats;
    JSValue callback; /* a function without arguments */
};

static struct timer *timers;
static uint32_t timer_count, timer_room, last_id;
static uint64_t passed_ns; /* never earlier than what was slept for */

static uint64_t now_ns(void)
{
    uint64_t now = host_monotonic_ns();

    if (now > passed_ns)
        passed_ns = now;
    return passed_ns;
}

/* add(callback, milliseconds, repeats) -> id */
static JSValue timer_add(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    double ms;
    struct timer timer;

    (void)this_value;
    if (argc < 3 || JS_ToFloat64(ctx, &ms, argv[1]))
        return JS_EXCEPTION;
    if (!(ms >= 1 && ms <= DELAY_MAX_MS)) /* as node: no number, too small or too large is 1 */
        ms = 1;
    if (timer_count == timer_room) {
        uint32_t room = timer_room ? timer_room * 2 : 8;
        struct timer *grown =
            room > 1u << 20 ? NULL : js_realloc(ctx, timers, room * sizeof(*timers));

        if (!grown)
            return JS_ThrowOutOfMemory(ctx);
        timers = grown;
        timer_room = room;
    }
    timer.interval_ns = (uint64_t)(ms * NS_PER_MS);
    timer.due_ns = now_ns() + timer.interval_ns;
    timer.id = ++last_id;
    timer.repeats = JS_ToBool(ctx, argv[2]) == 1;
    timer.callback = JS_DupValue(ctx, argv[0]);
    timers[timer_count++] = timer;
    return JS_NewUint32(ctx, timer.id);
}

static void remove_at(JSContext *ctx, uint32_t index)
{
    JS_FreeValue(ctx, timers[index].callback);
    for (uint32_t i = index + 1; i < timer_count; i++)
        timers[i - 1] = timers[i];
    timer_count--;
}

static JSValue timer_remove(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint32_t id;

    (void)this_value;
    if (argc < 1 || JS_ToUint32(ctx, &id, argv[0]))
        return JS_EXCEPTION;
    for (uint32_t i = 0; i < timer_count; i++)
        if (timers[i].id == id) {
            remove_at(ctx, i);
            break;
        }
    return JS_UNDEFINED;
}

int timer_add_natives(JSContext *ctx, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("timerAdd", 3, timer_add),
        JS_CFUNC_DEF("timerRemove", 1, timer_remove),
    };

    return JS_SetPropertyFunctionList(ctx, native, functions, 2);
}

bool timer_pending(void)
{
    return timer_count > 0;
}

/* Index of the timer to fire next; only when there is one. */
static uint32_t earliest(void)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < timer_count; i++)
        if (timers[i].due_ns < timers[best].due_ns)
            best = i;
    return best;
}

bool timer_wait(void)
{
    uint64_t due = timers[earliest()].due_ns, now = now_ns();

    if (due <= now)
        return true;
    if (host_sleep((int64_t)(due - now)) < 0)
        return false;
    passed_ns = due;
    return true;
}

/* One timer per turn: promise jobs run in between, as in node and browsers. */
void timer_run(JSContext *ctx)
{
    uint32_t index;
    JSValue callback, result;

    if (!timer_count)
        return;
    index = earliest();
    if (timers[index].due_ns > now_ns())
        return;
    callback = JS_DupValue(ctx, timers[index].callback);
    if (timers[index].repeats) {
        /* behind all others that are due at the same time */
        struct timer again = timers[index];

        again.due_ns = passed_ns + again.interval_ns;
        for (uint32_t i = index + 1; i < timer_count; i++)
            timers[i - 1] = timers[i];
        timers[timer_count - 1] = again;
    } else {
        remove_at(ctx, index);
    }
    result = JS_Call(ctx, callback, JS_UNDEFINED, 0, NULL);
    JS_FreeValue(ctx, callback);
    if (JS_IsException(result)) {
        JSValue error = JS_GetException(ctx);

        report_error(ctx, "Uncaught in a timer", error);
        JS_FreeValue(ctx, error);
    }
    JS_FreeValue(ctx, result);
}
