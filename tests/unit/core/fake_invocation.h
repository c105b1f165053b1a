/*
 * fake_invocation.h - a function, an invocation and its host calls for tests of core/wasi*.c. A
 * call that may block moves the guest's memory, so that ASan sees every stale pointer.
 */
#ifndef TFAAS_TESTS_FAKE_INVOCATION_H
#define TFAAS_TESTS_FAKE_INVOCATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "function.h"
#include "inner.h"
#include "wasi.h"

#define MEMORY_SIZE 655360u /* more than two pieces of random bytes */

/* errno numbers of the witx file, written down once more: a wrong number in core/ must show */
enum {
    OK = 0,
    BADF = 8,
    CANCELED = 11,
    EXIST = 20,
    FAULT = 21,
    INVAL = 28,
    ISDIR = 31,
    MFILE = 33,
    NAMETOOLONG = 37,
    NOENT = 44,
    NOSYS = 52,
    NOTDIR = 54,
    NOTSUP = 58,
    PIPE = 64,
    ROFS = 69,
    SPIPE = 70,
    NOTCAPABLE = 76
};

static struct {
    uint8_t *memory; /* where the guest's memory is now */
    uint8_t request[300000];
    size_t request_size, request_at;
    size_t pieces; /* bytes that arrive at a time; 0: all */
    uint8_t response[300000];
    size_t response_size;
    unsigned writes, moves;
    bool response_last;
    char log[20000];
    size_t log_size;
    int64_t slept[16];
    unsigned sleeps;
    unsigned inner_sum;
    bool refuse; /* blocking calls say: must stop */
} fake;

static struct function function;
static struct invocation run;
static struct guest_memory memory;
static struct package_file package_files[] = {
    {{(const uint8_t *)"data.txt", 8}, {(const uint8_t *)"0123456789", 10}},
    {{(const uint8_t *)"lib/util.js", 11}, {(const uint8_t *)"util", 4}},
};
static struct bundle_pair secret_pairs[] = {
    {{(const uint8_t *)"token", 5}, {(const uint8_t *)"hunter2", 7}},
};
static struct bundle_pair env_pairs[4];

static inline void move_memory(void)
{
    uint8_t *moved = malloc(MEMORY_SIZE);
    memcpy(moved, fake.memory, MEMORY_SIZE);
    memset(fake.memory, 0xee, MEMORY_SIZE);
    free(fake.memory);
    fake.memory = moved;
    fake.moves++;
}

static inline void refresh(struct guest_memory *m)
{
    m->base = fake.memory;
}

/* Lets the next piece of the request arrive in the inbox (only its size matters here). */
static inline void arrive(void)
{
    size_t left = fake.request_size - fake.request_at;
    run.in.size = fake.pieces && fake.pieces < left ? fake.pieces : left;
    run.in.ended = run.in.size == left;
}

int64_t invocation_read(struct invocation *r, uint8_t *to, size_t capacity)
{
    assert_true(capacity > 0);
    if (r->in.size == 0 && !r->in.ended) {
        if (fake.memory)
            move_memory();
        arrive();
        if (fake.refuse) {
            r->stop = TFAAS_CANCELLED;
            return -1;
        }
    }
    size_t part = r->in.size < capacity ? r->in.size : capacity;
    memcpy(to, fake.request + fake.request_at, part);
    fake.request_at += part;
    r->in.size -= part;
    return (int64_t)part;
}

int invocation_write(struct invocation *r, const uint8_t *from, size_t size, bool last)
{
    move_memory();
    if (fake.refuse) {
        r->stop = TFAAS_OUTPUT_LIMIT;
        return -1;
    }
    assert_false(fake.response_last);
    assert_true(fake.response_size + size <= sizeof(fake.response));
    memcpy(fake.response + fake.response_size, from, size);
    fake.response_size += size;
    fake.response_last = last;
    fake.writes++;
    /* As the real one: a last piece is held back to travel with END, so nothing "started" by it. */
    if (!last)
        r->response_started = true;
    return 0;
}

int invocation_sleep(struct invocation *r, int64_t ns)
{
    move_memory();
    assert_true(fake.sleeps < 16);
    fake.slept[fake.sleeps++] = ns;
    if (fake.refuse) {
        r->stop = TFAAS_DEADLINE;
        return -1;
    }
    r->realtime_ns += ns > 0 ? (uint64_t)ns : 0;
    return 0;
}

int32_t inner_open(struct invocation *r, const uint8_t *text, size_t size)
{
    (void)r, (void)text, (void)size;
    move_memory();
    return -COMPARTMENT_REFUSED;
}

int32_t inner_call(struct invocation *r, uint32_t handle, const uint8_t *request, size_t size)
{
    (void)r, (void)handle;
    fake.inner_sum = 0;
    for (size_t i = 0; i < size; i++) /* all of it is there */
        fake.inner_sum += request[i];
    move_memory();
    return -COMPARTMENT_CLOSED;
}

