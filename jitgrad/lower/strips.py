"""Plan -> Plan: sums of float32 terms run in float32 within strips of a loop, and in float64 from strip to strip.

    t = 0.0                                            t = 0.0
    nest i in 0..n                                     for b in 0..(n + 255)//256
        t += f(x[i])                    ->                 t_part = 0.0                                   (float32)
                                                           nest i in 256*b..min(256*b + 256, n)
                                                               t_part += f(x[i])
                                                           t += t_part

LLVM takes as many iterations at once as fit the widest type of a loop. One float64 sum among float32 values would halve that
number for all of them.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir.core import I64, Lit, Type, Var
from ..ir.dims import combine, of_symbol, opaque, smallest, trips
from .merge import renamed
from .plan import Block, For, Load, Plan, Scalar, Set, Stmt, Store, Update, While, map_blocks
from .pull import scalars_of
from .tidy import makes, reads

# What a strip adds up in float32. With u = 2**-24 and L sums side by side, as many as the vectors of the machine hold (8 or
# more), the error is at most (STRIP/L + L) u sum |terms|: 40 u for L = 8, and STRIP u if LLVM should find no vectors. It does
# not grow with the length of the loop, since the strips are added in float64. The pairwise sum of NumPy: (16 + log2(n/128)) u.
STRIP = 256
SHORT = 32  # loops of known length below that stay as they are
STRAIGHT = (Scalar, Load, Store, Update)
WIDE = frozenset({"f64", "i64", "u64"})
F32 = Type("f32")


def stripped(plan: Plan) -> Plan:
    return replace(plan, body=in_strips(plan.body))


def in_strips(block: Block, within: bool = False) -> Block:
    """`within`: a loop stands around."""
    out: list[Stmt] = []
    for s in block:
        if isinstance(s, For) and pays(s, within) and (sums := narrow_sums(s)):
            out += strips(s, sums)
        else:
            out.append(map_blocks(s, lambda b, s=s: in_strips(b, within or isinstance(s, (For, While)))))  # type: ignore[misc]
    return tuple(out)


def pays(s: For, within: bool) -> bool:
    """Is it a loop over the cells of arrays that is long enough? Starting a second loop costs as much as a few cells: within
    another loop, one of unknown length might be too short."""
    count = trips(s.lo, s.hi, 1)
    if not s.nest or s.reverse or s.parallel or s.dealt:
        return False
    return count >= SHORT if isinstance(count, int) else not within


def narrow_sums(s: For) -> list[Var]:
    """The float64 sums of float32 terms, if without them nothing in the loop is wider than float32. Else none."""
    if not all(isinstance(t, STRAIGHT) for t in s.body) or not any(isinstance(t, Scalar) for t in s.body):
        return []
    sums = {t.out: None for t in s.body if isinstance(t, Update) and narrow(t)}
    others = [t for t in s.body if not (isinstance(t, Update) and t.out in sums and narrow(t))]
    made = {v for t in others for v in makes(t)}
    moves = made | {s.index, *sums}
    used = {v for t in others for v in reads(t)}
    computed = {v for t in others if isinstance(t, (Scalar, Store)) for v in operands(t) if v in moves}
    stored = any(isinstance(t, (Store, Load)) and t.buffer.type.dtype in WIDE for t in others)
    wide = stored or any(v.type.dtype in WIDE for v in made | computed)
    return [] if wide or used & set(sums) else list(sums)


def narrow(t: Update) -> bool:
    return t.how == "+" and t.out.type.dtype == "f64" and t.value.type.dtype == "f32"


def operands(t: Scalar | Store) -> list[Var]:
    """What a statement computes with; the index of a cell is no value."""
    atoms = t.args if isinstance(t, Scalar) else (t.value,)
    return [v for a in atoms for v in scalars_of(a)]


def strips(s: For, sums: list[Var]) -> list[Stmt]:
    swap = {v: Var(F32, f"{v.hint}_part") for v in sums}
    start = Set(tuple(swap.values()), tuple(Lit(0.0, F32) for _ in sums))
    body = tuple(renamed(t, swap) for t in s.body)
    end = [Update(v, "+", part) for v, part in swap.items()]
    count = trips(s.lo, s.hi, 1)
    if isinstance(count, int) and count <= STRIP:
        return [start, replace(s, body=body, note="added up in float32"), *end]
    b = Var(I64, "b")
    lo = combine(s.lo, of_symbol(b), STRIP)
    inner = replace(s, lo=lo, hi=smallest(combine(lo, STRIP, 1), s.hi), body=body)
    number = opaque("floordiv", combine(count, STRIP - 1, 1), STRIP)
    return [For(b, 0, number, (start, inner, *end), note=f"{STRIP} terms at a time, added up in float32")]
