# test_invoke.py - a call through /function/: headers, path and query, verbs, bodies, streams,
# errors, and that each call runs in a pristine instance. It must judge only what a client can
# see.
import http.client
import json
import re
import socket
import threading
import time

import wasm
from lib import HANG, NAMESPACE, request_on

ECHO = '''
module.exports = async (event, context) =>
    context.status(200).headers({ 'Content-Type': 'application/json' }).succeed({
        method: event.method, path: event.path, query: event.query,
        headers: event.headers, body: event.body,
    });
'''
UUID4 = r'^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'


def echo(t):
    name = 'shared-echo'
    if t.server.request('GET', f'/system/function/{name}').status == 404:
        t.server.deploy_js(name, ECHO)
    return name


def test_path_and_query(t):
    name = echo(t)
    seen = t.server.invoke(name, method='GET', path='/a/b%20c?x=1&y=%26&x=2').json()
    t.equal(seen['path'], '/a/b%20c', 'path')
    t.equal(seen['query'].get('y'), '&', 'query y')
    t.equal(seen['query'].get('x') in (['1', '2'], '2', '1'), True, f"query x {seen['query']}")
    seen = t.server.invoke(name, method='GET').json()
    t.equal(seen['path'], '/', 'path of a bare call')


def test_generated_call_id(t):
    name = echo(t)
    answer = t.status(t.server.invoke(name), 200)
    t.matches(answer.header('X-Call-Id'), UUID4, 'X-Call-Id')
    t.matches(answer.header('X-Start-Time'), r'^\d{19}$', 'X-Start-Time')
    t.matches(answer.header('X-Duration-Seconds'), r'^\d+\.\d{6}$', 'X-Duration-Seconds')
    seen = {key.lower(): value for key, value in answer.json()['headers'].items()}
    t.equal(seen.get('x-call-id'), answer.header('X-Call-Id'), 'X-Call-Id seen by the function')
    t.equal(seen.get('x-start-time'), answer.header('X-Start-Time'), 'X-Start-Time seen')


def test_given_call_id_is_kept(t):
    answer = t.server.invoke(echo(t), headers={'X-Call-Id': 'mine-1'})
    seen = {key.lower(): value for key, value in answer.json()['headers'].items()}
    t.equal(seen.get('x-call-id'), 'mine-1', 'X-Call-Id seen by the function')


def test_forwarded_and_hop_headers(t):
    answer = t.server.invoke(echo(t), headers={'Connection': 'keep-alive', 'TE': 'trailers',
                                               'Proxy-Authorization': 'secret', 'X-Own': 'yes',
                                               'Keep-Alive': 'timeout=5'})
    seen = {key.lower(): value for key, value in answer.json()['headers'].items()}
    t.equal(seen.get('x-own'), 'yes', 'X-Own')
    t.equal(seen.get('x-forwarded-host'), f'127.0.0.1:{t.server.port}', 'X-Forwarded-Host')
    t.contains(seen.get('x-forwarded-for', ''), '127.0.0.1', 'X-Forwarded-For')
    for hop in ('connection', 'te', 'proxy-authorization', 'keep-alive', 'transfer-encoding'):
        t.true(hop not in seen, f'hop-by-hop header {hop} reached the function')


def test_body_by_content_type(t):
    name = echo(t)
    for kind, body, want in (
            ('application/json', '{"a":[1,"é"]}', {'a': [1, 'é']}),
            ('text/plain', 'plain é', 'plain é'),
            ('application/x-www-form-urlencoded', 'a=1&b=x+y%26', {'a': '1', 'b': 'x y&'})):
        answer = t.status(t.server.invoke(name, body, headers={'Content-Type': kind}), 200)
        t.equal(answer.json()['body'], want, kind)


def test_content_type_of_the_answer(t):
    name = t.name('typed')
    t.server.deploy_js(name, "module.exports = async (e, c) => "
                             "c.headers({'Content-Type': 'image/x-test'}).succeed('x');\n")
    t.equal(t.server.invoke(name).header('Content-Type'), 'image/x-test', 'Content-Type')


