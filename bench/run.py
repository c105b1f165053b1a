#!/usr/bin/env python3
# run.py - `make bench`: TFaaS (a fresh instance per call) and its peers, interleaved in one run,
# into a table of ratios and build/bench.json. With TENDER=kvm in the environment the same with tfaasd on micro-VMs:
# its names begin with kvm_. Nothing is carried over from an earlier run; nothing is left running. A run of single parts
# (--only) replaces their names only. Exit status 0 only when everything of TFaaS's own was measured.
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'tests' / 'e2e')]

import attested  # noqa: E402
import boots  # noqa: E402
import cold  # noqa: E402
import report  # noqa: E402
import tenders  # noqa: E402
from lib import ROOT, TENDER, Problem, Server, adopt_orphans, kill_tree, tree  # noqa: E402
from load import Target, measure_cells, run_cell  # noqa: E402
from measure import pss_kib, run_program  # noqa: E402
from peers import STARTERS, compile_wasm  # noqa: E402

FULL = {'seconds': 3, 'repeats': 5, 'cold': 30, 'restarts': 7, 'crun': 15, 'functions': 1000,
        'growth': 1000000, 'rounds': 41, 'requests': 4000, 'wrk_rounds': 7, 'worker_starts': 201,
        'pairs': 41, 'start_rounds': 7, 'launches': 31, 'containers': 3, 'boot_limit': 60}
QUICK = {'seconds': 1, 'repeats': 2, 'cold': 8, 'restarts': 2, 'crun': 5, 'functions': 100,
         'growth': 20000, 'rounds': 9, 'requests': 4000, 'wrk_rounds': 3, 'worker_starts': 41,
         'pairs': 5, 'start_rounds': 2, 'launches': 5, 'containers': 1, 'boot_limit': 20}
PARTS = ('http', 'cold', 'memory', 'core', 'attested', 'kvm', 'tcb')
LONG_PARTS = ('growth',)  # only when asked for by name
BOTH = ('kvm', 'tcb')  # the same under whatever tender
# The names of a run with another tender begin with it; the plain ones are the default tender's.
PREFIX = '' if TENDER in ('', 'process') else TENDER + '_'


def say(text):
    print(text, flush=True)


def hello_js():
    return (HERE / 'functions' / 'hello-js' / 'handler.js').read_text()


def start_targets(server):
    server.deploy_js('hello-js', hello_js())
    server.deploy_files('hello-wasm', {'function.wasm': compile_wasm()})
    return [Target('tfaas-js', server, 'hello-js'), Target('tfaas-wasm', server, 'hello-wasm')]


def start_peers(folder):
    peers = []
    for name, starter in STARTERS.items():
        try:
            peers.append(starter(folder))
        except Problem as error:
            say(f'skipped: {name}: {error}')
    return peers


def memory_of(server):
    try:
        return pss_kib(server.pid)
    except Problem as error:
        say(f'skipped: memory of {server.name}: {error}')
        return None


def part_http(size, folder):
    if not shutil.which('wrk'):
        raise Problem('wrk is not installed (Debian: wrk)')
    peers = start_peers(folder)
    try:
        with Server() as tfaasd:
            servers = start_targets(tfaasd) + peers
            idle = {server.name: memory_of(server) for server in servers}
            cells = measure_cells(servers, size, say)
            memory = {server.name: (idle[server.name], memory_of(server)) for server in servers}
    finally:
        for peer in peers:
            peer.stop()
    table = {key: report.medians(value) for key, value in cells.items()}
    report.print_cells(table, memory, say)
    ours = [key for key in table if key[0].startswith('tfaas-') and table[key] is None]
    figures = {**report.ratios(table), **report.flat_cells(table)}
    for name, (before, after) in memory.items():
        figures.update({f"{name.replace('-', '_')}_{when}_pss_mib": kib / 1024
                        for when, kib in (('idle', before), ('loaded', after))
                        if kib is not None})
    return figures, [f'{name} c={connections} is invalid' for name, connections in ours]


def part_cold(size, folder):
    figures = {}
    with Server() as server:
        figures.update(cold.cold_first_calls(server, hello_js(), size['cold']))
    figures.update(cold.restart_first_calls(hello_js(), size['restarts']))
    try:
        ends = boots.static_container(folder).times(size['crun'])
        figures['crun_start_ms'] = statistics.median(end for _, end in ends)
        figures['js_cold_first_call_vs_crun'] = (figures['js_cold_first_call_ms']
                                                 / figures['crun_start_ms'])
    except Problem as error:
        say(f'skipped: crun: {error}')
    return figures, []


def part_memory(size, _folder):
    figures = cold.idle_memory(hello_js())
    figures.update(cold.function_memory(hello_js(), size['functions'], say))
    return figures, []


