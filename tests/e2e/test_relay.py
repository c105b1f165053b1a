# test_relay.py - a host that cheats about who answers: old, foreign, mixed and damaged evidence and
# statements, other platforms and domains, a clock that lies, receipts of others. Each attack has
# its own documented error and exit code.
import base64
import contextlib
import email.utils
import json
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import time

import lib
import sealed
from gateway import Gateway, Reply
from test_attested import core_pids, metric, unpack, until
from test_canaries import TFAAS, measurement
from test_gateway import BODY, Table, deploy, flip, on_path

SHIM = lib.ROOT / 'build/tests/clock_shim.so'
YEARS = 10 * 365 * 86400
EVIDENCE, DOMAIN = 'tfaas/evidence', 'tfaas/domain'
PIECES = ('evidence', 'key-statement')


class Relay(Table):
    """Verdicts of verify and of invoke, by a policy of this test."""

    def __init__(self, t, server, folder, **policy):
        super().__init__(t, server)
        self.folder = pathlib.Path(folder)
        self.policy(**policy)

    def policy(self, **more):
        path = self.folder / 'policy.json'
        whole = {'version': 1, 'cores': [measurement()], 'allow_simulated': True, **more}
        path.write_text(json.dumps(whole))
        self.trust = ['--policy', str(path)]

    def tfaas(self, *words, stdin=b''):
        return subprocess.run([TFAAS, *words], input=stdin, capture_output=True, timeout=lib.HANG,
                              check=False)

    def verify(self, url, *words):
        done = self.tfaas('verify', url, *self.trust, '--json', *words)
        return json.loads(done.stdout), done.returncode

    def platform(self):
        return self.verify(f'http://127.0.0.1:{self.server.port}')[0]['platform']

    def not_verified(self, what, hook, *errors, words=()):
        """`verify` and `invoke` both say one of `errors`; nothing of the call has left."""
        with Gateway(self.server.port, hook) as gateway:
            found, code = self.verify(gateway.url, *(words or ['--no-nonce']))
            self.t.true(found['verdict'] in errors, f'{what}: {found}')
            self.t.equal(code, self.codes[found['verdict']], f'{what}: exit code')
            done = self.client(gateway)
            self.t.true(self.verdict(done) in errors, f'{what}: {done.stderr}')
            self.t.equal((done.returncode, done.stdout), (self.codes[self.verdict(done)], b''),
                         f'{what}: invoke')
            self.t.true(not any(one.is_call for one in gateway.seen), f'{what}: it called')
            return found


    def no_key(self, what, hook):
        """The worker that gets the call does not have its key, or, once in 256 times, has another
        one of the same id. That is a host's word, so exit 1 or 6, not 5."""
        with Gateway(self.server.port, hook) as gateway:
            done = self.client(gateway)
            self.t.true(self.verdict(done) in ('key_unknown', 'request_not_opened'),
                        f'{what}: {done.stderr}')
            self.judge(what, done, self.verdict(done))
            self.t.true(not gateway.clear(BODY.encode()), f'{what}: the request went in clear')
            return self.verdict(done)


@contextlib.contextmanager
def relay(t, server, **policy):
    with tempfile.TemporaryDirectory() as folder:
        yield Relay(t, server, folder, **policy)


def two_platforms(t):
    """Two hosts with roots of their own; the policy trusts the first."""
    servers = t.fresh(), t.fresh()
    for server, mark in zip(servers, ('first', 'wrong')):
        deploy(server, mark=mark)
    return servers


def wrap(members):
    """The collection made anew: {name: (type, bytes, kind)}."""
    text = {name: [type_, base64.urlsafe_b64encode(data).decode().rstrip('='), kind]
            for name, (type_, data, kind) in members.items()}
    return json.dumps({'__cmwc_t': 'tag:tfaas,2026:evidence', **text}).encode()


def evidence_with(reply, **changed):
    """An evidence answer with other bytes in the members named (with _ for -)."""
    members = json.loads(reply.body)
    kinds = {name: members[name][2] for name in PIECES}
    new = {name: (type_, changed.get(name.replace('-', '_'), data), kinds[name])
           for name, (type_, data) in unpack(reply).items()}
    return reply.changed(wrap(new))


