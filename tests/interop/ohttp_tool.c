/*
 * ohttp_tool.c - our side of the interop tests: one command a line on stdin, arguments in hex ("-"
 * for nothing), one answer a line: "ok HEX..." or "error STATUS reason". For tests only.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include "bhttp_stream.h"
#include "ohttp_chunked.h"

#define DATA_MAX (1u << 20)
#define ARGS_MAX 10
#define CONFIGS  4

struct data {
    uint8_t bytes[DATA_MAX];
    size_t size;
};

static struct data args[ARGS_MAX], out, plain;
static char line[2 * ARGS_MAX * 4096 + 4 * DATA_MAX];
static struct hpke_key_pair server_pair;
static uint8_t server_id;
static struct ohttp_exchange client, server;
static const char *why;

static struct span arg(int i)
{
    return (struct span){args[i].bytes, args[i].size};
}

static unsigned number(int i)
{
    unsigned value = 0;
    for (size_t k = 0; k < args[i].size; k++)
        value = value << 8 | args[i].bytes[k];
    return value;
}

static void answer(struct span s)
{
    if (s.size == 0)
        printf(" -");
    else
        putchar(' ');
    for (size_t i = 0; i < s.size; i++)
        printf("%02x", s.data[i]);
}

static struct span result(void)
{
    return (struct span){out.bytes, out.size};
}

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t aead)
{
    (void)user;
    (void)aead;
    return key_id == server_id ? &server_pair : NULL;
}

/* --- HPKE --- */

/* hpke-seal aead receiver info psk psk_id aad plain -> enc sealed exported */
static tfaas_status_t hpke_seal_command(void)
{
    struct hpke_context c;
    struct hpke_psk psk = {arg(3), arg(4)};
    uint8_t enc[HPKE_ENC_SIZE], exported[32];
    if (args[1].size != HPKE_PUBLIC_SIZE)
        return TFAAS_BAD_REQUEST;
    tfaas_status_t status = hpke_setup_sender(&c, (uint16_t)number(0), args[1].bytes, arg(2),
                                              psk.key.size ? &psk : NULL, enc);
    if (status == TFAAS_OK)
        status = hpke_seal(&c, arg(5), arg(6), out.bytes, DATA_MAX, &out.size);
    if (status == TFAAS_OK)
        status = hpke_export(&c, arg(5), exported, sizeof(exported));
    if (status != TFAAS_OK)
        return status;
    printf("ok");
    answer((struct span){enc, sizeof(enc)});
    answer(result());
    answer((struct span){exported, sizeof(exported)});
    return TFAAS_OK;
}

/* hpke-open aead ikm enc info psk psk_id aad sealed -> plain exported */
static tfaas_status_t hpke_open_command(void)
{
    struct hpke_context c;
    struct hpke_key_pair pair;
    struct hpke_psk psk = {arg(4), arg(5)};
    uint8_t exported[32];
    if (args[2].size != HPKE_ENC_SIZE)
        return TFAAS_BAD_REQUEST;
    tfaas_status_t status = hpke_derive_key_pair(&pair, arg(1));
    if (status == TFAAS_OK)
        status = hpke_setup_receiver(&c, (uint16_t)number(0), &pair, args[2].bytes, arg(3),
                                     psk.key.size ? &psk : NULL);
    if (status == TFAAS_OK)
        status = hpke_open(&c, arg(6), arg(7), out.bytes, DATA_MAX, &out.size);
    if (status == TFAAS_OK)
        status = hpke_export(&c, arg(6), exported, sizeof(exported));
    if (status != TFAAS_OK)
        return status;
    printf("ok");
    answer(result());
    answer((struct span){exported, sizeof(exported)});
    return TFAAS_OK;
}

/* --- OHTTP --- */

static tfaas_status_t answer_writer(tfaas_status_t status, const struct writer *w)
{
    if (status != TFAAS_OK)
        return status;
    printf("ok");
    answer((struct span){w->data, w->at});
    return TFAAS_OK;
}

/* key id ikm -> key list, configuration, secret: what the server commands use */
static tfaas_status_t key_command(void)
{
    struct ohttp_key_config config = {.id = server_id = (uint8_t)number(0)};
    for (uint16_t aead = AEAD_AES_256_GCM; aead <= AEAD_CHACHA20_POLY1305; aead++)
        if (aead_available(aead))
            config.aeads[config.aead_count++] = aead;
    tfaas_status_t status = hpke_derive_key_pair(&server_pair, arg(1));
    if (status != TFAAS_OK)
        return status;
    memcpy(config.public_key, server_pair.public_key, HPKE_PUBLIC_SIZE);
    struct writer list = writer_of(out.bytes, DATA_MAX), one = writer_of(plain.bytes, DATA_MAX);
    ohttp_put_key_list_entry(&list, &config);
    ohttp_put_key_config(&one, &config);
    printf("ok");
    answer((struct span){list.data, list.at});
    answer((struct span){one.data, one.at});
    answer((struct span){server_pair.secret, HPKE_SECRET_SIZE});
    return TFAAS_OK;
}

