# test_bad_input.py - what a wrong deployment says: malformed JSON, bad names, scripts and modules
# that do not load. Each must name what was wrong, and the daemon must serve on.
import json
import socket

import wasm
from lib import HANG, Problem

HELLO = "module.exports = async () => 'fine';\n"


def fine(t):
    """Proof that the daemon serves: a good function answers."""
    name = 'shared-fine'
    if t.server.request('GET', f'/system/function/{name}').status == 404:
        t.server.deploy_js(name, HELLO)
    t.alive(t.server, name, b'', 'fine')


def test_malformed_json(t):
    fine(t)
    for body in ('', '{', '[]', '"x"', 'null', '{"service":}',
                 '{"service":"a","image":"b"} trailing',
                 b'\xff\xfe{}', '{"service":"a\\ud800","image":"shared-fine"}', '[' * 100000,
                 '{"a":' * 5000, '{"service":1,"image":"shared-fine"}',
                 '{"service":"x","image":["shared-fine"]}',
                 '{"service":"x","image":"shared-fine","envVars":[]}',
                 '{"service":"x","image":"shared-fine","envVars":{"a":1}}',
                 '{"service":"x","image":"shared-fine","labels":"no"}',
                 '{"service":"x","image":"shared-fine","secrets":{"a":1}}',
                 '{"service":"x","image":"shared-fine","limits":{"memory":7}}'):
        for method in ('POST', 'PUT'):
            answer = t.server.request(method, '/system/functions', body)
            t.equal(answer.status, 400, f'{method} {body[:60]!r}')
            t.error(answer, 400)
    for body in ('', '{', '[]', '{}', '{"functionName":7}', '{"functionName":""}'):
        t.error(t.server.request('DELETE', '/system/functions', body), 400)
    fine(t)


def test_names(t):
    fine(t)
    for name in ('', 'UPPER', 'under_score', '-start', 'end-', 'a.b', 'a b', 'ü', 'n' * 64,
                 'n' * 10000, '../x', 'a\0b', 'a/b'):
        answer = t.server.deploy(name, 'shared-fine')
        t.equal(answer.status, 400, f'name {name[:20]!r}')
        t.error(answer, 400)
    for body in ({'image': 'shared-fine'}, {'service': 'x'}, {'service': None, 'image': 'a'},
                 {'service': 'x', 'image': ''}):
        t.error(t.server.request('POST', '/system/functions', body), 400)
    for namespace in ('UPPER', 'a.b', '-', 'n' * 64):
        t.error(t.server.deploy('x', 'shared-fine', namespace=namespace), 400)
    longest = 'n' * 63
    t.status(t.server.deploy(longest, 'shared-fine:latest'), 200, 202)
    t.alive(t.server, longest, b'', 'fine')


def test_unknown_image(t):
    t.error(t.server.deploy('x', 'never-pushed:latest'), 400, 'never-pushed:latest')
    t.error(t.server.deploy('x', 'never-pushed@sha256:' + '0' * 64), 400)
    t.error(t.server.deploy('x', 'never-pushed@sha256:xyz'), 400)


def test_limits_of_a_deployment(t):
    fine(t)
    for limits in ({'memory': 'lots'}, {'memory': '-1'}, {'memory': '1e99'}, {'memory': '99999Ti'}):
        answer = t.server.deploy(t.name('limits'), 'shared-fine', limits=limits)
        t.equal(answer.status, 400, f'limits {limits}')
    for value in ('abc', '-1s', '1e400s', '99999999h'):
        answer = t.server.deploy(t.name('timeout'), 'shared-fine', envVars={'exec_timeout': value})
        t.equal(answer.status, 400, f'exec_timeout {value}')
    t.status(t.server.deploy(t.name('many'), 'shared-fine',
                             envVars={f'v{number}': 'x' for number in range(1001)}), 400)


def deploy_error(t, files):
    """Text of the refusal of a deploy; it may come with the package or with the function."""
    name = t.name('broken')
    answer = t.server.put_package(name, files)
    if answer.status in (200, 201, 202):
        answer = t.server.deploy(name, name)
    t.true(answer.status in (400, 422), f'deploy of a broken function: {answer}')
    t.error(answer, answer.status)
    t.error(t.server.request('GET', f'/system/function/{name}'), 404)
    return answer.text


