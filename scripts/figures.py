#!/usr/bin/env python3
"""figures.py [BENCH.JSON] [--write] - prints the table of figures in Markdown: the targets of bench/report.py and what
build/bench.json with build/soak.json (or the file given) reached; --write puts it into docs/figures.md. It must never print a number that is not in that file."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'bench'))

from report import GOALS  # noqa: E402

DOCUMENT = ROOT / 'docs' / 'figures.md'
BEGIN, END = '<!-- table: scripts/figures.py --write -->\n', '<!-- end of table -->'

# name in bench.json, what it is, unit
FIGURES = (
    ('js_throughput_vs_workerd', 'JavaScript hello, throughput against workerd', 'x'),
    ('js_cpu_vs_workerd', 'JavaScript hello, processor time per request against workerd', 'x'),
    ('js_p99_c32_vs_node', 'JavaScript hello, p99 with 32 connections against node', 'x'),
    ('wasm_throughput_vs_node', 'Wasm hello, throughput against node', 'x'),
    ('wasm_throughput_vs_watchdog', 'Wasm hello, throughput against a fork-per-request watchdog', 'x'),
    ('wasm_throughput_vs_echo', 'Wasm hello, throughput against libmicrohttpd alone', 'x'),
    ('core_js_fresh_us', 'in the core: JavaScript hello, fresh instance', 'us'),
    ('core_js_reused_us', 'in the core: the same, reused instance', 'us'),
    ('js_fresh_vs_reused', 'in the core: fresh against reused', 'x'),
    ('core_wasm_fresh_us', 'in the core: Wasm hello, fresh instance', 'us'),
    ('compartment_js_us', 'in the core: a JavaScript dependency in a compartment, added to the call', 'us'),
    ('syscalls_per_invocation', 'system calls per invocation, those of the tick included', ''),
    ('preempt_us', 'from the tick to the scheduler', 'us'),
    ('metering_overhead_kernels', 'metering: worst of sha256, matmul, nbody', '%'),
    ('metering_overhead_calls', 'metering: worst of fib, calls, sort', '%'),
    ('worker_start_ms', 'a new worker from the zygote', 'ms'),
    ('js_cold_first_call_ms', 'first call of a deployed JavaScript function', 'ms'),
    ('crun_start_ms', '`crun run` of one static program, start to exit', 'ms'),
    ('js_idle_function_kib', 'memory per function, 1,000 that have each run once', 'KiB'),
    ('js_never_run_function_kib', 'memory per function, deployed and never run', 'KiB'),
    ('js_loaded_function_kib', 'memory per function that is loaded', 'KiB'),
    ('daemon_idle_pss_mib', 'daemon and one core, idle (PSS)', 'MiB'),
    ('sealed_plain_us', 'in the core: Wasm hello in clear', 'us'),
    ('sealed_session_us', 'in the core: the same in a session', 'us'),
    ('sealed_receipt_c32_us', 'in the core: the same with receipts, 32 at once, each', 'us'),
    ('sealed_receipt_us', 'in the core: the same with a receipt signed alone', 'us'),
    ('sealed_ohttp_us', 'in the core: the same stateless', 'us'),
    ('attested_session_vs_plain', 'in a session against in clear: throughput, 32 connections', 'x'),
    ('attested_session_vs_plain_cpu', 'the same: processor time, clear divided by session', 'x'),
    ('receipts_vs_plain', 'in a session with receipts against in clear: throughput', 'x'),
    ('receipts_vs_plain_cpu', 'the same: processor time, clear divided by receipts', 'x'),
    ('ohttp_extra_cpu_us', 'processor time that a stateless encrypted call costs above one in clear', 'us'),
    ('quotes_per_call', 'evidence obtained from the platform, per attested call', ''),
    ('cold_attested_extra_ms', 'first call of a cold function, encrypted above in clear', 'ms'),
    ('worker_lease_ms', 'a new worker from the zygote, until it holds its lease', 'ms'),
    ('evidence_verify_ms', 'verifying evidence in C: worst of SGX, TDX, SNP', 'ms'),
    ('evidence_verify_node_ms', 'the same by `sdk/js` in Node', 'ms'),
    ('evidence_verify_browser_ms', 'the same by `sdk/js` in Chromium', 'ms'),
    ('attested_load_vs_wrk', 'the load generator `tfaas bench` against wrk, both in clear', 'x'),
    ('kvm_js_throughput_vs_process', 'kvm against process: JavaScript hello, throughput over HTTP', 'x'),
    ('kvm_wasm_throughput_vs_process', 'kvm against process: Wasm hello, throughput over HTTP', 'x'),
    ('kvm_js_cpu_vs_process', 'kvm against process: JavaScript hello, processor time per request over HTTP', 'x'),
    ('kvm_js_p50_c1_vs_process', 'kvm against process: JavaScript hello, p50 with one connection', 'x'),
    ('process_core_js_fresh_us', 'in a core of the process tender, kept busy: JavaScript hello', 'us'),
    ('kvm_core_js_fresh_us', 'in a core of the kvm tender, kept busy: JavaScript hello', 'us'),
    ('kvm_core_js_fresh_vs_process', 'the second against the first', 'x'),
    ('kvm_core_wasm_fresh_vs_process', 'the same of Wasm hello', 'x'),
    ('kvm_wasm_compute_vs_process', 'kvm against process: speed of the worst of six Wasm kernels', 'x'),
    ('process_steady_call_us', 'process: one call after the other, from the host and back', 'us'),
    ('kvm_steady_call_us', 'kvm: the same; the core sleeps and is woken where the host does not poll', 'us'),
    ('kvm_doorbell_us', 'kvm: a number to the core and back, both sides polling', 'us'),
    ('process_doorbell_us', 'process: the same', 'us'),
    ('kvm_snapshot_start_ms', 'kvm: a new worker from the snapshot, until it has answered its first JavaScript call', 'ms'),
    ('process_fork_start_ms', 'process: a new worker from the zygote, until the same', 'ms'),
    ('crun_first_answer_ms', '`crun`: a container of one static program, until it has answered', 'ms'),
    ('crun_node_first_answer_ms', '`crun`: a container of a node server, until it has answered over HTTP', 'ms'),
    ('crun_python_first_answer_ms', '`crun`: the same of a python3 server', 'ms'),
    ('microvm_kvm_first_answer_ms', 'QEMU microvm under KVM, Debian cloud kernel, static init, until it has answered', 'ms'),
    ('microvm_tcg_first_answer_ms', 'the same, QEMU emulating', 'ms'),
    ('kvm_start_vs_crun', 'kvm: first answer of a new worker, against the static container', 'x'),
    ('kvm_cold_boot_ms', 'kvm: from nothing to a snapshot that workers start from', 'ms'),
    ('process_cold_boot_ms', 'process: from nothing to a zygote that workers start from', 'ms'),
    ('kvm_idle_private_mib', 'kvm: private memory of an idle new worker', 'MiB'),
    ('kvm_served_private_mib', 'kvm: the same, idle after its first JavaScript call', 'MiB'),
    ('process_idle_private_mib', 'process: private memory of an idle new worker', 'MiB'),
    ('tcb_lines_core', 'lines: core, and what host and client share with it', ''),
    ('tcb_lines_process', 'lines: process tender, both sides', ''),
    ('tcb_lines_kvm', 'lines: kvm tender: shim with its ring 3, and host side', ''),
    ('growth_fraction', 'growth of memory over 1e6 requests (`make soak`)', '%'),
)


def text(value, unit):
    if unit == '%':
        return f'{value * 100:.1f} %'
    return f'{value:.3g} {unit}'.rstrip() if abs(value) < 1000 else f'{value:.0f} {unit}'.rstrip()


def spread(figures, name, unit):
    """Least and most of the rounds, where the run tells them."""
    ends = figures.get(f'{name}_min'), figures.get(f'{name}_max')
    return '' if None in ends else f' ({text(ends[0], unit)} to {text(ends[1], unit)})'


def row(figures, name, what, unit):
    value = figures.get(name)
    comparison, target = GOALS.get(name, ('', None))
    goal = '' if target is None else f'{comparison} {text(target, unit)}'
    if isinstance(value, str):
        words = ' '.join(value.split()).replace('|', '/')
        return f'| {what} | `{name}` | {goal} | {words} | |'
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return f'| {what} | `{name}` | {goal} | not measured | |'
    reached = '' if target is None else 'no'
    if target is not None and (value >= target if comparison == '>=' else value <= target):
        reached = 'yes'
    return f'| {what} | `{name}` | {goal} | {text(value, unit)}{spread(figures, name, unit)} | {reached} |'


def table(figures):
    fresh, reused = figures.get('core_js_fresh_us'), figures.get('core_js_reused_us')
    if fresh and reused:
        figures.setdefault('js_fresh_vs_reused', fresh / reused)
    lines = ['| figure | name in bench.json | target | measured | reached |', '|---|---|---|---|---|']
    return '\n'.join(lines + [row(figures, *each) for each in FIGURES]) + '\n'


def write(rows):
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f'{DOCUMENT} has no place for the table')
    DOCUMENT.write_text(before + BEGIN + rows + END + after)


def main():
    paths = [word for word in sys.argv[1:] if word != '--write']
    path = pathlib.Path(paths[0]) if paths else ROOT / 'build' / 'bench.json'
    try:
        figures = json.loads(path.read_text())
        soak = path.with_name('soak.json')
        if not paths and soak.exists():
            figures.update(json.loads(soak.read_text()))
        rows = table(figures)
        if '--write' in sys.argv:
            write(rows)
        else:
            print(rows, end='')
    except FileNotFoundError as error:
        print(f'{error.filename} is not there: run make bench first', file=sys.stderr)
        return 66
    except (OSError, ValueError, AttributeError) as error:
        print(f'{path}: {error}', file=sys.stderr)
        return 65
    return 0


if __name__ == '__main__':
    sys.exit(main())
