/*
 * receipt.c - receipts, their batches and signatures (common/receipt.h; RFC 7515, 8037, 9162).
 * Must never hold two texts for the same receipt: what is read is exactly what is written.
 */
#include "receipt.h"

#include "base64url.h"
#include "cbor.h"
#include <stdio.h>

#define JWS_HEADER     "{\"alg\":\"EdDSA\",\"typ\":\"tfaas-receipt+jws\"}"
#define PAYLOAD_MAX    128u
#define ROOT_TEXT_SIZE BASE64URL_SIZE(32)

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

static tfaas_status_t not_opened(const char **why, const char *text)
{
    *why = text;
    return TFAAS_NOT_OPENED;
}

/* --- hashes --- */

/* Many small pieces, hashed together: a head is dozens of them. */
struct gather {
    crypto_hash_sha256_state *state;
    struct writer w;
    uint8_t bytes[512];
};

static void flush(struct gather *g)
{
    sha256_update(g->state, g->bytes, g->w.at);
    g->w = writer_of(g->bytes, sizeof(g->bytes));
}

static void put_number(struct gather *g, uint64_t value)
{
    if (sizeof(g->bytes) - g->w.at < 8)
        flush(g);
    writer_varint(&g->w, value);
}

static void put_vector(struct gather *g, struct span s)
{
    put_number(g, s.size);
    if (s.size > sizeof(g->bytes) - g->w.at)
        flush(g);
    if (s.size <= sizeof(g->bytes))
        writer_put(&g->w, s.data, s.size);
    else
        sha256_update(g->state, s.data, s.size);
}

static size_t vector_size(struct span s)
{
    struct writer w = writer_of(NULL, 0); /* measures */
    writer_varint(&w, s.size);
    return w.at + s.size;
}

static void put_fields(struct gather *g, struct span fields)
{
    struct span name, value;
    size_t size = 0;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);)
        if (!bhttp_field_reserved(name))
            size += vector_size(name) + vector_size(value);
    put_number(g, size);
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);)
        if (!bhttp_field_reserved(name)) {
            put_vector(g, name);
            put_vector(g, value);
        }
}

void receipt_hash_head(crypto_hash_sha256_state *state, const struct bhttp_head *head)
{
    struct gather g;
    g.state = state;
    g.w = writer_of(g.bytes, sizeof(g.bytes));
    put_number(&g, head->is_response ? 1 : 0);
    if (head->is_response) {
        put_number(&g, head->status);
    } else {
        put_vector(&g, head->method);
        put_vector(&g, head->scheme);
        put_vector(&g, head->authority);
        put_vector(&g, head->path);
    }
    put_fields(&g, head->fields);
    flush(&g);
    sodium_memzero(g.bytes, sizeof(g.bytes));
}

/* --- the tree --- */

void receipt_leaf(struct span claims, uint8_t leaf[32])
{
    crypto_hash_sha256_state state;
    sha256_init(&state);
    sha256_update(&state, (const uint8_t[]){0}, 1);
    sha256_update(&state, claims.data, claims.size);
    sha256_final(&state, leaf);
}

static void hash_node(uint8_t node[32], const uint8_t left[32], const uint8_t right[32])
{
    uint8_t bytes[65] = {1};
    memcpy(bytes + 1, left, 32);
    memcpy(bytes + 33, right, 32);
    sha256(node, bytes, sizeof(bytes));
}

/* RFC 9162 splits at the largest power of two below the count. From below that is: pairs are
 * joined, and what is left over at the end of a level goes up as it is. */
void receipt_tree_make(struct receipt_tree *tree, const uint8_t (*leaves)[32], size_t count)
{
    tree->count = count;
    memcpy(tree->nodes, leaves, count * 32);
    size_t level = 0, size = count;
    while (size > 1) {
        size_t next = level + size, made = 0;
        for (size_t i = 0; i + 1 < size; i += 2)
            hash_node(tree->nodes[next + made++], tree->nodes[level + i],
                      tree->nodes[level + i + 1]);
        if (size % 2)
            memcpy(tree->nodes[next + made++], tree->nodes[level + size - 1], 32);
        level = next;
        size = made;
    }
}

const uint8_t *receipt_tree_root(const struct receipt_tree *tree)
{
    size_t level = 0;
    for (size_t size = tree->count; size > 1; size = (size + 1) / 2)
        level += size;
    return tree->nodes[level];
}

size_t receipt_tree_path(const struct receipt_tree *tree, size_t index,
                         uint8_t path[RECEIPT_PATH_MAX][32])
{
    size_t level = 0, found = 0;
    for (size_t size = tree->count; size > 1; size = (size + 1) / 2, index /= 2) {
        if ((index ^ 1) < size)
            memcpy(path[found++], tree->nodes[level + (index ^ 1)], 32);
        level += size;
    }
    return found;
}

