# test_limits.py - functions that take too much: time, memory, output, log, stack, places. Each ends
# with its own clear error, and the next call works in the same core.
import http.client
import threading

import wasm
from lib import request

SECOND = {'exec_timeout': '1s'}
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
        t.error(t.server.invoke(name, timeout=10), 504, 'deadline')
        fine(t)


def test_endless_loop_does_not_stop_others(t):
    fine(t)
    name, answers = hostile_js(t, 'module.exports = async () => { for (;;) {} };\n'), []
    threads = [threading.Thread(target=lambda: answers.append(t.server.invoke(name, timeout=20)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        t.status(t.server.invoke('limits-fine', timeout=2), 200)
    for thread in threads:
        thread.join()
    t.equal([answer.status for answer in answers], [504] * 4, 'answers of the loops')


def test_endless_wasm_loop(t):
    fine(t)
    name = t.name('loop')
    t.server.deploy_files(name, {'function.wasm': wasm.ENDLESS_LOOP}, envVars=SECOND)
    t.error(t.server.invoke(name, timeout=10), 504, 'deadline')
    fine(t)


def test_promise_that_never_settles(t):
    fine(t)
    name = hostile_js(t, 'module.exports = () => new Promise(() => {});\n')
    t.error(t.server.invoke(name, timeout=10), 504)
    fine(t)


def test_memory_bomb(t):
    fine(t)
    name = hostile_js(t, "module.exports = async () => { const all = [];\n"
                         "    for (;;) all.push('x'.repeat(1 << 20) + all.length); };\n",
                      envVars={'exec_timeout': '20s'}, limits={'memory': '64Mi'})
    answer = t.server.invoke(name, timeout=40)
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
                         'module.exports = async () => again();\n')
    # JavaScript runs out of its own stack first: a RangeError, which the runtime answers.
    t.equal(t.server.invoke(name, timeout=10).status, 500, 'JavaScript')
    name = t.name('recursion')
    t.server.deploy_files(name, {'function.wasm': wasm.recursion()})
    for _ in range(3):
        t.error(t.server.invoke(name, timeout=10), 500)
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
                          envVars={'exec_timeout': '30s'})
    try:
        answer = t.server.invoke(name, timeout=60)
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
    t.error(t.server.invoke(name, timeout=20), 504)
    answer = t.server.request('GET', f'/system/logs?name={name}&follow=false')
    t.true(len(answer.body) < (4 << 20), f'{len(answer.body)} bytes of log are kept')
    fine(t)


def test_javascript_log_bomb(t):
    name = hostile_js(t, "module.exports = async () => {\n"
                         "    for (let i = 0; i < 200000; i++) console.log('line ' + i);\n"
                         "    return 'done';\n};\n", envVars={'exec_timeout': '20s'})
    answer = t.server.invoke(name, timeout=40)
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
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
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
    server = t.fresh(config={'queue_max': '4'})
    server.deploy_js('wait', 'module.exports = () => new Promise((done) => '
                             "setTimeout(() => done('ok'), 1500));\n")
    answers, lock = [], threading.Lock()

    def call():
        answer = request(server.port, 'POST', '/function/wait', timeout=60)
        with lock:
            answers.append(answer)

    threads = [threading.Thread(target=call) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = {answer.status for answer in answers}
    t.equal(codes, {200, 429}, 'status codes of 300 calls at once')
    for answer in answers:
        if answer.status == 429:
            t.error(answer, 429)
            t.matches(answer.header('Retry-After'), r'^\d+$', 'Retry-After')
    t.status(server.invoke('wait', timeout=30), 200)