def test_javascript_syntax_error(t):
    text = deploy_error(t, {'handler.js': 'const fine = 1;\nmodule.exports = async () => {\n'
                                          '    return 1 +* 2;\n};\n'})
    t.matches(text, r'SyntaxError', 'kind')
    t.matches(text, r'handler\.js:3:\d+', 'file, line and column')


def test_javascript_error_in_another_file(t):
    text = deploy_error(t, {'handler.js': "require('./lib/broken');\nmodule.exports = () => 1;\n",
                            'lib/broken.js': '\nlet x = ;\n'})
    t.matches(text, r'lib/broken\.js:2:\d+', 'file, line and column')


def test_javascript_that_does_not_load(t):
    for source, part in (("throw new RangeError('at load');\n", 'at load'),
                         ("require('./absent');\n", 'absent'),
                         ("require('left-pad');\n", 'left-pad'),
                         ('module.exports = 42;\n', 'handler'),
                         ('', 'handler'),
                         ('export default 7;\n', 'fetch')):
        t.contains(deploy_error(t, {'handler.js': source}), part, source)


def test_javascript_nested_deeply(t):
    source = 'module.exports = async () => "ok"; const deep = '
    t.server.deploy_js(t.name('nested'), source + '[' * 250 + ']' * 250)
    for depth in (1000, 100000):
        name = t.name('deeper')
        t.status(t.server.put_package(name, {'handler.js': source + '[' * depth + ']' * depth}),
                 200, 201)
        # Either stack may end first: the runtime's own (a RangeError) or the core's (a trap).
        t.error(t.server.deploy(name, name), 422, 'call stack')


def test_javascript_endless_at_load(t):
    text = deploy_error(t, {'handler.js': 'for (;;) {}\n'})
    t.matches(text, r'(?i)deadline|time', 'reason')
    fine(t)


def test_javascript_memory_at_load(t):
    deploy_error(t, {'handler.js': 'const all = [];\n'
                                   "for (;;) all.push('x'.repeat(1 << 20) + all.length);\n"})
    fine(t)


