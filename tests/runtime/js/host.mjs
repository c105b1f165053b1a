// A host for js.wasm in node: the "tfaas" imports and the WASI preview 1 calls of the guest ABI,
// with a virtual clock. It runs instances the way the core does: an image is taken after init and
// load, and every invocation gets a new instance whose memory equals the image.
import { readFileSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';
import { primitives } from './host_crypto.mjs';

const PAGE = 4096;
const ERRNO = { success: 0, badf: 8, inval: 28, isdir: 31, noent: 44, nosys: 52, notdir: 54, notcapable: 76 };
const SECOND = 1_000_000_000n;

export class Deadline extends Error {}
export class Exit extends Error {
    constructor(code) { super(`exit ${code}`); this.code = code; }
}

/* Binary HTTP (RFC 9292) */
const varint = (value) => value < 64 ? [value] : value < 16384 ? [0x40 | value >> 8, value & 255]
    : [0x80 | value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255];
const latin1 = (text) => [...Buffer.from(text, 'latin1')];
const field = (text) => { const bytes = latin1(text); return [...varint(bytes.length), ...bytes]; };

export const requestHead = ({ method = 'GET', scheme = 'http', authority = 'fn.test', path = '/', headers = [] }) => {
    const section = headers.flatMap(([name, value]) => [...field(name), ...field(value)]);
    return Buffer.from([0, ...field(method), ...field(scheme), ...field(authority), ...field(path),
        ...varint(section.length), ...section]);
};
export const parseResponse = (bytes) => {
    let at = 0;
    const need = (size) => { if (at + size > bytes.length) throw new Error('the response head is cut'); };
    const number = () => {
        need(1);
        const size = 1 << (bytes[at] >> 6);
        need(size);
        let value = bytes[at] & 0x3f;
        for (let i = 1; i < size; i++) value = value * 256 + bytes[at + i];
        at += size;
        return value;
    };
    const text = () => { const size = number(); need(size); at += size; return bytes.subarray(at - size, at).toString('latin1'); };
    if (number() !== 1) throw new Error('not a known-length response');
    const status = number(), end = number() + at, headers = [];
    need(end - at);
    while (at < end) headers.push([text(), text()]);
    if (at !== end) throw new Error('the header section does not end where it says');
    return { status, headers, size: at };
};

/* What one instance sees. */
class World {
    constructor({ files = {}, env = {}, entry, random = randomFillSync, now = 0n, sleepAllowed = true, compartment } = {}) {
        Object.assign(this, { files, env, args: entry ? ['tfaas', entry] : ['tfaas'], random, now, sleepAllowed, compartment });
        this.log = [];
        this.request = [];
        this.response = [];
        this.calls = {};
        this.open = new Map();
        this.nextFd = 4;
        this.slept = 0n;
        this.acceptBytes = Infinity;
    }
    count(name) { this.calls[name] = (this.calls[name] ?? 0) + 1; }
    kind(path) {
        if (path in this.files) return 4;
        const folder = path === '/' ? '/' : path + '/';
        return path === '/' || Object.keys(this.files).some((name) => name.startsWith(folder)) ? 3 : 0;
    }
}

const imports = (world, memory) => {
    const bytes = () => new Uint8Array(memory().buffer);
    const view = () => new DataView(memory().buffer);
    const pathAt = (pointer, size) => {
        const text = Buffer.from(bytes().slice(pointer, pointer + size)).toString();
        return '/' + text.split('/').filter((part) => part && part !== '.').join('/');
    };
    const strings = (list) => ({
        sizes(count, size) {
            view().setUint32(count, list.length, true);
            view().setUint32(size, list.reduce((sum, s) => sum + Buffer.byteLength(s) + 1, 0), true);
            return 0;
        },
        get(pointers, block) {
            for (const text of list) {
                view().setUint32(pointers, block, true);
                const data = Buffer.from(text + '\0');
                bytes().set(data, block);
                pointers += 4;
                block += data.length;
            }
            return 0;
        },
    });
    const args = strings(world.args), env = strings(Object.entries(world.env).map(([k, v]) => `${k}=${v}`));
    const vectors = (pointer, count) => Array.from({ length: count }, (_, i) =>
        [view().getUint32(pointer + 8 * i, true), view().getUint32(pointer + 8 * i + 4, true)]);
    const stat = (pointer, kind, size) => {
        bytes().fill(0, pointer, pointer + 64);
        view().setUint8(pointer + 16, kind);
        view().setBigUint64(pointer + 32, BigInt(size), true);
    };
    const wasi = {
        args_sizes_get: args.sizes, args_get: args.get, environ_sizes_get: env.sizes, environ_get: env.get,
        clock_time_get(id, precision, result) {
            view().setBigUint64(result, world.now + (id === 0 ? 1_700_000_000n * SECOND : 0n), true);
            return 0;
        },
        clock_res_get(id, result) { view().setBigUint64(result, 1000n, true); return 0; },
        random_get(pointer, size) { world.count('random_get'); world.random(bytes().subarray(pointer, pointer + size)); return 0; },
        fd_write(fd, pointer, count, result) {
            if (fd !== 1 && fd !== 2) return ERRNO.badf;
            const pieces = vectors(pointer, count).map(([at, size]) => Buffer.from(bytes().slice(at, at + size)));
            world.log.push(Buffer.concat(pieces).toString());
            view().setUint32(result, pieces.reduce((sum, piece) => sum + piece.length, 0), true);
            return 0;
        },
        fd_read(fd, pointer, count, result) {
            const file = world.open.get(fd);
            if (!file) return ERRNO.badf;
            let total = 0;
            for (const [at, size] of vectors(pointer, count)) {
                const piece = file.data.subarray(file.at, file.at + size);
                bytes().set(piece, at);
                file.at += piece.length;
                total += piece.length;
            }
            view().setUint32(result, total, true);
            return 0;
        },
        fd_readdir(fd, buffer, room, cookie, result) {
            const folder = world.open.get(fd);
            if (!folder?.names) return ERRNO.notdir;
            let used = 0;
            for (let i = Number(cookie); i < folder.names.length && used < room; i++) {
                const name = Buffer.from(folder.names[i]), entry = Buffer.alloc(24 + name.length);
                entry.writeBigUInt64LE(BigInt(i + 1), 0);
                entry.writeUInt32LE(name.length, 16);
                name.copy(entry, 24);
                const piece = entry.subarray(0, room - used);
                bytes().set(piece, buffer + used);
                used += piece.length;
            }
            view().setUint32(result, used, true);
            return 0;
        },
        fd_close(fd) { return world.open.delete(fd) ? 0 : ERRNO.badf; },
        fd_fdstat_get() { return ERRNO.badf; },
        fd_seek() { return ERRNO.badf; },
        path_open(fd, flags, pointer, size, oflags, rights, inheriting, fdflags, result) {
            if (fd !== 3) return ERRNO.badf;
            const path = pathAt(pointer, size), kind = world.kind(path);
            if (kind === 0) return ERRNO.noent;
            if (oflags & 2 && kind !== 3) return ERRNO.notdir;
            const folder = path === '/' ? '/' : path + '/';
            world.open.set(world.nextFd, kind === 4 ? { data: Buffer.from(world.files[path]), at: 0 }
                : { names: [...new Set(Object.keys(world.files).filter((n) => n.startsWith(folder))
                    .map((n) => n.slice(folder.length).split('/')[0]))] });
            view().setUint32(result, world.nextFd++, true);
            return 0;
        },
        path_filestat_get(fd, flags, pointer, size, result) {
            const path = pathAt(pointer, size), kind = world.kind(path);
            if (kind === 0) return ERRNO.noent;
            stat(result, kind, kind === 4 ? Buffer.byteLength(world.files[path]) : 0);
            return 0;
        },
        proc_exit(code) { throw new Exit(code); },
    };
    const tfaas = {
        request_read(pointer, room) {
            world.count('request_read');
            const piece = world.request.shift();
            if (piece === undefined) return 0;
            if (typeof piece === 'number') return piece; // a refusal
            if (piece.length > room) world.request.unshift(piece.subarray(room));
            bytes().set(piece.subarray(0, room), pointer);
            return Math.min(piece.length, room);
        },
        response_write(pointer, size, last) {
            world.count('response_write');
            if (world.ended) throw new Error('response_write after the last piece');
            world.acceptBytes -= size;
            if (world.acceptBytes < 0) return -1;
            world.response.push(Buffer.from(bytes().slice(pointer, pointer + size)));
            world.ended = last === 1;
            return size;
        },
        sleep(ns) {
            world.count('sleep');
            if (!world.sleepAllowed) return -1;
            if (ns < 0n) throw new Deadline('slept for ever');
            world.now += ns;
            world.slept += ns;
            if (world.slept > 3600n * SECOND) throw new Deadline('slept too long');
            return 0;
        },
        /* world.compartment(request) plays every compartment: bytes, or a negative number */
        compartment_open() { return world.compartment ? 0 : -9; },
        compartment_call(handle, pointer, size) {
            if (!world.compartment) return -8;
            const answer = world.compartment(Buffer.from(bytes().slice(pointer, pointer + size)));
            if (typeof answer === 'number') return answer;
            world.answer = answer;
            return answer.length;
        },
        compartment_read(pointer, room) {
            const piece = (world.answer ?? Buffer.alloc(0)).subarray(0, room);
            world.answer = undefined;
            bytes().set(piece, pointer);
            return piece.length;
        },
        compartment_close() { return 0; },
    };
    return { wasi_snapshot_preview1: wasi, tfaas: { ...tfaas, ...primitives(memory) } };
};

/* The module with a maximum for its memory, as the core's memory limit acts. */
const withMemoryLimit = (wasm, pages) => {
    const number = (at) => {
        let value = 0, shift = 0, byte;
        do { byte = wasm[at++]; value |= (byte & 0x7f) << shift; shift += 7; } while (byte & 0x80);
        return [value, at];
    };
    const leb = (value) => { const out = []; do { out.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0)); value >>>= 7; } while (value); return out; };
    for (let at = 8; at < wasm.length;) {
        const id = wasm[at], [size, body] = number(at + 1);
        if (id === 5) {
            const [minimum] = number(body + 2);
            const section = [1, 1, ...leb(minimum), ...leb(pages)];
            return Buffer.concat([wasm.subarray(0, at), Buffer.from([5, ...leb(section.length), ...section]), wasm.subarray(body + size)]);
        }
        at = body + size;
    }
    throw new Error('no memory section');
};

