/*
 * instrument.c - writes the metered module. It must never let the guest name what it adds, and must
 * never put a call or a loop into the code: only adds to a local and to one global.
 *
 * What is counted (docs/metering.md is normative):
 *  - An executed instruction costs weight_of() units; nop, block, loop, else and end cost 0, all
 *    others 1. A basic block is charged whole, at its head, before it runs.
 *  - The entry block of a function that only direct calls can reach ("private": not exported, not
 *    the start function, in no element segment or global) is charged by the block that calls it.
 *    So a small leaf function has no metering code at all.
 *  - memory.copy/fill/init cost size >> 6 more, table.copy/fill/init one per element, before they
 *    run; memory.grow 1024 per page and table.grow 1 per element, after they succeeded.
 *  - Host functions are charged by the core.
 *
 * Where the count stands: a block that calls, returns, ends the function or is unreachable adds
 * its weight and all that is pending in the frame's local to the global, at its head. So while a
 * call runs, every caller's count is in the global, and a host function sees an exact count. All
 * other blocks add to the local. Lost are, when a trap or a deadline ends the run, the units that
 * the innermost frame alone has pending.
 */
#include "instrument_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct emit {
    struct module *m;
    struct output out;
    struct body body;
    uint32_t work_global;
    uint32_t pending, operand, grown; /* our locals */
    bool has_pending, has_sizes;      /* the body uses them */
    bool is_wrapped; /* the code stands in a block of its own, after which the flush stands */
};

static void emit_local(struct emit *e, unsigned op, uint32_t local)
{
    output_u8(&e->out, op);
    output_u32(&e->out, local);
}

static void emit_constant(struct emit *e, uint64_t value)
{
    output_u8(&e->out, OP_I64_CONST);
    output_i64(&e->out, (int64_t)value);
}

static void emit_work_global(struct emit *e, unsigned op)
{
    output_u8(&e->out, op);
    output_u32(&e->out, e->work_global);
}

/* pending += weight */
static void emit_add(struct emit *e, uint64_t weight)
{
    emit_local(e, OP_LOCAL_GET, e->pending);
    emit_constant(e, weight);
    output_u8(&e->out, OP_I64_ADD);
    emit_local(e, OP_LOCAL_SET, e->pending);
}

/* global += pending + weight; pending = 0 */
static void emit_flush(struct emit *e, uint64_t weight, bool with_pending, bool continues)
{
    if (weight == 0 && !with_pending)
        return;
    emit_work_global(e, OP_GLOBAL_GET);
    if (with_pending)
        emit_local(e, OP_LOCAL_GET, e->pending);
    if (weight > 0)
        emit_constant(e, weight);
    if (weight > 0 && with_pending)
        output_u8(&e->out, OP_I64_ADD); /* first: only one add waits for the global */
    output_u8(&e->out, OP_I64_ADD);
    emit_work_global(e, OP_GLOBAL_SET);
    if (with_pending && continues) {
        emit_constant(e, 0);
        emit_local(e, OP_LOCAL_SET, e->pending);
    }
}

static bool block_leaves(const struct emit *e, const struct point *point)
{
    unsigned ends = e->is_wrapped ? 0 : POINT_ENDS | POINT_MAY_END;
    return (point->flags & (POINT_CALLS | POINT_EXITS | ends)) != 0;
}

static bool point_is_entry(const struct emit *e, const struct point *point)
{
    return point->kind == POINT_BLOCK && point->at == e->body.code_at;
}

static void emit_block(struct emit *e, const struct point *point)
{
    bool is_last =
        (point->flags & POINT_EXITS) != 0 || (!e->is_wrapped && (point->flags & POINT_ENDS) != 0);
    bool with_pending = e->has_pending && !point_is_entry(e, point);
    if (block_leaves(e, point))
        emit_flush(e, point->weight, with_pending, !is_last);
    else if (point->weight > 0)
        emit_add(e, point->weight);
}

