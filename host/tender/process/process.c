/*
 * process.c - the process tender: one caged zygote per daemon, one worker process per trust domain
 * forked from it. Must never give two workers the same window or doorbell, and never let a worker
 * outlive its owner.
 */
#include "process.h"

#include "cage.h"

#include "../tender.h"

#include "plat/linux/control.h"
#include "ring.h"
#include "sha384.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_MEMORY_MAX (UINT64_C(1) << 30)
#define READY_TIMEOUT_MS   60000 /* the runtime may have to be compiled */
#define ANSWER_TIMEOUT_MS  5000  /* to a launch */
#define END_TIMEOUT_MS     1000  /* from the pidfd to the zygote's word */
#define KILL_TIMEOUT_MS    10000
#define NO_STATUS          (-1)

struct launched {
    struct launched *next;
    uint32_t request;
    int status; /* wait status, or NO_STATUS */
    bool answered, refused;
    int refused_errno;
    int pidfd;
    unsigned generation; /* of the zygote it came from */
};

struct tender {
    struct cage cage;
    const struct process_kind *kind;
    int core_fd, run_fd;
    uint8_t measurement[SHA384_SIZE]; /* of what core_fd holds */
    struct stat measured;             /* core_fd when it was measured */
    uint8_t report_root[CONTROL_ROOT_SIZE];
    int zygote; /* pidfd; -1: none */
    int control;
    unsigned generation;
    uint32_t next_request;
    struct launched *launched;
    char last_words[sizeof(((struct control_message *)0)->text)]; /* of a zygote that failed */
    bool ready;
};

/* --- messages from the zygote --- */

static struct launched *find_launched(const struct tender *tender, uint32_t request)
{
    for (struct launched *at = tender->launched; at != NULL; at = at->next) {
        if (at->request == request && at->generation == tender->generation) {
            return at;
        }
    }
    return NULL;
}

/* The zygote is our own program, but it is on the other side of a wall: a message it should not
 * send is as bad as its end. */
static bool take_message(struct tender *tender, const struct control_message *message, int fd)
{
    struct launched *of = find_launched(tender, message->request);
    switch (message->kind) {
    case CONTROL_READY:
        memcpy(tender->report_root, message->text, CONTROL_ROOT_SIZE);
        tender->ready = true;
        return true;
    case CONTROL_FAILED:
        memcpy(tender->last_words, message->text, sizeof(message->text));
        tender->last_words[sizeof(tender->last_words) - 1] = '\0';
        return true;
    case CONTROL_LAUNCHED:
        if (of == NULL || of->answered || fd < 0) {
            return of == NULL; /* given up on meanwhile: its pidfd is closed by the caller */
        }
        of->answered = true;
        of->pidfd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        return of->pidfd >= 0;
    case CONTROL_REFUSED:
        if (of != NULL) {
            of->answered = of->refused = true;
            of->refused_errno = (int)message->a;
        }
        return true;
    case CONTROL_EXITED:
        if (of != NULL) {
            of->status = (int)message->a;
        }
        return true;
    default:
        return false;
    }
}

/* One message, if there is one. False: the zygote is gone or misbehaves. */
static bool receive_message(struct tender *tender)
{
    struct control_message message;
    struct iovec part = {&message, sizeof(message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } ancillary;
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &ancillary,
                            .msg_controllen = sizeof(ancillary)};
    const ssize_t size = recvmsg(tender->control, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    int fd = -1;
    const struct cmsghdr *header = size >= 0 ? CMSG_FIRSTHDR(&packet) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(header), sizeof(int));
    }
    const bool good = size == sizeof(message) && take_message(tender, &message, fd);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Handles messages until `*done` is set. False: time is over, or the zygote is gone. */
static bool await(struct tender *tender, const bool *done, int timeout_ms)
{
    const int64_t end = now_ms() + timeout_ms;
    while (!*done) {
        const int64_t left = end - now_ms();
        struct pollfd control = {.fd = tender->control, .events = POLLIN};
        if (left <= 0 || (poll(&control, 1, (int)left) < 0 && errno != EINTR)) {
            return false;
        }
        if (!receive_message(tender)) {
            return false;
        }
    }
    return true;
}

/* --- the zygote --- */

