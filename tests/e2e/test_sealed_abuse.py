# test_sealed_abuse.py - strangers and their own functions against the endpoints of attested
# invocation: rubbish, floods, calls that never end, fields that lie, leases used up. Afterwards
# everybody else is served.
import contextlib
import json
import os
import re
import socket
import threading
import time

import lib
import sealed
from test_attested import ECHO, metric, problem, quotes_in, until

FEW = lib.ROOT / 'build/tests/few/tfaasd'
FIELDS = 'module.exports = async (event) => JSON.stringify(event.headers);'
FORGER = '''
module.exports = async (event, context) => context.status(200).headers({
  'tfaas-package': 'sha256:' + '0'.repeat(64), 'TFAAS-Receipt': 'forged',
  'tfaas-session': 'AAAAAAAAAAAAAAAAAAAAAA;max-age=9', 'x-own': 'kept'}).succeed('x');
'''


def raw(server, data, seconds=lib.HANG):
    """The status of what comes back for these bytes, or None."""
    with socket.create_connection(('127.0.0.1', server.port)) as connection:
        connection.settimeout(seconds)
        answer = b''
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                answer += piece
        except OSError:
            pass
    found = re.match(rb'HTTP/1\.1 (\d+) ', answer)
    return (int(found.group(1)) if found else None), answer


def fine(t, server):
    """Everybody else is served."""
    t.status(server.request('GET', sealed.EVIDENCE), 200)
    t.equal(server.invoke('echo', 'plain').text, 'plain', 'a plain call')
    t.equal(sealed.call(server, '/function/echo', b'sealed').body, b'sealed', 'a sealed call')


def with_echo(t):
    server = t.fresh()
    server.deploy_js('echo', ECHO)
    return server


def test_rubbish_at_the_endpoints(t):
    server = with_echo(t)
    for path in (sealed.EVIDENCE, sealed.DOMAIN, sealed.KEYS):
        for method in ('PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'FOO'):
            problem(t, server.request(method, path), 405)
        for query, codes in (('namespace=' + 'a' * 5000, (400,)), ('namespace=%ff%fe', (404,)),
                             ('namespace=..%2f..%2fx', (404,)), ('namespace=a%00b', (400,)),
                             ('namespace=openfaas-fn%0d%0aX-Evil:1', (404,)),
                             ('nonce=' + 'A' * 60000, (414,))):
            status, answer = raw(server, f'GET {path}?{query} HTTP/1.1\r\nHost: x\r\n'
                                 'Connection: close\r\n\r\n'.encode())
            t.true(status in codes, f'{path}?{query[:30]}: {answer[:100]}')
            t.true(b'\r\nX-Evil' not in answer, 'a field of the query became one of the answer')
            if status and 400 <= status < 414:
                json.loads(answer.partition(b'\r\n\r\n')[2])
    one = f'GET {sealed.EVIDENCE} HTTP/1.1\r\nHost: x\r\n\r\n'
    last = f'GET {sealed.DOMAIN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    answer = raw(server, (one * 30 + last).encode())[1]
    t.equal(answer.count(b'HTTP/1.1 200 OK'), 31, 'pipelined requests')
    fine(t, server)


def test_nonce_flood(t):
    server = with_echo(t)
    stop, codes, begin = threading.Event(), [], time.monotonic()

    def flood():
        while not stop.is_set():
            codes.append(server.request('GET', sealed.EVIDENCE + '?nonce=' + 'A' * 22).status)
    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    t.eventually(lambda: len(codes) > 200, 'a flood')
    fine(t, server)
    stop.set()
    for thread in threads:
        thread.join()
    t.equal(set(codes), {200, 429}, 'answers')
    t.true(codes.count(200) <= quotes_in(time.monotonic() - begin), f'{codes.count(200)} quotes')


def resident(server):
    """Bytes of memory of tfaasd and its cores."""
    total = 0
    for pid in lib.tree(server.pid):
        with contextlib.suppress(OSError):  # it has ended
            with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
                found = re.search(r'VmRSS:\s+(\d+) kB', file.read())
                total += int(found.group(1)) * 1024 if found else 0
    return total


def test_sealed_calls_that_never_end(t):
    """More of every form than a core has places, whole but for the end, or with no sense at all. What
    is longer than tfaasd holds back takes a place (THREAT-MODEL.md): of those fewer."""
    server = with_echo(t)
    keys = sealed.keys_of(server)
    exchange = sealed.Exchange(keys, '/function/echo', b'y' * 100000, form='chunked')
    request, before = exchange.request, resident(server)
    exchange.close()
    for type_, body, count in (('message/ohttp-chunked-req', request[:-1], 50),
                               ('message/ohttp-chunked-req', request[:40000], 80),
                               ('message/ohttp-chunked-req', os.urandom(20), 80),
                               ('message/ohttp-req', bytes(90000), 50),
                               ('application/vnd.tfaas.session-req', os.urandom(50), 80)):
        held = []
        for path in ('/function/echo', sealed.KEYS):
            for _ in range(count):
                connection = socket.create_connection(('127.0.0.1', server.port))
                connection.settimeout(lib.HANG)
                held.append(connection)
                try:
                    connection.sendall(f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type_}'
                                       '\r\nTransfer-Encoding: chunked\r\n\r\n'.encode()
                                       + f'{len(body):x}\r\n'.encode() + body + b'\r\n')
                except OSError:
                    pass  # refused already
        fine(t, server)
        for connection in held:
            connection.close()
    t.eventually(lambda: resident(server) < before + (64 << 20), 'memory that is free again')
    fine(t, server)