export class Runtime {
    constructor(path, { maxPages } = {}) {
        this.path = path;
        const wasm = readFileSync(path);
        this.module = new WebAssembly.Module(maxPages ? withMemoryLimit(wasm, maxPages) : wasm);
        const unknown = WebAssembly.Module.imports(this.module).filter(({ module, name }) =>
            !(name in (imports(new World({}), () => null)[module] ?? {})));
        if (unknown.length) throw new Error(`unknown imports: ${unknown.map((i) => i.name).join(', ')}`);
        const { instance, world } = this.instantiate({ sleepAllowed: false });
        instance.exports._initialize?.();
        const code = instance.exports.tfaas_init();
        if (code !== 0) throw new Error(`tfaas_init: ${code}\n${world.log.join('')}`);
        this.base = Buffer.from(new Uint8Array(instance.exports.memory.buffer));
    }
    instantiate(options, image) {
        const world = new World(options);
        let memory;
        const instance = new WebAssembly.Instance(this.module, imports(world, () => memory));
        memory = instance.exports.memory;
        if (image) {
            const missing = image.length - memory.buffer.byteLength;
            if (missing > 0) memory.grow(missing / 65536);
            new Uint8Array(memory.buffer).set(image);
        }
        return { instance, world };
    }
    /* files: { "/function/handler.js": text }. Gives { code, log, image }. */
    load(files, { entry = '/function/handler.js', env = {}, sleepAllowed = false, compartment } = {}) {
        const options = { files, env, entry, sleepAllowed, compartment };
        const { instance, world } = this.instantiate(options, this.base);
        const code = instance.exports.tfaas_load();
        return new Image(this, { ...options, sleepAllowed: true }, code, world.log.join(''),
            Buffer.from(new Uint8Array(instance.exports.memory.buffer)));
    }
}

