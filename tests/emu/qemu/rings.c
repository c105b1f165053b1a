/*
 * rings.c - the walls between the rings, under QEMU: what ring 3 may not do faults, with the
 * vector, the error code and the address of the manual; a ring 0 that obeys ring 3 is stopped by
 * SMEP, SMAP, WP and NX. The same attempts go through where the protection is off: it is what stops
 * them.
 */
/* clang-format off */
/* needs: tests/emu/qemu/emu.c host/tender/kvm/machine.c common/ring.c common/sha384.c libs: sodium flags: nosan -Ihost -D_GNU_SOURCE */
/* clang-format on */
#include "emu.h"
#include "ring0.h"

#include "check.h"
#include "tests/hostile/kvm_guest.h"

#include <sys/wait.h>
#include <time.h>

#define CORE     "build/tests/hostile/kvm3/tfaas-core"
#define SHIM     "build/tfaas-shim"
#define OBEYS    "build/tests/emu/ring0"
#define CR0_WP   (UINT64_C(1) << 16)
#define CR4_UMIP (UINT64_C(1) << 11)
#define CR4_SMEP (UINT64_C(1) << 20)
#define CR4_SMAP (UINT64_C(1) << 21)
#define FLAG_AC  (UINT64_C(1) << 18)

/* Bits of a page fault's error code (Intel SDM 3, 5.12). */
enum { PRESENT = 1, WRITE = 2, USER = 4, FETCH = 16 };
enum { GENERAL_PROTECTION = 13, PAGE_FAULT = 14 };

struct outcome {
    bool answered;
    uint64_t result;
    int code; /* else: how it ended */
    uint64_t vector, error, address, cs;
};

/* One attack in a machine of its own. */
static struct outcome attack(const struct emu_options *options, struct kvm_attack what)
{
    struct emu emu;
    struct outcome outcome = {0};
    emu_start(&emu, options);
    volatile struct kvm_attack *to = (void *)((uint8_t *)emu.window + 4096);
    const volatile struct shim_shared *shared = (void *)(emu.machine.memory + SHIM_SHARED_GPA);
    what.asked = 1;
    *to = what; /* it looks here after READY */
    outcome.code = EMU_LIVES;
    for (unsigned ms = 0; ms < EMU_PATIENCE_S * 1000 && outcome.code == EMU_LIVES; ms++) {
        int status;
        if (to->answered == 1) {
            outcome.answered = true;
            outcome.result = to->result;
            break;
        }
        if (waitpid(emu.pid, &status, WNOHANG) == emu.pid) {
            emu.pid = -1;
            outcome.code = emu_code(status);
        }
        const struct timespec moment = {.tv_nsec = 1000000};
        (void)nanosleep(&moment, NULL);
    }
    outcome.vector = shared->vector;
    outcome.error = shared->error;
    outcome.address = shared->address;
    outcome.cs = shared->cs;
    emu_stop(&emu);
    return outcome;
}

static void check_fault(const char *name, const struct emu_options *options, struct kvm_attack what,
                        uint64_t vector, uint64_t error, uint64_t cs)
{
    const struct outcome got = attack(options, what);
    CHECK(!got.answered && got.code == SHIM_EXIT_BROKEN, "%s: %s, code %d", name,
          got.answered ? "it went through" : "another end", got.code);
    CHECK(got.vector == vector && got.error == error && got.cs == cs,
          "%s: vector %lu, error %#lx, cs %#lx; expected %lu, %#lx, %#lx", name, got.vector,
          got.error, got.cs, vector, error, cs);
    CHECK(vector != PAGE_FAULT || got.address == what.a || got.address == what.b,
          "%s: address %#lx", name, got.address);
}

static void check_through(const char *name, const struct emu_options *options,
                          struct kvm_attack what)
{
    const struct outcome got = attack(options, what);
    CHECK(got.answered, "%s: end %d, vector %lu, error %#lx at %#lx", name, got.code, got.vector,
          got.error, got.address);
}

static struct kvm_attack a3(enum kvm_attack_kind kind, uint64_t a, uint64_t b)
{
    return (struct kvm_attack){.kind = kind, .a = a, .b = b};
}

static const struct emu_options real = {.core = CORE, .shim = SHIM};