def test_names_that_lead_nowhere(t):
    """The gateway loads what a request names: absent names, again and again, cost nothing."""
    server = with_echo(t)
    keys = sealed.keys_of(server)
    loads = metric(server, 'tfaas_function_loads_total{code="core"}')
    for number in range(30):
        reply = sealed.call(server, f'/function/none-{number}', b'x', to=sealed.KEYS, keys=keys)
        problem(t, reply.outer, 404)
    for path in ('/function/ECHO', '/function/echo%2fx', '/function/echo.elsewhere',
                 '/function//echo', '/system/functions', '/function/'):
        reply = sealed.call(server, path, b'x', to=sealed.KEYS, keys=keys)
        t.equal((reply.outer.status, reply.status), (200, 421), path)
    t.equal(metric(server, 'tfaas_function_loads_total{code="core"}'), loads, 'loads')
    fine(t, server)


def test_fields_that_a_caller_cannot_forge(t):
    server = t.fresh()
    server.deploy_js('fields', FIELDS)
    forged = ['connection=close', 'transfer-encoding=chunked', 'te=trailers', 'upgrade=h2c',
              'host=evil', 'proxy-authorization=x', 'keep-alive=1', 'trailer=x', 'expect=x',
              'x-start-time=0', 'tfaas-identity=x', 'tfaas-package-=x']
    for form in ('ohttp', 'chunked'):
        reply = sealed.call(server, '/function/fields', fields=[*forged, 'x-own=kept'], form=form)
        shown = json.loads(reply.body)
        shown.pop('date')
        t.equal(shown, {'x-own': 'kept'}, f'{form}: what the function sees')
    for field in ('x-a=b\r\nc', 'content-length=-1', 'content-length=1, 2'):
        reply = sealed.call(server, '/function/fields', fields=[field])
        t.equal((reply.outer.status, reply.status), (200, 400), f'{field!r}: {reply}')


def test_fields_that_a_function_cannot_forge(t):
    server = t.fresh()
    server.deploy_js('forger', FORGER)
    digest = server.request('GET', '/packages/forger:latest').json()['digest']
    for form in ('ohttp', 'chunked'):
        reply = sealed.call(server, '/function/forger', form=form)
        own = {name: value for name, value in reply.fields.items()
               if name.startswith('tfaas-') or name == 'x-own'}
        t.equal(own, {'tfaas-package': digest, 'x-own': 'kept'}, f'{form}: what the caller sees')


def test_a_key_is_replaced_before_its_lease_is_used_up(t):
    """Once 2^20 calls are made a key is used up, and the next would be minutes away: strangers could
    bring that about. This tfaasd gives another key after 8 of them; the one before serves on."""
    if not FEW.exists():
        t.skip(f'{FEW} is not built (make test-build)')
    usual, lib.TFAASD = lib.TFAASD, FEW
    try:
        server = with_echo(t)
    finally:
        lib.TFAASD = usual
    first, seen = sealed.keys_of(server), set()
    for turn in range(3):
        keys = sealed.keys_of(server)
        seen.add(keys)
        for _ in range(8):
            t.equal(sealed.call(server, '/function/echo', b'x', keys=keys).body, b'x', 'call')
        until(t, f'key {turn + 2}', lambda: metric(server, 'tfaas_leases_total') == turn + 2)
        t.equal(sealed.call(server, '/function/echo', b'y', keys=keys).body, b'y',
                'a call with the key before')
    t.equal(len(seen), 3, 'keys')
    problem(t, sealed.call(server, '/function/echo', keys=first).outer, 400,
            'https://iana.org/assignments/http-problem-types#ohttp-key')
