/*
 * trace.h - counts the system calls of a running core: this process becomes the tracer, a copy of
 * it plays the host on.
 */
#ifndef TFAAS_TESTS_TRACE_H
#define TFAAS_TESTS_TRACE_H

#include "core_child.h"

#define TRACE_CALLS_MAX 512

struct trace_count {
    unsigned total, each[TRACE_CALLS_MAX];
    uint64_t ns; /* how long the host ran */
};

/* Runs `host` in a copy of this process and counts what the core calls meanwhile. False: the core
 * could not be traced, or `host` returned false. */
bool trace_core(struct core_child *core, bool (*host)(void), struct trace_count *count);

#endif
