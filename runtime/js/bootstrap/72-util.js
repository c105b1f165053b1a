// node's util, assert, querystring, string_decoder, os, url and punycode.
((native, internals) => {
    const { builtins, coded, inspect, format } = internals;

    // --- equality: node's assert.deepStrictEqual and deepEqual ---
    const sameKeys = (a, b, strict, seen, more = []) => {
        const keys = [...Object.keys(a), ...more], others = [...Object.keys(b), ...more];
        return keys.length === others.length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key], strict, seen));
    };
    const sameSet = (a, b, strict, seen) => {
        if (a.size !== b.size) return false;
        const rest = new Set(b);
        for (const value of a) {
            if (rest.delete(value)) continue;
            const found = [...rest].find((other) => equal(value, other, strict, seen) && typeof value === 'object' | !strict);
            if (found === undefined && !rest.has(undefined)) return false;
            rest.delete(found);
        }
        return true;
    };
    const sameMap = (a, b, strict, seen) => {
        if (a.size !== b.size) return false;
        const rest = new Map(b);
        for (const [key, value] of a) {
            let other = key;
            if (!rest.has(key)) {
                const found = [...rest.keys()].filter((each) => equal(key, each, strict, seen));
                if (found.length === 0) return false;
                other = found[0];
            }
            if (!equal(value, rest.get(other), strict, seen)) return false;
            rest.delete(other);
        }
        return true;
    };
    const KINDS = [Date, RegExp, Map, Set, Error, ArrayBuffer, Promise, Number, String, Boolean, BigInt, Symbol, WeakMap, WeakSet];
    const kindOf = (value) => ArrayBuffer.isView(value) ? Object.prototype.toString.call(value) : KINDS.find((kind) => value instanceof kind) ?? Array.isArray(value);
    const equal = (a, b, strict, seen) => {
        if (Object.is(a, b)) return true;
        if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null)
            return !strict && (typeof a !== 'object' || a === null) && (typeof b !== 'object' || b === null) && (a == b || (Number.isNaN(a) && Number.isNaN(b)));
        if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
        const kind = kindOf(a);
        if (kind !== kindOf(b)) return false;
        const known = seen.get(a);
        if (known) return known === b;
        seen.set(a, b);
        const good = (() => {
            if (ArrayBuffer.isView(a)) return a.byteLength === b.byteLength && native.bytesCompare(internals.bytesOf(a), internals.bytesOf(b)) === 0;
            switch (kind) {
            case true: return a.length === b.length && sameKeys(a, b, strict, seen);
            case Date: return Object.is(a.getTime(), b.getTime()) && sameKeys(a, b, strict, seen);
            case RegExp: return String(a) === String(b) && a.lastIndex === b.lastIndex;
            case Error: return a.name === b.name && a.message === b.message && sameKeys(a, b, strict, seen) && equal(a.cause, b.cause, strict, seen);
            case Map: return sameMap(a, b, strict, seen) && sameKeys(a, b, strict, seen);
            case Set: return sameSet(a, b, strict, seen) && sameKeys(a, b, strict, seen);
            case ArrayBuffer: return a.byteLength === b.byteLength && native.bytesCompare(a, b) === 0;
            case Promise: case WeakMap: case WeakSet: return false;
            case Number: case String: case Boolean: case BigInt: case Symbol: return Object.is(a.valueOf(), b.valueOf()) && sameKeys(a, b, strict, seen);
            default: {
                const symbols = strict ? Object.getOwnPropertySymbols(a).filter((key) => Object.prototype.propertyIsEnumerable.call(a, key)) : [];
                const others = strict ? Object.getOwnPropertySymbols(b).filter((key) => Object.prototype.propertyIsEnumerable.call(b, key)) : [];
                return symbols.length === others.length && sameKeys(a, b, strict, seen, symbols);
            }
            }
        })();
        seen.delete(a);
        return good;
    };
    const deepEqual = (a, b, strict) => equal(a, b, strict, new Map());

    // --- util ---
    const custom = Symbol.for('nodejs.util.promisify.custom');
    const promisify = (action) => {
        if (typeof action !== 'function') throw coded('ERR_INVALID_ARG_TYPE', 'The "original" argument must be of type function', TypeError);
        if (action[custom]) return Object.defineProperty(action[custom], custom, { value: action[custom], configurable: true });
        const promised = function (...values) {
            return new Promise((resolve, reject) => Reflect.apply(action, this, [...values, (error, value) => (error ? reject(error) : resolve(value))]));
        };
        Object.setPrototypeOf(promised, Object.getPrototypeOf(action));
        return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(action));
    };
    promisify.custom = custom;
    Object.defineProperty(setTimeout, custom, { value: (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value)) });
    Object.defineProperty(setImmediate, custom, { value: (value) => new Promise((resolve) => setImmediate(resolve, value)) });
    const tag = (name) => (value) => Object.prototype.toString.call(value) === `[object ${name}]`;
    const of = (kind) => (value) => value instanceof kind;
    const types = { isPromise: of(Promise), isDate: of(Date), isRegExp: of(RegExp), isMap: of(Map), isSet: of(Set), isWeakMap: of(WeakMap), isWeakSet: of(WeakSet), isNativeError: of(Error),
        isArrayBuffer: of(ArrayBuffer), isAnyArrayBuffer: of(ArrayBuffer), isDataView: of(DataView), isArrayBufferView: ArrayBuffer.isView, isSharedArrayBuffer: () => false,
        isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView), isAsyncFunction: tag('AsyncFunction'), isGeneratorFunction: (value) => tag('GeneratorFunction')(value) || tag('AsyncGeneratorFunction')(value),
        isGeneratorObject: tag('Generator'), isMapIterator: tag('Map Iterator'), isSetIterator: tag('Set Iterator'), isProxy: () => false, isModuleNamespaceObject: tag('Module'), isExternal: () => false,
        isArgumentsObject: tag('Arguments'), isBoxedPrimitive: (value) => [Number, String, Boolean, BigInt, Symbol].some((kind) => value instanceof kind), isNumberObject: of(Number), isStringObject: of(String),
        isBooleanObject: of(Boolean), isBigIntObject: of(BigInt), isSymbolObject: of(Symbol), isKeyObject: () => false, isCryptoKey: internals.isCryptoKey };
    for (const kind of [Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array])
        types[`is${kind.name}`] = of(kind);
    const debuglog = () => Object.assign(() => {}, { enabled: false });
    const warned = new Set();
    const deprecate = (action, message, code) => {
        const deprecated = function (...values) {
            if (!warned.has(code ?? message)) { warned.add(code ?? message); process.emitWarning(`${code ? `[${code}] ` : ''}DeprecationWarning: ${message}`); }
            return new.target ? Reflect.construct(action, values, new.target === deprecated ? action : new.target) : Reflect.apply(action, this, values);
        };
        Object.setPrototypeOf(deprecated, action);
        if (action.prototype) deprecated.prototype = action.prototype;
        return deprecated;
    };
    const util = {
        inspect: (value, options, depth) => inspect(value, (typeof options === 'object' && options !== null ? options.depth : depth) === null ? Infinity : (typeof options === 'object' && options !== null ? options.depth : depth) ?? 2),
        format, formatWithOptions: (options, ...values) => format(...values), promisify, deprecate, debuglog, debug: debuglog, types,
        callbackify(action) {
            if (typeof action !== 'function') throw coded('ERR_INVALID_ARG_TYPE', 'The "original" argument must be of type function', TypeError);
            return function (...values) {
                const callback = values.pop();
                Reflect.apply(action, this, values).then((value) => process.nextTick(callback, null, value),
                    (error) => process.nextTick(callback, error ?? Object.assign(new Error('Promise was rejected with falsy value'), { code: 'ERR_FALSY_VALUE_REJECTION', reason: error })));
            };
        },
        inherits(child, parent) {
            if (typeof child !== 'function' || typeof parent !== 'function' || parent.prototype === undefined) throw coded('ERR_INVALID_ARG_TYPE', 'inherits takes two constructors', TypeError);
            Object.defineProperty(child, 'super_', { value: parent, writable: true, configurable: true });
            Object.setPrototypeOf(child.prototype, parent.prototype);
        },
        isDeepStrictEqual: (a, b) => deepEqual(a, b, true), toUSVString: (text) => String(text).toWellFormed(),
        stripVTControlCharacters: (text) => String(text).replace(/[\u001b\u009b][[\]()#;?]*(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~])/g, ''),
        styleText: (style, text) => text, getSystemErrorName: (number) => `Unknown system error ${number}`, TextEncoder, TextDecoder, aborted: (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })),
        isArray: Array.isArray, isBoolean: (v) => typeof v === 'boolean', isNull: (v) => v === null, isNullOrUndefined: (v) => v === null || v === undefined, isNumber: (v) => typeof v === 'number',
        isString: (v) => typeof v === 'string', isSymbol: (v) => typeof v === 'symbol', isUndefined: (v) => v === undefined, isRegExp: types.isRegExp, isObject: (v) => v !== null && typeof v === 'object',
        isDate: types.isDate, isError: (v) => v instanceof Error, isFunction: (v) => typeof v === 'function', isPrimitive: (v) => v === null || (typeof v !== 'object' && typeof v !== 'function'), isBuffer: Buffer.isBuffer,
        log: (...values) => console.log(...values), _extend: (target, source) => Object.assign(target, source),
    };
    Object.assign(util.inspect, { custom: internals.inspectCustom, defaultOptions: { depth: 2 }, colors: {}, styles: {} });

    // --- assert ---
    class AssertionError extends Error {
        constructor({ message, actual, expected, operator }) {
            super(message === undefined ? `${inspect(actual)} ${operator} ${inspect(expected)}` : String(message));
            Object.assign(this, { generatedMessage: message === undefined, code: 'ERR_ASSERTION', actual, expected, operator });
        }
        get name() { return 'AssertionError'; }
    }
    const fail = (message, actual, expected, operator, text) => {
        if (message instanceof Error) throw message;
        const error = new AssertionError({ message: message ?? text, actual, expected, operator });
        error.generatedMessage = message === undefined;
        throw error;
    };
    const differ = (a, b) => `Expected values to be equal:\n\n${inspect(a)} !== ${inspect(b)}\n`;
    const compare = (operator, test, text) => function (a, b, message) {
        if (arguments.length < 2) throw coded('ERR_MISSING_ARGS', 'The "actual" and "expected" arguments must be specified', TypeError);
        if (!test(a, b)) fail(message, a, b, operator, text(a, b));
    };
    const same = (a, b) => `the values must differ: ${inspect(a)} and ${inspect(b)}`;
    const matches = (error, expected, message) => { // what assert.throws checks about an error
        if (expected === undefined) return;
        if (typeof expected === 'function') {
            if (expected.prototype !== undefined && error instanceof expected) return;
            if (Error.isPrototypeOf(expected)) fail(message, error, expected, 'throws', `The error is expected to be an instance of "${expected.name}". Received "${error?.name}"\n\nError message:\n\n${error?.message}`);
            if (expected === Error || Reflect.apply(expected, {}, [error]) !== true) fail(message, error, expected, 'throws', `the error does not pass the check: ${inspect(error)}`);
        } else if (expected instanceof RegExp) {
            if (!expected.test(String(error))) fail(message, error, expected, 'throws', `The input did not match the regular expression ${expected}. Input:\n\n${inspect(String(error))}\n`);
        } else {
            const keys = expected instanceof Error ? [...Object.keys(expected), 'name', 'message'] : Object.keys(expected);
            for (const key of keys) {
                const wanted = expected[key], got = error?.[key];
                if (!(wanted instanceof RegExp && typeof got === 'string' ? wanted.test(got) : deepEqual(got, wanted, true))) fail(message, error, expected, 'throws', `the error's ${key} is ${inspect(got)}, not ${inspect(wanted)}`);
            }
        }
    };
    const split = (expected, message) => (typeof expected === 'string' ? [undefined, expected] : [expected, message]);
    const thrown = (action) => {
        if (typeof action !== 'function') throw coded('ERR_INVALID_ARG_TYPE', 'The "fn" argument must be of type function', TypeError);
        try { action(); } catch (error) { return { error }; }
        return null;
    };
    const rejectedBy = async (action) => {
        const promise = typeof action === 'function' ? action() : action;
        if (typeof promise?.then !== 'function') throw coded('ERR_INVALID_ARG_TYPE', 'a promise is expected', TypeError);
        try { await promise; } catch (error) { return { error }; }
        return null;
    };
    const MISSING = (what, message) => fail(message, undefined, undefined, what, `Missing expected ${what === 'throws' ? 'exception' : 'rejection'}.`);
    const assert = (value, message) => { if (!value) fail(message, value, true, '==', 'The expression evaluated to a falsy value'); };
    Object.assign(assert, {
        AssertionError, ok: (value, message) => assert(value, message),
        equal: compare('==', (a, b) => a == b || (Number.isNaN(a) && Number.isNaN(b)), differ), notEqual: compare('!=', (a, b) => !(a == b || (Number.isNaN(a) && Number.isNaN(b))), same),
        strictEqual: compare('strictEqual', Object.is, differ), notStrictEqual: compare('notStrictEqual', (a, b) => !Object.is(a, b), same),
        deepEqual: compare('deepEqual', (a, b) => deepEqual(a, b, false), differ), notDeepEqual: compare('notDeepEqual', (a, b) => !deepEqual(a, b, false), same),
        deepStrictEqual: compare('deepStrictEqual', (a, b) => deepEqual(a, b, true), differ), notDeepStrictEqual: compare('notDeepStrictEqual', (a, b) => !deepEqual(a, b, true), same),
        match: compare('match', (text, pattern) => typeof text === 'string' && pattern.test(text), (text, pattern) => `The input did not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`),
        doesNotMatch: compare('doesNotMatch', (text, pattern) => typeof text === 'string' && !pattern.test(text), (text, pattern) => `The input was expected to not match ${pattern}. Input:\n\n${inspect(text)}\n`),
        fail: (message) => fail(message, undefined, undefined, 'fail', 'Failed'),
        ifError: (value) => { if (value !== null && value !== undefined) throw new AssertionError({ message: `ifError got unwanted exception: ${value?.message ?? inspect(value)}`, actual: value, expected: null, operator: 'ifError' }); },
        throws(action, ...rest) { const [expected, message] = split(...rest), got = thrown(action); if (!got) MISSING('throws', message); matches(got.error, expected, message); },
        doesNotThrow(action, ...rest) { const got = thrown(action); if (got) fail(split(...rest)[1], got.error, undefined, 'doesNotThrow', `Got unwanted exception.\nActual message: "${got.error?.message}"`); },
        async rejects(action, ...rest) { const [expected, message] = split(...rest), got = await rejectedBy(action); if (!got) MISSING('rejects', message); matches(got.error, expected, message); },
        async doesNotReject(action, ...rest) { const got = await rejectedBy(action); if (got) fail(split(...rest)[1], got.error, undefined, 'doesNotReject', `Got unwanted rejection.\nActual message: "${got.error?.message}"`); },
    });
    const strict = Object.assign((value, message) => assert(value, message), assert, { equal: assert.strictEqual, notEqual: assert.notStrictEqual, deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual });
    assert.strict = strict.strict = strict;

    // --- querystring ---
    const escape = (text) => encodeURIComponent(typeof text === 'string' ? text : String(text));
    const unescape = (text) => { try { return decodeURIComponent(text); } catch { return native.decodeUtf8(Buffer.from(text.replace(/%([0-9a-f]{2})/gi, (_, pair) => String.fromCharCode(parseInt(pair, 16))), 'latin1')); } };
    const primitive = (value) => (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint' || Number.isFinite(value) ? String(value) : '');
    const querystring = {
        escape, unescape,
        stringify(object, separator = '&', equals = '=', { encodeURIComponent: encode = querystring.escape } = {}) {
            if (object === null || typeof object !== 'object') return '';
            return Object.entries(object).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => encode(name) + equals + encode(primitive(each)))).join(separator);
        },
        parse(text, separator = '&', equals = '=', { maxKeys = 1000, decodeURIComponent: decode = querystring.unescape } = {}) {
            const out = Object.create(null);
            if (typeof text !== 'string' || text === '') return out;
            let pairs = text.split(separator);
            if (maxKeys > 0) pairs = pairs.slice(0, maxKeys);
            for (const pair of pairs) {
                if (pair === '') continue;
                const at = pair.indexOf(equals), plain = (piece) => decode(piece.replaceAll('+', ' '));
                const name = plain(at < 0 ? pair : pair.slice(0, at)), value = at < 0 ? '' : plain(pair.slice(at + equals.length));
                if (!(name in out)) out[name] = value; else if (Array.isArray(out[name])) out[name].push(value); else out[name] = [out[name], value];
            }
            return out;
        },
    };
    Object.assign(querystring, { decode: querystring.parse, encode: querystring.stringify });

    // --- string_decoder ---
    const UNITS = { base64: 3, base64url: 3 };
    class StringDecoder {
        #decoder; #rest = Buffer.alloc(0); #unit;
        constructor(encoding = 'utf8') {
            internals.codec(encoding);
            this.encoding = String(encoding).toLowerCase().replace(/^utf-8$/, 'utf8').replace(/^(ucs-?2|utf-16le)$/, 'utf16le').replace(/^binary$/, 'latin1');
            this.#unit = UNITS[this.encoding] ?? 1;
            if (this.encoding === 'utf8' || this.encoding === 'utf16le') this.#decoder = new TextDecoder(this.encoding === 'utf8' ? 'utf-8' : 'utf-16le', { ignoreBOM: true });
        }
        write(bytes) {
            if (typeof bytes === 'string') return bytes;
            if (!ArrayBuffer.isView(bytes)) throw coded('ERR_INVALID_ARG_TYPE', 'The "buf" argument must be a string or a buffer', TypeError);
            if (this.#decoder) return this.#decoder.decode(bytes, { stream: true });
            const all = Buffer.concat([this.#rest, internals.bytesOf(bytes)]), whole = all.length - all.length % this.#unit;
            this.#rest = all.subarray(whole);
            return all.toString(this.encoding, 0, whole);
        }
        end(bytes) {
            const text = bytes === undefined ? '' : this.write(bytes);
            if (this.#decoder) return text + this.#decoder.decode();
            const last = this.#rest.toString(this.encoding);
            this.#rest = Buffer.alloc(0);
            return text + last;
        }
    }

    // --- url: the older interface too ---
    const SLASHED = ['http', 'https', 'ftp', 'gopher', 'file', 'ws', 'wss'];
    class Url { constructor() { for (const key of ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href']) this[key] = null; } format() { return formatUrl(this); } }
    const parseUrl = (text, asQuery = false, slashesDenoteHost = false) => {
        if (text instanceof Url) return text;
        if (typeof text !== 'string') throw coded('ERR_INVALID_ARG_TYPE', 'The "url" argument must be of type string', TypeError);
        const url = new Url();
        let rest = text.trim().replace(/^([^?#]*)/, (head) => head.replaceAll('\\', '/'));
        const take = (pattern) => { const found = pattern.exec(rest); if (found) rest = rest.slice(found[0].length); return found; };
        const hash = rest.indexOf('#');
        if (hash >= 0) { url.hash = rest.slice(hash); rest = rest.slice(0, hash); }
        const mark = rest.indexOf('?');
        if (mark >= 0) { url.search = rest.slice(mark); rest = rest.slice(0, mark); }
        url.query = url.search !== null ? (asQuery ? querystring.parse(url.search.slice(1)) : url.search.slice(1)) : asQuery ? Object.create(null) : null;
        const scheme = take(/^[a-z][a-z0-9.+-]*:/i);
        if (scheme) url.protocol = scheme[0].toLowerCase();
        const slashed = SLASHED.includes(url.protocol?.slice(0, -1));
        const slashes = (scheme || slashesDenoteHost || /^\/\/[^@/]+@[^@/]+/.test(rest)) && url.protocol !== 'javascript:' && take(/^\/\//);
        if (slashes) url.slashes = true;
        if (slashes || (scheme && !slashed && url.protocol !== 'javascript:')) {
            const authority = take(/^[^/]*/)[0], at = authority.lastIndexOf('@');
            if (at >= 0) url.auth = decodeURIComponent(authority.slice(0, at));
            const port = /:(\d*)$/.exec(authority.slice(at + 1));
            url.hostname = internals.domainToASCII(authority.slice(at + 1, port ? authority.length - port[0].length : undefined)).replace(/^\[(.*)\]$/, '$1');
            if (port && port[1]) url.port = port[1];
            url.host = (url.hostname.includes(':') ? `[${url.hostname}]` : url.hostname) + (url.port ? `:${url.port}` : '');
        }
        const encode = (piece) => piece.replace(/[ "'<>\\^`{|}]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0'));
        url.pathname = rest !== '' ? encode(rest) : slashed && url.hostname ? '/' : null;
        if (url.search) url.search = encode(url.search);
        if (url.hash) url.hash = encode(url.hash);
        if (!asQuery && url.search) url.query = url.search.slice(1);
        if (url.pathname !== null || url.search) url.path = (url.pathname ?? '') + (url.search ?? '');
        url.href = formatUrl(url);
        return url;
    };
    const formatUrl = (url, options = {}) => {
        if (typeof url === 'string') return formatUrl(parseUrl(url));
        if (url instanceof URL) {
            const { fragment = true, search = true, auth = true } = options, copy = new URL(url.href);
            if (!fragment) copy.hash = '';
            if (!search) copy.search = '';
            if (!auth) { copy.username = ''; copy.password = ''; }
            return copy.href;
        }
        let protocol = url.protocol ?? '', { pathname = '', hash = '', search } = url;
        pathname ??= '';
        hash ??= '';
        if (protocol && !protocol.endsWith(':')) protocol += ':';
        const auth = url.auth ? encodeURIComponent(url.auth).replace('%3A', ':') + '@' : '';
        let host = url.host ? auth + url.host : url.hostname ? auth + (url.hostname.includes(':') ? `[${url.hostname}]` : url.hostname) + (url.port ? `:${url.port}` : '') : null;
        if (!search && url.query && typeof url.query === 'object') { const query = querystring.stringify(url.query); search = query && '?' + query; }
        search ??= '';
        if (search && !search.startsWith('?')) search = '?' + search;
        if (hash && !hash.startsWith('#')) hash = '#' + hash;
        if (url.slashes || (SLASHED.includes(protocol.slice(0, -1)) && host !== null)) {
            host = `//${host ?? ''}`;
            if (pathname && !pathname.startsWith('/')) pathname = '/' + pathname;
        }
        return protocol + (host ?? '') + pathname.replace(/[?#]/g, encodeURIComponent) + search.replace('#', '%23') + hash;
    };
    const resolveUrl = (from, to) => {
        const base = new URL(from, new URL(/^\/\//.test(from) ? 'resolve:' : 'resolve://x/'));
        const made = new URL(to, base);
        if (made.protocol !== 'resolve:') return made.href;
        return made.href.replace(/^resolve:\/\/x/, '').replace(/^resolve:/, '');
    };
    const fileURLToPath = (file) => {
        const found = typeof file === 'string' ? new URL(file) : file;
        if (!(found instanceof URL)) throw coded('ERR_INVALID_ARG_TYPE', 'The "path" argument must be of type string or an instance of URL', TypeError);
        if (found.protocol !== 'file:') throw coded('ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file', TypeError);
        if (found.hostname) throw coded('ERR_INVALID_FILE_URL_HOST', 'File URL host must be "localhost" or empty on linux', TypeError);
        if (/%2f/i.test(found.pathname)) throw coded('ERR_INVALID_FILE_URL_PATH', 'File URL path must not include encoded / characters', TypeError);
        return decodeURIComponent(found.pathname);
    };
    const pathToFileURL = (file) => {
        const text = builtins.path.resolve(file), url = new URL('file:///');
        url.pathname = text.replace(/[%\\\n\r\t?#]/g, encodeURIComponent) + (file.endsWith('/') && !text.endsWith('/') ? '/' : '');
        return url;
    };
    const url = { URL, URLSearchParams, Url, parse: parseUrl, format: formatUrl, resolve: resolveUrl, fileURLToPath, pathToFileURL, domainToASCII: (text) => { try { return new URL(`http://${text}`).hostname; } catch { return ''; } },
        domainToUnicode: (text) => text, urlToHttpOptions: (from) => ({ protocol: from.protocol, hostname: from.hostname.replace(/^\[|\]$/g, ''), hash: from.hash, search: from.search, pathname: from.pathname,
            path: from.pathname + from.search, href: from.href, ...(from.port && { port: Number(from.port) }), ...(from.username && { auth: `${decodeURIComponent(from.username)}:${decodeURIComponent(from.password)}` }) }) };

    const os = { EOL: '\n', arch: () => 'wasm32', platform: () => 'linux', type: () => 'Linux', release: () => '', version: () => '', machine: () => 'wasm32', hostname: () => 'localhost', tmpdir: () => '/tmp', homedir: () => '/',
        endianness: () => 'LE', cpus: () => [{ model: '', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } }], availableParallelism: () => 1, totalmem: () => 0, freemem: () => 0, loadavg: () => [0, 0, 0], uptime: () => 0,
        networkInterfaces: () => ({}), userInfo: () => ({ username: 'function', uid: -1, gid: -1, shell: null, homedir: '/' }), constants: { signals: {}, errno: {}, priority: {} }, devNull: '/dev/null' };
    Object.assign(builtins, { util, 'util/types': types, assert, 'assert/strict': strict, querystring, string_decoder: { StringDecoder }, url, os, sys: util });
})
