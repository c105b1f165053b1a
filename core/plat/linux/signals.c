/*
 * signals.c - write faults, the tick, and the end by a fault. Handlers run on their own stack with
 * the other signals masked; they must never allocate, lock, or touch the interrupted state except
 * to divert compiled Wasm to plat_upcall.
 */
#include "linux.h"

#include "plat/shim/guest.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNAL_STACK_SIZE (128u * 1024) /* kernel frame with all registers is up to 12 KiB */
#define RED_ZONE          128u
#define UPCALL_ROOM       (24u * 1024) /* register save area and the scheduler's frames */
#define RETRY_NS          100000u      /* another tick when there was no room to divert */

/* A tick in a machine is an exit, an injected interrupt and a stretch of ring 0: dear. */
#define MACHINE_TICK_NS 5000000u

#define FAULT_WRITE     2 /* bits of the page fault error code */
#define FAULT_FETCH     16
#define TRAP_PAGE_FAULT 14

/* Registers that compiled code can use: x87, SSE, AVX, AVX-512 (opmask, upper halves). */
#define XSAVE_WANTED UINT64_C(0xe7)

uint64_t plat_xsave_mask;
uint64_t plat_xsave_size;

static void diverted_nothing(void) {}

void (*plat_diverted)(void) = diverted_nothing;

static plat_write_fault_fn on_write_fault;
static plat_tick_fn on_tick_fn;
static volatile sig_atomic_t tick_armed;
static uintptr_t trapped_start, trapped_end; /* whole pages; equal: no code is trapped */

static const char *xsave_prepare(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0) {
        return "the processor or the kernel lacks XSAVE";
    }
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    plat_xsave_mask = ((uint64_t)high << 32 | low) & XSAVE_WANTED;
    uint64_t size = 512 + 64; /* legacy area and header */
    for (unsigned i = 2; i < 63; i++) {
        if ((plat_xsave_mask >> i & 1) != 0 && __get_cpuid_count(0xd, i, &a, &b, &c, &d) &&
            size < (uint64_t)a + b) {
            size = (uint64_t)a + b;
        }
    }
    plat_xsave_size = (size + 63) & ~UINT64_C(63);
    if (plat_xsave_size > UPCALL_ROOM / 2) {
        return "the processor's register state is larger than planned for";
    }
    return NULL;
}

static char *put_text(char *at, const char *end, const char *text)
{
    while (*text != '\0' && at < end) {
        *at++ = *text++;
    }
    return at;
}

static char *put_hex(char *at, const char *end, uint64_t value)
{
    at = put_text(at, end, "0x");
    int shift = 60;
    while (shift > 0 && value >> shift == 0) {
        shift -= 4;
    }
    for (; shift >= 0 && at < end; shift -= 4) {
        *at++ = "0123456789abcdef"[value >> shift & 15];
    }
    return at;
}

static void fault(const char *what, uintptr_t address, uintptr_t pc) __attribute__((noreturn));
static void fault(const char *what, uintptr_t address, uintptr_t pc)
{
    static char text[160];
    const char *end = text + sizeof(text) - 1;
    char *at = put_text(text, end, what);
    at = put_hex(put_text(at, end, " at address "), end, address);
    /* Relative to this image, so that the number can be looked up in the ELF. */
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    at = put_hex(put_text(at, end, ", code "), end, pc);
    at = put_hex(put_text(at, end, ", image "), end, (uintptr_t)__ehdr_start);
    *at = '\0';
    plat_abort(text);
}

/* Makes the interrupted code continue in plat_upcall, or asks for another tick. */
static void divert(struct plat_interrupted *at)
{
    if (!plat_context_has_room(at->sp, UPCALL_ROOM)) {
        plat_tick_arm(RETRY_NS);
        return;
    }
    uint64_t *frame = (uint64_t *)(at->sp - RED_ZONE) - 2;
    frame[0] = at->flags;
    frame[1] = at->pc;
    at->sp = (uintptr_t)frame;
    at->pc = (uintptr_t)&plat_upcall;
}

void plat_trap_code(uintptr_t start, uintptr_t end)
{
    const uintptr_t in_page = PLAT_PAGE - 1;
    const uintptr_t first = start & ~in_page, last = (end + in_page) & ~in_page;
    if (start >= end || (first == trapped_start && last == trapped_end)) {
        return;
    }
    plat_untrap_code(); /* of another module, whose run gave way before it came back to its code */
    trapped_start = first;
    trapped_end = last;
    if (mprotect((void *)trapped_start, trapped_end - trapped_start, PROT_READ) != 0) {
        plat_abort("compiled code cannot be trapped");
    }
}

void plat_untrap_code(void)
{
    if (trapped_start != trapped_end &&
        mprotect((void *)trapped_start, trapped_end - trapped_start, PROT_READ | PROT_EXEC) != 0) {
        plat_abort("trapped code cannot be given back");
    }
    trapped_start = trapped_end = 0;
}

static bool is_trapped(const struct plat_interrupted *at)
{
    return (at->error & FAULT_FETCH) != 0 && at->address >= trapped_start &&
           at->address < trapped_end;
}

