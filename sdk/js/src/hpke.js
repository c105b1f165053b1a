// hpke.js - HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256 only.

import { concat, u16, u64, utf8 } from "./bytes.js";
import { aead, aeadKeySize, hkdfExpand, hkdfExtract, x25519 } from "./crypto.js";
import { Malformed } from "./errors.js";

export const KEM_X25519 = 0x0020, KDF_SHA256 = 0x0001;

const VERSION = utf8("HPKE-v1");
const KEM_SUITE = concat(utf8("KEM"), u16(KEM_X25519));
const EMPTY = new Uint8Array(0);

const extract = (suite, salt, label, ikm) => hkdfExtract(salt, concat(VERSION, suite, utf8(label), ikm));
const expand = (suite, prk, label, info, size) =>
    hkdfExpand(prk, concat(u16(size), VERSION, suite, utf8(label), info), size);

async function schedule(dh, enc, receiver, aeadId, info) {
    const prk = await extract(KEM_SUITE, EMPTY, "eae_prk", dh);
    const secret = await expand(KEM_SUITE, prk, "shared_secret", concat(enc, receiver), 32);
    const suite = concat(utf8("HPKE"), u16(KEM_X25519), u16(KDF_SHA256), u16(aeadId));
    const context = concat(Uint8Array.of(0), await extract(suite, EMPTY, "psk_id_hash", EMPTY),
                           await extract(suite, EMPTY, "info_hash", info));
    const base = await extract(suite, secret, "secret", EMPTY);
    const keySize = aeadKeySize(aeadId);
    if (!keySize) throw new Malformed(`AEAD ${aeadId} is not known`);
    const [key, nonce, exporter] = await Promise.all([
        expand(suite, base, "key", context, keySize),
        expand(suite, base, "base_nonce", context, 12),
        expand(suite, base, "exp", context, 32),
    ]);
    return new Context(suite, aeadId, await aead(aeadId, key), nonce, exporter, enc);
}

export class Context {
    #suite;
    #cipher;
    #nonce;
    #exporter;
    #sequence = 0;

    constructor(suite, aeadId, cipher, nonce, exporter, enc) {
        this.#suite = suite;
        this.#cipher = cipher;
        this.#nonce = nonce;
        this.#exporter = exporter;
        this.aead = aeadId;
        this.enc = enc;
    }

    seal(aad, plain) {
        return this.#cipher.seal(counterNonce(this.#nonce, this.#sequence++), aad, plain);
    }

    async open(aad, sealed) {
        const plain = await this.#cipher.open(counterNonce(this.#nonce, this.#sequence), aad, sealed);
        this.#sequence++;
        return plain;
    }

    exportSecret(label, size) {
        return expand(this.#suite, this.#exporter, "sec", typeof label === "string" ? utf8(label) : label, size);
    }
}

/** base XOR number, 12 bytes. */
export function counterNonce(base, number) {
    const to = base.slice();
    u64(number).forEach((byte, i) => (to[4 + i] ^= byte));
    return to;
}

/** SetupBaseS. `pair` is for test vectors only: a pair that is used twice breaks both messages. */
export async function setupSender(receiver, info, aeadId, pair) {
    if (receiver.length !== 32) throw new Malformed("a public key has another size");
    const ephemeral = pair ?? (await x25519());
    return schedule(await ephemeral.agree(receiver), ephemeral.publicKey, receiver, aeadId, info);
}

/** SetupBaseR; `pair` of x25519(secret). */
export async function setupReceiver(pair, enc, info, aeadId) {
    if (enc.length !== 32) throw new Malformed("enc has another size");
    return schedule(await pair.agree(enc), enc, pair.publicKey, aeadId, info);
}
