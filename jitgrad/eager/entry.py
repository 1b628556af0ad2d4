"""What is remembered of one structure of recorded work: its steps, and the programs that were made of it.

The first time the steps run one after the other; from then on (`settings.compile_after`) they are one compiled program, fused.
Floats are literals of the program until one of them changes; from then on that one is a parameter.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..api.programs import Function, Program
from ..emit.raised import throw
from .dtypes import dtype as DType
from .kernel import Aval, Kernel
from .node import is_pick


@dataclass
class Settings:
    """compile_after: how often a structure runs uncompiled. longest: nodes that may wait before they are run anyhow."""

    compile_after: int = 1
    longest: int = 2000
    programs: int = 512  # structures that are remembered


settings = Settings()
SIZES = 256  # combinations of sizes for which an entry knows its program without asking

# A step is a kernel with what it reads: ("leaf", place), ("node", place of the step), ("float", number), ("number", value).
Step = tuple[Kernel, tuple[tuple[str, Any], ...]]


@dataclass(frozen=True)
class Structure:
    """Recorded work without its values. outs: the steps whose results are wanted; flat: of the leaves, which have no axes."""

    steps: tuple[Step, ...]
    flat: tuple[bool, ...]
    outs: tuple[int, ...]


class Version:
    """The function of one choice of literals: it takes the leaves, then the floats in `changing`."""

    def __init__(self, structure: Structure, floats: list[float], changing: tuple[int, ...]) -> None:
        self.floats, self.changing = floats, changing
        replay = Replay(structure, floats, changing)
        self.function = Function(replay, "eager", replay)
        self.quick: dict[tuple[Aval, ...], tuple[Program, bool]] = {}

    def __call__(self, avals: tuple[Aval, ...], arrays: list[np.ndarray], floats: list[float]) -> Sequence[Any]:
        """The results; `avals`: of the leaves, `arrays`: their values as computation takes them, with one axis at least."""
        given = [*arrays, *[floats[k] for k in self.changing]] if self.changing else arrays
        found = self.quick.get(avals)
        if found is None or not all([x.flags.carray for x in arrays]):
            return self._searched(avals, given)
        program, plain = found
        try:
            out = program.entry(*given)
        except Exception as e:
            throw(e, program.compiled.sites)
        return out if plain else program.result(out)

    def _searched(self, avals: tuple[Aval, ...], given: list[Any]) -> Sequence[Any]:
        """The results, by the function; what it used is what serves these types the next time."""
        program, out = self.function.with_program(*given)
        if not (program.globals or program.others or program.traced.touched):
            plain = all(o.kind == "array" for o in program.traced.outs) and all(r.type.shape for r in program.traced.fn.results)
            if len(self.quick) >= SIZES:
                self.quick.clear()
            self.quick[avals] = (program, plain)
        return out


class Entry:
    """The programs of one structure."""

    def __init__(self, structure: Structure, floats: list[float]) -> None:
        self.structure, self.seen = structure, 0
        self.literals, self.bits = floats, bits(floats)
        self.changing: tuple[int, ...] = ()
        self.version: Version | None = None

    @property
    def function(self) -> Function | None:
        """What was compiled last."""
        return None if self.version is None else self.version.function

    def __call__(self, avals: tuple[Aval, ...], arrays: list[np.ndarray], floats: list[float]) -> Sequence[Any]:
        """The values of the steps that are wanted."""
        self.seen += 1
        changing = self.changing if not floats or bits(floats) == self.bits else self._admitted(floats)
        if self.seen <= settings.compile_after:
            return interpreted(self.structure, arrays, floats)
        version = self.version
        if version is None or version.changing is not changing:  # another thread may have put its own there
            version = self.version = Version(self.structure, self.literals, changing)
        return version(avals, [x.reshape(1) if f else x for x, f in zip(arrays, self.structure.flat, strict=True)], floats)

    def _admitted(self, floats: list[float]) -> tuple[int, ...]:
        """Floats that differ from the literals of the program become parameters."""
        changing = self.changing
        differ = {k for k, (a, b) in enumerate(zip(floats, self.literals, strict=True)) if not same(a, b)}
        if not differ.issubset(changing):
            changing = self.changing = tuple(sorted(differ.union(changing)))
        return changing


def bits(floats: list[float]) -> bytes:
    """Equal for equal literals: == does not tell -0.0 from 0.0, and no nan is equal to itself."""
    return array("d", floats).tobytes()


def same(a: float, b: float) -> bool:
    """Are they one literal? (nan is itself; 0.0 and -0.0 differ.)"""
    return (a == b and math.copysign(1.0, a) == math.copysign(1.0, b)) or (a != a and b != b)


def interpreted(s: Structure, arrays: Sequence[np.ndarray], floats: Sequence[float]) -> list[Any]:
    """The values of the steps that are wanted; the others are forgotten after their last use."""
    last = {place: at for at, (_, inputs) in enumerate(s.steps) for kind, place in inputs if kind == "node"}
    last |= dict.fromkeys(s.outs, len(s.steps))
    values: dict[int, Any] = {}
    read: dict[str, Any] = {"leaf": arrays, "float": floats, "node": values}
    for at, (f, inputs) in enumerate(s.steps):
        given = [x if kind == "number" else read[kind][x] for kind, x in inputs]
        if is_pick(f):
            values[at] = given[0][f.options["k"]]
        else:
            got = f.run(given)
            values[at] = got[0] if len(got) == 1 else got
        for kind, x in inputs:
            if kind == "node" and last[x] == at:
                values.pop(x, None)
    return [values[at] for at in s.outs]


class Replay:
    """A structure as a function of arrays, for the tracer."""

    _jitgrad_trace_ = True
    __name__ = __qualname__ = "eager"
    __module__ = __name__
    __doc__ = None

    def __init__(self, structure: Structure, floats: Sequence[float], changing: Sequence[int]) -> None:
        self.structure, self.floats, self.changing = structure, floats, changing

    def __call__(self, *given: Any) -> tuple[Any, ...]:
        flat = self.structure.flat
        leaves = [x.reshape(()) if f else x for x, f in zip(given, flat, strict=False)]
        floats = list(self.floats)
        for k, x in zip(self.changing, given[len(flat) :], strict=True):
            floats[k] = x
        values: list[Any] = []
        read = {"leaf": leaves, "float": floats, "node": values}
        for f, inputs in self.structure.steps:
            arrays = [x if kind == "number" else read[kind][x] for kind, x in inputs]
            values.append(f(*arrays) if not is_pick(f) else arrays[0][f.options["k"]])
        return tuple(values[at] for at in self.structure.outs)


def stored(value: Any, d: DType) -> np.ndarray:
    """A computed value in the storage form of its dtype."""
    out = np.asarray(value) if d.store is None else d.store(np.asarray(value, d.compute))
    return out if out.dtype == d.storage else out.astype(d.storage)
