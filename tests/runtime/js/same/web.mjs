// Events, AbortSignal, Blob, File, FormData, Headers, Request, Response, structuredClone, text, base64, URL.
const text = (bytes) => new TextDecoder().decode(bytes);

export default async (say) => {
    // --- events ---
    const target = new EventTarget(), seen = [];
    const listener = (event) => seen.push(`${event.type} ${event.target === target} ${event.eventPhase}`);
    target.addEventListener('a', listener);
    target.addEventListener('a', listener);
    target.addEventListener('a', { handleEvent(event) { seen.push(`object ${event.type}`); } }, { once: true });
    target.addEventListener('a', (event) => event.preventDefault());
    const event = new Event('a', { cancelable: true });
    say('dispatched', [target.dispatchEvent(event), event.defaultPrevented, target.dispatchEvent(new Event('a')), seen]);
    const off = new AbortController();
    let count = 0;
    target.addEventListener('b', () => count++, { signal: off.signal });
    target.addEventListener('b', (e) => e.stopImmediatePropagation());
    target.addEventListener('b', () => count += 100);
    target.dispatchEvent(new Event('b'));
    off.abort();
    target.dispatchEvent(new Event('b'));
    say('count', count);
    say('custom', [new CustomEvent('x', { detail: { a: 1 } }).detail, new CustomEvent('x').detail, new Event('y', { bubbles: true }).bubbles]);
    await say.of('no type', () => new Event());
    await say.of('no event', () => target.dispatchEvent({ type: 'a' }));
    class Own extends EventTarget { ping() { return this.dispatchEvent(new Event('ping')); } }
    say('derived', new Own().ping());

    // --- abort ---
    const controller = new AbortController(), order = [];
    controller.signal.onabort = () => order.push('on');
    controller.signal.addEventListener('abort', () => order.push('listener'));
    const any = AbortSignal.any([controller.signal, new AbortController().signal]), nested = AbortSignal.any([any]);
    nested.addEventListener('abort', () => order.push('nested'));
    controller.abort();
    controller.abort('again');
    say('aborted', [order, controller.signal.aborted, controller.signal.reason, any.aborted, nested.aborted, any.reason === controller.signal.reason]);
    await say.of('throwIfAborted', () => controller.signal.throwIfAborted());
    say('reason', [AbortSignal.abort('why').reason, AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort(4)]).reason]);
    await say.of('illegal', () => new AbortSignal());
    const awake = setTimeout(() => {}, 10000), timed = AbortSignal.timeout(1); // node would end while only that waits
    await new Promise((resolve) => timed.addEventListener('abort', resolve));
    clearTimeout(awake);
    say('timeout', timed.reason);

    // --- Blob, File, FormData ---
    const blob = new Blob(['he', new Uint8Array([108, 108]), new Blob(['o']), new Uint16Array([0x3121]).buffer, 5], { type: 'Text/Plain' });
    say('blob', [blob.size, blob.type, await blob.text(), await blob.slice(1, -2, 'x/y').text(), blob.slice(1, 2, 'x/y').type, new Uint8Array(await blob.arrayBuffer())]);
    say('blob stream', await new Response(blob.stream()).text());
    say('types', [new Blob([], { type: 'a\nb' }).type, new Blob().size, new Blob([null, undefined, {}]).size]);
    await say.of('a blob of text', () => new Blob('text'));
    const file = new File(['x', 'y'], 'n.txt', { type: 'text/plain', lastModified: 42 });
    say('file', [file.name, file.size, file.lastModified, file instanceof Blob, await file.text()]);
    await say.of('a file without name', () => new File([]));
    const form = new FormData();
    form.append('a', 1);
    form.append('a', '2');
    form.append('f', file);
    form.append('b', blob, 'renamed.bin');
    form.set('a', 'only');
    say('form', [[...form.keys()], form.getAll('a'), form.get('f').name, form.get('b').name, form.has('zz'), form.get('zz')]);
    await say.of('a file name for text', () => form.append('a', 'text', 'name'));
    await say.of('no value', () => form.append('a'));
    form.delete('b');
    form.append('nasty"\r\nname', 'line\nend');
    const sent = new Response(form), type = sent.headers.get('content-type'), boundary = type.split('boundary=')[1];
    say('multipart', (await sent.clone().text()).replaceAll(boundary, 'B').replace('; charset', ''));
    const back = await sent.formData();
    say('back', await Promise.all([...back].map(async ([n, v]) => [n, typeof v === 'string' ? v : [v.name, v.type, await v.text()]])));
    const read = (body, contentType) => new Response(body, { headers: { 'content-type': contentType } }).formData().then((f) => [...f.entries()].map(([n, v]) => [n, v instanceof File ? `${v.name} ${v.type} ${v.size}` : v]));
    say('read', await read('--x\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n--x\r\ncontent-disposition: form-data; name="f"; filename="q.bin"\r\nContent-Type: image/png\r\n\r\n\r\n\r\n--x--', 'multipart/form-data; boundary=x'));
    await say.of('cut', () => read('--x\r\nContent-Disposition: form-data; name="a"\r\n\r\none', 'multipart/form-data; boundary=x'));
    await say.of('no boundary', () => read('x', 'multipart/form-data'));
    await say.of('another type', () => read('x', 'text/plain'));
    say('urlencoded', await read('a=1&b=%20x+y&a=2&=e&c', 'application/x-www-form-urlencoded'));

    // --- Headers, Request, Response ---
    const headers = new Headers({ B: ' two ', a: 'one' });
    headers.append('a', 'more');
    headers.append('set-cookie', 'x=1');
    headers.append('Set-Cookie', 'y=2');
    say('headers', [[...headers], headers.get('A'), headers.getSetCookie(), headers.has('c'), headers.get('c')]);
    for (const bad of ['', 'a b', 'ü']) await say.of(`header name ${bad}`, () => headers.set(bad, 'x'));
    await say.of('header value', () => headers.set('x', 'a\nb'));
    const request = new Request('https://example.com/a?b#c', { method: 'post', body: '{"x":1}', headers: { 'X-A': '1' }, signal: AbortSignal.abort(), redirect: 'manual', credentials: 'omit' });
    say('request', [request.method, request.url, request.headers.get('content-type'), request.signal.aborted, request.redirect, request.credentials, request.bodyUsed, await request.clone().json(), await request.text(), request.bodyUsed]);
    await say.of('used', () => request.text());
    await say.of('clone used', () => request.clone());
    await say.of('GET with body', () => new Request('http://a/', { body: 'x' }));
    await say.of('relative', () => new Request('/a'));
    await say.of('credentials in URL', () => new Request('http://u:p@a/'));
    await say.of('method', () => new Request('http://a/', { method: 'CONNECT' }));
    await say.of('mode', () => new Request('http://a/', { mode: 'x' }));
    await say.of('stream without duplex', () => new Request('http://a/', { method: 'POST', body: new ReadableStream() }));
    say('patched', [new Request('http://a/', { method: 'patch' }).method, new Request('http://a/', { method: 'put' }).method, new Request(new Request('http://a/', { headers: { q: '1' } }), { method: 'PUT' }).headers.get('q')]);
    const response = new Response('body', { status: 201, statusText: 'Made', headers: { a: 'b' } });
    say('response', [response.status, response.ok, response.statusText, response.type, response.url, response.redirected, response.headers.get('content-type'), await response.clone().text(), text(await response.arrayBuffer())]);
    for (const status of [100, 199, 600, 'x']) await say.of(`status ${status}`, () => new Response(null, { status }));
    await say.of('204 with body', () => new Response('x', { status: 204 }));
    say('json', [Response.json({ a: [1] }).headers.get('content-type'), await Response.json({ a: [1] }, { status: 202 }).text(), Response.error().type, Response.error().status]);
    say('redirect', [Response.redirect('https://e.com/x', 307).status, Response.redirect('https://e.com/x').headers.get('location')]);
    await say.of('bad redirect', () => Response.redirect('https://e.com/', 200));
    for (const [name, body] of Object.entries({ text: 'ü', bytes: Uint8Array.of(1, 2), params: new URLSearchParams('a=b c'), blob, nothing: null, stream: ReadableStream.from([Uint8Array.of(65), Uint8Array.of(66)]), number: 5 })) {
        const each = new Response(body);
        say(`body ${name}`, [each.headers.get('content-type'), each.body === null, text(await each.arrayBuffer())]);
    }
    await say.of('a locked stream', () => { const s = new ReadableStream(); s.getReader(); return new Response(s); });
    const streamed = new Response('abc');
    await streamed.body.getReader().read();
    say('used by its stream', streamed.bodyUsed);
    say('blob of', [(await new Response('x', { headers: { 'content-type': 'a/b' } }).blob()).type, await new Response('\ufeffx').text(), await new Response('{"a":1}').json()]);
    await say.of('bad json', () => new Response('{').json());

    // --- structuredClone ---
    const cycle = { list: [1, , 3], date: new Date(5), re: /a/gi, map: new Map([[{}, new Set([1])]]), big: 5n, wrapped: Object('s'), nan: NaN, minus: -0, undef: undefined, view: new Uint16Array([1, 2]).subarray(1) };
    cycle.self = cycle;
    const copy = structuredClone(cycle);
    say('clone', [copy !== cycle, copy.self === copy, 1 in copy.list, copy.list.length, copy.date, copy.re, [...copy.map.keys()].length, copy.big, typeof copy.wrapped, copy.nan, copy.minus, 'undef' in copy, copy.view, copy.view.byteOffset, copy.view.buffer.byteLength]);
    const error = structuredClone(new RangeError('r', { cause: [1] }));
    say('clone error', [error.name, error.message, error.cause, error instanceof RangeError]);
    class Point { constructor() { this.x = 1; } get y() { return 2; } }
    say('clone instance', [structuredClone(new Point()), structuredClone(new Point()) instanceof Point]);
    for (const [name, value] of Object.entries({ function: () => 1, symbol: Symbol('s'), promise: Promise.resolve(), weak: new WeakMap() })) await say.of(`clone ${name}`, () => structuredClone(value));
    const buffer = new ArrayBuffer(4), sentBuffer = structuredClone(buffer, { transfer: [buffer] });
    say('transferred', [buffer.byteLength, sentBuffer.byteLength]);
    await say.of('transfer twice', () => structuredClone(1, { transfer: [buffer, buffer] }));
    await say.of('no value', () => structuredClone());
    say('clone blob', await (structuredClone(blob)).text());

    // --- text and base64 ---
    const decode = (label, bytes, options) => new TextDecoder(label, options).decode(Uint8Array.from(bytes));
    say('decoded', [decode('utf-8', [0xef, 0xbb, 0xbf, 0x61]), decode('utf-8', [0xef, 0xbb, 0xbf, 0x61], { ignoreBOM: true }), decode('latin1', [0x41, 0xe9]), decode('utf-16le', [0x61, 0, 0x3d, 0xd8, 0, 0xde, 0x41]), decode('utf-16be', [0, 0x61, 0xd8, 0x3d]), decode('ascii', [0x41, 0xff])]);
    say('ill-formed', [[0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5], [0x61, 0xff, 0x62], [0xe2, 0x28, 0xa1]].map((bytes) => decode('utf-8', bytes)));
    await say.of('fatal', () => decode('utf-8', [0xff], { fatal: true }));
    await say.of('unknown label', () => new TextDecoder('klingon'));
    const pieces = new TextDecoder(), out = [];
    for (const piece of [[0xe2], [0x82], [0xac, 0xf0], [0x9f, 0x98, 0x80], [0xe2, 0x82]]) out.push(pieces.decode(Uint8Array.from(piece), { stream: true }));
    say('in pieces', [out, pieces.decode()]);
    const utf16 = new TextDecoder('utf-16le');
    say('utf-16 in pieces', [[0x3d], [0xd8, 0], [0xde], [0x61, 0]].map((piece) => utf16.decode(Uint8Array.from(piece), { stream: true })));
    say('labels', ['UTF8', ' utf-8 ', 'l1', 'ucs-2', 'unicodefffe'].map((label) => new TextDecoder(label).encoding));
    const into = new Uint8Array(6);
    say('encoded', [new TextEncoder().encode('a\u00e9\u20ac\ud83d\ude00\ud800'), new TextEncoder().encodeInto('\u20ac\u20ac\u20ac', into), into, new TextEncoder().encodeInto('a\ud83d\ude00b', new Uint8Array(4))]);
    say('base64', [btoa('\x00\xffabc'), atob(' YW Jj\n'), btoa(''), atob('YQ')]);
    await say.of('btoa', () => btoa('\u20ac'));
    for (const bad of ['a', 'ab=c', '====', 'a*bc', 'YQ=']) await say.of(`atob ${bad}`, () => atob(bad));

    // --- URL ---
    const parts = (url) => ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'].map((key) => url[key]);
    const inputs = ['http://EXAMPLE.com:80/a/./b/../c?q=1#f', 'https://user:p%40ss@h:8443/%7Ea b', 'file:///C|/x/../y', 'file://host/p', 'http://[::1]:3000/', 'http://[1:2::ffff:1.2.3.4]', 'http://0x7f.1/', 'http://192.168.257',
        'mailto:a@b', 'data:text/plain,hi there ', 'javascript:alert(1)', 'HTTP:\\\\a\\b\\c', 'http://a//b//', 'http://ex%41mple.com/', 'foo://bar/baz?x#y', 'foo:/a/../b', 'blob:https://a.com/id', 'http://a/?q=\u00e9\'"<>', 'foo://h/?q=\'', 'http://a/#\u00e9`<>',
        'ws://a:80', 'wss://a:443/x', 'ftp://a:21/', 'http://a.b.c./', 'http://a:/', 'http://a@b@c/', 'http:a', 'http:/a', 'https:///a', 'http://\u00fcber.de/', 'http://xn--ber-goa.de/', 'http://stra\u00dfe.example/', 'http://\u65e5\u672c\u8a9e.jp/', 'http://a/%zz%41', 'non-special://[::2]/x', 'http://a/b\tc\nd',
        '', 'a', '//a', 'http://', 'http://a:99999', 'http://a b/', 'http://[::1', 'http://1.2.3.4.5', 'http://256.1', 'http://a:b', '1http://a', 'http://<', 'http://a%00b/', 'http://%', 'http://\u00ad/'];
    for (const input of inputs) await say.of(`URL ${input}`, () => parts(new URL(input)));
    const relative = ['b', './b', '../b', '../../../b', '/b', '//h/b', '?q', '#f', '', 'http:b', 'https:b', 'b/.', 'b/..', 'a:b', '\\b', ';x', '.%2e/x', 'file:x'];
    for (const base of ['http://a/p/q/r?s#t', 'file:///p/q', 'foo://a/p/q', 'mailto:x'])
        for (const input of relative) await say.of(`${input} on ${base}`, () => new URL(input, base).href);
    const url = new URL('https://u@h:1/p?q#f'), steps = { protocol: 'http', username: 'a b', password: 'x:y', host: 'other:8080', hostname: 'h2', port: '80', pathname: 'a b?c', search: 'x=1', hash: 'z y' };
    for (const [key, value] of Object.entries(steps)) { url[key] = value; say(`set ${key}`, url.href); }
    for (const [key, value] of [['port', ''], ['port', '99999'], ['host', ''], ['protocol', 'foo'], ['hostname', 'a b'], ['search', ''], ['hash', ''], ['pathname', ''], ['port', '8x']]) { url[key] = value; say(`set ${key} to "${value}"`, url.href); }
    const params = new URLSearchParams('?a=1&b=2&a=3&c');
    params.append('d e', '+&=');
    say('params', [String(params), params.getAll('a'), params.get('c'), params.has('a', '3'), params.size, [...params.keys()]]);
    params.delete('a', '1');
    params.sort();
    say('params', [String(params), String(new URLSearchParams({ x: 'y z', u: '\u00fc' })), String(new URLSearchParams([['a', 'b'], ['a', 'c']]))]);
    await say.of('bad pairs', () => new URLSearchParams([['a']]));
    url.searchParams.set('n', 'm o');
    say('linked', [url.href, URL.canParse('x:'), URL.canParse('x'), JSON.stringify(url)]);
    url.search = '?k=v';
    say('linked back', url.searchParams.get('k'));

    // --- the rest ---
    const marks = [];
    queueMicrotask(() => marks.push('micro'));
    setTimeout((a, b) => marks.push(a + b), 0, 'time', 'out');
    const cleared = setTimeout(() => marks.push('never'), 0);
    clearTimeout(cleared);
    await new Promise((resolve) => setTimeout(resolve, 5));
    say('turns', marks);
    performance.mark('m', { detail: 1, startTime: 3 });
    const measure = performance.measure('n', { start: 3, end: 8 });
    say('performance', [performance.getEntriesByName('m')[0].detail, measure.duration, typeof performance.now(), performance.now() >= 0]);
    say('exception', [new DOMException('m', 'DataError').code, new DOMException('m', 'AbortError').code, DOMException.ABORT_ERR, new DOMException('m') instanceof Error]);
};
