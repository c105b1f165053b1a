# test_leaked_key.py - what a request key opens that somebody got out of a worker (SPECIFICATION.md
# 14.8): here root reads it from the memory of the process. Recorded requests to it; nothing of
# other domains, of other workers, from before or after, and no signature.
import base64
import hashlib
import json
import os
import pathlib
import re
import signal
import tempfile

import canary
import lib
import sealed
from gateway import Gateway
from test_attested import core_pids, until
from test_canaries import tfaas
from test_gateway import ECHO, flip
from test_relay import DOMAIN, Relay, on_path

P = 2 ** 255 - 19


def public_key(secret):
    """X25519 of the base point (RFC 7748 section 5)."""
    k = int.from_bytes(secret, 'little') & ~7 & (2 ** 255 - 1) | 2 ** 254
    x2, z2, x3, z3, swap = 1, 0, 9, 1, 0
    for bit in range(254, -1, -1):
        now = k >> bit & 1
        if now != swap:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, 9 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, 'little')


def key_of(configuration):
    """The public key of the first configuration in application/ohttp-keys."""
    return configuration[5:37]


def secret_in(pid, public):
    """The secret key of `public` in the memory of a process, near the public one; or None."""
    for _, data in canary.memory(pid):
        at = data.find(public)
        while at >= 0:
            for begin in range(max(0, at - 96), at + 97, 4):
                candidate = data[begin:begin + 32]
                if len(candidate) == 32 and candidate != public \
                        and public_key(candidate) == public:
                    return candidate
            at = data.find(public, at + 1)
    return None


def leaked(server, public):
    """(pid, secret) of the worker that has this request key."""
    for pid in core_pids(server):
        secret = secret_in(pid, public)
        if secret:
            return pid, secret
    return None, None


def opens(form, secret, request):
    try:
        return sealed.tool('open', form, secret.hex(), stdin=request)
    except lib.Problem:
        return None


def record(t, server, body, form='ohttp', namespace=None):
    """A sealed call as somebody on the way sees it: (request, its key)."""
    keys = sealed.keys_of(server, namespace)
    name = '/function/echo' + (f'.{namespace}' if namespace else '')
    exchange = sealed.Exchange(keys, name, body, form=form)
    outer = server.request('POST', name, exchange.request,
                           {'Content-Type': sealed.TYPES[form][0]})
    t.true(body in exchange.open(outer).body, 'the recorded call')
    return exchange.request, key_of(keys)


def setup(t):
    if not canary.is_root():
        t.skip('reading the memory of other processes wants root')
    server = t.fresh()
    server.deploy_js('echo', ECHO, envVars={'mark': 'first'})
    t.status(server.request('POST', '/system/namespace/', {'name': 'elsewhere'}), 201)
    t.status(server.deploy('echo', 'echo:latest', namespace='elsewhere'), 202)
    return server


def test_what_a_leaked_request_key_opens(t):
    server = setup(t)
    recorded = {form: record(t, server, b'text of ' + form.encode(), form)
                for form in ('ohttp', 'chunked')}
    other = record(t, server, b'text of others', namespace='elsewhere')
    public = recorded['ohttp'][1]
    pid, secret = leaked(server, public)
    t.true(secret, 'the key was not found in its worker: the rest would prove nothing')
    for form, (request, _) in recorded.items():
        t.contains(opens(form, secret, request) or b'', b'text of ' + form.encode(),
                   'a recorded request of this key')
    t.equal(opens('ohttp', secret, other[0]), None, 'a request of another domain')
    t.true(other[1] != public, 'two domains have one key')
    # The worker ends, and another one takes its place: what came before stays with the old key.
    os.kill(pid, signal.SIGKILL)
    t.eventually(lambda: server.invoke('echo', 'warm').status == 200, 'another worker')
    until(t, 'another key', lambda: key_of(sealed.keys_of(server)) != public)
    request, later = record(t, server, b'text of later')
    t.equal(opens('ohttp', secret, request), None, 'a request after the worker was replaced')
    pid, new = leaked(server, later)
    t.contains(opens('ohttp', new, request) or b'', b'text of later', 'the new key')
    t.equal(opens('ohttp', new, recorded['ohttp'][0]), None, 'a request from before')
    for every in set(core_pids(server)):
        t.equal(secret_in(every, public), None, f'the old key in {every}')