static void describe(const struct tender *tender, int status, char *how, size_t how_size)
{
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        (void)snprintf(how, how_size, "killed by SIG%s%s", sigabbrev_np(number),
                       number == SIGSYS    ? " (system call not allowed)"
                       : number == SIGXFSZ ? " (memory file over the limit)"
                                           : "");
    } else if (WIFEXITED(status)) {
        const int code = WEXITSTATUS(status);
        const char *own = tender->kind->describe != NULL ? tender->kind->describe(code) : NULL;
        if (own != NULL) {
            (void)snprintf(how, how_size, "exit %d (%s)", code, own);
            return;
        }
        (void)snprintf(how, how_size, "exit %d%s", code,
                       code == 0                     ? ""
                       : code == WORKER_EXIT_NO_CAGE ? " (its cage could not be closed)"
                       : code == 70                  ? " (fault in the core)"
                                                     : "");
    } else {
        (void)snprintf(how, how_size, "wait status %#x", (unsigned)status);
    }
}

static void end_zygote(struct tender *tender)
{
    if (tender->zygote < 0) {
        return;
    }
    close(tender->control);
    (void)syscall(SYS_pidfd_send_signal, tender->zygote, SIGKILL, NULL, 0);
    siginfo_t how = {0};
    while (waitid(P_PIDFD, (id_t)tender->zygote, &how, WEXITED) != 0 && errno == EINTR) {
    }
    if (tender->last_words[0] == '\0') { /* it could not say why itself */
        describe(tender, how.si_code == CLD_EXITED ? W_EXITCODE(how.si_status, 0) : how.si_status,
                 tender->last_words, sizeof(tender->last_words));
    }
    close(tender->zygote);
    tender->zygote = tender->control = -1;
    tender->ready = false;
}

/* --- what is executed --- */

static tfaas_status_t measure_file(struct tender *tender, struct tfaas_error *error)
{
    crypto_hash_sha512_state state;
    sha384_init(&state);
    static uint8_t piece[1u << 16];
    if (fstat(tender->core_fd, &tender->measured) != 0) {
        return error_errno(error, TFAAS_UNAVAILABLE, errno, "read the core");
    }
    for (off_t at = 0;;) {
        const ssize_t size = pread(tender->core_fd, piece, sizeof(piece), at);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return error_errno(error, TFAAS_UNAVAILABLE, errno, "read the core");
        }
        if (size == 0) {
            break;
        }
        crypto_hash_sha512_update(&state, piece, (size_t)size);
        at += size;
    }
    sha384_final(&state, tender->measurement);
    return TFAAS_OK;
}

static tfaas_status_t measure(struct tender *tender, struct tfaas_error *error)
{
    const tfaas_status_t status =
        tender->kind->measure != NULL
            ? tender->kind->measure(&tender->cage, tender->core_fd, tender->measurement, error)
            : measure_file(tender, error);
    (void)sodium_bin2hex(tender->cage.measurement, sizeof(tender->cage.measurement),
                         tender->measurement, sizeof(tender->measurement));
    return status;
}

/* Was the file changed since it was measured? Asked once it runs: from then on the kernel lets
 * nobody write to it. Another link or owner changes the time too: then the bytes decide. */
static bool still_measured(struct tender *tender)
{
    struct stat now;
    const struct stat then = tender->measured;
    uint8_t measurement[SHA384_SIZE];
    struct tfaas_error ignored = {0};
    memcpy(measurement, tender->measurement, sizeof(measurement));
    if (tender->kind->measure != NULL) {
        return true;
    }
    if (fstat(tender->core_fd, &now) == 0 && now.st_size == then.st_size &&
        now.st_ctim.tv_sec == then.st_ctim.tv_sec && now.st_ctim.tv_nsec == then.st_ctim.tv_nsec) {
        return true;
    }
    const bool same = measure(tender, &ignored) == TFAAS_OK &&
                      memcmp(measurement, tender->measurement, sizeof(measurement)) == 0;
    if (!same) { /* what this tender said it launches stays what it launches */
        memcpy(tender->measurement, measurement, sizeof(measurement));
        tender->measured = then;
        (void)sodium_bin2hex(tender->cage.measurement, sizeof(tender->cage.measurement),
                             measurement, sizeof(measurement));
    }
    return same;
}

