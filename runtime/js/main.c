/*
 * main.c - the three entry points the core calls: tfaas_init (once, in the zygote), tfaas_load
 * (once per function; memory is then the image), tfaas_handle (once per instance).
 * Must never free or collect at the end of an invocation: the instance is thrown away.
 */
#include <stdlib.h>
#include <string.h>
#include "alloc.h"
#include "bootstrap.h"
#include "guest.h"
#include "host.h"
#include "response.h"

#define EXPORT(name) __attribute__((export_name(#name)))

/* The linear stack is [0, stack size); what lies below this is for C functions that run after the
 * last check. */
#define STACK_LOWEST   (10u * 1024)
#define GC_AFTER       (4u << 20) /* a small request never collects */
#define REJECTIONS_MAX 32
#define BOOTSTRAP_MAX  24

enum form { FORM_NONE, FORM_OPENFAAS, FORM_FETCH, FORM_COMPARTMENT };

JSValue guest_internals;

static struct {
    JSRuntime *runtime;
    JSContext *ctx;
    enum form form;
    JSValue handler, owner;
    JSValue arguments[3];        /* of a fetch handler: request, env, context */
    JSValue answer, new_request; /* answer(response) sends it */
    JSValue done[2];             /* what an async handler returned or threw */
    bool is_async;               /* we call the handler ourselves, without a promise */
    bool wants_callback;
} guest;

/* An async handler's run; a thenable that it returned is made a promise first. */
static struct {
    enum { RUN_NONE, RUN_GOING, RUN_RETURNED, RUN_THREW } state;
    JSValue value;
    bool is_answered; /* `answer` was called */
} run;

/* Promises rejected while nobody listened; a handler may still come in the same turn. */
static struct {
    JSValue promise[REJECTIONS_MAX];
    uint32_t count;
} rejections;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason,
                            bool is_handled, void *opaque)
{
    (void)reason, (void)opaque;
    if (!is_handled) {
        if (rejections.count < REJECTIONS_MAX)
            rejections.promise[rejections.count++] = JS_DupValue(ctx, promise);
        return;
    }
    for (uint32_t i = 0; i < rejections.count; i++)
        if (JS_VALUE_GET_PTR(rejections.promise[i]) == JS_VALUE_GET_PTR(promise)) {
            JS_FreeValue(ctx, rejections.promise[i]);
            rejections.promise[i] = rejections.promise[--rejections.count];
            return;
        }
}

static bool is_same_object(JSValueConst a, JSValueConst b)
{
    return JS_IsObject(a) && JS_IsObject(b) && JS_VALUE_GET_PTR(a) == JS_VALUE_GET_PTR(b);
}

/* Reports all but `mine` and what the handler returned: those are dealt with when they settle. */
static void report_rejections(JSContext *ctx, JSValueConst mine)
{
    for (uint32_t i = 0; i < rejections.count; i++) {
        JSValue promise = rejections.promise[i], reason;

        if (is_same_object(mine, promise) ||
            (run.state == RUN_RETURNED && is_same_object(run.value, promise)))
            continue;
        reason = JS_PromiseResult(ctx, promise);
        report_error(ctx, "Unhandled promise rejection", reason);
        JS_FreeValues(ctx, reason, promise);
    }
    rejections.count = 0;
}

static JSValue handler_done(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv,
                            int threw)
{
    (void)this_value, (void)argc;
    run.state = threw ? RUN_THREW : RUN_RETURNED;
    if (threw || engine_is_surely_no_thenable(argv[0])) {
        run.value = JS_DupValue(ctx, argv[0]);
        return JS_UNDEFINED;
    }
    run.value = engine_promise_of(ctx, argv[0]);
    if (JS_IsException(run.value)) {
        run.state = RUN_THREW;
        run.value = JS_GetException(ctx);
    }
    return JS_UNDEFINED;
}

/* Compiles one script in a runtime of its own, so that what parsing leaves behind does not lie
 * between the objects that stay. Bytecode in js_malloc'ed memory of `ctx`; without source text,
 * which only Function.prototype.toString would show. NULL: failed. */
