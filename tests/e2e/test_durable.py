# test_durable.py - nothing is acknowledged before it is on disk: the daemon's system calls are
# watched while every state-changing call is made. And a full disk: 507, nothing lost, calls go on.
# It must judge the order of system calls only, never how long they took.
import os
import pathlib
import re
import shutil
import subprocess
import time

from lib import HANG, Problem, build_tar, spawn

HELLO = "module.exports = async () => '{}';\n"
SECRETS = '/system/secrets'
TRACED = ('openat,write,pwrite64,writev,ftruncate,rename,renameat,renameat2,link,linkat,mkdir,'
          'mkdirat,unlink,unlinkat,fsync,fdatasync,sync_file_range,sendto,sendmsg,sendfile')
LINE = re.compile(r'^(\w+)\((.*)\)\s+= (-?\d+)')
FILE = re.compile(r'^\d+<([^>]*)>')
FOLDER_AND_NAME = re.compile(r'(?:\d+|AT_FDCWD)<([^>]*)>, "([^"]*)"')


# --- what a trace says ---

class Disk:
    """Which files and folders under `state` hold what no sync has reached yet."""

    def __init__(self, state):
        self.state, self.dirty, self.syncs = str(state), set(), 0

    def ours(self, path):
        # What need not last: the index of SQLite's log, which is rebuilt from the log, and compiled
        # code, whose key ends with the daemon.
        return (path.startswith(self.state) and not path.endswith('tfaas.db-shm')
                and not path.startswith(self.state + '/cache'))

    def changed(self, path):
        if self.ours(path):
            self.dirty.add(path)

    def apply(self, call, arguments):
        at = FILE.match(arguments)
        path = at.group(1) if at else ''
        if call in ('fsync', 'fdatasync'):
            self.syncs += self.ours(path)
            self.dirty.discard(path)
        elif call in ('write', 'pwrite64', 'writev', 'ftruncate'):
            self.changed(path)
        elif call == 'openat' and 'O_CREAT' in arguments:
            for folder, _ in FOLDER_AND_NAME.findall(arguments):
                self.changed(folder)
        elif call.startswith('rename'):
            (folder, old), (to, new) = FOLDER_AND_NAME.findall(arguments)
            if f'{folder}/{old}' in self.dirty:
                self.dirty.discard(f'{folder}/{old}')
                self.changed(f'{to}/{new}')
            self.changed(folder)
            self.changed(to)
        elif call.startswith(('mkdir', 'link')):
            for folder, _ in FOLDER_AND_NAME.findall(arguments):
                self.changed(folder)


def answer_of(call, arguments):
    """The status of an HTTP answer that begins with this system call, or None."""
    if call in ('sendto', 'sendmsg', 'write', 'writev'):
        found = re.search(r'"HTTP/1\.1 (\d{3})', arguments)
        return int(found.group(1)) if found and '<socket:' in arguments else None
    return None


def judge(lines, state):
    """(status, number of syncs before it, what was not on disk when it was sent) per answer."""
    disk, answers = Disk(state), []
    for line in lines:
        found = LINE.match(line)
        if not found or int(found.group(3)) < 0:
            continue
        status = answer_of(found.group(1), found.group(2))
        if status is None:
            disk.apply(found.group(1), found.group(2))
        else:
            answers.append((status, disk.syncs, sorted(disk.dirty)))
            disk.syncs = 0
    return answers


