/* loops.c - runs that take long, never end, or block; the first byte of the body says which. */
#include "guest.h"

#include <wasi/api.h>
#include <wasm_simd128.h>

static volatile uint32_t sink;
static uint8_t buffer[1 << 20];

__attribute__((noinline)) static int recurse(int depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth < 0) /* not before the native stack is used up */
        return 0;
    return recurse(depth + 1) + frame[0];
}

/* Scalar and vector floats and integers, all live at once: any register that a switch ruins
 * changes the result. */
static uint64_t kernel(uint32_t seed, int rounds)
{
    double a = seed * 0.5 + 1, b = 1.0 / (seed + 3), c = 0.25, d = 3.0;
    v128_t v = wasm_f32x4_make(1, 2, 3, (float)seed), w = wasm_f32x4_splat(0.999f);
    v128_t i = wasm_i32x4_splat((int)seed), j = wasm_i32x4_make(3, 5, 7, 11);
    uint64_t h = seed;
    for (int n = 0; n < rounds; n++) {
        a = a * 0.999 + b;
        b = b + c * 1e-3 - a * 1e-6;
        c = c * 0.5 + d * 0.5;
        d = d - (c - 1.0) * 1e-3;
        v = wasm_f32x4_add(wasm_f32x4_mul(v, w), wasm_f32x4_splat(0.125f));
        i = wasm_i32x4_add(wasm_i32x4_mul(i, j), wasm_i32x4_splat(n));
        h = (h ^ (uint64_t)n) * 1099511628211u;
    }
    union {
        double value[4];
        uint64_t bits[4];
    } all = {{a, b, c, d}};
    for (int k = 0; k < 4; k++)
        h = h * 31 + all.bits[k];
    h = h * 31 + (uint64_t)wasm_i64x2_extract_lane(v, 0);
    h = h * 31 + (uint64_t)wasm_i64x2_extract_lane(v, 1);
    return h * 31 + (uint64_t)wasm_i64x2_extract_lane(i, 0) +
           (uint64_t)wasm_i64x2_extract_lane(i, 1) * 17;
}

static void spin_in_host_calls(void)
{
    __wasi_timestamp_t time;
    uint8_t random[64];
    for (;;) {
        sink += (uint32_t)__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &time);
        sink += (uint32_t)__wasi_random_get(random, sizeof random);
    }
}

static void spin_in_writes(void)
{
    __wasi_ciovec_t nothing = {buffer, 0};
    __wasi_size_t written;
    for (;;)
        sink += __wasi_fd_write(2, &nothing, 1, &written);
}

static int handle(const uint8_t *body, int size)
{
    uint32_t seed = size > 1 ? body[1] : 0;
    switch (size > 0 ? body[0] : 's') {
    case 'k':
        return answer_number(kernel(seed, 8000000));
    case 'q':
        return answer_number(kernel(seed, 200000));
    case 'e':
        for (;;)
            sink++;
    case 'f':
        for (int i = 0;; i++)
            __builtin_memset(buffer, i, sizeof buffer);
    case 'c':
        for (;;)
            __builtin_memmove(buffer, buffer + 1, sizeof buffer - 1);
    case 'r':
        return recurse(0);
    case 'h':
        spin_in_host_calls();
        break;
    case 'w':
        spin_in_writes();
        break;
    case 'z':
        return tfaas_sleep(-1);
    case 'y':
        for (;;)
            if (tfaas_sleep(0) < 0)
                return 3;
    case 'i': /* the test never sends the rest of this body: handle() is not reached */
        break;
    case 'a': /* answers, and does not end */
        (void)answer("early", 5);
        for (;;)
            sink++;
    default:
        return answer("short", 5);
    }
    return 4;
}