static uint8_t *compile_script(JSContext *ctx, const struct bootstrap_script *script, size_t *size)
{
    JSValue function =
        JS_Eval(ctx, script->text, script->size, script->name,
                JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT | JS_EVAL_FLAG_COMPILE_ONLY);
    uint8_t *code;

    if (JS_IsException(function)) {
        report_error(ctx, script->name, JS_GetException(ctx));
        return NULL;
    }
    code = JS_WriteObject(ctx, size, function, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    JS_FreeValue(ctx, function);
    return code;
}

static int run_script(JSContext *ctx, const struct bootstrap_script *script, JSValueConst native,
                      const uint8_t *code, size_t size)
{
    JSValue function = JS_ReadObject(ctx, code, size, JS_READ_OBJ_BYTECODE), result;

    if (!JS_IsException(function))
        function = JS_EvalFunction(ctx, function);
    result = JS_IsException(function)
                 ? JS_EXCEPTION
                 : JS_Call(ctx, function, JS_UNDEFINED, 2, (JSValue[]){native, guest_internals});
    if (JS_IsException(result)) {
        report_error(ctx, script->name, JS_GetException(ctx));
        return -1;
    }
    JS_FreeValues(ctx, function, result);
    return 0;
}

/* The compiled scripts wait outside both heaps while the scratch runtime is dropped. */
static int compile_bootstrap(uint8_t **code, size_t *sizes)
{
    JSRuntime *runtime = JS_NewRuntime2(&alloc_functions, &alloc_scratch);
    JSContext *ctx = runtime ? engine_new_context(runtime) : NULL;

    if (!ctx)
        return -1;
    engine_set_stack_limit(runtime, STACK_LOWEST);
    for (size_t i = 0; i < bootstrap_count; i++) {
        uint8_t *written = compile_script(ctx, &bootstrap_scripts[i], &sizes[i]);

        code[i] = written ? malloc(sizes[i]) : NULL;
        if (!code[i])
            return -1;
        memcpy(code[i], written, sizes[i]);
        js_free(ctx, written);
        memset(bootstrap_scripts[i].text, 0, bootstrap_scripts[i].size);
    }
    JS_FreeContext(ctx);
    JS_FreeRuntime(runtime);
    alloc_drop_scratch();
    return 0;
}

static int run_bootstrap(JSContext *ctx, JSValueConst native, uint8_t **code, const size_t *sizes)
{
    for (size_t i = 0; i < bootstrap_count; i++) {
        if (run_script(ctx, &bootstrap_scripts[i], native, code[i], sizes[i]))
            return -1;
        memset(code[i], 0, sizes[i]);
        free(code[i]);
    }
    return 0;
}

EXPORT(tfaas_init) int32_t tfaas_init(void)
{
    JSContext *ctx;
    JSValue native;
    uint8_t *code[BOOTSTRAP_MAX] = {NULL};
    size_t sizes[BOOTSTRAP_MAX];

    if (guest.ctx || bootstrap_count > BOOTSTRAP_MAX || compile_bootstrap(code, sizes))
        return 1;
    alloc_share_next();
    guest.runtime = JS_NewRuntime2(&alloc_functions, &alloc_main);
    if (!guest.runtime)
        return 1;
    engine_set_stack_limit(guest.runtime, STACK_LOWEST);
    engine_defer_gc(guest.runtime, GC_AFTER);
    alloc_share_next();
    ctx = engine_new_context(guest.runtime);
    if (!ctx)
        return 1;
    module_set_loader(guest.runtime);
    JS_SetHostPromiseRejectionTracker(guest.runtime, track_rejection, NULL);
    guest_internals = JS_NewObject(ctx);
    native = native_object(ctx);
    if (JS_IsException(guest_internals) || JS_IsException(native) ||
        run_bootstrap(ctx, native, code, sizes))
        return 1;
    if (engine_make_lazy(ctx))
        return 1;
    JS_RunGC(guest.runtime);
    guest.ctx = ctx;
    return alloc_freeze() ? 1 : 0;
}

static void run_jobs(void)
{
    JSContext *ctx;
    int result;

    while ((result = JS_ExecutePendingJob(guest.runtime, &ctx)) != 0)
        if (result < 0) {
            JSValue error = JS_GetException(ctx);

            report_error(ctx, "Uncaught in a job", error);
            JS_FreeValue(ctx, error);
        }
}

enum turn { TURN_DONE, TURN_IDLE, TURN_REFUSED };

static bool is_over(JSContext *ctx, JSValueConst promise)
{
    if (run.state == RUN_GOING)
        return false;
    if (JS_IsPromise(promise))
        return JS_PromiseState(ctx, promise) != JS_PROMISE_PENDING;
    return run.state != RUN_NONE || response_state() != RESPONSE_NONE;
}

/* Runs jobs and timers until an async handler is through and `promise` has settled; where there is
 * neither, until a response is there. IDLE: nothing is left that could bring that about. */
static enum turn run_until(JSContext *ctx, JSValueConst promise)
{
    for (;;) {
        if (JS_IsJobPending(guest.runtime))
            run_jobs();
        if (rejections.count)
            report_rejections(ctx, promise);
        if (is_over(ctx, promise))
            return TURN_DONE;
        if (response_state() == RESPONSE_CUT || !timer_pending())
            return TURN_IDLE;
        if (!timer_wait())
            return TURN_REFUSED;
        timer_run(ctx);
    }
}

/* With nothing left even for the error object the engine throws null. */
static bool is_out_of_memory(JSContext *ctx, JSValueConst error)
{
    return engine_is_out_of_memory(ctx, error) || (JS_IsNull(error) && alloc_has_failed());
}

static const char no_memory_text[] = "Error: out of memory (the function's memory limit)\n";

static int32_t load_failed(JSContext *ctx, JSValue error)
{
    if (is_out_of_memory(ctx, error))
        host_log(no_memory_text, sizeof(no_memory_text) - 1);
    else
        report_error(ctx, NULL, error);
    return 1;
}

static int32_t load_failed_with(const char *text)
{
    host_log(text, strlen(text));
    return 1;
}

/* What internals.start() found: { form, handler, owner }, and for the fetch form what answers. */
static bool take_handler(JSContext *ctx, JSValueConst found)
{
    JSValue form = JS_GetPropertyStr(ctx, found, "form");
    int32_t number = FORM_NONE;

    guest.handler = JS_GetPropertyStr(ctx, found, "handler");
    guest.owner = JS_GetPropertyStr(ctx, found, "owner");
    if (JS_IsException(guest.handler) || JS_IsException(guest.owner) ||
        JS_ToInt32(ctx, &number, form))
        return false;
    guest.form = (enum form)number;
    guest.arguments[1] = JS_GetPropertyStr(ctx, found, "env");
    guest.arguments[2] = JS_GetPropertyStr(ctx, found, "context");
    guest.answer = JS_GetPropertyStr(ctx, found, "answer");
    guest.new_request = JS_GetPropertyStr(ctx, found, "newRequest");
    guest.is_async = engine_is_async_function(guest.handler);
    guest.wants_callback =
        guest.form == FORM_OPENFAAS && openfaas_wants_callback(ctx, guest.handler);
    return guest.form != FORM_OPENFAAS || openfaas_prepare(ctx) == 0;
}

/* A request object that knows nothing yet: it asks when it is asked. */
static int make_request(JSContext *ctx)
{
    guest.arguments[0] = JS_Call(ctx, guest.new_request, JS_UNDEFINED, 0, NULL);
    return JS_IsException(guest.arguments[0]) ? -1 : 0;
}

/* Objects whose reference counts every call changes lie at the start of its own memory. */
static int make_call_objects(JSContext *ctx)
{
    if (guest.form == FORM_FETCH && make_request(ctx))
        return -1;
    for (int threw = 0; guest.is_async && threw < 2; threw++) {
        guest.done[threw] =
            JS_NewCFunctionMagic(ctx, handler_done, "", 1, JS_CFUNC_generic_magic, threw);
        if (JS_IsException(guest.done[threw]))
            return -1;
    }
    return guest.form == FORM_OPENFAAS ? openfaas_make_arguments(ctx) : 0;
}

static JSValue start_entry(JSContext *ctx, const char *entry, const char *how)
{
    JSAtom name = JS_NewAtom(ctx, how);
    JSValue path = JS_NewString(ctx, entry), promise = JS_EXCEPTION;

    if (name != JS_ATOM_NULL && !JS_IsException(path))
        promise = JS_Invoke(ctx, guest_internals, name, 1, &path);
    JS_FreeAtom(ctx, name);
    JS_FreeValue(ctx, path);
    return promise;
}

EXPORT(tfaas_load) int32_t tfaas_load(void)
{
    JSContext *ctx = guest.ctx;
    size_t count;
    char *arguments = host_arguments(&count);
    const char *entry;
    bool is_compartment;
    JSValue promise, found;

    alloc_thaw();
    if (!ctx || count < 2)
        return load_failed_with("no entry file is named\n");
    entry = arguments + strlen(arguments) + 1;
    is_compartment = count > 2 && !strcmp(entry + strlen(entry) + 1, "compartment");
    promise = start_entry(ctx, entry, is_compartment ? "startCompartment" : "start");
    free(arguments);
    if (JS_IsException(promise))
        return load_failed(ctx, JS_GetException(ctx));
    switch (run_until(ctx, promise)) {
    case TURN_IDLE:
        return load_failed_with("Error: a top-level await never settles\n");
    case TURN_REFUSED:
        return load_failed_with("Error: a top-level await waits for a timer, "
                                "which cannot run while the function is loaded\n");
    case TURN_DONE:
        break;
    }
    found = JS_PromiseResult(ctx, promise);
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED)
        return load_failed(ctx, found);
    if (is_compartment)
        guest.form = FORM_COMPARTMENT;
    else if (!take_handler(ctx, found))
        return load_failed(ctx, JS_GetException(ctx));
    JS_FreeValues(ctx, promise, found);
    JS_RunGC(guest.runtime);
    if (alloc_freeze() || make_call_objects(ctx))
        return load_failed_with(no_memory_text);
    engine_defer_gc(guest.runtime, GC_AFTER);
    return 0;
}