def test_head_and_options(t):
    name = echo(t)
    answer = t.status(t.server.invoke(name, method='HEAD'), 200)
    t.equal(answer.body, b'', 'body of HEAD')
    t.equal(t.status(t.server.invoke(name, method='OPTIONS'), 200).json()['method'], 'OPTIONS',
            'method')


def test_fetch_form(t):
    name = t.name('fetch')
    t.server.deploy_js(name, '''
export default {
    async fetch(request, env, ctx) {
        const url = new URL(request.url);
        return new Response(JSON.stringify({ text: await request.text(),
            q: url.searchParams.get('q'), greeting: env.greeting }),
            { status: 201, headers: { 'X-Own': 'a' } });
    },
};
''', envVars={'greeting': 'hi'})
    answer = t.status(t.server.invoke(name, 'body', path='/p?q=1'), 201)
    t.equal(answer.json(), {'text': 'body', 'q': '1', 'greeting': 'hi'}, 'answer')
    t.equal(answer.header('X-Own'), 'a', 'header')


def test_modules_and_packages(t):
    name = t.name('modules')
    t.server.deploy_files(name, {
        'handler.js': "const { twice } = require('./lib/math'); const pad = require('pad');\n"
                      "module.exports = async (e) => pad(String(twice(Number(e.body))));\n",
        'lib/math.js': 'exports.twice = (x) => 2 * x;\n',
        'node_modules/pad/package.json': '{"name":"pad","version":"1.0.0","main":"main.js"}',
        'node_modules/pad/main.js': "module.exports = (s) => s.padStart(4, '0');\n"})
    answer = t.server.invoke(name, '21', headers={'Content-Type': 'text/plain'})
    t.equal(t.status(answer, 200).text, '0042', 'answer')


def test_function_error_stays_private(t):
    name = t.name('throws')
    t.server.deploy_js(name, "module.exports = async () => {\n"
                             "    throw new TypeError('inner secret');\n};\n")
    answer = t.status(t.server.invoke(name), 500)
    t.true('inner secret' not in answer.text, f'the caller sees {answer.text!r}')
    path = f'/system/logs?name={name}&follow=false'
    t.eventually(lambda: 'inner secret' in t.server.request('GET', path).text, 'log of the error')
    log = t.server.request('GET', path).text
    t.contains(log, 'TypeError', 'log')
    t.matches(log, r'handler\.js:2', 'stack of the function in the log')


def test_fail_is_the_functions_word(t):
    name = t.name('fails')
    t.server.deploy_js(name, "module.exports = async (e, c) => c.status(418).fail('teapot');\n")
    answer = t.status(t.server.invoke(name), 418)
    t.contains(answer.text, 'teapot', 'answer')


def test_large_bodies_both_ways(t):
    name = t.name('large')
    t.server.deploy_files(name, {'function.wasm': wasm.CAT})
    body = bytes(range(256)) * 16384  # 4 MiB, far over one stream window
    answer = t.status(t.server.invoke(name, body, headers={
        'Content-Type': 'application/octet-stream'}), 200)
    t.true(answer.body == body, f'4 MiB came back as {len(answer.body)} bytes or changed')


def test_request_is_streamed(t):
    """The function sees the first bytes while the rest of the request has not been sent."""
    name = t.name('instream')
    t.server.deploy_files(name, {'function.wasm': wasm.copy_to(2)})
    with socket.create_connection(('127.0.0.1', t.server.port), timeout=HANG) as peer:
        peer.sendall(f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
                     'Transfer-Encoding: chunked\r\n\r\n'.encode())
        line = b'early ' * 11 + b'bird\n'
        for _ in range(1000):
            peer.sendall(b'%x\r\n' % len(line) + line + b'\r\n')
        path = f'/system/logs?name={name}&follow=false'
        t.eventually(lambda: 'early' in t.server.request('GET', path).text,
                     'the function reads before the request ends')
        peer.sendall(b'0\r\n\r\n')
        text = b''
        while piece := peer.recv(65536):
            text += piece
    t.true(text.startswith(b'HTTP/1.1 200'), f'{text[:200]!r}')


