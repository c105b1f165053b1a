/*
 * machine.c - see machine.h. The files are foreign bytes: nothing is read or written outside them
 * and the memory. Must never depend on the machine it runs on, on the time, or on a path.
 */
#include "machine.h"

#include "tfaas/abi.h"
#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE        UINT64_C(4096)
#define ENTRIES     512u
#define RING0_FLAGS (SHIM_PTE_PRESENT | SHIM_PTE_ACCESSED | SHIM_PTE_DIRTY)
#define RING3_FLAGS (RING0_FLAGS | SHIM_PTE_USER)
#define NEW_TABLE   (SHIM_PTE_PRESENT | SHIM_PTE_WRITE | SHIM_PTE_USER | SHIM_PTE_ACCESSED)

#define IO_MAP_AT                                                                                  \
    104u /* in the TSS: one bit per port, then a byte of ones (Intel SDM 1, 19.5.2)                \
          */
#define IO_MAP_SIZE (SHIM_PORT_END / 8u + 1)
#define TSS_SIZE    (IO_MAP_AT + IO_MAP_SIZE + 1)
_Static_assert(TSS_SIZE <= 4096, "one page");

static bool fail(struct machine *machine, const char *why)
{
    machine->why = why;
    return false;
}

static void put64(struct machine *machine, uint64_t at, uint64_t value)
{
    memcpy(machine->memory + at, &value, sizeof(value));
}

static uint64_t get64(const struct machine *machine, uint64_t at)
{
    uint64_t value;
    memcpy(&value, machine->memory + at, sizeof(value));
    return value;
}

/* --- page tables --- */

#define LEAF_SHIFT  12u
#define LARGE_SHIFT 21u

static bool map_page(struct machine *machine, uint64_t va, uint64_t gpa, uint64_t flags)
{
    const unsigned last = (flags & SHIM_PTE_LARGE) != 0 ? LARGE_SHIFT : LEAF_SHIFT;
    uint64_t table = SHIM_PAGE_TABLE_GPA;
    for (unsigned shift = 39; shift > last; shift -= 9) {
        const uint64_t entry = table + (va >> shift & (ENTRIES - 1)) * 8;
        if (get64(machine, entry) == 0) {
            if (machine->page_tables_used >= SHIM_PAGE_TABLE_END) {
                return fail(machine, "the machine's page tables are full");
            }
            put64(machine, entry, machine->page_tables_used | NEW_TABLE);
            machine->page_tables_used += PAGE;
        }
        table = get64(machine, entry) & SHIM_PTE_FRAME;
    }
    const uint64_t entry = table + (va >> last & (ENTRIES - 1)) * 8;
    if (last == LEAF_SHIFT && get64(machine, entry) == 0) {
        const uint64_t count = SHIM_COUNT_GPA + (table - SHIM_PAGE_TABLE_GPA) / PAGE * 2;
        uint16_t used;
        memcpy(&used, machine->memory + count, sizeof(used));
        used++;
        memcpy(machine->memory + count, &used, sizeof(used));
    }
    put64(machine, entry, gpa | flags);
    return true;
}

/* Ring 3's memory in large pages where they fit: each is one fault of a new machine, not 512. */
static bool map_range(struct machine *machine, uint64_t va, uint64_t gpa, uint64_t size,
                      uint64_t flags)
{
    uint64_t step;
    for (uint64_t at = 0; at < size; at += step) {
        const bool large = ((va + at) | (gpa + at)) % SHIM_LARGE_PAGE == 0 &&
                           size - at >= SHIM_LARGE_PAGE && (flags & SHIM_PTE_HELD) != 0;
        const uint64_t code = large && (flags & SHIM_PTE_NX) == 0 ? SHIM_PTE_CODE : 0;
        step = large ? SHIM_LARGE_PAGE : PAGE;
        if (!map_page(machine, va + at, gpa + at, flags | (large ? SHIM_PTE_LARGE : 0) | code)) {
            return false;
        }
    }
    return true;
}

