# measure.py - what a process tree costs: CPU seconds and proportional memory, read from /proc.
# It must never guess: what cannot be read is an error that names the file.
import os

from lib import Problem, tree

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
