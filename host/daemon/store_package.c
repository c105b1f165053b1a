/*
 * store_package.c - packages as files STATE/packages/HEX, and the image names that point to them.
 * A package is written before the row that names it and dropped after the last such row: a crash
 * leaves at most a file nobody names, which the next open drops. Must never serve bytes that differ
 * from the digest.
 */
#include "store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_SIZE (2 * PACKAGE_DIGEST_SIZE)

static void digest_name(const uint8_t digest[PACKAGE_DIGEST_SIZE], char name[HEX_SIZE + 1])
{
    sodium_bin2hex(name, HEX_SIZE + 1, digest, PACKAGE_DIGEST_SIZE);
}

bool store_has_package(const struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    char name[HEX_SIZE + 1];
    struct stat st;
    digest_name(digest, name);
    return fstatat(store->packages_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

tfaas_status_t store_get_package(struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE],
                                 uint8_t **bytes, size_t *size, struct tfaas_error *error)
{
    char name[HEX_SIZE + 1];
    uint8_t actual[PACKAGE_DIGEST_SIZE];
    digest_name(digest, name);
    int result = store_file_get(store->packages_fd, name, PACKAGE_SIZE_MAX, bytes, size);
    if (result == -ENOENT)
        return error_set(error, TFAAS_NOT_FOUND, "package sha256:%s is not in %s/packages", name,
                         store->path);
    if (result != 0)
        return error_errno(error, TFAAS_INTERNAL, -result, "cannot read %s/packages/%s",
                           store->path, name);
    crypto_hash_sha256(actual, *bytes, *size);
    if (memcmp(actual, digest, sizeof actual) == 0)
        return TFAAS_OK;
    free(*bytes);
    *bytes = NULL;
    return error_set(
        error, TFAAS_INTERNAL,
        "%s/packages/%s is damaged: its content does not match its name; build or push "
        "that image again",
        store->path, name);
}

/* Is any row pointing to it? On failure: yes, for then it must stay. */
static bool referenced(struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    struct tfaas_error ignored;
    sqlite3_stmt *statement = NULL;
    bool row = true;
    const void *key = digest;
    if (store_query(store, &ignored, &statement,
                    "SELECT 1 FROM images WHERE digest = ?1 UNION ALL "
                    "SELECT 1 FROM functions WHERE digest = ?1",
                    "b", key, (size_t)PACKAGE_DIGEST_SIZE) != TFAAS_OK)
        return true;
    if (store_step(store, &statement, &row, &ignored) != TFAAS_OK)
        row = true;
    sqlite3_finalize(statement);
    return row;
}

void store_drop_package(struct store *store, const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    char name[HEX_SIZE + 1];
    if (referenced(store, digest))
        return;
    digest_name(digest, name);
    (void)unlinkat(store->packages_fd, name, 0);
}

tfaas_status_t store_sweep_packages(struct store *store, struct tfaas_error *error)
{
    int fd = openat(store->packages_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return error_errno(error, TFAAS_INTERNAL, saved, "cannot list %s/packages", store->path);
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        uint8_t digest[PACKAGE_DIGEST_SIZE];
        size_t size = 0;
        const char *end = NULL;
        if (strlen(entry->d_name) < HEX_SIZE ||
            sodium_hex2bin(digest, sizeof digest, entry->d_name, HEX_SIZE, NULL, &size, &end) !=
                0 ||
            size != sizeof digest)
            continue; /* not ours */
        if (strcmp(entry->d_name + HEX_SIZE, ".tmp") == 0)
            (void)unlinkat(store->packages_fd, entry->d_name, 0);
        else if (entry->d_name[HEX_SIZE] == 0)
            store_drop_package(store, digest);
    }
    closedir(folder);
    return TFAAS_OK;
}

/* --- image names --- */

static void image_fields(struct store_field fields[2], const char *name, const void *digest)
{
    fields[0] = (struct store_field){name, strlen(name)};
    fields[1] = (struct store_field){digest, digest ? PACKAGE_DIGEST_SIZE : 0};
}

/* NOT_FOUND when no image has that name. */
static tfaas_status_t read_image(struct store *store, const char *name,
                                 uint8_t digest[PACKAGE_DIGEST_SIZE], struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status = store_query(
        store, error, &statement, "SELECT digest, seal FROM images WHERE name = ?1", "t", name);
    if (status == TFAAS_OK)
        status = store_step(store, &statement, &row, error);
    if (status == TFAAS_OK && !row)
        status = error_set(error, TFAAS_NOT_FOUND, "image %s is not in the store", name);
    if (status == TFAAS_OK) {
        const uint8_t *stored = store_column_blob(statement, 0, PACKAGE_DIGEST_SIZE);
        struct store_field fields[2];
        image_fields(fields, name, stored);
        if (stored && store_sealed(store, "images", fields, 2,
                                   store_column_blob(statement, 1, STORE_SEAL_SIZE)))
            memcpy(digest, stored, PACKAGE_DIGEST_SIZE);
        else
            status = store_damaged(store, "image", name, error);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_check_images(struct store *store, struct tfaas_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    tfaas_status_t status =
        store_query(store, error, &statement, "SELECT name, digest, seal FROM images", "");
    while (status == TFAAS_OK && statement) {
        status = store_step(store, &statement, &row, error);
        if (status != TFAAS_OK || !row)
            break;
        const char *name = store_column_text(statement, 0);
        struct store_field fields[2];
        image_fields(fields, name ? name : "",
                     store_column_blob(statement, 1, PACKAGE_DIGEST_SIZE));
        if (!store_sealed(store, "images", fields, 2,
                          store_column_blob(statement, 2, STORE_SEAL_SIZE)))
            status = store_damaged(store, "image", name ? name : "(unreadable)", error);
    }
    sqlite3_finalize(statement);
    return status;
}

tfaas_status_t store_resolve_image(struct store *store, const char *image,
                                   uint8_t digest[PACKAGE_DIGEST_SIZE], struct tfaas_error *error)
{
    struct store_image parsed;
    if (!store_image_parse(image, &parsed))
        return error_set(error, TFAAS_BAD_REQUEST, "malformed image reference \"%.120s\"",
                         image ? image : "");
    if (!parsed.has_digest)
        return read_image(store, parsed.name, digest, error);
    if (!referenced(store, parsed.digest) || !store_has_package(store, parsed.digest))
        return error_set(error, TFAAS_NOT_FOUND, "image %.300s is not in the store", image);
    memcpy(digest, parsed.digest, PACKAGE_DIGEST_SIZE);
    return TFAAS_OK;
}

static tfaas_status_t point_image(struct store *store, const char *name, const uint8_t *digest,
                                  bool *had, uint8_t *before, struct tfaas_error *error)
{
    struct store_field fields[2];
    uint8_t seal[STORE_SEAL_SIZE];
    tfaas_status_t status = read_image(store, name, before, error);
    *had = status == TFAAS_OK;
    if (status != TFAAS_OK && status != TFAAS_NOT_FOUND)
        return status;
    image_fields(fields, name, digest);
    store_seal(store, "images", fields, 2, seal);
    return STORE_RUN(store, error, "INSERT OR REPLACE INTO images VALUES (?1, ?2, ?3)", "tbb", name,
                     (const void *)digest, (size_t)PACKAGE_DIGEST_SIZE, (const void *)seal,
                     sizeof seal);
}

/* Writes the file unless it is there, whole. A damaged one is replaced. */
static tfaas_status_t keep_file(struct store *store, const uint8_t *digest, const uint8_t *bytes,
                                size_t size, struct tfaas_error *error)
{
    char name[HEX_SIZE + 1];
    uint8_t *there = NULL;
    size_t there_size = 0;
    digest_name(digest, name);
    bool same =
        store_file_get(store->packages_fd, name, PACKAGE_SIZE_MAX, &there, &there_size) == 0 &&
        there_size == size && memcmp(there, bytes, size) == 0;
    free(there);
    if (same) /* it may be of a call that failed before its sync of the folder */
        return fsync(store->packages_fd) == 0 ? TFAAS_OK
                                              : error_errno(error, store_errno_status(errno), errno,
                                                            "cannot sync %s/packages", store->path);
    int result = store_file_put(store->packages_fd, name, bytes, size);
    if (result != 0)
        return error_errno(error, store_errno_status(-result), -result,
                           "cannot write %s/packages/%s", store->path, name);
    return TFAAS_OK;
}

tfaas_status_t store_put_package(struct store *store, const char *image, const uint8_t *bytes,
                                 size_t size, uint8_t digest[PACKAGE_DIGEST_SIZE],
                                 struct tfaas_error *error)
{
    struct store_image parsed;
    uint8_t before[PACKAGE_DIGEST_SIZE];
    bool had = false;
    if (!store_image_parse(image, &parsed))
        return error_set(error, TFAAS_BAD_REQUEST, "malformed image reference \"%.120s\"",
                         image ? image : "");
    if (size > PACKAGE_SIZE_MAX)
        return error_set(error, TFAAS_TOO_LARGE, "package of %zu bytes exceeds %u", size,
                         PACKAGE_SIZE_MAX);
    crypto_hash_sha256(digest, bytes, size);
    if (parsed.has_digest && memcmp(parsed.digest, digest, PACKAGE_DIGEST_SIZE) != 0)
        return error_set(error, TFAAS_BAD_REQUEST,
                         "the package does not have the digest that the image reference names");
    tfaas_status_t status = keep_file(store, digest, bytes, size, error);
    if (status == TFAAS_OK)
        status = store_begin(store, error);
    if (status == TFAAS_OK)
        status =
            store_end(store, point_image(store, parsed.name, digest, &had, before, error), error);
    if (status != TFAAS_OK)
        store_drop_package(store, digest);
    else if (had)
        store_drop_package(store, before);
    return status;
}
