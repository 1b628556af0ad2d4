"""Numbers and names of `torch` that are no functions."""

import math

__version__ = "2.13.0+jitgrad"  # of PyTorch, whose behaviour this is; jitgrad's own is jitgrad.__version__
inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None


class _Name:
    """A layout or memory format. There is one of each that means anything here: dense, row after row."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided, contiguous_format, preserve_format = map(_Name, ("strided", "contiguous_format", "preserve_format"))

__all__ = ["__version__", "contiguous_format", "e", "inf", "nan", "newaxis", "pi", "preserve_format", "strided"]
