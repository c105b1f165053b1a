/*
 * store_names.c - which names are names: functions, namespaces, secrets, image references. Pure.
 * Must never accept a name that means something to a file system.
 */
#include "store_internal.h"

#include <string.h>

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

bool store_function_name_ok(const char *name)
{
    size_t size = name ? strnlen(name, 64) : 0;
    if (size < 1 || size > 63 || !is_lower(name[0]) || !is_lower(name[size - 1]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_lower(name[i]) && name[i] != '-')
            return false;
    return true;
}

bool store_namespace_ok(const char *ns)
{
    return store_function_name_ok(ns);
}

bool store_secret_name_ok(const char *name)
{
    size_t size = name ? strnlen(name, 254) : 0;
    if (size < 1 || size > 253 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_word(name[i]) && name[i] != '-' && name[i] != '_' && name[i] != '.')
            return false;
    return true;
}

/* HOST[:PORT]: letters, digits, dots, dashes; a port of digits. */
static bool host_ok(const char *text, size_t size)
{
    const char *colon = memchr(text, ':', size);
    size_t host = colon ? (size_t)(colon - text) : size;
    if (host < 1 || !is_word(text[0]) || !is_word(text[host - 1]))
        return false;
    for (size_t i = 0; i < host; i++) { /* the first and the last byte are words: i - 1, i + 1 */
        if (text[i] == '.' && !(is_word(text[i - 1]) && is_word(text[i + 1])))
            return false;
        if (!is_word(text[i]) && text[i] != '.' && text[i] != '-')
            return false;
    }
    if (!colon)
        return true;
    size_t port = size - host - 1;
    if (port < 1 || port > 5)
        return false;
    for (size_t i = 0; i < port; i++)
        if (colon[1 + i] < '0' || colon[1 + i] > '9')
            return false;
    return true;
}

/* [a-z0-9]+ parts joined by one of: "." "_" "__" "-"... (OCI distribution specification) */
static bool path_part_ok(const char *text, size_t size)
{
    if (size < 1 || !is_lower(text[0]) || !is_lower(text[size - 1]))
        return false;
    for (size_t i = 0; i < size;) {
        size_t run = 0;
        char c = text[i];
        if (is_lower(c)) {
            i++;
            continue;
        }
        while (i < size && text[i] == c) {
            run++;
            i++;
        }
        if (!(c == '-' || (c == '.' && run == 1) || (c == '_' && run <= 2)) ||
            !is_lower(text[i])) /* i < size: the last byte is a letter or digit */
            return false;
    }
    return true;
}

static bool tag_ok(const char *text)
{
    size_t size = strnlen(text, 129);
    if (size < 1 || size > 128 || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_word(text[i]) && text[i] != '_' && text[i] != '.' && text[i] != '-')
            return false;
    return true;
}

static bool repository_ok(const char *text, size_t size)
{
    const char *slash = memchr(text, '/', size);
    if (slash) { /* the first part is a host when it looks like one */
        size_t first = (size_t)(slash - text);
        bool host = memchr(text, '.', first) || memchr(text, ':', first) ||
                    (first == 9 && memcmp(text, "localhost", 9) == 0);
        if (host) {
            if (!host_ok(text, first))
                return false;
            text += first + 1;
            size -= first + 1;
        }
    }
    while (true) {
        slash = memchr(text, '/', size);
        size_t part = slash ? (size_t)(slash - text) : size;
        if (!path_part_ok(text, part))
            return false;
        if (!slash)
            return true;
        text += part + 1;
        size -= part + 1;
    }
}

static bool digest_parse(const char *text, uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    size_t size = 0;
    const char *end = NULL;
    if (strncmp(text, "sha256:", 7) != 0 || strnlen(text + 7, 65) != 64)
        return false;
    for (size_t i = 7; i < 7 + 64; i++) /* one spelling only: lower case */
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return sodium_hex2bin(digest, PACKAGE_DIGEST_SIZE, text + 7, 64, NULL, &size, &end) == 0 &&
           size == PACKAGE_DIGEST_SIZE;
}

bool store_image_parse(const char *text, struct store_image *image)
{
    memset(image, 0, sizeof *image);
    size_t size = text ? strnlen(text, STORE_IMAGE_MAX + 1) : 0;
    if (size < 1 || size > STORE_IMAGE_MAX)
        return false;
    const char *at = strchr(text, '@');
    if (at) {
        if (!digest_parse(at + 1, image->digest))
            return false;
        image->has_digest = true;
        size = (size_t)(at - text);
    }
    memcpy(image->name, text, size);
    char *slash = strrchr(image->name, '/');
    char *colon = strchr(slash ? slash : image->name, ':');
    if (colon) {
        if (!tag_ok(colon + 1))
            return false;
        return repository_ok(image->name, (size_t)(colon - image->name));
    }
    if (!repository_ok(image->name, size))
        return false;
    memcpy(image->name + size, ":latest", sizeof ":latest");
    return true;
}

bool store_image_name_ok(const char *image)
{
    struct store_image parsed;
    return store_image_parse(image, &parsed);
}