/* Ring 3's memory with frames of its own, the next ones. */
static bool map_new(struct machine *machine, uint64_t va, uint64_t size, uint64_t flags)
{
    if (size >= SHIM_LARGE_PAGE) {
        machine->frames_used =
            (machine->frames_used + SHIM_LARGE_PAGE - 1) & ~(uint64_t)(SHIM_LARGE_PAGE - 1);
    }
    const uint64_t gpa = machine->frames_used;
    machine->frames_used += size;
    return map_range(machine, va, gpa, size, flags | RING3_FLAGS | SHIM_PTE_HELD);
}

/* --- ELF files --- */

static uint64_t segment_flags(uint32_t flags)
{
    return ((flags & PF_W) != 0 ? SHIM_PTE_WRITE : 0) | ((flags & PF_X) != 0 ? 0 : SHIM_PTE_NX);
}

struct elf {
    const uint8_t *bytes;
    size_t size;
    Elf64_Ehdr header;
    uint64_t end; /* highest address of a segment */
};

static bool segment_of(const struct elf *elf, unsigned i, Elf64_Phdr *segment)
{
    memcpy(segment, elf->bytes + elf->header.e_phoff + i * sizeof(*segment), sizeof(*segment));
    return segment->p_type == PT_LOAD;
}

static bool open_elf(struct machine *machine, struct elf *elf, uint16_t type, uint64_t limit,
                     uint64_t base)
{
    if (elf->size < sizeof(elf->header)) {
        return fail(machine, "not an ELF file");
    }
    memcpy(&elf->header, elf->bytes, sizeof(elf->header));
    const Elf64_Ehdr *header = &elf->header;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_machine != EM_X86_64 || header->e_type != type ||
        header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > 64 ||
        header->e_phoff > elf->size ||
        header->e_phnum * sizeof(Elf64_Phdr) > elf->size - header->e_phoff) {
        return fail(machine, "not an ELF file of the expected kind");
    }
    elf->end = 0;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        if (!segment_of(elf, i, &segment) || segment.p_memsz == 0) {
            continue;
        }
        const uint64_t at = segment.p_vaddr - base;
        if (segment.p_offset > elf->size || segment.p_filesz > elf->size - segment.p_offset ||
            segment.p_filesz > segment.p_memsz || at > limit || segment.p_memsz > limit - at ||
            at < elf->end || ((segment.p_flags & PF_W) != 0 && (segment.p_flags & PF_X) != 0)) {
            return fail(machine, "an ELF segment that cannot be loaded");
        }
        elf->end = at + segment.p_memsz;
    }
    return true;
}

/* Where the segment behind this one starts; 0: there is none. */
static uint64_t start_of_next(const struct elf *elf, unsigned i, uint64_t base)
{
    Elf64_Phdr segment;
    while (++i < elf->header.e_phnum) {
        if (segment_of(elf, i, &segment) && segment.p_memsz > 0) {
            return segment.p_vaddr - base;
        }
    }
    return 0;
}

/* Copies the segments to `gpa` + their offset from `base` and maps them. Two segments on one page
 * would have one protection too few. */
