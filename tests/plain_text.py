"""Generated texts run as plain Python, without Numba: fast enough for hundreds of random programs, and with fresh memory full
of NaN, so that a cell that is read before it was written shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.emit.cpu import MODULES
from jitgrad.emit.load import Text

TOL = {"rtol": 1e-10, "atol": 1e-10}


def _gemm(ta: bool, tb: bool, a: Any, b: Any, out: Any) -> None:
    out[...] = (a.T if ta else a) @ (b.T if tb else b)


def _gemv(ta: bool, a: Any, x: Any, out: Any) -> None:
    out[...] = (a.T if ta else a) @ x


def _gemm_add(ta: bool, tb: bool, a: Any, b: Any, more: int, out: Any) -> None:
    out[...] = (a.T if ta else a) @ (b.T if tb else b) + (out if more else 0.0)


def _gemv_add(ta: bool, a: Any, x: Any, more: int, out: Any) -> None:
    out[...] = (a.T if ta else a) @ x + (out if more else 0.0)


def _row_blocks(n: int, width: int, matrix: int) -> tuple[int, int]:
    """Blocks of two rows."""
    return 2, max(1, -(-n // 2))


def _gesv(a: Any, b: Any, out: Any) -> None:
    out[...] = np.linalg.solve(a, b)


def _grow(a: Any, count: int) -> Any:
    more = max(len(a), count - len(a))
    return np.concatenate([a, np.full((more, *a.shape[1:]), np.nan if a.dtype.kind == "f" else 0, a.dtype)])


class _NumPy:
    """NumPy as texts see it; what `empty` gives is poisoned."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def empty(shape: Any, dtype: Any = float) -> Any:
        kind = np.dtype(dtype).kind
        poison = np.nan if kind == "f" else 0 if kind == "b" else max(-(10**6), int(np.iinfo(dtype).min)) or 77
        return np.full(shape, poison, dtype)


ROUTINES: dict[str, Any] = {"gemm": _gemm, "gemv": _gemv, "gesv": _gesv, "grow": _grow, "empty": _NumPy.empty, "zeros": np.zeros}
ROUTINES |= {"gemm_add": _gemm_add, "gemv_add": _gemv_add, "row_blocks": _row_blocks}


def run(text: Text, args: list[Any]) -> tuple[Any, ...]:
    """The results of the text on these arguments."""
    lines = [line for line in text.source.splitlines() if not line.startswith(("from jitgrad", "import numpy"))]
    scope = {name: getattr(np, name) for name in MODULES if hasattr(np, name)}
    scope |= {**ROUTINES, "np": _NumPy()}
    exec("\n".join(lines), scope)
    with np.errstate(all="ignore"):
        out: tuple[Any, ...] = scope[text.name](*args)
    return out


def same(got: Any, want: Any, args: list[Any], before: list[Any]) -> None:
    """The results agree, arguments are as they were, and no two arrays share memory."""
    for g, w in zip(got, want, strict=True):
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(g, w, **TOL)
    for a, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(a, b)
    arrays = [x for x in (*args, *got) if isinstance(x, np.ndarray) and x.size]
    for k, x in enumerate(arrays):
        assert not any(np.shares_memory(x, z) for z in arrays[:k])
