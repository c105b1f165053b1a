/*
 * hostile_plat.h - the platform under a core whose host is the fuzzer: one process, contexts as
 * fibers, a clock and memory that fail when the input says so. The core's end comes back by a jump.
 * Every secret that the core draws is remembered. Include it once.
 */
#ifndef TFAAS_TESTS_FUZZ_HOSTILE_PLAT_H
#define TFAAS_TESTS_FUZZ_HOSTILE_PLAT_H

#include "core.h"
#include "cursor.h"
#include "plat/plat.h"

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#undef malloc
#undef calloc
#undef realloc
#undef free
#undef strdup
#pragma clang section bss = "" data = ""

#define CONTEXTS_MAX     256u
#define RESERVATIONS_MAX 1024u
#define SECRETS_MAX      64u
#define SECRET_PART      16u /* bytes of each that are looked for */

extern uint8_t __start_core_bss[], __stop_core_bss[], __start_core_data[], __stop_core_data[];

/* The host's turn: the core sleeps. Returns when it is woken (by whomever). */
static void host_turn(void);

static struct hostile_plat {
    uint8_t *window;
    enum plat_role role;
    uint64_t now_ns;
    uint64_t entropy; /* state of the generator of keys: the same input draws the same ones, and no
                       * two inputs share one (what one of them published is no secret of it) */
    uint64_t whims;   /* what functions do: of the input's first bytes only */
    bool public;      /* what is drawn now is for everybody to see: nonces */
    uint8_t secrets[SECRETS_MAX][SECRET_PART];
    unsigned secret_count;
    unsigned fail_in; /* that many allocations from now one fails; 0: none */
    bool can_report;
    bool forges; /* faults that were none: whom a FAULT blames means nothing */
    plat_write_fault_fn on_write;
    plat_tick_fn on_tick;
    jmp_buf over;
    int code; /* the core's exit code */
    bool ending;
} hp;

/* --- memory of the core --- */

struct block {
    struct block *next, *before;
    size_t size;
    size_t guard; /* keeps what follows aligned */
};
static struct block blocks = {&blocks, &blocks, 0, 0};

static bool allocation_fails(void)
{
    return hp.fail_in > 0 && --hp.fail_in == 0;
}

void *core_malloc(size_t size)
{
    struct block *block = allocation_fails() ? NULL : malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct block){blocks.next, &blocks, size, 0};
    blocks.next->before = block;
    blocks.next = block;
    return block + 1;
}

void core_free(void *at)
{
    if (!at)
        return;
    struct block *block = (struct block *)at - 1;
    block->before->next = block->next;
    block->next->before = block->before;
    free(block);
}

void *core_calloc(size_t count, size_t size)
{
    size_t sum;
    void *at = __builtin_mul_overflow(count, size, &sum) ? NULL : core_malloc(sum);
    if (at)
        memset(at, 0, sum);
    return at;
}

void *core_realloc(void *at, size_t size)
{
    void *larger = core_malloc(size);
    if (!larger)
        return NULL;
    if (at) {
        const size_t had = ((struct block *)at - 1)->size;
        memcpy(larger, at, had < size ? had : size);
        core_free(at);
    }
    return larger;
}

