/* needs: host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/tender/skeleton/skeleton.c host/error.c common/ring.c common/sha384.c common/status.c libs: sodium crypto flags: nosan -Ihost -D_GNU_SOURCE */
/*
 * tender_contract.c - what tfaasd relies on in every backend of host/tender/tender.h, asked of each
 * in turn with the real core: a new backend adds itself to `backends` and passes. What only one
 * kind of wall can promise is in tests/hostile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plat/plat.h"
#include "ring.h"
#include "tender/kvm/machine.h"
#include "tender/skeleton/skeleton.h"
#include "tender/tender.h"

#define CORE      "build/tfaas-core"
#define ANSWER_MS 60000
#define MANY      20

static const struct tender_ops *const backends[] = {&tender_process, &tender_skeleton, &tender_kvm};
#define BACKENDS (sizeof backends / sizeof *backends)

/* One running tender per backend; the tests that need another start it. */
struct stage {
    const struct tender_ops *ops;
    struct tender *tender;
    unsigned fds; /* open before it started */
};

/* A core and the host's ends of its rings. */
struct core {
    struct tender_worker worker;
    struct ring_tx tx;
    struct ring_rx rx;
};

static unsigned open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count;
}

static struct tender *start_with(const struct tender_ops *ops, struct tender_options options)
{
    struct tfaas_error error = {0};
    struct tender *tender = NULL;
    char layers[256] = "";
    options.allow_weaker_sandbox = true;
    if (ops->start(&options, &tender, layers, sizeof layers, &error) != TFAAS_OK)
        fail_msg("%s does not start: %s", ops->name, error.text);
    assert_true(layers[0] != '\0');
    return tender;
}

static void launch(const struct stage *stage, struct tender *tender, enum tender_role role,
                   const char *domain, struct core *core)
{
    struct tfaas_error error = {0};
    *core = (struct core){0};
    if (stage->ops->launch(tender, role, domain, &core->worker, &error) != TFAAS_OK)
        fail_msg("%s launches nothing: %s", stage->ops->name, error.text);
    ring_tx_init(&core->tx, core->worker.window, true);
    ring_rx_init(&core->rx, core->worker.window, true);
}

static void ring_it(const struct core *core)
{
    const uint64_t one = 1;
    assert_int_equal(write(core->worker.ring_fd, &one, sizeof one), sizeof one);
}

static void send_message(struct core *core, struct tfaas_slot slot, const void *bytes, size_t size)
{
    assert_int_equal(ring_send(&core->tx, &slot, bytes, size), TFAAS_OK);
    if (ring_flush(&core->tx))
        ring_it(core);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, timeout_ms) == 1;
}

/* The next message; sleeps on the bell as tfaasd does. False: the core ended. */
static bool receive(struct core *core, struct tfaas_slot *slot, uint8_t *payload)
{
    for (bool gone = false;;) {
        const tfaas_status_t status = ring_receive(&core->rx, slot, payload);
        if (status == TFAAS_OK) {
            if (ring_release(&core->rx))
                ring_it(core);
            return true;
        }
        assert_int_equal(status, TFAAS_NOT_FOUND);
        if (gone)
            return false;
        if (!ring_sleep(&core->rx))
            continue;
        struct pollfd fds[] = {{.fd = core->worker.bell_fd, .events = POLLIN},
                               {.fd = core->worker.exit_fd, .events = POLLIN}};
        assert_true(poll(fds, 2, ANSWER_MS) > 0);
        uint64_t count;
        (void)!read(core->worker.bell_fd, &count, sizeof count);
        ring_awake(&core->rx);
        gone = fds[1].revents != 0;
    }
}

static void serves(struct core *core)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    send_message(core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    assert_true(receive(core, &slot, payload));
    assert_int_equal(slot.kind, TFAAS_READY);
    assert_int_equal(slot.arg[0], TFAAS_ABI_VERSION);
}

static int parent_of(int pid)
{
    char path[64], line[128];
    int parent = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status) && sscanf(line, "PPid: %d", &parent) != 1) {
    }
    if (status)
        (void)fclose(status);
    return parent;
}

/* --- start --- */

