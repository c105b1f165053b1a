/*
 * host.c - what ties the core to its host: window, doorbells, entropy, and the end. Must never
 * read or write a descriptor other than the two doorbells.
 */
#include "linux.h"

#include "plat/shim/guest.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXIT_FAULT      70 /* as TFAAS_INTERNAL */
#define MACHINE_SPIN_NS 100000u
#define MACHINE_BELL_NS 30000u /* a ring costs about as much */

void (*plat_on_abort)(const char *reason);

static void *window;
static char domain[PLAT_DOMAIN_MAX + 1];
static uint64_t memory_max;

const char *plat_linux_prepare(void)
{
    /* One arena for the one thread: a second one, made when the first is full, would drop its pages
     * with madvise, which is not on the list. */
    if (mallopt(M_ARENA_MAX, 1) != 1) {
        return "the C library's allocator cannot be bounded";
    }
    const char *why = plat_machine ? NULL : plat_clock_prepare();
    if (why == NULL) {
        why = plat_context_prepare();
    }
    if (why == NULL) {
        why = plat_signals_prepare();
    }
    return why;
}

void plat_linux_attach(void *mapped_window)
{
    struct rlimit limit;
    if (!plat_machine && getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        memory_max = limit.rlim_cur;
    }
    window = mapped_window;
}

void plat_linux_memory_max(uint64_t bytes)
{
    memory_max = bytes;
}

static enum plat_role role = PLAT_WORKER;

void plat_linux_domain(enum plat_role as, const char *name)
{
    role = as;
    const size_t size = strnlen(name, sizeof(domain));
    if (size == sizeof(domain)) {
        plat_abort("the trust domain's name is too long");
    }
    memcpy(domain, name, size + 1);
}

enum plat_role plat_role(void)
{
    return role;
}

const char *plat_domain(void)
{
    return domain;
}

uint64_t plat_memory_max(void)
{
    return memory_max;
}

bool plat_linux_attached(void)
{
    return window != NULL;
}

void *plat_window(void)
{
    return window;
}

static bool bell_due;
static uint64_t bell_due_ns;

void plat_doorbell_settle(bool now)
{
    if (bell_due && (now || plat_now_ns() >= bell_due_ns)) {
        bell_due = false;
        guest_bell();
    }
}

void plat_doorbell_ring(void)
{
    if (plat_machine) {
        if (!bell_due) {
            bell_due = true;
            bell_due_ns = plat_now_ns() + MACHINE_BELL_NS;
        }
        return;
    }
    const uint64_t one = 1;
    /* EAGAIN: the counter is full, so the host has been rung already. */
    if (write(WORKER_BELL_FD, &one, sizeof(one)) < 0 && errno != EAGAIN) {
        plat_abort("the doorbell cannot be rung");
    }
}

void plat_doorbell_wait(int64_t timeout_ns)
{
    if (plat_machine) {
        plat_doorbell_settle(true);
        guest_wait(timeout_ns);
        return;
    }
    uint64_t count;
    if (timeout_ns >= 0) {
        struct pollfd ring = {.fd = WORKER_RING_FD, .events = POLLIN};
        const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                         .tv_nsec = (long)(timeout_ns % 1000000000)};
        if (ppoll(&ring, 1, &timeout, NULL) <= 0) {
            return; /* time is over, or a tick */
        }
    }
    /* Only the core reads this descriptor, so after a successful poll the read does not block. */
    if (read(WORKER_RING_FD, &count, sizeof(count)) < 0 && errno != EINTR) {
        plat_abort("the doorbell cannot be read");
    }
}

uint64_t plat_spin_ns(void)
{
    return plat_machine ? MACHINE_SPIN_NS : 0; /* a sleep there is two world switches */
}

void plat_note_writes(bool on)
{
    if (plat_machine) {
        guest_note_writes(on);
    }
}

void plat_entropy(uint8_t *to, size_t size)
{
    if (plat_machine) {
        if (!guest_entropy(to, size)) {
            plat_abort("the processor gives no entropy");
        }
        return;
    }
    while (size > 0) {
        const long n = syscall(SYS_getrandom, to, size, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            plat_abort("the kernel gives no entropy");
        }
        to += n;
        size -= (size_t)n;
    }
}

void plat_exit(int code)
{
    if (plat_machine) {
        plat_doorbell_settle(true);
        guest_exit(code);
    }
    _exit(code);
}

void plat_abort(const char *reason)
{
    void (*hook)(const char *) = plat_on_abort;
    plat_on_abort = NULL; /* a fault inside the hook ends here too */
    if (hook != NULL) {
        hook(reason);
    }
    plat_exit(EXIT_FAULT);
}
