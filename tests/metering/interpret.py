"""Counts work with an independent interpreter (pywasm): one instruction at a time, no blocks.

The weights are stated here once more, on purpose: the test must not read them from the code
that it checks. It must never look at the metered module.
"""
import io

import pywasm
import pywasm.core
import pywasm.log
import pywasm.opcode as op

FREE = {op.nop, op.block, op.loop, op.else_fi, op.end}
BYTES = {op.memory_copy, op.memory_fill, op.memory_init}
ELEMENTS = {op.table_copy, op.table_fill, op.table_init}
PAGE_UNITS = 1024
BYTES_PER_UNIT = 64


class Exit(Exception):
    pass


class Counter:
    """Stands in for pywasm's debug log, which is told each instruction before it runs."""

    def __init__(self, machine):
        self.machine = machine
        self.units = 0
        self.growth = None
        self.seen = []

    def settle_growth(self):
        if self.growth is not None:
            grown, size, delta, unit = self.growth
            if grown.size == size + delta:
                self.units += delta * unit
            self.growth = None

    def __call__(self, *message):
        if len(message) != 2 or not isinstance(message[1], pywasm.core.Inst):
            return
        self.settle_growth()
        code = message[1].opcode
        if code in FREE:
            return
        self.units += 1
        stack = self.machine.stack
        if code in BYTES:
            self.units += stack.value[-1].into_u32() // BYTES_PER_UNIT
        elif code in ELEMENTS:
            self.units += stack.value[-1].into_u32()
        elif code == op.memory_grow:
            memory = self.machine.store.mems[stack.frame[-1].module.mems[0]]
            self.growth = (memory, memory.size, stack.value[-1].into_u32(), PAGE_UNITS)
        elif code == op.table_grow:
            table = stack.frame[-1].module.tabl[message[1].args[0]]
            table = self.machine.store.tabl[table]
            self.growth = (table, table.size, stack.value[-1].into_u32(), 1)


def interpret(path, argument):
    """Returns (outcome, result, units, units at each host call)."""
    runtime = pywasm.core.Runtime()
    counter = Counter(runtime.machine)

    def host(_machine, args):
        counter.settle_growth()
        counter.seen.append(counter.units)
        value = (args[0] * 5 + 1) & 0xFFFFFFFF
        return [value - (1 << 32) if value >> 31 else value]

    def leave(_machine, _args):
        raise Exit

    i32 = pywasm.core.ValType(0x7F)
    runtime.imports["env"] = {
        "host": runtime.allocate_func_host(pywasm.core.FuncType([i32], [i32]), host),
        "exit": runtime.allocate_func_host(pywasm.core.FuncType([], []), leave),
    }
    with open(path, "rb") as file:
        module = pywasm.core.ModuleDesc.from_reader(io.BytesIO(file.read()))
    start, module.star = module.star, -1
    instance = runtime.instance(module)
    pywasm.log.debugln = counter
    outcome, result = "returned", 0
    try:
        if start >= 0:
            runtime.machine.invocate(instance.func[start], [])
        result = runtime.invocate(instance, "run", [argument])[0]
    except Exit:
        outcome = "exit"
    except (AssertionError, ZeroDivisionError):
        outcome = "trap"
    finally:
        pywasm.log.debugln = lambda *_: None
    counter.settle_growth()
    return outcome, result, counter.units, counter.seen
