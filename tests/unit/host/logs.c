/* needs: host/daemon/logs.c */
/*
 * logs.c - the last lines of every function: bounds, tail and since, followers that miss lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../host/daemon/limits.h"
#include "../../../host/daemon/logs.h"

#include <stdio.h>
#include <string.h>

static struct logs logs;
static unsigned woken;

static void wake(struct log_follower *follower)
{
    (void)follower;
    woken++;
}

static int setup(void **state)
{
    (void)state;
    logs_init(&logs);
    woken = 0;
    return 0;
}

static void say(struct function_log *log, uint64_t time, const char *text)
{
    logs_add(&logs, log, time, text, strlen(text));
}

static void test_tail_and_since(void **state)
{
    (void)state;
    struct function_log log;
    function_log_init(&log);
    assert_null(function_log_from(&log, 0));
    assert_int_equal(function_log_start(&log, 0, UINT64_MAX), log.next);
    for (uint64_t i = 1; i <= 5; i++)
        say(&log, i * 10, "line");
    assert_int_equal(function_log_start(&log, 0, UINT64_MAX), 1);
    assert_int_equal(function_log_start(&log, 0, 2), 4);
    assert_int_equal(function_log_start(&log, 30, UINT64_MAX), 3);
    assert_int_equal(function_log_start(&log, 30, 1), 5);
    assert_int_equal(function_log_start(&log, 51, UINT64_MAX), 6);
    assert_int_equal(function_log_from(&log, 4)->time_ns, 40);
    assert_null(function_log_from(&log, 6));
    function_log_clear(&logs, &log);
    assert_int_equal(logs.size, 0);
}

static void test_bounds(void **state)
{
    (void)state;
    static struct function_log many[1200];
    static char text[2 * CORE_TEXT_MAX];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < 1200; i++) {
        function_log_init(&many[i]);
        for (int k = 0; k < 40; k++)
            logs_add(&logs, &many[i], 1, text, sizeof text);
        assert_true(many[i].size <= LOG_FUNCTION_MAX);
        assert_true(logs.size <= LOG_TOTAL_MAX);
        assert_int_equal(function_log_from(&many[i], 0)->size, CORE_TEXT_MAX);
    }
    /* The oldest went first: the first function has lost its lines, the last has all it may keep.
     */
    assert_null(function_log_from(&many[0], 0));
    assert_non_null(function_log_from(&many[1199], 0));
    for (size_t i = 0; i < 1200; i++)
        function_log_clear(&logs, &many[i]);
    assert_int_equal(logs.size, 0);
}

static void test_followers(void **state)
{
    (void)state;
    struct function_log log;
    static struct log_follower followers[LOG_FOLLOWERS_MAX + 1];
    function_log_init(&log);
    for (size_t i = 0; i < LOG_FOLLOWERS_MAX; i++) {
        followers[i] = (struct log_follower){.wake = wake};
        assert_true(logs_follow(&logs, &log, &followers[i]));
    }
    assert_false(logs_follow(&logs, &log, &followers[LOG_FOLLOWERS_MAX]));
    say(&log, 1, "one");
    assert_int_equal(woken, LOG_FOLLOWERS_MAX);
    logs_unfollow(&logs, &followers[0]);
    logs_unfollow(&logs, &followers[0]); /* twice does no harm */
    say(&log, 1, "two");
    assert_int_equal(woken, 2 * LOG_FOLLOWERS_MAX - 1);
    /* A reader that slept too long goes on with the oldest line there is. */
    char text[1000];
    memset(text, 'y', sizeof text);
    for (int i = 0; i < 200; i++)
        logs_add(&logs, &log, 1, text, sizeof text);
    assert_true(function_log_from(&log, 1)->number > 2);
    woken = 0;
    function_log_clear(&logs, &log);
    assert_int_equal(woken, LOG_FOLLOWERS_MAX - 1);
    assert_int_equal(logs.followers, 0);
    assert_null(followers[1].log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tail_and_since, setup),
        cmocka_unit_test_setup(test_bounds, setup),
        cmocka_unit_test_setup(test_followers, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
