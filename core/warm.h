/*
 * warm.h - once, before the fork or in the template of a machine: the core serves a function of its
 * own through a window of its own, so that what a first call sets up (the engine, the allocator,
 * contexts, which pages of the runtime are hot) is there in every copy. Nothing of it depends on a
 * role, a domain, a key or a request; what it drew of entropy must be forgotten before the fork.
 */
#ifndef TFAAS_CORE_WARM_H
#define TFAAS_CORE_WARM_H

#include <stdbool.h>

/* After engine and runtime are ready. False: *why. */
bool core_warm(const char **why);

#endif
