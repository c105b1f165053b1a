# test_attested.py - attested invocation as the host carries it: evidence and statements, their
# caching and errors, sealed calls by every way, leases across keepers, sealed secrets and packages.
import base64
import collections
import contextlib
import hashlib
import http.client
import json
import os
import signal
import sqlite3
import threading
import time

import sealed
from lib import HANG, NAMESPACE, Response, build_tar, tree
from sealed import DOMAIN, EVIDENCE, KEYS, call

PROBLEM = 'application/problem+json'
KEY_PROBLEM = 'https://iana.org/assignments/http-problem-types#ohttp-key'
ECHO = 'module.exports = async (event) => event.body;'
READER = '''
const fs = require('fs');
module.exports = async (event) => fs.readFileSync('/var/openfaas/secrets/' + event.body).toString();
'''


def evidence(server, query=''):
    return server.request('GET', EVIDENCE + query)


def unpack(answer):
    """The members of the collection: {name: (type, bytes)}."""
    members = json.loads(answer.body)
    return {name: (value[0], base64.urlsafe_b64decode(value[1] + '=' * (-len(value[1]) % 4)))
            for name, value in members.items() if isinstance(value, list)}


def metric(server, name):
    return server.metric(name)


def max_age(answer):
    return int(answer.header('Cache-Control').partition('max-age=')[2])


def problem(t, answer, status, type_='about:blank', text=''):
    t.equal((answer.status, answer.header('Content-Type')), (status, PROBLEM), f'{answer}')
    body = answer.json()
    t.equal((body['status'], body['type']), (status, type_), 'problem document')
    t.contains(body['detail'], text, 'detail')
    return answer


def until(t, what, check, seconds=HANG):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    return t.true(False, f'{what} did not come in {seconds} s')


def keepers(server):
    """The cores that answer CALLs as keepers: those that stay when no function is there."""
    info = server.request('GET', '/system/info').json()['provider']['evidence']
    return int(info['keeper']) + int(info['standby'])


def core_pids(server):
    """The cores: children of the zygote."""
    found = []
    for pid in tree(server.pid):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue
        found.append((pid, int(fields[1])))
    zygotes = {pid for pid, parent in found if parent == server.pid}
    return [pid for pid, parent in found if parent in zygotes]


def start_time(pid):
    with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
        return int(file.read().rpartition(')')[2].split()[19])


def by_age(server):
    """The cores, oldest first. Two may have begun in one tick of the clock that start_time counts
    in: then the first has the lower number."""
    return sorted(core_pids(server), key=lambda pid: (start_time(pid), pid))


def with_keeper(t, **options):
    """A tfaasd and the process of its keeper: the only core while there is no function."""
    server = t.fresh(**options)
    until(t, 'a keeper', lambda: keepers(server) == 1)
    return server, t.equal(len(core_pids(server)), 1, 'cores') or core_pids(server)[0]


# --- evidence and statements ---

def test_evidence(t):
    answer = t.status(evidence(t.server), 200)
    t.equal(answer.header('Content-Type'), 'application/vnd.tfaas.evidence+json', 'type')
    t.true(0 < max_age(answer) <= 3600, f'cached for {max_age(answer)} s')
    t.equal(answer.json()['__cmwc_t'], 'tag:tfaas,2026:evidence', 'collection')
    members = unpack(answer)
    t.equal(members['evidence'][0], 'application/vnd.tfaas.simulated+cbor', 'source')
    statement = members['key-statement'][1]
    t.equal(members['key-statement'][0], 'application/vnd.tfaas.key-statement+cbor', 'type')
    digest = hashlib.sha512(b'tfaas-key-v1' + statement).digest()
    t.true(digest in members['evidence'][1], 'the evidence is not over the key statement')
    info = t.server.request('GET', '/system/info').json()['provider']['evidence']
    t.equal(info['source'], 'simulated', 'info')
    t.true(bytes.fromhex(info['measurement']) in statement, 'measurement of /system/info')
    t.true(info['quotes_fetched'] >= 1, 'quotes_fetched')


