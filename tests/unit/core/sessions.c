/* needs: core/sessions.c common/session.c common/hkdf.c libs: sodium */
/*
 * sessions.c - tests of core/sessions.c: the longest unused goes first, a key takes its sessions
 * along, and nothing of a secret stays behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include "random.h"
#include "sessions.h"

static struct request_key keys[2];
static bool ended[2];
static bool ends_by_itself; /* as identity.c does: the look-up wipes what is over */

void random_bytes(uint8_t *to, size_t size)
{
    randombytes_buf(to, size);
}

struct request_key *identity_key(uint8_t id, bool *any)
{
    *any = true;
    for (unsigned i = 0; i < 2; i++) {
        if (keys[i].id != id)
            continue;
        if (!ended[i])
            return &keys[i];
        if (ends_by_itself)
            sessions_end_key(keys[i].public_key);
    }
    return NULL;
}

static int start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        keys[i].id = (uint8_t)(i + 1);
        randombytes_buf(keys[i].public_key, 32);
        ended[i] = false;
    }
    return sodium_init() < 0;
}

static int stop(void **state)
{
    (void)state;
    sessions_end_key(keys[0].public_key);
    sessions_end_key(keys[1].public_key);
    return 0;
}

static struct core_session *new_session(unsigned key, uint8_t id[SESSION_ID_SIZE])
{
    struct core_session *s = sessions_new(&keys[key], 3);
    memcpy(id, s->id, SESSION_ID_SIZE);
    memset(s->secret, 0xc7, sizeof(s->secret));
    return s;
}

static void test_find(void **state)
{
    (void)state;
    uint8_t ids[3][SESSION_ID_SIZE], other[SESSION_ID_SIZE];
    for (unsigned i = 0; i < 3; i++) {
        struct core_session *s = new_session(i % 2, ids[i]);
        assert_int_equal(s->id[0], i % 2 + 1);
        assert_true(session_window_accept(&s->window, 5));
    }
    for (unsigned i = 0; i < 3; i++) {
        struct core_session *s = sessions_find(ids[i]);
        assert_non_null(s);
        assert_memory_equal(s->id, ids[i], SESSION_ID_SIZE);
        assert_false(session_window_accept(&s->window, 5));
        for (unsigned at = 0; at < SESSION_ID_SIZE; at++) {
            memcpy(other, ids[i], sizeof(other));
            other[at] ^= 4;
            assert_null(sessions_find(other));
        }
    }
}

static void test_longest_unused_goes(void **state)
{
    (void)state;
    static uint8_t ids[SESSIONS_MAX + 200][SESSION_ID_SIZE];
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        (void)new_session(0, ids[i]);
    for (unsigned i = 0; i < 50; i++) /* used again: others go first */
        assert_non_null(sessions_find(ids[i]));
    for (unsigned i = 0; i < 200; i++)
        (void)new_session(1, ids[SESSIONS_MAX + i]);
    for (unsigned i = 0; i < SESSIONS_MAX + 200; i++) {
        bool gone = i >= 50 && i < 250;
        assert_int_equal(sessions_find(ids[i]) == NULL, gone);
    }
}

static void test_end_of_a_key(void **state)
{
    (void)state;
    static uint8_t ids[100][SESSION_ID_SIZE];
    const struct core_session *places[100];
    for (unsigned i = 0; i < 100; i++)
        places[i] = new_session(i % 2, ids[i]);
    sessions_end_key(keys[0].public_key);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(sessions_find(ids[i]) == NULL, i % 2 == 0);
        if (i % 2 == 0)
            assert_true(sodium_is_zero(places[i]->secret, sizeof(places[i]->secret)));
    }
    uint8_t id[SESSION_ID_SIZE];
    assert_non_null(new_session(0, id)); /* the places are free again */
    assert_non_null(sessions_find(id));
}

/* The key is over, whether or not somebody has said so; another with its id is another. */
static void test_key_that_is_over(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        uint8_t id[SESSION_ID_SIZE];
        const struct core_session *s = new_session(0, id);
        ends_by_itself = round == 1;
        if (round == 2)
            keys[0].public_key[0] ^= 1;
        else
            ended[0] = true;
        assert_null(sessions_find(id));
        assert_true(sodium_is_zero(s->secret, sizeof(s->secret)));
        ended[0] = false;
        assert_null(sessions_find(id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, start, stop),
        cmocka_unit_test_setup_teardown(test_longest_unused_goes, start, stop),
        cmocka_unit_test_setup_teardown(test_end_of_a_key, start, stop),
        cmocka_unit_test_setup_teardown(test_key_that_is_over, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
