// Runs test262 (INTERPRETING.md of the suite) in the runtime: scripts by indirect eval, modules by import(). What needs a host that a
// function is not - other realms, agents, Intl - is skipped by the feature or flag that says so, and counted.
import { appendFileSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Image, Runtime } from '../host.mjs';

const [wasm, suite, filter = ''] = isMainThread ? process.argv.slice(2) : workerData.args, HANG_MS = 60000;
const stride = Number(process.env.STRIDE ?? 1), log = process.env.FAILURES;
const SKIP_FEATURES = ['Atomics', 'SharedArrayBuffer', 'Temporal', 'ShadowRealm', 'cross-realm', 'IsHTMLDDA', 'tail-call-optimization', 'host-gc-required', 'source-phase-imports', 'import-defer', 'decorators', 'import-bytes', 'import-text',
    'Intl-enumeration', 'canonical-tz', 'explicit-resource-management', 'immutable-arraybuffer', 'nonextensible-applies-to-private', 'Atomics.pause', 'joint-iteration', 'await-dictionary', 'error-stack-accessor', 'legacy-regexp', 'regexp-duplicate-named-groups'];
const SKIP_FOLDERS = ['intl402', 'staging', 'harness'];

const HANDLER = `
globalThis.$262 = { global: globalThis, evalScript: (text) => (0, eval)(text), detachArrayBuffer: (buffer) => { buffer.transfer(); }, gc() {}, AbstractModuleSource: undefined,
    createRealm() { throw new Error('no realms'); }, agent: undefined };
const run = globalThis.eval, stringify = JSON.stringify;
export default { async fetch(request) {
    const { source, includes, isAsync, module } = await request.json(), said = [];
    let wake;
    const done = new Promise((resolve) => { wake = resolve; });
    globalThis.print = (text) => { said.push(String(text)); if (/^Test262:/.test(text)) wake(); };
    const answer = (outcome) => new Response(outcome);
    try {
        for (const text of includes) run(text);
        if (module) await import(module); else run(source);
    } catch (error) { return answer('threw ' + (error?.constructor?.name ?? typeof error) + ': ' + String(error?.message ?? error).slice(0, 200)); }
    if (isAsync) { await done; return answer(said.at(-1) === 'Test262:AsyncTestComplete' ? 'ok' : 'async ' + said.at(-1)); }
    return answer('ok');
} };`;

const runtime = new Runtime(wasm);
const base = runtime.load({ '/function/handler.mjs': HANDLER }, { entry: '/function/handler.mjs' });
if (base.code !== 0) throw new Error(base.log);
const harness = new Map();
// Each file of the harness is an eval of its own, whose let, const and class would end with it.
const shared = (text) => text.replace(/^(?:const|let) /gm, 'var ').replace(/^class (\w+)/gm, 'var $1 = class $1');
const include = (name) => { if (!harness.has(name)) harness.set(name, shared(readFileSync(join(suite, 'harness', name), 'utf8'))); return harness.get(name); };
const parseMeta = (text) => {
    const block = /\/\*---([\s\S]*?)---\*\//.exec(text)?.[1].replace(/\r\n?/g, '\n') ?? '';
    const list = (key) => {
        const inline = new RegExp(`^${key}:\\s*\\[([^\\]]*)\\]`, 'm').exec(block), lines = new RegExp(`^${key}:\\s*\\n((?:\\s+- .*\\n?)+)`, 'm').exec(block);
        return inline ? inline[1].split(',').map((s) => s.trim()).filter(Boolean) : lines ? lines[1].split('\n').map((s) => s.replace(/^\s+- /, '').trim()).filter(Boolean) : [];
    };
    const negative = /^negative:\s*\n\s+phase:\s*(\w+)\s*\n\s+type:\s*(\w+)/m.exec(block);
    return { flags: list('flags'), features: list('features'), includes: list('includes'), negative: negative && { phase: negative[1], type: negative[2] } };
};
const files = [];
const walk = (folder) => {
    for (const name of readdirSync(folder).sort()) {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) { if (!SKIP_FOLDERS.includes(relative(join(suite, 'test'), path))) walk(path); } else if (name.endsWith('.js') && !name.includes('_FIXTURE')) files.push(path);
    }
};
walk(join(suite, 'test'));

