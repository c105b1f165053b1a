/*
 * crypto.c - natives for crypto.subtle and node's crypto: hashes, HMAC, PBKDF2, AES and curves over
 * the host's primitives. Padding, modes and states are here, key formats in bootstrap/65-crypto.js.
 * Must never keep a key: a state lives in the ArrayBuffer of the object that asked for it.
 */
#include <stdlib.h>
#include <string.h>
#include "guest.h"
#include "host.h"

#define STATE_MAX  64u
#define BLOCK_MAX  128u
#define DIGEST_MAX 64u
#define AES_BLOCK  16u
#define ROUNDS_MAX 1024u
#define OUT_MAX    512u

struct algorithm {
    uint32_t hash;
    uint8_t state, block, digest;
    uint8_t word; /* bytes of one, big-endian in the digest; MD5 is little-endian: 1 */
    const void *initial;
};

static const uint32_t md5_initial[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
static const uint32_t sha1_initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                         0xc3d2e1f0};
static const uint32_t sha224_initial[8] = {0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939,
                                           0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4};
static const uint32_t sha256_initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const uint64_t sha384_initial[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};
static const uint64_t sha512_initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

/* The order is bootstrap/65-crypto.js' order. */
static const struct algorithm algorithms[] = {
    {HOST_MD5, 16, 64, 16, 1, md5_initial},        {HOST_SHA1, 20, 64, 20, 4, sha1_initial},
    {HOST_SHA256, 32, 64, 28, 4, sha224_initial},  {HOST_SHA256, 32, 64, 32, 4, sha256_initial},
    {HOST_SHA384, 64, 128, 48, 8, sha384_initial}, {HOST_SHA512, 64, 128, 64, 8, sha512_initial},
};

/* What hashInit() and hmacInit() give out as bytes. */
struct hash_state {
    uint32_t algorithm, is_keyed;
    uint64_t total;
    uint8_t chain[STATE_MAX], outer[STATE_MAX], held[BLOCK_MAX];
};

static const struct algorithm *algorithm_at(JSContext *ctx, JSValueConst value)
{
    uint32_t index;

    if (JS_ToUint32(ctx, &index, value))
        return NULL;
    if (index >= sizeof(algorithms) / sizeof(*algorithms)) {
        JS_ThrowRangeError(ctx, "unknown hash");
        return NULL;
    }
    return &algorithms[index];
}

static void wipe(void *at, size_t size)
{
    memset(at, 0, size);
    __asm__ volatile("" : : "r"(at) : "memory");
}

/* --- hashes --- */

static void hash_start(struct hash_state *state, const struct algorithm *algorithm)
{
    memset(state, 0, sizeof(*state));
    state->algorithm = (uint32_t)(algorithm - algorithms);
    memcpy(state->chain, algorithm->initial, algorithm->state);
}

static void hash_add(struct hash_state *state, const uint8_t *data, size_t size)
{
    const struct algorithm *algorithm = &algorithms[state->algorithm];
    size_t block = algorithm->block, held = (size_t)(state->total % block), whole;

    state->total += size;
    if (held) {
        size_t part = size < block - held ? size : block - held;

        memcpy(state->held + held, data, part);
        if (held + part < block)
            return;
        (void)host_hash_blocks(algorithm->hash, state->chain, state->held, 1);
        data += part;
        size -= part;
    }
    whole = size / block;
    if (whole)
        (void)host_hash_blocks(algorithm->hash, state->chain, data, (uint32_t)whole);
    memcpy(state->held, data + whole * block, size % block);
}