size_t receipt_path(const uint8_t (*leaves)[32], size_t count, size_t index,
                    uint8_t path[RECEIPT_PATH_MAX][32])
{
    struct receipt_tree tree;
    receipt_tree_make(&tree, leaves, count);
    return receipt_tree_path(&tree, index, path);
}

/* The root that `path` leads to from leaf `index` of `count` (RFC 9162 2.1.3.2). False: it has
 * another length than such a path. */
static bool climb(uint8_t node[32], uint64_t index, uint64_t count, const struct receipt *r)
{
    size_t used = 0;
    for (uint64_t size = count; size > 1; size = (size + 1) / 2, index /= 2) {
        if ((index ^ 1) >= size)
            continue;
        if (used == r->path_count)
            return false;
        const uint8_t *other = r->path[used++].data;
        if (index & 1)
            hash_node(node, other, node);
        else
            hash_node(node, node, other);
    }
    return used == r->path_count;
}

/* --- signatures --- */

size_t receipt_sign_root(const uint8_t root[32], size_t count, const uint8_t secret[64],
                         char jws[RECEIPT_JWS_MAX])
{
    char payload[PAYLOAD_MAX], root_text[ROOT_TEXT_SIZE + 1];
    uint8_t signature[crypto_sign_BYTES];
    if (base64url_encode((struct span){root, 32}, root_text, sizeof(root_text)) != TFAAS_OK)
        return 0;
    int size =
        snprintf(payload, sizeof(payload), "{\"count\":%zu,\"root\":\"%s\"}", count, root_text);
    size_t at = 0;
    const struct span parts[] = {{(const uint8_t *)JWS_HEADER, sizeof(JWS_HEADER) - 1},
                                 {(const uint8_t *)payload, (size_t)size}};
    for (size_t i = 0; i < 2; i++) {
        if (base64url_encode(parts[i], jws + at, RECEIPT_JWS_MAX - at) != TFAAS_OK)
            return 0;
        at += BASE64URL_SIZE(parts[i].size);
        jws[at++] = '.';
    }
    crypto_sign_detached(signature, NULL, (const uint8_t *)jws, at - 1, secret);
    if (base64url_encode((struct span){signature, sizeof(signature)}, jws + at,
                         RECEIPT_JWS_MAX - at) != TFAAS_OK)
        return 0;
    return at + BASE64URL_SIZE(sizeof(signature));
}

size_t receipt_sign(const uint8_t (*leaves)[32], size_t count, const uint8_t secret[64],
                    char jws[RECEIPT_JWS_MAX])
{
    struct receipt_tree tree;
    receipt_tree_make(&tree, leaves, count);
    return receipt_sign_root(receipt_tree_root(&tree), count, secret, jws);
}

/* The payload's two numbers. It is the one text that receipt_sign_root makes of them. */
static bool read_payload(struct span payload, uint64_t *count, uint8_t root[32])
{
    char again[PAYLOAD_MAX];
    struct cursor c = cursor_of(payload.data, payload.size);
    struct span before = cursor_take(&c, 9);
    if (c.failed || memcmp(before.data, "{\"count\":", 9) != 0)
        return false;
    *count = 0;
    while (cursor_left(&c) > 0 && c.data[c.at] >= '0' && c.data[c.at] <= '9' && *count < 1000)
        *count = *count * 10 + (uint64_t)(cursor_u8(&c) - '0');
    (void)cursor_take(&c, 9); /* ,"root":" */
    struct span text = cursor_take(&c, ROOT_TEXT_SIZE);
    size_t root_size = 0;
    if (c.failed || base64url_decode(text, root, 32, &root_size) != TFAAS_OK || root_size != 32)
        return false;
    int size = snprintf(again, sizeof(again), "{\"count\":%llu,\"root\":\"%.*s\"}",
                        (unsigned long long)*count, (int)text.size, (const char *)text.data);
    return (size_t)size == payload.size && memcmp(again, payload.data, payload.size) == 0;
}

struct jws {
    struct span signed_part, header, payload, signature;
};

static bool split_jws(struct span text, struct jws *to)
{
    const uint8_t *first = memchr(text.data, '.', text.size);
    if (!first)
        return false;
    size_t header_size = (size_t)(first - text.data), left = text.size - header_size - 1;
    const uint8_t *second = memchr(first + 1, '.', left);
    if (!second)
        return false;
    size_t payload_size = (size_t)(second - first) - 1;
    to->header = (struct span){text.data, header_size};
    to->payload = (struct span){first + 1, payload_size};
    to->signed_part = (struct span){text.data, (size_t)(second - text.data)};
    to->signature = (struct span){second + 1, left - payload_size - 1};
    return true;
}

