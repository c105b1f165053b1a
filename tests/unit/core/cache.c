/*
 * cache.c - the compile cache: only what a core of this zygote and this trust domain sealed for
 * this very package opens; everything else is compiled again, and nothing of it is ever run.
 */
/* needs: core tests/support/core_child.c tests/support/core_test.c */
#include "core_test.h"

#include "cache.h"
#include "plat/linux/linux.h"
#include <stdlib.h>

static const uint8_t package[PACKAGE_DIGEST_SIZE] = {1, 2, 3};

static struct span code(void)
{
    static uint8_t bytes[700];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    return (struct span){bytes, sizeof bytes};
}

static uint8_t *seal(size_t *size)
{
    uint8_t *sealed = NULL;
    tfaas_status_t status = cache_seal(code(), package, &sealed, size);
    CHECK(status == TFAAS_OK, "%s", tfaas_status_name(status));
    return sealed;
}

/* Opens a copy of exactly `size` bytes. */
static bool opens(const uint8_t *sealed, size_t size, const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, sealed, size);
    struct span got = {NULL, 0};
    bool ok = cache_open(copy, size, digest, &got);
    if (ok)
        CHECK(got.size == code().size && memcmp(got.data, code().data, got.size) == 0,
              "opened to something else");
    free(copy);
    return ok;
}

static void no_key_no_cache(void)
{
    uint8_t *sealed = NULL, bytes[64] = {0};
    size_t size = 0;
    CHECK(cache_seal(code(), package, &sealed, &size) == TFAAS_UNAVAILABLE, "sealed without a key");
    CHECK(!opens(bytes, sizeof bytes, package), "opened without a key");
}

static void every_byte_counts(void)
{
    cache_prepare();
    cache_enter("a");
    size_t size;
    uint8_t *sealed = seal(&size);
    CHECK(opens(sealed, size, package), "what was sealed does not open");
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 1; bit < 256; bit = bit * 4 + 1) {
            sealed[i] ^= (uint8_t)bit;
            CHECK(!opens(sealed, size, package), "opens with byte %zu changed", i);
            sealed[i] ^= (uint8_t)bit;
        }
    }
    for (size_t cut = 0; cut < size; cut++)
        CHECK(!opens(sealed, cut, package), "opens with only %zu bytes", cut);
    uint8_t *longer = calloc(1, size + 1);
    memcpy(longer, sealed, size);
    CHECK(!opens(longer, size + 1, package), "opens with a byte behind it");
    free(longer);
    for (size_t i = 0; i < PACKAGE_DIGEST_SIZE; i++) {
        uint8_t other[PACKAGE_DIGEST_SIZE];
        memcpy(other, package, sizeof other);
        other[i] ^= 1;
        CHECK(!opens(sealed, size, other), "opens for another package");
    }
    CHECK(opens(sealed, size, package), "does not open any more");
    size_t again_size;
    uint8_t *again = seal(&again_size);
    CHECK(again_size == size && memcmp(again, sealed, size) != 0, "sealed the same way twice");
    cache_forget();
    CHECK(!opens(sealed, size, package), "opens after the key was forgotten");
    free(again);
    free(sealed);
}

static void another_master_another_key(void)
{
    cache_prepare();
    cache_enter("a");
    size_t size;
    uint8_t *sealed = seal(&size);
    cache_enter("b"); /* the master is gone: nothing may change */
    CHECK(opens(sealed, size, package), "a second domain was entered");
    cache_prepare();
    cache_enter("a");
    CHECK(!opens(sealed, size, package), "opens under another zygote's key");
    free(sealed);
}

/* --- whole cores --- */

static void load(const char *domain, struct core_config config, unsigned expected,
                 struct core_answer *answer)
{
    struct core_child core;
    plat_linux_domain(PLAT_WORKER, domain); /* what the child that is forked now finds */
    core_child_start(&core);
    core_load(&core, 1, &config, answer);
    CHECK(answer->status == TFAAS_OK, "%s: %s", tfaas_status_name(answer->status), answer->fault);
    CHECK(answer->code == expected, "domain %s: code %u, expected %u", domain, answer->code,
          expected);
    core_test_ends(&core, 1, "0", 1000000000u, TFAAS_OK);
    CHECK(core_test_alive(&core), "the core is gone");
    core_child_stop(&core);
}

static struct core_config given(struct core_config config, const uint8_t *cache, size_t size)
{
    config.cache = (struct span){cache, size};
    return config;
}

