/* told.c - see told.h. */
#include "told.h"

static uint64_t greatest_ns;

void told_clock(uint64_t realtime_ns)
{
    if (realtime_ns > greatest_ns)
        greatest_ns = realtime_ns;
}

uint64_t told_seconds(void)
{
    return greatest_ns / 1000000000u;
}
