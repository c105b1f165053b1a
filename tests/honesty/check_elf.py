#!/usr/bin/env python3
# check_elf.py - is build/tfaas-core what the documents say: position-independent, nothing writable
# and executable, fully relocated and then read-only, no trace of where it was built, and no
# instruction that talks to a kernel or to the machine outside instructions.txt. Then every check is
# shown a file that must fail it. `--list` prints the instructions. Last line "N passed, N failed".
import collections
import fnmatch
import os
import pathlib
import re
import struct
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import elf  # noqa: E402
import rows as rows_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORE = ROOT / 'build' / 'tfaas-core'
SYMBOLS = ROOT / 'build' / 'tfaas-core.symbols'
counts = {True: 0, False: 0}


def check(right, what, why=()):
    counts[bool(right)] += 1
    print(f"{'ok    ' if right else 'FAILED'}  {what}", flush=True)
    for line in [] if right else list(why)[:20]:
        print(f'        {line}')


def build_folders():
    folders = {str(ROOT), os.path.expanduser('~'), os.environ.get('TFAAS_CACHE', ''),
               os.environ.get('CARGO_HOME', ''), os.environ.get('TMPDIR', '')}
    return sorted(folder.rstrip('/') for folder in folders if folder.rstrip('/').count('/') > 0)


def same_code(core, symbols):
    """What is loaded is the same, byte for byte. Only the ELF header differs: it says where sections are."""
    def bodies(of):
        return [(flags, address, size, data[64:] if data[:4] == b'\x7fELF' else data)
                for flags, address, size, data in of.loaded()]
    return core.segments == symbols.segments and bodies(core) == bodies(symbols)


def read_list():
    listed = []
    for line in (ROOT / 'tests/honesty/instructions.txt').read_text().splitlines():
        if line and not line.startswith('#'):
            mnemonic, function, use, reason = line.split('\t')
            listed.append((mnemonic, function, use, reason))
    return listed


def judge(found, listed, allowed_numbers):
    """(problems, rows that matched)"""
    problems, used = [], set()
    for address, mnemonic, function, number in found:
        where = f'{mnemonic} at {address:#x} in {function}'
        row = next((row for row in listed
                    if row[0] == mnemonic and fnmatch.fnmatchcase(function, row[1])), None)
        if row is None:
            problems.append(f'{where}{"" if number is None else f", number {number}"}: no row')
            continue
        used.add(row)
        if row[2] == 'listed' and number not in allowed_numbers:
            problems.append(f'{where}: number {number} is not in syscalls.def')
    return problems, used


# --- files that must fail ---

def patched(core, *changes):
    data = bytearray(core.data)
    for at, to in changes:
        data[at:at + len(to)] = to
    handle = tempfile.NamedTemporaryFile(prefix='tfaas-honesty-', delete=False)
    with handle:
        handle.write(data)
    return handle.name


def segment_offset(core, wanted):
    """Where the program header of the first such segment is in the file."""
    at, = struct.unpack_from('<Q', core.data, 32)
    return next(at + 56 * i for i, segment in enumerate(core.segments) if wanted(segment))


def dynamic_offset(core, tag):
    _, _, at, _, size, _ = core.of_type(elf.PT_DYNAMIC)[0]
    return next(at + i for i in range(0, size, 16)
                if struct.unpack_from('<Q', core.data, at + i)[0] == tag)


def fails_with(core, what, text, *changes):
    path = patched(core, *changes)
    try:
        problems = elf.shape_problems(elf.Elf(path))
        check(any(text in problem for problem in problems), f'noticed: {what}', problems or ['nothing'])
    finally:
        os.unlink(path)


def shape_can_fail(core):
    def word(value):
        return struct.pack('<I', value)
    code = segment_offset(core, lambda s: s[0] == elf.PT_LOAD and s[1] & elf.X)
    data = segment_offset(core, lambda s: s[0] == elf.PT_LOAD and s[1] & elf.W)
    stack = segment_offset(core, lambda s: s[0] == elf.PT_GNU_STACK)
    relro = segment_offset(core, lambda s: s[0] == elf.PT_GNU_RELRO)
    note = segment_offset(core, lambda s: s[0] == elf.PT_NOTE)
    flags, flags_1 = dynamic_offset(core, elf.DT_FLAGS), dynamic_offset(core, elf.DT_FLAGS_1)
    fails_with(core, 'a writable code segment', 'writable and executable', (code + 4, word(7)))
    fails_with(core, 'an executable data segment', 'writable and executable', (data + 4, word(7)))
    fails_with(core, 'an executable stack', 'writable and executable', (stack + 4, word(7)))
    fails_with(core, 'no word about the stack', 'executable stack', (stack, word(0)))
    fails_with(core, 'no RELRO', 'no RELRO', (relro, word(0)))
    fails_with(core, 'lazy binding', 'lazily', (flags + 8, word(0)),
               (flags_1 + 8, struct.pack('<Q', elf.DF_1_PIE)))
    fails_with(core, 'relocated text', 'relocates its text',
               (flags + 8, word(elf.DF_BIND_NOW | elf.DF_TEXTREL)))
    fails_with(core, 'a shared library', 'shared library',
               (dynamic_offset(core, 21), struct.pack('<QQ', elf.DT_NEEDED, 1)))
    fails_with(core, 'an interpreter', 'interpreter', (note, word(elf.PT_INTERP)))
    at = core.of_type(elf.PT_NOTE)[-1][2]
    fails_with(core, 'a build id', 'build id', (at + 8, word(elf.NT_GNU_BUILD_ID)))
    fails_with(core, 'a program of a fixed address', 'position-independent', (16, b'\x02\0'))
    planted = str(ROOT).encode() + b'/core/core.c'
    check(elf.path_problems(core.data + planted, build_folders()), 'noticed: a path of the build')


