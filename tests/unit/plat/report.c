/*
 * report.c - local reports of core/plat/linux/report.c, from inside: what is genuine, and that
 * every byte, every field and the end of reporting count even for who has the report key.
 */
/* needs: core/plat/linux/host.c core/plat/shim/guest_ports.c libs: sodium flags: nosan */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "core/plat/linux/report.c"

static const uint8_t own[PLAT_MEASUREMENT_SIZE] = "measured";
static const uint8_t data[64] = "bound";

/* host.c's start asks for these; nothing here does. */
const char *plat_clock_prepare(void)
{
    return NULL;
}

uint64_t plat_now_ns(void)
{
    return 0;
}

const char *plat_context_prepare(void)
{
    return NULL;
}

const char *plat_signals_prepare(void)
{
    return NULL;
}

static struct plat_report make(enum plat_role role)
{
    struct plat_report report;
    plat_linux_domain(role, "shop");
    plat_linux_report_enter("shop");
    assert_true(plat_local_report(data, &report));
    return report;
}

/* As a zygote that signs whatever it is told would. */
static void sign(struct plat_report *report)
{
    crypto_sign_detached(report->signature, NULL, (const uint8_t *)report,
                         offsetof(struct plat_report, signature), root_secret);
}

static void test_content(void **state)
{
    (void)state;
    struct plat_report one = make(PLAT_WORKER), two = make(PLAT_KEEPER);
    uint8_t digest[64];
    assert_true(plat_local_verify(&one) && plat_local_verify(&two));
    assert_int_equal(one.role, PLAT_WORKER);
    assert_int_equal(two.role, PLAT_KEEPER);
    assert_memory_equal(one.measurement, own, sizeof own);
    assert_memory_equal(one.data, data, sizeof data);
    assert_memory_not_equal(one.instance, two.instance, sizeof one.instance);
    crypto_hash_sha512(digest, (const uint8_t *)"shop", 4);
    assert_memory_equal(one.domain, digest, sizeof digest);
}

static void test_every_bit(void **state)
{
    (void)state;
    struct plat_report good = make(PLAT_WORKER);
    for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
        struct plat_report report = good;
        ((uint8_t *)&report)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(plat_local_verify(&report));
    }
}

/* Signed by the right key, and still not of a core like this one. */
static void test_signed_but_of_another(void **state)
{
    (void)state;
    struct plat_report good = make(PLAT_WORKER);
    for (size_t at = 0; at < offsetof(struct plat_report, instance); at++) {
        struct plat_report report = good;
        ((uint8_t *)&report)[at] ^= 0x40;
        sign(&report);
        assert_false(plat_local_verify(&report)); /* magic, version, tee, role, measurement */
    }
    struct plat_report other = good;
    other.instance[0] ^= 1; /* what a verifier compares itself */
    sign(&other);
    assert_true(plat_local_verify(&other));
}

static void test_another_root(void **state)
{
    (void)state;
    struct plat_report good = make(PLAT_WORKER);
    uint8_t kept_key[sizeof root_key], kept_secret[sizeof root_secret];
    memcpy(kept_key, root_key, sizeof root_key);
    memcpy(kept_secret, root_secret, sizeof root_secret);
    assert_memory_not_equal(plat_linux_report_prepare(own), kept_key, sizeof kept_key);
    assert_false(plat_local_verify(&good));
    memcpy(root_key, kept_key, sizeof root_key);
    memcpy(root_secret, kept_secret, sizeof root_secret);
    assert_true(plat_local_verify(&good));
}

static void test_end(void **state)
{
    (void)state;
    struct plat_report report, good = make(PLAT_WORKER);
    plat_local_report_end();
    assert_true(sodium_is_zero(root_secret, sizeof root_secret));
    assert_false(plat_local_report(data, &report));
    assert_true(plat_local_verify(&good)); /* who can make none can still check them */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_signed_but_of_another),
        cmocka_unit_test(test_another_root),
        cmocka_unit_test(test_end),
    };
    (void)plat_linux_report_prepare(own);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
