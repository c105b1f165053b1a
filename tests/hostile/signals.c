/*
 * signals.c - a host that injects: every signal number, at random points of plain and sealed calls
 * and of HELLO, by kill and with a made-up fault address by rt_sigqueueinfo. What a call answers is
 * right or does not come; the worker ends by that signal, ends with a FAULT, or goes on.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c tests/support/sealed_test.c tests/support/identity_double.c flags: -Wl,--wrap=identity_key,--wrap=identity_signing_secret,--wrap=identity_lease,--wrap=identity_instance */
/* clang-format on */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sealed_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS  3u
#define CALLS   12u
#define SIGNALS 64

/* Faults have a handler that writes last words; these are what a worker takes from the kernel. */
static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
           number == SIGTRAP;
}

/* Of the tick, and of what does nothing to a process that does not ask. */
static bool is_harmless(int number)
{
    return number == SIGALRM || number == SIGCHLD || number == SIGURG || number == SIGWINCH ||
           number == SIGCONT;
}

static struct shots {
    pthread_t thread;
    int number;
    bool forged; /* with an address of the core's choice of pages */
    uint64_t seed;
    _Atomic bool stop;
    _Atomic unsigned sent;
} shots;

static void *shoot(void *argument)
{
    (void)argument;
    while (!atomic_load(&shots.stop)) {
        siginfo_t info = {.si_signo = shots.number, .si_code = SI_QUEUE};
        info.si_addr = (uint8_t *)sealed_core.window - (core_test_random(&shots.seed) % 1000000);
        if (shots.forged)
            (void)syscall(SYS_rt_sigqueueinfo, sealed_core.pid, shots.number, &info);
        else
            (void)kill(sealed_core.pid, shots.number);
        atomic_fetch_add(&shots.sent, 1);
        (void)usleep((unsigned)(core_test_random(&shots.seed) % 900));
    }
    return NULL;
}

static void start_shots(int number, bool forged)
{
    shots.number = number;
    shots.forged = forged;
    atomic_store(&shots.stop, false);
    atomic_store(&shots.sent, 0);
    if (pthread_create(&shots.thread, NULL, shoot, NULL) != 0)
        CHECK(false, "no second thread");
}

static void stop_shots(void)
{
    atomic_store(&shots.stop, true);
    (void)pthread_join(shots.thread, NULL);
}

/* One call of a kind. False: the core is gone. What came, if anything did, is right. */
static bool plain_call(unsigned which)
{
    static const char *const bodies[] = {"s", "hello", "{\"x\":1}"};
    static const uint32_t functions[] = {LOOPS, ECHO, JS};
    struct core_answer answer;
    const char *body = bodies[which % 3];
    const bool alive = core_test_call(&sealed_core, functions[which % 3], body, strlen(body),
                                      20 * SECOND, &answer);
    if (alive) {
        const struct span content = core_content(&answer);
        CHECK(answer.status == TFAAS_OK, "%s", tfaas_status_name(answer.status));
        CHECK(core_http_status(&answer) == (which % 3 == 2 ? 201u : 200u), "HTTP %u",
              core_http_status(&answer));
        CHECK(which % 3 != 1 ||
                  (content.size == strlen(body) && memcmp(content.data, body, content.size) == 0),
              "another content");
    }
    core_answer_free(&answer);
    return alive;
}

static bool sealed_one(unsigned which)
{
    struct exchange x = {.call = {.form = 1 + which % FORMS,
                                  .path = "/function/echo",
                                  .body = CANARY,
                                  .body_size = sizeof CANARY - 1}};
    sealed_prepare(&x);
    const bool alive = client_run(&sealed_core, ECHO, &x.call, 20 * SECOND, &x.answer);
    if (alive) {
        client_open(&x.call, x.answer.core.bytes, x.answer.core.size, &x.reply);
        CHECK(x.answer.core.status == TFAAS_OK && x.reply.opened && x.reply.http_status == 200 &&
                  x.reply.content_size == sizeof CANARY - 1 &&
                  memcmp(x.reply.content, CANARY, sizeof CANARY - 1) == 0,
              "%s: %s, HTTP %u", sealed_form_name(x.call.form), x.reply.why, x.reply.http_status);
    }
    sealed_done(&x);
    return alive;
}

