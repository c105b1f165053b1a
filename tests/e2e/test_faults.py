# test_faults.py - processes that are killed and state that is damaged. What was acknowledged must
# be there after a restart, whatever was killed; damage is said, never papered over.
import http.client
import os
import signal
import threading
import time

from lib import NAMESPACE, Problem, processes, tree

FINE = "module.exports = async () => 'fine';\n"
WAIT = ("module.exports = () => new Promise((done) => setTimeout(() => done('waited'), "
        '1000));\n')
NEVER = 'module.exports = () => new Promise(() => {});\n'
AMPLE = {'exec_timeout': '300s'}


def cores(server):
    """The daemon's descendants with their depth: workers are what the zygote forked."""
    every = processes()
    return sorted(pid for pid in tree(server.pid) - {server.pid} if pid in every)


def worker_after(server, before, call):
    """The processes that a first call into a namespace adds."""
    call()
    return [pid for pid in cores(server) if pid not in before]


def test_kill_of_a_core(t):
    server = t.fresh()
    t.status(server.request('POST', '/system/namespace/other', {'name': 'other'}), 200, 201, 202)
    server.deploy_js('other', FINE, namespace='other')
    t.status(server.invoke('other', namespace='other'), 200)
    before = set(cores(server))
    server.deploy_js('never', NEVER, envVars=AMPLE)
    server.deploy_js('fine', FINE)
    workers = worker_after(server, before, lambda: t.alive(server, 'fine', b'', 'fine'))
    t.true(workers, 'no process was added for the namespace')
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.invoke('never', timeout=300)))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    t.eventually(lambda: server.started('never') == 3, 'the calls begin')
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    for _ in range(10):
        t.status(server.invoke('other', namespace='other'), 200)
    for thread in threads:
        thread.join()
    for answer in answers:
        t.error(answer, 502, 'core')
    t.eventually(lambda: server.invoke('fine').status == 200, 'the next call works')


def test_kill_of_every_child(t):
    """Even with the zygote gone, the daemon recovers; it never lingers dead."""
    server = t.fresh()
    server.deploy_js('fine', FINE)
    t.alive(server, 'fine', b'', 'fine')
    for pid in cores(server):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def settled():
        if server.process.poll() is not None:
            return True
        try:
            return server.invoke('fine').status == 200
        except OSError:
            return False

    t.eventually(settled, 'serving again, or ended')
    t.true(server.process.poll() is None, f'tfaasd ended: {server.log_text()[-500:]}')


def test_state_after_kill_of_the_daemon(t):
    server = t.fresh()
    server.deploy_js('kept', FINE, labels={'a': '1'}, envVars={'b': '2'})
    server.deploy_js('gone', FINE)
    t.status(server.remove('gone'), 200, 202)
    t.status(server.request('POST', '/system/secrets', {'name': 's', 'value': 'v'}), 201, 202)
    t.status(server.request('POST', '/system/scale-function/kept',
                            {'serviceName': 'kept', 'replicas': 3}), 200, 202)
    before = server.request('GET', '/system/functions').json()
    server.end_process(signal.SIGKILL)
    server.start()
    after = server.request('GET', '/system/functions').json()
    for item in before + after:
        item.pop('invocationCount', None)
    t.equal(after, before, 'functions after the restart')
    t.equal(server.request('GET', '/system/secrets').json(),
            [{'name': 's', 'namespace': NAMESPACE}], 'secrets after the restart')
    t.alive(server, 'kept', b'', 'fine')
    t.error(server.invoke('gone'), 404)


def test_no_process_outlives_a_killed_daemon(t):
    server = t.fresh()
    server.deploy_js('fine', FINE)
    t.alive(server, 'fine', b'', 'fine')
    members = tree(server.pid) - {server.pid}
    t.true(members, 'the daemon has no core process')
    server.process.kill()
    server.process.wait()
    t.eventually(lambda: not members & set(living()), 'cores end with the daemon')


def living():
    """Pids that are not zombies."""
    for pid in processes():
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
                if file.read().rpartition(')')[2].split()[0] != 'Z':
                    yield pid
        except OSError:
            continue