def test_the_judge_itself(t):
    """A trace that acknowledges too early is found out, in each of the ways there are."""
    write, sync = 'pwrite64(9</s/a>, "x", 1, 0) = 1', 'fdatasync(9</s/a>) = 0'
    make = 'openat(7</s>, "b.tmp", O_WRONLY|O_CREAT, 0600) = 9</s/b.tmp>'
    rename, folder = 'renameat(7</s>, "b.tmp", 7</s>, "b") = 0', 'fsync(7</s>) = 0'
    send = 'sendto(15<socket:[1]>, "HTTP/1.1 202 Accepted\\r\\n"..., 81, MSG_NOSIGNAL, NULL, 0) = 81'
    t.equal(judge([write, sync, send], '/s'), [(202, 1, [])], 'write, sync, answer')
    t.equal(judge([write, send, sync], '/s'), [(202, 0, ['/s/a'])], 'answer before the sync')
    t.equal(judge([sync, write, send], '/s'), [(202, 1, ['/s/a'])], 'write after the sync')
    t.equal(judge([write, 'fdatasync(9</s/a>) = -1 EIO (error)', send], '/s'),
            [(202, 0, ['/s/a'])], 'failed sync')
    t.equal(judge([make, rename, send], '/s'), [(202, 0, ['/s'])], 'folder not synced')
    t.equal(judge([make, rename, folder, send], '/s'), [(202, 1, [])], 'folder synced')
    t.equal(judge(['write(8</s/b.tmp>, "x", 1) = 1', rename, folder, send], '/s'),
            [(202, 1, ['/s/b'])], 'renamed before its sync')


# --- watching a daemon ---

class Watched:
    def __init__(self, t, server):
        if not shutil.which('strace'):
            t.skip('strace is not installed')
        # Only its own thread touches the state; those that fetched evidence or a key end by themselves.
        t.eventually(lambda: len(os.listdir(f'/proc/{server.pid}/task')) == 1, 'one thread')
        self.t, self.server = t, server
        self.file = pathlib.Path(server.own_folder, 'trace')
        self.log = pathlib.Path(server.own_folder, 'strace.log')
        self.process = spawn(['strace', '-y', '-s', '64', '-p', server.pid, '-e', f'trace={TRACED}',
                              '-o', self.file], self.log)
        deadline = time.monotonic() + HANG
        while 'attached' not in self.log.read_text():
            if self.process.poll() is not None:
                t.skip(f'strace cannot watch a process here: {self.log.read_text().strip()}')
            if time.monotonic() > deadline:
                raise Problem('strace did not attach')
            time.sleep(0.02)

    def lines(self):
        return self.file.read_text(errors='replace').splitlines()

    def check(self, what, call, codes=(200, 201, 202)):
        before = len(self.lines())
        self.t.status(call(self.server), *codes)
        self.t.eventually(lambda: any(self.answers(before)), f'{what}: an answer in the trace')
        (status, syncs, dirty), = self.answers(before)
        self.t.true(status in codes, f'{what}: the trace shows {status}')
        self.t.equal(dirty, [], f'{what}: acknowledged before it was on disk')
        self.t.true(syncs > 0, f'{what}: nothing was synced')

    def answers(self, start):
        return judge(self.lines()[start:], self.server.state)

    def close(self):
        self.process.terminate()
        self.process.wait()


def package(image, text):
    return lambda server: server.put_package(image, {'handler.js': HELLO.format(text)})


def test_no_answer_before_the_sync(t):
    server = t.fresh()
    watched = Watched(t, server)

    def rest(method, path, **body):
        return lambda one: one.request(method, path, body)

    deploy = {'service': 'fn', 'image': 'one:latest'}
    steps = {
        'package': package('one', 'a'),
        'package with the same content under another name': package('two', 'a'),
        'package replaced': package('one', 'b'),
        'build': lambda one: one.build(build_tar('built:latest', {'handler.js': HELLO.format(3)})),
        'secret': rest('POST', SECRETS, name='s', value='one'),
        'secret updated': rest('PUT', SECRETS, name='s', value='two'),
        'function': rest('POST', '/system/functions', **deploy, secrets=['s']),
        'function updated': rest('PUT', '/system/functions', **deploy, labels={'a': 'b'}),
        'scale': rest('POST', '/system/scale-function/fn', serviceName='fn', replicas=3),
        'alert': rest('POST', '/system/alert', alerts=[
            {'status': 'resolved', 'labels': {'function_name': 'fn'}}]),
        'namespace': rest('POST', '/system/namespace/more', name='more'),
        'namespace updated': rest('PUT', '/system/namespace/more', name='more',
                                  labels={'a': 'b'}),
        'function deleted': rest('DELETE', '/system/functions', functionName='fn'),
        'secret deleted': rest('DELETE', SECRETS, name='s'),
        'namespace deleted': rest('DELETE', '/system/namespace/more', name='more'),
    }
    try:
        for what, call in steps.items():
            watched.check(what, call)
    finally:
        watched.close()


