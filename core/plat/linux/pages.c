/*
 * pages.c - address space, pages and images. Must never make a page writable and executable, and
 * never hand out an image that can still change.
 */
#include "linux.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

void *plat_reserve(size_t size)
{
    void *at = mmap(NULL, size, PROT_NONE, ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void plat_release(void *at, size_t size)
{
    if (munmap(at, size) != 0) {
        plat_abort("memory could not be released");
    }
}

bool plat_commit(void *at, size_t size)
{
    return mmap(at, size, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_FIXED, -1, 0) == at;
}

void plat_decommit(void *at, size_t size)
{
    /* What was there must be gone afterwards: an invocation's memory hangs on it. */
    if (mmap(at, size, PROT_NONE, ANONYMOUS | MAP_FIXED, -1, 0) != at) {
        plat_abort("memory could not be dropped");
    }
}

void plat_protect(void *at, size_t size, enum plat_access access)
{
    const int protection = access == PLAT_NONE   ? PROT_NONE
                           : access == PLAT_READ ? PROT_READ
                                                 : PROT_READ | PROT_WRITE;
    /* Going on with the old protection would lose writes from the record of what to restore. */
    if (mprotect(at, size, protection) != 0) {
        plat_abort("memory protection could not be changed");
    }
}

static size_t whole_pages(size_t size)
{
    return (size + PLAT_PAGE - 1) & ~(size_t)(PLAT_PAGE - 1);
}

static bool page_is_zero(const uint8_t *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

static bool write_all(int fd, const uint8_t *from, size_t size, size_t offset)
{
    while (size > 0) {
        const ssize_t n = pwrite(fd, from, size, (off_t)offset);
        if (n <= 0) {
            return false;
        }
        from += n;
        offset += (size_t)n;
        size -= (size_t)n;
    }
    return true;
}

/* Calls `each` for every run of pages that are not all zero. */
static bool for_nonzero_runs(const uint8_t *from, size_t size,
                             bool (*each)(void *to, const uint8_t *from, size_t size, size_t at),
                             void *to)
{
    size_t run_start = 0;
    bool in_run = false;
    for (size_t at = 0; at < size; at += PLAT_PAGE) {
        const size_t piece = size - at < PLAT_PAGE ? size - at : PLAT_PAGE;
        const bool zero = page_is_zero(from + at, piece);
        if (!zero && !in_run) {
            run_start = at;
        }
        if (zero && in_run && !each(to, from + run_start, at - run_start, run_start)) {
            return false;
        }
        in_run = !zero;
    }
    return !in_run || each(to, from + run_start, size - run_start, run_start);
}

struct sink {
    int fd;
    size_t used;
};

static bool run_to_file(void *to, const uint8_t *from, size_t size, size_t at)
{
    struct sink *sink = to;
    sink->used += whole_pages(size);
    return write_all(sink->fd, from, size, at);
}

struct plat_run {
    size_t at, size;
};

/* Copies a run and remembers where it is: whoever maps the image later looks at no other page. */
static bool run_to_memory(void *to, const uint8_t *from, size_t size, size_t at)
{
    struct plat_image *image = to;
    if ((image->run_count & (image->run_count - 1)) == 0) { /* 0, 1, 2, 4, 8... are there */
        const size_t more = image->run_count != 0 ? 2 * image->run_count : 1;
        struct plat_run *runs = realloc(image->runs, more * sizeof(*runs));
        if (runs == NULL) {
            return false;
        }
        image->runs = runs;
    }
    image->runs[image->run_count++] = (struct plat_run){at, size};
    memcpy((uint8_t *)(uintptr_t)image->bytes + at, from, size);
    return true;
}

/* Before the fork, and in a machine: private memory. A worker shares what was there before the fork
 * by copy-on-write and not by a file. */
static bool image_in_memory(struct plat_image *image, const void *from, size_t size, size_t total)
{
    uint8_t *bytes = mmap(NULL, whole_pages(total), PROT_READ | PROT_WRITE, ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return false;
    }
    *image = (struct plat_image){.bytes = bytes, .size = total, .fd = -1};
    if (!for_nonzero_runs(from, size, run_to_memory, image)) {
        plat_image_destroy(image);
        return false;
    }
    plat_protect(bytes, whole_pages(total), PLAT_READ);
    image->used = plat_machine ? whole_pages(total) : 0;
    image->is_private = true;
    return true;
}

/* From now on nobody writes it. */
static bool seal_file(struct plat_image *image, int fd, size_t total, size_t used)
{
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        return false;
    }
    uint8_t *bytes = mmap(NULL, whole_pages(total), PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return false;
    }
    *image = (struct plat_image){.bytes = bytes, .size = total, .used = used, .fd = fd};
    return true;
}

static bool image_in_file(struct plat_image *image, int fd, const void *from, size_t size,
                          size_t total)
{
    /* Pages of zeroes stay holes in the file. */
    struct sink to = {.fd = fd};
    return ftruncate(fd, (off_t)whole_pages(total)) == 0 &&
           for_nonzero_runs(from, size, run_to_file, &to) && seal_file(image, fd, total, to.used);
}

bool plat_image_create(struct plat_image *image, const void *from, size_t size, size_t total)
{
    *image = (struct plat_image){.fd = -1};
    if (total == 0 || total > SIZE_MAX / 2 || size > total) {
        return false;
    }
    if (!plat_linux_attached() || plat_machine) {
        return image_in_memory(image, from, from ? size : 0, total);
    }
    const int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return false;
    }
    if (!image_in_file(image, fd, from, from ? size : 0, total)) {
        close(fd);
        return false;
    }
    return true;
}

bool plat_image_gather(struct plat_image *image, const uint8_t *from, const uint32_t *pages,
                       size_t count)
{
    const size_t size = count * PLAT_PAGE;
    *image = (struct plat_image){.fd = -1};
    if (plat_linux_attached() && !plat_machine) {
        const int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        bool ok = fd >= 0 && ftruncate(fd, (off_t)size) == 0;
        for (size_t i = 0; ok && i < count; i++) {
            ok = write_all(fd, from + (size_t)pages[i] * PLAT_PAGE, PLAT_PAGE, i * PLAT_PAGE);
        }
        if (ok && seal_file(image, fd, size, size)) {
            return true;
        }
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + i * PLAT_PAGE, from + (size_t)pages[i] * PLAT_PAGE, PLAT_PAGE);
    }
    plat_protect(bytes, size, PLAT_READ);
    *image = (struct plat_image){.bytes = bytes,
                                 .size = size,
                                 .used = plat_machine ? size : 0,
                                 .fd = -1,
                                 .is_private = true};
    return true;
}

void plat_image_destroy(struct plat_image *image)
{
    if (image->bytes != NULL) {
        plat_release((void *)(uintptr_t)image->bytes, whole_pages(image->size));
    }
    if (image->fd >= 0) {
        close(image->fd);
    }
    free(image->runs);
    *image = (struct plat_image){.fd = -1};
}

bool plat_image_is_shared(const struct plat_image *image)
{
    return image->fd >= 0 || plat_machine;
}

bool plat_image_map(const struct plat_image *image, void *at, enum plat_access access)
{
    const size_t size = whole_pages(image->size);
    if (image->fd >= 0) {
        const int write = access == PLAT_READ_WRITE ? PROT_WRITE : 0;
        return mmap(at, size, PROT_READ | write, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, image->fd,
                    0) == at;
    }
    if (!plat_commit(at, size)) {
        return false;
    }
    for (size_t i = 0; i < image->run_count; i++) {
        const struct plat_run *run = &image->runs[i];
        memcpy((uint8_t *)at + run->at, image->bytes + run->at, run->size);
    }
    if (access != PLAT_READ_WRITE) {
        plat_protect(at, size, access);
    }
    return true;
}