def part_growth(size, _folder):
    """Memory of the tree before and after very many calls; the first few warm it up."""
    with Server() as server:
        target = start_targets(server)[0]
        run_cell(target, 32, 2)
        before, served = pss_kib(server.pid), 0
        while served < size['growth']:
            cell = run_cell(target, 32, 5)
            if 'invalid' in cell:
                return {}, [f"growth: {cell['invalid']}"]
            served += int(cell['rps'] * 5)
        after = pss_kib(server.pid)
    say(f'  {served} requests: {before / 1024:.1f} MiB before, {after / 1024:.1f} MiB after')
    return {'growth_requests': served, 'growth_fraction': after / before - 1}, []


def part_core(size, _folder):
    """Programs that print one flat JSON object each; the names of most are taken as they are."""
    started, note = run_program('bench-first', TENDER or 'process', size['worker_starts'])
    say(note)
    figures = {'worker_start_ms': started['ready_ms']}
    # The others have no tender around them, or only the process tender.
    for name in () if PREFIX else ('bench-core', 'bench-lease', 'bench-evidence'):
        found, note = run_program(name)
        say(note)
        figures.update(found)
    if figures.get('core_js_reused_us') and figures.get('core_js_fresh_us'):
        figures['js_fresh_vs_reused'] = figures['core_js_fresh_us'] / figures['core_js_reused_us']
    return figures, []


def part_kvm(size, folder):
    return tenders.part(size, folder, hello_js(), say)


def part_tcb(_size, _folder):
    done = subprocess.run([ROOT / 'scripts' / 'tcb.sh', '--json'], capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f'scripts/tcb.sh: {done.stderr.strip()}')
    return json.loads(done.stdout), []


def part_attested(size, folder):
    if not shutil.which('wrk'):
        raise Problem('wrk is not installed (Debian: wrk)')
    with Server() as server:
        start_targets(server)
        client = attested.Client(server, folder)
        client.cell('hello-js', 'session', 1, 100)  # verifies once; the rounds find it in the cache
        figures = attested.throughput(client, 'hello-js', size, say)
        figures.update(attested.against_wrk(client, 'hello-js', size))
        figures.update(attested.cold_calls(server, hello_js(), size['cold']))
    try:
        figures.update(attested.javascript_evidence())
    except Problem as error:
        say(f'skipped: evidence in JavaScript: {error}')
    return figures, []


def run_parts(names, size, folder):
    parts, failures = {}, []
    for name in names:
        say(f'\n== {name} ==')
        begin = time.monotonic()
        try:
            found, failed = globals()['part_' + name](size, folder)
        except (Problem, OSError, ValueError, subprocess.TimeoutExpired) as error:
            found, failed = {}, [f'{name}: {error}']
        prefix = '' if name in BOTH else PREFIX
        parts[name] = {prefix + key: value for key, value in found.items()}
        failures += failed
        say(f'== {name}: {time.monotonic() - begin:.0f} s ==')
    return parts, failures


def part_file(name):
    return name if name in BOTH else PREFIX + name


def write_figures(output, names, parts):
    """Each part has a file beside `output`, replaced whenever the part is run. A run of single
    parts leaves those of the others as they are, and says so; a full run starts with none of its
    tender's."""
    folder = output.with_suffix('.parts')
    folder.mkdir(parents=True, exist_ok=True)
    files = [part_file(name) for name in names]
    every_part = tuple(names) == PARTS
    for old in folder.glob('*.json'):
        mine = any(old.stem == part_file(name) for name in PARTS + LONG_PARTS)
        if old.stem in files or (every_part and mine):
            old.unlink()
    for name, figures in parts.items():
        (folder / f'{part_file(name)}.json').write_text(json.dumps(figures, indent=2) + '\n')
    every = {}
    for file in sorted(folder.glob('*.json')):
        every.update(json.loads(file.read_text()))
        if file.stem not in files:
            say(f'kept from an earlier run: {file.stem}')
    output.write_text(json.dumps(every, indent=2) + '\n')
    say(f'\nwritten: {output}')


def arguments():
    parser = argparse.ArgumentParser(description='TFaaS and its peers, interleaved in one run.')
    parser.add_argument('--quick', action='store_true', help='short cells, few repeats')
    parser.add_argument('--only', choices=PARTS + LONG_PARTS, action='append',
                        help='run only this part; may be given more than once')
    parser.add_argument('--output', default=str(ROOT / 'build' / 'bench.json'))
    return parser.parse_args()


def main():
    options = arguments()
    size = QUICK if options.quick else FULL
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    output = pathlib.Path(options.output)
    names = tuple(options.only or PARTS)
    try:
        with tempfile.TemporaryDirectory(prefix='tfaas-bench-') as folder:
            parts, failures = run_parts(names, size, folder)
    finally:
        for child in tree(os.getpid()) - {os.getpid()}:
            kill_tree(child)
    report.print_figures({name: value for figures in parts.values()
                          for name, value in figures.items()}, say)
    write_figures(output, names, parts)
    seconds = time.monotonic() - begin
    say(f'this run took {seconds // 60:.0f} min {seconds % 60:.0f} s')
    for failure in failures:
        say(f'FAILED: {failure}')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
