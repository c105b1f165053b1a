// Running out of memory: a clean end, never a trap, never an answer with another status than failure.
import assert from 'node:assert/strict';
import { Runtime } from './host.mjs';

const PAGES = 48; // 3 MiB
const limited = (rt) => (rt.limited ??= new Runtime(rt.path, { maxPages: PAGES }));
const bombs = {
    array: 'const a = []; for (;;) a.push({ n: a.length, t: "x".repeat(50) })',
    string: 'let s = "abc"; for (;;) s += s + s.length',
    buffer: 'const a = []; for (;;) a.push(new Uint8Array(100000))',
    huge: 'return new Uint8Array(1e9)',
    map: 'const m = new Map(); for (let i = 0; ; i++) m.set(i, [i])',
    closures: 'let f = () => 1; for (;;) { const g = f; f = () => g() + 1; f.a = [1, 2, 3] }',
    promises: 'const all = []; for (;;) all.push(new Promise(() => {}))',
    json: 'let a = "x"; for (let i = 0; i < 25; i++) a = [a, a]; return JSON.stringify(a)',
    parse: 'eval("[" + "1,".repeat(400000) + "]")',
};

export const tests = [
    ...Object.entries(bombs).map(([name, source]) => [`bomb: ${name}`, (rt) => {
        const r = limited(rt).load({ '/function/handler.js': `module.exports = async () => { ${source} }` }).invoke();
        assert.equal(r.error, undefined, String(r.error?.stack));
        assert.ok(r.code !== 0 || r.status === 500, `code ${r.code} status ${r.status}`);
        assert.match(r.log, /out of memory|string length|string too long/);
        assert.ok(!/memory/.test(r.text ?? ''));
    }]),
    ['a caught bomb leaves a working function', (rt) => {
        const r = limited(rt).load({ '/function/handler.js':
            'module.exports = () => { let a = []; try { for (;;) a.push(new Array(1000).fill(1)) } catch (e) { a = null; return e.message } }' }).invoke();
        assert.equal(r.text, 'out of memory');
    }],
    ['a body that does not fit', (rt) => {
        const json = limited(rt).load({ '/function/handler.js': 'module.exports = (e) => e.body.length' });
        const type = (value) => ({ method: 'POST', headers: [['content-type', value]] });
        assert.equal(json.invoke({ ...type('application/json'), body: JSON.stringify('x'.repeat(3000000)) }).status, 413);
        const text = json.invoke({ ...type('text/plain'), body: 'x'.repeat(3000000) });
        assert.equal(text.error, undefined);
        assert.ok(text.code !== 0 || text.status === 500);
    }],
    ['a bomb at load is a load error', (rt) => {
        const image = limited(rt).load({ '/function/handler.js': 'const a = []; for (;;) a.push([a.length])' });
        assert.notEqual(image.code, 0);
        assert.match(image.log, /out of memory/);
    }],
];
