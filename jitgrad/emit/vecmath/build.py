"""Arithmetic on LLVM values that reads like arithmetic: what the functions of this package are written in.

A function here is ordinary Python on `Value`s (`fma(x, y, 1.0)`, `select(x < 0.0, -x, x)`). Running it once emits its
body, branch-free, as one LLVM function that is inlined into the loops that call it, where LLVM's loop vectoriser widens
it. `rescue` is the exception that proves useful: it replaces lanes that the polynomial cannot do by a call of the C
library, without costing the loop its vectors.

No instruction emitted here takes fast-math flags, its own or the caller's (see Note [Sealed flags]).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from llvmlite import ir
from llvmlite.ir.instructions import FastMathFlags
from numba.core import types


@dataclass(frozen=True)
class Real:
    """A float format. Adding `magic` rounds to an integer, which then stands in the low bits of the sum."""

    bits: int
    digits: int  # stored bits of the mantissa
    bias: int
    tiny: float  # smallest normal number
    numba: types.Float
    llvm: ir.Type
    suffix: str  # of LLVM's overloaded names

    @property
    def magic(self) -> float:
        return 1.5 * 2.0**self.digits

    @property
    def integer(self) -> ir.Type:
        return ir.IntType(self.bits)


F64 = Real(64, 52, 1023, 2.0**-1022, types.float64, ir.DoubleType(), "f64")
F32 = Real(32, 23, 127, 2.0**-126, types.float32, ir.FloatType(), "f32")
_REALS = {str(real.llvm): real for real in (F64, F32)}
_BOOL = ir.IntType(1)
_LANES = {64: (2, 4, 8), 32: (2, 4, 8, 16)}  # vector lengths that a loop may be widened to


@dataclass(frozen=True)
class Code:
    """Where the instructions of one function go; `context` is Numba's, which knows the C library."""

    context: Any
    builder: ir.IRBuilder

    def intrinsic(self, name: str, *args: Value) -> Value:
        """Call an LLVM intrinsic that is overloaded on the type of its arguments, all of one type."""
        kind = args[0].llvm.type
        full = f"llvm.{name}.{args[0].real.suffix}"
        known = self.builder.module.globals.get(full)
        function = known or ir.Function(self.builder.module, ir.FunctionType(kind, [kind] * len(args)), full)
        return Value(self, self.builder.call(function, [a.llvm for a in args]))


class Value:
    """A scalar (float, integer of the same width, or truth value) inside the function being emitted."""

    __slots__ = ("code", "llvm")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, code: Code, llvm: ir.Value) -> None:
        self.code, self.llvm = code, llvm

    @property
    def real(self) -> Real:
        return _REALS[str(self.llvm.type)]

    @property
    def bits(self) -> Value:
        return Value(self.code, self.code.builder.bitcast(self.llvm, self.real.integer))

    def as_real(self, real: Real) -> Value:
        """The float whose bits this integer is."""
        return Value(self.code, self.code.builder.bitcast(self.llvm, real.llvm))

    def low_bits(self, real: Real) -> Value:
        """The low bits of this integer, as many as `real` has."""
        return self if self.llvm.type == real.integer else self._emit("trunc", self.llvm, real.integer)

    def constant(self, number: float) -> Value:
        kind = self.llvm.type
        if isinstance(kind, ir.IntType):
            return Value(self.code, ir.Constant(kind, int(number) & ((1 << kind.width) - 1)))
        return Value(self.code, ir.Constant(kind, float(number)))

    def _lift(self, other: Value | float) -> Value:
        return other if isinstance(other, Value) else self.constant(other)

    def _emit(self, method: str, *args: Any) -> Value:
        return Value(self.code, getattr(self.code.builder, method)(*args))

    def _arith(self, name: str, other: Value | float) -> Value:
        prefix = "" if isinstance(self.llvm.type, ir.IntType) else "f"
        return self._emit(prefix + name, self.llvm, self._lift(other).llvm)

    def _logic(self, name: str, other: Value | float) -> Value:
        return self._emit(name, self.llvm, self._lift(other).llvm)

    def _compare(self, op: str, other: Value | float) -> Value:
        b = self._lift(other).llvm
        if isinstance(self.llvm.type, ir.IntType):
            return self._emit("icmp_unsigned", op, self.llvm, b)
        return self._emit("fcmp_unordered" if op == "!=" else "fcmp_ordered", op, self.llvm, b)

    # fmt: off
    def __add__(self, o: Value | float) -> Value: return self._arith("add", o)
    def __sub__(self, o: Value | float) -> Value: return self._arith("sub", o)
    def __mul__(self, o: Value | float) -> Value: return self._arith("mul", o)
    def __truediv__(self, o: Value | float) -> Value: return self._arith("div", o)
    def __radd__(self, o: float) -> Value: return self._lift(o) + self
    def __rsub__(self, o: float) -> Value: return self._lift(o) - self
    def __rmul__(self, o: float) -> Value: return self._lift(o) * self
    def __rtruediv__(self, o: float) -> Value: return self._lift(o) / self
    def __neg__(self) -> Value: return self._emit("fneg", self.llvm)

    def __lt__(self, o: Value | float) -> Value: return self._compare("<", o)
    def __le__(self, o: Value | float) -> Value: return self._compare("<=", o)
    def __gt__(self, o: Value | float) -> Value: return self._compare(">", o)
    def __ge__(self, o: Value | float) -> Value: return self._compare(">=", o)
    def __eq__(self, o: Value | float) -> Value: return self._compare("==", o)  # type: ignore[override]
    def __ne__(self, o: Value | float) -> Value: return self._compare("!=", o)  # type: ignore[override]

    def __and__(self, o: Value | float) -> Value: return self._logic("and_", o)
    def __or__(self, o: Value | float) -> Value: return self._logic("or_", o)
    def __xor__(self, o: Value | float) -> Value: return self._logic("xor", o)
    def __lshift__(self, o: Value | float) -> Value: return self._logic("shl", o)
    def __rshift__(self, o: Value | float) -> Value: return self._logic("lshr", o)
    # fmt: on


