/*
 * context.c - a second flow of control inside the one thread: a stack with a guard page and a
 * thread block of its own (the engine hangs its activation chain on the FS base). Must never
 * run two contexts at once, and never lets glibc believe there is a second thread.
 */
#include "linux.h"

#include <elf.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE (1 << 1)
#endif

/* Inside the static glibc. The build links against exactly one libc.a, and
 * plat_context_prepare checks that its thread block looks as described here. */
extern void *_dl_allocate_tls(void *memory);
extern void _dl_deallocate_tls(void *tcb, bool deallocate_tcb);
extern void __ctype_init(void);
/* Not reachable in the shared C library that unit tests link: NULL there. */
extern void __malloc_arena_thread_freeres(void) __attribute__((weak));

/* Start of glibc's struct pthread on x86-64 (tcbhead_t). */
struct thread_block {
    void *tcb;
    void *dtv;
    void *self;
    int multiple_threads;
    int gscope;
    uintptr_t sysinfo;
    uintptr_t stack_guard;   /* fs:0x28, used by -fstack-protector code */
    uintptr_t pointer_guard; /* fs:0x30, used by setjmp */
};
_Static_assert(offsetof(struct thread_block, stack_guard) == 0x28, "ABI of the stack protector");
#define THREAD_TID_OFFSET 0x2d0 /* glibc 2.36 */

struct plat_context {
    void *sp; /* saved by plat_switch */
    struct thread_block *thread;
    uint8_t *memory; /* guard page, then the stack */
    void (*fn)(void *);
    void *argument;
};

uint64_t plat_use_wrfsbase;

static struct plat_context *current;
static void *scheduler_sp;
static struct thread_block *scheduler_thread;

static struct thread_block *thread_self(void)
{
    struct thread_block *self;
    __asm__("movq %%fs:0x10, %0" : "=r"(self));
    return self;
}

static int *thread_tid(struct thread_block *thread)
{
    return (int *)((uint8_t *)thread + THREAD_TID_OFFSET);
}

const char *plat_context_prepare(void)
{
    plat_use_wrfsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
    scheduler_thread = thread_self();
    if (scheduler_thread->tcb != scheduler_thread || scheduler_thread->self != scheduler_thread ||
        *thread_tid(scheduler_thread) != (int)syscall(SYS_gettid)) {
        return "the C library's thread block is not laid out as expected";
    }
    /* One arena for all thread blocks: there is one thread only. */
    if (mallopt(M_ARENA_MAX, 1) != 1) {
        return "the C library's allocator refuses to use one arena";
    }
    return NULL;
}

void plat_context_set_tid(int tid)
{
    *thread_tid(thread_self()) = tid;
}

/* Without a guard of its own: its end would compare the new one with the old. */
__attribute__((no_stack_protector)) void plat_context_new_guards(void)
{
    uintptr_t fresh[2];
    plat_entropy((uint8_t *)fresh, sizeof(fresh));
    /* As the C library does it: no string runs over the first byte, which is zero. */
    scheduler_thread->stack_guard = fresh[0] & ~(uintptr_t)0xff;
    scheduler_thread->pointer_guard = fresh[1];
}

struct plat_context *plat_context_new(void)
{
    struct plat_context *context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return NULL;
    }
    context->memory = mmap(NULL, PLAT_PAGE + PLAT_STACK_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (context->memory == MAP_FAILED) {
        free(context);
        return NULL;
    }
    context->thread = _dl_allocate_tls(NULL);
    if (context->thread == NULL || mprotect(context->memory, PLAT_PAGE, PROT_NONE) != 0) {
        plat_context_free(context);
        return NULL;
    }
    struct thread_block *thread = context->thread;
    thread->tcb = thread;
    thread->self = thread;
    thread->sysinfo = scheduler_thread->sysinfo;
    *thread_tid(thread) = *thread_tid(scheduler_thread);
    return context;
}

static void context_main(void *argument)
{
    struct plat_context *context = argument;
    __ctype_init(); /* what glibc does first in a thread: tables behind isalpha() and friends */
    context->fn(context->argument);
    plat_abort("a context's function returned");
}

void plat_context_start(struct plat_context *context, void (*fn)(void *), void *argument)
{
    context->fn = fn;
    context->argument = argument;
    /* Functions on both sides of a switch compare the same guards; one made before a copy of the
     * process got new ones has the old. */
    context->thread->stack_guard = scheduler_thread->stack_guard;
    context->thread->pointer_guard = scheduler_thread->pointer_guard;
    /* What plat_switch pops: control words, r15 r14 r13 r12 rbx rbp, return address. After its ret
     * the stack is aligned as the entry of a program: plat_context_entry makes a call. */
    uint64_t *sp = (uint64_t *)(void *)(context->memory + PLAT_PAGE + PLAT_STACK_SIZE) - 10;
    memset(sp, 0, 10 * sizeof(*sp));
    const uint64_t mxcsr = 0x1f80, x87_control = 0x037f;
    sp[0] = mxcsr | x87_control << 32;
    sp[3] = (uint64_t)(uintptr_t)context;       /* r13 */
    sp[4] = (uint64_t)(uintptr_t)&context_main; /* r12 */
    sp[7] = (uint64_t)(uintptr_t)&plat_context_entry;
    context->sp = sp;
}

void plat_switch_to(struct plat_context *context)
{
    if (current != NULL || context->sp == NULL) {
        plat_abort("switch to a context from inside a context");
    }
    current = context;
    plat_switch(&scheduler_sp, context->sp, (uint64_t)(uintptr_t)context->thread);
}

void plat_switch_back(void)
{
    struct plat_context *context = current;
    if (context == NULL) {
        plat_abort("switch back without a context");
    }
    current = NULL;
    plat_untrap_code(); /* the trap was for this context; it has let go by itself */
    plat_switch(&context->sp, scheduler_sp, (uint64_t)(uintptr_t)scheduler_thread);
}

void plat_context_free(struct plat_context *context)
{
    if (context == NULL) {
        return;
    }
    if (context == current) {
        plat_abort("the running context was freed");
    }
    if (context->thread != NULL) {
        if (__malloc_arena_thread_freeres != NULL) {
            /* malloc's per-thread cache hangs on the thread block: give its chunks back. */
            plat_set_fs_base((uint64_t)(uintptr_t)context->thread);
            __malloc_arena_thread_freeres();
            plat_set_fs_base((uint64_t)(uintptr_t)scheduler_thread);
        }
        _dl_deallocate_tls(context->thread, true);
    }
    if (context->memory != NULL) {
        munmap(context->memory, PLAT_PAGE + PLAT_STACK_SIZE);
    }
    free(context);
}

bool plat_context_has_room(uintptr_t sp, size_t size)
{
    const struct plat_context *context = current;
    if (context == NULL) {
        return false;
    }
    const uintptr_t low = (uintptr_t)context->memory + PLAT_PAGE;
    return sp >= low + size && sp <= low + PLAT_STACK_SIZE;
}
