# tenders.py - part `kvm`: the kvm tender against the process tender, by turns in one run; beside their starts those of what
# a function could be started in otherwise (boots.py). What a machine does not have is a row that says why, never a number.
import os
import statistics

import boots
from cold import first_call_ms
from lib import Problem, Server
from load import CONNECTIONS, Target, measure_cells
from measure import paired, run_program
from peers import compile_wasm

TENDERS = ('process', 'kvm')
FUNCTIONS = ('js', 'wasm')
MICROVM_ROUNDS = 3
# Rows that a run without /dev/kvm still has.
ROWS = ('kvm_js_throughput_vs_process', 'kvm_wasm_throughput_vs_process', 'kvm_core_js_fresh_us',
        'kvm_core_js_fresh_vs_process', 'kvm_core_wasm_fresh_vs_process', 'kvm_snapshot_start_ms',
        'kvm_cold_boot_ms', 'kvm_idle_private_mib', 'kvm_wasm_compute_vs_process',
        'kvm_doorbell_us')


def skipped(why):
    return f'skipped: {why}'


def no_kvm():
    """Why there is no KVM here; empty: there is one, and whatever fails with it is a failure."""
    if not os.path.exists('/dev/kvm'):
        return 'no /dev/kvm'
    return '' if os.access('/dev/kvm', os.R_OK | os.W_OK) else '/dev/kvm may not be used'


def throughput(size, source, say):
    """HTTP, both daemons up: of each function the ratio of every round."""
    figures = {}
    with Server(tender='process') as process, Server(tender='kvm') as kvm:
        servers = dict(zip(TENDERS, (process, kvm)))
        for server in servers.values():
            server.deploy_js('js', source)
            server.deploy_files('wasm', {'function.wasm': compile_wasm()})
            for function in FUNCTIONS:
                first_call_ms(server, function)
        for function in FUNCTIONS:
            targets = [Target(f'{tender}-{function}', server, function)
                       for tender, server in servers.items()]
            cells = measure_cells(targets, size, say)
            for connections in CONNECTIONS:
                rounds = {tender: cells[f'{tender}-{function}', connections] for tender in TENDERS}
                invalid = [cell['invalid'] for cell in rounds['process'] + rounds['kvm']
                           if 'invalid' in cell]
                if invalid:
                    raise Problem(f'{function} c={connections}: {invalid[0]}')
                figures.update(http_figures(function, connections, rounds))
    return figures


def http_figures(function, connections, rounds):
    def ratio(name, key):
        return paired(name, *([cell[key] for cell in rounds[tender]] for tender in ('kvm', 'process')))
    busy = connections == max(CONNECTIONS)
    figures = {}
    if busy:
        figures |= ratio(f'kvm_{function}_throughput_vs_process', 'rps')
        if all(cell['cpu_us'] for cell in rounds['process']):
            figures |= ratio(f'kvm_{function}_cpu_vs_process', 'cpu_us')
    else:
        figures |= ratio(f'kvm_{function}_p50_c1_vs_process', 'p50_us')
    for tender in TENDERS:
        key = 'rps' if busy else 'p50_us'
        figures[f'{tender}_{function}_c{connections}_{key}'] = statistics.median(
            cell[key] for cell in rounds[tender])
    return figures


def open_peers(folder, figures, say):
    """{name: container}, and the microvm with the accelerators that boot it."""
    containers, machine, accelerators = {}, None, []
    for name, starter in boots.CONTAINERS.items():
        try:
            containers[name] = starter(folder)
        except Problem as error:
            figures[f'{name}_first_answer_ms'] = skipped(error)
    try:
        machine = boots.Microvm(folder)
        accelerators = ['kvm', 'tcg']
    except Problem as error:
        for accelerator in ('kvm', 'tcg'):
            figures[f'microvm_{accelerator}_first_answer_ms'] = skipped(error)
    if machine and no_kvm():
        accelerators.remove('kvm')
        figures['microvm_kvm_first_answer_ms'] = skipped(no_kvm())
    for name, value in figures.items():
        say(f'  {name}: {value}')
    return containers, machine, accelerators


