# test_js.py - JavaScript functions as people write them: several files, npm packages, both module
# systems, streams, timers, raw bodies, random numbers, the console. And what a call is charged.
# It must judge only what a client can see.
import http.client
import json
import os
import shutil
import socket
import subprocess
import time

import wasm
from lib import HANG, request_on

JSON, BINARY = {'Content-Type': 'application/json'}, {'Content-Type': 'application/octet-stream'}


def test_esm_with_packages(t):
    """A fetch handler that imports its own files and packages of every shape."""
    name = t.name('esm')
    t.server.deploy_files(name, {
        'package.json': '{"type":"module"}',
        'handler.js': "import { add } from './lib/sum.js';\n"
                      "import upper from '@team/upper';\n"
                      "import old from 'old-style';\n"
                      "import { deep } from 'outer';\n"
                      "import sub from 'outer/sub';\n"
                      'export default { async fetch(request, env, ctx) {\n'
                      "    const late = await import('./lib/late.js');\n"
                      '    return Response.json([add(2, 3), upper(await request.text()), old.kind,\n'
                      '        deep, sub, late.default, env.colour]);\n} };\n',
        'lib/sum.js': "export { add } from './inner/add.js';\n",
        'lib/inner/add.js': 'export const add = (a, b) => a + b;\n',
        'lib/late.js': "export default 'late';\n",
        'node_modules/@team/upper/package.json':
            '{"name":"@team/upper","version":"1.0.0","type":"module","exports":"./src/main.js"}',
        'node_modules/@team/upper/src/main.js': 'export default (text) => text.toUpperCase();\n',
        'node_modules/old-style/package.json': '{"name":"old-style","version":"0.1.0"}',
        'node_modules/old-style/index.js': "module.exports = { kind: 'commonjs' };\n",
        'node_modules/outer/package.json':
            '{"name":"outer","version":"2.0.0","exports":'
            '{".":{"import":"./m.mjs","require":"./c.cjs"},"./sub":"./sub.cjs"}}',
        'node_modules/outer/m.mjs': "import v from 'inner'; export const deep = 'm+' + v;\n",
        'node_modules/outer/c.cjs': "exports.deep = 'c';\n",
        'node_modules/outer/sub.cjs': "module.exports = 'sub';\n",
        'node_modules/outer/node_modules/inner/package.json': '{"name":"inner","main":"i.js"}',
        'node_modules/outer/node_modules/inner/i.js': "module.exports = 'nested';\n",
    }, envVars={'colour': 'blue'})
    answer = t.status(t.server.invoke(name, 'abc'), 200)
    t.equal(answer.json(), [5, 'ABC', 'commonjs', 'm+nested', 'sub', 'late', 'blue'], 'answer')


def test_commonjs_with_packages(t):
    name = t.name('cjs')
    t.server.deploy_files(name, {
        'handler.js': "const { deep } = require('outer');\n"
                      "const data = require('./data.json');\n"
                      "const path = require('path');\n"
                      "const fs = require('fs');\n"
                      'module.exports = async (event) => [deep, data.list, path.join("a", "../b"),\n'
                      "    fs.readFileSync(path.join(__dirname, 'text.txt'), 'utf8')];\n",
        'data.json': '{"list":[1,2]}', 'text.txt': 'from a file',
        'node_modules/outer/package.json':
            '{"name":"outer","exports":{".":{"import":"./m.mjs","require":"./c.cjs"}}}',
        'node_modules/outer/m.mjs': "export const deep = 'm';\n",
        'node_modules/outer/c.cjs': "exports.deep = 'c';\n"})
    t.equal(t.status(t.server.invoke(name), 200).json(), ['c', [1, 2], 'b', 'from a file'],
            'answer')


STREAM = '''
export default { async fetch() {
    let part = 0;
    const body = new ReadableStream({ async pull(controller) {
        END
        if (part > 0) await new Promise((done) => setTimeout(done, WAIT));
        controller.enqueue(new TextEncoder().encode(`part ${part++}\\n`));
    } });
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
} };
'''


def deploy_stream(t, seconds, end='if (part === 3) { controller.close(); return; }'):
    """A function that makes a part and waits so long, three times or until `end` says."""
    name = t.name('stream')
    source = STREAM.replace('WAIT', str(seconds * 400))
    t.server.deploy_js(name, source.replace('END', end), envVars={'exec_timeout': '300s'})
    return name


