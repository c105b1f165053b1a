/*
 * instrument_parse.c - reads every section of a Wasm module except the code, refuses the features
 * that are off by their names, and evaluates what active data segments put into the memory.
 * It must never trust a count, an index or an offset of the module.
 * Format: WebAssembly Core 2.0, chapter 5.5, plus extended constant expressions.
 */
#include "instrument_internal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE      65536u
#define PAGES_MAX      65536u
#define ENTRIES_MAX    1000000u /* types, globals: what engines agree on */
#define CONST_DEPTH    64u      /* operands on the stack of a constant expression */
#define RESERVED       "tfaas:"
#define NAME_SHOWN_MAX 64u

static const char *const section_names[SECTION_COUNT] = {
    "custom section", "type section",   "import section",     "function section", "table section",
    "memory section", "global section", "export section",     "start section",    "element section",
    "code section",   "data section",   "data count section", "tag section"};

/* Order in which sections must stand (0: custom, anywhere). */
static const uint8_t section_order[SECTION_COUNT] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6};

static void *module_array(struct module *m, size_t count, size_t element_size)
{
    if (!diag_ok(m->diag))
        return NULL;
    /* count <= bytes of the module (cursor_count) and elements are small: no overflow */
    void *array = calloc(count > 0 ? count : 1, element_size);
    if (array == NULL)
        diag_no_space(m->diag, count * element_size);
    return array;
}

void index_check(const struct cursor *c, size_t at, uint32_t index, uint32_t count,
                 const char *what)
{
    if (cursor_ok(c) && index >= count)
        diag_refuse(c->diag, at, "%s index %u, but there are %u", what, index, count);
}

/* A name as it may be shown in an error: printable ASCII, bounded. */
struct shown {
    char text[NAME_SHOWN_MAX + 1];
};

