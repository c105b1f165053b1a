// The host's native cryptography (core/primitives.h), written once more: hashes, GHASH, P-256, P-384 and RSA on
// numbers, the rest by node's crypto. So every test of crypto.subtle compares two implementations; the core's own
// runs the same vectors in tests/e2e/test_js.py.
import * as node from 'node:crypto';

const INVAL = -28;
const rotl = (x, n) => (x << n | x >>> (32 - n)) >>> 0, rotr = (x, n) => rotl(x, 32 - n);
const fraction = (prime, root, bits) => { // bits of the fraction of a root of a prime, exactly
    const power = BigInt(root), scaled = BigInt(prime) << BigInt(bits) * power;
    let low = 0n, high = 1n << BigInt(bits + 10);
    while (low < high) { const mid = low + high + 1n >> 1n; if (mid ** power <= scaled) low = mid; else high = mid - 1n; }
    return BigInt.asUintN(bits, low);
};
const PRIMES = [];
for (let n = 2; PRIMES.length < 80; n++) if (PRIMES.every((p) => n % p)) PRIMES.push(n);
const K256 = PRIMES.slice(0, 64).map((p) => Number(fraction(p, 3, 32))), K512 = PRIMES.map((p) => fraction(p, 3, 64));
const KMD5 = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) >>> 0);
const SMD5 = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

const compress = {
    0(state, view, at) {
        let [a, b, c, d] = state;
        for (let i = 0; i < 64; i++) {
            const round = i >> 4, f = [b & c | ~b & d, d & b | ~d & c, b ^ c ^ d, c ^ (b | ~d)][round];
            const g = [i, 5 * i + 1, 3 * i + 5, 7 * i][round] % 16;
            const sum = (a + f + KMD5[i] + view.getUint32(at + 4 * g, true)) >>> 0;
            [a, d, c, b] = [d, c, b, (b + rotl(sum, SMD5[round][i % 4])) >>> 0];
        }
        return [a, b, c, d].map((x, i) => (x + state[i]) >>> 0);
    },
    1(state, view, at) {
        const w = [];
        let [a, b, c, d, e] = state;
        for (let i = 0; i < 80; i++) {
            w[i] = i < 16 ? view.getUint32(at + 4 * i) : rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
            const [f, k] = i < 20 ? [b & c | ~b & d, 0x5a827999] : i < 40 ? [b ^ c ^ d, 0x6ed9eba1]
                : i < 60 ? [b & c | b & d | c & d, 0x8f1bbcdc] : [b ^ c ^ d, 0xca62c1d6];
            [a, b, c, d, e] = [(rotl(a, 5) + f + e + k + w[i]) >>> 0, a, rotl(b, 30), c, d];
        }
        return [a, b, c, d, e].map((x, i) => (x + state[i]) >>> 0);
    },
    2(state, view, at) {
        const w = [];
        let [a, b, c, d, e, f, g, h] = state;
        for (let i = 0; i < 64; i++) {
            if (i < 16) w[i] = view.getUint32(at + 4 * i);
            else {
                const x = w[i - 15], y = w[i - 2];
                w[i] = (w[i - 16] + w[i - 7] + (rotr(x, 7) ^ rotr(x, 18) ^ x >>> 3) + (rotr(y, 17) ^ rotr(y, 19) ^ y >>> 10)) >>> 0;
            }
            const one = (h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (e & f ^ ~e & g) + K256[i] + w[i]) >>> 0;
            const two = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + (a & b ^ a & c ^ b & c);
            [a, b, c, d, e, f, g, h] = [(one + two) >>> 0, a, b, c, (d + one) >>> 0, e, f, g];
        }
        return [a, b, c, d, e, f, g, h].map((x, i) => (x + state[i]) >>> 0);
    },
    4(state, view, at) {
        const w = [], cut = (x) => BigInt.asUintN(64, x), turn = (x, n) => cut(x >> BigInt(n) | x << BigInt(64 - n));
        let [a, b, c, d, e, f, g, h] = state;
        for (let i = 0; i < 80; i++) {
            if (i < 16) w[i] = view.getBigUint64(at + 8 * i);
            else {
                const x = w[i - 15], y = w[i - 2];
                w[i] = cut(w[i - 16] + w[i - 7] + (turn(x, 1) ^ turn(x, 8) ^ x >> 7n) + (turn(y, 19) ^ turn(y, 61) ^ y >> 6n));
            }
            const one = cut(h + (turn(e, 14) ^ turn(e, 18) ^ turn(e, 41)) + (e & f ^ cut(~e) & g) + K512[i] + w[i]);
            const two = (turn(a, 28) ^ turn(a, 34) ^ turn(a, 39)) + (a & b ^ a & c ^ b & c);
            [a, b, c, d, e, f, g, h] = [cut(one + two), a, b, c, cut(d + one), e, f, g];
        }
        return [a, b, c, d, e, f, g, h].map((x, i) => cut(x + state[i]));
    },
};
compress[3] = compress[4];
const KIND = [[4, 4, 64, 16], [5, 4, 64, 20], [8, 4, 64, 32], [8, 8, 128, 48], [8, 8, 128, 64]]; // words, size of one, block, digest
const getState = (hash, view, at) => Array.from({ length: KIND[hash][0] }, (_, i) =>
    KIND[hash][1] === 4 ? view.getUint32(at + 4 * i, true) : view.getBigUint64(at + 8 * i, true));
