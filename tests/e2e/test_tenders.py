# test_tenders.py - two tenders in one tfaasd: which one serves a namespace is its annotation's, seen
# by who answers, by evidence and by what a client refuses. The default is process here, whatever
# tender the run is for.
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import sealed
from lib import NAMESPACE, tree
from library import Client
from test_client import CORE, bad, good, tfaas, url

KVM = '/dev/kvm'
ANNOTATION = 'com.tfaas.tender'
SAY = "module.exports = async (event, context) => context.succeed('from ' + %s);"
SLOW = '''
module.exports = async (event, context) => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return context.succeed('slow');
};'''


def needs_kvm(t):
    if not os.path.exists(KVM):
        t.skip('no /dev/kvm')


def fresh(t, **options):
    return t.fresh(arguments=['--tender', 'process'], **options)


def asks(tender):
    return {'annotations': {ANNOTATION: tender} if tender else {}}


def make(t, server, name, tender=None):
    t.status(server.request('POST', f'/system/namespace/{name}', asks(tender)), 201)


def change(t, server, name, tender=None):
    t.status(server.request('PUT', f'/system/namespace/{name}', asks(tender)), 202)


def until(t, what, check, seconds=30.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.02)
    return t.true(False, f'{what} did not come in {seconds} s')


def info(server, tender):
    every = server.request('GET', '/system/info').json()['provider']['tenders']
    return next((one for one in every if one['name'] == tender), None)


def number(server, name, tender):
    for line in server.request('GET', '/metrics').text.splitlines():
        if line.startswith(f'{name}{{tender="{tender}"}} '):
            return float(line.split(' ')[1])
    return None


def processes_of(server, program):
    """Of the server's tree: whose first word of the command line ends with `program`."""
    found = []
    for pid in sorted(tree(server.pid)):
        try:
            words = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
        except OSError:
            continue
        if words[0].decode('utf-8', 'replace').rpartition('/')[2] == program:
            found.append(pid)
    return found


def measured(tender):
    return tfaas('core', 'measure', CORE, '--tender', tender)[1].decode().strip()


def trust(tender):
    return '--core', measured(tender), '--allow-simulated'


def policy(*tenders):
    return json.dumps({'version': 1, 'allow_simulated': True,
                       'cores': [measured(tender) for tender in tenders]})


def two(t, **options):
    """A server whose namespace "vm" is under kvm; `fn` is in both."""
    needs_kvm(t)
    server = fresh(t, **options)
    make(t, server, 'vm', 'kvm')
    server.deploy_js('fn', SAY % "'default'")
    server.deploy_files('fn', {'handler.js': SAY % "'vm'"}, namespace='vm')
    return server


# --- both at once ---

def test_two_tenders_in_one_daemon(t):
    server = two(t)
    here = url(server)
    for namespace, tender, other in ((NAMESPACE, 'process', 'kvm'), ('vm', 'kvm', 'process')):
        said = 'from ' + ('vm' if namespace == 'vm' else 'default')
        t.equal(server.invoke('fn', namespace=namespace).text, said, 'plain')
        at = ('--namespace', namespace)
        report = json.loads(good(t, tfaas('verify', here, *at, *trust(tender), '--json'), 'verify'))
        t.equal(report['measurement'], measured(tender), f'measurement of {namespace}')
        bad(t, tfaas('verify', here, *at, *trust(other)), 5, 'measurement_not_allowed', other)
        t.equal(good(t, tfaas('invoke', here, 'fn', *at, *trust(tender)), 'sealed').decode(), said,
                f'sealed answer of {namespace}')
        bad(t, tfaas('invoke', here, 'fn', *at, *trust(other)), 5, 'measurement_not_allowed', other)
        t.equal(info(server, tender)['namespaces'], [namespace], f'namespaces of {tender}')
        t.equal(info(server, tender)['evidence']['measurement'], measured(tender), 'info')
        t.equal(number(server, 'tfaas_cores', tender), 1, f'cores of {tender}')
        t.equal(number(server, 'tfaas_keepers', tender), 1, f'keepers of {tender}')
    t.true('virtual machine' in info(server, 'kvm')['layers'], 'the walls of kvm')
    t.true('virtual machine' not in info(server, 'process')['layers'], 'the walls of process')
    t.equal(info(server, 'process')['default'], True, 'default')


