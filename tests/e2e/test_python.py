# test_python.py - Python functions as people write them: handler forms, packages, errors, and what one call must never
# leave for the next. Served by tfaas-core-python.
# It must judge only what a client can see.
import json
import pathlib

import sealed
from lib import TFAASD, build_tar, make_tar

CORE = pathlib.Path(TFAASD).resolve().parent / 'tfaas-core-python'
servers = {}


def server(t):
    """One for this file; the core of the other tests has no Python."""
    if not CORE.exists():
        t.skip(f'{CORE.name} is not built (make python)')
    if 'one' not in servers or servers['one'].process.poll() is not None:
        servers['one'] = t.fresh(arguments=['--core', CORE])
    return servers['one']


def deploy(t, source, files=None, **fields):
    name = t.name('py')
    server(t).deploy_files(name, {'handler.py': source, **(files or {})}, **fields)
    return name


def call(t, source, body=b'', files=None, **options):
    fields = options.pop('fields', {})
    return server(t).invoke(deploy(t, source, files, **fields), body, **options)


def log_of(t, name):
    return server(t).request('GET', f'/system/logs?name={name}&follow=false').text


def test_forms_and_answers(t):
    hello = 'def handle(event, context):\n    return '
    for value, type_, body in (
            ('"a\\u20ac"', 'text/plain; charset=utf-8', '"a€"'[1:-1].encode()),
            ('b"\\x00\\xff"', 'application/octet-stream', b'\0\xff'),
            ('[1, {"a": None}]', 'application/json', b'[1, {"a": null}]'),
            ('{"a": 1}', 'application/json', b'{"a": 1}'),
            ('None', 'text/plain', b''),
            ('("x", 201, {"X-A": "b"})', 'text/plain; charset=utf-8', b'x'),
            ('{"statusCode": 201, "body": {"k": "v"}, "headers": {"X-A": "b"}}', 'application/json', b'{"k": "v"}')):
        answer = call(t, hello + value + '\n')
        t.status(answer, 201 if '201' in value else 200)
        t.equal(answer.body, body, value)
        t.equal(answer.header('Content-Type'), type_, value)
        t.equal(answer.header('X-A'), 'b' if '201' in value else None, value)
    answer = call(t, 'def handle(req):\n    return req.upper()\n', 'straße'.encode())
    t.equal(answer.text, 'STRASSE', 'the classic form')
    answer = call(t, 'import asyncio\nasync def handle(event, context):\n'
                     '    return await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(3)))\n')
    t.equal(answer.json(), [0, 1, 2], 'an async handler')


def test_what_a_handler_sees(t):
    source = '''
import os, sys
def handle(event, context):
    with open('/var/openfaas/secrets/tok') as file:
        secret = file.read()
    return [event.method, event.path, dict(event.query), event.query.getlist('a'), event.headers['x-one'],
            'X-ONE' in event.headers, event.body.decode(), os.environ['colour'], secret, __name__, __file__,
            type(context.hostname).__name__]
'''
    server(t).request('POST', '/system/secrets', json.dumps({'name': 'tok', 'value': 's3'}).encode())
    name = deploy(t, source, envVars={'colour': 'blue'}, secrets=['tok'])
    answer = server(t).invoke(name, b'body', path='/p/q?a=1&a=2&b=%20x', method='PUT', headers={'X-One': 'y'})
    t.equal(answer.json(), ['PUT', '/p/q', {'a': '1', 'b': ' x'}, ['1', '2'], 'y', True, 'body', 'blue', 's3',
                            'function.handler', '/function/handler.py', 'str'], 'event and context')


def test_files_and_packages(t):
    answer = call(t, 'from .util import one\nimport util, outer.inner\nfrom function import util as third\n'
                     'def handle(event, context):\n    return [one, util.one, outer.inner.NAME, third.one, '
                     'open("/function/data.txt").read()]\n',
                  files={'util.py': 'one = 1\n', 'data.txt': 'text', 'python/outer/__init__.py': '',
                         'python/outer/inner.py': 'NAME = __name__\n'})
    t.equal(t.status(answer, 200).json(), [1, 1, 'outer.inner', 1, 'text'], 'imports')


