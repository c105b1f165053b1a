# wasm.py - Wasm modules for the tests, put together byte by byte, so that hostile ones can be
# made and no compiler is needed. Format: WebAssembly core specification 1.0, section 5 (binary
# format).

I32, FUNC, VOID = 0x7F, 0x60, 0x40
MAGIC = b'\0asm\1\0\0\0'


def uleb(value):
    out = bytearray()
    while True:
        out.append((value & 0x7F) | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def sleb(value):
    out = bytearray()
    while True:
        low = value & 0x7F
        value >>= 7
        done = (value == 0 and not low & 0x40) or (value == -1 and low & 0x40)
        out.append(low | (0 if done else 0x80))
        if done:
            return bytes(out)


def name(text):
    data = text.encode()
    return uleb(len(data)) + data


def section(number, items, raw=None):
    data = raw if raw is not None else uleb(len(items)) + b''.join(items)
    return bytes([number]) + uleb(len(data)) + data


def function_type(parameters, results):
    return (bytes([FUNC]) + uleb(len(parameters)) + bytes(parameters)
            + uleb(len(results)) + bytes(results))


def code(body, locals_count=0):
    declared = uleb(1) + uleb(locals_count) + bytes([I32]) if locals_count else uleb(0)
    data = declared + body + b'\x0b'
    return uleb(len(data)) + data


def i32(value):
    return b'\x41' + sleb(value)


def call(index):
    return b'\x10' + uleb(index)


def get(index):
    return b'\x20' + uleb(index)


def set_(index):
    return b'\x21' + uleb(index)


def load(offset=0):
    return b'\x28\x02' + uleb(offset)


def store(offset=0):
    return b'\x36\x02' + uleb(offset)


def command(body, imports=(), pages=2, locals_count=0, data=b'', maximum=None, extra=b''):
    """A WASI command: `_start` is `body`; imports are (name, parameter count), result i32."""
    types = [function_type([], [])] + [function_type([I32] * count, [I32]) for _, count in imports]
    entries = [name('wasi_snapshot_preview1') + name(item) + b'\0' + uleb(index + 1)
               for index, (item, _) in enumerate(imports)]
    limits = (b'\0' + uleb(pages) if maximum is None else b'\1' + uleb(pages) + uleb(maximum))
    module = MAGIC + section(1, types)
    if entries:
        module += section(2, entries)
    module += section(3, [uleb(0)]) + section(5, [limits])
    module += section(7, [name('memory') + b'\2' + uleb(0),
                          name('_start') + b'\0' + uleb(len(imports))])
    module += section(10, [code(body, locals_count)])
    if data:
        module += section(11, [b'\0' + i32(1024) + b'\x0b' + uleb(len(data)) + data])
    return module + extra


# Memory of the stream programs: iovec at 0, count at 8, buffer at 4096 (32 KiB).
BUFFER, BUFFER_SIZE = 4096, 32768


def set_iovec(size):
    return i32(0) + i32(BUFFER) + store() + i32(4) + size + store()


def write_all(descriptor, write_index):
    return i32(descriptor) + i32(0) + i32(1) + i32(8) + call(write_index) + b'\x1a'


def copy_to(descriptor):
    """Reads up to 32 KiB from stdin, leaves at 0 bytes or an error, writes them, again."""
    return command(
        b'\x02\x40\x03\x40' + set_iovec(i32(BUFFER_SIZE))
        + i32(0) + i32(0) + i32(1) + i32(8) + call(0) + b'\x0d\x01'
        + i32(8) + load() + b'\x45\x0d\x01'
        + set_iovec(i32(8) + load()) + write_all(descriptor, 1)
        + b'\x0c\x00\x0b\x0b',
        imports=(('fd_read', 4), ('fd_write', 4)))


CAT = copy_to(1)


def write_then_loop():
    """Four blocks of 32 KiB to stdout, then an endless loop."""
    block = set_iovec(i32(BUFFER_SIZE)) + write_all(1, 0)
    return command(block * 4 + b'\x03\x40\x0c\x00\x0b', imports=(('fd_write', 4),))


def endless_writer(descriptor):
    """Writes 32 KiB blocks to the descriptor for ever."""
    return command(b'\x03\x40' + set_iovec(i32(BUFFER_SIZE)) + write_all(descriptor, 0)
                   + b'\x0c\x00\x0b', imports=(('fd_write', 4),))


ENDLESS_LOOP = command(b'\x03\x40\x0c\x00\x0b')
TRAP = command(b'\x00')
# memory.grow by 1 MiB until it says -1, then touches nothing more: must not hurt the core
GROWER = command(b'\x02\x40\x03\x40' + i32(16) + b'\x40\x00' + i32(-1) + b'\x46\x0d\x01'
                 + b'\x0c\x00\x0b\x0b')


def exit_with(number):
    types = [function_type([], []), function_type([I32], [])]
    return (MAGIC + section(1, types)
            + section(2, [name('wasi_snapshot_preview1') + name('proc_exit') + b'\0' + uleb(1)])
            + section(3, [uleb(0)]) + section(5, [b'\0' + uleb(1)])
            + section(7, [name('memory') + b'\2' + uleb(0), name('_start') + b'\0' + uleb(1)])
            + section(10, [code(i32(number) + call(0))]))


def unknown_import():
    types = [function_type([], [])]
    return (MAGIC + section(1, types)
            + section(2, [name('evil') + name('open_everything') + b'\0' + uleb(0)])
            + section(3, [uleb(0)]) + section(5, [b'\0' + uleb(1)])
            + section(7, [name('memory') + b'\2' + uleb(0), name('_start') + b'\0' + uleb(1)])
            + section(10, [code(call(0))]))


def endless_start():
    """The start function (run at instantiation) never ends."""
    types = [function_type([], [])]
    return (MAGIC + section(1, types) + section(3, [uleb(0), uleb(0)])
            + section(5, [b'\0' + uleb(1)])
            + section(7, [name('memory') + b'\2' + uleb(0), name('_start') + b'\0' + uleb(1)])
            + section(8, [], uleb(0))
            + section(10, [code(b'\x03\x40\x0c\x00\x0b'), code(b'')]))


def many_functions(count):
    types = [function_type([], [])]
    body = code(b'')
    functions = uleb(count) + b'\0' * count
    return (MAGIC + section(1, types) + section(3, [], functions)
            + section(5, [b'\0' + uleb(1)])
            + section(7, [name('memory') + b'\2' + uleb(0), name('_start') + b'\0' + uleb(0)])
            + section(10, [], uleb(count) + body * count))


def deep_nesting(depth):
    return command(b'\x02\x40' * depth + b'\x0b' * depth)


def recursion():
    """_start calls itself for ever."""
    return command(call(0))
