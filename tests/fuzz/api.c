/* needs: host/daemon/api*.c host/daemon/autoscale.c host/daemon/build.c host/daemon/build_tar.c host/daemon/config.c host/daemon/core_ask.c host/daemon/core_calls.c host/daemon/core_link.c host/daemon/core_messages.c host/daemon/deploy.c host/daemon/duplex.c host/daemon/function_bundle.c host/daemon/http.c host/daemon/keeper*.c host/daemon/logs.c host/daemon/loop.c host/daemon/metrics.c host/daemon/proxy*.c host/daemon/registry.c host/daemon/sample.c host/daemon/store*.c host/daemon/tended.c host/evidence/evidence.c host/evidence/tsm.c host/evidence/sev.c host/evidence/tdx.c host/evidence/simulated.c host/error.c common/bhttp.c common/bundle.c common/cbor.c common/package.c common/ring.c common/simulated.c common/statement.c common/sealed.c common/fields.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/status.c libs: microhttpd jansson sqlite3 sodium archive pthread */
/*
 * api.c (fuzz) - what a client may send: the input is one connection's bytes, read by the daemon's
 * real HTTP side, routes, handlers and store. Behind it a core that answers at once with whatever
 * content the call carried as its response stream, so that functions' answers are fuzzed too. After
 * every connection nothing of it is left: no call, no held byte, no deployment, no secret.
 */
#include "daemon/build_internal.h"
#include "daemon/daemon.h"

#include "bhttp.h"
#include "package.h"
#include "ring.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define CORES 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct daemon d;
static char state_dir[64];
static uint8_t payload[TFAAS_PAYLOAD_MAX];
static uint64_t base_revision;

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* --- what is not of interest here --- */

const uint8_t tfaas_sample_start[1], tfaas_sample_end[1];
extern const uint8_t tfaas_sample_start[], tfaas_sample_end[];

void daemon_log(const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    check(vsnprintf(text, sizeof text, format, args) >= 0);
    va_end(args);
}

/* No compiler: no process is started by a fuzz target. */
bool build_c_available(void)
{
    return false;
}

tfaas_status_t build_c_start(const struct build_tar *tar, const char *work_dir,
                             struct build_child **child, struct tfaas_error *error)
{
    (void)tar, (void)work_dir, (void)child;
    return error_set(error, TFAAS_UNAVAILABLE, "no compiler");
}

int build_c_fd(const struct build_child *child)
{
    (void)child;
    return -1;
}

bool build_c_step(struct build_child *child, tfaas_status_t *status, uint8_t **module, size_t *size,
                  char **output, struct tfaas_error *error)
{
    (void)child, (void)status, (void)module, (void)size, (void)output, (void)error;
    abort();
}

void build_c_free(struct build_child *child)
{
    (void)child;
}

int build_empty_folder(int fd)
{
    (void)fd;
    return 0;
}

/* --- cores that answer at once --- */

static struct fake_core {
    bool up;
    int bell_fd;
    void *window;
    struct ring_tx tx;
    struct ring_rx rx;
} cores[CORES];

static tfaas_status_t launch(struct tender *tender, enum tender_role role, const char *domain,
                             struct tender_worker *worker, struct tfaas_error *error)
{
    (void)tender, (void)role, (void)domain;
    struct fake_core *core = cores;
    while (core < cores + CORES && core->up)
        core++;
    if (core == cores + CORES)
        return error_set(error, TFAAS_UNAVAILABLE, "no more cores");
    if (!core->window)
        core->window = aligned_alloc(4096, TFAAS_WINDOW_SIZE);
    check(core->window != NULL);
    memset(core->window, 0, TFAAS_H2C_DATA_OFFSET);
    window_format(core->window);
    *worker = (struct tender_worker){.window = core->window,
                                     .bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                                     .ring_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                                     .exit_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                                     .pid = -1,
                                     .backend = core};
    check(worker->bell_fd >= 0 && worker->ring_fd >= 0 && worker->exit_fd >= 0);
    ring_tx_init(&core->tx, core->window, false);
    ring_rx_init(&core->rx, core->window, false);
    core->up = true;
    core->bell_fd = worker->bell_fd;
    return TFAAS_OK;
}

