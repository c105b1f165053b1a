/*
 * status.h - the one list of outcomes shared by the core, the daemon and the command line.
 * Each row: name, HTTP status the daemon answers with, process exit code, text for people.
 */
#ifndef TFAAS_STATUS_H
#define TFAAS_STATUS_H

#define TFAAS_STATUS_LIST(X)                                                                       \
    X(OK, 200, 0, "ok")                                                                            \
    X(BAD_REQUEST, 400, 64, "malformed request")                                                   \
    X(UNAUTHORIZED, 401, 77, "invalid credentials")                                                \
    X(NOT_FOUND, 404, 66, "not found")                                                             \
    X(CONFLICT, 409, 73, "already exists")                                                         \
    X(TOO_LARGE, 413, 65, "larger than the limit")                                                 \
    X(UNSUPPORTED, 415, 65, "unsupported format")                                                  \
    X(BAD_PACKAGE, 422, 65, "package is malformed")                                                \
    X(BAD_MODULE, 422, 65, "WebAssembly module refused")                                           \
    X(BAD_SCRIPT, 422, 65, "script failed to load")                                                \
    X(BUSY, 429, 75, "queue is full")                                                              \
    X(CANCELLED, 499, 75, "cancelled by the client")                                               \
    X(FUNCTION_FAILED, 500, 70, "function failed")                                                 \
    X(FUNCTION_TRAPPED, 500, 70, "function trapped")                                               \
    X(INTERNAL, 500, 70, "internal error")                                                         \
    X(BAD_RESPONSE, 502, 76, "function sent a malformed response")                                 \
    X(CORE_LOST, 502, 76, "core stopped while serving the call")                                   \
    X(UNAVAILABLE, 503, 69, "not available")                                                       \
    X(DEADLINE, 504, 75, "deadline exceeded")                                                      \
    X(MEMORY_LIMIT, 507, 70, "memory limit reached")                                               \
    X(OUTPUT_LIMIT, 507, 70, "output limit reached")                                               \
    X(HOSTCALL_LIMIT, 507, 70, "host call limit reached")                                          \
    X(NO_SPACE, 507, 74, "no space left")                                                          \
    X(PEER_DEAD, 502, 76, "peer broke the window protocol")                                        \
    X(KEY_UNKNOWN, 400, 76, "no such key configuration")                                           \
    X(NOT_OPENED, 400, 76, "the sealed request does not open")                                     \
    X(REPLAYED, 409, 76, "this sealed request was seen before")                                    \
    X(SESSION_UNKNOWN, 400, 76, "no such session")                                                 \
    X(DATE_REFUSED, 400, 76, "the request's date is missing or too far from the core's clock")     \
    X(PACKAGE_MISMATCH, 412, 76, "the function has another package than the request demands")      \
    X(MISDIRECTED, 421, 76, "the sealed request names another function")                           \
    X(ENCAPSULATION_REQUIRED, 426, 76, "the function takes encapsulated requests only")            \
    X(NO_LEASE, 503, 69, "the core holds no lease")                                                \
    X(NOT_GRANTED, 403, 77, "sealed data is not for this core, or must be provisioned again")

typedef enum {
#define X(name, http, exit_code, text) TFAAS_##name,
    TFAAS_STATUS_LIST(X)
#undef X
        TFAAS_STATUS_COUNT
} tfaas_status_t;

#define TFAAS_MUST_USE __attribute__((warn_unused_result))

/* Values outside the list (they may come from the other side) read as INTERNAL. */
const char *tfaas_status_name(unsigned status);
const char *tfaas_status_text(unsigned status);
int tfaas_status_http(unsigned status);
int tfaas_status_exit(unsigned status);

#endif