def intrinsic(name: str, x: Value, *others: Value | float) -> Value:
    return x.code.intrinsic(name, x, *(x._lift(o) for o in others))


def fma(x: Value, y: Value | float, z: Value | float) -> Value:
    """x*y + z, rounded once: where the result depends on it."""
    return intrinsic("fma", x, y, z)


def muladd(x: Value, y: Value | float, z: Value | float) -> Value:
    """x*y + z, rounded once or twice, whichever the machine does faster."""
    return intrinsic("fmuladd", x, y, z)


def fabs(x: Value) -> Value:
    return intrinsic("fabs", x)


def sqrt(x: Value) -> Value:
    return intrinsic("sqrt", x)


def copysign(x: Value, y: Value) -> Value:
    return intrinsic("copysign", x, y)


def select(condition: Value, x: Value | float, y: Value | float) -> Value:
    """x where the condition holds, else y; at least one of them is a Value."""
    like = x if isinstance(x, Value) else y
    assert isinstance(like, Value)
    return like._emit("select", condition.llvm, like._lift(x).llvm, like._lift(y).llvm)


def clamp(x: Value, low: float | None, high: float | None) -> Value:
    """x cut to [low, high]; NaN stays NaN."""
    if low is not None:
        x = select(x < low, low, x)
    return x if high is None else select(x > high, high, x)


def poly(x: Value, coefs: Sequence[float]) -> Value:
    """The polynomial with these coefficients, rising powers, in pairs so that the chain of operations is short."""
    terms: list[Value | float] = list(coefs)
    while len(terms) > 1:
        pairs = [muladd(x, terms[i + 1], terms[i]) for i in range(0, len(terms) - 1, 2)]
        terms = [*pairs, *terms[2 * len(pairs) :]]
        if len(terms) > 1:
            x = x * x
    assert isinstance(terms[0], Value)
    return terms[0]


def widen(x: Value) -> Value:
    return x if x.real is F64 else x._emit("fpext", x.llvm, F64.llvm)


def narrow(x: Value, real: Real) -> Value:
    return x if x.real is real else x._emit("fptrunc", x.llvm, real.llvm)


def libm(function: Callable[..., float], *args: Value) -> Value:
    """Call one of Python's `math` functions as Numba would: one lane, at the C library's accuracy and speed."""
    code, kind = args[0].code, args[0].real.numba
    call = code.context.get_function(function, kind(*[kind] * len(args)))
    return Value(code, call(code.builder, [a.llvm for a in args]))


# Note [Sealed flags]
# After lowering a function Numba adds the fast-math flags of its decorator to every float instruction and call in the
# module, those emitted here included. `reassoc` would undo compensated sums, `nnan` the answers at NaN. So the
# instructions of this package carry flag containers that stay empty.


class _SealedFlags(list):
    def append(self, flag: str) -> None:
        pass


class _SealedFastMath(FastMathFlags):
    def add(self, flag: str) -> None:
        pass


def seal(instruction: ir.Instruction) -> None:
    """Keep the caller's fast-math flags off one instruction."""
    instruction.flags = _SealedFlags(instruction.flags)
    if hasattr(instruction, "fastmath"):
        instruction.fastmath = _SealedFastMath()


