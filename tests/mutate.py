"""`python -m tests.mutate [op ...]`: makes every partial, transpose, tangent, accumulation and definition of the table 1%
wrong in turn, and tells whether the checks of the table notice. Then it answers yes to every question that the passes ask
before they move something, one question at a time: the programs of the constructs, or random loops, must come out wrong.
Exits with 1 if anything goes unnoticed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from jitgrad.transform import depend

from .constructs import PROGRAMS
from .harness import OPS, facts
from .programs import examples_of
from .test_constructs import test_first_order, test_passes_keep_the_meaning
from .test_random_loops import test_reverse_is_the_transpose_of_forward


@contextmanager
def mutated(name: str, fields: dict[str, Any]) -> Iterator[None]:
    """The table with other facts for one op; programs must be traced within."""
    before = OPS[name]
    OPS[name] = replace(before, **fields)
    try:
        yield
    finally:
        OPS[name] = before


def noticed(name: str) -> bool:
    """Does a check of an example of the op fail?"""
    for e in examples_of(name):
        try:
            e.check(order=1)
        except AssertionError:
            return True
    return False


def mutations(names: Sequence[str] = ()) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Op, the fact that is perturbed, the fields in which it is."""
    for name in names or list(OPS):
        for (field, k), fields in facts(OPS[name]).items():
            yield name, field if k is None else f"{field}[{'every' if k < 0 else k}]", fields


def missed(names: Sequence[str] = (), report: Any = lambda *line: None) -> list[str]:
    """The mutations that no check notices."""
    out = []
    for name, fact, fields in mutations(names):
        with mutated(name, fields):
            caught = noticed(name)
        report("caught" if caught else "MISSED", f"{name}.{fact}")
        if not caught:
            out.append(f"{name}.{fact}")
    return out


def unmutated(names: Sequence[str] = ()) -> list[str]:
    """Ops whose checks fail as they are: of these, a mutation that is noticed means nothing."""
    return [name for name in names or list(OPS) if facts(OPS[name]) and noticed(name)]


# ---- what passes prove

PROOFS = ("apart", "differ", "any_order", "accumulates")  # by their names in `transform/depend.py`


@contextmanager
def proven(name: str) -> Iterator[None]:
    """That question is answered by yes, whoever asks."""
    before = getattr(depend, name)
    asking = [m for k, m in list(sys.modules.items()) if k.startswith("jitgrad") and vars(m).get(name) is before]
    for m in asking:
        setattr(m, name, lambda *_, **__: True)
    try:
        yield
    finally:
        for m in asking:
            setattr(m, name, before)


def seen(seeds: int = 20) -> bool:
    """Does a program come out wrong?"""
    try:
        for program in PROGRAMS:
            test_passes_keep_the_meaning(program)
            test_first_order(program, 5)
        for seed in range(seeds):
            test_reverse_is_the_transpose_of_forward(seed)
    except Exception:  # whatever a wrong proof leads to
        return True
    return False


def unseen(report: Any = lambda *line: None) -> list[str]:
    out = []
    for name in PROOFS:
        with proven(name):
            caught = seen()
        report("caught" if caught else "MISSED", f"`{name}` always True")
        out += [] if caught else [name]
    return out


def main(names: Sequence[str]) -> int:
    broken = [*unmutated(names), *(["the programs of the passes"] if not names and seen() else [])]
    if broken:
        print("these fail without any mutation:", ", ".join(broken))
        return 1
    out = missed(names, print)
    out += [] if names else unseen(print)
    print(f"{sum(1 for _ in mutations(names)) + (0 if names else len(PROOFS))} mutations, {len(out)} missed")
    return 1 if out else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
