/*
 * build_c.c - compiles a C function to Wasm in a child that is confined before it reads a byte of
 * the stranger's source: an #include or .incbin must not reach the daemon's keys. Landlock leaves
 * it the compiler's own files, the source (read) and a scratch folder; seccomp takes sockets away;
 * limits on CPU, memory, file size, output and time. Without Landlock nothing is compiled.
 */
#define _GNU_SOURCE /* memmem, asprintf, pipe2 */
#include "build_internal.h"
#include "package.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMPILE_SECONDS 60
#define COMPILE_MEMORY  (3ull << 30)
#define MODULE_MAX      (32u << 20)
#define OUTPUT_MAX      (32u << 10)
#define SOURCES_MAX     500u
#define FIXED_ARGUMENTS 20u

static const char compiler[] = "/usr/bin/clang";
static const char linker[] = "/usr/bin/wasm-ld";
static const char library[] = "/usr/lib/wasm32-wasi/libc.a";

static unsigned children;

struct build_child {
    int work_fd;     /* STATE/build */
    char folder[24]; /* name in it */
    int folder_fd;
    pid_t pid;
    int pid_fd, output_fd, timer_fd, epoll_fd;
    char *output;
    size_t output_size;
    bool output_cut;
};

bool build_c_available(void)
{
    return access(compiler, X_OK) == 0 && access(linker, X_OK) == 0 && access(library, R_OK) == 0;
}

/* --- folders --- */

int build_empty_folder(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    int result = 0;
    if (!folder) {
        result = -errno;
        if (copy >= 0)
            close(copy);
        return result;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (inner >= 0) { /* depth is bounded by the path bound of packages */
            (void)build_empty_folder(inner);
            close(inner);
        }
        if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) != 0 && result == 0)
            result = -errno;
    }
    closedir(folder);
    return result;
}

