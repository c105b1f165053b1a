# peers.py - what TFaaS is measured against: builds and starts each peer on a free loopback port.
# A peer that cannot be had is a Problem with the reason; it must never end the run.
import os
import pathlib
import shutil
import subprocess
import time

from lib import ROOT, Problem, free_port, kill_tree, request, spawn
from load import BODY, HELLO

PEERS = pathlib.Path(__file__).with_name('peers')
BUILD = ROOT / 'build' / 'bench'
HELLO_C = PEERS.parent / 'functions' / 'hello-wasm' / 'hello.c'
C_FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Wconversion', '-Werror']


class Peer:
    """A running server: name, port, path, pid, and the answer it must give."""

    def __init__(self, name, command, expected, folder):
        self.name, self.path, self.expected = name, '/', expected
        self.port = free_port()
        self.log = pathlib.Path(folder, name + '.log')
        self.process = spawn([str(word).replace('{port}', str(self.port)) for word in command],
                             self.log)
        self.pid = self.process.pid
        self.wait_ready()

    def wait_ready(self):
        for _ in range(1000):
            if self.process.poll() is not None:
                raise Problem(f'{self.name} ended: {self.log.read_text()[-500:]}')
            try:
                if request(self.port, 'POST', '/', BODY, timeout=5).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        self.stop()
        raise Problem(f'{self.name} does not answer')

    def stop(self):
        kill_tree(self.pid)
        self.process.wait()


def run_tool(command, cwd=None):
    try:
        done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True,
                              text=True)
    except FileNotFoundError as error:
        raise Problem(f'{command[0]} is not installed') from error
    if done.returncode != 0:
        raise Problem(f'{command[0]} failed: {(done.stderr or done.stdout).strip()[-600:]}')
    return done.stdout


def compile_c(sources, output, extra=()):
    BUILD.mkdir(parents=True, exist_ok=True)
    run_tool(['gcc', *C_FLAGS, *sources, *extra, '-o', output])
    return output


def compile_wasm():
    """hello.c as a WASI command, with Debian's clang, lld and wasi-libc."""
    BUILD.mkdir(parents=True, exist_ok=True)
    output = BUILD / 'function.wasm'
    run_tool(['clang', '--target=wasm32-wasi', *C_FLAGS, '-Wl,-s', HELLO_C, '-o', output])
    return output.read_bytes()


def cache_folder():
    home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
    return pathlib.Path(os.environ.get('TFAAS_CACHE') or pathlib.Path(home) / 'tfaas')


def workerd_binary():
    """npm ci of the locked package into the cache; its install script is never run."""
    folder = cache_folder() / 'bench-peers'
    lock = PEERS / 'package-lock.json'
    machine = {'x86_64': '64', 'aarch64': 'arm64'}.get(os.uname().machine)
    if machine is None:
        raise Problem(f'no workerd for {os.uname().machine}')
    binary = folder / f'node_modules/@cloudflare/workerd-linux-{machine}/bin/workerd'
    installed = folder / 'package-lock.json'
    if not (binary.exists() and installed.exists()
            and installed.read_bytes() == lock.read_bytes()):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PEERS / 'package.json', folder)
        installed.unlink(missing_ok=True)
        shutil.copy(lock, folder)
        try:
            run_tool(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
        except Problem:
            installed.unlink(missing_ok=True)
            raise
    if not binary.exists():
        raise Problem('npm installed no workerd for this machine')
    return binary


def start_node(folder):
    return Peer('node', ['node', PEERS / 'node_http.mjs', '{port}'], HELLO, folder)


def start_workerd(folder):
    return Peer('workerd', [workerd_binary(), 'serve', PEERS / 'workerd.capnp', '--socket-addr',
                            'http=127.0.0.1:{port}'], HELLO, folder)


def start_watchdog(folder):
    child = compile_c([HELLO_C], BUILD / 'hello', ['-static'])
    server = compile_c([PEERS / 'fork_watchdog.c'], BUILD / 'fork_watchdog', ['-lmicrohttpd'])
    return Peer('watchdog', [server, '{port}', child], HELLO, folder)


def start_echo(folder):
    server = compile_c([PEERS / 'mhd_echo.c'], BUILD / 'mhd_echo', ['-lmicrohttpd'])
    return Peer('mhd-echo', [server, '{port}'], {'name': 'world'}, folder)


STARTERS = {'node': start_node, 'workerd': start_workerd, 'watchdog': start_watchdog,
            'mhd-echo': start_echo}
