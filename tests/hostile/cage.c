/*
 * cage.c - assume escape: an attacker core (cage_core.c) runs native code in a worker of the
 * process tender and tries every system call, and, without its filter, files, network, signals.
 * Also looks at two workers from outside through /proc. Ends with "N passed, N failed".
 */
/* clang-format off */
/* needs: host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c common/ring.c common/sha384.c common/status.c core/plat/linux/filter.c tests/hostile/cage_support.c libs: sodium flags: nosan -Ihost */
/* clang-format on */
#include "cage_support.h"

#include "plat/linux/control.h"
#include "plat/linux/filter.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_SYSCALL 600

/* filter.c is linked for its list only. */
void plat_abort(const char *reason)
{
    fprintf(stderr, "%s\n", reason);
    exit(99);
}

/* --- every system call number --- */

enum listed { NOT_LISTED, LISTED, LISTED_REFUSED };

static enum listed listed(int number)
{
    size_t count;
    const struct filter_rule *rules = filter_rules(&count);
    for (size_t i = 0; i < count; i++) {
        if (rules[i].number == number && rules[i].who == WORKER) {
            return filter_refuses(&rules[i]) ? LISTED_REFUSED : LISTED;
        }
    }
    return NOT_LISTED;
}

/* Linux 6.11 and 6.18 let these two past every filter: only the kernel's own probe pages can use
 * them. They end in SIGILL or ENXIO anywhere else. */
static bool is_the_kernels_own(int number)
{
    return number == 335 || number == 336; /* uretprobe, uprobe */
}

static void every_other_call_kills(struct tender *tender)
{
    unsigned killed = 0, tried = 0;
    for (int number = 0; number <= LAST_SYSCALL; number++) {
        if (listed(number) != NOT_LISTED) {
            continue;
        }
        for (int with_ones = 0; with_ones < 2; with_ones++) {
            struct attack_command command = {.attack = ATTACK_SYSCALL, .args = {(uint64_t)number}};
            for (int i = 1; with_ones && i < 7; i++) {
                command.args[i] = UINT64_MAX;
            }
            tried++;
            if (is_the_kernels_own(number)) {
                const char *how = attack_ending(tender, &command);
                killed += strstr(how, "SIGSYS") != NULL || strcmp(how, "it lives: -6") == 0 ||
                          strncmp(how, "exit 70", 7) == 0;
            } else if (attack_kills(tender, &command)) {
                killed++;
            } else {
                fprintf(stderr, "system call %d did not kill the worker: %s\n", number,
                        last_ending());
            }
        }
    }
    check(killed == tried, "all %u calls outside the list kill the worker (%u did)", tried, killed);
}

/* A second copy on purpose: whoever adds a system call to the core changes this line too. */
static const int expected[] = {SYS_write,        SYS_read,        SYS_ppoll,      SYS_rt_sigreturn,
                               SYS_setitimer,    SYS_mprotect,    SYS_mmap,       SYS_munmap,
                               SYS_mremap,       SYS_brk,         SYS_ftruncate,  SYS_memfd_create,
                               SYS_pwrite64,     SYS_fcntl,       SYS_close,      SYS_getrandom,
                               SYS_rt_sigaction, SYS_sigaltstack, SYS_arch_prctl, SYS_exit_group};
#define EXPECTED (sizeof(expected) / sizeof(expected[0]))

static void the_list_is_the_expected_one(void)
{
    unsigned numbers = 0;
    bool all = true;
    for (int number = 0; number <= LAST_SYSCALL; number++) {
        numbers += listed(number) == LISTED;
    }
    for (size_t i = 0; i < EXPECTED; i++) {
        all = all && listed(expected[i]) == LISTED;
    }
    check(all && numbers == EXPECTED && EXPECTED <= 20,
          "a worker may make the %u expected system calls (it has %u)", (unsigned)EXPECTED,
          numbers);
}

static void other_entries_kill(struct tender *tender)
{
    const struct attack_command x32 = {.attack = ATTACK_SYSCALL_X32, .args = {SYS_exit_group}};
    const struct attack_command int80 = {.attack = ATTACK_SYSCALL_INT80, .args = {SYS_brk}};
    check(attack_kills(tender, &x32), "exit_group by its x32 number kills");
    check(attack_kills(tender, &int80), "brk's number through int 0x80, where it is chdir, kills");
}

