/*
 * sealed_test.h - what the hostile tests of sealed calls share: a core of the domain "shop" with
 * some functions, whole exchanges in one line, and a watch for plaintext in what the core says.
 */
#ifndef TFAAS_TESTS_SEALED_TEST_H
#define TFAAS_TESTS_SEALED_TEST_H

#include "core_test.h"

#include "identity_double.h"
#include "sealed_client.h"

#define SECOND 1000000000ull
#define CANARY "canary-51f0a7e2"
#define FORMS  3u /* TFAAS_SEALING_OHTTP .. TFAAS_SEALING_SESSION */

/* Functions: "echo" (WASI command), "loops", "js" (shows its request), "early",
 * "unread" (both answer before they have read everything). */
enum { ECHO = 1, LOOPS, JS, EARLY, UNREAD };

extern struct core_child sealed_core;
extern struct ohttp_key_config sealed_config;
/* Of the core at hand, for requests of the third form. */
extern struct client_session sealed_session;

/* Once: the engine, keys, the watch. */
void sealed_test_prepare(void);
/* A core with all functions and a session. */
void sealed_test_start(const char *domain);
/* Looks for the canary in the whole window, too. */
void sealed_test_stop(void);
/* Every payload that the core sends is looked at from now on; `bytes` must not be in one. */
void sealed_watch(const void *bytes, size_t size);
extern unsigned sealed_leaks;

struct exchange {
    struct client_call call;
    struct client_answer answer;
    struct client_reply reply;
};
/* Seals in call->form. */
void sealed_prepare(struct exchange *x);
/* Sends and opens. What was made before is sent as it is, else it is sealed first. */
void sealed_exchange(struct exchange *x, uint32_t function);
void sealed_done(struct exchange *x);
/* Exchanges, checks the HTTP status inside and what the content holds; `content` may be NULL. */
void sealed_expect(struct exchange *x, uint32_t function, unsigned http_status,
                   const char *content);
/* Exchanges what was made; nothing but END with `status` may come. */
void sealed_refused(struct exchange *x, uint32_t function, tfaas_status_t status);
const char *sealed_form_name(enum tfaas_sealing form);

#endif
