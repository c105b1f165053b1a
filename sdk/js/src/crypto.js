// crypto.js - primitives: WebCrypto, and where an engine lacks one (Ed25519 and X25519 before
// Chromium 137; ChaCha20-Poly1305 everywhere) the same from @noble/curves and @noble/ciphers, which
// are loaded only then.

import { bytesOf, concat, isZero, unhex } from "./bytes.js";
import { Malformed, TfaasError } from "./errors.js";

const { subtle } = globalThis.crypto;

export const random = (size) => globalThis.crypto.getRandomValues(new Uint8Array(size));

const digest = async (name, parts) =>
    new Uint8Array(await subtle.digest(name, parts.length === 1 ? parts[0] : concat(...parts)));
export const sha256 = (...parts) => digest("SHA-256", parts);
export const sha384 = (...parts) => digest("SHA-384", parts);
export const sha512 = (...parts) => digest("SHA-512", parts);

// --- HKDF-SHA256 (RFC 5869) ---

const HMAC = { name: "HMAC", hash: "SHA-256" };
const EMPTY_KEY = new Uint8Array(32); // HMAC pads keys with zeros; engines refuse an empty one

async function hmac(key, message) {
    const imported = await subtle.importKey("raw", key.length ? key : EMPTY_KEY, HMAC, false, ["sign"]);
    return new Uint8Array(await subtle.sign("HMAC", imported, message));
}

export const hkdfExtract = (salt, ikm) => hmac(salt, ikm);

export async function hkdfExpand(prk, info, size) {
    const to = new Uint8Array(size);
    let block = new Uint8Array(0);
    for (let at = 0, i = 1; at < size; at += 32, i++) {
        block = await hmac(prk, concat(block, info, Uint8Array.of(i)));
        to.set(block.subarray(0, Math.min(32, size - at)), at);
    }
    return to;
}

// --- curves ---

async function lacking(name, load) {
    try {
        return await load();
    } catch (cause) {
        throw new TfaasError("engine_lacks", `this engine lacks ${name}, and its replacement could not be loaded`,
                             { cause });
    }
}

const noble = () => lacking("Ed25519 or X25519", () => import("@noble/curves/ed25519.js"));

/** Does the engine do `algorithm`? Asked once each; `without` is for tests. */
const native = new Map();
export const without = new Set();

async function has(algorithm) {
    if (without.has(algorithm)) return false;
    if (!native.has(algorithm))
        native.set(algorithm, subtle.importKey("raw", basePoint[algorithm], algorithm, false,
                                               algorithm === "Ed25519" ? ["verify"] : [])
            .then(() => true, () => false));
    return native.get(algorithm);
}

const basePoint = {
    Ed25519: unhex("58" + "66".repeat(31)),
    X25519: unhex("09" + "00".repeat(31)),
};

export async function ed25519Verify(key, signature, message) {
    if (key.length !== 32 || signature.length !== 64) return false;
    try {
        if (await has("Ed25519")) {
            const imported = await subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
            return await subtle.verify("Ed25519", imported, signature, message);
        }
        const { ed25519 } = await noble();
        return ed25519.verify(signature, message, key, { zip215: false });
    } catch (error) {
        if (error instanceof TfaasError) throw error;
        return false; // not a point
    }
}

const PKCS8_X25519 = unhex("302e020100300506032b656e04220420");

/** A key pair: { publicKey, agree(peer) }. `secret` (32 bytes): that of a given pair. */
export async function x25519(secret) {
    if (!(await has("X25519"))) {
        const curve = (await noble()).x25519;
        const own = secret ?? random(32);
        return {
            publicKey: curve.getPublicKey(own),
            agree: async (peer) => shared(() => curve.getSharedSecret(own, peer)),
        };
    }
    let privateKey, publicKey;
    if (secret) {
        privateKey = await subtle.importKey("pkcs8", concat(PKCS8_X25519, secret), "X25519", true, ["deriveBits"]);
        publicKey = new Uint8Array(await derive(privateKey, basePoint.X25519));
    } else {
        const pair = await subtle.generateKey("X25519", false, ["deriveBits"]);
        privateKey = pair.privateKey;
        publicKey = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
    }
    return { publicKey, agree: (peer) => shared(() => derive(privateKey, peer)) };
}

async function derive(privateKey, peer) {
    const key = await subtle.importKey("raw", peer, "X25519", false, []);
    return subtle.deriveBits({ name: "X25519", public: key }, privateKey, 256);
}

/** A secret of a point of low order is all zeros: refused (RFC 7748 section 6.1). */
async function shared(make) {
    let secret;
    try {
        secret = bytesOf(await make());
    } catch {
        secret = new Uint8Array(32);
    }
    if (isZero(secret)) throw new Malformed("a public key of low order");
    return secret;
}

// --- signatures of hardware vendors ---

const EC = { "P-256": ["SHA-256", 32], "P-384": ["SHA-384", 48] };