static void hash_end(struct hash_state *state, uint8_t *digest)
{
    const struct algorithm *algorithm = &algorithms[state->algorithm];
    size_t block = algorithm->block, held = (size_t)(state->total % block);
    size_t room = block - (block == 64 ? 8 : 16);
    uint8_t end[2 * BLOCK_MAX] = {0};
    size_t size = held < room ? block : 2 * block;
    uint64_t bits = state->total * 8;

    memcpy(end, state->held, held);
    end[held] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        end[size - 8 + i] = (uint8_t)(bits >> (algorithm->word == 1 ? 8 * i : 56 - 8 * i));
    (void)host_hash_blocks(algorithm->hash, state->chain, end, (uint32_t)(size / block));
    for (unsigned i = 0; i < algorithm->digest; i++) {
        unsigned in = i % algorithm->word;

        digest[i] = state->chain[i - in + algorithm->word - 1u - in];
    }
    wipe(end, sizeof(end));
}

static void hmac_start(struct hash_state *state, const struct algorithm *algorithm,
                       const uint8_t *key, size_t size)
{
    uint8_t block[BLOCK_MAX] = {0}, outer[STATE_MAX];

    if (size > algorithm->block) {
        hash_start(state, algorithm);
        hash_add(state, key, size);
        hash_end(state, block);
    } else if (size) {
        memcpy(block, key, size);
    }
    for (unsigned i = 0; i < algorithm->block; i++)
        block[i] ^= 0x5c;
    hash_start(state, algorithm);
    hash_add(state, block, algorithm->block);
    memcpy(outer, state->chain, sizeof(outer));
    for (unsigned i = 0; i < algorithm->block; i++)
        block[i] ^= 0x5c ^ 0x36;
    hash_start(state, algorithm);
    hash_add(state, block, algorithm->block);
    memcpy(state->outer, outer, sizeof(outer));
    state->is_keyed = 1;
    wipe(block, sizeof(block));
    wipe(outer, sizeof(outer));
}

/* The digest of either kind. */
static void state_end(struct hash_state *state, uint8_t *digest)
{
    const struct algorithm *algorithm = &algorithms[state->algorithm];

    hash_end(state, digest);
    if (!state->is_keyed)
        return;
    memcpy(state->chain, state->outer, sizeof(state->chain));
    state->total = algorithm->block;
    hash_add(state, digest, algorithm->digest);
    hash_end(state, digest);
}

static JSValue give_state(JSContext *ctx, struct hash_state *state)
{
    JSValue bytes = JS_NewUint8ArrayCopy(ctx, (const uint8_t *)state, sizeof(*state));

    wipe(state, sizeof(*state));
    return bytes;
}

/* A copy: the bytes were made by give_state() and are never seen by user code. */
static bool take_state(JSContext *ctx, JSValueConst value, struct hash_state *state, uint8_t **at)
{
    size_t size;

    if (!native_view(ctx, value, at, &size))
        return false;
    memcpy(state, *at, size < sizeof(*state) ? size : sizeof(*state));
    if (size == sizeof(*state) && state->algorithm < sizeof(algorithms) / sizeof(*algorithms))
        return true;
    JS_ThrowTypeError(ctx, "not the state of a hash");
    return false;
}

/* hashInit(algorithm) */
static JSValue hash_init(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const struct algorithm *algorithm = algorithm_at(ctx, argv[0]);
    struct hash_state state;

    (void)this_value, (void)argc;
    if (!algorithm)
        return JS_EXCEPTION;
    hash_start(&state, algorithm);
    return give_state(ctx, &state);
}

/* hmacInit(algorithm, key) */
static JSValue hmac_init(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const struct algorithm *algorithm = algorithm_at(ctx, argv[0]);
    struct hash_state state;
    uint8_t *key;
    size_t size;

    (void)this_value, (void)argc;
    if (!algorithm || !native_view(ctx, argv[1], &key, &size))
        return JS_EXCEPTION;
    hmac_start(&state, algorithm, key, size);
    return give_state(ctx, &state);
}