/* The first configuration of a list. */
static tfaas_status_t take_config(int i, struct ohttp_key_config *config)
{
    struct ohttp_key_config configs[CONFIGS];
    size_t count;
    tfaas_status_t status = ohttp_read_key_list(arg(i), configs, CONFIGS, &count, &why);
    if (status == TFAAS_OK)
        *config = configs[0];
    return status;
}

/* encapsulate aead keys request -> message */
static tfaas_status_t encapsulate_command(void)
{
    struct ohttp_key_config config;
    tfaas_status_t status = take_config(1, &config);
    if (status == TFAAS_OK)
        status =
            ohttp_encapsulate_request(&client, &config, (uint16_t)number(0), &ohttp_labels_standard,
                                      arg(2), out.bytes, DATA_MAX, &out.size);
    const struct writer w = {.data = out.bytes, .at = out.size};
    return answer_writer(status, &w);
}

/* decapsulate message -> request */
static tfaas_status_t decapsulate_command(void)
{
    tfaas_status_t status = ohttp_decapsulate_request(&server, arg(0), &ohttp_labels_standard, find,
                                                      NULL, out.bytes, DATA_MAX, &out.size, &why);
    const struct writer w = {.data = out.bytes, .at = out.size};
    return answer_writer(status, &w);
}

/* respond response -> message */
static tfaas_status_t respond_command(void)
{
    tfaas_status_t status =
        ohttp_encapsulate_response(&server, arg(0), out.bytes, DATA_MAX, &out.size);
    const struct writer w = {.data = out.bytes, .at = out.size};
    return answer_writer(status, &w);
}

/* open message -> response */
static tfaas_status_t open_command(void)
{
    tfaas_status_t status =
        ohttp_decapsulate_response(&client, arg(0), out.bytes, DATA_MAX, &out.size, &why);
    const struct writer w = {.data = out.bytes, .at = out.size};
    return answer_writer(status, &w);
}

/* --- chunked OHTTP --- */

static tfaas_status_t seal_chunks(struct ohttp_chunks *c, struct span data, size_t chunk_size,
                                  struct writer *w)
{
    tfaas_status_t status = TFAAS_OK;
    for (size_t at = 0; status == TFAAS_OK && c->state != OHTTP_CHUNKS_DONE;) {
        size_t part = data.size - at < chunk_size ? data.size - at : chunk_size;
        status =
            ohttp_chunks_seal(c, (struct span){data.data + at, part}, at + part == data.size, w);
        at += part;
    }
    return status;
}

static tfaas_status_t open_chunks(struct ohttp_chunks *c, struct span data, size_t piece)
{
    struct writer w = writer_of(out.bytes, DATA_MAX);
    enum ohttp_chunk_event event = OHTTP_CHUNK_MORE;
    tfaas_status_t status = TFAAS_OK;
    for (size_t at = 0; status == TFAAS_OK && event != OHTTP_CHUNK_FINAL;) {
        size_t part = data.size - at < piece ? data.size - at : piece;
        struct cursor in = cursor_of(data.data + at, part);
        at += part;
        do {
            struct span opened;
            status = ohttp_chunks_open(c, &in, at == data.size, &event, &opened, &why);
            if (status == TFAAS_OK)
                writer_put(&w, opened.data, opened.size);
        } while (status == TFAAS_OK && event == OHTTP_CHUNK_DATA);
    }
    return answer_writer(status, &w);
}

/* chunked-encapsulate aead keys chunk_size request -> message */
static tfaas_status_t chunked_encapsulate_command(void)
{
    struct ohttp_key_config config;
    struct ohttp_chunks c;
    struct writer w = writer_of(out.bytes, DATA_MAX);
    tfaas_status_t status = take_config(1, &config);
    if (status == TFAAS_OK)
        status = ohttp_chunks_begin_request(&c, &client, &config, (uint16_t)number(0),
                                            &ohttp_labels_chunked, &w);
    if (status == TFAAS_OK)
        status = seal_chunks(&c, arg(3), number(2), &w);
    return answer_writer(status, &w);
}

/* chunked-decapsulate piece_size message -> request */
static tfaas_status_t chunked_decapsulate_command(void)
{
    struct ohttp_chunks c;
    ohttp_chunks_await_request(&c, &server, &ohttp_labels_chunked, find, NULL, plain.bytes);
    return open_chunks(&c, arg(1), number(0));
}

