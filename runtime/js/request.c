/*
 * request.c - see request.h. Every length is checked against what was read before it is used.
 */
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "request.h"

#define GATHER_MAX (1u << 29)

struct io io;

struct cursor {
    const uint8_t *at, *end;
};

/* RFC 9000 section 16. false: not all there. */
static bool read_varint(struct cursor *cursor, uint64_t *value)
{
    unsigned size;
    uint64_t result;

    if (cursor->at == cursor->end)
        return false;
    size = 1u << (cursor->at[0] >> 6);
    if ((size_t)(cursor->end - cursor->at) < size)
        return false;
    result = cursor->at[0] & 0x3fu;
    for (unsigned i = 1; i < size; i++)
        result = result << 8 | cursor->at[i];
    cursor->at += size;
    *value = result;
    return true;
}

static bool read_slice(struct cursor *cursor, struct slice *slice)
{
    uint64_t size;

    if (!read_varint(cursor, &size) || size > (uint64_t)(cursor->end - cursor->at))
        return false;
    slice->data = cursor->at;
    slice->size = (uint32_t)size;
    cursor->at += size;
    return true;
}

bool slice_equals(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && !memcmp(slice.data, text, slice.size);
}

bool slice_has_prefix_ignoring_case(struct slice slice, const char *lower)
{
    size_t size = strlen(lower);

    if (slice.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = slice.data[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte + 32);
        if (byte != (uint8_t)lower[i])
            return false;
    }
    return true;
}

bool request_next_field(uint32_t *at, struct slice *name, struct slice *value)
{
    struct slice fields = io.request.fields;
    struct cursor cursor = {fields.data + *at, fields.data + fields.size};

    if (cursor.at == cursor.end || !read_slice(&cursor, name) || !read_slice(&cursor, value))
        return false;
    *at = (uint32_t)(cursor.at - fields.data);
    return true;
}

/* Walks the whole header section once; remembers what the content needs. */
static bool check_fields(struct request *request)
{
    uint32_t at = 0;
    struct slice name, value;

    while (request_next_field(&at, &name, &value)) {
        if (name.size == 0)
            return false;
        if (slice_equals(name, "content-type")) {
            request->content_type = value;
        } else if (slice_equals(name, "content-length")) {
            uint64_t length = 0;

            if (value.size == 0 || value.size > 18)
                return false;
            for (uint32_t i = 0; i < value.size; i++) {
                if (value.data[i] < '0' || value.data[i] > '9')
                    return false;
                length = length * 10 + (uint64_t)(value.data[i] - '0');
            }
            request->content_length = length;
            request->has_length = true;
        }
    }
    return at == request->fields.size;
}

static void split_path(struct request *request, struct slice target)
{
    const uint8_t *mark = target.size ? memchr(target.data, '?', target.size) : NULL;

    request->path = target;
    request->query.data = target.data + target.size;
    request->query.size = 0;
    if (!mark)
        return;
    request->path.size = (uint32_t)(mark - target.data);
    request->query.data = mark + 1;
    request->query.size = target.size - request->path.size - 1;
}

/* true: the head is all there and `request` is filled. */
static bool parse_head(struct request *request, bool *malformed)
{
    struct cursor cursor = {io.bytes, io.bytes + request->read_size};
    struct slice target;
    uint64_t indicator;

    if (!read_varint(&cursor, &indicator))
        return false;
    if (indicator != 0) {
        *malformed = true;
        return false;
    }
    if (!read_slice(&cursor, &request->method) || !read_slice(&cursor, &request->scheme) ||
        !read_slice(&cursor, &request->authority) || !read_slice(&cursor, &target) ||
        !read_slice(&cursor, &request->fields))
        return false;
    request->content_at = (uint32_t)(cursor.at - io.bytes);
    split_path(request, target);
    *malformed = request->method.size == 0 || !check_fields(request);
    return !*malformed;
}

enum request_result request_start(void)
{
    struct request *request = &io.request;
    bool malformed = false;

    memset(request, 0, sizeof(*request));
    for (;;) {
        int32_t got;

        if (request->read_size == REQUEST_READ_MAX)
            return REQUEST_HEAD_TOO_LARGE;
        got =
            host_request_read(io.bytes + request->read_size, REQUEST_READ_MAX - request->read_size);
        if (got < 0 || (uint32_t)got > REQUEST_READ_MAX - request->read_size)
            return REQUEST_CUT;
        if (got == 0)
            return REQUEST_MALFORMED;
        request->read_size += (uint32_t)got;
        if (parse_head(request, &malformed))
            break;
        if (malformed)
            return REQUEST_MALFORMED;
    }
    io.bytes[request->read_size] = 0;
    if (request->has_length && request->read_size - request->content_at >= request->content_length)
        request->ended = true;
    return REQUEST_OK;
}

struct slice request_first_content(void)
{
    struct request *request = &io.request;

    return (struct slice){io.bytes + request->content_at, request->read_size - request->content_at};
}

/* Fills the buffer; false when the caller is gone. */
static bool gather_in_buffer(struct request *request)
{
    while (!request->ended && !request->frozen && request->read_size < REQUEST_READ_MAX) {
        uint32_t room = REQUEST_READ_MAX - request->read_size;
        int32_t got = host_request_read(io.bytes + request->read_size, room);

        if (got < 0 || (uint32_t)got > room)
            return false;
        request->ended = got == 0;
        request->read_size += (uint32_t)got;
        io.bytes[request->read_size] = 0;
    }
    return true;
}

static enum request_result gather_outside(struct request *request, struct slice first)
{
    size_t size = first.size, room = 2u * REQUEST_READ_MAX + size;
    uint8_t *block;

    /* a length the caller announces is only a hint: memory follows the bytes that arrive */
    if (request->has_length && request->content_length < (16u << 20) &&
        request->content_length > room)
        room = (size_t)request->content_length;
    block = malloc(room + 1);
    if (!block)
        return REQUEST_NO_MEMORY;
    memcpy(block, first.data, first.size);
    for (;;) {
        int32_t got;

        if (size == room) {
            uint8_t *grown = room > GATHER_MAX ? NULL : realloc(block, room * 2 + 1);

            if (!grown) {
                free(block);
                return REQUEST_NO_MEMORY;
            }
            block = grown;
            room *= 2;
        }
        got = host_request_read(block + size, (uint32_t)(room - size));
        if (got < 0 || (size_t)got > room - size) {
            free(block);
            return REQUEST_CUT;
        }
        if (got == 0)
            break;
        size += (size_t)got;
    }
    request->ended = true;
    block[size] = 0;
    request->gathered = (struct slice){block, (uint32_t)size};
    return REQUEST_OK;
}

enum request_result request_gather(struct slice *content)
{
    struct request *request = &io.request;
    enum request_result result = REQUEST_OK;

    if (!request->gathered.data) {
        if (!gather_in_buffer(request))
            return REQUEST_CUT;
        if (request->ended)
            request->gathered = request_first_content();
        else
            result = gather_outside(request, request_first_content());
    }
    *content = request->gathered;
    return result;
}

int32_t request_more(void *dst, uint32_t cap)
{
    int32_t got;

    if (io.request.ended)
        return 0;
    got = host_request_read(dst, cap);
    if (got == 0)
        io.request.ended = true;
    return got;
}
