"""Checks of derivatives: `certify(f, *args)` compares them with everything they can be compared with, and shows a table."""

from .certificate import Certificate, Row
from .certify import certify
from .differences import Differences, differences

__all__ = ["Certificate", "Differences", "Row", "certify", "differences"]