def test_response_is_streamed(t):
    """Bytes of the answer arrive while the function is still running, and when that then comes to
    its deadline the answer is cut, not ended as if it were whole."""
    t.while_it_lasts(lambda seconds: streamed_then_cut(t, seconds), 'an answer of a running function')


def streamed_then_cut(t, seconds):
    name = t.name('outstream')
    t.server.deploy_files(name, {'function.wasm': wasm.write_then_loop()},
                          envVars={'exec_timeout': f'{seconds}s'})
    with begin_call(t, name) as peer:
        text = b''
        while len(text) < 2000:
            piece = peer.recv(65536)
            if not piece or text.startswith(b'HTTP/1.1 504'):
                return False
            text += piece
        # What a call has cost is added up at its end.
        running = t.server.metric('tfaas_function_work_units_total', name) == 0
        t.true(text.startswith(b'HTTP/1.1 200'), f'{text[:100]!r}')
        text += rest_of(peer)
    t.true(not text.endswith(b'\r\n0\r\n\r\n'), 'a cut answer looks whole')
    return running


def begin_call(t, name, version='1.1', method='POST'):
    peer = socket.create_connection(('127.0.0.1', t.server.port), timeout=300)
    peer.sendall(f'{method} {name if "/" in name else "/function/" + name} HTTP/{version}\r\n'
                 'Host: localhost\r\nContent-Length: 0\r\n\r\n'.encode())
    return peer


def rest_of(peer):
    text = b''
    try:
        while piece := peer.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    return text


def test_end_of_an_answer_beside_an_idle_client(t):
    """Where the end of the connection ends the answer, it comes at once, whoever else is connected."""
    cut, whole = t.name('cut'), t.name('whole')
    t.server.deploy_files(cut, {'function.wasm': wasm.write_then_loop()},
                          envVars={'exec_timeout': '1s'})
    t.server.deploy_js(whole, '''
export default { async fetch() {
    let part = 0;
    return new Response(new ReadableStream({ async pull(controller) {
        if (part === 3) { controller.close(); return; }
        await new Promise((done) => setTimeout(done, 100));
        controller.enqueue(new TextEncoder().encode(`part ${part++}\\n`));
    } }));
} };
''')
    idle = http.client.HTTPConnection('127.0.0.1', t.server.port, timeout=HANG)
    try:
        t.status(request_on(idle, 'GET', '/healthz'), 200)
        for version in ('1.1', '1.0'):
            with begin_call(t, cut, version) as peer:
                rest_of(peer)
        with begin_call(t, whole, '1.0') as peer:
            text = rest_of(peer)
        t.true(text.startswith(b'HTTP/1.0 200') or text.startswith(b'HTTP/1.1 200'), f'{text!r}')
        t.true(text.endswith(b'\r\n\r\npart 0\npart 1\npart 2\n'), f'{text!r}')
        with begin_call(t, f'/system/logs?name={whole}&follow=false', '1.0', 'GET') as peer:
            t.contains(rest_of(peer).decode(), ' 200 ', 'log without follow')
        t.status(request_on(idle, 'GET', '/healthz'), 200)
    finally:
        idle.close()


def test_body_larger_than_the_functions_memory(t):
    name = t.name('through')
    t.server.deploy_files(name, {'function.wasm': wasm.CAT}, limits={'memory': '1Mi'})
    body = b'0123456789abcdef' * (1 << 20)
    answer = t.status(t.server.invoke(name, body), 200)
    t.true(answer.body == body, f'16 MiB came back as {len(answer.body)} bytes or changed')


