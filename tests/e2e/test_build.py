# test_build.py - how functions come in: the remote-builder protocol as faas-cli speaks it, PUT
# /packages, and archives that lie. Nothing here may need faas-cli; where it is on PATH it is run
# too.
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from lib import NAMESPACE, ROOT, add_file, append_file, build_tar, make_tar, signature
from wasm import CAT

HELLO = "module.exports = async (event, context) => context.succeed('hello ' + event.body);\n"
PLAIN = {'Content-Type': 'text/plain'}


def lines(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


def test_recorded_faas_cli_up(t):
    """The calls of `faas-cli up`, list, describe, invoke, logs and remove, in recorded order."""
    server, name = t.server, t.name('up')
    image = f'{name}:latest'
    built = t.status(server.build(build_tar(image, {'handler.js': HELLO})), 200, 202)
    t.matches(built.header('Content-Type'), r'^application/x-ndjson', 'type')
    t.equal(lines(built)[-1]['status'], 'success', 'last line')
    t.equal(lines(built)[-1]['image'], image, 'image of the last line')
    bearer = {'Authorization': 'Bearer '}
    body = {'service': name, 'image': image, 'envProcess': 'node index.js', 'labels': {},
            'annotations': {}}
    t.error(server.request('PUT', '/system/functions', body, bearer), 404)
    t.status(server.request('POST', '/system/functions', body, bearer), 200, 202)
    answer = server.invoke(name, 'world', headers=PLAIN)
    t.equal(t.status(answer, 200).text, 'hello world', 'answer')
    listed = t.status(server.request('GET', '/system/functions', headers=bearer), 200).json()
    t.true(name in [item['name'] for item in listed], 'function is not listed')
    described = server.request('GET', f'/system/function/{name}?usage=1', headers=bearer)
    t.equal(t.status(described, 200).json()['image'], image, 'image')
    t.status(server.request('GET', f'/system/logs?follow=false&name={name}&namespace=&tail=5',
                            headers=bearer), 200)
    t.status(server.request('DELETE', '/system/functions', {'functionName': name}, bearer),
             200, 202)
    t.error(server.invoke(name), 404)


class Cli:
    """The real faas-cli, if it is on PATH, in a folder that holds this repository's template/."""

    def __init__(self, t, **options):
        self.t, self.program = t, shutil.which('faas-cli')
        if not self.program:
            t.skip('faas-cli is not on PATH')
        self.server = t.fresh(**options)
        self.folder = pathlib.Path(self.server.own_folder, 'cli')
        for part in ('template', 'examples'):
            shutil.copytree(ROOT / part, self.folder / part)
        base = f'http://127.0.0.1:{self.server.port}'
        self.env = {**os.environ, 'OPENFAAS_URL': base, 'OPENFAAS_REMOTE_BUILDER': base,
                    'HOME': str(self.folder),
                    'OPENFAAS_PAYLOAD_SECRET': str(self.server.state / 'payload-secret')}

    def run(self, words, stdin='', code=0, **env):
        done = subprocess.run([self.program, *words.split()], cwd=self.folder,
                              env={**self.env, **env}, input=stdin, timeout=300,
                              capture_output=True, text=True)
        self.t.equal(done.returncode, code, f'faas-cli {words}: {done.stdout}{done.stderr}')
        return done.stdout + done.stderr

    def says(self, words, *parts, **options):
        text = self.run(words, **options)
        for part in parts:
            self.t.contains(text, part, f'faas-cli {words}')


def test_real_faas_cli(t):
    """What the README says, then a function of each template."""
    cli = Cli(t)
    with_c = shutil.which('clang') and pathlib.Path('/usr/lib/wasm32-wasi').is_dir()
    cli.run('up -f examples/stack.yml' + ('' if with_c else ' --filter hello-js'))
    cli.says('invoke hello-js', 'Hello {"name":"world"} from JavaScript',
             stdin='{"name":"world"}\n')
    cli.says('list', 'hello-js')
    cli.says('describe hello-js', 'Ready')
    cli.run('new mine --lang tfaas-js')
    cli.run('up -f stack.yaml')
    cli.says('invoke mine', '"body":"mine"', stdin='mine')
    if with_c:
        cli.says('invoke hello-c', 'Hello abc from C', stdin='abc\n')
        cli.run('new plain --lang tfaas-c --append stack.yaml')
        cli.run('up -f stack.yaml --filter plain')
        cli.says('invoke plain', 'abc', stdin='abc')
    cli.run('new ready --lang tfaas-c --append stack.yaml')
    (cli.folder / 'ready' / 'handler.c').unlink()
    (cli.folder / 'ready' / 'function.wasm').write_bytes(CAT)
    cli.run('up -f stack.yaml --filter ready')
    t.equal(t.status(cli.server.invoke('ready', b'as it is'), 200).body, b'as it is', 'answer')
    cli.run('remove mine')
    t.error(cli.server.invoke('mine'), 404)


def test_real_faas_cli_other_commands(t):
    cli = Cli(t)
    cli.run('namespace create blue --label a=b')
    cli.says('namespace list', 'blue', 'openfaas-fn')
    cli.says('namespace create blue', 'blue is there already', code=1)
    cli.run('secret create key --from-literal first -n blue')
    cli.says('secret create key --from-literal first -n blue', 'already exists')
    cli.says('secret list -n blue', 'key')
    cli.says('deploy --image functions/alpine:latest --name env --env A=b -n blue --fprocess env',
             'Deployed')
    cli.says('invoke env -n blue', 'A=b')
    cli.says('logs env -n blue --tail=false', 'Forking fprocess')
    cli.run('secret update key --from-literal second -n blue')
    cli.says('namespace delete blue', 'still has functions', code=1)
    cli.run('remove env -n blue')
    cli.run('secret remove key -n blue')
    cli.run('namespace delete blue')


def test_real_faas_cli_shows_what_went_wrong(t):
    cli = Cli(t)
    cli.run('new broken --lang tfaas-js')
    (cli.folder / 'broken' / 'handler.js').write_text('const ok = 1;\nconst x = ;\n')
    cli.says('up -f stack.yaml', 'SyntaxError', 'handler.js:2', code=1)
    wrong = cli.folder / 'wrong-secret'
    wrong.write_text('wrong\n')
    cli.says('up -f stack.yaml', '401', code=1, OPENFAAS_PAYLOAD_SECRET=str(wrong))
    (cli.folder / 'stack.yaml').unlink()  # deploy takes it when it is there
    cli.says('deploy --image docker.example/nginx:latest --name web', 'TFaaS runs no containers',
             code=1)
    cli.says('deploy --image functions/alpine:latest --name env --secret absent',
             'unable to find secret: absent', code=1)
    cli.says('invoke absent', 'function not found: absent', code=1)


def test_real_faas_cli_login(t):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, 'basic-auth-user').write_text('admin\n')
        pathlib.Path(folder, 'basic-auth-password').write_text('pass word\n')
        cli = Cli(t, env={'basic_auth': 'true', 'secret_mount_path': folder})
        up = 'up -f examples/stack.yml --filter hello-js'
        cli.says('list', 'faas-cli login', code=1)
        cli.says(up, 'faas-cli login', code=1)
        cli.run('login --username admin --password-stdin', stdin='wrong', code=1)
        cli.run('login --username admin --password-stdin', stdin='pass word\n')
        cli.run(up)
        cli.says('list', 'hello-js')
        cli.says('invoke hello-js', 'Hello w', stdin='w')
        cli.run('logout')
        cli.run('list', code=1)