static void ended(struct tender *tender, struct tender_worker *worker, char *how, size_t how_size)
{
    (void)tender, (void)worker;
    (void)snprintf(how, how_size, "unexpectedly");
}

static void destroy(struct tender *tender, struct tender_worker *worker)
{
    (void)tender;
    close(worker->bell_fd);
    close(worker->ring_fd);
    close(worker->exit_fd);
    ((struct fake_core *)worker->backend)->up = false;
}

static bool probe(char *why, size_t why_size)
{
    (void)why, (void)why_size;
    return true;
}

static tfaas_status_t start(const struct tender_options *options, struct tender **tender,
                            char *layers, size_t layers_size, struct tfaas_error *error)
{
    (void)options, (void)tender, (void)layers, (void)layers_size, (void)error;
    return TFAAS_OK;
}

/* The same cores under two names, so that a namespace can change its tender. */
static const struct tender_ops ops = {.name = "fuzz",
                                      .probe = probe,
                                      .start = start,
                                      .launch = launch,
                                      .ended = ended,
                                      .destroy = destroy};
static const struct tender_ops other_ops = {.name = "other",
                                            .probe = probe,
                                            .start = start,
                                            .launch = launch,
                                            .ended = ended,
                                            .destroy = destroy};

static void say(struct fake_core *core, const struct tfaas_slot *m, const void *bytes, size_t size)
{
    check(ring_send(&core->tx, m, bytes, size) == TFAAS_OK);
    uint64_t one = 1;
    if (ring_flush(&core->tx))
        check(write(core->bell_fd, &one, sizeof one) == (ssize_t)sizeof one);
}

/* A sealed call: the first byte tells what the core makes of it; else its content comes back. */
static void answer_sealed(struct fake_core *core, const struct tfaas_slot *got)
{
    struct tfaas_slot m = {.kind = TFAAS_METER, .flags = TFAAS_END, .id = got->id};
    uint8_t first = got->size ? payload[0] : 0;
    check(got->arg[3] >= 1 && got->arg[3] < TFAAS_SEALING_COUNT);
    if (first == 1 && got->arg[0] == TFAAS_FUNCTION_ANY) {
        m.arg[0] = TFAAS_MISDIRECTED;
        say(core, &m, "fn", 2);
    } else if (first < 40) {
        m.arg[0] = first ? TFAAS_KEY_UNKNOWN + first % 4 : TFAAS_NO_LEASE;
        say(core, &m, NULL, 0);
    } else {
        m.kind = TFAAS_RESPONSE;
        m.flags |= TFAAS_LAST;
        m.arg[5] = first % TFAAS_STATUS_COUNT;
        say(core, &m, payload, got->size);
    }
}

/* The content of the call is the function's whole response stream; without any: an empty 200. */
static void answer_invoke(struct fake_core *core, const struct tfaas_slot *got)
{
    static const uint8_t plain[] = {1, 0x40, 0xc8, 0};
    struct bhttp_head head;
    const char *why = "";
    /* The daemon promises a well-formed head, whole in the first message. */
    check(bhttp_read_head(payload, got->size, &head, &why) == TFAAS_OK && !head.is_response);
    struct tfaas_slot log = {.kind = TFAAS_LOG, .id = got->id};
    say(core, &log, payload, got->size < 64 ? got->size : 64);
    struct tfaas_slot m = {
        .kind = TFAAS_RESPONSE, .flags = TFAAS_END | TFAAS_LAST, .id = got->id, .arg = {TFAAS_OK}};
    if (got->size == head.size)
        say(core, &m, plain, sizeof plain);
    else
        say(core, &m, payload + head.size, got->size - head.size);
}

