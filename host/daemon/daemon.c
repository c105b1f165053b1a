/*
 * daemon.c - options, start, the loop, stop. Everything tfaasd says about itself goes to stderr, a
 * line per event, and never holds a payload or a secret.
 */
#include "daemon.h"

#include "build.h"
#include "sample.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

void daemon_log(const char *format, ...)
{
    char text[1200], clean[1200], stamp[40];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        return;
    (void)text_clean(clean, sizeof clean, (const uint8_t *)text, strlen(text));
    api_time_text(loop_realtime_ns(), stamp);
    (void)fprintf(stderr, "%s tfaasd: %s\n", stamp, clean);
}

/* --- options --- */

static const char usage[] =
    "Usage: tfaasd --state DIR [--listen HOST:PORT] [options]\n"
    "Serves functions, each call in its own WebAssembly instance inside a caged core.\n"
    "\n"
    "  --listen HOST:PORT       address to serve on (default 127.0.0.1:8080)\n"
    "  --state DIR              folder of the store and its keys; made when absent\n"
    "  --config FILE            settings, one `key = value` per line\n"
    "  --core PATH              the core (default: tfaas-core beside this program)\n"
    "  --tender TENDER          process (default), kvm, or auto: kvm where it works\n"
    "  --evidence SOURCE        auto, simulated, configfs-tsm, sev-guest, tdx-guest or none\n"
    "  --allow-weaker-sandbox   start although a layer of the cage is missing here\n"
    "  --help, --version\n"
    "\n"
    "Environment: port, read_timeout, write_timeout, exec_timeout, idle_timeout, basic_auth,\n"
    "secret_mount_path, as OpenFaaS names them. See tfaasd(1).\n";

enum option_code {
    OPTION_LISTEN = 256,
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_CORE,
    OPTION_TENDER,
    OPTION_EVIDENCE,
    OPTION_WEAKER,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option options[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"state", required_argument, NULL, OPTION_STATE},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"core", required_argument, NULL, OPTION_CORE},
    {"tender", required_argument, NULL, OPTION_TENDER},
    {"evidence", required_argument, NULL, OPTION_EVIDENCE},
    {"allow-weaker-sandbox", no_argument, NULL, OPTION_WEAKER},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *listen, *state, *config, *core, *tender, *evidence;
    bool weaker;
};

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct arguments *a)
{
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case OPTION_LISTEN:
            a->listen = optarg;
            break;
        case OPTION_STATE:
            a->state = optarg;
            break;
        case OPTION_CONFIG:
            a->config = optarg;
            break;
        case OPTION_CORE:
            a->core = optarg;
            break;
        case OPTION_TENDER:
            a->tender = optarg;
            break;
        case OPTION_EVIDENCE:
            a->evidence = optarg;
            break;
        case OPTION_WEAKER:
            a->weaker = true;
            break;
        case OPTION_HELP:
            (void)fputs(usage, stdout);
            return 0;
        case OPTION_VERSION:
            (void)printf("tfaasd %s (%s)\n", TFAAS_VERSION, TFAASD_COMMIT);
            return 0;
        default: /* getopt_long has said what is wrong */
            (void)fputs("See tfaasd --help.\n", stderr);
            return 64;
        }
    }
    if (optind == argc)
        return -1;
    (void)fprintf(stderr, "tfaasd: unexpected argument \"%s\"\nSee tfaasd --help.\n", argv[optind]);
    return 64;
}

/* "tfaas-core" in the folder of this program */
static void default_core(char *to, size_t capacity)
{
    char self[400];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    (void)snprintf(to, capacity, "%s/tfaas-core", slash ? self : ".");
}

static tfaas_status_t configure(struct config *c, const struct arguments *a,
                                struct tfaas_error *error)
{
    config_init(c);
    tfaas_status_t status = TFAAS_OK;
    if (a->config)
        status = config_read_file(c, a->config, error);
    if (status == TFAAS_OK)
        status = config_read_environment(c, error);
    if (status == TFAAS_OK && a->listen)
        status = config_set_listen(c, a->listen, error);
    if (a->state)
        (void)snprintf(c->state_dir, sizeof c->state_dir, "%s", a->state);
    if (a->core)
        (void)snprintf(c->core_path, sizeof c->core_path, "%s", a->core);
    if (status == TFAAS_OK && a->evidence && !evidence_name_ok(a->evidence))
        return error_set(error, TFAAS_BAD_REQUEST, "--evidence: unknown source \"%.40s\"",
                         a->evidence);
    if (a->tender)
        (void)snprintf(c->tender, sizeof c->tender, "%s", a->tender);
    if (a->evidence)
        (void)snprintf(c->evidence, sizeof c->evidence, "%s", a->evidence);
    if ((a->state && strlen(a->state) >= sizeof c->state_dir) ||
        (a->core && strlen(a->core) >= sizeof c->core_path))
        return error_set(error, TFAAS_BAD_REQUEST, "path is too long");
    if (c->core_path[0] == 0)
        default_core(c->core_path, sizeof c->core_path);
    c->allow_weaker_sandbox |= a->weaker;
    return status == TFAAS_OK ? config_finish(c, error) : status;
}

/* --- start --- */

static void on_signal(struct watch *watch)
{
    struct daemon *d =
        (struct daemon *)(void *)((char *)watch - offsetof(struct daemon, signal_watch));
    struct signalfd_siginfo info;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (d->stopping) {
        daemon_log("second signal: stopping now");
        d->stop_at_ns = 0;
        return;
    }
    daemon_log("signal %u: finishing %u calls, %llu s at most", info.ssi_signo, d->calls,
               SHUTDOWN_NS / NS_PER_S);
    d->stopping = true;
    d->stop_at_ns = loop_now_ns() + SHUTDOWN_NS;
    http_refuse_new(d);
}

