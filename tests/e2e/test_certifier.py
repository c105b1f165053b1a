# test_certifier.py - what the OpenFaaS provider conformance suite asserts, as our own black-box
# tests. It must start from an empty daemon: the suite insists that nothing else is listed.
import base64
import json
import threading
import time

from lib import NAMESPACE

IMAGE = 'functions/alpine:latest'
LIST_FIELDS = ('name', 'image', 'namespace', 'envProcess', 'envVars', 'constraints', 'secrets',
               'limits', 'requests', 'readOnlyRootFilesystem')


def deploy(t, server, name, process='env', **fields):
    body = {'service': name, 'image': IMAGE, 'envProcess': process, 'namespace': NAMESPACE,
            'labels': {}, 'annotations': {}, **fields}
    t.status(server.request('POST', '/system/functions', body), 200, 202)
    return body


def describe(server, name):
    return server.request('GET', f'/system/function/{name}?namespace={NAMESPACE}')


def environment(text):
    return dict(line.split('=', 1) for line in text.splitlines() if '=' in line)


def test_deploy_is_seen_at_once(t):
    server = t.server
    name = t.name('stronghash')
    deploy(t, server, name, 'sha512sum', labels={'tier': 'gold'},
           annotations={'topic': 'kafka', 'note': 'a b'})
    seen = t.status(describe(server, name), 200).json()
    t.equal(seen['name'], name, 'name')
    t.equal(seen['image'], IMAGE, 'image')
    t.equal(seen['labels'].get('tier'), 'gold', 'label')
    for key, value in {'topic': 'kafka', 'note': 'a b'}.items():
        t.equal(seen['annotations'].get(key), value, f'annotation {key}')
    answer = t.status(server.invoke(name, b'abc'), 200)
    t.contains(answer.text, 'ddaf35a193617abacc417349ae204131', 'sha512sum of abc')


def test_sample_under_a_registry_prefix(t):
    """The suite puts a registry in front of the name; the image is told back as it was sent."""
    for image in ('docker.io/functions/alpine:latest', 'registry.example:5000/functions/alpine'):
        name = t.name('prefixed')
        deploy(t, t.server, name, 'cat', image=image)
        t.equal(describe(t.server, name).json()['image'], image, 'image')
        t.equal(t.status(t.server.invoke(name, b'abc'), 200).body, b'abc', 'cat')
        path = f'/system/logs?name={name}&namespace={NAMESPACE}&follow=false'
        t.contains(t.server.request('GET', path).text, 'Forking fprocess', 'log')
    for image in ('docker.io/functions/alpine:3.19', 'docker.io/notfunctions/alpine:latest'):
        t.error(t.server.deploy(t.name('other'), image), 400, image)


def test_own_package_of_the_name_of_the_sample(t):
    """What somebody puts under that name is served instead, and not logged as the sample is."""
    server, image = t.fresh(), 'docker.example/functions/alpine:latest'
    t.status(server.put_package(image, {'handler.js': "module.exports = async () => 'own';\n"}),
             200, 201, 202)
    deploy(t, server, 'own', image=image)
    t.equal(t.status(server.invoke('own'), 200).text, 'own', 'answer')
    log = server.request('GET', f'/system/logs?name=own&namespace={NAMESPACE}&follow=false').text
    t.true('Forking' not in log, f'log of the sample: {log}')


