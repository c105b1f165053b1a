/* needs: common/http_date.c */
/* http_date.c - tests of common/http_date.c: against the C library over the whole range, refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <time.h>
#include "http_date.h"

static void test_both_ways(void **state)
{
    (void)state;
    for (uint64_t t = 0; t <= 253402300799u; t = t < 200000 ? t + 997 : t + 86399u * 13) {
        char mine[HTTP_DATE_SIZE + 1] = "", theirs[64];
        uint64_t back = 0;
        time_t time = (time_t)t;
        http_date_write(t, mine);
        (void)strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&time));
        assert_string_equal(mine, theirs);
        assert_int_equal(
            http_date_read((struct span){(const uint8_t *)mine, HTTP_DATE_SIZE}, &back), TFAAS_OK);
        assert_true(back == t);
    }
    char late[HTTP_DATE_SIZE + 1] = "";
    http_date_write(UINT64_MAX, late);
    assert_string_equal(late, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Mon, 06 Nov 1994 08:49:37 GMT", /* it was a Sunday */
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Thu, 30 Feb 1995 08:49:37 GMT",
        "Wed, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Nov 1894 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun; 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994     ",
    };
    uint64_t t;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(http_date_read((struct span){(const uint8_t *)bad[i], strlen(bad[i])}, &t),
                         TFAAS_BAD_REQUEST);
    static const char good[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_int_equal(http_date_read((struct span){(const uint8_t *)good, 29}, &t), TFAAS_OK);
    assert_true(t == 784111777);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
