// TextEncoder and TextDecoder (WHATWG Encoding): utf-8, utf-16le, utf-16be, windows-1252 and its aliases.
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
        get [Symbol.toStringTag]() { return 'TextEncoder'; }
        encode(text = '') { return native.encodeUtf8(String(text)); }
        encodeInto(text, target) {
            const source = String(text).toWellFormed(), bytes = native.encodeUtf8(source);
            let size = Math.min(bytes.length, target.length);
            while (size < bytes.length && size > 0 && (bytes[size] & 0xc0) === 0x80) size--; // whole characters
            target.set(size === bytes.length ? bytes : bytes.subarray(0, size));
            return { read: size === bytes.length ? source.length : native.decodeUtf8(bytes.subarray(0, size)).length, written: size };
        }
    }

    const NAMES = { 'utf-8': ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'],
        'utf-16le': ['utf-16le', 'utf-16', 'ucs-2', 'unicode', 'iso-10646-ucs-2', 'csunicode', 'unicodefeff'], 'utf-16be': ['utf-16be', 'unicodefffe'],
        'windows-1252': ['latin1', 'iso-8859-1', 'iso8859-1', 'iso88591', 'iso_8859-1', 'iso_8859-1:1987', 'l1', 'ascii', 'us-ascii', 'ansi_x3.4-1968',
            'cp1252', 'cp819', 'csisolatin1', 'ibm819', 'iso-ir-100', 'windows-1252', 'x-cp1252'] };
    const LABELS = Object.fromEntries(Object.entries(NAMES).flatMap(([name, labels]) => labels.map((label) => [label, name])));
    const CP1252 = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
        '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

    class TextDecoder {
        #encoding; #fatal; #ignoreBOM; #rest = new Uint8Array(0); #started = false;
        constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
            this.#encoding = LABELS[String(label).trim().toLowerCase()];
            if (!this.#encoding) throw Object.assign(new RangeError(`the encoding "${label}" is not supported`), { code: 'ERR_ENCODING_NOT_SUPPORTED' });
            this.#fatal = Boolean(fatal);
            this.#ignoreBOM = Boolean(ignoreBOM);
        }
        get encoding() { return this.#encoding; }
        get fatal() { return this.#fatal; }
        get ignoreBOM() { return this.#ignoreBOM; }
        get [Symbol.toStringTag]() { return 'TextDecoder'; }
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
                throw Object.assign(new TypeError('the data is not valid utf-8'), { code: 'ERR_ENCODING_INVALID_ENCODED_DATA' });
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
            const even = bytes.length & ~1, view = new DataView(bytes.buffer, bytes.byteOffset, even);
            const big = this.#encoding === 'utf-16be';
            // a high surrogate at the end waits for its other half
            const cut = stream && even >= 2 && (view.getUint16(even - 2, !big) & 0xfc00) === 0xd800 ? 2 : 0;
            let whole = this.#split(bytes, bytes.length % 2 + cut, stream);
            const odd = whole.length % 2;
            if (big) {
                whole = whole.slice();
                for (let at = 0; at + 1 < whole.length; at += 2) [whole[at], whole[at + 1]] = [whole[at + 1], whole[at]];
            }
            const text = native.bytesToText(whole.subarray(0, whole.length - odd), 5);
            if (this.#fatal && (odd || !text.isWellFormed())) throw new TypeError(`the data is not valid ${this.#encoding}`);
            return text.toWellFormed() + (odd ? '\ufffd' : '');
        }
        decode(input, { stream = false } = {}) {
            const bytes = this.#join(input);
            let text;
            if (this.#encoding === 'utf-8') text = this.#utf8(bytes, stream);
            else if (this.#encoding.startsWith('utf-16')) text = this.#utf16(bytes, stream);
            else text = native.decodeLatin1(bytes).replace(/[\x80-\x9f]/g, (c) => CP1252[c.charCodeAt(0) - 0x80]);
            if (!this.#started && !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
            this.#started = stream && (this.#started || text.length > 0);
            return text;
        }
    }

    internals.define(globalThis, { TextEncoder, TextDecoder });
})
