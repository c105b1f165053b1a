# test_compartments.py - a dependency in a compartment: values cross, nothing else does. Every attack
# runs twice with the same code: it succeeds when the package says nothing about the dependency, and
# fails when package.json puts it into a compartment.
import json
import pathlib

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'compartment-js'

# What the host function has, and what it tells after each attack.
HANDLER = '''
const evil = require('evil');
const fs = require('fs');
globalThis.hostState = { token: 'T0KEN' };
process.env.LATE = 'late';
let served = 0;
module.exports = async (event) => {
    const [attack, argument] = JSON.parse(event.body);
    const given = { user: 'u', inner: { admin: false } };
    let result, error;
    try {
        result = evil[attack](given, argument);
        if (result && typeof result.then === 'function' && result instanceof Promise) result = await result;
        if (typeof result === 'function') result = { called: result() };
        if (result && result.trap !== undefined) result = { trap: result.trap };
    } catch (caught) {
        error = { code: caught.code, message: caught.message, name: caught.name, cause: caught.cause };
    }
    return { result: result === undefined ? null : result, error, served: ++served,
        admin: given.inner.admin === true, polluted: ({}).polluted === true,
        json: JSON.stringify([1]), map: [1, 2].map((x) => x + 1).join(), own: fs.readFileSync.name,
        token: globalThis.hostState.token };
};
'''
EVIL = '''
const fs = require('fs');
const read = (file) => fs.readFileSync(file, 'utf8');
exports.add = (given, list) => list[0] + list[1];
exports.environment = () => process.env.API_KEY ?? 'nothing';
exports.secret = () => read('/var/openfaas/secrets/SECRET');
exports.file = () => read('/function/private.json');
exports.listing = () => fs.readdirSync('/function').join();
exports.global = () => globalThis.hostState.token;
exports.argument = (given) => { given.inner.admin = true; return 'done'; };
exports.pollute = () => { Object.prototype.polluted = true; return 'done'; };
exports.intrinsics = () => { JSON.stringify = () => '"forged"'; Array.prototype.map = () => ['forged']; return 'done'; };
exports.builtins = () => { require('fs').readFileSync = function forged() {}; return 'done'; };
exports.steal = () => { const state = globalThis.hostState; state.token = 'gone'; return 'done'; };
exports.cache = () => Object.keys(require.cache).filter((name) => name.endsWith('handler.js')).join();
exports.getter = () => ({ get trap() { return globalThis.hostState?.token ?? 'nothing'; } });
exports.json = () => ({ y: 'x', toJSON() { return globalThis.hostState.token; } });
exports.proxy = () => new Proxy({}, { get: () => globalThis.hostState?.token });
exports.returned = () => () => globalThis.hostState.token;
exports.thenable = () => ({ then(done) { done(globalThis.hostState.token); } });
exports.proto = () => JSON.parse('{"__proto__": {"polluted": true}, "x": 1}');
exports.thrower = () => { throw Object.assign(new TypeError('bad\\nidea'), { code: 'E_EVIL', extra: globalThis.hostState }); };
exports.hostile_error = () => { throw { get message() { throw 1; }, name: { toString() { throw 2; } } }; };
exports.later = async (given, value) => { await null; return value * 2; };
exports.rejects = async () => { throw new RangeError('later'); };
exports.memory = () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)); };
exports.objects = () => { let all = null; for (;;) all = { all }; };
exports.loop = () => { for (;;); };
exports.regex = () => /^(a+)+$/.test('a'.repeat(40) + 'b');
exports.deep = () => exports.deep() + 1;
exports.never = () => new Promise(() => {});
exports.large = () => 'x'.repeat(5 << 20);
exports.many = () => Array.from({ length: 300000 }, () => 0);
exports.nested = () => { let all = []; for (let i = 0; i < 1000; i++) all = [all]; return all; };
exports.log = () => { console.log('tfaas: I am the core\\nand a second line'); return 'said'; };
exports.own = () => read('/function/node_modules/evil/own.txt') + require('friend').name;
exports.reenter = () => {
    const { compartment } = require('tfaas:isolation');
    try { return compartment({ module: 'friend' }).call('x'); } catch (error) { return error.code; }
};
let count = 0;
exports.count = () => ++count;
'''
LIMITS = {'memory': '8MB', 'work': 2e8}