def test_evidence_is_cached(t):
    first = t.status(evidence(t.server), 200)
    tag = first.header('ETag')
    again = t.status(evidence(t.server), 200)
    t.equal((again.header('ETag'), again.body), (tag, first.body), 'two answers')
    for condition in (tag, '*', f'"other", W/{tag}'):
        answer = t.server.request('GET', EVIDENCE, headers={'If-None-Match': condition})
        t.equal((answer.status, answer.body), (304, b''), condition)
    t.status(t.server.request('GET', EVIDENCE, headers={'If-None-Match': '"other"'}), 200)
    head = t.status(t.server.request('HEAD', EVIDENCE), 200)
    t.equal((head.body, head.header('Content-Length')), (b'', str(len(first.body))), 'HEAD')
    for path in (DOMAIN, KEYS):
        name = t.name('cached')
        t.server.deploy_js(name, ECHO)
        answer = t.status(t.server.request('GET', path), 200)
        t.true(0 < max_age(answer) <= 600, f'{path}: {max_age(answer)} s')
        t.equal(t.server.request('HEAD', path).header('ETag'), answer.header('ETag'), path)


def test_one_quote_for_a_thousand_calls(t):
    server = t.fresh()
    server.deploy_js('echo', ECHO)
    keys = sealed.keys_of(server)
    for i in range(10):
        t.equal(call(server, '/function/echo', b'%d' % i, keys=keys).body, b'%d' % i, 'call')

    def some():
        for _ in range(99):
            t.status(evidence(server), 200)
            t.status(server.request('GET', DOMAIN), 200)
            t.status(server.invoke('echo', b'x'), 200)
    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.equal(metric(server, 'tfaas_evidence_fetched_total'), 1, 'quotes after 1200 requests')
    t.equal(metric(server, 'tfaas_leases_total'), 1, 'leases')
    t.equal(metric(server, 'tfaas_sealed_calls_total{outcome="OK"}'), 10, 'sealed calls')


def test_nonces(t):
    server = t.fresh()
    nonce = bytes(range(16))
    text = base64.urlsafe_b64encode(nonce).decode().rstrip('=')
    answer = t.status(evidence(server, f'?nonce={text}'), 200)
    t.equal(answer.header('Cache-Control'), 'no-store', 'caching of an answer to a nonce')
    t.true(nonce in unpack(answer)['key-statement'][1], 'the statement does not hold the nonce')
    t.true(nonce not in unpack(evidence(server))['key-statement'][1], 'it went to others')
    for bad in ('', 'AAAA', 'A' * 200, 'AAECAwQFBgc=', 'AA%20AAAAAAAAAA', '+/' * 8,
                'AAAAAAAAAAAAAAA%E1'):
        problem(t, evidence(server, f'?nonce={bad}'), 400, text='nonce')
    codes, begin = collections.Counter(), time.monotonic()
    for answer in at_once(server, f'{EVIDENCE}?nonce={text}', 30):
        codes[answer.status] += 1
        if answer.status == 429:
            problem(t, answer, 429, text='too many')
            t.true(int(answer.header('Retry-After')) >= 1, 'Retry-After')
    t.equal(set(codes), {200, 429}, 'outcomes')
    t.true(codes[200] <= quotes_in(time.monotonic() - begin),
           f'{codes[200]} of 30 got evidence of their own')
    t.status(evidence(server), 200)


def quotes_in(seconds):
    """How many get evidence over a nonce of their own: limits.h, EVIDENCE_NONCE_*."""
    return 8 + 4 * seconds + 1


def at_once(server, path, count):
    """The answers to so many requests, all sent before the first answer is read."""
    calls, answers = [], []
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            call = http.client.HTTPConnection('127.0.0.1', server.port, timeout=HANG)
            stack.callback(call.close)
            call.connect()
            calls.append(call)
        for call in calls:
            call.request('GET', path)
        for call in calls:
            answer = call.getresponse()
            answers.append(Response(answer.status, answer.reason, answer.headers, answer.read()))
    return answers


def test_errors_are_problem_documents(t):
    problem(t, t.server.request('GET', DOMAIN + '?namespace=absent'), 404, text='absent')
    problem(t, t.server.request('GET', KEYS + '?namespace=%00'), 400, text='namespace')
    problem(t, t.server.request('POST', EVIDENCE), 405)
    problem(t, t.server.request('POST', KEYS, b'x', {'Content-Type': 'text/plain'}), 415,
            text='message/ohttp-req')
    problem(t, t.server.request('GET', '/.well-known/tfaas/absent'), 404)