static void pinned_arguments_kill(struct tender *tender)
{
    static const struct {
        const char *what;
        uint64_t call[7];
    } cases[] = {
        {"write to our own doorbell", {SYS_write, 3, 0, 0}},
        {"write to standard output", {SYS_write, 1, 0, 0}},
        {"read the host's doorbell", {SYS_read, 4, 0, 0}},
        {"read standard input", {SYS_read, 0, 0, 0}},
        {"duplicate a descriptor", {SYS_fcntl, 3, F_DUPFD, 10}},
        {"change a descriptor's flags", {SYS_fcntl, 4, F_SETFL, 0}},
        {"make memory writable and executable",
         {SYS_mprotect, 0x10000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC}},
        {"map executable memory",
         {SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0}},
        {"map shared memory",
         {SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, UINT64_MAX, 0}},
        {"move memory to a fixed place", {SYS_mremap, 0, 4096, 4096, MREMAP_MAYMOVE | 2, 0}},
        {"make a file that cannot be sealed", {SYS_memfd_create, 0, MFD_CLOEXEC}},
        {"make a huge page file", {SYS_memfd_create, 0, MFD_HUGETLB | MFD_CLOEXEC}},
        {"set another timer", {SYS_setitimer, 1, 0, 0}},
        {"take entropy without waiting", {SYS_getrandom, 0, 0, 1}},
        {"set the GS base", {SYS_arch_prctl, 0x1001, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct attack_command command = {.attack = ATTACK_SYSCALL};
        memcpy(command.args, cases[i].call, sizeof(command.args));
        check(attack_kills(tender, &command), "%s kills", cases[i].what);
    }
}

static void what_is_allowed_works(struct tender *tender)
{
    struct tender_worker worker;
    if (!start_worker(tender, &worker)) {
        return;
    }
    const struct attack_command image = {.attack = ATTACK_IMAGE};
    const struct attack_command sysinfo = {.attack = ATTACK_SYSCALL, .args = {SYS_sysinfo}};
    const struct attack_command seals = {.attack = ATTACK_SYSCALL,
                                         .args = {SYS_fcntl, 3, F_ADD_SEALS, 0}};
    int64_t result = -1;
    check(run_attack(&worker, &image, &result) && result == 0, "an image can be made and mapped");
    check(run_attack(&worker, &sysinfo, &result) && result == -ENOSYS,
          "a refused call answers ENOSYS");
    check(run_attack(&worker, &seals, &result) && result == -EINVAL, "a doorbell cannot be sealed");
    stop_worker(tender, &worker);
}

/* --- how workers end --- */

static void endings_are_named(struct tender *tender)
{
    static const struct {
        struct attack_command command;
        const char *how;
    } cases[] = {
        {{.attack = ATTACK_SYSCALL, .args = {SYS_exit_group, 0}}, "exit 0"},
        {{.attack = ATTACK_SYSCALL, .args = {SYS_exit_group, 9}}, "exit 9"},
        {{.attack = ATTACK_SYSCALL, .args = {SYS_getpid}},
         "killed by SIGSYS (system call not allowed)"},
        {{.attack = ATTACK_FAULT}, "exit 70 (fault in the core)"},
        {{.attack = ATTACK_ABORT}, "exit 70 (fault in the core)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *how = attack_ending(tender, &cases[i].command);
        check(strcmp(how, cases[i].how) == 0, "an end is told as \"%s\" (was \"%s\")", cases[i].how,
              how);
    }
    struct tender_worker worker;
    if (start_worker(tender, &worker)) {
        kill(worker.pid, SIGKILL);
        check(wait_exit(&worker) && strcmp(ending(tender, &worker), "killed by SIGKILL") == 0,
              "kill -9 is told as such (was \"%s\")", last_ending());
        stop_worker(tender, &worker);
    }
}

static void many_workers_at_once(struct tender *tender)
{
    enum { COUNT = 20 };
    struct tender_worker workers[COUNT];
    bool right = true;
    for (int i = 0; i < COUNT; i++) {
        right = start_worker(tender, &workers[i]) && right;
    }
    const struct attack_command none = {.attack = ATTACK_NONE};
    const struct attack_command leave = {.attack = ATTACK_SYSCALL, .args = {SYS_exit_group, 5}};
    for (int i = 0; i < COUNT; i += 2) {
        int64_t result;
        right = !run_attack(&workers[i], &leave, &result) && right;
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        int64_t result = -1;
        if (i % 2 == 0) {
            right = strcmp(ending(tender, &workers[i]), "exit 5") == 0 && right;
        } else {
            right = run_attack(&workers[i], &none, &result) && result == 0 && right;
        }
        stop_worker(tender, &workers[i]);
    }
    check(right, "twenty workers at once end each in its own way, the others go on");
}

static void memory_is_bounded(const char *core)
{
    struct tender *tender = start_tender(core, UINT64_C(64) << 20);
    struct tender_worker worker;
    if (tender == NULL || !start_worker(tender, &worker)) {
        return;
    }
    const struct attack_command greedy = {.attack = ATTACK_ALLOCATE, .args = {200}};
    int64_t result = -1;
    const bool answered = run_attack(&worker, &greedy, &result);
    check(answered && result > 20 && result < 64,
          "a 64 MiB worker gets no more than that (it got %d MiB)", (int)result);
    stop_worker(tender, &worker);
    tender_process.stop(tender);
}

static void a_dead_zygote_is_replaced(const char *core)
{
    struct tender *tender = start_tender(core, 0);
    struct tender_worker worker, next;
    if (tender == NULL || !start_worker(tender, &worker)) {
        return;
    }
    const int zygote = parent_of(worker.pid);
    check(zygote > 1 && kill(zygote, SIGKILL) == 0, "the zygote can be found and killed");
    check(wait_exit(&worker), "its workers die with it");
    check(strncmp(ending(tender, &worker), "killed together", 15) == 0 ||
              strcmp(last_ending(), "killed by SIGKILL") == 0,
          "their end says so (was \"%s\")", last_ending());
    stop_worker(tender, &worker);
    int64_t result = -1;
    const struct attack_command none = {.attack = ATTACK_NONE};
    check(start_worker(tender, &next) && run_attack(&next, &none, &result) && result == 0,
          "the next launch starts another");
    stop_worker(tender, &next);
    tender_process.stop(tender);
}

/* --- from outside --- */

static const char *link_of(int pid, const char *name)
{
    static char target[4][256];
    static unsigned turn;
    char *to = target[turn++ % 4];
    char path[128];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    const ssize_t size = readlink(path, to, 255);
    to[size < 0 ? 0 : size] = '\0';
    return to;
}

static bool status_has(int pid, const char *line)
{
    char path[64], have[256];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    bool found = false;
    while (file != NULL && !found && fgets(have, sizeof(have), file) != NULL) {
        found = strncmp(have, line, strlen(line)) == 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static void descriptors_are_two(int pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    unsigned count = 0;
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        closedir(folder);
    }
    check(count == 2 && strcmp(link_of(pid, "fd/3"), "anon_inode:[eventfd]") == 0 &&
              strcmp(link_of(pid, "fd/4"), "anon_inode:[eventfd]") == 0,
          "a worker holds two doorbells and nothing else (it holds %u)", count);
}

/* Identity of the one shared mapping: "dev inode", or "" if there is not exactly one. */
static void window_of(int pid, char to[64])
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "r");
    unsigned shared = 0;
    to[0] = '\0';
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        char rights[8], device[16], inode[24];
        if (sscanf(line, "%*s %7s %*s %15s %23s", rights, device, inode) == 3 && rights[3] == 's') {
            shared++;
            snprintf(to, 64, "%s %s", device, inode);
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    if (shared != 1) {
        to[0] = '\0';
    }
}

/* Which eventfd a descriptor is. */
static long bell_id(int pid, int fd)
{
    char path[64], line[128];
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
    FILE *file = fopen(path, "r");
    long id = -1;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "eventfd-id: %ld", &id) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return id;
}

static void writable_and_executable_never(int pid)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "r");
    unsigned both = 0, lines = 0;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        char rights[8];
        if (sscanf(line, "%*s %7s", rights) == 1) {
            lines++;
            both += rights[1] == 'w' && rights[2] == 'x';
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    check(lines > 0 && both == 0, "no memory of a worker is writable and executable");
}

static void two_workers_share_nothing(struct tender *tender)
{
    struct tender_worker a, b;
    if (!start_worker(tender, &a) || !start_worker(tender, &b)) {
        return;
    }
    const struct attack_command none = {.attack = ATTACK_NONE};
    int64_t result;
    check(run_attack(&a, &none, &result) && run_attack(&b, &none, &result), "both serve");
    const int us = (int)getpid();
    check(a.pid != b.pid && a.pid > 0 && b.pid > 0, "two workers are two processes");
    check(strcmp(link_of(a.pid, "ns/pid"), link_of(b.pid, "ns/pid")) != 0,
          "each in a pid namespace of its own");
    static const char *const kept_apart[] = {"ns/pid", "ns/user", "ns/net",
                                             "ns/ipc", "ns/mnt",  "ns/uts"};
    for (size_t i = 0; i < sizeof(kept_apart) / sizeof(kept_apart[0]); i++) {
        check(strcmp(link_of(a.pid, kept_apart[i]), link_of(us, kept_apart[i])) != 0,
              "%s differs from the host's", kept_apart[i]);
    }
    descriptors_are_two(a.pid);
    descriptors_are_two(b.pid);
    char window_a[64], window_b[64];
    window_of(a.pid, window_a);
    window_of(b.pid, window_b);
    check(window_a[0] != '\0' && window_b[0] != '\0' && strcmp(window_a, window_b) != 0,
          "each has one shared mapping, its window (%s and %s)", window_a, window_b);
    const long ids[] = {bell_id(a.pid, 3), bell_id(a.pid, 4), bell_id(b.pid, 3), bell_id(b.pid, 4)};
    bool distinct = true;
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            distinct = distinct && ids[i] >= 0 && ids[i] != ids[j];
        }
    }
    check(distinct, "four different doorbells");
    writable_and_executable_never(a.pid);
    check(status_has(a.pid, "CapEff:\t0000000000000000") &&
              status_has(a.pid, "CapPrm:\t0000000000000000") &&
              status_has(a.pid, "CapInh:\t0000000000000000"),
          "a worker has no capabilities");
    check(status_has(a.pid, "NoNewPrivs:\t1"), "no_new_privs is set");
    check(status_has(a.pid, "Seccomp:\t2"), "seccomp filters it");
    check(status_has(a.pid, "Threads:\t1"), "it has one thread");
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/root", a.pid);
    DIR *root = opendir(path);
    unsigned entries = 0;
    const struct dirent *entry;
    while (root != NULL && (entry = readdir(root)) != NULL) {
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    check(root != NULL && entries == 0, "its root is empty");
    if (root != NULL) {
        closedir(root);
    }
    kill(a.pid, SIGKILL);
    check(wait_exit(&a) && run_attack(&b, &none, &result), "one dies, the other serves");
    stop_worker(tender, &a);
    stop_worker(tender, &b);
}

