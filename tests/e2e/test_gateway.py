# test_gateway.py - a host that cheats (gateway.py) between the real client and a real tfaasd: each
# attack has its own documented error and exit code (include/tfaas/client.h), nothing false is
# accepted, no call hangs, and what a caller sends is never in clear.
import json
import re
import subprocess
import threading
import time

import lib
import library
from gateway import Gateway, Reply
from test_canaries import TFAAS, measurement

ECHO = 'module.exports = async (event) => event.body + " " + process.env.mark;'
BODY = 'clear-text-of-the-caller'
PROBLEM = 'application/problem+json'
TYPES = {'key': 'https://iana.org/assignments/http-problem-types#ohttp-key',
         'session': 'tag:tfaas,2026:session-unknown'}


def exit_codes():
    """{error: exit code} as the header documents them."""
    text = (lib.ROOT / 'include/tfaas/client.h').read_text()
    return {name.lower(): int(code) for name, code in re.findall(r'X\((\w+), (\d+), "', text)}


class Table:
    """One honest tfaasd, a cheating gateway before it, and what every case needs."""
    codes = exit_codes()

    def __init__(self, t, server):
        self.t, self.server = t, server
        self.trust = ['--allow-simulated', '--core', measurement()]

    def client(self, gateway, *words, function='echo', body=BODY):
        done = subprocess.run([TFAAS, 'invoke', gateway.url, function, *self.trust, '--data', '-',
                               *words], input=body.encode(), capture_output=True, timeout=lib.HANG,
                              check=False)
        return done

    def verdict(self, done):
        found = re.search(r'^tfaas: (\w+): ', done.stderr.decode(), re.M)
        return found.group(1) if found else None

    def refused(self, what, hook, error, *words, **options):
        """The client says exactly `error`, gives nothing out, and told the host nothing."""
        with Gateway(self.server.port, hook) as gateway:
            done = self.client(gateway, *words, **options)
            self.judge(what, done, error)
            self.t.true(not gateway.clear(BODY.encode()), f'{what}: the request went in clear')
            return gateway.seen

    def judge(self, what, done, error):
        self.t.equal((self.verdict(done), done.returncode), (error, self.codes[error]),
                     f'{what}: {done.stderr.decode()!r}')
        self.t.equal(done.stdout, b'', f'{what}: content of a call that failed')

    def served(self, what, hook, *words, **options):
        with Gateway(self.server.port, hook) as gateway:
            done = self.client(gateway, *words, **options)
            self.t.equal((done.returncode, done.stdout), (0, f'{BODY} first'.encode()),
                         f'{what}: {done.stderr.decode()!r}')
            self.t.true(not gateway.clear(BODY.encode()), f'{what}: the request went in clear')
            return gateway.seen


def deploy(server, name='echo', mark='first'):
    server.deploy_js(name, ECHO, envVars={'mark': mark})


def on_call(change):
    """A hook that answers calls with change(request, go), and is honest otherwise."""
    return lambda request, go: change(request, go) if request.is_call else go()


def on_path(part, change):
    return lambda request, go: change(request, go) if part in request.path else go()


def constant(reply):
    return lambda request, go: reply


def problem(status, type_='about:blank'):
    body = json.dumps({'type': type_, 'status': status, 'title': 'x', 'detail': 'x'}).encode()
    return Reply(status, PROBLEM, body)


def flip(data, at):
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def setup(t):
    server = t.fresh()
    deploy(server)
    return Table(t, server)


# --- answers ---

def test_honest_gateway(t):
    table = setup(t)
    for form in ('whole', 'chunked', 'session'):
        for more in ([], ['--gateway']):
            table.served(form, None, '--form', form, *more)


def test_changed_answers(t):
    """Every region of an answer, by every form: not one changed bit is accepted."""
    table = setup(t)
    for form in ('whole', 'chunked'):
        for at in (0, 20, 40, -17, -1):
            def change(request, go, at=at):
                reply = go()
                return reply.changed(flip(reply.body, at))
            table.refused(f'{form}, byte {at}', on_call(change), 'response_not_authentic',
                          '--form', form)