def test_without_evidence(t):
    server = t.fresh(arguments=['--evidence', 'none'])
    server.deploy_js('plain', ECHO)
    t.equal(server.invoke('plain', 'hi').text, 'hi', 'plain call')
    for path in (EVIDENCE, DOMAIN, KEYS):
        answer = problem(t, server.request('GET', path), 503, text='evidence')
        t.true(answer.header('Retry-After'), 'Retry-After')
    sealed_call = {'Content-Type': 'message/ohttp-req'}
    problem(t, server.request('POST', '/function/plain', b'\1\0\x20\0\1\0\3' + bytes(64),
                              sealed_call), 503)
    info = server.request('GET', '/system/info').json()['provider']['evidence']
    t.equal(info, {'source': 'none'}, 'info')


def test_as_a_provider_behind_the_gateway(t):
    server = t.fresh(config={'behind_gateway': 'true', 'evidence': 'simulated'})
    server.deploy_js('echo', ECHO)
    t.status(evidence(server), 200)
    t.equal(call(server, '/function/echo', b'x', to=KEYS).body, b'x', 'sealed call')
    t.equal(server.request('GET', '/system/info').json()['evidence']['source'], 'simulated', 'info')


def test_credentials_are_not_asked_for(t):
    folder = t.fresh().own_folder
    for name in ('user', 'password'):
        with open(f'{folder}/basic-auth-{name}', 'w', encoding='utf-8') as file:
            file.write('secret')
    server = t.fresh(config={'basic_auth': 'true', 'secret_mount_path': folder})
    t.status(server.request('GET', '/system/info'), 401)
    for path in (EVIDENCE, DOMAIN):
        t.status(server.request('GET', path), 200)


def test_unknown_source_is_refused(t):
    for source, text in (('abacus', 'abacus'), ('sev-guest', '/dev/sev-guest'),
                         ('tdx-guest', '/dev/tdx_guest'), ('configfs-tsm', 'tsm/report')):
        try:
            t.fresh(arguments=['--evidence', source]).stop()
            t.true(os.path.exists(text), f'--evidence {source} was accepted')
        except Exception as error:  # lib.Problem holds what tfaasd said
            t.contains(str(error), text, source)


def test_namespaces_have_their_own_statement(t):
    t.status(t.server.request('POST', '/system/namespace/', {'name': 'attested-other'}), 201)
    mine, other = sealed.domain_of(t.server), sealed.domain_of(t.server, 'attested-other')
    t.true(mine[0] != other[0], 'two domains have one sealing key')
    t.equal(other[2], 0, 'leases of a namespace without functions')
    problem(t, t.server.request('GET', KEYS + '?namespace=attested-other'), 503, text='lease')


def test_a_fresh_namespace_gets_a_worker_for_its_keys(t):
    server = t.fresh()
    server.deploy_js('cold', ECHO)
    server.end_process()
    server.start()
    t.equal(call(server, '/function/cold', b'warm').body, b'warm', 'first sealed call')


# --- sealed calls ---

def test_sealed_calls(t):
    name = t.name('echo')
    t.status(t.server.deploy(name, 'functions/alpine:latest', envProcess='cat'), 202)
    path = f'/function/{name}'
    for form in ('ohttp', 'chunked'):
        for body in (b'', b'hello', bytes(range(256)) * 300):
            for to in (None, KEYS, f'{path}.{NAMESPACE}'):
                reply = call(t.server, path, body, to=to, form=form)
                t.equal((reply.status, len(reply.body)), (200, len(body)), f'{form} {to}: {reply}')
                t.true(reply.body == body, 'content')
                t.true('tfaas-package' in reply.fields, 'tfaas-package')
                t.equal(reply.outer.header('Cache-Control'), 'no-store', 'outer caching')


