/* fields.c - see fields.h. Must never accept a map that two tables, or two orders, would fit. */
#include "fields.h"

static void *at(void *to, const struct field *field)
{
    return (uint8_t *)to + field->offset;
}

static bool in_bounds(struct span value, const struct field *field)
{
    return value.size >= field->least && value.size <= field->most;
}

static bool read_list(struct cursor *c, const struct field *field, struct field_list *list)
{
    uint64_t count = cbor_array(c);
    if (c->failed || count > field->items)
        return false;
    *list = (struct field_list){.items = *c, .count = (size_t)count};
    for (uint64_t i = 0; i < count; i++) {
        if (!in_bounds(cbor_bytes(c), field) || c->failed)
            return false;
    }
    return true;
}

static bool read_value(struct cursor *c, const struct field *field, void *to)
{
    struct span value;
    uint64_t number;
    bool flag;
    switch (field->type) {
    case FIELD_LABEL:
        value = cbor_text(c);
        return !c->failed && span_is(value, field->label);
    case FIELD_UINT:
        number = cbor_uint(c);
        memcpy(at(to, field), &number, sizeof(number));
        return !c->failed;
    case FIELD_BOOL:
        flag = cbor_bool(c);
        memcpy(at(to, field), &flag, sizeof(flag));
        return !c->failed;
    case FIELD_BYTES:
    case FIELD_TEXT:
        value = field->type == FIELD_BYTES ? cbor_bytes(c) : cbor_text(c);
        memcpy(at(to, field), &value, sizeof(value));
        return !c->failed && in_bounds(value, field);
    case FIELD_LIST: {
        struct field_list list;
        if (!read_list(c, field, &list))
            return false;
        memcpy(at(to, field), &list, sizeof(list));
        return true;
    }
    default:
        return false;
    }
}

tfaas_status_t fields_read(struct span bytes, const struct field *fields, size_t field_count,
                           const char *form, void *to, const char **why)
{
    struct cursor c = cursor_of(bytes.data, bytes.size);
    uint64_t left = cbor_map(&c);
    *why = form;
    if (c.failed || left > field_count)
        return TFAAS_BAD_REQUEST;
    for (size_t i = 0; i < field_count; i++) {
        struct cursor ahead = c;
        bool here = left > 0 && cbor_uint(&ahead) == fields[i].key && !ahead.failed;
        if (!here && fields[i].optional)
            continue;
        *why = fields[i].name;
        if (!here || !read_value(&ahead, &fields[i], to))
            return TFAAS_BAD_REQUEST;
        c = ahead;
        left--;
    }
    *why = form;
    return left == 0 && cursor_left(&c) == 0 ? TFAAS_OK : TFAAS_BAD_REQUEST;
}