/* --- the walls without the filter --- */

static int listen_on_loopback(uint16_t *port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

static void refused(struct tender_worker *worker, const char *what, int number,
                    const uint64_t args[6])
{
    struct attack_command command = {.attack = ATTACK_SYSCALL, .args = {(uint64_t)number}};
    memcpy(&command.args[1], args, 6 * sizeof(args[0]));
    int64_t result = 0;
    const bool answered = run_attack(worker, &command, &result);
    check(answered && result < 0, "without the filter: %s is refused (%s)", what,
          result < 0 ? strerror((int)-result) : "it worked");
}

static void other_walls_hold_alone(const char *core)
{
    struct tender *tender = start_tender(core, 0);
    struct tender_worker worker, neighbour;
    if (tender == NULL || !start_worker(tender, &worker) || !start_worker(tender, &neighbour)) {
        return;
    }
    check(!status_has(worker.pid, "Seccomp:\t2"), "the attacker's core has no filter");
    int64_t result = 0;
    static const char *const files[] = {"/etc/passwd", "/proc/self/status", "/", "/dev/null", "."};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct attack_command open_file = {.attack = ATTACK_FILE};
        snprintf(open_file.text, sizeof(open_file.text), "%s", files[i]);
        check(run_attack(&worker, &open_file, &result) && result < 0,
              "without the filter: %s cannot be opened", files[i]);
    }
    uint16_t port = 0;
    const int listener = listen_on_loopback(&port);
    const struct attack_command network = {.attack = ATTACK_CONNECT, .args = {port}};
    check(listener >= 0 && run_attack(&worker, &network, &result) && result < 0,
          "without the filter: the host's network is out of reach");
    close(listener);
    refused(&worker, "ptrace of the host's test", SYS_ptrace,
            (const uint64_t[6]){16, (uint64_t)getpid()});
    refused(&worker, "a signal to the host's test", SYS_kill,
            (const uint64_t[6]){(uint64_t)getpid(), 0});
    refused(&worker, "a signal to the neighbour", SYS_kill,
            (const uint64_t[6]){(uint64_t)neighbour.pid, 0});
    static const char secret = 's';
    const struct attack_command read_test = {
        .attack = ATTACK_READ_OTHER, .args = {(uint64_t)getpid(), (uint64_t)(uintptr_t)&secret}};
    const struct attack_command read_neighbour = {
        .attack = ATTACK_READ_OTHER,
        .args = {(uint64_t)neighbour.pid, (uint64_t)(uintptr_t)&secret}};
    check(run_attack(&worker, &read_test, &result) && result == -ESRCH,
          "without the filter: the host's memory cannot be read");
    check(run_attack(&worker, &read_neighbour, &result) && result == -ESRCH,
          "without the filter: the neighbour's memory cannot be read");
    const struct attack_command mount = {.attack = ATTACK_MOUNT};
    check(run_attack(&worker, &mount, &result) && result == -EPERM,
          "without the filter: nothing can be mounted");
    refused(&worker, "a new user namespace", SYS_unshare, (const uint64_t[6]){0x10000000});
    refused(&worker, "a further process", SYS_clone, (const uint64_t[6]){SIGCHLD});
    refused(&worker, "a raw kernel log", SYS_syslog, (const uint64_t[6]){3, 0, 0});
    const struct attack_command kill_all = {.attack = ATTACK_KILL_ALL};
    check(run_attack(&worker, &kill_all, &result) && result == -ESRCH,
          "without the filter: kill(-1) finds nobody");
    const struct attack_command none = {.attack = ATTACK_NONE};
    check(run_attack(&neighbour, &none, &result) && result == 0, "the neighbour serves on");
    stop_worker(tender, &worker);
    stop_worker(tender, &neighbour);
    tender_process.stop(tender);
}

