# report.py - the table people read and the flat names in build/bench.json, from the cells of one
# run. A ratio whose peer is missing or whose cells are invalid is left out, never estimated.
import statistics

COLUMNS = (('rps', '{:.0f}'), ('cpu_us', '{:.1f}'), ('p50_us', '{:.0f}'), ('p99_us', '{:.0f}'))
TITLES = ('req/s', 'cpu us/req', 'p50 us', 'p99 us')

# name in bench.json, (server, metric), (peer, metric), connections
RATIOS = (
    ('js_throughput_vs_workerd', 'tfaas-js', 'workerd', 'rps', 32),
    ('js_cpu_vs_workerd', 'tfaas-js', 'workerd', 'cpu_us', 32),
    ('js_p99_c32_vs_node', 'tfaas-js', 'node', 'p99_us', 32),
    ('js_throughput_vs_node', 'tfaas-js', 'node', 'rps', 32),
    ('js_throughput_vs_watchdog', 'tfaas-js', 'watchdog', 'rps', 32),
    ('js_p50_c1_vs_echo', 'tfaas-js', 'mhd-echo', 'p50_us', 1),
    ('wasm_throughput_vs_node', 'tfaas-wasm', 'node', 'rps', 32),
    ('wasm_throughput_vs_workerd', 'tfaas-wasm', 'workerd', 'rps', 32),
    ('wasm_throughput_vs_watchdog', 'tfaas-wasm', 'watchdog', 'rps', 32),
    ('wasm_throughput_vs_echo', 'tfaas-wasm', 'mhd-echo', 'rps', 32),
    ('wasm_cpu_vs_workerd', 'tfaas-wasm', 'workerd', 'cpu_us', 32),
    ('wasm_cpu_vs_echo', 'tfaas-wasm', 'mhd-echo', 'cpu_us', 32),
    ('wasm_p99_c32_vs_node', 'tfaas-wasm', 'node', 'p99_us', 32),
    ('wasm_p50_c1_vs_echo', 'tfaas-wasm', 'mhd-echo', 'p50_us', 1),
)

# name, goal: (comparison, bound)
GOALS = {
    'js_throughput_vs_workerd': ('>=', 2.5), 'js_cpu_vs_workerd': ('<=', 0.35),
    'wasm_throughput_vs_node': ('>=', 1.0), 'js_p99_c32_vs_node': ('<=', 1.0),
    'wasm_throughput_vs_watchdog': ('>=', 10.0), 'wasm_throughput_vs_echo': ('>=', 0.6),
    'core_js_fresh_us': ('<=', 15.0), 'core_wasm_fresh_us': ('<=', 4.0),
    'js_fresh_vs_reused': ('<=', 2.5), 'compartment_js_us': ('<=', 40.0),
    'syscalls_per_invocation': ('<=', 0.06),  # the tick counts: two per ms of work, not per call
    'metering_overhead_kernels': ('<=', 0.05), 'metering_overhead_calls': ('<=', 0.20),
    'worker_start_ms': ('<=', 2.0), 'js_cold_first_call_ms': ('<=', 5.0),
    'js_idle_function_kib': ('<=', 400.0), 'daemon_idle_pss_mib': ('<=', 40.0),
    'growth_fraction': ('<=', 0.05),
    'attested_session_vs_plain': ('>=', 0.85), 'receipts_vs_plain': ('>=', 0.85),
    'ohttp_extra_cpu_us': ('<=', 80.0), 'quotes_per_call': ('<=', 0.0),
    'cold_attested_extra_ms': ('<=', 1.0), 'worker_lease_ms': ('<=', 3.0),
    'evidence_verify_ms': ('<=', 5.0), 'evidence_verify_node_ms': ('<=', 50.0),
    'evidence_verify_browser_ms': ('<=', 50.0),
    'kvm_js_throughput_vs_process': ('>=', 0.9), 'kvm_wasm_throughput_vs_process': ('>=', 0.9),
    'kvm_core_js_fresh_vs_process': ('<=', 1.15), 'kvm_core_wasm_fresh_vs_process': ('<=', 1.15),
    'kvm_snapshot_start_ms': ('<=', 8.0), 'kvm_idle_private_mib': ('<=', 1.0),
    'kvm_cold_boot_ms': ('<=', 100.0), 'kvm_wasm_compute_vs_process': ('>=', 0.95),
    'kvm_doorbell_us': ('<=', 1.0),
    'tcb_lines_core': ('<=', 5000), 'tcb_lines_process': ('<=', 1500), 'tcb_lines_kvm': ('<=', 2500),
}


def medians(cells):
    """[{...}, ...] of one (server, connections) -> medians; None if any repeat was invalid."""
    if not cells or any('invalid' in cell for cell in cells):
        return None
    return {key: statistics.median(cell[key] for cell in cells) for key, _ in COLUMNS}


def ratios(table):
    """table: {(server, connections): medians or None}."""
    found = {}
    for name, server, peer, metric, connections in RATIOS:
        ours, theirs = table.get((server, connections)), table.get((peer, connections))
        if ours and theirs and theirs[metric]:
            found[name] = ours[metric] / theirs[metric]
    return found


def flat_cells(table):
    found = {}
    for (server, connections), row in table.items():
        if row:
            prefix = server.replace('-', '_')
            found.update({f'{prefix}_c{connections}_{key}': row[key] for key, _ in COLUMNS})
    return found


def print_cells(table, memory, say):
    say('')
    say(f"{'server':<12}{'c':>4}" + ''.join(f'{title:>12}' for title in TITLES)
        + f"{'idle MiB':>10}{'after MiB':>11}")
    for (server, connections), row in sorted(table.items(), key=lambda item: item[0][1]):
        line = f'{server:<12}{connections:>4}'
        if row is None:
            say(line + '  invalid (said above)')
            continue
        line += ''.join(f'{form.format(row[key]):>12}' for key, form in COLUMNS)
        idle, after = memory.get(server, (None, None))
        say(line + ''.join(f'{"-" if kib is None else f"{kib / 1024:.1f}":>{width}}'
                           for kib, width in ((idle, 10), (after, 11))))


def verdict(name, value):
    if name not in GOALS or isinstance(value, str):
        return ''
    comparison, bound = GOALS[name]
    reached = value >= bound if comparison == '>=' else value <= bound
    return f"{comparison} {bound:g}  {'reached' if reached else 'NOT reached'}"


def print_figures(figures, say):
    say('')
    say(f"{'figure':<42}{'value':>12}  goal")
    for name, value in figures.items():
        shown = f'  {value}' if isinstance(value, str) else f'{value:>12.4g}'
        say(f'{name:<42}{shown}  {verdict(name, value)}'.rstrip())
