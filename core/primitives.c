/*
 * primitives.c - see primitives.h. Hashes, AES and GHASH: bulk work, in pieces between which other
 * invocations get their turn. Must never keep anything of a guest: every context is wiped.
 */
#include "primitives.h"
#include "sha256.h"
#include <bearssl.h>
#include <string.h>

#define STATE_MAX 64u /* bytes of a chaining value */
#define BLOCK_MAX 128u
#define AES_BLOCK 16u

static const struct hash {
    uint8_t state, digest, block; /* sizes in bytes */
} hashes[HASH_COUNT] = {
    [HASH_MD5] = {16, 16, 64},     [HASH_SHA1] = {20, 20, 64},    [HASH_SHA256] = {32, 32, 64},
    [HASH_SHA384] = {64, 48, 128}, [HASH_SHA512] = {64, 64, 128},
};

/* Between two pieces: false when the run must stop. */
static bool others_turn(run_t *run, memory_t *memory)
{
    int stopped = invocation_sleep(run, 0);
    memory->refresh(memory);
    return stopped >= 0;
}

/* --- hashes --- */

static void swap_words(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, 4);
        word = __builtin_bswap32(word);
        memcpy(bytes + i, &word, 4);
    }
}

static void sha1_blocks(uint8_t *state, const uint8_t *data, size_t size)
{
    br_sha1_context context;
    br_sha1_init(&context);
    swap_words(state, 20);
    br_sha1_set_state(&context, state, 0);
    br_sha1_update(&context, data, size);
    (void)br_sha1_state(&context, state);
    swap_words(state, 20);
    sodium_memzero(&context, sizeof(context));
}

static void md5_blocks(uint8_t *state, const uint8_t *data, size_t size)
{
    br_md5_context context;
    br_md5_init(&context);
    br_md5_set_state(&context, state, 0);
    br_md5_update(&context, data, size);
    (void)br_md5_state(&context, state);
    sodium_memzero(&context, sizeof(context));
}

static void sha256_blocks(uint8_t *state, const uint8_t *data, size_t size)
{
    crypto_hash_sha256_state context;
    memset(&context, 0, sizeof(context));
    memcpy(context.state, state, sizeof(context.state));
    sha256_update(&context, data, size);
    memcpy(state, context.state, sizeof(context.state));
    sodium_memzero(&context, sizeof(context));
}

static void sha512_blocks(uint8_t *state, const uint8_t *data, size_t size)
{
    crypto_hash_sha512_state context;
    memset(&context, 0, sizeof(context));
    memcpy(context.state, state, sizeof(context.state));
    (void)crypto_hash_sha512_update(&context, data, size);
    memcpy(state, context.state, sizeof(context.state));
    sodium_memzero(&context, sizeof(context));
}

static void blocks(uint32_t hash, uint8_t *state, const uint8_t *data, size_t size)
{
    switch (hash) {
    case HASH_MD5:
        md5_blocks(state, data, size);
        break;
    case HASH_SHA1:
        sha1_blocks(state, data, size);
        break;
    case HASH_SHA256:
        sha256_blocks(state, data, size);
        break;
    default:
        sha512_blocks(state, data, size);
    }
}

int32_t primitive_hash_blocks(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t hash = arg32(args, 0), state_at = arg32(args, 1), at = arg32(args, 2);
    uint64_t count = arg32(args, 3);
    if (hash >= HASH_COUNT)
        return -E_INVAL;
    uint64_t size = count * hashes[hash].block;
    if (!guest_at(memory, state_at, hashes[hash].state) || !guest_at(memory, at, size))
        return -E_FAULT;
    run->work += count * HASH_BLOCK_WORK;
    for (uint64_t done = 0; done < size;) {
        uint64_t part = size - done < PRIMITIVE_PIECE ? size - done : PRIMITIVE_PIECE;
        uint8_t *state = guest_at(memory, state_at, hashes[hash].state);
        const uint8_t *from = guest_at(memory, at + done, part);
        if (!state || !from)
            return -E_FAULT;
        uint8_t copy[STATE_MAX]; /* the guest may have put its state among the data */
        memcpy(copy, state, hashes[hash].state);
        blocks(hash, copy, from, part);
        memcpy(state, copy, hashes[hash].state);
        sodium_memzero(copy, sizeof(copy));
        done += part;
        if (done < size && !others_turn(run, memory))
            return -E_CANCELED;
    }
    return 0;
}

