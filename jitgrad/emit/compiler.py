"""Numba's compiler for generated text: the same machine, less of it.

Generated text is simple: numbers and contiguous arrays, one type for a name, indices that are in bounds and never negative,
`range` by one or minus one. So passes that would find nothing to do are left out; the type of `float64 + float64` is asked
once instead of at every use; and a cell, a loop and a name become a few instructions instead of dozens that LLVM would have
to read first and remove then. What is not as simple goes Numba's way. Half of the time to the first gradient is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from llvmlite.ir import Undefined
from numba.core import cgutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.ir import Expr, StaticSetItem
from numba.core.lowering import Lower
from numba.core.typed_passes import (
    AnnotateTypes,
    BaseNativeLowering,
    IRLegalization,
    NoPythonBackend,
    NopythonTypeInference,
)
from numba.core.untyped_passes import FixupArgs, GenericRewrites, TranslateByteCode

from .scopes import Scopes

INDEX = types.int64  # what `range` of generated text counts in
PLAIN = (types.Number, types.Boolean, types.RangeType, types.RangeIteratorType, types.Pair)  # own no memory
OWNER = types.MemInfoPointer(types.voidptr)


class Compiler(CompilerBase):
    """The passes that generated text needs."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("generated")
        for kind in (
            *(TranslateByteCode, FixupArgs, GenericRewrites),
            *(NopythonTypeInference, IRLegalization, AnnotateTypes, NativeLowering, NoPythonBackend),
        ):
            manager.add_pass(kind, kind.__name__)
        manager.finalize()
        return [manager]

    def _compile_core(self) -> Any:
        with asked_once():
            return super()._compile_core()


@contextmanager
def asked_once() -> Iterator[None]:
    """Within one compilation, what a built-in function gives for arguments of given types is found once."""
    kind: Any = types.functions.BaseFunction
    search = kind.get_call_type
    known: dict[Any, Any] = {}

    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        key = (id(self), tuple(args), tuple(sorted(kws.items())))
        found = known.get(key)
        if found is None:
            found = known[key] = self, search(self, context, args, kws)  # `self` has to outlive its number
        return found[1]

    kind.get_call_type = get_call_type
    try:
        yield
    finally:
        kind.get_call_type = search


