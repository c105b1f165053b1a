# cold.py - start times and memory: the first call of a deployed function, memory of the idle daemon
# and of deployed functions. Every number is measured in this run.
import http.client
import json
import statistics
import time

from lib import NAMESPACE, Problem, Server, request_on
from load import BODY, HELLO
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
    if answer.status != 200 or json.loads(answer.body) != HELLO:
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
