/* needs: host/daemon/store_names.c host/daemon/sample.c common/package.c common/cbor.c host/error.c common/status.c libs: sodium jansson sqlite3 */
/*
 * names.c (fuzz) - names of functions, namespaces, secrets and images. A name that is accepted
 * means nothing to a file system, and an image that is accepted reads the same when it is read
 * again.
 */
#include "daemon/sample.h"
#include "daemon/store_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The sample module is not looked at here. */
const uint8_t tfaas_sample_start[1], tfaas_sample_end[1];
extern const uint8_t tfaas_sample_start[], tfaas_sample_end[];

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_component(const char *name, size_t max)
{
    check(name[0] && strlen(name) <= max && !strchr(name, '/'));
    check(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    for (const char *at = name; *at; at++)
        check(*at > ' ' && (unsigned char)*at < 0x7f);
}

static void check_image(const char *text)
{
    struct store_image image, again;
    bool sample = sample_image(text);
    if (!store_image_parse(text, &image))
        return;
    check(store_image_name_ok(text));
    check(image.name[0] && image.name[0] != '/' && strlen(image.name) < sizeof image.name);
    for (const char *at = image.name; *at; at++)
        check(*at > ' ' && (unsigned char)*at < 0x7f);
    const char *slash = strrchr(image.name, '/');
    const char *tag = strchr(slash ? slash : image.name, ':');
    check(tag != NULL); /* a tag is no path: it may hold ".." */
    const char *dots = strstr(image.name, ".."), *slashes = strstr(image.name, "//");
    check(!slashes && (!dots || dots > tag) && !strchr(image.name, '@') && !strchr(tag, '/'));
    if (!image.has_digest && strlen(image.name) <= STORE_IMAGE_MAX) {
        check(store_image_parse(image.name, &again) && !again.has_digest);
        check(strcmp(again.name, image.name) == 0 && sample_image(image.name) == sample);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* exactly as long: a read behind it is found */
    check(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    if (store_function_name_ok(text))
        check_component(text, 63);
    check(store_namespace_ok(text) == store_function_name_ok(text));
    if (store_secret_name_ok(text))
        check_component(text, 253);
    check_image(text);
    free(text);
    return 0;
}
