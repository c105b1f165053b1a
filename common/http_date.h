/*
 * http_date.h - the `date` field (RFC 9110 section 5.6.7), IMF-fixdate only: senders must use no
 * other form. Unix seconds, years 1970 to 9999.
 */
#ifndef TFAAS_COMMON_HTTP_DATE_H
#define TFAAS_COMMON_HTTP_DATE_H

#include "cursor.h"
#include "tfaas/status.h"

#define HTTP_DATE_SIZE 29u

/* BAD_REQUEST: another form, a date that no calendar has, or the wrong day of the week. */
tfaas_status_t http_date_read(struct span text, uint64_t *unix_s) TFAAS_MUST_USE;
/* No NUL at the end. Times after 9999 are written as its last second. */
void http_date_write(uint64_t unix_s, char to[HTTP_DATE_SIZE]);

#endif
