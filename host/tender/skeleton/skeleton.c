/*
 * skeleton.c - a tender without walls: the core's zygote is a plain child, and what holds a worker
 * is only the filter that the core closes itself. Read it to write another (docs/tender.md). Must
 * never be what a user gets without having asked for less.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "skeleton.h"

#include "plat/linux/control.h"
#include "ring.h"
#include "sha384.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MISSING   "skeleton: no namespace, no empty root, no memory bound of all cores together"
#define ANSWER_MS 60000 /* the runtime may have to be compiled */
#define KILL_MS   10000
#define PARKED_FD 16

struct core {
    struct core *next;
    uint32_t request;
    bool answered, refused, ended, orphaned; /* orphaned: its zygote is no more */
    int refused_errno, status, pidfd;
};

struct tender {
    int core_fd;
    uint64_t memory_max;
    uint8_t measurement[SHA384_SIZE], report_root[CONTROL_ROOT_SIZE];
    char hex[2 * SHA384_SIZE + 1];
    pid_t zygote; /* -1: none */
    int control;
    bool ready;
    uint32_t requests;
    struct core *cores;
    char last_words[sizeof(((struct control_message *)0)->text)];
};

/* --- the zygote --- */

static void become_zygote(const struct tender *tender, int control) __attribute__((noreturn));
static void become_zygote(const struct tender *tender, int control)
{
    const struct rlimit memory = {tender->memory_max, tender->memory_max};
    char *const arguments[] = {"tfaas-core", "zygote", (char *)(uintptr_t)tender->hex, NULL};
    char *const environment[] = {NULL};
    /* Either may have the number that the control socket gets. */
    const int core = fcntl(tender->core_fd, F_DUPFD_CLOEXEC, PARKED_FD);
    const int parked = fcntl(control, F_DUPFD_CLOEXEC, PARKED_FD);
    /* Everything but standard streams and the control socket ends with the exec. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && dup2(parked, CONTROL_FD) == CONTROL_FD &&
        syscall(SYS_close_range, CONTROL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0 &&
        (tender->memory_max == 0 || setrlimit(RLIMIT_DATA, &memory) == 0)) {
        (void)syscall(SYS_execveat, core, "", arguments, environment, AT_EMPTY_PATH);
    }
    _exit(127);
}

static struct core *find_core(const struct tender *tender, uint32_t request)
{
    struct core *core = tender->cores;
    while (core != NULL && core->request != request) {
        core = core->next;
    }
    return core;
}

/* The zygote is on the other side of the wall there should be: nothing it says is believed beyond
 * its own cores. Takes `fd` or leaves it at -1. */
static bool take_message(struct tender *tender, struct control_message *message, int *fd)
{
    struct core *core = find_core(tender, message->request);
    message->text[sizeof(message->text) - 1] = '\0';
    switch (message->kind) {
    case CONTROL_READY:
        memcpy(tender->report_root, message->text, CONTROL_ROOT_SIZE);
        tender->ready = true;
        return true;
    case CONTROL_FAILED:
        memcpy(tender->last_words, message->text, sizeof(message->text));
        return true;
    case CONTROL_LAUNCHED:
        if (core == NULL || core->answered || *fd < 0) {
            return core == NULL;
        }
        core->answered = true;
        core->pidfd = *fd;
        *fd = -1;
        return true;
    case CONTROL_REFUSED:
        if (core != NULL) {
            core->answered = core->refused = true;
            core->refused_errno = (int)message->a;
        }
        return true;
    case CONTROL_EXITED:
        if (core != NULL) {
            core->ended = true;
            core->status = (int)message->a;
        }
        return true;
    default:
        return false;
    }
}

/* Waits for one message and takes it. False: none came, or the zygote is gone. */
static bool receive_message(struct tender *tender, int timeout_ms)
{
    struct control_message message;
    struct iovec part = {&message, sizeof(message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } extra;
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof(extra)};
    struct pollfd control = {.fd = tender->control, .events = POLLIN};
    if (poll(&control, 1, timeout_ms) != 1) {
        return false;
    }
    const ssize_t size = recvmsg(tender->control, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int fd = -1;
    const struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&packet) : NULL;
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        memcpy(&fd, CMSG_DATA(header), sizeof(int));
    }
    const bool good = size == sizeof(message) && take_message(tender, &message, &fd);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static bool await(struct tender *tender, const bool *done)
{
    while (!*done) {
        if (!receive_message(tender, ANSWER_MS)) {
            return false;
        }
    }
    return true;
}

static void describe(int status, char *how, size_t how_size)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(how, how_size, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    } else {
        (void)snprintf(how, how_size, "exit %d%s", WEXITSTATUS(status),
                       WEXITSTATUS(status) == 70 ? " (fault in the core)" : "");
    }
}

