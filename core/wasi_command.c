/*
 * wasi_command.c - what makes a WASI command an HTTP handler: the request content as stdin, stdout
 * as the response, stderr as the log, the head as CGI-like variables in the environment.
 * Must never keep a pointer into guest memory over a call that may block.
 */
#include "function.h"
#include "wasi_internal.h"
#include <stdlib.h>

/* run->out: room for a response head, then OUTPUT_CHUNK bytes of content, so that head and first
 * content leave as one message. */
#define HEAD_ROOM        512u
#define CONTENT_TYPE_MAX 256u
#define LOG_PIECE        1024u

bool is_command(const run_t *run)
{
    return run->function->kind == FUNCTION_COMMAND && !run->loading;
}

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* --- begin --- */

tfaas_status_t wasi_command_begin(struct invocation *run)
{
    const size_t capacity_max = BHTTP_HEAD_MAX + 16;
    size_t capacity = 4096;
    const char *why;
    run->out = malloc(HEAD_ROOM + OUTPUT_CHUNK);
    run->head_bytes = malloc(capacity);
    if (!run->out || !run->head_bytes)
        return TFAAS_NO_SPACE;
    for (;;) {
        int64_t got =
            invocation_read(run, run->head_bytes + run->head_end, capacity - run->head_end);
        if (got < 0)
            return run->stop != TFAAS_OK ? run->stop : TFAAS_INTERNAL;
        if (got == 0)
            return TFAAS_BAD_REQUEST; /* the stream ended inside the head */
        run->head_end += (size_t)got;
        tfaas_status_t status = bhttp_read_head(run->head_bytes, run->head_end, &run->head, &why);
        if (status == TFAAS_OK) {
            run->head_at = run->head.size;
            return run->head.is_response ? TFAAS_BAD_REQUEST : TFAAS_OK;
        }
        if (status != TFAAS_NOT_FOUND)
            return status;
        if (run->head_end < capacity)
            continue;
        if (capacity >= capacity_max)
            return TFAAS_TOO_LARGE;
        capacity = capacity * 2 < capacity_max ? capacity * 2 : capacity_max;
        uint8_t *larger = realloc(run->head_bytes, capacity);
        if (!larger)
            return TFAAS_NO_SPACE;
        run->head_bytes = larger;
    }
}

/* --- stdin --- */

uint64_t stream_ready(const run_t *run)
{
    return run->head_end - run->head_at + run->in.size;
}

/* What invocation_read can give without blocking goes straight to the guest. */
static int64_t read_direct(run_t *run, memory_t *memory, uint32_t at, uint32_t capacity)
{
    uint8_t *to = guest_at(memory, at, capacity);
    if (!to)
        return -E_FAULT;
    int64_t got = invocation_read(run, to, capacity);
    memory->refresh(memory);
    return got < 0 ? -E_CANCELED : got;
}

int64_t stream_read(run_t *run, memory_t *memory, uint32_t at, uint32_t capacity)
{
    if (run->loading)
        return 0; /* there is no request yet */
    if (capacity > INT32_MAX)
        capacity = INT32_MAX;
    uint8_t bounce[BOUNCE_SIZE];
    int64_t got;
    size_t left = run->head_end - run->head_at;
    if (left > 0) {
        uint32_t part = left < capacity ? (uint32_t)left : capacity;
        uint8_t *to = guest_at(memory, at, part);
        if (!to)
            return -E_FAULT;
        memcpy(to, run->head_bytes + run->head_at, part);
        run->head_at += part;
        got = part;
    } else if (run->in.size > 0 || run->in.ended) {
        got = read_direct(run, memory, at, capacity);
    } else {
        if (!stream_flush(run, false))
            return -E_CANCELED;
        got = invocation_read(run, bounce, capacity < sizeof(bounce) ? capacity : sizeof(bounce));
        memory->refresh(memory);
        if (got < 0)
            return -E_CANCELED;
        uint8_t *to = guest_at(memory, at, (uint64_t)got);
        if (!to)
            return -E_FAULT;
        memcpy(to, bounce, (size_t)got);
        /* What arrived behind a full bounce is wanted in the same call. */
        if (got == sizeof(bounce) && got < capacity && run->in.size > 0) {
            int64_t more = read_direct(run, memory, at + (uint32_t)got, capacity - (uint32_t)got);
            got = more < 0 ? more : got + more;
        }
    }
    if (got > 0)
        charge_bytes(run, (uint64_t)got);
    return got;
}

