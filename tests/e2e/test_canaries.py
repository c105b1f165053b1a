# test_canaries.py - what a host sees of attested invocation: random canaries in everything that a
# caller or an owner seals must be nowhere in the memory of untrusted processes, on the wire, in the
# state folder, logs, metrics, dumps. The same search finds the canaries of plain calls.
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

import canary
import lib
import sealed
import wasm
from test_attested import core_pids, put_sealed_secret

TFAAS = pathlib.Path(os.environ.get('TFAAS', lib.ROOT / 'build' / 'tfaas'))
OPEN = '''
module.exports = async (event, context) => {
  console.log('log ' + event.body);
  return context.status(200).succeed(event.body);
};
'''
HIDDEN = '''
const fs = require('fs');
const turn = (text) => text.split('').reverse().join('');
console.log('%(load_log)s');
module.exports = async (event, context) => {
  console.log('%(log)s ' + event.body);
  if (event.path === '/throw') throw new Error('%(error)s ' + event.body);
  const secret = fs.readFileSync('/var/openfaas/secrets/token').toString();
  const all = [event.body, secret, event.path, event.headers['x-canary'], '%(code)s'];
  return context.status(201).headers({'x-answer': turn(event.headers['x-canary'])})
    .succeed(all.map(turn).join(' '));
};
'''
BROKEN = "throw new Error('%s'); module.exports = 1;"


def tfaas(*words, stdin=b'', code=0):
    done = subprocess.run([TFAAS, *words], input=stdin, capture_output=True, timeout=lib.HANG,
                          check=False)
    if done.returncode != code:
        raise lib.Problem(f'tfaas {words[:2]}: {done.returncode}, {done.stderr.decode()}')
    return done.stdout


def measurement():
    return tfaas('core', 'measure', str(lib.TFAASD.with_name('tfaas-core')),
                 *lib.measured_as()).decode().strip()


class Stage:
    """A tfaasd with open and confidential functions, and every canary that they hold."""

    def __init__(self, t, folder):
        self.folder, self.secret, self.control = folder, canary.Canaries(), canary.Canaries()
        self.server = t.fresh(env={'CONTROL': self.control.make('environment')},
                              config={'keepers': 2, 'evidence': 'simulated'})
        self.url = f'http://127.0.0.1:{self.server.port}'
        self.trust = ('--allow-simulated', '--core', measurement())
        self.open_functions()
        self.hidden_function()
        self.hidden_wasm()

    def open_functions(self):
        self.name = self.control.make('function name')
        self.server.deploy_js(self.name, OPEN, envVars={'note': self.control.make('variable')})
        self.server.deploy_files('cat', {'function.wasm': wasm.CAT})

    def seal(self, name, files, *words):
        source = self.folder / name
        source.mkdir()
        for path, content in files.items():
            (source / path).write_bytes(content)
        made = str(self.folder / f'{name}.sealed')
        tfaas('package', 'seal', str(source), self.url, '--name', name, *self.trust,
              '--out', made, *words)
        answer = self.server.put_package(name, pathlib.Path(made).read_bytes())
        if answer.status != 201:
            raise lib.Problem(f'package {name}: {answer}')
        return tfaas('package', 'digest', str(source)).decode().split()[0]

    def hidden_function(self):
        make = self.secret.make
        source = HIDDEN % {name: make(name) for name in ('load_log', 'log', 'error', 'code')}
        put_sealed_secret(self.server, 'token', make('secret').encode())
        self.key = str(self.folder / 'log.key')
        public = tfaas('keygen', self.key).decode().split()[-1]
        self.digest = self.seal('hidden', {'handler.js': source.encode()}, '--log-key', public)
        answer = self.server.deploy('hidden', 'hidden', secrets=['token'])
        if answer.status != 202:
            raise lib.Problem(f'hidden: {answer}')

    def hidden_wasm(self):
        text = self.secret.make('data of a module').encode()
        body = (wasm.i32(0) + wasm.i32(1024) + wasm.store() + wasm.i32(4) + wasm.i32(len(text))
                + wasm.store() + wasm.write_all(1, 0))
        module = wasm.command(body, imports=(('fd_write', 4),), data=text)
        self.seal('hidden-wasm', {'function.wasm': module})
        self.server.deploy('hidden-wasm', 'hidden-wasm')
        self.wasm_answer = text

    def invoke(self, form, function='hidden', path='', code=0):
        make = self.secret.make
        body = make(f'body of {form}{path}')
        header, rest = make(f'header of {form}'), make(f'path of {form}')
        answer = tfaas('invoke', self.url, function, *self.trust, '--form', form, '--data', '-',
                       '--header', f'x-canary: {header}', '--path', path or f'/{rest}?q={rest}',
                       '--include', stdin=body.encode(), code=code)
        return body, header, answer.decode()

    def untrusted(self):
        """Pids of tfaasd and whatever belongs to it but the cores."""
        return sorted(lib.tree(self.server.pid) - set(core_pids(self.server)))


