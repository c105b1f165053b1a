# test_sealed_faults.py - kill -9 of keepers, workers and tfaasd, and a full disk, at every step of
# sealing and provisioning: what got a 2xx is usable afterwards, and keys that clients may have
# sealed to are never made anew while they are kept.
import base64
import contextlib
import os
import signal
import time

import lib
import sealed
from test_attested import READER, by_age, core_pids, keepers, metric, put_sealed_secret, until
from test_durable import fill, small_disk

READ = READER.replace('event.body', "'token'")


def key_of(server, seconds=lib.HANG):
    """The sealing key of the default domain, once it can be had."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(lib.Problem, OSError):
            return sealed.domain_of(server)[0]
        if time.monotonic() > end:
            raise lib.Problem('no domain statement')
        time.sleep(0.02)


def usable(t, server, value):
    """The sealed secret opens: asked until keepers and workers are there again."""
    answers = []

    def check():
        answers[:] = [server.invoke('reader')]
        return answers[0].status == 200
    until(t, f'the secret ({answers})', check)
    t.equal(answers[0].text, value, 'the secret')


def two_keepers(t):
    server = t.fresh(config={'keepers': 2, 'evidence': 'simulated'})
    until(t, 'two keepers', lambda: keepers(server) == 2)
    until(t, 'handover', lambda: metric(server, 'tfaas_keeper_handovers_total') >= 1)
    active, second = by_age(server)
    return server, active, second


def next_core(t, server, known):
    end = time.monotonic() + lib.HANG
    while not set(core_pids(server)) - set(known):  # without a pause: the moment counts
        t.true(time.monotonic() < end, 'no other core')


def test_a_second_keeper_without_keys_does_not_take_over(t):
    """The first ends while the second has only just started: nobody holds the keys but the disk."""
    server, active, second = two_keepers(t)
    t.status(put_sealed_secret(server, 'token', b'kept'), 202)
    before = key_of(server)
    os.kill(second, signal.SIGKILL)
    next_core(t, server, (active, second))
    os.kill(server.pid, signal.SIGSTOP)  # tfaasd learns both at once: one is there, one is gone
    os.kill(active, signal.SIGKILL)
    until(t, 'the end of the first', lambda: active not in core_pids(server))
    os.kill(server.pid, signal.SIGCONT)
    t.equal(key_of(server), before, 'the sealing key')
    server.deploy_js('reader', READ, secrets=['token'])
    usable(t, server, 'kept')
    server.end_process(signal.SIGKILL)
    server.start()
    t.equal(key_of(server), before, 'the sealing key after a restart')
    usable(t, server, 'kept')


def test_a_second_keeper_that_got_no_keys_does_not_take_over(t):
    """It runs, and the first ends before it has handed anything over."""
    server, active, second = two_keepers(t)
    before = key_of(server)
    os.kill(active, signal.SIGSTOP)
    os.kill(second, signal.SIGKILL)
    until(t, 'its end', lambda: metric(server, 'tfaas_keeper_lost_total') >= 1)
    until(t, 'another second keeper', lambda: keepers(server) == 2)  # it asks the first in vain
    os.kill(active, signal.SIGKILL)
    until(t, 'the second one starts anew', lambda: 'does not have all keys yet' in server.log.read_text())
    t.equal(key_of(server), before, 'the sealing key')


def test_kills_while_a_secret_is_sealed_and_provisioned(t):
    """A 2xx answer to a sealed secret holds whoever is killed, and whenever."""
    server = t.fresh()
    t.status(put_sealed_secret(server, 'token', b'value 0'), 202)
    server.deploy_js('reader', READ, secrets=['token'])
    usable(t, server, 'value 0')
    value, steps = 'value 0', 0
    for step in range(6):
        new = f'value {step + 1}'
        killed = [server.pid] if step % 2 else core_pids(server)
        content = sealed.seal(server, 'secret', 'token', new.encode())
        body = {'name': 'token', 'rawValue': base64.b64encode(content).decode()}
        answer = None
        if step < 2:  # before it is stored
            kill(killed)
        with contextlib.suppress(OSError):
            answer = server.request('PUT', '/system/secrets', body)
        if 2 <= step < 4:  # after it is stored
            kill(killed)
        if step >= 4:  # while the worker loads it
            with contextlib.suppress(OSError):
                server.invoke('reader', timeout=0.005)
            kill(killed)
        if step % 2:
            server.end_process(signal.SIGKILL)
            server.start()
        if answer and 200 <= answer.status < 300:
            value, steps = new, steps + 1
        usable(t, server, value)
    t.true(steps >= 3, f'{steps} acknowledged')


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_full_disk_while_a_key_is_saved(t):
    """A domain's sealing key that cannot be saved is told to nobody; one that was told stays."""
    server = small_disk(t, 6)
    server.deploy_js('plain', "module.exports = async () => 'fine';")
    names = [f'space-{number}' for number in range(440)]
    for name in names:
        t.status(server.request('POST', '/system/namespace/', {'name': name}), 201)
    told, refused = {names[0]: sealed.domain_of(server, names[0])[0]}, []
    filler = server.state_seen() / 'filler'
    fill(filler)
    for name in names[1:]:
        answer = server.request('GET', sealed.DOMAIN + f'?namespace={name}')
        t.status(answer, 200, 503, 507)
        if answer.status == 200:
            told[name] = sealed.domain_of(server, name)[0]
        else:
            refused.append(name)
        if len(refused) == 2:
            break
    t.true(refused, 'every key was told, and the disk is full')
    t.equal(server.invoke('plain').text, 'fine', 'calls go on')
    kill(core_pids(server))
    filler.unlink()
    for name, key in list(told.items())[:20]:
        until(t, name, lambda name=name: server.request(
            'GET', sealed.DOMAIN + f'?namespace={name}').status == 200)
        t.equal(sealed.domain_of(server, name)[0], key, f'the key of {name}')
    until(t, 'the key of one that was refused', lambda: server.request(
        'GET', sealed.DOMAIN + f'?namespace={refused[0]}').status == 200)
