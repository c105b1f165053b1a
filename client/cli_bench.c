/*
 * cli_bench.c - `tfaas bench`: how many calls a second, and how long they take. Everything is
 * sealed before the clock starts and a sample is opened after it stopped, so that what is measured
 * is the host and its core, not this client.
 */
#define _GNU_SOURCE
#include "cli_bench.h"
#include "cli_client.h"
#include "internal.h"
#include "receipt.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLES     64u
#define KEPT_MAX    (256u << 10)
#define REQUEST_MAX (1u << 20)

enum mode { MODE_PLAIN, MODE_SESSION, MODE_RECEIPT, MODE_OHTTP, MODE_COUNT };
static const char *const mode_names[] = {"plain", "session", "session+receipt", "ohttp"};

struct sample { /* what opens one answer */
    size_t index;
    struct sealing sealing;
    crypto_hash_sha256_state hash;
};

struct bench {
    struct cli_client options;
    const char *url, *name, *data;
    enum mode mode;
    struct tfaas_client *client;
    struct tfaas_request request;
    struct load load;
    uint8_t *body;
    struct sample *samples;
    size_t sample_count, verified;
};

/* --- before the clock --- */

static bool http_request(const struct bench *b, const char *type, const uint8_t *body, size_t size,
                         struct load_request *to)
{
    char head[1024];
    const char *path = strstr(b->client->url, "://") + 3;
    path += strcspn(path, "/");
    int head_size = snprintf(head, sizeof(head),
                             "POST %s/function/%s.%s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
                             "Content-Length: %zu\r\n\r\n",
                             path, b->name, b->client->domain, b->client->authority, type, size);
    uint8_t *data = head_size > 0 && (size_t)head_size < sizeof(head)
                        ? malloc((size_t)head_size + size + 1)
                        : NULL;
    if (!data)
        return false;
    memcpy(data, head, (size_t)head_size);
    if (size)
        memcpy(data + head_size, body, size);
    to->data = data;
    to->size = (size_t)head_size + size;
    return true;
}

static client_error_t seal_one(struct bench *b, struct sample *s, struct load_request *to,
                               struct tfaas_failure *failure)
{
    struct message message = {.storage = NULL};
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool session = b->mode != MODE_OHTTP;
    const struct message_options options = {.scheme = b->client->scheme,
                                            .authority = b->client->authority,
                                            .domain = b->client->domain,
                                            .date =
                                                client_now(b->client) + b->client->date_offset_s};
    client_error_t error = message_make(&b->request, &options, &message, failure);
    const struct attested_lease *lease = error || session ? NULL : client_lease(b->client);
    s->sealing = (struct sealing){.form = TFAAS_FORM_AUTO};
    crypto_hash_sha256_init(&s->hash);
    if (!error)
        receipt_hash_head(&s->hash, &message.head);
    if (!error && session) {
        sealing_session(&s->sealing, &b->client->session);
        sealing_source(&s->sealing, &message, &b->request, &s->hash);
        error = sealing_drain(&s->sealing, &bytes, &size, failure);
    } else if (!error) {
        error = lease ? sealing_whole(&s->sealing, lease, &message, b->request.body, &bytes, &size,
                                      failure)
                      : client_fail(failure, TFAAS_CLIENT_LEASE_EXPIRED, "the lease ends");
    }
    if (!error && !http_request(b, sealing_request_type(s->sealing.form), bytes, size, to))
        error = client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "bench");
    message_free(&message);
    free(bytes);
    return error;
}

static client_error_t prepare(struct bench *b, struct tfaas_failure *failure)
{
    struct sample *scratch = calloc(1, sizeof(*scratch));
    size_t step = b->load.count / SAMPLES + 1;
    client_error_t error = TFAAS_CLIENT_OK;
    for (size_t i = 0; i < b->load.count && !error && scratch; i++) {
        struct load_request *r = &b->load.requests[i];
        bool sampled = b->mode != MODE_PLAIN && i % step == 0;
        struct sample *s = sampled ? &b->samples[b->sample_count++] : scratch;
        s->index = i;
        if (sampled) {
            r->kept_max = KEPT_MAX;
            r->kept = malloc(KEPT_MAX);
        }
        if (b->mode == MODE_PLAIN)
            error = http_request(b, "application/octet-stream", b->request.body.data,
                                 b->request.body.size, r)
                        ? TFAAS_CLIENT_OK
                        : client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "bench");
        else
            error = seal_one(b, s, r, failure);
        if (!sampled)
            sealing_wipe(&s->sealing);
    }
    free(scratch);
    return scratch ? error : client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "bench");
}

