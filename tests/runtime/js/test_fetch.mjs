// The fetch handler form and the web globals.
import assert from 'node:assert/strict';
import { one } from './test_openfaas.mjs';

const fetchForm = (body) => `export default { async fetch(request, env, ctx) { ${body} } }`;
const run = (rt, body, request, options) => one(rt, fetchForm(body), request, options);
// Evaluates an expression inside the function.
const evaluate = (rt, expression, request) => {
    const r = run(rt, `return Response.json({ value: await (async () => ${expression})() })`, request);
    assert.equal(r.status, 200, `${expression}\n${r.log}`);
    return JSON.parse(r.text).value;
};
const same = (rt, table) => { for (const [expression, expected] of table) assert.deepEqual(evaluate(rt, expression), expected, expression); };

export const tests = [
    ['JSON in and out stays small', (rt) => {
        const r = run(rt, 'const { name } = await request.json(); return Response.json({ hello: name })', { method: 'POST', body: '{"name":"w\u00f6rld"}' });
        assert.equal(r.text, '{"hello":"w\u00f6rld"}');
        assert.deepEqual(r.calls, { request_read: 1, response_write: 1 });
        assert.ok(r.dirtyPages <= 22, `${r.dirtyPages} dirty pages`);
    }],
    ['a body is read once', (rt) => {
        const post = (body) => ({ method: 'POST', body });
        for (const read of ['json', 'text', 'bytes', 'arrayBuffer', 'blob'])
            for (const again of ['json', 'text', 'bytes'])
                assert.equal(evaluate(rt, `request.${read}().then(() => request.${again}()).then(() => "twice", (e) => e.name + request.bodyUsed)`,
                    post('1')), 'TypeErrortrue', `${read} ${again}`);
        assert.equal(evaluate(rt, 'new Response("x").text().then(() => "once")'), 'once');
        assert.equal(evaluate(rt, '(async (r) => { await r.text(); return r.text() })(new Response("x")).catch((e) => e.name)'), 'TypeError');
        assert.deepEqual(evaluate(rt, '[request.bodyUsed, (await request.json()).a, request.bodyUsed, request.body instanceof ReadableStream]', post('{"a":5}')),
            [false, 5, true, true]);
        assert.deepEqual(evaluate(rt, '[(request.body, request.bodyUsed), await request.text(), request.bodyUsed]', post('abc')), [false, 'abc', true]);
        assert.deepEqual(evaluate(rt, '(async (r) => { const reader = r.body.getReader(); return [r.bodyUsed, await r.text().catch((e) => e.name)] })(request)', post('abc')),
            [true, 'TypeError']);
        const spent = run(rt, 'const r = new Response("x"); await r.text(); return r');
        assert.equal(spent.status, 500);
        assert.match(spent.log, /already read/);
    }],
    ['an incoming body that is no JSON, or no UTF-8', (rt) => {
        const read = (body) => evaluate(rt, 'request.json().then((v) => [v], (e) => e.name)', { method: 'POST', body });
        assert.equal(read('{"a":'), 'SyntaxError');
        assert.equal(read(''), 'SyntaxError');
        assert.equal(read('['.repeat(600) + ']'.repeat(600)), 'RangeError');
        assert.deepEqual(read('\ufeff{"a":1}'), [{ a: 1 }]);
        assert.deepEqual(read(Buffer.from([0x22, 0xff, 0xe2, 0x82, 0x22])), ['\ufffd\ufffd']);
        assert.equal(evaluate(rt, 'request.text()', { method: 'POST', body: Buffer.from([0x61, 0xff]) }), 'a\ufffd');
        assert.deepEqual(read('{"then":1}'), [{ then: 1 }]);
        const unheard = run(rt, 'request.json(); await null; return new Response("ok")', { method: 'POST', body: '{' });
        assert.equal(unheard.text, 'ok');
        assert.match(unheard.log, /Unhandled promise rejection: SyntaxError/);
    }],
    ['what a handler may return', (rt) => {
        const form = (source) => one(rt, `export default { fetch: ${source} }`);
        assert.equal(form('() => new Response("plain")').text, 'plain');
        assert.equal(form('() => Promise.resolve(new Response("promise"))').text, 'promise');
        assert.equal(form('() => ({ then(done) { done(new Response("thenable")) } })').text, 'thenable');
        assert.equal(form('async () => ({ then(done) { done(new Response("thenable")) } })').text, 'thenable');
        assert.equal(form('async () => new (class extends Response {})("derived")').text, 'derived');
        for (const wrong of ['() => undefined', 'async () => undefined', 'async () => ({ status: 200 })', 'async () => "text"', 'async () => Response.error()',
            'async () => Object.create(Response.prototype)', '() => Promise.reject(new Error("no"))', 'async () => { throw new Error("no") }']) {
            const r = form(wrong);
            assert.equal(r.status, 500, wrong);
            assert.match(r.log, /TypeError|Error: no/, wrong);
        }
        const typed = run(rt, 'return new Response(new Blob(["x"], { type: "text/x\\r\\nset-cookie: a" }))');
        assert.equal(typed.status, 200); // such a type is none
        assert.equal(typed.header('set-cookie'), undefined);
        assert.equal(typed.header('content-type'), undefined);
        assert.equal(run(rt, 'return new Response(new Blob(["x"], { type: "Text/X" }))').header('content-type'), 'text/x');
        assert.equal(run(rt, 'return new Response(null, { status: 204 })').status, 204);
        const changed = run(rt, 'const r = Response.json([1]); r.headers.set("x-b", "2"); return r');
        assert.deepEqual(changed.fields, [['content-type', 'application/json'], ['x-b', '2']]);
    }],
    ['Response', (rt) => {
        const r = run(rt, 'return new Response("hi", { status: 201, headers: { "X-A": "1" } })');
        assert.deepEqual([r.code, r.status, r.text], [0, 201, 'hi']);
        assert.deepEqual(r.fields, [['x-a', '1'], ['content-type', 'text/plain;charset=UTF-8']]);
        assert.deepEqual(r.calls, { request_read: 1, response_write: 1 });
        assert.equal(run(rt, 'return Response.json({ a: 1 })').header('content-type'), 'application/json');
        assert.equal(run(rt, 'return Response.redirect("http://x.test/a", 301)').header('location'), 'http://x.test/a');
        assert.deepEqual([...run(rt, 'return new Response(new Uint8Array([1, 0, 255]))').body], [1, 0, 255]);
        assert.equal(run(rt, 'return new Response(null, { status: 204 })').status, 204);
        assert.equal(run(rt, 'return new Response()').fields.length, 0);
        assert.equal(run(rt, 'const h = new Headers(); h.append("set-cookie", "a"); h.append("Set-Cookie", "b"); return new Response("", { headers: h })').header('set-cookie'), 'a|b');
    }],
    ['every way to export it', (rt) => {
        const ways = ['export default { fetch() { return new Response("ok") } }', 'export default () => new Response("ok")',
            'export default async function (request, env, ctx) { return new Response(typeof ctx.waitUntil === "function" ? "ok" : "") }',
            'module.exports = { fetch: async () => new Response("ok") }', 'export default class { static fetch() { return new Response("ok") } }',
            'export function fetch() { return new Response("ok") }', 'exports.default = { fetch() { return new Response("ok") } }',
            'const h = { text: "ok", fetch() { return new Response(this.text) } }; export default h'];
        for (const source of ways) assert.equal(one(rt, source).text, 'ok', source);
        assert.equal(one(rt, 'export const handler = async (event, context) => context.status(202).succeed("ok")').status, 202);
    }],
    ['Request', (rt) => {
        const r = run(rt, `const u = new URL(request.url); return Response.json([request.method, request.url, u.searchParams.get("q"),
            request.headers.get("X-One"), [...request.headers], await request.text(), request.bodyUsed])`,
        { method: 'POST', path: '/p/a?q=%20x', authority: 'fn.test:8080', headers: [['x-one', '1'], ['X-One', '2']], body: 'body' });
        assert.deepEqual(JSON.parse(r.text), ['POST', 'http://fn.test:8080/p/a?q=%20x', ' x', '1, 2', [['content-length', '4'], ['x-one', '1, 2']], 'body', true]);
        assert.equal(run(rt, 'return new Response(String(request.body))').text, 'null');
        assert.equal(run(rt, 'return new Response((await request.json()).a)', { method: 'POST', body: '{"a":"b"}' }).text, 'b');
        assert.equal(run(rt, 'await request.text(); await request.text()', { method: 'POST', body: 'x' }).status, 500);
        assert.equal(run(rt, 'const c = request.clone(); return new Response(await request.text() + await c.text())', { method: 'POST', body: 'x' }).text, 'xx');
        assert.equal(run(rt, 'return new Response((await request.formData()).get("a"))', { method: 'POST', headers: [['content-type', 'application/x-www-form-urlencoded']], body: 'a=b+c' }).text, 'b c');
        assert.equal(run(rt, 'try { request.headers.set("a", "b") } catch (e) { return new Response(e.name) }').text, 'TypeError');
        assert.equal(run(rt, 'const q = new Request("http://a/b", { method: "post", body: "x" }); return new Response(q.method + q.url + await q.text())').text, 'POSThttp://a/bx');
    }],
    ['request body as a stream', (rt) => {
        const source = 'let n = 0, text = ""; for await (const chunk of request.body) { n++; text += new TextDecoder().decode(chunk) } return new Response(n + text)';
        assert.equal(run(rt, source, { method: 'POST', body: ['ab', 'cd', 'ef'] }).text, '3abcdef');
        assert.equal(run(rt, 'return new Response(request.body)', { method: 'POST', body: ['ab', 'x'.repeat(100000)] }).text.length, 100002);
        assert.equal(run(rt, 'return new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform(t, c) { c.enqueue(t.toUpperCase()) } })).pipeThrough(new TextEncoderStream()))',
            { method: 'POST', body: ['h\u00e9', 'llo'] }).text, 'H\u00c9LLO');
        assert.equal(run(rt, 'const r = await request.body.getReader().read(); return new Response("early")', { method: 'POST', body: ['a', 'b'] }).text, 'early');
        assert.equal(run(rt, source, { method: 'POST', body: ['a', -1] }).status, 500);
    }],
    ['streaming response', (rt) => {
        const pull = run(rt, 'let i = 0; return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 100)); if (i === 3) c.close(); else c.enqueue(`part${i++};`) } }))');
        assert.deepEqual([pull.text, pull.code, pull.ended, pull.slept], ['part0;part1;part2;', 0, true, 400000000n]);
        assert.ok(pull.writes >= 4, `${pull.writes} writes`);
        assert.equal(run(rt, 'return new Response((async function* () { yield "a"; yield new Uint8Array([98]); })())').text, 'ab');
        assert.equal(run(rt, 'const { readable, writable } = new TransformStream(); const w = writable.getWriter(); ctx.waitUntil((async () => { for (const t of ["x", "y"]) await w.write(t); await w.close() })()); return new Response(readable)').text, 'xy');
        assert.equal(run(rt, 'return new Response(new ReadableStream({ start(c) { c.close() } }))').text, '');
        const early = run(rt, 'return new Response(new ReadableStream({ pull() { throw new Error("before") } }))');
        assert.deepEqual([early.status, early.text], [500, 'Internal Server Error\n']);
        const cut = run(rt, 'let i = 0; return new Response(new ReadableStream({ pull(c) { if (i++) throw new Error("mid"); c.enqueue("a") } }))');
        assert.equal(cut.status, 200);
        assert.notEqual(cut.code, 0);
        assert.equal(cut.ended, false);
        assert.match(cut.log, /Error: mid/);
        const gone = run(rt, 'return new Response(new ReadableStream({ pull(c) { c.enqueue("x".repeat(1000)) }, cancel(e) { console.log("cancelled", e.name) } }))', {}, { acceptBytes: 5000 });
        assert.notEqual(gone.code, 0);
        assert.match(gone.log, /cancelled AbortError/);
    }],
    ['errors stay inside', (rt) => {
        const r = run(rt, 'throw new Error("secret")');
        assert.deepEqual([r.code, r.status, r.text], [0, 500, 'Internal Server Error\n']);
        assert.match(r.log, /^Uncaught: Error: secret\n {4}at fetch \(\/function\/handler\.js:1:\d+\)\n$/);
        assert.match(run(rt, 'return "text"').log, /must return a Response, not 'text'/);
        assert.equal(run(rt, '').status, 500);
        assert.match(run(rt, 'await fetch("http://x/")').log, /outbound requests are not available/);
        assert.match(run(rt, 'Promise.reject(new Error("alone")); return new Response("x")').log, /Unhandled promise rejection: Error: alone/);
        assert.equal(run(rt, 'const p = Promise.reject(1); await null; p.catch(() => {}); return new Response("x")').log, '');
        assert.equal(run(rt, 'await new Promise(() => {})').error?.constructor.name, 'Deadline');
    }],
    ['no response splitting', (rt) => {
        for (const init of ['{ "a": "1\\r\\nb: 2" }', '{ "a b": "1" }', '{ "a": "\\u20ac" }', '{ "": "1" }', '{ connection: "close" }', '{ "Transfer-Encoding": "chunked" }'])
            assert.equal(run(rt, `return new Response("x", { headers: ${init} })`).status, 500, init);
        assert.equal(run(rt, 'Map.prototype.get = () => "a\\r\\nb"; Array.prototype.push = function (...v) { for (const x of v) this[this.length] = x + "\\r\\n"; }; return new Response("x", { headers: { a: "1" } })').status, 500);
    }],
    ['waitUntil and env', (rt) => {
        const r = run(rt, 'ctx.waitUntil(new Promise((done) => setTimeout(() => { console.log("later"); done() }, 1000))); ctx.waitUntil(Promise.reject(new Error("bg"))); return new Response(env.GREETING + process.env.GREETING)', {}, { env: { GREETING: 'hi' } });
        assert.deepEqual([r.text, r.code], ['hihi', 0]);
        assert.match(r.log, /Error: bg[^]*later/);
    }],
    ['URL', (rt) => same(rt, [
        ['new URL("http://EXAMPLE.com:80/a/../b/./c?x=1#y").href', 'http://example.com/b/c?x=1#y'],
        ['new URL("../d?e", "https://u:p@h:8443/a/b/c#f").href', 'https://u:p@h:8443/a/d?e'],
        ['new URL("//other/x", "https://h/a").href', 'https://other/x'],
        ['new URL("?q", "https://h/a?b#c").href', 'https://h/a?q'],
        ['new URL("#f", "https://h/a?b#c").href', 'https://h/a?b#f'],
        ['new URL("http://[::1]:3000/").host', '[::1]:3000'],
        ['new URL("http://[1:0:0:0:0:0:0:2]/").host', '[1::2]'],
        ['new URL("http://0x7f.1/").hostname', '127.0.0.1'],
        ['new URL("http://a/%41 \u00e9{}").pathname', '/%41%20%C3%A9%7B%7D'],
        ['new URL("http://a\\\\b\\\\c").pathname', '/b/c'],
        ['new URL("mailto:a@b c").href', 'mailto:a@b c'],
        ['new URL("data:text/plain,hi?x#y").pathname', 'text/plain,hi'],
        ['new URL("file:///a/b").href', 'file:///a/b'],
        ['new URL("foo://h:1/x/../y").href', 'foo://h:1/y'],
        ['new URL("http://a/?x=1&x=2").searchParams.getAll("x")', ['1', '2']],
        ['(() => { const u = new URL("http://a/"); u.searchParams.append("k", "a b&"); u.hash = "z"; u.pathname = "q r"; u.port = "81"; u.protocol = "https"; return u.href })()', 'https://a:81/q%20r?k=a+b%26#z'],
        ['new URL("http://a:8080/b").origin', 'http://a:8080'],
        ['["", "http://", "http://a b", "http://a:99999", "//x", "http://[::1", "http://1.2.3.256"].map((t) => URL.canParse(t))', [false, false, false, false, false, false, false]],
        ['new URLSearchParams("?a=1&b=%20+x&a=3&c").toString()', 'a=1&b=++x&a=3&c='],
        ['new URLSearchParams({ a: "\u00e9", b: "*-._~" }).toString()', 'a=%C3%A9&b=*-._%7E'],
        ['[...new URLSearchParams([["b", "2"], ["a", "1"]])]', [['b', '2'], ['a', '1']]],
        ['(() => { const p = new URLSearchParams("b=1&a=2&b=3"); p.sort(); p.set("b", "9"); p.delete("a"); return String(p) + p.size + p.has("b", "9") })()', 'b=91true'],
    ])],
    ['text', (rt) => same(rt, [
        ['[...new TextEncoder().encode("h\u20ac\\ud800")]', [104, 0xe2, 0x82, 0xac, 0xef, 0xbf, 0xbd]],
        ['new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 104, 0xff, 0xe2, 0x82]))', 'h\ufffd\ufffd'],
        ['(() => { const d = new TextDecoder(); return d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + "|" + d.decode(new Uint8Array([0xac, 0x41]), { stream: true }) + d.decode() })()', '|\u20acA'],
        ['(() => { try { new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255])); } catch (e) { return e.name } })()', 'TypeError'],
        ['new TextDecoder("utf-16le").decode(new Uint8Array([0x3d, 0xd8, 0x00, 0xde]))', '\u{1f600}'],
        ['new TextDecoder("latin1").decode(new Uint8Array([0xe9, 0x80]))', '\u00e9\u20ac'],
        ['(() => { try { new TextDecoder("klingon") } catch (e) { return e.name } })()', 'RangeError'],
        ['new TextEncoder().encodeInto("a\u20acb", new Uint8Array(4))', { read: 2, written: 4 }],
        ['btoa("hi\\xff") + atob("aGk=")', 'aGn/hi'.replace('aGn/', Buffer.from('hi\xff', 'latin1').toString('base64'))],
        ['Buffer.from("h\u00e9llo").toString("base64") + Buffer.from("aMOp", "base64").toString() + Buffer.concat([Buffer.from([1]), Buffer.from("ff", "hex")]).toString("hex")',
            Buffer.from('h\u00e9llo').toString('base64') + 'h\u00e9' + '01ff'],
        ['(() => { const b = Buffer.alloc(8); b.writeUInt32BE(0xdeadbeef, 2); return b.readUInt16LE(3) + b.toString("hex") + b.indexOf(0xbe) })()', 0xbead + '0000deadbeef00004'],
    ])],
    ['clone, events, abort, timers', (rt) => same(rt, [
        ['(() => { const a = { d: new Date(5), m: new Map([[1, new Set([2])]]), b: new Uint8Array([1, 2]).buffer, e: new RangeError("x"), n: [1n] }; a.self = a; const c = structuredClone(a); return [c !== a, c.self === c, c.d.getTime(), c.m.get(1).has(2), c.b.byteLength, c.e instanceof RangeError, c.e.message, typeof c.n[0]] })()', [true, true, 5, true, 2, true, 'x', 'bigint']],
        ['(() => { try { structuredClone(() => 1) } catch (e) { return e.name } })()', 'DataCloneError'],
        ['(() => { const c = new AbortController(); let seen = 0; c.signal.addEventListener("abort", () => seen++); c.abort(); c.abort(); return [seen, c.signal.aborted, c.signal.reason.name] })()', [1, true, 'AbortError']],
        ['new Promise((r) => AbortSignal.timeout(10).addEventListener("abort", (e) => r(e.target.reason.name)))', 'TimeoutError'],
        ['(async () => { const o = []; setTimeout(() => o.push("t2"), 20); setTimeout(() => o.push("t1"), 10); setTimeout((x) => o.push(x), 10, "t1b"); const i = setInterval(() => { o.push("i"); if (o.length > 6) clearInterval(i) }, 15); clearTimeout(setTimeout(() => o.push("never"), 1)); queueMicrotask(() => o.push("m")); await new Promise((r) => setTimeout(r, 100)); return o.slice(0, 5) })()', ['m', 't1', 't1b', 'i', 't2']],
        ['(async () => { const before = Date.now(), p = performance.now(); await new Promise((r) => setTimeout(r, 250)); return [Date.now() - before, performance.now() - p] })()', [250, 250]],
        ['(() => { try { setTimeout("code") } catch (e) { return e.name } })()', 'TypeError'],
        ['(async () => { const [a, b] = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close() } }).tee(); return [await Array.fromAsync(a), await Array.fromAsync(b)] })()', [[1, 2], [1, 2]]],
        ['new Blob(["a", new Uint8Array([98])]).text()', 'ab'],
    ])],
    ['console writes one line per call', (rt) => {
        const r = run(rt, 'console.log("a", 1, { b: [1, "x"], c: null }, new Map([[1, 2]])); console.error("%s is %d%%", "x", 5); console.log(); console.log("two\\nlines"); const o = {}; o.o = o; console.log(o, [undefined, -0, 1n, Symbol("s")], new Error("e").message, class A {}, () => 1); return new Response("")');
        assert.deepEqual(r.lines, ["a 1 { b: [ 1, 'x' ], c: null } Map(1) { 1 => 2 }\n", 'x is 5%\n', '\n', 'two\nlines\n',
            '{ o: [Circular] } [ undefined, -0, 1n, Symbol(s) ] e [class A] [Function (anonymous)]\n']);
        assert.match(run(rt, 'console.log(request, new Headers({ a: "b" })); return new Response("")').log, /Request \{[^]*Headers \{ a: 'b' \}/);
    }],
    ['every instance has its own randomness', (rt) => {
        const image = rt.load({ '/function/handler.js': 'const atLoad = Math.random(); module.exports = () => [Math.random(), Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(4))], atLoad]' });
        assert.equal(image.code, 0, image.log);
        const draw = (fill) => JSON.parse(image.invoke({}, fill && { random: (bytes) => bytes.fill(fill) }).text);
        const a = draw(), b = draw();
        for (const i of [0, 1, 2, 3]) assert.notDeepEqual(a[i], b[i]);
        assert.notEqual(a[0], a[1]);
        assert.equal(a[4], b[4]);
        assert.deepEqual(draw(7), draw(7));
        assert.notDeepEqual(draw(7), draw(8));
        assert.match(a[2], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        const many = new Set(Array.from({ length: 200 }, () => image.invoke().text));
        assert.equal(many.size, 200);
        assert.equal(rt.load({ '/function/handler.js': 'module.exports = () => 1' }).invoke().calls.random_get, undefined);
    }],
    ['nothing survives an invocation', (rt) => {
        const image = rt.load({ '/function/handler.js': 'let n = 0; globalThis.seen = []; module.exports = (e) => { seen.push(e.body); return [++n, seen] }' });
        for (const text of ['a', 'b']) assert.equal(image.invoke({ method: 'POST', body: text }).text, `[1,["${text}"]]`);
    }],
    ['limits of stack and memory', (rt) => {
        assert.match(one(rt, 'module.exports = () => { const f = (n) => f(n + 1) + 1; try { f(0) } catch (e) { return e.name + ": " + e.message } }').text, /^RangeError: Maximum call stack size exceeded$/);
        const r = one(rt, 'module.exports = () => { const f = () => f(); f() }');
        assert.equal(r.status, 500);
        assert.equal(one(rt, 'module.exports = () => { try { JSON.parse("[".repeat(5000) + "]".repeat(5000)) } catch (e) { return e.name } }').text, 'RangeError');
    }],
    ['the internals cannot be reached', (rt) => same(rt, [
        ['[typeof native, typeof internals, typeof std, typeof os, typeof bjson]', Array(5).fill('undefined')],
        ['Object.getOwnPropertyNames(globalThis).filter((n) => /native|internals|tfaas/i.test(n))', []],
    ])],
];
