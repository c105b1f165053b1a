/*
 * shim.c - ring 0 of a core's virtual machine: a handful of Linux's system calls as page-table
 * arithmetic, exceptions and the tick handed to ring 3. Must never read or write memory of ring 3
 * beside the shared page, never map a page writable and executable, and never give out a used
 * frame without having it zeroed. One processor, interrupts off: nothing here runs twice at once.
 */
#include "shim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE           4096u
#define TABLE_SIZE     512u
#define HOLES_MAX      256u
#define FLUSH_EACH     4u                 /* more changed pages: the whole TLB at once */
#define RETRY_NS       100000u            /* another tick when this one came at a bad time */
#define LARGE          UINT64_C(0x100000) /* mappings from this size on share no directory */
#define DIRECTORY_SPAN UINT64_C(SHIM_LARGE_PAGE)
#define GENERAL_VA     UINT64_C(0x10000000000) /* mappings that find no prepared frames */
#define SYSCALL_RIP    (SHIM_BASE + SHIM_SYSCALL_GPA)

#define FLAG_INTERRUPTS UINT64_C(0x200)
#define FLAGS_OF_RING3  UINT64_C(0x40cd5) /* arithmetic, direction, alignment check */
#define FAULT_FETCH     0x10u
#define VECTOR_SYSCALL  UINT64_MAX

/* Linux's numbers (asm/unistd_64.h, asm-generic/errno-base.h, mman-common.h). */
enum { EPERM = 1, ENOMEM = 12, EINVAL = 22, ENOSYS = 38 };
enum {
    CALL_MMAP = 9,
    CALL_MPROTECT = 10,
    CALL_MUNMAP = 11,
    CALL_BRK = 12,
    CALL_EXIT = 60,
    CALL_ARCH_PRCTL = 158,
    CALL_GETTID = 186,
    CALL_SET_TID_ADDRESS = 218,
    CALL_EXIT_GROUP = 231,
    CALL_SET_ROBUST_LIST = 273,
};
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, PROT_ALL = 7 };
enum { MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_IGNORED = 0x24000 };
enum { ARCH_SET_FS = 0x1002 };
#define MSR_FS_BASE 0xc0000100u

