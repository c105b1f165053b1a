// Tests of js.wasm: `node tests/runtime/js/run.mjs [js.wasm [filter]]`. Each test_*.mjs file beside
// this one exports a list of [name, function]. Closes with "N passed, N failed".
import { readdirSync } from 'node:fs';
import { Runtime } from './host.mjs';

const [path = 'build/js.wasm', filter = ''] = process.argv.slice(2);
const runtime = new Runtime(path);
let passed = 0, failed = 0;
for (const file of readdirSync(new URL('.', import.meta.url)).filter((n) => /^test_.*\.mjs$/.test(n)).sort()) {
    const { tests } = await import(new URL(file, import.meta.url));
    for (const [name, test] of tests) {
        const title = `${file.slice(5, -4)}: ${name}`;
        if (!title.includes(filter)) continue;
        try {
            await test(runtime);
            passed++;
        } catch (error) {
            failed++;
            console.log(`FAILED ${title}\n    ${String(error.stack ?? error).split('\n').slice(0, Number(process.env.SAME_LINES ?? 12) * 2).join('\n    ')}`);
        }
    }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || passed === 0 ? 1 : 0);
