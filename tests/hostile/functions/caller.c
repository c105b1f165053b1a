/* caller.c - opens compartments of caged.wasm as it loads; a request is parts that end with ';':
 * a handle's digit and the bytes for it, x and a digit to close one, o to open one late, n to read
 * what is not there. The answer has for each part the result, a space, the bytes, ';'. */
#include "guest.h"

#include "../../../sdk/c/tfaas_function.h"
#include <string.h>

static char bytes[1 << 16], out[1 << 16];
static int out_size;
static int refused[16], refused_count;

static void open(const char *text)
{
    int handle = tfaas_compartment_open(text, (uint32_t)strlen(text));
    if (handle < 0 && refused_count < 16)
        refused[refused_count++] = handle;
}

TFAAS_FUNCTION_EXPORT(tfaas_load) int tfaas_load(void)
{
    open("module caged.wasm\nname plain\nmemory 2097152\nwork 5000000\n");
    open("module caged.wasm\nname granted\nmemory 2097152\nwork 90000000\ngrant log\ngrant env "
         "SHOWN\nfolder seen\n");
    open("module caged.wasm\nname brief\nmemory 2097152\ntimeout 50000000\ngrant secret key\n");
    open("module caged.wasm\nname plain\nmemory 2097152\nwork 5000000\n"); /* the first again */
    open("module caged.wasm\ngrant fetch\n");
    open("module nothing.wasm\n");
    open("module ../caller.wasm\n");
    open("memory 4096\n");
    open("module caged.wasm\nmemory 99999999999\n");
    open("module caged.wasm\nmemory 65536\n"); /* less than it starts with */
    open("module broken.wasm\n");
    return 0;
}

static void put(const char *text, int size)
{
    if (size > (int)sizeof out - out_size)
        size = (int)sizeof out - out_size;
    memcpy(out + out_size, text, (unsigned)size);
    out_size += size;
}

static void put_number(int value)
{
    char digits[16];
    int at = 16;
    unsigned rest = value < 0 ? 0u - (unsigned)value : (unsigned)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        digits[--at] = '-';
    put(digits + at, 16 - at);
}

static void part(const char *text, int size)
{
    int result = 0;
    if (text[0] == 'o')
        result = tfaas_compartment_open("module caged.wasm\n", 18);
    else if (text[0] == 'x')
        result = tfaas_compartment_close(text[1] - '0');
    else if (text[0] == 'N')
        result = refused[text[1] - '0'];
    else if (text[0] != 'n')
        result = tfaas_compartment_call(text[0] - '0', text + 1, (unsigned)size - 1);
    put_number(result);
    put(" ", 1);
    int got = tfaas_compartment_read(bytes, sizeof bytes);
    put(bytes, got > 0 ? got : 0);
    put(";", 1);
}

static int handle(const uint8_t *body, int size)
{
    for (int at = 0, end = 0; end < size; end++) {
        if (body[end] != ';')
            continue;
        part((const char *)body + at, end - at);
        at = end + 1;
    }
    return answer(out, out_size);
}