static void ring3_stays_in_its_pages(void)
{
    static const struct {
        const char *name;
        enum kvm_attack_kind kind;
        uint64_t at, error;
    } tries[] = {
        {"read 0", KVM_ATTACK_READ, 0, USER},
        {"read the shim", KVM_ATTACK_READ, SHIM_BASE + SHIM_IMAGE_GPA, USER | PRESENT},
        {"read a page table", KVM_ATTACK_READ, SHIM_BASE + SHIM_PAGE_TABLE_GPA, USER | PRESENT},
        {"write a page table", KVM_ATTACK_WRITE, SHIM_BASE + SHIM_PAGE_TABLE_GPA,
         USER | PRESENT | WRITE},
        {"write the TSS", KVM_ATTACK_WRITE, SHIM_BASE + SHIM_TABLES_GPA + 0x2000,
         USER | PRESENT | WRITE},
        {"write code", KVM_ATTACK_WRITE, SHIM_ELF_VA + 0x1000, USER | PRESENT | WRITE},
        {"run data", KVM_ATTACK_JUMP, SHIM_HEAP_VA, USER | PRESENT | FETCH},
        {"run the window", KVM_ATTACK_JUMP, SHIM_WINDOW_VA, USER | PRESENT | FETCH},
        {"run a vector of ring 0", KVM_ATTACK_JUMP, SHIM_BASE + SHIM_ENTRY_GPA(3),
         USER | PRESENT | FETCH},
        {"write before the window", KVM_ATTACK_WRITE, SHIM_WINDOW_VA - 8, USER | WRITE},
    };
    for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
        check_fault(tries[i].name, &real, a3(tries[i].kind, tries[i].at, 0), PAGE_FAULT,
                    tries[i].error, SHIM_CS3);
    }
}

static void ring3_stays_at_its_ports(void)
{
    static const uint16_t ports[] = {0x20, 0x43, 0xcf8, SHIM_PORT_BELL - 4, SHIM_PORT_END, 0xfffc};
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
        check_fault("a port", &real, a3(KVM_ATTACK_PORT, ports[i], 0), GENERAL_PROTECTION, 0,
                    SHIM_CS3);
    }
    check_through("the bell", &real, a3(KVM_ATTACK_PORT, SHIM_PORT_BELL, 1));
}

static void ring0s_instructions_are_its_own(void)
{
    char name[32];
    for (unsigned i = 0; i < KVM_INSTRUCTIONS; i++) {
        (void)snprintf(name, sizeof(name), "instruction %u", i);
        check_fault(name, &real, a3(KVM_ATTACK_INSTRUCTION, i, 0), GENERAL_PROTECTION, 0, SHIM_CS3);
    }
    const struct emu_options without = {.core = CORE, .shim = SHIM, .cr4_off = CR4_UMIP};
    check_through("sgdt without UMIP", &without, a3(KVM_ATTACK_INSTRUCTION, KVM_SGDT, 0));
}

/* A `ret` of the attacker: the first page of the ELF is its header, the second its code. */
static uint64_t ret_of_ring3(void)
{
    struct emu emu;
    emu_start(&emu, &real);
    const uint64_t page = SHIM_ELF_VA + 0x1000;
    const uint8_t *code = emu.machine.memory + (*emu_page(&emu, page) & SHIM_PTE_FRAME);
    const uint8_t *ret = memchr(code, 0xc3, 0x1000);
    const uint64_t at = ret != NULL ? page + (uint64_t)(ret - code) : 0;
    emu_stop(&emu);
    return at;
}

static struct kvm_attack ring0(uint64_t what, uint64_t at)
{
    return (struct kvm_attack){.kind = KVM_ATTACK_RING0, .a = what, .b = at};
}

static void ring0_is_kept_from_ring3(void)
{
    struct emu_options obeys = {.core = CORE, .shim = OBEYS};
    const uint64_t data = SHIM_STACK_END_VA - 8, code = ret_of_ring3();
    CHECK(code != 0, "no `ret` in the attacker's code");
    check_fault("SMAP, read", &obeys, ring0(RING0_LOAD, data), PAGE_FAULT, PRESENT, SHIM_CS0);
    check_fault("SMAP, write", &obeys, ring0(RING0_STORE, data), PAGE_FAULT, PRESENT | WRITE,
                SHIM_CS0);
    check_fault("SMEP", &obeys, ring0(RING0_ENTER, code), PAGE_FAULT, PRESENT | FETCH, SHIM_CS0);
    /* The flag that lifts SMAP is ring 3's to set; a system call takes it away. */
    const struct kvm_attack flagged = {
        .kind = KVM_ATTACK_CALL_WITH_FLAGS, .a = RING0_LOAD, .b = data};
    check_fault("SMAP, by a call with AC", &obeys, flagged, PAGE_FAULT, PRESENT, SHIM_CS0);
    /* An exception does not: known, and why SMAP is the second wall only. */
    const struct kvm_attack excepted = {
        .kind = KVM_ATTACK_RING0, .a = RING0_LOAD, .b = data, .d = FLAG_AC};
    check_through("an exception with AC", &obeys, excepted);
    obeys.sfmask_off = FLAG_AC;
    check_through("a call that keeps AC", &obeys, flagged);
    obeys.sfmask_off = 0;
    obeys.cr4_off = CR4_SMAP;
    check_through("read without SMAP", &obeys, ring0(RING0_LOAD, data));
    check_through("write without SMAP", &obeys, ring0(RING0_STORE, data));
    obeys.cr4_off = CR4_SMEP;
    check_through("enter without SMEP", &obeys, ring0(RING0_ENTER, code));
}