/* What a size adds goes where its block's weight went, since the flush is at the block's head. */
static void emit_counter(struct emit *e, const struct point *point, bool get)
{
    if (block_leaves(e, &e->body.points[point->block]))
        emit_work_global(e, get ? OP_GLOBAL_GET : OP_GLOBAL_SET);
    else
        emit_local(e, get ? OP_LOCAL_GET : OP_LOCAL_SET, e->pending);
}

static void emit_bulk(struct emit *e, const struct point *point)
{
    emit_local(e, OP_LOCAL_TEE, e->operand);
    emit_counter(e, point, true);
    emit_local(e, OP_LOCAL_GET, e->operand);
    output_u8(&e->out, OP_I64_EXTEND_I32_U);
    if (point->weight > 0) {
        emit_constant(e, point->weight);
        output_u8(&e->out, OP_I64_SHR_U);
    }
    output_u8(&e->out, OP_I64_ADD);
    emit_counter(e, point, false);
}

static void emit_grow(struct emit *e, const struct point *point)
{
    emit_local(e, OP_LOCAL_TEE, e->operand);
    output_bytes(&e->out, e->m->bytes + point->at, point->op_size);
    emit_local(e, OP_LOCAL_SET, e->grown);
    emit_counter(e, point, true);
    emit_local(e, OP_LOCAL_GET, e->operand);
    output_u8(&e->out, OP_I64_EXTEND_I32_U);
    emit_constant(e, point->weight);
    output_u8(&e->out, OP_I64_MUL);
    emit_constant(e, 0);
    emit_local(e, OP_LOCAL_GET, e->grown);
    output_u8(&e->out, OP_I32_CONST);
    output_i64(&e->out, -1);
    output_u8(&e->out, OP_I32_NE);
    output_u8(&e->out, OP_SELECT);
    output_u8(&e->out, OP_I64_ADD);
    emit_counter(e, point, false);
    emit_local(e, OP_LOCAL_GET, e->grown);
}

/* Decides what the body needs: a local for pending units, and a block around the code. */
static void plan(struct emit *e)
{
    const struct body *body = &e->body;
    bool may_end = false;
    for (size_t i = 0; i < body->point_count; i++)
        may_end |= (body->points[i].flags & POINT_MAY_END) != 0;
    /* Without a loop, a conditional branch out of the function runs once: flush at its block.
     * With one, that would be a read and write of memory per iteration: flush after the code. */
    e->is_wrapped = may_end && body->has_loop;
    e->has_pending = e->has_sizes = false;
    for (size_t i = 0; i < body->point_count; i++) {
        const struct point *point = &body->points[i];
        /* A size counts where its block does, even if callers have paid the block's weight. */
        e->has_sizes |= point->kind != POINT_BLOCK;
        if ((point->kind != POINT_BLOCK || point->weight > 0) &&
            !block_leaves(e, &body->points[point->kind == POINT_BLOCK ? i : point->block]))
            e->has_pending = true;
    }
    if (!e->has_pending)
        e->is_wrapped = false; /* all blocks that would need it have no weight */
    e->pending = body->local_count;
    e->operand = body->local_count + (e->has_pending ? 1 : 0);
    e->grown = e->operand + 1;
}

static void emit_locals(struct emit *e)
{
    const struct body *body = &e->body;
    output_u32(&e->out,
               body->local_group_count + (e->has_pending ? 1 : 0) + (e->has_sizes ? 1 : 0));
    output_bytes(&e->out, e->m->bytes + body->locals_at, body->code_at - body->locals_at);
    if (e->has_pending) {
        output_u8(&e->out, 1);
        output_u8(&e->out, TYPE_I64);
    }
    if (e->has_sizes) {
        output_u8(&e->out, 2);
        output_u8(&e->out, TYPE_I32);
    }
}