/* And with it all its cores: they die with it. */
static void end_zygote(struct tender *tender)
{
    int status = 0;
    if (tender->zygote < 0) {
        return;
    }
    close(tender->control);
    (void)kill(tender->zygote, SIGKILL);
    while (waitpid(tender->zygote, &status, 0) < 0 && errno == EINTR) {
    }
    if (tender->last_words[0] == '\0') {
        describe(status, tender->last_words, sizeof(tender->last_words));
    }
    for (struct core *core = tender->cores; core != NULL; core = core->next) {
        core->orphaned = true;
    }
    tender->zygote = tender->control = -1;
    tender->ready = false;
}

static tfaas_status_t start_zygote(struct tender *tender, struct tfaas_error *error)
{
    int ends[2];
    tender->last_words[0] = '\0';
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return error_errno(error, TFAAS_NO_SPACE, errno, "a socket to the core");
    }
    tender->zygote = fork();
    if (tender->zygote == 0) {
        become_zygote(tender, ends[1]);
    }
    close(ends[1]);
    tender->control = ends[0];
    if (tender->zygote < 0) {
        close(ends[0]);
        tender->control = -1;
        return error_errno(error, TFAAS_NO_SPACE, errno, "a process for the core");
    }
    if (!await(tender, &tender->ready)) {
        end_zygote(tender);
        return error_set(error, TFAAS_UNAVAILABLE, "the core did not start: %s",
                         tender->last_words);
    }
    return TFAAS_OK;
}

static bool zygote_lives(const struct tender *tender)
{
    siginfo_t info = {0};
    return tender->zygote > 0 &&
           waitid(P_PID, (id_t)tender->zygote, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

/* --- tender_ops --- */

static bool skeleton_probe(char *why, size_t why_size)
{
    (void)snprintf(why, why_size, "%s", MISSING);
    return false;
}

static void skeleton_stop(struct tender *tender)
{
    end_zygote(tender);
    if (tender->core_fd >= 0) {
        close(tender->core_fd);
    }
    free(tender);
}

static bool measure(struct tender *tender)
{
    static uint8_t piece[1u << 16];
    crypto_hash_sha512_state state;
    ssize_t size;
    sha384_init(&state);
    for (off_t at = 0; (size = pread(tender->core_fd, piece, sizeof(piece), at)) > 0; at += size) {
        crypto_hash_sha512_update(&state, piece, (size_t)size);
    }
    sha384_final(&state, tender->measurement);
    (void)sodium_bin2hex(tender->hex, sizeof(tender->hex), tender->measurement, SHA384_SIZE);
    return size == 0;
}

static tfaas_status_t skeleton_start(const struct tender_options *options, struct tender **to,
                                     char *layers, size_t layers_size, struct tfaas_error *error)
{
    struct tender *tender = calloc(1, sizeof(*tender));
    if (tender == NULL) {
        return error_set(error, TFAAS_NO_SPACE, "no memory for the tender");
    }
    tfaas_status_t status;
    tender->zygote = tender->control = -1;
    tender->memory_max = options->worker_memory_max;
    tender->core_fd = open(options->core_path, O_RDONLY | O_CLOEXEC);
    if (!options->allow_weaker_sandbox) {
        status = error_set(error, TFAAS_UNAVAILABLE, "the sandbox is incomplete: " MISSING);
    } else if (tender->core_fd < 0 || !measure(tender)) {
        status = error_errno(error, TFAAS_UNAVAILABLE, errno, "the core %s", options->core_path);
    } else {
        status = start_zygote(tender, error);
    }
    if (status != TFAAS_OK) {
        skeleton_stop(tender);
        return status;
    }
    (void)snprintf(layers, layers_size, "the core's own filter");
    *to = tender;
    return TFAAS_OK;
}

static int make_window(void **window)
{
    const int fd = memfd_create("tfaas-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, TFAAS_WINDOW_SIZE) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        void *at = mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) {
            window_format(at);
            *window = at;
        }
    }
    return fd;
}

static bool send_launch(struct tender *tender, enum tender_role role, const char *domain,
                        uint32_t request, const int fds[CONTROL_FDS_MAX])
{
    struct control_message message = {
        .kind = CONTROL_LAUNCH, .request = request, .a = (uint64_t)role};
    memcpy(message.text, domain, strlen(domain)); /* checked by skeleton_launch */
    struct iovec part = {&message, sizeof(message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
    } extra;
    memset(&extra, 0, sizeof(extra));
    extra.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                    .cmsg_type = SCM_RIGHTS,
                                    .cmsg_len = CMSG_LEN(sizeof(int) * CONTROL_FDS_MAX)};
    memcpy(CMSG_DATA(&extra.header), fds, sizeof(int) * CONTROL_FDS_MAX);
    const struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof(extra)};
    return sendmsg(tender->control, &packet, MSG_NOSIGNAL) == sizeof(message);
}

