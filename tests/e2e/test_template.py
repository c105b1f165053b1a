# test_template.py - what cores are copied from (the machine of the kvm tender at READY, the process
# tender's zygote) holds nothing that a core later keeps secret, and no request; and copies of one
# share no key, no generator, no guard. Root reads it all in their memory, by the core's symbols.
import os

import canary
import image
import lib
import sealed
from test_attested import core_pids

# Every variable of the core that ever holds a secret: (file, name, who has one in it when it runs).
SECRETS = (('random.c', 'key', 'all'), ('random.c', 'pool', 'worker'),
           ('report.c', 'instance', 'all'), ('report.c', 'root_secret', 'keeper'),
           ('cache.c', 'master', 'none'), ('cache.c', 'key', 'all'),
           ('identity.c', 'signing_secret', 'worker'), ('identity.c', 'kem', 'worker'),
           ('identity.c', 'keys', 'worker'), ('sealed_open.c', 'found_pair', 'none'),
           ('', 'keeper', 'keeper'), ('keeper_state.c', 'seal_key', 'keeper'),
           ('keeper_state.c', 'asked', 'none'))
# A machine's own: there is no launch page for a process.
OF_MACHINES = (('guest_ports.c', 'launch_entropy', 'all'),)
# The zygote draws these for all its forks; a worker wipes them before its first message.
OF_ZYGOTE = {('report.c', 'root_secret'), ('cache.c', 'master')}
PART = 16
OPEN = '''
module.exports = async (event, context) => context.status(200).succeed(
  crypto.randomUUID() + ' ' + Math.random() + ' ' + event.body.length);
'''


def parts(name, value):
    """Pieces of a value that cannot be there by chance, by name."""
    pieces = {f'{name}+{at}': value[at:at + PART] for at in range(0, len(value) - PART + 1, 8)}
    return {where: piece for where, piece in pieces.items() if len(set(piece)) >= 12}


def secret_parts(core, tender):
    found = {}
    for file, name, _ in SECRETS + (OF_MACHINES if tender == 'kvm' else ()):
        value = core.variable(file, name)
        if file == 'identity.c' and name == 'signing_secret':
            value = value[:32]  # what follows is the public key
        found |= parts(f'{file}:{name}', value)
    return found


def held(core, tender):
    """Names of the secrets that what is copied holds."""
    found = {f'{file}:{name}' for file, name, _ in SECRETS
             if any(core.variable(file, name)) and not (tender == 'process'
                                                        and (file, name) in OF_ZYGOTE)}
    if tender == 'kvm':
        found |= {'guest_ports.c:launch_entropy'} if any(core.variable(*OF_MACHINES[0][:2])) else set()
        page = core.process.read(core.guest + image.LAUNCH_GPA, 4096)
        found |= {'launch page'} if any(page[24:]) else set()
    return found


def calls(t, server, namespaces):
    """Calls in clear and sealed, each with canaries; returns these and the random texts."""
    canaries, texts = canary.Canaries(), []
    for namespace in namespaces:
        for n in range(10):
            body = canaries.make(f'body {n} {namespace}').encode()
            answer = t.status(server.invoke('random', body, namespace=namespace), 200)
            texts += answer.text.split()[:2]
            reply = sealed.call(server, f'/function/random.{namespace}', body,
                                keys=sealed.keys_of(server, namespace))
            texts += reply.body.decode().split()[:2]
    return canaries, texts


def checks_of_copies(t, cores, tender):
    """No two copies have the same of anything secret, and each has what it should."""
    seen = {}
    for core in cores:
        keeper = any(core.variable('', 'keeper')[:32])
        for file, name, who in SECRETS + (OF_MACHINES if tender == 'kvm' else ()):
            value = core.variable(file, name)
            has = who in ('all', 'keeper' if keeper else 'worker')
            t.true(any(value) or not has, f'{core.pid} has no {file}:{name}: the test is blind')
            t.true(not any(value) or who != 'none' and (who != 'keeper' or keeper),
                   f'{core.pid} keeps {file}:{name}')
        for name, piece in secret_parts(core, tender).items():
            t.true(piece not in seen or name.startswith('report.c:root'),
                   f'{core.pid} and {seen.get(piece)} have the same {name}')
            seen[piece] = core.pid
    return seen


