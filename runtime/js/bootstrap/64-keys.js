// Keys and what is done with them, for crypto.subtle and for node's crypto: DER, curves, RSA.
// Bytes are Uint8Arrays. A key is { kind: 'EC' | 'OKP' | 'RSA', curve, public parts, private parts }.
((native, internals) => {
    const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'];
    const HASH_SIZE = { md5: 16, sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 };
    const BLOCK_SIZE = { md5: 64, sha1: 64, sha224: 64, sha256: 64, sha384: 128, sha512: 128 };
    const hashId = (name) => {
        const id = HASHES.indexOf(name);
        if (id < 0) throw new TypeError(`unknown hash "${name}"`);
        return id;
    };
    const digest = (hash, bytes) => native.digest(hashId(hash), bytes);
    const hmac = (hash, key, ...parts) => {
        const state = native.hmacInit(hashId(hash), key);
        for (const part of parts) native.hashUpdate(state, part);
        return native.hashFinal(state);
    };
    const hkdf = (hash, key, salt, info, size) => { // RFC 5869
        if (size > 255 * HASH_SIZE[hash]) throw new DOMException('HKDF gives at most 255 digests', 'OperationError');
        const secret = hmac(hash, salt.length ? salt : new Uint8Array(HASH_SIZE[hash]), key);
        const out = new Uint8Array(size);
        for (let at = 0, block = new Uint8Array(0), n = 1; at < size; at += block.length, n++) {
            block = hmac(hash, secret, block, info, Uint8Array.of(n));
            out.set(block.subarray(0, size - at), at);
        }
        return out;
    };

    const join = (...parts) => {
        const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
        let at = 0;
        for (const part of parts) { all.set(part, at); at += part.length; }
        return all;
    };
    const random = (size) => native.randomFill(new Uint8Array(size));
    const trim = (bytes) => { let at = 0; while (at < bytes.length - 1 && bytes[at] === 0) at++; return bytes.subarray(at); };
    const padTo = (bytes, size) => {
        const short = trim(bytes);
        if (short.length > size) throw new TypeError('a number of the key is too long');
        const out = new Uint8Array(size);
        out.set(short, size - short.length);
        return out;
    };

    // --- DER (X.690): the few types that keys use ---
    const tlv = (tag, ...parts) => {
        const body = join(...parts), n = body.length;
        return join(n < 128 ? [tag, n] : n < 256 ? [tag, 0x81, n] : [tag, 0x82, n >> 8, n & 255], body);
    };
    const sequence = (...parts) => tlv(0x30, ...parts);
    const integer = (bytes) => { const short = trim(bytes); return tlv(2, short[0] & 0x80 ? [0] : [], short); };
    class Reader {
        constructor(bytes) { this.bytes = bytes; this.at = 0; }
        get more() { return this.at < this.bytes.length; }
        peek() { return this.bytes[this.at]; }
        take(tag) {
            const { bytes } = this;
            if (bytes[this.at] !== tag) throw new TypeError(`the key's DER is malformed at byte ${this.at}`);
            let size = bytes[this.at + 1], head = 2;
            if (size > 0x80 && size < 0x84) {
                head += size - 0x80;
                size = 0;
                for (let i = 2; i < head; i++) size = size * 256 + bytes[this.at + i];
            } else if (!(size < 0x80)) throw new TypeError('the key\'s DER has a length that is not supported');
            const start = this.at + head;
            if (!(start + size <= bytes.length)) throw new TypeError('the key\'s DER is cut');
            this.at = start + size;
            return bytes.subarray(start, this.at);
        }
        into(tag) { return new Reader(this.take(tag)); }
        integer() { return trim(this.take(2)); }
        end() { if (this.more) throw new TypeError('the key\'s DER has something behind its end'); }
    }
    const hex = (bytes) => native.bytesToText(bytes, 2), unhex = (text) => native.textToBytes(text, 2);
    const OID = { EC: unhex('2a8648ce3d0201'), RSA: unhex('2a864886f70d010101'), Ed25519: unhex('2b6570'), X25519: unhex('2b656e'),
        'P-256': unhex('2a8648ce3d030107'), 'P-384': unhex('2b81040022') };
    const oidName = (bytes) => {
        const text = hex(bytes), found = Object.keys(OID).find((name) => hex(OID[name]) === text);
        if (!found) throw new DOMException(`keys of the kind with object identifier ${text} are not supported`, 'NotSupportedError');
        return found;
    };

    // --- curves (core/primitives.h) ---
    const X25519 = 0, ED_PUBLIC = 1, ED_SIGN = 2, ED_VERIFY = 3, RSA_PUBLIC = 12, RSA_PRIVATE = 13;
    const CURVES = { 'P-256': { size: 32, first: 4, order: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551' },
        'P-384': { size: 48, first: 8, order: 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973' } };
    const NONE = new Uint8Array(0);
    const BASE = Uint8Array.of(9, ...new Uint8Array(31));
    const must = (value, why) => { if (value === null) throw new TypeError(why); return value; };

    const ecPublic = (curve, scalar) => must(native.curve(CURVES[curve].first, scalar, NONE, 1 + 2 * CURVES[curve].size),
        'the private key is not between 1 and the order of the curve');
    const ecShared = (curve, scalar, point) => native.curve(CURVES[curve].first + 3, scalar, point, CURVES[curve].size);
    const ecPoint = (curve, point) => { // checks that it is one
        const { size } = CURVES[curve];
        if (point.length !== 1 + 2 * size || point[0] !== 4) throw new TypeError('the public key is not an uncompressed point');
        must(ecShared(curve, padTo(Uint8Array.of(1), size), point), `the public key is not a point of ${curve}`);
        return point;
    };
    const ecKey = (curve, scalar, point) => {
        if (!CURVES[curve]) throw new DOMException(`the curve ${curve} is not supported`, 'NotSupportedError');
        if (!scalar) return { kind: 'EC', curve, point: ecPoint(curve, point.slice()) };
        const own = padTo(scalar, CURVES[curve].size), computed = ecPublic(curve, own);
        if (point && native.bytesCompare(point, computed)) throw new TypeError('the public key does not belong to the private key');
        return { kind: 'EC', curve, point: computed, scalar: own };
    };
    const okpPublic = (curve, seed) => curve === 'Ed25519' ? native.curve(ED_PUBLIC, seed, NONE, 32) : native.curve(X25519, seed, BASE, 32);
    const okpKey = (curve, seed, point) => {
        for (const part of [seed, point]) if (part && part.length !== 32) throw new TypeError(`a key of ${curve} has 32 bytes`);
        const computed = seed && okpPublic(curve, seed);
        if (seed && point && native.bytesCompare(point, computed)) throw new TypeError('the public key does not belong to the private key');
        return { kind: 'OKP', curve, point: computed ?? point.slice(), ...(seed && { scalar: seed.slice() }) };
    };
    const RSA_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi'];
    const rsaKey = (parts) => {
        const key = { kind: 'RSA', n: trim(parts.n), e: trim(parts.e) };
        if (key.n.length < 64 || key.n.length > 512 || key.e.length > 8) throw new TypeError('an RSA key has a modulus of 512 to 4096 bits');
        if (parts.d) for (const name of RSA_PARTS) {
            if (!parts[name]) throw new TypeError('an RSA private key needs p, q, dp, dq and qi');
            key[name] = trim(parts[name]);
        }
        return key;
    };
    const isPrivate = (key) => Boolean(key.scalar ?? key.d);
    const publicOf = (key) => key.kind === 'RSA' ? { kind: 'RSA', n: key.n, e: key.e } : { kind: key.kind, curve: key.curve, point: key.point };

    // A random number in [1, order): by refusal, so that every one is as likely.
    const generate = (name) => {
        if (name === 'Ed25519' || name === 'X25519') return okpKey(name, random(32));
        if (!CURVES[name]) throw new DOMException(`the curve ${name} is not supported`, 'NotSupportedError');
        for (;;) {
            const scalar = random(CURVES[name].size);
            if (native.curve(CURVES[name].first, scalar, NONE, 1 + 2 * scalar.length)) return ecKey(name, scalar);
        }
    };

    // ECDSA takes the leftmost bits; the primitive wants the size of a known hash.
    const ecHash = (bytes) => bytes.length === 28 ? padTo(bytes, 32) : bytes;
    const ecSign = (key, hashed) => native.curve(CURVES[key.curve].first + 1, key.scalar, ecHash(hashed), 2 * CURVES[key.curve].size);
    const ecVerify = (key, hashed, signature) => signature.length === 2 * CURVES[key.curve].size &&
        native.curve(CURVES[key.curve].first + 2, join(key.point, signature), ecHash(hashed), 0) === true;
    const edSign = (key, message) => must(native.curve(ED_SIGN, join(key.scalar, key.point), message, 64), 'the message is longer than 1 MiB');
    const edVerify = (key, message, signature) => {
        if (message.length > 1 << 20) throw new TypeError('the message is longer than 1 MiB');
        return signature.length === 64 && native.curve(ED_VERIFY, join(key.point, signature), message, 0) === true;
    };
    const agree = (key, peer) => key.kind === 'EC' ? ecShared(key.curve, key.scalar, peer.point)
        : native.curve(X25519, key.scalar, peer.point, 32);

    // --- RSA (RFC 8017) ---
    const rsaPublic = (key, number) => native.curve(RSA_PUBLIC, join(key.n, key.e), number, key.n.length);
    const rsaPrivate = (key, number) => {
        const size = Math.max(key.p.length, key.q.length, key.n.length + 1 >> 1);
        return native.curve(RSA_PRIVATE, join(...['p', 'q', 'dp', 'dq', 'qi'].map((name) => padTo(key[name], size))), number, key.n.length);
    };
    const DIGEST_INFO = { md5: '3020300c06082a864886f70d020505000410', sha1: '3021300906052b0e03021a05000414',
        sha224: '302d300d06096086480165030402040500041c', sha256: '3031300d060960864801650304020105000420',
        sha384: '3041300d060960864801650304020205000430', sha512: '3051300d060960864801650304020305000440' };
    const pkcs1Pad = (key, hash, hashed) => {
        const info = join(unhex(DIGEST_INFO[hash]), hashed), gap = key.n.length - info.length - 3;
        if (gap < 8) throw new TypeError('the RSA key is too short for this hash');
        return join([0, 1], new Uint8Array(gap).fill(255), [0], info);
    };
    const xor = (a, b) => a.map((byte, i) => byte ^ b[i]);
    const mgf1 = (hash, seed, size) => {
        const parts = [];
        for (let n = 0, have = 0; have < size; n++, have += HASH_SIZE[hash])
            parts.push(digest(hash, join(seed, [n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255])));
        return join(...parts).subarray(0, size);
    };
    const emBits = (key) => key.n.length * 8 - Math.clz32(key.n[0]) + 23; // one less than the modulus has
    const pssPad = (key, hash, hashed, saltSize) => {
        const bits = emBits(key), size = bits + 7 >> 3, salt = random(saltSize), room = size - hashed.length - 1;
        if (room < saltSize + 1) throw new TypeError('the RSA key is too short for this hash and salt');
        const h = digest(hash, join(new Uint8Array(8), hashed, salt));
        const block = join(new Uint8Array(room - saltSize - 1), [1], salt), masked = xor(block, mgf1(hash, h, room));
        masked[0] &= 255 >> 8 * size - bits;
        return padTo(join(masked, h, [0xbc]), key.n.length);
    };
    const pssCheck = (key, hash, hashed, saltSize, padded) => { // saltSize < 0: any
        const bits = emBits(key), size = bits + 7 >> 3, em = padded.subarray(padded.length - size), room = size - hashed.length - 1;
        if ((padded.length > size && padded[0]) || room < Math.max(saltSize, 0) + 1 || em.at(-1) !== 0xbc || em[0] & ~(255 >> 8 * size - bits)) return false;
        const h = em.subarray(room, -1), block = xor(em.subarray(0, room), mgf1(hash, h, room));
        block[0] &= 255 >> 8 * size - bits;
        const one = block.findIndex((byte) => byte !== 0);
        if (one < 0 || block[one] !== 1 || (saltSize >= 0 && one !== room - saltSize - 1)) return false;
        return native.bytesEqual(h, digest(hash, join(new Uint8Array(8), hashed, block.subarray(one + 1))));
    };
    const rsaSign = (key, hash, hashed, saltSize) => must(rsaPrivate(key, saltSize === undefined ? pkcs1Pad(key, hash, hashed)
        : pssPad(key, hash, hashed, saltSize)), 'the RSA key is malformed');
    const rsaVerify = (key, hash, hashed, signature, saltSize) => {
        if (signature.length !== key.n.length) return false;
        const padded = rsaPublic(key, signature);
        if (!padded) return false;
        return saltSize === undefined ? native.bytesEqual(padded, pkcs1Pad(key, hash, hashed)) : pssCheck(key, hash, hashed, saltSize, padded);
    };
    const oaepSeal = (key, hash, label, message) => {
        const size = HASH_SIZE[hash], room = key.n.length - 2 * size - 2;
        if (message.length > room) throw new TypeError('the message is too long for this RSA key');
        const seed = random(size), block = join(digest(hash, label), new Uint8Array(room - message.length), [1], message);
        const masked = xor(block, mgf1(hash, seed, block.length));
        return must(rsaPublic(key, join([0], xor(seed, mgf1(hash, masked, size)), masked)), 'the RSA key is malformed');
    };
    const oaepOpen = (key, hash, label, sealed) => { // null: not for this key
        const size = HASH_SIZE[hash], em = sealed.length === key.n.length ? rsaPrivate(key, sealed) : null;
        if (!em || em.length < 2 * size + 2) return null;
        const masked = em.subarray(1 + size), seed = xor(em.subarray(1, 1 + size), mgf1(hash, masked, size));
        const block = xor(masked, mgf1(hash, seed, masked.length));
        let bad = em[0] | (native.bytesEqual(block.subarray(0, size), digest(hash, label)) ? 0 : 1), at = 0, found = 0;
        for (let i = size; i < block.length; i++) { // every byte is looked at, whatever they are
            const one = (block[i] ^ 1) - 1 >>> 31, zero = block[i] - 1 >>> 31;
            at |= i & -(one & ~found & 1);
            bad |= 1 & ~found & ~one & ~zero;
            found |= one;
        }
        return bad || !found ? null : block.slice(at + 1);
    };

    // --- forms ---
    const algorithmOf = (key) => key.kind === 'EC' ? sequence(tlv(6, OID.EC), tlv(6, OID[key.curve]))
        : key.kind === 'OKP' ? sequence(tlv(6, OID[key.curve])) : sequence(tlv(6, OID.RSA), [5, 0]);
    const rsaPublicDer = (key) => sequence(integer(key.n), integer(key.e));
    const rsaPrivateDer = (key) => sequence(...[Uint8Array.of(0), key.n, key.e, ...RSA_PARTS.map((name) => key[name])].map((part) => integer(part)));
    const sec1 = (key, curve) => sequence([2, 1, 1], tlv(4, key.scalar), curve ? tlv(0xa0, tlv(6, OID[key.curve])) : [],
        tlv(0xa1, tlv(3, [0], key.point)));
    const spki = (key) => sequence(algorithmOf(key), tlv(3, [0], key.kind === 'RSA' ? rsaPublicDer(key) : key.point));
    const pkcs8 = (key) => sequence([2, 1, 0], algorithmOf(key),
        tlv(4, key.kind === 'RSA' ? rsaPrivateDer(key) : key.kind === 'EC' ? sec1(key, false) : tlv(4, key.scalar)));
    const readAlgorithm = (reader) => {
        const name = oidName(reader.take(6));
        return name === 'EC' ? oidName(reader.take(6)) : name;
    };
    const readBits = (reader) => {
        const bits = reader.take(3);
        if (bits[0] !== 0) throw new TypeError('the key\'s DER is malformed');
        return bits.subarray(1);
    };
    const readRsaPublic = (bytes) => {
        const reader = new Reader(bytes).into(0x30);
        return rsaKey({ n: reader.integer(), e: reader.integer() });
    };
    const readRsaPrivate = (bytes) => {
        const reader = new Reader(bytes).into(0x30), parts = {};
        reader.integer();
        for (const name of ['n', 'e', ...RSA_PARTS]) parts[name] = reader.integer();
        return rsaKey(parts);
    };
    const readSec1 = (bytes, curve) => {
        const reader = new Reader(bytes).into(0x30);
        reader.integer();
        const scalar = reader.take(4);
        if (reader.more && reader.peek() === 0xa0) curve ??= oidName(reader.into(0xa0).take(6));
        const point = reader.more && reader.peek() === 0xa1 ? readBits(reader.into(0xa1)) : undefined;
        return ecKey(curve, scalar, point);
    };
    const readSpki = (bytes) => {
        const all = new Reader(bytes), reader = all.into(0x30), name = readAlgorithm(reader.into(0x30)), key = readBits(reader);
        reader.end();
        all.end();
        return name === 'RSA' ? readRsaPublic(key) : CURVES[name] ? ecKey(name, undefined, key) : okpKey(name, undefined, key);
    };
    const readPkcs8 = (bytes) => {
        const all = new Reader(bytes), reader = all.into(0x30);
        reader.integer();
        const name = readAlgorithm(reader.into(0x30)), key = reader.take(4);
        all.end();
        return name === 'RSA' ? readRsaPrivate(key) : CURVES[name] ? readSec1(key, name) : okpKey(name, new Reader(key).take(4));
    };
    const b64u = (bytes) => native.bytesToText(bytes, 1);
    const unb64u = (text, what) => {
        if (typeof text !== 'string' || !/^[\w-]+$/.test(text)) throw new TypeError(`the JWK's "${what}" is missing or malformed`);
        return native.textToBytes(text, 1);
    };
    const jwk = (key) => {
        if (key.kind === 'RSA') {
            const out = { kty: 'RSA', n: b64u(key.n), e: b64u(key.e) };
            if (key.d) for (const name of RSA_PARTS) out[name] = b64u(key[name]);
            return out;
        }
        if (key.kind === 'OKP') return { kty: 'OKP', crv: key.curve, x: b64u(key.point), ...(key.scalar && { d: b64u(key.scalar) }) };
        const { size } = CURVES[key.curve];
        return { kty: 'EC', crv: key.curve, x: b64u(key.point.subarray(1, 1 + size)), y: b64u(key.point.subarray(1 + size)),
            ...(key.scalar && { d: b64u(key.scalar) }) };
    };
    const readJwk = (data) => {
        if (data?.kty === 'RSA') {
            const parts = { n: unb64u(data.n, 'n'), e: unb64u(data.e, 'e') };
            if (data.d !== undefined) for (const name of RSA_PARTS) parts[name] = unb64u(data[name], name);
            return rsaKey(parts);
        }
        const secret = data?.d === undefined ? undefined : unb64u(data.d, 'd');
        if (data?.kty === 'OKP' && OID[data.crv] && !CURVES[data.crv]) return okpKey(data.crv, secret, unb64u(data.x, 'x'));
        if (data?.kty === 'EC' && CURVES[data.crv]) {
            const { size } = CURVES[data.crv];
            return ecKey(data.crv, secret, join([4], padTo(unb64u(data.x, 'x'), size), padTo(unb64u(data.y, 'y'), size)));
        }
        throw new DOMException(`JWK of type "${data?.kty}", curve "${data?.crv}" is not supported`, 'NotSupportedError');
    };
    // An ECDSA signature as DER, as node gives it, and back.
    const signatureToDer = (raw) => { const half = raw.length / 2; return sequence(integer(raw.subarray(0, half)), integer(raw.subarray(half))); };
    const signatureFromDer = (bytes, size) => {
        const reader = new Reader(bytes).into(0x30);
        return join(padTo(reader.integer(), size), padTo(reader.integer(), size));
    };

    internals.keys = { HASHES, HASH_SIZE, BLOCK_SIZE, CURVES, hashId, digest, hmac, hkdf, join, random, padTo, generate, ecKey, okpKey, ecSign, ecVerify,
        edSign, edVerify, agree, rsaSign, rsaVerify, oaepSeal, oaepOpen, rsaKey, isPrivate, publicOf, spki, pkcs8, sec1, rsaPublicDer, rsaPrivateDer,
        readSpki, readPkcs8, readSec1, readRsaPublic, readRsaPrivate, jwk, readJwk, b64u, unb64u, signatureToDer, signatureFromDer };
})
