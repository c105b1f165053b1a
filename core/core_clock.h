/*
 * core_clock.h - the core's clock: the greatest time the host ever told, Unix nanoseconds. It never
 * goes back, so that what was refused as replayed or out of date stays refused, whatever the host
 * does with its clock. It does not advance by itself.
 */
#ifndef TFAAS_CORE_CLOCK_H
#define TFAAS_CORE_CLOCK_H

#include <stdint.h>

void core_clock_told(uint64_t realtime_ns);
uint64_t core_clock(void);

#endif
