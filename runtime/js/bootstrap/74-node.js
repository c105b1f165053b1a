// node's path, fs (reading), timers, process and the small modules that packages ask for.
((native, internals) => {
    const { builtins, coded } = internals, EventEmitter = builtins.events;
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
    const text = (value, name = 'path') => {
        if (typeof value !== 'string') throw coded('ERR_INVALID_ARG_TYPE', `The "${name}" argument must be of type string. Received ${value === null ? 'null' : typeof value}`, TypeError);
        return value;
    };
    const path = {
        sep: '/', delimiter: ':', normalize: (value) => normalize(text(value)), toNamespacedPath: (value) => value,
        join: (...parts) => normalize(parts.filter((part) => text(part)).join('/') || '.'),
        resolve: (...parts) => {
            let whole = '';
            for (const part of ['/function', ...parts]) whole = text(part).startsWith('/') ? part : part ? `${whole}/${part}` : whole;
            return normalize(whole).replace(/(.)\/$/, '$1');
        },
        isAbsolute: (value) => text(value).startsWith('/'),
        dirname: (value) => {
            const trimmed = text(value).replace(/(.)\/+$/, '$1'), at = trimmed.lastIndexOf('/');
            if (value === '') return '.';
            const folder = at < 0 ? '.' : at === 0 ? '/' : trimmed.slice(0, at);
            return at === 1 && trimmed[0] === '/' ? '//' : folder;
        },
        basename: (value, suffix = '') => {
            const name = text(value).replace(/\/+$/, '').split('/').at(-1);
            return suffix && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
        },
        extname: (value) => { const name = path.basename(value), at = name.lastIndexOf('.'); return at <= 0 || name === '..' ? '' : name.slice(at); },
        relative: (from, to) => {
            const a = path.resolve(from).split('/').filter(Boolean), b = path.resolve(to).split('/').filter(Boolean);
            let same = 0;
            while (same < a.length && same < b.length && a[same] === b[same]) same++;
            return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
        },
        parse: (value) => {
            const base = path.basename(value), ext = path.extname(value), trimmed = value.replace(/(.)\/+$/, '$1'), at = trimmed.lastIndexOf('/');
            return { root: value.startsWith('/') ? '/' : '', dir: at > 0 ? trimmed.slice(0, at) : at === 0 ? '/' : '', base, ext,
                name: ext ? base.slice(0, -ext.length) : base };
        },
        format: ({ dir, root = '', base, name = '', ext = '' }) => {
            const file = base || name + (ext && !ext.startsWith('.') ? '.' + ext : ext);
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
    fs.constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };
    fs.lstatSync = fs.statSync;
    fs.createReadStream = (file, options) => builtins.stream.Readable.from((function* () { yield fs.readFileSync(file, options); })(), { objectMode: false });
    for (const call of ['writeFile', 'appendFile', 'mkdir', 'unlink', 'rm', 'rename']) fs[`${call}Sync`] = readOnly(call);
    fs.promises = Object.fromEntries(Object.keys(fs).filter((name) => name.endsWith('Sync')).map((name) =>
        [name.replace(/Sync$/, ''), async (...values) => fs[name](...values)]));
    for (const name of Object.keys(fs.promises))
        fs[name] ??= (...values) => {
            const callback = values.pop();
            fs.promises[name](...values).then((value) => callback(null, value), callback);
        };

    const sleep = (ms, value, { signal } = {}) => new Promise((resolve, reject) => {
        const stop = () => { clearTimeout(timer); reject(Object.assign(new Error('The operation was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' })); };
        const timer = setTimeout(() => { signal?.removeEventListener('abort', stop); resolve(value); }, ms);
        if (signal?.aborted) stop(); else signal?.addEventListener('abort', stop, { once: true });
    });
    const timers = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate };
    timers.promises = { setTimeout: sleep, setImmediate: (value) => sleep(0, value), scheduler: { wait: (ms) => sleep(ms), yield: () => sleep(0) },
        async *setInterval(ms, value) { for (;;) { await sleep(ms); yield value; } } };

    const lineWriter = () => {
        let rest = '';
        return new builtins.stream.Writable({ decodeStrings: false, write(text, encoding, callback) {
            const lines = (rest + (typeof text === 'string' ? text : Buffer.from(text).toString())).split('\n');
            rest = lines.pop();
            for (const line of lines) native.log(line);
            if (rest.length > 4096) { native.log(rest); rest = ''; }
            callback();
        } });
    };
    const hrtime = (since) => {
        const now = native.monotonic(), whole = Number(now / 1000000000n), rest = Number(now % 1000000000n);
        if (!since) return [whole, rest];
        const ns = rest - since[1];
        return ns < 0 ? [whole - since[0] - 1, ns + 1e9] : [whole - since[0], ns];
    };
    const process = Object.assign(Object.create(EventEmitter.prototype), {
        env: {}, argv: ['tfaas'], execArgv: [], execPath: '/tfaas', pid: 1, ppid: 0, arch: 'wasm32', platform: 'linux', title: 'tfaas', exitCode: undefined,
        version: 'v20.0.0', versions: { node: '20.0.0', quickjs: '0.16.2' }, release: { name: 'node' }, features: {}, config: { variables: {} },
        cwd: () => '/function', umask: () => 0o22, uptime: () => native.performanceNow() / 1000, getuid: () => 65534, getgid: () => 65534, geteuid: () => 65534, getegid: () => 65534,
        nextTick: (callback, ...values) => queueMicrotask(() => callback(...values)),
        hrtime: Object.assign(hrtime, { bigint: () => native.monotonic() }),
        memoryUsage: Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 }),
        cpuUsage: () => ({ user: 0, system: 0 }), binding: () => { throw new Error('process.binding is not available'); },
        emitWarning: (warning) => native.log(`Warning: ${warning?.message ?? warning}`),
        exit: (code) => { throw new Error(`process.exit(${code ?? ''}) is not available: return a response instead`); },
        abort: () => { throw new Error('process.abort() is not available'); },
        chdir: () => { throw coded('ENOSYS', 'process.chdir() is not available', Error); },
        stdout: Object.assign(lineWriter(), { isTTY: false, columns: 80, fd: 1 }), stderr: Object.assign(lineWriter(), { isTTY: false, columns: 80, fd: 2 }),
    });
    Object.defineProperty(process, Symbol.toStringTag, { value: 'process' });
    internals.define(globalThis, { process });

    // What packages name at load and do not need: each says so when it is used.
    const absent = (module, names) => Object.fromEntries(names.map((name) => [name, () => { throw coded('ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `${module}.${name} is not available to a function`, Error); }]));
    const STATUS_CODES = { 100: 'Continue', 101: 'Switching Protocols', 102: 'Processing', 103: 'Early Hints', 200: 'OK', 201: 'Created', 202: 'Accepted', 203: 'Non-Authoritative Information', 204: 'No Content', 205: 'Reset Content',
        206: 'Partial Content', 207: 'Multi-Status', 208: 'Already Reported', 226: 'IM Used', 300: 'Multiple Choices', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified', 305: 'Use Proxy',
        307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized', 402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable',
        407: 'Proxy Authentication Required', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 411: 'Length Required', 412: 'Precondition Failed', 413: 'Payload Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type',
        416: 'Range Not Satisfiable', 417: 'Expectation Failed', 418: "I'm a Teapot", 421: 'Misdirected Request', 422: 'Unprocessable Entity', 423: 'Locked', 424: 'Failed Dependency', 425: 'Too Early', 426: 'Upgrade Required',
        428: 'Precondition Required', 429: 'Too Many Requests', 431: 'Request Header Fields Too Large', 451: 'Unavailable For Legal Reasons', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway',
        503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported', 506: 'Variant Also Negotiates', 507: 'Insufficient Storage', 508: 'Loop Detected', 509: 'Bandwidth Limit Exceeded', 510: 'Not Extended',
        511: 'Network Authentication Required' };
    const METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];
    class Agent extends EventEmitter {}
    class IncomingMessage extends builtins.stream.Readable {}
    class ServerResponse extends builtins.stream.Writable {}
    const http = { STATUS_CODES, METHODS, Agent, globalAgent: new Agent(), IncomingMessage, ServerResponse, ...absent('http', ['request', 'get', 'createServer']) };
    const https = { Agent, globalAgent: new Agent(), ...absent('https', ['request', 'get', 'createServer']) };
    class AsyncResource { constructor(type) { this.type = type; } runInAsyncScope(action, self, ...values) { return Reflect.apply(action, self, values); } emitDestroy() { return this; } static bind(action) { return action; } }
    const tty = { isatty: () => false, ...absent('tty', ['ReadStream', 'WriteStream']) };
    const zlib = { constants: {}, ...absent('zlib', ['gzip', 'gunzip', 'gzipSync', 'gunzipSync', 'deflate', 'inflate', 'deflateSync', 'inflateSync', 'createGzip', 'createGunzip', 'createDeflate', 'createInflate', 'brotliCompressSync', 'brotliDecompressSync']) };

    internals.path = path;
    Object.assign(builtins, { buffer: { Buffer, Blob, File, kMaxLength: 2 ** 30, constants: { MAX_LENGTH: 2 ** 30, MAX_STRING_LENGTH: 2 ** 29 }, atob, btoa, INSPECT_MAX_BYTES: 50, SlowBuffer: Buffer, isUtf8: (bytes) => native.utf8State(bytes) === 0,
            isAscii: (bytes) => internals.bytesOf(bytes).every((byte) => byte < 128), transcode: (bytes, from, to) => Buffer.from(Buffer.from(bytes).toString(from), to) },
        console, fs, 'fs/promises': fs.promises, path, 'path/posix': path, 'path/win32': path, perf_hooks: { performance }, process, timers, 'timers/promises': timers.promises, http, https, zlib, tty,
        async_hooks: { AsyncResource }, constants: {}, punycode: { toASCII: internals.domainToASCII }, ...Object.fromEntries(['net', 'tls', 'dns', 'child_process', 'worker_threads', 'cluster', 'http2', 'vm', 'readline', 'v8', 'inspector', 'dgram'].map((name) => [name,
            absent(name, { net: ['connect', 'createConnection', 'createServer', 'Socket'], tls: ['connect'], dns: ['lookup', 'resolve'], child_process: ['exec', 'execSync', 'spawn', 'spawnSync', 'fork', 'execFile'],
                vm: ['runInNewContext', 'runInThisContext', 'createContext', 'Script'], readline: ['createInterface'] }[name] ?? [])])),
        'stream/web': Object.fromEntries(['ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader', 'WritableStream', 'WritableStreamDefaultWriter', 'TransformStream', 'TextEncoderStream', 'TextDecoderStream',
            'CountQueuingStrategy', 'ByteLengthQueuingStrategy'].map((name) => [name, globalThis[name]])) });
    Object.assign(builtins.worker_threads, { isMainThread: true, parentPort: null, workerData: null, threadId: 0 });
    builtins.net.isIP = (text) => (/^(\d{1,3}\.){3}\d{1,3}$/.test(text) && text.split('.').every((n) => Number(n) < 256 && String(Number(n)) === n) ? 4 : URL.canParse(`http://[${text}]/`) && text.includes(':') ? 6 : 0);
    builtins.net.isIPv4 = (text) => builtins.net.isIP(text) === 4;
    builtins.net.isIPv6 = (text) => builtins.net.isIP(text) === 6;
    path.win32 = path;
})
