#!/usr/bin/env python3
# check_calls.py - runs end-to-end tests with every core under tests/honesty/trace.c, and fails when
# a core makes a system call that no row of syscalls.def fits (before the zygote's filter: of
# start.txt), when a row was never used, and when a page was writable and executable after any call
# that maps or protects. `short` (CI) runs part of the tests, `long` all of them; `FOLDER` only
# judges what is there. Last line "N passed, N failed".
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rows as rows_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / 'build' / 'tests' / 'honesty'
CORE = ROOT / 'build' / 'tfaas-core'
SHORT = ['invoke.random', 'invoke.large', 'invoke.request_is', 'js.esm', 'js.timers', 'cache.', 'faults.kill_of_a', 'faults.graceful', 'limits.memory', 'secrets.', 'attested.invoke']
LONG = []
# There the daemon's process id is another than the test thinks, a test traces the daemon itself, or time is short.
NOT_TRACED = ['-canaries.', '-leaked_key.', '-relay.', '-demo.', '-endless', '-ten_thousand', '-memory_at_load',
              '-durable.', '-kill_of_every_child', '-plain_calls_go_on', '-second_keeper', '-killsweep.']
counts = {True: 0, False: 0}


def check(right, what, why=()):
    counts[bool(right)] += 1
    print(f"{'ok    ' if right else 'FAILED'}  {what}", flush=True)
    for line in [] if right else list(why)[:20]:
        print(f'        {line}')


def processor_has_fsgsbase():
    """HWCAP2_FSGSBASE of the auxiliary vector."""
    data = pathlib.Path('/proc/self/auxv').read_bytes()
    words = memoryview(data).cast('Q')
    return any(words[i] == 26 and words[i + 1] & 2 for i in range(0, len(words), 2))


class Seen:
    """What the traces of a folder say together."""

    def __init__(self, folder):
        self.calls, self.rows = collections.Counter(), collections.Counter()
        self.outside, self.writable, self.totals = [], [], collections.Counter()
        for path in sorted(pathlib.Path(folder).glob('*.trace')):
            for line in path.read_text().splitlines():
                kind, _, rest = line.partition(' ')
                words = rest.split()
                if kind == 'seen':
                    self.calls[words[0], int(words[1])] += int(words[2])
                elif kind == 'row':
                    self.rows[int(words[0])] += int(words[1])
                elif kind == 'outside':
                    self.outside.append(rest)
                elif kind == 'wx':
                    self.writable.append(rest)
                else:
                    self.totals[kind] += int(words[0])


def problems_of(seen, core):
    """{what: [problems]}"""
    names = {number: name for name, number in rows_of.numbers_by_name().items()}
    started = {names.get(number, number) for phase, number in seen.calls if phase == 'start'}
    listed = {line.split('\t')[0] for line in (ROOT / 'tests/honesty/start.txt').read_text().splitlines()
              if line and not line.startswith('#')}
    rows = rows_of.rows(core)
    dead = [f'{rows[i][0]} ({rows[i][1]}): {rows[i][2]}' for i in range(len(rows))
            if not seen.rows[i] and not (rows[i][0] == 'arch_prctl' and processor_has_fsgsbase())]
    return {
        'a call outside the list': [
            f'{names.get(int(line.split()[1]), "?")}: {line}' for line in seen.outside],
        'a call before the filter that is not in start.txt': sorted(map(str, started - listed)),
        'a row of start.txt that is dead': sorted(listed - started),
        'a row of syscalls.def that is dead': dead,
        'a page that is writable and executable': seen.writable,
        'maps that were not read': [] if seen.totals['maps'] >= 3 else ['too few looks at maps'],
        'cores that were not seen': [] if seen.totals['cores'] and seen.totals['workers'] else ['none'],
    }


def fresh_folder(name):
    folder = BUILT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def a_dishonest_core_is_noticed():
    folder = fresh_folder('dishonest.d')
    subprocess.run([BUILT / 'trace', folder, BUILT / 'dishonest'], check=False, timeout=600)
    problems = problems_of(Seen(folder), CORE)
    for what, text in (('a call outside the list', 'getppid: zygote'),
                       ('a call outside the list', 'recvmsg: worker'),
                       ('a call outside the list', 'clone: zygote'),
                       ('a call before the filter that is not in start.txt', 'uname'),
                       ('a row of start.txt that is dead', 'landlock_restrict_self'),
                       ('a row of syscalls.def that is dead', 'memfd_create'),
                       ('a page that is writable and executable', 'zygote call 9'),
                       ('a page that is writable and executable', 'rwxp')):
        check(any(text in line for line in problems[what]), f'noticed: {what}: {text}', problems[what])


def run_hostile(folder):
    """A host that breaks rules: how a core ends by itself."""
    done = subprocess.run([BUILT / 'trace', '-w', folder, ROOT / 'build/tests/hostile/host', 'broken'],
                          capture_output=True, text=True, check=False, timeout=1200)
    check(done.returncode == 0, 'a host that breaks rules, traced', done.stdout.splitlines()[-5:])


def run_tests(folder, chosen):
    """Under the process tender, whatever is tested else: a core in a machine makes no system calls."""
    wrapper = fresh_folder('daemon')
    script = wrapper / 'tfaasd'
    script.write_text(f'#!/bin/sh\nexec "{BUILT}/trace" "{folder}" "{ROOT}/build/tfaasd" "$@"\n')
    script.chmod(0o755)
    (wrapper / 'tfaas-core').symlink_to(CORE)
    done = subprocess.run([sys.executable, '-B', ROOT / 'tests/e2e/run.py', *chosen, *NOT_TRACED],
                          env={**os.environ, 'TFAASD': str(script), 'TENDER': 'process'}, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    check(done.returncode == 0, f'the tests pass while they are traced: {lines[-1] if lines else "nothing"}',
          [line for line in lines if line.startswith('FAILED')] or lines[-5:])


def judge(seen, core):
    for what, problems in problems_of(seen, core).items():
        check(not problems, f'not {what}', problems)
    names = {number: name for name, number in rows_of.numbers_by_name().items()}
    for phase in ('start', 'zygote', 'launch', 'worker'):
        each = [f'{names.get(number, number)} {count}' for (of, number), count in sorted(seen.calls.items())
                if of == phase]
        print(f'        {phase}: {", ".join(each)}')
    idle = [name for name, who, _ in rows_of.rows(core) if who == 'worker'
            and not seen.calls['worker', rows_of.numbers_by_name()[name]]]
    print(f'        rows of a worker that only the zygote used: {", ".join(idle) or "none"}')
    print(f"        {seen.totals['cores']} cores, {seen.totals['workers']} workers, {seen.totals['maps']} looks at maps")


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else 'short'
    began = time.monotonic()
    a_dishonest_core_is_noticed()
    if mode in ('short', 'long'):
        folder = fresh_folder('traces')
        run_hostile(folder)
        run_tests(folder, SHORT if mode == 'short' else LONG)
    else:
        folder = mode
    judge(Seen(folder), CORE)
    print(f'        {time.monotonic() - began:.0f} s')
    print(f'{counts[True]} passed, {counts[False]} failed')
    return 1 if counts[False] else 0


if __name__ == '__main__':
    sys.exit(main())
