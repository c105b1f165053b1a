// crypto.subtle (W3C Web Cryptography): digests, HMAC, AES, HKDF, PBKDF2, ECDSA, ECDH, Ed25519, X25519, RSA.
((native, internals) => {
    const keys = internals.keys;
    const fail = (name, text) => { throw new DOMException(text, name); };
    const bytesOf = (value, what) => {
        if (!(value instanceof ArrayBuffer) && !ArrayBuffer.isView(value)) throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
        return internals.bytesOf(value);
    };
    const bufferOf = (bytes) => bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
    const HASHES = { 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' };
    const hashName = (value) => {
        const name = String(typeof value === 'object' && value !== null ? value.name : value).toUpperCase();
        return HASHES[name] ? name : fail('NotSupportedError', `the hash "${name}" is not supported`);
    };
    const NAMES = ['HMAC', 'AES-GCM', 'AES-CBC', 'AES-CTR', 'AES-KW', 'HKDF', 'PBKDF2', 'ECDSA', 'ECDH', 'Ed25519', 'X25519',
        'RSASSA-PKCS1-v1_5', 'RSA-PSS', 'RSA-OAEP'];
    const KNOWN = new Map(NAMES.map((name) => [name.toUpperCase(), name]));
    const normalize = (algorithm) => {
        const given = typeof algorithm === 'string' ? { name: algorithm } : algorithm;
        if (typeof given !== 'object' || given === null) throw new TypeError('an algorithm is expected');
        if (given.name === undefined) throw new TypeError('the algorithm has no name');
        const name = KNOWN.get(String(given.name).toUpperCase());
        return name ? { ...given, name } : fail('NotSupportedError', `the algorithm "${given.name}" is not supported`);
    };

    const DATA = Symbol('data');
    class CryptoKey {
        #type; #extractable; #algorithm; #usages; #data;
        constructor(mark, type, extractable, algorithm, usages, data) {
            if (mark !== DATA) throw new TypeError('Illegal constructor');
            this.#type = type;
            this.#extractable = extractable;
            this.#algorithm = algorithm;
            this.#usages = usages;
            this.#data = data;
        }
        get type() { return this.#type; }
        get extractable() { return this.#extractable; }
        get algorithm() { return this.#algorithm; }
        get usages() { return this.#usages; }
        static data(key) { return key.#data; }
        static is(value) { return typeof value === 'object' && value !== null && #data in value; }
        get [Symbol.toStringTag]() { return 'CryptoKey'; }
        [internals.inspectParts]() { return { type: this.type, extractable: this.extractable, algorithm: this.algorithm, usages: this.usages }; }
    }
    const { data: dataOf, is: isKey } = CryptoKey;
    delete CryptoKey.data;
    delete CryptoKey.is;

    const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
    const ALLOWED = { HMAC: ['sign', 'verify'], 'AES-KW': ['wrapKey', 'unwrapKey'], HKDF: ['deriveKey', 'deriveBits'], PBKDF2: ['deriveKey', 'deriveBits'] };
    const BY_KIND = {
        sign: { private: ['sign'], public: ['verify'] }, agree: { private: ['deriveKey', 'deriveBits'], public: [] },
        seal: { private: ['decrypt', 'unwrapKey'], public: ['encrypt', 'wrapKey'] } };
    const kindOf = (name) => name === 'ECDH' || name === 'X25519' ? 'agree' : name === 'RSA-OAEP' ? 'seal' : 'sign';
    const isPair = (name) => /^(EC|Ed|X2|RSA)/.test(name);
    const allowedFor = (name, type) => isPair(name) ? BY_KIND[kindOf(name)][type] : ALLOWED[name] ?? ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
    const usagesFor = (usages, allowed) => {
        const list = [...usages];
        for (const usage of list) if (!USAGES.includes(usage)) throw new TypeError(`"${usage}" is no key usage`);
        for (const usage of list) if (!allowed.includes(usage)) fail('SyntaxError', `a key of this kind cannot be used for "${usage}"`);
        return USAGES.filter((usage) => list.includes(usage));
    };
    const make = (type, extractable, algorithm, usages, data) => {
        const list = usagesFor(usages, allowedFor(algorithm.name, type));
        if (list.length === 0 && type !== 'public') fail('SyntaxError', 'the usages of a secret or private key must not be empty');
        return new CryptoKey(DATA, type, type === 'public' || Boolean(extractable), algorithm, list, data);
    };
    const use = (key, algorithm, usage) => {
        if (!isKey(key)) throw new TypeError('a CryptoKey is expected');
        if (key.algorithm.name !== algorithm.name) fail('InvalidAccessError', `the key is for ${key.algorithm.name}, not for ${algorithm.name}`);
        if (usage && !key.usages.includes(usage)) fail('InvalidAccessError', `the key cannot be used for "${usage}"`);
        return dataOf(key);
    };
    // What a key's own parser says becomes a DataError.
    const parsed = (read) => {
        try { return read(); } catch (error) {
            if (error instanceof DOMException) throw error;
            return fail('DataError', error.message);
        }
    };
    const optional = (value) => value === undefined ? new Uint8Array(0) : bytesOf(value, 'the value');

    // --- making keys ---
    const aesLength = (bits) => [128, 192, 256].includes(bits) ? bits : fail('OperationError', 'an AES key has 128, 192 or 256 bits');
    const pairAlgorithm = (asked, key) => {
        if (key.kind === 'RSA') return { name: asked.name, modulusLength: key.n.length * 8 - Math.clz32(key.n[0]) + 24,
            publicExponent: key.e.slice(), hash: { name: hashName(asked.hash) } };
        return key.kind === 'EC' ? { name: asked.name, namedCurve: key.curve } : { name: asked.name };
    };
    const secretAlgorithm = (asked, bytes) => {
        if (asked.name === 'HMAC') {
            const length = asked.length ?? bytes.length * 8;
            if (bytes.length === 0 || length > bytes.length * 8 || length <= bytes.length * 8 - 8) fail('DataError', 'the length of the HMAC key does not fit');
            return { name: 'HMAC', hash: { name: hashName(asked.hash) }, length };
        }
        if (asked.name.startsWith('AES'))
            return [16, 24, 32].includes(bytes.length) ? { name: asked.name, length: bytes.length * 8 }
                : fail('DataError', 'an AES key has 128, 192 or 256 bits');
        return { name: asked.name };
    };
    const generateKey = (asked, extractable, usages) => {
        if (isPair(asked.name)) {
            if (asked.name.startsWith('RSA')) fail('NotSupportedError', 'RSA keys can be imported, not generated');
            const key = keys.generate(asked.namedCurve ?? asked.name), algorithm = pairAlgorithm(asked, key);
            const { private: own, public: other } = BY_KIND[kindOf(asked.name)], list = usagesFor(usages, [...own, ...other]);
            return { privateKey: make('private', extractable, algorithm, list.filter((u) => own.includes(u)), key),
                publicKey: make('public', true, algorithm, list.filter((u) => other.includes(u)), keys.publicOf(key)) };
        }
        if (asked.name === 'HKDF' || asked.name === 'PBKDF2') fail('NotSupportedError', `${asked.name} keys are imported`);
        const bits = asked.name === 'HMAC' ? asked.length ?? keys.BLOCK_SIZE[HASHES[hashName(asked.hash)]] * 8 : aesLength(asked.length);
        if (!(bits > 0)) fail('OperationError', 'the length of the key must not be zero');
        const bytes = keys.random(Math.ceil(bits / 8));
        return make('secret', extractable, secretAlgorithm(asked, bytes), usages, bytes);
    };
    const JWK_ALG = (algorithm) => {
        const hash = algorithm.hash?.name.slice(4);
        switch (algorithm.name) {
        case 'HMAC': return `HS${hash}`;
        case 'RSASSA-PKCS1-v1_5': return `RS${hash}`;
        case 'RSA-PSS': return `PS${hash}`;
        case 'RSA-OAEP': return hash === '1' ? 'RSA-OAEP' : `RSA-OAEP-${hash}`;
        case 'Ed25519': return 'Ed25519';
        default: return algorithm.name.startsWith('AES') ? `A${algorithm.length}${algorithm.name.slice(4)}` : undefined;
        }
    };
    const checkJwk = (data, algorithm, extractable, usages) => {
        if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) throw new TypeError('a JWK is an object');
        if (data.ext === false && extractable) fail('DataError', 'the JWK says that it is not extractable');
        if (Array.isArray(data.key_ops) && [...usages].some((usage) => !data.key_ops.includes(usage))) fail('DataError', 'the JWK is not for these usages');
        const alg = JWK_ALG(algorithm);
        if (data.alg !== undefined && alg !== undefined && data.alg !== alg && !(alg === 'Ed25519' && data.alg === 'EdDSA'))
            fail('DataError', `the JWK is for ${data.alg}, not for ${alg}`);
    };
    const importPair = (format, data, asked) => {
        switch (format) {
        case 'spki': return keys.readSpki(bytesOf(data, 'the key'));
        case 'pkcs8': return keys.readPkcs8(bytesOf(data, 'the key'));
        case 'jwk': return keys.readJwk(data);
        default:
            if (asked.name.startsWith('RSA')) fail('NotSupportedError', 'there is no raw form of RSA keys');
            return asked.namedCurve ? keys.ecKey(asked.namedCurve, undefined, bytesOf(data, 'the key')) : keys.okpKey(asked.name, undefined, bytesOf(data, 'the key'));
        }
    };
    const importKey = (format, data, asked, extractable, usages) => {
        if (!['raw', 'jwk', 'spki', 'pkcs8'].includes(format)) throw new TypeError(`"${format}" is no key format`);
        if (isPair(asked.name)) {
            const key = parsed(() => importPair(format, data, asked)), algorithm = pairAlgorithm(asked, key);
            const fits = asked.name.startsWith('RSA') ? key.kind === 'RSA' : asked.name.startsWith('EC') ? key.kind === 'EC' && key.curve === asked.namedCurve
                : key.curve === asked.name;
            if (!fits) fail('DataError', `the key is not for ${asked.namedCurve ?? asked.name}`);
            if (format === 'jwk') checkJwk(data, algorithm, extractable, usages);
            return make(keys.isPrivate(key) ? 'private' : 'public', extractable, algorithm, usages, key);
        }
        let bytes;
        if (format === 'raw') bytes = bytesOf(data, 'the key').slice();
        else if (format === 'jwk' && data?.kty === 'oct') bytes = parsed(() => keys.unb64u(data.k, 'k'));
        else fail(format === 'jwk' ? 'DataError' : 'NotSupportedError', `${asked.name} keys cannot be imported from this ${format}`);
        const derives = asked.name === 'HKDF' || asked.name === 'PBKDF2';
        if (derives && extractable) fail('SyntaxError', `a key for ${asked.name} is not extractable`);
        const algorithm = secretAlgorithm(asked, bytes);
        if (format === 'jwk') checkJwk(data, algorithm, extractable, usages);
        return make('secret', extractable, algorithm, usages, bytes);
    };
    const exportKey = (format, key) => {
        if (!isKey(key)) throw new TypeError('a CryptoKey is expected');
        if (!key.extractable) fail('InvalidAccessError', 'the key is not extractable');
        const data = dataOf(key), isPublic = key.type === 'public';
        if (format === 'jwk') {
            const alg = JWK_ALG(key.algorithm);
            return { key_ops: [...key.usages], ext: key.extractable, ...(key.type === 'secret' ? { kty: 'oct', k: keys.b64u(data) } : keys.jwk(data)), ...(alg && { alg }) };
        }
        if (format === 'raw' && key.type === 'secret') return bufferOf(data.slice());
        if (format === 'raw' && isPublic && data.kind !== 'RSA') return bufferOf(data.point.slice());
        if (format === 'spki' && isPublic) return bufferOf(keys.spki(data));
        if (format === 'pkcs8' && key.type === 'private') return bufferOf(keys.pkcs8(data));
        return fail(['raw', 'spki', 'pkcs8'].includes(format) ? 'InvalidAccessError' : 'NotSupportedError', `a ${key.type} key of ${key.algorithm.name} has no form "${format}"`);
    };

    // --- using keys ---
    const wrong = (text = 'the operation failed') => fail('OperationError', text);
    const gcm = (decrypt, asked, secret, data) => {
        const tag = (asked.tagLength ?? 128) / 8, iv = bytesOf(asked.iv, 'iv');
        if (![4, 8, 12, 13, 14, 15, 16].includes(tag)) wrong('tagLength must be 32, 64, 96, 104, 112, 120 or 128');
        if (iv.length === 0) wrong('the iv must not be empty');
        return native.aesGcm(decrypt, secret, iv, optional(asked.additionalData), data, tag) ?? wrong();
    };
    const cbc = (decrypt, asked, secret, data) => {
        const iv = bytesOf(asked.iv, 'iv');
        if (iv.length !== 16) wrong('the iv must have 16 bytes');
        if (!decrypt) {
            const pad = 16 - data.length % 16;
            return native.aesCbc(false, secret, iv, keys.join(data, new Uint8Array(pad).fill(pad)));
        }
        if (data.length === 0 || data.length % 16) wrong();
        const plain = native.aesCbc(true, secret, iv, data), pad = plain.at(-1);
        if (pad === 0 || pad > 16 || plain.subarray(-pad).some((byte) => byte !== pad)) wrong();
        return plain.slice(0, -pad);
    };
    const ctr = (asked, secret, data) => {
        const counter = bytesOf(asked.counter, 'counter'), bits = Number(asked.length);
        if (counter.length !== 16 || !(bits >= 1 && bits <= 128)) wrong('AES-CTR takes a counter of 16 bytes and a length of 1 to 128');
        if (bits < 53 && Math.ceil(data.length / 16) > 2 ** bits) wrong('the counter is too short for the data');
        return native.aesCtr(secret, counter, bits, data);
    };
    // AES key wrap (RFC 3394); one block of CBC with a zero iv is the cipher itself.
    const ZERO = new Uint8Array(16);
    const wrapSteps = (size) => Array.from({ length: 6 * size }, (_, i) => i);
    const aesWrap = (secret, data) => {
        const n = data.length / 8;
        if (data.length % 8 || n < 2) wrong('AES-KW wraps a multiple of 8 bytes');
        let a = new Uint8Array(8).fill(0xa6);
        const r = data.slice();
        for (const t of wrapSteps(n)) {
            const at = t % n * 8, block = native.aesCbc(false, secret, ZERO, keys.join(a, r.subarray(at, at + 8)));
            a = block.slice(0, 8);
            for (let i = 0, count = t + 1; i < 4; i++, count >>>= 8) a[7 - i] ^= count & 255;
            r.set(block.subarray(8), at);
        }
        return keys.join(a, r);
    };
    const aesUnwrap = (secret, data) => {
        const n = data.length / 8 - 1;
        if (data.length % 8 || n < 2) wrong();
        let a = data.slice(0, 8);
        const r = data.slice(8);
        for (const t of wrapSteps(n).reverse()) {
            const at = t % n * 8;
            for (let i = 0, count = t + 1; i < 4; i++, count >>>= 8) a[7 - i] ^= count & 255;
            const block = native.aesCbc(true, secret, ZERO, keys.join(a, r.subarray(at, at + 8)));
            a = block.slice(0, 8);
            r.set(block.subarray(8), at);
        }
        return native.bytesEqual(a, new Uint8Array(8).fill(0xa6)) ? r : wrong();
    };
    const cipher = (decrypt, asked, key, data) => {
        const secret = dataOf(key);
        switch (asked.name) {
        case 'AES-GCM': return gcm(decrypt, asked, secret, data);
        case 'AES-CBC': return cbc(decrypt, asked, secret, data);
        case 'AES-CTR': return ctr(asked, secret, data);
        case 'AES-KW': return (decrypt ? aesUnwrap : aesWrap)(secret, data);
        case 'RSA-OAEP': {
            const hash = HASHES[key.algorithm.hash.name], label = optional(asked.label);
            if (decrypt) return keys.oaepOpen(secret, hash, label, data) ?? wrong();
            try { return keys.oaepSeal(secret, hash, label, data); } catch (error) { return wrong(error.message); }
        }
        default: return fail('NotSupportedError', `${asked.name} does not encrypt`);
        }
    };
    const signatureHash = (asked, key) => HASHES[hashName(key.algorithm.hash ?? asked.hash)];
    const saltSize = (asked) => asked.name === 'RSA-PSS' ? Number(asked.saltLength) : undefined;
    const sign = (asked, key, data) => {
        const secret = use(key, asked, 'sign');
        try {
            if (asked.name === 'Ed25519') return keys.edSign(secret, data);
            const hash = signatureHash(asked, key);
            if (asked.name === 'HMAC') return keys.hmac(hash, secret, data);
            return asked.name === 'ECDSA' ? keys.ecSign(secret, keys.digest(hash, data)) : keys.rsaSign(secret, hash, keys.digest(hash, data), saltSize(asked));
        } catch (error) { return error instanceof DOMException ? fail(error.name, error.message) : wrong(error.message); }
    };
    const verify = (asked, key, signature, data) => {
        const known = use(key, asked, 'verify');
        if (asked.name === 'Ed25519') return keys.edVerify(known, data, signature);
        const hash = signatureHash(asked, key);
        if (asked.name === 'HMAC') return native.bytesEqual(keys.hmac(hash, known, data), signature);
        return asked.name === 'ECDSA' ? keys.ecVerify(known, keys.digest(hash, data), signature)
            : keys.rsaVerify(known, hash, keys.digest(hash, data), signature, saltSize(asked));
    };
    const derive = (asked, key, bits) => {
        const secret = dataOf(key);
        if (asked.name === 'ECDH' || asked.name === 'X25519') {
            const peer = asked.public;
            if (!isKey(peer) || peer.type !== 'public' || peer.algorithm.name !== asked.name || dataOf(peer).curve !== secret.curve)
                fail('InvalidAccessError', 'the public key does not fit');
            const shared = keys.agree(secret, dataOf(peer)) ?? wrong();
            if (bits === null || bits === undefined) return shared;
            if (bits > shared.length * 8) wrong(`${asked.name} gives at most ${shared.length * 8} bits`);
            const out = shared.slice(0, Math.ceil(bits / 8));
            if (bits % 8) out[out.length - 1] &= 0xff00 >> bits % 8;
            return out;
        }
        if (bits === null || bits === undefined || bits % 8) wrong('the length must be a multiple of 8');
        const hash = HASHES[hashName(asked.hash)], salt = bytesOf(asked.salt, 'salt');
        if (asked.name === 'HKDF') return keys.hkdf(hash, secret, salt, bytesOf(asked.info, 'info'), bits / 8);
        const iterations = Number(asked.iterations);
        if (!(iterations >= 1 && iterations <= 0xffffffff)) wrong('PBKDF2 takes at least one iteration');
        return native.pbkdf2(keys.hashId(hash), secret, salt, iterations, bits / 8);
    };
    const derivedBits = (asked) => {
        if (asked.name === 'HMAC') return asked.length ?? keys.BLOCK_SIZE[HASHES[hashName(asked.hash)]] * 8;
        return asked.name.startsWith('AES') ? aesLength(asked.length) : null;
    };

    class SubtleCrypto {
        constructor(mark) { if (mark !== DATA) throw new TypeError('Illegal constructor'); }
        async digest(algorithm, data) { return bufferOf(keys.digest(HASHES[hashName(algorithm)], bytesOf(data, 'the data'))); }
        async generateKey(algorithm, extractable, usages) { return generateKey(normalize(algorithm), extractable, usages); }
        async importKey(format, data, algorithm, extractable, usages) { return importKey(format, data, normalize(algorithm), extractable, usages); }
        async exportKey(format, key) { return exportKey(format, key); }
        async sign(algorithm, key, data) { return bufferOf(sign(normalize(algorithm), key, bytesOf(data, 'the data'))); }
        async verify(algorithm, key, signature, data) {
            return verify(normalize(algorithm), key, bytesOf(signature, 'the signature'), bytesOf(data, 'the data'));
        }
        async encrypt(algorithm, key, data) {
            const asked = normalize(algorithm);
            use(key, asked, 'encrypt');
            return bufferOf(cipher(false, asked, key, bytesOf(data, 'the data')));
        }
        async decrypt(algorithm, key, data) {
            const asked = normalize(algorithm);
            use(key, asked, 'decrypt');
            return bufferOf(cipher(true, asked, key, bytesOf(data, 'the data')));
        }
        async deriveBits(algorithm, key, length = null) {
            const asked = normalize(algorithm);
            use(key, asked, 'deriveBits');
            return bufferOf(derive(asked, key, length));
        }
        async deriveKey(algorithm, key, derived, extractable, usages) {
            const asked = normalize(algorithm), wanted = normalize(derived);
            use(key, asked, 'deriveKey');
            return importKey('raw', derive(asked, key, derivedBits(wanted)), wanted, extractable, usages);
        }
        async wrapKey(format, key, wrapping, algorithm) {
            const asked = normalize(algorithm), form = exportKey(format, key);
            use(wrapping, asked, 'wrapKey');
            return bufferOf(cipher(false, asked, wrapping, format === 'jwk' ? native.encodeUtf8(JSON.stringify(form)) : new Uint8Array(form)));
        }
        async unwrapKey(format, wrapped, unwrapping, algorithm, keyAlgorithm, extractable, usages) {
            const asked = normalize(algorithm);
            use(unwrapping, asked, 'unwrapKey');
            const plain = cipher(true, asked, unwrapping, bytesOf(wrapped, 'the wrapped key'));
            return importKey(format, format === 'jwk' ? JSON.parse(native.decodeUtf8(plain)) : plain, normalize(keyAlgorithm), extractable, usages);
        }
    }

    const QUOTA = 65536;
    const INTEGERS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
        BigInt64Array, BigUint64Array];
    class Crypto {
        #subtle = new SubtleCrypto(DATA);
        constructor(mark) { if (mark !== DATA) throw new TypeError('Illegal constructor'); }
        get subtle() { return this.#subtle; }
        getRandomValues(view) {
            if (!INTEGERS.some((kind) => view instanceof kind))
                throw new DOMException('an integer typed array is expected', 'TypeMismatchError');
            if (view.byteLength > QUOTA)
                throw new DOMException(`at most ${QUOTA} bytes can be asked for`, 'QuotaExceededError');
            return native.randomFill(view);
        }
        randomUUID() { return native.randomUUID(); }
        get [Symbol.toStringTag]() { return 'Crypto'; }
    }
    internals.keyData = dataOf;
    internals.isCryptoKey = isKey;
    internals.makeCryptoKey = (type, extractable, algorithm, usages, data) => new CryptoKey(DATA, type, extractable, algorithm, usages, data);
    internals.define(globalThis, { crypto: new Crypto(DATA), Crypto, CryptoKey, SubtleCrypto });
})