def test_what_the_function_sees(t):
    name = t.name('seen')
    t.server.deploy_js(name, 'module.exports = async (e) => '
                             'JSON.stringify([e.method, e.path, e.query, e.headers]);')
    reply = call(t.server, f'/function/{name}/a/b?c=d', method='PUT', fields=['x-mine=1'])
    method, path, query, headers = json.loads(reply.text)
    t.equal((method, path, query), ('PUT', '/a/b', {'c': 'd'}), 'request')
    t.equal(headers.get('x-mine'), '1', 'own field')
    added = [key for key in headers if key.lower().startswith(('x-call-id', 'x-forwarded',
                                                               'x-start-time', 'tfaas-'))]
    t.equal(added, [], 'fields that the host put into a sealed request')


def test_large_chunked_content(t):
    name = t.name('large')
    t.status(t.server.deploy(name, 'functions/alpine:latest', envProcess='cat'), 202)
    body = os.urandom(6 << 20)
    for to in (None, KEYS):
        reply = call(t.server, f'/function/{name}', body, to=to, form='chunked')
        t.equal(reply.status, 200, f'{reply}')
        t.true(reply.body == body, 'content')


def test_whole_requests_are_bounded(t):
    name = t.name('bounded')
    t.server.deploy_js(name, ECHO)
    reply = call(t.server, f'/function/{name}', bytes((1 << 20) + 8192))
    problem(t, reply.outer, 413, text='larger than the limit')


def test_refusals_outside(t):
    name = t.name('refused')
    t.server.deploy_js(name, ECHO)
    path, keys = f'/function/{name}', sealed.keys_of(t.server)
    sealed_type = {'Content-Type': 'message/ohttp-req'}
    exchange = sealed.Exchange(keys, path, b'x')
    request = exchange.request
    t.equal(exchange.open(t.server.request('POST', path, request, sealed_type)).status, 200,
            'the first of two')
    problem(t, t.server.request('POST', path, request, sealed_type), 409, text='seen before')
    other_key = bytes([request[0] ^ 0x55]) + request[1:]
    problem(t, t.server.request('POST', path, other_key, sealed_type), 400, KEY_PROBLEM)
    exchange = sealed.Exchange(keys, path, b'x')
    damaged = exchange.request[:-1] + bytes([exchange.request[-1] ^ 1])
    problem(t, t.server.request('POST', path, damaged, sealed_type), 400, text='not open')
    exchange.close()
    session = {'Content-Type': 'application/vnd.tfaas.session-req'}
    problem(t, t.server.request('POST', KEYS, bytes(200), session), 400,
            'tag:tfaas,2026:session-unknown')
    problem(t, t.server.request('POST', '/function/absent', request, sealed_type), 404)


def test_refusals_inside(t):
    name = t.name('inner')
    t.server.deploy_js(name, ECHO)
    path = f'/function/{name}'
    reply = call(t.server, path, fields=['date=Mon, 01 Jan 2024 00:00:00 GMT'])
    t.equal((reply.status, reply.outer.status), (400, 200), f'old date: {reply}')
    reply = call(t.server, path, fields=['tfaas-package=sha256:' + '0' * 64])
    t.equal((reply.status, reply.outer.status), (412, 200), f'other package: {reply}')
    other = t.name('other')
    t.server.deploy_js(other, ECHO)
    reply = call(t.server, path, to=f'/function/{other}')
    t.equal((reply.status, reply.outer.status), (421, 200), f'other function: {reply}')
    t.server.deploy_js(t.name('bad'), ECHO)


def test_gateway_loads_the_function_that_a_request_names(t):
    server = t.fresh()
    for name in ('first', 'second'):
        server.deploy_js(name, ECHO)
    server.end_process()
    server.start()
    keys = sealed.keys_of(server)
    before = metric(server, 'tfaas_function_loads_total{code="core"}')
    for form, size in (('ohttp', 100), ('chunked', 300000)):
        name = 'first' if form == 'ohttp' else 'second'
        reply = call(server, f'/function/{name}', bytes(size), to=KEYS, keys=keys, form=form)
        t.equal((reply.status, len(reply.body)), (200, size), f'{form}: {reply}')
    t.true(metric(server, 'tfaas_function_loads_total{code="core"}') > before, 'loads')
    reply = call(server, '/function/absent', b'x', to=KEYS, keys=keys)
    problem(t, reply.outer, 404, text='no such function')
    t.equal(metric(server, 'tfaas_sealed_calls_total{outcome="OK"}'), 2, 'outcomes')