/* What entry.S leaves on the stack. */
struct frame {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

void shim_enter(struct frame *frame);

struct hole {
    uint64_t start, size;
};

static struct hole holes[HOLES_MAX];
static unsigned hole_count;
static uint64_t ready_next = SHIM_MAPS_VA, general_next = GENERAL_VA;
static uint64_t heap_end = SHIM_HEAP_VA;
static uint64_t frames_next, frames_end, tables_next; /* 0: not asked yet */
static uint64_t free_count;
static uint64_t upcall_entry, upcall_stack, upcall_leave, upcall_leave_end, upcall_clear;

static void *low(uint64_t gpa)
{
    return (void *)(SHIM_BASE + gpa);
}

static volatile struct shim_shared *shared(void)
{
    return low(SHIM_SHARED_GPA);
}

static uint64_t *free_frames(void)
{
    return low(SHIM_FREE_GPA);
}

static void out(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void broken(const struct frame *frame) __attribute__((noreturn));
static void broken(const struct frame *frame)
{
    volatile struct shim_shared *tell = shared();
    uint64_t address;
    __asm__ volatile("movq %%cr2, %0" : "=r"(address));
    tell->rip = frame->rip;
    tell->cs = frame->cs;
    tell->rsp = frame->rsp;
    tell->error = frame->error;
    tell->vector = frame->vector;
    tell->address = address;
    for (;;) {
        out(SHIM_PORT_EXIT, SHIM_EXIT_BROKEN);
    }
}

/* --- frames and page tables --- */

static void start(void)
{
    const struct shim_boot *boot = low(SHIM_BOOT_GPA);
    const volatile struct shim_launch *launch = low(SHIM_LAUNCH_GPA);
    uint64_t end = launch->memory_end;
    tables_next = boot->page_tables_used;
    frames_next = boot->frames_used;
    frames_end = end > SHIM_MEMORY_MAX ? SHIM_MEMORY_MAX : end < frames_next ? frames_next : end;
}

static uint16_t *count_of(const uint64_t *table)
{
    uint16_t *counts = low(SHIM_COUNT_GPA);
    return &counts[((uint64_t)table - SHIM_BASE - SHIM_PAGE_TABLE_GPA) / PAGE];
}

/* A large page becomes a table of the same pages. Nothing changes for who uses them. False: no
 * table is left. */
static bool split(uint64_t *entry)
{
    if (tables_next >= SHIM_PAGE_TABLE_END) {
        return false;
    }
    uint64_t *table = low(tables_next), *at = table;
    uint64_t page = *entry & ~(uint64_t)(SHIM_PTE_LARGE | SHIM_PTE_CODE);
#pragma GCC unroll 8
    for (unsigned i = 0; i < TABLE_SIZE; i++) {
        *at++ = page;
        page += PAGE;
    }
    *count_of(table) = TABLE_SIZE;
    *entry = tables_next | SHIM_PTE_PRESENT | SHIM_PTE_WRITE | SHIM_PTE_USER | SHIM_PTE_ACCESSED;
    tables_next += PAGE;
    return true;
}

/* The leaf table of an address, made if asked for. NULL: there is none; *skip: bytes until the next
 * address that may have one; 0: no table is left to make it of. */
static uint64_t *leaf_table(uint64_t va, bool make, uint64_t *skip)
{
    uint64_t *table = low(SHIM_PAGE_TABLE_GPA);
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[va >> shift & (TABLE_SIZE - 1)];
        if ((*entry & SHIM_PTE_LARGE) != 0 && !split(entry)) {
            *skip = 0;
            return NULL;
        }
        if ((*entry & SHIM_PTE_PRESENT) == 0) {
            if (!make) {
                *skip = (UINT64_C(1) << shift) - (va & ((UINT64_C(1) << shift) - 1));
                return NULL;
            }
            if (tables_next >= SHIM_PAGE_TABLE_END) {
                *skip = 0;
                return NULL;
            }
            *entry =
                tables_next | SHIM_PTE_PRESENT | SHIM_PTE_WRITE | SHIM_PTE_USER | SHIM_PTE_ACCESSED;
            tables_next += PAGE;
        }
        table = low(*entry & SHIM_PTE_FRAME);
    }
    return table;
}

/* `changed` pages of the range were present before. */
static void flush(uint64_t va, uint64_t size, uint64_t changed)
{
    if (changed > 0 && size / PAGE > FLUSH_EACH) {
        uint64_t root;
        __asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(root) : : "memory");
        return;
    }
    for (uint64_t at = 0; changed > 0 && at < size; at += PAGE) {
        __asm__ volatile("invlpg (%0)" : : "r"(va + at) : "memory");
    }
}

static uint64_t page_bits(uint64_t prot)
{
    const uint64_t seen = SHIM_PTE_HELD | SHIM_PTE_USER | SHIM_PTE_ACCESSED | SHIM_PTE_DIRTY;
    if (prot == 0) {
        return seen | SHIM_PTE_NX;
    }
    return seen | SHIM_PTE_PRESENT | ((prot & PROT_WRITE) != 0 ? SHIM_PTE_WRITE : 0) |
           ((prot & PROT_EXEC) != 0 ? 0 : SHIM_PTE_NX);
}

/* Where ring 0 is interpreted an instruction costs a microsecond or more, so that what is done for
 * every page is said in as few as possible. */
static void copy_words(uint64_t *to, const uint64_t *from, uint64_t count)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void clear_words(uint64_t *to, uint64_t count)
{
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0) : "memory");
}

static void set_bits(uint64_t *entries, uint64_t count, uint64_t bits)
{
    const uint64_t keep = SHIM_PTE_FRAME | bits;
#pragma GCC unroll 8
    for (uint64_t i = 0; i < count; i++) {
        entries[i] &= keep;
        entries[i] |= bits;
    }
}

static void recount(const uint64_t *table)
{
    uint16_t used = 0;
    for (unsigned i = 0; i < TABLE_SIZE; i++) {
        used = (uint16_t)(used + (table[i] != 0));
    }
    *count_of(table) = used;
}

/* Of an address that has a leaf table. */
static uint64_t *directory_entry(uint64_t va)
{
    uint64_t *table = low(SHIM_PAGE_TABLE_GPA);
    for (unsigned shift = 39; shift > 21; shift -= 9) {
        table = low(table[va >> shift & (TABLE_SIZE - 1)] & SHIM_PTE_FRAME);
    }
    return &table[va >> 21 & (TABLE_SIZE - 1)];
}

/* The part of a range that one leaf table describes. */
struct piece {
    uint64_t *table, *entries;
    uint64_t count;
};