/* The function threw: the log learns why, the caller does not. */
static int32_t fail(JSContext *ctx, JSValue error)
{
    bool no_memory = is_out_of_memory(ctx, error);

    if (no_memory)
        host_log(no_memory_text, sizeof(no_memory_text) - 1);
    if (!JS_IsNull(error) || !no_memory)
        report_error(ctx, "Uncaught", error); /* where it happened */
    if (response_state() == RESPONSE_DONE)
        return 0;
    if (response_state() != RESPONSE_NONE || no_memory)
        return 1;
    response_plain(500, "Internal Server Error\n");
    return response_state() == RESPONSE_DONE ? 0 : 1;
}

static int32_t outcome(void)
{
    return response_state() == RESPONSE_DONE ? 0 : 1;
}

/* Nothing will ever settle it: the deadline answers. */
static int32_t wait_for_deadline(void)
{
    static const char text[] = "The handler's promise never settles: nothing is left to run\n";

    host_log(text, sizeof(text) - 1);
    (void)host_sleep(-1);
    return 1;
}

/* Ends a call whose handler returned `result`. */
static int32_t settle(JSContext *ctx, JSValueConst result)
{
    bool is_promise = JS_IsPromise(result), is_nothing = JS_IsUndefined(result);
    /* what an async handler returned is final; a fetch handler has no other way to answer */
    bool is_final = run.state != RUN_NONE || guest.form == FORM_FETCH;
    JSValue value = result;

    /* node's templates drop what a callback handler returns */
    if (is_promise ||
        (!is_final && response_state() == RESPONSE_NONE && (is_nothing || guest.wants_callback))) {
        enum turn turn = run_until(ctx, result);

        if (turn == TURN_REFUSED)
            return 1;
        if (turn == TURN_IDLE && response_state() == RESPONSE_NONE &&
            (is_promise || guest.wants_callback))
            return wait_for_deadline();
    }
    if (is_promise) {
        if (JS_PromiseState(ctx, result) == JS_PROMISE_PENDING)
            return outcome();
        value = JS_PromiseResult(ctx, result);
        if (JS_PromiseState(ctx, result) == JS_PROMISE_REJECTED)
            return fail(ctx, value);
    }
    if (guest.form == FORM_OPENFAAS && !openfaas_finish(ctx, value))
        return fail(ctx, JS_GetException(ctx));
    if (guest.form == FORM_FETCH && !run.is_answered) {
        run.is_answered = true;
        value = JS_Call(ctx, guest.answer, JS_UNDEFINED, 1, &value);
        if (JS_IsException(value))
            return fail(ctx, JS_GetException(ctx));
        return JS_IsPromise(value) ? settle(ctx, value) : outcome();
    }
    return outcome();
}

