// bytes.js - byte strings: text forms, comparison, and the cursor that every parser here reads
// through. A cursor never runs past its end: it throws the error its maker chose.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text) => encoder.encode(text);
/** Throws TypeError for what is not UTF-8. */
export const text = (bytes) => decoder.decode(bytes);
export const ascii = (bytes) => String.fromCharCode(...bytes);

export function bytesOf(data) {
    if (data instanceof Uint8Array) return data;
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (typeof data === "string") return utf8(data);
    throw new TypeError("bytes or text expected");
}

export function concat(...parts) {
    let size = 0;
    for (const part of parts) size += part.length;
    const to = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
        to.set(part, at);
        at += part.length;
    }
    return to;
}

/** Compares without an early exit. */
export function equal(a, b) {
    if (a.length !== b.length) return false;
    let difference = 0;
    for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
    return difference === 0;
}

export const isZero = (bytes) => bytes.every((byte) => byte === 0);

const hexDigits = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

export function hex(bytes) {
    let to = "";
    for (const byte of bytes) to += hexDigits[byte];
    return to;
}

/** Hex of exactly `size` bytes (any size if left out), or null. */
export function unhex(value, size) {
    if (typeof value !== "string" || value.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(value)) return null;
    if (size !== undefined && value.length !== 2 * size) return null;
    const to = new Uint8Array(value.length / 2);
    for (let i = 0; i < to.length; i++) to[i] = parseInt(value.substr(2 * i, 2), 16);
    return to;
}

const CHUNK = 0x8000;

function toBase64(bytes) {
    let binary = "";
    for (let i = 0; i < bytes.length; i += CHUNK)
        binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
    return btoa(binary);
}

export function base64url(bytes) {
    return toBase64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Strict RFC 4648 section 5 without padding: one text for one byte string. Null: it is not. */
export function unbase64url(value) {
    if (typeof value !== "string" || !/^[A-Za-z0-9_-]*$/.test(value) || value.length % 4 === 1) return null;
    const bytes = fromBase64(value.replace(/-/g, "+").replace(/_/g, "/") + "===".slice((value.length + 3) % 4));
    return bytes && base64url(bytes) === value ? bytes : null;
}

/** Standard base64 with padding; null: it is not. */
export function fromBase64(value) {
    let binary;
    try {
        binary = atob(value);
    } catch {
        return null;
    }
    const to = new Uint8Array(binary.length);
    for (let i = 0; i < to.length; i++) to[i] = binary.charCodeAt(i);
    return to;
}

/**
 * A list of PEM blocks (RFC 7468, strict: no headers, nothing but blanks around; NUL counts as one,
 * with it Intel's quotes end theirs): [[label, DER], ...], or null.
 */
export function fromPem(pem, max) {
    const blank = "[ \\t\\r\\n\\0]";
    const block = new RegExp(`${blank}*-----BEGIN ([A-Z0-9 ]+)-----(?=[ \\t\\r\\n])([A-Za-z0-9+/=\\s]*)` +
                             `-----END \\1-----(?=${blank}|$)`, "y");
    const found = [];
    let at = 0;
    for (; found.length <= max; at = block.lastIndex) {
        block.lastIndex = at;
        const match = block.exec(pem);
        if (!match) break;
        const text = match[2].replace(/\s+/g, "");
        const der = fromBase64(text);
        if (!der || der.length === 0 || toBase64(der) !== text) return null;
        found.push([match[1], der]);
    }
    return found.length <= max && new RegExp(`^${blank}*$`).test(pem.slice(at)) ? found : null;
}

/** Reads forward; `fail(what)` makes the error that is thrown at the end of the bytes. */
export class Cursor {
    constructor(bytes, fail) {
        this.bytes = bytes;
        this.at = 0;
        this.fail = fail;
    }

    get left() {
        return this.bytes.length - this.at;
    }

    take(size) {
        if (!Number.isSafeInteger(size) || size < 0 || size > this.left) throw this.fail("truncated");
        this.at += size;
        return this.bytes.subarray(this.at - size, this.at);
    }

    rest() {
        return this.take(this.left);
    }

    u8() {
        return this.take(1)[0];
    }

    /** Big-endian, at most 6 bytes. */
    be(size) {
        let value = 0;
        for (const byte of this.take(size)) value = value * 256 + byte;
        return value;
    }

    /** Little-endian, at most 6 bytes. */
    le(size) {
        let value = 0;
        const bytes = this.take(size);
        for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[i];
        return value;
    }

    /** QUIC variable-length integer (RFC 9000 section 16). */
    varint() {
        const first = this.u8();
        let value = first & 0x3f;
        for (const byte of this.take((1 << (first >> 6)) - 1)) value = value * 256 + byte;
        if (!Number.isSafeInteger(value)) throw this.fail("number too large");
        return value;
    }

    end() {
        if (this.left !== 0) throw this.fail("bytes after the end");
    }
}

export function varint(value) {
    if (value < 0x40) return Uint8Array.of(value);
    if (value < 0x4000) return Uint8Array.of(0x40 | (value >> 8), value & 0xff);
    if (value < 0x40000000)
        return Uint8Array.of(0x80 | (value >>> 24), (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
    const to = new Uint8Array(8);
    new DataView(to.buffer).setBigUint64(0, BigInt(value));
    to[0] |= 0xc0;
    return to;
}

export function u16(value) {
    return Uint8Array.of(value >> 8, value & 0xff);
}

export function u64(value) {
    const to = new Uint8Array(8);
    new DataView(to.buffer).setBigUint64(0, BigInt(value));
    return to;
}
