/*
 * vm.c - see vm.h. What the guest left in its memory or registers is foreign: a number from there
 * is a time, a port or an exit code, never an address or a size.
 */
#include "vm.h"

#include "tfaas/abi.h"

#include <cpuid.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define CPUID_MAX       256
#define XSAVE_WANTED    UINT64_C(0xe7) /* x87, SSE, AVX, AVX-512: as core/plat/linux/signals.c */
#define MSR_STAR        0xc0000081u
#define MSR_LSTAR       0xc0000082u
#define MSR_FS_BASE     0xc0000100u
#define MSR_SFMASK      0xc0000084u
#define CR4_SMEP        (UINT64_C(1) << 20)
#define CR4_SMAP        (UINT64_C(1) << 21)
#define CR4_FSGSBASE    (UINT64_C(1) << 16)
#define NS_PER_S        INT64_C(1000000000)
#define TICK_LONGEST_NS UINT64_C(3600000000000)

static struct kvm_run *volatile running; /* what the timer's handler stops */
static volatile sig_atomic_t tick_came;

static bool fail(struct vm *vm, const char *why)
{
    vm->why = why;
    return false;
}

/* --- making one --- */

struct cpuid {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[CPUID_MAX];
};

static struct kvm_cpuid_entry2 *cpuid_entry(struct cpuid *cpuid, uint32_t function, uint32_t index)
{
    for (uint32_t i = 0; i < cpuid->head.nent; i++) {
        if (cpuid->entries[i].function == function && cpuid->entries[i].index == index) {
            return &cpuid->entries[i];
        }
    }
    return NULL;
}

/* The protections that are there. */
static uint64_t cr4_of(struct cpuid *cpuid)
{
    uint64_t cr4 = MACHINE_CR4 | MACHINE_UMIP;
    const struct kvm_cpuid_entry2 *seven = cpuid_entry(cpuid, 7, 0);
    const uint32_t ebx = seven != NULL ? seven->ebx : 0, ecx = seven != NULL ? seven->ecx : 0;
    cr4 &= (ebx & 1) != 0 ? ~UINT64_C(0) : ~CR4_FSGSBASE;
    cr4 &= (ebx >> 7 & 1) != 0 ? ~UINT64_C(0) : ~CR4_SMEP;
    cr4 &= (ebx >> 20 & 1) != 0 ? ~UINT64_C(0) : ~CR4_SMAP;
    cr4 &= (ecx >> 2 & 1) != 0 ? ~UINT64_C(0) : ~MACHINE_UMIP;
    return cr4;
}

/* Instructions of ring 3 that need nothing from KVM but the register state in XCR0: a guest has
 * them where the host has them. A software KVM does not list all of them. */
static const struct {
    uint32_t function;
    uint32_t ebx, ecx;
} user_instructions[] = {
    /* SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
    {1, 0, 0x76d83203},
    /* FSGSBASE BMI AVX2 ERMS AVX512F/DQ/IFMA/CD/BW/VL RDSEED ADX CLFLUSHOPT CLWB SHA; AVX512_VBMI
     * VBMI2 GFNI VAES VPCLMULQDQ VNNI BITALG VPOPCNTDQ */
    {7, 0xf1af0329, 0x00005f42},
    {0x80000001, 0, 0x00000121}, /* LAHF LZCNT PREFETCHW */
};

static void add_user_instructions(struct cpuid *cpuid)
{
    for (size_t i = 0; i < sizeof(user_instructions) / sizeof(user_instructions[0]); i++) {
        struct kvm_cpuid_entry2 *entry = cpuid_entry(cpuid, user_instructions[i].function, 0);
        uint32_t a, b, c, d;
        if (entry != NULL && __get_cpuid_count(entry->function, 0, &a, &b, &c, &d)) {
            entry->ebx |= b & user_instructions[i].ebx;
            entry->ecx |= c & user_instructions[i].ecx;
        }
    }
}

/* What KVM can do, without a sign of KVM itself: no clock, no features of a paravirtual guest.
 * Asked once: where this runs in a virtual machine itself, each CPUID leaves that. */