/* hashUpdate(state, bytes) */
static JSValue hash_update(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct hash_state state;
    uint8_t *at, *data;
    size_t size;

    (void)this_value, (void)argc;
    if (!take_state(ctx, argv[0], &state, &at) || !native_view(ctx, argv[1], &data, &size))
        return JS_EXCEPTION;
    hash_add(&state, data, size);
    memcpy(at, &state, sizeof(state));
    wipe(&state, sizeof(state));
    return JS_UNDEFINED;
}

/* hashFinal(state) */
static JSValue hash_final(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    struct hash_state state;
    uint8_t *at, digest[DIGEST_MAX];
    size_t size;

    (void)this_value, (void)argc;
    if (!take_state(ctx, argv[0], &state, &at))
        return JS_EXCEPTION;
    size = algorithms[state.algorithm].digest;
    state_end(&state, digest);
    wipe(&state, sizeof(state));
    return JS_NewUint8ArrayCopy(ctx, digest, size);
}

/* digest(algorithm, bytes) */
static JSValue digest_bytes(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const struct algorithm *algorithm = algorithm_at(ctx, argv[0]);
    struct hash_state state;
    uint8_t *data, digest[DIGEST_MAX];
    size_t size;

    (void)this_value, (void)argc;
    if (!algorithm || !native_view(ctx, argv[1], &data, &size))
        return JS_EXCEPTION;
    hash_start(&state, algorithm);
    hash_add(&state, data, size);
    hash_end(&state, digest);
    wipe(&state, sizeof(state));
    return JS_NewUint8ArrayCopy(ctx, digest, algorithm->digest);
}

/* --- PBKDF2 (RFC 8018) --- */

static bool rounds(const struct algorithm *algorithm, const struct hash_state *start,
                   uint8_t u_t[2 * DIGEST_MAX], uint32_t count)
{
    uint8_t states[2 * STATE_MAX];
    int32_t result = 0;

    memcpy(states, start->chain, algorithm->state);
    memcpy(states + algorithm->state, start->outer, algorithm->state);
    for (uint32_t done = 0; done < count && result == 0;) {
        uint32_t part = count - done < ROUNDS_MAX ? count - done : ROUNDS_MAX;

        result = host_hmac_rounds(algorithm->hash, states, u_t, part);
        done += part;
    }
    wipe(states, sizeof(states));
    return result == 0;
}

/* pbkdf2(algorithm, password, salt, iterations, size) -> bytes */
static JSValue pbkdf2(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const struct algorithm *algorithm = algorithm_at(ctx, argv[0]);
    struct hash_state start, state;
    uint8_t *password, *salt, *out, u_t[2 * DIGEST_MAX];
    size_t password_size, salt_size;
    uint32_t count, size;
    JSValue bytes;

    (void)this_value, (void)argc;
    if (!algorithm || !native_view(ctx, argv[1], &password, &password_size) ||
        !native_view(ctx, argv[2], &salt, &salt_size) || JS_ToUint32(ctx, &count, argv[3]) ||
        JS_ToUint32(ctx, &size, argv[4]))
        return JS_EXCEPTION;
    if (count == 0 || algorithm->initial == sha224_initial)
        return JS_ThrowRangeError(ctx, "PBKDF2 cannot be computed so");
    out = js_malloc(ctx, size ? size : 1);
    if (!out)
        return JS_EXCEPTION;
    hmac_start(&start, algorithm, password, password_size);
    for (uint32_t done = 0, block = 1; done < size; done += algorithm->digest, block++) {
        const uint8_t number[4] = {(uint8_t)(block >> 24), (uint8_t)(block >> 16),
                                   (uint8_t)(block >> 8), (uint8_t)block};
        uint32_t part = size - done < algorithm->digest ? size - done : algorithm->digest;

        state = start;
        hash_add(&state, salt, salt_size);
        hash_add(&state, number, sizeof(number));
        state_end(&state, u_t);
        memcpy(u_t + algorithm->digest, u_t, algorithm->digest);
        (void)rounds(algorithm, &start, u_t, count - 1);
        memcpy(out + done, u_t + algorithm->digest, part);
    }
    wipe(&start, sizeof(start));
    wipe(u_t, sizeof(u_t));
    bytes = JS_NewUint8ArrayCopy(ctx, out, size);
    wipe(out, size);
    js_free(ctx, out);
    return bytes;
}