/* --- stdout --- */

static const struct span *find_env(const run_t *run, const char *name)
{
    const struct bundle *bundle = &run->function->bundle;
    for (size_t i = 0; i < bundle->env_count; i++)
        if (span_is(bundle->env[i].name, name))
            return &bundle->env[i].value;
    return NULL;
}

static bool find_field(const run_t *run, const char *wanted, struct span *value)
{
    struct span name;
    size_t at = 0;
    while (bhttp_next_field(run->head.fields, &at, &name, value))
        if (span_is(name, wanted))
            return true;
    return false;
}

static bool content_type_ok(struct span value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < 0x20 || value.data[i] == 0x7f)
            return false;
    return value.size > 0 && value.size <= CONTENT_TYPE_MAX;
}

/* As the classic watchdog: the owner's `content_type`, else the request's, else plain text. */
static struct span content_type(const run_t *run)
{
    struct span value;
    const struct span *configured = find_env(run, "content_type");
    if (configured && content_type_ok(*configured))
        return *configured;
    if (find_field(run, "content-type", &value) && content_type_ok(value))
        return value;
    return text("text/plain");
}

/* The head right before the content in run->out; returns its size. */
static size_t put_head(run_t *run, unsigned status, struct span type)
{
    uint8_t head[HEAD_ROOM], fields[HEAD_ROOM];
    struct bhttp_writer w;
    bhttp_begin_response(&w, head, sizeof(head), fields, sizeof(fields), status);
    bhttp_field(&w, text("content-type"), type);
    size_t size = bhttp_end(&w);
    memcpy(run->out + HEAD_ROOM - size, head, size);
    return size;
}

/* Sends head (if none went out yet) and content. False: the run must stop. */
static bool send_out(run_t *run, unsigned status, struct span type, bool last)
{
    size_t head_size = run->response_started ? 0 : put_head(run, status, type);
    size_t size = head_size + run->out_size;
    run->out_size = 0;
    if (invocation_write(run, run->out + HEAD_ROOM - head_size, size, last) < 0)
        return false;
    run->response_ended = last;
    return true;
}

bool stream_flush(run_t *run, bool last)
{
    if (!is_command(run) || !run->out || run->response_ended || (run->out_size == 0 && !last))
        return true;
    return send_out(run, 200, content_type(run), last);
}

/* One guest buffer to stdout. E_SUCCESS, or an errno. */
static int32_t append_out(run_t *run, memory_t *memory, uint32_t at, uint32_t size)
{
    for (uint32_t done = 0; done < size;) {
        size_t room = OUTPUT_CHUNK - run->out_size;
        size_t part = size - done < room ? size - done : room;
        const uint8_t *from = guest_at(memory, (uint64_t)at + done, part);
        if (!from)
            return E_FAULT;
        memcpy(run->out + HEAD_ROOM + run->out_size, from, part);
        run->out_size += part;
        done += (uint32_t)part;
        if (run->out_size < OUTPUT_CHUNK)
            continue;
        bool sent = stream_flush(run, false);
        memory->refresh(memory);
        if (!sent)
            return E_CANCELED;
    }
    return E_SUCCESS;
}

/* One guest buffer to the log; in pieces, because sending a line may block. */
static int32_t append_log(run_t *run, memory_t *memory, uint32_t at, uint32_t size)
{
    uint8_t piece[LOG_PIECE];
    for (uint32_t done = 0; done < size;) {
        size_t part = size - done < sizeof(piece) ? size - done : sizeof(piece);
        const uint8_t *from = guest_at(memory, (uint64_t)at + done, part);
        if (!from)
            return E_FAULT;
        if (run->log_sent >= run->log_limit)
            return E_SUCCESS; /* all of it would be dropped; a host call is not pre-empted */
        memcpy(piece, from, part);
        invocation_log(run, piece, part);
        memory->refresh(memory);
        if (run->stop != TFAAS_OK)
            return E_CANCELED;
        done += (uint32_t)part;
    }
    return E_SUCCESS;
}