static bool answer(struct fake_core *core)
{
    struct tfaas_slot got;
    bool any = false;
    while (core->up && ring_receive(&core->rx, &got, payload) == TFAAS_OK) {
        struct tfaas_slot m = {.id = got.id};
        any = true;
        (void)ring_release(&core->rx);
        if (got.kind == TFAAS_CONFIGURE) {
            m.kind = TFAAS_READY;
            m.arg[0] = TFAAS_ABI_VERSION;
            say(core, &m, NULL, 0);
        } else if (got.kind == TFAAS_LOAD && got.arg[1] + got.size == got.arg[0]) {
            m.kind = TFAAS_LOADED;
            m.arg[0] = got.arg[0] % 8 == 7 ? TFAAS_BAD_SCRIPT : TFAAS_OK;
            say(core, &m, "handler.js:1:1\n", m.arg[0] ? 15 : 0);
        } else if (got.kind == TFAAS_UNLOAD) {
            m.kind = TFAAS_LOADED;
            m.arg[0] = TFAAS_CANCELLED;
            say(core, &m, NULL, 0);
        } else if (got.kind == TFAAS_INVOKE && got.flags & TFAAS_SEALED) {
            answer_sealed(core, &got);
        } else if (got.kind == TFAAS_INVOKE) {
            answer_invoke(core, &got);
        }
    }
    return any;
}

/* --- the daemon --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_state(void)
{
    (void)nftw(state_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put_base(void)
{
    static const uint8_t source[] = "module.exports = 1;\n";
    struct package_file file = {.path = {(const uint8_t *)"handler.js", 10},
                                .content = {source, sizeof source - 1}};
    struct tfaas_error error;
    struct store_function fn = {.name = strdup("fn"),
                                .ns = strdup(STORE_DEFAULT_NAMESPACE),
                                .replicas = 1,
                                .spec = json_pack("{s:s,s:s,s:s}", "service", "fn", "image", "base",
                                                  "namespace", STORE_DEFAULT_NAMESPACE)};
    uint8_t *bytes = NULL;
    size_t size = 0;
    const char *why = "";
    check(package_write("js", "handler.js", &file, 1, &bytes, &size, &why) == TFAAS_OK);
    check(store_put_package(d.store, "base", bytes, size, fn.digest, &error) == TFAAS_OK);
    check(store_put_function(d.store, &fn, true, &error) == TFAAS_OK);
    base_revision = fn.revision;
    check(registry_put(&d, &fn) != NULL);
    free(bytes);
}

static void set_up(void)
{
    struct tfaas_error error;
    check(sodium_init() >= 0);
    bool shm = access("/dev/shm", W_OK) == 0;
    (void)snprintf(state_dir, sizeof state_dir, "%s/tfaas-fuzz-XXXXXX",
                   shm ? "/dev/shm" : P_tmpdir);
    check(mkdtemp(state_dir) != NULL && atexit(remove_state) == 0);
    config_init(&d.config);
    (void)snprintf(d.config.evidence, sizeof d.config.evidence, "none");
    (void)snprintf(d.config.listen_port, sizeof d.config.listen_port, "0");
    d.config.user = strdup("u");
    d.config.password = strdup("p");
    (void)snprintf(d.build_dir, sizeof d.build_dir, "%s/build", state_dir);
    check(loop_open(&d.loop) && store_open(&d.store, state_dir, &error) == TFAAS_OK);
    check(build_prepare(d.build_dir, &error) == TFAAS_OK);
    static const struct tender_ops *const tenders[] = {&ops, &other_ops, NULL};
    check(tended_init(&d, tenders, &daemon_core_owner, &error) == TFAAS_OK);
    check(tended_start(d.standard, &error) == TFAAS_OK);
    logs_init(&d.logs);
    TAILQ_INIT(&d.deploys);
    check(registry_open(&d, &error));
    check(http_open(&d, &error) == TFAAS_OK);
    put_base();
}

static bool turn(void)
{
    bool busy = tended_run(&d);
    for (unsigned i = 0; i < CORES; i++)
        busy |= answer(&cores[i]);
    http_run(&d);
    if (tended_sleep(&d))
        check(loop_turn(&d.loop, 0));
    return busy;
}

/* --- one connection --- */

