# elf.py - reads what tests/honesty asks of an ELF file: segments, dynamic flags, notes, symbols'
# sections, and every instruction that talks to a kernel or to the machine, with the function it is
# in and, for `syscall`, the number that was loaded last.
import re
import struct
import subprocess

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
PT_GNU_STACK, PT_GNU_RELRO = 0x6474e551, 0x6474e552
X, W, R = 1, 2, 4
DT_NEEDED, DT_RPATH, DT_TEXTREL, DT_FLAGS, DT_RUNPATH, DT_FLAGS_1 = 1, 15, 22, 30, 29, 0x6ffffffb
DF_TEXTREL, DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 4, 8, 1, 0x8000000
NT_GNU_BUILD_ID = 3
ET_DYN, EM_X86_64 = 3, 62

# What a program in ring 3 uses to leave it, and what only ring 0 or firmware may execute. Everything of the
# core that is in this list must be in instructions.txt. `(bad)`: the sweep fell out of step.
SENSITIVE = frozenset('''
    syscall sysenter sysret sysretq sysexit int int1 icebp int3 into iret iretq iretd
    in insb insl insw out outsb outsl outsw hlt cli sti clts lmsw smsw invd wbinvd invlpg invpcid
    rdmsr wrmsr rdpmc rdtsc rdtscp cpuid xgetbv xsetbv rdrand rdseed swapgs
    lgdt lidt lldt ltr sgdt sidt sldt str vmcall vmmcall vmfunc vmlaunch vmrun encls enclu enclv tdcall
    seamcall getsec rdpkru wrpkru rdfsbase wrfsbase rdgsbase wrgsbase monitor mwait umonitor umwait tpause
    xsave xsave64 xsavec xsavec64 xsaveopt xsaveopt64 xsaves xsaves64 xrstor xrstor64 xrstors xrstors64
    fxsave fxsave64 fxrstor fxrstor64 xbegin xabort lret lretq lcall ljmp senduipi uiret pvalidate
    (bad)'''.split())
FUNCTION = re.compile(r'^[0-9a-f]+ <(.+)>:$')
INSTRUCTION = re.compile(r'^ *([0-9a-f]+):\t(?:(?:lock|rep|repz|repnz|bnd|notrack|rex\.\w+|data16|addr32|cs|ds|es|ss) )*'
                         r'(\(bad\)|[a-z0-9]+)(?: +(.*))?')
NUMBER = re.compile(r'^\$0x([0-9a-f]+),%[er]ax$')
ZERO = re.compile(r'^%[er]ax,%[er]ax$')
HASH = re.compile(r'17h[0-9a-f]{16}E(\.llvm\.\d+)?$')


class Elf:
    def __init__(self, path):
        self.path = str(path)
        with open(path, 'rb') as file:
            self.data = file.read()
        if self.data[:6] != b'\x7fELF\x02\x01':
            raise ValueError(f'{path} is no 64-bit little-endian ELF file')
        self.type, self.machine = struct.unpack_from('<HH', self.data, 16)
        offset, = struct.unpack_from('<Q', self.data, 32)
        size, count = struct.unpack_from('<HH', self.data, 54)
        # (type, flags, offset, address, size in the file, size in memory)
        self.segments = []
        for i in range(count):
            kind, flags, at, address, _, in_file, in_memory, _ = struct.unpack_from(
                '<IIQQQQQQ', self.data, offset + i * size)
            self.segments.append((kind, flags, at, address, in_file, in_memory))

    def of_type(self, kind):
        return [segment for segment in self.segments if segment[0] == kind]

    def loaded(self):
        """What is mapped, byte for byte."""
        return [(flags, address, in_memory, self.data[at:at + in_file])
                for kind, flags, at, address, in_file, in_memory in self.segments if kind == PT_LOAD]

    def dynamic(self):
        found = []
        for _, _, at, _, size, _ in self.of_type(PT_DYNAMIC):
            for tag, value in struct.iter_unpack('<QQ', self.data[at:at + size]):
                if tag == 0:
                    break
                found.append((tag, value))
        return found

    def notes(self):
        """(owner, type) of every note."""
        for _, _, at, _, size, _ in self.of_type(PT_NOTE):
            end = at + size
            align = 8 if size % 8 == 0 and self.data[at + 12:at + 15] == b'GNU' and \
                struct.unpack_from('<I', self.data, at + 8)[0] == 5 else 4
            while at + 12 <= end:
                name, content, kind = struct.unpack_from('<III', self.data, at)
                yield self.data[at + 12:at + 12 + name].rstrip(b'\0').decode('latin1'), kind
                at += 12 + (name + 3 & ~3)
                at += content + align - 1 & ~(align - 1)

    def section_names(self):
        offset, = struct.unpack_from('<Q', self.data, 40)
        size, count, strings = struct.unpack_from('<HHH', self.data, 58)
        names_at, = struct.unpack_from('<Q', self.data, offset + strings * size + 24)
        names = []
        for i in range(count):
            at, = struct.unpack_from('<I', self.data, offset + i * size)
            names.append(self.data[names_at + at:self.data.index(b'\0', names_at + at)].decode())
        return names


