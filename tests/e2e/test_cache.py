# test_cache.py - the compile cache: a Wasm function is compiled once, when it is deployed; the core
# that serves it opens what was compiled then. Read from /metrics, never from the time it takes.
import re

import wasm
from wasm import CAT

LOADS = re.compile(r'^tfaas_function_loads_total\{code="(\w+)"\} (\d+)$', re.MULTILINE)


def loads(server):
    """{'compiled': n, 'cached': n, ...}"""
    return {code: int(count) for code, count in LOADS.findall(server.request('GET', '/metrics').text)}


def grown(server, before):
    after = loads(server)
    return {code: after[code] - before[code] for code in after if after[code] != before[code]}


def files(server):
    return sorted((server.state / 'cache').iterdir())


def test_first_call_does_not_compile(t):
    server = t.fresh()
    before = loads(server)
    server.deploy_files('cat', {'function.wasm': CAT})
    t.equal(grown(server, before), {'compiled': 1}, 'loads of a deploy')
    t.equal(len(files(server)), 1, 'files in the cache')
    before = loads(server)
    t.alive(server, 'cat', b'abc', 'abc')
    t.equal(grown(server, before), {'cached': 1}, 'loads of the first call')
    before = loads(server)
    server.deploy_files('again', {'function.wasm': CAT})
    t.alive(server, 'again', b'abc', 'abc')
    t.equal(grown(server, before), {'cached': 2}, 'loads of the same package under another name')


def test_namespaces_share_no_code(t):
    server = t.fresh()
    t.status(server.request('POST', '/system/namespace/other', {'name': 'other'}), 200, 201, 202)
    server.deploy_files('cat', {'function.wasm': CAT})
    before = loads(server)
    server.deploy_files('cat', {'function.wasm': CAT}, namespace='other')
    t.equal(grown(server, before), {'compiled': 1}, 'loads of a deploy into another namespace')
    first, second = files(server)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    before = loads(server)
    for namespace in ('openfaas-fn', 'other'):
        answer = t.status(server.invoke('cat', b'abc', namespace=namespace), 200)
        t.equal(answer.text, 'abc', 'answer')
    t.equal(grown(server, before), {'compiled': 2}, "loads with each other's code")


def test_changed_files_are_compiled_again(t):
    server = t.fresh()
    sizes = []
    for number, change in enumerate((lambda data: data[:-1], lambda data: b'',
                                     lambda data: data + b'x',
                                     lambda data: data[:5] + b'!' + data[6:],
                                     lambda data: data[:500] + b'~!' + data[502:])):
        name = f'cat-{number}'
        server.deploy_files(name, {'function.wasm': CAT, 'number.txt': str(number)})
        for path in files(server):
            sizes.append(path.stat().st_size)
            path.write_bytes(change(path.read_bytes()))
        before = loads(server)
        t.alive(server, name, b'abc', 'abc')
        t.equal(grown(server, before), {'compiled': 1}, f'loads after change {number}')
        t.equal(files(server), [], 'what did not open is kept')
    t.true(min(sizes) > 600, f'sizes {sizes}')


def test_a_restart_compiles_again(t):
    server = t.fresh()
    server.deploy_files('cat', {'function.wasm': CAT})
    t.alive(server, 'cat', b'abc', 'abc')
    server.end_process()
    server.start()
    t.equal(files(server), [], 'files of a key that is gone')
    before = loads(server)
    t.alive(server, 'cat', b'abc', 'abc')
    t.equal(grown(server, before), {'compiled': 1}, 'loads after the restart')
    server.remove('cat')
    before = loads(server)
    server.deploy_files('cat', {'function.wasm': CAT})
    t.alive(server, 'cat', b'abc', 'abc')
    t.equal(grown(server, before), {'compiled': 1, 'cached': 1}, 'loads of a new deploy')


def test_scripts_come_with_the_core(t):
    server = t.fresh()
    before = loads(server)
    server.deploy_js('js', "module.exports = async () => 'fine';\n")
    t.alive(server, 'js', b'', 'fine')
    t.equal(grown(server, before), {'core': 2}, 'loads')
    t.equal(files(server), [], 'files in the cache')


def test_large_package_of_many_files(t):
    """Its names are more than a sort keeps on its stack."""
    module = wasm.command(b'', pages=40, data=b'\x5a' * (2 << 20))
    files = {f'data/{number:04}.txt': str(number) for number in range(300)}
    server = t.fresh()
    server.deploy_files('large', {'function.wasm': module, **files})
    t.status(server.invoke('large', b''), 200)
