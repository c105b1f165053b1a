/*
 * sample.c - see sample.h. The module is linked in by sample_blob.S from runtime/sample.
 * Must never answer to another image name: a container image is not something TFaaS runs.
 */
#include "sample.h"
#include "package.h"

#include <string.h>

extern const uint8_t tfaas_sample_start[], tfaas_sample_end[];

bool sample_image(const char *image)
{
    static const char name[] = "functions/alpine";
    if (!image)
        return false;
    size_t size = strlen(image), tag = sizeof ":latest" - 1, length = sizeof name - 1;
    if (size > tag && strcmp(image + size - tag, ":latest") == 0)
        size -= tag;
    if (size < length || memcmp(image + size - length, name, length) != 0)
        return false;
    return size == length || image[size - length - 1] == '/';
}

tfaas_status_t sample_package(uint8_t **package, size_t *size, struct tfaas_error *error)
{
    static const char path[] = "function.wasm";
    const char *why = "";
    struct package_file file = {
        .path = {(const uint8_t *)path, sizeof path - 1},
        .content = {tfaas_sample_start, (size_t)(tfaas_sample_end - tfaas_sample_start)}};
    tfaas_status_t status = package_write("wasm", path, &file, 1, package, size, &why);
    return status == TFAAS_OK ? status : error_set(error, status, "built-in sample: %s", why);
}
