// URL and URLSearchParams after the WHATWG URL standard.
((native, internals) => {
    const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
    const isSpecial = (protocol) => protocol in PORTS;
    const encodeSet = (extra) => (text) => {
        let out = '';
        for (const c of text.toWellFormed()) {
            const code = c.codePointAt(0);
            if (code > 0x7e || code < 0x21 || extra.includes(c))
                for (const byte of native.encodeUtf8(c)) out += '%' + byte.toString(16).toUpperCase().padStart(2, '0');
            else out += c;
        }
        return out;
    };
    const encodeFragment = encodeSet('"<>`'), encodeQuery = encodeSet('"#<>'), encodeSpecialQuery = encodeSet('"#<>\'');
    const encodePath = encodeSet('"#<>?`{}^'), encodeUser = encodeSet('"#<>?`{}/:;=@[\\]^|');
    const percentDecode = (text) => {
        if (!text.includes('%')) return text;
        const bytes = [];
        const source = native.encodeUtf8(text);
        for (let i = 0; i < source.length; i++) {
            const pair = source[i] === 37 ? String.fromCharCode(source[i + 1], source[i + 2]) : '';
            if (/^[0-9a-f]{2}$/i.test(pair)) { bytes.push(parseInt(pair, 16)); i += 2; } else bytes.push(source[i]);
        }
        return native.decodeUtf8(Uint8Array.from(bytes));
    };

    const bad = (why) => { throw new TypeError(`Invalid URL: ${why}`); };
    const ipv4Number = (part) => {
        if (part === '') return NaN;
        if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : parseInt(part, 16);
        if (/^0[0-7]*$/.test(part)) return parseInt(part, 8);
        return /^[0-9]+$/.test(part) ? parseInt(part, 10) : NaN;
    };
    const parseIPv4 = (host) => {
        const parts = host.split('.');
        if (parts.at(-1) === '' && parts.length > 1) parts.pop();
        const last = parts.at(-1);
        if (!/^[0-9]+$/.test(last) && !/^0x[0-9a-f]*$/i.test(last)) return null; // not an address
        const numbers = parts.map(ipv4Number);
        if (parts.length > 4 || numbers.some(Number.isNaN) || numbers.slice(0, -1).some((n) => n > 255) ||
            numbers.at(-1) >= 256 ** (5 - numbers.length)) bad(`IPv4 address ${host}`);
        const address = numbers.slice(0, -1).reduce((sum, n, i) => sum + n * 256 ** (3 - i), numbers.at(-1));
        return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.');
    };
    const parseIPv6 = (text) => {
        const halves = text.split('::');
        if (halves.length > 2) bad(`IPv6 address ${text}`);
        const groups = (half) => !half ? [] : half.split(':').flatMap((group, i, all) => {
            if (i === all.length - 1 && group.includes('.')) {
                if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(group)) bad(`IPv6 address ${text}`);
                const b = group.split('.').map(Number);
                if (b.some((n) => n > 255)) bad(`IPv6 address ${text}`);
                return [b[0] * 256 + b[1], b[2] * 256 + b[3]];
            }
            if (!/^[0-9a-f]{1,4}$/i.test(group)) bad(`IPv6 address ${text}`);
            return [parseInt(group, 16)];
        });
        const head = groups(halves[0]), tail = halves.length === 2 ? groups(halves[1]) : [];
        const missing = 8 - head.length - tail.length;
        if (halves.length === 2 ? missing < 1 : missing !== 0) bad(`IPv6 address ${text}`);
        const all = [...head, ...Array(missing).fill(0), ...tail];
        let best = -1, length = 1;
        for (let i = 0; i < 8; i++) {
            let run = 0;
            while (all[i + run] === 0) run++;
            if (run > length) { best = i; length = run; }
        }
        const hex = all.map((n) => n.toString(16));
        return best < 0 ? `[${hex.join(':')}]` : `[${hex.slice(0, best).join(':')}::${hex.slice(best + length).join(':')}]`;
    };
    // RFC 3492. What UTS 46 maps is approximated by the compatibility form in lower case.
    const punycode = (label) => {
        const points = Array.from(label, (c) => c.codePointAt(0)), basic = points.filter((c) => c < 128);
        let out = String.fromCharCode(...basic) + (basic.length ? '-' : ''), n = 128, delta = 0, bias = 72, done = basic.length;
        const digit = (d) => String.fromCharCode(d < 26 ? d + 97 : d + 22);
        while (done < points.length) {
            const next = Math.min(...points.filter((c) => c >= n));
            delta += (next - n) * (done + 1);
            n = next;
            for (const c of points) {
                if (c < n) delta++;
                if (c !== n) continue;
                let q = delta;
                for (let k = 36; ; k += 36) {
                    const t = Math.min(Math.max(k - bias, 1), 26);
                    if (q < t) break;
                    out += digit(t + (q - t) % (36 - t));
                    q = Math.floor((q - t) / (36 - t));
                }
                out += digit(q);
                delta = done === basic.length ? Math.floor(delta / 700) : delta >> 1;
                delta += Math.floor(delta / (done + 1));
                let k = 0;
                for (; delta > 455; k += 36) delta = Math.floor(delta / 35);
                bias = k + Math.floor(36 * delta / (delta + 38));
                delta = 0;
                done++;
            }
            delta++;
            n++;
        }
        return 'xn--' + out;
    };
    const toAscii = (host) => {
        if (!/[^\x00-\x7f]/.test(host)) return host.toLowerCase();
        const mapped = host.replace(/[\u00ad\u034f\u180b-\u180d\u200b\u2060\ufe00-\ufe0f\ufeff]/g, '').replace(/[\u3002\uff0e\uff61]/g, '.')
            .normalize('NFKC').toLowerCase().normalize('NFKC');
        if (/[\ufffd\u2028\u2029\u202a-\u202e]/.test(mapped)) bad(`host "${host}"`);
        return mapped.split('.').map((label) => (/[^\x00-\x7f]/.test(label) ? punycode(label) : label)).join('.');
    };
    internals.domainToASCII = toAscii;
    const parseHost = (text, special) => {
        if (text.startsWith('[')) return text.endsWith(']') ? parseIPv6(text.slice(1, -1)) : bad(`host ${text}`);
        if (!special) {
            if (/[\0\t\n\r #/<>?@[\\\]^|]/.test(text)) bad(`host ${text}`);
            return encodeSet('')(text);
        }
        const host = toAscii(percentDecode(text));
        if (host === '' || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(host)) bad(`host "${text}"`);
        return parseIPv4(host) ?? host;
    };
    const isDot = (part) => part === '.' || /^%2e$/i.test(part);
    const isDots = (part) => /^(\.|%2e){2}$/i.test(part);
    const parsePath = (text, base, special, file) => {
        const path = base.slice();
        const parts = text.split(special ? /[/\\]/ : '/');
        parts.forEach((part, i) => {
            const last = i === parts.length - 1;
            if (isDots(part)) { if (!(file && path.length === 1 && /^[a-z]:$/i.test(path[0]))) path.pop(); if (last) path.push(''); }
            else if (isDot(part)) { if (last) path.push(''); }
            else path.push(file && path.length === 0 && /^[a-z][:|]$/i.test(part) ? part[0] + ':' : encodePath(part));
        });
        return path;
    };
    const setPort = (url, text) => {
        const digits = /^[0-9]*/.exec(text)[0];
        if (digits !== text || Number(digits) > 65535) bad(`port ${text}`);
        const port = digits === '' ? '' : String(Number(digits));
        url.port = port === PORTS[url.protocol] ? '' : port;
    };
    const parseAuthority = (url, text) => {
        const at = text.lastIndexOf('@');
        if (at >= 0) {
            const colon = text.slice(0, at).indexOf(':');
            url.username = encodeUser(text.slice(0, colon < 0 ? at : colon));
            url.password = colon < 0 ? '' : encodeUser(text.slice(colon + 1, at));
        }
        const hostPort = text.slice(at + 1);
        const port = /:([^:\]]*)$/.exec(hostPort);
        const host = port ? hostPort.slice(0, port.index) : hostPort;
        url.port = '';
        url.hostname = host === '' && !isSpecial(url.protocol) ? '' : parseHost(host, isSpecial(url.protocol));
        if (port) setPort(url, port[1]);
    };
    const empty = (protocol) => ({ protocol, username: '', password: '', hostname: null, port: '', path: [], opaque: null,
        query: null, fragment: null });

    // Without scheme: everything the reference does not say comes from the base.
    const parseRelative = (url, rest, base, special) => {
        const slash = (c) => c === '/' || (special && c === '\\');
        if (slash(rest[0]) && slash(rest[1])) return parseWithAuthority(url, rest.slice(2), special);
        Object.assign(url, { username: base.username, password: base.password, hostname: base.hostname, port: base.port });
        if (slash(rest[0])) url.path = parsePath(rest.slice(1), [], special, url.protocol === 'file:');
        else if (rest === '') {
            url.path = base.path.slice();
            if (url.query === null) url.query = base.query;
        } else url.path = parsePath(rest, base.path.slice(0, -1), special, url.protocol === 'file:');
    };
    const parseWithAuthority = (url, rest, special) => {
        const end = rest.search(special ? /[/\\]/ : /\//);
        const authority = end < 0 ? rest : rest.slice(0, end);
        if (url.protocol === 'file:') url.hostname = authority === '' || authority.toLowerCase() === 'localhost' ? '' : parseHost(authority, true);
        else parseAuthority(url, authority);
        if (end >= 0) url.path = parsePath(rest.slice(end + 1), [], special, url.protocol === 'file:');
        else if (special) url.path = [''];
    };
    const parse = (input, base) => {
        let text = input.toWellFormed().replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
        let fragment = null, query = null;
        const hash = text.indexOf('#');
        if (hash >= 0) { fragment = encodeFragment(text.slice(hash + 1)); text = text.slice(0, hash); }
        const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text);
        const mark = text.indexOf('?');
        const protocol = scheme ? scheme[0].toLowerCase() : base?.protocol;
        if (protocol === undefined) bad(`"${input}" has no scheme and there is no base`);
        const special = isSpecial(protocol);
        if (mark >= 0) { query = (special ? encodeSpecialQuery : encodeQuery)(text.slice(mark + 1)); text = text.slice(0, mark); }
        const url = empty(protocol);
        url.query = query;
        url.fragment = fragment;
        const rest = scheme ? text.slice(scheme[0].length) : text;
        if (!scheme && base.opaque !== null) {
            if (rest !== '' || query !== null || hash < 0) bad(`"${input}" cannot be resolved against ${base.protocol}`);
            return { ...base, fragment };
        }
        if (!scheme || (special && base && protocol === base.protocol && !/^[/\\]/.test(rest)))
            { if (base && base.opaque === null) parseRelative(url, rest, base, special); else bad(`"${input}"`); }
        else if (special) {
            if (protocol === 'file:' && !/^[/\\]{2}/.test(rest))
                Object.assign(url, { hostname: '', path: parsePath(rest.replace(/^[/\\]/, ''), [], true, true) });
            else parseWithAuthority(url, rest.replace(protocol === 'file:' ? /^[/\\]{2}/ : /^[/\\]*/, ''), true);
        } else if (rest.startsWith('//')) parseWithAuthority(url, rest.slice(2), false);
        else if (rest.startsWith('/')) url.path = parsePath(rest.slice(1), [], false, false);
        else url.opaque = encodeSet('')(rest).replaceAll('%20', ' ');
        return url;
    };
    const pathText = (url) => url.opaque ?? (url.path.length ? '/' + url.path.join('/') : '');
    const hostText = (url) => (url.hostname ?? '') + (url.port === '' ? '' : ':' + url.port);
    const serialize = (url) => {
        const user = url.username === '' && url.password === '' ? ''
            : url.username + (url.password === '' ? '' : ':' + url.password) + '@';
        const authority = url.hostname === null ? (url.opaque === null && url.path.length > 1 && url.path[0] === '' ? '/.' : '')
            : '//' + user + hostText(url);
        return url.protocol + authority + pathText(url) + (url.query === null ? '' : '?' + url.query) +
            (url.fragment === null ? '' : '#' + url.fragment);
    };

    const formEncode = (text) => encodeSet('!"#$%&\'()+,/:;<=>?@[\\]^`{|}~')(text).replaceAll('%20', '+');
    const formDecode = (text) => percentDecode(text.replaceAll('+', ' '));
    const parseParams = (text) => text.split('&').filter(Boolean).map((pair) => {
        const equals = pair.indexOf('=');
        return equals < 0 ? [formDecode(pair), ''] : [formDecode(pair.slice(0, equals)), formDecode(pair.slice(equals + 1))];
    });
    const UPDATE = Symbol('update'), RESET = Symbol('reset');
    class URLSearchParams {
        #list = [];
        constructor(init = '') {
            if (typeof init === 'object' && init !== null && typeof init[Symbol.iterator] === 'function')
                this.#list = [...init].map((pair) => {
                    const both = [...pair];
                    if (both.length !== 2) throw new TypeError('every pair must have a name and a value');
                    return both.map(String);
                });
            else if (typeof init === 'object' && init !== null) this.#list = Object.entries(init).map(([k, v]) => [k, String(v)]);
            else this.#list = parseParams(String(init).replace(/^\?/, ''));
        }
        [RESET](text) { this.#list = parseParams(text); }
        #changed() { this[UPDATE]?.(this.toString()); }
        get size() { return this.#list.length; }
        append(name, value) { this.#list.push([String(name), String(value)]); this.#changed(); }
        delete(name, value) {
            this.#list = this.#list.filter(([n, v]) => n !== String(name) || (value !== undefined && v !== String(value)));
            this.#changed();
        }
        get(name) { return this.#list.find(([n]) => n === String(name))?.[1] ?? null; }
        getAll(name) { return this.#list.filter(([n]) => n === String(name)).map(([, v]) => v); }
        has(name, value) { return this.#list.some(([n, v]) => n === String(name) && (value === undefined || v === String(value))); }
        set(name, value) {
            const first = this.#list.findIndex(([n]) => n === String(name));
            if (first < 0) return this.append(name, value);
            this.#list = this.#list.filter(([n], i) => i <= first || n !== String(name));
            this.#list[first] = [String(name), String(value)];
            this.#changed();
        }
        sort() { this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
        forEach(callback, self) { for (const [n, v] of this.#list) callback.call(self, v, n, this); }
        *entries() { for (const [n, v] of this.#list) yield [n, v]; }
        *keys() { for (const [n] of this.#list) yield n; }
        *values() { for (const [, v] of this.#list) yield v; }
        [Symbol.iterator]() { return this.entries(); }
        get [Symbol.toStringTag]() { return 'URLSearchParams'; }
        toString() { return this.#list.map(([n, v]) => `${formEncode(n)}=${formEncode(v)}`).join('&'); }
        [internals.inspectParts]() { return Object.fromEntries(this.#list); }
    }

    class URL {
        #url; #params;
        constructor(input, base) { this.#url = parse(String(input), base === undefined ? undefined : parse(String(base))); }
        static canParse(input, base) { try { return Boolean(new URL(input, base)); } catch { return false; } }
        static parse(input, base) { try { return new URL(input, base); } catch { return null; } }
        get href() { return serialize(this.#url); }
        set href(text) { this.#url = parse(String(text)); this.#params?.[RESET](this.#url.query ?? ''); }
        get origin() {
            if (this.#url.protocol === 'blob:') {
                const inner = URL.parse(pathText(this.#url));
                return inner && /^https?:$/.test(inner.protocol) ? inner.origin : 'null';
            }
            return isSpecial(this.#url.protocol) && this.#url.protocol !== 'file:'
                ? `${this.#url.protocol}//${hostText(this.#url)}` : 'null';
        }
        get protocol() { return this.#url.protocol; }
        set protocol(text) {
            const scheme = /^[a-z][a-z0-9+.-]*/i.exec(text)?.[0].toLowerCase() + ':';
            if (isSpecial(scheme) !== isSpecial(this.#url.protocol)) return;
            this.#url.protocol = scheme;
            if (this.#url.port === PORTS[scheme]) this.#url.port = '';
        }
        get username() { return this.#url.username; }
        set username(text) { if (this.#url.hostname) this.#url.username = encodeUser(String(text)); }
        get password() { return this.#url.password; }
        set password(text) { if (this.#url.hostname) this.#url.password = encodeUser(String(text)); }
        get host() { return hostText(this.#url); }
        set host(text) { this.#try((url) => parseAuthority(url, String(text).replace(/[/\\?#@].*$/, ''))); }
        get hostname() { return this.#url.hostname ?? ''; }
        set hostname(text) {
            const host = String(text).replace(/[/\\?#@].*$/, '');
            this.#try((url) => { url.hostname = parseHost(host, isSpecial(url.protocol)); });
        }
        get port() { return this.#url.port; }
        set port(text) { this.#try((url) => setPort(url, /^[0-9]*/.exec(String(text))[0])); }
        get pathname() { return pathText(this.#url); }
        set pathname(text) {
            const special = isSpecial(this.#url.protocol);
            if (this.#url.opaque === null)
                this.#url.path = parsePath(String(text).replace(special ? /^[/\\]/ : /^\//, ''), [], special, false);
        }
        get search() { return this.#url.query ? '?' + this.#url.query : ''; }
        set search(text) {
            const query = String(text).replace(/^\?/, '');
            this.#url.query = text === '' ? null : (isSpecial(this.#url.protocol) ? encodeSpecialQuery : encodeQuery)(query);
            this.#params?.[RESET](this.#url.query ?? '');
        }
        get hash() { return this.#url.fragment ? '#' + this.#url.fragment : ''; }
        set hash(text) { this.#url.fragment = text === '' ? null : encodeFragment(String(text).replace(/^#/, '')); }
        get searchParams() {
            if (!this.#params) {
                this.#params = new URLSearchParams(this.#url.query ?? '');
                Object.defineProperty(this.#params, UPDATE, { value: (text) => { this.#url.query = text === '' ? null : text; } });
            }
            return this.#params;
        }
        #try(change) { // a setter that fails changes nothing
            const copy = { ...this.#url };
            try { change(copy); this.#url = copy; } catch { /* the standard ignores it */ }
        }
        get [Symbol.toStringTag]() { return 'URL'; }
        toString() { return this.href; }
        toJSON() { return this.href; }
        [internals.inspectParts]() { return { href: this.href }; }
    }
    internals.parseParams = parseParams;
    internals.define(globalThis, { URL, URLSearchParams });
})
