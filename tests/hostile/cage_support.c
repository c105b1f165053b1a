/*
 * cage_support.c - see cage_support.h. Test code: what it cannot do counts as a failed check.
 */
#include "cage_support.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 60000

static unsigned passed, failed;
static char how_it_ended[256];

void check(bool right, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (right) {
        passed++;
    } else {
        failed++;
    }
    printf("%s  %s\n", right ? "ok    " : "FAILED", text);
    fflush(stdout);
}

int report(void)
{
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

const char *sibling_path(const char *name)
{
    static char path[2][1024];
    static unsigned turn;
    char *to = path[turn++ % 2];
    const ssize_t size = readlink("/proc/self/exe", to, 900);
    to[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(to, '/');
    char *end = slash != NULL ? slash + 1 : to;
    snprintf(end, 1024 - (size_t)(end - to), "%s", name);
    return to;
}

struct tender *start_tender(const char *core, uint64_t memory_max)
{
    const struct tender_options options = {.core_path = core, .worker_memory_max = memory_max};
    struct tfaas_error error = {0};
    char layers[256];
    struct tender *tender = NULL;
    const tfaas_status_t status =
        tender_process.start(&options, &tender, layers, sizeof(layers), &error);
    check(status == TFAAS_OK, "the tender starts (%s)", status == TFAAS_OK ? layers : error.text);
    return status == TFAAS_OK ? tender : NULL;
}

bool start_worker(struct tender *tender, struct tender_worker *worker)
{
    struct tfaas_error error = {0};
    if (tender_process.launch(tender, TENDER_WORKER, "test", worker, &error) == TFAAS_OK) {
        return true;
    }
    check(false, "a worker starts: %s", error.text);
    return false;
}

void stop_worker(struct tender *tender, struct tender_worker *worker)
{
    tender_process.destroy(tender, worker);
}

bool run_attack(struct tender_worker *worker, const struct attack_command *command, int64_t *result)
{
    const struct attack_answer *answer = attack_answer(worker->window);
    const uint32_t before = atomic_load(&answer->count);
    memcpy(attack_command(worker->window), command, sizeof(*command));
    const uint64_t one = 1;
    if (write(worker->ring_fd, &one, sizeof(one)) != sizeof(one)) {
        return false;
    }
    for (;;) {
        struct pollfd fds[] = {{.fd = worker->bell_fd, .events = POLLIN},
                               {.fd = worker->exit_fd, .events = POLLIN}};
        if (poll(fds, 2, ANSWER_MS) <= 0) {
            return false;
        }
        if (fds[0].revents != 0) {
            uint64_t count;
            const ssize_t n = read(worker->bell_fd, &count, sizeof(count));
            if (n == sizeof(count) && atomic_load(&answer->count) != before) {
                *result = answer->result;
                return true;
            }
        }
        if (fds[1].revents != 0) {
            return false;
        }
    }
}

bool wait_exit(const struct tender_worker *worker)
{
    struct pollfd exited = {.fd = worker->exit_fd, .events = POLLIN};
    return poll(&exited, 1, ANSWER_MS) == 1;
}

const char *ending(struct tender *tender, struct tender_worker *worker)
{
    tender_process.ended(tender, worker, how_it_ended, sizeof(how_it_ended));
    return how_it_ended;
}

const char *last_ending(void)
{
    return how_it_ended;
}

const char *attack_ending(struct tender *tender, const struct attack_command *command)
{
    struct tender_worker worker;
    int64_t result = 0;
    snprintf(how_it_ended, sizeof(how_it_ended), "it did not start");
    if (!start_worker(tender, &worker)) {
        return how_it_ended;
    }
    if (run_attack(&worker, command, &result)) {
        snprintf(how_it_ended, sizeof(how_it_ended), "it lives: %lld", (long long)result);
    } else if (!wait_exit(&worker)) {
        snprintf(how_it_ended, sizeof(how_it_ended), "it lives and does not answer");
    } else {
        ending(tender, &worker);
    }
    stop_worker(tender, &worker);
    return how_it_ended;
}

bool attack_kills(struct tender *tender, const struct attack_command *command)
{
    return strstr(attack_ending(tender, command), "SIGSYS") != NULL;
}

int parent_of(int pid)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *status = fopen(path, "r");
    int parent = -1;
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (sscanf(line, "PPid: %d", &parent) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return parent;
}
