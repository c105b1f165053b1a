# test_bench.py - the bench when something is missing or does not work: it must say what, end with a status that is not 0 where
# TFaaS itself failed, and never write a number that was not measured. What the bench measures is not looked at.
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / 'bench'


def bench(folder, *arguments, **env):
    """(exit status, output, the figures written)"""
    output = pathlib.Path(folder, 'bench.json')
    done = subprocess.run([sys.executable, BENCH / 'run.py', '--quick', '--output', output,
                           *arguments], capture_output=True, text=True, timeout=600,
                          env={**os.environ, **env})
    figures = json.loads(output.read_text()) if output.exists() else None
    return done.returncode, done.stdout + done.stderr, figures


def inside(code, **env):
    """Python that has the bench's modules at hand: its output."""
    done = subprocess.run(
        [sys.executable, '-B', '-c',
         f'import sys\nsys.path[:0] = [{str(BENCH)!r}, {str(ROOT / "tests/e2e")!r}]\n{code}'],
        capture_output=True, text=True, timeout=600, env={**os.environ, **env})
    return done.stdout + done.stderr


def test_a_daemon_that_does_not_start_is_a_failure(case):
    with tempfile.TemporaryDirectory() as folder:
        status, said, figures = bench(folder, '--only', 'memory', TFAASD='/bin/false')
    case.true(status == 1, f'exit status {status}')
    case.true('FAILED: memory: tfaasd ended with 1' in said, said[-500:])
    case.true(figures == {}, f'figures were written: {figures}')


def test_a_daemon_that_is_not_built_is_named(case):
    with tempfile.TemporaryDirectory() as folder:
        status, said, _ = bench(folder, '--only', 'memory', TFAASD='/nonexistent/tfaasd')
    case.true(status == 1 and '/nonexistent/tfaasd is not built' in said, said[-500:])


def test_what_a_run_took_is_printed_and_names_of_other_parts_stay(case):
    with tempfile.TemporaryDirectory() as folder:
        status, said, figures = bench(folder, '--only', 'tcb')
        case.true(status == 0 and 'this run took 0 min' in said, said[-500:])
        case.true(figures['tcb_lines_kvm'] > 500, f'{figures}')
        kept = pathlib.Path(folder, 'bench.parts', 'cold.json')
        kept.write_text('{"crun_start_ms": 1}')
        _, said, figures = bench(folder, '--only', 'tcb')
        case.true(figures['crun_start_ms'] == 1 and 'kept from an earlier run: cold' in said, said)


def test_names_of_the_kvm_tender_have_their_prefix(case):
    with tempfile.TemporaryDirectory() as folder:
        before = pathlib.Path(folder, 'bench.parts')
        before.mkdir()
        before.joinpath('memory.json').write_text('{"daemon_idle_pss_mib": 26}')
        status, said, figures = bench(folder, '--only', 'memory', '--only', 'tcb', TENDER='kvm',
                                      TFAASD='/bin/false')
    case.true(status == 1 and 'FAILED: memory' in said, said[-500:])
    case.true(figures.get('daemon_idle_pss_mib') == 26, f'{figures}')
    case.true('tcb_lines_kvm' in figures and 'kvm_tcb_lines_kvm' not in figures, f'{figures}')


def test_a_bench_program_that_fails_is_named(case):
    said = inside('''
import measure, pathlib, tempfile
from lib import Problem
with tempfile.TemporaryDirectory() as folder:
    measure.ROOT = pathlib.Path(folder)
    program = measure.ROOT / 'build' / 'broken'
    program.parent.mkdir()
    try:
        measure.run_program('absent')
    except Problem as error:
        print('problem:', error)
    for text in ('echo oh dear >&2; exit 1', 'echo no json'):
        program.write_text('#!/bin/sh\\n' + text)
        program.chmod(0o755)
        try:
            measure.run_program('broken')
        except Problem as error:
            print('problem:', error)
''')
    case.true('problem: build/absent is not built' in said, said)
    case.true('problem: broken failed: oh dear' in said, said)
    case.true('problem: broken printed no JSON' in said, said)


def test_missing_tools_are_rows_that_say_so(case):
    with tempfile.TemporaryDirectory() as folder:
        said = inside(f'''
import json, tenders
figures = {{}}
containers, machine, accelerators = tenders.open_peers({folder!r}, figures, lambda text: None)
print(json.dumps(figures), containers, machine, accelerators)
''', PATH=folder)
    for row, why in (('crun', 'crun is not installed'), ('crun_node', 'no node under /usr'),
                     ('crun_python', 'crun is not installed'),
                     ('microvm_kvm', 'qemu-system-x86_64 is not installed'),
                     ('microvm_tcg', 'qemu-system-x86_64 is not installed')):
        case.true(f'"{row}_first_answer_ms": "skipped: {why}' in said, said)
    case.true('{} None []' in said, said)