def served(t, stage):
    """Every form of call, each with canaries of its own, and its answer was the right one."""
    for form in ('whole', 'chunked', 'session'):
        body, header, answer = stage.invoke(form)
        for part in (body, stage.secret.made['secret'], stage.secret.made['code']):
            t.contains(answer, part[::-1], f'answer of {form}')
        t.contains(answer, f'x-answer: {header[::-1]}', f'field of {form}')
        stage.invoke(form, path='/throw', code=1)
    answer = sealed.call(stage.server, '/function/hidden-wasm', b'')
    t.equal(answer.body, stage.wasm_answer, 'answer of the module')
    body = stage.secret.make('body for an open module').encode()
    answer = sealed.call(stage.server, '/function/cat', body, form='chunked')
    t.equal(answer.body, body, 'answer of an open module')


class Traffic:
    """Calls that go on while memory is read: what is in a window only for a moment is there too."""

    def __init__(self, t, stage):
        self.t, self.stage, self.stop, self.count = t, stage, threading.Event(), 0
        self.body = (stage.secret.make('body meanwhile') * 100).encode()
        self.field = 'x-canary=' + stage.secret.make('header meanwhile')
        self.path = '/function/cat/' + stage.secret.make('path meanwhile')
        self.plain = (stage.control.make('plain body meanwhile') * 100).encode()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def run(self):
        keys = sealed.keys_of(self.stage.server)
        while not self.stop.is_set():
            for form in ('ohttp', 'chunked'):
                reply = sealed.call(self.stage.server, self.path, self.body, sealed.KEYS, keys,
                                    form=form, fields=[self.field])
                self.count += reply.body == self.body
            self.stage.server.invoke('cat', self.plain)
            self.stop.wait(0.02)  # the search wants the interpreter too


def look(stage, places):
    """([what of the sealed canaries], {names of the plain ones}) in (where, bytes) pairs."""
    seen, control = [], set()
    for where, data in places:
        seen += [f'{name} as {form} in {where}' for form, name in stage.secret.find(data)]
        control |= {name for _, name in stage.control.find(data)}
    return seen, control


def nothing(t, what, stage, places, plain):
    """No sealed canary is in these places; the plain one named `plain` is."""
    seen, control = look(stage, places)
    t.true(not seen, f'{what}: {len(seen)} found: {seen[:6]}')
    t.true(plain is None or plain in control, f'{what}: the search is blind, it saw {control}')


def memory_while_calls_go_on(t, stage):
    control = set()
    with Traffic(t, stage) as traffic:
        t.eventually(lambda: traffic.count > 0, 'calls')
        for pid in stage.untrusted() * 2:
            seen, plain = look(stage, canary.memory(pid))
            t.true(not seen, f'memory: {seen[:6]}')
            control |= plain
    t.true({'plain body meanwhile', 'environment'} <= control, f'memory: blind, saw {control}')


def endpoints(server):
    for path in ('/metrics', '/system/functions', '/system/info', '/system/secrets', '/packages/',
                 '/system/logs?name=hidden&follow=false', '/system/logs?name=hidden-wasm'
                 '&follow=false', '/healthz', sealed.EVIDENCE, sealed.DOMAIN, sealed.KEYS):
        yield path, server.request('GET', path).body


def owner_reads_the_log(t, stage):
    """What is sealed to the log key is what the function said: it was not just dropped."""
    answer = stage.server.request('GET', '/system/logs?name=hidden&follow=false')
    lines = [json.loads(line)['text'] for line in answer.text.splitlines() if line]
    opened = tfaas('logs', 'open', '--key', stage.key, '--package', stage.digest,
                   stdin='\n'.join(lines).encode()).decode()
    for name in ('load_log', 'log', 'error'):
        t.contains(opened, stage.secret.made[name], f'{name} in {len(lines)} lines')


def no_dumps(t, stage):
    """Neither tfaasd nor a core leaves a core file: a crash would put memory on a disk."""
    for pid in lib.tree(stage.server.pid):
        with open(f'/proc/{pid}/limits', encoding='ascii') as limits:
            line = next(line for line in limits if line.startswith('Max core file size'))
        t.equal(line.split()[4:6], ['0', '0'], f'limit of core dumps of {pid}')


def test_the_host_sees_no_canary(t):
    if not canary.is_root():
        t.skip('reading the memory of other processes wants root')
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        stage = Stage(t, pathlib.Path(folder))
        server = stage.server
        capture = canary.capture_or_none(server.port)
        if capture:
            stack.enter_context(capture)
        served(t, stage)
        stage.server.invoke(stage.name, stage.control.make('plain body'))
        memory_while_calls_go_on(t, stage)
        every = lib.tree(server.pid)
        nothing(t, 'what the kernel shows', stage,
                (item for pid in every for item in canary.about(pid)), 'environment')
        nothing(t, 'endpoints', stage, endpoints(server), 'function name')
        nothing(t, 'state folder', stage, canary.files(server.state), 'variable')
        nothing(t, 'stderr', stage, [('stderr', server.log.read_bytes())], None)
        owner_reads_the_log(t, stage)
        no_dumps(t, stage)
        if capture:
            capture.__exit__()
            stack.pop_all()
            nothing(t, 'loopback', stage, capture.contents(), 'plain body')
        server.end_process(signal.SIGSEGV)
        nothing(t, 'after a crash', stage, canary.files(server.state), 'variable')