static void probe_says_why(void **state)
{
    const struct stage *stage = *state;
    char why[512] = "?", small[8];
    const bool usable = stage->ops->probe(why, sizeof why);
    assert_true(usable == (why[0] == '\0'));
    assert_true(stage->ops->probe(small, sizeof small) == usable);
    assert_true(strnlen(small, sizeof small) < sizeof small);
    struct tender_options options = {.core_path = CORE};
    struct tfaas_error error = {0};
    struct tender *tender = NULL;
    char layers[256];
    const tfaas_status_t status =
        stage->ops->start(&options, &tender, layers, sizeof layers, &error);
    if (usable) {
        assert_int_equal(status, TFAAS_OK);
        stage->ops->stop(tender);
    } else { /* only who says so gets less than all walls, and the refusal says what is missing */
        char first[64];
        (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(why, ":\n"), why);
        assert_int_equal(status, TFAAS_UNAVAILABLE);
        assert_non_null(strstr(error.text, first));
        assert_null(tender);
    }
}

static void a_core_that_is_none_is_refused(void **state)
{
    const struct stage *stage = *state;
    static const char *const paths[] = {"/nonexistent/core", "/etc/passwd", "/bin/false", "/", ""};
    const unsigned before = open_fds();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct tender_options options = {.core_path = paths[i], .allow_weaker_sandbox = true};
        struct tfaas_error error = {0};
        struct tender *tender = NULL;
        char layers[256];
        if (stage->ops->start(&options, &tender, layers, sizeof layers, &error) !=
                TFAAS_UNAVAILABLE ||
            tender || error.text[0] == '\0')
            fail_msg("\"%s\": %s", paths[i], error.text);
        if (i == 0)
            assert_non_null(strstr(error.text, paths[i]));
    }
    assert_int_equal(open_fds(), before);
}

/* A file that this user may execute and not read cannot be measured. */
static void a_core_that_cannot_be_read_is_refused(void **state)
{
    const struct stage *stage = *state;
    char path[] = "/tmp/tfaas-contract-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0111), 0);
    const bool root = geteuid() == 0;
    if (root)
        assert_int_equal(seteuid(65534), 0);
    const struct tender_options options = {.core_path = path, .allow_weaker_sandbox = true};
    struct tfaas_error error = {0};
    struct tender *tender = NULL;
    char layers[256];
    const tfaas_status_t status =
        stage->ops->start(&options, &tender, layers, sizeof layers, &error);
    if (root)
        assert_int_equal(seteuid(0), 0);
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(status, TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, strerror(EACCES)));
}

/* --- what it launches --- */

static void sha384_of(const char *path, uint8_t to[48])
{
    static uint8_t piece[1u << 16];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FILE *file = fopen(path, "rb");
    size_t size;
    assert_non_null(file);
    assert_true(EVP_DigestInit_ex(context, EVP_sha384(), NULL) == 1);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0)
        (void)EVP_DigestUpdate(context, piece, size);
    assert_true(EVP_DigestFinal_ex(context, to, NULL) == 1);
    EVP_MD_CTX_free(context);
    (void)fclose(file);
}

/* A machine is more than the core's file; how it is measured has tests of its own (machine.c). */
static void measure_machine(uint8_t to[48])
{
    static uint8_t core[64u << 20], shim[1u << 20];
    const char *why = "";
    FILE *files[] = {fopen(CORE, "rb"), fopen("build/tfaas-shim", "rb")};
    assert_true(files[0] && files[1]);
    const size_t core_size = fread(core, 1, sizeof core, files[0]);
    const size_t shim_size = fread(shim, 1, sizeof shim, files[1]);
    (void)fclose(files[0]);
    (void)fclose(files[1]);
    if (!machine_measure_files(core, core_size, shim, shim_size, to, &why))
        fail_msg("%s", why);
}

/* In an answer to HELLO: the report is the first byte string of a map, 264 bytes (0x59 0x0108). */
static const struct plat_report *report_of(const uint8_t *answer, size_t size)
{
    static struct plat_report report;
    static const uint8_t head[] = {0x01, 0x59, 0x01, 0x08};
    const uint8_t *at = memmem(answer, size, head, sizeof head);
    assert_non_null(at);
    memcpy(&report, at + sizeof head, sizeof report);
    return &report;
}

