# test_developer.py - `tfaas new` and `tfaas build`: a function of every language whose tools are here
# is made, built, and answers; what is wrong is named.
import os
import pathlib
import shutil
import subprocess
import tempfile

from lib import ROOT, build_tar

TFAAS = ROOT / 'build' / 'tfaas'
SOURCES = {'c': 'handler.c', 'rust': 'src/main.rs', 'go': 'main.go'}


def missing(language):
    """What the language's build lacks here; None: nothing."""
    if language == 'c':
        have = shutil.which('clang') and pathlib.Path('/usr/lib/wasm32-wasi').is_dir()
        return None if have else 'no clang with wasi-libc'
    if language == 'rust':
        if not shutil.which('rustc'):
            return 'no rustc'
        found = subprocess.run(['rustc', '--print', 'target-libdir', '--target', 'wasm32-wasip1'],
                               capture_output=True, text=True)
        have = found.returncode == 0 and pathlib.Path(found.stdout.strip()).is_dir()
        return None if have else 'no Rust target wasm32-wasip1'
    return None if shutil.which('go') else 'no go'


def tfaas(t, folder, words, code=0, **env):
    done = subprocess.run([TFAAS, *words.split()], cwd=folder, env={**os.environ, **env},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    t.equal(done.returncode, code, f'tfaas {words}: {done.stdout}{done.stderr}')
    return done.stdout + done.stderr


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()}


def serve(t, language, folder, want):
    """Builds it as faas-cli would, and calls it."""
    name = t.name(language)
    files = files_of(folder)
    answer = t.status(t.server.build(build_tar(f'{name}:latest', files)), 200, 202)
    t.contains(answer.text, '"success"', f'{language}: the builder')
    t.status(t.server.deploy(name, f'{name}:latest'), 200, 202)
    t.equal(t.status(t.server.invoke(name, b'abc'), 200).text, want, f'{language}: answer')


def compiled(t, language):
    if why := missing(language):
        t.skip(why)
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        tfaas(t, top, f'new {language} mine')
        t.equal((top / 'template' / f'tfaas-{language}' / 'template.yml').read_bytes(),
                (ROOT / 'template' / f'tfaas-{language}' / 'template.yml').read_bytes(), 'template')
        t.contains((top / 'stack.yaml').read_text(), f'lang: tfaas-{language}', 'stack.yaml')
        (top / 'scratch').mkdir()
        tfaas(t, top, 'build mine', TMPDIR=str(top / 'scratch'))
        t.equal(os.listdir(top / 'scratch'), [], 'left in TMPDIR')
        module = (top / 'mine' / 'function.wasm').read_bytes()
        t.equal(module[:8], b'\0asm\1\0\0\0', 'function.wasm')
        serve(t, language, top / 'mine', 'POST\nabc')
        source = top / 'mine' / SOURCES[language]
        source.write_text(source.read_text() + 'broken(\n')
        text = tfaas(t, top, 'build mine', code=1)
        t.contains(text, source.name, 'the compiler says where')
        t.contains(text, 'failed, exit code', 'the exit code is told')
        t.equal((top / 'mine' / 'function.wasm').read_bytes(), module, 'after a failed build')
        (top / 'bin').mkdir()
        text = tfaas(t, top, 'build mine', code=1, PATH=str(top / 'bin'))
        t.contains(text, 'cannot be started (No such file', 'a tool that is missing')
        t.contains(text, 'install', 'what to install')


def test_c(t):
    compiled(t, 'c')


def test_rust(t):
    compiled(t, 'rust')


def test_go(t):
    compiled(t, 'go')


def test_javascript(t):
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        tfaas(t, top, 'new js mine')
        t.contains(tfaas(t, top / 'mine', 'build'), 'needs no build', 'build')
        serve(t, 'js', top / 'mine', '{"method":"POST","path":"/","body":"abc"}')


def test_wrong_input(t):
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        t.contains(tfaas(t, top, 'new cobol x', code=64), 'unknown language: cobol', 'language')
        for name in ('../x', 'a/b', 'Upper', 'a-', 'a' * 64):
            t.contains(tfaas(t, top, f'new c {name}', code=64), 'not a function', name)
        tfaas(t, top, 'new c', code=64)
        t.equal(os.listdir(top), [], 'made by wrong words')
        tfaas(t, top, 'new js mine')
        before = files_of(top)
        t.contains(tfaas(t, top, 'new c mine', code=1), 'mine: File exists', 'a folder is there')
        t.equal(files_of(top), before, 'files after a refusal')
        t.contains(tfaas(t, top, 'new c other'), 'lang: tfaas-c', 'lines for the stack file')
        t.equal((top / 'stack.yaml').read_bytes(), before['stack.yaml'], 'stack.yaml')
        t.contains(tfaas(t, top, 'build absent', code=64), 'absent: No such file', 'no folder')
        (top / 'empty').mkdir()
        t.contains(tfaas(t, top, 'build empty', code=64), 'no function here', 'an empty folder')


def test_every_template_is_in_the_program(t):
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        for language in ('js', 'python', 'c', 'rust', 'go'):
            tfaas(t, top, f'new {language} a-{language}')
            known = subprocess.run(['git', 'ls-files', f'template/tfaas-{language}'], cwd=ROOT,
                                   capture_output=True, text=True).stdout.split()
            for path in known:
                t.equal((top / path).read_bytes(), (ROOT / path).read_bytes(), path)
            t.true(known, f'no template of {language}')
            function = f'template/tfaas-{language}/function/'
            for path in (path for path in known if path.startswith(function)):
                mine = top / f'a-{language}' / path[len(function):]
                t.equal(mine.read_bytes(), (ROOT / path).read_bytes(), path)
                t.equal(os.access(mine, os.X_OK), os.access(ROOT / path, os.X_OK), f'mode of {path}')
        t.contains(tfaas(t, top, 'build a-python'), 'needs no build', 'build of Python')
