"""Where a program is computed: loops, buffers, library calls. Effects live here and nowhere else.

    plan    ::= name(parameter, ...) { size = ... ; block ; return result, ... }
    block   ::= statement*
    statement ::=
        Scalar   x = op(atom, ...)                     one scalar, assigned once in its block
        Load     x = buffer[dim, ...]
        Store    buffer[dim, ...] = atom               or += *= max min or and
        Set      x, ... = atom, ...                    a variable that changes: what a loop carries, a running sum
        Update   x += atom                             or *= max min or and
        Alloc    buffer                                fresh memory; filled with zeros where it says so
        Reshape  buffer = window                       another name and shape of the same memory
        For      for index in lo..hi { block }         `nest`: its iterations come from the axes of arrays; `parallel`: threads
                                                       share them; `dealt`: it has those iterations of this whole range
                                                       that one iteration of the parallel loop around it is to do; `blocks`:
                                                       its iterations are those of blocks of rows; `note`: what the text says
        While    while { block ; go } { block }
        If       if atom { block } else { block }
        Call     windows, scalars = name(window | atom, ...)          a library routine; it fills the windows
        Check    raise error unless atom
        Grow     room for so many rows of a buffer, at least twice as much as there was, if there is less
    window  ::= buffer[dim, ...][offset:]              the rows below a leading index, from an offset on: contiguous memory
    atom, dim, type: those of the IR; indices are dims over sizes, loop indices and integer scalars

Invariants (`verify.py`): a buffer is a parameter or allocated once in a block that contains its uses; parameters are
never stored to; nothing is read before it was written; every scalar is bound before it is used; what an iteration of a
parallel loop writes, no other iteration touches (`races.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.core import Atom, Op, Type, Var, Where
from ..ir.dims import DimLike, Sym, combine

Index = tuple[DimLike, ...]
Block = tuple["Stmt", ...]


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory of one array; equal only to itself."""

    type: Type
    hint: str = "t"
    param: bool = False

    def __repr__(self) -> str:
        return f"<{self.hint}: {self.type}>"


@dataclass(frozen=True)
class Window:
    """The rows of a buffer below a leading index, as an array of `shape` (which may be shorter on its first axis, and begin
    at an offset there)."""

    buffer: Buffer
    prefix: Index = ()
    shape: tuple[DimLike, ...] = ()
    offset: DimLike = 0

    @property
    def whole(self) -> bool:
        return not self.prefix and self.shape == self.buffer.type.shape and self.offset == 0

    def cell(self, index: Index) -> Index:
        """The index, in the buffer, of a cell or of a part."""
        return (*self.prefix, combine(self.offset, index[0], 1), *index[1:]) if index else self.prefix


@dataclass(frozen=True, eq=False)
class Scalar:
    out: Var
    op: Op
    args: tuple[Atom, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Load:
    out: Var
    buffer: Buffer
    index: Index


@dataclass(frozen=True, eq=False)
class Store:
    buffer: Buffer
    index: Index
    value: Atom
    how: str = "="
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Set:
    outs: tuple[Var, ...]
    values: tuple[Atom, ...]


@dataclass(frozen=True, eq=False)
class Update:
    out: Var
    how: str
    value: Atom


@dataclass(frozen=True, eq=False)
class Alloc:
    buffer: Buffer
    zero: bool = False


@dataclass(frozen=True, eq=False)
class Reshape:
    buffer: Buffer
    source: Window


@dataclass(frozen=True, eq=False)
class For:
    index: Var
    lo: DimLike
    hi: DimLike
    body: Block
    reverse: bool = False
    nest: bool = False
    parallel: bool = False
    dealt: tuple[DimLike, DimLike] | None = None
    blocks: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class While:
    test: Block
    go: Atom
    body: Block


@dataclass(frozen=True, eq=False)
class If:
    predicate: Atom
    then: Block
    other: Block = ()


@dataclass(frozen=True, eq=False)
class Call:
    name: str
    ins: tuple[Window | Atom, ...]
    outs: tuple[Window, ...] = ()
    scalars: tuple[Var, ...] = ()
    flags: tuple[Any, ...] = ()  # plain literals, the first arguments of the routine
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Check:
    predicate: Atom
    error: str
    message: str
    where: Where | None = None
    raised: int | None = None  # the number of the user's exception (`ops/cond.py`)


@dataclass(frozen=True, eq=False)
class Grow:
    buffer: Buffer
    count: DimLike


Stmt = Scalar | Load | Store | Set | Update | Alloc | Reshape | For | While | If | Call | Check | Grow


@dataclass(frozen=True)
class Bind:
    """How a size is found: (what - rest) / scale, where `what` is an integer parameter or a dimension of one."""

    size: Sym
    source: Var | Buffer
    axis: int = 0
    scale: int = 1
    rest: DimLike = 0


@dataclass(frozen=True, eq=False)
class Plan:
    name: str
    params: tuple[Var | Buffer, ...]
    sizes: tuple[Bind, ...]
    body: Block
    results: tuple[Atom | Window, ...]


BLOCKS: dict[type, tuple[str, ...]] = {For: ("body",), While: ("test", "body"), If: ("then", "other")}


def blocks(s: Stmt) -> Iterator[tuple[str, Block]]:
    """The blocks of a statement, with their names."""
    for name in BLOCKS.get(type(s), ()):
        yield name, getattr(s, name)


def map_blocks(s: Stmt, f: Callable[[Block], Block]) -> Stmt:
    """The statement with `f` of its blocks."""
    inner = {name: f(b) for name, b in blocks(s)}
    return replace(s, **inner) if inner else s  # type: ignore[arg-type]


def everywhere(block: Block) -> Iterator[Stmt]:
    """Every statement, nested ones too, in the order of the text."""
    for s in block:
        yield s
        for name in BLOCKS.get(type(s), ()):
            yield from everywhere(getattr(s, name))
