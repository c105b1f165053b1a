# attested.py - what attestation costs: the same function called in clear, in a session, with receipts and
# statelessly, in turn, in one run; first calls of cold functions, sealed and not; evidence in other engines.
# `tfaas bench` seals before its clock starts; here it is compared with wrk, so that it is not what is measured.
import json
import os
import shutil
import statistics
import subprocess
import time

import sealed
from cold import distinct_source
from lib import NAMESPACE, ROOT, Problem, measured_as, request_on, tree
from load import BODY, Target, run_cell

import http.client

TFAAS = ROOT / 'build' / 'tfaas'
MODES = ('plain', 'session', 'session+receipt', 'ohttp')
CONNECTIONS = 32
EVIDENCE_COUNTER = 'tfaas_evidence_fetched_total'


def cpu_us(pid):
    """On-CPU time of the tree by command name, in microseconds: a round is too short for ticks of 10 ms."""
    spent = {}
    for member in tree(pid):
        try:
            with open(f'/proc/{member}/comm', encoding='utf-8') as file:
                name = file.read().strip()
            for thread in os.listdir(f'/proc/{member}/task'):
                with open(f'/proc/{member}/task/{thread}/schedstat', encoding='ascii') as file:
                    spent[name] = spent.get(name, 0) + int(file.read().split()[0]) / 1e3
        except OSError:
            continue  # it ended while we looked
    return spent


def measure_core():
    done = subprocess.run([TFAAS, 'core', 'measure', ROOT / 'build' / 'tfaas-core', *measured_as()],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f'tfaas core measure: {done.stderr.strip()}')
    return done.stdout.split()[0]


class Client:
    """`tfaas bench` against one tfaasd; what it verified once is kept for its next runs."""

    def __init__(self, server, folder):
        self.server, self.core = server, measure_core()
        self.cache = os.path.join(folder, 'evidence')
        os.makedirs(self.cache, exist_ok=True)

    def cell(self, function, mode, connections, requests):
        before = cpu_us(self.server.pid)
        done = subprocess.run(
            [TFAAS, 'bench', f'http://127.0.0.1:{self.server.port}', function, '--mode', mode,
             '--allow-simulated', '--core', self.core, '--cache', self.cache, '--json',
             '--requests', str(requests), '--connections', str(connections), '--data', BODY.decode()],
            capture_output=True, text=True, timeout=300)
        spent = cpu_us(self.server.pid)
        if done.returncode != 0:
            raise Problem(f'tfaas bench {mode}: {done.stderr.strip()[-400:]}')
        seen = json.loads(done.stdout)
        if seen['failed'] or (mode != 'plain' and not seen['verified']):
            raise Problem(f'tfaas bench {mode}: {done.stdout.strip()}')
        costs = {name: (us - before.get(name, 0)) / requests for name, us in spent.items()}
        return {'rps': seen['rps'], 'p50_us': seen['p50_us'], 'client_cpu_us': seen['client_cpu_us'],
                'cpu_us': sum(costs.values()), 'core_cpu_us': costs.get('tfaas-core', 0) + costs.get('tfaas-vm', 0)}


def rounds(client, function, count, requests, connections, say):
    """{mode: [cell of each round]}; the order of the modes turns with every round."""
    cells = {mode: [] for mode in MODES}
    for number in range(count):
        turn = number % len(MODES)
        for mode in MODES[turn:] + MODES[:turn]:
            cells[mode].append(client.cell(function, mode, connections, requests))
    for mode in MODES:
        row = {key: statistics.median(cell[key] for cell in cells[mode]) for key in cells[mode][0]}
        say(f"  {mode:<16} c={connections:<3} {row['rps']:>8.0f} req/s {row['cpu_us']:>7.1f} us "
            f"(core {row['core_cpu_us']:.1f})  p50 {row['p50_us']:.0f}  client {row['client_cpu_us']:.1f} us")
    return cells


def ratio(cells, mode, key):
    """Median over the rounds of what `mode` reached of plain in the same round; more is better."""
    pairs = zip(cells[mode], cells['plain'])
    if key == 'rps':
        return statistics.median(ours['rps'] / plain['rps'] for ours, plain in pairs)
    return statistics.median(plain[key] / ours[key] for ours, plain in pairs)


def median_of(cells, mode, key):
    return statistics.median(cell[key] for cell in cells[mode])