static bool set_cpuid(struct vm *vm, int kvm_fd)
{
    static struct cpuid cpuid;
    static uint64_t cr4;
    if (cr4 != 0) {
        vm->cr4 = cr4;
        return ioctl(vm->cpu_fd, KVM_SET_CPUID2, &cpuid) == 0 || fail(vm, "KVM_SET_CPUID2");
    }
    cpuid.head.nent = CPUID_MAX;
    if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid) != 0) {
        return fail(vm, "KVM does not tell what the processor can do");
    }
    for (uint32_t i = 0; i < cpuid.head.nent; i++) {
        if (cpuid.entries[i].function >= 0x40000000 && cpuid.entries[i].function < 0x50000000) {
            cpuid.entries[i--] = cpuid.entries[--cpuid.head.nent];
        }
    }
    vm->cr4 = cr4 = cr4_of(&cpuid);
    add_user_instructions(&cpuid);
    return ioctl(vm->cpu_fd, KVM_SET_CPUID2, &cpuid) == 0 || fail(vm, "KVM_SET_CPUID2");
}

static bool add_memory(struct vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *at,
                       uint32_t flags)
{
    const struct kvm_userspace_memory_region region = {.slot = slot,
                                                       .flags = flags,
                                                       .guest_phys_addr = gpa,
                                                       .memory_size = size,
                                                       .userspace_addr = (uintptr_t)at};
    return ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0 ||
           fail(vm, "KVM takes no memory");
}

static bool set_msrs(struct vm *vm)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entries[3];
    } msrs = {.head = {.nmsrs = 3},
              .entries = {{.index = MSR_STAR, .data = MACHINE_STAR},
                          {.index = MSR_LSTAR, .data = SHIM_BASE + SHIM_SYSCALL_GPA},
                          {.index = MSR_SFMASK, .data = MACHINE_SFMASK}}};
    return ioctl(vm->cpu_fd, KVM_SET_MSRS, &msrs) == 3 || fail(vm, "KVM_SET_MSRS");
}

/* Ring 0 needs one model-specific register; every other is closed where KVM can close them, and so
 * are the registers of paravirtual guests. */
static bool close_msrs(struct vm *vm)
{
    uint8_t allowed[1] = {1}; /* FS base */
    struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_DENY,
                                    .ranges = {{.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
                                                .nmsrs = 1,
                                                .base = MSR_FS_BASE,
                                                .bitmap = allowed}}};
    const struct kvm_enable_cap only_listed = {.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
                                               .args = {1}};
    if (ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ENFORCE_PV_FEATURE_CPUID) > 0 &&
        ioctl(vm->cpu_fd, KVM_ENABLE_CAP, &only_listed) != 0) {
        return fail(vm, "KVM_ENABLE_CAP");
    }
    return ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER) <= 0 ||
           ioctl(vm->vm_fd, KVM_X86_SET_MSR_FILTER, &filter) == 0 ||
           fail(vm, "KVM_X86_SET_MSR_FILTER");
}

bool vm_open(struct vm *vm, int kvm_fd, uint8_t *memory, uint64_t memory_size)
{
    *vm = (struct vm){.vm_fd = -1, .cpu_fd = -1, .memory = memory, .memory_size = memory_size};
    vm->vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
    if (vm->vm_fd < 0) {
        return fail(vm, "KVM makes no virtual machine");
    }
    vm->cpu_fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, 0);
    const int run_size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (vm->cpu_fd < 0 || run_size < (int)sizeof(struct kvm_run)) {
        return fail(vm, "KVM makes no virtual processor");
    }
    vm->run_size = (size_t)run_size;
    vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->cpu_fd, 0);
    if (vm->run == MAP_FAILED) {
        vm->run = NULL;
        return fail(vm, "KVM's page cannot be mapped");
    }
    const int khz = ioctl(vm->cpu_fd, KVM_GET_TSC_KHZ, 0);
    vm->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
    return (khz > 0 || fail(vm, "KVM does not tell the rate of the time stamp counter")) &&
           add_memory(vm, 0, 0, memory_size, memory, 0) && set_cpuid(vm, kvm_fd) && set_msrs(vm) &&
           close_msrs(vm);
}

