/*
 * response.h - the response of this invocation: Binary HTTP head (RFC 9292 3.2) and content, behind
 * the request in io.bytes. Checks every field here, last, so that no handler can split a response.
 */
#ifndef TFAAS_PYTHON_RESPONSE_H
#define TFAAS_PYTHON_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_field_result {
    FIELD_OK,
    FIELD_BAD_NAME,
    FIELD_BAD_VALUE,
    FIELD_OF_CONNECTION,
    FIELD_NO_ROOM
};

void response_start(uint16_t status);
/* Names are made lower-case. Content-Length is left to the host, which knows it. */
enum response_field_result response_field(const uint8_t *name, size_t name_size,
                                          const uint8_t *value, size_t value_size);
/* Head and whole content; `type` unless a field has set one (NULL: none). false: the host took no
 * more. */
bool response_send(const char *type, const uint8_t *content, size_t size);
bool response_sent(void);

#endif