def test_kill_during_deploys(t):
    """SIGKILL at moments spread over deploys: each acknowledged one is there, no half one is."""
    server = t.fresh()
    for moment in range(8):
        acknowledged = []

        def deploy_many(round_number=moment, done=acknowledged):
            for number in range(200):
                name = f'r{round_number}-n{number}'
                try:
                    server.deploy_js(name, f"module.exports = async () => '{name}';\n")
                except (Problem, OSError, http.client.HTTPException):
                    return
                done.append(name)

        thread = threading.Thread(target=deploy_many)
        thread.start()
        time.sleep(0.02 + 0.03 * moment)
        server.end_process(signal.SIGKILL)
        thread.join()
        server.start()
        listed = [item['name'] for item in server.request('GET', '/system/functions').json()]
        for name in acknowledged:
            t.true(name in listed, f'{name} was acknowledged and is not there')
        for name in listed:
            if name.startswith(f'r{moment}-'):
                t.equal(t.status(server.invoke(name), 200).text, name, f'answer of {name}')


def test_second_daemon_on_one_store(t):
    first = t.fresh()
    first.deploy_js('fine', FINE)
    try:
        t.fresh(state=first.state)
    except Problem as why:
        t.matches(str(why), r'(?i)another|already|lock|in use', 'text')
    else:
        t.true(False, 'a second tfaasd started on the same state folder')
    t.alive(first, 'fine', b'', 'fine')


def damaged(t, damage):
    """Text with which tfaasd refuses a damaged state folder."""
    server = t.fresh()
    server.deploy_js('fine', FINE)
    server.end_process()
    damage(server.state / 'tfaas.db')
    try:
        server.start()
    except Problem as why:
        t.true(server.process.poll() not in (None, 0), 'exit status of a refused start')
        return str(why)
    t.true(False, 'tfaasd started on a damaged database')
    return ''


def test_corrupt_database(t):
    def overwrite_head(path):
        with open(path, 'r+b') as file:
            file.write(b'this is no database ' * 10)

    def overwrite_middle(path):
        size = os.path.getsize(path)
        with open(path, 'r+b') as file:
            for at in range(4096 + 8, size, 4096):
                file.seek(at)
                file.write(b'\xa5' * 512)

    def cut(path):
        os.truncate(path, os.path.getsize(path) // 2)

    for damage in (overwrite_head, overwrite_middle, cut):
        text = damaged(t, damage)
        t.contains(text, 'tfaas.db', f'{damage.__name__}: which file')
        t.matches(text, r'(?i)backup|restore|recover|move', f'{damage.__name__}: what to do')


def test_lost_or_open_key_file(t):
    server = t.fresh()
    t.status(server.request('POST', '/system/secrets', {'name': 's', 'value': 'v'}), 201, 202)
    server.end_process()
    key = server.state / 'secret.key'
    os.chmod(key, 0o644)
    refused_start(t, server, r'(?i)secret\.key')
    os.chmod(key, 0o600)
    content = key.read_bytes()
    key.unlink()
    refused_start(t, server, r'(?i)secret\.key')
    key.write_bytes(content)
    os.chmod(key, 0o600)
    server.start()


def refused_start(t, server, pattern):
    try:
        server.start()
    except Problem as why:
        t.matches(str(why), pattern, 'reason')
        return
    server.end_process()
    t.true(False, f'tfaasd started although {pattern} should have stopped it')


def test_address_in_use(t):
    first = t.fresh()
    try:
        t.fresh(port=first.port)
    except Problem as why:
        t.matches(str(why), r'(?i)address already in use|listen', 'text')
    else:
        t.true(False, 'two daemons on one port')


def test_graceful_stop_finishes_calls(t):
    server, answers = t.fresh(), []
    server.deploy_js('wait', WAIT)
    thread = threading.Thread(target=lambda: answers.append(server.invoke('wait')))
    thread.start()
    t.eventually(lambda: server.started('wait') == 1, 'the call begins')
    t.true(server.end_process(), 'SIGTERM was not obeyed')
    thread.join()
    t.true(answers and answers[0].status in (200, 502, 503), f'{answers}')
    t.equal(server.process.returncode, 0, 'exit status after SIGTERM')
