# test_rest.py - the REST surface: status codes, error form, methods, authentication, namespaces,
# metrics. It must judge only what a client can see.
import base64
import pathlib
import socket

from lib import HANG, NAMESPACE, Problem

HELLO = "module.exports = async (event, context) => context.succeed('hello');\n"


def test_deploy_update_remove(t):
    server, name = t.server, t.name('life')
    image = name + ':latest'
    t.status(server.put_package(image, {'handler.js': HELLO}), 200, 201, 202)
    # faas-cli sends PUT first and falls back to POST on 404.
    t.error(server.deploy(name, image, method='PUT'), 404, name)
    t.status(server.deploy(name, image), 200, 202)
    t.error(server.deploy(name, image), 409, name)
    t.equal(t.status(server.invoke(name), 200).text, 'hello', 'answer')
    t.status(server.deploy(name, image, method='PUT', labels={'new': 'yes'}), 200, 202)
    seen = server.request('GET', f'/system/function/{name}').json()
    t.equal(seen['labels'].get('new'), 'yes', 'label after the update')
    t.status(server.remove(name), 200, 202)
    t.error(server.remove(name), 404, name)
    t.error(server.invoke(name), 404, name)
    t.error(server.request('GET', f'/system/function/{name}'), 404)
    t.status(server.deploy(name, image), 200, 202)