/* The bytes of a digest out of a chaining value. */
static void put_digest(uint32_t hash, const uint8_t *state, uint8_t *to)
{
    unsigned word = hash == HASH_SHA384 || hash == HASH_SHA512 ? 8 : 4;
    for (unsigned i = 0; i < hashes[hash].digest; i++)
        to[i] = state[hash == HASH_MD5 ? i : (i & ~(word - 1)) | (word - 1 - (i & (word - 1)))];
}

/* A message of one digest's size behind one block: what both halves of HMAC hash in a round. */
static void hash_digest(uint32_t hash, const uint8_t *start, const uint8_t *message, uint8_t *to)
{
    const struct hash *kind = &hashes[hash];
    uint8_t state[STATE_MAX], block[BLOCK_MAX] = {0};
    uint64_t bits = 8u * ((uint64_t)kind->block + kind->digest);
    memcpy(state, start, kind->state);
    memcpy(block, message, kind->digest);
    block[kind->digest] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        block[kind->block - 8u + i] = (uint8_t)(bits >> (hash == HASH_MD5 ? 8 * i : 56 - 8 * i));
    blocks(hash, state, block, kind->block);
    put_digest(hash, state, to);
    sodium_memzero(state, sizeof(state));
    sodium_memzero(block, sizeof(block));
}

int32_t primitive_hmac_rounds(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t hash = arg32(args, 0), states_at = arg32(args, 1), at = arg32(args, 2);
    uint32_t count = arg32(args, 3);
    if (hash >= HASH_COUNT || count > PRIMITIVE_ROUNDS)
        return -E_INVAL;
    const struct hash *kind = &hashes[hash];
    uint8_t states[2 * STATE_MAX], values[2 * STATE_MAX];
    const uint8_t *from = guest_at(memory, states_at, 2u * kind->state);
    uint8_t *u_t = guest_at(memory, at, 2u * kind->digest);
    if (!from || !u_t)
        return -E_FAULT;
    memcpy(states, from, 2u * kind->state);
    memcpy(values, u_t, 2u * kind->digest);
    run->work += (uint64_t)count * 2u * HASH_BLOCK_WORK;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t inner[STATE_MAX];
        hash_digest(hash, states, values, inner);
        hash_digest(hash, states + kind->state, inner, values);
        for (unsigned k = 0; k < kind->digest; k++)
            values[kind->digest + k] ^= values[k];
    }
    memcpy(u_t, values, 2u * kind->digest);
    sodium_memzero(states, sizeof(states));
    sodium_memzero(values, sizeof(values));
    return 0;
}

/* --- AES and GHASH: the processor's instructions, or code without tables --- */

/* Asked once: under a hypervisor each question costs as much as many blocks. */
static const struct ciphers {
    const br_block_ctr_class *ctr;
    const br_block_cbcenc_class *encrypt;
    const br_block_cbcdec_class *decrypt;
    br_ghash ghash;
} * ciphers(void)
{
    static struct ciphers known;
    if (!known.ghash) {
        known.ctr = br_aes_x86ni_ctr_get_vtable();
        known.encrypt = br_aes_x86ni_cbcenc_get_vtable();
        known.decrypt = br_aes_x86ni_cbcdec_get_vtable();
        known.ctr = known.ctr ? known.ctr : &br_aes_ct64_ctr_vtable;
        known.encrypt = known.encrypt ? known.encrypt : &br_aes_ct64_cbcenc_vtable;
        known.decrypt = known.decrypt ? known.decrypt : &br_aes_ct64_cbcdec_vtable;
        known.ghash = br_ghash_pclmul_get();
        known.ghash = known.ghash ? known.ghash : br_ghash_ctmul64;
    }
    return &known;
}

union aes_keys {
    br_aes_gen_ctr_keys ctr;
    br_aes_gen_cbcenc_keys encrypt;
    br_aes_gen_cbcdec_keys decrypt;
};

enum aes_mode { AES_CTR, AES_CBC_ENCRYPT, AES_CBC_DECRYPT };

static void aes_schedule(union aes_keys *keys, enum aes_mode mode, const uint8_t *key, size_t size)
{
    if (mode == AES_CTR)
        ciphers()->ctr->init(&keys->ctr.vtable, key, size);
    else if (mode == AES_CBC_ENCRYPT)
        ciphers()->encrypt->init(&keys->encrypt.vtable, key, size);
    else
        ciphers()->decrypt->init(&keys->decrypt.vtable, key, size);
}

