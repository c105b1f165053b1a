/*
 * alloc.h - the JS heap's allocator: compact first, fast second.
 * A request should touch few pages. Small blocks are cut from one bump region and reused by size
 * class; alloc_freeze() forgets all free blocks, so that after the image is taken a request's
 * blocks lie side by side on fresh pages and never need memory.grow while the request is small.
 */
#ifndef TFAAS_JS_ALLOC_H
#define TFAAS_JS_ALLOC_H

#include <stdbool.h>
#include "quickjs.h"

extern const JSMallocFunctions alloc_functions; /* their opaque pointer is a struct alloc_heap */

struct alloc_heap;
extern struct alloc_heap alloc_main;    /* what requests use */
extern struct alloc_heap alloc_scratch; /* for what is thrown away before the image is taken */

/* The main heap starts a new region with room for a small request, and freed memory is no longer
 * cleared. Returns 0, or -1 when memory cannot grow. */
int alloc_freeze(void);

/* The next block asked for cleared is one that every call writes and that is never freed: it is
 * put where other such things lie. */
void alloc_share_next(void);

/* From now on freed memory is cleared: pages that hold nothing are zero in the image. */
void alloc_thaw(void);

/* Has an allocation failed since alloc_freeze()? */
bool alloc_has_failed(void);

/* Gives back all of the scratch heap, cleared. Nothing in it may be used any more. */
void alloc_drop_scratch(void);

#endif
