/* memory.c - an allocator over memory.grow, copies and fills of odd sizes (bulk memory). */
extern unsigned char __heap_base;
static unsigned char *next;

static void *allocate(unsigned size)
{
    if (next == 0)
        next = &__heap_base;
    unsigned char *at = next;
    next += (size + 7u) & ~7u;
    unsigned have = (unsigned)__builtin_wasm_memory_size(0) * 65536u;
    if ((unsigned)next > have) {
        unsigned pages = ((unsigned)next - have + 65535u) / 65536u;
        if (__builtin_wasm_memory_grow(0, pages) == (unsigned long)-1)
            return 0;
    }
    return at;
}

__attribute__((export_name("run"))) int run(int rounds)
{
    unsigned check = 0;
    for (int i = 0; i < rounds; i++) {
        unsigned size = 1u + (unsigned)i * 1237u % 20000u;
        unsigned char *a = allocate(size), *b = allocate(size);
        if (a == 0 || b == 0)
            return -1;
        __builtin_memset(a, i & 0xff, size);
        a[size / 2] = 99;
        __builtin_memcpy(b, a, size);
        __builtin_memmove(b + 1, b, size - 1);
        check = check * 31 + b[size / 2] + b[size - 1];
    }
    return (int)check;
}