def test_keys_of_one_tender_open_nothing_under_the_other(t):
    server = two(t)
    for namespace in (NAMESPACE, 'vm'):
        server.invoke('fn', namespace=namespace)
    keys = {namespace: until(t, f'a lease of {namespace}', lambda: live_keys(server, namespace))
            for namespace in (NAMESPACE, 'vm')}
    t.true(keys[NAMESPACE] != keys['vm'], 'keys')
    for mine, other in ((NAMESPACE, 'vm'), ('vm', NAMESPACE)):
        path = f'/function/fn.{mine}'
        gateway = f'{sealed.KEYS}?namespace={mine}'
        t.equal(sealed.call(server, '/function/fn', keys=keys[mine], to=gateway).status, 200, path)
        wrong = sealed.call(server, '/function/fn', keys=keys[other], to=gateway)
        t.equal((wrong.status, wrong.outer.status), (None, 400), f'{path} with keys of {other}')
        t.contains(wrong.outer.text, 'http-problem-types#ohttp-key', 'the key is unknown')
    # Evidence of each is signed over the identity that signed its leases.
    texts = [server.request('GET', f'{sealed.EVIDENCE}?namespace={one}').json()['key-statement'][1]
             for one in (NAMESPACE, 'vm')]
    t.true(texts[0] != texts[1], 'key statements')
    t.equal(server.request('GET', sealed.EVIDENCE).json()['key-statement'][1], texts[0],
            'evidence without a namespace is of the default one')
    t.status(server.request('GET', f'{sealed.EVIDENCE}?namespace=absent'), 404)


def live_keys(server, namespace):
    answer = server.request('GET', f'{sealed.KEYS}?namespace={namespace}')
    return answer.body if answer.status == 200 else None


def test_sealed_things_are_one_tenders(t):
    """What is sealed to a namespace opens under the tender that it had, and again after a restart;
    under another tender it must be provisioned again, and the answer says so."""
    server = two(t)
    reader = {'handler.js': "const fs = require('fs'); module.exports = async (event, context) =>"
                            " context.succeed(fs.readFileSync('/var/openfaas/secrets/token', 'utf8'));"}
    item = sealed.seal(server, 'secret', 'token', b'between us', namespace='vm')
    answer = server.request('POST', '/system/secrets?namespace=vm',
                            {'name': 'token', 'namespace': 'vm', 'rawValue': b64(item)})
    t.status(answer, 201, 202)
    server.deploy_files('reader', reader, namespace='vm', secrets=['token'])

    either = server.own_folder + '/policy.json'
    pathlib.Path(either).write_text(policy('process', 'kvm'), encoding='utf-8')

    def read():
        return tfaas('invoke', url(server), 'reader', '--namespace', 'vm', '--policy', either)
    t.equal(good(t, read(), 'under kvm'), b'between us', 'under kvm')
    change(t, server, 'vm', 'process')
    bad(t, read(), 1, 'host_refused', 'under process')
    t.contains(t.status(server.invoke('reader', namespace='vm'), 403).text, 'provisioned again',
               'under process')
    change(t, server, 'vm', 'kvm')
    t.equal(good(t, read(), 'under kvm again'), b'between us', 'under kvm again')
    t.true(server.end_process(), 'SIGTERM')
    server.start()
    t.equal(good(t, read(), 'after a restart'), b'between us', 'after a restart')


def b64(data):
    import base64
    return base64.b64encode(data).decode()


# --- the choice ---

def test_unknown_tender_is_refused(t):
    server = fresh(t)
    for wrong in ('qemu', 'KVM', 'auto', ' kvm'):
        t.error(server.request('POST', '/system/namespace/odd', asks(wrong)), 400,
                f'{ANNOTATION}: "{wrong}"')
    t.status(server.request('GET', '/system/namespace/odd'), 404)
    make(t, server, 'odd', 'process')
    t.error(server.request('PUT', '/system/namespace/odd', asks('qemu')), 400, 'qemu')
    seen = t.status(server.request('GET', '/system/namespace/odd'), 200).json()
    t.equal(seen['annotations'], {ANNOTATION: 'process'}, 'as it was')
    make(t, server, 'plain', '')
    t.equal(info(server, 'process')['namespaces'], [NAMESPACE, 'odd', 'plain'], 'namespaces')


