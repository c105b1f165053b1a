/* core_child.c - see core_child.h. Test code: any surprise ends the test with a message. */
#include "core_child.h"

#include "bhttp.h"
#include "core.h"
#include "package.h"
#include "plat/linux/filter.h"
#include "plat/linux/linux.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    (void)fprintf(stderr, "core_child: %s\n", what);
    exit(99);
}

void (*core_child_hook)(void *window);

/* Pages without access on both sides: a core that leaves its window is noticed. */
static void *map_window(void)
{
    uint8_t *around = mmap(NULL, TFAAS_WINDOW_SIZE + 2 * PLAT_PAGE, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (around == MAP_FAILED)
        die("no address space");
    return mmap(around + PLAT_PAGE, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

#pragma weak core_tender_wanted
#pragma weak core_tender_launch
#pragma weak core_tender_gone
#pragma weak core_tender_end

static uint64_t memory_max;

void core_child_memory(uint64_t bytes)
{
    memory_max = bytes;
}

bool core_child_of_tender(void)
{
    return core_tender_wanted != NULL && core_tender_wanted();
}

static void fork_core(struct core_child *core)
{
    core->window = map_window();
    core->ring_fd = eventfd(0, 0);
    core->bell_fd = eventfd(0, EFD_NONBLOCK);
    if (core->window == MAP_FAILED || core->ring_fd < 0 || core->bell_fd < 0)
        die("window or doorbells");
    window_format(core->window);
    core->pid = fork();
    if (core->pid < 0)
        die("fork");
    if (core->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        const struct rlimit limit = {memory_max, RLIM_INFINITY};
        if (memory_max && setrlimit(RLIMIT_DATA, &limit) != 0)
            _exit(96);
        int ring = dup(core->ring_fd), bell = dup(core->bell_fd);
        if (dup2(ring, WORKER_RING_FD) < 0 || dup2(bell, WORKER_BELL_FD) < 0)
            _exit(98);
        if (core_child_hook)
            core_child_hook(core->window);
        plat_linux_report_enter(plat_domain());
        plat_linux_attach(core->window);
        /* Whatever a test makes the core do, it does under the worker's system calls. */
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !filter_install(WORKER))
            _exit(97);
        core_serve();
    }
}

void core_child_start(struct core_child *core)
{
    memset(core, 0, sizeof *core);
    if (core_child_of_tender())
        core_tender_launch(core, memory_max);
    else
        fork_core(core);
    ring_tx_init(&core->tx, core->window, true);
    ring_rx_init(&core->rx, core->window, true);
    core_send(core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    struct tfaas_slot slot;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    if (!core_receive(core, &slot, payload, CORE_PATIENCE_MS) || slot.kind != TFAAS_READY)
        die("no READY from the core");
}

void core_child_stop(struct core_child *core)
{
    if (core->worker) {
        core_tender_end(core);
        return;
    }
    (void)kill(core->pid, SIGKILL);
    (void)waitpid(core->pid, NULL, 0);
    (void)munmap((uint8_t *)core->window - PLAT_PAGE, TFAAS_WINDOW_SIZE + 2 * PLAT_PAGE);
    (void)close(core->ring_fd);
    (void)close(core->bell_fd);
}

static bool has_ended(struct core_child *core)
{
    return core->worker ? core_tender_gone(core)
                        : waitpid(core->pid, &core->status, WNOHANG) == core->pid;
}

static char state_of(const struct core_child *core)
{
    char path[64], state = '?';
    (void)snprintf(path, sizeof path, "/proc/%d/stat", core->pid);
    FILE *stat = fopen(path, "r");
    if (stat) {
        (void)!fscanf(stat, "%*d (%*[^)]) %c", &state);
        (void)fclose(stat);
    }
    return state;
}

void core_pause(const struct core_child *core)
{
    if (kill(core->pid, SIGSTOP) != 0)
        die("the core does not stop");
    for (int ms = 0; state_of(core) != 'T'; ms++) {
        if (ms > CORE_PATIENCE_MS)
            die("the core does not stop");
        (void)usleep(1000);
    }
}

void core_resume(const struct core_child *core)
{
    if (kill(core->pid, SIGCONT) != 0)
        die("the core does not go on");
}

static void ring_bell(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) != sizeof one)
        die("doorbell");
}

void core_send(struct core_child *core, struct tfaas_slot slot, const void *payload, size_t size)
{
    for (;;) {
        tfaas_status_t status = ring_send(&core->tx, &slot, payload, size);
        if (status == TFAAS_OK)
            break;
        if (status != TFAAS_BUSY)
            die("the core is dead to the ring");
        (void)usleep(50);
    }
    if (ring_flush(&core->tx))
        ring_bell(core->ring_fd);
}

bool core_receive(struct core_child *core, struct tfaas_slot *slot, uint8_t *payload,
                  int timeout_ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t end = now.tv_sec * 1000 + now.tv_nsec / 1000000 + timeout_ms;
    for (;;) {
        tfaas_status_t status = ring_receive(&core->rx, slot, payload);
        if (status == TFAAS_OK) {
            if (ring_release(&core->rx))
                ring_bell(core->ring_fd);
            return true;
        }
        if (status != TFAAS_NOT_FOUND)
            die("the core broke the ring");
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t left = end - (now.tv_sec * 1000 + now.tv_nsec / 1000000);
        if (left <= 0)
            return false;
        core->gone = core->gone || has_ended(core);
        if (core->gone)
            return ring_receive(&core->rx, slot, payload) == TFAAS_OK; /* its last words */
        if (!ring_sleep(&core->rx))
            continue;
        struct pollfd poller = {.fd = core->bell_fd, .events = POLLIN};
        if (poll(&poller, 1, left < 20 ? (int)left : 20) > 0) {
            uint64_t count;
            (void)!read(core->bell_fd, &count, sizeof count);
        }
        ring_awake(&core->rx);
    }
}

static void take(struct core_answer *answer, const struct tfaas_slot *slot, const uint8_t *payload)
{
    switch (slot->kind) {
    case TFAAS_RESPONSE:
    case TFAAS_BODY:
        answer->bytes = realloc(answer->bytes, answer->size + slot->size + 1);
        memcpy(answer->bytes + answer->size, payload, slot->size);
        answer->size += slot->size;
        break;
    case TFAAS_LOG: {
        size_t room = sizeof answer->log - 1 - answer->log_size;
        size_t size = slot->size < room ? slot->size : room;
        memcpy(answer->log + answer->log_size, payload, size);
        answer->log_size += size;
        answer->log[answer->log_size] = '\0';
        break;
    }
    case TFAAS_CACHE:
        if (slot->arg[1] != answer->cache_size || slot->size > slot->arg[0] - slot->arg[1])
            die("CACHE out of order");
        answer->cache = realloc(answer->cache, slot->arg[0]);
        memcpy(answer->cache + slot->arg[1], payload, slot->size);
        answer->cache_size += slot->size;
        break;
    case TFAAS_LOADED:
    case TFAAS_FAULT:
        (void)snprintf(answer->fault, sizeof answer->fault, "%.*s", (int)slot->size,
                       (const char *)payload);
        break;
    default:
        break;
    }
    if (slot->flags & TFAAS_END || slot->kind == TFAAS_LOADED)
        answer->status = (unsigned)slot->arg[0];
    if (slot->kind == TFAAS_LOADED)
        answer->code = (unsigned)slot->arg[4];
    if (slot->flags & TFAAS_END) {
        answer->work = slot->arg[1];
        answer->peak = slot->arg[2];
        answer->cpu_ns = slot->arg[3];
        answer->pages = slot->arg[4];
    }
}

void core_bundle(const struct core_config *config, uint8_t **out, size_t *out_size)
{
    struct package_file files[8];
    size_t count = 0;
    for (; count < 8 && config->files[count].path; count++) {
        const struct core_file *file = &config->files[count];
        files[count].path = (struct span){(const uint8_t *)file->path, strlen(file->path)};
        files[count].content =
            (struct span){file->content, file->size ? file->size : strlen(file->content)};
    }
    const char *why = "";
    uint8_t *package;
    size_t package_size;
    if (package_write(config->runtime, config->entry, files, count, &package, &package_size,
                      &why) != TFAAS_OK)
        die(why);
    const char *name = config->name ? config->name : "test";
    struct bundle bundle = {
        .package = {package, package_size},
        .name = {(const uint8_t *)name, strlen(name)},
        .env = (struct bundle_pair *)config->env,
        .env_count = config->env_count,
        .secrets = (struct bundle_pair *)config->secrets,
        .secret_count = config->secret_count,
        .memory_limit = config->memory_limit ? config->memory_limit : 128u << 20,
        .deadline_ns = CORE_PATIENCE_MS * 1000000ull,
        .response_limit = config->response_limit ? config->response_limit : 16u << 20,
        .log_limit = config->log_limit ? config->log_limit : 64u << 10,
        .hostcall_limit = config->hostcall_limit ? config->hostcall_limit : 1000000,
        .cache = config->cache,
    };
    if (bundle_write(&bundle, out, out_size) != TFAAS_OK)
        die("bundle_write");
    free(package);
}

void core_load(struct core_child *core, uint32_t id, const struct core_config *config,
               struct core_answer *answer)
{
    uint8_t *bytes;
    size_t size;
    core_bundle(config, &bytes, &size);
    core_load_bundle(core, id, bytes, size, config->want_cache, answer);
    free(bytes);
}

void core_load_bundle(struct core_child *core, uint32_t id, const uint8_t *bytes, size_t size,
                      bool want_cache, struct core_answer *answer)
{
    for (size_t at = 0; at < size; at += TFAAS_PAYLOAD_MAX) {
        size_t piece = size - at < TFAAS_PAYLOAD_MAX ? size - at : TFAAS_PAYLOAD_MAX;
        core_send(core,
                  (struct tfaas_slot){.kind = TFAAS_LOAD,
                                      .flags = want_cache ? TFAAS_WANT_CACHE : 0,
                                      .id = id,
                                      .arg = {size, at}},
                  bytes + at, piece);
    }
    memset(answer, 0, sizeof *answer);
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    for (;;) {
        if (!core_receive(core, &slot, payload, CORE_PATIENCE_MS))
            die("no LOADED from the core");
        take(answer, &slot, payload);
        if (slot.kind == TFAAS_LOADED && slot.id == id)
            return;
        if (slot.kind == TFAAS_FAULT)
            die(answer->fault);
    }
}

uint32_t core_begin(struct core_child *core, uint32_t function, const char *method,
                    const char *path, const char *const *headers, const void *body, size_t size,
                    bool last, uint64_t deadline_ns)
{
    static uint8_t message[TFAAS_PAYLOAD_MAX], scratch[BHTTP_HEAD_MAX];
    struct bhttp_writer writer;
    bhttp_begin_request(&writer, message, sizeof message, scratch, sizeof scratch,
                        (struct span){(const uint8_t *)method, strlen(method)},
                        (struct span){(const uint8_t *)"http", 4},
                        (struct span){(const uint8_t *)"test", 4},
                        (struct span){(const uint8_t *)path, strlen(path)});
    for (; headers && *headers; headers += 2)
        bhttp_field(&writer, (struct span){(const uint8_t *)headers[0], strlen(headers[0])},
                    (struct span){(const uint8_t *)headers[1], strlen(headers[1])});
    size_t head = bhttp_end(&writer);
    if (head == 0 || head + size > sizeof message)
        die("request too large for one message");
    if (size)
        memcpy(message + head, body, size);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint32_t id = ++core->next_id;
    core_send(
        core,
        (struct tfaas_slot){.kind = TFAAS_INVOKE,
                            .flags = last ? TFAAS_LAST : 0,
                            .id = id,
                            .arg = {function, deadline_ns,
                                    (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec}},
        message, head + size);
    return id;
}

bool core_wait(struct core_child *core, uint32_t id, struct core_answer *answer)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    memset(answer, 0, sizeof *answer);
    for (;;) {
        if (!core_receive(core, &slot, payload, CORE_PATIENCE_MS))
            return false;
        if (slot.kind == TFAAS_FAULT) {
            take(answer, &slot, payload);
            (void)fprintf(stderr, "core_child: FAULT: %s\n", answer->fault);
            return false;
        }
        if (slot.id != id)
            continue;
        take(answer, &slot, payload);
        if (slot.flags & TFAAS_END)
            return true;
    }
}

bool core_invoke(struct core_child *core, uint32_t function, const void *body, size_t size,
                 struct core_answer *answer)
{
    static const char *const headers[] = {"content-type", "application/json", NULL};
    uint32_t id = core_begin(core, function, "POST", "/", headers, body, size, true,
                             CORE_PATIENCE_MS * 1000000ull);
    return core_wait(core, id, answer);
}

unsigned core_http_status(const struct core_answer *answer)
{
    struct bhttp_head head;
    const char *why;
    return bhttp_read_head(answer->bytes, answer->size, &head, &why) == TFAAS_OK ? head.status : 0;
}

struct span core_content(const struct core_answer *answer)
{
    struct bhttp_head head;
    const char *why;
    if (bhttp_read_head(answer->bytes, answer->size, &head, &why) != TFAAS_OK)
        return (struct span){NULL, 0};
    return (struct span){answer->bytes + head.size, answer->size - head.size};
}

void core_answer_free(struct core_answer *answer)
{
    free(answer->bytes);
    answer->bytes = NULL;
    answer->size = 0;
}
