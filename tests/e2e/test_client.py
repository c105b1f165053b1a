# test_client.py - build/tfaas against a real tfaasd: verification, calls in every form, receipts,
# sealed secrets and packages, the load generator, and hosts that lie in between.
import http.server
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

from lib import TFAASD, measured_as, request
from test_attested import core_pids

ROOT = pathlib.Path(__file__).resolve().parents[2]
TFAAS = os.environ.get('TFAAS', str(ROOT / 'build/tfaas'))
CORE = str(pathlib.Path(TFAASD).parent / 'tfaas-core')
ECHO = 'module.exports = async (event) => event.body;'
WHERE = '''module.exports = async (event, context) => context.status(event.query.code || 200)
    .headers({'x-seen': event.headers['x-test'] || ''}).succeed(event.method + ' ' + event.path);'''
READER = '''
const fs = require('fs');
module.exports = async (event) => {
    try { return fs.readFileSync('/var/openfaas/secrets/token').toString(); } catch (e) { return 'none'; }
};'''
FORMS = ('whole', 'chunked', 'session', 'auto')


def tfaas(*arguments, stdin=b''):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([TFAAS, *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def measurement():
    return tfaas('core', 'measure', CORE, *measured_as())[1].decode().strip()


def trust():
    return '--core', measurement(), '--allow-simulated'


def url(server):
    return f'http://127.0.0.1:{server.port}'


def good(t, result, what):
    t.true(result[0] == 0, f'{what}: exit {result[0]}: {result[2]}')
    return result[1]


def bad(t, result, code, name, what):
    t.equal(result[0], code, f'{what}: {result[2]}')
    t.contains(result[2], f'tfaas: {name}:', what)


# --- verification ---

def test_verify(t):
    here = url(t.server)
    code, out, _ = tfaas('verify', here)
    t.equal(code, 5, 'the default policy refuses what is simulated')
    t.contains(out.decode(), 'FAILED (SIMULATED)', 'verdict')
    bad(t, tfaas('verify', here, '--allow-simulated'), 5, 'measurement_not_allowed', 'no core')
    bad(t, tfaas('verify', here, '--allow-simulated', '--core', '0' * 96), 5,
        'measurement_not_allowed', 'another core')
    out = good(t, tfaas('verify', here, *trust()), 'verify').decode()
    t.true(out.startswith('SIMULATED: '), 'the first word of the verdict')
    for part in ('14. ok ', ' nonce ', 'not covered: EVERYTHING', measurement()):
        t.contains(out, part, 'verdict')
    report = json.loads(good(t, tfaas('verify', here, *trust(), '--json'), 'json'))
    t.equal((report['verdict'], report['simulated'], report['tee'], report['measurement']),
            ('ok', True, 'simulated', measurement()), 'report')
    t.equal({check['result'] for check in report['checks']}, {'ok'}, 'checks')
    bad(t, tfaas('verify', here, *trust(), '--namespace', 'nowhere'), 1, 'host_refused', 'namespace')


def test_network_errors_are_no_verification_errors(t):
    bad(t, tfaas('verify', 'http://127.0.0.1:1', *trust()), 6, 'transport', 'nobody there')
    bad(t, tfaas('invoke', 'http://127.0.0.1:1', 'x', *trust()), 6, 'transport', 'nobody there')
    t.server.deploy_js(t.name(), ECHO)
    bad(t, tfaas('invoke', url(t.server), 'no-such-function', *trust()), 1, 'host_refused', 'unknown')


def test_saved_evidence(t):
    with tempfile.TemporaryDirectory() as folder:
        bundle = f'{folder}/bundle'
        good(t, tfaas('verify', url(t.server), *trust(), '--save', bundle), 'save')
        good(t, tfaas('verify', '--bundle', bundle, *trust()), 'offline')
        bad(t, tfaas('verify', '--bundle', bundle, *trust(), '--at', '4000000000'), 5,
            'evidence_expired', 'later')
        bad(t, tfaas('verify', '--bundle', bundle), 5, 'simulated_refused', 'default policy')
        cache = f'{folder}/cache'
        os.mkdir(cache)
        name = t.name()
        t.server.deploy_js(name, ECHO)
        for _ in range(2):
            out = good(t, tfaas('invoke', url(t.server), name, *trust(), '--cache', cache,
                                '--data', 'x'), 'with a cache')
            t.equal(out, b'x', 'answer')
            t.equal(len(os.listdir(cache)), 1, 'files of the cache')


# --- calls ---

def test_every_form(t):
    name, here = t.name(), url(t.server)
    t.server.deploy_js(name, ECHO)
    for form in FORMS:
        out = good(t, tfaas('invoke', here, name, *trust(), '--data', form, '--form', form), form)
        t.equal(out, form.encode(), form)
    out = good(t, tfaas('invoke', here, name, *trust(), '--data', 'g', '--gateway'), 'gateway')
    t.equal(out, b'g', 'by the gateway resource')
    out = good(t, tfaas('invoke', here, name, *trust(), '--data', '-', '--no-session', stdin=b'in'),
               'stdin')
    t.equal(out, b'in', 'stdin')


def test_what_the_function_sees(t):
    name, here = t.name(), url(t.server)
    t.server.deploy_js(name, WHERE)
    out = good(t, tfaas('invoke', here, name, *trust(), '--method', 'PUT', '--path', '/a/b?c=d',
                        '--header', 'X-Test: hello', '--include'), 'invoke').decode()
    t.contains(out, 'PUT /a/b', 'method and path')
    t.contains(out, 'x-seen: hello', 'header')
    t.true('tfaas-' not in out, 'fields of the protocol are not shown')
    result = tfaas('invoke', here, name, *trust(), '--path', '/?code=418')
    t.equal(result[0], 1, 'status 418')
    t.contains(result[2], 'answered 418', 'status 418')


def test_large_streams(t):
    name, body = t.name(), os.urandom(3 << 20)
    t.server.deploy_js(name, ECHO)
    for more in (('--stream',), ('--stream', '--form', 'chunked'), ('--form', 'chunked')):
        out = good(t, tfaas('invoke', url(t.server), name, *trust(), '--data', '-', '--header',
                            'content-type: application/octet-stream', *more, stdin=body), more)
        t.true(out == body, f'{more}: {len(out)} bytes came back')


def test_package_pin(t):
    name, here = t.name(), url(t.server)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, 'handler.js').write_text(ECHO, encoding='utf-8')
        digest = good(t, tfaas('package', 'digest', folder), 'digest').decode().strip()
    t.server.deploy_js(name, ECHO)
    out = good(t, tfaas('invoke', here, name, *trust(), '--package', digest, '--data', 'x'), 'pin')
    t.equal(out, b'x', 'the digest of a folder is the digest of the host')
    for form in ('whole', 'chunked', 'session'):
        bad(t, tfaas('invoke', here, name, *trust(), '--package', 'sha256:' + '0' * 64, '--form',
                     form), 5, 'package_mismatch', form)


def test_receipts(t):
    name, here = t.name(), url(t.server)
    t.server.deploy_js(name, ECHO)
    with tempfile.TemporaryDirectory() as folder:
        bundle, files = f'{folder}/bundle', [f'{folder}/{i}' for i in range(4)]
        good(t, tfaas('verify', here, *trust(), '--save', bundle), 'save')
        for file, form in zip(files, FORMS):
            good(t, tfaas('invoke', here, name, *trust(), '--data', 'x', '--receipt', file,
                          '--form', form), form)
        check = ('--evidence', bundle, *trust())
        lines = good(t, tfaas('receipt', 'verify', *files, *check, '--json'), 'all').splitlines()
        numbers = [json.loads(line)['seq'] for line in lines]
        t.equal(numbers, list(range(numbers[0], numbers[0] + 4)), 'numbers')
        t.equal({json.loads(line)['fn'] for line in lines}, {f'{name}.openfaas-fn'}, 'function')
        bad(t, tfaas('receipt', 'verify', files[0], files[2], *check), 5, 'receipt_gap', 'one left out')
        text = pathlib.Path(files[1]).read_text(encoding='ascii')
        changed = ('B' if text[400] == 'A' else 'A')
        pathlib.Path(files[1]).write_text(text[:400] + changed + text[401:], encoding='ascii')
        result = tfaas('receipt', 'verify', files[1], *check)
        t.equal(result[0], 5, f'a changed receipt: {result[2]}')


# --- hosts in between ---

class Gateway:
    """Carries requests to a server; `twist(path, status, type, body)` may change what comes back,
    `again` sends every call twice and gives the second answer."""

    def __init__(self, server, twist=None, again=False):
        outer = self
        self.calls, self.port = 0, server.port

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_any(self):
                size = int(self.headers.get('Content-Length') or 0)
                body = self.rfile.read(size)
                head = {'Content-Type': self.headers.get('Content-Type') or ''}
                call = self.path.startswith('/function/')
                outer.calls += call
                for _ in range(2 if again and call else 1):
                    answer = request(outer.port, self.command, self.path, body or None, head)
                status, kind, data = answer.status, answer.header('Content-Type'), answer.body
                if twist:
                    status, kind, data = twist(self.path, status, kind, data)
                self.send_response(status)
                self.send_header('Content-Type', kind or '')
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_any

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.http.server_address[1]}'
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def through(t, twist, code, error, *more, again=False):
    name = t.name()
    t.server.deploy_js(name, ECHO)
    with Gateway(t.server, twist, again) as gateway:
        result = tfaas('invoke', gateway.url, name, *trust(), '--data', 'x' * 100, *more)
        if code == 0:
            t.equal(good(t, result, error), b'x' * 100, error)
        else:
            bad(t, result, code, error, error)
            t.equal(result[1], b'', f'{error}: nothing is shown')
        return gateway.calls


