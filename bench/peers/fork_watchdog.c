/*
 * fork_watchdog.c - peer: what OpenFaaS's classic watchdog does, one new process per request with
 * the body on its stdin and its stdout as the answer, Http_* in its environment. Leaner than the
 * original (C, vfork by posix_spawn), so the comparison errs in its favour. It must never reuse a
 * child.
 */
#define _GNU_SOURCE /* pipe2 */
#include <microhttpd.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The body fits a pipe, so that writing it before reading the answer cannot block for ever. */
enum { BODY_MAX = 32 * 1024, ANSWER_MAX = 64 * 1024 };

struct call {
    size_t size;
    int too_large;
    char body[BODY_MAX];
};

static char *program;

static pid_t spawn_child(const char *method, const char *url, int *input, int *output)
{
    int in[2], out[2];
    char method_env[64], path_env[1024];
    char *arguments[] = {program, NULL}, *environment[] = {method_env, path_env, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    if (pipe2(in, O_CLOEXEC) != 0)
        return -1;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]), close(in[1]);
        return -1;
    }
    snprintf(method_env, sizeof method_env, "Http_Method=%s", method);
    snprintf(path_env, sizeof path_env, "Http_Path=%s", url);
    if (posix_spawn_file_actions_init(&actions) == 0) {
        posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        if (posix_spawn(&pid, program, &actions, NULL, arguments, environment) != 0)
            pid = -1;
        posix_spawn_file_actions_destroy(&actions);
    }
    close(in[0]), close(out[1]);
    *input = in[1], *output = out[0];
    if (pid < 0)
        close(in[1]), close(out[0]);
    return pid;
}

/* Runs one child to its end; returns the size of its answer, or -1. */
static ssize_t run_child(const struct call *call, const char *method, const char *url, char *answer)
{
    int input, output, status;
    size_t size = 0;
    pid_t pid = spawn_child(method, url, &input, &output);
    if (pid < 0)
        return -1;
    ssize_t put = call->size ? write(input, call->body, call->size) : 0;
    close(input);
    while (size < ANSWER_MAX) {
        ssize_t got = read(output, answer + size, ANSWER_MAX - size);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    close(output);
    if (waitpid(pid, &status, 0) != pid || status != 0 || put != (ssize_t)call->size)
        return -1;
    return (ssize_t)size;
}

static enum MHD_Result answer_call(struct MHD_Connection *connection, struct call *call,
                                   const char *method, const char *url)
{
    char answer[ANSWER_MAX];
    ssize_t size = call->too_large ? 0 : run_child(call, method, url, answer);
    unsigned code = call->too_large ? MHD_HTTP_CONTENT_TOO_LARGE
                    : size < 0      ? MHD_HTTP_INTERNAL_SERVER_ERROR
                                    : MHD_HTTP_OK;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size < 0 ? 0 : (size_t)size, answer, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    (void)context, (void)version;
    struct call *call = *state;
    if (!call) {
        *state = calloc(1, sizeof *call);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*size == 0)
        return answer_call(connection, call, method, url);
    if (*size > BODY_MAX - call->size) {
        call->too_large = 1;
    } else {
        memcpy(call->body + call->size, data, *size);
        call->size += *size;
    }
    *size = 0;
    return MHD_YES;
}

static void on_done(void *context, struct MHD_Connection *connection, void **state,
                    enum MHD_RequestTerminationCode code)
{
    (void)context, (void)connection, (void)code;
    free(*state);
    *state = NULL;
}

int main(int argc, char **argv)
{
    sigset_t signals;
    int got;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (argc != 3) {
        fprintf(stderr, "usage: fork_watchdog PORT PROGRAM\n");
        return 64;
    }
    program = argv[2];
    address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, NULL,
        NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED,
        on_done, NULL, MHD_OPTION_THREAD_STACK_SIZE, (size_t)(256 * 1024), MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "fork_watchdog: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    sigwait(&signals, &got);
    MHD_stop_daemon(daemon);
    return 0;
}
