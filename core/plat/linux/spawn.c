/*
 * spawn.c - see spawn.h. Must never give a child a descriptor of another one, and never let one
 * outlive its parent.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"

#define PARKED_FD 16 /* received descriptors wait above this number */

struct child {
    pid_t pid; /* 0: free */
    uint32_t request;
};

static struct child children[CONTROL_WORKERS_MAX];
static int worker_clone_flags;
static struct spawn_hooks hooks;

static void send_message(const struct control_message *message, int fd)
{
    struct iovec part = {(void *)(uintptr_t)message, sizeof(*message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        packet.msg_control = &control;
        packet.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
    }
    if (sendmsg(CONTROL_FD, &packet, MSG_NOSIGNAL) < 0) {
        _exit(0); /* the tender is gone: nobody wants workers any more */
    }
}

static void put_text(struct control_message *message, const char *text)
{
    const size_t size = strnlen(text, sizeof(message->text) - 1);
    memcpy(message->text, text, size);
    message->text[size] = '\0';
}

void spawn_fail(const char *why)
{
    struct control_message message = {.kind = CONTROL_FAILED};
    put_text(&message, why);
    send_message(&message, -1);
    _exit(1);
}

void spawn_tell_failure(const char *reason)
{
    struct control_message message = {.kind = CONTROL_FAILED};
    put_text(&message, reason);
    send_message(&message, -1);
}

/* --- walls --- */

/* No file, and no port where the kernel knows of ports, for this process and its children. The
 * tender has checked that the kernel has landlock, or was told to do without. */
void close_landlock(void)
{
    const int version =
        (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        return;
    }
    struct {
        uint64_t handled_access_fs, handled_access_net, scoped;
    } rules = {.handled_access_fs = (UINT64_C(1) << 13) - 1};
    size_t size = sizeof(rules.handled_access_fs);
    if (version >= 2) {
        rules.handled_access_fs |= UINT64_C(1) << 13; /* REFER */
    }
    if (version >= 3) {
        rules.handled_access_fs |= UINT64_C(1) << 14; /* TRUNCATE */
    }
    if (version >= 4) {
        rules.handled_access_net = 3; /* BIND_TCP, CONNECT_TCP */
        size += sizeof(rules.handled_access_net);
    }
    if (version >= 5) {
        rules.handled_access_fs |= UINT64_C(1) << 15; /* IOCTL_DEV */
    }
    if (version >= 6) {
        rules.scoped = 3; /* abstract UNIX sockets, signals */
        size += sizeof(rules.scoped);
    }
    const int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) != 0) {
        spawn_fail("landlock refuses a rule set that allows nothing");
    }
    close(fd);
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}, {0}};
    return syscall(SYS_capset, &header, none) == 0;
}

static bool limit(int resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0) {
        return false;
    }
    if (now.rlim_max > most) {
        now.rlim_max = most;
    }
    now.rlim_cur = now.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &now) == 0;
}

/* Capabilities in a user namespace of its own, or of the whole host, decide what clone may do. */
static int choose_clone_flags(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2] = {{0}, {0}};
    if (syscall(SYS_capget, &header, have) == 0 && (have[0].effective >> CAP_SYS_ADMIN & 1) != 0) {
        return (int)WORKER_CLONE_FLAGS_FULL;
    }
    return (int)WORKER_CLONE_FLAGS_WEAK;
}

/* --- commands --- */

static uint64_t now_ns(void)
{
    struct timespec now = {0};
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct child *free_child(void)
{
    for (size_t i = 0; i < CONTROL_WORKERS_MAX; i++) {
        if (children[i].pid == 0) {
            return &children[i];
        }
    }
    return NULL;
}

static void launch(uint32_t request, enum plat_role role, const char *domain,
                   const int fds[CONTROL_FDS_MAX])
{
    struct child *child = free_child();
    struct control_message answer = {.kind = CONTROL_REFUSED, .request = request, .a = EAGAIN};
    int pidfd = -1;
    if (child != NULL) {
        hooks.before();
        const uint64_t before = now_ns();
        const long pid = syscall(SYS_clone, worker_clone_flags, NULL, &pidfd, NULL, NULL);
        if (pid == 0) {
            hooks.worker(role, domain, fds, (worker_clone_flags & CLONE_NEWPID) != 0);
        }
        answer.a = (uint64_t)errno;
        if (pid > 0) {
            *child = (struct child){(pid_t)pid, request};
            answer.kind = CONTROL_LAUNCHED;
            answer.a = (uint64_t)pid;
            answer.b = now_ns() - before;
        }
    }
    send_message(&answer, pidfd);
    if (pidfd >= 0) {
        close(pidfd);
    }
}

static void reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < CONTROL_WORKERS_MAX; i++) {
            if (children[i].pid == pid) {
                const struct control_message message = {
                    .kind = CONTROL_EXITED, .request = children[i].request, .a = (uint64_t)status};
                children[i].pid = 0;
                send_message(&message, -1);
                break;
            }
        }
    }
}

