/*
 * api_functions.c - functions as the REST surface shows them: list, status, delete, scale, alert.
 */
#include "daemon.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define REPLICAS_MAX 1000

void api_time_text(uint64_t realtime_ns, char text[40])
{
    time_t seconds = (time_t)(realtime_ns / NS_PER_S);
    struct tm tm;
    char date[24];
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
    (void)snprintf(text, 40, "%s.%09lluZ", date, (unsigned long long)(realtime_ns % NS_PER_S));
}

static void copy_field(json_t *to, const json_t *spec, const char *name)
{
    json_t *value = json_object_get(spec, name);
    bool empty = !value || json_is_null(value) || json_is_false(value) ||
                 (json_is_string(value) && json_string_length(value) == 0) ||
                 (json_is_array(value) && json_array_size(value) == 0) ||
                 (json_is_object(value) && json_object_size(value) == 0);
    /* OpenFaaS compares Go values: what is empty must be absent. */
    if (!empty)
        (void)json_object_set(to, name, value);
}

static json_t *status_of(const struct function *f, bool usage)
{
    static const char *const fields[] = {
        "image",   "envProcess", "envVars",  "constraints",
        "secrets", "limits",     "requests", "readOnlyRootFilesystem"};
    const json_t *spec = f->stored.spec;
    char created[24];
    time_t at = (time_t)f->stored.created_at;
    struct tm tm;
    json_t *status = json_object();
    (void)json_object_set_new(status, "name", json_string(f->stored.name));
    (void)json_object_set_new(status, "namespace", json_string(f->stored.ns));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        copy_field(status, spec, fields[i]);
    json_t *labels = json_object_get(spec, "labels");
    labels = json_is_object(labels) ? json_copy(labels) : json_object();
    (void)json_object_set_new(labels, "faas_function", json_string(f->stored.name));
    (void)json_object_set_new(status, "labels", labels);
    /* Clients take both maps without asking whether they are there. */
    json_t *annotations = json_object_get(spec, "annotations");
    (void)json_object_set_new(status, "annotations",
                              json_is_object(annotations) ? json_incref(annotations)
                                                          : json_object());
    (void)json_object_set_new(status, "invocationCount",
                              json_integer((json_int_t)f->metrics.total));
    json_int_t replicas = (json_int_t)autoscale_replicas(f);
    if (replicas) {
        (void)json_object_set_new(status, "replicas", json_integer(replicas));
        (void)json_object_set_new(status, "availableReplicas", json_integer(replicas));
    }
    (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    (void)json_object_set_new(status, "createdAt", json_string(created));
    if (usage)
        (void)json_object_set_new(status, "usage",
                                  json_pack("{s:f,s:f}", "cpu", (double)f->metrics.cpu_ns / 1e6,
                                            "totalMemoryBytes", (double)f->metrics.peak_memory));
    return status;
}

void api_functions_list(struct call *call)
{
    struct daemon *d = call->daemon;
    char ns[64];
    if (!api_namespace(call, NULL, ns))
        return;
    if (!registry_namespace(d, ns)) {
        call_error(call, 404, "namespace not found: %s", ns);
        return;
    }
    json_t *list = json_array();
    struct function *f;
    TAILQ_FOREACH(f, &d->registry.functions, entry)
    {
        if (strcmp(f->stored.ns, ns) == 0)
            (void)json_array_append_new(list, status_of(f, false));
    }
    call_reply_json(call, 200, list);
}

void api_function_get(struct call *call)
{
    char usage[8] = "";
    struct function *f = api_function(call, NULL);
    if (!f)
        return;
    bool with_usage = call_query(call, "usage", usage, sizeof usage) &&
                      (strcmp(usage, "1") == 0 || strcmp(usage, "true") == 0);
    call_reply_json(call, 200, status_of(f, with_usage));
}

void api_function_delete(struct call *call)
{
    struct daemon *d = call->daemon;
    struct tfaas_error error;
    char ns[64];
    json_t *body = api_json(call);
    if (!body)
        return;
    const char *name = json_string_value(json_object_get(body, "functionName"));
    if (!name || !*name) {
        call_error(call, 400, "functionName: a name is expected");
    } else if (api_namespace(call, body, ns)) {
        struct function *f = registry_find2(d, name, ns);
        if (!f)
            call_error(call, 404, "function not found: %.80s in namespace %s", name, ns);
        else if (store_delete_function(d->store, f->stored.name, ns, &error) != TFAAS_OK)
            call_fail(call, &error);
        else {
            daemon_log("function %s deleted", f->key);
            registry_delete(f);
            call_reply_empty(call, 202);
        }
    }
    json_decref(body);
}

static tfaas_status_t scale_to(struct function *f, uint64_t replicas, struct tfaas_error *error)
{
    f->scale.raised = 0;
    if (f->stored.replicas == replicas)
        return TFAAS_OK;
    tfaas_status_t status =
        store_scale_function(f->daemon->store, f->stored.name, f->stored.ns, replicas, error);
    if (status != TFAAS_OK)
        return status;
    f->stored.replicas = replicas;
    if (replicas == 0) /* idle: nothing of it stays in memory */
        core_function_forget(f->ns->link, &f->core, false);
    return TFAAS_OK;
}

void api_function_scale(struct call *call)
{
    struct tfaas_error error;
    json_t *body = api_json(call);
    if (!body)
        return;
    struct function *f = api_function(call, body);
    json_t *replicas = json_object_get(body, "replicas");
    if (f && (!json_is_integer(replicas) || json_integer_value(replicas) < 0 ||
              json_integer_value(replicas) > REPLICAS_MAX))
        call_error(call, 400, "replicas: a number from 0 to %d is expected", REPLICAS_MAX);
    else if (f && scale_to(f, (uint64_t)json_integer_value(replicas), &error) != TFAAS_OK)
        call_fail(call, &error);
    else if (f)
        call_reply_empty(call, 202);
    json_decref(body);
}

/* --- alerts: Prometheus' AlertManager asks for more or fewer --- */

static tfaas_status_t one_alert(struct daemon *d, const json_t *alert, struct tfaas_error *error)
{
    const char *status = json_string_value(json_object_get(alert, "status"));
    const char *name =
        json_string_value(json_object_get(json_object_get(alert, "labels"), "function_name"));
    if (!status || !name || !*name)
        return error_set(error, TFAAS_BAD_REQUEST,
                         "alert: status and labels.function_name are expected");
    struct function *f = strchr(name, '.') ? registry_find(d, name, strlen(name))
                                           : registry_find2(d, name, STORE_DEFAULT_NAMESPACE);
    if (!f)
        return error_set(error, TFAAS_INTERNAL, "alert: function not found: %.100s", name);
    bool firing = strcmp(status, "firing") == 0;
    return scale_to(f, firing ? autoscale_more(f) : f->min_replicas, error);
}

void api_alert(struct call *call)
{
    struct tfaas_error error = {.status = TFAAS_OK};
    json_t *body = api_json(call);
    if (!body)
        return;
    json_t *alerts = json_object_get(body, "alerts"), *alert;
    size_t index;
    if (!json_is_array(alerts))
        (void)error_set(&error, TFAAS_BAD_REQUEST, "alerts: an array is expected");
    json_array_foreach(alerts, index, alert)
    {
        if (one_alert(call->daemon, alert, &error) != TFAAS_OK)
            break;
    }
    if (error.status != TFAAS_OK)
        call_fail(call, &error);
    else
        call_reply_empty(call, 200);
    json_decref(body);
}
