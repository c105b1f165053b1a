/*
 * metrics.c - see metrics.h.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bounds[METRICS_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                               0.5,   1,    2.5,   5,    10};
static const char *const methods[7] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"};

static void add(struct duration_metric *m, uint64_t duration_ns)
{
    double seconds = (double)duration_ns / 1e9;
    m->count++;
    m->sum_s += seconds;
    for (uint32_t i = 0; i < METRICS_BUCKETS; i++) {
        if (seconds <= bounds[i]) {
            m->buckets[i]++;
            return;
        }
    }
}

static struct duration_metric *of_code(struct function_metrics *m, unsigned code)
{
    for (uint32_t i = 0; i < m->code_count; i++)
        if (m->codes[i].code == code)
            return &m->codes[i];
    if (m->code_count == METRICS_CODES)
        return &m->codes[METRICS_CODES - 1];
    struct duration_metric *codes = realloc(m->codes, (m->code_count + 1) * sizeof *codes);
    if (!codes)
        return NULL;
    m->codes = codes;
    struct duration_metric *added = &codes[m->code_count++];
    *added = (struct duration_metric){.code = m->code_count == METRICS_CODES ? 0 : code};
    return added;
}

void metrics_function(struct function_metrics *m, unsigned code, uint64_t duration_ns)
{
    struct duration_metric *each = of_code(m, code);
    m->total++;
    if (each)
        add(each, duration_ns);
}

void metrics_http(struct metrics *m, const char *method, unsigned code, uint64_t duration_ns)
{
    for (uint32_t i = 0; i < 7; i++) {
        if (strcmp(method, methods[i]) == 0) {
            m->http_requests[i][code / 100 % 6]++;
            break;
        }
    }
    add(&m->http, duration_ns);
}

void function_metrics_free(struct function_metrics *m)
{
    free(m->codes);
    m->codes = NULL;
    m->code_count = 0;
}

/* --- text --- */

static void histogram(FILE *out, const char *name, const char *labels,
                      const struct duration_metric *m)
{
    uint64_t sum = 0;
    const char *comma = *labels ? "," : "";
    for (uint32_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += m->buckets[i];
        (void)fprintf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma, bounds[i],
                      (unsigned long long)sum);
    }
    (void)fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma,
                  (unsigned long long)m->count);
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    (void)fprintf(out, "%s_sum%s%s%s %.9f\n%s_count%s%s%s %llu\n", name, open, labels, close,
                  m->sum_s, name, open, labels, close, (unsigned long long)m->count);
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void each_code(FILE *out, struct daemon *d, bool seconds)
{
    struct function *f;
    TAILQ_FOREACH(f, &d->registry.functions, entry)
    {
        for (uint32_t i = 0; i < f->metrics.code_count; i++) {
            const struct duration_metric *m = &f->metrics.codes[i];
            char labels[200], code[12] = "other";
            if (m->code)
                (void)snprintf(code, sizeof code, "%u", m->code);
            (void)snprintf(labels, sizeof labels, "code=\"%s\",function_name=\"%s\"", code, f->key);
            if (seconds)
                histogram(out, "gateway_functions_seconds", labels, m);
            else
                (void)fprintf(out, "gateway_function_invocation_total{%s} %llu\n", labels,
                              (unsigned long long)m->count);
        }
    }
}

enum function_number { NUMBER_STARTED, NUMBER_REPLICAS, NUMBER_WORK, NUMBER_CPU };

static void each_function(FILE *out, struct daemon *d, const char *name, enum function_number which)
{
    struct function *f;
    TAILQ_FOREACH(f, &d->registry.functions, entry)
    {
        const struct function_metrics *m = &f->metrics;
        if (which == NUMBER_CPU) {
            (void)fprintf(out, "%s{function_name=\"%s\"} %.9f\n", name, f->key,
                          (double)m->cpu_ns / 1e9);
            continue;
        }
        uint64_t value = which == NUMBER_STARTED    ? m->started
                         : which == NUMBER_REPLICAS ? autoscale_replicas(f)
                                                    : m->work;
        (void)fprintf(out, "%s{function_name=\"%s\"} %llu\n", name, f->key,
                      (unsigned long long)value);
    }
}

static void functions_text(FILE *out, struct daemon *d)
{
    head(out, "gateway_function_invocation_total", "counter", "Calls answered, by status code.");
    each_code(out, d, false);
    head(out, "gateway_functions_seconds", "histogram", "Time from request to answer.");
    each_code(out, d, true);
    head(out, "gateway_function_invocation_started", "counter", "Calls started.");
    each_function(out, d, "gateway_function_invocation_started", NUMBER_STARTED);
    head(out, "gateway_service_count", "gauge", "Replicas.");
    each_function(out, d, "gateway_service_count", NUMBER_REPLICAS);
    head(out, "tfaas_function_work_units_total", "counter", "Metered work.");
    each_function(out, d, "tfaas_function_work_units_total", NUMBER_WORK);
    head(out, "tfaas_function_cpu_seconds_total", "counter", "Time on the CPU inside the core.");
    each_function(out, d, "tfaas_function_cpu_seconds_total", NUMBER_CPU);
}