static bool load_elf(struct machine *machine, const struct elf *elf, uint64_t base, uint64_t gpa,
                     uint64_t va, uint64_t flags)
{
    uint64_t mapped = 0;
    for (unsigned i = 0; i < elf->header.e_phnum; i++) {
        Elf64_Phdr segment;
        if (!segment_of(elf, i, &segment) || segment.p_memsz == 0) {
            continue;
        }
        const uint64_t at = segment.p_vaddr - base, first = at & ~(PAGE - 1);
        uint64_t last = (at + segment.p_memsz + PAGE - 1) & ~(PAGE - 1);
        if (first < mapped) {
            return fail(machine, "two ELF segments share a page");
        }
        /* Up to the next segment there is nothing: zeros that do no harm make a large page. */
        const uint64_t rounded = (last + SHIM_LARGE_PAGE - 1) & ~(uint64_t)(SHIM_LARGE_PAGE - 1);
        if ((segment.p_flags & PF_W) == 0 && first % SHIM_LARGE_PAGE == 0 &&
            rounded <= start_of_next(elf, i, base)) {
            last = rounded;
        }
        mapped = last;
        memcpy(machine->memory + gpa + at, elf->bytes + segment.p_offset, segment.p_filesz);
        if (!map_range(machine, va + first, gpa + first, last - first,
                       flags | segment_flags(segment.p_flags))) {
            return false;
        }
    }
    return true;
}

/* --- what ring 0 and the processor read --- */

static void put_gate(struct machine *machine, unsigned vector)
{
    /* Present, 64-bit interrupt gate, only the processor may take it (Intel SDM 3, 7.14.1). */
    const uint64_t entry = SHIM_BASE + SHIM_ENTRY_GPA(vector);
    const uint64_t at = SHIM_TABLES_GPA + PAGE + 16 * vector;
    put64(machine, at,
          (entry & 0xffff) | (uint64_t)SHIM_CS0 << 16 | UINT64_C(0x8e) << 40 |
              (entry >> 16 & 0xffff) << 48);
    put64(machine, at + 8, entry >> 32);
}

static void put_descriptors(struct machine *machine)
{
    const uint64_t gdt = SHIM_TABLES_GPA, tss_gpa = SHIM_TABLES_GPA + 2 * PAGE;
    const uint64_t tss = SHIM_BASE + tss_gpa;
    put64(machine, gdt + SHIM_CS0, UINT64_C(0x00af9b000000ffff));
    put64(machine, gdt + SHIM_SS0, UINT64_C(0x00cf93000000ffff));
    put64(machine, gdt + (SHIM_SS3 & ~7u), UINT64_C(0x00cff3000000ffff));
    put64(machine, gdt + (SHIM_CS3 & ~7u), UINT64_C(0x00affb000000ffff));
    put64(machine, gdt + SHIM_TSS,
          (TSS_SIZE - 1) | (tss & 0xffffff) << 16 | UINT64_C(0x8b) << 40 |
              (tss >> 24 & 0xff) << 56);
    put64(machine, gdt + SHIM_TSS + 8, tss >> 32);
    for (unsigned vector = 0; vector < SHIM_VECTORS; vector++) {
        put_gate(machine, vector);
    }
    put64(machine, tss_gpa + 4, SHIM_BASE + SHIM_STACK_GPA_END); /* rsp0 */
    const uint16_t io_map = IO_MAP_AT;
    memcpy(machine->memory + tss_gpa + 102, &io_map, sizeof(io_map));
    uint8_t *ports = machine->memory + tss_gpa + IO_MAP_AT;
    memset(ports, 0xff, IO_MAP_SIZE + 1);
    for (unsigned port = SHIM_PORT_BELL; port < SHIM_PORT_END; port++) {
        ports[port / 8] &= (uint8_t) ~(1u << port % 8);
    }
}

static bool map_ring0(struct machine *machine)
{
    const uint64_t data = RING0_FLAGS | SHIM_PTE_WRITE | SHIM_PTE_NX;
    return map_range(machine, SHIM_BASE + SHIM_LAUNCH_GPA, SHIM_LAUNCH_GPA,
                     SHIM_TABLES_GPA - SHIM_LAUNCH_GPA, data) &&
           map_range(machine, SHIM_BASE + SHIM_TABLES_GPA, SHIM_TABLES_GPA, 2 * PAGE,
                     data & ~(uint64_t)SHIM_PTE_WRITE) &&
           map_range(machine, SHIM_BASE + SHIM_TABLES_GPA + 2 * PAGE, SHIM_TABLES_GPA + 2 * PAGE,
                     PAGE, data) &&
           map_range(machine, SHIM_BASE + SHIM_STACK_GPA, SHIM_STACK_GPA,
                     SHIM_COUNT_GPA + 2 * PAGE - SHIM_STACK_GPA, data) &&
           map_range(machine, SHIM_BASE + SHIM_FREE_GPA, SHIM_FREE_GPA,
                     SHIM_PAGE_TABLE_END - SHIM_FREE_GPA, data);
}

