#!/usr/bin/env python3
# test_hostile_guest.py - a core that is the attacker's, in one namespace: rings 3 and 0, again and
# again, through a real tfaasd. Calls of another namespace all succeed meanwhile; tfaasd and what
# cores are copied from survive; the namespace is served again afterwards. Run by itself it prints
# what the neighbour's calls took, without and with the attacker: test_hostile_guest.py [CALLS].
import contextlib
import os
import sys
import threading
import time

import image
import lib
import wasm

TRAITOR = lib.ROOT / 'build' / 'tests' / 'hostile' / 'traitor' / 'tfaas-core'
RING3, RING0 = 10, 8  # tests/hostile/traitor
# Several, as a core that keeps dying is started later each time.
HOSTILE, QUIET = [f'hostile-{n}' for n in range(5)], 'quiet'
CALLS = 400
ONE_SECOND = {'com.tfaas.timeout': '1s'}
ECHO = 'module.exports = async (event, context) => context.status(200).succeed(event.body);\n'


class Neighbour:
    """Calls one after the other, as fast as they are answered, until at least `least` were."""

    def __init__(self, server, least):
        self.server, self.least, self.ms, self.wrong = server, least, [], []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set() or len(self.ms) < self.least:
            body = f'{{"n":{len(self.ms)}}}'
            begin = time.monotonic()
            try:
                answer = self.server.invoke('echo', body, namespace=QUIET)
                wrong = answer.status != 200 or body not in answer.text
            except OSError as problem:
                answer, wrong = problem, True
            self.ms.append((time.monotonic() - begin) * 1e3)
            if wrong:
                self.wrong.append(repr(answer))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def at(self, share):
        return sorted(self.ms)[min(len(self.ms) - 1, int(len(self.ms) * share))]


def deploy(server):
    for namespace in (*HOSTILE, QUIET):
        answer = server.request('POST', '/system/namespace/', {'name': namespace})
        if answer.status != 201:
            raise lib.Problem(f'namespace {namespace}: {answer}')
        server.deploy_js('echo', ECHO, namespace=namespace, annotations=ONE_SECOND)
        if namespace != QUIET:
            server.deploy_files('attack', {'function.wasm': wasm.CAT}, namespace=namespace,
                                annotations=ONE_SECOND)


def lost(server):
    """Cores that ended, as tfaasd counts them."""
    return server.metric('tfaas_core_lost_total')


def serves(server, namespace):
    with contextlib.suppress(OSError):
        return server.invoke('echo', 'peace', namespace=namespace).status == 200
    return False


def until_it_serves(server, namespace):
    end = time.monotonic() + lib.HANG
    while not serves(server, namespace):
        if time.monotonic() > end:
            raise lib.Problem(f'namespace {namespace} is not served any more')
        time.sleep(0.1)


def attack(server, tender):
    """Every attack once, each on a namespace that is served; how many cores ended of it."""
    before = lost(server)
    for which in range(RING3 + (RING0 if tender == 'kvm' else 0)):
        namespace = HOSTILE[which % len(HOSTILE)]
        until_it_serves(server, namespace)
        with contextlib.suppress(OSError):
            server.invoke('attack', f'#{which}', namespace=namespace)
    for namespace in HOSTILE:
        until_it_serves(server, namespace)
    return lost(server) - before


def tender_of(server):
    template = image.template_of(server)
    with open(f'/proc/{template}/cmdline', 'rb') as file:
        return 'kvm' if b'tfaas-vm' in file.read() else 'process', template


def compare(server, calls):
    """(neighbour alone, neighbour with the attacker, cores lost): the same number of calls each."""
    tender, template = tender_of(server)
    with Neighbour(server, calls) as alone:
        pass
    with Neighbour(server, calls) as attacked:
        ended = attack(server, tender)
    if tender_of(server) != (tender, template):
        raise lib.Problem('what cores are copied from did not survive')
    return alone, attacked, ended


def options():
    return {'arguments': ('--core', TRAITOR)}


def test_neighbours_of_a_hostile_guest(t):
    if not TRAITOR.exists():
        t.skip(f'{TRAITOR} is not built')
    server = t.fresh(**options())
    deploy(server)
    alone, attacked, ended = compare(server, 50)
    t.equal(alone.wrong + attacked.wrong, [], 'answers to the neighbour')
    t.true(ended >= 5, f'{ended} cores ended: the attacks were none')
    t.true(server.process.poll() is None, 'tfaasd ended')


def main():
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    failed = 0
    for tender in ('process', 'kvm'):
        if tender == 'kvm' and not os.path.exists('/dev/kvm'):
            print('kvm: skipped, no /dev/kvm')
            continue
        with lib.Server(tender=tender, **options()) as server:
            deploy(server)
            alone, attacked, ended = compare(server, calls)
            failed += len(alone.wrong) + len(attacked.wrong)
            for name, calls_of in (('alone', alone), ('attacked', attacked)):
                print(f'{tender:<8}{name:<9} {len(calls_of.ms):>6} calls, {len(calls_of.wrong)} '
                      f'failed, p50 {calls_of.at(0.5):.2f} ms, p99 {calls_of.at(0.99):.2f} ms')
            print(f'{tender:<8}{ended:.0f} cores of the attacker ended; ratio of p50 '
                  f'{attacked.at(0.5) / alone.at(0.5):.2f}, of p99 '
                  f'{attacked.at(0.99) / alone.at(0.99):.2f}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
