/*
 * api.c - which path and method does what, and who may. Must never let a request pass that a route
 * does not name.
 */
#include "daemon.h"

#include "build.h"

#include <sodium.h>
#include <string.h>

struct method {
    const char *name;
    api_fn handler;
    size_t body_limit;
};

struct route {
    const char *path; /* ends with '/': a name follows */
    bool open;        /* no credentials asked for */
    struct method methods[4];
};

#define JSON_BODY (size_t) HTTP_API_BODY_MAX

static const struct route routes[] = {
    {"/healthz", true, {{"GET", api_healthz, 0}, {"HEAD", api_healthz, 0}}},
    {"/metrics", true, {{"GET", api_metrics, 0}}},
    {"/api/v1/query", true, {{"GET", api_query, 0}, {"POST", api_query, JSON_BODY}}},
    {"/build", true, {{"POST", api_build, BUILD_TAR_MAX}}},
    {"/packages/", false, {{"PUT", api_package_put, BUILD_TAR_MAX}, {"GET", api_package_get, 0}}},
    {"/system/functions",
     false,
     {{"GET", api_functions_list, 0},
      {"POST", api_deploy_create, JSON_BODY},
      {"PUT", api_deploy_update, JSON_BODY},
      {"DELETE", api_function_delete, JSON_BODY}}},
    {"/system/function/", false, {{"GET", api_function_get, 0}}},
    {"/system/scale-function/", false, {{"POST", api_function_scale, JSON_BODY}}},
    {"/system/secrets",
     false,
     {{"GET", api_secrets_list, 0},
      {"POST", api_secret_create, 2 * JSON_BODY},
      {"PUT", api_secret_update, 2 * JSON_BODY},
      {"DELETE", api_secret_delete, JSON_BODY}}},
    {"/system/namespaces", false, {{"GET", api_namespaces_list, 0}}},
    {"/system/namespace/",
     false,
     {{"GET", api_namespace_get, 0},
      {"POST", api_namespace_create, JSON_BODY},
      {"PUT", api_namespace_update, JSON_BODY},
      {"DELETE", api_namespace_delete, JSON_BODY}}},
    {"/system/logs", false, {{"GET", api_logs, 0}}},
    {"/system/info", false, {{"GET", api_info, 0}}},
    {"/.well-known/tfaas/evidence", true, {{"GET", api_evidence, 0}, {"HEAD", api_evidence, 0}}},
    {"/.well-known/tfaas/domain", true, {{"GET", api_domain, 0}, {"HEAD", api_domain, 0}}},
    {"/.well-known/ohttp-gateway", true, {{"GET", api_ohttp_keys, 0}, {"HEAD", api_ohttp_keys, 0}}},
    {"/system/alert", false, {{"POST", api_alert, JSON_BODY}}},
};

/* As OpenFaaS's SDK makes a namespace: its name is in the content alone. */
static const struct route new_namespace = {
    "/system/namespace/", false, {{"POST", api_namespace_create, JSON_BODY}}};

static const struct route *find_route(struct call *call)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        size_t size = strlen(routes[i].path);
        if (routes[i].path[size - 1] == '/') {
            if (strncmp(call->uri, routes[i].path, size) == 0 && call->uri[size]) {
                call->name = call->uri + size;
                return &routes[i];
            }
        } else if (strcmp(call->uri, routes[i].path) == 0) {
            return &routes[i];
        }
    }
    return strcmp(call->uri, new_namespace.path) == 0 ? &new_namespace : NULL;
}

/* Both sides are hashed first: the time tells neither length nor content. */
static bool same(const void *a, size_t a_size, const void *b, size_t b_size)
{
    uint8_t ha[32], hb[32];
    (void)crypto_generichash(ha, sizeof ha, a, a_size, NULL, 0);
    (void)crypto_generichash(hb, sizeof hb, b, b_size, NULL, 0);
    bool equal = sodium_memcmp(ha, hb, sizeof ha) == 0;
    sodium_memzero(hb, sizeof hb);
    return equal;
}

