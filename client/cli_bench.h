/*
 * cli_bench.h - the load generator of `tfaas bench`: sends prepared requests over kept connections
 * and notes when each was answered. Nothing is sealed, opened or allocated while the clock runs.
 */
#ifndef TFAAS_CLIENT_CLI_BENCH_H
#define TFAAS_CLIENT_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_request {
    const uint8_t *data; /* the whole HTTP/1.1 request */
    size_t size;
    uint64_t latency_ns; /* out */
    unsigned status;     /* out; 0: no answer */
    uint8_t *kept;       /* NULL, or where the first kept_max bytes of the answer go */
    size_t kept_size, kept_max;
};

struct load {
    const char *host, *port;
    struct load_request *requests;
    size_t count;
    unsigned connections;
    uint64_t limit_ns; /* of the whole run */
    /* out */
    uint64_t elapsed_ns, cpu_ns, bytes;
    size_t answered;
    char failure[200];
};

/* Connects first, then runs. False: `failure` says why. */
bool load_run(struct load *load);

/* Framing of an HTTP/1.1 answer: is it whole in `data`? The body, where it is not in chunks. */
struct load_answer {
    bool head, whole, chunked, close;
    unsigned status;
    size_t head_size, body_size;
};
bool load_answer_read(const uint8_t *data, size_t size, struct load_answer *answer);

#endif