const outcome = (path, text, meta, strict) => {
    const module = meta.flags.includes('module'), raw = meta.flags.includes('raw');
    const includes = raw ? [] : ['assert.js', 'sta.js', ...(meta.flags.includes('async') ? ['doneprintHandle.js'] : []), ...meta.includes].map(include);
    let image = base;
    if (module || /import\s*\(/.test(text)) {
        const beside = { '/function/package.json': '{"type":"module"}', '/function/handler.mjs': HANDLER };
        for (const name of readdirSync(dirname(path))) if (/\.(js|json)$/.test(name) && (name.includes('_FIXTURE') || join(dirname(path), name) === path || name.endsWith('.json'))) beside[`/function/${name}`] = readFileSync(join(dirname(path), name), 'utf8');
        image = new Image(runtime, { ...base.options, files: beside }, 0, '', base.bytes);
    }
    const body = JSON.stringify({ source: (strict ? '"use strict";\n' : '') + text, includes, isAsync: meta.flags.includes('async'), module: module ? '/function/' + path.slice(dirname(path).length + 1) : null });
    const answer = image.invoke({ method: 'POST', headers: [['content-type', 'application/json']], body });
    if (answer.error) return `died: ${answer.error.message}`;
    if (answer.status !== 200) return `status ${answer.status}: ${answer.log.split('\n')[0]}`;
    if (!meta.negative) return answer.text;
    return answer.text.startsWith(`threw ${meta.negative.type}`) ? 'ok' : `not ${meta.negative.type}: ${answer.text}`;
};

// One test: 'ok', 'skipped' or what went wrong.
const judge = (path) => {
    const text = readFileSync(path, 'utf8'), meta = parseMeta(text);
    if (meta.flags.includes('CanBlockIsFalse') || meta.flags.includes('CanBlockIsTrue') || meta.features.some((feature) => SKIP_FEATURES.includes(feature)) || /\$262\.(createRealm|agent)/.test(text)) return 'skipped';
    const modes = meta.flags.some((flag) => ['module', 'raw', 'noStrict'].includes(flag)) ? [false] : meta.flags.includes('onlyStrict') ? [true] : [false, true];
    for (const strict of modes) { const verdict = outcome(path, text, meta, strict); if (verdict !== 'ok') return verdict; }
    return 'ok';
};
// The tests run in a thread, which is ended when one never does.
const wanted = files.filter((path, i) => relative(join(suite, 'test'), path).includes(filter) && i % stride === 0);
if (!isMainThread) {
    for (let i = workerData.from; i < wanted.length; i++) {
        parentPort.postMessage({ i });
        let verdict;
        try { verdict = judge(wanted[i]); } catch (error) { verdict = `runner: ${error.message}`; }
        parentPort.postMessage({ i, verdict });
    }
} else {
    const table = new Map(), total = { passed: 0, failed: 0, skipped: 0 };
    const note = (i, verdict) => {
        const name = relative(join(suite, 'test'), wanted[i]), row = name.split('/').slice(0, 2).join('/');
        if (!table.has(row)) table.set(row, { passed: 0, failed: 0, skipped: 0 });
        const key = verdict === 'ok' ? 'passed' : verdict === 'skipped' ? 'skipped' : 'failed';
        for (const sums of [table.get(row), total]) sums[key]++;
        if (key === 'failed' && log) appendFileSync(log, `${name}: ${verdict}\n`);
    };
    for (let from = 0; from < wanted.length;) {
        from = await new Promise((resolve) => {
            const worker = new Worker(new URL(import.meta.url), { workerData: { args: [wasm, suite, filter], from } });
            let at = from - 1, timer, over = false;
            const end = (next) => { if (over) return; over = true; clearTimeout(timer); worker.terminate().then(() => resolve(next)); };
            const watch = () => { clearTimeout(timer); timer = setTimeout(() => { note(at, 'does not end'); end(at + 1); }, HANG_MS); };
            worker.on('message', ({ i, verdict }) => { at = i; if (verdict === undefined) watch(); else note(i, verdict); });
            worker.on('error', (error) => { note(Math.max(at, from), `runner: ${error.message}`); end(Math.max(at, from) + 1); });
            worker.on('exit', () => end(at + 1));
        });
    }
    const rate = ({ passed, failed }) => `${(100 * passed / (passed + failed || 1)).toFixed(1)} %`;
    console.log('| directory | passed | failed | skipped | rate |\n|---|---|---|---|---|');
    for (const [row, sums] of [...table, ['all', total]]) console.log(`| ${row} | ${sums.passed} | ${sums.failed} | ${sums.skipped} | ${rate(sums)} |`);
}