/* --- AES --- */

struct gcm {
    const uint8_t *key;
    uint32_t key_size;
    uint8_t h[AES_BLOCK], y[AES_BLOCK], mask[AES_BLOCK], counter[AES_BLOCK];
};

static void put_bits(uint8_t to[8], uint64_t bytes)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(bytes * 8 >> (56 - 8 * i));
}

/* NIST SP 800-38D: H, J0 and the mask of the tag; `counter` is then inc32(J0). */
static bool gcm_start(struct gcm *gcm, const uint8_t *iv, size_t iv_size)
{
    uint8_t lengths[AES_BLOCK] = {0}, zero[AES_BLOCK] = {0};

    memset(gcm->h, 0, sizeof(gcm->h));
    memset(gcm->y, 0, sizeof(gcm->y));
    memset(gcm->mask, 0, sizeof(gcm->mask));
    if (host_aes_ctr(gcm->key, gcm->key_size, zero, gcm->h, AES_BLOCK))
        return false;
    memset(gcm->counter, 0, AES_BLOCK);
    if (iv_size == 12) {
        memcpy(gcm->counter, iv, iv_size);
        gcm->counter[15] = 1;
    } else {
        put_bits(lengths + 8, iv_size);
        (void)host_ghash(gcm->counter, gcm->h, iv, (uint32_t)iv_size);
        (void)host_ghash(gcm->counter, gcm->h, lengths, AES_BLOCK);
    }
    return host_aes_ctr(gcm->key, gcm->key_size, gcm->counter, gcm->mask, AES_BLOCK) == 0;
}

static void gcm_tag(struct gcm *gcm, const uint8_t *aad, size_t aad_size, const uint8_t *data,
                    size_t size, uint8_t tag[AES_BLOCK])
{
    uint8_t lengths[AES_BLOCK];

    put_bits(lengths, aad_size);
    put_bits(lengths + 8, size);
    (void)host_ghash(gcm->y, gcm->h, aad, (uint32_t)aad_size);
    (void)host_ghash(gcm->y, gcm->h, data, (uint32_t)size);
    (void)host_ghash(gcm->y, gcm->h, lengths, AES_BLOCK);
    for (unsigned i = 0; i < AES_BLOCK; i++)
        tag[i] = gcm->y[i] ^ gcm->mask[i];
}

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint8_t different = 0;

    for (size_t i = 0; i < size; i++)
        different |= a[i] ^ b[i];
    __asm__ volatile("" : "+r"(different));
    return different == 0;
}

static JSValue throw_key(JSContext *ctx)
{
    return JS_ThrowRangeError(ctx, "AES takes a key of 128, 192 or 256 bits");
}