/* Ends a call whose handler is an async function. */
static int32_t settle_async(JSContext *ctx)
{
    if (run.state == RUN_GOING || JS_IsJobPending(guest.runtime) || rejections.count)
        switch (run_until(ctx, JS_UNDEFINED)) {
        case TURN_REFUSED:
            return 1;
        case TURN_IDLE:
            return response_state() == RESPONSE_NONE ? wait_for_deadline() : outcome();
        case TURN_DONE:
            break;
        }
    if (run.state == RUN_THREW)
        return fail(ctx, run.value);
    return settle(ctx, run.value);
}

/* One call of a compartment; its instance may get more of them. What goes wrong here is its end:
 * what the called function throws is an answer. */
static int32_t handle_inner(JSContext *ctx)
{
    JSValue answer = isolation_serve(ctx);

    if (JS_IsPromise(answer)) {
        if (run_until(ctx, answer) != TURN_DONE)
            return load_failed_with("Error: what was called never settles\n");
        answer = JS_PromiseResult(ctx, answer);
    }
    if (!JS_IsException(answer) && isolation_answer(ctx, answer)) {
        JS_FreeValue(ctx, answer);
        return 0;
    }
    return load_failed(ctx, JS_GetException(ctx));
}

EXPORT(tfaas_handle) int32_t tfaas_handle(void)
{
    JSContext *ctx = guest.ctx;
    JSValue result, *argv = guest.arguments;
    int argc;

    if (!ctx || guest.form == FORM_NONE)
        return 1;
    /* TFaaS calls each instance once. bench-core keeps one, to show what a fresh one costs more. */
    if (response_state() != RESPONSE_NONE) {
        response_forget();
        if (guest.form == FORM_OPENFAAS)
            openfaas_forget(ctx);
        else if (make_request(ctx))
            return 1;
        run.is_answered = false;
    }
    native_start_invocation();
    if (guest.form == FORM_COMPARTMENT)
        return handle_inner(ctx);
    switch (request_start()) {
    case REQUEST_OK:
        break;
    case REQUEST_MALFORMED:
        response_plain(400, "The request head is malformed.\n");
        return outcome();
    case REQUEST_HEAD_TOO_LARGE:
        response_plain(431, "The request head is too large.\n");
        return outcome();
    default:
        return 1;
    }
    argc = guest.form == FORM_OPENFAAS ? openfaas_arguments(ctx, &argv) : 3;
    if (argc < 0)
        return outcome();
    run.state = guest.is_async ? RUN_GOING : RUN_NONE;
    if (guest.is_async) {
        if (engine_run_async(ctx, guest.handler, guest.owner, argc, argv, guest.done) < 0)
            return fail(ctx, JS_GetException(ctx));
        return settle_async(ctx);
    }
    result = JS_Call(ctx, guest.handler, guest.owner, argc, argv);
    if (JS_IsException(result))
        return fail(ctx, JS_GetException(ctx));
    if (guest.form == FORM_FETCH && !engine_is_surely_no_thenable(result)) {
        result = engine_promise_of(ctx, result);
        if (JS_IsException(result))
            return fail(ctx, JS_GetException(ctx));
    }
    return settle(ctx, result);
}
