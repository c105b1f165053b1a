/* vm_host_run.c - see vm_host.h. Heckler and WeSee as far as a host that owns KVM can: what the
 * processor is told happened. */
#include "vm_host.h"

#include "tfaas/abi.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#define MSR_TSC 0x10u

static struct kvm_run *volatile running;

uint64_t run_draw(struct run *run, uint64_t below)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return (run->random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

static bool give(struct run *run, uint32_t slot, uint64_t from, uint64_t to, uint32_t flags)
{
    const struct kvm_userspace_memory_region region = {.slot = slot,
                                                       .flags = flags,
                                                       .guest_phys_addr = SHIM_WINDOW_GPA + from,
                                                       .memory_size = to - from,
                                                       .userspace_addr =
                                                           (uintptr_t)run->window + from};
    return ioctl(run->vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static void on_alarm(int number)
{
    (void)number;
    running->immediate_exit = 1;
}

bool run_open(struct run *run, int kvm_fd, uint8_t *memory, uint64_t memory_size,
              const struct vm_state *state)
{
    if (!vm_open(&run->vm, kvm_fd, memory, memory_size) ||
        !give(run, 1, 0, TFAAS_H2C_SLOTS_OFFSET, 0) ||
        !give(run, 2, TFAAS_H2C_SLOTS_OFFSET, TFAAS_C2H_SLOTS_OFFSET, KVM_MEM_READONLY) ||
        !give(run, 3, TFAAS_C2H_SLOTS_OFFSET, TFAAS_H2C_DATA_OFFSET, 0) ||
        !give(run, 4, TFAAS_H2C_DATA_OFFSET, TFAAS_C2H_DATA_OFFSET, KVM_MEM_READONLY) ||
        !give(run, 5, TFAAS_C2H_DATA_OFFSET, TFAAS_WINDOW_SIZE, 0)) {
        return false;
    }
    running = run->vm.run;
    const struct sigaction action = {.sa_handler = on_alarm};
    return sigaction(SIGALRM, &action, NULL) == 0 && vm_restore(&run->vm, state);
}

/* --- forgeries: KVM may refuse each of them, which is as good --- */

static void interrupt(struct run *run, unsigned vector)
{
    const struct kvm_interrupt it = {.irq = vector};
    const bool taken = run->vm.run->ready_for_interrupt_injection && run->vm.run->if_flag;
    if (taken || (run->forgery > FORGE_TICKS && run_draw(run, 4) == 0)) {
        run->forged += ioctl(run->vm.cpu_fd, KVM_INTERRUPT, &it) == 0;
    } else {
        run->vm.run->request_interrupt_window = 1;
    }
}

static void exception(struct run *run)
{
    struct kvm_vcpu_events events;
    struct kvm_sregs sregs;
    if (ioctl(run->vm.cpu_fd, KVM_GET_VCPU_EVENTS, &events) != 0 ||
        ioctl(run->vm.cpu_fd, KVM_GET_SREGS, &sregs) != 0) {
        return;
    }
    static const uint64_t places[] = {0,
                                      SHIM_WINDOW_VA,
                                      SHIM_HEAP_VA,
                                      SHIM_MAPS_VA,
                                      SHIM_ELF_VA + 0x5000,
                                      SHIM_BASE + SHIM_SYSCALL_GPA,
                                      SHIM_SHARED_VA,
                                      UINT64_C(1) << 63};
    const uint8_t which = (uint8_t)run_draw(run, 3) == 0 ? 14 : (uint8_t)run_draw(run, 32);
    events.exception.injected = 1;
    events.exception.nr = which;
    events.exception.has_error_code =
        run_draw(run, 8) == 0 ? (uint8_t)run_draw(run, 2)
                              : (which == 8 || (which >= 10 && which <= 14) || which == 17 ||
                                 which == 21 || which == 29 || which == 30);
    events.exception.error_code = (uint32_t)run_draw(run, 32);
    if (which == 14) {
        sregs.cr2 = places[run_draw(run, 8)] + run_draw(run, 1u << 22);
        (void)ioctl(run->vm.cpu_fd, KVM_SET_SREGS, &sregs);
    }
    run->forged += ioctl(run->vm.cpu_fd, KVM_SET_VCPU_EVENTS, &events) == 0;
}

static void nmi(struct run *run)
{
    struct kvm_vcpu_events events;
    if (run_draw(run, 2) == 0) {
        run->forged += ioctl(run->vm.cpu_fd, KVM_NMI, 0) == 0;
    } else if (ioctl(run->vm.cpu_fd, KVM_GET_VCPU_EVENTS, &events) == 0) {
        events.nmi.injected = 1;
        run->forged += ioctl(run->vm.cpu_fd, KVM_SET_VCPU_EVENTS, &events) == 0;
    }
}

static void jump_in_time(struct run *run)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } msr = {.head = {.nmsrs = 1}, .entry = {.index = MSR_TSC}};
    if (ioctl(run->vm.cpu_fd, KVM_GET_MSRS, &msr) == 1) {
        msr.entry.data = run_draw(run, 3) == 0
                             ? run_draw(run, UINT64_MAX)
                             : msr.entry.data + run_draw(run, 1ull << 36) - (1ull << 35);
        run->forged += ioctl(run->vm.cpu_fd, KVM_SET_MSRS, &msr) == 1;
    }
}

static void forge(struct run *run)
{
    enum forgery what = run->forgery;
    if (what == FORGE_ALL) {
        what = (enum forgery)run_draw(run, FORGE_ALL);
    }
    switch (what) {
    case FORGE_TICKS:
        interrupt(run, SHIM_VECTOR_TICK);
        if (run_draw(run, 16) == 0) {
            jump_in_time(run);
        }
        break;
    case FORGE_INTERRUPTS:
        interrupt(run, (unsigned)run_draw(run, 256));
        break;
    case FORGE_EXCEPTIONS:
        if (run_draw(run, 8) == 0) {
            nmi(run);
        } else {
            exception(run);
        }
        break;
    default:
        break;
    }
}

/* --- the processor --- */

static void wake_soon(struct run *run)
{
    const struct itimerval timer = {
        .it_value = {.tv_usec = (suseconds_t)(200 + run_draw(run, 4000))}};
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

/* The exit code, or -1: go on. */
static int port(struct run *run)
{
    const struct kvm_run *at = run->vm.run;
    uint32_t value;
    if (at->io.direction != KVM_EXIT_IO_OUT || at->io.size != 4 || at->io.count != 1) {
        return VM_EXIT_PORT;
    }
    memcpy(&value, (const uint8_t *)at + at->io.data_offset, sizeof(value));
    switch (at->io.port) {
    case SHIM_PORT_WAIT: /* back at once, whatever it asked for: a bell that did not ring */
        return run->turn() ? -1 : RUN_STOPPED;
    case SHIM_PORT_BELL:
        return run_draw(run, 2) == 0 || run->turn() ? -1 : RUN_STOPPED;
    case SHIM_PORT_TICK:
        return -1;
    case SHIM_PORT_EXIT:
        return (int)(value & 0xff);
    default:
        return VM_EXIT_PORT;
    }
}

int run_hostile(struct run *run)
{
    struct kvm_run *at = run->vm.run;
    while (run->exits_left-- > 0) {
        at->immediate_exit = 0;
        at->request_interrupt_window = 0;
        if (run->forgery != FORGE_NOTHING ? run_draw(run, 3) == 0 : run_draw(run, 8) == 0) {
            if (run->forgery == FORGE_NOTHING) {
                interrupt(run, SHIM_VECTOR_TICK);
            } else {
                forge(run);
            }
        }
        wake_soon(run);
        if (ioctl(run->vm.cpu_fd, KVM_RUN, 0) != 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            return VM_EXIT_OTHER;
        }
        int code = -1;
        switch (at->exit_reason) {
        case KVM_EXIT_INTR:
        case KVM_EXIT_IRQ_WINDOW_OPEN:
            break;
        case KVM_EXIT_IO:
            code = port(run);
            break;
        case KVM_EXIT_MMIO:
            run->bad_address = at->mmio.phys_addr;
            return at->mmio.is_write ? RUN_STRAY : VM_EXIT_MEMORY;
        case KVM_EXIT_SHUTDOWN:
            return VM_EXIT_SHUTDOWN;
        case KVM_EXIT_HLT:
            return VM_EXIT_HALT;
        default:
            return VM_EXIT_OTHER;
        }
        if (code >= 0) {
            return code;
        }
    }
    return RUN_STOPPED;
}