def test_no_kvm_is_said_for_every_row_of_it(case):
    said = inside('''
import json, tenders
tenders.no_kvm = lambda: 'no /dev/kvm'
tenders.starts = lambda size, folder, with_kvm, say: {'with_kvm': with_kvm}
figures, failures = tenders.part({}, '', '', lambda text: None)
print(json.dumps([figures, failures]))
''')
    figures, failures = json.loads(said)
    case.true(failures == [] and figures.pop('with_kvm') is False, said)
    case.true(len(figures) >= 9 and all(value == 'skipped: no /dev/kvm'
                                        for value in figures.values()), said)


def test_a_section_that_fails_leaves_the_others(case):
    said = inside('''
import json, tenders
from lib import Problem
def broken(*_):
    raise Problem('wrk failed')
tenders.no_kvm = lambda: ''
tenders.throughput = broken
tenders.run_program = lambda *_: ({'kvm_doorbell_us': 1}, '')
tenders.starts = broken
print(json.dumps(tenders.part({'pairs': 1}, '', '', lambda text: None)))
''')
    figures, failures = json.loads(said)
    case.true(figures == {'kvm_doorbell_us': 1}, said)
    case.true(failures == ['kvm, http: wrk failed', 'kvm, starts: wrk failed'], said)


def test_a_table_has_words_where_nothing_was_measured(case):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, 'bench.json')
        path.write_text(json.dumps({'kvm_js_throughput_vs_process': 0.8,
                                    'kvm_js_throughput_vs_process_min': 0.7,
                                    'kvm_js_throughput_vs_process_max': 0.95,
                                    'microvm_kvm_first_answer_ms': 'skipped: no answer'}))
        done = subprocess.run([sys.executable, ROOT / 'scripts' / 'figures.py', path],
                              capture_output=True, text=True, check=False)
    rows = {line.split('`')[1]: line for line in done.stdout.splitlines() if line.count('`') >= 2}
    case.true('0.8 x (0.7 x to 0.95 x) | no |' in rows['kvm_js_throughput_vs_process'],
              rows['kvm_js_throughput_vs_process'])
    case.true('| skipped: no answer | |' in done.stdout, done.stdout)
    case.true('| not measured | |' in rows['kvm_cold_boot_ms'], rows['kvm_cold_boot_ms'])


def test_a_container_that_answers_wrongly_is_named(case):
    said = inside('''
import boots, subprocess
from lib import Problem
real = subprocess.Popen
for program in ('echo "{}"', 'echo no container >&2; exit 1'):
    boots.subprocess.Popen = lambda _, **options: real(['sh', '-c', program], **options)
    try:
        boots.time_one('/', 0, 'none')
    except Problem as error:
        print('problem:', error)
''')
    case.true("problem: it says b'{}" in said, said)
    case.true("problem: it says b'': no container" in said, said)


def test_a_machine_that_does_not_boot_ends_and_is_named(case):
    said = inside('''
import boots, pathlib, tempfile
from lib import Problem
with tempfile.TemporaryDirectory() as folder:
    machine = boots.Microvm.__new__(boots.Microvm)
    machine.kernel = machine.initramfs = '/dev/null'
    machine.program = pathlib.Path(folder, 'qemu')
    for text, limit in (('echo stuck here; exec sleep 600', 1), ('echo bad; exit 3', 60),
                        ('echo \\'{"hello":"world"}\\'; exec sleep 600', 1)):
        machine.program.write_text('#!/bin/sh\\n' + text)
        machine.program.chmod(0o755)
        try:
            print('answered', machine.boot_ms('tcg', limit))
        except Problem as error:
            print('problem:', error)
''')
    case.true('problem: no answer in 1 s; the last thing it said: stuck here' in said, said)
    case.true('problem: it ended with 3; the last thing it said: bad' in said, said)
    case.true('problem: it answered, and did not end by itself' in said, said)
    case.true('answered' not in said.replace('it answered', ''), said)


def test_a_whole_run_starts_without_the_names_of_its_tender_only(case):
    code = '''
import json, pathlib, tempfile, run
with tempfile.TemporaryDirectory() as folder:
    output, parts = pathlib.Path(folder, 'b.json'), pathlib.Path(folder, 'b.parts')
    parts.mkdir()
    for name in ('http', 'kvm_http', 'tcb', 'growth', 'kvm_growth'):
        parts.joinpath(name + '.json').write_text(json.dumps({name: 1}))
    run.say = lambda text: None
    run.write_figures(output, run.PARTS, {'cold': {'new': 2}})
    print(sorted(json.loads(output.read_text())))
'''
    said = inside(code, TENDER='')
    case.true("['kvm_growth', 'kvm_http', 'new']" in said, said)
    said = inside(code, TENDER='kvm')
    case.true("['growth', 'http', 'new']" in said, said)
