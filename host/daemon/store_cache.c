/*
 * store_cache.c - native code that cores compiled and sealed (abi.h, CACHE), as files
 * STATE/cache/HEX, one per namespace and package, least recently used dropped first. Not durable on
 * purpose: the cores' key is gone after a restart, so the folder starts empty. Only a core can tell
 * whether a file is whole; it compiles when not.
 */
#include "store_internal.h"

#include "tfaas/abi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 32u
#define TOTAL_MAX  (UINT64_C(1) << 30)
#define FILES_MAX  4096u

struct store_cached {
    char name[2 * NAME_BYTES + 1];
    size_t size;
    TAILQ_ENTRY(store_cached) entry;
};

static void make_name(char name[2 * NAME_BYTES + 1], const char *ns,
                      const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    uint8_t hash[NAME_BYTES];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    (void)crypto_generichash_update(&state, digest, PACKAGE_DIGEST_SIZE);
    (void)crypto_generichash_update(&state, (const uint8_t *)ns, strlen(ns));
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(name, 2 * NAME_BYTES + 1, hash, sizeof hash);
}

static struct store_cached *find(struct store *store, const char *name)
{
    struct store_cached *each;
    TAILQ_FOREACH(each, &store->cached, entry)
    {
        if (strcmp(each->name, name) == 0)
            return each;
    }
    return NULL;
}

static void drop(struct store *store, struct store_cached *cached)
{
    (void)unlinkat(store->cache_fd, cached->name, 0);
    TAILQ_REMOVE(&store->cached, cached, entry);
    store->cached_total -= cached->size;
    store->cached_count--;
    free(cached);
}

tfaas_status_t store_cache_open(struct store *store, struct tfaas_error *error)
{
    TAILQ_INIT(&store->cached);
    store->cache_fd = store_folder(store->state_fd, "cache");
    int fd = store->cache_fd >= 0 ? openat(store->cache_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                  : -1;
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return error_errno(error, store_errno_status(saved), saved, "cannot open %s/cache",
                           store->path);
    }
    for (struct dirent *each; (each = readdir(folder)) != NULL;)
        if (strlen(each->d_name) == 2 * NAME_BYTES) /* sealed with a key that is gone */
            (void)unlinkat(store->cache_fd, each->d_name, 0);
    closedir(folder);
    return TFAAS_OK;
}

void store_cache_close(struct store *store)
{
    while (store->cache_fd >= 0 && !TAILQ_EMPTY(&store->cached))
        drop(store, TAILQ_FIRST(&store->cached));
    if (store->cache_fd >= 0)
        close(store->cache_fd);
}

void store_put_cache(struct store *store, const char *ns, const uint8_t digest[PACKAGE_DIGEST_SIZE],
                     const uint8_t *bytes, size_t size)
{
    struct store_cached *cached = calloc(1, sizeof *cached);
    if (!cached)
        return;
    make_name(cached->name, ns, digest);
    struct store_cached *old = find(store, cached->name);
    if (old)
        drop(store, old);
    while (!TAILQ_EMPTY(&store->cached) &&
           (store->cached_total + size > TOTAL_MAX || store->cached_count >= FILES_MAX))
        drop(store, TAILQ_FIRST(&store->cached));
    int fd = openat(store->cache_fd, cached->name,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && store_write_all(fd, bytes, size) == 0;
    if (fd >= 0)
        close(fd);
    if (!good) {
        (void)unlinkat(store->cache_fd, cached->name, 0);
        free(cached);
        return;
    }
    cached->size = size;
    TAILQ_INSERT_TAIL(&store->cached, cached, entry);
    store->cached_total += size;
    store->cached_count++;
}

bool store_get_cache(struct store *store, const char *ns, const uint8_t digest[PACKAGE_DIGEST_SIZE],
                     uint8_t **bytes, size_t *size)
{
    char name[2 * NAME_BYTES + 1];
    make_name(name, ns, digest);
    struct store_cached *cached = find(store, name);
    if (!cached)
        return false;
    if (store_file_get(store->cache_fd, name, TFAAS_CACHE_MAX, bytes, size) != 0) {
        drop(store, cached);
        return false;
    }
    TAILQ_REMOVE(&store->cached, cached, entry);
    TAILQ_INSERT_TAIL(&store->cached, cached, entry);
    return true;
}

void store_drop_cache(struct store *store, const char *ns,
                      const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    char name[2 * NAME_BYTES + 1];
    make_name(name, ns, digest);
    struct store_cached *cached = find(store, name);
    if (cached)
        drop(store, cached);
}
