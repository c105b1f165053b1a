/* text.c - error names, hex, names of functions. */
#include "internal.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *text;
    int exit_code;
} rows[] = {
#define X(name, exit_code, text) {#name, text, exit_code},
    TFAAS_CLIENT_ERROR_LIST(X)
#undef X
};

/* The list in lower case, made once at the start of the program. */
static char names[TFAAS_CLIENT_ERROR_COUNT][32];

static void __attribute__((constructor)) make_names(void)
{
    for (size_t i = 0; i < TFAAS_CLIENT_ERROR_COUNT; i++)
        for (size_t k = 0; rows[i].name[k] && k + 1 < sizeof(names[i]); k++)
            names[i][k] = (char)tolower((unsigned char)rows[i].name[k]);
}

static unsigned known(enum tfaas_client_error error)
{
    return (unsigned)error < TFAAS_CLIENT_ERROR_COUNT ? (unsigned)error : TFAAS_CLIENT_USAGE;
}

const char *tfaas_client_error_name(enum tfaas_client_error error)
{
    return names[known(error)];
}

const char *tfaas_client_error_text(enum tfaas_client_error error)
{
    return rows[known(error)].text;
}

int tfaas_client_error_exit(enum tfaas_client_error error)
{
    return rows[known(error)].exit_code;
}

client_error_t client_fail(struct tfaas_failure *failure, client_error_t error, const char *format,
                           ...)
{
    if (!failure)
        return error;
    va_list arguments;
    va_start(arguments, format);
    failure->error = error;
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    return error;
}

void hex_write(const uint8_t *data, size_t size, char *to)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        to[2 * i] = digits[data[i] >> 4];
        to[2 * i + 1] = digits[data[i] & 15];
    }
    to[2 * size] = 0;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(const char *text, uint8_t *to, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* RFC 1123 labels, as OpenFaaS has them. */
static bool label_ok(const char *name, size_t size)
{
    if (size == 0 || size > 63 || name[0] == '-' || name[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            name[i] != '-')
            return false;
    return true;
}

bool function_name_ok(const char *name)
{
    return label_ok(name, strlen(name));
}

bool domain_name_ok(const char *name)
{
    return label_ok(name, strlen(name));
}
