/*
 * base64url.h - base64url without padding (RFC 4648 section 5), strict: no padding, no whitespace,
 * no other alphabet, unused bits zero. Constant time in the data.
 */
#ifndef TFAAS_COMMON_BASE64URL_H
#define TFAAS_COMMON_BASE64URL_H

#include "cursor.h"
#include "tfaas/status.h"

/* Characters for `size` bytes, without a NUL. */
#define BASE64URL_SIZE(size) ((size) / 3 * 4 + ((size) % 3 ? (size) % 3 + 1 : 0))

/* Writes BASE64URL_SIZE(data.size) characters and a NUL. TOO_LARGE when they do not fit. */
tfaas_status_t base64url_encode(struct span data, char *out, size_t capacity) TFAAS_MUST_USE;
/* BAD_REQUEST: not strictly base64url. TOO_LARGE: more bytes than `capacity`. */
tfaas_status_t base64url_decode(struct span text, uint8_t *out, size_t capacity,
                                size_t *out_size) TFAAS_MUST_USE;

#endif