/* --- kernels that refuse a layer --- */

static bool write_text(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* In a child that the kernel gives no user namespaces, and, `powerless`, no capability either. The
 * exit code says where it failed. */
static int start_in_weaker_place(const char *core, bool powerless, int ready, int go)
{
    char byte;
    if (unshare(CLONE_NEWUSER) != 0 || write(ready, "", 1) != 1 || read(go, &byte, 1) != 1 ||
        !write_text("/proc/sys/user/max_user_namespaces", "0")) {
        return 1;
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}, {0}};
    if (powerless && syscall(SYS_capset, &header, none) != 0) {
        return 2;
    }
    char why[512];
    if (tender_process.probe(why, sizeof(why)) || strstr(why, "user namespace: ") == NULL ||
        (strstr(why, "pid namespace: ") != NULL) != powerless) {
        return 3;
    }
    struct tender_options options = {.core_path = core};
    struct tfaas_error error = {0};
    struct tender *tender = NULL;
    char layers[256];
    if (tender_process.start(&options, &tender, layers, sizeof(layers), &error) == TFAAS_OK ||
        strstr(error.text, "user namespace") == NULL) {
        return 4;
    }
    options.allow_weaker_sandbox = true;
    if (tender_process.start(&options, &tender, layers, sizeof(layers), &error) != TFAAS_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 5;
    }
    if (strstr(layers, "user namespace") != NULL || strstr(layers, "seccomp") == NULL) {
        return 6;
    }
    const struct attack_command open_file = {.attack = ATTACK_FILE, .text = "/etc/passwd"};
    const struct attack_command none_at_all = {.attack = ATTACK_NONE};
    struct tender_worker worker;
    int64_t result = -1;
    if (!start_worker(tender, &worker) || !run_attack(&worker, &none_at_all, &result)) {
        return 7;
    }
    if (!status_has(worker.pid, "CapEff:\t0000000000000000") ||
        !status_has(worker.pid, "Seccomp:\t2")) {
        return 8;
    }
    stop_worker(tender, &worker);
    const bool killed = attack_kills(tender, &open_file);
    if (!powerless) {
        tender_process.stop(tender);
        return killed ? 0 : 9;
    }
    /* End as a daemon that is killed does: without a word to its cores. */
    if (!killed || !start_worker(tender, &worker) || !run_attack(&worker, &none_at_all, &result) ||
        write(ready, &worker.pid, sizeof(worker.pid)) != sizeof(worker.pid)) {
        return 9;
    }
    return 0;
}

