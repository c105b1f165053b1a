/*
 * build_tar.c - takes a tar apart, in memory, through libarchive. The tar is a stranger's: links,
 * devices, paths that climb, bombs and cut-off archives are refused with the entry's name.
 * Must never write to a file system, nor hold more than the package bound.
 */
#define _GNU_SOURCE
#include "build_internal.h"
#include "package.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX  (2 * PACKAGE_FILES_MAX) /* folders and files outside the function count too */
#define CONFIG_MAX   (64u << 10)
#define NAME_MAX_ALL (PACKAGE_PATH_MAX + 64)

struct reader {
    struct archive *archive;
    struct build_tar *tar;
    struct tfaas_error *error;
    size_t capacity, entries, total;
    int64_t data_end; /* where the last entry's content ended */
    bool builder;
};

static void file_free(struct build_file *file)
{
    free(file->path);
    free(file->data);
    memset(file, 0, sizeof *file);
}

void build_tar_free(struct build_tar *tar)
{
    for (size_t i = 0; i < tar->file_count; i++)
        file_free(&tar->files[i]);
    free(tar->files);
    file_free(&tar->config);
    file_free(&tar->template_file);
    memset(tar, 0, sizeof *tar);
}

const struct build_file *build_tar_find(const struct build_tar *tar, const char *path)
{
    for (size_t i = 0; i < tar->file_count; i++)
        if (strcmp(tar->files[i].path, path) == 0)
            return &tar->files[i];
    return NULL;
}

