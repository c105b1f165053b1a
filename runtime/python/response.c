/*
 * response.c - see response.h. The head leaves with the first content bytes in one write.
 * Must never send a field name or value that it has not checked.
 */
#include "response.h"
#include "host.h"
#include "request.h"

#include <string.h>

#define PREFIX_SIZE 8u /* room in front of the fields: indicator, status, length of fields */
/* tfaasd takes heads up to 12 KiB (HTTP_RESPONSE_HEAD_MAX): the function shall hear of it here. */
#define FIELDS_MAX   (12u * 1024 - PREFIX_SIZE)
#define DEFAULT_ROOM 64u /* kept for the content type that the runtime adds */

static struct {
    bool sent, has_content_type;
    uint16_t status;
    uint32_t fields; /* first field in io.bytes */
    uint32_t end;    /* after the last byte built */
} response;

void response_start(uint16_t status)
{
    io.request.frozen = true;
    response.fields = io.request.read_size + 1 + PREFIX_SIZE;
    response.end = response.fields;
    response.status = status;
    response.has_content_type = false;
}

bool response_sent(void)
{
    return response.sent;
}

static uint32_t put_varint(uint8_t *dst, uint32_t value)
{
    if (value < 0x40) {
        dst[0] = (uint8_t)value;
        return 1;
    }
    if (value < 0x4000) {
        dst[0] = (uint8_t)(0x40 | value >> 8);
        dst[1] = (uint8_t)value;
        return 2;
    }
    dst[0] = (uint8_t)(0x80 | value >> 24);
    dst[1] = (uint8_t)(value >> 16);
    dst[2] = (uint8_t)(value >> 8);
    dst[3] = (uint8_t)value;
    return 4;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static bool is_token(uint8_t byte)
{
    uint8_t small = lower(byte);
    return (byte >= '0' && byte <= '9') || (small >= 'a' && small <= 'z') ||
           (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool name_is(const uint8_t *name, size_t size, const char *known)
{
    return size == strlen(known) &&
           slice_has_prefix_ignoring_case((struct slice){name, (uint32_t)size}, known);
}

static bool put_field(const uint8_t *name, uint32_t name_size, const uint8_t *value,
                      uint32_t value_size, uint32_t most)
{
    if (response.end - response.fields + name_size + value_size + 8 > most)
        return false;
    response.end += put_varint(io.bytes + response.end, name_size);
    for (uint32_t i = 0; i < name_size; i++)
        io.bytes[response.end++] = lower(name[i]);
    response.end += put_varint(io.bytes + response.end, value_size);
    memcpy(io.bytes + response.end, value, value_size);
    response.end += value_size;
    return true;
}

enum response_field_result response_field(const uint8_t *name, size_t name_size,
                                          const uint8_t *value, size_t value_size)
{
    static const char *const of_connection[] = {"connection", "keep-alive", "proxy-connection",
                                                "te",         "trailer",    "transfer-encoding",
                                                "upgrade"};
    bool good = name_size > 0;
    for (size_t i = 0; i < name_size && good; i++)
        good = is_token(name[i]);
    if (!good)
        return FIELD_BAD_NAME;
    for (size_t i = 0; i < value_size; i++)
        if ((value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return FIELD_BAD_VALUE;
    for (size_t i = 0; i < sizeof of_connection / sizeof *of_connection; i++)
        if (name_is(name, name_size, of_connection[i]))
            return FIELD_OF_CONNECTION;
    if (name_is(name, name_size, "content-length"))
        return FIELD_OK;
    if (name_is(name, name_size, "content-type"))
        response.has_content_type = true;
    while (value_size && (value[0] == ' ' || value[0] == '\t'))
        value++, value_size--;
    while (value_size && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
        value_size--;
    if (name_size > FIELDS_MAX || value_size > FIELDS_MAX ||
        !put_field(name, (uint32_t)name_size, value, (uint32_t)value_size,
                   FIELDS_MAX - DEFAULT_ROOM))
        return FIELD_NO_ROOM;
    return FIELD_OK;
}

bool response_send(const char *type, const uint8_t *content, size_t size)
{
    static const char type_name[] = "content-type";
    bool no_content = response.status == 204 || response.status == 205 || response.status == 304;
    if (no_content)
        size = 0;
    else if (type &&
             !response
                  .has_content_type) /* cannot fail for want of room: DEFAULT_ROOM is for this */
        (void)put_field((const uint8_t *)type_name, sizeof type_name - 1, (const uint8_t *)type,
                        (uint32_t)strlen(type), FIELDS_MAX);
    uint8_t prefix[PREFIX_SIZE];
    uint32_t prefix_size = put_varint(prefix, 1);
    prefix_size += put_varint(prefix + prefix_size, response.status);
    prefix_size += put_varint(prefix + prefix_size, response.end - response.fields);
    uint32_t start = response.fields - prefix_size;
    memcpy(io.bytes + start, prefix, prefix_size);
    bool together = size <= sizeof io.bytes - response.end;
    if (together && size) {
        memcpy(io.bytes + response.end, content, size);
        response.end += (uint32_t)size;
    }
    response.sent = true;
    if (host_response_write(io.bytes + start, response.end - start, together) < 0)
        return false;
    return together || host_response_write(content, (uint32_t)size, 1) >= 0;
}
