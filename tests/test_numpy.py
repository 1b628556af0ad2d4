"""Every covered function of NumPy and SciPy against the library itself: values, shapes, dtypes; promotion and broadcasting
as properties; refusals; and that docs/numpy.md lists what is covered."""

from __future__ import annotations

import math
import operator
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitgrad.errors import ConcretizationError, DTypeError, ShapeError, Unsupported
from jitgrad.front import names
from jitgrad.front.context import Restart, Trace, running
from jitgrad.front.promote import Operand, lift
from jitgrad.ir.build import trace
from jitgrad.ir.core import Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp

from .surface_cases import CASES, Case
from .surface_run import Probe, call, operands_of, program, run

DOCS = Path(__file__).parent.parent / "docs" / "numpy.md"
TOLERANCE = {"f4": 2e-5, "f8": 1e-12}


def drawn(shapes, dtype, draw, seed):
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    return [(rng.random(s) < 0.5 if dtype == "?" else np.asarray(rng.uniform(*draw, s)).astype(dtype)) for s in shapes]


def flat(x):
    return [z for y in x for z in flat(y)] if isinstance(x, (list, tuple)) else [np.asarray(x)]


def check(got, want, tolerance):
    got, want = flat(got), flat(want)
    assert len(got) == len(want)
    for g, w in zip(got, want):
        assert g.shape == w.shape
        assert g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


IDS = [f"{k}-{c.name}-{d}" for k, c in enumerate(CASES) for d in c.dtypes]


@pytest.mark.parametrize(("case", "dtype"), [(c, d) for c in CASES for d in c.dtypes], ids=IDS)
def test_case(case: Case, dtype: str):
    args = drawn(case.shapes, dtype, case.draw, case.name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        want = case.f(*[a[()] for a in args])
    check(run(case.f, *args), want, TOLERANCE.get(dtype, 1e-12))
