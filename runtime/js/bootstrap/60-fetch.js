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
    const FLAT = Symbol('flat');

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

    class Blob {
        #bytes;
        constructor(parts = [], { type = '' } = {}) {
            const pieces = [...parts].map((part) => part instanceof Blob ? part.#bytes
                : typeof part === 'object' ? internals.bytesOf(part) : native.encodeUtf8(String(part)));
            this.#bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
            let at = 0;
            for (const piece of pieces) { this.#bytes.set(piece, at); at += piece.length; }
            Object.defineProperty(this, 'type', { value: String(type).toLowerCase(), enumerable: true });
        }
        get size() { return this.#bytes.length; }
        async arrayBuffer() { return this.#bytes.slice().buffer; }
        async bytes() { return this.#bytes.slice(); }
        async text() { return native.decodeUtf8(this.#bytes); }
        slice(start, end, type) { return new Blob([this.#bytes.slice(start, end)], { type }); }
        stream() { const bytes = this.#bytes; return ReadableStream.from([bytes]); }
        get [FLAT]() { return this.#bytes; }
    }

    class FormData {
        #list = [];
        append(name, value) { this.#list.push([String(name), value instanceof Blob ? value : String(value)]); }
        delete(name) { this.#list = this.#list.filter(([n]) => n !== String(name)); }
        get(name) { return this.#list.find(([n]) => n === String(name))?.[1] ?? null; }
        getAll(name) { return this.#list.filter(([n]) => n === String(name)).map(([, v]) => v); }
        has(name) { return this.#list.some(([n]) => n === String(name)); }
        set(name, value) { this.delete(name); this.append(name, value); }
        forEach(callback, self) { for (const [n, v] of this.#list) callback.call(self, v, n, this); }
        *entries() { yield* this.#list; }
        *keys() { for (const [n] of this.#list) yield n; }
        *values() { for (const [, v] of this.#list) yield v; }
        [Symbol.iterator]() { return this.entries(); }
    }

    // A body is null, a string, bytes, a stream, or INCOMING: the request's, still with the host.
    const INCOMING = Symbol('incoming'), BODY = Symbol('body');
    const extract = (init) => {
        if (init === undefined || init === null) return [null, null];
        if (typeof init === 'string') return [init, 'text/plain;charset=UTF-8'];
        if (init instanceof URLSearchParams) return [init.toString(), 'application/x-www-form-urlencoded;charset=UTF-8'];
        if (init instanceof Blob) return [init[FLAT], init.type || null];
        if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) return [internals.bytesOf(init).slice(), null];
        if (init instanceof ReadableStream) return [init, null];
        if (init instanceof FormData) throw new TypeError('a FormData body is not supported');
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
            return isUsed(body) || (body instanceof ReadableStream && body.locked);
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
            if (typeof body === 'string') return asText ? body.toWellFormed() : native.encodeUtf8(body);
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
            if (!/^application\/x-www-form-urlencoded\b/i.test(type))
                throw new TypeError(`formData() reads application/x-www-form-urlencoded, not "${type}"`);
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

    const METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH'];
    const methodName = (text) => {
        const name = String(text);
        if (!native.validName(name) || /^(connect|trace|track)$/i.test(name)) throw new TypeError(`invalid method "${name}"`);
        return METHODS.includes(name.toUpperCase()) ? name.toUpperCase() : name;
    };
    const NO_BODY = ['GET', 'HEAD'];

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
            this.#parts = { method, url: from ? from.url : new URL(String(input)).href, headers,
                signal: init.signal ?? from?.signal, redirect: init.redirect ?? 'follow' };
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
        get body() { return this.#parts.incoming && NO_BODY.includes(this.method) ? null : super.body; }
        clone() {
            const { method, url, headers, signal, redirect } = this;
            const copy = new Request(url, { method, headers, signal, redirect });
            return this.body === null ? copy : new Request(copy, { method, body: copyBody(this), headers, signal });
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
    internals.define(globalThis, { Headers, Blob, FormData, Request, Response, fetch });
})