int32_t stream_write(run_t *run, memory_t *memory, bool is_stderr, uint32_t iovecs, uint32_t count,
                     uint32_t written_at)
{
    struct iovec_array array;
    int32_t error = iovecs_check(memory, iovecs, count, &array);
    if (error == E_SUCCESS && !guest_at(memory, written_at, 4))
        error = E_FAULT;
    bool to_response = !is_stderr && is_command(run);
    for (uint32_t i = 0; error == E_SUCCESS && i < count; i++) {
        uint32_t at, size;
        if (!iovec_get(memory, &array, i, &at, &size))
            return E_FAULT;
        error = to_response ? append_out(run, memory, at, size) : append_log(run, memory, at, size);
    }
    if (error != E_SUCCESS)
        return error;
    charge_bytes(run, array.total);
    return guest_put(memory, written_at, array.total, 4);
}

/* --- end --- */

void wasi_command_end(struct invocation *run)
{
    if (run->stop != TFAAS_OK || !run->out || run->response_ended)
        return;
    if (run->exit_code == 0) {
        stream_flush(run, true);
    } else if (run->response_started) {
        run->stop = TFAAS_FUNCTION_FAILED; /* the head said 200: cut the stream instead */
    } else {
        static const char failed[] = "function failed\n";
        memcpy(run->out + HEAD_ROOM, failed, sizeof(failed) - 1);
        run->out_size = sizeof(failed) - 1;
        send_out(run, 500, text("text/plain"), true);
    }
}

void wasi_end(struct invocation *run)
{
    free(run->out);
    free(run->head_bytes);
    run->out = run->head_bytes = NULL;
    run->out_size = run->head_at = run->head_end = 0;
    run->head = (struct bhttp_head){.size = 0};
    memset(run->files, 0, sizeof(run->files));
    run->closed = 0;
}

/* --- strings: environment and arguments --- */

struct strings {
    memory_t *memory; /* NULL: only count */
    uint32_t pointers_at, bytes_at;
    uint64_t count, size;
    bool fault;
};

static void put_bytes(struct strings *s, const void *bytes, size_t size)
{
    if (s->memory && !s->fault) {
        uint8_t *to = guest_at(s->memory, s->bytes_at + s->size, size);
        if (!to)
            s->fault = true;
        else if (size)
            memcpy(to, bytes, size);
    }
    s->size += size;
}

static void put_span(struct strings *s, struct span bytes)
{
    put_bytes(s, bytes.data, bytes.size);
}

/* A new string starts: its address goes into the pointer array. */
static void start_string(struct strings *s)
{
    if (s->memory && !s->fault &&
        guest_put(s->memory, s->pointers_at + s->count * 4, s->bytes_at + s->size, 4) != E_SUCCESS)
        s->fault = true;
    s->count++;
}

static void end_string(struct strings *s)
{
    put_bytes(s, "", 1);
}

static void put_variable(struct strings *s, const char *prefix, struct span name, struct span value)
{
    start_string(s);
    put_span(s, text(prefix));
    put_span(s, name);
    put_bytes(s, "=", 1);
    put_span(s, value);
    end_string(s);
}

/* A field name the way the watchdogs spell it: content-type becomes Content_Type. */
static void put_field_name(struct strings *s, struct span name)
{
    bool start = true;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool lower = c >= 'a' && c <= 'z';
        uint8_t shown = c == '-' ? '_' : start && lower ? (uint8_t)(c - 0x20) : c;
        put_bytes(s, &shown, 1);
        start = c == '-';
    }
}

/* Only the first field of a name counts, as in the watchdogs. Not a caller's to forge through a
 * header: what stands for the request line, and, by an underscore, another field's variable. */