/* A first call in the common way: it verifies, warms, and makes the session. */
static client_error_t warm(struct bench *b, struct tfaas_failure *failure)
{
    struct tfaas_response *response = NULL;
    struct tfaas_request request = b->request;
    if (b->mode == MODE_PLAIN)
        return TFAAS_CLIENT_OK;
    client_error_t error = tfaas_client_call(b->client, &request, &response, failure);
    if (!error)
        cli_warn_simulated(tfaas_client_verification(b->client));
    if (!error && response->status >= 400)
        error = client_fail(failure, TFAAS_CLIENT_HOST_REFUSED, "the function answered %u",
                            response->status);
    if (!error && b->mode != MODE_OHTTP && !b->client->session.alive)
        error = client_fail(failure, TFAAS_CLIENT_SESSION_UNKNOWN, "the core gave no session");
    tfaas_response_free(response);
    return error;
}

/* --- after the clock --- */

/* Takes the framing of chunks out, in place. */
static size_t unchunk(uint8_t *data, size_t size)
{
    size_t at = 0, used = 0;
    while (at < size) {
        char *end;
        size_t chunk = strtoull((const char *)data + at, &end, 16);
        const uint8_t *line = memmem(data + at, size - at, "\r\n", 2);
        if (!line || chunk == 0)
            break;
        at = (size_t)(line - data) + 2;
        if (chunk > size - at)
            break;
        memmove(data + used, data + at, chunk);
        used += chunk;
        at += chunk + 2;
    }
    return used;
}

static client_error_t check_receipt(struct bench *b, struct sample *s, struct answering *a,
                                    struct tfaas_failure *failure)
{
    uint8_t request_hash[32], response_hash[32];
    if (!a->answer->receipt)
        return client_fail(failure, TFAAS_CLIENT_RECEIPT_MISSING, "bench");
    crypto_hash_sha256_final(&s->hash, request_hash);
    crypto_hash_sha256_final(&a->hash, response_hash);
    const struct receipt_expected expected = {.request_hash = request_hash,
                                              .response_hash = response_hash,
                                              .function = b->name,
                                              .domain = b->client->domain};
    return receipt_expect(a->answer->receipt, &b->client->verification, &expected, failure);
}

static client_error_t open_one(struct bench *b, struct sample *s, struct tfaas_failure *failure)
{
    struct load_request *r = &b->load.requests[s->index];
    struct load_answer framing;
    struct answering a;
    if (!load_answer_read(r->kept, r->kept_size, &framing) || !framing.head)
        return client_fail(failure, TFAAS_CLIENT_TRANSPORT, "a sampled answer is not whole");
    uint8_t *body = r->kept + framing.head_size;
    size_t size = r->kept_size - framing.head_size;
    if (framing.chunked)
        size = unchunk(body, size);
    client_error_t error = answering_begin(&a, &b->request, &s->sealing, failure);
    if (!error && answering_head(&a, framing.status, sealing_response_type(s->sealing.form)) &&
        answering_body(&a, body, size))
        error = answering_finish(&a);
    else if (!error)
        error = a.error;
    if (!error && b->mode == MODE_RECEIPT)
        error = check_receipt(b, s, &a, failure);
    answering_free(&a);
    return error;
}

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int report(struct bench *b)
{
    const struct load *load = &b->load;
    uint64_t *sorted = calloc(load->count + 1, sizeof(*sorted));
    size_t good = 0, bad = 0;
    for (size_t i = 0; i < load->count && sorted; i++) {
        bool right = load->requests[i].status >= 200 && load->requests[i].status < 300;
        if (right)
            sorted[good++] = load->requests[i].latency_ns;
        else
            bad++;
    }
    if (!sorted)
        return 1;
    qsort(sorted, good, sizeof(*sorted), by_value);
    double seconds = (double)load->elapsed_ns / 1e9;
    double rate = seconds > 0 ? (double)good / seconds : 0;
    double p50 = good ? (double)sorted[good / 2] / 1e3 : 0;
    double p99 = good ? (double)sorted[good * 99 / 100] / 1e3 : 0;
    double cpu = load->answered ? (double)load->cpu_ns / (double)load->answered / 1e3 : 0;
    free(sorted);
    printf(b->options.json
               ? "{\"mode\":\"%s\",\"connections\":%u,\"requests\":%zu,\"ok\":%zu,\"failed\":%zu,"
                 "\"seconds\":%.6f,\"rps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
                 "\"client_cpu_us\":%.2f,\"verified\":%zu,\"bytes\":%llu}\n"
               : "%s: %u connections, %zu requests, %zu ok, %zu failed, %.3f s\n"
                 "%.1f requests/s, p50 %.1f us, p99 %.1f us, client CPU %.2f us each; %zu sampled "
                 "answers verified, %llu bytes\n",
           mode_names[b->mode], load->connections, load->count, good, bad, seconds, rate, p50, p99,
           cpu, b->verified, (unsigned long long)load->bytes);
    return bad ? 1 : 0;
}

static bool address(struct bench *b, char *host, char *port, size_t size)
{
    const char *authority = b->client->authority, *colon = strrchr(authority, ':');
    bool bracket = authority[0] == '[';
    if (bracket && colon && colon[-1] != ']')
        colon = NULL;
    size_t length = colon ? (size_t)(colon - authority) : strlen(authority);
    if (strcmp(b->client->scheme, "http") != 0 || length + 1 > size) {
        fprintf(stderr, "tfaas: bench takes http:// only\n");
        return false;
    }
    snprintf(host, size, "%.*s", (int)length - (bracket ? 2 : 0), authority + (bracket ? 1 : 0));
    snprintf(port, size, "%s", colon ? colon + 1 : "80");
    b->load.host = host;
    b->load.port = port;
    return true;
}

