/* clang-format off */
/* needs: core/sealed_call.c core/sealed_open.c core/sealed_request.c core/sealed_response.c core/sessions.c core/replay.c core/core_clock.c common/session.c common/receipt.c common/http_date.c common/ohttp_chunked.c common/ohttp.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/bhttp.c common/bhttp_stream.c common/cbor.c common/status.c libs: sodium */
/* clang-format on */
/*
 * sealed_call.c - fuzzes sealed calls: the input is what a client sealed (or raw bytes that nobody
 * did), in chunks and pieces of any size; the response bytes of a function are the input's, too.
 * Whatever opens ends in END, and nothing but a sealed stream goes out.
 */
#include "fake_sealed.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t sealed[1 << 18], secret[32];

static size_t seal(enum tfaas_sealing form, struct span plain, size_t chunk)
{
    static uint64_t sequence;
    static struct ohttp_exchange x;
    struct ohttp_key_config config = fake_config();
    struct writer w = writer_of(sealed, sizeof(sealed));
    struct ohttp_chunks c;
    uint8_t key[32];
    if (form == TFAAS_SEALING_OHTTP) {
        if (ohttp_encapsulate_request(&x, &config, AEAD_CHACHA20_POLY1305, &ohttp_labels_standard,
                                      plain, sealed, sizeof(sealed), &w.at) != TFAAS_OK)
            abort();
        return w.at;
    }
    if (form == TFAAS_SEALING_CHUNKED) {
        if (ohttp_chunks_begin_request(&c, &x, &config, AEAD_CHACHA20_POLY1305,
                                       &ohttp_labels_chunked, &w) != TFAAS_OK)
            abort();
    } else {
        struct core_session *s = sessions_new(&fake.key, AEAD_CHACHA20_POLY1305);
        memcpy(s->secret, secret, 32);
        uint8_t head[SESSION_REQUEST_HEAD] = {0};
        memcpy(head, s->id, SESSION_ID_SIZE);
        head[SESSION_ID_SIZE + 7] = (uint8_t)++sequence | 1;
        session_request_key(secret, head, key);
        session_begin(&c, AEAD_CHACHA20_POLY1305, key);
        writer_put(&w, head, sizeof(head));
    }
    for (; plain.size > chunk; plain.data += chunk, plain.size -= chunk)
        if (ohttp_chunks_seal(&c, (struct span){plain.data, chunk}, false, &w) != TFAAS_OK)
            abort();
    if (ohttp_chunks_seal(&c, plain, true, &w) != TFAAS_OK)
        abort();
    return w.at;
}

/* A function that reads everything and answers with bytes of the input. */
static tfaas_status_t answer(struct task *task, const uint8_t *data, size_t size)
{
    struct inbox *in = &task->run.in;
    struct bhttp_head head;
    const char *why = "";
    if (bhttp_read_head(in->data + in->start, in->size, &head, &why) != TFAAS_OK ||
        head.is_response)
        abort(); /* what the function sees is always well-formed */
    struct span name, value;
    for (size_t at = 0; bhttp_next_field(head.fields, &at, &name, &value);)
        if (name.size >= 6 && memcmp(name.data, "tfaas-", 6) == 0)
            abort();
    in->size = 0;
    while (!in->ended) {
        tfaas_status_t status = sealed_pull(task);
        in->size = 0;
        if (status != TFAAS_OK)
            return status;
    }
    size_t first = size / 2;
    if (sealed_write(task, data, first, false) != 0 ||
        sealed_write(task, data + first, size - first, true) != 0)
        return task->run.stop;
    return TFAAS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6 || size > 100000)
        return 0;
    if (!fake.loaded.function.bundle.name.data)
        fake_start();
    enum tfaas_sealing form = 1 + data[0] % 3;
    bool raw = data[0] & 0x40;
    size_t chunk = 1u + data[1] * (data[1] & 1 ? 1u : 60u), piece = data[2], answer_size = data[3];
    struct span plain = {data + 4, size - 4};
    if (size / chunk > 2000)
        chunk = 16384;
    if (answer_size > plain.size)
        answer_size = plain.size;
    size_t sealed_size = plain.size;
    if (raw)
        memcpy(sealed, plain.data, plain.size);
    else
        sealed_size = seal(form, plain, chunk);
    if (raw && data[1] == 0)
        sealed_size = 0; /* a request without one byte */
    struct task *task = fake_begin(form, (struct span){sealed, sealed_size}, piece);
    sealed_wire(task->sealed)->ended = sealed_size == 0;
    if (data[0] & 0x80)
        task->function = NULL;
    tfaas_status_t status = sealed_begin(task);
    if (status == TFAAS_OK)
        status = sealed_check_package(task);
    if (status == TFAAS_OK)
        status = answer(task, plain.data + plain.size - answer_size, answer_size);
    sealed_finish(task, status);
    fake_end(task);
    if (task->status == TFAAS_OK && fake.out_size < AEAD_TAG_SIZE)
        abort();
    replay_free(fake.key.replay); /* each input stands for itself */
    fake.key.replay = NULL;
    free(fake.out);
    fake.out = NULL;
    return 0;
}
