/* message.c - see message.h. Every field that comes from the host is checked here or where it is
 * used; a broken rule ends the core with a FAULT. */
#include "message.h"

#include "call.h"
#include "invoke.h"
#include "loaded.h"
#include "plat/plat.h"
#include "ring.h"
#include "tfaas/version.h"

#include <sodium.h>
#include <string.h>

static struct ring_tx tx;
static struct ring_rx rx;
static uint8_t payload[TFAAS_PAYLOAD_MAX];

void message_setup(void *window)
{
    ring_tx_init(&tx, window, false);
    ring_rx_init(&rx, window, false);
}

tfaas_status_t message_send(struct task *task, const struct tfaas_slot *slot, const void *bytes,
                            size_t size)
{
    for (;;) {
        tfaas_status_t status = ring_send(&tx, slot, bytes, size);
        if (status == TFAAS_PEER_DEAD)
            message_fault("the host published an impossible ring index");
        if (status != TFAAS_BUSY || !task)
            return status;
        message_flush();
        if (!sched_block(task, TASK_WAIT_ROOM))
            return TFAAS_CANCELLED;
    }
}

tfaas_status_t message_end(struct task *task)
{
    struct invocation *run = &task->run;
    if (run->loading)
        return invoke_end_load(task);
    struct tfaas_slot slot = {
        .kind = TFAAS_METER,
        .flags = TFAAS_END,
        .id = run->id,
        .arg = {task->status, run->work, task->slot ? task->slot->peak : run->peak, task->cpu_ns,
                task->restored_pages, task->outcome},
    };
    const void *payload_at = task->held;
    size_t size = task->held_size;
    if (task->held) {
        slot.kind = run->response_sent > 0 ? TFAAS_BODY : TFAAS_RESPONSE;
        slot.flags = TFAAS_END | TFAAS_LAST;
    }
    if (task->status == TFAAS_MISDIRECTED) { /* of a sealed call: the name it is for */
        payload_at = task->text;
        size = task->text_size;
    }
    tfaas_status_t status = message_send(NULL, &slot, payload_at, size);
    if (status == TFAAS_BUSY)
        return status;
    invoke_finish(task);
    return status;
}

void message_flush(void)
{
    if (ring_flush(&tx))
        plat_doorbell_ring();
}

void message_fault(const char *reason)
{
    struct tfaas_slot slot = {.kind = TFAAS_FAULT};
    size_t size = strnlen(reason, 1024);
    if (!tx.dead && ring_send(&tx, &slot, reason, size) == TFAAS_OK)
        (void)ring_flush(&tx);
    plat_doorbell_ring();
    plat_exit(70);
}

static void on_configure(void)
{
    struct tfaas_slot ready = {.kind = TFAAS_READY, .arg = {TFAAS_ABI_VERSION, 0}};
    if (message_send(NULL, &ready, TFAAS_VERSION, strlen(TFAAS_VERSION)) != TFAAS_OK)
        message_fault("no room for READY");
    message_flush();
}

/* A keeper runs nothing: no function may ever be in one process with its keys. */
static bool is_of_functions(unsigned kind)
{
    return kind == TFAAS_LOAD || kind == TFAAS_UNLOAD || kind == TFAAS_INVOKE ||
           kind == TFAAS_BODY || kind == TFAAS_CANCEL;
}

static void on_message(const struct tfaas_slot *slot)
{
    tfaas_status_t status = TFAAS_OK;
    if (plat_role() == PLAT_KEEPER && is_of_functions(slot->kind))
        message_fault("the host broke a rule of the window protocol: a keeper runs no function");
    switch (slot->kind) {
    case TFAAS_CONFIGURE:
        on_configure();
        break;
    case TFAAS_LOAD:
        status = loaded_receive(slot, payload);
        break;
    case TFAAS_UNLOAD:
        status = loaded_unload(slot->id);
        break;
    case TFAAS_INVOKE:
        status = invoke_start(slot, payload);
        break;
    case TFAAS_BODY:
        status = invoke_body(slot, payload);
        break;
    case TFAAS_CANCEL:
        invoke_cancel(slot->id);
        break;
    case TFAAS_CLOCK:
        invoke_clock(slot->arg[0]);
        break;
    case TFAAS_CALL:
        status = call_receive(slot, payload);
        sodium_memzero(payload, slot->size); /* a keeper's seal key came in one */
        break;
    case TFAAS_STOP:
        plat_exit(0);
    default:
        message_fault("the host sent a message of an unknown kind");
    }
    if (status != TFAAS_OK)
        message_fault("the host broke a rule of the window protocol");
}

unsigned message_handle(unsigned most)
{
    unsigned handled = 0;
    while (handled < most) {
        struct tfaas_slot slot;
        tfaas_status_t status = ring_receive(&rx, &slot, payload);
        if (status == TFAAS_NOT_FOUND)
            break;
        if (status != TFAAS_OK)
            message_fault("the host published a malformed slot or ring index");
        on_message(&slot);
        handled++;
    }
    if (handled && ring_release(&rx))
        plat_doorbell_ring();
    return handled;
}

bool message_sleep(void)
{
    return ring_sleep(&rx);
}

bool message_waits(void)
{
    return ring_waits(&rx);
}

void message_awake(void)
{
    ring_awake(&rx);
}
