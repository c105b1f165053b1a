/* wire.c - see wire.h. Must never read past the end, recurse, or pass a length on that the rest of
 * the bytes cannot hold. */
#include <math.h>
#include <string.h>
#include "wire.h"

enum { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

#define SAFE_INTEGER 9007199254740991u

unsigned wire_element_size(uint32_t tag)
{
    switch (tag) {
    case 64: /* Uint8Array */
    case 68: /* Uint8ClampedArray */
    case 72: /* Int8Array */
        return 1;
    case 69:
    case 77:
    case 84: /* 16 bits: unsigned, signed, float */
        return 2;
    case 70:
    case 78:
    case 85:
        return 4;
    case 71:
    case 79:
    case 86:
        return 8;
    default:
        return 0;
    }
}

size_t wire_head(uint8_t *to, unsigned major, uint64_t value)
{
    unsigned size = value < 24             ? 0
                    : value <= 0xff        ? 1
                    : value <= 0xffff      ? 2
                    : value <= 0xffffffffu ? 4
                                           : 8;
    unsigned info = size == 0   ? (unsigned)value
                    : size == 1 ? 24
                    : size == 2 ? 25
                    : size == 4 ? 26
                                : 27;

    to[0] = (uint8_t)(major << 5 | info);
    for (unsigned i = 0; i < size; i++)
        to[1 + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    return 1 + size;
}

static double float_of(uint64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof(number));
    return number;
}

/* A head in its shortest form. False: cut off, or not. */
static bool read_head(struct wire_reader *r, unsigned *major, unsigned *info, uint64_t *value)
{
    uint64_t least;
    unsigned size;

    if (r->at == r->end)
        return false;
    *major = *r->at >> 5;
    *info = *r->at & 31;
    r->at++;
    *value = *info;
    if (*info < 24)
        return true;
    if (*info > 27)
        return false;
    size = 1u << (*info - 24);
    if ((size_t)(r->end - r->at) < size)
        return false;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value = *value << 8 | *r->at++;
    least = size == 1 ? 24 : 1ull << (4 * size);
    return *major == SIMPLE ? size == 8 : *value >= least;
}

static bool take(struct wire_reader *r, struct wire_item *item, uint64_t size)
{
    if (size > (uint64_t)(r->end - r->at))
        return false;
    item->data = r->at;
    item->size = (size_t)size;
    r->at += size;
    return true;
}

/* Well-formed UTF-8 by the table of the Unicode standard (3-7). */
static bool is_utf8(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint8_t first = data[i++], low = 0x80, high = 0xbf;
        unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

        if ((first >= 0x80 && first < 0xc2) || first > 0xf4)
            return false;
        if (first == 0xe0)
            low = 0xa0;
        else if (first == 0xed)
            high = 0x9f;
        else if (first == 0xf0)
            low = 0x90;
        else if (first == 0xf4)
            high = 0x8f;
        for (; more > 0; more--, low = 0x80, high = 0xbf)
            if (i == size || data[i] < low || data[i++] > high)
                return false;
    }
    return true;
}

static const char *read_simple(unsigned info, uint64_t value, struct wire_item *item)
{
    static const enum wire_kind kinds[] = {WIRE_FALSE, WIRE_TRUE, WIRE_NULL, WIRE_UNDEFINED};

    if (info >= 20 && info <= 23) {
        item->kind = kinds[info - 20];
        return NULL;
    }
    if (info != 27)
        return "an unknown simple value";
    item->kind = WIRE_FLOAT;
    item->number = float_of(value);
    return NULL;
}

static const char *read_untagged(struct wire_reader *r, struct wire_item *item, unsigned major,
                                 unsigned info, uint64_t value)
{
    switch (major) {
    case UNSIGNED:
    case NEGATIVE:
        if (value > SAFE_INTEGER - (major == NEGATIVE))
            return "an integer that is no number";
        item->kind = WIRE_INT;
        item->number = major == UNSIGNED ? (double)value : -1 - (double)value;
        return NULL;
    case BYTES:
        item->kind = WIRE_BYTES;
        return take(r, item, value) ? NULL : "bytes are cut off";
    case TEXT:
        item->kind = WIRE_TEXT;
        return take(r, item, value) ? NULL : "text is cut off";
    case ARRAY:
    case MAP:
        item->kind = major == ARRAY ? WIRE_ARRAY : WIRE_OBJECT;
        item->count = (uint32_t)value;
        return value <= WIRE_ITEMS_MAX ? NULL : "more items than are taken";
    case SIMPLE:
        return read_simple(info, value, item);
    default:
        return "a tag in the wrong place";
    }
}

