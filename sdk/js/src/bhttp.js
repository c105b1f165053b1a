// bhttp.js - Binary HTTP (RFC 9292): requests written in either framing, responses read in pieces
// in either framing, with informational responses, trailers and padding.

import { concat, isZero, utf8, varint } from "./bytes.js";
import { Malformed } from "./errors.js";

const KNOWN_REQUEST = 0, KNOWN_RESPONSE = 1, STREAM_REQUEST = 2, STREAM_RESPONSE = 3;
const HEAD_MAX = 48 * 1024, FIELDS_MAX = 256, INFORMATIONAL_MAX = 16, PIECE = 16384;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

const latin1 = (value) => Uint8Array.from(value, (c) => c.charCodeAt(0));
const fromLatin1 = (bytes) => {
    let to = "";
    for (const byte of bytes) to += String.fromCharCode(byte);
    return to;
};
const vector = (bytes) => concat(varint(bytes.length), bytes);
const lines = (fields) => concat(...fields.flatMap(([name, value]) => [vector(utf8(name)), vector(latin1(value))]));
const control = ({ method, scheme, authority, path }) =>
    concat(...[method, scheme, authority, path].map((part) => vector(utf8(part))));

/** Head of a request up to its content. fields: [[lower-case name, value], ...]. */
export function requestHead(request, stream) {
    const section = lines(request.fields);
    return stream
        ? concat(varint(STREAM_REQUEST), control(request), section, varint(0))
        : concat(varint(KNOWN_REQUEST), control(request), vector(section));
}

/** Known length: the content; its trailers are empty and left out (section 3.8). */
export const knownContent = (content) => vector(content);
export const contentChunk = vector;
/** End of content and of an empty trailer section. */
export const streamEnd = () => concat(varint(0), varint(0));

const isOurs = ([name]) => name.startsWith("tfaas-");
const hashed = (start, fields) => concat(start, vector(lines(fields.filter((field) => !isOurs(field)))));

/** What receipts hash of a head (common/receipt.h): known-length, without fields of our prefix. */
export const hashedRequestHead = (request) =>
    hashed(concat(varint(KNOWN_REQUEST), control(request)), request.fields);
export const hashedResponseHead = (status, fields) =>
    hashed(concat(varint(KNOWN_RESPONSE), varint(status)), fields);

// --- reading ---

class Section {
    constructor() {
        this.fields = [];
        this.size = 0;
    }

    add(name, value) {
        this.size += name.length + value.length;
        const key = fromLatin1(name), content = fromLatin1(value);
        if (!TOKEN.test(key)) throw new Malformed("a field's name is no lower-case token");
        if (/[\0\r\n]/.test(content)) throw new Malformed("a field's value holds CR, LF or NUL");
        if (this.fields.length === FIELDS_MAX || this.size > HEAD_MAX) throw new Malformed("too many fields");
        this.fields.push([key, content]);
    }
}

async function fieldPart(reader, budget) {
    const size = await reader.varint();
    if (size > Math.min(budget, HEAD_MAX)) throw new Malformed("a field is too long");
    return [await reader.take(size), size];
}

/** Known length: `size` bytes of field lines. */
async function knownSection(reader) {
    const section = new Section();
    if (!(await reader.has(1))) return section.fields;
    let left = await reader.varint();
    if (left > HEAD_MAX) throw new Malformed("too many fields");
    const held = new Pieces(await reader.take(left));
    while (held.left > 0) section.add(held.vector(), held.vector());
    return section.fields;
}

class Pieces {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }

    get left() {
        return this.bytes.length - this.at;
    }

    take(size) {
        if (size > this.left) throw new Malformed("a field section is malformed");
        this.at += size;
        return this.bytes.subarray(this.at - size, this.at);
    }

    vector() {
        const [first] = this.take(1);
        let size = first & 0x3f;
        for (const byte of this.take((1 << (first >> 6)) - 1)) size = size * 256 + byte;
        return this.take(size);
    }
}

/** Indeterminate length: field lines up to an empty name. `mayBeMissing`: cut off before it. */
async function streamSection(reader, mayBeMissing) {
    const section = new Section();
    if (mayBeMissing && !(await reader.has(1))) return section.fields;
    for (;;) {
        const [name, size] = await fieldPart(reader, HEAD_MAX);
        if (size === 0) return section.fields;
        const [value] = await fieldPart(reader, HEAD_MAX);
        section.add(name, value);
    }
}

async function* knownContentOf(reader) {
    if (!(await reader.has(1))) return;
    yield* exactly(reader, await reader.varint());
}

async function* streamContentOf(reader) {
    if (!(await reader.has(1))) return;
    for (;;) {
        const size = await reader.varint();
        if (size === 0) return;
        yield* exactly(reader, size);
    }
}

async function* exactly(reader, size) {
    while (size > 0) {
        const part = await reader.some(Math.min(size, PIECE));
        if (part.length === 0) throw new Malformed("the content is cut off");
        size -= part.length;
        yield part;
    }
}

async function padding(reader) {
    for (;;) {
        const part = await reader.some(PIECE);
        if (part.length === 0) return;
        if (!isZero(part)) throw new Malformed("padding is not zero");
    }
}

/**
 * Reads the head of a response: { status, fields, content }, content an async generator of bytes
 * that returns the trailers.
 */
export async function readResponse(reader) {
    const framing = await reader.varint();
    if (framing !== KNOWN_RESPONSE && framing !== STREAM_RESPONSE) throw new Malformed("not a Binary HTTP response");
    const known = framing === KNOWN_RESPONSE;
    const section = (mayBeMissing) => (known ? knownSection(reader) : streamSection(reader, mayBeMissing));
    for (let informational = 0; ; informational++) {
        const status = await reader.varint();
        if (status < 100 || status > 599) throw new Malformed(`status ${status}`);
        const fields = await section(status >= 200);
        if (status >= 200) return { status, fields, content: content(reader, known, section) };
        if (informational === INFORMATIONAL_MAX) throw new Malformed("too many informational responses");
    }
}

async function* content(reader, known, section) {
    yield* known ? knownContentOf(reader) : streamContentOf(reader);
    const trailers = await section(true);
    await padding(reader);
    return trailers;
}
