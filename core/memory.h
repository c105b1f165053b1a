/*
 * memory.h - the guest's linear memory: exact restore of a pristine image after every run.
 *
 * A slot is a reservation of address space that holds one instance's memory. Its first
 * `tracked` bytes map the image privately: HOT pages stay writable and are copied back
 * after every run; all others are write-protected, the first write faults once, is recorded,
 * and the page is copied back and protected again after the run. A page that keeps faulting
 * becomes hot. A run that touches many cold pages stops faulting: the rest is opened at once and
 * the whole slot is mapped anew afterwards. Memory grown past `tracked` is dropped.
 * Must never hand out a slot whose bytes differ from the image.
 */
#ifndef TFAAS_CORE_MEMORY_H
#define TFAAS_CORE_MEMORY_H

#include "plat/plat.h"
#include "tfaas/status.h"

#include <sys/queue.h>

#define WASM_PAGE 65536u
#define MEMORY_SPARE                                                                               \
    (1u << 20)               /* tracked zero pages past the image: growth without a system call */
#define MEMORY_HOT_MAX  256u /* pages copied back blindly after each run */
#define MEMORY_COLD_MAX 48u  /* write faults in one run before the rest is opened at once */
/* Hot and written cold pages of all slots together: each may cost the process two mappings, of
 * which the kernel gives it 65530. */
#define MEMORY_SPLIT_MAX 24000u
#define MEMORY_CLAIM     (4u << 20) /* a run of a larger memory is expected to write no more */
#define MEMORY_DELTA_MAX 1024u      /* pages of its own that an image over a lent base may have */
#define MEMORY_PROMOTE   2u         /* a cold page that was written in this many runs becomes hot */
#define MEMORY_HEAT_RUN  255u       /* heat of a lent base's page that runs of any function write */

struct memory_slot;
TAILQ_HEAD(memory_slot_list, memory_slot);

/* What every instance of a function starts from. Immutable, except for what is learnt about heat. A
 * page's content is in `delta` when the page differs from the base, else in the base: functions of
 * one runtime share its image as their base and have few pages of their own. */
struct memory_image {
    struct plat_image own; /* the base: bytes, then zeros up to `tracked`; under every slot */
    const struct plat_image *lent; /* the base instead of `own`: another image's; NULL: none */
    struct plat_image delta;       /* changed pages, packed; written over the base in every slot */
    uint32_t delta_page[MEMORY_DELTA_MAX]; /* their numbers, ascending */
    uint32_t delta_count;
    size_t size;    /* bytes of the guest's memory in the image (multiple of WASM_PAGE) */
    size_t tracked; /* bytes of the base */
    size_t limit;   /* the guest may grow to this many bytes */
    uint8_t *heat;  /* per page: runs that wrote it while it was cold, saturating */
    uint32_t slot_count;
    bool opened; /* a run wrote so many pages that all were opened */
};

/* Memories that together may take no more than one function may: of a run and its compartments. */
struct memory_share {
    size_t limit, used, peak; /* bytes that the guests see */
};

struct memory_slot {
    struct memory_image *image;
    uint8_t *base;
    size_t reserved;
    size_t size;  /* what the guest sees now */
    size_t grown; /* committed beyond tracked */
    size_t peak;
    uint8_t *state; /* per tracked page: enum memory_page */
    uint32_t *hot, hot_count;
    uint32_t extra; /* so many at the end of `hot` are hot because the load wrote them */
    uint32_t cold[MEMORY_COLD_MAX], cold_count;
    uint32_t split;             /* pages of this slot that are counted towards MEMORY_SPLIT_MAX */
    size_t claimed;             /* bytes of the budget, given back with the restore */
    size_t claimed_pages;       /* ... for tracked pages */
    bool open;                  /* gave up counting: everything writable, map anew afterwards */
    bool refused;               /* the guest asked for more than its limit in this run */
    struct memory_share *share; /* NULL: alone */
    void *owner;                /* whose idle slot it is (loaded.c) */
    TAILQ_ENTRY(memory_slot) of_owner, of_all;
};

