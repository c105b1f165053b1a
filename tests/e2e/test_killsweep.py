# test_killsweep.py - SIGKILL of tfaasd at moments spread over every state-changing call. After the
# restart there is the old state or the new one, never a third, and an acknowledged call is the new.
import http.client
import signal
import threading
import time

from lib import Problem, build_tar

MOMENTS = 8
READER = '''
const fs = require('fs');
module.exports = async () => process.env.mark + ' '
    + fs.readFileSync('/var/openfaas/secrets/sweep').toString();
'''
OLD, NEW = ({'handler.js': f"module.exports = async () => '{text}';\n"} for text in ('old', 'new'))
SECRET = '/system/secrets'
VOLATILE = ('createdAt', 'invocationCount', 'replicas', 'availableReplicas')


def state_of(server):
    """All that clients can see, without what may differ between two equal states."""
    seen = {'secrets': server.request('GET', SECRET).json(),
            'namespaces': sorted(server.request('GET', '/system/namespaces').json())}
    seen['spare-ns'] = server.request('GET', '/system/namespace/spare-ns').text
    seen['built'] = server.request('GET', '/packages/built:latest').text
    functions = server.request('GET', '/system/functions').json()
    seen['replicas'] = {item['name']: item.get('replicas') for item in functions}
    for item in functions:
        for key in VOLATILE:
            item.pop(key, None)
    seen['functions'] = sorted(functions, key=lambda item: item['name'])
    for name in ('victim', 'reader'):
        answer = server.invoke(name)
        seen[name] = (answer.status, answer.text)
    return seen


def prepare(server):
    """The old state, whatever is there now."""
    server.request('DELETE', '/system/namespace/sweep-ns')
    server.remove('added')
    server.request('DELETE', SECRET, {'name': 'extra'})
    server.request('POST', SECRET, {'name': 'sweep', 'value': 'one'})
    server.request('PUT', SECRET, {'name': 'sweep', 'value': 'one'})
    server.request('POST', SECRET, {'name': 'spare', 'value': 'one'})
    server.request('POST', '/system/namespace/spare-ns', {'labels': {'mark': 'old'}})
    server.request('PUT', '/system/namespace/spare-ns', {'labels': {'mark': 'old'}})
    server.build(build_tar('built:latest', OLD))
    server.put_package('old', OLD)
    server.put_package('new', NEW)
    server.put_package('reader', {'handler.js': READER})
    for name, image, more in (('victim', 'old', {}),
                              ('reader', 'reader', {'secrets': ['sweep'],
                                                    'envVars': {'mark': 'old'}})):
        if server.deploy(name, image, method='PUT', **more).status == 404:
            server.deploy(name, image, **more)
        server.request('POST', f'/system/scale-function/{name}',
                       {'serviceName': name, 'replicas': 1})


CALLS = {
    'deploy': lambda server: server.deploy('added', 'new'),
    'update': lambda server: server.deploy('victim', 'new', method='PUT'),
    'update of settings': lambda server: server.deploy(
        'reader', 'reader', method='PUT', secrets=['sweep'], envVars={'mark': 'new'}),
    'remove': lambda server: server.remove('victim'),
    'scale': lambda server: server.request('POST', '/system/scale-function/victim',
                                           {'serviceName': 'victim', 'replicas': 3}),
    'secret create': lambda server: server.request('POST', SECRET,
                                                   {'name': 'extra', 'value': 'x'}),
    'secret update': lambda server: server.request('PUT', SECRET,
                                                   {'name': 'sweep', 'value': 'two'}),
    'namespace': lambda server: server.request('POST', '/system/namespace/sweep-ns',
                                               {'name': 'sweep-ns'}),
    'namespace update': lambda server: server.request('PUT', '/system/namespace/spare-ns',
                                                      {'labels': {'mark': 'new'}}),
    'namespace remove': lambda server: server.request('DELETE', '/system/namespace/spare-ns'),
    'secret remove': lambda server: server.request('DELETE', SECRET, {'name': 'spare'}),
    'build': lambda server: server.build(build_tar('built:latest', NEW)),
}


def call_and_kill(server, call, delay):
    """True if the call was acknowledged before the kill."""
    answers = []

    def run():
        try:
            answers.append(call(server).status)
        except (OSError, http.client.HTTPException, Problem):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(delay)
    server.end_process(signal.SIGKILL)
    thread.join()
    server.start()
    return bool(answers and answers[0] in (200, 201, 202))


def sweep(t, what):
    server, call = t.fresh(), CALLS[what]
    prepare(server)
    old = state_of(server)
    begin = time.monotonic()
    t.status(call(server), 200, 201, 202)
    spent = time.monotonic() - begin
    new = state_of(server)
    t.true(old != new, f'{what} changes nothing that can be seen')
    for moment in range(MOMENTS):
        prepare(server)
        t.equal(state_of(server), old, f'{what}: state before the call')
        acknowledged = call_and_kill(server, call, spent * 1.5 * moment / MOMENTS)
        state = state_of(server)
        t.true(state in (old, new), f'{what}, moment {moment}: a third state: {state}')
        if acknowledged:
            t.equal(state, new, f'{what}, moment {moment}: acknowledged, and not there')


def test_deploy(t):
    sweep(t, 'deploy')


def test_update(t):
    sweep(t, 'update')
    sweep(t, 'update of settings')


def test_remove(t):
    sweep(t, 'remove')


def test_scale(t):
    sweep(t, 'scale')


def test_secrets(t):
    sweep(t, 'secret create')
    sweep(t, 'secret update')
    sweep(t, 'secret remove')


def test_namespace(t):
    sweep(t, 'namespace')
    sweep(t, 'namespace update')
    sweep(t, 'namespace remove')


def test_build(t):
    sweep(t, 'build')


def test_package(t):
    """A name that is pushed again means the old content or the new, whole."""
    server = t.fresh()
    t.status(server.put_package('moved', OLD), 200, 201, 202)
    for moment in range(MOMENTS):
        acknowledged = call_and_kill(server, lambda s: s.put_package('moved', NEW),
                                     0.003 * moment)
        name = f'check-{moment}'
        t.status(server.deploy(name, 'moved'), 200, 202)
        text = t.status(server.invoke(name), 200).text
        t.true(text == 'new' or (text == 'old' and not acknowledged),
               f'moment {moment}: acknowledged {acknowledged}, content {text!r}')
        t.status(server.put_package('moved', OLD), 200, 201, 202)
