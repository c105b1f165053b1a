/*
 * wasi_internal.h - what wasi.c, wasi_fs.c and wasi_command.c share: WASI preview 1 numbers
 * (the witx definition of wasi_snapshot_preview1), checked access to guest memory, streams.
 */
#ifndef TFAAS_CORE_WASI_INTERNAL_H
#define TFAAS_CORE_WASI_INTERNAL_H

#include "wasi.h"

enum wasi_errno {
    E_SUCCESS = 0,
    E_2BIG = 1,
    E_BADF = 8,
    E_CANCELED = 11,
    E_EXIST = 20,
    E_FAULT = 21,
    E_INVAL = 28,
    E_ISDIR = 31,
    E_MFILE = 33,
    E_NAMETOOLONG = 37,
    E_NOENT = 44,
    E_NOSYS = 52,
    E_NOTDIR = 54,
    E_NOTSUP = 58,
    E_PIPE = 64,
    E_ROFS = 69,
    E_SPIPE = 70,
    E_NOTCAPABLE = 76,
};

enum { FD_STDIN, FD_STDOUT, FD_STDERR, FD_ROOT, FD_FIRST_FILE };

#define IOVECS_MAX        1024u
#define SUBSCRIPTIONS_MAX 1024u
#define GUEST_PATH_MAX    4096u
#define BOUNCE_SIZE       (16u * 1024) /* on the stack of a host call that may block */

typedef struct invocation run_t;
typedef struct guest_memory memory_t;

/* --- guest memory: the only way to it. wasm32 pointers, checked in 64 bits --- */

/* `size` bytes at guest address `at`, or NULL. Gone after anything that may block. */
static inline uint8_t *guest_at(const memory_t *memory, uint64_t at, uint64_t size)
{
    if (at > memory->size || size > memory->size - at || !memory->base)
        return NULL;
    return memory->base + at;
}

/* Little-endian stores and loads inside a range that guest_at has checked. */
static inline void put_le(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t get_le(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static inline int32_t guest_put(const memory_t *memory, uint64_t at, uint64_t value, unsigned size)
{
    uint8_t *to = guest_at(memory, at, size);
    if (!to)
        return E_FAULT;
    put_le(to, value, size);
    return E_SUCCESS;
}

static inline uint32_t arg32(const uint64_t *args, unsigned i)
{
    return (uint32_t)args[i];
}

static inline void charge_bytes(run_t *run, uint64_t size)
{
    run->work += size / HOSTCALL_BYTES_PER_WORK;
}

/* --- iovecs: { u32 pointer, u32 size }; the two types have the same layout --- */

struct iovec_array {
    uint32_t at, count;
    uint64_t total; /* bytes of all together, <= INT32_MAX */
};

/* Checks count, every range, and the total. E_SUCCESS, E_INVAL or E_FAULT. */
int32_t iovecs_check(const memory_t *memory, uint32_t at, uint32_t count,
                     struct iovec_array *array);
/* Element i, read and checked again: memory may have changed since iovecs_check (the guest's own
 * buffers may overlap the array). False: out of bounds. */
bool iovec_get(const memory_t *memory, const struct iovec_array *array, uint32_t i, uint32_t *at,
               uint32_t *size);

/* --- streams (wasi_command.c) --- */

/* The next request content bytes into guest memory [at, at + capacity), capacity > 0; may block
 * (refreshes). > 0 bytes, 0 end, negative: -errno. */
int64_t stream_read(run_t *run, memory_t *memory, uint32_t at, uint32_t capacity);
/* Bytes that a read would give at once. */
uint64_t stream_ready(const run_t *run);
/* fd_write to fd 1 or 2. */
int32_t stream_write(run_t *run, memory_t *memory, bool is_stderr, uint32_t iovecs, uint32_t count,
                     uint32_t written_at);
/* A command's stdout so far; before anything that blocks. False: the run must stop. */
bool stream_flush(run_t *run, bool last);

bool is_command(const run_t *run);

/* --- environment and arguments (wasi_command.c) --- */

struct strings; /* collects zero-terminated strings: counts, or writes to guest memory */
typedef void (*strings_fn)(const run_t *run, struct strings *strings);
void environment_strings(const run_t *run, struct strings *strings);
void argument_strings(const run_t *run, struct strings *strings);
int32_t strings_sizes(run_t *run, memory_t *memory, strings_fn each, uint32_t count_at,
                      uint32_t size_at);
int32_t strings_write(run_t *run, memory_t *memory, strings_fn each, uint32_t pointers_at,
                      uint32_t bytes_at);

/* --- descriptors (wasi_fs.c) --- */

/* May `fd` be read (or written)? E_SUCCESS, E_BADF or E_NOTCAPABLE. */
int32_t fd_check_stream(const run_t *run, uint32_t fd, bool write);
/* Bytes that are left in a file, or 0. */
uint64_t fd_file_left(const run_t *run, uint32_t fd);

int32_t fd_advise(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_close(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_fdstat_get(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_filestat_get(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_pread(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_prestat_get(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_prestat_dir_name(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_read(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_readdir(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_seek(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_tell(run_t *run, memory_t *memory, const uint64_t *args);
int32_t fd_write(run_t *run, memory_t *memory, const uint64_t *args);
int32_t path_filestat_get(run_t *run, memory_t *memory, const uint64_t *args);
int32_t path_open(run_t *run, memory_t *memory, const uint64_t *args);
int32_t path_readlink(run_t *run, memory_t *memory, const uint64_t *args);

#endif