static void identity_is_the_file_and_the_key(void **state)
{
    const struct stage *stage = *state;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    static const uint8_t fresh[] = {0xa1, 0x01, 0xf5};
    uint8_t measurement[48], root[32], expected[48], domain[64];
    struct tfaas_slot slot;
    struct core core;
    stage->ops->identity(stage->tender, measurement, root);
    if (stage->ops == &tender_kvm)
        measure_machine(expected);
    else
        sha384_of(CORE, expected);
    assert_memory_equal(measurement, expected, sizeof expected);
    launch(stage, stage->tender, TENDER_WORKER, "shop", &core);
    serves(&core);
    send_message(&core, (struct tfaas_slot){.kind = TFAAS_CALL, .id = 3, .arg = {TFAAS_OP_HELLO}},
                 fresh, sizeof fresh);
    assert_true(receive(&core, &slot, payload));
    assert_int_equal(slot.kind, TFAAS_ANSWER);
    assert_int_equal(slot.arg[0], TFAAS_OK);
    const struct plat_report *report = report_of(payload, slot.size);
    crypto_hash_sha512(domain, (const uint8_t *)"shop", 4);
    assert_memory_equal(report->measurement, expected, sizeof expected);
    assert_memory_equal(report->domain, domain, sizeof domain);
    assert_int_equal(report->role, PLAT_WORKER);
    assert_int_equal(crypto_sign_verify_detached(report->signature, (const uint8_t *)report,
                                                 offsetof(struct plat_report, signature), root),
                     0);
    stage->ops->destroy(stage->tender, &core.worker);
}

static void window_is_formatted(void **state)
{
    const struct stage *stage = *state;
    struct core core;
    launch(stage, stage->tender, TENDER_WORKER, "shop", &core);
    const struct tfaas_window *window = core.worker.window;
    assert_int_equal(window->magic, TFAAS_ABI_MAGIC);
    assert_int_equal(window->abi_version, TFAAS_ABI_VERSION);
    assert_int_equal(window->window_size, TFAAS_WINDOW_SIZE);
    assert_true(window_check(core.worker.window));
    const uint8_t *bytes = core.worker.window;
    for (size_t i = TFAAS_H2C_SLOTS_OFFSET; i < TFAAS_WINDOW_SIZE; i++)
        if (bytes[i])
            fail_msg("byte %zu is %u before anybody wrote", i, bytes[i]);
    stage->ops->destroy(stage->tender, &core.worker);
}

static void both_roles_serve(void **state)
{
    const struct stage *stage = *state;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    struct core worker, keeper;
    char how[128] = "";
    launch(stage, stage->tender, TENDER_WORKER, "shop", &worker);
    launch(stage, stage->tender, TENDER_KEEPER, "", &keeper);
    serves(&worker);
    serves(&keeper);
    /* What one may and the other may not: a function that is not there, unloaded by a rule. */
    send_message(&keeper, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = 5}, NULL, 0);
    assert_true(receive(&keeper, &slot, payload));
    assert_int_equal(slot.kind, TFAAS_FAULT);
    assert_true(readable(keeper.worker.exit_fd, ANSWER_MS));
    stage->ops->ended(stage->tender, &keeper.worker, how, sizeof how);
    assert_non_null(strstr(how, "70"));
    send_message(&worker, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = 5}, NULL, 0);
    serves(&worker);
    stage->ops->destroy(stage->tender, &worker.worker);
    stage->ops->destroy(stage->tender, &keeper.worker);
}