static int write_file(int folder_fd, const char *path, const uint8_t *data, size_t size)
{
    int fd = openat(folder_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int result = 0;
    while (size > 0 && result == 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            result = -errno;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    close(fd);
    return result;
}

/* Makes the folders in front of a (clean, relative) path, then the file. */
static int write_source(int folder_fd, const struct build_file *file)
{
    char path[PACKAGE_PATH_MAX + 1];
    (void)snprintf(path, sizeof path, "%s", file->path);
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdirat(folder_fd, path, 0700) != 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return write_file(folder_fd, path, file->data, file->size);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), length = strlen(end);
    return size > length && strcmp(text + size - length, end) == 0;
}

static tfaas_status_t write_sources(struct build_child *child, const struct build_tar *tar,
                                    struct tfaas_error *error)
{
    static const char *const folders[] = {"src", "out", "tmp"};
    for (size_t i = 0; i < 3; i++)
        if (mkdirat(child->folder_fd, folders[i], 0700) != 0)
            return error_errno(error, errno == ENOSPC ? TFAAS_NO_SPACE : TFAAS_INTERNAL, errno,
                               "cannot make a build folder");
    int source = openat(child->folder_fd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0)
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot open a build folder");
    tfaas_status_t status = TFAAS_OK;
    for (size_t i = 0; i < tar->file_count && status == TFAAS_OK; i++) {
        int result = write_source(source, &tar->files[i]);
        if (result == -ENAMETOOLONG)
            status = error_set(error, TFAAS_BAD_PACKAGE, "file name too long: %.200s",
                               tar->files[i].path);
        else if (result != 0)
            status = error_errno(error, result == -ENOSPC ? TFAAS_NO_SPACE : TFAAS_INTERNAL,
                                 -result, "cannot write source %.200s", tar->files[i].path);
    }
    close(source);
    return status;
}

/* --- the command --- */

/* A source that names tfaas_handle is a reactor (SPECIFICATION: guest interface), else a command.
 */
static bool is_reactor(const struct build_tar *tar)
{
    static const char name[] = "tfaas_handle";
    for (size_t i = 0; i < tar->file_count; i++)
        if (ends_with(tar->files[i].path, ".c") &&
            memmem(tar->files[i].data, tar->files[i].size, name, sizeof name - 1))
            return true;
    return false;
}

static void command_free(char **arguments)
{
    for (char **a = arguments; a && *a; a++)
        free(*a);
    free(arguments);
}

/* NULL with error: too many sources, or no memory. */
static char **command_make(const struct build_tar *tar, struct tfaas_error *error)
{
    static const char *const common[] = {"clang",
                                         "--target=wasm32-wasi",
                                         "-std=gnu11",
                                         "-O2",
                                         "-Wall",
                                         "-I.",
                                         "-fno-color-diagnostics",
                                         "-Wl,-z,stack-size=65536",
                                         "-Wl,--strip-debug",
                                         "-o",
                                         "../out/function.wasm"};
    static const char *const reactor[] = {"-mexec-model=reactor", "-Wl,--export=tfaas_handle",
                                          "-Wl,--export-if-defined=tfaas_load"};
    char **arguments = calloc(FIXED_ARGUMENTS + SOURCES_MAX, sizeof *arguments);
    size_t count = 0, sources = 0;
    bool failed = !arguments;
    for (size_t i = 0; !failed && i < sizeof common / sizeof *common; i++)
        failed = (arguments[count++] = strdup(common[i])) == NULL;
    for (size_t i = 0; !failed && is_reactor(tar) && i < sizeof reactor / sizeof *reactor; i++)
        failed = (arguments[count++] = strdup(reactor[i])) == NULL;
    for (size_t i = 0; !failed && i < tar->file_count; i++) {
        if (!ends_with(tar->files[i].path, ".c"))
            continue;
        if (++sources > SOURCES_MAX) {
            error_set(error, TFAAS_TOO_LARGE, "more than %u C files", SOURCES_MAX);
            command_free(arguments);
            return NULL;
        }
        /* "./" in front: a file named -x must not be an option */
        failed = asprintf(&arguments[count], "./%s", tar->files[i].path) < 0;
        if (failed)
            arguments[count] = NULL;
        count++;
    }
    if (!failed)
        return arguments;
    command_free(arguments);
    error_set(error, TFAAS_NO_SPACE, "out of memory");
    return NULL;
}

/* --- the cage; from here to the exec everything runs in the child, async-signal-safe only --- */

static void __attribute__((noreturn)) child_fail(const char *what)
{
    static const char head[] = "tfaas: cannot confine the compiler: ";
    ssize_t n = write(2, head, sizeof head - 1);
    n = write(2, what, strlen(what));
    n = write(2, "\n", 1);
    (void)n;
    _exit(126);
}

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_SCRATCH                                                                                 \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                       \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define FS_ALL ((1u << 13) - 1) /* every right of Landlock ABI 1; later ones are not needed */

static void allow(int ruleset, int base_fd, const char *path, uint64_t access)
{
    int fd = openat(base_fd, path, O_PATH | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) /* not on this system */
        return;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (fd < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
        child_fail("Landlock rule refused");
    close(fd);
}

static void cage_files(int folder_fd)
{
    struct landlock_ruleset_attr attributes = {.handled_access_fs = FS_ALL};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes,
                               sizeof attributes.handled_access_fs, 0);
    if (ruleset < 0)
        child_fail("this kernel has no Landlock; send a ready .wasm instead");
    uint64_t programs = FS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
    /* Not all of /usr: somebody's files, the state folder too, may lie below /usr/local. */
    static const char *const folders[] = {"/usr/bin",     "/usr/lib", "/usr/lib64",
                                          "/usr/include", "/lib",     "/lib64"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        allow(ruleset, AT_FDCWD, folders[i], programs);
    allow(ruleset, AT_FDCWD, "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE);
    allow(ruleset, AT_FDCWD, "/dev/null",
          LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow(ruleset, folder_fd, "src", FS_READ);
    allow(ruleset, folder_fd, "out", FS_SCRATCH);
    allow(ruleset, folder_fd, "tmp", FS_SCRATCH);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        child_fail("Landlock refused");
    close(ruleset);
}

#define DENY(name)                                                                                 \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (name), 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static void cage_calls(void)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), /* x32 */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        DENY(SYS_socket),            /* no network */
        DENY(SYS_socketpair),        /* nor local sockets */
        DENY(SYS_io_uring_setup),    /* a way around this list */
        DENY(SYS_ptrace),            /* other processes of this user */
        DENY(SYS_process_vm_readv),  /* the same */
        DENY(SYS_process_vm_writev), /* the same */
        DENY(SYS_pidfd_getfd),       /* their descriptors */
        DENY(SYS_kill),              /* nor signals to them */
        DENY(SYS_keyctl),            /* kernel keys */
        DENY(SYS_add_key),           /* the same */
        DENY(SYS_request_key),       /* the same */
        DENY(SYS_bpf),               /* kernel surface a compiler has no use for */
        DENY(SYS_perf_event_open),   /* the same */
        DENY(SYS_userfaultfd),       /* the same */
        DENY(SYS_unshare),           /* the same */
        DENY(SYS_mount),             /* the same */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        child_fail("seccomp refused");
}

static void limit(int what, rlim_t value)
{
    struct rlimit bound = {value, value};
    if (setrlimit((__rlimit_resource_t)what, &bound) != 0)
        child_fail("a resource limit was refused");
}

static void __attribute__((noreturn)) child_run(const struct build_child *child, int output,
                                                pid_t parent, char **arguments, char **environment)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (setpgid(0, 0) != 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(126);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        child_fail("tfaasd is gone");
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0)
        child_fail("no /dev/null");
    int folder = child->folder_fd == 3 ? 3 : dup2(child->folder_fd, 3);
    if (folder < 0)
        child_fail("build folder");
    if (syscall(SYS_close_range, 4u, ~0u, 0u) != 0)
        child_fail("close_range refused");
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, COMPILE_SECONDS);
    limit(RLIMIT_AS, COMPILE_MEMORY);
    limit(RLIMIT_FSIZE, MODULE_MAX * 2u);
    limit(RLIMIT_NOFILE, 256);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        child_fail("no_new_privs refused");
    if (fchdir(folder) != 0 || chdir("src") != 0)
        child_fail("build folder");
    cage_files(folder);
    cage_calls();
    close(folder);
    execve(compiler, arguments, environment);
    child_fail("cannot run the compiler");
}

/* --- starting --- */

static tfaas_status_t watch(struct build_child *child, struct tfaas_error *error)
{
    struct itimerspec limit_time = {.it_value = {.tv_sec = COMPILE_SECONDS}};
    child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    child->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    child->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (child->pid_fd < 0 || child->timer_fd < 0 || child->epoll_fd < 0 ||
        timerfd_settime(child->timer_fd, 0, &limit_time, NULL) != 0)
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot watch the compiler");
    int watched[] = {child->pid_fd, child->timer_fd, child->output_fd};
    for (size_t i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[i]};
        if (epoll_ctl(child->epoll_fd, EPOLL_CTL_ADD, watched[i], &event) != 0)
            return error_errno(error, TFAAS_INTERNAL, errno, "cannot watch the compiler");
    }
    return TFAAS_OK;
}