def test_another_platform(t):
    """Genuine evidence of a machine that the policy does not name: the owner of the trusted one's
    neighbour, or of one that was taken apart."""
    trusted, foreign = two_platforms(t)
    with relay(t, trusted) as r:
        own = r.platform()
        r.policy(platforms=[own])
        t.equal(r.verify(f'http://127.0.0.1:{trusted.port}')[1], 0, 'the trusted one')
        found = r.not_verified('all of another platform', lambda request, go:
                               go(port=foreign.port), 'platform_not_allowed')
        t.true(found['platform'] != own, 'the platforms are the same')
        sealing = [['secret', 'seal', '--name', 'x', '--any-package'],
                   ['package', 'seal', str(r.folder), '--name', 'x']]
        (r.folder / 'handler.js').write_text('module.exports = 1;')
        with Gateway(trusted.port, lambda request, go: go(port=foreign.port)) as gateway:
            for words in sealing:
                done = r.tfaas(*words, gateway.url, *r.trust, stdin=b'very secret')
                r.judge(' '.join(words[:2]), done, 'platform_not_allowed')


def test_mixed_up_instances(t):
    """Evidence of one with statements of another; both are genuine, and both are trusted."""
    one, other = two_platforms(t)
    with relay(t, one) as r:
        theirs = other.request('GET', sealed.EVIDENCE)
        r.not_verified('their domain', on_path(DOMAIN, lambda request, go: go(port=other.port)),
                       'domain_signature')
        r.not_verified('their evidence', on_path(EVIDENCE, lambda request, go:
                                                 go(port=other.port)), 'domain_signature')

        def their_quote(request, go):
            return evidence_with(go(), evidence=unpack(theirs)['evidence'][1])

        def their_statement(request, go):
            return evidence_with(go(), key_statement=unpack(theirs)['key-statement'][1])
        r.not_verified('their quote', on_path(EVIDENCE, their_quote), 'statement_mismatch')
        r.not_verified('their key statement', on_path(EVIDENCE, their_statement),
                       'statement_mismatch')
        # Verified at one, called at the other: the key is none of theirs.
        r.no_key('their worker', lambda request, go: go(port=other.port) if request.is_call
                 else go())


def test_own_keys(t):
    """A relay that puts keys of its own into what it passes on."""
    server = t.fresh()
    deploy(server)
    with relay(t, server) as r:
        identity = bytes.fromhex(r.verify(f'http://127.0.0.1:{server.port}')[0]['identity'])

        def own_identity(request, go):
            reply = go()
            statement = unpack(reply)['key-statement'][1]
            t.true(identity in statement, 'the identity is not in the key statement')
            return evidence_with(reply, key_statement=statement.replace(identity, os.urandom(32)))
        r.not_verified('its identity', on_path(EVIDENCE, own_identity), 'statement_mismatch')

        def own_key(request, go):
            reply = go()
            key = sealed.keys_of(server)[5:37]  # length (2), id, KEM (2), public key
            t.true(key in reply.body, 'the request key is not in the domain statement')
            return reply.changed(reply.body.replace(key, os.urandom(32)))
        r.not_verified('its request key', on_path(DOMAIN, own_key), 'domain_signature')

        def own_sealing(request, go):
            reply = go()
            key = bytes.fromhex(sealed.domain_of(server)[0])
            t.true(key in reply.body, 'the sealing key is not in the domain statement')
            return reply.changed(reply.body.replace(key, os.urandom(32)))
        r.not_verified('its sealing key', on_path(DOMAIN, own_sealing), 'domain_signature')


