/*
 * core_test.h - what the hostile tests share: one prepared core per process, functions from
 * build/tests/functions, and checks of a whole answer in one line.
 */
#ifndef TFAAS_TESTS_CORE_TEST_H
#define TFAAS_TESTS_CORE_TEST_H

#include "check.h"
#include "core_child.h"

/* Once, before the first core: engine and runtime are ready afterwards. Ends the test if not. */
void core_test_prepare(void);
/* A whole file, for the life of the test. Ends the test when it cannot be read. */
struct span core_test_file(const char *path);
/* build/tests/functions/NAME.wasm as a package with generous limits; change what you like. */
struct core_config core_test_wasm(const char *name);
struct core_config core_test_bytes(const void *module, size_t size);
struct core_config core_test_js(const char *source);
/* Loads and expects OK. */
void core_test_load(struct core_child *core, uint32_t id, struct core_config config);
/* Loads and expects `status` and `text` somewhere in what LOADED says. */
void core_test_refused(struct core_child *core, uint32_t id, struct core_config config,
                       tfaas_status_t status, const char *text);
/* POST with this body; 30 s at most. False: the core is gone. */
bool core_test_call(struct core_child *core, uint32_t id, const void *body, size_t size,
                    uint64_t deadline_ns, struct core_answer *answer);
/* Calls with a text body, expects status OK, HTTP 200 and exactly this content. */
void core_test_expect(struct core_child *core, uint32_t id, const char *body, const char *content);
/* Calls with a text body and a deadline, expects this status at the end. */
void core_test_ends(struct core_child *core, uint32_t id, const char *body, uint64_t deadline_ns,
                    tfaas_status_t status);
bool core_test_alive(const struct core_child *core);
/* A field of /proc/PID/smaps_rollup ("Rss", "Private_Dirty", ...) or of status ("VmRSS"), in KiB.
 */
long core_test_memory_kib(const struct core_child *core, const char *field);

uint64_t core_test_now_ns(void);
/* A generator that gives the same numbers in every run of a test (xorshift64*). */
uint64_t core_test_random(uint64_t *state);

#endif
