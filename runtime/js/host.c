/*
 * host.c - see host.h. Paths are given relative to descriptor 3, the preopened "/".
 * Must never write anywhere but standard error.
 */
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>
#include "host.h"

#define ROOT_FD       3
#define LOG_FD        2
#define FILE_MAX      (64u << 20)
#define DIRECTORY_MAX (1u << 20)

void host_log(const char *text, size_t size)
{
    __wasi_ciovec_t piece = {(const uint8_t *)text, size};
    __wasi_size_t written;

    /* a full log is the host's business; the function goes on */
    __wasi_errno_t ignored = __wasi_fd_write(LOG_FD, &piece, 1, &written);
    (void)ignored;
}

void host_random(void *dst, size_t size)
{
    if (__wasi_random_get(dst, size) != __WASI_ERRNO_SUCCESS)
        __builtin_trap();
}

static uint64_t clock_ns(__wasi_clockid_t id)
{
    __wasi_timestamp_t now = 0;

    if (__wasi_clock_time_get(id, 1000, &now) != __WASI_ERRNO_SUCCESS)
        return 0;
    return now;
}

uint64_t host_monotonic_ns(void)
{
    return clock_ns(__WASI_CLOCKID_MONOTONIC);
}

uint64_t host_realtime_ns(void)
{
    return clock_ns(__WASI_CLOCKID_REALTIME);
}

static const char *relative(const char *path)
{
    while (*path == '/')
        path++;
    return *path ? path : ".";
}

enum host_kind host_stat(const char *path, uint64_t *size)
{
    __wasi_filestat_t stat;

    if (__wasi_path_filestat_get(ROOT_FD, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, relative(path),
                                 &stat) != __WASI_ERRNO_SUCCESS)
        return HOST_NOTHING;
    *size = stat.size;
    if (stat.filetype == __WASI_FILETYPE_DIRECTORY)
        return HOST_DIRECTORY;
    return stat.filetype == __WASI_FILETYPE_REGULAR_FILE ? HOST_FILE : HOST_NOTHING;
}

static int open_path(const char *path, __wasi_oflags_t flags, __wasi_rights_t rights,
                     __wasi_fd_t *fd)
{
    return __wasi_path_open(ROOT_FD, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, relative(path), flags,
                            rights, 0, 0, fd);
}

char *host_read_file(const char *path, size_t *size, int *error)
{
    uint64_t expected = 0;
    size_t have = 0, room;
    char *data = NULL;
    __wasi_fd_t fd;
    enum host_kind kind = host_stat(path, &expected);

    *error = kind == HOST_DIRECTORY ? __WASI_ERRNO_ISDIR : __WASI_ERRNO_NOENT;
    if (kind != HOST_FILE)
        return NULL;
    *error = __WASI_ERRNO_FBIG;
    if (expected > FILE_MAX)
        return NULL;
    *error = open_path(path, 0, __WASI_RIGHTS_FD_READ, &fd);
    if (*error)
        return NULL;
    room = (size_t)expected;
    data = malloc(room + 1);
    *error = data ? 0 : __WASI_ERRNO_NOMEM;
    while (!*error && have < room) {
        __wasi_iovec_t piece = {(uint8_t *)data + have, room - have};
        __wasi_size_t got = 0;

        *error = __wasi_fd_read(fd, &piece, 1, &got);
        if (got == 0)
            break;
        have += got;
    }
    if (__wasi_fd_close(fd) && !*error)
        *error = __WASI_ERRNO_IO;
    if (*error) {
        free(data);
        return NULL;
    }
    data[have] = '\0';
    *size = have;
    return data;
}

/* Appends the whole entries of one fd_readdir buffer; returns the bytes consumed. */
static size_t append_names(const uint8_t *buffer, size_t used, char *names, size_t *size,
                           __wasi_dircookie_t *cookie)
{
    size_t at = 0;
    __wasi_dirent_t entry;

    while (used - at >= sizeof(entry)) {
        const char *name = (const char *)buffer + at + sizeof(entry);

        memcpy(&entry, buffer + at, sizeof(entry));
        if (entry.d_namlen > used - at - sizeof(entry))
            break;
        at += sizeof(entry) + entry.d_namlen;
        *cookie = entry.d_next;
        if ((entry.d_namlen == 1 && name[0] == '.') ||
            (entry.d_namlen == 2 && name[0] == '.' && name[1] == '.'))
            continue;
        memcpy(names + *size, name, entry.d_namlen);
        names[*size + entry.d_namlen] = '\0';
        *size += entry.d_namlen + 1;
    }
    return at;
}

char *host_list_directory(const char *path, size_t *size, int *error)
{
    static uint8_t buffer[4096];
    __wasi_dircookie_t cookie = __WASI_DIRCOOKIE_START;
    __wasi_size_t used = 0;
    char *names, *grown;
    __wasi_fd_t fd;

    *size = 0;
    *error = open_path(path, __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR, &fd);
    if (*error)
        return NULL;
    names = malloc(1);
    *error = names ? 0 : __WASI_ERRNO_NOMEM;
    while (!*error) {
        *error = __wasi_fd_readdir(fd, buffer, sizeof(buffer), cookie, &used);
        if (*error || used == 0)
            break;
        grown = *size > DIRECTORY_MAX ? NULL : realloc(names, *size + used + 1);
        if (!grown) {
            *error = __WASI_ERRNO_NOMEM;
            break;
        }
        names = grown;
        /* a name longer than the buffer would never be consumed */
        if (append_names(buffer, used, names, size, &cookie) == 0 || used < sizeof(buffer))
            break;
    }
    if (__wasi_fd_close(fd) && !*error)
        *error = __WASI_ERRNO_IO;
    if (*error) {
        free(names);
        return NULL;
    }
    return names;
}

typedef __wasi_errno_t strings_sizes(__wasi_size_t *, __wasi_size_t *);
typedef __wasi_errno_t strings_get(uint8_t **, uint8_t *);

/* args_get and environ_get have one shape: pointers in order into one block of strings. */
static char *strings(strings_sizes *sizes, strings_get *get, size_t *count)
{
    __wasi_size_t string_count = 0, bytes = 0;
    uint8_t **pointers;
    uint8_t *block;

    *count = 0;
    if (sizes(&string_count, &bytes) != __WASI_ERRNO_SUCCESS || string_count == 0)
        return NULL;
    pointers = calloc(string_count, sizeof(*pointers));
    block = malloc(bytes + 1);
    if (!pointers || !block || get(pointers, block) != __WASI_ERRNO_SUCCESS) {
        free(pointers);
        free(block);
        return NULL;
    }
    free(pointers);
    block[bytes] = '\0';
    *count = string_count;
    return (char *)block;
}

char *host_arguments(size_t *count)
{
    return strings(__wasi_args_sizes_get, __wasi_args_get, count);
}

char *host_environment(size_t *count)
{
    return strings(__wasi_environ_sizes_get, __wasi_environ_get, count);
}