static void emit_block_type(struct emit *e, uint32_t type_index)
{
    const struct func_type *type = &e->m->types[type_index];
    if (type->result_count == 0) {
        output_u8(&e->out, 0x40);
    } else if (type->result_count == 1) {
        output_u8(&e->out, e->m->bytes[type->results_at]);
    } else {
        /* emit_types() added a type without parameters for each of these */
        output_i64(&e->out, (int64_t)e->m->type_count + type->several_index);
    }
}

static void emit_code(struct emit *e, uint32_t type)
{
    const struct body *body = &e->body;
    size_t at = body->code_at;
    if (e->is_wrapped) {
        output_u8(&e->out, OP_BLOCK);
        emit_block_type(e, type);
    }
    for (size_t i = 0; i < body->point_count && diag_ok(e->m->diag); i++) {
        const struct point *point = &body->points[i];
        output_bytes(&e->out, e->m->bytes + at, point->at - at);
        at = point->at;
        if (point->kind == POINT_BLOCK) {
            emit_block(e, point);
        } else if (point->kind == POINT_BULK) {
            emit_bulk(e, point);
        } else {
            emit_grow(e, point);
            at += point->op_size;
        }
    }
    output_bytes(&e->out, e->m->bytes + at, body->end - at);
    if (e->is_wrapped) {
        emit_flush(e, 0, true, false);
        output_u8(&e->out, OP_END);
    }
}

/* Sizes precede contents: a content is written first, then moved up behind its size. */
static size_t sized_begin(struct emit *e)
{
    static const uint8_t room[5];
    output_bytes(&e->out, room, sizeof room);
    return e->out.size;
}

