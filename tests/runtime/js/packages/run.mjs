// node run.mjs js.wasm FOLDER: loads each package of FOLDER/node_modules in the runtime as a function would, runs a few lines that use
// it, and compares the answer with node's. Prints a row per package: name, version, KiB of code, what differs.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Runtime } from '../host.mjs';
import { lines } from '../same/show.mjs';
import { uses } from './uses.mjs';

const [wasm, folder, filter = ''] = process.argv.slice(2);
const runtime = new Runtime(wasm);
const manifest = (path) => JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));

// The folders of a package and of all that it depends on, as npm laid them out.
const closure = (name, from, found) => {
    for (let at = from; ; at = join(at, '..')) {
        const home = join(at, 'node_modules', name);
        if (existsSync(join(home, 'package.json'))) {
            if (found.has(home)) return found;
            found.add(home);
            for (const each of Object.keys(manifest(home).dependencies ?? {})) closure(each, home, found);
            return found;
        }
        if (at === folder || at === '/') return found;
    }
};
const readAll = (path, files) => {
    for (const entry of readdirSync(path)) {
        const full = join(path, entry);
        if (statSync(full).isDirectory()) { if (entry !== 'node_modules') readAll(full, files); } else if (/\.(js|json|mjs|cjs)$/.test(entry)) files['/function' + full.slice(folder.length)] = readFileSync(full, 'utf8');
    }
    return files;
};
const HANDLER = "import { lines } from './show.mjs'; import use from './use.mjs'; const ready = use; export default { fetch: async () => Response.json(await lines(ready)) };";
const show = readFileSync(new URL('../same/show.mjs', import.meta.url), 'utf8');

let passed = 0, failed = 0;
console.log('| package | version | files, KiB | load ms (node\'s Wasm) | verdict |\n|---|---|---|---|---|');
for (const [name, source] of Object.entries(uses).sort()) {
    if (!name.includes(filter)) continue;
    const files = {};
    for (const home of closure(name, folder, new Set())) readAll(home, files);
    const size = Object.values(files).reduce((sum, text) => sum + text.length, 0), file = join(folder, `use-${name.replace(/\W/g, '-')}.mjs`);
    let verdict = 'ok', took = 0;
    try {
        writeFileSync(file, source);
        const theirs = await lines((await import(pathToFileURL(file))).default), before = performance.now();
        const image = runtime.load({ ...files, '/function/handler.mjs': HANDLER, '/function/show.mjs': show, '/function/use.mjs': source }, { entry: '/function/handler.mjs' });
        took = performance.now() - before;
        const answer = image.code === 0 ? image.invoke() : null;
        if (!answer) verdict = `does not load: ${image.log.split('\n').slice(0, 2).join(' ')}`;
        else if (answer.status !== 200) verdict = `fails: ${answer.log.split('\n').slice(0, 2).join(' ')} ${answer.error ?? ''}`;
        else {
            const ours = JSON.parse(answer.text), i = theirs.findIndex((line, at) => line !== ours[at]);
            if (i >= 0) verdict = `differs: ${ours[i]?.slice(0, 150)} (node: ${theirs[i].slice(0, 150)})`;
        }
    } catch (error) { verdict = `fails: ${error.message.slice(0, 200)}`; }
    if (verdict === 'ok') passed++; else failed++;
    console.log(`| ${name} | ${manifest(join(folder, 'node_modules', name)).version} | ${Object.keys(files).length}, ${Math.round(size / 1024)} | ${took.toFixed(0)} | ${verdict} |`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || passed === 0 ? 1 : 0);