def test_broken_wasm(t):
    good = wasm.CAT
    for what, module in {
            'header only': good[:8], 'cut': good[:len(good) // 2],
            'wrong version': b'\0asm\2\0\0\0',
            'section too long': good[:9] + b'\xff\xff\xff\xff\x0f' + good[10:],
            'flipped': bytes(byte ^ 0x55 if 40 < at < 60 else byte for at, byte in enumerate(good)),
            'text form': b'(module)', 'empty': b'', 'elf': b'\x7fELF' + b'\0' * 200}.items():
        text = deploy_error(t, {'function.wasm': module})
        t.true(len(text) > 10, f'{what}: {text!r}')
    fine(t)


def test_unknown_import_is_named(t):
    text = deploy_error(t, {'function.wasm': wasm.unknown_import()})
    t.contains(text, 'evil', 'module of the import')
    t.contains(text, 'open_everything', 'name of the import')


def test_wasm_without_an_entry(t):
    text = deploy_error(t, {'function.wasm': wasm.MAGIC})
    t.matches(text, r'_start|tfaas_handle|memory', 'what is missing')


def test_four_gib_memory(t):
    deploy_error(t, {'function.wasm': wasm.command(b'', pages=65536)})
    deploy_error(t, {'function.wasm': wasm.command(b'', pages=65537)})
    fine(t)


def test_a_million_functions(t):
    name = t.name('million')
    answer = t.server.put_package(name, {'function.wasm': wasm.many_functions(1000000)})
    if answer.status in (200, 201, 202):
        answer = t.server.request('POST', '/system/functions', {'service': name, 'image': name},
                                  timeout=300)
    t.true(answer.status in (200, 202, 400, 413, 422, 504), f'{answer}')
    fine(t)


def test_deep_nesting(t):
    name = t.name('deep')
    t.server.put_package(name, {'function.wasm': wasm.deep_nesting(200000)})
    answer = t.server.deploy(name, name)
    t.true(answer.status in (200, 202, 400, 422), f'{answer}')
    fine(t)


def test_endless_start_function(t):
    name = t.name('start')
    try:
        t.server.deploy_files(name, {'function.wasm': wasm.endless_start()},
                              envVars={'exec_timeout': '1s'})
    except Problem as why:
        t.matches(str(why), r'(400|422|504)', 'refusal')
    else:
        t.error(t.server.invoke(name), 504)
    fine(t)


def test_raw_http_rubbish(t):
    """Whatever arrives on the socket, the daemon answers or closes, and serves on."""
    fine(t)
    post = b'POST /system/functions HTTP/1.1\r\nHost: x\r\n'
    for data in (b'\0' * 100, b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n', b'\x16\x03\x01\x02\0' * 20,
                 post + b'Content-Length: -1\r\n\r\n',
                 post + b'Content-Length: 99999999999999999999\r\n\r\n',
                 b'POST /function/shared-fine HTTP/1.1\r\nHost: x\r\n'
                 b'Transfer-Encoding: chunked\r\n\r\nzz\r\n',
                 b'GET /' + b'a' * 100000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
                 b'GET / HTTP/1.1\r\nHost: x\r\n' + b'X: y\r\n' * 50000 + b'\r\n',
                 b'GET /function/%00%0a%ff HTTP/1.1\r\nHost: x\r\n\r\n'):
        with socket.create_connection(('127.0.0.1', t.server.port), timeout=HANG) as peer:
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                answer = peer.recv(65536)
            except TimeoutError:
                raise
            except OSError:  # closed at once is an answer too
                answer = b''
        t.true(answer == b'' or answer.startswith((b'HTTP/1.1 4', b'HTTP/1.0 4', b'HTTP/1.1 505')),
               f'{data[:50]!r}: {answer[:100]!r}')
        fine(t)


def test_many_arguments(t):
    """As many as there may be come through; with more there is an answer, at once, that says it."""
    name = t.name('arguments')
    t.server.deploy_js(name, 'module.exports = async (event) => Object.keys(event.query).length;\n')
    for count, joint in ((1, 'a{}=b'), (384, 'a{}=b'), (384, '{}')):
        query = '&'.join(joint.format(number) for number in range(count))
        answer = t.status(t.server.invoke(name, method='GET', path='?' + query), 200)
        t.equal(answer.text, str(count), 'arguments that the function sees')
    # libmicrohttpd itself would answer nothing, and end the connection when it is idle: after HANG.
    for path in (f'/function/{name}', '/system/functions', '/absent'):
        for query in ('&'.join(['a'] * 385), '&' * 384, '&'.join(['a'] * 1000), '&' * 8000, 'a&' * 20000):
            answer = t.server.request('GET', f'{path}?{query}')
            t.error(answer, 414, 'more than 384 arguments')
            t.equal(answer.header('Connection'), 'close', 'the connection')
    for count, size in ((0, 0), (20, 400), (50, 200), (95, 80), (95, 150), (200, 1)):
        headers = {f'x-{number}': 'y' * size for number in range(count)}
        answer = t.server.request('GET', '/absent?' + '&'.join(['a'] * 384), headers=headers)
        t.status(answer, 404, 431)  # with so many, fields have no room before arguments have none
    fine(t)


def test_request_smuggling_is_refused(t):
    """Content-Length with Transfer-Encoding, or two lengths: one request at most is seen."""
    fine(t)
    hidden = b'GET /function/shared-fine HTTP/1.1\r\nHost: x\r\n\r\n'
    for lengths in (b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
                    b'Content-Length: 5\r\nContent-Length: 6\r\n',
                    b'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'):
        with socket.create_connection(('127.0.0.1', t.server.port), timeout=HANG) as peer:
            peer.sendall(b'POST /function/shared-fine HTTP/1.1\r\nHost: x\r\n' + lengths
                         + b'\r\n0\r\n\r\n' + hidden)
            text = b''
            try:
                while piece := peer.recv(65536):
                    text += piece
            except ConnectionError:
                pass
        first = text.split(b'\r\n', 1)[0]
        t.true(not first or b' 400 ' in first or text.count(b'HTTP/1.1 ') <= 2,
               f'{lengths!r}: {text[:300]!r}')
        t.true(b' 400 ' in first or not text, f'{lengths!r} was served: {text[:200]!r}')


def test_api_body_over_the_limit(t):
    answer = t.server.request('POST', '/system/functions',
                              json.dumps({'service': 'x', 'image': 'y', 'envVars':
                                          {'big': 'z' * (2 << 20)}}))
    t.error(answer, 413)
