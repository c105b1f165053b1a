/*
 * wasi.c - the import table, and the calls that are not about files: clocks, random, poll,
 * arguments, exit, and module "tfaas". Must never touch guest memory that was not checked in this
 * very call.
 */
#include "function.h"
#include "inner.h"
#include "primitives.h"
#include "wasi_internal.h"
#include <stdlib.h>

#define CLOCK_COUNT         4u /* realtime, monotonic, process and thread CPU time */
#define CLOCK_RESOLUTION_NS 1000000u
#define RANDOM_PIECE        (256u * 1024)

/* The gate of every call: false when the run has to stop. */
static bool enter(run_t *run)
{
    if (run->stop != TFAAS_OK || run->exited)
        return false;
    if (inner_over_work(run))
        return false;
    if (run->hostcalls >= run->hostcall_limit) {
        run->stop = TFAAS_HOSTCALL_LIMIT;
        return false;
    }
    run->hostcalls++;
    run->work += HOSTCALL_WORK;
    return true;
}

/* --- arguments and environment --- */

static int32_t args_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    return strings_write(run, memory, argument_strings, arg32(args, 0), arg32(args, 1));
}

static int32_t args_sizes_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    return strings_sizes(run, memory, argument_strings, arg32(args, 0), arg32(args, 1));
}

static int32_t environ_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    return strings_write(run, memory, environment_strings, arg32(args, 0), arg32(args, 1));
}

static int32_t environ_sizes_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    return strings_sizes(run, memory, environment_strings, arg32(args, 0), arg32(args, 1));
}

/* --- clocks: host time of the last blocking point, for every clock (no timer for Spectre) --- */

/* A finer clock, over sleeps that another function makes longer, would be a timer between them. */
static uint64_t clock_shown(const run_t *run)
{
    return run->realtime_ns - run->realtime_ns % CLOCK_RESOLUTION_NS;
}

static int32_t clock_res_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)run;
    if (arg32(args, 0) >= CLOCK_COUNT)
        return E_INVAL;
    return guest_put(memory, arg32(args, 1), CLOCK_RESOLUTION_NS, 8);
}

static int32_t clock_time_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    if (arg32(args, 0) >= CLOCK_COUNT)
        return E_INVAL;
    return guest_put(memory, arg32(args, 2), clock_shown(run), 8);
}

/* --- random, exit, yield --- */

static int32_t random_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t at = arg32(args, 0), size = arg32(args, 1);
    if (!guest_at(memory, at, size))
        return E_FAULT;
    charge_bytes(run, size);
    for (uint32_t done = 0; done < size;) {
        uint32_t part = size - done < RANDOM_PIECE ? size - done : RANDOM_PIECE;
        uint8_t *to = guest_at(memory, (uint64_t)at + done, part);
        if (!to)
            return E_FAULT;
        invocation_random(run, to, part);
        done += part;
        /* A host call is not pre-empted: others get their turn between the pieces. */
        if (done < size && invocation_sleep(run, 0) < 0)
            return E_CANCELED;
        memory->refresh(memory);
    }
    return E_SUCCESS;
}

static int32_t proc_exit(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)memory;
    run->exited = true;
    run->exit_code = arg32(args, 0);
    return E_SUCCESS;
}

static int32_t block(run_t *run, memory_t *memory, int64_t ns)
{
    if (!stream_flush(run, false))
        return E_CANCELED;
    int stopped = invocation_sleep(run, ns);
    memory->refresh(memory);
    return stopped < 0 ? E_CANCELED : E_SUCCESS;
}

static int32_t sched_yield(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)args;
    return block(run, memory, 0);
}

/* --- poll_oneoff --- */

/* subscription: u64 userdata; u8 tag at 8; clock { u32 id at 16, u64 timeout at 24,
 * u64 precision at 32, u16 flags at 40 }; fd_readwrite { u32 fd at 16 }.
 * event: u64 userdata; u16 error at 8; u8 type at 10; u64 nbytes at 16, u16 flags at 24. */
#define SUBSCRIPTION_SIZE 48u
#define EVENT_SIZE        32u
#define CLOCK_ABSTIME     1u

enum event_type { EVENT_CLOCK, EVENT_FD_READ, EVENT_FD_WRITE };

struct subscription {
    uint64_t userdata, wait_ns, ready_bytes;
    uint8_t type;
    int32_t error;
};