static tfaas_status_t start_zygote(struct tender *tender, struct tfaas_error *error)
{
    tender->last_words[0] = '\0';
    tfaas_status_t status =
        cage_start(&tender->cage, tender->run_fd, &tender->zygote, &tender->control, error);
    if (status != TFAAS_OK) {
        tender->zygote = tender->control = -1;
        return error_wrap(error, "the core's cage");
    }
    tender->generation++;
    if (!await(tender, &tender->ready, READY_TIMEOUT_MS)) {
        /* FAILED is followed by the end of the socket, so it has been read by now. */
        end_zygote(tender);
        status =
            error_set(error, TFAAS_UNAVAILABLE, "the core did not start: %s", tender->last_words);
    } else if (!still_measured(tender)) {
        end_zygote(tender);
        status = error_set(error, TFAAS_UNAVAILABLE,
                           "the core's file was changed after it was measured: start tfaasd anew");
    }
    return status;
}

static bool zygote_lives(const struct tender *tender)
{
    struct pollfd zygote = {.fd = tender->zygote, .events = POLLIN};
    return tender->zygote >= 0 && poll(&zygote, 1, 0) == 0;
}

/* --- tender_ops --- */

bool process_probe(char *why, size_t why_size)
{
    struct cage cage;
    cage_probe(&cage);
    (void)snprintf(why, why_size, "%s", cage.missing);
    return cage.missing[0] == '\0';
}

void process_stop(struct tender *tender)
{
    end_zygote(tender);
    cgroup_remove(&tender->cage);
    for (int i = 0; i < CAGE_GIVEN_FDS; i++) {
        if (tender->cage.given_fds[i] >= 0 && tender->cage.given_fds[i] != tender->core_fd) {
            close(tender->cage.given_fds[i]);
        }
    }
    if (tender->run_fd >= 0 && tender->run_fd != tender->core_fd) {
        close(tender->run_fd);
    }
    if (tender->core_fd >= 0) {
        close(tender->core_fd);
    }
    free(tender);
}

static tfaas_status_t open_zygote(const char *core_path, int core_fd, struct cage *cage,
                                  int *run_fd, struct tfaas_error *error)
{
    (void)core_path;
    (void)core_fd;
    (void)run_fd;
    (void)error;
    cage->arguments[0] = "tfaas-core";
    cage->arguments[1] = "zygote";
    cage->arguments[2] = cage->measurement;
    return TFAAS_OK;
}

static const struct process_kind zygote_kind = {.open = open_zygote, .layers = ""};

static tfaas_status_t process_start(const struct tender_options *options, struct tender **to,
                                    char *layers, size_t layers_size, struct tfaas_error *error)
{
    return process_start_kind(&zygote_kind, options, to, layers, layers_size, error);
}

tfaas_status_t process_start_kind(const struct process_kind *kind,
                                  const struct tender_options *options, struct tender **to,
                                  char *layers, size_t layers_size, struct tfaas_error *error)
{
    struct tender *tender = calloc(1, sizeof(*tender));
    if (tender == NULL) {
        return error_set(error, TFAAS_NO_SPACE, "no memory for the tender");
    }
    tender->kind = kind;
    tender->zygote = tender->control = tender->run_fd = -1;
    cage_probe(&tender->cage);
    tender->cage.memory_max =
        options->worker_memory_max != 0 ? options->worker_memory_max : DEFAULT_MEMORY_MAX;
    tender->cage.cores_memory_max = options->cores_memory_max;
    if (options->cores_memory_max == 0) {
        const uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
        tender->cage.cores_memory_max = pages * (uint64_t)sysconf(_SC_PAGESIZE) / 4 * 3;
    }
    tfaas_status_t status;
    tender->core_fd = open(options->core_path, O_RDONLY | O_CLOEXEC);
    if (tender->core_fd < 0) {
        status = error_errno(error, TFAAS_UNAVAILABLE, errno, "the core %s", options->core_path);
        goto out;
    }
    tender->run_fd = tender->core_fd;
    status = kind->open(options->core_path, tender->core_fd, &tender->cage, &tender->run_fd, error);
    if (status == TFAAS_OK) {
        status = measure(tender, error);
    }
    if (status != TFAAS_OK) {
        goto out;
    }
    if (!tender->cage.seccomp) {
        status = error_set(error, TFAAS_UNAVAILABLE, "this kernel has no seccomp filters");
        goto out;
    }
    if (tender->cage.missing[0] != '\0' && !options->allow_weaker_sandbox) {
        status = error_set(error, TFAAS_UNAVAILABLE, "the sandbox is incomplete: %s",
                           tender->cage.missing);
        goto out;
    }
    cgroup_make(&tender->cage);
    status = start_zygote(tender, error);
out:
    if (status != TFAAS_OK) {
        process_stop(tender);
        return status;
    }
    const int own = snprintf(layers, layers_size, "%s", kind->layers);
    if (own >= 0 && (size_t)own < layers_size) {
        cage_layers(&tender->cage, layers + own, layers_size - (size_t)own);
    }
    *to = tender;
    return TFAAS_OK;
}