static int pid_of(int pidfd)
{
    char path[64], line[128];
    int pid = -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    FILE *info = fopen(path, "re");
    while (info != NULL && fgets(line, sizeof(line), info) != NULL &&
           sscanf(line, "Pid: %d", &pid) != 1) {
    }
    if (info != NULL) {
        (void)fclose(info);
    }
    return pid;
}

static void skeleton_destroy(struct tender *tender, struct tender_worker *worker)
{
    struct core *core = worker->backend;
    if (worker->exit_fd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, worker->exit_fd, SIGKILL, NULL, 0);
        struct pollfd gone = {.fd = worker->exit_fd, .events = POLLIN};
        while (poll(&gone, 1, KILL_MS) < 0 && errno == EINTR) {
        }
    }
    const int fds[] = {worker->exit_fd, worker->ring_fd, worker->bell_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (worker->window != NULL) {
        (void)munmap(worker->window, TFAAS_WINDOW_SIZE);
    }
    for (struct core **at = &tender->cores; core != NULL && *at != NULL; at = &(*at)->next) {
        if (*at == core) {
            *at = core->next;
            break;
        }
    }
    free(core);
    *worker = (struct tender_worker){.bell_fd = -1, .ring_fd = -1, .exit_fd = -1, .pid = -1};
}

static tfaas_status_t ask_zygote(struct tender *tender, enum tender_role role, const char *domain,
                                 struct tender_worker *worker, int window_fd,
                                 struct tfaas_error *error)
{
    struct core *core = calloc(1, sizeof(*core));
    if (core == NULL) {
        return error_set(error, TFAAS_NO_SPACE, "no memory for a core");
    }
    *core = (struct core){.next = tender->cores, .request = ++tender->requests, .pidfd = -1};
    tender->cores = worker->backend = core;
    const int fds[CONTROL_FDS_MAX] = {window_fd, worker->ring_fd, worker->bell_fd};
    if (!send_launch(tender, role, domain, core->request, fds) || !await(tender, &core->answered)) {
        end_zygote(tender);
        return error_set(error, TFAAS_UNAVAILABLE, "the process that forks cores failed: %s",
                         tender->last_words);
    }
    if (core->refused) {
        return error_errno(error, TFAAS_UNAVAILABLE, core->refused_errno, "fork a core");
    }
    worker->exit_fd = core->pidfd;
    worker->pid = pid_of(core->pidfd);
    return TFAAS_OK;
}

static tfaas_status_t skeleton_launch(struct tender *tender, enum tender_role role,
                                      const char *trust_domain, struct tender_worker *worker,
                                      struct tfaas_error *error)
{
    *worker = (struct tender_worker){.bell_fd = -1, .ring_fd = -1, .exit_fd = -1, .pid = -1};
    if (strlen(trust_domain) >= sizeof(((struct control_message *)0)->text)) {
        return error_set(error, TFAAS_BAD_REQUEST, "the name of a trust domain is too long");
    }
    if (!zygote_lives(tender)) {
        end_zygote(tender);
        const tfaas_status_t status = start_zygote(tender, error);
        if (status != TFAAS_OK) {
            return status;
        }
    }
    const int window_fd = make_window(&worker->window);
    worker->ring_fd = eventfd(0, EFD_CLOEXEC);
    worker->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tfaas_status_t status;
    if (worker->window == NULL || worker->ring_fd < 0 || worker->bell_fd < 0) {
        status = error_errno(error, TFAAS_NO_SPACE, errno, "make a window");
    } else {
        status = ask_zygote(tender, role, trust_domain, worker, window_fd, error);
    }
    if (window_fd >= 0) {
        close(window_fd);
    }
    if (status != TFAAS_OK) {
        skeleton_destroy(tender, worker);
    }
    return status;
}

static void skeleton_ended(struct tender *tender, struct tender_worker *worker, char *how,
                           size_t how_size)
{
    const struct core *core = worker->backend;
    if (!core->orphaned && zygote_lives(tender) && await(tender, &core->ended)) {
        describe(core->status, how, how_size);
    } else {
        (void)snprintf(how, how_size, "killed together with the process that forks cores");
    }
}

static void skeleton_identity(struct tender *tender, uint8_t measurement[48],
                              uint8_t report_root[32])
{
    memcpy(measurement, tender->measurement, sizeof(tender->measurement));
    memcpy(report_root, tender->report_root, sizeof(tender->report_root));
}

const struct tender_ops tender_skeleton = {
    .name = "skeleton",
    .probe = skeleton_probe,
    .start = skeleton_start,
    .launch = skeleton_launch,
    .identity = skeleton_identity,
    .ended = skeleton_ended,
    .destroy = skeleton_destroy,
    .stop = skeleton_stop,
};
