/*
 * daemon.h - what the parts of tfaasd share: functions, namespaces, HTTP calls. One thread.
 */
#ifndef TFAAS_HOST_DAEMON_H
#define TFAAS_HOST_DAEMON_H

#include "config.h"
#include "core_link.h"
#include "keeper.h"
#include "limits.h"
#include "logs.h"
#include "loop.h"
#include "metrics.h"
#include "store.h"
#include "tfaas/version.h"

#include <jansson.h>
#include <microhttpd.h>

#ifndef TFAASD_COMMIT /* the build sets it */
#define TFAASD_COMMIT "unknown"
#endif

struct daemon;
struct call;
struct deploy;
TAILQ_HEAD(deploy_list, deploy);

/* --- registry.c: what is deployed, in memory --- */

struct namespace
{
    char name[64];
    struct tended *tended; /* whose cores serve it, and nobody else's */
    struct core_link *link;
    uint32_t function_count;
    TAILQ_ENTRY(namespace) entry;
};
TAILQ_HEAD(namespace_list, namespace);

struct function {
    struct store_function stored;
    struct core_function core;
    struct daemon *daemon;
    struct namespace *ns;
    char key[132]; /* "name.namespace" */
    uint32_t key_hash, refs;
    bool deployed; /* false: deleted, calls still refer to it */
    uint64_t deadline_ns, memory_limit;
    uint64_t min_replicas, max_replicas, factor;
    struct {
        uint64_t seen;   /* calls, at the last look */
        uint64_t raised; /* replicas while calls come fast; 0: as stored */
        bool busy;
    } scale; /* autoscale.c */
    struct function_metrics metrics;
    struct function_log log;
    struct deploy *deploy;          /* being tried, not deployed yet (deploy.c) */
    bool encapsulated;              /* plain calls are refused */
    struct function_grants *grants; /* its bundle waits for them (function_bundle.c) */
    struct function *next_in_bucket;
    TAILQ_ENTRY(function) entry;
};
TAILQ_HEAD(function_list, function);

struct registry {
    struct function **buckets;
    uint32_t bucket_count, function_count;
    struct function_list functions;
    struct namespace_list namespaces;
};

/* --- http.c --- */

struct connection {
    int fd;
    struct call *call; /* being served, NULL: waits for a request */
    uint64_t since_ns; /* when it began to wait */
    bool refused;      /* has its last answer: the next sweep ends it */
    TAILQ_ENTRY(connection) entry;
};
TAILQ_HEAD(connection_list, connection);

typedef void (*api_fn)(struct call *call); /* the body is complete; replies now or later */

enum call_kind { CALL_NEW, CALL_FUNCTION, CALL_API };

struct call {
    struct daemon *daemon;
    struct connection *connection;
    struct MHD_Connection *mhd;
    enum call_kind kind;
    const char *method;
    char *uri; /* as sent; cut at '?': `query` is what follows */
    char *query;
    char uri_inline[256];
    uint64_t start_ns, start_realtime_ns;

    bool suspended, upload_done, aborted, replied, must_close, http11;
    bool chunked;  /* the answer has no end but a last chunk or the end of the connection */
    bool problems; /* errors are problem documents */
    struct MHD_Response *response; /* to be queued */
    unsigned status;

    uint8_t *body; /* API: all of it. Function: what is kept back until INVOKE */
    size_t body_size, body_capacity, body_limit;
    uint64_t uploaded, discarded;
    bool too_large;

    /* API */
    api_fn handler;
    const char *name; /* {name} of the path, in `uri` */
    void *job;        /* of an operation that answers later */
    void (*job_cancel)(struct call *call);