def starts(size, folder, with_kvm, say):
    """Everything that can be started, in turn, round by round."""
    figures, seen = {}, {}
    containers, machine, accelerators = open_peers(folder, figures, say)
    tenders = TENDERS if with_kvm else TENDERS[:1]

    def give_up(row, why, say=say):
        seen.pop(row, None)
        figures[row] = skipped(why)
        say(f'  {row}: {figures[row]}')

    for number in range(size['start_rounds']):
        for tender in tenders if number % 2 else tenders[::-1]:
            one, note = run_program('bench-first', tender, size['launches'])
            say('  ' + note.partition('; walls')[0])
            for key, value in one.items():
                seen.setdefault(f'{tender}:{key}', []).append(value)
        for name, container in list(containers.items()):
            row = f'{name}_first_answer_ms'
            try:
                times = container.times(size['containers'])
            except Problem as error:
                del containers[name]
                give_up(row, error)
                continue
            seen.setdefault(row, []).append(statistics.median(first for first, _ in times))
            say(f'  {row}: {seen[row][-1]:.1f}')
        for accelerator in list(accelerators) if number < MICROVM_ROUNDS else ():
            row = f'microvm_{accelerator}_first_answer_ms'
            try:
                seen.setdefault(row, []).append(machine.boot_ms(accelerator, size['boot_limit']))
            except Problem as error:
                accelerators.remove(accelerator)
                give_up(row, error)
                continue
            say(f'  {row}: {seen[row][-1]:.0f}')
    return figures | start_figures(seen, tenders)


def start_figures(seen, tenders):
    figures = {name: statistics.median(values) for name, values in seen.items() if ':' not in name}
    for tender in tenders:
        of = {key: statistics.median(seen[f'{tender}:{key}'])
              for key in ('cold_boot_ms', 'ready_ms', 'first_answer_ms', 'idle_private_mib',
                          'served_private_mib', 'steady_call_us')}
        start = 'snapshot' if tender == 'kvm' else 'fork'
        figures |= {f'{tender}_{start}_start_ms': of['first_answer_ms'],
                    f'{tender}_{start}_ready_ms': of['ready_ms'],
                    f'{tender}_steady_call_us': of['steady_call_us'],
                    f'{tender}_cold_boot_ms': of['cold_boot_ms'],
                    f'{tender}_idle_private_mib': of['idle_private_mib'],
                    f'{tender}_served_private_mib': of['served_private_mib']}
        if tender == 'kvm':
            for key, name in (('cold_boot_ms', 'kvm_cold_boot_ms'),
                              ('first_answer_ms', 'kvm_snapshot_start_ms')):
                values = seen[f'kvm:{key}']
                figures |= {f'{name}_min': min(values), f'{name}_max': max(values)}
            for peer in boots.CONTAINERS:
                theirs = seen.get(f'{peer}_first_answer_ms')
                if theirs:
                    figures |= paired(f'kvm_start_vs_{peer}', seen['kvm:first_answer_ms'], theirs)
    return figures


def part(size, folder, source, say):
    """(figures, failures): what one section cannot give does not take the others'."""
    figures, failures, missing = {}, [], no_kvm()
    if missing:
        figures.update({name: skipped(missing) for name in ROWS})
        say(f'skipped: the kvm tender: {missing}')

    def section(name, measure):
        try:
            figures.update(measure())
        except (Problem, OSError, ValueError) as error:
            failures.append(f'kvm, {name}: {error}')

    def inside():
        found, note = run_program('bench-tenders', size['pairs'])
        say(note)
        return found

    if not missing:
        section('http', lambda: throughput(size, source, say))
        section('in the core', inside)
    section('starts', lambda: starts(size, folder, not missing, say))
    return figures, failures
