/*
 * libc.c - definitions that win over the C library's at the static link: time without a system
 * call, entropy straight from the kernel, abort with a reason. Must never be linked into the
 * daemon.
 */
#include "linux.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The engine reads clocks tens of thousands of times while it compiles. */
int clock_gettime(clockid_t clock, struct timespec *to)
{
    uint64_t ns;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        ns = plat_realtime_ns();
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        ns = plat_now_ns();
        break;
    default:
        errno = EINVAL;
        return -1;
    }
    to->tv_sec = (time_t)(ns / 1000000000u);
    to->tv_nsec = (long)(ns % 1000000000u);
    return 0;
}

/* libsodium's ephemeral keys come from here: never from random.h, whose state a copied core has
 * too, so that its copies would seal different texts under one key. */
ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags; /* the filter lets 0 through only */
    plat_entropy(to, size);
    return (ssize_t)size;
}

/* The engine asks once per thread block whether there is a signal stack. In a machine there is no
 * kernel that could answer. */
int sigaltstack(const stack_t *stack, stack_t *old)
{
    if (!plat_machine) {
        return (int)syscall(SYS_sigaltstack, stack, old);
    }
    if (old != NULL) {
        *old = (stack_t){0};
        plat_signal_stack(&old->ss_sp, &old->ss_size);
    }
    return 0;
}

/* The link wraps abort, write and writev (-Wl,--wrap=...): what the engine's runtime writes to
 * standard error before it aborts becomes the reason of the end. A worker has no standard error. */
static char last_words[256];
static size_t last_words_size;

static size_t keep_last_words(const char *text, size_t size)
{
    for (size_t i = 0; i < size && last_words_size < sizeof(last_words) - 1; i++) {
        const char c = text[i];
        last_words[last_words_size++] = c >= ' ' && c <= '~' ? c : ' ';
    }
    return size;
}

ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);
void __wrap_abort(void) __attribute__((noreturn));

ssize_t __wrap_write(int fd, const void *from, size_t size)
{
    if (fd == STDERR_FILENO) {
        return (ssize_t)keep_last_words(from, size);
    }
    return __real_write(fd, from, size);
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
    if (fd != STDERR_FILENO) {
        errno = EBADF;
        return -1;
    }
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        sum += keep_last_words(parts[i].iov_base, parts[i].iov_len);
    }
    return (ssize_t)sum;
}

void __wrap_abort(void)
{
    plat_abort(last_words_size > 0 ? last_words : "abort() was called");
}