def test_signature(t):
    tar = build_tar('signed:latest', {'handler.js': HELLO})
    good = signature(t.server.secret(), tar)
    for sign in ('sha256=' + '0' * 64, good[:-2], good + '00', 'sha1=' + '0' * 40, good[7:],
                 'sha256=', signature(b'other', tar), signature(t.server.secret(), tar + b'x')):
        t.error(t.server.build(tar, sign), 401)
    answer = t.server.request('POST', '/build', tar)
    t.error(answer, 401)
    t.error(t.server.deploy('signed', 'signed:latest'), 400, 'signed:latest')


def test_build_says_why_it_failed(t):
    """After a valid signature the reason goes into the stream, where faas-cli shows it."""
    for files in ({}, {'README': 'no handler here'}):
        answer = t.server.build(build_tar(t.name('bad'), files))
        t.true(answer.status in (200, 202, 400, 422), f'{answer}')
        if answer.status in (200, 202):
            t.equal(lines(answer)[-1]['status'], 'failed', 'status')
            t.true(lines(answer)[-1]['error'], 'no reason')
        else:
            t.error(answer, answer.status)


def refused(t, answer):
    """Refused, by status or in the builder's stream."""
    if answer.status in (200, 202) and answer.text:
        last = lines(answer)[-1]
        t.equal(last['status'], 'failed', f'archive was taken: {answer}')
        t.true(last['error'], 'no reason')
        return last['error']
    t.true(400 <= answer.status < 500, f'archive was taken: {answer}')
    return t.error(answer, answer.status).text


