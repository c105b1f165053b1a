/* vectors.h - hexadecimal test vectors out of JSON files. Data lives until the test program ends.
 */
#ifndef TFAAS_TESTS_VECTORS_H
#define TFAAS_TESTS_VECTORS_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "cursor.h"

static inline void vectors_die(const char *what, const char *which)
{
    fprintf(stderr, "vectors: %s: %s\n", what, which);
    abort();
}

static inline json_t *vectors_load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL)
        vectors_die(path, error.text);
    return root;
}

static inline struct span vectors_unhex(const char *text)
{
    static struct kept {
        struct kept *next;
        uint8_t data[];
    } * all;
    size_t size = strlen(text) / 2;
    struct kept *kept = malloc(sizeof(*kept) + size);
    uint8_t *data = kept->data;
    kept->next = all;
    all = kept;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            vectors_die("not hexadecimal", text);
        data[i] = (uint8_t)byte;
    }
    return (struct span){data, size};
}

/* The member of that name; {NULL, 0} when there is none. */
static inline struct span vectors_hex(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? vectors_unhex(text) : (struct span){NULL, 0};
}

static inline struct span vectors_text(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* A copy of exactly that size, so that the sanitizer sees every byte read or written beyond. */
static inline uint8_t *vectors_copy(struct span s)
{
    uint8_t *copy = malloc(s.size ? s.size : 1);
    if (s.size)
        memcpy(copy, s.data, s.size);
    return copy;
}

#endif