static const char *read_date(struct wire_item *item)
{
    if (item->kind != WIRE_INT && item->kind != WIRE_FLOAT)
        return "a date that is no number";
    item->kind = WIRE_DATE;
    return NULL;
}

/* What the tag in front makes of the item behind it. */
static const char *apply_tag(struct wire_item *item, uint64_t tag)
{
    switch (tag) {
    case 1:
        return read_date(item);
    case 2:
    case 3:
        if (item->kind != WIRE_BYTES || item->size > WIRE_BIGINT_MAX)
            return "a big integer that is none";
        item->kind = WIRE_BIGINT;
        item->is_negative = tag == 3;
        return NULL;
    case 29:
        if (item->kind != WIRE_INT || item->number < 0 || item->number > WIRE_ITEMS_MAX)
            return "a reference that is none";
        item->kind = WIRE_SHARED;
        item->count = (uint32_t)item->number;
        return NULL;
    case 258:
        if (item->kind != WIRE_ARRAY)
            return "a set that is no array";
        item->kind = WIRE_SET;
        return NULL;
    case 259:
        if (item->kind != WIRE_OBJECT)
            return "a map that is none";
        item->kind = WIRE_MAP;
        return NULL;
    default:
        if (tag > 86 || wire_element_size((uint32_t)tag) == 0)
            return "an unknown tag";
        if (item->kind != WIRE_BYTES || item->size % wire_element_size((uint32_t)tag))
            return "a typed array that is none";
        item->kind = WIRE_TYPED;
        item->tag = (uint32_t)tag;
        return NULL;
    }
}

static bool may_be_shared(enum wire_kind kind)
{
    return kind >= WIRE_BYTES && kind != WIRE_BIGINT && kind != WIRE_SHARED;
}

/* One item with its tags: 28 first, then at most one more. */
static const char *read_item(struct wire_reader *r, struct wire_item *item)
{
    unsigned major, info;
    uint64_t value, tag = 0;
    bool is_tagged = false;
    const char *wrong;

    memset(item, 0, sizeof(*item));
    if (!read_head(r, &major, &info, &value))
        return "a head is cut off or not the shortest";
    if (major == TAG && value == 28) {
        item->is_shared = true;
        if (!read_head(r, &major, &info, &value))
            return "a head is cut off or not the shortest";
    }
    if (major == TAG) {
        is_tagged = true;
        tag = value;
        if (!read_head(r, &major, &info, &value))
            return "a head is cut off or not the shortest";
    }
    wrong = read_untagged(r, item, major, info, value);
    if (!wrong && is_tagged)
        wrong = apply_tag(item, tag);
    if (!wrong && item->is_shared && !may_be_shared(item->kind))
        wrong = "a shared value that is no object";
    return wrong;
}

void wire_next(struct wire_reader *reader, struct wire_item *item)
{
    (void)read_item(reader, item);
}

static uint32_t children_of(const struct wire_item *item)
{
    switch (item->kind) {
    case WIRE_ARRAY:
    case WIRE_SET:
        return item->count;
    case WIRE_OBJECT:
    case WIRE_MAP:
        return 2 * item->count;
    default:
        return 0;
    }
}

const char *wire_check(const uint8_t *data, size_t size)
{
    struct wire_reader r = {data, data + size};
    uint32_t left[WIRE_DEPTH_MAX + 1] = {1}; /* values that are still to come, per level */
    bool keys[WIRE_DEPTH_MAX + 1] = {false}; /* every other one is a key */
    uint32_t depth = 0, items = 0, shared = 0;

    if (size > WIRE_SIZE_MAX)
        return "larger than is taken";
    for (;;) {
        struct wire_item item;
        const char *wrong;
        uint32_t children;

        while (left[depth] == 0) {
            if (depth == 0)
                return r.at == r.end ? NULL : "bytes behind the value";
            depth--;
        }
        wrong = read_item(&r, &item);
        if (wrong)
            return wrong;
        if (++items > WIRE_ITEMS_MAX)
            return "more items than are taken";
        if (item.kind == WIRE_TEXT && !is_utf8(item.data, item.size))
            return "text that is no UTF-8";
        if (keys[depth] && left[depth] % 2 == 0 && item.kind != WIRE_TEXT)
            return "a key that is no text";
        if (item.kind == WIRE_SHARED && item.count >= shared)
            return "a reference to what does not exist";
        shared += item.is_shared;
        left[depth]--;
        children = children_of(&item);
        if (children == 0)
            continue;
        if (children > (size_t)(r.end - r.at))
            return "more items than there are bytes";
        if (depth == WIRE_DEPTH_MAX)
            return "nested too deeply";
        depth++;
        left[depth] = children;
        keys[depth] = item.kind == WIRE_OBJECT;
    }
}