/* --- ring 3's first stack (System V ABI, AMD64 supplement 3.4.1) --- */

static uint64_t push(struct machine *machine, uint64_t gpa_of_va0, uint64_t sp, const void *from,
                     size_t size)
{
    sp -= size;
    memcpy(machine->memory + sp - gpa_of_va0, from, size);
    return sp;
}

static void put_stack(struct machine *machine, const struct elf *core, uint64_t gpa)
{
    /* va - shift = gpa */
    const uint64_t shift = SHIM_STACK_END_VA - SHIM_STACK_SIZE - gpa;
    uint64_t sp = SHIM_STACK_END_VA - 64;
    static const char name[] = "tfaas-core", mode[] = "vm";
    const uint64_t name_at = sp = push(machine, shift, sp, name, sizeof(name));
    const uint64_t mode_at = sp = push(machine, shift, sp, mode, sizeof(mode));
    /* The C library's guards until the machine is copied; each copy draws its own
     * (plat_context_new_guards). */
    static const uint8_t sixteen[16] = {0x7f, 0x31, 0xc4, 0x9a, 0x55, 0xe2, 0x08, 0xd7,
                                        0x6b, 0xf0, 0x2d, 0x83, 0x1e, 0xa9, 0x74, 0x4c};
    const uint64_t random_at = sp = push(machine, shift, sp, sixteen, sizeof(sixteen));
    const uint64_t words[] = {
        2, /* argc */
        name_at,   mode_at,
        0,         0, /* no environment */
        AT_PHDR,   SHIM_ELF_VA + core->header.e_phoff,
        AT_PHENT,  sizeof(Elf64_Phdr),
        AT_PHNUM,  core->header.e_phnum,
        AT_PAGESZ, PAGE,
        AT_BASE,   0,
        AT_ENTRY,  SHIM_ELF_VA + core->header.e_entry,
        AT_SECURE, 0,
        AT_RANDOM, random_at,
        AT_HWCAP2, 2, /* FSGSBASE may be used */
        AT_NULL,   0,
    };
    sp = ((sp - sizeof(words)) & ~UINT64_C(15)) + sizeof(words);
    machine->rsp = push(machine, shift, sp, words, sizeof(words));
}

