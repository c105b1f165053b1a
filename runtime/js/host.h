/*
 * host.h - everything the JS runtime may ask from below: the "tfaas" imports and the few WASI
 * preview 1 calls it uses. No libc file or stream function is used, so nothing else is imported.
 */
#ifndef TFAAS_JS_HOST_H
#define TFAAS_JS_HOST_H

#include <stddef.h>
#include <stdint.h>

#define TFAAS_IMPORT(name) __attribute__((import_module("tfaas"), import_name(#name)))

/* Results: >= 0 bytes, < 0 refused (limit, cancelled). */
TFAAS_IMPORT(request_read) int32_t host_request_read(void *dst, uint32_t cap);
TFAAS_IMPORT(response_write)
int32_t host_response_write(const void *src, uint32_t size, int32_t last);
TFAAS_IMPORT(sleep) int32_t host_sleep(int64_t ns);

/* Native cryptography (core/primitives.h says what each takes): 0 or more, or -errno. */
enum host_hash { HOST_MD5, HOST_SHA1, HOST_SHA256, HOST_SHA384, HOST_SHA512 };
TFAAS_IMPORT(hash_blocks)
int32_t host_hash_blocks(uint32_t hash, void *state, const void *data, uint32_t count);
TFAAS_IMPORT(hmac_rounds)
int32_t host_hmac_rounds(uint32_t hash, const void *states, void *u_t, uint32_t count);
TFAAS_IMPORT(aes_ctr)
int32_t host_aes_ctr(const void *key, uint32_t key_size, void *counter, void *data, uint32_t size);
TFAAS_IMPORT(aes_cbc)
int32_t host_aes_cbc(const void *key, uint32_t key_size, void *iv, void *data, uint32_t size,
                     uint32_t decrypt);
TFAAS_IMPORT(ghash) int32_t host_ghash(void *y, const void *h, const void *data, uint32_t size);
TFAAS_IMPORT(curve)
int32_t host_curve(uint32_t operation, const void *key, uint32_t key_size, const void *data,
                   uint32_t data_size, void *out);
/* Compartments (core/inner.h): a handle or bytes, or negative. */
TFAAS_IMPORT(compartment_open) int32_t host_compartment_open(const void *text, uint32_t size);
TFAAS_IMPORT(compartment_call)
int32_t host_compartment_call(int32_t handle, const void *request, uint32_t size);
TFAAS_IMPORT(compartment_read) int32_t host_compartment_read(void *to, uint32_t cap);
TFAAS_IMPORT(compartment_close) int32_t host_compartment_close(int32_t handle);

enum host_kind { HOST_NOTHING, HOST_FILE, HOST_DIRECTORY };

/* One write to the log; `text` should be whole lines. */
void host_log(const char *text, size_t size);

void host_random(void *dst, size_t size); /* traps when there is no entropy */
uint64_t host_monotonic_ns(void);
uint64_t host_realtime_ns(void);

/* `path` is absolute. */
enum host_kind host_stat(const char *path, uint64_t *size);

/* Whole file, NUL-terminated, in malloc'ed memory; NULL and *error (WASI errno) when it cannot. */
char *host_read_file(const char *path, size_t *size, int *error);

/* NUL-separated names of a directory without "." and "..", malloc'ed; NULL and *error. */
char *host_list_directory(const char *path, size_t *size, int *error);

/* NUL-separated strings in malloc'ed memory; NULL when there are none. */
char *host_arguments(size_t *count);
char *host_environment(size_t *count);

#endif
