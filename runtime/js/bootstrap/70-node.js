// process and the small part of node's built-in modules that pure-JavaScript packages lean on.
((native, internals) => {
    const PATH_NONE = 0, PATH_FILE = 1, PATH_DIRECTORY = 2;

    const normalize = (path) => {
        const absolute = path.startsWith('/');
        const parts = [];
        for (const part of path.split('/')) {
            if (part === '' || part === '.') continue;
            if (part === '..' && parts.length && parts.at(-1) !== '..') parts.pop();
            else if (part !== '..' || !absolute) parts.push(part);
        }
        const text = parts.join('/') + (path.endsWith('/') && parts.length ? '/' : '');
        return absolute ? '/' + text : text || '.';
    };
    const path = {
        sep: '/', delimiter: ':', normalize,
        join: (...parts) => normalize(parts.filter(Boolean).join('/') || '.'),
        resolve: (...parts) => {
            let text = '';
            for (const part of [process.cwd(), ...parts]) text = part.startsWith('/') ? part : `${text}/${part}`;
            return normalize(text).replace(/(.)\/$/, '$1');
        },
        isAbsolute: (text) => text.startsWith('/'),
        dirname: (text) => {
            const trimmed = text.replace(/(.)\/+$/, '$1');
            const at = trimmed.lastIndexOf('/');
            return at < 0 ? '.' : at === 0 ? '/' : trimmed.slice(0, at);
        },
        basename: (text, suffix = '') => {
            const name = text.replace(/\/+$/, '').split('/').at(-1);
            return suffix && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
        },
        extname: (text) => /^.+(\.[^.]*)$/.exec(path.basename(text))?.[1] ?? '',
        relative: (from, to) => {
            const a = path.resolve(from).split('/').filter(Boolean), b = path.resolve(to).split('/').filter(Boolean);
            let same = 0;
            while (same < a.length && same < b.length && a[same] === b[same]) same++;
            return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
        },
        parse: (text) => {
            const base = path.basename(text), ext = path.extname(text);
            return { root: text.startsWith('/') ? '/' : '', dir: text.includes('/') ? path.dirname(text) : '', base, ext,
                name: ext ? base.slice(0, -ext.length) : base };
        },
        format: ({ dir, root = '', base, name = '', ext = '' }) => {
            const file = base ?? name + ext;
            return dir ? (dir === root ? dir + file : `${dir}/${file}`) : root + file;
        },
    };
    path.posix = path;

    const CODES = { 2: 'EACCES', 22: 'EFBIG', 31: 'EISDIR', 44: 'ENOENT', 48: 'ENOMEM', 54: 'ENOTDIR', 76: 'ENOTCAPABLE' };
    const fsError = (number, call, file) => {
        const code = CODES[number] ?? `WASI errno ${number}`;
        return Object.assign(new Error(`${code}: ${call} '${file}'`), { code, syscall: call, path: file });
    };
    const location = (file) => file instanceof URL ? decodeURIComponent(file.pathname) : path.resolve(String(file));
    const checked = (result, call, file) => {
        if (typeof result === 'number') throw fsError(result, call, file);
        return result;
    };
    const stats = (file, kind) => ({ size: native.fileSize(file), isFile: () => kind === PATH_FILE,
        isDirectory: () => kind === PATH_DIRECTORY, isSymbolicLink: () => false });
    const readOnly = (call) => () => { throw Object.assign(new Error(`EROFS: ${call}: a function's files are read-only`), { code: 'EROFS' }); };
    const fs = {
        readFileSync(file, options) {
            const encoding = typeof options === 'string' ? options : options?.encoding;
            const where = location(file);
            if (encoding && /^utf-?8$/i.test(encoding)) return checked(native.readText(where), 'open', where);
            const bytes = checked(native.readBytes(where), 'open', where);
            return encoding ? bytes.toString(encoding) : bytes;
        },
        existsSync: (file) => native.fileKind(location(file)) !== PATH_NONE,
        readdirSync(file) { const where = location(file); return checked(native.readNames(where), 'scandir', where).sort(); },
        statSync(file, options) {
            const where = location(file), kind = native.fileKind(where);
            if (kind !== PATH_NONE) return stats(where, kind);
            if (options?.throwIfNoEntry === false) return undefined;
            throw fsError(44, 'stat', where);
        },
        accessSync(file) { fs.statSync(file); },
        realpathSync: (file) => { fs.statSync(file); return location(file); },
    };
    fs.lstatSync = fs.statSync;
    for (const call of ['writeFile', 'appendFile', 'mkdir', 'unlink', 'rm', 'rename']) fs[`${call}Sync`] = readOnly(call);
    fs.promises = Object.fromEntries(Object.keys(fs).map((name) =>
        [name.replace(/Sync$/, ''), async (...values) => fs[name](...values)]));
    for (const name of Object.keys(fs.promises))
        fs[name] ??= (...values) => {
            const callback = values.pop();
            fs.promises[name](...values).then((value) => callback(null, value), callback);
        };

    // A plain function, so that packages written before classes can EventEmitter.call(this).
    const listeners = new WeakMap(); // emitter -> Map of name -> [{ listener, once }]
    const entries = (emitter, name) => listeners.get(emitter)?.get(name) ?? [];
    const setEntries = (emitter, name, list) => {
        if (!listeners.has(emitter)) listeners.set(emitter, new Map());
        if (list.length) listeners.get(emitter).set(name, list); else listeners.get(emitter).delete(name);
        return emitter;
    };
    const addEntry = (emitter, name, listener, once, front) => {
        if (typeof listener !== 'function') throw new TypeError('the listener must be a function');
        const entry = { listener, once }, list = entries(emitter, name);
        return setEntries(emitter, name, front ? [entry, ...list] : [...list, entry]);
    };
    function EventEmitter() {}
    internals.define(EventEmitter.prototype, {
        on(name, listener) { return addEntry(this, name, listener, false, false); },
        once(name, listener) { return addEntry(this, name, listener, true, false); },
        prependListener(name, listener) { return addEntry(this, name, listener, false, true); },
        off(name, listener) {
            const list = entries(this, name), at = list.findLastIndex((entry) => entry.listener === listener);
            return at < 0 ? this : setEntries(this, name, list.toSpliced(at, 1));
        },
        removeAllListeners(name) {
            if (name === undefined) listeners.delete(this); else setEntries(this, name, []);
            return this;
        },
        emit(name, ...values) {
            const list = entries(this, name);
            if (name === 'error' && list.length === 0)
                throw values[0] instanceof Error ? values[0] : new Error(`Unhandled error. (${values[0]})`);
            for (const { listener, once } of list) {
                if (once) this.off(name, listener);
                listener.apply(this, values);
            }
            return list.length > 0;
        },
        listeners(name) { return entries(this, name).map((entry) => entry.listener); },
        listenerCount(name) { return entries(this, name).length; },
        eventNames() { return [...(listeners.get(this)?.keys() ?? [])]; },
        setMaxListeners() { return this; },
        getMaxListeners() { return 10; },
    });
    internals.define(EventEmitter.prototype, { addListener: EventEmitter.prototype.on, removeListener: EventEmitter.prototype.off });
    Object.assign(EventEmitter, { EventEmitter, defaultMaxListeners: 10, once: (emitter, name) => new Promise((resolve, reject) => {
        emitter.once(name, (...values) => resolve(values));
        if (name !== 'error') emitter.once('error', reject);
    }) });

    const deepEqual = (a, b) => {
        if (Object.is(a, b)) return true;
        if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
        if (a instanceof Date) return a.getTime() === b.getTime();
        if (a instanceof RegExp) return String(a) === String(b);
        if (a instanceof Map || a instanceof Set) return a.size === b.size && deepEqual([...a], [...b]);
        const keys = Reflect.ownKeys(a);
        return keys.length === Reflect.ownKeys(b).length && keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key], b[key]));
    };
    const util = {
        inspect: (value, options) => internals.inspect(value, options?.depth === null ? Infinity : options?.depth),
        format: internals.format,
        promisify: (callback) => (...values) => new Promise((resolve, reject) =>
            callback(...values, (error, value) => (error ? reject(error) : resolve(value)))),
        callbackify: (action) => (...values) => {
            const callback = values.pop();
            action(...values).then((value) => callback(null, value), callback);
        },
        inherits: (child, parent) => { child.super_ = parent; Object.setPrototypeOf(child.prototype, parent.prototype); },
        deprecate: (action) => action,
        isDeepStrictEqual: deepEqual,
        isArray: Array.isArray,
        types: { isPromise: (v) => v instanceof Promise, isDate: (v) => v instanceof Date, isRegExp: (v) => v instanceof RegExp,
            isUint8Array: (v) => v instanceof Uint8Array, isTypedArray: (v) => ArrayBuffer.isView(v) && !(v instanceof DataView) },
        TextEncoder, TextDecoder,
    };
    util.inspect.custom = Symbol.for('nodejs.util.inspect.custom');

    class AssertionError extends Error {
        constructor({ message, actual, expected }) {
            super(message);
            Object.assign(this, { name: 'AssertionError', code: 'ERR_ASSERTION', actual, expected });
        }
    }
    const check = (good, message, actual, expected, text) => {
        if (good) return;
        if (message instanceof Error) throw message;
        throw new AssertionError({ message: message ?? text, actual, expected });
    };
    const differ = (a, b) => `${internals.inspect(a)} is not ${internals.inspect(b)}`;
    const assert = Object.assign((value, message) => check(value, message, value, true, 'the value is not truthy'), {
        AssertionError,
        ok: (value, message) => assert(value, message),
        equal: (a, b, message) => check(a == b, message, a, b, differ(a, b)),
        notEqual: (a, b, message) => check(a != b, message, a, b, 'the values are equal'),
        strictEqual: (a, b, message) => check(Object.is(a, b), message, a, b, differ(a, b)),
        notStrictEqual: (a, b, message) => check(!Object.is(a, b), message, a, b, 'the values are equal'),
        deepEqual: (a, b, message) => check(deepEqual(a, b), message, a, b, differ(a, b)),
        deepStrictEqual: (a, b, message) => check(deepEqual(a, b), message, a, b, differ(a, b)),
        fail: (message) => check(false, message, undefined, undefined, 'Failed'),
        throws: (action) => {
            try { action(); } catch { return; }
            check(false, 'no exception was thrown');
        },
    });
    assert.strict = assert;

    const querystring = {
        parse: (text) => native.parseForm(String(text)),
        stringify: (object) => Object.entries(object).flatMap(([name, value]) => (Array.isArray(value) ? value : [value])
            .map((each) => `${encodeURIComponent(name)}=${encodeURIComponent(each ?? '')}`)).join('&'),
        escape: encodeURIComponent, unescape: decodeURIComponent,
    };
    const sleep = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));
    const timers = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate };
    timers.promises = { setTimeout: sleep, setImmediate: (value) => sleep(0, value), scheduler: { wait: sleep } };

    const lineWriter = () => {
        let rest = '';
        return { isTTY: false, write(text) {
            const lines = (rest + text).split('\n');
            rest = lines.pop();
            for (const line of lines) native.log(line);
            if (rest.length > 4096) { native.log(rest); rest = ''; }
            return true;
        } };
    };
    const process = Object.assign(Object.create(EventEmitter.prototype), {
        env: {}, argv: ['tfaas'], execArgv: [], pid: 1, ppid: 0, arch: 'wasm32', platform: 'wasi', title: 'tfaas', exitCode: undefined,
        version: 'v20.0.0', versions: { node: '20.0.0', quickjs: '0.16.2' }, release: { name: 'tfaas' },
        cwd: () => '/function', umask: () => 0o22, uptime: () => native.performanceNow() / 1000,
        nextTick: (callback, ...values) => queueMicrotask(() => callback(...values)),
        hrtime: Object.assign((since) => {
            const now = native.monotonic(), whole = Number(now / 1000000000n), rest = Number(now % 1000000000n);
            if (!since) return [whole, rest];
            const ns = rest - since[1];
            return ns < 0 ? [whole - since[0] - 1, ns + 1e9] : [whole - since[0], ns];
        }, { bigint: () => native.monotonic() }),
        memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
        emitWarning: (warning) => native.log(`Warning: ${warning?.message ?? warning}`),
        exit: (code) => { throw new Error(`process.exit(${code ?? ''}) is not available: return a response instead`); },
        stdout: lineWriter(), stderr: lineWriter(),
    });
    internals.define(globalThis, { process });

    const url = { URL, URLSearchParams, fileURLToPath: (file) => decodeURIComponent(new URL(file).pathname),
        pathToFileURL: (file) => new URL('file://' + path.resolve(file)), parse: (text) => new URL(text) };
    internals.path = path;
    internals.builtins = { assert, 'assert/strict': assert, buffer: { Buffer, Blob, kMaxLength: 2 ** 30, atob, btoa },
        console, events: EventEmitter, fs, 'fs/promises': fs.promises, path, 'path/posix': path,
        perf_hooks: { performance }, process, querystring, timers, 'timers/promises': timers.promises, url, util,
        'util/types': util.types, 'stream/web': { ReadableStream, WritableStream, TransformStream } };
})