def without_kvm(t):
    """A wrapper under which /dev/kvm is no KVM; None where there is none anyway."""
    if not os.path.exists(KVM):
        return None
    if os.geteuid() != 0 or not shutil.which('unshare'):
        t.skip('hiding /dev/kvm needs root and unshare')
    probe = subprocess.run(['unshare', '-m', 'mount', '--bind', '/dev/null', KVM],
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        t.skip(f'/dev/kvm cannot be hidden here: {probe.stderr.strip()}')
    return ['unshare', '-m', 'sh', '-c', f'mount --bind /dev/null {KVM} && exec "$@"', 'sh']


def test_tender_that_is_not_available_is_refused_in_words(t):
    wrapper = without_kvm(t)
    server = fresh(t, wrapper=wrapper and (lambda state: wrapper))
    t.error(server.request('POST', '/system/namespace/vm', asks('kvm')), 409, KVM)
    t.status(server.request('GET', '/system/namespace/vm'), 404)
    make(t, server, 'team')
    t.error(server.request('PUT', '/system/namespace/team', asks('kvm')), 409, KVM)
    seen = t.status(server.request('GET', '/system/namespace/team'), 200).json()
    t.equal(seen['annotations'], {}, 'as it was')
    server.deploy_files('fn', {'handler.js': SAY % "'team'"}, namespace='team')
    t.equal(server.invoke('fn', namespace='team').text, 'from team', 'served as before')
    kvm = info(server, 'kvm')
    t.contains(kvm['unavailable'], KVM, 'why, in /system/info')
    t.equal((kvm['running'], kvm['namespaces']), (False, []), 'kvm in /system/info')


def test_restart_keeps_the_choice(t):
    server = two(t)
    t.true(server.end_process(), 'SIGTERM')
    server.start()
    t.equal(info(server, 'kvm')['namespaces'], ['vm'], 'namespaces of kvm')
    t.equal(server.invoke('fn', namespace='vm').text, 'from vm', 'plain')
    good(t, tfaas('verify', url(server), '--namespace', 'vm', *trust('kvm')), 'verify')


def test_restart_without_the_tender_serves_nothing_under_another(t):
    server = two(t)
    wrapper = without_kvm(t)
    t.true(server.end_process(), 'SIGTERM')
    server.wrapper = wrapper
    server.start()
    began = time.monotonic()
    answer = server.invoke('fn', namespace='vm')
    t.error(answer, 503, KVM)
    t.true(time.monotonic() - began < 20, 'the answer waited for a core that cannot come')
    for path in (sealed.EVIDENCE, sealed.DOMAIN, sealed.KEYS):
        t.contains(t.status(server.request('GET', f'{path}?namespace=vm'), 503).text, KVM, path)
    t.error(server.deploy('fn', 'fn:latest', 'PUT', namespace='vm'), 503, KVM)
    bad(t, tfaas('invoke', url(server), 'fn', '--namespace', 'vm', *trust('process')), 6,
        'unavailable', 'a sealed call')
    t.equal(number(server, 'tfaas_core_starts_total', 'kvm'), None, 'starts of kvm')
    t.equal(server.invoke('fn').text, 'from default', 'the other namespace')
    t.contains(server.log_text(), 'namespace vm is not served', 'log')
    # The owner may give it up, by name; and get it back where it is available again.
    change(t, server, 'vm', 'process')
    t.equal(server.invoke('fn', namespace='vm').text, 'from vm', 'under process')
    t.true(server.end_process(), 'SIGTERM')
    server.wrapper = []
    server.start()
    change(t, server, 'vm', 'kvm')
    t.equal(server.invoke('fn', namespace='vm').text, 'from vm', 'under kvm')
    good(t, tfaas('verify', url(server), '--namespace', 'vm', *trust('kvm')), 'verify')


# --- a change ---

class Callers:
    """Threads that call until stop(); every answer that is not `want` is kept."""

    def __init__(self, calls, want):
        self.wrong, self.done, self.ended = [], 0, False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(call, want)) for call in calls]
        for thread in self.threads:
            thread.start()

    def run(self, call, want):
        while not self.ended:
            try:
                got = call()
            except Exception as error:  # a cut connection is a lost call
                got = repr(error)
            with self.lock:
                self.done += 1
                if got != want:
                    self.wrong.append(got)

    def more(self, t, count):
        goal = self.done + count
        until(t, f'{count} more calls', lambda: self.done >= goal or self.wrong)

    def stop(self):
        self.ended = True
        for thread in self.threads:
            thread.join()