static bool ends_soon(int pid)
{
    for (int i = 0; i < 6000; i++) {
        if (kill(pid, 0) != 0) {
            return true;
        }
        usleep(10000);
    }
    kill(pid, SIGKILL);
    return false;
}

static void missing_layers_are_told(const char *core, bool powerless)
{
    int ready[2], go[2], status = -1;
    char byte, path[64];
    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) {
        check(false, "pipes");
        return;
    }
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(start_in_weaker_place(core, powerless, ready[1], go[0]));
    }
    bool mapped = read(ready[0], &byte, 1) == 1;
    if (!powerless) { /* all users as they are: root there is root here */
        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
        mapped = write_text(path, "0 0 4294967295") && mapped;
        snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
        mapped = write_text(path, "0 0 4294967295") && mapped;
    }
    check(mapped && write(go[1], "", 1) == 1, "a place with less to use is made");
    waitpid(pid, &status, 0);
    int left = 0;
    if (powerless && status == 0) {
        check(read(ready[0], &left, sizeof(left)) == sizeof(left) && left > 0 && ends_soon(left),
              "without a pid namespace too a core does not outlive its daemon (%d)", left);
    }
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    check(status == 0,
          "without %s the tender refuses by name, and starts a weaker cage when told to (step %d)",
          powerless ? "any namespace" : "user namespaces", status >> 8);
}