static struct shown name_shown(const struct cursor *name)
{
    struct shown shown;
    size_t size = cursor_left(name);
    if (size > NAME_SHOWN_MAX)
        size = NAME_SHOWN_MAX;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = name->base[name->at + i];
        shown.text[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    shown.text[size] = '\0';
    return shown;
}

static struct cursor name_read(struct cursor *c)
{
    uint32_t size = cursor_u32(c);
    return cursor_part(c, size, "name");
}

uint8_t value_type_read(struct cursor *c)
{
    size_t at = c->at;
    uint8_t type = cursor_u8(c);
    if (!cursor_ok(c))
        return 0;
    if ((type >= TYPE_V128 && type <= TYPE_I32) || type == TYPE_FUNCREF || type == TYPE_EXTERNREF)
        return type;
    if (type == 0x69 || type == 0x74)
        diag_refuse(c->diag, at, "exceptions (exnref) are not supported");
    else if (type == 0x63 || type == 0x64)
        diag_refuse(c->diag, at, "typed function references are not supported");
    else if (type >= 0x65 && type <= 0x73)
        diag_refuse(c->diag, at, "garbage collection types (0x%02x) are not supported", type);
    else
        diag_refuse(c->diag, at, "unknown value type 0x%02x", type);
    return 0;
}

static uint8_t reference_type_read(struct cursor *c)
{
    size_t at = c->at;
    uint8_t type = value_type_read(c);
    if (cursor_ok(c) && type != TYPE_FUNCREF && type != TYPE_EXTERNREF)
        diag_refuse(c->diag, at, "value type 0x%02x is not a reference type", type);
    return type;
}

struct limits {
    uint32_t min, max;
    bool has_max;
};

static struct limits limits_read(struct cursor *c, const char *what)
{
    struct limits limits = {0, 0, false};
    size_t at = c->at;
    uint8_t flags = cursor_u8(c);
    if (flags & 0x02)
        diag_refuse(c->diag, at, "threads (shared %s) are not supported", what);
    else if (flags & 0x04)
        diag_refuse(c->diag, at, "memory64 (64-bit %s) is not supported", what);
    else if (flags & 0x08)
        diag_refuse(c->diag, at, "custom page sizes are not supported");
    else if (flags > 1)
        diag_refuse(c->diag, at, "unknown %s flags 0x%02x", what, flags);
    limits.min = cursor_u32(c);
    limits.has_max = (flags & 1) != 0;
    if (limits.has_max)
        limits.max = cursor_u32(c);
    if (cursor_ok(c) && limits.has_max && limits.max < limits.min)
        diag_refuse(c->diag, at, "%s minimum %u is above its maximum %u", what, limits.min,
                    limits.max);
    return limits;
}

static void types_parse(struct module *m, struct cursor *c)
{
    size_t section_at = c->at;
    uint32_t count = cursor_count(c, "types");
    if (cursor_ok(c) && count > ENTRIES_MAX)
        diag_refuse(c->diag, section_at, "more than %u types", ENTRIES_MAX);
    m->types = module_array(m, count, sizeof *m->types);
    for (uint32_t i = 0; i < count && cursor_ok(c); i++) {
        struct func_type *type = &m->types[i];
        size_t at = c->at;
        uint8_t form = cursor_u8(c);
        if (form == 0x4e || form == 0x4f || form == 0x50 || form == 0x5e || form == 0x5f)
            diag_refuse(c->diag, at, "garbage collection types (0x%02x) are not supported", form);
        else if (form != 0x60)
            diag_refuse(c->diag, at, "unknown type form 0x%02x", form);
        type->param_count = cursor_count(c, "parameters");
        for (uint32_t j = 0; j < type->param_count && cursor_ok(c); j++)
            (void)value_type_read(c);
        type->result_count = cursor_count(c, "results");
        type->results_at = c->at;
        for (uint32_t j = 0; j < type->result_count && cursor_ok(c); j++)
            (void)value_type_read(c);
        if (type->result_count > 1)
            type->several_index = m->several_count++;
        m->type_count++;
    }
}

static const char *import_kind_name(uint8_t kind)
{
    static const char *const names[] = {"function", "table", "memory", "global", "tag"};
    return kind < sizeof names / sizeof *names ? names[kind] : "unknown kind";
}

/* Imported functions come first in the index space, so the array holds them and the defined. */
static void functions_parse(struct module *m)
{
    struct cursor *imports = &m->sections[SECTION_IMPORT];
    struct cursor *defined = &m->sections[SECTION_FUNCTION];
    uint32_t import_count = m->present[SECTION_IMPORT] ? cursor_count(imports, "imports") : 0;
    uint32_t defined_count = m->present[SECTION_FUNCTION] ? cursor_count(defined, "functions") : 0;
    if (diag_ok(m->diag) && (import_count > INSTRUMENT_FUNCS_MAX ||
                             defined_count > INSTRUMENT_FUNCS_MAX - import_count))
        diag_refuse(m->diag, defined->at, "more than %u functions", INSTRUMENT_FUNCS_MAX);
    m->funcs = module_array(m, (size_t)import_count + defined_count, sizeof *m->funcs);
    for (uint32_t i = 0; i < import_count && cursor_ok(imports); i++) {
        size_t at = imports->at;
        struct cursor module_name = name_read(imports);
        struct cursor name = name_read(imports);
        uint8_t kind = cursor_u8(imports);
        if (cursor_ok(imports) && kind != 0)
            diag_refuse(
                m->diag, at, "import of a %s (\"%s\" \"%s\"); only functions can be imported",
                import_kind_name(kind), name_shown(&module_name).text, name_shown(&name).text);
        at = imports->at;
        uint32_t type = cursor_u32(imports);
        index_check(imports, at, type, m->type_count, "type");
        m->funcs[m->func_count].type = type;
        m->funcs[m->func_count++].public = true;
    }
    m->import_count = import_count;
    for (uint32_t i = 0; i < defined_count && cursor_ok(defined); i++) {
        size_t at = defined->at;
        uint32_t type = cursor_u32(defined);
        index_check(defined, at, type, m->type_count, "type");
        m->funcs[m->func_count++].type = type;
    }
}

static void tables_parse(struct module *m, struct cursor *c)
{
    uint32_t count = cursor_count(c, "tables");
    for (uint32_t i = 0; i < count && cursor_ok(c); i++) {
        size_t at = c->at;
        if (cursor_left(c) > 0 && c->base[c->at] == 0x40)
            diag_refuse(c->diag, at, "tables with an initial value are not supported");
        (void)reference_type_read(c);
        m->table_elements += limits_read(c, "table").min;
        m->table_count++;
    }
}

static void memories_parse(struct module *m, struct cursor *c)
{
    size_t at = c->at;
    uint32_t count = cursor_count(c, "memories");
    if (cursor_ok(c) && count > 1)
        diag_refuse(c->diag, at, "multi-memory (%u memories) is not supported", count);
    if (!cursor_ok(c) || count == 0)
        return;
    at = c->at;
    struct limits limits = limits_read(c, "memory");
    m->has_memory = true;
    m->memory_min = limits.min;
    m->memory_max = limits.has_max ? limits.max : PAGES_MAX;
    if (cursor_ok(c) && (m->memory_min > PAGES_MAX || m->memory_max > PAGES_MAX))
        diag_refuse(c->diag, at, "memory of more than %u pages", PAGES_MAX);
}

static void function_made_public(struct module *m, const struct cursor *c, size_t at,
                                 uint32_t index)
{
    index_check(c, at, index, m->func_count, "function");
    if (cursor_ok(c))
        m->funcs[index].public = true;
}

static uint32_t constant_compute(uint8_t op, uint32_t left, uint32_t right)
{
    if (op == OP_I32_ADD)
        return left + right;
    if (op == OP_I32_SUB)
        return left - right;
    return left * right;
}

struct constant constant_read(struct module *m, struct cursor *c)
{
    struct constant stack[CONST_DEPTH];
    uint32_t depth = 0;
    size_t start = c->at;
    while (cursor_ok(c)) {
        size_t at = c->at;
        uint8_t op = cursor_u8(c);
        struct constant value = {false, 0, 0};
        switch (op) {
        case OP_END:
            if (cursor_ok(c) && depth != 1)
                diag_refuse(c->diag, start, "constant expression leaves %u values", depth);
            if (cursor_ok(c))
                return stack[0];
            continue;
        case OP_I32_CONST:
            value = (struct constant){true, (uint32_t)cursor_signed(c, 32), TYPE_I32};
            break;
        case OP_I64_CONST:
            (void)cursor_signed(c, 64);
            value.type = TYPE_I64;
            break;
        case OP_F32_CONST:
            cursor_skip(c, 4);
            break;
        case OP_F64_CONST:
            cursor_skip(c, 8);
            break;
        case OP_SIMD:
            if (cursor_u32(c) != 12)
                diag_refuse(c->diag, at, "instruction is not constant");
            cursor_skip(c, 16);
            break;
        case OP_REF_NULL:
            (void)reference_type_read(c);
            break;
        case OP_REF_FUNC: {
            uint32_t index = cursor_u32(c);
            function_made_public(m, c, at, index);
            break;
        }
        case OP_GLOBAL_GET: {
            uint32_t index = cursor_u32(c);
            index_check(c, at, index, m->global_count, "global");
            if (!cursor_ok(c))
                continue;
            if (m->globals[index].is_mutable)
                diag_refuse(c->diag, at, "constant expression reads mutable global %u", index);
            value.is_known = m->globals[index].is_known;
            value.value = m->globals[index].value;
            value.type = m->globals[index].type;
            break;
        }
        case OP_I32_ADD:
        case OP_I32_SUB:
        case OP_I32_MUL:
        case OP_I64_ADD:
        case OP_I64_SUB:
        case OP_I64_MUL:
            if (cursor_ok(c) && depth < 2)
                diag_refuse(c->diag, at, "constant expression lacks an operand");
            if (!cursor_ok(c))
                continue;
            depth -= 2;
            value.type = op < OP_I64_ADD ? TYPE_I32 : TYPE_I64;
            value.is_known = op < OP_I64_ADD && stack[depth].is_known && stack[depth + 1].is_known;
            if (value.is_known)
                value.value = constant_compute(op, stack[depth].value, stack[depth + 1].value);
            break;
        default:
            diag_refuse(c->diag, at, "instruction 0x%02x is not constant", op);
            break;
        }
        if (depth == CONST_DEPTH) {
            diag_refuse(c->diag, at, "constant expression deeper than %u", CONST_DEPTH);
            break;
        }
        stack[depth++] = value;
    }
    return (struct constant){false, 0, 0};
}

static void globals_parse(struct module *m, struct cursor *c)
{
    size_t section_at = c->at;
    uint32_t count = cursor_count(c, "globals");
    if (cursor_ok(c) && count > ENTRIES_MAX)
        diag_refuse(c->diag, section_at, "more than %u globals", ENTRIES_MAX);
    m->globals = module_array(m, count, sizeof *m->globals);
    for (uint32_t i = 0; i < count && cursor_ok(c); i++) {
        struct global *global = &m->globals[i];
        global->type = value_type_read(c);
        size_t at = c->at;
        uint8_t mutability = cursor_u8(c);
        if (mutability > 1)
            diag_refuse(c->diag, at, "unknown global mutability 0x%02x", mutability);
        global->is_mutable = mutability == 1;
        struct constant value = constant_read(m, c);
        global->is_known = !global->is_mutable && global->type == TYPE_I32 && value.is_known;
        global->value = value.value;
        if (global->is_mutable && ++m->mutable_count > INSTRUMENT_GLOBALS_MAX)
            diag_refuse(c->diag, at, "more than %u mutable globals", INSTRUMENT_GLOBALS_MAX);
        if (global->is_mutable && (global->type == TYPE_FUNCREF || global->type == TYPE_EXTERNREF))
            m->mutates_tables = true; /* a reference cannot be put into an image either */
        m->global_count++;
    }
}

static void exports_parse(struct module *m, struct cursor *c)
{
    uint32_t count = cursor_count(c, "exports");
    for (uint32_t i = 0; i < count && cursor_ok(c); i++) {
        size_t at = c->at;
        struct cursor name = name_read(c);
        if (cursor_ok(c) && cursor_left(&name) >= strlen(RESERVED) &&
            memcmp(name.base + name.at, RESERVED, strlen(RESERVED)) == 0)
            diag_refuse(c->diag, at, "export \"%s\": names that begin with \"%s\" are reserved",
                        name_shown(&name).text, RESERVED);
        at = c->at;
        uint8_t kind = cursor_u8(c);
        uint32_t index = cursor_u32(c);
        if (kind == 0)
            function_made_public(m, c, at, index);
        else if (kind == 1)
            index_check(c, at, index, m->table_count, "table");
        else if (kind == 2)
            index_check(c, at, index, m->has_memory ? 1 : 0, "memory");
        else if (kind == 3)
            index_check(c, at, index, m->global_count, "global");
        else
            diag_refuse(c->diag, at,
                        kind == 4 ? "exceptions (exported tag) are not supported"
                                  : "unknown export kind %u",
                        kind);
    }
}

static void start_parse(struct module *m, struct cursor *c)
{
    size_t at = c->at;
    m->start = cursor_u32(c);
    m->has_start = true;
    function_made_public(m, c, at, m->start);
}

/* Element segments stay as they are; whoever stands in one can be called through a table. */
static void elements_parse(struct module *m, struct cursor *c)
{
    uint32_t count = cursor_count(c, "element segments");
    for (uint32_t i = 0; i < count && cursor_ok(c); i++) {
        size_t at = c->at;
        uint32_t flags = cursor_u32(c);
        if (flags > 7)
            diag_refuse(c->diag, at, "unknown element segment flags %u", flags);
        bool is_active = (flags & 1) == 0, has_index = (flags & 2) != 0, is_expr = (flags & 4) != 0;
        if (is_active && has_index)
            index_check(c, at, cursor_u32(c), m->table_count, "table");
        if (is_active)
            (void)constant_read(m, c);
        at = c->at;
        if (flags & 3) { /* passive, declarative or explicit index: a kind follows */
            if (is_expr)
                (void)reference_type_read(c);
            else if (cursor_u8(c) != 0)
                diag_refuse(c->diag, at, "unknown element kind");
        }
        uint32_t items = cursor_count(c, "elements");
        for (uint32_t j = 0; j < items && cursor_ok(c); j++) {
            at = c->at;
            if (is_expr)
                (void)constant_read(m, c);
            else
                function_made_public(m, c, at, cursor_u32(c));
        }
    }
}

struct segment {
    bool is_active;
    uint32_t offset;
    struct cursor bytes;
};

static struct segment segment_read(struct module *m, struct cursor *c)
{
    struct segment segment = {false, 0, *c};
    size_t at = c->at;
    uint32_t flags = cursor_u32(c);
    if (flags > 2)
        diag_refuse(c->diag, at, "unknown data segment flags %u", flags);
    if (flags == 2 && cursor_u32(c) != 0)
        diag_refuse(c->diag, at, "multi-memory (data segment for another memory) is not supported");
    segment.is_active = flags != 1;
    if (segment.is_active) {
        size_t expression_at = c->at;
        struct constant offset = constant_read(m, c);
        if (cursor_ok(c) && !offset.is_known)
            diag_refuse(c->diag, expression_at,
                        "data segment offset is not made of i32.const, global.get of a constant "
                        "global, i32.add, i32.sub and i32.mul");
        segment.offset = offset.value;
    }
    uint32_t size = cursor_u32(c);
    segment.bytes = cursor_part(c, size, "data segment");
    uint64_t end = (uint64_t)segment.offset + size;
    if (cursor_ok(c) && segment.is_active && !m->has_memory)
        diag_refuse(c->diag, at, "active data segment, but there is no memory");
    if (cursor_ok(c) && segment.is_active && end > (uint64_t)m->memory_min * PAGE_SIZE)
        diag_refuse(c->diag, at,
                    "data segment [%u, %llu) lies outside the initial memory of %u pages",
                    segment.offset, (unsigned long long)end, m->memory_min);
    return segment;
}

static void data_parse(struct module *m, struct cursor *c, struct instrument_result *result)
{
    size_t section_at = c->at;
    m->data_count = cursor_count(c, "data segments");
    struct cursor again = *c;
    uint64_t low = UINT64_MAX, high = 0;
    for (uint32_t i = 0; i < m->data_count && cursor_ok(c); i++) {
        struct segment segment = segment_read(m, c);
        size_t size = cursor_left(&segment.bytes);
        if (!segment.is_active || size == 0)
            continue;
        if (segment.offset < low)
            low = segment.offset;
        if (segment.offset + size > high)
            high = segment.offset + size;
    }
    if (!cursor_ok(c) || low >= high)
        return;
    if (high - low > INSTRUMENT_INITIAL_MAX) {
        diag_refuse(c->diag, section_at, "active data segments span %llu bytes, more than %u",
                    (unsigned long long)(high - low), INSTRUMENT_INITIAL_MAX);
        return;
    }
    result->initial_offset = (uint32_t)low;
    result->initial_size = (size_t)(high - low);
    result->initial = module_array(m, result->initial_size, 1);
    for (uint32_t i = 0; i < m->data_count && cursor_ok(c); i++) {
        struct segment segment = segment_read(m, &again);
        size_t size = cursor_left(&segment.bytes);
        if (segment.is_active &&
            size > 0) /* later segments overwrite earlier ones, as the spec says */
            memcpy(result->initial + (segment.offset - low), m->bytes + segment.bytes.at, size);
    }
}

static void sections_find(struct module *m)
{
    struct cursor c = {m->bytes, 0, m->size, m->diag};
    static const uint8_t magic[4] = {0, 'a', 's', 'm'};
    if (m->size < 8 || memcmp(m->bytes, magic, 4) != 0) {
        diag_refuse(m->diag, 0, "not a WebAssembly binary");
        return;
    }
    if (m->bytes[6] == 1 && m->bytes[7] == 0) {
        diag_refuse(m->diag, 4, "this is a component; components are not supported");
        return;
    }
    if (m->bytes[4] != 1 || m->bytes[5] != 0 || m->bytes[6] != 0 || m->bytes[7] != 0) {
        diag_refuse(m->diag, 4, "unknown WebAssembly version");
        return;
    }
    c.at = 8;
    uint8_t last = 0;
    while (cursor_ok(&c) && cursor_left(&c) > 0) {
        size_t at = c.at;
        uint8_t id = cursor_u8(&c);
        if (id >= SECTION_COUNT) {
            diag_refuse(m->diag, at, "unknown section %u", id);
            return;
        }
        if (id == SECTION_TAG) {
            diag_refuse(m->diag, at, "exceptions (tag section) are not supported");
            return;
        }
        uint32_t size = cursor_u32(&c);
        struct cursor content = cursor_part(&c, size, section_names[id]);
        if (id == SECTION_CUSTOM)
            continue;
        if (cursor_ok(&c) && section_order[id] <= last)
            diag_refuse(m->diag, at, "%s is repeated or out of order", section_names[id]);
        last = section_order[id];
        m->sections[id] = content;
        m->present[id] = true;
    }
}

static void section_done(const struct module *m, unsigned id)
{
    const struct cursor *c = &m->sections[id];
    if (cursor_ok(c) && m->present[id] && cursor_left(c) > 0)
        diag_refuse(m->diag, c->at, "%zu bytes left over in the %s", cursor_left(c),
                    section_names[id]);
}

void module_parse(struct module *m, struct instrument_result *result)
{
    struct cursor none = {m->bytes, m->size, m->size, m->diag};
    for (unsigned id = 0; id < SECTION_COUNT; id++)
        m->sections[id] = none;
    sections_find(m);
    struct cursor contents[SECTION_COUNT]; /* the emitter needs whole sections again */
    memcpy(contents, m->sections, sizeof contents);
    if (m->present[SECTION_TYPE])
        types_parse(m, &m->sections[SECTION_TYPE]);
    if (diag_ok(m->diag))
        functions_parse(m);
    if (m->present[SECTION_TABLE])
        tables_parse(m, &m->sections[SECTION_TABLE]);
    if (m->present[SECTION_MEMORY])
        memories_parse(m, &m->sections[SECTION_MEMORY]);
    if (m->present[SECTION_GLOBAL])
        globals_parse(m, &m->sections[SECTION_GLOBAL]);
    if (m->present[SECTION_EXPORT])
        exports_parse(m, &m->sections[SECTION_EXPORT]);
    if (m->present[SECTION_START])
        start_parse(m, &m->sections[SECTION_START]);
    if (m->present[SECTION_ELEMENT])
        elements_parse(m, &m->sections[SECTION_ELEMENT]);
    if (m->present[SECTION_DATA])
        data_parse(m, &m->sections[SECTION_DATA], result);
    if (m->present[SECTION_DATA_COUNT]) {
        struct cursor *c = &m->sections[SECTION_DATA_COUNT];
        size_t at = c->at;
        uint32_t count = cursor_u32(c);
        if (cursor_ok(c) && count != m->data_count)
            diag_refuse(m->diag, at, "data count is %u, but there are %u data segments", count,
                        m->data_count);
    }
    for (unsigned id = 1; id < SECTION_COUNT; id++)
        if (id != SECTION_CODE)
            section_done(m, id);
    memcpy(m->sections, contents, sizeof contents);
}

void module_free(struct module *m)
{
    free(m->types);
    free(m->funcs);
    free(m->globals);
}
