/*
 * instrument_code.c - walks one function body, checks every index against the counts of the module
 * as it came (the rewriter adds a global and locals, which the guest must not be able to name), and
 * finds the basic blocks with their weights. It must never recurse: nesting is the guest's choice.
 */
#include "instrument_internal.h"

#include <stdlib.h>

struct scan {
    struct module *m;
    struct cursor c;
    struct body *body;
    uint32_t depth;         /* frames in use */
    uint32_t block;         /* the point of the open block; only valid while is_live */
    bool is_live;           /* the next instruction can be reached */
    bool is_entry;          /* the open block is the function's first */
    struct sources sources; /* of the open block */
};

static struct point *point_add(struct scan *s, size_t at, enum point_kind kind)
{
    struct body *body = s->body;
    if (body->point_count == body->point_capacity) {
        size_t capacity = body->point_capacity < 256 ? 256 : 2 * body->point_capacity;
        struct point *points = realloc(body->points, capacity * sizeof *points);
        if (points == NULL) {
            diag_no_space(s->c.diag, capacity * sizeof *points);
            return NULL;
        }
        body->points = points;
        body->point_capacity = capacity;
    }
    struct point *point = &body->points[body->point_count++];
    *point = (struct point){.at = (uint32_t)at, .block = s->block, .kind = (uint8_t)kind};
    return point;
}

static void block_open(struct scan *s)
{
    struct body *body = s->body;
    s->is_live = true;
    s->sources = (struct sources){.others = true};
    s->is_entry = body->point_count == 0;
    /* An empty block is taken over: nothing was charged to it and nothing stands in between. */
    if (body->point_count > 0) {
        struct point *last = &body->points[body->point_count - 1];
        if (last->kind == POINT_BLOCK && last->weight == 0 && last->flags == 0) {
            last->at = (uint32_t)s->c.at;
            s->block = (uint32_t)(body->point_count - 1);
            s->is_entry = false;
            return;
        }
    }
    uint32_t index = (uint32_t)body->point_count;
    if (point_add(s, s->c.at, POINT_BLOCK) != NULL)
        s->block = index;
}

static void block_flag(struct scan *s, unsigned flag)
{
    if (s->is_live && cursor_ok(&s->c))
        s->body->points[s->block].flags |= (uint8_t)flag;
}

static void block_charge(struct scan *s, unsigned op, uint32_t sub)
{
    if (!s->is_live || !cursor_ok(&s->c))
        return;
    unsigned weight = weight_of(op, sub);
    s->body->points[s->block].weight += weight;
    if (s->is_entry)
        s->body->own_entry_weight += weight;
}

static void frame_push(struct scan *s, size_t at, uint8_t op)
{
    if (!cursor_ok(&s->c))
        return;
    if (s->depth == INSTRUMENT_NESTING_MAX) {
        diag_refuse(s->c.diag, at, "blocks nest deeper than %u", INSTRUMENT_NESTING_MAX);
        return;
    }
    s->body->frames[s->depth++] = (struct frame){.op = op, .entered = s->is_live};
}

static bool block_is_empty(const struct scan *s)
{
    const struct point *point = &s->body->points[s->block];
    return point->weight == 0 && point->flags == 0;
}

/* The open block goes to the frame's end, and (unless may_stay) only there. */
static void block_leads_to(struct scan *s, struct frame *frame, bool may_stay)
{
    struct sources *to = &frame->sources, from = {s->block + 1, s->block + 1, false};
    if (may_stay)
        from = (struct sources){.others = true};
    else if (block_is_empty(s)) /* no place to put anything into: who leads to it leads on */
        from = s->sources;
    else
        s->body->points[s->block].next = 0;
    to->others |= from.others;
    if (from.first == 0)
        return;
    if (to->first == 0)
        to->first = from.first;
    else
        s->body->points[to->last - 1].next = from.first;
    to->last = from.last;
}

/* The open block is the function's last. If nothing is charged to it, the blocks that lead to it
 * can flush, and nothing needs to be pending while they call. */
static void function_end(struct scan *s)
{
    if (!s->is_live)
        return;
    if (s->sources.others || !block_is_empty(s)) {
        block_flag(s, POINT_ENDS);
        return;
    }
    for (uint32_t i = s->sources.first; i != 0; i = s->body->points[i - 1].next)
        s->body->points[i - 1].flags |= POINT_ENDS;
}

/* Reads a label; `flag` tells what a branch to the function's own label means for the block. */
static void branch(struct scan *s, unsigned flag)
{
    size_t at = s->c.at;
    uint32_t label = cursor_u32(&s->c);
    index_check(&s->c, at, label, s->depth, "branch label");
    if (!cursor_ok(&s->c) || !s->is_live)
        return;
    struct frame *target = &s->body->frames[s->depth - 1 - label];
    if (label == s->depth - 1) {
        block_flag(s, flag);
    } else if (target->op != OP_LOOP) {
        target->joined = true;
        block_leads_to(s, target, flag == POINT_MAY_END);
    }
}