void vm_close(struct vm *vm)
{
    if (running == vm->run) { /* the last tick is still to come, perhaps */
        const struct itimerval none = {0};
        (void)setitimer(ITIMER_REAL, &none, NULL);
        running = NULL;
    }
    if (vm->run != NULL) {
        (void)munmap(vm->run, vm->run_size);
    }
    if (vm->cpu_fd >= 0) {
        close(vm->cpu_fd);
    }
    if (vm->vm_fd >= 0) {
        close(vm->vm_fd);
    }
    vm->run = NULL;
    vm->cpu_fd = vm->vm_fd = -1;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint8_t dpl, bool code)
{
    return (struct kvm_segment){.limit = 0xffffffff,
                                .selector = selector,
                                .type = type,
                                .present = 1,
                                .dpl = dpl,
                                .db = !code,
                                .s = 1,
                                .l = code,
                                .g = 1};
}

static bool set_extended_state(struct vm *vm)
{
    struct kvm_xcrs xcrs;
    struct cpuid cpuid = {.head = {.nent = CPUID_MAX}};
    if (ioctl(vm->cpu_fd, KVM_GET_CPUID2, &cpuid) != 0 ||
        ioctl(vm->cpu_fd, KVM_GET_XCRS, &xcrs) != 0 || xcrs.nr_xcrs == 0) {
        return fail(vm, "the processor has no XSAVE");
    }
    const struct kvm_cpuid_entry2 *can = cpuid_entry(&cpuid, 0xd, 0);
    xcrs.xcrs[0].xcr = 0;
    xcrs.xcrs[0].value = can != NULL ? can->eax & XSAVE_WANTED : 1;
    if (ioctl(vm->cpu_fd, KVM_SET_XCRS, &xcrs) != 0) {
        return fail(vm, "KVM_SET_XCRS");
    }
    struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
    return ioctl(vm->cpu_fd, KVM_SET_FPU, &fpu) == 0 || fail(vm, "KVM_SET_FPU");
}

bool vm_boot(struct vm *vm, const struct machine *machine)
{
    struct kvm_sregs sregs;
    if (ioctl(vm->cpu_fd, KVM_GET_SREGS, &sregs) != 0) {
        return fail(vm, "KVM_GET_SREGS");
    }
    sregs.cs = segment(SHIM_CS3, 11, 3, true);
    sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs = segment(SHIM_SS3, 3, 3, false);
    const uint64_t tables = SHIM_BASE + SHIM_TABLES_GPA;
    sregs.gdt = (struct kvm_dtable){.base = tables, .limit = SHIM_TSS + 15};
    sregs.idt = (struct kvm_dtable){.base = tables + 4096, .limit = 16 * SHIM_VECTORS - 1};
    sregs.tr = (struct kvm_segment){
        .base = tables + 8192, .limit = 4095, .selector = SHIM_TSS, .type = 11, .present = 1};
    sregs.ldt = (struct kvm_segment){.type = 2, .unusable = 1};
    sregs.cr0 = MACHINE_CR0;
    sregs.cr3 = SHIM_PAGE_TABLE_GPA;
    sregs.cr4 = vm->cr4;
    sregs.efer = MACHINE_EFER;
    const struct kvm_regs regs = {.rip = machine->rip, .rsp = machine->rsp, .rflags = 0x202};
    return set_extended_state(vm) &&
           (ioctl(vm->cpu_fd, KVM_SET_SREGS, &sregs) == 0 || fail(vm, "KVM_SET_SREGS")) &&
           (ioctl(vm->cpu_fd, KVM_SET_REGS, &regs) == 0 || fail(vm, "KVM_SET_REGS"));
}

/* Enters and leaves: what left the machine last is finished, and KVM has the thread it makes for a
 * machine at its first entry. */
static bool enter_once(struct vm *vm)
{
    vm->run->immediate_exit = 1;
    const int left = ioctl(vm->cpu_fd, KVM_RUN, 0);
    vm->run->immediate_exit = 0;
    return (left < 0 && errno == EINTR) || fail(vm, "KVM_RUN");
}

