/*
 * alloc.c - see alloc.h. Large blocks come from libc's malloc.
 * Must never hand out a block that is not 8-byte aligned.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "alloc.h"

/* A block is a 4-byte header (size class, or LARGE) followed by the user's bytes, which are
 * 8-byte aligned; the sizes below count both. */
#define HEADER_SIZE 4u
#define LARGE       0xffffffffu
#define FINE_STEP   8u
#define FINE_MAX    512u
#define FINE_COUNT  (FINE_MAX / FINE_STEP)
#define SMALL_MAX   4096u
#define CLASS_COUNT (FINE_COUNT + 12u) /* 4 per doubling: 512 to 4096 */
#define REGION_SIZE (64u * 1024)       /* later regions */
#define READY_SMALL (96u * 1024)       /* what alloc_freeze() keeps ready for one request */
#define READY_LARGE (160u * 1024)
#define PAGE_SIZE   4096u
#define SIZE_LIMIT  0x7ffff000u
#define SHARED_SIZE 1280u /* the engine's JSRuntime and JSContext */

struct free_block {
    struct free_block *next;
};

struct region {
    struct region *next;
    uint32_t size;
};

struct alloc_heap {
    char *bump; /* next header, 4 mod 8 */
    char *end;
    struct free_block *free[CLASS_COUNT];
    struct region *regions;
};

/* What every call writes lies in one page: this, the runtime and the context in `shared`, and the
 * static state of the files linked behind this one up to the request's buffer (build.mk). */
_Alignas(PAGE_SIZE) struct alloc_heap alloc_main;
static _Alignas(8) char shared[SHARED_SIZE];
static uint32_t shared_used;
static bool clear_freed = true, has_failed, share_next;
struct alloc_heap alloc_scratch;

static unsigned class_of(size_t total)
{
    unsigned shift;

    if (total <= FINE_MAX)
        return (unsigned)((total + FINE_STEP - 1) / FINE_STEP - 1);
    shift = 31u - (unsigned)__builtin_clz((unsigned)(total - 1)); /* 2^shift <= total-1 */
    return FINE_COUNT + (shift - 9u) * 4u + (unsigned)(((total - 1) >> (shift - 2u)) & 3u);
}

static size_t class_size(unsigned class)
{
    unsigned step, shift;

    if (class < FINE_COUNT)
        return (class + 1u) * FINE_STEP;
    step = (class - FINE_COUNT) & 3u;
    shift = 9u + (class - FINE_COUNT) / 4u;
    return (size_t)(5u + step) << (shift - 2u);
}

static uint32_t *header_of(const void *user)
{
    return (uint32_t *)((uintptr_t)user - HEADER_SIZE);
}

static int new_region(struct alloc_heap *heap, size_t size, size_t align)
{
    struct region *region = aligned_alloc(align, size);

    if (!region) {
        has_failed = true;
        return -1;
    }
    region->next = heap->regions;
    region->size = (uint32_t)size;
    heap->regions = region;
    heap->bump = (char *)(region + 1) + HEADER_SIZE;
    heap->end = (char *)region + size;
    return 0;
}

int alloc_freeze(void)
{
    void *large;

    memset(alloc_main.free, 0, sizeof(alloc_main.free));
    if (new_region(&alloc_main, READY_SMALL, PAGE_SIZE))
        return -1;
    large = malloc(READY_LARGE);
    if (!large)
        return -1;
    free(large);
    clear_freed = false;
    has_failed = false;
    return 0;
}

bool alloc_has_failed(void)
{
    return has_failed;
}

void alloc_thaw(void)
{
    clear_freed = true;
}

void alloc_drop_scratch(void)
{
    struct region *region = alloc_scratch.regions;

    while (region) {
        struct region *next = region->next;

        memset(region, 0, region->size);
        free(region);
        region = next;
    }
    memset(&alloc_scratch, 0, sizeof(alloc_scratch));
}

static void *large_malloc(size_t size)
{
    char *block = malloc(size + 8u);

    if (!block) {
        has_failed = true;
        return NULL;
    }
    *header_of(block + 8) = LARGE;
    return block + 8;
}