/** `key`: CryptoKey of ecKey(); signature r || s, big-endian. */
export async function ecdsaVerify(key, signature, message) {
    const [hash, size] = EC[key.algorithm.namedCurve];
    if (signature.length !== 2 * size) return false;
    return subtle.verify({ name: "ECDSA", hash }, key, signature, message);
}

/** From a SubjectPublicKeyInfo, or from the point x || y. Rejects what is not on the curve. */
export function ecKey(curve, spkiOrPoint) {
    const raw = spkiOrPoint.length === 2 * EC[curve][1];
    return subtle.importKey(raw ? "raw" : "spki", raw ? concat(Uint8Array.of(4), spkiOrPoint) : spkiOrPoint,
                            { name: "ECDSA", namedCurve: curve }, false, ["verify"]);
}

export const rsaPssKey = (spki) =>
    subtle.importKey("spki", spki, { name: "RSA-PSS", hash: "SHA-384" }, false, ["verify"]);
export const rsaPssVerify = (key, signature, message) =>
    subtle.verify({ name: "RSA-PSS", saltLength: 48 }, key, signature, message);

// --- AEADs (RFC 9180 table 5): both have Nn 12, Nt 16 ---

export const AES_128_GCM = 1, AES_256_GCM = 2, CHACHA20_POLY1305 = 3;
export const aeadKeySize = (id) => ({ [AES_128_GCM]: 16, [AES_256_GCM]: 32, [CHACHA20_POLY1305]: 32 })[id];

/** { seal(nonce, aad, plain), open(nonce, aad, sealed) }; open throws Malformed. */
export async function aead(id, keyBytes) {
    const refuse = () => new Malformed("sealed bytes do not open");
    if (id === CHACHA20_POLY1305) {
        const { chacha20poly1305 } = await lacking("ChaCha20-Poly1305", () => import("@noble/ciphers/chacha.js"));
        return {
            seal: async (nonce, aad, plain) => chacha20poly1305(keyBytes, nonce, aad).encrypt(plain),
            open: async (nonce, aad, sealed) => {
                try {
                    return chacha20poly1305(keyBytes, nonce, aad).decrypt(sealed);
                } catch {
                    throw refuse();
                }
            },
        };
    }
    if (id !== AES_128_GCM && id !== AES_256_GCM) throw new Malformed(`AEAD ${id} is not known`);
    const key = await subtle.importKey("raw", keyBytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    const parameters = (iv, additionalData) => ({ name: "AES-GCM", iv, additionalData, tagLength: 128 });
    return {
        seal: async (nonce, aad, plain) => new Uint8Array(await subtle.encrypt(parameters(nonce, aad), key, plain)),
        open: async (nonce, aad, sealed) => {
            try {
                return new Uint8Array(await subtle.decrypt(parameters(nonce, aad), key, sealed));
            } catch {
                throw refuse();
            }
        },
    };
}

// --- SHA-256 in pieces (FIPS 180-4): WebCrypto hashes whole messages only ---

const K = Uint32Array.from(
    ("428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5 d807aa98 12835b01 243185be 550c7dc3 " +
     "72be5d74 80deb1fe 9bdc06a7 c19bf174 e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da " +
     "983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967 27b70a85 2e1b2138 4d2c6dfc 53380d13 " +
     "650a7354 766a0abb 81c2c92e 92722c85 a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070 " +
     "19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3 748f82ee 78a5636f 84c87814 8cc70208 " +
     "90befffa a4506ceb bef9a3f7 c67178f2").split(" "), (word) => parseInt(word, 16));

export class Sha256 {
    #state = Uint32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                            0x5be0cd19);
    #words = new Uint32Array(64);
    #block = new Uint8Array(64);
    #held = 0;
    #size = 0;

    update(bytes) {
        this.#size += bytes.length;
        let at = 0;
        while (at < bytes.length) {
            const part = bytes.subarray(at, at + 64 - this.#held);
            this.#block.set(part, this.#held);
            this.#held += part.length;
            at += part.length;
            if (this.#held === 64) this.#mix();
        }
        return this;
    }

    digest() {
        const bits = BigInt(this.#size) * 8n;
        const padding = new Uint8Array(((this.#held < 56 ? 56 : 120) - this.#held) + 8);
        padding[0] = 0x80;
        new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
        this.update(padding);
        const to = new Uint8Array(32);
        this.#state.forEach((word, i) => new DataView(to.buffer).setUint32(4 * i, word));
        return to;
    }

    #mix() {
        const w = this.#words;
        const view = new DataView(this.#block.buffer);
        const turn = (x, n) => (x >>> n) | (x << (32 - n));
        for (let i = 0; i < 16; i++) w[i] = view.getUint32(4 * i);
        for (let i = 16; i < 64; i++) {
            const a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) +
                (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
        }
        let [a, b, c, d, e, f, g, h] = this.#state;
        for (let i = 0; i < 64; i++) {
            const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
            const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
            h = g, g = f, f = e, e = (d + one) | 0, d = c, c = b, b = a, a = (one + two) | 0;
        }
        [a, b, c, d, e, f, g, h].forEach((word, i) => (this.#state[i] += word));
        this.#held = 0;
    }
}
