/*
 * error.h - errors on the host: a status and one readable line that wraps its cause, crun style.
 */
#ifndef TFAAS_HOST_ERROR_H
#define TFAAS_HOST_ERROR_H

#include "tfaas/status.h"

struct tfaas_error {
    tfaas_status_t status;
    char text[512];
};

/* Both return `status`, so that a function can say: return error_set(e, TFAAS_NOT_FOUND, "..."). */
tfaas_status_t error_set(struct tfaas_error *error, tfaas_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends ": strerror(errno_value)". */
tfaas_status_t error_errno(struct tfaas_error *error, tfaas_status_t status, int errno_value,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Puts "context: " in front of what is there. */
tfaas_status_t error_wrap(struct tfaas_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