/* What the subscription waits for: wait_ns is 0 when it is ready at once. */
static struct subscription read_subscription(const run_t *run, const uint8_t *from, uint64_t now)
{
    struct subscription sub = {.userdata = get_le(from, 8), .type = from[8]};
    uint32_t fd = (uint32_t)get_le(from + 16, 4);
    if (sub.type == EVENT_CLOCK) {
        uint64_t timeout = get_le(from + 24, 8), flags = get_le(from + 40, 2);
        if (fd >= CLOCK_COUNT || (flags & ~(uint64_t)CLOCK_ABSTIME))
            sub.error = E_INVAL;
        else if (flags & CLOCK_ABSTIME)
            sub.wait_ns = timeout > now ? timeout - now : 0;
        else
            sub.wait_ns = timeout;
    } else if (sub.type == EVENT_FD_READ || sub.type == EVENT_FD_WRITE) {
        sub.error = fd_check_stream(run, fd, sub.type == EVENT_FD_WRITE);
        if (sub.error == E_SUCCESS)
            sub.ready_bytes = sub.type == EVENT_FD_WRITE ? OUTPUT_CHUNK
                              : fd == FD_STDIN           ? stream_ready(run)
                                                         : fd_file_left(run, fd);
    } else {
        sub.error = E_INVAL;
    }
    return sub;
}

static void write_event(uint8_t *to, const struct subscription *sub)
{
    memset(to, 0, EVENT_SIZE);
    put_le(to, sub->userdata, 8);
    put_le(to + 8, (uint64_t)sub->error, 2);
    to[10] = sub->type;
    if (sub->type != EVENT_CLOCK)
        put_le(to + 16, sub->ready_bytes, 8);
}

static int32_t poll_oneoff(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t in = arg32(args, 0), out = arg32(args, 1), count = arg32(args, 2);
    if (count == 0 || count > SUBSCRIPTIONS_MAX)
        return E_INVAL;
    const uint8_t *subs = guest_at(memory, in, (uint64_t)count * SUBSCRIPTION_SIZE);
    if (!subs || !guest_at(memory, out, (uint64_t)count * EVENT_SIZE) ||
        !guest_at(memory, arg32(args, 3), 4))
        return E_FAULT;
    run->work += count;

    /* By the clock that the guest sees: one that waits until its clock says so gets there. */
    uint64_t now = clock_shown(run), wait_ns = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct subscription sub = read_subscription(run, subs + i * SUBSCRIPTION_SIZE, now);
        if (sub.wait_ns < wait_ns)
            wait_ns = sub.wait_ns;
    }
    if (wait_ns > 0) {
        int32_t error = block(run, memory, wait_ns > INT64_MAX ? INT64_MAX : (int64_t)wait_ns);
        if (error != E_SUCCESS)
            return error;
    }
    subs = guest_at(memory, in, (uint64_t)count * SUBSCRIPTION_SIZE);
    uint8_t *events = guest_at(memory, out, (uint64_t)count * EVENT_SIZE);
    if (!subs || !events)
        return E_FAULT;
    /* An event never lies behind the subscription it answers, so `in` == `out` works too. */
    uint32_t ready = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct subscription sub = read_subscription(run, subs + i * SUBSCRIPTION_SIZE, now);
        if (sub.wait_ns <= wait_ns)
            write_event(events + EVENT_SIZE * ready++, &sub);
    }
    return guest_put(memory, arg32(args, 3), ready, 4);
}

/* --- what is not served --- */

static int32_t answer_nosys(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)run, (void)memory, (void)args;
    return E_NOSYS;
}

static int32_t answer_notcapable(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)run, (void)memory, (void)args;
    return E_NOTCAPABLE;
}

static int32_t answer_rofs(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)run, (void)memory, (void)args;
    return E_ROFS;
}

/* --- module "tfaas": results are bytes, or -errno --- */

static int32_t request_read(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t at = arg32(args, 0), capacity = arg32(args, 1);
    if (is_command(run))
        return -E_NOTSUP;
    if (capacity == 0 || capacity > INT32_MAX)
        return -E_INVAL;
    if (!guest_at(memory, at, capacity))
        return -E_FAULT;
    return (int32_t)stream_read(run, memory, at, capacity);
}

/* The first piece must hold the head: the host relies on it, and so does whoever reads the answer.
 */
static bool response_head_ok(run_t *run, const uint8_t *from, size_t size)
{
    struct bhttp_head head;
    const char *why = "head: not a response";
    if (bhttp_read_head(from, size, &head, &why) == TFAAS_OK && head.is_response)
        return true;
    static const char prefix[] = "response refused: ";
    invocation_log(run, (const uint8_t *)prefix, sizeof(prefix) - 1);
    invocation_log(run, (const uint8_t *)why, strlen(why));
    invocation_log(run, (const uint8_t *)"\n", 1);
    run->stop = TFAAS_BAD_RESPONSE;
    return false;
}