/* aesGcm(decrypt, key, iv, additional, data, tag size) -> bytes, or null: the tag is wrong */
static JSValue aes_gcm(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    bool is_decrypt = JS_ToBool(ctx, argv[0]) == 1;
    uint8_t *key, *iv, *aad, *data, *out, tag[AES_BLOCK];
    size_t key_size, iv_size, aad_size, size, room;
    uint32_t tag_size;
    struct gcm gcm;
    bool good = true;
    JSValue result = JS_NULL;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[1], &key, &key_size) || !native_view(ctx, argv[2], &iv, &iv_size) ||
        !native_view(ctx, argv[3], &aad, &aad_size) || !native_view(ctx, argv[4], &data, &size) ||
        JS_ToUint32(ctx, &tag_size, argv[5]))
        return JS_EXCEPTION;
    if (tag_size > AES_BLOCK || (is_decrypt && size < tag_size))
        return JS_NULL;
    if (is_decrypt)
        size -= tag_size;
    room = size + tag_size;
    out = js_malloc(ctx, room ? room : 1);
    if (!out)
        return JS_EXCEPTION;
    memcpy(out, data, is_decrypt ? room : size);
    gcm = (struct gcm){.key = key, .key_size = (uint32_t)key_size};
    if (!gcm_start(&gcm, iv, iv_size)) {
        js_free(ctx, out);
        return throw_key(ctx);
    }
    if (is_decrypt) {
        gcm_tag(&gcm, aad, aad_size, out, size, tag);
        good = is_equal(tag, out + size, tag_size);
    }
    if (good)
        (void)host_aes_ctr(key, (uint32_t)key_size, gcm.counter, out, (uint32_t)size);
    if (!is_decrypt) {
        gcm_tag(&gcm, aad, aad_size, out, size, tag);
        memcpy(out + size, tag, tag_size);
    }
    if (good)
        result = JS_NewUint8ArrayCopy(ctx, out, is_decrypt ? size : room);
    wipe(&gcm, sizeof(gcm));
    js_free(ctx, out);
    return result;
}

/* Copies `data` for a cipher to change; NULL: exception pending. */
static uint8_t *copy_of(JSContext *ctx, const uint8_t *data, size_t size)
{
    uint8_t *out = js_malloc(ctx, size ? size : 1);

    if (out && size)
        memcpy(out, data, size);
    return out;
}

/* Adds 1 to the number in the `bits` low bits of a counter block. */
static void count_up(uint8_t block[AES_BLOCK], unsigned bits)
{
    for (unsigned i = AES_BLOCK; bits > 0;) {
        unsigned part = bits < 8 ? bits : 8, mask = (1u << part) - 1u;
        uint8_t *byte = &block[--i];

        *byte = (uint8_t)((*byte & ~mask) | ((*byte + 1u) & mask));
        if (*byte & mask)
            return;
        bits -= part;
    }
}

/* Blocks until the 32-bit count of the host's cipher, or the caller's shorter one, goes round. */
static uint64_t blocks_left(const uint8_t block[AES_BLOCK], unsigned bits)
{
    uint32_t low = (uint32_t)block[12] << 24 | (uint32_t)block[13] << 16 |
                   (uint32_t)block[14] << 8 | block[15];

    if (bits >= 32)
        return ((uint64_t)1 << 32) - low;
    return ((uint64_t)1 << bits) - (low & ((1u << bits) - 1u));
}

/* aesCtr(key, counter block, bits that count, data) -> bytes */
static JSValue aes_ctr(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *key, *counter, *data, *out, block[AES_BLOCK];
    size_t key_size, counter_size, size;
    uint32_t bits;
    int32_t refused = 0;
    JSValue result;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &key, &key_size) ||
        !native_view(ctx, argv[1], &counter, &counter_size) || JS_ToUint32(ctx, &bits, argv[2]) ||
        !native_view(ctx, argv[3], &data, &size))
        return JS_EXCEPTION;
    if (counter_size != AES_BLOCK || bits == 0 || bits > 128)
        return JS_ThrowRangeError(ctx, "AES-CTR takes a counter block of 16 bytes");
    out = copy_of(ctx, data, size);
    if (!out)
        return JS_EXCEPTION;
    memcpy(block, counter, AES_BLOCK);
    for (size_t done = 0; done < size && !refused;) {
        uint64_t room = blocks_left(block, bits) * AES_BLOCK;
        size_t part = size - done < room ? size - done : (size_t)room;
        uint8_t used[AES_BLOCK];

        memcpy(used, block, AES_BLOCK);
        refused = host_aes_ctr(key, (uint32_t)key_size, used, out + done, (uint32_t)part);
        done += part;
        if (done < size) { /* went round: set the last value, then count as the caller counts */
            for (unsigned i = 0, left = bits < 32 ? bits : 32; left > 0; i++) {
                unsigned some = left < 8 ? left : 8;

                block[15 - i] |= (uint8_t)((1u << some) - 1u);
                left -= some;
            }
            count_up(block, bits);
        }
    }
    result = refused ? throw_key(ctx) : JS_NewUint8ArrayCopy(ctx, out, size);
    js_free(ctx, out);
    return result;
}