bool vm_save(struct vm *vm, struct vm_state *state)
{
    return enter_once(vm) &&
           (ioctl(vm->cpu_fd, KVM_GET_REGS, &state->regs) == 0 || fail(vm, "KVM_GET_REGS")) &&
           (ioctl(vm->cpu_fd, KVM_GET_SREGS, &state->sregs) == 0 || fail(vm, "KVM_GET_SREGS")) &&
           (ioctl(vm->cpu_fd, KVM_GET_XSAVE, &state->xsave) == 0 || fail(vm, "KVM_GET_XSAVE")) &&
           (ioctl(vm->cpu_fd, KVM_GET_XCRS, &state->xcrs) == 0 || fail(vm, "KVM_GET_XCRS"));
}

bool vm_restore(struct vm *vm, const struct vm_state *state)
{
    return (ioctl(vm->cpu_fd, KVM_SET_SREGS, &state->sregs) == 0 || fail(vm, "KVM_SET_SREGS")) &&
           (ioctl(vm->cpu_fd, KVM_SET_REGS, &state->regs) == 0 || fail(vm, "KVM_SET_REGS")) &&
           (ioctl(vm->cpu_fd, KVM_SET_XCRS, &state->xcrs) == 0 || fail(vm, "KVM_SET_XCRS")) &&
           (ioctl(vm->cpu_fd, KVM_SET_XSAVE, &state->xsave) == 0 || fail(vm, "KVM_SET_XSAVE")) &&
           enter_once(vm);
}

bool vm_attach(struct vm *vm, void *window, int bell_fd)
{
    const struct kvm_ioeventfd bell = {
        .addr = SHIM_PORT_BELL, .len = 4, .fd = bell_fd, .flags = KVM_IOEVENTFD_FLAG_PIO};
    return add_memory(vm, 1, SHIM_WINDOW_GPA, TFAAS_WINDOW_SIZE, window, 0) &&
           (ioctl(vm->vm_fd, KVM_IOEVENTFD, &bell) == 0 || fail(vm, "KVM_IOEVENTFD"));
}

/* --- running one --- */

static void on_timer(int number)
{
    (void)number;
    tick_came = 1;
    if (running != NULL) {
        running->immediate_exit = 1;
    }
}

bool vm_take_timer(struct vm *vm)
{
    running = vm->run;
    const struct sigaction action = {.sa_handler = on_timer};
    return sigaction(SIGALRM, &action, NULL) == 0;
}

static uint64_t argument_of(const struct vm *vm)
{
    const volatile struct shim_shared *shared = (void *)(vm->memory + SHIM_SHARED_GPA);
    return shared->argument;
}

static void arm_timer(uint64_t ns)
{
    const uint64_t us = (ns < TICK_LONGEST_NS ? ns : TICK_LONGEST_NS) / 1000 + 1;
    const struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void wait_for_ring(int64_t timeout_ns)
{
    struct pollfd ring = {.fd = VM_RING_FD, .events = POLLIN};
    const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                                     .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    if (ppoll(&ring, 1, timeout_ns < 0 ? NULL : &timeout, NULL) == 1) {
        uint64_t count;
        (void)!read(VM_RING_FD, &count, sizeof(count));
    }
}

/* A tick that came is given to the guest as soon as it takes interrupts. */
static bool give_tick(struct vm *vm, bool *tick_due)
{
    struct kvm_run *run = vm->run;
    run->immediate_exit = 0; /* a signal after this line is seen by the next, or stops the entry */
    if (tick_came) {
        tick_came = 0;
        *tick_due = true;
    }
    if (!*tick_due) {
        return true;
    }
    if (!run->ready_for_interrupt_injection || !run->if_flag) {
        run->request_interrupt_window = 1;
        return true;
    }
    const struct kvm_interrupt tick = {.irq = SHIM_VECTOR_TICK};
    run->request_interrupt_window = 0;
    *tick_due = false;
    return ioctl(vm->cpu_fd, KVM_INTERRUPT, &tick) == 0;
}

enum port_result { PORT_GO_ON, PORT_READY, PORT_END, PORT_BAD };

static enum port_result serve_port(struct vm *vm, uint32_t *value)
{
    const struct kvm_run *run = vm->run;
    if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 || run->io.count != 1 ||
        run->io.data_offset > vm->run_size - sizeof(*value)) {
        return PORT_BAD;
    }
    memcpy(value, (const uint8_t *)run + run->io.data_offset, sizeof(*value));
    switch (run->io.port) {
    case SHIM_PORT_WAIT:
        wait_for_ring((int64_t)argument_of(vm));
        return PORT_GO_ON;
    case SHIM_PORT_TICK:
        arm_timer(argument_of(vm));
        return PORT_GO_ON;
    case SHIM_PORT_READY:
        return PORT_READY;
    case SHIM_PORT_EXIT:
        return PORT_END;
    default:
        return PORT_BAD;
    }
}