def test_list_equals_what_was_deployed(t):
    server = t.fresh()
    t.equal(t.status(server.request('GET', '/system/functions'), 200).json(), [], 'empty list')
    wanted = {}
    t.status(server.request('POST', '/system/secrets',
                            {'name': 'list-secret', 'value': 'x', 'namespace': NAMESPACE}),
             200, 201, 202)
    for name, fields in {
            'plain': {},
            'labelled': {'labels': {'a': '1'}, 'annotations': {'b': '2'}},
            'full': {'envVars': {'one': '1'}, 'constraints': ['node.platform.os == linux'],
                     'secrets': ['list-secret'], 'limits': {'memory': '64Mi', 'cpu': '100m'},
                     'requests': {'memory': '32Mi', 'cpu': '50m'},
                     'readOnlyRootFilesystem': True}}.items():
        wanted[name] = deploy(t, server, name, **fields)
    listed = server.request('GET', f'/system/functions?namespace={NAMESPACE}').json()
    t.equal(sorted(item['name'] for item in listed), sorted(wanted), 'names')
    for item in listed:
        sent = {**wanted[item['name']], 'name': item['name']}
        for field in LIST_FIELDS:
            # The suite compares Go values: an absent map and an empty one are the same to it
            # only when the provider leaves the empty one out.
            t.equal(item.get(field), sent.get(field) or None, f"{item['name']}.{field}")
        t.equal(item['labels'].get('faas_function'), item['name'], 'label faas_function')
        for key, value in sent['labels'].items():
            t.equal(item['labels'].get(key), value, f'label {key}')
        # The suite takes this map without asking whether it is there.
        t.equal(item['annotations'], sent['annotations'], f"{item['name']}.annotations")
        t.equal(describe(server, item['name']).json()['annotations'], sent['annotations'],
                f"{item['name']}.annotations described")


def test_namespaces_are_exactly_the_default_one(t):
    server = t.fresh()
    t.equal(t.status(server.request('GET', '/system/namespaces'), 200).json(), [NAMESPACE],
            'namespaces')


def test_unknown_function(t):
    answer = t.server.invoke('no-such-function')
    t.error(answer, 404, 'no-such-function')


def test_every_verb_reaches_the_function(t):
    name = t.name('verbs')
    deploy(t, t.server, name)
    for method in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE'):
        answer = t.status(t.server.invoke(name, method=method, path='?testing=1'), 200)
        seen = environment(answer.text)
        t.equal(seen.get('Http_Method'), method, 'Http_Method')
        t.equal(seen.get('Http_Query'), 'testing=1', 'Http_Query')
        t.true(answer.header('X-Call-Id'), 'X-Call-Id is missing')
        t.matches(answer.header('X-Start-Time'), r'^\d{19}$', 'X-Start-Time')


def test_redirect_is_passed_through(t):
    name = t.name('redirect')
    t.server.deploy_js(name, '''
module.exports = async (event, context) =>
    context.status(302).headers({ Location: process.env.destination }).succeed('moved');
''', envVars={'destination': 'http://example.invalid/there'})
    answer = t.status(t.server.invoke(name, method='GET'), 302)
    t.equal(answer.header('Location'), 'http://example.invalid/there', 'Location')


def test_environment_and_body(t):
    name = t.name('cat')
    deploy(t, t.server, name, 'cat', envVars={'custom': 'value'})
    t.equal(t.status(t.server.invoke(name, b'hello\n'), 200).body, b'hello\n', 'cat')
    name = t.name('env')
    deploy(t, t.server, name, envVars={'custom': 'value with = and spaces'})
    t.equal(environment(t.server.invoke(name).text).get('custom'), 'value with = and spaces',
            'environment')


def test_logs_of_one_invocation(t):
    name = t.name('logger')
    deploy(t, t.server, name, 'cat')
    t.status(t.server.invoke(name, b'12345'), 200)
    path = f'/system/logs?name={name}&namespace={NAMESPACE}&follow=false'
    answer = t.status(t.server.request('GET', path), 200)
    texts = [line['text'] for line in map(json.loads, answer.text.splitlines())]
    joined = '\n'.join(text.lstrip('0123456789/: -TZ.') for text in texts)
    t.equal(joined.splitlines(), ['Forking fprocess.', 'Wrote 5 Bytes'], 'log')