def test_metrics_tell_the_inner_outcome(t):
    server = t.fresh()
    t.while_it_lasts(lambda seconds: inner_deadline(t, server, seconds), 'a call that began')


def inner_deadline(t, server, seconds):
    """False: its time was over before it was loaded, and the host said so."""
    name, outcome = t.name('fails'), 'tfaas_sealed_calls_total{outcome="DEADLINE"}'
    server.deploy_js(name, 'module.exports = async () => { for (;;); };',
                     annotations={'com.tfaas.timeout': f'{seconds}s'})
    before = metric(server, outcome)
    reply = call(server, f'/function/{name}', b'x', timeout=300)
    if reply.outer.status == 504:
        return False
    t.equal((reply.outer.status, reply.status), (200, 504), f'{reply}')
    code = f'gateway_function_invocation_total{{code="504",function_name="{name}.{NAMESPACE}"}}'
    t.equal(metric(server, code), 1, 'the function failed, whatever the outer status was')
    t.equal(metric(server, outcome) - before, 1, 'outcome')
    return True


def test_plain_calls_of_a_function_that_demands_encapsulation(t):
    for kind in ('annotations', 'labels'):
        name = t.name('demands')
        t.server.deploy_js(name, ECHO, **{kind: {'com.tfaas.encapsulation': 'required'}})
        answer = problem(t, t.server.invoke(name, 'x'), 426, text='encapsulated')
        t.true(answer.header('Upgrade'), 'RFC 9110 demands an Upgrade field in a 426')
        t.equal(call(t.server, f'/function/{name}', b'x').body, b'x', 'sealed call')
    bad = t.server.deploy(t.name('bad'), 'functions/alpine:latest', envProcess='cat',
                          labels={'com.tfaas.encapsulation': 'perhaps'})
    t.error(bad, 400, 'com.tfaas.encapsulation')


# --- keepers ---

def test_keeper_killed(t):
    server, keeper = with_keeper(t)
    server.deploy_js('echo', ECHO)
    keys, before = sealed.keys_of(server), evidence(server).body
    t.equal(call(server, '/function/echo', b'1', keys=keys).body, b'1', 'before')
    os.kill(keeper, signal.SIGKILL)
    until(t, 'another keeper', lambda: metric(server, 'tfaas_keeper_lost_total') == 1
          and keepers(server) == 1)
    t.equal(server.invoke('echo', 'plain').text, 'plain', 'a plain call meanwhile')
    t.true(evidence(server).body != before, 'the identity is the old one')
    until(t, 'another lease', lambda: metric(server, 'tfaas_leases_total') == 2)
    t.equal(call(server, '/function/echo', b'2').body, b'2', 'after')
    stale = call(server, '/function/echo', b'x', keys=keys)
    t.equal((stale.status, stale.outer.status), (None, 400), 'a key of the worker before')
    t.equal(metric(server, 'tfaas_evidence_fetched_total'), 2, 'one quote per identity')


def test_plain_calls_go_on_while_a_keeper_dies(t):
    server, keeper = with_keeper(t)
    server.deploy_js('echo', ECHO)
    until(t, 'a lease', lambda: metric(server, 'tfaas_leases_total') == 1)
    answers, stop = collections.Counter(), threading.Event()

    def calls():
        while not stop.is_set():
            answers[server.invoke('echo', 'x').status] += 1
    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    os.kill(keeper, signal.SIGKILL)
    # The new keeper gives the old worker no lease: it is replaced, and no call is lost by that.
    until(t, 'a lease of the new keeper', lambda: metric(server, 'tfaas_leases_total') == 2)
    stop.set()
    for thread in threads:
        thread.join()
    t.equal(list(answers), [200], f'plain calls meanwhile: {dict(answers)}')
    t.equal(metric(server, 'tfaas_core_lost_total'), 1, 'lost cores: the keeper alone')