static void doorbells_wake_both_ways(void **state)
{
    const struct stage *stage = *state;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    struct core core;
    uint64_t count;
    launch(stage, stage->tender, TENDER_WORKER, "shop", &core);
    serves(&core);
    struct tfaas_window *window = core.worker.window;
    for (int i = 0; i < 2000 && !atomic_load(&window->h2c.sleeping); i++)
        (void)usleep(1000);
    assert_true(atomic_load(&window->h2c.sleeping)); /* an idle core sleeps, and says so */
    (void)!read(core.worker.bell_fd, &count, sizeof count);
    assert_int_equal(read(core.worker.bell_fd, &count, sizeof count), -1);
    assert_int_equal(errno, EAGAIN); /* the bell never blocks us */
    assert_true(ring_sleep(&core.rx));
    send_message(&core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    assert_true(readable(core.worker.bell_fd, ANSWER_MS)); /* rung, without a look at the window */
    ring_awake(&core.rx);
    assert_true(receive(&core, &slot, payload));
    assert_false(readable(core.worker.exit_fd, 0));
    for (int i = 0; i < 1000; i++) /* a host that rings for nothing */
        ring_it(&core);
    serves(&core);
    stage->ops->destroy(stage->tender, &core.worker);
}

/* --- how it ends --- */

static void ends_are_told(void **state)
{
    const struct stage *stage = *state;
    static const struct {
        uint16_t kind;
        const char *how;
    } ends[] = {{TFAAS_STOP, "exit 0"}, {60, "exit 70 (fault in the core)"}, {0, "killed by SIG"}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct core core;
        char how[128] = "", small[5];
        launch(stage, stage->tender, TENDER_WORKER, "shop", &core);
        serves(&core);
        assert_false(readable(core.worker.exit_fd, 0));
        if (ends[i].kind)
            send_message(&core, (struct tfaas_slot){.kind = ends[i].kind}, NULL, 0);
        else if (core.worker.pid > 0)
            assert_int_equal(kill(core.worker.pid, SIGKILL), 0);
        if (ends[i].kind || core.worker.pid > 0) {
            assert_true(readable(core.worker.exit_fd, ANSWER_MS));
            stage->ops->ended(stage->tender, &core.worker, how, sizeof how);
            if (strncmp(how, ends[i].how, strlen(ends[i].how)) != 0)
                fail_msg("\"%s\" instead of \"%s\"", how, ends[i].how);
            stage->ops->ended(stage->tender, &core.worker, small, sizeof small); /* again */
            assert_true(strnlen(small, sizeof small) == sizeof small - 1);
        }
        stage->ops->destroy(stage->tender, &core.worker);
    }
}

static void destroy_of_a_live_one_leaves_nothing(void **state)
{
    const struct stage *stage = *state;
    const unsigned before = open_fds();
    struct core core;
    launch(stage, stage->tender, TENDER_WORKER, "shop", &core);
    serves(&core);
    const struct tender_worker was = core.worker;
    stage->ops->destroy(stage->tender, &core.worker);
    assert_int_equal(open_fds(), before);
    assert_true(fcntl(was.bell_fd, F_GETFD) == -1 && fcntl(was.ring_fd, F_GETFD) == -1 &&
                fcntl(was.exit_fd, F_GETFD) == -1);
    assert_true(msync(was.window, TFAAS_WINDOW_SIZE, MS_ASYNC) == -1 && errno == ENOMEM);
    assert_true(core.worker.window == NULL && core.worker.bell_fd == -1 &&
                core.worker.ring_fd == -1 && core.worker.exit_fd == -1 && core.worker.pid == -1);
    for (int i = 0; was.pid > 0 && i < 2000 && kill(was.pid, 0) == 0; i++)
        (void)usleep(1000); /* a zombie until its parent has looked */
    assert_true(was.pid <= 0 || kill(was.pid, 0) == -1);
    stage->ops->destroy(stage->tender, &core.worker); /* of nothing */
}

static void a_dead_process_of_the_tender_is_replaced(void **state)
{
    const struct stage *stage = *state;
    struct core core, next;
    char how[256] = "";
    launch(stage, stage->tender, TENDER_WORKER, "shop", &core);
    serves(&core);
    const int forker = core.worker.pid > 0 ? parent_of(core.worker.pid) : -1;
    if (forker > 1 && forker != getpid()) {
        assert_int_equal(kill(forker, SIGKILL), 0);
        assert_true(readable(core.worker.exit_fd, ANSWER_MS)); /* its cores do not outlive it */
        stage->ops->ended(stage->tender, &core.worker, how, sizeof how);
        assert_true(strstr(how, "SIGKILL") || strstr(how, "killed together"));
    }
    launch(stage, stage->tender, TENDER_WORKER, "shop", &next);
    serves(&next);
    if (how[0]) { /* and of the old one the same is said while the new one lives */
        stage->ops->ended(stage->tender, &core.worker, how, sizeof how);
        assert_true(strstr(how, "SIGKILL") || strstr(how, "killed together"));
    }
    stage->ops->destroy(stage->tender, &core.worker);
    stage->ops->destroy(stage->tender, &next.worker);
}

static void many_at_once_share_nothing(void **state)
{
    const struct stage *stage = *state;
    static struct core cores[MANY];
    char how[128], domain[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(domain, sizeof domain, "d%d", i);
        launch(stage, stage->tender, i % 5 ? TENDER_WORKER : TENDER_KEEPER, i % 5 ? domain : "",
               &cores[i]);
        for (int j = 0; j < i; j++)
            assert_true(cores[i].worker.window != cores[j].worker.window &&
                        cores[i].worker.bell_fd != cores[j].worker.bell_fd &&
                        cores[i].worker.ring_fd != cores[j].worker.ring_fd &&
                        (cores[i].worker.pid == -1 || cores[i].worker.pid != cores[j].worker.pid));
    }
    for (int i = MANY - 1; i >= 0; i--)
        serves(&cores[i]);
    for (int i = 0; i < MANY; i += 2)
        send_message(&cores[i], (struct tfaas_slot){.kind = TFAAS_STOP}, NULL, 0);
    for (int i = MANY - 1; i >= 0; i--) {
        if (i % 2 == 0) {
            assert_true(readable(cores[i].worker.exit_fd, ANSWER_MS));
            stage->ops->ended(stage->tender, &cores[i].worker, how, sizeof how);
            assert_string_equal(how, "exit 0");
        } else {
            assert_false(readable(cores[i].worker.exit_fd, 0));
            serves(&cores[i]);
        }
        stage->ops->destroy(stage->tender, &cores[i].worker);
    }
}

static void names_of_domains_are_bounded(void **state)
{
    const struct stage *stage = *state;
    char name[400];
    struct core core;
    memset(name, 'n', sizeof name);
    name[231] = '\0';
    launch(stage, stage->tender, TENDER_WORKER, name, &core);
    serves(&core);
    stage->ops->destroy(stage->tender, &core.worker);
    const unsigned before = open_fds();
    for (size_t size = 232; size < sizeof name; size += 83) {
        memset(name, 'n', sizeof name);
        name[size] = '\0';
        struct tender_worker worker;
        struct tfaas_error error = {0};
        assert_int_equal(stage->ops->launch(stage->tender, TENDER_WORKER, name, &worker, &error),
                         TFAAS_BAD_REQUEST);
        assert_true(worker.window == NULL && error.text[0] != '\0');
    }
    assert_int_equal(open_fds(), before);
}

static void two_tenders_have_two_keys(void **state)
{
    const struct stage *stage = *state;
    uint8_t measurement[2][48], root[2][32];
    struct tender *other = start_with(stage->ops, (struct tender_options){.core_path = CORE});
    stage->ops->identity(stage->tender, measurement[0], root[0]);
    stage->ops->identity(other, measurement[1], root[1]);
    assert_memory_equal(measurement[0], measurement[1], 48);
    assert_memory_not_equal(root[0], root[1], 32);
    struct core core;
    launch(stage, other, TENDER_WORKER, "shop", &core);
    serves(&core);
    stage->ops->stop(other); /* with a core alive: that ends with it */
    assert_true(readable(core.worker.exit_fd, ANSWER_MS));
    (void)close(core.worker.exit_fd);
    (void)close(core.worker.ring_fd);
    (void)close(core.worker.bell_fd);
    (void)munmap(core.worker.window, TFAAS_WINDOW_SIZE);
}

/* One case of one backend; where that cannot be had, skipped in words. */
struct one {
    struct stage *stage;
    CMUnitTestFunction run;
};

static void run_one(void **state)
{
    const struct one *one = *state;
    struct stage *stage = one->stage;
    if (stage->ops == &tender_kvm && access("/dev/kvm", F_OK) != 0) {
        print_message("skipped: no /dev/kvm\n");
        skip();
    }
    if (!stage->tender) {
        stage->fds = open_fds();
        stage->tender = start_with(stage->ops, (struct tender_options){.core_path = CORE});
    }
    void *at = stage;
    one->run(&at);
}

static void stop_leaves_nothing(void **state)
{
    struct stage *stage = *state;
    stage->ops->stop(stage->tender);
    assert_int_equal(open_fds(), stage->fds);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static const struct {
    const char *name;
    CMUnitTestFunction run;
} cases[] = {
#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    CASE(probe_says_why),
    CASE(a_core_that_is_none_is_refused),
    CASE(a_core_that_cannot_be_read_is_refused),
    CASE(identity_is_the_file_and_the_key),
    CASE(window_is_formatted),
    CASE(both_roles_serve),
    CASE(doorbells_wake_both_ways),
    CASE(ends_are_told),
    CASE(destroy_of_a_live_one_leaves_nothing),
    CASE(a_dead_process_of_the_tender_is_replaced),
    CASE(many_at_once_share_nothing),
    CASE(names_of_domains_are_bounded),
    CASE(two_tenders_have_two_keys),
    CASE(stop_leaves_nothing), /* last */
#undef CASE
};
#define CASES (sizeof cases / sizeof *cases)

int main(void)
{
    static struct CMUnitTest tests[BACKENDS * CASES];
    static struct stage stages[BACKENDS];
    static struct one ones[BACKENDS * CASES];
    static char names[BACKENDS * CASES][80];
    for (size_t b = 0; b < BACKENDS; b++) {
        stages[b].ops = backends[b];
        for (size_t c = 0; c < CASES; c++) {
            char *name = names[b * CASES + c];
            (void)snprintf(name, sizeof names[0], "%s_%s", backends[b]->name, cases[c].name);
            ones[b * CASES + c] = (struct one){&stages[b], cases[c].run};
            tests[b * CASES + c] = (struct CMUnitTest){
                .name = name, .test_func = run_one, .initial_state = &ones[b * CASES + c]};
        }
    }
    return cmocka_run_group_tests_name("tender_contract", tests, NULL, NULL);
}
