/* needs: core/wasi.c core/wasi_fs.c core/wasi_command.c core/primitives.c core/primitives_curve.c core/vfs.c common/bhttp.c common/sha256.c common/status.c libs: sodium bearssl */
/*
 * primitives.c - fuzzes the native cryptography for functions: any call with any arguments over a
 * guest memory that is exactly allocated, so that the sanitizers see every byte beyond it; it moves
 * whenever the call may block.
 */
#include "inner.h"
#include "primitives.h"
#include <stdlib.h>
#include <string.h>

#define MEMORY (3u * PRIMITIVE_PIECE + 777u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *guest;

static void refresh(memory_t *memory)
{
    memory->base = guest;
}

int invocation_sleep(struct invocation *run, int64_t ns)
{
    (void)run, (void)ns;
    uint8_t *moved = malloc(MEMORY);
    if (!moved)
        abort();
    memcpy(moved, guest, MEMORY);
    free(guest);
    guest = moved;
    return 0;
}

int64_t invocation_read(struct invocation *run, uint8_t *to, size_t capacity)
{
    (void)run, (void)to, (void)capacity;
    return 0;
}

int invocation_write(struct invocation *run, const uint8_t *from, size_t size, bool last)
{
    (void)run, (void)from, (void)size, (void)last;
    return 0;
}

void invocation_log(struct invocation *run, const uint8_t *text, size_t size)
{
    (void)run, (void)text, (void)size;
}

void invocation_random(struct invocation *run, uint8_t *to, size_t size)
{
    (void)run;
    memset(to, 1, size);
}

/* No compartments here: what is asked of them is an error of the fuzzer. */
int32_t inner_open(struct invocation *run, const uint8_t *text, size_t size)
{
    (void)run, (void)text, (void)size;
    abort();
}

int32_t inner_call(struct invocation *run, uint32_t handle, const uint8_t *request, size_t size)
{
    (void)run, (void)handle, (void)request, (void)size;
    abort();
}

size_t inner_read(struct invocation *run, uint8_t *to, size_t capacity)
{
    (void)run, (void)to, (void)capacity;
    abort();
}

int32_t inner_close(struct invocation *run, uint32_t handle)
{
    (void)run, (void)handle;
    abort();
}

bool inner_count_work(struct invocation *run)
{
    (void)run;
    return true;
}

static int32_t (*const calls[])(run_t *, memory_t *, const uint64_t *) = {
    primitive_hash_blocks, primitive_hmac_rounds, primitive_aes_ctr,
    primitive_aes_cbc,     primitive_ghash,       primitive_curve,
};

/* Five bytes: how an argument is meant, and its number. */
static uint64_t argument(const uint8_t *from)
{
    uint32_t number;
    memcpy(&number, from + 1, 4);
    switch (from[0] % 6) {
    case 0:
        return number % 16;
    case 1:
        return number % 256;
    case 2:
        return number % MEMORY;
    case 3:
        return MEMORY - number % 128;
    case 4:
        return (number % 64) * 16;
    default:
        return number;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t lengths[] = {16, 24, 32, 64, 96, 129};
    struct invocation run = {0};
    if (size < 32)
        return 0;
    guest = malloc(MEMORY);
    if (!guest)
        return 0;
    for (uint32_t i = 0; i < MEMORY; i++)
        guest[i] = data[i % size];
    memory_t memory = {.base = guest, .size = MEMORY, .refresh = refresh};
    uint64_t args[9] = {0};
    for (unsigned i = 0; i < 6; i++)
        args[i] = argument(data + 1 + 5 * i);
    if (data[0] & 0x80) { /* likelier to be accepted */
        args[0] %= 16;
        args[2] = lengths[data[31] % sizeof(lengths)];
    }
    int32_t result = calls[(data[0] & 7) % 6](&run, &memory, args);
    if (result > 1 || (result < 0 && result != -E_INVAL && result != -E_FAULT))
        abort();
    free(guest);
    return 0;
}