def test_secret_life(t):
    server, secret, name = t.server, t.name('secret'), t.name('reader')
    t.status(server.request('POST', '/system/secrets',
                            {'name': secret, 'namespace': NAMESPACE, 'value': 'first'}),
             200, 201, 202)
    listed = server.request('GET', f'/system/secrets?namespace={NAMESPACE}').json()
    t.true({'name': secret, 'namespace': NAMESPACE} in listed, f'secret is not in {listed}')
    body = deploy(t, server, name, f'cat /var/openfaas/secrets/{secret}', secrets=[secret])
    t.equal(t.status(server.invoke(name), 200).text, 'first', 'secret in the function')
    t.status(server.request('PUT', '/system/secrets',
                            {'name': secret, 'namespace': NAMESPACE,
                             'rawValue': base64.b64encode(b'sec\0ond').decode()}), 200, 202)
    t.status(server.request('PUT', '/system/functions', body), 200, 202)
    t.equal(t.status(server.invoke(name), 200).body, b'sec\0ond', 'secret after the update')
    t.status(server.remove(name), 200, 202)
    t.status(server.request('DELETE', '/system/secrets',
                            {'name': secret, 'namespace': NAMESPACE}), 200, 202)
    listed = server.request('GET', f'/system/secrets?namespace={NAMESPACE}').json()
    t.true(secret not in [item['name'] for item in listed], 'secret is still listed')


def test_info(t):
    info = t.status(t.server.request('GET', '/system/info'), 200).json()
    for path in (('provider', 'provider'), ('provider', 'orchestration'),
                 ('provider', 'version', 'release'), ('provider', 'version', 'sha'),
                 ('version', 'release'), ('version', 'sha')):
        value = info
        for key in path:
            value = value.get(key, {})
        t.true(isinstance(value, str) and value, f'{".".join(path)} is empty in {info}')


def test_healthz(t):
    answer = t.status(t.server.request('GET', '/healthz'), 200)
    t.equal(answer.body, b'', 'healthz body')
    t.status(t.server.request('HEAD', '/healthz'), 200)


def test_scaling(t):
    name = t.name('scaled')
    deploy(t, t.server, name, labels={'com.openfaas.scale.min': '2',
                                      'com.openfaas.scale.max': '4'})
    t.equal(describe(t.server, name).json().get('replicas'), 2, 'replicas after deploy')
    t.status(scale(t.server, name, 0), 200, 202)
    t.true(not describe(t.server, name).json().get('replicas'), 'replicas after scale to 0')
    t.status(t.server.invoke(name), 200)
    t.true(describe(t.server, name).json().get('replicas', 0) >= 1, 'replicas after a call')
    t.status(scale(t.server, name, 3), 200, 202)
    t.equal(describe(t.server, name).json().get('replicas'), 3, 'replicas after scale to 3')


def test_replicas_follow_the_rate(t):
    """More while calls come fast, up to the maximum, and back after that."""
    server, fixed = t.fresh(), {'com.openfaas.scale.min': '2', 'com.openfaas.scale.max': '2'}
    deploy(t, server, 'busy', labels={'com.openfaas.scale.max': '2'})
    deploy(t, server, 'fixed', labels=fixed)
    deploy(t, server, 'calm', labels={'com.openfaas.scale.max': '2'})

    def replicas(name):
        return describe(server, name).json().get('replicas')

    def call_on(name, stop):
        while not stop.is_set():
            server.invoke(name)

    stop = threading.Event()
    callers = [threading.Thread(target=call_on, args=(name, stop)) for name in ('busy', 'fixed') * 8]
    for caller in callers:
        caller.start()
    try:
        t.eventually(lambda: replicas('busy') == 2, 'replicas are raised')
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    t.equal(replicas('fixed'), 2, 'replicas where minimum and maximum are equal')
    t.equal(replicas('calm'), 1, 'replicas of a function without calls')
    t.eventually(lambda: replicas('busy') == 1, 'replicas fall after the load')
    for _ in range(36):  # never more than 3 in a second, and for more than two looks at the rate
        server.invoke('busy')
        t.equal(replicas('busy'), 1, 'replicas with 3 calls/s')
        time.sleep(1 / 3)


def scale(server, name, replicas):
    return server.request('POST', f'/system/scale-function/{name}',
                          {'serviceName': name, 'replicas': replicas, 'namespace': NAMESPACE})
