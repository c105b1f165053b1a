/*
 * abi.h - the one boundary between a core (trusted, measured) and its host (not trusted).
 *
 * THE PROTOCOL
 *
 * Both sides map one shared-memory WINDOW. It holds a header, two rings of fixed 64-byte slots
 * (host to core, "h2c", and core to host, "c2h") and one payload area per direction.
 *
 *   offset 0                      struct tfaas_window
 *   TFAAS_H2C_SLOTS_OFFSET        TFAAS_SLOTS x struct tfaas_slot
 *   TFAAS_C2H_SLOTS_OFFSET        TFAAS_SLOTS x struct tfaas_slot
 *   TFAAS_H2C_DATA_OFFSET         TFAAS_DATA_SIZE bytes
 *   TFAAS_C2H_DATA_OFFSET         TFAAS_DATA_SIZE bytes
 *
 * Sender: writes the payload into its area, fills slot[head % SLOTS], then publishes head + 1
 * (release). Receiver: reads head (acquire), checks head - tail <= SLOTS, copies the slot ONCE into
 * private memory, checks kind, offset and size, copies the payload ONCE, then publishes tail + 1.
 * Indices are 32-bit and free-running; each side keeps its own index privately and only publishes
 * it. Payloads are contiguous and never wrap; they are released in order with their slot, so
 * the published tail is all the flow control there is. A side that breaks a rule is DEAD to the
 * other: the host kills the core, the core stops with a FAULT.
 *
 * Doorbell: a receiver that is about to sleep sets `sleeping` = 1, fences, looks at the ring once
 * more and sleeps on its eventfd; a sender that has published rings only if it exchanges
 * `sleeping` from 1 to 0. A sender that finds no room sets `want_room` = 1; the receiver rings the
 * sender's doorbell after it has released slots and exchanged `want_room` from 1 to 0.
 *
 * Numbers are little-endian. Times are nanoseconds unless said otherwise. Nothing is a pointer.
 *
 * MESSAGES (id is the invocation, unless said otherwise)
 *
 *   host to core
 *   CONFIGURE  arg0 idle limits reserved (0); first message. Answer: READY.
 *   LOAD       id = function. One piece of the load bundle (common/bundle.h); arg0 = total size,
 *              arg1 = offset of this piece, pieces in order. The piece that completes the bundle
 *              starts loading. Answer: one LOADED. Flag WANT_CACHE on that piece: when the core
 *              compiles, CACHE comes first; the core forgets its cache key with it, so this is for
 *              a core that loads one function.
 *   UNLOAD     id = function. In-flight invocations finish first; answer: LOADED with status
 *              CANCELLED, after which the id may be used again.
 *   INVOKE     arg0 = function id, arg1 = deadline from now, arg2 = CLOCK_REALTIME of the host
 *              (untrusted), payload = the first bytes of the request stream, flag LAST if all of
 * it. BODY       more of the request stream (flag LAST: the end), or with flag CREDIT (no payload):
 *              arg0 = total response stream bytes the core may have sent so far.
 *   CANCEL     the caller is gone. The core still answers with END (status CANCELLED).
 *   CLOCK      arg0 = CLOCK_REALTIME (untrusted): what functions see that are loaded from now on.
 *              The host sends it ahead of every LOAD bundle.
 *   CALL       arg0 = enum tfaas_op, id = any number: a request to the core's own keys, payload =
 *              its CBOR (common/statement.h). One at a time: the next follows the ANSWER.
 *              CLOCK goes ahead of every CALL.
 *   STOP       finish nothing, exit 0.
 *
 *   core to host
 *   READY      arg0 = TFAAS_ABI_VERSION, arg1 = feature bits. payload = core version text.
 *   LOADED     id = function, arg0 = tfaas_status_t, arg1 = image bytes, arg2 = load time,
 *              arg3 = work units charged for it, arg4 = enum tfaas_code, payload = error text
 *              (empty when OK).
 *   CACHE      id = function being loaded with WANT_CACHE. One piece of the sealed native code, to
 *              be given back in a later load bundle; arg0 = total size, arg1 = offset, in order.
 *   RESPONSE   the first bytes of the response stream (holds the whole response head).
 *   BODY       more of the response stream (LAST: the end), or CREDIT: arg0 = total request
 *              stream bytes the host may have sent so far.
 *   LOG        one or more whole lines of text; flag ON_LOAD: id is a function. Of an INVOKE with
 *              TFAAS_FUNCTION_ANY: arg0 = function id (0: not told, the line is dropped).
 *   METER      end of an invocation that has nothing more to say.
 *   ANSWER     to CALL, same id: arg0 = tfaas_status_t, payload = CBOR of the answer, or error
 * text. FAULT      the core gives up; payload = reason. The core exits after it.
 *
 *   Exactly one message per invocation carries flag END (RESPONSE, BODY or METER); after it the id
 * is free. With END: arg0 = tfaas_status_t, arg1 = metered work units, arg2 = peak memory bytes,
 *   arg3 = time on the CPU, arg4 = pages restored. A status other than OK before the first RESPONSE
 *   means no response head was sent: the host makes the error answer. After it: the stream is cut.
 *
 * STREAMS. A request stream is a Binary HTTP (RFC 9292) known-length request up to and including
 * the header section (framing indicator 0, method, scheme, authority, path, header section),
 * followed by raw content bytes (no content length prefix, no trailers). A response stream is the
 * same for a response (framing indicator 1, status code, header section). Path holds the query.
 * Without any CREDIT a sender may send TFAAS_STREAM_WINDOW bytes of a stream; CREDIT raises that.
 *
 * SEALED STREAMS. INVOKE with flag SEALED: arg3 = enum tfaas_sealing, and both streams are what the
 * client sent and will get, byte for byte (SPECIFICATION.md section 14): the core opens and seals
 * them. arg0 may then be TFAAS_FUNCTION_ANY: the core takes the function that the opened request
 * names; when it is not loaded, END has status MISDIRECTED and payload = its name (a function of
 * this domain), nothing was consumed, and the host may INVOKE again with the same bytes. A failure
 * before the request was opened (no such key, replay...) has no response stream: END tells the
 * status, and the host makes the error answer. Every later failure is itself a sealed response:
 * END then has status OK. arg5 of END = tfaas_status_t of the call inside, for metrics.
 */
