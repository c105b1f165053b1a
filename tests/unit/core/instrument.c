/*
 * instrument.c (tests) - the Wasm rewriter: every refusal by its text, every cut and changed byte
 * of a module, every failing allocation, and the exact form of what is put into the code.
 */
/* needs: core/instrument*.c libs: sodium flags: -D_GNU_SOURCE -Wl,--wrap=calloc,--wrap=realloc */
#include "instrument.h"
#include "instrument_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static long allocations_left = -1; /* -1: all succeed */

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool allocation_allowed(void)
{
    if (allocations_left == 0)
        return false;
    if (allocations_left > 0)
        allocations_left--;
    return true;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_allowed() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocation_allowed() ? __real_realloc(old, size) : NULL;
}

static char why[200];

/* The rewriter sees an exact-size copy, so that AddressSanitizer sees a read past the end. */
static tfaas_status_t rewrite(const uint8_t *data, size_t size, struct instrument_result *result)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    tfaas_status_t status = instrument(copy, size, result, why, sizeof why);
    free(copy);
    if (status == TFAAS_OK) {
        assert_string_equal(why, "");
    } else {
        struct instrument_result zero;
        memset(&zero, 0, sizeof zero);
        assert_memory_equal(result, &zero, sizeof zero);
        assert_string_not_equal(why, "");
    }
    return status;
}

static void assert_refused(struct bytes *b, const char *text)
{
    struct instrument_result result;
    tfaas_status_t status = rewrite(b->data, b->size, &result);
    if (status != TFAAS_BAD_MODULE || strstr(why, text) == NULL)
        fail_msg("expected BAD_MODULE with \"%s\", got %s: %s", text, tfaas_status_name(status),
                 why);
    free(b->data);
}

static struct instrument_result accepted(struct bytes *b)
{
    struct instrument_result result;
    tfaas_status_t status = rewrite(b->data, b->size, &result);
    if (status != TFAAS_OK)
        fail_msg("refused: %s", why);
    free(b->data);
    return result;
}

static bool contains(const struct instrument_result *result, const char *hex)
{
    struct bytes part = {0};
    put_hex(&part, hex);
    bool found = memmem(result->module, result->module_size, part.data, part.size) != NULL;
    free(part.data);
    return found;
}

static void assert_contains(struct instrument_result result, const char *hex)
{
    if (!contains(&result, hex)) {
        for (size_t i = 0; i < result.module_size; i++)
            (void)fprintf(stderr, "%02x ", result.module[i]);
        fail_msg("output lacks %s", hex);
    }
    instrument_free(&result);
}

/* ---- refusals ---- */

