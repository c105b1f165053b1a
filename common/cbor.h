/*
 * cbor.h - the subset of CBOR (RFC 8949) that TFaaS formats use, in the core deterministic encoding
 * of section 4.2.1 only: unsigned integers, byte strings, text strings, arrays, maps, false, true;
 * definite lengths, shortest forms. The reader refuses anything else.
 */
#ifndef TFAAS_COMMON_CBOR_H
#define TFAAS_COMMON_CBOR_H

#include "cursor.h"

enum cbor_major { CBOR_UINT = 0, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5 };

/* Each reads one item of that type, or fails the cursor. Text must be UTF-8 without NUL. */
uint64_t cbor_uint(struct cursor *c);
struct span cbor_bytes(struct cursor *c);
struct span cbor_text(struct cursor *c);
uint64_t cbor_array(struct cursor *c); /* number of items that follow */
uint64_t cbor_map(struct cursor *c);   /* number of pairs that follow */
bool cbor_bool(struct cursor *c);
/* UTF-8 (RFC 3629) without NUL: what a text string may hold. */
bool cbor_text_ok(struct span text);

void cbor_put_uint(struct writer *w, uint64_t value);
void cbor_put_bytes(struct writer *w, const void *data, size_t size);
void cbor_put_text(struct writer *w, const void *text, size_t size);
void cbor_put_array(struct writer *w, uint64_t count);
void cbor_put_map(struct writer *w, uint64_t count);
void cbor_put_bool(struct writer *w, bool value);

#endif