/* False: no table there; *va is moved to where one may be, or nothing is left to make one of. */
static bool next_piece(uint64_t *va, uint64_t end, bool make, struct piece *piece, bool *failed)
{
    uint64_t skip;
    piece->table = leaf_table(*va, make, &skip);
    if (piece->table == NULL) {
        *failed = skip == 0;
        *va += *failed ? end - *va : skip;
        return false;
    }
    const uint64_t first = *va / PAGE % TABLE_SIZE, left = (end - *va) / PAGE;
    piece->entries = piece->table + first;
    piece->count = left < TABLE_SIZE - first ? left : TABLE_SIZE - first;
    *va += piece->count * PAGE;
    return true;
}

/* The entry of a large page that lies in the range as a whole; NULL: there is none at its start. */
static uint64_t *large_entry(uint64_t va, uint64_t size)
{
    uint64_t *table = low(SHIM_PAGE_TABLE_GPA);
    if (va % DIRECTORY_SPAN != 0 || size < DIRECTORY_SPAN) {
        return NULL;
    }
    for (unsigned shift = 39; shift > 21; shift -= 9) {
        const uint64_t entry = table[va >> shift & (TABLE_SIZE - 1)];
        if ((entry & SHIM_PTE_PRESENT) == 0) {
            return NULL;
        }
        table = low(entry & SHIM_PTE_FRAME);
    }
    table += va >> 21 & (TABLE_SIZE - 1);
    return (*table & SHIM_PTE_LARGE) != 0 ? table : NULL;
}

/* Takes the pages of a range away. False: not all of them. */
static bool unmap(uint64_t va, uint64_t size)
{
    const uint64_t from = va, end = va + size, before = free_count;
    struct piece piece;
    bool failed = false;
    while (!failed && va < end) {
        if (!next_piece(&va, end, false, &piece, &failed)) {
            continue;
        }
        uint16_t *count = count_of(piece.table);
        if (*count == TABLE_SIZE) {
            copy_words(free_frames() + free_count, piece.entries, piece.count);
            clear_words(piece.entries, piece.count);
            free_count += piece.count;
            *count = (uint16_t)(*count - piece.count);
            continue;
        }
        for (uint64_t i = 0; i<piece.count && * count> 0; i++) {
            if (piece.entries[i] != 0) {
                free_frames()[free_count++] = piece.entries[i];
                piece.entries[i] = 0;
                --*count;
            }
        }
    }
    flush(from, size, free_count - before);
    return !failed;
}

/* Frames for empty entries. Used ones first: to zero one is cheap, to have the host find a new one
 * is not, and a core's memory does not spread. False: there are too few. `used`: NULL when only
 * frames that were never used will do; *used: some are not zero. */
static bool fill(uint64_t *entries, uint64_t count, uint64_t bits, bool *used)
{
    if (used != NULL && free_count > 0 && upcall_clear != 0) {
        const uint64_t taken = count < free_count ? count : free_count;
        *used = true;
        free_count -= taken;
        copy_words(entries, free_frames() + free_count, taken);
        set_bits(entries, taken, bits);
        entries += taken;
        count -= taken;
    }
    if (count > (frames_end - frames_next) / PAGE) {
        return false;
    }
    uint64_t entry = frames_next | bits;
    frames_next += count * PAGE;
#pragma GCC unroll 8
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = entry;
        entry += PAGE;
    }
    return true;
}

/* Gives the pages of an empty range frames. False: out of memory; some pages may be there. */
static bool map(uint64_t va, uint64_t size, uint64_t prot, bool *used)
{
    const uint64_t bits = page_bits(prot), end = va + size;
    struct piece piece;
    bool failed = false;
    while (!failed && va < end) {
        if (next_piece(&va, end, true, &piece, &failed)) {
            uint16_t *count = count_of(piece.table);
            *count = (uint16_t)(*count + piece.count);
            failed = !fill(piece.entries, piece.count, bits, used);
            if (failed) {
                recount(piece.table);
            }
        }
    }
    return !failed;
}

