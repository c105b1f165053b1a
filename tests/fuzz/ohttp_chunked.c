/* needs: common/ohttp_chunked.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c libs: sodium */
/*
 * ohttp_chunked.c - fuzzes the opener of chunked OHTTP with messages that began as good ones. The
 * input is a script: which direction, how large the chunks and the pieces are, then bytes to change
 * and where to cut. Whatever comes out is the beginning of what was sealed, and the message is
 * whole exactly when nothing was changed.
 */
#include "ohttp_chunked.h"
#include <sodium.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_SIZE 600u

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct hpke_key_pair pair;
static struct ohttp_key_config config = {.id = 1};
static struct ohttp_exchange client, server;
static uint8_t plain[PLAIN_SIZE], buffer[OHTTP_CHUNK_BUFFER_SIZE];

static const struct hpke_key_pair *find(void *user, uint8_t key_id, uint16_t aead)
{
    (void)user;
    (void)aead;
    return key_id == config.id ? &pair : NULL;
}

static void start(void)
{
    static bool started;
    uint8_t message[OHTTP_REQUEST_OVERHEAD];
    size_t size;
    const char *why;
    if (started)
        return;
    check(sodium_init() >= 0);
    hpke_generate_key_pair(&pair);
    memcpy(config.public_key, pair.public_key, HPKE_PUBLIC_SIZE);
    randombytes_buf(plain, sizeof(plain));
    check(ohttp_encapsulate_request(&client, &config, AEAD_CHACHA20_POLY1305, &ohttp_labels_chunked,
                                    (struct span){NULL, 0}, message, sizeof(message),
                                    &size) == TFAAS_OK);
    check(ohttp_decapsulate_request(&server, (struct span){message, size}, &ohttp_labels_chunked,
                                    find, NULL, message, sizeof(message), &size, &why) == TFAAS_OK);
    started = true;
}

static void seal(struct writer *w, bool is_response, size_t chunk)
{
    struct ohttp_chunks c;
    struct ohttp_exchange x = server;
    if (is_response)
        check(ohttp_chunks_begin_response(&c, &x, w) == TFAAS_OK);
    else
        check(ohttp_chunks_begin_request(&c, &x, &config, AEAD_CHACHA20_POLY1305,
                                         &ohttp_labels_chunked, w) == TFAAS_OK);
    for (size_t at = 0; c.state != OHTTP_CHUNKS_DONE;) {
        size_t part = PLAIN_SIZE - at < chunk ? PLAIN_SIZE - at : chunk;
        check(ohttp_chunks_seal(&c, (struct span){plain + at, part}, at + part == PLAIN_SIZE, w) ==
              TFAAS_OK);
        at += part;
    }
}

/* True when the message was whole. */
static bool open_all(bool is_response, const uint8_t *data, size_t size, size_t piece)
{
    struct ohttp_chunks c;
    struct ohttp_exchange x = client;
    enum ohttp_chunk_event event = OHTTP_CHUNK_MORE;
    tfaas_status_t status = TFAAS_OK;
    size_t opened = 0;
    const char *why = NULL;
    if (is_response)
        ohttp_chunks_await_response(&c, &x, buffer);
    else
        ohttp_chunks_await_request(&c, &x, &ohttp_labels_chunked, find, NULL, buffer);
    for (size_t at = 0; status == TFAAS_OK && event != OHTTP_CHUNK_FINAL;) {
        size_t part = size - at < piece ? size - at : piece;
        struct cursor in = cursor_of(data + at, part);
        at += part;
        do {
            struct span out;
            status = ohttp_chunks_open(&c, &in, at == size, &event, &out, &why);
            check(status == TFAAS_OK || why != NULL);
            check(opened + out.size <= PLAIN_SIZE);
            check(out.size == 0 || memcmp(plain + opened, out.data, out.size) == 0);
            opened += out.size;
        } while (status == TFAAS_OK && event == OHTTP_CHUNK_DATA);
    }
    check(event != OHTTP_CHUNK_FINAL || opened == PLAIN_SIZE);
    return event == OHTTP_CHUNK_FINAL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t message[8192], changed[8192];
    start();
    if (size < 5)
        return 0;
    bool is_response = data[0] & 1;
    struct writer w = writer_of(message, sizeof(message));
    seal(&w, is_response, data[1] + 10u);
    check(!w.failed);
    memcpy(changed, message, w.at);
    size_t changed_size = data[3] < 0xc0 ? w.at : (data[3] * 256u + data[4]) % (w.at + 1);
    for (size_t i = 5; i + 2 < size; i += 3)
        changed[(data[i] * 256u + data[i + 1]) % w.at] ^= data[i + 2];
    bool same = changed_size == w.at && memcmp(changed, message, w.at) == 0;
    check(open_all(is_response, changed, changed_size, data[2] + 1u) == same);
    return 0;
}
