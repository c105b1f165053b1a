/*
 * api_system.c - health, version, metrics, the query the gateway asks Prometheus, and logs.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

void api_healthz(struct call *call)
{
    call_reply_empty(call, 200);
}

static json_t *tender_info(const struct tended *t)
{
    const struct daemon *d = t->daemon;
    json_t *names = json_array();
    struct namespace *ns;
    TAILQ_FOREACH(ns, &d->registry.namespaces, entry)
    {
        if (ns->tended == t)
            (void)json_array_append_new(names, json_string(ns->name));
    }
    json_t *info = json_pack("{s:s,s:b,s:b,s:o}", "name", t->ops->name, "default", t == d->standard,
                             "running", t->hub.unavailable == NULL, "namespaces", names);
    if (t->why[0] && t->hub.unavailable)
        (void)json_object_set_new(info, "unavailable", json_string(t->why));
    if (!t->hub.unavailable) {
        (void)json_object_set_new(info, "layers", json_string(t->layers));
        (void)json_object_set_new(info, "evidence", api_evidence_info(t));
    }
    return info;
}

/* Also those that no namespace uses. What is stored and names no tender here is last, without a
 * name. */
static json_t *tenders_info(const struct daemon *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->tended_count; i++) {
        json_t *info = tender_info(&d->tended[i]);
        if (&d->tended[i] != d->unknown || json_array_size(json_object_get(info, "namespaces")))
            (void)json_array_append(list, info);
        json_decref(info);
    }
    return list;
}

void api_info(struct call *call)
{
    const struct tended *t = call->daemon->standard;
    struct utsname u;
    const char *arch = uname(&u) == 0 ? u.machine : "unknown";
    json_t *version = json_pack("{s:s,s:s,s:s}", "release", TFAAS_VERSION, "sha", TFAASD_COMMIT,
                                "commit_message", "");
    json_t *provider =
        json_pack("{s:s,s:s,s:O,s:s,s:s,s:o,s:o}", "provider", "tfaas", "orchestration", "tfaas",
                  "version", version, "tender", t->ops->name, "layers", t->layers, "evidence",
                  api_evidence_info(t), "tenders", tenders_info(call->daemon));
    if (call->daemon->config.behind_gateway) { /* the gateway makes the outer object */
        json_decref(version);
        call_reply_json(call, 200, provider);
        return;
    }
    call_reply_json(
        call, 200,
        json_pack("{s:o,s:o,s:s}", "provider", provider, "version", version, "arch", arch));
}

void api_metrics(struct call *call)
{
    char *text;
    size_t size;
    if (metrics_text(call->daemon, &text, &size))
        call_reply(call, 200, "text/plain; version=0.0.4; charset=utf-8", text, size);
    else
        call_error(call, 507, "out of memory");
}

/* What the OpenFaaS gateway asks Prometheus for: calls of each function. Without an answer it
 * cannot list functions. */
void api_query(struct call *call)
{
    json_t *result = json_array();
    struct function *f;
    double now = (double)loop_realtime_ns() / 1e9;
    TAILQ_FOREACH(f, &call->daemon->registry.functions, entry)
    {
        char count[24];
        (void)snprintf(count, sizeof count, "%llu", (unsigned long long)f->metrics.total);
        (void)json_array_append_new(
            result,
            json_pack("{s:{s:s},s:[f,s]}", "metric", "function_name", f->key, "value", now, count));
    }
    call_reply_json(call, 200,
                    json_pack("{s:s,s:{s:s,s:o}}", "status", "success", "data", "resultType",
                              "vector", "result", result));
}

/* --- logs --- */

static bool digits(const char **at, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

/* RFC 3339 section 5.6 */
static bool parse_time(const char *text, uint64_t *ns)
{
    struct tm tm = {0};
    const char *at = text;
    int year, month, zone_hour = 0, zone_minute = 0, sign = 0;
    if (!digits(&at, 4, &year) || *at++ != '-' || !digits(&at, 2, &month) || *at++ != '-' ||
        !digits(&at, 2, &tm.tm_mday) || (*at | 32) != 't')
        return false;
    at++;
    if (!digits(&at, 2, &tm.tm_hour) || *at++ != ':' || !digits(&at, 2, &tm.tm_min) ||
        *at++ != ':' || !digits(&at, 2, &tm.tm_sec))
        return false;
    uint64_t fraction = 0, unit = NS_PER_S;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++)
            fraction += (uint64_t)(*at - '0') * (unit /= 10);
    if ((*at | 32) == 'z') {
        at++;
    } else if (*at == '+' || *at == '-') {
        sign = *at++ == '+' ? 1 : -1;
        if (!digits(&at, 2, &zone_hour) || *at++ != ':' || !digits(&at, 2, &zone_minute))
            return false;
    } else {
        return false;
    }
    if (*at || month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60 || zone_hour > 23 || zone_minute > 59)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    int64_t seconds = (int64_t)timegm(&tm) - sign * (zone_hour * 3600 + zone_minute * 60);
    /* Years that do not fit are before or after every line. */
    if (seconds < 0)
        *ns = 0;
    else if ((uint64_t)seconds >= UINT64_MAX / NS_PER_S)
        *ns = UINT64_MAX;
    else
        *ns = (uint64_t)seconds * NS_PER_S + fraction;
    return true;
}