def test_readable_stream(t):
    """Each part arrives when it was made, not all at the end."""
    t.while_it_lasts(lambda seconds: parts_come_one_by_one(t, seconds), 'a part before the next')


def parts_come_one_by_one(t, seconds):
    name, seen, text = deploy_stream(t, seconds), [], b''
    with socket.create_connection(('127.0.0.1', t.server.port), timeout=HANG) as peer:
        peer.sendall(f'GET /function/{name} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        while not text.endswith(b'\r\n0\r\n\r\n'):
            piece = peer.recv(65536)
            t.true(piece, f'the connection ended: {text!r}')
            text += piece
            parts = text.count(b'part ')
            if parts and parts not in seen:
                seen.append(parts)
    t.contains(text.decode(), 'text/event-stream', 'type')
    t.equal([f'part {part}'.encode() in text for part in range(3)], [True] * 3, 'parts')
    return seen == [1, 2, 3]


def test_stream_that_fails_is_cut(t):
    t.while_it_lasts(lambda seconds: fails_midway(t, seconds), 'a stream that had begun')


def fails_midway(t, seconds):
    name = deploy_stream(t, seconds, "if (part === 2) throw new Error('midway');")
    try:
        answer = t.server.invoke(name, timeout=300)
    except http.client.IncompleteRead:
        answer = None
    path = f'/system/logs?name={name}&follow=false'
    t.eventually(lambda: 'midway' in t.server.request('GET', path).text, 'log of the error')
    t.true(answer is None or answer.status == 500, f'a broken stream looks whole: {answer}')
    return answer is None


def test_timers(t):
    name = t.name('timers')
    t.server.deploy_js(name, '''
module.exports = async () => {
    const order = [], begin = Date.now();
    setTimeout(() => order.push('late'), 60);
    setTimeout(() => order.push('early'), 20);
    clearTimeout(setTimeout(() => order.push('never'), 30));
    queueMicrotask(() => order.push('micro'));
    let ticks = 0;
    await new Promise((done) => {
        const each = setInterval(() => { if (++ticks === 3) { clearInterval(each); done(); } }, 50);
    });
    return { order, ticks, spent: Date.now() - begin };
};
''')
    begin = time.monotonic()
    seen = t.status(t.server.invoke(name), 200).json()
    wall = (time.monotonic() - begin) * 1000
    t.equal((seen['order'], seen['ticks']), (['micro', 'early', 'late'], 3), 'order')
    t.true(145 <= seen['spent'] <= wall + 50, f"spent {seen['spent']} ms, the call took {wall}")


def test_a_thousand_uuids(t):
    name = t.name('uuid')
    t.server.deploy_js(name, 'module.exports = async () => [crypto.randomUUID(),\n'
                             '    Array.from(crypto.getRandomValues(new Uint32Array(2))).join(),\n'
                             '    Math.random()];\n')
    connection = http.client.HTTPConnection('127.0.0.1', t.server.port, timeout=HANG)
    try:
        rows = [t.status(request_on(connection, 'POST', f'/function/{name}'), 200).json()
                for _ in range(1000)]
    finally:
        connection.close()
    for column, what in enumerate(('randomUUID', 'getRandomValues', 'Math.random')):
        t.equal(len({row[column] for row in rows}), 1000, f'distinct {what}')


def test_raw_body(t):
    source = ('module.exports = async (event) => ({ buffer: Buffer.isBuffer(event.body),\n'
              "    text: Buffer.from(event.body).toString('latin1') });\n")
    raw, parsed = t.name('raw'), t.name('parsed')
    t.server.deploy_js(raw, source, envVars={'RAW_BODY': 'true'})
    t.server.deploy_js(parsed, 'module.exports = async (event) => typeof event.body;\n')
    for body, headers in ((b'{"a": 1}', JSON), (b'{bad', JSON), (b'\x00\xff\x80', BINARY)):
        seen = t.status(t.server.invoke(raw, body, headers=headers), 200).json()
        t.equal(seen, {'buffer': True, 'text': body.decode('latin1')}, f'{body!r}')
    t.equal(t.server.invoke(parsed, '{"a":1}', headers=JSON).text, 'object', 'parsed JSON')
    t.status(t.server.invoke(parsed, '{bad', headers=JSON), 400)


def test_console(t):
    name = t.name('console')
    t.server.deploy_js(name, '''
console.log('at load');
module.exports = async () => {
    console.log('one', 1, { a: [true, null] });
    console.error('two %s %d', 'words', 2);
    console.warn('three\\nlines');
    return 'ok';
};
''')
    t.status(t.server.invoke(name), 200)
    answer = t.server.request('GET', f'/system/logs?name={name}&follow=false')
    texts = [json.loads(line)['text'] for line in answer.text.splitlines()]
    said = [text for text in texts if text != 'at load']
    t.equal(len(said), 4, f'lines: {texts}')
    t.matches(said[0], r'^one 1 \{ ?"?a"?: ?\[ ?true, ?null ?\] ?\}$', 'object')
    t.equal(said[1:], ['two words 2', 'three', 'lines'], 'lines')


# --- what a call is charged ---

def work_units(server, name):
    return int(server.metric('tfaas_function_work_units_total', name))


def charged(t, name, count=4):
    """What each of `count` equal calls was charged."""
    totals = [work_units(t.server, name)]
    for _ in range(count):
        t.status(t.server.invoke(name, b'same', headers={'X-Call-Id': 'same'}), 200)
        totals.append(work_units(t.server, name))
    return [after - before for before, after in zip(totals, totals[1:])]


def counting(rounds):
    """A command that counts to `rounds`."""
    step = wasm.get(0) + wasm.i32(1) + b'\x6a' + wasm.set_(0)
    more = wasm.get(0) + wasm.i32(rounds) + b'\x49\x0d\x00'
    return wasm.command(b'\x03\x40' + step + more + b'\x0b', locals_count=1)


def test_equal_runs_are_charged_equally(t):
    units = {}
    for rounds in (1000, 2000):
        name = t.name('count')
        t.server.deploy_files(name, {'function.wasm': counting(rounds)})
        each = charged(t, name)
        t.equal(len(set(each)), 1, f'{rounds} rounds: work units of equal calls {each}')
        units[rounds] = each[0]
    # Unit weights: a round is 8 instructions, give or take what closes a loop.
    per_round = (units[2000] - units[1000]) / 1000
    t.true(7 <= per_round <= 9, f'{per_round} units per round')


def test_javascript_is_charged_for_what_it_does(t):
    units = {}
    for rounds in (1000, 100000):
        name = t.name('work')
        t.server.deploy_js(name, f'module.exports = async () => {{ let sum = 0;\n'
                                 f'    for (let i = 0; i < {rounds}; i++) sum += i; return sum; }};\n')
        units[rounds] = charged(t, name)
    t.true(min(units[100000]) > 20 * max(units[1000]), f'work units {units}')


SAME = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../runtime/js/same')
NODE_RUNS = ("import { lines } from './show.mjs';"
             "console.log(JSON.stringify(await lines((await import('./' + process.argv[1])).default)));")


def test_scripts_say_the_same_as_in_node(t):
    """tests/runtime/js/same/*: in the real core, where hashes, AES and curves are the core's own."""
    node = shutil.which('node')
    if not node or int(subprocess.check_output([node, '-p', 'process.versions.node']).split(b'.')[0]) < 20:
        t.skip('node >= 20 is not here')
    scripts = sorted(f for f in os.listdir(SAME) if f.endswith('.mjs') and f != 'show.mjs')
    t.true(scripts, 'there are scripts')
    for script in scripts:
        name, files = t.name('same-' + script[:-4].replace('_', '-')), {}
        for file in ('show.mjs', script):
            with open(os.path.join(SAME, file), encoding='utf-8') as source:
                files[file] = source.read()
        files['package.json'] = '{"type":"module","main":"handler.js"}'
        files['handler.js'] = ("import { lines } from './show.mjs';\nimport script from './%s';\n"
                               'export default { fetch: async () => Response.json(await lines(script)) };\n' % script)
        t.server.deploy_files(name, files, envVars={'exec_timeout': '60s'})
        ours = t.status(t.server.invoke(name, timeout=120), 200).json()
        theirs = json.loads(subprocess.check_output([node, '--input-type=module', '-e', NODE_RUNS, script],
                                                    cwd=SAME, stderr=subprocess.DEVNULL))
        for line, wanted in zip(ours, theirs):
            t.equal(line, wanted, script)
        t.equal(len(ours), len(theirs), script)