/* Takes the descriptors out of a packet; returns how many, all moved above PARKED_FD. */
static int take_fds(struct msghdr *packet, int fds[CONTROL_FDS_MAX])
{
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c != NULL; c = CMSG_NXTHDR(packet, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (count < CONTROL_FDS_MAX) {
                fds[count] = fcntl(fd, F_DUPFD_CLOEXEC, PARKED_FD);
                count += fds[count] >= 0;
            }
            close(fd);
        }
    }
    return count;
}

static void serve_command(void)
{
    struct control_message message;
    struct iovec part = {&message, sizeof(message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
    } control;
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    const ssize_t size = recvmsg(CONTROL_FD, &packet, MSG_CMSG_CLOEXEC);
    if (size < 0 && errno == EINTR) {
        return;
    }
    if (size <= 0) {
        _exit(0); /* the tender is gone */
    }
    int fds[CONTROL_FDS_MAX];
    const int count = take_fds(&packet, fds);
    if (size != sizeof(message) || message.kind != CONTROL_LAUNCH ||
        (message.a != PLAT_WORKER && message.a != PLAT_KEEPER) || count != CONTROL_FDS_MAX ||
        strnlen(message.text, sizeof(message.text)) == sizeof(message.text)) {
        spawn_fail("the tender sent a command the zygote does not know");
    }
    launch(message.request, (enum plat_role)message.a, message.text, fds);
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void nothing(int number)
{
    (void)number;
}

static void serve(void) __attribute__((noreturn));
static void serve(void)
{
    /* SIGCHLD is blocked except inside ppoll, so that no end of a worker is missed. */
    sigset_t blocked, open;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    const struct sigaction action = {.sa_handler = nothing};
    if (sigprocmask(SIG_BLOCK, &blocked, &open) != 0 || sigaction(SIGCHLD, &action, NULL) != 0) {
        spawn_fail("SIGCHLD cannot be taken");
    }
    sigdelset(&open, SIGCHLD);
    for (;;) {
        reap();
        struct pollfd control = {.fd = CONTROL_FD, .events = POLLIN};
        if (ppoll(&control, 1, NULL, &open) > 0) {
            serve_command();
        }
    }
}

/* 96 hex digits; one place decides what is measured (the tender), this one only takes it. */
bool spawn_read_measurement(const char *hex, uint8_t to[PLAT_MEASUREMENT_SIZE])
{
    size_t size;
    const char *end;
    return strlen(hex) == 2 * PLAT_MEASUREMENT_SIZE &&
           sodium_hex2bin(to, PLAT_MEASUREMENT_SIZE, hex, strlen(hex), NULL, &size, &end) == 0 &&
           size == PLAT_MEASUREMENT_SIZE;
}

void spawn_prepare(void)
{
    worker_clone_flags = choose_clone_flags();
}

void spawn_no_new_rights(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        spawn_fail("no_new_privs cannot be set");
    }
    close_landlock();
}

bool spawn_close_child(const int fds[2], int first)
{
    return dup3(fds[0], first, O_CLOEXEC) >= 0 && dup3(fds[1], first + 1, O_CLOEXEC) >= 0 &&
           syscall(SYS_close_range, 0, first - 1, 0) == 0 &&
           syscall(SYS_close_range, first + 2, ~0u, 0) == 0;
}

bool spawn_lower_rights(rlim_t files)
{
    return limit(RLIMIT_NOFILE, files) && limit(RLIMIT_NPROC, 1) && drop_capabilities() &&
           prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
}

void spawn_serve(const struct spawn_hooks *with, const uint8_t root[CONTROL_ROOT_SIZE],
                 const char *version, uint64_t ready_ns)
{
    struct control_message ready = {.kind = CONTROL_READY, .a = ready_ns};
    memcpy(ready.text, root, CONTROL_ROOT_SIZE);
    (void)strncpy(ready.text + CONTROL_ROOT_SIZE, version,
                  sizeof(ready.text) - CONTROL_ROOT_SIZE - 1);
    hooks = *with;
    send_message(&ready, -1);
    serve();
}