def test_damaged_evidence(t):
    server = t.fresh()
    deploy(server)
    honest = server.request('GET', sealed.EVIDENCE)
    quote, statement = (unpack(honest)[name][1] for name in PIECES)
    domain = server.request('GET', sealed.DOMAIN).body
    with relay(t, server) as r:
        def at_evidence(what, *errors, **changed):
            with Gateway(server.port, on_path(EVIDENCE, lambda request, go:
                                              evidence_with(go(), **changed))) as gateway:
                found, code = r.verify(gateway.url, '--no-nonce')
                t.true(found['verdict'] in errors and code == 5, f'{what}: {found}')
        for at in range(0, len(quote), 23):
            at_evidence(f'byte {at} of the evidence', 'evidence_form', 'evidence_signature',
                        evidence=flip(quote, at))
        for at in range(0, len(statement), 43):
            at_evidence(f'byte {at} of the key statement', 'evidence_form', 'statement_mismatch',
                        key_statement=flip(statement, at))
        for at in range(0, len(domain), 71):
            with Gateway(server.port, on_path(DOMAIN, lambda request, go, at=at:
                                              go().changed(flip(domain, at)))) as gateway:
                found, code = r.verify(gateway.url, '--no-nonce')
                t.true(found['verdict'] in ('domain_form', 'domain_signature') and code == 5,
                       f'byte {at} of the domain statement: {found}')
        for body in (b'', b'{}', b'[]', b'x' * 70000, b'{"evidence":1}', b'{' * 5000):
            error = 'host_refused' if not body else 'evidence_form'
            r.not_verified(f'evidence {body[:20]!r}', on_path(EVIDENCE, lambda request, go,
                           body=body: go().changed(body)), error)
        for body in (b'', b'\xa0', b'\x9f' * 300, bytes(9000)):
            error = 'host_refused' if not body else 'domain_form'
            r.not_verified(f'domain {body[:4]!r}', on_path(
                DOMAIN, lambda request, go, body=body: go().changed(body)), error)


def test_old_evidence(t):
    server = t.fresh()
    deploy(server)
    with relay(t, server) as r:
        old = server.request('GET', sealed.EVIDENCE)
        nonce = server.request('GET', sealed.EVIDENCE + '?nonce=' + 'A' * 22)
        for what, answer in (('without a nonce', old), ('of another nonce', nonce)):
            with Gateway(server.port, on_path(EVIDENCE, lambda request, go, answer=answer: Reply(
                    200, 'application/vnd.tfaas.evidence+json', answer.body))) as gateway:
                found, code = r.verify(gateway.url)
                t.equal((found['verdict'], code), ('evidence_nonce', 5), what)
        r.policy(maximum_age_s=1)
        time.sleep(2.1)  # two whole seconds: it is older now on every machine
        r.not_verified('older than the policy takes', None, 'evidence_too_old')


def test_statements_of_an_identity_that_is_gone(t):
    """After another start, the host shows what the identity before has signed: all of it verifies
    until its end, no core has the key, and with evidence of now none of it does."""
    server = t.fresh()
    deploy(server)
    said = set()
    with relay(t, server) as r:
        for _ in range(2):
            t.status(server.invoke('echo', 'warm'), 200)
            old = {path: server.request('GET', path) for path in (sealed.EVIDENCE, sealed.DOMAIN)}
            server.end_process(signal.SIGKILL)
            server.start()
            t.status(server.invoke('echo', 'warm'), 200)

            def replay(*parts, old=old):
                def hook(request, go):
                    for path, answer in old.items():
                        if request.path.startswith(path) and path in parts:
                            return Reply(200, answer.header('Content-Type'), answer.body)
                    return go()
                return hook
            said.add(r.no_key('all of it', replay(*old)))
            for path in old:
                r.not_verified(f'{path} alone', replay(path), 'domain_signature')
    # Key ids begin anywhere: a client with an old key learns that it is old, and fetches anew.
    t.true('key_unknown' in said, f'{said}')


def test_other_domain_and_no_lease(t):
    server = t.fresh()
    deploy(server)
    t.status(server.request('POST', '/system/namespace/', {'name': 'elsewhere'}), 201)
    server.put_package('echo:latest', {'handler.js': 'module.exports = async () => 1;'})
    t.status(server.deploy('echo', 'echo:latest', namespace='elsewhere'), 202)
    with relay(t, server) as r:
        theirs = on_path(DOMAIN, lambda request, go: go(path=sealed.DOMAIN
                                                        + '?namespace=elsewhere'))
        r.not_verified('the domain of others', theirs, 'domain_mismatch')
        # Keys of one domain, called at another's worker.
        r.no_key('the worker of others', lambda request, go: go(path=request.path.replace(
            'openfaas-fn', 'elsewhere')) if request.is_call else go())
        done = r.tfaas('invoke', f'http://127.0.0.1:{server.port}', 'echo', '--data', 'x',
                       '--core', measurement())
        r.judge('without consent', done, 'simulated_refused')
        r.policy(cores=['00' * 48])
        r.not_verified('another core', None, 'measurement_not_allowed')


