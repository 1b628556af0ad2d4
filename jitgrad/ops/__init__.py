"""The table of primitives: facts only. Importing this package fills `ir.core.OPS`."""

from . import array, cond, index, linalg, loop, reduce, scalar, while_

__all__ = ["array", "cond", "index", "linalg", "loop", "reduce", "scalar", "while_"]
