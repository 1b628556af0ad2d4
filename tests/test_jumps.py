"""Structured control flow: random functions of loops, jumps and exceptions do what they do as written."""

import random

from jitgrad.front.rewrite import convert

from .plain_runtime import PlainRuntime, from_text


class Programs:
    """Random functions of nothing but control flow. A condition takes the next of the bits; every step is logged."""

    def __init__(self, seed):
        self.random, self.lines, self.count = random.Random(seed), [], 0
        self.add(0, "def f(bit, log, swallow, fail):")
        self.block(1, loop=False, final=False)

    def add(self, depth, text):
        self.lines.append("    " * depth + text)

    def block(self, depth, loop, final):
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth, loop, final)

    def statement(self, d, loop, final):
        self.count += 1
        n, kinds = self.count, ["step", "step", "bind", "read", "raise", "raise"]
        if d < 5:
            kinds += ["if", "if", "if", "for", "while", "try", "finally", "with"]
        if loop or not final:  # a loop in `finally` may be left, not the `finally`
            kinds += ["break", "break", "continue", "continue"]
        if not final:
            kinds += ["return", "return"]
        kind = self.random.choice(kinds)
        if kind == "step":
            self.add(d, f"log({n})")
        elif kind == "bind":
            self.add(d, f"v{n % 3} = {n}")
        elif kind == "read":
            self.add(d, f"log(v{n % 3})")
        elif kind == "raise":
            self.add(d, f"if bit(): raise ValueError({n})")
        elif kind == "return":
            self.add(d, f"return {n}" if n % 4 else "return")
        elif kind in ("break", "continue"):
            self.add(d, kind if loop else f"log({n})")
        elif kind in ("if", "for", "while"):
            head = {"if": "if bit():", "for": f"for i{d} in range(3):", "while": "while bit():"}[kind]
            self.add(d, head)
            self.block(d + 1, loop or kind != "if", final)
            if self.random.random() < 0.4:
                self.add(d, "else:")
                self.block(d + 1, loop, final)
        elif kind == "with":
            self.add(d, self.random.choice(["with swallow:", "with fail:", "with swallow, fail:", "with fail, swallow:"]))
            self.block(d + 1, loop, final)
        else:
            self.add(d, "try:")
            self.block(d + 1, loop, final)
            if kind == "try":
                self.add(d, "except ValueError as e:")
                self.add(d + 1, "log(str(e))")
                self.block(d + 1, loop, final)
                if self.random.random() < 0.5:
                    self.add(d, "else:")
                    self.block(d + 1, loop, final)
            if kind == "finally" or self.random.random() < 0.3:
                self.add(d, "finally:")
                self.block(d + 1, False, True)


class Swallow:
    def __enter__(self):
        pass

    def __exit__(self, kind, *_):
        return kind is ValueError


class Fail:
    def __init__(self, bit):
        self.bit = bit

    def __enter__(self):
        pass

    def __exit__(self, *_):
        if self.bit():
            raise ValueError("exit")


def outcome(f, seed):
    r, log = random.Random(seed), []

    def bit():
        log.append("?")
        if len(log) > 200:
            raise TimeoutError
        return r.random() < 0.4

    try:
        return "value", f(bit, log.append, Swallow(), Fail(bit)), log
    except Exception as e:
        return "error", NameError if isinstance(e, NameError) else type(e), log


def test_random_control_flow():
    seen = {"value": 0, "error": 0}
    for seed in range(250):
        text = "\n".join(Programs(seed).lines) + "\n"
        f = from_text(text, f"<random {seed}>")["f"]
        g = convert(f, PlainRuntime())
        for bits in range(12):
            expected = outcome(f, bits)
            assert outcome(g, bits) == expected, text
            seen[expected[0]] += 1
    assert min(seen.values()) > 500