def test_status_fields(t):
    server, name = t.server, t.name('fields')
    server.deploy_js(name, HELLO)
    for _ in range(3):
        t.status(server.invoke(name), 200)
    seen = server.request('GET', f'/system/function/{name}?usage=1').json()
    t.equal(seen.get('invocationCount'), 3, 'invocationCount')
    t.equal(seen.get('namespace'), NAMESPACE, 'namespace')
    t.true(seen.get('availableReplicas', 0) >= 1, f'availableReplicas in {seen}')
    t.matches(seen.get('createdAt'), r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d', 'createdAt')
    for absent in ('envVars', 'requests', 'limits', 'secrets', 'constraints'):
        t.true(absent not in seen, f'empty {absent} is present in {seen}')


def test_update_takes_the_new_code(t):
    server, name = t.server, t.name('update')
    for number in range(3):
        source = f"module.exports = async () => 'version {number}';\n"
        t.status(server.put_package(name, {'handler.js': source}), 200, 201, 202)
        t.status(server.deploy(name, name, method='PUT' if number else 'POST'), 200, 202)
        t.equal(t.status(server.invoke(name), 200).text, f'version {number}', 'answer')


def test_unknown_fields_are_ignored(t):
    server, name = t.server, t.name('unknown')
    server.deploy_js(name, HELLO, registryAuth='x', network='func_functions', future={'a': [1]})
    t.status(server.invoke(name), 200)


def test_null_labels(t):
    server, name = t.server, t.name('null')
    server.deploy_js(name, HELLO, labels=None, annotations=None, envVars=None, secrets=None,
                     constraints=None, limits=None, requests=None)
    t.status(server.invoke(name), 200)


def test_methods(t):
    for method, path in (('PATCH', '/system/functions'), ('DELETE', '/system/info'),
                         ('POST', '/system/namespaces'), ('GET', '/build'),
                         ('DELETE', '/system/logs'), ('GET', '/system/scale-function/x'),
                         ('PUT', '/healthz')):
        t.error(t.server.request(method, path), 405)
    name = t.name('method')
    t.server.deploy_js(name, HELLO)
    t.status(t.server.invoke(name, method='TRACE'), 405)


def test_unknown_paths(t):
    for path in ('/nothing', '/system', '/system/nothing', '/function', '/function/',
                 '/system/function/', '/ui/nothing/../../etc/passwd'):
        t.error(t.server.request('GET', path), 404)


def test_info_and_health_do_not_leak(t):
    answer = t.server.request('GET', '/system/info')
    t.matches(answer.header('Content-Type'), r'^application/json', 'type')
    info = answer.json()
    t.true('provider' in info and 'version' in info, f'info is {info}')


def test_scale_errors(t):
    server, name = t.server, t.name('scale')
    server.deploy_js(name, HELLO)
    path = f'/system/scale-function/{name}'
    t.error(server.request('POST', '/system/scale-function/absent',
                           {'serviceName': 'absent', 'replicas': 1}), 404)
    t.error(server.request('POST', path, '{'), 400)
    t.error(server.request('POST', path, {'serviceName': name, 'replicas': -1}), 400)
    t.error(server.request('POST', path, {'serviceName': name, 'replicas': 'many'}), 400)
    # The gateway itself puts the namespace in the query and leaves it out of the body.
    t.status(server.request('POST', path + f'?namespace={NAMESPACE}',
                            {'serviceName': name, 'replicas': 2}), 200, 202)
    t.equal(server.request('GET', f'/system/function/{name}').json().get('replicas'), 2,
            'replicas')


def test_namespaces(t):
    server, team = t.fresh(), 'team-b'
    mark = {'openfaas': '1'}
    t.status(server.request('POST', f'/system/namespace/{team}',
                            {'name': team, 'annotations': mark}), 200, 201, 202)
    t.equal(sorted(server.request('GET', '/system/namespaces').json()), [NAMESPACE, team],
            'namespaces')
    seen = t.status(server.request('GET', f'/system/namespace/{team}'), 200).json()
    t.equal(seen.get('name'), team, 'name')
    t.equal(seen.get('annotations', {}).get('openfaas'), '1', 'annotation')
    server.deploy_js('same', "module.exports = async () => 'one';\n")
    server.deploy_files('same', {'handler.js': "module.exports = async () => 'two';\n"},
                        namespace=team)
    # The image name was re-pointed by the second package; the first function keeps its content.
    t.equal(server.invoke('same').text, 'one', 'function of the default namespace')
    t.equal(server.invoke('same', namespace=team).text, 'two', 'function of team-b')
    t.equal([item['namespace'] for item in
             server.request('GET', f'/system/functions?namespace={team}').json()], [team], 'list')
    t.error(server.request('DELETE', f'/system/namespace/{team}'), 409)
    t.status(server.remove('same', namespace=team), 200, 202)
    t.status(server.request('DELETE', f'/system/namespace/{team}'), 200, 202)
    t.equal(server.request('GET', '/system/namespaces').json(), [NAMESPACE], 'namespaces')
    t.equal(server.invoke('same').text, 'one', 'the other namespace')


def test_namespace_named_in_the_content(t):
    """OpenFaaS's SDK posts to /system/namespace/ with the name in the content."""
    server = t.fresh()
    body = {'name': 'blue', 'labels': {'openfaas': '1', 'a': 'b'}, 'annotations': {'openfaas': '1'}}
    t.status(server.request('POST', '/system/namespace/', body), 200, 201, 202)
    seen = t.status(server.request('GET', '/system/namespace/blue'), 200).json()
    t.equal(seen['labels'].get('a'), 'b', 'label')
    t.error(server.request('POST', '/system/namespace/', body), 409, 'blue')
    for wrong in ({}, {'name': 7}, {'name': ''}, {'name': '../x'}, {'name': None}):
        t.error(server.request('POST', '/system/namespace/', wrong), 400)
    t.error(server.request('POST', '/system/namespace/green', {'name': 'red'}), 400, 'red')
    t.error(server.request('POST', '/system/namespace/green', {'name': ['green']}), 400, 'name')
    for method in ('GET', 'PUT', 'DELETE'):
        t.error(server.request(method, '/system/namespace/', body), 405)
    t.equal(sorted(server.request('GET', '/system/namespaces').json()), ['blue', NAMESPACE],
            'namespaces')


def test_async_is_told_apart(t):
    t.error(t.server.request('POST', '/async-function/fn', b'x'), 404, 'asynchronous')


def test_unknown_namespace(t):
    t.error(t.server.request('GET', '/system/functions?namespace=absent'), 404, 'absent')
    t.error(t.server.deploy('fn', 'functions/alpine:latest', namespace='absent'), 400, 'absent')
    t.error(t.server.invoke('fn', namespace='absent'), 404)
    t.error(t.server.request('GET', '/system/namespace/absent'), 404, 'absent')


def test_function_name_without_namespace(t):
    server, name = t.server, t.name('short')
    server.deploy_js(name, HELLO)
    t.equal(t.status(server.request('POST', f'/function/{name}'), 200).text, 'hello', 'answer')


def test_metrics(t):
    server, name = t.server, t.name('metered')
    server.deploy_js(name, HELLO)
    t.status(server.invoke(name), 200)
    text = t.status(server.request('GET', '/metrics'), 200).text
    full = f'{name}.{NAMESPACE}'
    t.matches(text, rf'gateway_function_invocation_total\{{[^}}]*function_name="{full}"[^}}]*\}} 1',
              'invocation counter')
    t.matches(text, rf'gateway_function_invocation_total\{{[^}}]*code="200"[^}}]*\}}', 'code label')
    t.matches(text, rf'gateway_functions_seconds_bucket\{{[^}}]*function_name="{full}"',
              'histogram')
    t.matches(text, rf'gateway_function_invocation_started\{{function_name="{full}"\}} 1',
              'started')
    t.matches(text, rf'gateway_service_count\{{function_name="{full}"\}} \d', 'service count')
    form = r'^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEInfNa]+)$'
    for line in text.splitlines():
        t.matches(line, form, 'metric line')


def test_authentication(t):
    folder = pathlib.Path(t.server.own_folder, 'secrets')
    folder.mkdir(exist_ok=True)
    folder.joinpath('basic-auth-user').write_text('admin\n')
    folder.joinpath('basic-auth-password').write_text('pass word:x\n')
    server = t.fresh(env={'basic_auth': 'true', 'secret_mount_path': str(folder)})
    good = {'Authorization': 'Basic ' + base64.b64encode(b'admin:pass word:x').decode()}
    t.status(server.request('GET', '/system/functions', headers=good), 200)
    for value in (None, 'Basic ' + base64.b64encode(b'admin:wrong').decode(), 'Bearer ',
                  'Basic !!!', 'Basic', 'Basic ' + base64.b64encode(b'admin').decode(),
                  'Basic ' + base64.b64encode(b'admin:pass word:x\0').decode()):
        answer = server.request('GET', '/system/functions',
                                headers={'Authorization': value} if value else {})
        t.equal(answer.status, 401, f'Authorization {value!r}')
        t.equal(answer.header('WWW-Authenticate'), 'Basic realm="Restricted"', 'WWW-Authenticate')
        t.equal(answer.text.strip(), 'invalid credentials', 'body')
    for method, path in (('POST', '/system/functions'), ('PUT', '/packages/x'),
                         ('GET', '/system/secrets'), ('GET', '/system/logs?name=x'),
                         ('GET', '/system/info'), ('GET', '/system/namespaces'),
                         ('POST', '/system/scale-function/x')):
        t.equal(server.request(method, path).status, 401, f'{method} {path}')
    t.status(server.request('GET', '/healthz'), 200)
    t.error(server.invoke('absent'), 404)


def test_empty_bearer_is_accepted_when_auth_is_off(t):
    t.status(t.server.request('GET', '/system/functions', headers={'Authorization': 'Bearer '}),
             200)


def test_missing_credentials_refuse_to_start(t):
    try:
        t.fresh(env={'basic_auth': 'true', 'secret_mount_path': '/nonexistent'})
    except Problem as why:
        t.contains(str(why), 'basic-auth', 'text')
        return
    t.true(False, 'tfaasd started with basic_auth=true and no credential files')


def test_pipelined_and_kept_alive(t):
    """Two requests in one segment are answered in order on one connection."""
    server, name = t.server, t.name('pipe')
    server.deploy_js(name, "module.exports = async (event) => 'got ' + event.body;\n")
    head = (f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n'
            'Content-Length: 1\r\n\r\n')
    with socket.create_connection(('127.0.0.1', server.port), timeout=HANG) as peer:
        peer.sendall((head + 'A' + head + 'B').encode())
        text = b''
        while b'got B' not in text:
            piece = peer.recv(65536)
            t.true(piece, f'connection closed after {text!r}')
            text += piece
    t.true(text.index(b'got A') < text.index(b'got B'), 'answers out of order')
