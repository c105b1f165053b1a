/*
 * guest_main.c - the life of a core in a virtual machine: prepare, READY, enter, serve. Must never
 * leave a secret of the launch page in memory longer than its reading takes, and never keep one
 * over READY: every copy of the machine would have it.
 */
#include "guest.h"

#include "cache.h"
#include "core.h"
#include "random.h"

#include <sodium.h>
#include <string.h>

/* In each copy: what the tender has written for this one. */
static void enter(struct shim_launch *launch)
{
    if (launch->magic != SHIM_LAUNCH_MAGIC || launch->launched != 1 ||
        (launch->role != PLAT_WORKER && launch->role != PLAT_KEEPER) ||
        strnlen(launch->domain, sizeof(launch->domain)) == sizeof(launch->domain)) {
        plat_abort("the launch page is not one");
    }
    guest_entropy_mix(launch->entropy);
    plat_clock_machine(launch->tsc_khz);
    plat_linux_attach((void *)SHIM_WINDOW_VA);
    plat_linux_memory_max(launch->memory_max);
    plat_linux_domain((enum plat_role)launch->role, launch->domain);
    plat_linux_report_take(launch->measurement, launch->report_seed);
    plat_linux_report_enter(launch->domain);
    cache_take(launch->cache_seed);
    sodium_memzero(launch, sizeof(*launch));
}

static void tell(const char *reason)
{
    volatile struct shim_shared *to = (volatile struct shim_shared *)SHIM_SHARED_VA;
    for (size_t i = 0; i < sizeof(to->words) - 1 && reason[i] != '\0'; i++) {
        to->words[i] = reason[i];
    }
}

void guest_main(void)
{
    struct shim_launch *launch = (struct shim_launch *)SHIM_LAUNCH_VA;
    plat_machine = true;
    plat_on_abort = tell;
    if (launch->magic != SHIM_LAUNCH_MAGIC) {
        plat_abort("the launch page is not one");
    }
    plat_clock_machine(launch->tsc_khz);
    const char *why = plat_linux_prepare();
    if (why != NULL || !core_prepare(&why)) {
        plat_abort(why);
    }
    cache_wipe();
    random_forget();
    plat_on_abort = NULL;
    guest_ready();
    enter(launch);
    plat_context_new_guards();
    core_serve();
}
