# cold.py - start times and memory: the first call of a deployed function, a container start by
# crun, memory of the idle daemon and of deployed functions. Every number is measured in this run.
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from lib import NAMESPACE, Problem, Server, request_on
from load import BODY
from measure import pss_kib

SETTLE_SECONDS = 1.0
LOADED_COUNT = 400  # below the number of functions tfaasd keeps loaded in one core


def distinct_source(source, number):
    """The same function as different content, so that no two share a package."""
    return f'// copy {number}\n{source}'


def first_call_ms(server, name, namespace=NAMESPACE):
    """The first call of a function over a connection that is already open."""
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=30)
    try:
        request_on(connection, 'GET', '/healthz')
        begin = time.perf_counter()
        answer = request_on(connection, 'POST', f'/function/{name}.{namespace}', BODY,
                            {'Content-Type': 'application/json'})
        spent = time.perf_counter() - begin
    finally:
        connection.close()
    if answer.status != 200 or json.loads(answer.body) != {'hello': 'world'}:
        raise Problem(f'first call of {name}: {answer}')
    return spent * 1e3


def cold_first_calls(server, source, count):
    """Medians of first calls: of never-run functions of a namespace whose core runs already."""
    server.deploy_js('cold-warmup', source)
    first_call_ms(server, 'cold-warmup')
    times = []
    for number in range(count):
        server.deploy_js(f'cold-{number}', distinct_source(source, number))
    time.sleep(SETTLE_SECONDS)
    for number in range(count):
        times.append(first_call_ms(server, f'cold-{number}'))
    return {'js_cold_first_call_ms': statistics.median(times)}


def restart_first_calls(source, count):
    """First call after a start of the daemon: the core of the namespace starts inside the call."""
    times = []
    with Server() as server:
        for number in range(count):
            server.deploy_js(f'restart-{number}', distinct_source(source, number))
        for number in range(count):
            server.end_process()
            server.start()
            time.sleep(SETTLE_SECONDS / 2)
            times.append(first_call_ms(server, f'restart-{number}'))
    return {'js_cold_first_call_after_restart_ms': statistics.median(times)}


def idle_memory(source):
    """PSS of the daemon with one core that has served one function, at rest."""
    with Server() as server:
        time.sleep(SETTLE_SECONDS)
        empty = pss_kib(server.pid)
        server.deploy_js('idle', source)
        first_call_ms(server, 'idle')
        time.sleep(2 * SETTLE_SECONDS)
        return {'daemon_idle_pss_mib': pss_kib(server.pid) / 1024,
                'daemon_no_core_pss_mib': empty / 1024}


def function_memory(source, count, say):
    """PSS growth per function: deployed and never run, then after each has run once."""
    with Server() as server:
        server.deploy_js('base', source)
        first_call_ms(server, 'base')
        time.sleep(SETTLE_SECONDS)
        base = pss_kib(server.pid)
        begin = time.monotonic()
        for number in range(count):
            server.deploy_js(f'idle-{number}', distinct_source(source, number))
        say(f'  {count} deploys in {time.monotonic() - begin:.1f} s')
        time.sleep(2 * SETTLE_SECONDS)
        deployed = pss_kib(server.pid)
        loaded_count = min(count, LOADED_COUNT)
        for number in range(count):
            first_call_ms(server, f'idle-{number}')
            if number + 1 == loaded_count:
                time.sleep(SETTLE_SECONDS)
                loaded = pss_kib(server.pid)
        time.sleep(2 * SETTLE_SECONDS)
        ran = pss_kib(server.pid)
    return {'js_never_run_function_kib': (deployed - base) / count,
            'js_idle_function_kib': (ran - base) / count,
            'js_loaded_function_kib': (loaded - base) / loaded_count,
            'js_idle_function_count': count}


# --- crun: the container start that a cold function is compared with ---

def make_bundle(folder):
    """An OCI bundle whose only program is a static busybox, run as `true`."""
    busybox = shutil.which('busybox')
    if not busybox:
        raise Problem('busybox is not installed (Debian: busybox-static)')
    program = pathlib.Path(folder, 'rootfs', 'bin', 'true')
    program.parent.mkdir(parents=True)
    shutil.copy(busybox, program)
    for name in ('proc', 'dev', 'sys'):
        pathlib.Path(folder, 'rootfs', name).mkdir()
    done = subprocess.run(['crun', 'spec'], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f'crun spec failed: {done.stderr.strip()}')
    path = pathlib.Path(folder, 'config.json')
    config = json.loads(path.read_text())
    config['process'].update(terminal=False, args=['/bin/true'])
    path.write_text(json.dumps(config))


def time_crun(folder, count):
    """Runs inside the private mount namespace: prints the times in ms as JSON."""
    times = []
    for number in range(count):
        begin = time.perf_counter()
        done = subprocess.run(['crun', '--cgroup-manager=disabled', 'run', '--bundle', folder,
                               f'tfaas-bench-{os.getpid()}-{number}'],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        times.append((time.perf_counter() - begin) * 1e3)
        if done.returncode != 0:
            sys.exit(f'crun run failed: {done.stderr.strip()}')
    print(json.dumps(times))


def crun_start(count):
    """Median ms of `crun run`, start to exit, of a static `true`."""
    if not shutil.which('crun'):
        raise Problem('crun is not installed')
    if os.geteuid() != 0:
        raise Problem('crun is measured as root only (private mount namespace)')
    with tempfile.TemporaryDirectory(prefix='tfaas-bench-crun-') as folder:
        make_bundle(folder)
        # On hybrid cgroup machines crun stumbles over the v2 mount: take it out of its view only.
        script = ('if mountpoint -q /sys/fs/cgroup/unified; then '
                  'umount /sys/fs/cgroup/unified; fi; exec "$@"')
        done = subprocess.run(['unshare', '-m', 'sh', '-c', script, 'sh', sys.executable, __file__,
                               folder, str(count)], capture_output=True, text=True,
                              env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
    if done.returncode != 0:
        raise Problem((done.stderr or done.stdout).strip()[-400:])
    return {'crun_start_ms': statistics.median(json.loads(done.stdout))}


if __name__ == '__main__':
    time_crun(sys.argv[1], int(sys.argv[2]))