def entry(path, kind=tarfile.REGTYPE, link='', content=b'x', size=None):
    """One tar entry, however wrong."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(path)
        info.type, info.linkname = kind, link
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def with_handler(bad_entry):
    """A complete function, and one bad entry in front of it."""
    return bad_entry.rstrip(b'\0').ljust(-(-len(bad_entry.rstrip(b'\0')) // 512) * 512, b'\0') \
        + make_tar({'handler.js': HELLO})


def checked(header):
    """A 512-byte header with its checksum made right."""
    blank = header[:148] + b' ' * 8 + header[156:]
    return blank[:148] + b'%06o\0 ' % sum(blank) + blank[156:]


def sparse_bomb():
    """An old GNU sparse entry: a hole of 8 GiB in a few bytes of archive."""
    info = tarfile.TarInfo('hole.bin')
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    header[156:157] = b'S'
    header[386:410] = b'%011o\0%011o\0' % ((8 << 30) - 1, 0)
    header[483:495] = b'%011o\0' % ((8 << 30) - 1)
    return checked(bytes(header))


def test_hostile_archives(t):
    attacks = {
        'traversal': entry('../../escape.js'), 'inner traversal': entry('a/../../escape.js'),
        'absolute': entry('/etc/escape.js'), 'symlink': entry('l', tarfile.SYMTYPE, '/etc/passwd'),
        'hard link': entry('l', tarfile.LNKTYPE, 'handler.js'),
        'device': entry('d', tarfile.CHRTYPE), 'fifo': entry('p', tarfile.FIFOTYPE),
        'long path': entry('a/' * 400 + 'x'), 'backslash': entry('a\\..\\b'),
        'control byte': entry('a\x01b'), 'sparse bomb': sparse_bomb(),
    }
    for what, bad in attacks.items():
        answer = t.server.put_package(t.name('hostile'), with_handler(bad))
        t.true(400 <= answer.status < 500, f'{what}: {answer}')
        t.error(answer, answer.status)
    t.true(not pathlib.Path(t.server.state.parent, 'escape.js').exists(), 'a file escaped')


def test_broken_archives(t):
    good = make_tar({'handler.js': HELLO})
    for what, body in {
            'empty': b'', 'noise': bytes(range(256)) * 40, 'cut header': good[:300],
            'cut content': good[:-len(good) + 540], 'zeros': b'\0' * 10240,
            'flipped checksum': good[:148] + b'9999999\0' + good[156:],
            'huge size field': checked(good[:124] + b'77777777777\0' + good[136:512]) + good[512:],
            'gzip': b'\x1f\x8b\x08\0' + b'\0' * 600}.items():
        answer = t.server.put_package(t.name('broken'), body)
        t.true(400 <= answer.status < 500, f'{what}: {answer}')
        t.error(answer, answer.status)


def test_twice_the_same_path(t):
    body = append_file(make_tar({'handler.js': HELLO}), 'handler.js', '// second\n')
    answer = t.server.put_package(t.name('twice'), body)
    t.true(400 <= answer.status < 500, f'{answer}')


def test_too_many_files(t):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        add_file(archive, 'handler.js', HELLO)
        for number in range(20001):
            add_file(archive, f'{number}.txt', b'')
    answer = t.server.put_package(t.name('many'), buffer.getvalue())
    t.true(answer.status in (400, 413, 422), f'{answer}')


def test_package_over_the_bound(t):
    body = make_tar({'handler.js': HELLO, 'big.bin': b'\0' * (49 << 20)})
    t.error(t.server.put_package(t.name('big'), body), 413)


def test_builder_config(t):
    files = {'handler.js': HELLO}
    for config in (b'', b'{', b'[]', b'{}', b'{"image":7}', b'{"image":""}',
                   b'{"image":"../../up"}', b'{"image":"a b"}',
                   b'{"image":"' + b'n' * 5000 + b'"}'):
        refused(t, t.server.build(build_tar('x:latest', files, config)))
    refused(t, t.server.build(make_tar({'function/handler.js': HELLO}, 'context/')))


def test_image_references(t):
    for image in ('plain', 'name:tag', 'registry.example:5000/team/name:v1.2-x_y'):
        t.status(t.server.put_package(image, {'handler.js': HELLO}), 200, 201, 202)
        name = t.name('image')
        t.status(t.server.deploy(name, image), 200, 202)
        t.equal(t.server.request('GET', f'/system/function/{name}').json()['image'], image, 'image')
    for image in ('UPPER', 'a//b', 'name:', ':tag', 'a%20b', '..', 'a/../b', 'n' * 600):
        answer = t.server.put_package(image, {'handler.js': HELLO})
        t.true(answer.status in (400, 404, 414), f'{image[:20]}: {answer}')


def test_any_other_container_image_is_refused(t):
    answer = t.server.deploy(t.name('fn'), 'docker.example/library/nginx:latest')
    t.error(answer, 400, 'nginx:latest')


def test_wasm_package(t):
    name = t.name('wasm')
    t.server.deploy_files(name, {'function.wasm': CAT})
    t.equal(t.status(t.server.invoke(name, b'through'), 200).body, b'through', 'answer')
    image = t.name('bare')
    t.status(t.server.request('PUT', f'/packages/{image}', CAT,
                              {'Content-Type': 'application/wasm'}), 200, 201, 202)
    t.status(t.server.deploy(image, image), 200, 202)
    t.equal(t.server.invoke(image, b'bare', namespace=NAMESPACE).body, b'bare', 'answer')


def test_c_source_is_compiled(t):
    if not shutil.which('clang') or not pathlib.Path('/usr/lib/wasm32-wasi').is_dir():
        t.skip('clang or wasi-libc is not installed')
    image, name = t.name('c') + ':latest', t.name('c')
    source = ('#include <stdio.h>\nint main(void)\n{\n    int c;\n'
              '    while ((c = getchar()) != EOF)\n        putchar(c ^ 32);\n    return 0;\n}\n')
    built = t.status(t.server.build(build_tar(image, {'handler.c': source})), 200, 202)
    t.equal(lines(built)[-1]['status'], 'success', f'build: {built}')
    t.status(t.server.deploy(name, image), 200, 202)
    t.equal(t.status(t.server.invoke(name, b'abc'), 200).text, 'ABC', 'answer')


def test_ready_module_goes_before_c(t):
    """With faas-cli the template's handler.c lies beside a function.wasm every time."""
    image, name = t.name('ready') + ':latest', t.name('ready')
    built = t.server.build(build_tar(image, {'handler.c': 'not C', 'function.wasm': CAT}))
    t.equal(lines(t.status(built, 200, 202))[-1]['status'], 'success', f'build: {built}')
    t.contains(built.text, 'the C files beside it are not compiled', 'log')
    t.status(t.server.deploy(name, image), 200, 202)
    t.equal(t.status(t.server.invoke(name, b'as it is'), 200).body, b'as it is', 'answer')


def test_c_error_is_shown(t):
    if not shutil.which('clang') or not pathlib.Path('/usr/lib/wasm32-wasi').is_dir():
        t.skip('clang or wasi-libc is not installed')
    source = 'int main(void) {\n    char *p = 1;\n    return nope;\n}\n'
    answer = t.server.build(build_tar(t.name('c'), {'handler.c': source}))
    log = '\n'.join(text for line in lines(answer) for text in line['log'])
    t.contains(log, 'char *p', 'compiler messages: the warning comes first')
    t.matches(lines(answer)[-1]['error'], r'^the C compiler failed: \S*handler\.c:3:12: error: .*nope',
              'error')
    t.true('\n' not in lines(answer)[-1]['error'], 'more than the line of the error')
    refused(t, answer)