@cache
def fingerprint() -> str:
    """A hash of the sources of this package, for keys of caches of code compiled with it."""
    parts = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(part.name.encode() + part.read_bytes() for part in parts)).hexdigest()


def define(
    context: Any, module: ir.Module, name: str, real: Real, arity: int, body: Callable[..., Value], attribute: str
) -> ir.Function:
    """The LLVM function `name` of `arity` floats, emitted once a module. The fingerprint keeps versions apart."""
    full = f"jitgrad.{fingerprint()[:10]}.{name}.{real.suffix}"
    if full in module.globals:
        return module.globals[full]
    function = ir.Function(module, ir.FunctionType(real.llvm, [real.llvm] * arity), full)
    function.linkage = "linkonce_odr"
    function.attributes.add(attribute)
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    code = Code(context, builder)
    builder.ret(body(*(Value(code, a) for a in function.args)).llvm)
    _seal_all(function)
    return function


def _seal_all(function: ir.Function) -> None:
    for block in function.blocks:
        for instruction in block.instructions:
            seal(instruction)


# Note [Rescue]
# A loop with a call of libm is not vectorised, not even where the call stands under a branch. But LLVM may replace a
# call by a vector version that the call names ("vector-function-abi-variant"), and what the versions do is their
# affair: these compare, find no NaN, and return. Only where a lane is NaN though its arguments are not do they walk
# through the lanes and call the scalar version, which calls libm. It costs a call for every vector (0.15 to 0.4 ns an
# element) and some 15 ms of compile time. The scalar version must not be inlined before the vectoriser has run.


def rescue(name: str, y: Value, fallback: Callable[..., Value], *args: Value) -> Value:
    """y, but fallback(*args) where y is NaN and no argument is; `name` names the fallback."""
    code, real, arity = y.code, y.real, 1 + len(args)
    module = code.builder.module

    def scalar(y: Value, *args: Value) -> Value:
        builder, block = y.code.builder, y.code.builder.block
        lost = y != y
        for a in args:
            lost = lost & (a == a)
        with builder.if_then(lost.llvm, likely=False):
            repaired = fallback(*args).llvm
            source = builder.block
        result = builder.phi(real.llvm)
        result.add_incoming(y.llvm, block)
        result.add_incoming(repaired, source)
        return Value(y.code, result)

    one = define(code.context, module, f"rescue.{name}", real, arity, scalar, "noinline")
    lanes = _LANES[real.bits]
    for n in lanes:
        _define_lanes(module, one, real, n)
    call = code.builder.call(one, [y.llvm, *(a.llvm for a in args)])
    variants = ",".join(f"_ZGV_LLVM_N{n}{'v' * arity}_{one.name}({one.name}.v{n})" for n in lanes)
    for attribute in ("nounwind", "willreturn", "readnone", f'"vector-function-abi-variant"="{variants}"'):
        set.add(call.attributes, attribute)  # llvmlite's own `add` knows only half of them
    return Value(code, call)


def _define_lanes(module: ir.Module, one: ir.Function, real: Real, n: int) -> None:
    """The version of `one` for vectors of n: nothing to do, or lane by lane."""
    name = f"{one.name}.v{n}"
    if name in module.globals:
        return
    vector = ir.VectorType(real.llvm, n)
    function = ir.Function(module, ir.FunctionType(vector, [vector] * len(one.args)), name)
    function.linkage = "linkonce_odr"
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    lost = builder.fcmp_unordered("uno", function.args[0], function.args[0])
    any_of = f"llvm.vector.reduce.or.v{n}i1"
    reduce_or = module.globals.get(any_of) or ir.Function(module, ir.FunctionType(_BOOL, [lost.type]), any_of)
    with builder.if_then(builder.call(reduce_or, [lost]), likely=False):
        result: ir.Value = function.args[0]
        for lane in range(n):
            at = ir.Constant(ir.IntType(32), lane)
            y = builder.call(one, [builder.extract_element(a, at) for a in function.args])
            result = builder.insert_element(result, y, at)
        builder.ret(result)
    builder.ret(function.args[0])
    _seal_all(function)
    _keep(module, function)


def _keep(module: ir.Module, function: ir.Function) -> None:
    """List the function in llvm.compiler.used: nothing calls it before the vectoriser does."""
    pointer, name = ir.IntType(8).as_pointer(), "llvm.compiler.used"
    known = module.globals.get(name)
    kept = [*(known.initializer.constant if known else ()), function.bitcast(pointer)]
    kind = ir.ArrayType(pointer, len(kept))
    if known is None:
        known = ir.GlobalVariable(module, kind, name)
        known.linkage, known.section = "appending", "llvm.metadata"
    known.value_type, known.type = kind, kind.as_pointer()
    known.initializer = ir.Constant(kind, kept)