size_t inner_read(struct invocation *r, uint8_t *to, size_t capacity)
{
    (void)r;
    memset(to, 'i', capacity);
    return capacity;
}

int32_t inner_close(struct invocation *r, uint32_t handle)
{
    (void)r, (void)handle;
    return -COMPARTMENT_CLOSED;
}

bool inner_count_work(struct invocation *r)
{
    r->stop = TFAAS_CANCELLED;
    return true;
}

void invocation_log(struct invocation *r, const uint8_t *bytes, size_t size)
{
    (void)r;
    if (fake.memory)
        move_memory();
    assert_true(fake.log_size + size < sizeof(fake.log));
    memcpy(fake.log + fake.log_size, bytes, size);
    fake.log_size += size;
    r->log_sent += size;
}

void invocation_random(struct invocation *r, uint8_t *to, size_t size)
{
    (void)r;
    memset(to, 0x5a, size);
}

static inline struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static inline void set_up(enum function_kind kind)
{
    const char *why;
    free(fake.memory);
    memset(&fake, 0, sizeof(fake));
    memset(&run, 0, sizeof(run));
    memset(&function, 0, sizeof(function));
    env_pairs[0] = (struct bundle_pair){text("GREETING"), text("hello world")};
    function.kind = kind;
    function.package = (struct package){.files = package_files, .file_count = 2};
    function.bundle = (struct bundle){
        .env = env_pairs, .env_count = 1, .secrets = secret_pairs, .secret_count = 1};
    assert_int_equal(vfs_build(&function.vfs, &function.package, &function.bundle, &why), TFAAS_OK);
    memcpy(function.entry, "/function/main.wasm", 20);
    run.function = &function;
    run.hostcall_limit = 1000000;
    run.log_limit = 1000000;
    run.realtime_ns = 1700000000123456789u;
    fake.memory = calloc(1, MEMORY_SIZE);
    memory = (struct guest_memory){.base = fake.memory, .size = MEMORY_SIZE, .refresh = refresh};
}

static inline void tear_down(void)
{
    wasi_end(&run);
    vfs_free(&function.vfs);
    free(fake.memory);
    fake.memory = NULL;
}

/* The request stream: a head with these fields ("name: value" lines), then content. */
static inline void set_request(const char *method, const char *path, const char *fields,
                               const void *content, size_t content_size)
{
    static uint8_t scratch[BHTTP_HEAD_MAX];
    struct bhttp_writer w;
    bhttp_begin_request(&w, fake.request, sizeof(fake.request), scratch, sizeof(scratch),
                        text(method), text("http"), text("example.com"), text(path));
    while (*fields) {
        const char *colon = strchr(fields, ':'), *end = strchr(fields, '\n');
        bhttp_field(&w, (struct span){(const uint8_t *)fields, (size_t)(colon - fields)},
                    (struct span){(const uint8_t *)colon + 2, (size_t)(end - colon - 2)});
        fields = end + 1;
    }
    fake.request_size = bhttp_end(&w);
    assert_true(fake.request_size > 0);
    memcpy(fake.request + fake.request_size, content, content_size);
    fake.request_size += content_size;
}

static inline int32_t call_args(const char *name, const uint64_t *args, size_t count)
{
    for (size_t i = 0; i < wasi_import_count; i++) {
        if (strcmp(wasi_imports[i].name, name) != 0)
            continue;
        assert_int_equal(wasi_imports[i].arg_count, count);
        memory.base = fake.memory; /* the binder looks at every call */
        return wasi_imports[i].call(&run, &memory, args);
    }
    fail_msg("no import %s", name);
    return -1;
}

#define CALL(name, ...)                                                                            \
    call_args(name, (const uint64_t[]){__VA_ARGS__},                                               \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static inline void poke(uint32_t at, const void *bytes, size_t size)
{
    assert_true(at + size <= MEMORY_SIZE);
    memcpy(fake.memory + at, bytes, size);
}

static inline void poke_number(uint32_t at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        fake.memory[at + i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t peek(uint32_t at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)fake.memory[at + i] << (8 * i);
    return value;
}

static inline void poke_iovec(uint32_t at, uint32_t pointer, uint32_t size)
{
    poke_number(at, pointer, 4);
    poke_number(at + 4, size, 4);
}

/* A response head with one field. */
static inline size_t response_head(uint8_t *out, size_t capacity, unsigned status)
{
    uint8_t scratch[256];
    struct bhttp_writer w;
    bhttp_begin_response(&w, out, capacity, scratch, sizeof(scratch), status);
    bhttp_field(&w, text("x-test"), text("yes"));
    return bhttp_end(&w);
}

#endif
