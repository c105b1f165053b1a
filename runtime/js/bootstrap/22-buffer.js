// node's Buffer; encodings, searching and comparing are native (encode.c).
((native, internals) => {
    const coded = (code, text, Kind) => Object.assign(new Kind(text), { code });
    internals.coded = coded;
    const BASE64 = 0, BASE64URL = 1, HEX = 2, LATIN1 = 3, ASCII = 4, UTF16 = 5;
    const by = (id) => ({ to: (bytes) => native.bytesToText(bytes, id), from: (text) => native.textToBytes(text, id) });
    const utf8 = { to: native.decodeUtf8, from: native.encodeUtf8 }, latin1 = by(LATIN1), utf16 = by(UTF16), base64 = by(BASE64);
    const codecs = { utf8, 'utf-8': utf8, latin1, binary: latin1, hex: by(HEX), base64, base64url: by(BASE64URL),
        ascii: by(ASCII), ucs2: utf16, 'ucs-2': utf16, utf16le: utf16, 'utf-16le': utf16 };
    const codec = (name) => {
        if (name === undefined || name === null || name === 'utf8') return utf8;
        const found = Object.hasOwn(codecs, name) ? codecs[name] : codecs[String(name).toLowerCase()];
        if (!found) throw coded('ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name}`, TypeError);
        return found;
    };

    class FastBuffer extends Uint8Array {}
    const wrap = (bytes) => new FastBuffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const kind = (value) => (value === null || value === undefined ? String(value) : typeof value === 'function' ? `function ${value.name}`
        : typeof value === 'object' ? `an instance of ${value.constructor?.name ?? 'Object'}` : `type ${typeof value} (${String(value)})`);
    const invalid = (name, expected, value) => coded('ERR_INVALID_ARG_TYPE', `The ${name} must be ${expected}. Received ${kind(value)}`, TypeError);
    const sizeOf = (size) => {
        if (typeof size !== 'number') throw invalid('"size" argument', 'of type number', size);
        if (!(size >= 0 && size <= 2 ** 30)) throw coded('ERR_OUT_OF_RANGE', `The value of "size" is out of range. It must be >= 0 && <= ${2 ** 30}. Received ${size}`, RangeError);
        return size;
    };
    // Also `new Buffer(...)` and `Buffer(...)`, which old packages write, and the species of subarray().
    function Buffer(value, second, third) { return typeof value === 'number' ? Buffer.alloc(value) : Buffer.from(value, second, third); }
    Object.setPrototypeOf(Buffer, Uint8Array);
    Object.defineProperty(FastBuffer.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
    Object.defineProperty(Buffer, 'prototype', { value: FastBuffer.prototype });

    const fromObject = (value) => {
        if (value instanceof Uint8Array) { const copy = new FastBuffer(value.length); copy.set(value); return copy; }
        if (value.length !== undefined || value.buffer instanceof ArrayBuffer) return typeof value.length === 'number' ? wrap(Uint8Array.from(value)) : new FastBuffer(0);
        return value.type === 'Buffer' && Array.isArray(value.data) ? wrap(Uint8Array.from(value.data)) : null;
    };
    const from = (value, second, third) => {
        if (typeof value === 'string') return wrap(codec(second).from(value));
        if (typeof value === 'object' && value !== null) {
            if (value instanceof ArrayBuffer || (typeof SharedArrayBuffer === 'function' && value instanceof SharedArrayBuffer)) {
                if (second !== undefined && (second = +second) !== second) second = 0;
                if (second > value.byteLength) throw coded('ERR_BUFFER_OUT_OF_BOUNDS', '"offset" is outside of buffer bounds', RangeError);
                if (third !== undefined && (second ?? 0) + third > value.byteLength) throw coded('ERR_BUFFER_OUT_OF_BOUNDS', '"length" is outside of buffer bounds', RangeError);
                return new FastBuffer(value, second, third === undefined ? undefined : Math.max(third, 0));
            }
            const own = value.valueOf?.();
            if (own !== null && own !== undefined && own !== value && (typeof own === 'string' || typeof own === 'object')) return from(own, second, third);
            const made = fromObject(value);
            if (made) return made;
            const primitive = value[Symbol.toPrimitive]?.('string');
            if (typeof primitive === 'string') return from(primitive, second);
        }
        throw invalid('first argument', 'of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object', value);
    };
    const statics = {
        from,
        of: (...values) => wrap(Uint8Array.from(values)),
        alloc(size, fill, encoding) {
            const buffer = new FastBuffer(sizeOf(size));
            return fill === undefined || fill === 0 ? buffer : buffer.fill(fill, encoding);
        },
        allocUnsafe: (size) => new FastBuffer(sizeOf(size)),
        allocUnsafeSlow: (size) => new FastBuffer(sizeOf(size)),
        isBuffer: (value) => value instanceof Buffer,
        isEncoding: (name) => typeof name === 'string' && name.length > 0 && Object.hasOwn(codecs, name.toLowerCase()),
        byteLength(value, encoding) {
            if (typeof value !== 'string') {
                if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
                throw invalid('"string" argument', 'of type string or an instance of Buffer or ArrayBuffer', value);
            }
            const name = codecs[String(encoding ?? 'utf8').toLowerCase()] ?? utf8;
            if (name === latin1 || name === codecs.ascii) return value.length;
            if (name === base64 || name === codecs.base64url) return (value.length - (value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0)) * 3 >>> 2;
            return name === utf16 ? value.length * 2 : name === codecs.hex ? value.length >>> 1 : name.from(value).length;
        },
        concat(list, total) {
            if (!Array.isArray(list)) throw invalid('"list" argument', 'an instance of Array', list);
            const size = total ?? list.reduce((sum, piece) => sum + piece.length, 0), all = new FastBuffer(size);
            let at = 0;
            for (const piece of list) {
                if (!(piece instanceof Uint8Array)) throw invalid(`"list[${list.indexOf(piece)}]" argument`, 'an instance of Buffer or Uint8Array', piece);
                if (at >= size) break;
                all.set(piece.length > size - at ? piece.subarray(0, size - at) : piece, at);
                at += piece.length;
            }
            return all;
        },
        compare(a, b) {
            for (const [name, value] of [['buf1', a], ['buf2', b]]) if (!(value instanceof Uint8Array)) throw invalid(`"${name}" argument`, 'an instance of Buffer or Uint8Array', value);
            return native.bytesCompare(a, b);
        },
        poolSize: 8192,
    };
    internals.define(Buffer, statics);

    const range = (name, value, low, high) => coded('ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be >= ${low} and <= ${high}. Received ${value}`, RangeError);
    const place = (buffer, at, size) => { // an offset at which `size` bytes are there
        if (typeof at !== 'number') throw invalid('"offset" argument', 'of type number', at);
        if (!Number.isInteger(at)) throw coded('ERR_OUT_OF_RANGE', `The value of "offset" is out of range. It must be an integer. Received ${at}`, RangeError);
        if (buffer.length < size) throw coded('ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds', RangeError);
        if (at < 0 || at + size > buffer.length) throw range('offset', at, 0, buffer.length - size);
        return at;
    };
    const clamp = (value, size, other) => (value === undefined ? other : Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), size));
    const needle = (value, encoding) => {
        if (typeof value === 'string') return codec(encoding).from(value);
        if (typeof value === 'number') return Uint8Array.of(value & 255);
        if (value instanceof Uint8Array) return value;
        throw invalid('"value" argument', 'one of type number or string or an instance of Buffer or Uint8Array', value);
    };
    const find = (buffer, value, from, encoding, last) => {
        if (typeof from === 'string') [from, encoding] = [undefined, from];
        const bytes = needle(value, encoding), size = buffer.length;
        let at = Math.trunc(Number(from));
        if (from === undefined || from === null || Number.isNaN(at)) at = last && from !== null ? size : 0;
        if (at < 0) at += size;
        if (at < 0) { if (last) return -1; at = 0; }
        const step = codec(encoding) === utf16 && typeof value === 'string' ? 2 : 1;
        if (bytes.length === 0) return last ? Math.min(at, size) : at > size ? size : at;
        if (last) at = Math.min(at, size - bytes.length);
        return native.bytesFind(buffer, bytes, at, last ? -step : step);
    };
    const swap = (buffer, size) => {
        if (buffer.length % size) throw coded('ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`, RangeError);
        for (let at = 0; at < buffer.length; at += size) buffer.subarray(at, at + size).reverse();
        return buffer;
    };
    internals.define(Buffer.prototype, {
        toString(encoding, start, end) {
            if (start === undefined && end === undefined) return codec(encoding).to(this);
            const from = clamp(start, this.length, 0), to = clamp(end, this.length, this.length);
            return to <= from ? '' : codec(encoding).to(this.subarray(from, to));
        },
        toJSON() { return { type: 'Buffer', data: Array.from(this) }; },
        equals(other) {
            if (!(other instanceof Uint8Array)) throw invalid('"otherBuffer" argument', 'an instance of Buffer or Uint8Array', other);
            return this === other || (this.length === other.length && native.bytesCompare(this, other) === 0);
        },
        compare(other, targetStart, targetEnd, start, end) {
            if (!(other instanceof Uint8Array)) throw invalid('"target" argument', 'an instance of Buffer or Uint8Array', other);
            return native.bytesCompare(this.subarray(start ?? 0, end ?? this.length), other.subarray(targetStart ?? 0, targetEnd ?? other.length));
        },
        slice(start, end) { return this.subarray(start, end); },
        subarray(start, end) { // without the detour over the species
            const size = this.length, whole = (value, other) => { const n = value === undefined ? other : Math.trunc(Number(value)) || 0; return n < 0 ? Math.max(n + size, 0) : Math.min(n, size); };
            const from = whole(start, 0), to = whole(end, size);
            return new FastBuffer(this.buffer, this.byteOffset + from, Math.max(to - from, 0));
        },
        write(text, offset, size, encoding) {
            if (typeof text !== 'string') throw invalid('argument', 'of type string', text);
            if (typeof offset === 'string') [offset, size, encoding] = [undefined, undefined, offset];
            if (typeof size === 'string') [size, encoding] = [undefined, size];
            const at = offset === undefined ? 0 : offset, way = codec(encoding);
            if (!Number.isInteger(at) || at < 0 || at > this.length) throw range('offset', at, 0, this.length);
            const room = Math.min(size ?? this.length - at, this.length - at), bytes = way.from(text);
            let count = Math.min(bytes.length, room);
            if (way === utf8) while (count > 0 && count < bytes.length && (bytes[count] & 0xc0) === 0x80) count--; // whole characters
            if (way === utf16) count &= ~1;
            this.set(count === bytes.length ? bytes : bytes.subarray(0, count), at);
            return count;
        },
        copy(target, at = 0, start = 0, end = this.length) {
            if (!(target instanceof Uint8Array)) throw invalid('"target" argument', 'an instance of Buffer or Uint8Array', target);
            if (at < 0) throw range('targetStart', at, 0, target.length);
            if (start < 0 || start > this.length) throw range('sourceStart', start, 0, this.length);
            if (at >= target.length || end <= start) return 0;
            const piece = this.subarray(start, Math.min(end, start + target.length - at));
            target.set(piece, at);
            return piece.length;
        },
        fill(value, start, end, encoding) {
            if (typeof start === 'string') [start, end, encoding] = [undefined, undefined, start];
            if (typeof end === 'string') [end, encoding] = [undefined, end];
            const from = start ?? 0, to = end ?? this.length;
            if (from < 0 || from > this.length) throw range('offset', from, 0, this.length);
            if (to < 0 || to > this.length) throw range('end', to, 0, this.length);
            if (typeof value !== 'string' && !(value instanceof Uint8Array)) return Uint8Array.prototype.fill.call(this, Number(value) & 255, from, to);
            const bytes = typeof value === 'string' ? codec(encoding).from(value) : value;
            if (bytes.length === 0) {
                if (value.length > 0) throw coded('ERR_INVALID_ARG_VALUE', `The argument 'value' is invalid. Received '${value}'`, TypeError);
                return Uint8Array.prototype.fill.call(this, 0, from, to);
            }
            for (let at = from; at < to; at += bytes.length) this.set(to - at < bytes.length ? bytes.subarray(0, to - at) : bytes, at);
            return this;
        },
        indexOf(value, from, encoding) { return find(this, value, from, encoding, false); },
        lastIndexOf(value, from, encoding) { return find(this, value, from, encoding, true); },
        includes(value, from, encoding) { return find(this, value, from, encoding, false) >= 0; },
        swap16() { return swap(this, 2); },
        swap32() { return swap(this, 4); },
        swap64() { return swap(this, 8); },
        toLocaleString(encoding, start, end) { return this.toString(encoding, start, end); },
        inspect() { return internals.inspect(this); },
    });
    for (const [name, encoding] of Object.entries({ utf8: 'utf8', latin1: 'latin1', ascii: 'ascii', hex: 'hex', base64: 'base64', ucs2: 'ucs2', base64url: 'base64url' }))
        internals.define(Buffer.prototype, {
            [`${name}Slice`](start, end) { return this.toString(encoding, start, end); },
            [`${name}Write`](text, offset, size) { return this.write(text, offset, size, encoding); },
        });

    // --- numbers ---
    const scratch = new DataView(new ArrayBuffer(8)), scratchBytes = new Uint8Array(scratch.buffer);
    const reversed = (buffer, at, size) => { for (let i = 0; i < size; i++) scratchBytes[size - 1 - i] = buffer[at + i]; };
    const straight = (buffer, at, size) => { for (let i = 0; i < size; i++) scratchBytes[i] = buffer[at + i]; };
    const numbers = { BigUInt64: ['BigUint64', 8, 0n, 2n ** 64n - 1n], BigInt64: ['BigInt64', 8, -(2n ** 63n), 2n ** 63n - 1n], Float: ['Float32', 4], Double: ['Float64', 8] };
    for (const [name, [type, size, low, high]] of Object.entries(numbers))
        for (const [end, load] of [['LE', reversed], ['BE', straight]]) {
            const get = scratch[`get${type}`].bind(scratch), set = scratch[`set${type}`].bind(scratch);
            internals.define(Buffer.prototype, {
                [`read${name}${end}`](at = 0) { place(this, at, size); load(this, at, size); return get(0); },
                [`write${name}${end}`](value, at = 0) {
                    if (low !== undefined && (value < low || value > high)) throw range('value', value, low, high);
                    set(0, value);
                    place(this, at, size);
                    for (let i = 0; i < size; i++) this[at + i] = scratchBytes[end === 'LE' ? size - 1 - i : i];
                    return at + size;
                },
            });
        }
    const readNumber = (buffer, at, size, big, signed) => {
        place(buffer, at, size);
        let value = 0;
        for (let i = 0; i < size; i++) value = value * 256 + buffer[big ? at + i : at + size - 1 - i];
        return signed && value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
    };
    const writeNumber = (buffer, value, at, size, big, signed) => {
        const number = +value, low = signed ? -(2 ** (8 * size - 1)) : 0, high = 2 ** (8 * size - (signed ? 1 : 0)) - 1;
        if (number < low || number > high) throw range('value', value, low, high);
        place(buffer, at, size);
        let rest = Math.trunc(number) || 0;
        if (rest < 0) rest += 2 ** (8 * size);
        for (let i = 0; i < size; i++) {
            buffer[big ? at + size - 1 - i : at + i] = rest % 256;
            rest = Math.floor(rest / 256);
        }
        return at + size;
    };
    const sizeCheck = (size) => { if (!(Number.isInteger(size) && size >= 1 && size <= 6)) throw range('byteLength', size, 1, 6); return size; };
    for (const signed of [false, true]) {
        const names = signed ? ['Int'] : ['UInt', 'Uint'];
        for (const [bits, ends] of [[8, ['']], [16, ['LE', 'BE']], [32, ['LE', 'BE']]])
            for (const end of ends) for (const each of names)
                internals.define(Buffer.prototype, {
                    [`read${each}${bits}${end}`](at = 0) { return readNumber(this, at, bits / 8, end === 'BE', signed); },
                    [`write${each}${bits}${end}`](value, at = 0) { return writeNumber(this, value, at, bits / 8, end === 'BE', signed); },
                });
        for (const end of ['LE', 'BE']) for (const each of names)
            internals.define(Buffer.prototype, {
                [`read${each}${end}`](at, size) { return readNumber(this, at, sizeCheck(size), end === 'BE', signed); },
                [`write${each}${end}`](value, at, size) { return writeNumber(this, value, at, sizeCheck(size), end === 'BE', signed); },
            });
    }
    Object.assign(internals, { bufferPrototype: Buffer.prototype, isBuffer: Buffer.isBuffer, codec, wrapBuffer: wrap });
    internals.define(globalThis, { Buffer });
})
