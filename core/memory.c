/*
 * memory.c - see memory.h. The write-fault path runs inside a signal handler: it touches only the
 * current slot and one page permission. Must never leave a written page unrecorded.
 */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum memory_page { PAGE_CLEAN = 0, PAGE_HOT, PAGE_COLD_WRITTEN };

static struct memory_slot *current;
static uint32_t split_pages;         /* of all slots */
static uint64_t budget, claimed_sum; /* budget 0: no bound */
static uint64_t images_sum;          /* what images take, beside the budget and bounded by it */
bool memory_restore_disabled;

void memory_budget_set(uint64_t bytes)
{
    budget = bytes;
}

static bool claim(struct memory_slot *slot, size_t bytes, uint64_t most)
{
    if (budget > 0 && (claimed_sum > most || bytes > most - claimed_sum))
        return false;
    claimed_sum += bytes;
    slot->claimed += bytes;
    return true;
}

static void unclaim(struct memory_slot *slot)
{
    claimed_sum -= slot->claimed;
    slot->claimed = slot->claimed_pages = 0;
}

bool memory_slot_claim(struct memory_slot *slot, size_t more)
{
    const struct memory_image *image = slot->image;
    /* Most runs of a large memory write little of it; those of one that was opened before do not.
     */
    bool little = !slot->open && !image->opened && image->tracked > MEMORY_CLAIM;
    slot->claimed_pages = little ? MEMORY_CLAIM : image->tracked;
    return claim(slot, slot->claimed_pages + more, budget);
}

/* All tracked pages become writable. Too late to refuse: the last quarter of the process's memory
 * is for this. */
static void claim_rest(struct memory_slot *slot)
{
    size_t rest = slot->image->tracked - slot->claimed_pages;
    slot->image->opened = true;
    slot->claimed_pages = slot->image->tracked;
    claimed_sum += rest;
    slot->claimed += rest;
}

static void set_split(struct memory_slot *slot, uint32_t pages)
{
    split_pages += pages - slot->split;
    slot->split = pages;
}

bool memory_crowded(void)
{
    return split_pages > MEMORY_SPLIT_MAX / 2;
}

static bool share_grow(struct memory_slot *slot, size_t more)
{
    struct memory_share *share = slot->share;
    if (!share)
        return true;
    if (more > share->limit - share->used)
        return false;
    share->used += more;
    if (share->used > share->peak)
        share->peak = share->used;
    return true;
}

bool memory_share_join(struct memory_slot *slot, struct memory_share *share)
{
    slot->share = share;
    if (share_grow(slot, slot->size))
        return true;
    slot->share = NULL;
    return false;
}

void memory_share_leave(struct memory_slot *slot)
{
    if (slot->share)
        slot->share->used -= slot->size;
    slot->share = NULL;
}

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static const struct plat_image *base_of(const struct memory_image *image)
{
    return image->lent ? image->lent : &image->own;
}

/* All pages of images are made and dropped here, so that their sum is known. */
static void drop_pages(struct plat_image *pages)
{
    if (!pages->bytes)
        return;
    images_sum -= pages->used;
    plat_image_destroy(pages);
}

static bool make_pages(struct plat_image *pages, const void *from, size_t size, size_t total)
{
    if (!plat_image_create(pages, from, size, total))
        return false;
    images_sum += pages->used;
    if (budget == 0 || images_sum <= budget)
        return true;
    drop_pages(pages);
    return false;
}

tfaas_status_t memory_image_create(struct memory_image *image, const void *from, size_t size,
                                   size_t limit)
{
    memset(image, 0, sizeof *image);
    limit -= limit % WASM_PAGE;
    if (size > limit || size % PLAT_PAGE != 0)
        return TFAAS_MEMORY_LIMIT;
    image->size = size;
    image->limit = limit;
    image->tracked = size + MEMORY_SPARE < limit ? size + MEMORY_SPARE : limit;
    if (image->tracked == 0)
        return TFAAS_OK;
    image->heat = calloc(image->tracked / PLAT_PAGE, 1);
    if (!image->heat)
        return TFAAS_NO_SPACE;
    if (!make_pages(&image->own, from, size, image->tracked)) {
        memory_image_destroy(image);
        return TFAAS_NO_SPACE;
    }
    return TFAAS_OK;
}

tfaas_status_t memory_image_settle(struct memory_image *image)
{
    struct plat_image settled;
    if (!make_pages(&settled, image->own.bytes, image->own.size, image->own.size))
        return TFAAS_NO_SPACE;
    drop_pages(&image->own);
    image->own = settled;
    return TFAAS_OK;
}

tfaas_status_t memory_image_borrow(struct memory_image *image, const struct memory_image *base,
                                   size_t limit)
{
    limit -= limit % WASM_PAGE;
    memset(image, 0, sizeof *image);
    if (base->tracked > limit)
        return TFAAS_MEMORY_LIMIT;
    image->lent = base_of(base);
    image->size = base->size;
    image->tracked = base->tracked;
    image->limit = limit;
    image->heat = calloc(image->tracked / PLAT_PAGE + 1, 1);
    return image->heat ? TFAAS_OK : TFAAS_NO_SPACE;
}

