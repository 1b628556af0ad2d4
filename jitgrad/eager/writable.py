"""Which tensors may be written in place: PyTorch's rules, in its words."""

from __future__ import annotations

from typing import Any

from .modes import modes
from .views import OVERLAP, overlaps

INFERENCE_WRITE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before "
    "doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
)
NO_GRAD_VIEW = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use case is "
    "ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both "
    "inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be "
    "tracked)."
)
SEVERAL = ("Split", "SplitWithSizes", "Unbind")  # views that come several at a time; PyTorch does not let them be written


OTHER_WRITE = "its base or another view of its base has been"


def is_one_of_several(x: Any) -> bool:
    """Is x, or what it is a view of, one of several views?"""
    while x._base is not None:
        if x._path[-1].name in SEVERAL:
            return True
        x = x._base
    return False


def several_views(x: Any, written: str = "is being") -> str:
    return (
        f"Output {x._place} of {x._path[-1].name} is a view and {written} modified inplace. This view is the output of a "
        "function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should "
        "replace the inplace operation by an out-of-place one."
    )


def check_writable(x: Any) -> None:
    """PyTorch's rules for what may be written in place."""
    if x._inference and not modes.inference:
        raise RuntimeError(INFERENCE_WRITE)
    if modes.grad and (x.requires_grad or (x._unrecorded and x._base is not None and x._base.requires_grad)):
        check_recordable(x)
    if x._path and overlaps(x._layout()):
        raise RuntimeError(OVERLAP)


def check_recordable(x: Any) -> None:
    """May a write be recorded for the return sweep?"""
    if x._forbidden:
        raise RuntimeError(x._forbidden)
    if x._base is not None:
        if is_one_of_several(x):
            raise RuntimeError(several_views(x))
        if x._unrecorded:
            raise RuntimeError(NO_GRAD_VIEW)
    if x._needs and x._edge is None:
        raise RuntimeError(
            f"a {'view of a ' * (x._base is not None)}leaf Variable that requires grad is being used in an in-place operation."
        )
    base = x._base
    while base is not None:
        if base._needs and base._edge is None:
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
        base = base._base
