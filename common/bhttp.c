/*
 * bhttp.c - heads of Binary HTTP messages (common/bhttp.h).
 * Must never let a byte through that could split a header on the HTTP side.
 */
#include "bhttp.h"

#define FRAMING_REQUEST  0u
#define FRAMING_RESPONSE 1u

/* --- characters --- */

/* tchar, RFC 9110 section 5.6.2 */
static bool is_token_char(uint8_t c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool token_ok(struct span s, bool lower_case)
{
    for (size_t i = 0; i < s.size; i++)
        if (!is_token_char(s.data[i]) || (lower_case && is_upper(s.data[i])))
            return false;
    return s.size > 0;
}

static bool value_ok(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.data[i] == '\r' || s.data[i] == '\n' || s.data[i] == 0)
            return false;
    return true;
}

/* RFC 3986 section 3.1 */
static bool scheme_ok(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.data[i], letter = c | 0x20;
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!(letter >= 'a' && letter <= 'z') && !(i > 0 && other))
            return false;
    }
    return s.size > 0;
}

/* Visible, and nothing that would end the authority (it may be empty, RFC 9292 section 3.4). */
static bool authority_ok(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.data[i] <= 0x20 || s.data[i] >= 0x7f || strchr("/?#@\\", s.data[i]))
            return false;
    return true;
}

/* No space and no control; bytes above ASCII reach servers in practice and do no harm. */
static bool path_ok(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.data[i] <= 0x20 || s.data[i] == 0x7f)
            return false;
    return s.size > 0 && s.data[0] == '/';
}

/* --- reading --- */

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

static tfaas_status_t incomplete(const char **why)
{
    *why = "head: more bytes are needed";
    return TFAAS_NOT_FOUND;
}

static tfaas_status_t too_large(const char **why)
{
    *why = "head: larger than 48 KiB";
    return TFAAS_TOO_LARGE;
}

/* A length-prefixed part of the head; the length alone tells when it can never fit. */
static tfaas_status_t take(struct cursor *c, struct span *part, const char **why)
{
    uint64_t size = cursor_varint(c);
    if (c->failed)
        return incomplete(why);
    if (c->at > BHTTP_HEAD_MAX || size > BHTTP_HEAD_MAX - c->at)
        return too_large(why);
    *part = cursor_take(c, size);
    return c->failed ? incomplete(why) : TFAAS_OK;
}

/* One field of the section; false when it runs past the end. */
static bool take_field(struct cursor *c, struct span *name, struct span *value)
{
    *name = cursor_vector(c);
    *value = cursor_vector(c);
    return !c->failed;
}

tfaas_status_t bhttp_check_fields(struct span fields, const char **why)
{
    struct cursor c = cursor_of(fields.data, fields.size);
    for (unsigned count = 0; cursor_left(&c) > 0; count++) {
        struct span name, value;
        if (!take_field(&c, &name, &value))
            return refuse(why, "head: a field runs past the end of the header section");
        if (!token_ok(name, true))
            return refuse(why, "head: a field name is not a lower-case token");
        if (!value_ok(value))
            return refuse(why, "head: a field value holds CR, LF or NUL");
        if (count == BHTTP_FIELDS_MAX) {
            *why = "head: more than 256 fields";
            return TFAAS_TOO_LARGE;
        }
    }
    return TFAAS_OK;
}

static bool method_ok(struct span s)
{
    return token_ok(s, false);
}

tfaas_status_t bhttp_check_part(enum bhttp_part part, struct span text, const char **why)
{
    static const struct {
        bool (*ok)(struct span);
        const char *bad;
    } parts[BHTTP_PARTS] = {
        [BHTTP_METHOD] = {method_ok, "head: method is not a token"},
        [BHTTP_SCHEME] = {scheme_ok, "head: scheme is malformed"},
        [BHTTP_AUTHORITY] = {authority_ok, "head: authority is malformed"},
        [BHTTP_PATH] = {path_ok, "head: path does not start with '/' or holds a space or control"},
    };
    return parts[part].ok(text) ? TFAAS_OK : refuse(why, parts[part].bad);
}

