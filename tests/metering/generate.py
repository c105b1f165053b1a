"""Makes random WebAssembly programs (text) of nothing but control flow; the seed decides all.

They always end: what goes backwards needs fuel, functions call only later ones. No traps, so the
metered count must be the interpreter's exactly.
"""
import random

FUEL = 60
DEPTH = 4
FUNCTIONS = 5


class Function:
    def __init__(self, rng, index):
        self.rng = rng
        self.index = index
        self.results = rng.choice([0, 0, 1, 2])
        self.labels = []  # innermost last: "block", "loop" or "function"

    def condition(self):
        return f"(i32.and (i32.shr_u (local.get 0) (i32.const {self.rng.randrange(12)})) (i32.const 1))"

    def values(self):
        return " ".join(["(local.get 0)", "(i32.const 9)"][: self.results])

    def scramble(self):
        k = self.rng.randrange(1, 1 << 20) | 1
        return f"(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const {k})) (i32.const {k >> 3})))"

    def branch(self):
        """A conditional branch: backwards only with fuel, out of the function with values."""
        depth = self.rng.randrange(len(self.labels))
        kind = self.labels[-1 - depth]
        if kind == "loop":
            return ("(global.set 0 (i32.sub (global.get 0) (i32.const 1)))"
                    f"(br_if {depth} (i32.gt_s (global.get 0) (i32.const 0)))")
        if kind == "function":
            return f"{self.values()} (br_if {depth} {self.condition()}) {'(drop)' * self.results}"
        return f"(br_if {depth} {self.condition()})"

    def leave(self):
        """Ends the block for good: the rest of it is dead."""
        forward = [d for d in range(len(self.labels)) if self.labels[-1 - d] == "block"]
        choice = self.rng.randrange(4)
        if choice == 0 or not forward:
            return f"(return {self.values()})"
        if choice == 1:
            targets = [str(self.rng.choice(forward)) for _ in range(self.rng.randrange(1, 5))]
            return f"(br_table {' '.join(targets)} (i32.and (local.get 0) (i32.const 3)))"
        if choice == 2:
            outside = len(self.labels) - 1
            return f"{self.values()} (br {outside})"
        return f"(br {self.rng.choice(forward)})"

    def call(self):
        if self.index + 1 == FUNCTIONS:
            return "(nop)"
        callee = self.rng.randrange(self.index + 1, FUNCTIONS)
        if callee % 2 == 0 and self.rng.randrange(2):
            return f"(call_indirect (type $t{callee}) (local.get 0) (i32.const {callee}))" + DROPS[callee]
        return f"(call {callee} (local.get 0))" + DROPS[callee]

    def nested(self, kind, size):
        self.labels.append("loop" if kind == "loop" else "block")
        inner = self.body(size)
        self.labels.pop()
        return f"({kind} {inner})"

    def statement(self, size):
        choice = self.rng.randrange(11)
        if choice < 3:
            return self.scramble()
        if choice == 3:
            return self.branch() if self.labels else "(nop)"
        if choice == 4:
            return self.call()
        if choice == 5:
            return "(global.set 1 (i32.add (global.get 1) (local.get 0)))"
        if len(self.labels) > DEPTH:
            return "(nop)"
        if choice < 8:
            return self.nested("block", size)
        if choice == 8:
            return self.nested("loop", size)
        self.labels.append("block")
        arms = f"(then {self.body(size)})"
        if self.rng.randrange(2):
            arms += f" (else {self.body(size)})"
        self.labels.pop()
        return f"(if {self.condition()} {arms})"

    def body(self, size):
        parts = [self.statement(size - 1) for _ in range(self.rng.randrange(size + 1))]
        if self.rng.randrange(5) == 0:
            parts.append(self.leave())
            if self.rng.randrange(3) == 0:
                parts.append("(loop (br 0)) (drop (i32.const 1))")
        return " ".join(parts)

    def text(self):
        self.labels = ["function"]
        results = f"(result {' '.join(['i32'] * self.results)})" if self.results else ""
        return f"(func (type $t{self.index}) (param i32) {results} {self.body(6)} {self.values()})"


DROPS = {}


def generate(seed):
    rng = random.Random(seed)
    functions = [Function(rng, index) for index in range(FUNCTIONS)]
    for function in functions:
        DROPS[function.index] = " (drop)" * function.results
    types = "\n".join(
        f"(type $t{f.index} (func (param i32) (result{' i32' * f.results})))" for f in functions)
    bodies = "\n".join(function.text() for function in functions)
    odd = " ".join(str(i) if i % 2 == 0 else "null" for i in range(FUNCTIONS))
    items = " ".join("(ref.null func)" if word == "null" else f"(ref.func {word})"
                     for word in odd.split())
    return f"""(module
{types}
(table {FUNCTIONS} funcref)
(elem (table 0) (i32.const 0) funcref {items})
(global (mut i32) (i32.const {FUEL}))
(global (mut i32) (i32.const 0))
{bodies}
(func (export "run") (param i32) (result i32)
  (call 0 (local.get 0)){DROPS[0]}
  (call 1 (i32.const {rng.randrange(1 << 30)})){DROPS[1]}
  (i32.add (global.get 0) (global.get 1))))
"""