def test_second_keeper_takes_over(t):
    server = t.fresh(config={'keepers': 2, 'evidence': 'simulated'})
    until(t, 'two keepers', lambda: keepers(server) == 2)
    first = by_age(server)[0]
    server.deploy_js('reader', ECHO)
    key = sealed.domain_of(server)[0]
    until(t, 'handover', lambda: metric(server, 'tfaas_keeper_handovers_total') >= 1)
    before = evidence(server).body
    handovers = metric(server, 'tfaas_keeper_handovers_total')
    os.kill(first, signal.SIGKILL)
    until(t, 'the other one', lambda: metric(server, 'tfaas_keeper_lost_total') == 1
          and keepers(server) >= 1)
    t.equal(sealed.domain_of(server)[0], key, 'sealing key of the domain')
    t.true(evidence(server).body != before, 'the identity is another one')
    t.equal(call(server, '/function/reader', b'on').body, b'on', 'sealed call')
    t.contains(server.log_text(), 'takes over', 'log')
    until(t, 'two keepers again', lambda: keepers(server) == 2
          and metric(server, 'tfaas_keeper_handovers_total') > handovers)


def test_sealing_keys_outlive_tfaasd(t):
    server = t.fresh()
    keys = [sealed.domain_of(server)[0]]
    for sig in (signal.SIGTERM, signal.SIGKILL):
        server.end_process(sig)
        server.start()
        keys.append(sealed.domain_of(server)[0])
    t.equal(len(set(keys)), 1, 'sealing keys over two restarts')
    root = server.state / 'simulated-root.key'
    t.equal(root.stat().st_mode & 0o777, 0o600, 'mode of the root key')
    server.end_process()
    root.unlink()
    server.start()
    t.true(sealed.domain_of(server)[0] != keys[0], 'another root opened the saved state')
    t.contains(server.log_text(), 'provisioned again', 'log')


def test_state_of_schema_one(t):
    server = t.fresh()
    server.deploy_js('old', ECHO)
    server.end_process()
    with contextlib.closing(sqlite3.connect(server.state / 'tfaas.db')) as database:
        database.executescript('DROP TABLE keeper_states; PRAGMA user_version = 1;')
    (server.state / 'simulated-root.key').unlink()
    server.start()
    t.equal(server.invoke('old', 'still').text, 'still', 'plain call')
    t.equal(call(server, '/function/old', b'sealed').body, b'sealed', 'sealed call')


# --- what owners seal ---

def put_sealed_secret(server, name, value, packages=(), method='POST', namespace=None):
    content = sealed.seal(server, 'secret', name, value, packages, namespace)
    body = {'name': name, 'rawValue': base64.b64encode(content).decode()}
    if namespace:
        body['namespace'] = namespace
    return server.request(method, '/system/secrets', body)


def test_sealed_secret(t):
    server = t.fresh()
    t.status(put_sealed_secret(server, 'token', b'very secret'), 202)
    t.error(put_sealed_secret(server, 'token', b'again'), 409)
    server.deploy_js('reader', READER, secrets=['token'])
    t.equal(server.invoke('reader', 'token').text, 'very secret', 'plain call')
    t.equal(call(server, '/function/reader', b'token').text, 'very secret', 'sealed call')
    t.equal(server.request('GET', '/system/secrets').json(),
            [{'name': 'token', 'namespace': NAMESPACE, 'type': 'sealed'}], 'list')
    t.status(put_sealed_secret(server, 'token', b'renewed', method='PUT'), 202)
    t.equal(server.invoke('reader', 'token').text, 'renewed', 'after an update')
    server.end_process(signal.SIGKILL)
    server.start()
    t.equal(server.invoke('reader', 'token').text, 'renewed', 'after a restart')
    t.status(server.request('PUT', '/system/secrets', {'name': 'token', 'value': 'open'}), 202)
    t.equal(server.invoke('reader', 'token').text, 'open', 'a plain one instead')
    t.equal(server.request('GET', '/system/secrets').json(),
            [{'name': 'token', 'namespace': NAMESPACE}], 'list')