static void *small_malloc(struct alloc_heap *heap, unsigned class)
{
    struct free_block *block = heap->free[class];
    size_t size = class_size(class);
    char *user;

    if (block) {
        heap->free[class] = block->next;
        return block; /* its header still holds the class */
    }
    if ((size_t)(heap->end - heap->bump) < size + HEADER_SIZE && new_region(heap, REGION_SIZE, 16))
        return NULL;
    user = heap->bump + HEADER_SIZE;
    heap->bump += size;
    *header_of(user) = class;
    return user;
}

static void *alloc_malloc(void *opaque, size_t size)
{
    if (size > SIZE_LIMIT)
        return NULL;
    if (size + HEADER_SIZE > SMALL_MAX)
        return large_malloc(size);
    return small_malloc(opaque, class_of(size + HEADER_SIZE));
}

void alloc_share_next(void)
{
    share_next = true;
}

/* NULL: no room. */
static void *shared_malloc(size_t size)
{
    unsigned class = class_of(size + HEADER_SIZE);
    char *user = shared + shared_used + 8u;

    share_next = false;
    if (size + HEADER_SIZE > SMALL_MAX || class_size(class) + 8u > SHARED_SIZE - shared_used)
        return NULL;
    shared_used += (uint32_t)class_size(class) + 8u - HEADER_SIZE;
    shared_used = (shared_used + 7u) & ~7u;
    *header_of(user) = class;
    return user;
}

static void *alloc_calloc(void *opaque, size_t count, size_t size)
{
    size_t total;
    void *user = NULL;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    if (share_next)
        user = shared_malloc(total);
    if (!user)
        user = alloc_malloc(opaque, total);
    if (user)
        memset(user, 0, total);
    return user;
}

static size_t alloc_usable_size(const void *user)
{
    uint32_t class = *header_of(user);

    if (class == LARGE)
        return malloc_usable_size((char *)user - 8) - 8u;
    return class_size(class) - HEADER_SIZE;
}

static void alloc_free(void *opaque, void *user)
{
    uint32_t class;
    struct alloc_heap *heap = opaque;
    struct free_block *block = user;

    if (!user)
        return;
    class = *header_of(user);
    if (clear_freed)
        memset(user, 0, alloc_usable_size(user));
    if (class == LARGE) {
        free((char *)user - 8);
        return;
    }
    if ((char *)header_of(user) + class_size(class) == heap->bump) {
        heap->bump = (char *)header_of(user);
        if (clear_freed)
            *header_of(user) = 0;
        return;
    }
    block->next = heap->free[class];
    heap->free[class] = block;
}

/* The last block of the region grows where it is: growing strings and arrays stay compact. */
static void *grow_in_place(struct alloc_heap *heap, void *user, uint32_t class, size_t size)
{
    char *start = (char *)header_of(user);
    unsigned wanted;

    if (start + class_size(class) != heap->bump || size + HEADER_SIZE > SMALL_MAX)
        return NULL;
    wanted = class_of(size + HEADER_SIZE);
    if ((size_t)(heap->end - start) < class_size(wanted) + HEADER_SIZE)
        return NULL;
    heap->bump = start + class_size(wanted);
    *header_of(user) = wanted;
    return user;
}

static void *alloc_realloc(void *opaque, void *user, size_t size)
{
    uint32_t class;
    size_t old_size;
    char *block;
    void *moved;

    if (!user)
        return alloc_malloc(opaque, size);
    if (size > SIZE_LIMIT)
        return NULL;
    class = *header_of(user);
    if (class == LARGE && !clear_freed) {
        block = realloc((char *)user - 8, size + 8u);
        has_failed = has_failed || !block;
        return block ? block + 8 : NULL;
    }
    old_size = alloc_usable_size(user);
    if (size <= old_size)
        return user;
    moved = class == LARGE ? NULL : grow_in_place(opaque, user, class, size);
    if (moved)
        return moved;
    moved = alloc_malloc(opaque, size);
    if (!moved)
        return NULL;
    memcpy(moved, user, old_size);
    alloc_free(opaque, user);
    return moved;
}

const JSMallocFunctions alloc_functions = {
    .js_calloc = alloc_calloc,
    .js_malloc = alloc_malloc,
    .js_free = alloc_free,
    .js_realloc = alloc_realloc,
    .js_malloc_usable_size = alloc_usable_size,
};
