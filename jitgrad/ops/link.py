"""link: values with a derivative of the user's.

    out, ... = link[results, wrt, closed](y, ..., x, ..., z, ..., captured, ...) { pull(g, ..., captured, ...) -> x_bar, ... }

The results are the y; their derivative with respect to y is none, and with respect to the x it is what `pull` says: from the
adjoints g of the real y to an adjoint for each x. It says nothing about the z: what y was computed from besides. `pull` may use
what it captured; a y among that is the result. Before a program is lowered, its links are undone (`transform/link.py`): they only
say how to differentiate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.build import Value, bind
from ..ir.core import OPS, Fn, Let, Op
from .table import need


@dataclass(frozen=True)
class Link:
    """The named view of the statement."""

    ys: tuple[Any, ...]
    xs: tuple[Any, ...]
    others: tuple[Any, ...]
    captured: tuple[Any, ...]
    pull: Fn

    @staticmethod
    def of(let: Let, ins: Sequence[Any] | None = None) -> Link:
        args = tuple(let.args if ins is None else ins)
        m, n, r = (let.attrs[name] for name in ("results", "wrt", "closed"))
        return Link(args[:m], args[m : m + n], args[m + n : m + n + r], args[m + n + r :], let.fns[0])

    def bind(self, hints: Sequence[str] = ()) -> tuple[Value, ...]:
        """Write it; the results."""
        args = (*self.ys, *self.xs, *self.others, *self.captured)
        counts: dict[str, Any] = {"results": len(self.ys), "wrt": len(self.xs), "closed": len(self.others)}
        names = hints or [y.atom.hint for y in self.ys]
        return bind(OPS["link"], *args, fns=(self.pull,), hints=names, **counts)


def _type(*rest: Any, results: int, wrt: int, closed: int) -> tuple[Any, ...]:
    *args, pull = rest
    ys, xs = args[:results], args[results : results + wrt]
    real = [y.type for y in ys if y.type.is_real]
    need([p.type for p in pull.params[: len(real)]] == real, "link", "adjoints of the results", pull.params)
    need(len(pull.params) == len(real) + len(args) - results - wrt - closed, "link", "what it captured", pull.params)
    need([b.type for b in pull.results] == [x.type for x in xs], "link", "an adjoint of each argument", pull.results)
    return tuple(y.type for y in ys)


def _numpy(*rest: Any, results: int, wrt: int, closed: int) -> tuple[Any, ...]:
    return tuple(rest[:results])


OPS["link"] = Op("link", _type, _numpy, construct=True)
