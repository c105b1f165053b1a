// ohttp.js - what carries a sealed request and its answer: Oblivious HTTP (RFC 9458), chunked
// Oblivious HTTP (draft-ietf-ohai-chunked-ohttp), and the sessions of TFaaS (common/session.h). An
// exchange is one request and its response.

import { Cursor, concat, u16, u64, utf8, varint } from "./bytes.js";
import { AES_256_GCM, CHACHA20_POLY1305, aead, aeadKeySize, hkdfExpand, hkdfExtract, random }
    from "./crypto.js";
import { Malformed, TfaasError, malformedIs } from "./errors.js";
import { KDF_SHA256, KEM_X25519, counterNonce, setupSender } from "./hpke.js";
import { ByteReader } from "./streams.js";

export const WHOLE_MAX = 1 << 20; // bytes of a message that is sealed in one piece
export const CHUNK_MAX = 16384; // plaintext bytes of one chunk
const TAG = 16;
const FINAL = utf8("final"), EMPTY = new Uint8Array(0);
const ZERO_NONCE = new Uint8Array(12);

// --- key configurations (RFC 9458 section 3.1) ---

/** One configuration: { id, publicKey, aeads } (those with HKDF-SHA256). */
export function readKeyConfiguration(bytes) {
    const c = new Cursor(bytes, (what) => new Malformed(`key configuration: ${what}`));
    const id = c.u8(), kem = c.be(2);
    if (kem !== KEM_X25519) throw new Malformed(`key configuration: KEM ${kem}`);
    const publicKey = c.take(32);
    const size = c.be(2);
    if (size === 0 || size % 4 !== 0 || size !== c.left) throw new Malformed("key configuration: malformed suites");
    const aeads = [];
    while (c.left > 0) {
        const kdf = c.be(2), id = c.be(2);
        if (kdf === KDF_SHA256 && aeadKeySize(id)) aeads.push(id);
    }
    return { id, publicKey, aeads };
}

/** The one that engines do themselves, before the one that needs @noble/ciphers. */
export function chooseAead({ aeads }) {
    const chosen = [AES_256_GCM, CHACHA20_POLY1305].find((id) => aeads.includes(id));
    if (!chosen) throw new Malformed("key configuration: no AEAD that this client knows");
    return chosen;
}

// --- chunks ---

const framed = (sealed, final) => concat(varint(final ? 0 : sealed.length), sealed);

/** However it ends, the source is let go. */
async function* reading(source, run) {
    const reader = new ByteReader(source);
    try {
        yield* run(reader);
    } finally {
        await reader.cancel();
    }
}

const authentic = (opened) => malformedIs("response_not_authentic", () => opened);

/** Opens chunks from `reader`; yields plaintext. Ends only after the final chunk has opened. */
async function* openChunks(reader, open) {
    for (;;) {
        if (!(await reader.has(1))) throw new TfaasError("response_truncated");
        const size = await varintOrTruncated(reader);
        const final = size === 0;
        if (size > CHUNK_MAX + TAG) throw new TfaasError("response_form", "a chunk is too large");
        if (!final && !(await reader.has(size))) throw new TfaasError("response_truncated");
        const sealed = final ? await reader.rest(CHUNK_MAX + TAG) : await reader.take(size);
        if (!sealed) throw new TfaasError("response_form", "a chunk is too large");
        const plain = await authentic(open(sealed, final ? FINAL : EMPTY)); // a cut in the final one looks so too
        if (!final && plain.length === 0) throw new TfaasError("response_form", "an empty chunk");
        if (plain.length > 0) yield plain;
        if (final) return;
    }
}

const varintOrTruncated = (reader) => malformedIs("response_truncated", () => reader.varint());

async function takeNonce(reader, size) {
    if (!(await reader.has(size))) throw new TfaasError("response_truncated");
    return reader.take(size);
}

// --- Oblivious HTTP ---

async function begin(config, aeadId, label, pair) {
    const header = concat(Uint8Array.of(config.id), u16(KEM_X25519), u16(KDF_SHA256), u16(aeadId));
    const info = concat(utf8(label), Uint8Array.of(0), header);
    const context = await setupSender(config.publicKey, info, aeadId, pair);
    return { context, head: concat(header, context.enc) };
}

