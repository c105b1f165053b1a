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
static uint64_t images_sum; /* what files of images take, beside the budget, bounded by it */
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

/* An image in private memory takes from what runs may have. */
static uint64_t *sum_of(const struct plat_image *pages)
{
    return pages->is_private ? &claimed_sum : &images_sum;
}

/* All pages of images are made and dropped here, so that their sum is known. */
static void drop_pages(struct plat_image *pages)
{
    if (!pages->bytes)
        return;
    *sum_of(pages) -= pages->used;
    plat_image_destroy(pages);
}

static bool count_pages(struct plat_image *pages)
{
    *sum_of(pages) += pages->used;
    if (budget == 0 || *sum_of(pages) <= budget)
        return true;
    drop_pages(pages);
    return false;
}

static bool make_pages(struct plat_image *pages, const void *from, size_t size, size_t total)
{
    return plat_image_create(pages, from, size, total) && count_pages(pages);
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
    if (plat_image_is_shared(&image->own))
        return TFAAS_OK;
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
    image->heat = malloc(image->tracked / PLAT_PAGE + 1);
    if (!image->heat)
        return TFAAS_NO_SPACE;
    memcpy(image->heat, base->heat, image->tracked / PLAT_PAGE);
    return TFAAS_OK;
}

/* The pages of `slot` that differ from its image's base; one that was not written cannot. What lies
 * past the guest's size it cannot have written: zeros, as in the base. False: too many, or the
 * guest's memory is larger than the base. */
static bool find_delta(struct memory_image *image, const struct memory_slot *slot)
{
    if (slot->size > image->tracked)
        return false;
    for (uint32_t page = 0; page < slot->size / PLAT_PAGE; page++) {
        size_t at = (size_t)page * PLAT_PAGE;
        if ((!slot->open && slot->state[page] == PAGE_CLEAN) ||
            memcmp(slot->base + at, base_of(image)->bytes + at, PLAT_PAGE) == 0)
            continue;
        if (image->delta_count == MEMORY_DELTA_MAX)
            return false;
        image->delta_page[image->delta_count++] = page;
    }
    return true;
}

static bool pack_delta(struct memory_image *image, const struct memory_slot *slot)
{
    return image->delta_count == 0 ||
           (plat_image_gather(&image->delta, slot->base, image->delta_page, image->delta_count) &&
            count_pages(&image->delta));
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
    if (!image->heat || !pack_delta(image, slot)) {
        memory_image_destroy(image);
        return TFAAS_NO_SPACE;
    }
    for (size_t page = 0; page < image->tracked / PLAT_PAGE; page++) {
        if (from->heat[page] == MEMORY_HEAT_RUN)
            image->heat[page] = MEMORY_HEAT_RUN;
    }
    return TFAAS_OK;
}

void memory_learn_load(struct memory_image *base, const struct memory_slot *slot,
                       const struct memory_image *image)
{
    if (image->lent != base_of(base))
        return;
    for (uint32_t i = 0; i < image->delta_count; i++) {
        uint8_t *heat = &base->heat[image->delta_page[i]];
        *heat = *heat < MEMORY_PROMOTE ? MEMORY_PROMOTE : *heat;
    }
    for (uint32_t i = 0; i < slot->cold_count; i++) {
        uint8_t *heat = &base->heat[slot->cold[i]];
        *heat = *heat < MEMORY_PROMOTE ? MEMORY_PROMOTE : *heat;
    }
}

