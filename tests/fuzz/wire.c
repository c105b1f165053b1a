/* needs: runtime/js/wire.c */
/*
 * wire.c - fuzzes what reads values out of a compartment: what wire_check accepts is walked by
 * wire_next alone to the very end, every piece lies inside the input, counts and references hold,
 * and one byte less is refused.
 */
#include "runtime/js/wire.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

struct walk {
    struct wire_reader in;
    const uint8_t *data;
    uint32_t shared, items;
};

static void value(struct walk *w, unsigned depth)
{
    struct wire_item item;
    check(w->in.at < w->in.end && depth <= WIRE_DEPTH_MAX && ++w->items <= WIRE_ITEMS_MAX);
    wire_next(&w->in, &item);
    check(w->in.at <= w->in.end);
    if (item.data)
        check(item.data >= w->data && item.data + item.size <= w->in.end);
    check(item.kind != WIRE_SHARED || item.count < w->shared);
    check(item.kind != WIRE_BIGINT || item.size <= WIRE_BIGINT_MAX);
    check(item.kind != WIRE_TYPED ||
          (wire_element_size(item.tag) > 0 && item.size % wire_element_size(item.tag) == 0));
    w->shared += item.is_shared;
    bool has_pairs = item.kind == WIRE_OBJECT || item.kind == WIRE_MAP;
    if (!has_pairs && item.kind != WIRE_ARRAY && item.kind != WIRE_SET)
        return;
    for (uint32_t i = 0; i < item.count; i++) {
        if (item.kind == WIRE_OBJECT) {
            struct wire_item key;
            struct wire_reader ahead = w->in;
            wire_next(&ahead, &key);
            check(key.kind == WIRE_TEXT && !key.is_shared);
        }
        for (int part = 0; part < (has_pairs ? 2 : 1); part++)
            value(w, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (wire_check(data, size) != NULL)
        return 0;
    struct walk w = {.in = {data, data + size}, .data = data};
    value(&w, 0);
    check(w.in.at == w.in.end);
    check(wire_check(data, size - 1) != NULL);
    return 0;
}