#ifndef TFAAS_ABI_H
#define TFAAS_ABI_H

#include <stdatomic.h>
#include <stdint.h>

#define TFAAS_ABI_MAGIC   0x57534146u /* "FASW" little-endian */
#define TFAAS_ABI_VERSION 2u

#define TFAAS_SLOTS         256u         /* per direction, power of two */
#define TFAAS_DATA_SIZE     (1u << 20)   /* payload bytes per direction */
#define TFAAS_PAYLOAD_MAX   (64u * 1024) /* one message */
#define TFAAS_STREAM_WINDOW (256u * 1024)
#define TFAAS_LOAD_MAX      (64u << 20) /* one load bundle */
#define TFAAS_CACHE_MAX     (64u << 20) /* one function's sealed native code */
#define TFAAS_INFLIGHT_MAX  128u /* invocations running in one core; the next one: END, BUSY */
#define TFAAS_FUNCTIONS_MAX                                                                        \
    4096u /* function ids are below this; the host reuses them after UNLOAD */
#define TFAAS_FUNCTION_ANY UINT32_MAX
#define TFAAS_SEALED_WHOLE_MAX                                                                     \
    (1u << 20) /* one message/ohttp-req or -res; larger ones are sent in chunks */

enum tfaas_kind {
    /* host to core */
    TFAAS_CONFIGURE = 1,
    TFAAS_LOAD,
    TFAAS_UNLOAD,
    TFAAS_INVOKE,
    TFAAS_BODY, /* both directions */
    TFAAS_CANCEL,
    TFAAS_CLOCK,
    TFAAS_STOP,
    TFAAS_CALL,
    /* core to host */
    TFAAS_READY = 32,
    TFAAS_LOADED,
    TFAAS_RESPONSE,
    TFAAS_LOG,
    TFAAS_METER,
    TFAAS_FAULT,
    TFAAS_CACHE,
    TFAAS_ANSWER,
};

