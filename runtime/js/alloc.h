/*
 * alloc.h - the JS heap's allocator: compact first, fast second.
 * A request should touch few pages. Small blocks are cut from one bump region and reused by size
 * class; alloc_freeze() forgets all free blocks, so that after the image is taken a request's
 * blocks lie side by side on fresh pages and never need memory.grow while the request is small.
 */
#ifndef TFAAS_JS_ALLOC_H
#define TFAAS_JS_ALLOC_H

#include "quickjs.h"

extern const JSMallocFunctions alloc_functions;

/* Start a new region with room for a small request. Returns 0, or -1 when memory cannot grow. */
int alloc_freeze(void);

#endif