/* chunked-respond chunk_size response -> message */
static tfaas_status_t chunked_respond_command(void)
{
    struct ohttp_chunks c;
    struct writer w = writer_of(out.bytes, DATA_MAX);
    tfaas_status_t status = ohttp_chunks_begin_response(&c, &server, &w);
    if (status == TFAAS_OK)
        status = seal_chunks(&c, arg(1), number(0), &w);
    return answer_writer(status, &w);
}

/* chunked-open piece_size message -> response */
static tfaas_status_t chunked_open_command(void)
{
    struct ohttp_chunks c;
    ohttp_chunks_await_response(&c, &client, plain.bytes);
    return open_chunks(&c, arg(1), number(0));
}

/* --- Binary HTTP --- */

static void put_fields(struct writer *w, bool known, struct span fields)
{
    struct span name, value;
    if (known) {
        bhttp_put_part(w, fields);
        return;
    }
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);)
        bhttp_put_field(w, name, value);
    bhttp_put_end(w);
}

static void put_event(struct writer *w, bool known, const struct bhttp_event *e,
                      struct writer *content)
{
    if (e->kind == BHTTP_CONTENT) {
        if (known)
            writer_put(content, e->content.data, e->content.size);
        else
            bhttp_put_chunk(w, e->content);
        return;
    }
    if (w->at == 0)
        bhttp_put_framing(w, (known ? BHTTP_KNOWN_REQUEST : BHTTP_STREAM_REQUEST) +
                                 (e->head.is_response ? 1 : 0));
    if (e->kind == BHTTP_END) {
        if (known)
            bhttp_put_part(w, (struct span){content->data, content->at});
        else
            bhttp_put_end(w);
    } else if (e->head.is_response) {
        bhttp_put_status(w, e->head.status);
    } else {
        bhttp_put_request(w, e->head.method, e->head.scheme, e->head.authority, e->head.path);
    }
    put_fields(w, known, e->head.fields);
}

/* bhttp known(1|0) piece_size message -> the same message, read and written anew in that framing */
static tfaas_status_t bhttp_command(void)
{
    static uint8_t head[BHTTP_HEAD_MAX];
    struct bhttp_reader r;
    struct bhttp_event event = {.kind = BHTTP_MORE};
    struct writer w = writer_of(out.bytes, DATA_MAX), content = writer_of(plain.bytes, DATA_MAX);
    tfaas_status_t status = TFAAS_OK;
    bhttp_reader_begin(&r, head, sizeof(head));
    for (size_t at = 0, piece = number(1); status == TFAAS_OK && event.kind != BHTTP_END;) {
        size_t part = args[2].size - at < piece ? args[2].size - at : piece;
        struct cursor in = cursor_of(args[2].bytes + at, part);
        at += part;
        do {
            status = bhttp_reader_next(&r, &in, at == args[2].size, &event, &why);
            if (status == TFAAS_OK && event.kind != BHTTP_MORE)
                put_event(&w, number(0) == 1, &event, &content);
        } while (status == TFAAS_OK && event.kind != BHTTP_MORE && event.kind != BHTTP_END);
    }
    return answer_writer(status, &w);
}

/* --- commands --- */

static const struct {
    const char *name;
    int args;
    tfaas_status_t (*run)(void);
} commands[] = {
    {"hpke-seal", 7, hpke_seal_command},
    {"hpke-open", 8, hpke_open_command},
    {"key", 2, key_command},
    {"encapsulate", 3, encapsulate_command},
    {"decapsulate", 1, decapsulate_command},
    {"respond", 1, respond_command},
    {"open", 1, open_command},
    {"chunked-encapsulate", 4, chunked_encapsulate_command},
    {"chunked-decapsulate", 2, chunked_decapsulate_command},
    {"chunked-respond", 2, chunked_respond_command},
    {"chunked-open", 2, chunked_open_command},
    {"bhttp", 3, bhttp_command},
};

static int take_args(void)
{
    int count = 0;
    for (char *word; count < ARGS_MAX && (word = strtok(NULL, " \n")) != NULL; count++) {
        args[count].size = 0;
        if (strcmp(word, "-") != 0 && sodium_hex2bin(args[count].bytes, DATA_MAX, word,
                                                     strlen(word), NULL, &args[count].size, NULL))
            return -1;
    }
    return count;
}

static tfaas_status_t run(const char *name)
{
    int count = take_args();
    why = "";
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0 && commands[i].args == count)
            return commands[i].run();
    why = "no such command";
    return TFAAS_BAD_REQUEST;
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        const char *name = strtok(line, " \n");
        tfaas_status_t status = name ? run(name) : TFAAS_BAD_REQUEST;
        if (status != TFAAS_OK)
            printf("error %s %s", tfaas_status_name(status), why);
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}