def only_calls(change):
    return lambda path, *answer: change(*answer) if path.startswith('/function/') else answer


def test_honest_gateway(t):
    t.equal(through(t, None, 0, 'honest'), 1, 'calls')


def test_answer_in_clear(t):
    through(t, only_calls(lambda *_: (200, 'text/plain', b'x' * 100)), 5, 'downgrade')


def test_answer_changed(t):
    def flip(status, kind, body):
        return status, kind, body[:60] + bytes([body[60] ^ 1]) + body[61:]
    for form in ('whole', 'chunked'):
        through(t, only_calls(flip), 5, 'response_not_authentic', '--form', form)


def test_answer_cut(t):
    def cut(status, kind, body):
        return status, kind, body[:20]
    through(t, only_calls(cut), 1, 'response_truncated', '--form', 'chunked')


def test_answer_of_another_call(t):
    kept = []

    def first(status, kind, body):
        kept.append(body)
        return status, kind, kept[0]
    name = t.name()
    t.server.deploy_js(name, ECHO)
    with Gateway(t.server, only_calls(first)) as gateway:
        good(t, tfaas('invoke', gateway.url, name, *trust(), '--data', '1'), 'its own answer')
        bad(t, tfaas('invoke', gateway.url, name, *trust(), '--data', '2'), 5,
            'response_not_authentic', 'the answer before')