def deploy(t, compartments, evil=EVIL, handler=HANDLER, more=None):
    name, secret = t.name('caged'), t.name('key')
    t.status(t.server.request('POST', '/system/secrets', {'name': secret, 'value': 's3cret'}),
             200, 201, 202)
    manifest = {'name': 'host'}
    if compartments is not None:
        manifest['tfaas'] = {'compartments': compartments}
    t.server.deploy_files(name, {
        'package.json': json.dumps(manifest), 'handler.js': handler, 'private.json': '{"p":1}',
        'node_modules/evil/package.json': '{"name":"evil","dependencies":{"friend":"1","../..":"1"}}',
        'node_modules/evil/index.js': evil.replace('SECRET', secret),
        'node_modules/evil/own.txt': 'own ',
        'node_modules/friend/index.js': "exports.name = 'friend';",
        'node_modules/stranger/index.js': "exports.name = 'stranger';", **(more or {})},
        secrets=[secret], envVars={'API_KEY': 'k3y'})
    return name


def attack(t, name, what, argument=None):
    return t.status(t.server.invoke(name, json.dumps([what, argument])), 200).json()


# What shows in the answer that it worked.
ATTACKS = {
    'environment': lambda a: a['result'] == 'k3y',
    'secret': lambda a: a['result'] == 's3cret',
    'file': lambda a: a['result'] == '{"p":1}',
    'listing': lambda a: 'private.json' in str(a['result']),
    'global': lambda a: a['result'] == 'T0KEN',
    'argument': lambda a: a['admin'],
    'pollute': lambda a: a['polluted'],
    'intrinsics': lambda a: a.get('map') != '2,3',
    'builtins': lambda a: a['own'] == 'forged',
    'steal': lambda a: a['token'] == 'gone',
    'cache': lambda a: bool(a['result']),
    'getter': lambda a: a['result'] == {'trap': 'T0KEN'},
    'json': lambda a: 'T0KEN' in json.dumps(a['result']),
    'proxy': lambda a: 'T0KEN' in json.dumps(a['result']),
    'returned': lambda a: a['result'] == {'called': 'T0KEN'},
}


def test_attacks_on_the_host_function(t):
    """The corpus: what succeeds in one realm fails in a compartment."""
    bare, caged = deploy(t, None), deploy(t, {'evil': LIMITS})
    for what, worked in ATTACKS.items():
        answer = t.server.invoke(bare, json.dumps([what, None]))
        broken = what == 'intrinsics' and answer.text == '"forged"'
        t.true(broken or worked(t.status(answer, 200).json()),
               f'{what} does not even work without a compartment: {answer.text}')
        t.true(not worked(attack(t, caged, what)), f'{what} works in a compartment')
    answer = attack(t, caged, 'add', [2, 3])
    t.equal((answer['result'], answer['served'], answer['token'], answer['json'], answer['map']),
            (5, 1, 'T0KEN', '[1]', '2,3'), 'the function after all that')


def test_what_the_caller_gets(t):
    name = deploy(t, {'evil': {**LIMITS, 'work': 4e9, 'memory': '64MB'}})

    def code(what):
        return attack(t, name, what)['error']['code']
    t.equal(code('returned'), 'TFAAS_COMPARTMENT_BAD_VALUE', 'a function')
    for what in ('json', 'proxy', 'thenable', 'nested', 'large', 'many'):
        t.equal(code(what), 'TFAAS_COMPARTMENT_BAD_VALUE', what)
    t.equal(attack(t, name, 'proto')['result'], {'__proto__': {'polluted': True}, 'x': 1},
            'own property named __proto__')
    t.true(not attack(t, name, 'proto')['polluted'], '__proto__ is a property of its own')
    error = attack(t, name, 'thrower')['error']
    t.equal((error['code'], error['name'], error['message'], error['cause']['code']),
            ('TFAAS_COMPARTMENT_EXCEPTION', 'TypeError', 'bad\nidea', 'E_EVIL'), 'what was thrown')
    t.equal(code('hostile_error'), 'TFAAS_COMPARTMENT_EXCEPTION', 'an error that throws')
    t.equal(attack(t, name, 'later', 21)['result'], 42, 'an async function stays one')
    t.equal(attack(t, name, 'rejects')['error']['name'], 'RangeError', 'a rejection')
    t.equal(attack(t, name, 'own')['result'], 'own friend', 'its own files and its dependencies')
    t.equal(attack(t, name, 'reenter')['result'], 'TFAAS_COMPARTMENT_LATE', 'opening in a call')
    t.equal([attack(t, name, 'count')['result'] for _ in range(3)], [1, 1, 1], 'pristine per call')


