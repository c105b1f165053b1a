# rows.py - the core's list of system calls as the core itself prints it, with numbers of this
# architecture from the C library's header.
import re
import subprocess

HEADERS = ('/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h')


def numbers_by_name():
    for header in HEADERS:
        try:
            with open(header, encoding='ascii') as file:
                return {name: int(number) for name, number
                        in re.findall(r'^#define __NR_(\w+) (\d+)', file.read(), re.M)}
        except OSError:
            continue
    raise SystemExit('no header with the numbers of system calls')


def rows(core):
    """(name, who, reason), in order."""
    text = subprocess.run([str(core), '--syscalls'], capture_output=True, text=True, check=True).stdout
    return [tuple(line.split(None, 2)) for line in text.splitlines()]


def allowed_numbers(core):
    by_name = numbers_by_name()
    return {by_name[name] for name, _, _ in rows(core)}