static void sized_end(struct emit *e, size_t begin)
{
    if (!diag_ok(e->m->diag))
        return;
    uint32_t size = (uint32_t)(e->out.size - begin); /* fits: the output is bounded */
    uint8_t *at = e->out.data + begin - 5;
    size_t used = 0;
    uint32_t rest = size;
    do {
        at[used++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        rest >>= 7;
    } while (rest > 0);
    memmove(at + used, e->out.data + begin, size);
    e->out.size = begin - 5 + used + size;
}

static struct cursor body_next(struct cursor *code)
{
    size_t at = code->at;
    uint32_t size = cursor_u32(code);
    if (size > INSTRUMENT_BODY_MAX)
        diag_refuse(code->diag, at, "function body larger than %u bytes", INSTRUMENT_BODY_MAX);
    return cursor_part(code, size, "function body");
}

static uint32_t code_begin(const struct module *m, struct cursor *code)
{
    size_t at = code->at;
    uint32_t count = m->present[SECTION_CODE] ? cursor_count(code, "function bodies") : 0;
    if (diag_ok(m->diag) && count != m->func_count - m->import_count)
        diag_refuse(m->diag, at, "%u function bodies for %u functions", count,
                    m->func_count - m->import_count);
    return diag_ok(m->diag) ? count : 0;
}

/* First pass: what direct callers pay for each function. */
static void entry_weights_find(struct emit *e)
{
    struct module *m = e->m;
    struct cursor code = m->sections[SECTION_CODE];
    uint32_t count = code_begin(m, &code);
    for (uint32_t i = 0; i < count && diag_ok(m->diag); i++) {
        struct cursor body = body_next(&code);
        body_scan(m, m->import_count + i, body, &e->body);
        m->funcs[m->import_count + i].entry_weight = e->body.own_entry_weight;
    }
    if (diag_ok(m->diag) && cursor_left(&code) > 0)
        diag_refuse(m->diag, code.at, "%zu bytes left over in the code section",
                    cursor_left(&code));
}

static void emit_code_section(struct emit *e)
{
    struct module *m = e->m;
    struct cursor code = m->sections[SECTION_CODE];
    if (!m->present[SECTION_CODE])
        return;
    output_u8(&e->out, SECTION_CODE);
    size_t section = sized_begin(e);
    uint32_t count = code_begin(m, &code);
    output_u32(&e->out, count);
    for (uint32_t i = 0; i < count && diag_ok(m->diag); i++) {
        const struct func *func = &m->funcs[m->import_count + i];
        struct cursor body = body_next(&code);
        body_scan(m, m->import_count + i, body, &e->body);
        if (!diag_ok(m->diag))
            return;
        if (!func->public && e->body.point_count > 0 && point_is_entry(e, &e->body.points[0]))
            e->body.points[0].weight -= func->entry_weight;
        plan(e);
        size_t begin = sized_begin(e);
        emit_locals(e);
        emit_code(e, func->type);
        sized_end(e, begin);
    }
    sized_end(e, section);
}

static void emit_copy(struct emit *e, unsigned id)
{
    const struct cursor *section = &e->m->sections[id];
    if (!e->m->present[id])
        return;
    output_u8(&e->out, id);
    output_u32(&e->out, (uint32_t)cursor_left(section));
    output_bytes(&e->out, e->m->bytes + section->at, cursor_left(section));
}

/* Copies a vector with `added` more elements announced; the caller writes them and ends it. */
static size_t emit_vector(struct emit *e, unsigned id, uint32_t added)
{
    struct cursor section = e->m->sections[id];
    output_u8(&e->out, id);
    size_t begin = sized_begin(e);
    uint32_t count = e->m->present[id] ? cursor_u32(&section) : 0;
    output_u32(&e->out, count + added);
    output_bytes(&e->out, e->m->bytes + section.at, cursor_left(&section));
    return begin;
}

/* One type () -> results for each type with several results, for the blocks around bodies. */
static void emit_types(struct emit *e)
{
    const struct module *m = e->m;
    if (m->several_count == 0) {
        emit_copy(e, SECTION_TYPE);
        return;
    }
    size_t begin = emit_vector(e, SECTION_TYPE, m->several_count);
    for (uint32_t i = 0; i < m->type_count; i++) {
        const struct func_type *type = &m->types[i];
        if (type->result_count < 2)
            continue;
        output_u8(&e->out, 0x60);
        output_u8(&e->out, 0);
        output_u32(&e->out, type->result_count);
        output_bytes(&e->out, m->bytes + type->results_at, type->result_count);
    }
    sized_end(e, begin);
}

static void emit_globals(struct emit *e)
{
    size_t begin = emit_vector(e, SECTION_GLOBAL, 1);
    static const uint8_t work[] = {TYPE_I64, 1, OP_I64_CONST, 0, OP_END};
    output_bytes(&e->out, work, sizeof work);
    sized_end(e, begin);
}

static void emit_export(struct emit *e, const char *name, unsigned kind, uint32_t index)
{
    size_t size = strlen(name);
    output_u32(&e->out, (uint32_t)size);
    output_bytes(&e->out, (const uint8_t *)name, size);
    output_u8(&e->out, kind);
    output_u32(&e->out, index);
}

static void emit_exports(struct emit *e)
{
    const struct module *m = e->m;
    size_t begin = emit_vector(e, SECTION_EXPORT, 1 + m->mutable_count + (m->has_start ? 1 : 0));
    emit_export(e, "tfaas:work", 3, e->work_global);
    for (uint32_t i = 0; i < m->global_count; i++) {
        char name[24];
        if (!m->globals[i].is_mutable)
            continue;
        (void)snprintf(name, sizeof name, "tfaas:g%u", i);
        emit_export(e, name, 3, i);
    }
    if (m->has_start)
        emit_export(e, "tfaas:start", 0, m->start);
    sized_end(e, begin);
}

static void emit_data(struct emit *e)
{
    struct module *m = e->m;
    struct cursor c = m->sections[SECTION_DATA];
    if (!m->present[SECTION_DATA])
        return;
    output_u8(&e->out, SECTION_DATA);
    size_t begin = sized_begin(e);
    uint32_t count = cursor_u32(&c);
    output_u32(&e->out, count);
    for (uint32_t i = 0; i < count && cursor_ok(&c); i++) {
        uint32_t flags = cursor_u32(&c);
        if (flags == 2)
            (void)cursor_u32(&c);
        if (flags != 1)
            (void)constant_read(m, &c);
        uint32_t size = cursor_u32(&c);
        struct cursor bytes = cursor_part(&c, size, "data segment");
        output_u8(&e->out, 1); /* passive */
        output_u32(&e->out, flags == 1 ? size : 0);
        if (flags == 1)
            output_bytes(&e->out, m->bytes + bytes.at, size);
    }
    sized_end(e, begin);
}

static void emit_module(struct emit *e)
{
    output_bytes(&e->out, e->m->bytes, 8);
    emit_types(e);
    emit_copy(e, SECTION_IMPORT);
    emit_copy(e, SECTION_FUNCTION);
    emit_copy(e, SECTION_TABLE);
    emit_copy(e, SECTION_MEMORY);
    emit_globals(e);
    emit_exports(e);
    emit_copy(e, SECTION_ELEMENT);
    emit_copy(e, SECTION_DATA_COUNT);
    emit_code_section(e);
    emit_data(e);
}

static void result_fill(struct module *m, struct instrument_result *result)
{
    result->memory_min_pages = m->memory_min;
    result->memory_max_pages = m->memory_max;
    result->table_elements = m->table_elements;
    result->table_count = m->table_count;
    result->has_memory = m->has_memory;
    result->has_start = m->has_start;
    result->mutates_tables = m->mutates_tables;
    result->compile_work = (uint64_t)cursor_left(&m->sections[SECTION_CODE]) * WEIGHT_COMPILE_CODE +
                           (uint64_t)m->func_count * WEIGHT_COMPILE_FUNCTION +
                           (uint64_t)m->size * WEIGHT_COMPILE_BYTE;
    size_t count = m->mutable_count > 0 ? m->mutable_count : 1;
    result->mutable_global_index = calloc(count, sizeof *result->mutable_global_index);
    if (result->mutable_global_index == NULL) {
        diag_no_space(m->diag, count * sizeof *result->mutable_global_index);
        return;
    }
    for (uint32_t i = 0; i < m->global_count; i++)
        if (m->globals[i].is_mutable)
            result->mutable_global_index[result->mutable_global_count++] = i;
}

tfaas_status_t instrument(const uint8_t *bytes, size_t size, struct instrument_result *result,
                          char *why, size_t why_size)
{
    struct diag diag = {TFAAS_OK, why, why_size};
    struct module m = {.bytes = bytes, .size = size, .diag = &diag};
    struct emit e = {.m = &m, .out = {.limit = INSTRUMENT_OUTPUT_MAX, .diag = &diag}};
    memset(result, 0, sizeof *result);
    if (why_size > 0)
        why[0] = '\0';
    if (size > INSTRUMENT_MODULE_MAX)
        diag_refuse(&diag, INSTRUMENT_MODULE_MAX, "the module is larger than %u bytes",
                    INSTRUMENT_MODULE_MAX);
    if (diag_ok(&diag))
        module_parse(&m, result);
    if (diag_ok(&diag))
        entry_weights_find(&e);
    e.work_global = m.global_count;
    if (diag_ok(&diag))
        emit_module(&e);
    if (diag_ok(&diag))
        result_fill(&m, result);
    body_free(&e.body);
    module_free(&m);
    if (!diag_ok(&diag)) {
        free(e.out.data);
        instrument_free(result);
        return diag.status;
    }
    result->module = e.out.data;
    result->module_size = e.out.size;
    return TFAAS_OK;
}

void instrument_free(struct instrument_result *result)
{
    free(result->module);
    free(result->initial);
    free(result->mutable_global_index);
    memset(result, 0, sizeof *result);
}
