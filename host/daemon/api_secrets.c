/*
 * api_secrets.c - secrets and namespaces of the REST surface. A secret's value goes in and never
 * comes out; buffers that held one are wiped.
 */
#include "daemon.h"

#include "sealed.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* --- secrets --- */

void api_secrets_list(struct call *call)
{
    struct tfaas_error error;
    char ns[64];
    json_t *list = NULL;
    if (!api_namespace(call, NULL, ns))
        return;
    if (!registry_namespace(call->daemon, ns))
        call_error(call, 404, "namespace not found: %s", ns);
    else if (store_list_secrets(call->daemon->store, ns, &list, &error) != TFAAS_OK)
        call_fail(call, &error);
    else
        call_reply_json(call, 200, list);
}

/* Name and namespace of a body. NULL after it has replied. */
static const char *secret_name(struct call *call, const json_t *body, char ns[64])
{
    const char *name = json_string_value(json_object_get(body, "name"));
    if (!api_namespace(call, body, ns))
        return NULL;
    if (!name || !store_secret_name_ok(name)) {
        call_error(call, 400,
                   "name: a name of letters, digits, '-', '_' and '.', 253 at most, is "
                   "expected");
        return NULL;
    }
    if (!registry_namespace(call->daemon, ns)) {
        call_error(call, 404, "namespace not found: %s", ns);
        return NULL;
    }
    return name;
}

/* "rawValue" (base64) or "value" (text). *out is malloc'ed. */
static tfaas_status_t secret_value(const json_t *body, uint8_t **out, size_t *size,
                                   struct tfaas_error *error)
{
    json_t *raw = json_object_get(body, "rawValue"), *text = json_object_get(body, "value");
    if (raw && !json_is_null(raw)) {
        size_t coded = json_string_length(raw);
        *out = json_is_string(raw) ? malloc(coded + 1) : NULL;
        if (*out && sodium_base642bin(*out, coded + 1, json_string_value(raw), coded, NULL, size,
                                      NULL, sodium_base64_VARIANT_ORIGINAL) == 0)
            return TFAAS_OK;
        free(*out);
        *out = NULL;
        return error_set(error, TFAAS_BAD_REQUEST, "rawValue: base64 text is expected");
    }
    if (!json_is_string(text))
        return error_set(error, TFAAS_BAD_REQUEST, "value: text is expected, or rawValue");
    *size = json_string_length(text);
    *out = malloc(*size + 1);
    if (!*out)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    memcpy(*out, json_string_value(text), *size);
    return TFAAS_OK;
}

/* A sealed one is for a domain and a name: under another it would never open. */
static tfaas_status_t check_sealed(const uint8_t *value, size_t size, const char *name,
                                   const char *ns, bool *is_sealed, struct tfaas_error *error)
{
    struct sealed sealed;
    const char *why = "";
    *is_sealed = sealed_is((struct span){value, size});
    if (!*is_sealed)
        return TFAAS_OK;
    tfaas_status_t status = sealed_read((struct span){value, size}, &sealed, &why);
    if (status != TFAAS_OK)
        return error_set(error, status, "rawValue: %s", why);
    if (span_is(sealed.kind, "secret") && span_is(sealed.domain, ns) && span_is(sealed.name, name))
        return TFAAS_OK;
    return error_set(
        error, TFAAS_BAD_REQUEST, "rawValue: it is sealed as %.*s %.*s of namespace %.*s",
        (int)sealed.kind.size, (const char *)sealed.kind.data, (int)sealed.name.size,
        (const char *)sealed.name.data, (int)sealed.domain.size, (const char *)sealed.domain.data);
}

static void put_secret(struct call *call, enum store_secret_mode mode)
{
    struct daemon *d = call->daemon;
    struct tfaas_error error;
    char ns[64];
    uint8_t *value = NULL;
    size_t size = 0;
    json_t *body = api_json(call);
    const char *name = body ? secret_name(call, body, ns) : NULL;
    if (name) {
        bool is_sealed = false;
        tfaas_status_t status = secret_value(body, &value, &size, &error);
        if (status == TFAAS_OK)
            status = check_sealed(value, size, name, ns, &is_sealed, &error);
        if (status == TFAAS_OK)
            status = store_put_secret(d->store, name, ns, value, size, mode, &error);
        if (value)
            sodium_memzero(value, size);
        free(value);
        if (status != TFAAS_OK) {
            call_fail(call, &error);
        } else {
            registry_secret_changed(d, name, ns);
            daemon_log("%ssecret %s.%s %s", is_sealed ? "sealed " : "", name, ns,
                       mode == STORE_CREATE ? "created" : "updated");
            call_reply_empty(call, 202);
        }
    }
    json_decref(body);
    sodium_memzero(call->body, call->body_size);
}