/* A sealed file of exactly the window's size: the core cannot shrink it under the daemon. */
static int make_window(void **window)
{
    const int fd = memfd_create("tfaas-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, TFAAS_WINDOW_SIZE) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        *window = mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (*window != MAP_FAILED) {
            window_format(*window);
            return fd;
        }
    }
    const int failure = errno;
    *window = NULL;
    close(fd);
    errno = failure;
    return -1;
}

static bool send_launch(const struct tender *tender, enum tender_role role, const char *domain,
                        uint32_t request, const int fds[CONTROL_FDS_MAX])
{
    struct control_message message = {
        .kind = CONTROL_LAUNCH, .request = request, .a = (uint64_t)role};
    memcpy(message.text, domain, strlen(domain)); /* checked by process_launch */
    struct iovec part = {&message, sizeof(message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
    } ancillary;
    memset(&ancillary, 0, sizeof(ancillary));
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &ancillary,
                            .msg_controllen = sizeof(ancillary)};
    ancillary.header.cmsg_level = SOL_SOCKET;
    ancillary.header.cmsg_type = SCM_RIGHTS;
    ancillary.header.cmsg_len = CMSG_LEN(sizeof(int) * CONTROL_FDS_MAX);
    memcpy(CMSG_DATA(&ancillary.header), fds, sizeof(int) * CONTROL_FDS_MAX);
    return sendmsg(tender->control, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(message);
}

/* The worker's id as this process sees it; -1 when it has ended already. */
static int pid_of(int pidfd)
{
    char path[64], line[128];
    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    FILE *info = fopen(path, "re");
    int pid = -1;
    while (info != NULL && fgets(line, sizeof(line), info) != NULL) {
        if (sscanf(line, "Pid: %d", &pid) == 1) {
            break;
        }
    }
    if (info != NULL) {
        (void)fclose(info);
    }
    return pid;
}

static void forget(struct tender *tender, struct launched *launched)
{
    for (struct launched **at = &tender->launched; *at != NULL; at = &(*at)->next) {
        if (*at == launched) {
            *at = launched->next;
            break;
        }
    }
    free(launched);
}

static struct launched *remember(struct tender *tender)
{
    struct launched *launched = calloc(1, sizeof(*launched));
    if (launched != NULL) {
        launched->request = ++tender->next_request;
        launched->generation = tender->generation;
        launched->status = NO_STATUS;
        launched->pidfd = -1;
        launched->next = tender->launched;
        tender->launched = launched;
    }
    return launched;
}

/* What launch gives to a worker; *zygote_gone asks the caller to try once more with another. */
static tfaas_status_t ask_zygote(struct tender *tender, enum tender_role role, const char *domain,
                                 struct tender_worker *worker, int window_fd, bool *zygote_gone,
                                 struct tfaas_error *error)
{
    struct launched *launched = remember(tender);
    if (launched == NULL) {
        return error_set(error, TFAAS_NO_SPACE, "no memory for a core");
    }
    worker->backend = launched;
    const int fds[CONTROL_FDS_MAX] = {window_fd, worker->ring_fd, worker->bell_fd};
    if (!send_launch(tender, role, domain, launched->request, fds) ||
        !await(tender, &launched->answered, ANSWER_TIMEOUT_MS)) {
        end_zygote(tender); /* and with it whatever it may still fork */
        error_set(error, TFAAS_UNAVAILABLE, "the process that forks cores failed: %s",
                  tender->last_words);
        *zygote_gone = true;
        return error->status;
    }
    if (launched->refused) {
        return error_errno(error, TFAAS_UNAVAILABLE, launched->refused_errno, "fork a core");
    }
    worker->exit_fd = launched->pidfd;
    worker->pid = pid_of(launched->pidfd);
    return TFAAS_OK;
}

static tfaas_status_t launch_once(struct tender *tender, enum tender_role role, const char *domain,
                                  struct tender_worker *worker, bool *zygote_gone,
                                  struct tfaas_error *error)
{
    if (!zygote_lives(tender)) {
        end_zygote(tender);
        const tfaas_status_t status = start_zygote(tender, error);
        if (status != TFAAS_OK) {
            return status;
        }
    }
    const int window_fd = make_window(&worker->window);
    /* The core sleeps in read on ring_fd, so that one blocks; only we write to it, so its counter
     * never fills. The bell must not block us, whatever the core does to it. */
    worker->ring_fd = eventfd(0, EFD_CLOEXEC);
    worker->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tfaas_status_t status;
    if (window_fd < 0 || worker->ring_fd < 0 || worker->bell_fd < 0) {
        status = error_errno(error, TFAAS_NO_SPACE, errno, "make a window");
    } else {
        status = ask_zygote(tender, role, domain, worker, window_fd, zygote_gone, error);
    }
    if (window_fd >= 0) {
        close(window_fd);
    }
    return status;
}

tfaas_status_t process_launch(struct tender *tender, enum tender_role role,
                              const char *trust_domain, struct tender_worker *worker,
                              struct tfaas_error *error)
{
    tfaas_status_t status = TFAAS_OK;
    *worker = (struct tender_worker){.bell_fd = -1, .ring_fd = -1, .exit_fd = -1, .pid = -1};
    if (strlen(trust_domain) >= sizeof(((struct control_message *)0)->text)) {
        return error_set(error, TFAAS_BAD_REQUEST, "the name of a trust domain is too long");
    }
    for (int tries = 0; tries < 2; tries++) {
        bool zygote_gone = false;
        *worker = (struct tender_worker){.bell_fd = -1, .ring_fd = -1, .exit_fd = -1, .pid = -1};
        status = launch_once(tender, role, trust_domain, worker, &zygote_gone, error);
        if (status == TFAAS_OK) {
            return TFAAS_OK;
        }
        process_destroy(tender, worker);
        if (!zygote_gone) {
            break;
        }
    }
    return error_wrap(error, "start a core for namespace \"%s\"", trust_domain);
}

void process_ended(struct tender *tender, struct tender_worker *worker, char *how, size_t how_size)
{
    const struct launched *launched = worker->backend;
    const int64_t end = now_ms() + END_TIMEOUT_MS;
    while (launched->status == NO_STATUS && launched->generation == tender->generation &&
           tender->zygote >= 0) {
        const int64_t left = end - now_ms();
        struct pollfd control = {.fd = tender->control, .events = POLLIN};
        if (left <= 0 || (poll(&control, 1, (int)left) < 0 && errno != EINTR) ||
            !receive_message(tender)) {
            break;
        }
    }
    if (launched->status != NO_STATUS) {
        describe(tender, launched->status, how, how_size);
    } else {
        (void)snprintf(how, how_size, "killed together with the process that forks cores%s%s",
                       tender->last_words[0] != '\0' ? ": " : "", tender->last_words);
    }
}

void process_destroy(struct tender *tender, struct tender_worker *worker)
{
    struct launched *launched = worker->backend;
    if (worker->exit_fd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, worker->exit_fd, SIGKILL, NULL, 0);
        struct pollfd exited = {.fd = worker->exit_fd, .events = POLLIN};
        while (poll(&exited, 1, KILL_TIMEOUT_MS) < 0 && errno == EINTR) {
        }
        close(worker->exit_fd);
    }
    if (worker->window != NULL) {
        (void)munmap(worker->window, TFAAS_WINDOW_SIZE);
    }
    if (worker->ring_fd >= 0) {
        close(worker->ring_fd);
    }
    if (worker->bell_fd >= 0) {
        close(worker->bell_fd);
    }
    if (launched != NULL) {
        forget(tender, launched);
    }
    *worker = (struct tender_worker){.bell_fd = -1, .ring_fd = -1, .exit_fd = -1, .pid = -1};
}

void process_identity(struct tender *tender, uint8_t measurement[48], uint8_t report_root[32])
{
    memcpy(measurement, tender->measurement, sizeof(tender->measurement));
    memcpy(report_root, tender->report_root, sizeof(tender->report_root));
}

const struct tender_ops tender_process = {
    .name = "process",
    .probe = process_probe,
    .start = process_start,
    .launch = process_launch,
    .identity = process_identity,
    .ended = process_ended,
    .destroy = process_destroy,
    .stop = process_stop,
};
