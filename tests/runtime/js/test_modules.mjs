// Modules, packages, load errors.
import assert from 'node:assert/strict';

const load = (rt, files, options) => rt.load(Object.fromEntries(Object.entries(files).map(([name, text]) => [`/function/${name}`, text])), options);
const text = (rt, files, options) => {
    const image = load(rt, files, options);
    assert.equal(image.code, 0, image.log);
    const r = image.invoke();
    assert.equal(r.status, 200, r.log);
    return r.text;
};
const error = (rt, files, pattern, options) => {
    const image = load(rt, files, options);
    assert.notEqual(image.code, 0);
    assert.match(image.log, pattern);
    assert.ok(!/tfaas:|\(native\)/.test(image.log), image.log);
};
const main = (expression) => ({ 'handler.js': `const value = ${expression}; module.exports = () => value` });
const esm = (imports, expression) => ({ 'handler.mjs': `${imports}\nexport default () => new Response(JSON.stringify(${expression}))` });
const mjs = { entry: '/function/handler.mjs' };

export const tests = [
    ['require of own files', (rt) => {
        assert.equal(text(rt, { ...main('[require("./a"), require("./a.js") === require("./a"), require("./dir").n, require("./d.json").x, require("./dir2")]'),
            'a.js': 'exports.b = require("./lib/b").b; exports.f = __filename; exports.d = __dirname', 'lib/b.js': 'exports.b = require("../c")', 'c.js': 'module.exports = "c"',
            'dir/index.js': 'exports.n = 1', 'd.json': '{ "x": 2 }', 'dir2/package.json': '{ "main": "./lib/m" }', 'dir2/lib/m.js': 'module.exports = "m"' }),
        '[{"b":"c","f":"/function/a.js","d":"/function"},true,1,2,"m"]');
    }],
    ['cycles', (rt) => assert.equal(text(rt, { ...main('require("./a").all'), 'a.js': 'exports.early = 1; exports.all = [require("./b").seen, 2]', 'b.js': 'exports.seen = require("./a").early' }), '[1,2]')],
    ['packages', (rt) => {
        const files = {
            'node_modules/plain/index.js': 'module.exports = "plain"',
            'node_modules/mained/package.json': '{ "main": "lib/x.js" }', 'node_modules/mained/lib/x.js': 'module.exports = require("inner")',
            'node_modules/mained/node_modules/inner/index.js': 'module.exports = "nested"', 'node_modules/inner/index.js': 'module.exports = "outer"',
            'node_modules/@s/p/package.json': '{ "exports": { ".": { "import": "./m.mjs", "require": "./c.cjs" }, "./sub/*": "./src/*.js", "./no": null } }',
            'node_modules/@s/p/c.cjs': 'module.exports = "scoped"', 'node_modules/@s/p/m.mjs': 'export default "scoped-esm"', 'node_modules/@s/p/src/a.js': 'module.exports = "sub-a"',
            'node_modules/plain/file.js': 'module.exports = "file"',
        };
        assert.equal(text(rt, { ...files, ...main('[require("plain"), require("mained"), require("inner"), require("@s/p"), require("@s/p/sub/a"), require("plain/file")]') }),
            '["plain","nested","outer","scoped","sub-a","file"]');
        assert.equal(text(rt, { ...files, ...esm('import p from "@s/p"; import a from "@s/p/sub/a"; import q from "plain"', '[p, a, q]') }, mjs), '["scoped-esm","sub-a","plain"]');
        error(rt, { ...files, ...main('require("@s/p/no")') }, /Cannot find module '@s\/p\/no' from \/function\/handler.js: the package does not export "\.\/no"/);
        error(rt, { ...files, ...main('require("@s/p/src/a.js")') }, /does not export/);
        error(rt, main('require("absent")'), /^Error: Cannot find module 'absent' from \/function\/handler\.js\n {4}at .*handler\.js:1:\d+/);
        error(rt, main('require("sqlite")'), /Cannot find module 'sqlite'/);
        error(rt, main('require("node:sqlite")'), /built-in module of node is not available/);
        error(rt, { ...main('require("esc")'), 'node_modules/esc/package.json': '{ "exports": "./../../secret.js" }' }, /does not export/);
    }],
    ['ECMAScript modules', (rt) => {
        assert.equal(text(rt, { ...esm('import d, { x, f } from "./a.mjs"; import * as all from "./a.mjs"; import cjs, { named } from "./c.cjs"; import j from "./j.json" with { type: "json" }; import { basename } from "node:path"',
            '[d, x, f(), Object.keys(all), cjs.named, named, j.k, basename("/q/w"), import.meta.url, import.meta.dirname]'),
        'a.mjs': 'export let x = 1; export const f = () => ++x; export default "d"', 'c.cjs': 'module.exports = { named: "n" }', 'j.json': '{ "k": "json" }' }, mjs),
        '["d",1,2,["default","f","x"],"n","n","json","w","file:///function/handler.mjs","/function"]');
        assert.equal(text(rt, { ...esm('const m = await import("./a.mjs"); const c = await import("./c.js")', '[m.x, c.default.y, c.y]'), 'a.mjs': 'export const x = await Promise.resolve(5)', 'c.js': 'exports.y = 6' }, mjs), '[5,6,6]');
        assert.equal(text(rt, { 'handler.js': 'import { v } from "./v.js"; export default () => new Response(v)', 'v.js': 'export const v = "typed"', 'package.json': '{ "type": "module" }' }), 'typed');
        assert.equal(text(rt, { 'handler.js': 'import { v } from "./v.js";\nexport default () => new Response(v)', 'v.js': 'export const v = "guessed"' }), 'guessed');
        assert.equal(text(rt, { 'handler.js': 'const { v } = require("./v.mjs"); module.exports = () => v', 'v.mjs': 'export const v = "required"' }), 'required');
        assert.equal(text(rt, { 'handler.js': 'module.exports = async () => (await import("./v.mjs")).v', 'v.mjs': 'export const v = "dynamic"' }), 'dynamic');
        assert.equal(text(rt, { 'handler.js': 'const import_ = 1; // import x from "y"\nmodule.exports = () => "cjs"' }), 'cjs');
        assert.equal(text(rt, { ...esm('import { a } from "./a.mjs"', 'a()'), 'a.mjs': 'import { b } from "./b.mjs"; export const a = () => b()', 'b.mjs': 'import { a } from "./a.mjs"; export const b = () => typeof a' }, mjs), '"function"');
        assert.equal(text(rt, { ...esm('import v from "#inner"', 'v'), 'package.json': '{ "imports": { "#inner": "./deep/v.mjs" } }', 'deep/v.mjs': 'export default "private"' }, mjs), '"private"');
    }],
    ['syntax errors have file, line and column', (rt) => {
        error(rt, { 'handler.js': 'module.exports = () => {\n  const x = ;\n}' }, /^SyntaxError: .+\n {4}at \/function\/handler\.js:2:13\n$/);
        error(rt, { 'handler.js': 'let x = 1; let x = 2' }, /^SyntaxError: .+\n {4}at \/function\/handler\.js:1:\d+\n/);
        error(rt, { 'handler.js': 'const lib = require("./lib")\n', 'lib.js': '\n\n  const = 3' }, /^SyntaxError: .+\n {4}at \/function\/lib\.js:3:\d+\n/);
        error(rt, { 'handler.mjs': 'export default {\n  fetch( { }\n}' }, /^SyntaxError: .+\n {4}at \/function\/handler\.mjs:\d:\d+\n/, mjs);
        error(rt, { 'handler.js': 'import a from "./b.mjs"\nexport default a', 'b.mjs': 'export default 1 +' }, /^SyntaxError: .+\n {4}at \/function\/b\.mjs:1:\d+\n/);
        error(rt, { 'handler.js': 'export default {\n  oops oops\n}' }, /^SyntaxError: .+\n {4}at \/function\/handler\.js:2:\d+\n/);
        error(rt, { 'handler.mjs': 'import { nope } from "./b.mjs"', 'b.mjs': 'export const yes = 1' }, /SyntaxError: .*nope/, mjs);
        error(rt, { 'handler.js': 'require("./x.json")', 'x.json': '{ bad' }, /SyntaxError: \/function\/x\.json: /);
    }],
    ['errors while loading', (rt) => {
        error(rt, { 'handler.js': '\nthrow new TypeError("at load")' }, /^TypeError: at load\n {4}at .*\/function\/handler\.js:2:\d+/);
        error(rt, { 'handler.js': 'module.exports = 5' }, /has no handler/);
        error(rt, { 'handler.js': '' }, /has no handler/);
        error(rt, { 'other.js': '' }, /the entry file \/function\/handler\.js does not exist/);
        error(rt, { 'handler.mjs': 'await new Promise(() => {})' }, /top-level await never settles/, mjs);
        error(rt, { 'handler.mjs': 'await new Promise((r) => setTimeout(r, 5))' }, /waits for a timer/, mjs);
        error(rt, { 'handler.mjs': 'await Promise.reject(new Error("tla"))' }, /^Error: tla/, mjs);
        error(rt, { 'handler.js': '('.repeat(30) }, /^SyntaxError/);
    }],
    ['built-in modules', (rt) => {
        assert.equal(text(rt, main(`(() => { const path = require("path"), util = require("node:util"), E = require("events"), assert = require("assert"), qs = require("querystring"), { Buffer: B } = require("buffer");
            class M extends E {} const m = new M(); const got = []; m.once("a", (x) => got.push(x)); m.on("a", (x) => got.push(x)); m.emit("a", 1); m.emit("a", 2);
            function Old() { E.call(this) } util.inherits(Old, E); new Old().on("z", () => got.push("old")).emit("z");
            let thrown; try { assert.deepEqual({ a: 1 }, { a: 2 }) } catch (e) { thrown = e.code }
            return [path.join("/a", "../b", "c.txt"), path.extname("x.tar.gz"), path.relative("/a/b", "/a/c/d"), util.format("%s:%d", "x", 1), got, thrown, qs.parse("a=1&a=2").a, B === Buffer, process.cwd(), typeof process.hrtime.bigint()] })()`)),
        '["/b/c.txt",".gz","../c/d","x:1",[1,1,2,"old"],"ERR_ASSERTION",["1","2"],true,"/function","bigint"]');
        const image = rt.load({ '/function/handler.js': 'const fs = require("fs"); module.exports = async () => [fs.readFileSync("/var/openfaas/secrets/key", "utf8"), fs.readFileSync("./data.bin").length, fs.existsSync("/nope"), fs.readdirSync("/function"), (await fs.promises.readFile("/function/data.bin")).toString("hex"), fs.statSync("/function").isDirectory()]',
            '/function/data.bin': '\x01\x02', '/var/openfaas/secrets/key': 's3cret' });
        assert.equal(image.invoke().text, '["s3cret",2,false,["data.bin","handler.js"],"0102",true]');
        assert.equal(text(rt, main('(() => { try { require("fs").readFileSync("/nope") } catch (e) { return [e.code, e.path] } })()')), '["ENOENT","/nope"]');
        assert.equal(text(rt, main('(() => { try { require("fs").writeFileSync("/x", "") } catch (e) { return e.code } })()')), 'EROFS');
    }],
    ['environment', (rt) => assert.equal(text(rt, main('process.env'), { env: { A: '1', B: 'x=y', C: '' } }), '{"A":"1","B":"x=y","C":""}')],
    ['imports cost nothing per call', (rt) => { // the image is taken behind them: no file is read, no page more is written
        const library = `export const table = Array.from({ length: 5000 }, (_, i) => ({ i })); export const answer = () => "ok"; ${'/* */'.repeat(2000)}`;
        const heavy = rt.load({ '/function/handler.mjs': 'import { answer } from "./library.mjs"; import "node:crypto"; import "node:stream"; export default { fetch: () => new Response(answer()) };',
            '/function/library.mjs': library }, { entry: '/function/handler.mjs' });
        const light = rt.load({ '/function/handler.mjs': 'const answer = () => "ok"; export default { fetch: () => new Response(answer()) };' }, { entry: '/function/handler.mjs' });
        assert.equal(heavy.code, 0, heavy.log);
        heavy.options = { ...heavy.options, files: {} }; // a call that still needed them would fail
        const one = heavy.invoke(), other = light.invoke();
        assert.equal(one.text, 'ok');
        assert.deepEqual(one.calls, other.calls);
        assert.ok(one.dirtyPages <= other.dirtyPages + 1, `${one.dirtyPages} pages, ${other.dirtyPages} without imports`);
        assert.equal(one.grown, 0);
    }],
    ['import() in eval', (rt) => { // such code has no file of its own
        const image = rt.load({ '/function/handler.mjs': 'export default { fetch: async () => Response.json([(await (0, eval)("import(\'./a.mjs\')")).a, await (0, eval)("import(\'\')").catch((e) => e.code), await new Function("return import(\'nope\')")().catch((e) => e.code)]) };',
            '/function/a.mjs': 'export const a = 1;' }, { entry: '/function/handler.mjs' });
        assert.equal(image.invoke().text, '[1,"MODULE_NOT_FOUND","MODULE_NOT_FOUND"]');
    }],
];
