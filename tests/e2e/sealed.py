# sealed.py - a client of attested invocation for tests: HTTP here, the cryptography in
# build/tests/sealed_tool (tests/tools/sealed_tool.c). It checks no evidence.
import os
import pathlib
import struct
import subprocess

from lib import HANG, NAMESPACE, Problem

TOOL = os.environ.get('SEALED_TOOL', str(pathlib.Path(__file__).resolve().parents[2]
                                         / 'build/tests/sealed_tool'))
TYPES = {'ohttp': ('message/ohttp-req', 'message/ohttp-res'),
         'chunked': ('message/ohttp-chunked-req', 'message/ohttp-chunked-res')}
KEYS = '/.well-known/ohttp-gateway'
DOMAIN = '/.well-known/tfaas/domain'
EVIDENCE = '/.well-known/tfaas/evidence'


class Reply:
    """What came out of a sealed answer; status None: the outer answer was not one."""

    def __init__(self, outer, plain=None):
        self.outer, self.status, self.fields, self.body = outer, None, {}, b''
        if plain:
            head, _, self.body = plain.partition(b'\n\n')
            lines = head.decode().split('\n')
            self.status = int(lines[0])
            for line in lines[1:]:
                name, _, value = line.partition(': ')
                self.fields[name] = value

    @property
    def text(self):
        return self.body.decode('utf-8', 'replace')

    def __repr__(self):
        return f'inner {self.status} {self.text[:200]!r}, outer {self.outer!r}'


def tool(*arguments, stdin=b''):
    done = subprocess.run([TOOL, *arguments], input=stdin, capture_output=True, timeout=HANG,
                          check=False)
    if done.returncode != 0:
        raise Problem(f'sealed_tool {arguments[:2]}: {done.stderr.decode()}')
    return done.stdout


def keys_of(server, namespace=None):
    answer = server.request('GET', KEYS + (f'?namespace={namespace}' if namespace else ''))
    if answer.status != 200:
        raise Problem(f'{KEYS}: {answer}')
    return answer.body


def domain_of(server, namespace=None):
    """(sealing key in hex, serial, leases)"""
    answer = server.request('GET', DOMAIN + (f'?namespace={namespace}' if namespace else ''))
    if answer.status != 200:
        raise Problem(f'{DOMAIN}: {answer}')
    key, serial, leases = tool('domain', stdin=answer.body).decode().split()
    return key, int(serial), int(leases)


def seal(server, kind, name, content, packages=(), namespace=None):
    key = domain_of(server, namespace)[0]
    return tool('seal', kind, namespace or NAMESPACE, name, key, *packages, stdin=content)


class Exchange:
    """One sealed request; its answer opens with what the tool holds meanwhile."""

    def __init__(self, keys, path, body=b'', method='POST', form='ohttp', fields=()):
        self.form = form
        self.tool = subprocess.Popen([TOOL, 'call', form, keys.hex(), method, path, *fields],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
        self.put(body)
        self.request = self.get()

    def put(self, piece):
        self.tool.stdin.write(struct.pack('>I', len(piece)) + piece)
        self.tool.stdin.flush()

    def get(self):
        length = self.tool.stdout.read(4)
        if len(length) < 4:
            raise Problem(f'sealed_tool: {self.tool.stderr.read().decode()}')
        return self.tool.stdout.read(struct.unpack('>I', length)[0])

    def open(self, outer):
        if outer.status != 200 or outer.header('Content-Type') != TYPES[self.form][1]:
            self.close()
            return Reply(outer)
        self.put(outer.body)
        plain = self.get()
        self.close()
        return Reply(outer, plain)

    def close(self):
        self.tool.stdin.close()
        self.tool.wait(HANG)
        self.tool.stdout.close()
        self.tool.stderr.close()


def call(server, path, body=b'', to=None, keys=None, method='POST', form='ohttp', fields=(),
         timeout=HANG):
    """A sealed call of `path` (as the core sees it), sent to `to` or to the same path."""
    exchange = Exchange(keys or keys_of(server), path, body, method, form, fields)
    outer = server.request('POST', to or path, exchange.request,
                           {'Content-Type': TYPES[form][0]}, timeout)
    return exchange.open(outer)