/* Changes the access of pages, and gives those without a frame one. */
static bool protect(uint64_t va, uint64_t size, uint64_t prot)
{
    const uint64_t bits = page_bits(prot), from = va, end = va + size;
    struct piece piece;
    bool failed = false;
    while (!failed && va < end) {
        uint64_t *large = prot != 0 ? large_entry(va, end - va) : NULL;
        if (large != NULL) {
            const uint64_t code = (prot & PROT_EXEC) != 0 ? SHIM_PTE_CODE : 0;
            set_bits(large, 1, bits | SHIM_PTE_LARGE | code);
            va += DIRECTORY_SPAN;
            continue;
        }
        if (!next_piece(&va, end, prot != 0, &piece, &failed)) {
            continue;
        }
        if ((prot & PROT_EXEC) != 0) {
            *directory_entry(va - PAGE) &= ~SHIM_PTE_NX;
        }
        uint16_t *count = count_of(piece.table);
        if (*count == TABLE_SIZE || piece.count == 1) {
            if (piece.entries[0] != 0) {
                set_bits(piece.entries, piece.count, bits);
                continue;
            }
        }
        for (uint64_t i = 0; i < piece.count && !failed; i++) {
            if (piece.entries[i] != 0) {
                set_bits(&piece.entries[i], 1, bits);
            } else if (prot != 0) {
                failed = !fill(&piece.entries[i], 1, bits, NULL);
                *count = (uint16_t)(*count + !failed);
            }
        }
    }
    flush(from, size, size / PAGE);
    return !failed;
}

/* Taking the right to execute a large range away and giving it back are said in the directory: no
 * leaf is touched. Mappings of such a size have directories of their own (take_addresses), so that
 * other code is not concerned. False: it is something else. */
static bool protect_in_directory(uint64_t va, uint64_t size, uint64_t prot)
{
    uint64_t skip;
    if (size < LARGE || (prot & PROT_WRITE) != 0 || (prot & PROT_READ) == 0) {
        return false;
    }
    const uint64_t *large = large_entry(va, size);
    const uint64_t *leaf = large == NULL ? leaf_table(va, false, &skip) : NULL;
    const uint64_t writable = SHIM_PTE_PRESENT | SHIM_PTE_WRITE;
    const bool code =
        large != NULL ? (*large & (writable | SHIM_PTE_CODE)) == (SHIM_PTE_PRESENT | SHIM_PTE_CODE)
                      : leaf != NULL && (leaf[va / PAGE % TABLE_SIZE] & (writable | SHIM_PTE_NX)) ==
                                            SHIM_PTE_PRESENT;
    if (!code) {
        return false;
    }
    for (uint64_t at = va & ~(DIRECTORY_SPAN - 1); at < va + size; at += DIRECTORY_SPAN) {
        uint64_t *entry = directory_entry(at);
        *entry = (prot & PROT_EXEC) != 0 ? *entry & ~SHIM_PTE_NX : *entry | SHIM_PTE_NX;
    }
    flush(va, size, size / PAGE);
    return true;
}

/* --- address space --- */

static void add_hole(uint64_t start, uint64_t size)
{
    for (unsigned i = 0; i < hole_count; i++) {
        struct hole *hole = &holes[i];
        if (hole->start + hole->size == start || start + size == hole->start) {
            start = start < hole->start ? start : hole->start;
            size += hole->size;
            *hole = holes[--hole_count];
            i = UINT32_MAX; /* it may touch another one now: from the start */
        }
    }
    if (hole_count < HOLES_MAX) { /* else the addresses are not used again: there are plenty */
        holes[hole_count++] = (struct hole){start, size};
    }
}

static uint64_t round_up(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) & ~(unit - 1);
}

/* From one of the two places where addresses were never given out. 0: it is full. */
static uint64_t take_new(uint64_t *next, uint64_t end, uint64_t size)
{
    const uint64_t unit = size >= LARGE ? DIRECTORY_SPAN : PAGE;
    /* Compiled code is behind one page of headers: it shall have the large pages. */
    const uint64_t head =
        next == &ready_next && size >= 2 * DIRECTORY_SPAN ? DIRECTORY_SPAN - PAGE : 0;
    const uint64_t va = round_up(*next, unit);
    const uint64_t taken = round_up(head + size, unit);
    if (va > end || taken > end - va) {
        return 0;
    }
    *next = va + taken;
    return va + head;
}

/* Large mappings take whole directories, small ones leave those alone. */
static uint64_t take_hole(uint64_t size)
{
    const bool large = size >= LARGE;
    const uint64_t taken = large ? round_up(size, DIRECTORY_SPAN) : size;
    for (unsigned i = 0; i < hole_count; i++) {
        struct hole *hole = &holes[i];
        const bool whole = hole->start % DIRECTORY_SPAN == 0 && hole->size >= DIRECTORY_SPAN;
        if (hole->size < taken || whole != large) {
            continue;
        }
        const uint64_t va = hole->start;
        hole->start += taken;
        hole->size -= taken;
        if (hole->size == 0) {
            *hole = holes[--hole_count];
        }
        return va;
    }
    return 0;
}