# --- a full disk ---

def small_disk(t, mib):
    """A server whose state folder is a file system of `mib` MiB that only it sees."""
    if os.geteuid() != 0 or not shutil.which('unshare'):
        t.skip('mounting a small file system needs root and unshare')
    probe = subprocess.run(['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'],
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        t.skip(f'no file system can be mounted here: {probe.stderr.strip()}')
    script = ('mkdir -m 700 "$0" && mount -t tmpfs -o mode=700,size=' + f'{mib}m none "$0" '
              '&& exec "$@"')
    return t.fresh(wrapper=lambda state: ['unshare', '-m', 'sh', '-c', script, state])


def fill(path):
    """Takes every byte that is left; the last ones one page at a time."""
    with open(path, 'ab', buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b'\0' * size):
                    pass
            except OSError:
                pass


def noise(size):
    return os.urandom(size // 2).hex()


def listing(server):
    """Everything that clients can list, without what a call changes."""
    functions = server.request('GET', '/system/functions').json()
    for item in functions:
        item.pop('invocationCount', None)
    return (sorted(functions, key=lambda item: item['name']),
            server.request('GET', SECRETS).json(),
            server.request('GET', '/system/namespaces').json())


def big_changes(number):
    """Calls that cannot be kept without new space on the disk."""
    text = noise(300000)
    return {
        'package': lambda server: server.put_package(f'new-{number}', {
            'handler.js': HELLO.format('x'), 'data': text}),
        'build': lambda server: server.build(build_tar(f'new-b{number}:latest', {
            'handler.js': HELLO.format('x'), 'data': text})),
        'secret': lambda server: server.request('POST', SECRETS, {
            'name': f'new-{number}', 'value': text}),
        'secret update': lambda server: server.request('PUT', SECRETS, {
            'name': 'kept', 'value': text}),
        'deploy': lambda server: server.deploy(f'new-{number}', 'kept', envVars={'big': text}),
        'update': lambda server: server.deploy('kept', 'kept', method='PUT',
                                               secrets=['kept'], envVars={'big': text}),
        'namespace': lambda server: server.request('POST', f'/system/namespace/new-{number}', {
            'annotations': {'big': text}}),
    }


def refused_for_space(t, what, answer):
    if what == 'build':  # the builder's protocol tells the outcome in its last line
        t.status(answer, 200)
        t.matches(answer.text, r'"failed".*(?i:no space|disk|full)', what)
    else:
        t.error(answer, 507)
        t.matches(answer.text, r'(?i)no space|disk|full', what)


def test_full_disk(t):
    server = small_disk(t, 6)
    reader = ("const fs = require('fs');\nmodule.exports = async () => "
              "fs.readFileSync('/var/openfaas/secrets/kept').toString() + (process.env.big || '');\n")
    t.status(server.request('POST', SECRETS, {'name': 'kept', 'value': 'one'}), 202)
    for name in ('kept', 'cold'):
        server.deploy_js(name, reader, secrets=['kept'])
    t.alive(server, 'kept', b'', 'one')
    before = listing(server)
    filler = server.state_seen() / 'filler'
    fill(filler)
    for what, call in big_changes(1).items():
        refused_for_space(t, what, call(server))
        t.alive(server, 'kept', b'', 'one')
    t.alive(server, 'cold', b'', 'one')  # its first call, with no byte free
    t.equal(listing(server), before, 'state after the refusals')
    for image in ('new-1', 'new-b1'):
        t.error(server.request('GET', f'/packages/{image}'), 404)
    t.equal([path.name for path in (server.state_seen() / 'packages').iterdir()
             if path.name.endswith('.tmp')], [], 'half-written packages')
    filler.unlink()
    for what, call in big_changes(2).items():
        answer = t.status(call(server), 200, 201, 202)
        t.true('"failed"' not in answer.text, f'{what} with space again: {answer}')
    t.equal(len(t.status(server.invoke('kept'), 200).text), 600000, 'new secret and new variable')