def test_faas_cli_build(t):
    context = {'Dockerfile': 'FROM python\n', 'template.yml': 'language: tfaas-python\n',
               'function/handler.py': 'def handle(req):\n    return "built"\n', 'function/index.js': 'no'}
    archive = make_tar(context, 'context/')
    from lib import append_file
    archive = append_file(archive, 'com.openfaas.docker.config', b'{"image":"built:1","buildArgs":{}}')
    t.status(server(t).build(archive), 200, 202)
    name = t.name('built')
    server(t).deploy(name, 'built:1')
    t.equal(server(t).invoke(name).text, 'built', 'by the language of the template')


def test_nothing_is_left_for_the_next_call(t):
    """Each call changes all it can reach, and reports whether it found any of it changed."""
    source = '''
import builtins, json, os, sys, string, collections
STATE, COUNT = {'calls': 0}, 0
class Kind:
    seen = False
def handle(event, context):
    global COUNT
    found = [STATE['calls'], COUNT, Kind.seen, getattr(builtins, 'marked', None), 'planted' in sys.modules,
             json.dumps({}) == 'patched', os.environ.get('LEFT'), string.digits, len(sys.path), len.__name__,
             hasattr(context, 'left'), handle.__defaults__, collections.OrderedDict is dict]
    STATE['calls'] += 1
    COUNT += 1
    Kind.seen = True
    builtins.marked = True
    builtins.len = lambda x: 99
    sys.modules['planted'] = sys
    sys.path.append('/x')
    json.dumps = lambda value: 'patched'
    os.environ['LEFT'] = 'x'
    string.digits = 'none'
    context.left = 1
    handle.__defaults__ = (1, 2)
    collections.OrderedDict = dict
    sys.stdout = None
    del sys.modules['json']
    handle.__code__ = (lambda event, context: 'replaced').__code__
    return repr(found)
'''
    name = deploy(t, source)
    first = t.status(server(t).invoke(name), 200).text
    for _ in range(20):
        t.equal(server(t).invoke(name).text, first, 'every call finds the same')
    t.contains(first, "[0, 0, False, None, False, False, None, '0123456789', 2, 'len', False, None, False]", 'pristine')


def test_entropy_is_new_in_each_call(t):
    source = '''
import random, uuid, secrets, os, tempfile
own = random.Random()
fixed = random.Random(5)
def handle(event, context):
    return [random.random(), own.random(), str(uuid.uuid4()), secrets.token_hex(8), os.urandom(8).hex(),
            random.SystemRandom().random(), random.randbytes(8).hex(), random.Random().random(), fixed.random()]
'''
    import random
    name = deploy(t, source)
    seen = [t.status(server(t).invoke(name), 200).json() for _ in range(6)]
    for column in zip(*[row[:-1] for row in seen]):
        t.equal(len(set(column)), 6, f'all differ: {column}')
    t.equal({row[-1] for row in seen}, {random.Random(5).random()}, 'what was given a seed is as Python says')
    server(t).request('POST', '/system/namespace/other', json.dumps(
        {'name': 'other', 'annotations': {'openfaas': '1'}}).encode())
    server(t).deploy_files(name, {'handler.py': source}, namespace='other')
    other = t.status(server(t).invoke(name, namespace='other'), 200).json()
    t.true(not any(a in row for row in seen for a in other[:-1]), 'another worker draws others')


