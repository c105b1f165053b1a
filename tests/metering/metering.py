"""Differential test of metering: counts of the rewritten modules against an interpreter's.

Usage: metering.py INSTRUMENT WORKDIR. Each program is compiled, run plain and metered under
node's WebAssembly, and interpreted. Same result, same memory, equal counts, equal on two runs.
"""
import json
import pathlib
import re
import subprocess
import sys

import generate
import interpret

HERE = pathlib.Path(__file__).resolve().parent
KERNELS = HERE.parent.parent / "bench" / "kernels"
PROGRAMS = HERE / "programs"

C_PROGRAMS = [
    (KERNELS / "sha256.c", 1, ["-DSIZE=64"]),
    (KERNELS / "matmul.c", 1, ["-DN=7"]),
    (KERNELS / "nbody.c", 2, ["-DSTEPS=3"]),
    (KERNELS / "fib.c", 9, []),
    (KERNELS / "sort.c", 2, ["-DCOUNT=40"]),
    (KERNELS / "calls.c", 1, ["-DDEPTH=3"]),
    (PROGRAMS / "machine.c", 3, []),
    (PROGRAMS / "floats.c", 6, []),
    (PROGRAMS / "memory.c", 6, ["-mbulk-memory"]),
    (PROGRAMS / "text.c", 9, []),
]
# name, argument, by how many units the count may be off: 0, except where a trap ends the run in
# the middle of a block (then: the innermost function's own instructions)
WAT_PROGRAMS = [
    ("br_table", 20, 0),
    ("nested", 25, 0),
    ("early_return", 40, 0),
    ("multi_value", 40, 0),
    ("recursion", 5, 0),
    ("call_indirect", 20, 0),
    ("bulk", 12, 0),
    ("bulk_callee", 5, 0),
    ("grow", 6, 0),
    ("tables", 4, 0),
    ("start", 10, 0),
    ("tail_call", 30, 0),
    ("simd", 20, 0),
    ("saturate", 20, 0),
    ("host_call", 15, 0),
    ("constant_offset", 3, 0),
    ("exit", 30, 0),
    ("trap_unreachable", 30, 0),
    ("trap_divide", 30, 8),
    ("trap_bounds", 5, 8),
]
# The block of a call is charged whole, so the host sees up to the rest of that block more.
REST_OF_BLOCK = 14
RANDOM_PROGRAMS = 250
TOOL_SECONDS = 600
WAT_FLAGS = ["--enable-tail-call", "--enable-extended-const"]
NODE_FLAGS = ["--experimental-wasm-extended-const"]


def tool(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          timeout=TOOL_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


def compile_c(source, flags, level, out):
    tool("clang-14", "--target=wasm32", level, "-nostdlib", "-Wl,--no-entry", *flags,
         source, "-o", out)


def compile_wat(source, out):
    tool("wat2wasm", *WAT_FLAGS, source, "-o", out)


def prepare(instrument, work, name, plain, argument):
    metered, initial = work / f"{name}.metered.wasm", work / f"{name}.initial"
    facts = json.loads(tool(instrument, plain, metered, initial))
    return {
        "plain": str(plain), "metered": str(metered), "initial": str(initial),
        "offset": facts["initial_offset"], "size": facts["initial_size"], "argument": argument,
    }


def compare(got, counted, argument, slack):
    """What is wrong with node's answers, given what the interpreter says of `counted`."""
    if "error" in got:
        return [got["error"]], 0
    outcome, result, units, seen = interpret.interpret(counted, argument)
    first, second = got["first"], got["second"]
    problems = []
    if first != second:
        problems.append(f"two runs differ: {first} {second}")
    for key in ("outcome", "result", "memory"):
        if got["plain"].get(key) != first.get(key):
            problems.append(f"{key} changed: {got['plain'].get(key)} became {first.get(key)}")
    if (first["outcome"], first["result"]) != (outcome, result):
        problems.append(f"interpreter says {outcome} {result}, node {first}")
    if abs(int(first["work"]) - units) > slack:
        problems.append(f"metered {first['work']} units, interpreter counts {units}")
    if len(seen) != len(first["seen"]):
        problems.append(f"{len(first['seen'])} host calls, interpreter has {len(seen)}")
    for metered_at, counted_at in zip(first["seen"], seen):
        if not 0 <= int(metered_at) - counted_at <= REST_OF_BLOCK:
            problems.append(f"a host call saw {metered_at} units, interpreter {counted_at}")
    return problems, units


def programs(work):
    for source, argument, flags in C_PROGRAMS:
        for level in ("-O0", "-O2"):
            name = f"{source.stem}{level}"
            plain = work / f"{name}.wasm"
            compile_c(source, flags, level, plain)
            yield name, plain, plain, argument, 0
    for name, argument, slack in WAT_PROGRAMS:
        source, plain = PROGRAMS / f"{name}.wat", work / f"{name}.wasm"
        compile_wat(source, plain)
        counted = plain
        text = source.read_text()
        if "return_call" in text:  # the interpreter has no tail calls; in last place they cost alike
            twin, counted = work / f"{name}.twin.wat", work / f"{name}.twin.wasm"
            twin.write_text(re.sub("return_call", "call", text))
            compile_wat(twin, counted)
        yield name, plain, counted, argument, slack
    for seed in range(RANDOM_PROGRAMS):
        name = f"random-{seed}"
        source, plain = work / f"{name}.wat", work / f"{name}.wasm"
        source.write_text(generate.generate(seed))
        compile_wat(source, plain)
        yield name, plain, plain, seed * 7919 + 1, 0


def main():
    instrument, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    work.mkdir(parents=True, exist_ok=True)
    cases, tasks = [], []
    for name, plain, counted, argument, slack in programs(work):
        cases.append((name, counted, argument, slack))
        tasks.append(prepare(instrument, work, name, plain, argument))
    (work / "tasks.json").write_text(json.dumps(tasks))
    answers = json.loads(tool("node", *NODE_FLAGS, HERE / "node.mjs", work / "tasks.json"))
    passed = failed = 0
    for (name, counted, argument, slack), got in zip(cases, answers, strict=True):
        problems, units = compare(got, counted, argument, slack)
        if problems:
            failed += 1
            print(f"FAILED {name}: {'; '.join(problems)}")
        else:
            passed += 1
            print(f"ok {name} ({units} units{'' if slack == 0 else f', within {slack}'})")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