def shape_problems(elf):
    """What is wrong with the file before one instruction is looked at."""
    found = []
    dynamic = elf.dynamic()
    value = dict(dynamic)
    if elf.type != ET_DYN or elf.machine != EM_X86_64 or not value.get(DT_FLAGS_1, 0) & DF_1_PIE:
        found.append('it is no position-independent x86-64 program')
    for kind, flags, _, address, _, _ in elf.segments:
        if flags & W and flags & X:
            found.append(f'the segment at {address:#x} (type {kind:#x}) is writable and executable')
    if not elf.of_type(PT_GNU_STACK):
        found.append('it asks for an executable stack by saying nothing of the stack')
    if not elf.of_type(PT_GNU_RELRO):
        found.append('no RELRO segment')
    if not value.get(DT_FLAGS, 0) & DF_BIND_NOW and not value.get(DT_FLAGS_1, 0) & DF_1_NOW:
        found.append('it binds lazily: RELRO is not full')
    if DT_TEXTREL in value or value.get(DT_FLAGS, 0) & DF_TEXTREL:
        found.append('it relocates its text')
    for tag, name in ((DT_NEEDED, 'a shared library'), (DT_RPATH, 'RPATH'), (DT_RUNPATH, 'RUNPATH')):
        if tag in value:
            found.append(f'it names {name}')
    if elf.of_type(PT_INTERP):
        found.append('it asks for an interpreter')
    for owner, kind in elf.notes():
        if owner == 'GNU' and kind == NT_GNU_BUILD_ID:
            found.append('it has a build id')
    return found


def path_problems(data, folders):
    """Folders of the build that are in the file, as text."""
    return [f'it holds the path {folder}' for folder in folders if folder.encode() + b'/' in data]


def plain(symbol):
    """A Rust name without the hash of its crate's build."""
    return HASH.sub('', symbol)


def instructions(path, start=None, stop=None):
    """(address, mnemonic, function, number or None) of what is SENSITIVE."""
    command = ['objdump', '-d', '-w', '--no-show-raw-insn']
    if start is not None:
        command += [f'--start-address={start:#x}', f'--stop-address={stop:#x}']
    found, function, number = [], '?', None
    with subprocess.Popen(command + [str(path)], stdout=subprocess.PIPE, text=True) as objdump:
        for line in objdump.stdout:
            match = INSTRUCTION.match(line)
            if not match:
                named = FUNCTION.match(line)
                if named:
                    function, number = plain(named.group(1)), None
                continue
            mnemonic = match.group(2)
            if mnemonic in ('mov', 'xor'):
                loaded = NUMBER.match(match.group(3))
                if loaded and mnemonic == 'mov':
                    number = int(loaded.group(1), 16)
                elif mnemonic == 'xor' and ZERO.match(match.group(3)):
                    number = 0
            elif mnemonic in SENSITIVE :
                found.append((int(match.group(1), 16), mnemonic, function,
                              number if mnemonic == 'syscall' else None))
            if mnemonic == 'mov' and re.search(r'%(cr|db)\d', match.group(3)):
                found.append((int(match.group(1), 16), 'mov-cr', function, None))
    if objdump.returncode != 0:
        raise ValueError(f'objdump cannot read {path}')
    return found
