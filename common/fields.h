/*
 * fields.h - reads deterministic CBOR maps (cbor.h) with ascending integer keys by a table: one row
 * per key, so that every format has one list of what it holds, and every refusal names its field.
 */
#ifndef TFAAS_COMMON_FIELDS_H
#define TFAAS_COMMON_FIELDS_H

#include "cbor.h"
#include "tfaas/status.h"

enum field_type {
    FIELD_LABEL, /* exactly this text; stored nowhere */
    FIELD_UINT,  /* uint64_t */
    FIELD_BOOL,
    FIELD_BYTES, /* struct span */
    FIELD_TEXT,  /* struct span */
    FIELD_LIST,  /* struct field_list of byte strings */
};

struct field {
    uint8_t key;
    uint8_t type; /* enum field_type */
    bool optional;
    size_t offset;            /* where it is stored, from `to` */
    size_t least, most;       /* bytes: of a list, of each item */
    size_t items;             /* list: at most; there may be none */
    const char *label, *name; /* name: "lease: key 2 (domain)" */
};

/* The items of an array of byte strings: read them with fields_next. */
struct field_list {
    struct cursor items;
    size_t count;
};

/* {NULL, 0} after the last. */
static inline struct span fields_next(struct field_list *list)
{
    if (list->count == 0)
        return (struct span){NULL, 0};
    list->count--;
    return cbor_bytes(&list->items);
}

/* The whole of `bytes`, one map, nothing after it. What is optional and absent stays as it is in
 * `to`. BAD_REQUEST with *why: the name of the field that is missing, malformed or out of its
 * bounds, or `form` when it is no such map. */
tfaas_status_t fields_read(struct span bytes, const struct field *fields, size_t field_count,
                           const char *form, void *to, const char **why) TFAAS_MUST_USE;

#endif
