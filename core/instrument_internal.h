/*
 * instrument_internal.h - what the parts of the rewriter share: a cursor that cannot leave the
 * module, a growing output buffer, the parsed module, the weight table. Only instrument*.c include
 * it. Errors are sticky: after the first one every read gives 0 and every write is dropped, so the
 * code checks once per loop and not per byte.
 */
#ifndef TFAAS_CORE_INSTRUMENT_INTERNAL_H
#define TFAAS_CORE_INSTRUMENT_INTERNAL_H

#include "instrument.h"

enum {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_COUNT
};

enum {
    TYPE_I32 = 0x7f,
    TYPE_I64 = 0x7e,
    TYPE_V128 = 0x7b,
    TYPE_FUNCREF = 0x70,
    TYPE_EXTERNREF = 0x6f
};

enum {
    OP_UNREACHABLE = 0x00,
    OP_BLOCK = 0x02,
    OP_LOOP = 0x03,
    OP_IF = 0x04,
    OP_ELSE = 0x05,
    OP_END = 0x0b,
    OP_BR = 0x0c,
    OP_BR_IF = 0x0d,
    OP_BR_TABLE = 0x0e,
    OP_RETURN = 0x0f,
    OP_CALL = 0x10,
    OP_CALL_INDIRECT = 0x11,
    OP_RETURN_CALL = 0x12,
    OP_RETURN_CALL_INDIRECT = 0x13,
    OP_SELECT = 0x1b,
    OP_SELECT_TYPED = 0x1c,
    OP_LOCAL_GET = 0x20,
    OP_LOCAL_SET = 0x21,
    OP_LOCAL_TEE = 0x22,
    OP_GLOBAL_GET = 0x23,
    OP_GLOBAL_SET = 0x24,
    OP_TABLE_GET = 0x25,
    OP_TABLE_SET = 0x26,
    OP_MEMORY_GROW = 0x40,
    OP_I32_CONST = 0x41,
    OP_I64_CONST = 0x42,
    OP_F32_CONST = 0x43,
    OP_F64_CONST = 0x44,
    OP_I32_NE = 0x47,
    OP_I32_ADD = 0x6a,
    OP_I32_SUB = 0x6b,
    OP_I32_MUL = 0x6c,
    OP_I64_ADD = 0x7c,
    OP_I64_SUB = 0x7d,
    OP_I64_MUL = 0x7e,
    OP_I64_SHR_U = 0x88,
    OP_I64_EXTEND_I32_U = 0xad,
    OP_REF_NULL = 0xd0,
    OP_REF_FUNC = 0xd2,
    OP_BULK = 0xfc, /* prefix: saturating conversions, bulk memory, tables */
    OP_SIMD = 0xfd, /* prefix */
};

/* ---- errors and reading ---- */

struct diag {
    tfaas_status_t status;
    char *why;
    size_t why_size;
};

struct cursor {
    const uint8_t *base; /* of the module: `at` is the byte offset that errors name */
    size_t at, end;
    struct diag *diag;
};

static inline bool diag_ok(const struct diag *diag)
{
    return diag->status == TFAAS_OK;
}