/* Through a copy: while a piece waits for credit the guest's memory may move. */
static int32_t send_response(run_t *run, memory_t *memory, uint32_t at, uint32_t size, bool last)
{
    uint8_t small[4096];
    size_t piece_max = size <= sizeof(small) ? sizeof(small) : TFAAS_PAYLOAD_MAX;
    uint8_t *piece = size <= sizeof(small) ? small : malloc(piece_max);
    if (!piece) {
        run->stop = TFAAS_NO_SPACE;
        return -E_CANCELED;
    }
    int32_t result = (int32_t)size;
    uint32_t done = 0;
    do {
        size_t part = size - done < piece_max ? size - done : piece_max;
        const uint8_t *from = guest_at(memory, (uint64_t)at + done, part);
        if (!from) {
            result = -E_FAULT;
            break;
        }
        memcpy(piece, from, part);
        if (!run->response_started && !run->caller && !response_head_ok(run, piece, part)) {
            result = -E_CANCELED;
            break;
        }
        done += (uint32_t)part;
        int stopped = invocation_write(run, piece, part, last && done == size);
        memory->refresh(memory);
        if (stopped < 0) {
            result = -E_CANCELED;
            break;
        }
    } while (done < size);
    if (piece != small)
        free(piece);
    return result;
}

static int32_t response_write(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t at = arg32(args, 0), size = arg32(args, 1), last = arg32(args, 2);
    if (is_command(run) || run->loading)
        return -E_NOTSUP;
    if (run->response_ended)
        return -E_PIPE;
    if (size > INT32_MAX || last > 1)
        return -E_INVAL;
    if (!guest_at(memory, at, size))
        return -E_FAULT;
    if (size == 0 && !last)
        return 0;
    charge_bytes(run, size);
    int32_t result = send_response(run, memory, at, size, last);
    if (result >= 0 && last)
        run->response_ended = true;
    return result;
}

static int32_t tfaas_sleep(run_t *run, memory_t *memory, const uint64_t *args)
{
    return -block(run, memory, (int64_t)args[0]);
}

/* --- compartments (inner.h): results are handles or bytes, or -enum compartment_error --- */

static int32_t compartment_open(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t at = arg32(args, 0), size = arg32(args, 1);
    uint8_t text[COMPARTMENT_TEXT_MAX]; /* opening waits */
    const uint8_t *from = guest_at(memory, at, size);
    if (!from || size > sizeof(text))
        return -COMPARTMENT_REFUSED;
    memcpy(text, from, size);
    int32_t result = inner_open(run, text, size);
    memory->refresh(memory);
    return result;
}

static int32_t compartment_call(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t size = arg32(args, 2);
    const uint8_t *from = guest_at(memory, arg32(args, 1), size);
    if (!from)
        return -COMPARTMENT_TOO_LARGE;
    charge_bytes(run, size);
    int32_t result = inner_call(run, arg32(args, 0), from, size); /* copies before it waits */
    memory->refresh(memory);
    return result;
}

static int32_t compartment_read(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t capacity = arg32(args, 1);
    uint8_t *to = guest_at(memory, arg32(args, 0), capacity);
    if (!to)
        return -COMPARTMENT_TOO_LARGE;
    size_t size = inner_read(run, to, capacity);
    charge_bytes(run, size);
    return (int32_t)size;
}

static int32_t compartment_close(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)memory;
    return inner_close(run, arg32(args, 0));
}

/* --- the table --- */

