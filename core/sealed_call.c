/* sealed_call.c - see sealed_call.h: the memory of sealed calls. What a call held in clear is wiped
 * before the next one gets its memory. */
#include "sealed_internal.h"

#include <stdlib.h>

#define KEPT_MAX 16u /* idle ones that are kept */

static struct sealed_call *kept;
static unsigned kept_count;

struct sealed_call *sealed_new(enum tfaas_sealing kind)
{
    struct sealed_call *s = kept;
    if (s) {
        kept = s->next;
        kept_count--;
    } else if (!(s = malloc(sizeof *s))) {
        return NULL;
    }
    memset(s, 0, offsetof(struct sealed_call, receipt));
    s->receipt.waiting = false;
    s->opened_used = s->head_used = s->pending_used = 0;
    s->kind = kind;
    return s;
}

void sealed_free(struct sealed_call *s)
{
    if (!s)
        return;
    if (s->wire.data)
        sodium_memzero(s->wire.data, s->wire.capacity);
    free(s->wire.data);
    if (s->whole)
        sodium_memzero(s->whole, OHTTP_NONCE_MAX + s->whole_size);
    free(s->whole);
    if (s->pending_size > s->pending_used)
        s->pending_used = s->pending_size;
    sodium_memzero(s->opened_bytes, s->opened_used);
    sodium_memzero(s->pending, s->pending_used);
    sodium_memzero(s->head_bytes, s->head_used);
    sodium_memzero(s, offsetof(struct sealed_call, receipt));
    if (kept_count == KEPT_MAX) {
        free(s);
        return;
    }
    s->next = kept;
    kept = s;
    kept_count++;
}

struct inbox *sealed_wire(struct sealed_call *sealed)
{
    return &sealed->wire;
}
