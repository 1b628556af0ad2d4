"""Anomaly mode: a nan that the return sweep makes is an error that shows the line of the forward operation."""

from __future__ import annotations

import warnings

from ..modes import Mode, modes

ENABLED = "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."


class detect_anomaly(Mode):
    """A context: operations remember where they were called, and a nan in a gradient raises, pointing there.

    check_nan: False only remembers, so that errors of the return sweep show the forward operation.

    >>> import warnings, jitgrad.eager as torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> with warnings.catch_warnings(), torch.autograd.detect_anomaly():
    ...     warnings.simplefilter("ignore")
    ...     (torch.sqrt(x) * 0).backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(anomaly=True, check_nan=check_nan, watch=True)
        warnings.warn(ENABLED, UserWarning, stacklevel=2)


class set_detect_anomaly(Mode):
    """Switches anomaly mode at once; as a context, puts the old one back at its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(anomaly=bool(mode), check_nan=check_nan, watch=bool(mode or modes.saved))
        super().__enter__()

    def __enter__(self) -> None:
        """The modes are set already."""


__all__ = ["detect_anomaly", "set_detect_anomaly"]