static void ring0s_own_code_and_tables_are_fixed(void)
{
    struct emu_options obeys = {.core = CORE, .shim = OBEYS};
    const uint64_t code = SHIM_BASE + SHIM_IMAGE_GPA + 12, gdt = SHIM_BASE + SHIM_TABLES_GPA;
    const uint64_t stack = SHIM_BASE + SHIM_STACK_GPA;
    /* Twelve bytes into the image: behind the code of vector 0. */
    check_through("its stack", &obeys, ring0(RING0_STORE, stack));
    check_fault("its code", &obeys, ring0(RING0_STORE, code), PAGE_FAULT, PRESENT | WRITE,
                SHIM_CS0);
    check_fault("the GDT", &obeys, ring0(RING0_STORE, gdt), PAGE_FAULT, PRESENT | WRITE, SHIM_CS0);
    check_fault("the IDT", &obeys, ring0(RING0_STORE, gdt + 0x1000), PAGE_FAULT, PRESENT | WRITE,
                SHIM_CS0);
    check_fault("run its stack", &obeys, ring0(RING0_ENTER, stack), PAGE_FAULT, PRESENT | FETCH,
                SHIM_CS0);
    obeys.cr0_off = CR0_WP;
    check_through("its code without WP", &obeys, ring0(RING0_STORE, code));
}

/* The way that only kvm-pvm takes into the shim is a jump to LSTAR here. It is a system call, with
 * no more right to flags than `syscall` gives. */
static void a_jump_to_lstar_is_a_call(void)
{
    const uint64_t io_privilege = 0x3000, nested = 0x4000, trap = 0x100, interrupts = 0x200;
    const struct kvm_attack jump = {.kind = KVM_ATTACK_CALL_BY_JUMP,
                                    .a = 59,
                                    .b = SHIM_BASE + SHIM_SYSCALL_GPA,
                                    .c = io_privilege | nested | trap};
    const struct outcome got = attack(&real, jump);
    const uint64_t flags = got.result >> 32;
    CHECK(got.answered && (uint32_t)got.result == (uint32_t)-38, "end %d, result %#lx", got.code,
          got.result);
    CHECK((flags & (io_privilege | nested | trap | interrupts)) == interrupts, "flags %#lx", flags);
}

/* Random system calls by the real entry. The shim may refuse them, do them, or end the machine over
 * what ring 3 did to itself; ring 0 itself never faults. */
static void random_calls_never_fault_ring0(void)
{
    unsigned answered = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const struct outcome got = attack(
            &real, (struct kvm_attack){
                       .kind = KVM_ATTACK_FUZZ_CALLS, .a = seed, .b = 20000, .c = seed % 4 != 0});
        answered += got.answered;
        CHECK(got.answered || (got.code == SHIM_EXIT_BROKEN && got.cs == SHIM_CS3),
              "seed %lu: end %d, cs %#lx, vector %lu, error %#lx at %#lx", seed, got.code, got.cs,
              got.vector, got.error, got.address);
    }
    CHECK(answered >= 6, "only %u of 8 machines made all calls", answered);
}

/* Without interrupts, whatever ring 3 has set: also what only `syscall` leaves to LSTAR's code. */
static void a_call_enters_with_its_own_flags(void)
{
    const struct emu_options obeys = {.core = CORE, .shim = OBEYS};
    const struct kvm_attack ask = {.kind = KVM_ATTACK_CALL_WITH_FLAGS, .a = RING0_FLAGS};
    const struct outcome got = attack(&obeys, ask);
    CHECK(got.answered && (got.result & 0x2) != 0 && (got.result & 0x47700) == 0,
          "end %d, vector %lu, flags %#lx", got.code, got.vector, got.result);
}

static const struct check_case cases[] = {
    {"ring3_stays_in_its_pages", ring3_stays_in_its_pages},
    {"ring3_stays_at_its_ports", ring3_stays_at_its_ports},
    {"ring0s_instructions_are_its_own", ring0s_instructions_are_its_own},
    {"a_jump_to_lstar_is_a_call", a_jump_to_lstar_is_a_call},
    {"random_calls_never_fault_ring0", random_calls_never_fault_ring0},
    {"a_call_enters_with_its_own_flags", a_call_enters_with_its_own_flags},
    {"ring0_is_kept_from_ring3", ring0_is_kept_from_ring3},
    {"ring0s_own_code_and_tables_are_fixed", ring0s_own_code_and_tables_are_fixed},
};

int main(int argc, char **argv)
{
    if (emu_missing() != NULL) {
        (void)printf("skipped: %s\n0 passed, 0 failed, 1 skipped\n", emu_missing());
        return 0;
    }
    return CHECK_MAIN(cases, argc, argv);
}