/* By KVM's log of dirty pages. A hint only: without it a copy's first answer comes later. */
static void note_writes(struct vm *vm, bool on)
{
    const size_t words = (size_t)(vm->memory_size / 4096 + 63) / 64;
    if (on) {
        (void)add_memory(vm, 0, 0, vm->memory_size, vm->memory, KVM_MEM_LOG_DIRTY_PAGES);
        return;
    }
    uint64_t *seen = calloc(words, sizeof(*seen));
    const struct kvm_dirty_log log = {.slot = 0, .dirty_bitmap = seen};
    if (seen != NULL && ioctl(vm->vm_fd, KVM_GET_DIRTY_LOG, &log) == 0) {
        for (size_t i = 0; vm->noted != NULL && i < words; i++) {
            seen[i] |= vm->noted[i];
        }
        free(vm->noted);
        vm->noted = seen;
    } else {
        free(seen);
    }
    (void)add_memory(vm, 0, 0, vm->memory_size, vm->memory, 0);
}

static int run_until(struct vm *vm, bool stop_at_ready)
{
    bool tick_due = false;
    uint32_t value;
    for (;;) {
        if (!give_tick(vm, &tick_due)) {
            return VM_EXIT_OTHER;
        }
        if (ioctl(vm->cpu_fd, KVM_RUN, 0) != 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            return VM_EXIT_OTHER;
        }
        switch (vm->run->exit_reason) {
        case KVM_EXIT_INTR:
        case KVM_EXIT_IRQ_WINDOW_OPEN:
            break;
        case KVM_EXIT_IO:
            switch (serve_port(vm, &value)) {
            case PORT_GO_ON:
                break;
            case PORT_READY:
                if (!stop_at_ready || value > 2) {
                    return VM_EXIT_PORT;
                }
                if (value == 0) {
                    return 0;
                }
                note_writes(vm, value == 1);
                break;
            case PORT_END:
                return (int)(value & 0xff);
            default:
                return VM_EXIT_PORT;
            }
            break;
        case KVM_EXIT_MMIO:
            return VM_EXIT_MEMORY;
        case KVM_EXIT_SHUTDOWN:
            return VM_EXIT_SHUTDOWN;
        case KVM_EXIT_HLT:
            return VM_EXIT_HALT;
        default:
            return VM_EXIT_OTHER;
        }
    }
}

bool vm_run_to_ready(struct vm *vm)
{
    const int code = run_until(vm, true);
    switch (code) {
    case 0:
        /* Exit 0 looks the same as READY; a core does not end before it. */
        return (vm->run->exit_reason == KVM_EXIT_IO && vm->run->io.port == SHIM_PORT_READY) ||
               fail(vm, "the core ended before it was ready");
    case 70:
        return fail(vm, "a fault in the core before it was ready");
    case SHIM_EXIT_BROKEN:
        return fail(vm, "a fault in the shim, or of the core where it takes none");
    case VM_EXIT_PORT:
        return fail(vm, "a port that is not there");
    case VM_EXIT_MEMORY:
        return fail(vm, "an address without memory");
    case VM_EXIT_SHUTDOWN:
        return fail(vm, "a triple fault");
    case VM_EXIT_HALT:
        return fail(vm, "it halted");
    default:
        return fail(vm, "KVM gave up on it");
    }
}

int vm_run(struct vm *vm)
{
    return run_until(vm, false);
}
