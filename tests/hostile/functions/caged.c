/* caged.c - what runs in a compartment: each attack by the first byte of its request. */
#include "../../../sdk/c/tfaas_function.h"

#include <string.h>
#include <wasi/api.h>

static char request[65536], answer_text[1 << 16];
static int counter;
static volatile uint32_t sink;

__attribute__((noinline)) static int recurse(int depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth < 0)
        return 0;
    return recurse(depth + 1) + frame[0];
}

__attribute__((noinline)) static void step(void)
{
    sink++;
}

static int answer(const char *text)
{
    return tfaas_response_write(text, (uint32_t)strlen(text), 1) < 0;
}

static int answer_number(long value)
{
    char digits[24];
    int at = 23;
    unsigned long rest = value < 0 ? 0ul - (unsigned long)value : (unsigned long)value;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        digits[--at] = '-';
    return answer(digits + at);
}

static int log_line(const char *text)
{
    __wasi_ciovec_t piece = {(const uint8_t *)text, strlen(text)};
    __wasi_size_t written;
    return __wasi_fd_write(2, &piece, 1, &written);
}

/* What of its owner can it read? "" if nothing. */
static int look_around(void)
{
    static const char *const paths[] = {"function/owner.txt", "function/caller.wasm",
                                        "var/openfaas/secrets/key", "function/seen/a.txt"};
    static uint8_t strings[8192], *pointers[64];
    __wasi_size_t count = 0, size = 0;
    answer_text[0] = '\0';
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        __wasi_fd_t fd;
        if (__wasi_path_open(3, 0, paths[i], 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd) == 0)
            strcat(strcat(answer_text, paths[i]), ",");
    }
    if (__wasi_environ_sizes_get(&count, &size) == 0 && count > 0 && count < 64 &&
        size < sizeof strings && __wasi_environ_get(pointers, strings) == 0) {
        for (unsigned i = 0; i < count; i++)
            strcat(strcat(answer_text, (char *)pointers[i]), ",");
    }
    return answer(answer_text);
}

static int forge(void)
{
    int reached = 0;
    for (int handle = -4; handle < 300; handle++)
        reached += tfaas_compartment_call(handle, "x", 1) != -TFAAS_COMPARTMENT_CLOSED;
    reached += tfaas_compartment_open("module caged.wasm\n", 18) >= 0;
    return answer_number(reached);
}

TFAAS_FUNCTION_EXPORT(tfaas_handle) int tfaas_handle(void)
{
    int size = 0, got;
    while ((got = tfaas_request_read(request + size, sizeof request - 1 - (unsigned)size)) > 0)
        size += got;
    if (got < 0)
        return 1;
    request[size] = '\0';
    switch (request[0]) {
    case 'e':
        return answer(request + 1);
    case 'n':
        return answer_number(++counter);
    case 't':
        __builtin_trap();
    case 'l':
        for (;;)
            step();
    case 's':
        for (;;)
            sink++;
    case 'd':
        return answer_number(recurse(1));
    case 'g': {
        int pages = 0;
        while (__builtin_wasm_memory_grow(0, 1) != (unsigned long)-1)
            pages++;
        return answer_number(pages);
    }
    case 'G':
        while (__builtin_wasm_memory_grow(0, 1) != (unsigned long)-1)
            ;
        __builtin_trap();
    case 'w':
        return tfaas_sleep(-1) != 0 || answer("woken");
    case 'r':
        return look_around();
    case 'p':
        log_line("one\ntwo\nthree without an end");
        return answer("said");
    case 'P':
        for (int i = 0; i < 100000; i++)
            log_line("\n");
        return answer("said");
    case 'b':
        for (int i = 0; i < 100; i++) {
            if (tfaas_response_write(answer_text, sizeof answer_text, 0) < 0)
                return 1;
        }
        return answer("");
    case 'q':
        return forge();
    case 'z':
        return 0;
    case 'x':
        __wasi_proc_exit(3);
    case 'h':
        for (;;)
            (void)tfaas_sleep(0);
    }
    return 1;
}