/* The pages of `slot` that differ from its image's base. What lies past the guest's size it cannot
 * have written: zeros, as in the base. False: too many, or the guest's memory is larger than the
 * base. */
static bool find_delta(struct memory_image *image, const struct memory_slot *slot)
{
    if (slot->size > image->tracked)
        return false;
    for (uint32_t page = 0; page < slot->size / PLAT_PAGE; page++) {
        size_t at = (size_t)page * PLAT_PAGE;
        if (memcmp(slot->base + at, base_of(image)->bytes + at, PLAT_PAGE) == 0)
            continue;
        if (image->delta_count == MEMORY_DELTA_MAX)
            return false;
        image->delta_page[image->delta_count++] = page;
    }
    return true;
}

static bool pack_delta(struct memory_image *image, const struct memory_slot *slot)
{
    size_t size = (size_t)image->delta_count * PLAT_PAGE;
    if (size == 0)
        return true;
    uint8_t *packed = malloc(size);
    if (!packed)
        return false;
    for (uint32_t i = 0; i < image->delta_count; i++)
        memcpy(packed + (size_t)i * PLAT_PAGE,
               slot->base + (size_t)image->delta_page[i] * PLAT_PAGE, PLAT_PAGE);
    bool ok = make_pages(&image->delta, packed, size, size);
    free(packed);
    return ok;
}

tfaas_status_t memory_image_take(struct memory_image *image, const struct memory_slot *slot)
{
    const struct memory_image *from = slot->image;
    if (!from->lent)
        return memory_image_create(image, slot->base, slot->size, from->limit);
    memset(image, 0, sizeof *image);
    image->lent = from->lent;
    image->tracked = from->tracked;
    if (!find_delta(image, slot))
        return memory_image_create(image, slot->base, slot->size, from->limit);
    image->size = slot->size;
    image->limit = from->limit;
    image->heat = calloc(image->tracked / PLAT_PAGE + 1, 1);
    if (image->heat && pack_delta(image, slot))
        return TFAAS_OK;
    memory_image_destroy(image);
    return TFAAS_NO_SPACE;
}

void memory_image_destroy(struct memory_image *image)
{
    free(image->heat);
    drop_pages(&image->own);
    drop_pages(&image->delta);
    memset(image, 0, sizeof *image);
}

const uint8_t *memory_image_page(const struct memory_image *image, uint32_t page)
{
    uint32_t low = 0, high = image->delta_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (image->delta_page[middle] == page)
            return image->delta.bytes + (size_t)middle * PLAT_PAGE;
        if (image->delta_page[middle] < page)
            low = middle + 1;
        else
            high = middle;
    }
    return base_of(image)->bytes + (size_t)page * PLAT_PAGE;
}

static void copy_back(struct memory_slot *slot, uint32_t page)
{
    memcpy(slot->base + (size_t)page * PLAT_PAGE, memory_image_page(slot->image, page), PLAT_PAGE);
}

static bool map_pristine(struct memory_slot *slot)
{
    const struct memory_image *image = slot->image;
    size_t pages = image->tracked / PLAT_PAGE;
    if (pages == 0)
        return true;
    const enum plat_access access = image->delta_count > 0 ? PLAT_READ_WRITE : PLAT_READ;
    if (!plat_image_map(base_of(image), slot->base, access))
        return false;
    if (image->delta_count > 0) {
        for (uint32_t i = 0; i < image->delta_count; i++)
            copy_back(slot, image->delta_page[i]);
        plat_protect(slot->base, image->tracked, PLAT_READ);
    }
    memset(slot->state, PAGE_CLEAN, pages);
    set_split(slot, 0);
    if (split_pages + slot->hot_count > MEMORY_SPLIT_MAX)
        slot->hot_count = 0;
    set_split(slot, slot->hot_count);
    for (uint32_t i = 0; i < slot->hot_count; i++) {
        slot->state[slot->hot[i]] = PAGE_HOT;
        plat_protect(slot->base + (size_t)slot->hot[i] * PLAT_PAGE, PLAT_PAGE, PLAT_READ_WRITE);
    }
    slot->cold_count = 0;
    slot->open = false;
    return true;
}