def throughput(client, function, size, say):
    """Ratios of throughput and of processor time, and what a stateless call costs."""
    fetched = client.server.metric(EVIDENCE_COUNTER)
    cells = rounds(client, function, size['rounds'], size['requests'], CONNECTIONS, say)
    alone = rounds(client, function, size['rounds'], size['requests'] // 4, 1, say)
    calls = size['rounds'] * len(MODES) * (size['requests'] + size['requests'] // 4)
    figures = {'quotes_per_call': (client.server.metric(EVIDENCE_COUNTER) - fetched) / calls,
               'attested_calls': calls,
               'attested_session_vs_plain': ratio(cells, 'session', 'rps'),
               'attested_session_vs_plain_cpu': ratio(cells, 'session', 'cpu_us'),
               'receipts_vs_plain': ratio(cells, 'session+receipt', 'rps'),
               'receipts_vs_plain_cpu': ratio(cells, 'session+receipt', 'cpu_us'),
               'ohttp_extra_cpu_us': statistics.median(
                   ours['cpu_us'] - plain['cpu_us']
                   for ours, plain in zip(cells['ohttp'], cells['plain']))}
    for mode in MODES:
        name = 'attested_' + mode.replace('session+receipt', 'receipt')
        figures[f'{name}_cpu_us'] = median_of(cells, mode, 'cpu_us')
        figures[f'{name}_c1_p50_us'] = median_of(alone, mode, 'p50_us')
    return figures


def against_wrk(client, function, size):
    """Our load generator beside wrk, both in clear: is it what limits?"""
    ratios, costs = [], []
    for _ in range(size['wrk_rounds']):
        theirs = run_cell(Target(function, client.server, function), CONNECTIONS, 1)
        if 'invalid' in theirs:
            raise Problem(f"wrk: {theirs['invalid']}")
        ours = client.cell(function, 'plain', CONNECTIONS, size['requests'])
        ratios.append(ours['rps'] / theirs['rps'])
        costs.append(ours['client_cpu_us'])
    return {'attested_load_vs_wrk': statistics.median(ratios),
            'attested_load_cpu_us': statistics.median(costs)}


def timed_post(server, path, body, content_type):
    """One request on a connection that is already open: (answer, ms)."""
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=30)
    try:
        request_on(connection, 'GET', '/healthz')
        begin = time.perf_counter()
        answer = request_on(connection, 'POST', path, body, {'Content-Type': content_type})
        return answer, (time.perf_counter() - begin) * 1e3
    finally:
        connection.close()


def cold_calls(server, source, count):
    """First calls of functions that never ran, in clear and sealed in turn; the core runs already."""
    times = {'plain': [], 'sealed': []}
    for number in range(2 * count):
        server.deploy_js(f'cold-{number}', distinct_source(source, number))
    keys = sealed.keys_of(server)
    for number in range(2 * count):
        path = f'/function/cold-{number}.{NAMESPACE}'
        kind = ('plain', 'sealed')[number % 2]
        # Sealed for both: what came before a call decides how soon its processes run.
        exchange = sealed.Exchange(keys, path, BODY, fields=('content-type=application/json',))
        if kind == 'plain':
            exchange.close()
            answer, took = timed_post(server, path, BODY, 'application/json')
        else:
            outer, took = timed_post(server, path, exchange.request, sealed.TYPES['ohttp'][0])
            answer = exchange.open(outer)
        if answer.status != 200 or json.loads(answer.body) != {'hello': 'world'}:
            raise Problem(f'first call of cold-{number}: {answer}')
        times[kind].append(took)
    plain, ours = (statistics.median(times[kind]) for kind in ('plain', 'sealed'))
    # Neighbours only ever add, by milliseconds: the lower quartiles differ by what sealing adds.
    low = {kind: statistics.quantiles(times[kind], n=4)[0] for kind in times}
    return {'cold_plain_ms': plain, 'cold_attested_ms': ours,
            'cold_attested_extra_ms': low['sealed'] - low['plain']}


def javascript_evidence():
    """Worst median of verifying one vector of evidence: sdk/js in Node, and in a browser if there is one."""
    if not shutil.which('node'):
        raise Problem('node is not installed')
    done = subprocess.run(['node', ROOT / 'bench' / 'sdk' / 'js.mjs', '--json'],
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Problem(f'bench/sdk/js.mjs: {done.stderr.strip()[-400:]}')
    figures = {}
    for engine, medians in json.loads(done.stdout).items():
        name = 'node' if engine.startswith('Node') else 'browser'
        figures[f'evidence_verify_{name}_ms'] = max(
            ms for vector, ms in medians.items() if not vector.startswith('call'))
    return figures
