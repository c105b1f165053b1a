/* core.c - see core.h: preparation before the fork, and the loop that serves the window. */
#include "core.h"

#include "cache.h"
#include "call.h"
#include "engine/engine.h"
#include "identity.h"
#include "invoke.h"
#include "loaded.h"
#include "message.h"
#include "plat/plat.h"
#include "random.h"
#include "receipts.h"
#include "ring.h"
#include "scheduler.h"
#include "warm.h"

#include <sodium.h>

#define MESSAGES_PER_ROUND 64u
#define SPIN_TIMES         4u      /* a sleep longer than this many spins ends spinning */
#define TIMER_NEAR_NS      1000000 /* no spin over a timer */

int core_prepare(const char **why)
{
    static char text[512];
    *why = text;
    if (sodium_init() < 0) {
        *why = "libsodium did not start";
        return 0;
    }
    cache_prepare();
    sched_setup();
    tfaas_status_t status = engine_start(text, sizeof text);
    if (status == TFAAS_OK)
        status = runtime_prepare(text, sizeof text);
    if (status != TFAAS_OK && text[0] == '\0')
        *why = tfaas_status_name(status);
    return status == TFAAS_OK && core_warm(why);
}

/* Where sleeping is dear and messages come often, looks for the next one for a while. */
static uint64_t last_sleep_ns = UINT64_MAX;

static bool spin_for_work(uint64_t now)
{
    uint64_t longest = plat_spin_ns();
    plat_doorbell_settle(true);
    if (last_sleep_ns > SPIN_TIMES * longest)
        return false;
    for (uint64_t end = now + longest; now < end; now = plat_now_ns()) {
        if (message_waits())
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

static void wait_for_work(void)
{
    uint64_t now = plat_now_ns();
    int64_t timeout = sched_timers(now), lease = identity_expire(now);
    if (timeout == 0)
        return;
    if (lease >= 0 && (timeout < 0 || lease < timeout))
        timeout = lease; /* a key is wiped when its lease is over, not when it is asked for */
    if ((timeout < 0 || timeout > TIMER_NEAR_NS) && spin_for_work(now))
        return;
    if (message_sleep()) {
        uint64_t slept = plat_now_ns();
        plat_doorbell_wait(timeout);
        last_sleep_ns = plat_now_ns() - slept;
        message_awake();
        sched_wake_all(TASK_WAIT_ROOM);
    }
}

void core_serve(void)
{
    cache_enter(plat_domain()); /* first: it wipes what is not this domain's */
    random_reseed();
    call_enter(); /* and with it the power to make local reports goes from a worker */
    void *window = plat_window();
    message_setup(window);
    plat_on_abort = message_fault;
    if (!window_check(window))
        message_fault("the window has another format than this core");
    sched_setup();
    /* The rest is for the engine, the packages, and idle slots. */
    memory_budget_set(plat_memory_max() / 4 * 3);
    for (;;) {
        unsigned handled = message_handle(MESSAGES_PER_ROUND);
        if (handled)
            sched_wake_all(TASK_WAIT_ROOM);
        loaded_retry();
        invoke_retry();
        call_retry();
        plat_doorbell_settle(false);
        (void)sched_timers(plat_now_ns());
        bool ran = sched_run();
        ran |= receipts_turn(plat_now_ns(), !handled && !ran);
        if (!handled && !ran)
            wait_for_work();
    }
}