export class Image {
    constructor(runtime, options, code, log, bytes) { Object.assign(this, { runtime, options, code, log, bytes }); }
    get nonZeroBytes() {
        let count = 0;
        for (let at = 0; at < this.bytes.length; at += PAGE)
            if (this.bytes.subarray(at, at + PAGE).some((byte) => byte !== 0)) count += PAGE;
        return count;
    }
    /* request: what requestHead takes, plus body (string, Buffer or list of pieces). */
    invoke(request = {}, { random, acceptBytes = Infinity, raw } = {}) {
        if (this.code !== 0) throw new Error(`not loaded: ${this.log}`);
        const { instance, world } = this.runtime.instantiate({ ...this.options, ...(random && { random }), now: 5n * SECOND }, this.bytes);
        world.acceptBytes = acceptBytes;
        const body = request.body ?? '';
        const pieces = (Array.isArray(body) ? body : [body]).map((p) => typeof p === 'number' ? p : Buffer.from(p));
        const headers = [...(request.headers ?? [])];
        if (request.length !== false && pieces.length === 1 && pieces[0].length)
            headers.push(['content-length', String(pieces[0].length)]);
        const head = requestHead({ ...request, headers });
        world.request = raw ?? (pieces.length === 1 ? [Buffer.concat([head, pieces[0]])] : [head, ...pieces]);
        const result = { log: '', calls: world.calls };
        try { result.code = instance.exports.tfaas_handle(); } catch (error) { result.error = error; }
        const memory = Buffer.from(instance.exports.memory.buffer);
        result.log = world.log.join('');
        result.lines = world.log;
        result.writes = world.response.length;
        result.ended = world.ended === true;
        result.slept = world.slept;
        result.grown = memory.length - this.bytes.length;
        result.dirtyPages = 0;
        result.dirty = [];
        for (let at = 0; at < this.bytes.length; at += PAGE)
            if (memory.compare(this.bytes, at, at + PAGE, at, at + PAGE) !== 0) { result.dirtyPages++; result.dirty.push(at / PAGE); }
        const all = Buffer.concat(world.response);
        result.bytes = all;
        if (all.length) {
            const { status, headers: fields, size } = parseResponse(all);
            parseResponse(world.response[0]); // the first write holds the whole head
            Object.assign(result, { status, fields, body: all.subarray(size), text: all.subarray(size).toString() });
            result.header = (name) => fields.filter(([n]) => n === name).map(([, v]) => v).join('|') || undefined;
        }
        return result;
    }
}