static void test_refuses_code(void **state)
{
    (void)state;
    static const struct {
        const char *code, *text;
    } cases[] = {
        {"06 40 0b 41 00 0b", "exceptions"},
        {"1f 40 00 0b 41 00 0b", "exceptions"},
        {"08 00 0b", "exceptions"},
        {"14 00 0b", "typed function references"},
        {"d3 0b", "garbage collection"},
        {"fb 00 00 0b", "garbage collection"},
        {"fe 03 00 0b", "threads (atomics)"},
        {"fd 80 02 0b", "relaxed SIMD"},
        {"fd 9a 01 0b", "unknown instruction 0xfd 0x9a"},
        {"fd ff 7f 0b", "unknown instruction 0xfd"},
        {"fc 12 0b", "unknown instruction 0xfc 0x12"},
        {"e3 0b", "stack switching"},
        {"27 0b", "unknown instruction 0x27"},
        {"ff 0b", "unknown instruction 0xff"},
        {"28 42 00 00 0b", "multi-memory"},
        {"28 05 00 0b", "alignment 2^5"},
        {"3f 01 0b", "multi-memory"},
        {"fc 0a 00 01 0b", "multi-memory"},
        {"fc 0b 01 0b", "multi-memory"},
        {"20 01 0b", "local index 1, but there are 1"},
        {"21 01 0b", "local index 1"},
        {"22 80 80 04 0b", "local index 65536"},
        {"23 02 0b", "global index 2, but there are 2"},
        {"24 02 0b", "global index 2, but there are 2"},
        {"25 01 0b", "table index 1"},
        {"fc 10 01 0b", "table index 1"},
        {"fc 08 00 00 0b", "data segment index 0, but there are 0"},
        {"10 01 0b", "function index 1, but there are 1"},
        {"12 01 0b", "function index 1"},
        {"d2 01 0b", "function index 1"},
        {"11 02 00 0b", "type index 2"},
        {"11 00 01 0b", "table index 1"},
        {"02 02 0b 0b", "block type index"},
        {"02 63 00 0b 0b", "typed function references"},
        {"02 69 0b 0b", "exnref"},
        {"02 6e 0b 0b", "garbage collection types"},
        {"02 41 0b 0b", "unknown value type 0x41"},
        {"0c 01 0b", "branch label index 1, but there are 1"},
        {"0c 00 0c 05 0b", "branch label index 5"},
        {"0e 01 00 07 0b", "branch label index 7"},
        {"0e ff ff ff ff 0f 0b", "branch labels do not fit"},
        {"05 0b", "else without if"},
        {"04 40 05 05 0b 0b", "else without if"},
        {"41 00", "unexpected end"},
        {"02 40 0b", "unexpected end"},
        {"41 00 0b 0b", "1 bytes left over in function 0"},
        {"41 80 80 80 80 20 0b", "signed 32-bit"},
        {"41 ff ff ff ff 4f 0b", "signed 32-bit"},
        {"42 80 80 80 80 80 80 80 80 80 02 0b", "signed 64-bit"},
        {"20 80 80 80 80 10 0b", "not a 32-bit LEB128"},
        {"20 80 80 80 80 80 00 0b", "not a 32-bit LEB128"},
        {"43 00 00", "unexpected end"},
        {"1c 05 7f 0b", "result types do not fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = module_with_code("00", cases[i].code);
        assert_refused(&b, cases[i].text);
    }
}

/* Each case: sections (id, content) up to the first NULL. */
static void test_refuses_sections(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct {
            unsigned id;
            const char *hex;
        } sections[5];
    } cases[] = {
        {"unknown section 14", {{14, ""}}},
        {"exceptions (tag section)", {{13, "00"}}},
        {"type section is repeated", {{1, "00"}, {1, "00"}}},
        {"type section is repeated or out of order", {{3, "00"}, {1, "00"}}},
        {"data count section is repeated or out of order", {{11, "00"}, {12, "00"}}},
        {"garbage collection types", {{1, "01 5f 00"}}},
        {"garbage collection types", {{1, "01 4e 00"}}},
        {"unknown type form 0x61", {{1, "01 61 00 00"}}},
        {"typed function references", {{1, "01 60 01 63 70 00"}}},
        {"5 types do not fit", {{1, "05 60"}}},
        {"1 bytes left over in the type section", {{1, "00 00"}}},
        {"import of a memory (\"a\" \"m\")", {{2, "01 01 61 01 6d 02 00 01"}}},
        {"import of a table (\"a\" \"t\")", {{2, "01 01 61 01 74 01 70 00 01"}}},
        {"import of a global (\"a\" \"g\")", {{2, "01 01 61 01 67 03 7f 00"}}},
        {"import of a tag (\"a\" \"?\")", {{2, "01 01 61 01 07 04 00 00"}}},
        {"import of a unknown kind", {{2, "01 01 61 01 67 09"}}},
        {"type index 0, but there are 0", {{2, "01 01 61 01 67 00 00"}}},
        {"name of 9 bytes, but only", {{2, "01 09 61 01 67 00 00"}}},
        {"type index 1, but there are 1", {{1, "01 60 00 00"}, {3, "01 01"}}},
        {"0 function bodies for 1 functions", {{1, "01 60 00 00"}, {3, "01 00"}}},
        {"1 function bodies for 0 functions", {{10, "01 02 00 0b"}}},
        {"2 bytes left over in the code section", {{10, "00 02 00"}}},
        {"not a reference type", {{4, "01 7f 00 01"}}},
        {"tables with an initial value", {{4, "01 40 00 70 00 01 d0 70 0b"}}},
        {"memory64 (64-bit table)", {{4, "01 70 04 01"}}},
        {"table minimum 5 is above its maximum 2", {{4, "01 70 01 05 02"}}},
        {"multi-memory (2 memories)", {{5, "02 00 01 00 01"}}},
        {"memory64 (64-bit memory)", {{5, "01 04 01"}}},
        {"threads (shared memory)", {{5, "01 03 01 01"}}},
        {"custom page sizes", {{5, "01 08 01 00"}}},
        {"unknown memory flags 0x80", {{5, "01 80 01 00"}}},
        {"memory of more than 65536 pages", {{5, "01 00 81 80 04"}}},
        {"memory of more than 65536 pages", {{5, "01 01 01 81 80 04"}}},
        {"unknown global mutability 0x02", {{6, "01 7f 02 41 00 0b"}}},
        {"global index 0, but there are 0", {{6, "01 7f 00 23 00 0b"}}},
        {"reads mutable global 0", {{6, "02 7f 01 41 00 0b 7f 00 23 00 0b"}}},
        {"constant expression leaves 2 values", {{6, "01 7f 00 41 00 41 00 0b"}}},
        {"constant expression leaves 0 values", {{6, "01 7f 00 0b"}}},
        {"constant expression lacks an operand", {{6, "01 7f 00 41 00 6a 0b"}}},
        {"instruction 0x10 is not constant", {{6, "01 7f 00 10 00 0b"}}},
        {"instruction is not constant", {{6, "01 7f 00 fd 0d 0b"}}},
        {"function index 0, but there are 0", {{6, "01 70 00 d2 00 0b"}}},
        {"export \"tfaas:work\"", {{7, "01 0a 74666161733a776f726b 00 00"}}},
        {"export \"tfaas:\"", {{7, "01 06 74666161733a 00 00"}}},
        {"function index 0", {{7, "01 01 66 00 00"}}},
        {"table index 0", {{7, "01 01 66 01 00"}}},
        {"memory index 0", {{7, "01 01 66 02 00"}}},
        {"global index 0", {{7, "01 01 66 03 00"}}},
        {"exceptions (exported tag)", {{7, "01 01 66 04 00"}}},
        {"unknown export kind 5", {{7, "01 01 66 05 00"}}},
        {"function index 3", {{8, "03"}}},
        {"unknown element segment flags 8", {{9, "01 08"}}},
        {"function index 0", {{4, "01 70 00 01"}, {9, "01 00 41 00 0b 01 00"}}},
        {"table index 1", {{4, "01 70 00 01"}, {9, "01 02 01 41 00 0b 00 00"}}},
        {"unknown element kind", {{9, "01 01 01 00"}}},
        {"unknown data segment flags 3", {{11, "01 03"}}},
        {"active data segment, but there is no memory", {{11, "01 00 41 00 0b 01 61"}}},
        {"data segment for another memory", {{5, "01 00 01"}, {11, "01 02 01 41 00 0b 00"}}},
        {"lies outside the initial memory of 1 pages",
         {{5, "01 00 01"}, {11, "01 00 41 80 80 04 0b 01 61"}}},
        {"lies outside the initial memory", {{5, "01 00 01"}, {11, "01 00 41 7f 0b 01 61"}}},
        {"lies outside the initial memory", {{5, "01 00 01"}, {11, "01 00 41 81 80 04 0b 00"}}},
        {"data segment offset is not made of", {{5, "01 00 01"}, {11, "01 00 42 00 0b 01 61"}}},
        {"data segment offset is not made of", {{5, "01 00 01"}, {11, "01 00 d0 70 0b 01 61"}}},
        {"active data segments span",
         {{5, "01 00 80 10"}, {11, "02 00 41 00 0b 01 61 00 41 80 80 80 20 0b 01 61"}}},
        {"data segment of 9 bytes", {{11, "01 01 09 61"}}},
        {"data count is 2, but there are 1", {{12, "02"}, {11, "01 01 01 61"}}},
        {"data count is 1, but there are 0", {{12, "01"}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = {0};
        put_header(&b);
        for (size_t j = 0; j < 5 && cases[i].sections[j].hex != NULL; j++)
            put_section_hex(&b, cases[i].sections[j].id, cases[i].sections[j].hex);
        assert_refused(&b, cases[i].text);
    }
}

static void test_refuses_header(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *text;
    } cases[] = {
        {"", "byte 0: not a WebAssembly binary"},
        {"0061736d 010000", "not a WebAssembly binary"},
        {"0061736e 01000000", "not a WebAssembly binary"},
        {"0061736d 02000000", "byte 4: unknown WebAssembly version"},
        {"0061736d 0d000100", "byte 4: this is a component"},
        {"0061736d 01000000 01", "byte 9: unexpected end"},
        {"0061736d 01000000 01 05 00", "byte 10: type section of 5 bytes, but only 1 are left"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = {0};
        put_hex(&b, cases[i].hex);
        assert_refused(&b, cases[i].text);
    }
}

static void put_repeated(struct bytes *b, const char *hex, size_t times)
{
    struct bytes one = {0};
    put_hex(&one, hex);
    for (size_t i = 0; i < times; i++)
        put(b, one.data, one.size);
    free(one.data);
}

static struct bytes module_with_repeated_code(size_t functions, const char *hex, size_t times,
                                              const char *last)
{
    struct bytes b = {0}, content = {0}, body = {0};
    put_header(&b);
    put_section_hex(&b, 1, "01 60 00 00");
    put_u32(&content, functions);
    put_repeated(&content, "00", functions);
    put_section(&b, 3, &content);
    put_u32(&body, 0);
    put_repeated(&body, hex, times);
    put_hex(&body, last);
    content.size = 0;
    put_u32(&content, functions);
    for (size_t i = 0; i < functions; i++) {
        put_u32(&content, body.size);
        put(&content, body.data, body.size);
    }
    put_section(&b, 10, &content);
    free(body.data);
    free(content.data);
    return b;
}

static void test_bounds(void **state)
{
    (void)state;
    struct bytes b = {0};
    put_header(&b);
    put_repeated(&b, "00", (INSTRUMENT_MODULE_MAX + 1) - 8);
    assert_refused(&b, "the module is larger than 33554432 bytes");

    b = module_with_repeated_code(INSTRUMENT_FUNCS_MAX + 1, "01", 1, "0b");
    assert_refused(&b, "more than 200000 functions");
    b = module_with_repeated_code(INSTRUMENT_FUNCS_MAX, "01", 1, "0b");
    struct instrument_result result = accepted(&b);
    assert_true(result.compile_work > (uint64_t)INSTRUMENT_FUNCS_MAX * 16384);
    instrument_free(&result);

    struct bytes ends = {0};
    char *text = malloc(3 * (size_t)INSTRUMENT_NESTING_MAX + 1);
    assert_non_null(text);
    for (size_t i = 0; i < INSTRUMENT_NESTING_MAX; i++)
        memcpy(text + 3 * i, " 0b", 3);
    text[3 * (size_t)INSTRUMENT_NESTING_MAX] = '\0';
    free(ends.data);
    b = module_with_repeated_code(1, "02 40", INSTRUMENT_NESTING_MAX - 1, text);
    result = accepted(&b);
    instrument_free(&result);
    b = module_with_repeated_code(1, "02 40", INSTRUMENT_NESTING_MAX, text);
    assert_refused(&b, "blocks nest deeper than 10000");
    free(text);

    b = module_with_repeated_code(1, "01", INSTRUMENT_BODY_MAX, "0b");
    assert_refused(&b, "function body larger than 7654321 bytes");
    b = module_with_repeated_code(4, "10 00 41 00 0d 00", INSTRUMENT_BODY_MAX / 6 - 2,
                                  "03 40 41 00 0d 00 0b 0b");
    assert_refused(&b, "the instrumented module is larger than 100663296 bytes");

    b = module_with_code("01 d0 86 03 7f", "41 00 0b"); /* 50000 and the parameter */
    assert_refused(&b, "more than 50000 locals");
    b = module_with_code("01 cf 86 03 7f", "41 00 0b");
    result = accepted(&b);
    instrument_free(&result);
    b = module_with_code("02 ff ff ff ff 0f 7f ff ff ff ff 0f 7f", "41 00 0b");
    assert_refused(&b, "more than 50000 locals");

    struct bytes globals = {0};
    b = (struct bytes){0};
    put_header(&b);
    put_u32(&globals, INSTRUMENT_GLOBALS_MAX + 1);
    put_repeated(&globals, "7f 01 41 00 0b", INSTRUMENT_GLOBALS_MAX + 1);
    put_section(&b, 6, &globals);
    free(globals.data);
    assert_refused(&b, "more than 1000 mutable globals");

    struct bytes deep = {0};
    b = (struct bytes){0};
    put_header(&b);
    put_hex(&deep, "01 7f 00");
    put_repeated(&deep, "41 00", 65);
    put_repeated(&deep, "6a", 64);
    put_hex(&deep, "0b");
    put_section(&b, 6, &deep);
    free(deep.data);
    assert_refused(&b, "constant expression deeper than 64");
}

static void test_error_text_is_bounded(void **state)
{
    (void)state;
    struct bytes b = module_with_code("00", "06 40 0b 0b");
    for (size_t size = 0; size < 80; size++) {
        struct instrument_result result;
        char *text = malloc(size + 1); /* exact: AddressSanitizer sees a byte too many */
        assert_non_null(text);
        text[size] = '#';
        assert_int_equal(instrument(b.data, b.size, &result, text, size), TFAAS_BAD_MODULE);
        assert_int_equal(text[size], '#');
        if (size > 0)
            assert_true(strlen(text) < size);
        free(text);
    }
    free(b.data);
}

/* ---- damage ---- */

static bool is_section_end(const struct bytes *b, size_t cut)
{
    size_t at = 8;
    while (at < cut) {
        size_t size = 0;
        unsigned shift = 0;
        for (at++; at < b->size; shift += 7) {
            size |= (size_t)(b->data[at] & 0x7f) << shift;
            if ((b->data[at++] & 0x80) == 0)
                break;
        }
        at += size;
    }
    return at == cut;
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    struct bytes b = module_rich();
    size_t whole_prefixes = 0;
    for (size_t cut = 0; cut < b.size; cut++) {
        struct instrument_result result;
        tfaas_status_t status = rewrite(b.data, cut, &result);
        if (status == TFAAS_OK) {
            assert_true(cut >= 8 && is_section_end(&b, cut)); /* a module of fewer sections */
            whole_prefixes++;
            instrument_free(&result);
        } else {
            assert_int_equal(status, TFAAS_BAD_MODULE);
        }
    }
    assert_in_range(whole_prefixes, 2, 4); /* header, custom, types, imports */
    struct instrument_result result = accepted(&b);
    instrument_free(&result);
}

static void test_every_changed_byte_is_safe(void **state)
{
    (void)state;
    struct bytes b = module_rich();
    size_t refused = 0;
    for (size_t at = 0; at < b.size; at++) {
        uint8_t was = b.data[at];
        for (unsigned value = 0; value < 256; value++) {
            struct instrument_result result;
            b.data[at] = (uint8_t)value;
            tfaas_status_t status = rewrite(b.data, b.size, &result);
            assert_true(status == TFAAS_OK || status == TFAAS_BAD_MODULE);
            refused += status != TFAAS_OK;
            instrument_free(&result);
        }
        b.data[at] = was;
    }
    assert_true(refused > b.size);
    free(b.data);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    struct bytes b = module_rich();
    tfaas_status_t status = TFAAS_NO_SPACE;
    long failures = 0;
    for (; status != TFAAS_OK; failures++) {
        struct instrument_result result;
        allocations_left = failures;
        status = instrument(b.data, b.size, &result, why, sizeof why);
        allocations_left = -1;
        if (status != TFAAS_OK) {
            assert_int_equal(status, TFAAS_NO_SPACE);
            assert_non_null(strstr(why, "no memory for"));
        }
        instrument_free(&result);
    }
    assert_true(failures > 6);
    free(b.data);
}

/* ---- the output ---- */

static void test_result_of_rich_module(void **state)
{
    (void)state;
    struct bytes b = module_rich();
    size_t size = b.size;
    struct instrument_result r = accepted(&b);
    assert_true(r.has_memory && r.has_start && !r.mutates_tables);
    assert_int_equal(r.memory_min_pages, 1);
    assert_int_equal(r.memory_max_pages, 16);
    assert_int_equal(r.mutable_global_count, 2);
    assert_int_equal(r.mutable_global_index[0], 1);
    assert_int_equal(r.mutable_global_index[1], 2);
    assert_int_equal(r.initial_offset, 1040); /* global 0 is 1024, + 16; then 1040 again */
    assert_int_equal(r.initial_size, 3);
    assert_memory_equal(r.initial, "zbc", 3); /* the later segment wins */
    assert_true(r.compile_work > size * 64);
    assert_true(contains(&r, "0a 74666161733a 776f726b 03 04"));   /* tfaas:work, global 4 */
    assert_true(contains(&r, "08 74666161733a 6731 03 01"));       /* tfaas:g1 */
    assert_true(contains(&r, "08 74666161733a 6732 03 02"));       /* tfaas:g2 */
    assert_true(contains(&r, "0b 74666161733a 7374617274 00 03")); /* tfaas:start, function 3 */
    assert_true(contains(&r, "0b 09 03 01 00 01 02 7879 01 00"));  /* data: passive, two empty */
    assert_true(contains(&r, "7e 01 42 00 0b"));                   /* the work global */
    assert_true(contains(&r, "0c 01 03"));                         /* data count as it was */
    assert_true(contains(&r, "60 00 02 7f 7e"));                   /* type for the wrapped body */
    assert_false(contains(&r, "74657374"));                        /* no custom section */

    struct instrument_result again;
    assert_int_equal(rewrite(r.module, r.module_size, &again), TFAAS_BAD_MODULE);
    assert_non_null(strstr(why, "are reserved")); /* a counter cannot be smuggled in */
    instrument_free(&r);
}

static void test_empty_module(void **state)
{
    (void)state;
    struct bytes b = {0};
    put_header(&b);
    struct instrument_result r = accepted(&b);
    assert_false(r.has_memory || r.has_start || r.mutates_tables);
    assert_int_equal(r.memory_max_pages, 0);
    assert_null(r.initial);
    assert_contains(r, "06 06 01 7e 01 42 00 0b 07 0e 01 0a 74666161733a776f726b 03 00");
}

struct form {
    const char *locals, *code, *output;
};

/* Function 0 is exported; the counter is global 2; pending is local 1 (after the parameter). */
static void test_form_of_code(void **state)
{
    (void)state;
    static const struct form forms[] = {
        /* one block: added to the global at once, no local; nop and end are free */
        {"00", "01 41 07 0b", "0c 00 23 02 42 01 7c 24 02 01 41 07 0b"},
        /* nothing to charge, nothing added */
        {"00", "01 0b", "03 00 01 0b"},
        /* code after an unconditional branch is neither counted nor changed */
        {"00", "41 07 0f 41 01 1a 0b", "23 02 42 02 7c 24 02 41 07 0f 41 01 1a 0b"},
        /* a loop adds to the local, its exit block (from br_if on) flushes both */
        {"00", "03 40 20 00 0d 00 0b 41 07 0b",
         "1e 01 01 7e 03 40 20 01 42 02 7c 21 01 20 00 0d 00"
         "23 02 20 01 42 01 7c 7c 24 02 0b 41 07 0b"},
        /* a conditional branch out of the function, in a loop: wrapped, one flush behind */
        {"00", "41 07 03 40 20 00 0d 01 0c 00 0b 0b",
         "01 01 7e 02 7f 20 01 42 01 7c 21 01 41 07 03 40 20 01 42 02 7c 21 01 20 00 0d 01"
         "20 01 42 01 7c 21 01 0c 00 0b 0b 23 02 20 01 7c 24 02 0b"},
        /* the same without a loop: the block flushes itself */
        {"00", "41 07 20 00 0d 00 0b", "23 02 42 03 7c 24 02 41 07 20 00 0d 00 0b"},
        /* a call in a loop: all pending goes to the global and the local is zero again */
        {"00", "03 40 41 00 10 00 0d 00 41 01 0d 00 0b 41 07 0b",
         "23 02 20 01 42 03 7c 7c 24 02 42 00 21 01 41 00 10 00 0d 00"
         "20 01 42 02 7c 21 01 41 01 0d 00 23 02"},
        /* a block whose end is no target does not start a new basic block */
        {"00", "02 40 41 01 1a 0b 41 07 0b", "23 02 42 03 7c 24 02 02 40 41 01 1a 0b 41 07 0b"},
        /* if: condition, two arms, join */
        {"00", "20 00 04 40 41 01 1a 05 01 0b 41 07 0b",
         "01 01 7e 20 01 42 02 7c 21 01 20 00 04 40 20 01 42 02 7c 21 01 41 01 1a 05 01 0b"
         "23 02 20 01 42 01 7c 7c 24 02 41 07 0b"},
        /* unreachable flushes before it traps */
        {"00", "03 40 20 00 0d 00 0b 00 0b", "23 02 20 01 42 01 7c 7c 24 02 0b 00 0b"},
        /* tail call: flushed before, no reset after */
        {"00", "03 40 20 00 0d 00 0b 41 01 12 00 0b",
         "23 02 20 01 42 02 7c 7c 24 02 0b 41 01 12 00 0b"},
        /* memory.fill: 4 instructions and operand >> 6; the operand's local is 1 */
        {"00", "41 00 41 00 20 00 fc 0b 00 41 07 0b",
         "01 02 7f 23 02 42 05 7c 24 02 41 00 41 00 20 00"
         "22 01 23 02 20 01 ad 42 06 88 7c 24 02 fc 0b 00 41 07 0b"},
        /* memory.grow: charged after it succeeded */
        {"00", "20 00 40 00 0b",
         "01 02 7f 23 02 42 02 7c 24 02 20 00 22 01 40 00 21 02"
         "23 02 20 01 ad 42 80 08 7e 42 00 20 02 41 7f 47 1b 7c 24 02 20 02 0b"},
        /* declared locals stay, ours come last */
        {"01 03 7c", "03 40 20 00 0d 00 0b 41 07 0b", "02 03 7c 01 7e 03 40 20 04 42 02"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct bytes b = module_with_code(forms[i].locals, forms[i].code);
        assert_contains(accepted(&b), forms[i].output);
    }
}

/* Function 1 is private: nothing is put into it, function 0 pays 2 + 2 for both calls. */
static void test_callers_pay_private_functions(void **state)
{
    (void)state;
    static const char *const sections = "02 09 00 10 01 10 01 41 07 1a 0b 05 00 41 01 1a 0b";
    for (int public = 0; public < 2; public ++) {
        struct bytes b = {0};
        put_header(&b);
        put_section_hex(&b, 1, "01 60 00 00");
        put_section_hex(&b, 3, "02 00 00");
        if (public)
            put_section_hex(&b, 4, "01 70 00 01");
        put_section_hex(&b, 7, "01 01 66 00 00");
        if (public)
            put_section_hex(&b, 9, "01 00 41 00 0b 01 01");
        put_section_hex(&b, 10, sections);
        assert_contains(accepted(&b), public ? "23 00 42 04 7c 24 00 10 01 10 01 41 07 1a 0b"
                                               "0c 00 23 00 42 02 7c 24 00 41 01 1a 0b"
                                             : "23 00 42 08 7c 24 00 10 01 10 01 41 07 1a 0b"
                                               "05 00 41 01 1a 0b");
    }
}

static void test_state_outside_memory_is_reported(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool mutates;
    } cases[] = {
        {"25 00 1a 41 07 0b", false},    {"fc 10 00 0b", false},
        {"26 00 41 07 0b", true},        {"fc 0f 00 0b", true},
        {"fc 11 00 41 07 0b", true},     {"fc 0e 00 00 41 07 0b", true},
        {"fc 0c 00 00 41 07 0b", true},  {"fc 0d 00 41 07 0b", true},
        {"fc 0a 00 00 41 07 0b", false}, {"fc 0b 00 41 07 0b", false},
        {"24 01 41 07 0b", false},       {"fc 00 41 07 0b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = module_with_code("00", cases[i].code);
        struct instrument_result r = accepted(&b);
        assert_int_equal(r.mutates_tables, cases[i].mutates);
        instrument_free(&r);
    }
    struct bytes b = {0};
    put_header(&b);
    put_section_hex(&b, 6, "01 70 01 d0 70 0b"); /* a mutable reference */
    struct instrument_result r = accepted(&b);
    assert_true(r.mutates_tables);
    assert_int_equal(r.mutable_global_count, 1);
    instrument_free(&r);
}

static void test_data_offsets(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        uint32_t offset;
    } cases[] = {
        {"41 2a", 42},
        {"23 00", 5},
        {"23 00 41 03 6c 41 08 6a", 23},
        {"41 32 23 00 6b", 45},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[80];
        (void)snprintf(data, sizeof data, "02 00 %s 0b 02 6869 00 41 00 0b 00",
                       cases[i].expression);
        struct bytes b = module_with_code("00", "41 07 0b");
        put_section_hex(&b, 11, data);
        struct instrument_result r = accepted(&b);
        assert_int_equal(r.initial_offset, cases[i].offset);
        assert_int_equal(r.initial_size, 2);
        assert_memory_equal(r.initial, "hi", 2);
        instrument_free(&r);
    }
    struct bytes b = module_with_code("00", "41 07 0b");
    put_section_hex(&b, 11, "01 00 23 01 0b 02 6869");
    assert_refused(&b, "reads mutable global 1");
}

static void test_weights_hash(void **state)
{
    (void)state;
    /* Receipts name this table. A changed weight needs a new value here, on purpose. */
    assert_string_equal(instrument_weights_hash(),
                        "37259b04768183caf5577dfb7aeb551ca5f22e2eba236830fa1104854d56c353");
    assert_ptr_equal(instrument_weights_hash(), instrument_weights_hash());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_code),
        cmocka_unit_test(test_refuses_sections),
        cmocka_unit_test(test_refuses_header),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_error_text_is_bounded),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_every_changed_byte_is_safe),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_result_of_rich_module),
        cmocka_unit_test(test_empty_module),
        cmocka_unit_test(test_form_of_code),
        cmocka_unit_test(test_callers_pay_private_functions),
        cmocka_unit_test(test_state_outside_memory_is_reported),
        cmocka_unit_test(test_data_offsets),
        cmocka_unit_test(test_weights_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
