/*
 * machine.c - a core's virtual machine before its first instruction: the same files give the same
 * measurement (a golden one), a changed byte another; no page is writable and executable, ring 3
 * sees nothing of ring 0; foreign ELF files are refused and never read past their end.
 */
/* needs: host/tender/kvm/machine.c common/sha384.c libs: sodium flags: -Ihost -D_GNU_SOURCE */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tender/kvm/machine.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FILE_SIZE 0x3000u

/* Code on one page, data with zeros behind it on another. */
static uint8_t *make_elf(uint16_t type, uint64_t base)
{
    uint8_t *file = calloc(1, FILE_SIZE);
    Elf64_Ehdr header = {.e_type = type,
                         .e_machine = EM_X86_64,
                         .e_version = 1,
                         .e_entry = base,
                         .e_phoff = sizeof(Elf64_Ehdr),
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 2};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    const Elf64_Phdr segments[2] = {{.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_X,
                                     .p_vaddr = base,
                                     .p_filesz = 0x1000,
                                     .p_memsz = 0x1000},
                                    {.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_W,
                                     .p_offset = 0x2000,
                                     .p_vaddr = base + 0x2000,
                                     .p_filesz = 0x800,
                                     .p_memsz = 0x5000}};
    memcpy(file, &header, sizeof(header));
    memcpy(file + sizeof(header), segments, sizeof(segments));
    for (unsigned i = 0x800; i < FILE_SIZE; i++) {
        file[i] = (uint8_t)(i * 7 + type);
    }
    return file;
}

static uint8_t *core, *shim;

static int set_up(void **state)
{
    (void)state;
    core = make_elf(ET_DYN, 0);
    shim = make_elf(ET_EXEC, SHIM_BASE + SHIM_IMAGE_GPA);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(core);
    free(shim);
    return 0;
}

static void measure(char hex[97])
{
    uint8_t measurement[SHA384_SIZE];
    const char *why = NULL;
    assert_true(machine_measure_files(core, FILE_SIZE, shim, FILE_SIZE, measurement, &why));
    sodium_bin2hex(hex, 97, measurement, sizeof(measurement));
}

static void same_files_same_measurement(void **state)
{
    (void)state;
    /* Changes whenever the launch layout does: then every policy has to be told the new ones. */
    static const char golden[] =
        "725497afe725dc729106ae2f29de7ada7a033c4919d5931451e0b3b65473ce0559"
        "a9e7daa6e0db646125bc8a3a9bc880";
    char first[97], second[97];
    measure(first);
    measure(second);
    assert_string_equal(first, second);
    assert_string_equal(first, golden);
}

static void every_byte_counts(void **state)
{
    (void)state;
    char first[97], other[97];
    measure(first);
    uint8_t *const places[] = {core + 0x900, core + 0x2100, shim + 0x900, shim + 0x2100,
                               core + offsetof(Elf64_Ehdr, e_entry)};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        *places[i] ^= 1;
        measure(other);
        assert_string_not_equal(first, other);
        *places[i] ^= 1;
    }
    measure(other);
    assert_string_equal(first, other);
}

/* --- page tables --- */

struct walk {
    const struct machine *machine;
    unsigned leaves, executable, of_ring3;
    uint8_t *taken; /* by a page of ring 3, one byte per frame below 4 GiB */
};

static void check_leaf(struct walk *walk, uint64_t va, uint64_t entry, unsigned shift)
{
    const uint64_t gpa = entry & SHIM_PTE_FRAME;
    const uint64_t pages = (UINT64_C(1) << shift) / 4096;
    const bool write = (entry & SHIM_PTE_WRITE) != 0, runs = (entry & SHIM_PTE_NX) == 0;
    walk->leaves += shift == 12; /* what is counted in tables of leaves */
    walk->executable += runs;
    if (shift > 12) {
        assert_int_equal(shift, 21);
        assert_true(va < SHIM_BASE && gpa % SHIM_LARGE_PAGE == 0 && va % SHIM_LARGE_PAGE == 0);
        assert_int_equal(runs, (entry & SHIM_PTE_CODE) != 0);
    }
    assert_false(write && runs);
    if (va >= SHIM_BASE) {
        assert_int_equal(entry & SHIM_PTE_USER, 0);
        assert_int_equal(va - SHIM_BASE, gpa);
        assert_true(gpa < SHIM_PAGE_TABLE_END && (!runs || gpa == SHIM_IMAGE_GPA));
        return;
    }
    walk->of_ring3 += (unsigned)pages;
    assert_true((entry & SHIM_PTE_USER) != 0);
    assert_true(gpa >= SHIM_FRAMES_GPA || gpa == SHIM_LAUNCH_GPA || gpa == SHIM_SHARED_GPA);
    for (uint64_t i = 0; gpa < SHIM_MEMORY_MAX && i < pages; i++) {
        assert_int_equal(walk->taken[gpa / 4096 + i], 0);
        walk->taken[gpa / 4096 + i] = 1;
    }
}

static void walk_table(struct walk *walk, uint64_t table, unsigned shift, uint64_t va)
{
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t entry;
        memcpy(&entry, walk->machine->memory + table + 8 * i, 8);
        uint64_t at = va | i << shift;
        if (shift == 39 && i >= 256) {
            at |= UINT64_C(0xffff000000000000);
        }
        if ((entry & SHIM_PTE_PRESENT) == 0) {
            assert_int_equal(entry, 0);
        } else if (shift > 12 && (entry & SHIM_PTE_LARGE) == 0) {
            walk_table(walk, entry & SHIM_PTE_FRAME, shift - 9, at);
        } else {
            check_leaf(walk, at, entry, shift);
        }
    }
}