/** RFC 9458 section 4.4, up to the key and the nonce. */
async function responseKeys(context, label, nonce) {
    const size = aeadKeySize(context.aead);
    const secret = await context.exportSecret(label, Math.max(12, size));
    const prk = await hkdfExtract(concat(context.enc, nonce), secret);
    const [key, base] = await Promise.all([hkdfExpand(prk, utf8("key"), size), hkdfExpand(prk, utf8("nonce"), 12)]);
    return { cipher: await aead(context.aead, key), base };
}

const nonceSize = (context) => Math.max(12, aeadKeySize(context.aead));

/** message/ohttp-req. `pair`: an ephemeral pair, for test vectors only. */
export async function wholeExchange(config, aeadId, pair) {
    const { context, head } = await begin(config, aeadId, "message/bhttp request", pair);
    return {
        requestType: "message/ohttp-req",
        responseType: "message/ohttp-res",
        sealAll: async (plain) => {
            if (plain.length > WHOLE_MAX) throw new TfaasError("request_too_large");
            return concat(head, await context.seal(EMPTY, plain));
        },
        async *open(source) {
            yield* reading(source, async function* (reader) {
                const nonce = await takeNonce(reader, nonceSize(context));
                const sealed = await reader.rest(WHOLE_MAX + TAG);
                if (!sealed) throw new TfaasError("response_too_large");
                const { cipher, base } = await responseKeys(context, "message/bhttp response", nonce);
                yield await authentic(cipher.open(base, EMPTY, sealed));
            });
        },
        exportSecret: (label, size) => context.exportSecret(label, size),
        aead: aeadId,
    };
}

/** message/ohttp-chunked-req. */
export async function chunkedExchange(config, aeadId, pair) {
    const { context, head } = await begin(config, aeadId, "message/bhttp chunked request", pair);
    return {
        requestType: "message/ohttp-chunked-req",
        responseType: "message/ohttp-chunked-res",
        ...chunkSender(head, async (plain, aad) => context.seal(aad, plain)),
        async *open(source) {
            yield* reading(source, async function* (reader) {
                const nonce = await takeNonce(reader, nonceSize(context));
                const { cipher, base } = await responseKeys(context, "message/bhttp chunked response", nonce);
                let number = 0;
                yield* openChunks(reader, (sealed, aad) => cipher.open(counterNonce(base, number++), aad, sealed));
            });
        },
        exportSecret: (label, size) => context.exportSecret(label, size),
        aead: aeadId,
    };
}

/** application/vnd.tfaas.session-req. `sequence` is never used twice; `nonce`: for test vectors only. */
export async function sessionExchange(session, sequence, nonce = random(16)) {
    const head = concat(session.id, u64(sequence), nonce);
    const size = aeadKeySize(session.aead);
    const key = await hkdfExpand(session.secret, concat(utf8("tfaas session request"), head), size);
    const cipher = await aead(session.aead, key);
    let sent = 0;
    return {
        requestType: "application/vnd.tfaas.session-req",
        responseType: "application/vnd.tfaas.session-res",
        ...chunkSender(head, async (plain, aad) => cipher.seal(counterNonce(ZERO_NONCE, sent++), aad, plain)),
        async *open(source) {
            yield* reading(source, async function* (reader) {
                const answer = await takeNonce(reader, 16);
                const info = concat(utf8("tfaas session response"), head, answer);
                const opener = await aead(session.aead, await hkdfExpand(session.secret, info, size));
                let number = 0;
                yield* openChunks(reader, (sealed, aad) =>
                    opener.open(counterNonce(ZERO_NONCE, number++), aad, sealed));
            });
        },
    };
}

/** Two ways to send: all at once, or plaintext pieces as an async generator of sealed bytes. */
function chunkSender(head, seal) {
    const sealPieces = async (...pieces) => {
        const parts = [head], last = pieces.length - 1;
        for (const [i, piece] of pieces.entries())
            parts.push(framed(await seal(piece, i === last ? FINAL : EMPTY), i === last));
        return concat(...parts);
    };
    return {
        sealPieces,
        sealAll(plain) {
            const count = Math.max(1, Math.ceil(plain.length / CHUNK_MAX));
            return sealPieces(...Array.from({ length: count },
                                            (_, i) => plain.subarray(i * CHUNK_MAX, (i + 1) * CHUNK_MAX)));
        },
        async *sealStream(pieces) {
            yield head;
            for await (const piece of pieces)
                for (let at = 0; at < piece.length; at += CHUNK_MAX)
                    yield framed(await seal(piece.subarray(at, at + CHUNK_MAX), EMPTY), false);
            yield framed(await seal(EMPTY, FINAL), true);
        },
    };
}