def test_replayed_by_the_host(t):
    through(t, None, 1, 'replay_reported', again=True)


def test_host_that_knows_no_key_is_asked_twice(t):
    body = json.dumps({'type': 'https://iana.org/assignments/http-problem-types#ohttp-key'}).encode()
    problem = (400, 'application/problem+json', body)
    t.equal(through(t, only_calls(lambda *_: problem), 6, 'key_unknown'), 2, 'calls')
    t.equal(through(t, only_calls(lambda *_: problem), 6, 'key_unknown', '--once'), 1, 'calls')


def test_evidence_changed(t):
    def twist(path, status, kind, body):
        if not path.startswith('/.well-known/tfaas/evidence'):
            return status, kind, body
        members = json.loads(body)
        text = members['evidence'][1]
        middle = len(text) // 2
        members['evidence'][1] = (text[:middle] + ('B' if text[middle] == 'A' else 'A')
                                  + text[middle + 1:])
        return status, kind, json.dumps(members).encode()
    through(t, twist, 5, 'evidence_signature')


def test_domain_statement_of_another_host(t):
    """A relay that shows one host's evidence and another's keys."""
    other = t.fresh()

    def twist(path, status, kind, body):
        if path.startswith('/.well-known/tfaas/domain'):
            body = request(other.port, 'GET', path).body
        return status, kind, body
    through(t, twist, 5, 'domain_signature')


