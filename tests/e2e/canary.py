# canary.py - random texts that are looked for in everything that a host sees of a call: memory of
# processes, packets on loopback, files, answers. All canaries of one run begin alike, so that one
# search finds any of them, in every form that text is likely to take, and at least half of one.
import base64
import binascii
import contextlib
import mmap
import os
import secrets
import select
import socket
import struct
import threading

ETH_P_IP, OUTGOING = 0x0800, 4


def forms(data):
    """{name: bytes} of one text as it may turn up."""
    text = data.decode()
    found = {'raw': data, 'hex': binascii.hexlify(data), 'HEX': binascii.hexlify(data).upper(),
             'utf-16le': text.encode('utf-16-le'), 'utf-16be': text.encode('utf-16-be'),
             'json': ''.join(f'\\u{ord(c):04x}' for c in text).encode(),
             'percent': ''.join(f'%{ord(c):02X}' for c in text).encode()}
    for skip in range(3):  # a base64 text may begin at any byte of what is around
        whole = base64.b64encode(bytes(skip) + data)
        first = (skip * 8 + 5) // 6
        last = (skip + len(data)) * 8 // 6
        found[f'base64+{skip}'] = whole[first:last]
    return found


class Canaries:
    """Texts with one random beginning, in lower-case letters and digits: they are names too."""

    def __init__(self):
        self.prefix = 'c' + secrets.token_hex(6)
        self.made = {}
        backwards = self.prefix[::-1]
        self.needles = {f'{name} {way}': needle
                        for way, text in (('on', self.prefix), ('back', backwards))
                        for name, needle in forms(text.encode()).items()}

    def make(self, name):
        self.made[name] = self.prefix + secrets.token_hex(8)
        return self.made[name]

    def find(self, data):
        """What is there: [(form, name of the canary or the bytes around)]."""
        found = []
        for form, needle in self.needles.items():
            at = data.find(needle)
            if at >= 0:
                names = [name for name, text in self.made.items()
                         if self.shape(text, form) in data]
                around = bytes(data[max(0, at - 80):at + 160])
                found += [(form, name) for name in names or [f'a part of one in {around!r}']]
        return found

    @staticmethod
    def shape(text, form):
        kind, _, way = form.rpartition(' ')
        return forms((text if way == 'on' else text[::-1]).encode())[kind]


# --- memory, files ---

PIECE, OVERLAP = 4 << 20, 256  # of memory; a multiple of the page, and longer than any canary


def untouched(pagemap, begin, end):
    """No page of this anonymous memory was ever written, or lies in swap: all of it reads as zero."""
    page = mmap.PAGESIZE
    pagemap.seek(begin // page * 8)
    entries = memoryview(pagemap.read((end - begin) // page * 8)).cast('Q')
    return not any(entry >> 62 for entry in entries)


def memory(pid):
    """Every readable mapping of a process, in pieces that overlap: (where, bytes). Windows that it
    shares with cores are among them; an unreadable one (vvar) is passed over, so are pieces that
    were never touched (a virtual machine has a GiB of them), and a process that has ended meanwhile
    (a core that tried a deploy) has none."""
    try:
        with open(f'/proc/{pid}/maps', encoding='ascii', errors='replace') as file:
            maps = [line.split() for line in file]
        mem = open(f'/proc/{pid}/mem', 'rb', buffering=0)
        pagemap = open(f'/proc/{pid}/pagemap', 'rb', buffering=0)
    except (FileNotFoundError, ProcessLookupError):
        return
    with mem, pagemap:
        for fields in maps:
            begin, end = (int(number, 16) for number in fields[0].split('-'))
            name = fields[5] if len(fields) > 5 else '[anonymous]'
            for at in range(begin, end, PIECE) if fields[1].startswith('r') else ():
                with contextlib.suppress(OSError, OverflowError, ValueError):
                    if len(fields) == 5 and untouched(pagemap, at, min(at + PIECE, end)):
                        continue
                    mem.seek(at)
                    yield f'{pid} {name} {at:#x}', mem.read(min(PIECE + OVERLAP, end - at))


def about(pid):
    """What the kernel shows of a process to others."""
    for name in ('cmdline', 'environ', 'comm', 'status'):
        with contextlib.suppress(OSError), open(f'/proc/{pid}/{name}', 'rb') as file:
            yield f'/proc/{pid}/{name}', file.read()


def files(folder):
    """Names and contents of everything below a folder."""
    for path in sorted(folder.rglob('*')):
        yield str(path), str(path.relative_to(folder)).encode()
        if path.is_file():
            with contextlib.suppress(OSError):
                yield str(path), path.read_bytes()


# --- the wire ---

class Capture:
    """All TCP content on loopback to or from one port, in its order, while it is entered."""

    def __init__(self, port):
        self.port, self.flows, self.stop = port, {}, threading.Event()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind(('lo', 0))
        self.thread = threading.Thread(target=self.listen)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.socket.close()

    def listen(self):
        while True:
            ready = select.select([self.socket], [], [], 0.2)[0]
            if not ready and self.stop.is_set():
                return
            if ready:
                packet, address = self.socket.recvfrom(1 << 17)
                if address[2] != OUTGOING:  # each is seen twice
                    self.take(packet[14:])

    def take(self, packet):
        head = (packet[0] & 15) * 4
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return
        ports = struct.unpack_from('!HH', packet, head)
        if self.port in ports:
            total = struct.unpack_from('!H', packet, 2)[0] or len(packet)
            content = packet[head + (packet[head + 12] >> 4) * 4:total]
            self.flows.setdefault(ports, bytearray()).extend(content)

    def contents(self):
        for ports, content in list(self.flows.items()):
            yield f'loopback {ports[0]} > {ports[1]}', bytes(content)


def capture_or_none(port):
    try:
        return Capture(port)
    except (PermissionError, OSError, AttributeError):
        return None


def is_root():
    return os.geteuid() == 0
