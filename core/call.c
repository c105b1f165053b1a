/* call.c - see call.h. One request at a time, and one buffer for its answer: the host cannot make
 * the core hold more. */
#include "call.h"

#include "cbor.h"
#include "identity.h"
#include "keeper.h"
#include "message.h"

#include <sodium.h>

static uint8_t bytes[TFAAS_PAYLOAD_MAX];
static struct tfaas_slot answer;
static size_t answer_size;
static bool answer_due;

void call_enter(void)
{
    if (plat_role() == PLAT_KEEPER)
        keeper_enter();
    else
        identity_enter();
}

static tfaas_status_t worker_call(uint64_t op, struct span request, struct writer *w,
                                  const char **why)
{
    switch (op) {
    case TFAAS_OP_HELLO:
        return identity_hello(request, w, why);
    case TFAAS_OP_LEASE:
        cbor_put_map(w, 0);
        return identity_lease_take(request, why);
    default:
        *why = "a worker answers HELLO and LEASE only";
        return TFAAS_BAD_REQUEST;
    }
}

tfaas_status_t call_receive(const struct tfaas_slot *slot, const uint8_t *payload)
{
    if (answer_due)
        return TFAAS_PEER_DEAD;
    const char *why = "";
    struct span request = {payload, slot->size};
    struct writer w = writer_of(bytes, sizeof bytes);
    tfaas_status_t status = plat_role() == PLAT_KEEPER
                                ? keeper_call(slot->arg[0], request, &w, &why)
                                : worker_call(slot->arg[0], request, &w, &why);
    if (status == TFAAS_OK && w.failed) {
        why = "the answer is larger than one message";
        status = TFAAS_TOO_LARGE;
    }
    if (status != TFAAS_OK) {
        sodium_memzero(bytes, sizeof bytes); /* what was written before it failed */
        w = writer_of(bytes, sizeof bytes);
        writer_put(&w, why, strlen(why));
    }
    answer = (struct tfaas_slot){.kind = TFAAS_ANSWER, .id = slot->id, .arg = {status}};
    answer_size = w.at;
    answer_due = true;
    call_retry();
    return TFAAS_OK;
}

void call_retry(void)
{
    if (!answer_due || message_send(NULL, &answer, bytes, answer_size) != TFAAS_OK)
        return;
    answer_due = false;
    message_flush();
}