def test_bombs(t):
    """The compartment ends, the function goes on; without one the whole call is lost."""
    name = deploy(t, {'evil': {**LIMITS, 'timeout': 20000}})
    for what, code in (('memory', 'MEMORY'), ('objects', 'MEMORY'), ('loop', 'WORK'),
                       ('regex', 'WORK'), ('deep', 'EXCEPTION'), ('never', 'TRAPPED')):
        error = attack(t, name, what)['error']
        t.equal(error['code'], 'TFAAS_COMPARTMENT_' + code, f'{what}: {error}')
    t.equal(attack(t, name, 'add', [1, 1])['result'], 2, 'the next call')
    bare = deploy(t, None)
    t.true(t.server.invoke(bare, '["memory",null]').status != 200
           or attack(t, bare, 'memory')['error'], 'without a compartment')


def log_of(t, name):
    answer = t.status(t.server.request('GET', f'/system/logs?name={name}&follow=false'), 200)
    return [json.loads(line)['text'] for line in answer.text.splitlines()]


def test_grants(t):
    """Nothing by default; what is granted by name, and no more; a name that is none is an error."""
    name = deploy(t, {'evil': {**LIMITS, 'grant': {'env': ['API_KEY'], 'log': True}}})
    t.equal(attack(t, name, 'environment')['result'], 'k3y', 'granted variable')
    t.true(attack(t, name, 'secret')['error'], 'no secret')
    t.equal(attack(t, name, 'log')['result'], 'said', 'log')
    t.eventually(lambda: len(log_of(t, name)) >= 2, 'lines in the log')
    for line in log_of(t, name):
        t.true(line.startswith('[compartment evil] '), f'a line without a mark: {line!r}')
    silent = deploy(t, {'evil': LIMITS})
    t.equal(attack(t, silent, 'log')['result'], 'said', 'log without a grant')
    t.equal(log_of(t, silent), [], 'log without a grant')
    for wrong, part in (({'grant': {'fetch': ['example.com']}}, 'fetch'), ({'memory': 'much'}, 'memory'),
                        ({'works': 1}, 'works'), ({'memory': '900GB'}, 'memory'), ({'work': 0}, 'work')):
        name = t.name('wrong')
        image = name + ':latest'
        t.status(t.server.put_package(image, {
            'package.json': json.dumps({'tfaas': {'compartments': {'evil': wrong}}}),
            'handler.js': HANDLER, 'node_modules/evil/index.js': 'exports.x = 1;'}), 200, 201, 202)
        t.contains(t.status(t.server.deploy(name, image), 422).text, part, f'{wrong}')