struct log_query {
    uint64_t since_ns, tail;
    bool follow;
};

static bool is_given(const struct call *call, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = call->query; at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL)
        if (strncmp(at, name, size) == 0 && at[size] == '=' && at[size + 1] && at[size + 1] != '&')
            return true;
    return false;
}

/* False after it has replied 422. */
static bool read_log_query(struct call *call, struct log_query *q)
{
    char text[64];
    *q = (struct log_query){.tail = UINT64_MAX};
    if (is_given(call, "since") &&
        (!call_query(call, "since", text, sizeof text) || !parse_time(text, &q->since_ns))) {
        call_error(call, 422, "since: a time as in RFC 3339 is expected");
        return false;
    }
    if (is_given(call, "tail")) {
        char *end = text;
        bool good = call_query(call, "tail", text, sizeof text);
        long long tail = good ? strtoll(text, &end, 10) : 0;
        if (!good || end == text || *end || tail < -1) {
            call_error(call, 422, "tail: a number of lines is expected");
            return false;
        }
        if (tail > 0) /* the official clients send 0 or -1 for: all of it */
            q->tail = (uint64_t)tail;
    }
    if (is_given(call, "follow")) {
        bool good = call_query(call, "follow", text, sizeof text);
        q->follow = good && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
        if (!good || (!q->follow && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)) {
            call_error(call, 422, "follow: true or false is expected");
            return false;
        }
    }
    return true;
}

/* One line of NDJSON, or NULL. */
static char *line_text(const struct function *f, const struct log_line *line)
{
    char stamp[40], instance[160];
    api_time_text(line->time_ns, stamp);
    (void)snprintf(instance, sizeof instance, "%s-core", f->stored.ns);
    json_t *json =
        json_pack("{s:s,s:s,s:s,s:s,s:s%}", "name", f->stored.name, "namespace", f->stored.ns,
                  "instance", instance, "timestamp", stamp, "text", line->text, line->size);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(json);
    return text;
}

/* Puts lines from follower.next on into call->out, a block at most. */
static void fill(struct call *call)
{
    const struct function *f = call->function;
    const struct log_line *line;
    while (call->out_size < HTTP_STREAM_BLOCK &&
           (line = function_log_from(&f->log, call->follower.next))) {
        char *text = line_text(f, line);
        call->follower.next = line->number + 1;
        size_t size = text ? strlen(text) : 0;
        uint8_t *out = text ? realloc(call->out, call->out_size + size + 1) : NULL;
        if (out) {
            memcpy(out + call->out_size, text, size);
            out[call->out_size + size] = '\n';
            call->out = out;
            call->out_size += size + 1;
        }
        free(text);
    }
}

static ssize_t read_logs(void *env, uint64_t position, char *to, size_t most)
{
    struct call *call = env;
    (void)position;
    if (call->aborted)
        return call_end_stream(call, false);
    if (call->out_at == call->out_size) {
        call->out_at = call->out_size = 0;
        fill(call);
    }
    size_t left = call->out_size - call->out_at;
    if (left == 0) {
        const struct daemon *d = call->daemon;
        if (!call->follower.log || d->stopping ||
            d->now_ns - call->start_ns > d->config.write_timeout_ns)
            return call_end_stream(call, true);
        call_suspend(call);
        return 0;
    }
    size_t size = left < most ? left : most;
    memcpy(to, call->out + call->out_at, size);
    call->out_at += size;
    return (ssize_t)size;
}

static void wake(struct log_follower *follower)
{
    call_resume((struct call *)(void *)((char *)follower - offsetof(struct call, follower)));
}

void api_logs(struct call *call)
{
    struct daemon *d = call->daemon;
    struct log_query q;
    char name[160];
    if (!is_given(call, "name") || !call_query(call, "name", name, sizeof name)) {
        call_error(call, 400, "name: the name of a function is expected");
        return;
    }
    call->name = name;
    struct function *f = api_function(call, NULL);
    call->name = NULL;
    if (!f || !read_log_query(call, &q))
        return;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK, read_logs, call, NULL);
    if (!response) {
        call_error(call, 507, "out of memory");
        return;
    }
    call->follower.next = function_log_start(&f->log, q.since_ns, q.tail);
    call->follower.wake = wake;
    if (q.follow && !logs_follow(&d->logs, &f->log, &call->follower)) {
        MHD_destroy_response(response);
        call_error(call, 429, "%u readers follow logs already", LOG_FOLLOWERS_MAX);
        return;
    }
    function_ref(f);
    call->function = f;
    (void)MHD_add_response_header(response, "Content-Type", "application/x-ndjson");
    call->status = 200;
    call->chunked = call->http11;
    call->response = response;
}
