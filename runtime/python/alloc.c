/*
 * alloc.c - see alloc.h. Small blocks come from size classes cut out of regions, large ones from
 * libc's malloc. Must never hand out a block that is not 8-byte aligned, nor one of an image that
 * is frozen.
 */
#include "alloc.h"
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A block is a 4-byte header followed by the user's bytes, which are 8-byte aligned; sizes count
 * both. The header: the class, and above it the number of the freeze that came before. */
#define HEADER_SIZE 4u
#define CLASS_MASK  0xffu
#define LARGE       0xffu
#define EPOCH_SHIFT 8u
#define FINE_STEP   8u
#define FINE_MAX    512u
#define FINE_COUNT  (FINE_MAX / FINE_STEP)
#define SMALL_MAX   4096u
#define CLASS_COUNT (FINE_COUNT + 12u) /* 4 per doubling: 512 to 4096 */
#define REGION_SIZE (64u * 1024 - 32u) /* later regions */
/* What the first freeze keeps ready, so that a load, or a request, that wants no more lets the
 * memory stay as large. */
#define READY_LOAD  (512u * 1024)
#define READY_CALL  (192u * 1024)
#define READY_LARGE (512u * 1024)
#define IMAGE_PAGE  4096u
#define SIZE_LIMIT  0x7ffff000u

struct free_block {
    struct free_block *next;
};

static _Alignas(IMAGE_PAGE) struct {
    char *bump; /* next header, 4 mod 8 */
    char *end;
    uint32_t epoch; /* as in a header */
    struct free_block *free[CLASS_COUNT];
} heap;

static char *call_region;

static unsigned class_of(size_t total)
{
    if (total <= FINE_MAX)
        return (unsigned)((total + FINE_STEP - 1) / FINE_STEP - 1);
    unsigned shift = 31u - (unsigned)__builtin_clz((unsigned)(total - 1)); /* 2^shift <= total-1 */
    return FINE_COUNT + (shift - 9u) * 4u + (unsigned)(((total - 1) >> (shift - 2u)) & 3u);
}

static size_t class_size(unsigned class)
{
    if (class < FINE_COUNT)
        return (class + 1u) * FINE_STEP;
    unsigned step = (class - FINE_COUNT) & 3u, shift = 9u + (class - FINE_COUNT) / 4u;
    return (size_t)(5u + step) << (shift - 2u);
}

static uint32_t *header_of(const void *user)
{
    return (uint32_t *)((uintptr_t)user - HEADER_SIZE);
}

static bool use_region(char *region, size_t size)
{
    if (!region)
        return false;
    heap.bump = region + HEADER_SIZE;
    heap.end = region + size;
    return true;
}

static bool new_region(size_t size)
{
    return use_region(aligned_alloc(16, size), size);
}

bool alloc_freeze(void)
{
    memset(heap.free, 0, sizeof heap.free);
    heap.epoch += 1u << EPOCH_SHIFT;
    if (call_region) /* the function is loaded */
        return use_region(call_region, READY_CALL);
    if (!use_region(aligned_alloc(IMAGE_PAGE, READY_LOAD), READY_LOAD))
        return false;
    call_region = aligned_alloc(IMAGE_PAGE, READY_CALL);
    void *large = malloc(READY_LARGE); /* memory is there already, and touched by nobody */
    free(large);
    return call_region && large;
}

static void *block_malloc(void *context, size_t size)
{
    (void)context;
    if (size > SIZE_LIMIT)
        return NULL;
    if (size == 0)
        size = 1;
    if (size + HEADER_SIZE > SMALL_MAX) {
        char *block = malloc(size + 8u);
        if (!block)
            return NULL;
        *header_of(block + 8) = heap.epoch | LARGE;
        return block + 8;
    }
    unsigned class = class_of(size + HEADER_SIZE);
    struct free_block *free_block = heap.free[class];
    if (free_block) {
        heap.free[class] = free_block->next;
        return free_block; /* its header still holds the class */
    }
    size_t total = class_size(class);
    if ((size_t)(heap.end - heap.bump) < total + HEADER_SIZE && !new_region(REGION_SIZE))
        return NULL;
    char *user = heap.bump + HEADER_SIZE;
    heap.bump += total;
    *header_of(user) = heap.epoch | class;
    return user;
}

static void *block_calloc(void *context, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *user = block_malloc(context, total);
    if (user)
        memset(user, 0, total);
    return user;
}

static void block_free(void *context, void *user)
{
    (void)context;
    if (!user)
        return;
    uint32_t header = *header_of(user), class = header & CLASS_MASK;
    if ((header ^ class) != heap.epoch)
        return; /* the image's: its page stays as it is */
    if (class == LARGE) {
        free((char *)user - 8);
        return;
    }
    struct free_block *block = user;
    block->next = heap.free[class];
    heap.free[class] = block;
}

static size_t usable_size(const void *user, uint32_t class)
{
    return class == LARGE ? malloc_usable_size((char *)user - 8) - 8u
                          : class_size(class) - HEADER_SIZE;
}

static void *block_realloc(void *context, void *user, size_t size)
{
    if (!user)
        return block_malloc(context, size);
    if (size > SIZE_LIMIT)
        return NULL;
    uint32_t header = *header_of(user), class = header & CLASS_MASK;
    if (class == LARGE && (header ^ class) == heap.epoch && size + HEADER_SIZE > SMALL_MAX) {
        char *block = realloc((char *)user - 8, size + 8u);
        return block ? block + 8 : NULL;
    }
    size_t old_size = usable_size(user, class);
    if (size <= old_size && (class != LARGE || (header ^ class) != heap.epoch))
        return user;
    void *moved = block_malloc(context, size);
    if (!moved)
        return NULL;
    memcpy(moved, user, old_size < size ? old_size : size);
    block_free(context, user);
    return moved;
}

void alloc_install(void)
{
    PyMemAllocatorEx allocator = {NULL, block_malloc, block_calloc, block_realloc, block_free};
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &allocator);
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &allocator);
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &allocator);
}