static void rings_are_apart(void **state)
{
    (void)state;
    struct machine machine = {.memory = mmap(NULL, MACHINE_BASE_SIZE, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
    assert_true(machine_build(&machine, core, FILE_SIZE, shim, FILE_SIZE));
    struct walk walk = {.machine = &machine, .taken = calloc(1, SHIM_MEMORY_MAX / 4096)};
    walk_table(&walk, SHIM_PAGE_TABLE_GPA, 39, 0);
    assert_int_equal(walk.executable, 2); /* a page of the core, a page of the shim */
    assert_true(walk.of_ring3 > (SHIM_HEAP_SIZE + SHIM_MAPS_READY) / 4096);
    /* The shim reads how many entries of a leaf are in use. */
    uint64_t counted = 0;
    for (unsigned i = 0; i < 4096; i++) {
        uint16_t count;
        memcpy(&count, machine.memory + SHIM_COUNT_GPA + 2 * i, 2);
        counted += count;
    }
    assert_int_equal(counted, walk.leaves);
    free(walk.taken);
    munmap(machine.memory, MACHINE_BASE_SIZE);
}

/* Code that begins at a large page gets large ones up to its end, but never over what follows. */
static unsigned large_code(uint64_t data_at)
{
    const size_t size = 0x800000;
    uint8_t *file = calloc(1, size);
    memcpy(file, core, FILE_SIZE);
    const Elf64_Phdr segments[2] = {{.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_X,
                                     .p_offset = 0x200000,
                                     .p_vaddr = 0x200000,
                                     .p_filesz = 0x200100,
                                     .p_memsz = 0x200100},
                                    {.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_W,
                                     .p_offset = 0x600000,
                                     .p_vaddr = data_at,
                                     .p_filesz = 0x1000,
                                     .p_memsz = 0x5000}};
    memcpy(file + sizeof(Elf64_Ehdr), segments, sizeof(segments));
    memset(file + 0x600000, 7, 0x1000);
    struct machine machine = {.memory = mmap(NULL, MACHINE_BASE_SIZE, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
    assert_true(machine_build(&machine, file, size, shim, FILE_SIZE));
    struct walk walk = {.machine = &machine, .taken = calloc(1, SHIM_MEMORY_MAX / 4096)};
    walk_table(&walk, SHIM_PAGE_TABLE_GPA, 39, 0);
    assert_int_equal(machine.memory[SHIM_FRAMES_GPA + data_at], 7);
    free(walk.taken);
    munmap(machine.memory, MACHINE_BASE_SIZE);
    free(file);
    return walk.executable - 1; /* the shim's */
}

static void large_pages_where_they_fit(void **state)
{
    (void)state;
    assert_int_equal(large_code(0x600000), 2);
    assert_int_equal(large_code(0x5ff000), 2); /* one large page, and one page behind it */
    assert_int_equal(large_code(0x402000), 2);
}

/* --- foreign files --- */

static void expect_refused(const char *what)
{
    uint8_t measurement[SHA384_SIZE];
    const char *why = NULL;
    assert_false(machine_measure_files(core, FILE_SIZE, shim, FILE_SIZE, measurement, &why));
    assert_non_null(strstr(why, what));
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    Elf64_Phdr segment;
    uint8_t *at = core + sizeof(Elf64_Ehdr) + sizeof(segment);
    memcpy(&segment, at, sizeof(segment));
    Elf64_Phdr bad = segment;
    bad.p_flags |= PF_X;
    memcpy(at, &bad, sizeof(bad));
    expect_refused("cannot be loaded"); /* writable and executable */
    bad = segment;
    bad.p_vaddr = 0x800;
    memcpy(at, &bad, sizeof(bad));
    expect_refused("cannot be loaded"); /* over the code */
    bad = segment;
    bad.p_offset = FILE_SIZE - 8;
    memcpy(at, &bad, sizeof(bad));
    expect_refused("cannot be loaded"); /* past the file */
    bad = segment;
    bad.p_memsz = UINT64_MAX - 8;
    memcpy(at, &bad, sizeof(bad));
    expect_refused("cannot be loaded");
    bad = segment;
    bad.p_vaddr = 0x1000 - 0x10;
    bad.p_offset = 0x2000;
    memcpy(at, &bad, sizeof(bad));
    expect_refused("cannot be loaded");
    memcpy(at, &segment, sizeof(segment));
    shim[offsetof(Elf64_Ehdr, e_entry) + 1] ^= 1;
    expect_refused("linked elsewhere");
}

static void random_headers_are_harmless(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    uint8_t saved[0x200];
    memcpy(saved, core, sizeof(saved));
    unsigned loaded = 0;
    for (unsigned run = 0; run < 300; run++) {
        memcpy(core, saved, sizeof(saved));
        for (unsigned i = 0; i < 3; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            core[seed % (sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))] = (uint8_t)(seed >> 32);
        }
        uint8_t *exact = malloc(FILE_SIZE); /* so that a read past the end is noticed */
        memcpy(exact, core, FILE_SIZE);
        uint8_t measurement[SHA384_SIZE];
        const char *why = NULL;
        loaded += machine_measure_files(exact, FILE_SIZE, shim, FILE_SIZE, measurement, &why);
        free(exact);
    }
    assert_true(loaded > 0 && loaded < 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_files_same_measurement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_byte_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rings_are_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_pages_where_they_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_files_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_headers_are_harmless, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