/* Of a range that is given back: with the rest of its last directory if a large mapping had it. */
static uint64_t whole_size(uint64_t va, uint64_t size)
{
    uint64_t skip;
    if (size < LARGE || va % DIRECTORY_SPAN != 0) {
        return size;
    }
    const uint64_t *table = leaf_table(va + size - PAGE, false, &skip);
    return table == NULL || *count_of(table) == 0 ? round_up(size, DIRECTORY_SPAN) : size;
}

/* 0: there is no room. *ready: the pages are there, zeroed, read-write. */
static uint64_t take_addresses(uint64_t size, uint64_t prot, bool *ready)
{
    uint64_t va = take_hole(size);
    if (va == 0 && prot == (PROT_READ | PROT_WRITE)) {
        va = take_new(&ready_next, SHIM_MAPS_VA + SHIM_MAPS_READY, size);
        *ready = va != 0;
    }
    return va != 0 ? va : take_new(&general_next, SHIM_MAPS_END, size);
}

static bool is_range(uint64_t va, uint64_t size, uint64_t low_end, uint64_t high_end)
{
    return va % PAGE == 0 && size > 0 && va >= low_end && va <= high_end && size <= high_end - va;
}

static bool is_mapped_range(uint64_t va, uint64_t size)
{
    return is_range(va, size, SHIM_MAPS_VA, ready_next) ||
           is_range(va, size, GENERAL_VA, general_next);
}

/* --- system calls --- */

static uint64_t no(int error)
{
    return (uint64_t)-error;
}

/* The result is memory that was used: it is zeroed in ring 3, before the call returns to it. */
static void clear_in_ring3(struct frame *frame, uint64_t size)
{
    frame->rcx = frame->rip;
    frame->r11 = size;
    frame->rip = upcall_clear;
}

static uint64_t call_mmap(struct frame *frame)
{
    const uint64_t size = (frame->rsi + PAGE - 1) & ~(uint64_t)(PAGE - 1), prot = frame->rdx;
    const uint64_t fixed = frame->r10 & MAP_FIXED;
    if ((frame->r10 & ~(uint64_t)(MAP_FIXED | MAP_IGNORED)) != (MAP_PRIVATE | MAP_ANONYMOUS) ||
        size == 0 || size < frame->rsi || size > SHIM_MAPS_END ||
        (prot & ~(uint64_t)(PROT_READ | PROT_WRITE)) != 0 ||
        (fixed && !is_mapped_range(frame->rdi, size))) {
        return no(EINVAL);
    }
    if (fixed && !unmap(frame->rdi, size)) {
        return no(ENOMEM);
    }
    bool ready = false, used = false;
    const uint64_t va = fixed ? frame->rdi : take_addresses(size, prot, &ready);
    if (va == 0) {
        return no(ENOMEM);
    }
    if (prot == 0 || ready) {
        return va;
    }
    /* Used frames are zeroed in ring 3, through this mapping: it must be able to. */
    if (!map(va, size, prot, (prot & PROT_WRITE) != 0 ? &used : NULL)) {
        if (unmap(va, size) && !fixed) {
            add_hole(va, size);
        }
        return no(ENOMEM);
    }
    if (used) {
        clear_in_ring3(frame, size);
    }
    return va;
}