static int connect_to_daemon(void)
{
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    struct linger now = {.l_onoff = 1}; /* no TIME_WAIT: there are many */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && getsockname(d.listen_fd, (struct sockaddr *)(void *)&to, &size) == 0);
    check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    check(connect(fd, (struct sockaddr *)(void *)&to, size) == 0);
    check(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

/* Sends what there is and takes what comes; until the daemon closes or nothing happens. */
static void talk(int fd, const uint8_t *data, size_t size)
{
    char answer_bytes[16384];
    for (unsigned idle = 0, turns = 0; idle < 4 && turns < 400; turns++) {
        ssize_t sent = size ? send(fd, data, size, MSG_NOSIGNAL) : 0;
        if (sent > 0) {
            data += sent;
            size -=
                (size_t)sent; /* not shut down: libmicrohttpd takes that for a client that left */
        }
        bool busy = turn();
        ssize_t got = recv(fd, answer_bytes, sizeof answer_bytes, 0);
        if (got == 0)
            return;
        idle = sent > 0 || got > 0 || busy ? 0 : idle + 1;
    }
}

static void forget_secrets(const char *ns)
{
    struct tfaas_error error;
    json_t *list = NULL, *each;
    size_t index;
    check(store_list_secrets(d.store, ns, &list, &error) == TFAAS_OK);
    json_array_foreach(list, index, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));
        check(store_secret_name_ok(name));
        check(store_delete_secret(d.store, name, ns, &error) == TFAAS_OK);
    }
    json_decref(list);
}

/* Back to the state of the beginning, so that an input means the same every time. */
static void clean_up(void)
{
    struct tfaas_error error;
    struct function *f, *next_f;
    struct namespace *ns, *next_ns;
    bool base = false;
    for (f = TAILQ_FIRST(&d.registry.functions); f; f = next_f) {
        next_f = TAILQ_NEXT(f, entry);
        check(store_function_name_ok(f->stored.name) && store_namespace_ok(f->stored.ns));
        if (f->stored.revision == base_revision) {
            base = true;
            continue;
        }
        check(store_delete_function(d.store, f->stored.name, f->stored.ns, &error) == TFAAS_OK);
        registry_delete(f);
    }
    for (ns = TAILQ_FIRST(&d.registry.namespaces); ns; ns = next_ns) {
        next_ns = TAILQ_NEXT(ns, entry);
        forget_secrets(ns->name);
        if (strcmp(ns->name, STORE_DEFAULT_NAMESPACE) == 0)
            continue;
        check(store_delete_namespace(d.store, ns->name, &error) == TFAAS_OK);
        registry_drop_namespace(&d, ns);
    }
    if (!base)
        put_base();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!d.store)
        set_up();
    if (size < 1)
        return 0;
    d.config.basic_auth = data[0] & 1;
    int fd = connect_to_daemon();
    talk(fd, data + 1, size - 1);
    close(fd);
    for (unsigned i = 0; i < 50 && (d.connection_count || d.calls || d.probing); i++) {
        tended_now(&d,
                   d.now_ns + NS_PER_S); /* clients that left are looked for only now and then */
        http_sweep(&d);
        (void)turn();
    }
    check(d.connection_count == 0 && d.calls == 0 && d.held_total == 0);
    check(d.probing == 0 && d.probes_waiting == 0 && TAILQ_EMPTY(&d.deploys));
    check(d.logs.followers == 0);
    clean_up();
    return 0;
}