def test_change_under_load_loses_no_call(t):
    server = two(t)
    server.deploy_files('slow', {'handler.js': SLOW}, namespace='vm')
    t.equal(server.invoke('slow', namespace='vm').text, 'slow', 'slow')
    with Client(url(server), policy('process', 'kvm'), domain='vm') as client:
        def attested():
            answer = client.call('fn')
            return answer.body.decode() if answer.error == 'ok' else repr(answer)

        def plain():
            answer = server.invoke('fn', namespace='vm')
            return answer.text if answer.status == 200 else repr(answer)
        callers = Callers([plain, plain, attested], 'from vm')
        try:
            for tender in ('process', 'kvm', None, 'kvm'):
                callers.more(t, 30)
                slow = []
                thread = threading.Thread(
                    target=lambda: slow.append(server.invoke('slow', namespace='vm')))
                before = started(server, 'slow')
                thread.start()
                until(t, 'a slow call', lambda: started(server, 'slow') > before)
                change(t, server, 'vm', tender)
                thread.join()
                t.equal((slow[0].status, slow[0].text), (200, 'slow'), 'what ran')
                t.equal(info(server, tender or 'process')['namespaces'].count('vm'), 1, 'served by')
                callers.more(t, 30)
        finally:
            callers.stop()
        t.equal(callers.wrong[:3], [], f'calls lost of {callers.done}')
    # Nothing of the tender before is left.
    server.invoke('fn')
    until(t, 'the end of the old core', lambda: number(server, 'tfaas_cores', 'process') == 1)


def started(server, name):
    for line in server.request('GET', '/metrics').text.splitlines():
        if line.startswith(f'gateway_function_invocation_started{{function_name="{name}.vm"}}'):
            return int(line.rpartition(' ')[2])
    return 0


def test_client_of_one_tender_is_not_answered_by_the_other(t):
    server = two(t)
    with Client(url(server), policy('kvm'), domain='vm') as client:
        t.equal(client.call('fn').body, b'from vm', 'under kvm')
        change(t, server, 'vm', 'process')
        for _ in range(3):
            answer = client.call('fn')
            t.equal((answer.error, answer.body), ('measurement_not_allowed', b''), answer.text)
        change(t, server, 'vm', 'kvm')
        t.equal(client.call('fn').body, b'from vm', 'under kvm again')


# --- an accident ---

def test_killing_one_tenders_machinery_hurts_only_its_namespaces(t):
    server = two(t)
    server.invoke('fn', namespace='vm')
    theirs = until(t, 'processes of kvm', lambda: processes_of(server, 'tfaas-vm'))
    ours = processes_of(server, 'tfaas-core')
    calls = [lambda: server.invoke('fn').text, lambda: server.invoke('fn').text]
    lost = number(server, 'tfaas_core_lost_total', 'process')
    callers = Callers(calls, 'from default')
    try:
        callers.more(t, 20)
        for pid in theirs:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(t, 'another core of kvm',
              lambda: server.invoke('fn', namespace='vm').text == 'from vm')
        callers.more(t, 20)
    finally:
        callers.stop()
    t.equal(callers.wrong[:3], [], f'calls lost of {callers.done}')
    t.equal(number(server, 'tfaas_core_lost_total', 'process'), lost, 'cores of process lost')
    t.equal(processes_of(server, 'tfaas-core'), ours, 'processes of process')
    t.true(not set(theirs) & set(processes_of(server, 'tfaas-vm')), 'the killed are gone')
    good(t, tfaas('verify', url(server), '--namespace', 'vm', *trust('kvm')), 'verify')
    good(t, tfaas('verify', url(server), *trust('process')), 'verify the other')
