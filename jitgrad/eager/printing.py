"""Tensors as text, as PyTorch prints them.

The cells that are shown become texts of one width each (`Style`), the texts are set in nested brackets (`bracketed`), and what
else there is to say stands behind them (`ended`). `set_printoptions` has PyTorch's options.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import dtypes
from .grad_fn import grad_fn
from .run import known
from .tensor import Tensor

MANY = 1.0e3  # a larger ratio of two numbers is written with exponents
LARGE, SMALL = 1.0e8, 1.0e-4  # and so are larger and smaller numbers


@dataclass
class Options:
    """precision: digits behind the point; threshold: more cells than this are not all shown, but `edgeitems` at each end of each
    axis; linewidth: characters in a line; sci_mode: with exponents (None: where the numbers ask for it)."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


options = Options()
PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed; what is None stays as it is, but `sci_mode`, which is chosen by the numbers then.

    >>> import jitgrad.eager as torch
    >>> with torch.printoptions(precision=2):
    ...     print(torch.tensor([0.123456, 10.0]))
    tensor([ 0.12, 10.00])
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in (*PROFILES.get(profile or "", {}).items(), *given.items()):
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options, as `set_printoptions` takes them."""
    return asdict(options)


@contextmanager
def printoptions(**changes: Any) -> Iterator[None]:
    """Other options for a while."""
    before = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        set_printoptions(**before)


# ---- cells

Style = tuple[Callable[[Any], str], int]  # the text of a number, and the width of all


def style(values: np.ndarray) -> Style:
    """How the numbers of this array (all that are shown) are written."""
    if values.dtype.kind != "f":
        return str, max([1, *(len(str(v)) for v in values.ravel().tolist())])
    wide = values.astype(np.float64).ravel()
    numbers = wide[np.isfinite(wide) & (wide != 0)]
    if not numbers.size:
        return _whole, 1
    whole, exponents = bool(np.all(numbers == np.ceil(numbers))), _wants_exponents(np.abs(numbers))
    if options.sci_mode is not None:
        exponents = options.sci_mode
    write = f"{{:.{options.precision}{'e' if exponents else 'f'}}}".format if exponents or not whole else _whole
    return write, max(len(write(v)) for v in numbers.tolist())


def _wants_exponents(sizes: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        low, high = sizes.min(), sizes.max()
        return bool(high / low > MANY or high > LARGE or low < SMALL)


def _whole(v: float) -> str:
    """A float without digits behind the point: the point tells that it is one."""
    return f"{v:.0f}." if math.isfinite(v) else f"{v:.0f}"


def cell(v: Any, styles: list[Style]) -> str:
    """One number; of a complex one both parts."""
    write, width = styles[0]
    if len(styles) == 1:
        return write(v).rjust(width)
    imaginary = cell(v.imag, styles[1:]).lstrip() + "j"
    return cell(v.real, styles[:1]) + ("" if imaginary[0] in "+-" else "+") + imaginary


# ---- brackets


def shown(n: int, short: bool) -> list[int | None]:
    """Which places of an axis are shown; None: a gap."""
    e = options.edgeitems
    return [*range(e), None, *range(n - e, n)] if short and n > 2 * e else list(range(n))


def corners(values: np.ndarray) -> np.ndarray:
    """What is shown of an array that is not shown whole."""
    for axis, n in enumerate(values.shape):
        values = values.take([k for k in shown(n, True) if k is not None], axis)
    return values


def body(values: np.ndarray, indent: int) -> str:
    """The numbers in brackets; lines after the first begin `indent` places in."""
    if not values.size:
        return "[]"
    short = values.size > options.threshold
    seen = corners(values) if short else values
    styles = [style(seen.real), style(seen.imag)] if values.dtype.kind == "c" else [style(seen)]
    return bracketed(values, indent, short, styles)


def bracketed(values: np.ndarray, indent: int, short: bool, styles: list[Style]) -> str:
    if not values.ndim:
        return cell(values.item(), styles)
    if values.ndim == 1:
        return row(values, indent, short, styles)
    parts = [
        "..." if k is None else bracketed(values[k], indent + 1, short, styles) for k in shown(values.shape[0], short)
    ]
    return "[" + ("," + "\n" * (values.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def row(values: np.ndarray, indent: int, short: bool, styles: list[Style]) -> str:
    """The last axis, in lines of as many cells as fit."""
    width = sum(w for _, w in styles) + len(styles) + 1  # a comma and a space; for the second part a j
    fit = max(1, (options.linewidth - indent) // width)
    if short and not options.edgeitems:
        cells = ["..."]
    else:
        cells = [" ..." if k is None else cell(values[k].item(), styles) for k in shown(len(values), short)]
    lines = [", ".join(cells[k : k + fit]) for k in range(0, len(cells), fit)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


# ---- the whole

# A tensor as (itself without a tangent, its tangent or None). Forward mode puts its own here.
UNPACK: list[Callable[[Any], tuple[Any, Any]]] = [lambda x: (x, None)]


def readable(x: Any) -> np.ndarray:
    """The value as an array of numbers that Python can write."""
    d = x.dtype
    buffer = known(x._value())
    return d.load(buffer) if d is dtypes.bfloat16 and d.load is not None else buffer


def remarks(x: Any, values: np.ndarray) -> list[str]:
    """What stands behind the numbers."""
    default = dtypes.get_default_dtype()
    said: list[str] = []
    if (not values.size and values.ndim != 1) or (values.size and not options.edgeitems):
        said.append(f"size={tuple(values.shape)}")
    usual = (default,) if not values.size else (default, dtypes.default_of(dtypes.COMPLEX), dtypes.int64, dtypes.bool)
    if x.dtype not in usual:
        said.append(f"dtype={x.dtype}")
    primal, tangent = UNPACK[0](x)
    edge = primal._current_edge()
    if edge is not None:
        said.append(f"grad_fn=<{grad_fn(edge).name()}>")
    elif x._needs:
        said.append("requires_grad=True")
    if tangent is not None:
        said.append(f"tangent={tangent}")
    return said


def ended(text: str, said: list[str], indent: int) -> str:
    """The text with the remarks, each in a new line where it does not fit."""
    used = len(text) - text.rfind("\n") + 1
    for s in said:
        if used + len(s) + 2 > options.linewidth:
            text, used = f"{text},\n{' ' * indent}{s}", indent + len(s)
        else:
            text, used = f"{text}, {s}", used + len(s) + 2
    return text + ")"


def text(x: Any) -> str:
    """`repr` of a tensor. Classes of users print under their own name."""
    kind = type(x)
    prefix = ("tensor" if kind.__module__.startswith(str(__package__)) else kind.__name__) + "("
    values = readable(x)
    return ended(prefix + body(values, len(prefix)), remarks(x, values), len(prefix))


def formatted(x: Any, spec: str) -> str:
    """`format(x, spec)`: of a tensor without axes that of its number."""
    if x.ndim == 0 and type(x) is Tensor:
        return format(readable(x).item(), spec)
    return object.__format__(x, spec)


__all__ = ["get_printoptions", "printoptions", "set_printoptions"]