    /* function; a sealed call through the gateway has none until the core has named it */
    struct function *function;
    enum tfaas_sealing sealing; /* 0: a plain call (proxy_sealed.c) */
    char sealed_ns[64];
    bool again;     /* the core named a function that was not loaded: the call starts anew */
    bool kept_lost; /* too much of it was sent already for that */
    uint8_t *kept;  /* what was sent, until the core has opened it */
    size_t kept_size, kept_capacity;
    const char *path; /* what the function sees, in `uri` */
    struct core_call core;
    bool started, last_sent, ended;
    struct duplex *duplex; /* answers while the request still arrives (duplex.c) */
    uint8_t *out;          /* response stream received: head, then content */
    size_t out_size, out_at, out_capacity;
    uint64_t out_read, out_credited, held;
    char call_id[HTTP_CALL_ID_MAX + 1];
    uint64_t timeout_ns, end_ns;

    /* log stream */
    struct log_follower follower;
};

/* --- tended.c: the tenders --- */

#define TENDERS_MAX       4u
#define TENDER_ANNOTATION "com.tfaas.tender" /* of a namespace */

/* A tender, and what it launched when it is in use. */
struct tended {
    struct daemon *daemon;
    const struct tender_ops *ops;
    struct tender *tender; /* NULL: not started */
    char layers[256];      /* the walls that are up */
    char why[480];         /* why it is not started */
    struct core_hub hub;
    struct evidence_env evidence;
    struct keeper *keeper; /* NULL: not started, or evidence = none */
};

struct daemon {
    struct config config;
    struct loop loop;
    struct watch mhd_watch, signal_watch;
    struct MHD_Daemon *mhd;
    int listen_fd;
    bool mhd_due, stopping;
    uint64_t stop_at_ns;
    struct store *store;
    struct tended tended[TENDERS_MAX], *standard; /* of namespaces that name none */
    struct tended *unknown; /* of stored ones that name another than there is: never started */
    size_t tended_count;
    uint64_t now_ns; /* CLOCK_MONOTONIC, once per turn of the loop */
    uint64_t sealed_outcomes[TFAAS_STATUS_COUNT];
    struct registry registry;
    struct logs logs;
    struct metrics metrics;
    struct connection_list connections;
    uint32_t connection_count, calls;
    uint64_t held_total;
    struct deploy_list deploys; /* being tried, and waiting to be */
    uint32_t probing, probes_waiting;
    uint64_t scaled_ns; /* the last look at the rate of calls */
    bool scale_due;     /* another is needed although nothing else happens */
    char build_dir[600];
};

/* tended.c */
/* BAD_REQUEST: the configuration names a tender that is not there. Starts nothing. */
tfaas_status_t tended_init(struct daemon *d, const struct tender_ops *const *tenders,
                           const struct core_owner *owner, struct tfaas_error *error);
struct tended *tended_of(struct core_hub *hub);
/* The one that a namespace's annotations ask for. NULL: an unknown one, named in `error`. */
struct tended *tended_wanted(struct daemon *d, const json_t *annotations,
                             struct tfaas_error *error);
/* Unless it runs: tender and keepers. UNAVAILABLE: why not, in words; they are in t->why too. */
tfaas_status_t tended_start(struct tended *t, struct tfaas_error *error) TFAAS_MUST_USE;
void tended_now(struct daemon *d, uint64_t now_ns);
bool tended_run(struct daemon *d); /* core_hub_run of all, and so on */
bool tended_sleep(struct daemon *d);
void tended_tick(struct daemon *d);
int tended_timeout_ms(const struct daemon *d);
void tended_quiet(struct daemon *d); /* keepers are asked nothing more */
void tended_stop(struct daemon *d);

/* registry.c */
bool registry_open(struct daemon *d, struct tfaas_error *error);
void registry_close(struct daemon *d);
/* "name.ns" exactly; NULL. */
struct function *registry_find(struct daemon *d, const char *key, size_t size);
struct function *registry_find2(struct daemon *d, const char *name, const char *ns);
struct namespace *registry_namespace(struct daemon *d, const char *ns);
struct namespace *registry_add_namespace(struct daemon *d, const char *ns, struct tended *tended);
/* From now on its calls go to cores of that tender; what runs in the old one ends there. NO_SPACE:
 * nothing changed. */
