/*
 * mhd_echo.c - peer and floor: libmicrohttpd alone (epoll, one thread) answering with the body it
 * was sent. It must do nothing else: the distance to it is what a function costs on top of HTTP.
 */
#include <microhttpd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 64 * 1024 };

struct call {
    size_t size;
    int too_large;
    char *body;
};

static enum MHD_Result append(struct call *call, const char *data, size_t *size)
{
    if (*size > BODY_MAX - call->size) {
        call->too_large = 1;
    } else {
        char *grown = realloc(call->body, call->size + *size);
        if (!grown)
            return MHD_NO;
        memcpy(grown + call->size, data, *size);
        call->body = grown;
        call->size += *size;
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    (void)context, (void)url, (void)method, (void)version;
    struct call *call = *state;
    if (!call) {
        *state = calloc(1, sizeof *call);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*size > 0)
        return append(call, data, size);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(call->size, call->body, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(
        connection, call->too_large ? MHD_HTTP_CONTENT_TOO_LARGE : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void on_done(void *context, struct MHD_Connection *connection, void **state,
                    enum MHD_RequestTerminationCode code)
{
    (void)context, (void)connection, (void)code;
    struct call *call = *state;
    if (call) {
        free(call->body);
        free(call);
    }
    *state = NULL;
}

int main(int argc, char **argv)
{
    sigset_t signals;
    int got;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (argc != 2) {
        fprintf(stderr, "usage: mhd_echo PORT\n");
        return 64;
    }
    address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "mhd_echo: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    sigwait(&signals, &got);
    MHD_stop_daemon(daemon);
    return 0;
}