def test_errors(t):
    for body, text in (('1 / 0', 'ZeroDivisionError: division by zero'), ('raise SystemExit(3)', 'SystemExit: 3'),
                       ('import sys; sys.exit("x")', 'SystemExit: x'), ('raise KeyboardInterrupt', 'KeyboardInterrupt'),
                       ('return {"headers": {"a b": "c"}}', 'invalid response header name'),
                       ('return {"headers": {"a": "x\\r\\ny: z"}}', 'invalid value of response header'),
                       ('return {"statusCode": 99}', 'status must be from 200 to 599'), ('return object()', 'TypeError')):
        name = deploy(t, f'def handle(event, context):\n    print("before")\n    {body}\n')
        answer = t.status(server(t).invoke(name, b''), 500)
        t.equal(answer.text, 'Internal Server Error\n', f'{body}: nothing about why')
        t.eventually(lambda: text in log_of(t, name), f'{body}: the log says why')
        t.contains(log_of(t, name), 'before', 'what was printed')
        t.status(server(t).invoke(name, b''), 500)
    name = deploy(t, 'import os\ndef handle(event, context):\n    os._exit(3)\n')
    t.true(server(t).invoke(name).status >= 500, 'os._exit answers nothing')
    for source, text in (('def handle(\n', 'SyntaxError'), ('import nothing\ndef handle(e, c): pass\n', 'nothing'),
                         ('x = 1\n', 'no function \\"handle\\"'), ('def handle(a, b, c): pass\n', '3 parameters'),
                         ('raise SystemExit\n', 'SystemExit')):
        name = t.name('bad')
        server(t).put_package(name + ':1', {'handler.py': source})
        answer = server(t).request('POST', '/system/functions', json.dumps(
            {'service': name, 'image': name + ':1'}).encode())
        t.true(answer.status in (400, 422), f'{source!r}: {answer}')
        t.contains(answer.text.replace('"', '\\"'), text.replace('"', '"'), source)


def test_deep_recursion(t):
    """RecursionError, which a function can catch; never the end of the instance."""
    cases = {
        'python': 'def f(): return f()\nf()',
        'json in': 'import json\njson.loads("[" * 100000)',
        'json out': 'import json\na = []\nfor _ in range(100000): a = [a]\njson.dumps(a)',
        'repr': 'a = []\nfor _ in range(100000): a = [a]\nrepr(a)',
        'getattr': 'class A:\n    def __getattr__(self, n): return getattr(self, n + "x")\nA().a',
        'eq': 'class A:\n    def __eq__(self, o): return [self] == [A()]\n    __hash__ = None\nA() == A()',
        'sort': 'def f(x): return sorted([1, 2], key=f)\nf(1)',
        'map': 'def f(x): return list(map(f, [x]))\nf(1)',
        'call': 'class A: pass\nA.__call__ = A()\nA()()',
        'compile': 'compile("(" * 5000 + ")" * 5000, "x", "eval")',
        'compile2': 'compile("-" * 20000 + "1", "x", "eval")',
        'literal': 'import ast\nast.literal_eval("[" * 3000 + "]" * 3000)',
        'pickle': 'import pickle\na = []\nfor _ in range(100000): a = [a]\npickle.dumps(a)',
        'copy': 'import copy\na = []\nfor _ in range(100000): a = [a]\ncopy.deepcopy(a)',
        'format': 'class A:\n    def __format__(self, s): return f"{self}"\nf"{A()}"',
        'str': 'class A:\n    def __str__(self): return str(self)\nstr(A())',
        'isinstance': 'a = ()\nfor _ in range(100000): a = (a, int)\nisinstance("x", a)',
        'limit': 'import sys\nsys.setrecursionlimit(10**6)\nclass A:\n    def __repr__(self): return repr(self)\nrepr(A())',
        'regex': 'import re\nre.compile("(" * 5000 + ")" * 5000)',
        'reduce': 'import functools\nf = lambda: 1\nfor _ in range(100000): f = functools.partial(f)\nf()',
        'property': 'class A:\n    @property\n    def p(self): return self.p\nA().p',
        'dict eq': 'a = {}\nb = {}\nfor _ in range(100000): a = {1: a}; b = {1: b}\na == b',
        'xml': 'import xml.etree.ElementTree as E\nr = e = E.Element("a")\nfor _ in range(100000): e = E.SubElement(e, "a")\nE.tostring(r)',
    }
    source = '''
import json
CASES = %r
def handle(event, context):
    try:
        exec(CASES[event.body.decode()], {})
    except (RecursionError, MemoryError, SyntaxError) as error:
        return type(error).__name__
    return 'done'
''' % cases
    name = deploy(t, source)
    ends = {case: server(t).invoke(name, case.encode()) for case in cases}
    wrong = {case: answer for case, answer in ends.items() if answer.status != 200}
    t.equal(wrong, {}, 'no case ends the instance')
    for case in ('python', 'json in', 'repr', 'getattr', 'sort', 'str', 'property'):
        t.equal(ends[case].text, 'RecursionError', case)