tfaas_status_t registry_tend(struct daemon *d, struct namespace *ns, struct tended *tended,
                             struct tfaas_error *error) TFAAS_MUST_USE;
void registry_drop_namespace(struct daemon *d, struct namespace *ns);
/* Starts the cores of namespaces that have functions, so that a first call needs not wait for it.
 */
void registry_warm(struct daemon *d);
/* Takes what `stored` holds and empties it. Makes or replaces. NULL: out of memory. */
struct function *registry_put(struct daemon *d, struct store_function *stored);
void registry_delete(struct function *function);
void function_ref(struct function *function);
void function_unref(struct function *function);
void function_wake(struct function *function);
/* A secret changed: functions that use it are loaded anew. */
void registry_secret_changed(struct daemon *d, const char *name, const char *ns);
/* Limits and scale labels of a deployment. BAD_REQUEST names what is wrong. */
struct function_settings {
    uint64_t deadline_ns, memory_limit, min_replicas, max_replicas, factor;
    bool encapsulated; /* com.tfaas.encapsulation: required */
};
tfaas_status_t function_settings_of(const struct config *config, const json_t *spec,
                                    struct function_settings *settings,
                                    struct tfaas_error *error) TFAAS_MUST_USE;

/* function_bundle.c: *bytes is malloc'ed; OK with NULL: core_bundle_ready follows */
tfaas_status_t function_bundle(struct function *function, uint8_t **bytes, size_t *size,
                               struct tfaas_error *error) TFAAS_MUST_USE;
void function_bundle_cancel(struct function *function);

/* autoscale.c */
/* What clients see: as stored, or more while calls come fast. */
uint64_t autoscale_replicas(const struct function *function);
/* One step of the alert: replicas and the factor of the maximum, the maximum at most. */
uint64_t autoscale_more(const struct function *function);
void autoscale_look(struct daemon *d); /* about every SCALE_NS */

