/*
 * random.c - every run has a random stream of its own, although all start from one image, and
 * although workers are forked from one prepared process.
 */
/* needs: core tests/support/core_child.c tests/support/core_test.c */
#include "core_test.h"

#include <stdlib.h>

#define RUNS     1000
#define WORKERS  2
#define TEXT_MAX 160

static char texts[RUNS * WORKERS][TEXT_MAX];
static size_t text_count;
static struct core_child cores[WORKERS];

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, TEXT_MAX);
}

/* Runs function 1 of both workers in turn and keeps what it says. */
static void draw_all(void)
{
    memset(texts, 0, sizeof texts);
    text_count = 0;
    for (unsigned i = 0; i < RUNS * WORKERS; i++) {
        struct core_answer answer;
        bool alive = core_test_call(&cores[i % WORKERS], 1, "x", 1, 5000000000u, &answer);
        struct span text = core_content(&answer);
        CHECK(alive && answer.status == TFAAS_OK && text.size >= 32 && text.size < TEXT_MAX,
              "run %u: %s %s", i, tfaas_status_name(answer.status), answer.log);
        if (text.size < TEXT_MAX && text.size > 0)
            memcpy(texts[text_count++], text.data, text.size);
        core_answer_free(&answer);
    }
}

static unsigned equal_pairs(void)
{
    unsigned equal = 0;
    qsort(texts, text_count, TEXT_MAX, compare);
    for (size_t i = 1; i < text_count; i++)
        equal += compare(texts[i - 1], texts[i]) == 0;
    return equal;
}

static void with_function(struct core_config config)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        core_child_start(&cores[i]);
        core_test_load(&cores[i], 1, config);
    }
    draw_all();
    for (unsigned i = 0; i < WORKERS; i++)
        core_child_stop(&cores[i]);
}

static void wasm_streams(void)
{
    with_function(core_test_wasm("random"));
    CHECK(text_count == RUNS * WORKERS && equal_pairs() == 0, "%zu streams, %u equal", text_count,
          equal_pairs());
}

/* Any one of the sources repeating would show: each stands at a place of its own and is compared
 * on its own. */
static void javascript_streams(void)
{
    static const struct {
        const char *expression;
    } sources[] = {{"Math.random() + ' ' + Math.random()"},
                   {"crypto.randomUUID()"},
                   {"[...crypto.getRandomValues(new Uint8Array(16))]"}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        char source[256];
        (void)snprintf(source, sizeof source,
                       "module.exports = async (event, context) =>\n"
                       "  context.status(200).succeed((String(%s) + ' '.repeat(40)));\n",
                       sources[i].expression);
        with_function(core_test_js(source));
        CHECK(text_count == RUNS * WORKERS && equal_pairs() == 0, "%s: %zu streams, %u equal",
              sources[i].expression, text_count, equal_pairs());
    }
}

int main(int argc, char **argv)
{
    core_test_prepare();
    static const struct check_case cases[] = {
        {"Wasm streams", wasm_streams},
        {"JavaScript streams", javascript_streams},
    };
    return CHECK_MAIN(cases, argc, argv);
}
