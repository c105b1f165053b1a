/*
 * store_fixture.h - an open store in a scratch folder, and how the store's tests read its outcomes.
 */
#ifndef TFAAS_TESTS_STORE_FIXTURE_H
#define TFAAS_TESTS_STORE_FIXTURE_H

#include "scratch.h"
#include "daemon/store.h"

static struct store *store;
static struct tfaas_error error;

#define OK(call) returns((call), TFAAS_OK)
#define returns(value, expected)                                                                   \
    do {                                                                                           \
        error.text[0] = 0;                                                                         \
        tfaas_status_t status_ = (value);                                                          \
        if (status_ != (expected))                                                                 \
            fail_msg("status %s: %s", tfaas_status_name(status_), error.text);                     \
    } while (0)
#define REFUSED(call, expected_status, words)                                                      \
    do {                                                                                           \
        returns(call, expected_status);                                                            \
        assert_int_equal(error.status, expected_status);                                           \
        if (!strstr(error.text, words))                                                            \
            fail_msg("\"%s\" does not say \"%s\"", error.text, words);                             \
    } while (0)

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    return store_open(&store, scratch_path("state"), &error) == TFAAS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    store_close(store);
    store = NULL;
    return scratch_teardown(state);
}

static void reopen(void)
{
    store_close(store);
    OK(store_open(&store, scratch_path("state"), &error));
}

#endif