void api_secret_create(struct call *call)
{
    put_secret(call, STORE_CREATE);
}

void api_secret_update(struct call *call)
{
    put_secret(call, STORE_UPDATE);
}

void api_secret_delete(struct call *call)
{
    struct tfaas_error error;
    char ns[64];
    json_t *body = api_json(call);
    const char *name = body ? secret_name(call, body, ns) : NULL;
    if (name && store_delete_secret(call->daemon->store, name, ns, &error) != TFAAS_OK) {
        call_fail(call, &error);
    } else if (name) {
        daemon_log("secret %s.%s deleted", name, ns);
        call_reply_empty(call, 202);
    }
    json_decref(body);
}

/* --- namespaces --- */

static json_t *namespace_list(struct call *call)
{
    struct tfaas_error error;
    json_t *list = NULL;
    if (store_list_namespaces(call->daemon->store, &list, &error) == TFAAS_OK)
        return list;
    call_fail(call, &error);
    return NULL;
}

void api_namespaces_list(struct call *call)
{
    json_t *list = namespace_list(call), *names = json_array(), *each;
    size_t index;
    if (!list) {
        json_decref(names);
        return;
    }
    json_array_foreach(list, index, each)
    {
        (void)json_array_append(names, json_object_get(each, "name"));
    }
    json_decref(list);
    call_reply_json(call, 200, names);
}

void api_namespace_get(struct call *call)
{
    json_t *list = namespace_list(call), *each, *found = NULL;
    size_t index;
    if (!list)
        return;
    json_array_foreach(list, index, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));
        if (name && strcmp(name, call->name) == 0)
            found = json_incref(each);
    }
    json_decref(list);
    if (found)
        call_reply_json(call, 200, found);
    else
        call_error(call, 404, "namespace not found: %.80s", call->name);
}

/* Of the path or of the content; when both tell one, the same. */
static const char *name_of_namespace(struct call *call, const json_t *body)
{
    const json_t *given = json_object_get(body, "name");
    const char *name = call->name && *call->name ? call->name : json_string_value(given);
    if (given && !json_is_null(given) && !json_is_string(given))
        call_error(call, 400, "name: a string is expected");
    else if (!store_namespace_ok(name))
        call_error(call, 400, "namespace: \"%.80s\" is not a name of a-z, 0-9 and '-', 63 at most",
                   name ? name : "");
    else if (json_is_string(given) && strcmp(json_string_value(given), name) != 0)
        call_error(call, 400, "name: the path says \"%s\", the content \"%.80s\"", name,
                   json_string_value(given));
    else
        return name;
    return NULL;
}

static void put_namespace(struct call *call, bool create)
{
    struct daemon *d = call->daemon;
    struct tfaas_error error;
    json_t *body = call->body_size ? api_json(call) : json_object();
    if (!body)
        return;
    json_t *annotations = json_object_get(body, "annotations");
    json_t *labels = json_object_get(body, "labels");
    const char *name = name_of_namespace(call, body);
    if (!name) {
        json_decref(body);
        return;
    }
    struct tended *tended = NULL;
    struct namespace *ns = registry_namespace(d, name);
    if (!api_string_map(annotations) || !api_string_map(labels))
        call_error(call, 400, "annotations, labels: objects of strings are expected");
    else if (!(tended = tended_wanted(d, annotations, &error)))
        call_fail(call, &error);
    else if (tended_start(tended, &error) != TFAAS_OK)
        call_error(call, 409, "namespace %s: %s", name, error.text);
    else if (store_put_namespace(d->store, name, json_is_object(annotations) ? annotations : NULL,
                                 json_is_object(labels) ? labels : NULL, create,
                                 &error) != TFAAS_OK)
        call_fail(call, &error);
    else if (ns ? registry_tend(d, ns, tended, &error) != TFAAS_OK
                : !registry_add_namespace(d, name, tended))
        call_error(call, 507, "out of memory: the namespace is served after a restart");
    else
        call_reply_empty(call, create ? 201 : 202);
    json_decref(body);
}

void api_namespace_create(struct call *call)
{
    put_namespace(call, true);
}

void api_namespace_update(struct call *call)
{
    put_namespace(call, false);
}

void api_namespace_delete(struct call *call)
{
    struct daemon *d = call->daemon;
    struct tfaas_error error;
    if (strcmp(call->name, STORE_DEFAULT_NAMESPACE) == 0) {
        call_error(call, 400, "the default namespace stays");
        return;
    }
    if (store_delete_namespace(d->store, call->name, &error) != TFAAS_OK) {
        call_fail(call, &error);
        return;
    }
    struct namespace *ns = registry_namespace(d, call->name);
    if (ns)
        registry_drop_namespace(d, ns);
    call_reply_empty(call, 202);
}