def test_cut_answers(t):
    table = setup(t)
    for form, keep, error in (('whole', -1, 'response_not_authentic'),
                              ('whole', 40, 'response_not_authentic'),
                              ('whole', 0, 'response_not_authentic'),
                              ('chunked', -1, 'response_not_authentic'),
                              ('chunked', 10, 'response_truncated'),
                              ('chunked', 0, 'response_truncated')):
        def change(request, go, keep=keep):
            reply = go()
            return reply.changed(reply.body[:keep])
        table.refused(f'{form} cut at {keep}', on_call(change), error, '--form', form,
                      '--no-session')

    def promised(request, go):
        reply = go()
        raw = f'HTTP/1.1 200 OK\r\nContent-Type: {reply.type}\r\nContent-Length: 5000\r\n\r\n'
        return Reply(raw=[raw.encode(), reply.body])
    table.refused('fewer bytes than promised', on_call(promised), 'transport')


def chunks_of(request, body):
    """[nonce, chunk, ..., final chunk] of a chunked answer; lengths are QUIC's varints."""
    at = 16 if request.body[5:7] == b'\0\1' else 32  # AES-128-GCM has the shorter key
    parts = [body[:at]]
    while body[at]:
        size = 1 << (body[at] >> 6)
        length = int.from_bytes(body[at:at + size], 'big') & ((1 << (8 * size - 2)) - 1)
        parts.append(body[at:at + size + length])
        at += size + length
    return parts + [body[at:]]


def test_reordered_dropped_and_doubled_chunks(t):
    table = setup(t)
    table.server.deploy('cat', 'functions/alpine:latest', envProcess='cat')
    big = BODY * 4000
    changes = {'swapped': lambda p: [p[0], p[2], p[1], *p[3:]],
               'dropped': lambda p: [p[0], *p[2:]],
               'doubled': lambda p: [p[0], p[1], p[1], *p[2:]],
               'last for first': lambda p: [p[0], p[-1]], 'cut': lambda p: p[:3]}
    for what, way in changes.items():
        error = 'response_truncated' if what == 'cut' else 'response_not_authentic'
        def change(request, go, way=way):
            reply = go()
            parts = chunks_of(request, reply.body)
            t.true(len(parts) > 4, f'{len(parts)} chunks')
            return reply.changed(b''.join(way(parts)))
        table.refused(what, on_call(change), error, '--form', 'chunked', function='cat',
                      body=big)