static void block_type_read(struct scan *s)
{
    struct cursor *c = &s->c;
    size_t at = c->at;
    if (cursor_left(c) > 0 && c->base[c->at] == 0x40) {
        c->at++;
        return;
    }
    if (cursor_left(c) > 0 && (c->base[c->at] & 0xc0) == 0x40) { /* negative: a value type */
        (void)value_type_read(c);
        return;
    }
    int64_t type = cursor_signed(c, 33);
    if (cursor_ok(c) && (type < 0 || type >= s->m->type_count))
        diag_refuse(c->diag, at, "block type index, but there are %u types", s->m->type_count);
}

static void arm_else(struct scan *s, size_t at)
{
    if (!cursor_ok(&s->c))
        return;
    struct frame *frame = &s->body->frames[s->depth - 1];
    if (frame->op != OP_IF) {
        diag_refuse(s->c.diag, at, "else without if");
        return;
    }
    frame->op = OP_ELSE;
    if (s->is_live) {
        frame->joined = true;
        block_leads_to(s, frame, false);
    }
    s->is_live = false;
    if (frame->entered)
        block_open(s);
}

static void frame_end(struct scan *s)
{
    if (!cursor_ok(&s->c))
        return;
    if (s->depth == 1) {
        function_end(s);
        s->depth = 0;
        return;
    }
    struct frame *frame = &s->body->frames[--s->depth];
    if (frame->op == OP_IF && frame->entered) { /* the condition was false */
        frame->joined = true;
        frame->sources.others = true;
    }
    if (!frame->joined)
        return;
    if (s->is_live)
        block_leads_to(s, frame, false);
    struct sources sources = frame->sources;
    block_open(s);
    s->sources = sources;
}

static void memory_argument_read(struct scan *s)
{
    size_t at = s->c.at;
    uint32_t align = cursor_u32(&s->c);
    if (align & 0x40)
        diag_refuse(s->c.diag, at, "multi-memory is not supported");
    else if (align > 4)
        diag_refuse(s->c.diag, at, "alignment 2^%u", align);
    (void)cursor_u32(&s->c);
}

static void memory_index_read(struct scan *s)
{
    size_t at = s->c.at;
    if (cursor_u8(&s->c) != 0)
        diag_refuse(s->c.diag, at, "multi-memory is not supported");
}

static void checked_index_read(struct scan *s, uint32_t count, const char *what)
{
    size_t at = s->c.at;
    uint32_t index = cursor_u32(&s->c);
    index_check(&s->c, at, index, count, what);
}

static void sized_point(struct scan *s, size_t at, enum point_kind kind, uint64_t weight)
{
    if (!s->is_live || !cursor_ok(&s->c))
        return;
    struct point *point = point_add(s, at, kind);
    if (point == NULL)
        return;
    point->weight = weight;
    point->op_size = (uint8_t)(s->c.at - at); /* prefix and two or three LEB128 numbers: < 32 */
}

static void bulk_scan(struct scan *s, size_t at)
{
    uint32_t sub = cursor_u32(&s->c), shift = WEIGHT_ELEMENTS_SHIFT;
    struct module *m = s->m;
    bool is_table = true;
    switch (sub) {
    case 0x08: /* memory.init */
        checked_index_read(s, m->data_count, "data segment");
        memory_index_read(s);
        shift = WEIGHT_BYTES_SHIFT;
        break;
    case 0x09: /* data.drop */
        checked_index_read(s, m->data_count, "data segment");
        break;
    case 0x0a: /* memory.copy */
        memory_index_read(s);
        memory_index_read(s);
        shift = WEIGHT_BYTES_SHIFT;
        is_table = false;
        break;
    case 0x0b: /* memory.fill */
        memory_index_read(s);
        shift = WEIGHT_BYTES_SHIFT;
        is_table = false;
        break;
    case 0x0c: /* table.init: segment, table */
        (void)cursor_u32(&s->c);
        checked_index_read(s, m->table_count, "table");
        break;
    case 0x0d: /* elem.drop */
        (void)cursor_u32(&s->c);
        break;
    case 0x0e: /* table.copy */
        checked_index_read(s, m->table_count, "table");
        checked_index_read(s, m->table_count, "table");
        break;
    case 0x0f: /* table.grow */
    case 0x11: /* table.fill */
        checked_index_read(s, m->table_count, "table");
        break;
    case 0x10: /* table.size */
        checked_index_read(s, m->table_count, "table");
        is_table = false;
        break;
    default:
        is_table = false;
        if (sub > 0x07)
            diag_refuse(s->c.diag, at, "unknown instruction 0xfc 0x%02x", sub);
        break;
    }
    block_charge(s, OP_BULK, sub);
    m->mutates_tables |= is_table;
    if (sub == 0x0f)
        sized_point(s, at, POINT_GROW, WEIGHT_TABLE_GROWTH);
    else if (sub >= 0x08 && sub != 0x09 && sub != 0x0d && sub != 0x10)
        sized_point(s, at, POINT_BULK, shift);
}

