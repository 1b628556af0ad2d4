"""jitgrad: derivatives of plain Python and NumPy functions, compiled by Numba, in source one can read."""

__version__ = "0.1.0"