def test_sealed_secret_is_for_its_name_and_namespace(t):
    server = t.fresh()
    content = base64.b64encode(sealed.seal(server, 'secret', 'mine', b'x')).decode()
    answer = server.request('POST', '/system/secrets', {'name': 'other', 'rawValue': content})
    t.error(answer, 400, 'sealed as secret mine')
    t.status(server.request('POST', '/system/namespace/', {'name': 'elsewhere'}), 201)
    answer = server.request('POST', '/system/secrets', {'name': 'mine', 'namespace': 'elsewhere',
                                                        'rawValue': content})
    t.error(answer, 400, 'sealed as secret mine')
    package = base64.b64encode(sealed.seal(server, 'package', 'mine', b'x')).decode()
    answer = server.request('POST', '/system/secrets', {'name': 'mine', 'rawValue': package})
    t.error(answer, 400, 'sealed as package mine')
    damaged = base64.b64encode(base64.b64decode(content)[:-40]).decode()
    answer = server.request('POST', '/system/secrets', {'name': 'mine', 'rawValue': damaged})
    t.true(400 <= answer.status < 500, f'{answer}')


def test_sealed_secret_for_one_package(t):
    server = t.fresh()
    t.status(server.put_package('reader', {'handler.js': READER}), 201)
    digest = server.request('GET', '/packages/reader').json()['digest'].removeprefix('sha256:')
    t.status(put_sealed_secret(server, 'right', b'yes', [digest]), 202)
    t.status(put_sealed_secret(server, 'wrong', b'no', ['0' * 64]), 202)
    t.status(server.deploy('reader', 'reader', secrets=['right']), 202)
    t.equal(server.invoke('reader', 'right').text, 'yes', 'the package that the policy names')
    answer = server.deploy('thief', 'reader', secrets=['wrong'])
    t.true(answer.status in (403, 422), f'another package: {answer}')


def test_not_granted_names_what_to_provision(t):
    server = t.fresh()
    t.status(put_sealed_secret(server, 'lost', b'value'), 202)
    server.deploy_js('reader', READER, secrets=['lost'])
    server.end_process()
    (server.state / 'simulated-root.key').unlink()
    server.start()
    answer = problem(t, server.invoke('reader', 'lost'), 403, text='lost')
    t.contains(answer.json()['detail'], 'provisioned again', 'what to do')
    answer = server.deploy('reader', 'reader', method='PUT', secrets=['lost'])
    t.error(answer, 403, 'secret lost must be sealed and provisioned again')
    t.status(put_sealed_secret(server, 'lost', b'value 2', method='PUT'), 202)
    t.equal(server.invoke('reader', 'lost').text, 'value 2', 'provisioned again')


def test_sealed_package(t):
    server = t.fresh()
    t.status(server.put_package('open', {'handler.js': ECHO}), 201)
    digest = server.request('GET', '/packages/open').json()['digest'].removeprefix('sha256:')
    package = (server.state / 'packages' / digest).read_bytes()
    content = sealed.seal(server, 'package', 'confidential', package)
    answer = t.status(server.put_package('hidden', content), 201).json()
    t.equal((answer['sealed'], answer['digest']),
            (True, 'sha256:' + hashlib.sha256(content).hexdigest()), 'kept as it is')
    t.equal(server.request('GET', '/packages/hidden').json()['sealed'], True, 'listed')
    t.true('sealed' not in server.request('GET', '/packages/open').json(), 'the open one')
    t.error(server.deploy('other', 'hidden'), 400, 'sealed as package confidential')
    t.status(server.deploy('confidential', 'hidden'), 202)
    problem(t, server.invoke('confidential', 'x'), 426)
    reply = call(server, '/function/confidential', b'inside')
    t.equal((reply.status, reply.body), (200, b'inside'), f'{reply}')
    server.end_process()
    server.start()
    t.equal(call(server, '/function/confidential', b'again', to=KEYS).body, b'again', 'restart')
    t.error(server.put_package('secret', sealed.seal(server, 'secret', 'confidential', package)),
            400, 'is no package')


def test_sealed_package_by_the_remote_builder(t):
    server = t.fresh()
    t.status(server.put_package('open', {'handler.js': ECHO}), 201)
    digest = server.request('GET', '/packages/open').json()['digest'].removeprefix('sha256:')
    package = (server.state / 'packages' / digest).read_bytes()
    content = sealed.seal(server, 'package', 'built', package)
    answer = server.build(build_tar('built:latest', {'package.sealed': content}))
    t.contains(answer.text, '"status":"success"', 'builder')
    t.status(server.deploy('built', 'built:latest'), 202)
    t.equal(call(server, '/function/built', b'x').body, b'x', 'sealed call')
