// cbor.js - the subset of CBOR (RFC 8949) that TFaaS formats use, in core deterministic encoding
// (section 4.2.1) only: unsigned integers, byte and text strings, arrays, maps with ascending
// unsigned keys, booleans; definite lengths, shortest forms. Anything else is refused.

import { Cursor, concat, text, utf8 } from "./bytes.js";
import { Malformed } from "./errors.js";

const DEPTH_MAX = 4;
const ITEMS_MAX = 4096;

const fail = (what) => new Malformed(`CBOR: ${what}`);

function head(c) {
    const first = c.u8();
    const low = first & 0x1f;
    if (low < 24) return [first >> 5, low];
    if (low > 27) throw fail("indefinite or reserved length");
    const size = 1 << (low - 24);
    let value = 0n;
    for (const byte of c.take(size)) value = (value << 8n) | BigInt(byte);
    const least = low === 24 ? 24n : 1n << BigInt(4 * size);
    if (value < least) throw fail("a number is not in its shortest form");
    return [first >> 5, value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value];
}

function item(c, depth) {
    if (depth > DEPTH_MAX) throw fail("nested too deeply");
    const [major, value] = head(c);
    if (major !== 0 && major !== 7 && typeof value === "bigint") throw fail("truncated");
    switch (major) {
    case 0:
        return value;
    case 2:
        return c.take(value);
    case 3: {
        let to;
        try {
            to = text(c.take(value));
        } catch (error) {
            if (error instanceof Malformed) throw error;
            throw fail("text is not UTF-8");
        }
        if (to.includes("\0")) throw fail("text holds NUL");
        return to;
    }
    case 4: {
        if (value > Math.min(ITEMS_MAX, c.left)) throw fail("truncated");
        return Array.from({ length: value }, () => item(c, depth + 1));
    }
    case 5:
        return map(c, value, depth);
    case 7:
        if (value === 20 || value === 21) return value === 21;
    }
    throw fail("a type that is not used here");
}

function map(c, count, depth) {
    if (count > Math.min(ITEMS_MAX, c.left)) throw fail("truncated");
    const to = new Map();
    let last = -1;
    for (let i = 0; i < count; i++) {
        const [major, key] = head(c);
        if (major !== 0 || typeof key === "bigint" || key <= last) throw fail("map keys are not ascending numbers");
        last = key;
        to.set(key, item(c, depth + 1));
    }
    return to;
}

/** The one item that `bytes` is: number, bigint, Uint8Array (in place), string, array, Map or boolean. */
export function decode(bytes) {
    const c = new Cursor(bytes, fail);
    const value = item(c, 0);
    c.end();
    return value;
}

function putHead(major, value) {
    const top = major << 5;
    if (value < 24) return Uint8Array.of(top | Number(value));
    const big = BigInt(value);
    const size = big < 0x100n ? 1 : big < 0x10000n ? 2 : big < 0x100000000n ? 4 : 8;
    const to = new Uint8Array(1 + size);
    to[0] = top | (24 + Math.log2(size));
    for (let i = size, rest = big; i > 0; i--, rest >>= 8n) to[i] = Number(rest & 0xffn);
    return to;
}

/** Map (keys in ascending order), array, string, Uint8Array, boolean, number or bigint to bytes. */
export function encode(value) {
    if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
    if (typeof value === "number" || typeof value === "bigint") return putHead(0, value);
    if (typeof value === "string") {
        const bytes = utf8(value);
        return concat(putHead(3, bytes.length), bytes);
    }
    if (value instanceof Uint8Array) return concat(putHead(2, value.length), value);
    if (Array.isArray(value)) return concat(putHead(4, value.length), ...value.map(encode));
    const keys = [...value.keys()].sort((a, b) => a - b);
    return concat(putHead(5, keys.length), ...keys.flatMap((key) => [encode(key), encode(value.get(key))]));
}

/**
 * Reads a statement: a map whose key 1 is `label` and whose other keys are as `shape` says:
 * { key: [name, check, optional] }. No other keys. Returns an object of the names.
 */
export function statement(bytes, label, shape, noun) {
    const refuse = (what) => new Malformed(`${noun}: ${what}`);
    let value;
    try {
        value = decode(bytes);
    } catch (error) {
        throw refuse(error.message);
    }
    if (!(value instanceof Map)) throw refuse("not a map");
    if (value.get(1) !== label) throw refuse("it is another kind of statement");
    const to = {};
    for (const [key, [name, check, optional]] of Object.entries(shape)) {
        const member = value.get(Number(key));
        if (member === undefined && optional) continue;
        if (member === undefined || !check(member)) throw refuse(name);
        to[name] = member;
    }
    for (const key of value.keys()) if (key !== 1 && !(key in shape)) throw refuse(`unknown key ${key}`);
    return to;
}

export const isBytes = (least, most = least) => (value) =>
    value instanceof Uint8Array && value.length >= least && value.length <= most;
export const isText = (most) => (value) => typeof value === "string" && value.length > 0 && utf8(value).length <= most;
export const isUint = (value) => typeof value === "number" || typeof value === "bigint";
/** Counts and times: what a double holds exactly. */
export const isNumber = (value) => typeof value === "number";
export const isList = (most, check) => (value) => Array.isArray(value) && value.length <= most && value.every(check);
