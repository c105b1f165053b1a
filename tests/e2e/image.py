# image.py - variables of running cores, by the symbols of what was linked: in the memory of a
# process, or in the guest memory that a process of the kvm tender holds. Reads (and for controls
# writes) through /proc/PID/mem; must never stop or change a process but where a test plants.
import pathlib
import struct

import lib

SYMTAB, OBJECT, FILE = 2, 1, 4
# core/plat/shim/shim.h
FRAMES_GPA, PAGE_TABLE_GPA, LAUNCH_GPA = 0x2000000, 0xa00000, 0x1000
FRAME, LARGE = 0x000ffffffffff000, 0x80  # of an entry


def symbols(path):
    """{(file, name): (address, size)} of the variables of an ELF; global ones have file ''."""
    data = path.read_bytes()
    at, = struct.unpack_from('<Q', data, 0x28)
    entry_size, count = struct.unpack_from('<HH', data, 0x3a)
    headers = [struct.unpack_from('<IIQQQQIIQQ', data, at + i * entry_size) for i in range(count)]
    found, file = {}, ''
    for header in headers:
        if header[1] != SYMTAB:
            continue
        texts = headers[header[6]][4]
        for place in range(header[4], header[4] + header[5], 24):
            name, info, _, _, value, size = struct.unpack_from('<IBBHQQ', data, place)
            end = data.index(b'\0', texts + name)
            text = data[texts + name:end].decode()
            if info & 15 == FILE:
                file = text
            elif info & 15 == OBJECT:
                found[file if info >> 4 == 0 else '', text] = (value, size)
    return found


class Process:
    """The memory of a process; `base` is where its program begins."""

    def __init__(self, pid):
        self.pid, self.base = pid, None
        with open(f'/proc/{pid}/maps', encoding='ascii', errors='replace') as file:
            self.maps = [line.split() for line in file]
        for fields in self.maps:
            if self.base is None and fields[-1].endswith(('/tfaas-vm', '/tfaas-core')):
                self.base = int(fields[0].split('-')[0], 16)

    def read(self, at, size):
        with open(f'/proc/{self.pid}/mem', 'rb', buffering=0) as mem:
            mem.seek(at)
            data = mem.read(size)
        if len(data) != size:
            raise lib.Problem(f'memory of {self.pid} at {at:#x}: {len(data)} of {size} bytes')
        return data

    def write(self, at, data):
        with open(f'/proc/{self.pid}/mem', 'r+b', buffering=0) as mem:
            mem.seek(at)
            mem.write(data)

    def resident(self, begin, end):
        """The pages of a range that are there at all, as (address, bytes) of what lies together."""
        with open(f'/proc/{self.pid}/pagemap', 'rb', buffering=0) as file:
            file.seek(begin // 4096 * 8)
            entries = file.read((end - begin) // 4096 * 8)
        first = None
        for page in range(len(entries) // 8 + 1):
            there = page * 8 < len(entries) and entries[page * 8 + 7] & 0xc0
            if there and first is None:
                first = page
            elif not there and first is not None:
                yield begin + first * 4096, self.read(begin + first * 4096, (page - first) * 4096)
                first = None

    def private(self):
        """Everything of its own that it can write, or made read-only: no file, no window."""
        for fields in self.maps:
            begin, end = (int(number, 16) for number in fields[0].split('-'))
            if fields[1][0] == 'r' and fields[1][3] == 'p' and not fields[-1].startswith('[v'):
                yield from self.resident(begin, end)


class Core:
    """A core, or what cores are copied from: its variables and all that it can reach."""

    def __init__(self, pid, tender):
        folder = lib.ROOT / 'build'
        self.pid, self.process, self.guest = pid, Process(pid), None
        self.symbols = symbols(folder / 'tfaas-core.symbols')
        if tender == 'kvm':
            self.outside = symbols(folder / 'tfaas-vm')
            self.guest = self.word(self.around('memory'))
            self.guest_size = self.word(self.around('memory_size'))

    def word(self, at):
        return struct.unpack('<Q', self.process.read(at, 8))[0]

    def around(self, name):
        """A variable of tfaas-vm, the process around a machine."""
        return self.process.base + self.outside['vm_main.c', name][0]

    def at(self, file, name):
        """(address in the process, size) of a variable of the core."""
        value, size = self.symbols[file, name]
        return (self.guest + FRAMES_GPA if self.guest else self.process.base) + value, size

    def variable(self, file, name):
        return self.process.read(*self.at(file, name))

    def host_address(self, address):
        """Of an address of the core."""
        if not self.guest:
            return address
        table = PAGE_TABLE_GPA
        for shift in (39, 30, 21, 12):
            entry = self.word(self.guest + table + (address >> shift & 511) * 8)
            table = entry & FRAME
            if shift == 21 and entry & LARGE:
                return self.guest + (table & -0x200000) + (address & 0x1fffff)
        return self.guest + table + (address & 4095)

    def guards(self):
        """Stack and pointer guard of the C library (tcbhead_t)."""
        thread, = struct.unpack('<Q', self.variable('context.c', 'scheduler_thread'))
        return struct.unpack('<QQ', self.process.read(self.host_address(thread) + 0x28, 16))

    def reachable(self):
        """(address, bytes) of all memory that the core's own code can reach, its window apart."""
        if self.guest:
            return self.process.resident(self.guest, self.guest + self.guest_size)
        return self.process.private()

    def search(self, needles):
        """The names of the needles, {name: bytes}, that are there."""
        found = set()
        for _, data in self.reachable():
            found |= {name for name, needle in needles.items() if needle in data}
        return found


def template_of(server):
    """The pid that cores are forked from."""
    found = [pid for pid, (parent, _) in lib.processes().items() if parent == server.pid]
    names = {pid: pathlib.Path(f'/proc/{pid}/cmdline').read_bytes() for pid in found}
    found = [pid for pid, name in names.items() if b'tfaas-vm' in name or b'zygote' in name]
    if len(found) != 1:
        raise lib.Problem(f'what cores are copied from: {names}')
    return found[0]