static bool authorized(struct call *call)
{
    const struct config *c = &call->daemon->config;
    if (!c->basic_auth)
        return true;
    const char *header = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Authorization");
    uint8_t text[1024];
    size_t size;
    if (!header || strncasecmp(header, "Basic ", 6) != 0 ||
        sodium_base642bin(text, sizeof text, header + 6, strlen(header + 6), NULL, &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    uint8_t *colon = memchr(text, ':', size);
    if (!colon)
        return false;
    size_t user = (size_t)(colon - text);
    bool good_user = same(text, user, c->user, strlen(c->user));
    bool good_password = same(colon + 1, size - user - 1, c->password, strlen(c->password));
    sodium_memzero(text, sizeof text);
    return good_user & good_password;
}

/* HOST[:PORT] with a name or address that only this machine has. */
static bool is_local(const char *text)
{
    char host[64];
    const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    if (*text == '[')
        text++;
    if (!end || (size_t)(end - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = 0;
    return config_is_loopback(host);
}

/* Without credentials the address alone guards this surface. A page in somebody's browser on this
 * machine reaches it too: by a request across origins, or under a name made to resolve to it. */
static bool from_elsewhere(struct call *call)
{
    static const char scheme[] = "http://";
    if (call->daemon->config.basic_auth)
        return false;
    const char *host = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Host");
    const char *origin = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Origin");
    const char *site = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "Sec-Fetch-Site");
    if (host && !is_local(host))
        return true;
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return true;
    return origin && (strncmp(origin, scheme, sizeof scheme - 1) != 0 || !host ||
                      strcmp(origin + sizeof scheme - 1, host) != 0);
}

bool api_route(struct call *call)
{
    static const char prefix[] = "/function/";
    if (strncmp(call->uri, prefix, sizeof prefix - 1) == 0)
        return proxy_route(call, call->uri + sizeof prefix - 1);
    call->problems = strncmp(call->uri, "/.well-known/", 13) == 0;
    if (strcmp(call->uri, "/.well-known/ohttp-gateway") == 0 && strcmp(call->method, "POST") == 0)
        return api_gateway_route(call);
    call->kind = CALL_API;
    const struct route *route = find_route(call);
    if (!route) {
        if (strncmp(call->uri, "/async-function/", 16) == 0)
            call_error(call, 404, "asynchronous calls are not served; POST to /function/ instead");
        else
            call_error(call, 404, "no such path");
        return false;
    }
    if (!route->open && !authorized(call)) {
        call_error(call, 401, "invalid credentials");
        return false;
    }
    if (!route->open && from_elsewhere(call)) {
        call_error(call, 403,
                   "basic_auth is off: only programs on this machine may use %s, under the name "
                   "localhost or a loopback address, and no page of another site",
                   route->path);
        return false;
    }
    for (size_t i = 0; i < 4 && route->methods[i].name; i++) {
        if (strcmp(route->methods[i].name, call->method) == 0) {
            call->handler = route->methods[i].handler;
            call->body_limit = route->methods[i].body_limit;
            return true;
        }
    }
    call_error(call, 405, "method %.20s is not allowed here", call->method);
    return false;
}

/* --- what handlers share --- */

json_t *api_json(struct call *call)
{
    json_error_t error;
    json_t *json =
        json_loadb((const char *)call->body, call->body_size, JSON_REJECT_DUPLICATES, &error);
    if (!json && call->body_size == 0)
        call_error(call, 400, "malformed JSON: the content is empty");
    else if (!json)
        call_error(call, 400, "malformed JSON: line %d, column %d: %s", error.line, error.column,
                   error.text);
    else if (!json_is_object(json))
        call_error(call, 400, "malformed JSON: an object is expected");
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

bool api_string_map(const json_t *object)
{
    const char *key;
    json_t *value;
    if (!object || json_is_null(object))
        return true;
    if (!json_is_object(object))
        return false;
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        if (!key || !json_is_string(value))
            return false;
    }
    return true;
}

bool api_namespace(struct call *call, const json_t *body, char ns[64])
{
    json_t *given = json_object_get(body, "namespace");
    char query[128] = "";
    if (call->query && strstr(call->query, "namespace=") &&
        !call_query(call, "namespace", query, sizeof query)) {
        call_error(call, 400, "namespace: malformed");
        return false;
    }
    if (given && !json_is_null(given) && !json_is_string(given)) {
        call_error(call, 400, "namespace: a string is expected");
        return false;
    }
    const char *name = json_string_value(given);
    if (!name || !*name)
        name = *query ? query : STORE_DEFAULT_NAMESPACE;
    if (!store_namespace_ok(name)) {
        call_error(call, 400, "namespace: \"%.80s\" is not a name of a-z, 0-9 and '-', 63 at most",
                   name);
        return false;
    }
    memcpy(ns, name, strlen(name) + 1);
    return true;
}

struct function *api_function(struct call *call, const json_t *body)
{
    char ns[64], name[192];
    if (!api_namespace(call, body, ns))
        return NULL;
    const char *dot = strrchr(call->name, '.');
    struct function *f = dot ? registry_find(call->daemon, call->name, strlen(call->name)) : NULL;
    if (!f)
        f = registry_find2(call->daemon, call->name, ns);
    if (!f) {
        (void)text_clean(name, sizeof name, (const uint8_t *)call->name, strlen(call->name));
        call_error(call, 404, "function not found: %s in namespace %s", name, ns);
    }
    return f;
}
