/*
 * cage.c - which walls this kernel gives, and the start of a zygote behind them. Must never go on
 * in silence when a wall is missing: `missing` names it.
 */
#include "cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* With root's right to map any id, cores get one that nothing else on the host has. */
#define OUTSIDE_ID_BASE 0x60000000u

static const struct {
    int flag;
    const char *name, *lost; /* lost: what the wall would keep apart */
} namespaces[] = {
    {CLONE_NEWUSER, "user", "the core keeps this user's identity"},
    {CLONE_NEWPID, "pid", "the core can name other processes"},
    {CLONE_NEWNET, "net", "only the system call filter keeps the core off the network"},
    {CLONE_NEWIPC, "ipc", "the core can name the host's message queues"},
    {CLONE_NEWNS, "mount", "the core sees the host's file tree"},
    {CLONE_NEWUTS, "uts", "the core can learn the host's name"},
};
#define NAMESPACES (sizeof(namespaces) / sizeof(namespaces[0]))

static long clone_process(int flags, int *pidfd)
{
    return syscall(SYS_clone, flags | SIGCHLD | (pidfd != NULL ? CLONE_PIDFD : 0), NULL, pidfd,
                   NULL, NULL);
}

/* 0, or the errno of the first thing that did not work. Having a mount namespace is not enough:
 * some systems let every user make one and take the rights in it away. */
static int try_flags(int flags)
{
    const long pid = clone_process(flags, NULL);
    if (pid < 0) {
        return errno;
    }
    if (pid == 0) {
        if ((flags & CLONE_NEWNS) != 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
            _exit(errno & 0x7f);
        }
        _exit(0);
    }
    int status;
    while (waitpid((pid_t)pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static void add_missing(struct cage *cage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_missing(struct cage *cage, const char *format, ...)
{
    const size_t used = strlen(cage->missing);
    const char *separator = used > 0 ? "\n" : "";
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)snprintf(cage->missing + used, sizeof(cage->missing) - used, "%s%s", separator, line);
}

static void probe_namespaces(struct cage *cage)
{
    int all = 0;
    for (size_t i = 0; i < NAMESPACES; i++) {
        all |= namespaces[i].flag;
    }
    if (try_flags(all) == 0) {
        cage->clone_flags = all;
        return;
    }
    /* One by one, with the user namespace's rights if there is one. */
    int flags = 0;
    for (size_t i = 0; i < NAMESPACES; i++) {
        const int failure = try_flags(flags | namespaces[i].flag);
        if (failure == 0) {
            flags |= namespaces[i].flag;
        } else {
            add_missing(cage, "%s namespace: %s (%s)", namespaces[i].name, namespaces[i].lost,
                        strerror(failure));
        }
    }
    cage->clone_flags = flags;
}

void cage_probe(struct cage *cage)
{
    *cage = (struct cage){
        .outside_uid = geteuid(), .outside_gid = getegid(), .given_fds = {-1, -1, -1}};
    if (geteuid() == 0) {
        cage->outside_uid = OUTSIDE_ID_BASE + ((uint32_t)getpid() & 0xfffffffu);
        cage->outside_gid = cage->outside_uid;
    }
    probe_namespaces(cage);
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    cage->seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
    if (!cage->seccomp) {
        add_missing(cage, "seccomp: the core could make any system call (%s)", strerror(errno));
    }
    cage->landlock =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    if (!cage->landlock) {
        add_missing(cage, "landlock: only the empty root keeps the core off files (%s)",
                    strerror(errno));
    }
}

void cage_layers(const struct cage *cage, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < NAMESPACES && used < size; i++) {
        if ((cage->clone_flags & namespaces[i].flag) != 0) {
            used +=
                (size_t)snprintf(text + used, size - used, "%s namespace, ", namespaces[i].name);
        }
    }
    if (used < size) {
        (void)snprintf(text + used, size - used, "%s%s%s%sno capabilities, no_new_privs, rlimits",
                       (cage->clone_flags & CLONE_NEWNS) != 0 ? "empty root, " : "",
                       cage->seccomp ? "seccomp, " : "", cage->landlock ? "landlock, " : "",
                       cage->cgroup[0][0] != '\0' ? "cgroup, " : "");
    }
}

static bool write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    const int failure = errno;
    close(fd);
    errno = failure;
    return written;
}

static bool write_maps(const struct cage *cage, pid_t pid)
{
    if ((cage->clone_flags & CLONE_NEWUSER) == 0) {
        return true;
    }
    char path[64], line[64];
    if (geteuid() != 0) { /* the kernel's condition for an ordinary user's group map */
        (void)snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
        if (!write_file(path, "deny")) {
            return false;
        }
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
    (void)snprintf(line, sizeof(line), "0 %u 1", cage->outside_uid);
    if (!write_file(path, line)) {
        return false;
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
    (void)snprintf(line, sizeof(line), "0 %u 1", cage->outside_gid);
    return write_file(path, line);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
    }
}

tfaas_status_t cage_start(const struct cage *cage, int core_fd, int *pidfd, int *control,
                          struct tfaas_error *error)
{
    tfaas_status_t status = TFAAS_OK;
    int sockets[2] = {-1, -1}, go[2] = {-1, -1};
    long pid = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0 ||
        pipe2(go, O_CLOEXEC) != 0 || (pid = clone_process(cage->clone_flags, pidfd)) < 0) {
        status = error_errno(error, TFAAS_UNAVAILABLE, errno, "fork the core's process");
        goto out;
    }
    if (pid == 0) {
        cage_child(cage, core_fd, sockets[1], go[0]);
    }
    if (!write_maps(cage, (pid_t)pid)) {
        status = error_errno(error, TFAAS_UNAVAILABLE, errno, "map the core's user");
    } else if (!cgroup_enter(cage, (pid_t)pid)) {
        status = error_errno(error, TFAAS_UNAVAILABLE, errno, "put the core into its cgroup");
    } else if (write(go[1], "", 1) != 1) {
        status = error_errno(error, TFAAS_UNAVAILABLE, errno, "let the core's process go");
    }
    if (status != TFAAS_OK) {
        (void)syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
        (void)waitpid((pid_t)pid, NULL, 0);
        close(*pidfd);
        goto out;
    }
    *control = sockets[0];
    sockets[0] = -1;
out:
    close_pair(sockets);
    close_pair(go);
    return status;
}
