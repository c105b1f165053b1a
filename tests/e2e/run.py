#!/usr/bin/env python3
# run.py - runs the end-to-end tests against build/tfaasd (or $TFAASD), with its cores in processes or
# in what $TENDER says: every test_*.py, or those whose "file.test" name contains an argument; "-PART"
# leaves out what contains PART. Last line: "N passed, N failed", and ", N skipped" if any was. A
# report of a sanitizer on a daemon's stderr is a failure. It leaves nothing running.
import importlib
import os
import pathlib
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from case import Case, Failed, Skipped  # noqa: E402
from lib import (TENDER, TFAASD, Problem, Server, adopt_orphans, kill_tree, tree,  # noqa: E402
                 without_tender)


def every_test(filters):
    without = [part[1:] for part in filters if part.startswith('-')]
    wanted = [part for part in filters if not part.startswith('-')]
    for path in sorted(HERE.glob('test_*.py')):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            full = f'{path.stem[5:]}.{name[5:]}'
            if name.startswith('test_') and callable(function):
                if any(part in full for part in without):
                    continue
                if not wanted or any(part in full for part in wanted):
                    yield full, function


def run_test(function):
    """('ok' | 'FAILED' | 'skipped', why)"""
    case, verdict = Case(), ('ok', '')
    try:
        function(case)
    except Skipped as why:
        verdict = 'skipped', str(why)
    except (Failed, Problem) as why:
        verdict = 'FAILED', str(why)
    except Exception:  # a test that breaks has failed; its trace is what one needs
        verdict = 'FAILED', traceback.format_exc(limit=-4)
    try:
        case.close()
    except Failed as why:
        verdict = 'FAILED', f'{verdict[1]} {why}'.strip()
    return verdict


def main(filters):
    counts = {'ok': 0, 'FAILED': 0, 'skipped': 0}
    adopt_orphans()
    if not os.access(TFAASD, os.X_OK):
        print(f'{TFAASD} is not built: run make first')
        print('0 passed, 1 failed')
        return 1
    if TENDER not in ('process', 'kvm'):
        print(f'TENDER is process or kvm, not {TENDER!r}\n0 passed, 1 failed')
        return 1
    if missing := without_tender():
        count = sum(1 for _ in every_test(filters))
        print(f'skipped: {missing}\n0 passed, 0 failed, {count} skipped')
        return 0
    try:
        for name, function in every_test(filters):
            begin = time.monotonic()
            verdict, why = run_test(function)
            counts[verdict] += 1
            print(f'{verdict:<8}{name} ({time.monotonic() - begin:.2f} s)'
                  + (f': {why}' if why else ''), flush=True)
        if not Case.close_shared():
            counts['FAILED'] += 1
            print('FAILED  shared tfaasd did not end after SIGTERM')
        for report in Server.reports:
            counts['FAILED'] += 1
            print(f'FAILED  tfaasd or a sanitizer said:\n{report}')
    finally:
        for child in tree(os.getpid()) - {os.getpid()}:
            kill_tree(child)
    skipped = f", {counts['skipped']} skipped" if counts['skipped'] else ''
    print(f"{counts['ok']} passed, {counts['FAILED']} failed{skipped}")
    return 1 if counts['FAILED'] or not counts['ok'] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