/* `from` may be NULL (all zeros). BAD_MODULE when size > limit, NO_SPACE. */
tfaas_status_t memory_image_create(struct memory_image *image, const void *from, size_t size,
                                   size_t limit) TFAAS_MUST_USE;
void memory_image_destroy(struct memory_image *image);

/* Puts pages that were made before the fork where all slots of this process can share them. */
tfaas_status_t memory_image_settle(struct memory_image *image) TFAAS_MUST_USE;
/* A second view of the same pages with another limit and heat of its own; `base` must outlive it.
 */
tfaas_status_t memory_image_borrow(struct memory_image *image, const struct memory_image *base,
                                   size_t limit) TFAAS_MUST_USE;
/* An image of what `slot` holds now. Over the same lent base as the slot's own image, if that has
 * one and few pages differ; else whole. */
tfaas_status_t memory_image_take(struct memory_image *image,
                                 const struct memory_slot *slot) TFAAS_MUST_USE;
/* May the slot whose memory `image` was just taken of go on as a pristine slot of it? */
bool memory_slot_fits(const struct memory_slot *slot, const struct memory_image *image);
/* It does. What the load wrote stays writable and cools down run by run: until the first answer
 * nothing is mapped or protected anew. */
void memory_slot_adopt(struct memory_slot *slot, struct memory_image *image);
/* What a load wrote is writable from the start in slots for the loads to come; what runs of `image`
 * found hot is so in all images over its base to come. */
void memory_learn_load(struct memory_image *base, const struct memory_slot *slot,
                       const struct memory_image *image);
void memory_learn_runs(struct memory_image *base, const struct memory_image *image);
/* The PLAT_PAGE bytes that page number `page` of every slot must hold. */
const uint8_t *memory_image_page(const struct memory_image *image, uint32_t page);

/* NULL: out of memory. */
struct memory_slot *memory_slot_new(struct memory_image *image);
/* The same, that may later be made a slot of an image of that limit. */
struct memory_slot *memory_slot_spare(struct memory_image *image, size_t limit);
/* A pristine slot of a view of `base` becomes a spare one of the base. False: it must be freed. */
bool memory_slot_reset(struct memory_slot *slot, struct memory_image *base);
/* A spare one, or one of a view that is not used yet, becomes a slot of this view of the same base.
 * False: it does not fit. */
bool memory_slot_assign(struct memory_slot *slot, struct memory_image *view);
void memory_slot_free(struct memory_slot *slot);

/* What all running slots together may make writable, in bytes; 0: no bound. Without one, a function
 * that takes much memory would make the process's own allocations fail. All images together may
 * take as much again: no limit of the process counts them. */
void memory_budget_set(uint64_t bytes);
/* Before a run: the slot's own pages, and `more` bytes that the run needs elsewhere. */
bool memory_slot_claim(struct memory_slot *slot, size_t more) TFAAS_MUST_USE;
/* So many pages are split off that no idle slot should be kept. */
bool memory_crowded(void);

/* Until its restore the slot counts in `share`, which outlives it. False: there is no room. */
bool memory_share_join(struct memory_slot *slot, struct memory_share *share) TFAAS_MUST_USE;
void memory_share_leave(struct memory_slot *slot);

/* Stops tracking at once: for a run whose memory becomes an image. */
void memory_slot_open(struct memory_slot *slot);
/* False: over the limit or out of memory; the guest sees -1. */
bool memory_grow(struct memory_slot *slot, size_t new_size);
/* The slot's memory equals the image again. Returns the number of pages copied back. False in *ok
 * when the slot could not be made pristine: it must be freed. */
uint32_t memory_restore(struct memory_slot *slot, bool *ok);

/* The slot whose guest runs now (or NULL): where write faults belong. */
void memory_set_current(struct memory_slot *slot);
/* The write-fault hook given to plat_handlers. */
bool memory_on_write(uintptr_t address);

/* For the tests of the tests: with restore off, isolation tests must fail. */
extern bool memory_restore_disabled;

#endif
