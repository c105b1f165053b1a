/*
 * response.c - see response.h. The head is built behind the request in io.bytes and leaves with
 * the first content bytes in one write.
 * Must never send a field name or value that it has not checked.
 */
#include <string.h>
#include "host.h"
#include "response.h"

#define PREFIX_SIZE 8u /* room in front of the fields: indicator, status, length of fields */
/* tfaasd takes heads up to 12 KiB (HTTP_RESPONSE_HEAD_MAX): the function shall hear of it here. */
#define FIELDS_MAX   (12u * 1024 - PREFIX_SIZE)
#define DEFAULT_ROOM 64u /* kept for the content type that the runtime adds */

static struct {
    enum response_state state;
    uint16_t status;
    bool has_content_type;
    uint32_t base;   /* first byte of our part of io.bytes */
    uint32_t start;  /* first byte to send */
    uint32_t fields; /* first field */
    uint32_t end;    /* after the last byte built */
    uint32_t limit;
} response;

enum response_state response_state(void)
{
    return response.state;
}

void response_forget(void)
{
    response.state = RESPONSE_NONE;
}

static void start(uint16_t status)
{
    io.request.frozen = true;
    response.base = io.request.read_size + 1; /* the NUL behind the content stays */
    response.limit = (uint32_t)sizeof(io.bytes);
    response.fields = response.base + PREFIX_SIZE;
    response.start = response.fields;
    response.end = response.fields;
    response.status = status;
    response.has_content_type = false;
}

bool response_start(JSContext *ctx, JSValueConst status)
{
    double number;

    if (JS_ToFloat64(ctx, &number, status))
        return false;
    if (!(number >= 200 && number <= 599 && number == (double)(int)number)) {
        JS_ThrowRangeError(ctx, "the response status must be a whole number from 200 to 599");
        return false;
    }
    start((uint16_t)number);
    return true;
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

static bool is_token(uint8_t byte)
{
    if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= 'a' && byte <= 'z'))
        return true;
    switch (byte) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~':
        return true;
    default:
        return false;
    }
}

bool response_valid_name(const struct engine_text *name)
{
    if (!name->latin1 || name->length == 0)
        return false;
    for (uint32_t i = 0; i < name->length; i++)
        if (!is_token(name->latin1[i]))
            return false;
    return true;
}

bool response_valid_value(const struct engine_text *value)
{
    if (!value->latin1 && value->length)
        return false;
    for (uint32_t i = 0; i < value->length; i++)
        if ((value->latin1[i] < 0x20 && value->latin1[i] != '\t') || value->latin1[i] == 0x7f)
            return false;
    return true;
}

struct field_name {
    uint32_t size;
    const char *lower;
};
#define FIELD_NAME(text)                                                                           \
    {                                                                                              \
        sizeof(text) - 1, text                                                                     \
    }

static bool name_is(const struct engine_text *name, const struct field_name *known)
{
    struct slice slice = {name->latin1, name->length};

    return name->length == known->size && slice_has_prefix_ignoring_case(slice, known->lower);
}

