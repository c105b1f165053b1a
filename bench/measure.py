# measure.py - what a process tree costs (CPU seconds and proportional memory, read from /proc), programs that
# print their figures, and ratios of pairs. It must never guess: what cannot be read is an error that names the file.
import json
import os
import statistics
import subprocess

from lib import ROOT, Problem, tree

TICKS = os.sysconf('SC_CLK_TCK')


def cpu_seconds(pid):
    """utime + stime of the tree, with the children it has already reaped."""
    total = 0
    for member in tree(pid):
        try:
            with open(f'/proc/{member}/stat', encoding='utf-8', errors='replace') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue  # it ended while we looked; its parent's cutime holds it next time
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def pss_kib(pid):
    """Proportional set size of the tree in KiB."""
    total = 0
    for member in tree(pid):
        try:
            with open(f'/proc/{member}/smaps_rollup', encoding='ascii') as file:
                lines = file.read().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        except OSError as error:
            raise Problem(f'memory of process {member} cannot be read: {error}') from error
        total += sum(int(line.split()[1]) for line in lines if line.startswith('Pss:'))
    return total


def paired(name, ours, theirs):
    """Of measurements that were made by turns the ratio of each round: its median, least and most."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {name: statistics.median(ratios), f'{name}_min': min(ratios), f'{name}_max': max(ratios)}


def run_program(name, *arguments):
    """A bench program of build/, which prints one flat JSON object: (it, what it says beside)."""
    program = ROOT / 'build' / name
    if not program.exists():
        raise Problem(f'build/{name} is not built')
    done = subprocess.run([program, *(str(word) for word in arguments)], cwd=ROOT,
                          capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise Problem(f"{name} failed: {(done.stderr.strip() or done.stdout.strip())[-400:]}")
    try:
        return json.loads(done.stdout), done.stderr.rstrip()
    except ValueError as error:
        raise Problem(f'{name} printed no JSON: {done.stdout[-200:]!r}') from error
