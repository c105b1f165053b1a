# test_demo.py - the README's first command: what `make demo` runs after the build says what it did
# and ends well, and does not end well when something is broken. And which commit this is.
import os
import re
import shutil
import subprocess
import sys

from lib import ROOT, TENDER, TFAASD

GOOD = os.path.realpath(TFAASD) == os.path.realpath(ROOT / 'build' / 'tfaasd')


def demo(*arguments):
    return subprocess.run([sys.executable, ROOT / 'scripts' / 'demo.py', *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          check=False)


def test_demo(t):
    if not GOOD:
        t.skip('the demo starts build/tfaasd, and another one is under test')
    done = demo()
    t.equal(done.returncode, 0, f'exit status: {done.stdout} {done.stderr}')
    for pattern in (r'(?m)^tfaasd \d+\.\d+\.\d+ on 127\.0\.0\.1:\d+, tender ' + TENDER + r', walls: .*seccomp',
                    r'(?m)^  hello-js \(JavaScript.*built \d+ ms, deployed \d+ ms$',
                    r'(?m)^  hello-c \(C compiled to Wasm\).*built \d+ ms, deployed \d+ ms$',
                    r'POST /function/hello-js .* ->  Hello .*JavaScript',
                    r'POST /function/hello-c .* ->  \S+',
                    r'first \(cold\) call \d+\.\d+ ms, then \d+ us in the middle of 200',
                    r'deployed: .*hello-js \(called 201 times\)',
                    r'(?m)^  tfaas verify http://127\.0\.0\.1:\d+: \d+ checks passed in \d+ ms, core [0-9a-f]{16}',
                    r'\*\*\* SIMULATED: .* proves NOTHING',
                    r'the default policy refuses it: exit 5\n',
                    r'untrusted gateway  ->  Hello Ada-Lovelace from JavaScript\n.*saw \d{3,} bytes, and no "Ada-Lovelace"',
                    r'its receipt, verified: hello-js\.openfaas-fn, package [0-9a-f]{16}.*, status 200, [1-9]\d+ units of work',
                    r'changes one bit of the answer: refused, exit 5, tfaas: response_not_authentic',
                    r'answers in the core\'s place: refused, exit 5, tfaas: downgrade',
                    r'a secret sealed to the core for one package, \d+ bytes to the host  ->  a secret of 28 characters',
                    r'(?m)^stopped, exit 0$'):
        t.matches(done.stdout, pattern, 'output of the demo')


def test_demo_that_fails_says_so(t):
    if not GOOD:
        t.skip('the demo starts build/tfaasd, and another one is under test')
    done = demo('--core', '/nonexistent/core')
    t.true(done.returncode != 0, f'exit status of a demo without a core: {done.stdout}')
    t.contains(done.stderr, '/nonexistent/core', 'reason')


def test_commit(t):
    """/system/info tells what this was built from."""
    version = t.server.request('GET', '/system/info').json()['version']
    t.matches(version['sha'], r'^(unknown|[0-9a-f]{12}(-dirty)?)$', 'commit')
    git = shutil.which('git') and subprocess.run(
        ['git', '-C', ROOT, 'rev-parse', '--git-dir'], capture_output=True, check=False)
    if git and git.returncode == 0:
        t.true(re.fullmatch(r'[0-9a-f]{12}(-dirty)?', version['sha']), f'built as {version}')
