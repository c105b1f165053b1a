/*
 * confidential.h - what an owner sealed, inside the core: packages and secrets of a load bundle are
 * opened with the grants for this worker, and what a confidential function says leaves sealed to
 * its owner or not at all. The clear bytes live in the function's bundle, which is wiped when it is
 * unloaded.
 */
#ifndef TFAAS_CORE_CONFIDENTIAL_H
#define TFAAS_CORE_CONFIDENTIAL_H

#include "function.h"

/* After bundle_read: opens whatever is sealed in function->bundle and replaces bundle and bytes by
 * clear ones; sets encapsulated_only, confidential and the log key. Does nothing to a bundle that
 * holds nothing sealed. NOT_GRANTED with *why, which names the item (static text). */
tfaas_status_t confidential_open(struct function *function, const char **why) TFAAS_MUST_USE;
/* What may leave of `text`: the text itself, or of a confidential function a line sealed to its
 * owner, malloc'ed into *sealed (the caller frees it; NULL for others). Size 0: nothing may. */
struct span confidential_text(const struct function *function, struct span text, char **sealed);

#endif
