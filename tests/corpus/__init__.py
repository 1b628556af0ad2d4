"""Ordinary NumPy functions, written as users write them. Each is listed with a maker of its arguments (`cases.py`)."""

from . import geometry, kernels, language, learning, linear, loops, numerics, physics, statistics, tables  # noqa: F401
from .cases import CASES, Case

__all__ = ["CASES", "Case"]