struct memory_slot *memory_slot_new(struct memory_image *image)
{
    struct memory_slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        return NULL;
    size_t pages = image->tracked / PLAT_PAGE;
    slot->image = image;
    slot->size = slot->peak = image->size;
    slot->reserved = round_up(image->limit, PLAT_PAGE);
    slot->state = calloc(pages ? pages : 1, 1);
    slot->hot = calloc(MEMORY_HOT_MAX, sizeof *slot->hot);
    slot->base = slot->reserved ? plat_reserve(slot->reserved) : NULL;
    image->slot_count += slot->base != NULL; /* as memory_slot_free counts it out */
    if (!slot->state || !slot->hot || (slot->reserved && !slot->base)) {
        memory_slot_free(slot);
        return NULL;
    }
    /* What other slots of this function learnt holds here too. */
    for (uint32_t i = 0; i < pages && slot->hot_count < MEMORY_HOT_MAX; i++) {
        if (image->heat[i] >= MEMORY_PROMOTE)
            slot->hot[slot->hot_count++] = i;
    }
    if (!map_pristine(slot)) {
        memory_slot_free(slot);
        return NULL;
    }
    return slot;
}

void memory_slot_free(struct memory_slot *slot)
{
    if (!slot)
        return;
    if (current == slot)
        current = NULL;
    memory_share_leave(slot);
    set_split(slot, 0);
    unclaim(slot);
    if (slot->base) {
        plat_release(slot->base, slot->reserved);
        slot->image->slot_count--;
    }
    free(slot->state);
    free(slot->hot);
    free(slot);
}

void memory_slot_open(struct memory_slot *slot)
{
    slot->open = true;
    set_split(slot, 0);
    if (slot->image->tracked)
        plat_protect(slot->base, slot->image->tracked, PLAT_READ_WRITE);
}

bool memory_grow(struct memory_slot *slot, size_t new_size)
{
    size_t have = slot->image->tracked + slot->grown;
    if (new_size < slot->size || new_size > slot->image->limit) {
        slot->refused = true;
        return false;
    }
    if (!share_grow(slot, new_size - slot->size)) {
        slot->refused = true;
        return false;
    }
    if (new_size > have) {
        /* The last quarter is for runs that have not begun. */
        if (!claim(slot, new_size - have, budget - budget / 4) ||
            !plat_commit(slot->base + have, new_size - have)) {
            if (slot->share)
                slot->share->used -= new_size - slot->size;
            slot->refused = true;
            return false;
        }
        slot->grown += new_size - have;
    }
    slot->size = new_size;
    if (new_size > slot->peak)
        slot->peak = new_size;
    return true;
}

void memory_set_current(struct memory_slot *slot)
{
    current = slot;
}

bool memory_on_write(uintptr_t address)
{
    struct memory_slot *slot = current;
    if (!slot || slot->open)
        return false;
    uintptr_t base = (uintptr_t)slot->base;
    if (address < base || address - base >= slot->image->tracked)
        return false;
    uint32_t page = (uint32_t)((address - base) / PLAT_PAGE);
    if (slot->state[page] != PAGE_CLEAN)
        return false;
    if (slot->cold_count == MEMORY_COLD_MAX || split_pages >= MEMORY_SPLIT_MAX) {
        memory_slot_open(slot);
        claim_rest(slot);
        return true;
    }
    slot->state[page] = PAGE_COLD_WRITTEN;
    slot->cold[slot->cold_count++] = page;
    set_split(slot, slot->split + 1);
    plat_protect(slot->base + (size_t)page * PLAT_PAGE, PLAT_PAGE, PLAT_READ_WRITE);
    return true;
}

/* One more run wrote a page that was cold. True: it is hot from now on. */
static bool learn(struct memory_slot *slot, uint32_t page)
{
    uint8_t *heat = &slot->image->heat[page];
    if (*heat < UINT8_MAX)
        (*heat)++;
    if (*heat < MEMORY_PROMOTE || slot->hot_count == MEMORY_HOT_MAX)
        return false;
    slot->hot[slot->hot_count++] = page;
    slot->state[page] = PAGE_HOT;
    return true;
}

uint32_t memory_restore(struct memory_slot *slot, bool *ok)
{
    *ok = true;
    memory_share_leave(slot);
    slot->size = slot->peak = slot->image->size;
    slot->refused = false;
    unclaim(slot);
    if (memory_restore_disabled)
        return 0;
    if (slot->grown) {
        plat_decommit(slot->base + slot->image->tracked, slot->grown);
        slot->grown = 0;
    }
    if (slot->open) {
        for (uint32_t i = 0; i < slot->cold_count; i++)
            (void)learn(slot, slot->cold[i]);
        *ok = map_pristine(slot);
        return (uint32_t)(slot->image->tracked / PLAT_PAGE);
    }
    uint32_t copied = slot->hot_count + slot->cold_count;
    for (uint32_t i = 0; i < slot->hot_count; i++)
        copy_back(slot, slot->hot[i]);
    for (uint32_t i = 0; i < slot->cold_count; i++) {
        uint32_t page = slot->cold[i];
        copy_back(slot, page);
        if (!learn(slot, page)) {
            slot->state[page] = PAGE_CLEAN;
            plat_protect(slot->base + (size_t)page * PLAT_PAGE, PLAT_PAGE, PLAT_READ);
        }
    }
    slot->cold_count = 0;
    set_split(slot, slot->hot_count);
    return copied;
}
