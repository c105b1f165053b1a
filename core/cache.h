/*
 * cache.h - the authenticated compile cache: native code that a core of this zygote compiled, kept
 * by the host and given back with a later load. The host can lose it, never change it: what does
 * not open is compiled again. Must never accept code of another trust domain, package or core
 * version.
 *
 *   bytes = header ("tfaascc", format) || nonce (24, random) || XChaCha20-Poly1305(code)
 *   key   = keyed BLAKE2b(zygote's random master, trust domain): gone when the zygote ends
 *   associated data = header || package digest || metering weights' hash || TFAAS_VERSION
 */
#ifndef TFAAS_CORE_CACHE_H
#define TFAAS_CORE_CACHE_H

#include "cursor.h"
#include "package.h"
#include "tfaas/status.h"

/* Zygote: draws the master key. */
void cache_prepare(void);
/* A machine's core: wipes it before the machine may be copied, and takes the one that the cores of
 * its tender share afterwards. */
void cache_wipe(void);
#define CACHE_SEED_SIZE 32u
void cache_take(const uint8_t seed[CACHE_SEED_SIZE]);
/* Worker, before its first message: derives the domain's key and wipes the master. */
void cache_enter(const char *domain);
/* A core that was asked to seal needs the key no more: wiped before it runs anything, so that the
 * host can believe that what it is offered was compiled. */
void cache_forget(void);

/* *out is malloc'ed. UNAVAILABLE: there is no key. */
tfaas_status_t cache_seal(struct span code, const uint8_t package[PACKAGE_DIGEST_SIZE],
                          uint8_t **out, size_t *out_size) TFAAS_MUST_USE;
/* Opens in place: on success `code` lies inside `sealed`. False: it is not ours, compile. */
bool cache_open(uint8_t *sealed, size_t size, const uint8_t package[PACKAGE_DIGEST_SIZE],
                struct span *code) TFAAS_MUST_USE;

#endif