def test_a_clock_that_lies(t):
    """The host tells its cores another time: nothing that was refused is accepted, and clients
    compare with their own clock."""
    if not SHIM.exists():
        t.skip(f'{SHIM.name} is not built (make test-build)')
    if 'asan' in str(lib.TFAASD):
        t.skip('a sanitizer wants to be loaded first')
    with tempfile.TemporaryDirectory() as folder:
        offset = pathlib.Path(folder, 'offset')
        offset.write_bytes(struct.pack('=q', 0))

        def tell(seconds):
            with open(offset, 'r+b') as file:
                file.write(struct.pack('=q', seconds))
        server = t.fresh(env={'LD_PRELOAD': str(SHIM), 'CLOCK_SHIM': str(offset)})
        deploy(server)
        r = Relay(t, server, folder)
        keys, fields = sealed.keys_of(server), {'Content-Type': 'message/ohttp-req'}
        exchange = sealed.Exchange(keys, '/function/echo', BODY.encode())
        recorded = exchange.request
        t.equal(exchange.open(server.request('POST', sealed.KEYS, recorded, fields)).status, 200,
                'the recorded call')
        ok = metric(server, 'tfaas_sealed_calls_total{outcome="OK"}')
        for lie in (-YEARS, 200, -YEARS, 0, YEARS, 0):
            tell(lie)
            # A call of the host's own, of that time: may make a core forget what it has seen.
            date = email.utils.formatdate(time.time() + lie, usegmt=True)
            own = sealed.call(server, '/function/echo', keys=keys, fields=[f'date={date}'])
            ok += own.status == 200
            for to in (sealed.KEYS, '/function/echo'):
                server.request('POST', to, recorded, fields)  # refused, in clear or sealed
        t.equal(metric(server, 'tfaas_sealed_calls_total{outcome="OK"}'), ok, 'runs of it')
        for lie, error in ((-YEARS, 'evidence_expired'), (YEARS, 'evidence_not_yet_valid')):
            tell(lie)
            server.end_process()
            server.start()
            t.status(server.invoke('echo', 'warm'), 200)
            r.not_verified(f'a clock {lie} s off', None, error)


def test_receipts_of_others(t):
    one, other = two_platforms(t)
    with relay(t, one) as r:
        url, files = f'http://127.0.0.1:{one.port}', []
        for number in range(3):
            path = r.folder / f'{number}.receipt'
            done = r.tfaas('invoke', url, 'echo', *r.trust, '--data', '-', '--receipt', str(path),
                           stdin=BODY.encode())
            t.equal(done.returncode, 0, f'{done.stderr}')
            files.append(str(path))
        bundles = {}
        for server in (one, other):
            bundles[server] = str(r.folder / f'{server.port}.json')
            r.verify(f'http://127.0.0.1:{server.port}', '--save', bundles[server])

        def check(what, error, paths, server=one):
            done = r.tfaas('receipt', 'verify', *paths, '--evidence', bundles[server], *r.trust)
            want = (None, 0) if error is None else (error, Table.codes[error])
            found = [line for line in done.stderr.decode().split('\n') if error
                     and line.startswith(f'tfaas: {error}')]
            t.true(done.returncode == want[1] and (error is None or found),
                   f'{what}: {done.returncode} {done.stderr}')
        check('all of them', None, files)
        check('one is missing', 'receipt_gap', [files[0], files[2]])
        check('with evidence of another', 'receipt_lease', files[:1], other)
        whole = pathlib.Path(files[0]).read_text().strip()
        raw = base64.urlsafe_b64decode(whole + '=' * (-len(whole) % 4))
        for at in range(0, len(raw), 97):
            path = r.folder / 'changed.receipt'
            path.write_text(base64.urlsafe_b64encode(flip(raw, at)).decode().rstrip('='))
            done = r.tfaas('receipt', 'verify', str(path), '--evidence', bundles[one], *r.trust)
            t.true(done.returncode == 5 and 'tfaas: receipt_' in done.stderr.decode(),
                   f'byte {at}: {done}')
