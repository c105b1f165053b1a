/*
 * told.h - the core's clock for leases, dates and statements: the greatest time the host ever told.
 * The host is not trusted with it, but it can never set it back.
 */
#ifndef TFAAS_CORE_TOLD_H
#define TFAAS_CORE_TOLD_H

#include <stdint.h>

void told_clock(uint64_t realtime_ns);
/* Unix seconds; 0: no time was told yet. */
uint64_t told_seconds(void);

#endif
