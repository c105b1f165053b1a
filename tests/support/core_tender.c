/* core_tender.c - see core_child.h: cores of the product, launched by the kvm tender. Test code:
 * any surprise ends the test with a message. */
#include "core_child.h"

#include "tender/tender.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One tender for as long as its cores are to have the same memory. */
static struct tender *tender;
static uint64_t memory_of_tender;

static void give_up(const char *what, const char *why)
{
    (void)printf("cannot go on: %s: %s\n0 passed, 1 failed\n", what, why);
    exit(1);
}

bool core_tender_wanted(void)
{
    const char *name = getenv("TENDER");
    if (name == NULL || name[0] == '\0' || strcmp(name, "process") == 0)
        return false;
    if (strcmp(name, "kvm") != 0)
        give_up("TENDER is neither process nor kvm", name);
    if (access("/dev/kvm", F_OK) != 0) {
        (void)printf("skipped: no /dev/kvm\n0 passed, 0 failed, 1 skipped\n");
        exit(0);
    }
    return true;
}

static void stop_tender(void)
{
    if (tender)
        tender_kvm.stop(tender);
    tender = NULL;
}

static void start_tender(uint64_t memory_max)
{
    const struct tender_options options = {.core_path = "build/tfaas-core",
                                           .allow_weaker_sandbox = true,
                                           .worker_memory_max = memory_max};
    static bool once;
    struct tfaas_error error = {0};
    char layers[256];
    stop_tender();
    if (tender_kvm.start(&options, &tender, layers, sizeof layers, &error) != TFAAS_OK)
        give_up("the tender", error.text);
    memory_of_tender = memory_max;
    if (!once && atexit(stop_tender) != 0)
        give_up("the tender", "atexit");
    once = true;
}

void core_tender_launch(struct core_child *core, uint64_t memory_max)
{
    struct tfaas_error error = {0};
    if (!tender || memory_of_tender != memory_max)
        start_tender(memory_max);
    core->worker = calloc(1, sizeof *core->worker);
    if (!core->worker)
        give_up("a core", "no memory");
    core->worker->exit_fd = -1;
    if (tender_kvm.launch(tender, TENDER_WORKER, "test", core->worker, &error) != TFAAS_OK)
        give_up("a core", error.text);
    core->window = core->worker->window;
    core->ring_fd = core->worker->ring_fd;
    core->bell_fd = core->worker->bell_fd;
    core->pid = core->worker->pid;
}

bool core_tender_gone(const struct core_child *core)
{
    struct pollfd exited = {.fd = core->worker->exit_fd, .events = POLLIN};
    return poll(&exited, 1, 0) == 1;
}

void core_tender_end(struct core_child *core)
{
    tender_kvm.destroy(tender, core->worker);
    free(core->worker);
    core->worker = NULL;
}