char *core_strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = core_malloc(size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

/* --- pages --- */

static struct {
    void *at;
    size_t size;
} reservations[RESERVATIONS_MAX];

static void forget_reservation(const void *at)
{
    for (unsigned i = 0; i < RESERVATIONS_MAX; i++)
        if (reservations[i].at == at)
            reservations[i].at = NULL;
}

void *plat_reserve(size_t size)
{
    if (allocation_fails())
        return NULL;
    for (unsigned i = 0; i < RESERVATIONS_MAX; i++) {
        if (reservations[i].at)
            continue;
        void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
            return NULL;
        reservations[i].at = at;
        reservations[i].size = size;
        return at;
    }
    return NULL;
}

void plat_release(void *at, size_t size)
{
    forget_reservation(at);
    if (munmap(at, size) != 0)
        abort();
}

bool plat_commit(void *at, size_t size)
{
    return !allocation_fails() &&
           mmap(at, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == at;
}

void plat_decommit(void *at, size_t size)
{
    if (mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
        at)
        abort();
}

void plat_protect(void *at, size_t size, enum plat_access access)
{
    const int protection = access == PLAT_NONE   ? PROT_NONE
                           : access == PLAT_READ ? PROT_READ
                                                 : PROT_READ | PROT_WRITE;
    if (mprotect(at, size, protection) != 0)
        abort();
}

uint64_t plat_memory_max(void)
{
    return 256u << 20;
}

static size_t whole_pages(size_t size)
{
    return (size + PLAT_PAGE - 1) & ~(size_t)(PLAT_PAGE - 1);
}

bool plat_image_create(struct plat_image *image, const void *from, size_t size, size_t total)
{
    *image = (struct plat_image){.fd = -1};
    uint8_t *bytes = total && size <= total ? plat_reserve(whole_pages(total)) : NULL;
    if (!bytes || !plat_commit(bytes, whole_pages(total)))
        return false;
    if (from && size)
        memcpy(bytes, from, size);
    plat_protect(bytes, whole_pages(total), PLAT_READ);
    *image =
        (struct plat_image){.bytes = bytes, .size = total, .used = whole_pages(size), .fd = -1};
    return true;
}

bool plat_image_gather(struct plat_image *image, const uint8_t *from, const uint32_t *pages,
                       size_t count)
{
    size_t size = count * PLAT_PAGE;
    uint8_t *packed = malloc(size + 1);
    for (size_t i = 0; packed && i < count; i++)
        memcpy(packed + i * PLAT_PAGE, from + (size_t)pages[i] * PLAT_PAGE, PLAT_PAGE);
    bool ok = packed && plat_image_create(image, packed, size, size);
    free(packed);
    return ok;
}

bool plat_image_is_shared(const struct plat_image *image)
{
    (void)image;
    return false;
}

void plat_note_writes(bool on)
{
    (void)on;
}

void plat_image_destroy(struct plat_image *image)
{
    if (image->bytes)
        plat_release((void *)(uintptr_t)image->bytes, whole_pages(image->size));
    *image = (struct plat_image){.fd = -1};
}

bool plat_image_map(const struct plat_image *image, void *at, enum plat_access access)
{
    if (!plat_commit(at, whole_pages(image->size)))
        return false;
    memcpy(at, image->bytes, image->size);
    plat_protect(at, whole_pages(image->size), access);
    return true;
}

/* --- contexts --- */

struct plat_context {
    ucontext_t machine;
    uint8_t *stack; /* kept for the next that gets this place */
    void *fake;
    void (*fn)(void *);
    void *argument;
    bool used;
};
static struct plat_context contexts[CONTEXTS_MAX];
static struct plat_context *running;
static ucontext_t scheduler;
static void *scheduler_fake;
static const void *scheduler_stack;
static size_t scheduler_size;
#define FIBER_STACK (256u * 1024)

struct plat_context *plat_context_new(void)
{
    for (unsigned i = 0; i < CONTEXTS_MAX && !allocation_fails(); i++) {
        if (contexts[i].used)
            continue;
        if (!contexts[i].stack)
            contexts[i].stack = malloc(FIBER_STACK);
        contexts[i].used = contexts[i].stack != NULL;
        return contexts[i].used ? &contexts[i] : NULL;
    }
    return NULL;
}

static void fiber_main(void)
{
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_size);
    running->fn(running->argument);
    abort(); /* it must never return */
}

void plat_context_start(struct plat_context *context, void (*fn)(void *), void *argument)
{
    ASAN_UNPOISON_MEMORY_REGION(context->stack, FIBER_STACK);
    context->fn = fn;
    context->argument = argument;
    context->fake = NULL;
    (void)getcontext(&context->machine);
    context->machine.uc_stack.ss_sp = context->stack;
    context->machine.uc_stack.ss_size = FIBER_STACK;
    context->machine.uc_link = NULL;
    makecontext(&context->machine, fiber_main, 0);
}

static void core_is_over(void) __attribute__((noreturn));

void plat_switch_to(struct plat_context *context)
{
    running = context;
    __sanitizer_start_switch_fiber(&scheduler_fake, context->stack, FIBER_STACK);
    (void)swapcontext(&scheduler, &context->machine);
    __sanitizer_finish_switch_fiber(scheduler_fake, NULL, NULL);
    running = NULL;
    if (hp.ending)
        core_is_over();
}

void plat_switch_back(void)
{
    struct plat_context *from = running;
    if (!from)
        abort();
    __sanitizer_start_switch_fiber(&from->fake, scheduler_stack, scheduler_size);
    (void)swapcontext(&from->machine, &scheduler);
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
}

void plat_context_free(struct plat_context *context)
{
    if (context)
        context->used = false;
}

/* --- the end --- */

static void core_is_over(void)
{
    longjmp(hp.over, 1);
}

void plat_exit(int code)
{
    hp.code = code;
    if (running) {
        hp.ending = true;
        plat_switch_back();
    }
    core_is_over();
}

void (*plat_on_abort)(const char *reason);

/* The core has no reason of its own to fall, whatever its host does. */
void plat_abort(const char *reason)
{
    (void)fprintf(stderr, "the core fell: %s\n", reason);
    abort();
}

/* --- the rest --- */

void *plat_window(void)
{
    return hp.window;
}

const char *plat_domain(void)
{
    return hp.role == PLAT_WORKER ? "shop" : "";
}

enum plat_role plat_role(void)
{
    return hp.role;
}

void plat_doorbell_ring(void) {}

void plat_doorbell_settle(bool now)
{
    (void)now;
}

uint64_t plat_spin_ns(void)
{
    return 0;
}

void plat_doorbell_wait(int64_t timeout_ns)
{
    if (timeout_ns > 0)
        hp.now_ns += (uint64_t)timeout_ns / 2; /* never late enough by itself */
    host_turn();
}

uint64_t plat_now_ns(void)
{
    return hp.now_ns += 700;
}

void plat_handlers(plat_write_fault_fn on_write, plat_tick_fn on_tick)
{
    hp.on_write = on_write;
    hp.on_tick = on_tick;
}

void (*plat_diverted)(void);

void plat_tick_arm(uint64_t ns)
{
    (void)ns;
}

void plat_tick_again(uint64_t ns)
{
    (void)ns;
}

void plat_trap_code(uintptr_t start, uintptr_t end)
{
    (void)start, (void)end;
}

void plat_untrap_code(void) {}

static uint64_t next_of(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static uint64_t next_random(void)
{
    return next_of(&hp.whims);
}

void plat_entropy(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(next_of(&hp.entropy) >> 32);
    /* Keys; what is shorter is public. */
    if (size >= 32 && !hp.public && hp.secret_count < SECRETS_MAX)
        memcpy(hp.secrets[hp.secret_count++], to, SECRET_PART);
}

/* Nonces come from the platform where the processor draws none. */
void __real_random_fresh(uint8_t *to, size_t size);
void __wrap_random_fresh(uint8_t *to, size_t size);
void __wrap_random_fresh(uint8_t *to, size_t size)
{
    hp.public = true;
    __real_random_fresh(to, size);
    hp.public = false;
}

void plat_measurement(uint8_t to[PLAT_MEASUREMENT_SIZE])
{
    memset(to, 0x6d, PLAT_MEASUREMENT_SIZE);
}

/* Signed by nobody: what is checked of it is checked elsewhere (tests/unit/plat/report.c). */
static void make_report(struct plat_report *report, enum plat_role role, const char *domain,
                        const uint8_t data[64])
{
    *report = (struct plat_report){.version = 1, .tee = PLAT_SIMULATED, .role = (uint8_t)role};
    memcpy(report->magic, "TFLR", 4);
    plat_measurement(report->measurement);
    memcpy(report->instance, "instance-of-test", 16);
    crypto_hash_sha512(report->domain, (const uint8_t *)domain, strlen(domain));
    memcpy(report->data, data, 64);
}

bool plat_local_report(const uint8_t data[64], struct plat_report *report)
{
    if (hp.can_report)
        make_report(report, hp.role, plat_domain(), data);
    return hp.can_report;
}

void plat_local_report_end(void)
{
    hp.can_report = false;
}

bool plat_local_verify(const struct plat_report *report)
{
    static const uint8_t nobody[64];
    uint8_t measurement[PLAT_MEASUREMENT_SIZE];
    plat_measurement(measurement);
    return memcmp(report->magic, "TFLR", 4) == 0 && report->version == 1 &&
           report->tee == PLAT_SIMULATED && report->reserved == 0 &&
           (report->role == PLAT_WORKER || report->role == PLAT_KEEPER) &&
           memcmp(report->measurement, measurement, sizeof measurement) == 0 &&
           memcmp(report->signature, nobody, sizeof nobody) == 0;
}

static uint64_t realtime_ns;

void plat_set_realtime(uint64_t ns)
{
    realtime_ns = ns;
}

uint64_t plat_realtime_ns(void)
{
    return realtime_ns;
}

/* --- a core as it was before its host spoke --- */

static uint8_t *kept_bss, *kept_data;

/* Past the interceptors: red zones lie between the variables. */
static void raw_copy(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static void keep_core(void)
{
    kept_bss = malloc((size_t)(__stop_core_bss - __start_core_bss));
    kept_data = malloc((size_t)(__stop_core_data - __start_core_data));
    if (!kept_bss || !kept_data)
        abort();
    raw_copy(kept_bss, __start_core_bss, (size_t)(__stop_core_bss - __start_core_bss));
    raw_copy(kept_data, __start_core_data, (size_t)(__stop_core_data - __start_core_data));
}

static void restore_core(void)
{
    raw_copy(__start_core_bss, kept_bss, (size_t)(__stop_core_bss - __start_core_bss));
    raw_copy(__start_core_data, kept_data, (size_t)(__stop_core_data - __start_core_data));
    while (blocks.next != &blocks)
        core_free(blocks.next + 1);
    for (unsigned i = 0; i < RESERVATIONS_MAX; i++)
        if (reservations[i].at)
            plat_release(reservations[i].at, reservations[i].size);
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        contexts[i].used = false;
    running = NULL;
}

#endif
