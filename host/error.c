/* error.c - see error.h. Text is cut to its buffer, never allocated: an error must not fail. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tfaas_status_t error_set(struct tfaas_error *error, tfaas_status_t status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->status = status;
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return status;
}

tfaas_status_t error_errno(struct tfaas_error *error, tfaas_status_t status, int errno_value,
                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->status = status;
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    (void)snprintf(error->text + used, sizeof error->text - used, ": %s", strerror(errno_value));
    return status;
}

tfaas_status_t error_wrap(struct tfaas_error *error, const char *format, ...)
{
    char cause[sizeof error->text];
    memcpy(cause, error->text, sizeof cause);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    (void)snprintf(error->text + used, sizeof error->text - used, ": %s", cause);
    return error->status;
}
