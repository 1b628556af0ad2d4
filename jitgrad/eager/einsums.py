"""The equation of `einsum`: reading it, and PyTorch's messages where it does not fit."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

LETTERS = string.ascii_uppercase + string.ascii_lowercase


def parsed(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """(equation, operands) of either way to call: with a string, or with a list of numbers after each operand."""
    if args and isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
        return args[0].replace(" ", ""), list(operands)
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one operand and its "
                         "subscripts list")
    pairs = len(args) // 2
    text = ",".join(letters(args[2 * k + 1]) for k in range(pairs))
    if len(args) % 2:
        text += "->" + letters(args[-1])
    return text, [args[2 * k] for k in range(pairs)]


def letters(subscripts: Sequence[Any]) -> str:
    """Numbers 0 to 51 as letters."""
    out = ""
    for k in subscripts:
        if k is Ellipsis:
            out += "..."
        elif isinstance(k, int) and 0 <= k < 52:
            out += LETTERS[k]
        else:
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return out


def check(equation: str, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise RuntimeError unless the equation fits the operands."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        more = "more" if len(terms) < len(shapes) else "fewer"
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation")
    sizes: dict[str, int] = {}
    for at, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        own: dict[str, int] = {}
        for place, c in axes(term, shape, at):
            n, seen = shape[place], sizes.get(c, 1)
            if own.setdefault(c, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {c} is repeated for operand {at} but the sizes don't match, {n} != {own[c]}"
                )
            if n != seen and 1 not in (n, seen):
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {at} which does not broadcast with previously "
                    f"seen size {seen}"
                )
            sizes[c] = max(n, seen)
    out = right.replace("...", "")
    for c in out:
        if out.count(c) > 1:
            raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")
        if c not in sizes:
            raise RuntimeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")


def axes(term: str, shape: tuple[int, ...], at: int) -> list[tuple[int, str]]:
    """(axis, letter) of one operand."""
    before, dots, after = term.partition("...")
    for c in before + after:
        if not (c.isascii() and c.isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {term.index(c)} in the equation string, subscripts must "
                "be in [a-zA-Z]"
            )
    count = len(before) + len(after)
    if (count != len(shape)) if not dots else (count > len(shape)):
        how = "and no ellipsis was given" if not dots else "even with ellipsis"
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({count}) does not match the number of dimensions "
            f"({len(shape)}) "
            f"for operand {at} {how}"
        )
    return [*enumerate(before), *((len(shape) - len(after) + k, c) for k, c in enumerate(after))]


def expanded(equation: str, ranks: Sequence[int]) -> str:
    """With letters in the place of `...`: the axes of the longest one, counted from the back."""
    if "..." not in equation:
        return equation
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    extra = [rank - len(t.replace("...", "")) if "..." in t else 0 for t, rank in zip(terms, ranks, strict=False)]
    free = [c for c in LETTERS if c not in equation][: max(extra, default=0)]
    terms = [t.replace("...", "".join(free[len(free) - n :]) if n > 0 else "") for t, n in zip(terms, extra, strict=False)]
    if arrow:
        return ",".join(terms) + "->" + right.replace("...", "".join(free))
    named = left.replace("...", "").replace(",", "")
    once = sorted(c for c in set(named) if named.count(c) == 1)
    return ",".join(terms) + "->" + "".join(free) + "".join(once)


def node(equation: str) -> str:
    """What PyTorch's last step is called, in the common cases."""
    left, arrow, right = equation.partition("->")
    used = set(left) - {","}
    out = set(right) if arrow else {c for c in used if left.count(c) == 1}
    summed = bool(used - out)
    if "," in left:
        return "View" if summed else "Mul"
    return "Sum.1" if summed else "Permute"