def test_pristine_instance_for_every_call(t):
    name = t.name('pristine')
    t.server.deploy_js(name, '''
let calls = 0;
globalThis.kept = globalThis.kept || [];
module.exports = async () => {
    calls += 1;
    globalThis.kept.push('left over');
    Array.prototype.poison = (Array.prototype.poison || 0) + 1;
    return JSON.stringify([calls, globalThis.kept.length, Array.prototype.poison]);
};
''')
    for _ in range(20):
        t.equal(t.status(t.server.invoke(name), 200).json(), [1, 1, 1], 'state of a call')


def test_random_streams_differ(t):
    name = t.name('random')
    t.server.deploy_js(name, 'module.exports = async () => JSON.stringify('
                             '[Math.random(), crypto.randomUUID()]);\n')
    answers = [tuple(t.status(t.server.invoke(name), 200).json()) for _ in range(100)]
    t.equal(len({first for first, _ in answers}), 100, 'distinct Math.random')
    t.equal(len({second for _, second in answers}), 100, 'distinct UUIDs')
    t.true(all(re.match(UUID4, second) for _, second in answers), 'UUID form')


def test_concurrent_calls_do_not_mix(t):
    name, wrong = echo(t), []

    def worker(number):
        for step in range(20):
            body = json.dumps({'who': number, 'step': step})
            answer = t.server.invoke(name, body, headers={'Content-Type': 'application/json'})
            if answer.status != 200 or answer.json()['body'] != {'who': number, 'step': step}:
                wrong.append(repr(answer))

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.equal(wrong[:3], [], 'mixed or failed answers')


def test_waiting_does_not_block_others(t):
    t.while_it_lasts(lambda seconds: others_meanwhile(t, seconds), 'ten calls beside one that waits')


def others_meanwhile(t, seconds):
    slow, fast = t.name('slow'), echo(t)
    t.server.deploy_js(slow, 'module.exports = async () => {\n'
                             f'    await new Promise((done) => setTimeout(done, {seconds * 1000}));\n'
                             "    return 'slept';\n};\n", envVars={'exec_timeout': '300s'})
    answers = []
    thread = threading.Thread(target=lambda: answers.append(t.server.invoke(slow, timeout=300)))
    thread.start()
    t.eventually(lambda: t.server.started(slow) == 1, 'the slow call begins')
    for _ in range(10):
        t.status(t.server.invoke(fast), 200)
    meanwhile = not answers
    thread.join()
    t.equal(t.status(answers[0], 200).text, 'slept', 'slow answer')
    return meanwhile


def test_default_namespace_suffix(t):
    name = echo(t)
    t.status(t.server.request('GET', f'/function/{name}.{NAMESPACE}/x'), 200)


def test_time_while_loading(t):
    """Module code sees the time, in the core that tries the deploy and in the one that serves."""
    name, before = t.name('clock'), int(time.time() * 1000)
    t.server.deploy_js(name, '''
        const loaded = Date.now();
        if (loaded < Date.UTC(2024, 0)) throw new Error('loaded in ' + loaded);
        module.exports = async () => [loaded, Date.now()];
    ''')
    loaded, called = t.status(t.server.invoke(name), 200).json()
    after = int(time.time() * 1000)
    t.true(before - 1 <= loaded <= called <= after, f'{before} {loaded} {called} {after}')


def test_more_headers_than_fit(t):
    """The runtime's bound and the daemon's are one: all that the runtime sends is taken."""
    name = t.name('wide')
    t.server.deploy_js(name, '''
        module.exports = async (event, context) =>
            context.headers({ 'x-wide': 'w'.repeat(Number(event.query.size)) }).succeed('ok');
    ''')
    most = t.status(t.server.invoke(name, path='?size=12202'), 200)
    t.equal(len(most.header('x-wide')), 12202, 'length of the header')
    for size in (12203, 12300, 24000):
        t.status(t.server.invoke(name, path=f'?size={size}'), 500)
    logs = t.status(t.server.request('GET', f'/system/logs?name={name}&follow=false'), 200)
    t.contains(logs.text, 'RangeError: response headers exceed', 'log of the function')
