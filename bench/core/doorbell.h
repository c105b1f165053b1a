/* doorbell.h - what bench-tenders and doorbell_core.c share: two numbers, a cache line each. */
#ifndef TFAAS_BENCH_DOORBELL_H
#define TFAAS_BENCH_DOORBELL_H

#include "tfaas/abi.h"

struct doorbell {
    _Alignas(64) _Atomic uint64_t to_core;
    _Alignas(64) _Atomic uint64_t to_host;
};

static inline struct doorbell *doorbell_of(void *window)
{
    return (struct doorbell *)((char *)window + TFAAS_H2C_DATA_OFFSET);
}

#endif
