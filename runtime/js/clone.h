/*
 * clone.h - JS values as bytes (wire.h) and back, as structured clone does it. What does not cross:
 * functions, symbols, proxies, regular expressions, views of one buffer by several, prototypes.
 * Decoding runs no code and touches no prototype: what comes from a compartment is only data.
 */
#ifndef TFAAS_JS_CLONE_H
#define TFAAS_JS_CLONE_H

#include "guest.h"

/* Bytes in js_malloc'ed memory; NULL: exception pending (a TypeError whose text begins with
 * CLONE_REFUSED where the value is the reason). May run getters of the value. */
#define CLONE_REFUSED "cannot cross the border of a compartment: "
uint8_t *clone_encode(JSContext *ctx, JSValueConst value, size_t *size);
JSValue clone_decode(JSContext *ctx, const uint8_t *data, size_t size);

#endif