static bool field_is_shown(const run_t *run, size_t before, struct span name)
{
    static const char *const reserved[] = {"method", "path", "query", "host"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (span_is(name, reserved[i]))
            return false;
    if (memchr(name.data, '_', name.size))
        return false;
    struct span earlier, value;
    size_t at = 0;
    while (at < before && bhttp_next_field(run->head.fields, &at, &earlier, &value))
        if (earlier.size == name.size && memcmp(earlier.data, name.data, name.size) == 0)
            return false;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    uint8_t letter = c | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Percent-decoded (RFC 3875 4.1.5); what is no escape, or would end the string, stays as it is. */
static void put_path(struct strings *s, struct span path)
{
    for (size_t i = 0; i < path.size; i++) {
        uint8_t c = path.data[i];
        if (c == '%' && path.size - i > 2) {
            int high = hex_digit(path.data[i + 1]), low = hex_digit(path.data[i + 2]);
            if (high >= 0 && low >= 0 && high + low > 0) {
                c = (uint8_t)(high << 4 | low);
                i += 2;
            }
        }
        put_bytes(s, &c, 1);
    }
}

static void request_variables(const run_t *run, struct strings *s)
{
    struct span name, value, path = run->head.path, query = {NULL, 0};
    size_t at = 0;
    for (size_t before = 0; bhttp_next_field(run->head.fields, &at, &name, &value); before = at) {
        if (!field_is_shown(run, before, name))
            continue;
        start_string(s);
        put_span(s, text("Http_"));
        put_field_name(s, name);
        put_bytes(s, "=", 1);
        put_span(s, value);
        end_string(s);
    }
    const uint8_t *mark = memchr(path.data, '?', path.size);
    if (mark) {
        size_t path_size = (size_t)(mark - path.data);
        query = (struct span){mark + 1, path.size - path_size - 1};
        path.size = path_size;
    }
    put_variable(s, "Http_", text("Method"), run->head.method);
    if (query.size)
        put_variable(s, "Http_", text("Query"), query);
    start_string(s);
    put_span(s, text("Http_Path="));
    put_path(s, path);
    end_string(s);
    if (run->head.authority.size)
        put_variable(s, "Http_", text("Host"), run->head.authority);
}

void environment_strings(const run_t *run, struct strings *s)
{
    const struct bundle *bundle = &run->function->bundle;
    for (size_t i = 0; i < bundle->env_count; i++)
        put_variable(s, "", bundle->env[i].name, bundle->env[i].value);
    if (is_command(run) && run->head.size)
        request_variables(run, s);
}

/* The words of `fprocess`, split at spaces as the watchdogs do; else "tfaas", the entry path, and
 * "compartment" in one. */
void argument_strings(const run_t *run, struct strings *s)
{
    const struct span *process = is_command(run) ? find_env(run, "fprocess") : NULL;
    for (size_t i = 0; process && i < process->size;) {
        const uint8_t *word = process->data + i;
        const uint8_t *space = memchr(word, ' ', process->size - i);
        size_t size = space ? (size_t)(space - word) : process->size - i;
        i += size + 1;
        if (size == 0)
            continue;
        start_string(s);
        put_bytes(s, word, size);
        end_string(s);
    }
    if (s->count > 0)
        return;
    start_string(s);
    put_span(s, text("tfaas"));
    end_string(s);
    start_string(s);
    put_span(s, text(run->function->entry));
    end_string(s);
    if (run->function->is_compartment) {
        start_string(s);
        put_span(s, text("compartment"));
        end_string(s);
    }
}

int32_t strings_sizes(run_t *run, memory_t *memory, strings_fn each, uint32_t count_at,
                      uint32_t size_at)
{
    struct strings s = {.memory = NULL};
    each(run, &s);
    charge_bytes(run, s.size);
    int32_t error = guest_put(memory, count_at, s.count, 4);
    return error == E_SUCCESS ? guest_put(memory, size_at, s.size, 4) : error;
}

int32_t strings_write(run_t *run, memory_t *memory, strings_fn each, uint32_t pointers_at,
                      uint32_t bytes_at)
{
    struct strings s = {.memory = memory, .pointers_at = pointers_at, .bytes_at = bytes_at};
    each(run, &s);
    charge_bytes(run, s.size);
    return s.fault ? E_FAULT : E_SUCCESS;
}