void memory_learn_runs(struct memory_image *base, const struct memory_image *image)
{
    for (size_t page = 0; image->lent == base_of(base) && page < image->tracked / PLAT_PAGE;
         page++) {
        if (image->heat[page] >= MEMORY_PROMOTE)
            base->heat[page] = MEMORY_HEAT_RUN;
    }
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

/* Neighbours together: each call is dear in a machine. */
static void open_hot(struct memory_slot *slot)
{
    for (uint32_t i = 0; i < slot->hot_count;) {
        uint32_t first = slot->hot[i], count = 0;
        for (; i < slot->hot_count && slot->hot[i] == first + count; i++, count++)
            slot->state[slot->hot[i]] = PAGE_HOT;
        plat_protect(slot->base + (size_t)first * PLAT_PAGE, (size_t)count * PLAT_PAGE,
                     PLAT_READ_WRITE);
    }
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
    slot->hot_count -= slot->extra;
    slot->extra = 0;
    if (split_pages + slot->hot_count > MEMORY_SPLIT_MAX)
        slot->hot_count = 0;
    set_split(slot, slot->hot_count);
    open_hot(slot);
    slot->cold_count = 0;
    slot->open = false;
    return true;
}

struct memory_slot *memory_slot_new(struct memory_image *image)
{
    return memory_slot_spare(image, image->limit);
}

struct memory_slot *memory_slot_spare(struct memory_image *image, size_t limit)
{
    struct memory_slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        return NULL;
    size_t pages = image->tracked / PLAT_PAGE;
    slot->image = image;
    slot->size = slot->peak = image->size;
    slot->reserved = round_up(limit, PLAT_PAGE);
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

static void change_image(struct memory_slot *slot, struct memory_image *image)
{
    slot->image->slot_count--;
    image->slot_count++;
    slot->image = image;
    slot->size = slot->peak = image->size;
}

bool memory_slot_reset(struct memory_slot *slot, struct memory_image *base)
{
    const struct memory_image *image = slot->image;
    uint32_t pages = (uint32_t)(base->tracked / PLAT_PAGE);
    if (image->lent != base_of(base) || slot->open || slot->cold_count > 0)
        return false;
    slot->hot_count = slot->extra = 0;
    for (uint32_t page = 0; page < pages; page++) {
        size_t at = (size_t)page * PLAT_PAGE;
        const uint8_t *should = base_of(base)->bytes + at;
        if (slot->state[page] == PAGE_CLEAN && base->heat[page] < MEMORY_PROMOTE &&
            memory_image_page(image, page) == should)
            continue;
        if (slot->hot_count == MEMORY_HOT_MAX)
            return false;
        slot->hot[slot->hot_count++] = page;
        if (slot->state[page] == PAGE_CLEAN)
            plat_protect(slot->base + at, PLAT_PAGE, PLAT_READ_WRITE);
        slot->state[page] = PAGE_HOT;
        memcpy(slot->base + at, should, PLAT_PAGE);
    }
    set_split(slot, slot->hot_count);
    change_image(slot, base);
    return true;
}

bool memory_slot_assign(struct memory_slot *slot, struct memory_image *view)
{
    if (view->lent != base_of(slot->image) || view->limit > slot->reserved || slot->extra > 0 ||
        slot->cold_count > 0 || slot->open)
        return false;
    change_image(slot, view);
    return true;
}

bool memory_slot_fits(const struct memory_slot *slot, const struct memory_image *image)
{
    return image->lent && image->lent == slot->image->lent && slot->grown == 0 &&
           image->size == slot->size && image->limit <= slot->reserved &&
           slot->hot_count + slot->cold_count <= MEMORY_HOT_MAX;
}

void memory_slot_adopt(struct memory_slot *slot, struct memory_image *image)
{
    change_image(slot, image);
    slot->refused = false;
    unclaim(slot);
    slot->hot_count = slot->extra = slot->cold_count = 0;
    uint32_t pages = (uint32_t)(image->tracked / PLAT_PAGE);
    if (slot->open) { /* what was written is known by comparing only: the image's own pages */
        memset(slot->state, PAGE_CLEAN, pages);
        for (uint32_t i = 0; i < image->delta_count; i++)
            slot->state[image->delta_page[i]] = PAGE_HOT;
    }
    for (unsigned of_load = 0; of_load < 2; of_load++) {
        for (uint32_t page = 0; page < pages; page++) {
            if (slot->state[page] == PAGE_CLEAN ||
                (image->heat[page] == MEMORY_HEAT_RUN) == (of_load == 1))
                continue;
            slot->state[page] = PAGE_HOT;
            slot->hot[slot->hot_count++] = page;
            slot->extra += of_load;
        }
    }
    set_split(slot, slot->hot_count);
    if (slot->open) {
        plat_protect(slot->base, image->tracked, PLAT_READ);
        open_hot(slot);
        slot->open = false;
    }
    if (current == slot)
        current = NULL;
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
    if (*heat < MEMORY_HEAT_RUN - 1)
        (*heat)++;
    if (*heat < MEMORY_PROMOTE || slot->hot_count == MEMORY_HOT_MAX)
        return false;
    uint32_t first_extra = slot->hot_count - slot->extra;
    slot->hot[slot->hot_count++] = slot->hot[first_extra];
    slot->hot[first_extra] = page;
    slot->state[page] = PAGE_HOT;
    return true;
}

/* One stretch of pages that the load wrote, and that this run did not, is protected again. One that
 * the run wrote stays hot. */
static void cool(struct memory_slot *slot)
{
    uint32_t end = slot->hot_count, at = end;
    while (slot->extra > 0 && (at == end || slot->hot[at - 1] + 1 == slot->hot[at])) {
        uint32_t page = slot->hot[at - 1];
        bool written = memcmp(slot->base + (size_t)page * PLAT_PAGE,
                              memory_image_page(slot->image, page), PLAT_PAGE) != 0;
        if (written && at != end)
            break;
        slot->extra--;
        if (!written) {
            slot->state[page] = PAGE_CLEAN;
            at--;
            continue;
        }
        uint32_t first_extra = slot->hot_count - slot->extra - 1;
        slot->hot[at - 1] = slot->hot[first_extra];
        slot->hot[first_extra] = page;
    }
    if (at == end)
        return;
    plat_protect(slot->base + (size_t)slot->hot[at] * PLAT_PAGE, (size_t)(end - at) * PLAT_PAGE,
                 PLAT_READ);
    slot->hot_count = at;
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
    if (slot->extra > 0)
        cool(slot);
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