/* Records the first error only. */
void diag_refuse(struct diag *diag, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_no_space(struct diag *diag, size_t size);

static inline size_t cursor_left(const struct cursor *c)
{
    return c->end - c->at;
}

static inline bool cursor_ok(const struct cursor *c)
{
    return diag_ok(c->diag);
}

uint8_t cursor_u8(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);                       /* LEB128, at most 5 bytes */
int64_t cursor_signed(struct cursor *c, unsigned bit_count); /* LEB128 of 32, 33 or 64 bits */
void cursor_skip(struct cursor *c, size_t size);
/* A vector's length; each element takes at least one byte, so it cannot exceed what is left. */
uint32_t cursor_count(struct cursor *c, const char *what);
/* The next `size` bytes as a cursor of their own, which `c` steps over. */
struct cursor cursor_part(struct cursor *c, size_t size, const char *what);

/* ---- writing ---- */

struct output {
    uint8_t *data;
    size_t size, capacity, limit;
    struct diag *diag;
};

void output_u8(struct output *o, unsigned byte);
void output_u32(struct output *o, uint32_t value);
void output_i64(struct output *o, int64_t value);
void output_bytes(struct output *o, const uint8_t *data, size_t size);

/* ---- the module ---- */

struct func_type {
    uint32_t param_count, result_count;
    uint32_t several_index; /* with several results: how many such types stand before it */
    size_t results_at;      /* offset of the result types' bytes (one each) in the module */
};

struct func {
    uint32_t type;
    bool public;           /* somebody else than a direct call can enter it */
    uint32_t entry_weight; /* of its first basic block; direct callers pay it if not public */
};

struct global {
    bool is_mutable, is_known; /* known: immutable, i32, value computed */
    uint32_t value;
    uint8_t type;
};

struct module {
    const uint8_t *bytes;
    size_t size;
    struct diag *diag;
    struct cursor sections[SECTION_COUNT]; /* content without id and size; empty if absent */
    bool present[SECTION_COUNT];
    struct func_type *types;
    struct func *funcs; /* imported ones first */
    struct global *globals;
    uint32_t type_count, func_count, import_count, global_count, mutable_count, table_count;
    uint32_t several_count; /* types with several results */
    uint32_t data_count;
    uint64_t table_elements; /* sum of the tables' minimums */
    uint32_t memory_min, memory_max, start;
    bool has_memory, has_start, mutates_tables;
};

/* Reads everything but the code; fills `initial*` of the result. */
void module_parse(struct module *m, struct instrument_result *result);
void module_free(struct module *m);

/* ---- code ---- */

enum point_kind { POINT_BLOCK, POINT_BULK, POINT_GROW };

enum {
    POINT_CALLS = 1,   /* the block leaves the function for a while: nothing may be pending */
    POINT_EXITS = 2,   /* the block never continues: return, tail call, unreachable */
    POINT_ENDS = 4,    /* the block goes to the function's end: branch to its label, last block */
    POINT_MAY_END = 8, /* br_if or br_table to the function's label */
};

/* A place in a body where code is put in: the head of a basic block, or around one instruction. */
struct point {
    uint64_t weight; /* block: units; bulk: operand >> weight; grow: operand * weight */
    uint32_t at;     /* the offset in the module before which it goes */
    uint32_t block;  /* bulk, grow: the block it is in */
    uint32_t next;   /* block: the next one in a struct sources */
    uint8_t kind, flags, op_size;
};

/* The blocks that lead to one place and nowhere else: point numbers + 1, 0 ends the list. */
struct sources {
    uint32_t first, last;
    bool others; /* a block leads there that may lead elsewhere too */
};

struct frame {
    uint8_t op;             /* OP_BLOCK (the function's own frame too), OP_LOOP, OP_IF, OP_ELSE */
    bool entered;           /* the code before it can be reached */
    bool joined;            /* something other than the instruction before it leads to its end */
    struct sources sources; /* of its end */
};

struct body {
    struct point *points;
    size_t point_count, point_capacity;
    struct frame *frames;                    /* INSTRUMENT_NESTING_MAX */
    size_t locals_at;                        /* of the local declarations, after their count */
    size_t code_at, end;                     /* code, up to and with the last `end` */
    uint32_t local_group_count, local_count; /* count with the parameters */
    uint32_t own_entry_weight;
    bool has_loop;
};

/* Finds the basic blocks of one body; `c` holds exactly the body. */
void body_scan(struct module *m, uint32_t func, struct cursor c, struct body *body);
void body_free(struct body *body);

/* A constant expression: the value if it is an i32 that can be computed here. */
struct constant {
    bool is_known;
    uint32_t value;
    uint8_t type;
};
struct constant constant_read(struct module *m, struct cursor *c);
uint8_t value_type_read(struct cursor *c);
void index_check(const struct cursor *c, size_t at, uint32_t index, uint32_t count,
                 const char *what);

/* ---- weights ---- */

/* Work units of one instruction; `sub` is the number after a 0xfc or 0xfd prefix. */
unsigned weight_of(unsigned op, uint32_t sub);

#define WEIGHT_BYTES_SHIFT      6u    /* memory.copy/fill/init: one more unit per 64 bytes */
#define WEIGHT_ELEMENTS_SHIFT   0u    /* table.copy/fill/init: one more per element */
#define WEIGHT_PAGE             1024u /* memory.grow: per page, if it grew */
#define WEIGHT_TABLE_GROWTH     1u    /* table.grow: per element, if it grew */
#define WEIGHT_COMPILE_CODE     4096u /* compile_work: per byte of the code section */
#define WEIGHT_COMPILE_FUNCTION 16384u
#define WEIGHT_COMPILE_BYTE     64u /* per byte of the module */

#endif