def test_no_other_process_holds_a_request_key(t):
    """Neither tfaasd, nor a keeper, nor the zygote, nor another domain's worker."""
    server = setup(t)
    public = key_of(sealed.keys_of(server))
    key_of(sealed.keys_of(server, 'elsewhere'))
    owner, secret = leaked(server, public)
    t.true(secret, 'the key was not found in its worker')
    for pid in lib.tree(server.pid) - {owner}:
        for where, data in canary.memory(pid):
            t.true(secret not in data, f'the secret key is in {where}')


def test_a_leaked_request_key_signs_nothing(t):
    server = setup(t)
    with tempfile.TemporaryDirectory() as folder:
        r = Relay(t, server, folder)
        url, receipt = f'http://127.0.0.1:{server.port}', pathlib.Path(folder, 'receipt')
        bundle = str(pathlib.Path(folder, 'bundle'))
        tfaas('invoke', url, 'echo', *r.trust, '--data', 'x', '--receipt', str(receipt))
        tfaas('verify', url, *r.trust, '--save', bundle)
        tfaas('receipt', 'verify', str(receipt), '--evidence', bundle, *r.trust)
        secret = leaked(server, key_of(sealed.keys_of(server)))[1]
        t.true(secret, 'the key was not found in its worker')
        text = receipt.read_text().strip()
        control = receipt_seed(t, server, text)
        receipt.write_text(forged_receipt(t, text, control))
        tfaas('receipt', 'verify', str(receipt), '--evidence', bundle, *r.trust)  # well made
        receipt.write_text(forged_receipt(t, text, secret))
        done = r.tfaas('receipt', 'verify', str(receipt), '--evidence', bundle, *r.trust)
        t.true(done.returncode == 5 and b'tfaas: receipt_invalid' in done.stderr, f'{done}')

        def forged_domain(request, go):
            reply = go()
            statement = flip(reply.body, -100)[:-64]
            return reply.changed(statement + sealed.tool('sign', secret.hex(), stdin=statement))
        with Gateway(server.port, on_path(DOMAIN, forged_domain)) as gateway:
            t.equal(r.verify(gateway.url)[0]['verdict'], 'domain_signature', 'a forged statement')


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=')


def decode(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def receipt_seed(t, server, text):
    """What the worker signs receipts with: the receipt's lease has the public half, and in memory
    the seed is before it. (14.8: who has that can make receipts of this instance.)"""
    for public in re.findall(rb'\x58\x20(.{32})', decode(text), re.S):
        for pid in core_pids(server):
            for _, data in canary.memory(pid):
                at = data.find(public)
                while at >= 32:
                    seed = data[at - 32:at]
                    if sealed.tool('public', seed.hex()) == public:
                        return seed
                    at = data.find(public, at + 1)
    return t.true(False, 'the receipt key was not found')


def forged_receipt(t, text, secret):
    """The receipt with another number of work, signed with the leaked key."""
    raw = decode(text)
    begin, end = raw.index(b'{"iss"'), raw.index(b'}', raw.index(b'{"iss"')) + 1
    claims = re.sub(rb'"work":(\d)', lambda m: b'"work":' + bytes([m[1][0] ^ 1]), raw[begin:end])
    t.true(claims != raw[begin:end], 'the claims hold no work')
    jws = re.search(rb'eyJ[\w-]+\.[\w-]+\.[\w-]+', raw)[0]
    head = jws.split(b'.')[0]
    root = encode(hashlib.sha256(b'\0' + claims).digest()).decode()
    payload = encode(json.dumps({'count': 1, 'root': root}, separators=(',', ':')).encode())
    signed = head + b'.' + payload
    forged = signed + b'.' + encode(sealed.tool('sign', secret.hex(), stdin=signed))
    t.equal(len(forged), len(jws), 'the form of the JWS')
    return encode(raw.replace(raw[begin:end], claims).replace(jws, forged)).decode()