static void cores_share_by_domain_only(void)
{
    cache_prepare();
    struct core_config plain = core_test_wasm("loops"), want = plain;
    want.want_cache = true;
    struct core_answer made, other;
    load("one", plain, TFAAS_CODE_COMPILED, &other);
    CHECK(other.cache_size == 0, "CACHE without being asked");
    load("one", want, TFAAS_CODE_COMPILED, &made);
    CHECK(made.cache_size > 0, "no CACHE");
    load("one", given(plain, made.cache, made.cache_size), TFAAS_CODE_CACHED, &other);
    load("one", given(want, made.cache, made.cache_size), TFAAS_CODE_CACHED, &other);
    CHECK(other.cache_size == 0, "CACHE for what came from the cache");
    load("two", given(plain, made.cache, made.cache_size), TFAAS_CODE_COMPILED, &other);
    load("one", given(plain, made.cache, made.cache_size - 1), TFAAS_CODE_COMPILED, &other);
    for (size_t i = 0; i < made.cache_size; i += made.cache_size / 7) {
        made.cache[i] ^= 0x10;
        load("one", given(plain, made.cache, made.cache_size), TFAAS_CODE_COMPILED, &other);
        made.cache[i] ^= 0x10;
    }
    /* The same module in another package: another digest. */
    struct core_config renamed = plain;
    renamed.files[1] = (struct core_file){"note.txt", "x", 1};
    load("one", given(renamed, made.cache, made.cache_size), TFAAS_CODE_COMPILED, &other);
    /* A cache cannot make a script run as native code. */
    struct core_config script = core_test_js("module.exports = async (e, c) => c.succeed('x')\n");
    load("one", given(script, made.cache, made.cache_size), TFAAS_CODE_CORE, &other);
    cache_prepare(); /* as after a restart of the zygote */
    load("one", given(plain, made.cache, made.cache_size), TFAAS_CODE_COMPILED, &other);
    free(made.cache);
}

/* Code that escapes in a core whose CACHE the host takes must not find a key. */
static void a_core_that_seals_forgets_its_key(void)
{
    cache_prepare();
    struct core_config config = core_test_wasm("loops");
    struct core_answer made, other;
    config.want_cache = true;
    load("one", config, TFAAS_CODE_COMPILED, &made);
    for (unsigned with_cache = 0; with_cache < 2; with_cache++) {
        struct core_child core;
        core_child_start(&core);
        config.want_cache = true;
        config.cache = (struct span){made.cache, with_cache ? made.cache_size : 0};
        core_load(&core, 1, &config, &other);
        CHECK(other.status == TFAAS_OK, "%s", tfaas_status_name(other.status));
        free(other.cache);
        config.cache = (struct span){made.cache, made.cache_size};
        core_load(&core, 2, &config, &other);
        CHECK(other.status == TFAAS_OK && other.code == TFAAS_CODE_COMPILED && !other.cache,
              "the second load: %s, code %u", tfaas_status_name(other.status), other.code);
        config.want_cache = false;
        core_load(&core, 3, &config, &other);
        CHECK(other.code == TFAAS_CODE_COMPILED, "the third load: code %u", other.code);
        core_child_stop(&core);
    }
    free(made.cache);
}

/* Several times the window's data area: the core waits for room and goes on. */
static void large_caches_come_in_pieces(void)
{
    cache_prepare();
    plat_linux_domain(PLAT_WORKER, "large");
    struct span module = core_test_file("build/js.wasm");
    struct core_config config = core_test_bytes(module.data, module.size);
    config.want_cache = true;
    struct core_child core;
    struct core_answer answer;
    core_child_start(&core);
    core_load(&core, 1, &config, &answer); /* its entry is no script: it does not load in the end */
    CHECK(answer.cache_size > 2u * TFAAS_DATA_SIZE, "%zu bytes", answer.cache_size);
    CHECK(answer.code == TFAAS_CODE_COMPILED, "code %u", answer.code);
    core_child_stop(&core);
    config.cache = (struct span){answer.cache, answer.cache_size};
    uint8_t *cache = answer.cache;
    core_child_start(&core);
    core_load(&core, 1, &config, &answer);
    CHECK(answer.code == TFAAS_CODE_CACHED, "code %u", answer.code);
    core_child_stop(&core);
    free(cache);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    static const struct check_case cases[] = {
        {"cores share by domain only", cores_share_by_domain_only},
        {"a core that seals forgets its key", a_core_that_seals_forgets_its_key},
        {"large caches come in pieces", large_caches_come_in_pieces},
        {"every byte counts", every_byte_counts},
        {"no key, no cache", no_key_no_cache},
        {"another master, another key", another_master_another_key},
    };
    return CHECK_MAIN(cases, argc, argv);
}
