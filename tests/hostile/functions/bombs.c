/* bombs.c - what a function may try to use up: the first byte of the request says what. */
#include "guest.h"

__attribute__((import_module("wasi_snapshot_preview1"), import_name("random_get"))) int32_t
random_get(void *to, int32_t size);
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) int32_t
fd_write(int32_t fd, const void *parts, int32_t count, int32_t *written);

#define PAGE 65536u

static struct {
    const void *at;
    uint32_t size;
} parts[1024];

static void write_log(int32_t lines)
{
    static const char line[] = "a line of the log\n";
    int32_t written;
    parts[0].at = line;
    parts[0].size = sizeof line - 1;
    for (int32_t i = 0; i < lines; i++)
        (void)fd_write(2, parts, 1, &written);
}

/* All the memory it may have, kept until the deadline. */
static void hold_memory(void)
{
    uint32_t step = 1024;
    while (step > 0) {
        uint32_t at = (uint32_t)__builtin_wasm_memory_grow(0, step);
        if (at == 0xffffffffu)
            step /= 2;
    }
    (void)tfaas_sleep(-1);
}

/* 256 MiB of random bytes in one host call. */
static void long_random(void)
{
    int32_t pages = 4096, at = (int32_t)__builtin_wasm_memory_grow(0, (uint32_t)pages);
    if (at > 0)
        (void)random_get((void *)(uintptr_t)((uint32_t)at * PAGE), pages * (int32_t)PAGE);
}

/* 1 GiB in one host call: a thousand times the same MiB. */
static void long_log(void)
{
    int32_t at = (int32_t)__builtin_wasm_memory_grow(0, 16), written;
    for (int i = 0; i < 1024; i++) {
        parts[i].at = (const void *)(uintptr_t)((uint32_t)at * PAGE);
        parts[i].size = 16 * PAGE;
    }
    (void)fd_write(2, parts, 1024, &written);
}

static volatile uint8_t room[64 * PAGE];

/* Every second page of `room`, a part of them in each run: as many separate mappings as it can
 * make. */
static void scatter(int part)
{
    for (int i = 0; i < 40; i++)
        room[(uint32_t)(part * 40 + i) * 8192u] = 1;
}

static int handle(const uint8_t *body, int size)
{
    switch (size > 0 ? body[0] : 's') {
    case 'l':
        write_log(5000);
        break;
    case 'm':
        hold_memory();
        break;
    case 'r':
        long_random();
        break;
    case 'w':
        long_log();
        break;
    case 'p':
        scatter(body[1] - '0');
        (void)tfaas_sleep(200000000);
        break;
    default:
        break;
    }
    return answer("short", 5);
}
