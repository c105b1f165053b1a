/*
 * check.h - the test harness of tests that link the core. The core links statically and Debian has
 * no static cmocka; this is all such a test needs. A test file has one table of cases and calls
 * check_run from main.
 */
#ifndef TFAAS_TESTS_CHECK_H
#define TFAAS_TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Of the running case; weak: one for all files of a test. */
__attribute__((weak)) unsigned check_failures;
/* What the running case needs and is not there; NULL: it ran. */
__attribute__((weak)) const char *check_skipped;

/* Goes on after a failure, so that one run shows all that is wrong; says so 20 times at most. */
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition) && ++check_failures <= 20) {                                              \
            (void)printf("%s:%d: not true: %s: ", __FILE__, __LINE__, #condition);                 \
            (void)printf(__VA_ARGS__);                                                             \
            (void)printf("\n");                                                                    \
        }                                                                                          \
    } while (0)

struct check_case {
    const char *name;
    void (*run)(void);
};

/* Runs each case in order, or only those whose name holds `only`. What main returns. */
static inline int check_run(const struct check_case *cases, size_t count, const char *only)
{
    unsigned passed = 0, failed = 0, skipped = 0;
    for (size_t i = 0; i < count; i++) {
        if (only && !strstr(cases[i].name, only))
            continue;
        check_failures = 0;
        check_skipped = NULL;
        cases[i].run();
        if (check_failures) {
            failed++;
            (void)printf("FAILED %s (%u checks)\n", cases[i].name, check_failures);
        } else if (check_skipped) {
            skipped++;
            (void)printf("skipped: %s: %s\n", cases[i].name, check_skipped);
        } else {
            passed++;
            (void)printf("ok     %s\n", cases[i].name);
        }
        (void)fflush(stdout);
    }
    (void)printf("%u passed, %u failed", passed, failed);
    if (skipped)
        (void)printf(", %u skipped", skipped);
    (void)printf("\n");
    return failed || !passed;
}

#define CHECK_MAIN(cases, argc, argv)                                                              \
    check_run(cases, sizeof(cases) / sizeof *(cases), (argc) > 1 ? (argv)[1] : NULL)

#endif