static tfaas_status_t start_compiler(struct build_child *child, char **arguments,
                                     struct tfaas_error *error)
{
    char *environment[] = {"PATH=/usr/bin", "LC_ALL=C", "HOME=/nonexistent", "TMPDIR=../tmp", NULL};
    int pipe_fds[2];
    pid_t parent = getpid();
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot make a pipe");
    child->output_fd = pipe_fds[0];
    (void)fcntl(child->output_fd, F_SETFL, O_NONBLOCK);
    child->pid = fork();
    if (child->pid == 0)
        child_run(child, pipe_fds[1], parent, arguments, environment);
    int saved = errno;
    close(pipe_fds[1]);
    if (child->pid < 0)
        return error_errno(error, TFAAS_INTERNAL, saved, "cannot start the compiler");
    (void)setpgid(child->pid, child->pid); /* whoever is first */
    return watch(child, error);
}

static tfaas_status_t make_folder(struct build_child *child, const char *work_dir,
                                  struct tfaas_error *error)
{
    static unsigned serial;
    if (mkdir(work_dir, 0700) != 0 && errno != EEXIST)
        return error_errno(error, errno == ENOSPC ? TFAAS_NO_SPACE : TFAAS_INTERNAL, errno,
                           "cannot make %s", work_dir);
    child->work_fd = open(work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (child->work_fd < 0)
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot open %s", work_dir);
    for (int tries = 0; tries < 100; tries++) {
        (void)snprintf(child->folder, sizeof child->folder, "job-%u", ++serial);
        if (mkdirat(child->work_fd, child->folder, 0700) == 0) {
            child->folder_fd =
                openat(child->work_fd, child->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (child->folder_fd >= 0)
                return TFAAS_OK;
        }
        if (errno != EEXIST)
            break;
    }
    int saved = errno;
    child->folder[0] = 0;
    return error_errno(error, saved == ENOSPC ? TFAAS_NO_SPACE : TFAAS_INTERNAL, saved,
                       "cannot make a folder in %s", work_dir);
}

tfaas_status_t build_c_start(const struct build_tar *tar, const char *work_dir,
                             struct build_child **out, struct tfaas_error *error)
{
    *out = NULL;
    if (children >= BUILD_CHILDREN_MAX)
        return error_set(error, TFAAS_BUSY, "%u C functions are being compiled already", children);
    struct build_child *child = calloc(1, sizeof *child);
    if (!child)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    children++;
    child->work_fd = child->folder_fd = child->pid_fd = -1;
    child->output_fd = child->timer_fd = child->epoll_fd = -1;
    child->pid = -1;
    child->output = malloc(OUTPUT_MAX + 1);
    char **arguments = command_make(tar, error);
    tfaas_status_t status = arguments ? TFAAS_OK : error->status;
    if (status == TFAAS_OK && !child->output)
        status = error_set(error, TFAAS_NO_SPACE, "out of memory");
    if (status == TFAAS_OK)
        status = make_folder(child, work_dir, error);
    if (status == TFAAS_OK)
        status = write_sources(child, tar, error);
    if (status == TFAAS_OK)
        status = start_compiler(child, arguments, error);
    command_free(arguments);
    if (status != TFAAS_OK) {
        build_c_free(child);
        return status;
    }
    *out = child;
    return TFAAS_OK;
}

int build_c_fd(const struct build_child *child)
{
    return child->epoll_fd;
}

/* --- running and ending --- */

static void take_output(struct build_child *child)
{
    char waste[4096];
    for (int rounds = 0; rounds < 64; rounds++) { /* a flood must not hold the event loop */
        size_t left = OUTPUT_MAX - child->output_size;
        char *to = left ? child->output + child->output_size : waste;
        ssize_t n = read(child->output_fd, to, left ? left : sizeof waste);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0) /* its end is told by the process, not by the pipe */
            (void)epoll_ctl(child->epoll_fd, EPOLL_CTL_DEL, child->output_fd, NULL);
        if (n <= 0)
            return;
        if (left)
            child->output_size += (size_t)n;
        else
            child->output_cut = true;
    }
}

static tfaas_status_t take_module(struct build_child *child, uint8_t **module, size_t *size,
                                  struct tfaas_error *error)
{
    struct stat st;
    int fd = openat(child->folder_fd, "out/function.wasm", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        return error_set(error, TFAAS_INTERNAL, "the compiler left no module");
    }
    tfaas_status_t status = TFAAS_OK;
    size_t want = (size_t)st.st_size, got = 0;
    if (want > MODULE_MAX)
        status = error_set(error, TFAAS_TOO_LARGE, "the compiled module of %zu bytes exceeds %u",
                           want, MODULE_MAX);
    uint8_t *bytes = status == TFAAS_OK ? malloc(want + 1) : NULL;
    if (status == TFAAS_OK && !bytes)
        status = error_set(error, TFAAS_NO_SPACE, "out of memory");
    while (status == TFAAS_OK && got < want) {
        ssize_t n = read(fd, bytes + got, want - got);
        if (n > 0)
            got += (size_t)n;
        else if (n == 0 || errno != EINTR)
            status = error_set(error, TFAAS_INTERNAL, "cannot read the compiled module");
    }
    close(fd);
    if (status != TFAAS_OK) {
        free(bytes);
        return status;
    }
    *module = bytes;
    *size = want;
    return TFAAS_OK;
}

static void end_group(struct build_child *child)
{
    if (child->pid <= 0)
        return;
    (void)kill(-child->pid, SIGKILL);
    (void)kill(child->pid, SIGKILL); /* when it had no group of its own yet */
}

static tfaas_status_t judge(struct build_child *child, int how, uint8_t **module, size_t *size,
                            struct tfaas_error *error)
{
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return take_module(child, module, size, error);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 126)
        return error_set(error, TFAAS_UNAVAILABLE, "%.400s", child->output);
    if (WIFSIGNALED(how))
        return error_set(error, TFAAS_BAD_PACKAGE,
                         "the C compiler was stopped by signal %d: too much time or memory",
                         WTERMSIG(how));
    /* The line of the first error; all that it printed is in the log. */
    const char *at = strstr(child->output, "error: ");
    if (!at)
        at = child->output;
    while (at > child->output && at[-1] != '\n')
        at--;
    size_t length = strcspn(at, "\n");
    return error_set(error, TFAAS_BAD_PACKAGE, "the C compiler failed: %.*s",
                     length < 400 ? (int)length : 400, at);
}