static void a_core_that_fails_is_told(void)
{
    struct tfaas_error error = {0};
    struct tender *tender = NULL;
    char layers[256];
    struct tender_options options = {.core_path = "/nonexistent/core"};
    check(tender_process.start(&options, &tender, layers, sizeof(layers), &error) ==
                  TFAAS_UNAVAILABLE &&
              strstr(error.text, "/nonexistent/core") != NULL,
          "a core that is not there is named: %s", error.text);
    options.core_path = "/etc/passwd";
    check(tender_process.start(&options, &tender, layers, sizeof(layers), &error) ==
              TFAAS_UNAVAILABLE,
          "a file that is no program is refused: %s", error.text);
    options.core_path = "/bin/false";
    check(tender_process.start(&options, &tender, layers, sizeof(layers), &error) ==
              TFAAS_UNAVAILABLE,
          "a program that is no core is refused: %s", error.text);
}

/* How long a start takes is measured by bench-core (worker_start_ms). */
static void workers_start_again_and_again(struct tender *tender)
{
    unsigned right = 0;
    for (int i = 0; i < 51; i++) {
        const struct attack_command none = {.attack = ATTACK_NONE};
        struct tender_worker worker;
        int64_t result;
        right += start_worker(tender, &worker) && run_attack(&worker, &none, &result);
        stop_worker(tender, &worker);
    }
    check(right == 51, "every worker of many, one after the other, answers (%u of 51)", right);
}

int main(void)
{
    const char *core = sibling_path("cage_core");
    struct tender *tender = start_tender(core, 0);
    if (tender != NULL) {
        the_list_is_the_expected_one();
        what_is_allowed_works(tender);
        every_other_call_kills(tender);
        other_entries_kill(tender);
        pinned_arguments_kill(tender);
        endings_are_named(tender);
        many_workers_at_once(tender);
        two_workers_share_nothing(tender);
        workers_start_again_and_again(tender);
        tender_process.stop(tender);
        memory_is_bounded(core);
        a_dead_zygote_is_replaced(core);
        if (geteuid() == 0) { /* only root can be in a user namespace and still be root */
            missing_layers_are_told(core, false);
        }
        missing_layers_are_told(core, true);
        a_core_that_fails_is_told();
        other_walls_hold_alone(sibling_path("cage_core_without_filter"));
    }
    return report();
}
