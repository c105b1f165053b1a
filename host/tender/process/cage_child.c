/*
 * cage_child.c - the child between clone and exec: empty root, limits, capabilities, descriptors.
 * Must never reach exec with a wall missing that cage_probe found possible.
 */
#include "cage.h"

#include "plat/linux/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PARKED_FD  16 /* descriptors wait above this number while the low ones are filled */
#define CORE_FD    4
#define FILES_MAX  16384u
#define IN_CAGE_ID 0u /* user and group inside the user namespace */

static int control_socket;

static void fail(const char *what) __attribute__((noreturn));
static void fail(const char *what)
{
    struct control_message message = {.kind = CONTROL_FAILED};
    (void)snprintf(message.text, sizeof(message.text), "%s: %s", what, strerror(errno));
    const ssize_t n = send(control_socket, &message, sizeof(message), MSG_NOSIGNAL);
    _exit(n < 0 ? 3 : 2);
}

static void become(uid_t uid, gid_t gid)
{
    /* An ordinary user may not drop its groups: the kernel says so once the map is written. */
    if (setgroups(0, NULL) != 0 && errno != EPERM) {
        fail("setgroups");
    }
    if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        fail("setresuid");
    }
}

/* When the machine runs out of memory, cores go first, not the daemon. */
static void volunteer_for_oom(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "900", 3) != 3) {
            fail("oom_score_adj");
        }
        close(fd);
    }
}

/* A new user namespace would give rights back. The filter forbids the call; this is the second
 * lock, where /proc/sys may be written (a container may have it read-only). The number is this user
 * namespace's own. */
static void forbid_user_namespaces(void)
{
    const int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "0", 1) != 1) {
            fail("forbid user namespaces");
        }
        close(fd);
    }
}

/* The old tree is gone from this mount namespace afterwards; what is left is one empty, read-only
 * directory. */
static void empty_root(void)
{
    static const char *const places[] = {"/tmp", "/dev", "/proc", "/run"};
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        fail("mount tree private");
    }
    size_t i = 0;
    while (mount("tmpfs", places[i], "tmpfs", flags, "size=4k,nr_inodes=2,mode=555") != 0) {
        if (++i == sizeof(places) / sizeof(places[0])) {
            fail("mount empty root");
        }
    }
    if (chdir(places[i]) != 0) {
        fail("enter empty root");
    }
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) != 0) {
            fail("unmount old root");
        }
    } else if (mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0) {
        /* The very first root of a machine cannot be pivoted away: move over it. */
        fail("change root");
    }
    if (chdir("/") != 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL)) {
        fail("make the root read-only");
    }
}

static void limit(int resource, const char *name, rlim_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0) {
        fail(name);
    }
    if (now.rlim_max > most) {
        now.rlim_max = most;
    }
    now.rlim_cur = now.rlim_max;
    if (setrlimit((__rlimit_resource_t)resource, &now) != 0) {
        fail(name);
    }
}

static void set_limits(const struct cage *cage)
{
    limit(RLIMIT_CORE, "limit of core dumps", 0);
    limit(RLIMIT_NOFILE, "limit of descriptors", FILES_MAX);
    limit(RLIMIT_FSIZE, "limit of file size", cage->memory_max); /* image files are memory */
    limit(RLIMIT_DATA, "limit of memory", cage->memory_max);
    limit(RLIMIT_MEMLOCK, "limit of locked memory", 0);
    limit(RLIMIT_MSGQUEUE, "limit of message queues", 0);
    limit(RLIMIT_RTPRIO, "limit of priority", 0);
}

/* What is left is the right to make pid namespaces for workers, inside our own user namespace. On
 * the host itself nothing is left. */
static void drop_capabilities(const struct cage *cage)
{
    const bool own_users = (cage->clone_flags & CLONE_NEWUSER) != 0;
    const uint32_t keep = own_users ? 1u << CAP_SYS_ADMIN : 0;
    for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        if ((cap < 32 && (keep >> cap & 1) != 0) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) {
            continue;
        }
        if (errno != EPERM || own_users) { /* an ordinary user has none to drop */
            fail("drop capabilities");
        }
    }
    if (!own_users && geteuid() == 0) {
        become(cage->outside_uid, cage->outside_gid); /* and the capabilities go */
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct left[2] = {{.effective = keep, .permitted = keep}, {0}};
    if (syscall(SYS_capset, &header, left) != 0) {
        fail("drop capabilities");
    }
}

static void place_descriptors(const struct cage *cage, int core_fd)
{
    int given[CAGE_GIVEN_FDS], first_closed = CORE_FD + 1;
    for (int i = 0; i < CAGE_GIVEN_FDS; i++) {
        given[i] = cage->given_fds[i];
        if (given[i] >= 0 && (given[i] = fcntl(given[i], F_DUPFD_CLOEXEC, PARKED_FD)) < 0) {
            fail("place descriptors");
        }
    }
    const int core = fcntl(core_fd, F_DUPFD_CLOEXEC, PARKED_FD);
    const int control = fcntl(control_socket, F_DUPFD_CLOEXEC, PARKED_FD);
    if (core < 0 || control < 0) {
        fail("place descriptors");
    }
    control_socket = control;
    if (dup2(control, CONTROL_FD) < 0 || dup3(core, CORE_FD, O_CLOEXEC) < 0) {
        fail("place descriptors");
    }
    control_socket = CONTROL_FD;
    for (int i = 0; i < CAGE_GIVEN_FDS && given[i] >= 0; i++) {
        if (dup2(given[i], first_closed++) < 0) {
            fail("place descriptors");
        }
    }
    if (syscall(SYS_close_range, 0, CONTROL_FD - 1, 0) != 0 ||
        syscall(SYS_close_range, first_closed, ~0u, 0) != 0) {
        fail("close descriptors");
    }
}

static void default_signals(void)
{
    for (int number = 1; number < NSIG; number++) {
        (void)signal(number, SIG_DFL); /* SIGKILL, SIGSTOP and libc's own refuse */
    }
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) {
        fail("signal mask");
    }
}

void cage_child(const struct cage *cage, int core_fd, int control, int go)
{
    control_socket = control;
    char byte;
    if (read(go, &byte, 1) != 1) {
        _exit(3); /* the parent could not prepare us, and says why itself */
    }
    default_signals();
    volunteer_for_oom();
    if ((cage->clone_flags & CLONE_NEWUSER) != 0) {
        become(IN_CAGE_ID, IN_CAGE_ID);
        forbid_user_namespaces();
    }
    if ((cage->clone_flags & CLONE_NEWUTS) != 0 && sethostname("tfaas", 5) != 0) {
        fail("host name");
    }
    if ((cage->clone_flags & CLONE_NEWNS) != 0) {
        empty_root();
    }
    set_limits(cage);
    drop_capabilities(cage);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        fail("no_new_privs");
    }
    /* Last: a change of identity would undo it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        fail("die with the parent");
    }
    place_descriptors(cage, core_fd);
    char *const environment[] = {NULL};
    (void)syscall(SYS_execveat, CORE_FD, "", cage->arguments, environment, AT_EMPTY_PATH);
    fail("execute the core");
}