IMPERATIVE = '''
import { compartment } from 'tfaas:isolation';
const c = compartment({ module: './lib/kit.mjs', memory: '8MB', work: 3e8, name: 'kit' });
const second = compartment({ module: './lib/kit.mjs', memory: '8MB', work: 3e8, name: 'other' });
const same = (a) => c.call('echo', a);
const KINDS = {
    undefined: () => same(undefined) === undefined, null: () => same(null) === null,
    minus: () => Object.is(same(-0), -0), nan: () => Number.isNaN(same(NaN)), inf: () => same(-Infinity) === -Infinity,
    fraction: () => same(1.5) === 1.5, int: () => same(-2147483649) === -2147483649 && same(2 ** 53 - 1) === 2 ** 53 - 1 && same(2 ** 60) === 2 ** 60,
    big: () => same(-(2n ** 200n) + 1n) === -(2n ** 200n) + 1n && same(0n) === 0n && same(-1n) === -1n && same(255n) === 255n,
    text: () => same('\\u{1F600} \\0 \\u00e9') === '\\u{1F600} \\0 \\u00e9', bool: () => same(true) === true && same(false) === false,
    date: () => same(new Date(1234567890123)).getTime() === 1234567890123 && Number.isNaN(same(new Date(NaN)).getTime()),
    map: () => { const m = same(new Map([[{ k: 1 }, 'v'], ['x', new Set([1, 'a'])]])); return m instanceof Map && m.size === 2 && m.get('x').has('a'); },
    typed: () => [Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array]
        .every((T) => { const v = same(new T([1, 2, 3]).subarray(1)); return v instanceof T && v.length === 2 && v[1] === 3; }) &&
        same(new BigInt64Array([-5n]))[0] === -5n && same(new BigUint64Array([5n]))[0] === 5n,
    buffer: () => same(new ArrayBuffer(3)).byteLength === 3,
    cycle: () => { const o = { list: [] }; o.list.push(o, o.list); const r = same(o); return r.list[0] === r && r.list[1] === r.list && r !== o; },
    shared: () => { const x = {}; const r = same([x, x]); return r[0] === r[1]; },
    error: () => same(new RangeError('r')).message === 'r',
    keys: () => Object.keys(same({ b: 1, a: 2, 10: 3 })).join() === '10,b,a',
    proto: () => Object.getPrototypeOf(same(new (class A { x = 1; })())) === Object.prototype,
    holes: () => same([1, , 3]).length === 3,
    get: () => c.get('constant').list[1] === 2, wrapped: () => c.exports.default('a') === 'a!' && c.exports.deeper.twice(4) === 8,
    separate: () => second.call('next') === 1 && c.call('next') === 1 && c.call('next') === 2,
    method: () => c.call('deeper.twice', 3) === 6,
};
const REFUSED = {
    function: () => same(() => 1), symbol: () => same(Symbol('s')), proxy: () => same(new Proxy({}, {})), regexp: () => same(/x/),
    weak: () => same(new WeakMap()), promise: () => same(Promise.resolve(1)), surrogate: () => same('\\ud800'), inside: () => same({ a: [{ f() {} }] }),
    boxed: () => same(Object(1)), large: () => same(new Uint8Array(5 << 20)), long: () => same(new Array(1e7)),
};
export default { async fetch(request) {
    const wrong = [];
    for (const [name, check] of Object.entries(KINDS)) {
        try { if (!check()) wrong.push(name); } catch (error) { wrong.push(name + ': ' + error + ' ' + error.cause?.stack); }
    }
    for (const [name, check] of Object.entries(REFUSED)) {
        try { check(); wrong.push(name + ' crossed'); } catch (error) {
            if (error.code !== 'TFAAS_COMPARTMENT_BAD_VALUE') wrong.push(name + ': ' + error.code + error);
        }
    }
    const codes = [];
    for (const act of [() => c.call('absent'), () => c.call('trapped'), () => c.call('next'), () => c.close(), () => c.call('next'), () => c.close(),
        () => second.call('next')])
        try { codes.push(act() ?? null); } catch (error) { codes.push(error.code.slice(18)); }
    return Response.json({ wrong, codes });
} };
'''
KIT = '''
export const echo = (value) => value;
let n = 0;
export const next = () => ++n;
export const constant = { list: [1, 2] };
export const deeper = { twice: (x) => 2 * x };
export default (text) => text + '!';
export const trapped = () => { const all = []; for (;;) all.push(new Uint8Array(1 << 18)); };
'''


def test_values_cross(t):
    """Structured clone both ways, what it refuses, and a compartment's life."""
    name = t.name('clone')
    t.server.deploy_files(name, {'package.json': '{"type":"module"}', 'handler.js': IMPERATIVE,
        'lib/kit.mjs': KIT})
    answer = t.status(t.server.invoke(name, ''), 200).json()
    t.equal(answer['wrong'], [], 'values')
    t.equal(answer['codes'], ['EXCEPTION', 'MEMORY', 1, None, 'CLOSED', 'CLOSED', 2], 'codes')


def test_imports_stay_as_they_are(t):
    """An ECMAScript package and a function export, both in compartments, without a change of code."""
    name = t.name('wrap')
    t.server.deploy_files(name, {
        'package.json': json.dumps({'type': 'module', 'tfaas': {'compartments': {
            'left-pad': {'memory': '8MB'}, '@team/esm': {'memory': '8MB'}, 'unused': {}}}}),
        'handler.js': "import pad from 'left-pad';\n"
                      "import make, { version, Tools } from '@team/esm';\n"
                      "import { extra } from '@team/esm/extra.js';\n"
                      'export default { async fetch() { return Response.json([pad("7", 3, "0"), pad.limit,\n'
                      '    make({ a: 1 }), version, Tools.double(4), extra(1), typeof pad]); } };\n',
        'node_modules/left-pad/index.js':
            "module.exports = (s, n, c) => s.padStart(n, c); module.exports.limit = 9;",
        'node_modules/@team/esm/package.json': '{"name":"@team/esm","type":"module"}',
        'node_modules/@team/esm/index.js':
            "export default (o) => ({ ...o, made: true }); export const version = '1.2';\n"
            'class T { double(x) { return 2 * x; } }\nexport const Tools = new T();\n',
        'node_modules/@team/esm/extra.js': "export const extra = (x) => x + 1;\n"})
    t.equal(t.status(t.server.invoke(name, ''), 200).json(),
            ['007', 9, {'a': 1, 'made': True}, '1.2', 8, 2, 'function'], 'answer')


