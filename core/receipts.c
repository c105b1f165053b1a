/*
 * receipts.c - see receipts.h. A call gets its number when its batch is signed, so that one that
 * was cancelled while it waited leaves no gap.
 * Must never sign two texts with one number.
 */
#include "receipts.h"

#include "base64url.h"
#include "core_clock.h"
#include "identity.h"
#include "instrument.h"

static struct receipt_entry *first, *last;
static unsigned waiting;
static uint64_t since_ns; /* when `first` came */
static uint64_t sequence;

static void append(struct receipt_entry *entry)
{
    entry->next = NULL;
    entry->waiting = true;
    if (last)
        last->next = entry;
    else
        first = entry;
    last = entry;
    if (waiting++ == 0)
        since_ns = plat_now_ns();
}

static void take_out(struct receipt_entry *entry)
{
    struct receipt_entry **at = &first, *before = NULL;
    while (*at && *at != entry) {
        before = *at;
        at = &before->next;
    }
    if (!*at)
        return;
    *at = entry->next;
    if (last == entry)
        last = before;
    entry->waiting = false;
    waiting--;
}

bool receipts_wait(struct receipt_entry *entry)
{
    entry->done = false;
    append(entry);
    while (!entry->done) {
        if (sched_block(entry->task, TASK_WAIT_RECEIPT))
            continue;
        take_out(entry);
        return entry->done;
    }
    return true;
}

/* --- claims --- */

struct hex {
    char text[65];
};

static struct hex hex_of(const uint8_t *bytes, size_t size)
{
    struct hex hex;
    sodium_bin2hex(hex.text, sizeof hex.text, bytes, size);
    return hex;
}

struct hash_text {
    char text[BASE64URL_SIZE(32) + 1];
};

static struct hash_text hash_text_of(const uint8_t hash[32])
{
    struct hash_text to = {""};
    if (base64url_encode((struct span){hash, 32}, to.text, sizeof to.text) != TFAAS_OK)
        plat_abort("a hash has no text");
    return to;
}

static void put_text(struct writer *w, const char *text)
{
    writer_put(w, text, strlen(text));
}

static void put_number(struct writer *w, const char *before, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    put_text(w, before);
    writer_put(w, digits + at, sizeof digits - at);
}

/* Names of functions and domains need no JSON escapes: they are [a-z0-9-] (SPECIFICATION.md 8).
 * Every call writes this: no printf, which takes as long as all the hashes. */
static size_t put_claims(const struct receipt_entry *e, uint64_t number, char *to)
{
    struct writer w = writer_of(to, RECEIPT_CLAIMS_MAX);
    put_text(&w, "{\"iss\":\"");
    put_text(&w, hex_of(identity_instance(), 16).text);
    put_number(&w, "\",\"seq\":", number);
    put_number(&w, ",\"iat\":", core_clock() / 1000000000u);
    put_text(&w, ",\"fn\":\"");
    writer_put(&w, e->function.data, e->function.size);
    put_text(&w, ".");
    put_text(&w, plat_domain());
    put_text(&w, "\",\"pkg\":\"");
    put_text(&w, hex_of(e->package, 32).text);
    put_text(&w, "\",\"req\":\"");
    put_text(&w, hash_text_of(e->req).text);
    put_text(&w, "\",\"res\":\"");
    put_text(&w, hash_text_of(e->res).text);
    put_number(&w, "\",\"status\":", e->http_status);
    put_text(&w, ",\"outcome\":\"");
    put_text(&w, tfaas_status_name(e->outcome));
    put_number(&w, "\",\"work\":", e->work);
    put_text(&w, e->exact ? ",\"exact\":true" : ",\"exact\":false");
    put_number(&w, ",\"mem\":", e->peak);
    put_number(&w, ",\"cpu_ns\":", e->cpu_ns);
    put_text(&w, ",\"weights\":\"");
    put_text(&w, instrument_weights_hash());
    put_text(&w, "\"}");
    return w.failed ? 0 : w.at;
}

/* --- batches --- */

static char claims[RECEIPT_BATCH_MAX][RECEIPT_CLAIMS_MAX];
static size_t claims_size[RECEIPT_BATCH_MAX];

static void write_receipt(struct receipt_entry *entry, const struct receipt_tree *tree,
                          unsigned index, struct span jws)
{
    uint8_t path[RECEIPT_PATH_MAX][32];
    struct receipt receipt = {.claims = {(const uint8_t *)claims[index], claims_size[index]},
                              .index = index,
                              .path_count = receipt_tree_path(tree, index, path),
                              .jws = jws,
                              .lease = identity_lease()};
    for (size_t i = 0; i < receipt.path_count; i++)
        receipt.path[i] = (struct span){path[i], 32};
    entry->text_size = receipt_write(&receipt, entry->text);
}

static void sign_batch(void)
{
    static struct receipt_tree tree;
    uint8_t leaves[RECEIPT_BATCH_MAX][32];
    char jws[RECEIPT_JWS_MAX];
    unsigned count = 0;
    bool leased = identity_lease().size > 0;
    for (struct receipt_entry *e = first; e && leased && count < RECEIPT_BATCH_MAX; e = e->next) {
        claims_size[count] = put_claims(e, sequence + 1 + count, claims[count]);
        if (claims_size[count] == 0)
            plat_abort("the claims of a receipt do not fit");
        receipt_leaf((struct span){(const uint8_t *)claims[count], claims_size[count]},
                     leaves[count]);
        count++;
    }
    size_t jws_size = 0;
    if (count > 0) {
        receipt_tree_make(&tree, (const uint8_t(*)[32])leaves, count);
        jws_size =
            receipt_sign_root(receipt_tree_root(&tree), count, identity_signing_secret(), jws);
    }
    sequence += count;
    for (unsigned i = 0; first && (i < count || !leased); i++) {
        struct receipt_entry *entry = first;
        entry->text_size = 0;
        if (leased)
            write_receipt(entry, &tree, i, (struct span){(const uint8_t *)jws, jws_size});
        take_out(entry);
        entry->done = true;
        if (entry->task->state == TASK_WAIT_RECEIPT) /* else it was stopped, and is ready */
            sched_ready(entry->task);
    }
    since_ns = plat_now_ns();
}

bool receipts_turn(uint64_t now_ns, bool idle)
{
    if (waiting == 0 ||
        (!idle && waiting < RECEIPT_BATCH_MAX && now_ns - since_ns < RECEIPTS_WAIT_NS))
        return false;
    sign_batch();
    return true;
}