/* http.c */
tfaas_status_t http_open(struct daemon *d, struct tfaas_error *error) TFAAS_MUST_USE;
void http_run(struct daemon *d);
int http_timeout_ms(struct daemon *d);
void http_sweep(struct daemon *d); /* timeouts and clients that left; about every 250 ms */
void http_refuse_new(struct daemon *d);
void http_close(struct daemon *d);
void call_resume(struct call *call);
void call_suspend(struct call *call);
/* The connection is cut. */
void call_abort(struct call *call);
/* What the reader of an answer's content must return at its end; not `whole`: the answer is cut. */
ssize_t call_end_stream(struct call *call, bool whole);
/* `data` is malloc'ed and taken. */
void call_reply(struct call *call, unsigned status, const char *type, void *data, size_t size);
void call_reply_json(struct call *call, unsigned status, json_t *json); /* takes json */
void call_reply_empty(struct call *call, unsigned status);
void call_error(struct call *call, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void call_fail(struct call *call, const struct tfaas_error *error);
/* A problem document (RFC 9457). type: NULL means about:blank. */
void call_problem(struct call *call, unsigned status, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* `response` is taken. */
void call_reply_response(struct call *call, unsigned status, struct MHD_Response *response);
/* False after it has replied: memory for held bytes is used up. */
bool call_body_append(struct call *call, const uint8_t *bytes, size_t size);
/* Query parameter, decoded, into `to`. False: absent, malformed or too long. */
bool call_query(const struct call *call, const char *name, char *to, size_t capacity);

/* api.c: routing; false after it has replied */
bool api_route(struct call *call);
/* The body as a JSON object; NULL after it has replied 400. */
json_t *api_json(struct call *call);
/* Is every value of `object` a string? NULL and null are fine. */
bool api_string_map(const json_t *object);
/* Namespace of a query (?namespace=) or of a body; the default one when absent. False after it has
 * replied. */
bool api_namespace(struct call *call, const json_t *body, char ns[64]);
/* {name} of the path, "name" or "name.namespace", with ?namespace= and the body's. NULL after it
 * has replied 404 or 400. */
struct function *api_function(struct call *call, const json_t *body);

/* api_functions.c */
void api_functions_list(struct call *call);
void api_function_get(struct call *call);
void api_function_delete(struct call *call);
void api_function_scale(struct call *call);
void api_alert(struct call *call);
void api_time_text(uint64_t realtime_ns, char text[40]); /* RFC 3339, UTC, nanoseconds */
/* deploy.c */
void api_deploy_create(struct call *call);
void api_deploy_update(struct call *call);
void deploy_loaded(struct deploy *deploy, tfaas_status_t status, const char *text);
struct core_link *deploy_link(const struct deploy *deploy);
/* api_secrets.c: secrets and namespaces */
void api_secrets_list(struct call *call);
void api_secret_create(struct call *call);
void api_secret_update(struct call *call);
void api_secret_delete(struct call *call);
void api_namespaces_list(struct call *call);
void api_namespace_get(struct call *call);
void api_namespace_create(struct call *call);
void api_namespace_update(struct call *call);
void api_namespace_delete(struct call *call);
/* api_system.c */
void api_healthz(struct call *call);
void api_info(struct call *call);
void api_metrics(struct call *call);
void api_query(struct call *call);
void api_logs(struct call *call);
/* api_attested.c: what clients ask before they seal anything */
void api_evidence(struct call *call);
void api_domain(struct call *call);
void api_ohttp_keys(struct call *call);
bool api_gateway_route(struct call *call); /* POST to the gateway; false after it has replied */
json_t *api_evidence_info(const struct tended *t);
/* api_build.c */
void api_build(struct call *call);
void api_package_put(struct call *call);
void api_package_get(struct call *call);

/* proxy.c */
bool proxy_route(struct call *call, const char *after);
/* Takes upload bytes; returns how many. */
size_t proxy_upload(struct call *call, const uint8_t *bytes, size_t size);
void proxy_finish_upload(struct call *call);
void proxy_cancel(struct call *call); /* the answer is of no use any more */
void proxy_close(struct call *call);
void proxy_poll(struct call *call); /* makes the response when there is one */
void proxy_give_up(struct call *call, const char *reason);
ssize_t proxy_read_stream(void *call, uint64_t position, char *to, size_t most);
extern const struct core_owner daemon_core_owner;
struct bhttp_head;
typedef void (*header_fn)(void *env, const char *name, size_t name_size, const char *value,
                          size_t value_size);
/* Every header of the answer to `call`, the function's and ours. */
void proxy_headers(struct call *call, const struct bhttp_head *head, header_fn add, void *env);
/* The receiver has taken `size` bytes of call->out. */
void proxy_consumed(struct call *call, size_t size);

/* proxy_sealed.c: calls that only the core can open */
/* How a request of this content type is sealed, 0: it is plain. */
enum tfaas_sealing sealed_type(const struct call *call);
/* /.well-known/ohttp-gateway; false after it has replied. */
bool sealed_route(struct call *call, const char *ns);
/* The bound of the content for a sealing. */
size_t sealed_limit(const struct call *call);
/* As much as fits into INVOKE; false after it has replied. */
bool sealed_start(struct call *call, bool last);
/* Sent bytes stay here until the core has opened the request. */
void sealed_keep(struct call *call, const uint8_t *bytes, size_t size);
void sealed_forget(struct call *call);
void sealed_again(struct call *call); /* when call->again */
void sealed_ended(struct call *call);
void sealed_poll(struct call *call);
const char *sealed_response_type(enum tfaas_sealing sealing);

/* duplex.c: libmicrohttpd answers only after it has read the whole request; for a function that
 * answers while it reads, the answer is written to the socket here, and the connection closes after
 * it. Starts with the head in call->out. */
bool duplex_start(struct call *call, const struct bhttp_head *head); /* NULL: a sealed answer */
void duplex_push(struct call *call); /* after call->out or call->ended changed */
bool duplex_done(const struct call *call);
void duplex_free(struct call *call);

/* main loop (daemon.c) */
int daemon_main(int argc, char **argv, const struct tender_ops *const *tenders);
void daemon_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