def checks_of_guards(t, template, cores):
    every = [template.guards()] + [core.guards() for core in cores]
    for what, values in zip(('stack guard', 'pointer guard'), zip(*every)):
        t.equal(len(set(values)), len(every), f'{what}s of what is copied and of copies')
    t.true(all(stack & 255 == 0 for stack, _ in every), 'a stack guard begins with a zero byte')


def control(t, template, needles, tender):
    """The same search, and the same look at variables, find what is planted."""
    name, needle = next(iter(needles.items()))
    at, _ = template.at('random.c', 'key')
    template.process.write(at, needle)
    try:
        t.true(name in template.search(needles), 'the search is blind')
        t.equal(held(template, tender), {'random.c:key'}, 'what is held with a planted key')
    finally:
        template.process.write(at, bytes(len(needle)))


def seeds_of_the_tender(t, template, workers):
    """tfaas-vm holds the seeds of reports and of the cache: outside of what any guest reaches."""
    for name in ('report_seed', 'cache_seed'):
        at = template.around(name)
        seed = template.process.read(at, 32)
        t.true(any(seed), f'tfaas-vm has no {name}: the test is blind')
        t.true(not template.guest <= at < template.guest + template.guest_size,
               f'{name} lies in the memory of the guest')
        for core in [template, *workers]:
            found = core.search(parts(name, seed))
            t.true(not found, f'{found} in the memory of guest {core.pid}')
        for core in workers:
            t.true(not any(core.process.read(core.around(name), 32)),
                   f'{name} in the process around machine {core.pid}')


def forget_of_the_zygote(t, template, workers):
    """What the zygote holds for its forks is in no worker, whole or in part."""
    for file, name in OF_ZYGOTE:
        value = template.variable(file, name)[:32]
        t.true(any(value), f'the zygote has no {file}:{name}: the test is blind')
        for core in workers:
            found = core.search(parts(f'{file}:{name}', value))
            t.true(not found, f'{found} in worker {core.pid}')


def look_at(t, tender):
    marks = canary.Canaries()
    server = t.fresh(config={'keepers': 1, 'evidence': 'simulated'}, tender=tender)
    t.status(server.request('POST', '/system/namespace/', {'name': 'second'}), 201)
    for namespace in (lib.NAMESPACE, 'second'):
        server.deploy_js('random', OPEN + f'// {marks.make("code " + namespace)}\n',
                         namespace=namespace, envVars={'note': marks.make('variable')})
    bodies, texts = calls(t, server, (lib.NAMESPACE, 'second'))
    t.equal(len(set(texts)), len(texts), 'random texts of copies')
    template = image.Core(image.template_of(server), tender)
    # Those that only tried a function end by themselves.
    t.eventually(lambda: len(core_pids(server)) == 3, 'a keeper and two workers')
    cores = [image.Core(pid, tender) for pid in core_pids(server)]
    workers = [core for core in cores if not any(core.variable('', 'keeper')[:32])]
    t.equal((len(cores), len(workers)), (3, 2), 'cores and workers')
    needles = {}
    for core in cores:
        needles |= {f'{name} of {core.pid}': piece
                    for name, piece in secret_parts(core, tender).items()
                    if tender == 'kvm' or not name.startswith('report.c:root')}
    t.true(len(needles) > 60, f'{len(needles)} secrets to look for')
    found = template.search(needles)
    t.true(not found, f'{sorted(found)[:9]} in what cores are copied from')
    t.equal(held(template, tender), set(), 'secrets that what is copied holds')
    for _, data in template.reachable():
        t.equal(bodies.find(data) + marks.find(data), [], 'of requests and functions')
    t.true(any(bodies.find(data) or marks.find(data) for core in workers
               for _, data in core.reachable()), 'the search for canaries is blind')
    checks_of_copies(t, cores, tender)
    checks_of_guards(t, template, cores)
    if tender == 'kvm':
        seeds_of_the_tender(t, template, workers)
    else:
        forget_of_the_zygote(t, template, workers)
    control(t, template, needles, tender)


def test_the_template_machine(t):
    if not canary.is_root():
        t.skip('reading the memory of other processes wants root')
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        t.skip('no /dev/kvm')
    look_at(t, 'kvm')


def test_the_zygote(t):
    if not canary.is_root():
        t.skip('reading the memory of other processes wants root')
    look_at(t, 'process')