static tfaas_status_t watch_signals(struct daemon *d, struct tfaas_error *error)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    d->signal_watch.ready = on_signal;
    if (fd < 0 || !loop_add(&d->loop, &d->signal_watch, fd, false))
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot watch signals");
    return TFAAS_OK;
}

/* The image that conformance tests deploy is there from the start. */
static tfaas_status_t put_sample(struct daemon *d, struct tfaas_error *error)
{
    uint8_t *bytes = NULL, digest[PACKAGE_DIGEST_SIZE];
    size_t size = 0;
    tfaas_status_t status = sample_package(&bytes, &size, error);
    if (status == TFAAS_OK)
        status = store_put_package(d->store, SAMPLE_IMAGE, bytes, size, digest, error);
    free(bytes);
    return status == TFAAS_OK ? status : error_wrap(error, "cannot keep the sample function");
}

static tfaas_status_t start(struct daemon *d, struct tfaas_error *error)
{
    if (!loop_open(&d->loop))
        return error_errno(error, TFAAS_INTERNAL, errno, "cannot make an epoll descriptor");
    tfaas_status_t status = watch_signals(d, error);
    if (status == TFAAS_OK)
        status = store_open(&d->store, d->config.state_dir, error);
    (void)snprintf(d->build_dir, sizeof d->build_dir, "%s/build", d->config.state_dir);
    if (status == TFAAS_OK)
        status = build_prepare(d->build_dir, error);
    if (status == TFAAS_OK)
        status = put_sample(d, error);
    logs_init(&d->logs);
    TAILQ_INIT(&d->deploys);
    if (status == TFAAS_OK)
        status = tended_start(d->standard, error);
    if (status != TFAAS_OK)
        return status;
    if (!registry_open(d, error))
        return error->status;
    registry_warm(d);
    return http_open(d, error);
}

/* --- the loop --- */

/* How long nothing is due; 0: libmicrohttpd wants to run now. */
static int wait_ms(struct daemon *d, uint64_t now)
{
    int wait = http_timeout_ms(d);
    if (wait == 0) {
        d->mhd_due = true;
        return 0;
    }
    wait = loop_earlier(wait, tended_timeout_ms(d));
    if (d->connection_count)
        wait = loop_earlier(wait, d->calls ? 250 : 1000);
    if (d->scale_due)
        wait = loop_earlier(wait, SCALE_NS / NS_PER_MS);
    if (d->stopping)
        wait = loop_earlier(wait, now >= d->stop_at_ns ? 0 : 50);
    return wait;
}

static void timers(struct daemon *d, uint64_t *ticked, uint64_t *swept)
{
    uint64_t now = d->now_ns;
    if (now - *ticked >= TICK_NS) {
        *ticked = now;
        tended_tick(d);
    }
    if (now - d->scaled_ns >= SCALE_NS)
        autoscale_look(d);
    if (now - *swept >= SWEEP_NS) {
        *swept = now;
        http_sweep(d);
    }
}

static bool run(struct daemon *d)
{
    uint64_t ticked = 0, swept = 0;
    d->mhd_due = true;
    for (unsigned turn = 0;; turn++) {
        uint64_t now = loop_now_ns();
        tended_now(d, now);
        timers(d, &ticked, &swept);
        bool more = tended_run(d);
        if (d->mhd_due)
            http_run(d);
        if (d->stopping && (d->calls == 0 || now >= d->stop_at_ns))
            return true;
        int wait = more || d->mhd_due ? 0 : wait_ms(d, now);
        if (wait && !tended_sleep(d))
            wait = 0;
        /* While there is work, the descriptors need not be asked every time. */
        if (wait == 0 && turn % 8)
            continue;
        if (!loop_turn(&d->loop, wait)) {
            daemon_log("epoll_wait: %s", strerror(errno));
            return false;
        }
    }
}

static void stop(struct daemon *d)
{
    http_close(d);
    tended_quiet(d);
    registry_close(d);
    tended_stop(d);
    if (d->store)
        store_close(d->store);
    loop_close(&d->loop);
    config_free(&d->config);
}

int daemon_main(int argc, char **argv, const struct tender_ops *const *tenders)
{
    static struct daemon d;
    struct arguments arguments = {0};
    struct tfaas_error error;
    int early = read_options(argc, argv, &arguments);
    if (early >= 0)
        return early;
    (void)umask(077);
    /* A core dump would hold the keys and every payload. */
    (void)setrlimit(RLIMIT_CORE, &(const struct rlimit){0, 0});
    if (sodium_init() < 0) {
        (void)fputs("tfaasd: libsodium did not start\n", stderr);
        return 70;
    }
    d.loop.epoll_fd = -1;
    d.listen_fd = -1;
    tfaas_status_t status = configure(&d.config, &arguments, &error);
    if (status == TFAAS_OK)
        status = tended_init(&d, tenders, &daemon_core_owner, &error);
    if (status == TFAAS_OK)
        status = start(&d, &error);
    if (status != TFAAS_OK) {
        (void)fprintf(stderr, "tfaasd: %s\n", error.text);
        stop(&d);
        return tfaas_status_exit(status);
    }
    daemon_log("version %s serves on %s:%s, tender %s (%s), %u functions", TFAAS_VERSION,
               d.config.listen_host, d.config.listen_port, d.standard->ops->name,
               d.standard->layers, d.registry.function_count);
    bool good = run(&d);
    stop(&d);
    daemon_log("stopped");
    return good ? 0 : 70;
}
