/*
 * guest.h - what the pieces of the JS runtime share: the one context, the loaded handler, and the
 * few functions they call on each other.
 */
#ifndef TFAAS_JS_GUEST_H
#define TFAAS_JS_GUEST_H

#include <stdbool.h>
#include "engine.h"
#include "request.h"

/* internals: the object through which bootstrap scripts hand functions to C; never visible to
 * user code. */
extern JSValue guest_internals;

/* native.c: functions for the bootstrap scripts. */
JSValue native_object(JSContext *ctx);
JSValue native_latin1(JSContext *ctx, const uint8_t *data, size_t size);
JSValue native_buffer(JSContext *ctx, const uint8_t *data, size_t size); /* a node Buffer */
void native_start_invocation(void);

/* The bytes a typed array or an ArrayBuffer stands for; false: exception pending. */
bool native_view(JSContext *ctx, JSValueConst value, uint8_t **data, size_t *size);

/* crypto.c, encode.c */
int crypto_add_natives(JSContext *ctx, JSValueConst native);
int encode_add_natives(JSContext *ctx, JSValueConst native);

/* web.c: natives of the fetch handler form. */
int web_add_natives(JSContext *ctx, JSValueConst native);

/* text.c. rest: bytes of an unfinished sequence at the end when all before is well-formed. */
JSValue text_from_utf8(JSContext *ctx, const uint8_t *data, size_t size);
bool text_is_utf8(const uint8_t *data, size_t size, size_t *rest);

/* form.c: a=1&b=2 as an object; names that come again give an array. */
JSValue form_parse(JSContext *ctx, struct slice text);

/* module.c: the ECMAScript module loader's hooks. */
void module_set_loader(JSRuntime *runtime);
JSValue module_import(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv);

/* openfaas.c: event and context. prepare: at load; make_arguments: after it; arguments: of the
 * handler, how many, or -1 when the request is already answered; forget: what a call left in them.
 */
int openfaas_prepare(JSContext *ctx);
int openfaas_make_arguments(JSContext *ctx);
void openfaas_forget(JSContext *ctx);
int openfaas_arguments(JSContext *ctx, JSValue **arguments);
bool openfaas_finish(JSContext *ctx, JSValueConst result);
bool openfaas_wants_callback(JSContext *ctx, JSValueConst handler);

/* timer.c */
int timer_add_natives(JSContext *ctx, JSValueConst native);
bool timer_pending(void);
bool timer_wait(void);          /* sleeps until the next is due; false: the host refused */
void timer_run(JSContext *ctx); /* calls those that are due */

/* isolation.c: natives of tfaas:isolation; and of a compartment itself: internals.serve over the
 * request, which gives the answer or a promise of it; the answer sent. False: exception pending. */
int isolation_add_natives(JSContext *ctx, JSValueConst native);
JSValue isolation_serve(JSContext *ctx);
bool isolation_answer(JSContext *ctx, JSValueConst answer);

/* report.c: writes an error with its own stack to the log, `what` in front when not NULL. */
void report_error(JSContext *ctx, const char *what, JSValueConst error);

#endif
