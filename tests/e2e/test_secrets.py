# test_secrets.py - secrets: every verb and refusal, values never in an answer, encrypted at rest,
# and only functions that name a secret see it.
import base64
import os

from lib import NAMESPACE

READER = '''
const fs = require('fs');
module.exports = async (event) => {
    try { return fs.readFileSync('/var/openfaas/secrets/' + event.body).toString(); }
    catch (error) { return 'refused: ' + error.message; }
};
'''


def put(t, method, name, value, key='value'):
    return t.server.request(method, '/system/secrets', {'name': name, key: value})


def read_secret(t, function, name):
    return t.status(t.server.invoke(function, name, headers={'Content-Type': 'text/plain'}), 200)


def alpine_reader(t, secret, secrets):
    name = t.name('reader')
    t.status(t.server.deploy(name, 'functions/alpine:latest', secrets=secrets,
                             envProcess=f'cat /var/openfaas/secrets/{secret}'), 200, 202)
    return name


def test_codes(t):
    name = t.name('codes')
    t.status(put(t, 'POST', name, 'one'), 201, 202)
    t.error(put(t, 'POST', name, 'two'), 409, name)
    t.status(put(t, 'PUT', name, 'two'), 200, 202)
    t.error(put(t, 'PUT', name + '-absent', 'x'), 404)
    body = {'name': name, 'namespace': NAMESPACE}
    # 204 is what the old text says, and what faas-cli treats as an error.
    t.status(t.server.request('DELETE', '/system/secrets', body), 200, 202)
    t.error(t.server.request('DELETE', '/system/secrets', body), 404)


def test_values_are_never_listed(t):
    name = t.name('hidden')
    t.status(put(t, 'POST', name, 'do-not-show-me'), 201, 202)
    answer = t.server.request('GET', '/system/secrets')
    t.true('do-not-show-me' not in answer.text, 'a value is listed')
    for item in answer.json():
        t.equal(sorted(item), ['name', 'namespace'], 'fields')


def test_raw_value(t):
    name, value = t.name('raw'), bytes(range(256))
    t.status(put(t, 'POST', name, base64.b64encode(value).decode(), 'rawValue'), 201, 202)
    t.equal(t.server.invoke(alpine_reader(t, name, [name])).body, value, 'bytes')
    t.error(put(t, 'POST', t.name('raw'), 'not base64!', 'rawValue'), 400)


def test_bad_requests(t):
    path = '/system/secrets'
    for body in ('{', '[]', '""', '{}', {'name': ''}, {'name': 7, 'value': 'x'},
                 {'name': '../escape', 'value': 'x'}, {'name': 'a/b', 'value': 'x'},
                 {'name': '..', 'value': 'x'}, {'name': 'n' * 300, 'value': 'x'},
                 {'name': 'ok', 'value': 5}, {'name': 'ok', 'namespace': 'absent', 'value': 'x'}):
        answer = t.server.request('POST', path, body)
        t.true(answer.status in (400, 404), f'{body!r}: {answer}')
        t.error(answer, answer.status)


def test_update_reaches_running_functions_after_redeploy(t):
    name = t.name('rotate')
    t.status(put(t, 'POST', name, 'old'), 201, 202)
    reader = alpine_reader(t, name, [name])
    t.equal(t.server.invoke(reader).text, 'old', 'first value')
    t.status(put(t, 'PUT', name, 'new'), 200, 202)
    t.status(t.server.deploy(reader, 'functions/alpine:latest', method='PUT', secrets=[name],
                             envProcess=f'cat /var/openfaas/secrets/{name}'), 200, 202)
    t.equal(t.server.invoke(reader).text, 'new', 'value after the update')


def test_only_named_secrets_are_seen(t):
    name = t.name('private')
    t.status(put(t, 'POST', name, 'mine'), 201, 202)
    answer = t.server.invoke(alpine_reader(t, name, []))
    t.true('mine' not in answer.text, 'a function saw a secret it does not name')
    t.true(answer.status != 200, f'cat of an absent secret: {answer}')


