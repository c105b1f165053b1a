// Each script in same/ says the same, line by line, in node 20 and in our runtime.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { lines } from './same/show.mjs';

const folder = new URL('same/', import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== 'show.mjs').sort();
const read = (name) => readFileSync(new URL(name, folder), 'utf8');
const HANDLER = `import { lines } from './show.mjs'; import script from './script.mjs';
export default { fetch: async () => Response.json(await lines(script)) };`;

export const tests = scripts.map((name) => [name, async (runtime) => {
    if (Number(process.versions.node.split('.')[0]) < 20) return; // the scripts use what node 18 has not
    const image = runtime.load({ '/function/handler.mjs': HANDLER, '/function/show.mjs': read('show.mjs'), '/function/script.mjs': read(name) },
        { entry: '/function/handler.mjs' });
    assert.equal(image.code, 0, image.log);
    const answer = image.invoke();
    assert.equal(answer.status, 200, answer.log + String(answer.error?.stack ?? ''));
    const ours = JSON.parse(answer.text), theirs = await lines((await import(new URL(name, folder))).default);
    const different = theirs.flatMap((line, i) => (line === ours[i] ? [] : [`node: ${line}\nours: ${ours[i]}`]));
    assert.equal(different.length, 0, `${different.length} of ${theirs.length} lines differ\n${different.slice(0, Number(process.env.SAME_LINES ?? 12)).join('\n')}`);
    assert.equal(ours.length, theirs.length);
    assert.ok(ours.length > 0);
}]);
