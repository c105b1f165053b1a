// TextEncoder, TextDecoder and a Buffer with the methods that most packages use.
((native, internals) => {
    const bytesOf = (input) => {
        if (input === undefined) return new Uint8Array(0);
        if (input instanceof ArrayBuffer) return new Uint8Array(input);
        if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
        throw new TypeError('an ArrayBuffer or a view of one is expected');
    };
    internals.bytesOf = bytesOf;

    class TextEncoder {
        get encoding() { return 'utf-8'; }
        encode(text = '') { return native.encodeUtf8(String(text)); }
        encodeInto(text, target) {
            let read = 0, written = 0;
            for (const point of String(text)) {
                const bytes = native.encodeUtf8(point);
                if (written + bytes.length > target.length) break;
                target.set(bytes, written);
                written += bytes.length;
                read += point.length;
            }
            return { read, written };
        }
    }

    const LABELS = { 'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16le': 'utf-16le',
        'utf-16': 'utf-16le', 'latin1': 'windows-1252', 'iso-8859-1': 'windows-1252', 'ascii': 'windows-1252',
        'us-ascii': 'windows-1252', 'windows-1252': 'windows-1252' };
    const CP1252 = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
        '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

    class TextDecoder {
        #encoding; #fatal; #ignoreBOM; #rest = new Uint8Array(0); #started = false;
        constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
            this.#encoding = LABELS[String(label).trim().toLowerCase()];
            if (!this.#encoding) throw new RangeError(`the encoding "${label}" is not supported`);
            this.#fatal = Boolean(fatal);
            this.#ignoreBOM = Boolean(ignoreBOM);
        }
        get encoding() { return this.#encoding; }
        get fatal() { return this.#fatal; }
        get ignoreBOM() { return this.#ignoreBOM; }
        #join(input) {
            const bytes = bytesOf(input);
            if (this.#rest.length === 0) return bytes;
            const all = new Uint8Array(this.#rest.length + bytes.length);
            all.set(this.#rest);
            all.set(bytes, this.#rest.length);
            return all;
        }
        #split(bytes, keep, stream) {
            this.#rest = stream && keep > 0 ? bytes.slice(bytes.length - keep) : new Uint8Array(0);
            return stream && keep > 0 ? bytes.subarray(0, bytes.length - keep) : bytes;
        }
        #utf8(bytes, stream) {
            const state = native.utf8State(bytes);
            if (this.#fatal && (state < 0 || (state > 0 && !stream)))
                throw new TypeError('the data is not valid utf-8');
            let keep = state;
            if (state < 0 && stream) { // ill-formed somewhere; is the end unfinished too?
                keep = 0;
                for (let n = 1; n <= 3 && n <= bytes.length; n++)
                    if (bytes[bytes.length - n] >= 0xc0) { keep = native.utf8State(bytes.subarray(bytes.length - n)); break; }
                if (keep < 0) keep = 0;
            }
            return native.decodeUtf8(this.#split(bytes, keep, stream));
        }
        #utf16(bytes, stream) {
            const whole = this.#split(bytes, bytes.length % 2, stream);
            if (this.#fatal && whole.length % 2) throw new TypeError('the data is not valid utf-16le');
            let text = '';
            for (let at = 0; at + 1 < whole.length; at += 2)
                text += String.fromCharCode(whole[at] | whole[at + 1] << 8);
            return text + (whole.length % 2 ? '\ufffd' : '');
        }
        decode(input, { stream = false } = {}) {
            const bytes = this.#join(input);
            let text;
            if (this.#encoding === 'utf-8') text = this.#utf8(bytes, stream);
            else if (this.#encoding === 'utf-16le') text = this.#utf16(bytes, stream);
            else text = native.decodeLatin1(bytes).replace(/[\x80-\x9f]/g, (c) => CP1252[c.charCodeAt(0) - 0x80]);
            if (!this.#started && !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
            this.#started = stream && (this.#started || text.length > 0);
            return text;
        }
    }

    const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
    const encodings = {
        utf8: { to: (b) => native.decodeUtf8(b), from: (s) => native.encodeUtf8(s) },
        latin1: {
            to: (b) => native.decodeLatin1(b),
            from: (s) => Uint8Array.from(s, (c) => c.charCodeAt(0)),
        },
        ascii: {
            to: (b) => native.decodeLatin1(b.map((x) => x & 0x7f)),
            from: (s) => Uint8Array.from(s, (c) => c.charCodeAt(0)),
        },
        hex: {
            to: (b) => { let s = ''; for (const x of b) s += HEX[x]; return s; },
            from: (s) => {
                const digits = /^(?:[0-9a-f]{2})*/i.exec(s)[0];
                return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.substr(2 * i, 2), 16));
            },
        },
        base64: {
            to: (b) => btoa(native.decodeLatin1(b)),
            from: (s) => {
                const clean = s.replace(/-/g, '+').replace(/_/g, '/').replace(/[^A-Za-z0-9+/]/g, '');
                return encodings.latin1.from(atob(clean.length % 4 === 1 ? clean.slice(0, -1) : clean));
            },
        },
        base64url: {
            to: (b) => encodings.base64.to(b).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, ''),
            from: (s) => encodings.base64.from(s),
        },
        utf16le: {
            to: (b) => new TextDecoder('utf-16le', { ignoreBOM: true }).decode(b.subarray(0, b.length & ~1)),
            from: (s) => {
                const bytes = new Uint8Array(s.length * 2);
                for (let i = 0; i < s.length; i++) { bytes[2 * i] = s.charCodeAt(i); bytes[2 * i + 1] = s.charCodeAt(i) >> 8; }
                return bytes;
            },
        },
    };
    const codec = (name = 'utf8') => {
        const key = String(name).toLowerCase().replace('utf-', 'utf').replace('ucs2', 'utf16le').replace('binary', 'latin1');
        if (!encodings[key]) throw new TypeError(`Unknown encoding: ${name}`);
        return encodings[key];
    };

    class Buffer extends Uint8Array {
        static from(value, second, third) {
            if (typeof value === 'string') return Buffer.#of(codec(second).from(value));
            if (value instanceof ArrayBuffer) return new Buffer(value, second, third);
            if (value?.type === 'Buffer' && Array.isArray(value.data)) return Buffer.#of(Uint8Array.from(value.data));
            if (ArrayBuffer.isView(value) || Array.isArray(value)) return Buffer.#of(Uint8Array.from(value));
            throw new TypeError('Buffer.from takes a string, a buffer or an array');
        }
        static #of(bytes) { return new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength); }
        static alloc(size, fill, encoding) {
            const buffer = new Buffer(size);
            return fill === undefined ? buffer : buffer.fill(fill, 0, size, encoding);
        }
        static allocUnsafe(size) { return new Buffer(size); }
        static isBuffer(value) { return value instanceof Buffer; }
        static isEncoding(name) { try { return Boolean(codec(name)); } catch { return false; } }
        static byteLength(value, encoding) {
            return typeof value === 'string' ? codec(encoding).from(value).length : value.byteLength;
        }
        static concat(list, total = list.reduce((sum, b) => sum + b.length, 0)) {
            const all = new Buffer(total);
            let at = 0;
            for (const piece of list) {
                if (at >= total) break;
                all.set(piece.subarray(0, total - at), at);
                at += piece.length;
            }
            return all;
        }
        static compare(a, b) {
            for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
            return Math.sign(a.length - b.length);
        }
        toString(encoding, start = 0, end = this.length) { return codec(encoding).to(this.subarray(start, end)); }
        toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
        equals(other) { return Buffer.compare(this, other) === 0; }
        compare(other) { return Buffer.compare(this, other); }
        slice(start, end) { return this.subarray(start, end); }
        write(text, offset = 0, length = this.length - offset, encoding = 'utf8') {
            if (typeof offset === 'string') [offset, length, encoding] = [0, this.length, offset];
            if (typeof length === 'string') [length, encoding] = [this.length - offset, length];
            const bytes = codec(encoding).from(text).subarray(0, Math.min(length, this.length - offset));
            this.set(bytes, offset);
            return bytes.length;
        }
        copy(target, at = 0, start = 0, end = this.length) {
            const piece = this.subarray(start, Math.min(end, start + target.length - at));
            target.set(piece, at);
            return piece.length;
        }
        fill(value, start = 0, end = this.length, encoding) {
            if (typeof value !== 'string') return super.fill(value, start, end);
            const bytes = codec(encoding).from(value);
            for (let i = start; i < end && bytes.length; i++) this[i] = bytes[(i - start) % bytes.length];
            return this;
        }
        #needle(value, encoding) {
            return typeof value === 'number' ? [value & 255] : typeof value === 'string' ? codec(encoding).from(value) : value;
        }
        indexOf(value, from = 0, encoding) {
            const needle = this.#needle(value, encoding);
            for (let at = from < 0 ? Math.max(0, this.length + from) : from; at + needle.length <= this.length; at++) {
                let same = 0;
                while (same < needle.length && this[at + same] === needle[same]) same++;
                if (same === needle.length) return at;
            }
            return -1;
        }
        includes(value, from, encoding) { return this.indexOf(value, from, encoding) >= 0; }
    }
    const numbers = { UInt8: ['Uint8', 1], Int8: ['Int8', 1], UInt16: ['Uint16', 2], Int16: ['Int16', 2],
        UInt32: ['Uint32', 4], Int32: ['Int32', 4], BigUInt64: ['BigUint64', 8], BigInt64: ['BigInt64', 8],
        Float: ['Float32', 4], Double: ['Float64', 8] };
    for (const [name, [method, size]] of Object.entries(numbers))
        for (const end of size === 1 ? [''] : ['LE', 'BE']) {
            const view = (b) => new DataView(b.buffer, b.byteOffset, b.byteLength);
            const methods = {
                [`read${name}${end}`](at = 0) { return view(this)[`get${method}`](at, end === 'LE'); },
                [`write${name}${end}`](value, at = 0) { view(this)[`set${method}`](at, value, end === 'LE'); return at + size; },
            };
            internals.define(Buffer.prototype, methods);
            if (name.includes('UInt'))
                internals.define(Buffer.prototype, Object.fromEntries(Object.entries(methods)
                    .map(([n, f]) => [n.replace('UInt', 'Uint'), f])));
        }
    internals.bufferPrototype = Buffer.prototype;
    internals.isBuffer = Buffer.isBuffer;
    internals.define(globalThis, { TextEncoder, TextDecoder, Buffer });
})