void plat_on_fault(int number, struct plat_interrupted *at)
{
    if (at->page_fault) {
        const bool write = (at->error & FAULT_WRITE) != 0;
        const int saved_errno = errno;
        if (write && on_write_fault != NULL && on_write_fault(at->address)) {
            errno = saved_errno;
            return;
        }
        if (is_trapped(at)) {
            plat_untrap_code();
            divert(at);
            errno = saved_errno;
            return;
        }
        fault(write ? "write fault" : "read fault", at->address, at->pc);
    }
    fault(number == SIGSEGV   ? "protection fault"
          : number == SIGBUS  ? "bus error"
          : number == SIGFPE  ? "arithmetic fault"
          : number == SIGTRAP ? "breakpoint"
                              : "illegal instruction",
          at->address, at->pc);
}

void plat_on_tick(struct plat_interrupted *at)
{
    const int saved_errno = errno;
    tick_armed = 0;
    if (on_tick_fn != NULL && on_tick_fn(at->pc)) {
        divert(at);
    }
    errno = saved_errno;
}

/* --- the same by Linux's signals --- */

static struct plat_interrupted state_of(const ucontext_t *interrupted)
{
    const greg_t *registers = interrupted->uc_mcontext.gregs;
    return (struct plat_interrupted){.pc = (uint64_t)registers[REG_RIP],
                                     .sp = (uint64_t)registers[REG_RSP],
                                     .flags = (uint64_t)registers[REG_EFL],
                                     .error = (uint64_t)registers[REG_ERR]};
}

static void resume(ucontext_t *interrupted, const struct plat_interrupted *at)
{
    interrupted->uc_mcontext.gregs[REG_RIP] = (greg_t)at->pc;
    interrupted->uc_mcontext.gregs[REG_RSP] = (greg_t)at->sp;
}

static void handle_fault(int number, siginfo_t *info, void *data)
{
    ucontext_t *interrupted = data;
    struct plat_interrupted at = state_of(interrupted);
    at.address = (uintptr_t)info->si_addr;
    /* Sent by a process, no fault of this one: the address is whatever the sender says, trap number
     * and error code are those of the last real fault. */
    if (info->si_code <= 0) {
        fault("a fault signal that no fault caused", at.address, at.pc);
    }
    at.page_fault =
        number == SIGSEGV && interrupted->uc_mcontext.gregs[REG_TRAPNO] == TRAP_PAGE_FAULT;
    plat_on_fault(number, &at);
    resume(interrupted, &at);
}

static void handle_tick(int number, siginfo_t *info, void *data)
{
    (void)number;
    (void)info;
    struct plat_interrupted at = state_of(data);
    plat_on_tick(&at);
    resume(data, &at);
}

/* --- */

static uint8_t *signal_stack;

void plat_signal_stack(void **start, size_t *size)
{
    *start = signal_stack;
    *size = SIGNAL_STACK_SIZE;
}

const char *plat_signals_prepare(void)
{
    const char *why = xsave_prepare();
    if (why != NULL) {
        return why;
    }
    uint8_t *memory = mmap(NULL, PLAT_PAGE + SIGNAL_STACK_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, PLAT_PAGE, PROT_NONE) != 0) {
        return "no memory for the signal stack";
    }
    signal_stack = memory + PLAT_PAGE;
    if (plat_machine) {
        return guest_upcall_prepare(signal_stack + SIGNAL_STACK_SIZE);
    }
    const stack_t stack = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK_SIZE};
    if (sigaltstack(&stack, NULL) != 0) {
        return "the kernel refuses a signal stack";
    }
    return NULL;
}

void plat_handlers(plat_write_fault_fn on_write, plat_tick_fn on_tick)
{
    on_write_fault = on_write;
    on_tick_fn = on_tick;
    tick_armed = 0; /* a copy has no timer of what it was copied from */
    if (plat_machine) {
        return;
    }
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    action.sa_sigaction = handle_fault;
    bool ok = true;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        ok = ok && sigaction(faults[i], &action, NULL) == 0;
    }
    /* No SA_RESTART: a tick ends the sleep on the doorbell. */
    action.sa_sigaction = handle_tick;
    ok = ok && sigaction(SIGALRM, &action, NULL) == 0;
    if (!ok) {
        plat_abort("the kernel refuses a signal handler");
    }
}

void plat_tick_arm(uint64_t ns)
{
    if (tick_armed) {
        return;
    }
    tick_armed = 1;
    if (plat_machine) {
        guest_tick(ns < MACHINE_TICK_NS ? MACHINE_TICK_NS : ns);
        return;
    }
    const uint64_t us = ns / 1000 + 1; /* never zero: that would disarm */
    const struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    if (setitimer(ITIMER_REAL, &timer, NULL) != 0) {
        plat_abort("the kernel refuses the timer");
    }
}

void plat_tick_again(uint64_t ns)
{
    plat_tick_arm(ns); /* the handler has cleared tick_armed */
}