static bool simd_is_unassigned(uint32_t sub)
{
    static const uint8_t holes[] = {0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb,
                                    0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee};
    for (size_t i = 0; i < sizeof holes; i++)
        if (holes[i] == sub)
            return true;
    return false;
}

static void simd_scan(struct scan *s, size_t at)
{
    uint32_t sub = cursor_u32(&s->c);
    if (sub >= 0x100 && sub < 0x114)
        diag_refuse(s->c.diag, at, "relaxed SIMD (0xfd 0x%02x) is not supported", sub);
    else if (sub >= 0x100 || simd_is_unassigned(sub))
        diag_refuse(s->c.diag, at, "unknown instruction 0xfd 0x%02x", sub);
    if (sub <= 11 || sub == 92 || sub == 93) {
        memory_argument_read(s);
    } else if (sub == 12 || sub == 13) { /* v128.const, i8x16.shuffle */
        cursor_skip(&s->c, 16);
    } else if (sub >= 21 && sub <= 34) { /* lanes */
        cursor_skip(&s->c, 1);
    } else if (sub >= 84 && sub <= 91) { /* lane loads and stores */
        memory_argument_read(s);
        cursor_skip(&s->c, 1);
    }
    block_charge(s, OP_SIMD, sub);
}

static void refuse_opcode(struct scan *s, size_t at, uint8_t op)
{
    const char *feature = NULL;
    if ((op >= 0x06 && op <= 0x0a) || op == 0x18 || op == 0x19 || op == 0x1f)
        feature = "exceptions";
    else if (op == 0x14 || op == 0x15 || op == 0xd4 || op == 0xd5 || op == 0xd6)
        feature = "typed function references";
    else if (op == 0xd3 || op == 0xfb)
        feature = "garbage collection";
    else if (op == 0xfe)
        feature = "threads (atomics)";
    else if (op >= 0xe0 && op <= 0xe6)
        feature = "stack switching";
    if (feature != NULL)
        diag_refuse(s->c.diag, at, "%s (instruction 0x%02x): not supported", feature, op);
    else
        diag_refuse(s->c.diag, at, "unknown instruction 0x%02x", op);
}

/* What ends a basic block, or stands at the edge of one. False: not such an instruction. */
static bool control_scan(struct scan *s, size_t at, uint8_t op)
{
    switch (op) {
    case OP_UNREACHABLE:
    case OP_RETURN:
        block_charge(s, op, 0);
        block_flag(s, POINT_EXITS);
        s->is_live = false;
        return true;
    case OP_BLOCK:
        block_type_read(s);
        frame_push(s, at, op);
        return true;
    case OP_LOOP:
        block_type_read(s);
        frame_push(s, at, op);
        if (s->is_live) {
            s->body->has_loop = true;
            block_open(s);
        }
        return true;
    case OP_IF:
        block_type_read(s);
        block_charge(s, op, 0);
        frame_push(s, at, op);
        if (s->is_live)
            block_open(s);
        return true;
    case OP_ELSE:
        arm_else(s, at);
        return true;
    case OP_END:
        frame_end(s);
        return true;
    case OP_BR:
        block_charge(s, op, 0);
        branch(s, POINT_ENDS);
        s->is_live = false;
        return true;
    case OP_BR_IF:
        block_charge(s, op, 0);
        branch(s, POINT_MAY_END);
        if (s->is_live)
            block_open(s);
        return true;
    case OP_BR_TABLE: {
        block_charge(s, op, 0);
        uint32_t count = cursor_count(&s->c, "branch labels");
        for (uint32_t i = 0; i < count && cursor_ok(&s->c); i++)
            branch(s, POINT_MAY_END);
        branch(s, POINT_MAY_END);
        s->is_live = false;
        return true;
    }
    default:
        return false;
    }
}

static void call_scan(struct scan *s, uint8_t op)
{
    struct module *m = s->m;
    bool is_tail = op == OP_RETURN_CALL || op == OP_RETURN_CALL_INDIRECT;
    size_t at = s->c.at;
    block_charge(s, op, 0);
    if (op == OP_CALL || op == OP_RETURN_CALL) {
        uint32_t callee = cursor_u32(&s->c);
        index_check(&s->c, at, callee, m->func_count, "function");
        if (cursor_ok(&s->c) && s->is_live && !m->funcs[callee].public)
            s->body->points[s->block].weight += m->funcs[callee].entry_weight;
    } else {
        checked_index_read(s, m->type_count, "type");
        checked_index_read(s, m->table_count, "table");
    }
    block_flag(s, is_tail ? POINT_EXITS : POINT_CALLS);
    if (is_tail)
        s->is_live = false;
}

