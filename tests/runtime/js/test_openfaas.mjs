// The OpenFaaS node handler form.
import assert from 'node:assert/strict';

export const one = (runtime, source, request, options) =>
    runtime.load({ '/function/handler.js': source }, options).invoke(request, options);
const json = (body) => ({ method: 'POST', headers: [['content-type', 'application/json']], body });
const echo = (what) => `module.exports = async (event, context) => ({ value: ${what} })`;
const value = (result) => { assert.equal(result.status, 200, result.log); return JSON.parse(result.text).value; };

export const tests = [
    ['hello in one read and one write', (rt) => {
        const r = one(rt, 'module.exports = async (e, c) => c.status(200).succeed({ hello: e.body.name })', json('{"name":"World"}'));
        assert.equal(r.code, 0);
        assert.equal(r.status, 200);
        assert.equal(r.text, '{"hello":"World"}');
        assert.deepEqual(r.fields, [['content-type', 'application/json']]);
        assert.deepEqual(r.calls, { request_read: 1, response_write: 1 });
        assert.equal(r.grown, 0);
        assert.ok(r.dirtyPages <= 9, `${r.dirtyPages} dirty pages`);
        assert.ok(r.ended);
    }],
    ['JSON is written as JSON.stringify does', (rt) => {
        const values = ['{}', '[]', '[[],{}]', '{ a: 1, b: "x", c: [true, false, null] }', '{ u: undefined, f() {}, s: Symbol("s"), z: 0 }',
            '[undefined, () => 1, Symbol("s"), , 3]', 'new Array(3)', '{ b: 1, 2: 2, a: 3, 1: 4 }', '{ "4294967294": 1, "4294967295": 2, a: 3 }',
            '{ [Symbol("k")]: 1, a: 2 }', '[0, -0, 1.5, -1e21, 1e-7, 5e-324, NaN, Infinity, 2147483648, -2147483648]',
            '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u000b\\u001f\\u007f\\u0080\\u00e9\\u00ff"',
            '["\\u20ac\\u{1f600}", "\\ud800", "x\\udc00y", "\\u2028"]', '{ "\\u20ac": "\\u{1f600}", "\\u00e9\\"": 1, "": 2 }',
            '{ toJSON() { return { a: 1 } } }', '{ a: { toJSON(k) { return k } }, d: new Date(0) }', 'Object.assign(Object.create({ toJSON: () => 7 }), { a: 1 })',
            '{ get a() { return 1 }, b: 2 }', 'Object.defineProperty({ a: 1 }, "b", { value: 2 })', 'Object.create(null)', 'Object.create({ inherited: 1 })',
            '[new Map([[1, 2]]), new Set([1]), /x/, new Error("e"), new Uint8Array(2), new String("s"), new Number(1), new Boolean(false)]',
            'new Proxy({ a: 1 }, {})', 'Object.assign([1, 2], { x: 1 })', '(() => { const o = { a: 1, b: 2 }; delete o.a; o.a = 3; return o })()',
            '(() => { let o = 1; for (let i = 0; i < 40; i++) o = i % 2 ? [o] : { o }; return o })()', '"x".repeat(40000)', '["ab" + "c".repeat(600) + "d"]',
            'Array.from({ length: 9000 }, (_, i) => i)', 'JSON.parse(\'{"__proto__":1,"a":{"__proto__":null}}\')', '(function () { return arguments })(1, 2)',
            'new (class { #p = 1; a = 2 })()', '[1n].map(() => 1)'];
        for (const text of values) {
            const own = Function(`return JSON.stringify(${text})`)();
            assert.equal(one(rt, `module.exports = async (e, c) => c.succeed([${text}])`).text, `[${own}]`, text);
            assert.equal(one(rt, `module.exports = () => JSON.stringify(${text})`).text, own.toWellFormed(), text);
            assert.equal(one(rt, `module.exports = () => JSON.stringify(${text}, null, 1)`).text, Function(`return JSON.stringify(${text}, null, 1)`)(), text);
        }
        assert.equal(one(rt, 'module.exports = () => typeof JSON.stringify(undefined) + typeof JSON.stringify(() => 1) + typeof JSON.stringify(Symbol())').text,
            'undefinedundefinedundefined');
        for (const text of ['1n', '[{ a: 1n }]', '(() => { const a = []; a.push([a]); return a })()', '(() => { const a = {}; a.b = { a }; return a })()'])
            assert.equal(one(rt, `module.exports = () => { try { return JSON.stringify(${text}) } catch (e) { return e.name } }`).text, 'TypeError', text);
        assert.equal(one(rt, 'Object.prototype.toJSON = () => 5; module.exports = async () => ({ a: 1 })').text, '5');
        assert.equal(one(rt, 'Array.prototype.toJSON = () => 5; module.exports = async () => [[1]]').text, '5');
        assert.equal(one(rt, 'module.exports = (e) => JSON.stringify.name + JSON.stringify.length + JSON.parse("[1,2]", (k, v) => k === "0" ? 9 : v)').text, 'stringify39,2');
    }],
    ['what an async handler returns is awaited', (rt) => {
        const text = (source) => one(rt, `module.exports = ${source}`).text;
        assert.equal(text('async () => ({ then(done) { done("thenable") } })'), 'thenable');
        assert.equal(text('async () => new Promise((done) => setTimeout(done, 5, "later"))'), 'later');
        assert.equal(text('async () => Promise.resolve("now")'), 'now');
        assert.equal(text('async () => Object.create({ then(done) { done(Promise.resolve("inherited")) } })'), 'inherited');
        assert.equal(text('async () => ({ get then() { return (done) => done("accessor") } })'), 'accessor');
        assert.equal(text('async () => { await null; await new Promise((done) => setTimeout(done, 5)); return "awaited" }'), 'awaited');
        for (const source of ['async () => { throw new Error("thrown here") }', 'async () => { await null; throw new Error("thrown here") }',
            'async () => Promise.reject(new Error("thrown here"))', 'async () => ({ get then() { throw new Error("thrown here") } })',
            'async (e, c) => { if (e.path) throw new Error("thrown here"); return c.succeed(1) }']) {
            const r = one(rt, `module.exports = ${source}`);
            assert.equal(r.status, 500, source);
            assert.equal(r.log.match(/thrown here/g).length, 1, r.log);
        }
        const late = one(rt, 'module.exports = async (e, c) => { c.succeed("first"); await null; throw new Error("afterwards") }');
        assert.equal(late.text, 'first');
        assert.match(late.log, /afterwards/);
    }],
    ['the returned value is the response', (rt) => {
        assert.equal(one(rt, 'module.exports = async () => "text"').text, 'text');
        assert.equal(one(rt, 'module.exports = () => [1, 2]').text, '[1,2]');
        assert.equal(one(rt, 'module.exports = () => 42').text, '42');
        assert.equal(one(rt, 'module.exports = () => {}').text, '');
        assert.equal(one(rt, 'module.exports = () => null').text, '');
        assert.equal(one(rt, 'module.exports = () => false').text, 'false');
    }],
    ['content types', (rt) => {
        const type = (source) => one(rt, source).header('content-type');
        assert.equal(type('module.exports = () => "x"'), 'text/plain; charset=utf-8');
        assert.equal(type('module.exports = () => ({})'), 'application/json');
        assert.equal(type('module.exports = () => new Uint8Array([1])'), 'application/octet-stream');
        assert.equal(type('module.exports = (e, c) => c.headers({ "Content-Type": "text/html" }).succeed("x")'), 'text/html');
    }],
    ['text is UTF-8, lone surrogates become U+FFFD', (rt) => {
        assert.equal(one(rt, 'module.exports = () => "h\u00e9 \u20ac \u{1f600} \\ud800."').text, 'h\u00e9 \u20ac \u{1f600} \ufffd.');
    }],
    ['bytes', (rt) => {
        assert.deepEqual([...one(rt, 'module.exports = () => new Uint8Array([0, 255, 10]).subarray(1)').body], [255, 10]);
        assert.deepEqual([...one(rt, 'module.exports = () => Buffer.from("ff00", "hex")').body], [255, 0]);
    }],
    ['a large response', (rt) => {
        for (const source of ['"x".repeat(300000)', '"\u00e9".repeat(100000)', '"\u20ac".repeat(100000)', 'new Uint8Array(200000).fill(7)', '["y".repeat(70000)]']) {
            const r = one(rt, `module.exports = () => ${source}`);
            const expected = (0, eval)(source);
            const wanted = expected instanceof Uint8Array ? Buffer.from(expected) : Buffer.from(typeof expected === 'string' ? expected : JSON.stringify(expected));
            assert.ok(r.body.equals(wanted), `${source.slice(0, 20)}: ${r.body.length} of ${wanted.length}`);
            assert.ok(r.ended && r.code === 0);
        }
    }],
    ['status, headers, fail', (rt) => {
        const r = one(rt, 'module.exports = (e, c) => c.status(201).headers({ "X-A": "1", "set-cookie": ["a=1", "b=2"], n: 5 }).succeed("ok")');
        assert.equal(r.status, 201);
        assert.deepEqual(r.fields, [['x-a', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['n', '5'], ['content-type', 'text/plain; charset=utf-8']]);
        const failed = one(rt, 'module.exports = (e, c) => { c.fail("no such thing") }');
        assert.deepEqual([failed.status, failed.text], [500, 'no such thing']);
        assert.match(failed.log, /The function failed: no such thing/);
        assert.equal(one(rt, 'module.exports = (e, c) => c.status(404).fail(new Error("gone"))').status, 404);
        assert.equal(one(rt, 'module.exports = (e, c) => c.status(404).fail(new Error("gone"))').text, 'Error: gone');
        assert.equal(one(rt, 'module.exports = (e, c) => String(c.status()) + JSON.stringify(c.headers())').text, '200{}');
    }],
    ['callback', (rt) => {
        assert.equal(one(rt, 'module.exports = (e, c, cb) => cb(undefined, { a: 1 })').text, '{"a":1}');
        assert.equal(one(rt, 'module.exports = (e, c, cb) => setTimeout(() => cb(null, "late"), 50)').text, 'late');
        const r = one(rt, 'module.exports = (e, c, cb) => { cb(new Error("bad")) }');
        assert.deepEqual([r.status, r.text], [500, 'Error: bad']);
        assert.equal(one(rt, 'module.exports = (e, c) => { Promise.resolve().then(() => c.succeed("job")) }').text, 'job');
    }],
    ['event parts', (rt) => {
        const r = one(rt, 'module.exports = (event) => event', {
            method: 'PUT', path: '/a/b?x=1&y=a+b%20c&x=2&__proto__=p&z', headers: [['X-One', '1'], ['cookie', 'a=1'], ['cookie', 'b=2'], ['x-one', '2'], ['x-bin', 'h\u00e9']], body: 'hi' });
        assert.deepEqual(JSON.parse(r.text), { body: 'hi', method: 'PUT', path: '/a/b',
            headers: { 'x-one': '1, 2', cookie: 'a=1; b=2', 'x-bin': 'h\u00e9', 'content-length': '2' },
            query: JSON.parse('{ "x": ["1", "2"], "y": "a b c", "__proto__": "p", "z": "" }') });
        assert.equal(one(rt, 'module.exports = (e) => { e.body = "set"; return { ...e }.body }').text, 'set');
    }],
    ['bodies by content type', (rt) => {
        const body = (type, text) => value(one(rt, echo('[typeof event.body, event.body?.constructor?.name, event.body]'),
            { method: 'POST', headers: type ? [['content-type', type]] : [], body: text }));
        assert.deepEqual(body('application/json', '[1]'), ['object', 'Array', [1]]);
        assert.deepEqual(body('application/json; charset=utf-8', '"\u20ac"'), ['string', 'String', '\u20ac']);
        assert.deepEqual(body('application/problem+json', '{"a":1}'), ['object', 'Object', { a: 1 }]);
        assert.deepEqual(body('application/json', ''), ['object', 'Object', {}]);
        assert.deepEqual(body('application/x-www-form-urlencoded', 'a=1&b=%C3%A9&a=2'), ['object', 'Object', { a: ['1', '2'], b: '\u00e9' }]);
        assert.deepEqual(body('text/html', '<p>'), ['string', 'String', '<p>']);
        assert.deepEqual(body(null, 'plain'), ['string', 'String', 'plain']);
        assert.deepEqual(body('application/octet-stream', 'ab'), ['object', 'Buffer', { type: 'Buffer', data: [97, 98] }]);
        assert.deepEqual(value(one(rt, echo('event.body instanceof Uint8Array && event.body.toString()'),
            json('{bad'), { env: { RAW_BODY: 'true' } })), '{bad');
    }],
    ['malformed and over-deep JSON is the caller\'s mistake', (rt) => {
        for (const bad of ['{', '{"a":}', 'nope', '[1,]', '['.repeat(100000), '\u0000']) {
            const r = one(rt, 'module.exports = () => "reached"', json(bad));
            assert.equal(r.status, 400, bad.slice(0, 20));
            assert.match(r.text, /not valid JSON/);
            assert.equal(r.code, 0);
        }
        assert.equal(value(one(rt, echo('event.body.a'), json('{"a":"[[[{{{\\\\\\""}'))), '[[[{{{\\"');
    }],
    ['bodies in pieces and large bodies', (rt) => {
        assert.equal(value(one(rt, echo('event.body'), { method: 'POST', body: ['he', 'llo'] })), 'hello');
        const big = 'z'.repeat(500000);
        assert.equal(value(one(rt, echo('event.body.length'), { method: 'POST', body: big })), 500000);
        assert.equal(value(one(rt, echo('event.body.length'), { method: 'POST', body: [big, big.slice(0, 7)] })), 500007);
        assert.equal(value(one(rt, echo('event.body.a.length'), json(JSON.stringify({ a: big })))), 500000);
    }],
    ['a body that breaks off', (rt) => {
        const r = one(rt, echo('event.body'), { method: 'POST', body: ['half', -1] });
        assert.equal(r.status, 500);
        assert.match(r.log, /ended before its body was complete/);
        const wanted = one(rt, 'module.exports = () => "no body needed"', { method: 'POST', body: ['half', -1] });
        assert.equal(wanted.text, 'no body needed');
    }],
    ['a throw is a 500 that tells the caller nothing', (rt) => {
        for (const source of ['module.exports = async () => {\n    throw new TypeError("secret detail") }',
            'module.exports = () => {\n    throw new TypeError("secret detail") }',
            'module.exports = () =>\n Promise.reject(new TypeError("secret detail"))']) {
            const r = one(rt, source);
            assert.deepEqual([r.code, r.status, r.text], [0, 500, 'Internal Server Error\n']);
            assert.match(r.log, /^Uncaught: TypeError: secret detail\n {4}at .*\/function\/handler\.js:2:\d+/);
            assert.ok(!/tfaas:|native/.test(r.log), r.log);
        }
        assert.match(one(rt, 'module.exports = () => { throw "text" }').log, /Uncaught: text/);
        assert.match(one(rt, 'module.exports = () => { throw undefined }').log, /Uncaught: undefined/);
        assert.match(one(rt, 'module.exports = () => { throw new Error("a", { cause: new RangeError("b") }) }').log, /Error: a[^]*Caused by: RangeError: b/);
        assert.match(one(rt, 'module.exports = () => { throw { get message() { throw 1 } } }').log, /Uncaught: /);
    }],
    ['more headers than the daemon takes', (rt) => {
        const of = (size) => one(rt, `module.exports = (e, c) => c.headers({ "x-a": "a".repeat(${size}) }).succeed("ok")`);
        const most = of(12205);
        assert.deepEqual([most.status, most.text, most.header('x-a').length], [200, 'ok', 12205]);
        assert.match(most.header('content-type'), /^text\/plain/, 'the default still fits');
        for (const size of [12206, 20000, 100000]) {
            const r = of(size);
            assert.equal(r.status, 500);
            assert.match(r.log, /RangeError: response headers exceed 12216 bytes/);
        }
        const many = one(rt, 'module.exports = (e, c) => { const h = {}; for (let i = 0; i < 1000; i++) h["x-" + i] = "12345678"; return c.headers(h).succeed("ok") }');
        assert.match(many.log, /RangeError/);
    }],
    ['no response splitting', (rt) => {
        for (const headers of ['{ "x-a": "1\\r\\nx-b: 2" }', '{ "x-a": "1\\n2" }', '{ "x-a": "\\0" }', '{ "x\\r\\ny": "1" }', '{ "x a": "1" }',
            '{ "": "1" }', '{ "x:": "1" }', '{ "x-a": "\\u20ac" }', '{ "x\\u00e9": "1" }', '{ "x-a": ["1", "2\\r\\n"] }', '{ "x-a": "\\x7f" }',
            '{ Connection: "close" }', '{ "transfer-encoding": "chunked" }', '{ upgrade: "h2c" }', '{ te: "x" }', '{ "Keep-Alive": "1" }']) {
            const r = one(rt, `module.exports = (e, c) => c.headers(${headers}).succeed("ok")`);
            assert.deepEqual([r.status, r.text], [500, 'Internal Server Error\n'], headers);
            assert.deepEqual(r.fields, [['content-type', 'text/plain; charset=utf-8']]);
            assert.match(r.log, /header/);
        }
        assert.equal(one(rt, 'module.exports = (e, c) => c.headers({ "content-length": "9999" }).succeed("ok")').header('content-length'), undefined);
        assert.equal(one(rt, 'module.exports = (e, c) => c.headers({ "x-a": " pad\\t" }).succeed("ok")').header('x-a'), 'pad');
        assert.equal(one(rt, 'module.exports = (e, c) => c.headers({ "x-a": "x".repeat(40000) }).succeed("ok")').status, 500);
    }],
    ['bad status', (rt) => {
        for (const status of ['99', '100', '600', '"abc"', '200.5', '{}', 'Infinity'])
            assert.equal(one(rt, `module.exports = (e, c) => c.status(${status}).succeed("x")`).status, 500, status);
        assert.equal(one(rt, 'module.exports = (e, c) => c.status("418").succeed("x")').status, 418);
        assert.equal(one(rt, 'module.exports = (e, c) => c.status(204).succeed("x")').text, '');
    }],
    ['a value without JSON form', (rt) => {
        const r = one(rt, 'module.exports = () => { const a = {}; a.a = a; return a }');
        assert.deepEqual([r.status, r.text], [500, 'Internal Server Error\n']);
        assert.match(r.log, /circular/i);
        assert.equal(one(rt, 'module.exports = async (e, c) => { try { c.succeed({ a: 1n }) } catch (x) { return x.name } }').text, 'TypeError');
    }],
    ['the first answer counts', (rt) => {
        const r = one(rt, 'module.exports = async (e, c) => { c.succeed("one"); c.succeed("two"); return "three" }');
        assert.equal(r.text, 'one');
        assert.match(r.log, /after the response was sent is ignored/);
        const late = one(rt, 'module.exports = async (e, c) => { c.succeed("one"); throw new Error("late") }');
        assert.deepEqual([late.text, late.code], ['one', 0]);
        assert.match(late.log, /Error: late/);
        const ever = one(rt, 'module.exports = async (e, c) => { c.succeed("one"); await new Promise(() => {}) }');
        assert.deepEqual([ever.text, ever.code, ever.error], ['one', 0, undefined]);
        const work = one(rt, 'module.exports = async (e, c) => { c.succeed("one"); await new Promise((r) => setTimeout(r, 100)); console.log("after") }');
        assert.deepEqual([work.text, work.log], ['one', 'after\n']);
    }],
    ['a promise that never settles waits for the deadline', (rt) => {
        for (const source of ['module.exports = () => new Promise(() => {})', 'module.exports = (e, c, cb) => {}',
            'module.exports = async () => { setInterval(() => {}, 1000); await new Promise(() => {}) }']) {
            const r = one(rt, source);
            assert.equal(r.error?.constructor.name, 'Deadline', source);
            assert.equal(r.bytes.length, 0);
        }
    }],
    ['a caller that is gone', (rt) => {
        const r = one(rt, 'module.exports = () => "x".repeat(100000)', {}, { acceptBytes: 1000 });
        assert.notEqual(r.code, 0);
    }],
    ['malformed request heads', (rt) => {
        const image = rt.load({ '/function/handler.js': 'module.exports = () => "x"' });
        assert.equal(image.invoke({}, { raw: [Buffer.from([1, 2, 3])] }).status, 400);
        assert.equal(image.invoke({}, { raw: [Buffer.from([0, 3, 71])] }).status, 400);
        assert.equal(image.invoke({}, { raw: [] }).status, 400);
        assert.equal(image.invoke({}, { raw: [Buffer.from([0, 0xff, 255, 255, 255, 255, 255, 255, 255])] }).status, 400);
        assert.equal(image.invoke({ headers: [['a', 'b'.repeat(40000)]] }).status, 431);
        assert.equal(image.invoke({ headers: [['content-length', 'x']] }).status, 400);
        assert.notEqual(image.invoke({}, { raw: [-1] }).code, 0);
        const head = [...Buffer.from('\0\x03GET\x04http\x01h\x01/\0', 'latin1')];
        assert.equal(image.invoke({}, { raw: head.map((byte) => Buffer.from([byte])) }).text, 'x');
    }],
];