static tfaas_status_t read_request(struct cursor *c, struct bhttp_head *head, const char **why)
{
    struct span *parts[BHTTP_PARTS] = {&head->method, &head->scheme, &head->authority, &head->path};
    for (unsigned i = 0; i < BHTTP_PARTS; i++) {
        tfaas_status_t status = take(c, parts[i], why);
        if (status == TFAAS_OK)
            status = bhttp_check_part(i, *parts[i], why);
        if (status != TFAAS_OK)
            return status;
    }
    return TFAAS_OK;
}

static tfaas_status_t read_response(struct cursor *c, struct bhttp_head *head, const char **why)
{
    uint64_t status = cursor_varint(c);
    if (c->failed)
        return incomplete(why);
    if (status < 200 || status > 599)
        return refuse(why, "head: status is not in 200..599");
    head->is_response = true;
    head->status = (unsigned)status;
    return TFAAS_OK;
}

tfaas_status_t bhttp_read_head(const uint8_t *data, size_t size, struct bhttp_head *head,
                               const char **why)
{
    *head = (struct bhttp_head){.size = 0};
    struct cursor c = cursor_of(data, size);
    uint64_t framing = cursor_varint(&c);
    if (c.failed)
        return incomplete(why);
    tfaas_status_t status;
    if (framing == FRAMING_REQUEST)
        status = read_request(&c, head, why);
    else if (framing == FRAMING_RESPONSE)
        status = read_response(&c, head, why);
    else
        status = refuse(why, "head: framing indicator is not a known-length request or response");
    if (status == TFAAS_OK)
        status = take(&c, &head->fields, why);
    if (status == TFAAS_OK)
        status = bhttp_check_fields(head->fields, why);
    head->size = c.at;
    return status;
}

bool bhttp_next_field(struct span fields, size_t *at, struct span *name, struct span *value)
{
    if (*at >= fields.size)
        return false;
    struct cursor c = cursor_of(fields.data, fields.size);
    c.at = *at;
    bool found = take_field(&c, name, value);
    *at = found ? c.at : fields.size;
    return found;
}

/* --- writing --- */

static void put(struct writer *w, struct span s)
{
    writer_vector(w, s.data, s.size);
}

void bhttp_begin_request(struct bhttp_writer *w, void *out, size_t capacity, void *scratch,
                         size_t scratch_capacity, struct span method, struct span scheme,
                         struct span authority, struct span path)
{
    w->out = writer_of(out, capacity);
    w->fields = writer_of(scratch, scratch_capacity);
    writer_varint(&w->out, FRAMING_REQUEST);
    put(&w->out, method);
    put(&w->out, scheme);
    put(&w->out, authority);
    put(&w->out, path);
}

void bhttp_begin_response(struct bhttp_writer *w, void *out, size_t capacity, void *scratch,
                          size_t scratch_capacity, unsigned status)
{
    w->out = writer_of(out, capacity);
    w->fields = writer_of(scratch, scratch_capacity);
    writer_varint(&w->out, FRAMING_RESPONSE);
    writer_varint(&w->out, status);
}

void bhttp_field(struct bhttp_writer *w, struct span name, struct span value)
{
    writer_varint(&w->fields, name.size);
    size_t start = w->fields.at;
    writer_put(&w->fields, name.data, name.size);
    if (!w->fields.failed)
        for (size_t i = start; i < w->fields.at; i++)
            if (is_upper(w->fields.data[i]))
                w->fields.data[i] |= 0x20;
    put(&w->fields, value);
}

size_t bhttp_end(struct bhttp_writer *w)
{
    if (w->fields.failed)
        return 0;
    writer_vector(&w->out, w->fields.data, w->fields.at);
    return w->out.failed ? 0 : w->out.at;
}