enum tfaas_flag {
    TFAAS_LAST = 1u << 0,
    TFAAS_CREDIT = 1u << 1,
    TFAAS_END = 1u << 2,
    TFAAS_ON_LOAD = 1u << 3,
    TFAAS_WANT_CACHE = 1u << 4,
    TFAAS_SEALED = 1u << 5,
};

/* How the streams of a sealed INVOKE are sealed. */
enum tfaas_sealing {
    TFAAS_SEALING_OHTTP = 1, /* message/ohttp-req, RFC 9458 */
    TFAAS_SEALING_CHUNKED,   /* message/ohttp-chunked-req */
    TFAAS_SEALING_SESSION,   /* application/vnd.tfaas.session-req */
    TFAAS_SEALING_COUNT
};

/* What CALL asks. Requests and answers: common/statement.h. */
enum tfaas_op {
    /* of a keeper */
    TFAAS_OP_KEEPER_START = 1, /* first of all: sealing key and saved state, where there are any */
    TFAAS_OP_STATEMENT,        /* the key statement, with a client's nonce or without */
    TFAAS_OP_DOMAIN,           /* a domain's signed statement; makes the domain */
    TFAAS_OP_CERTIFY,          /* a worker's lease request: a lease */
    TFAAS_OP_GRANT,            /* sealed headers: grants for one worker */
    TFAAS_OP_REVOKE,           /* a worker ended */
    TFAAS_OP_SAVE,             /* the domains' sealing keys, sealed to the platform */
    TFAAS_OP_HANDOVER_ASK,     /* a new keeper's request for the domains of another */
    TFAAS_OP_HANDOVER_GIVE,    /* the other's answer to it */
    TFAAS_OP_HANDOVER_TAKE,    /* that answer, to the new one */
    /* of a worker */
    TFAAS_OP_HELLO = 32, /* its local report and lease request (again: to renew, to rotate) */
    TFAAS_OP_LEASE,      /* the lease it got */
    TFAAS_OP_END
};

/* Where a loaded function's native code comes from. */
enum tfaas_code {
    TFAAS_CODE_NONE,     /* nothing was loaded */
    TFAAS_CODE_CORE,     /* part of the core: a runtime */
    TFAAS_CODE_COMPILED, /* compiled for this load */
    TFAAS_CODE_CACHED,   /* opened from the bundle's cache */
    TFAAS_CODE_COUNT
};

struct tfaas_slot {
    uint16_t kind;
    uint16_t flags;
    uint32_t id;
    uint32_t offset; /* of the payload, from the start of the sender's data area */
    uint32_t size;
    uint64_t arg[6];
};
_Static_assert(sizeof(struct tfaas_slot) == 64, "slot is one cache line");

/* What one side writes sits on its own cache lines. */
struct tfaas_ring_shared {
    _Alignas(64) _Atomic uint32_t head;      /* sender */
    _Alignas(64) _Atomic uint32_t tail;      /* receiver */
    _Atomic uint32_t sleeping;               /* receiver sets, sender clears */
    _Alignas(64) _Atomic uint32_t want_room; /* sender sets, receiver clears */
};

struct tfaas_window {
    uint32_t magic;
    uint32_t abi_version;
    uint64_t window_size;
    struct tfaas_ring_shared h2c;
    struct tfaas_ring_shared c2h;
};

#define TFAAS_H2C_SLOTS_OFFSET 4096u
#define TFAAS_C2H_SLOTS_OFFSET (TFAAS_H2C_SLOTS_OFFSET + TFAAS_SLOTS * 64u)
#define TFAAS_H2C_DATA_OFFSET  (TFAAS_C2H_SLOTS_OFFSET + TFAAS_SLOTS * 64u)
#define TFAAS_C2H_DATA_OFFSET  (TFAAS_H2C_DATA_OFFSET + TFAAS_DATA_SIZE)
#define TFAAS_WINDOW_SIZE      (TFAAS_C2H_DATA_OFFSET + TFAAS_DATA_SIZE)
_Static_assert(sizeof(struct tfaas_window) <= TFAAS_H2C_SLOTS_OFFSET, "header fits one page");

#endif