const putState = (hash, view, at, state) => state.forEach((x, i) =>
    KIND[hash][1] === 4 ? view.setUint32(at + 4 * i, x, true) : view.setBigUint64(at + 8 * i, x, true));
const digestOf = (hash, state) => {
    const out = Buffer.alloc(64);
    state.forEach((x, i) => (hash === 0 ? out.writeUInt32LE(x, 4 * i) : KIND[hash][1] === 4 ? out.writeUInt32BE(x, 4 * i) : out.writeBigUInt64BE(x, 8 * i)));
    return out.subarray(0, KIND[hash][3]);
};
const hashDigest = (hash, start, message) => {
    const block = Buffer.alloc(KIND[hash][2]), bits = BigInt((KIND[hash][2] + message.length) * 8);
    message.copy(block);
    block[message.length] = 0x80;
    if (hash === 0) block.writeBigUInt64LE(bits, block.length - 8); else block.writeBigUInt64BE(bits, block.length - 8);
    return digestOf(hash, compress[hash](start, new DataView(block.buffer, block.byteOffset, block.length), 0));
};

const number = (bytes) => BigInt('0x' + (Buffer.from(bytes).toString('hex') || '0'));
const bytesOf = (n, size) => Buffer.from(n.toString(16).padStart(2 * size, '0'), 'hex');
const mod = (a, m) => ((a % m) + m) % m;
const power = (base, exponent, m) => {
    let out = 1n;
    for (base = mod(base, m); exponent; exponent >>= 1n, base = base * base % m) if (exponent & 1n) out = out * base % m;
    return out;
};
const curves = ['secp256r1', 'secp384r1'].map((name, i) => {
    const hex = [['ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b',
        'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296'],
    ['fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff',
        'b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef',
        'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
        'aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7']][i];
    const [p, b, n, x] = hex.map((h) => BigInt('0x' + h));
    let y = power(x ** 3n - 3n * x + b, (p + 1n) / 4n, p);
    if ((i === 0) !== Boolean(y & 1n)) y = p - y; // the base points' parities
    const add = (one, two) => {
        if (!one) return two;
        if (!two) return one;
        if (one[0] === two[0] && mod(one[1] + two[1], p) === 0n) return null;
        const slope = one[0] === two[0] ? (3n * one[0] * one[0] - 3n) * power(2n * one[1], p - 2n, p) : (two[1] - one[1]) * power(two[0] - one[0], p - 2n, p);
        const x3 = mod(slope * slope - one[0] - two[0], p);
        return [x3, mod(slope * (one[0] - x3) - one[1], p)];
    };
    const times = (k, point) => { let out = null; for (; k; k >>= 1n, point = add(point, point)) if (k & 1n) out = add(out, point); return out; };
    const size = i ? 48 : 32;
    const read = (bytes) => {
        const point = [number(bytes.subarray(1, 1 + size)), number(bytes.subarray(1 + size, 1 + 2 * size))];
        return bytes[0] === 4 && point.every((c) => c < p) && mod(point[1] ** 2n - point[0] ** 3n + 3n * point[0] - b, p) === 0n ? point : null;
    };
    const left = (hash) => number(hash.subarray(0, size));
    const scalarOf = (bytes) => { const d = number(bytes); return d > 0n && d < n ? d : null; };
    return { size,
        public(key) { const d = scalarOf(key), q = d && times(d, [x, y]); return q && Buffer.concat([Buffer.from([4]), bytesOf(q[0], size), bytesOf(q[1], size)]); },
        sign(key, hash) {
            const d = scalarOf(key);
            if (!d) return null;
            const k = number(node.randomBytes(size - 1)) + 1n, r = times(k, [x, y])[0] % n;
            return Buffer.concat([bytesOf(r, size), bytesOf(mod(power(k, n - 2n, n) * (left(hash) + r * d), n), size)]);
        },
        verify(key, hash) {
            const q = read(key), r = number(key.subarray(1 + 2 * size, 1 + 3 * size)), s = number(key.subarray(1 + 3 * size));
            if (!q || !r || !s || r >= n || s >= n) return false;
            const w = power(s, n - 2n, n), sum = add(times(left(hash) * w % n, [x, y]), times(r * w % n, q));
            return Boolean(sum) && sum[0] % n === r;
        },
        shared(key, point) { const d = scalarOf(key), q = read(point); return d && q ? bytesOf(times(d, q)[0], size) : null; },
    };
});
const der = (oid, key, isPrivate) => Buffer.from((isPrivate ? `302e020100300506032b65${oid}04220420` : `302a300506032b65${oid}032100`) + Buffer.from(key).toString('hex'), 'hex');
const privateKey = (oid, key) => node.createPrivateKey({ key: der(oid, key, true), format: 'der', type: 'pkcs8' });
const publicKey = (oid, key) => node.createPublicKey({ key: der(oid, key, false), format: 'der', type: 'spki' });
const rawPublic = (key) => node.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12);