# --- sealed secrets and packages ---

def test_sealed_secret(t):
    name, other = t.name(), t.name()
    server = t.fresh()
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, 'handler.js').write_text(READER, encoding='utf-8')
        digest = good(t, tfaas('package', 'digest', folder), 'digest').decode().strip()
    body = good(t, tfaas('secret', 'seal', '--name', 'token', '--package', digest, url(server),
                         *trust(), '--json', stdin=b'the value'), 'seal')
    t.true(b'the value' not in body, 'the value is sealed')
    t.status(server.request('POST', '/system/secrets', body), 200, 201, 202)
    server.deploy_js(name, READER, secrets=['token'])
    out = good(t, tfaas('invoke', url(server), name, *trust()), 'invoke')
    t.equal(out, b'the value', 'the package that was named reads it')
    t.status(server.put_package('other', {'handler.js': READER + '// other'}), 201)
    t.error(server.deploy(other, 'other', secrets=['token']), 403, 'does not name this package')


def test_sealed_package_and_its_logs(t):
    name, server = t.name(), t.fresh()
    logging = "module.exports = async (event) => { console.log('said ' + event.body); return 'done'; };"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, 'source')
        source.mkdir()
        (source / 'handler.js').write_text(logging, encoding='utf-8')
        key, sealed = f'{folder}/key', f'{folder}/sealed'
        public = good(t, tfaas('keygen', key), 'keygen').decode().strip()
        t.equal(os.stat(key).st_mode & 0o777, 0o600, 'mode of the key')
        good(t, tfaas('package', 'seal', source, url(server), '--name', name, '--log-key', public,
                      '--out', sealed, *trust()), 'seal')
        t.true(b'said' not in pathlib.Path(sealed).read_bytes(), 'the code is sealed')
        good(t, tfaas('package', 'push', sealed, url(server), 'hidden:1'), 'push')
        t.status(server.deploy(name, 'hidden:1'), 202)
        digest = good(t, tfaas('package', 'digest', source), 'digest').decode().strip()
        out = good(t, tfaas('invoke', url(server), name, *trust(), '--package', digest, '--data',
                            'secret words'), 'invoke')
        t.equal(out, b'done', 'answer')
        lines = server.request('GET', f'/system/logs?name={name}').body
        t.true(b'secret words' not in lines, 'the host sees no text')
        t.true(b'tfaas-log-v1:' in lines, f'a sealed line: {lines[:300]}')
        shown = good(t, tfaas('logs', 'open', '--key', key, '--package', digest, stdin=lines), 'open')
        t.contains(shown.decode(), 'said secret words', 'opened')
        good(t, tfaas('keygen', f'{folder}/wrong'), 'another key')
        t.equal(tfaas('logs', 'open', '--key', f'{folder}/wrong', '--package', digest,
                      stdin=lines)[0], 5, 'another key')


# --- a worker that ends, and load ---

def test_worker_that_ended(t):
    """The keys of keeper and workers end with them: a later call finds the next ones by itself."""
    server, name = t.fresh(), t.name()
    server.deploy_js(name, ECHO)
    with tempfile.TemporaryDirectory() as cache:
        more = (*trust(), '--cache', cache, '--data', 'x')
        good(t, tfaas('invoke', url(server), name, *more), 'first')
        for pid in core_pids(server):
            os.kill(pid, signal.SIGKILL)
        t.eventually(lambda: tfaas('invoke', url(server), name, *more)[1] == b'x', 'a new worker')


def test_bench(t):
    name = t.name()
    t.server.deploy_js(name, ECHO)
    for mode in ('plain', 'session', 'session+receipt', 'ohttp'):
        out = good(t, tfaas('bench', url(t.server), name, *trust(), '--mode', mode, '--requests',
                            '500', '--connections', '8', '--data', 'x', '--json'), mode)
        report = json.loads(out)
        t.equal((report['ok'], report['failed']), (500, 0), mode)
        t.equal(report['verified'], 0 if mode == 'plain' else 63, f'{mode}: verified')
        t.true(report['rps'] > 0 and report['p99_us'] >= report['p50_us'] > 0, mode)