bool build_c_step(struct build_child *child, tfaas_status_t *status, uint8_t **module, size_t *size,
                  char **output, struct tfaas_error *error)
{
    uint64_t ticks = 0;
    int how = 0;
    *module = NULL;
    *output = NULL;
    take_output(child);
    pid_t ended = waitpid(child->pid, &how, WNOHANG);
    bool late = ended == 0 && read(child->timer_fd, &ticks, sizeof ticks) == sizeof ticks;
    if (ended == 0 && !late)
        return false;
    end_group(child);
    if (late)
        while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR)
            ;
    child->pid = -1;
    take_output(child);
    child->output[child->output_size] = 0;
    for (size_t i = 0; i < child->output_size; i++)
        if (child->output[i] == 0)
            child->output[i] = '?';
    if (late)
        *status = error_set(error, TFAAS_BAD_PACKAGE, "the C compiler ran for more than %d seconds",
                            COMPILE_SECONDS);
    else if (ended < 0)
        *status = error_errno(error, TFAAS_INTERNAL, errno, "cannot wait for the compiler");
    else
        *status = judge(child, how, module, size, error);
    *output = child->output;
    child->output = NULL;
    return true;
}

void build_c_free(struct build_child *child)
{
    if (!child)
        return;
    if (child->pid > 0) {
        end_group(child);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (child->folder_fd >= 0)
        (void)build_empty_folder(child->folder_fd);
    if (child->folder[0])
        (void)unlinkat(child->work_fd, child->folder, AT_REMOVEDIR);
    int fds[] = {child->folder_fd, child->work_fd,  child->pid_fd,
                 child->output_fd, child->timer_fd, child->epoll_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(child->output);
    free(child);
    children--;
}