/* aesCbc(decrypt, key, iv, data) -> bytes; whole blocks, padding is the caller's */
static JSValue aes_cbc(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    bool is_decrypt = JS_ToBool(ctx, argv[0]) == 1;
    uint8_t *key, *iv, *data, *out, block[AES_BLOCK];
    size_t key_size, iv_size, size;
    JSValue result;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[1], &key, &key_size) || !native_view(ctx, argv[2], &iv, &iv_size) ||
        !native_view(ctx, argv[3], &data, &size))
        return JS_EXCEPTION;
    if (iv_size != AES_BLOCK || size % AES_BLOCK)
        return JS_ThrowRangeError(ctx, "AES-CBC takes an iv of 16 bytes and whole blocks");
    out = copy_of(ctx, data, size);
    if (!out)
        return JS_EXCEPTION;
    memcpy(block, iv, AES_BLOCK);
    result = host_aes_cbc(key, (uint32_t)key_size, block, out, (uint32_t)size, is_decrypt)
                 ? throw_key(ctx)
                 : JS_NewUint8ArrayCopy(ctx, out, size);
    js_free(ctx, out);
    return result;
}

/* --- curves --- */

/* curve(operation, key, data, out size) -> bytes, or true or false when there are none; null:
 * refused */
static JSValue curve(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *key, *data, out[OUT_MAX];
    size_t key_size, data_size;
    uint32_t operation, out_size;
    int32_t result;
    JSValue value;

    (void)this_value, (void)argc;
    if (JS_ToUint32(ctx, &operation, argv[0]) || !native_view(ctx, argv[1], &key, &key_size) ||
        !native_view(ctx, argv[2], &data, &data_size) || JS_ToUint32(ctx, &out_size, argv[3]))
        return JS_EXCEPTION;
    if (out_size > sizeof(out))
        return JS_NULL;
    result = host_curve(operation, key, (uint32_t)key_size, data, (uint32_t)data_size, out);
    if (result < 0)
        return JS_NULL;
    if (out_size == 0)
        return JS_NewBool(ctx, result == 1);
    value = JS_NewUint8ArrayCopy(ctx, out, out_size);
    wipe(out, sizeof(out));
    return value;
}

/* bytesEqual(a, b): in a time that depends on the sizes only */
static JSValue bytes_equal(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    uint8_t *a, *b;
    size_t a_size, b_size;

    (void)this_value, (void)argc;
    if (!native_view(ctx, argv[0], &a, &a_size) || !native_view(ctx, argv[1], &b, &b_size))
        return JS_EXCEPTION;
    return JS_NewBool(ctx, a_size == b_size && is_equal(a, b, a_size));
}

int crypto_add_natives(JSContext *ctx, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("hashInit", 1, hash_init),     JS_CFUNC_DEF("hmacInit", 2, hmac_init),
        JS_CFUNC_DEF("hashUpdate", 2, hash_update), JS_CFUNC_DEF("hashFinal", 1, hash_final),
        JS_CFUNC_DEF("digest", 2, digest_bytes),    JS_CFUNC_DEF("pbkdf2", 5, pbkdf2),
        JS_CFUNC_DEF("aesGcm", 6, aes_gcm),         JS_CFUNC_DEF("aesCtr", 4, aes_ctr),
        JS_CFUNC_DEF("aesCbc", 4, aes_cbc),         JS_CFUNC_DEF("curve", 4, curve),
        JS_CFUNC_DEF("bytesEqual", 2, bytes_equal),
    };

    return JS_SetPropertyFunctionList(ctx, native, functions,
                                      (int)(sizeof(functions) / sizeof(*functions)));
}