/* X(module, import name, function, has_result, argument types...) */
#define I WASI_I32
#define L WASI_I64
#define W "wasi_snapshot_preview1"
#define IMPORTS(X)                                                                                 \
    X(W, args_get, args_get, true, I, I)                                                           \
    X(W, args_sizes_get, args_sizes_get, true, I, I)                                               \
    X(W, environ_get, environ_get, true, I, I)                                                     \
    X(W, environ_sizes_get, environ_sizes_get, true, I, I)                                         \
    X(W, clock_res_get, clock_res_get, true, I, I)                                                 \
    X(W, clock_time_get, clock_time_get, true, I, L, I)                                            \
    X(W, fd_advise, fd_advise, true, I, L, L, I)                                                   \
    X(W, fd_allocate, answer_notcapable, true, I, L, L)                                            \
    X(W, fd_close, fd_close, true, I)                                                              \
    X(W, fd_datasync, answer_nosys, true, I)                                                       \
    X(W, fd_fdstat_get, fd_fdstat_get, true, I, I)                                                 \
    X(W, fd_fdstat_set_flags, answer_nosys, true, I, I)                                            \
    X(W, fd_fdstat_set_rights, answer_nosys, true, I, L, L)                                        \
    X(W, fd_filestat_get, fd_filestat_get, true, I, I)                                             \
    X(W, fd_filestat_set_size, answer_notcapable, true, I, L)                                      \
    X(W, fd_filestat_set_times, answer_notcapable, true, I, L, L, I)                               \
    X(W, fd_pread, fd_pread, true, I, I, I, L, I)                                                  \
    X(W, fd_prestat_get, fd_prestat_get, true, I, I)                                               \
    X(W, fd_prestat_dir_name, fd_prestat_dir_name, true, I, I, I)                                  \
    X(W, fd_pwrite, answer_notcapable, true, I, I, I, L, I)                                        \
    X(W, fd_read, fd_read, true, I, I, I, I)                                                       \
    X(W, fd_readdir, fd_readdir, true, I, I, I, L, I)                                              \
    X(W, fd_renumber, answer_nosys, true, I, I)                                                    \
    X(W, fd_seek, fd_seek, true, I, L, I, I)                                                       \
    X(W, fd_sync, answer_nosys, true, I)                                                           \
    X(W, fd_tell, fd_tell, true, I, I)                                                             \
    X(W, fd_write, fd_write, true, I, I, I, I)                                                     \
    X(W, path_create_directory, answer_rofs, true, I, I, I)                                        \
    X(W, path_filestat_get, path_filestat_get, true, I, I, I, I, I)                                \
    X(W, path_filestat_set_times, answer_rofs, true, I, I, I, I, L, L, I)                          \
    X(W, path_link, answer_rofs, true, I, I, I, I, I, I, I)                                        \
    X(W, path_open, path_open, true, I, I, I, I, I, L, L, I, I)                                    \
    X(W, path_readlink, path_readlink, true, I, I, I, I, I, I)                                     \
    X(W, path_remove_directory, answer_rofs, true, I, I, I)                                        \
    X(W, path_rename, answer_rofs, true, I, I, I, I, I, I)                                         \
    X(W, path_symlink, answer_rofs, true, I, I, I, I, I)                                           \
    X(W, path_unlink_file, answer_rofs, true, I, I, I)                                             \
    X(W, poll_oneoff, poll_oneoff, true, I, I, I, I)                                               \
    X(W, proc_exit, proc_exit, false, I)                                                           \
    X(W, proc_raise, answer_nosys, true, I)                                                        \
    X(W, sched_yield, sched_yield, true)                                                           \
    X(W, random_get, random_get, true, I, I)                                                       \
    X(W, sock_accept, answer_nosys, true, I, I, I)                                                 \
    X(W, sock_recv, answer_nosys, true, I, I, I, I, I, I)                                          \
    X(W, sock_send, answer_nosys, true, I, I, I, I, I)                                             \
    X(W, sock_shutdown, answer_nosys, true, I, I)                                                  \
    X("tfaas", request_read, request_read, true, I, I)                                             \
    X("tfaas", response_write, response_write, true, I, I, I)                                      \
    X("tfaas", sleep, tfaas_sleep, true, L)                                                        \
    X("tfaas", hash_blocks, primitive_hash_blocks, true, I, I, I, I)                               \
    X("tfaas", hmac_rounds, primitive_hmac_rounds, true, I, I, I, I)                               \
    X("tfaas", aes_ctr, primitive_aes_ctr, true, I, I, I, I, I)                                    \
    X("tfaas", aes_cbc, primitive_aes_cbc, true, I, I, I, I, I, I)                                 \
    X("tfaas", ghash, primitive_ghash, true, I, I, I, I)                                           \
    X("tfaas", curve, primitive_curve, true, I, I, I, I, I, I)                                     \
    X("tfaas", compartment_open, compartment_open, true, I, I)                                     \
    X("tfaas", compartment_call, compartment_call, true, I, I, I)                                  \
    X("tfaas", compartment_read, compartment_read, true, I, I)                                     \
    X("tfaas", compartment_close, compartment_close, true, I)

/* A refused call answers CANCELED; the binder traps before the guest sees it. */
#define X(module, name, function, has_result, ...)                                                 \
    static int32_t call_##name(run_t *run, memory_t *memory, const uint64_t *args)                 \
    {                                                                                              \
        return enter(run) ? function(run, memory, args) : E_CANCELED;                              \
    }
IMPORTS(X)
#undef X

#define PICK_COUNT(zero, a, b, c, d, e, f, g, h, i, count, ...) count
/* clang-format off */
#define ARG_COUNT(...) PICK_COUNT(0, ##__VA_ARGS__, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
/* clang-format on */

#define X(module, name, function, has_result, ...)                                                 \
    {module, #name, ARG_COUNT(__VA_ARGS__), {__VA_ARGS__}, has_result, call_##name},
const struct wasi_import wasi_imports[] = {IMPORTS(X)};
#undef X
const size_t wasi_import_count = sizeof(wasi_imports) / sizeof(wasi_imports[0]);
