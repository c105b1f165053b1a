/*
 * package.c - reads and writes packages (common/package.h). The bytes are a function's identity,
 * so the reader must never accept two encodings of one package.
 */
#include "package.h"
#include "cbor.h"
#include <stdlib.h>

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_PACKAGE;
}

static tfaas_status_t too_large(const char **why, const char *text)
{
    *why = text;
    return TFAAS_TOO_LARGE;
}

static tfaas_status_t no_space(const char **why)
{
    *why = "package: no memory";
    return TFAAS_NO_SPACE;
}

static int compare(struct span a, struct span b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool component_ok(const uint8_t *name, size_t size)
{
    return size > 0 && !(name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')));
}

bool package_path_ok(struct span path)
{
    if (path.size == 0 || path.size > PACKAGE_PATH_MAX || !cbor_text_ok(path))
        return false;
    size_t start = 0;
    for (size_t i = 0; i < path.size; i++) {
        if (path.data[i] < 0x20 || path.data[i] == '\\')
            return false;
        if (path.data[i] != '/')
            continue;
        if (!component_ok(path.data + start, i - start))
            return false;
        start = i + 1;
    }
    return component_ok(path.data + start, path.size - start);
}

struct span package_find(const struct package *package, struct span path)
{
    size_t low = 0, high = package->file_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(package->files[middle].path, path);
        if (order == 0)
            return package->files[middle].content;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct span){NULL, 0};
}

static bool has_file(const struct package *package, struct span path)
{
    return package_find(package, path).data != NULL;
}

/* --- reading --- */

static tfaas_status_t read_file(struct cursor *c, struct package *package, const char **why)
{
    if (cbor_array(c) != 2 || c->failed)
        return refuse(why, "package: a file is not an array of path and content");
    struct package_file *file = &package->files[package->file_count];
    file->path = cbor_text(c);
    if (c->failed)
        return refuse(why, "package: a file path is not deterministic CBOR text");
    if (!package_path_ok(file->path))
        return refuse(why, "package: a file path is not a clean relative path");
    file->content = cbor_bytes(c);
    if (c->failed)
        return refuse(why, "package: a file content is not a deterministic CBOR byte string");
    if (package->file_count > 0) {
        int order = compare(file[-1].path, file->path);
        if (order == 0)
            return refuse(why, "package: a file path is there twice");
        if (order > 0)
            return refuse(why, "package: files are not sorted by path");
    }
    package->file_count++;
    return TFAAS_OK;
}

static tfaas_status_t read_files(struct cursor *c, struct package *package, const char **why)
{
    if (cbor_uint(c) != 4 || c->failed)
        return refuse(why, "package: key 4 (files) is missing or out of order");
    uint64_t count = cbor_array(c);
    if (c->failed)
        return refuse(why, "package: files is not a deterministic CBOR array");
    if (count > PACKAGE_FILES_MAX)
        return too_large(why, "package: too many files");
    if (count == 0)
        return refuse(why, "package: files is empty");
    package->files = calloc((size_t)count, sizeof(*package->files));
    if (!package->files)
        return no_space(why);
    for (uint64_t i = 0; i < count; i++) {
        tfaas_status_t status = read_file(c, package, why);
        if (status != TFAAS_OK)
            return status;
    }
    return TFAAS_OK;
}

static tfaas_status_t check_runtime(struct span runtime, const char **why)
{
    if (span_is(runtime, "js") || span_is(runtime, "python") || span_is(runtime, "wasm"))
        return TFAAS_OK;
    return refuse(why, "package: runtime is none of js, python, wasm");
}

static tfaas_status_t read_map(struct cursor *c, struct package *package, const char **why)
{
    if (cbor_map(c) != 4 || c->failed)
        return refuse(why, "package: not a deterministic CBOR map of 4 pairs");
    if (cbor_uint(c) != 1 || c->failed)
        return refuse(why, "package: key 1 (version) is missing or out of order");
    if (cbor_uint(c) != 1 || c->failed)
        return refuse(why, "package: version is not 1");
    if (cbor_uint(c) != 2 || c->failed)
        return refuse(why, "package: key 2 (runtime) is missing or out of order");
    package->runtime = cbor_text(c);
    if (c->failed)
        return refuse(why, "package: runtime is not deterministic CBOR text");
    tfaas_status_t status = check_runtime(package->runtime, why);
    if (status != TFAAS_OK)
        return status;
    if (cbor_uint(c) != 3 || c->failed)
        return refuse(why, "package: key 3 (entry) is missing or out of order");
    package->entry = cbor_text(c);
    if (c->failed)
        return refuse(why, "package: entry is not deterministic CBOR text");
    if (!package_path_ok(package->entry))
        return refuse(why, "package: entry is not a clean relative path");
    status = read_files(c, package, why);
    if (status != TFAAS_OK)
        return status;
    if (cursor_left(c) != 0)
        return refuse(why, "package: bytes after the end");
    if (!has_file(package, package->entry))
        return refuse(why, "package: entry names no file of the package");
    return TFAAS_OK;
}

tfaas_status_t package_read(const uint8_t *data, size_t size, struct package *package,
                            const char **why)
{
    *package = (struct package){.file_count = 0};
    if (size > PACKAGE_SIZE_MAX)
        return too_large(why, "package: larger than 48 MiB");
    struct cursor c = cursor_of(data, size);
    tfaas_status_t status = read_map(&c, package, why);
    if (status != TFAAS_OK)
        package_free(package);
    return status;
}

void package_free(struct package *package)
{
    free(package->files);
    *package = (struct package){.file_count = 0};
}

/* --- writing --- */

static int compare_files(const void *a, const void *b)
{
    const struct package_file *x = a, *y = b;
    return compare(x->path, y->path);
}

static void put_package(struct writer *w, const struct package *package)
{
    cbor_put_map(w, 4);
    cbor_put_uint(w, 1);
    cbor_put_uint(w, 1);
    cbor_put_uint(w, 2);
    cbor_put_text(w, package->runtime.data, package->runtime.size);
    cbor_put_uint(w, 3);
    cbor_put_text(w, package->entry.data, package->entry.size);
    cbor_put_uint(w, 4);
    cbor_put_array(w, package->file_count);
    for (size_t i = 0; i < package->file_count; i++) {
        const struct package_file *file = &package->files[i];
        cbor_put_array(w, 2);
        cbor_put_text(w, file->path.data, file->path.size);
        cbor_put_bytes(w, file->content.data, file->content.size);
    }
}

static tfaas_status_t check_files(const struct package *package, const char **why)
{
    size_t total = 0;
    for (size_t i = 0; i < package->file_count; i++) {
        const struct package_file *file = &package->files[i];
        if (!package_path_ok(file->path))
            return refuse(why, "package: a file path is not a clean relative path");
        if (i > 0 && compare(file[-1].path, file->path) == 0)
            return refuse(why, "package: a file path is there twice");
        if (file->content.size > PACKAGE_SIZE_MAX - total)
            return too_large(why, "package: larger than 48 MiB");
        total += file->content.size;
    }
    return TFAAS_OK;
}

/* An empty file still has an address: package_find says "not there" with NULL. */
static void point_empty_files(struct package_file *files, size_t file_count)
{
    for (size_t i = 0; i < file_count; i++)
        if (files[i].content.size == 0)
            files[i].content.data = (const uint8_t *)"";
}

tfaas_status_t package_write(const char *runtime, const char *entry, struct package_file *files,
                             size_t file_count, uint8_t **out, size_t *out_size, const char **why)
{
    *out = NULL;
    *out_size = 0;
    if (file_count > PACKAGE_FILES_MAX)
        return too_large(why, "package: too many files");
    if (file_count == 0)
        return refuse(why, "package: files is empty");
    point_empty_files(files, file_count);
    qsort(files, file_count, sizeof(*files), compare_files);
    struct package package = {.runtime = {(const uint8_t *)runtime, strlen(runtime)},
                              .entry = {(const uint8_t *)entry, strlen(entry)},
                              .files = files,
                              .file_count = file_count};
    tfaas_status_t status = check_runtime(package.runtime, why);
    if (status == TFAAS_OK)
        status = check_files(&package, why);
    if (status != TFAAS_OK)
        return status;
    if (!package_path_ok(package.entry) || !has_file(&package, package.entry))
        return refuse(why, "package: entry names no file of the package");
    struct writer measure = writer_of(NULL, 0);
    put_package(&measure, &package);
    if (measure.at > PACKAGE_SIZE_MAX)
        return too_large(why, "package: larger than 48 MiB");
    uint8_t *bytes = malloc(measure.at);
    if (!bytes)
        return no_space(why);
    struct writer w = writer_of(bytes, measure.at);
    put_package(&w, &package);
    *out = bytes;
    *out_size = w.at;
    return TFAAS_OK;
}
