/*
 * response.h - the response of this invocation: Binary HTTP head (RFC 9292 3.2) and content.
 * Checks every header field here, last, so that no handler form can split a response.
 */
#ifndef TFAAS_JS_RESPONSE_H
#define TFAAS_JS_RESPONSE_H

#include <stdbool.h>
#include "engine.h"
#include "request.h"

enum response_state {
    RESPONSE_NONE,
    RESPONSE_STREAMING, /* head sent or buffered, content may follow */
    RESPONSE_DONE,
    RESPONSE_CUT, /* the host refused more */
};

enum response_state response_state(void);
/* As if nothing had been sent: for an instance that is called again. */
void response_forget(void);

/* Start a head; forgets an unfinished one. false: JS exception pending (bad status). */
bool response_start(JSContext *ctx, JSValueConst status);

/* Fields in order. false: JS exception pending (invalid or hop-by-hop name, invalid value).
 * Names are made lower-case. Content-Length is left to the host, which knows it. */
bool response_field(JSContext *ctx, JSValueConst name, JSValueConst value);
void response_content_type_default(const char *type); /* unless a field has set it */
bool response_has_content_type(void);
bool response_has_no_content(void); /* 204, 205, 304 */

/* Head and whole content. `value`: undefined or null, Uint8Array, ArrayBuffer, or anything that
 * converts to a string. Returns false with a JS exception pending only before anything is sent. */
bool response_send(JSContext *ctx, JSValueConst value);

/* Head and `value` as JSON; a value without JSON form gives no content. Failures as above. */
bool response_send_json(JSContext *ctx, JSValueConst value);

/* Room that nothing uses until the next call of a function of this file. */
uint8_t *response_spare(size_t *room);

/* Head, then pieces. Returns false when the host takes no more. */
bool response_send_head(void);
bool response_send_piece(const uint8_t *data, size_t size);
bool response_end(void);

/* A plain text answer made without the JS heap. */
void response_plain(uint16_t status, const char *text);

/* Is this field name a token (RFC 9110 5.6.2), and this value printable Latin-1? */
bool response_valid_name(const struct engine_text *name);
bool response_valid_value(const struct engine_text *value);

#endif
