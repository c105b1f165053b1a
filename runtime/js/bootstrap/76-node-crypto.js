// node's crypto over internals.keys: hashes, HMAC, ciphers, keys, signatures, key derivation, random numbers.
((native, internals) => {
    const { keys, builtins } = internals, { EventEmitter } = builtins.events;
    const bytesOf = (value, encoding) => typeof value === 'string' ? Buffer.from(value, encoding) : internals.bytesOf(value);
    const wrap = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const give = (bytes, encoding) => { const buffer = wrap(bytes); return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer; };
    const coded = (code, text, Kind = Error) => Object.assign(new Kind(text), { code });
    const hashName = (name) => {
        const found = String(name).toLowerCase().replace(/^(rsa|ecdsa)-/, '').replace(/^sha-/, 'sha').replace(/^(sha\d+|md5)(withrsaencryption)?$/, '$1');
        if (!keys.HASHES.includes(found)) throw coded('ERR_CRYPTO_INVALID_DIGEST', `Digest method not supported: ${name}`);
        return found;
    };
    // Everything with a callback is its synchronous form, answered in a later turn.
    const later = (action) => (...values) => {
        const callback = values.pop();
        if (typeof callback !== 'function') throw coded('ERR_INVALID_ARG_TYPE', 'the last argument must be a callback', TypeError);
        let result, error = null;
        try { result = action(...values); } catch (thrown) { error = thrown; }
        setImmediate(() => (error ? callback(error) : callback(null, result)));
    };

    class Hash extends EventEmitter {
        #state; #name; #result = null; #encoding;
        constructor(name, state) { super(); this.#name = name; this.#state = state; }
        #open() { if (this.#state === null) throw coded('ERR_CRYPTO_HASH_FINALIZED', 'Digest already called'); }
        update(data, encoding) {
            this.#open();
            native.hashUpdate(this.#state, bytesOf(data, encoding));
            return this;
        }
        digest(encoding) {
            this.#open();
            const bytes = native.hashFinal(this.#state);
            this.#state = null;
            return give(bytes, encoding);
        }
        copy() { this.#open(); return new Hash(this.#name, this.#state.slice()); }
        // enough of a stream for pipe() and pipeline()
        write(data, encoding, callback) { this.update(data, typeof encoding === 'string' ? encoding : undefined); callback?.(); return true; }
        end(data) {
            if (data !== undefined && data !== null && typeof data !== 'function') this.update(data);
            this.#result = this.digest(this.#encoding);
            for (const name of ['finish', 'readable']) this.emit(name);
            if (this.listenerCount('data')) this.emit('data', this.#result);
            this.emit('end');
            return this;
        }
        read() { const result = this.#result; this.#result = null; return result; }
        setEncoding(encoding) { this.#encoding = encoding; return this; }
    }
    const createHash = (name) => { const known = hashName(name); return new Hash(known, native.hashInit(keys.hashId(known))); };
    const createHmac = (name, key) => {
        const known = hashName(name);
        return new Hash(known, native.hmacInit(keys.hashId(known), secretBytes(key)));
    };

    // --- keys ---
    const MARK = Symbol('key');
    class KeyObject {
        #type; #data;
        constructor(mark, type, data) {
            if (mark !== MARK) throw new TypeError('Illegal constructor');
            this.#type = type;
            this.#data = data;
        }
        get type() { return this.#type; }
        get symmetricKeySize() { return this.#type === 'secret' ? this.#data.length : undefined; }
        get asymmetricKeyType() {
            const { kind, curve } = this.#data;
            return this.#type === 'secret' ? undefined : kind === 'RSA' ? 'rsa' : kind === 'EC' ? 'ec' : curve.toLowerCase();
        }
        get asymmetricKeyDetails() {
            const { kind, curve, n, e } = this.#data;
            if (this.#type === 'secret') return undefined;
            if (kind === 'RSA') return { modulusLength: n.length * 8 - Math.clz32(n[0]) + 24, publicExponent: e.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) };
            return kind === 'EC' ? { namedCurve: curve === 'P-256' ? 'prime256v1' : 'secp384r1' } : {};
        }
        equals(other) { return other instanceof KeyObject && this.type === other.type && JSON.stringify(this.export({ format: 'jwk' })) === JSON.stringify(other.export({ format: 'jwk' })); }
        export({ format = this.#type === 'secret' ? 'buffer' : undefined, type } = {}) {
            const key = this.#data;
            if (format === 'jwk') return this.#type === 'secret' ? { kty: 'oct', k: keys.b64u(key) } : keys.jwk(key);
            if (this.#type === 'secret') return wrap(key.slice());
            const isPublic = this.#type === 'public', form = type ?? (isPublic ? 'spki' : 'pkcs8');
            const write = { spki: isPublic && keys.spki, pkcs8: !isPublic && keys.pkcs8, sec1: !isPublic && key.kind === 'EC' && ((k) => keys.sec1(k, true)),
                pkcs1: key.kind === 'RSA' && (isPublic ? keys.rsaPublicDer : keys.rsaPrivateDer) }[form];
            if (!write) throw coded('ERR_INVALID_ARG_VALUE', `a ${this.type} key of type ${this.asymmetricKeyType} has no form "${form}"`, TypeError);
            const der = wrap(write(key));
            if (format === 'der') return der;
            const label = { spki: 'PUBLIC KEY', pkcs8: 'PRIVATE KEY', sec1: 'EC PRIVATE KEY', pkcs1: isPublic ? 'RSA PUBLIC KEY' : 'RSA PRIVATE KEY' }[form];
            return `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
        }
        static from(key) { return new KeyObject(MARK, key.type, internals.keyData(key)); }
        static data(object) { return object.#data; }
        static is(value) { return typeof value === 'object' && value !== null && #data in value; }
        get [Symbol.toStringTag]() { return 'KeyObject'; }
        [internals.inspectParts]() { return { type: this.type }; }
    }
    const { data: dataOf, is: isKey } = KeyObject;
    delete KeyObject.data;
    delete KeyObject.is;
    const secretBytes = (key, encoding) => {
        if (isKey(key) || internals.isCryptoKey(key)) {
            if (key.type !== 'secret') throw coded('ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE', `Invalid key object type ${key.type}, expected secret.`, TypeError);
            return isKey(key) ? dataOf(key) : internals.keyData(key);
        }
        if (typeof key !== 'string' && !ArrayBuffer.isView(key) && !(key instanceof ArrayBuffer))
            throw coded('ERR_INVALID_ARG_TYPE', 'The "key" argument must be a string, a buffer or a KeyObject', TypeError);
        return bytesOf(key, encoding);
    };
    const parsePem = (text) => {
        const found = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/.exec(text);
        if (!found) throw coded('ERR_OSSL_UNSUPPORTED', 'the key is not in PEM form');
        const [, label, body] = found;
        if (label === 'ENCRYPTED PRIVATE KEY' || /Proc-Type/.test(body)) throw coded('ERR_MISSING_PASSPHRASE', 'encrypted private keys are not supported', TypeError);
        const read = { 'PUBLIC KEY': keys.readSpki, 'PRIVATE KEY': keys.readPkcs8, 'EC PRIVATE KEY': keys.readSec1, 'RSA PRIVATE KEY': keys.readRsaPrivate,
            'RSA PUBLIC KEY': keys.readRsaPublic }[label];
        if (!read) throw coded('ERR_OSSL_UNSUPPORTED', `PEM of type "${label}" is not supported`);
        return read(Buffer.from(body, 'base64'));
    };
    const parseKey = (given) => {
        if (isKey(given)) return dataOf(given);
        if (internals.isCryptoKey(given)) return internals.keyData(given);
        const { key = given, format, type, encoding } = typeof given === 'object' && given !== null && !ArrayBuffer.isView(given) ? given : {};
        if (isKey(key) || internals.isCryptoKey(key)) return parseKey(key);
        if (format === 'jwk') return keys.readJwk(key);
        if (format === 'der') {
            const read = { spki: keys.readSpki, pkcs8: keys.readPkcs8, sec1: keys.readSec1 }[type];
            if (read) return read(bytesOf(key, encoding));
            try { return keys.readRsaPrivate(bytesOf(key, encoding)); } catch { return keys.readRsaPublic(bytesOf(key, encoding)); }
        }
        if (typeof key !== 'string' && !ArrayBuffer.isView(key) && !(key instanceof ArrayBuffer))
            throw coded('ERR_INVALID_ARG_TYPE', 'The "key" argument must be a string, a buffer, an object or a KeyObject', TypeError);
        return parsePem(typeof key === 'string' ? key : wrap(internals.bytesOf(key)).toString('latin1'));
    };
    const asPrivate = (given) => {
        const key = parseKey(given);
        if (!keys.isPrivate(key)) throw coded('ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE', 'a private key is expected', TypeError);
        return key;
    };
    const createSecretKey = (key, encoding) => new KeyObject(MARK, 'secret', secretBytes(key, encoding).slice());
    const createPrivateKey = (key) => new KeyObject(MARK, 'private', asPrivate(key));
    const createPublicKey = (key) => new KeyObject(MARK, 'public', keys.publicOf(parseKey(key)));
    const CURVE_NAMES = { 'P-256': 'P-256', prime256v1: 'P-256', secp256r1: 'P-256', 'P-384': 'P-384', secp384r1: 'P-384' };
    const generateKeyPairSync = (type, options = {}) => {
        const name = type === 'ec' ? CURVE_NAMES[options.namedCurve] : { ed25519: 'Ed25519', x25519: 'X25519' }[type];
        if (!name) throw coded('ERR_INVALID_ARG_VALUE', `key pairs of type ${type} (${options.namedCurve ?? ''}) cannot be generated`, TypeError);
        const key = keys.generate(name), pair = { publicKey: new KeyObject(MARK, 'public', keys.publicOf(key)), privateKey: new KeyObject(MARK, 'private', key) };
        for (const part of ['publicKey', 'privateKey']) {
            const encoding = options[`${part}Encoding`];
            if (encoding) pair[part] = pair[part].export(encoding);
        }
        return pair;
    };
    const generateKeyPair = (type, options, callback) => {
        const done = typeof options === 'function' ? options : callback;
        let pair, error = null;
        try { pair = generateKeyPairSync(type, typeof options === 'function' ? {} : options); } catch (thrown) { error = thrown; }
        setImmediate(() => (error ? done(error) : done(null, pair.publicKey, pair.privateKey)));
    };

    // --- signatures ---
    const constants = { RSA_PKCS1_PADDING: 1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: 4, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1,
        RSA_PSS_SALTLEN_AUTO: -2, RSA_PSS_SALTLEN_MAX_SIGN: -2 };
    const saltSize = (options, key, hash, verifying) => {
        if (options?.padding !== constants.RSA_PKCS1_PSS_PADDING) return undefined;
        const salt = options.saltLength ?? constants.RSA_PSS_SALTLEN_AUTO;
        if (salt === constants.RSA_PSS_SALTLEN_DIGEST) return keys.HASH_SIZE[hash];
        return salt >= 0 ? salt : verifying ? -1 : (key.n.length * 8 - Math.clz32(key.n[0]) + 23 + 7 >> 3) - keys.HASH_SIZE[hash] - 2;
    };
    const signHashed = (options, key, hash, hashed) => {
        if (key.kind === 'RSA') return keys.rsaSign(key, hash, hashed, saltSize(options, key, hash, false));
        if (key.kind !== 'EC') throw coded('ERR_CRYPTO_UNSUPPORTED_OPERATION', 'Unsupported crypto operation');
        const raw = keys.ecSign(key, hashed);
        return options?.dsaEncoding === 'ieee-p1363' ? raw : keys.signatureToDer(raw);
    };
    const verifyHashed = (options, key, hash, hashed, signature) => {
        if (key.kind === 'RSA') return keys.rsaVerify(key, hash, hashed, signature, saltSize(options, key, hash, true));
        if (key.kind !== 'EC') throw coded('ERR_CRYPTO_UNSUPPORTED_OPERATION', 'Unsupported crypto operation');
        let raw = signature;
        if (options?.dsaEncoding !== 'ieee-p1363')
            try { raw = keys.signatureFromDer(signature, keys.CURVES[key.curve].size); } catch { return false; }
        return keys.ecVerify(key, hashed, raw);
    };
    const sign = (name, data, options, callback) => {
        if (callback) return later(sign)(name, data, options, callback);
        const key = asPrivate(options), bytes = bytesOf(data);
        if (key.curve === 'Ed25519') return wrap(keys.edSign(key, bytes));
        const hash = hashName(name ?? 'sha256');
        return wrap(signHashed(options, key, hash, keys.digest(hash, bytes)));
    };
    const verify = (name, data, options, signature, callback) => {
        if (callback) return later(verify)(name, data, options, signature, callback);
        const key = parseKey(options), bytes = bytesOf(data);
        if (key.curve === 'Ed25519') return keys.edVerify(key, bytes, bytesOf(signature));
        const hash = hashName(name ?? 'sha256');
        return verifyHashed(options, key, hash, keys.digest(hash, bytes), bytesOf(signature));
    };
    class Sign {
        #hash; #name;
        constructor(name) { this.#name = hashName(name); this.#hash = createHash(this.#name); }
        update(data, encoding) { this.#hash.update(data, encoding); return this; }
        write(data, encoding) { this.update(data, encoding); return true; }
        end(data) { if (data !== undefined) this.update(data); return this; }
        sign(options, encoding) { return give(signHashed(options, asPrivate(options), this.#name, this.#hash.digest()), encoding); }
    }
    class Verify {
        #hash; #name;
        constructor(name) { this.#name = hashName(name); this.#hash = createHash(this.#name); }
        update(data, encoding) { this.#hash.update(data, encoding); return this; }
        write(data, encoding) { this.update(data, encoding); return true; }
        end(data) { if (data !== undefined) this.update(data); return this; }
        verify(options, signature, encoding) {
            return verifyHashed(options, parseKey(options), this.#name, this.#hash.digest(), bytesOf(signature, encoding));
        }
    }
    const oaepParts = (options) => [hashName(options?.oaepHash ?? 'sha1'), options?.oaepLabel ? bytesOf(options.oaepLabel) : new Uint8Array(0)];
    const onlyOaep = (options) => {
        if (options?.padding !== undefined && options.padding !== constants.RSA_PKCS1_OAEP_PADDING) throw coded('ERR_INVALID_ARG_VALUE', 'RSA encrypts with OAEP padding only', TypeError);
    };
    const publicEncrypt = (options, data) => { onlyOaep(options); return wrap(keys.oaepSeal(parseKey(options), ...oaepParts(options), bytesOf(data))); };
    const privateDecrypt = (options, data) => {
        onlyOaep(options);
        const plain = keys.oaepOpen(asPrivate(options), ...oaepParts(options), bytesOf(data));
        if (!plain) throw coded('ERR_OSSL_RSA_OAEP_DECODING_ERROR', 'oaep decoding error');
        return wrap(plain);
    };
    const diffieHellman = ({ privateKey, publicKey }) => {
        const shared = keys.agree(asPrivate(privateKey), parseKey(publicKey));
        if (!shared) throw coded('ERR_CRYPTO_OPERATION_FAILED', 'the keys do not fit');
        return wrap(shared);
    };
    class ECDH {
        #curve; #key;
        constructor(name) {
            this.#curve = CURVE_NAMES[name];
            if (!this.#curve) throw coded('ERR_CRYPTO_INVALID_CURVE', `the curve ${name} is not supported`, TypeError);
        }
        generateKeys(encoding) { this.#key = keys.generate(this.#curve); return this.getPublicKey(encoding); }
        setPrivateKey(key, encoding) { this.#key = keys.ecKey(this.#curve, bytesOf(key, encoding)); }
        getPublicKey(encoding) { return give(this.#key.point.slice(), encoding); }
        getPrivateKey(encoding) { return give(this.#key.scalar.slice(), encoding); }
        computeSecret(other, encoding, out) { return give(keys.agree(this.#key, keys.ecKey(this.#curve, undefined, bytesOf(other, encoding))), out); }
    }

    // --- ciphers. GCM and CBC answer in final(): nothing that is not authenticated leaves. ---
    const CIPHER = /^aes-(128|192|256)-(gcm|cbc|ctr)$/;
    class Cipher {
        #decrypt; #mode; #key; #iv; #parts = []; #aad = new Uint8Array(0); #tag; #tagSize; #done = 0; #padding = true; #ended = false;
        constructor(decrypt, name, key, iv, options) {
            const found = CIPHER.exec(String(name).toLowerCase());
            if (!found) throw coded('ERR_CRYPTO_UNKNOWN_CIPHER', `Unknown cipher: ${name}`);
            this.#decrypt = decrypt;
            this.#mode = found[2];
            this.#key = secretBytes(key).slice();
            this.#iv = bytesOf(iv).slice();
            this.#tagSize = options?.authTagLength ?? 16;
            if (this.#key.length !== found[1] / 8) throw coded('ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length', RangeError);
            if (this.#mode === 'gcm' ? this.#iv.length === 0 : this.#iv.length !== 16) throw coded('ERR_CRYPTO_INVALID_IV', 'Invalid initialization vector', TypeError);
        }
        #counted(data) { // counter mode goes on where it was
            const skip = this.#done % 16, counter = this.#iv.slice();
            for (let i = 15, add = Math.floor(this.#done / 16); i >= 0 && add; i--, add = Math.floor(add / 256)) {
                const sum = counter[i] + add % 256;
                counter[i] = sum;
                if (sum > 255) add += 256;
            }
            this.#done += data.length;
            return native.aesCtr(this.#key, counter, 128, keys.join(new Uint8Array(skip), data)).slice(skip);
        }
        update(data, encoding, out) {
            if (this.#ended) throw coded('ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation update');
            const bytes = bytesOf(data, encoding);
            if (this.#mode === 'ctr') return give(this.#counted(bytes), out);
            this.#parts.push(bytes.slice());
            return give(new Uint8Array(0), out);
        }
        #gcm(data) {
            if (!this.#decrypt) {
                const all = native.aesGcm(false, this.#key, this.#iv, this.#aad, data, 16);
                this.#tag = all.slice(data.length).subarray(0, this.#tagSize);
                return all.slice(0, data.length);
            }
            const plain = this.#tag && native.aesGcm(true, this.#key, this.#iv, this.#aad, keys.join(data, this.#tag), this.#tag.length);
            if (!plain) throw new Error('Unsupported state or unable to authenticate data');
            return plain;
        }
        #cbc(data) {
            if (!this.#padding) {
                if (data.length % 16) throw coded('ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH', 'wrong final block length');
                return native.aesCbc(this.#decrypt, this.#key, this.#iv, data);
            }
            if (!this.#decrypt) {
                const pad = 16 - data.length % 16;
                return native.aesCbc(false, this.#key, this.#iv, keys.join(data, new Uint8Array(pad).fill(pad)));
            }
            if (data.length === 0 || data.length % 16) throw coded('ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH', 'wrong final block length');
            const plain = native.aesCbc(true, this.#key, this.#iv, data), pad = plain.at(-1);
            if (pad === 0 || pad > 16 || plain.subarray(-pad).some((byte) => byte !== pad)) throw coded('ERR_OSSL_BAD_DECRYPT', 'bad decrypt');
            return plain.slice(0, -pad);
        }
        final(out) {
            if (this.#ended) throw coded('ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation final');
            this.#ended = true;
            const data = keys.join(...this.#parts);
            return give(this.#mode === 'ctr' ? new Uint8Array(0) : this.#mode === 'gcm' ? this.#gcm(data) : this.#cbc(data), out);
        }
        setAAD(data) { this.#aad = keys.join(this.#aad, bytesOf(data)); return this; }
        setAutoPadding(on = true) { this.#padding = Boolean(on); return this; }
        getAuthTag() {
            if (!this.#tag || this.#decrypt) throw coded('ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation getAuthTag');
            return wrap(this.#tag);
        }
        setAuthTag(tag, encoding) {
            const bytes = bytesOf(tag, encoding);
            if (![4, 8, 12, 13, 14, 15, 16].includes(bytes.length)) throw coded('ERR_CRYPTO_INVALID_AUTH_TAG', `Invalid authentication tag length: ${bytes.length}`, TypeError);
            this.#tag = bytes.slice();
            return this;
        }
    }

    // --- derivation, random numbers ---
    const count = (value, name) => {
        if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) throw coded('ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. Received ${value}`, RangeError);
        return value;
    };
    const pbkdf2Sync = (password, salt, iterations, size, hash) => {
        if (count(iterations, 'iterations') < 1) throw coded('ERR_OUT_OF_RANGE', 'The value of "iterations" is out of range', RangeError);
        return wrap(native.pbkdf2(keys.hashId(hashName(hash)), bytesOf(password), bytesOf(salt), iterations, count(size, 'keylen')));
    };
    const hkdfSync = (hash, key, salt, info, size) => keys.hkdf(hashName(hash), secretBytes(key), bytesOf(salt), bytesOf(info), count(size, 'length')).slice().buffer;
    const randomBytes = (size, callback) => {
        const bytes = native.randomFill(Buffer.alloc(count(size, 'size')));
        if (!callback) return bytes;
        setImmediate(() => callback(null, bytes));
    };
    const randomFillSync = (view, offset = 0, size = view.byteLength - offset) => { native.randomFill(internals.bytesOf(view).subarray(offset, offset + size)); return view; };
    const randomInt = (low, high, callback) => {
        if (typeof high !== 'number') [low, high, callback] = [0, low, high];
        const span = high - low, limit = Math.floor(2 ** 48 / span) * span;
        if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && span > 0 && span <= 2 ** 48))
            throw coded('ERR_OUT_OF_RANGE', 'randomInt takes a range of 1 to 2^48 values', RangeError);
        for (;;) {
            const value = native.randomFill(Buffer.alloc(6)).readUIntBE(0, 6);
            if (value >= limit) continue;
            if (!callback) return low + value % span;
            setImmediate(() => callback(null, low + value % span));
            return undefined;
        }
    };
    const timingSafeEqual = (a, b) => {
        const x = internals.bytesOf(a), y = internals.bytesOf(b);
        if (x.length !== y.length) throw coded('ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length', RangeError);
        return native.bytesEqual(x, y);
    };

    builtins.crypto = { webcrypto: crypto, subtle: crypto.subtle, getRandomValues: (view) => crypto.getRandomValues(view), randomUUID: () => native.randomUUID(),
        createHash, createHmac, hash: (name, data, encoding = 'hex') => give(keys.digest(hashName(name), bytesOf(data)), encoding),
        getHashes: () => [...keys.HASHES], getCiphers: () => ['gcm', 'cbc', 'ctr'].flatMap((mode) => [128, 192, 256].map((bits) => `aes-${bits}-${mode}`)),
        getCurves: () => ['prime256v1', 'secp384r1'], Hash, Hmac: Hash, KeyObject, createSecretKey, createPrivateKey, createPublicKey, generateKeyPairSync,
        generateKeyPair, sign, verify, createSign: (name) => new Sign(name), createVerify: (name) => new Verify(name), Sign, Verify, publicEncrypt, privateDecrypt,
        diffieHellman, createECDH: (name) => new ECDH(name), ECDH, createCipheriv: (name, key, iv, options) => new Cipher(false, name, key, iv, options),
        createDecipheriv: (name, key, iv, options) => new Cipher(true, name, key, iv, options), pbkdf2Sync, pbkdf2: later(pbkdf2Sync), hkdfSync, hkdf: later(hkdfSync),
        randomBytes, pseudoRandomBytes: randomBytes, randomFillSync, randomFill: later(randomFillSync), randomInt, timingSafeEqual, constants };
})