def test_work_is_in_the_receipt(t):
    """What a compartment does is charged to the call."""
    name = deploy(t, {'evil': LIMITS})

    def work(what):
        attack(t, name, what)
        return t.server.metric('tfaas_function_work_units_total', name)
    first = work('count')
    second = work('count')
    small, large = second - first, work('loop') - second
    t.true(large > 1.5e8 > small > 0, f'work {small} and {large}')


def test_the_example(t):
    name = t.name('example')
    t.server.deploy_files(name, {str(path.relative_to(EXAMPLE)): path.read_text()
                                 for path in EXAMPLE.rglob('*') if path.is_file()},
                          envVars={'A': '1'})
    t.equal(t.status(t.server.invoke(name, 'Hello, World!'), 200).json(), {'slug': 'hello-world'},
            'answer')
    t.equal(t.status(t.server.invoke(name, 'loop'), 200).json()['refused'],
            'TFAAS_COMPARTMENT_WORK', 'loop')


NEST = '''
const { compartment } = require('tfaas:isolation');
let inner = null, error = 'none';
const level = LEVEL;
try {
    inner = compartment({ module: `./${level + 1}.js`, folders: ['.'], memory: '8MB', grant: { env: ['A', 'B'], log: true } });
} catch (caught) { error = caught.code; }
const look = () => [level, process.env.A ?? '-', process.env.B ?? '-', error];
exports.walk = () => [look(), ...(inner ? inner.call('walk') : [])];
exports.spin = () => { if (inner) return inner.call('spin'); for (;;); };
exports.say = () => { console.log('level ' + level); return inner ? inner.call('say') : 0; };
'''


def test_one_inside_another(t):
    """At most four deep; what one does not have it cannot grant; work and deadline count all the way."""
    name = t.name('nest')
    files = {f'd/{level}.js': NEST.replace('LEVEL', str(level)) for level in range(1, 6)}
    files['handler.js'] = (
        "const { compartment } = require('tfaas:isolation');\n"
        "const c = compartment({ module: './d/1.js', folders: ['d'], work: 5e7, memory: '8MB',\n"
        "    grant: { env: ['A'] } });\n"
        "module.exports = async (event) => {\n"
        "    try { return [c.call(event.body)]; } catch (error) { return [error.code, error.cause?.code ?? null]; } };\n")
    t.server.deploy_files(name, files, envVars={'A': 'a', 'B': 'b'})
    answer = t.status(t.server.invoke(name, 'walk'), 200).json()
    t.equal(answer, [[[1, 'a', '-', 'none'], [2, 'a', '-', 'none'], [3, 'a', '-', 'none'],
                      [4, 'a', '-', 'TFAAS_COMPARTMENT_TOO_MANY']]], 'levels')
    answer = t.status(t.server.invoke(name, 'spin'), 200).json()
    t.true(answer[0] in ('TFAAS_COMPARTMENT_WORK', 'TFAAS_COMPARTMENT_EXCEPTION'), f'{answer}')
    t.equal(t.status(t.server.invoke(name, 'say'), 200).json(), [0], 'say')
    t.equal(log_of(t, name), [], 'a log that the first was not granted')
    many = t.name('many')
    source = ("const { compartment } = require('tfaas:isolation');\n"
              "let count = 0, code;\n"
              "try { for (; count < 20; count++) compartment({ module: './d/m.js', name: 'n' + count, memory: '4MB' }); }\n"
              "catch (error) { code = error.code; }\n"
              "module.exports = async () => [count, code];\n")
    t.server.deploy_files(many, {'handler.js': source, 'd/m.js': 'exports.x = 1;'})
    t.equal(t.status(t.server.invoke(many, ''), 200).json(), [8, 'TFAAS_COMPARTMENT_TOO_MANY'],
            'eight of a function')
