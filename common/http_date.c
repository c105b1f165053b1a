/* http_date.c - see http_date.h. What is read is what would be written for the same second. */
#include "http_date.h"

#define DAY_S  86400u
#define LAST_S 253402300799u /* 9999-12-31 23:59:59 */

static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* The Gregorian calendar with years that begin in March: leap days come last. */
static uint64_t days_of(uint64_t year, unsigned month, unsigned day)
{
    year -= month < 3;
    uint64_t shifted = (month + 9) % 12;
    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + day - 719469;
}

static void two_digits(char *to, unsigned value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
}

void http_date_write(uint64_t unix_s, char to[HTTP_DATE_SIZE])
{
    if (unix_s > LAST_S)
        unix_s = LAST_S;
    uint64_t days = unix_s / DAY_S, s = unix_s % DAY_S, year = 1970 + days / 366;
    while (days_of(year + 1, 1, 1) <= days)
        year++;
    unsigned month = 1;
    while (month < 12 && days_of(year, month + 1, 1) <= days)
        month++;
    unsigned day = (unsigned)(days - days_of(year, month, 1)) + 1;
    memcpy(to, "DDD, 00 MMM 0000 00:00:00 GMT", HTTP_DATE_SIZE);
    memcpy(to, day_names + days % 7 * 3, 3);
    memcpy(to + 8, month_names + (month - 1) * 3, 3);
    two_digits(to + 5, day);
    two_digits(to + 12, (unsigned)year / 100);
    two_digits(to + 14, (unsigned)year % 100);
    two_digits(to + 17, (unsigned)(s / 3600));
    two_digits(to + 20, (unsigned)(s / 60 % 60));
    two_digits(to + 23, (unsigned)(s % 60));
}

static bool number(const uint8_t *digits, size_t count, unsigned *value)
{
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        *value = *value * 10 + (unsigned)(digits[i] - '0');
    }
    return true;
}

tfaas_status_t http_date_read(struct span text, uint64_t *unix_s)
{
    unsigned day, year, hour, minute, second, month = 1;
    const uint8_t *t = text.data;
    if (text.size != HTTP_DATE_SIZE || !number(t + 5, 2, &day) || !number(t + 12, 4, &year) ||
        !number(t + 17, 2, &hour) || !number(t + 20, 2, &minute) || !number(t + 23, 2, &second))
        return TFAAS_BAD_REQUEST;
    while (month < 12 && memcmp(month_names + (month - 1) * 3, t + 8, 3) != 0)
        month++;
    if (year < 1970 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
        return TFAAS_BAD_REQUEST;
    *unix_s = days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    char again[HTTP_DATE_SIZE];
    http_date_write(*unix_s, again);
    return memcmp(again, t, HTTP_DATE_SIZE) == 0 ? TFAAS_OK : TFAAS_BAD_REQUEST;
}
