/* core_clock.c - see core_clock.h. */
#include "core_clock.h"

static uint64_t greatest;

void core_clock_told(uint64_t realtime_ns)
{
    if (realtime_ns > greatest)
        greatest = realtime_ns;
}

uint64_t core_clock(void)
{
    return greatest;
}