# (bytes, mnemonic): each instruction that the core must not have, planted into plat_now_ns.
PLANTED = ((b'\x0f\x05', 'syscall'), (b'\xcd\x80', 'int'), (b'\x0f\x34', 'sysenter'), (b'\x0f\x30', 'wrmsr'),
           (b'\x0f\x32', 'rdmsr'), (b'\xec', 'in'), (b'\xee', 'out'), (b'\x6c', 'insb'), (b'\x6f', 'outsl'),
           (b'\xf4', 'hlt'), (b'\x48\xcf', 'iretq'), (b'\x0f\x01\xc1', 'vmcall'), (b'\x0f\x01\xd9', 'vmmcall'),
           (b'\x0f\x01\xef', 'wrpkru'), (b'\x0f\x01\xd1', 'xsetbv'), (b'\xcc', 'int3'), (b'\xfa', 'cli'),
           (b'\x0f\x01\xf8', 'swapgs'), (b'\x0f\x22\xd8', 'mov-cr'), (b'\x0f\x01\xd7', 'enclu'),
           (b'\x48\x0f\x07', 'sysretq'), (b'\xf3\x48\x0f\xae\xd8', 'wrgsbase'), (b'\x06', '(bad)'))


def instructions_can_fail(symbols, listed, numbers):
    place = next(row[0] for row in ALL if row[1] == 'rdtsc' and row[2] == 'plat_now_ns')
    segment = next(s for s in symbols.segments if s[0] == elf.PT_LOAD and s[1] & elf.X)
    at = place - segment[3] + segment[2]
    unseen = []
    for code, mnemonic in PLANTED:
        path = patched(symbols, (at, code))
        try:
            found = elf.instructions(path, place, place + len(code))
        finally:
            os.unlink(path)
        problems, _ = judge(found, listed, numbers)
        if not any(problem.startswith(mnemonic + ' ') for problem in problems):
            unseen.append(f'{mnemonic}: {found}')
    check(not unseen, f'noticed: {len(PLANTED)} instructions that nobody listed', unseen)
    where = next(row for row in ALL if row[1] == 'syscall' and row[2] == 'mprotect')
    problems, _ = judge([(where[0], 'syscall', 'mprotect', 59)], listed, numbers)
    check(problems, 'noticed: execve where mprotect was')
    path = patched(symbols, (at, b'\x0f\x05'))
    check(not same_code(elf.Elf(CORE), elf.Elf(path)), 'noticed: symbols of another program')
    os.unlink(path)


core, symbols = elf.Elf(CORE), elf.Elf(SYMBOLS)
ALL = elf.instructions(SYMBOLS)


def main():
    listed, numbers = read_list(), rows_of.allowed_numbers(CORE)
    if '--list' in sys.argv:
        names = {number: name for name, number in rows_of.numbers_by_name().items()}
        for (mnemonic, function, number), count in sorted(collections.Counter(
                (row[1], row[2], row[3]) for row in ALL).items(), key=str):
            print(f'{mnemonic:10} {count:3}  {names.get(number, "") if number is not None else "":18} {function}')
        return 0
    problems = elf.shape_problems(core)
    check(not problems, 'position-independent, W^X segments, full RELRO, no text relocation, no build id', problems)
    problems = elf.path_problems(core.data, build_folders())
    check(not problems, 'no folder of the build is in it', problems)
    check(not re.search(r'\.symtab|\.debug', ' '.join(core.section_names())), 'it is stripped')
    check(same_code(core, symbols), 'the file with symbols is the same program')
    problems, used = judge(ALL, listed, numbers)
    check(len(ALL) > 100 and not problems,
          f'all {len(ALL)} instructions that leave ring 3 or ask the machine are listed', problems)
    stale = [f'{row[0]} {row[1]}' for row in listed if row not in used]
    check(not stale, 'no row of instructions.txt is without an instruction', stale)
    shape_can_fail(core)
    instructions_can_fail(symbols, listed, numbers)
    print(f'{counts[True]} passed, {counts[False]} failed')
    return 1 if counts[False] else 0


if __name__ == '__main__':
    sys.exit(main())