static uint64_t call_munmap(const struct frame *frame)
{
    const uint64_t size = (frame->rsi + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    if (size < frame->rsi || !is_mapped_range(frame->rdi, size)) {
        return no(EINVAL);
    }
    if (!unmap(frame->rdi, size)) {
        return no(ENOMEM);
    }
    add_hole(frame->rdi, whole_size(frame->rdi, size));
    return 0;
}

static uint64_t call_mprotect(const struct frame *frame)
{
    const uint64_t size = (frame->rsi + PAGE - 1) & ~(uint64_t)(PAGE - 1), prot = frame->rdx;
    const uint64_t elf_end = SHIM_HEAP_VA;
    const bool of_elf = is_range(frame->rdi, size, SHIM_ELF_VA, elf_end);
    if (size < frame->rsi || (prot & ~(uint64_t)PROT_ALL) != 0 ||
        !(of_elf || is_mapped_range(frame->rdi, size))) {
        return no(EINVAL);
    }
    if ((prot & PROT_WRITE) != 0 && (prot & PROT_EXEC) != 0) {
        return no(EPERM);
    }
    /* What was only reserved gets frames that were never used: the rest of the range is not to be
     * zeroed. */
    return protect_in_directory(frame->rdi, size, prot) || protect(frame->rdi, size, prot)
               ? 0
               : no(ENOMEM);
}

static uint64_t call_brk(uint64_t to)
{
    /* Never down: what is given out again would have to be zero. */
    if (to > heap_end && to <= SHIM_HEAP_VA + SHIM_HEAP_SIZE) {
        heap_end = to;
    }
    return heap_end;
}

static uint64_t call_arch_prctl(const struct frame *frame)
{
    if (frame->rdi != ARCH_SET_FS || frame->rsi >> 47 != 0) {
        return no(EINVAL);
    }
    __asm__ volatile("wrmsr"
                     :
                     : "c"(MSR_FS_BASE), "a"((uint32_t)frame->rsi),
                       "d"((uint32_t)(frame->rsi >> 32)));
    return 0;
}

static uint64_t call_upcall(const struct frame *frame)
{
    if (upcall_entry != 0) {
        return no(EPERM); /* once: where faults land does not move */
    }
    upcall_stack = frame->rsi;
    upcall_leave = frame->rdx;
    upcall_leave_end = frame->r10;
    upcall_clear = frame->r8;
    upcall_entry = frame->rdi;
    return 0;
}

static void plat_syscall(struct frame *frame)
{
    if (frames_end == 0) {
        start();
    }
    switch (frame->rax) {
    case CALL_MMAP:
        frame->rax = call_mmap(frame);
        break;
    case CALL_MPROTECT:
        frame->rax = call_mprotect(frame);
        break;
    case CALL_MUNMAP:
        frame->rax = call_munmap(frame);
        break;
    case CALL_BRK:
        frame->rax = call_brk(frame->rdi);
        break;
    case CALL_ARCH_PRCTL:
        frame->rax = call_arch_prctl(frame);
        break;
    case CALL_GETTID:
    case CALL_SET_TID_ADDRESS:
        frame->rax = 1;
        break;
    case CALL_SET_ROBUST_LIST:
        frame->rax = 0;
        break;
    case CALL_EXIT:
    case CALL_EXIT_GROUP:
        for (;;) {
            out(SHIM_PORT_EXIT, (uint32_t)frame->rdi);
        }
    case SHIM_CALL_UPCALL:
        frame->rax = call_upcall(frame);
        break;
    default:
        frame->rax = no(ENOSYS);
    }
}

/* --- faults and ticks --- */

static void upcall(struct frame *frame)
{
    volatile struct shim_shared *to = shared();
    const bool leaves = frame->rip >= upcall_leave && frame->rip < upcall_leave_end;
    if (upcall_entry == 0 || to->active != 0 || leaves) {
        if (frame->vector != SHIM_VECTOR_TICK) {
            broken(frame);
        }
        const uint64_t kept = to->argument; /* ring 3 may be about to use it */
        to->argument = RETRY_NS;
        out(SHIM_PORT_TICK, 0);
        to->argument = kept;
        return;
    }
    uint64_t address = 0;
    if (frame->vector == SHIM_VECTOR_FAULT) {
        __asm__ volatile("movq %%cr2, %0" : "=r"(address));
    }
    to->active = 1;
    to->rip = frame->rip;
    to->cs = SHIM_CS3;
    to->rflags = frame->rflags;
    to->rsp = frame->rsp;
    to->ss = SHIM_SS3;
    to->error = frame->error;
    to->address = address;
    to->vector = frame->vector;
    frame->rip = upcall_entry;
    frame->rsp = upcall_stack;
    frame->rflags = FLAG_INTERRUPTS | 2;
}

void shim_enter(struct frame *frame)
{
    if (frame->cs != SHIM_CS3) {
        broken(frame); /* ring 0 does not fault */
    }
    /* A software KVM (kvm-pvm) enters the system call's address without leaving ring 3; fetching
     * from there faults, with rcx and r11 as the manual says. On other machines only a jump to that
     * address looks like this, and gets what `syscall` would have given it. */
    if (frame->vector == SHIM_VECTOR_FAULT && frame->rip == SYSCALL_RIP &&
        (frame->error & FAULT_FETCH) != 0) {
        frame->vector = VECTOR_SYSCALL;
        frame->rip = frame->rcx;
        frame->rflags = frame->r11;
    }
    if (frame->vector == VECTOR_SYSCALL) {
        frame->rflags = (frame->rflags & FLAGS_OF_RING3) | FLAG_INTERRUPTS | 2;
        plat_syscall(frame);
    } else {
        upcall(frame);
    }
}