static int run(struct bench *b)
{
    struct tfaas_failure failure = {.text = ""};
    char host[256], port[256];
    int code;
    b->client = cli_open(&b->options, b->url, 0, &code);
    if (!b->client)
        return code;
    if (!address(b, host, port, sizeof(host)))
        return CLI_USAGE;
    b->load.requests = calloc(b->load.count, sizeof(*b->load.requests));
    b->samples = calloc(SAMPLES, sizeof(*b->samples));
    if (!b->load.requests || !b->samples)
        return 1;
    code = cli_failed(warm(b, &failure), &failure);
    if (code == 0)
        code = cli_failed(prepare(b, &failure), &failure);
    if (code == 0 && !load_run(&b->load)) {
        fprintf(stderr, "tfaas: transport: %s\n", b->load.failure);
        code = tfaas_client_error_exit(TFAAS_CLIENT_TRANSPORT);
    }
    for (size_t i = 0; i < b->sample_count && code == 0; i++)
        if (b->load.requests[b->samples[i].index].status == 200) {
            code = cli_failed(open_one(b, &b->samples[i], &failure), &failure);
            b->verified += code == 0;
        }
    return code ? code : report(b);
}

static bool number(const char *text, size_t least, size_t most, size_t *to)
{
    char *end;
    if (!text)
        return true;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || value < least || value > most) {
        fprintf(stderr, "tfaas: not a number from %zu to %zu: %s\n", least, most, text);
        return false;
    }
    *to = (size_t)value;
    return true;
}

static bool take_arguments(struct bench *b, int argc, char **argv)
{
    const char *words[2], *mode = "session", *mode_given = NULL, *requests = NULL, *conns = NULL;
    size_t count, connections = 16, size = 0;
    const struct cli_option rows[] = {CLI_CLIENT_OPTIONS(&b->options),
                                      {"--mode", &mode_given, NULL},
                                      {"--requests", &requests, NULL},
                                      {"--connections", &conns, NULL},
                                      {"--data", &b->data, NULL}};
    if (!cli_words(argc, argv, rows, sizeof(rows) / sizeof(rows[0]), NULL, words, 2, &count))
        return false;
    b->load.count = 10000;
    if (count != 2 || b->options.evidence || !number(requests, 1, REQUEST_MAX, &b->load.count) ||
        !number(conns, 1, 1000, &connections)) {
        fprintf(stderr, "tfaas: bench takes a URL and a NAME\n");
        return false;
    }
    mode = mode_given ? mode_given : mode;
    b->mode = MODE_COUNT;
    for (unsigned i = 0; i < MODE_COUNT; i++)
        if (strcmp(mode, mode_names[i]) == 0)
            b->mode = (enum mode)i;
    if (b->mode == MODE_COUNT) {
        fprintf(stderr, "tfaas: --mode is plain, session, session+receipt or ohttp\n");
        return false;
    }
    b->url = words[0];
    b->name = words[1];
    b->load.connections = (unsigned)connections;
    b->load.limit_ns = 600ull * 1000000000u;
    b->request = (struct tfaas_request){.function = b->name,
                                        .flags = b->mode == MODE_RECEIPT ? TFAAS_CALL_RECEIPT : 0};
    if (b->data && b->data[0] == '@')
        b->body = cli_read_file(b->data + 1, 512u << 10, &size);
    else if (b->data && (b->body = (uint8_t *)strdup(b->data)) != NULL)
        size = strlen(b->data);
    b->request.body = (struct tfaas_bytes){b->body, size};
    return !b->data || b->body;
}

static int bench(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof(*b));
    int code = CLI_USAGE;
    if (b && take_arguments(b, argc, argv))
        code = run(b);
    for (size_t i = 0; b && b->load.requests && i < b->load.count; i++) {
        free((void *)(uintptr_t)b->load.requests[i].data);
        free(b->load.requests[i].kept);
    }
    if (b) {
        if (b->samples)
            sodium_memzero(b->samples, SAMPLES * sizeof(*b->samples));
        free(b->load.requests);
        free(b->samples);
        free(b->body);
        tfaas_client_close(b->client);
    }
    free(b);
    return code;
}

const struct cli_command cli_bench[] = {
    {"bench", bench,
     "URL NAME " CLI_CLIENT_USAGE "\n"
     "      [--mode plain|session|session+receipt|ohttp] [--requests N] [--connections K]\n"
     "      [--data TEXT|@FILE] [--json]",
     "Seals N requests before the clock starts, sends them over K kept connections, opens and\n"
     "verifies up to 64 answers after it stopped. Tells requests per second, p50 and p99."},
    {NULL, NULL, NULL, NULL},
};
