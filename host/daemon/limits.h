/*
 * limits.h - every bound of the daemon in one place. A bound that people may change has the name
 * of its configuration key beside it (config.c); the others are fixed. SPECIFICATION.md lists them.
 */
#ifndef TFAAS_HOST_LIMITS_H
#define TFAAS_HOST_LIMITS_H

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull
#define KIB       1024ull
#define MIB       (1024ull * 1024)

/* --- one invocation; travels to the core in the load bundle --- */
#define FUNCTION_TIMEOUT_DEFAULT_NS (60 * NS_PER_S) /* exec_timeout */
#define FUNCTION_TIMEOUT_MAX_NS     (3600 * NS_PER_S)
#define FUNCTION_TIMEOUT_MIN_NS     NS_PER_MS
#define FUNCTION_MEMORY_DEFAULT     (128 * MIB)
#define FUNCTION_MEMORY_MIN         (1 * MIB)
#define FUNCTION_MEMORY_MAX         (1024 * MIB)
#define FUNCTION_RESPONSE_MAX       (64 * MIB)
#define FUNCTION_LOG_MAX            (1 * MIB)
#define FUNCTION_HOSTCALL_MAX       100000000ull /* about a minute of nothing else */

/* --- HTTP --- */
#define HTTP_CONNECTIONS_MAX    8192u /* max_connections */
#define HTTP_CONNECTIONS_PER_IP 4096u /* max_connections_per_ip; an ingress is one address */
/* Holds the request's head, a record per field, and the response's head at once; cleared for every
 * request, so no larger than that. */
#define HTTP_CONNECTION_MEMORY (48 * KIB)
#define HTTP_HEAD_MAX          (16 * KIB)
#define HTTP_RESPONSE_HEAD_MAX (12 * KIB)
#define HTTP_URI_MAX           (8 * KIB)
#define HTTP_ARGUMENTS_MAX                                                                         \
    384u /* of a query: 64 bytes each in the half that a head does not fill */
#define HTTP_IDLE_S          75u             /* silence on a connection */
#define HTTP_READ_TIMEOUT_NS (60 * NS_PER_S) /* read_timeout: a whole request */
#define HTTP_WRITE_TIMEOUT_NS                                                                      \
    (60 * NS_PER_S)                  /* write_timeout: what is left after the end of a run,        \
                                        and a log stream */
#define HTTP_BODY_MAX     (64 * MIB) /* max_body: a function's request content */
#define HTTP_API_BODY_MAX (1 * MIB)  /* JSON of the REST surface */
#define HTTP_UPLOAD_HOLD  (48 * KIB) /* content kept back so that it travels with INVOKE */
#define HTTP_DISCARD_MAX  (8 * MIB)  /* of a refused body, so that its answer is seen */
#define HTTP_STREAM_BLOCK (32 * KIB)
/* A response that comes while the request still arrives is held in memory; all calls together. */
#define HTTP_HELD_TOTAL   (256 * MIB)
#define HTTP_HELD_API     (128 * MIB) /* beyond this only calls of functions may hold more */
#define HTTP_DUPLEX_AFTER (64 * KIB)  /* of it: then it is sent while the request still arrives */
#define HTTP_CALL_ID_MAX  128u

/* --- one core --- */
#define CORE_QUEUE_MAX      1024u /* queue_max: calls that wait for a place, per namespace */
#define CORE_FUNCTIONS_MAX  512u  /* functions kept loaded */
#define CORE_READY_NS       (10 * NS_PER_S)
#define CORE_LOAD_NS        (30 * NS_PER_S)
#define CORE_GRACE_NS       (1 * NS_PER_S)  /* past its deadline without END: the core is killed */
#define CORE_CANCEL_NS      (5 * NS_PER_S)  /* from CANCEL to END */
#define CORE_DRAIN_NS       (5 * NS_PER_S)  /* a core that is to be replaced: for what runs in it */
#define CORE_TICKS_MISSED   3u              /* as many in a row: tfaasd itself was away */
#define CORE_ANSWER_NS      (10 * NS_PER_S) /* from CALL to ANSWER: longer, and it is killed */
#define CORE_QUESTIONS_MAX  1024u           /* that wait for one core */
#define CORE_BACKOFF_MIN_NS (50 * NS_PER_MS)
#define CORE_BACKOFF_MAX_NS (10 * NS_PER_S)
#define CORE_STABLE_NS      (10 * NS_PER_S) /* a core that lived this long restarts at once */
#define CORE_IDLE_NS        (60 * NS_PER_S) /* an empty core is stopped */
#define CORE_FUNCTION_IDLE_NS                                                                      \
    (600 * NS_PER_S)                  /* idle_timeout: a function not called is unloaded           \
                                       */
#define CORE_RELOAD_NS (2 * NS_PER_S) /* a function that failed to load is tried again after */
#define CORE_DRAIN_MESSAGES                                                                        \
    512u                     /* of one core per turn of the loop, so that none starves others      \
                              */
#define CORES_AT_START 16u   /* namespaces whose core is started together with the daemon */
#define CORE_TEXT_MAX  4096u /* of an error or log line that came from a core */
#define PROBES_MAX     4u    /* deploys being tried at the same time */
#define PROBES_WAITING 64u

/* --- attested invocation --- */
#define SEALED_OVERHEAD     4096u /* of one message/ohttp-req above its content */
#define SEALED_KEEP_MAX     (TFAAS_SEALED_WHOLE_MAX + 64u * 1024) /* until the core opened it */
#define KEEPERS_MAX         2u                                    /* keepers */
#define KEEPER_RETRY_MIN_NS (NS_PER_S / 4) /* after a failure, doubled with each */
#define KEEPER_RETRY_MAX_NS (30 * NS_PER_S)
#define KEEPER_WORKER_MIN_NS                                                                       \
    (10 * NS_PER_S) /* one that gets no lease is replaced, not more often */
/* Sealed calls after which a worker gets another key: at twice as many its lease is used up. */
#ifndef KEEPER_CALLS_PER_KEY
#define KEEPER_CALLS_PER_KEY (1u << 19)
#endif
#define KEEPER_GRANT_NS      (10 * NS_PER_S) /* a load waits for its grants */
#define KEEPER_WAIT_NS       (8 * NS_PER_S)  /* a client waits for a statement */
#define KEEPER_STALE_S       10u             /* how long a statement may be cached that is due */
#define EVIDENCE_NONCE_NS    (NS_PER_S / 4)  /* evidence over a client's own nonce: one each */
#define EVIDENCE_NONCE_BURST 8u              /* or so many at once */

/* --- logs --- */
#define LOG_FUNCTION_MAX  (64 * KIB)
#define LOG_TOTAL_MAX     (64 * MIB)
#define LOG_FOLLOWERS_MAX 256u

/* --- the loop --- */
#define TICK_NS           (100 * NS_PER_MS)
#define SCALE_NS          (5 * NS_PER_S)    /* between two looks at the rate of calls */
#define SCALE_CALLS_PER_S UINT64_C(5)       /* what OpenFaaS' alert takes for many */
#define SWEEP_NS          (250 * NS_PER_MS) /* slow and vanished clients */
#define SHUTDOWN_NS       (10 * NS_PER_S)
#define PEER_CHECK_NS     (200 * NS_PER_MS) /* a call this old: is the client still there? */

#endif