def test_limits(t):
    name = deploy(t, 'def handle(event, context):\n    a = []\n    while True:\n        a.append(bytearray(1 << 20))\n')
    t.status(server(t).invoke(name), 500)
    t.eventually(lambda: 'MemoryError' in log_of(t, name), 'the log says it')
    name = deploy(t, 'def handle(event, context):\n    try:\n        a = "x" * (1 << 30)\n    except MemoryError:\n'
                     '        return "caught"\n')
    t.equal(t.status(server(t).invoke(name), 200).text, 'caught', 'MemoryError can be caught')
    name = deploy(t, 'def handle(event, context):\n    while True: pass\n', annotations={'com.openfaas.timeout': '1s'},
                  envVars={'exec_timeout': '1s'})
    t.true(server(t).invoke(name).status in (500, 502, 503, 504), 'an endless loop ends')
    t.equal(call(t, 'def handle(req):\n    return str(len(req))\n', b'x' * 3000000).text, '3000000', 'a large body')
    answer = call(t, 'def handle(event, context):\n    return event.body * 3\n', b'y' * 1000000)
    t.equal(len(t.status(answer, 200).body), 3000000, 'a large answer')


def test_hostile(t):
    """What attacks on Python's sandboxes look for is not there, or is the instance's own."""
    source = '''
import sys
def attempt(code):
    try:
        exec(code, {})
    except BaseException as error:
        return type(error).__name__
    return 'done'
def handle(event, context):
    kinds = [c for c in object.__subclasses__()]
    names = {c.__name__ for c in kinds}
    found = [n for n in ('Popen', 'CDLL', 'socket') if n in names]
    return {'found': found, 'tries': {code: attempt(code) for code in (
        'import ctypes', 'import _ctypes', 'import _posixsubprocess', 'import os; os.system("id")',
        'import os; os.fork()', 'import subprocess; subprocess.run(["id"])', 'import socket; socket.create_connection(("1.1.1.1", 80))',
        'import threading; threading.Thread(target=print).start()', 'open("/function/x", "w")', 'open("/etc/passwd")',
        'open("/../../etc/passwd")', 'import os; os.listdir("/proc")', 'import mmap', 'import multiprocessing')}}
'''
    got = t.status(call(t, source), 200).json()
    t.equal([code for code, end in got['tries'].items() if end == 'done'], [], 'nothing of it works')
    crash = ('def handle(event, context):\n    f = lambda: 0\n'
             '    f.__code__ = f.__code__.replace(co_code=bytes([%s]) * 64, co_stacksize=0)\n    return repr(f())\n')
    for byte in (30, 83, 100, 120, 200, 255):
        name = deploy(t, crash % byte)
        ends = {server(t).invoke(name).status for _ in range(3)}
        t.true(ends <= {200, 500, 502, 503, 504}, f'opcode {byte}: {ends}')
    t.alive(server(t), deploy(t, 'def handle(req):\n    return req\n'), b'still here', 'still here')


def test_sealed(t):
    name = deploy(t, 'def handle(event, context):\n    return b"<" + event.body + b">"\n')
    reply = sealed.call(server(t), f'/function/{name}', b'secret', keys=sealed.keys_of(server(t)))
    t.equal((reply.status, reply.body), (200, b'<secret>'), 'a sealed call')


def test_a_core_without_python_says_so(t):
    name = t.name('none')
    t.server.put_package(name + ':1', {'handler.py': 'def handle(req):\n    return req\n'})
    answer = t.server.request('POST', '/system/functions', json.dumps({'service': name, 'image': name + ':1'}).encode())
    t.true(answer.status >= 400, answer)
    t.contains(answer.text, 'tfaas-core-python', 'and what to do')
