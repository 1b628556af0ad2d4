"""Ordinary Python functions, chosen for their syntax: each runs as written and rewritten, and must do the same.

`CASES` lists (function, arguments). Some raise, on purpose.
"""

from . import classes, expressions, failing, flow, handling, names  # noqa: F401
from .cases import CASES  # noqa: F401