static bool is_hop_by_hop(const struct engine_text *name)
{
    static const struct field_name names[] = {
        FIELD_NAME("connection"), FIELD_NAME("keep-alive"), FIELD_NAME("proxy-connection"),
        FIELD_NAME("te"),         FIELD_NAME("trailer"),    FIELD_NAME("transfer-encoding"),
        FIELD_NAME("upgrade"),
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (name_is(name, &names[i]))
            return true;
    return false;
}

/* False: with it the fields would be larger than `most`. */
static bool put_field(const uint8_t *name, uint32_t name_size, const uint8_t *value,
                      uint32_t value_size, uint32_t most)
{
    uint8_t *bytes = io.bytes;

    if (name_size > most || value_size > most ||
        response.end - response.fields + name_size + value_size + 8 > most ||
        response.end + name_size + value_size + 8 > response.limit)
        return false;
    response.end += put_varint(bytes + response.end, name_size);
    for (uint32_t i = 0; i < name_size; i++)
        bytes[response.end++] =
            name[i] >= 'A' && name[i] <= 'Z' ? (uint8_t)(name[i] + 32) : name[i];
    response.end += put_varint(bytes + response.end, value_size);
    if (value_size)
        memcpy(bytes + response.end, value, value_size);
    response.end += value_size;
    return true;
}

static bool check_and_put(JSContext *ctx, const struct engine_text *name,
                          const struct engine_text *value)
{
    static const struct field_name content_length = FIELD_NAME("content-length"),
                                   content_type = FIELD_NAME("content-type");
    const uint8_t *first = value->latin1, *last = first + value->length;

    if (!response_valid_name(name)) {
        JS_ThrowTypeError(ctx, "invalid response header name");
        return false;
    }
    if (!response_valid_value(value)) {
        JS_ThrowTypeError(ctx, "invalid value of response header \"%.*s\"",
                          name->length > 64 ? 64 : (int)name->length, (const char *)name->latin1);
        return false;
    }
    if (is_hop_by_hop(name)) {
        JS_ThrowTypeError(ctx,
                          "response header \"%.*s\" belongs to the connection, "
                          "a function cannot set it",
                          (int)name->length, (const char *)name->latin1);
        return false;
    }
    if (name_is(name, &content_length))
        return true;
    if (name_is(name, &content_type))
        response.has_content_type = true;
    while (first < last && (*first == ' ' || *first == '\t'))
        first++;
    while (last > first && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    if (put_field(name->latin1, name->length, first, (uint32_t)(last - first),
                  FIELDS_MAX - DEFAULT_ROOM))
        return true;
    JS_ThrowRangeError(ctx, "response headers exceed %u bytes", FIELDS_MAX - DEFAULT_ROOM);
    return false;
}

bool response_field(JSContext *ctx, JSValueConst name, JSValueConst value)
{
    struct engine_text name_text, value_text;
    bool done;

    if (!engine_text(ctx, name, &name_text))
        return false;
    if (!engine_text(ctx, value, &value_text)) {
        JS_FreeValue(ctx, name_text.hold);
        return false;
    }
    done = check_and_put(ctx, &name_text, &value_text);
    JS_FreeValue(ctx, name_text.hold);
    JS_FreeValue(ctx, value_text.hold);
    return done;
}

bool response_content_type(JSContext *ctx, JSValueConst value)
{
    static const char name[] = "content-type";
    struct engine_text name_text = {.latin1 = (const uint8_t *)name, .length = sizeof(name) - 1};
    struct engine_text text;
    bool done;

    if (!engine_text(ctx, value, &text))
        return false;
    done = check_and_put(ctx, &name_text, &text);
    JS_FreeValue(ctx, text.hold);
    return done;
}

bool response_has_content_type(void)
{
    return response.has_content_type;
}

bool response_has_no_content(void)
{
    return response.status == 204 || response.status == 205 || response.status == 304;
}

void response_content_type_default(const char *type)
{
    static const char name[] = "content-type";

    if (response.has_content_type || response_has_no_content())
        return;
    response.has_content_type = true;
    /* cannot fail for want of room: DEFAULT_ROOM is for this */
    (void)put_field((const uint8_t *)name, sizeof(name) - 1, (const uint8_t *)type,
                    (uint32_t)strlen(type), FIELDS_MAX);
}

/* The numbers in front of the fields are only known now. */
static void finish_head(void)
{
    uint8_t prefix[PREFIX_SIZE];
    uint32_t size = 0;

    size += put_varint(prefix + size, 1);
    size += put_varint(prefix + size, response.status);
    size += put_varint(prefix + size, response.end - response.fields);
    response.start = response.fields - size;
    memcpy(io.bytes + response.start, prefix, size);
}

/* Sends what is built. */
static bool flush(bool last)
{
    uint32_t size = response.end - response.start;
    int32_t sent = host_response_write(io.bytes + response.start, size, last);

    response.start = response.base;
    response.end = response.base;
    if (sent < 0) {
        response.state = RESPONSE_CUT;
        return false;
    }
    response.state = last ? RESPONSE_DONE : RESPONSE_STREAMING;
    return true;
}

static bool put_bytes(const uint8_t *data, size_t size, bool last)
{
    int32_t sent;

    if (size <= response.limit - response.end) {
        if (size)
            memcpy(io.bytes + response.end, data, size);
        response.end += (uint32_t)size;
        return !last || flush(true);
    }
    if (response.end > response.start && !flush(false))
        return false;
    /* too large for the buffer: straight from where it is */
    sent = host_response_write(data, (uint32_t)size, last);
    response.state = sent < 0 ? RESPONSE_CUT : last ? RESPONSE_DONE : RESPONSE_STREAMING;
    return sent >= 0;
}

static bool put_code_point(uint32_t point)
{
    uint8_t *dst;

    if (response.limit - response.end < 4 && !flush(false))
        return false;
    dst = io.bytes + response.end;
    if (point < 0x80) {
        dst[0] = (uint8_t)point;
        response.end += 1;
    } else if (point < 0x800) {
        dst[0] = (uint8_t)(0xc0 | point >> 6);
        dst[1] = (uint8_t)(0x80 | (point & 0x3f));
        response.end += 2;
    } else if (point < 0x10000) {
        dst[0] = (uint8_t)(0xe0 | point >> 12);
        dst[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        dst[2] = (uint8_t)(0x80 | (point & 0x3f));
        response.end += 3;
    } else {
        dst[0] = (uint8_t)(0xf0 | point >> 18);
        dst[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        dst[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        dst[3] = (uint8_t)(0x80 | (point & 0x3f));
        response.end += 4;
    }
    return true;
}

static bool put_utf16(const uint16_t *units, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        uint32_t point = units[i];

        if (point >= 0xd800 && point < 0xdc00 && i + 1 < length && units[i + 1] >= 0xdc00 &&
            units[i + 1] < 0xe000)
            point = 0x10000 + ((point - 0xd800) << 10) + (units[++i] - 0xdc00u);
        else if (point >= 0xd800 && point < 0xe000)
            point = 0xfffd;
        if (!put_code_point(point))
            return false;
    }
    return true;
}

static bool is_ascii(const uint8_t *data, uint32_t size)
{
    uint8_t seen = 0;

    for (uint32_t i = 0; i < size; i++)
        seen |= data[i];
    return seen < 0x80;
}

static bool put_text(const struct engine_text *text)
{
    if (!text->length)
        return true;
    if (text->utf16)
        return put_utf16(text->utf16, text->length);
    if (is_ascii(text->latin1, text->length))
        return put_bytes(text->latin1, text->length, false);
    for (uint32_t i = 0; i < text->length; i++)
        if (!put_code_point(text->latin1[i]))
            return false;
    return true;
}

bool response_send(JSContext *ctx, JSValueConst value)
{
    struct engine_text text = {.hold = JS_UNDEFINED};
    const uint8_t *data = NULL;
    size_t size = 0;

    if (JS_GetTypedArrayType(value) >= 0) {
        size_t at = 0, length = 0, unit;
        JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &at, &length, &unit);

        if (JS_IsException(buffer))
            return false;
        data = JS_GetArrayBuffer(ctx, &size, buffer);
        JS_FreeValue(ctx, buffer); /* `value` keeps it */
        if (!data && length)
            return false;
        data += at;
        size = length;
    } else if (JS_IsArrayBuffer(value)) {
        data = JS_GetArrayBuffer(ctx, &size, value);
    } else if (!JS_IsUndefined(value) && !JS_IsNull(value) && !engine_text(ctx, value, &text)) {
        return false;
    }
    finish_head();
    if (response_has_no_content())
        (void)flush(true);
    else if (data)
        (void)put_bytes(data, size, true);
    else if (put_text(&text))
        (void)flush(true);
    JS_FreeValue(ctx, text.hold);
    return true;
}

bool response_send_json(JSContext *ctx, JSValueConst value)
{
    size_t room, size;
    uint8_t *dst = response_spare(&room);
    JSValue text;
    bool sent;

    size = response_has_no_content() ? 0 : engine_json_write(ctx, value, dst, room);
    if (size) {
        finish_head();
        response.end += (uint32_t)size;
        (void)flush(true);
        return true;
    }
    text = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(text))
        return false;
    sent = response_send(ctx, text);
    JS_FreeValue(ctx, text);
    return sent;
}

uint8_t *response_spare(size_t *room)
{
    uint32_t from = response.end;

    if (response.state == RESPONSE_NONE && !io.request.frozen)
        from = io.request.read_size + 1;
    *room = sizeof(io.bytes) - from;
    return io.bytes + from;
}

bool response_send_head(void)
{
    finish_head();
    return flush(false);
}

bool response_send_piece(const uint8_t *data, size_t size)
{
    if (response.state != RESPONSE_STREAMING)
        return false;
    return put_bytes(data, size, false) && (response.end == response.start || flush(false));
}

bool response_end(void)
{
    if (response.state != RESPONSE_STREAMING)
        return false;
    return flush(true);
}

void response_plain(uint16_t status, const char *text)
{
    start(status);
    response_content_type_default("text/plain; charset=utf-8");
    finish_head();
    (void)put_bytes((const uint8_t *)text, strlen(text), true);
}
