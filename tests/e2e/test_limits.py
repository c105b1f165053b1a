# test_limits.py - functions that take too much: time, memory, output, log, stack, places. Each ends
# with its own clear error, and the next call works in the same core.
import http.client
import threading

import wasm
from lib import HANG, Response

SECOND = {'exec_timeout': '1s'}
AMPLE = {'exec_timeout': '300s'}  # another limit ends it, however slow the machine is
FINE = "module.exports = async () => 'fine';\n"


def hostile_js(t, source, **fields):
    name = t.name('hostile')
    t.server.deploy_js(name, source, **{'envVars': SECOND, **fields})
    return name


def fine(t):
    if t.server.request('GET', '/system/function/limits-fine').status == 404:
        t.server.deploy_js('limits-fine', FINE)
    t.alive(t.server, 'limits-fine', b'', 'fine')


def test_endless_loop(t):
    fine(t)
    name = hostile_js(t, 'module.exports = async () => { for (;;) {} };\n')
    for _ in range(2):
        t.error(t.server.invoke(name), 504, 'deadline')
        fine(t)


def test_endless_loop_does_not_stop_others(t):
    fine(t)
    t.while_it_lasts(lambda seconds: others_meanwhile(t, seconds), 'five calls beside endless loops')


def others_meanwhile(t, seconds):
    name, answers = hostile_js(t, 'module.exports = async () => { for (;;) {} };\n',
                               envVars={'exec_timeout': f'{seconds}s'}), []
    threads = [threading.Thread(target=lambda: answers.append(t.server.invoke(name, timeout=300)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    t.eventually(lambda: t.server.started(name) == 4, 'the loops begin')
    for _ in range(5):
        t.status(t.server.invoke('limits-fine'), 200)
    meanwhile = not answers
    for thread in threads:
        thread.join()
    t.equal([answer.status for answer in answers], [504] * 4, 'answers of the loops')
    return meanwhile


def test_endless_wasm_loop(t):
    fine(t)
    name = t.name('loop')
    t.server.deploy_files(name, {'function.wasm': wasm.ENDLESS_LOOP}, envVars=SECOND)
    t.error(t.server.invoke(name), 504, 'deadline')
    fine(t)


def test_promise_that_never_settles(t):
    fine(t)
    name = hostile_js(t, 'module.exports = () => new Promise(() => {});\n')
    t.error(t.server.invoke(name), 504)
    fine(t)


def test_memory_bomb(t):
    fine(t)
    name = hostile_js(t, "module.exports = async () => { const all = [];\n"
                         "    for (;;) all.push('x'.repeat(1 << 20) + all.length); };\n",
                      envVars=AMPLE, limits={'memory': '64Mi'})
    answer = t.server.invoke(name, timeout=300)
    t.true(answer.status in (500, 507), f'{answer}')
    t.error(answer, answer.status, 'memory')
    fine(t)


def test_wasm_memory_growth_is_bounded(t):
    fine(t)
    name = t.name('grower')
    t.server.deploy_files(name, {'function.wasm': wasm.GROWER}, limits={'memory': '32Mi'})
    for _ in range(5):
        answer = t.server.invoke(name)
        t.true(answer.status in (200, 507), f'{answer}')
    fine(t)


def test_recursion(t):
    fine(t)
    name = hostile_js(t, 'const again = () => again() + 1;\n'
                         'module.exports = async () => again();\n', envVars=AMPLE)
    # JavaScript runs out of its own stack first: a RangeError, which the runtime answers.
    t.equal(t.server.invoke(name).status, 500, 'JavaScript')
    name = t.name('recursion')
    t.server.deploy_files(name, {'function.wasm': wasm.recursion()})
    for _ in range(3):
        t.error(t.server.invoke(name), 500)
    fine(t)


def test_trap_and_exit_code(t):
    for module in (wasm.TRAP, wasm.exit_with(3)):
        name = t.name('fails')
        t.server.deploy_files(name, {'function.wasm': module})
        t.error(t.server.invoke(name), 500)
    name = t.name('exits')
    t.server.deploy_files(name, {'function.wasm': wasm.exit_with(0)})
    t.status(t.server.invoke(name), 200)


def test_output_bomb(t):
    """An answer over the limit is cut or refused; it never arrives as if it were whole."""
    fine(t)
    name = t.name('output')
    t.server.deploy_files(name, {'function.wasm': wasm.endless_writer(1)},
                          envVars=AMPLE)
    try:
        answer = t.server.invoke(name, timeout=300)
    except OSError:
        pass  # the stream was cut: the client knows that it is not whole
    except Exception as error:  # http.client's IncompleteRead is no OSError
        t.contains(type(error).__name__, 'IncompleteRead', 'error of the client')
    else:
        t.error(answer, 507)
    fine(t)


def test_log_bomb(t):
    fine(t)
    name = t.name('log')
    t.server.deploy_files(name, {'function.wasm': wasm.endless_writer(2)}, envVars=SECOND)
    t.error(t.server.invoke(name), 504)
    answer = t.server.request('GET', f'/system/logs?name={name}&follow=false')
    t.true(len(answer.body) < (4 << 20), f'{len(answer.body)} bytes of log are kept')
    fine(t)


def test_javascript_log_bomb(t):
    name = hostile_js(t, "module.exports = async () => {\n"
                         "    for (let i = 0; i < 200000; i++) console.log('line ' + i);\n"
                         "    return 'done';\n};\n", envVars=AMPLE)
    answer = t.server.invoke(name, timeout=300)
    t.true(answer.status in (200, 504, 507), f'{answer}')
    fine(t)


def test_body_over_the_limit(t):
    server = t.fresh(config={'max_body': '1048576'})
    server.deploy_js('fine', FINE)
    t.status(server.invoke('fine', b'x' * (1 << 20), headers={'Content-Type': 'text/plain'}), 200)
    for size in ((1 << 20) + 1, 3 << 20):
        try:
            t.error(server.invoke('fine', b'x' * size), 413)
        except (BrokenPipeError, ConnectionResetError):
            t.true(size > (2 << 20), 'the connection was cut instead of a 413')
    server.deploy_files('cat', {'function.wasm': wasm.CAT})
    pieces = (b'x' * 65536 for _ in range(32))
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=HANG)
    try:
        connection.request('POST', '/function/cat', body=pieces, encode_chunked=True,
                           headers={'Transfer-Encoding': 'chunked'})
        status = connection.getresponse()
        whole = status.read()
        t.true(status.status == 413 or len(whole) <= (1 << 20), f'{status.status}, {len(whole)}')
        t.equal(status.status, 413, 'chunked body over the limit')
    except (OSError, http.client.HTTPException):
        pass  # it was cut after the answer had begun
    finally:
        connection.close()
    t.alive(server, 'fine', b'', 'fine')


def test_queue_full(t):
    """With every place taken the next call is told to come back: 429 with Retry-After."""
    server, count = t.fresh(config={'queue_max': '4'}), 300
    server.deploy_files('cat', {'function.wasm': wasm.CAT}, envVars=AMPLE)
    # Each call begins with this much of its content, and cannot end before the rest is sent.
    calls, part = [], b'x' * 50000
    try:
        for _ in range(count):
            call = http.client.HTTPConnection('127.0.0.1', server.port, timeout=HANG)
            calls.append(call)
            call.putrequest('POST', '/function/cat')
            call.putheader('Content-Length', str(len(part) + 1))
            call.endheaders(part)
        t.eventually(lambda: server.started('cat') == count, 'all calls begin')
        codes = [end_call(t, call, part + b'y') for call in calls]
    finally:
        for call in calls:
            call.close()
    t.equal(set(codes), {200, 429}, f'status codes of {count} calls at once')
    t.status(server.invoke('cat'), 200)


def end_call(t, call, content):
    call.send(content[-1:])
    answer = call.getresponse()
    body = answer.read()
    if answer.status == 429:
        t.matches(answer.headers.get('Retry-After'), r'^\d+$', 'Retry-After')
        t.error(Response(answer.status, answer.reason, answer.headers, body), 429)
    elif answer.status == 200:
        t.true(body == content, f'{len(body)} bytes came back')
    return answer.status