def test_swapped_and_repeated_answers(t):
    table = setup(t)
    for form in ('whole', 'chunked'):
        both, answers = threading.Barrier(2, timeout=lib.HANG), {}

        def swap(request, go, both=both, answers=answers):
            reply = go()
            mine = both.wait()
            answers[mine] = reply
            both.wait()
            return answers[1 - mine]
        with Gateway(table.server.port, on_call(swap)) as gateway:
            done = []
            threads = [threading.Thread(target=lambda: done.append(
                Table(t, table.server).client(gateway, '--form', form))) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for one in done:
            table.judge(f'{form}: the answer to another call', one, 'response_not_authentic')
        old = []

        def repeat(request, go, old=old):
            old.append(go())
            return old[0]
        with Gateway(table.server.port, on_call(repeat)) as gateway:
            first = table.client(gateway, '--form', form)
            t.equal(first.returncode, 0, f'{form}: the first: {first.stderr}')
            table.judge(f'{form}: an old answer', table.client(gateway, '--form', form),
                        'response_not_authentic')


def test_plain_answers(t):
    """A downgrade is one; a host's own error is its word only, and says nothing of the function."""
    table = setup(t)
    for reply, error in ((Reply(200, 'text/plain', b'forged'), 'downgrade'),
                         (Reply(200, 'application/octet-stream', BODY.encode()), 'downgrade'),
                         (Reply(204, '', b''), 'downgrade'),
                         (Reply(302, '', b'', {'Location': f'{"http"}://127.0.0.1:1/'}),
                          'downgrade'),
                         (problem(426), 'host_refused'), (problem(404), 'host_refused'),
                         (problem(500), 'host_refused'), (problem(412), 'host_refused'),
                         (problem(421), 'host_refused'), (problem(503), 'unavailable'),
                         (problem(429), 'unavailable'), (problem(409), 'replay_reported'),
                         (problem(400), 'request_not_opened'),
                         (problem(400, TYPES['key']), 'key_unknown'),
                         (problem(400, TYPES['session']), 'session_unknown')):
        seen = table.refused(f'{reply.status} {reply.type}', on_call(constant(reply)), error)
        t.true(sum(one.is_call for one in seen) <= 2, f'{error}: sent {len(seen)} times')
    wrong = on_call(lambda request, go: Reply(200, 'message/ohttp-chunked-res', go().body))
    table.refused('another type', wrong, 'downgrade', '--form', 'whole')
    errors = on_call(lambda request, go: Reply(500, 'message/ohttp-res', flip(go().body, -1)))
    table.refused('a sealed type with an error', errors, 'response_not_authentic',
                  '--form', 'whole')


def test_no_answer_ever(t):
    """Slow, endless and missing answers: the caller's time limit holds."""
    table = setup(t)

    def slow(type_):
        def pieces():
            while True:
                yield b'x'
                time.sleep(0.2)
        return lambda request, go: Reply(200, type_, pieces=pieces())

    def endless(type_):
        return lambda request, go: Reply(200, type_, pieces=iter(lambda: bytes(1 << 20), None))

    def slow_head(request, go):
        def pieces():
            yield b'HTTP/1.1 200 OK\r\nX: '
            yield from slow('')(request, go).pieces
        return Reply(raw=pieces())
    sealed_type = 'message/ohttp-res'
    for what, hook, error in (
            ('slow evidence', on_path('evidence', slow('application/json')), 'transport'),
            ('slow domain', on_path('domain', slow('application/cbor')), 'transport'),
            ('slow answer', on_call(slow(sealed_type)), 'transport'),
            ('slow head', on_call(slow_head), 'transport'),
            ('endless evidence', on_path('evidence', endless('application/json')),
             'evidence_form'),
            ('endless domain', on_path('domain', endless('application/cbor')), 'domain_form'),
            ('endless answer', on_call(endless(sealed_type)), 'response_too_large'),
            ('endless plain answer', on_call(endless('text/plain')), 'downgrade')):
        # What ends by the limit of time is a failure of the transport; what is endless ends by
        # another limit, with time left.
        table.refused(what, hook, error, '--form', 'whole', '--timeout',
                      '1' if error == 'transport' else '1000')


# --- requests ---

def test_replayed_requests(t):
    """The host sends a request again: it runs once, and who gets the second answer is told so."""
    table = setup(t)
    server = table.server
    for form in ('whole', 'chunked'):
        ok = server.metric('tfaas_sealed_calls_total{outcome="OK"}')
        table.served(f'{form}: the first of two answers',
                     on_call(lambda request, go: (go(), go())[0]), '--form', form)
        t.equal(server.metric('tfaas_sealed_calls_total{outcome="OK"}') - ok, 1, f'{form} runs')
        table.refused(f'{form}: the second', on_call(lambda request, go: (go(), go())[1]),
                      'replay_reported', '--form', form)


def test_changed_requests(t):
    table = setup(t)
    for form in ('whole', 'chunked'):
        for at, error in ((0, 'key_unknown'), (8, 'request_not_opened'),
                          (-1, 'request_not_opened')):
            table.refused(f'{form}: byte {at}',
                          on_call(lambda request, go, at=at: go(body=flip(request.body, at))),
                          error, '--form', form, '--no-session')
        table.refused(f'{form}: cut', on_call(lambda request, go: go(body=request.body[:-3])),
                      'request_not_opened', '--form', form)


def test_other_function_and_other_package(t):
    table = setup(t)
    server = table.server
    deploy(server, 'other', 'wrong')
    to_other = on_call(lambda request, go: go(path='/function/other'))
    for form in ('whole', 'chunked'):
        table.refused(f'{form}: another function', to_other, 'function_mismatch', '--form', form)
    digest = server.request('GET', '/packages/echo:latest').json()['digest']
    table.served('the package that was named', None, '--package', digest)

    def redeploy(request, go):
        server.deploy_files('echo', {'handler.js': ECHO + '// another'}, method='PUT',
                            envVars={'mark': 'wrong'})
        return go()
    for form in ('whole', 'chunked'):
        table.refused(f'{form}: redeployed', on_call(redeploy), 'package_mismatch',
                      '--package', digest, '--form', form)
        server.deploy_files('echo', {'handler.js': ECHO}, method='PUT', envVars={'mark': 'first'})


def test_lies_about_keys_and_sessions(t):
    """One lie costs a fetch or a handshake; the call is served, or it fails; never in clear."""
    table = setup(t)

    def once(type_):
        told = []

        def change(request, go):
            if not told:
                told.append(1)
                return problem(400, TYPES[type_])
            return go()
        return on_call(change)
    table.served('the key, once', once('key'))
    table.refused('the key, and --once', once('key'), 'key_unknown', '--once')


# --- sessions: more than one call of a client ---

class Talk:
    """A client in the library whose session was made by an honest call."""

    def __init__(self, table):
        self.table, self.t = table, table.t
        self.gateway = Gateway(table.server.port)
        self.client = library.Client(self.gateway.url, json.dumps(
            {'version': 1, 'cores': [measurement()], 'allow_simulated': True}))

    def __enter__(self):
        self.gateway.__enter__()
        self.good('the call that makes the session', form=library.WHOLE)
        return self

    def __exit__(self, *_):
        self.client.__exit__()
        self.gateway.__exit__()

    def good(self, what, form=library.SESSION):
        self.gateway.hook = None
        answer = self.call(None)
        self.t.equal((answer.error, answer.body, answer.form),
                     ('ok', f'{BODY} first'.encode(), form), f'{what}: {answer}')

    def call(self, hook, **options):
        self.gateway.hook = on_call(hook) if hook else None
        return self.client.call('echo', BODY.encode(), **options)

    def refused(self, what, hook, error, **options):
        """The client may make another session first: the attack is on a call in one."""
        if self.call(None).form != library.SESSION:
            self.good('a session again')
        answer = self.call(hook, **options)
        self.t.equal((answer.error, answer.body), (error, b''), f'{what}: {answer}')
        self.t.equal(self.client.exit_code(error), Table.codes[error], f'exit code of {error}')
        self.t.true(not self.gateway.clear(BODY.encode()), f'{what}: the request went in clear')


def in_session(request):
    return 'session' in request.fields.get('Content-Type', '')


def test_attacks_on_a_session(t):
    table = setup(t)
    deploy(table.server, 'other', 'wrong')
    old = []

    def keep(request, go):
        old.append((request.body, go()))
        return old[-1][1]
    with Talk(table) as talk:
        talk.good('in the session')
        for at in (0, 15, 16, 20, -17, -1):
            talk.refused(f'byte {at} of the answer', lambda request, go, at=at:
                         (lambda r: r.changed(flip(r.body, at)))(go()), 'response_not_authentic')
        for size, error in ((10, 'response_truncated'), (16, 'response_truncated'),
                            (-1, 'response_not_authentic')):
            talk.refused(f'the answer cut at {size}', lambda request, go, size=size:
                         (lambda r: r.changed(r.body[:size]))(go()), error)
        t.equal(talk.call(keep).error, 'ok', 'a call to be repeated')
        talk.refused('an old answer', lambda request, go: old[0][1], 'response_not_authentic')
        talk.refused('an old request', lambda request, go: go(body=old[0][0]), 'replay_reported')
        talk.refused('a request sent twice', lambda request, go: (go(), go())[1],
                     'replay_reported')
        for at, error in ((16, 'request_not_opened'), (24, 'request_not_opened'),
                          (-1, 'request_not_opened')):
            talk.refused(f'byte {at} of the request', lambda request, go, at=at:
                         go(body=flip(request.body, at)), error)
        talk.refused('another function', lambda request, go: go(path='/function/other'),
                     'function_mismatch')
        talk.refused('a plain answer', constant(Reply(200, 'text/plain', b'forged')), 'downgrade')
        talk.refused('a session for ever unknown', lambda request, go:
                     problem(400, TYPES['session']), 'session_unknown')
        talk.good('after a session that is said to be gone: another one', form=library.WHOLE)
        talk.good('in the new session')


def test_a_session_that_is_dropped(t):
    """One lie costs a handshake; the call is served, sealed. With ONCE it fails instead."""
    table = setup(t)

    def lie(request, go):
        return problem(400, TYPES['session']) if in_session(request) else go()
    with Talk(table) as talk:
        answer = talk.call(lie)
        t.equal((answer.error, answer.form), ('ok', library.WHOLE), f'{answer}')
        talk.refused('once only', lie, 'session_unknown', flags=library.ONCE)
        t.true(len(talk.gateway.seen) < 12, f'{len(talk.gateway.seen)} requests')


def test_answers_of_two_sessions(t):
    """The host gives each of two clients what was sealed for the other one."""
    table = setup(t)
    with Talk(table) as one, Talk(table) as two:
        kept = []
        one.call(lambda request, go: kept.append(go()) or kept[0])
        two.refused('the answer of another session', lambda request, go: kept[0],
                    'response_not_authentic')
        two.refused('the request of another session', lambda request, go:
                    go(body=[r.body for r in one.gateway.seen if in_session(r)][-1]),
                    'replay_reported')
