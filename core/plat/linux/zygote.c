/*
 * zygote.c - makes the core ready once and forks a worker per command, each in its own pid
 * namespace behind a narrower filter. Must never see tenant data, and a worker must never keep a
 * descriptor, a capability or a system call of the zygote.
 */
#include "linux.h"

#include "control.h"
#include "core.h"
#include "tfaas/version.h"
#include "filter.h"
#include "spawn.h"
#include "tfaas/abi.h"
#include "zygote.h"

#include <sys/mman.h>
#include <unistd.h>

#define WORKER_FILES_MAX 16384u /* one per image */

_Static_assert(sizeof(((struct control_message *)0)->text) == PLAT_DOMAIN_MAX + 1,
               "a domain is as long as the text of a message");

static void close_zygote_cage(void)
{
    spawn_no_new_rights();
    if (!filter_install(ZYGOTE)) {
        spawn_fail("the kernel refuses the zygote's system call filter");
    }
}

/* Everything between clone and core_serve. */
static void worker_main(enum plat_role role, const char *domain, const int fds[CONTROL_FDS_MAX],
                        bool own_pids) __attribute__((noreturn));
static void worker_main(enum plat_role role, const char *domain, const int fds[CONTROL_FDS_MAX],
                        bool own_pids)
{
    plat_on_abort = NULL;
    if (own_pids) {
        plat_context_set_tid(1);
    }
    void *window = mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    _Static_assert(WORKER_BELL_FD == WORKER_RING_FD + 1, "spawn_close_child");
    if (window == MAP_FAILED || !spawn_close_child(&fds[1], WORKER_RING_FD) ||
        !spawn_lower_rights(WORKER_FILES_MAX)) {
        _exit(WORKER_EXIT_NO_CAGE);
    }
    plat_linux_attach(window); /* asks for a limit, which the filter forbids */
    plat_linux_domain(role, domain);
    plat_linux_report_enter(domain);
    if (!filter_install(WORKER)) {
        _exit(WORKER_EXIT_NO_CAGE);
    }
    plat_context_new_guards();
    core_serve();
}

void zygote_main(const char *measurement_hex)
{
    plat_on_abort = spawn_tell_failure;
    const char *why = plat_linux_prepare();
    if (why != NULL) {
        spawn_fail(why);
    }
    spawn_prepare();
    close_zygote_cage();
    uint8_t measurement[PLAT_MEASUREMENT_SIZE];
    if (!spawn_read_measurement(measurement_hex, measurement)) {
        spawn_fail("the tender gave no measurement");
    }
    const uint8_t *root = plat_linux_report_prepare(measurement);
    const uint64_t before = plat_now_ns();
    why = "the core cannot be made ready";
    if (!core_prepare(&why)) {
        spawn_fail(why);
    }
    const struct spawn_hooks hooks = {plat_clock_refine, worker_main};
    spawn_serve(&hooks, root, TFAAS_VERSION, plat_now_ns() - before);
}