// operation -> [key size, data size or null, out size, function giving bytes, true, false or null]
const operations = [
    [32, 32, 32, (key, data) => { try { return node.diffieHellman({ privateKey: privateKey('6e', key), publicKey: publicKey('6e', data) }); } catch { return null; } }],
    [32, 0, 32, (key) => rawPublic(privateKey('70', key))],
    [64, null, 64, (key, data) => node.sign(null, data, privateKey('70', key.subarray(0, 32)))],
    [96, null, 0, (key, data) => node.verify(null, data, publicKey('70', key.subarray(0, 32)), key.subarray(32))],
    ...curves.flatMap(({ size, ...curve }) => [[size, 0, 1 + 2 * size, curve.public], [size, null, 2 * size, curve.sign],
        [1 + 4 * size, null, 0, curve.verify], [size, 1 + 2 * size, size, curve.shared]]),
    [null, null, null, (key, data) => {
        const n = number(key.subarray(0, data.length)), x = number(data);
        return x < n ? bytesOf(power(x, number(key.subarray(data.length)), n), data.length) : null;
    }],
    [null, null, null, (key, data) => {
        const part = key.length / 5, [p, q, dp, dq, qi] = [0, 1, 2, 3, 4].map((i) => number(key.subarray(part * i, part * (i + 1)))), x = number(data);
        if (x >= p * q) return null;
        const m1 = power(x, dp, p), m2 = power(x, dq, q);
        return bytesOf(m2 + q * mod(qi * (m1 - m2), p), data.length);
    }],
];

export const primitives = (memory) => {
    const at = (pointer, size) => Buffer.from(memory().buffer, pointer, size), view = () => new DataView(memory().buffer);
    return {
        hash_blocks(hash, state, data, count) {
            const words = view();
            let chain = getState(hash, words, state);
            for (let i = 0; i < count; i++) chain = compress[hash](chain, words, data + i * KIND[hash][2]);
            putState(hash, words, state, chain);
            return 0;
        },
        hmac_rounds(hash, states, values, count) {
            const [words, word, , size] = KIND[hash], inner = getState(hash, view(), states), outer = getState(hash, view(), states + words * word);
            if (count > 1024) return INVAL;
            let u = Buffer.from(at(values, size));
            const t = at(values + size, size);
            for (let i = 0; i < count; i++) {
                u = hashDigest(hash, outer, hashDigest(hash, inner, u));
                for (let k = 0; k < size; k++) t[k] ^= u[k];
            }
            at(values, size).set(u);
            return 0;
        },
        aes_ctr(key, keySize, counter, data, size) {
            if (![16, 24, 32].includes(keySize)) return INVAL;
            const block = at(counter, 16), low = block.readUInt32BE(12), blocks = Math.ceil(size / 16);
            if (low + blocks > 2 ** 32) throw new Error('the guest lets the host\'s count go round');
            at(data, size).set(node.createCipheriv(`aes-${keySize * 8}-ctr`, at(key, keySize), block).update(at(data, size)));
            block.writeUInt32BE((low + blocks) % 2 ** 32, 12);
            return 0;
        },
        aes_cbc(key, keySize, iv, data, size, decrypt) {
            if (![16, 24, 32].includes(keySize) || size % 16) return INVAL;
            const cipher = (decrypt ? node.createDecipheriv : node.createCipheriv)(`aes-${keySize * 8}-cbc`, at(key, keySize), Buffer.from(at(iv, 16))).setAutoPadding(false);
            const last = Buffer.from(at(data, size).subarray(-16));
            at(data, size).set(cipher.update(at(data, size)));
            if (size) at(iv, 16).set(decrypt ? last : at(data, size).subarray(-16));
            return 0;
        },
        ghash(y, h, data, size) {
            const H = number(at(h, 16));
            let Y = number(at(y, 16));
            for (let done = 0; done < size; done += 16) {
                const block = Buffer.alloc(16);
                at(data + done, Math.min(16, size - done)).copy(block);
                let x = Y ^ number(block), v = H;
                Y = 0n;
                for (let bit = 127n; bit >= 0n; bit--) {
                    if (x >> bit & 1n) Y ^= v;
                    v = v & 1n ? v >> 1n ^ 0xe1n << 120n : v >> 1n;
                }
            }
            at(y, 16).set(bytesOf(Y, 16));
            return 0;
        },
        curve(operation, key, keySize, data, dataSize, out) {
            const row = operations[operation];
            if (!row || (row[0] !== null && row[0] !== keySize) || (row[1] !== null && row[1] !== dataSize)) return INVAL;
            const result = row[3](Buffer.from(at(key, keySize)), Buffer.from(at(data, dataSize)));
            if (typeof result === 'boolean') return Number(result);
            if (result === null) return INVAL;
            at(out, result.length).set(result);
            return 0;
        },
    };
};
