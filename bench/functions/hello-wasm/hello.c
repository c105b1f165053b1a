/*
 * hello.c - the C function of the bench: {"name":"world"} on stdin, {"hello":"world"} on stdout.
 * The same source is compiled to Wasm (for TFaaS) and to a static program (for the fork-per-request
 * peer). It must use nothing but read and write, so that both measure the caller, not libc.
 */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 4096 };

static size_t read_input(char *input, size_t capacity)
{
    size_t size = 0;
    while (size < capacity) {
        ssize_t got = read(0, input + size, capacity - size);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    return size;
}

/* Finds the string value of "name"; escapes are copied as they stand, so JSON stays JSON. */
static int find_name(const char *input, size_t size, const char **name, size_t *name_size)
{
    static const char key[] = "\"name\"";
    const size_t key_size = sizeof key - 1;
    for (size_t i = 0; i + key_size <= size; i++) {
        if (memcmp(input + i, key, key_size) != 0)
            continue;
        size_t at = i + key_size;
        while (at < size && (input[at] == ' ' || input[at] == ':'))
            at++;
        if (at >= size || input[at] != '"')
            return -1;
        size_t start = ++at;
        while (at < size && input[at] != '"')
            at += input[at] == '\\' ? 2 : 1;
        if (at >= size)
            return -1;
        *name = input + start;
        *name_size = at - start;
        return 0;
    }
    return -1;
}

static int write_all(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(1, data, size);
        if (put <= 0)
            return -1;
        data += put;
        size -= (size_t)put;
    }
    return 0;
}

int main(void)
{
    static const char head[] = "{\"hello\":\"", tail[] = "\"}";
    char input[INPUT_MAX], output[INPUT_MAX + sizeof head + sizeof tail];
    const char *name;
    size_t name_size, size = read_input(input, sizeof input);
    if (find_name(input, size, &name, &name_size) != 0)
        return 1;
    memcpy(output, head, sizeof head - 1);
    memcpy(output + sizeof head - 1, name, name_size);
    memcpy(output + sizeof head - 1 + name_size, tail, sizeof tail - 1);
    return write_all(output, sizeof head - 1 + name_size + sizeof tail - 1) == 0 ? 0 : 1;
}