bool machine_build(struct machine *machine, const uint8_t *core_bytes, size_t core_size,
                   const uint8_t *shim_bytes, size_t shim_size)
{
    struct elf core = {.bytes = core_bytes, .size = core_size};
    struct elf shim = {.bytes = shim_bytes, .size = shim_size};
    const uint64_t shim_va = SHIM_BASE + SHIM_IMAGE_GPA;
    machine->page_tables_used = SHIM_PAGE_TABLE_GPA + PAGE;
    machine->frames_used = SHIM_FRAMES_GPA;
    if (!open_elf(machine, &shim, ET_EXEC, SHIM_IMAGE_END - SHIM_IMAGE_GPA, shim_va) ||
        shim.header.e_entry != shim_va ||
        !open_elf(machine, &core, ET_DYN,
                  MACHINE_BASE_SIZE - SHIM_FRAMES_GPA - SHIM_STACK_SIZE - PAGE, 0)) {
        machine->why = machine->why != NULL ? machine->why : "the shim is linked elsewhere";
        return false;
    }
    put_descriptors(machine);
    const uint64_t core_gpa = machine->frames_used;
    machine->frames_used += (core.end + PAGE - 1) & ~(PAGE - 1);
    const uint64_t stack_gpa = machine->frames_used;
    const uint64_t data = SHIM_PTE_WRITE | SHIM_PTE_NX, fixed = data | RING3_FLAGS | SHIM_PTE_FIXED;
    if (!map_ring0(machine) ||
        !load_elf(machine, &shim, shim_va, SHIM_IMAGE_GPA, shim_va, RING0_FLAGS) ||
        !load_elf(machine, &core, 0, core_gpa, SHIM_ELF_VA, RING3_FLAGS | SHIM_PTE_HELD) ||
        !map_new(machine, SHIM_STACK_END_VA - SHIM_STACK_SIZE, SHIM_STACK_SIZE, data)) {
        return false;
    }
    machine->content_end = machine->frames_used;
    if (!map_new(machine, SHIM_HEAP_VA, SHIM_HEAP_SIZE, data) ||
        !map_new(machine, SHIM_MAPS_VA, SHIM_MAPS_READY, data) ||
        !map_range(machine, SHIM_LAUNCH_VA, SHIM_LAUNCH_GPA, PAGE, fixed) ||
        !map_range(machine, SHIM_SHARED_VA, SHIM_SHARED_GPA, PAGE, fixed) ||
        !map_range(machine, SHIM_WINDOW_VA, SHIM_WINDOW_GPA, TFAAS_WINDOW_SIZE, fixed)) {
        return false;
    }
    put_stack(machine, &core, stack_gpa);
    machine->rip = SHIM_ELF_VA + core.header.e_entry;
    const struct shim_boot boot = {machine->page_tables_used, machine->frames_used};
    memcpy(machine->memory + SHIM_BOOT_GPA, &boot, sizeof(boot));
    return true;
}

/* --- measurement --- */

static void hash_pages(crypto_hash_sha512_state *state, const uint8_t *memory, uint64_t from,
                       uint64_t to)
{
    static const uint8_t zeros[4096];
    for (uint64_t at = from; at < to; at += PAGE) {
        if (at != SHIM_LAUNCH_GPA && memcmp(memory + at, zeros, PAGE) != 0) {
            crypto_hash_sha512_update(state, (const uint8_t *)&at, sizeof(at));
            crypto_hash_sha512_update(state, memory + at, PAGE);
        }
    }
}

void machine_measure(const struct machine *machine, uint8_t measurement[SHA384_SIZE])
{
    const uint64_t registers[] = {
        MACHINE_CR0,    MACHINE_CR4 | MACHINE_UMIP,
        MACHINE_EFER,   MACHINE_STAR,
        MACHINE_SFMASK, machine->rip,
        machine->rsp,
    };
    crypto_hash_sha512_state state;
    sha384_init(&state);
    hash_pages(&state, machine->memory, 0, SHIM_IMAGE_END);
    hash_pages(&state, machine->memory, SHIM_PAGE_TABLE_GPA, machine->page_tables_used);
    hash_pages(&state, machine->memory, SHIM_FRAMES_GPA, machine->content_end);
    crypto_hash_sha512_update(&state, (const uint8_t *)registers, sizeof(registers));
    sha384_final(&state, measurement);
}

bool machine_measure_files(const uint8_t *core, size_t core_size, const uint8_t *shim,
                           size_t shim_size, uint8_t measurement[SHA384_SIZE], const char **why)
{
    struct machine machine = {0};
    machine.memory = mmap(NULL, MACHINE_BASE_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (machine.memory == MAP_FAILED) {
        *why = "no memory for the machine's image";
        return false;
    }
    (void)madvise(machine.memory, MACHINE_BASE_SIZE, MADV_HUGEPAGE);
    const bool ok = machine_build(&machine, core, core_size, shim, shim_size);
    if (ok) {
        machine_measure(&machine, measurement);
    }
    *why = machine.why;
    (void)munmap(machine.memory, MACHINE_BASE_SIZE);
    return ok;
}