/* A name for an error text: bounded, no control bytes. */
static const char *shown(const char *name)
{
    static char text[100];
    size_t i = 0;
    for (; name[i] && i < sizeof text - 1; i++)
        text[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
    text[i] = 0;
    return text;
}

static tfaas_status_t out_of_memory(struct reader *r)
{
    return error_set(r->error, TFAAS_NO_SPACE, "out of memory while reading the tar");
}

/* Checks the type, and that nothing links. */
static tfaas_status_t check_type(struct reader *r, struct archive_entry *entry, const char *name)
{
    const char *what = NULL;
    if (archive_entry_hardlink(entry) || archive_entry_hardlink_utf8(entry))
        what = "a hard link";
    else
        switch (archive_entry_filetype(entry)) {
        case AE_IFREG:
        case AE_IFDIR:
            return TFAAS_OK;
        case AE_IFLNK:
            what = "a symbolic link";
            break;
        case AE_IFCHR:
        case AE_IFBLK:
            what = "a device";
            break;
        case AE_IFIFO:
            what = "a fifo";
            break;
        default:
            what = "neither a file nor a folder";
        }
    return error_set(r->error, TFAAS_BAD_PACKAGE,
                     "tar entry \"%s\" is %s: only files and folders are taken", shown(name), what);
}

/* Strips "./" and the '/' of folders; the rest must be a clean relative path. "" is the top. */
static tfaas_status_t clean_name(struct reader *r, const char *name, char clean[NAME_MAX_ALL + 1])
{
    size_t size = strnlen(name, NAME_MAX_ALL + 16);
    const char *problem = NULL, *at = name;
    if (size > NAME_MAX_ALL)
        return error_set(r->error, TFAAS_TOO_LARGE,
                         "tar entry \"%s...\" has a path of more than %zu bytes", shown(name),
                         (size_t)NAME_MAX_ALL);
    if (*at == '/')
        problem = "an absolute path";
    while (at[0] == '.' && at[1] == '/')
        at += 2;
    size -= (size_t)(at - name);
    while (size > 0 && at[size - 1] == '/')
        size--;
    if (size == 1 && at[0] == '.')
        size = 0;
    memcpy(clean, at, size);
    clean[size] = 0;
    for (char *part = clean; !problem && part && *part;) {
        char *slash = strchr(part, '/');
        size_t length = slash ? (size_t)(slash - part) : strlen(part);
        if (length == 2 && memcmp(part, "..", 2) == 0)
            problem = "a path that climbs with \"..\"";
        part = slash ? slash + 1 : NULL;
    }
    /* the longest path is checked where the prefix is known */
    struct span path = {(const uint8_t *)clean, size < PACKAGE_PATH_MAX ? size : PACKAGE_PATH_MAX};
    if (!problem && size > 0 && size <= PACKAGE_PATH_MAX && !package_path_ok(path))
        problem = "a path that is not clean (\"\" or \".\" parts, a backslash, control bytes, or "
                  "not UTF-8)";
    if (!problem)
        return TFAAS_OK;
    return error_set(r->error, TFAAS_BAD_PACKAGE, "tar entry \"%s\" has %s", shown(name), problem);
}

/* Reads the whole content of the entry, which claims `claimed` bytes. */
static tfaas_status_t read_content(struct reader *r, const char *name, int64_t claimed,
                                   size_t limit, struct build_file *file)
{
    if (claimed < 0 || (uint64_t)claimed > limit)
        return error_set(r->error, TFAAS_TOO_LARGE,
                         "tar entry \"%s\" of %lld bytes is more than the %zu that are left",
                         shown(name), (long long)claimed, limit);
    size_t size = (size_t)claimed, got = 0;
    file->data = malloc(size + 1);
    if (!file->data)
        return out_of_memory(r);
    while (got <= size) { /* one byte over shows content larger than its claim */
        la_ssize_t n = archive_read_data(r->archive, file->data + got, size + 1 - got);
        if (n < 0)
            return error_set(r->error, TFAAS_BAD_PACKAGE, "tar entry \"%s\" cannot be read: %s",
                             shown(name), archive_error_string(r->archive));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    if (got != size)
        return error_set(r->error, TFAAS_BAD_PACKAGE,
                         "tar entry \"%s\" holds %s than the %zu bytes it claims", shown(name),
                         got < size ? "less" : "more", size);
    file->size = size;
    return TFAAS_OK;
}

static tfaas_status_t keep_special(struct reader *r, const char *name, int64_t claimed,
                                   struct build_file *file)
{
    if (file->path)
        return error_set(r->error, TFAAS_BAD_PACKAGE, "tar entry \"%s\" comes twice", shown(name));
    file->path = strdup(name);
    return file->path ? read_content(r, name, claimed, CONFIG_MAX, file) : out_of_memory(r);
}

static tfaas_status_t keep_file(struct reader *r, const char *name, const char *path,
                                int64_t claimed)
{
    struct build_tar *tar = r->tar;
    size_t length = strlen(path);
    if (length > PACKAGE_PATH_MAX)
        return error_set(r->error, TFAAS_TOO_LARGE,
                         "tar entry \"%s...\" has a path of more than %u bytes", shown(name),
                         PACKAGE_PATH_MAX);
    if (!package_path_ok((struct span){(const uint8_t *)path, length}))
        return error_set(r->error, TFAAS_BAD_PACKAGE,
                         "tar entry \"%s\" has a path that is not "
                         "clean",
                         shown(name));
    if (tar->file_count == PACKAGE_FILES_MAX)
        return error_set(r->error, TFAAS_TOO_LARGE, "the function has more than %u files",
                         PACKAGE_FILES_MAX);
    if (tar->file_count == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 16;
        struct build_file *more = reallocarray(tar->files, capacity, sizeof *more);
        if (!more)
            return out_of_memory(r);
        tar->files = more;
        r->capacity = capacity;
    }
    struct build_file *file = &tar->files[tar->file_count];
    memset(file, 0, sizeof *file);
    tar->file_count++;
    file->path = strdup(path);
    if (!file->path)
        return out_of_memory(r);
    tfaas_status_t status = read_content(r, name, claimed, PACKAGE_SIZE_MAX - r->total, file);
    r->total += file->size;
    return status;
}

/* Where an entry of the remote builder's tar belongs. */
static tfaas_status_t keep_builder_entry(struct reader *r, const char *name, int64_t claimed)
{
    static const char function[] = "context/function/";
    if (strcmp(name, BUILD_CONFIG_NAME) == 0)
        return keep_special(r, name, claimed, &r->tar->config);
    if (strcmp(name, "context/template.yml") == 0)
        return keep_special(r, name, claimed, &r->tar->template_file);
    if (strncmp(name, function, sizeof function - 1) == 0)
        return keep_file(r, name, name + sizeof function - 1, claimed);
    if (strcmp(name, "context/Dockerfile") == 0)
        r->tar->has_dockerfile = true;
    return TFAAS_OK; /* the rest of the template: a container's, not ours */
}

static tfaas_status_t read_entry(struct reader *r, struct archive_entry *entry)
{
    char clean[NAME_MAX_ALL + 1];
    const char *name = archive_entry_pathname_utf8(entry);
    if (!name)
        name = archive_entry_pathname(entry);
    if (++r->entries > ENTRIES_MAX)
        return error_set(r->error, TFAAS_TOO_LARGE, "the tar has more than %u entries",
                         ENTRIES_MAX);
    if (!name || !*name)
        return error_set(r->error, TFAAS_BAD_PACKAGE, "tar entry %zu has no readable name",
                         r->entries);
    tfaas_status_t status = check_type(r, entry, name);
    if (status == TFAAS_OK)
        status = clean_name(r, name, clean);
    if (status != TFAAS_OK)
        return status;
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return TFAAS_OK;
    if (!*clean)
        return error_set(r->error, TFAAS_BAD_PACKAGE,
                         "tar entry \"%s\" names a folder but is a "
                         "file",
                         shown(name));
    int64_t claimed = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;
    return r->builder ? keep_builder_entry(r, clean, claimed) : keep_file(r, name, clean, claimed);
}

static tfaas_status_t read_entries(struct reader *r)
{
    while (true) {
        struct archive_entry *entry = NULL;
        int code = archive_read_next_header(r->archive, &entry);
        if (code == ARCHIVE_EOF)
            break;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            return error_set(r->error, TFAAS_BAD_PACKAGE,
                             "the tar is malformed after entry %zu: %s", r->entries,
                             archive_error_string(r->archive));
        tfaas_status_t status = read_entry(r, entry);
        if (status != TFAAS_OK)
            return status;
        if (archive_read_data_skip(r->archive) < ARCHIVE_WARN)
            return error_set(r->error, TFAAS_BAD_PACKAGE, "the tar is cut off in entry %zu: %s",
                             r->entries, archive_error_string(r->archive));
        r->data_end = archive_filter_bytes(r->archive, -1);
    }
    /* A tar cut off between two entries reads like a shorter one: ask for the block of zeros that
     * ends it. (The builder's is signed, and its config entry must be there.) */
    if (!r->builder && archive_filter_bytes(r->archive, -1) - r->data_end < 512)
        return error_set(r->error, TFAAS_BAD_PACKAGE,
                         "the tar is cut off: its end marker is missing");
    return TFAAS_OK;
}

static int compare_paths(const void *a, const void *b)
{
    const struct build_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* No path twice, and none that is a file here and a folder there. */
static tfaas_status_t check_clashes(struct reader *r)
{
    struct build_tar *tar = r->tar;
    if (tar->file_count > 1)
        qsort(tar->files, tar->file_count, sizeof *tar->files, compare_paths);
    for (size_t i = 1; i < tar->file_count; i++)
        if (strcmp(tar->files[i - 1].path, tar->files[i].path) == 0)
            return error_set(r->error, TFAAS_BAD_PACKAGE, "tar entry \"%s\" comes twice",
                             shown(tar->files[i].path));
    for (size_t i = 0; i < tar->file_count; i++) {
        char parent[PACKAGE_PATH_MAX + 1];
        (void)snprintf(parent, sizeof parent, "%s", tar->files[i].path);
        for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
            *slash = 0;
            struct build_file key = {.path = parent};
            if (bsearch(&key, tar->files, tar->file_count, sizeof key, compare_paths))
                return error_set(r->error, TFAAS_BAD_PACKAGE,
                                 "tar entry \"%s\" is both a file and a folder", shown(parent));
        }
    }
    return TFAAS_OK;
}

tfaas_status_t build_tar_read(const uint8_t *body, size_t size, bool builder, struct build_tar *tar,
                              struct tfaas_error *error)
{
    memset(tar, 0, sizeof *tar);
    if (size > BUILD_TAR_MAX)
        return error_set(error, TFAAS_TOO_LARGE, "tar of %zu bytes exceeds %u", size,
                         BUILD_TAR_MAX);
    if (size >= 2 && body[0] == 0x1f && body[1] == 0x8b)
        return error_set(error, TFAAS_UNSUPPORTED, "the tar is compressed: send it plain");
    struct reader r = {
        .archive = archive_read_new(), .tar = tar, .error = error, .builder = builder};
    if (!r.archive)
        return out_of_memory(&r);
    tfaas_status_t status;
    if (archive_read_support_format_tar(r.archive) != ARCHIVE_OK ||
        archive_read_open_memory(r.archive, body, size) != ARCHIVE_OK)
        status = error_set(error, TFAAS_BAD_PACKAGE, "the body is not a tar: %s",
                           archive_error_string(r.archive));
    else
        status = read_entries(&r);
    archive_read_free(r.archive);
    if (status == TFAAS_OK)
        status = check_clashes(&r);
    if (status != TFAAS_OK)
        build_tar_free(tar);
    return status;
}