static bool hello(unsigned which)
{
    static const uint8_t fresh[] = {0xa1, 0x01, 0xf5};
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    core_send(&sealed_core,
              (struct tfaas_slot){.kind = TFAAS_CALL, .id = which, .arg = {TFAAS_OP_HELLO}}, fresh,
              sizeof fresh);
    while (core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS)) {
        if (slot.kind == TFAAS_FAULT)
            return false;
        if (slot.kind != TFAAS_ANSWER)
            continue;
        CHECK(slot.id == which && slot.arg[0] == TFAAS_OK && slot.size > PLAT_REPORT_SIZE,
              "HELLO: %s", tfaas_status_name((unsigned)slot.arg[0]));
        return true;
    }
    return false;
}

static void check_end(int number)
{
    const int status = sealed_core.status;
    const bool faulted = WIFEXITED(status) && WEXITSTATUS(status) == 70;
    const bool by_it = WIFSIGNALED(status) && WTERMSIG(status) == number;
    CHECK(!sealed_core.gone || (is_fault(number) ? faulted : by_it), "signal %d: wait status %#x",
          number, (unsigned)status);
    CHECK(!is_harmless(number) || !sealed_core.gone, "signal %d ends it", number);
}

static unsigned answered, gone;

static void inject(int number, bool forged)
{
    sealed_test_start("shop");
    start_shots(number, forged);
    bool alive = true;
    /* What must end a core gets the time to: its first signal may come late on a busy machine, and
     * is felt by the next call. */
    const unsigned calls = is_fault(number) ? 100 * CALLS : CALLS;
    unsigned felt = 0;
    for (unsigned i = 0; (i < calls || (!is_harmless(number) && felt < 2)) && alive; i++) {
        felt += atomic_load(&shots.sent) > 0;
        alive = i % 3 == 0 ? hello(i) : i % 3 == 1 ? plain_call(i / 3) : sealed_one(i / 3);
        answered += alive;
    }
    stop_shots();
    if (!alive)
        gone++;
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    while (!alive && !sealed_core.gone &&
           core_receive(&sealed_core, &slot, payload, CORE_PATIENCE_MS)) {
    }
    check_end(number);
    sealed_test_stop();
}

static void every_signal(void)
{
    for (int number = 1; number <= SIGNALS; number++) {
        if (number == SIGKILL || number == SIGSTOP || number == SIGTSTP || number == SIGTTIN ||
            number == SIGTTOU || number == 32 || number == 33)
            continue; /* those stop it, which a host may do anyway; two are the C library's */
        inject(number, false);
    }
    CHECK(gone > 30 && answered > 0, "%u cores ended, %u answers", gone, answered);
}

static void faults_that_no_fault_caused(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    gone = 0;
    for (unsigned i = 0; i < ROUNDS * 5; i++)
        inject(faults[i % 5], true);
    CHECK(gone == ROUNDS * 5, "%u of %u cores took a sent signal for a fault of their own",
          ROUNDS * 5 - gone, ROUNDS * 5);
}

/* Ticks that nobody armed, at any point: calls are slower and right. */
static void storms_of_ticks(void)
{
    gone = answered = 0;
    for (unsigned i = 0; i < 2 * ROUNDS; i++)
        inject(i % 2 ? SIGALRM : SIGCHLD, i % 4 > 1);
    CHECK(gone == 0 && answered == 2 * ROUNDS * CALLS, "%u answers, %u gone", answered, gone);
}

static void nothing_leaked(void)
{
    CHECK(sealed_leaks == 0, "%u payloads held plaintext", sealed_leaks);
}

int main(int argc, char **argv)
{
    sealed_test_prepare();
    static const struct check_case cases[] = {
        {"storms of ticks", storms_of_ticks},
        {"faults that no fault caused", faults_that_no_fault_caused},
        {"every signal", every_signal},
        {"nothing leaked", nothing_leaked},
    };
    return CHECK_MAIN(cases, argc, argv);
}