class Lowering(Lower):
    """Statements -> instructions."""

    # ---- cells of arrays

    def cell(self, name: str, index: Sequence[Any] | None) -> Any:
        """The address of a cell; None where Numba's own way has to be gone."""
        kind = self.typeof(name)
        if index is None or not is_plain_array(kind) or len(index) != kind.ndim:
            return None
        at = index[0]
        if kind.ndim > 1:
            shape = self.field(name, "shape")
            for k, i in enumerate(index[1:], 1):
                at = self.builder.add(self.builder.mul(at, self.builder.extract_value(shape, k)), i)
        return self.builder.gep(self.field(name, "data"), [at])

    def field(self, name: str, field: str) -> Any:
        """One field of an array."""
        at = self.context.data_model_manager[self.typeof(name)].get_field_position(field)
        if name in self._blk_local_varmap:
            return self.builder.extract_value(self.loadvar(name), at)
        return self.builder.load(cgutils.gep_inbounds(self.builder, self.getvar(name), 0, at))

    def computed(self, name: str) -> list[Any] | None:
        """The indices that a subscript gives."""
        kind, value = self.typeof(name), self.loadvar(name)
        if isinstance(kind, types.Integer):
            return [self.context.cast(self.builder, value, kind, types.intp)]
        kinds: list[Any] = list(kind.types) if isinstance(kind, types.BaseTuple) else [None]  # type: ignore[attr-defined]
        if not all(isinstance(t, types.Integer) for t in kinds):
            return None
        parts = [self.builder.extract_value(value, k) for k in range(len(kinds))]
        return [self.context.cast(self.builder, v, t, types.intp) for v, t in zip(parts, kinds, strict=True)]

    def written(self, index: Any) -> list[Any] | None:
        """Those of a subscript in which only numbers stand."""
        parts = index if isinstance(index, tuple) else (index,)
        if not all(type(k) is int and k >= 0 for k in parts):
            return None
        return [self.context.get_constant(types.intp, k) for k in parts]

    def load(self, resty: Any, name: str, place: Any) -> Any:
        kind = self.typeof(name).dtype
        with self.access(name):
            number = self.context.unpack_value(self.builder, kind, place)
        return self.context.cast(self.builder, number, kind, resty)

    def store(self, name: str, place: Any, value: str) -> None:
        kind = self.typeof(name).dtype
        number = self.context.cast(self.builder, self.loadvar(value), self.typeof(value), kind)
        with self.access(name):
            self.context.pack_value(self.builder, kind, number, place)

    @contextmanager
    def access(self, name: str) -> Iterator[None]:
        """What reads or writes a cell in between says in which array."""
        before = len(self.builder.block.instructions)
        yield
        new = self.builder.block.instructions[before:]
        self.scopes.mark([x for x in new if x.opname in ("load", "store")], name)

    @cached_property
    def scopes(self) -> Scopes:
        return Scopes(self.func_ir._definitions, self.builder.module, self.fndesc.unique_name)

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        place = None if expr.op == "static_getitem" else self.cell(value.name, self.computed(index.name))
        if place is None:
            return super().lower_getitem(resty, expr, value, index, signature)
        return self.load(resty, value.name, place)

    def static_getitem(self, resty: Any, expr: Any) -> Any:
        place = self.cell(expr.value.name, self.written(expr.index))
        return None if place is None else self.load(resty, expr.value.name, place)

    def lower_setitem(self, target_var: Any, index_var: Any, value_var: Any, signature: Any) -> Any:
        place = self.cell(target_var.name, self.computed(index_var.name))
        if place is None:
            return super().lower_setitem(target_var, index_var, value_var, signature)
        return self.store(target_var.name, place, value_var.name)

    def lower_inst(self, inst: Any) -> Any:
        if not isinstance(inst, StaticSetItem) or not is_plain_array(self.typeof(inst.target.name)):
            return super().lower_inst(inst)
        place = self.cell(inst.target.name, self.written(inst.index))
        if place is None:
            return super().lower_setitem(inst.target, inst.index_var, inst.value, self.fndesc.calltypes[inst])
        return self.store(inst.target.name, place, inst.value.name)

    # ---- loops: how often they run is a difference of their bounds

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        rule = RULES.get(expr.op)
        result = rule(self, resty, expr) if rule else None
        return super().lower_expr(resty, expr) if result is None else result

    def range_(self, resty: Any, expr: Any) -> Any:
        """`range(...)` as its three numbers."""
        if resty != types.RangeType(INDEX) or expr.kws or expr.vararg:
            return None
        given = [self.context.cast(self.builder, self.loadvar(a.name), self.typeof(a.name), INDEX) for a in expr.args]
        zero, one = (self.context.get_constant(INDEX, k) for k in (0, 1))
        return self.struct(resty, [zero, *given, one] if len(given) == 1 else [*given, one][:3])

    def getiter(self, resty: Any, expr: Any) -> Any:
        by = self.step(expr.value.name) if resty == types.RangeIteratorType(INDEX) else None
        if by not in (1, -1):
            return None
        start, stop, step = (self.builder.extract_value(self.loadvar(expr.value.name), k) for k in range(3))
        length = self.builder.sub(stop, start) if by == 1 else self.builder.sub(start, stop)
        zero = length.type(0)
        at, left = (cgutils.alloca_once(self.builder, length.type) for _ in range(2))
        self.builder.store(start, at)
        self.builder.store(self.builder.select(self.builder.icmp_signed(">", length, zero), length, zero), left)
        return self.struct(resty, [at, stop, step, left])

    def step(self, name: str) -> int | None:
        """The step of the range of this name; None if it is no number of the text."""
        made = [d for d in self.func_ir._definitions[name] if isinstance(d, Expr) and d.op == "call"]
        if len(made) != 1:
            return None
        if len(made[0].args) < 3:
            return 1
        kind = self.typeof(made[0].args[2].name)
        return kind.literal_value if isinstance(kind, types.IntegerLiteral) else None

    def iternext(self, resty: Any, expr: Any) -> Any:
        if self.typeof(expr.value.name) != types.RangeIteratorType(INDEX):
            return None
        state = self.loadvar(expr.value.name)
        at, step, left = (self.builder.extract_value(state, k) for k in (0, 2, 3))
        trips, index = self.builder.load(left), self.builder.load(at)
        self.builder.store(self.builder.sub(trips, trips.type(1), flags=["nsw"]), left)
        self.builder.store(self.builder.add(index, step), at)
        return self.struct(resty, [index, self.builder.icmp_signed(">", trips, trips.type(0))])

    def struct(self, kind: Any, fields: Sequence[Any]) -> Any:
        value = self.context.get_value_type(kind)(Undefined)
        for k, field in enumerate(fields):
            value = self.builder.insert_value(value, field, k)
        return value

    # ---- names: what owns no memory is overwritten without a look at what was there, and never cleared

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        if isinstance(self.typeof(name), PLAIN) and name in self.varmap and name not in self._singly_assigned_vars:
            self.builder.store(value, self.varmap[name])
        else:
            super().storevar(value, name, argidx)

    def alloca_lltype(self, name: str, lltype: Any, datamodel: Any = None) -> Any:
        """Without asking LLVM how large the variable is, which it answers by compiling a module."""
        if self.context.enable_debuginfo:
            return super().alloca_lltype(name, lltype, datamodel)
        return cgutils.alloca_once(self.builder, lltype, name=name)

    def delvar(self, name: str) -> None:
        if not (isinstance(self.typeof(name), PLAIN) and (name in self.varmap or name in self._blk_local_varmap)):
            super().delvar(name)

    def incref(self, typ: Any, val: Any) -> None:
        if not isinstance(typ, PLAIN):
            super().incref(*self.owner(typ, val))

    def decref(self, typ: Any, val: Any) -> None:
        if not isinstance(typ, PLAIN):
            super().decref(*self.owner(typ, val))

    def owner(self, kind: Any, value: Any) -> tuple[Any, Any]:
        """What is counted, without taking all of an array apart."""
        if not isinstance(kind, types.Array):
            return kind, value
        at = self.context.data_model_manager[kind].get_field_position("meminfo")
        return OWNER, self.builder.extract_value(value, at)


def is_plain_array(kind: Any) -> bool:
    return (
        isinstance(kind, types.Array)
        and kind.ndim > 0
        and kind.layout == "C"
        and kind.aligned
        and isinstance(kind.dtype, (types.Number, types.Boolean))
    )


RULES: dict[str, Callable[[Lowering, Any, Any], Any]] = {
    "static_getitem": Lowering.static_getitem,
    "call": Lowering.range_,
    "getiter": Lowering.getiter,
    "iternext": Lowering.iternext,
}


class Library(JITCodeLibrary):
    """Optimised once, as a whole: Numba goes through every function before, to find references that cancel."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


@register_pass(mutates_CFG=True, analysis_only=False)
class NativeLowering(BaseNativeLowering):
    _name: Any = "lowering_of_generated_text"

    @property
    def lowering_class(self) -> type[Lower]:
        return Lowering

    def run_pass(self, state: Any) -> bool:
        state.library = Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return super().run_pass(state)


__all__ = ["Compiler"]
