/*
 * cli_package.c - packs a folder into a package (common/package.h). Follows no links, takes regular
 * files only, in an order that depends on their names alone.
 */
#define _GNU_SOURCE
#include "cli_package.h"
#include "cli_client.h"
#include "package.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16u

struct packing {
    struct package_file *files;
    size_t count, capacity, total;
};

static bool told(const char *path, const char *what)
{
    fprintf(stderr, "tfaas: %s: %s\n", path, what);
    return false;
}

static bool read_fd(int fd, size_t size, uint8_t **out)
{
    size_t at = 0;
    *out = malloc(size + 1);
    while (*out && at < size) {
        ssize_t got = read(fd, *out + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return *out != NULL;
}

static bool add_file(struct packing *p, int folder, const char *name, const char *path, size_t size)
{
    uint8_t *content = NULL;
    char *copy = strdup(path);
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    p->total += size;
    bool good = fd >= 0 && copy && p->total <= PACKAGE_SIZE_MAX && p->count < PACKAGE_FILES_MAX &&
                read_fd(fd, size, &content);
    if (fd >= 0)
        close(fd);
    if (good && p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 64;
        struct package_file *bigger = realloc(p->files, p->capacity * sizeof(*bigger));
        good = bigger != NULL;
        p->files = bigger ? bigger : p->files;
    }
    if (!good) {
        free(content);
        free(copy);
        return told(path, "cannot be read, or the package is too large");
    }
    p->files[p->count++] = (struct package_file){.path = {(const uint8_t *)copy, strlen(copy)},
                                                 .content = {content, size}};
    return true;
}

static bool add_folder(struct packing *p, int fd, const char *prefix, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    bool good = dir != NULL;
    if (!dir)
        close(fd);
    for (struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
        char path[PACKAGE_PATH_MAX + 1];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int size = snprintf(path, sizeof(path), "%s%s", prefix, entry->d_name);
        if (size < 0 || (size_t)size >= sizeof(path) - 1)
            good = told(prefix, "a path is too long");
        else if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            good = told(path, strerror(errno));
        else if (S_ISREG(st.st_mode))
            good = add_file(p, dirfd(dir), entry->d_name, path, (size_t)st.st_size);
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
            int inner =
                openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            memcpy(path + size, "/", 2);
            good = inner >= 0 ? add_folder(p, inner, path, depth + 1) : told(path, strerror(errno));
        } else
            good = told(path, "neither a file nor a folder, or too deep");
    }
    if (dir)
        closedir(dir);
    return good;
}

static const char *find_entry(const struct packing *p, const char *wanted)
{
    static const char *const names[] = {"function.wasm", "handler.js", "handler.mjs", "handler.cjs",
                                        "index.js",      "index.mjs",  "index.cjs",   "handler.py"};
    for (size_t i = 0; i < (wanted ? 1 : sizeof(names) / sizeof(names[0])); i++)
        for (size_t k = 0; k < p->count; k++)
            if (span_is(p->files[k].path, wanted ? wanted : names[i]))
                return wanted ? wanted : names[i];
    return NULL;
}

static bool pack(const char *path, const char *wanted, struct packing *p, uint8_t **out,
                 size_t *out_size)
{
    const char *why = "", *entry;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return told(path, strerror(errno));
    if (!add_folder(p, fd, "", 0))
        return false;
    entry = find_entry(p, wanted);
    if (!entry)
        return told(path, wanted ? "the entry is not there"
                                 : "no handler.js, index.js, handler.py or function.wasm: name it "
                                   "by --entry");
    size_t size = strlen(entry);
    bool wasm = size > 5 && strcmp(entry + size - 5, ".wasm") == 0;
    bool python = size > 3 && strcmp(entry + size - 3, ".py") == 0;
    if (package_write(wasm     ? "wasm"
                      : python ? "python"
                               : "js",
                      entry, p->files, p->count, out, out_size, &why) != TFAAS_OK)
        return told(path, why);
    return true;
}

bool cli_package(const char *path, const char *entry, uint8_t **out, size_t *out_size)
{
    struct stat st;
    struct packing p = {.count = 0};
    struct package check;
    const char *why = "";
    if (stat(path, &st) != 0)
        return told(path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        bool good = pack(path, entry, &p, out, out_size);
        for (size_t i = 0; i < p.count; i++) {
            free((void *)(uintptr_t)p.files[i].path.data);
            free((void *)(uintptr_t)p.files[i].content.data);
        }
        free(p.files);
        return good;
    }
    *out = cli_read_file(path, PACKAGE_SIZE_MAX, out_size);
    if (!*out)
        return false;
    if (package_read(*out, *out_size, &check, &why) == TFAAS_OK) {
        package_free(&check);
        return true;
    }
    free(*out);
    return told(path, why);
}