def test_javascript_reads_its_secret(t):
    name, reader = t.name('js'), t.name('jsreader')
    t.status(put(t, 'POST', name, 'from js'), 201, 202)
    t.server.deploy_js(reader, READER, secrets=[name])
    t.equal(read_secret(t, reader, name).text, 'from js', 'secret')
    for path in ('../../../etc/passwd', 'absent'):
        t.contains(read_secret(t, reader, path).text, 'refused', path)


def test_missing_secret_refuses_the_deploy(t):
    answer = t.server.deploy(t.name('fn'), 'functions/alpine:latest', secrets=['not-there'],
                             envProcess='env')
    t.error(answer, 400, 'unable to find secret')


def test_deleted_secret_is_not_the_callers_mistake(t):
    server, path = t.fresh(), '/system/secrets'
    t.status(server.request('POST', path, {'name': 'gone', 'value': 'here'}), 201, 202)
    server.deploy_js('reader', READER, secrets=['gone'])
    read = {'name': 'reader', 'body': 'gone', 'headers': {'Content-Type': 'text/plain'}}
    t.equal(server.invoke(**read).text, 'here', 'secret')
    t.status(server.request('DELETE', path, {'name': 'gone'}), 200, 202)
    t.equal(server.invoke(**read).text, 'here', 'what is loaded keeps it')
    server.end_process()
    server.start()
    answer = t.error(server.invoke(**read), 500, 'failed to load')
    t.true('gone' not in answer.text, f'the caller reads the name of the secret: {answer}')
    logs = t.status(server.request('GET', '/system/logs?name=reader&follow=false'), 200)
    t.contains(logs.text, 'unable to find secret: gone', 'log of the function')
    t.contains(server.log_text(), 'unable to find secret: gone', 'log of the daemon')
    t.status(server.request('POST', path, {'name': 'gone', 'value': 'back'}), 201, 202)
    t.equal(server.invoke(**read).text, 'back', 'after the secret came back')


def test_secrets_and_package_over_the_bound(t):
    """Each is within its own bound, together they are not: for good, so not a 503."""
    server, full = t.fresh(), 'x' * (1 << 20)
    names = [f'big-{i}' for i in range(18)]
    for each in names:
        body = {'name': each, 'value': 'x' if each == 'big-16' else full}
        t.status(server.request('POST', '/system/secrets', body), 201, 202)
    files = {'handler.js': 'module.exports = async () => "ok";', 'data.bin': bytes(47 << 20)}
    t.status(server.put_package('heavy', files), 200, 201)
    answer = t.error(server.deploy('heavy', 'heavy', secrets=names), 413, str(64 << 20))
    t.matches(answer.text, r'together are 67\d{6} bytes', 'size in the answer')
    t.error(server.invoke('heavy'), 404)
    t.status(server.deploy('heavy', 'heavy', secrets=names[:17]), 200, 202)
    t.equal(server.invoke('heavy').text, 'ok', 'a deployment within the bound')
    # A secret that grows later: the next load fails, and the caller did nothing wrong.
    t.status(server.request('PUT', '/system/secrets', {'name': 'big-16', 'value': full}), 200, 202)
    t.error(server.invoke('heavy'), 500, 'failed to load')
    t.contains(server.log_text(), 'the bound is', 'log of the daemon')


def test_encrypted_at_rest(t):
    server, value = t.fresh(), 'plain-text-canary-1f9a'
    t.status(server.request('POST', '/system/secrets', {'name': 'rest', 'value': value}), 201, 202)
    server.end_process()
    coded = (value.encode(), base64.b64encode(value.encode()), value.encode().hex().encode())
    looked = 0
    for folder, _, files in os.walk(server.state):
        for file in files:
            path = os.path.join(folder, file)
            if not os.path.isfile(path):
                continue
            with open(path, 'rb') as stream:
                content = stream.read()
            looked += 1
            t.true(not any(form in content for form in coded), f'{path} holds the secret')
    t.true(looked >= 2, 'no state files were found')


def test_key_files_are_private(t):
    server = t.server
    t.equal(os.stat(server.state).st_mode & 0o777, 0o700, 'mode of the state folder')
    for name in ('secret.key', 'payload-secret'):
        t.equal(os.stat(server.state / name).st_mode & 0o777, 0o600, f'mode of {name}')