static void aes_piece(const union aes_keys *keys, enum aes_mode mode, uint8_t block[AES_BLOCK],
                      uint8_t *data, size_t size)
{
    if (mode == AES_CTR) {
        uint32_t count;
        memcpy(&count, block + 12, 4);
        count = __builtin_bswap32(count);
        count = __builtin_bswap32(ciphers()->ctr->run(&keys->ctr.vtable, block, count, data, size));
        memcpy(block + 12, &count, 4);
    } else if (mode == AES_CBC_ENCRYPT) {
        ciphers()->encrypt->run(&keys->encrypt.vtable, block, data, size);
    } else {
        ciphers()->decrypt->run(&keys->decrypt.vtable, block, data, size);
    }
}

static int32_t aes(run_t *run, memory_t *memory, const uint64_t *args, enum aes_mode mode)
{
    uint32_t key_size = arg32(args, 1), block_at = arg32(args, 2), at = arg32(args, 3);
    uint32_t size = arg32(args, 4);
    const uint8_t *key = guest_at(memory, arg32(args, 0), key_size);
    if (key_size != 16 && key_size != 24 && key_size != 32)
        return -E_INVAL;
    if (mode != AES_CTR && size % AES_BLOCK)
        return -E_INVAL;
    if (!key || !guest_at(memory, block_at, AES_BLOCK) || !guest_at(memory, at, size))
        return -E_FAULT;
    run->work += size / CIPHER_BYTES_WORK;
    union aes_keys keys;
    aes_schedule(&keys, mode, key, key_size);
    int32_t result = 0;
    for (uint32_t done = 0; done < size && result == 0;) {
        uint32_t part = size - done < PRIMITIVE_PIECE ? size - done : PRIMITIVE_PIECE;
        uint8_t *data = guest_at(memory, (uint64_t)at + done, part), block[AES_BLOCK];
        uint8_t *shown = guest_at(memory, block_at, AES_BLOCK);
        if (!data || !shown) {
            result = -E_FAULT;
            break;
        }
        memcpy(block, shown, AES_BLOCK); /* may lie among the data */
        aes_piece(&keys, mode, block, data, part);
        memcpy(shown, block, AES_BLOCK);
        done += part;
        if (done < size && !others_turn(run, memory))
            result = -E_CANCELED;
    }
    sodium_memzero(&keys, sizeof(keys));
    return result;
}

int32_t primitive_aes_ctr(run_t *run, memory_t *memory, const uint64_t *args)
{
    return aes(run, memory, args, AES_CTR);
}

int32_t primitive_aes_cbc(run_t *run, memory_t *memory, const uint64_t *args)
{
    return aes(run, memory, args, arg32(args, 5) ? AES_CBC_DECRYPT : AES_CBC_ENCRYPT);
}

int32_t primitive_ghash(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t y_at = arg32(args, 0), at = arg32(args, 2), size = arg32(args, 3);
    const uint8_t *from = guest_at(memory, arg32(args, 1), AES_BLOCK);
    uint8_t h[AES_BLOCK], y[AES_BLOCK];
    if (!from || !guest_at(memory, y_at, AES_BLOCK) || !guest_at(memory, at, size))
        return -E_FAULT;
    memcpy(h, from, sizeof(h));
    memcpy(y, guest_at(memory, y_at, AES_BLOCK), sizeof(y));
    run->work += size / CIPHER_BYTES_WORK;
    int32_t result = 0;
    for (uint32_t done = 0; done < size && result == 0;) {
        uint32_t part = size - done < PRIMITIVE_PIECE ? size - done : PRIMITIVE_PIECE;
        const uint8_t *data = guest_at(memory, (uint64_t)at + done, part);
        if (!data) {
            result = -E_FAULT;
            break;
        }
        ciphers()->ghash(y, h, data, part);
        done += part;
        if (done < size && !others_turn(run, memory))
            result = -E_CANCELED;
    }
    uint8_t *to = guest_at(memory, y_at, AES_BLOCK);
    if (to && result == 0)
        memcpy(to, y, sizeof(y));
    sodium_memzero(h, sizeof(h));
    sodium_memzero(y, sizeof(y));
    return to ? result : -E_FAULT;
}
