/*
 * random.h - the core's random bytes: ChaCha20 with fast key erasure, seeded from plat_entropy.
 * Nothing of its state may be in an image; a forked worker must reseed before anything else.
 */
#ifndef TFAAS_CORE_RANDOM_H
#define TFAAS_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_reseed(void);
/* Wipes what it has; the next use seeds it anew. Before a machine may be copied. */
void random_forget(void);
void random_bytes(uint8_t *to, size_t size);
/* The same, and different in every copy of this process, at every call: what a nonce needs under a
 * key that copies share. No system call where the processor draws. */
void random_fresh(uint8_t *to, size_t size);

#endif
