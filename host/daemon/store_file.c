/*
 * store_file.c - the store's plain files: the state folder, its lock, the keys, durable writes.
 * Must never leave a half-written file under its final name, nor a key that others can read.
 */
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

tfaas_status_t store_errno_status(int errno_value)
{
    return errno_value == ENOSPC || errno_value == EDQUOT ? TFAAS_NO_SPACE : TFAAS_INTERNAL;
}

int store_folder(int parent_fd, const char *name)
{
    if (mkdirat(parent_fd, name, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = above >= 0 ? fsync(above) : -1; /* its name, and what a crash left unsynced */
    int saved = errno;
    if (above >= 0)
        close(above);
    if (result == 0 ||
        saved == EACCES) /* a folder above that we may not read is not ours to sync */
        return fd;
    close(fd);
    errno = saved;
    return -1;
}

int store_write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int sync_fd(int fd)
{
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int store_file_put(int folder_fd, const char *name, const uint8_t *data, size_t size)
{
    char temporary[128];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", name);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return -ENAMETOOLONG;
    if (unlinkat(folder_fd, temporary, 0) != 0 && errno != ENOENT) /* of a crash */
        return -errno;
    int fd =
        openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int result = store_write_all(fd, data, size);
    if (result == 0)
        result = sync_fd(fd);
    if (close(fd) != 0 && result == 0 && errno != EINTR)
        result = -errno;
    if (result == 0 && renameat(folder_fd, temporary, folder_fd, name) != 0)
        result = -errno;
    if (result != 0) {
        (void)unlinkat(folder_fd, temporary, 0);
        return result;
    }
    return sync_fd(folder_fd);
}

int store_file_get(int folder_fd, const char *name, size_t max, uint8_t **data, size_t *size)
{
    struct stat st;
    *data = NULL;
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int result = 0;
    if (fstat(fd, &st) != 0)
        result = -errno;
    else if (!S_ISREG(st.st_mode))
        result = -EINVAL;
    else if (st.st_size < 0 || (uint64_t)st.st_size > max)
        result = -EFBIG;
    size_t want = result == 0 ? (size_t)st.st_size : 0, got = 0;
    uint8_t *bytes = result == 0 ? malloc(want + 1) : NULL;
    if (result == 0 && !bytes)
        result = -ENOMEM;
    while (result == 0 && got < want) {
        ssize_t n = read(fd, bytes + got, want - got);
        if (n < 0 && errno != EINTR)
            result = -errno;
        if (n == 0)
            result = -EIO; /* shrank */
        if (n > 0)
            got += (size_t)n;
    }
    close(fd);
    if (result != 0) {
        free(bytes);
        return result;
    }
    *data = bytes;
    *size = got;
    return 0;
}

/* A key file must be ours alone: a group-readable key is a key that leaked. */
static tfaas_status_t key_file_check(struct store *store, const char *name, bool *there,
                                     struct tfaas_error *error)
{
    struct stat st;
    *there = fstatat(store->state_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*there && errno != ENOENT)
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot look at %s/%s", store->path, name);
    if (!*there)
        return TFAAS_OK;
    if (!S_ISREG(st.st_mode))
        return error_set(error, TFAAS_INTERNAL, "%s/%s is not a plain file", store->path, name);
    if (st.st_uid != geteuid())
        return error_set(error, TFAAS_INTERNAL, "%s/%s belongs to user %u, tfaasd runs as %u",
                         store->path, name, (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 077)
        return error_set(error, TFAAS_INTERNAL,
                         "%s/%s can be reached by others (mode %03o): change its content if it may "
                         "have been read, then chmod 600 it",
                         store->path, name, (unsigned)st.st_mode & 0777);
    return TFAAS_OK;
}

/* Loads a key file into data (at most max bytes), or makes it from `fresh`. */
static tfaas_status_t key_file_load(struct store *store, const char *name, const uint8_t *fresh,
                                    size_t fresh_size, uint8_t *data, size_t max, size_t *size,
                                    struct tfaas_error *error)
{
    bool there;
    tfaas_status_t status = key_file_check(store, name, &there, error);
    if (status != TFAAS_OK)
        return status;
    if (!there) {
        int result = store_file_put(store->state_fd, name, fresh, fresh_size);
        if (result != 0)
            return error_errno(error, store_errno_status(-result), -result, "cannot write %s/%s",
                               store->path, name);
    }
    uint8_t *bytes = NULL;
    int result = store_file_get(store->state_fd, name, max, &bytes, size);
    if (result != 0)
        return error_errno(error, TFAAS_INTERNAL, -result, "cannot read %s/%s", store->path, name);
    memcpy(data, bytes, *size);
    sodium_memzero(bytes, *size);
    free(bytes);
    return TFAAS_OK;
}

static tfaas_status_t payload_secret_load(struct store *store, struct tfaas_error *error)
{
    uint8_t random[STORE_PAYLOAD_SECRET_SIZE / 2];
    char fresh[STORE_PAYLOAD_SECRET_SIZE + 2];
    uint8_t *text = (uint8_t *)store->payload_secret;
    size_t size = 0;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(fresh, sizeof fresh, random, sizeof random);
    fresh[STORE_PAYLOAD_SECRET_SIZE] = '\n';
    tfaas_status_t status = key_file_load(store, "payload-secret", (const uint8_t *)fresh,
                                          STORE_PAYLOAD_SECRET_SIZE + 1, text,
                                          sizeof store->payload_secret - 1, &size, error);
    sodium_memzero(random, sizeof random);
    sodium_memzero(fresh, sizeof fresh);
    if (status != TFAAS_OK)
        return status;
    size_t start = 0; /* clients trim it too */
    while (size > 0 && text[size - 1] <= ' ')
        size--;
    while (start < size && text[start] <= ' ')
        start++;
    memmove(text, text + start, size - start);
    text[size - start] = 0;
    if (size - start < 16 || memchr(text, 0, size - start))
        return error_set(error, TFAAS_INTERNAL,
                         "%s/payload-secret holds less than 16 characters of text; remove it and "
                         "a new one is made",
                         store->path);
    return TFAAS_OK;
}

tfaas_status_t store_root_seed(struct store *store, uint8_t seed[32], struct tfaas_error *error)
{
    uint8_t fresh[32];
    size_t size = 0;
    randombytes_buf(fresh, sizeof fresh);
    tfaas_status_t status =
        key_file_load(store, "simulated-root.key", fresh, sizeof fresh, seed, 32, &size, error);
    sodium_memzero(fresh, sizeof fresh);
    if (status == TFAAS_OK && size != 32)
        status = error_set(error, TFAAS_INTERNAL,
                           "%s/simulated-root.key holds %zu bytes, not 32: put it back from your "
                           "copy, or remove it and seal everything again",
                           store->path, size);
    return status;
}

tfaas_status_t store_keys_load(struct store *store, bool must_exist, struct tfaas_error *error)
{
    uint8_t fresh[crypto_kdf_KEYBYTES], key[crypto_kdf_KEYBYTES];
    size_t size = 0;
    struct stat st;
    if (must_exist && fstatat(store->state_fd, "secret.key", &st, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT)
        return error_set(error, TFAAS_INTERNAL,
                         "%s/secret.key is missing but %s/tfaas.db was sealed with it: put the key "
                         "back from your copy; without it move tfaas.db away too and deploy again",
                         store->path, store->path);
    randombytes_buf(fresh, sizeof fresh);
    tfaas_status_t status =
        key_file_load(store, "secret.key", fresh, sizeof fresh, key, sizeof key, &size, error);
    sodium_memzero(fresh, sizeof fresh);
    if (status == TFAAS_OK && size != sizeof key)
        status = error_set(error, TFAAS_INTERNAL,
                           "%s/secret.key holds %zu bytes, not %zu: put it back from your copy",
                           store->path, size, sizeof key);
    if (status == TFAAS_OK) {
        crypto_kdf_derive_from_key(store->secret_key, sizeof store->secret_key, 1, "tfaas-st", key);
        crypto_kdf_derive_from_key(store->seal_key, sizeof store->seal_key, 2, "tfaas-st", key);
    }
    sodium_memzero(key, sizeof key);
    return status == TFAAS_OK ? payload_secret_load(store, error) : status;
}

tfaas_status_t store_lock(struct store *store, struct tfaas_error *error)
{
    char pid[24] = "";
    store->lock_fd =
        openat(store->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock_fd < 0)
        return error_errno(error, store_errno_status(errno), errno, "cannot open %s/lock",
                           store->path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return error_errno(error, TFAAS_INTERNAL, errno, "cannot lock %s/lock", store->path);
        ssize_t n = pread(store->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = 0;
        pid[strspn(pid, "0123456789")] = 0;
        return error_set(error, TFAAS_CONFLICT, "another tfaasd (pid %s) uses %s",
                         pid[0] ? pid : "unknown", store->path);
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(store->lock_fd, 0) != 0 || pwrite(store->lock_fd, pid, (size_t)n, 0) != n)
        return error_errno(error, store_errno_status(errno), errno, "cannot write %s/lock",
                           store->path);
    return TFAAS_OK;
}