tfaas_status_t receipt_check(const struct receipt *receipt, const uint8_t receipt_key[32],
                             const char **why)
{
    uint8_t bytes[RECEIPT_JWS_MAX], signature[crypto_sign_BYTES], root[32], node[32];
    size_t size = 0;
    uint64_t count = 0;
    struct jws jws;
    if (receipt->jws.size > RECEIPT_JWS_MAX || !split_jws(receipt->jws, &jws))
        return not_opened(why, "receipt: the signature is no compact JWS");
    if (base64url_decode(jws.header, bytes, sizeof(bytes), &size) != TFAAS_OK ||
        !span_is((struct span){bytes, size}, JWS_HEADER))
        return not_opened(why, "receipt: the JWS has another header");
    if (base64url_decode(jws.signature, signature, sizeof(signature), &size) != TFAAS_OK ||
        size != sizeof(signature) ||
        crypto_sign_verify_detached(signature, jws.signed_part.data, jws.signed_part.size,
                                    receipt_key) != 0)
        return not_opened(why, "receipt: the signature is not of the lease's receipt key");
    if (base64url_decode(jws.payload, bytes, sizeof(bytes), &size) != TFAAS_OK ||
        !read_payload((struct span){bytes, size}, &count, root))
        return not_opened(why, "receipt: the JWS has another payload than a count and a root");
    if (count == 0 || count > RECEIPT_BATCH_MAX || receipt->index >= count)
        return not_opened(why, "receipt: the index is not in the batch");
    receipt_leaf(receipt->claims, node);
    if (!climb(node, receipt->index, count, receipt) || sodium_memcmp(node, root, 32) != 0)
        return not_opened(why, "receipt: the claims are not in the signed batch");
    return TFAAS_OK;
}

/* --- the text --- */

static void put_receipt(struct writer *w, const struct receipt *r)
{
    cbor_put_map(w, 6);
    cbor_put_uint(w, 1);
    cbor_put_text(w, RECEIPT_LABEL, sizeof(RECEIPT_LABEL) - 1);
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, r->claims.data, r->claims.size);
    cbor_put_uint(w, 3);
    cbor_put_uint(w, r->index);
    cbor_put_uint(w, 4);
    cbor_put_array(w, r->path_count);
    for (size_t i = 0; i < r->path_count; i++)
        cbor_put_bytes(w, r->path[i].data, r->path[i].size);
    cbor_put_uint(w, 5);
    cbor_put_text(w, r->jws.data, r->jws.size);
    cbor_put_uint(w, 6);
    cbor_put_bytes(w, r->lease.data, r->lease.size);
}

size_t receipt_write(const struct receipt *receipt, char *to)
{
    uint8_t bytes[RECEIPT_SIZE_MAX / 4 * 3];
    struct writer w = writer_of(bytes, sizeof(bytes));
    put_receipt(&w, receipt);
    if (w.failed || BASE64URL_SIZE(w.at) > RECEIPT_SIZE_MAX)
        return 0;
    /* Every character has its place, the NUL after them may have none. */
    char text[RECEIPT_SIZE_MAX + 1];
    if (base64url_encode((struct span){bytes, w.at}, text, sizeof(text)) != TFAAS_OK)
        return 0;
    memcpy(to, text, BASE64URL_SIZE(w.at));
    return BASE64URL_SIZE(w.at);
}

tfaas_status_t receipt_read(struct span text, uint8_t *buffer, struct receipt *to, const char **why)
{
    size_t size = 0;
    *to = (struct receipt){.path_count = 0};
    if (text.size > RECEIPT_SIZE_MAX)
        return refuse(why, "receipt: longer than 3 KiB");
    if (base64url_decode(text, buffer, RECEIPT_SIZE_MAX, &size) != TFAAS_OK)
        return refuse(why, "receipt: not base64url");
    struct cursor c = cursor_of(buffer, size);
    if (cbor_map(&c) != 6 || cbor_uint(&c) != 1 || !span_is(cbor_text(&c), RECEIPT_LABEL))
        return refuse(why, "receipt: not a receipt of this version");
    bool keys = cbor_uint(&c) == 2;
    to->claims = cbor_bytes(&c);
    keys &= cbor_uint(&c) == 3;
    to->index = cbor_uint(&c);
    keys &= cbor_uint(&c) == 4;
    uint64_t path_count = cbor_array(&c);
    if (c.failed || !keys || path_count > RECEIPT_PATH_MAX)
        return refuse(why, "receipt: claims, index or path are malformed");
    for (; to->path_count < path_count; to->path_count++) {
        to->path[to->path_count] = cbor_bytes(&c);
        if (to->path[to->path_count].size != 32)
            return refuse(why, "receipt: a node of the path has not 32 bytes");
    }
    keys &= cbor_uint(&c) == 5;
    to->jws = cbor_text(&c);
    keys &= cbor_uint(&c) == 6;
    to->lease = cbor_bytes(&c);
    if (c.failed || !keys || cursor_left(&c) > 0)
        return refuse(why, "receipt: signature or lease are malformed");
    if (to->claims.size == 0 || to->claims.size > RECEIPT_CLAIMS_MAX || to->jws.size == 0 ||
        to->jws.size > RECEIPT_JWS_MAX)
        return refuse(why, "receipt: claims or signature are empty or too long");
    return TFAAS_OK;
}
