// Headers, Blob, FormData, Request, Response, and the fetch handler form: `serve` calls the
// handler and sends what it returns. A response head is checked again in C, so nothing here can
// split a response.
((native, internals) => {
    const lower = (name) => {
        const text = String(name);
        if (!native.validName(text)) throw new TypeError(`invalid header name "${text.slice(0, 64)}"`);
        return text.toLowerCase();
    };
    const clean = (value) => {
        const text = String(value).replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, '');
        if (!native.validValue(text)) throw new TypeError('invalid header value');
        return text;
    };
    const FLAT = Symbol('flat'), CHUNK = 65536;

    class Headers {
        #map = new Map(); // lower-case name -> value, or list of values for set-cookie
        #guard = false;
        constructor(init) {
            if (init === undefined || init === null) return;
            if (init instanceof Headers) for (const [name, value] of init) this.append(name, value);
            else if (typeof init[Symbol.iterator] === 'function') {
                for (const pair of init) {
                    const both = [...pair];
                    if (both.length !== 2) throw new TypeError('every header must have a name and a value');
                    this.append(both[0], both[1]);
                }
            } else for (const name of Reflect.ownKeys(init)) this.append(name, init[name]);
        }
        static [FLAT](fields) { // from the request: checked by the host, may not be changed
            const headers = new Headers();
            for (let i = 0; i < fields.length; i += 2) headers.#add(fields[i].toLowerCase(), fields[i + 1]);
            headers.#guard = true;
            return headers;
        }
        #open() { if (this.#guard) throw new TypeError('the headers of the incoming request cannot be changed'); }
        #add(name, value) {
            if (name === 'set-cookie') this.#map.set(name, [...(this.#map.get(name) ?? []), value]);
            else this.#map.set(name, this.#map.has(name) ? this.#map.get(name) + (name === 'cookie' ? '; ' : ', ') + value : value);
        }
        append(name, value) { this.#open(); this.#add(lower(name), clean(value)); }
        delete(name) { this.#open(); this.#map.delete(lower(name)); }
        get(name) {
            const value = this.#map.get(lower(name));
            return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
        }
        getSetCookie() { return [...(this.#map.get('set-cookie') ?? [])]; }
        has(name) { return this.#map.has(lower(name)); }
        set(name, value) {
            this.#open();
            const key = lower(name);
            this.#map.set(key, key === 'set-cookie' ? [clean(value)] : clean(value));
        }
        forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
        *entries() {
            for (const name of [...this.#map.keys()].sort()) {
                const value = this.#map.get(name);
                if (Array.isArray(value)) for (const each of value) yield [name, each];
                else yield [name, value];
            }
        }
        *keys() { for (const [name] of this.entries()) yield name; }
        *values() { for (const [, value] of this.entries()) yield value; }
        [Symbol.iterator]() { return this.entries(); }
        [internals.inspectParts]() { return Object.fromEntries(this); }
        get [FLAT]() {
            const flat = [];
            for (const [name, value] of this.#map)
                if (Array.isArray(value)) for (const each of value) flat.push(name, each);
                else flat.push(name, value);
            return flat;
        }
    }

    const blobType = (type) => { const text = String(type); return /[^\x20-\x7e]/.test(text) ? '' : text.toLowerCase(); };
    const lineEnds = (text, endings) => (endings === 'native' ? text.replace(/\r\n?/g, '\n') : text);
    class Blob {
        #bytes; #type;
        constructor(parts, options) {
            if (parts !== undefined && (typeof parts !== 'object' && typeof parts !== 'function' || parts === null || typeof parts[Symbol.iterator] !== 'function'))
                throw new TypeError('a Blob is made from an iterable of parts');
            const { type = '', endings = 'transparent' } = options ?? {};
            if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`"${endings}" is no kind of line ends`);
            const pieces = parts === undefined ? [] : [...parts].map((part) => part instanceof Blob ? part.#bytes
                : part instanceof ArrayBuffer || ArrayBuffer.isView(part) ? internals.bytesOf(part) : native.encodeUtf8(lineEnds(String(part), endings)));
            this.#bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
            let at = 0;
            for (const piece of pieces) { this.#bytes.set(piece, at); at += piece.length; }
            this.#type = blobType(type);
        }
        get size() { return this.#bytes.length; }
        get type() { return this.#type; }
        async arrayBuffer() { return this.#bytes.slice().buffer; }
        async bytes() { return this.#bytes.slice(); }
        async text() { return new TextDecoder().decode(this.#bytes); }
        slice(start, end, type = '') { return new Blob([this.#bytes.slice(start, end)], { type }); }
        stream() {
            const bytes = this.#bytes;
            let at = 0;
            return new ReadableStream({ type: 'bytes', pull(controller) {
                if (at < bytes.length) controller.enqueue(bytes.slice(at, at += CHUNK));
                if (at >= bytes.length) { controller.close(); controller.byobRequest?.respond(0); }
            } });
        }
        get [FLAT]() { return this.#bytes; }
        get [Symbol.toStringTag]() { return 'Blob'; }
        [internals.inspectParts]() { return { size: this.size, type: this.type }; }
    }
    class File extends Blob {
        #name; #modified;
        constructor(parts, name, options) {
            if (arguments.length < 2) throw new TypeError('a File has parts and a name');
            super(parts, options);
            this.#name = String(name);
            this.#modified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
        }
        get name() { return this.#name; }
        get lastModified() { return this.#modified; }
        get webkitRelativePath() { return ''; }
        get [Symbol.toStringTag]() { return 'File'; }
        [internals.inspectParts]() { return { size: this.size, type: this.type, name: this.name, lastModified: this.lastModified }; }
    }
    internals.cloneable.push(Blob);
    internals.cloneOf = (blob) => blob instanceof File ? new File([blob], blob.name, blob) : new Blob([blob], blob);

    class FormData {
        #list = [];
        constructor(form) { if (form !== undefined) throw new TypeError('there are no forms to read'); }
        static #entry(values, what) {
            if (values.length < 2) throw new TypeError(`${what} takes a name and a value`);
            const [name, value, filename] = values;
            if (!(value instanceof Blob)) {
                if (filename !== undefined) throw new TypeError('only a Blob has a file name');
                return [String(name).toWellFormed(), String(value).toWellFormed()];
            }
            const file = value instanceof File && filename === undefined ? value
                : new File([value], filename === undefined ? 'blob' : String(filename), { type: value.type, lastModified: value.lastModified });
            return [String(name).toWellFormed(), file];
        }
        append(...values) { this.#list.push(FormData.#entry(values, 'append')); }
        delete(name) { this.#list = this.#list.filter(([n]) => n !== String(name)); }
        get(name) { return this.#list.find(([n]) => n === String(name))?.[1] ?? null; }
        getAll(name) { return this.#list.filter(([n]) => n === String(name)).map(([, v]) => v); }
        has(name) { return this.#list.some(([n]) => n === String(name)); }
        set(...values) {
            const entry = FormData.#entry(values, 'set'), first = this.#list.findIndex(([n]) => n === entry[0]);
            if (first < 0) { this.#list.push(entry); return; }
            this.#list = this.#list.filter(([n], i) => i <= first || n !== entry[0]);
            this.#list[first] = entry;
        }
        forEach(callback, self) { for (const [n, v] of this.#list) callback.call(self, v, n, this); }
        *entries() { for (const [n, v] of this.#list) yield [n, v]; }
        *keys() { for (const [n] of this.#list) yield n; }
        *values() { for (const [, v] of this.#list) yield v; }
        [Symbol.iterator]() { return this.entries(); }
        get [Symbol.toStringTag]() { return 'FormData'; }
        [internals.inspectParts]() { return Object.fromEntries(this.#list); }
    }
    // multipart/form-data (RFC 7578, as HTML writes it)
    const escapeName = (text) => text.replace(/\r\n?|\n/g, '%0D%0A').replace(/"/g, '%22');
    const writeMultipart = (form) => {
        const boundary = `----formdata-${native.randomUUID().replaceAll('-', '')}`, parts = [];
        for (const [name, value] of form) {
            const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name.replace(/\r\n?|\n/g, '\r\n'))}"`;
            if (typeof value === 'string') parts.push(`${head}\r\n\r\n${value.replace(/\r\n?|\n/g, '\r\n')}\r\n`);
            else parts.push(`${head}; filename="${escapeName(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`, value, '\r\n');
        }
        return [new Blob([...parts, `--${boundary}--\r\n`])[FLAT], `multipart/form-data; boundary=${boundary}`];
    };
    const malformed = (why) => { throw new TypeError(`the multipart body is malformed: ${why}`); };
    const readMultipart = (bytes, type) => {
        const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type) ?? malformed('its content type names no boundary');
        const mark = native.encodeUtf8(`--${quoted ?? plain}`), form = new FormData(), gap = native.encodeUtf8('\r\n\r\n'), next = native.encodeUtf8(`\r\n--${quoted ?? plain}`);
        let at = native.bytesFind(bytes, mark, 0, 1);
        if (at < 0) malformed('the boundary does not occur');
        for (at += mark.length;;) {
            if (bytes[at] === 45 && bytes[at + 1] === 45) return form;
            while (bytes[at] === 32 || bytes[at] === 9) at++;
            if (bytes[at] !== 13 || bytes[at + 1] !== 10) malformed('no line end behind a boundary');
            const body = native.bytesFind(bytes, gap, at, 1), end = body < 0 ? -1 : native.bytesFind(bytes, next, body + 2, 1);
            if (end < 0) malformed('a part does not end');
            const heads = native.decodeUtf8(bytes.subarray(at + 2, body + 2)), content = bytes.subarray(body + 4, Math.max(end, body + 4));
            const disposition = /^content-disposition:\s*form-data(.*)$/im.exec(heads)?.[1] ?? malformed('a part has no content-disposition');
            const field = (key) => {
                const found = new RegExp(`;\\s*${key}=(?:"([^"]*)"|([^;\\s]*))`, 'i').exec(disposition);
                return found && (found[1] ?? found[2]).replace(/%0a/gi, '\n').replace(/%0d/gi, '\r').replace(/%22/g, '"');
            };
            const name = field('name') ?? malformed('a part has no name'), filename = field('filename');
            if (filename === null) form.append(name, native.decodeUtf8(content));
            else form.append(name, new File([content], filename, { type: /^content-type:\s*(.*?)\s*$/im.exec(heads)?.[1] ?? 'text/plain' }));
            at = end + next.length;
        }
    };

    // A body is null, a string, bytes, a stream, or INCOMING: the request's, still with the host.
    const INCOMING = Symbol('incoming'), BODY = Symbol('body');
    const extract = (init) => {
        if (init === undefined || init === null) return [null, null];
        if (typeof init === 'string') return [init, 'text/plain;charset=UTF-8'];
        if (init instanceof URLSearchParams) return [init.toString(), 'application/x-www-form-urlencoded;charset=UTF-8'];
        if (init instanceof Blob) return [init[FLAT], init.type || null];
        if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) return [internals.bytesOf(init).slice(), null];
        if (init instanceof ReadableStream) {
            if (init.locked || internals.isDisturbed(init)) throw new TypeError('the stream of a body is locked or was read');
            return [init, null];
        }
        if (init instanceof FormData) return writeMultipart(init);
        if (typeof init === 'object' && typeof init[Symbol.asyncIterator] === 'function') return [ReadableStream.from(init), null];
        return [String(init), 'text/plain;charset=UTF-8'];
    };
    const toBytes = (chunk) => {
        if (typeof chunk === 'string') return native.encodeUtf8(chunk);
        if (chunk instanceof Uint8Array) return chunk;
        if (chunk instanceof ArrayBuffer || ArrayBuffer.isView(chunk)) return internals.bytesOf(chunk);
        throw new TypeError('a body stream must give strings or bytes');
    };
    const incomingStream = () => new ReadableStream({
        pull(controller) {
            const piece = native.requestPiece();
            if (piece === undefined) controller.close(); else controller.enqueue(piece);
        },
    }, { highWaterMark: 0 });

    const SPENT = Symbol('spent'); // INCOMING, once it was used
    const isUsed = (body) => body === SPENT || Array.isArray(body);
    class Body {
        #body; // in a list of its own once it was used
        constructor(body) { this.#body = body; }
        get body() {
            const used = isUsed(this.#body), body = !used ? this.#body : this.#body === SPENT ? INCOMING : this.#body[0];
            if (body === null || body instanceof ReadableStream) return body;
            const stream = body === INCOMING ? incomingStream() : ReadableStream.from([toBytes(body)]);
            this.#body = used ? [stream] : stream;
            return stream;
        }
        get bodyUsed() {
            const body = this.#body;
            return isUsed(body) || (body instanceof ReadableStream && (body.locked || internals.isDisturbed(body)));
        }
        #take() {
            if (this.bodyUsed) throw new TypeError('the body was already read');
            const body = this.#body;
            if (body !== null) this.#body = body === INCOMING ? SPENT : [body];
            return body;
        }
        async #read(asText) {
            const body = this.#take();
            if (body === null) return asText ? '' : new Uint8Array(0);
            if (body === INCOMING) return native.requestContent(asText);
            if (body instanceof ReadableStream) {
                const pieces = [];
                for await (const chunk of body) pieces.push(toBytes(chunk));
                const all = Buffer.concat(pieces);
                return asText ? new TextDecoder().decode(all) : new Uint8Array(all);
            }
            if (typeof body === 'string') return asText ? body.toWellFormed().replace(/^\ufeff/, '') : native.encodeUtf8(body);
            return asText ? new TextDecoder().decode(body) : body.slice();
        }
        #takeIncoming() { // the usual case, in one step
            if (this.#body !== INCOMING) return false;
            this.#body = SPENT;
            return true;
        }
        async #readJson() { return native.json.parse(await this.#read(true)); }
        text() { return this.#takeIncoming() ? native.requestText() : this.#read(true); }
        json() { return this.#takeIncoming() ? native.requestJson() : this.#readJson(); }
        bytes() { return this.#read(false); }
        async arrayBuffer() { return (await this.#read(false)).buffer; }
        async blob() { return new Blob([await this.#read(false)], { type: this.headers.get('content-type') ?? '' }); }
        async formData() {
            const type = this.headers.get('content-type') ?? '';
            if (/^multipart\/form-data\b/i.test(type)) return readMultipart(await this.#read(false), type);
            if (!/^application\/x-www-form-urlencoded\b/i.test(type))
                throw new TypeError(`formData() reads multipart/form-data and application/x-www-form-urlencoded, not "${type}"`);
            const form = new FormData();
            for (const [name, value] of internals.parseParams(await this.#read(true))) form.append(name, value);
            return form;
        }
        [BODY]() { return this.#take(); }
        #copy() {
            if (this.bodyUsed) throw new TypeError('the body was already read');
            if (this.#body === null || typeof this.#body === 'string' || this.#body instanceof Uint8Array) return this.#body;
            const [mine, other] = this.body.tee();
            this.#body = mine;
            return other;
        }
        static copy(from) { return from.#copy(); }
        static unread(from) { const body = from.#body; return body instanceof ReadableStream ? from.#take() : isUsed(body) ? SPENT : body; }
    }
    const copyBody = Body.copy, unreadBody = Body.unread; // the latter is SPENT when it was read
    delete Body.copy;
    delete Body.unread;

    const METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
    const methodName = (text) => {
        const name = String(text);
        if (!native.validName(name) || /^(connect|trace|track)$/i.test(name)) throw new TypeError(`invalid method "${name}"`);
        return METHODS.includes(name.toUpperCase()) ? name.toUpperCase() : name;
    };
    const NO_BODY = ['GET', 'HEAD'];
    const CHOICES = { redirect: ['follow', 'error', 'manual'], mode: ['cors', 'same-origin', 'no-cors', 'navigate'],
        credentials: ['same-origin', 'omit', 'include'], cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'] };

    class Request extends Body {
        #parts; // { method, url, headers, signal, redirect }, or null for the incoming one until asked
        constructor(input, init = {}) {
            if (input === INCOMING) {
                super(INCOMING);
                this.#parts = { incoming: true };
                return;
            }
            const from = input instanceof Request ? input : null;
            const [body, type] = extract(init.body);
            super(body ?? (from && init.body === undefined ? from[BODY]() : null));
            const method = methodName(init.method ?? from?.method ?? 'GET');
            if (init.body != null && NO_BODY.includes(method)) throw new TypeError(`a ${method} request has no body`);
            const headers = new Headers(init.headers ?? from?.headers);
            if (type && !headers.has('content-type')) headers.set('content-type', type);
            const url = from ? null : new URL(String(input));
            if (url && (url.username || url.password)) throw new TypeError('the URL of a request has no user and password');
            const source = init.signal === undefined ? from?.signal : init.signal;
            if (source && !(source instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
            const signal = internals.newSignal();
            if (source) internals.follow(signal, source);
            if (init.body instanceof ReadableStream && init.duplex !== 'half') throw new TypeError('a streamed body needs duplex: "half"');
            this.#parts = { method, url: from ? from.url : url.href, headers, signal };
            for (const [name, values] of Object.entries(CHOICES)) {
                const value = init[name] ?? from?.[name] ?? values[0];
                if (!values.includes(value) && name !== 'referrer') throw new TypeError(`"${value}" is no ${name} of a request`);
                this.#parts[name] = value;
            }
            this.#parts.integrity = String(init.integrity ?? from?.integrity ?? '');
            this.#parts.keepalive = Boolean(init.keepalive ?? from?.keepalive);
        }
        #head() {
            const parts = this.#parts;
            if (parts.incoming && parts.method === undefined) {
                const [method, scheme, authority, target] = native.requestHead();
                parts.method = method;
                const host = authority || this.headers.get('host') || 'localhost';
                parts.url = `${scheme || 'http'}://${host}${target.startsWith('/') ? target : '/' + target}`;
                parts.url = URL.parse(parts.url)?.href ?? parts.url;
            }
            return parts;
        }
        get method() { return this.#head().method; }
        get url() { return this.#head().url; }
        get headers() { return (this.#parts.headers ??= Headers[FLAT](native.requestFields())); }
        get signal() { return (this.#parts.signal ??= internals.newSignal()); }
        get redirect() { return this.#parts.redirect ?? 'manual'; }
        get mode() { return this.#parts.mode ?? 'cors'; }
        get credentials() { return this.#parts.credentials ?? 'same-origin'; }
        get cache() { return this.#parts.cache ?? 'default'; }
        get integrity() { return this.#parts.integrity ?? ''; }
        get keepalive() { return this.#parts.keepalive ?? false; }
        get destination() { return ''; }
        get referrer() { return 'about:client'; }
        get referrerPolicy() { return ''; }
        get duplex() { return 'half'; }
        get body() { return this.#parts.incoming && NO_BODY.includes(this.method) ? null : super.body; }
        clone() {
            const { method, url, headers, signal, redirect } = this;
            const copy = new Request(url, { method, headers, signal, redirect });
            return this.body === null ? copy : new Request(copy, { method, body: copyBody(this), headers, signal, duplex: 'half' });
        }
        [internals.inspectParts]() { return { method: this.method, url: this.url, headers: this.headers }; }
    }

    const NULL_BODY = [101, 103, 204, 205, 304];
    const statusOf = (status = 200) => {
        const number = Number(status);
        if (!Number.isInteger(number) || number < 200 || number > 599)
            throw new RangeError('the response status must be a whole number from 200 to 599');
        return number;
    };
    const DEFAULT = { statusText: '', type: 'default' };
    class Response extends Body {
        #status;
        #head; // Headers, made when asked for: until then the content type or null
        #rare = DEFAULT;
        constructor(body, init, key, type) {
            if (key !== BODY) [body, type] = extract(body);
            super(body);
            this.#status = 200;
            this.#head = type;
            if (init !== undefined && init !== null) this.#configure(init, body);
        }
        #configure(init, body) {
            if (init.status !== undefined) this.#status = statusOf(init.status);
            if (body !== null && NULL_BODY.includes(this.#status))
                throw new TypeError(`a response with status ${this.#status} has no body`);
            if (init.statusText !== undefined) this.#rare = { ...DEFAULT, statusText: String(init.statusText) };
            if (init.headers !== undefined) this.#makeHeaders(init.headers);
        }
        #makeHeaders(init) {
            const headers = new Headers(init), type = this.#head;
            if (type && !headers.has('content-type')) headers.set('content-type', type);
            return (this.#head = headers);
        }
        static answer(response) {
            if (typeof response !== 'object' || response === null || !(#status in response))
                throw new TypeError(`the handler must return a Response, not ${internals.inspect(response, 0)}`);
            if (response.#rare.type === 'error') throw new TypeError('the handler returned Response.error()');
            const body = unreadBody(response), head = response.#head, status = response.#status;
            if (body === SPENT) throw new TypeError('the body was already read');
            if (body instanceof ReadableStream) return stream(status, response[FLAT], body);
            if (body === INCOMING) return stream(status, response[FLAT], incomingStream());
            if (head instanceof Headers) native.respond(status, head[FLAT], body ?? undefined);
            else native.respondTyped(status, head, body ?? undefined);
        }
        static json(data, init) {
            const text = native.json.stringify(data);
            if (text === undefined) throw new TypeError('the value has no JSON form');
            return new Response(text, init, BODY, 'application/json');
        }
        static redirect(url, status = 302) {
            if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`${status} is not a redirect status`);
            return new Response(null, { status, headers: { location: new URL(url).href } });
        }
        static error() { const response = new Response(); response.#rare = { ...DEFAULT, type: 'error' }; return response; }
        get status() { return this.#rare.type === 'error' ? 0 : this.#status; }
        get ok() { return this.status >= 200 && this.status <= 299; }
        get statusText() { return this.#rare.statusText; }
        get headers() { return this.#head instanceof Headers ? this.#head : this.#makeHeaders(); }
        get type() { return this.#rare.type; }
        get url() { return ''; }
        get redirected() { return false; }
        clone() {
            return new Response(copyBody(this), { status: this.#status, statusText: this.statusText, headers: this.headers });
        }
        get [FLAT]() { return this.#head instanceof Headers ? this.#head[FLAT] : this.#head ? ['content-type', this.#head] : []; }
        [internals.inspectParts]() { return { status: this.status, headers: this.headers }; }
    }

    const stream = async (status, fields, body) => {
        const reader = body.getReader();
        let open = false, first;
        do first = await reader.read(); // an error before the first byte is still a clean 500
        while (!first.done && toBytes(first.value).length === 0);
        if (first.done) { native.respond(status, fields, undefined); return; }
        open = native.respondHead(status, fields);
        for (let step = first; !step.done; step = await reader.read()) {
            open = open && native.respondPiece(toBytes(step.value));
            if (!open) { await reader.cancel(new DOMException('the caller is gone', 'AbortError')); return; }
        }
        native.respondEnd();
    };
    const send = Response.answer;
    delete Response.answer;

    const pending = [];
    const context = {
        waitUntil(promise) { pending.push(Promise.resolve(promise)); },
        passThroughOnException() {},
        props: {},
    };
    const finish = async (sent) => {
        await sent;
        for (let at = 0; at < pending.length; at++)
            await pending[at].catch((error) => native.report('Unhandled rejection in waitUntil', error));
    };
    const answer = (response) => {
        const sent = send(response);
        if (sent !== undefined || pending.length) return finish(sent);
    };
    // What tfaas_handle needs for a handler of this form.
    internals.fetchForm = (handler, owner) => ({ handler, owner, answer, newRequest: () => new Request(INCOMING), env: process.env, context });

    const fetch = async () => { throw new TypeError('fetch failed: outbound requests are not available to this function'); };
    for (const kind of [Headers, Request, Response])
        Object.defineProperty(kind.prototype, Symbol.toStringTag, { value: kind.name, configurable: true });
    internals.define(globalThis, { Headers, Blob, File, FormData, Request, Response, fetch });
})
