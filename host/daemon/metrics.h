/*
 * metrics.h - counters for /metrics (Prometheus text format 0.0.4), named as the OpenFaaS gateway
 * and watchdog name them. Only deployed functions get series, so that a client cannot make any.
 */
#ifndef TFAAS_HOST_METRICS_H
#define TFAAS_HOST_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_BUCKETS 11u /* 5 ms ... 10 s */
#define METRICS_CODES   16u /* status codes of one function; more are counted under code 0 */

struct duration_metric {
    unsigned code;
    uint64_t count, buckets[METRICS_BUCKETS]; /* of one bucket only; summed up when printed */
    double sum_s;
};

struct function_metrics {
    struct duration_metric *codes; /* malloc'ed, METRICS_CODES at most */
    uint32_t code_count;
    uint64_t started, total;
    uint64_t work, cpu_ns, peak_memory; /* totals and the highest peak */
};

struct metrics {
    uint64_t http_requests[7][6]; /* method, status class */
    uint64_t in_flight;
    struct duration_metric http;
};

void metrics_function(struct function_metrics *metrics, unsigned code, uint64_t duration_ns);
void metrics_http(struct metrics *metrics, const char *method, unsigned code, uint64_t duration_ns);
void function_metrics_free(struct function_metrics *metrics);

struct daemon;
/* The whole text; *out is malloc'ed. False: out of memory. */
bool metrics_text(struct daemon *d, char **out, size_t *size);

#endif