static void plain_scan(struct scan *s, size_t at, uint8_t op)
{
    struct cursor *c = &s->c;
    struct module *m = s->m;
    if (op >= 0x28 && op <= 0x3e) { /* loads and stores */
        memory_argument_read(s);
    } else if (op == 0x3f || op == OP_MEMORY_GROW) {
        memory_index_read(s);
    } else if (op >= OP_LOCAL_GET && op <= OP_LOCAL_TEE) {
        checked_index_read(s, s->body->local_count, "local");
    } else if (op == OP_GLOBAL_GET || op == OP_GLOBAL_SET) {
        checked_index_read(s, m->global_count, "global");
    } else if (op == OP_TABLE_GET || op == OP_TABLE_SET) {
        checked_index_read(s, m->table_count, "table");
        m->mutates_tables |= op == OP_TABLE_SET;
    } else if (op == OP_I32_CONST) {
        (void)cursor_signed(c, 32);
    } else if (op == OP_I64_CONST) {
        (void)cursor_signed(c, 64);
    } else if (op == OP_F32_CONST) {
        cursor_skip(c, 4);
    } else if (op == OP_F64_CONST) {
        cursor_skip(c, 8);
    } else if (op == OP_SELECT_TYPED) {
        uint32_t count = cursor_count(c, "result types");
        for (uint32_t i = 0; i < count && cursor_ok(c); i++)
            (void)value_type_read(c);
    } else if (op == OP_REF_NULL) {
        (void)value_type_read(c);
    } else if (op == OP_REF_FUNC) {
        checked_index_read(s, m->func_count, "function");
    } else if (!(op == 0x01 || op == 0x1a || op == OP_SELECT || (op >= 0x45 && op <= 0xc4) ||
                 op == 0xd1)) {
        refuse_opcode(s, at, op);
    }
    block_charge(s, op, 0);
    if (op == OP_MEMORY_GROW)
        sized_point(s, at, POINT_GROW, WEIGHT_PAGE);
}

static void locals_scan(struct scan *s, uint32_t func)
{
    struct body *body = s->body;
    uint64_t total = s->m->types[s->m->funcs[func].type].param_count;
    size_t at = s->c.at;
    body->local_group_count = cursor_count(&s->c, "local groups");
    body->locals_at = s->c.at;
    for (uint32_t i = 0; i < body->local_group_count && cursor_ok(&s->c); i++) {
        total += cursor_u32(&s->c);
        (void)value_type_read(&s->c);
        if (total > INSTRUMENT_LOCALS_MAX)
            break;
    }
    if (total > INSTRUMENT_LOCALS_MAX)
        diag_refuse(s->c.diag, at, "more than %u locals", INSTRUMENT_LOCALS_MAX);
    body->local_count = (uint32_t)total;
    body->code_at = s->c.at;
    body->end = s->c.end;
}

void body_scan(struct module *m, uint32_t func, struct cursor c, struct body *body)
{
    struct scan s = {.m = m, .c = c, .body = body};
    body->point_count = 0;
    body->own_entry_weight = 0;
    body->has_loop = false;
    if (body->frames == NULL) {
        body->frames = calloc(INSTRUMENT_NESTING_MAX, sizeof *body->frames);
        if (body->frames == NULL)
            diag_no_space(c.diag, INSTRUMENT_NESTING_MAX * sizeof *body->frames);
    }
    locals_scan(&s, func);
    if (!cursor_ok(&s.c))
        return;
    s.is_live = true;
    frame_push(&s, s.c.at, OP_BLOCK);
    block_open(&s);
    while (cursor_ok(&s.c) && s.depth > 0) {
        size_t at = s.c.at;
        uint8_t op = cursor_u8(&s.c);
        if (!cursor_ok(&s.c))
            break;
        if (control_scan(&s, at, op))
            continue;
        if (op >= OP_CALL && op <= OP_RETURN_CALL_INDIRECT)
            call_scan(&s, op);
        else if (op == OP_BULK)
            bulk_scan(&s, at);
        else if (op == OP_SIMD)
            simd_scan(&s, at);
        else
            plain_scan(&s, at, op);
    }
    if (cursor_ok(&s.c) && cursor_left(&s.c) > 0)
        diag_refuse(c.diag, s.c.at, "%zu bytes left over in function %u", cursor_left(&s.c), func);
}

void body_free(struct body *body)
{
    free(body->points);
    free(body->frames);
}