static void http_text(FILE *out, struct daemon *d)
{
    head(out, "http_requests_total", "counter", "Requests answered.");
    for (uint32_t i = 0; i < 7; i++)
        for (uint32_t k = 2; k < 6; k++)
            if (d->metrics.http_requests[i][k])
                (void)fprintf(out, "http_requests_total{code=\"%uxx\",method=\"%s\"} %llu\n", k,
                              methods[i], (unsigned long long)d->metrics.http_requests[i][k]);
    head(out, "http_request_duration_seconds", "histogram", "Time from request to answer.");
    histogram(out, "http_request_duration_seconds", "", &d->metrics.http);
    head(out, "http_requests_in_flight", "gauge", "Requests being served.");
    (void)fprintf(out, "http_requests_in_flight %u\n", d->calls);
    head(out, "tfaas_connections", "gauge", "Open connections.");
    (void)fprintf(out, "tfaas_connections %u\n", d->connection_count);
}

/* A number of each tender that was started. */
enum tender_number {
    NUMBER_CORES,
    NUMBER_STARTS,
    NUMBER_LOST,
    NUMBER_FETCHED,
    NUMBER_LEASES,
    NUMBER_KEEPERS,
    NUMBER_KEEPERS_LOST,
    NUMBER_HANDOVERS,
    TENDER_NUMBERS
};

static uint64_t tender_number(const struct tended *t, enum tender_number which)
{
    struct keeper_numbers n = {.active = false};
    if (t->keeper)
        keeper_numbers(t->keeper, &n);
    const uint64_t numbers[TENDER_NUMBERS] = {
        [NUMBER_CORES] = t->hub.links_up - t->hub.keepers_up,
        [NUMBER_STARTS] = t->hub.launches,
        [NUMBER_LOST] = t->hub.lost,
        [NUMBER_FETCHED] = n.fetched,
        [NUMBER_LEASES] = n.leases,
        [NUMBER_KEEPERS] = (unsigned)n.active + (unsigned)n.standby,
        [NUMBER_KEEPERS_LOST] = n.lost,
        [NUMBER_HANDOVERS] = n.handovers,
    };
    return numbers[which];
}

static void tenders_text(FILE *out, struct daemon *d)
{
    static const struct {
        const char *name, *type, *help;
    } of[TENDER_NUMBERS] = {
        [NUMBER_CORES] = {"tfaas_cores", "gauge", "Cores alive."},
        [NUMBER_STARTS] = {"tfaas_core_starts_total", "counter", "Cores started."},
        [NUMBER_LOST] = {"tfaas_core_lost_total", "counter", "Cores that ended or were killed."},
        [NUMBER_FETCHED] = {"tfaas_evidence_fetched_total", "counter",
                            "Evidence obtained from the platform."},
        [NUMBER_LEASES] = {"tfaas_leases_total", "counter", "Leases that workers have taken."},
        [NUMBER_KEEPERS] = {"tfaas_keepers", "gauge", "Keepers that are ready."},
        [NUMBER_KEEPERS_LOST] = {"tfaas_keeper_lost_total", "counter", "Keepers that ended."},
        [NUMBER_HANDOVERS] = {"tfaas_keeper_handovers_total", "counter",
                              "Times a second keeper got the keys."},
    };
    for (unsigned which = 0; which < TENDER_NUMBERS; which++) {
        head(out, of[which].name, of[which].type, of[which].help);
        for (size_t i = 0; i < d->tended_count; i++)
            if (!d->tended[i].hub.unavailable)
                (void)fprintf(out, "%s{tender=\"%s\"} %llu\n", of[which].name,
                              d->tended[i].ops->name,
                              (unsigned long long)tender_number(&d->tended[i], which));
    }
    static const char *const codes[] = {"none", "core", "compiled", "cached"};
    head(out, "tfaas_function_loads_total", "counter",
         "Functions loaded into cores, by where their native code came from.");
    for (uint32_t code = 0; code < TFAAS_CODE_COUNT; code++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < d->tended_count; i++)
            sum += d->tended[i].hub.loads[code];
        (void)fprintf(out, "tfaas_function_loads_total{code=\"%s\"} %llu\n", codes[code],
                      (unsigned long long)sum);
    }
}

static void sealed_text(FILE *out, struct daemon *d)
{
    head(out, "tfaas_sealed_calls_total", "counter", "Encapsulated calls, by what came of them.");
    for (unsigned i = 0; i < TFAAS_STATUS_COUNT; i++)
        if (d->sealed_outcomes[i])
            (void)fprintf(out, "tfaas_sealed_calls_total{outcome=\"%s\"} %llu\n",
                          tfaas_status_name(i), (unsigned long long)d->sealed_outcomes[i]);
}

bool metrics_text(struct daemon *d, char **text, size_t *size)
{
    FILE *out = open_memstream(text, size);
    if (!out)
        return false;
    functions_text(out, d);
    http_text(out, d);
    tenders_text(out, d);
    sealed_text(out, d);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(*text);
        return false;
    }
    return true;
}
